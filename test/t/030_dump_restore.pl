# A dump carries everything: every row, the ids that come next, the rights of members; and nothing twice. What is restored
# is a copy, in which claims are held until its history is accepted.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
log_statement = none
recall.chunk_size = 10
END
$node->start;

# Every table and sequence of the extension is in its configuration, or a dump would leave it out.
$node->safe_psql('postgres', 'CREATE DATABASE story');
$node->safe_psql('story', 'CREATE EXTENSION recall');
is($node->safe_psql('story', q{
	SELECT c.oid::regclass
	FROM pg_class c
	JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i', 'a')
	CROSS JOIN pg_extension e
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'p', 'S') AND e.extname = 'recall'
	AND c.oid <> ALL (e.extconfig)}),
	'recall.token_key', 'every table and sequence is marked for dumps, but for the keys of tokens');

# Two tenants, members, and records in every state that there is.
$node->safe_psql('story', <<'END');
	CREATE ROLE "Agnes' desk" LOGIN;
	CREATE ROLE supervisor LOGIN;
	CREATE ROLE desk LOGIN;
	GRANT "Agnes' desk" TO desk;

	SELECT recall.create_tenant('Acme', 'Europe/Berlin', recycle_limit => 25);
	SELECT recall.create_tenant('Büro "Süd"', 'America/New_York');
	SELECT recall.set_holidays(1, ARRAY['2026-12-25', '2027-01-01']::date[]);
	SELECT recall.grant_privilege(1, '"Agnes'' desk"', '{read,dial}');
	SELECT recall.grant_privilege(1, 'supervisor', '{read,manage,recycle,dial}');
	SELECT recall.grant_privilege(2, 'supervisor', '{read}');
	CREATE ROLE "Web pool" LOGIN;
	SELECT recall.admit_pool('"Web pool"');
	SELECT recall.create_business_result(t, 'callback', E'call me\tback \\') FROM generate_series(1, 2) t;
	INSERT INTO recall.cause_code (system, code, failure_cause, note) VALUES
		('sip', '486', 'no_answer', 'this carrier says busy when nobody answers'),
		('our-switch', 'X1', 'congestion', NULL), ('our-switch', 'OK', NULL, 'answered');

	-- Tasks 1 to 4 of each tenant: executing, suspended, completed, draft; one batch in each state for each.
	SELECT recall.create_task(t, 'task ' || i, (ARRAY['predicted', 'preview', 'robot', 'manual'])[i]::recall.task_type,
		CASE WHEN i < 4 THEN 'busy after 10 min, 2 h max 3 next number; result callback after 1 day; limit 6'::recall.policy END,
		CASE WHEN i % 2 = 1 THEN 'Mo-Fr 09:00-20:00; PH off'::recall.calling_hours END, priority => i)
	FROM generate_series(1, 2) t, generate_series(1, 4) i;
	SELECT recall.start_task(t, i) FROM generate_series(1, 2) t, generate_series(1, 3) i;
	SELECT recall.create_batch(t, 1, 'batch ' || b) FROM generate_series(1, 2) t, generate_series(1, 8) b;
	SELECT recall.create_batch(t, 3, 'batch') FROM generate_series(1, 2) t;
	CREATE TABLE new_contact AS
	SELECT ARRAY['+49' || 30000000 + i, '+49' || 40000000 + i] AS numbers, (ARRAY['Europe/Paris', NULL])[1 + i % 2] AS time_zone,
		i % 3 AS priority, E'ref\n' || i AS reference, jsonb_build_object('name', E'O\\''Neill \u00e4\t' || i) AS attributes
	FROM generate_series(1, 40) i;
	SELECT recall.add_contacts(t, b, 'new_contact') FROM generate_series(1, 2) t, generate_series(1, 9) b;
	SELECT recall.start_batch(t, b) FROM generate_series(1, 2) t, generate_series(1, 9) b WHERE b <> 8;
	CREATE TABLE ended AS
	SELECT contact_id, (ARRAY['busy', 'no_answer', NULL, 'unallocated'])[1 + contact_id % 4]::recall.failure_cause AS failure_cause,
		CASE contact_id % 4 WHEN 2 THEN 'callback' END AS business_result, '486' AS raw_code, 'agent 7' AS agent
	FROM recall.contact WHERE tenant_id = 1 AND contact_id % 10 > 0;
	SELECT recall.record_calls(t, 'ended') FROM generate_series(1, 2) t, generate_series(1, 2);

	-- Records of batches 1 to 6: completed (capped for one tenant), cancelled, failed, paused, running, waiting.
	SELECT recall.recycle(t, b) FROM generate_series(1, 2) t, generate_series(1, 5) b;
	SELECT recall.cancel_recycle(t, 2) FROM generate_series(1, 2) t;
	UPDATE recall.recycle SET state = 'running', started_at = now() WHERE recycle_id BETWEEN 3 AND 5;
	UPDATE recall.recycle SET state = 'paused' WHERE recycle_id = 4;
	UPDATE recall.recycle SET state = 'failed', error = E'it''s\nbroken' WHERE recycle_id = 3;
	UPDATE recall.recycle SET state = 'paused' WHERE recycle_id = 5;
	CALL recall.process();
	UPDATE recall.recycle SET state = 'running', last_contact = 180, judged = 20 WHERE recycle_id = 5;
	SELECT recall.recycle(t, 6) FROM generate_series(1, 2) t;
	SELECT recall.record_call(1, contact_id, NULL, 'callback') FROM recall.dial WHERE tenant_id = 1 AND recycle_id = 1 AND contact_id % 8 = 2;

	-- Permits in every state, tasks and batches too.
	UPDATE recall.dial SET state = 'claimed', token = contact_id, claimed_at = now(), lease_until = 'infinity' WHERE contact_id IN (10, 20);
	UPDATE recall.dial SET state = 'unknown', token = contact_id, claimed_at = now(), lease_until = now() WHERE contact_id IN (70, 80);
	SELECT recall.suspend_batch(t, 7) FROM generate_series(1, 2) t;
	SELECT recall.suspend_task(t, 2) FROM generate_series(1, 2) t;
	SELECT recall.complete_task(t, 3) FROM generate_series(1, 2) t;
	SELECT recall.suppress(1, '+493099999001'), recall.erase_number(1, '+493099999002'), recall.erase_number(2, '+493099999003');
	SELECT recall._begin_tick();
	DROP TABLE new_contact, ended;
