/*
 * calling_hours_next.c
 *		is_open and next_open: calling hours against the clock of the callee's zone.
 *
 * An instant is open when the clock of the zone then shows an open minute. Between two changes
 * of its offset from UTC the clock runs evenly, so the search goes from one stretch of even
 * time to the next and asks, in each, for the first open minute of the clock. Thus what a leap
 * of the clock skips is never open, an opening inside the leap begins at its end, and a
 * repeated hour is open both times.
 *
 * The answers depend on the server's time zone data, like timezone(text, timestamptz), and on
 * nothing else; like that function they are marked immutable.
 */
#include "recall.h"

#include "calling_hours_datum.h"
#include "local_clock.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_is_open);
PG_FUNCTION_INFO_V1(recall_next_open);

#define HORIZON_DAYS 731   /* two years, one of them a leap year */
#define MAX_HOLIDAYS 10000 /* as for a tenant */

/* What a call can hand on to the next one of the same query. */
typedef struct Cache
{
	MemoryContext context;
	LocalClock clock;
	ArrayType *holiday_array; /* that the holidays were made from, or NULL */
	Holidays holidays;
} Cache;

static Cache *
get_cache(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		Cache *cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Cache));

		cache->context = fcinfo->flinfo->fn_mcxt;
		fcinfo->flinfo->fn_extra = cache;
	}
	return fcinfo->flinfo->fn_extra;
}

/* ---------------------------------------------------------------- holidays */

static int
compare_days(const void *a, const void *b)
{
	int32 left = *(const int32 *) a;
	int32 right = *(const int32 *) b;

	return (left > right) - (left < right);
}

/* Make the sorted list of holidays from an array; null elements say nothing. */
static Holidays
make_holidays(ArrayType *array)
{
	Holidays holidays = { 0 };
	Datum *elements;
	bool *nulls;
	int count;
	int32 *days;

	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > MAX_HOLIDAYS)
		recall_reject_plainly("there are too many holidays",
							  psprintf("Give up to %d dates.", MAX_HOLIDAYS));
	deconstruct_array(array, DATEOID, sizeof(DateADT), true, TYPALIGN_INT, &elements, &nulls,
					  &count);
	days = palloc(sizeof(int32) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			days[holidays.count++] = DatumGetDateADT(elements[i]);
	qsort(days, holidays.count, sizeof(*days), compare_days);
	holidays.days = days;
	return holidays;
}

static void
cache_holidays(Cache *cache, ArrayType *array)
{
	MemoryContext caller;

	if (cache->holiday_array != NULL && VARSIZE(array) == VARSIZE(cache->holiday_array) &&
		memcmp(array, cache->holiday_array, VARSIZE(array)) == 0)
		return;
	if (cache->holiday_array != NULL)
	{
		pfree(cache->holiday_array);
		pfree((void *) cache->holidays.days);
	}
	caller = MemoryContextSwitchTo(cache->context);
	cache->holiday_array = memcpy(palloc(VARSIZE(array)), array, VARSIZE(array));
	cache->holidays = make_holidays(array);
	MemoryContextSwitchTo(caller);
}

/* Give the holidays of the call's last argument, as far as the hours ask for any. */
static Holidays
get_holidays(FunctionCallInfo fcinfo, Cache *cache, const CallingHours *hours)
{
	if (PG_ARGISNULL(3) || !recall_calling_hours_use_holidays(hours))
		return (Holidays){ 0 };
	cache_holidays(cache, PG_GETARG_ARRAYTYPE_P(3));
	return cache->holidays;
}

/* ---------------------------------------------------------------- instants */

/* Find the first open instant from "at" until before the end of its stretch of even time. */
static bool
next_open_in(const CallingHours *hours, Holidays holidays, const EvenTime *even_time,
			 TimestampTz at, pg_time_t horizon, TimestampTz *found)
{
	int64 first = recall_clock_second(recall_second_of(at), even_time);
	int64 end = recall_clock_second(Min(even_time->end, horizon), even_time);
	int64 minute;
	TimestampTz start_of_minute;

	if (!recall_calling_hours_next_minute(hours, holidays,
										  recall_floor_divide(first, SECS_PER_MINUTE),
										  -recall_floor_divide(-end, SECS_PER_MINUTE), &minute))
		return false;
	start_of_minute = (minute * SECS_PER_MINUTE - even_time->offset) * USECS_PER_SEC;
	*found = Max(start_of_minute, at);
	return true;
}

/* Find the first open instant from "at" until before the horizon. */
static bool
next_open(Cache *cache, const CallingHours *hours, Holidays holidays, TimestampTz at,
		  TimestampTz *found)
{
	pg_time_t instant = recall_second_of(at);
	pg_time_t horizon = instant + (int64) HORIZON_DAYS * SECS_PER_DAY;
	EvenTime even_time = recall_clock_at(&cache->clock, instant);

	while (!next_open_in(hours, holidays, &even_time, at, horizon, found))
	{
		if (even_time.end >= horizon)
			return false;
		at = recall_instant_of(even_time.end);
		even_time = recall_even_time_at(cache->clock.zone, even_time.end);
	}
	return IS_VALID_TIMESTAMP(*found);
}

static bool
is_open(Cache *cache, const CallingHours *hours, Holidays holidays, TimestampTz at)
{
	EvenTime even_time = recall_clock_at(&cache->clock, recall_second_of(at));
	int64 minute =
		recall_floor_divide(recall_clock_second(recall_second_of(at), &even_time), SECS_PER_MINUTE);

	return recall_calling_hours_next_minute(hours, holidays, minute, minute + 1, &minute);
}

/* ---------------------------------------------------------------- SQL */

/* is_open(calling_hours, time_zone text, at timestamptz, holidays date[]) returns boolean */
Datum
recall_is_open(PG_FUNCTION_ARGS)
{
	Cache *cache;
	CallingHours *hours;

	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	if (PG_ARGISNULL(1) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)))
		PG_RETURN_NULL();
	cache = get_cache(fcinfo);
	recall_set_clock(&cache->clock, PG_GETARG_TEXT_PP(1));
	hours = recall_get_calling_hours(PG_GETARG_DATUM(0));
	PG_RETURN_BOOL(
		is_open(cache, hours, get_holidays(fcinfo, cache, hours), PG_GETARG_TIMESTAMPTZ(2)));
}

/* next_open(calling_hours, time_zone text, at timestamptz, holidays date[]) returns timestamptz */
Datum
recall_next_open(PG_FUNCTION_ARGS)
{
	Cache *cache;
	CallingHours *hours;
	TimestampTz found;

	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	if (PG_ARGISNULL(1) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(2)))
		PG_RETURN_NULL();
	cache = get_cache(fcinfo);
	recall_set_clock(&cache->clock, PG_GETARG_TEXT_PP(1));
	hours = recall_get_calling_hours(PG_GETARG_DATUM(0));
	if (!next_open(cache, hours, get_holidays(fcinfo, cache, hours), PG_GETARG_TIMESTAMPTZ(2),
				   &found))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(found);
}
