-- Texts, lists, bytes and jsonb that are no policy: each error has its position, its SQLSTATE and where it can a hint.
\set VERBOSITY sqlstate
\pset tuples_only on
\pset format unaligned

-- Show what an input is answered with.
CREATE FUNCTION pg_temp.answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce(E'\n    ' || nullif(hint, ''), '');
END $$;

SELECT given || E'\n    ' || pg_temp.answer(format('SELECT %L::recall.policy', given))
FROM (VALUES
	-- words
	(1, 'bussy'), (2, 'no-answer'), (3, 'busy, no_anwser'), (4, 'network'), (5, 'class congestion'), (6, 'class netwrk'), (7, 'callback'),
	(8, 'limt 3'), (9, 'qiet 3 h after busy'), (10, 'reslt x'), (11, 'never'), (12, 'occupé'), (13, 'class 5'), (14, 'class'), (15, 'result'),
	(16, 'class platform_failur'), (17, '{busy}'), (18, '''busy'''), (19, repeat('x', 60)), (20, repeat('é', 40)), (21, 'busy é'), (22, 'Àbusy'), (23, repeat('y', 50)), (24, repeat('y', 51)),
	-- one kind of selector
	(30, 'busy, class network'), (31, 'failed, busy'), (32, 'class network, result x'), (33, 'class network, busy, no_route'), (34, 'busy no_answer'),
	(35, 'answered, busy'), (36, 'busy, failed'),
	-- the order in a rule
	(40, 'busy max 3 after 1 h'), (41, 'busy next number max 3'), (42, 'busy never after 1 h'), (43, 'busy after 1 h never'), (44, 'busy max 3 max 4'),
	(45, 'busy aftr 1 h'), (46, 'busy next'), (47, 'busy next nuber'), (48, 'busy nxt number'), (49, 'result x never,'), (50, 'busy limit 3'),
	-- numbers and durations
	(60, 'busy max'), (61, 'busy max 0'), (62, 'busy max 10000'), (63, 'busy max 99999999999999999999999'), (64, 'busy max -1'), (65, 'busy max three'),
	(66, 'busy after'), (67, 'busy after 10'), (68, 'busy after 10 m'), (69, 'busy after 10 mn'), (70, 'busy after 1.5 h'), (71, 'busy after 0 s'),
	(72, 'busy after 3651 days'), (73, 'busy after 315360001 s'), (74, 'busy after 522 weeks'), (75, 'busy after 1 month'), (76, 'busy after 10 min,'),
	(77, 'busy after 1 h 30 min'), (78, 'busy after min'), (79, 'busy after 99999999999 s'), (80, 'busy after 1 h30'),
	-- limits and quiets
	(90, 'limit'), (91, 'limit 0'), (92, 'limit 10000'), (93, 'limit 3 per'), (94, 'limit 3 per hour'), (95, 'limit 3 per dya'), (96, 'limit 3 per number per day'),
	(97, 'limit 3 per day per'), (98, 'limit 3 pr day'), (99, 'limit 3 per 24 h per day'), (100, 'limit 3 after 1 h'), (101, 'limit 3, 4'), (102, 'limit x'),
	(110, 'quiet'), (111, 'quiet 7 days'), (112, 'quiet 7 days after'), (113, 'quiet 7 days aftr answered'), (114, 'quiet 7 days after failed'),
	(115, 'quiet 7 days after busy, no_answer'), (116, 'quiet 7 days after class'), (117, 'quiet 7 days after answerd'), (118, 'quiet after busy'),
	(119, 'quiet 7 days after result x per day'), (120, 'quiet 7 days after machine per number per number'), (121, 'quiet 7 days after network'),
	-- codes
	(130, 'result "x'), (131, 'result ""'), (132, 'result "a b"'), (133, 'result é'), (134, 'result ' || repeat('x', 51)), (135, 'result a.b'), (136, 'result ,'),
	(137, 'result a b'), (138, 'result "a" "b"'), (139, 'result "x; limit 1"'), (140, 'result a,'), (141, 'result ;'),
	-- separators
	(150, ';'), (151, 'busy;;'), (152, ';busy'), (153, 'busy,'), (154, ', busy'), (155, 'busy; ;'), (156, 'busy. limit 3'), (157, E'busy;\n\nno_anser')) AS v (n, given)
ORDER BY n;

