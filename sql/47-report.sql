/*
 * Reporting: the dialer shows the permit's token, the permit goes, the completed call is appended, in one
 * transaction. Where the task recalls automatically, the contact is judged at once and gets its next permit.
 */

CREATE FUNCTION recall._refuse_token(tenant_id int, contact_id bigint, row_prefix text DEFAULT '') RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM recall.contact c
		WHERE c.tenant_id = _refuse_token.tenant_id AND c.contact_id = _refuse_token.contact_id)
	THEN
		PERFORM recall._deny(format('%scontact %s of tenant %s', row_prefix, coalesce(contact_id::text, 'null'), tenant_id));
	END IF;
	PERFORM recall._refuse(format('%sthe token is not that of a permit of contact %s', row_prefix, contact_id),
		'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.');
END $$;
COMMENT ON FUNCTION recall._refuse_token(int, bigint, text) IS
'Refuses a token that no permit of the contact has. Errors: 42501 there is no such contact; 55000.';

/* What recalls a contact without anybody asking for it: the same judgement as a recycle's. */
CREATE FUNCTION recall._renew(tenant_id int, contacts bigint[], at timestamptz, only_automatic boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
	renewed bigint;
BEGIN
	WITH judged AS MATERIALIZED (
		SELECT c.contact_id, c.batch_id, c.priority, t.task_id, t.calling_hours, n.holidays, coalesce(c.time_zone, n.time_zone) AS time_zone,
			recall.judge(t.policy,
				(SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
					FROM recall.call k
					WHERE k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id),
				c.numbers, coalesce(c.time_zone, n.time_zone),
				CASE WHEN EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _renew.tenant_id) THEN
					recall._suppressed_numbers(_renew.tenant_id, t.task_id, c.numbers, at) END,
				CASE WHEN recall._has_limits(t.policy, true) THEN recall._calls_to_numbers(_renew.tenant_id, c.numbers) END) AS judgement
		FROM recall.contact c
		JOIN recall.batch b ON b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		JOIN recall.tenant n ON n.tenant_id = t.tenant_id
		WHERE c.tenant_id = _renew.tenant_id AND c.contact_id = ANY (contacts)
		AND (t.auto_recall OR NOT only_automatic)
		AND n.obs_url_mode = 'http' AND t.task_type <> 'manual' AND t.policy IS NOT NULL
		AND t.state IN ('executing', 'suspended') AND b.state IN ('started', 'suspended')
	)
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	SELECT _renew.tenant_id, (j.judgement).attempts + 1, j.contact_id, j.task_id, j.batch_id, o.opens_at, j.priority, (j.judgement).number
	FROM judged j
	CROSS JOIN LATERAL recall.next_open(j.calling_hours, j.time_zone, (j.judgement).due_at, j.holidays) o(opens_at)
	WHERE (j.judgement).verdict = 'recall' AND o.opens_at IS NOT NULL
	AND ((j.judgement).due_at >= at OR recall.next_open(j.calling_hours, j.time_zone, at, j.holidays) IS NOT NULL)
	ORDER BY j.contact_id
	ON CONFLICT (tenant_id, contact_id) DO NOTHING;
	GET DIAGNOSTICS renewed = ROW_COUNT;
	RETURN renewed;
END $$;
COMMENT ON FUNCTION recall._renew(int, bigint[], timestamptz, boolean) IS
'Makes the next permit for those of some contacts that the task''s policy recalls and that have none; with only_automatic of tasks that recall automatically. Their batches are locked by the caller. Returns how many.';

