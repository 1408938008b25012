# Whatever takes long can be cancelled: the statement ends with 57014, leaves nothing behind, and its session goes on.
#
# Each statement runs in a transaction of a session of its own and is cancelled while it is at work. One that was too
# fast for that is rolled back and cancelled sooner. How long a cancellation took is told, not judged: a loop that never
# looks for one is waited for in vain, and that fails.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
fsync = off
autovacuum = off
log_statement = none
END
$node->start;

$node->safe_psql('postgres', 'CREATE DATABASE work');
$node->safe_psql('work', <<'END');
	CREATE EXTENSION recall;
	SELECT recall.create_tenant('many'), recall.create_tenant('one');
	SELECT recall.create_task(t, 'task', 'predicted', 'busy; unknown; limit 9999 per number'), recall.create_batch(t, 1, 'batch'), recall.create_batch(t, 1, 'next') FROM generate_series(1, 2) t;
	SELECT recall.start_task(t, 1) FROM generate_series(1, 2) t;

	CREATE VIEW people AS SELECT ARRAY['+49' || 100000000 + i] AS numbers FROM generate_series(1, 30000) i;
	CREATE VIEW many_people AS SELECT ARRAY['+49' || 200000000 + i] AS numbers FROM generate_series(1, 3000000) i;
	CREATE VIEW called AS SELECT i AS contact_id, 'busy'::recall.failure_cause AS failure_cause, 'called ' || i AS raw_code FROM generate_series(1, 20000) i;
	CREATE VIEW many_called AS SELECT i % 30000 + 1 AS contact_id, 'busy'::recall.failure_cause AS failure_cause FROM generate_series(1, 3000000) i;
	SELECT recall.add_contacts(1, 1, 'people'), recall.start_batch(1, 1), recall.record_calls(1, 'called');
	SELECT recall.add_contacts(1, 2, 'people');

	-- A contact with a hundred thousand calls, and a policy that has something to say about each of them.
	SELECT recall.add_contact(2, 1, '{+4930123456}'), recall.start_batch(2, 1);
	INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
	SELECT 2, i, 1, 1, now() - i * interval '1 min', now() - i * interval '1 min', now(), 'busy', '+4930123456' FROM generate_series(1, 100000) i;
	CREATE TABLE policy AS SELECT array_to_string(ARRAY['busy after 1 s'] ||
		ARRAY(SELECT format('limit 9999 per %s days', i) FROM generate_series(1, 16) i) ||
		ARRAY(SELECT format('quiet %s s after busy', i) FROM generate_series(1, 16) i), '; ') AS policy;
	-- Near the largest text that is read.
	CREATE TABLE wide AS SELECT 'busy' || repeat(' ', 65000) AS policy;
	ANALYZE;
END

# What there is, so that two of them compare.
sub state_of_database
{
	return $node->safe_psql('work', <<'END');
		SELECT (SELECT count(*) FROM recall.contact), (SELECT count(*) FROM recall.call), (SELECT count(*) || ' ' || sum(hashtext(d::text)) FROM recall.dial d),
			(SELECT string_agg(c::text, ' ' ORDER BY c) FROM recall.counter c), (SELECT count(*) FROM recall.event), (SELECT count(*) FROM recall.batch WHERE state = 'started'),
			(SELECT count(*) FROM recall.erased_number), (SELECT count(*) FROM recall.suppression),
			(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
END
}

# Start psql as a session that others can tell.
sub start_session
{
	my ($input, $out, $err, @more) = @_;
	local $ENV{PGAPPNAME} = 'long';

	return IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('work'), @more ], '<', $input, '>', $out, '2>', $err, IPC::Run::timeout(120));
}

sub cancel
{
	return $node->safe_psql('postgres', "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE application_name = 'long' AND state = 'active'");
}

# Wait until the session works on its statement; false when it has ended by then.
sub wait_for_work
{
	my ($session) = @_;

	while ($session->pumpable)
	{
		return 1 if $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'long' AND state = 'active' AND query LIKE '%long%'") eq '1';
		sleep 0.01;
		$session->pump_nb;
	}
	return 0;
}

# Run a statement, cancelled after so many seconds: its output and errors, and how long it took to obey. The session ends by itself,
# for it may be through before it was seen at work.
sub run_cancelled
{
	my ($statement, $delay) = @_;
	my ($out, $err) = ('', '');
	my $session = start_session(\"BEGIN;\n$statement /* long */;\nROLLBACK;\nSELECT 'still here';\n\\q\n", \$out, \$err, '-f', '-');

	my $at_work = wait_for_work($session);
	sleep $delay if $at_work;
	my $cancelled = time;
	cancel();
	$session->finish;
	return ($out, $err, time - $cancelled);
}

