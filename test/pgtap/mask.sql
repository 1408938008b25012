-- Whole numbers are seen by those who dial or manage. Nobody else finds one in any view, function or error.
BEGIN;
\ir helpers.psql
\ir dialer.psql
SELECT no_plan();

/* The masks themselves */

SELECT is(recall._mask_number(x.number), x.masked, format('the mask of %s', x.number)) FROM (VALUES
	('+493012345678', '+49********78'), ('+1234567', '+12***67'), ('+49 30 1234-567', '+49 ** ****-*67'), ('0049', '0049'), ('', ''), ('+', '+'),
	('12345', '12*45'), (E'+49301234567\n', E'+49*******67\n'), ('+49３０1234567', '+49*******67'), ('Müller', 'M*ller'),
	(repeat('7', 40), '77' || repeat('*', 36) || '77'), (repeat('7', 41), '77' || repeat('*', 37) || '7...')) AS x(number, masked);
SELECT is(recall._mask_numbers(x.said), x.masked, format('the mask of a text: %s', x.said)) FROM (VALUES
	('ask +49 30 (1234)-5678, or 0049 30 12 34 56 78', 'ask +49 ** (****)-**78, or 00** ** ** ** ** 78'), ('+49    30 123 456, +1.202.555.0101/2', '+49    30 123 456, +1.2**.***.***1/2'),
	('30 1234 5678', '30 1234 5678'), ('on 2026-11-26 at 21:00:00+00:00', 'on 2026-11-26 at 21:00:00+00:00'), ('+49 30-', '+49 30-'), ('+4930123456', '+49******56'),
	('+493012345678', '+49********78'), ('sip:493012345678@gw', 'sip:49********78@gw'), ('1234567', '12***67'), ('123456', '123456'), ('', ''),
	('at 2026-11-25 23:20:32.123456+00, 1234567 and +4930111111', 'at 2026-11-25 23:20:32.123456+00, 12***67 and +49******11')) AS x(said, masked);
SELECT is(recall._mask_numbers(x.said::jsonb), x.masked::jsonb, format('the mask of a value: %s', x.said)) FROM (VALUES
	('{"contacts": 2000000, "reason": "+493012345678"}', '{"contacts": 2000000, "reason": "+49********78"}'),
	('"+4930\u00011234567\"7654321\\1234567"', '"+4930\u000112***67\"76***21\\12***67"'), ('["+493012345678", {"+493012345678": null}]', '["+49********78", {"+49********78": null}]'),
	('12345678', '12345678'), ('"\"1234567"', '"\"12***67"'), ('""', '""'), ('"\\"', '"\\"')) AS x(said, masked);

/* What is given as something else is shown in an error, without the number that it may be. */

