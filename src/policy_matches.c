/*
 * policy_matches.c
 *		What SQL asks of a policy itself: which rule matches, and whether it limits anything.
 *
 * The matcher is made once for a policy and kept while that is the same. What a match means is in
 * policy_match.c.
 */
#include "policy_cache.h"
#include "failure_cause_map.h"

PG_FUNCTION_INFO_V1(recall_matching_rule);
PG_FUNCTION_INFO_V1(recall_matches);
PG_FUNCTION_INFO_V1(recall_has_limits);

/* What a function keeps between its calls in a query. */
typedef struct MatchState
{
	CauseMap *causes;
	PolicyCache policy;
} MatchState;

static MatchState *
get_state(FmgrInfo *function)
{
	if (function->fn_extra == NULL)
	{
		MatchState *state = MemoryContextAllocZero(function->fn_mcxt, sizeof(MatchState));

		state->causes = recall_make_cause_map(function->fn_mcxt);
		recall_init_policy_cache(&state->policy, function->fn_mcxt);
		function->fn_extra = state;
	}
	return function->fn_extra;
}

/* Match the arguments: a policy that is not null, a cause and a result that may be. */
static int
match_arguments(FunctionCallInfo fcinfo)
{
	MatchState *state = get_state(fcinfo->flinfo);
	int cause = CAUSE_ANSWERED;
	const char *result = NULL;
	int length = 0;

	recall_cache_policy(&state->policy, PG_GETARG_VARLENA_PP(0));
	if (!PG_ARGISNULL(1))
		cause = recall_cause_number(state->causes, PG_GETARG_OID(1));
	if (!PG_ARGISNULL(2))
	{
		text *argument = PG_GETARG_TEXT_PP(2);

		result = VARDATA_ANY(argument);
		length = VARSIZE_ANY_EXHDR(argument);
	}
	return recall_policy_match(state->policy.matcher, cause, result, length);
}

/* _matching_rule(policy, failure_cause, business_result text) returns integer */
Datum
recall_matching_rule(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT32(match_arguments(fcinfo));
}

/* matches(policy, failure_cause, business_result text) returns boolean */
Datum
recall_matches(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(match_arguments(fcinfo) > 0);
}

bool
recall_policy_has_limits(const Policy *policy, bool per_number)
{
	for (int i = 0; i < policy->number_rules; i++)
		if (policy->rules[i].never && !per_number)
			return true;
	for (int i = 0; i < policy->number_limits; i++)
		if (policy->limits[i].per_number || !per_number)
			return true;
	for (int i = 0; i < policy->number_quiets; i++)
		if (policy->quiets[i].per_number || !per_number)
			return true;
	return false;
}

/* _has_limits(policy, per_number boolean) returns boolean */
Datum
recall_has_limits(PG_FUNCTION_ARGS)
{
	Policy *policy = recall_policy_from_datum(PG_GETARG_VARLENA_PP(0));
	bool has = recall_policy_has_limits(policy, PG_GETARG_BOOL(1));

	pfree(policy);
	PG_RETURN_BOOL(has);
}
