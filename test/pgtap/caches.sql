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

-- Bulk sources, a policy that counts per number, a recycle by it, and the calls of that.
SELECT recall.create_business_result(:acme, '5', 'Sold');
SELECT recall.create_task(:acme, 'Spring', 'predicted', 'busy, no_answer after 1 s; result 5 never; limit 3 per day per number; quiet 1 s after answered', 'Mo-Su,PH 00:00-24:00; 2001 Dec 25 off', auto_recall => true) AS spring \gset
SELECT recall.create_batch(:acme, :spring, 'Second') AS second \gset
CREATE TEMPORARY TABLE people AS SELECT ARRAY['+4931' || 1000000 + n / 2, '+4932' || 1000000 + n] AS numbers, 'Asia/Tokyo' AS time_zone, 'knows +49311000001, 0049 31 1000 001' AS reference, 1 AS other
	FROM generate_series(1, 4) n;
SELECT is(recall.add_contacts(:acme, :second, 'people'), 4::bigint, 'a bulk of contacts');
SELECT throws_ok(format('SELECT recall.record_calls(%s, %L)', :acme, 'people'), '22023', NULL, 'but it is none of calls');
SELECT recall.start_task(:acme, :spring), recall.start_batch(:acme, :second);
CREATE TEMPORARY TABLE made AS SELECT contact_id, recall.failure_cause('sip', '486') AS failure_cause, now() - interval '1 h' AS started_at, now() - interval '1 h' AS ended_at
	FROM recall.contact WHERE tenant_id = :acme AND batch_id = :second ORDER BY contact_id LIMIT 3;
SELECT is(recall.record_calls(:acme, 'made'), 3::bigint, 'and one of calls');
SELECT is((SELECT string_agg(verdict || ' ' || contacts, ', ' ORDER BY verdict) FROM recall.preview(:acme, :second)), 'new 1, recall 3', 'previewed');
SELECT recall.recycle(:acme, :second) AS record \gset
SELECT recall._step(NULL, 0) FROM generate_series(1, 3);
SELECT is((SELECT string_agg(outcome, ' ') FROM recall.claim(:acme, :spring, 4) c CROSS JOIN recall.report(:acme, c.contact_id, c.token, 'no_answer', NULL, now(), now()) outcome),
	'recorded recorded recorded', 'the calls of a recycle, with those to a number that is out left');
SELECT ok(count(*) > 5, 'the last is explained') FROM recall.explain(:acme, (SELECT max(contact_id) FROM made));
SELECT ok(recall.matches('busy after 1 s', 'busy', NULL), 'matched');
SELECT throws_ok(format('SELECT %L::recall.policy', said), '22P02', NULL, said) FROM unnest(ARRAY['bussy', 'busy after 1 parsec', 'limit 3 per 24 h per']) said;

-- What others are shown of it; a person who is erased; a tenant that is entered.
CREATE ROLE t_pool;
SELECT recall.admit_pool('t_pool');
SELECT recall.grant_privilege(:acme, 't_caches', '{read}'), recall.issue_token(:acme, '{read,dial}') AS pass \gset
SET LOCAL ROLE t_caches;
SELECT ok(count(*) > 5 AND bool_and(number !~ '\*'), 'numbers are whole for who dials') FROM recall.completed_call;
SELECT throws_ok('EXPLAIN SELECT FROM recall.permit', '42501', NULL, 'the plan is not shown');
RESET ROLE;
SELECT is((SELECT string_agg(DISTINCT recall._mask_numbers(reference), ' ') FROM recall.contact WHERE tenant_id = :acme AND batch_id = :second),
	'knows +49*******01, 00** ** **** *01', 'masked');
SELECT sum(erased) AS erased FROM recall.erase_number(:acme, '+49311000001') \gset
SELECT is((SELECT count(*) FROM recall.contact WHERE tenant_id = :acme AND '+49311000001' = ANY (numbers)), 0::bigint, 'the number is gone');
SET LOCAL ROLE t_pool;
SELECT recall.enter(:'pass');
SELECT ok(count(*) > 5, 'entered, the calls are read') FROM recall.completed_call;
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
