-- asterisk.sql
--		Loads the call detail records of an Asterisk exchange from a csv file with a header.
--
--		psql -v tenant=1 -v batch=1 -v file=cdr.csv -f asterisk.sql
--
-- Takes the columns dst, calldate, duration, disposition and sequence, wherever they stand. Each destination
-- becomes a contact and each record a completed call to it, in the order of (calldate, sequence); records without
-- a destination (empty or NULL) are left out. calldate is read in the session's time zone: set PGTZ to the exchange's.
-- A destination that is a number in E.164 form ("+" and 7 to 15 digits) is dialled as it is. Any other, such
-- as a hash, gets a stand-in of its own from +999, which is no country's, and stays the contact's reference.

\set delimiter ,
\ir csv_table.sql
\copy csv_row FROM PROGRAM 'cat "$CSV_FILE"' (FORMAT csv, HEADER match, NULL 'NULL')

CREATE TEMPORARY TABLE cdr AS
SELECT row_number() OVER (ORDER BY calldate::timestamptz, sequence::bigint, ctid) AS place, dst,
	calldate::timestamptz AS started_at, make_interval(secs => duration::int) AS duration, disposition
FROM csv_row
WHERE dst <> '';

CREATE TEMPORARY TABLE new_contact AS
SELECT dst AS reference,
	ARRAY[CASE WHEN dst ~ '^\+[0-9]{7,15}$' THEN dst
		ELSE '+999' || lpad(row_number() OVER (ORDER BY min(place))::text, 7, '0') END] AS numbers
FROM cdr
GROUP BY dst
ORDER BY min(place);

CREATE TEMPORARY TABLE new_call AS
SELECT dst AS reference, place, recall.failure_cause('asterisk', disposition) AS failure_cause,
	NULL::text AS business_result, started_at, started_at + duration AS ended_at, disposition AS raw_code
FROM cdr;

SELECT count(*) AS records, count(*) FILTER (WHERE dst <> '') AS with_destination,
	count(DISTINCT dst) FILTER (WHERE dst <> '') AS destinations,
	count(DISTINCT dst) FILTER (WHERE dst <> '' AND dst !~ '^\+[0-9]{7,15}$') AS stand_ins,
	current_setting('TimeZone') AS zone
FROM csv_row \gset
\echo :records call records: :with_destination have a destination, and there are :destinations destinations
\echo :stand_ins destinations are no E.164 numbers and got stand-ins from +999; times were read as of time zone :zone
\ir load.sql
