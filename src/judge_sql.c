/*
 * judge_sql.c
 *		What SQL asks of a contact's history: the judgement, its findings, a replay, an admission.
 *
 * Each turns the history into what judge.c takes: telephone numbers into places in the contact's
 * list, and each call's outcome into the rule that matches it. What is made from the policy, the
 * time zone and the catalogs is kept for the next contact.
 */
#include "enum_value.h"
#include "history.h"
#include "judge.h"
#include "local_clock.h"
#include "policy_cache.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(recall_judge_calls);
PG_FUNCTION_INFO_V1(recall_explain_calls);
PG_FUNCTION_INFO_V1(recall_replay_calls);
PG_FUNCTION_INFO_V1(recall_admit_call);

/* Arguments of all; the last is the admission's alone. */
enum
{
	ARG_POLICY,
	ARG_CALLS,
	ARG_NUMBERS,
	ARG_TIME_ZONE,
	ARG_SUPPRESSED,
	ARG_NUMBER_CALLS,
	ARG_FIRST_NUMBER
};

/* What a function keeps between the contacts of a query. */
typedef struct JudgeCache
{
	MemoryContext context;
	Oid cause_values[NUMBER_FAILURE_CAUSES]; /* of the enum */
	PolicyCache policy;
	LocalClock clock;
	TupleDesc row; /* of the result */
	Oid verdict_values[VERDICT_NEW + 1];
	Datum *reasons; /* by reason and item; 0 = not yet; lives with the policy */
} JudgeCache;

#define LONG_ITEM 200 /* bytes; a reason cuts what is longer */

/* A contact and what it was made from. */
typedef struct Case
{
	JudgeCache *cache;
	JudgedContact contact;
	const History *history; /* NULL = no call */
	Datum *numbers;
} Case;

static JudgeCache *
get_cache(FunctionCallInfo fcinfo)
{
	JudgeCache *cache = fcinfo->flinfo->fn_extra;

	if (cache != NULL)
		return cache;
	cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(JudgeCache));
	cache->context = fcinfo->flinfo->fn_mcxt;
	for (int i = 0; i < lengthof(cache->cause_values); i++)
		cache->cause_values[i] = recall_enum_value("failure_cause", recall_failure_causes[i].name);
	recall_init_policy_cache(&cache->policy, cache->context);
	for (int i = 0; i < lengthof(cache->verdict_values); i++)
		cache->verdict_values[i] = recall_enum_value("verdict", recall_verdicts[i]);
	fcinfo->flinfo->fn_extra = cache;
	return cache;
}

static void
keep_policy(JudgeCache *cache, struct varlena *datum)
{
	if (!recall_cache_policy(&cache->policy, datum) && cache->reasons != NULL)
		return;
	cache->reasons = NULL;
	cache->reasons = MemoryContextAllocZero(cache->policy.context,
											NUMBER_REASONS * POLICY_MAX_RULES * sizeof(Datum));
}

/* ---------------------------------------------------------------- the callee's days */

static int64_t
day_of(void *clock, int64_t instant)
{
	return recall_day_at(clock, instant);
}

static int64_t
end_of_day(void *clock, int64_t day)
{
	return recall_end_of_day(clock, day);
}

/* Let a long judgement be cancelled. */
static void
breathe(void)
{
	CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------- from a history to a contact */

static Datum *
get_texts(FunctionCallInfo fcinfo, int argument, int *count)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum *texts;

	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("numbers must not contain nulls")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, count);
	return texts;
}

/* Find a number among the contact's, or give -1. */
static int
find_number(const Case *judged, const char *number, int length)
{
	for (int i = 0; i < judged->contact.number_numbers; i++)
	{
		text *candidate = DatumGetTextPP(judged->numbers[i]);

		if (VARSIZE_ANY_EXHDR(candidate) == length &&
			memcmp(VARDATA_ANY(candidate), number, length) == 0)
			return i;
	}
	return -1;
}

static uint64_t
suppressed_numbers(FunctionCallInfo fcinfo, const Case *judged)
{
	uint64_t suppressed = 0;
	int count;
	Datum *numbers;

	if (PG_ARGISNULL(ARG_SUPPRESSED))
		return 0;
	numbers = get_texts(fcinfo, ARG_SUPPRESSED, &count);
	for (int i = 0; i < count; i++)
	{
		text *number = DatumGetTextPP(numbers[i]);

		int place = find_number(judged, VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number));

		CHECK_FOR_INTERRUPTS();
		if (place >= 0)
			suppressed |= UINT64CONST(1) << place;
	}
	return suppressed;
}

