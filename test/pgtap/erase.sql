-- Erasing a person: what goes, what stays, and that the number is not rung again.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();

SELECT is(recall._number_hash(x.key, x.said), x.hash, 'HMAC-SHA-256, by the examples of RFC 4231') FROM (VALUES
	('Jefe'::bytea, 'what do ya want for nothing?', '\x5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'::bytea),
	(decode(repeat('0b', 20), 'hex'), 'Hi There', '\xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'::bytea),
	(decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First', '\x60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'::bytea)) AS x(key, said, hash);
SELECT isnt(recall._new_key(), recall._new_key(), 'keys are random');

/*
 * Contact 1 is the person: numbers 1 and 11. Contact 2 has number 1, too, and number 12. Contact 3 has number 11 only, 4
 * nothing of theirs, but mentions them. Contact 5 is called again by a recycle, as is 1.
 */
CREATE TEMPORARY TABLE people_of (tenant int, task bigint, batch bigint, other bigint, record bigint);
CREATE FUNCTION t.furnish(name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	c people_of;
BEGIN
	c.tenant := recall.create_tenant(name);
	PERFORM recall.create_business_result(c.tenant, 'sold', 'Sold');
	c.task := recall.create_task(c.tenant, 'Winter', 'predicted', 'busy');
	c.batch := recall.create_batch(c.tenant, c.task, 'First');
	c.other := recall.create_batch(c.tenant, c.task, 'Second');
	PERFORM recall.start_task(c.tenant, c.task), recall.start_batch(c.tenant, c.batch), recall.start_batch(c.tenant, c.other);
	PERFORM recall.add_contact(c.tenant, c.batch, ARRAY[t.number(1), t.number(11)], reference => 'Mrs One', attributes => '{"name": "One"}');
	PERFORM recall.add_contact(c.tenant, c.other, ARRAY[t.number(12), t.number(1)]);
	PERFORM recall.add_contact(c.tenant, c.batch, ARRAY[t.number(11)]);
	PERFORM recall.add_contact(c.tenant, c.other, ARRAY[t.number(4)], reference => 'see ' || t.number(1) || ', x' || substr(t.number(11), 2) || '.',
		attributes => jsonb_build_object('of', t.number(1), 'n', substr(t.number(1), 2)::bigint, t.number(11), ARRAY['5' || substr(t.number(1), 2), 'kept']));
	PERFORM recall.add_contact(c.tenant, c.batch, ARRAY[t.number(5)]);
	PERFORM recall.record_call(c.tenant, i, 'busy', NULL, raw_code => 'SIP 486', agent => 'desk') FROM unnest(ARRAY[1, 1, 2, 5]) i;
	PERFORM recall.record_call(c.tenant, 4, 'busy', NULL, raw_code => 'moved to sip:' || substr(t.number(1), 2) || '@gw');
	c.record := recall.recycle(c.tenant, c.batch);
	PERFORM t.tick();
	PERFORM recall.schedule_callback(c.tenant, 2, now() + interval '1 h', agent => 'desk');
	PERFORM recall.suppress(c.tenant, t.number(1), now() + interval '1 day', 'asked ' || t.number(1));
	PERFORM recall.suppress(c.tenant, t.number(1), reason => 'this one', task_id => c.task);
	PERFORM recall.suppress(c.tenant, t.number(20), reason => 'said so, like ' || t.number(1) || ', +49 (0)30 100 00-01');
	INSERT INTO people_of VALUES (c.*);
	RETURN c.tenant;
END $$;
SELECT t.furnish('Acme') AS acme \gset
SELECT t.furnish('Bell') AS bell \gset
SELECT task, batch, other, record FROM people_of WHERE tenant = :acme \gset

-- In how many rows of each table a number stands, in any form; of a tenant.
CREATE FUNCTION t.traces(tenant int, VARIADIC numbers int[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	SELECT coalesce(string_agg(format('%s %s', c.relname, x.rows), ', ' ORDER BY c.relname), 'none') INTO found
	FROM pg_class c
	CROSS JOIN LATERAL (SELECT (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s x WHERE x::text ~ %L AND (to_jsonb(x)->>''tenant_id'')::int IS NOT DISTINCT FROM %s',
		c.oid::regclass, '(?<![0-9])(' || (SELECT string_agg(substr(t.number(n), 2), '|') FROM unnest(numbers) n) || ')(?![0-9])', tenant), false, true, '')))[1]::text::int AS rows) x
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'r' AND x.rows > 0;
	RETURN found;
END $$;
SELECT is(t.traces(:acme, 1, 12), 'call 4, contact 3, dial 2, event 3, suppression 3', 'where the number stands before');
SELECT is((SELECT count(*) FROM recall.erasure_key), 0::bigint, 'nobody has a key before it is needed');

SELECT set_eq(format('SELECT * FROM recall.erase_number(%s, %L)', :acme, t.number(1)),
	$$VALUES ('contacts', 2::bigint), ('calls', 3), ('permits', 2), ('suppressions', 2), ('events', 3), ('mentions', 4)$$, 'what was erased is counted');
SELECT is(t.traces(:acme, 1, 12), 'none', 'it stands nowhere any more, nor does another number of its contacts');
SELECT is(t.traces(:acme, 11), 'contact 1, dial 1, event 1, suppression 1', 'one that another contact has stands there, and is suppressed');
SELECT is(t.traces(:bell, 1, 12), 'call 4, contact 3, dial 2, event 3, suppression 3', 'of another tenant nothing goes');
SELECT results_eq(format('SELECT contact_id FROM recall.contact WHERE tenant_id = %s ORDER BY 1', :acme), 'VALUES (3::bigint), (4), (5)', 'the others stay');
SELECT is(t.calls(:acme), '4.1 busy, 5.1 busy', 'with their calls');
SELECT is((c.reference, c.attributes)::text, '("see 0, x0.","{""0"": [""54930' || 1000001 || '"", ""kept""], ""n"": 0, ""of"": ""0""}")', 'who mentioned it does not, and says all else as before')
FROM recall.contact c WHERE c.tenant_id = :acme AND c.contact_id = 4;
SELECT is(k.raw_code, 'moved to sip:0@gw', 'nor does an outside code') FROM recall.call k WHERE k.tenant_id = :acme AND k.contact_id = 4;
SELECT is(s.reason, 'said so, like 0, 0', 'nor the reason of another suppression') FROM recall.suppression s WHERE s.tenant_id = :acme AND s.number = t.number(20);
SELECT is(t.record(:acme, :record), '2 emitted, 1 withdrawn, 0 dialled, 0 reached, 1 pending', 'the recycle record counts what waited as withdrawn');

SELECT set_eq(format($$SELECT kind, record_id, action, detail - 'until' FROM recall.audit WHERE tenant_id = %s AND kind IN ('contact', 'number', 'suppression')$$, :acme),
	format($$VALUES ('contact', '2', 'schedule_callback', '{"erased": true}'::jsonb),
	('contact', '1', 'take_out', '{"reason": "the contact was erased", "recycle_id": %s}'), ('contact', '2', 'take_out', '{"reason": "the contact was erased"}'),
	('suppression', 'erased', 'suppress', '{"erased": true}'), ('suppression', 'erased', 'suppress', '{"erased": true, "task_id": %s}'),
	('suppression', %L, 'suppress', '{"erased": true}'), ('suppression', %L, 'suppress', '{"reason": "erased before"}'),
	('number', 'erased', 'erase', '{"contacts": 2, "calls": 3, "permits": 2, "suppressions": 2, "events": 3, "mentions": 4}')$$, :record, :task, t.number(20), t.number(11)),
	'the audit says what happened, and not to whom');

/* What is left */

SELECT is(count(*), 3::bigint, 'a hash of each of the contacts'' numbers') FROM recall.erased_number e WHERE e.tenant_id = :acme;
SELECT is(recall._erased_numbers(:acme, ARRAY[t.number(1), t.number(4), t.number(11), t.number(12)]), ARRAY[t.number(1), t.number(11), t.number(12)], 'by which it is known again');
SELECT is(recall._erased_numbers(:bell, ARRAY[t.number(1)]), '{}', 'not in another tenant');
SELECT count(*) FROM recall.erase_number(:bell, t.number(1));
SELECT is(count(*), 0::bigint, 'and two tenants'' hashes of a number have nothing in common') FROM recall.erased_number a JOIN recall.erased_number b USING (number_hash) WHERE a.tenant_id <> b.tenant_id;
SELECT results_eq(format('SELECT * FROM recall.erase_number(%s, %L)', :acme, t.number(1)),
	$$VALUES ('contacts', 0::bigint), ('calls', 0), ('permits', 0), ('suppressions', 0), ('events', 0), ('mentions', 0)$$, 'once more finds nothing');
SELECT is(count(*), 3::bigint, 'and leaves no further hash') FROM recall.erased_number e WHERE e.tenant_id = :acme;
SELECT is((SELECT erased FROM recall.erase_number(:acme, t.number(99)) e WHERE what = 'contacts'), 0::bigint, 'a number that nobody has may be erased ahead');
SELECT is(recall._erased_numbers(:acme, ARRAY[t.number(99)]), ARRAY[t.number(99)], 'and is known then');

/* It is not rung again. */

SELECT is(t.outcome(format($$SELECT string_agg(k.contact_id::text, ' ') FROM recall.claim(%s, %s, 100) k$$, :acme, :task)), '5', 'who has the person''s other number is not called');
SELECT is(t.taken_out(:acme), '1 the contact was erased, 2 the contact was erased, 3 every number that is left is suppressed', 'but taken out');
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(1)]) AS again \gset
SELECT is((s.until, s.reason, s.task_id)::text, '(infinity,"erased before",)', 'added again, the number is suppressed for good') FROM recall.suppression s WHERE s.tenant_id = :acme AND s.number = t.number(1);
SELECT is(t.claimed(:acme, :task), 'none', 'and not handed out');
SELECT is((SELECT e.passed FROM recall.explain(:acme, :again) e WHERE e.check_name = 'suppression'), false, 'which explain() says');
CREATE TEMPORARY TABLE more AS SELECT ARRAY[t.number(n), t.number(1000 + n)] AS numbers FROM unnest('{12,99,13,14}'::int[]) n;
SELECT recall.add_contacts(:acme, :batch, 'more');
SELECT set_eq(format($$SELECT number FROM recall.suppression WHERE tenant_id = %s AND reason = 'erased before'$$, :acme),
	ARRAY[t.number(1), t.number(11), t.number(12), t.number(99)], 'in bulk likewise, and no other number');
