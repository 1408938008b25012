-- The extension's own objects, from the catalog: documented, owned, closed to the public, dumped. Each check is also
-- shown to find a fault that is planted in the extension.
BEGIN;
-- plpgsql_check, where it is at hand, wants to be loaded before any PL/pgSQL runs.
SELECT count(*) > 0 AS has_plpgsql_check FROM pg_available_extensions WHERE name = 'plpgsql_check' \gset
\if :has_plpgsql_check
LOAD 'plpgsql_check';
\endif
\ir helpers.psql
SELECT no_plan();

CREATE VIEW t.routine AS
SELECT p.oid::regprocedure AS name, p.*, l.lanname AS language,
	coalesce((SELECT setting FROM unnest(p.proconfig) setting WHERE setting LIKE 'search_path=%'), 'none') AS path
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
JOIN pg_language l ON l.oid = p.prolang
WHERE e.extname = 'recall';
CREATE VIEW t.relation AS
SELECT c.oid::regclass AS name, c.*
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
WHERE e.extname = 'recall';

CREATE TABLE t.checks (what text PRIMARY KEY, finds text NOT NULL, planted text NOT NULL, names text NOT NULL);
INSERT INTO t.checks VALUES
('every object has a comment', $$
	SELECT pg_describe_object(d.classid, d.objid, 0)
	FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	WHERE e.extname = 'recall'
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	-- What a comment says of an operator class need not be said of the family that was made with it.
	AND d.classid <> 'pg_opfamily'::regclass
	-- An identity column's sequence and a table's row type are part of a column and a table, which have comments.
	AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND d.classid = 'pg_class'::regclass AND c.relkind = 'S')
	AND NOT EXISTS (SELECT FROM pg_type y WHERE y.oid = d.objid AND d.classid = 'pg_type'::regclass AND (y.typrelid <> 0 OR y.typelem <> 0 AND y.typlen = -1))$$,
	'CREATE FUNCTION recall.planted() RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION recall ADD FUNCTION recall.planted()', 'function recall.planted()'),
('the extension has a comment', $$
	SELECT e.extname::text FROM pg_extension e WHERE e.extname = 'recall' AND obj_description(e.oid, 'pg_extension') IS NULL$$,
	'COMMENT ON EXTENSION recall IS NULL', 'recall'),
('every column of a table or view has a comment', $$
	SELECT format('%s.%s', r.name, a.attname)
	FROM t.relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE r.relkind IN ('r', 'p', 'v', 'm') AND col_description(r.oid, a.attnum) IS NULL$$,
	'COMMENT ON COLUMN recall.redial.due_at IS NULL', 'recall.redial.due_at'),
('every index but those of keys has a comment', $$
	SELECT i.indexrelid::regclass::text
	FROM t.relation r JOIN pg_index i ON i.indrelid = r.oid
	WHERE NOT i.indisprimary AND obj_description(i.indexrelid, 'pg_class') IS NULL
	AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = 'u')$$,
	'CREATE INDEX planted ON recall.task (name)', 'recall.planted'),
('each SQLSTATE that a comment promises is one that the API names', $$
	SELECT format('%s: %s', r.name, state)
	FROM t.routine r, regexp_matches(obj_description(r.oid, 'pg_proc'), '\m([0-9][0-9A-Z]{4})\M', 'g') AS m(states), unnest(m.states) state
	WHERE state NOT IN ('42501', '55000', '22023', '22P02', '22P03', '22004', '54000', '0A000', '2D000') AND state !~ '^[0-9]+$' $$,
	$q$COMMENT ON FUNCTION recall._caller() IS 'The role that the caller is now. Errors: 42X99.'$q$, 'recall._caller(): 42X99'),
('nothing of recall lies in a schema of somebody else', $$
	SELECT r.name::text FROM t.routine r WHERE r.pronamespace <> 'recall'::regnamespace
	UNION ALL SELECT r.name::text FROM t.relation r WHERE r.relnamespace <> 'recall'::regnamespace$$,
	'CREATE FUNCTION t.planted() RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION recall ADD FUNCTION t.planted()', 't.planted()'),
('nothing in the schema is nobody''s', $$
	SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'recall'::regnamespace AND p.oid NOT IN (SELECT r.oid FROM t.routine r)
	UNION ALL SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.oid NOT IN (SELECT r.oid FROM t.relation r)$$,
	'CREATE TABLE recall.planted ()', 'recall.planted'),
