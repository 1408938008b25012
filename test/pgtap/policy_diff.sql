-- policy_diff(): every change, in order, on policies by hand; then on random pairs, against what its rows must add up to and
-- a naive search for moved rules. Another run: psql -v seed=0.7 -f policy_diff.sql
BEGIN;
\ir helpers.psql
\if :{?seed}
\else
\set seed 0.42
\endif
SELECT no_plan();
SELECT diag('seed ' || :'seed');
SELECT setseed(:seed);

-- The rows of a difference as text: "change kind before -> after (place -> place)".
CREATE FUNCTION t.diff(a recall.policy, b recall.policy) RETURNS text[] LANGUAGE sql STABLE
RETURN ARRAY(
	SELECT format('%s %s %s -> %s (%s -> %s)', d.change, d.kind, coalesce(d.before, '-'), coalesce(d.after, '-'), coalesce(d.before_item::text, '-'), coalesce(d.after_item::text, '-'))
	FROM recall.policy_diff(a, b) WITH ORDINALITY AS d (change, kind, before, after, before_item, after_item, n) ORDER BY n);

SELECT is(t.diff(a::recall.policy, b::recall.policy), rows::text[], format('%s, against %s', coalesce(a, 'null'), coalesce(b, 'null'))) FROM (VALUES
	-- nothing
	('busy', 'BUSY', '{}'), ('failed', 'limit 6; failed', '{added limit - -> limit 6 (- -> 1)}'), (NULL, NULL, '{}'),
	('no_answer, busy; limit 3 per 1 day', 'busy, no_answer; limit 3 per 24 h', '{}'), ('quiet 7 days after busy', 'failed; quiet 1 week after busy', '{}'),
	-- null has no items
	(NULL, 'busy; limit 6', '{added rule - -> busy (- -> 1),added limit - -> limit 6 (- -> 1)}'),
	('busy; limit 6', NULL, '{removed rule busy -> - (1 -> -),removed limit limit 6 -> - (1 -> -)}'),
	(NULL, '', '{added rule - -> failed (- -> 1)}'),
	-- rules: paired by selector and members
	('busy max 3', 'busy max 5', '{changed rule busy max 3 -> busy max 5 (1 -> 1)}'), ('busy', 'busy never', '{changed rule busy -> busy never (1 -> 1)}'),
	('busy after 1 h', 'busy next number', '{changed rule busy after 1 h -> busy next number (1 -> 1)}'),
	('busy', 'busy; result x', '{added rule - -> result x (- -> 2)}'), ('busy; result x', 'busy', '{removed rule result x -> - (2 -> -)}'),
	('busy', 'class busy', '{removed rule busy -> - (1 -> -),added rule - -> class busy (- -> 1)}'),
	('result a', 'result A', '{removed rule result a -> - (1 -> -),added rule - -> result A (- -> 1)}'),
	('busy', 'busy, no_answer', '{removed rule busy -> - (1 -> -),"added rule - -> busy, no_answer (- -> 1)"}'),
	('answered; failed', 'failed; answered never', '{moved rule failed -> failed (2 -> 1),changed rule answered -> answered never (1 -> 2)}'),
	-- limits: by window and "per number"
	('failed; limit 6', 'failed; limit 5', '{changed limit limit 6 -> limit 5 (1 -> 1)}'),
	('limit 6', 'limit 6 per number', '{removed limit limit 6 -> - (1 -> -),added limit - -> limit 6 per number (- -> 1)}'),
	('limit 3 per day', 'limit 3 per 24 h', '{removed limit limit 3 per day -> - (1 -> -),added limit - -> limit 3 per 24 h (- -> 1)}'),
	('limit 3', 'limit 3 per day', '{removed limit limit 3 -> - (1 -> -),added limit - -> limit 3 per day (- -> 1)}'),
	('limit 6; limit 2 per 24 h; limit 9 per 7 days', 'limit 1 per day; limit 4 per 24 h; limit 9 per 7 days',
		'{removed limit limit 6 -> - (1 -> -),added limit - -> limit 1 per day (- -> 1),changed limit limit 2 per 24 h -> limit 4 per 24 h (2 -> 2)}'),
	('limit 3 per 24 h; limit 5 per 24 h per number', 'limit 7 per 24 h; limit 5 per 24 h per number', '{changed limit limit 3 per 24 h -> limit 7 per 24 h (1 -> 2)}'),
	-- quiets: by what they follow and "per number"
	('quiet 1 h after busy', 'quiet 2 h after busy', '{changed quiet quiet 1 h after busy -> quiet 2 h after busy (1 -> 1)}'),
	('quiet 1 h after busy', 'quiet 1 h after class busy', '{removed quiet quiet 1 h after busy -> - (1 -> -),added quiet - -> quiet 1 h after class busy (- -> 1)}'),
	('quiet 1 h after result a', 'quiet 1 h after result a per number',
		'{removed quiet quiet 1 h after result a -> - (1 -> -),added quiet - -> quiet 1 h after result a per number (- -> 1)}'),
	('quiet 1 h after busy; quiet 2 h after answered', 'quiet 2 h after answered; quiet 3 h after busy', '{changed quiet quiet 1 h after busy -> quiet 3 h after busy (1 -> 2)}'),
	('limit 6; quiet 1 h after busy', 'quiet 1 h after busy', '{removed limit limit 6 -> - (1 -> -)}'),
	-- the n-th with the n-th
	('busy; busy max 3', 'busy; busy max 3', '{}'), ('busy; busy max 3', 'busy max 3; busy', '{changed rule busy -> busy max 3 (1 -> 1),changed rule busy max 3 -> busy (2 -> 2)}'),
	('busy max 1; busy max 2; busy max 3', 'busy max 1; busy max 4', '{changed rule busy max 2 -> busy max 4 (2 -> 2),removed rule busy max 3 -> - (3 -> -)}'),
	('limit 3 per 24 h; limit 5 per 24 h', 'limit 3 per 24 h', '{removed limit limit 5 per 24 h -> - (2 -> -)}'),
	('quiet 1 h after busy', 'quiet 1 h after busy; quiet 2 h after busy', '{added quiet - -> quiet 2 h after busy (- -> 2)}'),
	-- order: a rule has moved when it has overtaken another
	('busy; no_answer', 'no_answer; busy', '{moved rule no_answer -> no_answer (2 -> 1)}'),
	('busy; no_answer; machine', 'machine; busy; no_answer', '{moved rule machine -> machine (3 -> 1)}'),
	('busy; no_answer; machine', 'no_answer; machine; busy', '{moved rule no_answer -> no_answer (2 -> 1),moved rule machine -> machine (3 -> 2)}'),
	('busy; no_answer; machine', 'machine; no_answer; busy', '{moved rule machine -> machine (3 -> 1),moved rule no_answer -> no_answer (2 -> 2)}'),
	('busy; no_answer; machine', 'busy; machine', '{removed rule no_answer -> - (2 -> -)}'),
	('busy; machine', 'no_answer; busy; machine', '{added rule - -> no_answer (- -> 1)}'),
	('busy; no_answer; machine', 'machine; answered; busy', '{moved rule machine -> machine (3 -> 1),removed rule no_answer -> - (2 -> -),added rule - -> answered (- -> 2)}'),
	('busy; no_answer max 1', 'no_answer max 2; busy',
		'{changed rule no_answer max 1 -> no_answer max 2 (2 -> 1),moved rule no_answer max 1 -> no_answer max 2 (2 -> 1)}')
) AS v(a, b, rows);

