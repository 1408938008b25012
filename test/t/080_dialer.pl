# The example dialer, end to end: it claims, rings a callee by SIP through SIPp, and reports, and automatic recall closes the
# loop until the queue is drained. Then the callee's own trace, the calls on record and the policy must tell the same story.
#
# Two dialers do this at the same time, one of them through pgbouncer, each for a tenant of its own. Then dialers are stopped
# and killed in the middle.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use sigtrap qw(die normal-signals);
use Test::More;
use Time::HiRes 'sleep';

my $python = '/usr/bin/python3';

# Return where a program is, if it is installed.
sub find_program
{
	my ($name) = @_;

	return (grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin')[0];
}

plan skip_all => 'sipp is not installed' unless find_program('sipp');
plan skip_all => 'psycopg is not installed' unless -x $python && !system("$python -c 'import psycopg' 2>/dev/null");

my $folder = PostgreSQL::Test::Utils::tempdir;
my $socket_folder = PostgreSQL::Test::Utils::tempdir_short;
my $node = PostgreSQL::Test::Cluster->new('dialer');
my %running;

# Start a program, with more environment; what it prints goes to a file.
sub start
{
	my ($name, $environment, @command) = @_;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		%ENV = (%ENV, %$environment);
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$folder/$name.log");
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}
	return $running{$name} = $pid;
}

# Wait for the end of a program and return its status: the exit code, or minus the signal.
sub finish
{
	my ($name) = @_;

	wait_for("$name ends", sub { waitpid($running{$name}, POSIX::WNOHANG()) });
	delete $running{$name};
	return $? & 127 ? -($? & 127) : $? >> 8;
}

# Return the child of a process.
sub child_of
{
	my ($pid) = @_;

	foreach my $stat (glob('/proc/[0-9]*/stat'))
	{
		# It may end before it is read.
		open(my $file, '<', $stat) or next;
		return $1 if (<$file> // '') =~ /^(\d+) \(.*\) \S $pid /;
	}
	die "process $pid has no child";
}

END
{
	my $status = $?;

	kill('KILL', values %running);
	$? = $status;
}

# Wait until something is so.
sub wait_for
{
	my ($what, $is_so) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $is_so->();
		sleep(0.1);
	}
	die "waited in vain until $what";
}

sub query
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

# The callee.

# Find a port of UDP that nobody uses.
sub free_udp_port
{
	my $socket = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die "no free port: $!";

	return $socket->sockport;
}

my $callee_port = free_udp_port();

sub start_callee
{
	start('callee', {}, 'sipp', '-sf', 'example/dialer/callee.xml', '-i', '127.0.0.1', '-p', $callee_port, '-nostdin', '-timeout', '1000s',
		'-trace_shortmsg', '-shortmessage_file', "$folder/callee.trace");
	return wait_for('the callee listens', sub { slurp_file('/proc/net/udp') =~ sprintf('0100007F:%04X ', $callee_port) });
}

# Return the calls that the callee has seen: for each number a list of [first message, last message].
sub calls_seen
{
	my (%call, %seen);
	my $trace = -e "$folder/callee.trace" ? slurp_file("$folder/callee.trace") : '';

	while ($trace =~ /\t([\d.]+)\t[RS]\t(\S+)\tCSeq: *\d+ \w+\t(.*)\n/g)
	{
		my ($seconds, $id, $line) = ($1, $2, $3);

		if (!$call{$id} && $line =~ /^INVITE sip:(\S+)@/)
		{
			$call{$id} = [ $seconds, $seconds ];
			push(@{ $seen{$1} }, $call{$id});
		}
		$call{$id}[1] = $seconds if $call{$id};
	}
	return \%seen;
}

