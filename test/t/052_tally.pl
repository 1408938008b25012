# Transactions that report calls of the same recycle records do not wait for each other, in whatever order they report,
# and whichever numbers their processes have: sessions are opened until two have the same one modulo 16, by which they
# could be taken to count in the same place.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('tally');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'END');
	CREATE EXTENSION recall;
	SELECT recall.create_tenant('tenant');
	SELECT recall.create_task(1, 'task', 'predicted', 'busy');
	SELECT recall.create_batch(1, 1, 'batch ' || i) FROM generate_series(1, 2) i;
	SELECT recall.add_contact(1, batch, ARRAY['+' || batch * 10000000 + i]) FROM generate_series(1, 2) batch, generate_series(1, 10) i;
	SELECT recall.start_task(1, 1), recall.start_batch(1, 1), recall.start_batch(1, 2);
	CREATE TABLE busy AS SELECT contact_id, 'busy'::recall.failure_cause AS failure_cause FROM recall.contact;
	SELECT recall.record_calls(1, 'busy');
	SELECT recall.recycle(1, 1), recall.recycle(1, 2);
END
$node->safe_psql('postgres', 'CALL recall.process()');
$node->safe_psql('postgres', <<'END');
	CREATE TABLE out AS SELECT contact_id, token, recycle_id, row_number() OVER (PARTITION BY recycle_id ORDER BY contact_id) AS nth
	FROM recall.claim(1, 1, 100);
END

# Two sessions whose processes have the same number modulo 16, of 17 at most.
sub alike
{
	my %by_place;

	for (1 .. 17)
	{
		my $session = $node->background_psql('postgres');
		my $place = $session->query_safe('SELECT pg_backend_pid() % 16');

		return ($by_place{$place}, $session) if $by_place{$place};
		$by_place{$place} = $session;
	}
}

sub report
{
	my ($session, $record, $nth) = @_;

	return $session->query_safe(
		"SELECT recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL) FROM out WHERE recycle_id = $record AND nth = $nth");
}

my ($one, $other) = alike();
isnt($one, undef, 'two sessions that are alike');

# The first time makes the place where it is counted, the second counts up there.
for my $time (0, 1)
{
	$_->query_safe("BEGIN; SET LOCAL lock_timeout = '2s'") foreach $one, $other;
	is(report($one, 1, 1 + 4 * $time), 'recorded', "time $time: one reports a call of the first record");
	is(report($other, 2, 2 + 4 * $time), 'recorded', 'another one of the second');
	is(report($one, 2, 3 + 4 * $time), 'recorded', 'then one of the second');
	is(report($other, 1, 4 + 4 * $time), 'recorded', 'and one of the first');
	$_->query_safe('COMMIT') foreach $one, $other;
}
is($node->safe_psql('postgres', 'SELECT recycle_id, dialled FROM recall.recycle_record ORDER BY recycle_id'), "1|4\n2|4", 'and all are counted');
is($node->safe_psql('postgres', 'SELECT * FROM recall.verify()'), '', 'every invariant holds');

done_testing();
