# What is recalled from real call records: the loaders of doc/demo against naive SQL over the rows of the files.
#
# RECALL_DATA is the folder with the files; without it ../shared/data is taken when it is there. What needs a file is
# skipped when there is none. The made-up sample is judged in the same way and needs no file.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = $ENV{RECALL_DATA} // '../shared/data';
my $node = PostgreSQL::Test::Cluster->new('real_data');

$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION recall');

# Run SQL that must work, and return what it prints.
sub sql
{
	return $node->safe_psql('postgres', shift);
}

# Create a tenant with these business results and a started batch of an executing task; return the tenant.
sub create_tenant
{
	my @results = @_;
	my $tenant = sql(q{SELECT recall.create_tenant('tenant')});

	sql("SELECT recall.create_business_result($tenant, '$_', '$_')") foreach @results;
	sql(qq{SELECT recall.create_task($tenant, 'task', 'predicted');
		SELECT recall.create_batch($tenant, 1, 'batch');
		SELECT recall.start_task($tenant, 1);
		SELECT recall.start_batch($tenant, 1)});
	return $tenant;
}

# Load a source into a tenant's batch, then run more SQL in the same session, where the staging tables are still there.
sub load
{
	my ($tenant, $loader, $file, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\i doc/demo/$loader.sql\n" . ($sql // ''),
		extra_params => [ '-v', "tenant=$tenant", '-v', 'batch=1', '-v', "file=$file" ]);

	return ($out, $err);
}

# Assert that the tenant's contacts and calls are those of the naive table, a row per contact: reference, calls, and the
# cause and result of the last call.
sub is_loaded
{
	my ($name, $tenant, $naive) = @_;
	my $loaded = qq{
		SELECT DISTINCT ON (c.contact_id) c.reference, k.attempt, k.failure_cause::text, k.business_result
		FROM recall.contact c LEFT JOIN recall.call k USING (tenant_id, contact_id)
		WHERE c.tenant_id = $tenant ORDER BY c.contact_id, k.attempt DESC};
	my $expected = "SELECT reference, nullif(calls, 0), last_cause, last_result FROM $naive";

	is(sql("SELECT count(*), count(DISTINCT reference) FROM recall.contact WHERE tenant_id = $tenant"),
		sql("SELECT count(*), count(*) FROM $naive"), "$name: each contact once");
	is(sql("SELECT count(*) FROM recall.call WHERE tenant_id = $tenant"),
		sql("SELECT sum(calls) FROM $naive"), "$name: all calls");
	is(sql("($loaded) EXCEPT ALL ($expected)"), '', "$name: calls and last outcome of each contact, as in the source");
	is(sql("($expected) EXCEPT ALL ($loaded)"), '', "$name: nobody of the source is missing");
	is( sql(qq{
		SELECT count(*) FROM (
			SELECT attempt, started_at, row_number() OVER history AS place, lag(started_at) OVER history AS before
			FROM recall.call WHERE tenant_id = $tenant
			WINDOW history AS (PARTITION BY contact_id ORDER BY attempt)) k
		WHERE attempt <> place OR started_at < before}),
		'0', "$name: attempts are numbered from 1, in the order of their start");
	return;
}

