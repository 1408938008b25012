# The schedule: pg_cron calls the processor, health() says so when it does not, and no job outlives the extension.
#
# pg_cron works in minutes, so there is one wait of up to a minute, for two servers at once: one where pg_cron
# works in the database of recall, and one where it works in another.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $library = `pg_config --pkglibdir` =~ s/\s+$//r . '/pg_cron.so';
plan skip_all => 'pg_cron is not installed' unless -e $library;

# Start a server, with pg_cron working in a database if one is named.
sub start_server
{
	my ($name, $cron_database) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "log_statement = none\ntimezone = 'UTC'\n");
	load_cron($node, $cron_database) if defined $cron_database;
	$node->start;
	return $node;
}

sub load_cron
{
	my ($node, $database) = @_;
	my $host = $node->host;

	$node->append_conf('postgresql.conf', <<END);
shared_preload_libraries = 'pg_cron'
cron.database_name = '$database'
cron.host = '$host'
END
	return;
}

# Create a database with recall in it and a record that waits.
sub create_story
{
	my ($node, $database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, <<'END');
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('tenant');
		SELECT recall.create_task(1, 'task', 'robot', 'busy', '24/7');
		SELECT recall.create_batch(1, 1, 'batch');
		SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
		SELECT recall.record_call(1, recall.add_contact(1, 1, ARRAY['+4930123456' || i]), 'busy', NULL) FROM generate_series(1, 9) i;
		SELECT recall.recycle(1, 1);
END
	return;
}

# Assert what health() says in a check: its status and words of its detail; undefined when it must not be there.
sub health
{
	my ($node, $database, $check, $status, $detail, $name) = @_;
	my $got = $node->safe_psql($database, "SELECT status, detail FROM recall.health() WHERE check_name = '$check'");

	return is($got, '', $name) unless defined $status;
	return like($got, qr/^$status\|.*$detail/, $name);
}

# Assert that a statement fails, with an SQLSTATE and words of its message, detail or hint.
sub fails
{
	my ($node, $database, $query, $sqlstate, $words, $name, $role) = @_;
	my $connstr = $node->connstr($database) . (defined $role ? " user='$role'" : '');
	my ($status, $out, $err) = $node->psql($database, $query, connstr => $connstr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return like($err, qr/ERROR:  $sqlstate: .*$words/s, $name);
}

sub jobs
{
	my ($node, $database) = @_;

	return $node->safe_psql($database // 'app', q{
		SELECT schedule, command, database, active FROM cron.job WHERE jobname ~ '^recall' ORDER BY database, jobid});
}

# Two servers whose jobs run at the next minute.

my $elsewhere = start_server('elsewhere', 'postgres');
create_story($elsewhere, 'app');
create_story($elsewhere, 'second');
$elsewhere->safe_psql('postgres', 'CREATE EXTENSION pg_cron');

# pg_cron works in another database: what to run there is said, and works, for more than one database.
fails($elsewhere, 'app', 'SELECT recall.schedule()', '55000', 'pg_cron works in database "postgres", not in "app"',
	'elsewhere: schedule() says where pg_cron works');
is($elsewhere->safe_psql('app', 'SELECT recall.unschedule()'), 'f', 'elsewhere: unschedule() finds nothing');
health($elsewhere, 'app', 'schedule', 'warning', 'pg_cron works in database "postgres"', 'elsewhere: health() knows nothing of the job');
foreach my $database ('app', 'second')
{
	my ($status, $out, $err) = $elsewhere->psql($database, 'SELECT recall.schedule()');
	my ($command) = $err =~ /^HINT:  Connect to database "postgres" and run: (SELECT .*?;)/m;

	ok(defined $command, "elsewhere: the hint has the command for $database") or diag($err);
	health($elsewhere, $database, 'schedule', 'warning', quotemeta($command), "elsewhere: health() says it too, for $database");
	# The command itself, at another time of day: every minute.
	$elsewhere->safe_psql('postgres', $command =~ s{\*/5}{*}r);
}
$elsewhere->safe_psql('app', 'CALL recall.process()');
health($elsewhere, 'app', 'schedule', 'ok', 'pg_cron works in database "postgres", not in "app"; recall.process\(\) is called all the same', 'elsewhere: health() sees what the job does');
$elsewhere->safe_psql('app', q{UPDATE recall.tick SET finished_at = finished_at - interval '11 min', started_at = started_at - interval '11 min'});
health($elsewhere, 'app', 'schedule', 'warning', 'nothing is known of the job here', '... and when it does no more');
is(jobs($elsewhere, 'postgres'), "* * * * *|CALL recall.process()|app|t\n* * * * *|CALL recall.process()|second|t",
	'elsewhere: a job for each database');

