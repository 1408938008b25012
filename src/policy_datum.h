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

/* Whether a policy keeps a contact from being called, whatever its latest call was; with
 * per_number, whether other contacts' calls to a number can. */
extern bool recall_policy_has_limits(const Policy *policy, bool per_number);

#endif /* RECALL_POLICY_DATUM_H */