CREATE FUNCTION recall._judge_permit(tenant_id int, contact_id bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial := recall._lock_permit(tenant_id, contact_id);
	contact recall.contact;
	policy recall.policy;
	time_zone text;
	judgement recall.judgement;
	admission recall._admission;
BEGIN
	IF permit.contact_id IS NULL THEN
		RETURN;
	ELSIF permit.state <> 'ready' THEN
		UPDATE recall.dial d SET is_outdated = true WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
		RETURN;
	END IF;
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = permit.tenant_id AND c.contact_id = permit.contact_id;
	SELECT coalesce(r.policy, t.policy), coalesce(contact.time_zone, n.time_zone) INTO policy, time_zone
	FROM recall.task t
	JOIN recall.tenant n ON n.tenant_id = t.tenant_id
	LEFT JOIN recall.recycle r ON r.tenant_id = t.tenant_id AND r.recycle_id = permit.recycle_id
	WHERE t.tenant_id = permit.tenant_id AND t.task_id = permit.task_id;
	IF permit.agent IS NOT NULL OR policy IS NULL THEN
		/* A promise needs no rule. */
		admission := recall._admission(permit.tenant_id, permit.task_id, permit.batch_id, permit.contact_id, contact.numbers, permit.number,
			time_zone, policy, NULL, at);
	ELSE
		judgement := recall.judge(policy, recall._own_calls(permit.tenant_id, permit.batch_id, permit.contact_id), contact.numbers, time_zone);
		admission := (judgement.number, judgement.due_at, CASE WHEN judgement.verdict <> 'recall' THEN judgement.reason END);
	END IF;

	IF admission.reason IS NULL THEN
		UPDATE recall.dial d SET number = admission.number, due_at = greatest(d.due_at, admission.not_before), is_outdated = false
		WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
	ELSE
		DELETE FROM recall.dial d WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
		PERFORM recall._forget_permits(permit.tenant_id, ARRAY[permit.contact_id], ARRAY[admission.reason], ARRAY[permit.recycle_id]);
	END IF;
END $$;
COMMENT ON FUNCTION recall._judge_permit(int, bigint, timestamptz) IS
'Brings a contact''s permit in line with its calls, one of which was corrected: its number and due time, or takes it out of the queue; one that is out, when it is released. The contact, or the permit, is locked by the caller.';

CREATE FUNCTION recall._report_again(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text, agent text, at timestamptz, row_prefix text)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch bigint := (SELECT c.batch_id FROM recall.contact c
		WHERE c.tenant_id = _report_again.tenant_id AND c.contact_id = _report_again.contact_id);
	assumed recall.failure_cause := (SELECT k.failure_cause FROM recall.call k
		WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
		AND k.token = _report_again.token);
	corrected recall.call;
	fault text;
BEGIN
	UPDATE recall.call k
	SET failure_cause = _report_again.failure_cause, business_result = _report_again.business_result,
		started_at = coalesce(_report_again.started_at, least(k.started_at, _report_again.ended_at)),
		ended_at = coalesce(_report_again.ended_at, greatest(k.ended_at, _report_again.started_at)),
		raw_code = _report_again.raw_code, agent = _report_again.agent, assumed = false
	WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
	AND k.token = _report_again.token AND k.assumed
	RETURNING * INTO corrected;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM recall.call k
			WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
			AND k.token = _report_again.token)
		THEN
			RETURN 'duplicate';
		END IF;
		PERFORM recall._refuse_token(tenant_id, contact_id, row_prefix);
	END IF;

	fault := CASE
		WHEN corrected.business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
			WHERE b.tenant_id = _report_again.tenant_id AND b.code = corrected.business_result) THEN 'result'
		WHEN NOT recall._times_in_order(corrected.started_at, corrected.ended_at, at) THEN 'times'
		END;
	IF fault IS NOT NULL THEN
		PERFORM recall._raise_call_fault(tenant_id, fault, row_prefix, contact_id, NULL, corrected.business_result,
			corrected.started_at, corrected.ended_at);
	END IF;
	IF corrected.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(tenant_id, corrected.recycle_id, 0, (corrected.failure_cause IS NULL)::int - (assumed IS NULL)::int);
	END IF;
	PERFORM recall._log(tenant_id, 'contact', contact_id::text, 'correct', detail => jsonb_strip_nulls(jsonb_build_object(
		'attempt', corrected.attempt, 'assumed', assumed, 'failure_cause', failure_cause, 'business_result', business_result)));
	PERFORM recall._judge_permit(tenant_id, contact_id, at);
	PERFORM recall._renew(tenant_id, ARRAY[contact_id], at, true);
	RETURN 'recorded';
END $$;
COMMENT ON FUNCTION recall._report_again(int, bigint, bigint, recall.failure_cause, text, timestamptz, timestamptz, text, text, timestamptz, text) IS
'A report whose permit is gone: it corrects a call whose outcome was assumed, or was made before. The contact is locked by the caller. Errors: 42501; 55000; 22023.';

/*
 * Whoever appends or corrects a contact's call has the contact: by deleting its permit, which only one can, or, where
 * it has none, by this. The permits of whatever else it has to do with are locked with it, in the documented order.
 */