my $node = start_server('cron', 'app');
create_story($node, 'app');
$node->safe_psql('app', 'CREATE EXTENSION pg_cron');

# The schedule.
health($node, 'app', 'schedule', 'critical', 'there is no cron job', 'health(): no job');
health($node, 'app', 'last run of the job', undef, undef, 'health(): no job, no last run');
health($node, 'app', 'last tick', 'critical', 'never finished a run', 'health(): no tick');
is($node->safe_psql('app', 'SELECT recall.unschedule()'), 'f', 'unschedule(): nothing to remove');
my $job = $node->safe_psql('app', 'SELECT recall.schedule()');
is(jobs($node), '*/5 * * * *|CALL recall.process()|app|t', 'schedule(): every five minutes');
is($node->safe_psql('app', 'SELECT recall.schedule()'), $job, 'schedule(): again, the same job');
fails($node, 'app', q{SELECT recall.schedule('every five minutes')}, '22023', 'invalid schedule: every five minutes\nHINT:  Give a crontab expression',
	'schedule(): an invalid expression');
unlike(($node->psql('app', q{SELECT recall.schedule('every five minutes')}, extra_params => [ '-v', 'SHOW_CONTEXT=always' ]))[2], qr/CONTEXT/, '... without a CONTEXT');
is(jobs($node), '*/5 * * * *|CALL recall.process()|app|t', 'schedule(): leaves the job as it was');
is($node->safe_psql('app', q{SELECT recall.schedule('* * * * *')}), $job, 'schedule(): another time, the same job');
is(jobs($node), '* * * * *|CALL recall.process()|app|t', 'schedule(): every minute');
$node->safe_psql('app', "UPDATE cron.job SET active = false WHERE jobid = $job");
health($node, 'app', 'schedule', 'critical', "cron job $job is inactive", 'health(): an inactive job');
is($node->safe_psql('app', q{SELECT recall.schedule('* * * * *')}), $job, 'schedule(): activates the job');
health($node, 'app', 'schedule', 'ok', "cron job $job runs at \\* \\* \\* \\* \\* as role \"", 'health(): the job is scheduled');
health($node, 'app', 'last run of the job', 'ok', 'has not run yet', 'health(): it has not run yet');

# A job of somebody who may not call the processor does not call it, whatever it looks like: it is seen, and replaced.
$node->safe_psql('app', <<'END');
	CREATE ROLE squatter LOGIN;
	GRANT USAGE ON SCHEMA cron TO squatter;
	SELECT recall.unschedule();
	SET ROLE squatter;
	SELECT cron.schedule('recall', '0 0 1 1 *', 'CALL recall.process()');
END
health($node, 'app', 'schedule', 'critical', 'cron job \d+ runs as role "squatter", which may not call recall.process\(\). Run SELECT recall.schedule\(NULL\)',
	'health(): a job of a role that may not call the processor');
$job = $node->safe_psql('app', q{SELECT recall.schedule('* * * * *')});
is($node->safe_psql('app', 'SELECT jobid, username = current_user, schedule FROM cron.job'), "$job|t|* * * * *", 'schedule(): replaces it');
$node->safe_psql('app', q{SET ROLE squatter; SELECT cron.schedule('recall', '0 0 1 1 *', 'CALL recall.process()')});
health($node, 'app', 'schedule', 'ok', "cron job $job runs", 'health(): beside one that may it does not count');
is($node->safe_psql('app', q{SELECT recall.schedule('* * * * *')}), $job, 'schedule(): keeps the one that may');
is($node->safe_psql('app', 'SELECT jobid FROM cron.job'), $job, '... and only that');

