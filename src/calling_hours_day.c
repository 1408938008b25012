/*
 * calling_hours_day.c
 *		The open minutes of a day of the local clock, and the next open minute.
 *
 * A day is painted, rule by rule in the order written. As the specification has it, a rule that
 * opens replaces, on the days that it matches, all that earlier rules said of that day; a rule
 * that closes only takes away. What a rule carries past midnight belongs to the day it reaches:
 * there it only adds to (or takes from) what stands, and a later rule for that day replaces it
 * like anything else.
 */
#include <stdlib.h>
#include <string.h>

#include "calling_hours.h"

#define WORD_MINUTES 64
#define DAY_WORDS ((DAY_MINUTES + WORD_MINUTES - 1) / WORD_MINUTES)

/* A bit for each minute of a day. */
typedef struct DayMinutes
{
	uint64_t words[DAY_WORDS];
} DayMinutes;

typedef struct LocalDay
{
	int32_t number; /* from 2000-01-01 */
	HoursDate date;
	int day_set; /* its weekday, as a set, and HOURS_HOLIDAYS when it is one */
} LocalDay;

static int64_t
floor_divide(int64_t dividend, int64_t divisor)
{
	return dividend / divisor - (dividend % divisor < 0);
}

/*
 * Give the date of a day, by the Gregorian calendar.
 *
 * Counted from 1 March, a leap day is the last of its year and the lengths of months repeat every
 * five: 153 days.
 */
static HoursDate
date_of_day(int64_t day)
{
	int64_t from_march_2000 = day - 60;
	int64_t era = floor_divide(from_march_2000, 146097);
	int of_era = (int) (from_march_2000 - era * 146097);
	int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153;
	int64_t calendar_year = 2000 + era * 400 + year + (month >= 10);
	HoursDate date;

	date.day = (uint8_t) (of_year - (153 * month + 2) / 5 + 1);
	date.month = (uint8_t) (month < 10 ? month + 3 : month - 9);
	/* Rules know the years 1900 to 9999; any other is like any other. */
	date.year = calendar_year < 1 || calendar_year > 9999 ? 0 : (uint16_t) calendar_year;
	return date;
}

static int
compare_days(const void *a, const void *b)
{
	int32_t left = *(const int32_t *) a;
	int32_t right = *(const int32_t *) b;

	return (left > right) - (left < right);
}

static LocalDay
local_day(int32_t number, Holidays holidays)
{
	LocalDay day;
	int weekday = (int) (((int64_t) number % 7 + 7 + 5) % 7); /* 2000-01-01 was a Saturday */

	day.number = number;
	day.date = date_of_day(number);
	day.day_set = HOURS_WEEKDAY(weekday);
	if (holidays.count > 0 &&
		bsearch(&number, holidays.days, holidays.count, sizeof(*holidays.days), compare_days))
		day.day_set |= HOURS_HOLIDAYS;
	return day;
}

static int
order(const HoursDate *date, bool with_year)
{
	return ((with_year ? date->year * 16 : 0) + date->month) * 32 + date->day;
}

static bool
dates_match(const HoursDates *dates, const HoursDate *date)
{
	bool with_year = dates->from.year != 0;
	int from = order(&dates->from, with_year);
	int to = order(&dates->to, with_year);
	int at = order(date, with_year);

	return from <= to ? from <= at && at <= to : from <= at || at <= to;
}

static bool
rule_matches(const HoursRule *rule, const LocalDay *day)
{
	const HoursDates *dates = hours_dates(rule);

	if (rule->days != 0 && !(rule->days & day->day_set))
		return false;
	if (rule->number_dates == 0)
		return true;
	for (int i = 0; i < rule->number_dates; i++)
		if (dates_match(&dates[i], &day->date))
			return true;
	return false;
}

/* Give the bits from "from" until before "to" of a word; both may lie beyond it. */
static uint64_t
word_mask(int from, int to)
{
	uint64_t below_to = to >= WORD_MINUTES ? UINT64_MAX : (UINT64_C(1) << to) - 1;

	return from <= 0 ? below_to : below_to & ~((UINT64_C(1) << from) - 1);
}

/* Open or close the minutes from "from" until before "to". */
static void
paint(DayMinutes *minutes, int from, int to, bool off)
{
	for (int word = from / WORD_MINUTES; word * WORD_MINUTES < to; word++)
	{
		uint64_t mask = word_mask(from - word * WORD_MINUTES, to - word * WORD_MINUTES);

		if (off)
			minutes->words[word] &= ~mask;
		else
			minutes->words[word] |= mask;
	}
}

/* Paint what a rule says of a day that it matches. */
static void
paint_day(DayMinutes *minutes, const HoursRule *rule)
{
	const HoursSpan *spans = hours_spans(rule);

	if (!rule->off || rule->number_spans == 0)
		memset(minutes, 0, sizeof(*minutes));
	for (int i = 0; i < rule->number_spans; i++)
		paint(minutes, spans[i].from, spans[i].to < DAY_MINUTES ? spans[i].to : DAY_MINUTES,
			  rule->off);
}

/* Paint what a rule that matched the day before carries past midnight. */
static void
paint_carried(DayMinutes *minutes, const HoursRule *rule)
{
	const HoursSpan *spans = hours_spans(rule);

	for (int i = 0; i < rule->number_spans; i++)
		if (spans[i].to > DAY_MINUTES)
			paint(minutes, 0, spans[i].to - DAY_MINUTES, rule->off);
}

static void
paint_rules(DayMinutes *minutes, const CallingHours *hours, const LocalDay *day,
			const LocalDay *day_before)
{
	const HoursRule *rule = hours_first_rule(hours);

	memset(minutes, 0, sizeof(*minutes));
	for (int i = 0; i < hours->number_rules; i++)
	{
		if (rule_matches(rule, day))
			paint_day(minutes, rule);
		if (rule_matches(rule, day_before))
			paint_carried(minutes, rule);
		rule = hours_next_rule(rule);
	}
}

/* Find the first open minute of a day from a given one, or give -1. */
static int
first_open_minute(const DayMinutes *minutes, int from)
{
	for (int word = from / WORD_MINUTES; word < DAY_WORDS; word++)
	{
		uint64_t open = minutes->words[word] & word_mask(from - word * WORD_MINUTES, WORD_MINUTES);

		if (open != 0)
			return word * WORD_MINUTES + __builtin_ctzll(open);
	}
	return -1;
}

bool
recall_calling_hours_use_holidays(const CallingHours *hours)
{
	const HoursRule *rule = hours_first_rule(hours);

	for (int i = 0; i < hours->number_rules; i++)
	{
		if (rule->days & HOURS_HOLIDAYS)
			return true;
		rule = hours_next_rule(rule);
	}
	return false;
}

bool
recall_calling_hours_next_minute(const CallingHours *hours, Holidays holidays, int64_t from,
								 int64_t until, int64_t *found)
{
	int32_t number = (int32_t) floor_divide(from, DAY_MINUTES);
	int minute = (int) (from - (int64_t) number * DAY_MINUTES);
	LocalDay day_before = local_day(number - 1, holidays);

	while ((int64_t) number * DAY_MINUTES + minute < until)
	{
		LocalDay day = local_day(number, holidays);
		DayMinutes minutes;

		paint_rules(&minutes, hours, &day, &day_before);
		minute = first_open_minute(&minutes, minute);
		if (minute >= 0)
		{
			*found = (int64_t) number * DAY_MINUTES + minute;
			return *found < until;
		}
		number++;
		minute = 0;
		day_before = day;
	}
	return false;
}
