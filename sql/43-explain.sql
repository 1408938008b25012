/* Why is this contact not called, and when will it be? Every check, in its order, with the figures behind it. */

CREATE FUNCTION recall._local_time(instant timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN pg_catalog.isfinite(instant)
		THEN pg_catalog.to_char(instant AT TIME ZONE time_zone, 'YYYY-MM-DD HH24:MI:SS ') || time_zone
		ELSE instant::text END;
END;
COMMENT ON FUNCTION recall._local_time(timestamptz, text) IS 'An instant by the callee''s clock, for people.';

CREATE FUNCTION recall._explain_finding(
	finding recall._finding, item_text text, latest recall.call, at timestamptz, time_zone text,
	OUT check_name text, OUT passed boolean, OUT detail text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT (finding).check_name,
		(finding).passed AND coalesce((finding).instant <= at, true),
		CASE (finding).check_name
			WHEN 'called' THEN CASE (finding).used
				WHEN 0 THEN 'not called yet'
				ELSE format('calls: %s; the latest, attempt %s on %s, ended as %s at %s', (finding).used, (latest).attempt,
					(latest).number, recall._outcome((latest).failure_cause, (latest).business_result), u.latest_end) END
			WHEN 'never' THEN CASE
				WHEN (finding).passed THEN 'no rule says never to the contact'
				ELSE format('a rule says never to attempt %s: %s', (finding).used, item_text) END
			WHEN 'platform' THEN format('latest calls in a row that failed on the side of an agent or the platform: %s; %s stop the contact',
				(finding).used, (finding).allowed)
			WHEN 'rule' THEN CASE
				WHEN (finding).passed THEN format('rule %s recalls the latest call: %s', (finding).item, item_text)
				WHEN (finding).item IS NULL THEN 'no rule recalls the latest call'
				ELSE format('rule %s says never to the latest call: %s', (finding).item, item_text) END
			WHEN 'limit' THEN format('calls used: %s of %s: %s', (finding).used, (finding).allowed, item_text)
			WHEN 'max' THEN format('calls that the rule matched: %s, at most %s: %s', (finding).used, (finding).allowed, item_text)
			WHEN 'invalid number' THEN format(CASE
				WHEN (finding).passed THEN '%s: no call failed for good' ELSE '%s: a call failed for good' END, (finding).number)
			WHEN 'number limit' THEN format('%s: calls used: %s of %s: %s', (finding).number, (finding).used, (finding).allowed, item_text)
			WHEN 'suppression' THEN CASE
				WHEN (finding).passed THEN format('%s: not suppressed', (finding).number)
				ELSE item_text END
			WHEN 'number' THEN coalesce((finding).number || ' is the number to call', 'no number is left')
			WHEN 'delay' THEN format('match %s of the rule is due from %s on: %s', (finding).used, u.instant, item_text)
			ELSE CASE
				WHEN (finding).instant IS NULL THEN format('holds nothing up: %s', item_text)
				ELSE format('a call is allowed from %s on: %s', u.instant, item_text) END
		END
	FROM (SELECT recall._local_time((finding).instant, time_zone) AS instant,
		recall._local_time((latest).ended_at, time_zone) AS latest_end) u;
END;
COMMENT ON FUNCTION recall._explain_finding(recall._finding, text, recall.call, timestamptz, text) IS
'A finding of the judge in words; item_text is the rule, limit, quiet or suppression that it is about. It has passed when nothing, or nothing any more at the instant, keeps the contact from being called.';

CREATE FUNCTION recall._explain_suppression(tenant_id int, task_id bigint, number text, at timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT _explain_suppression.number || ': ' || pg_catalog.string_agg(pg_catalog.concat(
			CASE WHEN s.task_id IS NULL THEN 'suppressed' ELSE 'suppressed by the task' END,
			CASE WHEN pg_catalog.isfinite(s.until) THEN ' until ' || recall._local_time(s.until, _explain_suppression.time_zone)
				ELSE ' for good' END,
			', ' || s.reason), '; ' ORDER BY s.task_id NULLS FIRST)
	FROM recall.suppression s
	WHERE s.tenant_id = _explain_suppression.tenant_id AND s.number = _explain_suppression.number
	AND (s.task_id IS NULL OR s.task_id = _explain_suppression.task_id) AND (s.until > at OR s.until = 'infinity');
END;
COMMENT ON FUNCTION recall._explain_suppression(int, bigint, text, timestamptz, text) IS
'Until when and why a task does not call a number, in words; null when it may.';

CREATE FUNCTION recall._explain_judgement(
	contact recall.contact, policy recall.policy, task_id bigint, counts_per_number boolean, at timestamptz, time_zone text)
RETURNS TABLE (check_name text, passed boolean, detail text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT e.check_name, e.passed, e.detail
	FROM pg_catalog.unnest(recall._findings(policy,
			(SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
				FROM recall.call k
				WHERE k.tenant_id = (contact).tenant_id AND k.batch_id = (contact).batch_id
				AND k.contact_id = (contact).contact_id),
			(contact).numbers, time_zone,
			recall._suppressed_numbers((contact).tenant_id, task_id, (contact).numbers, at),
			CASE WHEN counts_per_number THEN recall._calls_to_numbers((contact).tenant_id, (contact).numbers) END))
		WITH ORDINALITY AS f(check_name, passed, item, number, used, allowed, instant, step)
	LEFT JOIN recall.policy_rules(policy) r
		ON f.check_name IN ('never', 'rule', 'max', 'number', 'delay') AND r.rule = f.item
	LEFT JOIN recall.policy_limits(policy) l
		ON f.check_name IN ('limit', 'number limit', 'period') AND l.kind = 'limit' AND l.item = f.item
	LEFT JOIN LATERAL (
		SELECT q.text FROM recall.policy_limits(policy) q WHERE q.kind = 'quiet' ORDER BY q.item OFFSET f.item - 1 LIMIT 1
	) q ON f.check_name = 'quiet'
	LEFT JOIN LATERAL (
		SELECT k.* FROM recall.call k
		WHERE k.tenant_id = (contact).tenant_id AND k.batch_id = (contact).batch_id AND k.contact_id = (contact).contact_id
		ORDER BY k.attempt DESC LIMIT 1
	) latest ON true
	CROSS JOIN LATERAL recall._explain_finding(
		ROW(f.check_name, f.passed, f.item, f.number, f.used, f.allowed, f.instant)::recall._finding,
		coalesce(r.text, l.text, q.text, recall._explain_suppression((contact).tenant_id, task_id, f.number, at, time_zone)),
		latest, at, time_zone) e
	ORDER BY f.step;
END;
COMMENT ON FUNCTION recall._explain_judgement(recall.contact, recall.policy, bigint, boolean, timestamptz, text) IS
'The checks of the judge for a contact, in words.';

CREATE FUNCTION recall._explain_campaign(tenant_id int, batch_id bigint)
RETURNS TABLE (check_name text, passed boolean, detail text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT v.check_name, v.passed, v.detail
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	CROSS JOIN LATERAL (VALUES
		(1, 'interconnection', n.obs_url_mode = 'http', format('obs_url_mode of the tenant is "%s"; recycling needs "http"', n.obs_url_mode)),
		(2, 'task type', t.task_type <> 'manual', format('task %s "%s" is of type "%s"', t.task_id, t.name, t.task_type)),
		(3, 'policy', t.policy IS NOT NULL, coalesce(t.policy::text, 'recall is not enabled: the task has no policy')),
		(4, 'task', t.state = 'executing', format('task %s "%s" is %s', t.task_id, t.name, t.state)),
		(5, 'batch', b.state = 'started', format('batch %s "%s" is %s', b.batch_id, b.name, b.state)))
		AS v(step, check_name, passed, detail)
	WHERE b.tenant_id = _explain_campaign.tenant_id AND b.batch_id = _explain_campaign.batch_id
	ORDER BY v.step;
END;
COMMENT ON FUNCTION recall._explain_campaign(int, bigint) IS
'The checks that are the same for all contacts of a batch: what must be so for any of them to be recycled and called now.';

CREATE FUNCTION recall._explain_permit(permit recall.dial, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE (permit).state
		WHEN 'ready' THEN format('a permit for attempt %s on %s waits, due from %s on', (permit).attempt, (permit).number,
			recall._local_time((permit).due_at, time_zone))
		WHEN 'claimed' THEN format('attempt %s on %s is out with a dialer', (permit).attempt, (permit).number)
		WHEN 'unknown' THEN format('the outcome of attempt %s on %s is unknown', (permit).attempt, (permit).number)
		ELSE 'no permit waits and no call is out' END;
END;
COMMENT ON FUNCTION recall._explain_permit(recall.dial, text) IS 'A contact''s permit, or that it has none, in words.';

/* What claim() asks, but for the moment of the claim itself. */
CREATE FUNCTION recall._explain_claim(permit recall.dial, contact recall.contact, time_zone text, at timestamptz, OUT passed boolean, OUT detail text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	terms recall._terms := recall._terms(permit.tenant_id, permit.task_id);
	snapshot recall.policy := (SELECT r.policy FROM recall.recycle r
		WHERE r.tenant_id = permit.tenant_id AND r.recycle_id = permit.recycle_id AND r.policy IS DISTINCT FROM terms.policy);
	admission recall._admission := recall._admission(permit.tenant_id, permit.task_id, permit.batch_id, permit.contact_id, contact.numbers,
		permit.number, time_zone, terms.policy, snapshot, at);
	opens_at timestamptz := recall.next_open(terms.calling_hours, time_zone, greatest(at, permit.due_at, admission.not_before), terms.holidays);
	is_out boolean := EXISTS (SELECT FROM recall.dial d
		WHERE d.tenant_id = permit.tenant_id AND d.number COLLATE "C" = admission.number AND d.state <> 'ready');
BEGIN
	detail := CASE
		WHEN terms.state <> 'executing' THEN format('the task is in state "%s"', terms.state)
		WHEN permit.batch_id = ANY (terms.suspended) THEN 'the batch is suspended'
		WHEN permit.recycle_id = ANY (terms.paused) THEN format('recycle record %s is paused', permit.recycle_id)
		WHEN admission.reason IS NOT NULL THEN format('it will be taken out: %s', admission.reason)
		WHEN opens_at IS NULL THEN 'it will be taken out: the calling hours never open'
		WHEN opens_at > at THEN format('on %s, not before %s', admission.number, recall._local_time(opens_at, time_zone))
		WHEN is_out THEN format('a call to %s is out', admission.number)
		ELSE format('on %s, now', admission.number) END;
	passed := terms.state = 'executing' AND permit.batch_id <> ALL (terms.suspended) AND (permit.recycle_id = ANY (terms.paused)) IS NOT TRUE
		AND coalesce(opens_at = at, false) AND admission.reason IS NULL AND NOT is_out;
END $$;
COMMENT ON FUNCTION recall._explain_claim(recall.dial, recall.contact, text, timestamptz) IS
'Whether a ready permit may be claimed at an instant, by the states, hours, limits, quiets and the do-not-call list, and what is in the way.';

CREATE FUNCTION recall.explain(tenant_id int, contact_id bigint, at timestamptz DEFAULT now())
RETURNS TABLE (step int, check_name text, passed boolean, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	campaign record;
	asked recall.policy;
	judged record;
	time_zone text;
	opens_at timestamptz;
	instant timestamptz := coalesce(at, now());
	all_passed boolean := true;
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = explain.tenant_id AND c.contact_id = explain.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(explain.contact_id::text, 'null'), explain.tenant_id));
	END IF;
	SELECT * INTO permit FROM recall.dial d WHERE d.tenant_id = explain.tenant_id AND d.contact_id = explain.contact_id;
	IF permit.lease_until <= instant THEN
		permit.state := 'unknown';
	END IF;
	SELECT t.policy INTO asked
	FROM recall.batch b JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	WHERE b.tenant_id = explain.tenant_id AND b.batch_id = contact.batch_id;
	SELECT * INTO campaign FROM recall._campaign(explain.tenant_id, contact.batch_id, asked);
	time_zone := coalesce(contact.time_zone, campaign.time_zone);
	opens_at := recall.next_open(campaign.calling_hours, time_zone, instant, campaign.holidays);
	SELECT * INTO judged FROM recall._judge(explain.tenant_id, contact.batch_id, asked, instant, 'infinity',
		contact.contact_id - 1, contact.contact_id);

	step := 0;
	FOR check_name, passed, detail IN
		SELECT * FROM recall._explain_campaign(explain.tenant_id, contact.batch_id)
		UNION ALL
		SELECT 'permit', permit.state IS NULL OR permit.state = 'ready' AND permit.due_at <= instant, recall._explain_permit(permit, time_zone)
			|| CASE WHEN permit.state IS NULL AND judged.calls = 0
				AND EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = explain.tenant_id AND b.batch_id = contact.batch_id AND b.state = 'started')
				THEN '; recall.suspend_batch() and recall.start_batch() queue its first call' ELSE '' END
		UNION ALL
		SELECT 'claim', k.passed, k.detail FROM recall._explain_claim(permit, contact, time_zone, instant) k WHERE permit.state = 'ready'
		UNION ALL
		SELECT j.* FROM recall._explain_judgement(contact, asked, campaign.task_id, campaign.counts_per_number, instant, time_zone) j
		WHERE asked IS NOT NULL
		UNION ALL
		/* Of a contact that was not called the judge has no more to say. */
		SELECT 'suppression', false, e.detail
		FROM unnest(contact.numbers) n(number)
		CROSS JOIN LATERAL recall._explain_suppression(explain.tenant_id, campaign.task_id, n.number, instant, time_zone) e(detail)
		WHERE judged.calls = 0 AND e.detail IS NOT NULL
		UNION ALL
		SELECT 'calling hours', opens_at IS NOT DISTINCT FROM instant, concat_ws(': ', coalesce(campaign.calling_hours::text, 'at any time'),
			CASE
				WHEN opens_at = instant THEN 'open'
				WHEN opens_at IS NULL THEN 'shut, and they never open again'
				ELSE format('shut; open from %s on', recall._local_time(opens_at, time_zone)) END)
	LOOP
		step := step + 1;
		/* A number that may not be called is in the way only when none is left, which is a check of its own. */
		all_passed := all_passed AND (passed OR check_name IN ('invalid number', 'number limit', 'suppression'));
		detail := recall._show_text(explain.tenant_id, detail);
		RETURN NEXT;
	END LOOP;

	step := step + 1;
	check_name := 'verdict';
	passed := CASE
		WHEN permit.state = 'ready' THEN (recall._explain_claim(permit, contact, time_zone, instant)).passed
		ELSE coalesce(all_passed AND judged.verdict = 'recall' AND judged.due_at <= instant, false) END;
	detail := CASE
		WHEN judged.verdict = 'recall' THEN format('%s: %s; %s, %s %s', judged.verdict, judged.reason, judged.number,
			CASE WHEN judged.due_at <= instant THEN 'due since' ELSE 'not before' END, recall._local_time(judged.due_at, time_zone))
		WHEN permit.state IS NOT NULL THEN format('%s: %s', coalesce(judged.verdict, 'queued'), recall._explain_permit(permit, time_zone))
		WHEN asked IS NULL THEN 'not recalled: recall is not enabled'
		ELSE format('%s: %s', judged.verdict, judged.reason) END;
	detail := recall._show_text(explain.tenant_id, detail);
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION recall.explain(int, bigint, timestamptz) IS
'Why a contact is called at an instant, or is not, and when it will be: a row for each check in its order, with the figures behind it and times by the callee''s clock. passed: it does not stand in the way of a call at that instant. The last row is the verdict that a recycle of the batch by the task''s policy would find, or the permit that waits; it has passed when the contact may be recalled and called at the instant, or the permit claimed. The row "claim" tells what stands in a waiting permit''s way. Without the right to dial or manage numbers are masked. Right: read. Errors: 42501.';
