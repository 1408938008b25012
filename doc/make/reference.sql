-- Prints doc/reference.md, made from the catalog: types, functions, views, tables and settings with their comments;
-- run by make.sh. What is written here and not in the catalog: in which section a function stands, and what the
-- SQLSTATEs mean. A public function without a section, or a SQLSTATE without a meaning, is an error.
SET search_path = pg_catalog;

-- What the operators, casts and input and output of a type call: used, but not called by name.
CREATE TEMP VIEW support_function AS
SELECT unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend])::oid AS oid FROM pg_type t
UNION SELECT o.oprcode FROM pg_operator o
UNION SELECT a.amproc FROM pg_amproc a
UNION SELECT c.castfunc FROM pg_cast c;

CREATE TEMP TABLE section (position int, title text, intro text, functions text[]);
INSERT INTO section VALUES
(1, 'Values and the decision',
	'Pure questions to the value types. Whoever has USAGE on the schema may call them; no right in a tenant is needed.',
	'{policy,policy_rules,policy_limits,matches,history,judge,is_open,next_open,failure_causes,failure_cause,transition,state_transitions}'),
(2, 'Presets and differences',
	'Values to take, and how two of them differ. Every member of a tenant may call these; no particular right is needed.',
	'{policy_presets,calling_hours_presets,policy_diff}'),
(3, 'Tenants and rights', 'What pools and tokens are for is in [pooling.md](pooling.md).',
	'{create_tenant,set_tenant,set_holidays,grant_privilege,revoke_privilege,admit_pool,dismiss_pool,issue_token,enter,rotate_token_key}'),
(4, 'Tasks and business results', NULL,
	'{create_business_result,create_task,set_policy,set_calling_hours,set_auto_recall,start_task,suspend_task,complete_task}'),
(5, 'Batches and contacts', NULL,
	'{create_batch,start_batch,suspend_batch,finish_batch,add_contact,add_contacts}'),
(6, 'Completed calls', NULL,
	'{record_call,record_calls}'),
(7, 'Dialling', NULL,
	'{claim,report,report_many,extend,release,resolve,schedule_callback}'),
(8, 'The do-not-call list', NULL,
	'{suppress,unsuppress}'),
(9, 'Recalling', NULL,
	'{preview,recycle,pause_recycle,resume_recycle,retry_recycle,cancel_recycle,withdraw_recycle}'),
(10, 'Asking why, and what if', NULL,
	'{explain,simulate,simulate_attempts}'),
(11, 'Personal data',
	'What is kept where, and what these leave: [privacy.md](privacy.md).',
	'{erase_number,purge_batch,purge_before}'),
(12, 'Running it', NULL,
	'{process,schedule,unschedule,grant_scheduler,revoke_scheduler,health,verify,review_history,accept_history}'),
(13, 'Steps of the processor',
	'Internal: `recall.process()` calls them with the rights of its caller, so the scheduler''s role needs EXECUTE on them. Nobody else calls them.',
	'{_begin_tick,_expire,_settle,_step,_end_tick}');

CREATE TEMP TABLE sqlstate (code text, condition text, meaning text);
INSERT INTO sqlstate VALUES
('42501', 'insufficient_privilege',
	'The right is missing, or the tenant, task, batch, contact or record does not exist or is another tenant''s: the error is the same, so that nobody learns what there is.'),
('55000', 'object_not_in_prerequisite_state',
	'A gate is shut or a move is illegal. The message says which, the hint what can be done.'),
('22023', 'invalid_parameter_value',
	'A parameter is out of range, names what the tenant has not, or contradicts another.'),
('22P02', 'invalid_text_representation',
	'A policy, calling hours or a number does not parse. The message says where.'),
('22P03', 'invalid_binary_representation', 'A binary value is of a version that this library does not know.'),
('22004', 'null_value_not_allowed', 'A list holds a null, or a call lacks what it must have.'),
('54000', 'program_limit_exceeded', 'A policy, calling hours or a history are too large.'),
('0A000', 'feature_not_supported', 'What was asked for is not there in this version, or a history was to be read from a text.'),
('2D000', 'invalid_transaction_termination',
	'`recall.process()` was called inside a transaction block; it commits, so it must be called on its own.');

-- Functions and procedures, in their sections.
CREATE TEMP VIEW routine AS
SELECT p.oid, p.proname::text AS name, p.prokind, p.proretset, p.prorettype, s.position AS section,
	array_position(s.functions, p.proname::text) AS rank, obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p