SELECT tenant AS wrong, task AS wrong_task FROM t.campaign(1) \gset
SELECT recall.create_business_result(:wrong, '4930555123987', 'Number');
CREATE TABLE t.wrong (statement text, state text, message text);
INSERT INTO t.wrong VALUES
	('SELECT recall.create_business_result($, ''+4930555123987'', ''x'')', '22023', 'invalid code of a business result: ''+49*********87'''),
	('SELECT recall.create_business_result($, ''4930555123987'', ''x'')', '22023', 'business result "49*********87" exists already'),
	('SELECT recall.create_business_result($, ''x'', rpad(''+4930555123987'', 201))', '22023', 'invalid name of a business result: ''' || rpad('+49*********87', 200) || ''''),
	('SELECT recall.create_task($, rpad(''+4930555123987'', 201), ''fixed'')', '22023', 'invalid name of a task: ''' || rpad('+49*********87', 200) || ''''),
	('SELECT recall.create_batch($, 1, rpad(''+4930555123987'', 201))', '22023', 'invalid name of a batch: ''' || rpad('+49*********87', 200) || ''''),
	('SELECT recall.create_tenant(rpad(''+4930555123987'', 201))', '22023', 'invalid name of a tenant: ''' || rpad('+49*********87', 200) || ''''),
	('SELECT recall.set_tenant($, obs_url_mode => rpad(''+4930555123987'', 51))', '22023', 'invalid obs_url_mode ''' || rpad('+49*********87', 50) || ''''),
	('SELECT recall.set_tenant($, ''+4930555123987'')', '22023', 'time zone "+49*********87" is not known'),
	('SELECT recall.set_policy($, 1, ''result 4930555123988'')', '22023', 'business result "49*********88" of the policy does not exist in tenant $'),
	('SELECT recall.record_call($, 1, NULL, ''4930555123988'')', '22023', 'business result "49*********88" does not exist in tenant $'),
	('SELECT ''result "+4930555123987"''::recall.policy', '22P02', 'invalid policy at character 9: "+49*********87" is not the code of a business result'),
	('SELECT ''busy after 1 4930555123987''::recall.policy', '22P02', 'invalid policy at character 14: expected a unit of time, found "49*********87"'),
	('SELECT ''class 4930555123987''::recall.policy', '22P02', 'invalid policy at character 7: expected a class of failure causes, found "49*********87"'),
	('SELECT ''busy tel4930555123987''::recall.policy', '22P02', 'invalid policy at character 6: unexpected "tel49*********87"'),
	('SELECT recall.policy(NULL, ''{+4930555123987}'')', '22023', '"+49*********87" is not the code of a business result'),
	('SELECT ''{"4930555123987": 1}''::jsonb::recall.policy', '22P02', 'invalid policy: unknown key "49***87" in a policy'),
	('SELECT ''{"limits": [{"calls": "+4930555123987"}]}''::jsonb::recall.policy', '22P02', 'invalid policy: wrong value "+49***87" of "calls"'),
	('SELECT ''{"rules": [{"results": ["+4930555123987"]}]}''::jsonb::recall.policy', '22P02', 'invalid policy: wrong member "+49***87" of "results"'),
	('SELECT recall.failure_cause(''+4930555123987'', ''486'')', '22023', 'system "+49*********87" has no codes of failure causes'),
	('SELECT recall.transition(''4930555123987'', ''draft'', ''executing'')', '22023', 'unknown state machine "49*********87"'),
	('SELECT recall.transition(''task'', ''draft'', ''4930555123987'')', '22023', 'unknown state "49*********87" of state machine "task"'),
	-- An id is shown whole.
	('SELECT recall.start_task($, 4930555123987)', '42501', 'permission denied for task 4930555123987 of tenant $');
SELECT is(split_part(t.outcome(replace(w.statement, '$', :'wrong')), E'\n', 1), w.state || ': ' || replace(w.message, '$', :'wrong'), w.statement) FROM t.wrong w;

/* A tenant that says a number everywhere it can */

SELECT t.number(7) AS whole, substr(t.number(7), 2) AS digits \gset
SELECT * FROM t.campaign(8, 'busy; limit 3 per day per number') \gset
SELECT recall.record_call(:tenant, 7, 'busy', NULL, raw_code => 'sip:' || :'whole' || '@gw', agent => 'desk ' || :'whole');
SELECT recall.recycle(:tenant, :batch) AS record \gset
SELECT t.tick();
SELECT recall.suppress(:tenant, :'whole', reason => 'says ' || :'whole');
SELECT recall.schedule_callback(:tenant, 8, now() + interval '1 day', agent => 'desk ' || :'whole');
UPDATE recall.recycle SET error = 'broke on ' || :'whole' WHERE tenant_id = :tenant;
INSERT INTO recall.dial (tenant_id, contact_id, attempt, task_id, batch_id, due_at, priority, state, number, agent, token, claimed_at, lease_until, dialer)
VALUES (:tenant, 77, 2, :task, :batch, now(), 0, 'claimed', '+4930999' || right(:'whole', 7), NULL, 1, now(), 'infinity', 'line of ' || :'whole');

CREATE ROLE t_read;
CREATE ROLE t_recycle;
CREATE ROLE t_dial;
CREATE ROLE t_manage;
CREATE ROLE t_both;
CREATE ROLE t_elsewhere;
SELECT recall.create_tenant('Bell') AS bell \gset
SELECT recall.grant_privilege(:tenant, 't_read', '{read}'), recall.grant_privilege(:tenant, 't_recycle', '{read,recycle}'),
	recall.grant_privilege(:tenant, 't_dial', '{read,dial}'), recall.grant_privilege(:tenant, 't_manage', '{read,manage}'),
	recall.grant_privilege(:tenant, 't_elsewhere', '{read}'), recall.grant_privilege(:bell, 't_elsewhere', '{read,dial,manage}');

/* From the catalog: every view, and every function that a member may call with what is there, whatever will be added. */

CREATE VIEW t.lookable AS
SELECT format('recall.%I x', c.relname) AS name FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v'
UNION ALL
SELECT format('recall.%I(%s) x', p.proname, (SELECT string_agg(CASE a.name
		WHEN 'tenant_id' THEN current_setting('t.tenant') WHEN 'batch_id' THEN current_setting('t.batch') WHEN 'contact_id' THEN '7'
		WHEN 'policy' THEN '''busy''' END, ', ' ORDER BY a.n)
	FROM unnest(p.proargnames[1:p.pronargs - p.pronargdefaults]) WITH ORDINALITY AS a(name, n)))
FROM pg_proc p
WHERE p.pronamespace = 'recall'::regnamespace AND p.proname !~ '^_' AND p.prokind = 'f' AND p.proargnames[1] = 'tenant_id'
AND obj_description(p.oid, 'pg_proc') ~ 'Right: read';
SELECT set_config('t.tenant', :tenant::text, true), set_config('t.batch', :batch::text, true);

-- How many rows show the number, with or without its plus, in any column; as a role.
CREATE FUNCTION t.rows_with(name text, as_role name) RETURNS text LANGUAGE sql
RETURN t.outcome(format('SELECT count(*) FROM %s WHERE strpos(x::text, %L) > 0', name, substr(t.number(7), 2)), as_role);
SELECT is(count(*), 0::bigint, 'each has something to look at') FROM t.lookable l WHERE t.outcome(format('SELECT count(*) FROM %s', l.name), 't_read') !~ '^[1-9]';
SELECT is(t.rows_with(l.name, r.role), '0', format('%s finds no whole number in %s', r.role, l.name)) FROM t.lookable l, unnest('{t_read,t_recycle,t_elsewhere}'::name[]) r(role);
SELECT set_eq(format('SELECT l.name FROM t.lookable l WHERE t.rows_with(l.name, %L) ~ ''^[1-9]''', r.role),
	'{recall.audit x,recall.completed_call x,recall.permit x,recall.recycle_record x,recall.redial x,recall.suppressed_number x}'::text[]
		|| format('recall.explain(%s, 7) x', :tenant),
	format('%s sees it where it is said, so that the above means something', coalesce(r.role, 'the owner'))) FROM unnest('{t_dial,t_manage,NULL}'::name[]) r(role);
