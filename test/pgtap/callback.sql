-- Call-backs that an agent promised: when, on which number, what keeps them from being made, and what keeps them.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

CREATE FUNCTION t.permit(tenant int, contact bigint) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT format('attempt %s on %s in %s by %s', d.attempt, right(d.number, 3), d.due_at - now(), coalesce(d.agent, 'nobody')) FROM recall.dial d WHERE d.tenant_id = tenant AND d.contact_id = contact $$;

SELECT tenant AS acme, task, batch, record FROM t.recycled(12, 'busy; limit 6; limit 5 per 24 h') \gset
UPDATE recall.contact SET numbers = numbers || ARRAY[t.number(contact_id + 500), t.number(contact_id + 600)] WHERE tenant_id = :acme;
UPDATE recall.dial SET number = t.number(501) WHERE tenant_id = :acme AND contact_id = 1;
SELECT t.claimed(:acme, :task, 2) AS two \gset
SELECT recall.report(:acme, 1, t.token(:acme, 1), NULL, NULL, NULL, NULL);

SELECT is(recall.schedule_callback(:acme, 1, now() + interval '3 h', agent => 'carla'), now() + interval '3 h', 'schedule_callback() returns when it is due');
SELECT is(t.permit(:acme, 1), 'attempt 3 on 501 in 03:00:00 by carla', 'a permit on the number of the latest call');
SELECT results_eq(format('SELECT agent, state::text, recycle_id, priority FROM recall.permit WHERE tenant_id = %s AND contact_id = 1', :acme), $$VALUES ('carla', 'ready', NULL::bigint, 0)$$, 'the view permit shows who promised it');
SELECT is((SELECT detail - 'at' - 'due_at' FROM recall.audit WHERE tenant_id = :acme AND action = 'schedule_callback'), '{"agent": "carla"}', 'and so does the audit');
SELECT is(recall.schedule_callback(:acme, 1, now() + interval '1 h', t.number(601)), now() + interval '1 h', 'asking again');
SELECT is(t.permit(:acme, 1), 'attempt 3 on 601 in 01:00:00 by carla', 'moves it, to another number; whoever promised it stays');
SELECT recall.schedule_callback(:acme, 1, now() + interval '2 h', agent => 'dora', priority => 7);
SELECT is(t.permit(:acme, 1), 'attempt 3 on 601 in 02:00:00 by dora', 'or to another agent; the number stays');
SELECT is((SELECT priority FROM recall.dial WHERE tenant_id = :acme AND contact_id = 1), 7, 'a promise may have a priority of its own');
SELECT is(recall.schedule_callback(:acme, 1, '2001-01-01', agent => 'carla') BETWEEN now() AND clock_timestamp(), true, 'a time that is past means as soon as possible');
SELECT is((SELECT format('%s %s %s', contact_id, attempt, agent) FROM recall.claim(:acme, :task, 99) WHERE contact_id = 1), '1 3 carla', 'a claim tells the dialer who promised it');
SELECT recall.report(:acme, 1, t.token(:acme, 1), 'busy', NULL, NULL, NULL);

SELECT t.put_back(:acme);
SELECT recall.schedule_callback(:acme, 3, now() + interval '1 h');
SELECT is(t.permit(:acme, 3), format('attempt 2 on 003 in 01:00:00 by %s', current_user), 'a re-dial that waits becomes the promised call');
SELECT is(t.record(:acme, :record), '12 emitted, 1 withdrawn, 1 dialled, 1 reached, 10 pending', 'its record counts it as withdrawn');
SELECT recall.withdraw_recycle(:acme, :record) AS withdrawn \gset
SELECT is(t.permits(:acme), '3.2 ready', 'and takes the others back without it');
SELECT is(:withdrawn, 10, 'each once');
UPDATE recall.dial SET due_at = now() - interval '2 h' WHERE tenant_id = :acme AND contact_id = 3;
SELECT is(t.claimed(:acme, :task, 1), '3', 'claimed');
SELECT recall.report(:acme, 3, t.token(:acme, 3), NULL, NULL, NULL, NULL);
SELECT is(t.record(:acme, :record), '12 emitted, 11 withdrawn, 1 dialled, 1 reached, 0 pending', 'and reported, which does not concern the record');
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(13), t.number(513)]) AS fresh \gset
SELECT recall.schedule_callback(:acme, :fresh, now() + interval '1 h', t.number(513), 'dora');
SELECT is(t.permit(:acme, :fresh), 'attempt 1 on 513 in 01:00:00 by dora', 'a first attempt can be promised, too');

/* Hours, limits, the do-not-call list */

