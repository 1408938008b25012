/* From 0.1.0 to 0.2.0. Objects are made plainly; only members of the extension are replaced. */
\echo Use "ALTER EXTENSION recall UPDATE" to load this file. \quit

/* Claiming and reporting need the owner's rights only now and then, and take them then. */
CREATE FUNCTION recall._report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[])
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reports int := cardinality(contact_ids);
	dimensions text := format('[1:%s]', reports);
BEGIN
	IF reports = 0 AND cardinality(tokens) = 0 THEN
		RETURN;
	ELSIF reports > 10000 THEN
		PERFORM recall._invalid(format('%s reports are too many', reports), 'Report up to 10000 calls at a time.');
	ELSIF (array_dims(contact_ids) = dimensions AND array_dims(tokens) = dimensions) IS NOT TRUE
		OR reports <> ANY (ARRAY[cardinality(failure_causes), cardinality(business_results), cardinality(started_at), cardinality(ended_at),
			cardinality(raw_codes), cardinality(agents)])
		OR dimensions <> ANY (ARRAY[array_dims(failure_causes), array_dims(business_results), array_dims(started_at), array_dims(ended_at),
			array_dims(raw_codes), array_dims(agents)])
	THEN
		PERFORM recall._invalid('the arrays of the reports differ in length', 'Each has an element for each report, counted from 1, or is null.');
	END IF;
	RETURN QUERY SELECT r.*
	FROM ROWS FROM (unnest(contact_ids), unnest(recall._report(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at,
		ended_at, raw_codes, agents, true))) r;
END $$;
COMMENT ON FUNCTION recall._report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) IS
'Reports calls of which something is to be asked, or refuses them. Errors as of recall.report_many().';
REVOKE ALL ON FUNCTION recall._report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_claim';

CREATE OR REPLACE FUNCTION recall.report(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text DEFAULT NULL, agent text DEFAULT NULL)
RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report';

CREATE OR REPLACE FUNCTION recall.report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[] DEFAULT NULL, agents text[] DEFAULT NULL)
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_report_many';

CREATE OR REPLACE FUNCTION recall._report(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], tells_row boolean)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	is_automatic boolean := recall._lock_automatic_batches(tenant_id, contact_ids);
	used bigint[];
	i int;
	outcomes text[] := array_fill('recorded'::text, ARRAY[cardinality(contact_ids)]);
BEGIN
	BEGIN
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		IF cardinality(used) < cardinality(contact_ids) THEN
			RAISE object_in_use; -- undo it: what has to do with calls that were made takes other locks first
		END IF;
	EXCEPTION WHEN object_in_use THEN
		PERFORM recall._check_reports(tenant_id, contact_ids, business_results, started_at, ended_at, raw_codes, agents, at, tells_row);
		PERFORM recall._lock_contacts(tenant_id, contact_ids);
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		FOR i IN SELECT g.i FROM generate_series(1, cardinality(contact_ids)) g(i) EXCEPT SELECT u.place FROM unnest(used) u(place) ORDER BY 1 LOOP
			outcomes[i] := recall._report_again(tenant_id, contact_ids[i], tokens[i], failure_causes[i], business_results[i],
				started_at[i], ended_at[i], raw_codes[i], agents[i], at, CASE WHEN tells_row THEN format('report %s: ', i) ELSE '' END);
		END LOOP;
	END;
	IF is_automatic THEN
		PERFORM recall._renew(tenant_id, ARRAY(SELECT contact_ids[u.place] FROM unnest(used) u(place)), at, true);
	END IF;
	RETURN outcomes;
END $$;
