-- Setting up tenants, results, tasks, batches and contacts: what is stored, and every refusal.
BEGIN;
\ir helpers.psql
SELECT no_plan();

CREATE ROLE nobody_in_particular;
GRANT USAGE ON SCHEMA recall TO nobody_in_particular;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA recall TO nobody_in_particular;

/* Tenants */

SELECT recall.create_tenant('Acme') AS acme \gset
SELECT recall.create_tenant('Bell', 'europe/berlin', 'sip', 7) AS bell \gset
SELECT results_eq(
	format('SELECT name, time_zone, obs_url_mode, recycle_limit, holidays FROM recall.tenant WHERE tenant_id IN (%s, %s) ORDER BY 1', :acme, :bell),
	$$VALUES ('Acme', 'UTC', 'http', 500000, '{}'::date[]), ('Bell', 'Europe/Berlin', 'sip', 7, '{}')$$,
	'create_tenant() stores its parameters, defaults included, and the time zone as IANA spells it');
SELECT isnt(:acme, :bell, 'each tenant has an id of its own');
SELECT recall.create_tenant('Nulls', NULL, NULL, NULL) AS nulls \gset
SELECT results_eq(
	format('SELECT time_zone, obs_url_mode, recycle_limit FROM recall.tenant WHERE tenant_id = %s', :nulls),
	$$VALUES ('UTC', 'http', 500000)$$, 'null parameters of create_tenant() are the defaults');

