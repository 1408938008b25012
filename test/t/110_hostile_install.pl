# Somebody who may create things in the database prepares it for the day on which a superuser installs recall, and for
# the days on which others use it. Nothing that he leaves about runs as anybody but himself.
#
# What he plants calls spy(), which notes as whom it runs. mallory is that somebody; alice is an honest member of the same
# tenant, bob one of another.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('hostile');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\ntimezone = 'UTC'\nmax_locks_per_transaction = 256\n");
$node->start;
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN") foreach 'mallory', 'alice', 'bob';

# Run statements as a role and return status, output and errors.
sub run
{
	my ($database, $role, $query) = @_;

	return $node->psql($database, $query, connstr => $node->connstr($database) . " user='$role'",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
}

# Run statements that must work as a role, the superuser when none is named.
sub must
{
	my ($database, $query, $role) = @_;

	return $node->safe_psql($database, $query) unless defined $role;
	return $node->safe_psql($database, $query, connstr => $node->connstr($database) . " user='$role'");
}

# Ask the superuser, on a path without anything of mallory's.
sub look
{
	my ($database, $query) = @_;

	return must($database, "SET search_path = pg_catalog; $query");
}

# Assert that a statement fails with an SQLSTATE and words.
sub fails
{
	my ($database, $role, $query, $sqlstate, $words, $name) = @_;
	my (undef, undef, $err) = run($database, $role, $query);

	return like($err, qr/ERROR:  $sqlstate: .*$words/s, $name);
}

# Create a database in which mallory may create things, and his spy.
sub create_database
{
	my ($database) = @_;

	must('postgres', "CREATE DATABASE $database");
	must('postgres', "GRANT CREATE ON DATABASE $database TO mallory");
	must($database, 'GRANT CREATE ON SCHEMA public TO PUBLIC');
	must($database, <<'END', 'mallory');
		CREATE SCHEMA mallory;
		GRANT ALL ON SCHEMA mallory TO PUBLIC;
		CREATE TABLE mallory.seen (who name, login name, what text);
		GRANT INSERT ON mallory.seen TO PUBLIC;
		CREATE FUNCTION mallory.spy(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
		BEGIN
			INSERT INTO mallory.seen VALUES (current_user, session_user, what);
			RETURN true;
		END $$;
END
	return;
}

# Assert that nothing of mallory's has run as somebody else.
sub unseen
{
	my ($database, $name) = @_;

	return is(look($database, q{SELECT DISTINCT who, login, what FROM mallory.seen WHERE who <> 'mallory' ORDER BY 1, 2, 3 LIMIT 20}), '', $name);
}

# Assert that recall is not there, and neither is a part of it.
sub absent
{
	my ($database, $name) = @_;

	return is(look($database, q{
		SELECT 'extension' FROM pg_extension WHERE extname = 'recall'
		UNION ALL SELECT evtname FROM pg_event_trigger WHERE evtname ~ 'recall'
		UNION ALL SELECT n.nspname FROM pg_namespace n WHERE n.nspname = 'recall' AND pg_get_userbyid(n.nspowner) <> 'mallory'
		UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.probin = '$libdir/recall'
		UNION ALL SELECT o.oid::regoperator::text FROM pg_operator o WHERE o.oid >= 16384 AND o.oprnamespace = 'pg_catalog'::regnamespace}), '', $name);
}

# What is there before. Nothing is taken over, and a failure leaves nothing behind.

create_database('taken');
must('taken', <<'END', 'mallory');
	CREATE SCHEMA recall;
	CREATE TYPE recall.policy AS (evil text);
	CREATE TABLE recall.tenant (tenant_id int, name text);
	CREATE FUNCTION recall._require(tenant_id int, required text) RETURNS boolean LANGUAGE sql AS $$ SELECT mallory.spy('_require') $$;
	CREATE FUNCTION recall._is_owner() RETURNS boolean LANGUAGE sql AS $$ SELECT mallory.spy('_is_owner') $$;
END
fails('taken', 'postgres', 'CREATE EXTENSION recall', '42P06', 'schema "recall" already exists', 'a schema of that name: refused');
absent('taken', '... and nothing is left behind');
fails('taken', 'postgres', 'CREATE EXTENSION IF NOT EXISTS recall CASCADE', '42P06', 'already exists', 'IF NOT EXISTS and CASCADE: refused');
fails('taken', 'postgres', 'CREATE EXTENSION recall SCHEMA recall', '0A000', 'must be installed in schema "pg_catalog"', 'into that schema: refused');
fails('taken', 'postgres', 'CREATE EXTENSION recall SCHEMA public', '0A000', 'must be installed in schema "pg_catalog"', 'into another one: refused');
fails('taken', 'mallory', 'CREATE EXTENSION recall', '42501', 'permission denied', 'by somebody who is no superuser: refused');
fails('taken', 'mallory', $_, '42501', '(?:permission denied|must be superuser|must be owner)', "mallory: no $_") foreach
	'CREATE EVENT TRIGGER evil ON ddl_command_end EXECUTE FUNCTION recall._is_owner()',
	'CREATE FUNCTION mallory.c() RETURNS int LANGUAGE c AS $$$libdir/recall$$, $$recall_is_owner$$',
	'CREATE CAST (text AS jsonb) WITHOUT FUNCTION',
	'CREATE FUNCTION pg_catalog.evil() RETURNS int LANGUAGE sql RETURN 1';
absent('taken', '... and still nothing is there');
unseen('taken', 'nothing of mallory\'s has run');
is(look('taken', q{SELECT count(*) FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid WHERE n.nspname = 'recall' AND d.deptype = 'n'}),
	'4', 'what mallory made is as it was');

# An event trigger that says no in the middle of it.
create_database('stopped');
must('stopped', <<'END');
	CREATE FUNCTION public.no_views() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		RAISE 'no views here';
	END $$;
	CREATE EVENT TRIGGER no_views ON ddl_command_end WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION public.no_views();
END
fails('stopped', 'postgres', 'CREATE EXTENSION recall', 'P0001', 'no views here', 'an event trigger in the way: refused');
absent('stopped', '... and nothing is left behind');
must('stopped', <<'END');
	DROP EVENT TRIGGER no_views;
	CREATE TABLE public.made (what text);
	CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.made SELECT object_identity FROM pg_event_trigger_ddl_commands();
	END $$;
	CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION public.note_ddl();
	CREATE EXTENSION recall;
END
is(look('stopped', q{SELECT count(*) > 100 FROM public.made WHERE what ~ '^recall'}), 't', 'one that only looks on: installed');
must('stopped', 'DROP EXTENSION recall');
absent('stopped', '... and dropped');

# What the installing role gives away by default.
must('stopped', <<'END');
	DROP EVENT TRIGGER note_ddl;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO mallory, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO mallory, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO mallory;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO mallory, PUBLIC;
	CREATE EXTENSION recall;
END
is(look('stopped', q{
	SELECT format('%s: %s', r, o.name)
	FROM unnest('{mallory,public,bob}'::text[]) r, LATERAL (
		SELECT n.nspname AS name FROM pg_namespace n WHERE n.nspname = 'recall' AND has_schema_privilege(r, n.oid, 'USAGE, CREATE')
		UNION ALL
		SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace
		AND CASE WHEN c.relkind IN ('r', 'v') THEN has_table_privilege(r, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
			WHEN c.relkind = 'S' THEN has_sequence_privilege(r, c.oid, 'USAGE, SELECT, UPDATE') END
		UNION ALL
		SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'recall'::regnamespace AND p.prosecdef
		AND p.proname <> 'failure_cause' AND has_function_privilege(r, p.oid, 'EXECUTE')) o}), '', 'default privileges give nobody anything of recall');

# Everything of pg_catalog once more, in a schema that comes first: each function and operator that a user can make
# again, calling the spy; relations and types of the names that recall uses.

create_database('everybody');
must('everybody', <<'END', 'mallory');
	CREATE FUNCTION mallory.plant() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $plant$
	DECLARE
		p record;
	BEGIN
		FOR p IN
			SELECT f.proname, pg_get_function_identity_arguments(f.oid) AS arguments, f.prorettype::regtype AS result, f.proretset
			FROM pg_proc f
			WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.prokind = 'f' AND f.provariadic = 0
			AND f.proallargtypes IS NULL
			AND NOT EXISTS (SELECT FROM unnest(f.proargtypes::oid[] || f.prorettype) t JOIN pg_type y ON y.oid = t
				WHERE y.typtype = 'p' AND y.typname NOT IN ('anyelement', 'anyarray', 'anyenum'))
			AND (f.prorettype NOT IN ('anyelement'::regtype, 'anyarray'::regtype) OR f.proargtypes::oid[] && '{anyelement,anyarray}'::regtype[]::oid[])
		LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s%s LANGUAGE plpgsql SET search_path = pg_catalog AS %L',
					p.proname, p.arguments, CASE WHEN p.proretset THEN 'SETOF ' END, p.result,
					CASE WHEN p.proretset THEN format('BEGIN PERFORM mallory.spy(%L); RETURN; END', p.proname)
						ELSE format('BEGIN PERFORM mallory.spy(%L); RETURN NULL; END', p.proname) END);
			EXCEPTION WHEN OTHERS THEN
				NULL; -- what cannot be made again
			END;
		END LOOP;
		FOR p IN
			SELECT o.oprname, format_type(nullif(o.oprleft, 0), NULL) AS lefts, format_type(o.oprright, NULL) AS rights, o.oprresult::regtype AS result
			FROM pg_operator o
			WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprresult::regtype::text !~ '^any'
			AND (o.oprleft IN (0, 16, 18, 19, 20, 21, 23, 25, 26, 700, 701, 1184, 1186, 1700, 2205, 2206, 3802, 1009, 1016, 2277, 2776, 2283, 3500)
				OR o.oprleft::regtype::text ~ 'any')
			AND o.oprright <> 'internal'::regtype AND o.oprleft <> 'cstring'::regtype
		LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION mallory.op(%s) RETURNS %s LANGUAGE plpgsql SET search_path = pg_catalog AS %L',
					concat_ws(', ', p.lefts, p.rights), p.result, 'BEGIN PERFORM mallory.spy(''operator''); RETURN NULL; END');
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
			BEGIN
				EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = mallory.op, RIGHTARG = %s%s)', p.oprname, p.rights,
					CASE WHEN p.lefts <> '-' THEN ', LEFTARG = ' || p.lefts END);
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
	END $plant$;
	SELECT mallory.plant();
	-- More particular than what takes "any" or is variadic.
	CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('format'); RETURN $1; END $$;
	CREATE FUNCTION public.format(text, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('format'); RETURN $1; END $$;
	CREATE FUNCTION public.concat(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('concat'); RETURN $1; END $$;
	CREATE FUNCTION public.coalesce(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('coalesce'); RETURN $1; END $$;
	CREATE FUNCTION public.jsonb_build_object(text, text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('jsonb_build_object'); RETURN '{}'; END $$;
	CREATE FUNCTION public.step(bigint, bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('aggregate'); RETURN $1; END $$;
	CREATE AGGREGATE public.max(bigint) (SFUNC = public.step, STYPE = bigint, INITCOND = '0');
	CREATE AGGREGATE public.min(bigint) (SFUNC = public.step, STYPE = bigint, INITCOND = '0');
	CREATE AGGREGATE public.count(bigint) (SFUNC = public.step, STYPE = bigint, INITCOND = '0');
	CREATE VIEW public.pg_proc AS SELECT p.* FROM pg_catalog.pg_proc p WHERE mallory.spy('pg_proc');
	CREATE VIEW public.pg_class AS SELECT p.* FROM pg_catalog.pg_class p WHERE mallory.spy('pg_class');
	CREATE VIEW public.pg_roles AS SELECT p.* FROM pg_catalog.pg_roles p WHERE mallory.spy('pg_roles');
	CREATE VIEW public.pg_extension AS SELECT p.* FROM pg_catalog.pg_extension p WHERE mallory.spy('pg_extension');
	CREATE VIEW public.pg_namespace AS SELECT p.* FROM pg_catalog.pg_namespace p WHERE mallory.spy('pg_namespace');
	CREATE DOMAIN public.text AS pg_catalog.text CHECK (mallory.spy('text'));
	CREATE DOMAIN public.int4 AS pg_catalog.int4 CHECK (mallory.spy('int4'));
	CREATE DOMAIN public.int8 AS pg_catalog.int8 CHECK (mallory.spy('int8'));
	CREATE DOMAIN public.jsonb AS pg_catalog.jsonb CHECK (mallory.spy('jsonb'));
	CREATE DOMAIN public.name AS pg_catalog.name CHECK (mallory.spy('name'));
	CREATE DOMAIN public.regclass AS pg_catalog.regclass CHECK (mallory.spy('regclass'));
	CREATE DOMAIN public.regrole AS pg_catalog.regrole CHECK (mallory.spy('regrole'));
	CREATE DOMAIN public.timestamptz AS pg_catalog.timestamptz CHECK (mallory.spy('timestamptz'));
	CREATE DOMAIN public.date AS pg_catalog.date CHECK (mallory.spy('date'));
	CREATE TYPE public.policy AS ENUM ('evil');
	CREATE TYPE public.privilege AS ENUM ('read', 'manage', 'recycle', 'dial');
	-- Casts to and from a type of his own.
	CREATE TYPE public.thing AS (evil pg_catalog.text);
	CREATE FUNCTION public.to_text(public.thing) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('cast'); RETURN '1'; END $$;
	CREATE FUNCTION public.to_numbers(public.thing) RETURNS pg_catalog.text[] LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('cast to numbers'); RETURN '{+4930123999}'; END $$;
	CREATE FUNCTION public.from_text(pg_catalog.text) RETURNS public.thing LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('cast'); RETURN NULL; END $$;
	CREATE FUNCTION public.from_int(pg_catalog.int4) RETURNS public.thing LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('cast'); RETURN NULL; END $$;
	CREATE CAST (public.thing AS pg_catalog.text) WITH FUNCTION public.to_text AS IMPLICIT;
	CREATE CAST (public.thing AS pg_catalog.text[]) WITH FUNCTION public.to_numbers AS ASSIGNMENT;
	CREATE CAST (pg_catalog.text AS public.thing) WITH FUNCTION public.from_text AS IMPLICIT;
	CREATE CAST (pg_catalog.int4 AS public.thing) WITH FUNCTION public.from_int AS IMPLICIT;
	ALTER ROLE mallory SET search_path = public, pg_temp, pg_catalog;
END
my ($functions, $operators) = split /\|/, look('everybody', q{
	SELECT (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace),
		(SELECT count(*) FROM pg_operator o WHERE o.oprnamespace = 'public'::regnamespace)});
cmp_ok($functions, '>', 1000, "there are $functions functions in public");
cmp_ok($operators, '>', 150, "and $operators operators");
must('everybody', 'ALTER DATABASE everybody SET search_path = public, mallory, pg_catalog, pg_temp');

# What would happen to somebody who is not careful: the spy sees it.
must('everybody', <<'END');
	CREATE SCHEMA careful;
	CREATE FUNCTION careful.careless() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN lower('A') = 'a' AND 1 < 2; END $$;
	SELECT careful.careless();
END
is(look('everybody', q{SELECT DISTINCT who FROM mallory.seen}), 'postgres', 'the spy sees what runs as somebody else');
is(look('everybody', q{SELECT count(DISTINCT what) > 1 FROM mallory.seen}), 't', 'a function and an operator');
must('everybody', 'TRUNCATE mallory.seen');

$node->safe_psql('everybody', 'CREATE EXTENSION recall');
unseen('everybody', 'installing runs nothing of mallory\'s');
is(look('everybody', q{
	SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
	FROM pg_catalog.pg_depend d, pg_catalog.pg_depend e, pg_catalog.pg_extension x
	WHERE x.extname = 'recall' AND e.refobjid = x.oid AND e.deptype = 'e'
	AND d.classid = e.classid AND d.objid = e.objid
	AND EXISTS (SELECT FROM pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) i
		WHERE i.schema = ANY ('{public,mallory}'::text[]))}),
	'', 'nothing of recall depends on anything of mallory\'s');

# Using it, everybody with that path. mallory also makes operators for recall's own types.
must('everybody', <<'END');
	SELECT recall.create_tenant('Acme', 'Europe/Berlin'), recall.create_tenant('Bell');
	SELECT recall.grant_privilege(1, 'mallory', '{read,manage,recycle,dial}'), recall.grant_privilege(1, 'alice', '{read,manage,recycle,dial}');
	SELECT recall.grant_privilege(2, 'bob', '{read,manage,recycle,dial}');
	SELECT recall.set_tenant(1, recycle_limit => 1000), recall.grant_scheduler('bob'), recall.revoke_scheduler('bob');
END
must('everybody', <<'END', 'mallory');
	CREATE FUNCTION public.evil(recall.policy, recall.policy) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('policy'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.failure_cause, recall.failure_cause) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('cause'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.dial_state, recall.dial_state) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('state'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.task_state, recall.task_state) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('state'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.batch_state, recall.batch_state) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('state'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.recycle_state, recall.recycle_state) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('state'); RETURN true; END $$;
	CREATE FUNCTION public.evil(recall.privilege[], recall.privilege[]) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.spy('rights'); RETURN true; END $$;
	DO $$
	DECLARE
		t text;
		o text;
	BEGIN
		FOREACH t IN ARRAY '{recall.policy,recall.failure_cause,recall.dial_state,recall.task_state,recall.batch_state,recall.recycle_state,recall.privilege[]}'::text[] LOOP
			FOREACH o IN ARRAY '{=,<>,<,>,<=,>=,<@,@>}'::text[] LOOP
				EXECUTE pg_catalog.format('CREATE OPERATOR public.%s (FUNCTION = public.evil, LEFTARG = %s, RIGHTARG = %2$s)', o, t);
			END LOOP;
		END LOOP;
	END $$;
END

# One pass through everything, by a role.
sub story
{
	my ($tenant) = @_;

	return <<"END";
		SELECT recall.set_holidays($tenant, '{2026-12-25}'), recall.create_business_result($tenant, 'callback', 'Call back');
		SELECT recall.create_task($tenant, 'Winter', 'predicted', 'busy, no_answer after 1 min; result callback; limit 9; limit 20 per 24 h per number', '24/7');
		SELECT recall.set_policy($tenant, 1, 'failed after 1 min; limit 9; limit 20 per 24 h per number'), recall.set_calling_hours($tenant, 1, '00:00-24:00');
		SELECT recall.set_auto_recall($tenant, 1, true), recall.create_batch($tenant, 1, 'First'), recall.start_task($tenant, 1), recall.start_batch($tenant, 1);
		SELECT recall.add_contact($tenant, 1, '{+4930123000}'), recall.add_contact($tenant, 1, '{+4930123001,+4930123901}', 'Europe/Paris', 1, 'ref', '{"a": 1}');
		SELECT recall.add_contact($tenant, 1, '{+4930123002}'), recall.add_contact($tenant, 1, '{+4930123003}'), recall.add_contact($tenant, 1, '{+4930123004}');
		CREATE TEMPORARY TABLE people AS SELECT '{+4930123111}'::pg_catalog.text[] AS numbers, 'x'::pg_catalog.text AS other;
		SELECT recall.add_contacts($tenant, 1, 'people');
		SELECT recall.record_call($tenant, 1, 'busy', NULL), recall.record_call($tenant, 2, NULL, 'callback', '+4930123001', now(), now(), 'SIP 486', 'carla');
		CREATE TEMPORARY TABLE calls AS SELECT 3::pg_catalog.int8 AS contact_id, 'busy'::recall.failure_cause AS failure_cause;
		SELECT recall.record_calls($tenant, 'calls');
		SELECT contact_id, token FROM recall.claim($tenant, 1, 1, '10 min', 'dialer') \\gset
		SELECT recall.extend($tenant, :contact_id, :token, '20 min'), recall.release($tenant, :contact_id, :token);
		SELECT contact_id, token FROM recall.claim($tenant, 1) \\gset
		SELECT recall.report($tenant, :contact_id, :token, recall.failure_cause('sip', '486'), NULL, NULL, NULL);
		SELECT recall.report($tenant, :contact_id, :token, 'busy', 'callback', NULL, NULL);
		SELECT contact_id, token FROM recall.claim($tenant, 1) \\gset
		SELECT recall.report_many($tenant, ARRAY[:contact_id], ARRAY[:token], '{busy}', '{callback}', NULL, NULL);
		SELECT recall.schedule_callback($tenant, 1, now()), recall.suppress($tenant, '+4930123999'), recall.unsuppress($tenant, '+4930123999');
		SELECT recall.preview($tenant, 1); SELECT recall.explain($tenant, 1); SELECT recall.simulate($tenant, 1, 'busy'); SELECT recall.simulate_attempts($tenant, 1, 'busy');
		SELECT recall.recycle($tenant, 1), recall.withdraw_recycle($tenant, 1), recall.cancel_recycle($tenant, 1), recall.recycle($tenant, 1);
		SELECT recall.health(); SELECT recall.policy_presets(); SELECT recall.calling_hours_presets(); SELECT recall.policy_diff('busy', 'failed; limit 3');
		SELECT recall.judge('busy', NULL, '{+4930123000}'), recall.matches('busy', 'busy', NULL), recall.policy('{busy}', '{callback}');
		SELECT 'busy'::recall.policy::pg_catalog.jsonb::recall.policy; SELECT recall.policy_rules('busy'); SELECT recall.policy_limits('busy; limit 3');
		SELECT recall.is_open('24/7', 'UTC', now()), recall.next_open('24/7', 'UTC', now()), recall.transition('task', 'draft', 'executing');
		SELECT recall.failure_causes(); SELECT recall.state_transitions();
		TABLE recall.task_overview; TABLE recall.batch_overview; TABLE recall.completed_call; TABLE recall.recycle_record; TABLE recall.redial;
		TABLE recall.permit; TABLE recall.audit; TABLE recall.suppressed_number;
END
}
my %stories = (alice => 1, bob => 2);
foreach my $role (sort keys %stories)
{
	my ($status, undef, $err) = run('everybody', $role, story($stories{$role}) =~ s/\bnow\(\)/pg_catalog.now()/gr);

	is($status, 0, "$role goes through everything") or diag($err);
}
# What alice and bob write themselves finds mallory's things on their path; what recall runs for them does not.
is(look('everybody', q{SELECT DISTINCT who, login FROM mallory.seen WHERE who <> login}), '', 'nothing of mallory\'s runs as the owner');
unseen('everybody', 'nor as alice or bob, whose own statements were careful');
$node->safe_psql('everybody', $_) foreach 'CALL recall.process()', 'SELECT recall.retry_recycle(1, 2) FROM recall.recycle_record WHERE false', 'SELECT recall.health()';
is(look('everybody', q{SELECT count(*) FROM recall.recycle WHERE state = 'completed'}), '2', 'the processor has done its work');
run('everybody', 'alice', 'SELECT recall.pause_recycle(1, 2)');
run('everybody', 'alice', $_) foreach 'SELECT recall.suspend_batch(1, 1), recall.suspend_task(1, 1)', 'SELECT recall.finish_batch(1, 1)', 'SELECT recall.complete_task(1, 1)';
must('everybody', q{SELECT recall.revoke_privilege(1, 'alice', '{read,manage,recycle,dial}'), recall.grant_privilege(1, 'alice', '{read,manage,recycle,dial}')});
unseen('everybody', 'the processor, and the end of it all, run nothing of mallory\'s');
is(look('everybody', q{SELECT recall.start_task(1, recall.create_task(1, 'Summer', 'robot', 'failed')), recall.start_batch(1, recall.create_batch(1, 2, 'Second'))}), '|', 'once more');

# mallory's temporary objects, in his own session.
{
	my ($status, undef, $err) = run('everybody', 'mallory', <<'END');
		SET search_path = pg_temp, public, pg_catalog;
		CREATE TEMPORARY VIEW pg_class AS SELECT p.* FROM pg_catalog.pg_class p WHERE mallory.spy('temporary');
		CREATE TEMPORARY VIEW pg_proc AS SELECT p.* FROM pg_catalog.pg_proc p WHERE mallory.spy('temporary');
		CREATE TEMPORARY TABLE tenant (tenant_id pg_catalog.int4); CREATE TEMPORARY TABLE event (x pg_catalog.int4); CREATE TEMPORARY TABLE pg_roles (oid pg_catalog.oid);
		CREATE DOMAIN pg_temp.interval AS pg_catalog.interval CHECK (mallory.spy('temporary'));
		CREATE DOMAIN pg_temp.bool AS pg_catalog.bool CHECK (mallory.spy('temporary'));
		SELECT recall.add_contact(1, 2, '{+4930124000}'), recall.add_contact(1, 2, '{+4930124001}');
		SELECT recall.record_call(1, pg_catalog.max(contact_id), 'busy', NULL) FROM recall.permit;
		SELECT recall.claim(1, 2); SELECT recall.preview(1, 2); SELECT recall.explain(1, 1); SELECT recall.recycle(1, 2); SELECT recall.health();
END
	is($status, 0, 'with temporary objects of those names') or diag($err);
}
unseen('everybody', '... nothing of mallory\'s runs as the owner');

# Bulk sources that are made to run something: all of it runs as who asked.
must('everybody', <<'END', 'mallory');
	CREATE VIEW mallory.by_view AS SELECT '{+4930125001}'::pg_catalog.text[] AS numbers WHERE mallory.spy('view');
	CREATE TABLE mallory.by_cast (numbers public.thing);
	INSERT INTO mallory.by_cast VALUES (ROW('x')::public.thing);
	CREATE TABLE mallory.by_rls (numbers pg_catalog.text[]);
	INSERT INTO mallory.by_rls VALUES ('{+4930125003}');
	ALTER TABLE mallory.by_rls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY p ON mallory.by_rls USING (mallory.spy('row level security'));
	CREATE FUNCTION mallory.pure(pg_catalog.text) RETURNS pg_catalog.bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN mallory.spy('index'); END $$;
	CREATE TABLE mallory.by_index (numbers pg_catalog.text[], time_zone pg_catalog.text);
	INSERT INTO mallory.by_index VALUES ('{+4930125004}', 'UTC');
	CREATE INDEX ON mallory.by_index (mallory.pure(time_zone)) WHERE mallory.pure(time_zone);
	CREATE FUNCTION mallory.rows() RETURNS SETOF mallory.by_index LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM mallory.spy('function');
		PERFORM pg_catalog.set_config('search_path', 'public, mallory, pg_catalog', false);
		SET enable_seqscan = off;
		RETURN QUERY SELECT '{+4930125005}'::pg_catalog.text[], NULL::pg_catalog.text;
	END $$;
	CREATE VIEW mallory.by_function AS SELECT * FROM mallory.rows();
	GRANT SELECT ON ALL TABLES IN SCHEMA mallory TO alice;
	CREATE FUNCTION mallory.become() RETURNS SETOF mallory.by_index LANGUAGE plpgsql AS $$
	DECLARE
		attempt pg_catalog.text;
	BEGIN
		FOREACH attempt IN ARRAY ARRAY['SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'SET LOCAL role = none',
			'SELECT recall.grant_privilege(2, ''mallory'', ''{read}'')', 'INSERT INTO recall.member VALUES (2, ''mallory'', ''{read}'')',
			'SELECT recall._caller()', 'ALTER EXTENSION recall UPDATE', 'SET session_replication_role = replica']
		LOOP
			BEGIN
				EXECUTE attempt;
				PERFORM mallory.spy('could ' OPERATOR(pg_catalog.||) attempt);
				RAISE WARNING 'could %', attempt;
			EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value OR active_sql_transaction OR feature_not_supported OR object_not_in_prerequisite_state THEN
				NULL;
			END;
		END LOOP;
		RETURN;
	END $$;
	CREATE VIEW mallory.by_becoming AS SELECT * FROM mallory.become();
	CREATE FUNCTION mallory.finish() RETURNS SETOF mallory.by_index LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM recall.finish_batch(1, 3);
		RETURN QUERY SELECT '{+4930125006}'::pg_catalog.text[], NULL::pg_catalog.text;
	END $$;
	CREATE VIEW mallory.by_finishing AS SELECT * FROM mallory.finish();
	CREATE VIEW mallory.own AS SELECT contact_id, 'busy'::recall.failure_cause AS failure_cause FROM recall.permit WHERE number OPERATOR(pg_catalog.=) '+4930125001';
END
my ($status, $out, $err);
foreach my $source ('by_view', 'by_cast', 'by_rls', 'by_index', 'by_function')
{
	must('everybody', 'TRUNCATE mallory.seen');
	($status, $out, $err) = run('everybody', 'mallory', "SELECT recall.add_contacts(1, 2, 'mallory.$source')");
	is($status, 0, "a source $source, by mallory") or diag($err);
	unseen('everybody', '... runs as mallory alone');
	isnt(look('everybody', 'SELECT count(*) FROM mallory.seen'), '0', '... and does run') unless $source eq 'by_index';
	must('everybody', 'TRUNCATE mallory.seen');
	run('everybody', 'alice', "SELECT recall.add_contacts(1, 2, 'mallory.$source')");
	# A view's functions run as whoever reads it, as in PostgreSQL everywhere: alice trusted him.
	is(look('everybody', q{SELECT count(*) FROM mallory.seen WHERE who <> ALL ('{alice,mallory}'::name[])}), '0', "... by alice, nothing runs as the owner");
	must('everybody', 'TRUNCATE mallory.seen');
}
($status, $out, $err) = run('everybody', 'mallory', q{SELECT recall.add_contacts(1, 2, 'mallory.by_becoming')});
is($status, 0, 'a source that would be somebody else') or diag($err);
unlike($err, qr/could/, '... could not');
is(look('everybody', q{SELECT count(*) FROM recall.member WHERE tenant_id = 2}), '1', '... nor give a right');
must('everybody', q{SELECT recall.create_batch(1, 2, 'Third'), recall.start_batch(1, 3)});
fails('everybody', 'mallory', q{SELECT recall.add_contacts(1, 3, 'mallory.by_finishing')}, '55000', 'recall is reading a bulk source', 'a source that finishes the batch meanwhile: refused');
($status, $out, $err) = run('everybody', 'mallory', q{SELECT recall.record_calls(1, 'mallory.own')});
is($status, 0, 'a source that is a view on recall itself') or diag($err);
is($out, '2', '... which shows the caller his own, once by mallory and once by alice');
fails('everybody', 'mallory', "SELECT recall.add_contacts(1, 2, '$_')", '42501', 'permission denied', "a source that he may not read: $_") foreach
	'recall.contact', 'pg_catalog.pg_authid', 'recall.member';

# Whoever maintains the database runs index expressions and views as their owner, but is not asking recall for him.
must('everybody', <<'END', 'mallory');
	SET search_path = pg_catalog;
	CREATE TABLE mallory.worn (x int);
	INSERT INTO mallory.worn SELECT generate_series(1, 100);
	CREATE TABLE mallory.got (what text);
	CREATE FUNCTION mallory.get(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO mallory.got VALUES (what)';
	CREATE FUNCTION mallory.try(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
	DECLARE
		attempt text;
	BEGIN
		FOREACH attempt IN ARRAY ARRAY['SELECT recall.grant_privilege(2, ''mallory'', ''{read,manage,recycle,dial}'')', 'SELECT recall.create_tenant(''mine'')',
			'SELECT recall.recycle(2, 1)', 'SELECT 1 / count(*) FROM recall.task_overview WHERE tenant_id = 2', 'SELECT recall.explain(2, 1)', 'SELECT recall.suppress(2, ''+4930123111'')']
		LOOP
			BEGIN
				EXECUTE attempt;
				PERFORM mallory.get(attempt);
			EXCEPTION WHEN insufficient_privilege OR division_by_zero OR object_not_in_prerequisite_state THEN
				NULL;
			END;
		END LOOP;
		RETURN x;
	END $$;
	CREATE INDEX worn_try ON mallory.worn (mallory.try(x));
	CREATE MATERIALIZED VIEW mallory.kept AS SELECT mallory.try(1) AS x;
	CREATE UNIQUE INDEX ON mallory.kept (x);
END
foreach my $maintenance ('ANALYZE mallory.worn', 'REINDEX INDEX mallory.worn_try', 'REINDEX TABLE CONCURRENTLY mallory.worn', 'VACUUM FULL mallory.worn',
	'CLUSTER mallory.worn USING worn_try', 'VACUUM ANALYZE mallory.worn', 'CREATE INDEX again ON mallory.worn (mallory.try(x))',
	'REFRESH MATERIALIZED VIEW mallory.kept', 'REFRESH MATERIALIZED VIEW CONCURRENTLY mallory.kept', 'ANALYZE')
{
	must('everybody', $maintenance);
	is(look('everybody', 'SELECT DISTINCT what FROM mallory.got'), '', "$maintenance, by a superuser, gives mallory nothing");
}
fails('everybody', 'mallory', 'CREATE MATERIALIZED VIEW mallory.all_tasks AS SELECT * FROM recall.task_overview', '42501', 'security-restricted operation',
	'a materialized view of recall\'s views, which would show what whoever refreshes it sees: refused');
must('everybody', 'CREATE MATERIALIZED VIEW mallory.later AS SELECT * FROM recall.task_overview WITH NO DATA', 'mallory');
fails('everybody', 'postgres', 'REFRESH MATERIALIZED VIEW mallory.later', '42501', 'security-restricted operation', '... also later, by a superuser');

# Equality is not for the caller to say.
SKIP:
{
	skip 'a server without ICU', 4 unless $node->safe_psql('everybody', q{SELECT pg_catalog.count(*) FROM pg_catalog.pg_collation WHERE collprovider OPERATOR(pg_catalog.=) 'i'});
	must('everybody', q{CREATE COLLATION mallory.loose (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false)}, 'mallory');
	must('everybody', q{SELECT recall.create_business_result(1, 'SOLD', 'Sold'), recall.add_contact(1, 2, '{+4930126000}', priority => 9)});
	my $contact = must('everybody', q{SELECT pg_catalog.max(contact_id) FROM recall.contact WHERE tenant_id OPERATOR(pg_catalog.=) 1});
	fails('everybody', 'mallory', "SELECT recall.record_call(1, $contact, NULL, 'sold' COLLATE mallory.loose)", '22023', 'business result "sold" does not exist', 'record_call(): a result that is only alike');
	fails('everybody', 'mallory', "SELECT recall.record_call(1, $contact, NULL, NULL, '+49-30-126000' COLLATE mallory.loose)", '22023', 'is not one of contact', 'record_call(): a number that is only alike');
	my ($token) = must('everybody', q{SELECT token FROM recall.claim(1, 2)}, 'mallory');
	fails('everybody', 'mallory', "SELECT recall.report(1, $contact, $token, NULL, 'sold' COLLATE mallory.loose, NULL, NULL)", '22023', 'business result "sold" does not exist', 'report(): a result that is only alike');
	fails('everybody', 'mallory', "SELECT recall.report_many(1, ARRAY[$contact], ARRAY[$token], NULL, ARRAY['sold' COLLATE mallory.loose], NULL, NULL)", '22023', 'business result "sold" does not exist',
		'report_many(): a result that is only alike');
}

must('everybody', 'ALTER DATABASE everybody RESET search_path');
must('everybody', 'DROP EXTENSION recall CASCADE');
absent('everybody', 'dropped, and nothing is left behind');

$node->stop;
done_testing();
