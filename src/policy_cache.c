/*
 * policy_cache.c
 *		A policy made ready once, and kept while a function is asked about the same one.
 */
#include "policy_cache.h"

#include "utils/memutils.h"

void
recall_init_policy_cache(PolicyCache *cache, MemoryContext context)
{
	cache->context = AllocSetContextCreate(context, "recall policy", ALLOCSET_SMALL_SIZES);
	cache->datum = NULL;
}

bool
recall_cache_policy(PolicyCache *cache, struct varlena *datum)
{
	MemoryContext previous;

	if (cache->datum != NULL && recall_has_same_bytes(datum, cache->datum))
		return false;
	cache->datum = NULL; /* until all of it is made */
	MemoryContextReset(cache->context);
	previous = MemoryContextSwitchTo(cache->context);
	cache->policy = recall_policy_from_datum(datum);
	cache->matcher = palloc(recall_policy_matcher_size(cache->policy));
	recall_policy_make_matcher(cache->policy, cache->matcher);
	cache->datum = (struct varlena *) PG_DETOAST_DATUM_COPY(PointerGetDatum(datum));
	MemoryContextSwitchTo(previous);
	return true;
}
