# The extension installs as what its control file says, loads, and leaves nothing behind.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = slurp_file('recall.control') =~ /^default_version\s*=\s*'([^']+)'/m;
like($version, qr/^\d+\.\d+\.\d+$/, 'recall.control holds a version');

# The copies of the version are current.
my $meta = decode_json(slurp_file('META.json'));
is($meta->{version}, $version, 'META.json has the version: make META.json');
is($meta->{provides}{recall}{version}, $version, 'META.json provides the version: make META.json');
if (-e 'CHANGELOG.md')
{
	like(slurp_file('CHANGELOG.md'), qr/^## \[?\Q$version\E\b/m, 'CHANGELOG.md has an entry for the version');
}

my $node = PostgreSQL::Test::Cluster->new('install');
$node->init;
$node->start;

# A schema that somebody made before is not taken over.
$node->safe_psql('postgres', 'CREATE SCHEMA recall');
my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION recall');
like($err, qr/schema "recall" already exists/, 'a schema recall that is there already is an error');
$node->safe_psql('postgres', 'DROP SCHEMA recall');

$node->safe_psql('postgres', 'CREATE EXTENSION recall');
is($node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'recall'}),
	$version, 'CREATE EXTENSION installs the version of the control file');
is($node->safe_psql('postgres', q{LOAD 'recall'; SHOW recall.chunk_size}), '10000', 'the library loads');

$node->safe_psql('postgres', 'DROP EXTENSION recall');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'recall'}),
	'0', 'DROP EXTENSION leaves no schema behind');

done_testing();
