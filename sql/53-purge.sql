/*
 * Data that is not needed any more: a batch that is over goes with its contacts, calls and records. What counts "per
 * number" in a policy counts the calls of all batches, so calls go when nothing counts them any more, or by force.
 */

CREATE FUNCTION recall._counting_policies(tenant_id int) RETURNS SETOF recall.policy
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT t.policy FROM recall.task t
	WHERE t.tenant_id = _counting_policies.tenant_id AND t.state <> 'completed' AND t.policy IS NOT NULL
	UNION ALL
	SELECT r.policy FROM recall.recycle r
	JOIN recall.batch b ON b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id
	WHERE r.tenant_id = _counting_policies.tenant_id AND b.state <> 'finished';
END;
COMMENT ON FUNCTION recall._counting_policies(int) IS
'The policies by which a tenant may still call somebody: those of tasks that are not completed, and of the recycle records of batches that are not finished.';

/* A calendar day may be the one of yesterday in the callee's zone. */
CREATE FUNCTION recall._counted_for(tenant_id int) RETURNS interval
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT max(coalesce(l.per, CASE WHEN l.calendar_day THEN interval '2 days' ELSE interval '1000 years' END))
	FROM recall._counting_policies(_counted_for.tenant_id) p(policy)
	CROSS JOIN LATERAL recall.policy_limits(p.policy) l
	WHERE l.per_number;
END;
COMMENT ON FUNCTION recall._counted_for(int) IS
'For how long a tenant''s policies count a call per number, a thousand years for those that count all calls; null: they count none.';

/* Contacts of a batch were mostly added together, so their range holds few others. */
CREATE FUNCTION recall._permits_of(tenant_id int, batch_id bigint) RETURNS SETOF recall.dial
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT d.* FROM recall.dial d
	WHERE d.tenant_id = _permits_of.tenant_id AND d.batch_id = _permits_of.batch_id
	AND d.contact_id >= (SELECT min(c.contact_id) FROM recall.contact c
		WHERE c.tenant_id = _permits_of.tenant_id AND c.batch_id = _permits_of.batch_id)
	AND d.contact_id <= (SELECT max(c.contact_id) FROM recall.contact c
		WHERE c.tenant_id = _permits_of.tenant_id AND c.batch_id = _permits_of.batch_id);
END;
COMMENT ON FUNCTION recall._permits_of(int, bigint) IS 'The permits of a batch''s contacts.';

