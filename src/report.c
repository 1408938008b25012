/*
 * report.c
 *		Reporting: the permit goes, and the completed call is appended, in one transaction.
 *
 * Nearly always the token is that of the contact's permit and nothing is wrong with the report;
 * that is done here. Whatever else it may be (reported before, settled meanwhile, a fault) is found
 * out in SQL, by _report().
 */
#include "recall.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "table.h"
#include "tally.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_report);
PG_FUNCTION_INFO_V1(recall_use_permits);

#define CLOCKS_DIFFER (5 * USECS_PER_MINUTE)
#define MAX_TEXT 200 /* characters */

/* What is reported, in the order of report()'s arguments. */
enum
{
	CONTACT_ID,
	TOKEN,
	FAILURE_CAUSE,
	BUSINESS_RESULT,
	STARTED_AT,
	ENDED_AT,
	RAW_CODE,
	AGENT,
	NUMBER_FIELDS
};

typedef struct Report
{
	NullableDatum fields[NUMBER_FIELDS];
	int place; /* counted from 1 */
	/* Of those that used up their permit: */
	bool is_used;
	int64 record; /* 0: the permit was of no recycle */
} Report;

/* What using up permits reads and writes. */
typedef struct Recorder
{
	int32 tenant;
	TimestampTz at;
	Snapshot snapshot;
	Search permits;
	Search results; /* opened when there is one to look up */
	Search tasks;	/* the same */
	Writer calls;
} Recorder;

/* ---------------------------------------------------------------- what is in order */

static TimestampTz
time_of(const Report *report, int field, TimestampTz otherwise)
{
	return report->fields[field].isnull ? otherwise
										: DatumGetTimestampTz(report->fields[field].value);
}

/*
 * When the call began and ended; what was not told lies between the claim and the report. The clock
 * may have been set back between these two.
 */
static TimestampTz
end_of(const Report *report, TimestampTz at)
{
	return time_of(report, ENDED_AT, Max(time_of(report, STARTED_AT, at), at));
}

static TimestampTz
start_of(const Report *report, TimestampTz claimed_at, TimestampTz at)
{
	return time_of(report, STARTED_AT, Min(claimed_at, end_of(report, at)));
}

/* As _times_in_order() has it. */
static bool
is_in_order(const Report *report, TimestampTz at)
{
	TimestampTz start = start_of(report, at, at);
	TimestampTz end = end_of(report, at);

	return start >= SetEpochTimestamp() && start <= end && end <= at + CLOCKS_DIFFER;
}

static bool
has_known_result(Recorder *recorder, const Report *report)
{
	if (report->fields[BUSINESS_RESULT].isnull)
		return true;
	if (recorder->results.scan == NULL)
		recall_open_search(&recorder->results, &recall_business_result, "business_result_pkey", 2,
						   AccessShareLock, recorder->snapshot);
	return recall_find2(&recorder->results, Int32GetDatum(recorder->tenant),
						report->fields[BUSINESS_RESULT].value);
}

/* As _is_short() has it. */
static bool
is_short(const Report *report)
{
	for (int field = RAW_CODE; field <= AGENT; field++)
		if (!report->fields[field].isnull &&
			recall_is_longer(report->fields[field].value, MAX_TEXT))
			return false;
	return true;
}

/* ---------------------------------------------------------------- the permit and the call */

static bool
recalls_automatically(Recorder *recorder)
{
	if (recorder->tasks.scan == NULL)
		recall_open_search(&recorder->tasks, &recall_task, "task_pkey", 2, AccessShareLock,
						   recorder->snapshot);
	return recall_find2(&recorder->tasks, Int32GetDatum(recorder->tenant),
						recall_known(&recorder->permits, DIAL_task_id)) &&
		   DatumGetBool(recall_known(&recorder->tasks, TASK_auto_recall));
}

