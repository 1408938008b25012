/*
 * walk.c
 *		Where a claim begins in a long queue.
 *
 * A claim walks along an index from the front of the queue. What was claimed and finished stays in
 * that index until it is vacuumed, and while somebody holds an old snapshot it cannot be: then each
 * claim would walk over all of it again. Permits that may not be claimed for now, such as those of
 * a suspended batch, are in the way likewise.
 *
 * So a walk that read many blocks in vain leaves a bookmark, and for a while, twenty times as long
 * as that took, the walks of this process begin there: they take more than they lose. Permits that
 * come in before the bookmark wait for as long. A short queue never has one; with five million dead
 * entries in front it may be a minute. A bookmark saves work and decides nothing. Each process has
 * its own and may lose it, so that it matters neither which connection of a pool a dialer is given,
 * nor what becomes of it.
 */
#include "walk.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_begin_walk);
PG_FUNCTION_INFO_V1(recall_set_out);
PG_FUNCTION_INFO_V1(recall_pass);
PG_FUNCTION_INFO_V1(recall_end_walk);
PG_FUNCTION_INFO_V1(recall_rest);

#define SHORT_WALK 64 /* blocks from one permit to the next; is none in vain */
#define REST 20		  /* times what was spent in vain */
#define MAX_BOOKMARKS 1000

typedef struct QueueKey
{
	Oid index;
	int32 tenant;
	int64 task;
} QueueKey;

typedef struct Bookmark
{
	QueueKey key;
	int64 valid_until; /* by the steady clock */
	Place place;
} Bookmark;

static HTAB *bookmarks = NULL;

/* The walk that is under way; there is one at a time. */
static struct
{
	QueueKey key;
	int64 began; /* by the steady clock */
	Oid table;
	Place nowhere; /* where it is left when no permit was due */
	/* How far it had come at the last permit, and what it spent in vain till then. */
	int64 blocks;
	int64 moment;  /* by the steady clock */
	int64 in_vain; /* microseconds */
} walk;

/* Read a clock, in microseconds, that nobody sets: a bookmark is not to last until the other one is
 * back where it was. */
static int64
steady_clock(void)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MICROSEC(now);
}

static int64
blocks_of(Oid relation)
{
	return DatumGetInt64(
		DirectFunctionCall1(pg_stat_get_xact_blocks_fetched, ObjectIdGetDatum(relation)));
}

static int64
blocks_read(void)
{
	return blocks_of(walk.key.index) + blocks_of(walk.table);
}

/* Find the bookmark of a queue, or with HASH_ENTER make room for one. */
static Bookmark *
find_bookmark(const QueueKey *key, HASHACTION action)
{
	HASHCTL control = { .keysize = sizeof(QueueKey),
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

/* Leave a bookmark for some microseconds at a place, or move the one that is there. */
static void
leave_bookmark(int64 for_microseconds, Place place)
{
	Bookmark *bookmark = find_bookmark(&walk.key, HASH_FIND);

	if (bookmark == NULL)
	{
		bookmark = find_bookmark(&walk.key, HASH_ENTER);
		bookmark->valid_until = walk.began;
	}
	bookmark->valid_until = Max(bookmark->valid_until, walk.began + for_microseconds);
	bookmark->place = place;
}

bool
recall_begin_walk_in(Oid index, int32 tenant, int64 task, TimestampTz at, Place *place)
{
	Bookmark *bookmark;

	memset(&walk, 0, sizeof(walk));
	walk.key.index = index;
	walk.key.tenant = tenant;
	walk.key.task = task;
	walk.table = IndexGetRelation(index, true);
	walk.began = walk.moment = steady_clock();
	walk.nowhere.due_at = at; /* what comes next will be due from now on */
	bookmark = find_bookmark(&walk.key, HASH_FIND);
	if (bookmark == NULL)
		return false;
	walk.nowhere.priority = bookmark->place.priority;
	*place = bookmark->place;
	return bookmark->valid_until > walk.began;
}

void
recall_walk_sets_out(int64 blocks)
{
	walk.blocks = blocks;
	walk.moment = steady_clock();
}

void
recall_walk_passes(int64 blocks)
{
	int64 blocks_before = walk.blocks;
	int64 moment_before = walk.moment;

	recall_walk_sets_out(blocks);
	if (blocks - blocks_before > SHORT_WALK)
		walk.in_vain += walk.moment - moment_before;
}

void
recall_end_walk_at(const Place *place)
{
	Bookmark *bookmark = find_bookmark(&walk.key, HASH_FIND);

	if (walk.in_vain > 0 || (bookmark != NULL && bookmark->valid_until > walk.began))
		leave_bookmark(walk.in_vain * REST, place != NULL ? *place : walk.nowhere);
}

/*
 * _begin_walk(index regclass, tenant_id int, task_id bigint, at timestamptz, OUT priority int,
 * OUT due_at timestamptz, OUT contact_id bigint)
 */
Datum
recall_begin_walk(PG_FUNCTION_ARGS)
{
	Place place;
	TupleDesc row;
	Datum values[3] = { 0 };
	bool nulls[3] = { true, true, true };

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (recall_begin_walk_in(PG_GETARG_OID(0), PG_GETARG_INT32(1), PG_GETARG_INT64(2),
							 PG_GETARG_TIMESTAMPTZ(3), &place))
	{
		values[0] = Int32GetDatum(place.priority);
		values[1] = TimestampTzGetDatum(place.due_at);
		values[2] = Int64GetDatum(place.contact);
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}

/*
 * The SQL of version 0.1.0 walked, too, and until somebody updates the extension its claims call
 * the next three.
 */

/* _set_out() returns boolean: true */
Datum
recall_set_out(PG_FUNCTION_ARGS)
{
	recall_walk_sets_out(blocks_read());
	PG_RETURN_BOOL(true);
}

/* _pass() returns boolean: true */
Datum
recall_pass(PG_FUNCTION_ARGS)
{
	recall_walk_passes(blocks_read());
	PG_RETURN_BOOL(true);
}

/* _end_walk(priority int, due_at timestamptz, contact_id bigint) */
Datum
recall_end_walk(PG_FUNCTION_ARGS)
{
	bool has_place = !PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
	Place place = { 0 };

	if (has_place)
		place = (Place){ PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1), PG_GETARG_INT64(2) };
	recall_end_walk_at(has_place ? &place : NULL);
	PG_RETURN_VOID();
}

/* _rest(at_least interval): ends a walk that is not to be made again before */
Datum
recall_rest(PG_FUNCTION_ARGS)
{
	int64 spent = steady_clock() - walk.moment;

	leave_bookmark(Max(spent * REST, PG_GETARG_INTERVAL_P(0)->time), walk.nowhere);
	PG_RETURN_VOID();
}
