/*
 * terms.c
 *		What all permits of a task are asked about when they are claimed.
 */
#include "terms.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "policy_datum.h"
#include "table.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(recall_terms);

/* Copy a value out of the row that was found; NULL for null. */
static struct varlena *
copy_value(const Search *search, AttrNumber column)
{
	bool is_null;
	Datum value = recall_value(search, column, &is_null);

	return is_null ? NULL : PG_DETOAST_DATUM_COPY(value);
}

static void
read_task(Terms *terms, int32 tenant, int64 task, Snapshot snapshot)
{
	Search tasks;

	recall_open_search(&tasks, &recall_task_pkey, 2, AccessShareLock, snapshot);
	if (!recall_find2(&tasks, Int32GetDatum(tenant), Int64GetDatum(task)))
		recall_deny_plainly(psprintf("task " INT64_FORMAT " of tenant %d", task, tenant));
	terms->state = DatumGetObjectId(recall_known(&tasks, TASK_state));
	terms->is_executing = terms->state == recall_label(tasks.table, TASK_state, "executing");
	terms->policy = copy_value(&tasks, TASK_policy);
	terms->calling_hours = copy_value(&tasks, TASK_calling_hours);
	recall_close_search(&tasks);
}

void
recall_read_tenant(Terms *terms, int32 tenant, Snapshot snapshot)
{
	Search tenants;

	recall_open_search(&tenants, &recall_tenant_pkey, 1, AccessShareLock, snapshot);
	if (!recall_find1(&tenants, Int32GetDatum(tenant)))
		recall_deny_plainly(psprintf("tenant %d", tenant));
	terms->time_zone = (text *) copy_value(&tenants, TENANT_time_zone);
	terms->holidays = copy_value(&tenants, TENANT_holidays);
	recall_close_search(&tenants);
}

static void
read_limits(Terms *terms)
{
	Policy *policy;

	if (terms->policy == NULL)
		return;
	policy = recall_policy_from_datum(terms->policy);
	terms->limited = recall_policy_has_limits(policy, false);
	terms->per_number = recall_policy_has_limits(policy, true);
	pfree(policy);
}

static bool
suppresses(int32 tenant, Snapshot snapshot)
{
	Search suppressions;
	bool found;

	recall_open_search(&suppressions, &recall_suppression_tenant_id_number_task_id_key, 1,
					   AccessShareLock, snapshot);
	found = recall_find1(&suppressions, Int32GetDatum(tenant));
	recall_close_search(&suppressions);
	return found;
}

static void
add_id(Ids *ids, int64 id)
{
	if (ids->ids == NULL)
		ids->ids = palloc(8 * sizeof(int64));
	else if (ids->count >= 8 && (ids->count & (ids->count - 1)) == 0)
		ids->ids = repalloc(ids->ids, 2 * ids->count * sizeof(int64));
	ids->ids[ids->count++] = id;
}

static void
read_suspended_batches(Terms *terms, int32 tenant, int64 task, Snapshot snapshot)
{
	Search batches;
	bool found;

	recall_open_search(&batches, &recall_batch_suspended, 2, AccessShareLock, snapshot);
	for (found = recall_find2(&batches, Int32GetDatum(tenant), Int64GetDatum(task)); found;
		 found = recall_next(&batches))
		add_id(&terms->suspended, DatumGetInt64(recall_known(&batches, BATCH_batch_id)));
	recall_close_search(&batches);
}

static void
read_paused_records(Terms *terms, int32 tenant, Snapshot snapshot)
{
	Search records;
	bool found;
	Oid paused;

	recall_open_search(&records, &recall_recycle_unfinished, 1, AccessShareLock, snapshot);
	paused = recall_label(records.table, RECYCLE_state, "paused");
	for (found = recall_find1(&records, Int32GetDatum(tenant)); found;
		 found = recall_next(&records))
		if (DatumGetObjectId(recall_known(&records, RECYCLE_state)) == paused)
			add_id(&terms->paused, DatumGetInt64(recall_known(&records, RECYCLE_recycle_id)));
	recall_close_search(&records);
}

Terms *
recall_read_terms(int32 tenant, int64 task, Snapshot snapshot)
{
	Terms *terms = palloc0(sizeof(Terms));

	read_task(terms, tenant, task, snapshot);
	read_limits(terms);
	terms->suppresses = suppresses(tenant, snapshot);
	read_suspended_batches(terms, tenant, task, snapshot);
	read_paused_records(terms, tenant, snapshot);
	return terms;
}

static Datum
id_array(const Ids *ids)
{
	Datum *elements = palloc(sizeof(Datum) * (ids->count + 1));

	for (int i = 0; i < ids->count; i++)
		elements[i] = Int64GetDatum(ids->ids[i]);
	return PointerGetDatum(
		construct_array(elements, ids->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, 'd'));
}

/* _terms(tenant_id int, task_id bigint) returns _terms */
Datum
recall_terms(PG_FUNCTION_ARGS)
{
	Terms *terms;
	TupleDesc row;
	Datum values[10];
	bool nulls[10] = { 0 };

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE || row->natts != 10)
		elog(ERROR, "_terms() returns a row type of ten columns");
	terms = recall_read_terms(PG_GETARG_INT32(0), PG_GETARG_INT64(1), GetActiveSnapshot());
	recall_read_tenant(terms, PG_GETARG_INT32(0), GetActiveSnapshot());
	values[0] = ObjectIdGetDatum(terms->state);
	values[1] = PointerGetDatum(terms->policy);
	nulls[1] = terms->policy == NULL;
	values[2] = BoolGetDatum(terms->limited);
	values[3] = BoolGetDatum(terms->per_number);
	values[4] = PointerGetDatum(terms->calling_hours);
	nulls[4] = terms->calling_hours == NULL;
	values[5] = PointerGetDatum(terms->time_zone);
	values[6] = PointerGetDatum(terms->holidays);
	values[7] = BoolGetDatum(terms->suppresses);
	values[8] = id_array(&terms->suspended);
	values[9] = id_array(&terms->paused);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
