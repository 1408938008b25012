-- What anybody may set for his session changes no answer.
BEGIN;
\ir helpers.psql
SELECT no_plan();

/* One number that very many contacts have, so that the index of numbers has a tree of its own for it, and a limit that counts them all. */

SELECT * FROM t.campaign(40, 'busy after 1 h; limit 10 per 7 days per number; limit 9') \gset
CREATE TABLE t.same AS SELECT ARRAY['+4930999999'] AS numbers FROM generate_series(1, 3000);
SELECT recall.add_contacts(:tenant, :batch, 't.same');
SELECT t.call_all(:tenant, 1, 60, 'busy');
SELECT recall.suppress(:tenant, t.number(3));

CREATE FUNCTION t.answers(tenant int, batch bigint) RETURNS text LANGUAGE sql
BEGIN ATOMIC
	SELECT string_agg(x.answer, E'\n') FROM (
		SELECT p::text FROM recall.preview(tenant, batch) p
		UNION ALL SELECT s::text FROM recall.simulate(tenant, batch, 'failed after 2 h; limit 12 per 7 days per number') s
		UNION ALL SELECT e.step || ' ' || e.passed || ' ' || e.detail FROM recall.explain(tenant, 3) e
		UNION ALL SELECT e.step || ' ' || e.passed || ' ' || e.detail FROM recall.explain(tenant, 50) e
		UNION ALL SELECT d::text FROM recall.policy_diff('busy after 10 min; limit 3', 'failed; limit 2 per day') d
		UNION ALL SELECT recall.judge('busy after 10 min', (SELECT recall.history(1, '+4930999999', 'busy', NULL, '2026-01-01', '2026-01-01')), '{+4930999999}', 'Asia/Kolkata')::text
		UNION ALL SELECT 'busy; result x after 1 day; limit 3 per 24 h'::recall.policy::jsonb::recall.policy::text) AS x(answer);
END;

-- The answers under some settings; as literals of moments they are written the same way in all of them.
CREATE FUNCTION t.answers_under(settings text, tenant int, batch bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answers text;
BEGIN
	EXECUTE settings;
	answers := t.answers(tenant, batch);
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN answers;
END $$;

SELECT t.answers(:tenant, :batch) AS plain \gset
SELECT matches(:'plain'::text, 'limit 10 per 7 days per number', 'the answers speak of the limit');
SELECT is(t.answers_under(s.settings, :tenant, :batch), :'plain'::text, s.settings) FROM (VALUES
	('SET LOCAL gin_fuzzy_search_limit = 1; SET LOCAL enable_seqscan = off'),
	('SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexonlyscan = off'),
	('SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off'), ('SET LOCAL enable_hashjoin = off; SET LOCAL enable_nestloop = off'),
	('SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off; SET LOCAL enable_hashagg = off; SET LOCAL enable_material = off'),
	('SET LOCAL join_collapse_limit = 1; SET LOCAL from_collapse_limit = 1'), ('SET LOCAL geqo_threshold = 2; SET LOCAL geqo_seed = 0.5'),
	('SET LOCAL plan_cache_mode = force_generic_plan'), ('SET LOCAL plan_cache_mode = force_custom_plan'), ('SET LOCAL work_mem = ''64kB''; SET LOCAL hash_mem_multiplier = 1'),
	('SET LOCAL jit_above_cost = 0; SET LOCAL jit = on'), ('SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0'),
	('SET LOCAL transform_null_equals = on'), ('SET LOCAL array_nulls = off'), ('SET LOCAL quote_all_identifiers = on'), ('SET LOCAL standard_conforming_strings = off'),
	('SET LOCAL plpgsql.extra_errors = ''all'''), ('SET LOCAL search_path = t, pg_temp, public, pg_catalog'), ('SET LOCAL row_security = off'), ('SET LOCAL constraint_exclusion = on'),
	('SET LOCAL cursor_tuple_fraction = 0.01; SET LOCAL cpu_tuple_cost = 100'), ('SET LOCAL check_function_bodies = off'), ('SET LOCAL bytea_output = escape'),
	('SET LOCAL xmloption = document'), ('SET LOCAL timezone_abbreviations = ''India'''), ('SET LOCAL lock_timeout = 1000'), ('SET LOCAL default_transaction_isolation = serializable')
) AS s(settings);

/* What a claim does in SQL waits for a lock as long as the session would, and for a second at most. */

CREATE FUNCTION t.tell_timeout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'waits for %', current_setting('lock_timeout');
END $$;
CREATE TRIGGER tell_timeout BEFORE UPDATE OR DELETE ON recall.dial FOR EACH STATEMENT EXECUTE FUNCTION t.tell_timeout();
SELECT tenant AS limited, task AS limited_task FROM t.campaign(3, 'busy after 1 h; limit 10 per 7 days per number') \gset
CREATE FUNCTION t.claim_under(timeout text, tenant int, task bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('lock_timeout', timeout, true);
	PERFORM recall.claim(tenant, task, 1);
END $$;
SELECT throws_ok(format('SELECT t.claim_under(%L, %s, %s)', s.timeout, :limited, :limited_task), 'P0001', 'waits for ' || s.most, 'lock_timeout ' || s.timeout)
FROM (VALUES ('0', '1s'), ('1h', '1s'), ('1001', '1s'), ('1000', '1s'), ('999', '999ms'), ('20ms', '20ms')) AS s(timeout, most);
DROP TRIGGER tell_timeout ON recall.dial;
SELECT t.claim_under('20ms', :limited, :limited_task);
SELECT is(current_setting('lock_timeout'), '20ms', 'afterwards it is as it was');

/* A person has all contacts of the number, also for whoever would have the index leave some out. */

SET LOCAL gin_fuzzy_search_limit = 1;
SET LOCAL enable_seqscan = off;
SELECT is((SELECT e.erased FROM recall.erase_number(:tenant, '+4930999999') e WHERE e.what = 'contacts'), 3000::bigint, 'gin_fuzzy_search_limit: everybody who has the number is erased');

SELECT * FROM finish();
ROLLBACK;
