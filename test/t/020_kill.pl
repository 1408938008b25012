# A run of the processor that is killed at any moment is taken up where it stopped, with nothing lost and
# nothing doubled; so are runs that are cancelled, time out, or overlap.
#
# One database is prepared and processed undisturbed: the reference, which itself must agree with plain queries
# over the tables. Copies of it are then processed with disturbances. After each the state must be sound, and
# at the end the same as the reference. SEED repeats a run's moments as well as another machine can.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant { BACKEND_KILLS => 10, SERVER_STOPS => 10, CANCELS => 8 };

my $seed = $ENV{SEED} // int(rand(2**31));
srand($seed);
note("SEED=$seed");

# The crash is of a process, not of the machine: what was written is not lost without fsync.
my $node = PostgreSQL::Test::Cluster->new('kill');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
fsync = off
restart_after_crash = on
autovacuum = off
log_statement = none
checkpoint_timeout = 1h
statement_timeout = 60s
recall.chunk_size = 60
END
$node->start;

# Create the database that all others are copies of, with records of three tenants waiting.
#
#	1	20 000 contacts in two batches, up to three calls each, some with permits of every kind
#	2	6 000 contacts, a cap of 1000, and one press before: the second starts in the middle and wraps
#	3	a gate that was shut after the press: its record fails
sub prepare
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, <<'END');
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('large');
		SELECT recall.create_tenant('capped', recycle_limit => 1000);
		SELECT recall.create_tenant('shut');
		SELECT recall.create_business_result(t, 'callback', 'call me back') FROM generate_series(1, 3) t;
		SELECT recall.create_task(t, 'task', 'predicted', 'busy, no_answer; result callback'::recall.policy)
		FROM generate_series(1, 3) t;
		SELECT recall.start_task(t, 1) FROM generate_series(1, 3) t;

		CREATE TABLE plan (tenant_id int, batch_id bigint, contacts int);
		INSERT INTO plan VALUES (1, 1, 14000), (1, 2, 6000), (2, 1, 6000), (3, 1, 100);
		SELECT recall.create_batch(tenant_id, 1, 'batch') FROM plan ORDER BY tenant_id, batch_id;
		CREATE TABLE new_contact (numbers text[]);
		DO $$
		DECLARE
			p plan;
		BEGIN
			FOR p IN SELECT * FROM plan ORDER BY tenant_id, batch_id LOOP
				TRUNCATE new_contact;
				INSERT INTO new_contact
				SELECT ARRAY['+' || 10000000 + p.tenant_id * 1000000 + p.batch_id * 100000 + i]
				FROM generate_series(1, p.contacts) i;
				PERFORM recall.add_contacts(p.tenant_id, p.batch_id, 'new_contact');
			END LOOP;
		END $$;
		ANALYZE;
		SELECT recall.start_batch(tenant_id, batch_id) FROM plan;
		ANALYZE;

		-- One contact in 13 has no call yet, the others one to three.
		CREATE TABLE ended (contact_id bigint, failure_cause recall.failure_cause, business_result text,
			started_at timestamptz, ended_at timestamptz);
		DO $$
		BEGIN
			FOR t IN 1 .. 3 LOOP
				TRUNCATE ended;
				INSERT INTO ended
				SELECT c.contact_id, (ARRAY['busy', 'no_answer', 'congestion', 'rejected', NULL])[1 + roll % 5]::recall.failure_cause,
					CASE WHEN roll % 5 = 4 AND roll % 3 = 0 THEN 'callback' END, at, at + interval '20 s'
				FROM recall.contact c
				CROSS JOIN LATERAL generate_series(1, 1 + c.contact_id::int % 3) a
				CROSS JOIN LATERAL (SELECT abs(hashint8(c.contact_id * 10 + a)) AS roll,
					timestamptz '2024-03-01 09:00Z' + a * interval '1 h' AS at) x
				WHERE c.tenant_id = t AND c.contact_id % 13 > 0;
				PERFORM recall.record_calls(t, 'ended');
			END LOOP;
		END $$;

		-- The first press of the capped tenant.
		SELECT recall.recycle(2, 1);
		CALL recall.process();

		-- Some of the called have a permit all the same; some of those are out, or lost.
		INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, state, number,
			token, claimed_at, lease_until)
		SELECT c.tenant_id, 1 + (SELECT count(*) FROM recall.call k WHERE k.tenant_id = c.tenant_id AND k.contact_id = c.contact_id),
			c.contact_id, 1, c.batch_id, now(), 0, s.state, c.numbers[1],
			CASE WHEN s.state <> 'ready' THEN 1 END, CASE WHEN s.state <> 'ready' THEN now() END,
			CASE WHEN s.state <> 'ready' THEN 'infinity'::timestamptz END
		FROM recall.contact c
		CROSS JOIN LATERAL (SELECT (ARRAY['ready', 'claimed', 'unknown'])[1 + c.contact_id % 3]::recall.dial_state AS state) s
		WHERE c.tenant_id = 1 AND c.contact_id % 17 = 0 AND c.contact_id % 13 > 0;

		SELECT recall.recycle(tenant_id, batch_id) FROM plan ORDER BY tenant_id, batch_id;
		SELECT recall.set_tenant(3, obs_url_mode => 'websocket');

		-- What must come of it, from the tables alone. Matching contacts, in the order of their record.
		CREATE VIEW matching AS
		SELECT r.tenant_id, r.recycle_id, c.contact_id, k.number, k.attempt + 1 AS attempt, k.ended_at AS due_at, r.cap,
			row_number() OVER (PARTITION BY r.tenant_id, r.recycle_id ORDER BY c.contact_id <= r.start_after, c.contact_id) AS nth
		FROM recall.recycle r
		JOIN recall.contact c ON c.tenant_id = r.tenant_id AND c.batch_id = r.batch_id
		JOIN (SELECT DISTINCT ON (tenant_id, contact_id) * FROM recall.call
			ORDER BY tenant_id, contact_id, attempt DESC) k ON k.tenant_id = c.tenant_id AND k.contact_id = c.contact_id
		WHERE (k.failure_cause IN ('busy', 'no_answer') OR k.business_result = 'callback')
		AND (r.tenant_id <> 3 AND r.state = 'waiting')
		AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id);
		CREATE TABLE expected AS
		SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at, nth <= cap AS emitted FROM matching;
		CREATE INDEX ON expected (tenant_id, recycle_id, contact_id);

		-- What there was before.
		CREATE TABLE old_dial AS SELECT * FROM recall.dial;
		CREATE TABLE old_event AS SELECT * FROM recall.event;
		TRUNCATE recall.tick;
		ANALYZE;
