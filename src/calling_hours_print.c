/*
 * calling_hours_print.c
 *		Writes calling hours as canonical text, which parses to the same bytes.
 *
 * Spelling and spacing follow the opening_hours specification. A month in full is written as the
 * month, days in the order of the week with PH last, and an end past midnight as the time of the
 * next day where that can be told from the start.
 */
#include <stdarg.h>
#include <stdio.h>

#include "calling_hours.h"

typedef struct Printer
{
	char *text;
	size_t length;
} Printer;

static void print(Printer *printer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
print(Printer *printer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printer->length += vsnprintf(printer->text + printer->length,
								 HOURS_MAX_TEXT + 1 - printer->length, format, arguments);
	va_end(arguments);
}

static const char *
month_name(const HoursDate *date)
{
	return recall_month_names[date->month - 1];
}

static void
print_year(Printer *printer, const HoursDate *date)
{
	if (date->year != 0)
		print(printer, "%04d ", date->year);
}

static void
print_date(Printer *printer, const HoursDate *date)
{
	print_year(printer, date);
	print(printer, "%s %02d", month_name(date), date->day);
}

static bool
is_months(const HoursDates *dates)
{
	return dates->from.year == dates->to.year && dates->from.day == 1 &&
		   dates->to.day == recall_month_days(dates->to.month);
}

static void
print_period(Printer *printer, const HoursDates *dates)
{
	const HoursDate *from = &dates->from;
	const HoursDate *to = &dates->to;
	bool same_month = from->year == to->year && from->month == to->month;

	if (is_months(dates))
	{
		print_year(printer, from);
		print(printer, "%s", month_name(from));
		if (!same_month)
			print(printer, "-%s", month_name(to));
		return;
	}
	print_date(printer, from);
	if (!same_month || to->day < from->day)
	{
		print(printer, "-");
		print_date(printer, to);
	}
	else if (to->day != from->day)
		print(printer, "-%02d", to->day);
}

/* Print a set of days; three or more in a row make a range. */
static void
print_days(Printer *printer, int days)
{
	const char *separator = "";

	for (int first = 0; first < 7; first++)
	{
		int last = first;

		if (!(days & HOURS_WEEKDAY(first)))
			continue;
		while (last < 6 && (days & HOURS_WEEKDAY(last + 1)))
			last++;
		print(printer, "%s%s", separator, recall_weekday_names[first]);
		if (last > first)
			print(printer, "%s%s", last - first > 1 ? "-" : ",", recall_weekday_names[last]);
		separator = ",";
		first = last;
	}
	if (days & HOURS_HOLIDAYS)
		print(printer, "%sPH", separator);
}

static void
print_time(Printer *printer, int minutes)
{
	print(printer, "%02d:%02d", minutes / 60, minutes % 60);
}

static void
print_span(Printer *printer, const HoursSpan *span)
{
	bool next_day = span->to > DAY_MINUTES && span->to - DAY_MINUTES < span->from;

	print_time(printer, span->from);
	print(printer, "-");
	print_time(printer, next_day ? span->to - DAY_MINUTES : span->to);
}

static void
print_rule(Printer *printer, const HoursRule *rule)
{
	const char *space = "";

	if (!rule->off && hours_is_every_day(rule) && hours_is_whole_day(hours_spans(rule)))
	{
		print(printer, "24/7");
		return;
	}
	for (int i = 0; i < rule->number_dates; i++)
	{
		print(printer, "%s", i > 0 ? "," : "");
		print_period(printer, &hours_dates(rule)[i]);
		space = " ";
	}
	if (rule->days != 0)
	{
		print(printer, "%s", space);
		print_days(printer, rule->days);
		space = " ";
	}
	for (int i = 0; i < rule->number_spans; i++)
	{
		print(printer, "%s", i > 0 ? "," : space);
		print_span(printer, &hours_spans(rule)[i]);
		space = " ";
	}
	if (rule->off)
		print(printer, "%soff", space);
}

size_t
recall_calling_hours_print(const CallingHours *hours, char *text)
{
	Printer printer = { .text = text };
	const HoursRule *rule = hours_first_rule(hours);

	for (int i = 0; i < hours->number_rules; i++)
	{
		print(&printer, "%s", i > 0 ? "; " : "");
		print_rule(&printer, rule);
		rule = hours_next_rule(rule);
	}
	return printer.length;
}