# Assert whom a policy recalls, in the confirmation, by recycling, and in the view redial: those who satisfy the
# naive condition. Return how many. The re-dial rows are taken back again.
sub recalls
{
	my ($name, $tenant, $naive, $policy, $condition) = @_;
	my $expected = sql("SELECT count(*) FROM $naive WHERE $condition");
	my $contacts = sql("SELECT count(*) FROM $naive");

	$name .= ": \"$policy\"";
	is( sql(qq{SELECT sum(contacts) FILTER (WHERE verdict = 'recall'), sum(contacts)
			FROM recall.preview($tenant, 1, '$policy')}),
		"$expected|$contacts", "$name: the confirmation counts $expected, and all contacts in sum");

	sql("SELECT recall.set_policy($tenant, 1, '$policy')");
	my $recycle = sql("SELECT recall.recycle($tenant, 1)");
	sql('CALL recall.process()');
	is( sql(qq{SELECT state, matched, emitted, excluded, over_cap, pending FROM recall.recycle_record
			WHERE tenant_id = $tenant AND recycle_id = $recycle}),
		join('|', 'completed', $expected, $expected, $contacts - $expected, 0, $expected),
		"$name: the record is completed with $expected of them");

	is( sql(qq{SELECT count(*), count(DISTINCT contact_id) FROM recall.redial
			WHERE tenant_id = $tenant AND recycle_id = $recycle AND state = 'ready'}),
		"$expected|$expected", "$name: $expected re-dial rows, each contact once");
	my $redial = qq{
		SELECT c.reference, d.attempt FROM recall.redial d JOIN recall.contact c USING (tenant_id, contact_id)
		WHERE d.tenant_id = $tenant AND d.number = ANY (c.numbers)};
	my $due = "SELECT reference, calls + 1 FROM $naive WHERE $condition";
	is(sql("(($redial) EXCEPT ALL ($due)) UNION ALL (($due) EXCEPT ALL ($redial))"),
		'', "$name: they are the right ones, for their next attempt");

	is(sql("SELECT recall.withdraw_recycle($tenant, $recycle)"), $expected, "$name: and all can be taken back");
	return $expected;
}

# A file of the data, or undefined.
sub data_file
{
	my $file = "$folder/$_[0]";

	return $folder ne '' && -r $file ? $file : undef;
}

my $tenant;

# The call detail records of an Asterisk exchange.
SKIP:
{
	my $file = data_file('asterisk_cdr.csv') or skip "asterisk_cdr.csv is not in RECALL_DATA", 1;

	$tenant = create_tenant();
	my ($out, $err) = load($tenant, 'asterisk', $file, q{
		CREATE TABLE asterisk AS
		SELECT dst AS reference, count(*)::int AS calls,
			(array_agg(disposition ORDER BY calldate DESC, sequence::int DESC))[1] AS disposition,
			NULL::text AS last_cause, NULL::text AS last_result
		FROM csv_row WHERE dst IS NOT NULL AND dst <> '' GROUP BY dst;
		UPDATE asterisk SET last_cause = CASE disposition WHEN 'NO ANSWER' THEN 'no_answer' WHEN 'BUSY' THEN 'busy'
			WHEN 'FAILED' THEN 'unspecified' WHEN 'ANSWERED' THEN NULL ELSE disposition END;
		CREATE TABLE asterisk_raw AS SELECT dst, disposition, calldate, duration FROM csv_row WHERE dst <> '';
	});
	is($err, '', 'asterisk: it loads');
	like($out, qr/168 contacts added, 983 completed calls recorded/, 'asterisk: 983 calls to 168 destinations');
	is_loaded('asterisk', $tenant, 'asterisk');
	is( sql('SELECT disposition, count(*) FROM asterisk GROUP BY 1 ORDER BY 1'),
		"ANSWERED|116\nBUSY|1\nFAILED|13\nNO ANSWER|38", 'asterisk: the last outcomes');
	my $recorded = qq{
		SELECT c.reference, k.raw_code, k.started_at, k.ended_at FROM recall.call k
		JOIN recall.contact c USING (tenant_id, contact_id) WHERE k.tenant_id = $tenant};
	my $raw = q{SELECT dst, disposition, calldate::timestamptz, calldate::timestamptz + (duration || ' s')::interval FROM asterisk_raw};
	is(sql("(($recorded) EXCEPT ALL ($raw)) UNION ALL (($raw) EXCEPT ALL ($recorded))"),
		'', 'asterisk: each call has its times, and its disposition as it was written');
	is(sql(qq{SELECT count(DISTINCT numbers[1]) FROM recall.contact WHERE tenant_id = $tenant AND numbers[1] LIKE '+999%'}),
		'168', 'asterisk: each destination has a stand-in of its own');

	is(recalls('asterisk', $tenant, 'asterisk', 'failed', q{disposition <> 'ANSWERED'}), '52', 'asterisk: which is 52');
	is(recalls('asterisk', $tenant, 'asterisk', 'busy, no_answer', q{disposition IN ('BUSY', 'NO ANSWER')}),
		'39', 'asterisk: which is 39');
}

