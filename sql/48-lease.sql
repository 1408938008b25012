/*
 * Leases: prolonging one, giving the permit back, and what becomes of those that ran out. A call cannot be taken
 * back, so a permit whose dialer went silent is of unknown outcome until somebody settles it: the dialer's late
 * report, a person, or a rule for the cause "unknown" of the task's policy.
 */

CREATE FUNCTION recall._expire_leases(tenant_id int, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	start record;
	places tid[];
	rested text;
BEGIN
	/* There is no index for it: few permits are out at a time, and a long walk is not made often. */
	start := recall._begin_walk('recall.dial_number_out', tenant_id, 0, at);
	IF start.priority IS NOT NULL THEN
		RETURN 0;
	END IF;
	places := ARRAY(
		SELECT d.ctid
		FROM recall.dial d
		WHERE d.tenant_id = _expire_leases.tenant_id AND d.state <> 'ready' AND d.state = 'claimed' AND d.lease_until <= at
		FOR UPDATE SKIP LOCKED);
	rested := recall._rest('100 ms');
	IF places <> '{}' THEN
		UPDATE recall.dial d SET state = 'unknown' WHERE d.ctid = ANY (places);
	END IF;
	RETURN cardinality(places);
END $$;
COMMENT ON FUNCTION recall._expire_leases(int, timestamptz) IS
'Makes the outcome of a tenant''s permits unknown whose lease has run out at an instant, and returns how many they were.';

CREATE FUNCTION recall.extend(tenant_id int, contact_id bigint, token bigint, lease interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	may_extend boolean := recall._require(tenant_id, 'dial');
	term interval := recall._check_lease(lease);
	extended timestamptz;
BEGIN
	UPDATE recall.dial d SET state = 'claimed', lease_until = clock_timestamp() + term
	WHERE d.tenant_id = extend.tenant_id AND d.contact_id = extend.contact_id AND d.token = extend.token
	RETURNING d.lease_until INTO extended;
	IF NOT FOUND THEN
		PERFORM recall._refuse_token(tenant_id, contact_id);
	END IF;
	RETURN extended;
END $$;
COMMENT ON FUNCTION recall.extend(int, bigint, bigint, interval) IS
'Gives a claimed permit a new lease from now on, 1 second to 1 day, and returns its end; also one whose lease has run out, as long as nobody has settled it. Right: dial. Errors: 42501; 22023 the lease; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall.release(tenant_id int, contact_id bigint, token bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial;
	why_gone text;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._lock_batch(c.tenant_id, c.batch_id, false)
	FROM recall.contact c WHERE c.tenant_id = release.tenant_id AND c.contact_id = release.contact_id;
	UPDATE recall.dial d SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
	WHERE d.tenant_id = release.tenant_id AND d.contact_id = release.contact_id AND d.token = release.token
	RETURNING * INTO permit;
	IF NOT FOUND THEN
		PERFORM recall._refuse_token(tenant_id, contact_id);
	END IF;

	/* What was ended while the permit was out would have taken it back, had it been there. */
	why_gone := CASE
		WHEN (recall._batch(tenant_id, permit.batch_id)).state = 'finished' THEN 'the batch is finished'
		WHEN EXISTS (SELECT FROM recall.recycle r
			WHERE r.tenant_id = release.tenant_id AND r.recycle_id = permit.recycle_id AND r.state = 'cancelled') THEN 'the recycle was cancelled'
		END;
	IF why_gone IS NOT NULL THEN
		DELETE FROM recall.dial d WHERE d.tenant_id = release.tenant_id AND d.contact_id = release.contact_id;
		PERFORM recall._forget_permits(tenant_id, ARRAY[contact_id], ARRAY[why_gone], ARRAY[permit.recycle_id]);
	ELSIF permit.is_outdated THEN
		PERFORM recall._judge_permit(tenant_id, contact_id, clock_timestamp());
	END IF;
END $$;
COMMENT ON FUNCTION recall.release(int, bigint, bigint) IS
'Gives a claimed permit back undialled: it is ready again, in its old place, or gone when its batch was finished, its recycle cancelled or an earlier call corrected meanwhile so that it is not called any more. Also one whose lease has run out, when it was certainly not dialled. Right: dial. Errors: 42501; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall._assume(permits recall.dial[], failure_cause recall.failure_cause, business_result text) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at, failure_cause, number,
		business_result, token, assumed)
	SELECT p.tenant_id, p.attempt, p.batch_id, p.contact_id, p.recycle_id, p.claimed_at, greatest(p.claimed_at, p.lease_until), pg_catalog.clock_timestamp(),
		_assume.failure_cause, p.number, _assume.business_result, p.token, true
	FROM pg_catalog.unnest(permits) p;

	SELECT recall._tally(r.tenant_id, r.recycle_id, r.permits, CASE WHEN _assume.failure_cause IS NULL THEN r.permits ELSE 0 END)
	FROM (SELECT p.tenant_id, p.recycle_id, count(*) AS permits FROM pg_catalog.unnest(permits) p
		WHERE p.recycle_id IS NOT NULL GROUP BY p.tenant_id, p.recycle_id ORDER BY p.tenant_id, p.recycle_id) r;
END;
COMMENT ON FUNCTION recall._assume(recall.dial[], recall.failure_cause, text) IS
'Appends the calls of permits that are gone, whose outcome nobody reported, as if they had ended so when the lease did.';

CREATE FUNCTION recall.resolve(tenant_id int, contact_id bigint, failure_cause recall.failure_cause, business_result text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := clock_timestamp();
	batch bigint;
	permit recall.dial;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._check_reports(tenant_id, ARRAY[contact_id], ARRAY[business_result], NULL, NULL, NULL, NULL, at, false);
	SELECT c.batch_id INTO batch FROM recall.contact c WHERE c.tenant_id = resolve.tenant_id AND c.contact_id = resolve.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(contact_id::text, 'null'), tenant_id));
	END IF;
	PERFORM recall._lock_batch(tenant_id, batch, false);
	DELETE FROM recall.dial d
	WHERE d.tenant_id = resolve.tenant_id AND d.contact_id = resolve.contact_id
	AND (d.state = 'unknown' OR d.state = 'claimed' AND d.lease_until <= at)
	RETURNING * INTO permit;
	IF NOT FOUND THEN
		PERFORM recall._refuse(format('contact %s has no call of unknown outcome', contact_id),
			'Only a call whose lease has run out without a report can be settled; what is out within its lease is reported by its dialer.');
	END IF;
	PERFORM recall._assume(ARRAY[permit], failure_cause, business_result);
	PERFORM recall._renew(tenant_id, ARRAY[contact_id], at, true);
	PERFORM recall._log(tenant_id, 'contact', contact_id::text, 'resolve',
		detail => jsonb_strip_nulls(jsonb_build_object('attempt', permit.attempt, 'failure_cause', failure_cause, 'business_result', business_result)));
	RETURN permit.attempt;
