# Copies of a server: a standby that is promoted, with and without synchronous replication, a recovery to a point in
# time, and what is none: a restart after a crash.
#
# Dialers claim and report until the original dies. What a psql has printed was acknowledged: such a claim has rung, such
# a report was made. These logs are what the copies are held against.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $here = 'SELECT recall._history_is_accepted()';
my $history = q{SELECT status FROM recall.health() WHERE check_name = 'history'};

sub create_original
{
	my ($name, $contacts) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1, has_archiving => 1);
	$node->append_conf('postgresql.conf', "log_statement = none\nautovacuum = off\nshared_buffers = 32MB\nrecall.chunk_size = 50\n");
	$node->start;
	$node->safe_psql('postgres', <<"END");
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('tenant');
		SELECT recall.create_task(1, 'task', 'robot', 'busy after 1 day', '24/7');
		SELECT recall.create_batch(1, 1, 'batch'), recall.create_batch(1, 1, 'recycled');
		CREATE TABLE people AS SELECT ARRAY['+4930' || (1000000 + i)] AS numbers FROM generate_series(1, $contacts) i;
		SELECT recall.add_contacts(1, 1, 'people');
		SELECT recall.start_task(1, 1), recall.start_batch(1, 1), recall.start_batch(1, 2);
		CREATE TABLE called AS SELECT recall.add_contact(1, 2, ARRAY['+4940' || (1000000 + i)]) AS contact_id, 'busy'::recall.failure_cause AS failure_cause
		FROM generate_series(1, 1000) i;
		SELECT recall.record_calls(1, 'called');
		CALL recall.process();
END
	return $node;
}

sub create_standby
{
	my ($original, $name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$original->backup($name);
	$node->init_from_backup($original, $name, has_streaming => 1);
	$node->start;
	$original->wait_for_catchup($node);
	return $node;
}

# Start clients that each do a list of statements until the server dies; what they print goes to a file each.
sub start_clients
{
	my ($node, %statements) = @_;
	my @clients;

	foreach my $name (sort keys %statements)
	{
		append_to_file("$folder/$name.sql", join("\n", map { "$_;" } @{ $statements{$name} }) . "\n");
		push @clients, IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$folder/$name.sql" ],
			'<', \undef, '>', "$folder/$name.log", '2>', '/dev/null');
	}
	return @clients;
}

# Dialers that claim and report a call each time, and a scheduler; all until so many reports are acknowledged.
sub dial
{
	my ($node, $prefix, $reports, $meanwhile) = @_;
	my %statements;

	foreach my $dialer (map { "$prefix-dialer$_" } 1 .. 3)
	{
		$statements{$dialer} = [ map {;
			"SELECT 'claimed', contact_id, token FROM recall.claim(1, 1, 1, '1 h', '$dialer')",
			"SELECT 'reported', contact_id, token, recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL) FROM recall.dial WHERE dialer = '$dialer' AND token IS NOT NULL AND contact_id % 5 > 0"
		} 1 .. 2000 ];
	}
	$statements{"$prefix-scheduler"} = [ map {; 'SELECT recall.recycle(1, 2) WHERE NOT EXISTS (SELECT FROM recall.recycle)', 'CALL recall.process()' } 1 .. 500 ];
	my @clients = start_clients($node, %statements);

	$node->poll_query_until('postgres', "SELECT count(*) >= $reports FROM recall.call WHERE batch_id = 1");
	$meanwhile->();
	$_->finish foreach @clients;
	return;
}

# The logs of the dialers as tables of a database: rung and reported.
sub load_logs
{
	my ($node, $prefix) = @_;
	my @lines = map { split /\n/, slurp_file($_) } glob("$folder/$prefix-dialer*.log");

	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS rung, reported; CREATE TABLE rung (contact_id bigint, token bigint); CREATE TABLE reported (contact_id bigint, token bigint);'
		  . "\nCOPY rung FROM stdin (DELIMITER '|');\n" . join('', map { /^claimed\|(\d+\|\d+)$/ ? "$1\n" : () } @lines) . "\\.\n"
		  . "COPY reported FROM stdin (DELIMITER '|');\n" . join('', map { /^reported\|(\d+\|\d+)\|recorded$/ ? "$1\n" : () } @lines) . "\\.\n");
	return;
}

# Of what was acknowledged: claims of which the copy has neither the permit nor the call, and reports of which it has no call.
sub lost
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM rung r WHERE NOT EXISTS (SELECT FROM recall.dial d WHERE d.contact_id = r.contact_id AND d.token = r.token)
				AND NOT EXISTS (SELECT FROM recall.call k WHERE k.batch_id = 1 AND k.contact_id = r.contact_id AND k.token = r.token)),
			(SELECT count(*) FROM reported r WHERE NOT EXISTS (SELECT FROM recall.call k
				WHERE k.batch_id = 1 AND k.contact_id = r.contact_id AND k.token = r.token))});
}

