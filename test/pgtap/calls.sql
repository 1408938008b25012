-- Completed calls that came in from elsewhere, one or many: what is stored, what is used up, and every fault.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch FROM t.campaign(20) \gset
SELECT recall.create_business_result(:acme, 'callback', 'Call me back');
UPDATE recall.contact SET numbers = ARRAY[t.number(n), t.number(n + 500)] FROM generate_series(1, 20) n WHERE tenant_id = :acme AND contact_id = n;
SELECT tenant AS bell, batch AS bell_batch FROM t.campaign(30) \gset

CREATE FUNCTION t.calls_of(tenant int, contact bigint) RETURNS text LANGUAGE sql RETURN (
	SELECT string_agg(format('%s %s %s', attempt, coalesce(failure_cause::text, 'answered'), business_result), ', ' ORDER BY attempt)
	FROM recall.call WHERE tenant_id = tenant AND contact_id = contact);

/* One call */

SELECT is(recall.record_call(:acme, 1, 'busy', NULL), 1, 'the first call of a contact is attempt 1');
SELECT results_eq(format($$SELECT attempt, batch_id, recycle_id, started_at = now(), ended_at = now(), recorded_at >= now(), failure_cause::text, number, business_result, raw_code, agent
	FROM recall.call WHERE tenant_id = %s AND contact_id = 1$$, :acme),
	format($$VALUES (1, %s::bigint, NULL::bigint, true, true, true, 'busy', t.number(1), NULL, NULL, NULL)$$, :batch), 'stored with its defaults: now, the first number');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND contact_id = 1), 0::bigint, 'it uses the ready permit up');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme), 19::bigint, 'and no other');
SELECT is(recall.record_call(:acme, 1, NULL, 'callback', t.number(501), '2026-01-01 10:00+00', '2026-01-01 10:05+00', '486 Busy', 'Ann'), 2, 'the next call is attempt 2, though it began earlier');
SELECT results_eq(format($$SELECT started_at, ended_at, failure_cause::text, number, business_result, raw_code, agent FROM recall.call WHERE tenant_id = %s AND contact_id = 1 AND attempt = 2$$, :acme),
	$$VALUES ('2026-01-01 10:00+00'::timestamptz, '2026-01-01 10:05+00'::timestamptz, NULL, t.number(501), 'callback', '486 Busy', 'Ann')$$, 'stored as it was given');
SELECT recall.record_call(:acme, 2, NULL, NULL, NULL, NULL, '2026-01-01 10:05+00');
SELECT results_eq(format($$SELECT started_at, ended_at FROM recall.call WHERE tenant_id = %s AND contact_id = 2$$, :acme),
	$$VALUES ('2026-01-01 10:05+00'::timestamptz, '2026-01-01 10:05+00'::timestamptz)$$, 'without a start, a call starts when it ends');
SELECT lives_ok(format($$SELECT recall.record_call(%s, 3, NULL, NULL, started_at => now(), ended_at => now() + interval '5 min')$$, :acme), 'five minutes ahead is within the clocks'' difference');

