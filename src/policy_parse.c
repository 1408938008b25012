/*
 * policy_parse.c
 *		Reads the text of a recall policy.
 *
 *	policy   := [item (';' item)* [';']]
 *	item     := rule | limit | quiet
 *	rule     := selector tail
 *	tail     := 'never' | ['after' duration (',' duration)*] ['max' count] ['next' 'number']
 *	limit    := 'limit' count ['per' (duration | 'day')] ['per' 'number']
 *	quiet    := 'quiet' duration 'after' one ['per' 'number']
 *	one      := 'answered' | 'class' name | 'result' code | cause
 *	selector := 'failed' | 'answered' | 'class' name (',' name)* | 'result' code (',' code)*
 *				| cause (',' cause)*
 *
 * Pure C without the server: a scanner that is one token ahead, and a function for each line of
 * the grammar. Where a code of a business result is due, the token is scanned again by the rules
 * of codes, so that a code may look like a keyword or a number. A function returns false when the
 * text is wrong, with the error filled in.
 */
#include <stdio.h>
#include <string.h>

#include "policy.h"

#define LENGTH(array) ((int) (sizeof(array) / sizeof((array)[0])))

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_WORD,	  /* keyword, cause, class or unit */
	TOKEN_NUMBER, /* digits */
	TOKEN_CODE,	  /* scanned where a code is due; start and length are those inside of the quotes */
	TOKEN_OTHER	  /* one character */
} TokenKind;

typedef struct Token
{
	TokenKind kind;
	int start;
	int length;
	int end; /* where to scan on */
} Token;

typedef struct Parser
{
	const char *text;
	int length;
	Token token;
	Policy *policy;
	ParseError *error;
} Parser;

/* Scanning */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A byte of a multibyte character counts as a letter, so that an error shows the whole word. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		   (unsigned char) c >= 0x80;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
comment_at(const Parser *parser, int at)
{
	return at + 1 < parser->length && parser->text[at] == '-' && parser->text[at + 1] == '-';
}

/* Pass over blanks and comments. */
static int
skip_blanks(const Parser *parser, int at)
{
	while (at < parser->length)
	{
		if (is_blank(parser->text[at]))
			at++;
		else if (comment_at(parser, at))
			while (at < parser->length && parser->text[at] != '\n')
				at++;
		else
			break;
	}
	return at;
}

/* Find the end of a run of letters and hyphens, and of digits too once it has begun. */
static int
word_end(const Parser *parser, int at)
{
	while (at < parser->length && !comment_at(parser, at) &&
		   (is_letter(parser->text[at]) || is_digit(parser->text[at]) || parser->text[at] == '-'))
		at++;
	return at;
}

/* Scan the token at or after a place. */
static void
scan(Parser *parser, int at)
{
	Token *token = &parser->token;

	at = skip_blanks(parser, at);
	token->start = at;
	if (at >= parser->length)
		token->kind = TOKEN_END;
	else if (is_digit(parser->text[at]))
	{
		token->kind = TOKEN_NUMBER;
		while (at < parser->length && is_digit(parser->text[at]))
			at++;
	}
	else if (is_letter(parser->text[at]))
	{
		token->kind = TOKEN_WORD;
		at = word_end(parser, at);
	}
	else
	{
		token->kind = TOKEN_OTHER;
		at++;
	}
	token->length = at - token->start;
	token->end = at;
}

/* Scan the token again as a code, bare or in quotes; leave what is neither as it is. */
static void
scan_code(Parser *parser)
{
	Token *token = &parser->token;
	int start = token->start;
	int end;

	if (token->kind == TOKEN_END)
		return;
	if (parser->text[start] == '"')
	{
		const char *quote = memchr(parser->text + start + 1, '"', parser->length - start - 1);

		if (quote == NULL)
			return;
		end = (int) (quote - parser->text);
		*token = (Token){ TOKEN_CODE, start + 1, end - start - 1, end + 1 };
		return;
	}
	end = word_end(parser, start);
	if (end > start)
		*token = (Token){ TOKEN_CODE, start, end - start, end };
}

static void
advance(Parser *parser)
{
	scan(parser, parser->token.end);
}

static bool
is_word(const Parser *parser, const char *word)
{
	const Token *token = &parser->token;

	return token->kind == TOKEN_WORD &&
		   recall_same_word(parser->text + token->start, token->length, word);
}

