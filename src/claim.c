/*
 * claim.c
 *		Claiming: a dialer takes permits, and may ring when the claim has committed.
 *
 * Nearly all permits are plain: due, within the hours, and nothing more is to be asked of them.
 * Those are taken here, straight from the queue. The others are locked and gathered; of these the
 * limits, quiets and the do-not-call list are asked again in SQL (_claim_others()), which takes
 * them, puts them off or takes them out. That happens when they might fill the claim, and at the
 * end of the queue; then the walk goes on.
 *
 * With synchronous_commit off a crash forgets the last commits, after which a permit that rang
 * would be ready again: so the commit of a claim waits for the disk, whatever the setting.
 *
 * A permit that somebody else is changing is passed over. A unique index tells of a number that is
 * out already, also when the claim that took it has not committed yet: the permit goes back then.
 */
#include "as_owner.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lease.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "suppression.h"
#include "table.h"
#include "tcop/utility.h"
#include "terms.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "walk.h"

PG_FUNCTION_INFO_V1(recall_claim);

extern Datum recall_is_open(PG_FUNCTION_ARGS);

#define MAX_ROWS 10000
#define MAX_OTHERS 20000  /* in one claim: a tenant may have put off a whole queue */
#define MAX_GATHERED 100  /* beyond those that might fill the claim; they stay locked */
#define MAX_DIALER 200	  /* characters */
#define LOCK_TIMEOUT 1000 /* milliseconds */

/* The columns that claim() returns. */
enum
{
	CONTACT_ID,
	NUMBER,
	ATTEMPT,
	TOKEN,
	LEASE_UNTIL,
	PRIORITY,
	REFERENCE,
	ATTRIBUTES,
	RECYCLE_ID,
	BATCH_ID,
	DUE_AT,
	AGENT,
	NUMBER_COLUMNS
};

typedef struct Permit
{
	Datum values[NUMBER_COLUMNS];
	bool nulls[NUMBER_COLUMNS];
} Permit;

typedef struct Claim
{
	int32 tenant;
	int64 task;
	int32 max_rows;
	int64 lease; /* microseconds */
	NullableDatum dialer;
	TimestampTz at;
	Terms *terms;
	Oid queue; /* the index */
	bool has_start;
	Place start; /* where the walk begins; else at the front */
	Permit *permits;
	int count;
	ItemPointerData *others; /* gathered, locked, and not asked about yet */
	int number_others;
	int breadth;	  /* how many to gather at a time, at least */
	bool has_reached; /* whether any permit was looked at */
	Place reached;	  /* the last of them */
} Claim;

/* Who is rung the first time and who is rung again stand among each other in the queue, each in
 * about the order in which the contacts were loaded. */
#define CONTACT_SEARCHES 2

/* What claiming plain permits reads and writes. */
typedef struct Picker
{
	Search queue;
	Search contacts[CONTACT_SEARCHES]; /* opened when used */
	Search *contact;				   /* which of them has found the permit's */
	Search records;					   /* opened when there is one to look up */
	Search suppressions;			   /* opened when the tenant suppresses any number */
	Search numbers_out;				   /* opened when a number was out, to look before trying */
	SnapshotData uncommitted;
	Snapshot snapshot;
	Writer dial;
	Oid claimed;
	int32 top; /* the highest priority to go on with */
	bool is_at_bookmark;
	bool is_ahead; /* whether the permit that the queue is at was left for the next leg */
	int64 record;  /* that was asked about last, 0 for none, and whether its policy is the task's */
	bool has_policy_of_task;
	FmgrInfo is_open;
	bool is_open_in_task_zone;
} Picker;

/* ---------------------------------------------------------------- the queue */

static Place
place_of(const Permit *permit)
{
	return (Place){ DatumGetInt32(permit->values[PRIORITY]),
					DatumGetTimestampTz(permit->values[DUE_AT]),
					DatumGetInt64(permit->values[CONTACT_ID]) };
}

/* The place of the permit that the queue is at. */
static Place
place_at(const Search *queue)
{
	return (Place){ DatumGetInt32(recall_known(queue, DIAL_priority)),
					DatumGetTimestampTz(recall_known(queue, DIAL_due_at)),
					DatumGetInt64(recall_known(queue, DIAL_contact_id)) };
}

