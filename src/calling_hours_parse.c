/*
 * calling_hours_parse.c
 *		Reads calling hours: a recursive-descent parser that writes the packed value as it goes.
 *
 *	hours  := rule (';' rule)*
 *	rule   := '24/7' | [dates] [days] [spans] ['open' | 'off' | 'closed']	(not empty)
 *	dates  := period (',' period)*
 *	period := [year] month ['-' month] | [year] month day ['-' ([[year] month] day)]
 *	days   := ('PH' | weekday ['-' weekday]) (',' …)*
 *	spans  := time '-' time (',' time '-' time)*
 *
 * It is a subset of opening_hours, specification 0.7
 * (https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification). What means something else
 * there, or what its readers disagree about, is refused rather than guessed: a comma before a space
 * starts an additional rule there, so it is no list here.
 */
#include <string.h>

#include "calling_hours.h"

const char *const recall_weekday_names[7] = { "Mo", "Tu", "We", "Th", "Fr", "Sa", "Su" };
const char *const recall_month_names[12] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
											 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static const char *const all_words[] = { "Mo",	"Tu",  "We",  "Th",	 "Fr",	"Sa",	"Su",	 "PH",
										 "Jan", "Feb", "Mar", "Apr", "May", "Jun",	"Jul",	 "Aug",
										 "Sep", "Oct", "Nov", "Dec", "off", "open", "closed" };

#define LENGTH_OF(array) ((int) (sizeof(array) / sizeof((array)[0])))
#define MAX_QUOTED_WORD 40
#define LONGEST_NUMBER 4

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_WORD,	  /* a run of letters, or of characters beyond ASCII */
	TOKEN_NUMBER, /* a run of digits */
	TOKEN_SIGN	  /* any other character */
} TokenKind;

typedef struct Token
{
	TokenKind kind;
	int start;
	int length;
	int number;
} Token;

typedef struct Parser
{
	const char *text;
	int length;
	Token token; /* the one to be read next */
	CallingHours *hours;
	HoursRule *rule; /* the one being written */
	char *end;		 /* of what is written */
	ParseError *error;
} Parser;

#define CLOCK_HINT "Write times of the clock, such as 09:00-18:00."

/* What is known to opening_hours, but not here. */
static const struct
{
	const char *token;
	const char *message;
	const char *hint;
} unsupported[] = {
	{ "sunrise", "variable times are not supported", CLOCK_HINT },
	{ "sunset", "variable times are not supported", CLOCK_HINT },
	{ "dawn", "variable times are not supported", CLOCK_HINT },
	{ "dusk", "variable times are not supported", CLOCK_HINT },
	{ "easter", "movable feasts are not supported",
	  "List their dates as public holidays, and write PH." },
	{ "SH", "school holidays are not supported",
	  "Write their dates, such as 2026 Jul 6-2026 Aug 14." },
	{ "week", "numbers of weeks are not supported", "Write dates, such as 2026 Jan 5-11." },
	{ "unknown", "the modifier \"unknown\" is not supported", "Hours are open or off." },
	{ "|", "fallback rules (\"||\") are not supported", "Separate rules by semicolons." },
	{ ",", "additional rules are not supported",
	  "Write lists without a space at the comma, and separate rules by semicolons." },
	{ "\"", "comments are not supported", "" },
	{ "+", "open ends are not supported", "Write the time at which the hours end." },
	{ "[", "counted weekdays are not supported", "Write dates, such as 2026 Jan 5." },
	{ "(", "variable times are not supported", CLOCK_HINT },
	{ "/", "steps are not supported", "" },
};

/* ---------------------------------------------------------------- tokens */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char) c >= 0x80;
}

static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static int
end_of_run(const Parser *parser, int position, bool (*belongs)(char))
{
	while (position < parser->length && belongs(parser->text[position]))
		position++;
	return position;
}

/* Give the value of a run of digits, or -1 when it is longer than any that is meant here. */
static int
number_value(const char *digits, int length)
{
	int value = 0;

	if (length > LONGEST_NUMBER)
		return -1;
	for (int i = 0; i < length; i++)
		value = value * 10 + (digits[i] - '0');
	return value;
}

