# Random histories of dialing: no call is lost, none doubled, no answer unexpected. test/history/histories.py says how; make
# soak runs more of them. The seeds are the same each time, how the clients interleave is not.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $histories = 1000;

# What must have happened, or else too little was tried; each more often than this in 1000 histories.
my %wanted = (
	'claim rows' => 1000,
	'claim nothing' => 100,
	'report recorded' => 1000,
	'report duplicate' => 100,
	'report 55000' => 100,
	'report 22023' => 10,
	'report 42501' => 10,
	'extend ok' => 50,
	'extend 55000' => 50,
	'release ok' => 100,
	'release 55000' => 50,
	'resolve ok' => 20,
	'resolve 55000' => 50,
	'record_call ok' => 100,
	'record_call 55000' => 10,
	'schedule_callback ok' => 10,
	'recycle ok' => 100,
	'cancel_recycle ok' => 10,
	'withdraw_recycle ok' => 10,
	'pause_recycle ok' => 1,
	'step ok' => 100,
	'claimed recycled' => 10,
	'suppress ok' => 50,
	'unsuppress ok' => 50,
	'suspend_task ok' => 10,
	'start_task ok' => 10,
	'suspend_batch ok' => 10,
	'start_batch ok' => 10,
	'finish_batch ok' => 10,
	'add_contact ok' => 50,
	'process ok' => 100);

my $node = PostgreSQL::Test::Cluster->new('histories');
my $folder = PostgreSQL::Test::Utils::tempdir;
my $output = '';

$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = fatal\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall');

IPC::Run::run(
	[ '/usr/bin/python3', 'test/history/histories.py', '--histories', $histories, '--folder', $folder, $node->connstr('postgres') ],
	'<', '/dev/null', '>&', \$output);
is($?, 0, 'the run came to its end, with nothing wrong');
my @wrong = $output =~ /^(seed .*)$/mg;
is(scalar @wrong, 0, 'every answer, and all that is left, follows from some order of the operations');
diag($output) if $? != 0 || @wrong;
diag(slurp_file($_)) foreach glob("$folder/*.txt");

my ($summary) = $output =~ /^(\d+ histories from .*)$/m;
note($summary // 'no summary');
like($summary // '', qr/^$histories histories .* 8 clients/, 'all histories were run, with 8 clients');
cmp_ok(($summary // '') =~ / (\d+) looks at the invariants/ ? $1 : 0, '>', 10, 'the invariants were looked at meanwhile');
foreach my $what (sort keys %wanted)
{
	my ($times) = $output =~ /^tally \Q$what\E (\d+)$/m;

	cmp_ok($times // 0, '>=', $wanted{$what}, "enough was tried: $what");
}

done_testing();