sub is_cancelled
{
	my ($statement, $delay, $what) = @_;
	my $before = state_of_database();
	my ($out, $err, $seconds);

	for (1 .. 20)
	{
		($out, $err, $seconds) = run_cancelled($statement, $delay);
		last if $err ne '';
		$delay /= 2;
	}
	note(sprintf('%s: obeyed in %.2f s', $what, $seconds));
	like($err, qr/^(?:psql:[^ ]* )?ERROR:  57014$/m, "$what: cancelled");
	like($out, qr/still here/, "$what: the session goes on");
	is(state_of_database(), $before, "$what: nothing is left behind");
	return;
}

is_cancelled("SELECT recall.add_contacts(1, 2, 'many_people')", 0.3, 'add_contacts, reading');
is_cancelled("SELECT recall.add_contacts(1, 2, 'people')", 0.3, 'add_contacts, writing');
is_cancelled("SELECT recall.record_calls(1, 'many_called')", 0.3, 'record_calls, reading');
is_cancelled("SELECT recall.record_calls(1, 'called')", 0.3, 'record_calls, writing');
is_cancelled('SELECT recall.start_batch(1, 2)', 0.2, 'start_batch');
is_cancelled('SELECT count(*) FROM recall.preview(1, 1), generate_series(1, 100)', 0.1, 'preview');
is_cancelled("SELECT count(*) FROM recall.simulate(1, 1, 'failed; limit 5 per number')", 0.1, 'simulate');
is_cancelled('SELECT count(*) FROM recall.preview(2, 1, (SELECT policy FROM policy)::recall.policy)', 0.1, 'preview of 100 000 calls to one contact');
is_cancelled('SELECT count(*) FROM recall.simulate(2, 1, (SELECT policy FROM policy)::recall.policy)', 0.3, 'simulate with 100 000 calls to one contact');
is_cancelled('SELECT count(*) FROM recall.simulate_attempts(2, 1, (SELECT policy FROM policy)::recall.policy)', 0.3, 'simulate_attempts');
is_cancelled('SELECT count(*) FROM recall.explain(2, 1)', 0.02, 'explain');
is_cancelled('SELECT count(p.policy::recall.policy) FROM wide p, generate_series(1, 1000000)', 0.2, 'reading policies');
is_cancelled("SELECT count(recall.next_open('2020 Jan 01 09:00-10:00', 'Europe/Berlin', now() + i * interval '1 s')) FROM generate_series(1, 1000000) i", 0.2, 'two years of closed hours');
is_cancelled("SELECT count(*) FROM recall.claim(1, 1, 10000)", 0.1, 'claim');
is_cancelled("SELECT count(*) FROM recall.claim(1, 1, 10000), LATERAL recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL) WHERE report IS NOT NULL", 0.4, 'claim and report');
is_cancelled("SELECT count(*) FROM (SELECT array_agg(contact_id) AS contacts, array_agg(token) AS tokens FROM recall.claim(1, 1, 10000)) c, LATERAL recall.report_many(1, contacts, tokens, NULL, NULL, NULL, NULL) r WHERE 'long' <> ''", 0.4, 'report_many');
is_cancelled('SELECT recall.finish_batch(1, 1), recall.purge_batch(1, 1, true)', 0.2, 'purge_batch');
is_cancelled("SELECT recall.finish_batch(1, 1), count(*) FROM recall.purge_before(1, clock_timestamp(), false)", 0.1, 'purge_before');
is_cancelled("SELECT count(*) FROM recall.erase_number(1, '+49100000001')", 0.05, 'erase_number');
is_cancelled('SELECT recall._step(recall._note_run(), 0) FROM (SELECT recall.recycle(1, 1)) r, generate_series(1, 20)', 0.1, 'a chunk');

# A run of the processor keeps the chunks that it has committed, and another one goes on behind them.
$node->safe_psql('work', 'ALTER DATABASE work SET recall.chunk_size = 200');
$node->safe_psql('work', 'SELECT recall.recycle(1, 1)');
{
	my ($out, $err) = ('', '');
	my $session = start_session(\undef, \$out, \$err, '-c', 'CALL recall.process() /* long */');

	$node->poll_query_until('work', "SELECT judged > 1000 FROM recall.recycle WHERE tenant_id = 1");
	cancel();
	$session->finish;
	like($err, qr/57014/, 'process(): cancelled');
}
is($node->safe_psql('work', <<'END'), 't|t|t', 'process(): what was committed is whole');
	SELECT r.state = 'running', r.judged % 200 = 0 AND r.judged < 30000,
		r.emitted = (SELECT count(*) FROM recall.dial d WHERE d.tenant_id = 1 AND d.recycle_id = r.recycle_id)
	FROM recall.recycle r WHERE r.tenant_id = 1
END
$node->safe_psql('work', 'CALL recall.process()');
is($node->safe_psql('work', 'SELECT state, judged, emitted FROM recall.recycle WHERE tenant_id = 1'), 'completed|30000|20000', 'process(): the next run goes on');

done_testing();