# Return how many calls to a number the callee has seen.
sub times_seen
{
	my ($number) = @_;

	return scalar(@{ calls_seen()->{$number} // [] });
}

# The dialers.

my %direct = (PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => 'dialer');

# Start a dialer for a task of a tenant, with more options.
sub start_dialer
{
	my ($name, $environment, $tenant, $task, @options) = @_;

	return start($name, $environment, $python, 'example/dialer/dialer.py', '--tenant', $tenant, '--task', $task,
		'--peer', "127.0.0.1:$callee_port", '--local-ip', '127.0.0.1', '--spool', "$folder/$name.spool", '--name', $name, @options);
}

# Wait for the end of a dialer, and assert that it is a good one; show its log if not.
sub dialer_ends
{
	my ($name) = @_;

	return is(finish($name), 0, "$name: the dialer ends well") || diag(slurp_file("$folder/$name.log"));
}

# Start pgbouncer, with a new connection to the server for each transaction, so that nothing of a session is left.
sub start_bouncer
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	append_to_file("$folder/users", qq{"dialer" ""\n});
	append_to_file("$folder/pgbouncer.ini", <<END);
[databases]
postgres = host=$direct{PGHOST} port=$direct{PGPORT}
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $socket_folder
auth_type = trust
auth_file = $folder/users
pool_mode = transaction
server_lifetime = 0
END
	start('bouncer', {}, find_program('pgbouncer'), "$folder/pgbouncer.ini");
	wait_for('pgbouncer listens', sub { -S "$socket_folder/.s.PGSQL.$port" });
	return (%direct, PGHOST => $socket_folder, PGPORT => $port);
}

# What there is to call.

$node->init;
$node->start;
query(<<'END');
	CREATE EXTENSION recall;
	CREATE ROLE dialer LOGIN;
	SELECT recall.create_tenant('tenant ' || i) FROM generate_series(1, 3) i;
	SELECT recall.grant_privilege(i, 'dialer', '{dial}') FROM generate_series(1, 3) i;
END

# Create a task of a tenant and a batch that is started, and return the task.
sub create_task
{
	my ($tenant, $policy, $auto_recall) = @_;
	my $task = query("SELECT recall.create_task($tenant, 'task', 'robot', '$policy', '24/7', auto_recall => $auto_recall)");
	my $batch = query("SELECT recall.create_batch($tenant, $task, 'batch')");

	query("SELECT recall.start_task($tenant, $task), recall.start_batch($tenant, $batch)");
	return ($task, $batch);
}

# Make a number of a tenant that ends in what the callee is to do.
sub number
{
	my ($tenant, $index, $ending) = @_;

	return sprintf('+4930%d%02d%d', $tenant, $index, $ending);
}

# Add a contact with such numbers, and return it.
sub add_contact
{
	my ($tenant, $batch, $index, @endings) = @_;
	my $numbers = join(', ', map { "'" . number($tenant, $index, $_) . "'" } @endings);

	return query("SELECT recall.add_contact($tenant, $batch, ARRAY[$numbers])");
}

# Tell the story of a contact: the calls on record.
sub story
{
	my ($tenant, $contact) = @_;

	return query("
		SELECT string_agg(concat_ws(' ', right(number, 3), coalesce(failure_cause::text, 'answered'), '(' || raw_code || ')'), ', ' ORDER BY attempt)
		FROM recall.call WHERE tenant_id = $tenant AND contact_id = $contact");
}

# What contacts are, the endings of their numbers, and their story by this policy.
my $policy = 'busy after 1 s max 2; no_answer after 1 s max 1 next number; congestion after 1 s max 1; limit 4';
my @kinds = (
	[ 'busy', [486], '486 busy (SIP 486), 486 busy (SIP 486), 486 busy (SIP 486)' ],
	[ 'no answer, then answered on the second number', [ 480, 200 ], '480 no_answer (SIP 480), 200 answered (SIP 200)' ],
	[ 'rings until the dialer gives up, then answered on the second number', [ 901, 200 ],
		'901 no_answer (SIP 487), 200 answered (SIP 200)' ],
	[ 'no answer, then busy on the second number', [ 480, 486 ],
		'480 no_answer (SIP 480), 486 busy (SIP 486), 486 busy (SIP 486), 486 busy (SIP 486)' ],
	[ 'unallocated', [404], '404 unallocated (SIP 404)' ],
	[ 'declined', [603], '603 rejected (SIP 603)' ],
	[ 'unavailable', [503], '503 congestion (SIP 503), 503 congestion (SIP 503)' ],
	[ 'a refusal that nothing is known of', [433], '433 unspecified (SIP 433)' ],
	[ 'no response at all', [903], '903 no_response (no SIP response)' ],
	[ 'answered', [200], '200 answered (SIP 200)' ],
	[ 'a conversation longer than the lease', [902], '902 answered (SIP 200)' ],
	# This one has the number of the one before it.
	[ 'another contact with the number', [902], '902 answered (SIP 200)' ]);

# Create a task of a tenant with all of them, and return the contacts.
sub create_campaign
{
	my ($tenant) = @_;
	my ($task, $batch) = create_task($tenant, $policy, 'true');
	my $index = 0;

	return map { add_contact($tenant, $batch, $_->[0] =~ /^another/ ? $index : ++$index, @{ $_->[1] }) } @kinds;
}

# Assert that a tenant's calls are what the policy says and what the callee has seen.
sub check_campaign
{
	my ($tenant, $how, @contacts) = @_;
	my $seen = calls_seen();
	my %recorded = map { split(/\|/) }
	  split(/\n/, query("SELECT number, count(*) FROM recall.call WHERE tenant_id = $tenant GROUP BY number"));
	my %seen = map { $_ => scalar(@{ $seen->{$_} }) } grep { index($_, "+4930$tenant") == 0 } keys(%$seen);

	is(story($tenant, $contacts[$_]), $kinds[$_][2], "$how: $kinds[$_][0]") foreach 0 .. $#kinds;
	is(query("SELECT count(*) FROM recall.dial WHERE tenant_id = $tenant"), 0, "$how: no permit is left");
	is_deeply(\%recorded, \%seen, "$how: the calls on record are those that the callee has seen, number by number");
	return;
}

# Two dialers at the same time, the second through pgbouncer.

start_callee();
my $has_bouncer = defined find_program('pgbouncer');
my %way = (direct => [ 1, %direct ]);
$way{pgbouncer} = [ 2, start_bouncer() ] if $has_bouncer;
my %contacts = map { $_ => [ create_campaign($way{$_}[0]) ] } keys(%way);

foreach my $how (sort keys(%way))
{
	my ($tenant, %environment) = @{ $way{$how} };

	start_dialer($how, \%environment, $tenant, 1, '--ring', 2, '--lease', 3, '--lines', 12, '--idle', 8, '--max-calls', 30);
}
dialer_ends($_) foreach sort keys(%way);
check_campaign($way{direct}[0], 'direct', @{ $contacts{direct} });
SKIP:
{
	skip('pgbouncer is not installed', 1) unless $has_bouncer;
	check_campaign($way{pgbouncer}[0], 'pgbouncer', @{ $contacts{pgbouncer} });
	my $connections = () = slurp_file("$folder/bouncer.log") =~ /new connection to server/g;
	cmp_ok($connections, '>', 20, 'pgbouncer: its transactions went through many connections');
}

my $seen = calls_seen();
my @overlapping = grep {
	my @calls = sort { $a->[0] <=> $b->[0] } @{ $seen->{$_} };
	grep { $calls[ $_ - 1 ][1] > $calls[$_][0] } 1 .. $#calls;
} keys(%$seen);
is_deeply(\@overlapping, [], 'no number was rung twice at a time');

# A dialer that is told to stop ends the calls that are out, and gives back what it has not dialled.

my ($stop_task, $stop_batch) = create_task(3, 'busy', 'false');
my @stop_contacts = map { add_contact(3, $stop_batch, $_, 902) } 1 .. 8;
my $stop_pid = start_dialer('stop', \%direct, 3, $stop_task, '--rate', 1);
wait_for('the first call is out', sub { times_seen(number(3, 1, 902)) });
kill('TERM', $stop_pid);
dialer_ends('stop');
my @dialled = grep { times_seen(number(3, $_, 902)) } 1 .. 8;
my @returned = grep { !times_seen(number(3, $_, 902)) } 1 .. 8;
cmp_ok(scalar(@returned), '>', 0, 'stop: it did not dial all of them');
is_deeply([ map { story(3, $stop_contacts[ $_ - 1 ]) } @dialled ], [ map { '902 answered (SIP 200)' } @dialled ],
	'stop: the calls that were out have been reported');
is(query("SELECT string_agg(contact_id || ' ' || state, ', ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = 3"),
	join(', ', map { "$stop_contacts[$_ - 1] ready" } @returned), 'stop: the others are as if nobody had claimed them');
query("SELECT recall.suspend_task(3, $stop_task)");

# A dialer that is killed reports what came of its calls when it is started again.

my ($kill_task, $kill_batch) = create_task(3, 'busy', 'false');
my $killed = add_contact(3, $kill_batch, 20, 902);
my $kill_pid = start_dialer('kill', \%direct, 3, $kill_task);
wait_for('the call is out', sub { times_seen(number(3, 20, 902)) });
kill('KILL', $kill_pid);
is(finish('kill'), -9, 'kill: the dialer is killed while a call is out');
is(query("SELECT state FROM recall.dial WHERE tenant_id = 3 AND contact_id = $killed"), 'claimed', 'kill: nobody has reported it');
start_dialer('kill', \%direct, 3, $kill_task, '--idle', 1);
dialer_ends('kill');
is(story(3, $killed), '902 answered (SIP 200)', 'kill: the next dialer reports what came of the call');
is(times_seen(number(3, 20, 902)), 1, 'kill: and does not ring again');

# When SIPp is killed, nobody knows what came of a call: it stays unknown, and is not rung again.

my ($lost_task, $lost_batch) = create_task(3, 'busy', 'false');
my ($lost, $known) = map { add_contact(3, $lost_batch, 30, $_) } 901, 200;
my $lost_pid = start_dialer('lost', \%direct, 3, $lost_task, '--ring', 100, '--lease', 3, '--max-calls', 2);
wait_for('one of two calls is reported and the other rings', sub { times_seen(number(3, 30, 901)) && story(3, $known) });
kill('KILL', child_of($lost_pid));
dialer_ends('lost');
wait_for('the lease has run out', sub {
	query('CALL recall.process()');
	return query("SELECT state FROM recall.dial WHERE tenant_id = 3 AND contact_id = $lost") ne 'claimed';
});
is(query("SELECT state FROM recall.dial WHERE tenant_id = 3 AND contact_id = $lost"), 'unknown', 'lost: the outcome is unknown');
start_dialer('lost', \%direct, 3, $lost_task, '--idle', 2);
dialer_ends('lost');
is(story(3, $known), '200 answered (SIP 200)', 'lost: what is known has been reported');
is(story(3, $lost), '', 'lost: nothing was made up');
is(times_seen(number(3, 30, 901)), 1, 'lost: it was not rung again');
query("SELECT recall.resolve(3, $lost, 'no_answer', NULL)");
is(story(3, $lost), '901 no_answer', 'lost: somebody who knows says what it was');

# In a copy of the database claims are held: a dialer waits until they are not.

my ($held_task, $held_batch) = create_task(3, 'busy', 'false');
my $held = add_contact(3, $held_batch, 40, 200);
query('DELETE FROM recall.origin');
start_dialer('held', \%direct, 3, $held_task, '--max-calls', 1);
wait_for('the dialer is refused', sub { -e "$folder/held.log" && slurp_file("$folder/held.log") =~ /hands out nothing now: claims are held/ });
is(times_seen(number(3, 40, 200)), 0, 'held: nobody is rung');
query('SELECT recall.accept_history()');
dialer_ends('held');
is(story(3, $held), '200 answered (SIP 200)', 'held: it goes on when they are accepted');

my $all_seen = 0;
$all_seen += @$_ foreach values(%{ calls_seen() });
is(query('SELECT count(*) FROM recall.call'), $all_seen, 'in the end, as many calls are on record as the callee has seen');
is(query('SELECT * FROM recall.verify()'), '', 'and every invariant holds');

foreach my $name (keys(%running))
{
	kill('TERM', $running{$name});
	finish($name);
}
$node->stop;
done_testing();
