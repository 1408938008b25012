/*
 * What no order of a history's operations explains. histories.py fills the first three tables.
 *
 * An operation took effect at some moment between when it began and when it ended, by the clock of its client. So of two
 * operations one came certainly first when it had ended before the other one began; else the order is open, and a rule
 * is broken only when it is in either. "Handed out" is a row of a claim. It is over when its call was reported, settled
 * or booked by the processor, or when it was released; whichever of these operations began first says from when on
 * it may have been over.
 */

DROP SCHEMA IF EXISTS history CASCADE;
CREATE SCHEMA history;

CREATE UNLOGGED TABLE history.world (tenant_id int PRIMARY KEY, seed bigint, plan text);

-- Calls that are reported together are rows of their own with the same operation.
CREATE UNLOGGED TABLE history.operation (
	tenant_id int, operation bigint, client int, kind text, began timestamptz, ended timestamptz,
	task_id bigint, batch_id bigint, contact_id bigint, recycle_id bigint, token bigint,
	fault text, -- what is wrong with it on purpose: token, result, contact
	max_rows int, number text, failure_cause text, business_result text, raw_code text, called_at timestamptz,
	statement text, answer text, sqlstate text, message text);

CREATE UNLOGGED TABLE history.claimed (
	tenant_id int, operation bigint, contact_id bigint, number text, token bigint, attempt int, lease_until timestamptz,
	recycle_id bigint, batch_id bigint, due_at timestamptz);

-- How often which operation had which answer, over all rounds.
CREATE TABLE history.tally (kind text, answer text, times bigint, PRIMARY KEY (kind, answer));

