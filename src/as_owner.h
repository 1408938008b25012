/*
 * as_owner.h
 *		Running a part of a function with the rights of the extension's owner.
 */
#ifndef RECALL_AS_OWNER_H
#define RECALL_AS_OWNER_H

#include "recall.h"

/* Who it was before, and with which settings. */
typedef struct AsOwner
{
	Oid user;
	int security;
	int settings;
} AsOwner;

/* From here on the user is the owner, the search_path is pinned, and locks are waited for no longer
 * than so many milliseconds, unless these are 0. An error brings back what was before, as the end
 * of its transaction or savepoint does. */
extern void recall_begin_as_owner(AsOwner *before, int lock_timeout);
extern void recall_end_as_owner(const AsOwner *before);

#endif /* RECALL_AS_OWNER_H */
