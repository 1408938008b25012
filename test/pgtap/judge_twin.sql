-- The verdict and its twin: random policies and histories, judged by the C code and, naively, by SQL that follows
-- doc/verdict.md step by step. Another run: psql -v seed=0.7 -f judge_twin.sql; a shorter one: TWIN_HISTORIES=5000.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
\if :{?seed}
\else
\set seed 0.42
\endif
\getenv histories TWIN_HISTORIES
\if :{?histories}
\else
\set histories 100000
\endif
SELECT plan(30);
SELECT diag('seed ' || :'seed');
SELECT setseed(:seed);
SET LOCAL jit = off;
SET LOCAL work_mem = '128MB';

-- Random policies: few words, so that rules match; small counts, so that they are reached ------------

CREATE FUNCTION pg_temp.pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT choices[1 + floor(random() * cardinality(choices))] $$;

-- From one to so many of the choices. The canonical form drops those that come twice.
CREATE FUNCTION pg_temp.pick_some(choices text[], at_most int) RETURNS text LANGUAGE sql VOLATILE
AS $$ SELECT string_agg(pg_temp.pick(choices), ', ') FROM generate_series(1, 1 + floor(random() * at_most)::int) $$;

CREATE FUNCTION pg_temp.random_selector(at_most int) RETURNS text LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
	RETURN CASE pg_temp.pick('{answered,class,class,cause,cause,cause,cause,result,result}')
		WHEN 'answered' THEN 'answered'
		WHEN 'class' THEN 'class ' || pg_temp.pick_some('{busy,no_answer,unreachable,invalid_number,network,agent,platform,unknown}', at_most)
		WHEN 'cause' THEN pg_temp.pick_some('{busy,busy,no_answer,absent,unallocated,bad_format,congestion,timeout,agent_failure,platform_failure,unknown,unknown}', at_most)
		ELSE 'result ' || pg_temp.pick_some('{a,A,b}', at_most)
	END;
END
$$;

CREATE FUNCTION pg_temp.random_rule() RETURNS text LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	rule text := CASE WHEN random() < 0.2 THEN 'failed' ELSE pg_temp.random_selector(3) END;
	-- Of the classes unknown and invalid_number "never" means something else: it is said of them often.
	never float := CASE WHEN rule ~ 'unknown|invalid|unallocated|bad_format' THEN 0.4 WHEN rule ~ 'result' THEN 0.12 ELSE 0.06 END;
BEGIN
	IF random() < never THEN
		RETURN rule || ' never';
	END IF;
	IF random() < 0.5 THEN
		rule := rule || ' after ' || pg_temp.pick_some('{1 s,10 min,30 min,2 h,5 h,1 day,3 days}', 4);
	END IF;
	RETURN rule || CASE WHEN random() < 0.4 THEN ' max ' || 1 + floor(random() * 4) ELSE '' END
		|| CASE WHEN random() < 0.4 THEN ' next number' ELSE '' END;
END
$$;

CREATE FUNCTION pg_temp.random_limit() RETURNS text LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	per_number text := CASE WHEN random() < 0.5 THEN ' per number' ELSE '' END;
BEGIN
	RETURN CASE pg_temp.pick('{all,rolling,rolling,day,day,quiet,quiet}')
		WHEN 'all' THEN 'limit ' || 1 + floor(random() * CASE per_number WHEN '' THEN 12 ELSE 6 END)
		WHEN 'rolling' THEN 'limit ' || 1 + floor(random() * 4) || ' per ' || pg_temp.pick('{20 min,3 h,24 h,3 days,7 days}')
		WHEN 'day' THEN 'limit ' || 1 + floor(random() * 3) || ' per day'
		ELSE 'quiet ' || pg_temp.pick('{1 s,1 h,12 h,2 days,7 days}') || ' after ' || pg_temp.random_selector(1)
	END || per_number;
END
$$;

CREATE FUNCTION pg_temp.random_policy() RETURNS text LANGUAGE sql VOLATILE
AS $$
	SELECT concat_ws('; ',
		(SELECT string_agg(pg_temp.random_rule(), '; ') FROM generate_series(1, pg_temp.pick('{0,1,1,2,2,3,4}')::int)),
		CASE WHEN random() < 0.4 THEN pg_temp.pick('{failed,failed after 15 min,failed next number,failed max 3,failed after 1 h\,1 day next number}') END,
		(SELECT string_agg(pg_temp.random_limit(), '; ') FROM generate_series(1, floor(random() * 4)::int)))
