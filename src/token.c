/*
 * token.c
 *		Fencing tokens: what a dialer shows to prove that a permit is still its own.
 *
 * They are random rather than counted, so that nobody guesses another's, and one of a restored or
 * forgotten copy of the database does not come again.
 */
#include "recall.h"

PG_FUNCTION_INFO_V1(recall_new_token);

#define STOCK 64 /* drawn at a time; a single draw costs as much */

/* Make a token, from 1 to 2^63 - 1. */
int64
recall_make_token(void)
{
	static uint64 stock[STOCK];
	static int left = 0;
	int64 token;

	do
	{
		if (left == 0 && !pg_strong_random(stock, sizeof(stock)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random tokens")));
		left = left == 0 ? STOCK - 1 : left - 1;
		token = (int64) (stock[left] & PG_INT64_MAX);
	} while (token == 0);
	return token;
}

/* _new_token() returns bigint */
Datum
recall_new_token(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(recall_make_token());
}
