# Pooled applications: what a transaction entered ends with it, however it ends; tenants that take turns on one connection of
# pgbouncer do not see each other; a standby and a transaction that only reads enter too, a copy of the database does not.

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use sigtrap qw(die normal-signals);
use Test::More;
use Time::HiRes 'sleep';

my $folder = PostgreSQL::Test::Utils::tempdir;
my $socket_folder = PostgreSQL::Test::Utils::tempdir_short;
my $node = PostgreSQL::Test::Cluster->new('pooling');
my $bouncer;

END
{
	my $status = $?;

	kill('KILL', $bouncer) if $bouncer;
	$? = $status;
}

sub query
{
	my ($query, $database) = @_;

	return $node->safe_psql($database // 'postgres', $query);
}

# Run a script as the application, and return what it printed, errors as their SQLSTATEs, in one line.
sub as_app
{
	my ($script, %where) = @_;
	my $server = $where{node} // $node;
	my $database = $where{database} // 'postgres';
	my ($out, $err);

	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-d', $server->connstr($database) . " user='app'" ],
		'<', \$script, '>', \$out, '2>&1') or die "psql: $out";
	$out =~ s/ERROR:  |^psql:[^:]*:\d+: //mg;
	return join(' ', split(/\n/, $out));
}

# Two tenants, each with a task and contacts whose numbers tell whose they are.
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->start;
query(<<'END');
	CREATE EXTENSION recall;
	CREATE ROLE app LOGIN;
	SELECT recall.admit_pool('app');
	SELECT recall.create_tenant('tenant ' || t) FROM generate_series(1, 2) t;
	SELECT recall.create_task(t, 'task of ' || t, 'robot', 'busy after 1 s; limit 1000', '24/7', auto_recall => true) FROM generate_series(1, 2) t;
	SELECT recall.create_batch(t, 1, 'batch') FROM generate_series(1, 2) t;
	SELECT recall.add_contact(t, 1, ARRAY['+49' || t || 1000000 + i]) FROM generate_series(1, 2) t, generate_series(1, 400) i;
	SELECT recall.start_task(t, 1), recall.start_batch(t, 1) FROM generate_series(1, 2) t;
END

# Issue a token for a tenant.
sub token
{
	my ($tenant, $rights, $database) = @_;

	return query(sprintf(q{SELECT recall.issue_token(%d, '{%s}', '1 h', 'user of %d')}, $tenant, $rights // 'read,dial', $tenant), $database);
}

my @token = (undef, token(1), token(2));
my $seen = q{SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' '), 'none') FROM recall.task_overview;};

# The end of a transaction.