/* Step to the token that starts at or after a position. */
static void
read_token(Parser *parser, int position)
{
	Token *token = &parser->token;
	int start = end_of_run(parser, position, is_space);
	int end = start + 1;

	token->start = start;
	token->number = -1;
	if (start == parser->length)
	{
		token->kind = TOKEN_END;
		end = start;
	}
	else if (is_letter(parser->text[start]))
	{
		token->kind = TOKEN_WORD;
		end = end_of_run(parser, start, is_letter);
	}
	else if (is_digit(parser->text[start]))
	{
		token->kind = TOKEN_NUMBER;
		end = end_of_run(parser, start, is_digit);
		token->number = number_value(parser->text + start, end - start);
	}
	else
		token->kind = TOKEN_SIGN;
	token->length = end - start;
}

static void
advance(Parser *parser)
{
	read_token(parser, parser->token.start + parser->token.length);
}

static bool
token_is(const Parser *parser, const char *word)
{
	const Token *token = &parser->token;

	if (token->kind == TOKEN_END || token->length != (int) strlen(word))
		return false;
	for (int i = 0; i < token->length; i++)
		if (fold(parser->text[token->start + i]) != fold(word[i]))
			return false;
	return true;
}

static bool
accept(Parser *parser, const char *word)
{
	bool found = token_is(parser, word);

	if (found)
		advance(parser);
	return found;
}

/* Find the token in a list of names, or give -1. */
static int
token_index(const Parser *parser, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (token_is(parser, names[i]))
			return i;
	return -1;
}

/* The character right behind the token, or NUL. */
static char
following(const Parser *parser)
{
	int position = parser->token.start + parser->token.length;

	return position < parser->length ? parser->text[position] : '\0';
}

/* Is the token a number of a date or a year, rather than the hour of a time? */
static bool
at_plain_number(const Parser *parser)
{
	return parser->token.kind == TOKEN_NUMBER && following(parser) != ':';
}

static bool
at_year(const Parser *parser)
{
	return at_plain_number(parser) && parser->token.length == 4;
}

static int
month_at(const Parser *parser)
{
	return token_index(parser, recall_month_names, LENGTH_OF(recall_month_names)) + 1;
}

static bool
at_day(const Parser *parser)
{
	return token_is(parser, "PH") ||
		   token_index(parser, recall_weekday_names, LENGTH_OF(recall_weekday_names)) >= 0;
}

/* Step over a comma that goes on with a list: one with no space on either side. */
static bool
accept_list_comma(Parser *parser)
{
	int start = parser->token.start;

	if (!token_is(parser, ",") || is_space(parser->text[start - 1]) || is_space(following(parser)))
		return false;
	advance(parser);
	return true;
}

/* ---------------------------------------------------------------- errors */

static bool
begins_with(const char *word, int length, const char *name)
{
	int name_length = (int) strlen(name);

	if (length <= name_length)
		return false;
	for (int i = 0; i < name_length; i++)
		if (fold(word[i]) != fold(name[i]))
			return false;
	return true;
}

/* The word that was probably meant: the one that is spelled out ("Monday", "March"), or the
 * nearest. */
static const char *
meant_word(const char *word, int length)
{
	for (int i = LENGTH_OF(recall_month_names); i-- > 0;)
		if (begins_with(word, length, recall_month_names[i]))
			return recall_month_names[i];
	for (int i = 0; i < LENGTH_OF(recall_weekday_names); i++)
		if (begins_with(word, length, recall_weekday_names[i]))
			return recall_weekday_names[i];
	return recall_nearest_word(word, length, all_words, LENGTH_OF(all_words));
}

static bool
fail_word(Parser *parser)
{
	const Token *token = &parser->token;
	const char *word = parser->text + token->start;
	const char *meant = meant_word(word, token->length);

	if (token->length > MAX_QUOTED_WORD)
		recall_parse_fail(parser->error, token->start, "unknown word");
	else
		recall_parse_fail(parser->error, token->start, "unknown word \"%.*s\"", token->length,
						  word);
	if (meant != NULL)
		recall_parse_hint(parser->error, "Perhaps \"%s\" was meant.", meant);
	return false;
}