# The job may run as a role of its own, and back.
$node->safe_psql('app', 'CREATE ROLE clerk LOGIN');
is($node->safe_psql('app', q{SELECT recall.schedule('* * * * *', 'clerk')}), $job, 'schedule(): as another role, the same job');
is($node->safe_psql('app', "SELECT username FROM cron.job WHERE jobid = $job"), 'clerk', '... runs as that role');
is($node->safe_psql('app', q{SELECT recall.schedule('* * * * *')}), $job, 'schedule(): without a role');
is($node->safe_psql('app', "SELECT username FROM cron.job WHERE jobid = $job"), 'clerk', '... leaves the role as it was');
is($node->safe_psql('app', q{
	SELECT action, role = current_user, record_id, detail->'from'->>'schedule', detail->'to'->>'schedule', detail->'from'->>'role' = current_user, detail->'to'->>'role'
	FROM recall.audit WHERE tenant_id = 0 AND kind = 'job' ORDER BY at DESC LIMIT 2 OFFSET 1}),
	"schedule|t|$job|* * * * *|* * * * *|t|clerk\nschedule|t|$job|* * * * *|* * * * *|t|postgres", 'audit: who scheduled what, as whom');
is($node->safe_psql('app', q{SELECT count(*) FROM recall.audit WHERE tenant_id = 0 AND (kind, action, role) = ('job', 'unschedule', current_user)}), '1',
	'audit: and unscheduled; what finds nothing leaves nothing');
fails($node, 'app', 'SELECT recall.schedule(role => $$0$$)', '22023', 'role - does not exist', 'schedule(): no such role');

# Nor is it the owner's choice what somebody schedules who only inherits the processor, and might alter it later.
$node->safe_psql('app', <<'END');
	CREATE ROLE night_shift;
	SELECT recall.grant_scheduler('night_shift');
	GRANT night_shift TO squatter;
	SELECT recall.unschedule();
	SET ROLE squatter;
	SELECT cron.schedule('recall', '0 0 1 1 *', 'CALL recall.process()');
END
health($node, 'app', 'schedule', 'critical', 'cron job \d+ runs as role "squatter", which was not given recall.process\(\) itself. Run SELECT recall.schedule\(NULL\)',
	'health(): a job of a role that inherits the processor');
$job = $node->safe_psql('app', q{SELECT recall.schedule('* * * * *')});
is($node->safe_psql('app', 'SELECT jobid, username = current_user, schedule FROM cron.job'), "$job|t|* * * * *", 'schedule(): replaces it');
$node->safe_psql('app', q{REVOKE night_shift FROM squatter; SELECT recall.revoke_scheduler('night_shift')});

# Its role loses the right, or is dropped: health() says so, and scheduling again makes it one job.
is($node->safe_psql('app', q{SELECT recall.schedule(NULL, 'clerk')}), $job, 'schedule(NULL): the same job');
is(jobs($node), '* * * * *|CALL recall.process()|app|t', '... at the same times');
like(($node->psql('app', q{SELECT recall.revoke_scheduler('clerk')}))[2],
	qr/WARNING:  cron job $job runs as role "clerk", which may not call recall.process\(\) any more\nHINT:  Run SELECT recall.schedule\(NULL\)/,
	'revoke_scheduler(): warns of the job');
health($node, 'app', 'schedule', 'critical', "cron job $job runs as role \"clerk\", which may not call", 'health(): the job of a role that may not any more');
$job = $node->safe_psql('app', 'SELECT recall.schedule(NULL)');
is($node->safe_psql('app', 'SELECT jobid, username = current_user, schedule FROM cron.job'), "$job|t|* * * * *", 'schedule(NULL): one job, of the owner, at the same times');
is(($node->psql('app', q{SELECT recall.revoke_scheduler('clerk')}))[2], '', 'revoke_scheduler(): no job, no warning');
is($node->safe_psql('app', q{SELECT recall.schedule(NULL, 'clerk')}), $job, 'schedule(): as the role again');
is($node->safe_psql('app', 'SELECT recall.schedule(NULL, current_user::regrole)'), $job, '... and back to the owner');
is($node->safe_psql('app', 'SELECT username = current_user FROM cron.job'), 't', '... as whom it runs');
is(($node->psql('app', q{SELECT recall.revoke_scheduler('clerk'); DROP ROLE clerk}))[2], '', 'the role can be dropped');
$node->safe_psql('app', "CREATE ROLE leaver LOGIN; SELECT recall.schedule(NULL, 'leaver'); DROP OWNED BY leaver; DROP ROLE leaver");
health($node, 'app', 'schedule', 'critical', "cron job $job runs as role \"leaver\", which does not exist. Run SELECT", 'health(): the job of a role that was dropped');
$node->safe_psql('app', q{UPDATE cron.job SET command = 'CALL recall.process(); SELECT 1', username = current_user});
is($node->safe_psql('app', 'SELECT recall.schedule(NULL)'), $job, 'schedule(): a job with more in its command');
is(jobs($node), '* * * * *|CALL recall.process()|app|t', '... loses that');

