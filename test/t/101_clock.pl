# Clocks that are set back and forth, that run fast or cross the ends of summer time; a scheduler that is away, or calls
# a hundred times: one run of the processor afterwards, everything is where an undisturbed run takes it.
#
# Each case is a copy of one database, in which the same is done as in the reference, while something is wrong with the
# clock. What is compared is everything but the moments at which something was noted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../clock";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestClock;

# When the story begins: a Tuesday, with every task within its hours.
use constant BEGIN_AT => '2026-03-10 12:00:00';

my $clock = TestClock->new;
my $node = PostgreSQL::Test::Cluster->new('clock');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\ntimezone = 'UTC'\nautovacuum = off\nrecall.chunk_size = 20\n");
$clock->set(BEGIN_AT);
$clock->start($node);

sub run
{
	my ($database, $query) = @_;

	return $node->safe_psql($database, $query);
}

sub health
{
	my ($database, $check) = @_;

	return run($database, "SELECT status FROM recall.health() WHERE check_name = '$check'");
}

like(run('postgres', 'SELECT clock_timestamp()'), qr/^2026-03-10 12:00:0/, 'the server goes by the clock of the test');
$clock->step(-3600);
like(run('postgres', 'SELECT clock_timestamp()'), qr/^2026-03-10 11:00:/, 'also when it is set while the server runs');
$clock->set(BEGIN_AT);

# Two tenants: contacts that were called two days ago, and some that were not. All are due for days.
$clock->set('2026-03-07 12:00:00');
$node->safe_psql('postgres', 'CREATE DATABASE prepared');
run('prepared', <<'END');
	CREATE EXTENSION recall;
	SELECT recall.create_tenant('London', 'Europe/London'), recall.create_tenant('Berlin', 'Europe/Berlin');
	SELECT recall.create_task(t, 'task', 'robot', 'busy after 10 min, 1 h max 4; no_answer after 1 day; unknown after 10 min max 2; limit 6; limit 4 per day',
		(ARRAY['24/7', 'Mo-Su 06:00-23:00'])[t]::recall.calling_hours) FROM generate_series(1, 2) t;
	SELECT recall.create_batch(t, 1, 'new'), recall.create_batch(t, 1, 'called') FROM generate_series(1, 2) t;
	SELECT recall.add_contact(t, b, ARRAY['+49' || 1000000 * b + i]) FROM generate_series(1, 2) t, generate_series(1, 2) b, generate_series(1, 50) i;
	CREATE TABLE called AS
	SELECT contact_id, (ARRAY['busy', 'no_answer', 'unallocated', NULL])[1 + contact_id % 4]::recall.failure_cause AS failure_cause,
		'2026-03-08 10:00+00'::timestamptz + contact_id * interval '1 min' AS started_at,
		'2026-03-08 10:01+00'::timestamptz + contact_id * interval '1 min' AS ended_at
	FROM recall.contact WHERE tenant_id = 1 AND batch_id = 2;
	SELECT recall.start_task(t, 1), recall.start_batch(t, 1), recall.start_batch(t, 2) FROM generate_series(1, 2) t;
	CALL recall.process();
END

sub create_case
{
	my ($database) = @_;

	$clock->set(BEGIN_AT);
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE prepared");
	run($database, 'SELECT recall.accept_history()');
	return;
}

# What a day at the desk does: calls come in, somebody presses, dialers claim. Some of them report, some
# do not; one of these reports late, at the end.
my @day = (
	q{SELECT recall.record_calls(t, 'called') FROM generate_series(1, 2) t},
	q{SELECT recall.recycle(t, 2) FROM generate_series(1, 2) t},
	q{CREATE TABLE taken AS SELECT t AS tenant_id, c.contact_id, c.token FROM generate_series(1, 2) t, recall.claim(t, 1, 12, '5 min') c},
	q{SELECT recall.report(tenant_id, contact_id, token, (ARRAY['busy', 'no_answer', NULL])[1 + contact_id % 3]::recall.failure_cause, NULL, NULL, NULL)
		FROM taken WHERE contact_id % 3 > 0 ORDER BY tenant_id, contact_id});
my $late_report = q{
	SELECT recall.report(tenant_id, contact_id, token, NULL, NULL, NULL, NULL)
	FROM (SELECT DISTINCT ON (tenant_id) * FROM taken WHERE contact_id % 3 = 0 ORDER BY tenant_id, contact_id) k};