SELECT t.refused(s, '22023', m, h, d) FROM (VALUES
	($$SELECT recall.create_tenant('')$$, 'invalid name of a tenant: ''''', 'A name has 1 to 200 characters.', 'an empty name'),
	($$SELECT recall.create_tenant(NULL)$$, 'invalid name of a tenant: NULL', 'A name has 1 to 200 characters.', 'a null name'),
	($$SELECT recall.create_tenant(repeat('x', 201))$$, 'invalid name of a tenant: ''' || repeat('x', 200) || '''',
		'A name has 1 to 200 characters.', 'a name that is too long'),
	($$SELECT recall.create_tenant('x', recycle_limit => 2000001)$$, 'recycle_limit 2000001 is out of range',
		'One recycle re-dials 1 to 2000000 contacts.', 'a recycle_limit over two million'),
	($$SELECT recall.create_tenant('x', recycle_limit => 0)$$, 'recycle_limit 0 is out of range',
		'One recycle re-dials 1 to 2000000 contacts.', 'a recycle_limit of zero'),
	($$SELECT recall.create_tenant('x', obs_url_mode => '')$$, 'invalid obs_url_mode ''''',
		'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.', 'an empty obs_url_mode'),
	($$SELECT recall.create_tenant('x', obs_url_mode => repeat('m', 51))$$, 'invalid obs_url_mode ''' || repeat('m', 50) || '''',
		'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.', 'an obs_url_mode that is too long')
) AS v(s, m, h, d);
SELECT lives_ok($$SELECT recall.create_tenant('x', recycle_limit => 2000000)$$, 'two million is the highest recycle_limit');
SELECT matches(t.outcome($$SELECT recall.create_tenant('x', 'Mars/Olympus')$$), '^22023: .*Mars/Olympus', 'an unknown time zone is 22023 and quoted');
SELECT matches(t.outcome($$SELECT recall.create_tenant('x', 'FOO5')$$), '^22023: .*FOO5', 'a POSIX rule is no time zone');
SELECT t.refused($$SELECT recall.create_tenant('x')$$, '42501', 'permission denied for what only the owner of the extension may do',
	'Call it as the owner of the extension, or as a role that inherits its rights.',
	'a stranger creates no tenant', 'nobody_in_particular');

SELECT recall.set_tenant(:bell, obs_url_mode => 'http', recycle_limit => 9);
SELECT results_eq(
	format('SELECT name, time_zone, obs_url_mode, recycle_limit FROM recall.tenant WHERE tenant_id = %s', :bell),
	$$VALUES ('Bell', 'Europe/Berlin', 'http', 9)$$, 'set_tenant() changes what is given and keeps what is null');
SELECT recall.set_tenant(:bell, 'utc');
SELECT is((SELECT time_zone FROM recall.tenant WHERE tenant_id = :bell), 'UTC', 'set_tenant() changes the time zone');
SELECT t.refused(format(s, :bell), '22023', m, h, d) FROM (VALUES
	('SELECT recall.set_tenant(%s, recycle_limit => 2000001)', 'recycle_limit 2000001 is out of range',
		'One recycle re-dials 1 to 2000000 contacts.', 'set_tenant(): a recycle_limit over two million'),
	('SELECT recall.set_tenant(%s, recycle_limit => -1)', 'recycle_limit -1 is out of range',
		'One recycle re-dials 1 to 2000000 contacts.', 'set_tenant(): a negative recycle_limit'),
	('SELECT recall.set_tenant(%s, obs_url_mode => '''')', 'invalid obs_url_mode ''''',
		'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.', 'set_tenant(): an empty obs_url_mode')
) AS v(s, m, h, d);
SELECT matches(t.outcome(format('SELECT recall.set_tenant(%s, %L)', :bell, 'Nowhere')), '^22023: .*Nowhere', 'set_tenant(): an unknown time zone');
SELECT t.refused('SELECT recall.set_tenant(2147483647, ''UTC'')', '42501', 'permission denied for tenant 2147483647, right "manage"',
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().',
	'set_tenant(): a missing tenant, also for the owner');

SELECT recall.set_holidays(:acme, '{2026-12-26,2026-12-25,2026-12-26}');
SELECT is((SELECT holidays FROM recall.tenant WHERE tenant_id = :acme), '{2026-12-25,2026-12-26}'::date[], 'holidays are kept in order, each once');
SELECT recall.set_holidays(:acme, '{}');
SELECT is((SELECT holidays FROM recall.tenant WHERE tenant_id = :acme), '{}'::date[], 'holidays are replaced');
SELECT t.refused(format('SELECT recall.set_holidays(%s, %L)', :acme, '{2026-12-25,NULL}'), '22023', 'invalid list of holidays',
	'Give up to 10000 dates, none of them null or infinite.', 'a null among the holidays');
SELECT matches(t.outcome(format('SELECT recall.set_holidays(%s, %L)', :acme, '{2026-12-25,infinity}')), '^22023: invalid list of holidays', 'an infinite one among them');
SELECT matches(t.outcome(format('SELECT recall.set_holidays(%s, %L)', :acme, '{{2026-12-25},{2026-12-26}}')), '^22023: invalid list of holidays', 'holidays in two dimensions');
SELECT t.refused(format('SELECT recall.set_holidays(%s, ARRAY(SELECT current_date + n FROM generate_series(1, 10001) n))', :acme), '22023',
	'invalid list of holidays', 'Give up to 10000 dates, none of them null or infinite.', 'too many holidays');

/* Business results */

SELECT recall.create_business_result(:acme, 'callback', 'Call me back');
SELECT recall.create_business_result(:acme, 'Sale', 'Upper and lower case differ');
SELECT recall.create_business_result(:acme, 'sale', 'Sold');
SELECT recall.create_business_result(:bell, 'contract', 'Contract');
SELECT results_eq(format('SELECT code, name FROM recall.business_result WHERE tenant_id = %s ORDER BY code COLLATE "C"', :acme),
	$$VALUES ('Sale', 'Upper and lower case differ'), ('callback', 'Call me back'), ('sale', 'Sold')$$, 'create_business_result() stores code and name');
SELECT t.refused(format('SELECT recall.create_business_result(%s, %L, %L)', :acme, c, n), '22023', m, h, d) FROM (VALUES
	('', 'x', 'invalid code of a business result: ''''', 'A code has 1 to 50 letters, digits, "_" and "-".', 'an empty code'),
	('two words', 'x', 'invalid code of a business result: ''two words''', 'A code has 1 to 50 letters, digits, "_" and "-".', 'a code with a blank'),
	(repeat('c', 51), 'x', 'invalid code of a business result: ''' || repeat('c', 51) || '''', 'A code has 1 to 50 letters, digits, "_" and "-".', 'a code that is too long'),
	(E'a\n', 'x', E'invalid code of a business result: ''a\n''', 'A code has 1 to 50 letters, digits, "_" and "-".', 'a code with a line feed'),
	('callback', 'x', 'business result "callback" exists already', 'Choose another code.', 'a code that exists'),
	('fine', '', 'invalid name of a business result: ''''', 'A name has 1 to 200 characters.', 'an empty name of a result')
) AS v(c, n, m, h, d);
SELECT t.refused(format('SELECT recall.create_business_result(%s, NULL, %L)', :acme, 'x'), '22023', 'invalid code of a business result: NULL',
	'A code has 1 to 50 letters, digits, "_" and "-".', 'a null code');

/* Tasks */

SELECT recall.create_task(:acme, 'Winter', 'predicted', 'busy; result callback', 'Mo-Fr 09:00-20:00', priority => 9) AS winter \gset
SELECT recall.create_task(:acme, 'Plain', 'robot', NULL, NULL, NULL, NULL) AS plain \gset
SELECT results_eq(
	format('SELECT task_id, name, task_type, state, policy, calling_hours::text, priority FROM recall.task WHERE tenant_id = %s ORDER BY task_id', :acme),
	$$VALUES (1::bigint, 'Winter', 'predicted'::recall.task_type, 'draft'::recall.task_state, 'busy; result callback'::recall.policy, 'Mo-Fr 09:00-20:00', 9::smallint),
		(2, 'Plain', 'robot', 'draft', NULL, NULL, 3::smallint)$$, 'create_task() stores its parameters, defaults included; ids count from 1');
SELECT is(recall.create_task(:bell, 'Other', 'fixed'), 1::bigint, 'and they do in each tenant');
SELECT t.refused(format(s, :acme), state, m, h, d) FROM (VALUES
	('SELECT recall.create_task(%s, '''', ''fixed'')', '22023', 'invalid name of a task: ''''', 'A name has 1 to 200 characters.', 'a task without a name'),
	('SELECT recall.create_task(%s, ''x'', NULL)', '22023', 'a task needs a type',
		'Name one of: preview, predicted, preempted, fixed, robot, manual.', 'a task without a type'),
	('SELECT recall.create_task(%s, ''x'', ''fixed'', priority => 10)', '22023', 'priority 10 of a task is out of range', 'It is 0 to 9, higher first.', 'a priority over 9'),
	('SELECT recall.create_task(%s, ''x'', ''fixed'', priority => -1)', '22023', 'priority -1 of a task is out of range', 'It is 0 to 9, higher first.', 'a negative priority'),
	('SELECT recall.create_task(%s, ''x'', ''fixed'', ''busy after 1 h'', auto_recall => true)', '22023', 'automatic recall needs a limit',
		'Nobody presses a button between the calls: add one, such as ''limit 5''.', 'automatic recall without a limit')
) AS v(s, state, m, h, d);
SELECT t.refused(format('SELECT recall.create_task(%s, %L, %L, %L)', :acme, 'x', 'fixed', 'result calback'), '22023',
	format('business result "calback" of the policy does not exist in tenant %s', :acme), 'Perhaps you meant "callback".',
	'a policy with a misspelt result names the nearest');
SELECT t.refused(format('SELECT recall.create_task(%s, %L, %L, %L)', :acme, 'x', 'fixed', 'result zzzzzzzz'), '22023',
	format('business result "zzzzzzzz" of the policy does not exist in tenant %s', :acme),
	'Business results are added with recall.create_business_result().', 'a policy with a result like none of the tenant''s');
SELECT t.refused(format('SELECT recall.create_task(%s, %L, %L, %L)', :acme, 'x', 'fixed', 'result contract'), '22023',
	format('business result "contract" of the policy does not exist in tenant %s', :acme),
	'Business results are added with recall.create_business_result().', 'another tenant''s result is none');
SELECT t.refused(format('SELECT recall.create_task(%s, %L, %L, %L)', :acme, 'x', 'fixed', 'busy; quiet 7 days after result contract'), '22023',
	format('business result "contract" of the policy does not exist in tenant %s', :acme),
	'Business results are added with recall.create_business_result().', 'the results of a quiet are checked too');

SELECT recall.set_policy(:acme, :plain, 'no_answer');
SELECT is((SELECT policy::text FROM recall.task WHERE tenant_id = :acme AND task_id = :plain), 'no_answer', 'set_policy() sets it');
SELECT t.refused(format('SELECT recall.set_policy(%s, %s, %L)', :acme, :plain, 'result calback'), '22023',
	format('business result "calback" of the policy does not exist in tenant %s', :acme), 'Perhaps you meant "callback".',
	'set_policy(): a misspelt result');
SELECT recall.set_policy(:acme, :plain, NULL);
SELECT is((SELECT policy::text FROM recall.task WHERE tenant_id = :acme AND task_id = :plain), NULL, 'a null policy disables recall');
SELECT recall.set_calling_hours(:acme, :plain, '24/7');
SELECT is((SELECT calling_hours::text FROM recall.task WHERE tenant_id = :acme AND task_id = :plain), '24/7', 'set_calling_hours() sets them');
SELECT recall.set_calling_hours(:acme, :plain, NULL);
SELECT is((SELECT calling_hours::text FROM recall.task WHERE tenant_id = :acme AND task_id = :plain), NULL, 'and clears them');

-- Every function that names a task or a batch refuses one that does not exist, in the same words.
SELECT t.refused(format(s, :acme), '42501', format(m, :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', split_part(s, '(', 1) || '(): missing')
FROM (VALUES
	('SELECT recall.set_policy(%s, 999, ''busy'')', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.set_calling_hours(%s, 999, NULL)', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.start_task(%s, 999)', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.suspend_task(%s, 999)', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.complete_task(%s, 999)', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.create_batch(%s, 999, ''x'')', 'permission denied for task 999 of tenant %s'),
	('SELECT recall.start_batch(%s, 999)', 'permission denied for batch 999 of tenant %s'),
	('SELECT recall.suspend_batch(%s, 999)', 'permission denied for batch 999 of tenant %s'),
	('SELECT recall.finish_batch(%s, 999)', 'permission denied for batch 999 of tenant %s'),
	('SELECT recall.add_contact(%s, 999, ''{+49301234567}'')', 'permission denied for batch 999 of tenant %s'),
	('SELECT recall.add_contacts(%s, 999, ''pg_class'')', 'permission denied for batch 999 of tenant %s')
) AS v(s, m);

/* Batches and the states of tasks and batches */

SELECT recall.create_batch(:acme, :winter, 'First') AS first \gset
SELECT recall.create_batch(:acme, :winter, 'Second') AS second \gset
SELECT results_eq(format('SELECT batch_id, task_id, name, state::text FROM recall.batch WHERE tenant_id = %s ORDER BY 1', :acme),
	$$VALUES (1::bigint, 1::bigint, 'First', 'created'), (2, 1, 'Second', 'created')$$, 'create_batch() stores a batch in state created');
SELECT t.refused(format('SELECT recall.create_batch(%s, %s, %L)', :acme, :winter, ''), '22023', 'invalid name of a batch: ''''',
	'A name has 1 to 200 characters.', 'a batch without a name');

SELECT t.refused(format('SELECT recall.suspend_task(%s, %s)', :acme, :winter), '55000', 'task cannot go from state "draft" to "suspended"',
	'From "draft" it can go to: "executing".', 'a draft cannot be suspended');
SELECT t.refused(format('SELECT recall.complete_task(%s, %s)', :acme, :winter), '55000', 'task cannot go from state "draft" to "completed"',
	'From "draft" it can go to: "executing".', 'a draft cannot be completed');
SELECT recall.start_task(:acme, :winter);
SELECT t.refused(format('SELECT recall.start_task(%s, %s)', :acme, :winter), '55000', 'task cannot go from state "executing" to "executing"',
	'From "executing" it can go to: "suspended", "completed".', 'a task cannot be started twice');
SELECT recall.suspend_task(:acme, :winter);
SELECT recall.start_task(:acme, :winter);
SELECT is((SELECT state::text FROM recall.task WHERE tenant_id = :acme AND task_id = :winter), 'executing', 'a suspended task can be started again');

SELECT t.refused(format('SELECT recall.suspend_batch(%s, %s)', :acme, :first), '55000', 'batch cannot go from state "created" to "suspended"',
	'From "created" it can go to: "started".', 'a created batch cannot be suspended');
SELECT t.refused(format('SELECT recall.finish_batch(%s, %s)', :acme, :first), '55000', 'batch cannot go from state "created" to "finished"',
	'From "created" it can go to: "started".', 'a created batch cannot be finished');

/* Contacts */

SELECT is(recall.add_contact(:acme, :first, '{+49301234567,+4930765}'), 1::bigint, 'add_contact() returns the id, the first of the tenant');
SELECT is(recall.add_contact(:acme, :first, '{+493012345678901}', 'europe/paris', -5, 'ref', '{"a": 1}'), 2::bigint, 'and the next');
SELECT results_eq(format('SELECT contact_id, batch_id, numbers, time_zone, priority, reference, attributes FROM recall.contact WHERE tenant_id = %s ORDER BY 1', :acme),
	$$VALUES (1::bigint, 1::bigint, '{+49301234567,+4930765}'::text[], NULL, 0, NULL, NULL::jsonb),
		(2, 1, '{+493012345678901}', 'Europe/Paris', -5, 'ref', '{"a": 1}')$$, 'add_contact() stores its parameters, defaults included');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme), 0::bigint, 'a batch that is not started queues nobody');

