/*
 * recall.c
 *		The library's entry: its settings. Everything else has a file of its own.
 *
 *	parse.c, parse_error.c	errors of a parser, the nearest known word
 *	failure_cause.c			the catalogue of failure causes
 *	policy_*.c				recall policies: parse, print, match
 *	calling_hours_*.c		hours in which one may call
 *	transition.c			the state machines
 *	caller.c				who is calling, and reading a table with the caller's rights
 *	phone_number.c			telephone numbers
 *	drop_hook.c				no scheduled job outlives the extension
 */
#include "recall.h"

#include "utils/guc.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

int recall_chunk_size = 10000;

void
_PG_init(void)
{
	DefineCustomIntVariable("recall.chunk_size",
							"Contacts that the processor judges in one transaction.",
							"Larger chunks are a little faster, smaller ones let other tenants, appended "
							"calls and a cancellation in sooner.",
							&recall_chunk_size, 10000, 1, 1000000, PGC_SUSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("recall");
}
