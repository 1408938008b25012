# The role of the cron job is dropped; and pg_cron on a clock that is stepped: what waits is done by the first run that comes
# through, and health() was red meanwhile. The job's backend is killed, and pg_cron's launcher: the job goes on by itself.

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
restart_after_crash = on
recall.chunk_size = 50
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

# A chunk of a record is held until it is let go, so that what is done to a run is done in the middle of its work.
run(<<'END');
	CREATE TABLE hold AS SELECT true AS holds;
	CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		WHILE (SELECT h.holds FROM public.hold h) LOOP
			PERFORM pg_sleep(6); -- a tenth of a second
		END LOOP;
		RETURN NEW;
	END $$;
	CREATE TRIGGER hold BEFORE UPDATE ON recall.recycle FOR EACH ROW WHEN (NEW.judged > 150) EXECUTE FUNCTION hold();
	SELECT recall.create_batch(1, 1, 'batch'), recall.create_batch(1, 1, 'batch');
	SELECT recall.start_batch(1, 2), recall.start_batch(1, 3);
	SELECT recall.add_contact(1, 2 + i % 2, ARRAY['+49301234' || 1000 + i]) FROM generate_series(1, 600) i;
	SELECT recall.record_call(1, contact_id, 'busy', NULL) FROM recall.contact WHERE batch_id > 1;
	SELECT recall.schedule('* * * * *');
END

# Press; return the process id of the job's backend when it is held.
sub press_and_hold
{
	my ($batch) = @_;
	my $at_work = "FROM pg_stat_activity a JOIN cron.job_run_details d ON d.job_pid = a.pid AND d.status = 'running'
		JOIN recall.recycle r ON r.batch_id = $batch AND r.state = 'running' AND r.judged = 150";

	run("UPDATE hold SET holds = true; SELECT recall.recycle(1, $batch)");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $at_work"), "batch $batch: the job is in the middle of a record");
	return run("SELECT a.pid $at_work");
}

sub let_go
{
	my ($batch) = @_;

	run('UPDATE hold SET holds = false');
	ok($node->poll_query_until('postgres', $done), "batch $batch: the job goes on");
	is(run("SELECT state, judged, emitted FROM recall.recycle WHERE batch_id = $batch"), 'completed|300|300', '... to the end');
	is(run("SELECT count(*), count(DISTINCT contact_id) FROM recall.dial WHERE batch_id = $batch"), '300|300', '... and each permit is there once');
	is(run('SELECT * FROM recall.verify()'), '', '... and nothing is wrong');
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM recall.health() WHERE status = 'critical'}), '... and all is well');
	return;
}

# Kill a process of the server with SIGKILL; wait until the server has recovered.
sub kill_process
{
	my ($process) = @_;
	my $log_end = -s $node->logfile;

	kill 'KILL', $process;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_end);
	ok($node->poll_query_until('postgres', 'SELECT true'), 'killed: the server recovers');
	return;
}

# The job's backend, and then pg_cron's launcher beside it.
kill_process(press_and_hold(2));
is(run('SELECT state, judged FROM recall.recycle WHERE batch_id = 2'), 'running|150', 'killed: whole chunks are kept');
let_go(2);

my $launcher = q{FROM pg_stat_activity WHERE backend_type = 'pg_cron launcher'};
press_and_hold(3);
my $old = run("SELECT pid $launcher");
kill_process($old);
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $launcher AND pid <> $old"), 'the launcher is another');
is(run('SELECT state, judged FROM recall.recycle WHERE batch_id = 3'), 'running|150', 'killed: whole chunks are kept');
let_go(3);
press();
ok($node->poll_query_until('postgres', $done), 'and calls the processor');

$node->stop('fast');
done_testing();
