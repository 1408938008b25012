/*
 * table.h
 *		Reading and writing recall's own tables by key, without a query.
 *
 * A claim or a report of a single call touches a handful of rows by their keys. Starting an
 * executor for each costs more than all else that they do; so these two, and what they ask on the
 * way, go to the tables as the server does with its catalogs.
 */
#ifndef RECALL_TABLE_H
#define RECALL_TABLE_H

#include "recall.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* The columns of a table in their order. Later versions add columns at the end. */
/* clang-format off */
#define TENANT_COLUMNS(C) C(TENANT, tenant_id) C(TENANT, name) C(TENANT, time_zone) \
	C(TENANT, obs_url_mode) C(TENANT, recycle_limit) C(TENANT, holidays)
#define MEMBER_COLUMNS(C) C(MEMBER, tenant_id) C(MEMBER, role) C(MEMBER, rights)
#define POOL_COLUMNS(C) C(POOL, role)
#define TOKEN_KEY_COLUMNS(C) C(TOKEN_KEY, key_id) C(TOKEN_KEY, secret) C(TOKEN_KEY, made_by) \
	C(TOKEN_KEY, made_at) C(TOKEN_KEY, valid_until)
#define TASK_COLUMNS(C) C(TASK, tenant_id) C(TASK, task_id) C(TASK, name) C(TASK, task_type) \
	C(TASK, state) C(TASK, policy) C(TASK, calling_hours) C(TASK, priority) C(TASK, auto_recall)
#define BATCH_COLUMNS(C) C(BATCH, tenant_id) C(BATCH, batch_id) C(BATCH, task_id) \
	C(BATCH, name) C(BATCH, state)
#define BUSINESS_RESULT_COLUMNS(C) C(BUSINESS_RESULT, tenant_id) C(BUSINESS_RESULT, code)
#define CONTACT_COLUMNS(C) C(CONTACT, tenant_id) C(CONTACT, contact_id) C(CONTACT, batch_id) \
	C(CONTACT, priority) C(CONTACT, numbers) C(CONTACT, time_zone) C(CONTACT, reference) \
	C(CONTACT, attributes)
#define CALL_COLUMNS(C) C(CALL, tenant_id) C(CALL, attempt) C(CALL, batch_id) \
	C(CALL, contact_id) C(CALL, recycle_id) C(CALL, started_at) C(CALL, ended_at) \
	C(CALL, recorded_at) C(CALL, failure_cause) C(CALL, number) C(CALL, business_result) \
	C(CALL, raw_code) C(CALL, agent) C(CALL, token) C(CALL, assumed)
#define RECYCLE_COLUMNS(C) C(RECYCLE, tenant_id) C(RECYCLE, recycle_id) C(RECYCLE, batch_id) \
	C(RECYCLE, state) C(RECYCLE, policy)
#define RECYCLE_TALLY_COLUMNS(C) C(RECYCLE_TALLY, tenant_id) C(RECYCLE_TALLY, recycle_id) \
	C(RECYCLE_TALLY, slot) C(RECYCLE_TALLY, dialled) C(RECYCLE_TALLY, reached) \
	C(RECYCLE_TALLY, taken_out)
#define DIAL_COLUMNS(C) C(DIAL, tenant_id) C(DIAL, attempt) C(DIAL, contact_id) \
	C(DIAL, task_id) C(DIAL, batch_id) C(DIAL, due_at) C(DIAL, priority) C(DIAL, state) \
	C(DIAL, number) C(DIAL, recycle_id) C(DIAL, agent) C(DIAL, token) C(DIAL, claimed_at) \
	C(DIAL, lease_until) C(DIAL, dialer) C(DIAL, is_outdated)
#define SUPPRESSION_COLUMNS(C) C(SUPPRESSION, tenant_id) C(SUPPRESSION, number) \
	C(SUPPRESSION, task_id) C(SUPPRESSION, until)
#define ORIGIN_COLUMNS(C) C(ORIGIN, system_identifier) C(ORIGIN, database) C(ORIGIN, timeline) \
	C(ORIGIN, writer)

#define TABLES(T) T(tenant, TENANT) T(member, MEMBER) T(pool, POOL) T(token_key, TOKEN_KEY) \
	T(task, TASK) T(batch, BATCH) T(business_result, BUSINESS_RESULT) T(contact, CONTACT) \
	T(call, CALL) T(recycle, RECYCLE) T(recycle_tally, RECYCLE_TALLY) T(dial, DIAL) \
	T(suppression, SUPPRESSION) T(origin, ORIGIN)

/* The indexes by which rows are found, and whose they are. */
#define INDEXES(I) I(tenant_pkey, tenant) I(member_pkey, member) I(member_by_role, member) \
	I(pool_pkey, pool) I(token_key_pkey, token_key) I(task_pkey, task) \
	I(batch_suspended, batch) I(business_result_pkey, business_result) I(contact_pkey, contact) \
	I(recycle_pkey, recycle) I(recycle_unfinished, recycle) I(recycle_tally_pkey, recycle_tally) \
	I(dial_pkey, dial) I(dial_queue, dial) I(dial_number_out, dial) \
	I(suppression_tenant_id_number_task_id_key, suppression)
/* clang-format on */

#define COLUMN_NUMBER(table, column) table##_##column,
#define COLUMN_NUMBERS(table, TABLE)                                                               \
	enum                                                                                           \
	{                                                                                              \
		TABLE##_BEFORE,                                                                            \
		TABLE##_COLUMNS(COLUMN_NUMBER) TABLE##_END                                                 \
	};