/* Random pairs: the second is the first with items left out, put in another order, altered or added; or quite another. */

\ir random_policy.psql

CREATE FUNCTION t.items(policy recall.policy) RETURNS TABLE (kind text, item int, about text, text text) LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT 'rule', r.rule, format('%s %s', r.selector, r.members), r.text FROM recall.policy_rules(policy) r
	UNION ALL
	SELECT l.kind, l.item, format('%s %s %s %s', l.after, l.per_number, l.calendar_day, CASE l.kind WHEN 'limit' THEN l.per END), l.text FROM recall.policy_limits(policy) l;
END;

CREATE FUNCTION t.altered(policy recall.policy) RETURNS recall.policy LANGUAGE sql VOLATILE
AS $$
	WITH mood AS MATERIALIZED (SELECT random() AS shuffles, random() AS drops, random() AS alters, random() AS adds)
	SELECT concat_ws('; ',
		(SELECT string_agg(
				CASE WHEN m.alters < 0.5 AND i.kind = 'rule' AND i.about !~ '^result' AND random() < 0.4
					THEN regexp_replace(i.text, ' (after|max|next|never).*', '') || ' max 10' ELSE i.text END,
				'; ' ORDER BY CASE WHEN m.shuffles < 0.4 THEN random() END, i.item)
			FROM t.items(policy) i WHERE m.drops < 0.5 OR random() < 0.8),
		CASE WHEN m.adds < 0.4 THEN pg_temp.random_rule() END, CASE WHEN m.adds < 0.2 THEN pg_temp.random_limit() END)::recall.policy
	FROM mood m
