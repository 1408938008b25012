-- Automatic recall: which policies may, what a report makes, and what does not. automatic_agree.sql compares it with preview().
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

CREATE FUNCTION t.waits(tenant int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce(string_agg(format('%s.%s %s on %s', d.contact_id, d.attempt, d.due_at - now(), right(d.number, 3)), ', ' ORDER BY d.contact_id), 'none')
	FROM recall.dial d WHERE d.tenant_id = tenant AND d.state = 'ready' $$;

/* Which policies */

SELECT tenant AS acme, task, batch FROM t.campaign(9) \gset
CREATE TABLE t.fault (policy recall.policy, message text, hint text);
INSERT INTO t.fault VALUES
	(NULL, 'automatic recall needs a policy', 'Give the task one, such as ''failed after 1 h; limit 5''.'),
	('busy after 10 min', 'automatic recall needs a limit', 'Nobody presses a button between the calls: add one, such as ''limit 5''.'),
	('busy after 10 min; quiet 1 day after answered', 'automatic recall needs a limit', 'Nobody presses a button between the calls: add one, such as ''limit 5''.'),
	('busy after 10 min; no_answer; limit 5', 'automatic recall needs an "after" in each rule, and rule 2 has none', 'Calls that fail at once would be made again at once: add one, such as ''after 10 min''.'),
	('limit 5', 'automatic recall needs an "after" in each rule, and rule 1 has none', 'Calls that fail at once would be made again at once: add one, such as ''after 10 min''.'),
	('failed max 3; limit 5', 'automatic recall needs an "after" in each rule, and rule 1 has none', 'Calls that fail at once would be made again at once: add one, such as ''after 10 min''.');
SELECT t.refused(format('SELECT recall.create_task(%s, %L, %L, %L, auto_recall => true)', :acme, 'x', 'fixed', policy), '22023', message, hint, 'create_task(): ' || coalesce(policy::text, 'no policy')) FROM t.fault;
CREATE FUNCTION t.refuses_automatic(tenant int, task bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	f t.fault;
BEGIN
	FOR f IN SELECT * FROM t.fault LOOP
		PERFORM recall.set_policy(tenant, task, f.policy);
		RETURN NEXT t.refused(format('SELECT recall.set_auto_recall(%s, %s, true)', tenant, task), '55000', f.message, f.hint, 'set_auto_recall(): ' || coalesce(f.policy::text, 'no policy'));
	END LOOP;
END $$;
SELECT t.refuses_automatic(:acme, :task);
SELECT recall.set_policy(:acme, :task, 'busy after 1 h, 3 h max 3 next number; no_answer after 2 h; rejected never; limit 4'), recall.set_auto_recall(:acme, :task, true) \gset on_
SELECT t.refused(format('SELECT recall.set_policy(%s, %s, %L)', :acme, :task, policy), '22023', message, hint, 'set_policy(): ' || policy::text) FROM t.fault WHERE policy IS NOT NULL;
SELECT t.refused(format('SELECT recall.set_auto_recall(%s, %s, NULL)', :acme, :task), '22023', 'automatic recall is neither on nor off', 'Say true or false.', 'neither on nor off');
SELECT t.denied(format('SELECT recall.set_auto_recall(%s, %s, true)', :acme, t), format('task %s of tenant %s', t, :acme), 'no such task') FROM unnest('{77,-1}'::bigint[]) t;
SELECT t.refused(format($$SELECT recall.create_task(%s, 'x', 'manual', 'failed after 1 h; limit 5', auto_recall => true)$$, :acme), '22023', 'a task of type "manual" cannot be recalled automatically',
	'Recalling supports tasks of type preview, predicted, preempted, fixed and robot.', 'a manual task');
SELECT is((SELECT auto_recall FROM recall.task_overview WHERE tenant_id = :acme AND task_id = recall.create_task(:acme, 'null', 'fixed', auto_recall => NULL)), NULL, 'null: not automatic');
SELECT is((SELECT string_agg(auto_recall::text, ' ' ORDER BY task_id) FROM recall.task_overview WHERE tenant_id = :acme), 'true false', 'the view shows which task does');
SELECT is((SELECT detail FROM recall.audit WHERE tenant_id = :acme AND action = 'set_auto_recall'), '{"to": true, "from": false}', 'and the audit who set it');

/* What a report makes: the next attempt, with the rule's delay, on its number, in the hours; or nothing */

UPDATE recall.contact SET numbers = numbers || t.number(contact_id + 500) WHERE tenant_id = :acme;
SELECT t.claimed(:acme, :task) AS nine \gset
CREATE FUNCTION t.reports(tenant int, contact bigint, cause recall.failure_cause) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE recall.dial d SET state = 'claimed', token = 1000 + contact, claimed_at = now(), lease_until = now() + interval '1 h' WHERE d.tenant_id = tenant AND d.contact_id = contact;
	PERFORM recall.report(tenant, contact, t.token(tenant, contact), cause, NULL, now() - interval '1 min', now());
END $$;
SELECT t.reports(:acme, c, x::recall.failure_cause) FROM unnest('{busy,no_answer,rejected,NULL,fax}'::text[]) WITH ORDINALITY AS r(x, c);
SELECT is(t.waits(:acme), '1.2 01:00:00 on 501, 2.2 02:00:00 on 002', 'those that a rule recalls have their next permit at once');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND state = 'ready' AND recycle_id IS NULL AND agent IS NULL), 2::bigint, 'of no record');
SELECT t.reports(:acme, 1, 'busy'), t.reports(:acme, 2, 'busy') \gset second_
SELECT is(t.waits(:acme), '1.3 03:00:00 on 001, 2.3 01:00:00 on 502', 'the second match of a rule has its second delay');
SELECT t.reports(:acme, 1, 'busy'), t.reports(:acme, 2, 'busy') \gset third_
SELECT is(t.waits(:acme), '1.4 03:00:00 on 501, 2.4 03:00:00 on 002', 'the last one repeats');
SELECT t.reports(:acme, 1, 'no_answer'), t.reports(:acme, 2, 'no_answer') \gset fourth_
SELECT is(t.waits(:acme), 'none', 'until the limit is reached');
SELECT format('%s:00-%s:00', to_char(now() + interval '3 h', 'HH24'), replace(to_char(now() + interval '5 h', 'HH24'), '00', '24')) AS hours \gset
SELECT recall.set_calling_hours(:acme, :task, :'hours'), t.reports(:acme, 6, 'busy') \gset shut_
SELECT is((SELECT due_at FROM recall.dial WHERE tenant_id = :acme AND contact_id = 6), recall.next_open(:'hours', 'UTC', now() + interval '1 h'), 'when the hours are open');
SELECT recall.set_calling_hours(:acme, :task, '2001 Dec 25 09:00-17:00'), t.reports(:acme, 7, 'busy') \gset never_open_
SELECT recall.set_calling_hours(:acme, :task, NULL), recall.suppress(:acme, t.number(n)) FROM unnest('{8,508,9}'::int[]) n;
SELECT t.reports(:acme, 8, 'busy'), t.reports(:acme, 9, 'no_answer') \gset suppressed_
SELECT is(t.permits(:acme), '6.2 ready, 9.2 ready', 'not where they never open, or every number is suppressed');
SELECT is((SELECT number FROM recall.dial WHERE tenant_id = :acme AND contact_id = 9), t.number(509), 'on another number where one is');

