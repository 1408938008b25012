/*
 * judge.c
 *		Whether, when and on which number a contact is called again.
 *
 * Pure C without the server, and without a clock. The checks are made one after the other; the
 * first that fails gives the judgement. Whoever wants to know why gets the finding of each.
 * doc/verdict.md says in words what is coded here.
 */
#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define PLATFORM_FAILURES 10 /* in a row, that stop a contact */
#define MICROSECONDS INT64_C(1000000)

const char *const recall_verdicts[] = {
	[VERDICT_RECALL] = "recall",		 [VERDICT_DONE] = "done",
	[VERDICT_STOPPED] = "stopped",		 [VERDICT_EXHAUSTED] = "exhausted",
	[VERDICT_SUPPRESSED] = "suppressed", [VERDICT_NEW] = "new",
};

/* clang-format off */
const ReasonMeaning recall_reasons[NUMBER_REASONS] = {
	[REASON_RULE] = {VERDICT_RECALL, ITEM_RULE, "a rule recalls this outcome"},
	[REASON_NOT_CALLED] = {VERDICT_NEW, ITEM_NONE, "not called yet"},
	[REASON_NEVER] = {VERDICT_STOPPED, ITEM_RULE, "a rule says never"},
	[REASON_PLATFORM] = {VERDICT_STOPPED, ITEM_NONE, "platform: the last ten calls failed on the side of an agent or the platform"},
	[REASON_NO_RULE] = {VERDICT_DONE, ITEM_NONE, "no rule recalls this outcome"},
	[REASON_NEVER_ATTEMPT] = {VERDICT_DONE, ITEM_RULE, "a rule says never, of this attempt only"},
	[REASON_NEVER_NUMBER] = {VERDICT_DONE, ITEM_RULE, "a rule says never, of this number only"},
	[REASON_LIMIT] = {VERDICT_EXHAUSTED, ITEM_LIMIT, "the limit is reached"},
	[REASON_MAX] = {VERDICT_EXHAUSTED, ITEM_RULE, "the maximum of the rule is reached"},
	[REASON_NO_NUMBER] = {VERDICT_EXHAUSTED, ITEM_RULE, "no number is left that may be called"},
	[REASON_SUPPRESSED] = {VERDICT_SUPPRESSED, ITEM_RULE, "every number that is left is suppressed"},
};

const char *const recall_checks[NUMBER_CHECKS] = {
	[CHECK_CALLED] = "called",					/* used: calls */
	[CHECK_NEVER] = "never",					/* item: the rule; used: the attempt */
	[CHECK_PLATFORM] = "platform",				/* used: failures in a row; allowed: those that stop */
	[CHECK_RULE] = "rule",						/* item: the rule of the latest call */
	[CHECK_LIMIT] = "limit",					/* item: the limit; used: calls */
	[CHECK_MAX] = "max",						/* item: the rule; used: its matches */
	[CHECK_INVALID_NUMBER] = "invalid number",	/* number */
	[CHECK_NUMBER_LIMIT] = "number limit",		/* number; item: the limit; used: calls to it */
	[CHECK_SUPPRESSION] = "suppression",		/* number */
	[CHECK_NUMBER] = "number",					/* number: the one to call */
	[CHECK_DELAY] = "delay",					/* item: the rule; used: its matches, of any class */
	[CHECK_PERIOD] = "period",					/* item: the limit; used: all calls; instant */
	[CHECK_QUIET] = "quiet",					/* item: the quiet; used: calls that it follows; instant */
};
/* clang-format on */

/* A contact before the judge. */
typedef struct Hearing
{
	const JudgedContact *contact;
	const Policy *policy;
	const JudgedCall *latest;
	int rule;		  /* of the policy, from 0, that recalls; -1 = none */
	int first_number; /* to try */
	const FindingSink *sink;
	bool is_decided;
	Judgement judgement;
} Hearing;

/* Decide, unless an earlier check has. */
static void
decide(Hearing *hearing, Reason reason, int item)
{
	if (hearing->is_decided)
		return;
	hearing->is_decided = true;
	hearing->judgement.reason = reason;
	hearing->judgement.item = item;
}