SELECT format('%s:00-%s:00', to_char(now() + interval '2 h', 'HH24'), replace(to_char(now() + interval '5 h', 'HH24'), '00', '24')) AS hours \gset
SELECT recall.set_calling_hours(:acme, :task, :'hours');
SELECT is(recall.schedule_callback(:acme, 3, now()), date_trunc('hour', now()) + interval '2 h', 'at night: when the hours open');
UPDATE recall.contact SET time_zone = 'Asia/Kolkata' WHERE tenant_id = :acme AND contact_id = 3;
SELECT is(recall.schedule_callback(:acme, 3, now()), recall.next_open(:'hours', 'Asia/Kolkata', now()), 'where the callee is');
SELECT is(recall.schedule_callback(:acme, 3, now() + interval '10 days'), recall.next_open(:'hours', 'Asia/Kolkata', now() + interval '10 days'), 'on that day');
SELECT recall.set_calling_hours(:acme, :task, NULL);
SELECT recall.record_call(:acme, 4, NULL, NULL, started_at => now() - interval '50 min', ended_at => now()) FROM generate_series(1, 4);
SELECT is(recall.schedule_callback(:acme, 4, now()), now() + interval '23 h', 'five calls in 24 hours: when the limit lets it through');
SELECT is(recall.schedule_callback(:acme, 4, now() + interval '30 h'), now() + interval '30 h', 'a later promise is kept');
SELECT recall.suppress(:acme, t.number(n)) FROM unnest('{5,6,506,606}'::int[]) n;
SELECT recall.schedule_callback(:acme, 5, now() + interval '1 h', t.number(5), 'carla');
SELECT is(t.permit(:acme, 5), 'attempt 2 on 505 in 01:00:00 by carla', 'instead of a suppressed number the next one is taken');
SELECT recall.record_call(:acme, 7, 'busy', NULL) FROM generate_series(1, 5);
SELECT recall.create_business_result(:acme, 'not_interested', 'Leave me alone');
SELECT recall.set_policy(:acme, :task, 'busy; result not_interested never; limit 6; limit 5 per 24 h');
SELECT recall.record_call(:acme, 8, NULL, 'not_interested');
SELECT t.refused(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, x.contact), '55000', format('contact %s may not be called again: %s', x.contact, x.reason), 'recall.explain() tells more.', x.reason) FROM (VALUES
	(6, 'every number that is left is suppressed'), (7, 'the limit is reached: limit 6'), (8, 'a rule says never: result not_interested never')) AS x(contact, reason);
SELECT recall.set_calling_hours(:acme, :task, '2001 Dec 25 09:00-17:00');
SELECT t.refused(format('SELECT recall.schedule_callback(%s, 9, now())', :acme), '55000', format('the calling hours of task %s never open again', :task), 'They are set with recall.set_calling_hours().', 'hours that never open');
SELECT t.refused(format('SELECT recall.schedule_callback(%s, 9, %L)', :acme, '2001-12-25 10:00+00'), '55000', format('the calling hours of task %s never open again', :task), 'They are set with recall.set_calling_hours().', 'also where the past was open');
SELECT recall.set_calling_hours(:acme, :task, NULL);

/* What is refused */

SELECT t.refused(format('SELECT recall.schedule_callback(%s, 9, %s)', :acme, x.rest), '22023', x.message, x.hint, x.what) FROM (VALUES
	('NULL', 'a call-back needs a time', 'Give the instant that was promised; a time that is past means as soon as possible.', 'no time'),
	($$'infinity'$$, 'a call-back needs a time', 'Give the instant that was promised; a time that is past means as soon as possible.', 'the end of time'),
	($$'-infinity'$$, 'a call-back needs a time', 'Give the instant that was promised; a time that is past means as soon as possible.', 'the beginning of time'),
	($$now(), t.number(10)$$, format('number "%s" is not one of contact 9', recall._mask_number(t.number(10))), 'A call is made to one of the numbers of its contact.', 'another contact''s number'),
	($$now(), ''$$, 'number "" is not one of contact 9', 'A call is made to one of the numbers of its contact.', 'an empty number'),
	($$now(), NULL, repeat('x', 201)$$, 'the name of an agent is too long', 'It has up to 200 characters.', 'an agent with a long name')) AS x(rest, message, hint, what);
