/*
 * history.c
 *		The calls of a contact as one value, which an aggregate collects.
 *
 * Collecting only copies; what the calls mean is worked out when all are there (judge_sql.c), so
 * that they may come in any order. A history is made and judged within a query: it can be shown,
 * but not read from a text, and so it is not meant to be stored.
 */
#include "history.h"

#include "failure_cause_map.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_history_in);
PG_FUNCTION_INFO_V1(recall_history_out);
PG_FUNCTION_INFO_V1(recall_collect_call);
PG_FUNCTION_INFO_V1(recall_finish_history);

/* Room for the usual history, so that one piece of memory is enough for it. */
#define FEW_CALLS 3
#define FEW_BYTES 96

/* A history that still grows; its texts are counted from the beginning of the bytes. */
typedef struct GrowingHistory
{
	HistoryCall *calls;
	char *bytes;
	int number_calls;
	int max_calls;
	uint32 number_bytes;
	uint32 max_bytes;
	HistoryCall few_calls[FEW_CALLS];
	char few_bytes[FEW_BYTES];
} GrowingHistory;

/* Arguments of the transition function. */
enum
{
	ARG_STATE,
	ARG_ATTEMPT,
	ARG_NUMBER,
	ARG_FAILURE_CAUSE,
	ARG_BUSINESS_RESULT,
	ARG_STARTED_AT,
	ARG_ENDED_AT
};

static GrowingHistory *
begin_history(MemoryContext context)
{
	GrowingHistory *history = MemoryContextAlloc(context, sizeof(GrowingHistory));

	history->calls = history->few_calls;
	history->max_calls = FEW_CALLS;
	history->number_calls = 0;
	history->bytes = history->few_bytes;
	history->max_bytes = FEW_BYTES;
	history->number_bytes = 0;
	return history;
}

/* Give memory of a new size with the old content; what lies in the history itself stays there. */
static void *
enlarge(MemoryContext context, void *old, const void *few, size_t old_size, size_t new_size)
{
	if (old != few)
		return repalloc(old, new_size);
	return memcpy(MemoryContextAlloc(context, new_size), old, old_size);
}

static void
make_room(GrowingHistory *history, MemoryContext context, size_t number_bytes)
{
	size_t call_bytes = history->number_calls * sizeof(HistoryCall);

	if (call_bytes + history->number_bytes + number_bytes > MaxAllocSize / 4)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the calls of a contact are too many, or too large")));
	if (history->number_calls == history->max_calls)
	{
		history->calls =
			enlarge(context, history->calls, history->few_calls, call_bytes, call_bytes * 2);
		history->max_calls *= 2;
	}
	if (history->number_bytes + number_bytes > history->max_bytes)
	{
		history->max_bytes = (history->number_bytes + number_bytes) * 2;
		history->bytes = enlarge(context, history->bytes, history->few_bytes, history->number_bytes,
								 history->max_bytes);
	}
}

/* Keep a text among the history's bytes; give where. */
static uint32
keep_text(GrowingHistory *history, const text *value, uint32 *length)
{
	uint32 place = history->number_bytes;

	*length = VARSIZE_ANY_EXHDR(value);
	memcpy(history->bytes + place, VARDATA_ANY(value), *length);
	history->number_bytes += *length;
	return place;
}

static void
check_call(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_ATTEMPT) || PG_ARGISNULL(ARG_NUMBER) || PG_ARGISNULL(ARG_ENDED_AT))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a call needs an attempt, a number and an end")));
	if (PG_GETARG_INT32(ARG_ATTEMPT) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("attempt %d is out of range", PG_GETARG_INT32(ARG_ATTEMPT)),
						errhint("Attempts count from 1.")));
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(ARG_STARTED_AT)) ||
		TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(ARG_ENDED_AT)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a call cannot begin or end at infinity")));
}

/* The catalogue number of the cause; a map of them is kept for the query. */
static int
get_cause(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_FAILURE_CAUSE))
		return CAUSE_ANSWERED;
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = recall_make_cause_map(fcinfo->flinfo->fn_mcxt);
	return recall_cause_number(fcinfo->flinfo->fn_extra, PG_GETARG_OID(ARG_FAILURE_CAUSE));
}

