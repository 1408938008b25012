-- Where a free text mentions a number: the spellings that are known, those that are not, and a twin in SQL on random texts.
BEGIN;
\ir helpers.psql
SELECT no_plan();

SELECT is(recall._without_mentions(x.said, '{12025550101,49301234567,390612345}'), x.left_over, format('said: %s', x.said))
FROM (VALUES
	-- Together
	('+12025550101', '0'), ('12025550101', '0'), ('0012025550101', '0'), ('call 12025550101 5 times', 'call 0 5 times'), ('sip:12025550101@gw', 'sip:0@gw'),
	('+12025550101,+49301234567;x', '0,0;x'), ('12025550101-49301234567', '0-0'), ('5+12025550101', '5+0'), ('{"n": 12025550101}', '{"n": 0}'),
	('+12025550101.', '0.'), ('.12025550101', '.0'), ('äöü12025550101ß', 'äöü0ß'),
	-- A part of something else
	('120255501012', NULL), ('512025550101', NULL), ('10012025550101', NULL), ('12025550101.5', NULL), ('3.12025550101', NULL), ('+120255501012', NULL),
	-- In groups
	('+1 202 555 0101', '0'), ('+1 (202) 555-0101', '0'), ('+1.202.555.0101', '0'), ('+49 30/123 45 67', '0'), ('+49 (0)30 1234567', '0'), ('+49 (0) 30 1234567', '0'),
	('+39 (0)6 12345', '0'), ('00 49 30 1234567', '0'), ('0049-30-1234567', '0'), ('+49 30 1234567, 8 pm', '0, 8 pm'), ('+49 30 1234567 / +1 202 555 0101', '0 / 0'),
	('(+49) 30 1234567.', '(0.'),
	-- In groups, and not certainly the number
	('1 202 555 0101', NULL), ('(202) 555-0101', NULL), ('030 1234567', NULL), ('49 30 1234567', NULL), ('+49 30 1234567 8', NULL), ('+49 30 1234567-12', NULL),
	('7 00 49 30 1234567', NULL), ('+49 30 123456', NULL), ('+49    30 1234567', NULL), ('+49,30,1234567', NULL), (E'+49\n301234567', NULL), ('2026-12-02 +49 30', NULL),
	('', NULL), ('+', NULL), ('00', NULL), ('+(0)', NULL)) AS y(said, becomes),
	LATERAL (SELECT y.said, coalesce(y.becomes, y.said) AS left_over) x;
SELECT is(recall._mentions_any(x.said, x.digits), x.answer, format('%s: %s', x.said, x.digits)) FROM (VALUES
	('+49 30 1234567', '{12025550101}'::text[], false), ('+49 30 1234567', '{12025550101,49301234567}', true), ('+49 30 1234567', '{}', false),
	('0012345678', '{0012345678}', true), ('+0012345678', '{0012345678}', true), (NULL, '{1234567}', NULL)) AS x(said, digits, answer);

/* The twin */

CREATE FUNCTION t.pattern(number text) RETURNS text LANGUAGE sql IMMUTABLE RETURN
	format('(?<![0-9])(?<![0-9]\.)(?:\+|00)?%s(?![0-9])(?!\.[0-9])', number)
	|| format('|(?<![0-9])(?:\+|(?<![0-9][-. /()]{1,3})00)(?:%s|%s)(?![-. /()]{0,3}[0-9])',
		regexp_replace(number, '(.)', '[-. /()]{0,3}\1', 'g'), regexp_replace(number, '(.)', '(?:\\(0\\)|[-. /()]){0,3}\1', 'g'));
SELECT setseed(0.5);
-- The pieces of two numbers and what may stand between; a third of the texts have one with signs put in.
CREATE TABLE t.said AS
SELECT i, CASE WHEN i % 3 = 0 THEN
		(ARRAY['', ' ', '1', '.', '1 ', 'x'])[1 + floor(random() * 6)] || (ARRAY['+', '00', ''])[1 + floor(random() * 3)]
		|| (SELECT string_agg(d || (ARRAY['', '', '', '', '', '', ' ', '-', '(0)', ' ('])[1 + floor(random() * 10)], '')
			FROM regexp_split_to_table((ARRAY['4930123', '1202555'])[1 + floor(random() * 2)::int], '') d WHERE i > 0)
		|| (ARRAY['', ' ', '1', '.', ' 1', '.1'])[1 + floor(random() * 6)]
	ELSE (SELECT string_agg((ARRAY['4930123', '49', '30', '123', '1202', '555', '+', '00', ' ', ' ', '-', '.', '(0)', '(', ')', '/', '1', 'x', '+49', '+1 '])[1 + floor(random() * 20)], '')
		FROM generate_series(1, 9) WHERE i > 0) END AS said
FROM generate_series(1, 30000) i;
CREATE TABLE t.both AS
SELECT s.said, recall._without_mentions(s.said, '{4930123,1202555}') AS c, regexp_replace(s.said, t.pattern('4930123') || '|' || t.pattern('1202555'), '0', 'g') AS twin,
	recall._mentions_any(s.said, '{4930123,1202555}') AS any_c
FROM t.said s;
SELECT is(ARRAY(SELECT format('%s: %s, not %s', b.said, b.c, b.twin) FROM t.both b WHERE b.c <> b.twin LIMIT 5), '{}', 'the twin says the same of 30 000 texts');
SELECT is(count(*), 0::bigint, 'and that something is mentioned is that something is taken out') FROM t.both b WHERE b.any_c <> (b.c <> b.said);
SELECT cmp_ok(count(*), '>', 1000::bigint, 'of which many mention a number') FROM t.both b WHERE b.any_c;
SELECT cmp_ok(count(*), '>', 200::bigint, 'also in groups') FROM t.both b WHERE b.any_c AND b.said !~ '4930123|1202555';

SELECT * FROM finish();
ROLLBACK;
