# A hostile session sees nothing of another tenant, and brings nothing down. test/canary/canary.py says what is tried; make
# canary tries more of it. With one seed the statements are the same each time.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Start a server that tells much, and run the canary on it; return the server, its status and output.
sub run_canary
{
	my ($name, @options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $output = '';

	$node->init;
	$node->append_conf('postgresql.conf', <<'END');
log_statement = none
log_min_messages = debug1
log_error_verbosity = verbose
log_line_prefix = '%u|'
shared_preload_libraries = 'pg_stat_statements'
restart_after_crash = off
END
	$node->start;
	IPC::Run::run([ '/usr/bin/python3', 'test/canary/canary.py', @options, $node->connstr('postgres') . ' user=' . getpwuid($<) ], '<', '/dev/null', '>&', \$output);
	return ($node, $?, $output);
}

# The lines of the server's log that a hostile session caused, what it had asked left out.
sub hostile_lines
{
	my ($node) = @_;

	return grep { /^(?:acme_\w+|nobody|scheduler)\|/ && !/^\w+\|STATEMENT/ } split /\n(?!\t)/, slurp_file($node->logfile);
}

my ($node, $status, $output) = run_canary('canary', '--calls', 1500, '--smith', 500, '--seed', 1);
is($status, 0, 'no session of acme, of nobody or of the owner finds anything') or diag($output);
note($output);
like($output, qr/^acme_all: [0-9]+ statements/m, 'a session with every right');
foreach my $role ('acme_all', 'acme_read', 'acme_manage', 'acme_recycle', 'acme_dial', 'nobody', 'owner')
{
	my ($statements, $done) = $output =~ /^$role: (\d+) statements: .*\b00000 (\d+)/m;

	cmp_ok($statements // 0, '>=', 280, "$role: enough was tried");
	cmp_ok($done // 0, '>=', 30, "$role: and enough was done");
}
my @lines = hostile_lines($node);
cmp_ok(scalar @lines, '>', 300, 'the server wrote of these sessions');
is(join("\n", grep { /kanari|(?<!\d)(?:00)?99887\d{3,10}(?!\d)/ } @lines), '', '... and nothing of the other tenant');
is(join("\n", grep { /PANIC|was terminated by signal|TRAP:/ } split /\n/, slurp_file($node->logfile)), '', 'nothing has crashed');
$node->stop;

# What leaks is found: a table that all may read.
($node, $status, $output) = run_canary('planted', '--calls', 60, '--roles', 'acme_read,nobody', '--plant');
isnt($status, 0, 'a leak that is planted is found');
like($output, qr/^FINDING acme_read, canary: .*99887/m, '... in the statistics');
like($output, qr/^FINDING nobody, canary: /m, '... also by a stranger');
$node->stop;

done_testing();