# The telemarketing campaign of the UCI.
SKIP:
{
	my $file = data_file('bank-additional-full.csv') or skip "bank-additional-full.csv is not in RECALL_DATA", 1;

	$tenant = create_tenant('sold', 'not_sold');
	my ($out, $err) = load($tenant, 'uci', $file, q{
		CREATE TABLE uci AS
		SELECT 'line ' || row_number() OVER (ORDER BY ctid) AS reference, campaign::int AS calls,
			NULL::text AS last_cause, CASE y WHEN 'yes' THEN 'sold' ELSE 'not_sold' END AS last_result,
			duration::int AS duration
		FROM csv_row;
	});
	is($err, '', 'uci: it loads');
	like($out, qr/41188 contacts were called 105754 times, and 4640 of them bought/, 'uci: the campaign');
	like($out, qr/Made up: the causes of the 64566 earlier calls/, 'uci: it says what is made up');
	is_loaded('uci', $tenant, 'uci');
	is(sql(q{SELECT count(*), sum(calls), count(*) FILTER (WHERE last_result = 'sold') FROM uci}),
		'41188|105754|4640', 'uci: the numbers of the file');
	is( sql(qq{SELECT count(*), count(*) FILTER (WHERE raw_code = 'simulated'), count(business_result) FROM recall.call
			WHERE tenant_id = $tenant AND failure_cause IS NOT NULL}),
		'64566|64566|0', 'uci: earlier calls failed, for causes that are marked as simulated');
	is( sql(qq{
		SELECT count(*) FROM recall.call k JOIN recall.contact c USING (tenant_id, contact_id) JOIN uci u USING (reference)
		WHERE k.tenant_id = $tenant AND k.attempt = u.calls AND extract(epoch FROM k.ended_at - k.started_at) <> u.duration}),
		'0', 'uci: the last call took as long as the file says');

	is(recalls('uci', $tenant, 'uci', 'result not_sold', q{last_result = 'not_sold'}), '36548', 'uci: which is 36548');
	is(recalls('uci', $tenant, 'uci', 'result sold; result not_sold never', q{last_result = 'sold'}),
		'4640', 'uci: which is 4640');
	is(recalls('uci', $tenant, 'uci', 'answered', 'true'), '41188', 'uci: which is everybody');
	is(recalls('uci', $tenant, 'uci', 'result not_sold; limit 6', q{last_result = 'not_sold' AND calls < 6}),
		'33349', 'uci: which is 33349');

	# What lower limits would have cost and saved, and when people buy.
	foreach my $limit (3, 5, 6)
	{
		my $policy = "failed; result not_sold; limit $limit";

		is( sql(qq{SELECT sum(calls), sum(made), sum(saved), sum(missed) FILTER (WHERE outcome = 'answered: sold'),
				sum(contacts) FROM recall.simulate($tenant, 1, '$policy')}),
			sql(qq{SELECT sum(calls), sum(least(calls, $limit)), sum(greatest(calls - $limit, 0)),
				count(*) FILTER (WHERE last_result = 'sold' AND calls > $limit), count(*) FROM uci}),
			"uci: simulate() with a limit of $limit saves the calls after it and misses their sales");
		is( sql(qq{SELECT sum(missed), sum(missed) FILTER (WHERE outcome = 'answered: sold')
				FROM recall.simulate_attempts($tenant, 1, '$policy')}),
			sql(qq{SELECT sum(saved), sum(missed) FILTER (WHERE outcome = 'answered: sold')
				FROM recall.simulate($tenant, 1, '$policy')}),
			"uci: so does simulate_attempts()");
	}
	my $sales = sql(qq{SELECT attempt, calls, round(100 * share, 1) FROM recall.simulate_attempts($tenant, 1, 'failed; result not_sold')
		WHERE outcome = 'answered: sold' AND attempt <= 10 ORDER BY attempt});
	is($sales, sql(q{SELECT k, count(*) FILTER (WHERE last_result = 'sold' AND calls = k), round(100.0 * count(*) FILTER (WHERE last_result = 'sold' AND calls = k) / count(*), 1)
		FROM uci, generate_series(1, 10) k WHERE calls >= k GROUP BY k ORDER BY k}), 'uci: the share of sales by attempt');
	is(join(' ', map { (split /\|/)[2] } (split /\n/, $sales)[0 .. 4, 9]), '5.6 5.1 4.4 3.3 2.4 1.1', 'uci: which falls from 5.6 % to 1.1 %');
	is( sql(qq{SELECT sum(missed) FROM recall.simulate($tenant, 1, 'failed; result not_sold')}),
		'0', 'uci: the policy that made them would make them all');
}

