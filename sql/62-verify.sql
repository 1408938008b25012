/*
 * Verifying: what is true of the tables whatever happens, as queries for the rows in which it is not.
 *
 * Each query is named by what it breaks and says above it why that holds. A check that fails is a fault of recall, of the
 * hardware, or of somebody who wrote to the tables by hand: none comes from load, from a crash, from a clock
 * that was set, from contacts that were removed with all that is theirs, or from what a tenant does. So nothing here compares instants that were read from the clock at different
 * moments, and all of it sees one snapshot. No telephone number is printed.
 *
 * A group is a function of its own, so that it becomes a part of the statement that asks for one tenant's rows. What it
 * gathers beforehand is that tenant's alone, too.
 */

CREATE TYPE recall._fault AS (check_name text, tenant_id int, record text, detail text);
COMMENT ON TYPE recall._fault IS
'Something that breaks what is always true: the check, the tenant (null: of no tenant), the record that is at fault, and particulars.';

CREATE FUNCTION recall._setup_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- There are no foreign keys: the functions look, once per statement.
	SELECT 'what belongs to a tenant has one', o.tenant_id, o.record, NULL
	FROM (
		SELECT m.tenant_id, 'member ' || m.role AS record FROM recall.member m
		UNION ALL SELECT c.tenant_id, 'counter ' || c.kind FROM recall.counter c
		UNION ALL SELECT b.tenant_id, 'business result ' || recall._mask_numbers(b.code) FROM recall.business_result b
		UNION ALL SELECT t.tenant_id, 'task ' || t.task_id FROM recall.task t
		UNION ALL SELECT s.tenant_id, 'suppression of ' || s.created_at FROM recall.suppression s
		UNION ALL SELECT e.tenant_id, 'event ' || e.event_id FROM recall.event e WHERE e.tenant_id <> 0
	) o
	WHERE NOT EXISTS (SELECT FROM recall.tenant n WHERE n.tenant_id = o.tenant_id)

	UNION ALL -- likewise
	SELECT 'a batch belongs to a task', b.tenant_id, 'batch ' || b.batch_id, 'task ' || b.task_id
	FROM recall.batch b
	WHERE NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = b.tenant_id AND t.task_id = b.task_id)

	UNION ALL -- completing a task finishes its batches, and none is started after that
	SELECT 'a completed task has no batch at work', b.tenant_id, 'batch ' || b.batch_id, format('%s, task %s', b.state, b.task_id)
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	WHERE t.state = 'completed' AND b.state IN ('started', 'suspended')

	UNION ALL -- whoever has rights is somebody; DROP OWNED leaves a number behind
	SELECT 'a member is a role of this server', m.tenant_id, 'member ' || m.role, NULL
	FROM recall.member m
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = m.role)

	UNION ALL -- whoever connects as a pool sees nothing before it has entered; a role that is granted to it later would show it more
	SELECT 'a pool has no rights of its own', NULL, 'pool ' || p.role::regrole, 'it has those of ' || m.role::regrole
	FROM recall.pool p
	JOIN pg_catalog.pg_roles r ON r.oid = p.role
	CROSS JOIN LATERAL (
		SELECT DISTINCT m.role FROM recall.member m JOIN pg_catalog.pg_roles o ON o.oid = m.role
		UNION SELECT e.extowner FROM pg_catalog.pg_extension e WHERE e.extname = 'recall'
	) m
	WHERE pg_catalog.pg_has_role(r.oid, m.role, 'USAGE')

	UNION ALL -- automatic recall makes calls without anybody asking: a limit and an "after" must hold it
	SELECT 'a task that recalls automatically has a policy for it', t.tenant_id, 'task ' || t.task_id, f.message
	FROM recall.task t
	CROSS JOIN LATERAL recall._automatic_fault(t.task_type, t.policy) f
	WHERE t.auto_recall AND t.policy IS NOT NULL AND f.message IS NOT NULL

	UNION ALL -- a code that the tenant has not never matches
	SELECT 'a policy names results that the tenant has', p.tenant_id, p.record, recall._mask_numbers(named.code)
	FROM (
		SELECT t.tenant_id, 'task ' || t.task_id AS record, t.policy FROM recall.task t
		UNION ALL SELECT r.tenant_id, 'recycle ' || r.recycle_id, r.policy FROM recall.recycle r
	) p
	CROSS JOIN LATERAL recall._policy_results(p.policy) AS named(code)
	WHERE NOT EXISTS (SELECT FROM recall.business_result b WHERE b.tenant_id = p.tenant_id AND b.code = named.code)

	UNION ALL -- without its zone nobody can be called at the right time of day
	SELECT 'a time zone is one that the server knows', z.tenant_id, z.record, recall._mask_numbers(z.time_zone)
	FROM (
		SELECT n.tenant_id, 'tenant ' || n.tenant_id AS record, n.time_zone FROM recall.tenant n
		UNION ALL SELECT c.tenant_id, 'contact ' || min(c.contact_id), c.time_zone FROM recall.contact c
			WHERE c.time_zone IS NOT NULL GROUP BY c.tenant_id, c.time_zone
	) z
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names k WHERE k.name = z.time_zone)

	UNION ALL -- what stands on the list is compared with numbers, and asked for by task
	SELECT 'a suppression is of a number, and by a task that exists', s.tenant_id, 'suppression of ' || s.created_at, 'task ' || s.task_id
	FROM recall.suppression s
	WHERE NOT recall._are_numbers(ARRAY[s.number])
	OR s.task_id IS NOT NULL AND NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id)

	UNION ALL -- or the next one is refused
	SELECT 'the next id is a new one', u.tenant_id, u.kind, format('%s is in use, the last given out is %s', u.last_used, c.last_id)
	FROM (
		SELECT t.tenant_id, 'task' AS kind, max(t.task_id) AS last_used FROM recall.task t GROUP BY 1
		UNION ALL SELECT b.tenant_id, 'batch', max(b.batch_id) FROM recall.batch b GROUP BY 1
		UNION ALL SELECT k.tenant_id, 'contact', max(k.contact_id) FROM recall.contact k GROUP BY 1
		UNION ALL SELECT r.tenant_id, 'recycle', max(r.recycle_id) FROM recall.recycle r GROUP BY 1
	) u
	LEFT JOIN recall.counter c ON c.tenant_id = u.tenant_id AND c.kind = u.kind
	WHERE u.last_used > coalesce(c.last_id, 0)

	UNION ALL -- likewise, and a sequence does not fall back
	SELECT 'the next number of a sequence is a new one', NULL, u.kind, format('%s is in use, the sequence is at %s', u.last_used, u.last_value)
	FROM (
		SELECT 'tenant' AS kind, (SELECT max(n.tenant_id)::bigint FROM recall.tenant n) AS last_used, s.last_value FROM recall.tenant_tenant_id_seq s
		UNION ALL SELECT 'event', (SELECT max(e.event_id) FROM recall.event e), s.last_value FROM recall.event_event_id_seq s
		UNION ALL SELECT 'tick', (SELECT max(k.tick_id) FROM recall.tick k), s.last_value FROM recall.tick_tick_id_seq s
	) u
	WHERE u.last_used > u.last_value

	UNION ALL -- each run forgets those before the last 10 000
	SELECT 'runs of the processor are forgotten in time', NULL, 'tick ' || min(k.tick_id), format('%s runs', count(*))
	FROM recall.tick k
	WHERE k.tick_id <= (SELECT max(i.tick_id) FROM recall.tick i) - 10000
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION recall._setup_faults() IS
'What is wrong with tenants, members, tasks, batches, the do-not-call list, and the ids that come next.';

