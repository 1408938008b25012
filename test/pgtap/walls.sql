-- The walls between tenants, generated from the catalog and the list of rights: every function, every kind of role, own,
-- foreign and missing ids; every relation and every verb; what is left in the audit. Each check also finds a planted fault.
BEGIN;
\ir helpers.psql
\ir rights.psql
SELECT no_plan();

CREATE ROLE t_public;
GRANT USAGE ON SCHEMA recall TO t_public;
CREATE ROLE t_scheduler;
SELECT recall.grant_scheduler('t_scheduler');
-- The owner without being a superuser: being one is not inherited, what one owns is.
CREATE ROLE t_owner;
SELECT format('GRANT %I TO t_owner', extowner::regrole) FROM pg_extension WHERE extname = 'recall' \gexec
CREATE ROLE t_deputy IN ROLE t_owner;
CREATE ROLE t_super SUPERUSER;

/* The kinds of roles: which rights each has in Acme; whether it may execute what members may; what it is to the extension. */
CREATE TABLE t.kind (role name PRIMARY KEY, rights recall.privilege[] NOT NULL, is_member boolean NOT NULL, is_owner boolean NOT NULL, what text NOT NULL);
INSERT INTO t.kind VALUES
('t_read', '{read}', true, false, 'a member that may read'),
('t_manage', '{manage}', true, false, 'a member that may manage'),
('t_recycle', '{recycle}', true, false, 'a member that may recycle'),
('t_dial', '{dial}', true, false, 'a member that may dial'),
('t_heir', '{read,dial}', true, false, 'a role that inherits two members'),
('t_grandchild', '{read,dial}', true, false, 'a role that inherits that one'),
('t_disinherited', '{}', true, false, 'a member of another tenant that has a member here, and does not inherit it'),
('t_foreign', '{}', true, false, 'a member of another tenant'),
('t_executes', '{}', true, false, 'a role that was granted everything by hand, and no right'),
('t_scheduler', '{}', false, false, 'the scheduler''s role'),
('t_public', '{}', false, false, 'a role that has what everybody has, and the schema'),
('t_nobody', '{}', false, false, 'a role that has what everybody has'),
('t_owner', '{read,manage,recycle,dial}', true, true, 'the owner, not being a superuser'),
('t_deputy', '{read,manage,recycle,dial}', true, true, 'a role that inherits the owner'),
('t_super', '{read,manage,recycle,dial}', true, true, 'a superuser');
GRANT SELECT ON ALL TABLES IN SCHEMA t TO PUBLIC;

