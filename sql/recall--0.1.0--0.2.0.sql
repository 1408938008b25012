/*
 * From 0.1.0 to 0.2.0. Objects are made plainly; only members of the extension are replaced.
 *
 * Roles were given rights on what is there, so nothing is dropped that can be replaced or altered, and rights on it are
 * neither given nor taken by "ALL": a dump takes what the script of an extension gives for part of it, and leaves it out. So members and pools
 * get what is new afterwards, by what doc/operations.md says.
 * Sessions that have loaded the old library go on with it, and write null into columns that they do not know: so new columns
 * of tables that the library writes come last and may be null.
 */
\echo Use "ALTER EXTENSION recall UPDATE" to load this file. \quit

/* What is there by now; what is not among it is new. */
SELECT pg_catalog.set_config('recall_upgrade.old', pg_catalog.array_agg(o.oid)::text, true)
FROM (
	SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
	UNION ALL
	SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace = 'recall'::pg_catalog.regnamespace
) o;

/* The changes: they come before the block below, which takes away the rights on what is new. */

/* Claiming and reporting need the owner's rights only now and then, and take them then. */
CREATE FUNCTION recall._report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[])
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reports int := cardinality(contact_ids);
	dimensions text := format('[1:%s]', reports);
BEGIN
	IF reports = 0 AND cardinality(tokens) = 0 THEN
		RETURN;
	ELSIF reports > 10000 THEN
		PERFORM recall._invalid(format('%s reports are too many', reports), 'Report up to 10000 calls at a time.');
	ELSIF (array_dims(contact_ids) = dimensions AND array_dims(tokens) = dimensions) IS NOT TRUE
		OR reports <> ANY (ARRAY[cardinality(failure_causes), cardinality(business_results), cardinality(started_at), cardinality(ended_at),
			cardinality(raw_codes), cardinality(agents)])
		OR dimensions <> ANY (ARRAY[array_dims(failure_causes), array_dims(business_results), array_dims(started_at), array_dims(ended_at),
			array_dims(raw_codes), array_dims(agents)])
	THEN
		PERFORM recall._invalid('the arrays of the reports differ in length', 'Each has an element for each report, counted from 1, or is null.');
	END IF;
	RETURN QUERY SELECT r.*
	FROM ROWS FROM (unnest(contact_ids), unnest(recall._report(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at,
		ended_at, raw_codes, agents, true))) r;
END $$;
COMMENT ON FUNCTION recall._report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) IS
'Reports calls of which something is to be asked, or refuses them. Errors as of recall.report_many().';

CREATE OR REPLACE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_claim';

CREATE OR REPLACE FUNCTION recall.report(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text DEFAULT NULL, agent text DEFAULT NULL)
RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report';

CREATE OR REPLACE FUNCTION recall.report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[] DEFAULT NULL, agents text[] DEFAULT NULL)
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report_many';

CREATE OR REPLACE FUNCTION recall._report(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], tells_row boolean)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	is_automatic boolean := recall._lock_automatic_batches(tenant_id, contact_ids);
	used bigint[];
	i int;
	outcomes text[] := array_fill('recorded'::text, ARRAY[cardinality(contact_ids)]);
BEGIN
	BEGIN
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		IF cardinality(used) < cardinality(contact_ids) THEN
			RAISE object_in_use; -- undo it: what has to do with calls that were made takes other locks first
		END IF;
	EXCEPTION WHEN object_in_use THEN
		PERFORM recall._check_reports(tenant_id, contact_ids, business_results, started_at, ended_at, raw_codes, agents, at, tells_row);
		PERFORM recall._lock_contacts(tenant_id, contact_ids);
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		FOR i IN SELECT g.i FROM generate_series(1, cardinality(contact_ids)) g(i) EXCEPT SELECT u.place FROM unnest(used) u(place) ORDER BY 1 LOOP
			outcomes[i] := recall._report_again(tenant_id, contact_ids[i], tokens[i], failure_causes[i], business_results[i],
				started_at[i], ended_at[i], raw_codes[i], agents[i], at, CASE WHEN tells_row THEN format('report %s: ', i) ELSE '' END);
		END LOOP;
	END;
	IF is_automatic THEN
		PERFORM recall._renew(tenant_id, ARRAY(SELECT contact_ids[u.place] FROM unnest(used) u(place)), at, true);
	END IF;
	RETURN outcomes;
END $$;

/* Comments that said too little. */
COMMENT ON TYPE recall.task_type IS
'How a task dials: preview, predicted (predictive), preempted (progressive), fixed (power), robot, or manual, which cannot be recalled. recall treats all others alike.';
COMMENT ON COLUMN recall.task.priority IS 'Rank among the tenant''s tasks: 0 to 9, higher first. It is for whoever chooses the task to claim from: recall does not go by it.';
COMMENT ON FUNCTION recall.create_task(int, text, recall.task_type, recall.policy, recall.calling_hours, boolean, int) IS
'Creates an outbound call task in state draft and returns its id. A null policy: recall is not enabled; null calling_hours: calls at any time; auto_recall: as with set_auto_recall(); priority: 0 to 9, higher first, for whoever chooses the task to claim from. Right: manage. Errors: 42501; 22023 a parameter out of range, a business result that the tenant has not, or a policy without a limit or an "after" where auto_recall is asked for.';
COMMENT ON COLUMN recall.task_overview.priority IS 'Its rank, higher first, for whoever chooses the task to claim from.';
COMMENT ON COLUMN recall.permit.priority IS 'Its rank in the queue of the task, higher first: the contact''s, or that of a promised call.';
COMMENT ON FUNCTION recall.complete_task(int, bigint) IS
'Completes a task for good and finishes its started and suspended batches, as finish_batch() does. Right: manage. Errors: 42501; 55000 an illegal move.';

/* The do-not-call list has pages, latest first. */

CREATE INDEX suppression_by_time ON recall.suppression (tenant_id, created_at);
COMMENT ON INDEX recall.suppression_by_time IS 'A tenant''s do-not-call list, latest last.';

COMMENT ON VIEW recall.suppressed_number IS 'The do-not-call list, latest first, also what is over by now. Right: read.';

/* A view is read along indexes, and each table that it joins is asked for its tenant. */

COMMENT ON FUNCTION recall._guard_plan(internal) IS
'Planner support for what the views call. It sees to it that EXPLAIN and debug_print_plan show a plan over the tables to those only who may read the tables, and that what a view reads is read along indexes, so that no condition of the reader''s is asked of another tenant''s row.';

CREATE FUNCTION recall._plan_view() RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_plan_view';
COMMENT ON FUNCTION recall._plan_view() IS
'True. Each view joins it, and the planner calls it before anything else of the view: that the view is read along indexes, and without the values of statistics, is settled then. Called alone it does no harm.';

