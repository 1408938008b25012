/* Outbound call data: the contacts of a batch, and the permits for their first attempts. */

CREATE FUNCTION recall._open_batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
BEGIN
	PERFORM recall._lock_batch(tenant_id, batch_id, false);
	batch := recall._batch(tenant_id, batch_id);
	IF batch.state = 'finished' THEN
		PERFORM recall._refuse(format('batch %s is finished', batch_id), 'Add the contacts to another batch.');
	END IF;
	RETURN batch;
END $$;
COMMENT ON FUNCTION recall._open_batch(int, bigint) IS
'The batch, locked together with others and not finished. Errors: 42501; 55000.';

CREATE FUNCTION recall._queue_first_attempts(batch recall.batch, after_contact bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
BEGIN
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	SELECT c.tenant_id, 1, c.contact_id, batch.task_id, c.batch_id, at, c.priority, c.numbers[1]
	FROM recall.contact c
	WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id AND c.contact_id > after_contact
	AND NOT EXISTS (SELECT FROM recall.call k
		WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id AND k.contact_id = c.contact_id
		AND k.contact_id > after_contact)
	AND NOT EXISTS (SELECT FROM recall.dial d
		WHERE d.tenant_id = batch.tenant_id AND d.contact_id = c.contact_id AND d.contact_id > after_contact)
	ORDER BY c.contact_id;
END $$;
COMMENT ON FUNCTION recall._queue_first_attempts(recall.batch, bigint, timestamptz) IS
'Makes a permit, due at an instant, for each contact of the batch behind a given one that has neither a call nor a permit.';

CREATE FUNCTION recall._check_reference(reference text, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN recall._check_length(reference, 'the reference of a contact is too long', 200, source_row);
COMMENT ON FUNCTION recall._check_reference(text, bigint) IS 'The reference. Raises 22023 when it has more than 200 characters.';

CREATE FUNCTION recall._check_attributes(attributes jsonb, source_row bigint DEFAULT 0) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN recall._check_size(attributes, 'the attributes of a contact are too large', 16384, source_row);
COMMENT ON FUNCTION recall._check_attributes(jsonb, bigint) IS 'The attributes. Raises 22023 when they take more than 16 384 bytes.';

CREATE FUNCTION recall.add_contact(
	tenant_id int, batch_id bigint, numbers text[], time_zone text DEFAULT NULL, priority int DEFAULT 0,
	reference text DEFAULT NULL, attributes jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
	created bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	batch := recall._open_batch(tenant_id, batch_id);
	PERFORM recall._check_numbers(numbers);

	created := recall._next_id(tenant_id, 'contact');
	INSERT INTO recall.contact (tenant_id, contact_id, batch_id, priority, numbers, time_zone, reference, attributes)
	VALUES (add_contact.tenant_id, created, add_contact.batch_id, coalesce(add_contact.priority, 0), add_contact.numbers,
		recall._check_time_zone(add_contact.time_zone), recall._check_reference(add_contact.reference),
		recall._check_attributes(add_contact.attributes));
	PERFORM recall._suppress_erased_of(tenant_id, created);
	IF batch.state = 'started' THEN
		PERFORM recall._queue_first_attempts(batch, created - 1, now());
	END IF;
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.add_contact(int, bigint, text[], text, int, text, jsonb) IS
'Adds a contact to a batch and returns its id; in a started batch its first attempt is queued. numbers: 1 to 10 in the order in which to try them, each "+" and 7 to 15 digits (ITU-T E.164); time_zone: IANA, null = the tenant''s; priority: higher first; reference: up to 200 characters; attributes: up to 16 kB, as jsonb is stored. A number that was erased is put on the do-not-call list again. Right: manage. Errors: 42501; 22P02 a number; 22023 no or too many numbers, an unknown time zone, a reference or attributes too large; 55000 the batch is finished.';

CREATE FUNCTION recall._read_source(source regclass, notice_others boolean) RETURNS SETOF record
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_read_source';
COMMENT ON FUNCTION recall._read_source(regclass, boolean) IS
'The rows of a table or view, read with the caller''s rights and in the table''s order. The call names the columns, of which the source must have the first; another that it has not is null, and with notice_others a NOTICE names each that the call has not. Errors: 22023 no such table, not that column, or more rows than the setting recall.max_source_rows; what its type says of a value that does not convert, with the row where the source is a table.';

CREATE FUNCTION recall._check_source(source regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF source IS NULL THEN
		PERFORM recall._invalid('there is no source', 'Name a table or view; to_regclass() gives null for one that does not exist.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_source(regclass) IS 'Raises 22023 when no source is given.';

CREATE FUNCTION recall._check_numbers(numbers text[], source_row bigint DEFAULT 0) RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_numbers';
COMMENT ON FUNCTION recall._check_numbers(text[], bigint) IS
'The numbers, when they are 1 to 10 different ones. Errors: 22P02 a number; 22023 none, too many, a null, one twice.';

CREATE FUNCTION recall._are_numbers(numbers text[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_are_numbers';
COMMENT ON FUNCTION recall._are_numbers(text[]) IS 'Whether _check_numbers() would have some numbers.';

CREATE FUNCTION recall.add_contacts(tenant_id int, batch_id bigint, source regclass) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
	first_id bigint;
	added bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	batch := recall._open_batch(tenant_id, batch_id);
	PERFORM recall._check_source(source);
	/* Holding the counter keeps others from taking ids in between; it is set when the rows are counted. */
	first_id := recall._next_id(tenant_id, 'contact', 0);

	INSERT INTO recall.contact (tenant_id, contact_id, batch_id, priority, numbers, time_zone, reference, attributes)
	SELECT add_contacts.tenant_id, first_id - 1 + s.source_row, add_contacts.batch_id, coalesce(s.priority, 0),
		recall._check_numbers(s.numbers, s.source_row), recall._check_time_zone(s.time_zone, s.source_row),
		recall._check_reference(s.reference, s.source_row), recall._check_attributes(s.attributes, s.source_row)
	FROM ROWS FROM (recall._read_source(source, true)
		AS (numbers text[], time_zone text, priority int, reference text, attributes jsonb))
		WITH ORDINALITY AS s(numbers, time_zone, priority, reference, attributes, source_row);
	GET DIAGNOSTICS added = ROW_COUNT;

	PERFORM recall._next_id(tenant_id, 'contact', added);
	PERFORM recall._suppress_erased_of(tenant_id, first_id);
	IF batch.state = 'started' THEN
		PERFORM recall._queue_first_attempts(batch, first_id - 1, now());
	END IF;
	PERFORM recall._log(tenant_id, 'batch', batch_id::text, 'add_contacts', detail => jsonb_build_object('contacts', added));
	RETURN added;
END $$;
COMMENT ON FUNCTION recall.add_contacts(int, bigint, regclass) IS
'Adds the rows of a table or view to a batch, all or none, and returns how many. Columns, numbers being required: numbers text[], time_zone text, priority int, reference text, attributes jsonb; read with the caller''s rights. Right: manage. Errors as of add_contact(), naming the first bad row; 22023 also no source, one without the column numbers, or one with more rows than the setting recall.max_source_rows; before that, what its type says of the first value that does not convert, with the row where the source is a table; 42501 also when the caller may not read the source; 55000 also when it calls what changes anything in recall.';