# A role for the scheduler: its own job runs too.
$node->safe_psql('app', <<'END');
	CREATE ROLE scheduler LOGIN;
	SELECT recall.grant_scheduler('scheduler');
	GRANT USAGE ON SCHEMA cron TO scheduler;
	SET ROLE scheduler;
	SELECT cron.schedule('by the scheduler', '* * * * *', 'CALL recall.process()');
	SELECT cron.schedule('broken', '* * * * *', 'SELECT 1 / 0');
	RESET ROLE;
	CREATE ROLE locked_out LOGIN;
	SELECT cron.schedule_in_database('shut', '* * * * *', 'SELECT 2', 'app', 'locked_out');
	ALTER ROLE locked_out NOLOGIN;
END

# While the minute passes: a server without pg_cron.
{
	my $bare = start_server('bare');
	create_story($bare, 'app');
	fails($bare, 'app', 'SELECT recall.schedule()', '55000', "pg_cron is not loaded.*cron.database_name = 'app'.*CREATE EXTENSION pg_cron",
		'bare: schedule() says what to install and to set');
	is($bare->safe_psql('app', 'SELECT recall.unschedule()'), 'f', 'bare: unschedule() finds nothing');
	health($bare, 'app', 'schedule', 'warning', 'pg_cron is not loaded', 'bare: health() says that pg_cron is not loaded');
	health($bare, 'app', 'last run of the job', undef, undef, 'bare: health() knows of no run');
	$bare->safe_psql('app', 'CALL recall.process()');
	health($bare, 'app', 'last tick', 'ok', 'finished .* ago', 'bare: any other scheduler will do');
	health($bare, 'app', 'overdue records', 'ok', 'no recycle record', 'bare: nothing is overdue');
	health($bare, 'app', 'failed records', 'ok', 'no recycle record', 'bare: nothing has failed');
	health($bare, 'app', 'calling hours', 'ok', 'every task', 'bare: every task has calling hours');
	$bare->safe_psql('app', 'DROP EXTENSION recall');
	is($bare->safe_psql('app', q{SELECT count(*) FROM pg_extension WHERE extname = 'recall'}), '0', 'bare: dropped without pg_cron');

	# Loaded, but the extension is missing; then loaded no more, but the extension is there.
	load_cron($bare, 'app');
	$bare->restart;
	create_story($bare, 'postgres');
	$bare->safe_psql('app', 'CREATE EXTENSION recall');
	fails($bare, 'app', 'SELECT recall.schedule()', '55000', 'pg_cron is not installed in database "app".*CREATE EXTENSION pg_cron',
		'bare: schedule() asks for the extension');
	health($bare, 'app', 'schedule', 'warning', 'not installed in database "app"', 'bare: so does health()');
	fails($bare, 'postgres', 'SELECT recall.schedule()', '55000', 'works in database "app"', 'bare: in another database it names the one');
	$bare->safe_psql('app', 'CREATE EXTENSION pg_cron; SELECT recall.schedule()');
	health($bare, 'app', 'schedule', 'ok', 'cron job', 'bare: with the extension it works');
	$bare->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$bare->restart;
	fails($bare, 'app', 'SELECT recall.schedule()', '55000', 'pg_cron is not loaded.*shared_preload_libraries', 'bare: no longer loaded');
	health($bare, 'app', 'schedule', 'warning', 'pg_cron is not loaded', 'bare: health() says that it is no longer loaded');
	my ($status) = $bare->psql('app', 'DROP EXTENSION recall');
	is($status, 0, 'bare: dropped while pg_cron is no longer loaded');

	# The owner is no superuser any more, and may not read the settings in which pg_cron is.
	$bare->safe_psql('postgres', 'CREATE ROLE landlord SUPERUSER; CREATE DATABASE let');
	$bare->safe_psql('let', 'SET ROLE landlord; CREATE EXTENSION recall');
	$bare->safe_psql('let', 'ALTER ROLE landlord NOSUPERUSER');
	health($bare, 'let', 'schedule', 'warning', 'may not see whether pg_cron is loaded.*GRANT pg_read_all_settings TO landlord', 'bare: health() works for an owner that is no superuser');
	fails($bare, 'let', 'SET ROLE landlord; SELECT recall.schedule()', '55000', 'GRANT pg_read_all_settings TO landlord', 'bare: schedule() says what is missing');
	$bare->safe_psql('let', 'GRANT pg_read_all_settings TO landlord');
	health($bare, 'let', 'schedule', 'warning', 'pg_cron is not loaded', 'bare: with that it sees');
	$bare->safe_psql('let', 'REVOKE pg_read_all_settings FROM landlord; DROP EXTENSION recall');
	is($bare->safe_psql('let', q{SELECT count(*) FROM pg_extension WHERE extname = 'recall'}), '0', 'bare: and the extension can be dropped without');
	$bare->stop;
}

