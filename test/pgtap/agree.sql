-- Preview, processor, explain and simulate give one answer, contact by contact: random campaigns under policies that
-- use the whole language. Another run: psql -v seed=0.7 -f agree.sql
BEGIN;
\ir helpers.psql
SELECT no_plan();
\if :{?seed}
\else
\set seed 0.42
\endif
SELECT diag('seed ' || :'seed');
SELECT setseed(:seed) AS seeded \gset
SET LOCAL TimeZone = 'UTC';

-- Numbers that several contacts share, so that "per number" counts something.
CREATE FUNCTION t.some_numbers() RETURNS text[] LANGUAGE sql VOLATILE AS $$
	SELECT array_agg(t.number(n)) FROM (SELECT DISTINCT floor(random() * 60)::int AS n FROM generate_series(1, 1 + floor(random() * 3)::int)) s
$$;

CREATE FUNCTION t.random_campaign(contacts int, policy recall.policy, hours recall.calling_hours, OUT tenant int, OUT task bigint, OUT batch bigint)
LANGUAGE plpgsql AS $$
BEGIN
	tenant := recall.create_tenant('Random', 'Europe/Berlin', recycle_limit => 25);
	PERFORM recall.create_business_result(tenant, code, code) FROM unnest('{callback,sold,refused}'::text[]) code;
	task := recall.create_task(tenant, 'Random', 'predicted', policy, hours);
	PERFORM recall.create_batch(tenant, task, n::text) FROM generate_series(1, 2) n;
	batch := 1;
	PERFORM recall.start_task(tenant, task);
	PERFORM recall.start_batch(tenant, b) FROM generate_series(1, 2) b;
	PERFORM recall.add_contact(tenant, 1 + n % 2, t.some_numbers(),
		(ARRAY['America/New_York', 'Asia/Kolkata', NULL])[1 + floor(random() * 3)]) FROM generate_series(1, 2 * contacts) n;
	CREATE TEMPORARY TABLE made AS
	SELECT c.contact_id, c.numbers[1 + floor(random() * cardinality(c.numbers))] AS number,
		CASE WHEN random() < 0.8 THEN (ARRAY['busy', 'busy', 'no_answer', 'no_answer', 'machine', 'agent_failure', 'unallocated', 'unknown'])[1 + floor(random() * 8)] END::recall.failure_cause AS failure_cause,
		(ARRAY['callback', 'sold', 'refused', NULL, NULL, NULL, NULL])[1 + floor(random() * 7)] AS business_result,
		s.started_at, s.started_at + random() * interval '10 min' AS ended_at
	FROM recall.contact c, generate_series(1, (c.contact_id * 7919 % 6)::int) k, LATERAL (SELECT now() - interval '11 min' - random() * interval '9 days' * (k > 0)::int AS started_at) s
	WHERE c.tenant_id = random_campaign.tenant;
	PERFORM recall.record_calls(tenant, 'made');
	DROP TABLE made;
	PERFORM recall.suppress(tenant, t.number(n), task_id => CASE WHEN n < 5 THEN task END) FROM generate_series(1, 9) n;
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, state, number)
	SELECT tenant, 9, c.contact_id, random_campaign.task, c.batch_id, now(), 0, 'ready', c.numbers[1] FROM recall.contact c
	WHERE c.tenant_id = random_campaign.tenant AND random() < 0.1
	ON CONFLICT DO NOTHING;
END $$;