/* TASK_state and the like: numbers of columns, from 1 on. */
TABLES(COLUMN_NUMBERS)

/* Where a table or an index is, once it was looked for; the server says when it may be elsewhere.
 */
typedef struct RecallTable
{
	const char *name;
	const char *const *columns;
	int number_columns;
	Oid found; /* with these columns */
} RecallTable;

typedef struct RecallIndex
{
	const char *name;
	RecallTable *table;
	Oid found;
} RecallIndex;

#define EXTERN_TABLE(table, TABLE) extern RecallTable recall_##table;
#define EXTERN_INDEX(index, table) extern RecallIndex recall_##index;
TABLES(EXTERN_TABLE)
INDEXES(EXTERN_INDEX)

/* Have the server say so; once for each process. */
extern void recall_watch_tables(void);

extern Relation recall_open_table(RecallTable *table, LOCKMODE lock);
/* Find an index; whoever opens it has locked its table before, so that it is no outdated one. */
extern Oid recall_find_index(RecallIndex *index);

/* A search of a table by an index; the row that was found last is in the slot. */
#define MAX_SEARCH_KEYS 4
typedef struct Search
{
	Relation table;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[MAX_SEARCH_KEYS];
	/* What recall_find_near() has found out. */
	int64 last;		/* the value that was looked for last */
	int near;		/* how many of the last were near the one before */
	bool is_along;	/* whether the index is read along the values, */
	int64 end;		/* up to this one, */
	bool has_entry; /* and whether the entry that was read last is still to be compared */
} Search;

/* Open a search for rows whose first columns of the index equal values that are still to be given.
 */
extern void recall_open_search(Search *search, RecallIndex *index, int number_keys, LOCKMODE lock,
							   Snapshot snapshot);
/* Begin again with so many of the search's keys, which may be other conditions by now;
 * recall_next() finds the rows. */
extern void recall_restart(Search *search, int number_keys);
extern bool recall_next(Search *search);
/* How many blocks of the table and the index this transaction has read. */
extern int64 recall_blocks_read(const Search *search);
/* Close it, unless it was never opened: all zero. */
extern void recall_close_search(Search *search);

/* Find the first row whose columns equal some values. */
extern bool recall_find1(Search *search, Datum first);
extern bool recall_find2(Search *search, Datum first, Datum second);
extern bool recall_find3(Search *search, Datum first, Datum second, Datum third);

/*
 * Find a row by the first two columns, the second a bigint, when so many are still to be found, in
 * any order. Contacts that were loaded together are called together: where one comes close behind
 * the other, the index is read along them instead of being descended for each.
 */
extern bool recall_find_near(Search *search, Datum first, int64 second, int left);
/* Whether a value comes close behind the one that an open search has looked for last. */
extern bool recall_is_near(const Search *search, int64 value);

static inline Datum
recall_value(const Search *search, AttrNumber column, bool *is_null)
{
	return slot_getattr(search->slot, column, is_null);
}

/* The value of a column that is never null. */
static inline Datum
recall_known(const Search *search, AttrNumber column)
{
	bool is_null;

	return slot_getattr(search->slot, column, &is_null);
}

/* What writes rows of an open table and their entries in its indexes. There are no triggers. */
#define MAX_WAITING 64
typedef struct Writer
{
	Relation table;
	EState *executor;
	ResultRelInfo *target;
	TupleTableSlot *slot;				  /* of the row to be written */
	TupleTableSlot *waiting[MAX_WAITING]; /* of rows to be written together; made when used */
	int number_waiting;
	Relation key; /* the primary key that each row has already, if that is known */
	struct IndexInfo *key_columns;
	List *lenient;	/* unique indexes in which a row may take the place of another: it is */
	bool conflicts; /* written all the same, and this is set, for the caller to take it back */
} Writer;

extern void recall_open_writer(Writer *writer, Relation table);
/* Have each row keep the primary key of the one that it is another version of: nobody else can have
 * it, and so it is not looked for. */
extern void recall_keep_key(Writer *writer);
/* Let rows take the places of others in all unique indexes but the primary key. */
extern void recall_be_lenient(Writer *writer);
/* Write what is waiting, and close it. */
extern void recall_close_writer(Writer *writer);

/* Put a copy of a row into the writer's slot, to be changed there. */
extern void recall_copy_row(Writer *writer, TupleTableSlot *from);
static inline void
recall_set(Writer *writer, AttrNumber column, Datum value)
{
	writer->slot->tts_values[column - 1] = value;
	writer->slot->tts_isnull[column - 1] = false;
}

/* Write the slot as another version of a row that a snapshot sees. What somebody else is changing
 * is waited for, or left. */
extern TM_Result recall_update(Writer *writer, ItemPointer row, Snapshot snapshot, bool waits);
/* Write the slot as a new row, by and by: many together cost less. */
extern void recall_insert(Writer *writer);
/* Lock the row that was found, unless somebody else has it or has changed it. */
extern bool recall_try_lock(Search *search);
/* Whether the row that was found is to be locked before it is updated without waiting: somebody has
 * locked or changed it, or has tried to. */
extern bool recall_needs_lock(const Search *search);
/* Whether another transaction that is still open has it, so that trying would fail. Where it has
 * not, another may have it a moment later. */
extern bool recall_is_held(const Search *search);
extern TM_Result recall_delete(Relation table, ItemPointer row, Snapshot snapshot);

/* Find the value of an enum column's type that has a label. */
extern Oid recall_label(Relation table, AttrNumber column, const char *label);

#endif /* RECALL_TABLE_H */
