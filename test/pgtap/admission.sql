-- What a claim asks again before it hands a permit out: hours, the do-not-call list, limits and quiets, and whether the number is out.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

CREATE FUNCTION t.waits(tenant int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce(string_agg(format('%s %s', d.contact_id, d.due_at - now()), ', ' ORDER BY d.contact_id), 'none') FROM recall.dial d WHERE d.tenant_id = tenant AND d.state = 'ready' $$;

/* Calling hours: from two hours from now on for three hours, by the clock in Greenwich, in the zone of the callee */

SELECT format('%s:00-%s:00', to_char(now() + interval '2 h', 'HH24'), replace(to_char(now() + interval '5 h', 'HH24'), '00', '24')) AS hours \gset
SELECT tenant AS night, task AS night_task FROM t.campaign(5) \gset
UPDATE recall.contact c SET time_zone = v.zone FROM (VALUES (1, NULL), (2, 'Asia/Kolkata'), (3, 'Etc/GMT-3'), (4, 'America/New_York'), (5, 'Etc/GMT-3')) AS v(contact_id, zone)
WHERE c.tenant_id = :night AND c.contact_id = v.contact_id;
SELECT recall.set_calling_hours(:night, :night_task, :'hours');
SELECT is(t.claimed(:night, :night_task), '3 5', 'one may call where it is three hours later');
SELECT is((SELECT count(*) FROM recall.dial d JOIN recall.contact c USING (tenant_id, contact_id) WHERE d.tenant_id = :night AND d.state = 'ready'
	AND d.due_at = recall.next_open(:'hours', coalesce(c.time_zone, 'UTC'), now()) AND d.due_at > now()), 3::bigint, 'the others are put off until the hours open where they are');
SELECT is((SELECT due_at FROM recall.dial WHERE tenant_id = :night AND contact_id = 1), date_trunc('hour', now()) + interval '2 h', 'in Greenwich in two hours');
SELECT is((SELECT count(DISTINCT due_at) FROM recall.dial WHERE tenant_id = :night AND state = 'ready'), 3::bigint, 'and each at a time of its own');
SELECT recall.set_calling_hours(:night, :night_task, NULL);
SELECT is(t.claimed(:night, :night_task), 'none', 'so they stay, until then, when the hours are lifted');
SELECT t.put_back(:night);
SELECT recall.set_calling_hours(:night, :night_task, 'Mo-Su 00:00-24:00; PH off'), recall.set_holidays(:night, ARRAY(SELECT (now() + n * interval '1 day')::date FROM generate_series(-1, 1) n)) \gset holiday_
SELECT is(t.claimed(:night, :night_task), 'none', 'nobody is called on a public holiday');
SELECT recall.set_holidays(:night, NULL), t.put_back(:night) \gset workday_
SELECT is(t.claimed(:night, :night_task), '1 2 3 4 5', 'but on other days');

SELECT tenant AS shut, task AS shut_task, batch AS shut_batch, record AS shut_record FROM t.recycled(2, 'busy') \gset
SELECT recall.add_contact(:shut, :shut_batch, ARRAY[t.number(3)]);
SELECT recall.set_calling_hours(:shut, :shut_task, '2001 Dec 25 09:00-17:00');
SELECT is(t.claimed(:shut, :shut_task), 'none', 'hours that never open again');
SELECT is(t.permits(:shut), 'none', 'take the permits out');
SELECT is(t.taken_out(:shut), '1 the calling hours never open, 2 the calling hours never open, 3 the calling hours never open', 'with that reason');
SELECT results_eq(format('SELECT record_id, (detail->>%L)::bigint, role FROM recall.audit WHERE tenant_id = %s AND action = %L ORDER BY 1', 'recycle_id', :shut, 'take_out'),
	format($$VALUES ('1', %1$s::bigint, current_user), ('2', %1$s, current_user), ('3', NULL, current_user)$$, :shut_record), 'the record and the role');
SELECT is(t.record(:shut, :shut_record), '2 emitted, 2 withdrawn, 0 dialled, 0 reached, 0 pending', 'and are counted in their record');

/* The do-not-call list */

SELECT tenant AS acme, task, batch FROM t.campaign(9) \gset
SELECT recall.create_task(:acme, 'Other', 'fixed') AS other \gset
UPDATE recall.contact SET numbers = numbers || t.number(contact_id + 500) WHERE tenant_id = :acme AND contact_id IN (2, 6);
UPDATE recall.contact SET numbers = ARRAY(SELECT t.number(700 + n) FROM generate_series(1, 10) n) WHERE tenant_id = :acme AND contact_id = 8;
UPDATE recall.dial SET number = t.number(709) WHERE tenant_id = :acme AND contact_id = 8;
SELECT recall.suppress(:acme, t.number(n)) FROM unnest('{1,2,502,5,6,506,709,710,701}'::int[]) n;
SELECT recall.suppress(:acme, t.number(3), task_id => :task), recall.suppress(:acme, t.number(4), task_id => :other) \gset suppressed_
SELECT recall.suppress(:acme, t.number(9), now() + interval '1 day');
UPDATE recall.suppression SET until = now() - interval '1 s' WHERE tenant_id = :acme AND number IN (t.number(5), t.number(502));
SELECT is(t.claimed_numbers(:acme, :task), '2:502 4:004 5:005 7:007 8:702',
	'another number is taken, from the permit''s on and around; what another task does not call, and what was suppressed, does not matter');
SELECT is(t.waits(:acme), '9 1 day', 'what may be called later is put off until then');
SELECT is(t.permits(:acme), '2.1 claimed, 4.1 claimed, 5.1 claimed, 7.1 claimed, 8.1 claimed, 9.1 ready', 'where none is left, the permit is taken out');
SELECT is(t.taken_out(:acme), '1 every number that is left is suppressed, 3 every number that is left is suppressed, 6 every number that is left is suppressed', 'with that reason');
SELECT is((SELECT number FROM recall.permit WHERE tenant_id = :acme AND contact_id = 2), t.number(502), 'the permit shows the number that was handed out');
SELECT recall.report(:acme, 2, t.token(:acme, 2), 'busy', NULL, NULL, NULL);
SELECT is((SELECT number FROM recall.call WHERE tenant_id = :acme AND contact_id = 2), t.number(502), 'and so does its call');

/* The policy was changed after the recycle: the stricter of both holds */

CREATE FUNCTION t.with_change(at_press recall.policy, at_claim recall.policy) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	claimed text;
BEGIN
	SELECT * INTO r FROM t.recycled(1, at_press);
	PERFORM recall.set_policy(r.tenant, r.task, at_claim);
	claimed := t.claimed(r.tenant, r.task);
	RETURN CASE WHEN claimed <> 'none' THEN 'claimed' WHEN t.permits(r.tenant) = 'none'
		THEN t.taken_out(r.tenant) || '; ' || t.record(r.tenant, r.record) ELSE t.waits(r.tenant) END;
END $$;
SELECT is(t.with_change(x.at_press::recall.policy, x.at_claim::recall.policy), x.expected, format('%s, then %s', x.at_press, coalesce(x.at_claim, 'none'))) FROM (VALUES
	('busy', 'busy', 'claimed'),
	('busy', NULL, 'claimed'),
	('busy', 'no_answer', 'claimed'),
	('busy', 'busy; limit 2', 'claimed'),
	('busy', 'busy; limit 1', '1 the limit is reached: limit 1; 1 emitted, 1 withdrawn, 0 dialled, 0 reached, 0 pending'),
	('busy', 'failed; limit 1 per number', '1 no number is left that may be called; 1 emitted, 1 withdrawn, 0 dialled, 0 reached, 0 pending'),
	('busy', 'busy never', '1 a rule says never: busy never; 1 emitted, 1 withdrawn, 0 dialled, 0 reached, 0 pending'),
	('busy', 'busy; limit 1 per 24 h', '1 23:00:00'),
	('busy', 'busy; limit 2 per 24 h', 'claimed'),
	('busy', 'busy; quiet 7 days after class busy', '1 6 days 23:00:00'),
	('busy', 'busy; quiet 7 days after answered', 'claimed'),
	('busy; limit 1 per 24 h', 'busy', '1 23:00:00'),
	('busy; limit 1 per 24 h', NULL, '1 23:00:00'),
	('busy; limit 1 per 24 h', 'busy; limit 1 per 12 h', '1 23:00:00'),
	('busy; limit 1 per 24 h', 'busy; limit 1 per 48 h', '1 1 day 23:00:00'),
	('busy; limit 1 per 2 h per number', 'busy; quiet 3 h after busy', '1 02:00:00'),
	('busy; limit 1 per 24 h', 'busy; limit 1', '1 the limit is reached: limit 1; 1 emitted, 1 withdrawn, 0 dialled, 0 reached, 0 pending')) AS x(at_press, at_claim, expected);

-- So it is for re-dials of an automatic task, and for what was promised, which have no record.
CREATE FUNCTION t.with_later(at_claim recall.policy, is_promised boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	claimed text;
BEGIN
	SELECT * INTO c FROM t.campaign(1, 'busy after 1 min; limit 5');
	PERFORM recall.set_auto_recall(c.tenant, c.task, NOT is_promised);
	PERFORM FROM recall.claim(c.tenant, c.task);
	PERFORM recall.report(c.tenant, 1, t.token(c.tenant, 1), 'busy', NULL, now() - interval '1 h', now() - interval '1 h');
	IF is_promised THEN
		PERFORM recall.schedule_callback(c.tenant, 1, now());
		PERFORM t.put_back(c.tenant);
	END IF;
	PERFORM recall.set_policy(c.tenant, c.task, at_claim);
	claimed := t.claimed(c.tenant, c.task);
	RETURN CASE WHEN claimed <> 'none' THEN 'claimed' WHEN t.permits(c.tenant) = 'none' THEN t.taken_out(c.tenant) ELSE t.waits(c.tenant) END;
END $$;
SELECT is(t.with_later(x.at_claim::recall.policy, is_promised), x.expected, format('%s, then %s', CASE WHEN is_promised THEN 'promised' ELSE 'automatic' END, x.at_claim)) FROM (VALUES
	('busy after 5 h; limit 2', 'claimed'),
	('busy after 5 h; limit 1', '1 the limit is reached: limit 1'),
	('busy never; limit 9', '1 a rule says never: busy never'),
	('busy after 5 h; limit 1 per 24 h', '1 23:00:00'),
	('busy after 5 h; limit 9; quiet 3 h after busy', '1 02:00:00')) AS x(at_claim, expected), unnest('{true,false}'::boolean[]) is_promised;

-- Put off by a limit until a moment in the night: until the next opening.
SELECT tenant AS late, task AS late_task FROM t.recycled(1, 'busy') \gset
SELECT recall.set_policy(:late, :late_task, 'busy; limit 1 per 2 h'), recall.set_calling_hours(:late, :late_task, :'hours') \gset changed_
SELECT t.claimed(:late, :late_task) \gset late_
SELECT is((SELECT due_at FROM recall.dial WHERE tenant_id = :late), date_trunc('hour', now()) + interval '2 h', 'the hours open after the limit has passed');

/* Limits per number: the calls of other contacts count, also those of another batch and task */

SELECT tenant AS shared, task AS shared_task, batch AS shared_batch FROM t.campaign(2, 'busy; limit 1 per 24 h per number') \gset
SELECT recall.create_task(:shared, 'Other', 'fixed') AS other_task \gset
SELECT recall.create_batch(:shared, :other_task, 'Other') AS other_batch \gset
SELECT recall.start_task(:shared, :other_task), recall.start_batch(:shared, :other_batch) \gset started_
SELECT recall.add_contact(:shared, :other_batch, ARRAY[t.number(77), t.number(1)]) AS namesake \gset
SELECT recall.record_call(:shared, :namesake, 'busy', NULL, t.number(1), now() - interval '1 h', now() - interval '1 h');
SELECT is(t.claimed(:shared, :shared_task), '2', 'a first attempt whose number another contact was called on');
SELECT is(t.waits(:shared), '1 23:00:00', 'is put off until the limit has passed');
SELECT t.put_back(:shared);
UPDATE recall.contact SET numbers = numbers || t.number(501) WHERE tenant_id = :shared AND contact_id = 1;
SELECT recall.set_policy(:shared, :shared_task, 'busy; limit 1 per number');
SELECT is(t.claimed_numbers(:shared, :shared_task), '1:501 2:002', 'where the number is used up, another one is taken');
SELECT t.put_back(:shared);
UPDATE recall.contact SET numbers = ARRAY[t.number(1)] WHERE tenant_id = :shared AND contact_id = 1;
SELECT recall.set_policy(:shared, :shared_task, 'busy; limit 1 per number; quiet 1 day after answered per number');
SELECT is(t.claimed_numbers(:shared, :shared_task), '2:002', 'where there is no other');
SELECT is(t.taken_out(:shared), '1 no number is left that may be called', 'the permit is taken out');

/* One number is out once */

SELECT tenant AS twice, task AS twice_task, batch AS twice_batch FROM t.campaign(3) \gset
UPDATE recall.contact SET numbers = ARRAY[t.number(1)] WHERE tenant_id = :twice AND contact_id IN (1, 2);
UPDATE recall.dial SET number = t.number(1) WHERE tenant_id = :twice AND contact_id IN (1, 2);
SELECT recall.create_batch(:twice, :twice_task, 'second') AS second \gset
SELECT recall.start_batch(:twice, :second), recall.add_contact(:twice, :second, ARRAY[t.number(3)]) AS in_second \gset
SELECT recall.create_task(:twice, 'Other', 'fixed') AS twice_other \gset
SELECT recall.create_batch(:twice, :twice_other, 'third') AS third \gset
SELECT recall.start_task(:twice, :twice_other), recall.start_batch(:twice, :third), recall.add_contact(:twice, :third, ARRAY[t.number(3)]) AS in_third \gset
SELECT is(t.claimed(:twice, :twice_task), '1 3', 'of two contacts with one number, in one batch or in two, the first is taken');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :twice AND contact_id IN (2, 4) AND state = 'ready'
	AND due_at BETWEEN now() + interval '5 s' AND clock_timestamp() + interval '5 s'), 2::bigint, 'the others are put off by five seconds');
