-- A bulk source may be a view, whose functions run while the rows are read, as the caller, and may call recall: whatever they do
-- there, the bulk load is refused or the tenant's rows keep every promise.
BEGIN;
\ir helpers.psql
\ir rights.psql
SELECT no_plan();

CREATE ROLE t_insider;
SELECT recall.grant_privilege(:acme, 't_insider', '{read,manage,recycle,dial}');
GRANT ALL ON SCHEMA t TO t_insider;
GRANT SELECT ON ALL TABLES IN SCHEMA t TO t_insider;
UPDATE recall.recycle SET error = 'broken' WHERE tenant_id = :acme AND state = 'failed';
SELECT is_empty(format('SELECT * FROM recall.verify(%s)', :acme), 'nothing is wrong before');

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
SELECT cmp_ok(last_value, '>', 100::bigint, 'most of which was done') FROM t.done;
SELECT matches(t.meddled(format('SELECT recall.record_calls(%s, ''t.source'')', :acme),
	$$CREATE VIEW t.source AS SELECT t.meddle(n, 1, %L) AS contact_id, 'busy'::recall.failure_cause AS failure_cause FROM generate_series(1, 3) n$$,
	format('UPDATE recall.recycle SET judged = judged + 1 WHERE tenant_id = %s AND recycle_id = 1', :acme), :acme, NULL), 'a record has judged whom it has passed', 'what the tables'' owner would do is found');

SELECT * FROM finish();
ROLLBACK;
