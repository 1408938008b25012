-- Each invariant of verify(): a fault is planted by hand, and its row is found, with no other than those that it entails.
BEGIN;
\ir helpers.psql
SET LOCAL timezone = 'UTC';
SELECT no_plan();

/* A tenant with a little of everything, and one that is left alone. */

SELECT tenant AS other FROM t.campaign(3) \gset
SELECT tenant FROM t.campaign(12, 'busy', 4) \gset
SELECT recall.create_business_result(:tenant, 'sold', 'Sold');
SELECT recall.create_batch(:tenant, 1, 'created'); -- batch 2: contacts 13 and 14
SELECT recall.add_contact(:tenant, 2, ARRAY[t.number(n), t.number(n + 100)], 'Europe/Berlin') FROM generate_series(13, 14) n;
SELECT recall.create_batch(:tenant, 1, 'finished'), recall.add_contact(:tenant, 3, ARRAY[t.number(15)]), recall.start_batch(:tenant, 3),
	recall.finish_batch(:tenant, 3);
SELECT recall.create_task(:tenant, 'completed', 'robot', 'busy'), recall.start_task(:tenant, 2), recall.complete_task(:tenant, 2);
SELECT recall.create_task(:tenant, 'empty', 'fixed'), recall.start_task(:tenant, 3), recall.create_batch(:tenant, 3, 'empty'), recall.start_batch(:tenant, 4);
SELECT recall.suppress(:tenant, t.number(200));

-- Contacts 1 to 6 are recalled: four by record 1, which is capped, two by record 2, which wraps. Contact 8 is not.
SELECT t.call_all(:tenant, 1, 6, 'busy'), t.call_all(:tenant, 8, 8, 'congestion');
SELECT recall.recycle(:tenant, 1), t.tick(), recall.recycle(:tenant, 1), t.tick();
-- Contact 1 was reached, 2 was busy again, 3 and 9 are out; the others wait.
CREATE TABLE t.claimed AS SELECT * FROM recall.claim(:tenant, 1, 100);
SELECT recall.release(:tenant, contact_id, token) FROM t.claimed WHERE contact_id NOT IN (1, 2, 3, 9);
SELECT recall.report(:tenant, contact_id, token, CASE contact_id WHEN 2 THEN 'busy'::recall.failure_cause END, NULL, now(), now())
FROM t.claimed WHERE contact_id IN (1, 2);
-- Record 3 was cancelled before it began; record 4 waits.
SELECT recall.cancel_recycle(:tenant, recall.recycle(:tenant, 1));
SELECT recall.recycle(:tenant, 1);

SELECT is_empty('SELECT * FROM recall.verify()', 'nothing is wrong');
SELECT results_eq(format('SELECT recycle_id, state::text, matched, emitted, wrapped FROM recall.recycle WHERE tenant_id = %s ORDER BY 1', :tenant),
	$$VALUES (1::bigint, 'completed', 6::bigint, 4::bigint, false), (2, 'completed', 2, 2, true), (3, 'cancelled', 0, 0, false), (4, 'waiting', 0, 0, false)$$,
	'the records are what the faults below are planted in');

/* What is planted, and the rows of it: check, record, detail. % stands for the tenant. */

CREATE TABLE t.plant (id int GENERATED ALWAYS AS IDENTITY, check_name text, statement text, record text, detail text, further text[] DEFAULT '{}');
INSERT INTO t.plant (check_name, statement, record, detail, further) VALUES
('a batch belongs to a task', 'UPDATE recall.batch SET task_id = 77 WHERE (tenant_id, batch_id) = (%, 2)', 'batch 2', 'task 77', '{}'),
('a completed task has no batch at work', 'UPDATE recall.batch SET task_id = 2 WHERE (tenant_id, batch_id) = (%, 4)', 'batch 4', 'started, task 2', '{}'),
('a member is a role of this server', $$INSERT INTO recall.member VALUES (%, '4000000000', '{read}')$$, 'member 4000000000', NULL, '{}'),
('a task that recalls automatically has a policy for it', 'UPDATE recall.task SET auto_recall = true WHERE (tenant_id, task_id) = (%, 1)',
	'task 1', 'automatic recall needs a limit', '{}'),
