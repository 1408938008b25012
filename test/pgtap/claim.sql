-- Claiming: the order, how many, what comes with a permit, and what is refused. admission.sql has what may not be dialled.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

/* The order */

SELECT tenant AS acme, task, batch FROM t.campaign(6) \gset
UPDATE recall.dial d SET priority = v.priority, due_at = now() + v.due
FROM (VALUES (1, 0, interval '-1 h'), (2, 5, '-1 min'), (3, 5, '-2 min'), (4, 0, '-1 h'), (5, 9, '1 h'), (6, -3, '-1 day')) AS v(contact_id, priority, due)
WHERE d.tenant_id = :acme AND d.contact_id = v.contact_id;
SELECT is(t.claimed(:acme, :task, 2), '3 2', 'the highest priority that is due, then the earliest');
SELECT is(t.claimed(:acme, :task, 2), '1 4', 'the next priority; of those due at once the lower contact');
SELECT is(t.claimed(:acme, :task, 2), '6', 'fewer when there are no more');
SELECT is(t.claimed(:acme, :task, 2), 'none', 'and none when all are out');
UPDATE recall.dial SET due_at = now() WHERE tenant_id = :acme AND contact_id = 5;
SELECT is(t.claimed(:acme, :task, 2), '5', 'what becomes due is there');

SELECT tenant AS edge, task AS edge_task FROM t.campaign(4) \gset
UPDATE recall.dial d SET priority = v.priority, due_at = now() + v.due
FROM (VALUES (1, -2147483648, interval '-1 h'), (2, -2147483648, '1 h'), (3, 2147483647, '-1 h'), (4, 2147483647, '1 h')) AS v(contact_id, priority, due)
WHERE d.tenant_id = :edge AND d.contact_id = v.contact_id;
SELECT is(t.claimed(:edge, :edge_task), '3 1', 'the highest and the lowest priority that there are');
SELECT is(t.claimed(:edge, :edge_task), 'none', 'where the others are not due');

/* How many: exactly, whatever the priorities */

