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
	attempt    int,
	batch_id   bigint,
	recycle_id bigint,
	priority   int,
	due_at     timestamptz,
	number     text,
	numbers    text[],
	time_zone  text,
	snapshot   recall.policy,
	opens_at   timestamptz,
	reason     text,
	is_doubted boolean
);
COMMENT ON TYPE recall._due IS
'A permit that is due, with its contact: the number it would be dialled on, when the calling hours allow it, the recycle''s policy where it is not the task''s, and whether there is more to ask.';

/*
 * The walk goes from one priority to the next, so that permits of a high priority that are not due yet cost one step,
 * however many they are.
 */
CREATE FUNCTION recall._next_priority(tenant_id int, task_id bigint, below bigint) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT d.priority FROM recall.dial d
		WHERE d.tenant_id = _next_priority.tenant_id AND d.task_id = _next_priority.task_id AND d.state = 'ready' AND d.priority < below
		ORDER BY d.priority DESC LIMIT 1);
END $$;
COMMENT ON FUNCTION recall._next_priority(int, bigint, bigint) IS
'The highest priority below another that a task''s ready permits have; null: there is none.';

CREATE TYPE recall._place AS (priority int, due_at timestamptz, contact_id bigint);
COMMENT ON TYPE recall._place IS 'A place in a queue: its order is priority, the highest first, due time and contact.';

CREATE FUNCTION recall._lock_due(
	tenant_id int, task_id bigint, terms recall._terms, start recall._place, breadth int, at timestamptz)