END $$;
COMMENT ON FUNCTION recall.resolve(int, bigint, recall.failure_cause, text) IS
'Settles a call of unknown outcome, one whose lease ran out without a report: appends it as completed, from its claim to the end of its lease, and returns the attempt. failure_cause: null = answered; business_result: one of the tenant''s codes, or null. A report of its dialer that still comes corrects it. Where the task recalls automatically, the contact''s next permit is made. Right: dial. Errors: 42501; 22023 an unknown result; 55000 the contact has no such call.';

/* The processor's part. A rule for the cause "unknown" says that the attempt counts and the contact may be rung again. */

CREATE FUNCTION recall._may_settle(tenant_id int, batch_id bigint) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (SELECT
		FROM recall.batch b
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		JOIN recall.tenant n ON n.tenant_id = b.tenant_id
		WHERE b.tenant_id = _may_settle.tenant_id AND b.batch_id = _may_settle.batch_id
		AND recall.matches(t.policy, 'unknown', NULL)
		AND n.obs_url_mode = 'http' AND t.task_type <> 'manual' AND t.state IN ('executing', 'suspended') AND b.state IN ('started', 'suspended'));
END;
COMMENT ON FUNCTION recall._may_settle(int, bigint) IS
'Whether the policy of a batch''s task has a rule for calls of unknown outcome, and may be followed.';

