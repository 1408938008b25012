-- The judgement, sentence by sentence of doc/verdict.md: what a policy says of a contact's calls.
BEGIN;
\ir helpers.psql
SELECT no_plan();
SET LOCAL TimeZone = 'UTC';

/*
 * A call is written as 'number outcome start [end]': the number is the n-th of the contact, or "x" for none of them; an
 * outcome is a cause or "answered", and "/" and a result; instants are days and times of January 2026. Attempts count up.
 */
CREATE FUNCTION t.instant(written text) RETURNS timestamptz LANGUAGE sql
RETURN ('2026-01-' || replace(written, '/', ' ') || '+00')::timestamptz;
CREATE FUNCTION t.history(calls text[], VARIADIC numbers text[]) RETURNS recall.history LANGUAGE sql
AS $$
	SELECT recall.history(c.n::int, CASE c.part[1] WHEN 'x' THEN '+999999999' ELSE numbers[c.part[1]::int] END,
		nullif(split_part(c.part[2], '/', 1), 'answered')::recall.failure_cause, nullif(split_part(c.part[2], '/', 2), ''),
		t.instant(c.part[3]), t.instant(coalesce(c.part[4], c.part[3])) ORDER BY md5(c.n::text))
	FROM (SELECT n, string_to_array(w, ' ') AS part FROM unnest(calls) WITH ORDINALITY AS w(w, n)) c
$$;

CREATE TABLE t.example (
	id int GENERATED ALWAYS AS IDENTITY, says text, policy recall.policy, calls text[], expected text,
	numbers text[] DEFAULT '{+4930111}', zone text DEFAULT 'UTC', suppressed text[], others text[] DEFAULT '{}');

-- "recall number due", or the verdict; then the rule, if one decided, and the reason without the part of the policy.
CREATE FUNCTION t.judged(e t.example) RETURNS text LANGUAGE sql
AS $$
	SELECT concat_ws(' ', j.verdict, array_position((e).numbers, j.number), to_char(j.due_at, 'DD/HH24:MI'), 'rule ' || j.rule,
		'| ' || split_part(j.reason, ': ', 1))
	FROM recall.judge((e).policy, t.history((e).calls, VARIADIC (e).numbers), (e).numbers, (e).zone, (e).suppressed,
		t.history((e).calls || (e).others, VARIADIC (e).numbers)) j
$$;