-- What is worth knowing of a history in which something was wrong; $1 is the tenant.
CREATE TABLE history.page (position int, title text, query text);
INSERT INTO history.page VALUES
	(1, 'world', 'SELECT plan FROM history.world WHERE tenant_id = $1'),
	(2, 'policies', 'SELECT task_id, state, auto_recall, policy FROM recall.task WHERE tenant_id = $1'),
	(3, 'operations', 'SELECT o.began::time, o.ended - o.began AS took, o.client, o.operation, o.statement, o.answer, o.sqlstate,
		o.message, o.fault, c.claimed FROM history.operation o LEFT JOIN (SELECT tenant_id, operation, string_agg(
		format(''contact %s %s token %s attempt %s until %s recycle %s'', contact_id, number, token, attempt, lease_until::time,
		recycle_id), ''; '') AS claimed FROM history.claimed GROUP BY 1, 2) c USING (tenant_id, operation)
		WHERE tenant_id = $1 ORDER BY o.began'),
	(4, 'contacts', 'SELECT * FROM recall.contact WHERE tenant_id = $1 ORDER BY contact_id'),
	(5, 'calls', 'SELECT * FROM recall.call WHERE tenant_id = $1 ORDER BY contact_id, attempt'),
	(6, 'permits', 'SELECT * FROM recall.dial WHERE tenant_id = $1 ORDER BY contact_id'),
	(7, 'recycles', 'SELECT * FROM recall.recycle_record WHERE tenant_id = $1'),
	(8, 'events', 'SELECT * FROM recall.event WHERE tenant_id = $1 ORDER BY event_id');

-- Errors that an operation may give, whatever was wrong with it on purpose.
CREATE TABLE history.expected (kind text, sqlstate text);
INSERT INTO history.expected VALUES
	('report', '55000'), ('extend', '55000'), ('release', '55000'), -- each must be explained: see below
	('record_call', '55000'),                                       -- likewise
	('resolve', '55000'), ('schedule_callback', '55000'),
	('recycle', '55000'), ('cancel_recycle', '55000'), ('pause_recycle', '55000'), ('resume_recycle', '55000'),
	('retry_recycle', '55000'), ('start_task', '55000'), ('suspend_task', '55000'), ('start_batch', '55000'),
	('suspend_batch', '55000'), ('finish_batch', '55000'), ('add_contact', '55000');

CREATE FUNCTION history.check_round() RETURNS TABLE (tenant_id int, rule text, detail text)
LANGUAGE sql SET enable_nestloop = off SET jit = off BEGIN ATOMIC
WITH operation AS MATERIALIZED (
	SELECT * FROM history.operation
), called AS MATERIALIZED (
	SELECT k.*, b.task_id FROM recall.call k JOIN history.world USING (tenant_id)
	JOIN recall.batch b USING (tenant_id, batch_id)
), permit AS MATERIALIZED (
	SELECT d.* FROM recall.dial d JOIN history.world USING (tenant_id)
), task AS MATERIALIZED (
	SELECT t.*, coalesce(recall.matches(t.policy, 'unknown', NULL), false) AS books_unknown
	FROM recall.task t JOIN history.world USING (tenant_id)
), contact AS MATERIALIZED (
	SELECT c.*, b.task_id, b.state AS batch_state, t.state AS task_state, t.policy, t.auto_recall
	FROM recall.contact c JOIN recall.batch b USING (tenant_id, batch_id) JOIN task t USING (tenant_id, task_id)
), lease AS MATERIALIZED ( -- the ends that a handing out was given
	SELECT c.tenant_id, c.token, o.began, o.ended, c.lease_until FROM history.claimed c JOIN operation o USING (tenant_id, operation)
	UNION ALL
	SELECT o.tenant_id, o.token, o.began, o.ended, o.answer::timestamptz FROM operation o WHERE o.kind = 'extend' AND o.sqlstate IS NULL
), finish AS MATERIALIZED ( -- what ended a handing out
	SELECT o.tenant_id, o.token, o.kind, o.began, o.ended FROM operation o
	WHERE o.kind = 'report' AND o.answer = 'recorded' OR o.kind = 'release' AND o.sqlstate IS NULL
	UNION ALL
	SELECT o.tenant_id, k.token, o.kind, o.began, o.ended FROM operation o
	JOIN called k ON k.tenant_id = o.tenant_id AND k.contact_id = o.contact_id AND k.attempt::text = o.answer
	WHERE o.kind = 'resolve'
), handed AS MATERIALIZED ( -- what was handed out, and from when on it may have been over
	SELECT c.*, o.began, o.ended, o.task_id, t.policy, t.books_unknown, l.lease_until AS lease_end,
		least(coalesce(f.first, 'infinity'), CASE WHEN t.books_unknown THEN l.lease_until END) AS over_from,
		coalesce(f.released, false) AS released
	FROM history.claimed c
	JOIN operation o USING (tenant_id, operation)
	JOIN task t ON t.tenant_id = c.tenant_id AND t.task_id = o.task_id
	JOIN (SELECT tenant_id, token, min(lease_until) AS lease_until FROM lease GROUP BY 1, 2) l
		ON l.tenant_id = c.tenant_id AND l.token = c.token
	LEFT JOIN (SELECT tenant_id, token, min(began) AS first, bool_or(kind = 'release') AS released FROM finish GROUP BY 1, 2) f
		ON f.tenant_id = c.tenant_id AND f.token = c.token
), taken_out AS ( -- permits that went without a call, as the audit says
	SELECT e.tenant_id, e.record_id::bigint AS contact_id, max(e.at) AS at
	FROM recall.event e JOIN history.world USING (tenant_id)
	WHERE e.kind = 'contact' AND e.action = 'take_out' GROUP BY 1, 2
), judged AS MATERIALIZED ( -- what the policy says of a contact's calls, whatever else is in the way
	SELECT c.*, k.last_token, k.last_assumed, k.last_recorded, k.calls,
		(recall.judge(c.policy, k.history, c.numbers, 'UTC', NULL, NULL)).verdict AS verdict
	FROM contact c
	JOIN (SELECT i.tenant_id, i.contact_id, count(*) AS calls, max(i.recorded_at) AS last_recorded,
			(array_agg(i.token ORDER BY i.attempt DESC))[1] AS last_token, (array_agg(i.assumed ORDER BY i.attempt DESC))[1] AS last_assumed,
			recall.history(i.attempt, i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at) AS history
		FROM called i GROUP BY 1, 2) k USING (tenant_id, contact_id)
)

-- Claims

SELECT h.tenant_id, 'a token is handed out once', format('token %s: %s times', h.token, count(*))
FROM handed h GROUP BY h.tenant_id, h.token HAVING count(*) > 1

UNION ALL
SELECT o.tenant_id, 'a claim gives no more rows than were asked for', format('operation %s', o.operation)
FROM operation o WHERE o.kind = 'claim' AND o.answer::int > o.max_rows

UNION ALL
SELECT a.tenant_id, 'a contact is not handed out while it is out', format('contact %s, tokens %s and %s', a.contact_id, a.token, b.token)
FROM handed a JOIN handed b ON b.tenant_id = a.tenant_id AND b.contact_id = a.contact_id
WHERE a.token < b.token AND a.over_from >= b.ended AND b.over_from >= a.ended

UNION ALL
SELECT a.tenant_id, 'a number is not handed out while it is out', format('%s, tokens %s and %s', a.number, a.token, b.token)
FROM handed a JOIN handed b ON b.tenant_id = a.tenant_id AND b.number = a.number
WHERE a.token < b.token AND a.contact_id <> b.contact_id AND a.over_from >= b.ended AND b.over_from >= a.ended

UNION ALL
SELECT h.tenant_id, 'only a number of the contact is handed out', format('token %s, %s', h.token, h.number)
FROM handed h JOIN contact c USING (tenant_id, contact_id) WHERE h.number <> ALL (c.numbers)

UNION ALL
SELECT h.tenant_id, 'what is not due is not handed out', format('token %s, due at %s', h.token, h.due_at)
FROM handed h WHERE h.due_at > h.ended

UNION ALL
SELECT h.tenant_id, 'a suppressed number is not handed out', format('%s, token %s, operation %s', h.number, h.token, s.operation)
FROM handed h JOIN operation s ON s.tenant_id = h.tenant_id AND s.number = h.number
WHERE s.kind = 'suppress' AND s.sqlstate IS NULL AND s.ended < h.began AND coalesce(s.task_id, h.task_id) = h.task_id
AND NOT EXISTS (SELECT FROM operation u
	WHERE u.tenant_id = s.tenant_id AND u.kind = 'unsuppress' AND u.number = s.number
	AND u.task_id IS NOT DISTINCT FROM s.task_id AND u.began < h.ended AND u.ended > s.began)

UNION ALL
SELECT h.tenant_id, 'what is suspended, paused, cancelled or finished is not handed out', format('token %s, operation %s', h.token, s.operation)
FROM handed h JOIN operation s ON s.tenant_id = h.tenant_id
	AND (s.kind = 'suspend_task' AND s.task_id = h.task_id OR s.kind IN ('suspend_batch', 'finish_batch') AND s.batch_id = h.batch_id
		OR s.kind IN ('pause_recycle', 'cancel_recycle') AND s.recycle_id = h.recycle_id)
WHERE s.sqlstate IS NULL AND s.ended < h.began
AND NOT EXISTS (SELECT FROM operation u
	WHERE u.tenant_id = s.tenant_id AND u.sqlstate IS NULL AND u.began < h.ended AND u.ended > s.began
	AND (s.kind = 'suspend_task' AND u.kind = 'start_task' AND u.task_id = s.task_id
		OR s.kind = 'suspend_batch' AND u.kind = 'start_batch' AND u.batch_id = s.batch_id
		OR s.kind = 'pause_recycle' AND u.kind IN ('resume_recycle', 'cancel_recycle') AND u.recycle_id = s.recycle_id))

UNION ALL
SELECT h.tenant_id, 'whom a rule says never to call is not handed out', format('contact %s, token %s, attempt %s', h.contact_id, h.token, k.attempt)
FROM handed h
JOIN called k ON k.tenant_id = h.tenant_id AND k.contact_id = h.contact_id AND k.business_result = 'refused'
JOIN operation o ON o.tenant_id = k.tenant_id AND o.contact_id = k.contact_id AND o.raw_code = k.raw_code AND o.sqlstate IS NULL
JOIN recall.policy_rules(h.policy) r
	ON r.selector = 'result' AND r.never AND r.rule = -recall._matching_rule(h.policy, k.failure_cause, k.business_result)
WHERE o.ended < h.began
AND NOT EXISTS (SELECT FROM operation s -- what an agent promised outranks it
	WHERE s.tenant_id = h.tenant_id AND s.kind = 'schedule_callback' AND s.contact_id = h.contact_id AND s.sqlstate IS NULL)

UNION ALL -- limits: those who had certainly been called before; and all who were handed out, in whichever order
SELECT h.tenant_id, 'a limit holds', format('token %s, %s: %s', h.token, l.text, count(*))
FROM handed h
CROSS JOIN LATERAL recall.policy_limits(h.policy) l
JOIN (
	SELECT p.tenant_id, p.contact_id, p.number, p.ended, p.token, k.failure_cause FROM handed p
	LEFT JOIN called k ON k.tenant_id = p.tenant_id AND k.token = p.token WHERE NOT p.released
	UNION ALL
	SELECT k.tenant_id, k.contact_id, k.number, o.ended, 0, k.failure_cause FROM called k
	JOIN operation o ON o.tenant_id = k.tenant_id AND o.raw_code = k.raw_code WHERE k.token IS NULL
) p ON p.tenant_id = h.tenant_id AND p.token <> h.token
	AND CASE WHEN l.per_number THEN p.number = h.number ELSE p.contact_id = h.contact_id END
WHERE l.kind = 'limit' AND p.ended < h.began
AND (l.per IS NOT NULL OR p.failure_cause IS NULL OR p.failure_cause <> 'platform_failure')
GROUP BY h.tenant_id, h.token, l.text, l.calls HAVING count(*) >= l.calls

UNION ALL
SELECT h.tenant_id, 'a limit holds', format('%s, %s: %s handed out', p.whom, l.text, count(*))
FROM handed h
CROSS JOIN LATERAL recall.policy_limits(h.policy) l
CROSS JOIN LATERAL (SELECT CASE WHEN l.per_number THEN h.number ELSE 'contact ' || h.contact_id END AS whom) p
LEFT JOIN called k ON k.tenant_id = h.tenant_id AND k.token = h.token
WHERE l.kind = 'limit' AND NOT h.released
AND (l.per IS NOT NULL OR k.failure_cause IS NULL OR k.failure_cause <> 'platform_failure')
GROUP BY h.tenant_id, h.task_id, p.whom, l.text, l.calls HAVING count(*) > l.calls

UNION ALL
SELECT h.tenant_id, 'a quiet holds', format('token %s, %s, attempt %s of contact %s', h.token, l.text, k.attempt, k.contact_id)
FROM handed h
CROSS JOIN LATERAL recall.policy_limits(h.policy) l
JOIN called k ON k.tenant_id = h.tenant_id AND k.number = h.number AND k.failure_cause IS NULL
JOIN operation o ON o.tenant_id = k.tenant_id AND o.contact_id = k.contact_id AND o.raw_code = k.raw_code AND o.sqlstate IS NULL
WHERE l.kind = 'quiet' AND l.selector = 'answered' AND l.per_number AND o.ended < h.began

-- Answers

UNION ALL
SELECT o.tenant_id, 'only expected errors are given', format('operation %s %s: %s %s', o.operation, o.kind, o.sqlstate, o.message)
FROM operation o LEFT JOIN history.expected e USING (kind, sqlstate)
WHERE o.sqlstate IS NOT NULL AND e.kind IS NULL
AND NOT EXISTS (SELECT FROM operation f WHERE f.tenant_id = o.tenant_id AND f.operation = o.operation
	AND (f.fault = 'result' AND o.sqlstate = '22023' OR f.fault = 'contact' AND o.sqlstate = '42501'))

UNION ALL
SELECT o.tenant_id, 'what is wrong on purpose is refused', format('operation %s: %s', o.operation, o.fault)
FROM operation o
WHERE o.sqlstate IS NULL AND (o.fault IN ('token', 'contact') OR o.fault IS NOT NULL AND o.answer = 'recorded')

UNION ALL
SELECT o.tenant_id, 'a token is refused for a reason', format('operation %s %s', o.operation, o.kind)
FROM operation o
WHERE o.kind IN ('report', 'extend', 'release') AND o.sqlstate = '55000'
AND NOT EXISTS (SELECT FROM operation f WHERE f.tenant_id = o.tenant_id AND f.operation = o.operation AND f.fault = 'token')
AND NOT EXISTS (SELECT FROM operation p
	JOIN finish f ON f.tenant_id = p.tenant_id AND f.token = p.token AND f.began < p.ended
	WHERE p.tenant_id = o.tenant_id AND p.operation = o.operation AND (o.kind <> 'report' OR f.kind = 'release'))
AND NOT EXISTS (SELECT FROM handed h
	WHERE o.kind <> 'report' AND h.tenant_id = o.tenant_id AND h.token = o.token AND h.over_from < o.ended)

UNION ALL
SELECT o.tenant_id, 'a handing out that is over is neither extended nor released', format('operation %s %s, token %s', o.operation, o.kind, o.token)
FROM operation o JOIN finish f ON f.tenant_id = o.tenant_id AND f.token = o.token AND f.ended < o.began
WHERE o.kind IN ('extend', 'release') AND o.sqlstate IS NULL

UNION ALL
SELECT f.tenant_id, 'a token ends once', format('token %s: %s', f.token, string_agg(f.kind, ', '))
FROM finish f GROUP BY f.tenant_id, f.token
HAVING count(*) FILTER (WHERE f.kind = 'report') > 1 OR count(*) FILTER (WHERE f.kind = 'release') > 1
OR count(*) FILTER (WHERE f.kind = 'resolve') > 1 OR bool_or(f.kind = 'release') AND bool_or(f.kind <> 'release')

UNION ALL
SELECT o.tenant_id, 'a duplicate follows a report', format('operation %s, token %s', o.operation, o.token)
FROM operation o
WHERE o.kind = 'report' AND o.sqlstate IS NULL AND o.answer IS DISTINCT FROM 'recorded'
AND (o.answer IS DISTINCT FROM 'duplicate' OR NOT EXISTS (SELECT FROM finish f
	WHERE f.tenant_id = o.tenant_id AND f.token = o.token AND f.kind = 'report' AND f.began < o.ended))

UNION ALL
SELECT o.tenant_id, 'what is resolved was out and its lease had run out', format('operation %s', o.operation)
FROM operation o
WHERE o.kind = 'resolve' AND o.sqlstate IS NULL
AND NOT EXISTS (SELECT FROM handed h
	WHERE h.tenant_id = o.tenant_id AND h.contact_id = o.contact_id AND h.began < o.ended AND h.lease_end < o.ended)

UNION ALL
SELECT o.tenant_id, 'no call is recorded beside one that is out', format('operation %s, token %s', o.operation, h.token)
FROM operation o JOIN handed h ON h.tenant_id = o.tenant_id AND h.contact_id = o.contact_id
WHERE o.kind = 'record_call' AND o.sqlstate IS NULL AND h.ended < o.began AND h.over_from > o.ended

UNION ALL
SELECT o.tenant_id, 'a call that is recorded is refused only beside one that is out', format('operation %s', o.operation)
FROM operation o
WHERE o.kind = 'record_call' AND o.sqlstate IS NOT NULL
AND NOT EXISTS (SELECT FROM handed h
	WHERE h.tenant_id = o.tenant_id AND h.contact_id = o.contact_id AND h.began < o.ended
	AND NOT EXISTS (SELECT FROM finish f WHERE f.tenant_id = h.tenant_id AND f.token = h.token AND f.ended < o.began))

-- Calls

UNION ALL
SELECT o.tenant_id, 'what was reported or recorded is a call', format('operation %s, contact %s', o.operation, o.contact_id)
FROM operation o
LEFT JOIN called k ON k.tenant_id = o.tenant_id AND k.contact_id = o.contact_id AND k.raw_code = o.raw_code
LEFT JOIN handed h ON h.tenant_id = o.tenant_id AND h.token = o.token
LEFT JOIN contact c ON c.tenant_id = o.tenant_id AND c.contact_id = o.contact_id
WHERE (o.answer = 'recorded' OR o.kind = 'record_call' AND o.sqlstate IS NULL)
AND (k.failure_cause::text, k.business_result, k.started_at, k.ended_at, k.assumed, k.token, k.number)
	IS DISTINCT FROM (o.failure_cause, o.business_result, o.called_at, o.called_at, false, o.token, coalesce(h.number, c.numbers[1]))

UNION ALL
SELECT k.tenant_id, 'each call was made once', format('contact %s, attempt %s, token %s: %s operations', k.contact_id, k.attempt, k.token, count(o))
FROM called k
LEFT JOIN operation o ON o.tenant_id = k.tenant_id AND o.contact_id = k.contact_id AND o.raw_code = k.raw_code
	AND (o.answer = 'recorded' OR o.kind = 'record_call' AND o.answer = k.attempt::text)
WHERE NOT k.assumed
GROUP BY k.tenant_id, k.contact_id, k.attempt, k.token HAVING count(o) <> 1

UNION ALL
SELECT k.tenant_id, 'a call is assumed for a reason', format('contact %s, attempt %s, token %s', k.contact_id, k.attempt, k.token)
FROM called k
LEFT JOIN handed h ON h.tenant_id = k.tenant_id AND h.token = k.token AND h.contact_id = k.contact_id AND h.number = k.number
WHERE k.assumed
AND NOT (h.books_unknown IS TRUE AND k.failure_cause = 'unknown')
AND NOT EXISTS (SELECT FROM operation o
	WHERE h.token IS NOT NULL AND o.tenant_id = k.tenant_id AND o.kind = 'resolve' AND o.contact_id = k.contact_id AND o.answer = k.attempt::text
	AND (o.failure_cause, o.business_result) IS NOT DISTINCT FROM (k.failure_cause::text, k.business_result))

UNION ALL
SELECT k.tenant_id, 'a call is assumed when its lease has run out', format('contact %s, attempt %s, token %s', k.contact_id, k.attempt, k.token)
FROM called k JOIN lease l ON l.tenant_id = k.tenant_id AND l.token = k.token
WHERE k.assumed AND l.ended < k.recorded_at AND l.lease_until > k.recorded_at
AND NOT EXISTS (SELECT FROM lease s
	WHERE s.tenant_id = l.tenant_id AND s.token = l.token AND s.ended > l.began AND s.lease_until <= k.recorded_at)

UNION ALL
SELECT o.tenant_id, 'what was resolved is a call', format('operation %s', o.operation)
FROM operation o
WHERE o.kind = 'resolve' AND o.sqlstate IS NULL
AND NOT EXISTS (SELECT FROM finish f WHERE f.tenant_id = o.tenant_id AND f.kind = 'resolve' AND f.began = o.began AND f.token IS NOT NULL)

-- What is left at the end

UNION ALL
SELECT h.tenant_id, 'what was handed out is a call, was released or is out', format('token %s of contact %s', h.token, h.contact_id)
FROM handed h
LEFT JOIN called k ON k.tenant_id = h.tenant_id AND k.token = h.token
LEFT JOIN permit d ON d.tenant_id = h.tenant_id AND d.token = h.token AND d.state <> 'ready'
WHERE h.released::int + (k.token IS NOT NULL)::int + (d.token IS NOT NULL)::int <> 1

UNION ALL
SELECT d.tenant_id, 'what is out was handed out', format('token %s of contact %s', d.token, d.contact_id)
FROM permit d LEFT JOIN handed h USING (tenant_id, token)
WHERE d.state <> 'ready' AND (h.contact_id, h.number) IS DISTINCT FROM (d.contact_id, d.number)

UNION ALL
SELECT d.tenant_id, 'what is due and allowed is handed out in the end', format('contact %s', d.contact_id)
FROM permit d JOIN contact c USING (tenant_id, contact_id)
LEFT JOIN recall.recycle r ON r.tenant_id = d.tenant_id AND r.recycle_id = d.recycle_id
WHERE d.state = 'ready' AND c.task_state = 'executing' AND c.batch_state = 'started' AND r.state IS DISTINCT FROM 'paused'
AND d.due_at <= (SELECT min(o.began) FROM operation o WHERE o.tenant_id = d.tenant_id AND o.task_id = d.task_id AND o.max_rows = 100)
AND NOT EXISTS (SELECT FROM permit p WHERE p.tenant_id = d.tenant_id AND p.state <> 'ready' AND p.number = ANY (c.numbers))

UNION ALL
SELECT r.tenant_id, 'a recycle record does not fail', format('record %s: %s', r.recycle_id, r.error)
FROM recall.recycle_record r JOIN history.world USING (tenant_id) WHERE r.error IS NOT NULL

UNION ALL
SELECT j.tenant_id, 'whom the policy recalls at once has a permit', format('contact %s', j.contact_id)
FROM judged j
LEFT JOIN permit d USING (tenant_id, contact_id) LEFT JOIN taken_out t USING (tenant_id, contact_id)
WHERE j.last_token IS NOT NULL AND j.verdict = 'recall' AND j.batch_state <> 'finished'
AND (j.auto_recall OR j.last_assumed AND NOT EXISTS (SELECT FROM operation o -- booked by the processor, and nothing corrected
	WHERE o.tenant_id = j.tenant_id AND o.contact_id = j.contact_id
	AND (o.kind = 'resolve' AND o.sqlstate IS NULL OR o.answer = 'recorded' AND o.ended > j.last_recorded)))
AND d.contact_id IS NULL AND (t.at < j.last_recorded) IS NOT FALSE
AND NOT EXISTS (SELECT FROM recall.policy_limits(j.policy) l WHERE l.per_number)
AND NOT EXISTS (SELECT FROM operation o WHERE o.tenant_id = j.tenant_id AND o.kind = 'suppress' AND o.number = ANY (j.numbers))

UNION ALL
SELECT j.tenant_id, 'whom the policy does not recall has no permit', format('contact %s: %s', j.contact_id, j.verdict)
FROM judged j JOIN permit d USING (tenant_id, contact_id)
WHERE d.state = 'ready' AND j.verdict NOT IN ('recall', 'suppressed')
AND NOT EXISTS (SELECT FROM operation o
	WHERE o.tenant_id = j.tenant_id AND o.kind = 'schedule_callback' AND o.contact_id = j.contact_id AND o.sqlstate IS NULL)

-- What is always true, of calls, permits and records by themselves

UNION ALL
SELECT coalesce(v.tenant_id, (SELECT min(w.tenant_id) FROM history.world w)), v.check_name, concat_ws(': ', v.record, v.detail)
FROM recall.verify() v;
END;

-- The audit is only appended to, but for those who switch triggers off.
CREATE FUNCTION history.forget_round() RETURNS void
LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE
	place regclass;
BEGIN
	INSERT INTO history.tally AS t
	SELECT kind, coalesce(sqlstate, CASE kind WHEN 'report' THEN answer WHEN 'claim' THEN CASE answer WHEN '0' THEN 'nothing' ELSE 'rows' END ELSE 'ok' END),
		count(*)
	FROM history.operation GROUP BY 1, 2
	UNION ALL
	SELECT 'claimed', CASE WHEN recycle_id IS NULL THEN 'first attempt, call-back or automatic' ELSE 'recycled' END, count(*)
	FROM history.claimed GROUP BY 1, 2
	ON CONFLICT (kind, answer) DO UPDATE SET times = t.times + excluded.times;

	FOR place IN
		SELECT a.attrelid FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND c.relnamespace = 'recall'::regnamespace
	LOOP
		EXECUTE format('DELETE FROM %s WHERE tenant_id IN (SELECT tenant_id FROM history.world)', place);
	END LOOP;
	TRUNCATE history.world, history.operation, history.claimed;
END $$;