-- Maxima: of rules, delays, limits, quiets, bytes stored and bytes read.
SELECT what || E'\n    ' || pg_temp.answer(format('SELECT %L::recall.policy', given))
FROM (VALUES
	(1, '64 rules', rtrim(repeat('busy;', 64), ';')), (2, '65 rules', repeat('busy;', 65)),
	(3, '16 delays', 'busy after ' || rtrim(repeat('1 h,', 16), ',')), (4, '17 delays', 'busy after ' || rtrim(repeat('1 h,', 17), ',')),
	(5, '16 limits', (SELECT string_agg('limit ' || i, ';') FROM generate_series(1, 16) i)),
	(6, '17 limits', (SELECT string_agg('limit ' || i, ';') FROM generate_series(1, 17) i)),
	(7, '17 equal limits', repeat('limit 1;', 17)),
	(8, '16 quiets', (SELECT string_agg('quiet ' || i || 'h after busy', ';') FROM generate_series(1, 16) i)),
	(9, '17 quiets', (SELECT string_agg('quiet ' || i || 'h after busy', ';') FROM generate_series(1, 17) i)),
	(10, '8 kB of codes', (SELECT 'result ' || string_agg('code-' || i, ',') FROM generate_series(1, 800) i)),
	(11, 'more than 8 kB of codes', (SELECT 'result ' || string_agg('code-' || i, ',') FROM generate_series(1, 1000) i)),
	(12, 'more than 8 kB in all', (SELECT 'result ' || string_agg('code-' || i, ',') FROM generate_series(1, 810) i) || repeat('; busy after 1 h, 2 h, 3 h, 4 h', 63)),
	(13, '64 kB of text', repeat(' ', 65532) || 'busy'), (14, 'more than 64 kB of text', repeat(' ', 65533) || 'busy')) AS v (n, what, given)
ORDER BY n;

-- The two lists.
SELECT arguments || E'\n    ' || pg_temp.answer(format('SELECT recall.policy(%s)', arguments))
FROM (VALUES (1, $$'{busy,NULL}', NULL$$), (2, $$NULL, '{x,NULL}'$$), (3, $$NULL, '{"x; limit 1"}'$$), (4, $$NULL, '{""}'$$), (5, $$NULL, ARRAY[repeat('x', 51)]$$),
	(6, $$'{bussy}', NULL$$), (7, $$NULL, (SELECT array_agg('code-' || i) FROM generate_series(1, 1000) i)$$)) AS v (n, arguments)
ORDER BY n;

-- Binary.
CREATE TABLE received (p recall.policy);
\set binary `mktemp`
COPY (SELECT '\x01'::bytea || convert_to('bussy', 'UTF8')) TO :'binary' (FORMAT binary);
COPY received FROM :'binary' (FORMAT binary);
COPY (SELECT '\x02'::bytea || convert_to('busy', 'UTF8')) TO :'binary' (FORMAT binary);
COPY received FROM :'binary' (FORMAT binary);
COPY (SELECT ''::bytea) TO :'binary' (FORMAT binary);
COPY received FROM :'binary' (FORMAT binary);
\! rm -f :binary
SELECT count(*) FROM received;
DROP TABLE received;

-- Stored bytes that no text gives, let in by a cast: they are refused when the value is read.
BEGIN;
CREATE CAST (bytea AS recall.policy) WITHOUT FUNCTION;
SELECT what || E'\n    ' || pg_temp.answer(format('SELECT %L::bytea::recall.policy::text', '\x' || replace(bytes, ' ', '')))
FROM (VALUES
	(1, 'sound: failed; limit 3; quiet 1 s after busy', '01 01 01 01  00 00 0000  00 0300 00000000  03 0100000000000000 01000000'),
	(10, 'later format', '02 01 00 00  00 00 0000'), (11, 'cut short', '01 01 00 00  00 00 00'), (12, 'longer', '01 01 00 00  00 00 0000  00'),
	(13, 'no rule', '01 00 00 00'), (14, 'a limit without a rule', '01 00 01 00  00 0300 00000000'),
	(15, '8200 bytes', '01 01 00 00  04 fe1f ' || repeat('0178', 4095) || ' 00 0000'),
	(20, 'unknown selector', '01 01 00 00  05 00 0000'), (21, 'unknown flag', '01 01 00 00  80 00 0000'),
	(22, 'no cause', '01 01 00 00  03 0000000000000000 00 0000'), (23, 'unknown cause', '01 01 00 00  03 0000000002000000 00 0000'),
	(24, 'no code', '01 01 00 00  04 0000 00 0000'), (25, 'a code that is none', '01 01 00 00  04 0200 013b 00 0000'),
	(26, 'a code longer than its list', '01 01 00 00  04 0200 0278 00 0000'),
	(30, 'a delay of nothing', '01 01 00 00  00 01 00000000 0000'), (31, 'never after a delay', '01 01 00 00  10 01 01000000 0000'),
	(32, 'never with a maximum', '01 01 00 00  10 00 0100'), (33, 'never on the next number', '01 01 00 00  30 00 0000'),
	(40, 'unknown period', '01 01 01 00  00 00 0000  03 0300 00000000'), (41, 'a limit of nothing', '01 01 01 00  00 00 0000  00 0000 00000000'),
	(42, 'a window of nothing', '01 01 01 00  00 00 0000  02 0300 00000000'), (43, 'a day of a second', '01 01 01 00  00 00 0000  01 0300 01000000'),
	(50, 'a quiet of nothing', '01 01 00 01  00 00 0000  01 00000000'), (51, 'a quiet after failed', '01 01 00 01  00 00 0000  00 01000000'),
	(52, 'a quiet after two causes', '01 01 00 01  00 00 0000  03 0300000000000000 01000000'),
	(53, 'a quiet after two codes', '01 01 00 01  00 00 0000  04 0400 01780179 01000000')) AS v (n, what, bytes)
