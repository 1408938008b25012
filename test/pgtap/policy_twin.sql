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

CREATE FUNCTION pg_temp.pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT choices[1 + floor(random() * cardinality(choices))] $$;


CREATE FUNCTION pg_temp.random_duration() RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT 1 + floor(random() * 90) || pg_temp.pick('{""," "}') || pg_temp.pick('{s,sec,min,Minutes,h,hours,d,day,days,w,WEEK}') $$;

CREATE FUNCTION pg_temp.random_member(kind text) RETURNS text LANGUAGE sql VOLATILE
AS $$
	SELECT CASE kind
		WHEN 'class' THEN pg_temp.pick((SELECT array_agg(DISTINCT class ORDER BY class) FROM recall.failure_causes()))
		WHEN 'cause' THEN pg_temp.pick(enum_range(NULL::recall.failure_cause)::text[])
		WHEN 'result' THEN pg_temp.pick('{a,A,b,ab,a-b,"\"a--b\"",never,failed,5,10min,unknown}')
	END
$$;

CREATE FUNCTION pg_temp.random_rule() RETURNS text LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	kind text := pg_temp.pick('{failed,answered,class,cause,cause,cause,result,result}');
	rule text := CASE WHEN kind <> 'cause' THEN CASE WHEN random() < 0.2 THEN upper(kind) ELSE kind END ELSE '' END;
BEGIN
	IF kind IN ('class', 'cause', 'result') THEN
		rule := rule || ' ' || (SELECT string_agg(pg_temp.random_member(kind), pg_temp.pick('{",",", "}')) FROM generate_series(1, 1 + floor(random() * 4)::int));
	END IF;
	IF random() < 0.2 THEN
		RETURN rule || ' never';
	END IF;
	IF random() < 0.5 THEN
		rule := rule || ' after ' || (SELECT string_agg(pg_temp.random_duration(), ',') FROM generate_series(1, 1 + floor(random() * 3)::int));
	END IF;
	RETURN rule || CASE WHEN random() < 0.5 THEN ' max ' || 1 + floor(random() * 9) ELSE '' END
		|| CASE WHEN random() < 0.3 THEN ' next number' ELSE '' END;
END
$$;

CREATE FUNCTION pg_temp.random_limit() RETURNS text LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	kind text := pg_temp.pick('{answered,class,cause,result}');
	per_number text := CASE WHEN random() < 0.4 THEN ' per number' ELSE '' END;
BEGIN
	IF random() < 0.5 THEN
		RETURN 'limit ' || 1 + floor(random() * 9) || pg_temp.pick(ARRAY['', ' per day', ' per ' || pg_temp.random_duration()]) || per_number;
	END IF;
	RETURN 'quiet ' || pg_temp.random_duration() || ' after ' || replace(kind, 'cause', '') || ' ' || coalesce(pg_temp.random_member(kind), '') || per_number;
END
$$;

CREATE FUNCTION pg_temp.random_policy() RETURNS text LANGUAGE sql VOLATILE
AS $$
	SELECT string_agg(CASE WHEN random() < 0.8 THEN pg_temp.random_rule() ELSE pg_temp.random_limit() END, pg_temp.pick(ARRAY[';', '; ', E' -- remark; never\n;']))
	FROM generate_series(1, 1 + floor(random() * 8)::int)
$$;

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