SELECT set_eq(format($$SELECT number FROM recall.claim(%s, %s, 100)$$, :acme, :task), ARRAY[t.number(1012), t.number(1099), t.number(13), t.number(14)], 'a contact''s other numbers are called');
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(1)]);
SELECT is((SELECT count(*) FROM recall.audit a WHERE a.tenant_id = :acme AND a.record_id = t.number(1)), 1::bigint, 'it is noted once');

-- suppress() does not shorten that, whatever reason is given.
CREATE FUNCTION t.not_shortened(tenant int, n int, what text) RETURNS text LANGUAGE sql
RETURN t.refused(format('SELECT recall.suppress(%s, %L, now() + interval ''1 h'')', tenant, t.number(n)), '55000', format('number "%s" was erased, and is suppressed for good', recall._mask_number(t.number(n))),
	'recall.unsuppress() takes it off the list; then it may be suppressed for a time.', what);
SELECT t.not_shortened(:acme, 12, 'a suppression that an erasure has made is not shortened');
SELECT recall.suppress(:acme, t.number(12), reason => 'asked again');
SELECT recall.suppress(:acme, t.number(12), '2999-01-01', 'for the task', :task);
SELECT t.not_shortened(:acme, 12, 'nor when somebody has put it on the list for good once more');
SELECT is(string_agg(concat_ws(' ', date_part('year', s.until), s.reason), ', ' ORDER BY s.task_id), '2999 for the task, Infinity asked again', 'which is fine, and so is a task''s list')
FROM recall.suppression s WHERE s.tenant_id = :acme AND s.number = t.number(12);
SELECT count(*) FROM recall.erase_number(:acme, t.number(3000));
SELECT t.not_shortened(:acme, 3000, 'nor when the number stands nowhere in plain');
CREATE ROLE t_dial;
SELECT recall.grant_privilege(:acme, 't_dial', '{dial}');
CREATE FUNCTION t.hour_by_dialer(tenant int) RETURNS text LANGUAGE sql RETURN t.outcome(format('SELECT recall.suppress(%s, %L, now() + interval ''1 h'')', tenant, t.number(3000)), 't_dial');
SELECT is(t.hour_by_dialer(:acme), '', 'who only dials is not told that a number was erased');
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(3000)]);
SELECT is(s.until, 'infinity', 'what was said then does not outlive the next addition') FROM recall.suppression s WHERE s.tenant_id = :acme AND s.number = t.number(3000);
SELECT matches(t.hour_by_dialer(:acme), '^42501: ', 'and is not said again');
SELECT recall.unsuppress(:acme, t.number(3000)), recall.suppress(:acme, t.number(3000), now() + interval '1 h');
SELECT is(s.until, now() + interval '1 h', 'when it is lifted, a number may be suppressed for a time') FROM recall.suppression s WHERE s.tenant_id = :acme AND s.number = t.number(3000);
SELECT recall.unsuppress(:acme, t.number(12), :task);


