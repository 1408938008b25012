/*
 * judge.h
 *		Whether, when and on which number a contact is called again. Pure C, no server.
 *
 *	judge.c			the judgement: one check after the other (doc/verdict.md)
 *	history.c		the calls of a contact as a value
 *	judge_sql.c		what SQL asks of a history: judge(), its findings, a replay
 *
 * Instants are microseconds, as the server's timestamps are. What depends on a time zone is asked
 * of the caller, through LocalDays.
 */
#ifndef RECALL_JUDGE_H
#define RECALL_JUDGE_H

#include "policy.h"

#define JUDGE_MAX_NUMBERS 64 /* of a contact; a set of them is 64 bits */

/* A call as the policy sees it. */
typedef struct JudgedCall
{
	int attempt;	 /* the latest has the highest */
	int cause;		 /* catalogue number, or CAUSE_ANSWERED */
	int number;		 /* which of the contact's numbers, from 0; -1 = none of them */
	int rule;		 /* that matches it first, as recall_policy_match() gives it */
	uint32_t quiets; /* a bit for each quiet that follows it, as recall_policy_quiets() */
	int origin;		 /* whatever the caller knows it by */
	int64_t started_at;
	int64_t ended_at;
} JudgedCall;

/* The days of the callee's clock, counted from any one. */
typedef struct LocalDays
{
	int64_t (*day_of)(void *zone, int64_t instant);
	int64_t (*end_of)(void *zone, int64_t day); /* the first instant that is in no earlier day */
	void *zone;
} LocalDays;

typedef struct JudgedCalls
{
	const JudgedCall *calls;
	int count;
} JudgedCalls;

typedef struct JudgedContact
{
	const Policy *policy;
	JudgedCalls own;		/* the contact's, by attempt */
	JudgedCalls to_numbers; /* those that count "per number": own, or everybody's by beginning */
	int number_numbers;
	uint64_t suppressed; /* a bit for each number that may not be called now */
	LocalDays days;
	int64_t *scratch;	   /* room for an instant of each call of the longer list */
	void (*breathe)(void); /* called now and then; may not return */
} JudgedContact;

typedef enum Verdict
{
	VERDICT_RECALL,
	VERDICT_DONE,
	VERDICT_STOPPED,
	VERDICT_EXHAUSTED,
	VERDICT_SUPPRESSED,
	VERDICT_NEW
} Verdict;

typedef enum ReasonItem
{
	ITEM_NONE,
	ITEM_RULE,
	ITEM_LIMIT
} ReasonItem;

typedef enum Reason
{
	REASON_RULE,
	REASON_NOT_CALLED,
	REASON_NEVER,
	REASON_PLATFORM,
	REASON_NO_RULE,
	REASON_NEVER_ATTEMPT,
	REASON_NEVER_NUMBER,
	REASON_LIMIT,
	REASON_MAX,
	REASON_NO_NUMBER,
	REASON_SUPPRESSED
} Reason;

#define NUMBER_REASONS (REASON_SUPPRESSED + 1)

/* What a reason says: the verdict, in words, and what part of the policy it is about. */
typedef struct ReasonMeaning
{
	Verdict verdict;
	ReasonItem about;
	const char *text;
} ReasonMeaning;

extern const ReasonMeaning recall_reasons[NUMBER_REASONS];
extern const char *const recall_verdicts[VERDICT_NEW + 1];

typedef struct Judgement
{
	Reason reason;
	int item;		/* of the policy, from 0, where the reason is about one */
	int number;		/* to call, from 0; of a recall */
	int64_t due_at; /* of a recall, before calling hours */
} Judgement;

typedef enum Check
{
	CHECK_CALLED,
	CHECK_NEVER,
	CHECK_PLATFORM,
	CHECK_RULE,
	CHECK_LIMIT,
	CHECK_MAX,
	CHECK_INVALID_NUMBER,
	CHECK_NUMBER_LIMIT,
	CHECK_SUPPRESSION,
	CHECK_NUMBER,
	CHECK_DELAY,
	CHECK_PERIOD,
	CHECK_QUIET
} Check;

#define NUMBER_CHECKS (CHECK_QUIET + 1)

extern const char *const recall_checks[NUMBER_CHECKS];

/* One answer on the way to a judgement, with the figures behind it; what they are is in judge.c. */
typedef struct Finding
{
	Check check;
	bool passed;
	int item;	/* of the policy, from 0; -1 = none */
	int number; /* of the contact, from 0; -1 = none */
	int used;
	int allowed;	 /* 0 = without a maximum */
	int64_t instant; /* not before; INT64_MIN = at any time */
} Finding;

/* Told each finding, when a judgement is to be explained. */
typedef struct FindingSink
{
	void (*add)(void *state, const Finding *finding);
	void *state;
} FindingSink;

/* Judge a contact; with a sink all checks are made, without one those up to the first that fails.
 */
extern Judgement recall_judge(const JudgedContact *contact, const FindingSink *sink);

/*
 * May a contact be called, whatever its latest call was? Asked again before each call: only what
 * stops it for good, limits, quiets and the numbers count. The number to try first is given. A
 * judgement whose reason is REASON_RULE says yes, on its number and not before its due_at; else its
 * item is -1, a rule or a limit.
 */
extern Judgement recall_admit(const JudgedContact *contact, int first_number);

/* How many of the contact's calls there would have been, had the policy decided after each. */
extern int recall_replay(const JudgedContact *contact);

#endif /* RECALL_JUDGE_H */
