/*
 * policy.h
 *		The value of a recall policy, and what can be done with it. Pure C, no server.
 *
 *	policy_parse.c	text to value
 *	policy_print.c	value to canonical text
 *	policy_pack.c	value to the stored bytes and back
 *	policy_match.c	which rule an outcome matches
 *
 * A value that comes out of the parser is canonical: texts that differ only in what is
 * immaterial, such as case, blanks, comments, units, the order of a list, of limits or of quiets,
 * give the same value, and with it the same canonical text and the same bytes. All sizes are
 * bounded.
 */
#ifndef RECALL_POLICY_H
#define RECALL_POLICY_H

#include "failure_cause.h"
#include "parse.h"

#define POLICY_MAX_RULES 64
#define POLICY_MAX_DELAYS 16 /* of a rule */
#define POLICY_MAX_LIMITS 16
#define POLICY_MAX_QUIETS 16
#define POLICY_MAX_SIZE 8192			   /* bytes, stored */
#define POLICY_MAX_TEXT 65536			   /* bytes, read */
#define POLICY_MAX_COUNT 9999			   /* of "max" and "limit" */
#define POLICY_MAX_DURATION (3650 * 86400) /* seconds */
#define POLICY_MAX_CODE 50				   /* letters of a business result */

typedef enum SelectorKind
{
	SELECT_FAILED,
	SELECT_ANSWERED,
	SELECT_CLASS,
	SELECT_CAUSE,
	SELECT_RESULT
} SelectorKind;

/*
 * The outcomes that a rule or a quiet is about. Codes lie in the policy's pool, each after a byte
 * with its length, in bytewise order without duplicates.
 */
typedef struct PolicySelector
{
	SelectorKind kind;
	uint64_t members; /* a bit for each catalogue number of a class or a cause */
	int codes;		  /* where in the pool the codes begin */
	int codes_size;	  /* how many bytes of it are theirs */
} PolicySelector;

typedef struct PolicyRule
{
	PolicySelector selector;
	bool never;
	bool next_number;
	int number_delays;
	int delays[POLICY_MAX_DELAYS]; /* seconds; the last one repeats */
	int max;					   /* recalls, 0 = no maximum */
} PolicyRule;

typedef enum LimitPeriod
{
	LIMIT_IN_ALL,
	LIMIT_CALENDAR_DAY,
	LIMIT_ROLLING
} LimitPeriod;

typedef struct PolicyLimit
{
	LimitPeriod period;
	int seconds; /* of a rolling window, else 0 */
	int calls;
	bool per_number;
} PolicyLimit;

typedef struct PolicyQuiet
{
	int seconds;
	PolicySelector after; /* one member */
	bool per_number;
} PolicyQuiet;

typedef struct Policy
{
	int number_rules;
	int number_limits;
	int number_quiets;
	int pool_size;
	PolicyRule rules[POLICY_MAX_RULES];
	PolicyLimit limits[POLICY_MAX_LIMITS];
	PolicyQuiet quiets[POLICY_MAX_QUIETS];
	unsigned char pool[POLICY_MAX_SIZE];
} Policy;

/* A code in the pool; iterate with: for (c = first; c.text != NULL; c = next). */
typedef struct PolicyCode
{
	const char *text; /* not terminated; NULL after the last one */
	int length;
} PolicyCode;

extern PolicyCode recall_policy_first_code(const Policy *policy, const PolicySelector *selector);
extern PolicyCode recall_policy_next_code(const Policy *policy, const PolicySelector *selector,
										  PolicyCode code);
extern int recall_compare_codes(const char *a, int a_length, const char *b, int b_length);

/* policy_parse.c */
extern bool recall_policy_parse(const char *text, size_t length, Policy *policy, ParseError *error);

/* Begin a rule; put a code into its selector. NULL and false when a maximum is reached. */
extern PolicyRule *recall_policy_add_rule(Policy *policy, SelectorKind kind);
extern bool recall_policy_add_code(Policy *policy, PolicySelector *selector, const char *code,
								   int length);
extern bool recall_policy_is_code(const char *code, int length);

/* policy_print.c: each appends to the text */
typedef struct PolicyText
{
	int length;
	char text[POLICY_MAX_TEXT + 1];
} PolicyText;

extern void recall_policy_print(const Policy *policy, PolicyText *out);
extern void recall_policy_print_rule(const Policy *policy, const PolicyRule *rule, PolicyText *out);
extern void recall_policy_print_limit(const PolicyLimit *limit, PolicyText *out);
extern void recall_policy_print_quiet(const Policy *policy, const PolicyQuiet *quiet,
									  PolicyText *out);
extern void recall_policy_print_selector(const Policy *policy, const PolicySelector *selector,
										 PolicyText *out);
extern void recall_policy_print_duration(int seconds, PolicyText *out);

/* policy_pack.c */
typedef struct PackedPolicy
{
	int size;
	unsigned char bytes[POLICY_MAX_SIZE];
} PackedPolicy;

extern bool recall_policy_pack(const Policy *policy, PackedPolicy *packed, ParseError *error);
extern bool recall_policy_unpack(const unsigned char *bytes, size_t size, Policy *policy);

/* policy_match.c */
typedef struct CodeRule
{
	PolicyCode code;
	int rule;
} CodeRule;

/*
 * A policy made ready for many outcomes. It points into the policy that it was made from. A rule is
 * its number from 1, negative when it says "never"; 0 is none.
 */
typedef struct PolicyMatcher
{
	const Policy *policy;
	int by_cause[1 + NUMBER_FAILURE_CAUSES];			 /* answered, then the causes */
	uint32_t quiets_by_cause[1 + NUMBER_FAILURE_CAUSES]; /* sets of quiets, likewise */
	int number_codes;
	CodeRule codes[]; /* in order, each with the first rule that names it */
} PolicyMatcher;

extern size_t recall_policy_matcher_size(const Policy *policy);
extern void recall_policy_make_matcher(const Policy *policy, PolicyMatcher *matcher);
extern int recall_policy_match(const PolicyMatcher *matcher, int cause, const char *result,
							   int length);

/* The quiets that follow an outcome, a bit for each. */
extern uint32_t recall_policy_quiets(const PolicyMatcher *matcher, int cause, const char *result,
									 int length);

#endif /* RECALL_POLICY_H */
