/*
 * number_out.c
 *		Whether a call to a number is out, also one whose claim has not committed yet.
 *
 * A unique index keeps two calls to a number from being out at the same time. An UPDATE that runs
 * into it waits for the other claim's transaction, and then fails. So the part of a claim that is
 * done in SQL looks first, with a snapshot that sees what others are about to do; the index is left
 * for the moment in between. claim.c, which does not wait, looks only when it has met such a
 * number.
 */
#include "table.h"

#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_number_is_out);

/* _number_is_out(tenant_id int, number text) returns boolean */
Datum
recall_number_is_out(PG_FUNCTION_ARGS)
{
	SnapshotData snapshot;
	Search out;
	bool is_out;

	InitDirtySnapshot(snapshot);
	recall_open_search(&out, &recall_dial_number_out, 2, AccessShareLock, &snapshot);
	is_out = recall_find2(&out, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
	recall_close_search(&out);
	PG_RETURN_BOOL(is_out);
}
