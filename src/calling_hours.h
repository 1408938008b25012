/*
 * calling_hours.h
 *		Hours in which one may call: a subset of OpenStreetMap's opening_hours. Pure C, no server.
 *
 *	calling_hours_parse.c	text to value
 *	calling_hours_print.c	value to canonical text
 *	calling_hours_day.c		the open minutes of a day, and the next one
 *	calling_hours_io.c		the SQL type
 *	calling_hours_next.c	is_open and next_open: the clock of the callee's zone
 *
 * A value is a list of rules, each packed as a HoursRule, its HoursDates and its HoursSpans.
 * Dates and spans are sorted sets, so that equal rules have equal bytes. Clock times are
 * minutes of the local day; days are counted from 2000-01-01, like the server's dates.
 */
#ifndef RECALL_CALLING_HOURS_H
#define RECALL_CALLING_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

#define HOURS_VERSION 1
#define HOURS_MAX_RULES 64
#define HOURS_MAX_SIZE 4096 /* bytes of a value */
/*
 * Bytes of text. A date or a span prints as at most three times its size and a rule's frame as less
 * than 32 bytes, so whatever fits a value is also short enough to be read again.
 */
#define HOURS_MAX_TEXT (HOURS_MAX_SIZE * 3 + HOURS_MAX_RULES * 32)

#define DAY_MINUTES (24 * 60)

#define HOURS_WEEKDAY(weekday) (1 << (weekday)) /* Mo = 0 */
#define HOURS_HOLIDAYS 0x80						/* PH */

/* The minutes from "from" until before "to"; beyond DAY_MINUTES they are the next day's. */
typedef struct HoursSpan
{
	uint16_t from; /* 0 .. 1439 */
	uint16_t to;   /* from + 1 .. 2880 */
} HoursSpan;

typedef struct HoursDate
{
	uint16_t year; /* 0 = every year */
	uint8_t month; /* 1 .. 12 */
	uint8_t day;   /* 1 .. 31; the last day of February is the 29th */
} HoursDate;

/* Both ends included. Without years, an end before the start is one of the following year. */
typedef struct HoursDates
{
	HoursDate from;
	HoursDate to;
} HoursDates;

/* A day matches when it is in any of the dates, or there are none, and any of the days likewise. */
typedef struct HoursRule
{
	uint8_t off;		  /* closes rather than opens */
	uint8_t days;		  /* set of weekdays and HOURS_HOLIDAYS; 0 = every day */
	uint8_t number_dates; /* 0 = all dates */
	uint8_t number_spans; /* 0 = the whole day, of a rule that closes */
} HoursRule;

typedef struct CallingHours
{
	int32_t header; /* the server's length word */
	uint16_t version;
	uint16_t number_rules;
} CallingHours;

/* A sorted list of public holidays. */
typedef struct Holidays
{
	const int32_t *days;
	int count;
} Holidays;

static inline const HoursRule *
hours_first_rule(const CallingHours *hours)
{
	return (const HoursRule *) (hours + 1);
}

static inline const HoursDates *
hours_dates(const HoursRule *rule)
{
	return (const HoursDates *) (rule + 1);
}

static inline const HoursSpan *
hours_spans(const HoursRule *rule)
{
	return (const HoursSpan *) (hours_dates(rule) + rule->number_dates);
}

static inline const HoursRule *
hours_next_rule(const HoursRule *rule)
{
	return (const HoursRule *) (hours_spans(rule) + rule->number_spans);
}

static inline bool
hours_is_every_day(const HoursRule *rule)
{
	return rule->days == 0 && rule->number_dates == 0;
}

static inline bool
hours_is_whole_day(const HoursSpan *span)
{
	return span->from == 0 && span->to == DAY_MINUTES;
}

/* calling_hours_parse.c */
extern const char *const recall_weekday_names[7];
extern const char *const recall_month_names[12];
extern int recall_month_days(int month);

/* Parse into a buffer of HOURS_MAX_SIZE bytes; gives the value's size, or 0 and the error. */
extern size_t recall_calling_hours_parse(const char *text, size_t length, CallingHours *hours,
										 ParseError *error);

/* calling_hours_print.c */

/* Print into a buffer of HOURS_MAX_TEXT + 1 bytes; gives the length. */
extern size_t recall_calling_hours_print(const CallingHours *hours, char *text);

/* calling_hours_day.c */

/* Does any rule ask for public holidays? */
extern bool recall_calling_hours_use_holidays(const CallingHours *hours);

/* Find the first open minute in [from, until); minutes of the local clock since 2000-01-01 00:00.
 */
extern bool recall_calling_hours_next_minute(const CallingHours *hours, Holidays holidays,
											 int64_t from, int64_t until, int64_t *found);

#endif /* RECALL_CALLING_HOURS_H */
