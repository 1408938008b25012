/* The state machines of tasks, batches and recycle records; their table is in C. */

CREATE FUNCTION recall.transition(machine text, from_state text, to_state text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_transition';
COMMENT ON FUNCTION recall.transition(text, text, text) IS
'The new state, when the machine (task, batch, recycle) may go there. Errors: 55000 an illegal move, with the legal ones in the detail; 22023 an unknown machine or state.';

CREATE FUNCTION recall.transition(machine text, from_state anyenum, to_state anyenum) RETURNS anyenum
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_transition_enum';
COMMENT ON FUNCTION recall.transition(text, anyenum, anyenum) IS
'The new state, when the machine may go there: SET state = recall.transition(''batch'', state, ''started''). Errors: 55000 an illegal move; 22023 an unknown machine or state.';

CREATE FUNCTION recall.state_transitions(OUT machine text, OUT from_state text, OUT to_state text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'recall_state_transitions';
COMMENT ON FUNCTION recall.state_transitions() IS
'Every legal move of every state machine. A state that appears only as to_state is final.';

CREATE FUNCTION recall._check_transition() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_check_transition';
COMMENT ON FUNCTION recall._check_transition() IS
'BEFORE UPDATE row trigger that refuses an illegal change of the column "state". Argument: the machine. Errors: 55000, 22023.';

