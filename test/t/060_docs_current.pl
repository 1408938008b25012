# The pages that are made from the catalog are what the generator makes of a fresh database now, and the story of
# README.md gives the answers that it shows there.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall');

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';
local $ENV{PGCLIENTENCODING} = 'UTF8';

my $folder = PostgreSQL::Test::Utils::tempdir;
my (undef, $complaint) = run_command(['bash', 'doc/make/make.sh', $folder]);
is($complaint, '', 'doc/make/make.sh makes the pages');

foreach my $page ('reference.md', 'states.md')
{
	my ($difference) = run_command(['diff', '-u', "doc/$page", "$folder/$page"]);

	is(-s "$folder/$page" ? $difference : 'nothing was made',
		'', "doc/$page is current: make doc writes it anew");
}

# The first block of SQL and the block behind it, whose tables an empty line separates.
my ($story, $tables) = slurp_file('README.md') =~ /^```sql\n(.*?)^```\n.*?^```\n(.*?)^```\n/ms;
append_to_file("$folder/story.sql", $story);
my ($answers, $errors) = run_command(
	['psql', '--no-psqlrc', '--set=ON_ERROR_STOP=1', '--pset=footer=off', "--file=$folder/story.sql"]);
is($errors, '', 'the story of README.md runs');
$answers =~ s/ +$//mg;
foreach my $table (split(/\n\n/, $tables))
{
	my ($column) = $table =~ /(\w+)/;

	ok(index($answers, $table) >= 0, "README.md shows what it answers: $column and so on") or diag($answers);
}

done_testing();