# The minute has passed: pg_cron has called the processor, in each of the databases.
$PostgreSQL::Test::Utils::timeout_default = 90;
my $succeeded = q{SELECT count(*) > 0 FROM cron.job_run_details WHERE command = 'CALL recall.process()' AND status = 'succeeded' AND };
ok($node->poll_query_until('app', "$succeeded jobid = $job"), 'the job has run');
ok($node->poll_query_until('app', "$succeeded username = 'scheduler'"), 'the job of the scheduler\'s role has run');
ok($node->poll_query_until('app', q{SELECT count(*) > 0 FROM cron.job_run_details WHERE command = 'SELECT 1 / 0' AND status = 'failed'}),
	'a job that fails has run');
ok($node->poll_query_until('app', q{SELECT count(*) > 0 FROM cron.job_run_details WHERE command = 'SELECT 2' AND status = 'failed'}), 'one that cannot connect has failed');
ok($elsewhere->poll_query_until('postgres', "$succeeded database = '$_'"), "elsewhere: the job for $_ has run") foreach 'app', 'second';
foreach my $where ([ $node, 'app' ], [ $elsewhere, 'app' ], [ $elsewhere, 'second' ])
{
	my ($server, $database) = @$where;
	is($server->safe_psql($database, 'SELECT state, emitted FROM recall.recycle'), 'completed|9',
		$server->name . ", $database: the record is completed");
	health($server, $database, 'last tick', 'ok', 'finished 00:0', $server->name . ", $database: health() has seen the tick");
}
$elsewhere->stop;
health($node, 'app', 'last run of the job', 'ok', 'it succeeded at', 'health(): the last run succeeded');

