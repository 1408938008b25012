# Plans over the tables of recall are not shown to members: EXPLAIN in all its forms, also as the first statement of a
# session, and debug_print_plan; modules that look into every query go on. What a view reads is read along indexes, whatever the
# settings, so that what a condition finds in other tenants' rows changes nothing. And what doc/security.md says closes statistics does.

use strict;
use warnings;

use List::Util qw(uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plans');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements'\njit_above_cost = 0\n");
$node->start;
$node->safe_psql('postgres', <<'END');
	CREATE EXTENSION recall;
	CREATE EXTENSION pg_stat_statements;
	CREATE TABLE public.own AS SELECT i FROM generate_series(1, 100) i;
	GRANT SELECT ON public.own TO PUBLIC;
	SELECT recall.create_tenant(n) FROM unnest('{Acme,Bell}'::text[]) n;
	SELECT recall.create_task(2, 'secret ' || i, 'robot', 'busy', '24/7') FROM generate_series(1, 500) i;
	SELECT recall.create_task(1, 'task', 'robot', 'busy', '24/7');
	SELECT recall.create_batch(1, 1, 'batch');
	SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
	SELECT recall.record_call(1, recall.add_contact(1, 1, ARRAY['+4930123456' || i]), 'busy', NULL) FROM generate_series(1, 9) i;
	CREATE ROLE member LOGIN;
	SELECT recall.grant_privilege(1, 'member', '{read,manage,recycle,dial}');
	CREATE ROLE deputy LOGIN;
	SELECT format('GRANT %I TO deputy', current_user) \gexec
	ANALYZE;
END

# Run statements as a role, or as the superuser that made the cluster, in a session of their own, and return the output and the errors in one.
sub session
{
	my ($role, $sql, @settings) = @_;

	local $ENV{PGOPTIONS} = join(' ', map { "-c $_" } @settings);
	my (undef, $out, $err) = $node->psql('postgres', $sql, extra_params => [ defined $role ? ('-U', $role) : () ], on_error_stop => 0);
	return "$out\n$err";
}

my $refused = qr/ERROR:  permission denied to explain a query that uses recall\nHINT:  A plan tells/;
my $has_numbers = qr/rows=|Rows Removed|plan_rows/;

# Each is the first statement of its session, which loads the library, and comes again.
my $query = 'SELECT count(*) FROM recall.task_overview WHERE tenant_id = 2';
my %ways = (
	'EXPLAIN' => "EXPLAIN $query",
	'EXPLAIN ANALYZE' => "EXPLAIN ANALYZE $query",
	'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)' => "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) $query",
	'EXPLAIN EXECUTE' => "PREPARE p AS $query; EXPLAIN EXECUTE p",
	'EXPLAIN ANALYZE EXECUTE' => "PREPARE p AS $query; EXPLAIN ANALYZE EXECUTE p",
	'EXPLAIN DECLARE CURSOR' => "EXPLAIN DECLARE c CURSOR FOR $query",
	'EXPLAIN CREATE TABLE AS' => "EXPLAIN ANALYZE CREATE TEMP TABLE x AS $query",
	'EXPLAIN with a join' => 'EXPLAIN SELECT * FROM public.own JOIN recall.task_overview t ON t.task_id = own.i',
	'EXPLAIN with a sublink' => 'EXPLAIN SELECT i, (SELECT count(*) FROM recall.audit) FROM public.own',
	'EXPLAIN in PL/pgSQL' => "DO \$\$ DECLARE l text; BEGIN EXECUTE 'EXPLAIN ANALYZE $query' INTO l; RAISE NOTICE '%', l; END \$\$",
	'EXPLAIN of a view of its own' => "CREATE TEMP VIEW v AS $query; EXPLAIN SELECT * FROM v",
	'EXPLAIN of an inlined function' => "CREATE FUNCTION pg_temp.f() RETURNS SETOF bigint STABLE LANGUAGE sql AS '$query'; EXPLAIN SELECT * FROM pg_temp.f()",
	'EXPLAIN of a table' => 'EXPLAIN SELECT * FROM recall.task',
);
foreach my $way (sort keys %ways)
{
	my $got = session('member', $ways{$way});

	like($got, $way eq 'EXPLAIN of a table' ? qr/ERROR:  permission denied for table task/ : $refused, "$way is refused");
	unlike($got, $has_numbers, "$way says nothing");
	like(session('deputy', $ways{$way}), qr/rows|Plan|NOTICE/, "$way is for who has the rights of the owner");
}
like(session(undef, "$ways{EXPLAIN}; SET ROLE member; $ways{EXPLAIN}"), qr/rows=.*$refused/s, 'it is the current user who counts');

like(session('member', "SELECT count(*) FROM recall.audit; EXPLAIN ANALYZE SELECT * FROM public.own"), qr/Seq Scan on own.*rows=100/,
	'EXPLAIN of what has nothing to do with recall is as ever');
like(session('member', 'SELECT count(*) FROM recall.audit; EXPLAIN ANALYZE SELECT * FROM recall.preview(1, 1)'), qr/Function Scan.*rows=/,
	'a call of a function may be explained: there is no plan to see');

# debug_print_plan, which sends what EXPLAIN would say to whoever asks for messages of that level.
my $printed = qr/ERROR:  permission denied to print the plan of a query that uses recall\nHINT:  Set debug_print_plan to off/;
my $relations = $node->safe_psql('postgres', q{SELECT string_agg(oid::text, '|') FROM pg_class WHERE relnamespace = 'recall'::regnamespace});
my @print = ('debug_print_plan=on', 'client_min_messages=log');

foreach my $statement ($query, 'SELECT * FROM recall.preview(1, 1)', "SELECT recall.set_policy(1, 1, 'busy')", 'SELECT * FROM recall.health()')
{
	my $got = session('member', $statement, @print);

	like($got, $printed, "debug_print_plan: $statement");
	unlike($got, qr/:relid ($relations) /, "debug_print_plan: $statement: says nothing of a table");
}
# The library, and with it the guard, is there before a function reads its first table, whichever it is that a session begins with.
my @calls = split /\n/, $node->safe_psql('postgres', <<'END');
	SELECT format('SELECT * FROM recall.%I(%s)', p.proname, (SELECT string_agg(CASE a.type
			WHEN 'integer'::regtype THEN '1' WHEN 'bigint'::regtype THEN '1' WHEN 'boolean'::regtype THEN 'true' WHEN 'text[]'::regtype THEN $$'{+49301234561}'$$
			WHEN 'timestamptz'::regtype THEN 'now()' WHEN 'regclass'::regtype THEN $$'public.own'$$ WHEN 'regrole'::regtype THEN $$'member'$$
			WHEN 'interval'::regtype THEN $$'1 min'$$ WHEN 'text'::regtype THEN $$'+49301234561'$$ WHEN 'recall.policy'::regtype THEN $$'busy'$$
			ELSE 'NULL::' || format_type(a.type, NULL) END, ', ' ORDER BY a.n)
		FROM unnest(p.proargtypes) WITH ORDINALITY a(type, n)))
	FROM pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND p.proname !~ '^_' AND p.prokind = 'f' AND p.provolatile <> 'i' ORDER BY 1
END
my $of_tenants = $node->safe_psql('postgres', q{SELECT string_agg(oid::text, '|') FROM pg_class WHERE relnamespace = 'recall'::regnamespace AND relname !~ '^cause_code'});

cmp_ok(@calls, '>', 50, 'there are functions to begin with');
foreach my $call (@calls)
{
	unlike(session('member', "BEGIN; $call; ROLLBACK", @print), qr/:relid ($of_tenants) /, "debug_print_plan: first thing in a session, $call says nothing of a table");
}
like(session('deputy', $query, @print), qr/:relid ($relations) .*plan_rows|plan_rows.*:relid ($relations) /s, 'debug_print_plan is for who has the rights of the owner');
like(session('member', 'SELECT count(*) FROM recall.audit; SELECT count(*) FROM public.own', @print[1, 0]), qr/$printed.*plan_rows/s,
	'and of what has nothing to do with recall as ever');
unlike(session('member', "$query; SELECT * FROM recall.preview(1, 1)", 'debug_print_plan=on'), qr/ERROR/, 'nobody minds what is not sent to the client');

# Blocks that a query reads which is hidden in a function, where EXPLAIN shows no plan of it. It is the session's first, or its second or third,
# which have nothing more to load.
sub blocks
{
	my ($query, $warm, @settings) = @_;
	my $explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF, SUMMARY OFF) SELECT query_to_xml(\$\$$query\$\$, true, true, '')";
	my $got = session('member', ($warm ? "\\o /dev/null\n$explain;\n$explain;\n\\o\n" : '') . $explain, @settings);
	my ($hit) = $got =~ /^ *Buffers: shared hit=(\d+)/m;

	return $hit // "no buffers: $got";
}