SELECT t.refused(format('SELECT recall.add_contact(%s, %s, %L)', :acme, :first, n), '22P02', m,
	'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).', d) FROM (VALUES
	('{49301234567}', 'invalid number "49*******67" at character 1', 'a number without its plus'),
	('{""}', 'invalid number "" at character 1', 'an empty number'),
	('{+49 301234567}', 'invalid number "+49 *******67" at character 4', 'a number with a blank'),
	('{+493012ä4567}', 'invalid number "+49*******67" at character 8', 'a number with a letter'),
	('{+123456}', 'invalid number "+12**56" at character 8', 'a number with six digits'),
	('{+1234567890123456}', 'invalid number "+12************56" at character 17', 'a number with sixteen digits'),
	('{+49301234567,+4930x}', 'invalid number "+4930x" at character 6', 'a second number that is none'),
	(E'{"+49301234567\n"}', E'invalid number "+49*******67\n" at character 13', 'a number with a line feed')
) AS v(n, m, d);
SELECT t.refused(format('SELECT recall.add_contact(%s, %s, %L)', :acme, :first, n), '22023', m,
	'Give a plain array of 1 to 10 different numbers, in the order in which to try them.', d) FROM (VALUES
	('{}', 'a contact has 0 numbers', 'no numbers'),
	('{+49301234560,+49301234561,+49301234562,+49301234563,+49301234564,+49301234565,+49301234566,+49301234567,+49301234568,+49301234569,+49301234570}',
		'a contact has 11 numbers', 'eleven numbers'),
	('{{+49301234567},{+49301234568}}', 'the numbers of a contact are an array of arrays', 'numbers in two dimensions'),
	('[0:0]={+49301234567}', 'the numbers of a contact count from 0, not from 1', 'numbers whose first would not be found'),
	(NULL, 'a contact has no numbers', 'null numbers'),
	('{+49301234567,NULL}', 'number 2 is null', 'a null number'),
	('{+49301234567,+49301234567}', 'number "+49*******67" stands twice in a contact', 'a number twice')
) AS v(n, m, d);
SELECT matches(t.outcome(format('SELECT recall.add_contact(%s, %s, %L, %L)', :acme, :first, '{+49301234567}', 'Mars')), '^22023: .*Mars', 'a contact on Mars');
SELECT lives_ok(format('SELECT recall.add_contact(%s, %s, %L)', :acme, :first, '{+1234567,+123456789012345}'), 'seven and fifteen digits are numbers');

