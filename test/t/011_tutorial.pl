# The tutorial is true: what it has you type works, in the order of the page, and gives the answers that it shows.
#
# Each block "sql" is typed into a psql of its own; the unnamed block behind it is the answer. Of "sql quiet" the answer is
# not shown. "sh" is for the shell. Where pg_cron would call the processor ("sql pg_cron"), it is called here.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('tutorial');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall');

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';
local $ENV{PGTZ} = 'UTC';
local $ENV{PGDATESTYLE} = 'ISO';

# Type something into a command, and return all that it prints, without blanks at the ends of lines.
sub answer
{
	my ($command, $typed) = @_;
	my $answer = '';

	IPC::Run::run($command, '<', \$typed, '>&', \$answer);
	$answer =~ s/[ \t]+$//mg;
	$answer =~ s/\n+\z//;
	return $answer;
}

my $page = slurp_file('doc/tutorial.md');
my $answers = 0;

while ($page =~ /\G.*?^```(sql|sql quiet|sql pg_cron|sh)\n(.*?)^```\n(?:\n```\n(.*?)\n```\n)?/msgc)
{
	my ($kind, $typed, $expected) = ($1, $2, $3);
	my ($first_line) = $typed =~ /\A(?:SET ROLE \w+;\n)?([^\n]*)/;

	if ($kind eq 'sql pg_cron')
	{
		is(answer([ 'psql', '-Xq' ], 'CALL recall.process();'), '', "instead of pg_cron: $first_line");
	}
	elsif ($kind eq 'sql quiet')
	{
		unlike(answer([ 'psql', '-X' ], $typed), qr/ERROR/, "works: $first_line");
	}
	else
	{
		is(answer($kind eq 'sh' ? ['bash'] : [ 'psql', '-X' ], $typed), $expected, "gives what is shown: $first_line");
		$answers++;
	}
}
cmp_ok($answers, '>=', 10, 'the page shows answers');

done_testing();