static void
tell(const Hearing *hearing, Finding finding)
{
	if (hearing->sink != NULL)
		hearing->sink->add(hearing->sink->state, &finding);
}

/* Whether the judgement is known and nobody wants to hear more. */
static bool
is_over(const Hearing *hearing)
{
	return hearing->is_decided && hearing->sink == NULL;
}

static bool
is_of_class(const JudgedCall *call, CauseClass class)
{
	return call->cause != CAUSE_ANSWERED && recall_failure_causes[call->cause].class == class;
}

/* Add to an instant; what lies beyond the largest is that. */
static int64_t
later(int64_t instant, int64_t seconds)
{
	int64_t sum;

	return __builtin_add_overflow(instant, seconds * MICROSECONDS, &sum) ? INT64_MAX : sum;
}

/* Has the contact any calls? */
static void
check_called(Hearing *hearing)
{
	int calls = hearing->contact->own.count;

	tell(hearing, (Finding){ CHECK_CALLED, calls > 0, -1, -1, calls, 0, INT64_MIN });
	if (calls == 0)
		decide(hearing, REASON_NOT_CALLED, 0);
}

/*
 * Whether a rule's "never" ends less than the contact. That is when the cause was what it matched:
 * a business result is somebody's word, whatever became of the call.
 */
static bool
ends_no_contact(const Hearing *hearing, const JudgedCall *call)
{
	return hearing->policy->rules[-call->rule - 1].selector.kind != SELECT_RESULT &&
		   (is_of_class(call, CLASS_UNKNOWN) || is_of_class(call, CLASS_INVALID_NUMBER));
}

/* Does a rule say "never" to any call, of the contact as a whole? */
static void
check_never(Hearing *hearing)
{
	const JudgedContact *contact = hearing->contact;

	for (int i = 0; i < contact->own.count; i++)
	{
		const JudgedCall *call = &contact->own.calls[i];

		if (call->rule >= 0 || ends_no_contact(hearing, call))
			continue;
		tell(hearing,
			 (Finding){ CHECK_NEVER, false, -call->rule - 1, -1, call->attempt, 0, INT64_MIN });
		decide(hearing, REASON_NEVER, -call->rule - 1);
		return;
	}
	tell(hearing, (Finding){ CHECK_NEVER, true, -1, -1, 0, 0, INT64_MIN });
}

/* Did the latest calls all fail on our own side? */
static void
check_platform(Hearing *hearing)
{
	const JudgedContact *contact = hearing->contact;
	int in_a_row = 0;

	while (in_a_row < contact->own.count &&
		   !recall_counts_as_attempt(contact->own.calls[contact->own.count - 1 - in_a_row].cause))
		in_a_row++;
	tell(hearing, (Finding){ CHECK_PLATFORM, in_a_row < PLATFORM_FAILURES, -1, -1, in_a_row,
							 PLATFORM_FAILURES, INT64_MIN });
	if (in_a_row >= PLATFORM_FAILURES)
		decide(hearing, REASON_PLATFORM, 0);
}

/* Is the latest call one that a rule recalls? */
static void
check_rule(Hearing *hearing)
{
	int rule = hearing->latest->rule;
	int item = rule == 0 ? -1 : abs(rule) - 1;

	tell(hearing, (Finding){ CHECK_RULE, rule > 0, item, -1, 0, 0, INT64_MIN });
	if (rule > 0)
		return;
	if (rule == 0)
		decide(hearing, REASON_NO_RULE, 0);
	else if (is_of_class(hearing->latest, CLASS_INVALID_NUMBER))
		decide(hearing, REASON_NEVER_NUMBER, item);
	else
		decide(hearing, REASON_NEVER_ATTEMPT, item);
}

/* Count the contact's calls, those that say nothing about the callee left out. */
static int
count_attempts(const JudgedContact *contact)
{
	int count = 0;

	for (int i = 0; i < contact->own.count; i++)
		count += recall_counts_as_attempt(contact->own.calls[i].cause);
	return count;
}

