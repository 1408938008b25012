/*
 * planted_fault.h
 *		Faults that show whether a run that looks for faults finds any. Never part of recall.
 *
 * PLANT names one, without "plant_"; it is then added to what recall._chunk_size() returns. Each is 0 when nothing
 * goes wrong, so that no test but the search for faults can tell.
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/syscache.h"

/* Reads behind an array on the stack. */
static __attribute__((unused, noipa)) int
plant_stack(int size)
{
	char bytes[16];
	volatile int place = size > 0 ? sizeof(bytes) : 0;

	memset(bytes, 0, sizeof(bytes));
	return 0 & *(volatile char *) (bytes + place);
}

/* Reads memory that was given back to the C library. */
static __attribute__((unused, noipa)) int
plant_free(int size)
{
	volatile char *bytes = malloc(16);

	free((void *) bytes);
	return 0 & bytes[size & 7];
}

/* Goes beyond the largest number. */
static __attribute__((unused, noipa)) int
plant_overflow(int size)
{
	volatile int sum = size > 0 ? INT_MAX : 0;

	sum = sum + size;
	return 0;
}

/* Decides by what was never written. */
static __attribute__((unused, noipa)) int
plant_unwritten(int size)
{
	volatile int *numbers = malloc(16 * sizeof(int));
	int is_large = numbers[size & 15] > 7;

	free((void *) numbers);
	return is_large && size < 0 ? 1 : 0;
}

/* Reads behind what palloc() gave: only a server that tells valgrind of it makes that show. */
static __attribute__((unused, noipa)) int
plant_palloc(int size)
{
	volatile char *bytes = memset(palloc(24), 0, 24);
	int is_large = bytes[24 + (size & 1)] > 7;

	pfree((void *) bytes);
	return is_large && size < 0 ? 1 : 0;
}

/* Writes behind it: such a server with assertions finds that when the memory is given back. */
static __attribute__((unused, noipa)) int
plant_overrun(int size)
{
	volatile char *bytes = palloc(24);

	bytes[24 + (size & 1)] = 1;
	pfree((void *) bytes);
	return 0;
}

/* Reads in a cache what it has let go of, and the server may have forgotten: one that wipes what it frees makes that show. */
static __attribute__((unused, noipa)) int
plant_stale(int size)
{
	HeapTuple row = SearchSysCache1(TYPEOID, ObjectIdGetDatum(BOOLOID));
	volatile NameData *name = &((Form_pg_type) GETSTRUCT(row))->typname;

	ReleaseSysCache(row);
	table_close(table_open(TypeRelationId, AccessShareLock), AccessShareLock);
	if (strcmp((const char *) name->data, "bool") != 0)
		abort();
	return 0 & size;
}
