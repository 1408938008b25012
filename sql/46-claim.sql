/*
 * Claiming: a dialer takes permits and may ring when the claim has committed. What was true when a permit was made
 * is asked again for those that are about to be handed out: what may not be dialled now is put off to its next
 * moment, gets another number of the contact, or is taken out with a reason.
 */

CREATE FUNCTION recall._check_lease(lease interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	checked interval := make_interval(secs => extract(epoch FROM lease)::double precision); -- without months, which differ
BEGIN
	IF checked BETWEEN interval '1 s' AND interval '1 day' IS NOT TRUE THEN
		PERFORM recall._invalid(format('lease %s is out of range', coalesce(quote_ident(lease::text), 'null')), 'A lease lasts from 1 second to 1 day.');
	END IF;
	RETURN checked;
END $$;
COMMENT ON FUNCTION recall._check_lease(interval) IS 'A lease in hours, minutes and seconds. Raises 22023 unless it lasts from a second to a day.';

CREATE FUNCTION recall._check_claim(max_rows int, dialer text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF max_rows BETWEEN 1 AND 10000 IS NOT TRUE THEN
		PERFORM recall._invalid(format('max_rows %s is out of range', coalesce(max_rows::text, 'null')), 'A claim takes 1 to 10000 permits.');
	ELSIF length(dialer) > 200 THEN
		PERFORM recall._invalid('the name of a dialer is too long', 'It has up to 200 characters.');
	ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		PERFORM recall._refuse(format('the transaction is at isolation level %s', upper(current_setting('transaction_isolation'))),
			'It would not see what others have claimed: use READ COMMITTED.');
	END IF;
	RETURN true;
END $$;
COMMENT ON FUNCTION recall._check_claim(int, text) IS
'What a claim asks for. Errors: 22023 a parameter out of range; 55000 above READ COMMITTED.';

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
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	terms recall._terms;
BEGIN
	SELECT t.state, t.policy, coalesce(recall._has_limits(t.policy, false), false), coalesce(recall._has_limits(t.policy, true), false),
		t.calling_hours, n.time_zone, n.holidays,
		EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _terms.tenant_id),
		ARRAY(SELECT b.batch_id FROM recall.batch b
			WHERE b.tenant_id = _terms.tenant_id AND b.task_id = _terms.task_id AND b.state = 'suspended'),
		ARRAY(SELECT r.recycle_id FROM recall.recycle r
			WHERE r.tenant_id = _terms.tenant_id AND r.state = 'paused' AND r.state IN ('waiting', 'running', 'paused', 'failed'))
	INTO terms
	FROM recall.task t
	JOIN recall.tenant n ON n.tenant_id = t.tenant_id
	WHERE t.tenant_id = _terms.tenant_id AND t.task_id = _terms.task_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
	END IF;
	RETURN terms;
END $$;
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
			WHERE o.tenant_id = _put_off.tenant_id AND o.number = p.number AND o.state <> 'ready' AND o.lease_until <= at) THEN at + interval '5 min'
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

/* Nearly all permits are plain: of the highest priority, due, within the hours, and nothing more is to be asked of them. */
CREATE FUNCTION recall._take_plain(
	tenant_id int, task_id bigint, terms recall._terms, start recall._place, missing int, lease interval, dialer text, at timestamptz)
