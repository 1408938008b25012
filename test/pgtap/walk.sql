-- Where a claim begins when much is in its way: behind what it read in vain, for a while, without leaving anything out.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

-- Claim, and give the contacts, and how many entries of the queue's index were read for it: thousands, or not.
CREATE FUNCTION t.claim_and_count(tenant int, task bigint, max_rows int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_tuples_returned('recall.dial_queue'::regclass);
	claimed text := t.claimed(tenant, task, max_rows);
BEGIN
	RETURN format('%s, %s', claimed, CASE WHEN pg_stat_get_xact_tuples_returned('recall.dial_queue'::regclass) - before > 10000 THEN 'many' ELSE 'few' END);
END $$;
-- Claim again until that is not read once more: a bookmark lasts for a moment only, which may be over before the next claim.
CREATE FUNCTION t.reads_few_soon(tenant int, task bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR try IN 1 .. 20 LOOP
		IF t.claim_and_count(tenant, task, 1) ~ '^[0-9]+, few$' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
-- Claim, one at a time, until a contact comes.
CREATE FUNCTION t.comes_soon(tenant int, task bigint, contact bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR try IN 1 .. 600 LOOP
		IF t.claimed(tenant, task, 1) = contact::text THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN false;
END $$;

-- Many permits of a suspended batch, which no claim may take, and some behind them, of another batch; each has a second number.
CREATE FUNCTION t.long_queue(in_front int, behind int, priority_in_front int DEFAULT 0, OUT tenant int, OUT task bigint, OUT batch bigint, OUT open_batch bigint) LANGUAGE plpgsql AS $$
BEGIN
	SELECT * INTO tenant, task, batch FROM t.campaign(0);
	CREATE TEMPORARY TABLE crowd AS SELECT ARRAY[t.number(n)] AS numbers, priority_in_front AS priority FROM generate_series(1, in_front) n;
	PERFORM recall.add_contacts(tenant, batch, 'crowd'), recall.suspend_batch(tenant, batch);
	DROP TABLE crowd;
	open_batch := recall.create_batch(tenant, task, 'open');
	PERFORM recall.start_batch(tenant, open_batch);
	PERFORM recall.add_contact(tenant, open_batch, ARRAY[t.number(in_front + n), t.number(500000 + n)]) FROM generate_series(1, behind) n;
END $$;

SELECT tenant AS acme, task, batch, open_batch FROM t.long_queue(15000, 40) \gset
SELECT is(t.claim_and_count(:acme, :task, 2), '15001 15002, many', 'the first claim reads what is in the way');
SELECT ok(t.reads_few_soon(:acme, :task), 'those after it do not');
SELECT is((SELECT max(contact_id) - count(*) FROM recall.dial WHERE tenant_id = :acme AND state = 'claimed'), 15000::bigint, 'and take what is behind it, one after the other');
SELECT recall.add_contact(:acme, :open_batch, ARRAY[t.number(90000)], priority => 9) AS urgent \gset
UPDATE recall.dial SET due_at = now() - interval '1 h' WHERE tenant_id = :acme AND contact_id = 15040;
SELECT ok(t.comes_soon(:acme, :task, :urgent), 'what came in before it is found after a while');
SELECT ok(t.comes_soon(:acme, :task, 15040), 'also what became more urgent than the rest');
SELECT recall.start_batch(:acme, :batch);
SELECT ok(t.comes_soon(:acme, :task, 1), 'so is what was in the way');

-- Nothing of a lower priority is left out because much of a higher one is in the way.
SELECT tenant AS low, task AS low_task, open_batch AS low_batch FROM t.long_queue(15000, 4, 5) \gset
UPDATE recall.dial d SET priority = 15002 - d.contact_id WHERE d.tenant_id = :low AND d.batch_id = :low_batch;
SELECT is(t.claimed(:low, :low_task, 1), (15000 + n)::text, 'each claim takes the next priority') FROM generate_series(1, 4) n;

-- Nor is what takes more asking left out.
SELECT tenant AS asked, task AS asked_task FROM t.long_queue(15000, 6) \gset
SELECT recall.suppress(:asked, t.number(n)) FROM unnest('{15001,15003,515003,15004}'::int[]) n;
UPDATE recall.contact SET numbers = ARRAY[t.number(15003)] WHERE tenant_id = :asked AND contact_id = 15003;
SELECT is((SELECT string_agg(contact_id::text, ' ' ORDER BY contact_id) FROM recall.claim(:asked, :asked_task, 3)), '15001 15002 15004', 'those before and between plain ones get another number');
SELECT is(t.taken_out(:asked), '15003 every number that is left is suppressed', 'or are taken out');
SELECT is(t.claimed(:asked, :asked_task, 1), '15005', 'and the next one is next');

-- A bookmark is a queue's own.
SELECT tenant AS two, task AS two_task FROM t.long_queue(15000, 1) \gset
SELECT recall.create_task(:two, 'other', 'fixed') AS other_task \gset
SELECT recall.create_batch(:two, :other_task, 'other') AS other_batch \gset
SELECT recall.start_task(:two, :other_task), recall.start_batch(:two, :other_batch), recall.add_contact(:two, :other_batch, ARRAY[t.number(99999)], priority => 9) AS other_contact \gset
SELECT is(t.claimed(:two, :two_task, 9), '15001', 'a claim that read much');
SELECT is(t.claimed(:two, :other_task, 9), :'other_contact', 'tells another task nothing');

-- One connection that serves more tenants than it keeps bookmarks for.
CREATE TEMPORARY TABLE served AS SELECT recall.create_tenant('Small') AS tenant FROM generate_series(1, 1005);
SELECT recall.create_task(tenant, 'x', 'fixed'), recall.create_batch(tenant, 1, 'x') FROM served \g /dev/null
SELECT recall.start_task(tenant, 1), recall.start_batch(tenant, 1), recall.add_contact(tenant, 1, ARRAY[t.number(1)]) FROM served \g /dev/null
SELECT is((SELECT count(*) FROM served s, LATERAL recall.claim(s.tenant, 1) c), 1005::bigint, 'a thousand tenants and some');
SELECT t.lapse(tenant) FROM served \g /dev/null
SELECT pg_sleep(0.2); -- a claim looks for leases that ran out ten times a second
SELECT is((SELECT count(*) FROM served s, LATERAL recall.claim(s.tenant, 1) c), 0::bigint, 'the same again');
SELECT is((SELECT count(*) FROM recall.dial d JOIN served s ON s.tenant = d.tenant_id WHERE d.state = 'unknown'), 1005::bigint, 'finds all the leases that ran out');

SELECT * FROM finish();
ROLLBACK;
