/*
 * failure_cause_map.c
 *		Binds the catalogue of failure causes to the enum of SQL.
 *
 * The OIDs of the enum's values differ from database to database. A map of them is read from the
 * catalogs once per query; finding the number of a value in it costs a few comparisons.
 */
#include "failure_cause_map.h"

#include "enum_value.h"
#include "funcapi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_list_failure_causes);

typedef struct CauseValue
{
	Oid value;
	int number;
} CauseValue;

struct CauseMap
{
	int count;
	CauseValue sorted[NUMBER_FAILURE_CAUSES];
};

static int
compare_values(const void *a, const void *b)
{
	Oid left = ((const CauseValue *) a)->value;
	Oid right = ((const CauseValue *) b)->value;

	return left < right ? -1 : left > right;
}

CauseMap *
recall_make_cause_map(MemoryContext context)
{
	CauseMap *map = MemoryContextAllocZero(context, sizeof(CauseMap));

	for (int number = 0; number < NUMBER_FAILURE_CAUSES; number++)
	{
		Oid value = recall_enum_value("failure_cause", recall_failure_causes[number].name);

		/* A library newer than the installed script knows causes that the enum has not yet. */
		if (OidIsValid(value))
			map->sorted[map->count++] = (CauseValue){ value, number };
	}
	qsort(map->sorted, map->count, sizeof(CauseValue), compare_values);
	return map;
}

int
recall_cause_number(const CauseMap *map, Oid value)
{
	int low = 0;
	int high = map->count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (map->sorted[middle].value == value)
			return map->sorted[middle].number;
		if (map->sorted[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
					errmsg("failure cause with OID %u is not in the library's catalogue", value),
					errhint("The library is older than the installed extension.")));
}

/* failure_causes() returns table (cause, class, nature, counts_as_attempt, description) */
Datum
recall_list_failure_causes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AttInMetadata *columns;

	InitMaterializedSRF(fcinfo, 0);
	columns = TupleDescGetAttInMetadata(result->setDesc);
	for (int i = 0; i < NUMBER_FAILURE_CAUSES; i++)
	{
		const FailureCause *cause = &recall_failure_causes[i];
		char *values[] = { (char *) cause->name, (char *) recall_cause_classes[cause->class],
						   (char *) cause->nature, recall_counts_as_attempt(i) ? "true" : "false",
						   (char *) cause->description };

		tuplestore_puttuple(result->setResult, BuildTupleFromCStrings(columns, values));
	}
	return (Datum) 0;
}
