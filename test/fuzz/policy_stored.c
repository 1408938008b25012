/*
 * policy_stored.c
 *		Fuzz target: any bytes as the stored form of a policy.
 *
 * Bytes are refused, or make a policy that is stored as these bytes, prints as a text that parses,
 * and can be matched. They need not be those that the text gives: lists may be in another order.
 */
#include <stdlib.h>

#include "policy_check.h"

/* Expect that outcomes match a rule of the policy, or none. */
static void
check_match(const Policy *policy)
{
	PolicyMatcher *matcher = malloc(recall_policy_matcher_size(policy));

	recall_policy_make_matcher(policy, matcher);
	for (int cause = CAUSE_ANSWERED; cause < NUMBER_FAILURE_CAUSES; cause++)
		EXPECT(abs(recall_policy_match(matcher, cause, NULL, 0)) <= policy->number_rules);
	for (int i = 0; i < policy->number_rules; i++)
	{
		const PolicySelector *selector = &policy->rules[i].selector;

		for (PolicyCode code = recall_policy_first_code(policy, selector); code.text != NULL;
			 code = recall_policy_next_code(policy, selector, code))
		{
			int rule = abs(recall_policy_match(matcher, CAUSE_ANSWERED, code.text, code.length));

			EXPECT(rule >= 1);
			EXPECT(rule <= i + 1);
			/* Part of a code may be nobody's. */
			rule = abs(recall_policy_match(matcher, CAUSE_ANSWERED, code.text, code.length - 1));
			EXPECT(rule <= policy->number_rules);
		}
	}
	free(matcher);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Policy policy;
	static PackedPolicy packed;
	static PolicyText text;

	fuzz_litter(&policy, sizeof(policy));
	if (!recall_policy_unpack(data, size, &policy))
		return 0;
	EXPECT(check_policy_pack(&policy, &packed));
	EXPECT((size_t) packed.size == size);
	EXPECT(memcmp(packed.bytes, data, size) == 0);
	check_match(&policy);

	check_policy_print(&policy, &text);
	EXPECT(text.length < POLICY_MAX_TEXT); /* it is printed whole */
	EXPECT(check_policy_parse(text.text, text.length, &policy));
	return 0;
}