/*
 * _collect_call(internal, attempt int, number text, failure_cause, business_result text,
 *				 started_at timestamptz, ended_at timestamptz) returns internal
 */
Datum
recall_collect_call(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	GrowingHistory *history;
	HistoryCall *call;
	text *number;
	text *result = NULL;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "recall_collect_call called in non-aggregate context");
	history = PG_ARGISNULL(ARG_STATE) ? begin_history(context)
									  : (GrowingHistory *) PG_GETARG_POINTER(ARG_STATE);
	if (PG_ARGISNULL(ARG_STARTED_AT))
		PG_RETURN_POINTER(history);

	check_call(fcinfo);
	number = PG_GETARG_TEXT_PP(ARG_NUMBER);
	if (!PG_ARGISNULL(ARG_BUSINESS_RESULT))
		result = PG_GETARG_TEXT_PP(ARG_BUSINESS_RESULT);
	make_room(history, context,
			  VARSIZE_ANY_EXHDR(number) +
				  (result == NULL ? (size_t) 0 : VARSIZE_ANY_EXHDR(result)));
	call = &history->calls[history->number_calls++];
	memset(call, 0, sizeof(*call));
	call->attempt = PG_GETARG_INT32(ARG_ATTEMPT);
	call->cause = get_cause(fcinfo);
	call->started_at = PG_GETARG_TIMESTAMPTZ(ARG_STARTED_AT);
	call->ended_at = PG_GETARG_TIMESTAMPTZ(ARG_ENDED_AT);
	call->number = keep_text(history, number, &call->number_length);
	if (result != NULL)
		call->result = keep_text(history, result, &call->result_length);
	PG_RETURN_POINTER(history);
}

/* _finish_history(internal) returns history: null without a call */
Datum
recall_finish_history(PG_FUNCTION_ARGS)
{
	GrowingHistory *growing = PG_ARGISNULL(0) ? NULL : (GrowingHistory *) PG_GETARG_POINTER(0);
	size_t calls_end;
	History *history;

	if (growing == NULL || growing->number_calls == 0)
		PG_RETURN_NULL();
	calls_end = history_calls_end(growing->number_calls);
	history = palloc(calls_end + growing->number_bytes);
	history_begin(history, calls_end + growing->number_bytes, growing->number_calls);
	memcpy(history->calls, growing->calls, growing->number_calls * sizeof(HistoryCall));
	memcpy((char *) history + calls_end, growing->bytes, growing->number_bytes);
	for (int i = 0; i < history->number_calls; i++)
	{
		history->calls[i].number += calls_end;
		history->calls[i].result += calls_end;
	}
	PG_RETURN_POINTER(history);
}

/* _history_in(cstring) returns history: never */
Datum
recall_history_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot read a value of type %s", "recall.history"),
					errhint("Histories are made by the aggregate recall.history().")));
}

History *
recall_get_history(Datum datum)
{
	History *history = (History *) PG_DETOAST_DATUM(datum);

	if (history->version != HISTORY_VERSION)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("history was made by another version of the extension"),
						errhint("Histories are not for storing; make it anew with the aggregate "
								"recall.history().")));
	return history;
}

/* _history_out(history) returns cstring: a line for each call, as far as it decides */
Datum
recall_history_out(PG_FUNCTION_ARGS)
{
	History *history = recall_get_history(PG_GETARG_DATUM(0));
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < history->number_calls; i++)
	{
		const HistoryCall *call = &history->calls[i];

		appendStringInfo(&out, "%s%d %.*s %s", i > 0 ? "; " : "", call->attempt,
						 (int) call->number_length, history_number(history, call),
						 call->cause == CAUSE_ANSWERED ? "answered"
													   : recall_failure_causes[call->cause].name);
		if (call->result_length > 0)
			appendStringInfo(&out, " %.*s", (int) call->result_length,
							 history_result(history, call));
		appendStringInfo(&out, " %s", timestamptz_to_str(call->started_at));
		appendStringInfo(&out, " %s", timestamptz_to_str(call->ended_at));
	}
	PG_RETURN_CSTRING(out.data);
}
