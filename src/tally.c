/*
 * tally.c
 *		Counting what became of a recycle record's re-dial rows.
 *
 * A record is counted in slots, one for each session that the server runs at a time, so that nobody
 * who reports waits for anybody else. Nearly always the slot of this session is there and can be
 * counted up in place; the first time it is made in SQL. Two may still be after the same one: a
 * prepared transaction keeps that of a session which has gone.
 */
#include "tally.h"

#include "as_owner.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "parser/parse_func.h"
#include "table.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_tally_slot);

/* The slot of this session: no other that is at work has its number, and that is small. */
static int16
own_slot(void)
{
	return SESSION_NUMBER & PG_INT16_MAX;
}

/* _tally_slot() returns smallint */
Datum
recall_tally_slot(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16(own_slot());
}

static bool
count_up(int32 tenant, int64 record, int64 dialled, int64 reached)
{
	Search slots;
	Writer writer;
	TM_Result outcome = TM_Deleted;

	PushActiveSnapshot(GetTransactionSnapshot());
	recall_open_search(&slots, &recall_recycle_tally_pkey, 3, RowExclusiveLock,
					   GetActiveSnapshot());
	if (recall_find3(&slots, Int32GetDatum(tenant), Int64GetDatum(record),
					 Int16GetDatum(own_slot())))
	{
		dialled += DatumGetInt64(recall_known(&slots, RECYCLE_TALLY_dialled));
		reached += DatumGetInt64(recall_known(&slots, RECYCLE_TALLY_reached));
		recall_open_writer(&writer, slots.table);
		recall_copy_row(&writer, slots.slot);
		recall_set(&writer, RECYCLE_TALLY_dialled, Int64GetDatum(dialled));
		recall_set(&writer, RECYCLE_TALLY_reached, Int64GetDatum(reached));
		outcome = recall_update(&writer, &slots.slot->tts_tid, GetActiveSnapshot(), true);
		recall_close_writer(&writer);
	}
	recall_close_search(&slots);
	PopActiveSnapshot();
	return outcome == TM_Ok;
}

static void
make_slot(int32 tenant, int64 record, int64 dialled, int64 reached)
{
	Oid types[] = { INT4OID, INT8OID, INT8OID, INT8OID, INT8OID };
	AsOwner before;

	recall_begin_as_owner(&before, 0);
	OidFunctionCall5(
		LookupFuncName(list_make2(makeString("recall"), makeString("_tally")), 5, types, false),
		Int32GetDatum(tenant), Int64GetDatum(record), Int64GetDatum(dialled),
		Int64GetDatum(reached), Int64GetDatum(0));
	recall_end_as_owner(&before);
}

void
recall_tally_calls(int32 tenant, int64 record, int64 dialled, int64 reached)
{
	CommandCounterIncrement();
	if (!count_up(tenant, record, dialled, reached))
		make_slot(tenant, record, dialled, reached);
}
