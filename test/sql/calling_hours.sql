-- recall.calling_hours: the grammar, canonical text, errors, and the clock of the callee's zone.
-- A random comparison with a naive twin is in test/pgtap/calling_hours_twin.sql.
\set VERBOSITY default
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET client_encoding = 'UTF8';
SET search_path = recall, pg_catalog, public;

-- Canonical text; reading it again gives the same value.
CREATE TEMP TABLE sample (written text);
\copy sample FROM stdin
24/7
open
00:00-24:00
off
CLOSED
Mo-Su
Mo-Su 00:00-24:00 open
Mo 00:00-24:00 off
mo-fr 9:00-18:00
 Mo - Fr   09:00 - 18:00 ;Sa 10:00-14:00
Sa-Mo 10:00-12:00
Tu,Mo,We,Sa,Mo 10:00-12:00
Mo,PH,Fr 10:00-12:00
PH 10:00-14:00
14:00-18:00,09:00-12:00
09:00-12:00,11:00-13:00,13:00-14:30
22:00-26:00
22:00-02:00
22:00-00:00
10:00-34:00
12:00-48:00
Dec 25
Dec 5-Dec 5 off
Dec 24-26 off
Dec 24-Jan 2 off
Dec 1-31 off
Feb 29
Feb 1-29
Nov-Feb 10:00-12:00
Dec-Nov 10:00-12:00
Jan 1-Dec 31 10:00-12:00
Dec 26-Dec 24 off
Apr 1-Mar 30 off
Dec 25,Jan,Dec 25,May 1-5 off
Dec 25,Dec 25 off
Dec 25,Dec 24,Dec 24-25 off
2026 Dec 25 off
2000 Feb 29 off
2028 Feb 29 off
2026 Dec 24-2027 Jan 2 off
2026 Dec 24-26,2025 May off
2026 Oct-Dec Mo 09:00-10:00
Jan-Mar Mo-Fr,PH 09:00-12:00,14:00-18:00
Mo-Fr 09:00-20:00; Sa 10:00-14:00; Dec 25 off; PH off
off; Mo 10:00-12:00
24/7; Su off; 12:00-13:00 off
\.
SELECT written, written::calling_hours AS canonical,
       written::calling_hours = written::calling_hours::text::calling_hours AS same_again
FROM sample;

-- Equality is that of the canonical text, and hashes.
SELECT 'Mo,Tu,We 9:00-12:00'::calling_hours = 'mo-we 09:00-12:00' AS equal,
       'Mo 09:00-12:00'::calling_hours <> 'Tu 09:00-12:00' AS different,
       'Mo 09:00-12:00'::calling_hours = 'Tu 09:00-12:00' AS not_equal;
SELECT count(DISTINCT written::calling_hours::text) AS distinct_texts,
       (SELECT count(*) FROM (SELECT FROM sample GROUP BY written::calling_hours) g) AS groups
FROM sample;
SELECT hashed, count(*)
FROM (SELECT _calling_hours_hash(h::calling_hours) = _calling_hours_hash('Sa,Su off')
         AND _calling_hours_hash_extended(h::calling_hours, 7) = _calling_hours_hash_extended('Sa,Su off', 7) AS hashed
      FROM unnest(ARRAY['Su,Sa closed', 'Sa-Su off', 'Sa off']) h) x
GROUP BY hashed ORDER BY hashed;

-- Stored and binary.
CREATE TEMP TABLE stored (hours calling_hours);
CREATE INDEX ON stored USING hash (hours);
INSERT INTO stored SELECT written::calling_hours FROM sample;
INSERT INTO stored SELECT string_agg(format('2026 %s %s-2027 %s 05', to_char(d, 'Mon'), to_char(d, 'DD'), to_char(d, 'Mon')), ',')::calling_hours
FROM generate_series(timestamp '2026-01-01', '2026-08-18', '1 day') d;
SELECT pg_column_size(hours) < 1900 AS compressed, length(hours::text) FROM stored ORDER BY length(hours::text) DESC LIMIT 1;
SELECT convert_from(_calling_hours_send('mo 9:00-12:00'), 'UTF8') = E'\x01' || 'Mo 09:00-12:00' AS sent;

