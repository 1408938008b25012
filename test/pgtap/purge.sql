-- Removing what is over: a batch, everything that is old enough, and what must stay.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();

-- What a tenant has of each kind: batches, contacts, calls, permits, records, their counts, suppressions.
CREATE FUNCTION t.inventory(tenant int) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT format('%s %s %s %s %s %s %s', (SELECT count(*) FROM recall.batch WHERE tenant_id = tenant), (SELECT count(*) FROM recall.contact WHERE tenant_id = tenant),
	(SELECT count(*) FROM recall.call WHERE tenant_id = tenant), (SELECT count(*) FROM recall.dial WHERE tenant_id = tenant),
	(SELECT count(*) FROM recall.recycle WHERE tenant_id = tenant), (SELECT count(*) FROM recall.recycle_tally WHERE tenant_id = tenant),
	(SELECT count(*) FROM recall.suppression WHERE tenant_id = tenant)) $$;
-- As if everything of a tenant but what stands in the queue had happened so long ago.
CREATE FUNCTION t.age(tenant int, by interval) RETURNS void LANGUAGE sql VOLATILE
AS $$
	SET LOCAL session_replication_role = replica; -- the audit is only appended to
	UPDATE recall.event SET at = at - by WHERE tenant_id = tenant;
	SET LOCAL session_replication_role = origin;
	UPDATE recall.call SET started_at = started_at - by, ended_at = ended_at - by, recorded_at = recorded_at - by WHERE tenant_id = tenant;
	UPDATE recall.suppression SET until = until - by, created_at = created_at - by WHERE tenant_id = tenant;
$$;

/* A batch */

SELECT * FROM t.recycled(6, 'busy') \gset
SELECT recall.create_batch(:tenant, :task, 'Second') AS second, recall.create_batch(:tenant, :task, 'Third') AS third \gset
SELECT recall.add_contact(:tenant, :second, ARRAY[t.number(1)]);
SELECT recall.record_call(:tenant, 7, 'busy', NULL);
SELECT recall.claim(:tenant, :task, 2);
SELECT recall.schedule_callback(:tenant, 6, now() + interval '1 day', agent => 'Agent Smith');

SELECT t.refused(format('SELECT recall.purge_batch(%s, %s)', :tenant, :batch), '55000', format('batch %s is in state "started"', :batch),
	'Finish it with recall.finish_batch().', 'not a batch that is started');
SELECT recall.suspend_batch(:tenant, :batch);
SELECT t.refused(format('SELECT recall.purge_batch(%s, %s)', :tenant, :batch), '55000', format('batch %s is in state "suspended"', :batch),
	'Finish it with recall.finish_batch().', 'nor one that is suspended');
SELECT recall.finish_batch(:tenant, :batch);
SELECT t.refused(format('SELECT recall.purge_batch(%s, %s, true)', :tenant, :batch), '55000', format('contacts of batch %s are out with a dialer, or their outcome is unknown', :batch),
	'See recall.permit; what is out is reported, and what is unknown settled with recall.resolve().', 'nor, by force, one with calls that are out');
SELECT t.lapse(:tenant);
SELECT recall._expire(NULL);
SELECT matches(t.outcome(format('SELECT recall.purge_batch(%s, %s, true)', :tenant, :batch)), '^55000: contacts of batch', 'nor of unknown outcome');
SELECT recall.resolve(:tenant, d.contact_id, 'busy', NULL) FROM recall.dial d WHERE d.tenant_id = :tenant AND d.state = 'unknown';
SELECT is(t.inventory(:tenant), '3 7 9 0 1 1 0', 'what there is before');
SELECT is(recall.purge_batch(:tenant, :batch)::text, '(6,8,1)', 'contacts, calls and records are counted');
SELECT is(t.inventory(:tenant), '2 1 1 0 0 0 0', 'and gone, but for those of other batches');
SELECT is_empty(format('SELECT FROM recall.batch_overview WHERE tenant_id = %s AND batch_id = %s', :tenant, :batch), 'the batch is gone');
SELECT is((a.record_id, a.detail)::text, format('(%s,"{""calls"": 8, ""records"": 1, ""task_id"": %s, ""contacts"": 6}")', :batch, :task), 'an event stays')
FROM recall.audit a WHERE a.tenant_id = :tenant AND a.action = 'purge';
SELECT is(count(*), 4::bigint, 'and so do those before') FROM recall.audit a WHERE a.tenant_id = :tenant AND a.kind = 'batch' AND a.record_id = :batch::text AND a.action IN ('create', 'start', 'suspend', 'finish');
SELECT is((SELECT string_agg(DISTINCT a.detail::text, ' ') FROM recall.audit a WHERE a.tenant_id = :tenant AND a.kind = 'contact'), '{"erased": true}', 'those of its contacts without particulars');
SELECT t.denied(format('SELECT recall.purge_batch(%s, %s)', :tenant, :batch), format('batch %s of tenant %s', :batch, :tenant), 'once more there is none');
SELECT is(recall.create_batch(:tenant, :task, 'Next'), :third + 1::bigint, 'its id does not come again');
SELECT is(recall.purge_batch(:tenant, :third)::text, '(0,0,0)', 'a batch that was never started goes, too');
SELECT is(recall.purge_batch(:tenant, :second)::text, '(1,1,0)', 'also with contacts and calls from elsewhere');

