-- recall.calling_hours against a naive twin: random rules are made as data and, beside that, as text.
-- The twin reads the data, never the text, and asks for one minute at a time.
-- Another run: pg_prove --set seed=0.7 …
\set ON_ERROR_STOP 1
SET TimeZone = 'UTC';
\if :{?seed}
\else
\set seed 0.42
\endif

SELECT plan(11);
SELECT diag('seed ' || :seed);
SELECT setseed(:seed) \g /dev/null

-- Random values ---------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.random_int(low int, high int) RETURNS int LANGUAGE sql VOLATILE
RETURN low + floor(random() * (high - low + 1))::int;

CREATE FUNCTION pg_temp.random_day(low date, high date) RETURNS date LANGUAGE sql VOLATILE
RETURN low + pg_temp.random_int(0, high - low);

-- A rule's dates: 'every' year by month and day, or of 'given' years; both ends included.
CREATE FUNCTION pg_temp.random_dates() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	given boolean := random() < 0.3;
	dates jsonb := '[]';
	first date;
	last date;
BEGIN
	FOR i IN 1..pg_temp.random_int(1, 3) LOOP
		first := pg_temp.random_day('2027-12-01', '2028-12-31');
		last := CASE pg_temp.random_int(0, 2)
			WHEN 0 THEN first
			WHEN 1 THEN first + pg_temp.random_int(0, 20)
			ELSE pg_temp.random_day(first, first + 360) END;
		dates := dates || jsonb_build_array(jsonb_build_object('given', given, 'first', first, 'last', last));
	END LOOP;
	RETURN dates;
END $$;

CREATE FUNCTION pg_temp.random_spans() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	spans jsonb := '[]';
	first int;
BEGIN
	FOR i IN 1..pg_temp.random_int(1, 3) LOOP
		first := pg_temp.random_int(0, 1439);
		spans := spans || jsonb_build_array(jsonb_build_array(first,
			CASE WHEN random() < 0.6 THEN pg_temp.random_int(first + 1, 1440) ELSE pg_temp.random_int(first + 1, 2880) END));
	END LOOP;
	RETURN spans;
END $$;

