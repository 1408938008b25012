/*
 * policy_matches.c
 *		Matching from SQL: the matcher is made once for a policy and kept while that is the same.
 *
 * What a match means is in policy_match.c.
 */
#include "policy_datum.h"
#include "failure_cause_map.h"

#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(recall_matching_rule);
PG_FUNCTION_INFO_V1(recall_matches);

/* What a function keeps between its calls in a query. */
typedef struct MatchState
{
	CauseMap *causes;
	MemoryContext context; /* of what depends on the policy */
	struct varlena *datum; /* the policy that the matcher was made from, or NULL */
	PolicyMatcher *matcher;
} MatchState;

static MatchState *
get_state(FmgrInfo *function)
{
	if (function->fn_extra == NULL)
	{
		MatchState *state = MemoryContextAllocZero(function->fn_mcxt, sizeof(MatchState));

		state->causes = recall_make_cause_map(function->fn_mcxt);
		state->context =
			AllocSetContextCreate(function->fn_mcxt, "recall policy", ALLOCSET_SMALL_SIZES);
		function->fn_extra = state;
	}
	return function->fn_extra;
}

static bool
is_kept(const MatchState *state, struct varlena *datum)
{
	return state->datum != NULL && VARSIZE_ANY_EXHDR(datum) == VARSIZE_ANY_EXHDR(state->datum) &&
		   memcmp(VARDATA_ANY(datum), VARDATA_ANY(state->datum), VARSIZE_ANY_EXHDR(datum)) == 0;
}

/* Keep the matcher, or make another one when the policy is not the last call's. */
static void
keep_matcher(MatchState *state, struct varlena *datum)
{
	MemoryContext previous;
	Policy *policy;

	if (is_kept(state, datum))
		return;
	state->datum = NULL; /* until all of it is made */
	MemoryContextReset(state->context);
	previous = MemoryContextSwitchTo(state->context);
	policy = recall_policy_from_datum(datum);
	state->matcher = palloc(recall_policy_matcher_size(policy));
	recall_policy_make_matcher(policy, state->matcher);
	state->datum = (struct varlena *) PG_DETOAST_DATUM_COPY(PointerGetDatum(datum));
	MemoryContextSwitchTo(previous);
}

/* Match the arguments: a policy that is not null, a cause and a result that may be. */
static int
match_arguments(FunctionCallInfo fcinfo)
{
	MatchState *state = get_state(fcinfo->flinfo);
	int cause = CAUSE_ANSWERED;
	const char *result = NULL;
	int length = 0;

	keep_matcher(state, PG_GETARG_VARLENA_PP(0));
	if (!PG_ARGISNULL(1))
		cause = recall_cause_number(state->causes, PG_GETARG_OID(1));
	if (!PG_ARGISNULL(2))
	{
		text *argument = PG_GETARG_TEXT_PP(2);

		result = VARDATA_ANY(argument);
		length = VARSIZE_ANY_EXHDR(argument);
	}
	return recall_policy_match(state->matcher, cause, result, length);
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
