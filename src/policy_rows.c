/*
 * policy_rows.c
 *		A policy as rows for SQL: one for each rule, one for each limit and quiet.
 *
 * Durations become intervals of seconds, never of days: a day of a policy is 24 h, also when the
 * clocks change.
 */
#include "policy_datum.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_policy_rules);
PG_FUNCTION_INFO_V1(recall_policy_limits);
PG_FUNCTION_INFO_V1(recall_policy_duration);

/* Indexed by SelectorKind. */
static const char *const selector_names[] = { "failed", "answered", "class", "cause", "result" };

/* Collects the Datums of one row. */
typedef struct Row
{
	int count;
	Datum values[10];
	bool nulls[10];
} Row;

static void
add_value(Row *row, Datum value)
{
	row->nulls[row->count] = false;
	row->values[row->count++] = value;
}

static void
add_null(Row *row)
{
	row->nulls[row->count++] = true;
}

static void
store_row(ReturnSetInfo *result, Row *row)
{
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
}

static Datum
interval_datum(int seconds)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->time = (TimeOffset) seconds * USECS_PER_SEC;
	return IntervalPGetDatum(interval);
}

static Datum
text_datum(const PolicyText *out)
{
	return PointerGetDatum(cstring_to_text_with_len(out->text, out->length));
}

static void
add_text(Row *row, const PolicyText *out)
{
	add_value(row, text_datum(out));
}

/* The names of the classes or causes, or the codes, that a selector lists. */
static Datum
members_datum(const Policy *policy, const PolicySelector *selector)
{
	Datum *names = palloc(sizeof(Datum) * (64 + selector->codes_size));
	int count = 0;

	for (int i = 0; i < 64; i++)
		if (selector->members >> i & 1)
			names[count++] =
				CStringGetTextDatum(selector->kind == SELECT_CLASS ? recall_cause_classes[i]
																   : recall_failure_causes[i].name);
	for (PolicyCode code = recall_policy_first_code(policy, selector); code.text != NULL;
		 code = recall_policy_next_code(policy, selector, code))
		names[count++] = PointerGetDatum(cstring_to_text_with_len(code.text, code.length));
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
add_selector(Row *row, const Policy *policy, const PolicySelector *selector)
{
	add_value(row, CStringGetTextDatum(selector_names[selector->kind]));
	add_value(row, members_datum(policy, selector));
}

static Datum
delays_datum(const PolicyRule *rule)
{
	Datum delays[POLICY_MAX_DELAYS];

	for (int i = 0; i < rule->number_delays; i++)
		delays[i] = interval_datum(rule->delays[i]);
	return PointerGetDatum(construct_array(delays, rule->number_delays, INTERVALOID,
										   sizeof(Interval), false, TYPALIGN_DOUBLE));
}

/* policy_rules(policy) returns table (rule, selector, members, never, after, max, next_number,
 * text) */
Datum
recall_policy_rules(PG_FUNCTION_ARGS)
{
	Policy *policy = recall_policy_from_datum(PG_GETARG_VARLENA_PP(0));
	PolicyText *out = palloc(sizeof(PolicyText));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < policy->number_rules; i++)
	{
		const PolicyRule *rule = &policy->rules[i];
		Row row = { 0 };

		out->length = 0;
		recall_policy_print_rule(policy, rule, out);
		add_value(&row, Int32GetDatum(i + 1));
		add_selector(&row, policy, &rule->selector);
		add_value(&row, BoolGetDatum(rule->never));
		add_value(&row, delays_datum(rule));
		if (rule->max > 0)
			add_value(&row, Int32GetDatum(rule->max));
		else
			add_null(&row);
		add_value(&row, BoolGetDatum(rule->next_number));
		add_text(&row, out);
		store_row((ReturnSetInfo *) fcinfo->resultinfo, &row);
	}
	return (Datum) 0;
}

static void
store_limit(ReturnSetInfo *result, int item, const PolicyLimit *limit, PolicyText *out)
{
	Row row = { 0 };

	out->length = 0;
	recall_policy_print_limit(limit, out);
	add_value(&row, Int32GetDatum(item));
	add_value(&row, CStringGetTextDatum("limit"));
	add_value(&row, Int32GetDatum(limit->calls));
	if (limit->period == LIMIT_ROLLING)
		add_value(&row, interval_datum(limit->seconds));
	else
		add_null(&row);
	add_value(&row, BoolGetDatum(limit->period == LIMIT_CALENDAR_DAY));
	add_null(&row);
	add_value(&row, BoolGetDatum(limit->per_number));
	add_text(&row, out);
	add_null(&row);
	add_null(&row);
	store_row(result, &row);
}

static void
store_quiet(ReturnSetInfo *result, int item, const Policy *policy, const PolicyQuiet *quiet,
			PolicyText *out)
{
	Row row = { 0 };

	add_value(&row, Int32GetDatum(item));
	add_value(&row, CStringGetTextDatum("quiet"));
	add_null(&row);
	add_value(&row, interval_datum(quiet->seconds));
	add_value(&row, BoolGetDatum(false));
	out->length = 0;
	recall_policy_print_selector(policy, &quiet->after, out);
	add_text(&row, out);
	add_value(&row, BoolGetDatum(quiet->per_number));
	out->length = 0;
	recall_policy_print_quiet(policy, quiet, out);
	add_text(&row, out);
	add_selector(&row, policy, &quiet->after);
	store_row(result, &row);
}

/*
 * policy_limits(policy) returns table (item, kind, calls, per, calendar_day, after, per_number,
 * text, selector, members)
 */
Datum
recall_policy_limits(PG_FUNCTION_ARGS)
{
	Policy *policy = recall_policy_from_datum(PG_GETARG_VARLENA_PP(0));
	PolicyText *out = palloc(sizeof(PolicyText));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < policy->number_limits; i++)
		store_limit(result, i + 1, &policy->limits[i], out);
	for (int i = 0; i < policy->number_quiets; i++)
		store_quiet(result, policy->number_limits + i + 1, policy, &policy->quiets[i], out);
	return (Datum) 0;
}

/* _policy_duration(interval) returns text: a duration of a policy, as it prints it */
Datum
recall_policy_duration(PG_FUNCTION_ARGS)
{
	Interval *interval = PG_GETARG_INTERVAL_P(0);
	PolicyText *out = palloc(sizeof(PolicyText));

	out->length = 0;
	recall_policy_print_duration((int) (interval->time / USECS_PER_SEC), out);
	PG_RETURN_DATUM(text_datum(out));
}
