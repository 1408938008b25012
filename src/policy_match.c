/*
 * policy_match.c
 *		Which rule of a policy an outcome matches, and which quiets follow it.
 *
 * Pure C without the server. A matcher holds the answer for every failure cause, and a sorted
 * list of the business results that are named; of the two answers for an outcome the rule written
 * first wins.
 */
#include <stdlib.h>
#include <string.h>

#include "policy.h"

/* Give the causes that a selector selects. */
static uint64_t
selected_causes(const PolicySelector *selector)
{
	uint64_t causes = 0;

	switch (selector->kind)
	{
		case SELECT_FAILED: return recall_causes_of_failed();
		case SELECT_CAUSE: return selector->members;
		case SELECT_CLASS:
			for (int i = 0; i < NUMBER_CAUSE_CLASSES; i++)
				if (selector->members >> i & 1)
					causes |= recall_causes_of_class(i);
			return causes;
		case SELECT_ANSWERED:
		case SELECT_RESULT: break;
	}
	return 0;
}

/* Order by code, then by place in the policy. */
static int
compare_code_rules(const void *a, const void *b)
{
	const CodeRule *left = a;
	const CodeRule *right = b;
	int order = recall_compare_codes(left->code.text, left->code.length, right->code.text,
									 right->code.length);

	return order != 0 ? order : abs(left->rule) - abs(right->rule);
}

static bool
same_code(const PolicyCode *a, const PolicyCode *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Sort the codes and keep each with the first rule that names it. */
static void
settle_codes(PolicyMatcher *matcher)
{
	int kept = 0;

	if (matcher->number_codes == 0)
		return;
	qsort(matcher->codes, matcher->number_codes, sizeof(CodeRule), compare_code_rules);
	for (int i = 1; i < matcher->number_codes; i++)
		if (!same_code(&matcher->codes[i].code, &matcher->codes[kept].code))
			matcher->codes[++kept] = matcher->codes[i];
	matcher->number_codes = kept + 1;
}

/* The bytes that the matcher of a policy needs. */
size_t
recall_policy_matcher_size(const Policy *policy)
{
	size_t number_codes = 0;

	for (int i = 0; i < policy->number_rules; i++)
		for (PolicyCode code = recall_policy_first_code(policy, &policy->rules[i].selector);
			 code.text != NULL;
			 code = recall_policy_next_code(policy, &policy->rules[i].selector, code))
			number_codes++;
	return sizeof(PolicyMatcher) + number_codes * sizeof(CodeRule);
}

void
recall_policy_make_matcher(const Policy *policy, PolicyMatcher *matcher)
{
	memset(matcher, 0, sizeof(PolicyMatcher));
	matcher->policy = policy;
	for (int i = 0; i < policy->number_rules; i++)
	{
		const PolicySelector *selector = &policy->rules[i].selector;
		int rule = policy->rules[i].never ? -(i + 1) : i + 1;
		uint64_t causes = selected_causes(selector);

		if (selector->kind == SELECT_ANSWERED && matcher->by_cause[0] == 0)
			matcher->by_cause[0] = rule;
		for (int cause = 0; cause < NUMBER_FAILURE_CAUSES; cause++)
			if ((causes >> cause & 1) && matcher->by_cause[1 + cause] == 0)
				matcher->by_cause[1 + cause] = rule;
		for (PolicyCode code = recall_policy_first_code(policy, selector); code.text != NULL;
			 code = recall_policy_next_code(policy, selector, code))
			matcher->codes[matcher->number_codes++] = (CodeRule){ code, rule };
	}
	settle_codes(matcher);
	for (int i = 0; i < policy->number_quiets; i++)
	{
		const PolicySelector *after = &policy->quiets[i].after;
		uint64_t causes = selected_causes(after);

		if (after->kind == SELECT_ANSWERED)
			matcher->quiets_by_cause[0] |= UINT32_C(1) << i;
		for (int cause = 0; cause < NUMBER_FAILURE_CAUSES; cause++)
			if (causes >> cause & 1)
				matcher->quiets_by_cause[1 + cause] |= UINT32_C(1) << i;
	}
}

/* Find the rule for a business result. */
static int
rule_of_code(const PolicyMatcher *matcher, const char *result, int length)
{
	int low = 0;
	int high = matcher->number_codes;

	while (low < high)
	{
		int middle = (low + high) / 2;
		const CodeRule *candidate = &matcher->codes[middle];
		int order =
			recall_compare_codes(result, length, candidate->code.text, candidate->code.length);

		if (order == 0)
			return candidate->rule;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 0;
}

/* The first rule that matches an outcome; the result is NULL when the call has none. */
int
recall_policy_match(const PolicyMatcher *matcher, int cause, const char *result, int length)
{
	int by_cause = matcher->by_cause[1 + cause];
	int by_result = result == NULL ? 0 : rule_of_code(matcher, result, length);

	if (by_result == 0 || (by_cause != 0 && abs(by_cause) < abs(by_result)))
		return by_cause;
	return by_result;
}

uint32_t
recall_policy_quiets(const PolicyMatcher *matcher, int cause, const char *result, int length)
{
	const Policy *policy = matcher->policy;
	uint32_t quiets = matcher->quiets_by_cause[1 + cause];

	for (int i = 0; result != NULL && i < policy->number_quiets; i++)
	{
		/* A quiet names one code. */
		PolicyCode code = recall_policy_first_code(policy, &policy->quiets[i].after);

		if (code.text != NULL && recall_compare_codes(result, length, code.text, code.length) == 0)
			quiets |= UINT32_C(1) << i;
	}
	return quiets;
}
