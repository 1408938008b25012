# Upgrade.pm
#		What the tests of upgrades share: what a database holds, what the extension in it is made of, and the work of a version.
#
#	Upgrade::create_roles($node);						# that the scripts of the work name
#	my $answers = Upgrade::work($node, 'db', '0.1.0', 'work');	# and then 'go_on'
#	my $facts = Upgrade::facts($node, 'db');				# a line each
#	my $columns = Upgrade::columns($node, 'db');
#	my $contents = Upgrade::contents($node, 'db', $columns);	# by table
package Upgrade;

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Utils;

my $folder = dirname(__FILE__);

sub create_roles
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE ROLE agnes LOGIN; CREATE ROLE supervisor LOGIN; CREATE ROLE desk LOGIN; CREATE ROLE pool LOGIN; GRANT agnes TO desk');
	return;
}

# Versions that were released, each with a full script.
sub released
{
	return map { m{/recall--(\d+(?:\.\d+)+)\.sql$} ? $1 : () } glob("$folder/../../sql/recall--*.sql");
}

# Run a script of a version's work, and return what it says, errors last.
sub work
{
	my ($node, $database, $version, $script) = @_;
	my ($status, $out, $err) = $node->psql($database, slurp_file("$folder/$version/$script.psql"), on_error_stop => 0);

	$err =~ s/^psql:<stdin>:\d+: //mg;
	return "$out\n== errors\n$err";
}

# What it said when it was released.
sub answers
{
	my ($version, $script) = @_;

	return slurp_file("$folder/$version/$script.out");
}

# All that the extension is made of, a line for each fact; with something done before, which is undone.
sub facts
{
	my ($node, $database, $before) = @_;

	return $node->safe_psql($database, "\\set QUIET on\nBEGIN;\n" . ($before // '') . ";\n" . slurp_file("$folder/extension.psql") . "\nROLLBACK;\n");
}

# The columns of each table of recall, and which rows of it the extension brings along itself.
sub columns
{
	my ($node, $database) = @_;

	return { map { my ($table, @rest) = split /\t/; ($table => \@rest) } split /\n/, $node->safe_psql($database, q{
		SELECT concat_ws(E'\t', c.relname,
			(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
			(SELECT nullif(x.condition, '') FROM unnest(e.extconfig, e.extcondition) x (relation, condition) WHERE x.relation = c.oid))
		FROM pg_class c, pg_extension e
		WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'r' AND e.extname = 'recall'}) };
}

# For each table how many rows it has and a hash of them, for each sequence where it stands; and who was given what.
sub contents
{
	my ($node, $database, $columns) = @_;
	my @queries = map {
		my ($list, $condition) = @{ $columns->{$_} };
		"SELECT '$_', count(*), md5(string_agg(r::text, E'\\n' ORDER BY r::text COLLATE \"C\")) FROM (SELECT $list FROM recall.$_ " . ($condition // '') . ') r'
	} sort keys %$columns;

	push @queries, q{SELECT relname, pg_sequence_last_value(oid), '' FROM pg_class WHERE relnamespace = 'recall'::regnamespace AND relkind = 'S'};
	return { map { my ($name, $value) = split /\|/, $_, 2; ($name => $value) } split /\n/, $node->safe_psql($database, join("\nUNION ALL\n", @queries)) };
}

# The rights of all but the owner, who is "-" where it is everybody, on the routines, relations and the schema.
sub grants
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, q{
		SELECT DISTINCT object, g.grantee::regrole, g.privilege_type
		FROM (
			SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'recall'::regnamespace
			UNION ALL
			SELECT oid::regclass::text, relacl FROM pg_class WHERE relnamespace = 'recall'::regnamespace
			UNION ALL
			SELECT nspname, nspacl FROM pg_namespace WHERE nspname = 'recall'
		) o (object, acl), aclexplode(o.acl) g
		WHERE g.grantee <> g.grantor
		ORDER BY 1, 2, 3});
}

# The lines of a text that another lacks, and the other way round, to be read by people; none when they are the same.
sub difference
{
	my ($left, $right) = @_;
	my $files = PostgreSQL::Test::Utils::tempdir();

	append_to_file("$files/before", $left =~ s/\s*\z/\n/r);
	append_to_file("$files/after", $right =~ s/\s*\z/\n/r);
	my ($difference) = run_command([ 'diff', '-U0', "$files/before", "$files/after" ]);
	return join("\n", grep { !/^(?:---|\+\+\+) / && !/^@@/ } split(/\n/, $difference));
}

1;
