/*
 * policy_datum.h
 *		Policies as values of the SQL type recall.policy.
 */
#ifndef RECALL_POLICY_DATUM_H
#define RECALL_POLICY_DATUM_H

#include "recall.h"
#include "policy.h"

/* The policy of a datum, in memory of the current context. */
extern Policy *recall_policy_from_datum(struct varlena *datum);

/* A policy kept with the function that it is an argument of, and made ready for matching. */
typedef struct CachedPolicy
{
	MemoryContext context; /* of what depends on the policy */
	struct varlena *datum; /* that it was made from */
	Policy *policy;
	PolicyMatcher *matcher;
} CachedPolicy;

/* Keep the cached policy, or make it anew when the datum is another one than the last time. */
extern void recall_cache_policy(CachedPolicy *cache, struct varlena *datum, MemoryContext context);

#endif /* RECALL_POLICY_DATUM_H */
