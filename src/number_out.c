/*
 * number_out.c
 *		Whether a call to a number is out, also one whose claim has not committed yet.
 *
 * A unique index keeps two calls to a number from being out at the same time. Running into it would
 * make one claim wait for another's transaction, and then fail. So a claim looks first, with a
 * snapshot that sees what others are about to do; the index is left for the moment in between.
 */
#include "recall.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_number_is_out);

/* Where to look; found once for a query. */
typedef struct OutIndex
{
	Oid table;
	Oid index; /* of the permits that are out: (tenant_id, number) */
	AttrNumber tenant;
	AttrNumber number;
} OutIndex;

static OutIndex *
get_index(FmgrInfo *function)
{
	OutIndex *found = function->fn_extra;
	Oid schema;

	if (found != NULL)
		return found;
	schema = get_namespace_oid("recall", false);
	found = MemoryContextAlloc(function->fn_mcxt, sizeof(OutIndex));
	found->table = get_relname_relid("dial", schema);
	found->index = get_relname_relid("dial_number_out", schema);
	found->tenant = get_attnum(found->table, "tenant_id");
	found->number = get_attnum(found->table, "number");
	function->fn_extra = found;
	return found;
}

/* _number_is_out(tenant_id int, number text) returns boolean */
Datum
recall_number_is_out(PG_FUNCTION_ARGS)
{
	OutIndex *out = get_index(fcinfo->flinfo);
	Relation table = table_open(out->table, AccessShareLock);
	SnapshotData snapshot;
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool is_out;

	InitDirtySnapshot(snapshot);
	ScanKeyInit(&keys[0], out->tenant, BTEqualStrategyNumber, F_INT4EQ, PG_GETARG_DATUM(0));
	ScanKeyEntryInitialize(&keys[1], 0, out->number, BTEqualStrategyNumber, InvalidOid,
						   DEFAULT_COLLATION_OID, F_TEXTEQ, PG_GETARG_DATUM(1));
	scan = systable_beginscan(table, out->index, true, &snapshot, lengthof(keys), keys);
	is_out = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	PG_RETURN_BOOL(is_out);
}
