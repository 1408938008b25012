/*
 * parse.h
 *		What the parsers of policies and of calling hours have in common. Pure C, no server.
 */
#ifndef RECALL_PARSE_H
#define RECALL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

/* Why a text does not parse, and where. */
typedef struct ParseError
{
	int position;	   /* byte offset of the offending word, from 0 */
	bool too_large;	   /* a stated maximum is exceeded, rather than the grammar broken */
	char message[160]; /* lower case, no full stop, does not repeat the position */
	char hint[320];	   /* a full sentence, or empty */
} ParseError;

/* Fill in the error and return false, so that a parser can "return parse_fail(...)". */
extern bool recall_parse_fail(ParseError *error, int position, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Add a hint to an error; a further call replaces it. */
extern void recall_parse_hint(ParseError *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The known word nearest to a mistyped one, or NULL when none is near enough to be meant. */
extern const char *recall_nearest_word(const char *word, size_t length, const char *const *known,
									   int number_known);

#endif /* RECALL_PARSE_H */