-- Plant a fault, look for what a check finds, and take it back.
CREATE FUNCTION t.found_planted(planted text, finds text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	found text[];
BEGIN
	EXECUTE planted;
	EXECUTE format('SELECT array_agg(f) FROM %s f', finds) INTO found;
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN coalesce(found, '{}');
END $$;

/* The list and the catalog */

CREATE FUNCTION t.unlisted() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC
	SELECT 'not in the list: ' || p.proname FROM pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND p.proname !~ '^_' AND p.oid NOT IN (SELECT m.function FROM t.listed m)
	UNION
	SELECT 'not in the extension: ' || m.routine FROM t.may m
	WHERE m.routine NOT IN (SELECT l.routine FROM t.listed l)
	UNION
	SELECT 'several of one name: ' || m.routine FROM t.listed m WHERE m.who <> 'public' AND m.routine !~ '^_' GROUP BY m.routine HAVING count(*) > 1
	UNION
	SELECT 'no example: ' || m.routine FROM t.may m
	WHERE m.example IS NULL AND m.who NOT IN ('public', 'member', 'granted', 'processor')
	UNION
	SELECT 'no tenant, or no record, in its example: ' || m.routine
	FROM t.listed m JOIN pg_proc p ON p.oid = m.function
	WHERE 'tenant_id' = ANY (p.proargnames[1:p.pronargs]) AND m.example !~ '\$'
	OR p.proargnames[1:p.pronargs - p.pronargdefaults] && '{task_id,batch_id,contact_id,recycle_id,contact_ids}' AND t.fill(m.example) = m.example
	UNION
	SELECT 'neither in the audit nor a reason: ' || m.routine
	FROM t.listed m JOIN pg_proc p ON p.oid = m.function
	WHERE p.provolatile = 'v' AND m.who NOT IN ('public', 'member', 'granted', 'processor') AND m.leaves IS NULL
	-- They change nothing, but a function that sets how it is planned may not be STABLE where it calls one that is volatile.
	AND m.who <> 'read';
END;
SELECT is(ARRAY(SELECT t.unlisted()), '{}', 'the list of rights has every public function, and no other');
SELECT is(t.found_planted('CREATE FUNCTION recall.planted(tenant_id int) RETURNS void LANGUAGE sql RETURN NULL', 't.unlisted()'),
	'{"not in the list: planted"}', 'a new function is found not to be in the list');
SELECT is(t.found_planted('CREATE FUNCTION recall.preview(tenant_id int) RETURNS void LANGUAGE sql RETURN NULL', 't.unlisted()'),
	'{"several of one name: preview"}', 'nor is one that has a name from the list');

CREATE FUNCTION t.wrong_acls() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC
	SELECT format('%s %s %s', k.role, CASE WHEN e.may THEN 'should execute' ELSE 'should not execute' END, p.oid::regprocedure)
	FROM pg_proc p
	LEFT JOIN t.listed m ON m.function = p.oid
	CROSS JOIN t.kind k
	CROSS JOIN LATERAL (SELECT CASE
		WHEN k.is_owner OR k.role = 't_executes' THEN true -- everything was granted to it, here
		WHEN m.who = 'public' THEN true
		WHEN m.who = 'processor' THEN k.role = 't_scheduler'
		WHEN m.who = 'granted' THEN false
		ELSE m.who IS NOT NULL AND k.is_member END AS may) e
	WHERE p.pronamespace = 'recall'::regnamespace AND (k.role <> 't_executes' OR p.prokind = 'f')
	AND has_function_privilege(k.role, p.oid, 'EXECUTE') <> e.may;
END;
SELECT is(ARRAY(SELECT t.wrong_acls()), '{}', 'who may execute what is what the list says, for every function and every kind of role');
SELECT cmp_ok(cardinality(t.found_planted('GRANT EXECUTE ON FUNCTION recall._caller() TO PUBLIC', 't.wrong_acls()')), '>', 5, 'an internal function that everybody may execute is found');
SELECT is(t.found_planted('GRANT EXECUTE ON FUNCTION recall._log(int, text, text, text, text, text, jsonb) TO t_manage', 't.wrong_acls()'),
	'{"t_manage should not execute recall._log(integer,text,text,text,text,text,jsonb)"}', 'one that was granted to a member, too');
SELECT is(t.found_planted('REVOKE EXECUTE ON FUNCTION recall.preview FROM t_read', 't.wrong_acls()'),
	'{"t_read should execute recall.preview(integer,bigint,recall.policy)"}', 'and one that was taken from a member');

/* Functions: own, foreign and missing ids */

-- Where the sequences stand, which no error takes back.
CREATE FUNCTION t.sequences() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT string_agg(format('%s %s', s.sequencename, s.last_value), ', ' ORDER BY s.sequencename) FROM pg_sequences s WHERE s.schemaname = 'recall' $$;

-- What a statement gives, and whether it left a trace although it was refused: an error takes everything back but that.
CREATE FUNCTION t.answer(statement text, tenant int, as_role name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	counted text := t.sequences();
	answer text := t.try(statement, tenant, as_role);
BEGIN
	RETURN answer || CASE WHEN answer ~ '^[0-9A-Z]{5}: ' AND t.sequences() <> counted THEN E'\nand it left a trace' ELSE '' END;
END $$;

-- What a role should be told.
CREATE FUNCTION t.denied(what text, hint text DEFAULT 'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().')
RETURNS text LANGUAGE sql RETURN format(E'42501: permission denied for %s\nHINT: %s', what, hint);
CREATE FUNCTION t.denial(m t.may, k t.kind, tenant int) RETURNS text LANGUAGE sql RETURN CASE
	WHEN k.role = 't_nobody' THEN '42501: permission denied for schema recall'
	WHEN NOT k.is_member THEN '42501: permission denied for function ' || split_part((m).routine, '(', 1)
	WHEN (m).who = 'owner' THEN t.denied('what only the owner of the extension may do', 'Call it as the owner of the extension, or as a role that inherits its rights.')
	ELSE t.denied(format('tenant %s, right "%s"', tenant, CASE (m).who WHEN 'dial or manage' THEN 'dial' ELSE (m).who END)) END;

CREATE FUNCTION t.has_right(m t.may, k t.kind) RETURNS boolean LANGUAGE sql RETURN CASE (m).who
	WHEN 'owner' THEN k.is_owner
	WHEN 'dial or manage' THEN k.rights && '{dial,manage}'
	ELSE (m).who::recall.privilege = ANY (k.rights) END;

-- What is not as the list says, when every kind of role tries the example on its own and on others' ids.
CREATE FUNCTION t.deviations(m t.may, acme int, bell int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	nowhere constant int := 2147483647;
	k t.kind;
	own text := t.fill(m.example);
	foreign_tenant int;
	answer text;
	other text;
	expected text;
BEGIN
	FOR k IN SELECT * FROM t.kind LOOP
		answer := t.answer(own, acme, k.role);
		IF NOT t.has_right(m, k) AND answer <> t.denial(m, k, acme) THEN
			RETURN NEXT format('%s, without the right: %s', k.what, answer);
		ELSIF t.has_right(m, k) AND answer ~ '^[0-9A-Z]{5}: ' AND answer !~ '^55000: pg_cron' THEN
			RETURN NEXT format('%s, with the right: %s', k.what, answer);
		END IF;

		-- Another's tenant and none: the same but for the number.
		IF m.example ~ '\$' THEN
			foreign_tenant := CASE k.role WHEN 't_foreign' THEN acme ELSE bell END;
			answer := t.answer(own, foreign_tenant, k.role);
			other := t.answer(own, nowhere, k.role);
			expected := t.denial(m, k, nowhere);
			IF k.is_owner THEN
				expected := CASE m.who WHEN 'owner' THEN t.denied(format('tenant %s, right "manage"', nowhere)) ELSE expected END;
			END IF;
			IF other <> expected THEN
				RETURN NEXT format('%s, no tenant: %s', k.what, other);
			END IF;
			IF NOT k.is_owner AND NOT (k.role = 't_disinherited' AND m.who ~ 'dial') AND replace(answer, 'tenant ' || foreign_tenant, 'tenant ' || nowhere) <> other THEN
				RETURN NEXT format('%s, another tenant: %s, not: %s', k.what, answer, other);
			END IF;
		END IF;

		-- Another's record and none, in one's own tenant.
		IF own <> m.example THEN
			answer := t.answer(t.fill(m.example, 77), acme, k.role);
			other := t.answer(t.fill(m.example, 99), acme, k.role);
			expected := CASE WHEN t.has_right(m, k)
				THEN format('^42501: permission denied for (row 1: |report 1: )?(task|batch|contact|recycle record) 77 of tenant %s\n', acme)
				ELSE '^42501: ' END;
			IF answer !~ expected THEN
				RETURN NEXT format('%s, another''s record: %s', k.what, answer);
			END IF;
			IF replace(answer, '77', '99') <> other THEN
				RETURN NEXT format('%s, another''s record: %s, not: %s', k.what, answer, other);
			END IF;
		END IF;
	END LOOP;
END $$;

SELECT is(ARRAY(SELECT t.deviations(m, :acme, :bell)), '{}', format('%s(): every kind of role, own, foreign and missing ids', split_part(m.routine, '(', 1)))
FROM t.may m WHERE m.example IS NOT NULL;

-- A function that forgets to ask, one that says what there is, one that changes something before it asks.
CREATE FUNCTION t.found_in(routine text, planted text, acme int, bell int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION recall.suspend_batch(tenant_id int, batch_id bigint) RETURNS void
		LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L', planted);
	found := (SELECT string_agg(d, E'\n') FROM t.may m, t.deviations(m, acme, bell) d WHERE m.routine = found_in.routine);
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN found;
END $$;
SELECT matches(t.found_in('suspend_batch', $$BEGIN
	PERFORM recall._move_batch(tenant_id, batch_id, 'suspend', 'suspended');
	END$$, :acme, :bell), 'a member that may dial, without the right', 'a function that does not ask for the right is found');
SELECT matches(t.found_in('suspend_batch', $$BEGIN
	IF NOT EXISTS (SELECT FROM recall.tenant t WHERE t.tenant_id = suspend_batch.tenant_id) THEN
		PERFORM recall._deny('no such tenant');
	END IF;
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._move_batch(tenant_id, batch_id, 'suspend', 'suspended');
	END$$, :acme, :bell), 'a member of another tenant, no tenant: ', 'one that says of a missing tenant what it does not say of another''s, too');
SELECT matches(t.found_in('suspend_batch', $$BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	IF EXISTS (SELECT FROM recall.batch b WHERE b.batch_id = suspend_batch.batch_id AND b.tenant_id <> suspend_batch.tenant_id) THEN
		PERFORM recall._deny('what is another''s');
	END IF;
	PERFORM recall._move_batch(tenant_id, batch_id, 'suspend', 'suspended');
	END$$, :acme, :bell), 'another''s record: ', 'and one that looks for a record in other tenants');
SELECT matches(t.found_in('suspend_batch', $$BEGIN
	PERFORM recall._log(tenant_id, 'batch', 'x', 'x');
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._move_batch(tenant_id, batch_id, 'suspend', 'suspended');
	END$$, :acme, :bell), 'and it left a trace', 'and one that leaves a trace of what was refused');

/* SET ROLE: all that the session's own role may not, the role that is set may. */

CREATE FUNCTION t.all_answers(tenant int, as_role name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answers text := '';
	m t.may;
BEGIN
	FOR m IN SELECT * FROM t.may WHERE example IS NOT NULL ORDER BY routine LOOP
		answers := answers || format(E'%s: %s\n', m.routine, substring(t.try(t.fill(m.example), tenant, as_role) FROM '^42501: .*'));
	END LOOP;
	RETURN answers;
END $$;
SELECT t.all_answers(:acme, 't_read') AS as_read, t.all_answers(:acme, 't_disinherited') AS as_disinherited \gset
SET LOCAL SESSION AUTHORIZATION t_disinherited;
SELECT t.all_answers(:acme, NULL) AS as_itself, t.all_answers(:acme, 't_read') AS as_set \gset
SET LOCAL ROLE t_read;
SELECT t.all_answers(:acme, NULL) AS after_set \gset
RESET SESSION AUTHORIZATION;
SELECT is(:'as_set'::text, :'as_read', 'SET ROLE to a member gives what that member has');
SELECT is(:'after_set'::text, :'as_read', 'as often as one asks');
SELECT is(:'as_itself'::text, :'as_disinherited', 'and nothing of it without');
SELECT isnt(:'as_read'::text, :'as_disinherited', 'which is not the same');

/* Relations */

CREATE FUNCTION t.wrong_relation_acls() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC
	SELECT format('%s: %s %s', k.role, v.verb, c.relname)
	FROM pg_class c
	CROSS JOIN t.kind k
	CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]
		|| CASE WHEN current_setting('server_version_num')::int >= 170000 THEN '{MAINTAIN}'::text[] END) AS v(verb)
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT k.is_owner
	AND (has_table_privilege(k.role, c.oid, v.verb) OR v.verb IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(k.role, c.oid, v.verb))
		<> (v.verb = 'SELECT' AND k.is_member AND c.relname IN (SELECT m.relation FROM t.may_read m))
	UNION ALL
	SELECT format('%s: sequence %s', k.role, c.relname)
	FROM pg_class c CROSS JOIN t.kind k
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'S' AND NOT k.is_owner AND has_sequence_privilege(k.role, c.oid, 'USAGE, SELECT, UPDATE')
	UNION ALL
	SELECT format('%s creates in the schema', k.role) FROM t.kind k WHERE NOT k.is_owner AND has_schema_privilege(k.role, 'recall', 'CREATE')
	UNION ALL
	SELECT 'not in the extension: ' || m.relation FROM t.may_read m WHERE to_regclass('recall.' || quote_ident(m.relation)) IS NULL;
END;
SELECT is(ARRAY(SELECT t.wrong_relation_acls()), '{}', 'members select from the views; nobody has any other verb on any table, view or sequence');
SELECT is(t.found_planted(x.planted, 't.wrong_relation_acls()'), ARRAY[x.finds], 'found when planted: ' || x.planted)
FROM (VALUES
	('GRANT TRIGGER ON recall.task TO t_manage', 't_manage: TRIGGER task'),
	('GRANT UPDATE (detail) ON recall.event TO t_manage', 't_manage: UPDATE event'),
	('GRANT INSERT ON recall.audit TO t_manage', 't_manage: INSERT audit'),
	('REVOKE SELECT ON recall.audit FROM t_foreign', 't_foreign: SELECT audit'),
	('GRANT USAGE ON SEQUENCE recall.event_event_id_seq TO t_read; REVOKE t_read FROM t_heir', 't_read: sequence event_event_id_seq'),
	('CREATE VIEW recall.planted AS SELECT 1 AS x; GRANT SELECT ON recall.planted TO t_dial; REVOKE t_dial FROM t_heir', 't_dial: SELECT planted')) AS x(planted, finds);

-- Types: what one may make a column or a function of, which then stands in the way of an upgrade that changes the type.
CREATE FUNCTION t.wrong_type_acls() RETURNS SETOF text LANGUAGE sql
BEGIN ATOMIC
	SELECT format('%s: %s', CASE WHEN t.typname ~ '^_' THEN 'usable' ELSE 'not usable' END, t.typname)
	FROM pg_type t
	WHERE t.typnamespace = 'recall'::regnamespace AND t.typcategory <> 'A'
	AND has_type_privilege('t_manage', t.oid, 'USAGE') = (t.typname ~ '^_');
END;
SELECT is(ARRAY(SELECT t.wrong_type_acls()), '{}', 'internal types are for nobody to use');
SELECT is(t.found_planted('GRANT USAGE ON TYPE recall._mentions TO PUBLIC', 't.wrong_type_acls()'), '{"usable: _mentions"}', 'found when planted: one that everybody may use');
SELECT matches(t.outcome('CREATE TEMPORARY TABLE keeper (p recall._mentions)', 't_manage'), '^42501: permission denied for type recall._mentions', 'so no column is in the way');

-- The same by trying.
CREATE FUNCTION t.tries(relation regclass, column_name name) RETURNS SETOF text LANGUAGE sql RETURN unnest(ARRAY[
	format('SELECT count(*) FROM %s', relation), format('INSERT INTO %s DEFAULT VALUES', relation), format('UPDATE %s SET %I = %2$I', relation, column_name),
	format('DELETE FROM %s', relation), format('TRUNCATE %s', relation), format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', relation),
	format('SELECT 1 FROM %s FOR SHARE', relation), format('COPY %s TO PROGRAM ''true''', relation),
	format('CREATE TRIGGER x AFTER INSERT ON %s EXECUTE FUNCTION recall._check_transition(''task'')', relation),
	format('CREATE RULE x AS ON INSERT TO %s DO INSTEAD NOTHING', relation), format('ALTER TABLE %s RENAME TO x', relation), format('DROP TABLE %s', relation)]);
CREATE FUNCTION t.done_all_the_same() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: %s: %s', k.role, s.statement, a.answer)
	FROM pg_class c
	CROSS JOIN LATERAL (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attidentity = '' ORDER BY a.attnum LIMIT 1) b
	CROSS JOIN t.kind k
	CROSS JOIN LATERAL t.tries(c.oid, b.attname) AS s(statement)
	CROSS JOIN LATERAL t.try(s.statement, 0, k.role) AS a(answer)
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT k.is_owner
	AND NOT (s.statement ~ '^SELECT count' AND c.relname IN (SELECT m.relation FROM t.may_read m) AND k.is_member)
	-- That something is nothing for a view, or for this one, is said before anything else.
	AND a.answer !~ '^42501: ' AND NOT (c.relkind = 'v' AND a.answer ~ '^(42809|55000): ') $$;
SELECT is(ARRAY(SELECT t.done_all_the_same()), '{}', 'nobody does anything to a table, and nobody but reads a view');
SELECT cmp_ok(cardinality(t.found_planted('GRANT DELETE ON recall.event TO t_manage', 't.done_all_the_same()')), '>', 0, 'found when planted: somebody may delete from the audit');

SELECT is(t.outcome(x.statement, 't_manage') ~ '^(42501|55000): ', true, x.statement) FROM (VALUES
	('SELECT nextval(''recall.tenant_tenant_id_seq'')'), ('SELECT setval(''recall.event_event_id_seq'', 1)'), ('SELECT currval(''recall.event_event_id_seq'')'),
	('SELECT last_value FROM recall.tenant_tenant_id_seq'), ('SELECT pg_sequence_last_value(''recall.event_event_id_seq'')')) AS x(statement)
WHERE current_setting('server_version_num')::int < 170000 OR x.statement !~ 'pg_sequence_last_value';
SELECT is(t.outcome('SELECT max(last_value) FROM pg_sequences WHERE schemaname = ''recall''', 't_manage'), NULL, 'pg_sequences says nothing of recall''s');
SELECT t.try('SELECT recall.suspend_batch($, 1)', :acme, 't_manage');
SELECT matches(t.outcome('SELECT lastval()', 't_manage'), '^42501: permission denied for sequence', 'nor does lastval() behind a function that wrote an event');

/* Statistics that PostgreSQL keeps of columns */

SET LOCAL default_statistics_target = 10;
ANALYZE recall.task, recall.contact, recall.call, recall.dial;
SELECT is(t.outcome('SELECT count(*) FROM pg_stats WHERE schemaname = ''recall''', k.role), '0', format('pg_stats: %s', k.what)) FROM t.kind k WHERE NOT k.is_owner;
SELECT cmp_ok((SELECT count(*) FROM pg_stats WHERE schemaname = 'recall'), '>', 20::bigint, 'where there would be much to see');

/* The audit: who did what, as whom, to which record, from which state to which. */

CREATE FUNCTION t.unaudited(acme int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	m t.may;
	k name;
	answer text;
	missing text;
	seen bigint;
BEGIN
	FOR m IN SELECT * FROM t.may WHERE leaves !~ '^\[' LOOP
		missing := m.routine || ' ?';
		BEGIN
			seen := (SELECT coalesce(max(e.event_id), 0) FROM recall.event e);
			k := CASE m.who WHEN 'owner' THEN 't_owner' WHEN 'dial or manage' THEN 't_dial' ELSE 't_' || m.who END;
			answer := t.outcome(replace(t.fill(m.example), '$', acme::text), k);
			missing := (SELECT concat_ws(', ', CASE WHEN count(*) = 0 THEN 'no event' END,
					CASE WHEN bool_or(e.role <> k) THEN 'another role' END, CASE WHEN bool_or(e.session_role <> session_user) THEN 'another session' END,
					CASE WHEN bool_or(e.kind IN ('task', 'batch', 'recycle', 'pool', 'scheduler') AND e.action <> 'set_policy' AND e.action !~ '^(set_|add_|record_|withdraw$|purge$)'
						AND (e.to_state IS NULL OR e.action NOT IN ('create', 'request', 'admit', 'grant') AND e.from_state IS NULL)) THEN 'no states' END)
				FROM recall.event e
				WHERE e.event_id > seen AND format('%s %s', e.kind, e.action) = m.leaves
				AND (m.routine = 'create_tenant' OR e.tenant_id = CASE WHEN m.example ~ '\$' THEN acme ELSE 0 END));
			RAISE SQLSTATE 'TTTTT';
		EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
			IF missing <> '' THEN
				RETURN NEXT format('%s: %s (%s)', m.routine, missing, answer);
			END IF;
		END;
	END LOOP;
END $$;
SELECT is(ARRAY(SELECT t.unaudited(:acme)), '{}', 'what a function changes is in the audit, with the role, the session''s role and the states');
SELECT matches(array_to_string(t.found_planted('CREATE OR REPLACE FUNCTION recall.set_calling_hours(tenant_id int, task_id bigint, calling_hours recall.calling_hours) RETURNS void
	LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC UPDATE recall.task t SET calling_hours = set_calling_hours.calling_hours
		WHERE t.tenant_id = set_calling_hours.tenant_id AND t.task_id = set_calling_hours.task_id; END', format('t.unaudited(%s)', :acme)), ','),
	'^set_calling_hours: no event', 'a function that leaves nothing is found');
SELECT matches(array_to_string(t.found_planted('CREATE OR REPLACE FUNCTION recall._log(tenant_id int, kind text, record_id text, action text,
		from_state text DEFAULT NULL, to_state text DEFAULT NULL, detail jsonb DEFAULT NULL) RETURNS void
	LANGUAGE sql BEGIN ATOMIC INSERT INTO recall.event (tenant_id, role, kind, record_id, action, from_state, to_state, detail)
	VALUES (tenant_id, current_user, kind, record_id, action, from_state, NULL, detail); END', format('t.unaudited(%s)', :acme)), ','),
	'start_task: another role, no states', 'and an event that has the owner in the place of the role, and no state');

-- What is nobody's is the owner's to see.
SELECT max(a.at) AS before FROM recall.audit a \gset
SELECT recall.admit_pool('t_nobody'), recall.dismiss_pool('t_nobody'), recall.rotate_token_key('1 min'), recall.grant_scheduler('t_nobody');
SELECT t.outcome(format('SELECT string_agg(concat_ws('' '', a.kind, a.action, a.from_state, a.to_state), '', '' ORDER BY a.at) FROM recall.audit a WHERE a.tenant_id = 0 AND a.at > %L', :'before'), 't_owner') AS seen \gset
SELECT is(:'seen'::text, 'pool admit admitted, pool dismiss admitted dismissed, token_key rotate, scheduler grant granted', 'the owner sees what was done to pools, keys and schedulers');
SELECT is(t.outcome('SELECT count(*) FROM recall.audit a WHERE a.tenant_id = 0', k.role), '0', format('and not: %s', k.what)) FROM t.kind k WHERE NOT k.is_owner AND k.is_member;
SELECT is(e.detail, jsonb_build_object('admitted_by', session_user, 'admitted_at', e.detail->'admitted_at'), 'with who had admitted the pool') FROM recall.event e
WHERE e.tenant_id = 0 AND e.action = 'dismiss' AND e.role = session_user;

-- Append only, for the owner and superusers too, by whatever verb; but for what erasing and purging take out.
SELECT t.refused(x.statement, '55000', 'the audit is only appended to',
	'What it says of a person goes with recall.erase_number(), recall.purge_batch() or recall.purge_before().', x.statement)
FROM (VALUES
	('DELETE FROM recall.event'), ('DELETE FROM recall.event WHERE false'), ('TRUNCATE recall.event'), ('UPDATE recall.event SET role = ''x'''),
	('UPDATE recall.event SET session_role = ''x'''), ('UPDATE recall.event SET at = at + interval ''1 s'''), ('UPDATE recall.event SET tenant_id = tenant_id + 1'),
	('UPDATE recall.event SET to_state = ''x'' WHERE kind = ''task'''), ('UPDATE recall.event SET from_state = NULL WHERE kind = ''task'''),
	('UPDATE recall.event SET kind = ''x'''), ('UPDATE recall.event SET action = ''x'''), ('UPDATE recall.event SET subject = ''x'''),
	('UPDATE recall.event SET record_id = ''erased'' WHERE kind = ''task'''), ('UPDATE recall.event SET record_id = ''x'' WHERE kind = ''suppression'''),
	('UPDATE recall.event SET detail = NULL'), ('UPDATE recall.event SET detail = detail || ''{"x": 1}''')) AS x(statement);
SELECT is(array_to_string(t.found_planted('ALTER TABLE recall.event DISABLE TRIGGER USER', format('t.outcome(%L, NULL)', x.statement)), ', ') ~ '^55000', false,
	'without the triggers it could be done: ' || x.statement)
FROM (VALUES ('DELETE FROM recall.event RETURNING 1'), ('UPDATE recall.event SET role = ''x'' RETURNING 1')) AS x(statement);
SELECT is(t.outcome('UPDATE recall.event SET role = ''x''', 't_owner') ~ '^55000', true, 'nor does the owner who is no superuser');

SELECT * FROM finish();
ROLLBACK;