END
	return;
}

# What a run leaves behind, as text, but for the times at which it did so.
my %outcome = (
	'permits' => q{
		SELECT d.tenant_id, d.contact_id, d.number, d.attempt, d.recycle_id, d.task_id, d.batch_id, d.due_at, d.state
		FROM recall.dial d ORDER BY d.tenant_id, d.contact_id},
	'records' => q{
		SELECT tenant_id, recycle_id, batch_id, state, cap, start_after, last_contact, wrapped, judged, matched, emitted,
			last_emitted, withdrawn, error, started_at IS NOT NULL, finished_at IS NOT NULL
		FROM recall.recycle ORDER BY tenant_id, recycle_id},
	'events' => q{
		SELECT tenant_id, role, kind, record_id, action, from_state, to_state, detail, count(*)
		FROM recall.event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8});

# What may never be seen in committed rows, however the run ended: queries without a result.
my %unsound = (
	'a permit that is not expected' => q{
		SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at FROM recall.dial WHERE recycle_id IS NOT NULL
		EXCEPT SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at FROM expected WHERE emitted
		EXCEPT SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at FROM old_dial},
	'a permit that was there and is gone' => q{TABLE old_dial EXCEPT TABLE recall.dial},
	'a record that counts its permits wrong' => q{
		SELECT r.tenant_id, r.recycle_id, r.emitted, d.permits, r.last_emitted, d.last_contact
		FROM recall.recycle r
		CROSS JOIN LATERAL (
			SELECT count(*) AS permits,
				(array_agg(d.contact_id ORDER BY d.contact_id <= r.start_after DESC, d.contact_id DESC))[1] AS last_contact
			FROM recall.dial d
			WHERE d.tenant_id = r.tenant_id AND d.recycle_id = r.recycle_id) d
		WHERE r.emitted <> d.permits OR r.last_emitted IS DISTINCT FROM d.last_contact},
	'a record whose counts do not come from where it stands' => q{
		SELECT r.tenant_id, r.recycle_id, r.judged, x.judged, r.matched, x.matched, r.emitted, x.emitted
		FROM recall.recycle r
		CROSS JOIN LATERAL (SELECT count(*) AS judged, count(e) AS matched, count(e) FILTER (WHERE e.emitted) AS emitted
			FROM recall.contact c
			LEFT JOIN expected e ON e.tenant_id = r.tenant_id AND e.recycle_id = r.recycle_id AND e.contact_id = c.contact_id
			WHERE c.tenant_id = r.tenant_id AND c.batch_id = r.batch_id
			AND CASE WHEN r.wrapped THEN c.contact_id > r.start_after OR c.contact_id <= r.last_contact
				ELSE c.contact_id > r.start_after AND c.contact_id <= r.last_contact END) x
		WHERE EXISTS (SELECT FROM expected e WHERE e.tenant_id = r.tenant_id AND e.recycle_id = r.recycle_id)
		AND (r.judged, r.matched, r.emitted) <> (x.judged, x.matched, x.emitted)},
	'a record that ended before its batch did' => q{
		SELECT r.tenant_id, r.recycle_id, r.judged
		FROM recall.recycle r
		WHERE r.state = 'completed' AND r.judged <> (SELECT count(*) FROM recall.contact c
			WHERE c.tenant_id = r.tenant_id AND c.batch_id = r.batch_id)},
	'an event twice' => q{
		SELECT tenant_id, record_id, action FROM recall.event WHERE kind = 'recycle' GROUP BY 1, 2, 3 HAVING count(*) > 1},
	'a state without the events that lead to it' => q{
		SELECT r.tenant_id, r.recycle_id, r.state, e.actions
		FROM recall.recycle r
		CROSS JOIN LATERAL (SELECT string_agg(e.action, ' ' ORDER BY e.event_id) FROM recall.event e
			WHERE e.tenant_id = r.tenant_id AND e.kind = 'recycle' AND e.record_id = r.recycle_id::text) e(actions)
		WHERE e.actions IS DISTINCT FROM CASE r.state WHEN 'waiting' THEN 'request' WHEN 'running' THEN 'request run'
			WHEN 'completed' THEN 'request run complete' WHEN 'failed' THEN 'request run fail' END},
	'ticks that do not add up to the records' => q{
		SELECT t.emitted, r.emitted, t.failed, r.failed
		FROM (SELECT coalesce(sum(emitted), 0) AS emitted, coalesce(sum(failed), 0) AS failed FROM recall.tick) t,
			(SELECT sum(emitted) - (SELECT count(*) FROM old_dial WHERE recycle_id IS NOT NULL) AS emitted,
				count(*) FILTER (WHERE state = 'failed') AS failed FROM recall.recycle) r
		WHERE (t.emitted, t.failed) IS DISTINCT FROM (r.emitted, r.failed)},
	'what verify() finds' => q{SELECT * FROM recall.verify()},
	'a tick that ended before it began' => q{SELECT * FROM recall.tick WHERE finished_at < started_at});