/* Find the permit that a report is of, by its contact and token. */
static bool
find_permit(Recorder *recorder, const Report *report)
{
	bool has_no_token;
	Datum token;

	if (report->fields[CONTACT_ID].isnull || report->fields[TOKEN].isnull ||
		!recall_find2(&recorder->permits, Int32GetDatum(recorder->tenant),
					  report->fields[CONTACT_ID].value))
		return false;
	token = recall_value(&recorder->permits, DIAL_token, &has_no_token);
	return !has_no_token && DatumGetInt64(token) == DatumGetInt64(report->fields[TOKEN].value);
}

static void
open_searches(Recorder *recorder, Snapshot snapshot)
{
	recorder->snapshot = RegisterSnapshot(snapshot);
	recall_open_search(&recorder->permits, &recall_dial, "dial_pkey", 2, RowExclusiveLock,
					   recorder->snapshot);
}

static void
close_searches(Recorder *recorder)
{
	recall_close_search(&recorder->permits);
	recall_close_search(&recorder->results);
	recall_close_search(&recorder->tasks);
	UnregisterSnapshot(recorder->snapshot);
}

/* See what others have committed since. */
static void
look_anew(Recorder *recorder)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent update")));
	CHECK_FOR_INTERRUPTS();
	close_searches(recorder);
	open_searches(recorder, GetLatestSnapshot());
}

/*
 * Delete a report's permit; of several that want to, one can. The permit may have been changed
 * while that was waited for: the dialer may have extended its lease, or it ran out.
 */
static bool
delete_permit(Recorder *recorder, const Report *report)
{
	while (find_permit(recorder, report))
	{
		if (recall_delete(recorder->permits.table, &recorder->permits.slot->tts_tid,
						  recorder->snapshot) == TM_Ok)
			return true;
		look_anew(recorder);
	}
	return false;
}

static void
set_field(Writer *calls, AttrNumber column, NullableDatum field)
{
	calls->slot->tts_values[column - 1] = field.value;
	calls->slot->tts_isnull[column - 1] = field.isnull;
}

static void
copy_column(Recorder *recorder, AttrNumber to, AttrNumber from)
{
	NullableDatum value;

	value.value = recall_value(&recorder->permits, from, &value.isnull);
	set_field(&recorder->calls, to, value);
}

/* Append the call that the permit became. */
static void
append_call(Recorder *recorder, const Report *report)
{
	Writer *calls = &recorder->calls;
	TimestampTz claimed_at = DatumGetTimestampTz(recall_known(&recorder->permits, DIAL_claimed_at));

	ExecClearTuple(calls->slot);
	memset(calls->slot->tts_isnull, true, calls->slot->tts_tupleDescriptor->natts);
	recall_set(calls, CALL_tenant_id, Int32GetDatum(recorder->tenant));
	copy_column(recorder, CALL_attempt, DIAL_attempt);
	copy_column(recorder, CALL_batch_id, DIAL_batch_id);
	copy_column(recorder, CALL_contact_id, DIAL_contact_id);
	copy_column(recorder, CALL_recycle_id, DIAL_recycle_id);
	copy_column(recorder, CALL_number, DIAL_number);
	copy_column(recorder, CALL_token, DIAL_token);
	recall_set(calls, CALL_started_at,
			   TimestampTzGetDatum(start_of(report, claimed_at, recorder->at)));
	recall_set(calls, CALL_ended_at, TimestampTzGetDatum(end_of(report, recorder->at)));
	recall_set(calls, CALL_recorded_at, TimestampTzGetDatum(GetCurrentTimestamp()));
	set_field(calls, CALL_failure_cause, report->fields[FAILURE_CAUSE]);
	set_field(calls, CALL_business_result, report->fields[BUSINESS_RESULT]);
	set_field(calls, CALL_raw_code, report->fields[RAW_CODE]);
	set_field(calls, CALL_agent, report->fields[AGENT]);
	recall_set(calls, CALL_assumed, BoolGetDatum(false));
	recall_insert(calls);
}

