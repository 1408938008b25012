/*
 * judge_history.c
 *		The calls of a contact, collected by an aggregate.
 *
 * Collecting only copies; what the calls mean is worked out when all are there (judge_sql.c), so
 * that they may come in any order.
 */
#include "judge_history.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_collect_call);

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

static History *
make_history(MemoryContext context)
{
	History *history = MemoryContextAlloc(context, sizeof(History));

	history->calls = history->few_calls;
	history->max_calls = HISTORY_FEW_CALLS;
	history->number_calls = 0;
	history->bytes = history->few_bytes;
	history->max_bytes = HISTORY_FEW_BYTES;
	history->number_bytes = 0;
	return history;
}

/* Give memory of a new size with the old content; what lies in the history itself is left there. */
static void *
enlarge(MemoryContext context, void *old, const void *few, size_t old_size, size_t new_size)
{
	if (old != few)
		return repalloc_huge(old, new_size);
	return memcpy(MemoryContextAllocHuge(context, new_size), old, old_size);
}

static void
make_room(History *history, MemoryContext context, int number_bytes)
{
	if (history->number_calls == history->max_calls)
	{
		history->calls = enlarge(context, history->calls, history->few_calls,
								 history->max_calls * sizeof(HistoryCall),
								 history->max_calls * 2 * sizeof(HistoryCall));
		history->max_calls *= 2;
	}
	if (number_bytes > (int) MaxAllocSize / 4 - history->number_bytes)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the numbers and results of a contact's calls are too large")));
	if (history->number_bytes + number_bytes > history->max_bytes)
	{
		int max_bytes = history->max_bytes * 2 + number_bytes;

		history->bytes =
			enlarge(context, history->bytes, history->few_bytes, history->number_bytes, max_bytes);
		history->max_bytes = max_bytes;
	}
}

/* Keep a text among the history's bytes; give where. */
static int32
keep_text(History *history, const text *value, int32 *length)
{
	int32 place = history->number_bytes;

	*length = VARSIZE_ANY_EXHDR(value);
	memcpy(history->bytes + place, VARDATA_ANY(value), *length);
	history->number_bytes += *length;
	return place;
}

static text *
get_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_PP(argument);
}

static void
check_call(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_NUMBER) || PG_ARGISNULL(ARG_ENDED_AT))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a call needs a number and an end")));
	if (TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(ARG_STARTED_AT)) ||
		TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(ARG_ENDED_AT)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a call cannot begin or end at infinity")));
	if (!PG_ARGISNULL(ARG_ATTEMPT) && PG_GETARG_INT32(ARG_ATTEMPT) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("attempt %d is out of range", PG_GETARG_INT32(ARG_ATTEMPT)),
						errhint("Attempts count from 1.")));
}

/*
 * _collect_call(internal, attempt int, number text, failure_cause, business_result text,
 *				 started_at timestamptz, ended_at timestamptz) returns internal
 */
Datum
recall_collect_call(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	History *history;
	HistoryCall *call;
	text *number;
	text *result;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "recall_collect_call called in non-aggregate context");
	history =
		PG_ARGISNULL(ARG_STATE) ? make_history(context) : (History *) PG_GETARG_POINTER(ARG_STATE);
	if (PG_ARGISNULL(ARG_STARTED_AT))
		PG_RETURN_POINTER(history);

	check_call(fcinfo);
	number = PG_GETARG_TEXT_PP(ARG_NUMBER);
	result = get_text(fcinfo, ARG_BUSINESS_RESULT);
	make_room(history, context,
			  VARSIZE_ANY_EXHDR(number) + (result == NULL ? 0 : VARSIZE_ANY_EXHDR(result)));
	call = &history->calls[history->number_calls++];
	call->started_at = PG_GETARG_TIMESTAMPTZ(ARG_STARTED_AT);
	call->ended_at = PG_GETARG_TIMESTAMPTZ(ARG_ENDED_AT);
	call->failure_cause =
		PG_ARGISNULL(ARG_FAILURE_CAUSE) ? InvalidOid : PG_GETARG_OID(ARG_FAILURE_CAUSE);
	call->attempt = PG_ARGISNULL(ARG_ATTEMPT) ? 0 : PG_GETARG_INT32(ARG_ATTEMPT);
	call->number = keep_text(history, number, &call->number_length);
	call->result = result == NULL ? -1 : keep_text(history, result, &call->result_length);
	PG_RETURN_POINTER(history);
}
