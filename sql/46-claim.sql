/*
 * Claiming: a dialer takes permits and may ring when the claim has committed. Those of which nothing more is to be
 * asked are taken in C. For the others, what was true when the permit was made is asked again here: what may not be
 * dialled now is put off to its next moment, gets another number of the contact, or is taken out with a reason.
 */

CREATE FUNCTION recall._check_lease(lease interval) RETURNS interval
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'recall_check_lease';
COMMENT ON FUNCTION recall._check_lease(interval) IS 'A lease in hours, minutes and seconds. Raises 22023 unless it lasts from a second to a day.';

CREATE TYPE recall._terms AS (
	state         recall.task_state,
	policy        recall.policy,
	limited       boolean,
	per_number    boolean,
	calling_hours recall.calling_hours,
	time_zone     text,
	holidays      date[],
	suppresses    boolean,
	suspended     bigint[],
	paused        bigint[]
);
COMMENT ON TYPE recall._terms IS
'What all permits of a task are asked about: the task''s state, policy and hours, whether the policy limits anything, or anything per number, the tenant''s zone and holidays, whether it suppresses any number, and the batches and recycle records whose permits wait.';

CREATE FUNCTION recall._terms(tenant_id int, task_id bigint) RETURNS recall._terms
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'recall_terms';
COMMENT ON FUNCTION recall._terms(int, bigint) IS 'The terms of a task''s permits. Errors: 42501.';

CREATE TYPE recall._due AS (
	place      tid,
	contact_id bigint,
	batch_id   bigint,
	recycle_id bigint,
	number     text,
	snapshot   recall.policy,
	opens_at   timestamptz,
	reason     text
);
COMMENT ON TYPE recall._due IS
'A permit that is due, and has been asked about: the number it would be dialled on, the recycle''s policy where it is not the task''s, and when it may be dialled, or the reason why never; null and null: the calling hours never open.';

/*
 * Where it is only the hours that are shut, the contact's calls are not read.
 */