END
foreach my $states (
	[ 'task', 'task_state' ], [ 'batch', 'batch_state' ], [ 'recycle', 'recycle_state' ], [ 'dial', 'dial_state' ])
{
	my ($table, $type) = @$states;
	is($node->safe_psql('story', "SELECT unnest(enum_range(NULL::recall.$type)) EXCEPT SELECT state FROM recall.$table"),
		'', "the story has a $table in every state");
}

# For each table its rows and a hash of them, for each sequence where it stands; but for the origin, which tells the copy.
sub contents
{
	my ($database) = @_;
	my %contents;
	my $tables = $node->safe_psql($database, q{
		SELECT format($$%1$s	SELECT count(*), md5(string_agg(t::text, E'\n' ORDER BY t::text)) FROM %1$s t$$, c.oid::regclass)
		FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('token_key', 'origin')
		UNION ALL
		SELECT format($$%1$s	SELECT last_value, is_called FROM %1$s$$, c.oid::regclass)
		FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'S'});

	foreach my $line (split /\n/, $tables)
	{
		my ($table, $query) = split /\t/, $line, 2;
		$contents{$table} = $node->safe_psql($database, $query);
	}
	# The story writes to the tables by hand; what verify() says of that must be the same in a copy.
	$contents{'verify()'} = $node->safe_psql($database, q{SELECT md5(string_agg(v::text, E'\n' ORDER BY v::text)) FROM recall.verify() v});
	return \%contents;
}

