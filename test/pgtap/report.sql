-- Reporting: the token decides, the permit becomes a call, once; one call or many, all or none.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch, record FROM t.recycled(20, 'busy') \gset
SELECT recall.create_business_result(:acme, 'callback', 'Call me back');
UPDATE recall.contact SET numbers = numbers || t.number(contact_id + 500) WHERE tenant_id = :acme;
UPDATE recall.dial SET number = t.number(502) WHERE tenant_id = :acme AND contact_id = 2;
SELECT t.claimed(:acme, :task, 16) AS sixteen \gset
UPDATE recall.dial SET claimed_at = now() - interval '10 min' WHERE tenant_id = :acme AND state = 'claimed';

/* One report */

SELECT t.token(:acme, 1) AS first_token \gset
SELECT is(recall.report(:acme, 1, :first_token, 'no_answer', NULL, now() - interval '60 s', now() - interval '20 s', 'SIP 480', 'Ann'), 'recorded', 'a report is recorded');
SELECT results_eq(format('SELECT attempt, batch_id, recycle_id, started_at, ended_at, recorded_at >= now(), failure_cause::text, number, business_result, raw_code, agent, token, assumed
	FROM recall.call WHERE tenant_id = %s AND contact_id = 1 AND attempt = 2', :acme),
	format($$VALUES (2, %s::bigint, %s::bigint, now() - interval '60 s', now() - interval '20 s', true, 'no_answer', t.number(1), NULL, 'SIP 480', 'Ann', %s::bigint, false)$$, :batch, :record, :first_token),
	'the call has what was reported, and the rest from the permit');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND contact_id = 1), 0::bigint, 'the permit is gone');
SELECT is(recall.report(:acme, 2, t.token(:acme, 2), NULL, 'callback', NULL, NULL), 'recorded', 'answered, with a business result and no times');
SELECT results_eq(format('SELECT recall._outcome(failure_cause, business_result), number, started_at, ended_at BETWEEN now() AND clock_timestamp(), raw_code, agent FROM recall.call WHERE tenant_id = %s AND contact_id = 2 AND attempt = 2', :acme),
	$$VALUES ('answered: callback', t.number(502), now() - interval '10 min', true, NULL::text, NULL::text)$$, 'lasted from the claim until now, on the number of the permit');
SELECT is(recall.report(:acme, 3, t.token(:acme, 3), NULL, NULL, now() - interval '5 min', NULL), 'recorded', 'only a start');
SELECT is(recall.report(:acme, 4, t.token(:acme, 4), NULL, NULL, NULL, now() - interval '15 min'), 'recorded', 'only an end, before the claim');
SELECT is(recall.report(:acme, 5, t.token(:acme, 5), 'busy', NULL, now() + interval '299 s', NULL), 'recorded', 'a clock that is ahead');
SELECT results_eq(format('SELECT contact_id, started_at - now(), CASE WHEN contact_id = 3 THEN ended_at >= now() ELSE ended_at = started_at END FROM recall.call WHERE tenant_id = %s AND contact_id IN (3, 4, 5) AND attempt = 2 ORDER BY 1', :acme),
	$$VALUES (3::bigint, interval '-5 min', true), (4, '-15 min', true), (5, '299 s', true)$$, 'the other time is the nearest that is in order');
SELECT is(t.record(:acme, :record), '20 emitted, 0 withdrawn, 5 dialled, 3 reached, 15 pending', 'the record counts them, and those that were answered');

/* Once */

SELECT t.fingerprint() AS before \gset
SELECT is(recall.report(:acme, 1, :first_token, 'no_answer', NULL, now() - interval '60 s', now() - interval '20 s', 'SIP 480', 'Ann'), 'duplicate', 'the same report again is a duplicate');
SELECT is(recall.report(:acme, 1, :first_token, NULL, 'callback', NULL, NULL, 'SIP 200', 'Bob'), 'duplicate', 'with other values, too');
SELECT is(t.fingerprint(), :'before', 'neither changes anything');

/* What is refused changes nothing */

