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
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(recall_is_open);
PG_FUNCTION_INFO_V1(recall_next_open);
PG_FUNCTION_INFO_V1(recall_check_time_zone);

#define HORIZON_DAYS 731 /* two years, one of them a leap year */

/* A stretch of time with one offset from UTC: from "start" until before "end". */
typedef struct EvenTime
{
	pg_time_t start;
	pg_time_t end;
	int64 offset; /* seconds east of UTC */
} EvenTime;

/* What a call can hand on to the next one of the same query. */
typedef struct Cache
{
	MemoryContext context;
	pg_tz *zone; /* NULL at first */
	char zone_name[TZ_STRLEN_MAX + 1];
	EvenTime even_time;		  /* empty at first */
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

/* ---------------------------------------------------------------- time zones */

/*
 * Is the zone one of the time zone database?
 *
 * The server also takes POSIX rules such as "FOO5", which are always upper case with a digit. Of
 * the names in the database only these few look like that.
 */
static bool
is_database_zone(const char *canonical_name)
{
	static const char *const look_alikes[] = { "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT",
											   "GMT0",	  "GMT+0",	 "GMT-0" };
	bool has_digit = false;

	for (const char *c = canonical_name; *c != '\0'; c++)
	{
		if (*c >= 'a' && *c <= 'z')
			return true;
		has_digit |= *c >= '0' && *c <= '9';
	}
	for (int i = 0; i < lengthof(look_alikes); i++)
		if (strcmp(canonical_name, look_alikes[i]) == 0)
			return true;
	return !has_digit;
}

/* Find a zone of the time zone database, whatever the case of its name, or raise an error. */
static pg_tz *
find_zone(const char *name, int64 source_row)
{
	pg_tz *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone) || !is_database_zone(pg_get_timezone_name(zone)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%stime zone \"%s\" is not known", recall_row_prefix(source_row), name),
				 errhint("The names of time zones, such as Europe/Berlin, are listed in "
						 "pg_timezone_names.")));
	return zone;
}

static void
cache_zone(Cache *cache, const text *name)
{
	size_t length = VARSIZE_ANY_EXHDR(name);

	if (cache->zone != NULL && strlen(cache->zone_name) == length &&
		memcmp(cache->zone_name, VARDATA_ANY(name), length) == 0)
		return;
	cache->zone = find_zone(text_to_cstring(name), 0);
	text_to_cstring_buffer(name, cache->zone_name, sizeof(cache->zone_name));
	cache->even_time = (EvenTime){ 0 };
}

/* Give the stretch of even time that an instant is in; it may start only with that instant. */
static EvenTime
even_time_at(pg_tz *zone, pg_time_t instant)
{
	EvenTime even_time = { .start = instant, .end = PG_INT64_MAX };
	long before;
	long after;
	int before_is_dst;
	int after_is_dst;
	int found = pg_next_dst_boundary(&instant, &before, &before_is_dst, &even_time.end, &after,
									 &after_is_dst, zone);

	if (found < 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("could not tell the local time of the instant")));
	if (found == 0)
		even_time.end = PG_INT64_MAX;
	even_time.offset = before;
	return even_time;
}

static EvenTime
cached_even_time_at(Cache *cache, pg_time_t instant)
{
	if (instant < cache->even_time.start || instant >= cache->even_time.end)
		cache->even_time = even_time_at(cache->zone, instant);
	return cache->even_time;
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

static int64
floor_divide(int64 dividend, int64 divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

/* Give the second that an instant lies in, in the count of pg_time_t. */
static pg_time_t
second_of(TimestampTz instant)
{
	return floor_divide(instant, USECS_PER_SEC) +
		   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* Give the second of the zone's clock, from 2000-01-01 00:00, that a pg_time_t shows. */
static int64
clock_second(pg_time_t second, const EvenTime *even_time)
{
	return second + even_time->offset -
		   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* Find the first open instant from "at" until before the end of its stretch of even time. */
static bool
next_open_in(const CallingHours *hours, Holidays holidays, const EvenTime *even_time,
			 TimestampTz at, pg_time_t horizon, TimestampTz *found)
{
	int64 first = clock_second(second_of(at), even_time);
	int64 end = clock_second(Min(even_time->end, horizon), even_time);
	int64 minute;
	TimestampTz start_of_minute;

	if (!recall_calling_hours_next_minute(hours, holidays, floor_divide(first, SECS_PER_MINUTE),
										  -floor_divide(-end, SECS_PER_MINUTE), &minute))
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
	pg_time_t instant = second_of(at);
	pg_time_t horizon = instant + (int64) HORIZON_DAYS * SECS_PER_DAY;
	EvenTime even_time = cached_even_time_at(cache, instant);

	while (!next_open_in(hours, holidays, &even_time, at, horizon, found))
	{
		if (even_time.end >= horizon)
			return false;
		at = (even_time.end - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY) *
			 USECS_PER_SEC;
		even_time = even_time_at(cache->zone, even_time.end);
	}
	return IS_VALID_TIMESTAMP(*found);
}

static bool
is_open(Cache *cache, const CallingHours *hours, Holidays holidays, TimestampTz at)
{
	EvenTime even_time = cached_even_time_at(cache, second_of(at));
	int64 minute = floor_divide(clock_second(second_of(at), &even_time), SECS_PER_MINUTE);

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
	cache_zone(cache, PG_GETARG_TEXT_PP(1));
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
	cache_zone(cache, PG_GETARG_TEXT_PP(1));
	hours = recall_get_calling_hours(PG_GETARG_DATUM(0));
	if (!next_open(cache, hours, get_holidays(fcinfo, cache, hours), PG_GETARG_TIMESTAMPTZ(2),
				   &found))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(found);
}

/* _check_time_zone(time_zone text) returns text */
Datum
recall_check_time_zone(PG_FUNCTION_ARGS)
{
	pg_tz *zone = find_zone(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT64(1));

	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(zone)));
}
