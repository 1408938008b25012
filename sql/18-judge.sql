/*
 * The judgement of one contact: what a policy says of its calls. An aggregate, so that one statement judges any
 * number of contacts, and the same for the calls in an array. doc/verdict.md describes what is judged, and how.
 */

CREATE TYPE recall.past_call AS (
	attempt         int,
	number          text,
	failure_cause   recall.failure_cause,
	business_result text,
	started_at      timestamptz,
	ended_at        timestamptz
);
COMMENT ON TYPE recall.past_call IS
'A completed call as recall.judge() takes it. attempt: from 1, the latest is the highest; null: another contact''s call to one of the numbers, which counts only for what the policy says "per number". failure_cause: null = answered.';

CREATE TYPE recall.judgement AS (
	verdict         text,
	rule            int,
	number          text,
	due_at          timestamptz,
	reason          text,
	attempts        int,
	failure_cause   recall.failure_cause,
	business_result text
);
COMMENT ON TYPE recall.judgement IS
'What recall.judge() says of a contact. verdict: recall, done, stopped, exhausted, suppressed or new; rule: the position of the rule that decided; number and due_at: of a recall, whom to call and from when on, calling hours aside; reason: in words; attempts, failure_cause and business_result: the latest call.';

CREATE TYPE recall._finding AS (
	check_name text,
	passed     boolean,
	item       int,
	number     text,
	used       int,
	allowed    int,
	instant    timestamptz
);
COMMENT ON TYPE recall._finding IS
'One check of a judgement: the rule, limit or quiet (by its position in the policy) and the number that it is about, the figures behind it, and not before when a call is allowed.';

CREATE FUNCTION recall._collect_call(
	internal, attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_collect_call';
COMMENT ON FUNCTION recall._collect_call(internal, int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'Adds a call to a contact''s history; a row whose started_at is null is none. Errors: 22004 a call without a number or an end; 22023 an attempt below 1 or an infinite time; 54000 more than memory can hold.';

CREATE FUNCTION recall._judge_history(
	internal, policy recall.policy, numbers text[], time_zone text, suppressed text[])
RETURNS recall.judgement
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_judge_history';
COMMENT ON FUNCTION recall._judge_history(internal, recall.policy, text[], text, text[]) IS
'The judgement of a history. Errors: 22004 null numbers; 22023 more than 64 of them, an unknown time zone.';

CREATE FUNCTION recall._explain_history(
	internal, policy recall.policy, numbers text[], time_zone text, suppressed text[])
RETURNS recall._finding[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_explain_history';
COMMENT ON FUNCTION recall._explain_history(internal, recall.policy, text[], text, text[]) IS
'All checks of the judgement of a history, in their order. Errors as of _judge_history().';

CREATE FUNCTION recall._replay_history(internal, policy recall.policy, numbers text[], time_zone text) RETURNS int
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_replay_history';
COMMENT ON FUNCTION recall._replay_history(internal, recall.policy, text[], text) IS
'How many calls of a history there would have been, had the policy decided after each. Errors as of _judge_history().';

CREATE AGGREGATE recall.judge(
	policy recall.policy, numbers text[], time_zone text, suppressed text[]
	ORDER BY attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
(
	SFUNC = recall._collect_call, STYPE = internal, SSPACE = 400,
	FINALFUNC = recall._judge_history, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE recall.judge(recall.policy, text[], text, text[]
	ORDER BY int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'Whether, when and on which number a contact is called again, from its completed calls in any order: recall.judge(policy, numbers, time_zone, suppressed) WITHIN GROUP (ORDER BY attempt, number, failure_cause, business_result, started_at, ended_at). time_zone: the callee''s (IANA), null = UTC; suppressed: the numbers that may not be called, null = none. Null for a null policy. A row whose started_at is null is no call, one whose attempt is null is another contact''s call to one of the numbers. Errors: 22004 null numbers, a call without a number or an end; 22023 an unknown time zone, an attempt below 1, an infinite time, more than 64 numbers.';

CREATE AGGREGATE recall._findings(
	policy recall.policy, numbers text[], time_zone text, suppressed text[]
	ORDER BY attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
(
	SFUNC = recall._collect_call, STYPE = internal, SSPACE = 400,
	FINALFUNC = recall._explain_history, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE recall._findings(recall.policy, text[], text, text[]
	ORDER BY int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'Every check that recall.judge() makes, with its answer and the figures behind it, in their order.';

CREATE AGGREGATE recall._replay(
	policy recall.policy, numbers text[], time_zone text
	ORDER BY attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
(
	SFUNC = recall._collect_call, STYPE = internal, SSPACE = 400,
	FINALFUNC = recall._replay_history, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE recall._replay(recall.policy, text[], text
	ORDER BY int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'How many of a contact''s calls there would have been, had the policy decided after each of them whether there is another.';

CREATE FUNCTION recall.judge(
	policy recall.policy, calls recall.past_call[], numbers text[], time_zone text DEFAULT 'UTC', suppressed text[] DEFAULT NULL)
RETURNS recall.judgement
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT recall.judge(judge.policy, judge.numbers, judge.time_zone, judge.suppressed)
		WITHIN GROUP (ORDER BY c.attempt, c.number, c.failure_cause, c.business_result, c.started_at, c.ended_at)
	FROM pg_catalog.unnest(calls) c;
END;
COMMENT ON FUNCTION recall.judge(recall.policy, recall.past_call[], text[], text, text[]) IS
'Whether, when and on which number a contact with these completed calls is called again; the aggregate of the same name for the calls in an array. Null calls are none. Errors as of the aggregate.';

CREATE FUNCTION recall._counts_per_number(policy recall.policy) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM recall.policy_limits(policy) l WHERE l.per_number);
END;
COMMENT ON FUNCTION recall._counts_per_number(recall.policy) IS
'Whether a policy counts other contacts'' calls to the same number.';
