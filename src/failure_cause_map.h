/*
 * failure_cause_map.h
 *		Values of the enum recall.failure_cause to catalogue numbers and back.
 */
#ifndef RECALL_FAILURE_CAUSE_MAP_H
#define RECALL_FAILURE_CAUSE_MAP_H

#include "recall.h"
#include "failure_cause.h"

typedef struct CauseMap CauseMap;

/* Read the enum's values from the catalogs; keep the map for a query, not for longer. */
extern CauseMap *recall_make_cause_map(MemoryContext context);

/* The catalogue number of a value of the enum. */
extern int recall_cause_number(const CauseMap *map, Oid value);

#endif /* RECALL_FAILURE_CAUSE_MAP_H */
