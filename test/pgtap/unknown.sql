-- A policy's rule for the cause "unknown": what the processor books and renews, and what a report that still comes corrects then.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

CREATE FUNCTION t.waits(tenant int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce(string_agg(format('%s.%s %s on %s', d.contact_id, d.attempt, d.due_at - now(), right(d.number, 3)), ', ' ORDER BY d.contact_id), 'none')
	FROM recall.dial d WHERE d.tenant_id = tenant AND d.state = 'ready' $$;

/* With which rule, and when it is booked. The call is from two hours ago until one hour ago. */

CREATE FUNCTION t.after_lapse(policy recall.policy, shut text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	SELECT * INTO c FROM t.campaign(1, policy);
	PERFORM FROM recall.claim(c.tenant, c.task);
	PERFORM t.lapse(c.tenant);
	IF shut IS NOT NULL THEN
		EXECUTE replace(shut, '$', c.tenant::text);
	END IF;
	PERFORM t.tick();
	RETURN format('%s; %s; %s', t.calls(c.tenant), t.permits(c.tenant), t.waits(c.tenant));
END $$;
SELECT is(t.after_lapse(x.policy::recall.policy), x.expected, coalesce(x.policy, 'no policy')) FROM (VALUES
	('failed', 'none; 1.1 unknown; none'),
	(NULL, 'none; 1.1 unknown; none'),
	('failed; unknown never', 'none; 1.1 unknown; none'),
	('unknown after 10 min max 1', '1.1 unknown*; 1.2 ready; 1.2 -00:50:00 on 001'),
	('class unknown after 3 h', '1.1 unknown*; 1.2 ready; 1.2 02:00:00 on 001'),
	('failed; unknown after 10 min; limit 1', '1.1 unknown*; none; none'),
	('unknown after 10 min; limit 1 per 24 h', '1.1 unknown*; 1.2 ready; 1.2 22:00:00 on 001'),
	('unknown after 10 min; quiet 2 days after unknown', '1.1 unknown*; 1.2 ready; 1.2 1 day 23:00:00 on 001')) AS x(policy, expected);
SELECT is(t.after_lapse('unknown after 10 min', x.shut), x.expected, x.shut) FROM (VALUES
	($$SELECT recall.set_tenant($, obs_url_mode => 'sip')$$, 'none; 1.1 unknown; none'),
	('UPDATE recall.task SET task_type = ''manual'' WHERE tenant_id = $', 'none; 1.1 unknown; none'),
	('SELECT recall.set_policy($, 1, NULL)', 'none; 1.1 unknown; none'),
	('SELECT recall.finish_batch($, 1)', 'none; 1.1 unknown; none'),
	('SELECT recall.complete_task($, 1)', 'none; 1.1 unknown; none'),
	('SELECT recall.suspend_task($, 1)', '1.1 unknown*; 1.2 ready; 1.2 -00:50:00 on 001'),
	('SELECT recall.suspend_batch($, 1)', '1.1 unknown*; 1.2 ready; 1.2 -00:50:00 on 001'),
	($$SELECT recall.set_calling_hours($, 1, '2001 Dec 25 09:00-17:00')$$, '1.1 unknown*; none; none'),
	($$SELECT recall.suppress($, t.number(1))$$, '1.1 unknown*; none; none')) AS x(shut, expected);

/* Of a recycle record, up to the rule's maximum */

SELECT tenant AS acme, task, batch, record FROM t.recycled(4, 'busy') \gset
SELECT recall.set_policy(:acme, :task, 'busy; unknown after 10 min max 1');
UPDATE recall.contact SET numbers = numbers || t.number(contact_id + 500) WHERE tenant_id = :acme;
SELECT t.claimed(:acme, :task) AS four \gset
SELECT t.lapse(:acme) AS lapsed, t.tick() AS ticked \gset
SELECT is(t.calls(:acme), '1.1 busy, 1.2 unknown*, 2.1 busy, 2.2 unknown*, 3.1 busy, 3.2 unknown*, 4.1 busy, 4.2 unknown*', 'all are booked');
SELECT is(t.permits(:acme), '1.3 ready, 2.3 ready, 3.3 ready, 4.3 ready', 'and renewed');
SELECT is(t.record(:acme, :record), '4 emitted, 0 withdrawn, 4 dialled, 0 reached, 0 pending', 'the record counts them as dialled');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND recycle_id IS NULL), 4::bigint, 'the new permits are none of its');
SELECT is((SELECT assumed FROM recall.tick ORDER BY tick_id DESC LIMIT 1), 4::bigint, 'the run notes how many it booked');
CREATE TEMPORARY TABLE old AS SELECT contact_id, token FROM recall.call WHERE tenant_id = :acme AND attempt = 2;
SELECT recall.report(:acme, 3, token, NULL, NULL, NULL, NULL) FROM old WHERE contact_id = 3;
SELECT is(t.claimed(:acme, :task, 2), '1 2', 'two of them are rung again');
SELECT t.lapse(:acme), t.tick() \gset lapsed_again_
SELECT is(t.permits(:acme), '4.3 ready', 'where they are unknown once more, the maximum is reached');
SELECT is(t.calls(:acme), '1.1 busy, 1.2 unknown*, 1.3 unknown*, 2.1 busy, 2.2 unknown*, 2.3 unknown*, 3.1 busy, 3.2 answered, 4.1 busy, 4.2 unknown*', 'though it is booked');