SELECT tenant AS many, task AS many_task FROM t.campaign(300) \gset
UPDATE recall.dial SET priority = contact_id % 50 - 10, due_at = now() + (CASE WHEN contact_id % 3 = 0 THEN 60 ELSE -contact_id % 7 END) * interval '1 min'
WHERE tenant_id = :many;
CREATE TABLE t.queue AS SELECT * FROM recall.dial WHERE tenant_id = :many;
CREATE FUNCTION t.claims_first(tenant int, task bigint, wanted int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text := t.claimed(tenant, task, wanted);
	first text := (SELECT string_agg(contact_id::text, ' ' ORDER BY priority DESC, due_at, contact_id)
		FROM (SELECT * FROM t.queue WHERE due_at <= now() ORDER BY priority DESC, due_at, contact_id LIMIT wanted) q);
BEGIN
	UPDATE recall.dial d SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL WHERE d.tenant_id = claims_first.tenant;
	RETURN is(got, first, format('a claim of %s takes the first %1$s that are due', wanted));
END $$;
SELECT t.claims_first(:many, :many_task, n) FROM unnest('{1,2,70,199,200,201,10000}'::int[]) n;
SELECT is((SELECT count(*) FROM t.queue WHERE due_at <= now()), 200::bigint, 'of 200');
SELECT is((SELECT count(*) FROM recall.dial d JOIN t.queue q USING (tenant_id, contact_id) WHERE d.due_at = q.due_at), 300::bigint, 'and moves no other');

/* What comes with a permit, and what is noted */

SELECT recall.add_contact(:acme, :batch, '{+4940111111,+4940111112}', 'Asia/Tokyo', 7, 'customer 12', '{"vip": true}') AS vip \gset
CREATE TEMPORARY TABLE got AS SELECT c.*, clock_timestamp() AS after FROM recall.claim(:acme, :task, 1, '90 min', 'dialer ä') c;
SELECT results_eq('SELECT contact_id, number, attempt, priority, reference, attributes, recycle_id, batch_id, due_at, agent FROM got',
	format($$VALUES (%s::bigint, '+4940111111', 1, 7, 'customer 12', '{"vip": true}'::jsonb, NULL::bigint, %s::bigint, now(), NULL::text)$$, :vip, :batch),
	'a first attempt comes with what a dialer needs');
SELECT results_eq(format('SELECT d.state::text, d.token = g.token, d.lease_until = g.lease_until, d.dialer, d.claimed_at BETWEEN now() AND g.after, d.lease_until - d.claimed_at
	FROM recall.dial d JOIN got g USING (contact_id) WHERE d.tenant_id = %s', :acme),
	$$VALUES ('claimed', true, true, 'dialer ä', true, interval '90 min')$$, 'the permit notes token, lease, dialer and time');
SELECT results_eq(format('SELECT p.state::text, p.dialer, p.lease_until = g.lease_until FROM recall.permit p JOIN got g USING (contact_id) WHERE p.tenant_id = %s', :acme),
	$$VALUES ('claimed', 'dialer ä', true)$$, 'and the view permit shows it');
SELECT hasnt_column('recall', 'permit', 'token', 'but for the token, which only the dialer knows');
SELECT recall.add_contact(:acme, :batch, ARRAY['+494011112' || n]) FROM generate_series(1, 2) n;
SELECT is((SELECT count(*) FROM recall.claim(:acme, :task)), 1::bigint, 'by default one permit');
SELECT results_eq(format($$SELECT lease_until - claimed_at, dialer FROM recall.dial WHERE tenant_id = %s AND number = '+4940111121'$$, :acme),
	$$VALUES (interval '5 min', NULL::text)$$, 'for five minutes and a dialer without a name');
SELECT recall.add_contact(:acme, :batch, (SELECT array_agg('+494099999' || n) FROM generate_series(0, 9) n), attributes => jsonb_build_object('story', repeat('x', 16000))) AS story \gset
SELECT is((SELECT length(c.attributes->>'story') FROM recall.claim(:acme, :task, 2) c WHERE c.contact_id = :story), 16000, 'attributes as large as they may be come with it');

CREATE TEMPORARY TABLE tokens AS SELECT token FROM recall.claim(:many, :many_task, 300);
SELECT is((SELECT count(*) FROM tokens), 200::bigint, 'each of 200 permits has a token');
SELECT t.put_back(:many);
INSERT INTO tokens SELECT token FROM recall.claim(:many, :many_task, 300);
SELECT results_eq('SELECT count(DISTINCT token), min(token) > 0 FROM tokens', 'VALUES (500::bigint, true)', 'no two are the same, also of another claim');
SELECT cmp_ok((SELECT count(*) FROM tokens WHERE token >> 56 <> 0), '>', 450::bigint, 'they use the whole range');

/* Tasks, batches and records that wait */

SELECT tenant AS wait, task AS wait_task, batch AS wait_batch FROM t.campaign(2) \gset
SELECT recall.create_batch(:wait, :wait_task, 'second') AS second \gset
SELECT recall.start_batch(:wait, :second), recall.add_contact(:wait, :second, '{+4940222222}') \gset in_second_
SELECT recall.create_batch(:wait, :wait_task, 'not started') AS created \gset
SELECT recall.add_contact(:wait, :created, '{+4940333333}') AS early \gset
SELECT recall.suspend_task(:wait, :wait_task);
SELECT is(t.claimed(:wait, :wait_task), 'none', 'a suspended task gives nothing');
SELECT recall.start_task(:wait, :wait_task), recall.suspend_batch(:wait, :wait_batch) \gset resumed_
SELECT is(t.claimed(:wait, :wait_task), '3', 'when it goes on: the batches that are started, but for a suspended one');
SELECT recall.suspend_batch(:wait, :second), recall.start_batch(:wait, :wait_batch) \gset swapped_
SELECT is(t.claimed(:wait, :wait_task, 1), '1', 'which gives again when it goes on');
SELECT is(t.permits(:wait), '1.1 claimed, 2.1 ready, 3.1 claimed', 'suspending a batch takes nothing back from a dialer');
SELECT recall.start_batch(:wait, :created);
SELECT is(t.claimed(:wait, :wait_task), '2 4', 'a batch that is started gives');
SELECT recall.create_task(:wait, 'draft', 'fixed') AS draft \gset
SELECT recall.create_batch(:wait, :draft, 'x') AS draft_batch \gset
SELECT recall.start_batch(:wait, :draft_batch), recall.add_contact(:wait, :draft_batch, '{+4940444444}') \gset in_draft_
SELECT is(t.claimed(:wait, :draft), 'none', 'a draft gives nothing');
SELECT recall.start_task(:wait, :draft);
SELECT is(t.claimed(:wait, :draft), '5', 'until it is started');
SELECT recall.complete_task(:wait, :draft);
SELECT is(t.claimed(:wait, :draft), 'none', 'a completed one gives nothing');
SELECT is(recall.report(:wait, 5, t.token(:wait, 5), 'busy', NULL, NULL, NULL), 'recorded', 'but what is out is reported');

SELECT tenant AS paused, task AS paused_task, batch AS paused_batch FROM t.campaign(4) \gset
SELECT t.call_all(:paused, 1, 4, 'busy');
SELECT recall.recycle(:paused, :paused_batch) AS record \gset
SET LOCAL recall.chunk_size = 2;
SELECT t.tick(2);
SELECT recall.pause_recycle(:paused, :record);
SELECT is(t.permits(:paused), '1.2 ready, 2.2 ready', 'two re-dials of a paused record');
SELECT is(t.claimed(:paused, :paused_task), 'none', 'wait');
SELECT recall.resume_recycle(:paused, :record);
SELECT results_eq(format('SELECT contact_id, attempt, recycle_id FROM recall.claim(%s, %s, 1)', :paused, :paused_task), format('VALUES (1::bigint, 2, %s::bigint)', :record),
	'and are given when it goes on, with their record');
SELECT recall.cancel_recycle(:paused, :record);
SELECT is(t.permits(:paused), '1.2 claimed', 'cancelling takes back what is not out');

/* What is plain is taken without asking anything more: how often that was asked, of whom */

SET LOCAL track_functions = 'pl';
CREATE FUNCTION t.asked() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT coalesce(pg_stat_get_xact_function_calls('recall._claim_others'::regproc), 0) $$;
-- Claim permits; say which they were, and whether more was asked.
CREATE FUNCTION t.claim_asking(tenant int, task bigint, max_rows int DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint := t.asked();
	got text := t.claimed(tenant, task, max_rows);
BEGIN
	RETURN got || CASE t.asked() - before WHEN 0 THEN ' plain' ELSE ' asked' END;
END $$;
SELECT tenant AS plain, task AS plain_task, batch AS plain_batch, record AS plain_record FROM t.recycled(9, 'busy') \gset
SELECT recall.create_task(:plain, 'another', 'predicted') AS another \gset
UPDATE recall.dial SET due_at = now() - interval '1 min' * (10 - contact_id) WHERE tenant_id = :plain;
SELECT is(t.claim_asking(:plain, :plain_task), '1 plain', 'a re-dial whose policy is the task''s');
SELECT is((SELECT count(*) FROM recall.claim(:plain, :another, 1)), 0::bigint, 'where nothing is due');
SELECT is(t.asked(), 0::bigint, 'nothing is asked either');
SELECT recall.set_calling_hours(:plain, :plain_task, '24/7');
SELECT is(t.claim_asking(:plain, :plain_task), '2 plain', 'within the hours');
SELECT recall.suppress(:plain, t.number(3), task_id => :another), recall.suppress(:plain, t.number(99)),
	recall.suppress(:plain, t.number(3), now() + interval '1 s') \gset suppressed_
UPDATE recall.suppression SET until = now() - interval '1 s' WHERE tenant_id = :plain AND task_id IS NULL AND number = t.number(3);
SELECT is(t.claim_asking(:plain, :plain_task), '3 plain', 'a number is suppressed that is another''s, in another task, or was');
SELECT tenant AS several, task AS several_task FROM t.recycled(6, 'busy') \gset
SELECT is(t.claim_asking(:several, :several_task, 4), '1 2 3 4 plain', 'several of a record at once');
SELECT is(t.claim_asking(:several, :several_task, 4), '5 6 plain', 'more than there are');
SELECT recall.suppress(:plain, t.number(4), task_id => :plain_task);
SELECT is(t.claim_asking(:plain, :plain_task), '5 asked', 'a number that is suppressed in the task is no plain one');
SELECT recall.suppress(:plain, t.number(6));
SELECT is(t.claim_asking(:plain, :plain_task), '7 asked', 'nor is one of the whole tenant''s list');
SELECT recall.set_policy(:plain, :plain_task, 'busy; no_answer');
SELECT is(t.claim_asking(:plain, :plain_task), '8 asked', 'nor a re-dial of another policy than the task''s by now');
SELECT recall.set_policy(:plain, :plain_task, 'busy');
SELECT is(t.claim_asking(:plain, :plain_task), '9 plain', 'which may be that of the record again');

SELECT tenant AS first, task AS first_task, batch AS first_batch FROM t.campaign(4, 'failed; limit 3') \gset
UPDATE recall.dial SET due_at = now() - interval '1 min' * (10 - contact_id) WHERE tenant_id = :first;
SELECT is(t.claim_asking(:first, :first_task), '1 plain', 'a first attempt, whatever limits there are');
UPDATE recall.dial SET attempt = 2 WHERE tenant_id = :first AND contact_id = 2;
SELECT is(t.claim_asking(:first, :first_task), '2 asked', 'of a second one they are asked, also when it is of no recycle');
SELECT recall.set_policy(:first, :first_task, 'failed');
UPDATE recall.dial SET attempt = 2 WHERE tenant_id = :first AND contact_id = 3;
SELECT is(t.claim_asking(:first, :first_task), '3 plain', 'where there are any');
SELECT recall.set_policy(:first, :first_task, 'failed; limit 9 per 7 days per number');
SELECT is(t.claim_asking(:first, :first_task), '4 asked', 'what counts per number is always asked');
UPDATE recall.dial SET attempt = 1 WHERE tenant_id = :first;

/* Plain permits and others in turn: in their order, exactly so many, and in few steps */

SELECT tenant AS mixed, task AS mixed_task FROM t.campaign(60) \gset
UPDATE recall.contact SET numbers = numbers || t.number(500 + contact_id::int) WHERE tenant_id = :mixed AND contact_id % 3 = 0;
SELECT count(recall.suppress(:mixed, t.number(n))) FROM generate_series(1, 60) n WHERE n % 3 < 2 AND n NOT BETWEEN 31 AND 40 \gset suppressed_
CREATE TABLE t.mixed AS SELECT * FROM recall.dial WHERE tenant_id = :mixed;
-- Claim, put everything back, and say who came, on the second number with a star, how many permits were taken out, and how many times it was asked.
CREATE FUNCTION t.claims_of_mixed(tenant int, task bigint, wanted int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	asked bigint := t.asked();
	got text := (SELECT string_agg(c.contact_id || CASE WHEN c.number = t.number(500 + c.contact_id::int) THEN '*' ELSE '' END, ' ' ORDER BY n)
		FROM recall.claim(tenant, task, wanted) WITH ORDINALITY AS c(contact_id, number, a, b, d, e, f, g, h, i, j, k, n));
BEGIN
	got := format('%s; %s out, asked %s', got, (SELECT count(*) FROM t.mixed m WHERE NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = m.tenant_id AND d.contact_id = m.contact_id)), t.asked() - asked);
	DELETE FROM recall.dial d WHERE d.tenant_id = tenant;
	INSERT INTO recall.dial SELECT * FROM t.mixed;
	RETURN got;
END $$;
SELECT is(t.claims_of_mixed(:mixed, :mixed_task, x.wanted), x.expected, format('%s of a queue of which two in three are asked about', x.wanted)) FROM (VALUES
	(1, '2; 1 out, asked 1'), (2, '2 3*; 2 out, asked 2'), (3, '2 3* 5; 2 out, asked 2'), (4, '2 3* 5 6*; 3 out, asked 2'),
	(24, '2 3* 5 6* 8 9* 11 12* 14 15* 17 18* 20 21* 23 24* 26 27* 29 30* 31 32 33 34; 10 out, asked 2')) AS x(wanted, expected);
SELECT is((SELECT count(*) FROM recall.claim(:mixed, :mixed_task, 100)), 44::bigint, 'and all that may be dialled, when more is wanted');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :mixed), 44::bigint, 'without those that may not');

SELECT tenant AS barred, task AS barred_task FROM t.campaign(601) \gset
SELECT count(recall.suppress(:barred, t.number(n))) FROM generate_series(1, 600) n \gset suppressed_
INSERT INTO recall.suppression (tenant_id, number, until, role, created_at) SELECT :barred, t.number(10000 + n), 'infinity', 'loader', now() FROM generate_series(1, 20000) n;
CREATE FUNCTION t.entries_read() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT pg_stat_get_xact_tuples_returned('recall.suppression'::regclass) + sum(pg_stat_get_xact_tuples_returned(i.indexrelid))::bigint
	FROM pg_index i WHERE i.indrelid = 'recall.suppression'::regclass
$$;
SELECT t.entries_read() AS entries, t.asked() AS asked \gset before_
SELECT is(t.claimed(:barred, :barred_task, 1), '601', 'behind many that are suppressed, the first that is not');
SELECT cmp_ok(t.entries_read() - :before_entries, '>=', 600::bigint, 'each is looked up');
SELECT cmp_ok(t.entries_read() - :before_entries, '<', 20000::bigint, 'in the do-not-call list, which is not read as a whole');
SELECT cmp_ok(t.asked() - :before_asked, '<', 15::bigint, 'and many are asked about at a time');

SELECT tenant AS shared, task AS shared_task, batch AS shared_batch FROM t.campaign(0) \gset
SELECT count(recall.add_contact(:shared, :shared_batch, ARRAY[t.number(1 + n / 300)])) FROM generate_series(0, 300) n \gset added_
SELECT is(t.claimed(:shared, :shared_task, 1), '1', 'of many permits for a number one is out');
CREATE FUNCTION t.looks_for_numbers_out() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT pg_stat_get_xact_tuples_returned('recall.dial_number_out'::regclass) $$;
SELECT t.looks_for_numbers_out() AS before \gset
SELECT is(t.claimed(:shared, :shared_task, 1), '301', 'behind all the others of it is the next one');
SELECT cmp_ok(t.looks_for_numbers_out() - :before, '>=', 299::bigint, 'each of them is looked up');
SELECT cmp_ok(t.looks_for_numbers_out() - :before, '<', 6000::bigint, 'without more to look through for each');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :shared AND state = 'ready' AND due_at > now()), 299::bigint, 'and they are put off');

