/*
 * policy_check.h
 *		The functions on policies, with what holds for each of them checked.
 */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "fuzz.h"
#include "policy.h"

/* Parse; false when the text is refused. */
extern bool check_policy_parse(const char *text, size_t length, Policy *policy);

/* Pack; false when the policy is too large to be stored. */
extern bool check_policy_pack(const Policy *policy, PackedPolicy *packed);

/* Print. */
extern void check_policy_print(const Policy *policy, PolicyText *out);

/* Expect that a policy has this stored form and this text. */
extern void check_policy_is(const Policy *policy, const PackedPolicy *packed,
							const PolicyText *text);

#endif /* POLICY_CHECK_H */
