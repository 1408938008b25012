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

CREATE FUNCTION recall._is_longer(value text, most int) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_is_longer_sql';
COMMENT ON FUNCTION recall._is_longer(text, int) IS
'Whether a text has more than so many characters. Those of a very long one are not counted, which could not be cancelled.';

CREATE FUNCTION recall._check_length(value text, fault text, most int, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_length';
COMMENT ON FUNCTION recall._check_length(text, text, int, bigint) IS 'The text. Raises 22023, with the fault in words, when it has more than so many characters.';

CREATE FUNCTION recall._check_size(value jsonb, fault text, most int, source_row bigint DEFAULT 0) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_size';
COMMENT ON FUNCTION recall._check_size(jsonb, text, int, bigint) IS 'The document. Raises 22023, with the fault in words, when it takes more than so many bytes, as it is stored before compression.';