/* From batch to batch, so that permits which nobody settles cost one step for a batch, however many they are. */
CREATE FUNCTION recall._unsettled_batch(INOUT tenant_id int, INOUT batch_id bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
BEGIN
	LOOP
		SELECT d.tenant_id, d.batch_id INTO tenant_id, batch_id FROM recall.dial d
		WHERE d.state = 'unknown' AND (d.tenant_id, d.batch_id) > (tenant_id, batch_id)
		ORDER BY d.tenant_id, d.batch_id
		LIMIT 1;
		EXIT WHEN NOT FOUND OR recall._may_settle(tenant_id, batch_id);
	END LOOP;
END $$;
COMMENT ON FUNCTION recall._unsettled_batch(int, bigint) IS
'The next batch behind another with calls of unknown outcome whose task''s policy has a rule for them; nulls: there is none.';

CREATE FUNCTION recall._settle_batch(tenant_id int, batch_id bigint, most int, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
#variable_conflict use_column
DECLARE
	permits recall.dial[];
BEGIN
	IF NOT recall._lock('batch', _settle_batch.tenant_id, _settle_batch.batch_id, false, false) THEN
		RETURN 0; -- somebody has it alone; the next run settles it
	END IF;
	WITH unsettled AS MATERIALIZED (
		SELECT d.contact_id FROM recall.dial d
		WHERE d.tenant_id = _settle_batch.tenant_id AND d.batch_id = _settle_batch.batch_id AND d.state = 'unknown'
		ORDER BY d.contact_id
		LIMIT most
		FOR UPDATE SKIP LOCKED
	), gone AS (
		DELETE FROM recall.dial d USING unsettled u
		WHERE d.tenant_id = _settle_batch.tenant_id AND d.contact_id = u.contact_id
		RETURNING d.contact_id, d AS permit
	)
	SELECT array_agg(g.permit ORDER BY g.contact_id) INTO permits FROM gone g;
	IF permits IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM recall._assume(permits, 'unknown', NULL);
	PERFORM recall._log(_settle_batch.tenant_id, 'batch', _settle_batch.batch_id::text, 'settle',
		detail => jsonb_build_object('calls', cardinality(permits)));
	PERFORM recall._renew(_settle_batch.tenant_id, ARRAY(SELECT p.contact_id FROM unnest(permits) p), at, false);
	RETURN cardinality(permits);
END $$;
COMMENT ON FUNCTION recall._settle_batch(int, bigint, int, timestamptz) IS
'Books up to so many of a batch''s calls of unknown outcome as calls of the cause "unknown" and makes the next permits of those that the policy recalls; returns how many it booked. Raises lock_not_available when somebody keeps what it needs.';

/* So many of each tenant, so that one that has many of them does not keep the others waiting. */
CREATE FUNCTION recall._expire(run bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	expired_permits bigint;
BEGIN
	PERFORM recall._require_no_source();
	WITH ran_out AS MATERIALIZED (
		SELECT d.place
		FROM recall.tenant n
		CROSS JOIN LATERAL (
			SELECT i.ctid AS place FROM recall.dial i
			WHERE i.tenant_id = n.tenant_id AND i.state <> 'ready' AND i.state = 'claimed' AND i.lease_until <= at
			LIMIT CASE WHEN recall._others_wait(n.tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END
			FOR UPDATE SKIP LOCKED
		) d
	), made_unknown AS (
		UPDATE recall.dial d SET state = 'unknown' FROM ran_out r WHERE d.ctid = r.place RETURNING 1
	)
	SELECT count(*) INTO expired_permits FROM made_unknown;
	UPDATE recall.tick t SET expired = t.expired + expired_permits WHERE t.tick_id = run;
	RETURN expired_permits;
END $$;
COMMENT ON FUNCTION recall._expire(bigint) IS
'A step of process(): makes the outcome of some of each tenant''s permits unknown whose lease has run out, and returns how many. Called alone it does a part of a run, and no harm. Errors: 55000 while a bulk source is read.';

CREATE FUNCTION recall._settle(run bigint, INOUT tenant_id int, INOUT batch_id bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
	settled bigint;
	most int;
BEGIN
	PERFORM recall._require_no_source();
	PERFORM recall._require_read_committed();
	IF NOT recall._history_is_accepted() THEN
		tenant_id := NULL; -- the report may have been lost on the way to this copy: nothing is assumed of it yet
		batch_id := NULL;
		RETURN;
	END IF;
	SELECT u.tenant_id, u.batch_id INTO tenant_id, batch_id FROM recall._unsettled_batch(tenant_id, batch_id) u;
	IF tenant_id IS NULL THEN
		RETURN;
	END IF;
	most := CASE WHEN recall._others_wait(tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END;
	BEGIN
		settled := recall._settle_batch(tenant_id, batch_id, most, clock_timestamp());
	EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
		settled := 0; -- the next run settles it
	WHEN OTHERS THEN
		settled := 0;
		RAISE WARNING 'calls of unknown outcome of batch % of tenant % could not be settled: %', batch_id, tenant_id, left(SQLERRM, 1000);
	END;
	UPDATE recall.tick t SET assumed = t.assumed + settled WHERE t.tick_id = run;
	more := settled = most;
END $$;
COMMENT ON FUNCTION recall._settle(bigint, int, bigint) IS
'A step of process(): takes the next batch behind the given one that has calls of unknown outcome and a rule for them, books some of them, and returns that batch and whether it may have more, nulls when there was none, or while claims are held. What cannot be booked is left to the next run: somebody keeps what it needs, or it fails, of which a WARNING tells. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED, or while a bulk source is read.';