SELECT is(t.claimed(:twice, :twice_other), 'none', 'another task does not get the number either');
SELECT is((SELECT count(*) FROM t.campaign(3) c, LATERAL recall.claim(c.tenant, c.task, 9)), 3::bigint, 'but another tenant does');
SELECT recall.report(:twice, 3, t.token(:twice, 3), 'busy', NULL, NULL, NULL);
UPDATE recall.dial SET due_at = now() WHERE tenant_id = :twice AND state = 'ready';
SELECT is(t.claimed(:twice, :twice_other), '5', 'when it is reported, the next one gets it');
SELECT t.lapse(:twice);
UPDATE recall.dial SET due_at = now() WHERE tenant_id = :twice AND state = 'ready';
SELECT is(t.claimed(:twice, :twice_task), 'none', 'a call of unknown outcome may still be on the line');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :twice AND state = 'ready' AND due_at BETWEEN now() + interval '5 min' AND clock_timestamp() + interval '5 min'), 2::bigint, 'others to its number are put off by five minutes');

/* A thousand that cannot be called now do not hide those behind them */

SELECT tenant AS crowd, task AS crowd_task, batch AS crowd_batch FROM t.campaign(1002) \gset
UPDATE recall.dial SET number = t.number(1) WHERE tenant_id = :crowd AND contact_id <= 500;
UPDATE recall.contact SET time_zone = CASE WHEN contact_id BETWEEN 501 AND 1001 THEN 'UTC' ELSE 'Etc/GMT-3' END WHERE tenant_id = :crowd;
SELECT recall.set_calling_hours(:crowd, :crowd_task, :'hours');
SELECT is(t.claimed(:crowd, :crowd_task, 2), '1 1002', 'a claim of two finds the first and the last');
SELECT results_eq(format('SELECT count(*), count(*) FILTER (WHERE due_at > now()) FROM recall.dial WHERE tenant_id = %s AND state = %L', :crowd, 'ready'), 'VALUES (1000::bigint, 1000::bigint)', 'and puts off what is between them');

SELECT * FROM finish();
ROLLBACK;
