-- The story: a campaign is set up, called, recycled and re-dialled. The times vary and are not shown.
\set VERBOSITY default
\pset null -

-- A tenant, a task with a recall policy, a batch of contacts.
SELECT recall.create_tenant('Story', 'Europe/Berlin', recycle_limit => 40) AS tenant \gset
SELECT recall.create_business_result(:tenant, 'callback', 'Call me back');
SELECT recall.create_task(:tenant, 'Winter', 'predicted', 'busy, no_answer; result callback', 'Mo-Su 00:00-24:00') AS task \gset
SELECT recall.create_batch(:tenant, :task, 'Monday') AS batch \gset
CREATE TEMPORARY TABLE people AS SELECT ARRAY['+4930' || 1000000 + n] AS numbers, 'customer ' || n AS reference, now() AS imported_at FROM generate_series(1, 100) n;
SELECT recall.add_contacts(:tenant, :batch, 'people');

-- Nobody recycles what has not begun.
SELECT recall.recycle(:tenant, :batch);
SELECT recall.start_task(:tenant, :task);
SELECT recall.recycle(:tenant, :batch);
SELECT recall.start_batch(:tenant, :batch);
SELECT task, state, policy, calling_hours, batches, contacts, calls FROM recall.task_overview WHERE tenant_id = :tenant;

-- The calls are made; each ends with a failure cause or a business result.
CREATE TEMPORARY TABLE calls AS
SELECT n AS contact_id, (ARRAY['busy', 'no_answer', NULL, 'unallocated', NULL])[1 + n % 5] AS failure_cause, CASE n % 5 WHEN 4 THEN 'callback' END AS business_result
FROM generate_series(1, 90) n;
SELECT recall.record_calls(:tenant, 'calls');
SELECT recall.record_call(:tenant, 91, NULL, NULL, '+49301999999');
SELECT outcome, result_name, count(*) FROM recall.completed_call WHERE tenant_id = :tenant GROUP BY 1, 2 ORDER BY outcome COLLATE "C";

-- Recycle: the confirmation, the press, the record; only one at a time.
SELECT outcome, verdict, reason, contacts FROM recall.preview(:tenant, :batch);
SELECT recall.recycle(:tenant, :batch) AS record \gset
SELECT recall.recycle(:tenant, :batch);
SELECT task, batch, state, policy, cap, matched, emitted FROM recall.recycle_record WHERE tenant_id = :tenant;

-- The background task, which commits as it goes and so cannot run inside a transaction.
BEGIN;
\set VERBOSITY sqlstate
CALL recall.process();
\set VERBOSITY default
ROLLBACK;
SELECT count(*) FROM recall.redial WHERE tenant_id = :tenant;
CALL recall.process();
CALL recall.process();
SELECT state, matched, emitted, excluded, over_cap, withdrawn, dialled, reached, pending, error FROM recall.recycle_record WHERE tenant_id = :tenant;
SELECT state, attempt, count(*), min(contact_id), max(contact_id), bool_and(recycle_id = :record) AS of_the_record FROM recall.redial WHERE tenant_id = :tenant GROUP BY 1, 2;
SELECT t.finished_at IS NOT NULL AS finished, t.emitted, t.failed FROM recall.tick t ORDER BY tick_id DESC LIMIT 2;

-- The next press goes on behind the cap.
SELECT outcome, verdict, contacts FROM recall.preview(:tenant, :batch) WHERE verdict IN ('recall', 'over_cap', 'queued');
SELECT recall.recycle(:tenant, :batch) AS second \gset
CALL recall.process();
SELECT recycle_id - :record AS press, state, matched, emitted, over_cap FROM recall.recycle_record WHERE tenant_id = :tenant ORDER BY recycle_id;

-- Some of them are called again, some are reached; what is left is taken back.
CREATE TEMPORARY TABLE again AS SELECT contact_id, CASE WHEN contact_id % 2 = 0 THEN 'busy' END AS failure_cause FROM recall.redial WHERE tenant_id = :tenant ORDER BY contact_id LIMIT 10;
SELECT recall.record_calls(:tenant, 'again');
SELECT recall.withdraw_recycle(:tenant, :record);
SELECT emitted, withdrawn, dialled, reached, pending FROM recall.recycle_record WHERE tenant_id = :tenant AND recycle_id = :record;
SELECT recall.cancel_recycle(:tenant, :record);

-- A gate that shuts meanwhile makes the record fail, and says so; mended and retried it goes on.
SELECT recall.recycle(:tenant, :batch) AS third \gset
SELECT recall.set_tenant(:tenant, obs_url_mode => 'sip');
CALL recall.process();
SELECT state, regexp_replace(error, 'tenant \d+', 'tenant N') AS error FROM recall.recycle_record WHERE tenant_id = :tenant AND recycle_id = :third;
SELECT recall.set_tenant(:tenant, obs_url_mode => 'http');
SELECT recall.retry_recycle(:tenant, :third);
CALL recall.process();
SELECT state, error, matched = emitted AS all_emitted FROM recall.recycle_record WHERE tenant_id = :tenant AND recycle_id = :third;

-- The end of the batch is final.
SELECT recall.finish_batch(:tenant, :batch);
SELECT recall.recycle(:tenant, :batch);
SELECT batch, state, contacts, called, calls, queued, recycles, last_recycle FROM recall.batch_overview WHERE tenant_id = :tenant;
SELECT kind, action, from_state, to_state, count(*) FROM recall.audit WHERE tenant_id = :tenant AND kind IN ('batch', 'recycle') GROUP BY 1, 2, 3, 4 ORDER BY kind, action COLLATE "C", from_state;
SELECT recall.complete_task(:tenant, :task);