SELECT is(recall.unsuppress(:acme, t.number(12), :task), false, 'a task''s list does not hold the hash');
SELECT is(recall.unsuppress(:acme, t.number(12)), true, 'unsuppress() lifts both');
SELECT is(recall._erased_numbers(:acme, ARRAY[t.number(12)]), '{}', 'the hash is gone');
SELECT is(recall.unsuppress(:acme, t.number(12)), false, 'and says so');
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(12)]);
SELECT is_empty(format('SELECT FROM recall.suppression WHERE tenant_id = %s AND number = %L', :acme, t.number(12)), 'then it is a number like others');
SELECT is((SELECT erased FROM recall.erase_number(:acme, t.number(2000)) WHERE what = 'contacts'), 0::bigint, 'a number, erased');
SELECT is(recall.unsuppress(:acme, t.number(2000)), true, 'is lifted also when it stands nowhere in plain');

/* What is out */

SELECT t.furnish('Cole') AS cole \gset
SELECT task, batch, other, record FROM people_of WHERE tenant = :cole \gset
SELECT recall.unsuppress(:cole, t.number(1)), recall.unsuppress(:cole, t.number(1), :task);
UPDATE recall.dial SET due_at = now() - interval '1 s' WHERE tenant_id = :cole;
SELECT is(t.claimed_numbers(:cole, :task), '1:001 2:012 3:011 5:005', 'all are out');
SELECT t.token(:cole, 1) AS token_1, t.token(:cole, 2) AS token_2 \gset
SELECT t.refused(format('SELECT count(*) FROM recall.erase_number(%s, %L)', :cole, t.number(1)), '55000', 'contact 1 is out with a dialer',
	'Erase it when its call is reported or its lease has run out.', 'not while a call is out');