# What is compared, without the moments.
my %outcome = (
	permits => q{SELECT tenant_id, contact_id, number, attempt, state, recycle_id, priority FROM recall.dial ORDER BY 1, 2},
	calls => q{SELECT tenant_id, contact_id, attempt, failure_cause, assumed, recycle_id, number, recorded_at IS NOT NULL FROM recall.call ORDER BY 1, 2, 3},
	records => q{SELECT tenant_id, recycle_id, v.state, r.judged, v.matched, v.emitted, v.withdrawn, v.dialled, v.reached, v.pending, v.over_cap, v.error
		FROM recall.recycle_record v JOIN recall.recycle r USING (tenant_id, recycle_id) ORDER BY 1, 2},
	'due times that come from calls with times' => q{
		SELECT d.tenant_id, d.contact_id, d.due_at FROM recall.dial d JOIN recall.call k USING (tenant_id, contact_id)
		WHERE k.attempt = d.attempt - 1 AND k.token IS NULL AND d.recycle_id IS NOT NULL ORDER BY 1, 2},
	'taken out' => q{SELECT tenant_id, record_id, detail FROM recall.event WHERE action = 'take_out' ORDER BY 1, 2});
my %unsound = (
	'a call that ends before it begins' => q{SELECT * FROM recall.call WHERE ended_at < started_at},
	'a run that ends before it begins' => q{SELECT * FROM recall.tick WHERE finished_at < started_at},
	'a permit that is out without a token' => q{SELECT * FROM recall.dial WHERE state <> 'ready' AND (token IS NULL OR lease_until < claimed_at)});
my %reference;

sub compare
{
	my ($database) = @_;

	foreach my $what (sort keys %outcome)
	{
		my $got = run($database, $outcome{$what});

		$reference{$what} //= $got;
		my %seen = map { $_ => 1 } split /\n/, $reference{$what};
		my %got = map { $_ => 1 } split /\n/, $got;
		ok($got eq $reference{$what}, "$database: $what as undisturbed")
		  or diag(join("\n", (map { "too much: $_" } grep { !$seen{$_} } sort keys %got), (map { "missing: $_" } grep { !$got{$_} } sort keys %seen)));
	}
	is(run($database, $unsound{$_}), '', "$database: not $_") foreach sort keys %unsound;
	return;
}

# The day, with something done before some of its steps; then time goes on by three hours with a run in each, or as the
# case has it, and the late report comes.
sub play
{
	my ($database, %case) = @_;

	create_case($database);
	for my $i (0 .. $#day)
	{
		$case{"before_$i"}->() if $case{"before_$i"};
		run($database, $day[$i]);
	}
	$case{evening}->() if $case{evening};
	run($database, $late_report) if $case{reports_late} // 1;
	compare($database);
	$node->safe_psql('postgres', "DROP DATABASE $database") if Test::More->builder->is_passing;
	return;
}

sub tick
{
	my ($database) = @_;

	run($database, 'CALL recall.process()');
	return;
}

play('reference', evening => sub { foreach (1 .. 4) { tick('reference'); $clock->step(3600) } tick('reference') });
cmp_ok(scalar(split /\n/, $reference{$_}), '>', 10, "the reference has $_") foreach qw(permits calls), 'due times that come from calls with times';
like($reference{calls}, qr/unknown\|t/, 'the reference has calls that were assumed');
like($reference{records}, qr/^1\|1\|completed\|50\|.*\n2\|1\|completed\|50\|/, 'the reference has complete records');

# Nobody called the processor for a day.
play('outage', evening => sub {
	$clock->step(24 * 3600);
	is(health('outage', 'last tick'), 'critical', 'outage: the last run is long ago');
	is(health('outage', 'overdue records'), 'critical', 'outage: records wait');
	is(health('outage', 'unknown outcomes'), 'warning', 'outage: and calls of unknown outcome');
	tick('outage');
	is(health('outage', $_), 'ok', "outage: $_ after one run") foreach 'last tick', 'overdue records', 'unknown outcomes', 'clock' });

# A hundred runs at once, from ten sessions.
play('stacked', evening => sub {
	$clock->step(4 * 3600);
	my @calls = map {; '-c', 'CALL recall.process()' } 1 .. 10;
	my @sessions = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('stacked'), @calls ], '<', \undef) } 1 .. 10;
	is(scalar(grep { !$_->finish } @sessions), 0, 'stacked: all of them end well');
	is(run('stacked', 'SELECT count(*), count(finished_at) FROM recall.tick'), '101|101', 'stacked: there were a hundred') });

# The clock is set forward, by mistake, and back again.
foreach my $seconds (120, 3600, 25 * 3600)
{
	my $name = "forward_$seconds";

	play($name,
		before_3 => sub {
			$clock->step($seconds);
			run($name, 'SELECT recall._expire(recall._begin_tick())'); # leases run out; a rule would settle them for good
			$clock->step(-$seconds);
		},
		evening => sub { $clock->step(4 * 3600 + 25 * 3600); tick($name) });
}

# It is set back while calls are recorded, between these and the press, before the claim, before the reports; and later it
# is right again.
foreach my $case ([ 3600, 0 ], [ 3600, 1 ], [ 3600, 2 ], [ 3600, 3 ], [ 120, 1 ], [ 25 * 3600, 2 ])
{
	my ($seconds, $step) = @$case;
	my $name = "back_${seconds}_before_$step";

	play($name,
		"before_$step" => sub {
			run($name, 'SELECT recall._end_tick(recall._begin_tick())');
			$clock->step(-$seconds);
			is(health($name, 'clock'), 'critical', "$name: health() tells that the clock was set back");
		},
		evening => sub { $clock->step($seconds + 4 * 3600); is(health($name, 'clock'), 'ok', "$name: and is content when it is right"); tick($name) });
}

