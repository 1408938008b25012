/*
 * parse.c
 *		Errors of a parser, and the known word nearest to a mistyped one.
 *
 * Pure C without the server, like the parsers that use it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

#define MAX_WORD 50 /* a longer word is nobody's typing error */

bool
recall_parse_fail(ParseError *error, int position, const char *format, ...)
{
	va_list arguments;

	error->position = position;
	error->too_large = false;
	error->hint[0] = '\0';
	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	return false;
}

void
recall_parse_hint(ParseError *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->hint, sizeof(error->hint), format, arguments);
	va_end(arguments);
}

/* Fold an ASCII letter to lower case, whatever the locale. */
static int
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char) c;
}

static int
min3(int a, int b, int c)
{
	int smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

/* Count the insertions, deletions and substitutions between two words, case aside (Levenshtein). */
static int
edit_distance(const char *a, int a_length, const char *b, int b_length)
{
	int row[MAX_WORD + 1];

	for (int j = 0; j <= b_length; j++)
		row[j] = j;
	for (int i = 1; i <= a_length; i++)
	{
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= b_length; j++)
		{
			int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (fold(a[i - 1]) != fold(b[j - 1])));
			diagonal = above;
		}
	}
	return row[b_length];
}

const char *
recall_nearest_word(const char *word, size_t length, const char *const *known, int number_known)
{
	const char *nearest = NULL;
	int nearest_distance = 0;

	if (length > MAX_WORD)
		return NULL;
	for (int i = 0; i < number_known; i++)
	{
		size_t known_length = strlen(known[i]);
		int distance;

		if (known_length > MAX_WORD)
			continue;
		distance = edit_distance(word, (int) length, known[i], (int) known_length);
		/* Half of the letters may be wrong, no more: beyond that the guess would be noise. */
		if (distance * 2 > (int) known_length)
			continue;
		if (nearest == NULL || distance < nearest_distance)
		{
			nearest = known[i];
			nearest_distance = distance;
		}
	}
	return nearest;
}
