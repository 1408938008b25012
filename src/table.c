/*
 * table.c
 *		Reading and writing recall's own tables by key, without a query.
 *
 * Rows are found by index scans with a snapshot, and written through the table access method and
 * the executor's function for index entries, so that visibility, locking, unique indexes,
 * replication and statistics are as ever. What a snapshot shows may have been changed since:
 * writing says so, and the caller decides.
 */
#include "table.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "pgstat.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define COLUMN_NAME(table, column) #column,
#define DEFINE_TABLE(table, TABLE)                                                                 \
	static const char *const table##_columns[] = { TABLE##_COLUMNS(COLUMN_NAME) };                 \
	RecallTable recall_##table = { #table, table##_columns, lengthof(table##_columns), InvalidOid };
#define DEFINE_INDEX(index, table)                                                                 \
	RecallIndex recall_##index = { #index, &recall_##table, InvalidOid };
#define LIST(name, of) &recall_##name,

TABLES(DEFINE_TABLE)
INDEXES(DEFINE_INDEX)

static RecallTable *const all_tables[] = { TABLES(LIST) };
static RecallIndex *const all_indexes[] = { INDEXES(LIST) };

/* Forget where a relation is that was changed, dropped or renamed; InvalidOid: each. */
static void
forget(Datum unused, Oid relation)
{
	for (int i = 0; i < lengthof(all_tables); i++)
		if (!OidIsValid(relation) || all_tables[i]->found == relation)
			all_tables[i]->found = InvalidOid;
	for (int i = 0; i < lengthof(all_indexes); i++)
		if (!OidIsValid(relation) || all_indexes[i]->found == relation)
			all_indexes[i]->found = InvalidOid;
}

void
recall_watch_tables(void)
{
	CacheRegisterRelcacheCallback(forget, (Datum) 0);
}

/* Make sure that the columns are where this library takes them to be. */
static void
check_columns(Relation relation, const RecallTable *table)
{
	TupleDesc row = RelationGetDescr(relation);

	for (int i = 0; i < table->number_columns; i++)
		if (i >= row->natts ||
			strcmp(NameStr(TupleDescAttr(row, i)->attname), table->columns[i]) != 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table recall.%s is not that of this version of the library", table->name),
				 errhint("Bring both to the same version: ALTER EXTENSION recall UPDATE.")));
}

static Oid
find_relation(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("recall", false));
}

Relation
recall_open_table(RecallTable *table, LOCKMODE lock)
{
	Oid known = table->found;
	Relation relation = table_open(OidIsValid(known) ? known : find_relation(table->name), lock);

	/* Locking it may have brought the news that it has changed. */
	if (!OidIsValid(table->found))
	{
		check_columns(relation, table);
		table->found = RelationGetRelid(relation);
	}
	return relation;
}

Oid
recall_find_index(RecallIndex *index)
{
	if (!OidIsValid(index->found))
		index->found = find_relation(index->name);
	return index->found;
}

/* ---------------------------------------------------------------- reading */

/* Prepare the condition that a column of an index equals a value. */
static void
init_key(ScanKey key, Relation index, AttrNumber column)
{
	RegProcedure equals;

	switch (TupleDescAttr(RelationGetDescr(index), column - 1)->atttypid)
	{
		case INT2OID: equals = F_INT2EQ; break;
		case INT4OID: equals = F_INT4EQ; break;
		case INT8OID: equals = F_INT8EQ; break;
		case REGROLEOID: equals = F_OIDEQ; break;
		default: equals = F_TEXTEQ;
	}
	ScanKeyEntryInitialize(key, 0, column, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[column - 1], equals, (Datum) 0);
}

void
recall_open_search(Search *search, RecallIndex *index, int number_keys, LOCKMODE lock,
				   Snapshot snapshot)
{
	memset(search, 0, sizeof(Search));
	search->table = recall_open_table(index->table, lock);
	search->index = index_open(recall_find_index(index), AccessShareLock);
	search->slot = table_slot_create(search->table, NULL);
	for (int i = 0; i < number_keys; i++)
		init_key(&search->keys[i], search->index, i + 1);
	search->scan = recall_index_beginscan(search->table, search->index, snapshot, number_keys);
}

/* Make the scan one with so many keys. */
static void
set_number_of_keys(Search *search, int number_keys)
{
	Snapshot snapshot = search->scan->xs_snapshot;

	if (search->scan->numberOfKeys == number_keys)
		return;
	index_endscan(search->scan);
	search->scan = recall_index_beginscan(search->table, search->index, snapshot, number_keys);
}

void
recall_restart(Search *search, int number_keys)
{
	set_number_of_keys(search, number_keys);
	index_rescan(search->scan, search->keys, number_keys, NULL, 0);
}

bool
recall_next(Search *search)
{
	return index_getnext_slot(search->scan, ForwardScanDirection, search->slot);
}

static int64
blocks_of(Relation relation)
{
	return relation->pgstat_info == NULL ? 0 : BLOCKS_FETCHED(relation->pgstat_info);
}

