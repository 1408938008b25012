/*
 * terms.h
 *		What all permits of a task are asked about when they are claimed.
 */
#ifndef RECALL_TERMS_H
#define RECALL_TERMS_H

#include "recall.h"

#include "utils/snapshot.h"

typedef struct Ids
{
	int64 *ids;
	int count;
} Ids;

/* A pointer that is NULL stands for a value that is null. */
typedef struct Terms
{
	Oid state;
	bool is_executing;
	struct varlena *policy;
	bool limited;	 /* whether the policy limits anything */
	bool per_number; /* whether it limits anything per number */
	struct varlena *calling_hours;
	/* The tenant's, which only calling hours ask for: */
	text *time_zone;
	struct varlena *holidays;
	bool suppresses; /* whether the tenant suppresses any number */
	Ids suspended;	 /* batches whose permits wait */
	Ids paused;		 /* recycle records whose permits wait */
} Terms;

/* Read the terms of a task, in memory of the current context; 42501 when there is no such task. */
extern Terms *recall_read_terms(int32 tenant, int64 task, Snapshot snapshot);
extern void recall_read_tenant(Terms *terms, int32 tenant, Snapshot snapshot);

static inline bool
recall_has_id(const Ids *ids, int64 id)
{
	for (int i = 0; i < ids->count; i++)
		if (ids->ids[i] == id)
			return true;
	return false;
}

#endif /* RECALL_TERMS_H */