RETURNS recall._claimed[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	walks boolean := recall._set_out();
	claimed recall._claimed[];
BEGIN
	WITH due AS MATERIALIZED (
		SELECT d.ctid AS place, d.contact_id, d.attempt, d.recycle_id, d.priority, d.due_at, d.number
		FROM recall.dial d
		WHERE d.tenant_id = _take_plain.tenant_id AND d.task_id = _take_plain.task_id AND d.state = 'ready'
		/* With a bookmark nothing is walked for it, not even where a row that somebody changed is looked at again. */
		AND d.priority = coalesce(start.priority, (SELECT i.priority FROM recall.dial i
			WHERE i.tenant_id = _take_plain.tenant_id AND i.task_id = _take_plain.task_id AND i.state = 'ready' AND start.priority IS NULL
			ORDER BY i.priority DESC LIMIT 1))
		AND d.due_at <= at
		AND (d.due_at, d.contact_id) >= (coalesce(start.due_at, '-infinity'), coalesce(start.contact_id, 0))
		AND d.batch_id <> ALL (terms.suspended) AND (d.recycle_id IS NULL OR d.recycle_id <> ALL (terms.paused))
		ORDER BY d.due_at, d.contact_id
		LIMIT missing
		FOR UPDATE SKIP LOCKED
	), taken AS (
		UPDATE recall.dial d
		SET state = 'claimed', token = recall._new_token(), claimed_at = at, lease_until = at + lease, dialer = _take_plain.dialer
		FROM (
			SELECT t.place
			FROM due t
			JOIN recall.contact c ON c.tenant_id = _take_plain.tenant_id AND c.contact_id = t.contact_id
			WHERE recall._pass()
			AND NOT (terms.limited AND t.recycle_id IS NULL AND t.attempt > 1)
			AND recall.is_open(terms.calling_hours, coalesce(c.time_zone, terms.time_zone), at, terms.holidays)
			AND (t.recycle_id IS NULL OR EXISTS (SELECT FROM recall.recycle r
				WHERE r.tenant_id = _take_plain.tenant_id AND r.recycle_id = t.recycle_id AND r.policy = terms.policy))
			AND NOT (terms.suppresses AND EXISTS (SELECT FROM recall.suppression q
				WHERE q.tenant_id = _take_plain.tenant_id AND q.number = t.number AND q.until > at
				AND (q.task_id IS NULL OR q.task_id = _take_plain.task_id)))
			AND NOT recall._number_is_out(_take_plain.tenant_id, t.number)
		) f
		WHERE d.ctid = f.place
		RETURNING ROW(d.contact_id, d.number, d.attempt, d.token, d.lease_until, d.priority, d.recycle_id,
			d.batch_id, d.due_at, d.agent)::recall._claimed AS claimed
	)
	SELECT array_agg(t.claimed) INTO claimed FROM taken t;
	walks := NOT recall._pass();
	RETURN coalesce(claimed, '{}');
END $$;
COMMENT ON FUNCTION recall._take_plain(int, bigint, recall._terms, recall._place, int, interval, text, timestamptz) IS
'Claims those of the first so many permits of a task''s highest priority, from a place on, that are due and of which nothing more is to be asked.';

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
		SELECT d.contact_id, d.number,
			recall._admission(_hand_back.tenant_id, _hand_back.task_id, d.batch_id, d.contact_id, c.numbers, d.number,
				coalesce(c.time_zone, terms.time_zone), terms.policy,
				(SELECT r.policy FROM recall.recycle r WHERE r.tenant_id = _hand_back.tenant_id AND r.recycle_id = d.recycle_id), at) AS admission
		FROM recall.dial d
		JOIN recall.contact c ON c.tenant_id = d.tenant_id AND c.contact_id = d.contact_id
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = ANY (contacts)
	), given_back AS (
		UPDATE recall.dial d
		SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
		FROM looked l
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = l.contact_id
		AND ((l.admission).reason IS NOT NULL OR (l.admission).number <> l.number OR (l.admission).not_before > at)
		RETURNING d.contact_id
	)
	SELECT coalesce(array_agg(g.contact_id), '{}') INTO handed_back FROM given_back g;
	RETURN handed_back;
END $$;
COMMENT ON FUNCTION recall._hand_back(int, bigint, recall._terms, recall._due[], bigint[], timestamptz) IS
'Makes those of the permits that were just claimed ready again that may not be dialled after all, and returns their contacts.';