-- Bulk: columns in any order, some missing; ids and queue in the table's order; and all or nothing.
CREATE TEMPORARY TABLE people (extra text, reference text, priority int, numbers text[]);
INSERT INTO people SELECT 'e', 'p' || n, nullif(n % 3, 0), ARRAY[t.number(n)] FROM generate_series(1, 100) n;
SELECT is(recall.add_contacts(:acme, :first, 'people'), 100::bigint, 'add_contacts() returns how many it added');
SELECT results_eq(format('SELECT reference, priority, numbers, time_zone FROM recall.contact WHERE tenant_id = %s AND contact_id > 3 ORDER BY contact_id', :acme),
	$$SELECT 'p' || n, n % 3, ARRAY[t.number(n)], NULL::text FROM generate_series(1, 100) n$$, 'in the order of the source, nulls as defaults');
SELECT is(recall.add_contact(:acme, :first, '{+49301234567}'), 104::bigint, 'the next contact has the next id');
SELECT is(recall.add_contacts(:acme, :first, 'people') + recall.add_contacts(:acme, :second, 'people'), 200::bigint, 'a source can be added again, also to another batch');
DELETE FROM people;
SELECT is(recall.add_contacts(:acme, :first, 'people'), 0::bigint, 'an empty source adds nobody');