CREATE FUNCTION recall._purge_fault(batch recall.batch, force boolean, at timestamptz, OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
	task_state recall.task_state := (SELECT t.state FROM recall.task t WHERE t.tenant_id = batch.tenant_id AND t.task_id = batch.task_id);
	counted_for interval;
	latest timestamptz;
BEGIN
	IF batch.state IN ('started', 'suspended') THEN
		message := format('batch %s is in state "%s"', batch.batch_id, batch.state);
		hint := 'Finish it with recall.finish_batch().';
	ELSIF EXISTS (SELECT FROM recall._permits_of(batch.tenant_id, batch.batch_id)) THEN
		message := format('contacts of batch %s are out with a dialer, or their outcome is unknown', batch.batch_id);
		hint := 'See recall.permit; what is out is reported, and what is unknown settled with recall.resolve().';
	ELSIF force IS NOT TRUE THEN
		counted_for := recall._counted_for(batch.tenant_id);
		IF counted_for IS NOT NULL THEN
			SELECT max(k.ended_at) INTO latest FROM recall.call k WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id;
		END IF;
		IF latest + counted_for > at THEN
			message := format('calls of batch %s are counted by a limit or quiet per number, %s', batch.batch_id,
				CASE WHEN counted_for > interval '999 years' THEN 'for good' ELSE 'until ' || latest + counted_for END);
			hint := CASE WHEN counted_for > interval '999 years' THEN 'Complete' ELSE 'Purge it then, or complete' END
				|| ' the tasks whose policies count them, or give force => true: they are counted no more.';
		END IF;
	END IF;
END $$;
COMMENT ON FUNCTION recall._purge_fault(recall.batch, boolean, timestamptz) IS
'Why a batch cannot be purged, and what to do about it; a null message: it can.';

CREATE FUNCTION recall._purge(batch recall.batch, OUT contacts bigint, OUT calls bigint, OUT records bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off SET gin_fuzzy_search_limit = 0 AS $$
#variable_conflict use_column
DECLARE
	erased text[];
BEGIN
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	FROM recall.contact c
	WHERE e.tenant_id = batch.tenant_id AND e.kind = 'contact' AND e.detail IS NOT NULL
	AND c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id AND c.contact_id::text = e.record_id;
	IF EXISTS (SELECT FROM recall.erasure_key k WHERE k.tenant_id = batch.tenant_id) THEN
		erased := recall._erased_numbers(batch.tenant_id, ARRAY(SELECT unnest(c.numbers) FROM recall.contact c
			WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id));
	END IF;

	DELETE FROM recall.call k WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id;
	GET DIAGNOSTICS calls = ROW_COUNT;
	DELETE FROM recall.contact c WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id;
	GET DIAGNOSTICS contacts = ROW_COUNT;
	DELETE FROM recall.recycle_tally y USING recall.recycle r
	WHERE r.tenant_id = batch.tenant_id AND r.batch_id = batch.batch_id AND y.tenant_id = r.tenant_id AND y.recycle_id = r.recycle_id;
	DELETE FROM recall.recycle r WHERE r.tenant_id = batch.tenant_id AND r.batch_id = batch.batch_id;
	GET DIAGNOSTICS records = ROW_COUNT;
	DELETE FROM recall.batch b WHERE b.tenant_id = batch.tenant_id AND b.batch_id = batch.batch_id;

	/* Numbers that were erased before, and are in the database no more, need only their hashes. */
	IF erased <> '{}' THEN
		PERFORM recall._forget_numbers(batch.tenant_id, ARRAY(
			SELECT n.number FROM unnest(erased) n(number)
			WHERE NOT EXISTS (SELECT FROM recall._owners(batch.tenant_id, ARRAY[n.number]))));
	END IF;
	PERFORM recall._log(batch.tenant_id, 'batch', batch.batch_id::text, 'purge',
		detail => jsonb_build_object('task_id', batch.task_id, 'contacts', contacts, 'calls', calls, 'records', records));
END $$;
COMMENT ON FUNCTION recall._purge(recall.batch) IS
'Removes a batch that is locked and has no permits, with its contacts, calls, records and their counts; the particulars of its contacts'' events too.';

CREATE FUNCTION recall._lock_over_batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
BEGIN
	PERFORM recall._lock_press(tenant_id, batch_id);
	PERFORM FROM recall.recycle r
	WHERE r.tenant_id = _lock_over_batch.tenant_id AND r.batch_id = _lock_over_batch.batch_id
	ORDER BY r.recycle_id
	FOR UPDATE;
	PERFORM recall._lock_batch(tenant_id, batch_id, true);
	/* What is being reported is waited for: its call is one of the batch's by then. */
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _lock_over_batch.tenant_id
	AND d.contact_id = ANY (ARRAY(SELECT p.contact_id FROM recall._permits_of(_lock_over_batch.tenant_id, _lock_over_batch.batch_id) p))
	FOR UPDATE;
	RETURN recall._batch(tenant_id, batch_id);
END $$;
COMMENT ON FUNCTION recall._lock_over_batch(int, bigint) IS
'A batch, locked so that nobody adds, calls, judges, reports or recycles anything of it. Errors: 42501.';

CREATE FUNCTION recall.purge_batch(tenant_id int, batch_id bigint, force boolean DEFAULT false,
	OUT contacts bigint, OUT calls bigint, OUT records bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_variable
DECLARE
	may_purge boolean := recall._require(tenant_id, 'manage');
	batch recall.batch := recall._lock_over_batch(tenant_id, batch_id);
	fault record;
BEGIN
	SELECT * INTO fault FROM recall._purge_fault(batch, force, clock_timestamp());
	IF fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	SELECT p.contacts, p.calls, p.records INTO contacts, calls, records FROM recall._purge(batch) p;
END $$;
COMMENT ON FUNCTION recall.purge_batch(int, bigint, boolean) IS
'Removes a batch that is finished, or was never started, with its contacts, calls and recycle records, and returns how many; its events stay, those of its contacts without particulars. Not while one of its calls is out or of unknown outcome, nor, without force, while a policy of the tenant counts its calls per number: that of a task that is not completed, or of a recycle of a batch that is not finished. In one transaction; cancelled, it has done nothing. Right: manage. Errors: 42501; 55000 the batch is not finished, calls are out, or are counted.';

/* Retention: everything that is old enough, and why the rest stays. */

CREATE FUNCTION recall._over_batches(tenant_id int, older_than timestamptz)
RETURNS TABLE (batch_id bigint, name text, contacts bigint, calls bigint, records bigint, last_used timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH over AS MATERIALIZED (
		SELECT b.batch_id, b.name, e.at AS ended_at
		FROM recall.batch b
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		LEFT JOIN (
			SELECT concat_ws(' ', i.kind, i.record_id) AS record, max(i.at) AS at FROM recall.event i
			WHERE i.tenant_id = _over_batches.tenant_id AND i.kind IN ('batch', 'task')
			GROUP BY i.kind, i.record_id
		) e ON e.record = CASE b.state WHEN 'finished' THEN concat_ws(' ', 'batch', b.batch_id) ELSE concat_ws(' ', 'task', b.task_id) END
		WHERE b.tenant_id = _over_batches.tenant_id AND (b.state = 'finished' OR b.state = 'created' AND t.state = 'completed')
		AND coalesce(e.at < older_than, true)
	), called AS (
		SELECT k.batch_id, count(*) AS calls, max(k.ended_at) AS last_call FROM recall.call k
		WHERE k.tenant_id = _over_batches.tenant_id AND k.batch_id IN (SELECT o.batch_id FROM over o)
		GROUP BY k.batch_id
	)
	SELECT o.batch_id, o.name,
		(SELECT count(*) FROM recall.contact c WHERE c.tenant_id = _over_batches.tenant_id AND c.batch_id = o.batch_id),
		coalesce(k.calls, 0),
		(SELECT count(*) FROM recall.recycle r WHERE r.tenant_id = _over_batches.tenant_id AND r.batch_id = o.batch_id),
		greatest(k.last_call, o.ended_at)
	FROM over o
	LEFT JOIN called k ON k.batch_id = o.batch_id
	WHERE coalesce(k.last_call < older_than, true)
	ORDER BY o.batch_id;
END;
COMMENT ON FUNCTION recall._over_batches(int, timestamptz) IS
'The batches of a tenant that were finished before an instant, or never started before their task was completed, and whose last call ended before it.';

CREATE FUNCTION recall._purge_suppressions(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	purged bigint;
BEGIN
	IF dry_run THEN
		RETURN (SELECT count(*) FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than);
	END IF;
	PERFORM FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than
	ORDER BY s.number, s.task_id
	FOR UPDATE;
	DELETE FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than;
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END $$;
COMMENT ON FUNCTION recall._purge_suppressions(int, timestamptz, boolean) IS
'Removes the suppressions that were over before an instant, or only counts them, and returns how many.';

CREATE FUNCTION recall._purge_events(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	events bigint[] := ARRAY(
		SELECT e.event_id FROM recall.event e
		WHERE e.tenant_id = _purge_events.tenant_id AND e.kind = 'suppression' AND e.record_id <> 'erased' AND e.at < older_than
		AND NOT EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _purge_events.tenant_id AND s.number = e.record_id
			AND (dry_run IS FALSE OR s.until >= older_than)));
BEGIN
	PERFORM FROM recall.event e
	WHERE NOT dry_run AND e.tenant_id = _purge_events.tenant_id AND e.event_id = ANY (events)
	ORDER BY e.event_id
	FOR UPDATE;
	UPDATE recall.event e SET record_id = 'erased', detail = recall._redacted(e.detail)
	WHERE NOT dry_run AND e.tenant_id = _purge_events.tenant_id AND e.event_id = ANY (events);
	RETURN cardinality(events);
END $$;
COMMENT ON FUNCTION recall._purge_events(int, timestamptz, boolean) IS
'Takes the numbers out of the events before an instant that are about numbers which are suppressed no more, or only counts them, and returns how many.';

CREATE FUNCTION recall.purge_before(
	tenant_id int, older_than timestamptz, dry_run boolean DEFAULT true, max_batches int DEFAULT NULL)
RETURNS TABLE (kind text, batch_id bigint, batch text, contacts bigint, calls bigint, records bigint, last_used timestamptz, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
	may_purge boolean := recall._require(purge_before.tenant_id, 'manage');
	only_looks boolean := coalesce(dry_run, true);
	gone text := CASE WHEN only_looks THEN 'would be removed' ELSE 'removed' END;
	left_to_purge int := coalesce(max_batches, 2147483647);
	fault record;
BEGIN
	IF older_than <= clock_timestamp() IS NOT TRUE THEN
		PERFORM recall._invalid(format('the instant %s is not past', coalesce(older_than::text, 'null')),
			'Give the one before which data is not needed any more, such as now() - interval ''6 months''.');
	ELSIF max_batches < 1 THEN
		PERFORM recall._invalid(format('max_batches %s is out of range', max_batches), 'It is 1 or more, or null for all.');
	END IF;

	FOR kind, batch_id, batch, contacts, calls, records, last_used IN
		SELECT 'batch', o.* FROM recall._over_batches(purge_before.tenant_id, older_than) o
	LOOP
		EXIT WHEN left_to_purge = 0;
		SELECT * INTO fault FROM recall._purge_fault(
			CASE WHEN only_looks THEN recall._batch(purge_before.tenant_id, batch_id) ELSE recall._lock_over_batch(purge_before.tenant_id, batch_id) END,
			false, clock_timestamp());
		outcome := coalesce('kept: ' || fault.message, gone);
		IF fault.message IS NULL THEN
			left_to_purge := left_to_purge - 1;
			IF NOT only_looks THEN
				SELECT p.contacts, p.calls, p.records INTO contacts, calls, records
				FROM recall._purge(recall._batch(purge_before.tenant_id, batch_id)) p;
			END IF;
		END IF;
		RETURN NEXT;
	END LOOP;

	batch_id := NULL; batch := NULL; contacts := NULL; calls := NULL; last_used := NULL; outcome := gone;
	kind := 'suppression';
	records := recall._purge_suppressions(purge_before.tenant_id, older_than, only_looks);
	RETURN NEXT;
	kind := 'event';
	records := recall._purge_events(purge_before.tenant_id, older_than, only_looks);
	outcome := CASE WHEN only_looks THEN 'would be blanked' ELSE 'blanked' END;
	RETURN NEXT;
	IF NOT only_looks THEN
		PERFORM recall._log(purge_before.tenant_id, 'tenant', purge_before.tenant_id::text, 'purge', detail => jsonb_build_object('older_than', older_than));
	END IF;
END $$;
COMMENT ON FUNCTION recall.purge_before(int, timestamptz, boolean, int) IS
'Removes what has not been used since an instant, or, with dry_run, tells what would go: batches that were finished before it, or never started before their task was completed, and whose last call ended before it, as purge_batch() does; suppressions that were over by then; and the numbers in the events before it about numbers that are suppressed no more. A row for each batch, and one for each of the other kinds (records: how many rows). outcome: what was done, or why a batch is kept: its calls are out, of unknown outcome, or counted per number by a policy. What was erased stays known, and what is suppressed suppressed. max_batches: at most so many batches in this transaction, null = all; call it again until none goes. Right: manage. Errors: 42501; 22023 the instant is not past, or max_batches out of range.';
