/*
 * Telephone numbers that are not shown whole: in errors, which the server's log keeps, to nobody; in what people look
 * at, to whoever only reads.
 */

CREATE FUNCTION recall._mask_number(number text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_number_sql';
COMMENT ON FUNCTION recall._mask_number(text) IS
'What is meant to be a number, with all digits but the first two and the last two as "*"; up to 40 characters of it.';

CREATE FUNCTION recall._mask_numbers(what text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_text';
COMMENT ON FUNCTION recall._mask_numbers(text) IS
'A text in which of each run of seven digits or more all but the first two and the last two are "*".';

CREATE FUNCTION recall._mask_numbers(what jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_jsonb';
COMMENT ON FUNCTION recall._mask_numbers(jsonb) IS 'A value in whose strings the numbers are masked so.';

CREATE FUNCTION recall._show_number(tenant_id int, number text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_number';
COMMENT ON FUNCTION recall._show_number(int, text) IS
'A number as the caller may see it: whole with the right to dial or manage in the tenant, else masked.';

CREATE FUNCTION recall._show_text(tenant_id int, what text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_text';
COMMENT ON FUNCTION recall._show_text(int, text) IS 'A text that may mention numbers, as the caller may see it.';

CREATE FUNCTION recall._show_text(tenant_id int, what jsonb) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_jsonb';
COMMENT ON FUNCTION recall._show_text(int, jsonb) IS 'A value that may mention numbers, as the caller may see it.';

CREATE FUNCTION recall._tenants_with_numbers() RETURNS SETOF int
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.tenant_id FROM recall.tenant t
	WHERE recall._has_right(t.tenant_id, 'read')
	AND (recall._has_right(t.tenant_id, 'dial') OR recall._has_right(t.tenant_id, 'manage'));
END;
COMMENT ON FUNCTION recall._tenants_with_numbers() IS
'The tenants of those that the caller may read in which it sees numbers whole.';

CREATE FUNCTION recall._tenants_without_numbers() RETURNS SETOF int
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.tenant_id FROM recall.tenant t
	WHERE recall._has_right(t.tenant_id, 'read')
	AND NOT (recall._has_right(t.tenant_id, 'dial') OR recall._has_right(t.tenant_id, 'manage'));
END;
COMMENT ON FUNCTION recall._tenants_without_numbers() IS
'The tenants of those that the caller may read in which it sees numbers masked.';