CREATE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET lock_timeout = '1s' AS $$
#variable_conflict use_column
DECLARE
	may_claim boolean := recall._require(claim.tenant_id, 'dial') AND recall._check_claim(max_rows, dialer);
	term interval := recall._check_lease(lease);
	at timestamptz := clock_timestamp();
	terms recall._terms := recall._terms(claim.tenant_id, claim.task_id);
	newly_unknown bigint := recall._expire_leases(claim.tenant_id, at);
	start recall._place;
	due recall._due[];
	claimed recall._claimed[] := '{}';
	taken recall._claimed[];
	handed_back bigint[];
	last recall._place;
	missing int := max_rows;
	breadth int;
	looked_at int := 0;
	attempts_left int := 5;
	ended text;
BEGIN
	IF terms.state <> 'executing' THEN
		RETURN;
	END IF;
	start := recall._begin_walk('recall.dial_queue', claim.tenant_id, claim.task_id, at);
	/* A claim that finds little to hand out looks at more at a time, but not at all that a tenant may have put off. */
	WHILE missing > 0 AND looked_at < 20000 AND attempts_left > 0 LOOP
		BEGIN
			IF breadth IS NULL AND NOT terms.per_number THEN
				claimed := recall._take_plain(claim.tenant_id, claim.task_id, terms, start, missing, term, claim.dialer, at);
				missing := missing - cardinality(claimed);
				breadth := missing;
				CONTINUE;
			END IF;
			breadth := coalesce(breadth, missing);
			due := recall._lock_due(claim.tenant_id, claim.task_id, terms, start, breadth, at);
			EXIT WHEN due = '{}';
			last := (due[cardinality(due)].priority, due[cardinality(due)].due_at, due[cardinality(due)].contact_id);
			due := recall._ask_again(claim.tenant_id, claim.task_id, terms, due, at);
			taken := recall._take(claim.tenant_id, due, missing, term, claim.dialer, at);
			PERFORM recall._put_off(claim.tenant_id,
				ARRAY(SELECT d FROM unnest(due) d WHERE d.contact_id NOT IN (SELECT c.contact_id FROM unnest(taken) c)), at);
			handed_back := recall._hand_back(claim.tenant_id, claim.task_id, terms, due, ARRAY(SELECT c.contact_id FROM unnest(taken) c), at);
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
	IF claimed <> '{}' AND (missing = 0 OR last IS NULL) THEN
		last := (claimed[cardinality(claimed)].priority, claimed[cardinality(claimed)].due_at, claimed[cardinality(claimed)].contact_id);
	END IF;
	ended := recall._end_walk(last.priority, last.due_at, last.contact_id);
	RETURN QUERY
	SELECT p.contact_id, p.number, p.attempt, p.token, p.lease_until, p.priority, c.reference, c.attributes, p.recycle_id, p.batch_id,
		p.due_at, p.agent
	FROM unnest(claimed) p
	CROSS JOIN LATERAL (SELECT i.reference, i.attributes FROM recall.contact i
		WHERE i.tenant_id = claim.tenant_id AND i.contact_id = p.contact_id OFFSET 0) c
	ORDER BY p.priority DESC, p.due_at, p.contact_id;
END $$;
COMMENT ON FUNCTION recall.claim(int, bigint, int, interval, text) IS
'Hands out permits to dial: those of a task that are due, by priority, due time and contact, up to max_rows (1 to 10 000). Ring when the transaction has committed, and report before lease_until, after a lease of 1 second to 1 day. Each permit has a token that report(), extend() and release() ask for; attempt is a forecast; agent: who promised to call back; dialer: what the caller calls itself, up to 200 characters. Calling hours, the do-not-call list, limits and quiets of the task''s policy and of the recycle''s are asked again: what may not be dialled now is put off, gets another number of the contact, or is taken out of the queue, which the audit notes. A number is out once at a time. Nothing while the task is not executing; permits of suspended batches and paused recycles wait. Right: dial. Errors: 42501; 22023 max_rows, the lease or the dialer''s name out of range; 55000 above READ COMMITTED.';