$$;

CREATE TABLE t.pair AS
SELECT n, a, CASE WHEN n % 10 = 0 THEN pg_temp.random_policy()::recall.policy WHEN n % 25 = 1 THEN NULL ELSE t.altered(a) END AS b
FROM (SELECT n, CASE WHEN n % 25 <> 2 THEN pg_temp.random_policy()::recall.policy END AS a FROM generate_series(1, 600) n) p;
CREATE TABLE t.row AS
SELECT p.n, p.a, p.b, d.* FROM t.pair p, recall.policy_diff(p.a, p.b) WITH ORDINALITY AS d (change, kind, before, after, before_item, after_item, place);

SELECT is_empty('SELECT p.n, d.* FROM t.pair p, unnest(ARRAY[a, b]) policy, recall.policy_diff(policy, policy) d', 'no policy differs from itself');
SELECT is_empty('SELECT * FROM t.pair p WHERE (p.a IS DISTINCT FROM p.b) <> EXISTS (SELECT FROM t.row r WHERE r.n = p.n)', 'there are rows if and only if the policies differ');
SELECT is_empty($$
	SELECT n, kind, text FROM (
		SELECT p.n, i.kind, i.text, 1 AS count FROM t.pair p, t.items(p.a) i
		UNION ALL SELECT n, kind, before, -1 FROM t.row WHERE change IN ('removed', 'changed')
		UNION ALL SELECT n, kind, after, 1 FROM t.row WHERE change IN ('added', 'changed')
		UNION ALL SELECT p.n, i.kind, i.text, -1 FROM t.pair p, t.items(p.b) i) x
	GROUP BY 1, 2, 3 HAVING sum(count) <> 0$$, 'the one policy and the rows make the other');
SELECT is_empty($$
	SELECT * FROM t.row r
	WHERE (r.before IS NULL) <> (r.before_item IS NULL) OR (r.after IS NULL) <> (r.after_item IS NULL)
	OR r.before IS NOT NULL AND (r.kind, r.before_item, r.before) NOT IN (SELECT i.kind, i.item, i.text FROM t.items(r.a) i)
	OR r.after IS NOT NULL AND (r.kind, r.after_item, r.after) NOT IN (SELECT i.kind, i.item, i.text FROM t.items(r.b) i)$$, 'each text stands where the row says');
SELECT is_empty($$
	SELECT * FROM t.row
	WHERE CASE change WHEN 'added' THEN before IS NULL AND after IS NOT NULL WHEN 'removed' THEN before IS NOT NULL AND after IS NULL
		WHEN 'changed' THEN before <> after WHEN 'moved' THEN kind = 'rule' AND before IS NOT NULL AND after IS NOT NULL END IS NOT TRUE$$, 'a change has the texts that it needs');
SELECT is_empty($$
	SELECT n, change, kind, before, after FROM t.row WHERE change <> 'moved'
	EXCEPT SELECT p.n, CASE d.change WHEN 'added' THEN 'removed' WHEN 'removed' THEN 'added' ELSE d.change END, d.kind, d.after, d.before FROM t.pair p, recall.policy_diff(p.b, p.a) d$$,
	'backwards, what was added is removed');
