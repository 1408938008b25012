# While somebody holds an old snapshot nothing that was dialled can be cleared away, and all of it lies in front of what is
# to be dialled next: a claim must not read all of that again each time.
#
# What is read is counted, not timed. So that the count is known to show it, claims that remember nothing are counted too:
# those of a connection that is made anew for each.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dead_rows');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
autovacuum = off
log_statement = none
END
$node->start;
$node->safe_psql('postgres', <<'END');
	CREATE EXTENSION recall;
	SELECT recall.create_tenant('tenant');
	SELECT recall.create_task(1, 'task', 'predicted', 'busy');
	SELECT recall.create_batch(1, 1, 'batch');
	CREATE TABLE new_contact AS SELECT ARRAY['+' || 10000000 + i] AS numbers FROM generate_series(1, 40000) i;
	SELECT recall.add_contacts(1, 1, 'new_contact');
	SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
	VACUUM ANALYZE;
END

my $script = $node->basedir . '/dial.sql';
append_to_file($script, <<'END');
SELECT array_agg(contact_id) AS ids, array_agg(token) AS tokens FROM recall.claim(1, 1, 50) \gset
SELECT count(*) FROM recall.report_many(1, :ids, :tokens, NULL, NULL, NULL, NULL);
END

sub blocks
{
	return $node->safe_psql('postgres', q{
		SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit) FROM pg_statio_all_tables WHERE relid = 'recall.dial'::regclass});
}

# Dial so many times fifty permits, and return how many blocks of the queue were read each time.
sub dial
{
	my ($times, @options) = @_;
	my $before = blocks();

	$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-t', $times, '-f', $script, @options, 'postgres' ], "$times times fifty permits are dialled");
	return (blocks() - $before) / $times;
}

my $looker = $node->background_psql('postgres');
$looker->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM recall.tenant');

my $at_first = dial(50);
dial(500);
my $dead = $node->safe_psql('postgres', q{SELECT pg_relation_size('recall.dial') / current_setting('block_size')::int});
my $later = dial(150);
my $forgetful = dial(10, '-C');

note "blocks for fifty permits: $at_first at first, $later behind a queue of $dead blocks, $forgetful by who remembers nothing";
cmp_ok($forgetful, '>', 3 * $at_first, 'who remembers nothing reads what is dead again each time');
cmp_ok($later, '<', 2 * $at_first, 'a dialer does not');
is($node->safe_psql('postgres', 'SELECT count(*) FROM recall.verify()'), 0, 'nothing is wrong');
is($node->safe_psql('postgres', 'SELECT count(*) FROM recall.call'), 50 * 710, 'each permit was dialled once');
$looker->query_safe('COMMIT');
$looker->quit;
done_testing();
