/*
 * What people look at. Each view shows the tenants in which the caller has the right "read"; whoever may neither dial
 * nor manage there sees numbers masked.
 *
 * Each has an order, that of an index. The planner does not look into a security barrier for an order that somebody asks
 * for outside; it sees the one that is written inside, and a page is read from the index and no further. The tenants
 * are an array, compared with the column itself: a condition of the index, so that asking for somebody else's tenant
 * reads as little as asking for none. Names are looked up for each row that is shown; a join might begin with them, and
 * where there is one, each table of it has the condition. The library sees to it that an index is used (_plan_view()).
 */

CREATE VIEW recall.task_overview WITH (security_barrier) AS
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
COMMENT ON VIEW recall.task_overview IS
'A row for each task. The counts are exact and read the task''s rows, but only where they are selected. Right: read.';
COMMENT ON COLUMN recall.task_overview.tenant_id IS 'The tenant whose task it is.';
COMMENT ON COLUMN recall.task_overview.task_id IS 'The task.';
COMMENT ON COLUMN recall.task_overview.task IS 'Its name.';
COMMENT ON COLUMN recall.task_overview.task_type IS 'How it dials.';
COMMENT ON COLUMN recall.task_overview.state IS 'draft, executing, suspended or completed.';
COMMENT ON COLUMN recall.task_overview.priority IS 'Its rank, higher first, for whoever chooses the task to claim from.';
COMMENT ON COLUMN recall.task_overview.policy IS 'Who is recalled; null: recall is not enabled.';
COMMENT ON COLUMN recall.task_overview.calling_hours IS 'When one may call; null: at any time.';
COMMENT ON COLUMN recall.task_overview.batches IS 'Its batches.';
COMMENT ON COLUMN recall.task_overview.contacts IS 'The contacts in them.';
COMMENT ON COLUMN recall.task_overview.auto_recall IS 'Whether reported calls are judged at once.';
COMMENT ON COLUMN recall.task_overview.calls IS 'The calls made to these.';
COMMENT ON COLUMN recall.task_overview.unfinished_recycles IS 'Recycle records that wait, run, are paused or failed.';

CREATE VIEW recall.batch_overview WITH (security_barrier) AS
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
COMMENT ON VIEW recall.batch_overview IS
'A row for each batch. The counts are exact and read the batch''s rows, but only where they are selected. Right: read.';
COMMENT ON COLUMN recall.batch_overview.tenant_id IS 'The tenant whose batch it is.';
COMMENT ON COLUMN recall.batch_overview.task_id IS 'The task that dials it.';
COMMENT ON COLUMN recall.batch_overview.task IS 'The task''s name.';
COMMENT ON COLUMN recall.batch_overview.batch_id IS 'The batch.';
COMMENT ON COLUMN recall.batch_overview.batch IS 'Its name.';
COMMENT ON COLUMN recall.batch_overview.state IS 'created, started, suspended or finished.';
COMMENT ON COLUMN recall.batch_overview.contacts IS 'Its contacts.';
COMMENT ON COLUMN recall.batch_overview.called IS 'Those that were called at least once.';
COMMENT ON COLUMN recall.batch_overview.calls IS 'The calls made to them.';
COMMENT ON COLUMN recall.batch_overview.queued IS 'Those that have a permit: ready, claimed, or of unknown outcome.';
COMMENT ON COLUMN recall.batch_overview.recycles IS 'Its recycle records.';
COMMENT ON COLUMN recall.batch_overview.last_recycle IS 'The state of the latest of these.';