/* Calls that are counted per number */

CREATE FUNCTION t.counted(policy recall.policy, made interval, OUT tenant int, OUT batch bigint) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	SELECT * INTO c FROM t.campaign(1, 'busy');
	PERFORM recall.record_call(c.tenant, 1, 'busy', NULL, started_at => now() - made, ended_at => now() - made);
	PERFORM recall.finish_batch(c.tenant, c.batch);
	PERFORM recall.create_task(c.tenant, 'Other', 'predicted', counted.policy);
	tenant := c.tenant;
	batch := c.batch;
END $$;
CREATE TABLE t.case AS
SELECT x.policy, x.made::interval, x.stays, c.tenant, c.batch FROM (VALUES
	('busy', '1 h', NULL), ('limit 6; limit 3 per 24 h', '1 h', NULL), ('quiet 7 days after answered', '1 h', NULL),
	('limit 3 per 24 h per number', '23 h', '24 h'), ('limit 3 per 24 h per number', '25 h', NULL),
	('limit 3 per day per number', '47 h', '48 h'), ('limit 3 per day per number', '49 h', NULL),
	('quiet 7 days after answered per number', '167 h', '168 h'), ('quiet 7 days after answered per number', '169 h', NULL),
	('limit 3 per 24 h per number; limit 7 per 7 days per number', '100 h', '168 h'), ('limit 9 per number', '80000 h', 'good')) AS x(policy, made, stays),
	LATERAL t.counted(x.policy::recall.policy, x.made::interval) c;
SELECT matches(t.outcome(format('SELECT recall.purge_batch(%s, %s)', c.tenant, c.batch)), CASE
		WHEN c.stays IS NULL THEN '^\(1,1,0\)$'
		WHEN c.stays = 'good' THEN format('^55000: calls of batch %s are counted by a limit or quiet per number, for good\n', c.batch)
		ELSE format('^55000: calls of batch %s are counted by a limit or quiet per number, until %s\n', c.batch,
			replace((now() - c.made + c.stays::interval)::text, '+', '\+')) END,
	format('%s ago, counted by "%s": %s', c.made, c.policy, CASE WHEN c.stays IS NULL THEN 'goes' ELSE 'stays' END))
FROM t.case c;
SELECT tenant AS counting, batch AS counted FROM t.case WHERE stays = 'good' \gset
SELECT t.refused(format('SELECT recall.purge_batch(%s, %s)', :counting, :counted), '55000', format('calls of batch %s are counted by a limit or quiet per number, for good', :counted),
	'Complete the tasks whose policies count them, or give force => true: they are counted no more.', 'what can be done is said');
SELECT recall.start_task(:counting, 2), recall.complete_task(:counting, 2);
SELECT is(recall.purge_batch(:counting, :counted)::text, '(1,1,0)', 'a completed task counts nothing');
SELECT tenant AS counting, batch AS counted FROM t.case WHERE stays = '24 h' \gset
SELECT is(recall.purge_batch(:counting, :counted, force => true)::text, '(1,1,0)', 'nor does anything stay by force');
-- The snapshot of a record that goes on counts as well.
SELECT * FROM t.recycled(2, 'busy; limit 9 per 7 days per number') \gset
SELECT recall.set_policy(:tenant, :task, 'busy');
SELECT recall.create_batch(:tenant, :task, 'x') AS second \gset
SELECT recall.add_contact(:tenant, :second, ARRAY[t.number(1)]);
SELECT recall.record_call(:tenant, 3, 'busy', NULL);
SELECT matches(t.outcome(format('SELECT recall.purge_batch(%s, %s)', :tenant, :second)), '^55000: calls of batch [0-9]+ are counted by a limit or quiet per number', 'the policy of a record whose permits wait counts');
SELECT recall.finish_batch(:tenant, :batch);
SELECT is(recall.purge_batch(:tenant, :second)::text, '(1,1,0)', 'until its batch is finished');