SELECT t.refused(format('SELECT recall.record_call(%s, %s)', :acme, x.rest), '22023', x.message, x.hint, x.what) FROM (VALUES
	($$4, NULL, 'calback'$$, format('business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a misspelt result names the nearest'),
	($$4, NULL, ''$$, format('business result "" does not exist in tenant %s', :acme), 'Business results are added with recall.create_business_result().', 'an empty result is none of the tenant''s'),
	($$4, NULL, NULL, t.number(5)$$, format('number "%s" is not one of contact 4', recall._mask_number(t.number(5))), 'A call is made to one of the numbers of its contact.', 'another contact''s number'),
	($$4, NULL, NULL, '+49'$$, 'number "+49" is not one of contact 4', 'A call is made to one of the numbers of its contact.', 'what is no number at all'),
	($$4, NULL, NULL, NULL, '2026-01-02 00:00+00', '2026-01-01 00:00+00'$$, 'a call cannot last from 2026-01-02 00:00:00+00 to 2026-01-01 00:00:00+00',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'an end before the start'),
	($$4, NULL, NULL, NULL, '-infinity', '2026-01-01 00:00+00'$$, 'a call cannot last from -infinity to 2026-01-01 00:00:00+00',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'a start before all time'),
	($$4, NULL, NULL, NULL, '1969-12-31 23:59+00', '2026-01-01 00:00+00'$$, 'a call cannot last from 1969-12-31 23:59:00+00 to 2026-01-01 00:00:00+00',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'a start before 1970'),
	($$4, NULL, NULL, NULL, '2026-01-01 00:00+00', 'infinity'$$, 'a call cannot last from 2026-01-01 00:00:00+00 to infinity',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'an end that never comes')
) AS x(rest, message, hint, what);
SELECT matches(t.outcome(format($$SELECT recall.record_call(%s, 4, NULL, NULL, ended_at => now() + interval '5 min 1 s')$$, :acme)), '^22023: a call cannot last from ', 'an end more than five minutes ahead');
SELECT matches(t.outcome(format($$SELECT recall.record_call(%s, 4, NULL, NULL, started_at => now() + interval '1 s', ended_at => now())$$, :acme)), '^22023: a call cannot last from ', 'a start after now without an end');
SELECT t.refused(format('SELECT recall.record_call(%s, %s, NULL, NULL)', :acme, coalesce(x.contact, 'NULL')), '42501',
	format('permission denied for contact %s of tenant %s', coalesce(x.contact, 'null'), :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', x.what)
FROM (VALUES ('25', 'another tenant''s contact'), ('0', 'contact 0'), ('-1', 'contact -1'), ('9223372036854775807', 'the last contact there could be'), (NULL, 'no contact')) AS x(contact, what);

UPDATE recall.dial SET state = 'claimed', token = contact_id, claimed_at = now(), lease_until = 'infinity' WHERE tenant_id = :acme AND contact_id = 5;
UPDATE recall.dial SET state = 'unknown', token = contact_id, claimed_at = now(), lease_until = now() WHERE tenant_id = :acme AND contact_id = 6;
SELECT t.refused(format('SELECT recall.record_call(%s, %s, NULL, NULL)', :acme, x.contact), '55000', format('contact %s is out with a dialer', x.contact),
	'Its call must be reported, or its unknown outcome settled, first.', x.what)
FROM (VALUES (5, 'a contact that a dialer has claimed'), (6, 'a contact whose call is unknown')) AS x(contact, what);
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme), 17::bigint, 'no refusal has used a permit up');

/* Many calls */

SELECT count(*) AS calls_before FROM recall.call \gset
CREATE TEMPORARY TABLE source (agent text, started_at timestamptz, ended_at timestamptz, contact_id bigint, failure_cause recall.failure_cause, number text, business_result text, raw_code text);
INSERT INTO source VALUES
	('c', '2026-01-03 10:00+00', '2026-01-03 10:00+00', 8, 'no_answer', NULL, NULL, 'third'),
	('a', '2026-01-01 10:00+00', '2026-01-01 10:00+00', 8, 'busy', t.number(508), NULL, 'first'),
	('b', '2026-01-01 10:00+00', '2026-01-02 10:00+00', 8, NULL, NULL, 'callback', 'second'),
	(NULL, NULL, NULL, 7, 'busy', NULL, NULL, NULL),
	('d', NULL, '2026-01-01 10:00+00', 1, NULL, NULL, NULL, NULL);
SELECT is(recall.record_calls(:acme, 'source'), 5::bigint, 'record_calls() returns how many it appended');
SELECT is(t.calls_of(:acme, 8), '1 busy , 2 answered callback, 3 no_answer ', 'attempts are numbered by start, then by the order in the source');
SELECT is(t.calls_of(:acme, 1), '1 busy , 2 answered callback, 3 answered ', 'and go on behind the calls on record');
SELECT results_eq(format($$SELECT number, started_at, ended_at, raw_code, agent FROM recall.call WHERE tenant_id = %s AND contact_id = 8 AND attempt = 1$$, :acme),
	$$VALUES (t.number(508), '2026-01-01 10:00+00'::timestamptz, '2026-01-01 10:00+00'::timestamptz, 'first', 'a')$$, 'stored as they were given');
SELECT results_eq(format($$SELECT number, started_at = now(), ended_at = now() FROM recall.call WHERE tenant_id = %s AND contact_id = 7$$, :acme), $$VALUES (t.number(7), true, true)$$, 'with the same defaults as a single one');
SELECT is((SELECT count(*) FROM recall.call), :calls_before + 5::bigint, 'nothing else was appended');
SELECT is((SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = :acme AND contact_id < 10), '4 5 6 9', 'their permits are used up, others are not');
TRUNCATE source;
SELECT is(recall.record_calls(:acme, 'source'), 0::bigint, 'an empty source appends nothing');
SELECT t.refused(format('SELECT recall.record_calls(%s, %s)', :acme, x), '22023', 'there is no source',
	'Name a table or view; to_regclass() gives null for one that does not exist.', 'no source: ' || x) FROM unnest(ARRAY['NULL', $$to_regclass('missing_table')$$]) x;

-- Each fault in row 3 of 5, where row 4 has another: the first one is named, and nothing is appended or used up.
CREATE FUNCTION t.with_fault(change text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE source;
	INSERT INTO source (contact_id, failure_cause, started_at, ended_at, agent)
	SELECT 9 + n, 'busy', '2026-01-01 10:00+00', '2026-01-01 10:01+00', 'row ' || n FROM generate_series(1, 5) n;
	EXECUTE format('UPDATE source SET %s WHERE agent = %L', change, 'row 3');
	-- An updated row stands last in the table: put the others behind it again.
	WITH moved AS (DELETE FROM source WHERE agent IN ('row 4', 'row 5') RETURNING *)
	INSERT INTO source SELECT m.* FROM moved m ORDER BY m.agent;
	UPDATE source SET business_result = 'bad too' WHERE agent = 'row 5';
END $$;
CREATE FUNCTION t.refuses_fault(tenant int, change text, state text, message text, hint text, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.with_fault(change);
	RETURN t.refused(format('SELECT recall.record_calls(%s, %L)', tenant, 'source'), state, message, hint, what);
END $$;
SELECT t.refuses_fault(:acme, x.change, x.state, x.message, x.hint, x.what) FROM (VALUES
	('contact_id = 25', '42501', format('permission denied for row 3: contact 25 of tenant %s', :acme),
		'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'a row with another tenant''s contact'),
	('contact_id = NULL', '42501', format('permission denied for row 3: contact null of tenant %s', :acme),
		'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'a row without a contact'),
	('contact_id = 5', '55000', 'row 3: contact 5 is out with a dialer', 'Its call must be reported, or its unknown outcome settled, first.', 'a row with a claimed contact'),
	('contact_id = 6', '55000', 'row 3: contact 6 is out with a dialer', 'Its call must be reported, or its unknown outcome settled, first.', 'a row with a contact whose call is unknown'),
	('business_result = ''calback''', '22023', format('row 3: business result "calback" does not exist in tenant %s', :acme), 'Perhaps you meant "callback".', 'a row with a misspelt result'),
	('number = ''+4930''', '22023', 'row 3: number "+4930" is not one of contact 12', 'A call is made to one of the numbers of its contact.', 'a row with another number'),
	('ended_at = ''2026-01-01 09:00+00''', '22023', 'row 3: a call cannot last from 2026-01-01 10:00:00+00 to 2026-01-01 09:00:00+00',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'a row with times out of order'),
	('ended_at = ''infinity''', '22023', 'row 3: a call cannot last from 2026-01-01 10:00:00+00 to infinity',
		'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.', 'a row with an infinite time')
) AS x(change, state, message, hint, what);
SELECT t.with_fault('agent = agent');
SELECT t.refused(format('SELECT recall.record_calls(%s, %L)', :acme, 'source'), '22023', format('row 5: business result "bad too" does not exist in tenant %s', :acme),
	'Business results are added with recall.create_business_result().', 'without the fault in row 3, that in row 5 is named');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND contact_id BETWEEN 10 AND 14), 5::bigint, 'and no permit was used up');

CREATE TEMPORARY TABLE without_contact AS SELECT 'busy'::recall.failure_cause AS failure_cause;
SELECT t.refused(format('SELECT recall.record_calls(%s, %L)', :acme, 'without_contact'), '22023', '"without_contact" has no column "contact_id"',
	'Columns are found by their names; a view can give them others.', 'a source without the column contact_id');
CREATE TEMPORARY TABLE with_words AS SELECT 10 AS contact_id, 'busy'::text AS failure_cause, '2026-01-01 10:00+00'::text AS started_at, '2026-01-01 10:01+00' AS ended_at;
SELECT is(recall.record_calls(:acme, 'with_words'), 1::bigint, 'a source may hold its values as text');
UPDATE with_words SET failure_cause = 'buzy';
SELECT matches(t.outcome(format('SELECT recall.record_calls(%s, %L)', :acme, 'with_words')), '^22P02: row 1: .*"buzy"', 'words that are no failure cause are refused, with the row');
CREATE FUNCTION t.context(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN context;
END $$;
SELECT is(t.context(format('SELECT recall.record_calls(%s, %L)', :acme, 'with_words')), '', 'and no query of recall''s own');

-- In more than one batch at once.
SELECT recall.create_batch(:acme, :task, 'Second') AS second \gset
SELECT recall.add_contact(:acme, :second, '{+49301234567}') AS elsewhere \gset
TRUNCATE source;
INSERT INTO source (contact_id) VALUES (:elsewhere), (11), (:elsewhere);
SELECT is(recall.record_calls(:acme, 'source'), 3::bigint, 'a source may have calls of several batches');
SELECT results_eq(format('SELECT contact_id, batch_id, attempt FROM recall.call WHERE tenant_id = %s AND contact_id IN (11, %s) ORDER BY 1, 3', :acme, :elsewhere),
	format('VALUES (11::bigint, %1$s::bigint, 1), (%2$s, %3$s, 1), (%2$s, %3$s, 2)', :batch, :elsewhere, :second), 'each is stored with its contact''s batch');

/* What became of a recycle record's re-dial rows */

CREATE FUNCTION t.tally(tenant int, record bigint) RETURNS text LANGUAGE sql RETURN (
	SELECT format('emitted %s, withdrawn %s, dialled %s, reached %s, pending %s', emitted, withdrawn, dialled, reached, pending)
	FROM recall.recycle_record WHERE tenant_id = tenant AND recycle_id = record);
SELECT t.call_all(:bell, 1, 10, 'busy');
SELECT recall.recycle(:bell, :bell_batch) AS record \gset
SELECT t.tick();
SELECT is(t.tally(:bell, :record), 'emitted 10, withdrawn 0, dialled 0, reached 0, pending 10', 'at first all re-dial rows are pending');
SELECT recall.record_call(:bell, 1, 'busy', NULL);
SELECT recall.record_call(:bell, 2, NULL, NULL);
SELECT is(t.tally(:bell, :record), 'emitted 10, withdrawn 0, dialled 2, reached 1, pending 8', 'a call counts as dialled, an answered one as reached');
SELECT is((SELECT array_agg(recycle_id ORDER BY contact_id) FROM recall.call WHERE tenant_id = :bell AND attempt = 2), ARRAY[:record, :record]::bigint[], 'and names the record it came from');
SELECT recall.record_call(:bell, 2, NULL, NULL);
SELECT recall.record_call(:bell, 11, NULL, NULL);
SELECT is(t.tally(:bell, :record), 'emitted 10, withdrawn 0, dialled 2, reached 1, pending 8', 'a call without the record''s permit counts nowhere');
TRUNCATE source;
INSERT INTO source (contact_id, failure_cause, started_at, ended_at) VALUES
	(3, NULL, '2026-01-01 10:00+00', '2026-01-01 10:01+00'), (3, 'busy', '2026-01-02 10:00+00', '2026-01-02 10:01+00'),
	(4, 'busy', '2026-01-01 10:00+00', '2026-01-01 10:01+00'), (12, NULL, NULL, NULL);
SELECT recall.record_calls(:bell, 'source');
SELECT is(t.tally(:bell, :record), 'emitted 10, withdrawn 0, dialled 4, reached 2, pending 6', 'in bulk, a contact''s first call uses the permit and is counted');
SELECT is((SELECT array_agg(recycle_id ORDER BY attempt) FROM recall.call WHERE tenant_id = :bell AND contact_id = 3), ARRAY[NULL, :record, NULL]::bigint[], 'and that one names the record');
SELECT is(recall.withdraw_recycle(:bell, :record), 6::bigint, 'what is pending can be withdrawn');
SELECT is(t.tally(:bell, :record), 'emitted 10, withdrawn 6, dialled 4, reached 2, pending 0', 'and then nothing is');

/* completed_call is how people read them */
SELECT results_eq(format('SELECT outcome, result_name, duration FROM recall.completed_call WHERE tenant_id = %s AND contact_id = 8 ORDER BY attempt', :acme),
	$$VALUES ('busy', NULL, interval '0'), ('answered: callback', 'Call me back', interval '1 day'), ('no_answer', NULL, '0')$$, 'completed_call tells the outcome in words');

/* Of a tenant that the planner does not know of yet, contacts are looked up by their key: by the batch it would read all of them for each row */

SELECT tenant AS known FROM t.campaign(3000) \gset
ANALYZE recall.contact, recall.dial;
SELECT tenant AS fresh FROM t.campaign(10) \gset
TRUNCATE source;
INSERT INTO source (contact_id) SELECT generate_series(1, 10);
CREATE FUNCTION t.plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
END $$;
SELECT is_empty(format($$SELECT p FROM t.plan('SELECT * FROM recall._source_calls(%s, ''source'', now())') p WHERE p ~ 'contact_by_batch'$$, :fresh), 'not by the batch');
SELECT current_setting('server_version_num')::int < 180000 AS goes_by_batch \gset
\if :goes_by_batch
SELECT isnt_empty(format($$SELECT p FROM t.plan('SELECT (SELECT i.batch_id FROM recall.contact i WHERE i.tenant_id = %s AND i.contact_id = s.contact_id) FROM source s') p WHERE p ~ 'contact_by_batch'$$, :fresh),
	'which it would do by itself');
\else
SELECT skip('PostgreSQL 18 and later go another way by themselves', 1);
\endif
SELECT is(recall.record_calls(:fresh, 'source'), 10::bigint, 'and all are found');
SELECT is(recall._contact(:fresh, 10), (SELECT c FROM recall.contact c WHERE c.tenant_id = :fresh AND c.contact_id = 10), 'a contact by its key is the row');
SELECT is(recall._contact(:fresh, 11), NULL, 'or null');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
