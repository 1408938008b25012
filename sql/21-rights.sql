/*
 * Who may do what. The identity is the role that the caller is now (SET ROLE counts), never a setting. What
 * does not exist, belongs to another tenant, or lacks the right gives one and the same error.
 */

CREATE FUNCTION recall._caller() RETURNS oid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_caller';
COMMENT ON FUNCTION recall._caller() IS
'The role that the caller is now, also inside SECURITY DEFINER functions. Errors: 42501 where nobody calls: in a materialized view or an index expression that is being maintained.';

CREATE FUNCTION recall._is_owner() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_is_owner';
COMMENT ON FUNCTION recall._is_owner() IS
'Whether the caller has the rights of the extension''s owner, as superusers do.';

CREATE FUNCTION recall._has_right(tenant_id int, required recall.privilege) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_has_right';
COMMENT ON FUNCTION recall._has_right(int, recall.privilege) IS
'Whether the caller has a right in a tenant. The owner has every right in every tenant that exists. Raises 55000 while a bulk source is read, but for the right "read".';

/* The first query of a session that uses a view loads the library by this, while it is planned. */
CREATE FUNCTION recall._guard_plan(internal) RETURNS internal
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_guard_plan';
COMMENT ON FUNCTION recall._guard_plan(internal) IS
'Planner support for what the views call. It sees to it that EXPLAIN and debug_print_plan show a plan over the tables to those only who may read the tables, and that what a view reads is read along indexes, so that no condition of the reader''s is asked of another tenant''s row.';

CREATE FUNCTION recall._plan_view() RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_plan_view';
COMMENT ON FUNCTION recall._plan_view() IS
'True. Each view joins it, and the planner calls it before anything else of the view: that the view is read along indexes, and without the values of statistics, is settled then. Called alone it does no harm.';

CREATE FUNCTION recall._readable_tenants() RETURNS SETOF int
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10 SUPPORT recall._guard_plan AS 'MODULE_PATHNAME', 'recall_readable_tenants';
COMMENT ON FUNCTION recall._readable_tenants() IS
'The tenants in which the caller has the right "read": what the views show; 0 for the owner of the extension, whose is what the audit has of no tenant.';

CREATE FUNCTION recall._require(tenant_id int, required recall.privilege) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require';
COMMENT ON FUNCTION recall._require(int, recall.privilege) IS
'Raises 42501 unless the caller has the right in the tenant; 55000 while a bulk source is read, but for the right "read"; true.';

CREATE FUNCTION recall._require_no_source() RETURNS void
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require_no_source_sql';
COMMENT ON FUNCTION recall._require_no_source() IS
'Raises 55000 while a bulk source is read, where nothing may be changed: the statement that reads it would not see that.';

CREATE FUNCTION recall._require_owner() RETURNS void
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require_owner';
COMMENT ON FUNCTION recall._require_owner() IS
'Raises 42501 unless the caller has the rights of the extension''s owner; 55000 while a bulk source is read.';

CREATE FUNCTION recall._log(
	tenant_id int, kind text, record_id text, action text,
	from_state text DEFAULT NULL, to_state text DEFAULT NULL, detail jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, from_state, to_state, detail)
	VALUES (tenant_id, pg_get_userbyid(recall._caller()), kind, record_id, action, from_state, to_state, detail);
END $$;
COMMENT ON FUNCTION recall._log(int, text, text, text, text, text, jsonb) IS
'Appends what the caller did to the audit.';

CREATE FUNCTION recall._next_id(tenant_id int, kind text, how_many bigint DEFAULT 1) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	first_id bigint;
BEGIN
	INSERT INTO recall.counter AS c (tenant_id, kind, last_id)
	VALUES (tenant_id, kind, how_many)
	ON CONFLICT (tenant_id, kind) DO UPDATE SET last_id = c.last_id + excluded.last_id
	RETURNING c.last_id - how_many + 1 INTO first_id;
	RETURN first_id;
END $$;
COMMENT ON FUNCTION recall._next_id(int, text, bigint) IS
'Takes ids from the tenant''s counter and returns the first of them.';

/*
 * The functions and views that a member may use; what a function then allows depends on the rights in the tenant.
 * Issuing tokens is for those to whom the owner grants just that function.
 */
