/* Hours in which one may call: the type, and the questions that can be asked of it. */

CREATE TYPE recall.calling_hours;

CREATE FUNCTION recall._calling_hours_in(cstring) RETURNS recall.calling_hours
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_in';
COMMENT ON FUNCTION recall._calling_hours_in IS
'Input of recall.calling_hours. 22P02 with the position where the text stops being calling hours, 54000 when they are too large.';

CREATE FUNCTION recall._calling_hours_out(recall.calling_hours) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_out';
COMMENT ON FUNCTION recall._calling_hours_out IS
'Output of recall.calling_hours: canonical text, which reads back as the same value.';

CREATE FUNCTION recall._calling_hours_recv(internal) RETURNS recall.calling_hours
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_recv';
COMMENT ON FUNCTION recall._calling_hours_recv IS
'Binary input of recall.calling_hours: a version byte and the text. 22P03 for an unknown version; otherwise as the text input.';

CREATE FUNCTION recall._calling_hours_send(recall.calling_hours) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_send';
COMMENT ON FUNCTION recall._calling_hours_send IS
'Binary output of recall.calling_hours: a version byte and the canonical text.';

CREATE TYPE recall.calling_hours (
	INPUT = recall._calling_hours_in,
	OUTPUT = recall._calling_hours_out,
	RECEIVE = recall._calling_hours_recv,
	SEND = recall._calling_hours_send,
	STORAGE = extended,
	ALIGNMENT = int4);
COMMENT ON TYPE recall.calling_hours IS
'Hours in which one may call, such as "Mo-Fr 09:00-20:00; Sa 10:00-14:00; Dec 25 off; PH off" or "24/7": a subset of OpenStreetMap opening_hours, specification 0.7 (https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification). Days, times and dates of the callee''s clock; a later rule replaces earlier ones on the days it names. At most 64 rules, 4096 bytes stored. Errors: 22P02 with the position, 54000 when too large.';

CREATE FUNCTION recall._calling_hours_eq(recall.calling_hours, recall.calling_hours) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_eq';
COMMENT ON FUNCTION recall._calling_hours_eq IS
'Are both calling hours written the same in canonical form?';

CREATE FUNCTION recall._calling_hours_ne(recall.calling_hours, recall.calling_hours) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_ne';
COMMENT ON FUNCTION recall._calling_hours_ne IS
'Do the calling hours differ in canonical form?';

CREATE FUNCTION recall._calling_hours_hash(recall.calling_hours) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_hash';
COMMENT ON FUNCTION recall._calling_hours_hash IS
'Hash of calling hours, for the hash operator class.';

CREATE FUNCTION recall._calling_hours_hash_extended(recall.calling_hours, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_hash_extended';
COMMENT ON FUNCTION recall._calling_hours_hash_extended IS
'Seeded 64-bit hash of calling hours, for the hash operator class.';

/* Operators are in pg_catalog, which no search_path leaves out: a value type must be comparable everywhere. */

CREATE OPERATOR pg_catalog.= (
	LEFTARG = recall.calling_hours, RIGHTARG = recall.calling_hours, FUNCTION = recall._calling_hours_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
COMMENT ON OPERATOR pg_catalog.= (recall.calling_hours, recall.calling_hours) IS
'Are both calling hours written the same in canonical form?';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = recall.calling_hours, RIGHTARG = recall.calling_hours, FUNCTION = recall._calling_hours_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR pg_catalog.<> (recall.calling_hours, recall.calling_hours) IS
'Do the calling hours differ in canonical form?';

CREATE OPERATOR CLASS recall.calling_hours_ops
DEFAULT FOR TYPE recall.calling_hours USING hash AS
	OPERATOR 1 pg_catalog.= (recall.calling_hours, recall.calling_hours),
	FUNCTION 1 recall._calling_hours_hash(recall.calling_hours),
	FUNCTION 2 recall._calling_hours_hash_extended(recall.calling_hours, bigint);
COMMENT ON OPERATOR CLASS recall.calling_hours_ops USING hash IS
'Equality of calling hours for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall.is_open(calling_hours recall.calling_hours, time_zone text, at timestamptz, holidays date[] DEFAULT NULL)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_is_open';
COMMENT ON FUNCTION recall.is_open IS
'Does the clock of the time zone show, at the instant, a time inside the calling hours? Null hours are always open; null for a null zone or instant and for an infinite instant. holidays are the dates that PH stands for, up to 10 000, else 22023 where the hours name PH. time_zone is a name of the IANA database, else 22023. Immutable as far as the server''s time zone data are, like timezone(text, timestamptz).';

CREATE FUNCTION recall.next_open(calling_hours recall.calling_hours, time_zone text, at timestamptz, holidays date[] DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_next_open';
COMMENT ON FUNCTION recall.next_open IS
'The first instant, not before "at", that is inside the calling hours by the clock of the time zone; null when there is none within two years (731 days). Null hours are always open and give "at"; null for a null zone or instant and for an infinite instant. holidays are the dates that PH stands for, up to 10 000, else 22023 where the hours name PH. time_zone is a name of the IANA database, else 22023. Immutable as far as the server''s time zone data are, like timezone(text, timestamptz).';

CREATE FUNCTION recall._check_time_zone(time_zone text, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_time_zone';
COMMENT ON FUNCTION recall._check_time_zone IS
'The name of the time zone as the IANA database spells it, when the server knows it; else 22023, with the row of a bulk source when one is named. POSIX rules such as FOO5 are no names.';
