-- One tenant does not keep another waiting, whatever it has to do: shown by the order of what is done, not by times.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';
SET LOCAL recall.chunk_size = 1000; -- 100 while another tenant waits

-- Steps of a run from a tenant on, until so many are made: the tenants in their order.
CREATE FUNCTION t.turns(run bigint, first int, steps int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tenant int := first;
	turns text[] := '{}';
BEGIN
	FOR i IN 1 .. steps LOOP
		tenant := recall._step(run, tenant);
		turns := turns || coalesce(tenant::text, '-');
		EXIT WHEN tenant IS NULL;
	END LOOP;
	RETURN array_to_string(turns, ' ');
END $$;
CREATE FUNCTION t.judged(tenant int) RETURNS bigint LANGUAGE sql RETURN (SELECT sum(r.judged)::bigint FROM recall.recycle r WHERE r.tenant_id = judged.tenant);
CREATE FUNCTION t.states(tenant int) RETURNS text LANGUAGE sql RETURN (SELECT string_agg(r.state::text, ' ' ORDER BY r.recycle_id) FROM recall.recycle r WHERE r.tenant_id = states.tenant);

/* A large recycle and a small one: chunks are small while the other waits, and large again when it is done */

SELECT tenant AS large FROM t.campaign(5000) \gset
SELECT tenant AS small FROM t.campaign(150) \gset
SELECT t.call_all(:large, 1, 5000, 'busy'), t.call_all(:small, 1, 150, 'busy') \gset made_
SELECT recall.recycle(:large, 1), recall.recycle(:small, 1) \gset pressed_
SELECT recall._note_run() AS run \gset
SELECT is(t.turns(:run, 0, 6), format('%1$s %2$s %1$s %2$s %1$s %2$s', :large, :small), 'they take turns');
SELECT is(t.states(:small), 'completed', 'the small one is ready in its third turn');
SELECT is(t.judged(:large), 200::bigint, 'and the large one has been judged no faster till then');
SELECT is(t.turns(:run, :small, 2), format('%1$s %1$s', :large), 'then it is alone');
SELECT is(t.judged(:large), 2200::bigint, 'and its chunks are whole');
SELECT recall.recycle(:small, 1) AS pressed_again \gset
SELECT is(t.turns(:run, :large, 2), format('%1$s %2$s', :small, :large), 'somebody else has pressed in between');
SELECT is(t.judged(:large), 2300::bigint, 'so chunks are small again');

/* Each run begins behind the tenant at which the last one ended, however short it is */

SELECT tenant AS third FROM t.campaign(5000) \gset
SELECT t.call_all(:third, 1, 5000, 'busy') \gset made_
SELECT recall.recycle(:third, 1) AS pressed_third \gset
CREATE FUNCTION t.short_run() RETURNS int LANGUAGE sql RETURN recall._step(recall._note_run(), NULL);
SELECT is((SELECT string_agg(t.short_run()::text, ' ') FROM generate_series(1, 4)), format('%1$s %3$s %2$s %1$s', :small, :large, :third),
	'runs that are cut off after a step come to everybody');
SELECT is((SELECT string_agg(t.short_run()::text, ' ') FROM generate_series(1, 2)), format('%2$s %1$s', :large, :third), 'once more');

/* One that fails or is put off is in nobody's way */

UPDATE recall.recycle SET put_off_in = 9223372036854775807, error = 'put off until the next run: test' WHERE tenant_id IN (:small, :third) AND state <> 'completed';
SELECT t.judged(:large) AS before \gset
SELECT is(t.turns(recall._note_run(), :small, 1), :large::text, 'where the others'' records are put off');
SELECT is(t.judged(:large) - :before, 1000::bigint, 'nobody waits');
SELECT t.tick() > 0 AS rest \gset

/* Leases: some of each tenant's at a time, so that many of one are in nobody's way */

SELECT tenant AS silent, task AS silent_task FROM t.campaign(950, 'busy; unknown after 1 h') \gset
SELECT tenant AS other, task AS other_task FROM t.campaign(30, 'busy; unknown after 1 h') \gset
SELECT (SELECT count(*) FROM recall.claim(:silent, :silent_task, 950)), (SELECT count(*) FROM recall.claim(:other, :other_task, 30)) AS others \gset claimed_
UPDATE recall.dial SET lease_until = clock_timestamp() - interval '1 min' WHERE tenant_id IN (:silent, :other);
CREATE FUNCTION t.unknown(tenant int) RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM recall.dial d WHERE d.tenant_id = unknown.tenant AND d.state = 'unknown');
SELECT recall.recycle(:large, 1) AS waits \gset
SELECT is(recall._expire(:run), 130::bigint, 'while a record waits a step makes some of each tenant''s permits unknown');
SELECT is(ARRAY[t.unknown(:silent), t.unknown(:other)], ARRAY[100, 30]::bigint[], 'all of the one who has few');
SELECT is((SELECT string_agg(recall._expire(:run)::text, ' ') FROM generate_series(1, 10)), '100 100 100 100 100 100 100 100 50 0', 'and then the rest');
CREATE FUNCTION t.settled(tenant int) RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM recall.call k WHERE k.tenant_id = settled.tenant AND k.assumed);
SELECT is((SELECT s FROM recall._settle(:run, 0, 0) s), ROW(:silent::int, 1::bigint, true), 'while a record waits few calls are settled at a time');
SELECT is((SELECT s FROM recall._settle(:run, :silent, 1) s), ROW(:other::int, 1::bigint, false), 'and then it is another batch''s turn');
SELECT is(ARRAY[t.settled(:silent), t.settled(:other)], ARRAY[100, 30]::bigint[], 'which has few');
SELECT is((SELECT s FROM recall._settle(:run, :other, 1) s), ROW(NULL::int, NULL::bigint, NULL::boolean), 'that is everybody, once');

