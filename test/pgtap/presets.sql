-- The presets: each is a value like any other, documented, and means what the law that it cites asks.
BEGIN;
\ir helpers.psql
SELECT no_plan();

CREATE VIEW t.preset AS
SELECT 'policy' AS kind, name, policy::text AS value, description, source FROM recall.policy_presets()
UNION ALL
SELECT 'calling hours', name, calling_hours::text, description, source FROM recall.calling_hours_presets();

SELECT results_eq('SELECT kind, count(*) FROM t.preset GROUP BY 1 ORDER BY 1', $$VALUES ('calling hours', 11::bigint), ('policy', 9)$$, 'the presets');
SELECT is_empty('SELECT kind, name FROM t.preset GROUP BY 1, 2 HAVING count(*) > 1', 'no name stands twice in a list');
SELECT is_empty($$SELECT * FROM t.preset WHERE name !~ '^[a-z]+(_[a-z]+)*$'$$, 'names are words in lower case');
SELECT is_empty($$SELECT * FROM t.preset WHERE (length(description) > 40 AND length(source) > 10) IS NOT TRUE$$, 'each says what it means and where it comes from');
SELECT is_empty($$SELECT * FROM t.preset WHERE description !~ ' An example, not legal advice\.$'$$, 'and that it is an example');
SELECT is_empty($$SELECT * FROM t.preset WHERE value ~ '\mPH\M' AND description !~ 'set_holidays\(\)'$$, 'hours that know holidays say where these come from');
SELECT is_empty('SELECT * FROM recall.policy_presets() WHERE policy::text::recall.policy IS DISTINCT FROM policy OR policy::jsonb::recall.policy IS DISTINCT FROM policy',
	'the policies read back as they are');
SELECT is_empty('SELECT * FROM recall.calling_hours_presets() WHERE calling_hours::text::recall.calling_hours IS DISTINCT FROM calling_hours', 'and so do the calling hours');
SELECT is_empty($$SELECT p.name FROM recall.policy_presets() p, recall._policy_results(p.policy) code WHERE p.description !~ format('"%s"', code)$$,
	'a description names the business results that the tenant must have');
-- Each can be given to a task.
SET LOCAL client_min_messages = error;
SELECT recall.create_tenant('Acme', 'Europe/Paris') AS acme \gset
SELECT recall.create_business_result(:acme, code, code) FROM unnest('{callback,refused}'::text[]) code;
SELECT isnt(recall.create_task(:acme, p.name, 'predicted', p.policy, h.calling_hours), NULL, format('a task with the preset %s', p.name))
FROM recall.policy_presets() p LEFT JOIN recall.calling_hours_presets() h USING (name);
SELECT lives_ok(format('SELECT recall.set_calling_hours(%s, 1, calling_hours) FROM recall.calling_hours_presets()', :acme), 'calling hours, too');
SELECT recall.create_tenant('Bare') AS bare \gset
SELECT matches(t.outcome(format('SELECT recall.create_task(%s, name, ''fixed'', policy) FROM recall.policy_presets() WHERE name = %L', :bare, name)),
	'^22023: business result "\w+" of the policy does not exist', format('the preset %s needs a business result of the tenant', name))
FROM (VALUES ('story'), ('france')) AS v(name);

-- A member may read them, whatever its rights; the public may not.
CREATE ROLE t_member;
CREATE ROLE t_nobody;
GRANT USAGE ON SCHEMA recall TO t_nobody;
SELECT recall.grant_privilege(:acme, 't_member', '{dial}');
SELECT is(t.outcome(s, 't_member'), answer, format('a member: %s', s)) FROM (VALUES
	('SELECT count(*) FROM recall.policy_presets()', '9'),
	('SELECT count(*) FROM recall.calling_hours_presets()', '11'),
	($$SELECT change FROM recall.policy_diff('busy', 'busy never; limit 6')$$, 'changed')) AS v(s, answer);
SELECT matches(t.outcome(format('SELECT count(*) FROM recall.%s', f), 't_nobody'), '^42501: permission denied for function', format('nobody else: %s', f))
FROM (VALUES ('policy_presets()'), ('calling_hours_presets()'), ('policy_diff(NULL, NULL)')) AS v(f);

/* What the policies mean */

CREATE FUNCTION t.policy(preset text) RETURNS recall.policy LANGUAGE sql STABLE RETURN (SELECT policy FROM recall.policy_presets() WHERE name = preset);

SELECT is(recall.matches(t.policy(preset), cause::recall.failure_cause, result), recalled,
	format('%s: %s %s', preset, coalesce(cause, 'answered'), result)) FROM (VALUES
	('story', 'busy', NULL, true), ('story', 'no_answer', NULL, true), ('story', NULL, 'callback', true), ('story', 'machine', NULL, false), ('story', NULL, NULL, false),
	('default', 'busy', NULL, true), ('default', 'machine', NULL, true), ('default', 'congestion', NULL, true), ('default', 'rejected', NULL, false),
	('default', 'unallocated', NULL, false), ('default', 'barred', NULL, false), ('default', 'unknown', NULL, false), ('default', NULL, NULL, false),
	('gentle', 'busy', NULL, true), ('gentle', 'no_answer', NULL, true), ('gentle', 'rejected', NULL, false), ('gentle', 'blocked', NULL, false),
	('gentle', 'congestion', NULL, false),
	('us_regulation_f', 'busy', NULL, true), ('us_regulation_f', NULL, NULL, false), ('us_regulation_f', 'unknown', NULL, false),
	('uk_ofcom', 'machine', NULL, true), ('uk_ofcom', 'abandoned_by_dialer', NULL, true),
	('france', 'no_answer', NULL, true), ('france', NULL, 'refused', false)) AS v(preset, cause, result, recalled);