/* Turn a permit into a completed call, when the report is in order and its token the permit's. */
static void
use_permit(Recorder *recorder, Report *report)
{
	bool has_no_record;

	if (!is_in_order(report, recorder->at) || !is_short(report) ||
		!has_known_result(recorder, report) || !delete_permit(recorder, report))
		return;
	append_call(recorder, report);
	report->is_used = true;
	report->record =
		DatumGetInt64(recall_value(&recorder->permits, DIAL_recycle_id, &has_no_record));
	if (has_no_record)
		report->record = 0;
}

static void
open_recorder(Recorder *recorder, int32 tenant, TimestampTz at)
{
	memset(recorder, 0, sizeof(Recorder));
	recorder->tenant = tenant;
	recorder->at = at;
	open_searches(recorder, GetTransactionSnapshot());
	recall_open_writer(&recorder->calls, recall_open_table(&recall_call, RowExclusiveLock));
}

static void
close_recorder(Recorder *recorder)
{
	Relation calls = recorder->calls.table;

	recall_close_writer(&recorder->calls);
	table_close(calls, NoLock);
	close_searches(recorder);
	CommandCounterIncrement();
}

/* ---------------------------------------------------------------- one report */

static const char report_query[] =
	"SELECT (recall._report($1, ARRAY[$2], ARRAY[$3], ARRAY[$4::recall.failure_cause], ARRAY[$5],"
	" ARRAY[$6], ARRAY[$7], ARRAY[$8], ARRAY[$9], false))[1]";

static SPIPlanPtr
report_plan(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = { INT4OID,		INT8OID,		INT8OID, TEXTOID, TEXTOID,
					TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID };

	if (plan == NULL)
	{
		plan = SPI_prepare(report_query, lengthof(types), types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "preparing _report() gave %s", SPI_result_code_string(SPI_result));
	}
	return plan;
}

/* Find out in SQL what a report is that did not use up a permit. */
static Datum
report_otherwise(int32 tenant, const Report *report)
{
	Datum values[NUMBER_FIELDS + 1] = { Int32GetDatum(tenant) };
	char nulls[NUMBER_FIELDS + 1] = { ' ' };
	bool is_null;
	Datum outcome;

	for (int i = 0; i < NUMBER_FIELDS; i++)
	{
		values[i + 1] = report->fields[i].value;
		nulls[i + 1] = report->fields[i].isnull ? 'n' : ' ';
	}
	if (!report->fields[FAILURE_CAUSE].isnull)
		values[FAILURE_CAUSE + 1] = CStringGetTextDatum(
			DatumGetCString(DirectFunctionCall1(enum_out, report->fields[FAILURE_CAUSE].value)));

	SPI_connect();
	if (SPI_execute_plan(report_plan(), values, nulls, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "_report() gave %s", SPI_result_code_string(SPI_result));
	outcome = SPI_datumTransfer(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null), false, -1);
	SPI_finish();
	return outcome;
}

/*
 * report(tenant_id int, contact_id bigint, token bigint, failure_cause, business_result text,
 * started_at timestamptz, ended_at timestamptz, raw_code text, agent text) returns text
 */
Datum
recall_report(PG_FUNCTION_ARGS)
{
	Recorder recorder;
	Report report = { 0 };

	recall_require_dial(fcinfo);
	PreventCommandIfReadOnly("recall.report()");
	memcpy(report.fields, &fcinfo->args[1], sizeof(report.fields));
	open_recorder(&recorder, PG_GETARG_INT32(0), GetCurrentTimestamp());
	/* Where the task recalls automatically, the batch has to be locked before anything else. */
	if (find_permit(&recorder, &report) && !recalls_automatically(&recorder))
		use_permit(&recorder, &report);
	close_recorder(&recorder);
	if (!report.is_used)
		PG_RETURN_DATUM(report_otherwise(recorder.tenant, &report));
	if (report.record != 0)
		recall_tally_calls(recorder.tenant, report.record, 1, report.fields[FAILURE_CAUSE].isnull);
	PG_RETURN_TEXT_P(cstring_to_text("recorded"));
}

