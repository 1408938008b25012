-- Prints doc/states.md, made from recall.state_transitions(); run by make.sh.
--
-- The states of the machine "x" are the labels of the enumeration recall.x_state, the first of them is where a
-- record begins, and a state without a move is final. Nothing here knows a machine or a state by name.
SET search_path = pg_catalog;

CREATE TEMP VIEW machine AS
SELECT t.machine, format('recall.%s_state', t.machine)::regtype AS type, min(t.n) AS position
FROM recall.state_transitions() WITH ORDINALITY AS t(machine, from_state, to_state, n)
GROUP BY t.machine;

CREATE TEMP VIEW state AS
SELECT m.machine, m.position, e.enumlabel::text AS state, e.enumsortorder AS rank,
	row_number() OVER (PARTITION BY m.machine ORDER BY e.enumsortorder) = 1 AS is_initial
FROM pg_temp.machine m
JOIN pg_enum e ON e.enumtypid = m.type;

CREATE TEMP VIEW move AS
SELECT f.machine, f.position, f.state AS from_state, f.rank AS from_rank, t.state AS to_state, t.rank AS to_rank
FROM recall.state_transitions() s
JOIN pg_temp.state f ON f.machine = s.machine AND f.state = s.from_state
JOIN pg_temp.state t ON t.machine = s.machine AND t.state = s.to_state;

-- A move whose states are not among the enumeration's labels would be missing from the page.
DO $$
BEGIN
	IF (SELECT count(*) FROM pg_temp.move) <> (SELECT count(*) FROM recall.state_transitions()) THEN
		RAISE EXCEPTION 'a state of recall.state_transitions() is not a label of its machine''s enumeration';
	END IF;
END $$;

\echo '<!-- Made from the catalog by doc/make/states.sql: do not edit. -->'
\echo '# State machines'
\echo
\echo 'What state a record may move to is fixed in one table, which `recall.state_transitions()` lists and which this'
\echo 'page is made from. Every move goes through `recall.transition()`, and a trigger on each of these tables refuses,'
\echo 'with SQLSTATE 55000, an `UPDATE` that the table does not list. A state without a way out is final.'

SELECT concat_ws(E'\n',
	'',
	format('## %s', m.machine),
	'',
	obj_description(m.type, 'pg_type'),
	'',
	'```mermaid',
	'stateDiagram-v2',
	(SELECT string_agg(line, E'\n' ORDER BY part, from_rank, to_rank) FROM (
		SELECT 1 AS part, s.rank AS from_rank, 0 AS to_rank, format('    [*] --> %s', s.state) AS line
		FROM pg_temp.state s WHERE s.machine = m.machine AND s.is_initial
		UNION ALL
		SELECT 2, v.from_rank, v.to_rank, format('    %s --> %s', v.from_state, v.to_state)
		FROM pg_temp.move v WHERE v.machine = m.machine
		UNION ALL
		SELECT 3, s.rank, 0, format('    %s --> [*]', s.state)
		FROM pg_temp.state s WHERE s.machine = m.machine
		AND NOT EXISTS (SELECT FROM pg_temp.move v WHERE v.machine = s.machine AND v.from_state = s.state)) l),
	'```',
	'',
	'| state | may become |',
	'|---|---|',
	(SELECT string_agg(format('| `%s`%s | %s |', s.state, CASE WHEN s.is_initial THEN ' (initial)' END,
		coalesce((SELECT string_agg(format('`%s`', v.to_state), ', ' ORDER BY v.to_rank)
			FROM pg_temp.move v WHERE v.machine = s.machine AND v.from_state = s.state), 'nothing: it is final')),
		E'\n' ORDER BY s.rank)
	FROM pg_temp.state s WHERE s.machine = m.machine))
FROM pg_temp.machine m
ORDER BY m.position;
