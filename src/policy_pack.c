/*
 * policy_pack.c
 *		The stored form of a policy: a string of bytes, the same on every machine.
 *
 *	policy   := format version, numbers of rules, limits and quiets (a byte each), then those
 *	rule     := flags and selector, number of delays (byte), delays (4 bytes each), max (2)
 *	limit    := flags and period (byte), calls (2), seconds (4)
 *	quiet    := flags and selector, seconds (4)
 *	selector := members (8) of classes and causes; size (2) and codes of results
 *
 * Numbers have their low byte first. There is neither padding nor anything of a database in it, so
 * equal policies have equal bytes. Reading checks whatever the parser does, except for the order in
 * lists, so that damaged bytes are refused, or make a policy that could have been written.
 */
#include <string.h>

#include "policy.h"

#define FORMAT_VERSION 1

/* The low bits of a first byte hold the selector's kind or the limit's period. */
#define KIND_MASK 0x0F
#define FLAG_NEVER 0x10
#define FLAG_NEXT_NUMBER 0x20
#define FLAG_PER_NUMBER 0x40

/* The codes of selectors */

static PolicyCode
code_at(const Policy *policy, const PolicySelector *selector, int position)
{
	if (position >= selector->codes + selector->codes_size)
		return (PolicyCode){ NULL, 0 };
	return (PolicyCode){ (const char *) &policy->pool[position + 1], policy->pool[position] };
}

PolicyCode
recall_policy_first_code(const Policy *policy, const PolicySelector *selector)
{
	return code_at(policy, selector, selector->codes);
}

PolicyCode
recall_policy_next_code(const Policy *policy, const PolicySelector *selector, PolicyCode code)
{
	return code_at(policy, selector, (int) (code.text + code.length - (const char *) policy->pool));
}

int
recall_compare_codes(const char *a, int a_length, const char *b, int b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order != 0 ? order : a_length - b_length;
}

/* Writing */

static void
put(PackedPolicy *packed, bool *full, const void *bytes, int size)
{
	if (packed->size + size > POLICY_MAX_SIZE)
	{
		*full = true;
		return;
	}
	memcpy(packed->bytes + packed->size, bytes, size);
	packed->size += size;
}

static void
put_number(PackedPolicy *packed, bool *full, uint64_t number, int size)
{
	unsigned char bytes[8];

	for (int i = 0; i < size; i++)
		bytes[i] = (unsigned char) (number >> (8 * i));
	put(packed, full, bytes, size);
}

static void
put_selector(PackedPolicy *packed, bool *full, const Policy *policy, const PolicySelector *selector,
			 int flags)
{
	put_number(packed, full, selector->kind | flags, 1);
	if (selector->kind == SELECT_CLASS || selector->kind == SELECT_CAUSE)
		put_number(packed, full, selector->members, 8);
	else if (selector->kind == SELECT_RESULT)
	{
		put_number(packed, full, selector->codes_size, 2);
		put(packed, full, policy->pool + selector->codes, selector->codes_size);
	}
}

/* Write the stored form; fail when it exceeds the maximum size. */
bool
recall_policy_pack(const Policy *policy, PackedPolicy *packed, ParseError *error)
{
	bool full = false;

	packed->size = 0;
	put_number(packed, &full, FORMAT_VERSION, 1);
	put_number(packed, &full, policy->number_rules, 1);
	put_number(packed, &full, policy->number_limits, 1);
	put_number(packed, &full, policy->number_quiets, 1);
	for (int i = 0; i < policy->number_rules; i++)
	{
		const PolicyRule *rule = &policy->rules[i];

		put_selector(packed, &full, policy, &rule->selector,
					 (rule->never ? FLAG_NEVER : 0) | (rule->next_number ? FLAG_NEXT_NUMBER : 0));
		put_number(packed, &full, rule->number_delays, 1);
		for (int j = 0; j < rule->number_delays; j++)
			put_number(packed, &full, rule->delays[j], 4);
		put_number(packed, &full, rule->max, 2);
	}
	for (int i = 0; i < policy->number_limits; i++)
	{
		const PolicyLimit *limit = &policy->limits[i];

		put_number(packed, &full, limit->period | (limit->per_number ? FLAG_PER_NUMBER : 0), 1);
		put_number(packed, &full, limit->calls, 2);
		put_number(packed, &full, limit->seconds, 4);
	}
	for (int i = 0; i < policy->number_quiets; i++)
	{
		const PolicyQuiet *quiet = &policy->quiets[i];

		put_selector(packed, &full, policy, &quiet->after, quiet->per_number ? FLAG_PER_NUMBER : 0);
		put_number(packed, &full, quiet->seconds, 4);
	}
	if (!full)
		return true;
	recall_parse_fail(error, 0, "the policy needs more than %d bytes", POLICY_MAX_SIZE);
	error->too_large = true;
	return false;
}

/* Reading */

typedef struct Reader
{
	const unsigned char *next;
	const unsigned char *end;
	bool damaged;
} Reader;

/* Take a number that lies between two others. */
static uint64_t
take_number(Reader *reader, int size, uint64_t minimum, uint64_t maximum)
{
	uint64_t number = 0;

	if (reader->end - reader->next < size)
	{
		reader->damaged = true;
		return 0;
	}
	for (int i = 0; i < size; i++)
		number |= (uint64_t) reader->next[i] << (8 * i);
	reader->next += size;
	if (number < minimum || number > maximum)
	{
		reader->damaged = true;
		return 0;
	}
	return number;
}