my @whole = ('enable_indexscan=off', 'enable_indexonlyscan=off', 'enable_bitmapscan=off');
my @dear = ('random_page_cost=1e15', 'cpu_index_tuple_cost=1e15', 'seq_page_cost=0');
my %there = (
	task_overview => [ q{task = 'secret 7'}, q{task = 'secret 7777'} ],
	batch_overview => [ q{batch = 'hidden'}, q{batch = 'hidde'} ],
	completed_call => [ 'contact_id = 11', 'contact_id = 1111' ],
	permit => [ 'contact_id = 11', 'contact_id = 1111' ],
	redial => [ 'contact_id = 11', 'contact_id = 1111' ],
	recycle_record => [ 'recycle_id = 1', 'recycle_id = 111' ],
	audit => [ q{action = 'suppress'}, q{action = 'suppres'} ],
	suppressed_number => [ q{number = '+4940777001'}, q{number = '+4940777002'} ],
);

$node->safe_psql('postgres', <<'END');
	SELECT recall.create_batch(2, 1, 'hidden');
	SELECT recall.start_task(2, 1), recall.start_batch(2, 1);
	SELECT recall.set_policy(2, 1, 'busy');
	SELECT recall.record_call(2, recall.add_contact(2, 1, ARRAY['+49401234' || 100 + i]), 'busy', NULL) FROM generate_series(1, 12) i;
	SELECT recall.recycle(2, 1);
	CALL recall.process();
	SELECT recall.suppress(2, '+4940777001');
	ANALYZE;