int64
recall_blocks_read(const Search *search)
{
	return blocks_of(search->table) + blocks_of(search->index);
}

void
recall_close_search(Search *search)
{
	if (search->scan == NULL)
		return;
	index_endscan(search->scan);
	ExecDropSingleTupleTableSlot(search->slot);
	index_close(search->index, AccessShareLock);
	table_close(search->table, NoLock);
	search->scan = NULL;
}

static bool
find_first(Search *search)
{
	recall_restart(search, search->scan->numberOfKeys);
	return recall_next(search);
}

bool
recall_find1(Search *search, Datum first)
{
	search->keys[0].sk_argument = first;
	return find_first(search);
}

bool
recall_find2(Search *search, Datum first, Datum second)
{
	search->keys[1].sk_argument = second;
	return recall_find1(search, first);
}

bool
recall_find3(Search *search, Datum first, Datum second, Datum third)
{
	search->keys[2].sk_argument = third;
	return recall_find2(search, first, second);
}

/* ---------------------------------------------------------------- reading along an index */

#define NEAR 8		  /* entries that are passed over sooner than the index is descended */
#define NEAR_ENOUGH 2 /* times that, after which the next ones will be near, too */

static void
begin_along(Search *search, Datum first, int64 second, int left)
{
	ScanKey keys = search->keys;

	search->end = second > PG_INT64_MAX - NEAR * left ? PG_INT64_MAX : second + NEAR * left;
	keys[0].sk_argument = first;
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTGreaterEqualStrategyNumber, InvalidOid, InvalidOid,
						   F_INT8GE, Int64GetDatum(second));
	ScanKeyEntryInitialize(&keys[2], 0, 2, BTLessEqualStrategyNumber, InvalidOid, InvalidOid,
						   F_INT8LE, Int64GetDatum(search->end));
	set_number_of_keys(search, 3);
	search->scan->xs_want_itup = true;
	recall_restart(search, 3);
	search->is_along = true;
	search->has_entry = false;
}

static void
end_along(Search *search)
{
	init_key(&search->keys[1], search->index, 2);
	set_number_of_keys(search, 2);
	search->is_along = false;
	search->near = 0;
}

/* Read on until the entries of a value, and take the one whose row is visible. */
static bool
go_along(Search *search, int64 value)
{
	IndexScanDesc scan = search->scan;
	bool is_null;
	int64 entry;

	for (;;)
	{
		if (!search->has_entry && index_getnext_tid(scan, ForwardScanDirection) == NULL)
		{
			search->end = value; /* a scan that is over would begin again */
			return false;
		}
		entry = DatumGetInt64(index_getattr(scan->xs_itup, 2, scan->xs_itupdesc, &is_null));
		search->has_entry = entry > value;
		if (search->has_entry)
			return false;
		if (entry == value && index_fetch_heap(scan, search->slot))
			return true;
	}
}

bool
recall_is_near(const Search *search, int64 value)
{
	return search->scan != NULL && value > search->last &&
		   (uint64) value - (uint64) search->last <= NEAR;
}

bool
recall_find_near(Search *search, Datum first, int64 second, int left)
{
	search->near = recall_is_near(search, second) ? search->near + 1 : 0;
	if (search->is_along && (second <= search->last || second > search->end))
		end_along(search);
	else if (!search->is_along && search->near >= NEAR_ENOUGH && left > NEAR_ENOUGH)
		begin_along(search, first, second, left);
	search->last = second;
	return search->is_along ? go_along(search, second)
							: recall_find2(search, first, Int64GetDatum(second));
}

/* ---------------------------------------------------------------- writing */

void
recall_open_writer(Writer *writer, Relation table)
{
	memset(writer, 0, sizeof(Writer));
	writer->table = table;
	writer->executor = CreateExecutorState();
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, table, 0, NULL, 0);
	CheckCmdReplicaIdentity(table, CMD_UPDATE);
	ExecOpenIndices(writer->target, false);
	writer->slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
}

void
recall_keep_key(Writer *writer)
{
	ResultRelInfo *target = writer->target;
	int others = 0;

	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		Relation index = target->ri_IndexRelationDescs[i];
		IndexInfo *columns = target->ri_IndexRelationInfo[i];

		if (index->rd_index->indisprimary)
		{
			writer->key = index;
			writer->key_columns = columns;
			continue;
		}
		target->ri_IndexRelationDescs[others] = index;
		target->ri_IndexRelationInfo[others++] = columns;
	}
	target->ri_NumIndices = others;
}

/* All of them, whatever they are called: while one is rebuilt concurrently, there are two of it. */
void
recall_be_lenient(Writer *writer)
{
	for (int i = 0; i < writer->target->ri_NumIndices; i++)
	{
		Form_pg_index index = writer->target->ri_IndexRelationDescs[i]->rd_index;

		if (index->indisunique && !index->indisprimary)
			writer->lenient = lappend_oid(writer->lenient, index->indexrelid);
	}
}