SELECT is(count(*), 0::bigint, 'and what shows none to anybody is known not to')
FROM t.lookable l WHERE t.rows_with(l.name, NULL) !~ '^[1-9]'
AND l.name NOT IN ('recall.task_overview x', 'recall.batch_overview x', format('recall.preview(%s, %s) x', :tenant, :batch),
	format('recall.simulate(%s, %s, ''busy'') x', :tenant, :batch), format('recall.simulate_attempts(%s, %s, ''busy'') x', :tenant, :batch),
	format('recall.verify(%s) x', :tenant));

/* A view that forgets is found. */
CREATE FUNCTION t.planted() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	CREATE VIEW recall.planted WITH (security_barrier) AS SELECT c.numbers FROM recall.contact c WHERE c.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()));
	GRANT SELECT ON recall.planted TO t_read;
	found := (SELECT string_agg(l.name, ' ') FROM t.lookable l WHERE t.rows_with(l.name, 't_read') <> '0');
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN found;
END $$;
SELECT is(t.planted(), 'recall.planted x', 'found when planted: a view that does not mask');

/* What the masked see */

SET LOCAL ROLE t_read;
SELECT is(c.number, '+49*******07', 'a call''s number') FROM recall.completed_call c;
SELECT is(c.raw_code || ' ' || c.agent, 'sip:+49*******07@gw desk +49*******07', 'its outside code and agent') FROM recall.completed_call c;
SELECT is((s.number, s.reason)::text, '(+49*******07,"says +49*******07")', 'a suppression') FROM recall.suppressed_number s;
SELECT is((a.record_id, a.detail->>'reason')::text, '(+49*******07,"says +49*******07")', 'an event about a number') FROM recall.audit a WHERE a.kind = 'suppression';
SELECT is(a.record_id, '8', 'and one about a contact, whose id stays') FROM recall.audit a WHERE a.kind = 'contact' AND a.action = 'schedule_callback';
SELECT matches(e.detail, '^calls: 1; the latest, attempt 1 on \+49\*{7}07, ended as busy', 'an explanation') FROM recall.explain(:tenant, 7) e WHERE e.check_name = 'called';
SELECT is_empty(format('SELECT FROM recall.suppressed_number WHERE number = %L', :'whole'), 'the number cannot be asked for');
SELECT is_empty(format('SELECT FROM recall.completed_call WHERE number = %L', :'whole'), 'nor a call to it');
SELECT is_empty(format('SELECT FROM recall.audit WHERE record_id = %L', :'whole'), 'nor an event');
RESET ROLE;

