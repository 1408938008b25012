/* Completed call data that came in from elsewhere: one call, or a table of them. */

CREATE FUNCTION recall._tally_slot() RETURNS smallint
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_tally_slot';
COMMENT ON FUNCTION recall._tally_slot() IS
'The number of the slot in which this session counts: no other session that is at work has it.';

CREATE FUNCTION recall._tally(tenant_id int, recycle_id bigint, dialled bigint, reached bigint, taken_out bigint DEFAULT 0) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO recall.recycle_tally AS t (tenant_id, recycle_id, slot, dialled, reached, taken_out)
	VALUES (_tally.tenant_id, _tally.recycle_id, recall._tally_slot(), _tally.dialled, _tally.reached, _tally.taken_out)
	ON CONFLICT (tenant_id, recycle_id, slot) DO UPDATE
	SET dialled = t.dialled + excluded.dialled, reached = t.reached + excluded.reached, taken_out = t.taken_out + excluded.taken_out;
END $$;
COMMENT ON FUNCTION recall._tally(int, bigint, bigint, bigint, bigint) IS
'Counts re-dial rows of a record that became completed calls, how many of these were answered, and those that were taken out.';

CREATE FUNCTION recall._times_in_order(started_at timestamptz, ended_at timestamptz, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN started_at >= '1970-01-01 00:00:00+00'::timestamptz AND started_at <= ended_at AND ended_at <= at + interval '5 min';
COMMENT ON FUNCTION recall._times_in_order(timestamptz, timestamptz, timestamptz) IS
'Whether a call began in this age, before it ended, and ended no later than five minutes after an instant: clocks differ.';

CREATE FUNCTION recall._is_short(raw_code text, agent text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (recall._is_longer(raw_code, 200) OR recall._is_longer(agent, 200)) IS NOT TRUE;
COMMENT ON FUNCTION recall._is_short(text, text) IS 'Whether neither the raw code nor the agent of a call has more than 200 characters.';

CREATE FUNCTION recall._raise_call_fault(
	tenant_id int, fault text, row_prefix text, contact_id bigint, number text, business_result text,
	started_at timestamptz, ended_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	CASE fault
	WHEN 'contact' THEN
		PERFORM recall._deny(format('%scontact %s of tenant %s', row_prefix, coalesce(contact_id::text, 'null'), tenant_id));
	WHEN 'result' THEN
		PERFORM recall._invalid(
			format('%sbusiness result "%s" does not exist in tenant %s', row_prefix, recall._mask_numbers(left(business_result, 50)), tenant_id),
			recall._result_hint(tenant_id, business_result));
	WHEN 'number' THEN
		PERFORM recall._invalid(format('%snumber "%s" is not one of contact %s', row_prefix, recall._mask_number(number), contact_id),
			'A call is made to one of the numbers of its contact.');
	WHEN 'times' THEN
		PERFORM recall._invalid(
			format('%sa call cannot last from %s to %s', row_prefix, started_at, ended_at),
			'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.');
	WHEN 'permit' THEN
		PERFORM recall._refuse(format('%scontact %s is out with a dialer', row_prefix, contact_id),
			'Its call must be reported, or its unknown outcome settled, first.');
	WHEN 'text' THEN
		PERFORM recall._invalid(format('%sthe raw code or the agent of a call is too long', row_prefix),
			'Each has up to 200 characters.');
	END CASE;
END $$;
COMMENT ON FUNCTION recall._raise_call_fault(int, text, text, bigint, text, text, timestamptz, timestamptz) IS
'Raises the error for what is wrong with a completed call: 42501, 22023 or 55000.';

/* Who reports a call has its permit and makes the next one: whoever waited for it finds neither at first. */
CREATE FUNCTION recall._lock_permit(tenant_id int, contact_id bigint) RETURNS recall.dial
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial;
BEGIN
	FOR look IN 1 .. 2 LOOP
		SELECT * INTO permit FROM recall.dial d
		WHERE d.tenant_id = _lock_permit.tenant_id AND d.contact_id = _lock_permit.contact_id
		FOR UPDATE;
		EXIT WHEN FOUND;
	END LOOP;
	RETURN permit;
END $$;
COMMENT ON FUNCTION recall._lock_permit(int, bigint) IS 'The permit of a contact, locked; null: it has none. The contact is locked by the caller.';

CREATE FUNCTION recall.record_call(
	tenant_id int, contact_id bigint, failure_cause recall.failure_cause, business_result text, number text DEFAULT NULL,
	started_at timestamptz DEFAULT now(), ended_at timestamptz DEFAULT now(), raw_code text DEFAULT NULL,
	agent text DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	next_attempt int;
	fault text;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	SELECT * INTO contact FROM recall.contact c
	WHERE c.tenant_id = record_call.tenant_id AND c.contact_id = record_call.contact_id;
	IF FOUND THEN
		PERFORM recall._lock_batch(tenant_id, contact.batch_id, false);
		SELECT * INTO contact FROM recall.contact c
		WHERE c.tenant_id = record_call.tenant_id AND c.contact_id = record_call.contact_id
		FOR NO KEY UPDATE; -- it may have been erased meanwhile
		permit := recall._lock_permit(tenant_id, contact_id);
	END IF;

	number := coalesce(number, contact.numbers[1]);
	ended_at := coalesce(ended_at, now());
	started_at := coalesce(started_at, least(ended_at, now()));
	/* What is equal is not for the caller to say, whose text may come with a collation of its own. */
	fault := CASE
		WHEN contact.contact_id IS NULL THEN 'contact'
		WHEN permit.state <> 'ready' THEN 'permit'
		WHEN business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
			WHERE b.tenant_id = record_call.tenant_id AND b.code = record_call.business_result COLLATE "default") THEN 'result'
		WHEN number COLLATE "default" <> ALL (contact.numbers) THEN 'number'
		WHEN NOT recall._times_in_order(started_at, ended_at, now()) THEN 'times'
		WHEN NOT recall._is_short(raw_code, agent) THEN 'text'
		END;
	IF fault IS NOT NULL THEN
		PERFORM recall._raise_call_fault(tenant_id, fault, '', contact_id, number, business_result, started_at, ended_at);
	END IF;

	DELETE FROM recall.dial d WHERE d.tenant_id = record_call.tenant_id AND d.contact_id = record_call.contact_id;
	SELECT coalesce(max(k.attempt), 0) + 1 INTO next_attempt FROM recall.call k
	WHERE k.tenant_id = record_call.tenant_id AND k.batch_id = contact.batch_id AND k.contact_id = record_call.contact_id;
	INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at,
		failure_cause, number, business_result, raw_code, agent)
	VALUES (tenant_id, next_attempt, contact.batch_id, contact_id, permit.recycle_id, started_at, ended_at,
		clock_timestamp(), failure_cause, number, business_result, raw_code, agent);
	IF permit.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(tenant_id, permit.recycle_id, 1, (failure_cause IS NULL)::int);
	END IF;
	RETURN next_attempt;
END $$;
COMMENT ON FUNCTION recall.record_call(int, bigint, recall.failure_cause, text, text, timestamptz, timestamptz, text, text) IS
'Appends a completed call and returns its attempt number. failure_cause: null = answered; business_result: one of the tenant''s codes, or null; number: one of the contact''s, null = the first; started_at <= ended_at <= now + 5 min, from 1970 on; raw_code and agent: up to 200 characters each. A ready permit of the contact is used up. Right: dial. Errors: 42501; 22023 an unknown result, a foreign number, times out of order, a text too long; 55000 the contact is out with a dialer.';

CREATE FUNCTION recall._contact(tenant_id int, contact_id bigint) RETURNS recall.contact
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'recall_contact_by_key';
COMMENT ON FUNCTION recall._contact(int, bigint) IS 'The contact, by its key whatever the planner thinks of the tenant; null when there is none.';

CREATE FUNCTION recall._source_calls(tenant_id int, source regclass, at timestamptz)
RETURNS TABLE (
	source_row bigint, contact_id bigint, batch_id bigint, failure_cause recall.failure_cause, business_result text,
	number text, started_at timestamptz, ended_at timestamptz, raw_code text, agent text, recycle_id bigint,
	has_permit boolean, fault text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.source_row, s.contact_id, c.batch_id, s.failure_cause, s.business_result, v.number, v.started_at, v.ended_at,
		s.raw_code, s.agent, d.recycle_id, d.contact_id IS NOT NULL,
		CASE
			WHEN c.contact_id IS NULL THEN 'contact'
			WHEN d.state <> 'ready' THEN 'permit'
			WHEN s.business_result IS NOT NULL AND b.code IS NULL THEN 'result'
			WHEN v.number <> ALL (c.numbers) THEN 'number'
			WHEN NOT recall._times_in_order(v.started_at, v.ended_at, at) THEN 'times'
			WHEN NOT recall._is_short(s.raw_code, s.agent) THEN 'text'
		END
	FROM ROWS FROM (recall._read_source(source, true)
		AS (contact_id bigint, failure_cause recall.failure_cause, business_result text, number text,
			started_at timestamptz, ended_at timestamptz, raw_code text, agent text))
		WITH ORDINALITY AS s(contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent,
			source_row)
	/* A look-up by key for each row, so that a few calls cost little, however many contacts the tenant has. */
	LEFT JOIN LATERAL recall._contact(_source_calls.tenant_id, s.contact_id) c ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.business_result i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.code = s.business_result OFFSET 0) b ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.dial i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) d ON true
	CROSS JOIN LATERAL (SELECT coalesce(s.number, c.numbers[1]) AS number,
		coalesce(s.started_at, least(s.ended_at, at)) AS started_at, coalesce(s.ended_at, at) AS ended_at) v;
END;
COMMENT ON FUNCTION recall._source_calls(int, regclass, timestamptz) IS
'The completed calls of a bulk source beside their contacts, defaults filled in, each with what is wrong with it.';

CREATE FUNCTION recall._lock_source_batches(tenant_id int, source regclass) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batches bigint[];
BEGIN
	batches := ARRAY(
		SELECT DISTINCT c.batch_id
		FROM recall._read_source(source, false) AS s(contact_id bigint)
		CROSS JOIN LATERAL recall._contact(_lock_source_batches.tenant_id, s.contact_id) c
		WHERE c.batch_id IS NOT NULL
		ORDER BY c.batch_id);
	FOR i IN 1 .. cardinality(batches) LOOP
		PERFORM recall._lock_batch(tenant_id, batches[i], true);
	END LOOP;
	RETURN batches;
END $$;
COMMENT ON FUNCTION recall._lock_source_batches(int, regclass) IS
'Locks each batch to which a bulk source adds calls, alone, and returns them.';

CREATE FUNCTION recall._raise_source_fault(tenant_id int, source regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	SELECT * INTO bad FROM recall._source_calls(_raise_source_fault.tenant_id, source, now()) s
	WHERE s.fault IS NOT NULL
	ORDER BY s.source_row LIMIT 1;
	IF FOUND THEN
		PERFORM recall._raise_call_fault(tenant_id, bad.fault, format('row %s: ', bad.source_row), bad.contact_id, bad.number,
			bad.business_result, bad.started_at, bad.ended_at);
	END IF;
END $$;
COMMENT ON FUNCTION recall._raise_source_fault(int, regclass) IS
'Raises the error for the first row of a bulk source that is wrong, if there is one.';

CREATE FUNCTION recall._lock_source_permits(tenant_id int, source regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM FROM (SELECT DISTINCT r.contact_id FROM recall._read_source(source, false) AS r(contact_id bigint) ORDER BY r.contact_id) s
	CROSS JOIN LATERAL (SELECT FROM recall.dial i
		WHERE i.tenant_id = _lock_source_permits.tenant_id AND i.contact_id = s.contact_id
		FOR UPDATE) d;
END $$;
COMMENT ON FUNCTION recall._lock_source_permits(int, regclass) IS
'Locks the permits of the contacts of a bulk source: what is being claimed or reported is waited for.';

CREATE FUNCTION recall._append_calls(
	tenant_id int, source regclass, batches bigint[], OUT appended bigint, OUT by_batch jsonb, OUT is_whole boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
	read_rows bigint;
	records bigint;
BEGIN
	WITH source_call AS MATERIALIZED (
		SELECT s.*, row_number() OVER (PARTITION BY s.batch_id, s.contact_id ORDER BY s.started_at, s.source_row) AS nth
		FROM recall._source_calls(_append_calls.tenant_id, source, now()) s
	), permit AS MATERIALIZED (
		SELECT d.place
		FROM source_call s
		CROSS JOIN LATERAL (SELECT i.ctid AS place FROM recall.dial i
			WHERE i.tenant_id = _append_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) d
		WHERE s.nth = 1 AND s.has_permit
	), used_permit AS (
		DELETE FROM recall.dial d
		WHERE d.ctid = ANY (ARRAY(SELECT p.place FROM permit p)) AND d.state NOT IN ('claimed', 'unknown')
		RETURNING d.contact_id
	), appended_call AS (
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at,
			failure_cause, number, business_result, raw_code, agent)
		SELECT _append_calls.tenant_id,
			s.nth + coalesce((SELECT max(k.attempt) FROM recall.call k
				WHERE k.tenant_id = _append_calls.tenant_id AND k.batch_id = s.batch_id AND k.contact_id = s.contact_id), 0),
			s.batch_id, s.contact_id, CASE WHEN s.nth = 1 THEN s.recycle_id END, s.started_at, s.ended_at,
			clock_timestamp(), s.failure_cause, s.number, s.business_result, s.raw_code, s.agent
		FROM source_call s
		WHERE s.fault IS NULL AND s.batch_id = ANY (batches)
		ORDER BY s.batch_id, s.contact_id, s.nth
		RETURNING batch_id
	), tallied AS (
		SELECT recall._tally(_append_calls.tenant_id, t.recycle_id, t.dialled, t.reached)
		FROM (SELECT s.recycle_id, count(*) AS dialled, count(*) FILTER (WHERE s.failure_cause IS NULL) AS reached
			FROM source_call s
			WHERE s.nth = 1 AND s.recycle_id IS NOT NULL
			GROUP BY s.recycle_id
			ORDER BY s.recycle_id) t
	)
	/* In this order: so does everybody lock permits, calls and tallies. */
	SELECT (SELECT count(*) FROM used_permit) = (SELECT count(*) FROM source_call s WHERE s.nth = 1 AND s.has_permit),
		(SELECT count(*) FROM appended_call), (SELECT count(*) FROM tallied), (SELECT count(*) FROM source_call),
		(SELECT jsonb_object_agg(b.batch_id, b.calls) FROM (SELECT a.batch_id, count(*) AS calls FROM appended_call a GROUP BY a.batch_id) b)
	INTO is_whole, appended, records, read_rows, by_batch;
	is_whole := is_whole AND appended = read_rows;
END $$;
COMMENT ON FUNCTION recall._append_calls(int, regclass, bigint[]) IS
'Appends the calls of a bulk source to batches that are locked alone, and uses the permits up; how many, and how many of each batch. Not whole: a row is wrong, or a permit was claimed meanwhile.';

/*
 * Dialers claim and report without the batch's lock. What they do while the calls are being appended is seen too late, so
 * it is undone then, and done again with the permits locked.
 */
CREATE FUNCTION recall.record_calls(tenant_id int, source regclass) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	locked bigint[];
	made record;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._check_source(source);
	locked := recall._lock_source_batches(tenant_id, source);
	BEGIN
		SELECT * INTO made FROM recall._append_calls(tenant_id, source, locked);
		IF NOT made.is_whole THEN
			RAISE object_in_use;
		END IF;
	EXCEPTION WHEN object_in_use OR unique_violation THEN
		PERFORM recall._raise_source_fault(tenant_id, source);
		PERFORM recall._lock_source_permits(tenant_id, source);
		SELECT * INTO made FROM recall._append_calls(tenant_id, source, locked);
		IF NOT made.is_whole THEN
			PERFORM recall._raise_source_fault(tenant_id, source);
			PERFORM recall._refuse('the source changed while the calls were recorded', 'Give a table that nobody changes meanwhile.');
		END IF;
	END;
	PERFORM recall._log(record_calls.tenant_id, 'batch', b.key, 'record_calls', detail => jsonb_build_object('calls', b.value))
	FROM jsonb_each(made.by_batch) b;
	RETURN made.appended;
END $$;
COMMENT ON FUNCTION recall.record_calls(int, regclass) IS
'Appends the completed calls of a table or view, all or none, and returns how many. Columns, contact_id being required: contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent; read with the caller''s rights. A contact''s attempts are numbered by (started_at, order in the source). Each batch concerned is locked until the end. The source is read twice, first for its batches, and again where a dialer claims one of its contacts meanwhile, so its rows should be the same each time. Right: dial. Errors as of record_call(), naming the first bad row; 22023 also no source, one without the column contact_id, or one with more rows than the setting recall.max_source_rows; before that, what its type says of the first value that does not convert, with the row where the source is a table; 55000 also when the source calls what changes anything in recall, or has other rows when it is read again.';

