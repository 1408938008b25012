-- Recycling: the preview, the gates, the record's life, and the processor's steps.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

CREATE FUNCTION t.record(tenant int, record bigint) RETURNS text LANGUAGE sql RETURN (
	SELECT format('%s: matched %s, emitted %s, over cap %s, excluded %s, withdrawn %s, pending %s', state, matched, emitted, over_cap, excluded, withdrawn, pending)
	FROM recall.recycle_record WHERE tenant_id = tenant AND recycle_id = record);
CREATE FUNCTION t.permits(tenant int, record bigint) RETURNS bigint[] LANGUAGE sql RETURN (
	SELECT coalesce(array_agg(contact_id ORDER BY contact_id), '{}') FROM recall.dial WHERE tenant_id = tenant AND recycle_id = record);
CREATE FUNCTION t.numbers(first bigint, last bigint) RETURNS bigint[] LANGUAGE sql RETURN ARRAY(SELECT generate_series(first, last));
CREATE FUNCTION t.verdicts(tenant int, batch bigint) RETURNS text LANGUAGE sql RETURN (
	SELECT string_agg(format('%s %s', verdict, contacts), ', ' ORDER BY verdict COLLATE "C")
	FROM (SELECT verdict, sum(contacts) AS contacts FROM recall.preview(tenant, batch) GROUP BY verdict) v);

/* The preview has every contact of the batch once */

SELECT tenant AS acme, task, batch FROM t.campaign(12, recycle_limit => 2) \gset
SELECT recall.create_business_result(:acme, r, r) FROM unnest('{callback,refused}'::text[]) r;
SELECT recall.set_policy(:acme, :task, 'busy, no_answer; result callback; result refused never');
CREATE TEMPORARY TABLE outcome (contact_id bigint, failure_cause recall.failure_cause, business_result text, started_at timestamptz, ended_at timestamptz);
INSERT INTO outcome SELECT c, f::recall.failure_cause, r, timestamptz '2026-01-05 10:00+00' + c * interval '1 min', timestamptz '2026-01-05 10:00+00' + c * interval '1 min'
FROM (VALUES (1, 'busy', NULL), (2, 'no_answer', NULL), (3, NULL, 'callback'), (4, NULL, NULL), (5, NULL, 'refused'), (6, 'busy', NULL),
	(7, 'busy', NULL), (8, 'busy', NULL), (10, 'rejected', NULL), (11, 'busy', NULL)) AS v(c, f, r);
SELECT recall.record_calls(:acme, 'outcome');
INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, state, number, token, claimed_at, lease_until)
SELECT :acme, 2, c, :task, :batch, now(), 0, s::recall.dial_state, t.number(c), o, l, l FROM (VALUES (6, 'ready', NULL, NULL::timestamptz), (7, 'claimed', 7, 'infinity'), (8, 'unknown', 8, now())) AS v(c, s, o, l);
CREATE TEMPORARY TABLE expected_preview AS SELECT * FROM (VALUES
	('done', 'answered', 'no rule recalls this outcome', 1::bigint, NULL::timestamptz),
	('done', 'rejected', 'no rule recalls this outcome', 1, NULL),
	('new', 'none', 'not called yet', 2, NULL),
	('over_cap', 'answered: callback', 'over the tenant''s limit of 2; the next recycle goes on there', 1, '2026-01-05 10:03+00'),
	('over_cap', 'busy', 'over the tenant''s limit of 2; the next recycle goes on there', 1, '2026-01-05 10:11+00'),
	('queued', 'busy', 'a call is out with a dialer', 1, NULL),
	('queued', 'busy', 'a re-dial is waiting already', 1, NULL),
	('recall', 'busy', 'a rule recalls this outcome: busy, no_answer', 1, '2026-01-05 10:01+00'),
	('recall', 'no_answer', 'a rule recalls this outcome: busy, no_answer', 1, '2026-01-05 10:02+00'),
	('stopped', 'answered: refused', 'a rule says never: result refused never', 1, NULL),
	('unknown', 'busy', 'a call is out whose outcome is unknown', 1, NULL)) AS v(verdict, outcome, reason, contacts, earliest);
SELECT set_eq(format('SELECT verdict, outcome, reason, contacts, earliest FROM recall.preview(%s, %s)', :acme, :batch), 'SELECT * FROM expected_preview',
	'preview() counts by verdict, outcome and reason');