CREATE FUNCTION recall._ask_again(tenant_id int, task_id bigint, terms recall._terms, places tid[], at timestamptz) RETURNS recall._due[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	due recall._due[];
BEGIN
	SELECT array_agg(ROW(k.place, k.contact_id, k.batch_id, k.recycle_id, coalesce((k.admission).number, k.number), k.snapshot,
		CASE WHEN (k.admission).reason IS NULL THEN
			recall.next_open(terms.calling_hours, k.time_zone, greatest(at, (k.admission).not_before), terms.holidays) END,
		(k.admission).reason)::recall._due ORDER BY k.n)
	INTO due
	FROM (
		SELECT p.n, p.place, d.contact_id, d.batch_id, d.recycle_id, d.number, s.snapshot, z.time_zone,
			CASE WHEN terms.per_number OR s.snapshot IS NOT NULL OR terms.limited AND d.recycle_id IS NULL AND d.attempt > 1
				OR terms.suppresses AND recall._suppressed_numbers(_ask_again.tenant_id, _ask_again.task_id, ARRAY[d.number], at) IS NOT NULL
			THEN recall._admission(_ask_again.tenant_id, _ask_again.task_id, d.batch_id, d.contact_id, c.numbers, d.number, z.time_zone,
				terms.policy, s.snapshot, at) END AS admission
		FROM unnest(places) WITH ORDINALITY p(place, n)
		CROSS JOIN LATERAL (SELECT i.contact_id, i.attempt, i.batch_id, i.recycle_id, i.number FROM recall.dial i
			WHERE i.ctid = p.place OFFSET 0) d
		CROSS JOIN LATERAL (SELECT i.numbers, i.time_zone FROM recall.contact i
			WHERE i.tenant_id = _ask_again.tenant_id AND i.contact_id = d.contact_id OFFSET 0) c
		CROSS JOIN LATERAL (SELECT CASE WHEN d.recycle_id IS NOT NULL THEN (SELECT r.policy FROM recall.recycle r
			WHERE r.tenant_id = _ask_again.tenant_id AND r.recycle_id = d.recycle_id
			AND (terms.policy IS NULL OR r.policy <> terms.policy)) END AS snapshot OFFSET 0) s
		CROSS JOIN LATERAL (SELECT coalesce(c.time_zone, terms.time_zone) AS time_zone) z
		OFFSET 0
	) k;
	RETURN coalesce(due, '{}');
END $$;
COMMENT ON FUNCTION recall._ask_again(int, bigint, recall._terms, tid[], timestamptz) IS
'Locked permits, after those of which there is more to ask were looked at by the limits and quiets of the policies and the do-not-call list, in the order in which they are given.';

CREATE TYPE recall._claimed AS (
	contact_id  bigint,
	number      text,
	attempt     int,
	token       bigint,
	lease_until timestamptz,
	priority    int,
	recycle_id  bigint,
	batch_id    bigint,
	due_at      timestamptz,
	agent       text
);
COMMENT ON TYPE recall._claimed IS 'A permit in a dialer''s hands.';


/*
 * Of several permits to one number the first is taken: each is looked up when it is its turn, and what was claimed
 * before it is seen. They are taken in their order.
 */
CREATE FUNCTION recall._take(tenant_id int, due recall._due[], missing int, lease interval, dialer text, at timestamptz) RETURNS recall._claimed[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	claimed recall._claimed[];
BEGIN
	WITH taken AS (
		UPDATE recall.dial d
		SET state = 'claimed', number = f.number, token = recall._new_token(), claimed_at = at, lease_until = at + lease, dialer = _take.dialer
		FROM (
			SELECT t.place, t.number FROM unnest(due) t
			WHERE t.opens_at = at AND NOT recall._number_is_out(_take.tenant_id, t.number)
			LIMIT missing
		) f
		WHERE d.ctid = f.place
		RETURNING ROW(d.contact_id, d.number, d.attempt, d.token, d.lease_until, d.priority, d.recycle_id,
			d.batch_id, d.due_at, d.agent)::recall._claimed AS claimed
	)
	SELECT array_agg(t.claimed) INTO claimed FROM taken t;
	RETURN coalesce(claimed, '{}');
END $$;
COMMENT ON FUNCTION recall._take(int, recall._due[], int, interval, text, timestamptz) IS
'Claims up to so many of some locked permits, those that may be dialled now and whose number is not out.';

/*
 * What cannot be dialled now goes out of the way: to the moment when it can; by five seconds while a call to the same
 * number is out, by five minutes while the outcome of one is unknown. What has been taken is another row by now.
 */
CREATE FUNCTION recall._put_off(tenant_id int, due recall._due[], at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	UPDATE recall.dial d
	SET due_at = CASE
		WHEN p.opens_at > at THEN p.opens_at
		WHEN (SELECT true FROM recall.dial o
			WHERE o.tenant_id = _put_off.tenant_id AND o.number COLLATE "C" = p.number AND o.state <> 'ready' AND o.lease_until <= at LIMIT 1) THEN at + interval '5 min'
		ELSE at + interval '5 s' END
	FROM unnest(due) p
	WHERE d.ctid = p.place AND p.opens_at IS NOT NULL AND (p.opens_at > at OR recall._number_is_out(_put_off.tenant_id, p.number));
END $$;
COMMENT ON FUNCTION recall._put_off(int, recall._due[], timestamptz) IS 'Puts off those of some locked permits that may be dialled later.';

CREATE FUNCTION recall._take_out(tenant_id int, due recall._due[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gone record;
BEGIN
	WITH gone AS (
		DELETE FROM recall.dial d
		USING unnest(due) p
		WHERE d.ctid = p.place AND p.opens_at IS NULL
		RETURNING d.contact_id, coalesce(p.reason, 'the calling hours never open') AS reason, d.recycle_id
	)
	SELECT array_agg(g.contact_id) AS contacts, array_agg(g.reason) AS reasons, array_agg(g.recycle_id) AS recycles INTO gone
	FROM gone g;
	PERFORM recall._forget_permits(_take_out.tenant_id, gone.contacts, gone.reasons, gone.recycles);
END $$;
COMMENT ON FUNCTION recall._take_out(int, recall._due[]) IS 'Takes those of some locked permits out of the queue that may never be dialled.';

/*
 * Two claims that hand out one number at the same time do not see each other's calls. Once a number is claimed,
 * though, nobody else has it: so what a policy says "per number" is looked at again, then.
 */
CREATE FUNCTION recall._hand_back(
	tenant_id int, task_id bigint, terms recall._terms, due recall._due[], contacts bigint[], at timestamptz)
RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	handed_back bigint[];
BEGIN
	IF NOT terms.per_number AND NOT EXISTS (SELECT FROM unnest(due) d WHERE recall._has_limits(d.snapshot, true)) THEN
		RETURN '{}';
	END IF;
	WITH looked AS MATERIALIZED (
		SELECT d.place, d.number,
			recall._admission(_hand_back.tenant_id, _hand_back.task_id, d.batch_id, d.contact_id, c.numbers, d.number,
				coalesce(c.time_zone, terms.time_zone), terms.policy,
				(SELECT r.policy FROM recall.recycle r WHERE r.tenant_id = _hand_back.tenant_id AND r.recycle_id = d.recycle_id), at) AS admission
		FROM unnest(contacts) u(contact_id)
		CROSS JOIN LATERAL (SELECT i.ctid AS place, i.contact_id, i.batch_id, i.recycle_id, i.number FROM recall.dial i
			WHERE i.tenant_id = _hand_back.tenant_id AND i.contact_id = u.contact_id OFFSET 0) d
		JOIN recall.contact c ON c.tenant_id = _hand_back.tenant_id AND c.contact_id = d.contact_id
	), given_back AS (
		UPDATE recall.dial d
		SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
		FROM looked l
		WHERE d.ctid = l.place
		AND ((l.admission).reason IS NOT NULL OR (l.admission).number <> l.number OR (l.admission).not_before > at)
		RETURNING d.contact_id
	)
	SELECT coalesce(array_agg(g.contact_id), '{}') INTO handed_back FROM given_back g;
	RETURN handed_back;
END $$;
COMMENT ON FUNCTION recall._hand_back(int, bigint, recall._terms, recall._due[], bigint[], timestamptz) IS
'Makes those of the permits that were just claimed ready again that may not be dialled after all, and returns their contacts.';

/* Rows are looked up by their keys: what the planner knows of the queue may be from when it was nearly empty. */
CREATE FUNCTION recall._claim_others(
	tenant_id int, task_id bigint, missing int, lease interval, dialer text, at timestamptz, places tid[])
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
	terms recall._terms := recall._terms(_claim_others.tenant_id, _claim_others.task_id);
	due recall._due[];
	some_open boolean;
	some_ever boolean;
	some_never boolean;
	claimed recall._claimed[] := '{}';
	handed_back bigint[];
	attempts_left int := 5;
BEGIN
	WHILE attempts_left > 0 LOOP
		BEGIN
			due := recall._ask_again(_claim_others.tenant_id, _claim_others.task_id, terms, places, at);
			SELECT bool_or(d.opens_at = at), bool_or(d.opens_at IS NOT NULL), bool_or(d.opens_at IS NULL) INTO some_open, some_ever, some_never
			FROM unnest(due) d;
			IF some_open THEN
				claimed := recall._take(_claim_others.tenant_id, due, missing, lease, _claim_others.dialer, at);
			END IF;
			IF some_ever THEN
				PERFORM recall._put_off(_claim_others.tenant_id, due, at);
			END IF;
			IF some_never THEN
				PERFORM recall._take_out(_claim_others.tenant_id, due);
			END IF;
			IF claimed <> '{}' THEN
				handed_back := recall._hand_back(_claim_others.tenant_id, _claim_others.task_id, terms, due,
					ARRAY(SELECT c.contact_id FROM unnest(claimed) c), at);
			END IF;
			EXIT;
		EXCEPTION
			WHEN unique_violation OR deadlock_detected THEN
				attempts_left := attempts_left - 1; -- somebody claimed one of the numbers at the same moment
				claimed := '{}';
			WHEN lock_not_available THEN
				attempts_left := 0;
				claimed := '{}';
		END;
	END LOOP;
	IF claimed <> '{}' THEN
		RETURN QUERY
		SELECT p.contact_id, p.number, p.attempt, p.token, p.lease_until, p.priority, c.reference, c.attributes, p.recycle_id, p.batch_id,
			p.due_at, p.agent
		FROM unnest(claimed) p
		CROSS JOIN LATERAL (SELECT i.reference, i.attributes FROM recall.contact i
			WHERE i.tenant_id = _claim_others.tenant_id AND i.contact_id = p.contact_id OFFSET 0) c
		WHERE p.contact_id <> ALL (handed_back);
	END IF;
END $$;
COMMENT ON FUNCTION recall._claim_others(int, bigint, int, interval, text, timestamptz, tid[]) IS
'The part of a claim that asks again what may have changed since a permit was made: of some permits of the task, which are locked, claims up to so many, in their order, and puts off or takes out those that may not be dialled now.';

CREATE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_claim';
COMMENT ON FUNCTION recall.claim(int, bigint, int, interval, text) IS
'Hands out permits to dial: those of a task that are due, by priority, due time and contact, up to max_rows (1 to 10 000). Ring when the transaction has committed, and report before lease_until, after a lease of 1 second to 1 day. Each permit has a token that report(), extend() and release() ask for; attempt is a forecast; agent: who promised to call back; dialer: what the caller calls itself, up to 200 characters. Calling hours, the do-not-call list, limits and quiets of the task''s policy and of the recycle''s are asked again: what may not be dialled now is put off, gets another number of the contact, or is taken out of the queue, which the audit notes. A number is out once at a time. Nothing while the task is not executing; permits of suspended batches and paused recycles wait. Right: dial. Errors: 42501; 22023 max_rows, the lease or the dialer''s name out of range; 55000 above READ COMMITTED, or in a copy of the database until recall.accept_history().';
