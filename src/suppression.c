/*
 * suppression.c
 *		The do-not-call list: whether a number may be called by a task.
 *
 * Numbers are looked up one by one in the list's key. A query might read a tenant's whole list for
 * each, by its other index, when it was planned while the list was short.
 */
#include "suppression.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_suppressed_numbers);
PG_FUNCTION_INFO_V1(recall_suppressed_until);

/* Those of some numbers that are suppressed. */
typedef struct Suppressed
{
	Datum *numbers;
	int count;
	TimestampTz until; /* when the first of the entries ends */
} Suppressed;

void
recall_open_suppressions(Search *list, Snapshot snapshot)
{
	recall_open_search(list, &recall_suppression_tenant_id_number_task_id_key, 2, AccessShareLock,
					   snapshot);
}

bool
recall_is_suppressed(Search *list, int32 tenant, int64 task, Datum number, TimestampTz at,
					 TimestampTz *until)
{
	bool is_suppressed = false;

	*until = DT_NOEND;
	for (bool found = recall_find2(list, Int32GetDatum(tenant), number); found;
		 found = recall_next(list))
	{
		bool is_of_tenant;
		int64 task_of_entry = DatumGetInt64(recall_value(list, SUPPRESSION_task_id, &is_of_tenant));
		TimestampTz end = DatumGetTimestampTz(recall_known(list, SUPPRESSION_until));

		if (end > at && (is_of_tenant || task_of_entry == task))
		{
			is_suppressed = true;
			*until = Min(*until, end);
		}
	}
	return is_suppressed;
}

/* Look up the numbers of (tenant_id int, task_id bigint, numbers text[], at timestamptz). */
static Suppressed
find_suppressed(FunctionCallInfo fcinfo)
{
	Suppressed suppressed = { .until = DT_NOEND };
	Search list = { 0 };
	int count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT,
					  &suppressed.numbers, NULL, &count);
	recall_open_suppressions(&list, GetActiveSnapshot());
	for (int i = 0; i < count; i++)
	{
		Datum number = suppressed.numbers[i];
		TimestampTz until;

		if (!recall_is_suppressed(&list, PG_GETARG_INT32(0), PG_GETARG_INT64(1), number,
								  PG_GETARG_TIMESTAMPTZ(3), &until))
			continue;
		suppressed.numbers[suppressed.count++] = number;
		suppressed.until = Min(suppressed.until, until);
	}
	recall_close_search(&list);
	return suppressed;
}

/* _suppressed_numbers(tenant_id int, task_id bigint, numbers text[], at timestamptz) returns text[]
 */
Datum
recall_suppressed_numbers(PG_FUNCTION_ARGS)
{
	Suppressed suppressed = find_suppressed(fcinfo);

	if (suppressed.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(
		construct_array(suppressed.numbers, suppressed.count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* _suppressed_until(like _suppressed_numbers()) returns timestamptz */
Datum
recall_suppressed_until(PG_FUNCTION_ARGS)
{
	Suppressed suppressed = find_suppressed(fcinfo);

	if (suppressed.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(suppressed.until);
}