CREATE FUNCTION recall._contact_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- There are no foreign keys.
	SELECT 'a contact belongs to a batch', c.tenant_id, 'contact ' || c.contact_id, 'batch ' || c.batch_id
	FROM recall.contact c
	WHERE NOT EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id)

	UNION ALL -- what is dialled is one of these
	SELECT 'a contact has 1 to 10 different numbers', c.tenant_id, 'contact ' || c.contact_id, NULL
	FROM recall.contact c
	WHERE NOT recall._are_numbers(c.numbers)

	UNION ALL -- nobody is lost: a batch at work calls everybody, or the audit says why not
	SELECT 'a contact of a started batch has a call or a permit, or was taken out', c.tenant_id, 'contact ' || c.contact_id, 'batch ' || c.batch_id
	FROM recall.contact c
	JOIN recall.batch b ON b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id
	WHERE b.state = 'started'
	AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id)
	AND NOT EXISTS (SELECT FROM recall.call k WHERE k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id)
	AND NOT EXISTS (SELECT FROM recall.event e
		WHERE e.tenant_id = c.tenant_id AND e.kind = 'contact' AND e.action = 'take_out' AND e.record_id = c.contact_id::text);
END;
COMMENT ON FUNCTION recall._contact_faults() IS 'What is wrong with contacts.';

