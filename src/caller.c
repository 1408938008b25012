/*
 * caller.c
 *		Who is calling, and reading a table with no more than the caller's rights.
 *
 * The functions of recall run with the rights of the extension's owner, who is often a superuser.
 * Two things need the caller all the same: rights are checked against the role that the caller is
 * now, and a bulk source is read as that role. Only C can see the outer user from inside a SECURITY
 * DEFINER function, and only a switch of the user keeps an expression that hides in somebody's
 * table (a view, an index predicate, a cast) from running with the owner's rights.
 *
 * There are moments in which the outer user has asked for nothing. ANALYZE, also autovacuum's,
 * REINDEX, CLUSTER and REFRESH MATERIALIZED VIEW run the functions of somebody's index or view as
 * the one who owns it, while the outer user is whoever maintains the database, often a superuser.
 * The server calls that a security-restricted operation. The owner cannot be told any more from
 * inside a definer function, so there nobody has any right.
 *
 * What runs while a bulk source is read is the caller's own, in the middle of a statement of
 * recall's that has looked already and does not see what is changed by then. So until the source is
 * read, nobody changes anything through recall.
 */
#include "recall.h"

#include "mask.h"

#include "access/table.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(recall_caller);
PG_FUNCTION_INFO_V1(recall_read_source);
PG_FUNCTION_INFO_V1(recall_require_no_source_sql);

static bool is_reading_source = false;

/* The role that the caller is now, whatever definer functions lie between; 42501 where nobody
 * calls.
 */
Oid
recall_caller_role(void)
{
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for recall within a security-restricted operation"),
				 errhint("Neither a materialized view nor an index expression can ask recall: it "
						 "would be asked by whoever maintains them.")));
	return GetOuterUserId();
}

/* _caller() returns oid */
Datum
recall_caller(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(recall_caller_role());
}

/* 55000 within a bulk source. Whoever changes anything, or has another do it, asks here first. */
void
recall_require_no_source(void)
{
	if (is_reading_source)
		recall_refuse_plainly(
			"recall is reading a bulk source",
			"A source may read recall's views, but not call functions that change anything.");
}

/* _require_no_source() returns void */
Datum
recall_require_no_source_sql(PG_FUNCTION_ARGS)
{
	recall_require_no_source();
	PG_RETURN_VOID();
}

static int
column_index(TupleDesc columns, const char *name)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return i;
	return -1;
}

/* The first of the wanted columns is the one that a row cannot do without. Whoever is told has read
 * the source. */
static void
require_first_column(TupleDesc source, TupleDesc wanted, const char *source_name)
{
	const char *name = NameStr(TupleDescAttr(wanted, 0)->attname);

	if (column_index(source, name) < 0)
		recall_reject_plainly(psprintf("\"%s\" has no column \"%s\"", source_name, name),
							  "Columns are found by their names; a view can give them others.");
}

/* Tell the caller which columns of the source mean nothing here: a misspelt one would be lost in
 * silence. */
static void
notice_unknown_columns(TupleDesc source, TupleDesc wanted, const char *source_name)
{
	for (int i = 0; i < source->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(source, i);

		if (!column->attisdropped && column_index(wanted, NameStr(column->attname)) < 0)
			ereport(NOTICE, (errmsg("column \"%s\" of \"%s\" is ignored", NameStr(column->attname),
									source_name)));
	}
}

/* Write the SELECT that gives the wanted columns in their order, a missing one as NULL. */
static char *
build_query(Oid source_oid, TupleDesc source, TupleDesc wanted)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < wanted->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(wanted, i);
		const char *name = NameStr(column->attname);

		appendStringInfo(
			&query, "%sCAST(%s AS %s)", i > 0 ? ", " : "",
			column_index(source, name) < 0 ? "NULL" : quote_identifier(name),
			format_type_extended(column->atttypid, column->atttypmod,
								 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	}
	appendStringInfo(&query, " FROM %s",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(source_oid)),
												get_rel_name(source_oid)));
	return query.data;
}

/*
 * Raise the error again that reading the source raised, without the numbers in it: a value that
 * does not convert, a line of a JSON text. What is wrong with a value is told with its row, 0 when
 * that is not known; which queries of recall's own led to it is nobody's concern then.
 */