END
is_deeply([ sort keys %there ], [ split /\n/, $node->safe_psql('postgres', q{SELECT relname FROM pg_class WHERE relnamespace = 'recall'::regnamespace AND relkind = 'v' ORDER BY relname}) ],
	'all views are tried');
foreach my $view (sort keys %there)
{
	foreach my $tenant ('tenant_id = 2 AND ', '')
	{
		my ($hit, $miss) = map { "SELECT count(*) FROM recall.$view WHERE $tenant$_" } @{ $there{$view} };

		cmp_ok($node->safe_psql('postgres', $hit), '>', $node->safe_psql('postgres', $miss), "the owner finds: $hit");
		foreach my $settings ([], \@whole, \@dear)
		{
			foreach my $warm (0, 1)
			{
				my $blocks = blocks($hit, $warm, @$settings);

				like($blocks, qr/^\d+$/, "$hit: reads, @$settings");
				is($blocks, blocks($miss, $warm, @$settings), "$hit: as much as if there were none, @$settings" . ($warm ? '' : ', first thing in a session'));
			}
		}
	}
}
my $shown = 'SHOW enable_seqscan; SHOW enable_indexscan; SHOW random_page_cost';

is(session('member', "SELECT count(*) FROM recall.permit; $shown; SELECT count(*) FROM recall.permit; $shown", @whole), "0\non\noff\n4\n0\non\noff\n4\n",
	'the settings are as they were');