static JudgedCall
make_call(const Case *judged, const History *history, int origin)
{
	const HistoryCall *call = &history->calls[origin];
	const PolicyMatcher *matcher = judged->cache->policy.matcher;
	const char *result = history_result(history, call);

	return (JudgedCall){
		.attempt = call->attempt,
		.cause = call->cause,
		.number = find_number(judged, history_number(history, call), call->number_length),
		.rule = recall_policy_match(matcher, call->cause, result, call->result_length),
		.quiets = recall_policy_quiets(matcher, call->cause, result, call->result_length),
		.origin = origin,
		.started_at = call->started_at,
		.ended_at = call->ended_at,
	};
}

static int
compare_instants(int64 a, int64 b)
{
	return (a > b) - (a < b);
}

static int
by_beginning(const void *a, const void *b)
{
	const JudgedCall *left = a;
	const JudgedCall *right = b;

	return compare_instants(left->started_at, right->started_at);
}

/* Order by attempt. Two that are the same, which nobody should ask for, have an order all the same.
 */
static int
by_attempt(const void *a, const void *b)
{
	const JudgedCall *left = a;
	const JudgedCall *right = b;
	int order = (left->attempt > right->attempt) - (left->attempt < right->attempt);

	if (order == 0)
		order = by_beginning(a, b);
	if (order == 0)
		order = compare_instants(left->ended_at, right->ended_at);
	if (order == 0)
		order = left->cause - right->cause;
	if (order == 0)
		order = left->number - right->number;
	return order != 0 ? order : left->rule - right->rule;
}

/* Take the calls of a history, sorted unless they came so; null has none. */
static JudgedCall *
take_calls(const Case *judged, const History *history, int (*compare)(const void *, const void *),
		   int *count)
{
	JudgedCall *calls;
	bool is_sorted = true;

	*count = history == NULL ? 0 : history->number_calls;
	calls = palloc_extended(*count * sizeof(JudgedCall), MCXT_ALLOC_HUGE);
	for (int i = 0; i < *count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		calls[i] = make_call(judged, history, i);
		is_sorted &= i == 0 || compare(&calls[i - 1], &calls[i]) <= 0;
	}
	if (!is_sorted)
		qsort(calls, *count, sizeof(JudgedCall), compare);
	return calls;
}

static const History *
get_history(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : recall_get_history(PG_GETARG_DATUM(argument));
}

/* Make the case of a function's arguments, of which the policy is not null. */
static Case
make_case(FunctionCallInfo fcinfo)
{
	Case judged = { .cache = get_cache(fcinfo) };
	JudgeCache *cache = judged.cache;
	JudgedContact *contact = &judged.contact;

	keep_policy(cache, PG_GETARG_VARLENA_PP(ARG_POLICY));
	if (PG_ARGISNULL(ARG_NUMBERS))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the numbers of a contact must not be null")));
	judged.numbers = get_texts(fcinfo, ARG_NUMBERS, &contact->number_numbers);
	if (contact->number_numbers > JUDGE_MAX_NUMBERS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a contact has %d numbers", contact->number_numbers),
						errhint("At most %d can be judged.", JUDGE_MAX_NUMBERS)));
	if (PG_ARGISNULL(ARG_TIME_ZONE))
		recall_set_clock(&cache->clock, cstring_to_text("UTC"));
	else
		recall_set_clock(&cache->clock, PG_GETARG_TEXT_PP(ARG_TIME_ZONE));
	judged.history = get_history(fcinfo, ARG_CALLS);
	contact->policy = cache->policy.policy;
	contact->suppressed = suppressed_numbers(fcinfo, &judged);
	contact->days = (LocalDays){ day_of, end_of_day, &cache->clock };
	contact->own.calls = take_calls(&judged, judged.history, by_attempt, &contact->own.count);
	contact->to_numbers = contact->own;
	if (!PG_ARGISNULL(ARG_NUMBER_CALLS))
		contact->to_numbers.calls = take_calls(&judged, get_history(fcinfo, ARG_NUMBER_CALLS),
											   by_beginning, &contact->to_numbers.count);
	contact->scratch = palloc(Max(contact->own.count, contact->to_numbers.count) * sizeof(int64_t));
	contact->breathe = breathe;
	return judged;
}

