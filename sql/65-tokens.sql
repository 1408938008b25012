/*
 * Pooled applications: they connect as one role for all tenants, a pool, which has no right of its own. Each
 * transaction enters a tenant with a token that somebody with rights there has issued for that role. src/seal.c
 * signs and reads tokens, src/entry.c keeps what was entered.
 */

/* Pools */

CREATE FUNCTION recall._check_not_pool(role regrole) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM recall.pool p JOIN pg_roles r ON r.oid = p.role
		WHERE pg_has_role(p.role, _check_not_pool.role, 'USAGE')) THEN
		PERFORM recall._refuse(format('role %s is a pool, or a pool inherits it', role),
			'A pool has no right of its own: it enters a tenant with a token. Give the right to another role.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_not_pool(regrole) IS 'Raises 55000 when a pool would have what the role is given.';

CREATE FUNCTION recall._check_powerless(role regrole) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', coalesce(role::text, 'null')), 'A pool is a role of this cluster, not PUBLIC.');
	END IF;
	IF EXISTS (SELECT FROM recall.member m JOIN pg_roles r ON r.oid = m.role
			WHERE pg_has_role(_check_powerless.role, m.role, 'USAGE'))
		OR EXISTS (SELECT FROM pg_extension e
			WHERE e.extname = 'recall' AND pg_has_role(_check_powerless.role, e.extowner, 'USAGE')) THEN
		PERFORM recall._refuse(format('role %s has rights of its own', role),
			'A pool must see nothing until it has entered a tenant: take a role that is no member, inherits none, and is no superuser.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_powerless(regrole) IS
'Raises 22023 unless the role exists, 55000 when it has a right in any tenant.';

CREATE FUNCTION recall.admit_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	PERFORM recall._check_powerless(admit_pool.role);
	INSERT INTO recall.pool (role, admitted_by, admitted_at)
	VALUES (admit_pool.role, pg_get_userbyid(recall._caller()), clock_timestamp())
	ON CONFLICT (role) DO NOTHING;
	PERFORM recall._log(0, 'pool', admit_pool.role::text, 'admit', CASE WHEN NOT FOUND THEN 'admitted' END, 'admitted');
	PERFORM recall._grant_objects(admit_pool.role);
END $$;
COMMENT ON FUNCTION recall.admit_pool(regrole) IS
'Lets a role enter tenants with tokens: it gets USAGE on the schema, EXECUTE on the public functions and SELECT on the public views, and no right in any tenant. Right: the extension''s owner. Errors: 42501; 22023 no such role; 55000 the role has rights of its own.';

CREATE FUNCTION recall.dismiss_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old recall.pool;
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	DELETE FROM recall.pool p WHERE p.role = dismiss_pool.role RETURNING * INTO old;
	IF NOT FOUND THEN
		PERFORM recall._invalid(format('role %s is no pool', role), 'Pools are admitted with recall.admit_pool().');
	END IF;
	PERFORM recall._revoke_objects(dismiss_pool.role);
	PERFORM recall._log(0, 'pool', dismiss_pool.role::text, 'dismiss', 'admitted', 'dismissed', to_jsonb(old) - 'role');
END $$;
COMMENT ON FUNCTION recall.dismiss_pool(regrole) IS
'Takes from a pool what recall.admit_pool() gave; its tokens are void at once. Right: the extension''s owner. Errors: 42501; 22023 the role is no pool.';

/* Keys */

CREATE FUNCTION recall.rotate_token_key(grace interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_key bigint := recall._new_token();
BEGIN
	PERFORM recall._require_owner();
	IF (grace BETWEEN '0' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('grace %s is out of range', coalesce(grace::text, 'null')),
			'Tokens that were issued before can be good for up to an hour more.');
	END IF;
	LOCK TABLE recall.token_key IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM recall.token_key k WHERE grace = '0' OR k.valid_until <= clock_timestamp();
	UPDATE recall.token_key k SET valid_until = least(k.valid_until, clock_timestamp() + grace);
	INSERT INTO recall.token_key (key_id, secret, made_by, made_at)
	VALUES (new_key, recall._new_key(), pg_get_userbyid(recall._caller()), clock_timestamp());
	PERFORM recall._log(0, 'token_key', new_key::text, 'rotate', detail => jsonb_build_object('grace', grace));
END $$;
COMMENT ON FUNCTION recall.rotate_token_key(interval) IS
'Makes a new key to sign tokens with. Those that were issued before are void at once, or good for at most the grace, up to 1 hour; what has been entered stays so until its transaction or its token ends. Right: the extension''s owner. Errors: 42501; 22023 grace out of range.';

INSERT INTO recall.token_key (key_id, secret, made_by, made_at)
VALUES (recall._new_token(), recall._new_key(), current_user, pg_catalog.clock_timestamp());

/* Tokens */

CREATE FUNCTION recall._is_entered() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_is_entered';
COMMENT ON FUNCTION recall._is_entered() IS
'Whether the caller has entered a tenant with a token in this transaction.';

CREATE FUNCTION recall._sign_token(tenant_id int, role regrole, rights recall.privilege[], until timestamptz, subject text)
RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_sign_token';
COMMENT ON FUNCTION recall._sign_token(int, regrole, recall.privilege[], timestamptz, text) IS
'Signs a token. Works with the rights of the extension''s owner only. Errors: 42501; 55000 there is no key.';

CREATE FUNCTION recall._pool_for(role regrole) RETURNS regrole
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pools regrole[] := ARRAY(SELECT p.role FROM recall.pool p WHERE p.role = coalesce(_pool_for.role, p.role) LIMIT 2);
BEGIN
	IF cardinality(pools) = 0 THEN
		PERFORM recall._invalid(
			CASE WHEN role IS NULL THEN 'there is no pool' ELSE format('role %s is no pool', role) END,
			'A token is for a role that recall.admit_pool() has admitted.');
	ELSIF cardinality(pools) > 1 THEN
		PERFORM recall._invalid('there are several pools', 'Name the role that may use the token.');
	END IF;
	RETURN pools[1];
END $$;
COMMENT ON FUNCTION recall._pool_for(regrole) IS
'The pool that a token is for: the one that is named, or the only one there is. Errors: 22023 it is none, or there are several.';

CREATE FUNCTION recall._check_token(valid_for interval, subject text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (valid_for BETWEEN '1 s' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('valid_for %s is out of range', coalesce(valid_for::text, 'null')),
			'A token is valid for 1 second to 1 hour.');
	END IF;
	IF subject = '' OR recall._is_longer(subject, 200) THEN
		PERFORM recall._invalid('invalid subject of a token', 'A subject has 1 to 200 characters.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_token(interval, text) IS
'Raises 22023 unless the lifetime and the subject of a token are in range; a null subject passes.';

CREATE FUNCTION recall.issue_token(
	tenant_id int, rights recall.privilege[], valid_for interval DEFAULT '5 min', subject text DEFAULT NULL,
	role regrole DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	until timestamptz;
	pool regrole;
BEGIN
	IF recall._is_entered() THEN
		PERFORM recall._deny('issuing a token with the rights of another');
	END IF;
	pool := recall._pool_for(role);
	PERFORM recall._check_rights(pool, rights);
	PERFORM recall._require(tenant_id, r) FROM unnest(rights) r;
	PERFORM recall._check_token(valid_for, subject);

	until := clock_timestamp() + valid_for;
	PERFORM recall._log(tenant_id, 'token', pool::text, 'issue', detail => jsonb_build_object(
		'rights', recall._sorted_rights(rights), 'until', until, 'subject', subject));
	RETURN recall._sign_token(tenant_id, pool, recall._sorted_rights(rights), until, coalesce(subject, ''));
END $$;
COMMENT ON FUNCTION recall.issue_token(int, recall.privilege[], interval, text, regrole) IS
'Issues a token with which a pool can enter the tenant: role, when null the only pool there is. valid_for: 1 s to 1 hour; subject: on whose behalf, 1 to 200 characters, for the audit. Right: each of the rights that the token is to have, and EXECUTE on this function, which no member is given by itself. Errors: 42501, also in a transaction that has entered with a token; 22023 no rights, a parameter out of range, no such pool; 55000 there is no key.';

CREATE FUNCTION recall.enter(token text) RETURNS int
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'recall_enter';
COMMENT ON FUNCTION recall.enter(text) IS
'Enters the token''s tenant until the transaction ends, or the savepoint is rolled back in which this was called, and returns the tenant''s id. While it lasts the caller, as the role that it is now, has the token''s rights there and no others; once the token is over, none. A token for the same tenant takes the place of an earlier one. Changes nothing in the database, so it works on a standby too. Right: to be the pool for which the token was issued, or inherit it. Errors: 42501 a null, changed or ended token, or one for another role or database; 55000 another tenant was entered in this transaction, also in what was rolled back of it; a bulk source is being read.';