CREATE OR REPLACE VIEW recall.task_overview WITH (security_barrier) AS
SELECT t.tenant_id, t.task_id, t.name AS task, t.task_type, t.state, t.priority, t.policy, t.calling_hours, t.auto_recall,
	(SELECT count(*) FROM recall.batch b WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS batches,
	(SELECT count(*) FROM recall.batch b JOIN recall.contact c ON c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS contacts,
	(SELECT count(*) FROM recall.batch b JOIN recall.call k ON k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS calls,
	(SELECT count(*) FROM recall.batch b JOIN recall.recycle r ON r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id
		AND r.state IN ('waiting', 'running', 'paused', 'failed')) AS unfinished_recycles
FROM recall.task t
CROSS JOIN recall._plan_view()
WHERE t.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY t.tenant_id, t.task_id;

CREATE OR REPLACE VIEW recall.batch_overview WITH (security_barrier) AS
SELECT b.tenant_id, b.task_id, (SELECT t.name FROM recall.task t WHERE t.tenant_id = b.tenant_id AND t.task_id = b.task_id) AS task,
	b.batch_id, b.name AS batch, b.state,
	(SELECT count(*) FROM recall.contact c WHERE c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id) AS contacts,
	(SELECT count(*) FROM recall.call k WHERE k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id
		AND k.attempt = 1) AS called,
	(SELECT count(*) FROM recall.call k WHERE k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id) AS calls,
	(SELECT count(*) FROM recall.contact c JOIN recall.dial d ON d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id
		WHERE c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id) AS queued,
	(SELECT count(*) FROM recall.recycle r WHERE r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id) AS recycles,
	(SELECT r.state FROM recall.recycle r WHERE r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id
		ORDER BY r.recycle_id DESC LIMIT 1) AS last_recycle
FROM recall.batch b
CROSS JOIN recall._plan_view()
WHERE b.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY b.tenant_id, b.batch_id;

CREATE OR REPLACE VIEW recall.completed_call WITH (security_barrier) AS
SELECT k.tenant_id, b.task_id, k.batch_id, k.contact_id, k.attempt, recall._show_number(k.tenant_id, k.number) AS number,
	pg_catalog.concat_ws(': ', coalesce(k.failure_cause::text, 'answered'), k.business_result) AS outcome, k.failure_cause, k.business_result,
	r.name AS result_name, k.started_at, k.ended_at, k.ended_at - k.started_at AS duration, recall._show_text(k.tenant_id, k.raw_code) AS raw_code,
	recall._show_text(k.tenant_id, k.agent) AS agent, k.recycle_id, k.assumed
FROM recall.call k
LEFT JOIN recall.batch b ON b.tenant_id = k.tenant_id AND b.batch_id = k.batch_id AND b.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
LEFT JOIN recall.business_result r ON r.tenant_id = k.tenant_id AND r.code = k.business_result
	AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
CROSS JOIN recall._plan_view()
WHERE k.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY k.tenant_id, k.batch_id, k.contact_id, k.attempt;

CREATE OR REPLACE VIEW recall.recycle_record WITH (security_barrier) AS
SELECT r.tenant_id, r.recycle_id, b.task, b.batch, r.state, r.policy, r.requested_by, r.requested_at, r.cap,
	r.matched, r.emitted, r.judged - r.matched AS excluded, r.matched - r.emitted AS over_cap, r.withdrawn + y.taken_out AS withdrawn,
	y.dialled, y.reached, r.emitted - r.withdrawn - y.taken_out - y.dialled AS pending, r.started_at, r.finished_at, recall._show_text(r.tenant_id, r.error) AS error, b.task_id, r.batch_id, r.subject
FROM recall.recycle r
LEFT JOIN LATERAL (
	SELECT i.task_id, i.name AS batch, t.name AS task
	FROM recall.batch i
	JOIN recall.task t ON t.tenant_id = i.tenant_id AND t.task_id = i.task_id
	WHERE i.tenant_id = r.tenant_id AND i.batch_id = r.batch_id
	OFFSET 0
) b ON true
CROSS JOIN LATERAL (
	SELECT coalesce(sum(i.dialled), 0)::bigint AS dialled, coalesce(sum(i.reached), 0)::bigint AS reached,
		coalesce(sum(i.taken_out), 0)::bigint AS taken_out
	FROM recall.recycle_tally i
	WHERE i.tenant_id = r.tenant_id AND i.recycle_id = r.recycle_id
) y
CROSS JOIN recall._plan_view()
WHERE r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY r.tenant_id DESC, r.recycle_id DESC;

CREATE OR REPLACE VIEW recall.redial WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state, d.recycle_id
FROM recall.dial d
CROSS JOIN recall._plan_view()
WHERE d.attempt > 1 AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;

CREATE OR REPLACE VIEW recall.permit WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.priority, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state,
	recall._show_text(d.tenant_id, d.agent) AS agent, d.recycle_id, recall._show_text(d.tenant_id, d.dialer) AS dialer, d.claimed_at, d.lease_until
FROM recall.dial d
CROSS JOIN recall._plan_view()
WHERE d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;

CREATE OR REPLACE VIEW recall.audit WITH (security_barrier) AS
SELECT e.tenant_id, e.at, e.role, e.session_role, e.kind,
	CASE e.kind WHEN 'suppression' THEN recall._show_number(e.tenant_id, e.record_id) ELSE e.record_id END AS record_id,
	e.action, e.from_state, e.to_state, recall._show_text(e.tenant_id, e.detail) AS detail, e.subject
FROM recall.event e
CROSS JOIN recall._plan_view()
WHERE e.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY e.tenant_id DESC, e.at DESC;

CREATE OR REPLACE VIEW recall.suppressed_number WITH (security_barrier) AS
(SELECT s.tenant_id, s.number, s.task_id,
	(SELECT t.name FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id) AS task, s.until, s.reason, s.role, s.created_at
FROM recall.suppression s
CROSS JOIN recall._plan_view()
WHERE s.tenant_id = ANY (ARRAY(SELECT n FROM recall._readable_tenants() n WHERE recall._sees_numbers(n)))
ORDER BY s.tenant_id DESC, s.created_at DESC)
UNION ALL
(SELECT s.tenant_id, recall._mask_number(s.number), s.task_id,
	(SELECT t.name FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id), s.until, recall._mask_numbers(s.reason), s.role,
	s.created_at
FROM recall.suppression s
CROSS JOIN recall._plan_view()
WHERE s.tenant_id = ANY (ARRAY(SELECT n FROM recall._readable_tenants() n WHERE NOT recall._sees_numbers(n)))
AND EXISTS (SELECT FROM recall._readable_tenants() n WHERE NOT recall._sees_numbers(n))
ORDER BY s.tenant_id DESC, s.created_at DESC)
ORDER BY created_at DESC;

COMMENT ON VIEW recall.completed_call IS 'The completed call data with readable outcomes, a row for each attempt. Right: read.';

COMMENT ON FUNCTION recall._mask_numbers(text) IS
'A text in which of each run of seven digits or more, behind "+" or "00" also in groups, all but the first two and the last two are "*".';

/* The audit has what belongs to no tenant, for the owner, and is appended to only. */

COMMENT ON FUNCTION recall._readable_tenants() IS
'The tenants in which the caller has the right "read": what the views show; 0 for the owner of the extension, whose is what the audit has of no tenant.';
COMMENT ON VIEW recall.audit IS
'The audit: who did what to which record. Right: read. What belongs to no tenant, pools, keys and schedulers, is shown to the extension''s owner.';
COMMENT ON COLUMN recall.audit.tenant_id IS 'The tenant in which it happened; 0: in none.';
COMMENT ON COLUMN recall.event.tenant_id IS 'The tenant in which it happened; 0: in none, as pools, keys and schedulers are nobody''s.';
COMMENT ON COLUMN recall.event.kind IS 'What it was done to: tenant, member, token, business_result, suppression, task, batch, recycle, contact, number; of no tenant: pool, token_key, scheduler, job, history.';

CREATE OR REPLACE FUNCTION recall._setup_faults() RETURNS SETOF recall._fault
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

CREATE OR REPLACE FUNCTION recall.admit_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	PERFORM recall._check_powerless(admit_pool.role);
	INSERT INTO recall.pool (role, admitted_by, admitted_at)
	VALUES (admit_pool.role, pg_get_userbyid(recall._caller()), clock_timestamp())
	ON CONFLICT (role) DO NOTHING;
	PERFORM recall._log(0, 'pool', admit_pool.role::text, 'admit', CASE WHEN NOT FOUND THEN 'admitted' END, 'admitted');
	PERFORM recall._grant_objects(admit_pool.role);
END $$;

CREATE OR REPLACE FUNCTION recall.dismiss_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old recall.pool;
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	DELETE FROM recall.pool p WHERE p.role = dismiss_pool.role RETURNING * INTO old;
	IF NOT FOUND THEN
		PERFORM recall._invalid(format('role %s is no pool', role), 'Pools are admitted with recall.admit_pool().');
	END IF;
	PERFORM recall._revoke_objects(dismiss_pool.role);
	PERFORM recall._log(0, 'pool', dismiss_pool.role::text, 'dismiss', 'admitted', 'dismissed', to_jsonb(old) - 'role');
END $$;

CREATE OR REPLACE FUNCTION recall.rotate_token_key(grace interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_key bigint := recall._new_token();
BEGIN
	PERFORM recall._require_owner();
	IF (grace BETWEEN '0' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('grace %s is out of range', coalesce(grace::text, 'null')),
			'Tokens that were issued before can be good for up to an hour more.');
	END IF;
	LOCK TABLE recall.token_key IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM recall.token_key k WHERE grace = '0' OR k.valid_until <= clock_timestamp();
	UPDATE recall.token_key k SET valid_until = least(k.valid_until, clock_timestamp() + grace);
	INSERT INTO recall.token_key (key_id, secret, made_by, made_at)
	VALUES (new_key, recall._new_key(), pg_get_userbyid(recall._caller()), clock_timestamp());
	PERFORM recall._log(0, 'token_key', new_key::text, 'rotate', detail => jsonb_build_object('grace', grace));
END $$;

CREATE OR REPLACE FUNCTION recall.grant_scheduler(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	scheduler name;
BEGIN
	PERFORM recall._require_owner();
	scheduler := recall._role_name(role);
	PERFORM recall._lock_grants();
	PERFORM recall._log(0, 'scheduler', scheduler, 'grant', CASE WHEN recall._is_scheduler(role) THEN 'granted' END, 'granted');
	EXECUTE format('GRANT USAGE ON SCHEMA recall TO %I', scheduler);
	EXECUTE format('GRANT EXECUTE ON PROCEDURE recall.process() TO %I', scheduler);
	EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', recall._steps(), scheduler);
END $$;

CREATE FUNCTION recall._job_settings(job bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	settings jsonb;
BEGIN
	EXECUTE $query$
		SELECT pg_catalog.jsonb_build_object('schedule', j.schedule, 'role', j.username, 'active', j.active)
		FROM cron.job j WHERE j.jobid = $1 $query$
	INTO settings USING job;
	RETURN settings;
END $$;
COMMENT ON FUNCTION recall._job_settings(bigint) IS 'When and as whom a cron job runs, for the audit; null: there is none.';

CREATE OR REPLACE FUNCTION recall._cron_fault(OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	/* Not current_setting(), which fails where an owner that is no superuser any more may not see them. */
	libraries text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'shared_preload_libraries');
	cron_database text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
BEGIN
	IF libraries IS NULL THEN
		message := 'the extension''s owner may not see whether pg_cron is loaded';
		hint := format('Run GRANT pg_read_all_settings TO %I.', current_user);
		RETURN;
	END IF;
	/* The name can be set in the configuration while the library is not loaded. */
	IF NOT 'pg_cron' = ANY (regexp_split_to_array(replace(libraries, '"', ''), E'\\s*,\\s*')) THEN
		cron_database := NULL;
	END IF;
	IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		IF cron_database IS NULL THEN
			message := 'pg_cron is not loaded';
			hint := 'Add pg_cron to shared_preload_libraries and restart the server.';
		ELSIF cron_database <> current_database() THEN
			message := format('pg_cron works in database "%s", not in "%s"', cron_database, current_database());
			hint := recall._schedule_elsewhere(cron_database);
		END IF;
	ELSIF cron_database IS NULL THEN
		message := 'pg_cron is not loaded';
		hint := format('Install pg_cron, add it to shared_preload_libraries, set cron.database_name = ''%s'', restart the server and run CREATE EXTENSION pg_cron.',
			current_database());
	ELSIF cron_database <> current_database() THEN
		message := format('pg_cron works in database "%s", not in "%s"', cron_database, current_database());
		hint := recall._schedule_elsewhere(cron_database);
	ELSE
		message := format('pg_cron is not installed in database "%s"', current_database());
		hint := 'Run CREATE EXTENSION pg_cron here.';
	END IF;
END $$;

CREATE OR REPLACE FUNCTION recall.unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	had_job boolean;
BEGIN
	PERFORM recall._require_owner();
	had_job := recall._unschedule();
	IF had_job THEN
		PERFORM recall._log(0, 'job', 'all', 'unschedule');
	END IF;
	RETURN had_job;
END $$;

CREATE OR REPLACE FUNCTION recall.accept_history(rung_until timestamptz DEFAULT NULL)
RETURNS TABLE (tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	reviews jsonb;
	origins jsonb;
BEGIN
	PERFORM recall._require_owner();
	IF rung_until > clock_timestamp() OR NOT isfinite(rung_until) THEN
		PERFORM recall._invalid(format('rung_until %s is not a moment that is past', quote_literal(rung_until)),
			'Give the moment by which the original had handed out its last permit, or null when every call that was made since is recorded.');
	END IF;
	LOCK TABLE recall.origin IN SHARE ROW EXCLUSIVE MODE;
	IF recall._history_is_accepted() THEN
		RETURN;
	END IF;
	SELECT jsonb_agg(r) INTO reviews FROM recall.review_history(rung_until) r;
	SELECT jsonb_agg(o) INTO origins FROM recall.origin o;
	IF rung_until IS NOT NULL THEN
		PERFORM recall._doubt_permits(recall._known_until(), rung_until);
	END IF;
	PERFORM recall._note_origin();
	PERFORM recall._log(0, 'history', 'all', 'accept', detail => jsonb_build_object('rung_until', rung_until, 'origin', origins));
	RETURN QUERY SELECT r.* FROM jsonb_to_recordset(reviews)
		AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
	PERFORM recall._log(r.tenant_id, 'tenant', r.tenant_id::text, 'accept_history',
		detail => jsonb_strip_nulls(to_jsonb(r) - 'tenant_id' || jsonb_build_object('rung_until', rung_until, 'origin', origins)))
	FROM jsonb_to_recordset(reviews) AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
END $$;

CREATE FUNCTION recall._keep_event() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._refuse('the audit is only appended to',
		'What it says of a person goes with recall.erase_number(), recall.purge_batch() or recall.purge_before().');
	RETURN NULL;
END $$;
COMMENT ON FUNCTION recall._keep_event() IS 'Trigger of recall.event. Raises 55000.';

CREATE TRIGGER keep_event BEFORE DELETE OR TRUNCATE ON recall.event
FOR EACH STATEMENT EXECUTE FUNCTION recall._keep_event();
COMMENT ON TRIGGER keep_event ON recall.event IS 'No event is removed.';

CREATE TRIGGER keep_fact BEFORE UPDATE ON recall.event
FOR EACH ROW WHEN (
	(new.event_id, new.tenant_id, new.at, new.role, new.session_role, new.kind, new.action, new.from_state, new.to_state, new.subject)
		IS DISTINCT FROM (old.event_id, old.tenant_id, old.at, old.role, old.session_role, old.kind, old.action, old.from_state, old.to_state, old.subject)
	OR new.record_id <> old.record_id AND (old.kind <> 'suppression' OR new.record_id <> 'erased')
	OR new.detail IS DISTINCT FROM old.detail AND new.detail IS DISTINCT FROM recall._redacted(old.detail))
EXECUTE FUNCTION recall._keep_event();
COMMENT ON TRIGGER keep_fact ON recall.event IS 'An event is changed only by taking out its particulars, and the number of a suppression.';

/* Erasing finds numbers in groups in free text. */

CREATE FUNCTION recall._mentions_any(what text, digits text[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mentions_any';
COMMENT ON FUNCTION recall._mentions_any(text, text[]) IS
'Whether a text mentions one of some numbers, given as their digits: these together, as no part of a longer figure, or in groups behind "+" or "00".';

CREATE FUNCTION recall._without_mentions(what text, digits text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_without_mentions';
COMMENT ON FUNCTION recall._without_mentions(text, text[]) IS 'A text with "0" in the place of each number that it mentions, of some.';

ALTER TYPE recall._mentions RENAME ATTRIBUTE pattern TO digits;
ALTER TYPE recall._mentions ALTER ATTRIBUTE digits TYPE text[];
COMMENT ON TYPE recall._mentions IS
'Contacts, calls (by batch, contact and attempt) and events that mention one of some numbers, and the digits of these.';

CREATE OR REPLACE FUNCTION recall._find_mentions(tenant_id int, numbers text[]) RETURNS recall._mentions
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

CREATE OR REPLACE FUNCTION recall._erase_mentions(tenant_id int, mentions recall._mentions) RETURNS bigint
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
ALTER FUNCTION recall.erase_number(int, text) SET gin_fuzzy_search_limit = 0;
ALTER FUNCTION recall._purge(recall.batch) SET gin_fuzzy_search_limit = 0;
COMMENT ON FUNCTION recall.erase_number(int, text) IS
'Erases a person: every contact that has the number goes, with its other numbers, reference, attributes, calls and permit; the numbers go from the do-not-call lists and the audit, whose events stay without particulars; where other contacts, calls, reasons or events mention one in free text, as "+4930…", "004930…" or "4930…", or in groups behind "+" or "00", it becomes "0". What stays are keyed hashes of the numbers, by which they are put on the do-not-call list again when a contact with one of them is added; a number of the person''s that other contacts have is put there at once. Recycle records keep their counts: permits that waited count as withdrawn, those of unknown outcome as dialled. Returns how many rows of each kind were erased. Reads all that the tenant has. Right: manage. Errors: 42501; 22P02 a number; 55000 one of the contacts is out with a dialer, or the transaction is above READ COMMITTED.';

/* The index of numbers that are out orders them by their digits, in no language. */
DROP INDEX recall.dial_number_out;
CREATE UNIQUE INDEX dial_number_out ON recall.dial (tenant_id, number COLLATE "C") WHERE state <> 'ready';
COMMENT ON INDEX recall.dial_number_out IS 'At most one permit for a number is out with a dialer.';

CREATE OR REPLACE FUNCTION recall._explain_claim(permit recall.dial, contact recall.contact, time_zone text, at timestamptz, OUT passed boolean, OUT detail text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	terms recall._terms := recall._terms(permit.tenant_id, permit.task_id);
	snapshot recall.policy := (SELECT r.policy FROM recall.recycle r
		WHERE r.tenant_id = permit.tenant_id AND r.recycle_id = permit.recycle_id AND r.policy IS DISTINCT FROM terms.policy);
	admission recall._admission := recall._admission(permit.tenant_id, permit.task_id, permit.batch_id, permit.contact_id, contact.numbers,
		permit.number, time_zone, terms.policy, snapshot, at);
	opens_at timestamptz := recall.next_open(terms.calling_hours, time_zone, greatest(at, permit.due_at, admission.not_before), terms.holidays);
	is_out boolean := EXISTS (SELECT FROM recall.dial d
		WHERE d.tenant_id = permit.tenant_id AND d.number COLLATE "C" = admission.number AND d.state <> 'ready');
BEGIN
	detail := CASE
		WHEN terms.state <> 'executing' THEN format('the task is in state "%s"', terms.state)
		WHEN permit.batch_id = ANY (terms.suspended) THEN 'the batch is suspended'
		WHEN permit.recycle_id = ANY (terms.paused) THEN format('recycle record %s is paused', permit.recycle_id)
		WHEN admission.reason IS NOT NULL THEN format('it will be taken out: %s', admission.reason)
		WHEN opens_at IS NULL THEN 'it will be taken out: the calling hours never open'
		WHEN opens_at > at THEN format('on %s, not before %s', admission.number, recall._local_time(opens_at, time_zone))
		WHEN is_out THEN format('a call to %s is out', admission.number)
		ELSE format('on %s, now', admission.number) END;
	passed := terms.state = 'executing' AND permit.batch_id <> ALL (terms.suspended) AND (permit.recycle_id = ANY (terms.paused)) IS NOT TRUE
		AND coalesce(opens_at = at, false) AND admission.reason IS NULL AND NOT is_out;
END $$;

/* Numbers are looked up in the do-not-call list by its key, whatever the planner knows of it. */
CREATE OR REPLACE FUNCTION recall._suppressed_numbers(tenant_id int, task_id bigint, numbers text[], at timestamptz) RETURNS text[]
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_suppressed_numbers';
CREATE FUNCTION recall._suppressed_until(tenant_id int, task_id bigint, numbers text[], at timestamptz) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_suppressed_until';
COMMENT ON FUNCTION recall._suppressed_until(int, bigint, text[], timestamptz) IS
'When the first of those suppressions ends by which a task may not call some numbers at an instant; null when there are none.';

CREATE OR REPLACE FUNCTION recall._admission(
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

/* A claim walks along the queue in C alone, and asks about some of its permits here. */
DROP FUNCTION recall._claim_others(int, bigint, int, interval, text, timestamptz, recall._place, recall._place);
DROP FUNCTION recall._hand_back(int, bigint, recall._terms, recall._due[], bigint[], timestamptz);
DROP FUNCTION recall._put_off(int, recall._due[], timestamptz);
DROP FUNCTION recall._take(int, recall._due[], int, interval, text, timestamptz);
DROP FUNCTION recall._ask_again(int, bigint, recall._terms, recall._due[], timestamptz);
DROP FUNCTION recall._lock_due(int, bigint, recall._terms, recall._place, int, timestamptz);
DROP FUNCTION recall._next_priority(int, bigint, bigint);
DROP FUNCTION recall._set_out();
DROP FUNCTION recall._pass();
DROP FUNCTION recall._end_walk(int, timestamptz, bigint);
DROP TYPE recall._place;
DROP TYPE recall._due;

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

CREATE OR REPLACE FUNCTION recall._doubt_permits(known_until timestamptz, rung_until timestamptz) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH ready AS MATERIALIZED (
		SELECT d.tenant_id, d.contact_id, d.number, d.priority, d.due_at
		FROM recall.dial d
		WHERE d.state = 'ready' AND d.due_at <= rung_until
		ORDER BY d.tenant_id, d.contact_id
		FOR UPDATE
	), doubted AS (
		SELECT DISTINCT ON (r.tenant_id, r.number) r.tenant_id, r.contact_id
		FROM ready r
		WHERE NOT EXISTS (SELECT FROM recall.dial o WHERE o.tenant_id = r.tenant_id AND o.number COLLATE "C" = r.number AND o.state <> 'ready')
		ORDER BY r.tenant_id, r.number, r.priority DESC, r.due_at, r.contact_id
	)
	UPDATE recall.dial d
	SET state = 'unknown', token = recall._new_token(), claimed_at = least(known_until, rung_until), lease_until = rung_until
	FROM doubted i
	WHERE d.tenant_id = i.tenant_id AND d.contact_id = i.contact_id;
END;

/* Room for the claimed version of each permit beside the ready one. */
ALTER TABLE recall.dial SET (fillfactor = 40);
ALTER INDEX recall.dial_pkey SET (fillfactor = 50);

/* What most functions call keeps its plans. */
CREATE OR REPLACE FUNCTION recall._log(
	tenant_id int, kind text, record_id text, action text,
	from_state text DEFAULT NULL, to_state text DEFAULT NULL, detail jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, from_state, to_state, detail)
	VALUES (tenant_id, pg_get_userbyid(recall._caller()), kind, record_id, action, from_state, to_state, detail);
END $$;

CREATE OR REPLACE FUNCTION recall._next_id(tenant_id int, kind text, how_many bigint DEFAULT 1) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	first_id bigint;
BEGIN
	INSERT INTO recall.counter AS c (tenant_id, kind, last_id)
	VALUES (tenant_id, kind, how_many)
	ON CONFLICT (tenant_id, kind) DO UPDATE SET last_id = c.last_id + excluded.last_id
	RETURNING c.last_id - how_many + 1 INTO first_id;
	RETURN first_id;
END $$;

CREATE OR REPLACE FUNCTION recall._forget_permits(tenant_id int, contacts bigint[], reasons text[], recycles bigint[]) RETURNS void
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

/* A bulk source must be there; calls that are recorded in bulk wait for what dialers do meanwhile; nobody presses above READ COMMITTED. */
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

CREATE OR REPLACE FUNCTION recall.add_contacts(tenant_id int, batch_id bigint, source regclass) RETURNS bigint
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

CREATE FUNCTION recall._contact(tenant_id int, contact_id bigint) RETURNS recall.contact
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'recall_contact_by_key';
COMMENT ON FUNCTION recall._contact(int, bigint) IS 'The contact, by its key whatever the planner thinks of the tenant; null when there is none.';

CREATE OR REPLACE FUNCTION recall._source_calls(tenant_id int, source regclass, at timestamptz)
RETURNS TABLE (
	source_row bigint, contact_id bigint, batch_id bigint, failure_cause recall.failure_cause, business_result text,
	number text, started_at timestamptz, ended_at timestamptz, raw_code text, agent text, recycle_id bigint,
	has_permit boolean, fault text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.source_row, s.contact_id, c.batch_id, s.failure_cause, s.business_result, v.number, v.started_at, v.ended_at,
		s.raw_code, s.agent, d.recycle_id, d.contact_id IS NOT NULL,
		CASE
			WHEN c.contact_id IS NULL THEN 'contact'
			WHEN d.state <> 'ready' THEN 'permit'
			WHEN s.business_result IS NOT NULL AND b.code IS NULL THEN 'result'
			WHEN v.number <> ALL (c.numbers) THEN 'number'
			WHEN NOT recall._times_in_order(v.started_at, v.ended_at, at) THEN 'times'
			WHEN NOT recall._is_short(s.raw_code, s.agent) THEN 'text'
		END
	FROM ROWS FROM (recall._read_source(source, true)
		AS (contact_id bigint, failure_cause recall.failure_cause, business_result text, number text,
			started_at timestamptz, ended_at timestamptz, raw_code text, agent text))
		WITH ORDINALITY AS s(contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent,
			source_row)
	/* A look-up by key for each row, so that a few calls cost little, however many contacts the tenant has. */
	LEFT JOIN LATERAL recall._contact(_source_calls.tenant_id, s.contact_id) c ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.business_result i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.code = s.business_result OFFSET 0) b ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.dial i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) d ON true
	CROSS JOIN LATERAL (SELECT coalesce(s.number, c.numbers[1]) AS number,
		coalesce(s.started_at, least(s.ended_at, at)) AS started_at, coalesce(s.ended_at, at) AS ended_at) v;
END;

CREATE OR REPLACE FUNCTION recall._lock_source_batches(tenant_id int, source regclass) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batches bigint[];
BEGIN
	batches := ARRAY(
		SELECT DISTINCT c.batch_id
		FROM recall._read_source(source, false) AS s(contact_id bigint)
		CROSS JOIN LATERAL recall._contact(_lock_source_batches.tenant_id, s.contact_id) c
		WHERE c.batch_id IS NOT NULL
		ORDER BY c.batch_id);
	FOR i IN 1 .. cardinality(batches) LOOP
		PERFORM recall._lock_batch(tenant_id, batches[i], true);
	END LOOP;
	RETURN batches;
END $$;

CREATE FUNCTION recall._raise_source_fault(tenant_id int, source regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	SELECT * INTO bad FROM recall._source_calls(_raise_source_fault.tenant_id, source, now()) s
	WHERE s.fault IS NOT NULL
	ORDER BY s.source_row LIMIT 1;
	IF FOUND THEN
		PERFORM recall._raise_call_fault(tenant_id, bad.fault, format('row %s: ', bad.source_row), bad.contact_id, bad.number,
			bad.business_result, bad.started_at, bad.ended_at);
	END IF;
END $$;
COMMENT ON FUNCTION recall._raise_source_fault(int, regclass) IS
'Raises the error for the first row of a bulk source that is wrong, if there is one.';

CREATE FUNCTION recall._lock_source_permits(tenant_id int, source regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM FROM (SELECT DISTINCT r.contact_id FROM recall._read_source(source, false) AS r(contact_id bigint) ORDER BY r.contact_id) s
	CROSS JOIN LATERAL (SELECT FROM recall.dial i
		WHERE i.tenant_id = _lock_source_permits.tenant_id AND i.contact_id = s.contact_id
		FOR UPDATE) d;
END $$;
COMMENT ON FUNCTION recall._lock_source_permits(int, regclass) IS
'Locks the permits of the contacts of a bulk source: what is being claimed or reported is waited for.';

CREATE FUNCTION recall._append_calls(
	tenant_id int, source regclass, batches bigint[], OUT appended bigint, OUT by_batch jsonb, OUT is_whole boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
	read_rows bigint;
	records bigint;
BEGIN
	WITH source_call AS MATERIALIZED (
		SELECT s.*, row_number() OVER (PARTITION BY s.batch_id, s.contact_id ORDER BY s.started_at, s.source_row) AS nth
		FROM recall._source_calls(_append_calls.tenant_id, source, now()) s
	), permit AS MATERIALIZED (
		SELECT d.place
		FROM source_call s
		CROSS JOIN LATERAL (SELECT i.ctid AS place FROM recall.dial i
			WHERE i.tenant_id = _append_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) d
		WHERE s.nth = 1 AND s.has_permit
	), used_permit AS (
		DELETE FROM recall.dial d
		WHERE d.ctid = ANY (ARRAY(SELECT p.place FROM permit p)) AND d.state NOT IN ('claimed', 'unknown')
		RETURNING d.contact_id
	), appended_call AS (
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at,
			failure_cause, number, business_result, raw_code, agent)
		SELECT _append_calls.tenant_id,
			s.nth + coalesce((SELECT max(k.attempt) FROM recall.call k
				WHERE k.tenant_id = _append_calls.tenant_id AND k.batch_id = s.batch_id AND k.contact_id = s.contact_id), 0),
			s.batch_id, s.contact_id, CASE WHEN s.nth = 1 THEN s.recycle_id END, s.started_at, s.ended_at,
			clock_timestamp(), s.failure_cause, s.number, s.business_result, s.raw_code, s.agent
		FROM source_call s
		WHERE s.fault IS NULL AND s.batch_id = ANY (batches)
		ORDER BY s.batch_id, s.contact_id, s.nth
		RETURNING batch_id
	), tallied AS (
		SELECT recall._tally(_append_calls.tenant_id, t.recycle_id, t.dialled, t.reached)
		FROM (SELECT s.recycle_id, count(*) AS dialled, count(*) FILTER (WHERE s.failure_cause IS NULL) AS reached
			FROM source_call s
			WHERE s.nth = 1 AND s.recycle_id IS NOT NULL
			GROUP BY s.recycle_id
			ORDER BY s.recycle_id) t
	)
	/* In this order: so does everybody lock permits, calls and tallies. */
	SELECT (SELECT count(*) FROM used_permit) = (SELECT count(*) FROM source_call s WHERE s.nth = 1 AND s.has_permit),
		(SELECT count(*) FROM appended_call), (SELECT count(*) FROM tallied), (SELECT count(*) FROM source_call),
		(SELECT jsonb_object_agg(b.batch_id, b.calls) FROM (SELECT a.batch_id, count(*) AS calls FROM appended_call a GROUP BY a.batch_id) b)
	INTO is_whole, appended, records, read_rows, by_batch;
	is_whole := is_whole AND appended = read_rows;
END $$;
COMMENT ON FUNCTION recall._append_calls(int, regclass, bigint[]) IS
'Appends the calls of a bulk source to batches that are locked alone, and uses the permits up; how many, and how many of each batch. Not whole: a row is wrong, or a permit was claimed meanwhile.';

CREATE OR REPLACE FUNCTION recall.record_calls(tenant_id int, source regclass) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	locked bigint[];
	made record;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._check_source(source);
	locked := recall._lock_source_batches(tenant_id, source);
	BEGIN
		SELECT * INTO made FROM recall._append_calls(tenant_id, source, locked);
		IF NOT made.is_whole THEN
			RAISE object_in_use;
		END IF;
	EXCEPTION WHEN object_in_use OR unique_violation THEN
		PERFORM recall._raise_source_fault(tenant_id, source);
		PERFORM recall._lock_source_permits(tenant_id, source);
		SELECT * INTO made FROM recall._append_calls(tenant_id, source, locked);
		IF NOT made.is_whole THEN
			PERFORM recall._raise_source_fault(tenant_id, source);
			PERFORM recall._refuse('the source changed while the calls were recorded', 'Give a table that nobody changes meanwhile.');
		END IF;
	END;
	PERFORM recall._log(record_calls.tenant_id, 'batch', b.key, 'record_calls', detail => jsonb_build_object('calls', b.value))
	FROM jsonb_each(made.by_batch) b;
	RETURN made.appended;
END $$;
COMMENT ON FUNCTION recall.record_calls(int, regclass) IS
'Appends the completed calls of a table or view, all or none, and returns how many. Columns, contact_id being required: contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent; read with the caller''s rights. A contact''s attempts are numbered by (started_at, order in the source). Each batch concerned is locked until the end. The source is read twice, first for its batches, and again where a dialer claims one of its contacts meanwhile, so its rows should be the same each time. Right: dial. Errors as of record_call(), naming the first bad row; 22023 also no source, one without the column contact_id, or one with more rows than the setting recall.max_source_rows; before that, what its type says of the first value that does not convert, with the row where the source is a table; 55000 also when the source calls what changes anything in recall, or has other rows when it is read again.';

CREATE OR REPLACE FUNCTION recall.recycle(tenant_id int, batch_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate record;
	unfinished record;
	created bigint;
	start_after bigint;
	asked_at timestamptz;
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM recall._require_read_committed();
	PERFORM recall._lock_press(tenant_id, batch_id);
	PERFORM recall._batch(tenant_id, batch_id);
	SELECT * INTO gate FROM recall._shut_gate(tenant_id, batch_id);
	IF gate.message IS NOT NULL THEN
		PERFORM recall._refuse(gate.message, gate.hint);
	END IF;
	SELECT r.recycle_id, r.state INTO unfinished FROM recall.recycle r
	WHERE r.tenant_id = recycle.tenant_id AND r.batch_id = recycle.batch_id
	AND r.state IN ('waiting', 'running', 'paused', 'failed');
	IF FOUND THEN
		PERFORM recall._refuse(
			format('batch %s has an unfinished recycle record: %s is in state "%s"', batch_id, unfinished.recycle_id, unfinished.state),
			CASE unfinished.state
				WHEN 'failed' THEN 'Retry it with recall.retry_recycle(), or cancel it with recall.cancel_recycle().'
				WHEN 'paused' THEN 'Resume it with recall.resume_recycle(), or cancel it with recall.cancel_recycle().'
				ELSE 'Wait until the processor has completed it, or cancel it with recall.cancel_recycle().'
			END);
	END IF;

	created := recall._next_id(tenant_id, 'recycle');
	start_after := recall._start_after(tenant_id, batch_id);
	asked_at := recall._now_for(tenant_id, batch_id);
	INSERT INTO recall.recycle (tenant_id, recycle_id, batch_id, policy, requested_by, requested_at, cap, start_after, last_contact)
	SELECT b.tenant_id, created, b.batch_id, t.policy, pg_get_userbyid(recall._caller()), asked_at,
		n.recycle_limit, start_after, start_after
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = recycle.tenant_id AND b.batch_id = recycle.batch_id;
	PERFORM recall._log(tenant_id, 'recycle', created::text, 'request', to_state => 'waiting',
		detail => jsonb_build_object('batch_id', batch_id));
	RETURN created;
END $$;

/* Bulk reports lock the batches of all their calls in one order; purging and erasing what both of them remove. */
CREATE OR REPLACE FUNCTION recall._lock_automatic_batches(tenant_id int, contacts bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	batches int;
BEGIN
	IF NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = _lock_automatic_batches.tenant_id AND t.auto_recall) THEN
		RETURN false;
	END IF;
	/* The others' too, as they may have to be locked later, and all are in one order. */
	PERFORM recall._lock_batch(_lock_automatic_batches.tenant_id, b.batch_id, false)
	FROM (
		SELECT c.batch_id
		FROM (
			SELECT k.batch_id, bool_or(t.auto_recall) OVER () AS is_automatic
			FROM recall.contact k
			JOIN recall.batch b ON b.tenant_id = k.tenant_id AND b.batch_id = k.batch_id
			JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
			WHERE k.tenant_id = _lock_automatic_batches.tenant_id AND k.contact_id = ANY (contacts)
		) c
		WHERE c.is_automatic
		GROUP BY c.batch_id
		ORDER BY c.batch_id
	) b;
	GET DIAGNOSTICS batches = ROW_COUNT;
	RETURN batches > 0;
END $$;
COMMENT ON FUNCTION recall._lock_automatic_batches(int, bigint[]) IS
'Locks, together with others, the batches of some contacts when the task of any of them recalls automatically, and tells whether one does.';

CREATE OR REPLACE FUNCTION recall._forget_numbers(tenant_id int, numbers text[], OUT suppressions bigint, OUT events bigint)
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

CREATE OR REPLACE FUNCTION recall._purge_suppressions(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	purged bigint;
BEGIN
	IF dry_run THEN
		RETURN (SELECT count(*) FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than);
	END IF;
	PERFORM FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than
	ORDER BY s.number, s.task_id
	FOR UPDATE;
	DELETE FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than;
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END $$;

CREATE OR REPLACE FUNCTION recall._purge_events(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	events bigint[] := ARRAY(
		SELECT e.event_id FROM recall.event e
		WHERE e.tenant_id = _purge_events.tenant_id AND e.kind = 'suppression' AND e.record_id <> 'erased' AND e.at < older_than
		AND NOT EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _purge_events.tenant_id AND s.number = e.record_id
			AND (dry_run IS FALSE OR s.until >= older_than)));
BEGIN
	PERFORM FROM recall.event e
	WHERE NOT dry_run AND e.tenant_id = _purge_events.tenant_id AND e.event_id = ANY (events)
	ORDER BY e.event_id
	FOR UPDATE;
	UPDATE recall.event e SET record_id = 'erased', detail = recall._redacted(e.detail)
	WHERE NOT dry_run AND e.tenant_id = _purge_events.tenant_id AND e.event_id = ANY (events);
	RETURN cardinality(events);
END $$;

/* Each session that is at work counts in a slot of its own. */
CREATE FUNCTION recall._tally_slot() RETURNS smallint
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_tally_slot';
COMMENT ON FUNCTION recall._tally_slot() IS
'The number of the slot in which this session counts: no other session that is at work has it.';

CREATE OR REPLACE FUNCTION recall._tally(tenant_id int, recycle_id bigint, dialled bigint, reached bigint, taken_out bigint DEFAULT 0) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO recall.recycle_tally AS t (tenant_id, recycle_id, slot, dialled, reached, taken_out)
	VALUES (_tally.tenant_id, _tally.recycle_id, recall._tally_slot(), _tally.dialled, _tally.reached, _tally.taken_out)
	ON CONFLICT (tenant_id, recycle_id, slot) DO UPDATE
	SET dialled = t.dialled + excluded.dialled, reached = t.reached + excluded.reached, taken_out = t.taken_out + excluded.taken_out;
END $$;

COMMENT ON TABLE recall.recycle_tally IS
'What became of a record''s re-dial rows, counted by each session on its own so that none waits for another.';
COMMENT ON COLUMN recall.recycle_tally.slot IS 'Which partial count it is: each session that is at work has one of its own.';

DROP FUNCTION recall._record_faults();
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

DROP FUNCTION recall._audit_faults();
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

CREATE OR REPLACE FUNCTION recall._faults(tenant_id int) RETURNS SETOF recall._fault
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

/* A very long text is refused before its characters are looked at, and errors mask the numbers in what they repeat. */

CREATE FUNCTION recall._is_longer(value text, most int) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_is_longer_sql';
COMMENT ON FUNCTION recall._is_longer(text, int) IS
'Whether a text has more than so many characters. Those of a very long one are not counted, which could not be cancelled.';

CREATE OR REPLACE FUNCTION recall.failure_cause(system text, code text) RETURNS recall.failure_cause
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked_system CONSTANT text := CASE WHEN octet_length(failure_cause.system) <= 10000 THEN lower(btrim(failure_cause.system)) END;
	asked_code CONSTANT text := CASE WHEN octet_length(failure_cause.code) <= 10000 THEN btrim(failure_cause.code) END;
	cause recall.failure_cause;
BEGIN
	SELECT c.failure_cause INTO cause
	FROM recall.cause_code c
	WHERE c.system = asked_system AND c.code = asked_code
	ORDER BY c.builtin LIMIT 1;
	IF FOUND THEN
		RETURN cause;
	END IF;
	SELECT c.failure_cause INTO cause
	FROM recall.cause_code c
	WHERE c.system = asked_system AND lower(c.code) = lower(asked_code)
	ORDER BY c.builtin, c.code LIMIT 1;
	IF FOUND THEN
		RETURN cause;
	END IF;
	IF NOT EXISTS (SELECT FROM recall.cause_code c WHERE c.system = asked_system) THEN
		RAISE EXCEPTION 'system "%" has no codes of failure causes', recall._mask_numbers(left(failure_cause.system, 50))
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Known systems: %s.', (SELECT string_agg(DISTINCT c.system, ', ') FROM recall.cause_code c));
	END IF;
	RETURN 'unspecified'::recall.failure_cause;
END
$$;

CREATE OR REPLACE FUNCTION recall._policy_check_keys(item jsonb, what text, known text[], required text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF jsonb_typeof(item) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'invalid policy: % must be an object', what USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT k INTO wrong FROM jsonb_object_keys(item) k WHERE k <> ALL (known) ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: unknown key "%" in %', regexp_replace(left(wrong, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), what
			USING ERRCODE = 'invalid_text_representation', HINT = format('Known keys: %s.', array_to_string(known, ', '));
	END IF;
	SELECT k INTO wrong FROM unnest(required) k WHERE NOT item ? k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: "%" is missing in %', wrong, what USING ERRCODE = 'invalid_text_representation';
	END IF;
END
$$;

CREATE OR REPLACE FUNCTION recall._policy_from_scalar(item jsonb, key text, type text, pattern text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> type OR item ->> key !~ pattern THEN
		RAISE EXCEPTION 'invalid policy: wrong value % of "%"', regexp_replace(left((item -> key)::text, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), key
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN item ->> key;
END
$$;

CREATE OR REPLACE FUNCTION recall._policy_from_list(item jsonb, key text, pattern text, known text[] DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	members text[];
	wrong jsonb;
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> 'array' OR item -> key = '[]' THEN
		RAISE EXCEPTION 'invalid policy: "%" must be an array that is not empty', key
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT array_agg(e.value #>> '{}' ORDER BY e.k),
		(array_agg(e.value ORDER BY e.k) FILTER (WHERE jsonb_typeof(e.value) <> 'string' OR e.value #>> '{}' !~ pattern
			OR e.value #>> '{}' <> ALL (known)))[1]
	INTO members, wrong
	FROM jsonb_array_elements(item -> key) WITH ORDINALITY AS e (value, k);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'invalid policy: wrong member % of "%"', regexp_replace(left(wrong::text, 50), '([0-9]{2})[0-9]{3,}([0-9]{2})', '\1***\2', 'g'), key
			USING ERRCODE = 'invalid_text_representation',
				HINT = coalesce(
					'Perhaps you meant "' || recall._nearest(wrong #>> '{}', known) || '".',
					'Known members: ' || array_to_string(known, ', ') || '.',
					format('A member is a string that matches %s.', pattern));
	END IF;
	RETURN members;
END
$$;

CREATE OR REPLACE FUNCTION recall._is_short(raw_code text, agent text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (recall._is_longer(raw_code, 200) OR recall._is_longer(agent, 200)) IS NOT TRUE;

CREATE OR REPLACE FUNCTION recall._check_name(kind text, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF coalesce(name, '') = '' OR recall._is_longer(name, 200) THEN
		PERFORM recall._invalid(format('invalid name of a %s: %L', kind, recall._mask_numbers(left(name, 200))), 'A name has 1 to 200 characters.');
	END IF;
END $$;

CREATE OR REPLACE FUNCTION recall._check_tenant(obs_url_mode text, recycle_limit int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF recycle_limit NOT BETWEEN 1 AND 2000000 THEN
		PERFORM recall._invalid(format('recycle_limit %s is out of range', recycle_limit),
			'One recycle re-dials 1 to 2000000 contacts.');
	END IF;
	IF obs_url_mode = '' OR recall._is_longer(obs_url_mode, 50) THEN
		PERFORM recall._invalid(format('invalid obs_url_mode %L', recall._mask_numbers(left(obs_url_mode, 50))),
			'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.');
	END IF;
END $$;

CREATE OR REPLACE FUNCTION recall.create_business_result(tenant_id int, code text, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require(create_business_result.tenant_id, 'manage');
	PERFORM recall._check_name('business result', create_business_result.name);
	IF recall._is_longer(create_business_result.code, 50)
		OR create_business_result.code COLLATE "default" !~ '^[A-Za-z0-9_-]{1,50}$' IS NOT FALSE THEN
		PERFORM recall._invalid(format('invalid code of a business result: %L', recall._mask_numbers(left(create_business_result.code, 100))),
			'A code has 1 to 50 letters, digits, "_" and "-".');
	END IF;
	IF (SELECT count(*) FROM recall.business_result b WHERE b.tenant_id = create_business_result.tenant_id) >= 1000 THEN
		PERFORM recall._invalid(format('tenant %s has 1000 business results', create_business_result.tenant_id),
			'That is as many as a tenant can have.');
	END IF;
	INSERT INTO recall.business_result (tenant_id, code, name)
	VALUES (create_business_result.tenant_id, create_business_result.code, create_business_result.name)
	ON CONFLICT (tenant_id, code) DO NOTHING;
	IF NOT FOUND THEN
		PERFORM recall._invalid(format('business result "%s" exists already', recall._mask_numbers(create_business_result.code)),
			'Choose another code.');
	END IF;
	PERFORM recall._log(create_business_result.tenant_id, 'business_result', create_business_result.code, 'create',
		detail => jsonb_build_object('name', create_business_result.name));
END $$;

CREATE OR REPLACE FUNCTION recall._check_policy(tenant_id int, policy recall.policy) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	unknown_code text;
BEGIN
	SELECT named.code INTO unknown_code
	FROM recall._policy_results(policy) AS named(code)
	WHERE NOT EXISTS (SELECT FROM recall.business_result b
		WHERE b.tenant_id = _check_policy.tenant_id AND b.code = named.code)
	ORDER BY named.code
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._invalid(format('business result "%s" of the policy does not exist in tenant %s', recall._mask_numbers(unknown_code), tenant_id),
			recall._result_hint(tenant_id, unknown_code));
	END IF;
END $$;

CREATE OR REPLACE FUNCTION recall._check_token(valid_for interval, subject text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (valid_for BETWEEN '1 s' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('valid_for %s is out of range', coalesce(valid_for::text, 'null')),
			'A token is valid for 1 second to 1 hour.');
	END IF;
	IF subject = '' OR recall._is_longer(subject, 200) THEN
		PERFORM recall._invalid('invalid subject of a token', 'A subject has 1 to 200 characters.');
	END IF;
END $$;

CREATE OR REPLACE FUNCTION recall.schedule_callback(
	tenant_id int, contact_id bigint, at timestamptz, number text DEFAULT NULL, agent text DEFAULT NULL,
	priority int DEFAULT NULL)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	contact recall.contact;
	batch recall.batch;
	terms recall._terms;
	permit recall.dial;
	latest recall.call;
	admission recall._admission;
	earliest timestamptz := greatest(at, clock_timestamp());
	due timestamptz;
	promised_by text;
BEGIN
	PERFORM recall._require(schedule_callback.tenant_id, 'dial');
	SELECT * INTO contact FROM recall.contact c
	WHERE c.tenant_id = schedule_callback.tenant_id AND c.contact_id = schedule_callback.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(schedule_callback.contact_id::text, 'null'), schedule_callback.tenant_id));
	END IF;
	IF isfinite(at) IS NOT TRUE THEN
		PERFORM recall._invalid('a call-back needs a time', 'Give the instant that was promised; a time that is past means as soon as possible.');
	END IF;
	IF schedule_callback.number COLLATE "default" <> ALL (contact.numbers) THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'number', '', contact.contact_id, schedule_callback.number, NULL, NULL, NULL);
	END IF;
	IF recall._is_longer(schedule_callback.agent, 200) THEN
		PERFORM recall._invalid('the name of an agent is too long', 'It has up to 200 characters.');
	END IF;

	PERFORM recall._lock_batch(contact.tenant_id, contact.batch_id, false);
	batch := recall._batch(contact.tenant_id, contact.batch_id);
	IF batch.state NOT IN ('started', 'suspended') THEN
		PERFORM recall._refuse(format('batch %s is in state "%s"', batch.batch_id, batch.state),
			CASE batch.state WHEN 'created' THEN 'Start the batch with recall.start_batch().' ELSE 'A finished batch is final.' END);
	END IF;
	PERFORM FROM recall.contact c WHERE c.tenant_id = contact.tenant_id AND c.contact_id = contact.contact_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', contact.contact_id, contact.tenant_id)); -- it was erased meanwhile
	END IF;
	permit := recall._lock_permit(contact.tenant_id, contact.contact_id);
	IF permit.state <> 'ready' THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'permit', '', contact.contact_id, NULL, NULL, NULL, NULL);
	END IF;
	SELECT * INTO latest FROM recall.call k
	WHERE k.tenant_id = contact.tenant_id AND k.batch_id = contact.batch_id AND k.contact_id = contact.contact_id
	ORDER BY k.attempt DESC LIMIT 1;

	terms := recall._terms(contact.tenant_id, batch.task_id);
	admission := recall._admission(contact.tenant_id, batch.task_id, contact.batch_id, contact.contact_id, contact.numbers,
		coalesce(schedule_callback.number, CASE WHEN permit.agent IS NOT NULL THEN permit.number END, latest.number, permit.number, contact.numbers[1]), coalesce(contact.time_zone, terms.time_zone),
		terms.policy, NULL, earliest);
	IF admission.reason IS NOT NULL THEN
		PERFORM recall._refuse(format('contact %s may not be called again: %s', contact.contact_id, admission.reason),
			'recall.explain() tells more.');
	END IF;
	due := recall.next_open(terms.calling_hours, coalesce(contact.time_zone, terms.time_zone), greatest(earliest, admission.not_before), terms.holidays);
	IF due IS NULL THEN
		PERFORM recall._refuse(format('the calling hours of task %s never open again', batch.task_id), 'They are set with recall.set_calling_hours().');
	END IF;

	promised_by := coalesce(schedule_callback.agent, permit.agent, pg_get_userbyid(recall._caller()));
	INSERT INTO recall.dial AS d (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number, agent)
	VALUES (contact.tenant_id, coalesce(latest.attempt, 0) + 1, contact.contact_id, batch.task_id, contact.batch_id, due,
		coalesce(schedule_callback.priority, CASE WHEN permit.agent IS NOT NULL THEN permit.priority END, contact.priority),
		admission.number, promised_by)
	ON CONFLICT (tenant_id, contact_id) DO UPDATE
	SET due_at = excluded.due_at, number = excluded.number, agent = excluded.agent, priority = excluded.priority,
		recycle_id = NULL
	WHERE d.state = 'ready';
	IF NOT FOUND THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'permit', '', contact.contact_id, NULL, NULL, NULL, NULL);
	END IF;
	IF permit.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(contact.tenant_id, permit.recycle_id, 0, 0, 1); -- a promise outlives the recycle
	END IF;
	PERFORM recall._log(contact.tenant_id, 'contact', contact.contact_id::text, 'schedule_callback',
		detail => jsonb_strip_nulls(jsonb_build_object('at', at, 'due_at', due, 'agent', promised_by)));
	RETURN due;
END $$;
COMMENT ON FUNCTION recall.schedule_callback(int, bigint, timestamptz, text, text, int) IS
'Queues a call that was promised to a contact for an instant, in the place of a permit that waits (its recycle record counts that as withdrawn), and returns when it is due: at that instant, or at the first after it at which the calling hours, limits, quiets and suppressions for a time allow it. number: one of the contact''s, null = that of the promise that is moved, or of the latest call; where it may not be called, another of the contact''s is taken; agent: who promised it, up to 200 characters, for the dialer to see; null = who promised what is moved, or the role that asks; priority: its rank in the queue, higher first, null = that of the promise that is moved, or the contact''s; without a higher one it comes behind what has been due for longer. Report the call in which it was promised first. Right: dial. Errors: 42501; 22023 no time, a number that is not the contact''s, an agent''s name too long; 55000 the contact is out with a dialer, the batch is not started, a limit is reached, every number is suppressed, the hours never open again.';

/* What is erased stays suppressed until somebody lifts that. */

CREATE OR REPLACE FUNCTION recall.suppress(
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

/* A bulk source changes nothing while it is read. */

CREATE FUNCTION recall._require_no_source() RETURNS void
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require_no_source_sql';
COMMENT ON FUNCTION recall._require_no_source() IS
'Raises 55000 while a bulk source is read, where nothing may be changed: the statement that reads it would not see that.';

COMMENT ON FUNCTION recall._has_right(int, recall.privilege) IS
'Whether the caller has a right in a tenant. The owner has every right in every tenant that exists. Raises 55000 while a bulk source is read, but for the right "read".';
COMMENT ON FUNCTION recall._require(int, recall.privilege) IS
'Raises 42501 unless the caller has the right in the tenant; 55000 while a bulk source is read, but for the right "read"; true.';

CREATE OR REPLACE FUNCTION recall._expire(run bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	expired_permits bigint;
BEGIN
	PERFORM recall._require_no_source();
	WITH ran_out AS MATERIALIZED (
		SELECT d.place
		FROM recall.tenant n
		CROSS JOIN LATERAL (
			SELECT i.ctid AS place FROM recall.dial i
			WHERE i.tenant_id = n.tenant_id AND i.state <> 'ready' AND i.state = 'claimed' AND i.lease_until <= at
			LIMIT CASE WHEN recall._others_wait(n.tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END
			FOR UPDATE SKIP LOCKED
		) d
	), made_unknown AS (
		UPDATE recall.dial d SET state = 'unknown' FROM ran_out r WHERE d.ctid = r.place RETURNING 1
	)
	SELECT count(*) INTO expired_permits FROM made_unknown;
	UPDATE recall.tick t SET expired = t.expired + expired_permits WHERE t.tick_id = run;
	RETURN expired_permits;
END $$;
COMMENT ON FUNCTION recall._expire(bigint) IS
'A step of process(): makes the outcome of some of each tenant''s permits unknown whose lease has run out, and returns how many. Called alone it does a part of a run, and no harm. Errors: 55000 while a bulk source is read.';

CREATE OR REPLACE FUNCTION recall._settle(run bigint, INOUT tenant_id int, INOUT batch_id bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
	settled bigint;
	most int;
BEGIN
	PERFORM recall._require_no_source();
	PERFORM recall._require_read_committed();
	IF NOT recall._history_is_accepted() THEN
		tenant_id := NULL; -- the report may have been lost on the way to this copy: nothing is assumed of it yet
		batch_id := NULL;
		RETURN;
	END IF;
	SELECT u.tenant_id, u.batch_id INTO tenant_id, batch_id FROM recall._unsettled_batch(tenant_id, batch_id) u;
	IF tenant_id IS NULL THEN
		RETURN;
	END IF;
	most := CASE WHEN recall._others_wait(tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END;
	BEGIN
		settled := recall._settle_batch(tenant_id, batch_id, most, clock_timestamp());
	EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
		settled := 0; -- the next run settles it
	WHEN OTHERS THEN
		settled := 0;
		RAISE WARNING 'calls of unknown outcome of batch % of tenant % could not be settled: %', batch_id, tenant_id, left(SQLERRM, 1000);
	END;
	UPDATE recall.tick t SET assumed = t.assumed + settled WHERE t.tick_id = run;
	more := settled = most;
END $$;
COMMENT ON FUNCTION recall._settle(bigint, int, bigint) IS
'A step of process(): takes the next batch behind the given one that has calls of unknown outcome and a rule for them, books some of them, and returns that batch and whether it may have more, nulls when there was none, or while claims are held. What cannot be booked is left to the next run: somebody keeps what it needs, or it fails, of which a WARNING tells. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED, or while a bulk source is read.';

CREATE OR REPLACE FUNCTION recall._step(run bigint, after_tenant int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	recycle recall.recycle;
	emitted_rows bigint := 0;
	why text;
BEGIN
	PERFORM recall._require_no_source();
	PERFORM recall._require_read_committed(); -- that would be the caller's fault, not the record's
	recycle := recall._next_record(coalesce(after_tenant, (SELECT t.last_tenant FROM recall.tick t WHERE t.tick_id = run), 0), run);
	IF recycle.tenant_id IS NULL THEN
		RETURN NULL;
	END IF;
	BEGIN
		emitted_rows := recall._advance(recycle);
	EXCEPTION
	/* What the server lacks for a moment, and what the caller's session may not, is no fault of the record's. */
	WHEN lock_not_available OR transaction_rollback OR insufficient_resources OR system_error OR insufficient_privilege THEN
		PERFORM recall._put_off_record(recycle, run, SQLERRM);
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
		PERFORM recall._fail_record(recycle, why);
	END;
	UPDATE recall.tick t
	SET chunks = t.chunks + 1, emitted = t.emitted + emitted_rows, failed = t.failed + (why IS NOT NULL)::int,
		last_tenant = recycle.tenant_id
	WHERE t.tick_id = run;
	RETURN recycle.tenant_id;
END $$;
COMMENT ON FUNCTION recall._step(bigint, int) IS
'A step of process(): takes the oldest record of the next tenant behind the given one (null: behind the last that anything was done for) one step on and returns the tenant, null when nothing is left to do. An error makes the record failed; one that will pass or is not the record''s (a lock that is not to be had, a deadlock, too little memory or disk, a session that may not) puts it off until the next run; neither is raised. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED, or while a bulk source is read.';

/* A transaction is of one tenant, also when it takes back what it has entered. */

COMMENT ON FUNCTION recall.enter(text) IS
'Enters the token''s tenant until the transaction ends, or the savepoint is rolled back in which this was called, and returns the tenant''s id. While it lasts the caller, as the role that it is now, has the token''s rights there and no others; once the token is over, none. A token for the same tenant takes the place of an earlier one. Changes nothing in the database, so it works on a standby too. Right: to be the pool for which the token was issued, or inherit it. Errors: 42501 a null, changed or ended token, or one for another role or database; 55000 another tenant was entered in this transaction, also in what was rolled back of it; a bulk source is being read.';

/* What the scheduler's part, and what is the owner's, tells whom it refuses; and one notion of the cron job. */

CREATE OR REPLACE FUNCTION recall._require_owner() RETURNS void
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require_owner';
COMMENT ON FUNCTION recall._require_owner() IS
'Raises 42501 unless the caller has the rights of the extension''s owner; 55000 while a bulk source is read.';

CREATE FUNCTION recall._require_no_block() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_require_no_block';
COMMENT ON FUNCTION recall._require_no_block() IS 'Raises 2D000 inside a transaction block, where the processor could not commit.';

CREATE FUNCTION recall._note_run() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	run bigint;
BEGIN
	INSERT INTO recall.tick (started_at, held, last_tenant)
	VALUES (clock_timestamp(), NOT recall._history_is_accepted(), (SELECT t.last_tenant FROM recall.tick t ORDER BY t.tick_id DESC LIMIT 1))
	RETURNING tick_id INTO run;
	DELETE FROM recall.tick WHERE tick_id <= run - 10000;
	RETURN run;
END $$;
COMMENT ON FUNCTION recall._note_run() IS 'Notes that a run begins, and forgets the runs before the last 10 000.';

CREATE OR REPLACE FUNCTION recall._begin_tick() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_no_block();
	RETURN recall._note_run();
END $$;
COMMENT ON FUNCTION recall._begin_tick() IS
'A step of process(): notes that a run begins, and forgets the runs before the last 10 000. Called alone it leaves a run without an end, and does no other harm. Errors: 2D000 inside a transaction block.';

CREATE FUNCTION recall._cron_jobs(OUT jobid bigint, OUT schedule text, OUT active boolean, OUT role text, OUT fault text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (SELECT f.message FROM recall._cron_fault() f) IS NOT NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE $query$
		SELECT j.jobid, j.schedule, j.active, j.username::text, f.fault
		FROM cron.job j
		JOIN pg_catalog.pg_proc p ON p.oid = 'recall.process()'::pg_catalog.regprocedure
		LEFT JOIN pg_catalog.pg_roles r ON r.rolname = j.username
		CROSS JOIN LATERAL (SELECT CASE
			WHEN r.oid IS NULL THEN 'does not exist'
			WHEN NOT pg_catalog.has_schema_privilege(r.oid, 'recall', 'USAGE')
				OR NOT pg_catalog.has_function_privilege(r.oid, 'recall.process()', 'EXECUTE') THEN 'may not call recall.process()'
			WHEN NOT recall._is_scheduler(r.oid) AND NOT pg_catalog.pg_has_role(r.oid, p.proowner, 'USAGE')
				THEN 'was not given recall.process() itself'
		END) f(fault)
		WHERE j.command ILIKE 'call recall.process()%' AND j.database = pg_catalog.current_database()
		ORDER BY f.fault IS NOT NULL, j.active DESC, j.jobid $query$;
END $$;
COMMENT ON FUNCTION recall._cron_jobs() IS
'The cron jobs that look as if they called the processor in this database; the first is the one that counts. fault: what keeps the job''s role from calling it, or the owner from having chosen it; null: nothing. None where pg_cron cannot be used.';

CREATE OR REPLACE FUNCTION recall.revoke_scheduler(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	scheduler name;
	job bigint;
BEGIN
	PERFORM recall._require_owner();
	scheduler := recall._role_name(role);
	PERFORM recall._lock_grants();
	PERFORM recall._log(0, 'scheduler', scheduler, 'revoke', CASE WHEN recall._is_scheduler(role) THEN 'granted' END, 'revoked');
	EXECUTE format('REVOKE ALL ON PROCEDURE recall.process() FROM %I', scheduler);
	EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', recall._steps(), scheduler);
	IF NOT EXISTS (SELECT FROM recall.member m WHERE m.role = revoke_scheduler.role)
		AND NOT EXISTS (SELECT FROM recall.pool p WHERE p.role = revoke_scheduler.role) THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA recall FROM %I', scheduler);
	END IF;
	FOR job IN SELECT j.jobid FROM recall._cron_jobs() j WHERE j.role = scheduler AND j.fault IS NOT NULL LOOP
		RAISE WARNING 'cron job % runs as role "%", which may not call recall.process() any more', job, scheduler
		USING HINT = 'Run SELECT recall.schedule(NULL) to let the owner of the extension run it, or name another role there.';
	END LOOP;
END $$;
COMMENT ON FUNCTION recall.revoke_scheduler(regrole) IS
'Takes back what grant_scheduler() gave. A cron job of the role stays, and fails: of that a WARNING tells. Right: the extension''s owner. Errors: 42501; 22023 no such role.';

CREATE OR REPLACE FUNCTION recall.schedule(cron text DEFAULT '*/5 * * * *', role regrole DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	fault record;
	job record;
	old jsonb;
BEGIN
	PERFORM recall._require_owner();
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	IF role IS NOT NULL THEN
		PERFORM recall.grant_scheduler(role);
	END IF;
	SELECT * INTO job FROM recall._cron_jobs() LIMIT 1;
	old := recall._job_settings(job.jobid);
	/* What is left of a role that may not call the processor, or was dropped, would go on failing. */
	EXECUTE 'SELECT cron.unschedule(j.jobid) FROM recall._cron_jobs() j WHERE j.fault IS NOT NULL';
	cron := coalesce(cron, job.schedule, '*/5 * * * *');
	BEGIN
		IF job.jobid IS NULL OR job.fault IS NOT NULL THEN
			EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job.jobid USING 'recall', cron, 'CALL recall.process()';
		END IF;
		/* The command, too: whoever made the job may have added to it what another role should not run. */
		EXECUTE 'SELECT cron.alter_job($1, schedule => $2, command => $3, username => $4, active => true)'
		USING job.jobid, cron, 'CALL recall.process()', (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = role::oid);
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM recall._invalid(SQLERRM, 'Give a crontab expression of five fields, in GMT, such as */5 * * * *.');
	END;
	PERFORM recall._log(0, 'job', job.jobid::text, 'schedule', detail => jsonb_build_object('from', old, 'to', recall._job_settings(job.jobid)));
	RETURN job.jobid;
END $$;
COMMENT ON FUNCTION recall.schedule(text, regrole) IS
'Lets pg_cron call recall.process(), by default every 5 minutes, and returns the job''s id; scheduling again changes the one job, and replaces those of roles that may not call recall.process(), or only by inheriting it from a role that was given it. cron: a crontab expression, in GMT; null: as before, at first every 5 minutes; left out: every 5 minutes, whatever it was before. role: as whom it runs, which gets what grant_scheduler() gives; null: as before, but the extension''s owner at first and where that role may not any more. Right: the extension''s owner. Errors: 42501; 22023 no such role, or an expression that pg_cron does not take; 55000 pg_cron is missing, not preloaded, or works in another database.';

CREATE OR REPLACE FUNCTION recall._unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM recall._cron_jobs()) THEN
		RETURN false;
	END IF;
	EXECUTE 'SELECT cron.unschedule(j.jobid) FROM recall._cron_jobs() j';
	RETURN true;
END $$;

DROP FUNCTION recall._scheduler_health();
CREATE FUNCTION recall._scheduler_health(at timestamptz, OUT check_name text, OUT status text, OUT detail text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	is_told_why boolean := recall._is_owner(); -- asked before any table is read: it loads the library, which guards the plans
	fault record;
	job record;
	last_run record;
BEGIN
	check_name := 'schedule';
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		/* Something else may call the processor, and is known by what it does. */
		IF EXISTS (SELECT FROM recall.tick k WHERE k.finished_at > at - interval '10 min') THEN
			status := 'ok';
			detail := format('%s; recall.process() is called all the same', fault.message);
		ELSE
			status := 'warning';
			detail := format('%s, so nothing is known of the job here. %s', fault.message, fault.hint);
		END IF;
		RETURN NEXT;
		RETURN;
	END IF;
	SELECT * INTO job FROM recall._cron_jobs() LIMIT 1;
	IF job.jobid IS NULL THEN
		status := 'critical';
		detail := 'there is no cron job: nobody calls recall.process(). Run SELECT recall.schedule().';
	ELSIF job.fault IS NOT NULL THEN
		status := 'critical';
		detail := format('cron job %s runs as role "%s", which %s. Run SELECT recall.schedule(NULL) to let the owner of the extension run it, or name another role there.',
			job.jobid, job.role, job.fault);
	ELSIF NOT job.active THEN
		status := 'critical';
		detail := format('cron job %s is inactive. Run SELECT recall.schedule(NULL).', job.jobid);
	ELSE
		status := 'ok';
		detail := format('cron job %s runs at %s as role "%s"', job.jobid, job.schedule, job.role);
	END IF;
	RETURN NEXT;

	IF job.jobid IS NOT NULL THEN
		EXECUTE $query$
			SELECT d.status, d.return_message, d.start_time FROM cron.job_run_details d
			WHERE d.jobid = $1 AND d.status IN ('succeeded', 'failed')
			ORDER BY d.runid DESC LIMIT 1 $query$
		INTO last_run USING job.jobid;
		check_name := 'last run of the job';
		status := CASE WHEN last_run.status = 'failed' THEN 'critical' ELSE 'ok' END;
		detail := CASE
			WHEN last_run.status IS NULL THEN 'it has not run yet'
			WHEN last_run.status = 'failed' THEN format('it failed%s: %s%s', ' at ' || last_run.start_time,
				CASE WHEN is_told_why THEN recall._mask_numbers(last_run.return_message) ELSE 'the owner of the extension is told why' END,
				CASE WHEN last_run.start_time IS NULL THEN '. It never began: does pg_hba.conf let the job''s role in? See "How the job logs in" in doc/operations.md' END)
			ELSE format('it succeeded at %s', last_run.start_time)
		END;
		RETURN NEXT;
	END IF;
END $$;
COMMENT ON FUNCTION recall._scheduler_health(timestamptz) IS 'Whether pg_cron, or something else, calls the processor at an instant: the job missing, of a role that may not, inactive, or failing.';

DROP FUNCTION recall._cron_job();

CREATE OR REPLACE FUNCTION recall._work_health(at timestamptz, OUT check_name text, OUT status text, OUT detail text) RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT 'last tick',
		CASE
			WHEN max(k.finished_at) IS NULL OR max(k.finished_at) < at - interval '30 min' THEN 'critical'
			WHEN max(k.finished_at) < at - interval '10 min' THEN 'warning'
			ELSE 'ok'
		END,
		CASE
			WHEN max(k.finished_at) IS NULL THEN 'recall.process() has never finished a run'
			ELSE format('recall.process() finished %s ago', recall._age(max(k.finished_at), at))
		END
	FROM recall.tick k
	UNION ALL
	SELECT 'clock',
		CASE
			WHEN c.latest > at + interval '1 min' THEN 'critical'
			WHEN c.latest > at + interval '5 s' THEN 'warning'
			ELSE 'ok'
		END,
		CASE
			WHEN c.latest > at + interval '5 s' THEN
				format('the server''s clock is at least %s behind what it was: it has been set back. Until it is there again, what is due and the calling hours are late, leases are longer, and reports that ended in its future are refused', recall._age(at, c.latest))
			ELSE 'it is not behind what was noted last'
		END
	FROM (SELECT greatest((SELECT max(greatest(k.started_at, k.finished_at)) FROM recall.tick k),
		(SELECT max(d.claimed_at) FROM recall.dial d
			WHERE d.state <> 'ready' AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants())))) AS latest) c
	UNION ALL
	SELECT 'overdue records', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'critical' END,
		CASE
			WHEN count(*) = 0 THEN 'no recycle record is kept waiting'
			ELSE format('recycle records that have waited for more than 10 minutes: %s, the oldest for %s', count(*),
				recall._age(min(coalesce(r.advanced_at, r.started_at, r.requested_at)), at))
		END
	FROM recall.recycle r
	WHERE r.state IN ('waiting', 'running')
	AND coalesce(r.advanced_at, r.started_at, r.requested_at) < at - interval '10 min'
	AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'failed records', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'no recycle record has failed'
			ELSE format('recycle records that have failed: %s; see recall.recycle_record, then retry or cancel them', count(*))
		END
	FROM recall.recycle r
	WHERE r.state = 'failed' AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'unknown outcomes', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'no call is of unknown outcome'
			ELSE format('calls of unknown outcome: %s, the oldest for %s; their leases ran out without a report: see recall.permit and recall.resolve()',
				count(*), recall._age(min(d.lease_until), at))
		END
	FROM recall.dial d
	WHERE d.state <> 'ready' AND d.lease_until <= at AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'calling hours', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'every task that is at work has calling hours'
			ELSE format('tasks at work that may call at any time of day: %s; see recall.set_calling_hours()', count(*))
		END
	FROM recall.task t
	WHERE t.state = 'executing' AND t.calling_hours IS NULL AND t.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()));
END;

CREATE OR REPLACE FUNCTION recall.unsuppress(tenant_id int, number text, task_id bigint DEFAULT NULL) RETURNS boolean
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

CREATE OR REPLACE FUNCTION recall.explain(tenant_id int, contact_id bigint, at timestamptz DEFAULT now())
RETURNS TABLE (step int, check_name text, passed boolean, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	campaign record;
	asked recall.policy;
	judged record;
	time_zone text;
	opens_at timestamptz;
	instant timestamptz := coalesce(at, now());
	all_passed boolean := true;
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = explain.tenant_id AND c.contact_id = explain.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(explain.contact_id::text, 'null'), explain.tenant_id));
	END IF;
	SELECT * INTO permit FROM recall.dial d WHERE d.tenant_id = explain.tenant_id AND d.contact_id = explain.contact_id;
	IF permit.lease_until <= instant THEN
		permit.state := 'unknown';
	END IF;
	SELECT t.policy INTO asked
	FROM recall.batch b JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	WHERE b.tenant_id = explain.tenant_id AND b.batch_id = contact.batch_id;
	SELECT * INTO campaign FROM recall._campaign(explain.tenant_id, contact.batch_id, asked);
	time_zone := coalesce(contact.time_zone, campaign.time_zone);
	opens_at := recall.next_open(campaign.calling_hours, time_zone, instant, campaign.holidays);
	SELECT * INTO judged FROM recall._judge(explain.tenant_id, contact.batch_id, asked, instant, 'infinity',
		contact.contact_id - 1, contact.contact_id);

	step := 0;
	FOR check_name, passed, detail IN
		SELECT * FROM recall._explain_campaign(explain.tenant_id, contact.batch_id)
		UNION ALL
		SELECT 'permit', permit.state IS NULL OR permit.state = 'ready' AND permit.due_at <= instant, recall._explain_permit(permit, time_zone)
			|| CASE WHEN permit.state IS NULL AND judged.calls = 0
				AND EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = explain.tenant_id AND b.batch_id = contact.batch_id AND b.state = 'started')
				THEN '; recall.suspend_batch() and recall.start_batch() queue its first call' ELSE '' END
		UNION ALL
		SELECT 'claim', k.passed, k.detail FROM recall._explain_claim(permit, contact, time_zone, instant) k WHERE permit.state = 'ready'
		UNION ALL
		SELECT j.* FROM recall._explain_judgement(contact, asked, campaign.task_id, campaign.counts_per_number, instant, time_zone) j
		WHERE asked IS NOT NULL
		UNION ALL
		/* Of a contact that was not called the judge has no more to say. */
		SELECT 'suppression', false, e.detail
		FROM unnest(contact.numbers) n(number)
		CROSS JOIN LATERAL recall._explain_suppression(explain.tenant_id, campaign.task_id, n.number, instant, time_zone) e(detail)
		WHERE judged.calls = 0 AND e.detail IS NOT NULL
		UNION ALL
		SELECT 'calling hours', opens_at IS NOT DISTINCT FROM instant, concat_ws(': ', coalesce(campaign.calling_hours::text, 'at any time'),
			CASE
				WHEN opens_at = instant THEN 'open'
				WHEN opens_at IS NULL THEN 'shut, and they never open again'
				ELSE format('shut; open from %s on', recall._local_time(opens_at, time_zone)) END)
	LOOP
		step := step + 1;
		/* A number that may not be called is in the way only when none is left, which is a check of its own. */
		all_passed := all_passed AND (passed OR check_name IN ('invalid number', 'number limit', 'suppression'));
		detail := recall._show_text(explain.tenant_id, detail);
		RETURN NEXT;
	END LOOP;

	step := step + 1;
	check_name := 'verdict';
	passed := CASE
		WHEN permit.state = 'ready' THEN (recall._explain_claim(permit, contact, time_zone, instant)).passed
		ELSE coalesce(all_passed AND judged.verdict = 'recall' AND judged.due_at <= instant, false) END;
	detail := CASE
		WHEN judged.verdict = 'recall' THEN format('%s: %s; %s, %s %s', judged.verdict, judged.reason, judged.number,
			CASE WHEN judged.due_at <= instant THEN 'due since' ELSE 'not before' END, recall._local_time(judged.due_at, time_zone))
		WHEN permit.state IS NOT NULL THEN format('%s: %s', coalesce(judged.verdict, 'queued'), recall._explain_permit(permit, time_zone))
		WHEN asked IS NULL THEN 'not recalled: recall is not enabled'
		ELSE format('%s: %s', judged.verdict, judged.reason) END;
	detail := recall._show_text(explain.tenant_id, detail);
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION recall.explain(int, bigint, timestamptz) IS
'Why a contact is called at an instant, or is not, and when it will be: a row for each check in its order, with the figures behind it and times by the callee''s clock. passed: it does not stand in the way of a call at that instant. The last row is the verdict that a recycle of the batch by the task''s policy would find, or the permit that waits; it has passed when the contact may be recalled and called at the instant, or the permit claimed. The row "claim" tells what stands in a waiting permit''s way. Without the right to dial or manage numbers are masked. Right: read. Errors: 42501.';

CREATE OR REPLACE FUNCTION recall._schedule_elsewhere(cron_database text) RETURNS text
LANGUAGE sql STABLE
RETURN pg_catalog.format(
	'Connect to database "%s" and run: SELECT cron.schedule_in_database(%L, ''*/5 * * * *'', ''CALL recall.process()'', %L); a fifth argument is the role to run as, after recall.grant_scheduler() here.',
	cron_database, 'recall in ' || pg_catalog.current_database(), pg_catalog.current_database());
COMMENT ON FUNCTION recall._schedule_elsewhere(text) IS 'How to schedule the processor from the database that pg_cron works in.';

CREATE OR REPLACE FUNCTION recall.health() RETURNS TABLE (check_name text, status text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT * FROM recall._scheduler_health(clock_timestamp());
	RETURN QUERY SELECT * FROM recall._history_health();
	RETURN QUERY SELECT * FROM recall._work_health(clock_timestamp());
END $$;
COMMENT ON FUNCTION recall.health() IS
'A row for each check, with status ok, warning or critical: the cron job, its last run, whether claims are held because the database is a copy, the last tick (warning after 10 minutes, critical after 30), a clock that was set back, records kept waiting, failed records, calls of unknown outcome, tasks without calling hours. Records and tasks are those of the tenants that the caller may read.';

CREATE OR REPLACE FUNCTION recall._task(tenant_id int, task_id bigint) RETURNS recall.task
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_task recall.task;
BEGIN
	SELECT * INTO found_task FROM recall.task t WHERE t.tenant_id = _task.tenant_id AND t.task_id = _task.task_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
	END IF;
	RETURN found_task;
END $$;
COMMENT ON FUNCTION recall._task(int, bigint) IS 'The task, or 42501.';

CREATE OR REPLACE FUNCTION recall._lock_task(tenant_id int, task_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	task recall.task;
BEGIN
	SELECT * INTO task FROM recall.task t
	WHERE t.tenant_id = _lock_task.tenant_id AND t.task_id = _lock_task.task_id
	FOR SHARE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
	END IF;
	IF task.state = 'completed' THEN
		PERFORM recall._refuse(format('task %s is completed', task_id), 'A completed task is final; create another one.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._lock_task(int, bigint) IS
'Keeps a task in its state, which must not be completed, until the end of the transaction. Errors: 42501; 55000.';

CREATE OR REPLACE FUNCTION recall._move_task(tenant_id int, task_id bigint, action text, new_state recall.task_state) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old_state recall.task_state;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	SELECT t.state INTO old_state FROM recall.task t
	WHERE t.tenant_id = _move_task.tenant_id AND t.task_id = _move_task.task_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
	END IF;
	UPDATE recall.task t SET state = recall.transition('task', t.state, new_state)
	WHERE t.tenant_id = _move_task.tenant_id AND t.task_id = _move_task.task_id;
	PERFORM recall._log(tenant_id, 'task', task_id::text, action, old_state::text, new_state::text);
END $$;
COMMENT ON FUNCTION recall._move_task(int, bigint, text, recall.task_state) IS
'Moves a task to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE OR REPLACE FUNCTION recall._batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_batch recall.batch;
BEGIN
	SELECT * INTO found_batch FROM recall.batch b WHERE b.tenant_id = _batch.tenant_id AND b.batch_id = _batch.batch_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('batch %s of tenant %s', coalesce(batch_id::text, 'null'), tenant_id));
	END IF;
	RETURN found_batch;
END $$;
COMMENT ON FUNCTION recall._batch(int, bigint) IS 'The batch, or 42501.';

CREATE OR REPLACE FUNCTION recall._move_batch(tenant_id int, batch_id bigint, action text, new_state recall.batch_state) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old_state recall.batch_state;
BEGIN
	PERFORM recall._lock_batch(tenant_id, batch_id, true);
	SELECT b.state INTO old_state FROM recall.batch b
	WHERE b.tenant_id = _move_batch.tenant_id AND b.batch_id = _move_batch.batch_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('batch %s of tenant %s', coalesce(batch_id::text, 'null'), tenant_id));
	END IF;
	UPDATE recall.batch b SET state = recall.transition('batch', b.state, new_state)
	WHERE b.tenant_id = _move_batch.tenant_id AND b.batch_id = _move_batch.batch_id;
	PERFORM recall._log(tenant_id, 'batch', batch_id::text, action, old_state::text, new_state::text);
END $$;
COMMENT ON FUNCTION recall._move_batch(int, bigint, text, recall.batch_state) IS
'Moves a batch to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE OR REPLACE FUNCTION recall._move_recycle(tenant_id int, recycle_id bigint, action text, new_state recall.recycle_state)
RETURNS recall.recycle
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old recall.recycle;
	moved recall.recycle;
BEGIN
	SELECT * INTO old FROM recall.recycle r
	WHERE r.tenant_id = _move_recycle.tenant_id AND r.recycle_id = _move_recycle.recycle_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('recycle record %s of tenant %s', coalesce(recycle_id::text, 'null'), tenant_id));
	END IF;
	UPDATE recall.recycle r
	SET state = recall.transition('recycle', r.state, new_state),
		started_at = CASE WHEN new_state = 'running' THEN coalesce(r.started_at, clock_timestamp()) ELSE r.started_at END,
		finished_at = CASE WHEN new_state IN ('completed', 'cancelled') THEN clock_timestamp() END,
		advanced_at = clock_timestamp(),
		error = CASE WHEN new_state IN ('failed', 'cancelled') THEN r.error END
	WHERE r.tenant_id = _move_recycle.tenant_id AND r.recycle_id = _move_recycle.recycle_id
	RETURNING * INTO moved;
	PERFORM recall._log(tenant_id, 'recycle', recycle_id::text, action, old.state::text, new_state::text);
	RETURN moved;
END $$;
COMMENT ON FUNCTION recall._move_recycle(int, bigint, text, recall.recycle_state) IS
'Moves a recycle record to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE OR REPLACE FUNCTION recall.withdraw_recycle(tenant_id int, recycle_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM FROM recall.recycle r
	WHERE r.tenant_id = withdraw_recycle.tenant_id AND r.recycle_id = withdraw_recycle.recycle_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('recycle record %s of tenant %s', coalesce(recycle_id::text, 'null'), tenant_id));
	END IF;
	RETURN recall._withdraw(tenant_id, recycle_id);
END $$;
COMMENT ON FUNCTION recall.withdraw_recycle(int, bigint) IS
'Takes back the re-dial rows of a recycle record, whatever its state, that no dialer has claimed, and returns how many; their contacts can be recycled again. Right: recycle. Errors: 42501.';

CREATE OR REPLACE FUNCTION recall.set_holidays(tenant_id int, holidays date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old date[];
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	IF cardinality(holidays) > 10000 OR array_ndims(holidays) > 1 OR array_position(holidays, NULL) IS NOT NULL
		OR '{infinity,-infinity}' && holidays THEN
		PERFORM recall._invalid('invalid list of holidays', 'Give up to 10000 dates, none of them null or infinite.');
	END IF;
	SELECT t.holidays INTO old FROM recall.tenant t WHERE t.tenant_id = set_holidays.tenant_id FOR NO KEY UPDATE;
	UPDATE recall.tenant t
	SET holidays = ARRAY(SELECT DISTINCT day FROM unnest(set_holidays.holidays) day ORDER BY day)
	WHERE t.tenant_id = set_holidays.tenant_id;
	PERFORM recall._log(tenant_id, 'tenant', tenant_id::text, 'set_holidays',
		detail => jsonb_build_object(
			'added', ARRAY(SELECT unnest(holidays) EXCEPT SELECT unnest(old) ORDER BY 1),
			'removed', ARRAY(SELECT unnest(old) EXCEPT SELECT unnest(holidays) ORDER BY 1)));
END $$;
COMMENT ON FUNCTION recall.set_holidays(int, date[]) IS
'Replaces the tenant''s public holidays, the days that PH means in calling hours; null: none. Right: manage. Errors: 42501; 22023 more than 10 000 dates, or a null or an infinite one among them.';

CREATE OR REPLACE FUNCTION recall._purge_fault(batch recall.batch, force boolean, at timestamptz, OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
	task_state recall.task_state := (SELECT t.state FROM recall.task t WHERE t.tenant_id = batch.tenant_id AND t.task_id = batch.task_id);
	counted_for interval;
	latest timestamptz;
BEGIN
	IF batch.state IN ('started', 'suspended') THEN
		message := format('batch %s is in state "%s"', batch.batch_id, batch.state);
		hint := 'Finish it with recall.finish_batch().';
	ELSIF EXISTS (SELECT FROM recall._permits_of(batch.tenant_id, batch.batch_id)) THEN
		message := format('contacts of batch %s are out with a dialer, or their outcome is unknown', batch.batch_id);
		hint := 'See recall.permit; what is out is reported, and what is unknown settled with recall.resolve().';
	ELSIF force IS NOT TRUE THEN
		counted_for := recall._counted_for(batch.tenant_id);
		IF counted_for IS NOT NULL THEN
			SELECT max(k.ended_at) INTO latest FROM recall.call k WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id;
		END IF;
		IF latest + counted_for > at THEN
			message := format('calls of batch %s are counted by a limit or quiet per number, %s', batch.batch_id,
				CASE WHEN counted_for > interval '999 years' THEN 'for good' ELSE 'until ' || latest + counted_for END);
			hint := CASE WHEN counted_for > interval '999 years' THEN 'Complete' ELSE 'Purge it then, or complete' END
				|| ' the tasks whose policies count them, or give force => true: they are counted no more.';
		END IF;
	END IF;
END $$;
COMMENT ON FUNCTION recall._purge_fault(recall.batch, boolean, timestamptz) IS
'Why a batch cannot be purged, and what to do about it; a null message: it can.';

CREATE OR REPLACE FUNCTION recall._put_off_record(recycle recall.recycle, run bigint, why text) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	UPDATE recall.recycle r SET put_off_in = least(run, (SELECT max(t.tick_id) FROM recall.tick t)),
		error = 'put off until the next run: ' || pg_catalog."left"(why, 1000)
	WHERE r.tenant_id = (recycle).tenant_id AND r.recycle_id = (recycle).recycle_id;
END;
COMMENT ON FUNCTION recall._put_off_record(recall.recycle, bigint, text) IS
'Leaves a locked record to the run of the processor behind the given one, or behind the last when there is no such run yet, and notes why.';

CREATE OR REPLACE FUNCTION recall._check_rights(role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', coalesce(role::text, 'null')),
			'Rights are given to a role of this cluster; PUBLIC can have none.');
	END IF;
	IF cardinality(rights) > 100 THEN
		PERFORM recall._invalid('too many rights are named', 'Name each once, of: read, manage, recycle, dial.');
	END IF;
	IF coalesce(cardinality(rights), 0) = 0 OR array_ndims(rights) > 1 OR array_position(rights, NULL) IS NOT NULL THEN
		PERFORM recall._invalid('no rights are named', 'Name some of: read, manage, recycle, dial.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_rights(regrole, recall.privilege[]) IS
'Raises 22023 unless the role exists and 1 to 100 rights are named.';

CREATE OR REPLACE FUNCTION recall._check_powerless(role regrole) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', coalesce(role::text, 'null')), 'A pool is a role of this cluster, not PUBLIC.');
	END IF;
	IF EXISTS (SELECT FROM recall.member m JOIN pg_roles r ON r.oid = m.role
			WHERE pg_has_role(_check_powerless.role, m.role, 'USAGE'))
		OR EXISTS (SELECT FROM pg_extension e
			WHERE e.extname = 'recall' AND pg_has_role(_check_powerless.role, e.extowner, 'USAGE')) THEN
		PERFORM recall._refuse(format('role %s has rights of its own', role),
			'A pool must see nothing until it has entered a tenant: take a role that is no member, inherits none, and is no superuser.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_powerless(regrole) IS
'Raises 22023 unless the role exists, 55000 when it has a right in any tenant.';

/*
 * Nobody makes a column, a function or a domain of internal types: an upgrade could not change them then. The row types of tables
 * stay as they are: pg_dump would warn of each.
 */
DO $$
DECLARE
	type regtype;
BEGIN
	FOR type IN
		SELECT t.oid FROM pg_catalog.pg_type t
		WHERE t.typnamespace = 'recall'::pg_catalog.regnamespace AND t.typtype = 'c' AND t.typname ~ '^_'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON TYPE %s FROM PUBLIC', type);
	END LOOP;
END $$;

/* What is new is nobody's, whatever the installing role's ALTER DEFAULT PRIVILEGES have given away. */
DO $$
DECLARE
	object record;
BEGIN
	FOR object IN
		SELECT DISTINCT o.kind, o.identity, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END AS grantee
		FROM (
			SELECT p.oid, 'ROUTINE', p.oid::pg_catalog.regprocedure::text, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
			FROM pg_catalog.pg_proc p
			WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
			UNION ALL
			SELECT c.oid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::pg_catalog.regclass::text, c.relacl
			FROM pg_catalog.pg_class c
			WHERE c.relnamespace = 'recall'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v', 'S')
		) AS o (oid, kind, identity, acl), pg_catalog.aclexplode(o.acl) a
		WHERE o.oid <> ALL (pg_catalog.current_setting('recall_upgrade.old')::oid[]) AND a.grantee <> a.grantor
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s', object.kind, object.identity, object.grantee);
	END LOOP;
END $$;

/* Pure functions that are new are everybody's: grant EXECUTE on them to PUBLIC here. The server asks for this right where a constant is cast. */
GRANT EXECUTE ON FUNCTION recall._plan_view(), recall._policy_in(cstring), recall._policy_out(recall.policy),
	recall._calling_hours_in(cstring), recall._calling_hours_out(recall.calling_hours) TO PUBLIC;
