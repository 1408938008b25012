/*
 * report.c
 *		Reporting a call: the permit goes, and the completed call is appended, in one transaction.
 *
 * Nearly always the token is that of the contact's permit and nothing is wrong with the report;
 * that is done here. Whatever else it may be (reported before, settled meanwhile, a fault) is found
 * out in SQL, by _report().
 */
#include "report.h"

#include "as_owner.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tally.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_report);

#define CLOCKS_DIFFER (5 * USECS_PER_MINUTE)
#define MAX_TEXT 200 /* characters */

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
		recall_open_search(&recorder->results, &recall_business_result_pkey, 2, AccessShareLock,
						   recorder->snapshot);
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

bool
recall_recalls_automatically(Recorder *recorder)
{
	Datum task = recall_known(&recorder->permits, DIAL_task_id);

	if (recorder->known_task == DatumGetInt64(task))
		return recorder->is_automatic;
	if (recorder->tasks.scan == NULL)
		recall_open_search(&recorder->tasks, &recall_task_pkey, 2, AccessShareLock,
						   recorder->snapshot);
	recorder->known_task = DatumGetInt64(task);
	recorder->is_automatic =
		recall_find2(&recorder->tasks, Int32GetDatum(recorder->tenant), task) &&
		DatumGetBool(recall_known(&recorder->tasks, TASK_auto_recall));
	return recorder->is_automatic;
}

bool
recall_find_permit(Recorder *recorder, const Report *report)
{
	bool has_no_token;
	Datum token;

	if (report->fields[CONTACT_ID].isnull || report->fields[TOKEN].isnull ||
		!recall_find_near(&recorder->permits, Int32GetDatum(recorder->tenant),
						  DatumGetInt64(report->fields[CONTACT_ID].value), recorder->left))
		return false;
	token = recall_value(&recorder->permits, DIAL_token, &has_no_token);
	return !has_no_token && DatumGetInt64(token) == DatumGetInt64(report->fields[TOKEN].value);
}

static void
open_searches(Recorder *recorder, Snapshot snapshot)
{
	recorder->snapshot = RegisterSnapshot(snapshot);
	recall_open_search(&recorder->permits, &recall_dial_pkey, 2, RowExclusiveLock,
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
 * Delete the permit that was found; of several that want to, one can. It may have been changed
 * while that was waited for: the dialer may have extended its lease, or it ran out.
 */
static bool
delete_permit(Recorder *recorder, const Report *report)
{
	while (recall_delete(recorder->permits.table, &recorder->permits.slot->tts_tid,
						 recorder->snapshot) != TM_Ok)
	{
		look_anew(recorder);
		if (!recall_find_permit(recorder, report))
			return false;
	}
	return true;
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

void
recall_use_permit(Recorder *recorder, Report *report)
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

void
recall_open_recorder(Recorder *recorder, int32 tenant, TimestampTz at)
{
	memset(recorder, 0, sizeof(Recorder));
	recorder->tenant = tenant;
	recorder->at = at;
	open_searches(recorder, GetTransactionSnapshot());
	recall_open_writer(&recorder->calls, recall_open_table(&recall_call, RowExclusiveLock));
}

void
recall_close_recorder(Recorder *recorder)
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
	AsOwner before;

	for (int i = 0; i < NUMBER_FIELDS; i++)
	{
		values[i + 1] = report->fields[i].value;
		nulls[i + 1] = report->fields[i].isnull ? 'n' : ' ';
	}
	if (!report->fields[FAILURE_CAUSE].isnull)
		values[FAILURE_CAUSE + 1] = CStringGetTextDatum(
			DatumGetCString(DirectFunctionCall1(enum_out, report->fields[FAILURE_CAUSE].value)));

	recall_begin_as_owner(&before, 0);
	SPI_connect();
	if (SPI_execute_plan(report_plan(), values, nulls, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "_report() gave %s", SPI_result_code_string(SPI_result));
	outcome = SPI_datumTransfer(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null), false, -1);
	SPI_finish();
	recall_end_as_owner(&before);
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
	recall_open_recorder(&recorder, PG_GETARG_INT32(0), GetCurrentTimestamp());
	/* Where the task recalls automatically, the batch has to be locked before anything else. */
	if (recall_find_permit(&recorder, &report) && !recall_recalls_automatically(&recorder))
		recall_use_permit(&recorder, &report);
	recall_close_recorder(&recorder);
	if (!report.is_used)
		PG_RETURN_DATUM(report_otherwise(recorder.tenant, &report));
	if (report.record != 0)
		recall_tally_calls(recorder.tenant, report.record, 1, report.fields[FAILURE_CAUSE].isnull);
	PG_RETURN_TEXT_P(cstring_to_text("recorded"));
}