SELECT is((SELECT array_agg(never) FROM recall.policy_rules(t.policy('gentle')) WHERE selector = 'class'), '{t}', 'gentle: a rejected call ends the contact');

SELECT results_eq(
	$$SELECT p.name, l.kind, l.calls, l.per, l.calendar_day, l.after, l.per_number
		FROM recall.policy_presets() p, recall.policy_limits(p.policy) l ORDER BY p.name COLLATE "C", l.item$$,
	$$VALUES ('default', 'limit', 6, NULL::interval, false, NULL, false), ('default', 'limit', 2, NULL, true, NULL, false),
		('france', 'limit', 4, '720 h', false, NULL, false), ('france', 'limit', 4, '720 h', false, NULL, true),
		('france', 'quiet', NULL, '1464 h', false, 'result refused', false), ('france', 'quiet', NULL, '1464 h', false, 'result refused', true),
		('gentle', 'limit', 6, NULL, false, NULL, false), ('gentle', 'limit', 1, NULL, true, NULL, false), ('gentle', 'limit', 3, '168 h', false, NULL, false),
		('uk_ofcom', 'quiet', NULL, '24 h', false, 'machine', true), ('uk_ofcom', 'quiet', NULL, '72 h', false, 'abandoned_by_dialer', true),
		('us_florida', 'limit', 3, '24 h', false, NULL, false),
		('us_maryland', 'limit', 3, '24 h', false, NULL, false),
		('us_oklahoma', 'limit', 3, '24 h', false, NULL, false),
		('us_regulation_f', 'limit', 7, '168 h', false, NULL, false), ('us_regulation_f', 'quiet', NULL, '168 h', false, 'answered', false)$$,
	'how often, and the quiet');
-- A refusal at any hour of the French day leaves sixty whole days free, also when the clocks change meanwhile.
SELECT is_empty($$
	SELECT refused_at FROM generate_series('2026-01-01', '2026-12-31', interval '1 day') day, unnest('{10:00,12:59,14:00,19:59}'::time[]) hour,
		LATERAL (SELECT (day::date + hour) AT TIME ZONE 'Europe/Paris' AS refused_at) r,
		LATERAL (SELECT recall.next_open((SELECT calling_hours FROM recall.calling_hours_presets() WHERE name = 'france'), 'Europe/Paris', refused_at + interval '1464 h') AS at) n
	WHERE (n.at AT TIME ZONE 'Europe/Paris')::date <= day::date + 60$$, 'france: sixty whole days after a refusal');

-- As the page on policies shows it: the limits of a law under rules of one's own.
SELECT is(('busy after 10 min; no_answer after 4 h; ' || string_agg(l.text, '; '))::recall.policy::text,
	'busy after 10 min; no_answer after 4 h; limit 3 per 24 h', 'the limits of a preset go with other rules')
FROM recall.policy_presets() p, recall.policy_limits(p.policy) l WHERE p.name = 'us_florida';

/* What the hours mean, at concrete instants by the clock of the callee. 2026-07-14 is a Tuesday, and a holiday in France. */

CREATE FUNCTION t.open(preset text, zone text, local timestamp, holidays date[] DEFAULT NULL) RETURNS boolean LANGUAGE sql STABLE
RETURN (SELECT recall.is_open(h.calling_hours, zone, local AT TIME ZONE zone, holidays) FROM recall.calling_hours_presets() h WHERE h.name = preset);
CREATE FUNCTION t.opens(preset text, zone text, local timestamp, holidays date[] DEFAULT NULL) RETURNS timestamp LANGUAGE sql STABLE
RETURN (SELECT recall.next_open(h.calling_hours, zone, local AT TIME ZONE zone, holidays) AT TIME ZONE zone FROM recall.calling_hours_presets() h WHERE h.name = preset);