/* Take a first byte: flags, of which only some are known, and a kind or a period. */
static int
take_flags(Reader *reader, int known, int *kind)
{
	int first = (int) take_number(reader, 1, 0, 0xFF);

	*kind = first & KIND_MASK;
	if ((first & ~KIND_MASK & ~known) != 0)
		reader->damaged = true;
	return first & known;
}

/* Take a set of classes or causes. */
static uint64_t
take_members(Reader *reader, int count)
{
	return take_number(reader, 8, 1, (UINT64_C(1) << count) - 1);
}

/* Take codes into the pool, checking each. */
static void
take_codes(Reader *reader, Policy *policy, PolicySelector *selector)
{
	int size = (int) take_number(reader, 2, 1, POLICY_MAX_SIZE - policy->pool_size);

	if (reader->end - reader->next < size)
	{
		reader->damaged = true;
		return;
	}
	selector->codes = policy->pool_size;
	selector->codes_size = size;
	memcpy(policy->pool + policy->pool_size, reader->next, size);
	policy->pool_size += size;
	reader->next += size;
	for (int i = selector->codes; i < policy->pool_size; i += 1 + policy->pool[i])
		if (policy->pool[i] >= policy->pool_size - i ||
			!recall_policy_is_code((const char *) &policy->pool[i + 1], policy->pool[i]))
		{
			reader->damaged = true;
			return;
		}
}

static int
take_selector(Reader *reader, Policy *policy, PolicySelector *selector, int known_flags)
{
	int kind;
	int flags = take_flags(reader, known_flags, &kind);

	selector->kind = kind;
	if (selector->kind == SELECT_CLASS)
		selector->members = take_members(reader, NUMBER_CAUSE_CLASSES);
	else if (selector->kind == SELECT_CAUSE)
		selector->members = take_members(reader, NUMBER_FAILURE_CAUSES);
	else if (selector->kind == SELECT_RESULT)
		take_codes(reader, policy, selector);
	else if (selector->kind != SELECT_FAILED && selector->kind != SELECT_ANSWERED)
		reader->damaged = true;
	return flags;
}

static void
take_rule(Reader *reader, Policy *policy, PolicyRule *rule)
{
	int flags = take_selector(reader, policy, &rule->selector, FLAG_NEVER | FLAG_NEXT_NUMBER);

	rule->never = (flags & FLAG_NEVER) != 0;
	rule->next_number = (flags & FLAG_NEXT_NUMBER) != 0;
	rule->number_delays = (int) take_number(reader, 1, 0, POLICY_MAX_DELAYS);
	for (int i = 0; i < rule->number_delays; i++)
		rule->delays[i] = (int) take_number(reader, 4, 1, POLICY_MAX_DURATION);
	rule->max = (int) take_number(reader, 2, 0, POLICY_MAX_COUNT);
	if (rule->never && (rule->number_delays > 0 || rule->max > 0 || rule->next_number))
		reader->damaged = true;
}

static void
take_limit(Reader *reader, PolicyLimit *limit)
{
	int period;
	bool rolling;

	limit->per_number = take_flags(reader, FLAG_PER_NUMBER, &period) != 0;
	limit->period = period;
	rolling = limit->period == LIMIT_ROLLING;
	limit->calls = (int) take_number(reader, 2, 1, POLICY_MAX_COUNT);
	limit->seconds =
		(int) take_number(reader, 4, rolling ? 1 : 0, rolling ? POLICY_MAX_DURATION : 0);
	if (!rolling && limit->period != LIMIT_IN_ALL && limit->period != LIMIT_CALENDAR_DAY)
		reader->damaged = true;
}

/* Whether a selector of a list has one member. */
static bool
is_single(const Policy *policy, const PolicySelector *selector)
{
	PolicyCode code = recall_policy_first_code(policy, selector);

	if (code.text != NULL)
		return recall_policy_next_code(policy, selector, code).text == NULL;
	return (selector->members & (selector->members - 1)) == 0;
}

static void
take_quiet(Reader *reader, Policy *policy, PolicyQuiet *quiet)
{
	quiet->per_number = take_selector(reader, policy, &quiet->after, FLAG_PER_NUMBER) != 0;
	quiet->seconds = (int) take_number(reader, 4, 1, POLICY_MAX_DURATION);
	if (quiet->after.kind == SELECT_FAILED || !is_single(policy, &quiet->after))
		reader->damaged = true;
}

/* Read the stored form; return false when it is damaged or of a later format. */
bool
recall_policy_unpack(const unsigned char *bytes, size_t size, Policy *policy)
{
	Reader reader = { bytes, bytes + size, false };

	memset(policy, 0, offsetof(Policy, pool));
	if (size > POLICY_MAX_SIZE || take_number(&reader, 1, 0, 0xFF) != FORMAT_VERSION)
		return false;
	policy->number_rules = (int) take_number(&reader, 1, 1, POLICY_MAX_RULES);
	policy->number_limits = (int) take_number(&reader, 1, 0, POLICY_MAX_LIMITS);
	policy->number_quiets = (int) take_number(&reader, 1, 0, POLICY_MAX_QUIETS);
	for (int i = 0; i < policy->number_rules; i++)
		take_rule(&reader, policy, &policy->rules[i]);
	for (int i = 0; i < policy->number_limits; i++)
		take_limit(&reader, &policy->limits[i]);
	for (int i = 0; i < policy->number_quiets; i++)
		take_quiet(&reader, policy, &policy->quiets[i]);
	return !reader.damaged && reader.next == reader.end;
}
