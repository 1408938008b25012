/*
 * suppression.h
 *		The do-not-call list: whether a number may be called by a task.
 */
#ifndef RECALL_SUPPRESSION_H
#define RECALL_SUPPRESSION_H

#include "table.h"

#include "datatype/timestamp.h"

extern void recall_open_suppressions(Search *list, Snapshot snapshot);
/* Whether a task may not call a number at an instant, and until when: to the end of the entry of
 * the tenant's or the task's list that ends first. */
extern bool recall_is_suppressed(Search *list, int32 tenant, int64 task, Datum number,
								 TimestampTz at, TimestampTz *until);

#endif /* RECALL_SUPPRESSION_H */
