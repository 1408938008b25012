/*
 * policy_text.c
 *		Fuzz target: any bytes as the text of a policy.
 *
 * A text is refused with a sound error, or its policy prints as a text that parses to the same
 * policy, and its stored form is read as the same policy. The input is not terminated.
 */
#include "policy_check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Policy policy;
	static PackedPolicy packed;
	static PolicyText text;

	if (!check_policy_parse((const char *) data, size, &policy))
		return 0;
	check_policy_print(&policy, &text);
	if (!check_policy_pack(&policy, &packed))
		return 0;
	EXPECT(text.length < POLICY_MAX_TEXT); /* what can be stored is printed whole */

	EXPECT(check_policy_parse(text.text, text.length, &policy));
	check_policy_is(&policy, &packed, &text);

	fuzz_litter(&policy, sizeof(policy));
	EXPECT(recall_policy_unpack(packed.bytes, packed.size, &policy));
	check_policy_is(&policy, &packed, &text);
	return 0;
}