/* Is a "limit n" reached? */
static void
check_limits(Hearing *hearing)
{
	const Policy *policy = hearing->policy;

	for (int i = 0; i < policy->number_limits; i++)
	{
		const PolicyLimit *limit = &policy->limits[i];
		int used;

		if (limit->period != LIMIT_IN_ALL || limit->per_number)
			continue;
		used = count_attempts(hearing->contact);
		tell(hearing,
			 (Finding){ CHECK_LIMIT, used < limit->calls, i, -1, used, limit->calls, INT64_MIN });
		if (used >= limit->calls)
			decide(hearing, REASON_LIMIT, i);
	}
}

/* Has the rule recalled as often as it may? */
static void
check_max(Hearing *hearing)
{
	const JudgedContact *contact = hearing->contact;
	int rule = hearing->latest->rule;
	int allowed = hearing->policy->rules[rule - 1].max;
	int used = 0;

	if (allowed == 0)
		return;
	for (int i = 0; i < contact->own.count; i++)
		used += contact->own.calls[i].rule == rule &&
				recall_counts_as_attempt(contact->own.calls[i].cause);
	tell(hearing, (Finding){ CHECK_MAX, used <= allowed, rule - 1, -1, used, allowed, INT64_MIN });
	if (used > allowed)
		decide(hearing, REASON_MAX, rule - 1);
}

/* The numbers to which a call failed for good. */
static uint64_t
invalid_numbers(const JudgedContact *contact)
{
	uint64_t numbers = 0;

	for (int i = 0; i < contact->own.count; i++)
		if (contact->own.calls[i].number >= 0 &&
			is_of_class(&contact->own.calls[i], CLASS_INVALID_NUMBER))
			numbers |= UINT64_C(1) << contact->own.calls[i].number;
	return numbers;
}

static int
count_attempts_to(const JudgedCalls *list, int number)
{
	int count = 0;

	for (int i = 0; i < list->count; i++)
		count += list->calls[i].number == number && recall_counts_as_attempt(list->calls[i].cause);
	return count;
}

/* Whether no "limit n per number" is used up for a number. */
static bool
has_calls_left(const Hearing *hearing, int number)
{
	const Policy *policy = hearing->policy;
	bool passed = true;

	for (int i = 0; i < policy->number_limits; i++)
	{
		const PolicyLimit *limit = &policy->limits[i];
		int used;

		if (limit->period != LIMIT_IN_ALL || !limit->per_number)
			continue;
		used = count_attempts_to(&hearing->contact->to_numbers, number);
		tell(hearing, (Finding){ CHECK_NUMBER_LIMIT, used < limit->calls, i, number, used,
								 limit->calls, INT64_MIN });
		passed &= used < limit->calls;
	}
	return passed;
}

/* The number to try first: that of the latest call, or the one behind it. */
static int
first_number(const Hearing *hearing)
{
	int latest = hearing->latest->number;

	if (latest >= 0 && hearing->policy->rules[hearing->rule].next_number)
		return (latest + 1) % hearing->contact->number_numbers;
	return latest < 0 ? 0 : latest;
}

/* Choose the number to call. */
static void
check_numbers(Hearing *hearing)
{
	const JudgedContact *contact = hearing->contact;
	uint64_t invalid = invalid_numbers(contact);
	int chosen = -1;
	bool only_suppressed = false;

	for (int i = 0; i < contact->number_numbers; i++)
	{
		int number = (hearing->first_number + i) % contact->number_numbers;
		bool is_valid = (invalid >> number & 1) == 0;
		bool is_free = (contact->suppressed >> number & 1) == 0;
		bool is_left;

		tell(hearing, (Finding){ CHECK_INVALID_NUMBER, is_valid, -1, number, 0, 0, INT64_MIN });
		is_left = is_valid & has_calls_left(hearing, number);
		tell(hearing, (Finding){ CHECK_SUPPRESSION, is_free, -1, number, 0, 0, INT64_MIN });
		only_suppressed |= is_left && !is_free;
		if (is_left && is_free && chosen < 0)
			chosen = number;
		if (chosen >= 0 && hearing->sink == NULL)
			break;
	}
	tell(hearing, (Finding){ CHECK_NUMBER, chosen >= 0, hearing->rule, chosen, 0, 0, INT64_MIN });
	hearing->judgement.number = chosen;
	if (chosen < 0)
		decide(hearing, only_suppressed ? REASON_SUPPRESSED : REASON_NO_NUMBER, hearing->rule);
}

