-- simulate(): the preview of another policy, and what it would have done with the calls on record.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

SELECT tenant AS acme, task, batch FROM t.campaign(5) \gset
SELECT recall.create_business_result(:acme, r, r) FROM unnest('{sold,later}'::text[]) r;
UPDATE recall.contact SET numbers = numbers || t.number(70) WHERE tenant_id = :acme AND contact_id = 4;
CREATE TEMPORARY TABLE made AS
SELECT c AS contact_id, f::recall.failure_cause AS failure_cause, r AS business_result, CASE WHEN alternate THEN t.number(70) END AS number,
	timestamptz '2026-01-05 10:00+00' + n * interval '1 h' AS started_at, timestamptz '2026-01-05 10:00+00' + n * interval '1 h' AS ended_at
FROM (VALUES
	(1, 1, 'busy', NULL, false), (1, 2, 'busy', NULL, false), (1, 3, NULL, 'sold', false),
	(2, 1, 'busy', NULL, false), (2, 2, 'no_answer', NULL, false), (2, 3, 'busy', NULL, false), (2, 4, NULL, 'sold', false),
	(3, 1, NULL, 'later', false), (3, 2, 'busy', NULL, false),
	(4, 1, 'unallocated', NULL, false), (4, 2, 'unallocated', NULL, true), (4, 3, 'busy', NULL, true)) AS v(c, n, f, r, alternate);
SELECT recall.record_calls(:acme, 'made');

PREPARE simulated(recall.policy) AS SELECT outcome, verdict, contacts, calls, made, saved, missed FROM recall.simulate(:acme, :batch, $1);
SELECT results_eq($$EXECUTE simulated('failed; result later')$$, $$VALUES
	('busy', 'recall', 1::bigint, 2::bigint, 2::bigint, 0::bigint, 0::bigint), ('answered: sold', 'done', 2, 7, 7, 0, 0), ('busy', 'exhausted', 1, 3, 2, 1, 1), ('none', 'new', 1, 0, 0, 0, 0)$$,
	'a policy that recalls all of it makes all calls, but for the one to a dead number');
SELECT results_eq($$EXECUTE simulated('failed; limit 2')$$, $$VALUES
	('answered: sold', 'done', 2::bigint, 7::bigint, 4::bigint, 3::bigint, 2::bigint), ('busy', 'exhausted', 2, 5, 3, 2, 2), ('none', 'new', 1, 0, 0, 0, 0)$$,
	'a limit saves calls and misses the sales behind it; without a rule for "later" there is no second call');
SELECT results_eq($$EXECUTE simulated('busy max 1; no_answer; result later')$$, $$VALUES
	('busy', 'recall', 1::bigint, 2::bigint, 2::bigint, 0::bigint, 0::bigint), ('answered: sold', 'done', 2, 7, 5, 2, 2), ('busy', 'exhausted', 1, 3, 1, 2, 1), ('none', 'new', 1, 0, 0, 0, 0)$$,
	'a maximum by rule');
SELECT results_eq($$EXECUTE simulated('busy never; failed')$$, $$VALUES
	('answered: sold', 'stopped', 2::bigint, 7::bigint, 2::bigint, 5::bigint, 2::bigint), ('busy', 'stopped', 2, 5, 3, 2, 2), ('none', 'new', 1, 0, 0, 0, 0)$$,
	'never ends it at the first');
SELECT results_eq(format($$SELECT attempt, outcome, calls, share, made, missed FROM recall.simulate_attempts(%s, %s, 'failed; result later; limit 2')$$, :acme, :batch), $$VALUES
	(1, 'busy', 2::bigint, 0.5000, 2::bigint, 0::bigint), (1, 'answered: later', 1, 0.2500, 1, 0), (1, 'unallocated', 1, 0.2500, 1, 0),
	(2, 'busy', 2, 0.5000, 2, 0), (2, 'no_answer', 1, 0.2500, 1, 0), (2, 'unallocated', 1, 0.2500, 1, 0),
	(3, 'busy', 2, 0.6667, 0, 2), (3, 'answered: sold', 1, 0.3333, 0, 1), (4, 'answered: sold', 1, 1.0000, 0, 1)$$, 'attempt by attempt');