('a policy names results that the tenant has', $$UPDATE recall.task SET policy = 'result unheard_of' WHERE (tenant_id, task_id) = (%, 3)$$, 'task 3', 'unheard_of', '{}'),
('a policy names results that the tenant has', $$UPDATE recall.recycle SET policy = 'busy; result unheard_of' WHERE (tenant_id, recycle_id) = (%, 3)$$,
	'recycle 3', 'unheard_of', '{}'),
('a time zone is one that the server knows', $$UPDATE recall.contact SET time_zone = 'Mars/Base' WHERE (tenant_id, contact_id) = (%, 7)$$, 'contact 7', 'Mars/Base', '{}'),
('a time zone is one that the server knows', $$UPDATE recall.tenant SET time_zone = 'Mars/Base' WHERE tenant_id = %$$, 'tenant %', 'Mars/Base', '{}'),
('a suppression is of a number, and by a task that exists', $$UPDATE recall.suppression SET number = '112', created_at = '2026-01-01' WHERE tenant_id = %$$,
	'suppression of 2026-01-01 00:00:00+00', NULL, '{}'),
('a suppression is of a number, and by a task that exists', $$UPDATE recall.suppression SET task_id = 77, created_at = '2026-01-01' WHERE tenant_id = %$$,
	'suppression of 2026-01-01 00:00:00+00', 'task 77', '{}'),
('the next id is a new one', $$UPDATE recall.counter SET last_id = 14 WHERE (tenant_id, kind) = (%, 'contact')$$,
	'contact', '15 is in use, the last given out is 14', '{}'),
('the next id is a new one', $$DELETE FROM recall.counter WHERE (tenant_id, kind) = (%, 'recycle')$$, 'recycle', '4 is in use, the last given out is ', '{}'),

('a contact belongs to a batch', 'UPDATE recall.contact SET batch_id = 77 WHERE (tenant_id, contact_id) = (%, 13)', 'contact 13', 'batch 77', '{}'),
('a contact has 1 to 10 different numbers', $$UPDATE recall.contact SET numbers = '{+123}' WHERE (tenant_id, contact_id) = (%, 13)$$, 'contact 13', NULL, '{}'),
('a contact has 1 to 10 different numbers', 'UPDATE recall.contact SET numbers = numbers || numbers WHERE (tenant_id, contact_id) = (%, 13)', 'contact 13', NULL, '{}'),
('a contact has 1 to 10 different numbers', $$UPDATE recall.contact SET numbers = '{+49301234567,NULL}' WHERE (tenant_id, contact_id) = (%, 13)$$, 'contact 13', NULL, '{}'),
('a contact has 1 to 10 different numbers', $$UPDATE recall.contact SET numbers = '[0:0]={+49301234567}' WHERE (tenant_id, contact_id) = (%, 13)$$, 'contact 13', NULL, '{}'),
('a contact has 1 to 10 different numbers', $$UPDATE recall.contact SET numbers = ARRAY(SELECT t.number(n) FROM generate_series(1, 11) n) WHERE (tenant_id, contact_id) = (%, 13)$$, 'contact 13', NULL, '{}'),
('a contact has 1 to 10 different numbers', $$UPDATE recall.contact SET numbers = '{}' WHERE (tenant_id, contact_id) = (%, 13)$$, 'contact 13', NULL, '{}'),
('a contact of a started batch has a call or a permit, or was taken out', 'DELETE FROM recall.dial WHERE (tenant_id, contact_id) = (%, 12)', 'contact 12', 'batch 1', '{}'),

('a call is to a contact of its batch', $$INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, number)
	VALUES (%, 1, 1, 14, now(), now(), now(), t.number(14))$$, 'call 1 of contact 14', 'batch 1', '{}'),
('a call is to a number of its contact', $$UPDATE recall.call SET number = '+49309999999' WHERE (tenant_id, contact_id) = (%, 8)$$, 'call 1 of contact 8', NULL, '{}'),
('attempts are counted from 1, without a gap', 'UPDATE recall.call SET attempt = 2 WHERE (tenant_id, contact_id) = (%, 8)', 'contact 8', '1 calls, from attempt 2 to 2', '{}'),
('a token has one call', 'UPDATE recall.call SET token = (SELECT token FROM t.claimed WHERE contact_id = 1) WHERE (tenant_id, contact_id) = (%, 8)',
	'contact 1', '2 calls with one token', '{}'),
