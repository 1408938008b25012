-- A copy of the database hands out nothing until its owner accepts its history: what is held, what goes on, what accepting does.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();

CREATE ROLE t_desk;
CREATE FUNCTION t.history_health() RETURNS text LANGUAGE sql STABLE
AS $$ SELECT h.status || ': ' || h.detail FROM recall.health() h WHERE h.check_name = 'history' $$;

-- As it is where the extension was created.
SELECT is(recall._history_is_accepted(), true, 'accepted from CREATE EXTENSION on');
SELECT is(t.history_health(), 'ok: the database is the one whose calls it knows', 'health() says so');
SELECT is_empty('SELECT * FROM recall.accept_history()', 'accept_history() has nothing to do');
SELECT is((SELECT count(*) FROM recall.event WHERE action = 'accept_history'), 0::bigint, 'and notes nothing');
SELECT is((SELECT format('%s %s %s', o.system_identifier, o.database, o.timeline) FROM recall.origin o),
	(SELECT format('%s %s %s', s.system_identifier, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
		('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int) FROM pg_control_system() s),
	'what is noted is what the server says of itself');

-- Each thing that is noted, and the row itself, tells a copy.
CREATE FUNCTION t.held_after(change text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	held boolean;
BEGIN
	BEGIN
		EXECUTE change;
		held := NOT recall._history_is_accepted();
		RAISE SQLSTATE 'TTTTT';
	EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
		RETURN held;
	END;
END $$;
SELECT is(t.held_after(c.change), c.held, c.name)
FROM (VALUES
	('UPDATE recall.origin SET writer = recall._writer()', false, 'a row that was written here is of here, also behind a savepoint'),
	('UPDATE recall.origin SET system_identifier = system_identifier + 1, writer = recall._writer()', true, 'another system'),
	('UPDATE recall.origin SET database = 1, writer = recall._writer()', true, 'another database'),
	('UPDATE recall.origin SET timeline = timeline + 1, writer = recall._writer()', true, 'another timeline'),
	('CREATE TEMP TABLE o AS TABLE recall.origin; DELETE FROM recall.origin; INSERT INTO recall.origin TABLE o', true,
		'the same row, written by somebody else: a dump that came back'),
	('CREATE TEMP TABLE o AS TABLE recall.origin; SELECT recall._note_origin(); INSERT INTO recall.origin TABLE o', true,
		'such a row beside one of here'),
	('DELETE FROM recall.origin', true, 'no row')) AS c(change, held, name);

-- A tenant whose task has a rule for unknown outcomes. Contacts 1 to 3 are out, the lease of 3 has run out; 4 is called and
-- asked to be recalled; 5 to 8 are ready, of which 5 and 6 have one number, and 8 is due tomorrow.
SELECT tenant, task, batch FROM t.campaign(8, 'busy; unknown after 10 min; limit 6') \gset
SELECT recall.grant_privilege(:tenant, 't_desk', '{read,dial,recycle}');
UPDATE recall.contact SET numbers = ARRAY[t.number(5)] WHERE tenant_id = :tenant AND contact_id = 6;
UPDATE recall.dial SET number = t.number(5) WHERE tenant_id = :tenant AND contact_id = 6;
UPDATE recall.dial SET due_at = now() + interval '1 day' WHERE tenant_id = :tenant AND contact_id = 8;
SELECT t.tick() \g /dev/null
SELECT t.claimed(:tenant, :task, 3) AS claimed \gset
SELECT is(:'claimed'::text, '1 2 3', 'three are out');
UPDATE recall.dial SET lease_until = clock_timestamp(), state = 'unknown' WHERE tenant_id = :tenant AND contact_id = 3;
SELECT recall.record_call(:tenant, 4, 'busy', NULL);

-- The original ends, and this is the copy.
SELECT started_at AS known_until FROM recall.tick ORDER BY tick_id DESC LIMIT 1 \gset
UPDATE recall.origin SET timeline = timeline + 1, writer = recall._writer();
SELECT alike(t.history_health(), format('critical: claims are held: the database is a copy, and what was rung after %s is not known.%%recall.accept_history()', :'known_until'::timestamptz),
	'health() is critical, and says since when and what to do');
SELECT t.refused(format('SELECT * FROM recall.claim(%s, %s)', :tenant, :task), '55000',
	'claims are held: the database is a copy, and nobody has accepted its history',
	'What was rung after its last moment has to be recorded first; then the owner of the extension runs recall.accept_history(). See recall.health().',
	'claim() is refused', 't_desk');
SELECT t.denied(format('SELECT * FROM recall.claim(%s, %s)', :tenant + 1, :task), format('tenant %s, right "dial"', :tenant + 1),
	'who has no right is told nothing of it', 't_desk');

-- What goes on: reports, also of what is unknown; calls from elsewhere; giving back; recycling.
SELECT is(recall.report(:tenant, 1, t.token(:tenant, 1), 'busy', NULL, NULL, NULL), 'recorded', 'a report is taken');
SELECT is(recall.report(:tenant, 3, t.token(:tenant, 3), NULL, NULL, NULL, NULL), 'recorded', 'a late one, too');
SELECT recall.recycle(:tenant, :batch) AS record \gset
SELECT t.tick() \g /dev/null
SELECT is((SELECT format('%s %s', state, emitted) FROM recall.recycle WHERE tenant_id = :tenant AND recycle_id = :record), 'completed 2',
	'process() emits');
SELECT is(recall.record_call(:tenant, 4, 'no_answer', NULL), 2, 'a call that the original made uses up what was emitted');
SELECT is((SELECT held FROM recall.tick ORDER BY tick_id DESC LIMIT 1), true, 'the run notes that claims were held');
SELECT is(recall._known_until(), :'known_until'::timestamptz, 'and does not count as a moment at which the history was whole');

-- What does not: to assume that a call came to nothing, which was perhaps reported to the original.
UPDATE recall.dial SET lease_until = clock_timestamp() WHERE tenant_id = :tenant AND contact_id = 2;
SELECT t.tick() \g /dev/null
SELECT is(t.permits(:tenant), '1.2 ready, 2.1 unknown, 5.1 ready, 6.1 ready, 7.1 ready, 8.1 ready', 'a lease that runs out is of unknown outcome, and no more');
SELECT is(t.calls(:tenant), '1.1 busy, 3.1 answered, 4.1 busy, 4.2 no_answer', 'no call is assumed');

-- Reviewing and accepting.
SELECT t.refused('SELECT recall.review_history()', '42501', 'permission denied for what only the owner of the extension may do',
	'Call it as the owner of the extension, or as a role that inherits its rights.', 'only the owner reviews', 't_desk');
SELECT t.refused('SELECT recall.accept_history()', '42501', 'permission denied for what only the owner of the extension may do',
	'Call it as the owner of the extension, or as a role that inherits its rights.', 'only the owner accepts', 't_desk');
SELECT t.refused(format('SELECT recall.accept_history(%L)', m.moment), '22023', format('rung_until %L is not a moment that is past', m.moment::timestamptz),
	'Give the moment by which the original had handed out its last permit, or null when every call that was made since is recorded.',
	format('accept_history(%s)', m.moment))
FROM (VALUES ('infinity'), ('-infinity'), ('2100-01-01 00:00:00+00')) AS m(moment);
UPDATE recall.dial SET due_at = now() - interval '1 min' WHERE tenant_id = :tenant AND contact_id = 1;
PREPARE review AS SELECT known_until, claimed, unknown, in_doubt FROM recall.review_history($1) WHERE tenant_id = :tenant;
SELECT row_eq('EXECUTE review(NULL)', ROW(:'known_until'::timestamptz, 0::bigint, 1::bigint, 4::bigint), 'review_history() counts what may have rung');
SELECT row_eq($$EXECUTE review('2001-01-01')$$, ROW(:'known_until'::timestamptz, 0::bigint, 1::bigint, 0::bigint), 'nothing was due before');

SAVEPOINT held;
SELECT is((SELECT format('%s %s %s', claimed, unknown, in_doubt) FROM recall.accept_history() WHERE tenant_id = :tenant), '0 1 4', 'accept_history() returns the same');
SELECT is(recall._history_is_accepted(), true, 'and the history is accepted');
SELECT is((SELECT count(*) FROM recall.origin), 1::bigint, 'one row says so');
SELECT is(t.history_health(), 'ok: the database is the one whose calls it knows', 'health() is content');
SELECT is(t.claimed(:tenant, :task), '1 5 7', 'claims go on; one number is out once');
SELECT t.tick() \g /dev/null
SELECT alike(t.calls(:tenant), '%, 2.1 unknown*, %', 'and so does the rule for unknown outcomes');
SELECT is((SELECT held FROM recall.tick ORDER BY tick_id DESC LIMIT 1), false, 'the run is one like before');
SELECT is((SELECT format('%s %s', kind, detail - 'origin' - 'known_until') FROM recall.audit WHERE tenant_id = :tenant AND action = 'accept_history'),
	'tenant {"claimed": 0, "unknown": 1, "in_doubt": 4}', 'the audit says what was accepted');
SELECT is((SELECT detail->'origin'->0->>'system_identifier' FROM recall.audit WHERE tenant_id = :tenant AND action = 'accept_history'),
	(SELECT system_identifier::text FROM pg_control_system()), 'and where it came from');
SELECT is_empty('SELECT * FROM recall.accept_history()', 'once is enough');
ROLLBACK TO held;

-- Where not every call is known: what was due by then is of unknown outcome, each number once.
SELECT clock_timestamp() AS died \gset
SELECT is((SELECT in_doubt FROM recall.accept_history(:'died') WHERE tenant_id = :tenant), 4::bigint, 'accept_history(rung_until) counts what is in doubt');
SELECT is(t.permits(:tenant), '1.2 unknown, 2.1 unknown, 5.1 unknown, 6.1 ready, 7.1 unknown, 8.1 ready', 'and makes its outcome unknown');
SELECT is((SELECT format('%s %s', claimed_at = :'known_until', lease_until = :'died') FROM recall.dial WHERE tenant_id = :tenant AND contact_id = 7), 't t',
	'as if it had been claimed when the history ends');
SELECT is(t.claimed(:tenant, :task), 'none', 'nothing that may have rung is handed out');
SELECT is(recall.resolve(:tenant, 7, 'platform_failure', NULL), 1, 'a person settles it');
SELECT is(recall.report(:tenant, 5, t.token(:tenant, 5), NULL, NULL, :'known_until', :'known_until'), 'recorded', 'the token is one like any other');
UPDATE recall.dial SET due_at = now() WHERE tenant_id = :tenant AND contact_id = 6; -- it was put off
SELECT is(t.claimed(:tenant, :task), '6', 'the next permit for its number is free');
SELECT t.tick() \g /dev/null
SELECT alike(t.calls(:tenant), '1.1 busy, 1.2 unknown*, 2.1 unknown*, %', 'or the rule does');

SELECT * FROM finish();
ROLLBACK;