INSERT INTO people SELECT 'e', 'p' || n, n, ARRAY[CASE WHEN n IN (70, 80) THEN 'bad' || n ELSE t.number(n) END] FROM generate_series(1, 100) n;
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'people'), '22P02', 'row 70: invalid number "bad70" at character 1',
	'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).', 'the first bad row of a source is named, and none is added');
UPDATE people SET numbers = '{}' WHERE reference = 'p70';
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'people')), '^22(023|P02): row [0-9]+: ', 'a row without numbers, likewise');
TRUNCATE people;
INSERT INTO people (reference) VALUES ('no numbers');
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'people')), '^22023: row 1: a contact has no numbers', 'a row whose numbers are null');

CREATE TEMPORARY TABLE without_numbers AS SELECT 'x'::text AS reference;
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'without_numbers'), '22023', '"without_numbers" has no column "numbers"',
	'Columns are found by their names; a view can give them others.', 'a source without the column numbers');
TRUNCATE without_numbers;
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'without_numbers'), '22023', '"without_numbers" has no column "numbers"',
	'Columns are found by their names; a view can give them others.', 'also an empty one');
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'missing_table')), '^42P01: ', 'a source that does not exist');
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, %s)', :acme, :first, x), '22023', 'there is no source',
	'Name a table or view; to_regclass() gives null for one that does not exist.', 'no source: ' || x) FROM unnest(ARRAY['NULL', $$to_regclass('missing_table')$$]) x;
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, 4294967295)', :acme, :first), '22023', 'source 4294967295 does not exist', 'Name a table or view.', 'one that is there no more');
SELECT t.refused(format('SELECT recall.add_contacts(%s, 999, NULL)', :acme), '42501', format('permission denied for batch 999 of tenant %s', :acme),
	'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'nor a batch');
CREATE TEMPORARY TABLE on_mars AS SELECT ARRAY[t.number(n)] AS numbers, CASE WHEN n > 2 THEN 'Mars' END AS time_zone FROM generate_series(1, 4) n;
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'on_mars')), '^22023: row 3: .*Mars', 'a row with an unknown time zone is named');