/* Pass over a keyword if it is there. */
static bool
accept_word(Parser *parser, const char *word)
{
	if (!is_word(parser, word))
		return false;
	advance(parser);
	return true;
}

static bool
is_sign(const Parser *parser, char sign)
{
	return parser->token.kind == TOKEN_OTHER && parser->text[parser->token.start] == sign;
}

static bool
accept_sign(Parser *parser, char sign)
{
	if (!is_sign(parser, sign))
		return false;
	advance(parser);
	return true;
}

/* Errors */

#define SHOWN 50 /* bytes of a word that an error shows */

/* What may stand at a place: in words for the message, and the keywords for the hint. */
typedef struct Expected
{
	const char *what;
	const char *keywords[7]; /* NULL after the last one */
} Expected;

static const Expected expected_item = {
	"a rule, a limit or a quiet", { "failed", "answered", "class", "result", "limit", "quiet" }
};
static const Expected expected_quiet_after = {
	"\"answered\", \"class\", \"result\" or a failure cause", { "answered", "class", "result" }
};
static const Expected expected_cause = { "a failure cause", { NULL } };
static const Expected expected_class = { "a class of failure causes", { NULL } };
static const Expected expected_code = { "the code of a business result", { NULL } };
static const Expected expected_number = { "a number", { NULL } };
static const Expected expected_duration = { "a duration", { NULL } };
static const Expected expected_unit = { "a unit of time",
										{ "s", "min", "h", "day", "days", "week" } };
static const Expected expected_period = { "a duration, \"day\" or \"number\"",
										  { "day", "number" } };
static const Expected expected_rule_end = { NULL, { "never", "after", "max", "next" } };
static const Expected expected_limit_end = { NULL, { "per" } };

#define HINT_DURATION "A duration is a whole number and one of s, min, h, day and week."
#define HINT_ONE_KIND                                                                              \
	"A rule has one kind of selector: failed, answered, class, result, or failure causes."

/* Name the token for a message, and return the buffer. */
static const char *
describe_token(const Parser *parser, char buffer[SHOWN + 8])
{
	const char *start = parser->text + parser->token.start;
	int length = parser->token.length;

	if (parser->token.kind == TOKEN_END)
		return "the end";
	if (length <= SHOWN)
	{
		snprintf(buffer, SHOWN + 8, "\"%.*s\"", length, start);
		return buffer;
	}
	/* Cut after an ASCII letter: no character is cut in two, whatever the encoding. */
	length = SHOWN;
	while (length > 0 && (unsigned char) start[length - 1] >= 0x80)
		length--;
	snprintf(buffer, SHOWN + 8, "\"%.*s...\"", length, start);
	return buffer;
}

/* Hint at the known word that is nearest to the token; return whether any is near. */
static bool
hint_nearest(Parser *parser, const char *const *known, int number_known)
{
	const Token *token = &parser->token;
	const char *nearest;

	if (token->kind != TOKEN_WORD)
		return false;
	nearest = recall_nearest_word(parser->text + token->start, token->length, known, number_known);
	if (nearest == NULL)
		return false;
	recall_parse_hint(parser->error, "Perhaps you meant \"%s\".", nearest);
	return true;
}

static int
count_keywords(const Expected *expected)
{
	int count = 0;

	while (expected->keywords[count] != NULL)
		count++;
	return count;
}

/* Fail at the token, because something else was expected. */
static bool
fail_expected(Parser *parser, const Expected *expected)
{
	char found[SHOWN + 8];

	recall_parse_fail(parser->error, parser->token.start, "expected %s, found %s", expected->what,
					  describe_token(parser, found));
	hint_nearest(parser, expected->keywords, count_keywords(expected));
	return false;
}

/* Fail because a stated maximum is exceeded. */
static bool
fail_too_many(Parser *parser, int position, int maximum, const char *what)
{
	recall_parse_fail(parser->error, position, "more than %d %s", maximum, what);
	parser->error->too_large = true;
	return false;
}

static bool
expect_word(Parser *parser, const char *word)
{
	char quoted[16];
	Expected expected = { quoted, { word } };

	if (accept_word(parser, word))
		return true;
	snprintf(quoted, sizeof(quoted), "\"%s\"", word);
	return fail_expected(parser, &expected);
}

/* Numbers and durations */

