-- A bulk source may be a view, whose functions run while the rows are read, as the caller. They may look at what recall shows; what
-- changes anything is refused there, so the tenant's rows keep every promise.
BEGIN;
\ir helpers.psql
\ir rights.psql
SELECT no_plan();

CREATE ROLE t_insider;
CREATE ROLE t_scheduler;
SELECT recall.grant_privilege(:acme, 't_insider', '{read,manage,recycle,dial}');
GRANT ALL ON SCHEMA t TO t_insider;
GRANT SELECT ON ALL TABLES IN SCHEMA t TO t_insider;
UPDATE recall.recycle SET error = 'broken' WHERE tenant_id = :acme AND state = 'failed';
SELECT is_empty(format('SELECT * FROM recall.verify(%s)', :acme), 'nothing is wrong before');

/* What the source asks for is refused, and so is the load, in whichever reading. */

CREATE TABLE t.changing AS
SELECT m.routine, CASE WHEN m.who <> 'owner' THEN 't_insider' END AS as_role, replace(t.fill(m.example), '$', :'acme') AS statement
FROM t.may m WHERE m.who IN ('manage', 'dial', 'recycle', 'dial or manage', 'owner')
UNION ALL VALUES ('_expire', NULL, 'SELECT recall._expire(1)'), ('_settle', NULL, 'SELECT recall._settle(1, 0, 0)'), ('_step', NULL, 'SELECT recall._step(1, 0)');
SELECT cmp_ok(count(*), '>', 45::bigint, 'there is much that changes something') FROM t.changing;