LEFT JOIN pg_temp.section s ON p.proname = ANY (s.functions)
WHERE p.pronamespace = 'recall'::regnamespace
AND (p.proname !~ '^_' OR s.position IS NOT NULL)
AND p.oid NOT IN (SELECT oid FROM pg_temp.support_function);

CREATE TEMP VIEW argument AS
SELECT p.oid AS routine, a.n, coalesce(p.proargmodes[a.n], 'i') AS mode,
	concat_ws(' ', nullif(p.proargnames[a.n], ''), format_type(a.type, NULL),
		'DEFAULT ' || regexp_replace(pg_get_function_arg_default(p.oid, a.n::int), '::[a-z_. ]+(\[\])?$', '')) AS text
FROM pg_proc p
CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS a(type, n)
WHERE p.pronamespace = 'recall'::regnamespace;

CREATE TEMP VIEW signature AS
SELECT r.*,
	format('%srecall.%s(%s)', CASE r.prokind WHEN 'p' THEN 'CALL ' END, r.name,
		(SELECT string_agg(a.text, ', ' ORDER BY a.n) FROM pg_temp.argument a WHERE a.routine = r.oid AND a.mode IN ('i', 'b', 'v')))
	|| CASE WHEN r.prokind = 'p' THEN ''
		ELSE E'\n    → ' || CASE WHEN r.proretset THEN 'rows of ' ELSE '' END
			|| coalesce((SELECT '(' || string_agg(a.text, ', ' ORDER BY a.n) || ')'
				FROM pg_temp.argument a WHERE a.routine = r.oid AND a.mode IN ('o', 'b', 't')), format_type(r.prorettype, NULL))
		END AS text
FROM pg_temp.routine r;

DO $$
DECLARE
	missing text;
BEGIN
	SELECT string_agg(name, ', ') INTO missing FROM pg_temp.routine WHERE section IS NULL;
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'no section of doc/make/reference.sql names: %', missing;
	END IF;
	SELECT string_agg(f, ', ') INTO missing FROM pg_temp.section s, unnest(s.functions) f
	WHERE f NOT IN (SELECT name FROM pg_temp.routine);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'doc/make/reference.sql names what there is not: %', missing;
	END IF;
	SELECT string_agg(format('%s of %s', code[1], r.name), ', ') INTO missing
	FROM pg_temp.routine r, regexp_matches(r.comment, '\m[0-9][0-9A-Z]{4}\M', 'g') code
	WHERE code[1] NOT IN (SELECT s.code FROM pg_temp.sqlstate s);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'doc/make/reference.sql does not explain SQLSTATE: %', missing;
	END IF;
	SELECT string_agg(name, ', ') INTO missing FROM pg_temp.routine WHERE comment IS NULL;
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'no comment on: %', missing;
	END IF;
END $$;

-- The columns of a table or view as a table of the page.
CREATE FUNCTION pg_temp.columns(relation oid) RETURNS text
LANGUAGE sql STABLE
RETURN E'| column | type | |\n|---|---|---|\n' || (
	SELECT string_agg(format('| `%s` | `%s` | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
		replace(col_description(a.attrelid, a.attnum), '|', '\|')), E'\n' ORDER BY a.attnum)
	FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped);

CREATE TEMP VIEW relation AS
SELECT c.oid, c.relname::text AS name, c.relkind, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class c
WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind IN ('r', 'v');

\echo '<!-- Made from the catalog by doc/make/reference.sql: do not edit. -->'
\echo '# Reference'
\echo
\echo 'Everything is in the schema `recall`. Each text below is the object''s comment in the database, so `\\df+ recall.*`'
\echo 'and `\\d+ recall.recycle_record` in psql say the same. A right stands for a right in the tenant that is the first'
\echo 'argument: `read`, `manage`, `recycle` or `dial`; the extension''s owner has all of them.'
\echo
\echo '- [Types](#types)'
\echo '- [Functions](#functions)'
\echo '- [Views](#views)'
\echo '- [Settings](#settings)'
\echo '- [SQLSTATEs](#sqlstates)'
\echo '- [Tables](#tables)'
\echo
\echo '## Types'
\echo
\echo 'How a policy is written is in [policy.md](policy.md), how calling hours are in [calling-hours.md](calling-hours.md),'
\echo 'how a contact is judged in [verdict.md](verdict.md), which state follows which in [states.md](states.md).'

