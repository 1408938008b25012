/* Failure causes: the catalogue, which is in C, and the outside codes that stand for them, which are data. */

CREATE FUNCTION recall._nearest(word text, known text[]) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_nearest';
COMMENT ON FUNCTION recall._nearest(text, text[]) IS
'The known word nearest to a mistyped one, for hints; NULL when none is near enough to be meant.';

CREATE FUNCTION recall.failure_causes(
	OUT cause recall.failure_cause, OUT class text, OUT nature text, OUT counts_as_attempt boolean, OUT description text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 33
AS 'MODULE_PATHNAME', 'recall_list_failure_causes';
COMMENT ON FUNCTION recall.failure_causes() IS
'The catalogue of failure causes, a row each, in its order: class as in "class network" of a policy; nature temporary, permanent or config (somebody has to mend the set-up); counts_as_attempt false where a call does not count for "max" and "limit n" of a policy.';