/* A late report of the old token corrects the call, and brings the permit that was made since in line */

SELECT is(t.taken_out(:acme), '3 no rule recalls this outcome', 'answered, so that no rule recalls it: the permit went');
SELECT is(t.record(:acme, :record), '4 emitted, 0 withdrawn, 4 dialled, 1 reached, 0 pending', 'the record knows that it was reached');
SELECT is(recall.report(:acme, 1, o.token, NULL, NULL, NULL, NULL), 'recorded', 'the call before the latest is corrected, too') FROM old o WHERE contact_id = 1;
SELECT is((SELECT string_agg(recall._outcome(failure_cause, NULL) || CASE WHEN assumed THEN '*' ELSE '' END, ', ' ORDER BY attempt) FROM recall.call WHERE tenant_id = :acme AND contact_id = 1), 'busy, answered, unknown*', 'and no other');
SELECT is(recall.report(:acme, 1, o.token, 'busy', NULL, NULL, NULL), 'duplicate', 'once') FROM old o WHERE contact_id = 1;
SELECT is(recall.report(:acme, 4, o.token, 'busy', NULL, now() - interval '2 h', now() - interval '90 min'), 'recorded', 'busy, which is recalled') FROM old o WHERE contact_id = 4;
SELECT is(t.permits(:acme), '4.3 ready', 'leaves the permit');

CREATE FUNCTION t.after_correction(policy recall.policy, cause recall.failure_cause, result text DEFAULT NULL, is_out boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	old bigint;
BEGIN
	SELECT * INTO c FROM t.campaign(1);
	PERFORM recall.create_business_result(c.tenant, 'no', 'No');
	PERFORM recall.set_policy(c.tenant, c.task, policy);
	UPDATE recall.contact k SET numbers = numbers || t.number(501) WHERE k.tenant_id = c.tenant;
	old := (SELECT token FROM recall.claim(c.tenant, c.task));
	PERFORM t.lapse(c.tenant), t.tick();
	IF is_out THEN
		PERFORM FROM recall.claim(c.tenant, c.task);
	END IF;
	IF recall.report(c.tenant, 1, old, cause, result, now() - interval '2 h', now() - interval '90 min') <> 'recorded' THEN
		RAISE 'not recorded';
	END IF;
	IF is_out AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = c.tenant AND d.state = 'claimed') THEN
		RAISE 'a permit that is out is gone';
	ELSIF is_out THEN
		PERFORM recall.release(c.tenant, 1, t.token(c.tenant, 1));
	END IF;
	RETURN format('%s; %s', t.waits(c.tenant), t.taken_out(c.tenant));
END $$;
SELECT is(t.after_correction(x.policy::recall.policy, x.cause::recall.failure_cause, x.result), x.expected, format('%s: %s', x.policy, coalesce(x.cause, x.result, 'answered'))) FROM (VALUES
	('failed after 10 min; unknown after 10 min', 'busy', NULL, '1.2 -00:50:00 on 001; none'),
	('failed after 5 h; unknown after 10 min', 'busy', NULL, '1.2 03:30:00 on 001; none'),
	('failed after 10 min; unknown after 10 min', 'unallocated', NULL, '1.2 -00:50:00 on 501; none'),
	('failed after 10 min; unknown after 10 min', NULL, NULL, 'none; 1 no rule recalls this outcome'),
	('rejected never; unknown after 10 min', 'rejected', NULL, 'none; 1 a rule says never: rejected never'),
	('result no never; unknown after 10 min', NULL, 'no', 'none; 1 a rule says never: result no never'),
	('busy after 10 min; unknown after 10 min; quiet 1 day after busy', 'busy', NULL, '1.2 22:30:00 on 001; none')) AS x(policy, cause, result, expected);
SELECT is(t.after_correction(x.policy::recall.policy, x.cause::recall.failure_cause, x.result, true), x.expected, format('out and released; %s: %s', x.policy, coalesce(x.cause, x.result, 'answered'))) FROM (VALUES
	('failed after 10 min; unknown after 10 min', 'busy', NULL, '1.2 -00:50:00 on 001; none'),
	('failed after 10 min; unknown after 10 min', 'unallocated', NULL, '1.2 -00:50:00 on 501; none'),
	('failed after 5 h; unknown after 10 min', 'busy', NULL, '1.2 03:30:00 on 001; none'),
	('failed after 10 min; unknown after 10 min', NULL, NULL, 'none; 1 no rule recalls this outcome'),
	('result no never; unknown after 10 min', NULL, 'no', 'none; 1 a rule says never: result no never')) AS x(policy, cause, result, expected);

-- What is out when the call before it is corrected is reported as usual.
SELECT tenant AS rung, task AS rung_task FROM t.campaign(1, 'rejected never; unknown after 10 min') \gset
SELECT token AS rung_old FROM recall.claim(:rung, :rung_task) \gset
SELECT t.lapse(:rung) AS lapsed, t.tick() AS ticked \gset
SELECT token AS rung_new FROM recall.claim(:rung, :rung_task) \gset
SELECT recall.report(:rung, 1, :rung_old, 'rejected', NULL, NULL, NULL);
SELECT is(recall.report(:rung, 1, :rung_new, 'busy', NULL, NULL, NULL), 'recorded', 'what rings meanwhile is reported');
SELECT is(t.calls(:rung) || '; ' || t.permits(:rung), '1.1 rejected, 1.2 busy; none', 'and nothing more comes of it');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
