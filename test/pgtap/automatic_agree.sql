-- Automatic recall makes what preview() and the processor's judgement say: random policies, histories and hours, report by report.
-- Another run: psql -v seed=0.7 -f automatic_agree.sql
BEGIN;
\ir helpers.psql
\ir dialer.psql
\ir random_policy.psql
SELECT no_plan();
\if :{?seed}
\else
\set seed 0.42
\endif
SELECT diag('seed ' || :'seed');
SELECT setseed(:seed) AS seeded \gset
SET LOCAL TimeZone = 'UTC';

-- A policy as somebody might write it that may recall automatically.
CREATE FUNCTION t.automatic_policy() RETURNS recall.policy LANGUAGE plpgsql AS $$
DECLARE
	policy recall.policy;
BEGIN
	LOOP
		BEGIN
			policy := pg_temp.random_policy() || '; limit ' || 2 + floor(random() * 6);
			EXIT WHEN (recall._automatic_fault('fixed', policy)).message IS NULL AND EXISTS (SELECT FROM recall.policy_rules(policy) r WHERE NOT r.never);
		EXCEPTION WHEN invalid_text_representation OR program_limit_exceeded THEN
			NULL;
		END;
	END LOOP;
	RETURN policy;
END $$;

-- Numbers that several contacts share, so that "per number" counts something.
CREATE FUNCTION t.some_numbers() RETURNS text[] LANGUAGE sql VOLATILE AS $$
	SELECT array_agg(t.number(n)) FROM (SELECT DISTINCT floor(random() * 12)::int AS n FROM generate_series(1, 1 + floor(random() * 3)::int)) s
$$;
CREATE FUNCTION t.random_tenant(policy recall.policy, hours recall.calling_hours) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	tenant int := recall.create_tenant('Random', 'Europe/Berlin');
BEGIN
	PERFORM recall.create_business_result(tenant, code, code) FROM unnest('{a,A,b,ab,a-b,a--b,never,failed,5,10min,unknown}'::text[]) code;
	PERFORM recall.create_task(tenant, 'Random', 'predicted', policy, hours, auto_recall => true), recall.create_batch(tenant, 1, 'x');
	PERFORM recall.start_task(tenant, 1), recall.start_batch(tenant, 1);
	PERFORM recall.add_contact(tenant, 1, t.some_numbers(), (ARRAY['America/New_York', 'Asia/Kolkata', NULL])[1 + n % 3], floor(random() * 5)::int) FROM generate_series(1, 10) n;
	PERFORM recall.suppress(tenant, t.number(n), task_id => CASE WHEN n = 1 THEN 1 END) FROM generate_series(1, 3) n;
	RETURN tenant;
END $$;

-- What the judgement says of a contact, or of all, if nobody had a permit: asked in a subtransaction that is undone.
CREATE FUNCTION t.judged(tenant int, contact bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	BEGIN
		DELETE FROM recall.dial d WHERE d.tenant_id = judged.tenant;
		SELECT CASE WHEN j.verdict = 'recall' THEN format('%s on %s at %s, priority %s', j.attempts + 1, j.number, j.due_at, j.priority) ELSE j.verdict::text END INTO said
		FROM recall._judge(tenant, 1, (SELECT k.policy FROM recall.task k WHERE k.tenant_id = judged.tenant), now(), 'infinity', contact - 1, contact) j;
		RAISE SQLSTATE 'ZZZZZ';
	EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
		RETURN said;
	END;
END $$;
CREATE FUNCTION t.previewed(tenant int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	BEGIN
		DELETE FROM recall.dial d WHERE d.tenant_id = previewed.tenant;
		SELECT format('%s, the first at %s', coalesce(sum(p.contacts), 0), min(p.earliest)) INTO said FROM recall.preview(tenant, 1) p WHERE p.verdict = 'recall';
		RAISE SQLSTATE 'ZZZZZ';
	EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
		RETURN said;
	END;
END $$;

CREATE TEMPORARY TABLE seen (policy text, contact bigint, permit text, judged text);
-- Ring and report each contact for as long as it has a permit, up to seven times, and compare after each report.
CREATE FUNCTION t.trial(hours recall.calling_hours) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	policy recall.policy := t.automatic_policy();
	tenant int := t.random_tenant(policy, hours);
	c bigint;
	began timestamptz;
	permits text;
BEGIN
	FOR round IN 1 .. 7 LOOP
		FOR c IN SELECT d.contact_id FROM recall.dial d WHERE d.tenant_id = tenant ORDER BY d.contact_id LOOP
			UPDATE recall.dial d SET state = 'claimed', token = c, claimed_at = now(), lease_until = now() + interval '1 h' WHERE d.tenant_id = tenant AND d.contact_id = c;
			began := now() - interval '11 min' - random() * interval '9 days';
			PERFORM recall.report(tenant, c, c, CASE WHEN random() < 0.8 THEN pg_temp.random_member('cause') END::recall.failure_cause,
				CASE WHEN random() < 0.4 THEN trim(pg_temp.random_member('result'), '"') END, began, began + random() * interval '10 min');
			INSERT INTO seen SELECT policy::text, c,
				(SELECT format('%s on %s at %s, priority %s', d.attempt, d.number, d.due_at, d.priority) FROM recall.dial d WHERE d.tenant_id = tenant AND d.contact_id = c AND d.state = 'ready'),
				t.judged(tenant, c);
		END LOOP;
	END LOOP;
	RETURN NEXT is_empty(format('SELECT * FROM seen WHERE policy = %L AND permit IS DISTINCT FROM CASE WHEN judged ~ %L THEN judged END', policy, '^[0-9]'), policy::text);
	/* Where a number's calls by others count, what was said of the first may have changed since. */
	IF NOT recall._has_limits(policy, true) THEN
		SELECT format('%s, the first at %s', count(*), min(d.due_at)) INTO permits FROM recall.dial d WHERE d.tenant_id = tenant;
		RETURN NEXT is(permits, t.previewed(tenant), 'preview() counts as many');
	END IF;
END $$;
SELECT t.trial(hours::recall.calling_hours) FROM unnest('{NULL,Mo-Fr 09:00-20:00; Sa 10:00-14:00,Mo-Su 22:00-02:00,2001 Dec 25 09:00-17:00}'::text[]) hours, generate_series(1, 10);
SELECT cmp_ok((SELECT count(*) FROM seen WHERE permit IS NOT NULL), '>', 100::bigint, 'many were recalled');
SELECT cmp_ok((SELECT count(*) FROM seen WHERE judged = v), '>', 0::bigint, format('%s occurred', v)) FROM unnest('{done,stopped,exhausted,suppressed,closed}'::text[]) v;

SELECT * FROM finish();
ROLLBACK;