/* ---------------------------------------------------------------- results */

/* The type of the rows that a function returns, or returns an array of. */
static TupleDesc
get_row(FunctionCallInfo fcinfo, JudgeCache *cache, int columns)
{
	MemoryContext previous;
	Oid type;

	if (cache->row != NULL)
		return cache->row;
	/* Who calls it by its number, as the fast-path interface does, passes no expression to ask. */
	type = get_func_rettype(fcinfo->flinfo->fn_oid);
	if (OidIsValid(get_element_type(type)))
		type = get_element_type(type);
	previous = MemoryContextSwitchTo(cache->context);
	cache->row = lookup_rowtype_tupdesc_copy(type, -1);
	MemoryContextSwitchTo(previous);
	if (cache->row->natts != columns)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("type %s does not have %d columns", format_type_be(type), columns),
						errhint("The library is not of the installed version of the extension.")));
	return cache->row;
}

/* The reason in words, with the part of the policy that it is about. */
static Datum
get_reason(JudgeCache *cache, const Judgement *judgement)
{
	const ReasonMeaning *meaning = &recall_reasons[judgement->reason];
	const Policy *policy = cache->policy.policy;
	/* A function asks with items or, for an admission, without: the places are not shared. */
	Datum *kept = &cache->reasons[judgement->reason * POLICY_MAX_RULES + Max(judgement->item, 0)];
	PolicyText *item;
	MemoryContext previous;

	if (*kept != 0)
		return *kept;
	previous = MemoryContextSwitchTo(cache->policy.context);
	item = palloc(sizeof(PolicyText));
	item->length = 0;
	item->text[0] = '\0';
	if (meaning->about == ITEM_RULE && judgement->item >= 0)
		recall_policy_print_rule(policy, &policy->rules[judgement->item], item);
	else if (meaning->about == ITEM_LIMIT)
		recall_policy_print_limit(&policy->limits[judgement->item], item);
	if (item->length > LONG_ITEM)
		strcpy(item->text + LONG_ITEM, "...");
	*kept = CStringGetTextDatum(
		psprintf("%s%s%s", meaning->text, item->length > 0 ? ": " : "", item->text));
	pfree(item);
	MemoryContextSwitchTo(previous);
	return *kept;
}

/* An instant of the judge as the server's: what is beyond the last one is infinite. */
static Datum
instant_datum(int64_t instant)
{
	return TimestampTzGetDatum(IS_VALID_TIMESTAMP(instant) ? instant : DT_NOEND);
}

/*
 * judge(policy, calls history, numbers text[], time_zone text, suppressed text[], number_calls
 * history) returns judgement
 */
Datum
recall_judge_calls(PG_FUNCTION_ARGS)
{
	enum
	{
		VERDICT,
		RULE,
		NUMBER,
		DUE_AT,
		REASON,
		ATTEMPTS,
		FAILURE_CAUSE,
		BUSINESS_RESULT,
		COLUMNS
	};
	Case judged;
	Judgement judgement;
	const ReasonMeaning *meaning;
	Datum values[COLUMNS] = { 0 };
	bool nulls[COLUMNS];

	if (PG_ARGISNULL(ARG_POLICY))
		PG_RETURN_NULL();
	judged = make_case(fcinfo);
	judgement = recall_judge(&judged.contact, NULL);
	meaning = &recall_reasons[judgement.reason];

	memset(nulls, true, sizeof(nulls));
	values[VERDICT] = ObjectIdGetDatum(judged.cache->verdict_values[meaning->verdict]);
	values[REASON] = get_reason(judged.cache, &judgement);
	nulls[VERDICT] = nulls[REASON] = false;
	if (meaning->about == ITEM_RULE)
	{
		values[RULE] = Int32GetDatum(judgement.item + 1);
		nulls[RULE] = false;
	}
	if (meaning->verdict == VERDICT_RECALL)
	{
		values[NUMBER] = judged.numbers[judgement.number];
		values[DUE_AT] = instant_datum(judgement.due_at);
		nulls[NUMBER] = nulls[DUE_AT] = false;
	}
	if (judged.history != NULL)
	{
		const HistoryCall *latest =
			&judged.history->calls[judged.contact.own.calls[judged.contact.own.count - 1].origin];
		const char *result = history_result(judged.history, latest);

		values[ATTEMPTS] = Int32GetDatum(latest->attempt);
		nulls[ATTEMPTS] = false;
		nulls[FAILURE_CAUSE] = latest->cause == CAUSE_ANSWERED;
		if (latest->cause != CAUSE_ANSWERED)
			values[FAILURE_CAUSE] = ObjectIdGetDatum(judged.cache->cause_values[latest->cause]);
		nulls[BUSINESS_RESULT] = result == NULL;
		if (result != NULL)
			values[BUSINESS_RESULT] =
				PointerGetDatum(cstring_to_text_with_len(result, latest->result_length));
	}
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(get_row(fcinfo, judged.cache, COLUMNS), values, nulls)));
}

