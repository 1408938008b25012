# The scheduler's role: grant_scheduler() gives it the processor and nothing else, and each step of the processor, called by
# itself, in any order, with any arguments and settings, comes to what CALL recall.process() comes to.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('scheduler');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = fatal\ntimezone = 'UTC'\nrecall.chunk_size = 7\n");
$node->start;
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN") foreach 'scheduler', 'member';
$node->safe_psql('postgres', 'CREATE DATABASE whole');
$node->safe_psql('whole', 'CREATE EXTENSION recall');

# Run statements as a role.
sub run
{
	my ($database, $role, $query) = @_;

	return $node->psql($database, $query, connstr => $node->connstr($database) . " user='$role'", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
}

sub look
{
	my ($query, $database) = @_;

	return $node->safe_psql($database // 'whole', $query);
}

# What the role may do.
my $rights = q{
	SELECT concat_ws(' ', has_schema_privilege('scheduler', 'recall', 'USAGE'), has_schema_privilege('scheduler', 'recall', 'CREATE'))
	UNION ALL
	SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND has_function_privilege('scheduler', p.oid, 'EXECUTE')
	AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
	UNION ALL
	SELECT string_agg(c.relname, ' ') FROM pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'v', 'S')
	AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('scheduler', c.oid, 'USAGE, SELECT, UPDATE')
		ELSE has_table_privilege('scheduler', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END};
is(look($rights), "f f\n\n", 'at first it may do nothing');
look(q{SELECT recall.grant_scheduler('scheduler')});
is(look($rights), "t f\n_begin_tick _end_tick _expire _settle _step process\n", 'grant_scheduler() gives the processor and its steps');
look(q{SELECT recall.grant_scheduler('scheduler')});
is(look($rights), "t f\n_begin_tick _end_tick _expire _settle _step process\n", '... and the same when it is given again');
like((run('whole', 'scheduler', $_))[2], qr/ERROR:  42501: permission denied/, "it may not $_") foreach
	'SELECT recall._next_record(0, 0)', 'SELECT recall.health()', 'SELECT recall.create_tenant($$mine$$)', 'SELECT recall.grant_scheduler($$member$$)', 'TABLE recall.tick',
	'TABLE recall.recycle_record', 'SELECT recall.recycle(1, 1)', 'SELECT recall._lock($$batch$$, 1, 1, true, true)';
is(look(q{SELECT string_agg(DISTINCT y, ' ' ORDER BY y) FROM pg_proc p, LATERAL (
		SELECT p.prorettype::regtype::text WHERE p.prorettype <> 'record'::regtype UNION ALL SELECT t::regtype::text FROM unnest(p.proallargtypes) t) AS t(y)
	WHERE p.pronamespace = 'recall'::regnamespace AND has_function_privilege('scheduler', p.oid, 'EXECUTE') AND p.proname ~ '^_' AND p.prosecdef}),
	'bigint boolean integer void', 'its steps return numbers: of a tenant, a batch, a run; and whether there is more');

# It may be a member, too, and either comes and goes by itself.
look(q{SELECT recall.create_tenant('Acme', 'Europe/Berlin'), recall.create_tenant('Bell', recycle_limit => 25)});
look(q{SELECT recall.grant_privilege(1, 'scheduler', '{read}'), recall.revoke_privilege(1, 'scheduler', '{read}')});
is(look($rights), "t f\n_begin_tick _end_tick _expire _settle _step process\n", 'a right in a tenant that is taken leaves it the processor');
look(q{SELECT recall.grant_privilege(1, 'member', '{read}'), recall.grant_scheduler('member'), recall.revoke_scheduler('member')});
is((run('whole', 'member', 'SELECT count(*) FROM recall.task_overview'))[1], '0', 'the processor that is taken leaves a member its rights');
like((run('whole', 'member', 'CALL recall.process()'))[2], qr/ERROR:  42501: /, '... and no processor');
look(q{SELECT recall.revoke_scheduler('scheduler')});
is(look($rights), "f f\n\n", 'revoke_scheduler() takes everything back');
look(q{SELECT recall.revoke_scheduler('scheduler'), recall.grant_scheduler('scheduler')});
foreach my $function ('grant_scheduler', 'revoke_scheduler')
{
	like(($node->psql('whole', "SELECT recall.$function($_)", extra_params => [ '-v', 'VERBOSITY=verbose' ]))[2], qr/ERROR:  22023: role .* does not exist/,
		"$function($_): refused") foreach '0', 'NULL', '4294967295';
}

# A role that goes: what doc/operations.md says of it.
look(q{CREATE ROLE leaver; SELECT recall.grant_privilege(1, 'leaver', '{read,dial}'), recall.grant_privilege(2, 'leaver', '{manage}')});
my ($revoke) = slurp_file('doc/operations.md') =~ /^(SELECT recall\.revoke_privilege\(tenant_id, .*;)$/m;
look($revoke =~ s/acme_app/leaver/r);
look('DROP ROLE leaver');
is(look('SELECT count(*) FROM recall.member WHERE role::oid NOT IN (SELECT oid FROM pg_roles)'), '0', 'a role is dropped, and leaves nothing behind');

# Work of all kinds: records that wait, run and are paused, one over the cap, one whose gate is shut; leases that have run
# out, with a rule for them and without; promises; suspended batches; a due time in the far future.
look(<<'END');
	CREATE FUNCTION number(n int) RETURNS text LANGUAGE sql RETURN '+49301' || 1000000 + n;
	SELECT recall.create_task(t, 'task ' || i, 'predicted', CASE i WHEN 1 THEN 'busy after 30 days; no_answer; limit 6'
		ELSE 'failed after 1 h, 2 h; unknown after 1 day; limit 3 per 7 days per number; quiet 3 days after answered' END::recall.policy, '24/7')
	FROM generate_series(1, 2) t, generate_series(1, 3) i;
	SELECT recall.start_task(t, i) FROM generate_series(1, 2) t, generate_series(1, 3) i;
	SELECT recall.create_batch(t, 1 + i % 3, 'batch') FROM generate_series(1, 2) t, generate_series(1, 6) i;
	SELECT recall.start_batch(t, i) FROM generate_series(1, 2) t, generate_series(1, 6) i;
	SELECT recall.add_contact(t, 1 + i % 6, ARRAY[number(i % 250), number(500 + i)]) FROM generate_series(1, 2) t, generate_series(1, 300) i;
	SELECT recall.record_call(t, i, (ARRAY['busy', 'no_answer', NULL, 'congestion'])[1 + i % 4]::recall.failure_cause, NULL, NULL, at, at)
	FROM generate_series(1, 2) t, generate_series(1, 270) i, LATERAL (SELECT timestamptz '2026-11-01 10:00+00' + i * interval '1 min') d(at);
	UPDATE recall.call SET started_at = now() - interval '2 days' - contact_id * interval '1 s', ended_at = now() - interval '2 days' - contact_id * interval '1 s' WHERE contact_id % 2 = 0;
	SELECT count(*) FROM generate_series(1, 2) t, generate_series(1, 3) i, recall.claim(t, i, 4, '1 s');
	SELECT recall.recycle(t, i) FROM generate_series(1, 2) t, generate_series(1, 6) i;
	SELECT recall._step(NULL, 0), recall._step(NULL, 0);
	SELECT recall.suspend_batch(1, 2), recall.suspend_task(2, 3), recall.set_policy(2, 2, 'failed');
	SELECT recall.pause_recycle(tenant_id, recycle_id) FROM recall.recycle WHERE state = 'running' LIMIT 1;
	UPDATE recall.dial SET lease_until = now() - interval '1 s' WHERE state = 'claimed';
	UPDATE recall.task SET policy = NULL WHERE (tenant_id, task_id) = (1, 3);
	UPDATE recall.tenant SET recycle_limit = 20 WHERE tenant_id = 2;
END
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE whole") foreach 'steps', 'high';
$node->safe_psql($_, 'SELECT recall._note_origin()') foreach 'steps', 'high'; # as if neither were a copy, where nothing is settled

# What is there, but for what differs from run to run: moments, tokens and the run's own notes.
my $state = q{
	SELECT 'permit', to_jsonb(d) - 'token' - 'claimed_at' - 'lease_until' FROM recall.dial d
	UNION ALL SELECT 'call', to_jsonb(k) - 'recorded_at' - 'token' - CASE WHEN k.assumed THEN '{started_at,ended_at}' ELSE '{}' END::text[] FROM recall.call k
	UNION ALL SELECT 'record', to_jsonb(r) - '{started_at,advanced_at,finished_at,put_off_at}'::text[] FROM recall.recycle r
	UNION ALL SELECT 'task', to_jsonb(t) FROM recall.task t
	UNION ALL SELECT 'batch', to_jsonb(b) FROM recall.batch b
	UNION ALL SELECT 'event', jsonb_build_object('tenant', e.tenant_id, 'kind', e.kind, 'record', e.record_id, 'action', e.action, 'to', e.to_state) FROM recall.event e WHERE e.action <> 'settle'
	ORDER BY 1, 2};
# The due time of what follows an assumed call depends on when its lease ended, which is the same in all of them.
my $before = look($state);

# Above READ COMMITTED a step refuses, and what it would have worked on is as it was.
foreach my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	foreach my $step ('_step(NULL, 0)', '_step(1, 1)', '_settle(NULL, 0, 0)')
	{
		like((run('high', 'scheduler', "BEGIN ISOLATION LEVEL $level; SELECT recall.$step; COMMIT"))[2], qr/ERROR:  55000: the transaction is at isolation level $level/, "$level: $step is refused");
	}
	run('high', 'scheduler', "BEGIN ISOLATION LEVEL $level; SELECT recall._end_tick(1); COMMIT");
}
is(look($state, 'high'), $before, '... and nothing has changed');
is((run('high', 'scheduler', "BEGIN READ ONLY; SELECT recall.$_"))[0] != 0, 1, "read only: $_ fails") foreach '_step(NULL, 0)', '_expire(1)', '_begin_tick()';
is(look($state, 'high'), $before, '... and nothing has changed');
like((run('high', 'scheduler', 'BEGIN; SELECT recall._begin_tick()'))[2], qr/ERROR:  2D000: recall.process\(\) cannot run inside a transaction block/, 'no run begins in a transaction block');
run('high', 'scheduler', 'BEGIN; SELECT recall._expire(1); SELECT recall._settle(1, 0, 0); SELECT recall._step(1, 0); SELECT recall._step(1, 1); ROLLBACK');
is(look($state, 'high'), $before, 'steps that are rolled back have not been');
{
	my ($status, undef, $err) = run('high', 'scheduler', "SET default_transaction_isolation = 'serializable'; CALL recall.process()");

	is($status, 0, 'the processor itself chooses READ COMMITTED') or diag($err);
}

# In whole: the processor. In steps: its steps, in any order, with any arguments, under any settings, some undone.
my $seed = $ENV{SEED} // 1;
srand($seed);

sub any
{
	return $_[ int rand @_ ];
}

sub script
{
	my @runs = ('NULL', '-1', '0', '1', '2', '9223372036854775807', '-9223372036854775808');
	my @tenants = ('NULL', '-1', '0', '1', '2', '3', '2147483647', '-2147483648');
	my @batches = ('NULL', '-1', '0', '1', '2', '6', '9223372036854775807', '-9223372036854775808');
	my @settings = ('SET plpgsql.extra_errors = $$all$$', 'SET plpgsql.extra_errors = $$none$$', 'SET gin_fuzzy_search_limit = 1', 'SET enable_indexscan = off', 'SET enable_seqscan = off', 'SET enable_nestloop = off',
		'SET enable_hashjoin = off', 'SET TimeZone = $$Pacific/Apia$$', 'SET DateStyle = $$German$$', 'SET IntervalStyle = $$sql_standard$$', 'SET array_nulls = off', 'SET transform_null_equals = on',
		'SET standard_conforming_strings = off', 'SET quote_all_identifiers = on', 'SET work_mem = $$64kB$$',
		'SET search_path = public, pg_temp', 'SET lock_timeout = 1', 'SET statement_timeout = 50', 'SET extra_float_digits = -15', 'SET join_collapse_limit = 1', 'SET geqo_threshold = 2', 'SET cursor_tuple_fraction = 1',
		'SET row_security = off', 'SET client_min_messages = error', 'SET plan_cache_mode = force_custom_plan', 'SET synchronous_commit = off', 'RESET ALL', 'RESET ALL');
	my @script;

	for (1 .. 200)
	{
		my $step = any(
			sub { '_begin_tick()' }, sub { '_end_tick(' . any(@runs) . ')' }, sub { '_expire(' . any(@runs) . ')' },
			sub { '_settle(' . join(', ', any(@runs), any(@tenants), any(@batches)) . ')' }, sub { '_step(' . any(@runs) . ', ' . any(@tenants) . ')' })->();

		push @script, any(@settings) if rand() < 0.3;
		push @script, rand() < 0.1 ? "BEGIN; SELECT recall.$step; ROLLBACK" : rand() < 0.2 ? "BEGIN; SELECT recall.$step; SAVEPOINT s; SELECT recall._step(NULL, 0); ROLLBACK TO s; COMMIT" : "SELECT recall.$step";
	}
	# To the end, as the processor goes there.
	push @script, 'RESET ALL', ('SELECT recall._expire(NULL)') x 50, ('SELECT recall._settle(NULL, 0, 0)') x 200, ('SELECT recall._step(NULL, 0)') x 800;
	return join(";\n", @script) . ";\n";
}

my ($stdout, $stderr) = ('', '');
$node->psql('steps', script(), connstr => $node->connstr('steps') . " user='scheduler'", on_error_stop => 0, stdout => \$stdout, stderr => \$stderr,
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
my %states;
$states{$_}++ foreach $stderr =~ /ERROR:  (\w{5}): /g;
note("seed $seed; SQLSTATEs of the steps: " . join(', ', map { "$_ $states{$_}" } sort keys %states));
delete @states{'57014', '55P03', '25P02', '3B001', '2D000'}; # a time-out of a statement or of a lock, as was asked for, and what it spoils; a run begun in a transaction block
is(join(' ', sort keys %states), '', 'no step raises an error but for the time that it was given') or diag($stderr);
unlike($stdout, qr/[^-\d|,()tf\n]/, 'the steps return numbers and truth values and nothing else') or diag($stdout);
$node->safe_psql('whole', 'CALL recall.process()', connstr => $node->connstr('whole') . ' user=scheduler');

my ($whole, $steps) = (look($state), look($state, 'steps'));
isnt($whole, $before, 'the processor had something to do');
is($steps, $whole, 'the steps have come to the same as the processor');
is(look(q{SELECT string_agg(DISTINCT state::text, ' ' ORDER BY state::text) FROM recall.recycle}), 'completed failed paused', '... records in all states among it');
is(look(q{SELECT count(*) > 0 FROM recall.call WHERE failure_cause = 'unknown'}), 't', '... and calls of unknown outcome that were settled');
is(look(q{SELECT count(*) FROM recall.recycle WHERE error IS NOT NULL AND error !~ 'policy of task 3|is in state'}, 'steps'), '0', 'no record has failed but for its gate');
cmp_ok(look('SELECT count(*) FROM recall.tick', 'steps'), '<=', '10000', 'the notes of runs are bounded');

$node->stop;
done_testing();
