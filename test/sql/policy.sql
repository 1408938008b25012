-- recall.policy: what is accepted, its canonical text, rows, jsonb, binary, equality.
\pset null NULL

CREATE TABLE given (n serial, given text);
INSERT INTO given (given) VALUES
	-- no rule: every failed call
	(''), ('  -- nothing' || chr(10)), ('limit 6'), ('quiet 1 h after answered; limit 6'),
	-- selectors
	('failed'), ('answered'), ('busy'), ('FAILED'), ('No_Answer, BUSY, busy'), ('class network, busy'), ('CLASS Unknown'),
	('unknown, busy'), ('result callback'), ('result b, a, B, a'), ('result "b", "a--b"'), ('result never never'),
	('result 5, after, -x, 10min after 1 h'), ('result class, result; class busy'),
	-- never, after, max, next number
	('busy never'), ('busy after 10 min'), ('busy after 10min,30min , 2h'), ('busy max 3'), ('busy next number'),
	('busy AFTER 1 h MAX 9999 Next Number'), ('busy max 1; busy after 1 s; failed'),
	-- units, and the largest one that is whole
	('busy after 1 s, 2 sec, 3 secs, 4 second, 5 seconds'), ('busy after 1 min, 2 mins, 3 minute, 4 minutes'),
	('busy after 1 h, 2 hr, 3 hrs, 4 hour, 5 hours'), ('busy after 1 d, 2 day, 3 days'), ('busy after 1 w, 2 week, 3 weeks'),
	('busy after 60 s, 90 s, 3600 s, 86400 s, 172800 s, 25 h, 24 h, 1 day'), ('busy after 3650 days, 315360000 s'),
	-- limits and quiets: sets in an order
	('limit 7 per 7 days per number; limit 3 per 24 h; limit 2 per day; limit 6'), ('limit 6 per number; limit 6; limit 6'),
	('limit 3 per 1 day; limit 3 per day'), ('limit 3 per 24 hours; limit 3 per 1 d'), ('limit 1 per day per number; failed'),
	('quiet 7 days after answered per number; quiet 1 day after class machine; quiet 1 day after result x; quiet 1 h after busy'),
	('quiet 2 h after result b; quiet 2 h after result a; quiet 2 h after result b per number; quiet 2 h after result b'),
	-- blanks and comments
	(E'busy--comment; never\n;--\n\tlimit\r\n6;'), (E'busy\x0b,\fno_answer ;-- the end'), ('result a--b, c'), ('busy after 5 min-- limit 3'),
	-- all of it
	('failed; busy after 10 min, 30 min, 2 h max 3; no_answer after 4 h max 4 next number; class network after 15 min;
	result callback after 1 day max 1; result not_interested never; unknown never; limit 6; limit 3 per 24 h;
	limit 7 per 7 days per number; quiet 7 days after answered per number');
\pset format unaligned
SELECT n, given::recall.policy AS policy FROM given ORDER BY n;
\pset format aligned

-- The canonical text, the binary form and jsonb give the same policy back, and the same bytes.
SELECT count(*),
	bool_and(given::recall.policy = given::recall.policy::text::recall.policy) AS text,
	bool_and(given::recall.policy = given::recall.policy::jsonb::recall.policy) AS jsonb,
	bool_and(recall._policy_hash(given::recall.policy) = recall._policy_hash(given::recall.policy::text::recall.policy)) AS hash
FROM given;
CREATE TABLE sent AS SELECT n, given::recall.policy AS policy FROM given;
\set binary `mktemp`
COPY sent TO :'binary' (FORMAT binary);
CREATE TABLE received (LIKE sent);
COPY received FROM :'binary' (FORMAT binary);
\! rm -f :binary
SELECT count(*), count(*) FILTER (WHERE s.policy <> r.policy) AS differ FROM sent s JOIN received r USING (n);
SELECT recall._policy_send('busy MAX 3');
-- The largest policies still fit back in.
SELECT length(p::text) AS length, p = p::text::recall.policy AS same, p = p::jsonb::recall.policy AS jsonb
FROM (SELECT repeat(string_agg(cause::text, ', ') || ' after ' || rtrim(repeat('315359999 s,', 16), ',') || ' max 9999 next number;', 64)::recall.policy AS p
	FROM recall.failure_causes()) largest;
SELECT length(p::text) AS length, pg_column_size(p) AS size, p = p::text::recall.policy AS same
FROM (SELECT ('result ' || string_agg('"' || a || '--' || b || '"', ','))::recall.policy AS p
	FROM unnest('{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z}'::text[]) a, unnest('{a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z}'::text[]) b) codes;

-- Equality, hashing, grouping; there is no order.
SELECT 'failed; limit 6'::recall.policy = 'limit 6' AS default_rule, 'busy'::recall.policy = 'BUSY' AS case,
	'busy, no_answer'::recall.policy = 'no_answer, busy' AS list, 'busy; no_answer'::recall.policy = 'no_answer; busy' AS rules,
	'class busy'::recall.policy = 'busy' AS class, 'result a'::recall.policy <> 'result A' AS code,
	'limit 3 per 24 h'::recall.policy <> 'limit 3 per day' AS day;
SELECT count(*) FROM (SELECT DISTINCT p FROM (VALUES ('busy; limit 6'::recall.policy), ('limit 6; BUSY'), ('busy'), ('busy;')) v (p)) d;
SELECT 'busy'::recall.policy IS DISTINCT FROM 'failed' AS distinct, 'busy'::recall.policy IN ('failed', 'BUSY') AS in;
SELECT p, count(*) FROM (VALUES ('busy'::recall.policy), ('Busy'), ('failed')) v (p) GROUP BY p ORDER BY p::text;
SELECT count(*) FROM (SELECT 'busy'::recall.policy AS p UNION SELECT 'busy;' UNION SELECT 'failed') u;
SELECT recall._policy_hash('busy') = recall._policy_hash('BUSY;') AS same, recall._policy_hash('busy') = recall._policy_hash('failed') AS other,
	recall._policy_hash_extended('busy', 7) = recall._policy_hash_extended('busy;', 7) AS extended,
	recall._policy_hash_extended('busy', 7) = recall._policy_hash_extended('busy', 8) AS seed;
SET enable_seqscan = off;
CREATE INDEX ON sent USING hash (policy);
SELECT n FROM sent WHERE policy = 'class unknown';
RESET enable_seqscan;
SELECT * FROM sent ORDER BY policy;

-- Two lists.
SELECT recall.policy(NULL, NULL), recall.policy('{}', '{}'), recall.policy('{no_answer,busy,busy}', NULL),
	recall.policy(NULL, '{callback,"a--b",callback}'), recall.policy('{unknown}', '{x}');
SELECT recall.policy('{busy}', '{x}') = 'busy; result x' AS same, recall.policy('busy; result x') AS of_text;
SELECT recall.policy(NULL, ARRAY[repeat('x', 50)]) = ('result ' || repeat('x', 50))::recall.policy AS longest;

-- Rows.
SELECT * FROM recall.policy_rules('busy, unknown after 10 min, 2 days max 3 next number; class network, agent; result "a--b", X never; failed; answered max 1');
SELECT * FROM recall.policy_limits('limit 6; limit 2 per day; limit 3 per 24 h per number; quiet 7 days after answered per number; quiet 1 day after class machine; quiet 1 h after result "a--b"; quiet 1 h after busy');
SELECT count(*) FROM recall.policy_limits('failed');
SELECT count(*) FROM recall.policy_rules(NULL);

-- jsonb.
SELECT jsonb_pretty('busy, no_answer after 10 min, 24 h max 3 next number; class network; result x, "a--b" never; answered; failed;
	limit 3 per 24 h per number; limit 2 per day; limit 6; quiet 7 days after answered per number; quiet 1 h after class machine'::recall.policy::jsonb);
SELECT '{}'::jsonb::recall.policy, '{"rules": []}'::jsonb::recall.policy, '{"limits": [{"calls": 6}]}'::jsonb::recall.policy,
	'{"rules": [{"failed": true, "never": false, "next_number": false}], "quiet": [{"for": "1week", "after": {"causes": ["busy"]}}]}'::jsonb::recall.policy;

-- Matching: the first rule wins; -n = the n-th says never; unknown only where a rule names it.
SELECT p, c AS cause, r AS result, recall._matching_rule(p, c, r), recall.matches(p, c, r)
FROM (VALUES
	('failed'::recall.policy, 'busy'::recall.failure_cause, NULL), ('failed', 'unknown', NULL), ('failed', NULL, NULL), ('failed', NULL, 'x'),
	('failed; unknown', 'unknown', NULL), ('class unknown', 'unknown', NULL), ('unknown never', 'unknown', NULL),
	('answered', NULL, NULL), ('answered', NULL, 'x'), ('answered', 'busy', 'x'),
	('result x', NULL, 'x'), ('result x', 'busy', 'x'), ('result x', NULL, 'X'), ('result x', NULL, ''), ('result x', NULL, NULL),
	('busy; result x never', 'busy', 'x'), ('result x never; busy', 'busy', 'x'), ('result x never; busy', 'busy', 'y'),
	('busy never; failed', 'busy', NULL), ('failed; busy never', 'busy', NULL), ('class network; failed never', 'no_route', NULL),
	('class network; failed never', 'busy', NULL), ('class agent, platform', 'platform_failure', NULL),
	('result a, c; result b, c never', NULL, 'b'), ('result a, c; result b, c never', NULL, 'c'), ('result ab; result a', NULL, 'a'),
	(NULL, 'busy', 'x')) AS v (p, c, r);
-- A policy that changes from row to row, and one that does not fit in a row.
SELECT string_agg(recall._matching_rule(p, 'busy', 'x')::text, ' ' ORDER BY i)
FROM (SELECT i, CASE i % 3 WHEN 0 THEN 'busy'::recall.policy WHEN 1 THEN 'busy never' ELSE 'class network' END AS p FROM generate_series(1, 9) i) changing;
CREATE TABLE large AS SELECT i, ('result ' || string_agg('code-' || k, ',') || ',x-' || i)::recall.policy AS policy
FROM generate_series(1, 3) i, generate_series(1, 700) k GROUP BY i;
SELECT i, recall.matches(policy, NULL, 'x-' || i) AS own, recall.matches(policy, NULL, 'x-' || i + 1) AS other, recall.matches(policy, NULL, 'code-700') AS last
FROM large ORDER BY i;
DROP TABLE given, sent, received, large;
