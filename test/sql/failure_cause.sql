-- The catalogue of failure causes, and what the codes of outside systems mean.
\pset null NULL

SELECT * FROM recall.failure_causes();

-- The catalogue in the library and the enum of the database are the same, in the same order.
SELECT array_agg(cause ORDER BY n) = enum_range(NULL::recall.failure_cause) AS same
FROM recall.failure_causes() WITH ORDINALITY AS f (cause, class, nature, counts, description, n);
SELECT array_agg(DISTINCT class) FILTER (WHERE NOT counts_as_attempt) AS not_counted FROM recall.failure_causes();

-- Codes that people know by heart.
SELECT system, code, recall.failure_cause(system, code)
FROM (VALUES ('sip', '200'), ('sip', '486'), ('sip', '480'), ('sip', '404'), ('sip', '603'), ('sip', '487'),
	('q850', '16'), ('q850', '17'), ('q850', '19'), ('q850', '20'), ('q850', '1'),
	('asterisk', 'ANSWERED'), ('asterisk', 'ANSWER'), ('asterisk', 'NO ANSWER'), ('asterisk', 'NOANSWER'),
	('asterisk', 'BUSY'), ('asterisk', 'FAILED'), ('asterisk', 'CHANUNAVAIL'), ('asterisk', 'CONGESTION'), ('asterisk', 'CANCEL'),
	('freeswitch', 'NORMAL_CLEARING'), ('freeswitch', 'USER_BUSY'), ('freeswitch', 'RECOVERY_ON_TIMER_EXPIRE'),
	('vicidial', 'SALE'), ('vicidial', 'AA'), ('vicidial', 'DROP'), ('vicidial', 'DNCCAR'),
	('huawei', '00000'), ('huawei', '00537'), ('huawei', '00209'), ('huawei', '34608'), ('huawei', '34611'),
	('twilio', 'completed'), ('twilio', 'no-answer'), ('connect', 'HUMAN_ANSWERED'), ('connect', 'VOICEMAIL_BEEP'))
	AS known (system, code);

-- Blanks around and case do not matter; what is not known is unspecified, never answered.
SELECT recall.failure_cause(' SIP ', ' 486 '), recall.failure_cause('Asterisk', 'no answer'),
	recall.failure_cause('sip', '299'), recall.failure_cause('sip', ''), recall.failure_cause('sip', NULL);
SELECT recall.failure_cause('sipp', '486');
\echo :LAST_ERROR_SQLSTATE
SELECT recall.failure_cause(NULL, '486');

-- Every shipped code has one meaning.
SELECT system, count(*) AS codes, count(*) FILTER (WHERE failure_cause IS NULL) AS answered
FROM recall.cause_code WHERE builtin GROUP BY system ORDER BY system;
SELECT system, lower(code) FROM recall.cause_code GROUP BY 1, 2 HAVING count(*) > 1;

-- An added code wins over a shipped one, and a system may be added.
BEGIN;
INSERT INTO recall.cause_code (system, code, failure_cause)
VALUES ('sip', '480', 'absent'), ('our_carrier', 'Busy', 'busy'), ('our_carrier', 'BUSY', 'congestion');
SELECT recall.failure_cause('sip', '480'), recall.failure_cause('our_carrier', 'Busy'),
	recall.failure_cause('our_carrier', 'BUSY'), recall.failure_cause('our_carrier', '480');
SAVEPOINT added;
INSERT INTO recall.cause_code (system, code, failure_cause) VALUES ('SIP', '480', 'absent');
ROLLBACK TO added;
INSERT INTO recall.cause_code (system, code, failure_cause) VALUES ('sip', ' 480', 'absent');
ROLLBACK;

-- The nearest known word.
SELECT recall._nearest('bussy', '{busy,no_answer}'), recall._nearest('BUSY', '{no_answer,NULL,busy}'),
	recall._nearest('completely_else', '{busy,no_answer}'), recall._nearest('busy', '{}');