/* Begin with the highest priority that is left. At first that is any: no entry is asked for it. */
static void
begin_below(Picker *picker)
{
	ScanKeyEntryInitialize(&picker->queue.keys[2], 0, 3, BTLessEqualStrategyNumber, InvalidOid,
						   InvalidOid, F_INT4LE, Int32GetDatum(picker->top));
	picker->is_at_bookmark = false;
	recall_restart(&picker->queue, picker->top == PG_INT32_MAX ? 2 : 3);
}

/* Begin at a place; the condition is of the kind (due_at, contact_id) >= (…, …). */
static void
begin_at(Picker *picker, const Place *place, ScanKeyData members[2])
{
	ScanKey keys = picker->queue.keys;

	ScanKeyEntryInitialize(&keys[2], 0, 3, BTEqualStrategyNumber, InvalidOid, InvalidOid, F_INT4EQ,
						   Int32GetDatum(place->priority));
	ScanKeyEntryInitialize(&members[0], SK_ROW_MEMBER, 4, BTGreaterEqualStrategyNumber, InvalidOid,
						   InvalidOid, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(place->due_at));
	ScanKeyEntryInitialize(&members[1], SK_ROW_MEMBER | SK_ROW_END, 5, BTGreaterEqualStrategyNumber,
						   InvalidOid, InvalidOid, F_BTINT8CMP, Int64GetDatum(place->contact));
	MemSet(&keys[3], 0, sizeof(ScanKeyData));
	keys[3].sk_flags = SK_ROW_HEADER;
	keys[3].sk_attno = 4;
	keys[3].sk_strategy = BTGreaterEqualStrategyNumber;
	keys[3].sk_argument = PointerGetDatum(members);
	picker->top = place->priority;
	picker->is_at_bookmark = true;
	recall_restart(&picker->queue, 4);
}

/* Leave the rest of a priority; false when it was the last. */
static bool
leave_priority(Picker *picker, int32 priority)
{
	if (priority == PG_INT32_MIN)
		return false;
	picker->top = priority - 1;
	begin_below(picker);
	return true;
}

static bool
has_to_wait(const Claim *claim, const Search *queue)
{
	bool is_first_attempt;
	int64 record = DatumGetInt64(recall_value(queue, DIAL_recycle_id, &is_first_attempt));

	return recall_has_id(&claim->terms->suspended,
						 DatumGetInt64(recall_known(queue, DIAL_batch_id))) ||
		   (!is_first_attempt && recall_has_id(&claim->terms->paused, record));
}

/*
 * Go to the next permit that is due. Of a priority whose next permit is not due yet nothing more is
 * read, however many permits it has.
 */
static bool
go_on(const Claim *claim, Picker *picker)
{
	Search *queue = &picker->queue;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (!recall_next(queue))
		{
			if (!picker->is_at_bookmark || !leave_priority(picker, picker->top))
				return false;
		}
		else if (DatumGetTimestampTz(recall_known(queue, DIAL_due_at)) > claim->at)
		{
			if (!leave_priority(picker, DatumGetInt32(recall_known(queue, DIAL_priority))))
				return false;
		}
		else if (!has_to_wait(claim, queue))
		{
			recall_walk_passes(recall_blocks_read(queue));
			return true;
		}
	}
}

/* ---------------------------------------------------------------- what is plain */

static bool
find_policy_of_task(const Claim *claim, Picker *picker, int64 record)
{
	if (claim->terms->policy == NULL)
		return false;
	if (picker->records.scan == NULL)
		recall_open_search(&picker->records, &recall_recycle_pkey, 2, AccessShareLock,
						   picker->snapshot);
	return recall_find2(&picker->records, Int32GetDatum(claim->tenant), Int64GetDatum(record)) &&
		   recall_has_same_bytes(
			   PG_DETOAST_DATUM_PACKED(recall_known(&picker->records, RECYCLE_policy)),
			   claim->terms->policy);
}

/* Whether a record's policy is the task's, so that nothing more has to be asked for it. One after
 * the other, permits are mostly of the same record. */