CREATE VIEW recall.completed_call WITH (security_barrier) AS
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
COMMENT ON VIEW recall.completed_call IS 'The completed call data with readable outcomes, a row for each attempt. Right: read.';
COMMENT ON COLUMN recall.completed_call.tenant_id IS 'The tenant whose call it was.';
COMMENT ON COLUMN recall.completed_call.task_id IS 'The task that made it.';
COMMENT ON COLUMN recall.completed_call.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.completed_call.contact_id IS 'The contact that was called.';
COMMENT ON COLUMN recall.completed_call.attempt IS 'Which call to the contact it was, from 1.';
COMMENT ON COLUMN recall.completed_call.number IS 'The number that was dialled.';
COMMENT ON COLUMN recall.completed_call.outcome IS 'How it ended: the failure cause or "answered", and the business result.';
COMMENT ON COLUMN recall.completed_call.failure_cause IS 'Why it failed; null: it was answered.';
COMMENT ON COLUMN recall.completed_call.business_result IS 'The code of what the conversation ended in.';
COMMENT ON COLUMN recall.completed_call.result_name IS 'The name of that result.';
COMMENT ON COLUMN recall.completed_call.started_at IS 'When dialling began.';
COMMENT ON COLUMN recall.completed_call.ended_at IS 'When the call was over.';
COMMENT ON COLUMN recall.completed_call.duration IS 'The time between, ringing included.';
COMMENT ON COLUMN recall.completed_call.raw_code IS 'The outcome as the outside system wrote it.';
COMMENT ON COLUMN recall.completed_call.agent IS 'Who spoke.';
COMMENT ON COLUMN recall.completed_call.assumed IS 'Whether no dialer reported the outcome, but a person or a rule settled it.';
COMMENT ON COLUMN recall.completed_call.recycle_id IS 'The recycle record that it came from.';

CREATE VIEW recall.recycle_record WITH (security_barrier) AS
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
COMMENT ON VIEW recall.recycle_record IS
'The record page: who asked for which batch to be recalled, how far that went, and what became of it. matched = emitted + over_cap; emitted = withdrawn + dialled + pending. Right: read.';
COMMENT ON COLUMN recall.recycle_record.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle_record.recycle_id IS 'The record.';
COMMENT ON COLUMN recall.recycle_record.task IS 'The task''s name.';
COMMENT ON COLUMN recall.recycle_record.batch IS 'The batch''s name.';
COMMENT ON COLUMN recall.recycle_record.state IS 'waiting, running, paused, completed, cancelled or failed.';
COMMENT ON COLUMN recall.recycle_record.policy IS 'The policy as it was when the recycle was asked for.';
COMMENT ON COLUMN recall.recycle_record.requested_by IS 'The role that asked.';
COMMENT ON COLUMN recall.recycle_record.requested_at IS 'When it asked.';
COMMENT ON COLUMN recall.recycle_record.cap IS 'Most contacts that the record re-dials.';
COMMENT ON COLUMN recall.recycle_record.matched IS 'Contacts that the policy recalls.';
COMMENT ON COLUMN recall.recycle_record.emitted IS 'Re-dial rows made.';
COMMENT ON COLUMN recall.recycle_record.excluded IS 'Contacts that are not recalled: not called yet, queued already, or not meant by the policy; recall.preview() gives the reasons.';
COMMENT ON COLUMN recall.recycle_record.over_cap IS 'Contacts that matched beyond the cap; the next recycle starts there.';
COMMENT ON COLUMN recall.recycle_record.withdrawn IS 'Re-dial rows taken back, or taken out because they could not be dialled any more.';
COMMENT ON COLUMN recall.recycle_record.dialled IS 'Re-dial rows that became completed calls.';
COMMENT ON COLUMN recall.recycle_record.reached IS 'Those of them that were answered.';
COMMENT ON COLUMN recall.recycle_record.pending IS 'Re-dial rows that wait or are out with a dialer.';
COMMENT ON COLUMN recall.recycle_record.started_at IS 'When the processor took the record up.';
COMMENT ON COLUMN recall.recycle_record.finished_at IS 'When it was completed or cancelled.';
COMMENT ON COLUMN recall.recycle_record.error IS 'Why it failed.';
COMMENT ON COLUMN recall.recycle_record.task_id IS 'The task.';
COMMENT ON COLUMN recall.recycle_record.batch_id IS 'The batch.';
COMMENT ON COLUMN recall.recycle_record.subject IS 'On whose behalf the role asked, when it had entered with a token.';

CREATE VIEW recall.redial WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state, d.recycle_id
FROM recall.dial d
CROSS JOIN recall._plan_view()
WHERE d.attempt > 1 AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;
COMMENT ON VIEW recall.redial IS 'The re-dial rows: permits for a second or later call. Right: read.';
COMMENT ON COLUMN recall.redial.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.redial.task_id IS 'The task whose dialers may claim it.';
COMMENT ON COLUMN recall.redial.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.redial.contact_id IS 'The contact that may be called again.';
COMMENT ON COLUMN recall.redial.number IS 'The number to dial.';
COMMENT ON COLUMN recall.redial.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.redial.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.redial.state IS 'ready, claimed, or unknown once the lease has run out.';
COMMENT ON COLUMN recall.redial.recycle_id IS 'The record that made it.';