$$;

CREATE TEMPORARY TABLE policy AS
SELECT p AS policy_id, pg_temp.random_policy()::recall.policy AS policy FROM generate_series(1, 1500) p;

-- Random contacts and their calls ---------------------------------------------------------------------

-- Clocks, each with a day on which or about which calls are made. Midnight does not exist on some of these days
-- (Sao_Paulo, Havana, Beirut in spring), comes twice (Havana in autumn), or the hour before it does (Sao_Paulo in
-- February, St_Johns); and a whole day does not exist (Apia, Kwajalein).
CREATE TEMPORARY TABLE clock AS
SELECT row_number() OVER () AS clock_id, c.*
FROM (VALUES ('UTC', date '2026-01-05'), (NULL, date '2026-01-05'),
	('America/New_York', '2026-03-08'), ('America/New_York', '2026-11-01'),
	('Asia/Kolkata', '2026-01-05'), ('Asia/Kathmandu', '2026-06-30'),
	('Australia/Lord_Howe', '2026-04-05'), ('Australia/Lord_Howe', '2026-10-04'),
	('America/Sao_Paulo', '2015-10-18'), ('America/Sao_Paulo', '2016-02-21'), ('America/Sao_Paulo', '2018-02-18'), ('America/Sao_Paulo', '2018-11-04'),
	('America/Havana', '2026-03-08'), ('America/Havana', '2026-11-01'),
	('America/St_Johns', '2010-11-07'), ('Asia/Beirut', '2026-03-29'), ('Europe/Berlin', '2026-10-25'),
	('Pacific/Apia', '2011-12-30'), ('Pacific/Kwajalein', '1993-08-21')) c (time_zone, day);

CREATE TEMPORARY TABLE outcome AS
SELECT row_number() OVER () AS outcome_id, f.cause AS failure_cause, f.class, r.business_result
FROM (SELECT cause, class FROM recall.failure_causes()
	WHERE cause IN ('busy', 'no_answer', 'absent', 'unallocated', 'bad_format', 'congestion', 'timeout', 'agent_failure', 'platform_failure', 'unknown')
	UNION ALL SELECT NULL, NULL) f,
	(VALUES (NULL), ('a'), ('A'), ('b')) r (business_result);

-- How the calls of each contact come about: how many, about which day, how close together, ending how.
CREATE TEMPORARY TABLE scene AS
SELECT s.*, ARRAY(SELECT '+120255501' || 10 + i FROM generate_series(1, how_many) i ORDER BY md5(id || '/' || i)) AS numbers
FROM (
	SELECT id, 1 + id % 1500 AS policy_id, 1 + floor(random() * (SELECT count(*) FROM clock))::int AS clock_id,
		pg_temp.pick('{0,1,1,1,1,2,2,2,2,3,3,3,4,7,10}')::int AS how_many,
		-- A history that ends with about ten failures of the platform, or not.
		CASE WHEN random() < 0.08 THEN pg_temp.pick('{9,10,10,11,14}')::int ELSE 0 END AS failures,
		pg_temp.pick('{0,1,2,2,3,4,5,6,8,10,25}')::int AS calls,
		pg_temp.pick('{0,0,0,1,2,4,8}')::int AS calls_of_others,
		pg_temp.pick('{busy,busy,no_answer,absent,unallocated,congestion,timeout,answered,unknown}') AS usual_cause,
		pg_temp.pick('{0.2,0.6,0.9}')::float AS usually,
		pg_temp.pick('{10 s,15 min,1 h,6 h,24 h}')::interval AS pace,
		random() < 0.6 AS sharp,                                        -- calls start on a quarter of an hour
		random() < 0.05 AS confused,                                    -- later attempts were not always made later
		pg_temp.pick('{1,1,1,1,1,1,1,2,5}')::int AS attempt_step,       -- attempts may be missing
		floor(random() * 192) * interval '15 min' - interval '20 h' AS shift,
		pg_temp.pick('{0,0,0,0.1,0.4,0.9}')::float AS suppression
	FROM generate_series(1, :histories) id) s;

