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
			WHEN 'suppression' THEN format(CASE
				WHEN (finding).passed THEN '%s: not suppressed' ELSE '%s: suppressed' END, (finding).number)
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
'A finding of the judge in words; item_text is the rule, limit or quiet that it is about. It has passed when nothing, or nothing any more at the instant, keeps the contact from being called.';

CREATE FUNCTION recall._explain_judgement(contact recall.contact, policy recall.policy, task_id bigint, at timestamptz, time_zone text)
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
			recall._calls_of_others((contact).tenant_id, (contact).contact_id, (contact).numbers)))
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
		coalesce(r.text, l.text, q.text), latest, at, time_zone) e
	ORDER BY f.step;
END;
COMMENT ON FUNCTION recall._explain_judgement(recall.contact, recall.policy, bigint, timestamptz, text) IS
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

CREATE FUNCTION recall.explain(tenant_id int, contact_id bigint, at timestamptz DEFAULT now())
RETURNS TABLE (step int, check_name text, passed boolean, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	campaign record;
	asked recall.policy;
	judged record;
	time_zone text;
	instant timestamptz := coalesce(at, now());
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = explain.tenant_id AND c.contact_id = explain.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', explain.contact_id, explain.tenant_id));
	END IF;
	SELECT * INTO permit FROM recall.dial d WHERE d.tenant_id = explain.tenant_id AND d.contact_id = explain.contact_id;
	SELECT * INTO campaign FROM recall._campaign(explain.tenant_id, contact.batch_id);
	asked := (recall._task(explain.tenant_id, campaign.task_id)).policy;
	time_zone := coalesce(contact.time_zone, campaign.time_zone);
	SELECT * INTO judged FROM recall._judge(explain.tenant_id, contact.batch_id, asked, instant, 'infinity',
		contact.contact_id - 1, contact.contact_id);

	step := 0;
	FOR check_name, passed, detail IN
		SELECT * FROM recall._explain_campaign(explain.tenant_id, contact.batch_id)
		UNION ALL
		SELECT 'permit', permit.state IS NULL, CASE permit.state
			WHEN 'ready' THEN format('a permit for attempt %s on %s waits, due from %s on', permit.attempt, permit.number,
				recall._local_time(permit.due_at, time_zone))
			WHEN 'claimed' THEN format('attempt %s on %s is out with a dialer', permit.attempt, permit.number)
			WHEN 'unknown' THEN format('the outcome of attempt %s on %s is unknown', permit.attempt, permit.number)
			ELSE 'no permit waits and no call is out' END
		UNION ALL
		SELECT j.* FROM recall._explain_judgement(contact, asked, campaign.task_id, instant, time_zone) j
		WHERE asked IS NOT NULL
		UNION ALL
		SELECT 'calling hours', judged.due_at IS NOT NULL, concat_ws(': ', coalesce(campaign.calling_hours::text, 'at any time'),
			coalesce('open from ' || recall._local_time(judged.due_at, time_zone) || ' on', 'they never open'))
		WHERE judged.verdict IN ('recall', 'closed')
		UNION ALL
		SELECT 'verdict', coalesce(judged.verdict = 'recall' AND judged.due_at <= instant, false), CASE
			WHEN asked IS NULL AND permit.state IS NULL THEN 'not recalled: recall is not enabled'
			WHEN judged.verdict = 'recall' THEN format('%s: %s; %s, %s %s', judged.verdict, judged.reason, judged.number,
				CASE WHEN judged.due_at <= instant THEN 'due since' ELSE 'not before' END,
				recall._local_time(judged.due_at, time_zone))
			ELSE format('%s: %s', coalesce(judged.verdict, 'queued'), coalesce(judged.reason, 'a permit is there')) END
	LOOP
		step := step + 1;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION recall.explain(int, bigint, timestamptz) IS
'Why a contact is called at an instant, or is not, and when it will be: a row for each check in its order, with the figures behind it and times by the callee''s clock; the last row is the verdict. It says what a recycle of the batch by the task''s policy would find. Right: read. Errors: 42501.';