# The made-up sample.
{
	my @results = ('sold', 'callback', 'not_interested');

	$tenant = create_tenant(@results);
	my ($out, $err) = load($tenant, 'sample', '', q{
		CREATE TABLE sample AS
		SELECT c.reference, max(cardinality(c.numbers)) AS numbers, count(k.reference)::int AS calls,
			(array_agg(k.failure_cause::text ORDER BY k.started_at DESC))[1] AS last_cause,
			(array_agg(k.business_result ORDER BY k.started_at DESC))[1] AS last_result
		FROM new_contact c LEFT JOIN new_call k USING (reference) GROUP BY c.reference;
	});
	is($err, '', 'sample: it loads');
	like($out, qr/made-up campaign, drawn with the fixed seed '[^']+': 2000 contacts/, 'sample: it says how it was made');
	is_loaded('sample', $tenant, 'sample');
	is(sql('SELECT count(*) > 10 FROM (SELECT DISTINCT last_cause, last_result FROM sample WHERE calls > 0) o'),
		't', 'sample: calls end in many ways');
	is(sql('SELECT count(*) FILTER (WHERE calls = 0) > 0, max(calls) > 1 FROM sample'),
		't|t', 'sample: some contacts were not called yet, some several times');

	is( sql(qq{SELECT count(*) FROM recall.call k JOIN recall.call later USING (tenant_id, contact_id)
			WHERE k.tenant_id = $tenant AND later.attempt > k.attempt
			AND (k.business_result IN ('sold', 'not_interested') OR k.failure_cause = 'unallocated')}),
		'0', 'sample: nobody is called after a conclusive call');

	# A number that is not allocated is not called any more; some have another.
	recalls('sample', $tenant, 'sample', 'failed', q{last_cause <> 'unallocated' OR numbers > 1 AND last_cause IS NOT NULL});
	recalls('sample', $tenant, 'sample', 'busy, no_answer; result callback; result not_interested never',
		q{last_cause IN ('busy', 'no_answer') OR last_result = 'callback'});
	recalls('sample', $tenant, 'sample', 'class network, machine, abandoned',
		q{last_cause IN ('congestion', 'machine', 'abandoned_by_dialer')});
	is( sql(qq{SELECT contacts FROM recall.preview($tenant, 1, 'failed') WHERE verdict = 'new'}),
		sql('SELECT count(*) FROM sample WHERE calls = 0'), 'sample: who was not called yet is not recalled');

	my $again = create_tenant(@results);
	load($again, 'sample', '');
	my $all_calls = 'SELECT contact_id, attempt, failure_cause, business_result, started_at, ended_at, number FROM recall.call';
	is( sql(qq{SELECT count(*) FROM ($all_calls WHERE tenant_id = $tenant EXCEPT ALL $all_calls WHERE tenant_id = $again) d}),
		'0', 'sample: it is the same every time');

	my $without = create_tenant('sold', 'callback');
	(undef, $err) = load($without, 'sample', '');
	like($err, qr/business result "not_interested" does not exist/, 'sample: a result that the tenant has not is an error');
	is( sql(qq{SELECT (SELECT count(*) FROM recall.contact WHERE tenant_id = $without),
			(SELECT count(*) FROM recall.call WHERE tenant_id = $without)}),
		'0|0', 'sample: and nothing has been loaded then');
}