like(session('member', "SELECT count(*) FROM recall.permit WHERE 1 / (tenant_id - tenant_id) = contact_id AND 1 / 0 = 1; $shown", @whole), qr/^on\noff\n4\n.*division by zero/s,
	'also when the planning fails');
my $tampering = q{CREATE FUNCTION pg_temp.tamper() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN
	PERFORM set_config('enable_seqscan', 'on', false), set_config('enable_indexscan', 'off', false), set_config('enable_indexonlyscan', 'off', false);
	RETURN 5; END $$;};
like(session('member', "$tampering SELECT count(*) FROM recall.permit WHERE tenant_id = 2 AND contact_id = pg_temp.tamper()"),
	qr/ERROR:  permission denied to read a table of recall as a whole\nHINT:  Do not change the planner's settings/, 'who talks the planner out of it is refused');


# A row of columns that begins with the tenant is an index condition of its own, for which the index is read beyond the reader's tenants.
my @rows = ('(tenant_id, contact_id) >= (2, 11)', '(tenant_id, contact_id) <= (2, 11)');
like(session('member', "SELECT count(*) FROM recall.$_"), qr/ERROR:  permission denied to search recall by rows that begin with the tenant\nHINT:  Compare the tenant by itself/, "refused: $_")
	foreach 'redial WHERE ' . $rows[0], 'permit WHERE ' . $rows[1], q{audit WHERE (tenant_id, at) <= (2, '2030-01-01')};
is(session('member', 'SELECT count(*) FROM recall.completed_call WHERE tenant_id = 1 AND batch_id = 1 AND (contact_id, attempt) > (3, 1)'), "6\n", 'rows behind the tenant are compared');

# What the planner expects of a tenant, or of somebody's number, decides about which side of a join is read first, and so about the order of its rows.
$node->safe_psql('postgres', <<'END');
	SELECT recall.add_contact(2, 1, ARRAY['+4941' || 1000000 + i]) FROM generate_series(1, 3000) i;
	SELECT recall.suppress(2, '+4940777' || 100 + i, reason => 'Bell: lawsuit') FROM generate_series(1, 300) i;
	CREATE TABLE public.keys AS SELECT k FROM generate_series(20000, 1, -1) k;
	GRANT SELECT ON public.keys TO PUBLIC;
	ANALYZE;
END
foreach my $size (1, 10, 50, 100, 200, 300, 1000, 2000, 3000, 5000, 20000)
{
	my $keys = "(SELECT k + 0 AS k FROM public.keys WHERE k <= $size) o";
	my $settings = 'SET enable_nestloop = off; SET enable_mergejoin = off;';

	is(session('member', "$settings SELECT md5(string_agg(o.k::text, ' ')) FROM $keys LEFT JOIN (SELECT contact_id + 0 AS c FROM recall.permit WHERE tenant_id IN (1, 2)) p ON p.c = o.k"),
		session('member', "$settings SELECT md5(string_agg(o.k::text, ' ')) FROM $keys LEFT JOIN (SELECT contact_id + 0 AS c FROM recall.permit WHERE tenant_id IN (1, 3)) p ON p.c = o.k"),
		"$size keys: a join with as many as another tenant has has the same order as with none");
	is(session('member', "$settings SELECT string_agg(o.k::text, ' ') FROM $keys JOIN (SELECT task_id + 0 AS c FROM recall.suppressed_number WHERE reason IN ('x', 'Bell: lawsuit')) p ON p.c = o.k"),
		session('member', "$settings SELECT string_agg(o.k::text, ' ') FROM $keys JOIN (SELECT task_id + 0 AS c FROM recall.suppressed_number WHERE reason IN ('x', 'Bell: lawful')) p ON p.c = o.k"),
		"$size keys: as with a reason that nobody gave");
}
sub estimate
{
	my ($condition) = @_;

	return session(undef, "LOAD 'recall'; EXPLAIN SELECT * FROM recall.$condition") =~ s/ width=\d+//gr =~ s/\(2|1\)|'[^']*'|tenant_id = \d+//gr;
}
is(estimate('permit WHERE tenant_id = 2'), estimate('permit WHERE tenant_id = 3'), 'the planner expects as much of each tenant');
is(estimate(q{suppressed_number WHERE reason = 'Bell: lawsuit'}), estimate(q{suppressed_number WHERE reason = 'Bell: lawful'}), 'and of each text');

# A function that the planner calls may read a view; and what it spoils is put back.
my $reading = q{CREATE FUNCTION pg_temp.batch_of() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT max(batch_id) FROM recall.batch_overview); END $$;};
is(session('member', "$reading SELECT batch FROM recall.batch_overview WHERE batch_id = pg_temp.batch_of()") , session('member', 'SELECT batch FROM recall.batch_overview ORDER BY batch_id DESC LIMIT 1'),
	'a function that reads a view while the first query of a session is planned');