SELECT concat_ws(E'\n', '', format('### %s', t.typname), '', obj_description(t.oid, 'pg_type'),
	CASE WHEN t.oid <> 'recall.failure_cause'::regtype THEN
		E'\n' || (SELECT string_agg(format('`%s`', e.enumlabel), ', ' ORDER BY e.enumsortorder)
			FROM pg_enum e WHERE e.enumtypid = t.oid)
	ELSE (SELECT E'\n| cause | class | nature | counts as an attempt | |\n|---|---|---|---|---|\n'
			|| string_agg(format('| `%s` | `%s` | %s | %s | %s |', f.cause, f.class, f.nature,
				CASE WHEN f.counts_as_attempt THEN 'yes' ELSE 'no' END, f.description), E'\n' ORDER BY f.cause)
		FROM recall.failure_causes() f) END,
	(SELECT format(E'\nColumns: %s', string_agg(format('`%s %s`', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum))
		FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 HAVING count(*) > 0),
	E'\n' || (SELECT string_agg(format('Cast `%s` to `%s`: %s.', format_type(c.castsource, NULL),
			format_type(c.casttarget, NULL), obj_description(c.oid, 'pg_cast')), E'\n\n' ORDER BY c.castsource = t.oid DESC)
		FROM pg_cast c WHERE t.oid IN (c.castsource, c.casttarget) AND c.castfunc <> 0))
FROM pg_type t
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = 'recall'::regnamespace AND t.typcategory <> 'A' AND t.typname !~ '^_'
AND (t.typtype IN ('b', 'e') OR c.relkind = 'c')
ORDER BY t.typtype, t.typname COLLATE "C";

\echo
\echo '## Functions'
\echo
\echo 'What changes the set-up of a tenant, a batch or a recycle record is noted in the view `audit`.'

SELECT concat_ws(E'\n', '', format('### %s', s.title), E'\n' || s.intro, (
	SELECT string_agg(concat_ws(E'\n', E'\n' || n.heading, '', '```', n.text, '```', '',
		regexp_replace(n.comment, ' (Right: |Errors: |Errors as of )', E'\n\n\\1', 'g')), E'\n' ORDER BY n.rank, n.text COLLATE "C" DESC)
	FROM (SELECT r.*, CASE WHEN row_number() OVER (PARTITION BY r.name ORDER BY r.text COLLATE "C" DESC) = 1
			THEN format('#### %s', r.name) END AS heading
		FROM pg_temp.signature r WHERE r.section = s.position) n))
FROM pg_temp.section s
ORDER BY s.position;

\echo
\echo '## Views'
\echo
\echo 'Each shows the tenants in which the caller has the right `read`.'

SELECT concat_ws(E'\n', '', format('### %s', r.name), '', r.comment, '', pg_temp.columns(r.oid))
FROM pg_temp.relation r
WHERE r.relkind = 'v'
ORDER BY r.name COLLATE "C";

\echo
\echo '## Settings'

-- Calling a function of the library loads it, so that its settings are there.
SELECT FROM recall._chunk_size() \g /dev/null
SELECT concat_ws(E'\n', '', format('### %s', s.name), '', concat_ws(' ', s.short_desc, s.extra_desc), '',
	format('Default %s, from %s to %s. %s', s.boot_val, s.min_val, s.max_val,
		CASE s.context WHEN 'superuser' THEN 'Superusers set it, for a session, a role, a database or the server.'
			ELSE format('Context: %s.', s.context) END))
FROM pg_settings s
WHERE s.name LIKE 'recall.%'
ORDER BY s.name COLLATE "C";

\echo
\echo '## SQLSTATEs'
\echo
\echo 'A statement that raises an error has changed nothing.'
\echo
\echo '| SQLSTATE | condition | when |'
\echo '|---|---|---|'
SELECT format('| `%s` | `%s` | %s |', s.code, s.condition, s.meaning) FROM pg_temp.sqlstate s;

\echo
\echo '## Tables'
\echo
\echo 'For administrators: the functions of recall write here, the views above show what tenants may see, and nobody is'
\echo 'granted a table. Every key of a tenant''s table starts with `tenant_id`; ids are counted in each tenant.'

SELECT concat_ws(E'\n', '', format('### %s', r.name), '', r.comment, '', pg_temp.columns(r.oid), '', (
	SELECT string_agg(CASE
			WHEN i.indisprimary THEN format('- Primary key: `%s`', (
				SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.indexrelid))
			ELSE format('- Index `%s`: %s', c.relname, obj_description(c.oid, 'pg_class')) END,
		E'\n' ORDER BY i.indisprimary DESC, c.relname COLLATE "C")
	FROM pg_index i
	JOIN pg_class c ON c.oid = i.indexrelid
	WHERE i.indrelid = r.oid))
FROM pg_temp.relation r
WHERE r.relkind = 'r'
ORDER BY r.name COLLATE "C";
