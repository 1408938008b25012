-- Leases: prolonged, given back, run out; what becomes of a call of unknown outcome, and of the report that still comes.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';
\set token_hint 'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.'

/* extend() */

SELECT tenant AS acme, task, batch, record FROM t.recycled(9, 'busy') \gset
SELECT recall.create_business_result(:acme, 'callback', 'Call me back');
SELECT t.claimed(:acme, :task, 8) AS eight \gset
SELECT t.token(:acme, 1) AS first, t.token(:acme, 2) AS second, t.token(:acme, 3) AS third, t.token(:acme, 4) AS fourth \gset
SELECT recall.extend(:acme, 1, :first, '2 h') AS extended \gset
SELECT is((SELECT lease_until FROM recall.dial WHERE tenant_id = :acme AND contact_id = 1), :'extended'::timestamptz, 'extend() returns the end of the lease');
SELECT is(:'extended'::timestamptz BETWEEN now() + interval '2 h' AND clock_timestamp() + interval '2 h', true, 'which lasts from now on');
SELECT is(recall.extend(:acme, 1, :first, '1 s') < now() + interval '1 h', true, 'it can be made shorter');
SELECT is(t.token(:acme, 1), :first::bigint, 'the token stays');
SELECT t.refused(format('SELECT recall.extend(%s, 1, %s, %L)', :acme, :first, x.lease), '22023', format('lease %s is out of range', coalesce('"' || x.lease || '"', 'null')), 'A lease lasts from 1 second to 1 day.', 'a lease of ' || coalesce(x.lease, 'null'))
FROM unnest('{00:00:00,-00:00:01,00:00:00.999,24:00:01,NULL}'::text[]) AS x(lease);
SELECT t.refused(format('SELECT %s', x.statement), '55000', format('the token is not that of a permit of contact %s', x.contact), :'token_hint', x.statement) FROM (VALUES
	(format($$recall.extend(%s, 1, %s, '1 min')$$, :acme, :second), 1), (format($$recall.extend(%s, 1, NULL, '1 min')$$, :acme), 1), (format($$recall.extend(%s, 9, NULL, '1 min')$$, :acme), 9),
	(format('recall.release(%s, 1, %s)', :acme, :second), 1), (format('recall.release(%s, 1, NULL)', :acme), 1), (format('recall.release(%s, 9, 0)', :acme), 9)) AS x(statement, contact);
SELECT t.denied(format(x.statement, :acme, coalesce(c.contact, 'NULL')), format('contact %s of tenant %s', coalesce(c.contact, 'null'), :acme), x.statement)
FROM (VALUES ($$SELECT recall.extend(%s, %s, 1, '1 min')$$), ('SELECT recall.release(%s, %s, 1)'), ('SELECT recall.resolve(%s, %s, NULL, NULL)')) AS x(statement), (VALUES ('10'), ('-1'), (NULL)) AS c(contact);
SELECT t.denied(x, 'tenant null, right "dial"', 'nulls everywhere: ' || x) FROM unnest('{"SELECT recall.extend(NULL, NULL, NULL, NULL)","SELECT recall.release(NULL, NULL, NULL)","SELECT recall.resolve(NULL, NULL, NULL, NULL)"}'::text[]) x;

/* release() */

SELECT priority AS priority, due_at AS due_at, number FROM recall.dial WHERE tenant_id = :acme AND contact_id = 2 \gset before_
SELECT recall.release(:acme, 2, :second);
SELECT results_eq(format('SELECT state::text, token, claimed_at, lease_until, dialer, priority, due_at, number, attempt, recycle_id FROM recall.dial WHERE tenant_id = %s AND contact_id = 2', :acme),
	format($$VALUES ('ready', NULL::bigint, NULL::timestamptz, NULL::timestamptz, NULL::text, %s, %L::timestamptz, %L, 2, %s::bigint)$$, :before_priority, :'before_due_at', :'before_number', :record), 'release() puts the permit back in its place');
SELECT is(t.calls(:acme), (SELECT string_agg(n || '.1 busy', ', ') FROM generate_series(1, 9) n), 'and writes no call');
SELECT is(t.claimed(:acme, :task, 1), '2', 'somebody else may have it');
SELECT isnt(t.token(:acme, 2), :second::bigint, 'with another token');
SELECT is(t.outcome(format($$SELECT recall.extend(%s, 2, %s, '1 min')$$, :acme, :second)), format(E'55000: the token is not that of a permit of contact 2\nHINT: %s', :'token_hint'), 'the old one is of no use');

/* Leases run out: at the next claim, or in a run of the processor */