is(session('member', "$reading PREPARE q AS SELECT batch FROM recall.batch_overview WHERE batch_id = pg_temp.batch_of(); EXECUTE q; EXECUTE q") =~ s/ERROR.*//sr,
	session('member', 'SELECT batch FROM recall.batch_overview ORDER BY batch_id DESC LIMIT 1; SELECT batch FROM recall.batch_overview ORDER BY batch_id DESC LIMIT 1'), 'also when it is prepared');
my $failing = q{CREATE FUNCTION pg_temp.fail() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE 'oops'; END $$;};
like(session('member', "$failing BEGIN; SAVEPOINT a; SET LOCAL enable_seqscan = off; SELECT count(*) FROM recall.permit WHERE contact_id = pg_temp.fail(); ROLLBACK TO a; $shown; "
	. "SET random_page_cost = 2; COMMIT; $shown"), qr/^on\non\n4\non\non\n2\n.*oops/s, 'a first query whose planning fails leaves the settings as they were');

# The first query of a session, whose planning begins without the hooks, and a function that the planner calls meanwhile: it has the plan printed, and an
# error of its own caught.
my $spying = q{CREATE FUNCTION pg_temp.spy() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN
	PERFORM set_config('client_min_messages', 'log', false), set_config('debug_print_plan', 'on', false);
	BEGIN RAISE 'caught'; EXCEPTION WHEN raise_exception THEN NULL; END; RETURN 17; END $$;};
my $spied = 'SELECT count(*) FROM recall.permit WHERE contact_id > pg_temp.spy() AND tenant_id = 2';
my $got = session('member', "$spying $spied");

like($got, qr/^0\n/, 'a first query may call a function while it is planned');
unlike($got, qr/plan_rows|:relid/, '... that has its plan printed, which is not sent');
like(session('member', "SELECT count(*) FROM recall.permit; $spying $spied"), $printed, '... and is refused later');
like(session('member', "$spying $spied; SET debug_print_plan = on; SELECT count(*) FROM public.own"), qr/plan_rows/, 'what comes behind the first query is sent as ever');
foreach my $size (10, 100, 1000, 2000, 3000, 20000)
{
	my @orders = map {
		session('member', "SET enable_nestloop = off; SET enable_mergejoin = off; $spying SELECT md5(string_agg(o.k::text, ' ')) FROM (SELECT k + 0 AS k FROM public.keys WHERE k <= $size) o "
			. "LEFT JOIN (SELECT contact_id + 0 AS c FROM recall.permit WHERE contact_id <> pg_temp.spy() AND tenant_id = $_) p ON p.c = o.k") =~ s/^LOG.*//smr
	} 2, 3;

	is($orders[0], $orders[1], "$size keys: nor does it bring back what the planner knows of values");
}