('the result of a call is one of the tenant''s', $$UPDATE recall.call SET business_result = '493012345678' WHERE (tenant_id, contact_id) = (%, 8)$$,
	'call 1 of contact 8', '49********78', '{}'),
('the result of a call is one of the tenant''s', $$UPDATE recall.call SET business_result = 'unheard_of' WHERE (tenant_id, contact_id) = (%, 8)$$,
	'call 1 of contact 8', 'unheard_of', '{}'),
('a call ends when it has begun', $$UPDATE recall.call SET started_at = '2026-01-02', ended_at = '2026-01-01' WHERE (tenant_id, contact_id) = (%, 8)$$,
	'call 1 of contact 8', 'from 2026-01-02 00:00:00+00 to 2026-01-01 00:00:00+00', '{}'),
('an assumed call has a token', 'UPDATE recall.call SET assumed = true WHERE (tenant_id, contact_id) = (%, 8)', 'call 1 of contact 8', NULL, '{}'),

('a contact has one permit', $$ALTER TABLE recall.dial DROP CONSTRAINT dial_pkey;
	INSERT INTO recall.dial SELECT * FROM recall.dial WHERE (tenant_id, contact_id) = (%, 12)$$, 'contact 12', '2 permits', '{}'),
('a number is out once', $$DROP INDEX recall.dial_number_out;
	UPDATE recall.contact SET numbers = ARRAY[t.number(9)] WHERE (tenant_id, contact_id) = (%, 10);
	UPDATE recall.dial d SET number = o.number, state = o.state, token = 1, claimed_at = o.claimed_at, lease_until = o.lease_until
	FROM recall.dial o WHERE (d.tenant_id, d.contact_id) = (%, 10) AND (o.tenant_id, o.contact_id) = (%, 9)$$, 'contact 9', 'out for 2 contacts', '{}'),
('a permit is for a contact of its batch', 'UPDATE recall.dial SET batch_id = 4, task_id = 3 WHERE (tenant_id, contact_id) = (%, 12)', 'permit of contact 12', 'batch 4', '{}'),
('a permit is for a contact of its batch', 'DELETE FROM recall.contact WHERE (tenant_id, contact_id) = (%, 12)', 'permit of contact 12', 'batch 1', '{}'),
('a permit is for the task of its batch', 'UPDATE recall.dial SET task_id = 3 WHERE (tenant_id, contact_id) = (%, 12)', 'permit of contact 12', 'task 3', '{}'),
('a permit is to a number of its contact', $$UPDATE recall.dial SET number = '+49309999999' WHERE (tenant_id, contact_id) = (%, 12)$$, 'permit of contact 12', NULL, '{}'),
('a permit that is out has a token and a lease, and one that waits has neither', 'UPDATE recall.dial SET token = 1 WHERE (tenant_id, contact_id) = (%, 12)',
	'permit of contact 12', 'ready', '{}'),
('a permit that is out has a token and a lease, and one that waits has neither', 'UPDATE recall.dial SET lease_until = NULL WHERE (tenant_id, contact_id) = (%, 9)',
	'permit of contact 9', 'claimed', '{}'),
('a permit that is out has a token and a lease, and one that waits has neither', $$UPDATE recall.dial SET state = 'unknown', token = NULL WHERE (tenant_id, contact_id) = (%, 9)$$,
	'permit of contact 9', 'unknown', '{}'),
('a permit is for the next attempt', 'UPDATE recall.dial SET attempt = 2 WHERE (tenant_id, contact_id) = (%, 12)', 'permit of contact 12', 'attempt 2, calls up to ', '{}'),
('a permit is for the next attempt', 'UPDATE recall.dial SET attempt = 3 WHERE (tenant_id, contact_id) = (%, 4)', 'permit of contact 4', 'attempt 3, calls up to 1', '{}'),
('what was reported is not out', 'UPDATE recall.call SET token = (SELECT token FROM t.claimed WHERE contact_id = 3) WHERE (tenant_id, contact_id) = (%, 3)',
	'permit of contact 3', 'attempt 1', '{}'),
