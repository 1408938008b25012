-- What changes with a policy: the rows as psql shows them, and the NOTICE of set_policy().
\pset null -

SELECT * FROM recall.policy_diff(
	'busy max 3; no_answer after 4 h; class network after 15 min; limit 6; quiet 7 days after answered',
	'class network after 15 min; busy max 5; result callback; no_answer after 4 h; limit 6; limit 3 per 24 h');
SELECT * FROM recall.policy_diff(NULL, 'busy, no_answer; result callback');
SELECT * FROM recall.policy_diff('busy; limit 3 per 1 day', 'BUSY; limit 3 per 24 h');
\df recall.policy_diff

SELECT recall.create_tenant('Differences') AS tenant \gset
SELECT recall.create_business_result(:tenant, 'callback', 'Call me back');
SELECT recall.create_task(:tenant, 'Winter', 'predicted') AS task \gset
-- Enabled: all of it is new.
SELECT recall.set_policy(:tenant, :task, 'busy; no_answer');
-- The same in other words is no change, and nothing is said.
SELECT recall.set_policy(:tenant, :task, 'BUSY; no_answer -- as before');
SELECT recall.set_policy(:tenant, :task, 'busy never; no_answer; result callback');
SELECT recall.set_policy(:tenant, :task, 'result callback; machine; busy');
-- What fails changes nothing.
\set VERBOSITY sqlstate
SELECT recall.set_policy(:tenant, :task, 'failed; result calback');
SELECT recall.set_policy(:tenant, :task + 1, 'failed');
\set VERBOSITY default
SELECT policy FROM recall.task_overview WHERE tenant_id = :tenant;
SELECT recall.set_policy(:tenant, :task, NULL);
SELECT recall.set_policy(:tenant, :task, NULL);
-- The audit keeps it.
SELECT detail ->> 'from' AS "from", detail ->> 'to' AS "to", (SELECT string_agg(concat_ws(' ', d ->> 'change', d ->> 'before', '->', d ->> 'after'), E'\n') FROM jsonb_array_elements(detail -> 'diff') d) AS diff
FROM recall.audit WHERE tenant_id = :tenant AND action = 'set_policy' ORDER BY at;