# A plan that was made before the hooks were there, and did not run, is none of another query's: executed while that one is planned, it puts nothing back.
my $left_over = q{CREATE FUNCTION pg_temp.explain() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ DECLARE l text; BEGIN
	BEGIN EXECUTE 'EXPLAIN EXECUTE p' INTO l; EXCEPTION WHEN insufficient_privilege THEN NULL; END; RETURN 1; END $$;
	CREATE FUNCTION pg_temp.before() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT pg_temp.explain()); END $$;
	CREATE FUNCTION pg_temp.execute() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ BEGIN EXECUTE 'EXECUTE p'; RETURN 17; END $$;
	CREATE FUNCTION pg_temp.meanwhile() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT pg_temp.execute()); END $$;
	CREATE TEMP TABLE caller (x int, is_called boolean DEFAULT recall._plan_view());
	PREPARE p AS SELECT count(*) FROM recall.permit;};
my $settings = 'SET enable_nestloop = off; SET enable_mergejoin = off;';
my $copy = "COPY caller (x) FROM STDIN;\n1\n\\.\n";

foreach my $size (10, 500, 1000, 2000, 5000, 20000)
{
	foreach my $way ("$left_over $settings SELECT FROM pg_temp.before() g, ", "$left_over EXPLAIN EXECUTE p; $settings SELECT count(*) FROM recall.audit; BEGIN;\n${copy}SELECT FROM (SELECT 1) g, ")
	{
		my @orders = map {
			session('member', $way =~ s/SELECT FROM/SELECT md5(string_agg(o.k::text, ' ')) FROM/r . "(SELECT k + 0 AS k FROM public.keys WHERE k <= $size) o "
				. "LEFT JOIN (SELECT contact_id + 0 AS c FROM recall.permit WHERE contact_id <> pg_temp.meanwhile() AND tenant_id = $_) p ON p.c = o.k; COMMIT")
		} 2, 3;

		like($orders[0], qr/^[0-9a-f]{32}$/m, "$size keys: an older plan is executed meanwhile" . ($way =~ /COPY/ ? ', much later' : ''));
		is($orders[0], $orders[1], '... which brings nothing back');
	}
}
is(session('member', "$left_over SELECT count(*) FROM recall.suppressed_number; BEGIN;\n${copy}SET LOCAL random_page_cost = 7; SET enable_seqscan = off; COMMIT; $shown"), "0\noff\non\n4\n",
	'_plan_view() where nothing is planned leaves the settings alone');

# Bitmaps: the planner is talked into one.
my $bitmaps = $tampering =~ s/'enable_seqscan', 'on'/'enable_seqscan', 'off'/r =~ s/SELECT|PERFORM/PERFORM set_config('enable_bitmapscan', 'on', false),/r;
like(session('member', "SELECT 1 FROM recall.permit LIMIT 0; $bitmaps SELECT count(*) FROM recall.permit WHERE contact_id <> pg_temp.tamper() AND $_"),
	qr/ERROR:  permission denied to read a table of recall as a whole/, "a bitmap is refused: $_")
	foreach $rows[0], '(contact_id = 7 OR contact_id = 8)';

# Sub-selects of a view are planned as the view is.
foreach my $settings ([], ['random_page_cost=6'], [ 'enable_indexonlyscan=off', 'random_page_cost=2' ], \@whole, \@dear)
{
	foreach my $before ('', 'SELECT 1 FROM recall.permit LIMIT 0; ')
	{
		my $plan = session(undef, "${before}EXPLAIN SELECT * FROM recall.batch_overview; EXPLAIN SELECT * FROM recall.task_overview; EXPLAIN SELECT * FROM recall.suppressed_number", @$settings);

		like($plan, qr/Index (Only )?Scan.*SubPlan.*Index (Only )?Scan/s, "sub-selects have a plan, @$settings");
		unlike($plan, qr/Seq Scan|Bitmap|ERROR/, '... along indexes' . ($before ? '' : ', first thing in a session'));
	}
}

