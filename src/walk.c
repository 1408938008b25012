/*
 * walk.c
 *		Where a claim begins in a long queue.
 *
 * A claim walks along an index from the front of the queue. What was claimed and finished stays in
 * that index until it is vacuumed, and while somebody holds an old snapshot it cannot be: then each
 * claim would walk over all of it again. Permits that may not be claimed for now, such as those of
 * a suspended batch, are in the way likewise.
 *
 * So a walk that read many entries leaves a bookmark, and for a while, in proportion to what was
 * read, the walks of this process begin there. Permits that come in before the bookmark wait for as
 * long: a short queue never has one, and one with five million dead entries in front waits for less
 * than a minute. A bookmark saves work and decides nothing. Each process has its own and may lose
 * it, so that it matters neither which connection of a pool a dialer is given, nor what becomes of
 *it.
 */
#include "recall.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_begin_walk);
PG_FUNCTION_INFO_V1(recall_end_walk);

#define SHORT_WALK 1000	  /* entries; leaves no bookmark */
#define REST_PER_ENTRY 10 /* microseconds; reading one takes less than a twentieth of that */
#define MAX_BOOKMARKS 1000

typedef struct WalkKey
{
	Oid index;
	int32 tenant;
	int64 task;
} WalkKey;

typedef struct Bookmark
{
	WalkKey key;
	TimestampTz valid_until;
	int32 priority;
	TimestampTz due_at;
	int64 contact;
} Bookmark;

static HTAB *bookmarks = NULL;
static int64 entries_before = 0; /* that the walk which is under way found read */

/* Count the entries of an index that this transaction has read. */
static int64
entries_read(Oid index)
{
	return DatumGetInt64(
		DirectFunctionCall1(pg_stat_get_xact_tuples_returned, ObjectIdGetDatum(index)));
}

static WalkKey
get_key(FunctionCallInfo fcinfo)
{
	WalkKey key;

	memset(&key, 0, sizeof(key));
	key.index = PG_GETARG_OID(0);
	key.tenant = PG_GETARG_INT32(1);
	key.task = PG_GETARG_INT64(2);
	return key;
}

/* Find the bookmark of a queue, or with "enter" make room for one. */
static Bookmark *
find_bookmark(const WalkKey *key, HASHACTION action)
{
	HASHCTL control = { .keysize = sizeof(WalkKey),
						.entrysize = sizeof(Bookmark),
						.hcxt = TopMemoryContext };

	if (bookmarks != NULL && action == HASH_ENTER &&
		hash_get_num_entries(bookmarks) >= MAX_BOOKMARKS)
	{
		hash_destroy(bookmarks);
		bookmarks = NULL;
	}
	if (bookmarks == NULL && action == HASH_FIND)
		return NULL;
	if (bookmarks == NULL)
		bookmarks =
			hash_create("recall bookmarks", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return hash_search(bookmarks, key, action, NULL);
}

/*
 * _begin_walk(index regclass, tenant_id int, task_id bigint, at timestamptz, OUT priority int,
 * OUT due_at timestamptz, OUT contact_id bigint)
 */
Datum
recall_begin_walk(PG_FUNCTION_ARGS)
{
	WalkKey key = get_key(fcinfo);
	Bookmark *bookmark = find_bookmark(&key, HASH_FIND);
	TupleDesc row;
	Datum values[3] = { 0 };
	bool nulls[3] = { true, true, true };

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	entries_before = entries_read(key.index);
	if (bookmark != NULL && bookmark->valid_until > PG_GETARG_TIMESTAMPTZ(3))
	{
		values[0] = Int32GetDatum(bookmark->priority);
		values[1] = TimestampTzGetDatum(bookmark->due_at);
		values[2] = Int64GetDatum(bookmark->contact);
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

/*
 * _end_walk(index regclass, tenant_id int, task_id bigint, at timestamptz, found bigint,
 * priority int, due_at timestamptz, contact_id bigint): how many it found, and the last of them;
 * nulls when there was none
 */
Datum
recall_end_walk(PG_FUNCTION_ARGS)
{
	WalkKey key = get_key(fcinfo);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(3);
	int64 entries = entries_read(key.index) - entries_before - PG_GETARG_INT64(4);
	Bookmark *bookmark = find_bookmark(&key, HASH_FIND);
	TimestampTz valid_until = bookmark == NULL ? PG_INT64_MIN : bookmark->valid_until;

	if (entries > SHORT_WALK)
		valid_until = Max(valid_until, at + entries * REST_PER_ENTRY);
	if (valid_until <= at)
		PG_RETURN_VOID();
	if (bookmark == NULL)
	{
		bookmark = find_bookmark(&key, HASH_ENTER);
		bookmark->priority = 0;
	}
	bookmark->valid_until = valid_until;
	if (PG_ARGISNULL(5))
	{
		/* Nothing was due: what comes next will be due from now on. */
		bookmark->due_at = at;
		bookmark->contact = 0;
		PG_RETURN_VOID();
	}
	bookmark->priority = PG_GETARG_INT32(5);
	bookmark->due_at = PG_GETARG_TIMESTAMPTZ(6);
	bookmark->contact = PG_GETARG_INT64(7);
	PG_RETURN_VOID();
}