-- A function that is cheaper than the mask is not shown what it hides.
CREATE FUNCTION t.peep(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	IF strpos(value, substr(t.number(7), 2)) > 0 THEN
		RAISE 'peeped: %', value;
	END IF;
	RETURN true;
END $$;
SELECT is(t.outcome(format('SELECT count(*) > 0 FROM %s WHERE t.peep(x::text)', l.name), 't_read'), 'true', format('nor by a function in %s', l.name)) FROM t.lookable l;
SELECT matches(t.outcome('SELECT count(*) FROM recall.suppressed_number WHERE t.peep(number)', 't_dial'), 'peeped', 'which works');

-- Rights that change are seen at once.
SET LOCAL ROLE t_read;
SELECT recall._show_number(:tenant, :'whole') AS before \gset
RESET ROLE;
SELECT recall.grant_privilege(:tenant, 't_read', '{dial}');
SET LOCAL ROLE t_read;
SELECT recall._show_number(:tenant, :'whole') AS granted, recall._show_number(:bell, :'whole') AS other, recall._show_number(2147483647, :'whole') AS missing \gset
RESET ROLE;
SELECT is(:'before' || :'granted', '+49*******07' || :'whole', 'the right to dial shows it');
SELECT is(:'other' || :'missing', '+49*******07+49*******07', 'not in another tenant, nor in one that is not there');
SELECT recall.revoke_privilege(:tenant, 't_read', '{dial}');
SELECT is(t.outcome(format('SELECT number FROM recall.completed_call WHERE tenant_id = %s', :tenant), 't_read'), '+49*******07', 'and taking it hides it again');
SELECT is(t.outcome('SELECT string_agg(DISTINCT recall._show_number(t, t.number(7)), '' '' ORDER BY recall._show_number(t, t.number(7))) FROM unnest(ARRAY[' || :tenant || ',' || :bell || ']) t', 't_elsewhere'),
	(SELECT string_agg(n, ' ' ORDER BY n) FROM unnest(ARRAY['+49*******07', :'whole']) n), 'rights are those of each row''s tenant');

/* Who sees them finds a number by the index. */
CREATE FUNCTION t.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS off, ANALYZE, TIMING off, SUMMARY off) ' || query;
END $$;
INSERT INTO recall.suppression SELECT :tenant, '+49551' || n, NULL, 'infinity', NULL, 'x', now() FROM generate_series(1000000, 1020000) n;
ANALYZE recall.suppression;
SELECT is((SELECT count(*) FROM t.plan(format('SELECT * FROM recall.suppressed_number WHERE number = %L', :'whole')) p WHERE p ~ 'Index (Only )?Scan (Backward )?using suppression_tenant_id_number_task_id_key.*rows=1'), 1::bigint, 'by the index');
SELECT is((SELECT count(*) FROM t.plan(format('SELECT * FROM recall.suppressed_number WHERE number = %L', :'whole')) p WHERE p ~ 'Seq Scan on suppression' AND p !~ 'never executed'), 0::bigint, 'and reads no more');

SELECT * FROM finish();
ROLLBACK;
