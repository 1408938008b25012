/*
 * calling_hours_next.c
 *		Fuzz target: the next open minute of any calling hours, from any minute on.
 *
 * An input is a Question and the text of the hours. The minute that is found is open, and those
 * before it are not. Whether a minute is open is asked in two ways, with the naive reading as the
 * other one; some minutes are tried.
 */
#include "hours_check.h"

typedef struct Question
{
	int32_t from;	   /* minute, from 2000-01-01 00:00 */
	uint32_t holidays; /* a bit for each day from the one before "from" on */
	uint32_t sample;   /* which minutes are tried */
	uint16_t length;   /* minutes from "from" on, multiplied by its first two bits: to two years */
	uint8_t scale;	   /* multiplies "from", to go as far as the server's time stamps */
	uint8_t unused;
} Question;

#define MAX_HOLIDAYS 32
#define NUMBER_SAMPLES 4

/* The hours under test, and what the naive reading needs. */
typedef struct Subject
{
	const CallingHours *hours;
	Holidays holidays; /* none when the hours say that they do not use them */
	Holidays all_holidays;
} Subject;

/* Read the bits as a sorted list of days. */
static Holidays
make_holidays(uint32_t bits, int64_t from, int32_t days[MAX_HOLIDAYS])
{
	int32_t first = (int32_t) (from / DAY_MINUTES) - 1;
	Holidays holidays = { .days = days };

	for (int i = 0; i < MAX_HOLIDAYS; i++)
		if (bits >> i & 1)
			days[holidays.count++] = first + i;
	return holidays;
}

/* Tell whether a minute is open, and expect that both ways of asking agree. */
static bool
is_open(const Subject *subject, int64_t minute)
{
	int64_t found;
	bool open = recall_calling_hours_next_minute(subject->hours, subject->holidays, minute,
												 minute + 1, &found);

	EXPECT(!open || found == minute);
	EXPECT(open == naive_is_open(subject->hours, subject->all_holidays, minute));
	return open;
}

/* Choose a minute of a stretch. */
static int64_t
choose(uint32_t *sample, int64_t from, int64_t until)
{
	*sample = *sample * 1664525 + 1013904223;
	return from + (*sample >> 8) % (until - from);
}

/* Expect that no minute is open before the one that was found. */
static void
check_stretch(const Subject *subject, int64_t from, int64_t until, int64_t found, uint32_t sample)
{
	if (from < found)
	{
		EXPECT(!is_open(subject, from));
		EXPECT(!is_open(subject, found - 1));
	}
	for (int i = 0; i < NUMBER_SAMPLES; i++)
	{
		EXPECT(from == found || !is_open(subject, choose(&sample, from, found)));
		is_open(subject, choose(&sample, from, until));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static HoursBuffer buffer;
	int32_t days[MAX_HOLIDAYS];
	Question question;
	Subject subject = { .hours = &buffer.hours };
	int64_t from;
	int64_t until;
	int64_t found;

	if (size < sizeof(question))
		return 0;
	memcpy(&question, data, sizeof(question));
	if (check_hours_parse((const char *) data + sizeof(question), size - sizeof(question),
						  &buffer) == 0)
		return 0;
	from = (int64_t) question.from * (1 << question.scale % 7);
	until = from + 1 + ((question.length & 0x3fff) << 2 * (question.length >> 14));
	subject.all_holidays = make_holidays(question.holidays, from, days);
	if (recall_calling_hours_use_holidays(subject.hours))
		subject.holidays = subject.all_holidays;

	if (recall_calling_hours_next_minute(subject.hours, subject.holidays, from, until, &found))
	{
		EXPECT(from <= found);
		EXPECT(found < until);
		EXPECT(is_open(&subject, found));
	}
	else
		found = until;
	check_stretch(&subject, from, until, found, question.sample);
	return 0;
}
