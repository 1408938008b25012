/*
 * origin.c
 *		Whether the database is the one whose calls it knows, or a copy of it.
 *
 * A copy does not know what was rung after its last moment. So recall.origin notes where the
 * history was last known to be whole: the system's identifier, the database and the timeline. A
 * promoted standby and a recovery to a point in time have another timeline; a restored dump, an
 * upgraded cluster and a database made from a template have another system or database. A dump that
 * is restored where it came from has none of these, and is told by the row itself, which somebody
 * else than its author has written.
 *
 * Nothing is remembered from one call to the next: the one row is read each time, in a microsecond,
 * so no answer is older than the snapshot that is looked with.
 */
#include "recall.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "table.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_here);
PG_FUNCTION_INFO_V1(recall_writer);
PG_FUNCTION_INFO_V1(recall_history_is_accepted_sql);
PG_FUNCTION_INFO_V1(recall_require_history_sql);

static Datum
column(HeapTuple tuple, int number, Relation table)
{
	bool is_null; /* none of them is */

	return heap_getattr(tuple, number, RelationGetDescr(table), &is_null);
}

/* Was a row written here, on this timeline, by the one who noted it? Frozen rows keep their xmin.
 */
static bool
is_of_here(HeapTuple tuple, Relation table)
{
	return (uint64) DatumGetInt64(column(tuple, ORIGIN_system_identifier, table)) ==
			   GetSystemIdentifier() &&
		   DatumGetObjectId(column(tuple, ORIGIN_database, table)) == MyDatabaseId &&
		   (TimeLineID) DatumGetInt32(column(tuple, ORIGIN_timeline, table)) ==
			   GetWALInsertionTimeLine() &&
		   DatumGetTransactionId(column(tuple, ORIGIN_writer, table)) ==
			   HeapTupleHeaderGetRawXmin(tuple->t_data);
}

/*
 * Tell whether the history is this database's own, or was accepted. A restored dump adds its row to
 * the one that CREATE EXTENSION made, so all of them have to be of here; where there is none,
 * somebody has taken it away to hold the claims.
 */
bool
recall_history_is_accepted(void)
{
	Relation table;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;
	bool foreign = false;

	if (RecoveryInProgress())
		return false; /* no timeline of its own yet */
	table = recall_open_table(&recall_origin, AccessShareLock);
	scan = systable_beginscan(table, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
	while (!foreign && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		found = true;
		foreign = !is_of_here(tuple, table);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found && !foreign;
}

/* Raise 55000 unless the history is accepted: nothing may be handed out. */
void
recall_require_history(void)
{
	if (!recall_history_is_accepted())
		recall_refuse_plainly(
			"claims are held: the database is a copy, and nobody has accepted its history",
			"What was rung after its last moment has to be recorded first; then the owner of the "
			"extension runs recall.accept_history(). See recall.health().");
}

/* _history_is_accepted() returns boolean */
Datum
recall_history_is_accepted_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(recall_history_is_accepted());
}

/* _require_history() returns boolean: true, or 55000 */
Datum
recall_require_history_sql(PG_FUNCTION_ARGS)
{
	recall_require_history();
	PG_RETURN_BOOL(true);
}

/* _here(OUT system_identifier bigint, OUT database oid, OUT timeline int): no timeline on a standby
 */
Datum
recall_here(PG_FUNCTION_ARGS)
{
	TupleDesc row;
	Datum values[3] = { 0 };
	bool nulls[3] = { false, false, RecoveryInProgress() };

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum((int64) GetSystemIdentifier());
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	if (!nulls[2])
		values[2] = Int32GetDatum((int32) GetWALInsertionTimeLine());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

/* _writer() returns xid: what a row that is written now will have as its xmin, also behind a
 * savepoint */
Datum
recall_writer(PG_FUNCTION_ARGS)
{
	PG_RETURN_TRANSACTIONID(GetCurrentTransactionId());
}
