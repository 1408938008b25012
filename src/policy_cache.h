/*
 * policy_cache.h
 *		A policy made ready once, and kept while a function is asked about the same one.
 */
#ifndef RECALL_POLICY_CACHE_H
#define RECALL_POLICY_CACHE_H

#include "policy_datum.h"

typedef struct PolicyCache
{
	MemoryContext context; /* of what depends on the policy */
	struct varlena *datum; /* the policy, or NULL */
	Policy *policy;
	PolicyMatcher *matcher;
} PolicyCache;

/* Make an empty cache that lives in a context. */
extern void recall_init_policy_cache(PolicyCache *cache, MemoryContext context);

/* Make the cache hold a policy; true when it did not hold it already. */
extern bool recall_cache_policy(PolicyCache *cache, struct varlena *datum);

#endif /* RECALL_POLICY_CACHE_H */