/* The findings of a judgement, as they come. */
typedef struct Findings
{
	const Case *judged;
	TupleDesc row;
	ArrayBuildState *rows;
} Findings;

static void
add_finding(void *state, const Finding *finding)
{
	Findings *findings = state;
	Datum values[] = { CStringGetTextDatum(recall_checks[finding->check]),
					   BoolGetDatum(finding->passed),
					   Int32GetDatum(finding->item + 1),
					   finding->number < 0 ? (Datum) 0 : findings->judged->numbers[finding->number],
					   Int32GetDatum(finding->used),
					   Int32GetDatum(finding->allowed),
					   finding->instant == PG_INT64_MIN ? (Datum) 0
														: instant_datum(finding->instant) };
	bool nulls[] = { false,
					 false,
					 finding->item < 0,
					 finding->number < 0,
					 false,
					 finding->allowed == 0,
					 finding->instant == PG_INT64_MIN };

	findings->rows = accumArrayResult(
		findings->rows, HeapTupleGetDatum(heap_form_tuple(findings->row, values, nulls)), false,
		findings->row->tdtypeid, CurrentMemoryContext);
}

/* _findings(like judge()) returns _finding[] */
Datum
recall_explain_calls(PG_FUNCTION_ARGS)
{
	Case judged;
	Findings findings;

	if (PG_ARGISNULL(ARG_POLICY))
		PG_RETURN_NULL();
	judged = make_case(fcinfo);
	findings = (Findings){ .judged = &judged, .row = get_row(fcinfo, judged.cache, 7) };
	recall_judge(&judged.contact, &(FindingSink){ add_finding, &findings });
	PG_RETURN_DATUM(makeArrayResult(findings.rows, CurrentMemoryContext));
}

/* _replay(like judge()) returns integer */
Datum
recall_replay_calls(PG_FUNCTION_ARGS)
{
	Case judged;

	if (PG_ARGISNULL(ARG_POLICY))
		PG_RETURN_NULL();
	judged = make_case(fcinfo);
	PG_RETURN_INT32(recall_replay(&judged.contact));
}

/*
 * _admit(like judge(), first_number text) returns _admission
 */
Datum
recall_admit_call(PG_FUNCTION_ARGS)
{
	enum
	{
		NUMBER,
		NOT_BEFORE,
		REASON,
		COLUMNS
	};
	Case judged;
	text *first;
	Judgement judgement;
	Datum values[COLUMNS] = { 0 };
	bool nulls[COLUMNS];

	if (PG_ARGISNULL(ARG_POLICY) || PG_ARGISNULL(ARG_FIRST_NUMBER))
		PG_RETURN_NULL();
	judged = make_case(fcinfo);
	first = PG_GETARG_TEXT_PP(ARG_FIRST_NUMBER);
	judgement =
		recall_admit(&judged.contact,
					 Max(find_number(&judged, VARDATA_ANY(first), VARSIZE_ANY_EXHDR(first)), 0));

	memset(nulls, true, sizeof(nulls));
	if (judgement.reason != REASON_RULE)
	{
		values[REASON] = get_reason(judged.cache, &judgement);
		nulls[REASON] = false;
	}
	else
	{
		values[NUMBER] = judged.numbers[judgement.number];
		nulls[NUMBER] = false;
		nulls[NOT_BEFORE] = judgement.due_at == PG_INT64_MIN;
		values[NOT_BEFORE] = instant_datum(judgement.due_at);
	}
	PG_RETURN_DATUM(
		HeapTupleGetDatum(heap_form_tuple(get_row(fcinfo, judged.cache, COLUMNS), values, nulls)));
}