SELECT t.fingerprint() AS before \gset
SELECT count(*) AS rows FROM recall.simulate(:acme, :batch, 'failed; limit 2') \gset
SELECT is(t.fingerprint(), :'before', 'simulating changes nothing');

-- Others' calls are counted as far as they had been made by then.
SELECT recall.add_contact(:acme, :batch, ARRAY[t.number(1)]) AS twin \gset
CREATE TEMPORARY TABLE more AS SELECT :twin::bigint AS contact_id, 'busy'::recall.failure_cause AS failure_cause, v.at::timestamptz AS started_at, v.at::timestamptz AS ended_at
FROM (VALUES ('2026-01-05 11:30+00'), ('2026-01-05 12:30+00'), ('2026-01-05 15:00+00')) AS v(at);
SELECT recall.record_calls(:acme, 'more');
SELECT is((SELECT sum(made) FROM recall.simulate(:acme, :batch, 'failed; result later; limit 4 per number') WHERE outcome = 'answered: sold'), 7::numeric, 'not those that came later');
SELECT is((SELECT sum(made) FROM recall.simulate(:acme, :batch, 'failed; result later; limit 3 per number') WHERE outcome = 'answered: sold'), 5::numeric, 'but those before');

SELECT t.refused(format($$SELECT count(*) FROM recall.%s(%s, %s, %s)$$, f, :acme, x.rest, x.policy), x.state, x.message, x.hint, f || ': ' || x.message)
FROM unnest('{simulate,simulate_attempts}'::text[]) f, (VALUES
	('1', 'NULL', '22023', 'there is no policy to simulate', 'Give one, such as ''failed; limit 5''.'),
	('1', '''result sodl''', '22023', format('business result "sodl" of the policy does not exist in tenant %s', :acme), 'Perhaps you meant "sold".'),
	('99', '''failed''', '42501', format('permission denied for batch 99 of tenant %s', :acme), 'It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().')) AS x(rest, policy, state, message, hint);

/* explain() of the same contacts: what it says, in order */

SELECT recall.set_policy(:acme, :task, 'busy after 1 h max 2 next number; failed; limit 5; limit 4 per number; limit 3 per 24 h; quiet 2 h after answered');
SELECT recall.set_calling_hours(:acme, :task, 'Mo-Fr 09:00-20:00');
SELECT recall.set_tenant(:acme, time_zone => 'America/New_York');
SELECT results_eq(format($$SELECT step, check_name, passed, detail FROM recall.explain(%s, 3, '2026-01-05 13:30+00')$$, :acme), $$VALUES
	(1, 'interconnection', true, 'obs_url_mode of the tenant is "http"; recycling needs "http"'),
	(2, 'task type', true, 'task 1 "Winter" is of type "predicted"'),
	(3, 'policy', true, 'busy after 1 h max 2 next number; failed; limit 4 per number; limit 5; limit 3 per 24 h; quiet 2 h after answered'),
	(4, 'task', true, 'task 1 "Winter" is executing'),
	(5, 'batch', true, 'batch 1 "First" is started'),
	(6, 'permit', true, 'no permit waits and no call is out'),
	(7, 'called', true, 'calls: 2; the latest, attempt 2 on +49301000003, ended as busy at 2026-01-05 07:00:00 America/New_York'),
	(8, 'never', true, 'no rule says never to the contact'),
	(9, 'platform', true, 'latest calls in a row that failed on the side of an agent or the platform: 0; 10 stop the contact'),
	(10, 'rule', true, 'rule 1 recalls the latest call: busy after 1 h max 2 next number'),
	(11, 'limit', true, 'calls used: 2 of 5: limit 5'),
	(12, 'max', true, 'calls that the rule matched: 1, at most 2: busy after 1 h max 2 next number'),
	(13, 'invalid number', true, '+49301000003: no call failed for good'),
	(14, 'number limit', true, '+49301000003: calls used: 2 of 4: limit 4 per number'),
	(15, 'suppression', true, '+49301000003: not suppressed'),
	(16, 'number', true, '+49301000003 is the number to call'),
	(17, 'delay', true, 'match 1 of the rule is due from 2026-01-05 08:00:00 America/New_York on: busy after 1 h max 2 next number'),
	(18, 'period', true, 'holds nothing up: limit 3 per 24 h'),
	(19, 'quiet', true, 'a call is allowed from 2026-01-05 08:00:00 America/New_York on: quiet 2 h after answered'),
	(20, 'calling hours', false, 'Mo-Fr 09:00-20:00: shut; open from 2026-01-05 09:00:00 America/New_York on'),
	(21, 'verdict', false, 'recall: a rule recalls this outcome: busy after 1 h max 2 next number; +49301000003, not before 2026-01-05 09:00:00 America/New_York')$$,
	'every check with its figures, by the callee''s clock');
