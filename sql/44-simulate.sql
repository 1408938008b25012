/*
 * What another policy would do, and what it would have done with the calls on record: after each call it is asked
 * whether there is another one; from where it says no, the real calls would not have been made. Times play no part:
 * a call that the policy makes later is taken to end as the real one did.
 */

CREATE FUNCTION recall._require_simulation(tenant_id int, batch_id bigint, policy recall.policy) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	IF policy IS NULL THEN
		PERFORM recall._invalid('there is no policy to simulate', 'Give one, such as ''failed; limit 5''.');
	END IF;
	PERFORM recall._batch(tenant_id, batch_id);
	PERFORM recall._check_policy(tenant_id, policy);
END $$;
COMMENT ON FUNCTION recall._require_simulation(int, bigint, recall.policy) IS
'What simulating asks for: the right, a policy, a batch. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';

CREATE FUNCTION recall.simulate(tenant_id int, batch_id bigint, policy recall.policy)
RETURNS TABLE (outcome text, verdict text, reason text, contacts bigint, earliest timestamptz, calls bigint, made bigint,
	saved bigint, missed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_nestloop = off SET enable_hashagg = off AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_simulation(simulate.tenant_id, simulate.batch_id, simulate.policy);
	RETURN QUERY
	SELECT p.outcome, p.verdict::text, p.reason, p.contacts, p.earliest, p.calls, p.made, p.calls - p.made, p.missed
	FROM recall._preview(simulate.tenant_id, simulate.batch_id, simulate.policy, now()) p;
END $$;
COMMENT ON FUNCTION recall.simulate(int, bigint, recall.policy) IS
'The preview that a policy would give, and what the policy would have done with the calls on record. calls: those of the row''s contacts; made: how many of them the policy would have made; saved: the others; missed: contacts whose latest call, the one with this outcome, would not have been made. A call that is made later than it really was is taken to end the same. Right: read. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';

CREATE FUNCTION recall.simulate_attempts(tenant_id int, batch_id bigint, policy recall.policy)
RETURNS TABLE (attempt int, outcome text, calls bigint, share numeric, made bigint, missed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_simulation(simulate_attempts.tenant_id, simulate_attempts.batch_id, simulate_attempts.policy);
	RETURN QUERY
	SELECT k.attempt, recall._outcome(k.failure_cause, k.business_result), count(*),
		round(count(*) / sum(count(*)) OVER (PARTITION BY k.attempt), 4),
		count(*) FILTER (WHERE k.attempt <= j.made), count(*) FILTER (WHERE k.attempt > j.made)
	FROM recall._judge(simulate_attempts.tenant_id, simulate_attempts.batch_id, simulate_attempts.policy, now()) j
	JOIN recall.call k ON k.contact_id = j.contact_id
	WHERE k.tenant_id = simulate_attempts.tenant_id AND k.batch_id = simulate_attempts.batch_id
	GROUP BY k.attempt, k.failure_cause, k.business_result
	ORDER BY k.attempt, count(*) DESC, 2;
END $$;
COMMENT ON FUNCTION recall.simulate_attempts(int, bigint, recall.policy) IS
'What a policy would have done with the calls on record, attempt by attempt: calls with each outcome, their share of the attempt''s calls (0 to 1), how many the policy would have made, and how many it would have missed. The successes that a lower limit costs are the missed calls of their outcome; what it saves are all missed calls. Right: read. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';