SELECT t.lapse(:acme);
SELECT is((SELECT string_agg(DISTINCT state::text, ' ') FROM recall.permit WHERE tenant_id = :acme AND contact_id < 9), 'unknown', 'the view permit shows at once that the outcome is unknown');
CREATE FUNCTION t.unknown_health() RETURNS text LANGUAGE sql STABLE AS $$ SELECT format('%s: %s', status, detail) FROM recall.health() WHERE check_name = 'unknown outcomes' $$;
CREATE ROLE t_reader;
SELECT recall.grant_privilege(:acme, 't_reader', '{read}');
GRANT EXECUTE ON FUNCTION t.unknown_health() TO t_reader;
SELECT matches(t.outcome('SELECT t.unknown_health()', 't_reader'), '^warning: calls of unknown outcome: 8, the oldest for 01:[0-9:]+; their leases ran out without a report: see recall.permit and recall.resolve\(\)$', 'and health() counts them');
SELECT pg_sleep(0.2); -- a claim looks for them ten times a second
SELECT is(t.claimed(:acme, :task), '9', 'a claim does not give them to anybody');
SELECT is(t.permits(:acme), '1.2 unknown, 2.2 unknown, 3.2 unknown, 4.2 unknown, 5.2 unknown, 6.2 unknown, 7.2 unknown, 8.2 unknown, 9.2 claimed', 'and notes that their outcome is unknown');
SELECT t.lapse(:acme), t.tick() \gset ticked_
SELECT is((SELECT state::text FROM recall.dial WHERE tenant_id = :acme AND contact_id = 9), 'unknown', 'so does a run of the processor');
SELECT is((SELECT expired FROM recall.tick ORDER BY tick_id DESC LIMIT 1), 1::bigint, 'which counts it');
SELECT is((SELECT assumed FROM recall.tick ORDER BY tick_id DESC LIMIT 1), 0::bigint, 'without a rule for them, they stay');
SELECT is(t.record(:acme, :record), '9 emitted, 0 withdrawn, 0 dialled, 0 reached, 9 pending', 'pending in their record');
SELECT recall.extend(:acme, 1, :first, '1 min'), recall.release(:acme, 9, t.token(:acme, 9)) \gset came_back_
SELECT is(t.permits(:acme), '1.2 claimed, 2.2 unknown, 3.2 unknown, 4.2 unknown, 5.2 unknown, 6.2 unknown, 7.2 unknown, 8.2 unknown, 9.2 ready', 'their own tokens extend and release them');

/* resolve() */

SELECT is(recall.resolve(:acme, 3, 'no_answer', NULL), 2, 'resolve() returns the attempt');
SELECT results_eq(format('SELECT failure_cause::text, business_result, assumed, token, started_at - now(), ended_at - now(), recycle_id, number, agent FROM recall.call WHERE tenant_id = %s AND contact_id = 3 AND attempt = 2', :acme),
	format($$VALUES ('no_answer', NULL, true, %s::bigint, interval '-2 h', interval '-1 h', %s::bigint, t.number(3), NULL::text)$$, :third, :record), 'the call lasted as long as the lease, and is marked as assumed');
SELECT is((SELECT detail FROM recall.audit WHERE tenant_id = :acme AND action = 'resolve' AND record_id = '3'), '{"attempt": 2, "failure_cause": "no_answer"}', 'the audit has it');
SELECT recall.resolve(:acme, 4, NULL, 'callback'), recall.resolve(:acme, 5, NULL, NULL), recall.resolve(:acme, 6, 'busy', NULL) \gset resolved_
SELECT t.lapse(:acme);
SELECT is(recall.resolve(:acme, 1, 'unknown', NULL), 2, 'also before anybody has noted that the lease ran out');
SELECT is((SELECT format('%s %s', dialled, reached) FROM recall.recycle_record WHERE tenant_id = :acme), '5 2', 'the record counts them');
SELECT t.claimed(:acme, :task, 1) AS ninth \gset
SELECT t.refused(format('SELECT recall.resolve(%s, %s, NULL, NULL)', :acme, x.contact), '55000', format('contact %s has no call of unknown outcome', x.contact),
	'Only a call whose lease has run out without a report can be settled; what is out within its lease is reported by its dialer.', x.what) FROM (VALUES (9, 'within its lease'), (3, 'settled already')) AS x(contact, what);