-- A source may hold its values as text. The row of one that does not convert is told where the rows are a table's own.
CREATE TABLE t.words AS SELECT format('{%s}', t.number(n)) AS numbers, CASE n WHEN 3 THEN 'high' ELSE '1' END AS priority, '{}'::text AS attributes FROM generate_series(1, 4) n;
SELECT is(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.words')), '22P02: row 3: invalid input syntax for type integer: "high"', 'words: a priority that is none');
UPDATE t.words SET priority = CASE priority WHEN 'high' THEN '4294967296' ELSE '1' END; -- the order stays
SELECT is(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.words')), '22003: row 3: value "42******96" is out of range for type integer', 'a number that is too large, masked');
UPDATE t.words SET priority = '1', numbers = CASE WHEN priority <> '1' THEN '{+49' ELSE numbers END;
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.words')), '^22P02: row 3: malformed array literal: "{\+49"', 'numbers that are no array');
CREATE VIEW t.sorted_words AS SELECT * FROM t.words ORDER BY numbers DESC;
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.sorted_words')), '^22P02: malformed array literal: "{\+49"', 'not those of a view, whose query may have read further');
ALTER TABLE t.words ENABLE ROW LEVEL SECURITY;
SELECT matches(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.words')), '^22P02: malformed array literal: "{\+49"', 'nor those of a table with policies');
ALTER TABLE t.words DISABLE ROW LEVEL SECURITY;
SELECT is(t.outcome(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 't.words'), 'nobody_in_particular'),
	format(E'42501: permission denied for tenant %s, right "manage"\nHINT: It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', :acme), 'other errors are of no row');

-- Starting queues first attempts, each contact once.
SELECT recall.start_batch(:acme, :first);
SELECT results_eq(format('SELECT contact_id, attempt, task_id, number, priority, state::text, recycle_id FROM recall.dial WHERE tenant_id = %s ORDER BY 1', :acme),
	format('SELECT contact_id, 1, 1::bigint, numbers[1], priority, %L, NULL::bigint FROM recall.contact WHERE tenant_id = %s AND batch_id = %s ORDER BY 1', 'ready', :acme, :first),
	'start_batch() queues a first attempt for each contact of the batch');
SELECT t.refused(format('SELECT recall.start_batch(%s, %s)', :acme, :first), '55000', 'batch cannot go from state "started" to "started"',
	'From "started" it can go to: "suspended", "finished".', 'a batch cannot be started twice');
SELECT recall.add_contact(:acme, :first, '{+49301234567}') AS late \gset
SELECT is((SELECT attempt FROM recall.dial WHERE tenant_id = :acme AND contact_id = :late), 1, 'a contact added to a started batch is queued at once');
TRUNCATE people;
INSERT INTO people (numbers) SELECT ARRAY[t.number(n)] FROM generate_series(1, 10) n;
SELECT recall.add_contacts(:acme, :first, 'people');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND contact_id > :late), 10::bigint, 'and so are those added in bulk');
SELECT recall.suspend_batch(:acme, :first);
SELECT recall.add_contact(:acme, :first, '{+49301234567}') AS later \gset
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND contact_id = :later), 0::bigint, 'a suspended batch queues nobody');
SELECT recall.record_call(:acme, 1, NULL, NULL);
SELECT count(*) - 1 AS waiting FROM recall.contact WHERE tenant_id = :acme AND batch_id = :first \gset
SELECT recall.start_batch(:acme, :first);
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme), :waiting::bigint, 'starting again queues those added meanwhile, and nobody who has a call or a permit');

