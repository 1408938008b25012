/*
 * The judgement: what a policy says about each contact of a batch. Preview, recycle and every later question
 * ask this one function, so that their answers agree to the row.
 */

CREATE FUNCTION recall._judge(
	tenant_id int, batch_id bigint, policy recall.policy, asked_at timestamptz,
	after_contact bigint DEFAULT 0, upto_contact bigint DEFAULT 9223372036854775807)
RETURNS TABLE (
	contact_id bigint, priority int, attempts int, failure_cause recall.failure_cause, business_result text, number text,
	verdict text, rule int, reason text, due_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.contact_id, c.priority, k.attempt, k.failure_cause, k.business_result, k.number, v.verdict, m.rule, v.reason,
		o.opens_at
	FROM recall.contact c
	LEFT JOIN (
		/* Backwards, as the key is read without a sort: the first row of each contact is its latest call. */
		SELECT DISTINCT ON (i.contact_id) i.contact_id, i.attempt, i.failure_cause, i.business_result, i.number, i.ended_at,
			i.recorded_at
		FROM recall.call i
		WHERE i.tenant_id = _judge.tenant_id AND i.batch_id = _judge.batch_id
		AND i.contact_id > after_contact AND i.contact_id <= upto_contact
		ORDER BY i.contact_id DESC, i.attempt DESC
	) k ON k.contact_id = c.contact_id
	LEFT JOIN recall.dial d
		ON d.tenant_id = _judge.tenant_id AND d.contact_id = c.contact_id
		AND d.contact_id > after_contact AND d.contact_id <= upto_contact
	CROSS JOIN LATERAL (
		SELECT recall._matching_rule(policy, k.failure_cause, k.business_result) AS rule
	) m
	CROSS JOIN LATERAL (
		SELECT CASE WHEN m.rule > 0 THEN
			recall.next_open(
				(SELECT t.calling_hours FROM recall.batch b
					JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
					WHERE b.tenant_id = _judge.tenant_id AND b.batch_id = _judge.batch_id),
				coalesce(c.time_zone, (SELECT n.time_zone FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)),
				k.ended_at,
				(SELECT n.holidays FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)) END AS opens_at
	) o
	CROSS JOIN LATERAL (
		SELECT
			CASE
				WHEN k.attempt IS NULL THEN 'new'
				WHEN d.state = 'unknown' THEN 'unknown'
				WHEN d.state IS NOT NULL THEN 'queued'
				WHEN k.recorded_at > asked_at THEN 'done'
				WHEN m.rule < 0 THEN 'stopped'
				WHEN m.rule = 0 THEN 'done'
				WHEN o.opens_at IS NULL THEN 'closed'
				ELSE 'recall'
			END AS verdict,
			CASE
				WHEN k.attempt IS NULL THEN 'not called yet'
				WHEN d.state = 'unknown' THEN 'a call is out whose outcome is unknown'
				WHEN d.state = 'claimed' THEN 'a call is out with a dialer'
				WHEN d.state = 'ready' THEN 'a re-dial is waiting already'
				WHEN k.recorded_at > asked_at THEN 'called since the recycle was asked for'
				WHEN m.rule < 0 THEN 'a rule says never'
				WHEN m.rule = 0 THEN 'no rule recalls this outcome'
				WHEN o.opens_at IS NULL THEN 'the calling hours never open'
				ELSE 'a rule recalls this outcome'
			END AS reason
	) v
	WHERE c.tenant_id = _judge.tenant_id AND c.batch_id = _judge.batch_id
	AND c.contact_id > after_contact AND c.contact_id <= upto_contact;
END;
COMMENT ON FUNCTION recall._judge(int, bigint, recall.policy, timestamptz, bigint, bigint) IS
'What a policy, asked at an instant, says about the contacts of a batch behind one contact and up to another: the latest call, the verdict (recall, queued, unknown, done, stopped, closed, new) with the rule that decided and the reason, and when the contact may be dialled. For a caller that has set enable_nestloop off: each of the three tables is one range of an index, and no wrong estimate may lead to walking a range again and again.';

CREATE FUNCTION recall._outcome(failure_cause recall.failure_cause, business_result text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.concat_ws(': ', coalesce(failure_cause::text, 'answered'), business_result);
COMMENT ON FUNCTION recall._outcome(recall.failure_cause, text) IS
'How a call ended, for people: "busy", "answered: sold".';

CREATE FUNCTION recall._start_after(tenant_id int, batch_id bigint) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce((
		SELECT CASE WHEN r.emitted < r.matched THEN r.last_emitted ELSE 0 END
		FROM recall.recycle r
		WHERE r.tenant_id = _start_after.tenant_id AND r.batch_id = _start_after.batch_id AND r.state = 'completed'
		ORDER BY r.recycle_id DESC
		LIMIT 1), 0);
END;
COMMENT ON FUNCTION recall._start_after(int, bigint) IS
'The contact behind which the next recycle of a batch starts: where the latest one was capped, else 0.';

CREATE FUNCTION recall.preview(tenant_id int, batch_id bigint, policy recall.policy DEFAULT NULL)
RETURNS TABLE (outcome text, verdict text, reason text, contacts bigint, earliest timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
	asked recall.policy := policy;
	recycle_limit int;
	start_after bigint;
BEGIN
	PERFORM recall._require(preview.tenant_id, 'read');
	PERFORM recall._batch(preview.tenant_id, preview.batch_id);
	SELECT coalesce(asked, t.policy), n.recycle_limit INTO asked, recycle_limit
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = preview.tenant_id AND b.batch_id = preview.batch_id;
	IF asked IS NULL THEN
		PERFORM recall._refuse(format('the recall policy of the task of batch %s is not enabled', preview.batch_id),
			'Enable one with recall.set_policy(), or give recall.preview() a policy.');
	END IF;
	PERFORM recall._check_policy(preview.tenant_id, asked);
	start_after := recall._start_after(preview.tenant_id, preview.batch_id);

	RETURN QUERY
	WITH ranked AS (
		SELECT j.*, j.verdict = 'recall' AND row_number() OVER (
			PARTITION BY j.verdict ORDER BY j.contact_id <= start_after, j.contact_id) > recycle_limit AS is_over_cap
		FROM recall._judge(preview.tenant_id, preview.batch_id, asked, 'infinity') j
	), counted AS (
		SELECT r.failure_cause, r.business_result, r.attempts IS NULL AS is_new,
			CASE WHEN r.is_over_cap THEN 'over_cap' ELSE r.verdict END AS verdict, r.rule, r.reason,
			count(*) AS contacts, min(r.due_at) FILTER (WHERE r.verdict = 'recall') AS earliest
		FROM ranked r
		GROUP BY 1, 2, 3, 4, 5, 6
	)
	SELECT CASE WHEN c.is_new THEN 'none' ELSE recall._outcome(c.failure_cause, c.business_result) END,
		c.verdict,
		CASE
			WHEN c.verdict = 'over_cap' THEN format('over the tenant''s limit of %s; the next recycle goes on there', recycle_limit)
			WHEN c.verdict IN ('recall', 'stopped') THEN format('%s: %s', c.reason, p.text)
			ELSE c.reason
		END,
		sum(c.contacts)::bigint, min(c.earliest)
	FROM counted c
	LEFT JOIN recall.policy_rules(asked) p ON p.rule = abs(c.rule)
	GROUP BY 1, 2, 3
	ORDER BY array_position('{recall,over_cap,queued,unknown,done,stopped,closed,new}'::text[], min(c.verdict)), 4 DESC, 1, 3;
END $$;
COMMENT ON FUNCTION recall.preview(int, bigint, recall.policy) IS
'The confirmation page: how many contacts of a batch a recycle would recall now, by the outcome of their latest call, the verdict and the reason; the counts sum to the batch. policy: null = the task''s. earliest: the first due time. Right: read. Errors: 42501; 55000 no policy is enabled or given; 22023 a business result that the tenant has not.';