CREATE FUNCTION recall._lock_contacts(tenant_id int, contacts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._lock_batch(_lock_contacts.tenant_id, b.batch_id, false)
	FROM (SELECT DISTINCT c.batch_id FROM recall.contact c
		WHERE c.tenant_id = _lock_contacts.tenant_id AND c.contact_id = ANY (contacts) ORDER BY c.batch_id) b;
	PERFORM FROM recall.contact c
	WHERE c.tenant_id = _lock_contacts.tenant_id AND c.contact_id = ANY (contacts)
	ORDER BY c.contact_id
	FOR NO KEY UPDATE;
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _lock_contacts.tenant_id AND d.contact_id = ANY (contacts)
	ORDER BY d.contact_id
	FOR UPDATE;
END $$;
COMMENT ON FUNCTION recall._lock_contacts(int, bigint[]) IS
'Locks the batches of some contacts together with others, then the contacts, then their permits.';

CREATE FUNCTION recall._lock_automatic_batches(tenant_id int, contacts bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	batches int;
BEGIN
	IF NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = _lock_automatic_batches.tenant_id AND t.auto_recall) THEN
		RETURN false;
	END IF;
	/* The others' too, as they may have to be locked later, and all are in one order. */
	PERFORM recall._lock_batch(_lock_automatic_batches.tenant_id, b.batch_id, false)
	FROM (
		SELECT c.batch_id
		FROM (
			SELECT k.batch_id, bool_or(t.auto_recall) OVER () AS is_automatic
			FROM recall.contact k
			JOIN recall.batch b ON b.tenant_id = k.tenant_id AND b.batch_id = k.batch_id
			JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
			WHERE k.tenant_id = _lock_automatic_batches.tenant_id AND k.contact_id = ANY (contacts)
		) c
		WHERE c.is_automatic
		GROUP BY c.batch_id
		ORDER BY c.batch_id
	) b;
	GET DIAGNOSTICS batches = ROW_COUNT;
	RETURN batches > 0;
END $$;
COMMENT ON FUNCTION recall._lock_automatic_batches(int, bigint[]) IS
'Locks, together with others, the batches of some contacts when the task of any of them recalls automatically, and tells whether one does.';

CREATE FUNCTION recall._check_reports(
	tenant_id int, contact_ids bigint[], business_results text[], started_at timestamptz[], ended_at timestamptz[], raw_codes text[],
	agents text[], at timestamptz, tells_row boolean)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	SELECT g.*, t.is_in_order INTO bad
	FROM ROWS FROM (unnest(contact_ids), unnest(business_results), unnest(_check_reports.started_at), unnest(_check_reports.ended_at),
		unnest(raw_codes), unnest(agents)) WITH ORDINALITY AS g(contact_id, business_result, started_at, ended_at, raw_code, agent, place)
	CROSS JOIN LATERAL (SELECT recall._times_in_order(coalesce(g.started_at, least(g.ended_at, at)),
		coalesce(g.ended_at, greatest(g.started_at, at)), at) AS is_in_order) t
	WHERE NOT t.is_in_order OR NOT recall._is_short(g.raw_code, g.agent)
	OR g.business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
		WHERE b.tenant_id = _check_reports.tenant_id AND b.code = g.business_result COLLATE "default")
	ORDER BY g.place
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._raise_call_fault(_check_reports.tenant_id,
			CASE WHEN NOT bad.is_in_order THEN 'times' WHEN recall._is_short(bad.raw_code, bad.agent) THEN 'result' ELSE 'text' END,
			CASE WHEN tells_row THEN format('report %s: ', bad.place) ELSE '' END, bad.contact_id, NULL, bad.business_result,
			coalesce(bad.started_at, least(bad.ended_at, at)), coalesce(bad.ended_at, greatest(bad.started_at, at)));
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_reports(int, bigint[], text[], timestamptz[], timestamptz[], text[], text[], timestamptz, boolean) IS
'Raises 22023 for the first report whose business result the tenant has not, whose times are out of order, or whose raw code or agent is too long.';

CREATE FUNCTION recall._use_permits(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], at timestamptz)
RETURNS bigint[]
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_use_permits';
COMMENT ON FUNCTION recall._use_permits(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[], timestamptz) IS
'Turns the permits whose tokens are given into completed calls, where nothing is wrong with what is reported, and returns the places of those.';