('only a batch at work has permits', $$INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	VALUES (%, 1, 13, 1, 2, now(), 0, t.number(13))$$, 'permit of contact 13', 'ready, batch 2 is created', '{}'),
('only a batch at work has permits', $$INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	VALUES (%, 1, 15, 1, 3, now(), 0, t.number(15))$$, 'permit of contact 15', 'ready, batch 3 is finished', '{}'),
('no permit of a cancelled record waits', $$UPDATE recall.recycle SET state = 'cancelled' WHERE (tenant_id, recycle_id) = (%, 1)$$, 'permit of contact 4', 'recycle 1',
	ARRAY['a state is where the last move led to|recycle 1|cancelled, the audit says completed']),
('a promised call is of no record', $$UPDATE recall.dial SET agent = 'Ann' WHERE (tenant_id, contact_id) = (%, 4)$$, 'permit of contact 4', 'recycle 1', '{}'),

('a record belongs to a batch', 'UPDATE recall.recycle SET batch_id = 77 WHERE (tenant_id, recycle_id) = (%, 3)', 'recycle 3', 'batch 77', '{}'),
('what a record emitted was taken back, was dialled, or is in the queue', 'UPDATE recall.recycle SET withdrawn = 1 WHERE (tenant_id, recycle_id) = (%, 1)',
	'recycle 1', 'emitted 4, withdrawn 1, taken out 0, dialled 2, queued 2', '{}'),
('what a record emitted was taken back, was dialled, or is in the queue', 'UPDATE recall.dial SET recycle_id = NULL WHERE (tenant_id, contact_id) = (%, 4)',
	'recycle 1', 'emitted 4, withdrawn 0, taken out 0, dialled 2, queued 1', '{}'),
('what a record counts as dialled and reached are its calls', 'UPDATE recall.recycle_tally SET reached = 2 WHERE (tenant_id, recycle_id) = (%, 1)',
	'recycle 1', 'dialled 2, calls 2; reached 2, answered 1', '{}'),
('counts are of a record, and none is below nothing', 'INSERT INTO recall.recycle_tally VALUES (%, 77, 0, 0, 0, 0)', 'recycle 77', 'slots 0 to 0', '{}'),
('counts are of a record, and none is below nothing', 'INSERT INTO recall.recycle_tally VALUES (%, 3, -1, 0, 0, 0)', 'recycle 3', 'slots -1 to -1', '{}'),
('a record re-dials a contact once', $$INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, number, failure_cause, recycle_id)
	VALUES (%, 3, 1, 2, now(), now(), now(), t.number(2), 'busy', 1)$$, 'recycle 1', 'contact 2: 2 times',
	ARRAY['what a record counts as dialled and reached are its calls|recycle 1|dialled 2, calls 3; reached 1, answered 1']),
('what a record re-dials is of its batch, behind its start, and was called before', 'UPDATE recall.recycle SET wrapped = false WHERE (tenant_id, recycle_id) = (%, 2)',
	'recycle 2', 'contact 5, attempt 2',
	ARRAY['what a record re-dials is of its batch, behind its start, and was called before|recycle 2|contact 6, attempt 2',
		'a record has judged whom it has passed|recycle 2|judged 12, passed 0', 'a completed record went all the way round|recycle 2|from 4 to 4']),
('a record leaves out who matches only at its cap', 'UPDATE recall.recycle SET cap = 5 WHERE (tenant_id, recycle_id) = (%, 1)', 'recycle 1', 'matched 6, emitted 4, cap 5', '{}'),
('a record leaves out who matches only at its cap', 'UPDATE recall.recycle SET last_emitted = NULL WHERE (tenant_id, recycle_id) = (%, 2)',
	'recycle 2', 'matched 2, emitted 2, cap 4', '{}'),