/* What is refused */

SELECT t.refused(format('SELECT * FROM recall.claim(%s, %s, %s)', :acme, :task, x.rest), '22023', x.message, x.hint, x.message) FROM (VALUES
	('0', 'max_rows 0 is out of range', 'A claim takes 1 to 10000 permits.'),
	('NULL', 'max_rows null is out of range', 'A claim takes 1 to 10000 permits.'),
	('10001', 'max_rows 10001 is out of range', 'A claim takes 1 to 10000 permits.'),
	('-2147483648', 'max_rows -2147483648 is out of range', 'A claim takes 1 to 10000 permits.'),
	($$1, '0'$$, 'lease "00:00:00" is out of range', 'A lease lasts from 1 second to 1 day.'),
	($$1, '0.5 s'$$, 'lease "00:00:00.5" is out of range', 'A lease lasts from 1 second to 1 day.'),
	($$1, '-5 min'$$, 'lease "-00:05:00" is out of range', 'A lease lasts from 1 second to 1 day.'),
	($$1, '25 h'$$, 'lease "25:00:00" is out of range', 'A lease lasts from 1 second to 1 day.'),
	($$1, '178000000 years'$$, 'lease "178000000 years" is out of range', 'A lease lasts from 1 second to 1 day.'),
	($$1, '1 min', repeat('x', 201)$$, 'the name of a dialer is too long', 'It has up to 200 characters.')) AS x(rest, message, hint);