CREATE FUNCTION recall._member_objects(OUT kind text, OUT identity text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'FUNCTION', p.oid::regprocedure::text
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND p.prokind = 'f' AND p.proname !~ '^_' AND p.proname <> 'issue_token'
	UNION ALL
	/* What the views call. */
	SELECT 'FUNCTION', p.oid::regprocedure::text
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace
	AND p.proname IN ('_readable_tenants', '_sees_numbers', '_show_number', '_show_text', '_mask_number', '_mask_numbers')
	UNION ALL
	SELECT 'TABLE', c.oid::regclass::text
	FROM pg_catalog.pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v' AND c.relname !~ '^_'
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION recall._member_objects() IS
'The public functions and views: what a role gets EXECUTE and SELECT on when it becomes a member of a tenant.';

CREATE FUNCTION recall._grant_objects(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	object record;
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA recall TO %s', role);
	FOR object IN SELECT * FROM recall._member_objects() LOOP
		EXECUTE format('GRANT %s ON %s %s TO %s',
			CASE object.kind WHEN 'TABLE' THEN 'SELECT' ELSE 'EXECUTE' END, object.kind, object.identity, role);
	END LOOP;
END $$;
COMMENT ON FUNCTION recall._grant_objects(regrole) IS
'Gives a role the schema, the public functions and the public views.';

CREATE FUNCTION recall._revoke_objects(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	object record;
BEGIN
	FOR object IN SELECT * FROM recall._member_objects() LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', object.kind, object.identity, role);
	END LOOP;
	IF NOT recall._is_scheduler(role) THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA recall FROM %s', role);
	END IF;
END $$;
COMMENT ON FUNCTION recall._revoke_objects(regrole) IS
'Takes back what _grant_objects() gave, but for the schema from a role that schedules.';

CREATE FUNCTION recall._lock(kind text, tenant_id int, id bigint, alone boolean, waits boolean) RETURNS boolean
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_lock';
COMMENT ON FUNCTION recall._lock(text, int, bigint, boolean, boolean) IS
'Locks something until the end of the transaction, alone or together with others, and tells whether it got the lock, for which it may wait. Nobody else can take such a lock, or tell from pg_locks what is locked.';

CREATE FUNCTION recall._lock_grants() RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	SELECT recall._lock('grants', 0, 0, true, true);
END;
COMMENT ON FUNCTION recall._lock_grants() IS
'Lets rights be given and taken by one transaction at a time: two that GRANT on one object at once fail.';

CREATE FUNCTION recall._member_rights(tenant_id int, role regrole) RETURNS recall.privilege[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce((SELECT m.rights FROM recall.member m
		WHERE m.tenant_id = _member_rights.tenant_id AND m.role = _member_rights.role), '{}');
END;
COMMENT ON FUNCTION recall._member_rights(int, regrole) IS 'The rights that a role itself has in a tenant.';

CREATE FUNCTION recall.grant_privilege(tenant_id int, role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	old recall.privilege[];
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._require(grant_privilege.tenant_id, 'manage');
	PERFORM recall._check_rights(role, rights);
	PERFORM recall._lock_grants();
	PERFORM recall._check_not_pool(role);

	old := recall._member_rights(grant_privilege.tenant_id, grant_privilege.role);
	INSERT INTO recall.member AS m (tenant_id, role, rights)
	VALUES (grant_privilege.tenant_id, grant_privilege.role, recall._sorted_rights(grant_privilege.rights))
	ON CONFLICT (tenant_id, role) DO UPDATE
	SET rights = recall._sorted_rights(m.rights || excluded.rights);

	PERFORM recall._grant_objects(grant_privilege.role);
	PERFORM recall._log(grant_privilege.tenant_id, 'member', grant_privilege.role::text, 'grant',
		detail => jsonb_build_object('rights', grant_privilege.rights, 'from', old,
			'to', recall._member_rights(grant_privilege.tenant_id, grant_privilege.role)));
END $$;
COMMENT ON FUNCTION recall.grant_privilege(int, regrole, recall.privilege[]) IS
'Gives a role, and those that inherit it, rights in a tenant, with USAGE on the schema, EXECUTE on the public functions and SELECT on the public views. Right: the extension''s owner. Errors: 42501; 22023 no rights, too many, or no such role; 55000 it is a pool, or a pool inherits it.';

CREATE FUNCTION recall.revoke_privilege(tenant_id int, role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	old recall.privilege[];
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._require(revoke_privilege.tenant_id, 'manage');
	PERFORM recall._check_rights(role, rights);
	PERFORM recall._lock_grants();

	old := recall._member_rights(revoke_privilege.tenant_id, revoke_privilege.role);
	DELETE FROM recall.member m
	WHERE m.tenant_id = revoke_privilege.tenant_id AND m.role = revoke_privilege.role
	AND m.rights <@ revoke_privilege.rights;

	UPDATE recall.member m
	SET rights = ARRAY(SELECT r FROM unnest(m.rights) r WHERE r <> ALL (revoke_privilege.rights))
	WHERE m.tenant_id = revoke_privilege.tenant_id AND m.role = revoke_privilege.role;

	IF NOT EXISTS (SELECT FROM recall.member m WHERE m.role = revoke_privilege.role)
		AND NOT EXISTS (SELECT FROM recall.pool p WHERE p.role = revoke_privilege.role) THEN
		PERFORM recall._revoke_objects(revoke_privilege.role);
	END IF;
	PERFORM recall._log(revoke_privilege.tenant_id, 'member', revoke_privilege.role::text, 'revoke',
		detail => jsonb_build_object('rights', revoke_privilege.rights, 'from', old,
			'to', recall._member_rights(revoke_privilege.tenant_id, revoke_privilege.role)));
END $$;
COMMENT ON FUNCTION recall.revoke_privilege(int, regrole, recall.privilege[]) IS
'Takes rights in a tenant from a role; with its last right anywhere it loses the schema too. Right: the extension''s owner. Errors: 42501; 22023 no rights, too many, or no such role.';

CREATE FUNCTION recall._sorted_rights(rights recall.privilege[]) RETURNS recall.privilege[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.array_agg(DISTINCT r ORDER BY r) FROM pg_catalog.unnest(rights) r;
END;
COMMENT ON FUNCTION recall._sorted_rights(recall.privilege[]) IS 'Rights in their order, each once.';

CREATE FUNCTION recall._check_rights(role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', coalesce(role::text, 'null')),
			'Rights are given to a role of this cluster; PUBLIC can have none.');
	END IF;
	IF cardinality(rights) > 100 THEN
		PERFORM recall._invalid('too many rights are named', 'Name each once, of: read, manage, recycle, dial.');
	END IF;
	IF coalesce(cardinality(rights), 0) = 0 OR array_ndims(rights) > 1 OR array_position(rights, NULL) IS NOT NULL THEN
		PERFORM recall._invalid('no rights are named', 'Name some of: read, manage, recycle, dial.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_rights(regrole, recall.privilege[]) IS
'Raises 22023 unless the role exists and 1 to 100 rights are named.';

