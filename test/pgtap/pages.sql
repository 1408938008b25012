-- A page of a view is read from an index and no further, by a member; and what is another's reads as little as what is not there.
BEGIN;
\ir helpers.psql
SELECT no_plan();

SELECT recall.create_tenant('Acme') AS acme, recall.create_tenant('Bell') AS bell \gset
INSERT INTO recall.task (tenant_id, task_id, name, task_type, state, policy)
SELECT t, i, 'x', 'fixed', 'executing', 'busy' FROM unnest(ARRAY[:acme, :bell]) t, generate_series(1, 2000) i;
INSERT INTO recall.batch (tenant_id, batch_id, task_id, name, state) SELECT t, i, i, 'x', 'started' FROM unnest(ARRAY[:acme, :bell]) t, generate_series(1, 2000) i;
CREATE TABLE t.contact AS SELECT t AS tenant_id, i AS contact_id, 1 + i % 2 AS batch_id FROM unnest(ARRAY[:acme, :bell]) t, generate_series(1, 5000) i;
INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers) SELECT tenant_id, contact_id, batch_id, ARRAY[t.number(contact_id)] FROM t.contact;
INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
SELECT tenant_id, attempt, batch_id, contact_id, now(), now(), now(), 'busy', t.number(contact_id) FROM t.contact, generate_series(1, 2) attempt ORDER BY 1, 3, 4, 2;
INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
SELECT tenant_id, 3, contact_id, batch_id, batch_id, now(), 0, t.number(contact_id) FROM t.contact ORDER BY 1, 3;
INSERT INTO recall.suppression (tenant_id, number, until, role, created_at)
SELECT tenant_id, t.number(contact_id), 'infinity', 'x', '2026-01-01 00:00+00'::timestamptz + contact_id * interval '1 s' FROM t.contact ORDER BY contact_id % 100;
INSERT INTO recall.event (tenant_id, at, role, kind, record_id, action)
SELECT tenant_id, '2026-01-01 00:00+00'::timestamptz + contact_id * interval '1 s', 'x', 'contact', contact_id % 10, 'x' FROM t.contact;
INSERT INTO recall.recycle (tenant_id, recycle_id, batch_id, state, policy, requested_by, requested_at, cap, start_after, last_contact)
SELECT tenant_id, contact_id, batch_id, 'completed', 'busy', 'x', now(), 1, 0, 0 FROM t.contact;
ANALYZE recall.task, recall.batch, recall.contact, recall.call, recall.dial, recall.suppression, recall.event, recall.recycle;
SET LOCAL random_page_cost = 1.1;
CREATE ROLE t_member;
SELECT recall.grant_privilege(:acme, 't_member', '{read,manage,dial}');

-- How many rows of tables, and entries of their indexes, the transaction has read.
CREATE FUNCTION t.rows_read() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (
	SELECT sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid)) FROM pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'i') AND c.relname !~ '^(tenant|member)');

-- The rows that a query gives to the member, and those that it read for them.
CREATE FUNCTION t.cost(query text, OUT given bigint, OUT read bigint) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := t.rows_read();
BEGIN
	given := t.outcome(format('SELECT count(*) FROM (%s) q', query), 't_member');
	read := t.rows_read() - before;
END $$;

CREATE TABLE t.page (query text);
INSERT INTO t.page VALUES
('SELECT * FROM recall.completed_call WHERE tenant_id = $ AND batch_id = 1 ORDER BY contact_id, attempt LIMIT 50'),
('SELECT * FROM recall.completed_call WHERE tenant_id = $ AND batch_id = 1 AND contact_id > 500 ORDER BY contact_id, attempt LIMIT 50'),
('SELECT * FROM recall.completed_call WHERE tenant_id = $ AND batch_id = 1 AND (contact_id, attempt) > (2500, 1) ORDER BY contact_id, attempt LIMIT 50'),
('SELECT * FROM recall.completed_call WHERE tenant_id = $ ORDER BY batch_id, contact_id, attempt LIMIT 50'),
('SELECT * FROM recall.completed_call WHERE tenant_id = $ AND (batch_id, contact_id, attempt) > (2, 1001, 1) ORDER BY batch_id, contact_id, attempt LIMIT 50'),
('SELECT * FROM recall.permit WHERE tenant_id = $ ORDER BY contact_id LIMIT 50'),
('SELECT * FROM recall.permit WHERE tenant_id = $ AND contact_id > 500 ORDER BY contact_id LIMIT 50'),
('SELECT * FROM recall.redial WHERE tenant_id = $ AND contact_id > 500 ORDER BY contact_id LIMIT 50'),
('SELECT * FROM recall.audit WHERE tenant_id = $ ORDER BY at DESC LIMIT 50'),
('SELECT * FROM recall.audit WHERE tenant_id = $ AND kind = ''contact'' ORDER BY at DESC LIMIT 50'),
('SELECT * FROM recall.audit WHERE tenant_id = $ AND at < ''2026-01-01 01:00+00'' ORDER BY at DESC LIMIT 50'),
('SELECT * FROM recall.recycle_record WHERE tenant_id = $ ORDER BY recycle_id DESC LIMIT 50'),
('SELECT * FROM recall.recycle_record WHERE tenant_id = $ AND recycle_id < 4000 ORDER BY recycle_id DESC LIMIT 50'),
('SELECT * FROM recall.recycle_record WHERE tenant_id = $ AND batch_id = 1 ORDER BY recycle_id DESC LIMIT 50'),
('SELECT * FROM recall.suppressed_number WHERE tenant_id = $ ORDER BY created_at DESC LIMIT 50'),
('SELECT * FROM recall.suppressed_number WHERE tenant_id = $ AND created_at < ''2026-01-01 01:00+00'' ORDER BY created_at DESC FETCH FIRST 50 ROWS WITH TIES'),
('SELECT tenant_id, task FROM recall.task_overview WHERE tenant_id = $ ORDER BY task_id LIMIT 50'),
('SELECT tenant_id, batch FROM recall.batch_overview WHERE tenant_id = $ AND batch_id > 100 ORDER BY batch_id LIMIT 50');

