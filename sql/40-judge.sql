/*
 * The judgement of a batch: what a policy says about each of its contacts. Preview, recycle, explain and simulate
 * ask this one function, so that their answers agree to the row.
 */

/* Each step is a look-up by a key, whatever the planner thinks of loops or of the tenant: hence each OFFSET 0. */
CREATE FUNCTION recall._calls_to_number(tenant_id int, number text) RETURNS recall.history
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
SET gin_fuzzy_search_limit = 0 AS $$ -- which anybody may set, and which would make the index leave contacts out
#variable_conflict use_column
DECLARE
	calls recall.history;
BEGIN
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at) INTO calls
	FROM (
		SELECT i.*
		FROM (
			SELECT c.tenant_id, c.batch_id, c.contact_id FROM recall.contact c
			WHERE recall._number_keys(c.tenant_id, c.numbers) @> recall._number_keys(_calls_to_number.tenant_id, ARRAY[_calls_to_number.number])
			OFFSET 0) owner
		CROSS JOIN LATERAL (
			SELECT k.* FROM recall.call k
			WHERE k.tenant_id = _calls_to_number.tenant_id AND k.batch_id = owner.batch_id AND k.contact_id = owner.contact_id
			AND k.number = _calls_to_number.number
			OFFSET 0) i
		WHERE owner.tenant_id = _calls_to_number.tenant_id
		ORDER BY i.started_at DESC
		LIMIT 10000 -- no policy counts as many
	) k;
	RETURN calls;
END $$;
COMMENT ON FUNCTION recall._calls_to_number(int, text) IS
'The latest 10 000 calls to a number, whichever contacts of the tenant they were made to.';

CREATE FUNCTION recall._calls_to_numbers(tenant_id int, numbers text[]) RETURNS recall.history
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_calls_to_numbers';
COMMENT ON FUNCTION recall._calls_to_numbers(int, text[]) IS
'The calls to each of some numbers, as _calls_to_number() finds them. In a statement each number is looked up once.';

/* One row, so that each of its parts is read once for all contacts of a statement. */
CREATE FUNCTION recall._campaign(tenant_id int, batch_id bigint, policy recall.policy,
	OUT task_id bigint, OUT calling_hours recall.calling_hours, OUT time_zone text, OUT holidays date[], OUT suppresses boolean,
	OUT counts_per_number boolean, OUT first_contact bigint, OUT last_contact bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT t.task_id, t.calling_hours, n.time_zone, n.holidays,
		EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _campaign.tenant_id),
		coalesce(recall._has_limits(_campaign.policy, true), false),
		(SELECT min(c.contact_id) FROM recall.contact c WHERE c.tenant_id = _campaign.tenant_id AND c.batch_id = _campaign.batch_id),
		(SELECT max(c.contact_id) FROM recall.contact c WHERE c.tenant_id = _campaign.tenant_id AND c.batch_id = _campaign.batch_id)
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = _campaign.tenant_id AND b.batch_id = _campaign.batch_id;
END;
COMMENT ON FUNCTION recall._campaign(int, bigint, recall.policy) IS
'What the contacts of a batch have in common: the task and its calling hours, the tenant''s zone and holidays, whether the tenant suppresses any number, whether the policy counts other contacts'' calls to the same number, and the first and the last of the contacts.';

CREATE FUNCTION recall._judge(
	tenant_id int, batch_id bigint, policy recall.policy, at timestamptz, asked_at timestamptz DEFAULT 'infinity',
	after_contact bigint DEFAULT 0, upto_contact bigint DEFAULT 9223372036854775807)