CREATE TEMPORARY TABLE contact (id int PRIMARY KEY, policy_id int, policy recall.policy, numbers text[], time_zone text, suppressed text[]);
INSERT INTO contact
SELECT id, policy_id, policy, numbers, time_zone,
	CASE WHEN suppression > 0 THEN ARRAY(SELECT number FROM unnest(numbers || '+19995550199'::text) number WHERE random() < suppression) END
FROM scene
JOIN policy USING (policy_id)
JOIN clock USING (clock_id);
ANALYZE policy, clock, outcome, scene, contact;

-- The contact's own calls, and calls of other contacts to its numbers. "back" counts from the latest.
CREATE TEMPORARY TABLE made_call AS
SELECT id, of_others, attempt,
	CASE WHEN random() < 0.02 THEN '+19995550100' ELSE coalesce(numbers[1 + floor(random() * random() * cardinality(numbers))], '+19995550100') END AS number,
	outcome.*, started_at, started_at + pg_temp.pick('{0 s,20 s,61.5 s,90 min}')::interval AS ended_at
FROM (
	SELECT s.*, k.*, day::timestamp AT TIME ZONE 'UTC' + shift
			- sum(pace * CASE WHEN sharp THEN floor(random() * 3) ELSE random() * 2 END) OVER (PARTITION BY id, of_others ORDER BY back)
			+ CASE WHEN confused THEN (random() - 0.5) * interval '40 h' ELSE '0' END AS started_at,
		CASE
			WHEN back <= failures AND NOT of_others THEN pg_temp.pick('{agent_failure,platform_failure}')
			WHEN random() < usually THEN usual_cause
			ELSE pg_temp.pick('{busy,busy,no_answer,no_answer,absent,congestion,timeout,unallocated,bad_format,agent_failure,platform_failure,unknown,answered,answered}')
		END AS cause,
		pg_temp.pick('{none,none,none,none,none,a,A,b}') AS result
	FROM scene s
	JOIN clock USING (clock_id),
	LATERAL (
		SELECT false AS of_others, back, attempt_step * (greatest(calls, failures) + 1 - back) AS attempt FROM generate_series(1, greatest(calls, failures)) back
		UNION ALL
		SELECT true, back, 1 + back % 3 FROM generate_series(1, calls_of_others) back) k) made
JOIN outcome ON coalesce(failure_cause::text, 'answered') = cause AND coalesce(business_result, 'none') = result;

-- What is given to be judged: the calls in any order, among them rows that are no calls.
CREATE TEMPORARY TABLE past_call AS
SELECT id, of_others, attempt, number, failure_cause, business_result, started_at, ended_at
FROM made_call
UNION ALL
SELECT id, id % 3 = 0, NULL, NULL, NULL, NULL, NULL, NULL FROM contact WHERE id % 10 = 0
UNION ALL
SELECT id, id % 3 = 0, 1000, numbers[1], 'busy', 'a', NULL, NULL FROM contact WHERE id % 10 = 1;