SELECT is(t.outcome(format($$SELECT count(*) FROM recall.claim(%s, %s, 10000, %s)$$, :acme, :task, x)), '0', 'the limits are allowed: ' || x)
FROM unnest(ARRAY[$$'1 s', repeat('ä', 200)$$, $$'24 h', ''$$, $$'1 day'$$]) x;
SELECT is(recall._check_lease(x.lease), x.length, format('a lease of "%s"', x.lease))
FROM (VALUES (interval '1 year 1 mon -395 days', interval '6 h'), ('1 mon -29 days', '24 h'), ('1 day -23 h', '1 h'), ('1 mon -30 days 1 s', '1 s')) AS x(lease, length);
SELECT t.denied(format('SELECT * FROM recall.claim(%s, %s)', :acme, coalesce(x.task, 'NULL')), format('task %s of tenant %s', coalesce(x.task, 'null'), :acme), x.what)
FROM (VALUES ('2', 'a task that is not there'), ('-1', 'task -1'), ('9223372036854775807', 'the last task there could be'), (NULL, 'no task')) AS x(task, what);
CREATE ROLE t_elsewhere;
SELECT recall.grant_privilege(:many, 't_elsewhere', '{dial}'), recall.grant_privilege(:acme, 't_elsewhere', '{read,manage,recycle}') \gset rights_
SELECT t.denied(format('SELECT * FROM recall.claim(%s, %s)', :acme, :task), format('tenant %s, right "dial"', :acme), 'the right to dial in another tenant, and all others here, are not enough', 't_elsewhere');
SELECT t.denied('SELECT * FROM recall.claim(NULL, NULL, NULL, NULL)', 'tenant null, right "dial"', 'nulls everywhere');
SELECT t.denied('SELECT * FROM recall.claim(-1, 1)', 'tenant -1, right "dial"', 'no such tenant');
SELECT is(t.outcome(format('SELECT count(*) FROM recall.claim(%s, %s, 1000)', :many, :many_task), 't_elsewhere'), '0', 'there it may');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
