# From every released version to the current one: what is upgraded is what is created anew; the new library works under the old
# version's SQL until somebody upgrades; and what the old version has left behind is kept, and gone on with.
#
# test/upgrade has a folder for each released version: its work, and what it answered, frozen with the release.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib "$FindBin::RealBin/../upgrade";
use Upgrade;

# What is not as it was, on purpose: tables that an upgrade rewrites, and versions under whose SQL the new library refuses to work.
my %rewritten = ();
my %refused = ();

my ($current) = slurp_file('recall.control') =~ /^default_version\s*=\s*'([^']+)'/m;
my $node = PostgreSQL::Test::Cluster->new('upgrade');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nmax_locks_per_transaction = 256\n");
$node->start;
Upgrade::create_roles($node);
# What is made in the databases is given to somebody at once, as the role that installs may have arranged it.
$node->safe_psql('postgres', 'CREATE ROLE bystander; CREATE ROLE newcomer');
$node->safe_psql('template1', "ALTER DEFAULT PRIVILEGES GRANT ALL ON $_ TO bystander") foreach qw(FUNCTIONS TABLES SEQUENCES SCHEMAS TYPES);

sub create_database
{
	my ($database, $version) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION recall VERSION '$version'");
	return $database;
}

sub upgrade
{
	my ($database) = @_;

	$node->safe_psql($database, 'ALTER EXTENSION recall UPDATE');
	is($node->safe_psql($database, q{SELECT extversion FROM pg_extension WHERE extname = 'recall'}), $current, "$database: the version is $current");
	return;
}

# Assert that two texts are the same, and show where not.
sub same
{
	my ($got, $expected, $name) = @_;

	return is(Upgrade::difference($expected, $got), '', $name);
}

create_database('fresh', $current);
my $fresh = Upgrade::facts($node, 'fresh');
cmp_ok(scalar(split(/\n/, $fresh)), '>', 10_000, "fresh: what $current is made of");