/* Put the due time off until an instant. */
static void
put_off(Hearing *hearing, int64_t instant)
{
	if (instant > hearing->judgement.due_at)
		hearing->judgement.due_at = instant;
}

/* The delay after the latest call. */
static void
check_delay(Hearing *hearing)
{
	const JudgedContact *contact = hearing->contact;
	const PolicyRule *rule = &hearing->policy->rules[hearing->latest->rule - 1];
	int matches = 0;
	int delay = 0;

	for (int i = 0; i < contact->own.count; i++)
		matches += contact->own.calls[i].rule == hearing->latest->rule;
	if (rule->number_delays > 0)
		delay = rule->delays[(matches < rule->number_delays ? matches : rule->number_delays) - 1];
	put_off(hearing, later(hearing->latest->ended_at, delay));
	tell(hearing, (Finding){ CHECK_DELAY, true, hearing->latest->rule - 1, -1, matches, 0,
							 hearing->judgement.due_at });
}

static int
descending(const void *a, const void *b)
{
	int64_t left = *(const int64_t *) a;
	int64_t right = *(const int64_t *) b;

	return (left < right) - (left > right);
}

/*
 * Put what a limit counts into the scratch room, the latest first: the beginnings of the calls, or
 * the days in which they lie. Give how many there are.
 */
static int
gather(const Hearing *hearing, const PolicyLimit *limit)
{
	const JudgedContact *contact = hearing->contact;
	const JudgedCalls *list = limit->per_number ? &contact->to_numbers : &contact->own;
	const LocalDays *days = &contact->days;
	int count = 0;

	for (int i = 0; i < list->count; i++)
	{
		const JudgedCall *call = &list->calls[i];

		if (limit->per_number && call->number != hearing->judgement.number)
			continue;
		contact->scratch[count++] = limit->period == LIMIT_CALENDAR_DAY
										? days->day_of(days->zone, call->started_at)
										: call->started_at;
	}
	qsort(contact->scratch, count, sizeof(*contact->scratch), descending);
	return count;
}

/* When a limit on a period next lets a call through; INT64_MIN = it does now. */
static int64_t
free_again(const JudgedContact *contact, const PolicyLimit *limit, int count)
{
	const int64_t *counted = contact->scratch;

	if (count < limit->calls)
		return INT64_MIN;
	if (limit->period == LIMIT_ROLLING)
		return later(counted[limit->calls - 1], limit->seconds);
	for (int i = 0; i + limit->calls <= count; i++)
		if (counted[i] == counted[i + limit->calls - 1])
			return contact->days.end_of(contact->days.zone, counted[i]);
	return INT64_MIN;
}

/* The limits on a rolling window or a calendar day. */
static void
check_periods(Hearing *hearing)
{
	const Policy *policy = hearing->policy;

	for (int i = 0; i < policy->number_limits; i++)
	{
		const PolicyLimit *limit = &policy->limits[i];
		int64_t instant;
		int count;

		if (limit->period == LIMIT_IN_ALL)
			continue;
		hearing->contact->breathe();
		count = gather(hearing, limit);
		instant = free_again(hearing->contact, limit, count);
		put_off(hearing, instant);
		tell(hearing,
			 (Finding){ CHECK_PERIOD, true, i, limit->per_number ? hearing->judgement.number : -1,
						count, limit->calls, instant });
	}
}

/* The end of a quiet after the calls that it follows, and how many they are. */
static int64_t
end_of_quiet(const Hearing *hearing, int item, int *used)
{
	const PolicyQuiet *quiet = &hearing->policy->quiets[item];
	const JudgedCalls *list =
		quiet->per_number ? &hearing->contact->to_numbers : &hearing->contact->own;
	int64_t latest = INT64_MIN;

	*used = 0;
	for (int i = 0; i < list->count; i++)
	{
		const JudgedCall *call = &list->calls[i];
		int64_t end = later(call->ended_at, quiet->seconds);

		if ((call->quiets >> item & 1) == 0 ||
			(quiet->per_number && call->number != hearing->judgement.number))
			continue;
		(*used)++;
		if (end > latest)
			latest = end;
	}
	return latest;
}

