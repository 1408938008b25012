/* What distinguishes two policies, item by item. */

CREATE FUNCTION recall.policy_diff(
	a recall.policy, b recall.policy, OUT change text, OUT kind text, OUT before text, OUT after text,
	OUT before_item integer, OUT after_item integer)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
	WITH side (is_after, policy) AS (
		VALUES (false, a), (true, b)
	), item (is_after, kind, about, item, text) AS (
		SELECT s.is_after, 'rule', ARRAY[r.selector] || r.members, r.rule, r.text
		FROM side s, recall.policy_rules(s.policy) r
		UNION ALL
		SELECT s.is_after, l.kind,
			ARRAY[l.per_number::text, l.after]
				|| CASE WHEN l.kind = 'limit' THEN ARRAY[l.calendar_day::text, recall._policy_duration(l.per)] END,
			l.item, l.text
		FROM side s, recall.policy_limits(s.policy) l
	), numbered AS (
		SELECT i.*, row_number() OVER (PARTITION BY i.is_after, i.kind, i.about ORDER BY i.item) AS n
		FROM item i
	), pair AS (
		SELECT n.kind,
			max(n.text) FILTER (WHERE NOT n.is_after) AS before, max(n.text) FILTER (WHERE n.is_after) AS after,
			max(n.item) FILTER (WHERE NOT n.is_after) AS before_item, max(n.item) FILTER (WHERE n.is_after) AS after_item
		FROM numbered n
		GROUP BY n.kind, n.about, n.n
	), compared AS (
		/* Among the rules that stood before this one and are still there, has one come to stand behind it? */
		SELECT p.*, p.kind = 'rule' AND p.before IS NOT NULL AND p.after_item < max(p.after_item) OVER (
			PARTITION BY p.kind ORDER BY p.before_item ROWS UNBOUNDED PRECEDING) AS overtakes
		FROM pair p
	)
	SELECT d.change, c.kind, c.before, c.after, c.before_item, c.after_item
	FROM compared c
	CROSS JOIN LATERAL (VALUES
		('removed', c.after IS NULL), ('added', c.before IS NULL), ('changed', c.before <> c.after), ('moved', c.overtakes)
	) AS d (change, holds)
	WHERE d.holds
	ORDER BY c.kind <> 'rule', c.kind, coalesce(c.after_item, c.before_item), c.after_item NULLS FIRST, d.change;
END;
COMMENT ON FUNCTION recall.policy_diff(recall.policy, recall.policy) IS
'How policy b differs from policy a: a row for each rule, limit or quiet (kind) that was added, removed, changed or moved (change), with its text before and after and its place, which is rule in recall.policy_rules() or item in recall.policy_limits(). Items are paired by what they are about, a rule by its selector and members, a limit by its window and "per number", a quiet by what it follows and "per number"; the n-th with the n-th when there are several. A rule has moved when it now stands before one that stood before it: the first rule that matches wins. It may have changed as well. No rows for equal policies; a null policy has no items.';

CREATE FUNCTION recall._tell_policy_diff(task_id bigint, a recall.policy, b recall.policy) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	diff jsonb;
	counts text;
	lines text;
BEGIN
	SELECT coalesce(jsonb_agg(to_jsonb(d) - 'n' ORDER BY d.n), '[]'),
		concat_ws(', ',
			nullif(count(*) FILTER (WHERE d.change = 'added'), 0) || ' added',
			nullif(count(*) FILTER (WHERE d.change = 'removed'), 0) || ' removed',
			nullif(count(*) FILTER (WHERE d.change = 'changed'), 0) || ' changed',
			nullif(count(*) FILTER (WHERE d.change = 'moved'), 0) || ' moved'),
		string_agg(
			CASE d.change
				WHEN 'changed' THEN format('changed: %s -> %s', d.before, d.after)
				WHEN 'moved' THEN format('moved: %s, rule %s -> rule %s', d.after, d.before_item, d.after_item)
				ELSE format('%s: %s', d.change, coalesce(d.after, d.before))
			END, E'\n' ORDER BY d.n)
	INTO diff, counts, lines
	FROM recall.policy_diff(a, b) WITH ORDINALITY AS d (change, kind, before, after, before_item, after_item, n);
	IF lines IS NOT NULL THEN
		RAISE NOTICE USING MESSAGE = format('policy of task %s changed: %s', task_id, counts), DETAIL = lines;
	END IF;
	RETURN diff;
END $$;
COMMENT ON FUNCTION recall._tell_policy_diff(bigint, recall.policy, recall.policy) IS
'Tells in one NOTICE what changed in the policy of a task, in none when nothing did, and returns the rows of recall.policy_diff() as an array of objects.';
