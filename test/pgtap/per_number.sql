-- What a policy counts "per number": the calls of all of the tenant's contacts that own the number, and what finding them costs.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

/* Two batches of two tasks of one tenant, and another tenant, that share numbers */

SELECT tenant AS acme, task, batch FROM t.campaign(3) \gset
SELECT recall.create_task(:acme, 'Summer', 'fixed', 'failed') AS other_task \gset
SELECT recall.create_batch(:acme, :other_task, 'Other') AS other_batch \gset
SELECT recall.start_task(:acme, :other_task), recall.start_batch(:acme, :other_batch);
SELECT recall.add_contact(:acme, :other_batch, ARRAY[t.number(77), t.number(1)]) AS namesake \gset
SELECT tenant AS bell FROM t.campaign(3) \gset
CREATE TEMPORARY TABLE made (contact_id bigint, failure_cause recall.failure_cause, number text, started_at timestamptz, ended_at timestamptz);
INSERT INTO made SELECT c, 'busy', NULL, '2026-01-05 10:00+00', '2026-01-05 10:01+00' FROM generate_series(1, 3) c;
SELECT recall.record_calls(:acme, 'made');
SELECT recall.record_calls(:bell, 'made');
TRUNCATE made;
INSERT INTO made VALUES (:namesake, NULL, t.number(1), '2026-01-05 12:00+00', '2026-01-05 12:05+00'), (:namesake, NULL, t.number(77), '2026-01-05 13:00+00', '2026-01-05 13:05+00');
SELECT recall.record_calls(:acme, 'made');

CREATE FUNCTION t.due(tenant int, batch bigint, policy recall.policy) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(format('%s %s', contact_id, coalesce(to_char(due_at, 'DD HH24:MI'), verdict::text)), ', ' ORDER BY contact_id) FROM recall._judge(tenant, batch, policy, '2026-01-06') $$;
SELECT is(t.due(:acme, :batch, 'busy; limit 1 per 24 h per number'), '1 06 12:00, 2 06 10:00, 3 06 10:00', 'a call of another contact, batch and task to the number counts');
SELECT is(t.due(:acme, :batch, 'busy; limit 1 per 24 h'), '1 06 10:00, 2 06 10:00, 3 06 10:00', 'not without "per number"');
SELECT is(t.due(:acme, :batch, 'busy; limit 2 per number'), '1 exhausted, 2 05 10:01, 3 05 10:01', 'a number can be used up by others');
SELECT is(t.due(:acme, :batch, 'busy; quiet 2 days after answered per number'), '1 07 12:05, 2 05 10:01, 3 05 10:01', 'and be quiet after their calls');
SELECT is(t.due(:bell, 1, 'busy; limit 1 per 24 h per number; quiet 2 days after answered per number'), '1 06 10:00, 2 06 10:00, 3 06 10:00', 'another tenant''s calls to the same number do not count');
SELECT matches((SELECT detail FROM recall.explain(:acme, 1, '2026-01-06') WHERE check_name = 'verdict'), '^recall: ', 'explain() without "per number" does not either');

/* The cost: the contacts of a number are found by their index, not by walking the tenant's, whatever the statistics say */

SELECT recall.create_tenant('Small') FROM generate_series(1, 100);
INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers) SELECT t.tenant_id, 1, 1, ARRAY[t.number(t.tenant_id)] FROM recall.tenant t WHERE t.name = 'Small';
INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers) SELECT :acme, 1000 + n, :other_batch, ARRAY[t.number(1000 + n)] FROM generate_series(1, 20000) n;
CREATE FUNCTION t.blocks_of(statement text, of_table regclass DEFAULT 'recall.contact') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	relations oid[] := of_table::oid || ARRAY(SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = of_table);
	before bigint;
BEGIN
	before := (SELECT sum(pg_stat_get_xact_blocks_fetched(r)) FROM unnest(relations) r);
	EXECUTE statement;
	RETURN (SELECT sum(pg_stat_get_xact_blocks_fetched(r)) FROM unnest(relations) r) - before;
END $$;
SELECT t.blocks_of(format('SELECT recall._calls_to_number(%s, t.number(1))', :acme)) AS blocks \gset
SELECT cmp_ok(:blocks::bigint, '>', 0::bigint, 'blocks are counted');
SELECT cmp_ok(:blocks::bigint, '<', 40::bigint, 'a number is looked up in a few of them, without statistics');
ANALYZE recall.contact;
SELECT cmp_ok(t.blocks_of(format('SELECT recall._calls_to_number(%s, t.number(1))', :acme)), '<', 40::bigint, 'and with them');
SELECT cmp_ok(t.blocks_of(format('SELECT count(*) FROM recall.preview(%s, %s, %L)', :acme, :batch, 'busy; limit 2 per number')), '<', 200::bigint, 'so a small batch of a large tenant is judged in few');

-- A number that very many contacts own is looked up once.
SELECT recall.create_batch(:acme, :task, 'Shared') AS shared \gset
INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers) SELECT :acme, 100000 + n, :shared, ARRAY[t.number(9)] FROM generate_series(1, 2000) n;
INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
SELECT :acme, 1, :shared, 100000 + n, '2026-01-05 10:00+00', '2026-01-05 10:01+00', now(), 'busy', t.number(9) FROM generate_series(1, 2000) n;
SELECT cmp_ok(t.blocks_of(format('SELECT count(*) FROM recall.preview(%s, %s, %L)', :acme, :shared, 'busy; limit 9999 per number')), '<', 50000::bigint, 'also where thousands of contacts own one number');
SELECT results_eq(format('SELECT verdict, contacts FROM recall.preview(%s, %s, %L)', :acme, :shared, 'busy; limit 2000 per number'), $$VALUES ('exhausted', 2000::bigint)$$, 'all of whose calls count');
SELECT results_eq(format('SELECT verdict, contacts FROM recall.preview(%s, %s, %L)', :acme, :shared, 'busy; limit 2001 per number'), $$VALUES ('recall', 2000::bigint)$$, 'each once');

/* A claim reads a few blocks of the queue, also when that was nearly empty when the planner last heard of it */

SELECT tenant AS full, task AS full_task FROM t.campaign(5000, 'busy; limit 9 per 24 h per number') \gset
DELETE FROM pg_statistic WHERE starelid = 'recall.dial'::regclass;
UPDATE pg_class c SET reltuples = 7, relpages = CASE c.relkind WHEN 'i' THEN 2 ELSE 2000 END
WHERE c.oid = 'recall.dial'::regclass OR c.oid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = 'recall.dial'::regclass);
SELECT cmp_ok(t.blocks_of(format('SELECT FROM recall.claim(%s, %s)', :full, :full_task), 'recall.dial'), '<', 100::bigint, 'the first claim');
SELECT cmp_ok(t.blocks_of(format('SELECT FROM recall.claim(%s, %s)', :full, :full_task), 'recall.dial'), '<', 100::bigint, 'and the next');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :full AND state = 'claimed'), 2::bigint, 'two are out');

SELECT * FROM finish();
ROLLBACK;