static bool
has_policy_of_task(const Claim *claim, Picker *picker, int64 record)
{
	if (picker->record != record)
	{
		picker->has_policy_of_task = find_policy_of_task(claim, picker, record);
		picker->record = record;
	}
	return picker->has_policy_of_task;
}

static bool
is_suppressed(const Claim *claim, Picker *picker, Datum number)
{
	TimestampTz until;

	if (!claim->terms->suppresses)
		return false;
	if (picker->suppressions.scan == NULL)
		recall_open_suppressions(&picker->suppressions, picker->snapshot);
	return recall_is_suppressed(&picker->suppressions, claim->tenant, claim->task, number,
								claim->at, &until);
}

/* A permit that was tried leaves a dead entry in the index of numbers that are out: there may be
 * many permits of one number, so that only the first of a claim that is out is found by trying. */
static void
look_before_trying(Picker *picker)
{
	if (picker->numbers_out.scan != NULL)
		return;
	InitDirtySnapshot(picker->uncommitted);
	recall_open_search(&picker->numbers_out, &recall_dial_number_out, 2, AccessShareLock,
					   &picker->uncommitted);
}

static bool
is_known_to_be_out(const Claim *claim, Picker *picker, Datum number)
{
	return picker->numbers_out.scan != NULL &&
		   recall_find2(&picker->numbers_out, Int32GetDatum(claim->tenant), number);
}

/* The search that has found a contact near this one, or else that which was not used last. */
static Search *
choose_search(Picker *picker, int64 contact)
{
	for (int i = 0; i < CONTACT_SEARCHES; i++)
		if (recall_is_near(&picker->contacts[i], contact))
			return &picker->contacts[i];
	return picker->contact == picker->contacts ? &picker->contacts[1] : picker->contacts;
}

static bool
find_contact(const Claim *claim, Picker *picker, int64 contact)
{
	Search *search = choose_search(picker, contact);

	if (search->scan == NULL)
		recall_open_search(search, &recall_contact_pkey, 2, AccessShareLock, picker->snapshot);
	picker->contact = search;
	return recall_find_near(search, Int32GetDatum(claim->tenant), contact,
							claim->max_rows - claim->count);
}

static bool
is_open_in(const Claim *claim, Picker *picker, Datum zone)
{
	LOCAL_FCINFO(call, 4);
	const Terms *terms = claim->terms;

	if (terms->calling_hours == NULL)
		return true;
	InitFunctionCallInfoData(*call, &picker->is_open, 4, InvalidOid, NULL, NULL);
	call->args[0] = (NullableDatum){ PointerGetDatum(terms->calling_hours), false };
	call->args[1] = (NullableDatum){ zone, false };
	call->args[2] = (NullableDatum){ TimestampTzGetDatum(claim->at), false };
	call->args[3] = (NullableDatum){ PointerGetDatum(terms->holidays), terms->holidays == NULL };
	return DatumGetBool(recall_is_open(call)) && !call->isnull;
}

static bool
is_open_for_contact(const Claim *claim, Picker *picker)
{
	bool is_in_task_zone;
	Datum zone = recall_value(picker->contact, CONTACT_time_zone, &is_in_task_zone);

	return is_in_task_zone ? picker->is_open_in_task_zone : is_open_in(claim, picker, zone);
}

/* Whether a permit that is due may be dialled, and nothing more is to be asked of it. */
static bool
is_plain(const Claim *claim, Picker *picker)
{
	const Search *queue = &picker->queue;
	Datum number = recall_known(queue, DIAL_number);
	bool has_no_record;
	int64 record = DatumGetInt64(recall_value(queue, DIAL_recycle_id, &has_no_record));

	if (claim->terms->per_number)
		return false;
	if (has_no_record
			? claim->terms->limited && DatumGetInt32(recall_known(queue, DIAL_attempt)) > 1
			: !has_policy_of_task(claim, picker, record))
		return false;
	return !is_suppressed(claim, picker, number) && !is_known_to_be_out(claim, picker, number) &&
		   find_contact(claim, picker, DatumGetInt64(recall_known(queue, DIAL_contact_id))) &&
		   is_open_for_contact(claim, picker);
}