/* Refuse the token, saying what should have stood there. */
static bool
fail_token(Parser *parser, const char *expected)
{
	const Token *token = &parser->token;

	for (int i = 0; i < LENGTH_OF(unsupported); i++)
		if (token_is(parser, unsupported[i].token))
		{
			recall_parse_fail(parser->error, token->start, "%s", unsupported[i].message);
			recall_parse_hint(parser->error, "%s", unsupported[i].hint);
			return false;
		}
	if (token->kind == TOKEN_WORD && token_index(parser, all_words, LENGTH_OF(all_words)) < 0)
		return fail_word(parser);
	return recall_parse_fail(parser->error, token->start, "expected %s", expected);
}

static bool
fail_too_large(Parser *parser, const char *message, int limit)
{
	recall_parse_fail(parser->error, parser->token.start, message, limit);
	parser->error->too_large = true;
	return false;
}

/* ---------------------------------------------------------------- writing */

/* Append bytes to the value. */
static bool
append(Parser *parser, const void *bytes, size_t size)
{
	if (parser->end + size > (char *) parser->hours + HOURS_MAX_SIZE)
		return fail_too_large(parser, "calling hours are limited to %d bytes when stored",
							  HOURS_MAX_SIZE);
	memcpy(parser->end, bytes, size);
	parser->end += size;
	return true;
}

static bool
append_rule(Parser *parser)
{
	HoursRule rule = { 0 };

	if (parser->hours->number_rules == HOURS_MAX_RULES)
		return fail_too_large(parser, "calling hours are limited to %d rules", HOURS_MAX_RULES);
	parser->rule = (HoursRule *) parser->end;
	if (!append(parser, &rule, sizeof(rule)))
		return false;
	parser->hours->number_rules++;
	return true;
}

static bool
append_dates(Parser *parser, const HoursDates *dates)
{
	if (parser->rule->number_dates == UINT8_MAX)
		return fail_too_large(parser, "a rule is limited to %d dates", UINT8_MAX);
	if (!append(parser, dates, sizeof(*dates)))
		return false;
	parser->rule->number_dates++;
	return true;
}

static bool
append_span(Parser *parser, int from, int to)
{
	HoursSpan span = { .from = (uint16_t) from, .to = (uint16_t) to };

	if (parser->rule->number_spans == UINT8_MAX)
		return fail_too_large(parser, "a rule is limited to %d times", UINT8_MAX);
	if (!append(parser, &span, sizeof(span)))
		return false;
	parser->rule->number_spans++;
	return true;
}

static int
date_order(const HoursDate *date)
{
	return (date->year * 16 + date->month) * 32 + date->day;
}

static int
compare_dates(const HoursDates *a, const HoursDates *b)
{
	int from = date_order(&a->from) - date_order(&b->from);

	return from != 0 ? from : date_order(&a->to) - date_order(&b->to);
}

/* Make the rule's dates a sorted set; they are the last thing written. */
static void
normalize_dates(Parser *parser)
{
	HoursDates *dates = (HoursDates *) hours_dates(parser->rule);
	int count = 0;

	for (int i = 0; i < parser->rule->number_dates; i++)
	{
		HoursDates inserted = dates[i];
		int place = count;

		while (place > 0 && compare_dates(&dates[place - 1], &inserted) > 0)
			place--;
		if (place > 0 && compare_dates(&dates[place - 1], &inserted) == 0)
			continue;
		memmove(&dates[place + 1], &dates[place], (count - place) * sizeof(*dates));
		dates[place] = inserted;
		count++;
	}
	parser->rule->number_dates = (uint8_t) count;
	parser->end = (char *) (dates + count);
}

static void
sort_spans(HoursSpan *spans, int count)
{
	for (int i = 1; i < count; i++)
	{
		HoursSpan inserted = spans[i];
		int place = i;

		for (; place > 0 && spans[place - 1].from > inserted.from; place--)
			spans[place] = spans[place - 1];
		spans[place] = inserted;
	}
}

