/*
 * mention.c
 *		Where a free text mentions one of some numbers, and the text without them.
 *
 * A text may hold anything, and to take out what is not a number of the person's harms another. So
 * a number is known in two spellings only. Together: its digits without a gap, "+" or "00" or
 * nothing before them, that are no part of a longer figure. In groups: behind "+" or "00", which
 * say that this is a number from its country code on, also with blanks, "-", ".", "/", "(" and ")"
 * between its digits, or "(0)"; there the digits behind a gap must not go on, as the number would
 * be another. The national spelling is not known: it stands for a number in each country.
 *
 * Where a number may begin, its digits are read as far as they go, and looked up among those that
 * are looked for: the cost is that of the text, however many these are.
 */
#include "recall.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(recall_mentions_any);
PG_FUNCTION_INFO_V1(recall_without_mentions);

#define MAX_DIGITS 15 /* of a number */
#define MAX_GAP 3	  /* signs between two digits of a number; "(0)" is one */

/* What may stand between the digits of a number. */
typedef enum Gaps
{
	NO_GAPS,
	GAPS,
	GAPS_WITH_ZERO, /* also "(0)", which is dialled within the country only */
} Gaps;

/* The digits of a number; one more than a number has says that they go on. */
typedef struct Number
{
	int length;
	char digits[MAX_DIGITS + 1];
} Number;

/* The numbers that are looked for, in their order. */
typedef struct Numbers
{
	int count;
	Number number[FLEXIBLE_ARRAY_MEMBER];
} Numbers;

/* A text, and what is looked for in it. */
typedef struct Search
{
	const char *begin;
	const char *end;
	const Numbers *numbers;
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

/* Whether a figure is the one before or behind the point of another. */
static bool
is_decimal(const Search *search, const char *from, const char *to)
{
	return (from - search->begin >= 2 && from[-1] == '.' && is_digit(search, from - 2)) ||
		   (search->end - to >= 2 && *to == '.' && is_digit(search, to + 1));
}

static int
compare_numbers(const void *a, const void *b)
{
	const Number *left = a;
	const Number *right = b;

	return left->length != right->length ? left->length - right->length
										 : memcmp(left->digits, right->digits, left->length);
}

static bool
is_looked_for(const Search *search, const Number *number)
{
	return bsearch(number, search->numbers->number, search->numbers->count, sizeof(Number),
				   compare_numbers) != NULL;
}

/* Read the digits from a place on, and find their end. */
static const char *
read_digits(const Search *search, const char *at, Gaps gaps, Number *number)
{
	const char *next = skip_gap(search, at, gaps);

	number->length = 0;
	while (is_digit(search, next) && number->length <= MAX_DIGITS)
	{
		number->digits[number->length++] = *next;
		at = next + 1;
		next = skip_gap(search, at, gaps);
	}
	return at;
}

/* Match digits that stand together, behind a prefix; NULL: they are not a number that is looked
 * for. */
static const char *
match_together(const Search *search, const char *from, int prefix)
{
	Number number;
	const char *to = read_digits(search, from + prefix, NO_GAPS, &number);

	return is_looked_for(search, &number) && !is_decimal(search, from, to) ? to : NULL;
}

/* Match digits in groups, likewise. */
static const char *
match_groups(const Search *search, const char *from, int prefix, Gaps gaps)
{
	Number number;
	const char *to = read_digits(search, from + prefix, gaps, &number);

	return is_looked_for(search, &number) && !goes_on(search, to, 1) ? to : NULL;
}

/* Find the end of a number that begins here, in any spelling that is known; NULL: none does. */
static const char *
match_number(const Search *search, const char *from)
{
	int prefix = *from == '+' ? 1 : begins_with(search, from, "00") ? 2 : 0;
	const char *to = match_together(search, from, *from == '+' ? 1 : 0);

	if (to == NULL && prefix == 2)
		to = match_together(search, from, prefix);
	if (to != NULL || prefix == 0 || (prefix == 2 && goes_on(search, from - 1, -1)))
		return to;
	to = match_groups(search, from, prefix, GAPS);
	return to != NULL ? to : match_groups(search, from, prefix, GAPS_WITH_ZERO);
}

/* Find the next mention from a place on, and its end; NULL: there is none. */
static const char *
next_mention(const Search *search, const char *at, const char **to)
{
	for (; at < search->end; at++)
		if ((*at == '+' || is_digit(search, at)) && !is_digit(search, at - 1) &&
			(*to = match_number(search, at)) != NULL)
			return at;
	return NULL;
}

static Numbers *
read_numbers(ArrayType *array)
{
	Datum *digits;
	int count;
	Numbers *numbers;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &digits, NULL, &count);
	numbers = palloc(offsetof(Numbers, number) + count * sizeof(Number));
	numbers->count = count;
	for (int i = 0; i < count; i++)
	{
		text *given = DatumGetTextPP(digits[i]);
		Number *number = &numbers->number[i];

		number->length = Min(VARSIZE_ANY_EXHDR(given), sizeof(number->digits));
		memcpy(number->digits, VARDATA_ANY(given), number->length);
	}
	qsort(numbers->number, count, sizeof(Number), compare_numbers);
	return numbers;
}

/* The numbers; where they are the same for all rows, they are read for the first one. */
static const Numbers *
numbers_of(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!get_fn_expr_arg_stable(fcinfo->flinfo, 1))
		return read_numbers(PG_GETARG_ARRAYTYPE_P(1));
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		context = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = read_numbers(PG_GETARG_ARRAYTYPE_P(1));
		MemoryContextSwitchTo(context);
	}
	return fcinfo->flinfo->fn_extra;
}

static Search
begin_search(FunctionCallInfo fcinfo)
{
	text *what = PG_GETARG_TEXT_PP(0);

	return (Search){ .begin = VARDATA_ANY(what),
					 .end = VARDATA_ANY(what) + VARSIZE_ANY_EXHDR(what),
					 .numbers = numbers_of(fcinfo) };
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