/* What does not renew, and what does */

CREATE FUNCTION t.after_report(change text, cause recall.failure_cause DEFAULT 'busy') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	outcome text;
BEGIN
	SELECT * INTO c FROM t.campaign(1, 'busy after 1 h; unknown after 1 h; limit 5');
	PERFORM recall.set_auto_recall(c.tenant, c.task, true);
	PERFORM FROM recall.claim(c.tenant, c.task);
	EXECUTE replace(change, '$', c.tenant::text);
	outcome := recall.report(c.tenant, 1, t.token(c.tenant, 1), cause, NULL, NULL, now());
	RETURN format('%s, %s, %s', outcome, t.calls(c.tenant), t.waits(c.tenant));
END $$;
SELECT is(t.after_report(x.change), x.expected, x.change) FROM (VALUES
	('SELECT 1', 'recorded, 1.1 busy, 1.2 01:00:00 on 001'),
	('SELECT recall.suspend_task($, 1)', 'recorded, 1.1 busy, 1.2 01:00:00 on 001'),
	('SELECT recall.suspend_batch($, 1)', 'recorded, 1.1 busy, 1.2 01:00:00 on 001'),
	('SELECT recall.set_policy($, 1, ''busy after 2 h; limit 5'')', 'recorded, 1.1 busy, 1.2 02:00:00 on 001'),
	('SELECT recall.set_tenant($, obs_url_mode => ''sip'')', 'recorded, 1.1 busy, none'),
	('SELECT recall.set_policy($, 1, NULL)', 'recorded, 1.1 busy, none'),
	('SELECT recall.set_auto_recall($, 1, false)', 'recorded, 1.1 busy, none'),
	('SELECT recall.finish_batch($, 1)', 'recorded, 1.1 busy, none'),
	('SELECT recall.complete_task($, 1)', 'recorded, 1.1 busy, none')) AS x(change, expected);
SELECT tenant AS more, task AS more_task, batch AS more_batch FROM t.campaign(7, 'busy after 1 h; unknown after 1 h; limit 5') \gset
SELECT recall.set_auto_recall(:more, :more_task, true);
SELECT recall.record_call(:more, 1, 'busy', NULL);
SELECT t.call_all(:more, 2, 2, 'busy');
SELECT is(t.permits(:more), '3.1 ready, 4.1 ready, 5.1 ready, 6.1 ready, 7.1 ready', 'calls from elsewhere do not renew');
SELECT t.claimed(:more, :more_task, 4) AS four \gset
SELECT token AS third FROM recall.dial WHERE tenant_id = :more AND contact_id = 3 \gset
SELECT t.lapse(:more) AS lapsed \gset
SELECT recall.resolve(:more, 3, 'busy', NULL), recall.resolve(:more, 4, NULL, NULL) \gset resolved_
SELECT is(t.permits(:more), '3.2 ready, 5.1 claimed, 6.1 claimed, 7.1 ready', 'a call that is settled does');
SELECT recall.report(:more, 4, k.token, 'busy', NULL, NULL, NULL), recall.report(:more, 3, :third, NULL, NULL, NULL, NULL) FROM recall.call k WHERE k.tenant_id = :more AND k.contact_id = 4;
SELECT is(t.permits(:more), '4.2 ready, 5.1 claimed, 6.1 claimed, 7.1 ready', 'a correction renews, or takes the permit');
SELECT recall.recycle(:more, :more_batch) AS record \gset
SELECT t.tick();
SELECT is((SELECT string_agg(format('%s.%s', contact_id, attempt), ' ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = :more AND recycle_id = :record), '1.2 2.2', 'a recycle takes those that have no permit, the rule for "unknown" the rest');
SELECT is(t.permits(:more), '1.2 ready, 2.2 ready, 4.2 ready, 5.2 ready, 6.2 ready, 7.1 ready', 'nobody has two');

SELECT * FROM finish();
ROLLBACK;