ORDER BY n;
ROLLBACK;

-- jsonb: unknown keys, wrong types, and nothing smuggled through a string.
SELECT given || E'\n    ' || pg_temp.answer(format('SELECT %L::jsonb::recall.policy', given))
FROM (VALUES
	(1, '[]'), (2, '"failed"'), (3, 'null'), (4, '{"rule": []}'), (5, '{"rules": {}}'), (6, '{"rules": ["busy"]}'), (7, '{"rules": null}'),
	(10, '{"rules": [{}]}'), (11, '{"rules": [{"causes": ["busy"], "failed": true}]}'), (12, '{"rules": [{"failed": false}]}'), (13, '{"rules": [{"failed": "true"}]}'),
	(14, '{"rules": [{"causes": "busy"}]}'), (15, '{"rules": [{"causes": []}]}'), (16, '{"rules": [{"causes": [5]}]}'), (17, '{"rules": [{"causes": ["bussy"]}]}'),
	(18, '{"rules": [{"causes": ["busy; limit 1"]}]}'), (19, '{"rules": [{"causes": ["failed"]}]}'), (20, '{"rules": [{"causes": [null]}]}'),
	(21, '{"rules": [{"classes": ["netwrk"]}]}'), (22, '{"rules": [{"classes": ["network", "result x"]}]}'),
	(23, '{"rules": [{"results": ["x\", \"y"]}]}'), (24, '{"rules": [{"results": ["x\n"]}]}'), (25, '{"rules": [{"results": [""]}]}'), (26, '{"rules": [{"results": [["x"]]}]}'),
	(30, '{"rules": [{"failed": true, "after": "10 min"}]}'), (31, '{"rules": [{"failed": true, "after": [10]}]}'), (32, '{"rules": [{"failed": true, "after": ["10 min max 3"]}]}'),
	(33, '{"rules": [{"failed": true, "after": ["10 parsecs"]}]}'), (34, '{"rules": [{"failed": true, "max": "3"}]}'), (35, '{"rules": [{"failed": true, "max": 1.5}]}'),
	(36, '{"rules": [{"failed": true, "max": 0}]}'), (37, '{"rules": [{"failed": true, "max": -1}]}'), (38, '{"rules": [{"failed": true, "never": 1}]}'),
	(39, '{"rules": [{"failed": true, "never": true, "max": 3}]}'), (40, '{"rules": [{"failed": true, "next_number": "yes"}]}'), (41, '{"rules": [{"failed": true, "maximum": 3}]}'),
	(50, '{"limits": [{"per": "day"}]}'), (51, '{"limits": [{"calls": "3"}]}'), (52, '{"limits": [{"calls": 3, "per": "day per number"}]}'), (53, '{"limits": [{"calls": 3, "per": 24}]}'),
	(54, '{"limits": [{"calls": 3, "per": "number"}]}'), (55, '{"limits": [{"calls": 3, "per": "1 h\n; limit 5"}]}'), (56, '{"limits": [{"calls": null}]}'),
	(60, '{"quiet": [{"for": "1 h"}]}'), (61, '{"quiet": [{"after": {"answered": true}}]}'), (62, '{"quiet": [{"for": "1 h", "after": "answered"}]}'),
	(63, '{"quiet": [{"for": "1 h", "after": {"failed": true}}]}'), (64, '{"quiet": [{"for": "1 h", "after": {"causes": ["busy", "no_answer"]}}]}'),
	(65, '{"quiet": [{"for": "1 h", "after": {"answered": true, "never": true}}]}'), (66, '{"quiet": [{"for": 3600, "after": {"answered": true}}]}')) AS v (n, given)
ORDER BY n;
