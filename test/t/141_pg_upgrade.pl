# pg_upgrade from every older major of PostgreSQL that is there with its headers: all that recall is and has comes along, claims
# are held until somebody accepts the history, and then work goes on. Where there is only one major this is skipped;
# make check-majors has several.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib "$FindBin::RealBin/../upgrade";
use Upgrade;

my ($major) = `pg_config --version` =~ /(\d+)/;

# The majors from 15 on that are older, and can be built for.
sub older_majors
{
	return grep { $_ >= 15 && $_ < $major && -x "/usr/lib/postgresql/$_/bin/postgres" && -e "/usr/lib/postgresql/$_/lib/pgxs/src/makefiles/pgxs.mk"
		  && -e "/usr/include/postgresql/$_/server/postgres.h" } sort { $a <=> $b } map { m{/(\d+)$} } glob('/usr/lib/postgresql/*');
}

my @majors = older_majors();
plan skip_all => "no older PostgreSQL is here, with its headers, beside $major" unless @majors;

# Make a private copy of a major, with recall; return the folder that has its bin.
sub copy_server
{
	my ($old) = @_;
	my $copy = PostgreSQL::Test::Utils::tempdir();
	local %ENV = %ENV;

	delete @ENV{ grep { /^(MAKE|MFLAGS|PG)/ } keys %ENV };
	system_or_bail('sh', '-e', '-c', q{
		mkdir -p "$1/usr/lib/postgresql" "$1/usr/share/postgresql" "$1/tree"
		cp -a "/usr/lib/postgresql/$2" "$1/usr/lib/postgresql"
		cp -a "/usr/share/postgresql/$2" "$1/usr/share/postgresql"
		ln -s /usr/include "$1/usr/include"
		tar -c --exclude=./tmp_check --exclude=./results --exclude='*.o' --exclude='*.bc' --exclude='*.so' . | tar -x -C "$1/tree"
		make -s -C "$1/tree" with_llvm=no PG_CONFIG="$1/usr/lib/postgresql/$2/bin/pg_config" install >"$1/build.log" 2>&1 || { cat "$1/build.log" >&2; exit 1; }
		}, 'sh', $copy, $old);
	return "$copy/usr/lib/postgresql/$old";
}

# What else is said of the extension and does not depend on the major: comments, policies, settings, what is dumped.
sub lasting
{
	my ($facts) = @_;

	return join("\n", grep { /^(?!extension ).* \| (?:comment|is dumped|relrowsecurity|proconfig|reloptions|polcmd|evtenabled|tgenabled) \|/ } split(/\n/, $facts));
}

# Make a cluster; 18 has checksums unless it is told otherwise, and both must have the same.
sub create_cluster
{
	my ($name, $its_major, @options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, @options);

	$node->init(extra => [ '--encoding=UTF8', '--locale=C', $its_major >= 18 ? '--no-data-checksums' : () ]);
	$node->append_conf('postgresql.conf', "log_statement = none\n");
	return $node;
}

# Upgrade a cluster; say whether it went well, and note what was said when not.
sub pg_upgrade
{
	my ($from, $to, $server) = @_;
	my ($new_server) = run_command([ 'pg_config', '--bindir' ]);
	my $done = run_log([ 'pg_upgrade', '--no-sync', '--old-datadir', $from->data_dir, '--new-datadir', $to->data_dir, '--old-bindir', "$server/bin", '--new-bindir', $new_server,
		'--socketdir', $to->host, '--old-port', $from->port, '--new-port', $to->port ]);

	note(map { "$_:\n" . slurp_file($_) } glob($to->data_dir . '/pg_upgrade_output.d/*/log/*')) unless $done;
	return $done;
}

