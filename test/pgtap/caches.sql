-- A short way through all that the C code keeps from one call to the next: short enough for a server that forgets what it has cached
-- wherever it may (DISCARD_CACHES=1 make checked), on which each step takes seconds.
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT no_plan();

SELECT recall.create_tenant('Acme') AS acme \gset
SELECT recall.create_task(:acme, 'Winter', 'predicted', 'busy after 10 min; no_answer; limit 9', '24/7') AS task \gset
SELECT recall.create_batch(:acme, :task, 'First') AS batch \gset
SELECT recall.add_contact(:acme, :batch, ARRAY['+4930' || 1000000 + n]) FROM generate_series(1, 8) n;
SELECT recall.start_task(:acme, :task), recall.start_batch(:acme, :batch), recall.suppress(:acme, '+49301000008');

SELECT is('busy after 10 min, 1 h max 3; result callback after 1 h; limit 6 per 24 h'::recall.policy::jsonb::recall.policy::text, 'busy after 10 min, 1 h max 3; result callback after 1 h; limit 6 per 24 h', 'a policy');
SELECT is(recall.is_open('Mo-Fr 09:00-17:00', zone, '2026-11-26 12:00+01', NULL), open, 'hours in ' || zone) FROM (VALUES ('Europe/Berlin', true), ('Asia/Tokyo', false)) AS z(zone, open);
SELECT is(recall.next_open('Mo-Fr 09:00-17:00', 'Europe/Berlin', '2026-11-27 18:00+01', NULL), '2026-11-30 09:00+01', 'the next opening');

SELECT count(*) AS got, array_agg(contact_id ORDER BY contact_id) AS contacts, array_agg(token ORDER BY contact_id) AS tokens FROM recall.claim(:acme, :task, 6) \gset
SELECT is(:got, 6, 'six are claimed');
SELECT is(recall.report(:acme, (:'contacts'::bigint[])[1], (:'tokens'::bigint[])[1], 'busy', NULL, now(), now()), 'recorded', 'one is reported');
SELECT is((SELECT string_agg(outcome, ' ') FROM recall.report_many(:acme, (:'contacts'::bigint[])[2:4], (:'tokens'::bigint[])[2:4], '{busy,no_answer,NULL}', NULL, NULL, NULL)),
	'recorded recorded recorded', 'and three');
SELECT recall.extend(:acme, (:'contacts'::bigint[])[5], (:'tokens'::bigint[])[5], '10 min') > now() AS extended \gset
SELECT ok(:'extended', 'a lease is extended');
SELECT recall.release(:acme, (:'contacts'::bigint[])[6], (:'tokens'::bigint[])[6]);
SELECT is((SELECT count(*) FROM recall.claim(:acme, :task, 9)), 2::bigint, 'what was released and what was left is claimed, but for who is suppressed');
SELECT is((SELECT (j).verdict::text FROM (SELECT recall.judge('busy after 10 min', recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at), '{+49301000001}', 'UTC') AS j
	FROM recall.call k WHERE k.tenant_id = :acme AND k.contact_id = (:'contacts'::bigint[])[1]) x), 'recall', 'a history is judged');

CREATE ROLE t_caches;
SELECT recall.grant_privilege(:acme, 't_caches', '{dial}');
SET LOCAL ROLE t_caches;
SELECT is(recall.report(:acme, (:'contacts'::bigint[])[5], (:'tokens'::bigint[])[5], NULL, NULL, now(), now()), 'recorded', 'by a member');
SELECT throws_ok(format('SELECT recall.report(%s, 1, 1, NULL, NULL, NULL, NULL)', :acme + 1), '42501', NULL, 'who has no other tenant');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