('PUBLIC executes the value functions and nothing else', $$
	SELECT r.name::text FROM t.routine r
	WHERE has_function_privilege('public', r.oid, 'EXECUTE')
	AND (r.prosecdef OR r.provolatile <> 'i'
		OR r.proname !~ '^_(policy|calling_hours)_|^(_nearest|_check_size|_plan_view|policy|policy_rules|policy_limits|matches|history|judge|is_open|next_open|failure_causes?|transition|state_transitions)$')
	-- Its answers come from a table that says the same to everybody.
	AND r.name::text <> 'recall.failure_cause(text,text)'$$,
	'GRANT EXECUTE ON FUNCTION recall._caller() TO PUBLIC', 'recall._caller()'),
('PUBLIC executes nothing internal but what belongs to the value types', $$
	SELECT r.name::text FROM t.routine r
	WHERE r.proname ~ '^_' AND has_function_privilege('public', r.oid, 'EXECUTE')
	AND r.proname !~ '^_(policy|calling_hours)_|^_(nearest|check_size|plan_view)$'$$,
	'GRANT EXECUTE ON FUNCTION recall._matching_rule(recall.policy, recall.failure_cause, text) TO PUBLIC',
	'recall._matching_rule(recall.policy,recall.failure_cause,text)'),
('each query of a view begins with _plan_view()', $$
	SELECT r.name::text
	FROM t.relation r
	CROSS JOIN LATERAL (SELECT pg_get_viewdef(r.oid) AS definition OFFSET 0) v
	WHERE r.relkind = 'v'
	AND (SELECT count(*) FROM regexp_matches(v.definition, 'JOIN recall._plan_view\(\)', 'g'))
		<> 1 + (SELECT count(*) FROM regexp_matches(v.definition, 'UNION', 'g'))$$,
	'CREATE VIEW recall.planted AS SELECT 1; ALTER EXTENSION recall ADD VIEW recall.planted', 'recall.planted'),
('SECURITY DEFINER and PL/pgSQL have a pinned path, but for the procedure that COMMITs', $$
	SELECT r.name::text FROM t.routine r
	WHERE (r.prosecdef OR r.language = 'plpgsql') AND r.path <> 'search_path=pg_catalog, pg_temp'
	AND r.name::text <> 'recall.process()'$$,
	'ALTER FUNCTION recall._step(bigint, int) RESET search_path', 'recall._step(bigint,integer)'),
('a pinned path ends with pg_temp and holds nothing that a user can write to', $$
	SELECT r.name::text FROM t.routine r WHERE r.path NOT IN ('none', 'search_path=pg_catalog, pg_temp')$$,
	'ALTER FUNCTION recall._log(int, text, text, text, text, text, jsonb) SET search_path = public', 'recall._log(integer,text,text,text,text,text,jsonb)'),
('SQL functions are parsed when they are made', $$
	SELECT r.name::text FROM t.routine r WHERE r.language = 'sql' AND r.prosqlbody IS NULL$$,
	$q$CREATE FUNCTION recall.planted() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION recall ADD FUNCTION recall.planted()$q$, 'recall.planted()'),
('every function that names a tenant names it first', $$
	SELECT r.name::text FROM t.routine r
	WHERE r.proname !~ '^_' AND array_position(r.proargnames[:r.pronargs], 'tenant_id') > 1$$,
	'CREATE FUNCTION recall.planted(id int, tenant_id int) RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION recall ADD FUNCTION recall.planted(int, int)',
	'recall.planted(integer,integer)'),