# A comparison that finds nothing may be blind: all of these are made at once, and undone, and each must be among what is found.
my @differences = (
	[ 'a function' => 'CREATE FUNCTION recall.planted(a int DEFAULT 1) RETURNS int LANGUAGE sql RETURN 1', qr/^\+function recall.planted\(integer\) \| proname \| planted$/m ],
	[ 'a body' => 'CREATE OR REPLACE FUNCTION recall._turn_size() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE RETURN greatest(recall._chunk_size() / 20, 1)',
		qr/^\+function recall._turn_size\(\) \| definition \| .* 20/m ],
	[ 'volatility' => 'ALTER FUNCTION recall._is_owner() VOLATILE', qr/^\+function recall._is_owner\(\) \| provolatile \| v$/m ],
	[ 'a setting of a function' => 'ALTER FUNCTION recall._begin_tick() SET search_path = public', qr/^\+function recall._begin_tick\(\) \| proconfig \| .*public/m ],
	[ 'strictness' => 'ALTER FUNCTION recall._age(timestamptz, timestamptz) STRICT', qr/^\+function recall._age\(.*\) \| proisstrict \| true$/m ],
	[ 'cost' => 'ALTER FUNCTION recall._batch(int, bigint) COST 7', qr/^\+function recall._batch\(.*\) \| procost \| 7$/m ],
	[ 'an owner' => 'ALTER FUNCTION recall._caller() OWNER TO agnes', qr/^\+function recall._caller\(\) \| proowner \| agnes$/m ],
	[ 'a right on a function' => 'GRANT EXECUTE ON FUNCTION recall.health() TO PUBLIC', qr/^\+function recall.health\(\) \| proacl \| =X\//m ],
	[ 'a right that is missing' => 'REVOKE EXECUTE ON FUNCTION recall.failure_causes() FROM PUBLIC', qr/^-function recall.failure_causes\(\) \| proacl \| =X\//m ],
	[ 'a right on a table' => 'GRANT SELECT ON recall.tick TO agnes', qr/^\+table recall.tick \| relacl \| agnes=r\//m ],
	[ 'a right on a column' => 'GRANT SELECT (tick_id) ON recall.tick TO agnes', qr/^\+table recall.tick, column tick_id \| attacl \| agnes=r\//m ],
	[ 'a right on the schema' => 'GRANT CREATE ON SCHEMA recall TO agnes', qr/^\+schema recall \| nspacl \| agnes=C\//m ],
	[ 'a comment on a function' => q{COMMENT ON FUNCTION recall.verify() IS 'another'}, qr/^\+function recall.verify\(\) \| comment \| another$/m ],
	[ 'a comment on a column' => 'COMMENT ON COLUMN recall.tick.tick_id IS NULL', qr/^-table recall.tick, column tick_id \| comment \| /m ],
	[ 'a column' => 'ALTER TABLE recall.tick ADD more int', qr/^\+table recall.tick, column more \| atttypid \| integer$/m ],
	[ 'a column that was dropped' => 'ALTER TABLE recall.pool ADD more int; ALTER TABLE recall.pool DROP more', qr/^\+table recall.pool, column .*dropped.* \| attisdropped \| true$/m ],
	[ 'a type' => 'ALTER TABLE recall.token_key ALTER made_at TYPE timestamptz(3)', qr/^\+table recall.token_key, column made_at \| atttypmod \| 3$/m ],
	[ 'a default' => q{ALTER TABLE recall.tenant ALTER holidays SET DEFAULT '{2000-01-01}'}, qr/^\+default value for recall.tenant.holidays \| definition \| .*2000/m ],
	[ 'a null' => 'ALTER TABLE recall.pool ALTER admitted_by DROP NOT NULL', qr/^\+table recall.pool, column admitted_by \| attnotnull \| false$/m ],
	[ 'a constraint' => 'ALTER TABLE recall.tenant ADD CONSTRAINT planted CHECK (tenant_id > 0)', qr/^\+table constraint planted on recall.tenant \| definition \| CHECK/m ],
	[ 'an index' => 'CREATE INDEX planted ON recall.pool (admitted_at)', qr/^\+index recall.planted \| definition \| /m ],
	[ 'a condition of an index' => 'DROP INDEX recall.member_by_role; CREATE INDEX member_by_role ON recall.member (role) WHERE tenant_id > 1',
		qr/^\+index recall.member_by_role \| definition \| .*WHERE/m ],
	[ 'a storage parameter' => 'ALTER TABLE recall.dial SET (fillfactor = 77)', qr/^\+table recall.dial \| reloptions \| .*77/m ],
	[ 'statistics' => 'CREATE STATISTICS recall.kinds ON tenant_id, state FROM recall.task', qr/^\+statistics object recall.kinds \| definition \| /m ],
	[ 'a trigger' => 'CREATE TRIGGER planted BEFORE INSERT ON recall.task FOR EACH ROW EXECUTE FUNCTION recall._check_transition()',
		qr/^\+trigger planted on recall.task \| definition \| /m ],
	[ 'a trigger that is off' => 'ALTER TABLE recall.batch DISABLE TRIGGER check_transition', qr/^\+trigger check_transition on recall.batch \| tgenabled \| D$/m ],
	[ 'a policy' => 'CREATE POLICY planted ON recall.token_key', qr/^\+policy planted on recall.token_key \| polname \| /m ],
	[ 'row security' => 'ALTER TABLE recall.token_key DISABLE ROW LEVEL SECURITY', qr/^\+table recall.token_key \| relrowsecurity \| false$/m ],
	[ 'a view' => q{DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW recall.redial WITH (security_barrier) AS ' || rtrim(pg_get_viewdef('recall.redial'), ';') || ' LIMIT 7'; END $$},
		qr/^\+view recall.redial \| definition \| .*LIMIT 7/mi ],
	[ 'an option of a view' => 'ALTER VIEW recall.permit RESET (security_barrier)', qr/^-view recall.permit \| reloptions \| /m ],
	[ 'a value of an enum' => q{ALTER TYPE recall.task_type ADD VALUE 'another' BEFORE 'robot'}, qr/^\+type recall.task_type, value 'another' \| enumsortorder \| \d/m ],
	[ 'an operator' => 'CREATE OPERATOR recall.=== (FUNCTION = recall._policy_eq, LEFTARG = recall.policy, RIGHTARG = recall.policy)',
		qr/^\+operator recall.===\(.*\) \| oprcode \| recall._policy_eq$/m ],
	[ 'a cast' => 'ALTER EXTENSION recall DROP CAST (recall.policy AS jsonb); DROP CAST (recall.policy AS jsonb)', qr/^-cast \(recall.policy AS .*jsonb\) \| castcontext \| /m ],
	[ 'a row' => q{UPDATE recall.cause_code SET note = 'planted' WHERE system = 'sip' AND code = '486'}, qr/^\+table recall.cause_code \| row \| .*planted/m ],
	[ 'a sequence' => 'ALTER SEQUENCE recall.tick_tick_id_seq RESTART WITH 5', qr/^\+sequence recall.tick_tick_id_seq \| stands at \| 5/m ],
	[ 'an event trigger' => 'ALTER EVENT TRIGGER recall_unschedule DISABLE', qr/^\+event trigger recall_unschedule \| evtenabled \| D$/m ],
	[ 'what is dumped' => q{UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'recall'}, qr/^\+table recall.\w+ \| is dumped \| WHERE false$/m ],
	[ 'a member that is none any more' => 'ALTER EXTENSION recall DROP FUNCTION recall._here()', qr/^-function recall._here\(\) \| depends \(e\) \| extension recall$/m ],
	[ 'what a dump takes for given' => q{UPDATE pg_init_privs SET initprivs = initprivs || 'agnes=X/agnes'::aclitem WHERE objoid = 'recall.recycle(int, bigint)'::regprocedure},
		qr/^\+function recall.recycle\(.*\) \| initial rights \| agnes=X\//m ]);
my $difference = Upgrade::difference($fresh, Upgrade::facts($node, 'fresh', join(";\n", map { $_->[1] } @differences)));
foreach (@differences)
{
	my ($what, undef, $line) = @$_;

	like($difference, $line, "fresh: a difference is seen: $what");
}
same(Upgrade::facts($node, 'fresh'), $fresh, 'fresh: and none where there is none');

# Tables that are not the library's are not written to.
$node->safe_psql('fresh', "SELECT recall.create_tenant('tenant'); SELECT recall.create_task(1, 'task', 'robot'), recall.start_task(1, 1)");
foreach (
	[ 'dial', 'agent', 'SELECT * FROM recall.claim(1, 1)' ],
	[ 'call', 'agent', q{SELECT recall.report(1, 1, 1, 'busy', NULL, NULL, NULL)} ],
	[ 'task', 'policy', 'SELECT * FROM recall.claim(1, 1)' ])
{
	my ($table, $column, $query) = @$_;
	my ($status, $out, $err) = $node->psql('fresh', "BEGIN; ALTER TABLE recall.$table RENAME $column TO planted; $query", extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/ERROR:  55000: table recall.$table is not that of this version of the library\nHINT:  .*ALTER EXTENSION recall UPDATE/, "fresh: another $table is refused");
}

foreach my $version (grep { $_ ne $current } Upgrade::released())
{
	my $name = $version =~ tr/./_/r;

	# What is upgraded is what is created anew.
	my $upgraded = create_database("upgraded_$name", $version);
	upgrade($upgraded);
	same(Upgrade::facts($node, $upgraded), $fresh, "$version: upgraded, it is what $current is when it is created");

	# The new library under the old SQL.
	my $kept = create_database("kept_$name", $version);
	if ($refused{$version})
	{
		like(Upgrade::work($node, $kept, $version, 'work'), qr/not that of this version of the library/, "$version: the new library refuses to work under its SQL, and says why");
	}
	else
	{
		same(Upgrade::work($node, $kept, $version, 'work'), Upgrade::answers($version, 'work'), "$version: the new library does its work under its SQL");
		same(Upgrade::work($node, $kept, $version, 'go_on'), Upgrade::answers($version, 'go_on'), "$version: and goes on");
	}

	# A session that goes on while somebody upgrades.
	my $dial = q{SELECT contact_id IS NOT NULL, recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL), recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL) FROM recall.claim(1, 1)};
	my $session = $node->background_psql($kept);
	$node->safe_psql($kept, 'UPDATE recall.dial SET due_at = now()');
	is($session->query_safe($dial), 't|recorded|duplicate', "$version: a session that dials") unless $refused{$version};
	upgrade($kept);
	is($session->query_safe($dial), 't|recorded|duplicate', "$version: and goes on when it was upgraded meanwhile");
	$session->quit;
	is($node->safe_psql($kept, 'SELECT * FROM recall.verify()'), '', "$version: verify() finds nothing");

	# What the old version has left behind.
	my $filled = create_database("filled_$name", $version);
	Upgrade::work($node, $filled, $version, 'work');
	my $columns = Upgrade::columns($node, $filled);
	my $before = Upgrade::contents($node, $filled, $columns);
	my $grants = Upgrade::grants($node, $filled);
	cmp_ok((split /\|/, $before->{$_})[0], '>', 0, "$version: there are rows in $_") foreach sort keys %$columns;
	foreach my $states ([ 'task', 'task_state' ], [ 'batch', 'batch_state' ], [ 'recycle', 'recycle_state' ], [ 'dial', 'dial_state' ])
	{
		my ($table, $type) = @$states;

		is($node->safe_psql($filled, "SELECT unnest(enum_range(NULL::recall.$type)) EXCEPT SELECT state FROM recall.$table"), '', "$version: and a $table in every state");
	}
	upgrade($filled);
	my $after = Upgrade::contents($node, $filled, $columns);
	foreach my $table (sort grep { !$rewritten{$_} } keys %$before)
	{
		is($after->{$table}, $before->{$table}, "$version: $table is kept");
	}
	is($node->safe_psql($filled, 'SELECT * FROM recall.verify()'), '', "$version: verify() finds nothing");
	is($node->safe_psql($filled, 'SELECT recall._history_is_accepted()'), 't', "$version: it is no copy");
	unlike(Upgrade::difference($grants, Upgrade::grants($node, $filled)), qr/^-/m, "$version: nobody has lost a right");
	is($node->safe_psql($filled, q{SELECT count(*) FROM pg_init_privs i, aclexplode(i.initprivs) a WHERE a.grantee::regrole::text IN ('agnes', 'supervisor', 'desk', 'pool')}),
		'0', "$version: and a dump has them all");
	# What doc/operations.md says about functions that are new.
	$node->safe_psql($filled, 'SELECT recall.grant_privilege(tenant_id, role, rights) FROM recall.member; SELECT recall.admit_pool(role) FROM recall.pool');
	$node->safe_psql($filled, q{SELECT recall.grant_privilege(1, 'newcomer', '{read}')});
	$grants = Upgrade::grants($node, $filled);
	is(join("\n", $grants =~ /^(.*)\|agnes\|.*$/mg), join("\n", $grants =~ /^(.*)\|newcomer\|.*$/mg), "$version: members may use what new members may use");
	is(join("\n", $grants =~ /^(.*)\|pool\|.*$/mg), join("\n", $grants =~ /^(.*)\|newcomer\|.*$/mg), "$version: so may pools");
	same(Upgrade::work($node, $filled, $version, 'go_on'), Upgrade::answers($version, 'go_on'), "$version: work goes on as if nothing had been");
}

done_testing();
