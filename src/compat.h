/*
 * compat.h
 *		Every difference between the PostgreSQL majors that recall supports; 15 is the floor.
 */
#ifndef RECALL_COMPAT_H
#define RECALL_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "recall needs PostgreSQL 15 or newer"
#endif

/* PostgreSQL 16 lets input functions report an error softly, to a caller that asked for it. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#define SOFT_ERROR_CONTEXT(fcinfo) ((fcinfo)->context)
#else
#define SOFT_ERROR_CONTEXT(fcinfo) NULL
#define errsave(context, ...) ereport(ERROR, __VA_ARGS__)
#endif

/* PostgreSQL 16 tells apart indexes that only summarize blocks. */
#if PG_VERSION_NUM >= 160000
#define UpdatedIndexes TU_UpdateIndexes
#define NO_INDEXES TU_None
#define ONLY_SUMMARIZING(indexes) ((indexes) == TU_Summarizing)
#define recall_insert_index_entries(target, slot, executor, is_update, conflicts, lenient,         \
									only_summarizing)                                              \
	ExecInsertIndexTuples(target, slot, executor, is_update, lenient != NIL, conflicts, lenient,   \
						  only_summarizing)
#else
#define UpdatedIndexes bool
#define NO_INDEXES false
#define ONLY_SUMMARIZING(indexes) false
#define recall_insert_index_entries(target, slot, executor, is_update, conflicts, lenient,         \
									only_summarizing)                                              \
	ExecInsertIndexTuples(target, slot, executor, is_update, lenient != NIL, conflicts, lenient)
#endif

/* PostgreSQL 16 names what it counts anew. */
#if PG_VERSION_NUM >= 160000
#define BLOCKS_FETCHED(statistics) ((statistics)->counts.blocks_fetched)
#else
#define BLOCKS_FETCHED(statistics) ((statistics)->t_counts.t_blocks_fetched)
#endif

/* PostgreSQL 17 numbers sessions anew. */
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#define SESSION_NUMBER MyProcNumber
#else
#include "storage/backendid.h"
#define SESSION_NUMBER MyBackendId
#endif

/* PostgreSQL 18 counts what a scan reads for EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define recall_index_beginscan(table, index, snapshot, number_keys)                                \
	index_beginscan(table, index, snapshot, NULL, number_keys, 0)
#else
#define recall_index_beginscan(table, index, snapshot, number_keys)                                \
	index_beginscan(table, index, snapshot, number_keys, 0)
#endif

/* PostgreSQL 18 says so before the declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

#endif /* RECALL_COMPAT_H */
