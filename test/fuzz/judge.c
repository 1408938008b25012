/*
 * judge.c
 *		Fuzz target: a contact's calls before a policy.
 *
 * The input is the text of a policy up to a NUL, then a few bytes about the contact, then eleven
 * for each call, every other one perhaps another contact's. Whatever the calls are, the judgement
 * is the same whether it is explained or not, a recall has a number that may be called and is not
 * due before the latest call was over, and a replay makes some of the calls and not more.
 */
#include <stdlib.h>

#include "judge.h"
#include "policy_check.h"

#define MICROSECONDS INT64_C(1000000)
#define DAY (86400 * MICROSECONDS)
#define MAX_CALLS 40
#define CALL_BYTES 11

/* A clock in UTC. */
static int64_t
day_of(void *zone, int64_t instant)
{
	return instant / DAY - (instant % DAY < 0);
}

static int64_t
end_of(void *zone, int64_t day)
{
	return (day + 1) * DAY;
}

static void
breathe(void)
{
}

static uint32_t
number_at(const uint8_t *data)
{
	return data[0] | (uint32_t) data[1] << 8 | (uint32_t) data[2] << 16 | (uint32_t) data[3] << 24;
}

static JudgedCall
read_call(const uint8_t *data, const PolicyMatcher *matcher, int attempt, int number_numbers)
{
	JudgedCall call = { .attempt = attempt, .origin = attempt };
	const char *result = data[1] & 1 ? "x" : NULL;

	call.cause = data[0] % (NUMBER_FAILURE_CAUSES + 1) - 1;
	call.number = data[2] % (number_numbers + 1) - 1;
	call.started_at = (int64_t) number_at(data + 3) * 10 * MICROSECONDS;
	call.ended_at = call.started_at + (int64_t) (number_at(data + 7) % 100000) * MICROSECONDS;
	call.rule = recall_policy_match(matcher, call.cause, result, 1);
	call.quiets = recall_policy_quiets(matcher, call.cause, result, 1);
	return call;
}

static int
by_beginning(const void *a, const void *b)
{
	int64_t left = ((const JudgedCall *) a)->started_at;
	int64_t right = ((const JudgedCall *) b)->started_at;

	return (left > right) - (left < right);
}

typedef struct Findings
{
	const JudgedContact *contact;
	int count;
	int chosen;
} Findings;

static void
check_finding(void *state, const Finding *finding)
{
	Findings *findings = state;

	findings->count++;
	EXPECT((int) finding->check >= 0 && (int) finding->check < NUMBER_CHECKS);
	EXPECT(finding->number >= -1 && finding->number < findings->contact->number_numbers);
	EXPECT(finding->item >= -1 && finding->item < POLICY_MAX_RULES);
	EXPECT(finding->used >= 0);
	if (finding->check == CHECK_NUMBER)
		findings->chosen = finding->number;
}

static void
check_judgement(const JudgedContact *contact)
{
	Findings findings = { contact, 0, -1 };
	Judgement judgement = recall_judge(contact, NULL);
	Judgement explained = recall_judge(contact, &(FindingSink){ check_finding, &findings });
	Verdict verdict = recall_reasons[judgement.reason].verdict;
	int made = recall_replay(contact);

	EXPECT(explained.reason == judgement.reason);
	EXPECT(explained.item == judgement.item);
	EXPECT(findings.count > 0);
	EXPECT((verdict == VERDICT_NEW) == (contact->own.count == 0));
	EXPECT(made <= contact->own.count);
	EXPECT((made > 0) == (contact->own.count > 0));
	if (verdict != VERDICT_RECALL)
		return;
	EXPECT(explained.number == judgement.number);
	EXPECT(explained.due_at == judgement.due_at);
	EXPECT(judgement.number == findings.chosen);
	EXPECT(judgement.number >= 0 && judgement.number < contact->number_numbers);
	EXPECT((contact->suppressed >> judgement.number & 1) == 0);
	EXPECT(judgement.due_at >= contact->own.calls[contact->own.count - 1].ended_at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Policy policy;
	const uint8_t *end = memchr(data, '\0', size);
	size_t left;
	PolicyMatcher *matcher;
	JudgedCall own[MAX_CALLS];
	JudgedCall all[MAX_CALLS];
	int64_t scratch[MAX_CALLS];
	JudgedContact contact = {
		.policy = &policy, .days = { day_of, end_of, NULL }, .scratch = scratch, .breathe = breathe
	};

	if (end == NULL || !check_policy_parse((const char *) data, end - data, &policy))
		return 0;
	left = size - (end - data) - 1;
	if (left < 3)
		return 0;
	data = end + 1;
	contact.number_numbers = 1 + data[0] % 10;
	contact.suppressed = data[1] | (uint64_t) data[2] << 8;
	matcher = malloc(recall_policy_matcher_size(&policy));
	recall_policy_make_matcher(&policy, matcher);

	contact.to_numbers.calls = all;
	for (data += 3, left -= 3; left >= CALL_BYTES && contact.to_numbers.count < MAX_CALLS;
		 data += CALL_BYTES, left -= CALL_BYTES)
	{
		JudgedCall call = read_call(data, matcher, contact.own.count + 1, contact.number_numbers);

		all[contact.to_numbers.count++] = call;
		if ((data[1] & 2) == 0)
			own[contact.own.count++] = call;
	}
	qsort(all, contact.to_numbers.count, sizeof(*all), by_beginning);
	contact.own.calls = own;
	check_judgement(&contact);
	contact.to_numbers = contact.own;
	check_judgement(&contact);
	free(matcher);
	return 0;
}
