/*
 * policy_print.c
 *		The canonical text of a policy, which parses to the same policy.
 *
 * Pure C without the server. The text of the largest policy that can be stored is shorter than
 * what the parser reads: a rule with every cause and sixteen of the longest delays has some 700
 * bytes, 64 of them 45 000, and codes take at most twice the bytes that they are stored in.
 */
#include <stdio.h>
#include <string.h>

#include "policy.h"

static void
put_bytes(PolicyText *out, const char *bytes, int length)
{
	if (length > POLICY_MAX_TEXT - out->length)
		length = POLICY_MAX_TEXT - out->length; /* cannot happen, see above */
	memcpy(out->text + out->length, bytes, length);
	out->length += length;
	out->text[out->length] = '\0';
}

static void
put(PolicyText *out, const char *string)
{
	put_bytes(out, string, (int) strlen(string));
}

static void
put_number(PolicyText *out, int number)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", number);
	put(out, digits);
}

/* Print a duration in the largest unit in which it is whole; a single day stays in hours. */
void
recall_policy_print_duration(int seconds, PolicyText *out)
{
	static const struct
	{
		int seconds;
		const char *name;
	} units[] = { { 86400, " days" }, { 3600, " h" }, { 60, " min" }, { 1, " s" } };
	/* "24 h", so that nobody takes the rolling "per 24 h" for the calendar's "per day". */
	int i = seconds == 86400 ? 1 : 0;

	while (seconds % units[i].seconds != 0)
		i++;
	put_number(out, seconds / units[i].seconds);
	put(out, units[i].name);
}

/* Print the names of a set in catalogue order. */
static void
put_members(PolicyText *out, const PolicySelector *selector)
{
	const char *separator = "";

	for (int i = 0; i < 64; i++)
	{
		if ((selector->members >> i & 1) == 0)
			continue;
		put(out, separator);
		put(out, selector->kind == SELECT_CLASS ? recall_cause_classes[i]
												: recall_failure_causes[i].name);
		separator = ", ";
	}
}

/* Print a code, in quotes where it would begin a comment. */
static void
put_code(PolicyText *out, PolicyCode code)
{
	const char *quote = "";

	for (int i = 0; i + 1 < code.length; i++)
		if (code.text[i] == '-' && code.text[i + 1] == '-')
			quote = "\"";
	put(out, quote);
	put_bytes(out, code.text, code.length);
	put(out, quote);
}

static void
put_codes(PolicyText *out, const Policy *policy, const PolicySelector *selector)
{
	const char *separator = "";

	for (PolicyCode code = recall_policy_first_code(policy, selector); code.text != NULL;
		 code = recall_policy_next_code(policy, selector, code))
	{
		put(out, separator);
		put_code(out, code);
		separator = ", ";
	}
}

void
recall_policy_print_selector(const Policy *policy, const PolicySelector *selector, PolicyText *out)
{
	switch (selector->kind)
	{
		case SELECT_FAILED: put(out, "failed"); break;
		case SELECT_ANSWERED: put(out, "answered"); break;
		case SELECT_CLASS:
			put(out, "class ");
			put_members(out, selector);
			break;
		case SELECT_CAUSE: put_members(out, selector); break;
		case SELECT_RESULT:
			put(out, "result ");
			put_codes(out, policy, selector);
			break;
	}
}

void
recall_policy_print_rule(const Policy *policy, const PolicyRule *rule, PolicyText *out)
{
	recall_policy_print_selector(policy, &rule->selector, out);
	if (rule->never)
		put(out, " never");
	for (int i = 0; i < rule->number_delays; i++)
	{
		put(out, i == 0 ? " after " : ", ");
		recall_policy_print_duration(rule->delays[i], out);
	}
	if (rule->max > 0)
	{
		put(out, " max ");
		put_number(out, rule->max);
	}
	if (rule->next_number)
		put(out, " next number");
}

void
recall_policy_print_limit(const PolicyLimit *limit, PolicyText *out)
{
	put(out, "limit ");
	put_number(out, limit->calls);
	if (limit->period == LIMIT_CALENDAR_DAY)
		put(out, " per day");
	if (limit->period == LIMIT_ROLLING)
	{
		put(out, " per ");
		recall_policy_print_duration(limit->seconds, out);
	}
	if (limit->per_number)
		put(out, " per number");
}

void
recall_policy_print_quiet(const Policy *policy, const PolicyQuiet *quiet, PolicyText *out)
{
	put(out, "quiet ");
	recall_policy_print_duration(quiet->seconds, out);
	put(out, " after ");
	recall_policy_print_selector(policy, &quiet->after, out);
	if (quiet->per_number)
		put(out, " per number");
}

/* Print the whole policy. */
void
recall_policy_print(const Policy *policy, PolicyText *out)
{
	for (int i = 0; i < policy->number_rules; i++)
	{
		put(out, i == 0 ? "" : "; ");
		recall_policy_print_rule(policy, &policy->rules[i], out);
	}
	for (int i = 0; i < policy->number_limits; i++)
	{
		put(out, "; ");
		recall_policy_print_limit(&policy->limits[i], out);
	}
	for (int i = 0; i < policy->number_quiets; i++)
	{
		put(out, "; ");
		recall_policy_print_quiet(policy, &policy->quiets[i], out);
	}
}
