/*
 * hours_naive.c
 *		Whether a minute is open, worked out anew and naively.
 *
 * Nothing is painted and no date is computed here: each rule is asked about the one minute, and the
 * calendar is that of the C library.
 */
#include <time.h>

#include "hours_check.h"

#define DAYS_FROM_1970_TO_2000 10957

typedef struct NaiveDay
{
	int year;
	int month_and_day; /* 101 .. 1231 */
	int day_set;
} NaiveDay;

static NaiveDay
naive_day(int64_t number, Holidays holidays)
{
	time_t midnight = (number + DAYS_FROM_1970_TO_2000) * 86400;
	struct tm date;
	NaiveDay day;

	EXPECT(gmtime_r(&midnight, &date) != NULL);
	day.year = date.tm_year + 1900;
	day.month_and_day = (date.tm_mon + 1) * 100 + date.tm_mday;
	day.day_set = 1 << (date.tm_wday + 6) % 7;
	for (int i = 0; i < holidays.count; i++)
		if (holidays.days[i] == number)
			day.day_set |= HOURS_HOLIDAYS;
	return day;
}

static bool
is_in_dates(const HoursDates *dates, const NaiveDay *day)
{
	int from = dates->from.month * 100 + dates->from.day;
	int to = dates->to.month * 100 + dates->to.day;

	if (dates->from.year == 0 && from > to)
		return day->month_and_day >= from || day->month_and_day <= to;
	if (dates->from.year == 0)
		return day->month_and_day >= from && day->month_and_day <= to;
	if (day->year < dates->from.year || day->year > dates->to.year)
		return false;
	return (day->year > dates->from.year || day->month_and_day >= from) &&
		   (day->year < dates->to.year || day->month_and_day <= to);
}

static bool
is_in_rule(const HoursRule *rule, const NaiveDay *day)
{
	if (rule->days != 0 && (rule->days & day->day_set) == 0)
		return false;
	for (int i = 0; i < rule->number_dates; i++)
		if (is_in_dates(&hours_dates(rule)[i], day))
			return true;
	return rule->number_dates == 0;
}

static bool
is_in_spans(const HoursRule *rule, int minute)
{
	for (int i = 0; i < rule->number_spans; i++)
		if (hours_spans(rule)[i].from <= minute && minute < hours_spans(rule)[i].to)
			return true;
	return rule->off && rule->number_spans == 0 && minute < DAY_MINUTES;
}

bool
naive_is_open(const CallingHours *hours, Holidays holidays, int64_t minute)
{
	int of_day = (int) ((minute % DAY_MINUTES + DAY_MINUTES) % DAY_MINUTES);
	int64_t number = (minute - of_day) / DAY_MINUTES;
	NaiveDay today = naive_day(number, holidays);
	NaiveDay yesterday = naive_day(number - 1, holidays);
	const HoursRule *rule = hours_first_rule(hours);
	bool open = false;

	for (int i = 0; i < hours->number_rules; i++)
	{
		if (is_in_rule(rule, &today))
		{
			if (!rule->off)
				open = is_in_spans(rule, of_day);
			else if (is_in_spans(rule, of_day))
				open = false;
		}
		if (is_in_rule(rule, &yesterday) && is_in_spans(rule, of_day + DAY_MINUTES))
			open = !rule->off;
		rule = hours_next_rule(rule);
	}
	return open;
}
