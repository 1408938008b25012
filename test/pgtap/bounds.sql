-- Sizes: the largest that is allowed passes, one more is refused with a hint, shows nothing of the value, and changes nothing.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch, record FROM t.recycled(20, 'busy') \gset
CREATE TABLE t.out AS SELECT * FROM recall.claim(:acme, :task, 6);
CREATE FUNCTION t.token(contact bigint) RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT o.token FROM t.out o WHERE o.contact_id = contact);
-- The longest texts in a character set of several bytes, so that bytes are not what counts.
CREATE FUNCTION t.long(characters int) RETURNS text LANGUAGE sql IMMUTABLE RETURN repeat('é', characters);
CREATE FUNCTION t.attributes(bytes int) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object('a', repeat('x', bytes - pg_column_size('{"a": ""}'::jsonb) + 4)); -- but for the 4 of its length
SELECT is(pg_column_size(t.attributes(16384)), 16384 + 4, 'the test''s own sizes are right');

-- What is the largest, what is one more; a statement has %s in the place of the value.
CREATE TABLE t.bound (statement text, largest text, larger text, state text, message text, hint text);
INSERT INTO t.bound
SELECT format(b.statement, b.tenant), b.largest, b.larger, b.state, replace(b.message, 'TENANT', b.tenant::text), b.hint
FROM (VALUES
	(:acme, 'SELECT recall.add_contact(%s, 1, ''{+4930123456}'', reference => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the reference of a contact is too long', 'The most is 200 characters.'),
	(:acme, 'SELECT recall.add_contact(%s, 1, ''{+4930123456}'', attributes => %%s)', 't.attributes(16384)', 't.attributes(16385)', '22023',
		'the attributes of a contact are too large', 'The most is 16384 bytes, as jsonb is stored.'),
	(:acme, 'SELECT recall.add_contact(%s, 1, ARRAY(SELECT t.number(900 + i) FROM generate_series(1, %%s) i))', '10', '11', '22023',
		'a contact has 11 numbers', 'Give a plain array of 1 to 10 different numbers, in the order in which to try them.'),
	(:acme, 'SELECT recall.add_contact(%s, 1, ''{+4930123456}'', time_zone => %%s)', '''Europe/Berlin''', 'repeat(''x'', 100000)', '22023',
		'time zone "' || repeat('x', 60) || '..." is not known', 'The names of time zones, such as Europe/Berlin, are listed in pg_timezone_names.'),
	(:acme, 'SELECT recall.record_call(%s, 11, ''busy'', NULL, raw_code => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT recall.record_call(%s, 11, ''busy'', NULL, agent => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT recall.report(%s, 1, t.token(1), ''busy'', NULL, NULL, NULL, raw_code => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT recall.report(%s, 1, t.token(1), ''busy'', NULL, NULL, NULL, agent => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT recall.report_many(%s, ''{1,2}'', ARRAY[t.token(1), t.token(2)], NULL, NULL, NULL, NULL, ARRAY[NULL, %%s])', 't.long(200)', 't.long(201)', '22023',
		'report 2: the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT recall.report_many(%s, ''{1,2}'', ARRAY[t.token(1), t.token(2)], NULL, NULL, NULL, NULL, NULL, ARRAY[%%s, NULL])', 't.long(200)', 't.long(201)', '22023',
		'report 1: the raw code or the agent of a call is too long', 'Each has up to 200 characters.'),
	(:acme, 'SELECT count(*) FROM recall.report_many(%s, array_fill(21::bigint, ARRAY[%%s]), array_fill(0::bigint, ARRAY[%%1$s]), NULL, NULL, NULL, NULL)', '10000', '10001', '22023',
		'10001 reports are too many', 'Report up to 10000 calls at a time.'),
	(:acme, 'SELECT recall.report(%s, 1, t.token(1), NULL, %%s, NULL, NULL)', 'NULL', 'repeat(''x'', 100000)', '22023',
		'business result "' || repeat('x', 50) || '" does not exist in tenant TENANT', 'Business results are added with recall.create_business_result().'),
	(:acme, 'SELECT recall.schedule_callback(%s, 11, now(), agent => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the name of an agent is too long', 'It has up to 200 characters.'),
	(:acme, 'SELECT recall.suppress(%s, ''+4930123456'', reason => %%s)', 't.long(200)', 't.long(201)', '22023',
		'the reason of a suppression is too long', 'A reason has up to 200 characters.'),
	(:acme, 'SELECT recall.suppress(%s, %%s)', '''+123456789012345''', 'repeat(''x'', 100000)', '22P02',
		'invalid number "' || repeat('x', 40) || '..." at character 1', 'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).'),
	(:acme, 'SELECT count(*) FROM recall.claim(%s, 1, dialer => %%s)', 't.long(200)', 't.long(201)', '22023', 'the name of a dialer is too long', 'It has up to 200 characters.'),
	(:acme, 'SELECT count(*) FROM recall.claim(%s, 1, %%s)', '10000', '10001', '22023', 'max_rows 10001 is out of range', 'A claim takes 1 to 10000 permits.'),
	(:acme, 'SELECT count(*) FROM recall.claim(%s, 1, lease => %%s)', '''24:00:00''', '''24:00:00.000001''', '22023', NULL, NULL),
	(:acme, 'SELECT recall.extend(%s, 1, t.token(1), %%s)', '''24:00:00''', '''24:00:00.000001''', '22023', NULL, NULL),
	(:acme, 'SELECT recall.set_holidays(%s, ARRAY(SELECT date ''2000-01-01'' + i FROM generate_series(1, %%s) i))', '10000', '10001', '22023',
		'invalid list of holidays', 'Give up to 10000 dates, none of them null or infinite.'),
	(:acme, 'SELECT recall.next_open(''PH off'', ''UTC'', ''2026-01-01'', ARRAY(SELECT date ''2000-01-01'' + i FROM generate_series(1, %%s + 0 * %s) i))', '10000', '10001', '22023',
		'there are too many holidays', 'Give up to 10000 dates.'),
	(:acme, 'SELECT recall.is_open(''PH off'', ''UTC'', ''2026-01-01'', ARRAY(SELECT date ''2000-01-01'' + i FROM generate_series(1, %%s + 0 * %s) i))', '10000', '10001', '22023',
		'there are too many holidays', 'Give up to 10000 dates.'),
	(:acme, 'SELECT recall.create_business_result(%s, ''x'', %%s)', 't.long(200)', 't.long(201)', '22023', NULL, 'A name has 1 to 200 characters.'),
	(:acme, 'SELECT recall.create_business_result(%s, %%s, ''x'')', 'repeat(''x'', 50)', 'repeat(''x'', 51)', '22023', NULL, 'A code has 1 to 50 letters, digits, "_" and "-".'),
	(:acme, 'SELECT recall.create_task(%s, %%s, ''fixed'')', 't.long(200)', 't.long(201)', '22023', NULL, 'A name has 1 to 200 characters.'),
	(:acme, 'SELECT recall.create_batch(%s, 1, %%s)', 't.long(200)', 't.long(201)', '22023', NULL, 'A name has 1 to 200 characters.'),
	(:acme, 'SELECT recall.create_tenant(%%s) + 0 * %s', 't.long(200)', 't.long(201)', '22023', NULL, 'A name has 1 to 200 characters.'),
	(:acme, 'SELECT recall.set_tenant(%s, obs_url_mode => %%s)', 't.long(50)', 't.long(51)', '22023', NULL, 'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.'),
	(:acme, 'SELECT recall.set_tenant(%s, recycle_limit => %%s)', '2000000', '2000001', '22023', NULL, 'One recycle re-dials 1 to 2000000 contacts.'),
	(:acme, 'SELECT recall.grant_privilege(%s, current_user::regrole, array_fill(''read''::recall.privilege, ARRAY[%%s]))', '100', '101', '22023',
		'too many rights are named', 'Name each once, of: read, manage, recycle, dial.'),
	(:acme, 'SELECT length(recall.failure_cause(%%s, ''486'')::text) + 0 * %s', '''sip''', 'repeat(''x'', 100000)', '22023', 'system "' || repeat('x', 50) || '" has no codes of failure causes', NULL),
	(:acme, 'SELECT length(recall.transition(%%s, ''draft'', ''executing'')) + 0 * %s', '''task''', 'repeat(''x'', 100000)', '22023', 'unknown state machine "' || repeat('x', 60) || '..."', NULL),
	(:acme, 'SELECT length(recall.transition(''task'', ''draft'', %%s)) + 0 * %s', '''executing''', 'repeat(''x'', 100000)', '22023', 'unknown state "' || repeat('x', 60) || '..." of state machine "task"', NULL),
	(:acme, 'SELECT recall.policy(NULL, ARRAY[%%s]), %s', 'repeat(''x'', 50)', 'repeat(''x'', 100000)', '22023', '"' || repeat('x', 60) || '..." is not the code of a business result', 'A code has 1 to 50 letters, digits, "_" and "-".'),
	(:acme, 'SELECT jsonb_build_object(''rules'', ''[]''::jsonb, ''limits'', (SELECT jsonb_agg(jsonb_build_object(''calls'', 1)) FROM generate_series(1, %%s + 0 * %s)))::recall.policy', '16', '100000', '22023',
		'the policy is too large', 'The most is 262144 bytes, as jsonb is stored.'),
	(:acme, 'SELECT jsonb_build_object(%%s, ''[]''::jsonb)::recall.policy, %s', '''rules''', 'repeat(''x'', 100000)', '22P02', 'invalid policy: unknown key "' || repeat('x', 50) || '" in a policy', 'Known keys: rules, limits, quiet.'),
	(:acme, 'SELECT jsonb_build_object(''limits'', jsonb_build_array(jsonb_build_object(''calls'', %%s)))::recall.policy, %s', '1', 'repeat(''x'', 100000)', '22P02', 'invalid policy: wrong value "' || repeat('x', 49) || ' of "calls"', NULL),
	(:acme, 'SELECT jsonb_build_object(''rules'', jsonb_build_array(jsonb_build_object(''results'', jsonb_build_array(%%s))))::recall.policy, %s', '''x''', 'repeat(''x'', 100000)', '22P02', 'invalid policy: wrong member "' || repeat('x', 49) || ' of "results"', NULL)
) AS b(tenant, statement, largest, larger, state, message, hint);