CREATE FUNCTION recall._call_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- A history is read by the batch and the contact.
	SELECT 'a call is to a contact of its batch', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), 'batch ' || k.batch_id
	FROM recall.call k
	WHERE NOT EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = k.tenant_id AND c.batch_id = k.batch_id AND c.contact_id = k.contact_id)

	UNION ALL -- limits per number find the calls to a number through the contacts that own it
	SELECT 'a call is to a number of its contact', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), NULL
	FROM recall.call k
	JOIN recall.contact c ON c.tenant_id = k.tenant_id AND c.contact_id = k.contact_id
	WHERE k.number <> ALL (c.numbers)

	UNION ALL -- the latest call is the one with the highest attempt, and none is lost or there twice
	SELECT 'attempts are counted from 1, without a gap', k.tenant_id, 'contact ' || k.contact_id,
		format('%s calls, from attempt %s to %s', count(*), min(k.attempt), max(k.attempt))
	FROM recall.call k
	GROUP BY k.tenant_id, k.batch_id, k.contact_id
	HAVING min(k.attempt) <> 1 OR max(k.attempt) <> count(*)

	UNION ALL -- a permit becomes one call
	SELECT 'a token has one call', k.tenant_id, 'contact ' || min(k.contact_id), format('%s calls with one token', count(*))
	FROM recall.call k
	WHERE k.token IS NOT NULL
	GROUP BY k.tenant_id, k.token
	HAVING count(*) > 1

	UNION ALL -- a rule for it would never match
	SELECT 'the result of a call is one of the tenant''s', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), recall._mask_numbers(k.business_result)
	FROM recall.call k
	WHERE k.business_result IS NOT NULL
	AND NOT EXISTS (SELECT FROM recall.business_result b WHERE b.tenant_id = k.tenant_id AND b.code = k.business_result)

	UNION ALL -- delays count from the end, limits from the start
	SELECT 'a call ends when it has begun', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id),
		format('from %s to %s', k.started_at, k.ended_at)
	FROM recall.call k
	WHERE NOT (k.started_at <= k.ended_at AND isfinite(k.started_at) AND isfinite(k.ended_at) AND isfinite(k.recorded_at))

	UNION ALL -- only what was claimed can be of unknown outcome, and its dialer may still report it
	SELECT 'an assumed call has a token', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), NULL
	FROM recall.call k
	WHERE k.assumed AND k.token IS NULL;
END;
COMMENT ON FUNCTION recall._call_faults() IS 'What is wrong with completed calls.';