# How many contacts that have rung, and were not reported, the copy would hand out if it were let, and how many others; undone.
sub would_ring
{
	my ($node, $accept) = @_;
	my $out = $node->safe_psql('postgres', "BEGIN; $accept;" . q{
		SELECT count(*) FILTER (WHERE c.contact_id IN (SELECT contact_id FROM rung)), count(*) FILTER (WHERE c.contact_id NOT IN (SELECT contact_id FROM rung))
		FROM recall.claim(1, 1, 10000) c;
		ROLLBACK});

	return split /\|/, (split /\n/, $out)[-1];
}

sub is_held
{
	my ($node, $name) = @_;
	my ($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM recall.claim(1, 1)', extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	like($err, qr/ERROR:  55000: claims are held/, "$name: claims are held");
	is($node->safe_psql('postgres', $history), 'critical', "$name: health() is critical");
	return;
}

# A crash is no copy. There are more contacts than all dialers can come to.
my $original = create_original('original', 15_000);
$original->stop('immediate');
$original->start;
is($original->safe_psql('postgres', $here), 't', 'crash: after it the history is the same');
is($original->safe_psql('postgres', 'SELECT count(*) FROM recall.claim(1, 1, 1)'), '1', 'crash: claims go on');
is($original->safe_psql('postgres', $history), 'ok', 'crash: health() is content');

# Where commits do not wait for the disk, that of a claim does: who was rung is not handed out again.
$original->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\nfull_page_writes = off\n");
$original->restart;
$original->safe_psql('postgres', 'CREATE TABLE mark (attempt int)');
my ($claimed, $marks);
foreach my $attempt (1 .. 5)
{
	# A commit wakes the WAL writer, which then sleeps until there is a page to write: hence one that has just begun.
	$original->safe_psql('postgres', "SELECT FROM recall.claim(1, 1); SELECT pg_switch_wal(); INSERT INTO mark VALUES (0)");
	$original->poll_query_until('postgres', 'SELECT pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn()');
	$claimed = $original->safe_psql('postgres', "SELECT contact_id FROM recall.claim(1, 1, 1, '1 h', 'careless $attempt')");
	$original->safe_psql('postgres', "INSERT INTO mark VALUES ($attempt)");
	$original->stop('immediate');
	$original->start;
	$marks = $original->safe_psql('postgres', "SELECT count(*) FROM mark WHERE attempt = $attempt");
	is($original->safe_psql('postgres', "SELECT contact_id FROM recall.dial WHERE dialer = 'careless $attempt' AND state = 'claimed'"), $claimed,
		'synchronous_commit = off: a crash loses no claim');
	last if $marks == 0;
}
is($marks, '0', 'synchronous_commit = off: but what was committed behind it');
$original->adjust_conf('postgresql.conf', $_, 'on') foreach 'synchronous_commit', 'full_page_writes';
$original->reload;

# A base backup that is recovered to a point in time.
$original->backup('base');
$original->safe_psql('postgres', q{SELECT count(*) FROM recall.claim(1, 1, 5, '1 h', 'before'); SELECT pg_create_restore_point('then')});
my $rung_after = $original->safe_psql('postgres', q{SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.claim(1, 1, 5, '1 h', 'after')});
my $segment = $original->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
$original->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver");
my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($original, 'base', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf', "recovery_target_name = 'then'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is_held($recovered, 'point in time');
is($recovered->safe_psql('postgres', q{SELECT count(*) FROM recall.dial WHERE dialer = 'before'}), '5', 'point in time: what was claimed before is out');
is($recovered->safe_psql('postgres', qq{BEGIN; SELECT recall._note_origin();
	SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.claim(1, 1, 5); ROLLBACK}),
	"\n$rung_after", 'point in time: without the hold it would ring those that were rung after it');
is($recovered->safe_psql('postgres', 'SELECT in_doubt >= 5 FROM recall.review_history()'), 't', 'point in time: they are in doubt');
$recovered->safe_psql('postgres', "SELECT recall.record_call(1, c::bigint, 'busy', NULL) FROM regexp_split_to_table('$rung_after', ' ') c; SELECT recall.accept_history()");
is($recovered->safe_psql('postgres', qq{SELECT count(*) FROM recall.claim(1, 1, 10000) WHERE contact_id::text = ANY (string_to_array('$rung_after', ' '))}), '0',
	'point in time: once they are recorded and the history is accepted, nobody is rung twice');
$recovered->stop('immediate');
$recovered->start;
is($recovered->safe_psql('postgres', $here), 't', 'point in time: what was accepted stays so');
$recovered->stop('immediate');

# A standby that is promoted while dialers claim and report, replicating synchronously: nothing that was acknowledged is lost.
my $standby = create_standby($original, 'synchronous');
is($standby->safe_psql('postgres', $here), 'f', 'standby: it hands out nothing');
is($standby->safe_psql('postgres', $history), 'ok', 'standby: which is no fault');
my $survivor = $standby->background_psql('postgres');
is($survivor->query_safe($here), 'f', 'standby: a session that is there before the promotion');
$original->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$original->reload;
$original->poll_query_until('postgres', q{SELECT sync_state = 'sync' FROM pg_stat_replication});
dial($original, 'synchronous', 300, sub { $original->stop('immediate'); $standby->promote });
is($survivor->query_safe($here), 'f', 'synchronous: a session that lived through the promotion is held');
is_held($standby, 'synchronous');
load_logs($standby, 'synchronous');
is(lost($standby), '0|0', 'synchronous: every claim and report that was acknowledged is there');
cmp_ok($standby->safe_psql('postgres', 'SELECT count(*) FROM reported'), '>=', 250, 'synchronous: of many');
is((would_ring($standby, 'SELECT recall._note_origin()'))[0], '0', 'synchronous: so nobody would be rung twice');
$standby->safe_psql('postgres', q{SELECT recall.report(1, contact_id, token, 'busy', NULL, NULL, NULL) FROM rung});
is($standby->safe_psql('postgres', 'SELECT count(*) FROM rung r WHERE NOT EXISTS (SELECT FROM recall.call k WHERE k.token = r.token)'), '0',
	'synchronous: dialers report the rest of what they have out, also while claims are held');
$standby->safe_psql('postgres', 'CALL recall.process()');
is($standby->safe_psql('postgres', 'SELECT state, judged, emitted FROM recall.recycle'), 'completed|1000|1000', 'synchronous: the processor goes on where it was');
$standby->safe_psql('postgres', 'SELECT recall.accept_history()');
is($standby->safe_psql('postgres', q{
	SELECT count(*) FILTER (WHERE tenant_id = 0 AND kind = 'history' AND detail ? 'origin'), count(*) FILTER (WHERE tenant_id = 1)
	FROM recall.audit WHERE action IN ('accept', 'accept_history') AND role = current_user}), '1|1', 'synchronous: which the audit notes, of the tenant and of none');
is($survivor->query_safe($here), 't', 'synchronous: accepted, for that session too');
cmp_ok($standby->safe_psql('postgres', 'SELECT count(*) FROM recall.claim(1, 1, 10)'), '>', 0, 'synchronous: claims go on');
$survivor->quit;

# Replicating late, as any asynchronous standby may: what the standby has not received is lost.
my $late = create_standby($standby, 'asynchronous');
$late->adjust_conf('postgresql.conf', 'primary_conninfo', "''");
$late->reload;
$late->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver');
my $known = $standby->safe_psql('postgres', 'SELECT count(*) FROM recall.call WHERE batch_id = 1');
dial($standby, 'asynchronous', $known + 150, sub { $standby->stop('immediate'); $late->promote });
is_held($late, 'asynchronous');
load_logs($late, 'asynchronous');
my ($lost_claims, $lost_reports) = split /\|/, lost($late);
cmp_ok($lost_claims, '>=', 100, "asynchronous: $lost_claims claims that were acknowledged are lost");
cmp_ok($lost_reports, '>=', 100, "asynchronous: and $lost_reports reports");
cmp_ok((would_ring($late, 'SELECT recall._note_origin()'))[0], '>=', 100, 'asynchronous: without the hold they would be rung twice');
my ($twice, $others) = would_ring($late, 'SELECT recall.accept_history(clock_timestamp())');
is($twice, '0', 'asynchronous: with rung_until nobody is, even if no call is known');
$late->safe_psql('postgres', q{
	SELECT recall.record_call(1, r.contact_id, 'busy', NULL) FROM rung r
	WHERE NOT EXISTS (SELECT FROM recall.dial d WHERE d.contact_id = r.contact_id AND d.token = r.token)
	AND NOT EXISTS (SELECT FROM recall.call k WHERE k.batch_id = 1 AND k.contact_id = r.contact_id AND k.token = r.token)});
($twice, $others) = would_ring($late, 'SELECT recall.accept_history()');
is($twice, '0', 'asynchronous: nor when the lost calls are recorded from the dialers\' own logs');
cmp_ok($others, '>', 0, 'asynchronous: and the others are');
$late->stop('immediate');

done_testing();
