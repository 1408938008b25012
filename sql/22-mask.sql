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
'A text in which of each run of seven digits or more, behind "+" or "00" also in groups, all but the first two and the last two are "*".';

CREATE FUNCTION recall._mask_numbers(what jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_jsonb';
COMMENT ON FUNCTION recall._mask_numbers(jsonb) IS 'A value in whose strings the numbers are masked so.';

CREATE FUNCTION recall._sees_numbers(tenant_id int) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_sees_numbers';
COMMENT ON FUNCTION recall._sees_numbers(int) IS
'Whether the caller sees the numbers of a tenant whole: with the right to dial or manage there.';

CREATE FUNCTION recall._show_number(tenant_id int, number text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_number';
COMMENT ON FUNCTION recall._show_number(int, text) IS
'A number as the caller may see it: whole, or masked.';

CREATE FUNCTION recall._show_text(tenant_id int, what text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_text';
COMMENT ON FUNCTION recall._show_text(int, text) IS 'A text that may mention numbers, as the caller may see it.';

CREATE FUNCTION recall._show_text(tenant_id int, what jsonb) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_jsonb';
COMMENT ON FUNCTION recall._show_text(int, jsonb) IS 'A value that may mention numbers, as the caller may see it.';