CREATE FUNCTION t.trial(policy recall.policy, hours recall.calling_hours) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	record bigint;
BEGIN
	SELECT * INTO c FROM t.random_campaign(60, policy, hours);
	CREATE TEMPORARY TABLE explained AS
	SELECT k.contact_id, split_part(e.detail, ':', 1) AS verdict, e.detail
	FROM recall.contact k, LATERAL (SELECT detail FROM recall.explain(c.tenant, k.contact_id) ORDER BY step DESC LIMIT 1) e
	WHERE k.tenant_id = c.tenant AND k.batch_id = c.batch;
	CREATE TEMPORARY TABLE previewed AS SELECT * FROM recall.preview(c.tenant, c.batch);
	CREATE TEMPORARY TABLE simulated AS SELECT * FROM recall.simulate(c.tenant, c.batch, policy);
	record := recall.recycle(c.tenant, c.batch);
	PERFORM t.tick();

	RETURN NEXT set_eq('SELECT outcome, verdict, reason, contacts, earliest FROM simulated', 'SELECT * FROM previewed', format('simulate and preview: %s', policy));
	RETURN NEXT results_eq(
		$q$SELECT CASE verdict WHEN 'over_cap' THEN 'recall' ELSE verdict END AS v, sum(contacts)::bigint FROM previewed GROUP BY 1 ORDER BY 1$q$,
		'SELECT verdict, count(*) FROM explained GROUP BY 1 ORDER BY 1', 'preview and explain: the verdicts');
	RETURN NEXT is((SELECT format('%s %s', matched, emitted) FROM recall.recycle_record WHERE tenant_id = c.tenant),
		(SELECT format('%s %s', coalesce(sum(contacts) FILTER (WHERE verdict IN ('recall', 'over_cap')), 0), coalesce(sum(contacts) FILTER (WHERE verdict = 'recall'), 0)) FROM previewed), 'preview and processor: the counts');
	RETURN NEXT is_empty(format(
		$q$SELECT d.contact_id, d.number, d.due_at, e.detail FROM recall.dial d JOIN explained e USING (contact_id)
			CROSS JOIN LATERAL (SELECT coalesce(k.time_zone, 'Europe/Berlin') AS zone FROM recall.contact k WHERE k.tenant_id = d.tenant_id AND k.contact_id = d.contact_id) z
			WHERE d.tenant_id = %s AND d.recycle_id = %s
			AND (e.verdict <> 'recall' OR position(format('; %%s, ', d.number) IN e.detail) = 0 OR e.detail NOT LIKE '%%' || recall._local_time(d.due_at, z.zone))$q$, c.tenant, record),
		'processor and explain: number and due time of each permit');
	RETURN NEXT is((SELECT count(*) FROM recall.dial d JOIN explained e USING (contact_id) WHERE d.tenant_id = c.tenant AND d.recycle_id = record AND e.verdict = 'recall'),
		(SELECT emitted FROM recall.recycle_record WHERE tenant_id = c.tenant), 'and each permit is one of those');
	INSERT INTO seen SELECT * FROM explained;
	DROP TABLE explained, previewed, simulated;
END $$;

CREATE TEMPORARY TABLE seen (contact_id bigint, verdict text, detail text);
SELECT t.trial(policy::recall.policy, hours::recall.calling_hours) FROM (VALUES
	('failed', NULL),
	('result refused, sold never; busy after 10 min, 1 h max 2 next number; failed max 3; result callback after 1 day; limit 4', 'Mo-Fr 09:00-20:00; Sa 10:00-14:00'),
	('failed next number; unknown; limit 3 per 24 h; limit 2 per day; quiet 7 days after answered', 'Mo-Su 08:00-21:00'),
	('class busy, no_answer next number; answered; limit 4 per number; limit 2 per 24 h per number; limit 1 per day per number; quiet 3 days after result sold per number', NULL),
	('failed; answered; limit 9', '2001 Dec 25 09:00-17:00'),
	('result callback, refused after 2 h max 1; failed after 30 min; class unknown never; unallocated never; limit 6 per 3 days per number', 'Mo-Fr 09:00-12:00,14:00-18:00')) AS v(policy, hours);
SELECT cmp_ok((SELECT count(*) FROM seen WHERE verdict = v), '>', 3::bigint, format('%s occurred', v))
FROM unnest('{recall,queued,done,stopped,exhausted,suppressed,closed,new}'::text[]) v;

SELECT * FROM finish();
ROLLBACK;