-- A rule's partner is the one with as many of its kind before it; it has moved when a rule with a partner changed sides.
CREATE TABLE t.partner AS
SELECT p.n, i.item AS before_item, k.item AS after_item
FROM t.pair p, t.items(p.a) i, t.items(p.b) k
WHERE i.kind = 'rule' AND k.kind = 'rule' AND i.about = k.about
AND (SELECT count(*) FROM t.items(p.a) e WHERE e.kind = 'rule' AND e.about = i.about AND e.item < i.item)
	= (SELECT count(*) FROM t.items(p.b) e WHERE e.kind = 'rule' AND e.about = k.about AND e.item < k.item);
SELECT set_eq($$SELECT n, before_item, after_item FROM t.row WHERE change = 'moved'$$,
	$$SELECT x.n, x.before_item, x.after_item FROM t.partner x
		WHERE EXISTS (SELECT FROM t.partner y WHERE y.n = x.n AND y.before_item < x.before_item AND y.after_item > x.after_item)$$, 'what moved, found naively');
SELECT is_empty($$
	SELECT * FROM (
		SELECT *, lag(array_position('{rule,limit,quiet}', kind)) OVER w AS last_kind, lag(coalesce(after_item, before_item)) OVER w AS last_item
		FROM t.row WINDOW w AS (PARTITION BY n ORDER BY place)) r
	WHERE (array_position('{rule,limit,quiet}', kind), coalesce(after_item, before_item)) < (last_kind, last_item)$$, 'rules come first, then limits, then quiets, each by its place');
SELECT cmp_ok(count(*), '>', 50::bigint, format('enough rows say %s', change)) FROM t.row GROUP BY change ORDER BY change;
SELECT cmp_ok((SELECT count(*) FROM t.pair WHERE a = b), '>', 50::bigint, 'enough pairs are equal');
SELECT cmp_ok((SELECT count(DISTINCT kind) FROM t.row), '=', 3::bigint, 'all kinds are there');

/* What set_policy() keeps of it. */

SET LOCAL client_min_messages = error;
SELECT recall.create_tenant('Acme') AS acme \gset
SELECT recall.create_task(:acme, 'Winter', 'predicted', 'busy max 3; no_answer') AS task \gset
CREATE FUNCTION t.set_and_see(tenant int, task bigint, policy recall.policy) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM recall.set_policy(tenant, task, policy);
	RETURN (SELECT e.detail FROM recall.event e WHERE e.tenant_id = set_and_see.tenant AND e.action = 'set_policy' ORDER BY e.event_id DESC LIMIT 1);
END $$;
SELECT is(t.set_and_see(:acme, :task, 'no_answer; busy max 5; limit 6'),
	'{"from": "busy max 3; no_answer", "to": "no_answer; busy max 5; limit 6", "diff": [
		{"change": "moved", "kind": "rule", "before": "no_answer", "after": "no_answer", "before_item": 2, "after_item": 1},
		{"change": "changed", "kind": "rule", "before": "busy max 3", "after": "busy max 5", "before_item": 1, "after_item": 2},
		{"change": "added", "kind": "limit", "before": null, "after": "limit 6", "before_item": null, "after_item": 1}]}', 'the event has the difference');
SELECT is(t.set_and_see(:acme, :task, 'NO_ANSWER; busy max 5; limit 6'),
	'{"from": "no_answer; busy max 5; limit 6", "to": "no_answer; busy max 5; limit 6", "diff": []}', 'also when there is none');
SELECT is(t.set_and_see(:acme, :task, NULL) -> 'diff' @> '[{"change": "removed", "before": "limit 6"}]', true, 'null removes all');
SELECT is((SELECT detail -> 'diff' FROM recall.audit WHERE tenant_id = :acme AND action = 'set_policy' ORDER BY at DESC LIMIT 1) IS NOT NULL, true, 'the audit shows it');
SELECT t.refused(format('SELECT recall.set_policy(%s, %s, %L)', :acme, :task, 'busy; result calback'), '22023', format('business result "calback" of the policy does not exist in tenant %s', :acme),
	'Business results are added with recall.create_business_result().', 'a policy that the tenant cannot have changes nothing');
SELECT t.refused(format('SELECT recall.set_policy(%s, %s, %L)', :acme, 99, 'busy'), '42501', format('permission denied for task 99 of tenant %s', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'nor does a task that is not there');

SELECT * FROM finish();
ROLLBACK;
