# Numbers do not get into the server's log or statistics by what recall says of them, and what the documentation says of
# statements that spell them out is so.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('privacy');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = 'all'
log_statement = none
log_error_verbosity = verbose
log_lock_waits = on
deadlock_timeout = 100ms
END
$node->start;

# Every number that is planted has these digits, which are nowhere else.
my $planted = '30777123';
my $connection = $node->connstr('postgres');

$node->safe_psql('postgres', 'CREATE EXTENSION recall; CREATE EXTENSION pg_stat_statements');
$node->safe_psql('postgres', <<"END");
	CREATE ROLE acme LOGIN;
	CREATE ROLE bell LOGIN;
	-- As doc/privacy.md has it.
	ALTER ROLE acme SET log_min_error_statement = 'panic';
	SELECT recall.create_tenant('Acme'), recall.create_tenant('Bell');
	SELECT recall.grant_privilege(1, 'acme', '{read,manage,recycle,dial}'), recall.grant_privilege(2, 'bell', '{read,manage,recycle,dial}');
	SELECT recall.create_task(1, 'Winter', 'predicted', 'busy; limit 3 per day per number'), recall.create_batch(1, 1, 'First');
	SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
	SELECT recall.add_contact(1, 1, ARRAY['+49${planted}001', '+49${planted}002']), recall.add_contact(1, 1, ARRAY['+49${planted}003']);
	CREATE SCHEMA acme AUTHORIZATION acme;
	CREATE TABLE acme.bad_number AS SELECT ARRAY['+49${planted}004', '+49 ${planted}005'] AS numbers;
	CREATE TABLE acme.twice AS SELECT ARRAY['+49${planted}004', '+49${planted}004'] AS numbers;
	CREATE TABLE acme.no_array AS SELECT '+49${planted}004'::text AS numbers;
	CREATE TABLE acme.json AS SELECT ARRAY['+49${planted}004'] AS numbers, '{"tel": "+49${planted}004", }'::text AS attributes;
	CREATE TABLE acme.zone AS SELECT ARRAY['+49${planted}004'] AS numbers, '+49${planted}004' AS time_zone;
	CREATE TABLE acme.no_id AS SELECT '+49 ${planted}004' AS contact_id;
	CREATE TABLE acme.foreign_number AS SELECT 1 AS contact_id, '+49${planted}003' AS number;
	CREATE TABLE acme.cause AS SELECT 1 AS contact_id, '+49${planted}003' AS failure_cause;
	CREATE TABLE acme.no_time AS SELECT 1 AS contact_id, '+49${planted}003' AS started_at;
	CREATE FUNCTION acme.shout(n text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not %'', n USING DETAIL = n, HINT = n; END';
	CREATE VIEW acme.shouts AS SELECT 1 AS contact_id, acme.shout('+49${planted}003') AS number;
	GRANT SELECT ON ALL TABLES IN SCHEMA acme TO acme;
END

sub log_since
{
	my ($offset) = @_;

	return substr(slurp_file($node->logfile), $offset);
}

# How the role's statement fails: what it is told, and what the log then has.
sub failure
{
	my ($role, $query) = @_;
	my $offset = -s $node->logfile;
	my ($status, $out, $err) = $node->psql('postgres', $query, connstr => "$connection user='$role'", extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return ($status, $out . $err, log_since($offset));
}

# Each of these fails, and says a number neither to the caller nor to the log.
my %calls = (
	q{recall.add_contact(1, 1, ARRAY['+49_004x'])} => '22P02',
	q{recall.add_contact(1, 1, ARRAY['49_004'])} => '22P02',
	q{recall.add_contact(1, 1, ARRAY['+49 _004'])} => '22P02',
	q{recall.add_contact(1, 1, ARRAY['+49_0040000000'])} => '22P02',
	q{recall.add_contact(1, 1, ARRAY['+49_004', '+49_004'])} => '22023',
	q{recall.add_contact(1, 1, ARRAY['+49_004', NULL])} => '22023',
	q{recall.add_contact(1, 77, ARRAY['+49_004'])} => '42501',
	q{recall.add_contacts(1, 1, 'acme.bad_number')} => '22P02',
	q{recall.add_contacts(1, 1, 'acme.twice')} => '22023',
	q{recall.add_contacts(1, 1, 'acme.no_array')} => '22P02',
	q{recall.add_contacts(1, 1, 'acme.json')} => '22P02',
	q{recall.add_contacts(1, 1, 'acme.zone')} => '22023',
	q{recall.record_call(1, 1, 'busy', NULL, '+49_003')} => '22023',
	q{recall.record_call(1, 1, 'busy', NULL, '0_003')} => '22023',
	q{recall.record_call(1, 1, 'busy', '_003')} => '22023',
	q{recall.record_calls(1, 'acme.foreign_number')} => '22023',
	q{recall.record_calls(1, 'acme.no_id')} => '22P02',
	q{recall.record_calls(1, 'acme.cause')} => '22P02',
	q{recall.record_calls(1, 'acme.no_time')} => '22(007|009)',
	q{recall.record_calls(1, 'acme.shouts')} => 'P0001',
	q{recall.schedule_callback(1, 1, now(), '+49_003')} => '22023',
	q{recall.suppress(1, '+49 _003')} => '22P02',
	q{recall.suppress(1, '+49_003', now() - interval '1 s')} => '22023',
	q{recall.suppress(1, '+49_003', reason => repeat('+49_003', 100))} => '22023',
	q{recall.unsuppress(1, '+49_003,')} => '22P02',
	q{recall.suppress(2, '+49_003')} => '42501',
	q{recall.erase_number(1, '(_003)')} => '22P02',
	q{recall.erase_number(2, '+49_003')} => '42501');
foreach my $call (sort keys %calls)
{
	my $query = "SELECT $call" =~ s/_(?=00)/$planted/gr;
	my ($status, $told, $log) = failure('acme', $query);

	isnt($status, 0, "$call fails") or diag($told);
	like($told, qr/ERROR:  $calls{$call}: /, "$call: as it should");
	like($log, qr/ERROR:  $calls{$call}: /, "$call: which is logged");
	unlike($told, qr/$planted/, "$call: the caller is not told a whole number");
	unlike($log, qr/$planted/, "$call: nor is the log");
}

# A call that waits in vain for a row with the number in it.
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT 1 FROM recall.contact WHERE contact_id = 1 FOR UPDATE});
my ($status, $told, $log) = failure('acme', "SET statement_timeout = '500ms'; SELECT recall.record_call(1, 1, 'busy', NULL, '+49${planted}001')");
like($log, qr/57014: .*statement timeout/, 'a call that is cancelled');
unlike($told . $log, qr/ERROR[^\n]*$planted|DETAIL[^\n]*$planted|CONTEXT[^\n]*$planted/, 'says no number in its error or context');
$holder->query_safe('ROLLBACK');
$holder->quit;