('a record stands at a contact of its batch', 'UPDATE recall.recycle SET last_emitted = 13 WHERE (tenant_id, recycle_id) = (%, 1)', 'recycle 1', 'last_emitted 13', '{}'),
('a record has judged whom it has passed', 'UPDATE recall.recycle SET judged = 11 WHERE (tenant_id, recycle_id) = (%, 1)', 'recycle 1', 'judged 11, passed 12', '{}'),
('a record has judged whom it has passed', 'UPDATE recall.recycle SET judged = 13 WHERE (tenant_id, recycle_id) = (%, 2)', 'recycle 2', 'judged 13, passed 12', '{}'),
('a completed record went all the way round', 'UPDATE recall.recycle SET last_contact = 3, judged = 11 WHERE (tenant_id, recycle_id) = (%, 2)', 'recycle 2', 'from 4 to 3', '{}'),
('a batch has one unfinished record', $$DROP INDEX recall.recycle_unfinished;
	UPDATE recall.recycle SET state = 'waiting', finished_at = NULL WHERE (tenant_id, recycle_id) = (%, 3)$$, 'batch 1', '2 records',
	ARRAY['a state is where the last move led to|recycle 3|waiting, the audit says cancelled']),
('an unfinished record is of a batch at work', 'UPDATE recall.recycle SET batch_id = 3 WHERE (tenant_id, recycle_id) = (%, 4)', 'recycle 4', 'waiting, batch 3 is finished', '{}'),
('times and error of a record are those of its state', $$UPDATE recall.recycle SET error = 'broken' WHERE (tenant_id, recycle_id) = (%, 1)$$, 'recycle 1', 'completed', '{}'),
('times and error of a record are those of its state', 'UPDATE recall.recycle SET finished_at = NULL WHERE (tenant_id, recycle_id) = (%, 3)', 'recycle 3', 'cancelled', '{}'),
('times and error of a record are those of its state', 'UPDATE recall.recycle SET started_at = NULL WHERE (tenant_id, recycle_id) = (%, 2)', 'recycle 2', 'completed', '{}'),

('moves follow one another, and each is legal', $$SET LOCAL session_replication_role = replica; UPDATE recall.event SET from_state = 'failed'
	WHERE (tenant_id, kind, record_id, action) = (%, 'recycle', '1', 'complete')$$, 'recycle 1', 'came to running, then moved from failed to completed', '{}'),
('moves follow one another, and each is legal', $$SELECT recall._log(%, 'recycle', '1', 'run', 'completed', 'running'), recall._log(%, 'recycle', '1', 'complete', 'running', 'completed')$$,
	'recycle 1', 'came to completed, then moved from completed to running', '{}'),
('moves follow one another, and each is legal', $$SET LOCAL session_replication_role = replica; DELETE FROM recall.event WHERE (tenant_id, kind, record_id, action) = (%, 'batch', '1', 'create')$$,
	'batch 1', 'came to nothing, then moved from created to started', '{}'),
('a state is where the last move led to', $$UPDATE recall.task SET state = 'suspended' WHERE (tenant_id, task_id) = (%, 3)$$, 'task 3', 'suspended, the audit says executing', '{}'),
('a state is where the last move led to', $$SET LOCAL session_replication_role = replica; DELETE FROM recall.event WHERE (tenant_id, kind, record_id) = (%, 'recycle', '4')$$, 'recycle 4', 'waiting, the audit says nothing', '{}');

-- Of no tenant, or of one that there is not.
CREATE TABLE t.plant_elsewhere (LIKE t.plant);
INSERT INTO t.plant_elsewhere (id, check_name, statement, record, detail) VALUES
(1, 'what belongs to a tenant has one', $$INSERT INTO recall.business_result VALUES (2147483647, 'sold', 'Sold')$$, 'business result sold', NULL),
(2, 'the next number of a sequence is a new one', $$INSERT INTO recall.event (event_id, tenant_id, role, kind, record_id, action)
	OVERRIDING SYSTEM VALUE VALUES (1000000000000, %, 'x', 'contact', '1', 'x');
	ALTER SEQUENCE recall.event_event_id_seq RESTART 5$$, 'event', '1000000000000 is in use, the sequence is at 5'),
(3, 'runs of the processor are forgotten in time', $$DELETE FROM recall.tick; INSERT INTO recall.tick (tick_id, started_at)
	OVERRIDING SYSTEM VALUE VALUES (-10000, now()), (0, now())$$, 'tick -10000', '1 runs'),
(4, 'a pool has no rights of its own', $$CREATE ROLE t_pool; SELECT recall.admit_pool('t_pool'); GRANT pg_read_all_stats TO t_pool; CREATE ROLE t_audit;
	SELECT recall.grant_privilege(%, 't_audit', '{read}'); GRANT t_audit TO t_pool$$, 'pool t_pool', 'it has those of t_audit');