/* ---------------------------------------------------------------- many reports */

/* Put the elements of an array, which may be null as a whole, into a field of the reports. */
static void
set_fields(Report *reports, int count, int field, NullableDatum array)
{
	ArrayType *elements;
	ArrayIterator iterator;

	for (int i = 0; i < count; i++)
		reports[i].fields[field].isnull = true;
	if (array.isnull)
		return;
	elements = DatumGetArrayTypeP(array.value);
	iterator = array_create_iterator(elements, 0, NULL);
	for (int i = 0; i < count; i++)
		if (!array_iterate(iterator, &reports[i].fields[field].value,
						   &reports[i].fields[field].isnull))
			break;
	array_free_iterator(iterator);
}

static int64
id_of(const Report *report, int field)
{
	return report->fields[field].isnull ? 0 : DatumGetInt64(report->fields[field].value);
}

static int
compare_permits(const void *a, const void *b)
{
	const Report *left = a;
	const Report *right = b;

	for (int field = CONTACT_ID; field <= TOKEN; field++)
	{
		int64 left_id = id_of(left, field);
		int64 right_id = id_of(right, field);

		if (left_id != right_id)
			return left_id < right_id ? -1 : 1;
	}
	return left->place - right->place;
}

static int
compare_records(const void *a, const void *b)
{
	int64 left = ((const Report *) a)->record;
	int64 right = ((const Report *) b)->record;

	return (left > right) - (left < right);
}

/* Count the calls of each record, in the order of the records, in which everybody does. */
static void
tally_reports(int32 tenant, Report *reports, int count)
{
	qsort(reports, count, sizeof(Report), compare_records);
	for (int i = 0; i < count;)
	{
		int64 record = reports[i].record;
		int64 dialled = 0;
		int64 reached = 0;

		for (; i < count && reports[i].record == record; i++)
		{
			dialled++;
			reached += reports[i].fields[FAILURE_CAUSE].isnull;
		}
		if (record != 0)
			recall_tally_calls(tenant, record, dialled, reached);
	}
}

static ArrayType *
places_used(const Report *reports, int count)
{
	Datum *places = palloc(sizeof(Datum) * (count + 1));
	int used = 0;

	for (int i = 0; i < count; i++)
		if (reports[i].is_used)
			places[used++] = Int64GetDatum(reports[i].place);
	return construct_array(places, used, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, 'd');
}

/*
 * _use_permits(tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes[],
 * business_results text[], started_at timestamptz[], ended_at timestamptz[], raw_codes text[],
 * agents text[], at timestamptz) returns bigint[]
 *
 * The permits are taken in the order of their contacts, so that of two that report the same ones
 * none waits for the other in vain.
 */
Datum
recall_use_permits(PG_FUNCTION_ARGS)
{
	ArrayType *contacts;
	int count;
	Report *reports;
	Recorder recorder;
	ArrayType *places;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(9))
		PG_RETURN_NULL();
	contacts = PG_GETARG_ARRAYTYPE_P(1);
	count = ArrayGetNItems(ARR_NDIM(contacts), ARR_DIMS(contacts));
	reports = palloc0(sizeof(Report) * (count + 1));
	for (int field = 0; field < NUMBER_FIELDS; field++)
		set_fields(reports, count, field, fcinfo->args[field + 1]);
	for (int i = 0; i < count; i++)
		reports[i].place = i + 1;
	qsort(reports, count, sizeof(Report), compare_permits);
	open_recorder(&recorder, PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(9));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || id_of(&reports[i], CONTACT_ID) != id_of(&reports[i - 1], CONTACT_ID) ||
			id_of(&reports[i], TOKEN) != id_of(&reports[i - 1], TOKEN))
			use_permit(&recorder, &reports[i]);
	}
	close_recorder(&recorder);
	places = places_used(reports, count);
	tally_reports(recorder.tenant, reports, count);
	PG_RETURN_ARRAYTYPE_P(places);
}
