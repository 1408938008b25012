# The pages that are made from the catalog are what the generator makes of a fresh database now.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall');

my $folder = PostgreSQL::Test::Utils::tempdir;
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';
my ($made, $complaint) = run_command(['bash', 'doc/make/make.sh', $folder]);
is($complaint, '', 'doc/make/make.sh makes the pages');

foreach my $page ('reference.md', 'states.md')
{
	my ($difference) = run_command(['diff', '-u', "doc/$page", "$folder/$page"]);

	is(-s "$folder/$page" ? $difference : 'nothing was made',
		'', "doc/$page is current: make doc writes it anew");
}

done_testing();