SELECT cmp_ok(c.read, '>=', 5000::bigint, 'what is read is counted') FROM t.cost(format('SELECT * FROM recall.permit WHERE tenant_id = %s', :acme)) c;
-- A row is counted by the index and by the table, and once more for each name of a task, batch or result.
SELECT unnest(ARRAY[cmp_ok(c.read, '<=', 1000::bigint, format('a member reads little for %s', p.query)), is(c.given, 50::bigint, 'and gets its page')])
FROM t.page p, t.cost(replace(p.query, '$', :'acme')) c;
SELECT unnest(ARRAY[cmp_ok(c.read, '<=', 10::bigint, 'a suppressed number is looked up'), is(c.given, 1::bigint, 'and found')])
FROM t.cost(format('SELECT * FROM recall.suppressed_number WHERE tenant_id = %s AND number = %L', :acme, t.number(7))) c;

SELECT unnest(ARRAY[cmp_ok(c.read, '<=', 1000::bigint, 'numbers that begin alike are looked up'), cmp_ok(c.given, '>', 90::bigint, 'and found')])
FROM t.cost(format('SELECT * FROM recall.suppressed_number WHERE tenant_id = %s AND number >= %L AND number < %L', :acme, t.number(100), t.number(200))) c;

-- Who only reads sees numbers masked, and has the same pages.
CREATE FUNCTION t.masked_cost(query text, OUT given text, OUT read bigint) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := t.rows_read();
BEGIN
	given := t.outcome(format('SELECT format(''%%s %%s %%s'', count(*), count(*) FILTER (WHERE q.number ~ ''[*]''), min(q.created_at) AT TIME ZONE ''UTC'') FROM (%s) q', query), 't_reader');
	read := t.rows_read() - before;
END $$;
CREATE ROLE t_reader;
SELECT recall.grant_privilege(:acme, 't_reader', '{read}');
SELECT unnest(ARRAY[cmp_ok(c.read, '<=', 1000::bigint, 'a reader reads little for a page of masked numbers'), is(c.given, x.expected, 'and gets it')])
FROM (VALUES ('', '50 50 2026-01-01 01:22:31'), ($$AND created_at < '2026-01-01 01:22:31+00'$$, '50 50 2026-01-01 01:21:41')) x(condition, expected),
	t.masked_cost(format('SELECT * FROM recall.suppressed_number WHERE tenant_id = %s %s ORDER BY created_at DESC FETCH FIRST 50 ROWS WITH TIES', :acme, x.condition)) c;

-- Of another tenant nothing is read that would not be read of none.
SELECT unnest(ARRAY[is(other, nobody, format('another tenant is as none for %s', p.query)), is((other).given, 0::bigint, 'and gives nothing')])
FROM t.page p, t.cost(replace(p.query, '$', :'bell')) other, t.cost(replace(p.query, '$', '2147483647')) nobody;
SELECT is(other, nobody, format('nor where a page is not asked for: %s', v.relname))
FROM pg_class v, t.cost(format('SELECT tenant_id FROM recall.%I WHERE tenant_id = %s', v.relname, :bell)) other,
	t.cost(format('SELECT tenant_id FROM recall.%I WHERE tenant_id = 2147483647', v.relname)) nobody
WHERE v.relnamespace = 'recall'::regnamespace AND v.relkind = 'v';

-- Nor does a page depend on what ANALYZE has found, as for a table of a few batches, which it may never come to.
DELETE FROM recall.batch WHERE batch_id > 2;
DELETE FROM pg_statistic WHERE starelid = 'recall.batch'::regclass;
UPDATE pg_class SET reltuples = -1, relpages = 0, relallvisible = 0 WHERE oid = 'recall.batch'::regclass;
SELECT unnest(ARRAY[cmp_ok(c.read, '<=', 1000::bigint, format('few batches, not analyzed: %s', p.query)), is(c.given, 50::bigint, 'and gets its page')])
FROM t.page p, t.cost(replace(p.query, '$', :'acme')) c WHERE p.query ~ 'completed_call';

/* Nor for the question whether one has a right there, however many members the other has. */

DO $$
BEGIN
	FOR i IN 1 .. 30 LOOP
		EXECUTE format('CREATE ROLE t_other_%s', i);
	END LOOP;
END $$;
INSERT INTO recall.member SELECT :bell, format('t_other_%s', i)::regrole, '{read,manage,recycle,dial}' FROM generate_series(1, 30) i;
CREATE FUNCTION t.memberships_read(tenant int, OUT answer text, OUT read bigint) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_tuples_fetched('recall.member_pkey'::regclass);
BEGIN
	answer := left(t.outcome(format('SELECT count(*) FROM recall.explain(%s, 1)', tenant), 't_member'), 5);
	read := pg_stat_get_xact_tuples_fetched('recall.member_pkey'::regclass) - before;
END $$;
SELECT is(t.memberships_read(:bell), ROW('42501'::text, 0::bigint), 'no member of another tenant is looked at');
SELECT is(t.memberships_read(2147483647), ROW('42501'::text, 0::bigint), 'as none is of no tenant');
SELECT cmp_ok((t.memberships_read(:acme)).read, '>', 0::bigint, 'but for oneself');

SELECT * FROM finish();
ROLLBACK;
