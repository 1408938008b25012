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
	CachedPolicy cache;
} MatchState;

static bool
is_cached(const CachedPolicy *cache, struct varlena *datum)
{
	return cache->datum != NULL && VARSIZE_ANY_EXHDR(datum) == VARSIZE_ANY_EXHDR(cache->datum) &&
		   memcmp(VARDATA_ANY(datum), VARDATA_ANY(cache->datum), VARSIZE_ANY_EXHDR(datum)) == 0;
}

void
recall_cache_policy(CachedPolicy *cache, struct varlena *datum, MemoryContext context)
{
	MemoryContext previous;

	if (is_cached(cache, datum))
		return;
	cache->datum = NULL; /* until all of it is made */
	if (cache->context == NULL)
		cache->context = AllocSetContextCreate(context, "recall policy", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(cache->context);
	previous = MemoryContextSwitchTo(cache->context);
	cache->policy = recall_policy_from_datum(datum);
	cache->matcher = palloc(recall_policy_matcher_size(cache->policy));
	recall_policy_make_matcher(cache->policy, cache->matcher);
	cache->datum = (struct varlena *) PG_DETOAST_DATUM_COPY(PointerGetDatum(datum));
	MemoryContextSwitchTo(previous);
}

static MatchState *
get_state(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		MemoryContext context = fcinfo->flinfo->fn_mcxt;
		MatchState *state = MemoryContextAllocZero(context, sizeof(MatchState));

		state->causes = recall_make_cause_map(context);
		fcinfo->flinfo->fn_extra = state;
	}
	return fcinfo->flinfo->fn_extra;
}

/* Match the arguments: a policy that is not null, a cause and a result that may be. */
static int
match_arguments(FunctionCallInfo fcinfo)
{
	MatchState *state = get_state(fcinfo);
	int cause = CAUSE_ANSWERED;
	const char *result = NULL;
	int length = 0;

	recall_cache_policy(&state->cache, PG_GETARG_VARLENA_PP(0), fcinfo->flinfo->fn_mcxt);
	if (!PG_ARGISNULL(1))
		cause = recall_cause_number(state->causes, PG_GETARG_OID(1));
	if (!PG_ARGISNULL(2))
	{
		text *argument = PG_GETARG_TEXT_PP(2);

		result = VARDATA_ANY(argument);
		length = VARSIZE_ANY_EXHDR(argument);
	}
	return recall_policy_match(state->cache.matcher, cause, result, length);
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