-- The twin --------------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.selects(selector text, members text[], cause recall.failure_cause, class text, result text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE selector
		WHEN 'failed' THEN class <> 'unknown'
		WHEN 'answered' THEN cause IS NULL
		WHEN 'class' THEN class = ANY (members)
		WHEN 'cause' THEN cause::text = ANY (members)
		WHEN 'result' THEN result = ANY (members)
	END
$$;

CREATE TEMPORARY TABLE rule AS
SELECT p.policy_id, r.* FROM policy p, recall.policy_rules(p.policy) r;

CREATE TEMPORARY TABLE item AS
SELECT p.policy_id, i.* FROM policy p, recall.policy_limits(p.policy) i;
CREATE INDEX ON rule (policy_id);
CREATE INDEX ON item (policy_id);

-- The first rule that matches each outcome.
CREATE TEMPORARY TABLE first_rule AS
SELECT DISTINCT ON (policy_id, outcome_id) r.*, o.outcome_id,
	CASE
		WHEN NOT r.never THEN NULL
		WHEN r.selector <> 'result' AND o.class = 'unknown' THEN 'attempt'
		WHEN r.selector <> 'result' AND o.class = 'invalid_number' THEN 'number'
		ELSE 'contact'
	END AS ends
FROM rule r
JOIN outcome o ON pg_temp.selects(r.selector, r.members, o.failure_cause, o.class, o.business_result)
ORDER BY policy_id, outcome_id, rule;

-- Every call with the rule that it is given to. Those of class agent and platform do not count, where that is said.
CREATE TEMPORARY TABLE call AS
SELECT m.*, coalesce(m.class NOT IN ('agent', 'platform'), true) AS counts, r.rule, r.ends,
	row_number() OVER (PARTITION BY m.id, m.of_others ORDER BY m.attempt DESC) AS back
FROM made_call m
JOIN contact c USING (id)
LEFT JOIN first_rule r USING (policy_id, outcome_id);
CREATE INDEX ON call (id);
ANALYZE contact, call, rule, first_rule, item;

-- What the checks 1 to 6 ask of the history of each contact that has one. Of several calls that say never the first one stops it.
CREATE TEMPORARY TABLE history AS
SELECT c.id, c.policy_id, l.attempt, l.number, l.failure_cause, l.business_result, l.ended_at, l.ends, r.rule, r.after, r.max, r.next_number, r.text,
	h.never, h.platform, h.counted, h.matches, h.counted_matches
FROM contact c
JOIN call l ON l.id = c.id AND NOT l.of_others AND l.back = 1
LEFT JOIN rule r ON r.policy_id = c.policy_id AND r.rule = l.rule
JOIN (
	SELECT a.id,
		(array_agg(a.rule ORDER BY a.attempt) FILTER (WHERE a.ends = 'contact'))[1] AS never,
		count(*) FILTER (WHERE a.back <= 10 AND NOT a.counts) = 10 AS platform,
		count(*) FILTER (WHERE a.counts) AS counted,
		count(*) FILTER (WHERE a.rule = b.rule) AS matches,
		count(*) FILTER (WHERE a.rule = b.rule AND a.counts) AS counted_matches
	FROM call a
	JOIN call b ON b.id = a.id AND NOT b.of_others AND b.back = 1
	WHERE NOT a.of_others
	GROUP BY a.id) h ON h.id = c.id;

-- The first of the checks 1 to 6 that fails; null when none does. The smallest limit is the first that is reached.
CREATE TEMPORARY TABLE checked AS
SELECT h.*, never_rule.text AS never_text, reached.text AS reached_text,
	CASE
		WHEN h.never IS NOT NULL THEN 'never'
		WHEN h.platform THEN 'platform'
		WHEN h.rule IS NULL THEN 'no rule'
		WHEN h.ends IS NOT NULL THEN 'never this ' || h.ends
		WHEN reached.text IS NOT NULL THEN 'limit'
		WHEN h.counted_matches > h.max THEN 'max'
	END AS failed
FROM history h
LEFT JOIN rule never_rule ON never_rule.policy_id = h.policy_id AND never_rule.rule = h.never
LEFT JOIN LATERAL (
	SELECT text FROM item i
	WHERE i.policy_id = h.policy_id AND i.kind = 'limit' AND i.per IS NULL AND NOT i.calendar_day AND NOT i.per_number AND h.counted >= i.calls
	ORDER BY i.calls LIMIT 1) reached ON true;

-- Check 7: every number of those that are left, its turn, and what keeps it out.
CREATE TEMPORARY TABLE candidate AS
SELECT h.id, n.number,
	(position - coalesce(array_position(c.numbers, h.number) + h.next_number::int, 1) + 2 * cardinality(c.numbers)) % cardinality(c.numbers) AS turn,
	EXISTS (SELECT FROM call k WHERE k.id = h.id AND NOT k.of_others AND k.number = n.number AND k.class = 'invalid_number') AS invalid,
	EXISTS (SELECT FROM item i
		WHERE i.policy_id = h.policy_id AND i.kind = 'limit' AND i.per IS NULL AND NOT i.calendar_day AND i.per_number
			AND i.calls <= (SELECT count(*) FROM call k WHERE k.id = h.id AND k.number = n.number AND k.counts)) AS used_up,
	coalesce(n.number = ANY (c.suppressed), false) AS suppressed
FROM checked h
JOIN contact c USING (id),
unnest(c.numbers) WITH ORDINALITY n (number, position)
WHERE h.failed IS NULL;

CREATE TEMPORARY TABLE chosen AS
SELECT h.id, h.policy_id, h.after, h.matches, h.ended_at, n.number,
	CASE WHEN n.number IS NOT NULL THEN 'nothing' WHEN n.but_for_suppression THEN 'suppressed' ELSE 'no number' END AS fails
FROM checked h
LEFT JOIN (
	SELECT id,
		(array_agg(number ORDER BY turn) FILTER (WHERE NOT invalid AND NOT used_up AND NOT suppressed))[1] AS number,
		bool_or(NOT invalid AND NOT used_up) AS but_for_suppression
	FROM candidate
	GROUP BY id) n USING (id)
WHERE h.failed IS NULL;

-- When each day is over for good: a minute after the last minute of it, which is as fine as these clocks are turned. That is
-- when the day after begins, whatever the clock then shows, and also when it is turned back to the day before once more.
CREATE TEMPORARY TABLE day AS
SELECT time_zone, (instant AT TIME ZONE time_zone)::date AS day, max(instant) + interval '1 min' AS over
FROM (SELECT coalesce(time_zone, 'UTC') AS time_zone, day AS about FROM clock) c,
	generate_series((about - 60)::timestamp AT TIME ZONE 'UTC', (about + 4)::timestamp AT TIME ZONE 'UTC', '1 min') instant
GROUP BY 1, 2;

-- The calls that each limit and quiet with a time looks at.
CREATE TEMPORARY TABLE looked_at AS
SELECT h.id, i.item, i.kind, i.calls, i.per, i.calendar_day, i.per_number, i.selector, i.members, coalesce(c.time_zone, 'UTC') AS time_zone, k.started_at, k.ended_at,
	k.failure_cause, k.class, k.business_result
FROM chosen h
JOIN contact c USING (id)
JOIN item i ON i.policy_id = h.policy_id AND (i.per IS NOT NULL OR i.calendar_day)
JOIN call k ON k.id = h.id AND CASE WHEN i.per_number THEN k.number = h.number ELSE NOT k.of_others END
WHERE h.fails = 'nothing';

-- The instants before which a contact is not due, and whose they are.
CREATE TEMPORARY TABLE bound AS
SELECT id, CASE WHEN after = '{}' THEN 'end' ELSE 'after' END AS item, false AS per_number, ended_at + coalesce(after[least(matches, cardinality(after))], '0') AS instant
FROM chosen
WHERE fails = 'nothing'
UNION ALL
SELECT id, 'rolling', per_number, started_at + per
FROM (SELECT *, row_number() OVER (PARTITION BY id, item ORDER BY started_at DESC) AS nth FROM looked_at WHERE kind = 'limit' AND per IS NOT NULL) l
WHERE nth = calls
UNION ALL
SELECT id, 'day', per_number, max(d.over)
FROM (SELECT id, item, calls, per_number, time_zone, (started_at AT TIME ZONE time_zone)::date AS day FROM looked_at
	WHERE calendar_day GROUP BY 1, 2, 3, 4, 5, 6 HAVING count(*) >= calls) l
LEFT JOIN day d USING (time_zone, day)
GROUP BY id, item, per_number
UNION ALL
SELECT id, 'quiet', per_number, ended_at + per
FROM looked_at
WHERE kind = 'quiet' AND pg_temp.selects(selector, members, failure_cause, class, business_result);

-- What each check says when it fails, and about which rule or limit.
CREATE TEMPORARY TABLE wording (answer, verdict, about, reason) AS VALUES
	('no call', 'new', NULL, 'not called yet'),
	('never', 'stopped', 'never', 'a rule says never: %s'),
	('platform', 'stopped', NULL, 'platform: the last ten calls failed on the side of an agent or the platform'),
	('no rule', 'done', NULL, 'no rule recalls this outcome'),
	('never this attempt', 'done', 'rule', 'a rule says never, of this attempt only: %s'),
	('never this number', 'done', 'rule', 'a rule says never, of this number only: %s'),
	('limit', 'exhausted', 'limit', 'the limit is reached: %s'),
	('max', 'exhausted', 'rule', 'the maximum of the rule is reached: %s'),
	('no number', 'exhausted', 'rule', 'no number is left that may be called: %s'),
	('suppressed', 'suppressed', 'rule', 'every number that is left is suppressed: %s'),
	('nothing', 'recall', 'rule', 'a rule recalls this outcome: %s');

CREATE TEMPORARY TABLE twin AS
SELECT c.id, answer, w.verdict, CASE about WHEN 'never' THEN h.never WHEN 'rule' THEN h.rule END AS rule, n.number, b.due_at,
	format(w.reason, CASE about WHEN 'never' THEN h.never_text WHEN 'rule' THEN h.text WHEN 'limit' THEN h.reached_text END) AS reason,
	h.attempt AS attempts, h.failure_cause, h.business_result
FROM contact c
LEFT JOIN checked h ON h.id = c.id
LEFT JOIN chosen n ON n.id = c.id
LEFT JOIN (SELECT id, max(instant) AS due_at FROM bound GROUP BY id) b ON b.id = c.id
JOIN wording w ON w.answer = coalesce(h.failed, n.fails, 'no call');

-- The comparison --------------------------------------------------------------------------------------

CREATE TEMPORARY TABLE judged AS
SELECT c.id, j.*
FROM contact c
LEFT JOIN (
	SELECT id,
		recall.history(attempt, number, failure_cause, business_result, started_at, ended_at) FILTER (WHERE NOT of_others) AS own,
		recall.history(attempt, number, failure_cause, business_result, started_at, ended_at) AS to_numbers
	FROM past_call
	GROUP BY id) h USING (id),
recall.judge(c.policy, h.own, c.numbers, c.time_zone, c.suppressed, h.to_numbers) j;

-- Write a contact's calls, or everybody's to its numbers, as a value that can be given to judge().
CREATE FUNCTION pg_temp.history_text(contact int, of_everybody boolean) RETURNS text LANGUAGE sql
AS $$
	SELECT coalesce(format('(SELECT recall.history(attempt, number, failure_cause, business_result, started_at, ended_at) FROM json_to_recordset(%L) c '
		|| '(attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz, ended_at timestamptz))',
		json_agg(json_strip_nulls(json_build_object('attempt', attempt, 'number', number, 'failure_cause', failure_cause, 'business_result', business_result,
			'started_at', started_at, 'ended_at', ended_at)) ORDER BY attempt, started_at)), 'NULL')
	FROM past_call
	WHERE id = contact AND (of_everybody OR NOT of_others)
$$;

-- Assert that a query finds no contact; say of three of those that it finds how to judge them again.
CREATE FUNCTION pg_temp.finds_none(query text, description text) RETURNS SETOF text LANGUAGE plpgsql
AS $$
DECLARE
	found int[];
BEGIN
	EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (%s) q', query) INTO found;
	RETURN NEXT ok(found IS NULL, description);
	RETURN QUERY
	SELECT diag(format(E'one of %s:\nSELECT * FROM recall.judge(%L, %s, %L, %L, %L, %s)\ntwin  %s\njudge %s', cardinality(found), c.policy,
		pg_temp.history_text(c.id, false), c.numbers, c.time_zone, c.suppressed, pg_temp.history_text(c.id, true), t, j))
	FROM contact c
	JOIN twin t USING (id)
	JOIN judged j USING (id)
	WHERE c.id = ANY (found[:3]);
END
$$;

SELECT is((SELECT count(*) FROM judged), :histories::bigint, 'every contact was judged');
SELECT pg_temp.finds_none('SELECT id FROM judged j JOIN twin t USING (id) WHERE (j.verdict::text, j.rule) IS DISTINCT FROM (t.verdict, t.rule)',
	'judge() and its twin agree on the verdict and the rule');
SELECT pg_temp.finds_none('SELECT id FROM judged j JOIN twin t USING (id) WHERE j.reason IS DISTINCT FROM t.reason', 'on the reason');
SELECT pg_temp.finds_none('SELECT id FROM judged j JOIN twin t USING (id) WHERE j.number IS DISTINCT FROM t.number', 'on the number');
SELECT pg_temp.finds_none('SELECT id FROM judged j JOIN twin t USING (id) WHERE j.due_at IS DISTINCT FROM t.due_at', 'on when it is due');
SELECT pg_temp.finds_none('SELECT id FROM judged j JOIN twin t USING (id)
	WHERE (j.attempts, j.failure_cause, j.business_result) IS DISTINCT FROM (t.attempts, t.failure_cause, t.business_result)', 'on what the latest call was');

-- Histories that were collected before, in another order.
CREATE TEMPORARY TABLE collected AS
SELECT id,
	recall.history(attempt, number, failure_cause, business_result, started_at, ended_at) FILTER (WHERE NOT of_others) AS own,
	recall.history(attempt, number, failure_cause, business_result, started_at, ended_at) AS to_numbers
FROM (SELECT * FROM past_call ORDER BY random()) p
GROUP BY id;

SELECT pg_temp.finds_none('SELECT j.id
	FROM judged j
	JOIN contact c USING (id)
	LEFT JOIN collected h USING (id),
	LATERAL (SELECT c.id, again.* FROM recall.judge(c.policy, h.own, c.numbers, c.time_zone, c.suppressed, h.to_numbers) again) again
	WHERE j IS DISTINCT FROM again', 'the order of the calls does not matter');

-- Whether that means something ------------------------------------------------------------------------

CREATE FUNCTION pg_temp.often(times bigint, description text) RETURNS text LANGUAGE sql
AS $$ SELECT cmp_ok(times, '>=', (SELECT count(*) FROM contact) / 500, 'often enough: ' || description) $$;

SELECT pg_temp.often(times, verdict || ', ' || replace(reason, ': %s', ''))
FROM (SELECT w.verdict, w.reason, count(id) AS times FROM wording w LEFT JOIN twin USING (answer) GROUP BY w.verdict, w.reason ORDER BY 1, 2) w;

-- What alone makes the due time of each contact that is recalled as late as it is.
CREATE TEMPORARY TABLE mover AS
SELECT id, min(item) AS item, bool_or(per_number) AS per_number
FROM (SELECT *, rank() OVER (PARTITION BY id ORDER BY instant DESC) FROM bound) b
WHERE rank = 1
GROUP BY id
HAVING count(DISTINCT (item, per_number)) = 1;

SELECT pg_temp.often(times, 'due because of ' || item || CASE WHEN per_number THEN ' per number' ELSE '' END)
FROM (
	SELECT item, per_number, count(id) AS times
	FROM (VALUES ('after', false), ('rolling', false), ('rolling', true), ('day', false), ('day', true), ('quiet', false), ('quiet', true)) v (item, per_number)
	LEFT JOIN mover USING (item, per_number)
	GROUP BY 1, 2
	ORDER BY 1, 2) m;

SELECT pg_temp.often((SELECT count(*) FROM mover JOIN twin USING (id) JOIN contact USING (id) WHERE item = 'day' AND (due_at AT TIME ZONE time_zone)::time <> '00:00'),
	'due when a day begins, but not at midnight');

-- What alone kept out a number whose turn came before that of the chosen one.
CREATE TEMPORARY TABLE passed_over AS
SELECT n.*
FROM twin t
JOIN candidate taken USING (id, number)
JOIN candidate n USING (id)
WHERE n.turn < taken.turn;

SELECT pg_temp.often((SELECT count(*) FROM passed_over WHERE invalid AND NOT used_up AND NOT suppressed), 'passed over a number that is invalid');
SELECT pg_temp.often((SELECT count(*) FROM passed_over WHERE NOT invalid AND used_up AND NOT suppressed), 'passed over a number whose limit is reached');
SELECT pg_temp.often((SELECT count(*) FROM passed_over WHERE NOT invalid AND NOT used_up AND suppressed), 'passed over a number that is suppressed');
SELECT pg_temp.often((SELECT count(*) FROM chosen n JOIN history h USING (id) JOIN contact c USING (id) WHERE h.number <> ALL (c.numbers) AND n.number IS NOT NULL),
	'recalled, and the latest call went to a number that the contact has no more');

SELECT * FROM finish();
ROLLBACK;