CREATE FUNCTION t.no_token(contact bigint, row_prefix text DEFAULT '') RETURNS text LANGUAGE sql IMMUTABLE
RETURN format('%sthe token is not that of a permit of contact %s', row_prefix, contact);
\set token_hint 'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.'
\set times_hint 'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.'
SELECT t.token(:acme, 6) AS sixth, t.token(:acme, 7) AS seventh \gset
SELECT t.refused(format('SELECT recall.report(%s, %s, %s, NULL, NULL, NULL, NULL)', :acme, x.contact, coalesce(x.token, 'NULL')), '55000', t.no_token(x.contact), :'token_hint', x.what) FROM (VALUES
	(6, :'seventh', 'the token of another contact'), (6, '1', 'no token of anybody'), (6, '-1', 'token -1'), (6, NULL, 'no token'), (20, NULL, 'no token for a contact that is not out'),
	(20, :'sixth', 'a token for a contact that is not out'), (6, :'first_token', 'the used token of another contact'), (1, :'sixth', 'another token for a contact that was reported')) AS x(contact, token, what);
SELECT t.refused(format('SELECT recall.report(%s, 6, %s, %s)', :acme, :sixth, x.rest), '22023', x.message, x.hint, x.what) FROM (VALUES
	($$NULL, 'calback', NULL, NULL$$, format('business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a misspelt result'),
	($$'busy', '', NULL, NULL$$, format('business result "" does not exist in tenant %s', :acme), 'Business results are added with recall.create_business_result().', 'an empty result'),
	($$NULL, NULL, '2026-01-02', '2026-01-01'$$, 'a call cannot last from 2026-01-02 00:00:00+00 to 2026-01-01 00:00:00+00', :'times_hint', 'an end before the start'),
	($$NULL, NULL, '1969-12-31 23:59:59', '2026-01-01'$$, 'a call cannot last from 1969-12-31 23:59:59+00 to 2026-01-01 00:00:00+00', :'times_hint', 'a start before 1970'),
	($$NULL, NULL, '2026-01-01', 'infinity'$$, 'a call cannot last from 2026-01-01 00:00:00+00 to infinity', :'times_hint', 'an end that never comes'),
	($$NULL, NULL, '-infinity', '2026-01-01'$$, 'a call cannot last from -infinity to 2026-01-01 00:00:00+00', :'times_hint', 'a start before all time'),
	($$NULL, 'callback', '2026-01-02', '2026-01-01'$$, 'a call cannot last from 2026-01-02 00:00:00+00 to 2026-01-01 00:00:00+00', :'times_hint', 'times out of order with a result that is known')) AS x(rest, message, hint, what);
SELECT matches(t.outcome(format('SELECT recall.report(%s, 6, %s, NULL, NULL, %s)', :acme, :sixth, x)), '^22023: a call cannot last from ', 'times out of order: ' || x)
FROM unnest(ARRAY[$$'1969-12-31', NULL$$, $$now(), now() + interval '6 min'$$, $$now() + interval '6 min', NULL$$, $$NULL, '1969-12-31'$$]) x;
SELECT t.denied(format('SELECT recall.report(%s, %s, %s, NULL, NULL, NULL, NULL)', :acme, coalesce(x.contact, 'NULL'), :sixth), format('contact %s of tenant %s', coalesce(x.contact, 'null'), :acme), x.what)
FROM (VALUES ('21', 'no such contact'), ('-1', 'contact -1'), ('9223372036854775807', 'the last contact there could be'), (NULL, 'no contact')) AS x(contact, what);
SELECT t.denied('SELECT recall.report(NULL, NULL, NULL, NULL, NULL, NULL, NULL)', 'tenant null, right "dial"', 'nulls everywhere');
SELECT tenant AS bell, task AS bell_task FROM t.campaign(30) \gset
SELECT t.claimed(:bell, :bell_task) AS bell_claimed \gset
SELECT t.denied(format('SELECT recall.report(%s, 25, %s, NULL, NULL, NULL, NULL)', :acme, t.token(:bell, 25)), format('contact 25 of tenant %s', :acme), 'another tenant''s contact with its token');
SELECT t.refused(format('SELECT recall.report(%s, 6, %s, NULL, NULL, NULL, NULL)', :acme, t.token(:bell, 6)), '55000', t.no_token(6), :'token_hint', 'the token of another tenant''s contact of the same id');
CREATE ROLE t_elsewhere;
SELECT recall.grant_privilege(:bell, 't_elsewhere', '{dial}'), recall.grant_privilege(:acme, 't_elsewhere', '{read,manage,recycle}') \gset rights_
SELECT t.denied(format(x.statement, :acme, :sixth), format('tenant %s, right "dial"', :acme), 'the right to dial elsewhere is not enough: ' || x.statement, 't_elsewhere') FROM (VALUES
	('SELECT recall.report(%s, 6, %s, NULL, NULL, NULL, NULL)'), ('SELECT recall.report_many(%s, ARRAY[6], ARRAY[%s], NULL, NULL, NULL, NULL)'), ($$SELECT recall.extend(%s, 6, %s, '1 min')$$),
	('SELECT recall.release(%s, 6, %s)'), ('SELECT recall.resolve(%s, 6, NULL, NULL) /* %s */'), ('SELECT recall.schedule_callback(%s, 6, now()) /* %s */')) AS x(statement);

/* Late, extended and released */

SELECT recall.extend(:acme, 6, :sixth, '1 h');
SELECT is(recall.report(:acme, 6, :sixth, 'busy', NULL, NULL, NULL), 'recorded', 'after extend() the token is the same');
SELECT t.lapse(:acme);
SELECT is(recall.report(:acme, 7, :seventh, 'busy', NULL, now() - interval '2 h', now() - interval '119 min'), 'recorded', 'a late report');
SELECT t.tick();
SELECT is((SELECT state::text FROM recall.dial WHERE tenant_id = :acme AND contact_id = 8), 'unknown', 'when the processor has found that the lease ran out');
SELECT is(recall.report(:acme, 8, t.token(:acme, 8), NULL, NULL, NULL, NULL), 'recorded', 'too');
SELECT results_eq(format('SELECT assumed, attempt FROM recall.call WHERE tenant_id = %s AND contact_id IN (7, 8) AND attempt > 1', :acme), 'VALUES (false, 2), (false, 2)', 'nothing was assumed');
SELECT t.token(:acme, 9) AS ninth \gset
SELECT recall.release(:acme, 9, :ninth);
SELECT t.refused(format('SELECT recall.report(%s, 9, %s, NULL, NULL, NULL, NULL)', :acme, :ninth), '55000', t.no_token(9), :'token_hint', 'the token of a permit that was released');
SELECT is(t.record(:acme, :record), '20 emitted, 0 withdrawn, 8 dialled, 4 reached, 12 pending', 'the record has counted each once');

/* What is in order is recorded without asking anything more */

SET LOCAL track_functions = 'pl';
CREATE FUNCTION t.asked() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT coalesce(pg_stat_get_xact_function_calls('recall._report'::regproc), 0) $$;
CREATE FUNCTION t.report_asking(tenant int, contact bigint, rest text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint := t.asked();
	got text := t.outcome(format('SELECT recall.report(%s, %s, %s, %s)', tenant, contact, t.token(tenant, contact), rest));
BEGIN
	RETURN got || CASE t.asked() - before WHEN 0 THEN ' plainly' ELSE ', asked' END;
END $$;
SELECT recall.create_business_result(:bell, 'sold', 'Sold');
SELECT is(t.report_asking(:bell, x.contact, x.rest), 'recorded plainly', 'recorded plainly: ' || x.what) FROM (VALUES
	(1, 'NULL, NULL, NULL, NULL', 'nothing told'), (2, $$'busy', NULL, now(), now()$$, 'a call without length'), (3, $$NULL, 'sold', NULL, NULL$$, 'a known result'),
	(4, $$NULL, NULL, '1970-01-01', '1970-01-01'$$, 'the first instant there may be'), (5, $$NULL, NULL, NULL, now() + interval '299 s'$$, 'an end that is soon'),
	(6, $$NULL, NULL, now() + interval '299 s', NULL$$, 'a beginning that is soon'), (7, $$NULL, NULL, NULL, NULL, repeat('ä', 200), repeat('ö', 200)$$, 'texts as long as they may be'),
	(8, $$NULL, NULL, now() - interval '2 h', now() - interval '1 h'$$, 'a call before the claim')) AS x(contact, rest, what);
SELECT recall.set_policy(:bell, :bell_task, 'failed after 1 min; limit 3'), recall.set_auto_recall(:bell, :bell_task, true) \gset automatic_
SELECT is(t.report_asking(:bell, 9, $$'busy', NULL, NULL, NULL$$), 'recorded, asked', 'where it is recalled automatically more is asked');
SELECT recall.set_auto_recall(:bell, :bell_task, false);
SELECT is(t.report_asking(:bell, 10, $$'busy', NULL, NULL, NULL$$), 'recorded plainly', 'and elsewhere not');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