/* Read a number from 1 to a maximum. */
static bool
parse_number(Parser *parser, const char *what, int maximum, int *number)
{
	const Token *token = &parser->token;
	long long value = 0;

	if (token->kind != TOKEN_NUMBER)
		return fail_expected(parser, &expected_number);
	for (int i = 0; i < token->length && value <= maximum; i++)
		value = value * 10 + (parser->text[token->start + i] - '0');
	if (value < 1 || value > maximum)
		return recall_parse_fail(parser->error, token->start, "%s must be between 1 and %d", what,
								 maximum);
	*number = (int) value;
	advance(parser);
	return true;
}

/* The seconds of the unit that the token names, or 0. */
static int
unit_seconds(const Parser *parser)
{
	static const struct
	{
		int seconds;
		const char *names[6]; /* NULL after the last one */
	} units[] = { { 1, { "s", "sec", "secs", "second", "seconds" } },
				  { 60, { "min", "mins", "minute", "minutes" } },
				  { 3600, { "h", "hr", "hrs", "hour", "hours" } },
				  { 86400, { "d", "day", "days" } },
				  { 7 * 86400, { "w", "week", "weeks" } } };

	for (int i = 0; i < LENGTH(units); i++)
		for (int j = 0; units[i].names[j] != NULL; j++)
			if (is_word(parser, units[i].names[j]))
				return units[i].seconds;
	return 0;
}

static bool
fail_unit(Parser *parser)
{
	fail_expected(parser, &expected_unit);
	if (is_word(parser, "m"))
		recall_parse_hint(parser->error, "Write \"min\" for minutes.");
	else if (parser->error->hint[0] == '\0')
		recall_parse_hint(parser->error, HINT_DURATION);
	return false;
}

static bool
fail_duration_range(Parser *parser, int position)
{
	return recall_parse_fail(parser->error, position, "a duration must be between 1 s and %d days",
							 POLICY_MAX_DURATION / 86400);
}

static bool
parse_duration(Parser *parser, int *seconds)
{
	int start = parser->token.start;
	int number;
	int unit;

	if (parser->token.kind != TOKEN_NUMBER)
	{
		fail_expected(parser, &expected_duration);
		recall_parse_hint(parser->error, HINT_DURATION);
		return false;
	}
	if (!parse_number(parser, "a duration", POLICY_MAX_DURATION, &number))
		return fail_duration_range(parser, start);
	unit = unit_seconds(parser);
	if (unit == 0)
		return fail_unit(parser);
	if (number > POLICY_MAX_DURATION / unit)
		return fail_duration_range(parser, start);
	*seconds = number * unit;
	advance(parser);
	return true;
}

/* Codes of business results */

bool
recall_policy_is_code(const char *code, int length)
{
	for (int i = 0; i < length; i++)
		if ((unsigned char) code[i] >= 0x80 ||
			!(is_letter(code[i]) || is_digit(code[i]) || code[i] == '-'))
			return false;
	return length >= 1 && length <= POLICY_MAX_CODE;
}

/* Put a code in its place among those of a selector, the last one of the pool; false when that is
 * full. */
bool
recall_policy_add_code(Policy *policy, PolicySelector *selector, const char *code, int length)
{
	unsigned char *place = policy->pool + policy->pool_size;

	for (PolicyCode other = recall_policy_first_code(policy, selector); other.text != NULL;
		 other = recall_policy_next_code(policy, selector, other))
	{
		int order = recall_compare_codes(code, length, other.text, other.length);

		if (order == 0)
			return true;
		if (order < 0)
		{
			place = (unsigned char *) other.text - 1;
			break;
		}
	}
	if (policy->pool_size + 1 + length > POLICY_MAX_SIZE)
		return false;
	memmove(place + 1 + length, place, policy->pool + policy->pool_size - place);
	*place = (unsigned char) length;
	memcpy(place + 1, code, length);
	policy->pool_size += 1 + length;
	selector->codes_size += 1 + length;
	return true;
}

static void
begin_selector(const Policy *policy, PolicySelector *selector, SelectorKind kind)
{
	*selector = (PolicySelector){ .kind = kind, .codes = policy->pool_size };
}

