/*
 * report_many.c
 *		Reporting many calls at once, all or none.
 *
 * They are reported as one by one, while nothing is special about any of them. If something is, all
 * is undone, and done again in SQL, which takes the locks that it needs then in their order.
 */
#include "report.h"

#include "as_owner.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "tally.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_use_permits);
PG_FUNCTION_INFO_V1(recall_report_many);

#define MAX_REPORTS 10000

/* ---------------------------------------------------------------- the arrays */

/* Put the elements of an array, which may be null as a whole, into a field of the reports. */
static void
set_fields(Report *reports, int count, int field, NullableDatum array)
{
	ArrayType *elements;
	ArrayIterator iterator;

	for (int i = 0; i < count; i++)
		reports[i].fields[field].isnull = true;
	if (array.isnull)
		return;
	elements = DatumGetArrayTypeP(array.value);
	iterator = array_create_iterator(elements, 0, NULL);
	for (int i = 0; i < count; i++)
		if (!array_iterate(iterator, &reports[i].fields[field].value,
						   &reports[i].fields[field].isnull))
			break;
	array_free_iterator(iterator);
}

static int64
id_of(const Report *report, int field)
{
	return report->fields[field].isnull ? 0 : DatumGetInt64(report->fields[field].value);
}

static int
compare_permits(const void *a, const void *b)
{
	const Report *left = *(Report *const *) a;
	const Report *right = *(Report *const *) b;

	for (int field = CONTACT_ID; field <= TOKEN; field++)
	{
		int64 left_id = id_of(left, field);
		int64 right_id = id_of(right, field);

		if (left_id != right_id)
			return left_id < right_id ? -1 : 1;
	}
	return left->place - right->place;
}

static int
compare_records(const void *a, const void *b)
{
	int64 left = (*(const Report *const *) a)->record;
	int64 right = (*(const Report *const *) b)->record;

	return (left > right) - (left < right);
}

/* Count the calls of each record, in the order of the records, in which everybody does. */
static void
tally_reports(int32 tenant, const Report *reports, int count)
{
	const Report **recycled = palloc(sizeof(Report *) * (count + 1));
	int number = 0;

	for (int i = 0; i < count; i++)
		if (reports[i].record != 0)
			recycled[number++] = &reports[i];
	qsort(recycled, number, sizeof(Report *), compare_records);
	for (int i = 0; i < number;)
	{
		int64 record = recycled[i]->record;
		int64 dialled = 0;
		int64 reached = 0;

		for (; i < number && recycled[i]->record == record; i++)
		{
			dialled++;
			reached += recycled[i]->fields[FAILURE_CAUSE].isnull;
		}
		recall_tally_calls(tenant, record, dialled, reached);
	}
}

static ArrayType *
places_used(const Report *reports, int count)
{
	Datum *places = palloc(sizeof(Datum) * (count + 1));
	int used = 0;

	for (int i = 0; i < count; i++)
		if (reports[i].is_used)
			places[used++] = Int64GetDatum(reports[i].place);
	return construct_array(places, used, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, 'd');
}

/* Read the arrays of reports, which stand in a function's arguments from some place on. */
static Report *
read_reports(const NullableDatum *arrays, int *count)
{
	ArrayType *contacts = DatumGetArrayTypeP(arrays[CONTACT_ID].value);
	Report *reports;

	*count = ArrayGetNItems(ARR_NDIM(contacts), ARR_DIMS(contacts));
	reports = palloc0(sizeof(Report) * (*count + 1));
	for (int field = 0; field < NUMBER_FIELDS; field++)
		set_fields(reports, *count, field, arrays[field]);
	for (int i = 0; i < *count; i++)
		reports[i].place = i + 1;
	return reports;
}

/* ---------------------------------------------------------------- using the permits */

static bool
is_of_same_permit(const Report *report, const Report *other)
{
	return id_of(report, CONTACT_ID) == id_of(other, CONTACT_ID) &&
		   id_of(report, TOKEN) == id_of(other, TOKEN);
}

/* The reports in the order of their permits. */
static Report **
order_reports(Report *reports, int count)
{
	Report **ordered = palloc(sizeof(Report *) * (count + 1));

	for (int i = 0; i < count; i++)
		ordered[i] = &reports[i];
	qsort(ordered, count, sizeof(Report *), compare_permits);
	return ordered;
}

/*
 * Use up the permits in the order of their contacts, so that of two that report the same ones none
 * waits for the other in vain. With only_plain nothing more is done from the first report on that
 * does not use one up, or whose task recalls automatically; how many were.
 */