# One's own records: other columns in another order, numbers that can be dialled, no destination, the same second.
{
	my $file = PostgreSQL::Test::Utils::tempdir . '/own cdr.csv';

	append_to_file($file, <<'END');
"sequence","disposition",uniqueid,dst,duration,userfield,billsec,src,calldate
2,BUSY,u2,+4930123456,5,"a, b",0,100,2024-05-02 10:00:00
1,ANSWERED,u1,+4930123456,60,,55,100,2024-05-02 10:00:00
10,NO ANSWER,u3,200,20,,0,100,2024-05-02 11:00:00
9,CONGESTION,u4,200,0,,0,100,2024-05-02 11:00:00
11,ANSWERED,u5,NULL,9,,9,100,2024-05-02 12:00:00
12,ANSWERED,u6,,9,,9,100,2024-05-02 12:00:00
13,WHATEVER,u7,300,0,,0,100,2024-05-01 12:00:00
END
	$tenant = create_tenant();
	my ($out, $err) = load($tenant, 'asterisk', $file);
	is($err, '', 'own records: they load');
	like($out, qr/7 call records: 5 have a destination, and there are 3 destinations\n2 destinations are no E\.164 numbers/,
		'own records: it says what they are');
	is( sql(qq{SELECT c.reference, k.number, k.attempt, k.failure_cause, k.raw_code, k.started_at, k.ended_at - k.started_at
			FROM recall.call k JOIN recall.contact c USING (tenant_id, contact_id)
			WHERE k.tenant_id = $tenant ORDER BY k.contact_id, k.attempt}),
		join("\n",
			'300|+9990000001|1|unspecified|WHATEVER|2024-05-01 12:00:00+00|00:00:00',
			'+4930123456|+4930123456|1||ANSWERED|2024-05-02 10:00:00+00|00:01:00',
			'+4930123456|+4930123456|2|busy|BUSY|2024-05-02 10:00:00+00|00:00:05',
			'200|+9990000003|1|congestion|CONGESTION|2024-05-02 11:00:00+00|00:00:00',
			'200|+9990000003|2|no_answer|NO ANSWER|2024-05-02 11:00:00+00|00:00:20'),
		'own records: numbers are kept, stand-ins given, calls ordered by time and sequence');

	($out, $err) = load($tenant, 'asterisk', $file);
	is($err, '', 'own records: they load again');
	is(sql(qq{SELECT count(*), max(attempt) FROM recall.call WHERE tenant_id = $tenant}),
		'10|2', 'own records: as new contacts, which get the new calls');
}

# The story knows its files by their header, before it does anything.
{
	my $file = PostgreSQL::Test::Utils::tempdir . '/unknown.csv';

	append_to_file($file, "time,caller,callee,result\n");
	local $ENV{DATA} = $file;
	command_fails_like([ 'bash', 'doc/demo/story.sh' ],
		qr/header of "\Q$file\E" is not known.*Asterisk cdr file.*bank-additional-full\.csv/s,
		'story: an unknown header is an error that names the known files');
	$ENV{DATA} = "$file.gone";
	command_fails_like([ 'bash', 'doc/demo/story.sh' ],
		qr/cannot read file "\Q$file\E\.gone"/, 'story: so is a file that is not there');
}

done_testing();
