/*
 * token.c
 *		Fencing tokens: what a dialer shows to prove that a permit is still its own.
 *
 * They are random rather than counted, so that nobody guesses another's, and one of a restored or
 * forgotten copy of the database does not come again.
 */
#include "recall.h"

PG_FUNCTION_INFO_V1(recall_new_token);

/* _new_token() returns bigint: from 1 to 2^63 - 1 */
Datum
recall_new_token(PG_FUNCTION_ARGS)
{
	uint64 token;

	do
	{
		if (!pg_strong_random(&token, sizeof(token)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random token")));
		token &= PG_INT64_MAX;
	} while (token == 0);
	PG_RETURN_INT64((int64) token);
}