# It stays behind: the processor and the dialers go on.
play('behind', before_1 => sub { $clock->step(-3600) }, evening => sub { tick('behind'); $clock->step(2 * 3600); tick('behind') });

# A record that was put off is taken up by the next run, whatever the clock says.
create_case('put_off');
run('put_off', $_) foreach @day[ 0, 1 ];
my $holder = $node->background_psql('put_off');
$holder->query_safe('BEGIN; SELECT recall.record_call(1, 60, NULL, NULL)');
tick('put_off');
like(run('put_off', 'SELECT error FROM recall.recycle WHERE tenant_id = 1'), qr/^put off/, 'put off: a batch is held');
$holder->query_safe('ROLLBACK');
$holder->quit;
$clock->step(-3600);
tick('put_off');
is(run('put_off', 'SELECT tenant_id, state FROM recall.recycle ORDER BY 1'), "1|completed\n2|completed", 'put off: and taken up by the next run, though the clock was set back');

# In one session: the leases that ran out are looked after, whatever the clock does.
create_case('session');
my $dialer = $node->background_psql('session');
$dialer->query_safe(q{SELECT FROM recall.claim(1, 1, 1, '1 min')});
$clock->step(-7200);
$dialer->query_safe(q{SELECT FROM recall.claim(1, 1, 1, '1 s'); SELECT pg_sleep(1.5)});
$dialer->query_safe(q{SELECT FROM recall.claim(1, 1, 1, '1 min')});
is(run('session', q{SELECT string_agg(state::text, ' ' ORDER BY lease_until) FROM recall.dial WHERE state <> 'ready'}), 'unknown claimed claimed',
	'session: a lease that runs out after the clock was set back is noticed');
$dialer->quit;

# A fast clock: an hour in a minute, a run every now and then.
play('fast', evening => sub { $clock->{speed} = 3600; $clock->step(0); foreach (1 .. 8) { tick('fast'); select(undef, undef, undef, 0.5) } $clock->{speed} = 1; $clock->step(3600); tick('fast') });

# The ends of summer time, in a server whose zone has it, hours in the callee's zone.
sub summer_time
{
	my ($name, $begin, $zone) = @_;

	$clock->set(BEGIN_AT);
	create_case($name);
	$node->safe_psql('postgres', "ALTER DATABASE $name SET timezone = '$zone'");
	run($name, "UPDATE called SET started_at = started_at + ('$begin+00'::timestamptz - '2026-03-10 12:00+00'), ended_at = ended_at + ('$begin+00'::timestamptz - '2026-03-10 12:00+00')");
	$clock->set("$begin:00");
	run($name, "SELECT recall.set_calling_hours(t, 1, 'Mo-Su 00:00-01:30,02:30-24:00') FROM generate_series(1, 2) t");
	run($name, $_) foreach @day;
	my @claimed;
	foreach (1 .. 16)
	{
		$clock->step(450);
		tick($name);
		push @claimed, run($name, q{SELECT date_trunc('min', clock_timestamp()) AT TIME ZONE 'UTC', t, c.contact_id, c.attempt, date_trunc('min', c.due_at) AT TIME ZONE 'UTC',
			c.lease_until - clock_timestamp() BETWEEN '4 min 59 s' AND '5 min',
			recall.is_open('Mo-Su 00:00-01:30,02:30-24:00', (ARRAY['Europe/London', 'Europe/Berlin'])[t], clock_timestamp())
			FROM generate_series(1, 2) t, recall.claim(t, 1, 3, '5 min') c ORDER BY t, c.contact_id});
	}
	my $log = join("\n", grep { $_ ne '' } @claimed);
	my $health = run($name, q{SELECT check_name, status FROM recall.health() WHERE check_name IN ('last tick', 'overdue records', 'clock')});
	$node->safe_psql('postgres', "DROP DATABASE $name");
	return ($log, $health);
}
foreach my $begin ('2026-03-29 00:00', '2026-10-25 00:00')
{
	my ($utc, $health_utc) = summer_time('utc', $begin, 'UTC');
	my ($local, $health_local) = summer_time('berlin', $begin, 'Europe/Berlin');

	cmp_ok(scalar(split /\n/, $utc), '>', 20, "$begin: permits are claimed");
	unlike($utc, qr/\|f/, "$begin: within the callee's hours, with leases of five minutes");
	is($local, $utc, "$begin: the same in a server whose own zone has summer time");
	is($health_local, $health_utc, "$begin: health() is the same");
	like($health_utc, qr/last tick\|ok\nclock\|ok\noverdue records\|ok/, "$begin: and content");
}

$node->stop('fast');
done_testing();