foreach my $end (
	[ 'COMMIT', 'COMMIT;', 'none' ],
	[ 'ROLLBACK', 'ROLLBACK;', 'none' ],
	[ 'COMMIT AND CHAIN', 'COMMIT AND CHAIN;', 'none' ],
	[ 'ROLLBACK AND CHAIN', 'ROLLBACK AND CHAIN;', 'none' ],
	[ 'an error, then COMMIT', 'SELECT 1 / 0; COMMIT;', '22012 none' ],
	[ 'an error inside a savepoint, then COMMIT', 'SAVEPOINT s; SELECT 1 / 0; ROLLBACK TO s; COMMIT;', '22012 none' ],
	[ 'PREPARE TRANSACTION', q{PREPARE TRANSACTION 'p';}, 'none' ],
	[ 'COMMIT PREPARED', q{PREPARE TRANSACTION 'q'; COMMIT PREPARED 'q';}, 'none' ])
{
	my ($name, $statements, $answer) = @$end;

	is(as_app("BEGIN; SELECT recall.enter('$token[1]'); $seen $statements $seen"), "1 1 $answer", "$name: nothing is left of what was entered");
	my $begin = $name =~ /CHAIN/ ? '' : 'BEGIN;';
	$statements =~ s/'p'/'another'/;
	is(as_app("BEGIN; SELECT recall.enter('$token[1]'); $statements $begin SELECT recall.enter('$token[2]'); $seen"),
		'1 ' . ($answer =~ s/none//r) . '2 2', "$name: another tenant may be entered then");
}
query("ROLLBACK PREPARED '$_'") foreach 'p', 'another';
is(as_app("BEGIN; SELECT recall.enter('$token[1]'); SAVEPOINT s; ROLLBACK TO s; $seen"), '1 1', 'a savepoint behind the entry does not end it');

# A savepoint that is rolled back undoes what was entered, and not that the transaction was of this tenant: a cursor that was opened
# before goes on with what it has read.
foreach my $view (split(/\n/, query(q{SELECT relname FROM pg_class WHERE relnamespace = 'recall'::regnamespace AND relkind = 'v'})))
{
	my $tenants = "SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' '), 'none') FROM recall.$view;";

	unlike(as_app("BEGIN; SELECT recall.enter('$token[$_]'); $tenants"), qr/@{[ 3 - $_ ]}/, "$view: tenant $_ sees nothing of the other") foreach 1, 2;
}
is(as_app("BEGIN; DECLARE c CURSOR FOR SELECT tenant_id, number ~ '[*]' FROM recall.permit; SAVEPOINT s; SELECT recall.enter('$token[1]'); FETCH c; ROLLBACK TO s; $seen FETCH c; SELECT recall.enter('$token[2]');"),
	'1 1|f none 1|t 55000', 'another tenant is refused behind a savepoint that was rolled back; the cursor shows no whole number any more');
is(as_app("BEGIN; SAVEPOINT s; SELECT recall.enter('$token[1]'); ROLLBACK TO s; SELECT recall.enter('$token[1]'); $seen"), '1 1 1', 'the same one is not');
is(as_app("BEGIN; DO \$\$ BEGIN PERFORM recall.enter('$token[1]'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN END \$\$; SELECT recall.enter('$token[2]');"), '55000',
	'also behind a block whose error was caught');
is(as_app("BEGIN; SAVEPOINT s; SELECT recall.enter('$token[1]'); ROLLBACK TO s; COMMIT; BEGIN; SELECT recall.enter('$token[2]'); $seen"), '1 2 2',
	'until the transaction ends');
is(as_app("SELECT recall.enter('$token[1]'); $seen"), '1 none', 'outside a transaction block it is over with its statement');
is(as_app("DO \$\$ BEGIN PERFORM recall.enter('$token[1]'); COMMIT; END \$\$; $seen"), 'none', 'entered in a block that commits');
is(as_app("DO \$\$ DECLARE a text; b text; BEGIN PERFORM recall.enter('$token[1]');
	SELECT string_agg(tenant_id::text, ' ') INTO a FROM recall.task_overview; COMMIT;
	SELECT string_agg(tenant_id::text, ' ') INTO b FROM recall.task_overview; PERFORM recall.enter('$token[2]');
	RAISE '%', 0 USING ERRCODE = CASE WHEN a = '1' AND b IS NULL THEN 'AAAAA' ELSE 'BBBBB' END; END \$\$;"),
	'AAAAA', 'a block that commits loses what it had entered, and may enter another tenant');
is(as_app("BEGIN; DO \$\$ BEGIN PERFORM recall.enter('$token[1]'); END \$\$; $seen"), '1', 'entered in a block, it lasts for the transaction');
is(as_app("BEGIN; DO \$\$ BEGIN PERFORM recall.enter('$token[1]'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN END \$\$; $seen"), 'none',
	'entered in a block whose error was caught, it is undone');
is(as_app("BEGIN; SELECT recall.enter('$token[1]'); DECLARE c CURSOR FOR SELECT tenant_id FROM recall.task_overview; FETCH c; COMMIT; FETCH c; $seen"),
	'1 1 34000 none', 'a cursor ends with the transaction');

# A plan that is kept asks anew.
my $turns = join(' ', map { my $t = 1 + $_ % 3; my $enter = $t < 3 ? "SELECT recall.enter('$token[$t]');" : 'SELECT 0;'; "BEGIN; $enter EXECUTE seen; COMMIT;" } 1 .. 30);
is(as_app("PREPARE seen AS $seen SET plan_cache_mode = force_generic_plan; $turns"), join(' ', map { (2, 2, 0, 'none', 1, 1) } 1 .. 10),
	'a prepared statement sees the tenant that is entered');

# Transactions that only read, and a standby.

is(as_app("BEGIN READ ONLY; SELECT recall.enter('$token[1]'); $seen"), '1 1', 'a transaction that only reads enters');
is(as_app("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE; SELECT recall.enter('$token[1]'); $seen"), '1 1', 'also a serializable one');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(as_app("BEGIN; SELECT recall.enter('$token[2]'); $seen COMMIT; $seen", node => $standby), '2 2 none', 'a standby takes the tokens of its primary');
is(as_app("BEGIN; SELECT recall.enter('" . ($token[2] =~ s/.$/x/r) . "');", node => $standby), '42501', 'and no others');
my ($status, undef, $err) = $standby->psql('postgres', q{SELECT recall.issue_token(1, '{read}')}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($err, qr/25006/, 'it issues none: that is in the audit');

# Another database, and keys that are changed.

$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is(query('SELECT count(*) FROM (TABLE recall.token_key) k', 'copy'), 1, 'a copy of the database has its key');
is(as_app("BEGIN; SELECT recall.enter('$token[1]');", database => 'copy'), '42501', 'and does not take its tokens');
is(as_app("BEGIN; SELECT recall.enter('" . token(1, 'read', 'copy') . "');"), '42501', 'nor the other way');

my $psql = "psql -X -q -d '" . $node->connstr('postgres') . "'";
is(as_app("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;
	\\! $psql -c 'SELECT recall.rotate_token_key()' >/dev/null
	SELECT recall.enter('$token[1]');"), '1 42501', 'a key that was taken away is so for older snapshots, too');
@token = (undef, token(1), token(2));
is(as_app("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;
	\\! $psql -c \"SELECT recall.dismiss_pool('app')\" -c 'GRANT USAGE ON SCHEMA recall TO app' -c 'GRANT EXECUTE ON FUNCTION recall.enter TO app' >/dev/null
	SELECT recall.enter('$token[1]');"), '1 42501', 'and a pool that was dismissed');
query(q{SELECT recall.admit_pool('app')});

# A dump has no key.

$node->command_ok([ 'pg_dump', '-f', "$folder/dump.sql", 'postgres' ], 'pg_dump');
my $dump = slurp_file("$folder/dump.sql");
like($dump, qr/^COPY recall\.pool .*\napp\t/m, 'a dump has the pools');
unlike($dump, qr/recall\.token_key|\Q@{[ query(q{SELECT encode(secret, 'hex') FROM recall.token_key}) ]}\E/, 'and no key');

# Who may dump everything, but does not own it, can.
query('CREATE ROLE dumper LOGIN IN ROLE pg_read_all_data');
$node->command_ok([ 'pg_dump', '-U', 'dumper', '-f', "$folder/dumper.sql", 'postgres' ], 'pg_dump by a role that may read all data');

# Two tenants take turns on one connection of pgbouncer.

SKIP:
{
	my ($program) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
	skip('pgbouncer is not installed', 1) unless $program;
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	append_to_file("$folder/users", qq{"app" ""\n});
	append_to_file("$folder/pgbouncer.ini", <<END);
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]}
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $socket_folder
auth_type = trust
auth_file = $folder/users
pool_mode = transaction
default_pool_size = 1
END
	$bouncer = fork() // die "fork: $!";
	if ($bouncer == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$folder/bouncer.log");
		open(STDERR, '>&', \*STDOUT);
		exec($program, "$folder/pgbouncer.ini") or POSIX::_exit(127);
	}
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if -S "$socket_folder/.s.PGSQL.$port";
		sleep(0.1);
	}

	my $clients = 0;

	# A client runs transactions one after another: with its tenant's token, and in between without any, with a bad one, and
	# some that fail. Of each it prints the server process, what it expects, and what it sees.
	my $client = sub {
		my ($tenant, $count) = @_;
		my $see = sub { "SELECT 'saw', pg_backend_pid(), clock_timestamp(), '$_[0]', (SELECT coalesce(string_agg(DISTINCT tenant_id::text, ' '), 'none') FROM recall.permit);\n" };
		my $enter = "SELECT recall.enter('$token[$tenant]');\n";
		my $numbers = "SELECT 'saw', pg_backend_pid(), clock_timestamp(), '$tenant', coalesce(string_agg(DISTINCT substr(number, 4, 1), ' '), '$tenant') FROM recall.completed_call;\n";
		my $dial = "SELECT 'dialled', recall.report($tenant, c.contact_id, c.token, 'busy', NULL, now(), now()) FROM recall.claim($tenant, 1, 1) c;\n";
		my @ways = (
			"BEGIN;\n$enter" . $see->($tenant) . "COMMIT;\n",
			$see->('none'),
			"BEGIN;\n" . $see->('none') . "COMMIT;\n",
			"BEGIN;\n$enter${dial}COMMIT;\n",
			"BEGIN;\n$enter" . $see->($tenant) . "SELECT 1 / 0;\nROLLBACK;\n",
			"BEGIN;\nSAVEPOINT s;\n${enter}ROLLBACK TO s;\n" . $see->('none') . "COMMIT;\n",
			"BEGIN;\n$enter$numbers" . "ROLLBACK;\n",
			"BEGIN;\nSELECT recall.enter('" . ($token[$tenant] =~ s/.$/x/r) . "');\nROLLBACK;\n" . $see->('none'),
			"BEGIN;\n$enter" . "SELECT count(*) FROM recall.claim(@{[ 3 - $tenant ]}, 1);\nROLLBACK;\n" . $see->('none'));
		my $script = join('', map { $ways[ ($_ * 7 + $tenant) % @ways ] } 1 .. $count);
		my %run = (out => '', err => '');
		$clients++;
		append_to_file("$folder/client$clients.sql", $script);
		$run{handle} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-f', "$folder/client$clients.sql",
				'-d', "host=$socket_folder port=$port dbname=postgres user=app" ], '>', \$run{out}, '2>', \$run{err});
		return \%run;
	};
	my @runs = map { $client->(1 + $_ % 2, 450) } 0 .. 3;
	my (%process, @wrong, %errors, %seen);
	my $dialled = 0;

	foreach my $run (@runs)
	{
		ok($run->{handle}->finish, 'a client ends well');
		foreach (split(/\n/, $run->{out}))
		{
			$dialled++ if /^dialled\|recorded$/;
			next unless /^saw\|(\d+)\|(.*)\|(.*)\|(.*)$/;
			$process{$1} = 1;
			push(@wrong, $_) if $3 ne $4;
			$seen{$2} = $4;
		}
		$errors{$_}++ foreach $run->{err} =~ /ERROR:  (\w+)/g;
	}
	is_deeply(\@wrong, [], 'no client saw another tenant, or anything without a token');
	cmp_ok(scalar(keys(%seen)), '>', 1000, 'in many transactions');
	is(scalar(keys(%process)), 1, 'which all went through one server process');
	my @order = grep { $_ ne 'none' } map { $seen{$_} } sort keys(%seen);
	my $turns = grep { $order[$_] ne $order[ $_ - 1 ] } 1 .. $#order;
	cmp_ok($turns, '>', 20, "where the tenants took turns, $turns times");
	is_deeply(\%errors, { '22012' => 200, '42501' => 400 }, 'what was to be refused was');
	is($dialled, 200, 'and the permits were dialled');
	is(query(q{SELECT string_agg(DISTINCT concat_ws(' ', tenant_id, substr(number, 4, 1)), ', ') FROM recall.call}), '1 1, 2 2', 'each in its tenant');
	kill('TERM', $bouncer);
	waitpid($bouncer, 0);
	undef $bouncer;
}

$standby->stop;
$node->stop;
done_testing();
