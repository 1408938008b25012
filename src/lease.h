/*
 * lease.h
 *		How long a dialer has a permit.
 */
#ifndef RECALL_LEASE_H
#define RECALL_LEASE_H

#include "recall.h"

#include "utils/timestamp.h"

/* The length of a lease in microseconds; NULL stands for null. 22023 unless it is from a second to
 * a day. */
extern int64 recall_lease_length(const Interval *lease);

#endif /* RECALL_LEASE_H */
