-- The matcher and its twin: random policies and outcomes, judged by the C code and, naively, by SQL over
-- policy_rules() and failure_causes(). Another run: psql -v seed=0.7 -f policy_twin.sql
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
\if :{?seed}
\else
\set seed 0.42
\endif
SELECT plan(6);
SELECT diag('seed ' || :'seed');
SELECT setseed(:seed);

\ir random_policy.psql

-- What recall._matching_rule() promises, word by word.
CREATE FUNCTION pg_temp.twin(policy recall.policy, cause recall.failure_cause, result text) RETURNS int LANGUAGE sql
AS $$
	SELECT coalesce((
		SELECT CASE WHEN r.never THEN -r.rule ELSE r.rule END
		FROM recall.policy_rules(policy) r
		LEFT JOIN recall.failure_causes() f ON f.cause = twin.cause
		WHERE CASE r.selector
			WHEN 'failed' THEN f.class <> 'unknown'
			WHEN 'answered' THEN twin.cause IS NULL
			WHEN 'class' THEN f.class = ANY (r.members)
			WHEN 'cause' THEN f.cause::text = ANY (r.members)
			WHEN 'result' THEN twin.result = ANY (r.members)
		END
		ORDER BY r.rule LIMIT 1), 0)
$$;

CREATE TEMPORARY TABLE random_policy AS
SELECT n, written, written::recall.policy AS policy FROM (SELECT n, pg_temp.random_policy() AS written FROM generate_series(1, 400) n) w;

CREATE TEMPORARY TABLE outcome AS
SELECT cause, result
FROM (SELECT unnest(enum_range(NULL::recall.failure_cause)) UNION ALL SELECT NULL) c (cause), unnest('{a,A,b,a--b,5,c,NULL}'::text[]) r (result);

CREATE TEMPORARY TABLE judged AS
SELECT p.n, p.policy, o.cause, o.result, recall._matching_rule(p.policy, o.cause, o.result) AS rule, recall.matches(p.policy, o.cause, o.result) AS matches,
	pg_temp.twin(p.policy, o.cause, o.result) AS twin
FROM random_policy p
CROSS JOIN LATERAL (SELECT * FROM outcome ORDER BY md5(p.n || ' ' || coalesce(cause::text, '-') || ' ' || coalesce(result, '-')) LIMIT 30) o;

SELECT is_empty('SELECT * FROM judged WHERE rule IS DISTINCT FROM twin', 'the matcher and its twin agree on every pair');
SELECT is_empty('SELECT * FROM judged WHERE matches IS DISTINCT FROM (twin > 0)', 'matches() is true where a rule recalls');
SELECT cmp_ok((SELECT count(*) FROM judged WHERE rule > 0), '>', 2000::bigint, 'enough pairs are recalled for that to mean something');
SELECT cmp_ok((SELECT count(*) FROM judged WHERE rule < 0), '>', 500::bigint, 'enough pairs are never recalled');
SELECT is_empty('SELECT * FROM random_policy WHERE policy::text::recall.policy IS DISTINCT FROM policy OR policy::text::recall.policy::text <> policy::text',
	'the canonical text of every policy gives the same policy');
SELECT is_empty('SELECT * FROM random_policy WHERE policy::jsonb::recall.policy IS DISTINCT FROM policy', 'and so does jsonb');
SELECT * FROM finish();
ROLLBACK;
