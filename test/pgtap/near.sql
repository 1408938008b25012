-- Contacts that lie side by side are found along the index, others each by itself: which it is makes no difference.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';
\if :{?seed}
\else
\set seed 0.42
\endif
SELECT setseed(:seed);

-- Two thousand contacts that tell who they are; every third row and permit has an older version behind it, every seventh contact is not there to be
-- called. Half of the batch is due in its order, the rest in no order, and as many have another rank.
SELECT tenant AS acme, task, batch FROM t.campaign(0, 'busy') \gset
CREATE TABLE t.crowd AS SELECT ARRAY[t.number(n)] AS numbers, n % 2 AS priority, n::text AS reference FROM generate_series(1, 2000) n;
SELECT recall.add_contacts(:acme, :batch, 't.crowd');
UPDATE recall.contact SET reference = 'old' WHERE tenant_id = :acme AND contact_id % 3 = 0;
UPDATE recall.contact SET reference = contact_id::text WHERE tenant_id = :acme AND contact_id % 3 = 0;
DELETE FROM recall.dial WHERE tenant_id = :acme AND contact_id % 7 = 0;
UPDATE recall.dial SET due_at = now() - CASE WHEN contact_id > 1000 THEN random() * interval '1 h' ELSE interval '2 h' END
WHERE tenant_id = :acme AND (contact_id % 3 = 0 OR contact_id > 1000);

-- Claim in bites of any size until nothing is left.
CREATE FUNCTION t.claim_all(tenant int, task bigint) RETURNS TABLE (contact_id bigint, number text, token bigint, reference text) LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		RETURN QUERY SELECT c.contact_id, c.number, c.token, c.reference FROM recall.claim(tenant, task, 1 + floor(random() ^ 3 * 200)::int) c;
		EXIT WHEN NOT FOUND;
	END LOOP;
END $$;
CREATE TABLE t.claimed AS SELECT *, false AS reported FROM t.claim_all(:acme, :task);
SELECT is((SELECT count(*) FROM t.claimed), (SELECT count(*) FROM generate_series(1, 2000) n WHERE n % 7 <> 0), 'all that wait are claimed');
SELECT is((SELECT count(*) FROM t.claimed WHERE reference = contact_id::text AND number = t.number(contact_id::int)), (SELECT count(DISTINCT contact_id) FROM t.claimed), 'each with its own particulars');

-- Report some of them, in any order: close together or far apart, from any place on; some of those that were reported before with them.
CREATE FUNCTION t.report_some(tenant int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	start bigint := random() * 2000;
	density float := random() ^ 2;
	reports bigint[];
	tokens bigint[];
	expected text[];
	outcomes text[];
BEGIN
	SELECT array_agg(c.contact_id ORDER BY c.place), array_agg(c.token ORDER BY c.place), array_agg(CASE WHEN c.reported THEN 'duplicate' ELSE 'recorded' END ORDER BY c.place)
	INTO reports, tokens, expected
	FROM (SELECT *, random() AS place FROM t.claimed WHERE contact_id > start AND random() < density AND (NOT reported OR random() < 0.05) ORDER BY contact_id LIMIT 300) c;
	IF reports IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT array_agg(r.outcome ORDER BY r.n) INTO outcomes FROM recall.report_many(tenant, reports, tokens, NULL, NULL, NULL, NULL) WITH ORDINALITY r(contact_id, outcome, n);
	UPDATE t.claimed c SET reported = true WHERE c.contact_id = ANY (reports);
	RETURN CASE WHEN outcomes IS DISTINCT FROM expected THEN format('contacts %s gave %s', reports, outcomes) END;
END $$;
SELECT is((SELECT string_agg(t.report_some(:acme), '; ') FROM generate_series(1, 60)), NULL, 'reports, close together or not, find their permits');
SELECT is((SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.call WHERE tenant_id = :acme), (SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM t.claimed WHERE reported), 'each of them is a call, once');
SELECT is((SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = :acme), (SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM t.claimed WHERE NOT reported), 'the others are still out');

-- One after the other; the fifth was reported before, and the sixth is found all the same.
SELECT tenant AS acme, task, batch FROM t.campaign(60, 'busy') \gset
CREATE TABLE t.few AS SELECT * FROM recall.claim(:acme, :task, 10);
SELECT recall.report(:acme, 5, token, 'busy', NULL, NULL, NULL) FROM t.few WHERE contact_id = 5;
SELECT is((SELECT string_agg(format('%s %s', r.contact_id, r.outcome), ', ' ORDER BY r.n) FROM (SELECT array_agg(contact_id ORDER BY contact_id) AS contacts, array_agg(token ORDER BY contact_id) AS tokens FROM t.few) f,
	recall.report_many(:acme, f.contacts, f.tokens, NULL, NULL, NULL, NULL) WITH ORDINALITY r(contact_id, outcome, n)),
	'1 recorded, 2 recorded, 3 recorded, 4 recorded, 5 duplicate, 6 recorded, 7 recorded, 8 recorded, 9 recorded, 10 recorded', 'one that is gone hides no other');
-- Two that are not there any more, one beside the others and one from where it goes on elsewhere, are not taken for the next.
UPDATE recall.dial SET priority = 1 WHERE tenant_id = :acme AND contact_id > 50;
DELETE FROM recall.dial WHERE tenant_id = :acme AND contact_id BETWEEN 21 AND 50;
DELETE FROM recall.contact WHERE tenant_id = :acme AND contact_id IN (11, 55);
SELECT is(t.claimed(:acme, :task), '51 52 53 54 56 57 58 59 60 12 13 14 15 16 17 18 19 20', 'a contact that is not there is not taken for the next');

SELECT throws_like(format('SELECT recall.report_many(%s, ARRAY(SELECT n FROM generate_series(9223372036854775800, 9223372036854775807) n), array_fill(1::bigint, ARRAY[8]), NULL, NULL, NULL, NULL)', :acme),
	'%contact 9223372036854775800 of tenant%', 'the largest numbers there are');

SELECT * FROM finish();
ROLLBACK;