# Whether a major can be upgraded at all: a build may write what an older one of the next major does not read.
sub upgrades_anything
{
	my ($old, $server) = @_;
	my $from = create_cluster("plain_from_$old", $old, install_path => $server);

	$from->start;
	$from->safe_psql('postgres', 'CREATE TABLE plain (a int, b text)');
	$from->stop;
	return pg_upgrade($from, create_cluster("plain_to_$old", $major), $server);
}

# A table of somebody's own, with values of recall's types.
my $own = q{
	CREATE TABLE own AS SELECT p.name, p.policy, h.calling_hours, c.cause::recall.failure_cause AS cause
	FROM recall.policy_presets() p, recall.calling_hours_presets() h, unnest('{busy,unknown}'::text[]) c (cause);
	CREATE INDEX ON own USING hash (policy)};

foreach my $old (@majors)
{
	my $path = "$old to $major";
	my $server = copy_server($old);
	my $before = create_cluster("from_$old", $old, install_path => $server);

	$before->start;
	Upgrade::create_roles($before);
	foreach my $database ('worked', 'undisturbed')
	{
		$before->safe_psql('postgres', "CREATE DATABASE $database");
		$before->safe_psql($database, "CREATE EXTENSION recall; $own");
		unlike(Upgrade::work($before, $database, '0.1.0', 'work'), qr/ERROR:  XX/, "$path: there is work, in $database");
	}
	my $undisturbed = Upgrade::work($before, 'undisturbed', '0.1.0', 'go_on');
	my $columns = Upgrade::columns($before, 'worked');
	my $contents = Upgrade::contents($before, 'worked', $columns);
	my $grants = Upgrade::grants($before, 'worked');
	my $lasting = lasting(Upgrade::facts($before, 'worked'));
	my $values = $before->safe_psql('worked', 'SELECT * FROM own ORDER BY own::text');
	$before->stop;

	my $after = create_cluster("to_$old", $major);
	if (!pg_upgrade($before, $after, $server))
	{
	  SKIP:
		{
			skip("a $old like this cannot be upgraded to a $major like this, without recall neither", 1) unless upgrades_anything($old, $server);
			fail("$path: pg_upgrade");
		}
		next;
	}
	pass("$path: pg_upgrade");
	$after->start;

	my $kept = Upgrade::contents($after, 'worked', $columns);
	is($kept->{$_}, $contents->{$_}, "$path: $_ is kept") foreach sort keys %$contents;
	is(Upgrade::difference($grants, Upgrade::grants($after, 'worked')), '', "$path: rights are kept");
	cmp_ok(scalar(split(/\n/, $lasting)), '>', 500, "$path: there are comments, policies and settings");
	is(Upgrade::difference($lasting, lasting(Upgrade::facts($after, 'worked'))), '', "$path: they are kept");
	is($after->safe_psql('worked', 'SELECT * FROM own ORDER BY own::text'), $values, "$path: values of its types are kept");
	is($after->safe_psql('worked', 'SET enable_seqscan = off; SELECT count(*) FROM own o WHERE EXISTS (SELECT FROM own i WHERE i.policy = o.policy)'), scalar(split(/\n/, $values)), "$path: and found by an index");
	is($after->safe_psql('worked', 'SELECT * FROM recall.verify()'), '', "$path: verify() finds nothing");

	my ($status, $out, $err) = $after->psql('worked', 'SELECT * FROM recall.claim(1, 1)', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/ERROR:  55000: claims are held/, "$path: claims are held");
	is($after->safe_psql('worked', q{SELECT status FROM recall.health() WHERE check_name = 'history'}), 'critical', "$path: health() is critical");
	$after->safe_psql('worked', 'SELECT recall.accept_history()');
	is(Upgrade::difference($undisturbed, Upgrade::work($after, 'worked', '0.1.0', 'go_on')), '', "$path: accepted, work goes on as if nothing had been");
	$after->safe_psql('worked', 'DROP EXTENSION recall CASCADE');
	is($after->safe_psql('worked', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'recall'}), '0', "$path: and recall can be dropped");
	$after->stop;
}

done_testing();