RETURNS recall._due[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	walks boolean := recall._set_out();
	level int := coalesce(start.priority, recall._next_priority(_lock_due.tenant_id, _lock_due.task_id, 2147483648));
	due recall._due[] := '{}';
BEGIN
	WHILE level IS NOT NULL AND cardinality(due) < breadth LOOP
		due := due || ARRAY(
			SELECT ROW(d.place, d.contact_id, d.attempt, d.batch_id, d.recycle_id, d.priority, d.due_at, d.number, c.numbers, c.time_zone,
				s.snapshot,
				recall.next_open(terms.calling_hours, coalesce(c.time_zone, terms.time_zone), at, terms.holidays), NULL,
				terms.per_number OR s.snapshot IS NOT NULL OR terms.limited AND d.recycle_id IS NULL AND d.attempt > 1
					OR terms.suppresses AND EXISTS (SELECT FROM recall.suppression q
						WHERE q.tenant_id = _lock_due.tenant_id AND q.number = d.number AND q.until > at
						AND (q.task_id IS NULL OR q.task_id = _lock_due.task_id)))::recall._due
			FROM (
				SELECT d.ctid AS place, d.contact_id, d.attempt, d.batch_id, d.recycle_id, d.priority, d.due_at, d.number
				FROM recall.dial d
				WHERE d.tenant_id = _lock_due.tenant_id AND d.task_id = _lock_due.task_id AND d.state = 'ready'
				AND d.priority = level AND d.due_at <= at
				AND (d.due_at, d.contact_id) >= (coalesce(start.due_at, '-infinity'), coalesce(start.contact_id, 0))
				AND d.batch_id <> ALL (terms.suspended) AND (d.recycle_id IS NULL OR d.recycle_id <> ALL (terms.paused))
				ORDER BY d.due_at, d.contact_id
				LIMIT breadth - cardinality(due)
				FOR UPDATE SKIP LOCKED
			) d
			JOIN recall.contact c ON c.tenant_id = _lock_due.tenant_id AND c.contact_id = d.contact_id
			CROSS JOIN LATERAL (SELECT CASE WHEN d.recycle_id IS NOT NULL THEN (SELECT r.policy FROM recall.recycle r
				WHERE r.tenant_id = _lock_due.tenant_id AND r.recycle_id = d.recycle_id
				AND (terms.policy IS NULL OR r.policy <> terms.policy)) END AS snapshot OFFSET 0) s
			WHERE recall._pass());
		IF cardinality(due) < breadth THEN
			level := recall._next_priority(_lock_due.tenant_id, _lock_due.task_id, level);
			start.due_at := NULL;
			start.contact_id := NULL;
		END IF;
	END LOOP;
	walks := NOT recall._pass();
	RETURN due;
END $$;
COMMENT ON FUNCTION recall._lock_due(int, bigint, recall._terms, recall._place, int, timestamptz) IS
'The permits of a task that are due, from a place on, by priority, due time and contact, locked; those that others have locked, of suspended batches and of paused records are passed over.';

CREATE FUNCTION recall._ask_again(tenant_id int, task_id bigint, terms recall._terms, due recall._due[], at timestamptz) RETURNS recall._due[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	asked recall._due[];
BEGIN
	SELECT array_agg(ROW(k.place, k.contact_id, k.attempt, k.batch_id, k.recycle_id, k.priority, k.due_at, coalesce((k.admission).number, k.number),
		k.numbers, k.time_zone, k.snapshot,
		CASE WHEN (k.admission).reason IS NULL THEN recall.next_open(terms.calling_hours, coalesce(k.time_zone, terms.time_zone),
			greatest(at, (k.admission).not_before), terms.holidays) END,
		(k.admission).reason, k.is_doubted)::recall._due ORDER BY k.n)
	INTO asked
	FROM (
		SELECT d.*, CASE WHEN d.is_doubted THEN recall._admission(tenant_id, task_id, d.batch_id, d.contact_id, d.numbers, d.number,
			coalesce(d.time_zone, terms.time_zone), terms.policy, d.snapshot, at) END AS admission
		FROM unnest(due) WITH ORDINALITY AS d(place, contact_id, attempt, batch_id, recycle_id, priority, due_at, number, numbers, time_zone,
			snapshot, opens_at, reason, is_doubted, n)
		OFFSET 0
	) k;
	RETURN asked;
END $$;
COMMENT ON FUNCTION recall._ask_again(int, bigint, recall._terms, recall._due[], timestamptz) IS
'The same permits, after those of which there is more to ask were looked at by the limits and quiets of the policies and the do-not-call list.';

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
 * What cannot be dialled now goes out of the way: to the moment when it can; by five seconds while a call to the same
 * number is out, by five minutes while the outcome of one is unknown; or out of the queue.
 */
CREATE FUNCTION recall._put_off(tenant_id int, pending recall._due[], at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	gone record;
BEGIN
	UPDATE recall.dial d
	SET due_at = CASE
		WHEN p.opens_at > at THEN p.opens_at
		WHEN EXISTS (SELECT FROM recall.dial o
			WHERE o.tenant_id = _put_off.tenant_id AND o.number COLLATE "C" = p.number AND o.state <> 'ready' AND o.lease_until <= at) THEN at + interval '5 min'
		ELSE at + interval '5 s' END
	FROM unnest(pending) p
	WHERE d.ctid = p.place AND p.opens_at IS NOT NULL AND (p.opens_at > at OR recall._number_is_out(_put_off.tenant_id, p.number));

	WITH gone AS (
		DELETE FROM recall.dial d
		USING unnest(pending) p
		WHERE d.ctid = p.place AND p.opens_at IS NULL
		RETURNING d.contact_id, coalesce(p.reason, 'the calling hours never open') AS reason, d.recycle_id
	)
	SELECT array_agg(g.contact_id) AS contacts, array_agg(g.reason) AS reasons, array_agg(g.recycle_id) AS recycles INTO gone
	FROM gone g;
	IF gone.contacts IS NOT NULL THEN
		PERFORM recall._forget_permits(_put_off.tenant_id, gone.contacts, gone.reasons, gone.recycles);
	END IF;
END $$;
COMMENT ON FUNCTION recall._put_off(int, recall._due[], timestamptz) IS
'Puts off the permits that cannot be dialled now, and takes out those that never can.';

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

/* Each look at the queue goes by its index: what the planner knows of it may be from when it was nearly empty. */
CREATE FUNCTION recall._claim_others(
	tenant_id int, task_id bigint, missing int, lease interval, dialer text, at timestamptz, start recall._place, reached recall._place)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
	terms recall._terms := recall._terms(_claim_others.tenant_id, _claim_others.task_id);
	due recall._due[];
	claimed recall._claimed[] := '{}';
	taken recall._claimed[];
	handed_back bigint[];
	last recall._place;
	breadth int := missing;
	looked_at int := 0;
	attempts_left int := 5;
	ended text;
BEGIN
	/* A claim that finds little to hand out looks at more at a time, but not at all that a tenant may have put off. */
	WHILE missing > 0 AND looked_at < 20000 AND attempts_left > 0 LOOP
		BEGIN
			due := recall._lock_due(_claim_others.tenant_id, _claim_others.task_id, terms, start, breadth, at);
			EXIT WHEN due = '{}';
			last := (due[cardinality(due)].priority, due[cardinality(due)].due_at, due[cardinality(due)].contact_id);
			due := recall._ask_again(_claim_others.tenant_id, _claim_others.task_id, terms, due, at);
			taken := recall._take(_claim_others.tenant_id, due, missing, lease, _claim_others.dialer, at);
			PERFORM recall._put_off(_claim_others.tenant_id,
				ARRAY(SELECT d FROM unnest(due) d WHERE d.contact_id NOT IN (SELECT c.contact_id FROM unnest(taken) c)), at);
			handed_back := recall._hand_back(_claim_others.tenant_id, _claim_others.task_id, terms, due,
				ARRAY(SELECT c.contact_id FROM unnest(taken) c), at);
			taken := ARRAY(SELECT c FROM unnest(taken) c WHERE c.contact_id <> ALL (handed_back));
			claimed := claimed || taken;
			missing := missing - cardinality(taken);
			EXIT WHEN cardinality(due) < breadth;
			looked_at := looked_at + breadth;
			breadth := greatest(missing, least(breadth * 4, 1000));
		EXCEPTION WHEN unique_violation OR deadlock_detected OR lock_not_available THEN
			attempts_left := attempts_left - 1; -- somebody claimed one of the numbers at the same moment
		END;
	END LOOP;
	/* Everything before the last permit that was claimed has been seen to, or all that was looked at. */
	IF claimed <> '{}' AND missing = 0 THEN
		last := (claimed[cardinality(claimed)].priority, claimed[cardinality(claimed)].due_at, claimed[cardinality(claimed)].contact_id);
	ELSIF last IS NULL THEN
		last := reached;
	END IF;
	ended := recall._end_walk(last.priority, last.due_at, last.contact_id);
	RETURN QUERY
	SELECT p.contact_id, p.number, p.attempt, p.token, p.lease_until, p.priority, c.reference, c.attributes, p.recycle_id, p.batch_id,
		p.due_at, p.agent
	FROM unnest(claimed) p
	CROSS JOIN LATERAL (SELECT i.reference, i.attributes FROM recall.contact i
		WHERE i.tenant_id = _claim_others.tenant_id AND i.contact_id = p.contact_id OFFSET 0) c;
END $$;
COMMENT ON FUNCTION recall._claim_others(int, bigint, int, interval, text, timestamptz, recall._place, recall._place) IS
'The part of a claim that asks again what may have changed since a permit was made: claims up to so many from a place on, and ends the walk, at the place that was reached before when there was nothing to look at.';

CREATE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_claim';
COMMENT ON FUNCTION recall.claim(int, bigint, int, interval, text) IS
'Hands out permits to dial: those of a task that are due, by priority, due time and contact, up to max_rows (1 to 10 000). Ring when the transaction has committed, and report before lease_until, after a lease of 1 second to 1 day. Each permit has a token that report(), extend() and release() ask for; attempt is a forecast; agent: who promised to call back; dialer: what the caller calls itself, up to 200 characters. Calling hours, the do-not-call list, limits and quiets of the task''s policy and of the recycle''s are asked again: what may not be dialled now is put off, gets another number of the contact, or is taken out of the queue, which the audit notes. A number is out once at a time. Nothing while the task is not executing; permits of suspended batches and paused recycles wait. Right: dial. Errors: 42501; 22023 max_rows, the lease or the dialer''s name out of range; 55000 above READ COMMITTED, or in a copy of the database until recall.accept_history().';
