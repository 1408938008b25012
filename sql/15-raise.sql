/* The refusals, one for each SQLSTATE; they carry a hint and no CONTEXT. */

CREATE FUNCTION recall._deny(what text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_deny';
COMMENT ON FUNCTION recall._deny(text) IS
'Raises 42501: the one error for what is missing, foreign or not allowed.';

CREATE FUNCTION recall._refuse(message text, hint text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_refuse';
COMMENT ON FUNCTION recall._refuse(text, text) IS 'Raises 55000: a gate is shut.';

CREATE FUNCTION recall._invalid(message text, hint text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_invalid';
COMMENT ON FUNCTION recall._invalid(text, text) IS 'Raises 22023: a value is out of its range.';