-- Errors of the text: 22P02 with the position and, where one can be given, a hint.
CREATE FUNCTION pg_temp.error_of(written text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM written::recall.calling_hours;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;
CREATE TEMP TABLE bad (id int GENERATED ALWAYS AS IDENTITY, written text);
\copy bad (written) FROM stdin

;
Mo;
Mo-Fr 9-18
Mo-Fr 09:00
Mo 10:00-
Mo-09:00-17:00
Mo,09:00-17:00
Mo 09:00-17
Mo 09:00-17,18
Mo 10:0-11:00
Mo 10:00-11:000
Mo 10:60-11:00
Mo 100:00-11:00
Mo 24:00-25:00
Mo 10:00-48:01
Mo 10:00-10:00
Mo 10:00-12:00 offf
Mo 10:00-12:00 off open
Monday 09:00-12:00
Mo-Fri 09:00-12:00
January off
Dez 25 off
Mo 10:00-12:00 Tu
Mo Dec 25
PH Mo
Dec 32
Feb 30
Dec 0
Dec 025
2027 Feb 29
2001 Feb 29
2100 Feb 29
1899 Dec 25
99999 Dec 25
2026
2026 Mo 09:00-12:00
2026-2027 Dec
Dec 26-24
Dec 26-Dec 25
Mar 31-Mar 30
Jan 1-Dec 31 off; Mar 1-Feb 29
Dec 25,26
2026 Dec 24-Jan 2
Dec 24-2027 Jan 2
2026 Dec 24-2025 Jan 2
2026 Dec-Jan
2026 Dec-2027 Jan
2026 Dec 25,Dec 31
Dec 25-Jan
24/7 off
Mo 24/7
24/75
Mo-Fr 09:00-18:00; 10:00-12:00
Mo-Fr 09:00-18:00; 24/7
Mo 09:00-12:00, 14:00-18:00
Mo 09:00-12:00 ,14:00-18:00
Mo, Tu
Mo 09:00-12:00,Tu 10:00-12:00
Mo 09:00-12:00 || Tu
sunrise-sunset
Mo (sunrise+01:00)-18:00
Mo-Fr dawn-12:00
easter off
SH off
week 10 Mo
Mo[1] 10:00-12:00
Mo 10:00+
Mo 10:00-12:00+
Mo 10:00-12:00/30
Mo unknown
Mo 10:00-12:00 "by arrangement"
"by arrangement"
Größe
À 09:00-12:00
日本 09:00-12:00
Mo-Fr 09:00-12:00; Größe
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
\.
SELECT written, e.* FROM bad, pg_temp.error_of(written) e ORDER BY id;

-- The server shows where.
SELECT 'Mo-Fr 09:00-18:00; Sa 10:00-14:00; Dec 25 of'::calling_hours;

-- Too large: 54000.
SELECT n, e.* FROM (VALUES (64), (65)) v(n), pg_temp.error_of(rtrim(repeat('Mo 09:00-10:00; ', n), '; ')) e;
SELECT n, e.* FROM (VALUES (255), (256)) v(n), pg_temp.error_of(rtrim(repeat('Dec 25,', n), ',')) e;
SELECT n, e.* FROM (VALUES (255), (256)) v(n), pg_temp.error_of(rtrim(repeat('09:00-10:00,', n), ',')) e;
SELECT rules, e.* FROM (VALUES (2), (3)) v(rules), pg_temp.error_of(rtrim(repeat(
	(SELECT string_agg(to_char(day, 'Mon DD'), ',') || '; ' FROM generate_series(timestamp '2026-01-01', '2026-09-11', '1 day') day), rules), '; ')) e;
SELECT n, e.* FROM (VALUES (14332), (14333)) v(n), pg_temp.error_of('24/7' || repeat(' ', n)) e;

-- Binary input: the version, and the text like any other.
CREATE FUNCTION pg_temp.copy_error(bytes bytea, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
DECLARE
	file bytea := '\x5047434f50590aff0d0a00' || '\x0000000000000000'::bytea || '\x0001' || int4send(length(bytes)) || bytes || '\xffff';
	octal text := (SELECT string_agg(format('\%s%s%s', b >> 6, b >> 3 & 7, b & 7), '' ORDER BY i)
		FROM generate_series(0, length(file) - 1) i, get_byte(file, i) b);
BEGIN
	EXECUTE format('COPY pg_temp.stored FROM PROGRAM %L (FORMAT binary)', format('printf ''%s''', octal));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;
TRUNCATE stored;
SELECT * FROM pg_temp.copy_error(_calling_hours_send('Mo-Fr 09:00-18:00; PH off'));
SELECT * FROM pg_temp.copy_error('\x02' || convert_to('24/7', 'UTF8'));
SELECT * FROM pg_temp.copy_error('\x01' || convert_to('24/8', 'UTF8'));
SELECT * FROM pg_temp.copy_error('\x');
SELECT * FROM stored;

-- What a rule means. A week of 2026-01-05, a Monday: the open hours, first to last minute, by day.
CREATE FUNCTION pg_temp.week(hours calling_hours, holidays date[] DEFAULT NULL, first timestamptz DEFAULT '2026-01-05')
RETURNS TABLE (opens text, closes text) LANGUAGE sql AS $$
	SELECT to_char(min(at), 'Dy DD HH24:MI'), to_char(max(at) + '1 min', 'Dy DD HH24:MI')
	FROM (SELECT at, extract(epoch FROM at) / 60 - row_number() OVER (ORDER BY at) AS island
	      FROM generate_series(first, first + '7 days' - interval '1 min', '1 min') at
	      WHERE recall.is_open(hours, 'UTC', at, holidays)) open_minute
	GROUP BY island ORDER BY min(at)
$$;
-- A later rule replaces the day, whatever the day before carries into it.
SELECT * FROM pg_temp.week('Mo-Th 20:00-03:00; We 10:00-12:00');
-- A rule that is off takes away: a whole day, or some hours of it; the day's own spill into the next one stays.
SELECT * FROM pg_temp.week('Mo-We 20:00-03:00; Tu off');
SELECT * FROM pg_temp.week('Mo,Tu 08:00-18:00; 12:00-13:00 off; Tu 17:00-18:00 off');
SELECT * FROM pg_temp.week('Mo,Tu 08:00-30:00; Mo 23:00-01:00 off');
-- A later rule opens again what an earlier one shut.
SELECT * FROM pg_temp.week('Mo,Tu off; Tu 08:00-10:00');
-- Spans that reach beyond the next midnight but one minute; 48:00 is the end of the next day.
SELECT * FROM pg_temp.week('We 23:00-48:00');
-- Rules for weekdays hold on public holidays too, unless a rule says otherwise.
SELECT * FROM pg_temp.week('Tu,We 08:00-10:00', '{2026-01-06}');
SELECT * FROM pg_temp.week('Tu,We 08:00-10:00; PH off', '{2026-01-06}');
SELECT * FROM pg_temp.week('Tu,PH 08:00-10:00; PH 09:00-12:00', '{2026-01-07,NULL,2026-01-11,infinity,2026-01-07}');
SELECT * FROM pg_temp.week('We 08:00-10:00; PH off');
-- Dates: over the end of the year, in one year only, on 29 February.
SELECT * FROM pg_temp.week('Dec 31-Jan 1 08:00-10:00', first => '2026-12-28');
SELECT * FROM pg_temp.week('2026 Dec 31-2027 Jan 2 08:00-10:00; 2027 Jan 1 off', first => '2026-12-28');
SELECT * FROM pg_temp.week('2026 Dec 31-2027 Jan 2 08:00-10:00', first => '2027-12-28');
SELECT * FROM pg_temp.week('Dec Sa 22:00-02:00', first => '2022-12-31');
SELECT * FROM pg_temp.week('Feb 29 08:00-10:00', first => '2028-02-26');
SELECT * FROM pg_temp.week('Feb 28-29 08:00-10:00', first => '2027-02-26');
SELECT * FROM pg_temp.week('Feb 08:00-10:00', first => '2028-02-28');

-- next_open: at itself when open, to the microsecond; the start of the hours otherwise.
CREATE FUNCTION pg_temp.next_open(hours calling_hours, zone text, VARIADIC instants timestamptz[])
RETURNS TABLE (at timestamptz, next_open timestamptz, local_time timestamp, open_then boolean) LANGUAGE sql AS $$
	SELECT at, next, next AT TIME ZONE zone, recall.is_open(hours, zone, next)
	FROM unnest(instants) at, recall.next_open(hours, zone, at) next
$$;
SELECT * FROM pg_temp.next_open('Mo-Fr 09:00-12:00,14:00-18:00', 'UTC',
	'2026-01-05 08:59:59.999999', '2026-01-05 09:00', '2026-01-05 11:59:59.999999', '2026-01-05 12:00', '2026-01-09 18:00');
-- Spring forward: 02:00 becomes 03:00 in Berlin, at 01:00 UTC.
SELECT * FROM pg_temp.next_open('02:30-04:00', 'Europe/Berlin', '2026-03-29 00:00', '2026-03-29 00:59:59.5', '2026-03-29 01:00', '2026-03-29 02:00');
SELECT * FROM pg_temp.next_open('02:15-02:45', 'Europe/Berlin', '2026-03-28 12:00');
SELECT * FROM pg_temp.next_open('03:00-04:00', 'America/New_York', '2026-03-08 06:30', '2026-03-08 07:30');
-- Fall back: 02:00 to 03:00 comes twice in Berlin, 01:00 to 02:00 in New York.
SELECT * FROM pg_temp.next_open('02:30-02:45', 'Europe/Berlin', '2026-10-25 00:00', '2026-10-25 00:44:59', '2026-10-25 00:45', '2026-10-25 01:45');
SELECT * FROM pg_temp.next_open('Su 01:30-02:00', 'America/New_York', '2026-11-01 05:00', '2026-11-01 06:00', '2026-11-01 07:00');
-- The clock of Lord Howe leaps half an hour; that of Kathmandu stands 5:45 ahead.
SELECT * FROM pg_temp.next_open('02:15-02:45', 'Australia/Lord_Howe', '2026-10-03 15:00', '2026-10-03 15:31');
SELECT * FROM pg_temp.next_open('01:45-02:00', 'Australia/Lord_Howe', '2026-04-04 14:30', '2026-04-04 15:00', '2026-04-04 15:30');
SELECT * FROM pg_temp.next_open('Mo 09:00-18:00', 'Asia/Kathmandu', '2026-01-04 12:00');
-- Samoa left out a whole day, 2011-12-30, a Friday.
SELECT * FROM pg_temp.next_open('Fr 09:00-18:00', 'Pacific/Apia', '2011-12-29 12:00');
SELECT * FROM pg_temp.next_open('2011 Dec 30 22:00-26:00', 'Pacific/Apia', '2011-12-30 05:00');
-- Local mean time, with seconds.
SELECT * FROM pg_temp.next_open('09:00-18:00', 'Europe/Amsterdam', '1900-01-01 08:00');
-- Over the year's end, a leap day, before the year 1.
SELECT * FROM pg_temp.next_open('Jan 2 10:00-12:00', 'Europe/Berlin', '2026-12-31 23:30');
SELECT * FROM pg_temp.next_open('Feb 29 10:00-12:00', 'UTC', '2027-03-01', '2026-02-28', '2026-02-26');
SELECT * FROM pg_temp.next_open('2028 Jan 2 00:00-00:01', 'UTC', '2026-01-01 00:00:30', '2026-01-01', '2025-12-31 23:59');
SELECT * FROM pg_temp.next_open('Mo 10:00-12:00', 'UTC', '0001-12-30 BC', '4713-01-01 BC', '294276-12-29');
SELECT next_open('24/7', 'Europe/Berlin', '294276-12-31 23:59:59.999999'), next_open('2026 Jan', 'UTC', '294276-12-31 23:00'), next_open('off', 'UTC', '2026-01-01');
-- Holidays.
SELECT next_open('Mo-Fr 09:00-18:00; PH off', 'Europe/Berlin', '2026-12-24 17:30', '{2026-12-25}'),
       next_open('PH 09:00-18:00', 'Europe/Berlin', '2026-12-24 17:30', '{2027-01-01,2026-12-25}'),
       next_open('PH 09:00-18:00', 'Europe/Berlin', '2026-12-24 17:30', '{}'),
       next_open('PH 09:00-18:00', 'Europe/Berlin', '2026-12-24 17:30');
-- The cache of one call serves the next only where it fits.
SELECT zone, days, next_open('PH 09:00-18:00', zone, at::timestamptz, days::date[])
FROM (VALUES ('Europe/Berlin', '{2026-12-25}', '2026-12-24'), ('europe/berlin', '{2026-12-25}', '2026-07-01'), ('Asia/Tokyo', '{2026-12-25}', '2026-07-01'),
             ('Asia/Tokyo', '{2026-12-26}', '2026-07-01'), ('Asia/Tokyo', NULL, '2026-07-01'), ('Asia/Tokyo', '{2026-12-24,2026-12-25}', '2026-12-25 12:00'),
             ('UTC', '{2026-12-24,2026-12-25}', '2026-12-25 12:00'), ('Europe/Berlin', '{2026-08-01}', '2026-07-01')) v(zone, days, at);
-- Nulls and infinity.
SELECT is_open(NULL, 'UTC', '2026-01-01') AS always, next_open(NULL, 'UTC', '2026-01-01') AS at_once,
       is_open(NULL, NULL, 'infinity') AS for_ever, next_open(NULL, 'No/Where', 'infinity') AS unasked,
       is_open('24/7', NULL, '2026-01-01') IS NULL AND next_open('24/7', NULL, '2026-01-01') IS NULL AS null_zone,
       is_open('24/7', 'UTC', NULL) IS NULL AND next_open(NULL, 'UTC', NULL) IS NULL AS null_instant,
       is_open('24/7', 'UTC', 'infinity') IS NULL AND next_open('24/7', 'UTC', '-infinity') IS NULL AS infinite;

-- Time zones: names of the database in any case, and nothing else; 22023.
SELECT zone, _check_time_zone(zone)
FROM unnest(ARRAY['Europe/Berlin', 'europe/BERLIN', 'UTC', 'utc', 'Etc/GMT+5', 'etc/gmt-14', 'EST5EDT', 'GMT0', 'Asia/Kathmandu', NULL]) zone;
SELECT count(*) > 400 AS all_known FROM pg_timezone_names WHERE _check_time_zone(name) = name;
CREATE FUNCTION pg_temp.zone_error(zone text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM recall._check_time_zone(zone);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
END $$;
SELECT zone, e.state, e.message
FROM unnest(ARRAY['', 'Europe/Berln', 'FOO5', 'Etc/GMT+15', 'GMT+5', 'CEST', '+02', '<+02>-2', 'Europe/Berlin5', 'CET-1CEST,M3.5.0,M10.5.0/3', '../../etc/passwd']) zone,
     pg_temp.zone_error(zone) e;
SELECT (pg_temp.zone_error('FOO5')).hint;
SELECT next_open('24/7', 'Mars/Olympus', '2026-01-01');
SELECT is_open('24/7', 'FOO5', '2026-01-01');
SELECT length((pg_temp.zone_error(repeat('x', 1000))).message);
