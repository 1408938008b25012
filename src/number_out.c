/*
 * number_out.c
 *		Whether a call to a number is out, also one whose claim has not committed yet.
 *
 * A unique index keeps two calls to a number from being out at the same time. Running into it would
 * make one claim wait for another's transaction, and then fail. So a claim looks first, with a
 * snapshot that sees what others are about to do; the index is left for the moment in between.
 */
#include "number_out.h"

#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_number_is_out);

void
recall_open_out(Search *out, SnapshotData *snapshot)
{
	InitDirtySnapshot(*snapshot);
	recall_open_search(out, &recall_dial_number_out, 2, AccessShareLock, snapshot);
}

/* _number_is_out(tenant_id int, number text) returns boolean */
Datum
recall_number_is_out(PG_FUNCTION_ARGS)
{
	SnapshotData snapshot;
	Search out;
	bool is_out;

	recall_open_out(&out, &snapshot);
	is_out = recall_is_out(&out, PG_GETARG_INT32(0), PG_GETARG_DATUM(1));
	recall_close_search(&out);
	PG_RETURN_BOOL(is_out);
}