/* The quiet times after certain calls. */
static void
check_quiets(Hearing *hearing)
{
	for (int i = 0; i < hearing->policy->number_quiets; i++)
	{
		bool per_number = hearing->policy->quiets[i].per_number;
		int used;
		int64_t end = end_of_quiet(hearing, i, &used);

		hearing->contact->breathe();
		put_off(hearing, end);
		tell(hearing, (Finding){ CHECK_QUIET, true, i, per_number ? hearing->judgement.number : -1,
								 used, 0, end });
	}
}

/* The checks of a contact that has been called, in their order. */
static void (*const history_checks[])(Hearing *) = { check_never, check_platform, check_rule,
													 check_limits };
/* Those that need the rule that recalls; */
static void (*const rule_checks[])(Hearing *) = { check_max, check_numbers };
/* and the number to call. */
static void (*const due_checks[])(Hearing *) = { check_delay, check_periods, check_quiets };

#define MAKE_CHECKS(hearing, checks) make_checks(hearing, checks, sizeof(checks) / sizeof(*checks))

static void
make_checks(Hearing *hearing, void (*const *checks)(Hearing *), size_t number_checks)
{
	for (size_t i = 0; i < number_checks && !is_over(hearing); i++)
		checks[i](hearing);
}

Judgement
recall_judge(const JudgedContact *contact, const FindingSink *sink)
{
	Hearing hearing = { .contact = contact,
						.policy = contact->policy,
						.rule = -1,
						.sink = sink,
						.judgement = { .number = -1, .due_at = INT64_MIN } };

	check_called(&hearing);
	if (contact->own.count == 0)
		return hearing.judgement;
	hearing.latest = &contact->own.calls[contact->own.count - 1];
	MAKE_CHECKS(&hearing, history_checks);
	if (hearing.latest->rule > 0)
	{
		hearing.rule = hearing.latest->rule - 1;
		hearing.first_number = first_number(&hearing);
		MAKE_CHECKS(&hearing, rule_checks);
	}
	if (hearing.judgement.number >= 0)
		MAKE_CHECKS(&hearing, due_checks);
	decide(&hearing, REASON_RULE, hearing.latest->rule - 1);
	return hearing.judgement;
}

/* The checks that are made again before each call; */
static void (*const admission_checks[])(Hearing *) = { check_never, check_limits, check_numbers };
/* and when the number is known. */
static void (*const waiting_checks[])(Hearing *) = { check_periods, check_quiets };

Judgement
recall_admit(const JudgedContact *contact, int first_number)
{
	Hearing hearing = { .contact = contact,
						.policy = contact->policy,
						.rule = -1,
						.first_number = first_number,
						.judgement = { .number = -1, .due_at = INT64_MIN } };

	MAKE_CHECKS(&hearing, admission_checks);
	if (hearing.judgement.number >= 0)
		MAKE_CHECKS(&hearing, waiting_checks);
	decide(&hearing, REASON_RULE, -1);
	return hearing.judgement;
}

/* The calls of a list, which is in the order of their beginning, that had begun at an instant. */
static JudgedCalls
begun_until(const JudgedCalls *list, int64_t instant)
{
	int low = 0;
	int high = list->count;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (list->calls[middle].started_at <= instant)
			low = middle + 1;
		else
			high = middle;
	}
	return (JudgedCalls){ list->calls, low };
}

int
recall_replay(const JudgedContact *contact)
{
	JudgedContact past = *contact;
	bool knows_others = contact->to_numbers.calls != contact->own.calls;

	for (past.own.count = contact->own.count > 0; past.own.count < contact->own.count;
		 past.own.count++)
	{
		past.to_numbers =
			knows_others
				? begun_until(&contact->to_numbers, contact->own.calls[past.own.count - 1].ended_at)
				: past.own;
		if (recall_judge(&past, NULL).reason != REASON_RULE)
			break;
		contact->breathe();
	}
	return past.own.count;
}