void
recall_copy_row(Writer *writer, TupleTableSlot *from)
{
	ExecCopySlot(writer->slot, from);
}

static void
insert_key(const Writer *writer, TupleTableSlot *row)
{
	Datum values[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];

	FormIndexDatum(writer->key_columns, row, writer->executor, values, nulls);
	index_insert(writer->key, values, nulls, &row->tts_tid, writer->table, UNIQUE_CHECK_NO, true,
				 writer->key_columns);
}

static void
insert_index_entries(Writer *writer, TupleTableSlot *row, bool is_update, bool only_summarizing)
{
	writer->conflicts = false;
	if (writer->key != NULL && !only_summarizing)
		insert_key(writer, row);
	recall_insert_index_entries(writer->target, row, writer->executor, is_update,
								&writer->conflicts, writer->lenient, only_summarizing);
	ResetPerTupleExprContext(writer->executor);
}

TM_Result
recall_update(Writer *writer, ItemPointer row, Snapshot snapshot, bool waits)
{
	TM_FailureData failure;
	LockTupleMode lock;
	UpdatedIndexes indexes;
	TM_Result outcome =
		table_tuple_update(writer->table, row, writer->slot, GetCurrentCommandId(true), snapshot,
						   InvalidSnapshot, waits, &failure, &lock, &indexes);

	if (outcome == TM_Ok && indexes != NO_INDEXES)
		insert_index_entries(writer, writer->slot, true, ONLY_SUMMARIZING(indexes));
	return outcome;
}

bool
recall_try_lock(Search *search)
{
	TM_FailureData failure;
	ItemPointerData row = search->slot->tts_tid;

	return table_tuple_lock(search->table, &row, search->scan->xs_snapshot, search->slot,
							GetCurrentCommandId(true), LockTupleExclusive, LockWaitSkip, 0,
							&failure) == TM_Ok;
}

/* Whether the server has assertions, of which one wants whoever updates a row to wait for others.
 */
static bool
has_assertions(void)
{
	static bool is_known = false;
	static bool has;

	if (!is_known)
	{
		has = strcmp(GetConfigOption("debug_assertions", false, false), "on") == 0;
		is_known = true;
	}
	return has;
}

bool
recall_needs_lock(const Search *search)
{
	bool is_null;

	return TransactionIdIsValid(DatumGetTransactionId(
			   slot_getsysattr(search->slot, MaxTransactionIdAttributeNumber, &is_null))) ||
		   has_assertions();
}

bool
recall_is_held(const Search *search)
{
	HeapTupleHeader row = ExecFetchSlotHeapTuple(search->slot, false, NULL)->t_data;
	TransactionId holder = HeapTupleHeaderGetRawXmax(row);

	return (row->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI)) == 0 &&
		   !TransactionIdIsCurrentTransactionId(holder) && TransactionIdIsInProgress(holder);
}

/*
 * Write what is waiting: all rows of a page under one lock and with one record of the log, and then
 * their entries in the indexes.
 */
static void
write_waiting(Writer *writer)
{
	if (writer->number_waiting == 0)
		return;
	table_multi_insert(writer->table, writer->waiting, writer->number_waiting,
					   GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < writer->number_waiting; i++)
	{
		insert_index_entries(writer, writer->waiting[i], false, false);
		ExecClearTuple(writer->waiting[i]);
	}
	writer->number_waiting = 0;
}

/* The next slot for a row that waits. */
static TupleTableSlot *
free_slot(Writer *writer)
{
	TupleTableSlot **slot;

	if (writer->number_waiting == MAX_WAITING)
		write_waiting(writer);
	slot = &writer->waiting[writer->number_waiting++];
	if (*slot == NULL)
		*slot = table_slot_create(writer->table, NULL);
	return *slot;
}

void
recall_insert(Writer *writer)
{
	ExecStoreVirtualTuple(writer->slot);
	ExecCopySlot(free_slot(writer), writer->slot);
}

void
recall_close_writer(Writer *writer)
{
	write_waiting(writer);
	if (writer->key != NULL)
		index_close(writer->key, RowExclusiveLock);
	ExecCloseIndices(writer->target);
	ExecDropSingleTupleTableSlot(writer->slot);
	for (int i = 0; i < MAX_WAITING && writer->waiting[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(writer->waiting[i]);
	FreeExecutorState(writer->executor);
}

TM_Result
recall_delete(Relation table, ItemPointer row, Snapshot snapshot)
{
	TM_FailureData failure;

	return table_tuple_delete(table, row, GetCurrentCommandId(true), snapshot, InvalidSnapshot,
							  true, &failure, false);
}

Oid
recall_label(Relation table, AttrNumber column, const char *label)
{
	Oid type = TupleDescAttr(RelationGetDescr(table), column - 1)->atttypid;

	return GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid, ObjectIdGetDatum(type),
						   CStringGetDatum(label));
}
