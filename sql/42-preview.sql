/* The preview: the judgement of a batch, counted. */

CREATE FUNCTION recall._outcome(failure_cause recall.failure_cause, business_result text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.concat_ws(': ', coalesce(failure_cause::text, 'answered'), business_result);
COMMENT ON FUNCTION recall._outcome(recall.failure_cause, text) IS
'How a call ended, for people: "busy", "answered: sold".';

CREATE FUNCTION recall._preview(tenant_id int, batch_id bigint, policy recall.policy, at timestamptz)
RETURNS TABLE (outcome text, verdict recall.verdict, reason text, contacts bigint, earliest timestamptz, calls bigint, made bigint,
	missed bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH cap AS (
		SELECT n.recycle_limit, recall._start_after(_preview.tenant_id, _preview.batch_id) AS start_after
		FROM recall.tenant n WHERE n.tenant_id = _preview.tenant_id
	), ranked AS (
		SELECT j.*, j.verdict = 'recall' AND row_number() OVER (
			PARTITION BY j.verdict ORDER BY j.contact_id <= (SELECT cap.start_after FROM cap), j.contact_id)
			> (SELECT cap.recycle_limit FROM cap) AS is_over_cap
		FROM recall._judge(_preview.tenant_id, _preview.batch_id, _preview.policy, at) j
	)
	SELECT CASE WHEN r.attempts IS NULL THEN 'none' ELSE recall._outcome(r.failure_cause, r.business_result) END,
		CASE WHEN r.is_over_cap THEN 'over_cap' ELSE r.verdict END,
		CASE WHEN r.is_over_cap
			THEN format('over the tenant''s limit of %s; the next recycle goes on there', (SELECT cap.recycle_limit FROM cap))
			ELSE r.reason END,
		count(*), min(r.due_at) FILTER (WHERE r.verdict = 'recall'), sum(r.calls)::bigint, sum(r.made)::bigint,
		count(*) FILTER (WHERE r.made < r.calls)
	FROM ranked r
	GROUP BY r.attempts IS NULL, r.failure_cause, r.business_result, r.is_over_cap, r.verdict, r.reason
	ORDER BY 2, 4 DESC, 1, 3;
END;
COMMENT ON FUNCTION recall._preview(int, bigint, recall.policy, timestamptz) IS
'The contacts of a batch by the outcome of their latest call, verdict and reason, with what the policy would have done with their calls.';

CREATE FUNCTION recall._policy_to_ask(tenant_id int, batch_id bigint, given recall.policy) RETURNS recall.policy
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch := recall._batch(tenant_id, batch_id);
	asked recall.policy := coalesce(given, (recall._task(tenant_id, batch.task_id)).policy);
BEGIN
	IF asked IS NULL THEN
		PERFORM recall._refuse(format('the recall policy of the task of batch %s is not enabled', batch_id),
			'Enable one with recall.set_policy(), or give a policy.');
	END IF;
	PERFORM recall._check_policy(tenant_id, asked);
	RETURN asked;
END $$;
COMMENT ON FUNCTION recall._policy_to_ask(int, bigint, recall.policy) IS
'The policy that is given, or else that of the batch''s task. Errors: 42501 no such batch; 55000 there is none; 22023 a business result that the tenant has not.';

CREATE FUNCTION recall.preview(tenant_id int, batch_id bigint, policy recall.policy DEFAULT NULL)
RETURNS TABLE (outcome text, verdict text, reason text, contacts bigint, earliest timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_nestloop = off SET enable_hashagg = off AS $$
#variable_conflict use_column
DECLARE
	asked recall.policy;
BEGIN
	PERFORM recall._require(preview.tenant_id, 'read');
	asked := recall._policy_to_ask(preview.tenant_id, preview.batch_id, preview.policy);
	RETURN QUERY
	SELECT p.outcome, p.verdict::text, p.reason, p.contacts, p.earliest
	FROM recall._preview(preview.tenant_id, preview.batch_id, asked, now()) p;
END $$;
COMMENT ON FUNCTION recall.preview(int, bigint, recall.policy) IS
'The confirmation page: how many contacts of a batch a recycle would recall now, by the outcome of their latest call, the verdict and the reason; the counts sum to the batch. policy: null = the task''s. earliest: the first due time. Right: read. Errors: 42501; 55000 no policy is enabled or given; 22023 a business result that the tenant has not.';