# Who was granted what in the schema, on routines, relations and on itself; and what the catalog has besides of it that a
# restore could leave out: defaults, indexes, constraints, triggers, policies, definitions of routines and views.
sub grants
{
	my ($database) = @_;

	return $node->safe_psql($database, q{
		SELECT * FROM (
			SELECT 'schema', nspname::text, acl::text FROM pg_namespace, unnest(nspacl) acl WHERE nspname = 'recall'
			UNION ALL
			SELECT 'relation', oid::regclass::text, acl::text FROM pg_class, unnest(relacl) acl WHERE relnamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'routine', oid::regprocedure::text, acl::text FROM pg_proc, unnest(proacl) acl WHERE pronamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'definition', oid::regprocedure::text, md5(CASE prokind WHEN 'a' THEN '' ELSE pg_get_functiondef(oid) END) FROM pg_proc WHERE pronamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'view', oid::regclass::text, md5(pg_get_viewdef(oid)) FROM pg_class WHERE relnamespace = 'recall'::regnamespace AND relkind = 'v'
			UNION ALL
			SELECT 'default', adrelid::regclass::text, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_class c ON c.oid = adrelid WHERE c.relnamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'recall'
			UNION ALL
			SELECT 'constraint', conrelid::regclass::text, conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE c.relnamespace = 'recall'::regnamespace
			UNION ALL
			SELECT 'event trigger', evtname, evtenabled::text || evttags::text FROM pg_event_trigger
			UNION ALL
			SELECT 'policy', tablename, row(p.*)::text FROM pg_policies p WHERE schemaname = 'recall'
		) g ORDER BY 1, 2, 3});
}

# Assert that something can be done in a database, as a role; or, given an SQLSTATE, that it cannot.
sub can
{
	my ($database, $role, $query, $name, $sqlstate) = @_;
	my ($status, $out, $err) = $node->psql($database, $query, connstr => $node->connstr($database) . " user='$role'",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, defined $sqlstate ? qr/ERROR:  $sqlstate/ : qr/^$/, $name);
	return $out;
}

my $token = $node->safe_psql('story', q{SELECT recall.issue_token(1, '{read}', '1 h')});
my $contents = contents('story');
my $origin = $node->safe_psql('story', 'SELECT o::text FROM recall.origin o');
my $grants = grants('story');
my $me = $node->safe_psql('story', 'SELECT current_user');
my $folder = PostgreSQL::Test::Utils::tempdir();
cmp_ok((split /\|/, $contents->{'recall.' . $_})[0], '>', 0, "the story has rows in $_") foreach qw(
	tenant member pool counter business_result task batch contact call recycle recycle_tally dial suppression event tick erasure_key erased_number cause_code);