SELECT is((SELECT passed FROM recall.explain(:acme, 3, '2026-01-05 14:00+00') WHERE check_name = 'verdict'), true, 'when it is due, the verdict passes');
SELECT is((SELECT string_agg(check_name || ': ' || detail, E'\n' ORDER BY step) FROM recall.explain(:acme, 4, '2026-01-06 15:00+00') WHERE NOT passed),
	format(E'invalid number: %1$s: a call failed for good\ninvalid number: %2$s: a call failed for good\nnumber: no number is left\nverdict: exhausted: no number is left that may be called: busy after 1 h max 2 next number', t.number(4), t.number(70)),
	'what fails is what stands in the way');
SELECT matches((SELECT detail FROM recall.explain(:acme, 5, now()) WHERE check_name = 'verdict'), '^new: a permit for attempt 1 on \+49301000005 waits, due from [-0-9: ]+ America/New_York on$', 'a contact whose first attempt waits');
SELECT recall.suppress(:acme, t.number(5), '2999-01-01', 'asked us to');
SELECT is((SELECT string_agg(detail, E'\n') FROM recall.explain(:acme, 5, '2026-01-06 15:00+00') WHERE check_name = 'suppression'), '+49301000005: suppressed until 2998-12-31 19:00:00 America/New_York, asked us to', 'which is told that its number is suppressed, until when and why');
SELECT recall.suppress(:acme, t.number(3));
SELECT recall.suppress(:acme, t.number(3), '2999-01-01', task_id => :task);
SELECT is((SELECT string_agg(check_name || ': ' || detail, E'\n' ORDER BY step) FROM recall.explain(:acme, 3, '2026-01-06 15:00+00') WHERE NOT passed),
	E'suppression: +49301000003: suppressed for good; suppressed by the task until 2998-12-31 19:00:00 America/New_York\nnumber: no number is left\nverdict: suppressed: every number that is left is suppressed: busy after 1 h max 2 next number', 'likewise one that was called');
SELECT recall.unsuppress(:acme, t.number(3)), recall.unsuppress(:acme, t.number(3), :task);
SELECT is((SELECT string_agg(detail, ' ') FROM recall.explain(:acme, 3, '2026-01-06 15:00+00') WHERE NOT passed), NULL, 'when nothing stands in the way, every check has passed, the verdict too');
SELECT is((SELECT detail FROM recall.explain(:acme, 2, now()) WHERE check_name = 'verdict'), 'done: no rule recalls this outcome', 'one that bought');
SELECT recall.suspend_task(:acme, :task), recall.set_policy(:acme, :task, NULL);
SELECT is((SELECT string_agg(check_name || ': ' || detail, E'\n' ORDER BY step) FROM recall.explain(:acme, 3, '2026-01-06 15:00+00') WHERE NOT passed),
	E'policy: recall is not enabled: the task has no policy\ntask: task 1 "Winter" is suspended\nverdict: not recalled: recall is not enabled', 'a task without a policy, suspended');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
