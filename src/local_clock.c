/*
 * local_clock.c
 *		The clock of a time zone: what it shows, and when its days end.
 *
 * Between two changes of its offset from UTC a clock runs evenly; whoever asks goes from one such
 * stretch of time to the next. The answers depend on the server's time zone data and on nothing
 * else.
 */
#include "local_clock.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_check_time_zone);

/* No clock has ever been further from UTC. */
#define MAX_OFFSET (24 * SECS_PER_HOUR)

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
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%stime zone \"%s\" is not known", recall_row_prefix(source_row),
							   recall_excerpt(name)),
						errhint("The names of time zones, such as Europe/Berlin, are listed in "
								"pg_timezone_names.")));
	return zone;
}

void
recall_set_clock(LocalClock *clock, const text *name)
{
	size_t length = VARSIZE_ANY_EXHDR(name);

	if (clock->zone != NULL && strlen(clock->name) == length &&
		memcmp(clock->name, VARDATA_ANY(name), length) == 0)
		return;
	clock->zone = find_zone(text_to_cstring(name), 0);
	text_to_cstring_buffer(name, clock->name, sizeof(clock->name));
	clock->even_time = (EvenTime){ 0 };
}

EvenTime
recall_even_time_at(pg_tz *zone, pg_time_t instant)
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

EvenTime
recall_clock_at(LocalClock *clock, pg_time_t instant)
{
	if (instant < clock->even_time.start || instant >= clock->even_time.end)
		clock->even_time = recall_even_time_at(clock->zone, instant);
	return clock->even_time;
}

int64
recall_day_at(LocalClock *clock, TimestampTz instant)
{
	pg_time_t second = recall_second_of(instant);
	EvenTime even_time = recall_clock_at(clock, second);

	return recall_floor_divide(recall_clock_second(second, &even_time), SECS_PER_DAY);
}

/*
 * A clock that is set back over midnight shows the day before once more, and one that leaps over
 * it ends the day with the leap. So the day's last moment is looked for in each stretch of time
 * that can have one.
 */
TimestampTz
recall_end_of_day(LocalClock *clock, int64 day)
{
	TimestampTz midnight = (day + 1) * USECS_PER_DAY; /* that of a clock in UTC */
	pg_time_t last = recall_second_of(midnight) + MAX_OFFSET;
	pg_time_t second = recall_second_of(midnight) - MAX_OFFSET;
	pg_time_t end = second;

	while (second < last)
	{
		EvenTime even_time = recall_even_time_at(clock->zone, second);
		pg_time_t local_midnight = recall_second_of(midnight) - even_time.offset;

		if (second < local_midnight)
			end = Min(local_midnight, even_time.end);
		second = even_time.end;
	}
	return recall_instant_of(end);
}

/* _check_time_zone(time_zone text) returns text */
Datum
recall_check_time_zone(PG_FUNCTION_ARGS)
{
	pg_tz *zone = find_zone(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT64(1));

	PG_RETURN_TEXT_P(cstring_to_text(pg_get_timezone_name(zone)));
}