SELECT t.refused(format($$SELECT recall.resolve(%s, 7, NULL, 'calback')$$, :acme), '22023', format('business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a misspelt result');

/* A report that still comes corrects what was assumed, once */

SELECT is(recall.report(:acme, 3, :third, NULL, 'callback', now() - interval '100 min', NULL, '200', 'Ann'), 'recorded', 'a late report of a settled call');
SELECT results_eq(format('SELECT attempt, recall._outcome(failure_cause, business_result), assumed, started_at - now(), ended_at - now(), raw_code, agent, number FROM recall.call WHERE tenant_id = %s AND contact_id = 3 AND attempt > 1', :acme),
	$$VALUES (2, 'answered: callback', false, interval '-100 min', interval '-1 h', '200', 'Ann', t.number(3))$$, 'corrects it');
SELECT is((SELECT detail FROM recall.audit WHERE tenant_id = :acme AND action = 'correct' AND record_id = '3'), '{"attempt": 2, "assumed": "no_answer", "business_result": "callback"}', 'the audit has what was assumed and what was reported');
SELECT t.fingerprint() AS corrected \gset
SELECT is(recall.report(:acme, 3, :third, 'busy', NULL, NULL, NULL), 'duplicate', 'the next one is a duplicate');
SELECT is(t.fingerprint(), :'corrected', 'and changes nothing');
SELECT t.refused(format($$SELECT recall.report(%s, 4, %s, NULL, 'calback', NULL, NULL)$$, :acme, :fourth), '22023', format('business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a correction is checked');
SELECT is(t.outcome(format($$SELECT recall.report(%s, 4, %s, NULL, NULL, now(), now() - interval '3 h')$$, :acme, :fourth)) ~ '^22023: a call cannot last from ', true, 'its times, too');
SELECT recall.report(:acme, 4, :fourth, 'busy', NULL, NULL, NULL);
SELECT is((SELECT format('%s %s', dialled, reached) FROM recall.recycle_record WHERE tenant_id = :acme), '5 2', 'reached: one more, one less');
SELECT is(recall.report(:acme, 5, k.token, NULL, NULL, NULL, NULL), 'recorded', 'answered, as was assumed') FROM recall.call k WHERE k.tenant_id = :acme AND k.contact_id = 5 AND k.attempt = 2;
SELECT is((SELECT outcome FROM recall.report_many(:acme, ARRAY[6], ARRAY(SELECT k.token FROM recall.call k WHERE k.tenant_id = :acme AND k.contact_id = 6 AND k.attempt = 2), NULL, NULL, NULL, NULL)), 'recorded', 'report_many() corrects likewise');
SELECT is((SELECT format('%s %s', dialled, reached) FROM recall.recycle_record WHERE tenant_id = :acme), '5 3', 'the record counts each call once');

/* What was ended while the permit was out takes it when it is released */

SELECT tenant AS ended, task AS ended_task, batch AS ended_batch, record AS ended_record FROM t.recycled(3, 'busy') \gset
SELECT t.claimed(:ended, :ended_task) AS ended_claimed \gset
SELECT recall.withdraw_recycle(:ended, :ended_record) AS withdrawn \gset
SELECT recall.release(:ended, 1, t.token(:ended, 1));
SELECT is(t.permits(:ended), '1.2 ready, 2.2 claimed, 3.2 claimed', 'a withdrawal of what was ready does not concern it');
SELECT t.claimed(:ended, :ended_task) AS again \gset
SELECT recall.finish_batch(:ended, :ended_batch);
SELECT recall.release(:ended, 1, t.token(:ended, 1));
SELECT is(t.permits(:ended), '2.2 claimed, 3.2 claimed', 'of a finished batch it is gone');
SELECT is(t.taken_out(:ended), '1 the batch is finished', 'with that reason');
SELECT is(recall.report(:ended, 2, t.token(:ended, 2), 'busy', NULL, NULL, NULL), 'recorded', 'what rang is reported');
SELECT is(t.record(:ended, :ended_record), '3 emitted, 1 withdrawn, 1 dialled, 0 reached, 1 pending', 'the record adds up');
SELECT tenant AS halted, task AS halted_task, batch AS halted_batch FROM t.campaign(4) \gset
SELECT t.call_all(:halted, 1, 4, 'busy');
SET LOCAL recall.chunk_size = 2;
SELECT recall.recycle(:halted, :halted_batch) AS halted_record, t.tick(2) AS steps \gset
SELECT t.claimed(:halted, :halted_task) AS halted_claimed \gset
SELECT recall.cancel_recycle(:halted, :halted_record);
SELECT recall.release(:halted, 1, t.token(:halted, 1));
SELECT is(t.permits(:halted) || '; ' || t.taken_out(:halted), '2.2 claimed; 1 the recycle was cancelled', 'of a cancelled recycle, too');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