# What others have is felt neither in what verify() gathers nor in what health() compares. How often it sorts follows the size of the tables.
sub sorts
{
	return join ' ', sort { $a <=> $b } uniq session('member', 'SET client_min_messages = log; SET trace_sort = on; SET enable_hashagg = off; SET enable_hashjoin = off; SELECT * FROM recall.verify(1)') =~ /sort\b.* ended, (\d+) KB used/g;
}
my $sorts = sorts();
# The costs follow where the rows lie, which an UPDATE changes.
my $answered = estimate('completed_call WHERE failure_cause IS NULL') =~ s/cost=\S+//gr;

like($sorts, qr/\d/, 'verify() sorts');
$node->safe_psql('postgres', <<'END');
	UPDATE recall.call SET failure_cause = NULL, business_result = NULL WHERE tenant_id = 2;
	VACUUM FULL recall.call;
	ANALYZE recall.call;
END
is(estimate('completed_call WHERE failure_cause IS NULL') =~ s/cost=\S+//gr, $answered, 'the planner does not know how many are null');
$node->safe_psql('postgres', <<'END');
	SELECT count(recall.create_batch(2, 1, 'hidden ' || i)) FROM generate_series(1, 2000) i;
	SELECT count(*) FROM recall.claim(2, 1, 100);
	UPDATE recall.dial SET claimed_at = claimed_at + interval '1 hour', lease_until = lease_until + interval '1 hour' WHERE tenant_id = 2 AND state = 'claimed';
END
is(sorts(), $sorts, 'verify() sorts as much when another tenant has more');
my $clock = q{SELECT status FROM recall.health() WHERE check_name = 'clock'};
is(session('member', $clock), "ok\n", q{health(): no other tenant's calls tell of the clock});
is($node->safe_psql('postgres', $clock), 'critical', '... the owner is told');

# Nor do the plans that recall's own functions have follow what others' rows are like, but for the owner.
sub expected_in_functions
{
	my ($role, $which) = @_;
	my $user = $role // $node->safe_psql('postgres', 'SELECT current_user');

	# Their number stays, and how many states there are.
	$node->safe_psql('postgres', <<"END");
		SET session_replication_role = replica;
		UPDATE recall.batch SET state = CASE WHEN tenant_id = 1 OR batch_id % 100 $which THEN 'started' ELSE 'created' END::recall.batch_state;
		UPDATE recall.call SET failure_cause = CASE WHEN tenant_id = 1 OR contact_id % 10 $which THEN 'busy' ELSE 'congestion' END::recall.failure_cause;
		VACUUM FULL recall.batch, recall.call;
		ANALYZE;
		ALTER ROLE $user SET session_preload_libraries = 'auto_explain';
		ALTER ROLE $user SET auto_explain.log_min_duration = 0;
		ALTER ROLE $user SET auto_explain.log_nested_statements = on;
END
	my $got = session($role, "SET client_min_messages = log; SELECT * FROM recall.verify(1); SELECT * FROM recall.preview(1, 1); SELECT * FROM recall.explain(1, 3); "
		. "SELECT * FROM recall.simulate(1, 1, 'busy'); BEGIN; SELECT recall.finish_batch(1, 1); ROLLBACK");

	$node->safe_psql('postgres', "ALTER ROLE $user RESET ALL");
	like($got, qr/recall\._record_faults.* on batch .*recall\._judge/s, "the plans of functions are seen, $which");
	unlike($got, qr/ERROR/, '... and are those of all of them');
	return join ' ', $got =~ /rows=(\d+)/g;
}
$node->safe_psql('postgres', "SELECT count(recall.create_batch(1, 1, 'own ' || i)) FROM generate_series(1, 100) i");
is(expected_in_functions('member', '= 0'), expected_in_functions('member', '<> 0'), "functions are planned alike whatever others' rows are like");
isnt(expected_in_functions(undef, '= 0'), expected_in_functions(undef, '<> 0'), '... not for whoever may read the tables');

# No JIT and no parallel workers, whose start depends on the estimates.
SKIP: {
	skip 'no compiler of queries is installed', 1 if $node->safe_psql('postgres', 'SET jit = on; SELECT pg_jit_available()') eq 'f';
	like(session(undef, 'EXPLAIN (ANALYZE, SETTINGS) SELECT sum(i) FROM public.own', 'jit=on'), qr/JIT/, 'a query is compiled here');
}
unlike(session(undef, "LOAD 'recall'; EXPLAIN ANALYZE $query", 'jit=on'), qr/JIT|ERROR/, 'one that uses recall is not');
unlike(session(undef, "EXPLAIN ANALYZE $query", 'jit=on'), qr/JIT|ERROR/, '... first thing in a session');
unlike(session(undef, "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; EXPLAIN $query"), qr/Gather|ERROR/,
	'nor is it given workers');

# Modules that look into every query.
foreach my $order ('auto_explain,recall', 'recall,auto_explain', 'auto_explain')
{
	my @settings = ("session_preload_libraries=$order", 'auto_explain.log_min_duration=0', 'auto_explain.log_analyze=on',
		'auto_explain.log_nested_statements=on');
	my $before = -s $node->logfile;

	$node->safe_psql('postgres', join('', map { my ($n, $v) = split(/=/); "ALTER ROLE member SET $n = $v;" } @settings));
	my $got = session('member', "$query; SELECT count(*) FROM recall.preview(1, 1); SELECT recall.create_batch(1, 1, 'x')");
	unlike($got, qr/ERROR/, "$order: ordinary queries go on");
	like($got, qr/^0\n1\n\d+$/m, "$order: and give what they should");
	like(substr(slurp_file($node->logfile), $before), qr/recall\.task_overview.*Aggregate.*actual time/s, "$order: their plans are in the log");
	like(session('member', "SELECT 1 FROM recall.audit LIMIT 0; SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
			. 'SET min_parallel_table_scan_size = 0; SET force_parallel_mode = on; SELECT sum(i) FROM public.own'), qr/5050/, "$order: parallel workers, too")
	  if $node->pg_version < 16;
	like(session('member', $ways{'EXPLAIN ANALYZE'}), $refused, "$order: EXPLAIN ANALYZE is refused, first thing in a session");
	like(session('member', "SELECT count(*) FROM recall.audit; $ways{'EXPLAIN ANALYZE'}"), $refused, "$order: and later");
	like(session('member', "SELECT count(*) FROM recall.audit; EXPLAIN ANALYZE SELECT count(*) FROM public.own"), qr/rows=100/, "$order: other EXPLAIN is not");
}
$node->safe_psql('postgres', 'ALTER ROLE member RESET ALL');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_statements WHERE query ~ 'recall.task_overview' AND calls > 0}), '>', 0,
	'pg_stat_statements counts queries that use recall');