RETURNS TABLE (
	contact_id bigint, priority int, attempts int, failure_cause recall.failure_cause, business_result text, number text,
	verdict recall.verdict, rule int, reason text, due_at timestamptz, calls bigint, made int)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH campaign AS MATERIALIZED (
		SELECT * FROM recall._campaign(_judge.tenant_id, _judge.batch_id, _judge.policy)
	), judged AS (
		SELECT c.contact_id, c.priority, k.recorded_at, k.calls, CASE WHEN d.lease_until <= at THEN 'unknown' ELSE d.state END AS state,
			coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)) AS time_zone,
			recall.judge(_judge.policy, k.history, c.numbers, coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)),
				CASE WHEN (SELECT a.suppresses FROM campaign a) THEN
					recall._suppressed_numbers(_judge.tenant_id, (SELECT a.task_id FROM campaign a), c.numbers, at) END,
				CASE WHEN (SELECT a.counts_per_number FROM campaign a) THEN
					recall._calls_to_numbers(_judge.tenant_id, c.numbers) END) AS judgement,
			recall._replay(_judge.policy, k.history, c.numbers, coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)),
				NULL,
				CASE WHEN (SELECT a.counts_per_number FROM campaign a) THEN
					recall._calls_to_numbers(_judge.tenant_id, c.numbers) END) AS made
		FROM recall.contact c
		LEFT JOIN (
			SELECT i.contact_id, max(i.recorded_at) AS recorded_at, count(*) AS calls,
				recall.history(i.attempt, i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at) AS history
			FROM recall.call i
			WHERE i.tenant_id = _judge.tenant_id AND i.batch_id = _judge.batch_id
			AND i.contact_id > after_contact AND i.contact_id <= upto_contact
			GROUP BY i.contact_id
		) k ON k.contact_id = c.contact_id
		LEFT JOIN recall.dial d
			ON d.tenant_id = _judge.tenant_id AND d.contact_id = c.contact_id
			AND d.contact_id > after_contact AND d.contact_id <= upto_contact
			AND d.contact_id >= (SELECT a.first_contact FROM campaign a) AND d.contact_id <= (SELECT a.last_contact FROM campaign a)
		WHERE c.tenant_id = _judge.tenant_id AND c.batch_id = _judge.batch_id
		AND c.contact_id > after_contact AND c.contact_id <= upto_contact
		OFFSET 0 -- so that each judgement is made once
	)
	SELECT j.contact_id, j.priority, (j.judgement).attempts, (j.judgement).failure_cause, (j.judgement).business_result,
		(j.judgement).number, v.verdict, (j.judgement).rule, v.reason, o.opens_at, coalesce(j.calls, 0), j.made
	FROM judged j
	CROSS JOIN LATERAL (
		/* Where hours that were open then never open again, there is no due time. */
		SELECT CASE WHEN (j.judgement).verdict = 'recall'
			AND ((j.judgement).due_at >= at OR recall.next_open((SELECT a.calling_hours FROM campaign a), j.time_zone, at,
				(SELECT a.holidays FROM campaign a)) IS NOT NULL)
			THEN recall.next_open((SELECT a.calling_hours FROM campaign a), j.time_zone, (j.judgement).due_at,
				(SELECT a.holidays FROM campaign a)) END AS opens_at
	) o
	CROSS JOIN LATERAL (
		SELECT
			CASE
				WHEN j.state = 'unknown' THEN 'unknown'
				WHEN j.state = 'claimed' THEN 'queued'
				WHEN (j.judgement).verdict = 'new' THEN 'new'
				WHEN j.state = 'ready' THEN 'queued'
				WHEN j.recorded_at > asked_at THEN 'done'
				WHEN (j.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'closed'
				ELSE (j.judgement).verdict
			END AS verdict,
			CASE
				WHEN j.state = 'unknown' THEN 'a call is out whose outcome is unknown'
				WHEN j.state = 'claimed' THEN 'a call is out with a dialer'
				WHEN (j.judgement).verdict = 'new' THEN (j.judgement).reason
				WHEN j.state = 'ready' THEN 'a re-dial is waiting already'
				WHEN j.recorded_at > asked_at THEN 'called since the recycle was asked for'
				WHEN (j.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'the calling hours never open'
				ELSE (j.judgement).reason
			END AS reason
	) v;
END;
COMMENT ON FUNCTION recall._judge(int, bigint, recall.policy, timestamptz, timestamptz, bigint, bigint) IS
'What a policy says at an instant about the contacts of a batch behind one contact and up to another: the latest call, the verdict with the rule that decided and the reason, when and on which number the contact may be dialled, its calls, and how many of them the policy would have made. Calls recorded after asked_at are not known to whoever asked. For a caller whose arguments are not volatile, so that this becomes part of the caller''s statement and what is not asked for is left out; and who has set enable_nestloop off: each of the three tables is one range of an index, and no wrong estimate may lead to walking a range again and again.';
