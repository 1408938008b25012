-- uci.sql
--		Loads the telemarketing campaign "Bank Marketing" of the UCI Machine Learning Repository.
--
--		psql -v tenant=1 -v batch=1 -v file=bank-additional-full.csv -f uci.sql
--
-- The file has a line for each contact (Moro, Cortez and Rita, 2014): campaign is how often it was called, y
-- whether it bought in the end, duration the seconds of the last call. The single calls are not in it. So:
--
--		real	the contacts, how often each was called, the last call's business result and duration
--		made up	the causes for which the earlier calls failed, all times, all numbers (from +999, no country's)
--
-- Causes are drawn from a hash of the contact and the attempt, and are the same on every run. The tenant
-- needs the business results sold and not_sold.

\set delimiter ;
\ir csv_table.sql
\copy csv_row FROM PROGRAM 'cat "$CSV_FILE"' (FORMAT csv, HEADER match, DELIMITER ';')

CREATE TEMPORARY TABLE campaign AS
SELECT row_number() OVER (ORDER BY ctid) AS line, age::int, job, campaign::int AS calls,
	make_interval(secs => duration::int) AS duration, CASE y WHEN 'yes' THEN 'sold' WHEN 'no' THEN 'not_sold' END AS result
FROM csv_row;

CREATE TEMPORARY TABLE new_contact AS
SELECT 'line ' || line AS reference, ARRAY['+999' || lpad(line::text, 8, '0')] AS numbers,
	jsonb_build_object('age', age, 'job', job) AS attributes
FROM campaign
ORDER BY line;

\ir drawn.sql

-- The k-th attempt is made on the k-th day after an arbitrary one, at an hour that depends on the contact.
CREATE TEMPORARY TABLE new_call AS
SELECT 'line ' || c.line AS reference, c.line AS place,
	CASE WHEN NOT k.is_last THEN
		CASE WHEN k.drawn < 0.60 THEN 'no_answer' WHEN k.drawn < 0.80 THEN 'busy' WHEN k.drawn < 0.92 THEN 'machine'
			ELSE 'absent' END
	END::recall.failure_cause AS failure_cause,
	CASE WHEN k.is_last THEN c.result END AS business_result,
	k.started_at, k.started_at + CASE WHEN k.is_last THEN c.duration ELSE interval '30 s' END AS ended_at,
	CASE WHEN NOT k.is_last THEN 'simulated' END AS raw_code
FROM campaign c
CROSS JOIN LATERAL (
	SELECT attempt = c.calls AS is_last, pg_temp.drawn(format('uci %s %s', c.line, attempt)) AS drawn,
		timestamptz '2010-01-04 09:00+00' + make_interval(days => attempt, secs => c.line % 28800) AS started_at
	FROM generate_series(1, c.calls) AS attempt
) k;

SELECT count(*) AS contacts, sum(calls) AS calls, sum(calls) - count(*) AS simulated, count(*) FILTER (WHERE result = 'sold') AS sold
FROM campaign \gset
\echo :contacts contacts were called :calls times, and :sold of them bought
\echo Made up: the causes of the :simulated earlier calls (marked "simulated"), all times and all numbers.
\ir load.sql