/* ---------------------------------------------------------------- taking */

static void
copy_column(Permit *permit, int to, const Search *from, AttrNumber column)
{
	Form_pg_attribute type = TupleDescAttr(from->slot->tts_tupleDescriptor, column - 1);
	Datum value = recall_value(from, column, &permit->nulls[to]);

	if (!permit->nulls[to])
		permit->values[to] = datumCopy(value, type->attbyval, type->attlen);
}

static void
add_permit(Claim *claim, Picker *picker, int64 token)
{
	static const AttrNumber of_permit[NUMBER_COLUMNS] = {
		[CONTACT_ID] = DIAL_contact_id, [NUMBER] = DIAL_number,			[ATTEMPT] = DIAL_attempt,
		[PRIORITY] = DIAL_priority,		[RECYCLE_ID] = DIAL_recycle_id, [BATCH_ID] = DIAL_batch_id,
		[DUE_AT] = DIAL_due_at,			[AGENT] = DIAL_agent,
	};
	Permit *permit = &claim->permits[claim->count++];

	memset(permit->nulls, false, sizeof(permit->nulls));
	for (int i = 0; i < NUMBER_COLUMNS; i++)
		if (of_permit[i] != 0)
			copy_column(permit, i, &picker->queue, of_permit[i]);
	copy_column(permit, REFERENCE, picker->contact, CONTACT_reference);
	copy_column(permit, ATTRIBUTES, picker->contact, CONTACT_attributes);
	permit->values[TOKEN] = Int64GetDatum(token);
	permit->values[LEASE_UNTIL] = TimestampTzGetDatum(claim->at + claim->lease);
}

/* Write the claimed permit, unless somebody else is changing it. The update of one that is locked
 * already may wait, for there is nobody else; one that may not would stop at our own lock. */
static bool
write_permit(Picker *picker, bool is_locked)
{
	Search *queue = &picker->queue;
	TM_Result outcome =
		recall_update(&picker->dial, &queue->slot->tts_tid, picker->snapshot, is_locked);

	if (outcome == TM_BeingModified && recall_try_lock(queue))
		outcome = recall_update(&picker->dial, &queue->slot->tts_tid, picker->snapshot, true);
	return outcome == TM_Ok;
}

/* Make a claimed permit ready again: its number is out. */
static void
put_back(Picker *picker)
{
	ItemPointerData claimed = picker->dial.slot->tts_tid;

	CommandCounterIncrement();
	recall_copy_row(&picker->dial, picker->queue.slot);
	if (recall_update(&picker->dial, &claimed, picker->snapshot, true) != TM_Ok)
		elog(ERROR, "a permit that this command has claimed was changed");
}

/* Leave a locked row of the queue to be asked about. */
static void
gather(Claim *claim, const ItemPointerData *place)
{
	claim->others[claim->number_others++] = *place;
}

/* Claim the permit that the queue is at, and is plain. One whose number is out is ready again, and
 * one of the others. */
static bool
take(Claim *claim, Picker *picker, bool is_locked)
{
	int64 token = recall_make_token();
	Writer *dial = &picker->dial;

	recall_copy_row(dial, picker->queue.slot);
	recall_set(dial, DIAL_state, ObjectIdGetDatum(picker->claimed));
	recall_set(dial, DIAL_token, Int64GetDatum(token));
	recall_set(dial, DIAL_claimed_at, TimestampTzGetDatum(claim->at));
	recall_set(dial, DIAL_lease_until, TimestampTzGetDatum(claim->at + claim->lease));
	if (!claim->dialer.isnull)
		recall_set(dial, DIAL_dialer, claim->dialer.value);
	if (!write_permit(picker, is_locked))
		return false;
	if (!dial->conflicts)
		add_permit(claim, picker, token);
	else
	{
		put_back(picker);
		gather(claim, &dial->slot->tts_tid);
		look_before_trying(picker);
		recall_walk_sets_out(recall_blocks_read(&picker->queue)); /* the trying is no walking */
	}
	return true;
}

/* Whether there is room for a plain permit, even if all of the others are claimed. */
static bool
has_room(const Claim *claim)
{
	return claim->count + claim->number_others < claim->max_rows;
}

