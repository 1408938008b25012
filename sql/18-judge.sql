/*
 * The judgement of one contact: what a policy says of its calls. An aggregate makes a value of the calls, and
 * functions of that value give the judgement, so that one statement judges any number of contacts. doc/verdict.md
 * describes what is judged, and how.
 */

CREATE TYPE recall.history;

CREATE FUNCTION recall._history_in(cstring) RETURNS recall.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_history_in';
COMMENT ON FUNCTION recall._history_in(cstring) IS 'Always 0A000: a history is made by the aggregate recall.history().';

CREATE FUNCTION recall._history_out(recall.history) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_history_out';
COMMENT ON FUNCTION recall._history_out(recall.history) IS
'The calls of a history, for people: attempt, number, failure cause, business result, beginning and end.';

CREATE TYPE recall.history (
	INPUT = recall._history_in,
	OUTPUT = recall._history_out,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = plain
);
COMMENT ON TYPE recall.history IS
'The completed calls of a contact, made by the aggregate recall.history() for recall.judge(). It is for use within a query: it can be shown, but not read from a text (0A000), so a dump of a table that holds one cannot be restored.';

CREATE FUNCTION recall._collect_call(
	internal, attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_collect_call';
COMMENT ON FUNCTION recall._collect_call(internal, int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'Adds a call to a history; a row whose started_at is null is none. Errors as of recall.history().';

CREATE FUNCTION recall._finish_history(internal) RETURNS recall.history
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_finish_history';
COMMENT ON FUNCTION recall._finish_history(internal) IS 'The history of the calls that were added; null when there were none.';

CREATE AGGREGATE recall.history(
	attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
(
	SFUNC = recall._collect_call, STYPE = internal, SSPACE = 400,
	FINALFUNC = recall._finish_history, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE recall.history(int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'The history of a contact from its completed calls, in any order. attempt: from 1, the latest call has the highest; failure_cause: null = answered; business_result: null = none. A row whose started_at is null is no call; without any call, null. Errors: 22004 a call without an attempt, a number or an end; 22023 an attempt below 1, an infinite time; 54000 more than 256 MB of calls.';

CREATE TYPE recall.judgement AS (
	verdict         recall.verdict,
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

CREATE FUNCTION recall.judge(
	policy recall.policy, calls recall.history, numbers text[], time_zone text DEFAULT 'UTC', suppressed text[] DEFAULT NULL,
	number_calls recall.history DEFAULT NULL)
RETURNS recall.judgement
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_judge_calls';
COMMENT ON FUNCTION recall.judge(recall.policy, recall.history, text[], text, text[], recall.history) IS
'Whether, when and on which number a contact is called again. calls: its completed calls, null = none; numbers: its numbers in the order in which to try them; time_zone: the callee''s (IANA), null = UTC; suppressed: the numbers that may not be called, null = none; number_calls: all calls to the numbers, whichever contact they were made to, for what the policy says "per number"; null: the contact''s own calls. Null for a null policy. Errors: 22004 null numbers; 22023 an unknown time zone, more than 64 numbers.';

CREATE FUNCTION recall._replay(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history)
RETURNS int
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_replay_calls';
COMMENT ON FUNCTION recall._replay(recall.policy, recall.history, text[], text, text[], recall.history) IS
'How many of a contact''s calls there would have been, had the policy decided after each of them whether there is another. Arguments and errors as of recall.judge().';

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
'One check of a judgement: the rule, limit or quiet (by its position in the policy) and the number that it is about, the figures behind it, and the instant before which it allows no call.';

CREATE FUNCTION recall._findings(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history)
RETURNS recall._finding[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_explain_calls';
COMMENT ON FUNCTION recall._findings(recall.policy, recall.history, text[], text, text[], recall.history) IS
'Every check that recall.judge() makes, with its answer and the figures behind it, in their order. Arguments and errors as of recall.judge().';

CREATE TYPE recall._admission AS (
	number     text,
	not_before timestamptz,
	reason     text
);
COMMENT ON TYPE recall._admission IS
'Whether a contact may be called: on which number and not before when (null: at once), or the reason why not.';

CREATE FUNCTION recall._admit(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history,
	first_number text)
RETURNS recall._admission
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_admit_call';
COMMENT ON FUNCTION recall._admit(recall.policy, recall.history, text[], text, text[], recall.history, text) IS
'Whether a policy''s "never", limits and quiets, and the numbers, let a contact be called, whatever its latest call was. first_number: the one to try first. Other arguments and errors as of recall.judge(). Null for a null policy or number.';
