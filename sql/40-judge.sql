/*
 * The judgement of a batch: what a policy says about each of its contacts. Preview, recycle, explain and simulate
 * ask this one function, so that their answers agree to the row.
 */

/* Each step is a look-up by a key, whatever the planner thinks of loops: hence the OFFSET 0. */
CREATE FUNCTION recall._calls_of_others(tenant_id int, batch_id bigint, after_contact bigint, upto_contact bigint)
RETURNS TABLE (
	contact_id bigint, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT c.contact_id, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at
	FROM recall.contact c
	CROSS JOIN LATERAL pg_catalog.unnest(c.numbers) AS n(number)
	CROSS JOIN LATERAL (
		SELECT i.batch_id, i.contact_id FROM recall.contact i
		WHERE i.tenant_id = _calls_of_others.tenant_id
		AND recall._number_keys(i.tenant_id, i.numbers) @> recall._number_keys(_calls_of_others.tenant_id, ARRAY[n.number])
		AND i.contact_id <> c.contact_id
		OFFSET 0) owner
	CROSS JOIN LATERAL (
		SELECT i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at FROM recall.call i
		WHERE i.tenant_id = _calls_of_others.tenant_id AND i.batch_id = owner.batch_id AND i.contact_id = owner.contact_id
		AND i.number = n.number
		OFFSET 0) k
	WHERE c.tenant_id = _calls_of_others.tenant_id AND c.batch_id = _calls_of_others.batch_id
	AND c.contact_id > after_contact AND c.contact_id <= upto_contact;
END;
COMMENT ON FUNCTION recall._calls_of_others(int, bigint, bigint, bigint) IS
'For the contacts of a batch behind one and up to another: the calls that other contacts of the tenant, of whatever batch, had on one of the contact''s numbers.';

CREATE FUNCTION recall._judge(
	tenant_id int, batch_id bigint, policy recall.policy, at timestamptz, asked_at timestamptz DEFAULT 'infinity',
	after_contact bigint DEFAULT 0, upto_contact bigint DEFAULT 9223372036854775807)
RETURNS TABLE (
	contact_id bigint, priority int, attempts int, failure_cause recall.failure_cause, business_result text, number text,
	verdict text, rule int, reason text, due_at timestamptz, calls bigint, made int)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT h.contact_id, h.priority, (h.judgement).attempts, (h.judgement).failure_cause, (h.judgement).business_result,
		(h.judgement).number, v.verdict, (h.judgement).rule, v.reason, o.opens_at, h.calls, h.made
	FROM (
		SELECT c.contact_id, c.priority, c.time_zone,
			recall.judge(_judge.policy, c.numbers,
				coalesce(c.time_zone, (SELECT n.time_zone FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)),
				/* Nobody is looked up where nobody is suppressed. */
				CASE WHEN EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _judge.tenant_id) THEN
					recall._suppressed_numbers(_judge.tenant_id,
						(SELECT b.task_id FROM recall.batch b
							WHERE b.tenant_id = _judge.tenant_id AND b.batch_id = _judge.batch_id),
						c.numbers, at) END)
				WITHIN GROUP (ORDER BY k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
				AS judgement,
			max(k.recorded_at) AS recorded_at,
			count(k.attempt) AS calls,
			recall._replay(_judge.policy, c.numbers,
				coalesce(c.time_zone, (SELECT n.time_zone FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)))
				WITHIN GROUP (ORDER BY k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
				AS made
		FROM recall.contact c
		LEFT JOIN (
			SELECT i.contact_id, i.attempt, i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at, i.recorded_at
			FROM recall.call i
			WHERE i.tenant_id = _judge.tenant_id AND i.batch_id = _judge.batch_id
			AND i.contact_id > after_contact AND i.contact_id <= upto_contact
			UNION ALL
			SELECT y.contact_id, NULL, y.number, y.failure_cause, y.business_result, y.started_at, y.ended_at, NULL
			FROM recall._calls_of_others(_judge.tenant_id, _judge.batch_id, after_contact, upto_contact) y
			WHERE recall._counts_per_number(_judge.policy)
		) k ON k.contact_id = c.contact_id
		WHERE c.tenant_id = _judge.tenant_id AND c.batch_id = _judge.batch_id
		AND c.contact_id > after_contact AND c.contact_id <= upto_contact
		GROUP BY c.tenant_id, c.contact_id
	) h
	LEFT JOIN recall.dial d
		ON d.tenant_id = _judge.tenant_id AND d.contact_id = h.contact_id
		AND d.contact_id > after_contact AND d.contact_id <= upto_contact
	CROSS JOIN LATERAL (
		SELECT CASE WHEN (h.judgement).verdict = 'recall' THEN
			recall.next_open(
				(SELECT t.calling_hours FROM recall.batch b
					JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
					WHERE b.tenant_id = _judge.tenant_id AND b.batch_id = _judge.batch_id),
				coalesce(h.time_zone, (SELECT n.time_zone FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)),
				(h.judgement).due_at,
				(SELECT n.holidays FROM recall.tenant n WHERE n.tenant_id = _judge.tenant_id)) END AS opens_at
	) o
	CROSS JOIN LATERAL (
		SELECT
			CASE
				WHEN (h.judgement).verdict = 'new' THEN 'new'
				WHEN d.state = 'unknown' THEN 'unknown'
				WHEN d.state IS NOT NULL THEN 'queued'
				WHEN h.recorded_at > asked_at THEN 'done'
				WHEN (h.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'closed'
				ELSE (h.judgement).verdict
			END AS verdict,
			CASE
				WHEN (h.judgement).verdict = 'new' THEN (h.judgement).reason
				WHEN d.state = 'unknown' THEN 'a call is out whose outcome is unknown'
				WHEN d.state = 'claimed' THEN 'a call is out with a dialer'
				WHEN d.state = 'ready' THEN 'a re-dial is waiting already'
				WHEN h.recorded_at > asked_at THEN 'called since the recycle was asked for'
				WHEN (h.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'the calling hours never open'
				ELSE (h.judgement).reason
			END AS reason
	) v;
END;
COMMENT ON FUNCTION recall._judge(int, bigint, recall.policy, timestamptz, timestamptz, bigint, bigint) IS
'What a policy says at an instant about the contacts of a batch behind one contact and up to another: the latest call, the verdict with the rule that decided and the reason, when and on which number the contact may be dialled, its calls, and how many of them the policy would have made. Calls recorded after asked_at are not known to whoever asked. For a caller that has set enable_nestloop off: each of the three tables is one range of an index, and no wrong estimate may lead to walking a range again and again.';
