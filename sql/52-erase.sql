/*
 * Erasing a person. A contact is a person, and whoever has the number among theirs is that person: the contact goes as
 * a whole, with its calls and its permit, and so does every other contact that has the number. What stays is that
 * something happened, and a hash of each of the person's numbers, so that none of them is rung again.
 */

CREATE FUNCTION recall._owners(tenant_id int, numbers text[]) RETURNS SETOF recall.contact
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT c.* FROM recall.contact c
	WHERE recall._number_keys(c.tenant_id, c.numbers) && recall._number_keys(_owners.tenant_id, _owners.numbers)
	AND c.tenant_id = _owners.tenant_id AND c.numbers && _owners.numbers;
END;
COMMENT ON FUNCTION recall._owners(int, text[]) IS 'The contacts of a tenant that have one of some numbers.';

/*
 * The batches are locked before the counter of contacts, as by those who add contacts. Once nobody adds any, it is seen
 * whether all batches that matter are locked; if not, the locks are undone and taken again in their order.
 */
CREATE FUNCTION recall._lock_owners(tenant_id int, number text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batches bigint[];
	owners bigint[];
	locked bigint[];
	all_locked boolean := false;
BEGIN
	WHILE NOT all_locked LOOP
		BEGIN
			locked := ARRAY(SELECT DISTINCT o.batch_id FROM recall._owners(tenant_id, ARRAY[number]) o ORDER BY o.batch_id);
			FOR i IN 1 .. cardinality(locked) LOOP
				PERFORM recall._lock_batch(tenant_id, locked[i], true);
			END LOOP;
			PERFORM recall._next_id(tenant_id, 'contact', 0);
			SELECT array_agg(o.contact_id ORDER BY o.contact_id), array_agg(o.batch_id) INTO owners, batches
			FROM recall._owners(tenant_id, ARRAY[number]) o;
			all_locked := batches IS NULL OR batches <@ locked;
			IF NOT all_locked THEN
				RAISE object_in_use;
			END IF;
		EXCEPTION WHEN object_in_use THEN
			NULL;
		END;
	END LOOP;
	RETURN coalesce(owners, '{}');
END $$;
COMMENT ON FUNCTION recall._lock_owners(int, text) IS
'The contacts that have a number, with their batches locked alone: nobody adds one, or calls or judges these, until the end of the transaction; calls that are out may be reported.';

CREATE FUNCTION recall._erase_permits(tenant_id int, contacts bigint[], why text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	out_contact bigint;
	gone record;
BEGIN
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
	ORDER BY d.contact_id
	FOR UPDATE;
	SELECT d.contact_id INTO out_contact FROM recall.dial d
	WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
	AND d.state <> 'ready' AND d.lease_until > clock_timestamp()
	ORDER BY d.contact_id
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._refuse(format('contact %s is out with a dialer', out_contact),
			'Erase it when its call is reported or its lease has run out.');
	END IF;

	WITH gone AS (
		DELETE FROM recall.dial d
		WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
		RETURNING d.contact_id, d.recycle_id, d.state = 'ready' AS was_ready
	)
	SELECT count(*) AS permits, array_agg(g.contact_id) FILTER (WHERE g.was_ready) AS contacts,
		array_agg(g.recycle_id) FILTER (WHERE g.was_ready) AS recycles,
		array_agg(g.recycle_id) FILTER (WHERE NOT g.was_ready AND g.recycle_id IS NOT NULL) AS dialled
	INTO gone FROM gone g;
	IF gone.contacts IS NOT NULL THEN
		PERFORM recall._forget_permits(_erase_permits.tenant_id, gone.contacts, array_fill(why, ARRAY[cardinality(gone.contacts)]), gone.recycles);
	END IF;
	/* Of unknown outcome: as if it were settled so, and then erased. */
	PERFORM recall._tally(_erase_permits.tenant_id, d.recycle_id, d.permits, 0)
	FROM (SELECT u.recycle_id, count(*) AS permits FROM unnest(gone.dialled) u(recycle_id) GROUP BY u.recycle_id ORDER BY u.recycle_id) d;
	RETURN gone.permits;
END $$;
COMMENT ON FUNCTION recall._erase_permits(int, bigint[], text) IS
'Removes the permits of contacts whose batches are locked alone, and returns how many; their recycle records count them, those of unknown outcome as dialled. Errors: 55000 one is out with a dialer.';

/* What the audit says of a contact or a number that is gone is that, by whom and when something was done. */
CREATE FUNCTION recall._redacted(detail jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('erased', true, 'recycle_id', detail->'recycle_id', 'task_id', detail->'task_id',
	'until', detail->'until'));
COMMENT ON FUNCTION recall._redacted(jsonb) IS 'The particulars of an event but for what is said of a person.';

CREATE FUNCTION recall._forget_numbers(tenant_id int, numbers text[], OUT suppressions bigint, OUT events bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	/* In the order in which purging has them, so that neither waits for the other in vain. */
	PERFORM FROM recall.suppression s WHERE s.tenant_id = _forget_numbers.tenant_id AND s.number = ANY (numbers)
	ORDER BY s.number, s.task_id
	FOR UPDATE;
	DELETE FROM recall.suppression s WHERE s.tenant_id = _forget_numbers.tenant_id AND s.number = ANY (numbers);
	GET DIAGNOSTICS suppressions = ROW_COUNT;
	PERFORM FROM recall.event e
	WHERE e.tenant_id = _forget_numbers.tenant_id AND e.kind = 'suppression' AND e.record_id = ANY (numbers)
	ORDER BY e.event_id
	FOR UPDATE;
	UPDATE recall.event e
	SET record_id = 'erased', detail = recall._redacted(e.detail)
	WHERE e.tenant_id = _forget_numbers.tenant_id AND e.kind = 'suppression' AND e.record_id = ANY (numbers);
	GET DIAGNOSTICS events = ROW_COUNT;
END $$;
COMMENT ON FUNCTION recall._forget_numbers(int, text[]) IS
'Takes numbers off the do-not-call lists of a tenant and out of its audit, and returns how many rows that were.';

/*
 * Free text of others may mention a number: a reference, attributes, an outside code, a reason. What was written before
 * this looks is found, without any lock, as it reads all that the tenant has.
 */
CREATE FUNCTION recall._mentions_any(what text, digits text[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mentions_any';
COMMENT ON FUNCTION recall._mentions_any(text, text[]) IS
'Whether a text mentions one of some numbers, given as their digits: these together, as no part of a longer figure, or in groups behind "+" or "00".';

CREATE FUNCTION recall._without_mentions(what text, digits text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_without_mentions';
COMMENT ON FUNCTION recall._without_mentions(text, text[]) IS 'A text with "0" in the place of each number that it mentions, of some.';

CREATE TYPE recall._mentions AS (digits text[], contacts bigint[], batch_ids bigint[], contact_ids bigint[], attempts int[], events bigint[]);
COMMENT ON TYPE recall._mentions IS
'Contacts, calls (by batch, contact and attempt) and events that mention one of some numbers, and the digits of these.';

CREATE FUNCTION recall._find_mentions(tenant_id int, numbers text[]) RETURNS recall._mentions
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	digits text[] := ARRAY(SELECT substr(n, 2) FROM unnest(numbers) n);
	found recall._mentions;
BEGIN
	found.digits := digits;
	found.contacts := ARRAY(
		SELECT c.contact_id FROM recall.contact c
		WHERE c.tenant_id = _find_mentions.tenant_id
		AND (recall._mentions_any(c.reference, digits) OR recall._mentions_any(c.attributes::text, digits)));
	SELECT array_agg(k.batch_id), array_agg(k.contact_id), array_agg(k.attempt) INTO found.batch_ids, found.contact_ids, found.attempts
	FROM recall.call k
	WHERE k.tenant_id = _find_mentions.tenant_id
	AND (recall._mentions_any(k.raw_code, digits) OR recall._mentions_any(k.agent, digits));
	found.events := ARRAY(
		SELECT e.event_id FROM recall.event e
		WHERE e.tenant_id = _find_mentions.tenant_id AND recall._mentions_any(e.detail::text, digits));
	RETURN found;
END $$;
COMMENT ON FUNCTION recall._find_mentions(int, text[]) IS
'Which contacts, calls and events of a tenant mention one of some numbers in what is free text, and the digits of these numbers.';

CREATE FUNCTION recall._erase_mentions(tenant_id int, mentions recall._mentions) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	step bigint;
	erased bigint := 0;
BEGIN
	/* "0" is a string within a string, and a figure where the number stood as one. */
	UPDATE recall.contact c
	SET reference = recall._without_mentions(c.reference, mentions.digits),
		attributes = recall._without_mentions(c.attributes::text, mentions.digits)::jsonb
	WHERE c.tenant_id = _erase_mentions.tenant_id AND c.contact_id = ANY (mentions.contacts);
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.call k
	SET raw_code = recall._without_mentions(k.raw_code, mentions.digits), agent = recall._without_mentions(k.agent, mentions.digits)
	FROM ROWS FROM (unnest(mentions.batch_ids), unnest(mentions.contact_ids), unnest(mentions.attempts))
		AS m(batch_id, contact_id, attempt)
	WHERE k.tenant_id = _erase_mentions.tenant_id AND k.batch_id = m.batch_id AND k.contact_id = m.contact_id AND k.attempt = m.attempt;
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.suppression s SET reason = recall._without_mentions(s.reason, mentions.digits)
	WHERE s.tenant_id = _erase_mentions.tenant_id AND recall._mentions_any(s.reason, mentions.digits);
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.dial d
	SET agent = recall._without_mentions(d.agent, mentions.digits), dialer = recall._without_mentions(d.dialer, mentions.digits)
	WHERE d.tenant_id = _erase_mentions.tenant_id AND (recall._mentions_any(d.agent, mentions.digits) OR recall._mentions_any(d.dialer, mentions.digits));
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	WHERE e.tenant_id = _erase_mentions.tenant_id AND e.event_id = ANY (mentions.events) AND NOT e.detail ? 'erased';
	GET DIAGNOSTICS step = ROW_COUNT;
	RETURN erased + step;
END $$;
COMMENT ON FUNCTION recall._erase_mentions(int, recall._mentions) IS
'Replaces what _find_mentions() found by "0", in the audit with all that was said there, and returns how many rows that changed.';

/* A limit that anybody may set would make the index of numbers leave contacts out. */
CREATE FUNCTION recall.erase_number(tenant_id int, number text) RETURNS TABLE (what text, erased bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
SET gin_fuzzy_search_limit = 0 AS $$
#variable_conflict use_column
DECLARE
	may_erase boolean := recall._require(erase_number.tenant_id, 'manage');
	persons bigint[];
	numbers text[];
	mentions recall._mentions;
	forgotten record;
	contacts bigint;
	calls bigint;
	permits bigint;
	events bigint;
	mentioned bigint;
BEGIN
	PERFORM recall._check_numbers(ARRAY[erase_number.number]);
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		PERFORM recall._refuse(format('the transaction is at isolation level %s', upper(current_setting('transaction_isolation'))),
			'What happened while it waited for a lock would escape it: use READ COMMITTED.');
	END IF;
	SELECT array_agg(DISTINCT n.number) INTO numbers
	FROM (SELECT erase_number.number AS number
		UNION SELECT unnest(o.numbers) FROM recall._owners(erase_number.tenant_id, ARRAY[erase_number.number]) o) n;
	mentions := recall._find_mentions(erase_number.tenant_id, numbers);

	persons := recall._lock_owners(erase_number.tenant_id, erase_number.number);
	SELECT array_agg(DISTINCT n.number) INTO numbers
	FROM (SELECT erase_number.number AS number
		UNION SELECT unnest(c.numbers) FROM recall.contact c
			WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons)) n;

	/* Their events go blank before another one says that their permits were taken out. */
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	WHERE e.tenant_id = erase_number.tenant_id AND e.kind = 'contact' AND e.record_id = ANY (persons::text[]) AND e.detail IS NOT NULL;
	GET DIAGNOSTICS events = ROW_COUNT;
	permits := recall._erase_permits(erase_number.tenant_id, persons, 'the contact was erased');
	DELETE FROM recall.call k
	USING recall.contact c
	WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons)
	AND k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id;
	GET DIAGNOSTICS calls = ROW_COUNT;
	DELETE FROM recall.contact c WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons);
	GET DIAGNOSTICS contacts = ROW_COUNT;
	forgotten := recall._forget_numbers(erase_number.tenant_id, numbers);
	mentioned := recall._erase_mentions(erase_number.tenant_id, mentions);

	INSERT INTO recall.erasure_key (tenant_id, key) VALUES (erase_number.tenant_id, recall._new_key()) ON CONFLICT DO NOTHING;
	INSERT INTO recall.erased_number (tenant_id, number_hash, erased_at)
	SELECT k.tenant_id, recall._number_hash(k.key, n.number), clock_timestamp()
	FROM recall.erasure_key k CROSS JOIN unnest(numbers) n(number)
	WHERE k.tenant_id = erase_number.tenant_id
	ON CONFLICT DO NOTHING;
	/* Others have one of the person's other numbers: it is not called, either. */
	PERFORM recall._suppress_erased(erase_number.tenant_id, ARRAY(
		SELECT DISTINCT o.number FROM recall._owners(erase_number.tenant_id, numbers) c CROSS JOIN unnest(c.numbers) o(number)
		WHERE o.number = ANY (numbers)));

	PERFORM recall._log(erase_number.tenant_id, 'number', 'erased', 'erase', detail => jsonb_build_object('contacts', contacts, 'calls', calls,
		'permits', permits, 'suppressions', forgotten.suppressions, 'events', events + forgotten.events, 'mentions', mentioned));
	RETURN QUERY VALUES ('contacts', contacts), ('calls', calls), ('permits', permits), ('suppressions', forgotten.suppressions),
		('events', events + forgotten.events), ('mentions', mentioned);
END $$;
COMMENT ON FUNCTION recall.erase_number(int, text) IS
'Erases a person: every contact that has the number goes, with its other numbers, reference, attributes, calls and permit; the numbers go from the do-not-call lists and the audit, whose events stay without particulars; where other contacts, calls, reasons or events mention one in free text, as "+4930…", "004930…" or "4930…", or in groups behind "+" or "00", it becomes "0". What stays are keyed hashes of the numbers, by which they are put on the do-not-call list again when a contact with one of them is added; a number of the person''s that other contacts have is put there at once. Recycle records keep their counts: permits that waited count as withdrawn, those of unknown outcome as dialled. Returns how many rows of each kind were erased. Reads all that the tenant has. Right: manage. Errors: 42501; 22P02 a number; 55000 one of the contacts is out with a dialer, or the transaction is above READ COMMITTED.';
