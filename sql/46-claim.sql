/*
 * Claiming: a dialer takes permits and may ring when the claim has committed. What was true when a permit was made
 * is asked again for those that are about to be handed out: what may not be dialled now is put off to its next
 * moment, gets another number of the contact, or is taken out with a reason.
 */

CREATE FUNCTION recall._check_lease(lease interval) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF lease BETWEEN interval '1 s' AND interval '1 day' IS NOT TRUE THEN
		PERFORM recall._invalid(format('lease "%s" is out of range', lease), 'A lease lasts from 1 second to 1 day.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_lease(interval) IS 'Raises 22023 unless a lease lasts from a second to a day.';

CREATE FUNCTION recall._check_claim(max_rows int, lease interval, dialer text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF max_rows BETWEEN 1 AND 10000 IS NOT TRUE THEN
		PERFORM recall._invalid(format('max_rows %s is out of range', coalesce(max_rows::text, 'null')), 'A claim takes 1 to 10000 permits.');
	END IF;
	PERFORM recall._check_lease(lease);
	IF length(dialer) > 200 THEN
		PERFORM recall._invalid('the name of a dialer is too long', 'It has up to 200 characters.');
	END IF;
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		PERFORM recall._refuse(format('the transaction is at isolation level %s', upper(current_setting('transaction_isolation'))),
			'It would not see what others have claimed: use READ COMMITTED.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_claim(int, interval, text) IS
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

/*
 * The walk goes from one priority to the next, so that permits of a high priority that are not due yet cost one step,
 * however many they are.
 */
CREATE FUNCTION recall._lock_due(tenant_id int, task_id bigint, suspended bigint[], paused bigint[], breadth int, at timestamptz)
RETURNS TABLE (
	place tid, contact_id bigint, batch_id bigint, attempt int, priority int, due_at timestamptz, number text, recycle_id bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	start record;
	level int;
	missing int := breadth;
	found_rows int;
BEGIN
	start := recall._begin_walk('recall.dial_queue', _lock_due.tenant_id, _lock_due.task_id, at);
	level := start.priority;
	IF level IS NULL THEN
		SELECT d.priority INTO level FROM recall.dial d
		WHERE d.tenant_id = _lock_due.tenant_id AND d.task_id = _lock_due.task_id AND d.state = 'ready'
		ORDER BY d.priority DESC LIMIT 1;
	END IF;
	LOOP
		EXIT WHEN level IS NULL;
		RETURN QUERY
		SELECT d.ctid, d.contact_id, d.batch_id, d.attempt, d.priority, d.due_at, d.number, d.recycle_id
		FROM recall.dial d
		WHERE d.tenant_id = _lock_due.tenant_id AND d.task_id = _lock_due.task_id AND d.state = 'ready'
		AND d.priority = level AND d.due_at <= at
		AND (d.due_at, d.contact_id) >= (coalesce(start.due_at, '-infinity'), coalesce(start.contact_id, 0))
		AND d.batch_id <> ALL (suspended) AND (d.recycle_id IS NULL OR d.recycle_id <> ALL (paused))
		ORDER BY d.due_at, d.contact_id
		LIMIT missing
		FOR UPDATE SKIP LOCKED;
		GET DIAGNOSTICS found_rows = ROW_COUNT;
		missing := missing - found_rows;
		EXIT WHEN missing = 0;
		SELECT d.priority INTO level FROM recall.dial d
		WHERE d.tenant_id = _lock_due.tenant_id AND d.task_id = _lock_due.task_id AND d.state = 'ready' AND d.priority < level
		ORDER BY d.priority DESC LIMIT 1;
		start.due_at := NULL;
		start.contact_id := NULL;
	END LOOP;
END $$;
COMMENT ON FUNCTION recall._lock_due(int, bigint, bigint[], bigint[], int, timestamptz) IS
'The permits of a task that are due, by priority, due time and contact, locked; those that others have locked, of suspended batches and of paused records are passed over.';

CREATE TYPE recall._claimed AS (
	contact_id  bigint,
	number      text,
	attempt     int,
	token       bigint,
	lease_until timestamptz,
	priority    int,
	reference   text,
	attributes  jsonb,
	recycle_id  bigint,
	batch_id    bigint,
	due_at      timestamptz,
	agent       text
);
COMMENT ON TYPE recall._claimed IS 'A permit in a dialer''s hands: a row of recall.claim().';


/*
 * What is to become of permits that are due, and that it does: the dialer gets those that may be dialled now, of
 * several to one number the first.
 */
CREATE FUNCTION recall._dispatch(
	tenant_id int, task_id bigint, terms recall._terms, missing int, breadth int, lease interval, dialer text, at timestamptz,
	OUT looked_at int, OUT claimed recall._claimed[], OUT contended bigint[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	last_priority int;
	last_due_at timestamptz;
	last_contact bigint;
	out_contacts bigint[];
	out_reasons text[];
	out_recycles bigint[];
BEGIN
	WITH due AS MATERIALIZED (
		SELECT * FROM recall._lock_due(_dispatch.tenant_id, _dispatch.task_id, terms.suspended, terms.paused, breadth, at)
	), known AS MATERIALIZED (
		SELECT d.*, c.numbers, c.reference, c.attributes, coalesce(c.time_zone, terms.time_zone) AS time_zone,
			(SELECT r.policy FROM recall.recycle r
				WHERE r.tenant_id = _dispatch.tenant_id AND r.recycle_id = d.recycle_id
				AND (terms.policy IS NULL OR r.policy <> terms.policy)) AS snapshot
		FROM due d
		JOIN recall.contact c ON c.tenant_id = _dispatch.tenant_id AND c.contact_id = d.contact_id
	), admitted AS MATERIALIZED (
		SELECT k.*,
			CASE
				WHEN terms.per_number OR k.snapshot IS NOT NULL OR terms.limited AND k.recycle_id IS NULL AND k.attempt > 1
					OR terms.suppresses AND EXISTS (SELECT FROM recall.suppression s
						WHERE s.tenant_id = _dispatch.tenant_id AND s.number = k.number AND s.until > at
						AND (s.task_id IS NULL OR s.task_id = _dispatch.task_id))
				THEN recall._admission(_dispatch.tenant_id, _dispatch.task_id, k.batch_id, k.contact_id, k.numbers, k.number, k.time_zone,
					terms.policy, k.snapshot, at)
				ELSE ROW(k.number, NULL, NULL)::recall._admission
			END AS admission
		FROM known k
	), timed AS MATERIALIZED (
		SELECT a.*, (a.admission).number AS dialled, (a.admission).reason,
			CASE WHEN (a.admission).reason IS NULL THEN recall.next_open(terms.calling_hours, a.time_zone,
				greatest(at, (a.admission).not_before), terms.holidays) END AS opens_at
		FROM admitted a
	), ranked AS MATERIALIZED (
		SELECT t.*, t.opens_at = at
			AND row_number() OVER (PARTITION BY t.opens_at = at, t.dialled COLLATE "C" ORDER BY t.priority DESC, t.due_at, t.contact_id) = 1
			AND NOT recall._number_is_out(_dispatch.tenant_id, t.dialled) AS is_free
		FROM timed t
	), decided AS MATERIALIZED (
		SELECT r.*, r.is_free AND count(*) FILTER (WHERE r.is_free) OVER (ORDER BY r.priority DESC, r.due_at, r.contact_id) <= missing AS is_taken
		FROM ranked r
	), taken AS (
		UPDATE recall.dial d
		SET state = 'claimed', number = f.dialled, token = recall._new_token(), claimed_at = at, lease_until = at + lease,
			dialer = _dispatch.dialer
		FROM decided f
		WHERE f.is_taken AND d.ctid = f.place
		RETURNING d.contact_id, d.number, d.attempt, d.token, d.lease_until, d.priority, f.reference, f.attributes, d.recycle_id,
			d.batch_id, d.due_at, d.agent, terms.per_number OR coalesce(recall._has_limits(f.snapshot, true), false) AS is_contended
	), put_off AS (
		UPDATE recall.dial d
		SET due_at = CASE WHEN f.opens_at > at THEN f.opens_at ELSE at + lease END
		FROM decided f
		WHERE f.opens_at IS NOT NULL AND NOT f.is_free AND d.ctid = f.place
	), taken_out AS (
		DELETE FROM recall.dial d USING decided f
		WHERE f.opens_at IS NULL AND d.ctid = f.place
		RETURNING d.contact_id, coalesce(f.reason, 'the calling hours never open') AS reason, d.recycle_id
	)
	SELECT n.permits, t.claimed, t.contended, o.contacts, o.reasons, o.recycles, l.priority, l.due_at, l.contact_id
	INTO looked_at, claimed, contended, out_contacts, out_reasons, out_recycles, last_priority, last_due_at, last_contact
	FROM (SELECT count(*) AS permits FROM due) n
	CROSS JOIN (
		SELECT array_agg(ROW(t.contact_id, t.number, t.attempt, t.token, t.lease_until, t.priority, t.reference, t.attributes, t.recycle_id,
				t.batch_id, t.due_at, t.agent)::recall._claimed ORDER BY t.priority DESC, t.due_at, t.contact_id) AS claimed,
			array_agg(t.contact_id ORDER BY t.contact_id) FILTER (WHERE t.is_contended) AS contended
		FROM taken t) t
	CROSS JOIN (SELECT array_agg(t.contact_id) AS contacts, array_agg(t.reason) AS reasons, array_agg(t.recycle_id) AS recycles
		FROM taken_out t) o
	LEFT JOIN (SELECT d.priority, d.due_at, d.contact_id FROM due d
		ORDER BY d.priority, d.due_at DESC, d.contact_id DESC LIMIT 1) l ON true;

	PERFORM recall._end_walk('recall.dial_queue', _dispatch.tenant_id, _dispatch.task_id, at, looked_at, last_priority, last_due_at, last_contact);
	IF out_contacts IS NOT NULL THEN
		PERFORM recall._forget_permits(_dispatch.tenant_id, out_contacts, out_reasons, out_recycles);
	END IF;
END $$;
COMMENT ON FUNCTION recall._dispatch(int, bigint, recall._terms, int, int, interval, text, timestamptz) IS
'Looks at up to breadth permits that are due and claims up to missing of them; tells how many it found, what it claimed, and which of these need another look because their policy counts the calls to a number.';

/*
 * Two claims that hand out one number at the same time do not see each other's calls. Once a number is claimed,
 * though, nobody else has it: so what a policy says "per number" is looked at again, then.
 */
CREATE FUNCTION recall._hand_back(tenant_id int, task_id bigint, terms recall._terms, contended bigint[], at timestamptz) RETURNS bigint[]
LANGUAGE sql
BEGIN ATOMIC
	WITH looked AS MATERIALIZED (
		SELECT d.contact_id, d.number,
			recall._admission(_hand_back.tenant_id, _hand_back.task_id, d.batch_id, d.contact_id, c.numbers, d.number,
				coalesce(c.time_zone, (terms).time_zone), (terms).policy,
				(SELECT r.policy FROM recall.recycle r WHERE r.tenant_id = _hand_back.tenant_id AND r.recycle_id = d.recycle_id), at) AS admission
		FROM recall.dial d
		JOIN recall.contact c ON c.tenant_id = d.tenant_id AND c.contact_id = d.contact_id
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = ANY (contended)
	), given_back AS (
		UPDATE recall.dial d
		SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
		FROM looked l
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = l.contact_id
		AND ((l.admission).reason IS NOT NULL OR (l.admission).number <> l.number OR (l.admission).not_before > at)
		RETURNING d.contact_id
	)
	SELECT pg_catalog.array_agg(g.contact_id) FROM given_back g;
END;
COMMENT ON FUNCTION recall._hand_back(int, bigint, recall._terms, bigint[], timestamptz) IS
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
	at timestamptz := clock_timestamp();
	terms recall._terms;
	round record;
	handed_back bigint[];
	missing int := max_rows;
	breadth int := max_rows;
	looked_at int := 0;
	attempts_left int := 5;
BEGIN
	PERFORM recall._require(claim.tenant_id, 'dial');
	PERFORM recall._check_claim(max_rows, lease, dialer);
	terms := recall._terms(claim.tenant_id, claim.task_id);
	PERFORM recall._expire_leases(claim.tenant_id, at);
	/* A claim that finds little to hand out looks at more at a time, but not at all that a tenant may have put off. */
	WHILE terms.state = 'executing' AND missing > 0 AND looked_at < 20000 AND attempts_left > 0 LOOP
		BEGIN
			round := recall._dispatch(claim.tenant_id, claim.task_id, terms, missing, breadth, lease, dialer, at);
			handed_back := CASE WHEN round.contended IS NOT NULL THEN
				recall._hand_back(claim.tenant_id, claim.task_id, terms, round.contended, at) END;
			RETURN QUERY SELECT * FROM unnest(round.claimed) c WHERE c.contact_id = ANY (handed_back) IS NOT TRUE;
			missing := missing - coalesce(cardinality(round.claimed), 0) + coalesce(cardinality(handed_back), 0);
			EXIT WHEN round.looked_at < breadth;
			looked_at := looked_at + breadth;
			breadth := greatest(missing, least(breadth * 4, 1000));
		EXCEPTION WHEN unique_violation OR deadlock_detected OR lock_not_available THEN
			attempts_left := attempts_left - 1; -- somebody claimed one of the numbers at the same moment
		END;
	END LOOP;
END $$;
COMMENT ON FUNCTION recall.claim(int, bigint, int, interval, text) IS
'Hands out permits to dial: those of a task that are due, by priority, due time and contact, up to max_rows (1 to 10 000). Ring when the transaction has committed, and report before lease_until, after a lease of 1 second to 1 day. Each permit has a token that report(), extend() and release() ask for; attempt is a forecast; agent: who promised to call back; dialer: what the caller calls itself, up to 200 characters. Calling hours, the do-not-call list, limits and quiets of the task''s policy and of the recycle''s are asked again: what may not be dialled now is put off, gets another number of the contact, or is taken out of the queue, which the audit notes. A number is out once at a time. Nothing while the task is not executing; permits of suspended batches and paused recycles wait. Right: dial. Errors: 42501; 22023 max_rows, the lease or the dialer''s name out of range; 55000 above READ COMMITTED.';