/* What was erased, and came back */

SELECT count(*) FROM recall.erase_number(:tenant, t.number(50));
SELECT recall.create_batch(:tenant, :task, 'x') AS second \gset
SELECT recall.create_batch(:tenant, :task, 'y') AS third \gset
SELECT recall.add_contact(:tenant, :second, ARRAY[t.number(50), t.number(51)]), recall.add_contact(:tenant, :third, ARRAY[t.number(50)]);
SELECT recall.suppress(:tenant, t.number(51));
SELECT recall.purge_batch(:tenant, :second);
SELECT set_eq(format('SELECT number FROM recall.suppression WHERE tenant_id = %s', :tenant), ARRAY[t.number(50), t.number(51)], 'a number that somebody else has stays suppressed');
SELECT recall.purge_batch(:tenant, :third);
SELECT set_eq(format('SELECT number FROM recall.suppression WHERE tenant_id = %s', :tenant), ARRAY[t.number(51)], 'one that nobody has any more needs only its hash');
SELECT is(recall._erased_numbers(:tenant, ARRAY[t.number(50)]), ARRAY[t.number(50)], 'which stays');
SELECT is(count(*), 0::bigint, 'it stands in no event') FROM recall.audit a WHERE a.tenant_id = :tenant AND a.record_id = t.number(50);

/* By age */

SELECT * FROM t.recycled(3, 'busy') \gset
SELECT recall.create_task(:tenant, 'Over', 'robot', 'busy') AS over \gset
SELECT recall.create_batch(:tenant, :over, 'never started') AS idle, recall.create_batch(:tenant, :task, 'not started yet') AS waiting, recall.create_batch(:tenant, :task, 'second') AS second,
	recall.create_batch(:tenant, :task, 'third') AS third \gset
SELECT recall.start_task(:tenant, :over), recall.start_batch(:tenant, :second), recall.start_batch(:tenant, :third);
SELECT recall.add_contact(:tenant, b, ARRAY[t.number(20 + b)]) FROM unnest(ARRAY[:idle, :waiting, :second, :third]) b;
SELECT recall.complete_task(:tenant, :over), recall.finish_batch(:tenant, :batch), recall.finish_batch(:tenant, :second);
SELECT recall.record_call(:tenant, contact_id, 'busy', NULL) FROM recall.contact WHERE tenant_id = :tenant AND batch_id = :second;
SELECT recall.suppress(:tenant, t.number(90), now() + interval '1 h'), recall.suppress(:tenant, t.number(91), now() + interval '365 days'), recall.suppress(:tenant, t.number(92));
SELECT recall.unsuppress(:tenant, t.number(92));
SELECT t.age(:tenant, '100 days');
SELECT t.fingerprint() AS before \gset
SELECT recall.record_call(:tenant, contact_id, 'busy', NULL, started_at => now() - interval '20 days', ended_at => now() - interval '20 days') FROM recall.contact WHERE tenant_id = :tenant AND batch_id = :second;
SELECT t.fingerprint() AS before \gset

CREATE FUNCTION t.purged(tenant int, days int, dry_run boolean DEFAULT true, max_batches int DEFAULT NULL) RETURNS SETOF text LANGUAGE sql
AS $$ SELECT concat_ws(' ', kind, batch, contacts, calls, records, outcome) FROM recall.purge_before(tenant, now() - make_interval(days => days), dry_run, max_batches) $$;
SELECT set_eq(format('SELECT * FROM t.purged(%s, 101)', :tenant), '{suppression 0 would be removed,event 0 would be blanked}'::text[], 'nothing is so old');
SELECT set_eq(format('SELECT * FROM t.purged(%s, 50)', :tenant), '{batch First 3 3 1 would be removed,batch never started 1 0 0 would be removed,suppression 1 would be removed,event 3 would be blanked}'::text[],
	'what was over before goes, but not what was used since, is started, or may be');