SELECT recall.report(:cole, 1, :token_1, 'busy', NULL, NULL, NULL);
SELECT t.refused(format('SELECT count(*) FROM recall.erase_number(%s, %L)', :cole, t.number(1)), '55000', 'contact 2 is out with a dialer',
	'Erase it when its call is reported or its lease has run out.', 'nor while another contact of the number is');
SELECT t.lapse(:cole);
SELECT set_has(format('SELECT * FROM recall.erase_number(%s, %L)', :cole, t.number(1)), $$VALUES ('contacts', 2::bigint), ('calls', 4), ('permits', 1)$$, 'when the lease has run out');
SELECT is(t.traces(:cole, 1, 12), 'none', 'nothing is left');
SELECT t.denied(format($$SELECT recall.report(%s, 2, %s, 'busy', NULL, NULL, NULL)$$, :cole, :token_2), format('contact 2 of tenant %s', :cole), 'the late report finds nobody, and stores nothing');
SELECT t.denied(format($$SELECT * FROM recall.report_many(%s, '{2}', '{%s}', '{busy}', NULL, NULL, NULL)$$, :cole, :token_2), format('report 1: contact 2 of tenant %s', :cole), 'nor does a bulk one');
SELECT t.denied(format($$SELECT recall.report(%s, 1, %s, 'busy', NULL, NULL, NULL)$$, :cole, :token_1), format('contact 1 of tenant %s', :cole), 'nor one that is repeated');
SELECT t.denied(format('SELECT recall.extend(%s, 2, %s, ''1 min'')', :cole, :token_2), format('contact 2 of tenant %s', :cole), 'nor extend()');
SELECT t.denied(format('SELECT recall.release(%s, 2, %s)', :cole, :token_2), format('contact 2 of tenant %s', :cole), 'nor release()');
SELECT t.denied(format('SELECT recall.resolve(%s, 2, ''busy'', NULL)', :cole), format('contact 2 of tenant %s', :cole), 'nor resolve()');
SELECT t.denied(format('SELECT recall.schedule_callback(%s, 2, now())', :cole), format('contact 2 of tenant %s', :cole), 'nor schedule_callback()');
SELECT t.denied(format('SELECT recall.record_call(%s, 2, ''busy'', NULL)', :cole), format('contact 2 of tenant %s', :cole), 'nor record_call()');
-- One of unknown outcome that came from a record.
SELECT is(t.record(:cole, :record), '2 emitted, 0 withdrawn, 1 dialled, 0 reached, 1 pending', 'what was reported is dialled');
SELECT count(*) FROM recall.erase_number(:cole, t.number(5));
SELECT is(t.record(:cole, :record), '2 emitted, 0 withdrawn, 2 dialled, 0 reached, 0 pending', 'and so is what was of unknown outcome when it was erased');

/* Errors */

SELECT t.refused(format('SELECT * FROM recall.erase_number(%s, %L)', :cole, '030 1234567'), '22P02', 'invalid number "03* *****67" at character 1',
	'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).', 'what is no number');
SELECT matches(t.outcome(format('SELECT count(*) FROM recall.erase_number(%s, NULL)', :cole)), '^22023: ', 'nor null');
SELECT t.denied('SELECT * FROM recall.erase_number(2147483647, ''+49301234567'')', 'tenant 2147483647, right "manage"', 'no tenant');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