INSERT INTO t.example (says, policy, calls, expected) VALUES
	('a contact without a call is new', 'failed', '{}', 'new | not called yet'),
	('a call that a rule matches recalls', 'busy', '{1 busy 05/10:00 05/10:01}', 'recall 1 05/10:01 rule 1 | a rule recalls this outcome'),
	('without a rule for the latest call it is done', 'busy', '{1 busy 05/10:00,1 no_answer 05/11:00}', 'done | no rule recalls this outcome'),
	('an answered call is done where failed calls are recalled', 'failed', '{1 answered/sold 05/10:00}', 'done | no rule recalls this outcome'),
	('an unknown outcome is not a failed call', 'failed', '{1 unknown 05/10:00}', 'done | no rule recalls this outcome'),
	('unless a rule names it', 'failed; unknown', '{1 unknown 05/10:00}', 'recall 1 05/10:00 rule 2 | a rule recalls this outcome'),
	('the first rule in the order written wins', 'failed; busy after 1 h', '{1 busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome'),

	('never on an earlier call stops the contact', 'busy; result refused never', '{1 answered/refused 05/10:00,1 busy 05/11:00}', 'stopped rule 2 | a rule says never'),
	('never on the latest call too', 'busy never', '{1 busy 05/10:00}', 'stopped rule 1 | a rule says never'),
	('never comes before limits', 'busy; result refused never; limit 1', '{1 answered/refused 05/10:00,1 busy 05/11:00}', 'stopped rule 2 | a rule says never'),
	('a rule before it can shadow a never', 'answered; result refused never', '{1 answered/refused 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome'),
	('never after an unknown outcome ends that attempt', 'failed; unknown never', '{1 unknown 05/10:00}', 'done rule 2 | a rule says never, of this attempt only'),
	('and not the contact', 'failed; unknown never', '{1 unknown 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('likewise when the class is named', 'failed; class unknown never', '{1 unknown 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('a result that says never stops, whatever became of the call', 'failed; result refused never', '{1 unknown/refused 05/10:00,1 busy 05/11:00}', 'stopped rule 2 | a rule says never'),
	('never after a dead number ends that number', 'unallocated never; failed', '{1 unallocated 05/10:00}', 'done rule 1 | a rule says never, of this number only'),

	('nine platform failures do not stop', 'failed', array_fill('1 platform_failure 05/10:00'::text, '{9}'), 'recall 1 05/10:00 rule 1 | a rule recalls this outcome'),
	('ten do', 'failed', array_fill('1 platform_failure 05/10:00'::text, '{10}'), 'stopped | platform'),
	('those of agents count with them', 'failed', array_fill('1 agent_failure 05/10:00'::text, '{5}') || array_fill('1 platform_failure 05/10:00'::text, '{5}'), 'stopped | platform'),
	('only in a row up to the latest', 'failed', array_fill('1 agent_failure 05/10:00'::text, '{10}') || '{1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('they stop whatever rule there is', 'busy', array_fill('1 agent_failure 05/10:00'::text, '{10}'), 'stopped | platform'),

	('a limit in all counts the first call too', 'failed; limit 2', '{1 busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome'),
	('and is reached with the n-th', 'failed; limit 2', '{1 busy 05/10:00,1 no_answer 05/11:00}', 'exhausted | the limit is reached'),
	('alternating causes do not stack budgets', 'busy max 9; no_answer max 9; limit 3', '{1 busy 05/10:00,1 no_answer 05/11:00,1 busy 05/12:00}', 'exhausted | the limit is reached'),
	('answered calls count', 'failed; limit 2', '{1 answered 05/10:00,1 busy 05/11:00}', 'exhausted | the limit is reached'),
	('calls of class agent and platform do not', 'failed; limit 2', '{1 agent_failure 05/10:00,1 platform_failure 05/11:00,1 busy 05/12:00}', 'recall 1 05/12:00 rule 1 | a rule recalls this outcome'),

	('a rule recalls while it has matched no more than max', 'busy max 2', '{1 busy 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('and then no more', 'busy max 2', '{1 busy 05/10:00,1 busy 05/11:00,1 busy 05/12:00}', 'exhausted rule 1 | the maximum of the rule is reached'),
	('max counts by rule, not by cause', 'busy, no_answer max 1', '{1 busy 05/10:00,1 no_answer 05/11:00}', 'exhausted rule 1 | the maximum of the rule is reached'),
	('other rules'' matches do not count', 'busy max 1; no_answer', '{1 no_answer 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('an exhausted rule does not fall through', 'busy max 1; failed', '{1 busy 05/10:00,1 busy 05/11:00}', 'exhausted rule 1 | the maximum of the rule is reached'),
	('calls of class agent do not count for max', 'failed max 1', '{1 busy 05/10:00,1 agent_failure 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),

	('the delay counts from the end of the call', 'busy after 10 min', '{1 busy 05/10:00 05/10:07}', 'recall 1 05/10:17 rule 1 | a rule recalls this outcome'),
	('the k-th match has the k-th delay', 'busy after 10 min, 1 h, 2 h', '{1 busy 05/10:00,1 busy 05/11:00}', 'recall 1 05/12:00 rule 1 | a rule recalls this outcome'),
	('matches need not be in a row', 'busy after 10 min, 1 h; no_answer', '{1 busy 05/10:00,1 no_answer 05/11:00,1 busy 05/12:00}', 'recall 1 05/13:00 rule 1 | a rule recalls this outcome'),
	('the last delay repeats', 'busy after 10 min, 1 h', '{1 busy 05/10:00,1 busy 05/11:00,1 busy 05/12:00,1 busy 05/13:00}', 'recall 1 05/14:00 rule 1 | a rule recalls this outcome'),
	('for the delay, calls of every class count', 'failed after 10 min, 1 h', '{1 agent_failure 05/10:00,1 busy 05/11:00}', 'recall 1 05/12:00 rule 1 | a rule recalls this outcome'),

	('a rolling limit waits until the n-th latest call is out of the window', 'failed; limit 2 per 24 h', '{1 busy 05/10:00,1 busy 05/12:00,1 busy 05/14:00}', 'recall 1 06/12:00 rule 1 | a rule recalls this outcome'),
	('it counts from the start of a call', 'failed; limit 1 per 1 h', '{1 busy 05/10:00 05/10:50}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('and every call, agents'' failures too', 'failed; limit 2 per 24 h', '{1 agent_failure 05/10:00,1 busy 05/12:00}', 'recall 1 06/10:00 rule 1 | a rule recalls this outcome'),
	('with fewer calls it waits for nothing', 'failed; limit 3 per 24 h', '{1 busy 05/10:00,1 busy 05/12:00}', 'recall 1 05/12:00 rule 1 | a rule recalls this outcome'),
	('the strictest of several holds', 'failed after 5 min; limit 1 per 1 h; limit 2 per 24 h', '{1 busy 05/10:00,1 busy 05/12:00}', 'recall 1 06/10:00 rule 1 | a rule recalls this outcome'),
	('a longer delay holds too', 'failed after 3 days; limit 1 per 1 h', '{1 busy 05/10:00}', 'recall 1 08/10:00 rule 1 | a rule recalls this outcome'),

	('a quiet follows the end of a call that ended so', 'failed; quiet 2 h after answered', '{1 answered 05/10:00 05/10:30,1 busy 05/11:00}', 'recall 1 05/12:30 rule 1 | a rule recalls this outcome'),
	('answered is a call without a cause', 'failed; quiet 2 h after answered', '{1 machine/sold 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome'),
	('a quiet after a class', 'failed; quiet 72 h after class abandoned', '{1 abandoned_by_dialer 05/10:00}', 'recall 1 08/10:00 rule 1 | a rule recalls this outcome'),
	('a quiet after a cause', 'failed; quiet 24 h after machine', '{1 machine 05/10:00,1 fax 05/11:00}', 'recall 1 06/10:00 rule 1 | a rule recalls this outcome'),
	('a quiet after a result', 'failed; quiet 7 days after result later', '{1 answered/later 05/10:00,1 busy 06/11:00}', 'recall 1 12/10:00 rule 1 | a rule recalls this outcome');

INSERT INTO t.example (says, policy, calls, expected, zone) VALUES
	('a limit per day waits for the next day of the callee', 'failed; limit 2 per day', '{1 busy 05/10:00,1 busy 05/12:00}', 'recall 1 06/05:00 rule 1 | a rule recalls this outcome', 'America/New_York'),
	('the days are the callee''s', 'failed; limit 2 per day', '{1 busy 05/04:00,1 busy 05/06:00}', 'recall 1 05/06:00 rule 1 | a rule recalls this outcome', 'America/New_York'),
	('a null zone is UTC', 'failed; limit 2 per day', '{1 busy 05/04:00,1 busy 05/06:00}', 'recall 1 06/00:00 rule 1 | a rule recalls this outcome', NULL),
	('an earlier day that was full holds nothing up', 'failed; limit 2 per day', '{1 busy 05/04:00,1 busy 05/06:00,1 busy 06/06:00}', 'recall 1 06/06:00 rule 1 | a rule recalls this outcome', 'UTC');

INSERT INTO t.example (says, policy, calls, expected, numbers) VALUES
	('the same number is called again', 'failed', '{2 busy 05/10:00}', 'recall 2 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222,+4930333}'),
	('next number goes on with the one behind it', 'failed next number', '{2 busy 05/10:00}', 'recall 3 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222,+4930333}'),
	('and behind the last one with the first', 'failed next number', '{3 busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222,+4930333}'),
	('with one number it stays', 'failed next number', '{1 busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111}'),
	('a dead number is skipped from then on', 'failed next number', '{2 unallocated 05/10:00,1 busy 05/11:00}', 'recall 3 05/11:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222,+4930333}'),
	('also without next number', 'failed', '{1 unallocated 05/10:00}', 'recall 2 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('when none is left the contact is exhausted', 'failed', '{1 unallocated 05/10:00,2 special_tone 05/11:00}', 'exhausted rule 1 | no number is left that may be called', '{+4930111,+4930222}'),
	('a number that is no longer the contact''s: the first one', 'failed next number', '{x busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('without any number there is none left', 'failed', '{x busy 05/10:00}', 'exhausted rule 1 | no number is left that may be called', '{}'),
	('a never on a dead number leaves the others', 'class invalid_number never; failed', '{1 unallocated 05/10:00,2 busy 05/11:00}', 'recall 2 05/11:00 rule 2 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('a limit per number uses the number up', 'failed; limit 2 per number', '{1 busy 05/10:00,1 busy 05/11:00}', 'recall 2 05/11:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('agents'' failures left out', 'failed; limit 2 per number', '{1 agent_failure 05/10:00,1 busy 05/11:00}', 'recall 1 05/11:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('a rolling limit per number counts the calls to it', 'failed next number; limit 1 per 24 h per number', '{2 busy 05/10:00,1 busy 05/11:00}', 'recall 2 06/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('without per number it counts all', 'failed next number; limit 1 per 24 h', '{2 busy 05/10:00,1 busy 05/11:00}', 'recall 2 06/11:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}'),
	('a quiet per number is the number''s', 'failed next number; quiet 24 h after busy per number', '{2 no_answer 05/10:00,1 busy 05/11:00}', 'recall 2 05/11:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}');

INSERT INTO t.example (says, policy, calls, expected, numbers, suppressed) VALUES
	('a suppressed number is skipped', 'failed', '{1 busy 05/10:00}', 'recall 2 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}', '{+4930111}'),
	('with all of them suppressed the contact is', 'failed', '{1 busy 05/10:00}', 'suppressed rule 1 | every number that is left is suppressed', '{+4930111,+4930222}', '{+4930222,+4930111}'),
	('dead ones aside', 'failed', '{1 unallocated 05/10:00}', 'suppressed rule 1 | every number that is left is suppressed', '{+4930111,+4930222}', '{+4930222}'),
	('but when a suppressed one is dead as well, none is left', 'failed', '{1 unallocated 05/10:00}', 'exhausted rule 1 | no number is left that may be called', '{+4930111}', '{+4930111}'),
	('other numbers'' suppression is nothing', 'failed', '{1 busy 05/10:00}', 'recall 1 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111}', '{+4930999}'),
	('a limit comes first', 'failed; limit 1', '{1 busy 05/10:00}', 'exhausted | the limit is reached', '{+4930111}', '{+4930111}'),
	('so does never', 'busy never', '{1 busy 05/10:00}', 'stopped rule 1 | a rule says never', '{+4930111}', '{+4930111}');

INSERT INTO t.example (says, policy, calls, expected, numbers, others) VALUES
	('others'' calls count per number: used up', 'failed; limit 2 per number', '{1 busy 05/10:00}', 'recall 2 05/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}', '{1 busy 05/09:00}'),
	('per rolling window', 'failed; limit 2 per 24 h per number', '{1 busy 05/10:00}', 'recall 1 06/09:00 rule 1 | a rule recalls this outcome', '{+4930111}', '{1 answered 05/09:00}'),
	('also those after the contact''s own', 'failed; limit 1 per 1 h per number', '{1 busy 05/10:00}', 'recall 1 05/16:00 rule 1 | a rule recalls this outcome', '{+4930111}', '{1 answered 05/15:00}'),
	('per day', 'failed; limit 2 per day per number', '{1 busy 05/10:00}', 'recall 1 06/00:00 rule 1 | a rule recalls this outcome', '{+4930111}', '{1 answered 05/09:00}'),
	('quiets', 'failed; quiet 24 h after answered per number', '{1 busy 05/10:00}', 'recall 1 06/09:00 rule 1 | a rule recalls this outcome', '{+4930111}', '{1 answered 05/09:00}'),
	('only those to the number that was chosen', 'failed; limit 1 per 24 h per number', '{1 busy 03/10:00}', 'recall 1 04/10:00 rule 1 | a rule recalls this outcome', '{+4930111,+4930222}', '{2 answered 05/09:00}'),
	('for nothing else', 'failed max 1; limit 2; limit 1 per 24 h; quiet 24 h after answered; result refused never', '{1 busy 05/10:00}', 'recall 1 06/10:00 rule 1 | a rule recalls this outcome', '{+4930111}',
		'{1 answered/refused 05/12:00,1 busy 05/13:00,1 unallocated 05/14:00}');

SELECT is(t.judged(e), e.expected, e.says) FROM t.example e ORDER BY e.id;

/* The findings: each check that is made, whether it passed, the item of the policy, the number, what is used of what is allowed, the instant */

CREATE FUNCTION t.findings(policy recall.policy, calls text[], numbers text[], suppressed text[]) RETURNS text LANGUAGE sql
AS $$
	SELECT string_agg(concat_ws(' ', f.check_name, CASE WHEN f.passed THEN 'yes' ELSE 'no' END, 'item ' || f.item,
		'#' || array_position(numbers, f.number), f.used || coalesce('/' || f.allowed, ''), to_char(f.instant, 'DD/HH24:MI')), '; ' ORDER BY f.n)
	FROM unnest(recall._findings(policy, t.history(calls, VARIADIC numbers), numbers, 'UTC', suppressed, NULL)) WITH ORDINALITY
		AS f(check_name, passed, item, number, used, allowed, instant, n)
$$;
SELECT is(t.findings(x.policy, x.calls, x.numbers, x.suppressed), x.expected, 'findings: ' || x.says) FROM (VALUES
	('without a call there is nothing else to check', 'failed'::recall.policy, '{}'::text[], '{+4930111}'::text[], NULL::text[],
		'called no 0'),
	('a call that is recalled', 'busy', '{1 busy 05/10:00 05/10:01}', '{+4930111}', NULL,
		'called yes 1; never yes 0; platform yes 0/10; rule yes item 1 0; invalid number yes #1 0; suppression yes #1 0; number yes item 1 #1 0; delay yes item 1 1 05/10:01'),
	('the first number that may be called is chosen, and the others are looked at', 'busy', '{1 busy 05/10:00}', '{+4930111,+4930222,+4930333}', NULL,
		'called yes 1; never yes 0; platform yes 0/10; rule yes item 1 0; invalid number yes #1 0; suppression yes #1 0; invalid number yes #2 0; suppression yes #2 0; '
		'invalid number yes #3 0; suppression yes #3 0; number yes item 1 #1 0; delay yes item 1 1 05/10:00'),
	('without a rule for the latest call they end there', 'busy', '{1 busy 05/10:00,1 no_answer 05/11:00}', '{+4930111}', NULL,
		'called yes 2; never yes 0; platform yes 0/10; rule no 0'),
	('so they do with a rule that says never of the attempt', 'busy; unknown never', '{1 busy 05/10:00,1 unknown 05/11:00}', '{+4930111}', NULL,
		'called yes 2; never yes 0; platform yes 0/10; rule no item 2 0'),
	('or of the number', 'unallocated never', '{1 unallocated 05/08:00}', '{+4930111,+4930222}', NULL,
		'called yes 1; never yes 0; platform yes 0/10; rule no item 1 0'),
	('never of an earlier attempt, and what else would be', 'busy; result refused never', '{1 no_answer 05/08:00,1 answered/refused 05/10:00,1 busy 05/11:00}', '{+4930111}', NULL,
		'called yes 3; never no item 2 2; platform yes 0/10; rule yes item 1 0; invalid number yes #1 0; suppression yes #1 0; number yes item 1 #1 0; delay yes item 1 1 05/11:00'),
	('platform failures in a row', 'failed', array_fill('1 agent_failure 05/10:00'::text, '{1}') || '{1 busy 05/10:00}' || array_fill('1 platform_failure 05/10:00'::text, '{10}'), '{+4930111}', NULL,
		'called yes 12; never yes 0; platform no 10/10; rule yes item 1 0; invalid number yes #1 0; suppression yes #1 0; number yes item 1 #1 0; delay yes item 1 12 05/10:00'),
	('limits and a maximum', 'no_answer; busy max 1; limit 3; limit 2', '{1 busy 05/10:00,1 agent_failure 05/10:30,1 busy 05/11:00}', '{+4930111}', NULL,
		'called yes 3; never yes 0; platform yes 0/10; rule yes item 2 0; limit no item 1 2/2; limit yes item 2 2/3; max no item 2 2/1; invalid number yes #1 0; suppression yes #1 0; number yes item 2 #1 0; delay yes item 2 2 05/11:00'),
	('each number in the order in which they are tried', 'failed max 3 next number; limit 2 per number; limit 9 per number',
		'{1 busy 05/09:00,2 unallocated 05/10:00,2 platform_failure 05/10:30,1 busy 05/11:00}', '{+4930111,+4930222,+4930333}', '{+4930333}',
		'called yes 4; never yes 0; platform yes 0/10; rule yes item 1 0; max yes item 1 3/3; '
		'invalid number no #2 0; number limit yes item 1 #2 1/2; number limit yes item 2 #2 1/9; suppression yes #2 0; '
		'invalid number yes #3 0; number limit yes item 1 #3 0/2; number limit yes item 2 #3 0/9; suppression no #3 0; '
		'invalid number yes #1 0; number limit no item 1 #1 2/2; number limit yes item 2 #1 2/9; suppression yes #1 0; number no item 1 0'),
	('what puts a call off', 'busy next number; no_answer after 5 min, 1 h; limit 2 per 24 h; limit 1 per day per number; limit 1 per 30 min per number;'
			'quiet 3 h after busy; quiet 2 h after answered; quiet 4 h after no_answer per number',
		'{1 busy 05/09:00 05/09:05,2 no_answer 05/10:00,2 busy 05/10:30 05/10:31,1 no_answer 05/11:00 05/11:02}', '{+4930111,+4930222,+4930333}', '{+4930111}',
		'called yes 4; never yes 0; platform yes 0/10; rule yes item 2 0; invalid number yes #1 0; suppression no #1 0; invalid number yes #2 0; suppression yes #2 0; '
		'invalid number yes #3 0; suppression yes #3 0; number yes item 2 #2 0; delay yes item 2 2 05/12:02; '
		'period yes item 1 #2 2/1 06/00:00; period yes item 2 #2 2/1 05/11:00; period yes item 3 4/2 06/10:30; '
		'quiet yes item 1 0; quiet yes item 2 2 05/13:31; quiet yes item 3 #2 1 05/14:00')) AS x(says, policy, calls, numbers, suppressed, expected);

/* Calls that are told apart by nothing that counts are judged in one order, however they come; and what is kept for the next contact is kept for its like */

CREATE FUNCTION t.judged_backwards(calls text[], backwards boolean) RETURNS text LANGUAGE sql
AS $$
	SELECT (recall.judge('busy after 1 min; no_answer after 2 min; result a; result b after 3 min',
		recall.history(3, CASE c.part[1] WHEN '1' THEN '+4930111' ELSE '+4930222' END, nullif(c.part[2], 'answered')::recall.failure_cause, c.part[3],
			t.instant(c.part[4]), t.instant(c.part[5]) ORDER BY CASE WHEN backwards THEN -c.n ELSE c.n END), '{+4930111,+4930222}'))::text
	FROM (SELECT n, string_to_array(w, ' ', '-') AS part FROM unnest(calls) WITH ORDINALITY AS w(w, n)) c
$$;
SELECT is(t.judged_backwards(x.calls, backwards), x.expected, format('two calls of one attempt, %s; backwards: %s', x.what, backwards)) FROM (VALUES
	('the one that began later counts', '{1 busy - 05/10:00 05/10:09,1 no_answer - 05/10:01 05/10:05}'::text[], '(recall,2,+4930111,"2026-01-05 10:07:00+00","a rule recalls this outcome: no_answer after 2 min",3,no_answer,)'),
	('then the one that ended later', '{1 busy - 05/10:00 05/10:09,1 no_answer - 05/10:00 05/10:05}', '(recall,1,+4930111,"2026-01-05 10:10:00+00","a rule recalls this outcome: busy after 1 min",3,busy,)'),
	('then the cause that is behind the other', '{1 no_answer - 05/10:00 05/10:05,1 busy - 05/10:00 05/10:05}', '(recall,2,+4930111,"2026-01-05 10:07:00+00","a rule recalls this outcome: no_answer after 2 min",3,no_answer,)'),
	('then the number that is', '{2 busy - 05/10:00 05/10:05,1 busy - 05/10:00 05/10:05}', '(recall,1,+4930222,"2026-01-05 10:06:00+00","a rule recalls this outcome: busy after 1 min",3,busy,)'),
	('then the rule that is', '{1 answered b 05/10:00 05/10:05,1 answered a 05/10:00 05/10:05}', '(recall,4,+4930111,"2026-01-05 10:08:00+00","a rule recalls this outcome: result b after 3 min",3,,b)')
	) AS x(what, calls, expected), unnest('{false,true}'::boolean[]) backwards;
SELECT results_eq($$SELECT (recall.judge('failed; limit 1 per day', recall.history(1, '+4930111', 'busy', NULL, '2026-07-05 12:00+00', '2026-07-05 12:00+00'), '{+4930111}', zone)).due_at
	FROM unnest('{Etc/GMT+10,Etc/GMT+1,Etc/GMT+10,Etc/GMT+10}'::text[]) WITH ORDINALITY AS z(zone, n) GROUP BY n, zone ORDER BY n$$,
	$$VALUES (timestamptz '2026-07-06 10:00+00'), ('2026-07-06 01:00+00'), ('2026-07-06 10:00+00'), ('2026-07-06 10:00+00')$$, 'a zone whose name is the beginning of the one before');

/* What is asked again before a call: "never", limits, quiets and the numbers; not the rules */

CREATE FUNCTION t.admitted(policy recall.policy, calls text[], first int DEFAULT 1, suppressed text[] DEFAULT NULL) RETURNS text LANGUAGE sql
AS $$
	SELECT concat_ws(' ', right(a.number, 3), to_char(a.not_before, 'DD/HH24:MI'), a.reason)
	FROM recall._admit(policy, t.history(calls, '+4930111', '+4930222', '+4930333'), '{+4930111,+4930222,+4930333}', 'UTC', suppressed, NULL,
		('{+4930111,+4930222,+4930333}'::text[])[first]) a
$$;
SELECT is(t.admitted(x.policy, x.calls, x.first, x.suppressed), x.expected, 'admitted: ' || x.says) FROM (VALUES
	('a contact that was not called', 'busy'::recall.policy, '{}'::text[], 1, NULL::text[], '111'),
	('a number that is not its first', 'busy', '{1 no_answer 05/10:00}', 2, NULL, '222'),
	('the next one that is not suppressed', 'busy', '{1 no_answer 05/10:00}', 2, '{+4930222}', '333'),
	('behind the last the first', 'busy', '{3 unallocated 05/10:00}', 3, NULL, '111'),
	('an outcome without a rule, a maximum and a delay hold nothing up', 'busy after 1 day max 1', '{1 busy 05/10:00,1 busy 05/11:00,1 no_answer 05/12:00}', 1, NULL, '111'),
	('nor do failures of the platform', 'busy', array_fill('1 platform_failure 05/10:00'::text, '{10}'), 1, NULL, '111'),
	('until a window is over', 'busy; limit 1 per 1 h', '{1 busy 05/10:00}', 1, NULL, '111 05/11:00'),
	('and a quiet', 'busy; limit 1 per 1 h; quiet 2 h after answered', '{1 answered 05/09:30,1 busy 05/10:00}', 1, NULL, '111 05/11:30'),
	('never', 'busy; result refused never', '{1 answered/refused 05/10:00}', 1, NULL, 'a rule says never: result refused never'),
	('a limit', 'busy; limit 1', '{1 answered 05/10:00}', 1, NULL, 'the limit is reached: limit 1'),
	('no number', 'busy', '{1 unallocated 05/10:00,2 unallocated 05/10:00,3 unallocated 05/10:00}', 1, NULL, 'no number is left that may be called'),
	('all suppressed', 'busy', '{}', 1, '{+4930333,+4930222,+4930111}', 'every number that is left is suppressed')) AS x(says, policy, calls, first, suppressed, expected);
SELECT is((SELECT a.number FROM recall._admit('busy', NULL, '{+4930111,+4930222}', 'UTC', NULL, NULL, '+4930999') a), '+4930111', 'a number that the contact has no more: its first');
SELECT is(recall._admit(NULL, NULL, '{+4930111}', 'UTC', NULL, NULL, '+4930111')::text, NULL, 'no policy admits nothing');
SELECT is(recall._admit('busy', NULL, '{+4930111}', 'UTC', NULL, NULL, NULL)::text, NULL, 'nor does it without a number');

/* How many calls there would have been */

CREATE FUNCTION t.replayed(policy recall.policy, calls text[], others text[] DEFAULT NULL) RETURNS int LANGUAGE sql
AS $$ SELECT recall._replay(policy, t.history(calls, '+4930111'), '{+4930111}', 'UTC', NULL, t.history(calls || others, '+4930111')) $$;
SELECT is(t.replayed(x.policy, x.calls, x.others), x.expected, 'replayed: ' || x.says) FROM (VALUES
	('no call', 'failed'::recall.policy, '{}'::text[], NULL::text[], 0), ('one call', 'busy', '{1 no_answer 05/10:00}', NULL, 1),
	('as long as a rule recalls', 'busy', '{1 busy 05/10:00,1 busy 05/11:00,1 no_answer 05/12:00,1 busy 05/13:00}', NULL, 3),
	('up to a limit', 'failed; limit 2', '{1 busy 05/10:00,1 busy 05/11:00,1 busy 05/12:00}', NULL, 2),
	('what others had called by the end of a call counts', 'failed; limit 2 per number', '{1 busy 05/10:00 05/10:10,1 busy 05/11:00 05/11:10,1 busy 05/12:00}', '{1 busy 05/10:10}', 1),
	('and not what they called later', 'failed; limit 2 per number', '{1 busy 05/10:00 05/10:10,1 busy 05/11:00 05/11:10,1 busy 05/12:00}', '{1 busy 05/10:11}', 2)) AS x(says, policy, calls, others, expected);

/* The rest of what is said of the arguments and the result */

SELECT is(recall.judge(NULL, t.history('{1 busy 05/10:00}', '+4930111'), '{+4930111}'), NULL, 'a null policy gives null');
SELECT is(recall.judge('busy', NULL, '{+4930111}')::text, '(new,,,,"not called yet",,,)', 'a null history is a contact that was not called');
SELECT is(recall.judge('busy max 3', t.history('{1 no_answer 05/09:00,1 busy/later 05/10:00 05/10:05}', '+4930111'), '{+4930111}')::text,
	'(recall,1,+4930111,"2026-01-05 10:05:00+00","a rule recalls this outcome: busy max 3",2,busy,later)', 'every column of a judgement');
SELECT is((recall.judge('limit 1', t.history('{1 busy 05/10:00}', '+4930111'), '{+4930111}')).reason, 'the limit is reached: limit 1', 'the reason names the limit');
SELECT is((SELECT recall.history(1, '+4930111', NULL, NULL, NULL, NULL))::text, NULL, 'a row without a beginning is no call');
SELECT is((SELECT recall.history(n, '+4930111', NULL, NULL, now(), now()) FROM generate_series(1, 0) n)::text, NULL, 'no row gives no history');
SELECT is(t.history('{1 busy 05/10:00,x answered/sold 05/11:00 05/12:00,1 no_answer/later 06/13:00}', '+4930111')::text ~ '2 \+999999999 answered sold 2026-01-05 11:00:00\+00 2026-01-05 12:00:00\+00', true, 'a history can be shown');
SELECT is(recall.history(n, '+493011' || n, CASE n WHEN 2 THEN 'busy' END::recall.failure_cause, CASE n WHEN 1 THEN 'sold' END, t.instant('05/10:0' || n), t.instant('05/11:0' || n) ORDER BY n)::text,
	'1 +4930111 answered sold 2026-01-05 10:01:00+00 2026-01-05 11:01:00+00; 2 +4930112 busy 2026-01-05 10:02:00+00 2026-01-05 11:02:00+00; 3 +4930113 answered 2026-01-05 10:03:00+00 2026-01-05 11:03:00+00',
	'call by call') FROM generate_series(1, 3) n;
SELECT is((recall.judge(format('result %s, %s, %s, %s', repeat('a', 50), repeat('b', 50), repeat('c', 50), repeat('d', x.length))::recall.policy,
	t.history(ARRAY['1 answered/' || repeat('a', 50) || ' 05/10:00'], '+4930111'), '{+4930111}')).reason, format('a rule recalls this outcome: result %s, %s, %s, %s', repeat('a', 50), repeat('b', 50), repeat('c', 50), x.shown),
	format('a rule of %s bytes', 163 + x.length)) FROM (VALUES (37, repeat('d', 37)), (38, repeat('d', 37) || '...')) AS x(length, shown);
SELECT is(recall.is_open('Mo-Su 09:00-10:00', 'UTC', '2026-01-05 09:30+00', array_fill(date '2026-01-05', '{10001}')), true, 'holidays that nothing asks for are not looked at, nor counted');
SELECT matches(t.outcome(format('SELECT recall.is_open(''PH off'', ''UTC'', now(), array_fill(''2026-01-05''::date, ''{%s}''))', x.count)), x.answer, format('%s holidays', x.count))
FROM (VALUES (10000, '^false$'), (10001, '^22023: there are too many holidays')) AS x(count, answer);
SELECT is((recall.judge('failed after 3650 days', recall.history(1, '+4930111', 'busy', NULL, '294276-12-31 00:00+00', '294276-12-31 00:00+00'), '{+4930111}')).due_at,
	'infinity', 'what lies beyond the last instant is infinity');
SELECT is((recall.judge('busy; no_answer after 1 h', recall.history(n, '+4930111', CASE WHEN n = 100000 THEN 'no_answer' ELSE 'busy' END::recall.failure_cause, NULL,
	timestamptz '2026-01-01 00:00+00' + n * interval '1 s', timestamptz '2026-01-01 00:00+00' + n * interval '1 s' ORDER BY md5(n::text)), '{+4930111}')).due_at,
	'2026-01-02 04:46:40+00', 'a hundred thousand calls') FROM generate_series(1, 100000) n;

SELECT t.refused(x.statement, x.state, x.message, x.hint, x.message) FROM (VALUES
	($$SELECT '1 +4930111 busy'::recall.history$$, '0A000', 'cannot read a value of type recall.history', 'Histories are made by the aggregate recall.history().'),
	($$SELECT recall.history(0, '+4930111', NULL, NULL, now(), now())$$, '22023', 'attempt 0 is out of range', 'Attempts count from 1.'),
	($$SELECT recall.judge('busy', NULL, '{+4930111}', 'Mars/Olympus')$$, '22023', 'time zone "Mars/Olympus" is not known', 'The names of time zones, such as Europe/Berlin, are listed in pg_timezone_names.'),
	($$SELECT recall.judge('busy', NULL, array_fill('+4930111'::text, '{65}'))$$, '22023', 'a contact has 65 numbers', 'At most 64 can be judged.')) AS x(statement, state, message, hint);
SELECT is(t.outcome(x.statement), x.answer, x.answer) FROM (VALUES
	($$SELECT recall.history(NULL, '+4930111', NULL, NULL, now(), now())$$, '22004: a call needs an attempt, a number and an end'),
	($$SELECT recall.history(1, NULL, NULL, NULL, now(), now())$$, '22004: a call needs an attempt, a number and an end'),
	($$SELECT recall.history(1, '+4930111', NULL, NULL, now(), NULL)$$, '22004: a call needs an attempt, a number and an end'),
	($$SELECT recall.history(1, '+4930111', NULL, NULL, '-infinity', now())$$, '22023: a call cannot begin or end at infinity'),
	($$SELECT recall.history(1, '+4930111', NULL, NULL, now(), 'infinity')$$, '22023: a call cannot begin or end at infinity'),
	($$SELECT recall.judge('busy', NULL, NULL)$$, '22004: the numbers of a contact must not be null'),
	($$SELECT recall.judge('busy', NULL, '{+4930111,NULL}')$$, '22004: numbers must not contain nulls'),
	($$SELECT recall.judge('busy', NULL, '{+4930111}', 'UTC', '{NULL}')$$, '22004: numbers must not contain nulls')) AS x(statement, answer);

/* The last moment of a day, where clocks are changed at midnight or a day is left out: the twin in SQL is timezone() */

CREATE TEMPORARY TABLE day_end AS
SELECT z.zone, (recall.judge('failed; limit 1 per day', (SELECT recall.history(1, '+4930111', 'busy', NULL, v.at, v.at) FROM (VALUES (noon.at)) v(at)), '{+4930111}', z.zone)).due_at,
	noon.at
FROM unnest('{UTC,America/New_York,America/Sao_Paulo,America/Havana,America/Asuncion,Asia/Kolkata,Asia/Amman,Africa/Cairo,Australia/Lord_Howe,Pacific/Apia,Pacific/Chatham,Europe/Lisbon}'::text[]) AS z(zone)
CROSS JOIN generate_series(timestamp '2010-01-01', '2018-12-31', '1 day') AS d(day)
CROSS JOIN LATERAL (SELECT (d.day + interval '12 h') AT TIME ZONE z.zone AS at) noon;
SELECT is_empty($$SELECT * FROM day_end WHERE (due_at AT TIME ZONE zone)::date <= (at AT TIME ZONE zone)::date$$, 'after a day''s end the clock shows a later day');
SELECT is_empty($$SELECT * FROM day_end WHERE ((due_at - interval '1 s') AT TIME ZONE zone)::date > (at AT TIME ZONE zone)::date$$, 'and before it, that day');
SELECT is_empty($$SELECT * FROM day_end, generate_series(due_at, due_at + interval '3 h', '10 min') later WHERE (later AT TIME ZONE zone)::date <= (at AT TIME ZONE zone)::date$$, 'which it does not show again');

SELECT is_empty('SELECT * FROM recall.verify()', 'every invariant holds');
SELECT * FROM finish();
ROLLBACK;
