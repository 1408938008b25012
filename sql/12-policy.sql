/* recall.policy: which calls are recalled, after how long, how often. The language is described in doc/policy.md. */

CREATE TYPE recall.policy;

CREATE FUNCTION recall._policy_in(cstring) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_in';
COMMENT ON FUNCTION recall._policy_in(cstring) IS
'Reads the text of a policy; 22P02 with the position when it does not parse, 54000 when it exceeds a maximum.';

CREATE FUNCTION recall._policy_out(recall.policy) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_out';
COMMENT ON FUNCTION recall._policy_out(recall.policy) IS 'The canonical text of a policy.';

CREATE FUNCTION recall._policy_recv(internal) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_recv';
COMMENT ON FUNCTION recall._policy_recv(internal) IS
'Receives a policy in binary: a version byte (1) and its text; 22P03 for another version.';

CREATE FUNCTION recall._policy_send(recall.policy) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_send';
COMMENT ON FUNCTION recall._policy_send(recall.policy) IS
'Sends a policy in binary: a version byte (1) and its canonical text.';

CREATE TYPE recall.policy (
	INPUT = recall._policy_in,
	OUTPUT = recall._policy_out,
	RECEIVE = recall._policy_recv,
	SEND = recall._policy_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE recall.policy IS
'Which calls are recalled, after how long, how often: ''busy after 10 min max 3; result callback; limit 6''. At most 64 rules with 16 delays each, 16 limits, 16 quiets, 8 kB stored. Input errors: 22P02 with position and hint, 54000 beyond a maximum.';

/*
 * Equality is that of the canonical form. There is no order. The operators are in pg_catalog, so that "=",
 * IN and IS DISTINCT FROM find them whatever the search_path, and nobody can put others in their place.
 */

CREATE FUNCTION recall._policy_eq(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_eq';
COMMENT ON FUNCTION recall._policy_eq(recall.policy, recall.policy) IS 'Whether two policies have the same canonical text.';

CREATE FUNCTION recall._policy_ne(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_ne';
COMMENT ON FUNCTION recall._policy_ne(recall.policy, recall.policy) IS 'Whether two policies have different canonical texts.';

CREATE FUNCTION recall._policy_hash(recall.policy) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash';
COMMENT ON FUNCTION recall._policy_hash(recall.policy) IS 'Hash of a policy, for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall._policy_hash_extended(recall.policy, bigint) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash_extended';
COMMENT ON FUNCTION recall._policy_hash_extended(recall.policy, bigint) IS
'Hash of a policy with a seed, for hash partitioning.';

CREATE OPERATOR pg_catalog.= (
	FUNCTION = recall._policy_eq, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR pg_catalog.<> (
	FUNCTION = recall._policy_ne, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.= (recall.policy, recall.policy) IS 'same canonical text';
COMMENT ON OPERATOR pg_catalog.<> (recall.policy, recall.policy) IS 'different canonical text';

CREATE OPERATOR CLASS recall.policy_ops DEFAULT FOR TYPE recall.policy USING hash AS
	OPERATOR 1 pg_catalog.= (recall.policy, recall.policy),
	FUNCTION 1 recall._policy_hash(recall.policy),
	FUNCTION 2 recall._policy_hash_extended(recall.policy, bigint);
COMMENT ON OPERATOR CLASS recall.policy_ops USING hash IS 'Equality of policies for hash joins, grouping and hash indexes.';

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

CREATE FUNCTION recall._has_limits(policy recall.policy, per_number boolean) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_has_limits';
COMMENT ON FUNCTION recall._has_limits(recall.policy, boolean) IS
'Whether a policy has a limit, a quiet or a "never"; with per_number, a limit or a quiet that counts the calls to a number.';

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
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_matching_rule';
COMMENT ON FUNCTION recall._matching_rule(recall.policy, recall.failure_cause, text) IS
'The first rule that matches an outcome: n when the n-th rule recalls it, -n when the n-th rule says never, 0 when none matches. Cause NULL = answered, result NULL = none.';

CREATE FUNCTION recall.matches(policy recall.policy, failure_cause recall.failure_cause, business_result text)
RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_matches';
COMMENT ON FUNCTION recall.matches(recall.policy, recall.failure_cause, text) IS
'Whether an outcome matches a rule that recalls, delays and limits aside. Failure cause NULL = answered, business result NULL = none; policy NULL gives NULL.';

/*
 * policy::jsonb and back. What comes from jsonb is checked piece by piece, put together as a text, and parsed. Errors mask numbers
 * by themselves: everybody may cast, and not everybody may call _mask_numbers().
 */

CREATE FUNCTION recall._policy_selector_to_jsonb(selector text, members text[]) RETURNS jsonb
LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE selector
		WHEN 'class' THEN jsonb_build_object('classes', members)
		WHEN 'cause' THEN jsonb_build_object('causes', members)
		WHEN 'result' THEN jsonb_build_object('results', members)
		ELSE jsonb_build_object(selector, true)
	END;
END;
COMMENT ON FUNCTION recall._policy_selector_to_jsonb(text, text[]) IS
'Selector and members, as recall.policy_rules() has them, as an object with one key.';

CREATE FUNCTION recall._policy_to_jsonb(policy recall.policy) RETURNS jsonb
LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'rules', (
			SELECT jsonb_agg(recall._policy_selector_to_jsonb(r.selector, r.members) || jsonb_strip_nulls(jsonb_build_object(
				'never', nullif(r.never, false),
				'after', (SELECT jsonb_agg(recall._policy_duration(d.delay) ORDER BY d.k)
					FROM unnest(r.after) WITH ORDINALITY AS d (delay, k)),
				'max', r.max,
				'next_number', nullif(r.next_number, false))) ORDER BY r.rule)
			FROM recall.policy_rules(policy) r),
		'limits', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'calls', l.calls,
				'per', CASE WHEN l.calendar_day THEN 'day' ELSE recall._policy_duration(l.per) END,
				'per_number', nullif(l.per_number, false))) ORDER BY l.item), '[]')
			FROM recall.policy_limits(policy) l WHERE l.kind = 'limit'),
		'quiet', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'for', recall._policy_duration(l.per),
				'after', recall._policy_selector_to_jsonb(l.selector, l.members),
				'per_number', nullif(l.per_number, false))) ORDER BY l.item), '[]')
			FROM recall.policy_limits(policy) l WHERE l.kind = 'quiet'));
