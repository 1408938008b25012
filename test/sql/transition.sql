-- The state machines: the table of moves, the functions that make one, and the triggers behind them.
\set VERBOSITY default

SELECT machine, from_state, string_agg(to_state, ' ' ORDER BY to_state COLLATE "C") AS to_states
FROM recall.state_transitions()
GROUP BY machine, from_state
ORDER BY machine COLLATE "C", from_state COLLATE "C";

-- Every move that is not listed is refused, and every one that is listed is made: counted per machine.
CREATE FUNCTION legal(machine text, from_state text, to_state text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN recall.transition(machine, from_state, to_state) = to_state;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN false;
END $$;
WITH state AS (
	SELECT machine, from_state AS state FROM recall.state_transitions() UNION SELECT machine, to_state FROM recall.state_transitions()
), pair AS (
	SELECT f.machine, f.state AS from_state, o.state AS to_state, legal(f.machine, f.state, o.state),
		EXISTS (SELECT FROM recall.state_transitions() s WHERE s.machine = f.machine AND s.from_state = f.state AND s.to_state = o.state) AS listed
	FROM state f JOIN state o USING (machine)
)
SELECT machine, count(*) AS pairs, count(*) FILTER (WHERE legal) AS legal, count(*) FILTER (WHERE legal <> listed) AS disagree
FROM pair GROUP BY machine ORDER BY machine;

-- The enums have the states of the machines, no fewer and no more.
SELECT machine, label FROM (
	SELECT 'task' AS machine, unnest(enum_range(NULL::recall.task_state))::text AS label
	UNION ALL SELECT 'batch', unnest(enum_range(NULL::recall.batch_state))::text
	UNION ALL SELECT 'recycle', unnest(enum_range(NULL::recall.recycle_state))::text) e
EXCEPT (SELECT machine, from_state FROM recall.state_transitions() UNION SELECT machine, to_state FROM recall.state_transitions());

SELECT recall.transition('task', 'draft', 'executing');
SELECT recall.transition('recycle', 'failed'::recall.recycle_state, 'waiting'), pg_typeof(recall.transition('recycle', 'failed'::recall.recycle_state, 'waiting'));
SELECT recall.transition('task', NULL, 'executing') IS NULL AS from_null, recall.transition(NULL, 'draft', 'executing') IS NULL AS no_machine;

SELECT recall.transition('task', 'draft', 'completed');
SELECT recall.transition('batch', 'finished', 'started');
SELECT recall.transition('recycle', 'running'::recall.recycle_state, 'waiting');
SELECT recall.transition('task', 'executing', 'executing');
SELECT recall.transition('Task', 'draft', 'executing');
SELECT recall.transition('', '', '');
SELECT recall.transition('task', 'draft', 'running');
SELECT recall.transition('task', 'daft', 'executing');
SELECT recall.transition('batch', 'draft'::recall.task_state, 'executing');

-- The second wall: whoever writes to a table by hand.
BEGIN;
SELECT recall.create_tenant('Moves') AS tenant \gset
SELECT recall.create_task(:tenant, 'x', 'fixed', 'busy') AS task \gset
SELECT recall.create_batch(:tenant, :task, 'x') AS batch \gset
SAVEPOINT s;
UPDATE recall.task SET state = 'completed' WHERE tenant_id = :tenant;
ROLLBACK TO s;
UPDATE recall.task SET state = NULL WHERE tenant_id = :tenant;
ROLLBACK TO s;
UPDATE recall.batch SET state = 'finished' WHERE tenant_id = :tenant;
ROLLBACK TO s;
UPDATE recall.task SET state = 'executing' WHERE tenant_id = :tenant;
UPDATE recall.task SET state = 'executing', name = 'y' WHERE tenant_id = :tenant;
UPDATE recall.batch SET state = 'started' WHERE tenant_id = :tenant;
SELECT recall.recycle(:tenant, :batch);
SAVEPOINT s;
UPDATE recall.recycle SET state = 'completed' WHERE tenant_id = :tenant;
ROLLBACK TO s;
UPDATE recall.recycle SET state = 'cancelled' WHERE tenant_id = :tenant;
UPDATE recall.recycle SET error = 'a final record may be annotated' WHERE tenant_id = :tenant;
SAVEPOINT s;
UPDATE recall.recycle SET state = 'waiting' WHERE tenant_id = :tenant;
ROLLBACK TO s;

-- The trigger where it does not belong.
CREATE TABLE thing (state text, other text);
INSERT INTO thing VALUES ('draft', 'x');
CREATE TRIGGER t AFTER UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION recall._check_transition('task');
SAVEPOINT s;
UPDATE thing SET other = 'y';
ROLLBACK TO s;
DROP TRIGGER t ON thing;
CREATE TRIGGER t BEFORE UPDATE ON thing FOR EACH STATEMENT EXECUTE FUNCTION recall._check_transition('task');
SAVEPOINT s;
UPDATE thing SET other = 'y';
ROLLBACK TO s;
DROP TRIGGER t ON thing;
CREATE TRIGGER t BEFORE UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION recall._check_transition();
SAVEPOINT s;
UPDATE thing SET other = 'y';
ROLLBACK TO s;
DROP TRIGGER t ON thing;
CREATE TRIGGER t BEFORE UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION recall._check_transition('thing');
UPDATE thing SET other = 'y';
SAVEPOINT s;
UPDATE thing SET state = 'executing';
ROLLBACK TO s;
ALTER TABLE thing DROP COLUMN state;
UPDATE thing SET other = 'z';
ROLLBACK;
SELECT recall._check_transition();

DROP FUNCTION legal;
