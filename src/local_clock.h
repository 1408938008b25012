/*
 * local_clock.h
 *		The clock of a time zone: what it shows, and when its days end.
 */
#ifndef RECALL_LOCAL_CLOCK_H
#define RECALL_LOCAL_CLOCK_H

#include "recall.h"

#include "datatype/timestamp.h"
#include "pgtime.h"

/* A stretch of time with one offset from UTC: from "start" until before "end". */
typedef struct EvenTime
{
	pg_time_t start;
	pg_time_t end;
	int64 offset; /* seconds east of UTC */
} EvenTime;

/* A zone, and the stretch of even time that was asked for last; all zero at first. */
typedef struct LocalClock
{
	pg_tz *zone;
	char name[TZ_STRLEN_MAX + 1]; /* as it was given */
	EvenTime even_time;
} LocalClock;

static inline int64
recall_floor_divide(int64 dividend, int64 divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

/* The second that an instant lies in, in the count of pg_time_t. */
static inline pg_time_t
recall_second_of(TimestampTz instant)
{
	return recall_floor_divide(instant, USECS_PER_SEC) +
		   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* The instant at which a second begins. */
static inline TimestampTz
recall_instant_of(pg_time_t second)
{
	return (second - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY) *
		   USECS_PER_SEC;
}

/* The second of the clock, from its 2000-01-01 00:00, that it shows at a pg_time_t. */
static inline int64
recall_clock_second(pg_time_t second, const EvenTime *even_time)
{
	return second + even_time->offset -
		   (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* Let a clock show the time of a zone; 22023 when it is not in the time zone database. */
extern void recall_set_clock(LocalClock *clock, const text *name);

/* The stretch of even time that an instant is in; it may start only with that instant. */
extern EvenTime recall_even_time_at(pg_tz *zone, pg_time_t instant);

/* The same, remembered by the clock. */
extern EvenTime recall_clock_at(LocalClock *clock, pg_time_t instant);

/* The day that the clock shows at an instant, counted from 2000-01-01. */
extern int64 recall_day_at(LocalClock *clock, TimestampTz instant);

/* The first instant from which on the clock shows later days only. */
extern TimestampTz recall_end_of_day(LocalClock *clock, int64 day);

#endif /* RECALL_LOCAL_CLOCK_H */
