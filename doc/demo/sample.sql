-- sample.sql
--		Loads a made-up campaign: 2000 contacts, most of them called, some of them several times.
--
--		psql -v tenant=1 -v batch=1 -f sample.sql
--
-- Every choice is drawn from a hash of a fixed seed, the contact and what is chosen, so that the sample is the
-- same everywhere: every twentieth contact or so was not called yet; the others were to be called 1 to 4 times, on
-- days in a row from 3 March 2025, until the call was conclusive. The outcomes are distributed as in the table below.
-- One contact in ten has a second number. Numbers are from +999, which is no country's. The tenant needs the
-- business results sold, callback and not_interested.

\set stop_before :ON_ERROR_STOP
\set quiet_before :QUIET
\set ON_ERROR_STOP on
\set QUIET on
\set seed 'recall 1'

\ir drawn.sql

-- Of 100 calls: how many end so, and whether the contact is then left alone. talk is in seconds, at most.
CREATE TEMPORARY TABLE outcome (share, failure_cause, business_result, conclusive, talk) AS
SELECT v.share, v.failure_cause::recall.failure_cause, v.business_result, v.conclusive, v.talk
FROM (VALUES
	(34, 'no_answer', NULL, false, 0),
	(14, 'machine', NULL, false, 15),
	(12, NULL, 'not_interested', true, 90),
	(9, NULL, 'callback', false, 60),
	(9, NULL, NULL, false, 30),
	(8, 'busy', NULL, false, 0),
	(4, NULL, 'sold', true, 600),
	(3, 'powered_off', NULL, false, 0),
	(3, 'rejected', NULL, false, 0),
	(2, 'unallocated', NULL, true, 0),
	(1, 'congestion', NULL, false, 0),
	(1, 'abandoned_by_dialer', NULL, false, 2)
) AS v (share, failure_cause, business_result, conclusive, talk);

CREATE TEMPORARY TABLE planned AS
SELECT n, format('C%s', lpad(n::text, 5, '0')) AS reference,
	CASE WHEN pg_temp.drawn(format('%s %s called', :'seed', n)) < 0.05 THEN 0
		ELSE 1 + floor(4 * pg_temp.drawn(format('%s %s calls', :'seed', n)) ^ 2)::int END AS calls,
	pg_temp.drawn(format('%s %s numbers', :'seed', n)) < 0.1 AS has_second
FROM generate_series(1, 2000) AS n;

CREATE TEMPORARY TABLE new_contact AS
SELECT reference, '+99910' || lpad(n::text, 6, '0') || CASE WHEN has_second THEN ',+99920' || lpad(n::text, 6, '0') ELSE '' END
	AS numbers
FROM planned
ORDER BY n;
ALTER TABLE new_contact ALTER numbers TYPE text[] USING string_to_array(numbers, ',');

CREATE TEMPORARY TABLE attempted AS
SELECT p.n, p.reference, a.attempt, o.*,
	timestamptz '2025-03-03 09:00+00'
		+ make_interval(days => a.attempt - 1, secs => floor(36000 * pg_temp.drawn(format('%s %s %s time', :'seed', p.n, a.attempt))))
		AS started_at,
	make_interval(secs => 5 + floor((20 + o.talk) * pg_temp.drawn(format('%s %s %s talk', :'seed', p.n, a.attempt)))) AS duration
FROM planned p
CROSS JOIN LATERAL generate_series(1, p.calls) AS a (attempt)
JOIN (SELECT *, sum(share) OVER (ORDER BY share, failure_cause, business_result) AS upto FROM outcome) o
	ON pg_temp.drawn(format('%s %s %s outcome', :'seed', p.n, a.attempt)) * 100 >= o.upto - o.share
	AND pg_temp.drawn(format('%s %s %s outcome', :'seed', p.n, a.attempt)) * 100 < o.upto;

CREATE TEMPORARY TABLE new_call AS
SELECT reference, n AS place, failure_cause, business_result, started_at, started_at + duration AS ended_at, NULL::text AS raw_code
FROM attempted t
WHERE NOT EXISTS (SELECT FROM attempted e WHERE e.n = t.n AND e.attempt < t.attempt AND e.conclusive);

SELECT count(*) AS contacts FROM new_contact \gset
SELECT count(*) AS calls, count(DISTINCT reference) AS called FROM new_call \gset
\echo A made-up campaign, drawn with the fixed seed :'seed': :contacts contacts, of which :called were called, :calls times in all.
\ir load.sql