static bool
parse_code(Parser *parser, PolicySelector *selector)
{
	const Token *token = &parser->token;
	char shown[SHOWN + 8];

	scan_code(parser);
	if (is_sign(parser, '"'))
		return recall_parse_fail(parser->error, token->start, "a quoted code has no closing quote");
	if (token->kind != TOKEN_CODE)
		return fail_expected(parser, &expected_code);
	if (!recall_policy_is_code(parser->text + token->start, token->length))
	{
		recall_parse_fail(parser->error, token->start, "%s is not the code of a business result",
						  describe_token(parser, shown));
		recall_parse_hint(parser->error, "A code has 1 to %d letters, digits, \"_\" and \"-\".",
						  POLICY_MAX_CODE);
		return false;
	}
	if (!recall_policy_add_code(parser->policy, selector, parser->text + token->start,
								token->length))
		return fail_too_many(parser, token->start, POLICY_MAX_SIZE, "bytes of codes");
	advance(parser);
	return true;
}

/* Selectors */

/* Whether the token is the keyword of a selector, which cannot stand in a list. */
static bool
starts_selector(const Parser *parser)
{
	return is_word(parser, "failed") || is_word(parser, "answered") || is_word(parser, "class") ||
		   is_word(parser, "result");
}

/* Fail because the token is not a cause, nor a keyword that might stand in its place. */
static bool
fail_cause(Parser *parser, const Expected *expected)
{
	const Token *token = &parser->token;
	const char *word = parser->text + token->start;
	const char *known[LENGTH(expected->keywords) + NUMBER_FAILURE_CAUSES];
	int number_known = count_keywords(expected);

	memcpy(known, expected->keywords, sizeof(expected->keywords));
	for (int i = 0; i < NUMBER_FAILURE_CAUSES; i++)
		known[number_known++] = recall_failure_causes[i].name;

	fail_expected(parser, expected);
	if (token->kind != TOKEN_WORD)
		return false;
	if (expected == &expected_cause && starts_selector(parser))
		recall_parse_hint(parser->error, HINT_ONE_KIND);
	else if (recall_find_class(word, token->length) >= 0)
		recall_parse_hint(parser->error, "A class is written \"class %.*s\".", token->length, word);
	else if (!hint_nearest(parser, known, number_known))
		recall_parse_hint(parser->error,
						  "Failure causes are listed by recall.failure_causes(); a business "
						  "result is written \"result\" and its code.");
	return false;
}

static bool
fail_class(Parser *parser)
{
	const Token *token = &parser->token;

	fail_expected(parser, &expected_class);
	if (starts_selector(parser))
		recall_parse_hint(parser->error, HINT_ONE_KIND);
	else if (recall_find_cause(parser->text + token->start, token->length) >= 0)
		recall_parse_hint(parser->error, "A failure cause is written without \"class\".");
	else if (!hint_nearest(parser, recall_cause_classes, NUMBER_CAUSE_CLASSES))
		recall_parse_hint(parser->error, "Classes are listed by recall.failure_causes().");
	return false;
}

/* Read a member of the selector's list: a code, a class or a cause. */
static bool
parse_member(Parser *parser, PolicySelector *selector, const Expected *expected)
{
	const Token *token = &parser->token;
	const char *word = parser->text + token->start;
	int number;

	if (selector->kind == SELECT_RESULT)
		return parse_code(parser, selector);
	if (selector->kind == SELECT_CLASS)
		number = recall_find_class(word, token->length);
	else
		number = recall_find_cause(word, token->length);
	if (number < 0)
		return selector->kind == SELECT_CLASS ? fail_class(parser) : fail_cause(parser, expected);
	selector->members |= UINT64_C(1) << number;
	advance(parser);
	return true;
}

/* Read the keyword of a selector; without one a list of causes begins. */
static SelectorKind
parse_selector_kind(Parser *parser)
{
	if (accept_word(parser, "failed"))
		return SELECT_FAILED;
	if (accept_word(parser, "answered"))
		return SELECT_ANSWERED;
	if (accept_word(parser, "class"))
		return SELECT_CLASS;
	if (accept_word(parser, "result"))
		return SELECT_RESULT;
	return SELECT_CAUSE;
}

static bool
is_list(const PolicySelector *selector)
{
	return selector->kind != SELECT_FAILED && selector->kind != SELECT_ANSWERED;
}

/* Items */