CREATE FUNCTION recall._permit_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- The primary key keeps it; a damaged index would not.
	SELECT 'a contact has one permit', d.tenant_id, 'contact ' || d.contact_id, format('%s permits', count(*))
	FROM recall.dial d
	GROUP BY d.tenant_id, d.contact_id
	HAVING count(*) > 1

	UNION ALL -- a unique index keeps it; a damaged one would not
	SELECT 'a number is out once', d.tenant_id, 'contact ' || min(d.contact_id), format('out for %s contacts', count(*))
	FROM recall.dial d
	WHERE d.state <> 'ready'
	GROUP BY d.tenant_id, d.number
	HAVING count(*) > 1

	UNION ALL -- what ends a batch, and what judges it, finds its permits by these
	SELECT 'a permit is for a contact of its batch', d.tenant_id, 'permit of contact ' || d.contact_id, 'batch ' || d.batch_id
	FROM recall.dial d
	WHERE NOT EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = d.tenant_id AND c.batch_id = d.batch_id AND c.contact_id = d.contact_id)

	UNION ALL -- or the dialers of another task would call
	SELECT 'a permit is for the task of its batch', d.tenant_id, 'permit of contact ' || d.contact_id, 'task ' || d.task_id
	FROM recall.dial d
	JOIN recall.batch b ON b.tenant_id = d.tenant_id AND b.batch_id = d.batch_id
	WHERE b.task_id <> d.task_id

	UNION ALL -- nobody else is rung
	SELECT 'a permit is to a number of its contact', d.tenant_id, 'permit of contact ' || d.contact_id, NULL
	FROM recall.dial d
	JOIN recall.contact c ON c.tenant_id = d.tenant_id AND c.contact_id = d.contact_id
	WHERE d.number <> ALL (c.numbers)

	UNION ALL -- whoever has the token has the permit, until the lease ends
	SELECT 'a permit that is out has a token and a lease, and one that waits has neither', d.tenant_id, 'permit of contact ' || d.contact_id, d.state::text
	FROM recall.dial d
	WHERE CASE d.state WHEN 'ready' THEN num_nonnulls(d.token, d.claimed_at, d.lease_until, d.dialer) > 0 OR d.is_outdated
		ELSE num_nonnulls(d.token, d.claimed_at, d.lease_until) < 3 END

	UNION ALL -- the report appends it under this number
	SELECT 'a permit is for the next attempt', d.tenant_id, 'permit of contact ' || d.contact_id, format('attempt %s, calls up to %s', d.attempt, k.attempt)
	FROM recall.dial d
	LEFT JOIN (SELECT i.tenant_id, i.batch_id, i.contact_id, max(i.attempt) AS attempt FROM recall.call i GROUP BY 1, 2, 3) k
		ON k.tenant_id = d.tenant_id AND k.batch_id = d.batch_id AND k.contact_id = d.contact_id
	WHERE d.attempt <> coalesce(k.attempt, 0) + 1

	UNION ALL -- a report uses the permit up
	SELECT 'what was reported is not out', d.tenant_id, 'permit of contact ' || d.contact_id, 'attempt ' || k.attempt
	FROM recall.dial d
	JOIN recall.call k ON k.tenant_id = d.tenant_id AND k.batch_id = d.batch_id AND k.contact_id = d.contact_id AND k.token = d.token
	WHERE d.state <> 'ready'

	UNION ALL -- starting a batch makes permits, finishing it takes back those that wait
	SELECT 'only a batch at work has permits', d.tenant_id, 'permit of contact ' || d.contact_id, format('%s, batch %s is %s', d.state, d.batch_id, b.state)
	FROM recall.dial d
	JOIN recall.batch b ON b.tenant_id = d.tenant_id AND b.batch_id = d.batch_id
	WHERE b.state = 'created' OR b.state = 'finished' AND d.state = 'ready'

	UNION ALL -- cancelling takes back what waits, and so does a release after it
	SELECT 'no permit of a cancelled record waits', d.tenant_id, 'permit of contact ' || d.contact_id, 'recycle ' || d.recycle_id
	FROM recall.dial d
	JOIN recall.recycle r ON r.tenant_id = d.tenant_id AND r.recycle_id = d.recycle_id
	WHERE r.state = 'cancelled' AND d.state = 'ready'

	UNION ALL -- what was promised outlives the record whose permit it took over
	SELECT 'a promised call is of no record', d.tenant_id, 'permit of contact ' || d.contact_id, 'recycle ' || d.recycle_id
	FROM recall.dial d
	WHERE d.agent IS NOT NULL AND d.recycle_id IS NOT NULL;
END;
COMMENT ON FUNCTION recall._permit_faults() IS 'What is wrong with the queue.';