SELECT is(t.open(preset, zone, local::timestamp), is_open, format('%s: %s, %s', preset, to_char(local::timestamp, 'Dy HH24:MI'), CASE WHEN is_open THEN 'open' ELSE 'closed' END))
FROM (VALUES
	('us_tcpa', 'America/New_York', '2026-07-14 07:59', false), ('us_tcpa', 'America/New_York', '2026-07-14 08:00', true),
	('us_tcpa', 'America/New_York', '2026-07-19 20:59', true), ('us_tcpa', 'America/New_York', '2026-07-19 21:00', false),
	('us_regulation_f', 'America/Chicago', '2026-07-14 07:59', false), ('us_regulation_f', 'America/Chicago', '2026-07-14 20:59', true),
	('us_regulation_f', 'America/Chicago', '2026-07-14 21:00', false),
	('us_florida', 'America/New_York', '2026-07-14 19:59', true), ('us_florida', 'America/New_York', '2026-07-14 20:00', false),
	('us_oklahoma', 'America/Chicago', '2026-07-14 08:00', true), ('us_oklahoma', 'America/Chicago', '2026-07-14 20:00', false),
	('us_maryland', 'America/New_York', '2026-07-14 08:00', true), ('us_maryland', 'America/New_York', '2026-07-14 20:00', false),
	('canada', 'America/Toronto', '2026-07-14 21:29', true), ('canada', 'America/Toronto', '2026-07-14 21:30', false),
	('canada', 'America/Toronto', '2026-07-18 09:59', false), ('canada', 'America/Toronto', '2026-07-19 17:59', true),
	('canada', 'America/Toronto', '2026-07-19 18:00', false),
	('france', 'Europe/Paris', '2026-07-14 09:59', false), ('france', 'Europe/Paris', '2026-07-14 10:00', true),
	('france', 'Europe/Paris', '2026-07-14 13:00', false), ('france', 'Europe/Paris', '2026-07-14 13:30', false),
	('france', 'Europe/Paris', '2026-07-14 14:00', true), ('france', 'Europe/Paris', '2026-07-14 20:00', false),
	('france', 'Europe/Paris', '2026-07-18 11:00', false), ('france', 'Europe/Paris', '2026-07-19 11:00', false),
	('spain', 'Europe/Madrid', '2026-07-14 09:00', true), ('spain', 'Europe/Madrid', '2026-07-14 21:00', false),
	('spain', 'Europe/Madrid', '2026-07-18 12:00', false),
	('australia_telemarketing', 'Australia/Sydney', '2026-07-14 19:59', true), ('australia_telemarketing', 'Australia/Sydney', '2026-07-14 20:00', false),
	('australia_telemarketing', 'Australia/Sydney', '2026-07-18 16:59', true), ('australia_telemarketing', 'Australia/Sydney', '2026-07-18 17:00', false),
	('australia_telemarketing', 'Australia/Sydney', '2026-07-19 12:00', false),
	('australia_research', 'Australia/Sydney', '2026-07-14 20:29', true), ('australia_research', 'Australia/Sydney', '2026-07-14 20:30', false),
	('australia_research', 'Australia/Sydney', '2026-07-19 12:00', true),
	('china', 'Asia/Shanghai', '2026-07-14 08:59', false), ('china', 'Asia/Shanghai', '2026-07-14 20:59', true),
	('china', 'Asia/Shanghai', '2026-07-14 21:00', false)) AS v(preset, zone, local, is_open);
SELECT is_empty($$SELECT name FROM recall.calling_hours_presets() WHERE NOT t.open(name, 'UTC', '2026-07-14 11:00')$$, 'all are open on a Tuesday morning at eleven');
SELECT is_empty($$SELECT name FROM recall.calling_hours_presets() WHERE t.open(name, 'UTC', '2026-07-14 23:00') OR t.open(name, 'UTC', '2026-07-14 05:00')$$, 'and none at night');
SELECT set_eq($$SELECT name FROM recall.calling_hours_presets() WHERE NOT t.open(name, 'UTC', '2026-07-14 11:00', '{2026-07-14}')$$,
	'{france,spain,australia_telemarketing,australia_research}'::text[], 'these stay away on a public holiday');

SELECT is(t.opens(preset, zone, local::timestamp, holidays::date[]), opens::timestamp, format('%s: after %s opens %s', preset, local, to_char(opens::timestamp, 'Dy HH24:MI')))
FROM (VALUES
	('us_tcpa', 'America/New_York', '2026-07-14 21:00', NULL, '2026-07-15 08:00'),
	('us_florida', 'America/Chicago', '2026-07-14 20:00', NULL, '2026-07-15 08:00'),
	('france', 'Europe/Paris', '2026-07-14 13:00', NULL, '2026-07-14 14:00'),
	('france', 'Europe/Paris', '2026-07-13 20:00', '{2026-07-14}', '2026-07-15 10:00'),
	('france', 'Europe/Paris', '2026-07-17 20:00', NULL, '2026-07-20 10:00'),
	('spain', 'Europe/Madrid', '2026-07-17 21:00', NULL, '2026-07-20 09:00'),
	('canada', 'America/Toronto', '2026-07-17 21:30', NULL, '2026-07-18 10:00'),
	('australia_telemarketing', 'Australia/Sydney', '2026-07-18 17:00', NULL, '2026-07-20 09:00'),
	('australia_telemarketing', 'Australia/Sydney', '2026-12-24 20:00', '{2026-12-25,2026-12-26,2026-12-28}', '2026-12-29 09:00'),
	('china', 'Asia/Shanghai', '2026-07-14 21:00', NULL, '2026-07-15 09:00')) AS v(preset, zone, local, holidays, opens);

SELECT * FROM finish();
ROLLBACK;