-- Weekdays are 1 (Monday) to 7, and 0 stands for public holidays. No spans: the whole day.
CREATE FUNCTION pg_temp.random_rule(first boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	off boolean := random() < 0.35;
	dates jsonb := CASE WHEN random() < 0.4 THEN pg_temp.random_dates() ELSE '[]' END;
	days jsonb := CASE WHEN random() < 0.7 THEN
		(SELECT coalesce(jsonb_agg(day), '[5]') FROM generate_series(0, 7) day WHERE random() < 0.4) ELSE '[]' END;
BEGIN
	IF NOT first AND NOT off AND dates = '[]' AND days = '[]' THEN
		days := '[1, 2, 3, 4, 5, 6, 7]';
	END IF;
	RETURN jsonb_build_object('off', off, 'dates', dates, 'days', days,
		'spans', CASE WHEN random() < 0.75 THEN pg_temp.random_spans() ELSE '[]' END);
END $$;

-- The same as text ------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.random_case(word text) RETURNS text LANGUAGE sql VOLATILE
RETURN CASE pg_temp.random_int(0, 4) WHEN 0 THEN upper(word) WHEN 1 THEN lower(word) ELSE word END;

CREATE FUNCTION pg_temp.date_text(day date, given boolean) RETURNS text LANGUAGE sql VOLATILE
RETURN CASE WHEN given THEN to_char(day, 'YYYY ') ELSE '' END || pg_temp.random_case(to_char(day, 'Mon')) || to_char(day, ' FMDD');

CREATE FUNCTION pg_temp.dates_text(dates jsonb) RETURNS text LANGUAGE sql VOLATILE
RETURN (SELECT string_agg(pg_temp.date_text(first, given) || CASE WHEN last > first THEN '-' || pg_temp.date_text(last, given) ELSE '' END, ',')
	FROM jsonb_to_recordset(dates) AS d(given boolean, first date, last date));

CREATE FUNCTION pg_temp.days_text(days jsonb) RETURNS text LANGUAGE sql VOLATILE
RETURN (SELECT string_agg(pg_temp.random_case(('{PH,Mo,Tu,We,Th,Fr,Sa,Su}'::text[])[day::int + 1]), ',' ORDER BY random())
	FROM jsonb_array_elements_text(days) day);

CREATE FUNCTION pg_temp.time_text(minutes int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN to_char(minutes / 60, 'FM00') || ':' || to_char(minutes % 60, 'FM00');

-- An end past midnight is written as the next day's time where it can be, in one half of the cases.
CREATE FUNCTION pg_temp.spans_text(spans jsonb) RETURNS text LANGUAGE sql VOLATILE
RETURN (SELECT string_agg(pg_temp.time_text(first) || '-' ||
		pg_temp.time_text(last - CASE WHEN last >= 1440 AND last - 1440 < first AND random() < 0.5 THEN 1440 ELSE 0 END), ',' ORDER BY random())
	FROM jsonb_array_elements(spans) span, LATERAL (SELECT (span -> 0)::int AS first, (span -> 1)::int AS last) s);

CREATE FUNCTION pg_temp.rule_text(rule jsonb) RETURNS text LANGUAGE sql VOLATILE
RETURN concat_ws(' ', pg_temp.dates_text(rule -> 'dates'), pg_temp.days_text(rule -> 'days'), pg_temp.spans_text(rule -> 'spans'),
	CASE WHEN (rule -> 'off')::boolean THEN pg_temp.random_case(CASE WHEN random() < 0.5 THEN 'off' ELSE 'closed' END)
		WHEN random() < 0.1 OR rule - 'off' = '{"dates": [], "days": [], "spans": []}' THEN 'open' END);

-- The twin --------------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.dates_match(dates jsonb, day date) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN dates = '[]' OR EXISTS (
		SELECT FROM jsonb_to_recordset(dates) AS d(given boolean, first date, last date)
		WHERE CASE
			WHEN given THEN day BETWEEN first AND last
			WHEN to_char(first, 'MMDD') <= to_char(last, 'MMDD') THEN to_char(day, 'MMDD') BETWEEN to_char(first, 'MMDD') AND to_char(last, 'MMDD')
			ELSE to_char(day, 'MMDD') >= to_char(first, 'MMDD') OR to_char(day, 'MMDD') <= to_char(last, 'MMDD') END);
END $$;

CREATE FUNCTION pg_temp.rule_matches(rule jsonb, day date, holidays date[]) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN pg_temp.dates_match(rule -> 'dates', day)
		AND (rule -> 'days' = '[]' OR rule -> 'days' @> to_jsonb(extract(isodow FROM day)::int) OR rule -> 'days' @> '0' AND day = ANY (holidays));
END $$;

CREATE FUNCTION pg_temp.spans_hold(spans jsonb, minute int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM jsonb_array_elements(spans) span WHERE minute >= (span -> 0)::int AND minute < (span -> 1)::int);
END $$;

CREATE FUNCTION pg_temp.twin(rules jsonb, zone text, at timestamptz, holidays date[]) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	clock timestamp := at AT TIME ZONE zone;
	day date := clock::date;
	minute int := extract(hour FROM clock) * 60 + extract(minute FROM clock);
	open boolean := false;
	off boolean;
	rule jsonb;
BEGIN
	FOR rule IN SELECT r FROM jsonb_array_elements(rules) r LOOP
		off := rule -> 'off';
		IF pg_temp.rule_matches(rule, day, holidays) THEN
			IF NOT off THEN
				open := rule -> 'spans' = '[]' OR pg_temp.spans_hold(rule -> 'spans', minute);
			ELSIF rule -> 'spans' = '[]' OR pg_temp.spans_hold(rule -> 'spans', minute) THEN
				open := false;
			END IF;
		END IF;
		IF pg_temp.rule_matches(rule, day - 1, holidays) AND pg_temp.spans_hold(rule -> 'spans', minute + 1440) THEN
			open := NOT off;
		END IF;
	END LOOP;
	RETURN open;
END $$;

-- The samples -----------------------------------------------------------------------------------

CREATE TEMP TABLE sample (id int PRIMARY KEY, rules jsonb, written text, zone text, start timestamptz, holidays date[]);
DO $$
DECLARE
	rules jsonb;
BEGIN
	FOR id IN 1..300 LOOP
		SELECT jsonb_agg(pg_temp.random_rule(n = 1)) INTO rules FROM generate_series(1, pg_temp.random_int(1, 5)) n;
		INSERT INTO sample SELECT id, rules,
			(SELECT string_agg(pg_temp.rule_text(rule), CASE WHEN random() < 0.5 THEN ';' ELSE ' ; ' END ORDER BY n)
				FROM jsonb_array_elements(rules) WITH ORDINALITY r(rule, n)),
			zone,
			-- within days of a leap of some clock, of a year's end, of a leap day; or anywhere
			(('{2028-03-12,2028-03-26,2028-04-02,2028-10-01,2028-10-29,2028-11-05,2027-12-31,2028-02-29}'::date[]
				|| pg_temp.random_day('2027-12-01', '2028-12-31'))[pg_temp.random_int(1, 9)] - 2) AT TIME ZONE 'UTC',
			ARRAY(SELECT pg_temp.random_day('2027-12-01', '2028-12-31') FROM generate_series(1, 40))
		FROM (SELECT ('{UTC,Europe/Berlin,America/New_York,Australia/Lord_Howe,Asia/Kathmandu,Pacific/Chatham}'::text[])[pg_temp.random_int(1, 6)] AS zone) z;
	END LOOP;
END $$;

CREATE TEMP TABLE moment AS
SELECT *, pg_temp.twin(rules, zone, at, holidays) AS twin
FROM (SELECT s.*, start + random() * interval '4 days' AS at FROM sample s, generate_series(1, 60)) m;

-- The comparison --------------------------------------------------------------------------------

CREATE FUNCTION pg_temp.report(title text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format('SELECT string_agg(q::text, E''\n'') FROM (SELECT * FROM (%s) wrong LIMIT 3) q', query) INTO found;
	RETURN ok(found IS NULL, title) || coalesce(E'\n' || diag(found), '');
END $$;

SELECT pg_temp.report('canonical text reads back as the same value',
	$$SELECT written FROM sample WHERE written::recall.calling_hours <> written::recall.calling_hours::text::recall.calling_hours$$);

SELECT pg_temp.report('is_open agrees with the twin at random instants',
	$$SELECT id, written, zone, at, twin FROM moment
	WHERE recall.is_open(written::recall.calling_hours, zone, at, holidays) IS DISTINCT FROM twin$$);

SELECT ok(count(*) FILTER (WHERE twin) BETWEEN count(*) * 0.15 AND count(*) * 0.85, 'the samples are neither all open nor all shut')
FROM moment;

-- Of some samples, minute by minute: the first open one within a day.
CREATE TEMP TABLE walk AS
SELECT m.*, recall.next_open(written::recall.calling_hours, zone, at, holidays) AS found,
	(SELECT min(greatest(minute, at)) FROM generate_series(date_trunc('minute', at), at + interval '1 day', '1 minute') minute
		WHERE pg_temp.twin(rules, zone, minute, holidays)) AS walked
FROM (SELECT DISTINCT ON (id) * FROM moment WHERE NOT twin ORDER BY id, at) m
WHERE id <= 24;

SELECT pg_temp.report('next_open is the first open minute of a walk',
	$$SELECT id, written, zone, at, found, walked FROM walk
	WHERE CASE WHEN walked IS NULL THEN found <= at + interval '1 day' ELSE found IS DISTINCT FROM walked END$$);

SELECT cmp_ok(count(walked), '>=', 5::bigint, 'some of the walks lead to an opening') FROM walk;

SELECT pg_temp.report('next_open is "at" when that is open, and else an instant at which it opens',
	$$SELECT id, written, zone, at, twin, found
	FROM (SELECT *, recall.next_open(written::recall.calling_hours, zone, at, holidays) AS found FROM moment WHERE id % 5 = 0) n
	WHERE CASE WHEN twin THEN found IS DISTINCT FROM at ELSE found <= at
		OR NOT pg_temp.twin(rules, zone, found, holidays)
		OR pg_temp.twin(rules, zone, found - interval '1 microsecond', holidays) END
		AND (twin OR found IS NOT NULL)$$);

-- The calendar is PostgreSQL's, in nine centuries.
CREATE TEMP TABLE calendar AS
SELECT day, to_char(day, 'Mon DD')::recall.calling_hours AS hours
FROM (SELECT '1600-01-01'::date + n AS day FROM generate_series(0, 900 * 366) n) d
WHERE extract(day FROM day) IN (1, 2, 28, 29, 30, 31) AND day < '2500-01-01';

SELECT pg_temp.report('a date matches on that day',
	$$SELECT day FROM calendar WHERE NOT recall.is_open(hours, 'UTC', (day + time '12:00') AT TIME ZONE 'UTC', NULL)$$);

SELECT pg_temp.report('and not on the days around it',
	$$SELECT day, away FROM calendar, unnest('{-1,1}'::int[]) away
	WHERE recall.is_open(hours, 'UTC', (day + away + time '12:00') AT TIME ZONE 'UTC', NULL)$$);

SELECT pg_temp.report('with its year it matches on that day only',
	$$SELECT day, away FROM calendar, unnest('{0,1,365,366}'::int[]) away WHERE day >= '1900-01-01' AND extract(day FROM day) < 3
	AND recall.is_open(to_char(day, 'YYYY Mon DD')::recall.calling_hours, 'UTC', (day + away + time '12:00') AT TIME ZONE 'UTC', NULL) <> (away = 0)$$);

-- Every minute of the day as a beginning and as an end.
SELECT pg_temp.report('a span begins and ends at its minutes',
	$$SELECT hours FROM generate_series(timestamptz '2027-01-01 00:00', '2027-01-01 23:59', '1 minute') at,
		LATERAL (SELECT to_char(at, 'HH24:MI')) a(minute), LATERAL (VALUES ('00:00-' || minute, minute <> '00:00'), (minute || '-24:00', false)) h(hours, ends)
	WHERE hours <> '00:00-00:00' AND (recall.is_open(hours::recall.calling_hours, 'UTC', at, NULL) = ends
		OR recall.is_open(hours::recall.calling_hours, 'UTC', at - interval '1 minute', NULL) <> (ends OR minute = '00:00'))$$);

-- The last day of every month is one, and the day after it is none; without a year February has 29.
CREATE FUNCTION pg_temp.is_refused(hours text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM hours::recall.calling_hours;
	RETURN false;
EXCEPTION WHEN invalid_text_representation THEN
	RETURN true;
END $$;
SELECT is((SELECT string_agg(month, ' ')
	FROM (SELECT to_char(m, 'Mon'), to_char(m + interval '1 month -1 day', 'DD')::int FROM generate_series(timestamptz '2028-01-01', '2028-12-01', '1 month') m) x(month, last)
	WHERE pg_temp.is_refused(format('%s %s 08:00-20:00', month, last)) OR NOT pg_temp.is_refused(format('%s %s 08:00-20:00', month, last + 1))),
	NULL, 'every month has its days');

SELECT * FROM finish();
