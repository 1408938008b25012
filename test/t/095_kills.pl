# Dialing that is disturbed: each way once. test/soak/kills.py says how, and what is looked at; make soak KILLS=1000 does it
# more often. The seed is the same each time, what a disturbance meets is not.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

# All but disk_filled, which takes a file system of its own.
my @ways = qw(backend_killed worker_killed other_killed postmaster_killed stopped_immediately stopped_fast backends_terminated
  worker_terminated statements_cancelled statements_timed_out connections_cut backend_frozen files_limited memory_limited);
my $seed = $ENV{SEED} // 1;

# Disturb; return the status and the output.
sub disturb
{
	my (@options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $output = '';

	IPC::Run::run([ '/usr/bin/python3', 'test/soak/kills.py', '--folder', $folder, '--seed', $seed, @options ], '<', '/dev/null', '>&', \$output);
	return ($?, $output, $folder);
}

my $has_disk = disturb('--tell-disk') == 0;
push @ways, 'disk_filled' if $has_disk;
note($has_disk ? 'a file system is filled as well' : 'users mount nothing here: no file system is filled');

my ($status, $output, $folder) = disturb('--kills', scalar @ways);
is($status, 0, 'nothing is lost, nothing doubled');
if ($status != 0)
{
	diag($output);
	diag(slurp_file($_)) foreach glob("$folder/*.txt");
}
like($output, qr/^kill $_ [1-9]/m, "disturbed: $_") foreach @ways;
like($output, qr/^answer $_ ok [1-9]/m, "enough was tried: $_")
  foreach qw(claim report report_many release record_call add_contact recycle cancel_recycle process);
like($output, qr/^answer \w+ doubt [1-9]/m, 'some answers were lost');
like($output, qr/^sent again (recorded|duplicate) [1-9]/m, 'and some reports were sent again');
like($output, qr/ [1-9]\d* restores, /, 'and a dump was restored');
note($output =~ /^(\d+ disturbances from .*)$/m);

# A server that acknowledges what it has not written must be found out.
($status, $output) = disturb('--kills', 3, '--only', 'stopped_immediately', '--plant');
isnt($status, 0, 'a server that forgets is found out');
like($output, qr/a call that was answered by "ok" is there 0 times/, 'since what was acknowledged is not there');

done_testing();
