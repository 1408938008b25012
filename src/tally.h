/*
 * tally.h
 *		Counting what became of a recycle record's re-dial rows.
 */
#ifndef RECALL_TALLY_H
#define RECALL_TALLY_H

#include "recall.h"

/* Count re-dial rows of a record that became completed calls, and how many were answered. */
extern void recall_tally_calls(int32 tenant, int64 record, int64 dialled, int64 reached);

#endif /* RECALL_TALLY_H */
