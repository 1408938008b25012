/*
 * mention.c
 *		Where a free text mentions one of some numbers, and the text without them.
 *
 * A text may hold anything, and to take out what is not a number of the person's harms another. So
 * a number is known in two spellings only. Together: its digits without a gap, "+" or "00" or
 * nothing before them, that are no part of a longer figure. In groups: behind "+" or "00", which
 * say that this is a number from its country code on, also with blanks, "-", ".", "/", "(" and ")"
 * between its digits, or "(0)"; there the digits behind a gap must not go on, as the number would
 *be another. The national spelling is not known: it stands for a number in each country.
 */
#include "recall.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_mentions_any);
PG_FUNCTION_INFO_V1(recall_without_mentions);

#define MAX_GAP 3 /* signs between two digits of a number; "(0)" is one */

/* What may stand between the digits of a number. */
typedef enum Gaps
{
	NO_GAPS,
	GAPS,
	GAPS_WITH_ZERO, /* also "(0)", which is dialled within the country only */
} Gaps;

/* A text, and the numbers that are looked for in it: their digits. */
typedef struct Search
{
	const char *begin;
	const char *end;
	Datum *numbers;
	int count;
} Search;

static bool
is_digit(const Search *search, const char *at)
{
	return at >= search->begin && at < search->end && *at >= '0' && *at <= '9';
}

static bool
is_separator(const Search *search, const char *at)
{
	return at >= search->begin && at < search->end && *at != '\0' && strchr(" -./()", *at) != NULL;
}

static bool
begins_with(const Search *search, const char *at, const char *what)
{
	int length = strlen(what);

	return search->end - at >= length && memcmp(at, what, length) == 0;
}

/* Find the end of a gap within a number. */
static const char *
skip_gap(const Search *search, const char *at, Gaps gaps)
{
	for (int i = 0; i < MAX_GAP && gaps != NO_GAPS; i++)
	{
		if (gaps == GAPS_WITH_ZERO && begins_with(search, at, "(0)"))
			at += 3;
		else if (is_separator(search, at))
			at++;
		else
			break;
	}
	return at;
}

/* Whether a digit stands next to a place, or behind separators: a number would go on there. */
static bool
goes_on(const Search *search, const char *at, int direction)
{
	for (int i = 0; i < MAX_GAP && is_separator(search, at); i++)
		at += direction;
	return is_digit(search, at);
}

/* Whether what begins a figure and ends at a place is a part of a longer one. */
static bool
is_part(const Search *search, const char *from, const char *to)
{
	return is_digit(search, to) ||
		   (from - search->begin >= 2 && from[-1] == '.' && is_digit(search, from - 2)) ||
		   (search->end - to >= 2 && *to == '.' && is_digit(search, to + 1));
}

/* Match a number's digits; NULL: they are not there. */
static const char *
match_digits(const Search *search, const char *at, text *number, Gaps gaps)
{
	const char *digits = VARDATA_ANY(number);
	int length = VARSIZE_ANY_EXHDR(number);

	for (int i = 0; i < length; i++)
	{
		at = skip_gap(search, at, gaps);
		if (at >= search->end || *at != digits[i])
			return NULL;
		at++;
	}
	return at;
}

/* Match a number whose digits stand together; NULL: it does not begin here. */
static const char *
match_together(const Search *search, const char *from, int prefix, text *number)
{
	const char *to = match_digits(search, from, number, NO_GAPS);

	if (to == NULL)
		to = match_digits(search, from + prefix, number, NO_GAPS);
	return to != NULL && !is_part(search, from, to) ? to : NULL;
}

/* Match a number that is written in groups; NULL: it does not begin here. */
static const char *
match_groups(const Search *search, const char *from, int prefix, text *number)
{
	const char *to;

	if (prefix == 0 || (prefix == 2 && goes_on(search, from - 1, -1)))
		return NULL;
	to = match_digits(search, from + prefix, number, GAPS);
	if (to == NULL)
		to = match_digits(search, from + prefix, number, GAPS_WITH_ZERO);
	return to != NULL && !goes_on(search, to, 1) ? to : NULL;
}

/* Match a number in any spelling that is known; NULL: it does not begin here. */
static const char *
match_number(const Search *search, const char *from, text *number)
{
	int prefix = *from == '+' ? 1 : begins_with(search, from, "00") ? 2 : 0;
	const char *to = match_together(search, from, prefix, number);

	return to != NULL ? to : match_groups(search, from, prefix, number);
}

/* Find the next mention from a place on, and its end; NULL: there is none. */
static const char *
next_mention(const Search *search, const char *at, const char **to)
{
	for (; at < search->end; at++)
	{
		if ((*at != '+' && !is_digit(search, at)) || is_digit(search, at - 1))
			continue;
		for (int i = 0; i < search->count; i++)
			if ((*to = match_number(search, at, DatumGetTextPP(search->numbers[i]))) != NULL)
				return at;
	}
	return NULL;
}

static Search
begin_search(FunctionCallInfo fcinfo)
{
	text *what = PG_GETARG_TEXT_PP(0);
	Search search = { .begin = VARDATA_ANY(what),
					  .end = VARDATA_ANY(what) + VARSIZE_ANY_EXHDR(what) };

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &search.numbers,
					  NULL, &search.count);
	return search;
}

/* _mentions_any(what text, digits text[]) returns boolean */
Datum
recall_mentions_any(PG_FUNCTION_ARGS)
{
	Search search = begin_search(fcinfo);
	const char *to;

	PG_RETURN_BOOL(next_mention(&search, search.begin, &to) != NULL);
}

/* _without_mentions(what text, digits text[]) returns text: with "0" in the place of each */
Datum
recall_without_mentions(PG_FUNCTION_ARGS)
{
	Search search = begin_search(fcinfo);
	const char *rest = search.begin;
	const char *from;
	const char *to;
	StringInfoData kept;

	initStringInfo(&kept);
	while ((from = next_mention(&search, rest, &to)) != NULL)
	{
		appendBinaryStringInfo(&kept, rest, from - rest);
		appendStringInfoChar(&kept, '0');
		rest = to;
	}
	appendBinaryStringInfo(&kept, rest, search.end - rest);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(kept.data, kept.len));
}