# Closing the statistics.
my @open = ('SELECT reltuples FROM pg_class', 'SELECT n_live_tup FROM pg_stat_user_tables', q{SELECT pg_relation_size('recall.task')},
	'SELECT count(*) FROM pg_locks', q{SELECT pg_stat_get_live_tuples('recall.task'::regclass)}, 'SELECT count(*) FROM pg_stat_activity');
my ($closing) = slurp_file('doc/security.md') =~ /^```sql\n(DO .*?)^```$/ms;

unlike(session('member', $_), qr/ERROR/, "open: $_") foreach @open;
$node->safe_psql('postgres', $closing);
like(session('member', $_), qr/ERROR:  permission denied/, "closed: $_") foreach @open;
$node->safe_psql('postgres', 'CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
unlike(session('monitor', $_ =~ s/recall.task'/public.own'/r), qr/ERROR/, "open to monitoring: $_") foreach @open;
unlike(session('member', "$query; SELECT * FROM recall.preview(1, 1); SELECT * FROM recall.claim(1, 1); SELECT recall.recycle(1, 1); SELECT * FROM recall.health()"),
	qr/ERROR/, 'recall goes on');
my $described = $node->safe_psql('postgres', "SET ROLE member;\n\\d recall.audit\n\\df recall.claim\n\\dn\n\\dt");
like($described, qr/session_role/, 'and so does \d');

done_testing();
