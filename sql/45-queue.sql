/* The queue of permits: what claiming one, and giving one out of one's hands, have in common. */

CREATE FUNCTION recall._new_token() RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_new_token';
COMMENT ON FUNCTION recall._new_token() IS 'A random fencing token, from 1 on.';

CREATE FUNCTION recall._number_is_out(tenant_id int, number text) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_number_is_out';
COMMENT ON FUNCTION recall._number_is_out(int, text) IS
'Whether a call to a number is out with a dialer, or is being claimed by a transaction that has not committed yet.';

CREATE FUNCTION recall._begin_walk(index regclass, tenant_id int, task_id bigint, at timestamptz,
	OUT priority int, OUT due_at timestamptz, OUT contact_id bigint)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_begin_walk';
COMMENT ON FUNCTION recall._begin_walk(regclass, int, bigint, timestamptz) IS
'Where to begin in a queue; nulls: at its front. Only a walk that read much in vain, a short while ago, leaves such a bookmark.';

CREATE FUNCTION recall._rest(at_least interval) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_rest';
COMMENT ON FUNCTION recall._rest(interval) IS
'Ends a walk that is not to be made again for some time (hours, minutes and seconds), longer when it read much.';

CREATE FUNCTION recall._own_calls(tenant_id int, batch_id bigint, contact_id bigint) RETURNS recall.history
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
	FROM recall.call k
	WHERE k.tenant_id = _own_calls.tenant_id AND k.batch_id = _own_calls.batch_id AND k.contact_id = _own_calls.contact_id;
END;
COMMENT ON FUNCTION recall._own_calls(int, bigint, bigint) IS 'The completed calls of a contact.';

/*
 * What may have changed since a permit was made: other contacts' calls to its number, the do-not-call list, and the
 * policy. The contact's own calls are the same as then, but the policy of now may count them otherwise.
 */
CREATE FUNCTION recall._admission(
	tenant_id int, task_id bigint, batch_id bigint, contact_id bigint, numbers text[], number text, time_zone text,
	policy recall.policy, snapshot recall.policy, at timestamptz)
RETURNS recall._admission
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	calls recall.history;
	suppressed text[];
	suppressed_until timestamptz;
	number_calls recall.history;
	admission recall._admission;
	earlier recall._admission;
BEGIN
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at) INTO calls
	FROM recall.call k
	WHERE k.tenant_id = _admission.tenant_id AND k.batch_id = _admission.batch_id AND k.contact_id = _admission.contact_id;
	suppressed := recall._suppressed_numbers(tenant_id, task_id, numbers, at);
	IF recall._has_limits(policy, true) OR recall._has_limits(snapshot, true) THEN
		number_calls := recall._calls_to_numbers(tenant_id, numbers);
	END IF;
	admission := recall._admit(coalesce(policy, 'failed'), calls, numbers, time_zone, suppressed, number_calls, number);
	IF admission.reason IS NOT NULL THEN
		suppressed_until := recall._suppressed_until(tenant_id, task_id, numbers, at);
	END IF;
	IF suppressed_until < 'infinity' THEN
		admission := recall._admit(coalesce(policy, 'failed'), calls, numbers, time_zone, NULL, number_calls, number);
		admission.not_before := greatest(admission.not_before, suppressed_until);
		suppressed := NULL;
	END IF;
	IF admission.reason IS NULL AND snapshot IS NOT NULL THEN
		earlier := recall._admit(snapshot, calls, numbers, time_zone, suppressed, number_calls, admission.number);
		admission := (earlier.number, greatest(admission.not_before, earlier.not_before), earlier.reason);
	END IF;
	RETURN admission;
END $$;
COMMENT ON FUNCTION recall._admission(int, bigint, bigint, bigint, text[], text, text, recall.policy, recall.policy, timestamptz) IS
'Whether a contact may be called at an instant, first of all on a number, by the task''s policy and by the one that the permit was made by, if that is another; null policies limit nothing.';

CREATE FUNCTION recall._forget_permits(tenant_id int, contacts bigint[], reasons text[], recycles bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, detail)
	SELECT _forget_permits.tenant_id, pg_get_userbyid(recall._caller()), 'contact', p.contact_id::text, 'take_out',
		jsonb_strip_nulls(jsonb_build_object('reason', p.reason, 'recycle_id', p.recycle_id))
	FROM ROWS FROM (unnest(contacts), unnest(reasons), unnest(recycles)) AS p(contact_id, reason, recycle_id);

	PERFORM recall._tally(_forget_permits.tenant_id, r.recycle_id, 0, 0, r.permits)
	FROM (SELECT u.recycle_id, count(*) AS permits FROM unnest(recycles) u(recycle_id)
		WHERE u.recycle_id IS NOT NULL GROUP BY u.recycle_id ORDER BY u.recycle_id) r;
END $$;
COMMENT ON FUNCTION recall._forget_permits(int, bigint[], text[], bigint[]) IS
'Notes why permits of contacts were taken out of the queue, and counts them in the recycle records that they came from.';
