# The role of the cron job is dropped; and pg_cron on a clock that is stepped: what waits is done by the first run that comes
# through, and health() was red meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../clock";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestClock;

my $library = `pg_config --pkglibdir` =~ s/\s+$//r . '/pg_cron.so';
plan skip_all => 'pg_cron is not installed' unless -e $library;

my $clock = TestClock->new;
my $node = PostgreSQL::Test::Cluster->new('clock_cron');
my $host = $node->host;
$node->init;
$node->append_conf('postgresql.conf', <<"END");
log_statement = none
timezone = 'UTC'
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.host = '$host'
END
# Half an hour before summer time begins; a minute in a second.
$clock->set('2026-03-29 00:30:00', 60);
$clock->start($node);

sub run
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

sub health
{
	return run(q{SELECT string_agg(check_name, ', ' ORDER BY check_name) FROM recall.health()
		WHERE status = 'critical' AND check_name IN ('schedule', 'last run of the job', 'last tick', 'overdue records', 'clock')});
}

sub press
{
	run('SELECT recall.record_call(1, i, $$busy$$, NULL) FROM generate_series(1, 9) i; SELECT recall.recycle(1, 1)');
	return;
}

my $waiting = q{SELECT count(*) FROM recall.recycle WHERE state <> 'completed'};
my $done = q{SELECT count(*) = 0 FROM recall.recycle WHERE state <> 'completed'};

run(<<'END');
	CREATE EXTENSION pg_cron;
	CREATE EXTENSION recall;
	SELECT recall.create_tenant('tenant', 'Europe/Berlin');
	SELECT recall.create_task(1, 'task', 'robot', 'busy', '24/7'), recall.create_batch(1, 1, 'batch');
	SELECT recall.add_contact(1, 1, ARRAY['+4930123456' || i]) FROM generate_series(1, 9) i;
	SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
	CREATE ROLE scheduler LOGIN;
	GRANT USAGE ON SCHEMA recall TO scheduler;
	GRANT EXECUTE ON PROCEDURE recall.process() TO scheduler;
	GRANT EXECUTE ON FUNCTION recall._begin_tick(), recall._expire(bigint), recall._settle(bigint, int, bigint), recall._step(bigint, int), recall._end_tick(bigint) TO scheduler;
	SELECT cron.schedule_in_database('recall', '*/5 * * * *', 'CALL recall.process()', current_database(), 'scheduler');
END
press();
ok($node->poll_query_until('postgres', $done), 'pg_cron goes by the clock of the test');
is(health(), '', 'all is well');

# Across the beginning of summer time.
ok($node->poll_query_until('postgres', q{SELECT max(finished_at) > '2026-03-29 01:05+00' FROM recall.tick}), 'runs go on when summer time begins');
is(run(q{SELECT max(gap) <= interval '10 min' FROM (SELECT started_at - lag(started_at) OVER (ORDER BY tick_id) AS gap FROM recall.tick) g}), 't', 'without a gap');

# The role is dropped.
run('DROP OWNED BY scheduler; DROP ROLE scheduler');
press();
$clock->step(2400);
is(health() =~ s/last run of the job, //r, 'last tick, overdue records, schedule', 'the role is dropped: health() is red');
like(run(q{SELECT detail FROM recall.health() WHERE check_name = 'schedule'}), qr/cron job 1 runs as role "scheduler", which does not exist/, 'and says why');
is(run($waiting), '1', 'nothing is done');
run('SELECT recall.schedule()');
is(run(q{SELECT count(*), min(username) FROM cron.job WHERE command ~ 'process'}), '1|' . run('SELECT current_user'), 'schedule() gives the job to another');
ok($node->poll_query_until('postgres', $done), 'the first run does what waited');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM recall.health() WHERE status = 'critical'}), 'and all is well again');

# The clock is set back by two minutes, and forth again.
press();
$clock->step(-120);
ok($node->poll_query_until('postgres', $done), 'two minutes back: pg_cron goes on');
$clock->step(3600);
press();
ok($node->poll_query_until('postgres', $done), 'an hour on: pg_cron goes on');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM recall.health() WHERE status = 'critical'}), 'and all is well');

$node->stop('fast');
done_testing();