-- Whether a statement passes, of which nothing is to stay.
CREATE FUNCTION t.passes(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZZZZ', MESSAGE = 'it passes';
EXCEPTION
WHEN SQLSTATE 'ZZZZZ' THEN
	RETURN SQLERRM;
WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT is(t.passes(format(b.statement, b.largest)),
	CASE WHEN b.statement LIKE '%report_many%21::%' THEN format('42501: permission denied for report 1: contact 21 of tenant %s', :acme) ELSE 'it passes' END,
	'as large as allowed: ' || format(b.statement, b.largest))
FROM t.bound b;

-- A part of a message or hint that is null here is as it is.
CREATE FUNCTION t.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text := t.fingerprint();
	got text := t.outcome(statement);
BEGIN
	RETURN concat(got, CASE WHEN t.fingerprint() <> before THEN ', and it changed something' END, CASE WHEN length(got) > 500 THEN ', at length' END);
END $$;
SELECT is(r.got, concat_ws(E'\n', b.state || ': ' || coalesce(b.message, substring(r.got FROM '^.....: ([^\n]*)')),
		'HINT: ' || coalesce(b.hint, substring(r.got FROM '\nHINT: (.*)$'))),
	'one too many: ' || format(b.statement, left(b.larger, 40)))
FROM t.bound b CROSS JOIN LATERAL t.refusal(format(b.statement, b.larger)) r(got);

/* What is very long is refused without a look at its characters, which takes long and cannot be cancelled. */

CREATE TABLE t.very_long AS SELECT t.long(10000000) AS text;
CREATE FUNCTION t.quickest(statement text) RETURNS interval LANGUAGE plpgsql AS $$
DECLARE
	given text := (SELECT v.text || '' FROM t.very_long v);
	began timestamptz;
	took interval;
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			began := clock_timestamp();
			EXECUTE statement USING given;
		EXCEPTION WHEN invalid_parameter_value THEN
		END;
		took := least(took, clock_timestamp() - began);
	END LOOP;
	RETURN took;
END $$;
SELECT cmp_ok(t.quickest(format(x.statement, :acme)), '<', t.quickest(x.than), format('%s is quicker than %s', x.statement, x.than)) FROM (VALUES
	('SELECT recall.failure_cause(''sip'', $1)', 'SELECT lower($1)'), ('SELECT recall.failure_cause($1, ''486'')', 'SELECT lower($1)'),
	('SELECT recall.create_business_result(%s, $1, ''x'')', 'SELECT lower($1)'), ('SELECT recall._is_longer($1, 200)', 'SELECT length($1)'),
	('SELECT recall._is_short($1, NULL)', 'SELECT length($1)'), ('SELECT recall._is_short(NULL, $1)', 'SELECT length($1)')) AS x(statement, than);
SELECT is(recall.failure_cause('sip', v.text), 'unspecified', 'a very long code is one that is not known') FROM t.very_long v;
SELECT is(recall.failure_cause('sip', x.code), x.cause, format('a code of %s bytes', octet_length(x.code))) FROM (VALUES (lpad('486', 10000), 'busy'::recall.failure_cause), (lpad('486', 10001), 'unspecified')) AS x(code, cause);

/* Bulk sources: the row is named; and how many rows there may be */

CREATE TABLE t.people AS SELECT ARRAY[t.number(500 + i)] AS numbers, CASE i WHEN 3 THEN t.long(201) ELSE t.long(200) END AS reference,
	t.attributes(16384) AS attributes FROM generate_series(1, 4) i;
SELECT t.refused(format('SELECT recall.add_contacts(%s, 1, ''t.people'')', :acme), '22023', 'row 3: the reference of a contact is too long', 'The most is 200 characters.', 'a reference in a bulk source');
UPDATE t.people SET reference = NULL, attributes = CASE WHEN numbers = ARRAY[t.number(502)] THEN t.attributes(16385) ELSE attributes END;
SELECT t.refused(format('SELECT recall.add_contacts(%s, 1, ''t.people'')', :acme), '22023', 'row 2: the attributes of a contact are too large', 'The most is 16384 bytes, as jsonb is stored.', 'attributes in a bulk source, though they compress well');
UPDATE t.people SET attributes = NULL;
SET LOCAL recall.max_source_rows = 3;
SELECT t.refused(format('SELECT recall.add_contacts(%s, 1, ''t.people'')', :acme), '22023', 'the source has more than 3 rows', 'Divide it, or let a superuser raise the setting recall.max_source_rows.', 'one row too many');
SET LOCAL recall.max_source_rows = 4;
SELECT is(t.passes(format('SELECT recall.add_contacts(%s, 1, ''t.people'')', :acme)), 'it passes', 'not one row too many');
CREATE TABLE t.called AS SELECT i AS contact_id, t.long(CASE i WHEN 13 THEN 201 ELSE 200 END) AS raw_code, t.long(200) AS agent FROM generate_series(11, 14) i;
SELECT t.refused(format('SELECT recall.record_calls(%s, ''t.called'')', :acme), '22023', 'row 3: the raw code or the agent of a call is too long', 'Each has up to 200 characters.', 'a raw code in a bulk source');
UPDATE t.called SET raw_code = NULL, agent = t.long(CASE contact_id WHEN 12 THEN 201 ELSE 200 END);
SELECT t.refused(format('SELECT recall.record_calls(%s, ''t.called'')', :acme), '22023', 'row 2: the raw code or the agent of a call is too long', 'Each has up to 200 characters.', 'an agent in a bulk source');
UPDATE t.called SET agent = NULL;
SET LOCAL recall.max_source_rows = 3;
SELECT t.refused(format('SELECT recall.record_calls(%s, ''t.called'')', :acme), '22023', 'the source has more than 3 rows', 'Divide it, or let a superuser raise the setting recall.max_source_rows.', 'one call too many');
SET LOCAL recall.max_source_rows = 4;
SELECT is(t.passes(format('SELECT recall.record_calls(%s, ''t.called'')', :acme)), 'it passes', 'not one call too many');
RESET recall.max_source_rows;

/* What else is counted */

INSERT INTO recall.business_result SELECT :acme, 'r' || i, 'Result' FROM generate_series(1, 999) i;
SELECT is(t.passes(format('SELECT recall.create_business_result(%s, ''last'', ''Last'')', :acme)), 'it passes', 'the 1000th business result');
INSERT INTO recall.business_result VALUES (:acme, 'last', 'Last');
SELECT t.refused(format('SELECT recall.create_business_result(%s, ''more'', ''More'')', :acme), '22023', format('tenant %s has 1000 business results', :acme), 'That is as many as a tenant can have.', 'the 1001st');

-- A text column of a table that holds what a tenant gives has a bound; whoever adds one says here which.
SELECT bag_eq($$
	SELECT format('%s.%s', c.relname, a.attname)
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
	AND (a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'bytea'::regtype) OR EXISTS (SELECT FROM pg_type t WHERE t.oid = a.atttypid AND t.typcategory = 'A'))$$,
	$$SELECT c.name FROM (VALUES
		('batch.name'), ('business_result.code'), ('business_result.name'), ('call.agent'), ('call.business_result'), ('call.number'), ('call.raw_code'),
		('cause_code.code'), ('cause_code.note'), ('cause_code.system'), -- the owner's
		('contact.attributes'), ('contact.numbers'), ('contact.reference'), ('contact.time_zone'),
		('counter.kind'), ('dial.agent'), ('dial.dialer'), ('dial.number'), ('erased_number.number_hash'), ('erasure_key.key'),
		('event.action'), ('event.detail'), ('event.from_state'), ('event.kind'), ('event.record_id'), ('event.subject'), ('event.to_state'), -- of what is bounded
		('member.rights'), ('recycle.error'), ('recycle.subject'), ('suppression.number'), ('suppression.reason'),
		('task.name'), ('tenant.holidays'), ('tenant.name'), ('tenant.obs_url_mode'), ('tenant.time_zone'), ('token_key.secret')
	) AS c(name)$$, 'each text, document and array that is kept is known to have a bound');

SELECT * FROM finish();
ROLLBACK;