CREATE SEQUENCE t.reading;
GRANT ALL ON SEQUENCE t.reading TO t_insider;
CREATE FUNCTION t.change(reading bigint, statement text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('t.reading') = reading THEN
		EXECUTE statement;
	END IF;
	RETURN 3;
END $$;
CREATE FUNCTION t.refused_within(bulk text, source text, reading int, statement text, as_role name, description text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('CREATE VIEW t.source AS ' || source, format('t.change(%s, %L)', reading, statement));
	GRANT SELECT ON t.source TO t_insider;
	PERFORM setval('t.reading', 1, false);
	answer := t.refused(bulk, '55000', 'recall is reading a bulk source', 'A source may read recall''s views, but not call functions that change anything.',
		description, as_role);
	DROP VIEW t.source;
	RETURN answer;
END $$;
SELECT t.refused_within(format('SELECT recall.add_contacts(%s, 1, ''t.source'')', :acme), 'SELECT ARRAY[t.number(50 + %s)] AS numbers', 1, c.statement, c.as_role,
	format('contacts are added, and the source calls %s', c.routine))
FROM t.changing c;
SELECT t.refused_within(format('SELECT recall.record_calls(%s, ''t.source'')', :acme), 'SELECT %s AS contact_id, ''busy''::recall.failure_cause AS failure_cause', reading,
	c.statement, c.as_role, format('calls are recorded, and the source calls %s, in reading %s', c.routine, reading))
FROM t.changing c, generate_series(1, 2) reading;

-- An error that the source has caught itself lets nothing in.
CREATE FUNCTION t.stumble(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
	END;
	EXECUTE statement;
END $$;
SELECT t.refused_within(format('SELECT recall.record_calls(%s, ''t.source'')', :acme), 'SELECT %s AS contact_id', 2,
	format('SELECT t.stumble(%L)', format('SELECT recall.claim(%s, 1)', :acme)), 't_insider', 'behind an error that was caught');
SELECT t.refused_within(format('SELECT recall.record_calls(%s, ''t.source'')', :acme), 'SELECT %s AS contact_id', 2,
	format('SELECT t.outcome(%L)', format('SELECT recall.record_calls(%s, ''t.calls_3'')', :acme)) || '; ' || format('SELECT recall.claim(%s, 1)', :acme), 't_insider',
	'behind another source that was refused');
SAVEPOINT before;
SELECT t.outcome(format('SELECT count(*) FROM recall.claim(%s, 1)', :acme), 't_insider') AS claimed \gset
ROLLBACK TO before;
SELECT is(:'claimed'::text, '1', 'what was refused there works when the source is read');

-- Looking is allowed.
CREATE FUNCTION t.reads(source text, acme int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE 'CREATE VIEW t.source AS ' || source;
	GRANT SELECT ON t.source TO t_insider;
	answer := t.outcome(format('SELECT recall.record_calls(%s, ''t.source'')', acme), 't_insider');
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN answer;
END $$;
SELECT is(t.reads(format('SELECT 3 + 0 * count(x::text) AS contact_id FROM %s x', replace(t.fill(m.looks), '$', :'acme')), :acme), '1', format('a source may look at %s', m.looks))
FROM (SELECT 'recall.' || r.relation FROM t.may_read r WHERE r.relation IN ('task_overview', 'completed_call', 'permit')
	UNION ALL SELECT 'recall.health()'
	UNION ALL SELECT regexp_replace(m.example, '^SELECT \* FROM ', '') FROM t.may m WHERE m.who = 'read') AS m(looks);

/* Nor is anything done where the source does not mind to be refused. */

-- Does something once, when a row is read; what it is refused is no matter.
CREATE SEQUENCE t.done MINVALUE 0 START 0;
GRANT USAGE ON SEQUENCE t.done TO t_insider;
CREATE FUNCTION t.meddle(wanted bigint, at bigint, statement text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF wanted = at THEN
		BEGIN
			EXECUTE statement;
			PERFORM nextval('t.done'); -- which no error takes back
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END IF;
	RETURN wanted;
END $$;

CREATE FUNCTION t.meddled(bulk text, source text, statement text, acme int, as_role name DEFAULT 't_insider') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	faults text;
BEGIN
	EXECUTE format(source, statement);
	GRANT SELECT ON t.source TO t_insider;
	answer := t.outcome(bulk, as_role);
	BEGIN
		SELECT string_agg(v::text, ', ') INTO faults FROM recall.verify(acme) v;
	EXCEPTION WHEN OTHERS THEN
		faults := SQLERRM;
	END;
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN coalesce(faults || ' after ' || answer, CASE WHEN answer ~ '^XX' THEN answer END, 'as promised');
END $$;

CREATE TABLE t.meddling AS
SELECT m.routine, replace(t.fill(m.example), '$', :'acme') AS statement FROM t.may m WHERE m.who IN ('manage', 'dial', 'recycle', 'dial or manage')
UNION ALL SELECT 'erase ' || n, format('SELECT count(*) FROM recall.erase_number(%s, %L)', :acme, t.number(n)) FROM generate_series(1, 5) n
UNION ALL SELECT 'record ' || n, format('SELECT recall.record_call(%s, %s, NULL, NULL)', :acme, n) FROM generate_series(1, 5) n
UNION ALL SELECT 'finish and purge', format('SELECT recall.finish_batch(%1$s, 1), recall.purge_batch(%1$s, 1, true)', :acme)
UNION ALL SELECT 'purge', format('SELECT recall.purge_batch(%s, 7)', :acme)
UNION ALL SELECT 'start', format('SELECT recall.start_batch(%s, 7)', :acme)
UNION ALL SELECT 'claim all', format('SELECT count(*) FROM recall.claim(%s, 1, 100)', :acme)
UNION ALL SELECT 'callback ' || n, format('SELECT recall.schedule_callback(%s, %s, now())', :acme, n) FROM generate_series(1, 5) n
UNION ALL SELECT 'more contacts', format('SELECT recall.add_contact(%s, 1, ARRAY[t.number(n)]) FROM generate_series(61, 70) n', :acme)
UNION ALL SELECT 'more contacts elsewhere', format('SELECT recall.add_contact(%s, 7, ARRAY[t.number(n)]) FROM generate_series(61, 70) n', :acme);

SELECT is(t.meddled(format('SELECT recall.add_contacts(%s, %s, ''t.source'')', :acme, b),
	format($$CREATE VIEW t.source AS SELECT ARRAY[t.number(50 + t.meddle(n, %s, %%L)::int)] AS numbers FROM generate_series(1, 4) n$$, at), m.statement, :acme),
	'as promised', format('contacts are added to batch %s, and at row %s: %s', b, at, m.routine))
FROM t.meddling m, (VALUES (1, 1), (4, 7)) AS x(at, b);
SELECT is(t.meddled(format('SELECT recall.record_calls(%s, ''t.source'')', :acme),
	format($$CREATE VIEW t.source AS SELECT t.meddle(n, %s, %%L) AS contact_id, 'busy'::recall.failure_cause AS failure_cause FROM generate_series(1, 3) n$$, at), m.statement, :acme),
	'as promised', format('calls are recorded, and at row %s: %s', at, m.routine))
FROM t.meddling m, unnest(CASE WHEN m.routine ~ '[1-5]$' THEN '{1}' ELSE '{1,3}' END::int[]) at;
SELECT is(is_called, false, 'none of which was done') FROM t.done;
SELECT matches(t.meddled(format('SELECT recall.record_calls(%s, ''t.source'')', :acme),
	$$CREATE VIEW t.source AS SELECT t.meddle(n, 1, %L) AS contact_id, 'busy'::recall.failure_cause AS failure_cause FROM generate_series(1, 3) n$$,
	format('UPDATE recall.recycle SET judged = judged + 1 WHERE tenant_id = %s AND recycle_id = 1', :acme), :acme, NULL), 'a record has judged whom it has passed', 'what the tables'' owner would do is found');

SELECT * FROM finish();
ROLLBACK;