/* Make the rule's spans sorted and disjoint; they are the last thing written. */
static void
normalize_spans(Parser *parser)
{
	HoursSpan *spans = (HoursSpan *) hours_spans(parser->rule);
	int count = 0;

	sort_spans(spans, parser->rule->number_spans);
	for (int i = 0; i < parser->rule->number_spans; i++)
	{
		if (count == 0 || spans[i].from > spans[count - 1].to)
			spans[count++] = spans[i];
		else if (spans[i].to > spans[count - 1].to)
			spans[count - 1].to = spans[i].to;
	}
	parser->rule->number_spans = (uint8_t) count;
	parser->end = (char *) (spans + count);
}

/* ---------------------------------------------------------------- dates */

int
recall_month_days(int month)
{
	static const int8_t days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1];
}

static bool
is_leap_year(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool
parse_year(Parser *parser, HoursDate *date)
{
	if (parser->token.number < 1900)
		return recall_parse_fail(parser->error, parser->token.start, "years begin with 1900");
	date->year = (uint16_t) parser->token.number;
	advance(parser);
	if (month_at(parser) != 0)
		return true;
	fail_token(parser, "a month after the year");
	recall_parse_hint(parser->error, "Write a whole year as, for example, %d Jan-Dec.", date->year);
	return false;
}

static bool
parse_month(Parser *parser, HoursDate *date)
{
	int month = month_at(parser);

	if (month == 0)
		return fail_token(parser, "a month, such as Dec");
	date->month = (uint8_t) month;
	advance(parser);
	return true;
}

/* Parse the day of a date whose month and year are known. */
static bool
parse_day(Parser *parser, HoursDate *date)
{
	int day = parser->token.number;

	if (!at_plain_number(parser))
		return fail_token(parser, "a day of the month");
	if (parser->token.length > 2 || day < 1 || day > recall_month_days(date->month))
		return recall_parse_fail(parser->error, parser->token.start, "%s has %d days at most",
								 recall_month_names[date->month - 1],
								 recall_month_days(date->month));
	if (date->year != 0 && date->month == 2 && day == 29 && !is_leap_year(date->year))
		return recall_parse_fail(parser->error, parser->token.start, "%d is not a leap year",
								 date->year);
	date->day = (uint8_t) day;
	advance(parser);
	return true;
}

/* Does a range that runs over the year's end stop on the day before it starts? */
static bool
is_whole_year(const HoursDates *dates)
{
	HoursDate next = dates->to;

	next.day++;
	if (next.day > recall_month_days(next.month))
	{
		next.month = (uint8_t) (next.month % 12 + 1);
		next.day = 1;
	}
	return date_order(&dates->to) < date_order(&dates->from) &&
		   date_order(&next) == date_order(&dates->from);
}

/* Parse the end of a range whose start has a day: a day, a date, or a date with its year. */
static bool
parse_last_date(Parser *parser, HoursDates *dates)
{
	int start = parser->token.start;
	bool has_month = at_year(parser) || month_at(parser) != 0;

	if (has_month)
	{
		dates->to.year = 0;
		if (at_year(parser) && !parse_year(parser, &dates->to))
			return false;
		if (!parse_month(parser, &dates->to))
			return false;
	}
	if (!parse_day(parser, &dates->to))
		return false;
	if ((dates->from.year == 0) != (dates->to.year == 0))
		return recall_parse_fail(parser->error, start,
								 "both dates of a range need a year, or none");
	if (date_order(&dates->to) < date_order(&dates->from) && !(has_month && dates->from.year == 0))
		return recall_parse_fail(parser->error, start, "the range ends before it starts");
	if (is_whole_year(dates))
		return recall_parse_fail(parser->error, start, "the range is the whole year");
	return true;
}

/* Parse the rest of a range of whole months, after its first month. */
static bool
parse_last_month(Parser *parser, HoursDates *dates)
{
	int start = parser->token.start;

	if (at_year(parser))
	{
		recall_parse_fail(parser->error, start, "a range of months cannot lead into a given year");
		recall_parse_hint(parser->error, "Write the days too, such as 2026 Dec 1-2027 Feb 28.");
		return false;
	}
	if (!parse_month(parser, &dates->to))
		return false;
	if (dates->from.year != 0 && dates->to.month < dates->from.month)
		return recall_parse_fail(parser->error, start, "the range ends before it starts");
	return true;
}

static bool
parse_period(Parser *parser)
{
	HoursDates dates = { 0 };
	const HoursDates *first = hours_dates(parser->rule);
	int start = parser->token.start;

	if (at_year(parser) && !parse_year(parser, &dates.from))
		return false;
	if (parser->rule->number_dates > 0 && (dates.from.year == 0) != (first->from.year == 0))
		return recall_parse_fail(parser->error, start, "all dates of a list need a year, or none");
	if (!parse_month(parser, &dates.from))
		return false;
	if (at_plain_number(parser))
	{
		if (!parse_day(parser, &dates.from))
			return false;
		dates.to = dates.from;
		if (accept(parser, "-") && !parse_last_date(parser, &dates))
			return false;
	}
	else
	{
		dates.to = dates.from;
		if (accept(parser, "-") && !parse_last_month(parser, &dates))
			return false;
		dates.from.day = 1;
		dates.to.day = (uint8_t) recall_month_days(dates.to.month);
	}
	return append_dates(parser, &dates);
}

static bool
parse_dates(Parser *parser)
{
	do
	{
		if (!parse_period(parser))
			return false;
	} while (accept_list_comma(parser));
	normalize_dates(parser);
	return true;
}

/* ---------------------------------------------------------------- days */

static bool
parse_weekday(Parser *parser, int *weekday)
{
	*weekday = token_index(parser, recall_weekday_names, LENGTH_OF(recall_weekday_names));
	if (*weekday < 0)
		return fail_token(parser, "a weekday, such as Mo");
	advance(parser);
	return true;
}

static bool
parse_weekdays(Parser *parser)
{
	int first;
	int last;

	if (!parse_weekday(parser, &first))
		return false;
	last = first;
	if (accept(parser, "-") && !parse_weekday(parser, &last))
		return false;
	for (int weekday = first; weekday != last; weekday = (weekday + 1) % 7)
		parser->rule->days |= HOURS_WEEKDAY(weekday);
	parser->rule->days |= HOURS_WEEKDAY(last);
	return true;
}

static bool
parse_days(Parser *parser)
{
	do
	{
		if (accept(parser, "PH"))
			parser->rule->days |= HOURS_HOLIDAYS;
		else if (!parse_weekdays(parser))
			return false;
	} while (accept_list_comma(parser));
	return true;
}

/* ---------------------------------------------------------------- times */

/* Parse a time of the day, hh:mm, into minutes. */
static bool
parse_time(Parser *parser, int *minutes)
{
	int start = parser->token.start;
	int hour = parser->token.number;

	if (parser->token.kind != TOKEN_NUMBER || following(parser) != ':')
		return fail_token(parser, "a time, such as 09:00");
	if (parser->token.length > 2)
		return recall_parse_fail(parser->error, start, "an hour has two digits");
	advance(parser);
	advance(parser);
	if (parser->token.kind != TOKEN_NUMBER || parser->token.length != 2 ||
		parser->token.number > 59)
		return recall_parse_fail(parser->error, parser->token.start,
								 "expected minutes from 00 to 59");
	*minutes = hour * 60 + parser->token.number;
	advance(parser);
	return true;
}

static bool
parse_span(Parser *parser)
{
	int start = parser->token.start;
	int from;
	int to;

	if (!parse_time(parser, &from))
		return false;
	if (from >= DAY_MINUTES)
		return recall_parse_fail(parser->error, start, "hours must start before 24:00");
	if (!accept(parser, "-"))
		return fail_token(parser, "\"-\" and the time of the end");
	start = parser->token.start;
	if (!parse_time(parser, &to))
		return false;
	if (to > 2 * DAY_MINUTES)
		return recall_parse_fail(parser->error, start, "hours must end by 48:00");
	if (to == from)
	{
		recall_parse_fail(parser->error, start, "hours end when they start");
		recall_parse_hint(parser->error, "Write the whole day as 00:00-24:00.");
		return false;
	}
	return append_span(parser, from, to > from ? to : to + DAY_MINUTES);
}

static bool
parse_spans(Parser *parser)
{
	do
	{
		if (!parse_span(parser))
			return false;
	} while (accept_list_comma(parser));
	normalize_spans(parser);
	return true;
}

/* ---------------------------------------------------------------- rules */

static bool
at_time(const Parser *parser)
{
	return parser->token.kind == TOKEN_NUMBER && following(parser) == ':';
}

static bool
at_always(const Parser *parser)
{
	return token_is(parser, "24") && parser->token.start + 4 <= parser->length &&
		   memcmp(parser->text + parser->token.start, "24/7", 4) == 0;
}

/* Parse the selectors of a rule, each of which may be missing. */
static bool
parse_selectors(Parser *parser)
{
	if ((at_year(parser) || month_at(parser) != 0) && !parse_dates(parser))
		return false;
	if (at_day(parser) && !parse_days(parser))
		return false;
	return !at_time(parser) || parse_spans(parser);
}

/* Parse the modifier of a rule; what says neither is open. */
static void
parse_modifier(Parser *parser)
{
	if (accept(parser, "off") || accept(parser, "closed"))
		parser->rule->off = true;
	else
		accept(parser, "open");
}

static bool
parse_rule_body(Parser *parser)
{
	if (at_always(parser))
	{
		read_token(parser, parser->token.start + 4);
		return append_span(parser, 0, DAY_MINUTES);
	}
	if (!parse_selectors(parser))
		return false;
	parse_modifier(parser);
	return true;
}

/* Write "the whole day" in one way only. */
static bool
normalize_whole_day(Parser *parser)
{
	const HoursRule *rule = parser->rule;

	if (!rule->off && rule->number_spans == 0)
		return append_span(parser, 0, DAY_MINUTES);
	if (rule->off && rule->number_spans == 1 && hours_is_whole_day(hours_spans(rule)))
	{
		parser->rule->number_spans = 0;
		parser->end -= sizeof(HoursSpan);
	}
	return true;
}

/* Expect the end of a rule that started at a position. */
static bool
check_rule_end(Parser *parser, int start)
{
	if (parser->token.start == start)
		return fail_token(parser, "a rule, such as Mo-Fr 09:00-18:00");
	if (parser->token.kind == TOKEN_NUMBER)
		return fail_token(parser, "a time with minutes, such as 09:00");
	if (parser->token.kind != TOKEN_END && !token_is(parser, ";"))
		return fail_token(parser, "a semicolon or the end");
	return true;
}

/*
 * Refuse a later rule that opens every day.
 *
 * By the specification it replaces all rules before it, which nobody writes on purpose, and which
 * its best known reader does not do.
 */
static bool
check_every_day(Parser *parser, int start)
{
	if (parser->rule->off || !hours_is_every_day(parser->rule) || parser->hours->number_rules == 1)
		return true;
	recall_parse_fail(parser->error, start, "only the first rule may open every day");
	recall_parse_hint(parser->error,
					  "It would replace all rules before it. Join the times of a day by commas, "
					  "or name the days, such as Mo-Su.");
	return false;
}

static bool
parse_rule(Parser *parser)
{
	int start = parser->token.start;

	return append_rule(parser) && parse_rule_body(parser) && check_rule_end(parser, start) &&
		   check_every_day(parser, start) && normalize_whole_day(parser);
}

size_t
recall_calling_hours_parse(const char *text, size_t length, CallingHours *hours, ParseError *error)
{
	Parser parser = { .text = text, .hours = hours, .error = error };

	memset(hours, 0, sizeof(*hours));
	hours->version = HOURS_VERSION;
	parser.end = (char *) (hours + 1);
	if (length > HOURS_MAX_TEXT)
	{
		fail_too_large(&parser, "calling hours are limited to %d bytes of text", HOURS_MAX_TEXT);
		return 0;
	}
	parser.length = (int) length;
	read_token(&parser, 0);
	do
	{
		if (!parse_rule(&parser))
			return 0;
	} while (accept(&parser, ";"));
	return parser.end - (char *) hours;
}