# Return what is unsound in a database, as text; '' when all is well.
sub unsound
{
	my ($database) = @_;
	my @found;

	foreach my $what (sort keys %unsound)
	{
		my $rows = $node->safe_psql($database, "SELECT * FROM ($unsound{$what}) x LIMIT 3");
		push @found, "$what: $rows" if $rows ne '';
	}
	return join("\n", @found);
}

# Assert that a database has come to the same end as the reference.
sub same_as_reference
{
	my ($database, $name) = @_;

	is(unsound($database), '', "$name: a sound state at the end");
	foreach my $what (sort keys %outcome)
	{
		my @got = split /\n/, $node->safe_psql($database, $outcome{$what});
		my @want = split /\n/, $node->safe_psql('reference', $outcome{$what});
		my ($first) = grep { ($got[$_] // '') ne ($want[$_] // '') } 0 .. ($#got > $#want ? $#got : $#want);

		ok(!defined $first, "$name: the same $what as undisturbed")
		  or diag('got  ' . ($got[$first] // 'nothing') . "\nwant " . ($want[$first] // 'nothing'));
	}
	return;
}

# Copied through the log, a database has sequences that fall back when the server crashes before its next
# checkpoint; copied as files, it has not.
sub copy_database
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE prepared STRATEGY file_copy");
	return $database;
}

sub process
{
	my ($database) = @_;

	$node->safe_psql($database, 'CALL recall.process()');
	return;
}

# Start a run in the background, after some settings; return it once its backend's process id is known.
sub start_run
{
	my ($database, @settings) = @_;
	my %run = (out => '', err => '');
	my @commands = map { ('-c', $_) } 'SELECT pg_backend_pid()', @settings, 'CALL recall.process()';

	$run{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($database), @commands ],
		'<', \undef, '>', \$run{out}, '2>', \$run{err}, IPC::Run::timeout(120));
	$run{psql}->pump until $run{out} =~ /^(\d+)\n/;
	$run{backend} = $1;
	return \%run;
}

# Wait for the end of a run; return whether it got to its end. Note an error that nobody asked for.
my @unexpected;

sub end_run
{
	my ($run) = @_;

	$run->{psql}->finish;
	push @unexpected, $run->{err} if $run->{err} =~ /ERROR:  (?!canceling statement)/;
	return $run->{err} eq '';
}

sub unfinished_ticks
{
	my ($database) = @_;

	return $node->safe_psql($database, 'SELECT count(*) FROM recall.tick WHERE finished_at IS NULL');
}

# Ways to disturb a run.

# Kill the backend of the first of some runs, and with it all others; wait until the server has recovered.
sub kill_backend
{
	my (@runs) = @_;
	my $log_end = -s $node->logfile;

	kill 'KILL', $runs[0]{backend};
	if (grep { !end_run($_) } @runs)
	{
		$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_end);
	}
	else
	{
		# The backend had done its work, and was perhaps killed on its way out.
		sleep(0.5);
	}
	for (my $waits = 0; system('pg_isready', '-q', '-d', $node->connstr('postgres')) != 0; $waits++)
	{
		die 'the server did not recover' if $waits > 600;
		sleep(0.1);
	}
	return;
}

sub stop_server
{
	my ($run) = @_;

	$node->stop('immediate');
	end_run($run);
	$node->start;
	return;
}

sub cancel
{
	my ($run) = @_;

	$node->safe_psql('postgres', "SELECT pg_cancel_backend($run->{backend})");
	end_run($run);
	return;
}

# Disturb runs at random moments until so many were interrupted, each database until it comes to an end.
sub disturb
{
	my ($name, $wanted, $longest, $disturb) = @_;
	my ($interrupted, $databases) = (0, 0);

	for (my $tries = 0; $interrupted < $wanted && $tries < 3 * $wanted;)
	{
		my $database = copy_database($name . ++$databases);
		my $unfinished = 0;
		my @faults;

		while (1)
		{
			my $moment = rand($longest);
			my $run = start_run($database);

			$tries++;
			sleep($moment);
			$disturb->($run);
			# The backend may be hit before its first commit, or after its last.
			last if $node->safe_psql($database, q{SELECT bool_and(state IN ('completed', 'failed')) FROM recall.recycle}) eq 't';
			my $ticks = unfinished_ticks($database);
			$interrupted += $ticks > $unfinished;
			push @faults, "more than one tick is left unfinished" if $ticks > $unfinished + 1;
			push @faults, "an unfinished tick has been finished" if $ticks < $unfinished;
			$unfinished = $ticks;
			push @faults, map { sprintf('after %.3f s: %s', $moment, $_) } grep { $_ ne '' } unsound($database);
			last if $interrupted >= $wanted;
		}
		is(join("\n", @faults), '', "$database: a sound state after each of $unfinished interruptions");
		process($database);
		cmp_ok(unfinished_ticks($database), '>=', $unfinished, "$database: the interrupted ticks stay visible");
		same_as_reference($database, $database);
		$node->safe_psql('postgres', "DROP DATABASE $database") if Test::More->builder->is_passing;
	}
	cmp_ok($interrupted, '>=', $wanted, "$name: $interrupted runs interrupted, in $databases databases");
	return;
}

prepare('prepared');

# The reference, which is right by the plain queries.
copy_database('reference');
my $began = time;
process('reference');
my $duration = time - $began;
note(sprintf('the reference took %.2f s', $duration));
is(unsound('reference'), '', 'reference: a sound state');
is($node->safe_psql('reference', q{
	SELECT count(*) FROM (
		SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at FROM expected WHERE emitted
		EXCEPT SELECT tenant_id, recycle_id, contact_id, number, attempt, due_at FROM recall.dial) x}),
	'0', 'reference: every expected permit');
is($node->safe_psql('reference', 'SELECT tenant_id, recycle_id, state, wrapped, matched > emitted, error FROM recall.recycle ORDER BY 1, 2'),
	"1|1|completed|f|f|\n1|2|completed|f|f|\n2|1|completed|f|t|\n2|2|completed|t|t|\n"
	  . '3|1|failed|f|f|obs_url_mode of tenant 3 is "websocket", not "http"',
	'reference: records with and without a cap, wrapped, failed');
is(unfinished_ticks('reference'), '0', 'reference: the tick has ended');

# Running again changes nothing.
process('reference');
is(unsound('reference'), '', 'reference: a further run finds nothing to do');

# Killed.
disturb('backend_killed', BACKEND_KILLS, $duration / 2, \&kill_backend);
disturb('server_stopped', SERVER_STOPS, $duration / 2, \&stop_server);

# Cancelled.
disturb('cancelled', CANCELS, $duration / 2, \&cancel);

# A limit on the statement's time, which is that of the whole run: too short at first.
my $database = copy_database('timed_out');
my $timeout = 5 + int($duration * 1000 / 10);
my $timeouts = 0;
until (end_run(start_run($database, "SET statement_timeout = $timeout")) || $timeouts >= 20)
{
	$timeouts++;
	$timeout = int(1.5 * $timeout);
}
cmp_ok($timeouts, '>=', 1, "timed_out: $timeouts runs ran into statement_timeout");
cmp_ok(unfinished_ticks($database), '>=', 1, "timed_out: unfinished ticks stay visible");
same_as_reference($database, 'timed_out');

# Overlapping, two and more, started together and one after another.
foreach my $many (2, 4)
{
	$database = copy_database("overlapping$many");
	my @runs = map { sleep(rand($duration / 8)); start_run($database) } 1 .. $many;
	is(scalar(grep { !end_run($_) } @runs), 0, "$database: all runs come to their end")
	  or diag(map { $_->{err} } @runs);
	same_as_reference($database, $database);
	is(unfinished_ticks($database), '0', "$database: all ticks have ended");
}

# Overlapping and one of them killed: the others die with it, and a further run ends the work.
$database = copy_database('overlapping_killed');
my @runs = map { start_run($database) } 1 .. 3;
sleep(rand($duration / 2));
kill_backend(@runs);
is(unsound($database), '', 'overlapping_killed: a sound state in between');
process($database);
same_as_reference($database, 'overlapping_killed');

# Calls that are appended while the batch is judged, in chunks so large that many are. Who was called after the
# press is not recalled by it; who had got a permit before the call has used it up.
$database = copy_database('appending');
$node->safe_psql('postgres', "ALTER DATABASE $database SET recall.chunk_size = 5000");
my @appenders = map {
	IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-c', <<"END" ], '<', \undef)
	DO \$\$
	DECLARE
		called bigint;
	BEGIN
		FOR called IN SELECT contact_id FROM expected WHERE tenant_id = 1 AND contact_id % 2 = $_ - 1
			ORDER BY hashint8(contact_id) LIMIT 2000
		LOOP
			PERFORM recall.record_call(1, called, 'busy', NULL);
			COMMIT;
		END LOOP;
	END \$\$
END
} 1 .. 2;
process($database);
is($node->safe_psql($database, q{
	SELECT count(*) FROM recall.recycle
	WHERE state IN ('waiting', 'running') AND (error LIKE 'put off until the next run: %') IS NOT TRUE}),
	'0', 'appending: what a run has not completed it has put off');
ok($_->finish, 'appending: calls appended') foreach @appenders;
process($database);
is($node->safe_psql($database, q{SELECT count(*) FROM recall.recycle WHERE state IN ('waiting', 'running')}),
	'0', 'appending: and the next one has done it');
is($node->safe_psql($database, q{
	SELECT d.contact_id FROM recall.dial d JOIN recall.call k ON k.tenant_id = d.tenant_id AND k.contact_id = d.contact_id
	JOIN recall.recycle r ON r.tenant_id = d.tenant_id AND r.recycle_id = d.recycle_id
	WHERE k.recorded_at > r.requested_at LIMIT 3}),
	'', 'appending: no permit for who was called after the press');
is($node->safe_psql($database, q{
	SELECT count(*) FROM recall.recycle_record r
	WHERE state = 'completed'
	AND emitted <> dialled + (SELECT count(*) FROM recall.dial d WHERE d.tenant_id = r.tenant_id AND d.recycle_id = r.recycle_id)}),
	'0', 'appending: every permit is there or was dialled');
is($node->safe_psql($database, q{
	SELECT count(*) FROM expected e
	WHERE emitted
	AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = e.tenant_id AND d.contact_id = e.contact_id)
	AND NOT EXISTS (SELECT FROM recall.call k JOIN recall.recycle r USING (tenant_id, batch_id)
		WHERE k.tenant_id = e.tenant_id AND k.contact_id = e.contact_id AND r.recycle_id = e.recycle_id
		AND k.recorded_at > r.requested_at)}),
	'0', 'appending: who was not called has a permit');

is(join('', @unexpected), '', 'no run failed by itself');

$node->stop;
done_testing();