/* A batch that cannot be settled is passed over, and said */

CREATE FUNCTION t.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted fault'; END $$;
CREATE TRIGGER planted BEFORE INSERT ON recall.call FOR EACH ROW WHEN (NEW.tenant_id = 0 OR NEW.assumed) EXECUTE FUNCTION t.fail();
SET LOCAL client_min_messages = error;
SELECT is((SELECT (s.tenant_id, s.more) FROM recall._settle(:run, 0, 0) s), ROW(:silent::int, false), 'an error of one batch ends no run');
SELECT is(t.settled(:silent), 100::bigint, 'and leaves the batch as it was');
DROP TRIGGER planted ON recall.call;

/* What passes, or is the session's, makes no record fail, and a number of a run that there is not puts nothing off for good */

CREATE FUNCTION t.lack() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted lack' USING ERRCODE = current_setting('t.lack'); END $$;
CREATE FUNCTION t.after_lack(code text, run bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	campaign record;
	pressed bigint;
	lacking recall.recycle;
BEGIN
	SELECT * INTO campaign FROM t.campaign(10);
	PERFORM t.call_all(campaign.tenant, 1, 10, 'busy');
	pressed := recall.recycle(campaign.tenant, 1);
	PERFORM set_config('t.lack', code, true), recall._step(run, campaign.tenant - 1), recall._step(run, campaign.tenant - 1);
	SELECT * INTO lacking FROM recall.recycle r WHERE (r.tenant_id, r.recycle_id) = (campaign.tenant, pressed);
	PERFORM set_config('t.lack', '', true), recall._step(recall._note_run(), campaign.tenant - 1);
	RETURN concat_ws('; ', lacking.state, lacking.error, (SELECT r.state FROM recall.recycle r WHERE (r.tenant_id, r.recycle_id) = (campaign.tenant, pressed)));
END $$;
CREATE TRIGGER lacking BEFORE INSERT ON recall.dial FOR EACH ROW WHEN (current_setting('t.lack', true) <> '') EXECUTE FUNCTION t.lack();
SELECT is(t.after_lack(c.code, r.run), 'running; put off until the next run: planted lack; completed', format('%s in run %s: the next run does it', c.code, r.run))
FROM unnest('{53200,53100,53400,40001,40P01,55P03,58030,42501}'::text[]) c(code), (VALUES (recall._note_run()), (9223372036854775807)) r(run);
SELECT is(t.after_lack('22012', recall._note_run()), 'failed; planted lack; failed', 'any other error is the record''s');

SELECT * FROM finish();
ROLLBACK;
