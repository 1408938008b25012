# One session lives through it all: the extension is dropped and created again, its functions are altered, and what is cached
# is made stale all the while by another session. Plans, OIDs, values of enums and bookmarks that the library keeps must be
# those of the extension that is there.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('one_session');
$node->init;
$node->append_conf('postgresql.conf', "client_min_messages = warning\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall; CREATE ROLE app; CREATE ROLE member');

# Uses all that is written in C, and shows what must be the same each time. The second task has a limit for each number, so
# that its permits are claimed in SQL by a plan that is kept; so are reports that are no permit's.
my $life = <<'END_OF_LIFE';
SELECT recall.create_tenant('Acme', 'Europe/Berlin') AS tenant \gset
SELECT recall.create_business_result(:tenant, 'callback', 'Call me back');
SELECT recall.create_task(:tenant, 'plain', 'predicted', 'busy max 5; result callback never', 'Mo-Su 00:00-24:00') AS plain \gset
SELECT recall.create_task(:tenant, 'limited', 'predicted', 'busy, no_answer max 5; limit 9 per number; quiet 1 min after answered', 'Mo-Su,PH 00:00-24:00') AS limited \gset
SELECT recall.create_task(:tenant, 'automatic', 'predicted', 'busy after 10 min; limit 5', NULL) AS automatic \gset
SELECT recall.set_auto_recall(:tenant, :automatic, true);
CREATE TEMPORARY TABLE batch AS SELECT task, recall.create_batch(:tenant, task, 'a batch') AS batch FROM unnest(ARRAY[:plain, :limited, :automatic]::bigint[]) task;
SELECT recall.add_contact(:tenant, batch, ARRAY['+4930' || 1000000 + 100 * task + n, '+4930' || 2000000 + n]) FROM batch, generate_series(1, 10) n ORDER BY task, n;
CREATE TEMPORARY TABLE people AS SELECT ARRAY['+4930' || 3000000 + n] AS numbers FROM generate_series(1, 5) n;
SELECT recall.add_contacts(:tenant, batch, 'people') FROM batch WHERE task = :limited;
SELECT recall.start_task(:tenant, task), recall.start_batch(:tenant, batch) FROM batch ORDER BY task;
SELECT recall.suppress(:tenant, '+49301000103');
SELECT contact_id, number, attempt, recall.report(:tenant, contact_id, token, recall.failure_cause('sip', '486'), NULL, NULL, NULL)
	FROM batch, recall.claim(:tenant, task, 5) ORDER BY 1;
SELECT contact_id, number, attempt, token FROM recall.claim(:tenant, :limited, 1) \gset last_
SELECT recall.extend(:tenant, :last_contact_id, :last_token, '1 h') > now();
SELECT recall.report(:tenant, :last_contact_id, :last_token, NULL, 'callback', NULL, NULL);
SELECT recall.report(:tenant, :last_contact_id, :last_token, NULL, 'callback', NULL, NULL);
\set VERBOSITY sqlstate
SELECT recall.report(:tenant, :last_contact_id, 1, NULL, NULL, NULL, NULL);
SELECT recall.claim(:tenant, 99);
SELECT recall.transition('task', 'complete', 'executing');
\set VERBOSITY terse
SELECT contact_id, token FROM recall.claim(:tenant, :plain, 1) \gset put_back_
SELECT recall.release(:tenant, :put_back_contact_id, :put_back_token);
SELECT r.* FROM (SELECT array_agg(contact_id) AS contacts, array_agg(token) AS tokens FROM recall.claim(:tenant, :plain, 3)) c,
	recall.report_many(:tenant, contacts, tokens, array_fill('busy'::recall.failure_cause, ARRAY[cardinality(tokens)]),
		array_fill(NULL::text, ARRAY[cardinality(tokens)]), array_fill(NULL::timestamptz, ARRAY[cardinality(tokens)]), array_fill(NULL::timestamptz, ARRAY[cardinality(tokens)])) r ORDER BY 1;
SELECT task, p.outcome, p.verdict, p.reason, p.contacts FROM batch, recall.preview(:tenant, batch) p ORDER BY 1, 2;
SELECT recall.recycle(:tenant, batch) FROM batch WHERE task <> :automatic ORDER BY task;
CALL recall.process();
SELECT contact_id, number, attempt FROM batch, recall.claim(:tenant, task, 100) ORDER BY 1;
SELECT contact_id, step, check_name, passed FROM unnest('{1,3,11,21,31}'::bigint[]) contact_id, recall.explain(:tenant, contact_id) ORDER BY 1, 2;
SELECT task, outcome, verdict, reason, contacts FROM batch, recall.simulate(:tenant, batch, 'failed; limit 5') s ORDER BY 1, 2, 3;
SELECT check_name, status FROM recall.health() ORDER BY 1;
SELECT recall.next_open('Mo-Fr 09:00-18:00; PH off', 'America/New_York', '2026-07-03 22:30+00', '{2026-07-06}');
SELECT recall.admit_pool('app');
SELECT recall.issue_token(:tenant, '{read,dial}') AS token \gset
BEGIN;
SET LOCAL ROLE app;
SELECT recall.enter(:'token') = :tenant;
SELECT contacts FROM recall.task_overview ORDER BY task_id;
SELECT recall.claim(:tenant, :plain) IS NULL;
SAVEPOINT a;
SELECT recall.enter(:'token') = :tenant;
ROLLBACK TO a;
SELECT numbers FROM recall.completed_call, LATERAL (SELECT number AS numbers) n ORDER BY 1 LIMIT 1;
COMMIT;
SELECT recall.dismiss_pool('app');
SELECT recall.grant_privilege(:tenant, 'member', '{read}');
BEGIN;
SET LOCAL ROLE member;
SELECT outcome, number, attempt FROM recall.completed_call ORDER BY contact_id, attempt LIMIT 3;
COMMIT;
SELECT recall.revoke_privilege(:tenant, 'member', '{read}');
SELECT * FROM recall.erase_number(:tenant, '+49301000301');
DROP TABLE batch, people;
END_OF_LIFE

# Has everything be read anew that depends on the functions, or on the tables.
sub alter
{
	my ($catalog, $named, $filter, $change) = @_;

	return <<"END";
DO \$\$
DECLARE
	object $named;
BEGIN
	FOR object IN SELECT oid FROM pg_catalog.$catalog WHERE $filter LOOP
		EXECUTE format('ALTER $change', object);
	END LOOP;
END \$\$;
END
}
my $functions = alter('pg_proc', 'regprocedure', q{pronamespace = 'recall'::regnamespace AND prokind = 'f'}, 'FUNCTION %s COST 7');
my $tables = alter('pg_class', 'regclass', q{relnamespace = 'recall'::regnamespace AND relkind = 'r'}, 'TABLE %s SET (fillfactor = 77)');

# More messages than another session can keep up with, so that it has to forget all that it has cached.
my $storm = <<'END';
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		EXECUTE format('CREATE TABLE public.storm_%s (a int, b text)', i);
		EXECUTE format('CREATE FUNCTION public.storm_%s() RETURNS int LANGUAGE sql RETURN %1$s', i);
		EXECUTE format('DROP TABLE public.storm_%s', i);
		EXECUTE format('DROP FUNCTION public.storm_%s()', i);
	END LOOP;
	PERFORM nextval('public.storms');
END $$;
END

my $again = "DROP EXTENSION recall;\nCREATE EXTENSION recall;\n";

# Run scripts one after the other in one session: the errors of all, and what each printed.
sub one_session
{
	my ($status, $out, $err) = $node->psql('postgres', join("\\echo == next\n", @_), on_error_stop => 0);

	return ($err, split(/^== next\n/m, $out . "\n"));
}

sub sees_no_other_error
{
	my ($errors, $lives, $name) = @_;

	is(join(' ', sort $errors =~ /(?:ERROR|FATAL|PANIC):  (.*)/g), join(' ', map { ($_) x $lives } qw(22023 42501 55000)), $name);
}

my ($errors, $first, @later) = one_session($life, $again . $life, $again . $functions . $tables . $life, "DISCARD PLANS;\n" . $again . $life);
is(scalar(@later), 3, 'the session lives to the end');
like($first, qr/recorded.*duplicate/s, 'reports were recorded');
sees_no_other_error($errors, 4, 'what is refused is refused, and there is no other error');
is($later[0], $first, 'created again, the extension does the same in the same session');
is($later[1], $first, 'and once more, with all of its functions and tables altered');
is($later[2], $first, 'and when all plans were forgotten');

# The same while others alter and create all the time.
$node->safe_psql('postgres', 'CREATE SEQUENCE public.storms');
my @others;
my $folder = PostgreSQL::Test::Utils::tempdir;
# GRANT, which is part of a life, and a change of the same function are in each other's way.
my %scripts = (tables => $tables, storm => $storm);
foreach my $name (sort keys %scripts)
{
	append_to_file("$folder/$name.sql", $scripts{$name} =~ s/;\n$/ \\watch 0.01\n/r);
	push @others, IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', "$folder/$name.sql" ], '>', "$folder/$name.out", '2>&1');
}
my $storms = 'SELECT last_value - (NOT is_called)::int FROM public.storms';
$node->poll_query_until('postgres', "SELECT ($storms) > 0");
($errors, my @stormy) = one_session(($life) x 3);
cmp_ok($node->safe_psql('postgres', $storms), '>', 1, 'meanwhile others altered and created without a pause');
foreach my $other (@others)
{
	$other->kill_kill;
}
unlike(slurp_file("$folder/$_.out"), qr/ERROR/, "$_ met no error") foreach sort keys %scripts;
sees_no_other_error($errors, 3, 'nor did the session');
is($stormy[$_], $first, 'which does the same, time ' . ($_ + 1)) foreach 0 .. 2;

done_testing();
