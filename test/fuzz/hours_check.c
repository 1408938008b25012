/*
 * hours_check.c
 *		The functions on calling hours, with what holds for each of them checked.
 */
#include "hours_check.h"

/* The place of a date in the order. */
static int
date_place(const HoursDate *date)
{
	return (date->year * 100 + date->month) * 100 + date->day;
}

/* Expect that dates and spans are what calling_hours.h says: sorted sets, spans apart. */
static void
check_rule(const HoursRule *rule)
{
	const HoursDates *dates = hours_dates(rule);
	const HoursSpan *spans = hours_spans(rule);

	for (int i = 1; i < rule->number_dates; i++)
	{
		int from = date_place(&dates[i].from) - date_place(&dates[i - 1].from);

		EXPECT(from > 0 || (from == 0 && date_place(&dates[i].to) > date_place(&dates[i - 1].to)));
	}
	for (int i = 0; i < rule->number_spans; i++)
	{
		EXPECT(spans[i].from < DAY_MINUTES);
		EXPECT(spans[i].from < spans[i].to);
		EXPECT(spans[i].to <= 2 * DAY_MINUTES);
		EXPECT(i == 0 || spans[i - 1].to < spans[i].from);
	}
	EXPECT(rule->off || rule->number_spans > 0);
}

size_t
check_hours_parse(const char *text, size_t length, HoursBuffer *buffer)
{
	const HoursRule *rule = hours_first_rule(&buffer->hours);
	ParseError error;
	size_t size;

	fuzz_litter(buffer, sizeof(*buffer));
	fuzz_litter(&error, sizeof(error));
	size = recall_calling_hours_parse(text, length, &buffer->hours, &error);
	if (size == 0)
	{
		fuzz_check_error(text, length, &error);
		return 0;
	}
	EXPECT(size <= HOURS_MAX_SIZE);
	for (int i = 0; i < buffer->hours.number_rules; i++)
	{
		check_rule(rule);
		rule = hours_next_rule(rule);
	}
	EXPECT((const char *) rule == buffer->bytes + size);
	return size;
}
