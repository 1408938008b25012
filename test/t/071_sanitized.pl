# Some of the tests pass with a library that AddressSanitizer and UndefinedBehaviorSanitizer watch, and a fault that is planted
# is found: make sanitize does it with all of them.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

# Tell whether a program can be built with the sanitizers here, and run.
sub can_sanitize
{
	my $program = PostgreSQL::Test::Utils::tempdir . '/nothing';

	append_to_file("$program.c", 'int main(void) { return 0; }');
	return !system('gcc', '-fsanitize=address,undefined', '-o', $program, "$program.c") && !system($program);
}

plan skip_all => 'the sanitizers of gcc are not installed' unless can_sanitize();

# Those of the run of tests that this is part of.
delete @ENV{grep { /^(PG|TALLY|MAKE|MFLAGS|RECALL_|ONLY|TESTS|PROVE_|KEEP|PERL5LIB|TEMP_CONFIG|HOME)/ } keys %ENV};
$ENV{PATH} =~ s{^[^:]*/recall-check[^:]*:}{};
$ENV{INSTRUMENT} = 'sanitize';
$ENV{ONLY} = 'pgtap';

# Run tests, and return what was said in the end.
sub check
{
	my ($tests, %environment) = @_;
	my $output = '';

	local @ENV{'TESTS', keys %environment} = ($tests, values %environment);
	IPC::Run::run([ 'test/harness/check.sh' ], '<', '/dev/null', '>&', \$output);
	note($output);
	return $output;
}

like(check('claim report_many lease entry'), qr/^[1-9]\d* passed, 0 failed$/m, 'nothing is found');
like(check('none', PLANT => 'stack'), qr/^failed: sanitize found something$/m, 'unless it is planted');

done_testing();