CREATE FUNCTION recall._record_faults(tenant_id int) RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- What became of each contact that a record re-dials: a permit, or a call.
	WITH redialled AS MATERIALIZED (
		SELECT d.tenant_id, d.recycle_id, d.batch_id, d.contact_id, d.attempt, false AS is_call, false AS is_reached
		FROM recall.dial d
		WHERE d.recycle_id IS NOT NULL AND (_record_faults.tenant_id IS NULL OR d.tenant_id = _record_faults.tenant_id)
		UNION ALL
		SELECT k.tenant_id, k.recycle_id, k.batch_id, k.contact_id, k.attempt, true, k.failure_cause IS NULL
		FROM recall.call k
		WHERE k.recycle_id IS NOT NULL AND (_record_faults.tenant_id IS NULL OR k.tenant_id = _record_faults.tenant_id)
	), counted AS MATERIALIZED (
		SELECT r.tenant_id, r.recycle_id, r.emitted, r.withdrawn, coalesce(t.dialled, 0) AS dialled, coalesce(t.reached, 0) AS reached,
			coalesce(t.taken_out, 0) AS taken_out, coalesce(e.queued, 0) AS queued, coalesce(e.calls, 0) AS calls,
			coalesce(e.reached, 0) AS reached_calls
		FROM recall.recycle r
		LEFT JOIN (SELECT i.tenant_id, i.recycle_id, sum(i.dialled) AS dialled, sum(i.reached) AS reached, sum(i.taken_out) AS taken_out
			FROM recall.recycle_tally i
			WHERE (_record_faults.tenant_id IS NULL OR i.tenant_id = _record_faults.tenant_id) GROUP BY 1, 2) t ON t.tenant_id = r.tenant_id AND t.recycle_id = r.recycle_id
		LEFT JOIN (SELECT i.tenant_id, i.recycle_id, count(*) FILTER (WHERE NOT i.is_call) AS queued, count(*) FILTER (WHERE i.is_call) AS calls,
				count(*) FILTER (WHERE i.is_reached) AS reached
			FROM redialled i GROUP BY 1, 2) e ON e.tenant_id = r.tenant_id AND e.recycle_id = r.recycle_id
		WHERE (_record_faults.tenant_id IS NULL OR r.tenant_id = _record_faults.tenant_id)
	), whole AS MATERIALIZED ( -- tenants of which no contact was ever removed; of others, calls and places of records may be gone
		SELECT n.tenant_id
		FROM recall.counter n
		WHERE (_record_faults.tenant_id IS NULL OR n.tenant_id = _record_faults.tenant_id)
		AND n.kind = 'contact' AND n.last_id = (SELECT count(*) FROM recall.contact c WHERE c.tenant_id = n.tenant_id)
	), numbered AS ( -- contacts in the order in which a record comes to them; a record is at one of them
		SELECT c.tenant_id, c.batch_id, c.contact_id, row_number() OVER (PARTITION BY c.tenant_id, c.batch_id ORDER BY c.contact_id) AS nth
		FROM recall.contact c
		WHERE (_record_faults.tenant_id IS NULL OR c.tenant_id = _record_faults.tenant_id)
	), place AS MATERIALIZED (
		SELECT r.tenant_id, r.recycle_id, p.what, p.contact_id, n.nth
		FROM recall.recycle r
		CROSS JOIN LATERAL (VALUES ('start_after', r.start_after), ('last_contact', r.last_contact), ('last_emitted', r.last_emitted)) p(what, contact_id)
		LEFT JOIN numbered n ON n.tenant_id = r.tenant_id AND n.batch_id = r.batch_id AND n.contact_id = p.contact_id
		WHERE p.contact_id <> 0 AND (_record_faults.tenant_id IS NULL OR r.tenant_id = _record_faults.tenant_id)
	)

	-- There are no foreign keys.
	SELECT 'a record belongs to a batch', r.tenant_id, 'recycle ' || r.recycle_id, 'batch ' || r.batch_id
	FROM recall.recycle r
	WHERE NOT EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id)

	UNION ALL -- each re-dial row that was made is somewhere: none is lost, none is there twice
	SELECT 'what a record emitted was taken back, was dialled, or is in the queue', c.tenant_id, 'recycle ' || c.recycle_id,
		format('emitted %s, withdrawn %s, taken out %s, dialled %s, queued %s', c.emitted, c.withdrawn, c.taken_out, c.dialled, c.queued)
	FROM counted c
	WHERE c.emitted <> c.withdrawn + c.taken_out + c.dialled + c.queued

	UNION ALL -- a report counts in the transaction that appends the call
	SELECT 'what a record counts as dialled and reached are its calls', c.tenant_id, 'recycle ' || c.recycle_id,
		format('dialled %s, calls %s; reached %s, answered %s', c.dialled, c.calls, c.reached, c.reached_calls)
	FROM counted c
	WHERE c.dialled < c.calls OR c.reached < c.reached_calls
	OR (c.dialled, c.reached) <> (c.calls, c.reached_calls) AND c.tenant_id IN (SELECT w.tenant_id FROM whole w)

	UNION ALL -- a slot alone may be below nothing: a correction counts in another than the call did
	SELECT 'counts are of a record, and none is below nothing', t.tenant_id, 'recycle ' || t.recycle_id, format('slots %s to %s', min(t.slot), max(t.slot))
	FROM recall.recycle_tally t
	GROUP BY t.tenant_id, t.recycle_id
	HAVING NOT EXISTS (SELECT FROM recall.recycle r WHERE r.tenant_id = t.tenant_id AND r.recycle_id = t.recycle_id)
	OR least(sum(t.dialled), sum(t.reached), sum(t.taken_out)) < 0 OR min(t.slot) < 0

	UNION ALL -- a record makes at most one re-dial row for a contact
	SELECT 'a record re-dials a contact once', e.tenant_id, 'recycle ' || e.recycle_id, format('contact %s: %s times', e.contact_id, count(*))
	FROM redialled e
	GROUP BY e.tenant_id, e.recycle_id, e.contact_id
	HAVING count(*) > 1

	UNION ALL -- a re-dial row is made by a record of the batch, for somebody who was called, when it comes to the contact
	SELECT 'what a record re-dials is of its batch, behind its start, and was called before', e.tenant_id, 'recycle ' || e.recycle_id,
		format('contact %s, attempt %s', e.contact_id, e.attempt)
	FROM redialled e
	LEFT JOIN recall.recycle r ON r.tenant_id = e.tenant_id AND r.recycle_id = e.recycle_id
	WHERE NOT (r.batch_id = e.batch_id AND r.emitted > 0 AND e.attempt > 1
		AND (e.contact_id > r.start_after AND (r.wrapped OR e.contact_id <= r.last_contact) OR r.wrapped AND e.contact_id <= r.last_contact)) IS NOT FALSE

	UNION ALL -- what matches beyond the cap is over it; short of the cap nothing is left out
	SELECT 'a record leaves out who matches only at its cap', r.tenant_id, 'recycle ' || r.recycle_id,
		format('matched %s, emitted %s, cap %s', r.matched, r.emitted, r.cap)
	FROM recall.recycle r
	WHERE r.emitted < r.matched AND r.emitted < r.cap OR (r.emitted > 0) <> (r.last_emitted IS NOT NULL)

	UNION ALL -- a chunk ends at a contact, and the next begins behind it
	SELECT 'a record stands at a contact of its batch', p.tenant_id, 'recycle ' || p.recycle_id, format('%s %s', p.what, p.contact_id)
	FROM place p
	WHERE p.nth IS NULL
	AND (p.tenant_id IN (SELECT w.tenant_id FROM whole w)
		OR EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = p.tenant_id AND c.contact_id = p.contact_id))

	UNION ALL -- everybody between is judged once; contacts may be added behind a record that wrapped, after it did
	SELECT 'a record has judged whom it has passed', r.tenant_id, 'recycle ' || r.recycle_id,
		format('judged %s, passed %s', r.judged, x.passed)
	FROM recall.recycle r
	LEFT JOIN place s ON s.tenant_id = r.tenant_id AND s.recycle_id = r.recycle_id AND s.what = 'start_after'
	LEFT JOIN place l ON l.tenant_id = r.tenant_id AND l.recycle_id = r.recycle_id AND l.what = 'last_contact'
	CROSS JOIN LATERAL (SELECT coalesce(l.nth, 0) - coalesce(s.nth, 0)
		+ CASE WHEN r.wrapped THEN (SELECT count(*) FROM recall.contact c WHERE c.tenant_id = r.tenant_id AND c.batch_id = r.batch_id) ELSE 0 END AS passed) x
	WHERE NOT r.wrapped AND r.judged < x.passed OR r.judged > x.passed AND r.tenant_id IN (SELECT w.tenant_id FROM whole w)

	UNION ALL -- one that starts in the middle comes back to where it started
	SELECT 'a completed record went all the way round', r.tenant_id, 'recycle ' || r.recycle_id,
		format('from %s to %s', r.start_after, r.last_contact)
	FROM recall.recycle r
	WHERE r.state = 'completed' AND r.start_after > 0
	AND (NOT r.wrapped OR r.last_contact <> r.start_after AND r.tenant_id IN (SELECT w.tenant_id FROM whole w))

	UNION ALL -- a unique index keeps it; a damaged one would not
	SELECT 'a batch has one unfinished record', r.tenant_id, 'batch ' || r.batch_id, format('%s records', count(*))
	FROM recall.recycle r
	WHERE r.state IN ('waiting', 'running', 'paused', 'failed')
	GROUP BY r.tenant_id, r.batch_id
	HAVING count(*) > 1

	UNION ALL -- finishing a batch ends its record, and before it is started nobody asks for one
	SELECT 'an unfinished record is of a batch at work', r.tenant_id, 'recycle ' || r.recycle_id, format('%s, batch %s is %s', r.state, r.batch_id, b.state)
	FROM recall.recycle r
	JOIN recall.batch b ON b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id
	WHERE r.state IN ('waiting', 'running', 'paused', 'failed') AND b.state NOT IN ('started', 'suspended')

	UNION ALL -- a move sets them
	SELECT 'times and error of a record are those of its state', r.tenant_id, 'recycle ' || r.recycle_id, r.state::text
	FROM recall.recycle r
	WHERE (r.finished_at IS NOT NULL) <> (r.state IN ('completed', 'cancelled'))
	OR r.started_at IS NULL AND (r.state IN ('running', 'paused', 'completed', 'failed') OR r.judged > 0)
	OR r.error IS NULL AND r.state = 'failed' OR r.error IS NOT NULL AND r.state = 'completed';