/* Check that the item ends here; what comes too late, or is misspelt, gets a hint. */
static bool
parse_end_of_item(Parser *parser, const Expected *expected, const char *hint_order)
{
	char found[SHOWN + 8];

	if (parser->token.kind == TOKEN_END || is_sign(parser, ';'))
		return true;
	recall_parse_fail(parser->error, parser->token.start, "unexpected %s",
					  describe_token(parser, found));
	for (int i = 0; expected->keywords[i] != NULL; i++)
		if (is_word(parser, expected->keywords[i]))
		{
			recall_parse_hint(parser->error, "%s", hint_order);
			return false;
		}
	if (is_sign(parser, ','))
		recall_parse_hint(
			parser->error,
			"No list may stand here; rules, limits and quiets are separated by \";\".");
	else if (!hint_nearest(parser, expected->keywords, count_keywords(expected)))
		recall_parse_hint(
			parser->error,
			"Rules, limits and quiets are separated by \";\", the members of a list by \",\".");
	return false;
}

/* Begin a rule; NULL when there are as many as there may be. */
PolicyRule *
recall_policy_add_rule(Policy *policy, SelectorKind kind)
{
	PolicyRule *rule;

	if (policy->number_rules == POLICY_MAX_RULES)
		return NULL;
	rule = &policy->rules[policy->number_rules++];
	begin_selector(policy, &rule->selector, kind);
	return rule;
}

static bool
parse_delays(Parser *parser, PolicyRule *rule)
{
	do
	{
		if (rule->number_delays == POLICY_MAX_DELAYS)
			return fail_too_many(parser, parser->token.start, POLICY_MAX_DELAYS,
								 "delays in a rule");
		if (!parse_duration(parser, &rule->delays[rule->number_delays]))
			return false;
		rule->number_delays++;
	} while (accept_sign(parser, ','));
	return true;
}

static bool
parse_rule(Parser *parser)
{
	PolicyRule *rule;

	if (parser->policy->number_rules == POLICY_MAX_RULES)
		return fail_too_many(parser, parser->token.start, POLICY_MAX_RULES, "rules");
	rule = recall_policy_add_rule(parser->policy, parse_selector_kind(parser));
	if (is_list(&rule->selector))
	{
		if (!parse_member(parser, &rule->selector, &expected_item))
			return false;
		while (accept_sign(parser, ','))
			if (!parse_member(parser, &rule->selector, &expected_cause))
				return false;
	}

	if (accept_word(parser, "never"))
		rule->never = true;
	else
	{
		if (accept_word(parser, "after") && !parse_delays(parser, rule))
			return false;
		if (accept_word(parser, "max") &&
			!parse_number(parser, "max", POLICY_MAX_COUNT, &rule->max))
			return false;
		if (accept_word(parser, "next"))
		{
			if (!expect_word(parser, "number"))
				return false;
			rule->next_number = true;
		}
	}
	return parse_end_of_item(
		parser, &expected_rule_end,
		"The order is \"after\", \"max\", \"next number\"; \"never\" stands alone.");
}

/* Read 'per number', if it is there. */
static bool
parse_per_number(Parser *parser, bool *per_number)
{
	if (!accept_word(parser, "per"))
		return true;
	*per_number = true;
	return expect_word(parser, "number");
}

static bool
fail_period(Parser *parser)
{
	fail_expected(parser, &expected_period);
	if (unit_seconds(parser) > 0)
		recall_parse_hint(parser->error,
						  "A rolling window is written with a number, as in \"per 1 h\".");
	return false;
}

static int
compare_limits(const PolicyLimit *a, const PolicyLimit *b)
{
	if (a->period != b->period)
		return (int) a->period - (int) b->period;
	if (a->seconds != b->seconds)
		return a->seconds - b->seconds;
	if (a->calls != b->calls)
		return a->calls - b->calls;
	return a->per_number - b->per_number;
}

/* Put a limit in its place in the order, unless it is there already. */
static bool
insert_limit(Parser *parser, int position, const PolicyLimit *limit)
{
	Policy *policy = parser->policy;
	int place = 0;

	while (place < policy->number_limits && compare_limits(&policy->limits[place], limit) < 0)
		place++;
	if (place < policy->number_limits && compare_limits(&policy->limits[place], limit) == 0)
		return true;
	if (policy->number_limits == POLICY_MAX_LIMITS)
		return fail_too_many(parser, position, POLICY_MAX_LIMITS, "limits");
	memmove(&policy->limits[place + 1], &policy->limits[place],
			(policy->number_limits - place) * sizeof(PolicyLimit));
	policy->limits[place] = *limit;
	policy->number_limits++;
	return true;
}