-- What is equal is not for the caller to say, whose text may come with a collation of its own.
CREATE COLLATION t.loose (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
CREATE FUNCTION t.spaced(n int) RETURNS text LANGUAGE sql RETURN regexp_replace(t.number(n), '^(...)(..)(...)', '\1 \2 \3-');
SELECT is(t.spaced(9) = t.number(9) COLLATE t.loose, true, 'a collation in which a number has many spellings');
SELECT t.refused(format('SELECT recall.schedule_callback(%s, 9, now(), %L COLLATE t.loose)', :acme, t.spaced(9)), '22023', format('number "%s" is not one of contact 9', recall._mask_number(t.spaced(9))),
	'A call is made to one of the numbers of its contact.', 'another spelling of a number');
SELECT t.refused(format('SELECT recall.create_business_result(%s, ''no way'' COLLATE t.loose, ''No'')', :acme), '22023', 'invalid code of a business result: ''no way''', 'A code has 1 to 50 letters, digits, "_" and "-".',
	'nor is a code');
SELECT is(t.outcome(format('SELECT recall.create_business_result(%s, ''no-way'' COLLATE t.loose, ''No'' COLLATE t.loose)', :acme)), '', 'which may come with such a collation');
SELECT t.denied(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, coalesce(c, 'NULL')), format('contact %s of tenant %s', coalesce(c, 'null'), :acme), 'contact ' || coalesce(c, 'null')) FROM unnest('{99,-1,NULL}'::text[]) c;
SELECT t.denied('SELECT recall.schedule_callback(NULL, NULL, NULL)', 'tenant null, right "dial"', 'nulls everywhere');
SELECT recall.schedule_callback(:acme, 10, now());
SELECT t.claimed(:acme, :task, 1) AS out_now \gset
SELECT t.refused(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, :out_now), '55000', format('contact %s is out with a dialer', :out_now), 'Its call must be reported, or its unknown outcome settled, first.', 'a contact that is out');
SELECT t.lapse(:acme);
SELECT t.refused(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, :out_now), '55000', format('contact %s is out with a dialer', :out_now), 'Its call must be reported, or its unknown outcome settled, first.', 'a call of unknown outcome');
SELECT recall.create_batch(:acme, :task, 'second') AS second \gset
SELECT recall.add_contact(:acme, :second, ARRAY[t.number(99)]) AS early \gset
SELECT t.refused(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, :early), '55000', format('batch %s is in state "created"', :second), 'Start the batch with recall.start_batch().', 'a batch that was not started');
SELECT recall.start_batch(:acme, :second), recall.suspend_batch(:acme, :second) \gset suspended_
SELECT is(recall.schedule_callback(:acme, :early, now() + interval '1 h'), now() + interval '1 h', 'of a suspended batch it waits');
SELECT recall.start_batch(:acme, :second), recall.finish_batch(:acme, :second) \gset finished_
SELECT t.refused(format('SELECT recall.schedule_callback(%s, %s, now())', :acme, :early), '55000', format('batch %s is in state "finished"', :second), 'A finished batch is final.', 'a finished batch');

/* A promise needs no rule, and outlives a correction that leaves it allowed */

SELECT tenant AS kept, task AS kept_task FROM t.campaign(3) \gset
SELECT recall.create_business_result(:kept, 'no', 'No');
SELECT recall.set_policy(:kept, :kept_task, 'busy after 1 day max 1; result no never; unknown after 10 min max 3; limit 9');
SELECT t.claimed(:kept, :kept_task) AS kept_claimed \gset
CREATE TEMPORARY TABLE late AS SELECT contact_id, token FROM recall.dial WHERE tenant_id = :kept;
SELECT t.lapse(:kept);
SELECT recall.resolve(:kept, n, 'unknown', NULL), recall.record_call(:kept, n, 'busy', NULL, started_at => now() - interval '3 h', ended_at => now() - interval '3 h') FROM generate_series(1, 3) n;
SELECT recall.schedule_callback(:kept, n, now() + interval '1 h', agent => 'carla') FROM generate_series(1, 3) n;
SELECT recall.report(:kept, contact_id, token, CASE contact_id WHEN 2 THEN 'busy' END::recall.failure_cause, CASE contact_id WHEN 3 THEN 'no' END, NULL, NULL) FROM late;
SELECT is(t.permit(:kept, 1), 'attempt 3 on 001 in 01:00:00 by carla', 'after a correction to answered');
SELECT is(t.permit(:kept, 2), 'attempt 3 on 002 in 01:00:00 by carla', 'to busy, whose rule is used up');
SELECT is(t.permit(:kept, 3), NULL, 'but not to a result that says never');
SELECT is(t.taken_out(:kept), '3 a rule says never: result no never', 'with that reason');
SELECT tenant AS plain, task AS plain_task FROM t.campaign(1, NULL) \gset
SELECT t.claimed(:plain, :plain_task) AS plain_claimed \gset
SELECT t.token(:plain, 1) AS plain_token, t.lapse(:plain) AS lapsed \gset
SELECT recall.resolve(:plain, 1, 'unknown', NULL);
SELECT recall.schedule_callback(:plain, 1, now() + interval '1 h', agent => 'carla');
SELECT is(recall.report(:plain, 1, :plain_token, 'busy', NULL, NULL, NULL), 'recorded', 'also where the task has no policy');
SELECT is(t.permit(:plain, 1), 'attempt 2 on 001 in 01:00:00 by carla', 'the promise stays');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