static void
rethrow_masked(MemoryContext context, int64 row)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->message = recall_mask_message(error->message);
	if (row > 0 && error->message != NULL &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
	{
		error->message = psprintf("%s%s", recall_row_prefix(row), error->message);
		error->context = NULL;
	}
	error->detail = recall_mask_message(error->detail);
	error->detail_log = recall_mask_message(error->detail_log);
	error->hint = recall_mask_message(error->hint);
	error->context = recall_mask_message(error->context);
	error->internalquery = recall_mask_message(error->internalquery);
	ReThrowError(error);
}

static void
run_query(const char *query, SPIExecuteOptions *options, Tuplestorestate *rows, bool knows_rows)
{
	MemoryContext context = CurrentMemoryContext;
	bool was_reading = is_reading_source;

	PG_TRY();
	{
		int outcome;

		is_reading_source = true;
		SPI_connect();
		outcome = SPI_execute_extended(query, options);
		if (outcome != SPI_OK_SELECT)
			elog(ERROR, "reading the source gave %s", SPI_result_code_string(outcome));
		SPI_finish();
	}
	PG_CATCH();
	{
		is_reading_source = was_reading;
		rethrow_masked(context, knows_rows ? tuplestore_tuple_count(rows) + 1 : 0);
	}
	PG_END_TRY();
	is_reading_source = was_reading;
}

/* Whether the row that is being read is the one behind those that were read: a view's query, or a
 * policy, may have looked further. */
static bool
has_rows_of_its_own(Relation source)
{
	char kind = source->rd_rel->relkind;

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
			kind == RELKIND_MATVIEW) &&
		   !source->rd_rel->relrowsecurity;
}

/*
 * Run a query as the caller, into a tuplestore, in the order in which the table holds its rows.
 */
static void
read_as_caller(const char *query, Relation source, Tuplestorestate *rows)
{
	SPIExecuteOptions options = { 0 };
	int guc_level = NewGUCNestLevel();
	Oid saved_user;
	int saved_context;

	/* Neither a parallel scan nor one that joins another in the middle gives a table's own order.
	 */
	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("synchronize_seqscans", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_seqscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);

	/* Not a restricted operation: what runs here is the caller's own, as if it had read the table
	 * itself, and may look at what it may read in recall. It cannot become somebody else. */
	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(recall_caller_role(), saved_context | SECURITY_LOCAL_USERID_CHANGE);

	options.read_only = true;
	options.tcount = (uint64) recall_max_source_rows + 1;
	options.dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(options.dest, rows, CurrentMemoryContext, true, NULL, NULL);
	run_query(query, &options, rows, has_rows_of_its_own(source));

	SetUserIdAndSecContext(saved_user, saved_context);
	AtEOXact_GUC(false, guc_level);
}

/*
 * _read_source(source regclass, notice_others boolean) returns setof record
 *
 * The columns named in the call's column definition list, read from the table as the caller. The
 * source must have the first of them.
 */
Datum
recall_read_source(PG_FUNCTION_ARGS)
{
	Oid source_oid = PG_GETARG_OID(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation source;
	char *query;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (get_rel_name(source_oid) == NULL)
		recall_reject_plainly(psprintf("source %u does not exist", source_oid),
							  "Name a table or view.");
	source = table_open(source_oid, AccessShareLock);
	if (PG_GETARG_BOOL(1))
		notice_unknown_columns(RelationGetDescr(source), result->setDesc,
							   RelationGetRelationName(source));
	query = build_query(source_oid, RelationGetDescr(source), result->setDesc);
	read_as_caller(query, source, result->setResult);
	require_first_column(RelationGetDescr(source), result->setDesc,
						 RelationGetRelationName(source));
	if (tuplestore_tuple_count(result->setResult) > recall_max_source_rows)
		recall_reject_plainly(
			psprintf("the source has more than %d rows", recall_max_source_rows),
			"Divide it, or let a superuser raise the setting recall.max_source_rows.");
	table_close(source, NoLock);
	return (Datum) 0;
}