# Assert that a restored database is the same, and that life goes on in it.
sub check_restored
{
	my ($database) = @_;
	my $restored = contents($database);

	is($node->safe_psql($database, q{SELECT recall._history_is_accepted(), (SELECT status FROM recall.health() WHERE check_name = 'history')}),
		'f|critical', "$database: it knows that it is a copy");
	is($node->safe_psql($database, "SELECT '$origin' IN (SELECT o::text FROM recall.origin o)"), 't', "$database: and of what");

	is($restored->{$_}, $contents->{$_}, "$database: $_ is the same") foreach sort keys %$contents;
	is(join(' ', sort keys %$restored), join(' ', sort keys %$contents), "$database: no other tables");
	is(grants($database), $grants, "$database: the same grants");

	# Ids go on.
	is($node->safe_psql($database, q{SELECT recall.create_tenant('new')}), '3', "$database: the next tenant");
	can($database, 'supervisor', 'SELECT recall.create_task(3, $$new$$, $$robot$$)', "$database: it is nobody's yet", '42501');
	is(can($database, 'supervisor', 'SELECT recall.create_task(1, $$new$$, $$robot$$)', "$database: a member may manage"),
		'5', "$database: the next task");
	is(can($database, 'supervisor', 'SELECT recall.create_batch(1, 1, $$new$$)', "$database: a member may create a batch"), '10', "$database: the next batch");
	is(can($database, 'supervisor', 'SELECT recall.add_contact(1, 1, ARRAY[$$+493012345$$])', "$database: a member may add a contact"),
		'361', "$database: the next contact");
	can($database, 'supervisor', 'SELECT recall.recycle(2, 1)', "$database: rights are those of a tenant", '42501');
	can($database, 'supervisor', 'SELECT * FROM recall.contact', "$database: and not on tables", '42501');
	is(can($database, 'desk', 'SELECT recall.record_call(1, 1, $$busy$$, $$callback$$)', "$database: a role that inherits may dial"),
		'3', "$database: the next attempt");
	can($database, 'desk', 'SELECT recall.recycle(1, 1)', "$database: and no more", '42501');
	is(can($database, 'desk', 'SELECT count(*) FROM recall.batch_overview', "$database: and read"), '10', "$database: its own tenant");

	# Claims are held until the owner accepts.
	can($database, 'supervisor', 'SELECT recall.set_calling_hours(1, 1, NULL)', "$database: a member may do without hours");
	$node->safe_psql($database, 'UPDATE recall.dial SET due_at = now() WHERE tenant_id = 1 AND contact_id = 361');
	can($database, 'desk', 'SELECT * FROM recall.claim(1, 1, 1000)', "$database: claims are held", '55000');
	can($database, 'supervisor', 'SELECT recall.accept_history()', "$database: which a member cannot change", '42501');
	is($node->safe_psql($database, 'SELECT count(*) FROM recall.accept_history()'), '3', "$database: the owner accepts");
	is(can($database, 'desk', 'SELECT count(*) FROM recall.claim(1, 1, 1000) WHERE contact_id = 361', "$database: then a member may claim"), '1', "$database: the next claim");
	can($database, 'desk', 'SELECT recall.report(1, 70, 70, NULL, NULL, NULL, NULL)', "$database: the token of a permit that was out is good");

	# Work goes on: what was running and waiting is ended, a new record is made.
	is(can($database, 'supervisor', 'SELECT recall.recycle(1, 1)', "$database: a member may recycle"), '7', "$database: the next record");
	$node->safe_psql($database, 'CALL recall.process()');
	is($node->safe_psql($database, q{
		SELECT recycle_id, state, judged
		FROM recall.recycle r WHERE tenant_id = 1 ORDER BY 1}),
		"1|completed|40\n2|cancelled|0\n3|failed|0\n4|paused|0\n5|completed|40\n6|completed|40\n7|completed|41",
		"$database: process() goes on");
	is($node->safe_psql($database, q{
		SELECT (SELECT max(event_id) FROM recall.event) = (SELECT count(*) FROM recall.event),
			(SELECT count(*) FROM recall.tick), (SELECT max(tick_id) FROM recall.tick)}),
		't|3|3', "$database: events and ticks are numbered on");

	# Numbers that were erased are known again: the key of their hashes was dumped, and another would not do.
	is(can($database, 'supervisor', 'SELECT recall.add_contact(1, 8, ARRAY[$$+493099999002$$, $$+493099999003$$])', "$database: a number that was erased may be added"),
		'362', "$database: with the next id");
	is(can($database, 'supervisor', 'SELECT string_agg(number, $$ $$ ORDER BY number) FROM recall.suppressed_number WHERE tenant_id = 1', "$database: a member sees the do-not-call list"),
		'+493099999001 +493099999002', "$database: it is suppressed again, and one that another tenant erased is not");

	# Outside codes: one's own rows win, the shipped ones are there once.
	is($node->safe_psql($database, q{
		SELECT recall.failure_cause('sip', '486'), recall.failure_cause('sip', '600'), recall.failure_cause('our-switch', 'X1'),
			recall.failure_cause('our-switch', 'OK') IS NULL}),
		'no_answer|busy|congestion|t', "$database: failure causes");

	# Tokens: those of the original are good in no other database, pools get new ones.
	can($database, 'Web pool', "SELECT recall.enter('$token')", "$database: a token of the original", '42501');
	my $new_token = $node->safe_psql($database, q{SELECT recall.issue_token(1, '{read}')});
	is(can($database, 'Web pool', "SELECT recall.enter('$new_token')", "$database: a pool enters"), '1', "$database: with a token of its own");
	$node->safe_psql('postgres', "DROP DATABASE $database");
	return;
}

sub create_database
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	return $database;
}