END;
COMMENT ON FUNCTION recall._record_faults(int) IS 'What is wrong with recycle records and their counts, those of a tenant, or with null of all.';

CREATE FUNCTION recall._audit_faults(tenant_id int) RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- Every move of a task, a batch or a record is noted with it; what is in a final state stays.
	WITH move AS MATERIALIZED (
		SELECT e.tenant_id, e.kind, e.record_id, e.event_id, e.from_state, e.to_state,
			lag(e.to_state) OVER w AS came_to, lead(e.event_id) OVER w IS NULL AS is_last
		FROM recall.event e
		WHERE e.kind IN ('task', 'batch', 'recycle') AND e.to_state IS NOT NULL AND (_audit_faults.tenant_id IS NULL OR e.tenant_id = _audit_faults.tenant_id)
		WINDOW w AS (PARTITION BY e.tenant_id, e.kind, e.record_id ORDER BY e.event_id)
	)

	SELECT 'moves follow one another, and each is legal', m.tenant_id, m.kind || ' ' || m.record_id,
		format('came to %s, then moved from %s to %s', coalesce(m.came_to, 'nothing'), coalesce(m.from_state, 'nothing'), m.to_state)
	FROM move m
	WHERE m.from_state IS DISTINCT FROM m.came_to
	OR m.from_state IS NOT NULL AND (m.kind, m.from_state, m.to_state) NOT IN (SELECT t.machine, t.from_state, t.to_state FROM recall.state_transitions() t)

	UNION ALL -- likewise
	SELECT 'a state is where the last move led to', s.tenant_id, s.kind || ' ' || s.id, format('%s, the audit says %s', s.state, coalesce(m.to_state, 'nothing'))
	FROM (
		SELECT t.tenant_id, 'task' AS kind, t.task_id AS id, t.state::text AS state FROM recall.task t
		UNION ALL SELECT b.tenant_id, 'batch', b.batch_id, b.state::text FROM recall.batch b
		UNION ALL SELECT r.tenant_id, 'recycle', r.recycle_id, r.state::text FROM recall.recycle r
	) s
	LEFT JOIN move m ON m.tenant_id = s.tenant_id AND m.kind = s.kind AND m.record_id = s.id::text AND m.is_last
	WHERE m.to_state IS DISTINCT FROM s.state;
