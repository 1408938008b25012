-- Many reports in one: each in its place, all or none, the first bad one named.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch, record FROM t.recycled(20, 'busy') \gset
SELECT recall.create_business_result(:acme, 'callback', 'Call me back');
CREATE TABLE t.out AS SELECT * FROM recall.claim(:acme, :task, 18);
UPDATE recall.dial SET claimed_at = now() - interval '10 min' WHERE tenant_id = :acme AND state = 'claimed';
CREATE FUNCTION t.tokens(contacts bigint[]) RETURNS bigint[] LANGUAGE sql STABLE
RETURN ARRAY(SELECT coalesce(o.token, 1) FROM unnest(contacts) WITH ORDINALITY c(contact_id, n) LEFT JOIN t.out o USING (contact_id) ORDER BY n);
CREATE FUNCTION t.outcomes(tenant int, contacts bigint[], more text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
BEGIN
	EXECUTE format('SELECT string_agg(format(''%%s %%s'', r.contact_id, r.outcome), '', '' ORDER BY r.n) FROM recall.report_many(%s, %L, %L, %s) WITH ORDINALITY r(contact_id, outcome, n)',
		tenant, contacts, t.tokens(contacts), more) INTO got;
	RETURN got;
END $$;

SELECT is(t.outcomes(:acme, '{3,1,2}', $$'{busy,NULL,no_answer}', '{NULL,callback,NULL}', ARRAY[now() - interval '3 min', NULL, NULL], ARRAY[now() - interval '2 min', NULL, now() - interval '1 min'], '{486,NULL,480}', '{NULL,Ann,NULL}'$$),
	'3 recorded, 1 recorded, 2 recorded', 'the results stand in the order of the reports');
SELECT results_eq(format('SELECT contact_id, recall._outcome(failure_cause, business_result), started_at - now(), raw_code, agent, number, token = (SELECT o.token FROM t.out o WHERE o.contact_id = k.contact_id), recycle_id
	FROM recall.call k WHERE tenant_id = %s AND attempt = 2 ORDER BY contact_id', :acme),
	format($$VALUES (1::bigint, 'answered: callback', interval '-10 min', NULL, 'Ann', t.number(1), true, %1$s::bigint), (2, 'no_answer', '-10 min', '480', NULL, t.number(2), true, %1$s), (3, 'busy', '-3 min', '486', NULL, t.number(3), true, %1$s)$$, :record),
	'each is stored as it was reported');
SELECT is(t.outcomes(:acme, '{4,1,5,3}', 'NULL, NULL, NULL, NULL'), '4 recorded, 1 duplicate, 5 recorded, 3 duplicate', 'duplicates among others; null arrays are arrays of nulls');
SELECT is(t.calls(:acme), '1.1 busy, 1.2 answered: callback, 2.1 busy, 2.2 no_answer, 3.1 busy, 3.2 busy, 4.1 busy, 4.2 answered, 5.1 busy, 5.2 answered, ' ||
	(SELECT string_agg(n || '.1 busy', ', ' ORDER BY n) FROM generate_series(6, 20) n), 'nothing is doubled');
SELECT is(t.outcomes(:acme, '{6,6}', '''{busy,NULL}'', NULL, NULL, NULL'), '6 recorded, 6 duplicate', 'the same permit twice');
SELECT is((SELECT failure_cause::text FROM recall.call WHERE tenant_id = :acme AND contact_id = 6 AND attempt = 2), 'busy', 'the first one counts');
SELECT t.fingerprint() AS before \gset
SELECT is(t.outcomes(:acme, '{5,6}', '''{busy,busy}'', NULL, NULL, NULL'), '5 duplicate, 6 duplicate', 'nothing but duplicates');
SELECT is((SELECT count(*) FROM recall.report_many(:acme, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')), 0::bigint, 'no report at all');
SELECT is((SELECT count(*) FROM recall.report_many(:acme, '{}', '{}', NULL, NULL, NULL, NULL)), 0::bigint, 'nor with null arrays');
SELECT is(t.fingerprint(), :'before', 'change nothing');
SELECT is(t.record(:acme, :record), '20 emitted, 0 withdrawn, 6 dialled, 3 reached, 14 pending', 'the record counts each once');

/* All or none: the second and the third of these are wrong, the first fault is named */

SELECT t.refused(format('SELECT * FROM recall.report_many(%s, %L, %L, %s)', :acme, x.contacts, t.tokens(x.contacts::bigint[]), x.more), x.state, x.message, x.hint, x.what) FROM (VALUES
	('{7,8,9}', $$NULL, '{NULL,calback,worse}', NULL, NULL$$, '22023', format('report 2: business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a misspelt result'),
	('{7,8,9}', $$NULL, NULL, '{NULL,2026-01-02,2026-01-03}', '{NULL,2026-01-01,2026-01-01}'$$, '22023', 'report 2: a call cannot last from 2026-01-02 00:00:00+00 to 2026-01-01 00:00:00+00',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'times out of order'),
	('{7,19,20}', 'NULL, NULL, NULL, NULL', '55000', 'report 2: the token is not that of a permit of contact 19', 'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.', 'a contact that is not out'),
	('{1,7,19}', 'NULL, NULL, NULL, NULL', '55000', 'report 3: the token is not that of a permit of contact 19', 'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.', 'a duplicate before it'),
	('{7,21,-1}', 'NULL, NULL, NULL, NULL', '42501', format('permission denied for report 2: contact 21 of tenant %s', :acme), 'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'no such contact'),
	('{7,NULL,8}', 'NULL, NULL, NULL, NULL', '42501', format('permission denied for report 2: contact null of tenant %s', :acme), 'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'no contact')) AS x(contacts, more, state, message, hint, what);
SELECT t.refused(format('SELECT * FROM recall.report_many(%s, %L, %L, NULL, NULL, NULL, NULL)', :acme, '{7,8}', ARRAY[(t.tokens('{7}'))[1], NULL]), '55000', 'report 2: the token is not that of a permit of contact 8',
	'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.', 'a null among the tokens');
SELECT t.refused(format('SELECT * FROM recall.report_many(%s, %s)', :acme, x.rest), '22023', 'the arrays of the reports differ in length', 'Each has an element for each report, counted from 1, or is null.', 'arrays of different lengths: ' || x.rest)
FROM (VALUES ($$'{7,8}', '{1}', NULL, NULL, NULL, NULL$$), ($$'{7}', '{1}', '{busy,busy}', NULL, NULL, NULL$$), ($$'{7}', '{1}', '{}', NULL, NULL, NULL$$), ($$'{7}', '{1}', NULL, '{}', NULL, NULL$$), ($$'{7}', '{1}', NULL, NULL, '{NULL,NULL}', NULL$$),
	($$'{7}', '{1}', NULL, NULL, NULL, '{NULL,NULL}'$$), ($$'{7}', '{1}', NULL, NULL, NULL, NULL, '{a,b}'$$), ($$'{7}', '{1}', NULL, NULL, NULL, NULL, NULL, '{a,b}'$$),
	($$'[0:1]={7,8}', '{1,2}', NULL, NULL, NULL, NULL$$), ($$'{7,8}', '[2:3]={1,2}', NULL, NULL, NULL, NULL$$), ($$'{{7},{8}}', '{{1},{2}}', NULL, NULL, NULL, NULL$$), ($$'{7,8}', '{1,2}', '[0:1]={busy,busy}', NULL, NULL, NULL$$),
	($$'{7}', NULL, NULL, NULL, NULL, NULL$$), ($$NULL, '{1}', NULL, NULL, NULL, NULL$$), ($$NULL, NULL, NULL, NULL, NULL, NULL$$)) AS x(rest);
SELECT is(t.permits(:acme), (SELECT string_agg(format('%s.2 %s', n, CASE WHEN n < 19 THEN 'claimed' ELSE 'ready' END), ', ' ORDER BY n) FROM generate_series(7, 20) n), 'after all that nothing is used up');
SELECT is(t.outcomes(:acme, '{7,8}', $$'{busy,no_answer}', NULL, NULL, NULL$$), '7 recorded, 8 recorded', 'of a record''s re-dials none may have been answered');
SELECT is(recall.report(:acme, 9, (t.tokens('{9}'))[1], 'busy', 'callback', NULL, NULL), 'recorded', 'whether in many or in one report');
SELECT is(t.record(:acme, :record), '20 emitted, 0 withdrawn, 9 dialled, 3 reached, 11 pending', 'and the record counts them');

/* A thousand at once, last first, of tasks with and without automatic recall */

SELECT tenant AS many, task AS many_task FROM t.campaign(1000, 'failed after 10 min; limit 5') \gset
CREATE FUNCTION t.report_all(tenant int, task bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text;
BEGIN
	WITH claimed AS MATERIALIZED (SELECT * FROM recall.claim(tenant, task, 1000)),
	given AS (SELECT array_agg(contact_id ORDER BY contact_id DESC) AS contacts, array_agg(token ORDER BY contact_id DESC) AS tokens,
		array_agg(CASE WHEN contact_id % 4 > 0 THEN 'busy'::recall.failure_cause END ORDER BY contact_id DESC) AS causes FROM claimed)
	SELECT format('%s %s, first %s', count(*), min(r.outcome), min(r.contact_id) FILTER (WHERE n = 1)) INTO got
	FROM given g, LATERAL recall.report_many(tenant, g.contacts, g.tokens, g.causes, NULL, NULL, NULL) WITH ORDINALITY r(contact_id, outcome, n);
	RETURN got;
END $$;
SELECT is(t.report_all(:many, :many_task), '1000 recorded, first 1000', 'a thousand reports in one');
SELECT is((SELECT count(*) FROM recall.call WHERE tenant_id = :many), 1000::bigint, 'are a thousand calls');
SELECT is((SELECT count(*) FROM recall.contact c JOIN recall.call k USING (tenant_id, contact_id) WHERE c.tenant_id = :many
	AND k.number = c.numbers[1] AND k.attempt = 1 AND (k.failure_cause IS NULL) = (c.contact_id % 4 = 0)), 1000::bigint, 'each that of its contact');
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT is((SELECT count(*) FROM generate_series(1, 1000) n, LATERAL (SELECT FROM recall.call WHERE tenant_id = :many AND contact_id = n AND attempt = 1) k),
	1000::bigint, 'found by the index');
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :many), 0::bigint, 'and no permit');
SELECT tenant AS auto, task AS auto_task FROM t.campaign(1000, 'failed after 10 min; limit 5') \gset
SELECT recall.set_auto_recall(:auto, :auto_task, true);
SELECT is(t.report_all(:auto, :auto_task), '1000 recorded, first 1000', 'the same where the task recalls automatically');
SELECT results_eq(format('SELECT count(*), min(attempt), count(*) FILTER (WHERE contact_id %% 4 = 0) FROM recall.dial WHERE tenant_id = %s', :auto), 'VALUES (750::bigint, 2, 0::bigint)', 'makes the permits of those that failed');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
