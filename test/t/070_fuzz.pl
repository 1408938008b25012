# What reads texts and bytes stands fuzzing, for the seconds that there are here: make fuzz does it for longer.
#
# The inputs are the same each time. Without clang and its libFuzzer this is skipped.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir;
my @make = ('make', '-s', '-j2', '-f', 'test/fuzz/Makefile', "BUILD=$folder");

# Those of the make that runs the tests.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES)};

# Run a command; return its status and what it says.
sub run
{
	my @command = @_;
	my $output = '';

	eval { IPC::Run::run(\@command, '<', '/dev/null', '>&', \$output); 1 } or return (-1, $@);
	return ($?, $output);
}

# Tell whether a program can be built with libFuzzer and the sanitizers here, and run.
sub can_fuzz
{
	my $program = "$folder/nothing";

	append_to_file("$program.c", 'int LLVMFuzzerTestOneInput(const char *data, long size) { return 0; }');
	my ($status) = run('clang', '-fsanitize=fuzzer,address,undefined', '-o', $program, "$program.c");
	($status) = run($program, '-runs=1') if $status == 0;
	return $status == 0;
}

plan skip_all => 'clang with libFuzzer is not installed' unless can_fuzz();

my ($status, $output) = run(@make);
is($status, 0, 'the targets build') or diag($output);

my (undef, $targets) = run(@make, 'targets');
foreach my $target (split(' ', $targets))
{
	($status, $output) =
	  run('test/fuzz/run.sh', $folder, $target, '-seed=1', '-runs=200000', '-max_total_time=10');
	my ($done) = $output =~ /^Done (\d+ runs in \d+ second)/m;

	note("$target: $done") if $done;
	ok($status == 0 && $done, "$target: no finding") or diag(substr($output, -10000));
}

done_testing();