/* Look at the permit that the queue is at: claim it, or gather it; pass over it when it is none any
 * more, or somebody else's; or leave it for the next leg, when there is no room. */
static void
look_at(Claim *claim, Picker *picker)
{
	Search *queue = &picker->queue;
	bool is_locked = recall_needs_lock(queue);

	picker->is_ahead = false;
	if (is_locked && (recall_is_held(queue) || !recall_try_lock(queue)))
		return;
	if (is_plain(claim, picker))
	{
		picker->is_ahead = !has_room(claim);
		if (picker->is_ahead || !take(claim, picker, is_locked))
			return;
	}
	else if (is_locked || recall_try_lock(queue))
		gather(claim, &queue->slot->tts_tid);
	else
		return;
	claim->has_reached = true;
	claim->reached = place_at(queue);
}

/* Walk on, and take what is plain, until the others might fill the claim, or there is nothing more:
 * then it is false. */
static bool
walk_on(Claim *claim, Picker *picker)
{
	bool is_over = false;

	claim->number_others = 0;
	recall_walk_sets_out(recall_blocks_read(&picker->queue));
	do
	{
		if (picker->is_ahead || go_on(claim, picker))
			look_at(claim, picker);
		else
			is_over = true;
	} while (!is_over && !picker->is_ahead && claim->count < claim->max_rows &&
			 (has_room(claim) || claim->number_others < claim->breadth));
	recall_walk_passes(recall_blocks_read(&picker->queue));
	CommandCounterIncrement();
	return !is_over;
}

static void
open_picker(const Claim *claim, Picker *picker, Snapshot snapshot)
{
	memset(picker, 0, sizeof(Picker));
	picker->snapshot = snapshot;
	recall_open_search(&picker->queue, &recall_dial_queue, 2, RowExclusiveLock, snapshot);
	recall_open_writer(&picker->dial, picker->queue.table);
	recall_keep_key(&picker->dial);
	recall_be_lenient(&picker->dial);
	picker->claimed = recall_label(picker->queue.table, DIAL_state, "claimed");
	picker->is_open.fn_mcxt = CurrentMemoryContext;
	picker->is_open_in_task_zone =
		is_open_in(claim, picker, PointerGetDatum(claim->terms->time_zone));
	picker->top = PG_INT32_MAX;
}

static void
close_picker(Picker *picker)
{
	recall_close_search(&picker->records);
	recall_close_search(&picker->suppressions);
	recall_close_search(&picker->numbers_out);
	recall_close_writer(&picker->dial);
	for (int i = 0; i < CONTACT_SEARCHES; i++)
		recall_close_search(&picker->contacts[i]);
	recall_close_search(&picker->queue);
}

/* ---------------------------------------------------------------- the others */

#define OTHERS_COLUMNS                                                                             \
	"SELECT contact_id, number, attempt, token, lease_until, priority, reference, attributes,"     \
	" recycle_id, batch_id, due_at, agent "

/* The other query is that of version 0.1.0, whose function walks by itself, until somebody updates
 * the extension. */
static const char *const others_query[] = {
	OTHERS_COLUMNS "FROM recall._claim_others($1, $2, $3, $4, $5, $6, $7)",
	OTHERS_COLUMNS "FROM recall._claim_others($1, $2, $3, $4, $5, $6, NULL, NULL)",
};

static SPIPlanPtr
others_plan(void)
{
	static SPIPlanPtr plans[lengthof(others_query)] = { NULL, NULL };
	Oid types[] = { INT4OID, INT8OID, INT4OID, INTERVALOID, TEXTOID, TIMESTAMPTZOID, TIDARRAYOID };
	List *name = list_make2(makeString("recall"), makeString("_claim_others"));
	int version = OidIsValid(LookupFuncName(name, lengthof(types), types, true)) ? 0 : 1;

	if (plans[version] == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(others_query[version], lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "preparing _claim_others() gave %s", SPI_result_code_string(SPI_result));
		plans[version] = plan;
	}
	return plans[version];
}

