/*
 * What is left of numbers that were erased: a keyed hash of each, by which a number is known again when somebody
 * brings it back. Then, and only then, it stands on the do-not-call list in plain, where everything looks; so what
 * dials never computes a hash.
 */

CREATE TABLE recall.erasure_key (
	tenant_id int PRIMARY KEY,
	key       bytea NOT NULL CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE recall.erasure_key IS
'The key of a tenant''s hashes of erased numbers, made with the first of them. Whoever has both can try all numbers, so it is as secret as these were.';
COMMENT ON COLUMN recall.erasure_key.tenant_id IS 'The tenant whose key it is.';
COMMENT ON COLUMN recall.erasure_key.key IS '32 random bytes. Without them the hashes are worth nothing.';

CREATE TABLE recall.erased_number (
	tenant_id   int,
	number_hash bytea,
	erased_at   timestamptz NOT NULL,
	PRIMARY KEY (tenant_id, number_hash)
);
COMMENT ON TABLE recall.erased_number IS 'The numbers that were erased and are not called again, as hashes.';
COMMENT ON COLUMN recall.erased_number.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.erased_number.number_hash IS 'HMAC-SHA-256 of the number under the tenant''s key.';
COMMENT ON COLUMN recall.erased_number.erased_at IS 'When it was erased, first.';

/* The key is dumped, too: a tenant has none in a database that it is restored into, as it is made late. */
SELECT pg_catalog.pg_extension_config_dump('recall.erasure_key', '');
SELECT pg_catalog.pg_extension_config_dump('recall.erased_number', '');

CREATE FUNCTION recall._new_key() RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_new_key';
COMMENT ON FUNCTION recall._new_key() IS '32 random bytes.';

CREATE FUNCTION recall._number_hash(key bytea, number text) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_number_hash';
COMMENT ON FUNCTION recall._number_hash(bytea, text) IS 'HMAC-SHA-256 (RFC 2104) of a number under a key.';

CREATE FUNCTION recall._erased_numbers(tenant_id int, numbers text[]) RETURNS text[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(pg_catalog.array_agg(DISTINCT n.number), '{}')
	FROM recall.erasure_key k
	CROSS JOIN pg_catalog.unnest(_erased_numbers.numbers) n(number)
	JOIN recall.erased_number e ON e.tenant_id = k.tenant_id AND e.number_hash = recall._number_hash(k.key, n.number)
	WHERE k.tenant_id = _erased_numbers.tenant_id;
END;
COMMENT ON FUNCTION recall._erased_numbers(int, text[]) IS 'Those of some numbers that a tenant has erased.';

CREATE FUNCTION recall._suppress_erased(tenant_id int, numbers text[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH suppressed AS (
		INSERT INTO recall.suppression AS s (tenant_id, number, task_id, until, reason, role, created_at)
		SELECT _suppress_erased.tenant_id, n.number, NULL, 'infinity', 'erased before', pg_catalog.pg_get_userbyid(recall._caller()),
			pg_catalog.clock_timestamp()
		FROM pg_catalog.unnest(_suppress_erased.numbers) n(number)
		ORDER BY n.number
		ON CONFLICT (tenant_id, number, task_id) DO UPDATE SET until = 'infinity', reason = excluded.reason WHERE s.until < 'infinity'
		RETURNING s.number
	)
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, detail)
	SELECT _suppress_erased.tenant_id, pg_catalog.pg_get_userbyid(recall._caller()), 'suppression', s.number, 'suppress',
		pg_catalog.jsonb_build_object('until', 'infinity', 'reason', 'erased before')
	FROM suppressed s;
END;
COMMENT ON FUNCTION recall._suppress_erased(int, text[]) IS
'Puts numbers on the tenant''s do-not-call list for good, because they were erased and a contact has them.';

CREATE FUNCTION recall._suppress_erased_of(tenant_id int, from_contact bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM recall.erasure_key k WHERE k.tenant_id = _suppress_erased_of.tenant_id) THEN
		PERFORM recall._suppress_erased(tenant_id, recall._erased_numbers(tenant_id, ARRAY(
			SELECT n.number FROM recall.contact c CROSS JOIN unnest(c.numbers) n(number)
			WHERE c.tenant_id = _suppress_erased_of.tenant_id AND c.contact_id >= from_contact)));
	END IF;
END $$;
COMMENT ON FUNCTION recall._suppress_erased_of(int, bigint) IS
'Suppresses those numbers of the contacts from one on that were erased. Whoever adds contacts calls it, with the counter of contacts locked, so that an erasure is either seen here or sees them.';
