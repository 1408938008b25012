-- The do-not-call list: what it keeps, whom it excludes, and what is refused.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch FROM t.campaign(6) \gset
SELECT recall.create_task(:acme, 'Other', 'fixed', 'failed') AS other \gset
UPDATE recall.contact SET numbers = ARRAY[t.number(5), t.number(50)] WHERE tenant_id = :acme AND contact_id = 5;
SELECT t.call_all(:acme, 1, 6, 'busy');
CREATE FUNCTION t.list(tenant int) RETURNS text LANGUAGE sql RETURN (
	SELECT string_agg(format('%s %s %s %s', number, coalesce(task_id::text, 'all'), until, reason), ', ' ORDER BY number, task_id) FROM recall.suppressed_number WHERE tenant_id = tenant);
CREATE FUNCTION t.verdicts(tenant int, batch bigint) RETURNS text LANGUAGE sql RETURN (
	SELECT string_agg(format('%s %s', verdict, contacts), ', ' ORDER BY verdict) FROM (SELECT verdict, sum(contacts) AS contacts FROM recall.preview(tenant, batch) GROUP BY 1) p);

SELECT is(t.verdicts(:acme, :batch), 'recall 6', 'at first nobody is suppressed');
SELECT recall.suppress(:acme, t.number(1));
SELECT recall.suppress(:acme, t.number(2), '2999-01-01', 'asked us to', :task);
SELECT recall.suppress(:acme, t.number(3), 'infinity', NULL, :other);
SELECT recall.suppress(:acme, t.number(4), now() + interval '1 min');
SELECT recall.suppress(:acme, t.number(5));
SELECT recall.suppress(:acme, t.number(99));
SELECT is(t.verdicts(:acme, :batch), 'recall 3, suppressed 3', 'suppressed for the tenant, for the task, and for a minute; not for another task, and not where a number is left');
SELECT is((SELECT string_agg(reason, ' ') FROM recall.preview(:acme, :batch) WHERE verdict = 'suppressed'), 'every number that is left is suppressed: busy', 'with that reason');
SELECT recall.recycle(:acme, :batch) AS record \gset
SELECT t.tick();
SELECT is((SELECT string_agg(format('%s %s', contact_id, number), ', ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = :acme),
	format('3 %s, 5 %s, 6 %s', t.number(3), t.number(50), t.number(6)), 'the processor makes permits for the others, on numbers that may be called');
SELECT is((SELECT excluded FROM recall.recycle_record WHERE tenant_id = :acme), 3::bigint, 'and counts the suppressed as excluded');

-- Suppressed between the press and the run of the processor.
SELECT recall.withdraw_recycle(:acme, :record), recall.recycle(:acme, :batch) AS second_record \gset
SELECT recall.suppress(:acme, t.number(6));
SELECT t.tick();
SELECT is((SELECT string_agg(contact_id::text, ', ' ORDER BY contact_id) FROM recall.dial WHERE tenant_id = :acme), '3, 5', 'what is suppressed after the press is excluded too');

-- An instant decides, not the clock: when the time is over the number may be called.
SELECT is(ARRAY(SELECT contact_id FROM recall._judge(:acme, :batch, 'failed', now() + interval '2 min') WHERE verdict = 'suppressed' ORDER BY 1), '{1,2,6}', 'a suppression ends');
SELECT is(ARRAY(SELECT contact_id FROM recall._judge(:acme, :batch, 'failed', '2999-01-01') WHERE verdict = 'suppressed' ORDER BY 1), '{1,6}', 'at its end');

SELECT recall.suppress(:acme, t.number(1), '2999-01-01', 'again');
SELECT is((SELECT format('%s %s', until, reason) FROM recall.suppressed_number WHERE tenant_id = :acme AND number = t.number(1)), '2999-01-01 00:00:00+00 again', 'once more replaces time and reason');
SELECT is(recall.unsuppress(:acme, t.number(1)), true, 'unsuppress() tells that the number was on the list');
SELECT is(recall.unsuppress(:acme, t.number(1)), false, 'or that it was not');
SELECT is(recall.unsuppress(:acme, t.number(2)), false, 'the tenant''s list is not the task''s');
SELECT is(recall.unsuppress(:acme, t.number(2), :task), true, 'which has its own');
SELECT is((SELECT string_agg(right(number, 2), ' ' ORDER BY number) FROM recall.suppressed_number WHERE tenant_id = :acme), '03 04 05 06 99', 'the others stay');
SELECT is((SELECT string_agg(action, ' ' ORDER BY at) FROM recall.audit WHERE tenant_id = :acme AND kind = 'suppression' AND record_id = t.number(1)), 'suppress suppress unsuppress', 'the audit has each');
SELECT is((SELECT role FROM recall.suppressed_number WHERE tenant_id = :acme AND number = t.number(99)), current_user, 'and the list who asked');

-- Tenants are apart.
SELECT tenant AS bell, batch AS bell_batch FROM t.campaign(6) \gset
SELECT t.call_all(:bell, 1, 6, 'busy');
SELECT is(t.verdicts(:bell, :bell_batch), 'recall 6', 'another tenant may call the same numbers');

SELECT t.refused(format('SELECT recall.suppress(%s, %s)', :acme, x.rest), x.state, x.message, x.hint, x.message) FROM (VALUES
	($$'030123'$$, '22P02', 'invalid number "03**23" at character 1', 'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).'),
	($$'+49301234567', '2020-01-01'$$, '22023', 'a suppression until 2020-01-01 00:00:00+00 is over already', 'Leave "until" out for one that lasts for good.'),
	($$'+49301234567', '-infinity'$$, '22023', 'a suppression until -infinity is over already', 'Leave "until" out for one that lasts for good.'),
	($$'+49301234567', reason => repeat('x', 201)$$, '22023', 'the reason of a suppression is too long', 'A reason has up to 200 characters.'),
	($$'+49301234567', task_id => 999$$, '42501', format('permission denied for task 999 of tenant %s', :acme), 'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().')) AS x(rest, state, message, hint);
SELECT t.refused(format('SELECT recall.suppress(%s, NULL)', :acme), '22023', 'number 1 is null',
	'Give a plain array of 1 to 10 different numbers, in the order in which to try them.', 'no number');
SELECT t.refused(format($$SELECT recall.unsuppress(%s, '+49')$$, :acme), '22P02', 'invalid number "+49" at character 4',
	'A number is "+", the country code and the national number: 7 to 15 digits without blanks (ITU-T E.164).', 'unsuppress() reads numbers likewise');

-- A first call that a claim has taken out comes back when the batch is started again, and that is said.
SELECT recall.create_batch(:acme, :task, 'again') AS again \gset
SELECT recall.start_batch(:acme, :again);
SELECT recall.add_contact(:acme, :again, ARRAY[t.number(77)], priority => 100) AS waiting \gset
SELECT recall.suppress(:acme, t.number(77));
SELECT count(*) FROM recall.claim(:acme, :task, 1);
SELECT recall.unsuppress(:acme, t.number(77));
SELECT is((SELECT detail FROM recall.explain(:acme, :waiting) WHERE check_name = 'permit'),
	'no permit waits and no call is out; recall.suspend_batch() and recall.start_batch() queue its first call', 'explain() says how a first call that was taken out comes back');
SELECT recall.suspend_batch(:acme, :again), recall.start_batch(:acme, :again);
SELECT matches((SELECT detail FROM recall.explain(:acme, :waiting) WHERE check_name = 'permit'), '^a permit for attempt 1 on ', 'and so it does');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
