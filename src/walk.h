/*
 * walk.h
 *		Where a claim begins in a long queue.
 */
#ifndef RECALL_WALK_H
#define RECALL_WALK_H

#include "recall.h"

#include "datatype/timestamp.h"

/* A permit's place in the queue. */
typedef struct Place
{
	int32 priority;
	TimestampTz due_at;
	int64 contact;
} Place;

/* Begin a walk at an instant; tells whether there is a bookmark, and where. */
extern bool recall_begin_walk_in(Oid index, int32 tenant, int64 task, TimestampTz at, Place *place);
/* What was read since the last permit was for something else. "blocks", here and in the next: how
 * many of the queue's index and table this transaction has read up to now. */
extern void recall_walk_sets_out(int64 blocks);
/* The walk has come to a permit, or this part of it is over. */
extern void recall_walk_passes(int64 blocks);
/* The walk left nothing to do up to a place; NULL: none was due. */
extern void recall_end_walk_at(const Place *place);

#endif /* RECALL_WALK_H */