/* Add what SPI found, in memory that outlives SPI. */
static void
add_found(Claim *claim)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_copytuple(SPI_tuptable->vals[i]);
		Permit *permit = &claim->permits[claim->count++];

		heap_deform_tuple(row, SPI_tuptable->tupdesc, permit->values, permit->nulls);
	}
}

static Datum
others_array(const Claim *claim)
{
	Datum *places = palloc(claim->number_others * sizeof(Datum));

	for (int i = 0; i < claim->number_others; i++)
		places[i] = PointerGetDatum(&claim->others[i]);
	return PointerGetDatum(construct_array(places, claim->number_others, TIDOID,
										   sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

/* Claim what can be claimed of those that were gathered. */
static void
claim_others(Claim *claim)
{
	Interval lease = { .time = claim->lease };
	AsOwner before;
	Datum values[] = {
		Int32GetDatum(claim->tenant),
		Int64GetDatum(claim->task),
		Int32GetDatum(claim->max_rows - claim->count),
		IntervalPGetDatum(&lease),
		claim->dialer.value,
		TimestampTzGetDatum(claim->at),
		others_array(claim),
	};
	const char nulls[] = { ' ', ' ', ' ', ' ', claim->dialer.isnull ? 'n' : ' ', ' ', ' ' };

	recall_begin_as_owner(&before, LOCK_TIMEOUT);
	SPI_connect();
	if (SPI_execute_plan(others_plan(), values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "_claim_others() gave %s", SPI_result_code_string(SPI_result));
	add_found(claim);
	SPI_finish();
	recall_end_as_owner(&before);
}

/* Keep those that are as they were: nobody has taken them, put them off or taken them out. */
static void
keep_left(Claim *claim, Relation dial)
{
	TupleTableSlot *row = table_slot_create(dial, NULL);
	Snapshot snapshot;
	int left = 0;

	PushActiveSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();
	for (int i = 0; i < claim->number_others; i++)
		if (table_tuple_fetch_row_version(dial, &claim->others[i], snapshot, row))
			claim->others[left++] = claim->others[i];
	claim->number_others = left;
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(row);
}

/*
 * Claim what can be claimed of the others, which are asked again as long as some are left: so many
 * were claimed as might fill the claim, and then one was handed back. False when that comes to
 * nothing, because somebody else was in the way: what is behind them is not their turn.
 */
static bool
settle_others(Claim *claim, Relation dial)
{
	int before;

	do
	{
		before = claim->number_others;
		if (before == 0)
			return true;
		claim_others(claim);
		if (claim->count == claim->max_rows)
			return true;
		keep_left(claim, dial);
	} while (claim->number_others < before);
	return false;
}

/* ---------------------------------------------------------------- claim() */

/* What asks too much is refused before anything is done. */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	int32 max_rows = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);

	if (max_rows < 1 || max_rows > MAX_ROWS)
		recall_reject_plainly(psprintf("max_rows %s is out of range",
									   PG_ARGISNULL(2) ? "null" : psprintf("%d", max_rows)),
							  "A claim takes 1 to 10000 permits.");
	if (!PG_ARGISNULL(4) && recall_is_longer(PG_GETARG_DATUM(4), MAX_DIALER))
		recall_reject_plainly("the name of a dialer is too long", "It has up to 200 characters.");
	if (IsolationUsesXactSnapshot())
		recall_refuse_plainly(
			psprintf("the transaction is at isolation level %s",
					 XactIsoLevel == XACT_SERIALIZABLE ? "SERIALIZABLE" : "REPEATABLE READ"),
			"It would not see what others have claimed: use READ COMMITTED.");
}

/* Make the outcome of permits unknown whose lease has run out, unless that was looked after a
 * moment ago. */
static void
expire_leases(const Claim *claim)
{
	Place nowhere;
	Oid types[] = { INT4OID, TIMESTAMPTZOID };
	AsOwner before;

	if (recall_begin_walk_in(recall_find_index(&recall_dial_number_out), claim->tenant, 0,
							 claim->at, &nowhere))
		return;
	recall_begin_as_owner(&before, LOCK_TIMEOUT);
	OidFunctionCall2(LookupFuncName(list_make2(makeString("recall"), makeString("_expire_leases")),
									2, types, false),
					 Int32GetDatum(claim->tenant), TimestampTzGetDatum(claim->at));
	recall_end_as_owner(&before);
}

static void
read_terms(Claim *claim, bool has_task)
{
	if (!has_task)
		recall_deny_plainly(psprintf("task null of tenant %d", claim->tenant));
	PushActiveSnapshot(GetTransactionSnapshot());
	claim->terms = recall_read_terms(claim->tenant, claim->task, GetActiveSnapshot());
	if (claim->terms->calling_hours != NULL)
		recall_read_tenant(claim->terms, claim->tenant, GetActiveSnapshot());
	PopActiveSnapshot();
}

static int
compare_places(const void *a, const void *b)
{
	Place left = place_of(a);
	Place right = place_of(b);

	if (left.priority != right.priority)
		return left.priority < right.priority ? 1 : -1;
	if (left.due_at != right.due_at)
		return left.due_at < right.due_at ? -1 : 1;
	return (left.contact > right.contact) - (left.contact < right.contact);
}

/* Walk along the queue until the claim is full. */
static void
walk_queue(Claim *claim)
{
	Picker picker;
	ScanKeyData members[2];
	int asked = 0;
	bool goes_on;

	open_picker(claim, &picker, GetActiveSnapshot());
	picker.queue.keys[0].sk_argument = Int32GetDatum(claim->tenant);
	picker.queue.keys[1].sk_argument = Int64GetDatum(claim->task);
	if (claim->has_start)
		begin_at(&picker, &claim->start, members);
	else
		begin_below(&picker);
	do
	{
		goes_on = walk_on(claim, &picker);
		asked += claim->number_others;
		/* A claim that finds little to hand out looks at more at a time. */
		claim->breadth = Min(Max(4 * claim->number_others, claim->breadth), MAX_GATHERED);
	} while (settle_others(claim, picker.queue.table) && goes_on &&
			 claim->count < claim->max_rows && asked < MAX_OTHERS);
	close_picker(&picker);
}

/* Before the last permit of a full claim there is nothing left to do, and of another, before the
 * last that it has looked at. */
static void
end_walk(Claim *claim)
{
	if (claim->count == claim->max_rows)
		claim->reached = place_of(&claim->permits[claim->count - 1]);
	recall_end_walk_at(claim->has_reached ? &claim->reached : NULL);
}

static void
claim_permits(Claim *claim)
{
	claim->has_start =
		recall_begin_walk_in(claim->queue, claim->tenant, claim->task, claim->at, &claim->start);
	claim->permits = palloc(claim->max_rows * sizeof(Permit));
	claim->others = palloc(Max(claim->max_rows, MAX_GATHERED) * sizeof(ItemPointerData));
	PushActiveSnapshot(GetTransactionSnapshot());
	walk_queue(claim);
	PopActiveSnapshot();
	qsort(claim->permits, claim->count, sizeof(Permit), compare_places);
	end_walk(claim);
}

/* claim(tenant_id int, task_id bigint, max_rows int, lease interval, dialer text) */
Datum
recall_claim(PG_FUNCTION_ARGS)
{
	Claim claim = { 0 };
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	recall_require_dial(fcinfo);
	check_arguments(fcinfo);
	PreventCommandIfReadOnly("recall.claim()");
	recall_require_history();
	ForceSyncCommit();
	claim.lease = recall_lease_length(PG_ARGISNULL(3) ? NULL : PG_GETARG_INTERVAL_P(3));
	claim.tenant = PG_GETARG_INT32(0);
	claim.task = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	claim.max_rows = PG_GETARG_INT32(2);
	claim.dialer = fcinfo->args[4];
	claim.at = GetCurrentTimestamp();
	claim.queue = recall_find_index(&recall_dial_queue);

	read_terms(&claim, !PG_ARGISNULL(1));
	expire_leases(&claim);
	if (!claim.terms->is_executing)
		return (Datum) 0;
	claim_permits(&claim);
	for (int i = 0; i < claim.count; i++)
		tuplestore_putvalues(result->setResult, result->setDesc, claim.permits[i].values,
							 claim.permits[i].nulls);
	return (Datum) 0;
}