-- The last states.
SELECT recall.finish_batch(:acme, :first);
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme AND batch_id = :first), 0::bigint, 'finish_batch() deletes the permits');
SELECT t.refused(format('SELECT recall.start_batch(%s, %s)', :acme, :first), '55000', 'batch cannot go from state "finished" to "started"',
	'State "finished" is final.', 'a finished batch is final');
SELECT t.refused(format('SELECT recall.add_contact(%s, %s, %L)', :acme, :first, '{+49301234567}'), '55000', format('batch %s is finished', :first),
	'Add the contacts to another batch.', 'a finished batch takes no contact');
SELECT t.refused(format('SELECT recall.add_contacts(%s, %s, %L)', :acme, :first, 'people'), '55000', format('batch %s is finished', :first),
	'Add the contacts to another batch.', 'nor contacts in bulk');
SELECT recall.start_batch(:acme, :second);
SELECT recall.create_batch(:acme, :winter, 'Third') AS third \gset
SELECT recall.complete_task(:acme, :winter);
SELECT results_eq(format('SELECT batch_id, state::text FROM recall.batch WHERE tenant_id = %s ORDER BY 1', :acme),
	$$VALUES (1::bigint, 'finished'), (2, 'finished'), (3, 'created')$$, 'complete_task() finishes the batches that were started');
SELECT is((SELECT count(*) FROM recall.dial WHERE tenant_id = :acme), 0::bigint, 'and deletes their permits');
SELECT t.refused(format('SELECT recall.start_task(%s, %s)', :acme, :winter), '55000', 'task cannot go from state "completed" to "executing"',
	'State "completed" is final.', 'a completed task is final');
SELECT t.refused(format('SELECT recall.start_batch(%s, %s)', :acme, :third), '55000', format('task %s is completed', :winter),
	'A completed task is final; create another one.', 'nor does it start one that was left');
SELECT t.refused(format('SELECT recall.create_batch(%s, %s, %L)', :acme, :winter, 'x'), '55000', format('task %s is completed', :winter),
	'A completed task is final; create another one.', 'a completed task takes no batch');

/* The audit tells all of it. */
SELECT results_eq(format('SELECT kind, record_id, action, from_state, to_state FROM recall.audit WHERE tenant_id = %s AND kind = %L ORDER BY at', :acme, 'task'),
	$$VALUES ('task', '1', 'create', NULL, 'draft'), ('task', '2', 'create', NULL, 'draft'), ('task', '2', 'set_policy', NULL, NULL),
		('task', '2', 'set_policy', NULL, NULL), ('task', '2', 'set_calling_hours', NULL, NULL), ('task', '2', 'set_calling_hours', NULL, NULL),
		('task', '1', 'start', 'draft', 'executing'), ('task', '1', 'suspend', 'executing', 'suspended'),
		('task', '1', 'start', 'suspended', 'executing'), ('task', '1', 'complete', 'executing', 'completed')$$, 'the audit has what was done to the tasks');
SELECT is((SELECT count(*) FROM recall.audit WHERE tenant_id = :acme AND role <> current_user), 0::bigint, 'and by whom');
SELECT is((SELECT detail FROM recall.audit WHERE tenant_id = :acme AND action = 'set_policy' ORDER BY at LIMIT 1),
	'{"from": null, "to": "no_answer", "diff": [{"change": "added", "kind": "rule", "before": null, "after": "no_answer", "before_item": null, "after_item": 1}]}',
	'and from what to what a policy changed');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