SELECT is((SELECT count(*) FROM recall.preview(:acme, :batch)), (SELECT count(*) FROM expected_preview), 'a row each');
SELECT is((SELECT sum(contacts) FROM recall.preview(:acme, :batch)), 12::numeric, 'the counts sum to the batch');
SELECT t.fingerprint() AS before \gset
SELECT count(*) AS looked FROM recall.preview(:acme, :batch) \gset
SELECT is(t.fingerprint(), :'before', 'looking changes nothing');
SELECT is((SELECT string_agg(verdict, ' ') FROM (SELECT DISTINCT ON (verdict) verdict, n FROM recall.preview(:acme, :batch) WITH ORDINALITY AS p(o, verdict, r, c, e, n) ORDER BY verdict, n) f(verdict, n)
	WHERE n = 1), 'recall', 'what is recalled stands first');
SELECT is((SELECT sum(contacts) FROM recall.preview(:acme, :batch, 'rejected') WHERE verdict = 'recall'), 1::numeric, 'preview() answers for a policy that is given');
SELECT t.refused(format('SELECT count(*) FROM recall.preview(%s, %s, %L)', :acme, :batch, 'result calback'), '22023',
	format('business result "calback" of the policy does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'and refuses one with a misspelt result');
SELECT recall.set_calling_hours(:acme, :task, 'PH 10:00-12:00');
SELECT is(t.verdicts(:acme, :batch), 'closed 4, done 2, new 2, queued 2, stopped 1, unknown 1', 'where the hours never open, whoever would be recalled is closed');
SELECT recall.set_calling_hours(:acme, :task, NULL);
SELECT recall.set_policy(:acme, :task, NULL);
SELECT t.refused(format('SELECT count(*) FROM recall.preview(%s, %s)', :acme, :batch), '55000', format('the recall policy of the task of batch %s is not enabled', :batch),
	'Enable one with recall.set_policy(), or give a policy.', 'without any policy there is nothing to preview');
SELECT is((SELECT sum(contacts) FROM recall.preview(:acme, :batch, 'failed') WHERE verdict IN ('recall', 'over_cap')), 4::numeric, 'unless one is given');

/* What a re-dial row holds */

SELECT tenant AS due, task AS due_task, batch AS due_batch FROM t.campaign(3) \gset
UPDATE recall.contact SET priority = 7, time_zone = 'America/New_York', numbers = '{+49301000001,+49301000009}' WHERE tenant_id = :due AND contact_id = 1;
SELECT recall.set_calling_hours(:due, :due_task, 'Mo-Fr 09:00-20:00');
SELECT recall.record_call(:due, 1, 'busy', NULL, '+49301000009', '2026-01-09 20:00+00', '2026-01-10 01:30+00');
SELECT recall.record_call(:due, 2, 'busy', NULL, NULL, '2026-01-09 10:00+00', '2026-01-09 10:30+00');
SELECT recall.recycle(:due, :due_batch) AS due_record \gset
SELECT t.tick();
SELECT results_eq(format('SELECT contact_id, attempt, number, priority, due_at, state::text, task_id, batch_id, recycle_id FROM recall.dial WHERE tenant_id = %s AND attempt > 1 ORDER BY 1', :due),
	format($$VALUES (1::bigint, 2, '+49301000009', 7, timestamptz '2026-01-12 14:00+00', 'ready', %1$s::bigint, %2$s::bigint, %3$s::bigint),
		(2, 2, '+49301000002', 0, '2026-01-09 10:30+00', 'ready', %1$s, %2$s, %3$s)$$, :due_task, :due_batch, :due_record),
	'the next attempt, the number that was called, the contact''s priority, and the next opening in the callee''s zone after the call');
SELECT results_eq(format('SELECT contact_id, attempt, recycle_id FROM recall.redial WHERE tenant_id = %s ORDER BY 1', :due),
	format('VALUES (1::bigint, 2, %1$s::bigint), (2, 2, %1$s)', :due_record), 'redial shows the second attempts, not the first ones');

/* The gates of a press */

CREATE TABLE t.gate (what text, shut text, message text, hint text, mend text);
INSERT INTO t.gate VALUES
	('obs_url_mode', $$SELECT recall.set_tenant($n, obs_url_mode => 'sip')$$, 'obs_url_mode of tenant $n is "sip", not "http"',
		'Recycling needs HTTP-based interconnection: recall.set_tenant(tenant_id, obs_url_mode => ''http'').', $$SELECT recall.set_tenant($n, obs_url_mode => 'http')$$),
	('a mode in capitals', $$SELECT recall.set_tenant($n, obs_url_mode => 'HTTP')$$, 'obs_url_mode of tenant $n is "HTTP", not "http"',
		'Recycling needs HTTP-based interconnection: recall.set_tenant(tenant_id, obs_url_mode => ''http'').', $$SELECT recall.set_tenant($n, obs_url_mode => 'http')$$),
	('the task''s type', $$UPDATE recall.task SET task_type = 'manual' WHERE tenant_id = $n$$, 'task 1 is of type "manual", which cannot be recalled',
		'Recycling supports tasks of type preview, predicted, preempted, fixed and robot.', $$UPDATE recall.task SET task_type = 'robot' WHERE tenant_id = $n$$),
	('the policy', 'SELECT recall.set_policy($n, 1, NULL)', 'the recall policy of task 1 is not enabled', 'Enable one with recall.set_policy().', $$SELECT recall.set_policy($n, 1, 'busy')$$);
CREATE FUNCTION t.do(statement text, tenant int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE replace(statement, '$n', tenant::text);
END $$;

CREATE FUNCTION t.gate_tests(tenant int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	g t.gate;
BEGIN
	FOR g IN SELECT * FROM t.gate LOOP
		PERFORM t.do(g.shut, tenant);
		RETURN NEXT t.refused(format('SELECT recall.recycle(%s, 1)', tenant), '55000', replace(g.message, '$n', tenant::text), g.hint, 'a press is refused: ' || g.what);
		PERFORM t.do(g.mend, tenant);
	END LOOP;
END $$;
SELECT recall.create_tenant('Gates') AS gates \gset
SELECT recall.create_task(:gates, 'x', 'fixed', 'busy');
SELECT recall.create_batch(:gates, 1, 'x');
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', :gates), '55000', 'task 1 is in state "draft"', 'Start the task with recall.start_task().', 'a press is refused: a draft');
SELECT recall.start_task(:gates, 1);
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', :gates), '55000', 'batch 1 is in state "created"', 'Start the batch with recall.start_batch().', 'a press is refused: a batch that was not started');
SELECT recall.start_batch(:gates, 1);
SELECT t.gate_tests(:gates);
SELECT recall.suspend_task(:gates, 1), recall.suspend_batch(:gates, 1) \gset suspended_
SELECT matches(t.outcome(format('SELECT recall.recycle(%s, 1)', :gates)), '^1$', 'a suspended batch of a suspended task can be recycled');
SELECT recall.cancel_recycle(:gates, 1);
SELECT recall.finish_batch(:gates, 1);
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', :gates), '55000', 'batch 1 is in state "finished"',
	'A finished batch is final; add the contacts to another one.', 'a press is refused: a finished batch');
SELECT recall.complete_task(:gates, 1);
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', :gates), '55000', 'task 1 is in state "completed"',
	'A completed task is final; its batches are not recycled.', 'a press is refused: a completed task');
SELECT t.refused(format('SELECT recall.recycle(%s, %s)', :gates, coalesce(b, 'NULL')), '42501', format('permission denied for batch %s of tenant %s', b, :gates),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'a press on no batch') FROM (VALUES ('2'), ('-1'), ('9223372036854775807')) AS v(b);
SELECT lives_ok(format('SELECT recall.create_task(%s, %L, %L)', :gates, 'm', 'manual'), 'a manual task can be made');
SELECT is((SELECT count(DISTINCT y) FROM unnest(enum_range(NULL::recall.task_type)) y), 6::bigint, 'of the six types of tasks');
CREATE FUNCTION t.press_on_type(type recall.task_type) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	SELECT * INTO c FROM t.campaign(1);
	UPDATE recall.task SET task_type = type WHERE tenant_id = c.tenant;
	RETURN t.outcome(format('SELECT recall.recycle(%s, 1)', c.tenant));
END $$;
SELECT is(t.press_on_type(y) = '1', y <> 'manual', format('%s can%s be recalled', y, CASE y WHEN 'manual' THEN 'not' ELSE '' END)) FROM unnest(enum_range(NULL::recall.task_type)) y;

/* The life of a record: every action in every state */

CREATE FUNCTION t.record_in(wanted recall.recycle_state) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	-- Nothing of other tests must be in the processor's way.
	PERFORM t.tick();
	SELECT * INTO c FROM t.campaign(5);
	PERFORM t.call_all(c.tenant, 1, 5, 'busy');
	PERFORM recall.recycle(c.tenant, c.batch);
	CASE wanted
		WHEN 'waiting' THEN NULL;
		WHEN 'running' THEN PERFORM t.tick(1);
		WHEN 'paused' THEN PERFORM t.tick(1), recall.pause_recycle(c.tenant, 1);
		WHEN 'failed' THEN
			PERFORM recall.set_tenant(c.tenant, obs_url_mode => 'off'), t.tick(), recall.set_tenant(c.tenant, obs_url_mode => 'http');
		WHEN 'completed' THEN PERFORM t.tick();
		WHEN 'cancelled' THEN PERFORM recall.cancel_recycle(c.tenant, 1);
	END CASE;
	IF (SELECT state FROM recall.recycle WHERE tenant_id = c.tenant) <> wanted THEN
		RAISE 'no record in state %', wanted;
	END IF;
	RETURN c.tenant;
END $$;
CREATE TABLE t.action (name text, goes_to recall.recycle_state);
INSERT INTO t.action VALUES ('cancel', 'cancelled'), ('pause', 'paused'), ('resume', 'running'), ('retry', 'waiting');
CREATE TABLE t.legal (from_state recall.recycle_state, action text, detail text);
INSERT INTO t.legal VALUES ('waiting', 'cancel'), ('running', 'cancel'), ('running', 'pause'), ('paused', 'cancel'), ('paused', 'resume'), ('failed', 'cancel'), ('failed', 'retry');
CREATE TABLE t.way_out (state recall.recycle_state, sentence text);
INSERT INTO t.way_out VALUES
	('waiting', 'From "waiting" it can go to: "running", "cancelled".'),
	('running', 'From "running" it can go to: "paused", "completed", "failed", "cancelled".'),
	('paused', 'From "paused" it can go to: "running", "cancelled".'),
	('failed', 'From "failed" it can go to: "waiting", "cancelled".'),
	('completed', 'State "completed" is final.'),
	('cancelled', 'State "cancelled" is final.');
CREATE FUNCTION t.life_tests() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	a record;
	tenant int;
	statement text;
BEGIN
	FOR a IN SELECT s.state, s.sentence, x.name, x.goes_to, l.action IS NOT NULL AS is_legal
		FROM t.way_out s CROSS JOIN t.action x LEFT JOIN t.legal l ON l.from_state = s.state AND l.action = x.name
	LOOP
		tenant := t.record_in(a.state);
		statement := format('SELECT recall.%s_recycle(%s, 1)', a.name, tenant);
		IF a.is_legal THEN
			RETURN NEXT is(t.outcome(statement), '', format('%s a %s record', a.name, a.state));
			RETURN NEXT is((SELECT r.state FROM recall.recycle r WHERE r.tenant_id = tenant), a.goes_to, 'it is ' || a.goes_to);
			RETURN NEXT is((SELECT format('%s %s %s', u.action, u.from_state, u.to_state) FROM recall.audit u WHERE u.tenant_id = tenant AND u.action = a.name),
				format('%s %s %s', a.name, a.state, a.goes_to), 'and the audit says so');
		ELSIF a.state = 'waiting' AND a.name = 'resume' THEN
			-- Only the processor makes the move that the machine allows.
			RETURN NEXT t.refused(statement, '55000', 'recycle record 1 is in state "waiting", not "paused"', 'The processor takes it up by itself.',
				'one cannot resume a waiting record');
		ELSE
			RETURN NEXT t.refused(statement, '55000', format('recycle cannot go from state "%s" to "%s"', a.state, a.goes_to), a.sentence,
				format('one cannot %s a %s record', a.name, a.state));
		END IF;
	END LOOP;
END $$;
SELECT t.life_tests();
SELECT t.refused(format('SELECT recall.%s_recycle(%s, %s)', a, :acme, r), '42501', format('permission denied for recycle record %s of tenant %s', r, :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', format('%s_recycle(): no record %s', a, r))
FROM unnest('{cancel,pause,resume,retry,withdraw}'::text[]) a, unnest('{77,-1,9223372036854775807}'::text[]) r;

-- An unfinished record bars another press, a finished one does not; withdrawing goes in every state.
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', x.tenant), '55000', format('batch 1 has an unfinished recycle record: 1 is in state "%s"', x.state), x.hint, format('while a record is %s nobody presses', x.state))
FROM (VALUES
	(t.record_in('waiting'), 'waiting', 'Wait until the processor has completed it, or cancel it with recall.cancel_recycle().'),
	(t.record_in('paused'), 'paused', 'Resume it with recall.resume_recycle(), or cancel it with recall.cancel_recycle().'),
	(t.record_in('failed'), 'failed', 'Retry it with recall.retry_recycle(), or cancel it with recall.cancel_recycle().')) AS x(tenant, state, hint);
SELECT t.refused(format('SELECT recall.recycle(%s, 1)', t.record_in('running')), '55000', 'batch 1 has an unfinished recycle record: 1 is in state "running"',
	'Wait until the processor has completed it, or cancel it with recall.cancel_recycle().', 'while a record is running nobody presses');
SELECT is(t.outcome(format('SELECT recall.recycle(%s, 1)', t.record_in(s))), '2', format('when it is %s one can press again', s)) FROM unnest('{completed,cancelled}'::recall.recycle_state[]) s;
SELECT is(t.outcome(format('SELECT recall.withdraw_recycle(%s, 1)', t.record_in(s))), CASE s WHEN 'completed' THEN '5' ELSE '0' END, format('withdrawing from a %s record', s))
FROM unnest(enum_range(NULL::recall.recycle_state)) s;

SELECT t.record_in('completed') AS back \gset
UPDATE recall.dial SET state = 'claimed', token = contact_id, claimed_at = now(), lease_until = 'infinity' WHERE tenant_id = :back AND contact_id = 1;
UPDATE recall.dial SET state = 'unknown', token = contact_id, claimed_at = now(), lease_until = now() WHERE tenant_id = :back AND contact_id = 2;
SELECT is(recall.withdraw_recycle(:back, 1), 3::bigint, 'only ready re-dial rows are taken back');
SELECT is(t.permits(:back, 1), '{1,2}', 'those that are out stay');
SELECT is(t.record(:back, 1), 'completed: matched 5, emitted 5, over cap 0, excluded 0, withdrawn 3, pending 2', 'and the record counts them');
SELECT is(recall.withdraw_recycle(:back, 1), 0::bigint, 'a second time there is nothing to take back');
SELECT recall.recycle(:back, 1);
SELECT t.tick();
SELECT is(t.permits(:back, 2), '{3,4,5}', 'what was taken back can be recycled again, what is out cannot');

/* A record keeps the policy and the limit of its press */

SELECT tenant AS snap, batch AS snap_batch FROM t.campaign(9, recycle_limit => 4) \gset
SELECT t.call_all(:snap, 1, 6, 'busy'), t.call_all(:snap, 7, 9, 'no_answer') \gset made_
SELECT recall.recycle(:snap, :snap_batch);
SELECT recall.set_policy(:snap, 1, 'no_answer'), recall.set_tenant(:snap, recycle_limit => 5) \gset changed_
SELECT t.tick();
SELECT is(t.record(:snap, 1), 'completed: matched 6, emitted 4, over cap 2, excluded 3, withdrawn 0, pending 4', 'a record is worked off by the policy and the limit of its press');
SELECT is((SELECT format('%s, %s', policy, cap) FROM recall.recycle_record WHERE tenant_id = :snap), 'busy, 4', 'and shows them');
SELECT recall.recycle(:snap, :snap_batch);
SELECT t.tick();
SELECT is(t.permits(:snap, 2), '{7,8,9}', 'the next one has those of its own');

/* The cap: nobody is dropped, nobody comes twice, the tail is not starved */

SET LOCAL recall.chunk_size = 2;
SELECT tenant AS capped, batch AS capped_batch FROM t.campaign(10, recycle_limit => 3) \gset
SELECT t.call_all(:capped, 1, 10, 'busy');
CREATE FUNCTION t.press(tenant int, batch bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	promised text := t.verdicts(tenant, batch);
	record bigint := recall.recycle(tenant, batch);
BEGIN
	PERFORM t.tick();
	RETURN format('%s; %s; %s', promised, t.record(tenant, record), t.permits(tenant, record));
END $$;
SELECT is(t.press(:capped, :capped_batch), x.outcome, 'press ' || x.n) FROM (VALUES
	(1, 'over_cap 7, recall 3; completed: matched 10, emitted 3, over cap 7, excluded 0, withdrawn 0, pending 3; {1,2,3}'),
	(2, 'over_cap 4, queued 3, recall 3; completed: matched 7, emitted 3, over cap 4, excluded 3, withdrawn 0, pending 3; {4,5,6}'),
	(3, 'over_cap 1, queued 6, recall 3; completed: matched 4, emitted 3, over cap 1, excluded 6, withdrawn 0, pending 3; {7,8,9}'),
	(4, 'queued 9, recall 1; completed: matched 1, emitted 1, over cap 0, excluded 9, withdrawn 0, pending 1; {10}'),
	(5, 'queued 10; completed: matched 0, emitted 0, over cap 0, excluded 10, withdrawn 0, pending 0; {}')) AS x(n, outcome);
CREATE FUNCTION t.fail_again(tenant int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMPORARY TABLE again AS SELECT contact_id, 'busy'::text AS failure_cause FROM recall.dial WHERE tenant_id = tenant;
	PERFORM recall.record_calls(tenant, 'again');
	DROP TABLE again;
END $$;
-- What a press takes when everybody who was queued has been called again, and is busy still.
CREATE FUNCTION t.next_press(tenant int, batch bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.fail_again(tenant);
	RETURN substring(t.press(tenant, batch) FROM '{.*}');
END $$;
SELECT is(t.next_press(:capped, :capped_batch), '{1,2,3}', 'after a record that was not capped the next one starts at the front');
SELECT is(t.next_press(:capped, :capped_batch), '{4,5,6}', 'after a capped one behind the contact where that ended');
SELECT is(t.next_press(:capped, :capped_batch), '{7,8,9}', 'and so on, though those at the front match again');
SELECT t.fail_again(:capped);
SELECT is(t.press(:capped, :capped_batch), 'over_cap 7, recall 3; completed: matched 10, emitted 3, over cap 7, excluded 0, withdrawn 0, pending 3; {1,2,10}', 'at the end of the batch it wraps, once');
SELECT is(t.next_press(:capped, :capped_batch), '{3,4,5}', 'and the next one starts where the wrapped one ended');
SELECT is((SELECT min(judged) FROM recall.recycle WHERE tenant_id = :capped), 10::bigint, 'each record has judged the whole batch');
SELECT is((SELECT max(judged) FROM recall.recycle WHERE tenant_id = :capped), 10::bigint, 'and nobody twice');

/* The gates are looked at again when the record is worked on */

CREATE FUNCTION t.gates_at_tick(bystander int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	g t.gate;
	c record;
BEGIN
	PERFORM t.fail_again(bystander);
	FOR g IN SELECT * FROM t.gate
		UNION ALL SELECT 'the task', 'SELECT recall.complete_task($n, 1)', NULL, NULL, NULL
		UNION ALL SELECT 'the batch', 'SELECT recall.finish_batch($n, 1)', NULL, NULL, NULL
	LOOP
		PERFORM t.tick();
		SELECT * INTO c FROM t.campaign(10);
		PERFORM t.call_all(c.tenant, 1, 10, 'busy');
		PERFORM recall.recycle(c.tenant, 1), t.tick(3);
		RETURN NEXT is(t.record(c.tenant, 1), 'running: matched 4, emitted 4, over cap 0, excluded 0, withdrawn 0, pending 4', 'two chunks are done');
		PERFORM t.do(g.shut, c.tenant), t.tick();
		IF g.mend IS NULL THEN
			RETURN NEXT is(t.record(c.tenant, 1), 'cancelled: matched 4, emitted 4, over cap 0, excluded 0, withdrawn 4, pending 0', format('%s ends: the record is cancelled, its re-dial rows are taken back', g.what));
			RETURN NEXT is((SELECT count(*) FROM recall.dial WHERE tenant_id = c.tenant), 0::bigint, 'and nobody is called');
		ELSE
			RETURN NEXT is(t.record(c.tenant, 1), 'failed: matched 4, emitted 4, over cap 0, excluded 0, withdrawn 0, pending 4', format('%s is shut: the record fails', g.what));
			RETURN NEXT is((SELECT error FROM recall.recycle_record WHERE tenant_id = c.tenant), replace(g.message, '$n', c.tenant::text), 'and says why');
			PERFORM t.tick();
			RETURN NEXT is((SELECT state::text FROM recall.recycle WHERE tenant_id = c.tenant), 'failed', 'the next tick leaves it alone');
			PERFORM recall.retry_recycle(c.tenant, 1), t.tick();
			RETURN NEXT is((SELECT state::text FROM recall.recycle WHERE tenant_id = c.tenant), 'failed', 'a retry fails again while it is shut');
			PERFORM t.do(g.mend, c.tenant), recall.retry_recycle(c.tenant, 1), t.tick();
			RETURN NEXT is(t.record(c.tenant, 1), 'completed: matched 10, emitted 10, over cap 0, excluded 0, withdrawn 0, pending 10', 'after mending, a retry goes on where it stopped');
			RETURN NEXT is((SELECT error FROM recall.recycle_record WHERE tenant_id = c.tenant), NULL, 'and the error is gone');
		END IF;
	END LOOP;
END $$;
SELECT t.gates_at_tick(:capped);

/* One bad record does not stop the others, and keeps what it has done */

SELECT tenant AS bad FROM t.campaign(10) \gset
SELECT tenant AS good FROM t.campaign(10) \gset
SELECT t.call_all(:bad, 1, 10, 'busy'), t.call_all(:good, 1, 10, 'busy') \gset made_
CREATE FUNCTION t.trip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'somebody tripped over contact %', NEW.contact_id;
END $$;
SELECT format('CREATE TRIGGER trip BEFORE INSERT ON recall.dial FOR EACH ROW WHEN (NEW.tenant_id = %s AND NEW.contact_id = 5) EXECUTE FUNCTION t.trip()', :bad) \gexec
SELECT recall.recycle(:bad, 1), recall.recycle(:good, 1) \gset pressed_
SELECT t.tick();
SELECT is(t.record(:bad, 1), 'failed: matched 4, emitted 4, over cap 0, excluded 0, withdrawn 0, pending 4', 'a record that trips fails, with its earlier chunks whole');
SELECT is(t.permits(:bad, 1), '{1,2,3,4}', 'which are there');
SELECT is((SELECT error FROM recall.recycle_record WHERE tenant_id = :bad), 'somebody tripped over contact 5', 'it says what it tripped over');
SELECT is(t.record(:good, 1), 'completed: matched 10, emitted 10, over cap 0, excluded 0, withdrawn 0, pending 10', 'the other record is done');
SELECT is((SELECT failed FROM recall.tick ORDER BY tick_id DESC LIMIT 1), 1::bigint, 'the tick counts the failure');
SELECT is((SELECT emitted FROM recall.tick ORDER BY tick_id DESC LIMIT 1), 14::bigint, 'and what was emitted');
DROP TRIGGER trip ON recall.dial;
SELECT recall.retry_recycle(:bad, 1);
SELECT t.tick();
SELECT is(t.record(:bad, 1), 'completed: matched 10, emitted 10, over cap 0, excluded 0, withdrawn 0, pending 10', 'mended and retried it is whole');
SELECT is(t.permits(:bad, 1), t.numbers(1, 10), 'nobody is lost');

/* A record judges what was on record at its press */

SELECT tenant AS later, batch AS later_batch FROM t.campaign(4) \gset
SELECT t.call_all(:later, 1, 3, 'busy');
SELECT recall.recycle(:later, :later_batch);
SELECT recall.record_call(:later, 2, 'busy', NULL);
SELECT recall.record_call(:later, 4, 'busy', NULL);
SELECT t.tick();
SELECT is(t.permits(:later, 1), '{1,3}', 'who was called since the press is not recalled by it');
SELECT is(t.verdicts(:later, :later_batch), 'queued 2, recall 2', 'but by the next');
SELECT recall.record_call(:later, 1, NULL, NULL);
SELECT recall.recycle(:later, :later_batch);
SELECT t.tick();
SELECT is(t.permits(:later, 2), '{2,4}', 'and who was reached since is not');

/* Pausing and cancelling between chunks */

SELECT t.tick();
SELECT tenant AS halted FROM t.campaign(10) \gset
SELECT t.call_all(:halted, 1, 10, 'busy');
SELECT recall.recycle(:halted, 1);
SELECT t.tick(2);
SELECT recall.pause_recycle(:halted, 1);
SELECT is(t.tick(), 0, 'the processor has nothing to do with a paused record');
SELECT is(t.record(:halted, 1), 'paused: matched 2, emitted 2, over cap 0, excluded 0, withdrawn 0, pending 2', 'whose re-dial rows stay');
SELECT recall.resume_recycle(:halted, 1);
SELECT t.tick(1);
SELECT recall.cancel_recycle(:halted, 1);
SELECT is(t.tick(), 0, 'nor with a cancelled one');
SELECT is(t.record(:halted, 1), 'cancelled: matched 4, emitted 4, over cap 0, excluded 0, withdrawn 4, pending 0', 'whose re-dial rows are taken back');
SELECT is(t.verdicts(:halted, 1), 'recall 10', 'everybody can be recycled again');

/* Tenants take turns; more steps change nothing */

SET LOCAL recall.chunk_size = 100; -- 10 while another tenant waits
SELECT tenant AS one FROM t.campaign(30) \gset
SELECT tenant AS two FROM t.campaign(30) \gset
SELECT t.call_all(:one, 1, 30, 'busy'), t.call_all(:two, 1, 30, 'busy') \gset made_
SELECT recall.recycle(:one, 1), recall.recycle(:two, 1) \gset pressed_
CREATE FUNCTION t.turns(steps int) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	run bigint := recall._note_run();
	turns int[] := '{0}';
BEGIN
	FOR i IN 1 .. steps LOOP
		turns := turns || recall._step(run, turns[i]);
	END LOOP;
	PERFORM recall._end_tick(run);
	RETURN turns[2:];
END $$;
SELECT is(t.turns(6), ARRAY[:one, :two, :one, :two, :one, :two], 'with work for two tenants, they take turns');
SELECT is((SELECT sum(emitted) FROM recall.recycle WHERE tenant_id IN (:one, :two)), 40::numeric, 'chunk by chunk');
SELECT is(t.turns(3), ARRAY[:one, :two, NULL], 'to the end, which is known without another look');
SELECT is(t.tick(), 0, 'then there is no step left');
SELECT t.fingerprint('tick') AS whole \gset
SELECT t.tick() FROM generate_series(1, 5);
SELECT is(t.fingerprint('tick'), :'whole', 'and five more runs change nothing');
SELECT is(recall._step(-1, 0), NULL, 'a step of no run does no harm');
SELECT is(recall._step(NULL, NULL), NULL, 'nor does one without any argument');
SELECT lives_ok('SELECT recall._end_tick(-1)', 'nor an end of no run');
SELECT is(t.fingerprint('tick'), :'whole', 'nothing has changed');

/* Random batches: what the preview promises is what the processor does, and what a naive count says */

SELECT coalesce(nullif(current_setting('test.seed', true), '')::float8, 0.42) AS seed \gset
SELECT setseed(:seed) AS seeded \gset
CREATE FUNCTION t.random_trial(policy recall.policy, contacts int, recycle_limit int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	naive bigint;
	before text;
	promised bigint;
	over bigint;
	all_of bigint;
	r record;
BEGIN
	SELECT * INTO c FROM t.campaign(contacts, recycle_limit => recycle_limit);
	PERFORM recall.create_business_result(c.tenant, code, code) FROM unnest('{callback,sold,refused}'::text[]) code;
	PERFORM recall.set_policy(c.tenant, c.task, policy);
	CREATE TEMPORARY TABLE history AS
	SELECT n AS contact_id,
		CASE WHEN random() < 0.7 THEN (enum_range(NULL::recall.failure_cause))[1 + floor(random() * 33)] END AS failure_cause,
		(ARRAY['callback', 'sold', 'refused', NULL, NULL])[1 + floor(random() * 5)] AS business_result,
		now() - random() * interval '10 days' AS started_at
	FROM generate_series(1, contacts) n, generate_series(1, floor(random() * 4)::int) k
	WHERE random() < 0.8;
	PERFORM recall.record_calls(c.tenant, 'history');
	DROP TABLE history;
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, state, number, token, claimed_at, lease_until)
	SELECT c.tenant, 9, n, c.task, c.batch, now(), 0, s.state, t.number(n), s.token, s.lease_until, s.lease_until
	FROM generate_series(1, contacts) n
	CROSS JOIN LATERAL (SELECT * FROM (VALUES ('ready'::recall.dial_state, NULL, NULL), ('claimed', 1, 'infinity'), ('unknown', 1, now()))
		v(state, token, lease_until) ORDER BY random() + n LIMIT 1) s
	WHERE random() < 0.1
	ON CONFLICT DO NOTHING;

	SELECT count(*) INTO naive FROM (
		SELECT DISTINCT ON (k.contact_id) k.* FROM recall.call k WHERE k.tenant_id = c.tenant ORDER BY k.contact_id, k.attempt DESC) latest
	WHERE recall.matches(policy, latest.failure_cause, latest.business_result)
	-- A rule said never to an earlier call, or the only number is no more.
	AND NOT EXISTS (SELECT FROM recall.call k WHERE k.tenant_id = c.tenant AND k.contact_id = latest.contact_id
		AND (recall._matching_rule(policy, k.failure_cause, k.business_result) < 0
			OR k.failure_cause IN ('unallocated', 'bad_format', 'number_changed', 'special_tone')))
	AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = c.tenant AND d.contact_id = latest.contact_id);
	SELECT sum(p.contacts) FILTER (WHERE verdict = 'recall'), sum(p.contacts) FILTER (WHERE verdict = 'over_cap'), sum(p.contacts)
	INTO promised, over, all_of FROM recall.preview(c.tenant, c.batch) p;
	PERFORM recall.recycle(c.tenant, c.batch), t.tick();
	SELECT * INTO r FROM recall.recycle_record WHERE tenant_id = c.tenant;
	RETURN NEXT is(format('%s %s %s %s', r.state, r.matched, r.emitted, r.excluded),
		format('completed %s %s %s', naive, least(naive, recycle_limit), contacts - naive), format('%s of %s contacts, at most %s: as counted naively', policy, contacts, recycle_limit));
	RETURN NEXT is(format('%s %s %s', coalesce(promised, 0), coalesce(over, 0), all_of), format('%s %s %s', r.emitted, r.over_cap, contacts), 'and as previewed');
	RETURN NEXT is((SELECT count(*) FROM recall.dial WHERE tenant_id = c.tenant AND recycle_id = r.recycle_id), r.emitted, 'and so many re-dial rows there are');
END $$;
SELECT diag('seed ' || :'seed');
SELECT t.random_trial(p.policy, floor(random() * 120)::int, 1 + floor(random() * 60)::int)
FROM unnest('{failed,busy,"busy, no_answer; result callback","class network, unreachable","answered","result sold, refused never; failed; answered",unknown,"class platform"}'::recall.policy[]) AS p(policy), generate_series(1, 3);

SELECT * FROM finish();
ROLLBACK;