END;
COMMENT ON FUNCTION recall._policy_to_jsonb(recall.policy) IS
'A policy as jsonb, the cast policy::jsonb: {"rules": [{"causes": ["busy"], "after": ["10 min"], "max": 3, "next_number": true}, {"results": ["x"], "never": true}, {"classes": ["network"]}, {"failed": true}], "limits": [{"calls": 3, "per": "24 h", "per_number": true}], "quiet": [{"for": "7 days", "after": {"answered": true}}]}.';

CREATE FUNCTION recall._policy_check_keys(item jsonb, what text, known text[], required text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF jsonb_typeof(item) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'invalid policy: % must be an object', what USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT k INTO wrong FROM jsonb_object_keys(item) k WHERE k <> ALL (known) ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: unknown key "%" in %', regexp_replace(left(wrong, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), what
			USING ERRCODE = 'invalid_text_representation', HINT = format('Known keys: %s.', array_to_string(known, ', '));
	END IF;
	SELECT k INTO wrong FROM unnest(required) k WHERE NOT item ? k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: "%" is missing in %', wrong, what USING ERRCODE = 'invalid_text_representation';
	END IF;
END
$$;
COMMENT ON FUNCTION recall._policy_check_keys(jsonb, text, text[], text[]) IS
'Checks that a part of a policy in jsonb is an object that has known keys only, and all required ones; 22P02 if not.';

CREATE FUNCTION recall._policy_from_scalar(item jsonb, key text, type text, pattern text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> type OR item ->> key !~ pattern THEN
		RAISE EXCEPTION 'invalid policy: wrong value % of "%"', regexp_replace(left((item -> key)::text, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), key
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN item ->> key;
END
$$;
COMMENT ON FUNCTION recall._policy_from_scalar(jsonb, text, text, text) IS
'The value of a key, which must be of a jsonb type and match a pattern; NULL without the key, 22P02 for another value.';

CREATE FUNCTION recall._policy_from_list(item jsonb, key text, pattern text, known text[] DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	members text[];
	wrong jsonb;
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> 'array' OR item -> key = '[]' THEN
		RAISE EXCEPTION 'invalid policy: "%" must be an array that is not empty', key
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT array_agg(e.value #>> '{}' ORDER BY e.k),
		(array_agg(e.value ORDER BY e.k) FILTER (WHERE jsonb_typeof(e.value) <> 'string' OR e.value #>> '{}' !~ pattern
			OR e.value #>> '{}' <> ALL (known)))[1]
	INTO members, wrong
	FROM jsonb_array_elements(item -> key) WITH ORDINALITY AS e (value, k);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'invalid policy: wrong member % of "%"', regexp_replace(left(wrong::text, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), key
			USING ERRCODE = 'invalid_text_representation',
				HINT = coalesce(
					'Perhaps you meant "' || recall._nearest(wrong #>> '{}', known) || '".',
					'Known members: ' || array_to_string(known, ', ') || '.',
					format('A member is a string that matches %s.', pattern));
	END IF;
	RETURN members;
END
$$;
COMMENT ON FUNCTION recall._policy_from_list(jsonb, text, text, text[]) IS
'The members of a list, which must be strings that match a pattern and are known; NULL without the key, 22P02 for anything else.';

CREATE FUNCTION recall._policy_selector_from_jsonb(item jsonb, what text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (SELECT count(*) FROM jsonb_object_keys(item) k WHERE k IN ('failed', 'answered', 'classes', 'causes', 'results')) <> 1 THEN
		RAISE EXCEPTION 'invalid policy: % must have exactly one of "failed", "answered", "classes", "causes" and "results"', what
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN CASE
		WHEN recall._policy_from_scalar(item, 'failed', 'boolean', '^true$') IS NOT NULL THEN 'failed'
		WHEN recall._policy_from_scalar(item, 'answered', 'boolean', '^true$') IS NOT NULL THEN 'answered'
		WHEN item ? 'classes' THEN 'class ' || array_to_string(recall._policy_from_list(item, 'classes', '',
			(SELECT array_agg(DISTINCT f.class ORDER BY f.class) FROM recall.failure_causes() f)), ', ')
		WHEN item ? 'causes' THEN array_to_string(recall._policy_from_list(item, 'causes', '',
			(SELECT array_agg(f.cause::text ORDER BY f.cause) FROM recall.failure_causes() f)), ', ')
		ELSE 'result "' || array_to_string(recall._policy_from_list(item, 'results', '^[A-Za-z0-9_-]{1,50}$'), '", "') || '"'
	END;
END
$$;
COMMENT ON FUNCTION recall._policy_selector_from_jsonb(jsonb, text) IS
'The text of the selector in a rule, or in what a quiet follows; 22P02 when there is not exactly one, or it is wrong.';

CREATE FUNCTION recall._policy_items(document jsonb, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT document ? key THEN
		RETURN;
	END IF;
	IF jsonb_typeof(document -> key) <> 'array' THEN
		RAISE EXCEPTION 'invalid policy: "%" must be an array', key USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN QUERY SELECT jsonb_array_elements(document -> key);
END
$$;
COMMENT ON FUNCTION recall._policy_items(jsonb, text) IS
'The rules, limits or quiets of a policy in jsonb; 22P02 when they are not in an array.';

CREATE FUNCTION recall._policy_from_jsonb(document jsonb) RETURNS recall.policy
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	duration CONSTANT text := '^[0-9]+ ?[A-Za-z]+$';
	items text[] := ARRAY[]::text[];
	item jsonb;
BEGIN
	PERFORM recall._check_size(document, 'the policy is too large', 262144);
	PERFORM recall._policy_check_keys(document, 'a policy', '{rules,limits,quiet}');
	FOR item IN SELECT recall._policy_items(document, 'rules') LOOP
		PERFORM recall._policy_check_keys(item, 'a rule',
			'{failed,answered,classes,causes,results,never,after,max,next_number}');
		items := items || concat(
			recall._policy_selector_from_jsonb(item, 'a rule'),
			CASE WHEN recall._policy_from_scalar(item, 'never', 'boolean', '')::boolean THEN ' never' END,
			' after ' || array_to_string(recall._policy_from_list(item, 'after', duration), ', '),
			' max ' || recall._policy_from_scalar(item, 'max', 'number', '^[0-9]+$'),
			CASE WHEN recall._policy_from_scalar(item, 'next_number', 'boolean', '')::boolean THEN ' next number' END);
	END LOOP;
	FOR item IN SELECT recall._policy_items(document, 'limits') LOOP
		PERFORM recall._policy_check_keys(item, 'a limit', '{calls,per,per_number}', '{calls}');
		items := items || concat('limit ',
			recall._policy_from_scalar(item, 'calls', 'number', '^[0-9]+$'),
			' per ' || recall._policy_from_scalar(item, 'per', 'string', '^day$|' || duration),
			CASE WHEN recall._policy_from_scalar(item, 'per_number', 'boolean', '')::boolean THEN ' per number' END);
	END LOOP;
	FOR item IN SELECT recall._policy_items(document, 'quiet') LOOP
		PERFORM recall._policy_check_keys(item, 'a quiet', '{for,after,per_number}', '{for,after}');
		PERFORM recall._policy_check_keys(item -> 'after', '"after" of a quiet', '{answered,classes,causes,results}');
		items := items || concat('quiet ',
			recall._policy_from_scalar(item, 'for', 'string', duration),
			' after ' || recall._policy_selector_from_jsonb(item -> 'after', '"after" of a quiet'),
			CASE WHEN recall._policy_from_scalar(item, 'per_number', 'boolean', '')::boolean THEN ' per number' END);
	END LOOP;
	RETURN array_to_string(items, '; ')::recall.policy;
END
$$;
COMMENT ON FUNCTION recall._policy_from_jsonb(jsonb) IS
'A policy of the form that recall._policy_to_jsonb() gives, the cast jsonb::recall.policy; every key may be missing. 22P02 for an unknown key, a wrong type or a wrong value, 22023 beyond 256 kB, as jsonb is stored, 54000 beyond another maximum.';

CREATE CAST (recall.policy AS jsonb) WITH FUNCTION recall._policy_to_jsonb(recall.policy);
COMMENT ON CAST (recall.policy AS jsonb) IS 'a policy with readable keys';
CREATE CAST (jsonb AS recall.policy) WITH FUNCTION recall._policy_from_jsonb(jsonb);
COMMENT ON CAST (jsonb AS recall.policy) IS 'a policy from readable keys';