SELECT set_eq(format('SELECT * FROM t.purged(%s, 10)', :tenant), '{batch First 3 3 1 would be removed,batch never started 1 0 0 would be removed,batch second 1 2 0 would be removed,suppression 1 would be removed,event 3 would be blanked}'::text[], 'later more');
SELECT is((SELECT last_used FROM recall.purge_before(:tenant, now() - interval '10 days') WHERE batch = 'second'), now() - interval '20 days', 'the last call tells how old a batch is');
SELECT is(t.fingerprint(), :'before', 'a dry run, which it is by default, changes nothing');
SELECT recall.set_policy(:tenant, :task, 'busy; limit 9 per 30 days per number');
SELECT set_eq(format('SELECT * FROM t.purged(%s, 10)', :tenant), format($$VALUES ('batch First 3 3 1 would be removed'), ('batch never started 1 0 0 would be removed'),
	('batch second 1 2 0 kept: calls of batch %s are counted by a limit or quiet per number, until %s'), ('suppression 1 would be removed'), ('event 3 would be blanked')$$,
	:second, now() + interval '10 days'), 'what is counted is kept');
SELECT is((SELECT string_agg(batch, ', ') FROM recall.purge_before(:tenant, now() - interval '10 days', max_batches => 1) WHERE outcome = 'would be removed'), 'First', 'at most so many batches');
SELECT is(array_to_string(ARRAY(SELECT * FROM t.purged(:tenant, 10, false, 1)), ', '), 'batch First 3 3 1 removed, suppression 1 removed, event 3 blanked', 'the first of them');
SELECT is(array_to_string(ARRAY(SELECT * FROM t.purged(:tenant, 10, false, 1)), ', '), 'batch never started 1 0 0 removed, suppression 0 removed, event 0 blanked', 'the next');
SELECT is((SELECT count(*) FROM t.purged(:tenant, 10, false) p WHERE p ~ ' removed$' AND p ~ '^batch'), 0::bigint, 'and then none');
SELECT recall.set_policy(:tenant, :task, 'busy');
SELECT is((SELECT count(*) FROM t.purged(:tenant, 10, false) p WHERE p ~ ' removed$' AND p ~ '^batch second'), 1::bigint, 'when it is not counted it goes');
SELECT is((SELECT string_agg(batch, ', ' ORDER BY batch) FROM recall.batch_overview WHERE tenant_id = :tenant), 'not started yet, third', 'what is not over stays');
SELECT set_eq(format('SELECT number FROM recall.suppression WHERE tenant_id = %s', :tenant), ARRAY[t.number(91)], 'and what is suppressed still');
SELECT set_eq(format($$SELECT record_id FROM recall.audit WHERE tenant_id = %s AND kind = 'suppression'$$, :tenant), ARRAY['erased', t.number(91)], 'in the audit, too');
SELECT is((SELECT count(*) FROM recall.audit WHERE tenant_id = :tenant AND kind = 'tenant' AND action = 'purge'), 4::bigint, 'each run is noted');

/* One that is out */
SELECT * FROM t.recycled(1, 'busy') \gset
SELECT recall.claim(:tenant, :task, 1);
SELECT recall.finish_batch(:tenant, :batch);
SELECT t.age(:tenant, '100 days');
SELECT is(array_to_string(ARRAY(SELECT * FROM t.purged(:tenant, 10, false)), ', '), format('batch First 1 1 1 kept: contacts of batch %s are out with a dialer, or their outcome is unknown, suppression 0 removed, event 0 blanked', :batch), 'what is out is kept');

/* Errors */

SELECT t.refused(format('SELECT count(*) FROM recall.purge_before(%s, NULL)', :tenant), '22023', 'the instant null is not past',
	'Give the one before which data is not needed any more, such as now() - interval ''6 months''.', 'no instant');
SELECT t.refused(format('SELECT count(*) FROM recall.purge_before(%s, %L)', :tenant, x.at), '22023', format('the instant %s is not past', x.at::timestamptz),
	'Give the one before which data is not needed any more, such as now() - interval ''6 months''.', 'an instant to come: ' || x.at) FROM (VALUES ('infinity'), ('2999-01-01 00:00:00+00')) AS x(at);
SELECT t.refused(format('SELECT count(*) FROM recall.purge_before(%s, now(), max_batches => 0)', :tenant), '22023', 'max_batches 0 is out of range', 'It is 1 or more, or null for all.', 'no batches');
SELECT t.denied(format('SELECT recall.purge_batch(%s, 77)', :tenant), format('batch 77 of tenant %s', :tenant), 'no batch');
SELECT t.denied(format('SELECT recall.purge_batch(%s, NULL)', :tenant), format('batch null of tenant %s', :tenant), 'null');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
