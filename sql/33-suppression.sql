/* The do-not-call list: numbers that are not called until some time, by the whole tenant or by one task. */

CREATE FUNCTION recall._require_scope(tenant_id int, task_id bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF task_id IS NOT NULL THEN
		PERFORM recall._task(tenant_id, task_id);
	END IF;
END $$;
COMMENT ON FUNCTION recall._require_scope(int, bigint) IS
'Raises 42501 unless the task is null, for the whole tenant, or one of the tenant''s.';

CREATE FUNCTION recall.suppress(
	tenant_id int, number text, until timestamptz DEFAULT 'infinity', reason text DEFAULT NULL, task_id bigint DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	lasting timestamptz := coalesce(suppress.until, 'infinity');
	manages boolean := coalesce(recall._has_right(suppress.tenant_id, 'manage'), false);
	old timestamptz;
BEGIN
	IF NOT manages THEN
		PERFORM recall._require(suppress.tenant_id, 'dial');
	END IF;
	PERFORM recall._require_scope(suppress.tenant_id, suppress.task_id);
	PERFORM recall._check_numbers(ARRAY[suppress.number]);
	IF lasting <= now() THEN
		PERFORM recall._invalid(format('a suppression until %s is over already', lasting),
			'Leave "until" out for one that lasts for good.');
	END IF;
	IF recall._is_longer(suppress.reason, 200) THEN
		PERFORM recall._invalid('the reason of a suppression is too long', 'A reason has up to 200 characters.');
	END IF;

	old := (SELECT s.until FROM recall.suppression s
		WHERE s.tenant_id = suppress.tenant_id AND s.number = suppress.number COLLATE "default" AND s.task_id IS NOT DISTINCT FROM suppress.task_id);
	INSERT INTO recall.suppression AS s (tenant_id, number, task_id, until, reason, role, created_at)
	VALUES (suppress.tenant_id, suppress.number, suppress.task_id, lasting, suppress.reason,
		pg_get_userbyid(recall._caller()), clock_timestamp())
	ON CONFLICT (tenant_id, number, task_id) DO UPDATE
	SET until = excluded.until, reason = excluded.reason, role = excluded.role, created_at = excluded.created_at
	WHERE manages OR s.until <= excluded.until;
	IF NOT FOUND THEN
		/* It is suppressed for longer already, and only who manages may shorten that. */
		PERFORM recall._require(suppress.tenant_id, 'manage');
	END IF;
	/* Asked behind the row's lock, so that an erasure beside this is either seen here or finds the row. */
	IF manages AND lasting < 'infinity' AND suppress.task_id IS NULL
		AND cardinality(recall._erased_numbers(suppress.tenant_id, ARRAY[suppress.number])) > 0 THEN
		PERFORM recall._refuse(format('number "%s" was erased, and is suppressed for good', recall._mask_number(suppress.number)),
			'recall.unsuppress() takes it off the list; then it may be suppressed for a time.');
	END IF;
	PERFORM recall._log(suppress.tenant_id, 'suppression', suppress.number, 'suppress',
		detail => jsonb_strip_nulls(jsonb_build_object('task_id', suppress.task_id, 'from', old, 'until', lasting, 'reason', suppress.reason)));
END $$;
COMMENT ON FUNCTION recall.suppress(int, text, timestamptz, text, bigint) IS
'Puts a number on the do-not-call list, until some time (null: for good), for one task or, with a null task_id, for the whole tenant; once more replaces the time and the reason, but only the right to manage can shorten the time, and not that of a number that was erased. A suppressed number is skipped; a contact all of whose numbers are suppressed is not recalled. number: "+" and 7 to 15 digits (ITU-T E.164); reason: up to 200 characters. Right: dial or manage. Errors: 42501; 22P02 a number; 22023 a time that is over, a reason too long; 55000 a time for a number that was erased.';

CREATE FUNCTION recall.unsuppress(tenant_id int, number text, task_id bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	was_suppressed boolean;
	was_erased boolean := false;
	old recall.suppression;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._require_scope(tenant_id, task_id);
	PERFORM recall._check_numbers(ARRAY[number]);

	DELETE FROM recall.suppression s
	WHERE s.tenant_id = unsuppress.tenant_id AND s.number = unsuppress.number COLLATE "default"
	AND s.task_id IS NOT DISTINCT FROM unsuppress.task_id
	RETURNING * INTO old;
	was_suppressed := FOUND;
	IF task_id IS NULL THEN
		DELETE FROM recall.erased_number e
		USING recall.erasure_key k
		WHERE k.tenant_id = unsuppress.tenant_id AND e.tenant_id = k.tenant_id
		AND e.number_hash = recall._number_hash(k.key, unsuppress.number);
		was_erased := FOUND;
	END IF;
	IF was_suppressed OR was_erased THEN
		PERFORM recall._log(tenant_id, 'suppression', number, 'unsuppress',
			detail => jsonb_strip_nulls(jsonb_build_object('task_id', task_id, 'from', old.until, 'reason', old.reason)));
	END IF;
	RETURN was_suppressed OR was_erased;
END $$;
COMMENT ON FUNCTION recall.unsuppress(int, text, bigint) IS
'Takes a number off the do-not-call list of a task or, with a null task_id, of the whole tenant, and tells whether it was on it; one list says nothing of the other. That of the tenant also holds the numbers that were erased. Permits that a claim has taken out meanwhile do not come back by themselves: who was called before is recycled, and recall.suspend_batch() and recall.start_batch() queue those who never were. Right: manage. Errors: 42501; 22P02 a number.';

CREATE FUNCTION recall._suppressed_numbers(tenant_id int, task_id bigint, numbers text[], at timestamptz) RETURNS text[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_suppressed_numbers';
COMMENT ON FUNCTION recall._suppressed_numbers(int, bigint, text[], timestamptz) IS
'Those of some numbers that a task may not call at an instant; null when there are none.';

CREATE FUNCTION recall._suppressed_until(tenant_id int, task_id bigint, numbers text[], at timestamptz) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_suppressed_until';
COMMENT ON FUNCTION recall._suppressed_until(int, bigint, text[], timestamptz) IS
'When the first of those suppressions ends by which a task may not call some numbers at an instant; null when there are none.';