-- Plant a fault and give what is found, undoing it; not found by those who ask about another tenant.
CREATE FUNCTION t.found(statement text, tenant int, asked int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	found text[];
BEGIN
	SET LOCAL session_replication_role = replica; -- illegal moves, too
	EXECUTE replace(statement, '%', tenant::text);
	IF asked IS NULL THEN
		found := ARRAY(SELECT r FROM (SELECT concat_ws('|', check_name, record, coalesce(detail, '')) FROM recall.verify()) x(r) ORDER BY r COLLATE "C");
	ELSE
		found := ARRAY(SELECT r FROM (SELECT concat_ws('|', check_name, record, coalesce(detail, '')) FROM recall.verify(asked)) x(r) ORDER BY r COLLATE "C");
	END IF;
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN found;
END $$;
CREATE FUNCTION t.expected(plant t.plant, tenant int) RETURNS text[] LANGUAGE sql RETURN ARRAY(
	SELECT r FROM unnest(replace(concat_ws('|', plant.check_name, plant.record, coalesce(plant.detail, '')), '%', tenant::text) || plant.further) r
	ORDER BY r COLLATE "C");

SELECT is(t.found(p.statement, :tenant, NULL), t.expected(p, :tenant), format('found: %s (%s)', p.check_name, p.id)) FROM t.plant p ORDER BY p.id;
SELECT is(t.found(p.statement, :tenant, :tenant), t.expected(p, :tenant), format('found in the tenant: %s', p.check_name))
FROM (SELECT DISTINCT ON (check_name) * FROM t.plant ORDER BY check_name, id) i, t.plant p WHERE p.id = i.id;
SELECT is(t.found(p.statement, :tenant, :other), '{}', format('not found in another tenant: %s', p.check_name))
FROM (SELECT DISTINCT ON (check_name) * FROM t.plant ORDER BY check_name, id) i, t.plant p WHERE p.id = i.id;
SELECT is(t.found(p.statement, :tenant, NULL), ARRAY[concat_ws('|', p.check_name, p.record, coalesce(p.detail, ''))], format('found: %s', p.check_name)) FROM t.plant_elsewhere p;
SELECT is(t.found(p.statement, :tenant, :tenant), '{}', format('not found in a tenant: %s', p.check_name)) FROM t.plant_elsewhere p;

-- A contact that was removed with all that is its own leaves nothing wrong behind, wherever records stand.
CREATE FUNCTION t.removed(contact bigint) RETURNS text LANGUAGE sql RETURN format($$
	DELETE FROM recall.call WHERE (tenant_id, contact_id) = (%%, %1$s);
	DELETE FROM recall.contact WHERE (tenant_id, contact_id) = (%%, %1$s);
	WITH gone AS (DELETE FROM recall.dial WHERE (tenant_id, contact_id) = (%%, %1$s) RETURNING *)
	SELECT recall._tally(tenant_id, recycle_id, 0, 0, 1) FROM gone WHERE recycle_id IS NOT NULL$$, contact);
SELECT is(t.found(t.removed(n), :tenant, NULL), '{}', format('nothing is wrong when contact %s was removed', n)) FROM unnest('{1,2,4,6,8,12}'::int[]) n;

-- Every check that there is, once; the names are read from the functions.
CREATE VIEW t.check_name AS
SELECT replace(m[1], '''''', '''') AS name
FROM pg_proc p, regexp_matches(pg_get_functiondef(p.oid), $$SELECT '((?:[^']|'')+ (?:[^']|'')+)'::text$$, 'g') m
WHERE p.pronamespace = 'recall'::regnamespace AND p.proname ~ '^_[a-z]+_faults$';
SELECT set_eq('TABLE t.check_name', 'SELECT check_name FROM t.plant UNION SELECT check_name FROM t.plant_elsewhere', 'a fault is planted for every check');
SELECT is((SELECT count(*) FROM t.check_name), (SELECT count(DISTINCT name) FROM t.check_name), 'each check is there once');

SELECT is_empty('SELECT * FROM recall.verify()', 'nothing of it stays');
SELECT * FROM finish();
ROLLBACK;
