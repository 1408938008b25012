/*
 * Rights on the objects themselves. Nothing is for everybody but the value types and the pure functions on them;
 * recall.grant_privilege() gives a tenant's roles what they need.
 */

DO $$
DECLARE
	grantee text;
BEGIN
	/* Everybody, and whoever the installing role's ALTER DEFAULT PRIVILEGES have given something by now. */
	FOR grantee IN
		SELECT 'PUBLIC'
		UNION
		SELECT acl.grantee::pg_catalog.regrole::text
		FROM (
			SELECT n.nspacl FROM pg_catalog.pg_namespace n WHERE n.nspname = 'recall'
			UNION ALL
			SELECT p.proacl FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
			UNION ALL
			SELECT c.relacl FROM pg_catalog.pg_class c WHERE c.relnamespace = 'recall'::pg_catalog.regnamespace
		) AS object (acl), pg_catalog.aclexplode(object.acl) acl
		WHERE acl.grantee NOT IN (0, acl.grantor)
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL ROUTINES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL TABLES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA recall FROM %s', grantee);
	END LOOP;
END $$;

DO $$
DECLARE
	routine regprocedure;
BEGIN
	/* What the operators, casts (from and to text as well) and operator classes of the value types call, and what has no state behind it; and what the planner calls for each view. */
	FOR routine IN
		SELECT p.oid
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
		AND p.proname IN ('_policy_in', '_policy_out', '_calling_hours_in', '_calling_hours_out', 'policy', '_policy_eq', '_policy_ne', '_policy_hash', '_policy_hash_extended', 'policy_rules',
			'policy_limits', 'matches', 'history', 'judge', '_policy_to_jsonb', '_policy_from_jsonb', '_policy_selector_to_jsonb',
			'_policy_duration', '_policy_check_keys', '_check_size', '_policy_from_scalar', '_policy_from_list',
			'_policy_selector_from_jsonb', '_policy_items', '_nearest', '_calling_hours_eq', '_calling_hours_ne', '_calling_hours_hash',
			'_calling_hours_hash_extended', 'is_open', 'next_open', 'failure_causes', 'failure_cause', 'transition',
			'state_transitions', '_plan_view')
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', routine);
	END LOOP;
END $$;

/*
 * Nobody makes a column, a function or a domain of internal types: an upgrade could not change them then. The row types of tables
 * stay as they are: pg_dump would warn of each.
 */
DO $$
DECLARE
	type regtype;
BEGIN
	FOR type IN
		SELECT t.oid FROM pg_catalog.pg_type t
		WHERE t.typnamespace = 'recall'::pg_catalog.regnamespace AND t.typtype = 'c' AND t.typname ~ '^_'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON TYPE %s FROM PUBLIC', type);
	END LOOP;
END $$;