END;
COMMENT ON FUNCTION recall._audit_faults(int) IS 'What is wrong with the audit of tasks, batches and recycle records, or with their states, in a tenant, or with null in all.';

CREATE FUNCTION recall._faults(tenant_id int) RETURNS SETOF recall._fault
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
	RETURN QUERY SELECT f.* FROM recall._setup_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._contact_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._call_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._permit_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._record_faults(_faults.tenant_id) f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._audit_faults(_faults.tenant_id) f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
END $$;
COMMENT ON FUNCTION recall._faults(int) IS
'All that is wrong in a tenant, or with null anywhere, in the snapshot of the caller''s statement.';

CREATE FUNCTION recall.verify() RETURNS TABLE (check_name text, tenant_id int, record text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_owner();
	RETURN QUERY SELECT * FROM recall._faults(NULL);
END $$;
COMMENT ON FUNCTION recall.verify() IS
'The rows that break what is always true of the tables; none when all is well. check_name: what should be true; tenant_id: null for what is of no tenant; record: what is at fault. It reads every table once or more, in one snapshot, and locks nothing. A row is a fault of recall, of the hardware, or of somebody who wrote to the tables by hand. Right: the extension''s owner. Errors: 42501.';

CREATE FUNCTION recall.verify(tenant_id int) RETURNS TABLE (check_name text, record text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	RETURN QUERY SELECT f.check_name, f.record, f.detail FROM recall._faults(tenant_id) f;
END $$;
COMMENT ON FUNCTION recall.verify(int) IS
'As verify(), for one tenant. Right: read. Errors: 42501.';
