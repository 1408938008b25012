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

#endif /* RECALL_POLICY_DATUM_H */
