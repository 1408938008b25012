-- Rights: what walls.sql does not try for every function alike; what the views show; who is asking; rights given and taken.
BEGIN;
\ir helpers.psql
\ir rights.psql
SELECT no_plan();

/* suppress() takes either of two rights */

SELECT is(t.try($$SELECT recall.suppress($, '+49301234567')$$, :acme, x.role), x.answer, format('suppress(): %s', x.role))
FROM (VALUES ('t_dial', ''), ('t_manage', '')) AS x(role, answer);
SELECT t.refused(format($$SELECT recall.suppress(%s, '+49301234567')$$, x.tenant), '42501', format('permission denied for tenant %s, right "dial"', x.tenant),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', format('suppress(): not %s in %s', x.role, x.tenant), x.role)
FROM (VALUES (:acme, 't_read'), (:acme, 't_recycle'), (:acme, 't_foreign'), (:acme, 't_executes'), (2147483647, 't_dial')) AS x(tenant, role);
SELECT t.refused(format($$SELECT recall.suppress(%s, %L, now() + interval '1 s')$$, :acme, t.number(9)), '42501', format('permission denied for tenant %s, right "manage"', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'suppress(): a dialer shortens nothing', 't_dial');
SELECT is(t.try($$SELECT recall.suppress($, t.number(9), 'infinity')$$, :acme, 't_dial'), '', 'suppress(): but may say it again');
SELECT t.refused(replace(x.statement, '$', :acme::text), '42501', format('permission denied for task 77 of tenant %s', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', x.statement)
FROM (VALUES ($$SELECT recall.suppress($, '+49301234567', task_id => 77)$$), ($$SELECT recall.unsuppress($, '+49301234567', 77)$$)) AS x(statement);
SELECT t.refused(format('SELECT count(*) FROM recall.explain(%s, 77)', :acme), '42501', format('permission denied for contact 77 of tenant %s', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'explain(): no contact', 't_read');

/* Views */

CREATE FUNCTION t.tenants_seen(view text, as_role name) RETURNS text LANGUAGE sql
RETURN t.outcome(format('SELECT coalesce(string_agg(DISTINCT tenant_id::text, '' '' ORDER BY tenant_id::text), ''none'') FROM recall.%s', view), as_role);
CREATE TABLE t.view AS SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v';
SELECT is(t.tenants_seen(v.name, x.role), x.seen, format('%s sees of %s: %s', x.role, v.name, x.seen)) FROM t.view v, (VALUES
	('t_read', :acme::text), ('t_foreign', :bell::text), ('t_manage', 'none'), ('t_recycle', 'none'), ('t_dial', 'none'), ('t_executes', 'none')) AS x(role, seen);
SELECT cmp_ok(t.tenants_seen(v.name, NULL), '~', format('\m%s\M.*\m%s\M|\m%2$s\M.*\m%1$s\M', :acme, :bell), format('the owner sees both tenants in %s', v.name)) FROM t.view v;
SELECT matches(t.tenants_seen(v.name, 't_nobody'), '^42501: ', format('a stranger does not reach %s', v.name)) FROM t.view v;

SELECT matches(t.outcome(format('SELECT count(*) FROM (SELECT x::text FROM recall.%I x OFFSET 0) y', v.name), 't_read'), '^[1-9][0-9]*$', format('a member reads every column of %s', v.name)) FROM t.view v;

-- A function that is cheaper than the view's own condition must not be shown other tenants' rows.
CREATE FUNCTION t.peep(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	IF value LIKE '%Bell%' THEN
		RAISE 'peeped: %', value;
	END IF;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION t.peep TO PUBLIC;
SELECT is(t.outcome('SELECT count(*) FROM recall.task_overview WHERE t.peep(task)', 't_read'), '2', 'a condition of the reader''s sees only rows of the reader''s tenants');
SELECT matches(t.outcome('SELECT count(*) FROM recall.task_overview WHERE t.peep(task)', 't_foreign'), 'peeped: secret of Bell', 'which the condition would tell');

/* Values of recall's types are everybody's, also as constants and parameters that are cast */

SELECT is(t.outcome(x.statement, 't_read'), x.value, x.statement) FROM (VALUES
	($$SELECT 'busy, no_answer after 1 h'::text::recall.policy$$, 'busy, no_answer after 1 h'), ($$SELECT 'it is ' || 'busy'::recall.policy$$, 'it is busy'),
	($$SELECT '24/7'::text::recall.calling_hours::text$$, '24/7')) AS x(statement, value);
SET LOCAL ROLE t_read;
PREPARE matching(text, text) AS SELECT recall.matches($1::recall.policy, $2::recall.failure_cause, NULL);
EXECUTE matching('busy', 'busy') \gset
RESET ROLE;
SELECT ok(:'matches', 'a parameter that is cast');

/* health() speaks of the caller's tenants alone */

SELECT recall.suspend_task(:acme, 1);
SELECT is(t.outcome($$SELECT status FROM recall.health() WHERE check_name = 'calling hours'$$, x.role), x.status, format('health() for %s', x.role))
FROM (VALUES ('t_read', 'ok'), ('t_foreign', 'warning'), ('t_dial', 'ok')) AS x(role, status);
SELECT recall.start_task(:acme, 1);

/* Who is asking: the role now, its inheritance, the outer user of SECURITY DEFINER */

SELECT matches(t.try('SELECT count(*) FROM recall.preview($, 1)', :acme, r.role), '^[0-9]+$', format('%s has what it inherits', r.role)) FROM (VALUES ('t_heir'), ('t_grandchild')) AS r(role);
SELECT t.refused(format('SELECT count(*) FROM recall.preview(%s, 1)', :acme), '42501', format('permission denied for tenant %s, right "read"', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'NOINHERIT does not count', 't_disinherited');
SELECT is(t.tenants_seen('task_overview', 't_disinherited'), 'none', 'nor in the views');
SELECT is(t.tenants_seen('task_overview', 't_heir'), :acme::text, 'inheritance counts in the views');
SELECT matches(t.try('SELECT recall.set_holidays($, NULL)', :acme, 't_heir'), '^42501: permission denied for tenant [0-9]+, right "manage"', 'an heir has no more than it inherits');

SET LOCAL SESSION AUTHORIZATION t_disinherited;
SET LOCAL ROLE t_read;
SELECT count(*) AS as_read FROM recall.task_overview \gset
SET LOCAL ROLE NONE;
SELECT count(*) AS as_itself FROM recall.task_overview \gset
RESET SESSION AUTHORIZATION;
SELECT is(:as_read, 2, 'SET ROLE to a role with the right counts');
SELECT is(:as_itself, 0, 'and so does going back');

CREATE FUNCTION t.app_preview(tenant int) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM recall.preview(tenant, 1)';
CREATE FUNCTION t.app_view() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$SELECT string_agg(DISTINCT tenant_id::text, ' ') FROM recall.task_overview$$;
CREATE FUNCTION t.app_recycle(tenant int) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT recall.recycle(tenant, 1)';
GRANT CREATE ON SCHEMA t TO t_foreign;
ALTER FUNCTION t.app_preview OWNER TO t_foreign;
ALTER FUNCTION t.app_view OWNER TO t_foreign;
SELECT matches(t.try('SELECT t.app_preview($)', :acme, 't_read'), '^[0-9]+$', 'inside somebody''s SECURITY DEFINER function the outer user''s rights count');
SELECT matches(t.try('SELECT t.app_preview($)', :bell, 't_read'), '^42501: permission denied for tenant', 'and the definer''s do not');
SELECT is(t.try('SELECT t.app_view()', :acme, 't_read'), :acme::text, 'nor in the views');
SELECT matches(t.try('SELECT t.app_recycle($)', :acme, 't_nobody'), '^42501: permission denied for tenant', 'also when the definer is a superuser');

SELECT recall.withdraw_recycle(:acme, 1);
SELECT matches(t.outcome(format('SELECT recall.recycle(%s, 1)', :acme), 't_recycle'), '^[0-9]+$', 't_recycle presses');
SELECT is((SELECT requested_by FROM recall.recycle_record WHERE tenant_id = :acme ORDER BY recycle_id DESC LIMIT 1), 't_recycle'::name, 'the record names who pressed');
SELECT is((SELECT role FROM recall.audit WHERE tenant_id = :acme ORDER BY at DESC LIMIT 1), 't_recycle'::name, 'and so does the audit');
SELECT is((SELECT session_role FROM recall.audit WHERE tenant_id = :acme ORDER BY at DESC LIMIT 1), session_user, 'which also has who had logged in');

CREATE ROLE t_deputy;
SELECT format('GRANT %I TO t_deputy', current_user) \gexec
SELECT matches(t.try('SELECT recall.set_tenant($, ''UTC'')', :acme, 't_deputy'), '^$|^null$', 'who inherits the owner''s role has the owner''s rights');
CREATE ROLE t_super SUPERUSER;
SELECT matches(t.try('SELECT recall.set_tenant($, ''UTC'')', :acme, 't_super'), '^$|^null$', 'and so has a superuser');
SELECT is(t.tenants_seen('task_overview', 't_super') ~ '\d+ \d+', true, 'who reads every tenant');

/* Giving and taking */

CREATE FUNCTION t.granted(who name) RETURNS text LANGUAGE sql RETURN (
	SELECT format('schema %s, functions %s, views %s', has_schema_privilege(who, 'recall', 'USAGE'),
		(SELECT count(*) > 0 AND bool_and(has_function_privilege(who, p.oid, 'EXECUTE') <> (p.proname = 'issue_token')) FROM pg_proc p
			WHERE p.pronamespace = 'recall'::regnamespace AND p.prokind = 'f' AND p.proname !~ '^_'),
		(SELECT bool_and(has_table_privilege(who, format('recall.%I', v.name), 'SELECT')) FROM t.view v)));
CREATE FUNCTION t.any_granted(who name) RETURNS text LANGUAGE sql RETURN (
	SELECT format('schema %s, functions %s, views %s', has_schema_privilege(who, 'recall', 'USAGE'),
		(SELECT bool_or(has_function_privilege(who, p.oid, 'EXECUTE')) FROM pg_proc p
			WHERE p.pronamespace = 'recall'::regnamespace AND NOT has_function_privilege('public', p.oid, 'EXECUTE')),
		(SELECT bool_or(has_table_privilege(who, format('recall.%I', v.name), 'SELECT')) FROM t.view v)));

CREATE ROLE "t Odd""Name";
SELECT is(t.any_granted('t Odd"Name'), 'schema f, functions f, views f', 'a new role has nothing');
SELECT recall.grant_privilege(:acme, '"t Odd""Name"', '{dial,read,dial}');
SELECT is(t.granted('t Odd"Name'), 'schema t, functions t, views t', 'a member has the schema, the public functions and the public views');
SELECT is((SELECT rights::text FROM recall.member WHERE tenant_id = :acme AND role = '"t Odd""Name"'::regrole), '{read,dial}', 'rights are kept in order, each once');
SELECT recall.grant_privilege(:acme, '"t Odd""Name"', '{recycle,read}');
SELECT is((SELECT rights::text FROM recall.member WHERE tenant_id = :acme AND role = '"t Odd""Name"'::regrole), '{read,recycle,dial}', 'and added to');
SELECT recall.grant_privilege(:bell, '"t Odd""Name"', '{read}');
SELECT recall.revoke_privilege(:acme, '"t Odd""Name"', '{dial,manage}');
SELECT is((SELECT rights::text FROM recall.member WHERE tenant_id = :acme AND role = '"t Odd""Name"'::regrole), '{read,recycle}', 'a right is taken, one that was not there is no matter');
SELECT is(t.granted('t Odd"Name'), 'schema t, functions t, views t', 'while others are left');
SELECT recall.revoke_privilege(:acme, '"t Odd""Name"', '{read,recycle,manage}');
SELECT is(t.granted('t Odd"Name'), 'schema t, functions t, views t', 'also when they are another tenant''s');
SELECT matches(t.try('SELECT count(*) FROM recall.preview($, 1)', :acme, 't Odd"Name'), '^42501: permission denied for tenant', 'what was taken is gone');
SELECT recall.revoke_privilege(:bell, '"t Odd""Name"', '{read}');
SELECT is(t.any_granted('t Odd"Name'), 'schema f, functions f, views f', 'with the last right goes everything');
SELECT is_empty($$SELECT 1 FROM recall.member WHERE role = '"t Odd""Name"'::regrole$$, 'and the membership');
SELECT recall.revoke_privilege(:bell, '"t Odd""Name"', '{read}');
SELECT is(t.any_granted('t Odd"Name'), 'schema f, functions f, views f', 'taking it again is no matter');
SELECT recall.grant_privilege(:bell, '"t Odd""Name"', '{read}');
SELECT is(t.granted('t Odd"Name'), 'schema t, functions t, views t', 'and it can be given again');

SELECT t.refused(format('SELECT recall.%s(%s, %L, %L)', f.name, :acme, x.role, x.rights), '22023', x.message, x.hint, format('%s(): %s', f.name, x.what))
FROM (VALUES ('grant_privilege'), ('revoke_privilege')) AS f(name), (VALUES
	('t_read', '{}', 'no rights are named', 'Name some of: read, manage, recycle, dial.', 'no rights'),
	('t_read', '{read,NULL}', 'no rights are named', 'Name some of: read, manage, recycle, dial.', 'a null right'),
	('4000000000', '{read}', 'role 4000000000 does not exist', 'Rights are given to a role of this cluster; PUBLIC can have none.', 'a role that does not exist'),
	('0', '{read}', 'role - does not exist', 'Rights are given to a role of this cluster; PUBLIC can have none.', 'PUBLIC')
) AS x(role, rights, message, hint, what);
SELECT matches(t.outcome(format('SELECT recall.%s(%s, %L, %L)', f.name, :acme, 't_read', '{{read},{dial}}')), '^22023: ', format('%s(): rights in two dimensions', f.name))
FROM (VALUES ('grant_privilege'), ('revoke_privilege')) AS f(name);
SELECT t.refused(format('SELECT recall.%s(2147483647, %L, %L)', f.name, 't_read', '{read}'), '42501', 'permission denied for tenant 2147483647, right "manage"',
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', format('%s(): no tenant', f.name))
FROM (VALUES ('grant_privilege'), ('revoke_privilege')) AS f(name);

-- A member that was dropped from the cluster harms nobody.
CREATE ROLE t_leaver;
SELECT recall.grant_privilege(:acme, 't_leaver', '{read}');
DROP OWNED BY t_leaver;
DROP ROLE t_leaver;
SELECT matches(t.try('SELECT count(*) FROM recall.preview($, 1)', :acme, 't_read'), '^[0-9]+$', 'others go on when a member''s role is dropped');
SELECT matches(t.try('SELECT count(*) FROM recall.preview($, 1)', :acme, 't_dial'), '^42501', 'and nobody gains by it');

SELECT * FROM finish();
ROLLBACK;
