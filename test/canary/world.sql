/*
 * Two tenants with the same ids: Acme, in which the hostile session has rights, and Bell, whose every text, number and token
 * can be recognized. $-words are put in by canary.py.
 */

CREATE EXTENSION recall;

CREATE SCHEMA smith;
GRANT ALL ON SCHEMA smith TO PUBLIC;

SELECT recall.create_tenant('Acme', 'Europe/Berlin'), recall.create_tenant('kanari tenant', 'America/New_York');
SELECT recall.grant_privilege(1, 'acme_all', '{read,manage,recycle,dial}'), recall.grant_privilege(1, 'acme_read', '{read}'),
	recall.grant_privilege(1, 'acme_manage', '{manage}'), recall.grant_privilege(1, 'acme_recycle', '{recycle}'),
	recall.grant_privilege(1, 'acme_dial', '{dial}'), recall.grant_privilege(2, 'bell_all', '{read,manage,recycle,dial}');
SELECT recall.grant_scheduler('scheduler');

/* The same for both; what is Bell's has the mark in it. */
CREATE FUNCTION smith.mark(tenant int, what text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE tenant WHEN 2 THEN 'kanari_' ELSE 'own_' END || what;
CREATE FUNCTION smith.number(tenant int, n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE tenant WHEN 2 THEN '+99887' ELSE '+49301' END || 1000000 + n;

SELECT recall.create_business_result(t, smith.mark(t, 'callback'), smith.mark(t, 'Call back')), recall.create_business_result(t, smith.mark(t, 'sold'), smith.mark(t, 'Sold')),
	recall.set_holidays(t, CASE t WHEN 2 THEN '{2027-01-01}' ELSE '{2026-12-25}' END::date[])
FROM generate_series(1, 2) t;
SELECT recall.create_task(t, smith.mark(t, 'task ' || i), (ARRAY['predicted', 'robot', 'preview', 'manual'])[i]::recall.task_type,
	format('busy after 10 min, 2 h max 3 next number; result %s after 1 h; unknown after 1 h; limit 6; limit 5 per 24 h per number', smith.mark(t, 'callback'))::recall.policy,
	CASE WHEN i = 1 THEN '24/7'::recall.calling_hours END, i = 2)
FROM generate_series(1, 2) t, generate_series(1, 4) i;
SELECT recall.start_task(t, i) FROM generate_series(1, 2) t, generate_series(1, 3) i;
SELECT recall.create_batch(t, 1 + i % 3, smith.mark(t, 'batch ' || i)) FROM generate_series(1, 2) t, generate_series(1, 6) i;
SELECT recall.start_batch(t, i) FROM generate_series(1, 2) t, generate_series(1, 4) i;
SELECT recall.add_contact(t, 1 + i % 5, ARRAY[smith.number(t, i), smith.number(t, 1000 + i)], NULL, i % 3, smith.mark(t, 'reference ' || i),
	jsonb_build_object('name', smith.mark(t, 'name ' || i)))
FROM generate_series(1, 2) t, generate_series(1, 200) i;
SELECT recall.record_call(t, i, (ARRAY['busy', 'no_answer', NULL])[1 + i % 3]::recall.failure_cause,
	CASE WHEN i % 3 = 2 THEN smith.mark(t, 'callback') END, NULL, now() - interval '3 h', now() - interval '3 h', smith.mark(t, 'raw ' || i), smith.mark(t, 'agent ' || i))
FROM generate_series(1, 2) t, generate_series(1, 100) i;
SELECT recall.recycle(t, b) FROM generate_series(1, 2) t, generate_series(1, 3) b;
CALL recall.process();
SELECT recall.recycle(t, 4) FROM generate_series(1, 2) t;
SELECT FROM generate_series(1, 2) t, generate_series(1, 3) i, recall.claim(t, i, 10, '1 h', smith.mark(t, 'dialer'));
SELECT FROM generate_series(1, 2) t, recall.claim(t, 1, 5, '1 s', smith.mark(t, 'dialer'));
SELECT recall.suppress(t, smith.number(t, 150 + i), 'infinity', smith.mark(t, 'reason')) FROM generate_series(1, 2) t, generate_series(1, 5) i;
SELECT recall.schedule_callback(t, d.contact_id, now() + interval '1 h', agent => smith.mark(t, 'agent'))
FROM generate_series(1, 2) t, LATERAL (SELECT contact_id FROM recall.dial WHERE tenant_id = t AND state = 'ready' ORDER BY contact_id LIMIT 5) d;

/* Sources of bulk functions: good, bad, and somebody else's. */
CREATE TABLE smith.people AS SELECT ARRAY[smith.number(1, 5000 + i)] AS numbers FROM generate_series(1, 3) i;
CREATE TABLE smith.bad_people AS SELECT ARRAY['12', NULL] AS numbers, 'Nowhere/At_all' AS time_zone;
CREATE TABLE smith.calls AS SELECT i::bigint AS contact_id, 'busy'::recall.failure_cause AS failure_cause FROM generate_series(1, 250) i;
CREATE TABLE smith.bad_calls AS SELECT 'x' AS contact_id, 'y' AS failure_cause;
CREATE VIEW smith.views AS SELECT contact_id, failure_cause, number FROM recall.completed_call;
GRANT SELECT ON ALL TABLES IN SCHEMA smith TO PUBLIC;
CREATE TABLE smith.hidden AS SELECT ARRAY['+998870000001'] AS numbers, 'kanari_hidden' AS reference;
CREATE INDEX hidden_index ON smith.hidden (reference);

/* sqlsmith reads the names of functions in this one: nearly all of them are recall's. */
CREATE VIEW smith.pg_proc AS SELECT * FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'recall'::regnamespace OR p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN ('int4pl', 'int8pl', 'textcat', 'length', 'now', 'upper',
	'array_cat', 'array_append', 'jsonb_build_object', 'count', 'max', 'min', 'array_agg', 'string_agg', 'to_jsonb', 'clock_timestamp', 'left', 'format', 'abs', 'int8', 'int4');
GRANT SELECT ON smith.pg_proc TO PUBLIC;