static int
use_permits(int32 tenant, Report *reports, int count, TimestampTz at, bool only_plain)
{
	Report **ordered = order_reports(reports, count);
	Recorder recorder;
	int used = 0;

	recall_open_recorder(&recorder, tenant, at);
	for (int i = 0; i < count; i++)
	{
		Report *report = ordered[i];

		CHECK_FOR_INTERRUPTS();
		recorder.left = count - i;
		if ((i == 0 || !is_of_same_permit(report, ordered[i - 1])) &&
			recall_find_permit(&recorder, report) &&
			!(only_plain && recall_recalls_automatically(&recorder)))
			recall_use_permit(&recorder, report);
		used += report->is_used;
		if (only_plain && !report->is_used)
			break;
	}
	recall_close_recorder(&recorder);
	return used;
}

/*
 * _use_permits(tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes[],
 * business_results text[], started_at timestamptz[], ended_at timestamptz[], raw_codes text[],
 * agents text[], at timestamptz) returns bigint[]
 */
Datum
recall_use_permits(PG_FUNCTION_ARGS)
{
	int count;
	Report *reports;
	ArrayType *places;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(9))
		PG_RETURN_NULL();
	reports = read_reports(&fcinfo->args[1], &count);
	use_permits(PG_GETARG_INT32(0), reports, count, PG_GETARG_TIMESTAMPTZ(9), false);
	places = places_used(reports, count);
	tally_reports(PG_GETARG_INT32(0), reports, count);
	PG_RETURN_ARRAYTYPE_P(places);
}

/* ---------------------------------------------------------------- report_many() */

/* Use up all permits, or none. */
static bool
use_all(int32 tenant, Report *reports, int count)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool are_used = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		are_used = use_permits(tenant, reports, count, GetCurrentTimestamp(), true) == count;
		if (are_used)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return are_used;
}

static bool
is_list(NullableDatum array, int count)
{
	ArrayType *elements = DatumGetArrayTypeP(array.value);

	return ARR_NDIM(elements) == 1 && ARR_LBOUND(elements)[0] == 1 &&
		   ARR_DIMS(elements)[0] == count;
}

/* Whether each array has an element for each report, or may be null and is. */
static bool
are_lists(const NullableDatum *arrays)
{
	int count;

	if (arrays[CONTACT_ID].isnull || arrays[TOKEN].isnull)
		return false;
	count = ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(arrays[CONTACT_ID].value)),
						   ARR_DIMS(DatumGetArrayTypeP(arrays[CONTACT_ID].value)));
	if (count < 1 || count > MAX_REPORTS)
		return false;
	for (int field = 0; field < NUMBER_FIELDS; field++)
		if (!arrays[field].isnull && !is_list(arrays[field], count))
			return false;
	return true;
}

/* Answer in SQL, with the same arguments and into the same result. */
static void
report_otherwise(FunctionCallInfo fcinfo)
{
	LOCAL_FCINFO(call, NUMBER_FIELDS + 1);
	FmgrInfo function;
	Oid *types;
	int number_types;
	AsOwner before;

	recall_begin_as_owner(&before, 0);
	get_func_signature(fcinfo->flinfo->fn_oid, &types, &number_types);
	fmgr_info(LookupFuncName(list_make2(makeString("recall"), makeString("_report_many")),
							 number_types, types, false),
			  &function);
	InitFunctionCallInfoData(*call, &function, NUMBER_FIELDS + 1, InvalidOid, NULL,
							 fcinfo->resultinfo);
	memcpy(call->args, fcinfo->args, sizeof(NullableDatum) * (NUMBER_FIELDS + 1));
	FunctionCallInvoke(call);
	recall_end_as_owner(&before);
}

static void
return_outcomes(FunctionCallInfo fcinfo, const NullableDatum *arrays, int count)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const int64 *contacts = (int64 *) ARR_DATA_PTR(DatumGetArrayTypeP(arrays[CONTACT_ID].value));
	Datum values[2] = { 0, CStringGetTextDatum("recorded") };
	bool nulls[2] = { false, false };

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < count; i++)
	{
		values[0] = Int64GetDatum(contacts[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * report_many(tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes[],
 * business_results text[], started_at timestamptz[], ended_at timestamptz[], raw_codes text[],
 * agents text[]) returns table (contact_id bigint, outcome text)
 */
Datum
recall_report_many(PG_FUNCTION_ARGS)
{
	const NullableDatum *arrays = &fcinfo->args[1];
	Report *reports;
	int count;

	recall_require_dial(fcinfo);
	PreventCommandIfReadOnly("recall.report_many()");
	if (are_lists(arrays))
	{
		reports = read_reports(arrays, &count);
		if (use_all(PG_GETARG_INT32(0), reports, count))
		{
			tally_reports(PG_GETARG_INT32(0), reports, count);
			return_outcomes(fcinfo, arrays, count);
			return (Datum) 0;
		}
	}
	report_otherwise(fcinfo);
	return (Datum) 0;
}