/* Read a limit, after its keyword. */
static bool
parse_limit(Parser *parser)
{
	int position = parser->token.start;
	PolicyLimit limit = { .period = LIMIT_IN_ALL };

	if (!parse_number(parser, "limit", POLICY_MAX_COUNT, &limit.calls))
		return false;
	if (accept_word(parser, "per"))
	{
		if (accept_word(parser, "number"))
			limit.per_number = true;
		else if (accept_word(parser, "day"))
			limit.period = LIMIT_CALENDAR_DAY;
		else if (parser->token.kind != TOKEN_NUMBER)
			return fail_period(parser);
		else if (!parse_duration(parser, &limit.seconds))
			return false;
		else
			limit.period = LIMIT_ROLLING;
		if (!limit.per_number && !parse_per_number(parser, &limit.per_number))
			return false;
	}
	return parse_end_of_item(
			   parser, &expected_limit_end,
			   "The order is \"per\" and a duration or \"day\", then \"per number\".") &&
		   insert_limit(parser, position, &limit);
}

static int
compare_quiets(const Policy *policy, const PolicyQuiet *a, const PolicyQuiet *b)
{
	PolicyCode a_code = recall_policy_first_code(policy, &a->after);
	PolicyCode b_code = recall_policy_first_code(policy, &b->after);

	if (a->seconds != b->seconds)
		return a->seconds - b->seconds;
	if (a->after.kind != b->after.kind)
		return (int) a->after.kind - (int) b->after.kind;
	if (a->after.members != b->after.members)
		return a->after.members < b->after.members ? -1 : 1;
	if (a->after.kind == SELECT_RESULT)
	{
		int order = recall_compare_codes(a_code.text, a_code.length, b_code.text, b_code.length);

		if (order != 0)
			return order;
	}
	return a->per_number - b->per_number;
}

/* Put a quiet in its place in the order, unless it is there already. */
static bool
insert_quiet(Parser *parser, int position, const PolicyQuiet *quiet)
{
	Policy *policy = parser->policy;
	int place = 0;

	while (place < policy->number_quiets &&
		   compare_quiets(policy, &policy->quiets[place], quiet) < 0)
		place++;
	if (place < policy->number_quiets && compare_quiets(policy, &policy->quiets[place], quiet) == 0)
		return true;
	if (policy->number_quiets == POLICY_MAX_QUIETS)
		return fail_too_many(parser, position, POLICY_MAX_QUIETS, "quiets");
	memmove(&policy->quiets[place + 1], &policy->quiets[place],
			(policy->number_quiets - place) * sizeof(PolicyQuiet));
	policy->quiets[place] = *quiet;
	policy->number_quiets++;
	return true;
}

/* Read a quiet, after its keyword. */
static bool
parse_quiet(Parser *parser)
{
	int position = parser->token.start;
	PolicyQuiet quiet = { .per_number = false };

	if (!parse_duration(parser, &quiet.seconds) || !expect_word(parser, "after"))
		return false;
	if (is_word(parser, "failed"))
		return fail_expected(parser, &expected_quiet_after);
	begin_selector(parser->policy, &quiet.after, parse_selector_kind(parser));
	if (is_list(&quiet.after) && !parse_member(parser, &quiet.after, &expected_quiet_after))
		return false;
	return parse_per_number(parser, &quiet.per_number) &&
		   parse_end_of_item(parser, &expected_limit_end,
							 "\"per number\" is the end of a quiet.") &&
		   insert_quiet(parser, position, &quiet);
}

static bool
parse_item(Parser *parser)
{
	if (accept_word(parser, "limit"))
		return parse_limit(parser);
	if (accept_word(parser, "quiet"))
		return parse_quiet(parser);
	return parse_rule(parser);
}

bool
recall_policy_parse(const char *text, size_t length, Policy *policy, ParseError *error)
{
	Parser parser = { .text = text, .length = (int) length, .policy = policy, .error = error };

	memset(policy, 0, sizeof(Policy));
	if (length > POLICY_MAX_TEXT)
	{
		recall_parse_fail(error, 0, "the text is longer than %d bytes", POLICY_MAX_TEXT);
		error->too_large = true;
		return false;
	}
	scan(&parser, 0);
	if (parser.token.kind != TOKEN_END)
		do
		{
			if (!parse_item(&parser))
				return false;
		} while (accept_sign(&parser, ';') && parser.token.kind != TOKEN_END);
	if (policy->number_rules == 0)
		recall_policy_add_rule(policy, SELECT_FAILED);
	return true;
}