sub psql_file
{
	my ($database, $file) = @_;

	$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $database, '-f', $file ],
		"$database: restored");
	return;
}

# A plain script.
$node->command_checks_all([ 'pg_dump', '-f', "$folder/plain.sql", 'story' ], 0, [qr/^$/], [qr/^$/], 'pg_dump, plain, without a warning');
psql_file(create_database('plain'), "$folder/plain.sql");
check_restored('plain');

# With INSERT statements, as some tools want them.
$node->command_ok([ 'pg_dump', '--column-inserts', '-f', "$folder/inserts.sql", 'story' ], 'pg_dump, INSERTs');
psql_file(create_database('inserts'), "$folder/inserts.sql");
check_restored('inserts');

# An archive, restored by two jobs.
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/archive", 'story' ], 'pg_dump, an archive');
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', create_database('archive'), "$folder/archive" ], 'pg_restore, two jobs');
check_restored('archive');

# A folder, written and restored by several jobs.
$node->command_ok([ 'pg_dump', '-Fd', '-j3', '-f', "$folder/directory", 'story' ], 'pg_dump, a folder, three jobs');
$node->command_ok([ 'pg_restore', '-e', '-j3', '-d', create_database('directory'), "$folder/directory" ], 'pg_restore, three jobs');
check_restored('directory');

# An archive in one transaction.
$node->command_ok([ 'pg_restore', '-1', '-d', create_database('one_transaction'), "$folder/archive" ], 'pg_restore, one transaction');
check_restored('one_transaction');

# The schema first, the data later.
$node->command_ok([ 'pg_dump', '--schema-only', '-f', "$folder/schema.sql", 'story' ], 'pg_dump, the schema');
$node->command_ok([ 'pg_dump', '--data-only', '-f', "$folder/data.sql", 'story' ], 'pg_dump, the data');
psql_file(create_database('apart'), "$folder/schema.sql");
is($node->safe_psql('apart', 'SELECT count(*) FROM recall.tenant'), '0', 'apart: the schema has no rows');
psql_file('apart', "$folder/data.sql");
check_restored('apart');

# By sections of an archive.
create_database('sections');
$node->command_ok([ 'pg_restore', '-e', "--section=$_", '-d', 'sections', "$folder/archive" ], "pg_restore, $_")
  foreach qw(pre-data data post-data);
check_restored('sections');

# Over a database that has the extension, with other rows, which go.
$node->command_ok([ 'pg_dump', '--clean', '--if-exists', '-f', "$folder/clean.sql", 'story' ], 'pg_dump, --clean');
create_database('cleaned');
$node->safe_psql('cleaned', q{CREATE EXTENSION recall; SELECT recall.create_tenant('old')});
psql_file('cleaned', "$folder/clean.sql");
check_restored('cleaned');

# A dump of a restored database is the same again.
create_database('twice');
psql_file('twice', "$folder/plain.sql");
$node->command_ok([ 'pg_dump', '-f', "$folder/again.sql", 'twice' ], 'pg_dump of what was restored');
my ($first, $again) = map { join("\n", sort grep { !/^(\\(un)?restrict|--|\d{15,}\t)/ } split /\n/, slurp_file("$folder/$_.sql")) } qw(plain again);
ok($first eq $again, 'a dump of a restored database says the same');

# Back into the database that it came from: nothing but the rows themselves tells that what was dialled since is gone.
$node->safe_psql('twice', 'SELECT recall.accept_history()');
is($node->safe_psql('twice', 'SELECT recall._history_is_accepted()'), 't', 'twice: accepted');
$origin = $node->safe_psql('twice', 'SELECT o::text FROM recall.origin o');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/back", 'twice' ], 'pg_dump of what was accepted');
$contents = contents('twice');
$node->command_ok([ 'pg_restore', '-e', '--clean', '-d', 'twice', "$folder/back" ], 'pg_restore over the same database');
check_restored('twice');
$contents = contents('story');
$origin = $node->safe_psql('story', 'SELECT o::text FROM recall.origin o');

# A template is a copy too.
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE story');
check_restored('copied');

$node->stop;
done_testing();