('a C function that reads no null is STRICT or looks', $$
	SELECT r.name::text FROM t.routine r
	WHERE r.language = 'c' AND NOT r.proisstrict AND r.pronargs > 0
	AND r.name::text NOT IN (
		'recall.policy(recall.failure_cause[],text[])', 'recall._matching_rule(recall.policy,recall.failure_cause,text)',
		'recall.matches(recall.policy,recall.failure_cause,text)', 'recall.failure_cause(text,text)', 'recall._check_numbers(text[],bigint)',
		'recall._collect_call(internal,integer,text,recall.failure_cause,text,timestamp with time zone,timestamp with time zone)',
		'recall._finish_history(internal)', 'recall.enter(text)', 'recall._has_right(integer,recall.privilege)',
		'recall._check_lease(interval)', 'recall.claim(integer,bigint,integer,interval,text)',
		'recall.report(integer,bigint,bigint,recall.failure_cause,text,timestamp with time zone,timestamp with time zone,text,text)',
		'recall.report_many(integer,bigint[],bigint[],recall.failure_cause[],text[],timestamp with time zone[],timestamp with time zone[],text[],text[])',
		'recall._use_permits(integer,bigint[],bigint[],recall.failure_cause[],text[],timestamp with time zone[],timestamp with time zone[],text[],text[],timestamp with time zone)',
		'recall._require(integer,recall.privilege)',
		'recall._admit(recall.policy,recall.history,text[],text,text[],recall.history,text)',
		'recall.judge(recall.policy,recall.history,text[],text,text[],recall.history)',
		'recall._findings(recall.policy,recall.history,text[],text,text[],recall.history)',
		'recall._replay(recall.policy,recall.history,text[],text,text[],recall.history)',
		'recall.is_open(recall.calling_hours,text,timestamp with time zone,date[])',
		'recall.next_open(recall.calling_hours,text,timestamp with time zone,date[])')$$,
	'ALTER FUNCTION recall._deny(text) CALLED ON NULL INPUT', 'recall._deny(text)'),
('every table is dumped', $$
	SELECT r.name::text FROM t.relation r
	WHERE r.relkind IN ('r', 'p', 'm') AND r.oid <> ALL (coalesce((SELECT e.extconfig FROM pg_extension e WHERE e.extname = 'recall'), '{}'))
	-- Keys that make tokens do not belong in a dump.
	AND r.name::text <> 'recall.token_key'$$,
	'CREATE TABLE recall.planted (); ALTER EXTENSION recall ADD TABLE recall.planted', 'recall.planted'),
('every sequence is dumped', $$
	SELECT c.oid::regclass::text FROM pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'S' AND c.oid <> ALL (coalesce((SELECT e.extconfig FROM pg_extension e WHERE e.extname = 'recall'), '{}'))$$,
	'CREATE SEQUENCE recall.planted; ALTER EXTENSION recall ADD SEQUENCE recall.planted', 'recall.planted'),
('what is dumped is there, and whole but for shipped rows', $$
	SELECT r.name::text FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS x(relation, condition) JOIN t.relation r ON r.oid = x.relation
	WHERE e.extname = 'recall' AND x.condition <> CASE r.name::text WHEN 'recall.cause_code' THEN 'WHERE NOT builtin' ELSE '' END$$,
	$q$UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'recall'$q$, '%'),
('nobody but the owner is granted a table or a sequence', $$
	SELECT r.name::text FROM t.relation r, aclexplode(r.relacl) acl
	WHERE r.relkind IN ('r', 'p', 'S') AND acl.grantee <> r.relowner$$,
	'GRANT SELECT (name) ON recall.task TO PUBLIC; GRANT SELECT ON recall.tick TO PUBLIC', 'recall.tick'),
('nor a column of one', $$
	SELECT format('%s.%s', r.name, a.attname) FROM t.relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attacl IS NOT NULL$$,
	'GRANT SELECT (name) ON recall.task TO PUBLIC', 'recall.task.name'),
('a new view is granted to nobody', $$
	SELECT r.name::text FROM t.relation r, aclexplode(r.relacl) acl WHERE r.relkind IN ('v', 'm') AND acl.grantee = 0$$,
	'GRANT SELECT ON recall.audit TO PUBLIC', 'recall.audit'),
('every view is a security barrier and shows readable tenants only', $$
	SELECT r.name::text FROM t.relation r
	WHERE r.relkind = 'v' AND (NOT coalesce('security_barrier=true' = ANY (r.reloptions), false) OR pg_get_viewdef(r.oid) !~ '_readable_tenants')$$,
	'ALTER VIEW recall.audit RESET (security_barrier)', 'recall.audit'),
('the keys of tokens are in no dump, and hidden from who may read all data', $$
	SELECT r.name::text FROM t.relation r
	WHERE r.name::text = 'recall.token_key'
	AND (NOT r.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = r.oid) OR EXISTS (SELECT FROM pg_extension e WHERE r.oid = ANY (e.extconfig)))$$,
	'ALTER TABLE recall.token_key DISABLE ROW LEVEL SECURITY', 'recall.token_key'),
