# A batch larger than the tenant's limit: press after press takes up where the last one was capped, nobody
# twice, nobody left out, nobody starved by those who fail again.
#
# The statistics are those of empty tables all along, as after a bulk load or a restore: what is slow by the
# square of the batch then runs into statement_timeout. bench/presses.sh does the same with 2 000 000 contacts.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('scale');
$node->init;
$node->append_conf('postgresql.conf', <<'END');
autovacuum = off
log_statement = none
statement_timeout = 20s
recall.chunk_size = 3000
END
$node->start;

# Create a database with 40 000 contacts, each called once; 36 000 are to be recalled, at most 10 000 at a time.
sub prepare
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, <<'END');
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('tenant', recycle_limit => 10000);
		SELECT recall.create_task(1, 'task', 'predicted', 'busy, no_answer');
		SELECT recall.create_batch(1, 1, 'batch');
		SELECT recall.start_task(1, 1);
		CREATE TABLE new_contact AS
		SELECT ARRAY['+' || 10000000 + i] AS numbers FROM generate_series(1, 40000) i;
		SELECT recall.add_contacts(1, 1, 'new_contact');
		SELECT recall.start_batch(1, 1);
		CREATE TABLE ended AS
		SELECT contact_id, CASE WHEN contact_id % 10 > 0 THEN 'busy' ELSE 'congestion' END::recall.failure_cause AS failure_cause
		FROM recall.contact;
		SELECT recall.record_calls(1, 'ended');

		-- Who should be taken by a press, numbered in the order of the contacts; and who was.
		CREATE TABLE matching AS
		SELECT contact_id, row_number() OVER (ORDER BY contact_id) - 1 AS nth FROM recall.contact WHERE contact_id % 10 > 0;
		CREATE TABLE taken (press int, contact_id bigint);
END
	return;
}

# Press Recycle, process, note who was taken, and return what the preview said and the record says.
sub press
{
	my ($database, $press) = @_;

	my $preview = $node->safe_psql($database, q{
		SELECT coalesce(sum(contacts) FILTER (WHERE verdict = 'recall'), 0),
			coalesce(sum(contacts) FILTER (WHERE verdict = 'over_cap'), 0), sum(contacts)
		FROM recall.preview(1, 1)});
	$node->safe_psql($database, "SELECT recall.recycle(1, 1)");
	$node->safe_psql($database, "CALL recall.process()");
	$node->safe_psql($database, "
		INSERT INTO taken SELECT $press, contact_id FROM recall.dial WHERE recycle_id = $press");
	my $record = $node->safe_psql($database, "
		SELECT emitted, over_cap, emitted + over_cap + excluded, state, matched
		FROM recall.recycle_record WHERE recycle_id = $press");
	return ($preview, $record);
}

# Redial everybody who has a permit; all of them fail again.
sub redial
{
	my ($database) = @_;

	$node->safe_psql($database, q{
		TRUNCATE ended;
		INSERT INTO ended SELECT contact_id, 'no_answer' FROM recall.dial;
		SELECT recall.record_calls(1, 'ended')});
	return;
}

# Contacts that a press should have taken and has not, or the other way round, given the ranks that it should take.
sub mistaken
{
	my ($database, $press, $ranks) = @_;

	return $node->safe_psql($database, "
		SELECT count(*), min(contact_id), max(contact_id)
		FROM (SELECT contact_id FROM matching WHERE $ranks) m
		FULL JOIN (SELECT contact_id FROM taken WHERE press = $press) t USING (contact_id)
		WHERE m IS NULL OR t IS NULL");
}

# Pressed until nobody is left.
prepare('pressed');
my @emitted = (10000, 10000, 10000, 6000, 0);
my @over_cap = (26000, 16000, 6000, 0, 0);
foreach my $press (1 .. 5)
{
	my ($preview, $record) = press('pressed', $press);
	my $counts = "$emitted[$press - 1]|$over_cap[$press - 1]|40000";

	is($preview, $counts, "pressed: the preview of press $press");
	is($record, "$counts|completed|" . ($emitted[$press - 1] + $over_cap[$press - 1]), "pressed: the record of press $press");
	is(mistaken('pressed', $press, sprintf('nth / 10000 = %d', $press - 1)), '0||', "pressed: press $press goes on where the last ended");
}
is($node->safe_psql('pressed', 'SELECT count(*), count(DISTINCT contact_id) FROM taken'),
	'36000|36000', 'pressed: nobody missing, nobody twice');

# Redialled in between: everybody matches at every press, and has had a turn before anybody has a second.
prepare('redialled');
foreach my $press (1 .. 8)
{
	my ($preview, $record) = press('redialled', $press);
	my $from = ($press - 1) * 10000 % 36000;

	is($preview, '10000|26000|40000', "redialled: the preview of press $press");
	is($record, '10000|26000|40000|completed|36000', "redialled: the record of press $press");
	is(mistaken('redialled', $press, "(nth - $from + 36000) % 36000 < 10000"), '0||',
		"redialled: press $press goes on where the last ended, and round");
	redial('redialled');
	my ($fewest, $most) = (int($press * 10000 / 36000), int(($press * 10000 + 35999) / 36000));
	is($node->safe_psql('redialled', q{
		SELECT min(turns), max(turns) FROM (SELECT count(t.press) AS turns FROM matching m LEFT JOIN taken t USING (contact_id)
			GROUP BY m.contact_id) x}),
		"$fewest|$most", "redialled: after press $press everybody has had $fewest to $most turns");
}
is($node->safe_psql('redialled', 'SELECT sum(emitted), sum(dialled), sum(pending) FROM recall.recycle_record'),
	'80000|80000|0', 'redialled: every permit became a call');
is($node->safe_psql('redialled', q{
	SELECT count(*) FROM (SELECT contact_id, count(*) AS calls, max(attempt) AS last_attempt FROM recall.call GROUP BY 1) k
	LEFT JOIN (SELECT contact_id, count(*) AS turns FROM taken GROUP BY 1) t USING (contact_id)
	WHERE calls <> 1 + coalesce(turns, 0) OR last_attempt <> calls}),
	'0', 'redialled: one call for each turn, numbered without gaps');

# A press that is withdrawn, and a cancelled one in between, do not move the start.
prepare('withdrawn');
press('withdrawn', 1);
is($node->safe_psql('withdrawn', 'SELECT recall.withdraw_recycle(1, 1)'), '10000', 'withdrawn: all of press 1 taken back');
$node->safe_psql('withdrawn', 'SELECT recall.cancel_recycle(1, recall.recycle(1, 1))');
my ($preview, $record) = press('withdrawn', 3);
is($record, '10000|26000|40000|completed|36000', 'withdrawn: the withdrawn are matched again, behind the others');
is(mistaken('withdrawn', 3, 'nth / 10000 = 1'), '0||', 'withdrawn: press 3 goes on where press 1 ended');

# Finishing the batch takes back what is left.
$node->safe_psql('withdrawn', 'SELECT recall.finish_batch(1, 1)');
is($node->safe_psql('withdrawn', 'SELECT count(*) FROM recall.dial'), '0', 'withdrawn: a finished batch has no permits');

is($node->safe_psql($_, 'SELECT * FROM recall.verify()'), '', "$_: every invariant holds") foreach qw(pressed redialled withdrawn);

$node->stop;
done_testing();