# Two calls to a number that go out at once fail nobody, and tell nothing.
my $offset = -s $node->logfile;
$node->safe_psql('postgres', "SELECT recall.add_contact(1, 1, ARRAY['+49${planted}003'])");
$node->safe_psql('postgres', 'SELECT * FROM recall.claim(1, 1, 10)', connstr => "$connection user='acme'");
unlike(log_since($offset), qr/$planted/, 'claims leave nothing in the log');

# What parameters carry is not logged, also where the statement is.
$offset = -s $node->logfile;
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/call.sql", "SELECT recall.suppress(1, :n);\n");
$node->safe_psql('postgres', q{ALTER ROLE acme RESET log_min_error_statement});
$node->command_checks_all([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-U', 'acme', '-D', "n=+49 ${planted}009", '-f', "$folder/call.sql", 'postgres' ],
	2, [qr/./], [qr/invalid number/], 'a call with a parameter fails');
like(log_since($offset), qr/STATEMENT:  SELECT recall.suppress\(1, \$1\)/, 'its statement is logged');
unlike(log_since($offset), qr/$planted/, 'and its parameter is not');

# What a statement spells out is logged where statements are: the checks above would see it.
($status, $told, $log) = failure('acme', "SELECT recall.suppress(1, '+49 ${planted}009')");
like($log, qr/STATEMENT:  .*$planted/, 'by default a failing statement is logged as it was sent');

$node->safe_psql('postgres', "SELECT recall.suppress(1, '+49${planted}011')", connstr => "$connection user='acme'");

# Statistics: constants are not kept, and nobody sees what others run.
unlike($node->safe_psql('postgres', q{SELECT string_agg(query, E'\n') FROM pg_stat_statements WHERE query ~ 'recall\.' AND query !~* '^(create|explain)'}), qr/$planted/, 'pg_stat_statements has no number');
like($node->safe_psql('postgres', q{SELECT string_agg(query, E'\n') FROM pg_stat_statements}), qr/recall\.suppress\(\$1, ?\$2\)/, 'but the statements');
my $other = $node->background_psql('postgres', extra_params => [ '-U', 'acme' ]);
$other->query_safe("SELECT recall.suppress(1, '+49${planted}010')");
is($node->safe_psql('postgres', q{SELECT DISTINCT query FROM pg_stat_activity WHERE usename = 'acme'}, connstr => "$connection user='bell'"), '<insufficient privilege>', 'nobody sees the statement of another tenant');
like($node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity WHERE usename = 'acme'}), qr/$planted/, 'but superusers, as it was sent');
$other->quit;
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stats WHERE schemaname = 'recall'}, connstr => "$connection user='acme'"), '0', 'the statistics of the planner are for the owner');

$node->stop;
done_testing();