('every key of a tenant''s table begins with the tenant', $$
	SELECT i.indexrelid::regclass::text
	FROM t.relation r JOIN pg_index i ON i.indrelid = r.oid AND (i.indisunique OR i.indisprimary)
	WHERE r.relkind IN ('r', 'p') AND r.name::text NOT IN ('recall.tick', 'recall.cause_code', 'recall.pool', 'recall.token_key')
	AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum = i.indkey[0]) <> 'tenant_id'$$,
	'CREATE UNIQUE INDEX planted ON recall.task (name)', 'recall.planted'),
('no foreign key crosses tenants', $$
	SELECT format('%s: %s', k.conrelid::regclass, k.conname)
	FROM t.relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype = 'f'
	WHERE (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = k.conkey[1]) <> 'tenant_id'
	OR (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1]) <> 'tenant_id'$$,
	'ALTER TABLE recall.tick ADD tenant int CONSTRAINT planted REFERENCES recall.tenant', 'recall.tick: planted'),
('a table with a state has the trigger that checks its moves', $$
	SELECT r.name::text FROM t.relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = 'state'
	WHERE r.relkind IN ('r', 'p') AND r.name::text <> 'recall.dial'
	AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.oid AND g.tgfoid = 'recall._check_transition'::regproc AND g.tgenabled IN ('O', 'A'))$$,
	'ALTER TABLE recall.batch DISABLE TRIGGER check_transition', 'recall.batch');

CREATE FUNCTION t.found(finds text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE finds;
END $$;

-- What a check finds when its fault has been planted, which is taken back.
CREATE FUNCTION t.found_planted(c t.checks) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	found text[];
BEGIN
	EXECUTE c.planted;
	found := ARRAY(SELECT f FROM t.found(c.finds) f);
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN found;
END $$;

SELECT is(ARRAY(SELECT f FROM t.found(c.finds) f ORDER BY f), '{}', c.what) FROM t.checks c;
SELECT ok(
	cardinality(f.found) > 0 AND (c.names = '%' OR c.names = ANY (f.found)),
	format('found when planted: %s', c.what))
FROM t.checks c, LATERAL (SELECT t.found_planted(c) AS found) f;

SELECT cmp_ok((SELECT count(*) FROM t.routine), '>', 80::bigint, 'the checks above had functions to look at');
SELECT cmp_ok((SELECT count(*) FROM t.relation), '>', 15::bigint, 'and relations');

/* plpgsql_check. Left out is only what cannot be otherwise. */

\if :has_plpgsql_check
CREATE EXTENSION IF NOT EXISTS plpgsql_check;
CREATE FUNCTION t.plpgsql_faults() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC
	SELECT format('%s, line %s: %s', r.name, c.lineno, c.message)
	FROM t.routine r, LATERAL plpgsql_check_function_tb(r.oid::regprocedure,
		coalesce((SELECT g.tgrelid FROM pg_trigger g WHERE g.tgfoid = r.oid LIMIT 1), 0), other_warnings => true, extra_warnings => false,
		security_warnings => true) c
	WHERE r.language = 'plpgsql'
	-- pg_cron need not be there.
	AND c.message !~ '^(schema "cron"|relation "cron\.\w+") does not exist$'
	-- A literal that is the default of a variable of another type than text.
	AND c.message <> 'target type is different type than source type'
	-- They raise errors by functions that are volatile, and word them with format(), which is stable; 2.10 minds that.
	AND c.message !~ '^routine is marked as (STABLE|IMMUTABLE), but expression is (VOLATILE|STABLE)$'
	-- They write names that regrole, regprocedure and regclass have quoted, where GRANT takes no parameter.
	AND NOT (r.proname IN ('_grant_objects', '_revoke_objects') AND c.message = 'text type variable is not sanitized');
END;
SELECT is(ARRAY(SELECT f FROM t.plpgsql_faults() f ORDER BY f), '{}', 'plpgsql_check finds no fault');
CREATE FUNCTION recall.planted() RETURNS int LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT no_such_column FROM recall.task);
END $$;
ALTER EXTENSION recall ADD FUNCTION recall.planted();
SELECT is((SELECT count(*) FROM t.plpgsql_faults() f WHERE f LIKE 'recall.planted()%'), 1::bigint, 'and finds one that is planted');
\else
SELECT skip('plpgsql_check is not installed', 2);
\endif

SELECT * FROM finish();
ROLLBACK;
