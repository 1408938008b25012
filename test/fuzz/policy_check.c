/*
 * policy_check.c
 *		The functions on policies, with what holds for each of them checked.
 */
#include "policy_check.h"

bool
check_policy_parse(const char *text, size_t length, Policy *policy)
{
	ParseError error;

	fuzz_litter(policy, sizeof(*policy));
	fuzz_litter(&error, sizeof(error));
	if (recall_policy_parse(text, length, policy, &error))
		return true;
	fuzz_check_error(text, length, &error);
	return false;
}

bool
check_policy_pack(const Policy *policy, PackedPolicy *packed)
{
	ParseError error;

	fuzz_litter(&error, sizeof(error));
	if (recall_policy_pack(policy, packed, &error))
	{
		EXPECT(packed->size > 0);
		EXPECT(packed->size <= POLICY_MAX_SIZE);
		return true;
	}
	fuzz_check_error("", 0, &error);
	EXPECT(error.too_large);
	return false;
}

void
check_policy_print(const Policy *policy, PolicyText *out)
{
	out->length = 0;
	recall_policy_print(policy, out);
	EXPECT(out->length > 0);
	EXPECT(out->length <= POLICY_MAX_TEXT);
	EXPECT(out->text[out->length] == '\0');
}

void
check_policy_is(const Policy *policy, const PackedPolicy *packed, const PolicyText *text)
{
	static PackedPolicy packed_again;
	static PolicyText text_again;

	EXPECT(check_policy_pack(policy, &packed_again));
	EXPECT(packed_again.size == packed->size);
	EXPECT(memcmp(packed_again.bytes, packed->bytes, packed->size) == 0);

	check_policy_print(policy, &text_again);
	EXPECT(text_again.length == text->length);
	EXPECT(memcmp(text_again.text, text->text, text->length) == 0);
}
