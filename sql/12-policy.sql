/* recall.policy: which calls are recalled, after how long, how often. The language is described in doc/policy.md. */

CREATE TYPE recall.policy;

CREATE FUNCTION recall.policy_in(cstring) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_in';
COMMENT ON FUNCTION recall.policy_in(cstring) IS
'Reads the text of a policy; 22P02 with the position when it does not parse, 54000 when it exceeds a maximum.';

CREATE FUNCTION recall.policy_out(recall.policy) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_out';
COMMENT ON FUNCTION recall.policy_out(recall.policy) IS 'The canonical text of a policy.';

CREATE FUNCTION recall.policy_recv(internal) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_recv';
COMMENT ON FUNCTION recall.policy_recv(internal) IS
'Receives a policy in binary: a version byte (1) and its text; 22P03 for another version.';

CREATE FUNCTION recall.policy_send(recall.policy) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_send';
COMMENT ON FUNCTION recall.policy_send(recall.policy) IS
'Sends a policy in binary: a version byte (1) and its canonical text.';

CREATE TYPE recall.policy (
	INPUT = recall.policy_in,
	OUTPUT = recall.policy_out,
	RECEIVE = recall.policy_recv,
	SEND = recall.policy_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE recall.policy IS
'Which calls are recalled, after how long, how often: ''busy after 10 min max 3; result callback; limit 6''. At most 64 rules with 16 delays each, 16 limits, 16 quiets, 8 kB stored. Input errors: 22P02 with position and hint, 54000 beyond a maximum.';

/* Equality is that of the canonical form. There is no order. */

CREATE FUNCTION recall.policy_eq(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_eq';
COMMENT ON FUNCTION recall.policy_eq(recall.policy, recall.policy) IS 'Whether two policies have the same canonical text.';

CREATE FUNCTION recall.policy_ne(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_ne';
COMMENT ON FUNCTION recall.policy_ne(recall.policy, recall.policy) IS 'Whether two policies have different canonical texts.';

CREATE FUNCTION recall.policy_hash(recall.policy) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash';
COMMENT ON FUNCTION recall.policy_hash(recall.policy) IS 'Hash of a policy, for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall.policy_hash_extended(recall.policy, bigint) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash_extended';
COMMENT ON FUNCTION recall.policy_hash_extended(recall.policy, bigint) IS
'Hash of a policy with a seed, for hash partitioning.';

CREATE OPERATOR recall.= (
	FUNCTION = recall.policy_eq, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(recall.=), NEGATOR = OPERATOR(recall.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR recall.<> (
	FUNCTION = recall.policy_ne, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(recall.<>), NEGATOR = OPERATOR(recall.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR recall.= (recall.policy, recall.policy) IS 'same canonical text';
COMMENT ON OPERATOR recall.<> (recall.policy, recall.policy) IS 'different canonical text';

CREATE OPERATOR FAMILY recall.policy_ops USING hash;
CREATE OPERATOR CLASS recall.policy_ops DEFAULT FOR TYPE recall.policy USING hash FAMILY recall.policy_ops AS
	OPERATOR 1 recall.= (recall.policy, recall.policy),
	FUNCTION 1 recall.policy_hash(recall.policy),
	FUNCTION 2 recall.policy_hash_extended(recall.policy, bigint);

CREATE FUNCTION recall.policy(failure_causes recall.failure_cause[], business_results text[]) RETURNS recall.policy
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_from_lists';
COMMENT ON FUNCTION recall.policy(recall.failure_cause[], text[]) IS
'The policy that recalls a call when its failure cause is in the one list or its business result in the other; every failed call when both are empty or null. 22004 for a null in a list, 22023 for what cannot be a business result''s code, 54000 beyond 8 kB.';

CREATE FUNCTION recall.policy_rules(
	policy recall.policy, OUT rule integer, OUT selector text, OUT members text[], OUT never boolean, OUT after interval[],
	OUT max integer, OUT next_number boolean, OUT text text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'recall_policy_rules';
COMMENT ON FUNCTION recall.policy_rules(recall.policy) IS
'A row for each rule of a policy, in its order: selector failed, answered, class, cause or result and the members that it lists (none for failed and answered); never; after = its delays, of which the last one repeats; max = recalls, NULL without a maximum; text = the rule''s canonical text.';

CREATE FUNCTION recall.policy_limits(
	policy recall.policy, OUT item integer, OUT kind text, OUT calls integer, OUT per interval, OUT calendar_day boolean,
	OUT after text, OUT per_number boolean, OUT text text, OUT selector text, OUT members text[])
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'recall_policy_limits';
COMMENT ON FUNCTION recall.policy_limits(recall.policy) IS
'A row for each limit and quiet of a policy, in canonical order. A limit: calls; per = its rolling window, NULL when it is for a calendar day (calendar_day) or in all. A quiet: per = its length; after = what it follows, also as selector and members like those of recall.policy_rules(). per_number: counted over all contacts that own the number. text = its canonical text.';

CREATE FUNCTION recall._policy_duration(interval) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_duration';
COMMENT ON FUNCTION recall._policy_duration(interval) IS 'A duration of a policy as its canonical text has it.';

CREATE FUNCTION recall._matching_rule(policy recall.policy, failure_cause recall.failure_cause, business_result text)
RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
AS 'MODULE_PATHNAME', 'recall_matching_rule';
COMMENT ON FUNCTION recall._matching_rule(recall.policy, recall.failure_cause, text) IS
'The first rule that matches an outcome: n when the n-th rule recalls it, -n when the n-th rule says never, 0 when none matches. Cause NULL = answered, result NULL = none.';

CREATE FUNCTION recall.matches(policy recall.policy, failure_cause recall.failure_cause, business_result text)
RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1
AS 'MODULE_PATHNAME', 'recall_matches';
COMMENT ON FUNCTION recall.matches(recall.policy, recall.failure_cause, text) IS
'Whether an outcome matches a rule that recalls, delays and limits aside. Failure cause NULL = answered, business result NULL = none; policy NULL gives NULL.';