CREATE FUNCTION recall._report(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], tells_row boolean)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	is_automatic boolean := recall._lock_automatic_batches(tenant_id, contact_ids);
	used bigint[];
	i int;
	outcomes text[] := array_fill('recorded'::text, ARRAY[cardinality(contact_ids)]);
BEGIN
	BEGIN
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		IF cardinality(used) < cardinality(contact_ids) THEN
			RAISE object_in_use; -- undo it: what has to do with calls that were made takes other locks first
		END IF;
	EXCEPTION WHEN object_in_use THEN
		PERFORM recall._check_reports(tenant_id, contact_ids, business_results, started_at, ended_at, raw_codes, agents, at, tells_row);
		PERFORM recall._lock_contacts(tenant_id, contact_ids);
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		FOR i IN SELECT g.i FROM generate_series(1, cardinality(contact_ids)) g(i) EXCEPT SELECT u.place FROM unnest(used) u(place) ORDER BY 1 LOOP
			outcomes[i] := recall._report_again(tenant_id, contact_ids[i], tokens[i], failure_causes[i], business_results[i],
				started_at[i], ended_at[i], raw_codes[i], agents[i], at, CASE WHEN tells_row THEN format('report %s: ', i) ELSE '' END);
		END LOOP;
	END;
	IF is_automatic THEN
		PERFORM recall._renew(tenant_id, ARRAY(SELECT contact_ids[u.place] FROM unnest(used) u(place)), at, true);
	END IF;
	RETURN outcomes;
END $$;
COMMENT ON FUNCTION recall._report(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[], boolean) IS
'Reports calls, all or none: the permits with these tokens go and the calls are appended; returns what became of each. tells_row: errors say which of them it was. Errors as of recall.report().';

CREATE FUNCTION recall.report(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text DEFAULT NULL, agent text DEFAULT NULL)
RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report';
COMMENT ON FUNCTION recall.report(int, bigint, bigint, recall.failure_cause, text, timestamptz, timestamptz, text, text) IS
'Reports how a claimed call ended: appends the completed call and uses up the permit whose token it is. failure_cause: null = answered, recall.failure_cause() finds it from an outside code; business_result: one of the tenant''s codes, or null; started_at <= ended_at <= now + 5 min, null = since the claim, until now; raw_code: the outcome as the outside system wrote it; agent: who spoke; up to 200 characters each. Returns "recorded", also when the lease had run out and when it corrects a call whose outcome was assumed meanwhile; or "duplicate" when this token was reported before: then nothing changes. Where the task recalls automatically, the contact''s next permit is made. Right: dial. Errors: 42501; 22023 an unknown result, times out of order, a text too long; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall._report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[])
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reports int := cardinality(contact_ids);
	dimensions text := format('[1:%s]', reports);
BEGIN
	IF reports = 0 AND cardinality(tokens) = 0 THEN
		RETURN;
	ELSIF reports > 10000 THEN
		PERFORM recall._invalid(format('%s reports are too many', reports), 'Report up to 10000 calls at a time.');
	ELSIF (array_dims(contact_ids) = dimensions AND array_dims(tokens) = dimensions) IS NOT TRUE
		OR reports <> ANY (ARRAY[cardinality(failure_causes), cardinality(business_results), cardinality(started_at), cardinality(ended_at),
			cardinality(raw_codes), cardinality(agents)])
		OR dimensions <> ANY (ARRAY[array_dims(failure_causes), array_dims(business_results), array_dims(started_at), array_dims(ended_at),
			array_dims(raw_codes), array_dims(agents)])
	THEN
		PERFORM recall._invalid('the arrays of the reports differ in length', 'Each has an element for each report, counted from 1, or is null.');
	END IF;
	RETURN QUERY SELECT r.*
	FROM ROWS FROM (unnest(contact_ids), unnest(recall._report(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at,
		ended_at, raw_codes, agents, true))) r;
END $$;
COMMENT ON FUNCTION recall._report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) IS
'Reports calls of which something is to be asked, or refuses them. Errors as of recall.report_many().';

CREATE FUNCTION recall.report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[] DEFAULT NULL, agents text[] DEFAULT NULL)
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report_many';
COMMENT ON FUNCTION recall.report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) IS
'Reports up to 10 000 calls as recall.report() does, all or none, one in each place of the arrays; a null array is one of nulls. Returns a row for each, in their order, with "recorded" or "duplicate". Right: dial. Errors: as of recall.report(), naming the first bad report; 22023 also arrays of different lengths, or too many.';