# The failed run of the other job, as if it were ours.
$node->safe_psql('app', "
	UPDATE cron.job_run_details SET jobid = $job WHERE runid = (
		SELECT max(runid) FROM cron.job_run_details WHERE command = 'SELECT 1 / 0' AND status = 'failed');
	DELETE FROM cron.job_run_details WHERE jobid = $job AND status = 'succeeded'");
health($node, 'app', 'last run of the job', 'critical', 'it failed at .*division by zero', 'health(): the last run failed');
unlike($node->safe_psql('app', q{SELECT detail FROM recall.health() WHERE check_name = 'last run of the job'}), qr/pg_hba/, '... which is not for want of a connection');
$node->safe_psql('app', "
	DELETE FROM cron.job_run_details WHERE jobid = $job;
	UPDATE cron.job_run_details SET jobid = $job WHERE runid = (
		SELECT max(runid) FROM cron.job_run_details WHERE command = 'SELECT 2' AND status = 'failed')");
health($node, 'app', 'last run of the job', 'critical', 'it failed: connection failed\. .*pg_hba\.conf.*How the job logs in', 'health(): the last run could not connect');
$node->safe_psql('app', q{SELECT cron.unschedule(jobid) FROM cron.job WHERE username IN ('scheduler', 'locked_out')});
is($node->safe_psql('app', 'SELECT recall.unschedule()'), 't', 'unschedule(): removes the job');
is(jobs($node), '', 'unschedule(): it is gone');
health($node, 'app', 'schedule', 'critical', 'there is no cron job', 'health(): no job any more');

# Work that is not done.
$node->safe_psql('app', q{UPDATE recall.tick SET finished_at = finished_at - interval '11 min', started_at = started_at - interval '11 min'});
health($node, 'app', 'last tick', 'warning', 'finished 00:1[1-9]', 'health(): no tick for eleven minutes');
$node->safe_psql('app', q{UPDATE recall.tick SET finished_at = finished_at - interval '20 min', started_at = started_at - interval '20 min'});
health($node, 'app', 'last tick', 'critical', 'finished 00:3[1-9]', 'health(): no tick for half an hour');
$node->safe_psql('app', q{
	SELECT recall.recycle(1, 1);
	UPDATE recall.recycle SET requested_at = now() - interval '2 h' WHERE recycle_id = 2});
health($node, 'app', 'overdue records', 'critical', 'recycle records that have waited for more than 10 minutes: 1, the oldest for 02:00', 'health(): a record waits');
$node->safe_psql('app', q{SELECT recall.set_tenant(1, obs_url_mode => 'socket'); SELECT recall.set_calling_hours(1, 1, NULL)});
$node->safe_psql('app', 'CALL recall.process()');
health($node, 'app', 'overdue records', 'ok', 'no recycle record', 'health(): it waits no more');
health($node, 'app', 'failed records', 'warning', 'recycle records that have failed: 1;', 'health(): it failed');
health($node, 'app', 'last tick', 'ok', 'finished 00:00', 'health(): the tick was now');
health($node, 'app', 'calling hours', 'warning', 'tasks at work that may call at any time of day: 1;', 'health(): a task may call at any time');

# What else the scheduler's role can do: nothing.
is($node->safe_psql('app', q{
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND has_function_privilege('scheduler', p.oid, 'EXECUTE')
	AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
	ORDER BY p.proname}),
	"recall._begin_tick()\nrecall._end_tick(bigint)\nrecall._expire(bigint)\nrecall._settle(bigint,integer,bigint)\nrecall._step(bigint,integer)\nrecall.process()", 'scheduler: these routines');
is($node->safe_psql('app', q{
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm', 'S')
	AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('scheduler', c.oid, 'USAGE, SELECT, UPDATE')
		ELSE has_any_column_privilege('scheduler', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
			OR has_table_privilege('scheduler', c.oid, 'DELETE, TRUNCATE, TRIGGER') END}),
	'', 'scheduler: no table, view or sequence');
$node->safe_psql('app', q{SELECT recall.set_tenant(1, obs_url_mode => 'http'); SELECT recall.retry_recycle(1, 2)});
$node->safe_psql('app', 'CALL recall.process()', connstr => $node->connstr('app') . ' user=scheduler');
is($node->safe_psql('app', 'SELECT state FROM recall.recycle WHERE recycle_id = 2'), 'completed', 'scheduler: process() completes a record');
fails($node, 'app', $_, '42501', 'permission denied', "scheduler: no $_", 'scheduler') foreach
	'SELECT * FROM recall.contact', 'SELECT * FROM recall.recycle_record', 'SELECT recall.recycle(1, 1)', 'SELECT recall.schedule()',
	'SELECT * FROM recall.health()', 'SELECT recall._next_record(0, 1)', q{SELECT recall._log(1, 'a', 'b', 'c')};
fails($node, 'app', $_, '2D000', 'recall.process\(\) cannot run inside a transaction block\nHINT:  It commits after each chunk', "process() cannot be part of a transaction: $_") foreach
	'BEGIN; CALL recall.process()', 'SELECT 1 \; CALL recall.process()', 'DO $$ BEGIN CALL recall.process(); EXCEPTION WHEN division_by_zero THEN NULL; END $$';
unlike(($node->psql('app', 'BEGIN; CALL recall.process()', extra_params => [ '-v', 'SHOW_CONTEXT=always' ]))[2], qr/CONTEXT/, '... which is said without a CONTEXT');
$node->safe_psql('app', 'DO $$ BEGIN CALL recall.process(); END $$');
pass('process() in a block of code that may commit');

# Stopping all dialling, as doc/operations.md says.
my ($stop, $start) = slurp_file('doc/operations.md') =~ /^(CREATE TABLE stopped .*;\nSELECT recall\.suspend_task.*;)\n(SELECT recall\.start_task.* FROM stopped;)/m;
$node->safe_psql('app', $stop);
is($node->safe_psql('app', 'SELECT count(*) FROM recall.claim(1, 1, 10)'), '0', 'stopped: nothing is handed out');
$node->safe_psql('app', $start);
is($node->safe_psql('app', 'SELECT count(*) FROM recall.claim(1, 1, 10)'), '9', 'started again: everything is');
$node->safe_psql('app', 'DROP TABLE stopped');

# Dropping. Each way begins with a scheduled job.
sub schedule_again
{
	$node->safe_psql('app', 'CREATE EXTENSION IF NOT EXISTS pg_cron; CREATE EXTENSION IF NOT EXISTS recall CASCADE; SELECT recall.schedule()');
	return;
}
my $scheduled = '*/5 * * * *|CALL recall.process()|app|t';

schedule_again();
$node->safe_psql('app', 'CREATE ROLE somebody LOGIN; CREATE EXTENSION citext; CREATE VIEW public.depends AS SELECT * FROM recall.task_overview');
fails($node, 'app', 'DROP EXTENSION recall', '2BP01', 'public.depends|view depends', 'a DROP that fails because something depends');
is(jobs($node), $scheduled, '... keeps the job');
fails($node, 'app', 'DROP EXTENSION recall', '42501', 'must be owner', 'a DROP by somebody else', 'somebody');
is(jobs($node), $scheduled, '... keeps the job');
fails($node, 'app', 'DROP EXTENSION recall, no_such_extension CASCADE', '42704', 'no_such_extension', 'a DROP of something that is not there too');
is(jobs($node), $scheduled, '... keeps the job');
$node->safe_psql('app', 'BEGIN; DROP EXTENSION recall CASCADE; ROLLBACK');
is(jobs($node), $scheduled, 'a DROP that is rolled back keeps the job');
$node->safe_psql('app', 'BEGIN; SAVEPOINT s; DROP EXTENSION recall CASCADE; ROLLBACK TO s; COMMIT');
is(jobs($node), $scheduled, 'so does one that is rolled back to a savepoint');
$node->safe_psql('app', 'DROP EXTENSION citext');
is(jobs($node), $scheduled, 'a DROP of another extension keeps the job');
$node->safe_psql('app', 'DROP OWNED BY somebody');
is(jobs($node), $scheduled, 'DROP OWNED BY somebody else keeps the job');
health($node, 'app', 'schedule', 'ok', 'cron job', 'and the extension still works');

foreach my $drop (
	'DROP EXTENSION recall CASCADE',
	'DROP EXTENSION IF EXISTS recall',
	'CREATE EXTENSION citext; DROP EXTENSION citext, recall',
	'CREATE EXTENSION citext; DROP EXTENSION recall, citext',
	'BEGIN; DROP EXTENSION recall; COMMIT',
	'DO $$BEGIN DROP EXTENSION recall; END$$')
{
	schedule_again();
	is(jobs($node), $scheduled, "a job before $drop");
	$node->safe_psql('app', $drop);
	is($node->safe_psql('app', q{SELECT count(*) FROM pg_extension WHERE extname = 'recall'}), '0', '... which drops the extension');
	is(jobs($node), '', '... and leaves no job');
}
$node->safe_psql('app', 'DROP EXTENSION IF EXISTS recall');
pass('DROP EXTENSION IF EXISTS without it');

# By its owner's end.
$node->safe_psql('app', 'CREATE ROLE boss SUPERUSER LOGIN');
foreach my $role (undef, 'boss')
{
	my @as = defined $role ? (connstr => $node->connstr('app') . " user=$role") : ();

	$node->safe_psql('app', 'CREATE EXTENSION recall; SELECT recall.schedule()', connstr => $node->connstr('app') . ' user=boss');
	is($node->safe_psql('app', q{SELECT username FROM cron.job WHERE jobname ~ '^recall'}), 'boss', 'the job runs as the extension\'s owner');
	$node->safe_psql('app', 'DROP OWNED BY ' . (defined $role ? 'CURRENT_USER' : 'boss, somebody'), @as);
	is($node->safe_psql('app', q{SELECT count(*) FROM pg_extension WHERE extname = 'recall'}), '0', 'DROP OWNED drops the extension');
	is(jobs($node), '', '... and leaves no job');
}

# A job that another role made under the name goes too.
schedule_again();
$node->safe_psql('app', q{SET ROLE scheduler; SELECT cron.schedule('recall', '* * * * *', 'CALL recall.process()')});
$node->safe_psql('app', 'DROP EXTENSION recall');
is(jobs($node), '', 'DROP EXTENSION leaves no job of another role either');

# Together with pg_cron, in both orders.
foreach my $drop ('DROP EXTENSION pg_cron, recall', 'DROP EXTENSION recall, pg_cron')
{
	schedule_again();
	$node->safe_psql('app', $drop);
	is($node->safe_psql('app', q{SELECT count(*) FROM pg_extension WHERE extname IN ('recall', 'pg_cron')}), '0', $drop);
}

$node->stop;
done_testing();