CREATE VIEW recall.permit WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.priority, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state,
	recall._show_text(d.tenant_id, d.agent) AS agent, d.recycle_id, recall._show_text(d.tenant_id, d.dialer) AS dialer, d.claimed_at, d.lease_until
FROM recall.dial d
CROSS JOIN recall._plan_view()
WHERE d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;
COMMENT ON VIEW recall.permit IS
'The queue: permits to dial that wait, are out with a dialer, or are of unknown outcome. Right: read.';
COMMENT ON COLUMN recall.permit.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.permit.task_id IS 'The task whose dialers may claim it.';
COMMENT ON COLUMN recall.permit.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.permit.contact_id IS 'The contact that may be called.';
COMMENT ON COLUMN recall.permit.number IS 'The number to dial.';
COMMENT ON COLUMN recall.permit.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.permit.priority IS 'Its rank in the queue of the task, higher first: the contact''s, or that of a promised call.';
COMMENT ON COLUMN recall.permit.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.permit.state IS 'ready, claimed, or unknown once the lease has run out.';
COMMENT ON COLUMN recall.permit.agent IS 'Who promised to call back.';
COMMENT ON COLUMN recall.permit.recycle_id IS 'The record that made it.';
COMMENT ON COLUMN recall.permit.dialer IS 'The dialer that took it.';
COMMENT ON COLUMN recall.permit.claimed_at IS 'When that was.';
COMMENT ON COLUMN recall.permit.lease_until IS 'Until when that dialer has it.';

CREATE VIEW recall.audit WITH (security_barrier) AS
SELECT e.tenant_id, e.at, e.role, e.session_role, e.kind,
	CASE e.kind WHEN 'suppression' THEN recall._show_number(e.tenant_id, e.record_id) ELSE e.record_id END AS record_id,
	e.action, e.from_state, e.to_state, recall._show_text(e.tenant_id, e.detail) AS detail, e.subject
FROM recall.event e
CROSS JOIN recall._plan_view()
WHERE e.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY e.tenant_id DESC, e.at DESC;
COMMENT ON VIEW recall.audit IS
'The audit: who did what to which record. Right: read. What belongs to no tenant, pools, keys and schedulers, is shown to the extension''s owner.';
COMMENT ON COLUMN recall.audit.tenant_id IS 'The tenant in which it happened; 0: in none.';
COMMENT ON COLUMN recall.audit.at IS 'When it happened.';
COMMENT ON COLUMN recall.audit.role IS 'The role that did it.';
COMMENT ON COLUMN recall.audit.session_role IS 'The role that had logged in.';
COMMENT ON COLUMN recall.audit.kind IS 'What it was done to.';
COMMENT ON COLUMN recall.audit.record_id IS 'Which one.';
COMMENT ON COLUMN recall.audit.action IS 'What was done.';
COMMENT ON COLUMN recall.audit.from_state IS 'The state before, when it changed.';
COMMENT ON COLUMN recall.audit.to_state IS 'The state after, when it changed.';
COMMENT ON COLUMN recall.audit.detail IS 'The particulars.';
COMMENT ON COLUMN recall.audit.subject IS 'On whose behalf the role did it, when it had entered with a token.';


/*
 * Two halves, so that who sees a number whole finds it by the index; the second is not even begun for whoever sees them
 * all so. Masked numbers have no order that one could go on in, so the list is in that of time, for everybody.
 */
CREATE VIEW recall.suppressed_number WITH (security_barrier) AS
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
COMMENT ON VIEW recall.suppressed_number IS 'The do-not-call list, latest first, also what is over by now. Right: read.';
COMMENT ON COLUMN recall.suppressed_number.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.suppressed_number.number IS 'The number that is not called.';
COMMENT ON COLUMN recall.suppressed_number.task_id IS 'The task that does not call it; null: the whole tenant.';
COMMENT ON COLUMN recall.suppressed_number.task IS 'The task''s name.';
COMMENT ON COLUMN recall.suppressed_number.until IS 'Until when.';
COMMENT ON COLUMN recall.suppressed_number.reason IS 'Why.';
COMMENT ON COLUMN recall.suppressed_number.role IS 'The role that asked for it.';
COMMENT ON COLUMN recall.suppressed_number.created_at IS 'When it asked, last.';
