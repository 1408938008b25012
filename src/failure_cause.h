/*
 * failure_cause.h
 *		The catalogue of failure causes and their classes. Pure C, no server.
 *
 * A cause, and a class, is known by its catalogue number: its place in the table, from 0. The
 * numbers are stored in policies, so the catalogue only grows, at its end.
 */
#ifndef RECALL_FAILURE_CAUSE_H
#define RECALL_FAILURE_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_FAILURE_CAUSES 33
#define CAUSE_ANSWERED (-1) /* in place of a catalogue number: answered, so there is no cause */

typedef enum CauseClass
{
	CLASS_BUSY,
	CLASS_NO_ANSWER,
	CLASS_UNREACHABLE,
	CLASS_REJECTED,
	CLASS_INVALID_NUMBER,
	CLASS_NETWORK,
	CLASS_BARRED,
	CLASS_MACHINE,
	CLASS_ABANDONED,
	CLASS_AGENT,
	CLASS_PLATFORM,
	CLASS_UNKNOWN
} CauseClass;

#define NUMBER_CAUSE_CLASSES (CLASS_UNKNOWN + 1)

typedef struct FailureCause
{
	const char *name;
	CauseClass class;
	const char *nature; /* temporary, permanent or config */
	const char *description;
} FailureCause;

extern const FailureCause recall_failure_causes[NUMBER_FAILURE_CAUSES];
extern const char *const recall_cause_classes[NUMBER_CAUSE_CLASSES];

/* The catalogue number of a name, ASCII case aside, or -1. */
extern int recall_find_cause(const char *name, size_t length);
extern int recall_find_class(const char *name, size_t length);

/* Sets of causes, a bit for each catalogue number. */
extern uint64_t recall_causes_of_class(CauseClass class);
extern uint64_t recall_causes_of_failed(void);

/* Whether a call of that outcome counts for "max" and "limit n"; CAUSE_ANSWERED does. */
extern bool recall_counts_as_attempt(int cause);

/* Whether a word is the other, which is in lower case, ASCII case aside. */
extern bool recall_same_word(const char *word, size_t length, const char *lower);

#endif /* RECALL_FAILURE_CAUSE_H */
