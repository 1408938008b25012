/*
 * recall.c
 *		The library's entry: its settings and hooks. Everything else has a file of its own.
 *
 *	parse.c, parse_error.c	errors of a parser, the nearest known word
 *	failure_cause*.c		the catalogue of failure causes
 *	enum_value.c			values of enums and their labels
 *	policy_*.c				recall policies: parse, print, match
 *	calling_hours_*.c		hours in which one may call
 *	local_clock.c			the clock of a time zone
 *	history.c				a contact's calls as a value
 *	judge*.c				whether, when and on which number a contact is called again
 *	number_calls.c			the calls to a number, looked up once
 *	table.c					reading and writing recall's tables by key
 *	terms.c					what all permits of a task are asked about
 *	claim.c					handing permits out
 *	report.c, report_many.c	booking what became of them
 *	lease.c, tally.c		how long a permit is out; what became of a record's
 *	number_out.c			whether a call to a number is out
 *	token.c					fencing tokens
 *	walk.c					where a claim begins in a long queue
 *	transition.c			the state machines
 *	origin.c				whether the database is a copy, whose claims are held
 *	rights.c				whether the caller has a right in a tenant
 *	seal.c					tenant tokens, signed
 *	entry.c					entering a tenant with one, for a transaction
 *	plan_guard.c			who may see a plan
 *	view_plan.c				along what a view is planned
 *	hidden_statistics.c		what the planner is told of the columns
 *	as_owner.c				a part in SQL with the owner's rights
 *	caller.c				who is calling, and reading a table with the caller's rights
 *	lock.c					locks that nobody else can take
 *	phone_number.c			telephone numbers
 *	mention.c				numbers that a free text mentions
 *	mask.c, number_hash.c	numbers that are not shown whole; what is left of an erased one
 *	bounds.c				how large a value may be
 *	raise.c					the refusals
 *	drop_hook.c				no scheduled job outlives the extension
 */
#include "recall.h"

#include "table.h"

#include "utils/guc.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

PG_FUNCTION_INFO_V1(recall_chunk_size_setting);

static int chunk_size = 10000;
int recall_max_source_rows = 5000000;

void
_PG_init(void)
{
	DefineCustomIntVariable(
		"recall.chunk_size", "Contacts that the processor judges in one transaction.",
		"Larger chunks are a little faster, smaller ones let other tenants, appended "
		"calls and a cancellation in sooner.",
		&chunk_size, 10000, 1, 1000000, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("recall.max_source_rows", "Most rows that a bulk source may have.",
							"Each source is read, checked and written in one transaction.",
							&recall_max_source_rows, 5000000, 1, PG_INT32_MAX - 1, PGC_SUSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("recall");
	recall_guide_views();
	recall_hide_statistics();
	recall_guard_plans();
	recall_watch_tables();
}

/* _chunk_size() returns int: unlike current_setting(), also before anything else has loaded the
 * library */
Datum
recall_chunk_size_setting(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(chunk_size);
}
