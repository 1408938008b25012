/*
 * recall: who is called again, when, on which number, and who never again.
 *
 * The numbered parts of this folder are joined, in order, into the script that CREATE EXTENSION runs:
 *
 *   00-19  the schema and the value types: causes, policies, calling hours, state machines; the judgement of a contact
 *   20-29  the tables, who may do what, and whether this is a copy
 *   30-39  setting up: tenants, tasks, batches, contacts; the calls that were made; who is not to be called
 *   40-59  recalling: the judgement of a batch, recycle records, preview, explain, simulate, the processor
 *   60-89  the schedule; tokens for pooled applications; looking: health, verification, copies, views
 *   90     every REVOKE and GRANT
 *
 * A name that starts with an underscore is internal. Objects are created plainly, never "OR REPLACE" or
 * "IF NOT EXISTS", so that nothing that somebody put there before can become part of the extension.
 */
\echo Use "CREATE EXTENSION recall" to load this file. \quit

CREATE SCHEMA recall;

COMMENT ON SCHEMA recall IS
'Recall of outbound calls: policies, recycling, re-dial rows. Start with \df recall.* and recall.task_overview.';

/* The enumerations. Their labels are a contract; new ones are only ever added. */

CREATE TYPE recall.task_type AS ENUM ('preview', 'predicted', 'preempted', 'fixed', 'robot', 'manual');
COMMENT ON TYPE recall.task_type IS
'How a task dials: preview, predicted (predictive), preempted (progressive), fixed (power), robot, or manual, which cannot be recalled.';

CREATE TYPE recall.task_state AS ENUM ('draft', 'executing', 'suspended', 'completed');
COMMENT ON TYPE recall.task_state IS
'State of an outbound call task; moves are listed by recall.state_transitions(), machine "task".';

CREATE TYPE recall.batch_state AS ENUM ('created', 'started', 'suspended', 'finished');
COMMENT ON TYPE recall.batch_state IS
'State of a batch of contacts; moves are listed by recall.state_transitions(), machine "batch".';

CREATE TYPE recall.recycle_state AS ENUM ('waiting', 'running', 'paused', 'completed', 'cancelled', 'failed');
COMMENT ON TYPE recall.recycle_state IS
'State of a recycle record; moves are listed by recall.state_transitions(), machine "recycle".';

CREATE TYPE recall.dial_state AS ENUM ('ready', 'claimed', 'unknown');
COMMENT ON TYPE recall.dial_state IS
'State of a permit to dial: ready to be claimed, claimed by a dialer, or of unknown outcome since its lease ran out.';

CREATE TYPE recall.verdict AS ENUM (
	'recall', 'over_cap', 'queued', 'unknown', 'done', 'stopped', 'exhausted', 'suppressed', 'closed', 'new');
COMMENT ON TYPE recall.verdict IS
'What becomes of a contact: recall; over_cap, more match than one recycle may take; queued, a permit is there; unknown, a call of unknown outcome is out; done, no rule recalls its outcome; stopped, a rule says never or the platform fails; exhausted, a maximum, a limit or the numbers are used up; suppressed; closed, the calling hours never open; new, not called yet.';

CREATE TYPE recall.privilege AS ENUM ('read', 'manage', 'recycle', 'dial');
COMMENT ON TYPE recall.privilege IS
'A right in one tenant: read its records, manage its set-up, recycle its batches, dial its contacts.';

CREATE TYPE recall.failure_cause AS ENUM (
	'busy', 'no_answer', 'no_response', 'absent', 'powered_off', 'number_suspended', 'rejected', 'blocked',
	'unallocated', 'bad_format', 'number_changed', 'special_tone', 'no_route', 'out_of_order', 'congestion',
	'network_down', 'temporary_failure', 'no_resource', 'timeout', 'interworking', 'incompatible', 'unspecified',
	'carrier_limit', 'barred', 'fax', 'machine', 'dead_air', 'abandoned_by_callee', 'abandoned_by_dialer',
	'cancelled', 'agent_failure', 'platform_failure', 'unknown');
COMMENT ON TYPE recall.failure_cause IS
'Why an outbound call failed, in catalogue order; NULL means that it was answered. Described by recall.failure_causes().';

/* Failure causes: the catalogue, which is in C, and the outside codes that stand for them, which are data. */

CREATE FUNCTION recall._nearest(word text, known text[]) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_nearest';
COMMENT ON FUNCTION recall._nearest(text, text[]) IS
'The known word nearest to a mistyped one, for hints; NULL when none is near enough to be meant.';

CREATE FUNCTION recall.failure_causes(
	OUT cause recall.failure_cause, OUT class text, OUT nature text, OUT counts_as_attempt boolean, OUT description text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 33
AS 'MODULE_PATHNAME', 'recall_list_failure_causes';
COMMENT ON FUNCTION recall.failure_causes() IS
'The catalogue of failure causes, a row each, in its order: class as in "class network" of a policy; nature temporary, permanent or config (somebody has to mend the set-up); counts_as_attempt false where a call does not count for "max" and "limit n" of a policy.';

CREATE TABLE recall.cause_code (
	system text NOT NULL CHECK (system <> '' AND system = lower(btrim(system))),
	code text NOT NULL CHECK (code <> '' AND code = btrim(code)),
	failure_cause recall.failure_cause,
	note text,
	builtin boolean NOT NULL DEFAULT false,
	PRIMARY KEY (system, code, builtin)
);
COMMENT ON TABLE recall.cause_code IS
'What the codes of outside systems mean. Shipped rows (builtin) are replaced by every upgrade and are not in dumps: add a row of your own with the same system and code, it wins; or a system of your own for a carrier that differs.';
COMMENT ON COLUMN recall.cause_code.system IS 'Where the code comes from, in lower case: sip, q850, asterisk, …';
COMMENT ON COLUMN recall.cause_code.code IS 'The code, as that system writes it; looked up exactly first, then without regard to case.';
COMMENT ON COLUMN recall.cause_code.failure_cause IS 'What it means; NULL = answered.';
COMMENT ON COLUMN recall.cause_code.note IS 'Why this cause, where several could be meant.';
COMMENT ON COLUMN recall.cause_code.builtin IS 'Shipped with the extension.';
SELECT pg_catalog.pg_extension_config_dump('recall.cause_code', 'WHERE NOT builtin');

/*
 * SIP: RFC 3261. Q.850: ITU-T Q.850. Others: the systems' manuals. The codes of one row are separated by "|".
 * Where a system has fewer codes than there are causes, a code is given the cause that it most often has.
 */
INSERT INTO recall.cause_code (system, failure_cause, code, note, builtin)
SELECT s.system, s.cause::recall.failure_cause, c.code, s.note, true
FROM (VALUES
	('sip', NULL, '200', NULL),
	('sip', 'busy', '486|600', NULL),
	('sip', 'no_answer', '480', 'also absent or switched off; most often it rang unanswered'),
	('sip', 'no_response', '408', 'also a time-out of the network'),
	('sip', 'rejected', '603', 'also blocked by call analytics, which have 607 and 608'),
	('sip', 'blocked', '607|608', NULL),
	('sip', 'unallocated', '404|485|604', '404 also without a route'),
	('sip', 'bad_format', '484', NULL),
	('sip', 'number_changed', '301|410', NULL),
	('sip', 'no_route', '420', NULL),
	('sip', 'out_of_order', '502', NULL),
	('sip', 'congestion', '503', 'also other failures of the network, all of which pass'),
	('sip', 'network_down', '500', NULL),
	('sip', 'temporary_failure', '409', NULL),
	('sip', 'timeout', '504', NULL),
	('sip', 'interworking', '405|411|413|414|415|481|482|491|493|505', NULL),
	('sip', 'incompatible', '488|606', NULL),
	('sip', 'barred', '403', 'also blocked'),
	('sip', 'cancelled', '487', 'the caller gave up; a dialer that gives up after its ringing time may mean no_answer'),

	('q850', NULL, '16', NULL),
	('q850', 'busy', '17', NULL),
	('q850', 'no_answer', '19', NULL),
	('q850', 'no_response', '18', NULL),
	('q850', 'absent', '20', 'also switched off'),
	('q850', 'rejected', '21', 'also blocked'),
	('q850', 'unallocated', '1', NULL),
	('q850', 'bad_format', '28', NULL),
	('q850', 'number_changed', '22|23', NULL),
	('q850', 'special_tone', '4', NULL),
	('q850', 'no_route', '2|3', NULL),
	('q850', 'out_of_order', '27', NULL),
	('q850', 'congestion', '34|42|44', NULL),
	('q850', 'network_down', '38', NULL),
	('q850', 'temporary_failure', '41', NULL),
	('q850', 'no_resource', '47', NULL),
	('q850', 'timeout', '102', NULL),
	('q850', 'interworking', '111|127', NULL),
	('q850', 'incompatible', '58|65|88', NULL),
	('q850', 'unspecified', '31', NULL),
	('q850', 'barred', '52|54|55|57', NULL),

	('asterisk', NULL, 'ANSWER|ANSWERED', NULL),
	('asterisk', 'busy', 'BUSY', NULL),
	('asterisk', 'no_answer', 'NO ANSWER|NOANSWER', NULL),
	('asterisk', 'rejected', 'DONTCALL|TORTURE', 'answers of the callee to privacy screening'),
	('asterisk', 'no_route', 'CHANUNAVAIL', 'the trunk or the peer is not there; also an impossible number'),
	('asterisk', 'congestion', 'CONGESTION', 'also most other failures of the network'),
	('asterisk', 'unspecified', 'FAILED', NULL),
	('asterisk', 'cancelled', 'CANCEL', NULL),
	('asterisk', 'platform_failure', 'INVALIDARGS', NULL),

	('freeswitch', NULL, 'NORMAL_CLEARING', NULL),
	('freeswitch', 'busy', 'USER_BUSY', NULL),
	('freeswitch', 'no_answer', 'NO_ANSWER', NULL),
	('freeswitch', 'no_response', 'NO_USER_RESPONSE', NULL),
	('freeswitch', 'absent', 'SUBSCRIBER_ABSENT|USER_NOT_REGISTERED', 'also switched off'),
	('freeswitch', 'rejected', 'CALL_REJECTED', 'also blocked'),
	('freeswitch', 'unallocated', 'UNALLOCATED_NUMBER', NULL),
	('freeswitch', 'bad_format', 'INVALID_NUMBER_FORMAT', NULL),
	('freeswitch', 'number_changed', 'NUMBER_CHANGED|REDIRECTION_TO_NEW_DESTINATION', NULL),
	('freeswitch', 'no_route', 'NO_ROUTE_DESTINATION|NO_ROUTE_TRANSIT_NET', NULL),
	('freeswitch', 'out_of_order', 'DESTINATION_OUT_OF_ORDER', NULL),
	('freeswitch', 'congestion', 'NORMAL_CIRCUIT_CONGESTION|SWITCH_CONGESTION|REQUESTED_CHAN_UNAVAIL', NULL),
	('freeswitch', 'network_down', 'NETWORK_OUT_OF_ORDER', NULL),
	('freeswitch', 'temporary_failure', 'NORMAL_TEMPORARY_FAILURE', NULL),
	('freeswitch', 'timeout', 'RECOVERY_ON_TIMER_EXPIRE', NULL),
	('freeswitch', 'interworking', 'INTERWORKING|PROTOCOL_ERROR', NULL),
	('freeswitch', 'incompatible', 'INCOMPATIBLE_DESTINATION|BEARERCAPABILITY_NOTAVAIL|BEARERCAPABILITY_NOTIMPL', NULL),
	('freeswitch', 'unspecified', 'NORMAL_UNSPECIFIED', NULL),
	('freeswitch', 'barred', 'OUTGOING_CALL_BARRED|INCOMING_CALL_BARRED|BEARERCAPABILITY_NOTAUTH', NULL),
	('freeswitch', 'cancelled', 'ORIGINATOR_CANCEL', NULL),

	('vicidial', NULL, 'SALE|NI|NP|DEC|CALLBK|CBHOLD|XFER|DNC', 'dispositions of an agent, so somebody answered'),
	('vicidial', 'busy', 'AB|B|CPDB', NULL),
	('vicidial', 'no_answer', 'NA|N|CPDNA', 'NA also absent, out of order or unspecified'),
	('vicidial', 'no_response', 'HUC18', NULL),
	('vicidial', 'rejected', 'HUC21|CPDREJ', NULL),
	('vicidial', 'blocked', 'DNCCAR|ADCCAR', NULL),
	('vicidial', 'unallocated', 'ADC|DC|CPDINV', 'ADC and DC also other numbers that are no use'),
	('vicidial', 'special_tone', 'CPDSI|CPDSV|CPDSUK', NULL),
	('vicidial', 'congestion', 'HUC34|HUC42|CPDATB|CPDSNC', NULL),
	('vicidial', 'network_down', 'HUC38', NULL),
	('vicidial', 'temporary_failure', 'HUC41', NULL),
	('vicidial', 'temporary_failure', 'ADCT', 'disconnected for a time, for one of several reasons'),
	('vicidial', 'timeout', 'HUC102', NULL),
	('vicidial', 'barred', 'DNCL|DNCC', 'on a do-not-call list, so it was not dialled'),
	('vicidial', 'fax', 'AFAX', NULL),
	('vicidial', 'machine', 'AA|AM|AL|A', NULL),
	('vicidial', 'dead_air', 'DAIR|ADAIR|CPDUK', NULL),
	('vicidial', 'abandoned_by_callee', 'PU', NULL),
	('vicidial', 'abandoned_by_dialer', 'DROP|PDROP', NULL),
	('vicidial', 'agent_failure', 'ERI|DISPO|DONEM', NULL),
	('vicidial', 'platform_failure', 'LRERR', NULL),

	('huawei', NULL, '00000', NULL),
	('huawei', 'busy', '00005|00006|00145|00181|00537', NULL),
	('huawei', 'no_answer', '00007|00147|00180|00601|00603|01040', NULL),
	('huawei', 'no_response', '00146', NULL),
	('huawei', 'absent', '00009|00012|00549', NULL),
	('huawei', 'powered_off', '00208|00548', NULL),
	('huawei', 'number_suspended', '00209', NULL),
	('huawei', 'rejected', '00149|00604', NULL),
	('huawei', 'unallocated', '00129|00538', NULL),
	('huawei', 'bad_format', '34605', NULL),
	('huawei', 'number_changed', '00150', NULL),
	('huawei', 'special_tone', '00132|00182', NULL),
	('huawei', 'out_of_order', '00155', NULL),
	('huawei', 'congestion', '00003|00605', NULL),
	('huawei', 'no_resource', '00259|00602', NULL),
	('huawei', 'timeout', '00606', NULL),
	('huawei', 'incompatible', '00190|00191|00192|00193|00194|00195|00196|00197', 'a text telephone answered'),
	('huawei', 'unspecified', '00004|00008|00010|00011|00014|00015', 'diverted, which says nothing of the outcome'),
	('huawei', 'unspecified', '00013|00018|00187', NULL),
	('huawei', 'fax', '00184|00185|00186|00260|00261|00262|00441', NULL),
	('huawei', 'machine', '00160|00162|00263', NULL),
	('huawei', 'abandoned_by_callee', '00531|00551|00701', NULL),
	('huawei', 'abandoned_by_dialer', '00702', NULL),
	('huawei', 'agent_failure', '01041|01046|01056|01281|01288', NULL),
	('huawei', 'platform_failure', '00703|01048|34601|34606|34611', NULL),
	('huawei', 'unknown', '01043|01049|34608', NULL),

	('twilio', NULL, 'completed', NULL),
	('twilio', 'busy', 'busy', NULL),
	('twilio', 'no_answer', 'no-answer', NULL),
	('twilio', 'unspecified', 'failed', 'any failure before it rang'),
	('twilio', 'cancelled', 'canceled', NULL),

	('connect', NULL, 'HUMAN_ANSWERED', NULL),
	('connect', 'busy', 'SIT_TONE_BUSY', NULL),
	('connect', 'no_answer', 'AMD_UNANSWERED', NULL),
	('connect', 'unallocated', 'SIT_TONE_INVALID_NUMBER', NULL),
	('connect', 'special_tone', 'SIT_TONE_DETECTED', NULL),
	('connect', 'fax', 'FAX_MACHINE_DETECTED', NULL),
	('connect', 'machine', 'VOICEMAIL_BEEP|VOICEMAIL_NO_BEEP', NULL),
	('connect', 'dead_air', 'AMD_UNRESOLVED|AMD_UNRESOLVED_SILENCE', NULL),
	('connect', 'platform_failure', 'AMD_ERROR', NULL)
) AS s (system, cause, codes, note)
CROSS JOIN LATERAL pg_catalog.string_to_table(s.codes, '|') AS c (code);

/* Its own rights read the table, so that nobody else needs any on it. */
CREATE FUNCTION recall.failure_cause(system text, code text) RETURNS recall.failure_cause
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked_system CONSTANT text := lower(btrim(failure_cause.system));
	asked_code CONSTANT text := btrim(failure_cause.code);
	cause recall.failure_cause;
BEGIN
	SELECT c.failure_cause INTO cause
	FROM recall.cause_code c
	WHERE c.system = asked_system AND c.code = asked_code
	ORDER BY c.builtin LIMIT 1;
	IF FOUND THEN
		RETURN cause;
	END IF;
	SELECT c.failure_cause INTO cause
	FROM recall.cause_code c
	WHERE c.system = asked_system AND lower(c.code) = lower(asked_code)
	ORDER BY c.builtin, c.code LIMIT 1;
	IF FOUND THEN
		RETURN cause;
	END IF;
	IF NOT EXISTS (SELECT FROM recall.cause_code c WHERE c.system = asked_system) THEN
		RAISE EXCEPTION 'system "%" has no codes of failure causes', left(failure_cause.system, 50)
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Known systems: %s.', (SELECT string_agg(DISTINCT c.system, ', ') FROM recall.cause_code c));
	END IF;
	RETURN 'unspecified'::recall.failure_cause;
END
$$;
COMMENT ON FUNCTION recall.failure_cause(text, text) IS
'The failure cause that an outside code stands for: system sip, q850, asterisk, freeswitch, vicidial, huawei, twilio, connect, or one that was added to recall.cause_code. NULL for a code that means answered; unspecified for a code that is not known, or null. 22023 for a system that is not known.';
/* recall.policy: which calls are recalled, after how long, how often. The language is described in doc/policy.md. */

CREATE TYPE recall.policy;

CREATE FUNCTION recall._policy_in(cstring) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_in';
COMMENT ON FUNCTION recall._policy_in(cstring) IS
'Reads the text of a policy; 22P02 with the position when it does not parse, 54000 when it exceeds a maximum.';

CREATE FUNCTION recall._policy_out(recall.policy) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_out';
COMMENT ON FUNCTION recall._policy_out(recall.policy) IS 'The canonical text of a policy.';

CREATE FUNCTION recall._policy_recv(internal) RETURNS recall.policy
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_recv';
COMMENT ON FUNCTION recall._policy_recv(internal) IS
'Receives a policy in binary: a version byte (1) and its text; 22P03 for another version.';

CREATE FUNCTION recall._policy_send(recall.policy) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_send';
COMMENT ON FUNCTION recall._policy_send(recall.policy) IS
'Sends a policy in binary: a version byte (1) and its canonical text.';

CREATE TYPE recall.policy (
	INPUT = recall._policy_in,
	OUTPUT = recall._policy_out,
	RECEIVE = recall._policy_recv,
	SEND = recall._policy_send,
	INTERNALLENGTH = VARIABLE,
	STORAGE = extended
);
COMMENT ON TYPE recall.policy IS
'Which calls are recalled, after how long, how often: ''busy after 10 min max 3; result callback; limit 6''. At most 64 rules with 16 delays each, 16 limits, 16 quiets, 8 kB stored. Input errors: 22P02 with position and hint, 54000 beyond a maximum.';

/*
 * Equality is that of the canonical form. There is no order. The operators are in pg_catalog, so that "=",
 * IN and IS DISTINCT FROM find them whatever the search_path, and nobody can put others in their place.
 */

CREATE FUNCTION recall._policy_eq(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_eq';
COMMENT ON FUNCTION recall._policy_eq(recall.policy, recall.policy) IS 'Whether two policies have the same canonical text.';

CREATE FUNCTION recall._policy_ne(recall.policy, recall.policy) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_ne';
COMMENT ON FUNCTION recall._policy_ne(recall.policy, recall.policy) IS 'Whether two policies have different canonical texts.';

CREATE FUNCTION recall._policy_hash(recall.policy) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash';
COMMENT ON FUNCTION recall._policy_hash(recall.policy) IS 'Hash of a policy, for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall._policy_hash_extended(recall.policy, bigint) RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_hash_extended';
COMMENT ON FUNCTION recall._policy_hash_extended(recall.policy, bigint) IS
'Hash of a policy with a seed, for hash partitioning.';

CREATE OPERATOR pg_catalog.= (
	FUNCTION = recall._policy_eq, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR pg_catalog.<> (
	FUNCTION = recall._policy_ne, LEFTARG = recall.policy, RIGHTARG = recall.policy,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR pg_catalog.= (recall.policy, recall.policy) IS 'same canonical text';
COMMENT ON OPERATOR pg_catalog.<> (recall.policy, recall.policy) IS 'different canonical text';

CREATE OPERATOR CLASS recall.policy_ops DEFAULT FOR TYPE recall.policy USING hash AS
	OPERATOR 1 pg_catalog.= (recall.policy, recall.policy),
	FUNCTION 1 recall._policy_hash(recall.policy),
	FUNCTION 2 recall._policy_hash_extended(recall.policy, bigint);
COMMENT ON OPERATOR CLASS recall.policy_ops USING hash IS 'Equality of policies for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall.policy(failure_causes recall.failure_cause[], business_results text[]) RETURNS recall.policy
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_from_lists';
COMMENT ON FUNCTION recall.policy(recall.failure_cause[], text[]) IS
'The policy that recalls a call when its failure cause is in the one list or its business result in the other; every failed call when both are empty or null. 22004 for a null in a list, 22023 for what cannot be a business result''s code, 54000 beyond 8 kB.';

CREATE FUNCTION recall.policy_rules(
	policy recall.policy, OUT rule integer, OUT selector text, OUT members text[], OUT never boolean, OUT after interval[],
	OUT max integer, OUT next_number boolean, OUT text text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'recall_policy_rules';
COMMENT ON FUNCTION recall.policy_rules(recall.policy) IS
'A row for each rule of a policy, in its order: selector failed, answered, class, cause or result and the members that it lists (none for failed and answered); never; after = its delays, of which the last one repeats; max = recalls, NULL without a maximum; text = the rule''s canonical text.';

CREATE FUNCTION recall._has_limits(policy recall.policy, per_number boolean) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_has_limits';
COMMENT ON FUNCTION recall._has_limits(recall.policy, boolean) IS
'Whether a policy has a limit, a quiet or a "never"; with per_number, a limit or a quiet that counts the calls to a number.';

CREATE FUNCTION recall.policy_limits(
	policy recall.policy, OUT item integer, OUT kind text, OUT calls integer, OUT per interval, OUT calendar_day boolean,
	OUT after text, OUT per_number boolean, OUT text text, OUT selector text, OUT members text[])
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'recall_policy_limits';
COMMENT ON FUNCTION recall.policy_limits(recall.policy) IS
'A row for each limit and quiet of a policy, in canonical order. A limit: calls; per = its rolling window, NULL when it is for a calendar day (calendar_day) or in all. A quiet: per = its length; after = what it follows, also as selector and members like those of recall.policy_rules(). per_number: counted over all contacts that own the number. text = its canonical text.';

CREATE FUNCTION recall._policy_duration(interval) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_policy_duration';
COMMENT ON FUNCTION recall._policy_duration(interval) IS 'A duration of a policy as its canonical text has it.';

CREATE FUNCTION recall._matching_rule(policy recall.policy, failure_cause recall.failure_cause, business_result text)
RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_matching_rule';
COMMENT ON FUNCTION recall._matching_rule(recall.policy, recall.failure_cause, text) IS
'The first rule that matches an outcome: n when the n-th rule recalls it, -n when the n-th rule says never, 0 when none matches. Cause NULL = answered, result NULL = none.';

CREATE FUNCTION recall.matches(policy recall.policy, failure_cause recall.failure_cause, business_result text)
RETURNS boolean
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'recall_matches';
COMMENT ON FUNCTION recall.matches(recall.policy, recall.failure_cause, text) IS
'Whether an outcome matches a rule that recalls, delays and limits aside. Failure cause NULL = answered, business result NULL = none; policy NULL gives NULL.';

/* policy::jsonb and back. What comes from jsonb is checked piece by piece, put together as a text, and parsed. */

CREATE FUNCTION recall._policy_selector_to_jsonb(selector text, members text[]) RETURNS jsonb
LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE selector
		WHEN 'class' THEN jsonb_build_object('classes', members)
		WHEN 'cause' THEN jsonb_build_object('causes', members)
		WHEN 'result' THEN jsonb_build_object('results', members)
		ELSE jsonb_build_object(selector, true)
	END;
END;
COMMENT ON FUNCTION recall._policy_selector_to_jsonb(text, text[]) IS
'Selector and members, as recall.policy_rules() has them, as an object with one key.';

CREATE FUNCTION recall._policy_to_jsonb(policy recall.policy) RETURNS jsonb
LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'rules', (
			SELECT jsonb_agg(recall._policy_selector_to_jsonb(r.selector, r.members) || jsonb_strip_nulls(jsonb_build_object(
				'never', nullif(r.never, false),
				'after', (SELECT jsonb_agg(recall._policy_duration(d.delay) ORDER BY d.k)
					FROM unnest(r.after) WITH ORDINALITY AS d (delay, k)),
				'max', r.max,
				'next_number', nullif(r.next_number, false))) ORDER BY r.rule)
			FROM recall.policy_rules(policy) r),
		'limits', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'calls', l.calls,
				'per', CASE WHEN l.calendar_day THEN 'day' ELSE recall._policy_duration(l.per) END,
				'per_number', nullif(l.per_number, false))) ORDER BY l.item), '[]')
			FROM recall.policy_limits(policy) l WHERE l.kind = 'limit'),
		'quiet', (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'for', recall._policy_duration(l.per),
				'after', recall._policy_selector_to_jsonb(l.selector, l.members),
				'per_number', nullif(l.per_number, false))) ORDER BY l.item), '[]')
			FROM recall.policy_limits(policy) l WHERE l.kind = 'quiet'));
END;
COMMENT ON FUNCTION recall._policy_to_jsonb(recall.policy) IS
'A policy as jsonb, the cast policy::jsonb: {"rules": [{"causes": ["busy"], "after": ["10 min"], "max": 3, "next_number": true}, {"results": ["x"], "never": true}, {"classes": ["network"]}, {"failed": true}], "limits": [{"calls": 3, "per": "24 h", "per_number": true}], "quiet": [{"for": "7 days", "after": {"answered": true}}]}.';

CREATE FUNCTION recall._policy_check_keys(item jsonb, what text, known text[], required text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF jsonb_typeof(item) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'invalid policy: % must be an object', what USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT k INTO wrong FROM jsonb_object_keys(item) k WHERE k <> ALL (known) ORDER BY k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: unknown key "%" in %', left(wrong, 50), what
			USING ERRCODE = 'invalid_text_representation', HINT = format('Known keys: %s.', array_to_string(known, ', '));
	END IF;
	SELECT k INTO wrong FROM unnest(required) k WHERE NOT item ? k LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid policy: "%" is missing in %', wrong, what USING ERRCODE = 'invalid_text_representation';
	END IF;
END
$$;
COMMENT ON FUNCTION recall._policy_check_keys(jsonb, text, text[], text[]) IS
'Checks that a part of a policy in jsonb is an object that has known keys only, and all required ones; 22P02 if not.';

CREATE FUNCTION recall._policy_from_scalar(item jsonb, key text, type text, pattern text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> type OR item ->> key !~ pattern THEN
		RAISE EXCEPTION 'invalid policy: wrong value % of "%"', left((item -> key)::text, 50), key USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN item ->> key;
END
$$;
COMMENT ON FUNCTION recall._policy_from_scalar(jsonb, text, text, text) IS
'The value of a key, which must be of a jsonb type and match a pattern; NULL without the key, 22P02 for another value.';

CREATE FUNCTION recall._policy_from_list(item jsonb, key text, pattern text, known text[] DEFAULT NULL) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	members text[];
	wrong jsonb;
BEGIN
	IF NOT item ? key THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(item -> key) <> 'array' OR item -> key = '[]' THEN
		RAISE EXCEPTION 'invalid policy: "%" must be an array that is not empty', key
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	SELECT array_agg(e.value #>> '{}' ORDER BY e.k),
		(array_agg(e.value ORDER BY e.k) FILTER (WHERE jsonb_typeof(e.value) <> 'string' OR e.value #>> '{}' !~ pattern
			OR e.value #>> '{}' <> ALL (known)))[1]
	INTO members, wrong
	FROM jsonb_array_elements(item -> key) WITH ORDINALITY AS e (value, k);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'invalid policy: wrong member % of "%"', left(wrong::text, 50), key
			USING ERRCODE = 'invalid_text_representation',
				HINT = coalesce(
					'Perhaps you meant "' || recall._nearest(wrong #>> '{}', known) || '".',
					'Known members: ' || array_to_string(known, ', ') || '.',
					format('A member is a string that matches %s.', pattern));
	END IF;
	RETURN members;
END
$$;
COMMENT ON FUNCTION recall._policy_from_list(jsonb, text, text, text[]) IS
'The members of a list, which must be strings that match a pattern and are known; NULL without the key, 22P02 for anything else.';

CREATE FUNCTION recall._policy_selector_from_jsonb(item jsonb, what text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (SELECT count(*) FROM jsonb_object_keys(item) k WHERE k IN ('failed', 'answered', 'classes', 'causes', 'results')) <> 1 THEN
		RAISE EXCEPTION 'invalid policy: % must have exactly one of "failed", "answered", "classes", "causes" and "results"', what
			USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN CASE
		WHEN recall._policy_from_scalar(item, 'failed', 'boolean', '^true$') IS NOT NULL THEN 'failed'
		WHEN recall._policy_from_scalar(item, 'answered', 'boolean', '^true$') IS NOT NULL THEN 'answered'
		WHEN item ? 'classes' THEN 'class ' || array_to_string(recall._policy_from_list(item, 'classes', '',
			(SELECT array_agg(DISTINCT f.class ORDER BY f.class) FROM recall.failure_causes() f)), ', ')
		WHEN item ? 'causes' THEN array_to_string(recall._policy_from_list(item, 'causes', '',
			(SELECT array_agg(f.cause::text ORDER BY f.cause) FROM recall.failure_causes() f)), ', ')
		ELSE 'result "' || array_to_string(recall._policy_from_list(item, 'results', '^[A-Za-z0-9_-]{1,50}$'), '", "') || '"'
	END;
END
$$;
COMMENT ON FUNCTION recall._policy_selector_from_jsonb(jsonb, text) IS
'The text of the selector in a rule, or in what a quiet follows; 22P02 when there is not exactly one, or it is wrong.';

CREATE FUNCTION recall._policy_items(document jsonb, key text) RETURNS SETOF jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT document ? key THEN
		RETURN;
	END IF;
	IF jsonb_typeof(document -> key) <> 'array' THEN
		RAISE EXCEPTION 'invalid policy: "%" must be an array', key USING ERRCODE = 'invalid_text_representation';
	END IF;
	RETURN QUERY SELECT jsonb_array_elements(document -> key);
END
$$;
COMMENT ON FUNCTION recall._policy_items(jsonb, text) IS
'The rules, limits or quiets of a policy in jsonb; 22P02 when they are not in an array.';

CREATE FUNCTION recall._policy_from_jsonb(document jsonb) RETURNS recall.policy
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	duration CONSTANT text := '^[0-9]+ ?[A-Za-z]+$';
	items text[] := ARRAY[]::text[];
	item jsonb;
BEGIN
	PERFORM recall._check_size(document, 'the policy is too large', 262144);
	PERFORM recall._policy_check_keys(document, 'a policy', '{rules,limits,quiet}');
	FOR item IN SELECT recall._policy_items(document, 'rules') LOOP
		PERFORM recall._policy_check_keys(item, 'a rule',
			'{failed,answered,classes,causes,results,never,after,max,next_number}');
		items := items || concat(
			recall._policy_selector_from_jsonb(item, 'a rule'),
			CASE WHEN recall._policy_from_scalar(item, 'never', 'boolean', '')::boolean THEN ' never' END,
			' after ' || array_to_string(recall._policy_from_list(item, 'after', duration), ', '),
			' max ' || recall._policy_from_scalar(item, 'max', 'number', '^[0-9]+$'),
			CASE WHEN recall._policy_from_scalar(item, 'next_number', 'boolean', '')::boolean THEN ' next number' END);
	END LOOP;
	FOR item IN SELECT recall._policy_items(document, 'limits') LOOP
		PERFORM recall._policy_check_keys(item, 'a limit', '{calls,per,per_number}', '{calls}');
		items := items || concat('limit ',
			recall._policy_from_scalar(item, 'calls', 'number', '^[0-9]+$'),
			' per ' || recall._policy_from_scalar(item, 'per', 'string', '^day$|' || duration),
			CASE WHEN recall._policy_from_scalar(item, 'per_number', 'boolean', '')::boolean THEN ' per number' END);
	END LOOP;
	FOR item IN SELECT recall._policy_items(document, 'quiet') LOOP
		PERFORM recall._policy_check_keys(item, 'a quiet', '{for,after,per_number}', '{for,after}');
		PERFORM recall._policy_check_keys(item -> 'after', '"after" of a quiet', '{answered,classes,causes,results}');
		items := items || concat('quiet ',
			recall._policy_from_scalar(item, 'for', 'string', duration),
			' after ' || recall._policy_selector_from_jsonb(item -> 'after', '"after" of a quiet'),
			CASE WHEN recall._policy_from_scalar(item, 'per_number', 'boolean', '')::boolean THEN ' per number' END);
	END LOOP;
	RETURN array_to_string(items, '; ')::recall.policy;
END
$$;
COMMENT ON FUNCTION recall._policy_from_jsonb(jsonb) IS
'A policy of the form that recall._policy_to_jsonb() gives, the cast jsonb::recall.policy; every key may be missing. 22P02 for an unknown key, a wrong type or a wrong value, 22023 beyond 256 kB, as jsonb is stored, 54000 beyond another maximum.';

CREATE CAST (recall.policy AS jsonb) WITH FUNCTION recall._policy_to_jsonb(recall.policy);
COMMENT ON CAST (recall.policy AS jsonb) IS 'a policy with readable keys';
CREATE CAST (jsonb AS recall.policy) WITH FUNCTION recall._policy_from_jsonb(jsonb);
COMMENT ON CAST (jsonb AS recall.policy) IS 'a policy from readable keys';
/* Hours in which one may call: the type, and the questions that can be asked of it. */

CREATE TYPE recall.calling_hours;

CREATE FUNCTION recall._calling_hours_in(cstring) RETURNS recall.calling_hours
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_in';
COMMENT ON FUNCTION recall._calling_hours_in IS
'Input of recall.calling_hours. 22P02 with the position where the text stops being calling hours, 54000 when they are too large.';

CREATE FUNCTION recall._calling_hours_out(recall.calling_hours) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_out';
COMMENT ON FUNCTION recall._calling_hours_out IS
'Output of recall.calling_hours: canonical text, which reads back as the same value.';

CREATE FUNCTION recall._calling_hours_recv(internal) RETURNS recall.calling_hours
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_recv';
COMMENT ON FUNCTION recall._calling_hours_recv IS
'Binary input of recall.calling_hours: a version byte and the text. 22P03 for an unknown version; otherwise as the text input.';

CREATE FUNCTION recall._calling_hours_send(recall.calling_hours) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_send';
COMMENT ON FUNCTION recall._calling_hours_send IS
'Binary output of recall.calling_hours: a version byte and the canonical text.';

CREATE TYPE recall.calling_hours (
	INPUT = recall._calling_hours_in,
	OUTPUT = recall._calling_hours_out,
	RECEIVE = recall._calling_hours_recv,
	SEND = recall._calling_hours_send,
	STORAGE = extended,
	ALIGNMENT = int4);
COMMENT ON TYPE recall.calling_hours IS
'Hours in which one may call, such as "Mo-Fr 09:00-20:00; Sa 10:00-14:00; Dec 25 off; PH off" or "24/7": a subset of OpenStreetMap opening_hours, specification 0.7 (https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification). Days, times and dates of the callee''s clock; a later rule replaces earlier ones on the days it names. At most 64 rules, 4096 bytes stored. Errors: 22P02 with the position, 54000 when too large.';

CREATE FUNCTION recall._calling_hours_eq(recall.calling_hours, recall.calling_hours) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_eq';
COMMENT ON FUNCTION recall._calling_hours_eq IS
'Are both calling hours written the same in canonical form?';

CREATE FUNCTION recall._calling_hours_ne(recall.calling_hours, recall.calling_hours) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_ne';
COMMENT ON FUNCTION recall._calling_hours_ne IS
'Do the calling hours differ in canonical form?';

CREATE FUNCTION recall._calling_hours_hash(recall.calling_hours) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_hash';
COMMENT ON FUNCTION recall._calling_hours_hash IS
'Hash of calling hours, for the hash operator class.';

CREATE FUNCTION recall._calling_hours_hash_extended(recall.calling_hours, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_calling_hours_hash_extended';
COMMENT ON FUNCTION recall._calling_hours_hash_extended IS
'Seeded 64-bit hash of calling hours, for the hash operator class.';

/* Operators are in pg_catalog, which no search_path leaves out: a value type must be comparable everywhere. */

CREATE OPERATOR pg_catalog.= (
	LEFTARG = recall.calling_hours, RIGHTARG = recall.calling_hours, FUNCTION = recall._calling_hours_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
COMMENT ON OPERATOR pg_catalog.= (recall.calling_hours, recall.calling_hours) IS
'Are both calling hours written the same in canonical form?';

CREATE OPERATOR pg_catalog.<> (
	LEFTARG = recall.calling_hours, RIGHTARG = recall.calling_hours, FUNCTION = recall._calling_hours_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR pg_catalog.<> (recall.calling_hours, recall.calling_hours) IS
'Do the calling hours differ in canonical form?';

CREATE OPERATOR CLASS recall.calling_hours_ops
DEFAULT FOR TYPE recall.calling_hours USING hash AS
	OPERATOR 1 pg_catalog.= (recall.calling_hours, recall.calling_hours),
	FUNCTION 1 recall._calling_hours_hash(recall.calling_hours),
	FUNCTION 2 recall._calling_hours_hash_extended(recall.calling_hours, bigint);
COMMENT ON OPERATOR CLASS recall.calling_hours_ops USING hash IS
'Equality of calling hours for hash joins, grouping and hash indexes.';

CREATE FUNCTION recall.is_open(calling_hours recall.calling_hours, time_zone text, at timestamptz, holidays date[] DEFAULT NULL)
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_is_open';
COMMENT ON FUNCTION recall.is_open IS
'Does the clock of the time zone show, at the instant, a time inside the calling hours? Null hours are always open; null for a null zone or instant and for an infinite instant. holidays are the dates that PH stands for, up to 10 000, else 22023 where the hours name PH. time_zone is a name of the IANA database, else 22023. Immutable as far as the server''s time zone data are, like timezone(text, timestamptz).';

CREATE FUNCTION recall.next_open(calling_hours recall.calling_hours, time_zone text, at timestamptz, holidays date[] DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_next_open';
COMMENT ON FUNCTION recall.next_open IS
'The first instant, not before "at", that is inside the calling hours by the clock of the time zone; null when there is none within two years (731 days). Null hours are always open and give "at"; null for a null zone or instant and for an infinite instant. holidays are the dates that PH stands for, up to 10 000, else 22023 where the hours name PH. time_zone is a name of the IANA database, else 22023. Immutable as far as the server''s time zone data are, like timezone(text, timestamptz).';

CREATE FUNCTION recall._check_time_zone(time_zone text, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_time_zone';
COMMENT ON FUNCTION recall._check_time_zone IS
'The name of the time zone as the IANA database spells it, when the server knows it; else 22023, with the row of a bulk source when one is named. POSIX rules such as FOO5 are no names.';
/* The state machines of tasks, batches and recycle records; their table is in C. */

CREATE FUNCTION recall.transition(machine text, from_state text, to_state text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_transition';
COMMENT ON FUNCTION recall.transition(text, text, text) IS
'The new state, when the machine (task, batch, recycle) may go there. Errors: 55000 an illegal move, with the legal ones in the detail; 22023 an unknown machine or state.';

CREATE FUNCTION recall.transition(machine text, from_state anyenum, to_state anyenum) RETURNS anyenum
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_transition_enum';
COMMENT ON FUNCTION recall.transition(text, anyenum, anyenum) IS
'The new state, when the machine may go there: SET state = recall.transition(''batch'', state, ''started''). Errors: 55000 an illegal move; 22023 an unknown machine or state.';

CREATE FUNCTION recall.state_transitions(OUT machine text, OUT from_state text, OUT to_state text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'recall_state_transitions';
COMMENT ON FUNCTION recall.state_transitions() IS
'Every legal move of every state machine. A state that appears only as to_state is final.';

CREATE FUNCTION recall._check_transition() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_check_transition';
COMMENT ON FUNCTION recall._check_transition() IS
'BEFORE UPDATE row trigger that refuses an illegal change of the column "state". Argument: the machine. Errors: 55000, 22023.';

/* The refusals, one for each SQLSTATE; they carry a hint and no CONTEXT. */

CREATE FUNCTION recall._deny(what text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_deny';
COMMENT ON FUNCTION recall._deny(text) IS
'Raises 42501: the one error for what is missing, foreign or not allowed.';

CREATE FUNCTION recall._refuse(message text, hint text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_refuse';
COMMENT ON FUNCTION recall._refuse(text, text) IS 'Raises 55000: a gate is shut.';

CREATE FUNCTION recall._invalid(message text, hint text) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_invalid';
COMMENT ON FUNCTION recall._invalid(text, text) IS 'Raises 22023: a value is out of its range.';

CREATE FUNCTION recall._check_length(value text, fault text, most int, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_length';
COMMENT ON FUNCTION recall._check_length(text, text, int, bigint) IS 'The text. Raises 22023, with the fault in words, when it has more than so many characters.';

CREATE FUNCTION recall._check_size(value jsonb, fault text, most int, source_row bigint DEFAULT 0) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_size';
COMMENT ON FUNCTION recall._check_size(jsonb, text, int, bigint) IS 'The document. Raises 22023, with the fault in words, when it takes more than so many bytes, as it is stored before compression.';

/*
 * Presets: policies and calling hours to take and edit. They are values and nothing else: no code treats a preset
 * differently from what a user writes. Each says where it comes from, "second-hand" where the text of the law itself
 * was not at hand, and what it leaves out.
 */

CREATE FUNCTION recall.policy_presets(OUT name text, OUT policy recall.policy, OUT description text, OUT source text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 9
BEGIN ATOMIC
	SELECT p.name, p.policy, p.description || ' An example, not legal advice.', p.source
	FROM (VALUES
		('story', 'busy, no_answer; result callback'::recall.policy,
			'Two lists: a call is recalled when its failure cause is in the one or its business result in the other, at once and '
			'without an end. The tenant must have the business result "callback", or put its own in its place.',
			'The story of the README.'),
		('default', 'busy after 10 min, 1 h, 4 h; no_answer, no_response, absent, powered_off, machine after 4 h, 21 h next number; '
			'class network after 15 min, 1 h; limit 6; limit 2 per day',
			'A start for sales and surveys: six calls in all, two a day. In the data 96 % of the sales came by the fifth call, and '
			'the calls after the sixth, 11 % of all, brought 2.4 % of the sales. 21 h and not a day, so that the next call comes '
			'at another hour. Leaves out what the law asks where the callee is.',
			'Limit: 105 754 calls to 41 188 contacts, UCI Bank Marketing (S. Moro, P. Cortez, P. Rita, Decision Support Systems 62, '
			'2014, 22-31). The delays are a choice.'),
		('gentle', 'busy after 2 h; no_answer, no_response, absent, powered_off, machine after 21 h, 3 days next number; '
			'class rejected never; limit 6; limit 1 per day; limit 3 per 7 days',
			'For customers whom one wants to keep: as "default", but one call a day, three in a week, and none any more to somebody '
			'who rejected one. Leaves out what the law asks where the callee is.',
			'Limit of six: as "default". The rest is a choice.'),
		('us_regulation_f', 'failed; limit 7 per 7 days; quiet 7 days after answered',
			'Debt collection in the United States: at most seven calls within seven consecutive days to a person about a debt, and '
			'none within seven after a conversation, its day included. A contact has to be one person and one debt: the limits '
			'count over all its numbers, therefore not "per number". Stricter than the rule: calls that did not connect count, any '
			'answered call is a conversation, and the seven days are 168 hours. Leaves out conversations that are not recorded '
			'here, such as those that the consumer began, requests to call no more, and the laws of the states. "failed" stands '
			'for rules of your own. The hours: calling_hours_presets().',
			'12 CFR 1006.14(b)(2)(i) (Regulation F), a presumption of compliance with 15 U.S.C. 1692d(5); exclusions in (b)(3), second-hand.'),
		('us_florida', 'failed; limit 3 per 24 h',
			'Telephone sales in Florida: at most three calls to a person in 24 hours on the same subject, whatever number they come '
			'from. The limit counts each contact; for people who are contacts twice add "limit 3 per 24 h per number", which counts '
			'other subjects, too. Leaves out the consent that automated calls need (501.059(8)(a)), the lists of those who want no '
			'calls, and who is exempt. "failed" stands for rules of your own. The hours: calling_hours_presets().',
			'Fla. Stat. 501.616(6)(b), as in the bill that made it, SB 1120 of 2021; 501.059(8)(a) second-hand.'),
		('us_oklahoma', 'failed; limit 3 per 24 h',
			'Telephone sales in Oklahoma, as "us_florida". Leaves out the consent that automated calls need, and who is exempt '
			'(15 O.S. 775C.5).',
			'Telephone Solicitation Act of 2022 (HB 3168), 15 O.S. 775C.1 and following; the limit and its section, 775C.4, '
			'second-hand.'),
		('us_maryland', 'failed; limit 3 per 24 h',
			'Telephone sales in Maryland, as "us_florida"; text messages count, too, and recall does not see them. Leaves out the '
			'consent that automated calls need, and who is exempt.',
			'Md. Code, Com. Law 14-4501 and 14-4502, Stop the Spam Calls Act of 2023; the limit second-hand.'),
		('uk_ofcom', 'failed; quiet 24 h after machine per number; quiet 3 days after abandoned_by_dialer per number',
			'Automatic dialling in the United Kingdom: a number that got an abandoned call is left alone for 72 hours, one where a '
			'machine was detected, perhaps wrongly, for 24. Stricter than the rule, which allows a call with an agent guaranteed. '
			'Leaves out the rate of abandoned calls, the message that is due in them, how long to let it ring, and the Telephone '
			'Preference Service. "failed" stands for rules of your own.',
			'Ofcom, Persistent misuse: a statement under section 131 of the Communications Act 2003, in force from 1 March 2017; '
			'the times second-hand, from its earlier statements, that of 2010 for the machine.'),
		('france', 'failed; limit 4 per 30 days; limit 4 per 30 days per number; quiet 61 days after result refused; '
			'quiet 61 days after result refused per number',
			'Unsolicited sales calls in France: at most four tries per consumer in 30 calendar days, and none for 60 whole calendar '
			'days after a refusal; 61, because the day of the refusal is not one of them. Both once for the contact, which may have '
			'several numbers, and once for the number, which several contacts may have. The refusal is a business result: the '
			'tenant must have "refused", or put its own in its place, and agents must record it. Leaves out the consent that such '
			'calls need from 11 August 2026 (loi 2025-594, second-hand), and until then the list Bloctel. "failed" stands for rules '
			'of your own. The hours: calling_hours_presets().',
			'Code de la consommation, art. D. 223-9 (décret 2022-1313 du 13 octobre 2022).')
	) AS p (name, policy, description, source);
END;
COMMENT ON FUNCTION recall.policy_presets() IS
'Policies to take and edit: plain ones, and what laws ask. source: the statute and section, "second-hand" where its own text was not read; description: what the policy means and what it leaves out. Examples and not legal advice: laws change, and where several apply the strictest wins.';

CREATE FUNCTION recall.calling_hours_presets(
	OUT name text, OUT calling_hours recall.calling_hours, OUT description text, OUT source text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 11
BEGIN ATOMIC
	SELECT h.name, h.calling_hours, h.description || ' An example, not legal advice.', h.source
	FROM (VALUES
		('us_tcpa', '08:00-21:00'::recall.calling_hours,
			'Telephone sales to homes in the United States. Leaves out states that are stricter, such as us_florida, and those '
			'that forbid Sundays or holidays.',
			'47 CFR 64.1200(c)(1); the same hours in 16 CFR 310.4(c), second-hand.'),
		('us_regulation_f', '08:00-21:00',
			'Debt collection in the United States, unless the collector knows that the consumer finds another time inconvenient: '
			'that is for the contact, and left out here.',
			'12 CFR 1006.6(b)(1)(i) (Regulation F), 15 U.S.C. 1692c(a)(1).'),
		('us_florida', '08:00-20:00',
			'Telephone sales in Florida, a state with two time zones: give contacts their own. How often: '
			'policy_presets().',
			'Fla. Stat. 501.616(6)(a).'),
		('us_oklahoma', '08:00-20:00',
			'Telephone sales in Oklahoma. How often: policy_presets().',
			'Telephone Solicitation Act of 2022 (HB 3168), 15 O.S. 775C.1 and following; the hours and their section, 775C.4, '
			'second-hand.'),
		('us_maryland', '08:00-20:00',
			'Telephone sales in Maryland. How often: policy_presets().',
			'Md. Code, Com. Law 14-4502, Stop the Spam Calls Act of 2023; the hours second-hand.'),
		('canada', 'Mo-Fr 09:00-21:30; Sa,Su 10:00-18:00',
			'Telemarketing in Canada. Leaves out provinces that are stricter, and the National Do Not Call List.',
			'CRTC, Unsolicited Telecommunications Rules, part III; the hours from the CRTC''s page of key rules.'),
		('france', 'Mo-Fr 10:00-13:00,14:00-20:00; PH off',
			'Unsolicited sales calls in France. PH are the holidays of art. L. 3133-1 of the Code du travail: give them to '
			'set_holidays() each year, or they are days like others. How often: policy_presets().',
			'Code de la consommation, art. D. 223-9 (décret 2022-1313 du 13 octobre 2022).'),
		('spain', 'Mo-Fr 09:00-21:00; PH off',
			'Commercial calls in Spain. PH are the holidays where the callee is, national, regional and local: give them to '
			'set_holidays(). Leaves out the consent or other ground that a call needs.',
			'Real Decreto Legislativo 1/2007 (Ley General para la Defensa de los Consumidores y Usuarios), art. 96.2; quoted second-hand.'),
		('australia_telemarketing', 'Mo-Fr 09:00-20:00; Sa 09:00-17:00; PH off',
			'Telemarketing in Australia, without Sundays. PH are the national public holidays: give them to set_holidays(). Leaves '
			'out consent to another time, and the Do Not Call Register.',
			'Telecommunications (Telemarketing and Research Calls) Industry Standard 2017; the hours from the regulator''s page '
			'donotcall.gov.au, the holidays second-hand.'),
		('australia_research', 'Mo-Fr 09:00-20:30; Sa,Su 09:00-17:00; PH off',
			'Opinion polls and research in Australia. PH are the national public holidays: give them to set_holidays().',
			'Telecommunications (Telemarketing and Research Calls) Industry Standard 2017; the hours from the regulator''s page '
			'donotcall.gov.au, the holidays second-hand.'),
		('china', '09:00-21:00',
			'Commercial calls in China, as carriers ask. Leaves out the consent that they need, and the carriers'' limits of '
			'frequency, which differ.',
			'Second-hand: terms of carriers; no statute with these hours was found.')
	) AS h (name, calling_hours, description, source);
END;
COMMENT ON FUNCTION recall.calling_hours_presets() IS
'Calling hours to take and edit, as laws ask for them, in the callee''s time zone. source: the statute and section, "second-hand" where its own text was not read; description: what the hours are for and what they leave out. Where they say PH, the holidays come from recall.set_holidays(). Examples and not legal advice: laws change, and where several apply the strictest wins.';
/* What distinguishes two policies, item by item. */

CREATE FUNCTION recall.policy_diff(
	a recall.policy, b recall.policy, OUT change text, OUT kind text, OUT before text, OUT after text,
	OUT before_item integer, OUT after_item integer)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
	WITH side (is_after, policy) AS (
		VALUES (false, a), (true, b)
	), item (is_after, kind, about, item, text) AS (
		SELECT s.is_after, 'rule', ARRAY[r.selector] || r.members, r.rule, r.text
		FROM side s, recall.policy_rules(s.policy) r
		UNION ALL
		SELECT s.is_after, l.kind,
			ARRAY[l.per_number::text, l.after]
				|| CASE WHEN l.kind = 'limit' THEN ARRAY[l.calendar_day::text, recall._policy_duration(l.per)] END,
			l.item, l.text
		FROM side s, recall.policy_limits(s.policy) l
	), numbered AS (
		SELECT i.*, row_number() OVER (PARTITION BY i.is_after, i.kind, i.about ORDER BY i.item) AS n
		FROM item i
	), pair AS (
		SELECT n.kind,
			max(n.text) FILTER (WHERE NOT n.is_after) AS before, max(n.text) FILTER (WHERE n.is_after) AS after,
			max(n.item) FILTER (WHERE NOT n.is_after) AS before_item, max(n.item) FILTER (WHERE n.is_after) AS after_item
		FROM numbered n
		GROUP BY n.kind, n.about, n.n
	), compared AS (
		/* Among the rules that stood before this one and are still there, has one come to stand behind it? */
		SELECT p.*, p.kind = 'rule' AND p.before IS NOT NULL AND p.after_item < max(p.after_item) OVER (
			PARTITION BY p.kind ORDER BY p.before_item ROWS UNBOUNDED PRECEDING) AS overtakes
		FROM pair p
	)
	SELECT d.change, c.kind, c.before, c.after, c.before_item, c.after_item
	FROM compared c
	CROSS JOIN LATERAL (VALUES
		('removed', c.after IS NULL), ('added', c.before IS NULL), ('changed', c.before <> c.after), ('moved', c.overtakes)
	) AS d (change, holds)
	WHERE d.holds
	ORDER BY c.kind <> 'rule', c.kind, coalesce(c.after_item, c.before_item), c.after_item NULLS FIRST, d.change;
END;
COMMENT ON FUNCTION recall.policy_diff(recall.policy, recall.policy) IS
'How policy b differs from policy a: a row for each rule, limit or quiet (kind) that was added, removed, changed or moved (change), with its text before and after and its place, which is rule in recall.policy_rules() or item in recall.policy_limits(). Items are paired by what they are about, a rule by its selector and members, a limit by its window and "per number", a quiet by what it follows and "per number"; the n-th with the n-th when there are several. A rule has moved when it now stands before one that stood before it: the first rule that matches wins. It may have changed as well. No rows for equal policies; a null policy has no items.';

CREATE FUNCTION recall._tell_policy_diff(task_id bigint, a recall.policy, b recall.policy) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	diff jsonb;
	counts text;
	lines text;
BEGIN
	SELECT coalesce(jsonb_agg(to_jsonb(d) - 'n' ORDER BY d.n), '[]'),
		concat_ws(', ',
			nullif(count(*) FILTER (WHERE d.change = 'added'), 0) || ' added',
			nullif(count(*) FILTER (WHERE d.change = 'removed'), 0) || ' removed',
			nullif(count(*) FILTER (WHERE d.change = 'changed'), 0) || ' changed',
			nullif(count(*) FILTER (WHERE d.change = 'moved'), 0) || ' moved'),
		string_agg(
			CASE d.change
				WHEN 'changed' THEN format('changed: %s -> %s', d.before, d.after)
				WHEN 'moved' THEN format('moved: %s, rule %s -> rule %s', d.after, d.before_item, d.after_item)
				ELSE format('%s: %s', d.change, coalesce(d.after, d.before))
			END, E'\n' ORDER BY d.n)
	INTO diff, counts, lines
	FROM recall.policy_diff(a, b) WITH ORDINALITY AS d (change, kind, before, after, before_item, after_item, n);
	IF lines IS NOT NULL THEN
		RAISE NOTICE USING MESSAGE = format('policy of task %s changed: %s', task_id, counts), DETAIL = lines;
	END IF;
	RETURN diff;
END $$;
COMMENT ON FUNCTION recall._tell_policy_diff(bigint, recall.policy, recall.policy) IS
'Tells in one NOTICE what changed in the policy of a task, in none when nothing did, and returns the rows of recall.policy_diff() as an array of objects.';
/*
 * The judgement of one contact: what a policy says of its calls. An aggregate makes a value of the calls, and
 * functions of that value give the judgement, so that one statement judges any number of contacts. doc/verdict.md
 * describes what is judged, and how.
 */

CREATE TYPE recall.history;

CREATE FUNCTION recall._history_in(cstring) RETURNS recall.history
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_history_in';
COMMENT ON FUNCTION recall._history_in(cstring) IS 'Always 0A000: a history is made by the aggregate recall.history().';

CREATE FUNCTION recall._history_out(recall.history) RETURNS cstring
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_history_out';
COMMENT ON FUNCTION recall._history_out(recall.history) IS
'The calls of a history, for people: attempt, number, failure cause, business result, beginning and end.';

CREATE TYPE recall.history (
	INPUT = recall._history_in,
	OUTPUT = recall._history_out,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = plain
);
COMMENT ON TYPE recall.history IS
'The completed calls of a contact, made by the aggregate recall.history() for recall.judge(). It is for use within a query: it can be shown, but not read from a text (0A000), so a dump of a table that holds one cannot be restored.';

CREATE FUNCTION recall._collect_call(
	internal, attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_collect_call';
COMMENT ON FUNCTION recall._collect_call(internal, int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'Adds a call to a history; a row whose started_at is null is none. Errors as of recall.history().';

CREATE FUNCTION recall._finish_history(internal) RETURNS recall.history
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_finish_history';
COMMENT ON FUNCTION recall._finish_history(internal) IS 'The history of the calls that were added; null when there were none.';

CREATE AGGREGATE recall.history(
	attempt int, number text, failure_cause recall.failure_cause, business_result text, started_at timestamptz,
	ended_at timestamptz)
(
	SFUNC = recall._collect_call, STYPE = internal, SSPACE = 400,
	FINALFUNC = recall._finish_history, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE recall.history(int, text, recall.failure_cause, text, timestamptz, timestamptz) IS
'The history of a contact from its completed calls, in any order. attempt: from 1, the latest call has the highest; failure_cause: null = answered; business_result: null = none. A row whose started_at is null is no call; without any call, null. Errors: 22004 a call without an attempt, a number or an end; 22023 an attempt below 1, an infinite time; 54000 more than 256 MB of calls.';

CREATE TYPE recall.judgement AS (
	verdict         recall.verdict,
	rule            int,
	number          text,
	due_at          timestamptz,
	reason          text,
	attempts        int,
	failure_cause   recall.failure_cause,
	business_result text
);
COMMENT ON TYPE recall.judgement IS
'What recall.judge() says of a contact. verdict: recall, done, stopped, exhausted, suppressed or new; rule: the position of the rule that decided; number and due_at: of a recall, whom to call and from when on, calling hours aside; reason: in words; attempts, failure_cause and business_result: the latest call.';

CREATE FUNCTION recall.judge(
	policy recall.policy, calls recall.history, numbers text[], time_zone text DEFAULT 'UTC', suppressed text[] DEFAULT NULL,
	number_calls recall.history DEFAULT NULL)
RETURNS recall.judgement
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_judge_calls';
COMMENT ON FUNCTION recall.judge(recall.policy, recall.history, text[], text, text[], recall.history) IS
'Whether, when and on which number a contact is called again. calls: its completed calls, null = none; numbers: its numbers in the order in which to try them; time_zone: the callee''s (IANA), null = UTC; suppressed: the numbers that may not be called, null = none; number_calls: all calls to the numbers, whichever contact they were made to, for what the policy says "per number"; null: the contact''s own calls. Null for a null policy. Errors: 22004 null numbers; 22023 an unknown time zone, more than 64 numbers.';

CREATE FUNCTION recall._replay(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history)
RETURNS int
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_replay_calls';
COMMENT ON FUNCTION recall._replay(recall.policy, recall.history, text[], text, text[], recall.history) IS
'How many of a contact''s calls there would have been, had the policy decided after each of them whether there is another. Arguments and errors as of recall.judge().';

CREATE TYPE recall._finding AS (
	check_name text,
	passed     boolean,
	item       int,
	number     text,
	used       int,
	allowed    int,
	instant    timestamptz
);
COMMENT ON TYPE recall._finding IS
'One check of a judgement: the rule, limit or quiet (by its position in the policy) and the number that it is about, the figures behind it, and the instant before which it allows no call.';

CREATE FUNCTION recall._findings(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history)
RETURNS recall._finding[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_explain_calls';
COMMENT ON FUNCTION recall._findings(recall.policy, recall.history, text[], text, text[], recall.history) IS
'Every check that recall.judge() makes, with its answer and the figures behind it, in their order. Arguments and errors as of recall.judge().';

CREATE TYPE recall._admission AS (
	number     text,
	not_before timestamptz,
	reason     text
);
COMMENT ON TYPE recall._admission IS
'Whether a contact may be called: on which number and not before when (null: at once), or the reason why not.';

CREATE FUNCTION recall._admit(
	policy recall.policy, calls recall.history, numbers text[], time_zone text, suppressed text[], number_calls recall.history,
	first_number text)
RETURNS recall._admission
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_admit_call';
COMMENT ON FUNCTION recall._admit(recall.policy, recall.history, text[], text, text[], recall.history, text) IS
'Whether a policy''s "never", limits and quiets, and the numbers, let a contact be called, whatever its latest call was. first_number: the one to try first. Other arguments and errors as of recall.judge(). Null for a null policy or number.';
/*
 * The tables. Every key starts with tenant_id, and ids count from 1 in each tenant, so that no key, sequence
 * or error tells one tenant about another. Only the functions of recall write here; nobody is granted a table.
 *
 * There are no foreign keys. For the large tables (contact, call, dial) a check per row would cost more than the
 * row; for the others, a dump that several jobs restore at once does not keep the tables of an extension in order.
 * The functions check, once per statement.
 */

CREATE TABLE recall.tenant (
	tenant_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	time_zone     text NOT NULL,
	obs_url_mode  text NOT NULL CHECK (obs_url_mode <> '' AND length(obs_url_mode) <= 50),
	recycle_limit int NOT NULL CHECK (recycle_limit BETWEEN 1 AND 2000000),
	holidays      date[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE recall.tenant IS 'The companies that share the database, and their parameters.';
COMMENT ON COLUMN recall.tenant.tenant_id IS 'The tenant: the first key of every table.';
COMMENT ON COLUMN recall.tenant.name IS 'What people call the tenant.';
COMMENT ON COLUMN recall.tenant.time_zone IS 'IANA zone of contacts that have none of their own.';
COMMENT ON COLUMN recall.tenant.obs_url_mode IS 'Interconnection mode; only "http" opens the gate to recycling.';
COMMENT ON COLUMN recall.tenant.recycle_limit IS 'Most contacts that one recycle re-dials: 1 to 2 000 000.';
COMMENT ON COLUMN recall.tenant.holidays IS 'Public holidays: the days that PH means in calling hours.';

CREATE TABLE recall.member (
	tenant_id int,
	role      regrole NOT NULL,
	rights    recall.privilege[] NOT NULL CHECK (cardinality(rights) > 0),
	PRIMARY KEY (tenant_id, role)
);
CREATE INDEX member_by_role ON recall.member (role);
COMMENT ON INDEX recall.member_by_role IS 'The tenants of a role.';
COMMENT ON TABLE recall.member IS 'Which role has which rights in which tenant; roles that inherit it have them too.';
COMMENT ON COLUMN recall.member.tenant_id IS 'The tenant in which the rights hold.';
COMMENT ON COLUMN recall.member.role IS 'The role that was given the rights.';
COMMENT ON COLUMN recall.member.rights IS 'The rights: any of read, manage, recycle, dial.';

CREATE TABLE recall.pool (
	role        regrole PRIMARY KEY,
	admitted_by name NOT NULL,
	admitted_at timestamptz NOT NULL
);
COMMENT ON TABLE recall.pool IS 'Roles that applications of many tenants connect as: without a right of their own, they enter a tenant with a token.';
COMMENT ON COLUMN recall.pool.role IS 'The role.';
COMMENT ON COLUMN recall.pool.admitted_by IS 'The role that admitted it.';
COMMENT ON COLUMN recall.pool.admitted_at IS 'When that was.';

CREATE TABLE recall.token_key (
	key_id      bigint PRIMARY KEY,
	secret      bytea NOT NULL CHECK (octet_length(secret) = 32),
	made_by     name NOT NULL,
	made_at     timestamptz NOT NULL,
	valid_until timestamptz
);
COMMENT ON TABLE recall.token_key IS 'The keys that sign tenant tokens. No dump carries them, and a restored database makes a new one.';
COMMENT ON COLUMN recall.token_key.key_id IS 'The key that a token names; random.';
COMMENT ON COLUMN recall.token_key.secret IS 'The key: 32 random bytes.';
COMMENT ON COLUMN recall.token_key.made_by IS 'The role that made it.';
COMMENT ON COLUMN recall.token_key.made_at IS 'When that was.';
COMMENT ON COLUMN recall.token_key.valid_until IS 'Until when tokens of a key that was replaced are good; null: the key that signs now.';
/* Without a policy: nobody but the owner sees a row, not even members of pg_read_all_data and pg_write_all_data. */
ALTER TABLE recall.token_key ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION recall._subject() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_subject';
COMMENT ON FUNCTION recall._subject() IS
'On whose behalf the caller has entered a tenant: the subject of its token; null without one.';

CREATE TABLE recall.counter (
	tenant_id int,
	kind      text CHECK (kind IN ('task', 'batch', 'contact', 'recycle')),
	last_id   bigint NOT NULL,
	PRIMARY KEY (tenant_id, kind)
);
COMMENT ON TABLE recall.counter IS 'The last id given out in each tenant, for each kind of record.';
COMMENT ON COLUMN recall.counter.tenant_id IS 'The tenant that counts.';
COMMENT ON COLUMN recall.counter.kind IS 'What is counted: task, batch, contact, recycle.';
COMMENT ON COLUMN recall.counter.last_id IS 'The last id given out; the next is one more.';

CREATE TABLE recall.business_result (
	tenant_id int,
	code      text CHECK (code ~ '^[A-Za-z0-9_-]{1,50}$'),
	name      text NOT NULL,
	PRIMARY KEY (tenant_id, code)
);
COMMENT ON TABLE recall.business_result IS 'What a conversation can end in, in a tenant''s own words (disposition codes).';
COMMENT ON COLUMN recall.business_result.tenant_id IS 'The tenant whose result it is.';
COMMENT ON COLUMN recall.business_result.code IS 'The code in policies and calls: 1 to 50 letters, digits, "_" and "-"; upper and lower case differ.';
COMMENT ON COLUMN recall.business_result.name IS 'What people call the result.';

CREATE TABLE recall.task (
	tenant_id     int,
	task_id       bigint,
	name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	task_type     recall.task_type NOT NULL,
	state         recall.task_state NOT NULL DEFAULT 'draft',
	policy        recall.policy,
	calling_hours recall.calling_hours,
	priority      smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 0 AND 9),
	auto_recall   boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, task_id)
);
COMMENT ON TABLE recall.task IS 'Outbound call tasks (campaigns).';
COMMENT ON COLUMN recall.task.tenant_id IS 'The tenant whose task it is.';
COMMENT ON COLUMN recall.task.task_id IS 'The task, counted in its tenant.';
COMMENT ON COLUMN recall.task.name IS 'What people call the task.';
COMMENT ON COLUMN recall.task.task_type IS 'How the task dials; a manual task cannot be recalled.';
COMMENT ON COLUMN recall.task.state IS 'draft, executing, suspended or completed.';
COMMENT ON COLUMN recall.task.policy IS 'Who is recalled; null: recall is not enabled.';
COMMENT ON COLUMN recall.task.calling_hours IS 'When one may call, in the callee''s time zone; null: at any time.';
COMMENT ON COLUMN recall.task.priority IS 'Rank among the tenant''s tasks: 0 to 9, higher first.';
COMMENT ON COLUMN recall.task.auto_recall IS 'Whether a reported call is judged at once, and its contact recalled without anybody asking for it.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.task
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('task');

CREATE TABLE recall.batch (
	tenant_id int,
	batch_id  bigint,
	task_id   bigint NOT NULL,
	name      text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	state     recall.batch_state NOT NULL DEFAULT 'created',
	PRIMARY KEY (tenant_id, batch_id)
);
CREATE INDEX batch_by_task ON recall.batch (tenant_id, task_id);
COMMENT ON TABLE recall.batch IS 'Batches of contacts within a task.';
COMMENT ON COLUMN recall.batch.tenant_id IS 'The tenant whose batch it is.';
COMMENT ON COLUMN recall.batch.batch_id IS 'The batch, counted in its tenant.';
COMMENT ON COLUMN recall.batch.task_id IS 'The task that dials the batch.';
COMMENT ON COLUMN recall.batch.name IS 'What people call the batch.';
COMMENT ON COLUMN recall.batch.state IS 'created, started, suspended or finished.';
CREATE INDEX batch_suspended ON recall.batch (tenant_id, task_id, batch_id) WHERE state = 'suspended';
COMMENT ON INDEX recall.batch_by_task IS 'The batches of a task.';
COMMENT ON INDEX recall.batch_suspended IS 'Those that dialers pass over.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.batch
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('batch');

CREATE TABLE recall.contact (
	tenant_id  int,
	contact_id bigint,
	batch_id   bigint NOT NULL,
	priority   int NOT NULL DEFAULT 0,
	numbers    text[] NOT NULL,
	time_zone  text,
	reference  text,
	attributes jsonb,
	PRIMARY KEY (tenant_id, contact_id)
);
CREATE UNIQUE INDEX contact_by_batch ON recall.contact (tenant_id, batch_id, contact_id);
CREATE FUNCTION recall._number_keys(tenant_id int, numbers text[]) RETURNS bigint[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_number_keys';
COMMENT ON FUNCTION recall._number_keys(int, text[]) IS
'What contacts are found by when one knows a number: a key for each, in which the tenant is mixed.';
/* Without a list of pending entries, which every look-up would read: a number is looked up far more often than added. */
CREATE INDEX contact_by_number ON recall.contact USING gin (recall._number_keys(tenant_id, numbers)) WITH (fastupdate = off);
COMMENT ON INDEX recall.contact_by_number IS 'The contacts that own a number.';
COMMENT ON TABLE recall.contact IS 'Outbound call data: the people to call. Dialling never updates a row.';
COMMENT ON COLUMN recall.contact.tenant_id IS 'The tenant whose contact it is.';
COMMENT ON COLUMN recall.contact.contact_id IS 'The contact, counted in its tenant.';
COMMENT ON COLUMN recall.contact.batch_id IS 'The batch that the contact belongs to.';
COMMENT ON COLUMN recall.contact.priority IS 'Rank in the queue, higher first.';
COMMENT ON COLUMN recall.contact.numbers IS '1 to 10 numbers in the order in which to try them, each "+" and 7 to 15 digits (ITU-T E.164).';
COMMENT ON COLUMN recall.contact.time_zone IS 'IANA zone of the callee; null: the tenant''s.';
COMMENT ON COLUMN recall.contact.reference IS 'The customer''s reference in other systems.';
COMMENT ON COLUMN recall.contact.attributes IS 'Whatever else the dialer or agent needs.';
COMMENT ON INDEX recall.contact_by_batch IS 'A batch in the order of its contacts.';

CREATE TABLE recall.call (
	tenant_id       int,
	attempt         int,
	batch_id        bigint,
	contact_id      bigint,
	recycle_id      bigint,
	started_at      timestamptz NOT NULL,
	ended_at        timestamptz NOT NULL,
	recorded_at     timestamptz NOT NULL,
	failure_cause   recall.failure_cause,
	number          text NOT NULL,
	business_result text,
	raw_code        text,
	agent           text,
	token           bigint,
	assumed         boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, batch_id, contact_id, attempt)
);
COMMENT ON TABLE recall.call IS 'Completed call data, a row for each attempt. Rows are appended and stay; only what was assumed is corrected.';
COMMENT ON COLUMN recall.call.tenant_id IS 'The tenant whose call it was.';
COMMENT ON COLUMN recall.call.attempt IS 'Which call to the contact it was, from 1; the latest is the highest.';
COMMENT ON COLUMN recall.call.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.call.contact_id IS 'The contact that was called.';
COMMENT ON COLUMN recall.call.recycle_id IS 'The recycle record that the call came from; null: not from a recycle.';
COMMENT ON COLUMN recall.call.started_at IS 'When dialling began.';
COMMENT ON COLUMN recall.call.ended_at IS 'When the call was over; a re-dial is due from here on.';
COMMENT ON COLUMN recall.call.recorded_at IS 'When the row was appended; a recycle judges what was appended before it was asked for.';
COMMENT ON COLUMN recall.call.failure_cause IS 'Why the call failed; null: it was answered.';
COMMENT ON COLUMN recall.call.number IS 'The number that was dialled: one of the contact''s.';
COMMENT ON COLUMN recall.call.business_result IS 'What the conversation ended in: one of the tenant''s codes.';
COMMENT ON COLUMN recall.call.raw_code IS 'The outcome as the outside system wrote it.';
COMMENT ON COLUMN recall.call.agent IS 'Who spoke.';
COMMENT ON COLUMN recall.call.token IS 'The token of the permit that was dialled; null: recorded without one.';
COMMENT ON COLUMN recall.call.assumed IS 'Whether no dialer reported the outcome: the lease had run out, and a rule or a person settled it. A report still corrects it.';

CREATE TABLE recall.recycle (
	tenant_id    int,
	recycle_id   bigint,
	batch_id     bigint NOT NULL,
	state        recall.recycle_state NOT NULL DEFAULT 'waiting',
	policy       recall.policy NOT NULL,
	requested_by name NOT NULL,
	requested_at timestamptz NOT NULL,
	cap          int NOT NULL,
	start_after  bigint NOT NULL,
	last_contact bigint NOT NULL,
	wrapped      boolean NOT NULL DEFAULT false,
	judged       bigint NOT NULL DEFAULT 0,
	matched      bigint NOT NULL DEFAULT 0,
	emitted      bigint NOT NULL DEFAULT 0,
	last_emitted bigint,
	withdrawn    bigint NOT NULL DEFAULT 0,
	started_at   timestamptz,
	advanced_at  timestamptz,
	put_off_in   bigint,
	finished_at  timestamptz,
	error        text,
	subject      text DEFAULT recall._subject(),
	PRIMARY KEY (tenant_id, recycle_id),
	CHECK (emitted <= cap AND emitted <= matched AND matched <= judged AND withdrawn <= emitted)
);
CREATE UNIQUE INDEX recycle_unfinished ON recall.recycle (tenant_id, batch_id)
WHERE state IN ('waiting', 'running', 'paused', 'failed');
CREATE INDEX recycle_runnable ON recall.recycle (tenant_id, recycle_id) WHERE state IN ('waiting', 'running');
CREATE INDEX recycle_by_batch ON recall.recycle (tenant_id, batch_id, recycle_id);
COMMENT ON TABLE recall.recycle IS 'Recycle records: who asked for which batch to be recalled, by which policy, and how far that went.';
COMMENT ON COLUMN recall.recycle.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle.recycle_id IS 'The record, counted in its tenant.';
COMMENT ON COLUMN recall.recycle.batch_id IS 'The batch that is recycled.';
COMMENT ON COLUMN recall.recycle.state IS 'waiting, running, paused, completed, cancelled or failed.';
COMMENT ON COLUMN recall.recycle.policy IS 'The task''s policy when the recycle was asked for; later edits of the task change nothing here.';
COMMENT ON COLUMN recall.recycle.requested_by IS 'The role that asked.';
COMMENT ON COLUMN recall.recycle.requested_at IS 'When it asked; calls appended before are judged.';
COMMENT ON COLUMN recall.recycle.cap IS 'The tenant''s limit at that time: most contacts that the record re-dials.';
COMMENT ON COLUMN recall.recycle.start_after IS 'The record starts behind this contact, goes to the end of the batch and wraps once.';
COMMENT ON COLUMN recall.recycle.last_contact IS 'The last contact that was judged.';
COMMENT ON COLUMN recall.recycle.wrapped IS 'Whether the end of the batch was passed.';
COMMENT ON COLUMN recall.recycle.judged IS 'Contacts judged so far.';
COMMENT ON COLUMN recall.recycle.matched IS 'Contacts that the policy recalls.';
COMMENT ON COLUMN recall.recycle.emitted IS 'Re-dial rows made; what matched beyond is over the cap.';
COMMENT ON COLUMN recall.recycle.last_emitted IS 'The contact of the last re-dial row: where the next record starts when this one was capped.';
COMMENT ON COLUMN recall.recycle.withdrawn IS 'Re-dial rows taken back before they were dialled.';
COMMENT ON COLUMN recall.recycle.started_at IS 'When the processor took the record up.';
COMMENT ON COLUMN recall.recycle.advanced_at IS 'When it last changed its state, or the processor last worked on it.';
COMMENT ON COLUMN recall.recycle.put_off_in IS 'The run of the processor that could not go on with it for the time being; the next one does.';
COMMENT ON COLUMN recall.recycle.finished_at IS 'When it was completed or cancelled.';
COMMENT ON COLUMN recall.recycle.error IS 'Why it failed, or was put off.';
COMMENT ON COLUMN recall.recycle.subject IS 'On whose behalf the role asked: the subject of its tenant token.';
COMMENT ON INDEX recall.recycle_unfinished IS 'At most one unfinished record for a batch.';
COMMENT ON INDEX recall.recycle_runnable IS 'What the processor has to do; finished records cost it nothing.';
COMMENT ON INDEX recall.recycle_by_batch IS 'The records of a batch, latest last.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.recycle
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('recycle');

CREATE TABLE recall.recycle_tally (
	tenant_id  int,
	recycle_id bigint,
	slot       smallint,
	dialled    bigint NOT NULL,
	reached    bigint NOT NULL,
	taken_out  bigint NOT NULL,
	PRIMARY KEY (tenant_id, recycle_id, slot)
);
COMMENT ON TABLE recall.recycle_tally IS
'What became of a record''s re-dial rows, counted in slots so that calls that end at the same moment do not wait for each other.';
COMMENT ON COLUMN recall.recycle_tally.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle_tally.recycle_id IS 'The recycle record.';
COMMENT ON COLUMN recall.recycle_tally.slot IS 'One of 16 partial counts; a session uses the one of its process id.';
COMMENT ON COLUMN recall.recycle_tally.dialled IS 'Re-dial rows that became completed calls.';
COMMENT ON COLUMN recall.recycle_tally.reached IS 'Those of them that were answered.';
COMMENT ON COLUMN recall.recycle_tally.taken_out IS 'Re-dial rows that could not be dialled any more, for instance because the number is suppressed.';

CREATE TABLE recall.dial (
	tenant_id   int,
	attempt     int NOT NULL,
	contact_id  bigint,
	task_id     bigint NOT NULL,
	batch_id    bigint NOT NULL,
	due_at      timestamptz NOT NULL,
	priority    int NOT NULL,
	state       recall.dial_state NOT NULL DEFAULT 'ready',
	number      text NOT NULL,
	recycle_id  bigint,
	agent       text,
	token       bigint,
	claimed_at  timestamptz,
	lease_until timestamptz,
	dialer      text,
	is_outdated boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, contact_id)
) WITH (fillfactor = 70); -- room for the claimed version of a permit beside the ready one
CREATE INDEX dial_queue ON recall.dial (tenant_id, task_id, priority DESC, due_at, contact_id) WHERE state = 'ready';
CREATE INDEX dial_unknown ON recall.dial (tenant_id, batch_id, contact_id) WHERE state = 'unknown';
CREATE UNIQUE INDEX dial_number_out ON recall.dial (tenant_id, number) WHERE state <> 'ready';
COMMENT ON TABLE recall.dial IS 'The queue of permits to dial: at most one for a contact.';
COMMENT ON COLUMN recall.dial.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.dial.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.dial.contact_id IS 'The contact that may be called.';
COMMENT ON COLUMN recall.dial.task_id IS 'The task whose dialers may claim the permit.';
COMMENT ON COLUMN recall.dial.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.dial.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.dial.priority IS 'The contact''s rank, higher first.';
COMMENT ON COLUMN recall.dial.state IS 'ready, claimed or unknown.';
COMMENT ON COLUMN recall.dial.number IS 'The number to dial.';
COMMENT ON COLUMN recall.dial.recycle_id IS 'The record that made the permit; null: not from a recycle.';
COMMENT ON COLUMN recall.dial.agent IS 'Who promised this call; null: nobody.';
COMMENT ON COLUMN recall.dial.token IS 'What the dialer that has it shows when it reports.';
COMMENT ON COLUMN recall.dial.claimed_at IS 'When a dialer took it.';
COMMENT ON COLUMN recall.dial.lease_until IS 'Until when the dialer has it; from then on its outcome is unknown.';
COMMENT ON COLUMN recall.dial.dialer IS 'What the dialer calls itself.';
COMMENT ON COLUMN recall.dial.is_outdated IS 'Whether an earlier call was corrected while the permit is out: it is judged again if it comes back.';
COMMENT ON INDEX recall.dial_queue IS 'What is due next for a task.';
COMMENT ON INDEX recall.dial_unknown IS 'What is to be settled; nothing that is dialled and reported in time is ever in it.';
COMMENT ON INDEX recall.dial_number_out IS 'At most one permit for a number is out with a dialer.';

CREATE TABLE recall.suppression (
	tenant_id  int,
	number     text,
	task_id    bigint,
	until      timestamptz NOT NULL,
	reason     text,
	role       name NOT NULL,
	created_at timestamptz NOT NULL,
	UNIQUE NULLS NOT DISTINCT (tenant_id, number, task_id)
);
COMMENT ON INDEX recall.suppression_tenant_id_number_task_id_key IS 'A number stands once for the tenant, and once for each task.';
COMMENT ON TABLE recall.suppression IS 'The do-not-call list: numbers that are not called, by the whole tenant or by one task.';
COMMENT ON COLUMN recall.suppression.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.suppression.number IS 'The number that is not called.';
COMMENT ON COLUMN recall.suppression.task_id IS 'The task that does not call it; null: the whole tenant.';
COMMENT ON COLUMN recall.suppression.until IS 'Until when.';
COMMENT ON COLUMN recall.suppression.reason IS 'Why.';
COMMENT ON COLUMN recall.suppression.role IS 'The role that asked for it.';
COMMENT ON COLUMN recall.suppression.created_at IS 'When it asked, last.';

CREATE TABLE recall.event (
	event_id     bigint GENERATED ALWAYS AS IDENTITY,
	tenant_id    int,
	at           timestamptz NOT NULL DEFAULT clock_timestamp(),
	role         name NOT NULL,
	session_role name NOT NULL DEFAULT session_user,
	kind         text NOT NULL,
	record_id    text NOT NULL,
	action       text NOT NULL,
	from_state   text,
	to_state     text,
	detail       jsonb,
	subject      text DEFAULT recall._subject(),
	PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX event_by_time ON recall.event (tenant_id, at);
COMMENT ON INDEX recall.event_by_time IS 'A tenant''s events, latest last.';
CREATE INDEX event_by_kind ON recall.event (tenant_id, kind, at);
COMMENT ON INDEX recall.event_by_kind IS 'The events of one kind of record, latest last.';
COMMENT ON TABLE recall.event IS 'The audit: who did what to which record. Rows are appended and stay.';
COMMENT ON COLUMN recall.event.event_id IS 'The order of events.';
COMMENT ON COLUMN recall.event.tenant_id IS 'The tenant in which it happened.';
COMMENT ON COLUMN recall.event.at IS 'When it happened.';
COMMENT ON COLUMN recall.event.role IS 'The role that did it.';
COMMENT ON COLUMN recall.event.session_role IS 'The role that had logged in.';
COMMENT ON COLUMN recall.event.kind IS 'What it was done to: tenant, member, token, business_result, suppression, task, batch, recycle, contact.';
COMMENT ON COLUMN recall.event.record_id IS 'Which one.';
COMMENT ON COLUMN recall.event.action IS 'What was done.';
COMMENT ON COLUMN recall.event.from_state IS 'The state before, when it changed.';
COMMENT ON COLUMN recall.event.to_state IS 'The state after, when it changed.';
COMMENT ON COLUMN recall.event.detail IS 'The particulars.';
COMMENT ON COLUMN recall.event.subject IS 'On whose behalf the role did it: the subject of its tenant token.';

CREATE TABLE recall.tick (
	tick_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	started_at  timestamptz NOT NULL,
	finished_at timestamptz,
	chunks      bigint NOT NULL DEFAULT 0,
	emitted     bigint NOT NULL DEFAULT 0,
	failed      bigint NOT NULL DEFAULT 0,
	expired     bigint NOT NULL DEFAULT 0,
	assumed     bigint NOT NULL DEFAULT 0,
	held        boolean NOT NULL DEFAULT false,
	last_tenant int
);
COMMENT ON TABLE recall.tick IS 'The latest runs of the processor; those older than the last 10 000 are dropped.';
COMMENT ON COLUMN recall.tick.tick_id IS 'The order of runs.';
COMMENT ON COLUMN recall.tick.started_at IS 'When the run began.';
COMMENT ON COLUMN recall.tick.finished_at IS 'When it ended; null: it runs still, or was killed.';
COMMENT ON COLUMN recall.tick.chunks IS 'Chunks of contacts that it judged.';
COMMENT ON COLUMN recall.tick.emitted IS 'Re-dial rows that it made.';
COMMENT ON COLUMN recall.tick.failed IS 'Records that failed in it.';
COMMENT ON COLUMN recall.tick.expired IS 'Permits whose lease it found run out: their outcome became unknown.';
COMMENT ON COLUMN recall.tick.assumed IS 'Permits of unknown outcome that a rule let it settle.';
COMMENT ON COLUMN recall.tick.held IS 'Whether claims were held when it began, because the database was a copy.';
COMMENT ON COLUMN recall.tick.last_tenant IS 'The tenant whose record was worked on last, by it or by the runs before: work goes on behind it.';

/* Rows that a dump must carry, and the sequences that must not start over after a restore. Not the keys of tokens. */
SELECT pg_catalog.pg_extension_config_dump('recall.tenant', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tenant_tenant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('recall.member', '');
SELECT pg_catalog.pg_extension_config_dump('recall.pool', '');
SELECT pg_catalog.pg_extension_config_dump('recall.counter', '');
SELECT pg_catalog.pg_extension_config_dump('recall.business_result', '');
SELECT pg_catalog.pg_extension_config_dump('recall.task', '');
SELECT pg_catalog.pg_extension_config_dump('recall.batch', '');
SELECT pg_catalog.pg_extension_config_dump('recall.contact', '');
SELECT pg_catalog.pg_extension_config_dump('recall.call', '');
SELECT pg_catalog.pg_extension_config_dump('recall.recycle', '');
SELECT pg_catalog.pg_extension_config_dump('recall.recycle_tally', '');
SELECT pg_catalog.pg_extension_config_dump('recall.dial', '');
SELECT pg_catalog.pg_extension_config_dump('recall.suppression', '');
SELECT pg_catalog.pg_extension_config_dump('recall.event', '');
SELECT pg_catalog.pg_extension_config_dump('recall.event_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tick', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tick_tick_id_seq', '');

/*
 * Who may do what. The identity is the role that the caller is now (SET ROLE counts), never a setting. What
 * does not exist, belongs to another tenant, or lacks the right gives one and the same error.
 */

CREATE FUNCTION recall._caller() RETURNS oid
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_caller';
COMMENT ON FUNCTION recall._caller() IS
'The role that the caller is now, also inside SECURITY DEFINER functions. Errors: 42501 where nobody calls: in a materialized view or an index expression that is being maintained.';

CREATE FUNCTION recall._is_owner() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_is_owner';
COMMENT ON FUNCTION recall._is_owner() IS
'Whether the caller has the rights of the extension''s owner, as superusers do.';

CREATE FUNCTION recall._has_right(tenant_id int, required recall.privilege) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_has_right';
COMMENT ON FUNCTION recall._has_right(int, recall.privilege) IS
'Whether the caller has a right in a tenant. The owner has every right in every tenant that exists.';

/* The first query of a session that uses a view loads the library by this, while it is planned. */
CREATE FUNCTION recall._guard_plan(internal) RETURNS internal
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_guard_plan';
COMMENT ON FUNCTION recall._guard_plan(internal) IS
'Planner support for what the views call. It sees to it that EXPLAIN and debug_print_plan show a plan over the tables to those only who may read the tables.';

CREATE FUNCTION recall._readable_tenants() RETURNS SETOF int
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10 SUPPORT recall._guard_plan AS 'MODULE_PATHNAME', 'recall_readable_tenants';
COMMENT ON FUNCTION recall._readable_tenants() IS
'The tenants in which the caller has the right "read": what the views show.';

CREATE FUNCTION recall._require(tenant_id int, required recall.privilege) RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require';
COMMENT ON FUNCTION recall._require(int, recall.privilege) IS
'Raises 42501 unless the caller has the right in the tenant; true.';

CREATE FUNCTION recall._require_owner() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF recall._is_owner() IS NOT TRUE THEN
		PERFORM recall._deny('what only the owner of the extension may do');
	END IF;
END $$;
COMMENT ON FUNCTION recall._require_owner() IS
'Raises 42501 unless the caller has the rights of the extension''s owner.';

CREATE FUNCTION recall._log(
	tenant_id int, kind text, record_id text, action text,
	from_state text DEFAULT NULL, to_state text DEFAULT NULL, detail jsonb DEFAULT NULL) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, from_state, to_state, detail)
	VALUES (tenant_id, pg_catalog.pg_get_userbyid(recall._caller()), kind, record_id, action, from_state, to_state, detail);
END;
COMMENT ON FUNCTION recall._log(int, text, text, text, text, text, jsonb) IS
'Appends what the caller did to the audit.';

CREATE FUNCTION recall._next_id(tenant_id int, kind text, how_many bigint DEFAULT 1) RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO recall.counter AS c (tenant_id, kind, last_id)
	VALUES (tenant_id, kind, how_many)
	ON CONFLICT (tenant_id, kind) DO UPDATE SET last_id = c.last_id + excluded.last_id
	RETURNING c.last_id - how_many + 1;
END;
COMMENT ON FUNCTION recall._next_id(int, text, bigint) IS
'Takes ids from the tenant''s counter and returns the first of them.';

/*
 * The functions and views that a member may use; what a function then allows depends on the rights in the tenant.
 * Issuing tokens is for those to whom the owner grants just that function.
 */
CREATE FUNCTION recall._member_objects(OUT kind text, OUT identity text) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'FUNCTION', p.oid::regprocedure::text
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace AND p.prokind = 'f' AND p.proname !~ '^_' AND p.proname <> 'issue_token'
	UNION ALL
	/* What the views call. */
	SELECT 'FUNCTION', p.oid::regprocedure::text
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace = 'recall'::regnamespace
	AND p.proname IN ('_readable_tenants', '_sees_numbers', '_show_number', '_show_text', '_mask_number', '_mask_numbers')
	UNION ALL
	SELECT 'TABLE', c.oid::regclass::text
	FROM pg_catalog.pg_class c
	WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v' AND c.relname !~ '^_'
	ORDER BY 1, 2;
END;
COMMENT ON FUNCTION recall._member_objects() IS
'The public functions and views: what a role gets EXECUTE and SELECT on when it becomes a member of a tenant.';

CREATE FUNCTION recall._grant_objects(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	object record;
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA recall TO %s', role);
	FOR object IN SELECT * FROM recall._member_objects() LOOP
		EXECUTE format('GRANT %s ON %s %s TO %s',
			CASE object.kind WHEN 'TABLE' THEN 'SELECT' ELSE 'EXECUTE' END, object.kind, object.identity, role);
	END LOOP;
END $$;
COMMENT ON FUNCTION recall._grant_objects(regrole) IS
'Gives a role the schema, the public functions and the public views.';

CREATE FUNCTION recall._revoke_objects(role regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	object record;
BEGIN
	FOR object IN SELECT * FROM recall._member_objects() LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', object.kind, object.identity, role);
	END LOOP;
	IF NOT recall._is_scheduler(role) THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA recall FROM %s', role);
	END IF;
END $$;
COMMENT ON FUNCTION recall._revoke_objects(regrole) IS
'Takes back what _grant_objects() gave, but for the schema from a role that schedules.';

CREATE FUNCTION recall._lock(kind text, tenant_id int, id bigint, alone boolean, waits boolean) RETURNS boolean
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_lock';
COMMENT ON FUNCTION recall._lock(text, int, bigint, boolean, boolean) IS
'Locks something until the end of the transaction, alone or together with others, and tells whether it got the lock, for which it may wait. Nobody else can take such a lock, or tell from pg_locks what is locked.';

CREATE FUNCTION recall._lock_grants() RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	SELECT recall._lock('grants', 0, 0, true, true);
END;
COMMENT ON FUNCTION recall._lock_grants() IS
'Lets rights be given and taken by one transaction at a time: two that GRANT on one object at once fail.';

CREATE FUNCTION recall._member_rights(tenant_id int, role regrole) RETURNS recall.privilege[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce((SELECT m.rights FROM recall.member m
		WHERE m.tenant_id = _member_rights.tenant_id AND m.role = _member_rights.role), '{}');
END;
COMMENT ON FUNCTION recall._member_rights(int, regrole) IS 'The rights that a role itself has in a tenant.';

CREATE FUNCTION recall.grant_privilege(tenant_id int, role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	old recall.privilege[];
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._require(grant_privilege.tenant_id, 'manage');
	PERFORM recall._check_rights(role, rights);
	PERFORM recall._lock_grants();
	PERFORM recall._check_not_pool(role);

	old := recall._member_rights(grant_privilege.tenant_id, grant_privilege.role);
	INSERT INTO recall.member AS m (tenant_id, role, rights)
	VALUES (grant_privilege.tenant_id, grant_privilege.role, recall._sorted_rights(grant_privilege.rights))
	ON CONFLICT (tenant_id, role) DO UPDATE
	SET rights = recall._sorted_rights(m.rights || excluded.rights);

	PERFORM recall._grant_objects(grant_privilege.role);
	PERFORM recall._log(grant_privilege.tenant_id, 'member', grant_privilege.role::text, 'grant',
		detail => jsonb_build_object('rights', grant_privilege.rights, 'from', old,
			'to', recall._member_rights(grant_privilege.tenant_id, grant_privilege.role)));
END $$;
COMMENT ON FUNCTION recall.grant_privilege(int, regrole, recall.privilege[]) IS
'Gives a role, and those that inherit it, rights in a tenant, with USAGE on the schema, EXECUTE on the public functions and SELECT on the public views. Right: the extension''s owner. Errors: 42501; 22023 no rights, too many, or no such role; 55000 it is a pool, or a pool inherits it.';

CREATE FUNCTION recall.revoke_privilege(tenant_id int, role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	old recall.privilege[];
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._require(revoke_privilege.tenant_id, 'manage');
	PERFORM recall._check_rights(role, rights);
	PERFORM recall._lock_grants();

	old := recall._member_rights(revoke_privilege.tenant_id, revoke_privilege.role);
	DELETE FROM recall.member m
	WHERE m.tenant_id = revoke_privilege.tenant_id AND m.role = revoke_privilege.role
	AND m.rights <@ revoke_privilege.rights;

	UPDATE recall.member m
	SET rights = ARRAY(SELECT r FROM unnest(m.rights) r WHERE r <> ALL (revoke_privilege.rights))
	WHERE m.tenant_id = revoke_privilege.tenant_id AND m.role = revoke_privilege.role;

	IF NOT EXISTS (SELECT FROM recall.member m WHERE m.role = revoke_privilege.role)
		AND NOT EXISTS (SELECT FROM recall.pool p WHERE p.role = revoke_privilege.role) THEN
		PERFORM recall._revoke_objects(revoke_privilege.role);
	END IF;
	PERFORM recall._log(revoke_privilege.tenant_id, 'member', revoke_privilege.role::text, 'revoke',
		detail => jsonb_build_object('rights', revoke_privilege.rights, 'from', old,
			'to', recall._member_rights(revoke_privilege.tenant_id, revoke_privilege.role)));
END $$;
COMMENT ON FUNCTION recall.revoke_privilege(int, regrole, recall.privilege[]) IS
'Takes rights in a tenant from a role; with its last right anywhere it loses the schema too. Right: the extension''s owner. Errors: 42501; 22023 no rights, too many, or no such role.';

CREATE FUNCTION recall._sorted_rights(rights recall.privilege[]) RETURNS recall.privilege[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.array_agg(DISTINCT r ORDER BY r) FROM pg_catalog.unnest(rights) r;
END;
COMMENT ON FUNCTION recall._sorted_rights(recall.privilege[]) IS 'Rights in their order, each once.';

CREATE FUNCTION recall._check_rights(role regrole, rights recall.privilege[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', role),
			'Rights are given to a role of this cluster; PUBLIC can have none.');
	END IF;
	IF cardinality(rights) > 100 THEN
		PERFORM recall._invalid('too many rights are named', 'Name each once, of: read, manage, recycle, dial.');
	END IF;
	IF coalesce(cardinality(rights), 0) = 0 OR array_ndims(rights) > 1 OR array_position(rights, NULL) IS NOT NULL THEN
		PERFORM recall._invalid('no rights are named', 'Name some of: read, manage, recycle, dial.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_rights(regrole, recall.privilege[]) IS
'Raises 22023 unless the role exists and 1 to 100 rights are named.';

/*
 * Telephone numbers that are not shown whole: in errors, which the server's log keeps, to nobody; in what people look
 * at, to whoever only reads.
 */

CREATE FUNCTION recall._mask_number(number text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_number_sql';
COMMENT ON FUNCTION recall._mask_number(text) IS
'What is meant to be a number, with all digits but the first two and the last two as "*"; up to 40 characters of it.';

CREATE FUNCTION recall._mask_numbers(what text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_text';
COMMENT ON FUNCTION recall._mask_numbers(text) IS
'A text in which of each run of seven digits or more all but the first two and the last two are "*".';

CREATE FUNCTION recall._mask_numbers(what jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_mask_jsonb';
COMMENT ON FUNCTION recall._mask_numbers(jsonb) IS 'A value in whose strings the numbers are masked so.';

CREATE FUNCTION recall._sees_numbers(tenant_id int) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_sees_numbers';
COMMENT ON FUNCTION recall._sees_numbers(int) IS
'Whether the caller sees the numbers of a tenant whole: with the right to dial or manage there.';

CREATE FUNCTION recall._show_number(tenant_id int, number text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_number';
COMMENT ON FUNCTION recall._show_number(int, text) IS
'A number as the caller may see it: whole, or masked.';

CREATE FUNCTION recall._show_text(tenant_id int, what text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_text';
COMMENT ON FUNCTION recall._show_text(int, text) IS 'A text that may mention numbers, as the caller may see it.';

CREATE FUNCTION recall._show_text(tenant_id int, what jsonb) RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_show_jsonb';
COMMENT ON FUNCTION recall._show_text(int, jsonb) IS 'A value that may mention numbers, as the caller may see it.';
/*
 * What is left of numbers that were erased: a keyed hash of each, by which a number is known again when somebody
 * brings it back. Then, and only then, it stands on the do-not-call list in plain, where everything looks; so what
 * dials never computes a hash.
 */

CREATE TABLE recall.erasure_key (
	tenant_id int PRIMARY KEY,
	key       bytea NOT NULL CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE recall.erasure_key IS
'The key of a tenant''s hashes of erased numbers, made with the first of them. Whoever has both can try all numbers, so it is as secret as these were.';
COMMENT ON COLUMN recall.erasure_key.tenant_id IS 'The tenant whose key it is.';
COMMENT ON COLUMN recall.erasure_key.key IS '32 random bytes. Without them the hashes are worth nothing.';

CREATE TABLE recall.erased_number (
	tenant_id   int,
	number_hash bytea,
	erased_at   timestamptz NOT NULL,
	PRIMARY KEY (tenant_id, number_hash)
);
COMMENT ON TABLE recall.erased_number IS 'The numbers that were erased and are not called again, as hashes.';
COMMENT ON COLUMN recall.erased_number.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.erased_number.number_hash IS 'HMAC-SHA-256 of the number under the tenant''s key.';
COMMENT ON COLUMN recall.erased_number.erased_at IS 'When it was erased, first.';

/* The key is dumped, too: a tenant has none in a database that it is restored into, as it is made late. */
SELECT pg_catalog.pg_extension_config_dump('recall.erasure_key', '');
SELECT pg_catalog.pg_extension_config_dump('recall.erased_number', '');

CREATE FUNCTION recall._new_key() RETURNS bytea
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_new_key';
COMMENT ON FUNCTION recall._new_key() IS '32 random bytes.';

CREATE FUNCTION recall._number_hash(key bytea, number text) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_number_hash';
COMMENT ON FUNCTION recall._number_hash(bytea, text) IS 'HMAC-SHA-256 (RFC 2104) of a number under a key.';

CREATE FUNCTION recall._erased_numbers(tenant_id int, numbers text[]) RETURNS text[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(pg_catalog.array_agg(DISTINCT n.number), '{}')
	FROM recall.erasure_key k
	CROSS JOIN pg_catalog.unnest(_erased_numbers.numbers) n(number)
	JOIN recall.erased_number e ON e.tenant_id = k.tenant_id AND e.number_hash = recall._number_hash(k.key, n.number)
	WHERE k.tenant_id = _erased_numbers.tenant_id;
END;
COMMENT ON FUNCTION recall._erased_numbers(int, text[]) IS 'Those of some numbers that a tenant has erased.';

CREATE FUNCTION recall._suppress_erased(tenant_id int, numbers text[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH suppressed AS (
		INSERT INTO recall.suppression AS s (tenant_id, number, task_id, until, reason, role, created_at)
		SELECT _suppress_erased.tenant_id, n.number, NULL, 'infinity', 'erased before', pg_catalog.pg_get_userbyid(recall._caller()),
			pg_catalog.clock_timestamp()
		FROM pg_catalog.unnest(_suppress_erased.numbers) n(number)
		ORDER BY n.number
		ON CONFLICT (tenant_id, number, task_id) DO UPDATE SET until = 'infinity', reason = excluded.reason WHERE s.until < 'infinity'
		RETURNING s.number
	)
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, detail)
	SELECT _suppress_erased.tenant_id, pg_catalog.pg_get_userbyid(recall._caller()), 'suppression', s.number, 'suppress',
		pg_catalog.jsonb_build_object('until', 'infinity', 'reason', 'erased before')
	FROM suppressed s;
END;
COMMENT ON FUNCTION recall._suppress_erased(int, text[]) IS
'Puts numbers on the tenant''s do-not-call list for good, because they were erased and a contact has them.';

CREATE FUNCTION recall._suppress_erased_of(tenant_id int, from_contact bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM recall.erasure_key k WHERE k.tenant_id = _suppress_erased_of.tenant_id) THEN
		PERFORM recall._suppress_erased(tenant_id, recall._erased_numbers(tenant_id, ARRAY(
			SELECT n.number FROM recall.contact c CROSS JOIN unnest(c.numbers) n(number)
			WHERE c.tenant_id = _suppress_erased_of.tenant_id AND c.contact_id >= from_contact)));
	END IF;
END $$;
COMMENT ON FUNCTION recall._suppress_erased_of(int, bigint) IS
'Suppresses those numbers of the contacts from one on that were erased. Whoever adds contacts calls it, with the counter of contacts locked, so that an erasure is either seen here or sees them.';
/*
 * Where the history was last known to be whole. In a copy of the database, claims are held until the owner accepts
 * its history: see 62-history.sql. The table has no key: a dump is restored beside the row that CREATE EXTENSION made.
 */

CREATE TABLE recall.origin (
	system_identifier bigint NOT NULL,
	database          oid NOT NULL,
	timeline          int NOT NULL,
	writer            xid NOT NULL,
	noted_at          timestamptz NOT NULL
);
COMMENT ON TABLE recall.origin IS
'Where the history was last known to be whole: there claims are handed out, and nowhere else. Without a row, or with one of elsewhere, they are held until recall.accept_history().';
COMMENT ON COLUMN recall.origin.system_identifier IS 'The server, as initdb or pg_upgrade made it.';
COMMENT ON COLUMN recall.origin.database IS 'The database in it.';
COMMENT ON COLUMN recall.origin.timeline IS 'The timeline of its log: a promotion and a recovery to a point in time begin another.';
COMMENT ON COLUMN recall.origin.writer IS 'The transaction that wrote the row here; of a row that came with a dump it is another''s.';
COMMENT ON COLUMN recall.origin.noted_at IS 'When that was: at CREATE EXTENSION, or when the history was accepted.';
SELECT pg_catalog.pg_extension_config_dump('recall.origin', '');

CREATE FUNCTION recall._here(OUT system_identifier bigint, OUT database oid, OUT timeline int)
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_here';
COMMENT ON FUNCTION recall._here() IS 'Where we are: the server, the database, and the timeline, which a standby has not.';

CREATE FUNCTION recall._writer() RETURNS xid
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'recall_writer';
COMMENT ON FUNCTION recall._writer() IS 'What a row that is written now has as its xmin.';

CREATE FUNCTION recall._history_is_accepted() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_history_is_accepted_sql';
COMMENT ON FUNCTION recall._history_is_accepted() IS
'Whether the database is the one that recall.origin notes, so that claims are handed out; false on a standby.';

CREATE FUNCTION recall._require_history() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_require_history_sql';
COMMENT ON FUNCTION recall._require_history() IS
'Raises 55000 in a copy of the database whose history nobody has accepted; true.';

CREATE FUNCTION recall._note_origin() RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	DELETE FROM recall.origin;
	INSERT INTO recall.origin (system_identifier, database, timeline, writer, noted_at)
	SELECT h.system_identifier, h.database, h.timeline, recall._writer(), pg_catalog.clock_timestamp() FROM recall._here() h;
END;
COMMENT ON FUNCTION recall._note_origin() IS 'Notes that the history is whole here.';
SELECT recall._note_origin();

CREATE FUNCTION recall._known_until() RETURNS timestamptz
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT greatest(
		(SELECT t.started_at FROM recall.tick t WHERE NOT t.held ORDER BY t.tick_id DESC LIMIT 1),
		(SELECT min(o.noted_at) FROM recall.origin o));
END;
COMMENT ON FUNCTION recall._known_until() IS
'Until when at least the history is whole: the start of the latest run of the processor that was made where claims are handed out.';
/* Setting up tenants, tasks, batches and business results. */

CREATE FUNCTION recall._check_name(kind text, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF coalesce(name, '') = '' OR length(name) > 200 THEN
		PERFORM recall._invalid(format('invalid name of a %s: %L', kind, left(name, 200)), 'A name has 1 to 200 characters.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_name(text, text) IS 'Raises 22023 unless a name has 1 to 200 characters.';

/* Tenants */

CREATE FUNCTION recall._check_tenant(obs_url_mode text, recycle_limit int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF recycle_limit NOT BETWEEN 1 AND 2000000 THEN
		PERFORM recall._invalid(format('recycle_limit %s is out of range', recycle_limit),
			'One recycle re-dials 1 to 2000000 contacts.');
	END IF;
	IF obs_url_mode = '' OR length(obs_url_mode) > 50 THEN
		PERFORM recall._invalid(format('invalid obs_url_mode %L', left(obs_url_mode, 50)),
			'It is a word of 1 to 50 characters; only "http" opens the gate to recycling.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_tenant(text, int) IS 'Raises 22023 unless the parameters of a tenant are in range; null passes.';

CREATE FUNCTION recall.create_tenant(
	name text, time_zone text DEFAULT 'UTC', obs_url_mode text DEFAULT 'http', recycle_limit int DEFAULT 500000)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	created int;
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._check_name('tenant', name);
	PERFORM recall._check_tenant(obs_url_mode, recycle_limit);

	INSERT INTO recall.tenant (name, time_zone, obs_url_mode, recycle_limit)
	VALUES (create_tenant.name, recall._check_time_zone(coalesce(create_tenant.time_zone, 'UTC')),
		coalesce(create_tenant.obs_url_mode, 'http'), coalesce(create_tenant.recycle_limit, 500000))
	RETURNING tenant.tenant_id INTO created;
	PERFORM recall._log(created, 'tenant', created::text, 'create', detail => (
		SELECT to_jsonb(t) - '{tenant_id,holidays}'::text[] FROM recall.tenant t WHERE t.tenant_id = created));
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.create_tenant(text, text, text, int) IS
'Creates a tenant and returns its id. time_zone: IANA; obs_url_mode: any word, only "http" can recycle; recycle_limit: contacts per recycle, 1 to 2 000 000. Right: the extension''s owner. Errors: 42501; 22023 a parameter out of range.';

CREATE FUNCTION recall.set_tenant(
	tenant_id int, time_zone text DEFAULT NULL, obs_url_mode text DEFAULT NULL, recycle_limit int DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old jsonb;
	new jsonb;
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._check_tenant(obs_url_mode, recycle_limit);

	SELECT to_jsonb(t) INTO old FROM recall.tenant t WHERE t.tenant_id = set_tenant.tenant_id FOR NO KEY UPDATE;
	UPDATE recall.tenant t
	SET time_zone = coalesce(recall._check_time_zone(set_tenant.time_zone), t.time_zone),
		obs_url_mode = coalesce(set_tenant.obs_url_mode, t.obs_url_mode),
		recycle_limit = coalesce(set_tenant.recycle_limit, t.recycle_limit)
	WHERE t.tenant_id = set_tenant.tenant_id
	RETURNING to_jsonb(t) INTO new;
	PERFORM recall._log(tenant_id, 'tenant', tenant_id::text, 'set',
		detail => (SELECT jsonb_build_object('from', coalesce(jsonb_object_agg(o.key, o.value), '{}'), 'to', coalesce(jsonb_object_agg(o.key, new -> o.key), '{}'))
			FROM jsonb_each(old) o WHERE o.value <> new -> o.key));
END $$;
COMMENT ON FUNCTION recall.set_tenant(int, text, text, int) IS
'Changes parameters of a tenant; null keeps one. Recycle records already made keep their cap. Right: the extension''s owner. Errors: 42501; 22023 a parameter out of range.';

CREATE FUNCTION recall.set_holidays(tenant_id int, holidays date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old date[];
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	IF cardinality(holidays) > 10000 OR array_ndims(holidays) > 1 OR array_position(holidays, NULL) IS NOT NULL THEN
		PERFORM recall._invalid('invalid list of holidays', 'Give up to 10000 dates, none of them null.');
	END IF;
	SELECT t.holidays INTO old FROM recall.tenant t WHERE t.tenant_id = set_holidays.tenant_id FOR NO KEY UPDATE;
	UPDATE recall.tenant t
	SET holidays = ARRAY(SELECT DISTINCT day FROM unnest(set_holidays.holidays) day ORDER BY day)
	WHERE t.tenant_id = set_holidays.tenant_id;
	PERFORM recall._log(tenant_id, 'tenant', tenant_id::text, 'set_holidays',
		detail => jsonb_build_object(
			'added', ARRAY(SELECT unnest(holidays) EXCEPT SELECT unnest(old) ORDER BY 1),
			'removed', ARRAY(SELECT unnest(old) EXCEPT SELECT unnest(holidays) ORDER BY 1)));
END $$;
COMMENT ON FUNCTION recall.set_holidays(int, date[]) IS
'Replaces the tenant''s public holidays, the days that PH means in calling hours. Right: manage. Errors: 42501; 22023 more than 10 000 dates, or a null.';

/* Business results */

CREATE FUNCTION recall.create_business_result(tenant_id int, code text, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require(create_business_result.tenant_id, 'manage');
	PERFORM recall._check_name('business result', create_business_result.name);
	IF create_business_result.code !~ '^[A-Za-z0-9_-]{1,50}$' IS NOT FALSE THEN
		PERFORM recall._invalid(format('invalid code of a business result: %L', left(create_business_result.code, 100)),
			'A code has 1 to 50 letters, digits, "_" and "-".');
	END IF;
	IF (SELECT count(*) FROM recall.business_result b WHERE b.tenant_id = create_business_result.tenant_id) >= 1000 THEN
		PERFORM recall._invalid(format('tenant %s has 1000 business results', create_business_result.tenant_id),
			'That is as many as a tenant can have.');
	END IF;
	INSERT INTO recall.business_result (tenant_id, code, name)
	VALUES (create_business_result.tenant_id, create_business_result.code, create_business_result.name)
	ON CONFLICT (tenant_id, code) DO NOTHING;
	IF NOT FOUND THEN
		PERFORM recall._invalid(format('business result "%s" exists already', create_business_result.code),
			'Choose another code.');
	END IF;
	PERFORM recall._log(create_business_result.tenant_id, 'business_result', create_business_result.code, 'create',
		detail => jsonb_build_object('name', create_business_result.name));
END $$;
COMMENT ON FUNCTION recall.create_business_result(int, text, text) IS
'Adds a result that the tenant''s calls can end in. code: 1 to 50 letters, digits, "_" and "-"; name: 1 to 200 characters. A tenant has up to 1000. Right: manage. Errors: 42501; 22023 an invalid or existing code, an invalid name, one too many.';

CREATE FUNCTION recall._result_hint(tenant_id int, code text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN nearest IS NOT NULL THEN pg_catalog.format('Perhaps you meant "%s".', nearest)
		ELSE 'Business results are added with recall.create_business_result().'
		END
	FROM (SELECT recall._nearest(_result_hint.code, pg_catalog.array_agg(b.code ORDER BY b.code)) AS nearest
		FROM recall.business_result b WHERE b.tenant_id = _result_hint.tenant_id) known;
END;
COMMENT ON FUNCTION recall._result_hint(int, text) IS 'What to say to somebody who wrote a result that the tenant has not.';

CREATE FUNCTION recall._policy_results(policy recall.policy) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT pg_catalog.unnest(r.members) FROM recall.policy_rules(policy) r WHERE r.selector = 'result'
	UNION
	SELECT pg_catalog.unnest(l.members) FROM recall.policy_limits(policy) l WHERE l.selector = 'result';
END;
COMMENT ON FUNCTION recall._policy_results(recall.policy) IS 'The business results that a policy names.';

CREATE FUNCTION recall._check_policy(tenant_id int, policy recall.policy) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	unknown_code text;
BEGIN
	SELECT named.code INTO unknown_code
	FROM recall._policy_results(policy) AS named(code)
	WHERE NOT EXISTS (SELECT FROM recall.business_result b
		WHERE b.tenant_id = _check_policy.tenant_id AND b.code = named.code)
	ORDER BY named.code
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._invalid(format('business result "%s" of the policy does not exist in tenant %s', unknown_code, tenant_id),
			recall._result_hint(tenant_id, unknown_code));
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_policy(int, recall.policy) IS
'Raises 22023 unless the tenant has every business result that the policy names.';

/* Tasks */

CREATE FUNCTION recall._task(tenant_id int, task_id bigint) RETURNS recall.task
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_task recall.task;
BEGIN
	SELECT * INTO found_task FROM recall.task t WHERE t.tenant_id = _task.tenant_id AND t.task_id = _task.task_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', task_id, tenant_id));
	END IF;
	RETURN found_task;
END $$;
COMMENT ON FUNCTION recall._task(int, bigint) IS 'The task, or 42501.';

CREATE FUNCTION recall._lock_task(tenant_id int, task_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	task recall.task;
BEGIN
	SELECT * INTO task FROM recall.task t
	WHERE t.tenant_id = _lock_task.tenant_id AND t.task_id = _lock_task.task_id
	FOR SHARE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', task_id, tenant_id));
	END IF;
	IF task.state = 'completed' THEN
		PERFORM recall._refuse(format('task %s is completed', task_id), 'A completed task is final; create another one.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._lock_task(int, bigint) IS
'Keeps a task in its state, which must not be completed, until the end of the transaction. Errors: 42501; 55000.';

CREATE FUNCTION recall._automatic_fault(task_type recall.task_type, policy recall.policy, OUT message text, OUT hint text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT
		CASE
			WHEN task_type = 'manual' THEN 'a task of type "manual" cannot be recalled automatically'
			WHEN policy IS NULL THEN 'automatic recall needs a policy'
			WHEN NOT EXISTS (SELECT FROM recall.policy_limits(policy) l WHERE l.kind = 'limit') THEN 'automatic recall needs a limit'
			WHEN u.rule IS NOT NULL THEN pg_catalog.format('automatic recall needs an "after" in each rule, and rule %s has none', u.rule)
		END,
		CASE
			WHEN task_type = 'manual' THEN 'Recalling supports tasks of type preview, predicted, preempted, fixed and robot.'
			WHEN policy IS NULL THEN 'Give the task one, such as ''failed after 1 h; limit 5''.'
			WHEN NOT EXISTS (SELECT FROM recall.policy_limits(policy) l WHERE l.kind = 'limit') THEN
				'Nobody presses a button between the calls: add one, such as ''limit 5''.'
			ELSE 'Calls that fail at once would be made again at once: add one, such as ''after 10 min''.'
		END
	FROM (SELECT (SELECT r.rule FROM recall.policy_rules(policy) r
		WHERE NOT r.never AND coalesce(pg_catalog.cardinality(r.after), 0) = 0 ORDER BY r.rule LIMIT 1) AS rule) u;
END;
COMMENT ON FUNCTION recall._automatic_fault(recall.task_type, recall.policy) IS
'Why a task cannot recall automatically, and what to do about it; a null message: it can.';

CREATE FUNCTION recall.create_task(
	tenant_id int, name text, task_type recall.task_type, policy recall.policy DEFAULT NULL,
	calling_hours recall.calling_hours DEFAULT NULL, auto_recall boolean DEFAULT false, priority int DEFAULT 3)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	created bigint;
	fault record;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._check_name('task', name);
	PERFORM recall._check_policy(tenant_id, policy);
	IF task_type IS NULL THEN
		PERFORM recall._invalid('a task needs a type', 'Name one of: preview, predicted, preempted, fixed, robot, manual.');
	END IF;
	IF priority NOT BETWEEN 0 AND 9 THEN
		PERFORM recall._invalid(format('priority %s of a task is out of range', priority), 'It is 0 to 9, higher first.');
	END IF;
	IF auto_recall THEN
		SELECT * INTO fault FROM recall._automatic_fault(task_type, policy);
		IF fault.message IS NOT NULL THEN
			PERFORM recall._invalid(fault.message, fault.hint);
		END IF;
	END IF;

	created := recall._next_id(tenant_id, 'task');
	INSERT INTO recall.task (tenant_id, task_id, name, task_type, policy, calling_hours, priority, auto_recall)
	VALUES (create_task.tenant_id, created, create_task.name, create_task.task_type, create_task.policy,
		create_task.calling_hours, coalesce(create_task.priority, 3), coalesce(create_task.auto_recall, false));
	PERFORM recall._log(tenant_id, 'task', created::text, 'create', to_state => 'draft',
		detail => jsonb_build_object('name', name, 'task_type', task_type, 'policy', policy::text, 'calling_hours', calling_hours::text,
			'priority', coalesce(priority, 3), 'auto_recall', coalesce(auto_recall, false)));
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.create_task(int, text, recall.task_type, recall.policy, recall.calling_hours, boolean, int) IS
'Creates an outbound call task in state draft and returns its id. A null policy: recall is not enabled; null calling_hours: calls at any time; auto_recall: as with set_auto_recall(); priority: 0 to 9, higher first. Right: manage. Errors: 42501; 22023 a parameter out of range, a business result that the tenant has not, or a policy without a limit or an "after" where auto_recall is asked for.';

CREATE FUNCTION recall.set_policy(tenant_id int, task_id bigint, policy recall.policy) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	task recall.task;
	fault record;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM FROM recall.task t
	WHERE t.tenant_id = set_policy.tenant_id AND t.task_id = set_policy.task_id
	FOR NO KEY UPDATE;
	task := recall._task(tenant_id, task_id);
	PERFORM recall._check_policy(tenant_id, policy);
	SELECT * INTO fault FROM recall._automatic_fault(task.task_type, policy);
	IF task.auto_recall AND policy IS NOT NULL AND fault.message IS NOT NULL THEN
		PERFORM recall._invalid(fault.message, fault.hint);
	END IF;
	UPDATE recall.task t SET policy = set_policy.policy
	WHERE t.tenant_id = set_policy.tenant_id AND t.task_id = set_policy.task_id;
	PERFORM recall._log(tenant_id, 'task', task_id::text, 'set_policy',
		detail => jsonb_build_object('from', task.policy::text, 'to', policy::text,
			'diff', recall._tell_policy_diff(task_id, task.policy, policy)));
END $$;
COMMENT ON FUNCTION recall.set_policy(int, bigint, recall.policy) IS
'Gives a task another recall policy; null disables recall. A NOTICE tells what recall.policy_diff() finds between the two, and the audit keeps it. Recycle records already made keep theirs. Right: manage. Errors: 42501; 22023 a business result that the tenant has not, or a policy without a limit or an "after" where the task recalls automatically.';

CREATE FUNCTION recall.set_auto_recall(tenant_id int, task_id bigint, auto_recall boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	task recall.task;
	fault record;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM FROM recall.task t
	WHERE t.tenant_id = set_auto_recall.tenant_id AND t.task_id = set_auto_recall.task_id
	FOR NO KEY UPDATE;
	task := recall._task(tenant_id, task_id);
	IF auto_recall IS NULL THEN
		PERFORM recall._invalid('automatic recall is neither on nor off', 'Say true or false.');
	END IF;
	SELECT * INTO fault FROM recall._automatic_fault(task.task_type, task.policy);
	IF auto_recall AND fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	UPDATE recall.task t SET auto_recall = set_auto_recall.auto_recall
	WHERE t.tenant_id = set_auto_recall.tenant_id AND t.task_id = set_auto_recall.task_id;
	PERFORM recall._log(tenant_id, 'task', task_id::text, 'set_auto_recall',
		detail => jsonb_build_object('from', task.auto_recall, 'to', auto_recall));
END $$;
COMMENT ON FUNCTION recall.set_auto_recall(int, bigint, boolean) IS
'Lets a task recall automatically, or no more: each call that a dialer reports is judged at once by the task''s policy, and a contact that it recalls gets its next permit in the same transaction; calls from record_call() and record_calls() are not. The policy must have a limit, and an "after" in each rule that recalls. A recycle of the batch still works and takes those that have no permit. Right: manage. Errors: 42501; 22023 null; 55000 the task is manual, or its policy lacks a limit or an "after".';

CREATE FUNCTION recall.set_calling_hours(tenant_id int, task_id bigint, calling_hours recall.calling_hours) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	task recall.task;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	task := recall._task(tenant_id, task_id);
	UPDATE recall.task t SET calling_hours = set_calling_hours.calling_hours
	WHERE t.tenant_id = set_calling_hours.tenant_id AND t.task_id = set_calling_hours.task_id;
	PERFORM recall._log(tenant_id, 'task', task_id::text, 'set_calling_hours',
		detail => jsonb_build_object('from', task.calling_hours::text, 'to', calling_hours::text));
END $$;
COMMENT ON FUNCTION recall.set_calling_hours(int, bigint, recall.calling_hours) IS
'Says when a task may call, in the callee''s time zone; null: at any time. Right: manage. Errors: 42501.';

CREATE FUNCTION recall._move_task(tenant_id int, task_id bigint, action text, new_state recall.task_state) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old_state recall.task_state;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	SELECT t.state INTO old_state FROM recall.task t
	WHERE t.tenant_id = _move_task.tenant_id AND t.task_id = _move_task.task_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('task %s of tenant %s', task_id, tenant_id));
	END IF;
	UPDATE recall.task t SET state = recall.transition('task', t.state, new_state)
	WHERE t.tenant_id = _move_task.tenant_id AND t.task_id = _move_task.task_id;
	PERFORM recall._log(tenant_id, 'task', task_id::text, action, old_state::text, new_state::text);
END $$;
COMMENT ON FUNCTION recall._move_task(int, bigint, text, recall.task_state) IS
'Moves a task to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE FUNCTION recall.start_task(tenant_id int, task_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT recall._move_task(tenant_id, task_id, 'start', 'executing');
END;
COMMENT ON FUNCTION recall.start_task(int, bigint) IS
'Starts a task, or starts it again after suspend_task(). Right: manage. Errors: 42501; 55000 an illegal move.';

CREATE FUNCTION recall.suspend_task(tenant_id int, task_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT recall._move_task(tenant_id, task_id, 'suspend', 'suspended');
END;
COMMENT ON FUNCTION recall.suspend_task(int, bigint) IS
'Suspends a task; its permits stay. Right: manage. Errors: 42501; 55000 an illegal move.';

/* Batches */

CREATE FUNCTION recall._batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_batch recall.batch;
BEGIN
	SELECT * INTO found_batch FROM recall.batch b WHERE b.tenant_id = _batch.tenant_id AND b.batch_id = _batch.batch_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('batch %s of tenant %s', batch_id, tenant_id));
	END IF;
	RETURN found_batch;
END $$;
COMMENT ON FUNCTION recall._batch(int, bigint) IS 'The batch, or 42501.';

CREATE FUNCTION recall._require_read_committed() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		PERFORM recall._refuse(format('the transaction is at isolation level %s', upper(current_setting('transaction_isolation'))),
			'What happened while it waited for a lock would escape it: use READ COMMITTED.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._require_read_committed() IS
'Raises 55000 above READ COMMITTED, where the transaction would not see what was committed while it waited.';

/*
 * Appending calls and contacts shares a batch; judging it, and changing its state, has the batch alone. So no
 * permit is ever made from a history that was out of date when it was made. Whoever takes several locks takes
 * them in this order: task row, press, recycle record, batch (this lock), batch row, counter of contacts, contact,
 * permit, call, tally; and within one kind by id.
 */
CREATE FUNCTION recall._lock_batch(tenant_id int, batch_id bigint, alone boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_read_committed();
	PERFORM recall._lock('batch', tenant_id, batch_id, alone, true);
END $$;
COMMENT ON FUNCTION recall._lock_batch(int, bigint, boolean) IS
'Locks a batch until the end of the transaction, alone or together with others. Errors: 55000 above READ COMMITTED, where the transaction would not see what was committed while it waited.';

CREATE FUNCTION recall.create_batch(tenant_id int, task_id bigint, name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	created bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._lock_task(tenant_id, task_id);
	PERFORM recall._check_name('batch', name);

	created := recall._next_id(tenant_id, 'batch');
	INSERT INTO recall.batch (tenant_id, batch_id, task_id, name)
	VALUES (create_batch.tenant_id, created, create_batch.task_id, create_batch.name);
	PERFORM recall._log(tenant_id, 'batch', created::text, 'create', to_state => 'created',
		detail => jsonb_build_object('name', name, 'task_id', task_id));
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.create_batch(int, bigint, text) IS
'Creates a batch of a task in state created and returns its id. Right: manage. Errors: 42501; 55000 the task is completed; 22023 an invalid name.';

CREATE FUNCTION recall._move_batch(tenant_id int, batch_id bigint, action text, new_state recall.batch_state) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old_state recall.batch_state;
BEGIN
	PERFORM recall._lock_batch(tenant_id, batch_id, true);
	SELECT b.state INTO old_state FROM recall.batch b
	WHERE b.tenant_id = _move_batch.tenant_id AND b.batch_id = _move_batch.batch_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('batch %s of tenant %s', batch_id, tenant_id));
	END IF;
	UPDATE recall.batch b SET state = recall.transition('batch', b.state, new_state)
	WHERE b.tenant_id = _move_batch.tenant_id AND b.batch_id = _move_batch.batch_id;
	PERFORM recall._log(tenant_id, 'batch', batch_id::text, action, old_state::text, new_state::text);
END $$;
COMMENT ON FUNCTION recall._move_batch(int, bigint, text, recall.batch_state) IS
'Moves a batch to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE FUNCTION recall.start_batch(tenant_id int, batch_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._lock_task(tenant_id, (recall._batch(tenant_id, batch_id)).task_id);
	PERFORM recall._move_batch(tenant_id, batch_id, 'start', 'started');
	PERFORM recall._queue_first_attempts(recall._batch(tenant_id, batch_id), 0, now());
END $$;
COMMENT ON FUNCTION recall.start_batch(int, bigint) IS
'Starts a batch, or starts it again after suspend_batch(), and queues a first attempt for each contact that has no call and no permit. Right: manage. Errors: 42501; 55000 an illegal move, or the task is completed.';

CREATE FUNCTION recall.suspend_batch(tenant_id int, batch_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._move_batch(tenant_id, batch_id, 'suspend', 'suspended');
END $$;
COMMENT ON FUNCTION recall.suspend_batch(int, bigint) IS
'Suspends a batch; its permits stay. Right: manage. Errors: 42501; 55000 an illegal move.';

/* Outbound call data: the contacts of a batch, and the permits for their first attempts. */

CREATE FUNCTION recall._open_batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
BEGIN
	PERFORM recall._lock_batch(tenant_id, batch_id, false);
	batch := recall._batch(tenant_id, batch_id);
	IF batch.state = 'finished' THEN
		PERFORM recall._refuse(format('batch %s is finished', batch_id), 'Add the contacts to another batch.');
	END IF;
	RETURN batch;
END $$;
COMMENT ON FUNCTION recall._open_batch(int, bigint) IS
'The batch, locked together with others and not finished. Errors: 42501; 55000.';

CREATE FUNCTION recall._queue_first_attempts(batch recall.batch, after_contact bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
BEGIN
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	SELECT c.tenant_id, 1, c.contact_id, batch.task_id, c.batch_id, at, c.priority, c.numbers[1]
	FROM recall.contact c
	WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id AND c.contact_id > after_contact
	AND NOT EXISTS (SELECT FROM recall.call k
		WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id AND k.contact_id = c.contact_id
		AND k.contact_id > after_contact)
	AND NOT EXISTS (SELECT FROM recall.dial d
		WHERE d.tenant_id = batch.tenant_id AND d.contact_id = c.contact_id AND d.contact_id > after_contact)
	ORDER BY c.contact_id;
END $$;
COMMENT ON FUNCTION recall._queue_first_attempts(recall.batch, bigint, timestamptz) IS
'Makes a permit, due at an instant, for each contact of the batch behind a given one that has neither a call nor a permit.';

CREATE FUNCTION recall._check_reference(reference text, source_row bigint DEFAULT 0) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN recall._check_length(reference, 'the reference of a contact is too long', 200, source_row);
COMMENT ON FUNCTION recall._check_reference(text, bigint) IS 'The reference. Raises 22023 when it has more than 200 characters.';

CREATE FUNCTION recall._check_attributes(attributes jsonb, source_row bigint DEFAULT 0) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN recall._check_size(attributes, 'the attributes of a contact are too large', 16384, source_row);
COMMENT ON FUNCTION recall._check_attributes(jsonb, bigint) IS 'The attributes. Raises 22023 when they take more than 16 384 bytes.';

CREATE FUNCTION recall.add_contact(
	tenant_id int, batch_id bigint, numbers text[], time_zone text DEFAULT NULL, priority int DEFAULT 0,
	reference text DEFAULT NULL, attributes jsonb DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
	created bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	batch := recall._open_batch(tenant_id, batch_id);
	PERFORM recall._check_numbers(numbers);

	created := recall._next_id(tenant_id, 'contact');
	INSERT INTO recall.contact (tenant_id, contact_id, batch_id, priority, numbers, time_zone, reference, attributes)
	VALUES (add_contact.tenant_id, created, add_contact.batch_id, coalesce(add_contact.priority, 0), add_contact.numbers,
		recall._check_time_zone(add_contact.time_zone), recall._check_reference(add_contact.reference),
		recall._check_attributes(add_contact.attributes));
	PERFORM recall._suppress_erased_of(tenant_id, created);
	IF batch.state = 'started' THEN
		PERFORM recall._queue_first_attempts(batch, created - 1, now());
	END IF;
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.add_contact(int, bigint, text[], text, int, text, jsonb) IS
'Adds a contact to a batch and returns its id; in a started batch its first attempt is queued. numbers: 1 to 10 in the order in which to try them, each "+" and 7 to 15 digits (ITU-T E.164); time_zone: IANA, null = the tenant''s; priority: higher first; reference: up to 200 characters; attributes: up to 16 kB, as jsonb is stored. A number that was erased is put on the do-not-call list again. Right: manage. Errors: 42501; 22P02 a number; 22023 no or too many numbers, an unknown time zone, a reference or attributes too large; 55000 the batch is finished.';

CREATE FUNCTION recall._read_source(source regclass, notice_others boolean) RETURNS SETOF record
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'recall_read_source';
COMMENT ON FUNCTION recall._read_source(regclass, boolean) IS
'The rows of a table or view, read with the caller''s rights and in the table''s order. The call names the columns; one that the source has not is null, and with notice_others a NOTICE names each that the call has not. Errors: 22023 more rows than the setting recall.max_source_rows.';

CREATE FUNCTION recall._check_numbers(numbers text[], source_row bigint DEFAULT 0) RETURNS text[]
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_check_numbers';
COMMENT ON FUNCTION recall._check_numbers(text[], bigint) IS
'The numbers, when they are 1 to 10 different ones. Errors: 22P02 a number; 22023 none, too many, a null, one twice.';

CREATE FUNCTION recall._are_numbers(numbers text[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_are_numbers';
COMMENT ON FUNCTION recall._are_numbers(text[]) IS 'Whether _check_numbers() would have some numbers.';

CREATE FUNCTION recall.add_contacts(tenant_id int, batch_id bigint, source regclass) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch;
	first_id bigint;
	added bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	batch := recall._open_batch(tenant_id, batch_id);
	/* Holding the counter keeps others from taking ids in between; it is set when the rows are counted. */
	first_id := recall._next_id(tenant_id, 'contact', 0);

	INSERT INTO recall.contact (tenant_id, contact_id, batch_id, priority, numbers, time_zone, reference, attributes)
	SELECT add_contacts.tenant_id, first_id - 1 + s.source_row, add_contacts.batch_id, coalesce(s.priority, 0),
		recall._check_numbers(s.numbers, s.source_row), recall._check_time_zone(s.time_zone, s.source_row),
		recall._check_reference(s.reference, s.source_row), recall._check_attributes(s.attributes, s.source_row)
	FROM ROWS FROM (recall._read_source(source, true)
		AS (numbers text[], time_zone text, priority int, reference text, attributes jsonb))
		WITH ORDINALITY AS s(numbers, time_zone, priority, reference, attributes, source_row);
	GET DIAGNOSTICS added = ROW_COUNT;

	PERFORM recall._next_id(tenant_id, 'contact', added);
	PERFORM recall._suppress_erased_of(tenant_id, first_id);
	batch := recall._open_batch(tenant_id, batch_id); -- a function in the source may have changed it
	IF batch.state = 'started' THEN
		PERFORM recall._queue_first_attempts(batch, first_id - 1, now());
	END IF;
	PERFORM recall._log(tenant_id, 'batch', batch_id::text, 'add_contacts', detail => jsonb_build_object('contacts', added));
	RETURN added;
END $$;
COMMENT ON FUNCTION recall.add_contacts(int, bigint, regclass) IS
'Adds the rows of a table or view to a batch, all or none, and returns how many. Columns, numbers being required: numbers text[], time_zone text, priority int, reference text, attributes jsonb; read with the caller''s rights. Right: manage. Errors as of add_contact(), naming the first bad row; 22023 also when the source has more rows than the setting recall.max_source_rows; 42501 also when the caller may not read the source.';

/* Completed call data that came in from elsewhere: one call, or a table of them. */

CREATE FUNCTION recall._tally(tenant_id int, recycle_id bigint, dialled bigint, reached bigint, taken_out bigint DEFAULT 0) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO recall.recycle_tally AS t (tenant_id, recycle_id, slot, dialled, reached, taken_out)
	VALUES (_tally.tenant_id, _tally.recycle_id, pg_backend_pid() % 16, _tally.dialled, _tally.reached, _tally.taken_out)
	ON CONFLICT (tenant_id, recycle_id, slot) DO UPDATE
	SET dialled = t.dialled + excluded.dialled, reached = t.reached + excluded.reached, taken_out = t.taken_out + excluded.taken_out;
END $$;
COMMENT ON FUNCTION recall._tally(int, bigint, bigint, bigint, bigint) IS
'Counts re-dial rows of a record that became completed calls, how many of these were answered, and those that were taken out.';

CREATE FUNCTION recall._times_in_order(started_at timestamptz, ended_at timestamptz, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN started_at >= '1970-01-01 00:00:00+00'::timestamptz AND started_at <= ended_at AND ended_at <= at + interval '5 min';
COMMENT ON FUNCTION recall._times_in_order(timestamptz, timestamptz, timestamptz) IS
'Whether a call began in this age, before it ended, and ended no later than five minutes after an instant: clocks differ.';

CREATE FUNCTION recall._is_short(raw_code text, agent text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(pg_catalog.length(raw_code), 0) <= 200 AND coalesce(pg_catalog.length(agent), 0) <= 200;
COMMENT ON FUNCTION recall._is_short(text, text) IS 'Whether neither the raw code nor the agent of a call has more than 200 characters.';

CREATE FUNCTION recall._raise_call_fault(
	tenant_id int, fault text, row_prefix text, contact_id bigint, number text, business_result text,
	started_at timestamptz, ended_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	CASE fault
	WHEN 'contact' THEN
		PERFORM recall._deny(format('%scontact %s of tenant %s', row_prefix, coalesce(contact_id::text, 'null'), tenant_id));
	WHEN 'result' THEN
		PERFORM recall._invalid(
			format('%sbusiness result "%s" does not exist in tenant %s', row_prefix, recall._mask_numbers(left(business_result, 50)), tenant_id),
			recall._result_hint(tenant_id, business_result));
	WHEN 'number' THEN
		PERFORM recall._invalid(format('%snumber "%s" is not one of contact %s', row_prefix, recall._mask_number(number), contact_id),
			'A call is made to one of the numbers of its contact.');
	WHEN 'times' THEN
		PERFORM recall._invalid(
			format('%sa call cannot last from %s to %s', row_prefix, started_at, ended_at),
			'A call begins in 1970 or later, ends at or after its start, and no more than 5 minutes in the future.');
	WHEN 'permit' THEN
		PERFORM recall._refuse(format('%scontact %s is out with a dialer', row_prefix, contact_id),
			'Its call must be reported, or its unknown outcome settled, first.');
	WHEN 'text' THEN
		PERFORM recall._invalid(format('%sthe raw code or the agent of a call is too long', row_prefix),
			'Each has up to 200 characters.');
	END CASE;
END $$;
COMMENT ON FUNCTION recall._raise_call_fault(int, text, text, bigint, text, text, timestamptz, timestamptz) IS
'Raises the error for what is wrong with a completed call: 42501, 22023 or 55000.';

/* Who reports a call has its permit and makes the next one: whoever waited for it finds neither at first. */
CREATE FUNCTION recall._lock_permit(tenant_id int, contact_id bigint) RETURNS recall.dial
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial;
BEGIN
	FOR look IN 1 .. 2 LOOP
		SELECT * INTO permit FROM recall.dial d
		WHERE d.tenant_id = _lock_permit.tenant_id AND d.contact_id = _lock_permit.contact_id
		FOR UPDATE;
		EXIT WHEN FOUND;
	END LOOP;
	RETURN permit;
END $$;
COMMENT ON FUNCTION recall._lock_permit(int, bigint) IS 'The permit of a contact, locked; null: it has none. The contact is locked by the caller.';

CREATE FUNCTION recall.record_call(
	tenant_id int, contact_id bigint, failure_cause recall.failure_cause, business_result text, number text DEFAULT NULL,
	started_at timestamptz DEFAULT now(), ended_at timestamptz DEFAULT now(), raw_code text DEFAULT NULL,
	agent text DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	next_attempt int;
	fault text;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	SELECT * INTO contact FROM recall.contact c
	WHERE c.tenant_id = record_call.tenant_id AND c.contact_id = record_call.contact_id;
	IF FOUND THEN
		PERFORM recall._lock_batch(tenant_id, contact.batch_id, false);
		SELECT * INTO contact FROM recall.contact c
		WHERE c.tenant_id = record_call.tenant_id AND c.contact_id = record_call.contact_id
		FOR NO KEY UPDATE; -- it may have been erased meanwhile
		permit := recall._lock_permit(tenant_id, contact_id);
	END IF;

	number := coalesce(number, contact.numbers[1]);
	ended_at := coalesce(ended_at, now());
	started_at := coalesce(started_at, least(ended_at, now()));
	/* What is equal is not for the caller to say, whose text may come with a collation of its own. */
	fault := CASE
		WHEN contact.contact_id IS NULL THEN 'contact'
		WHEN permit.state <> 'ready' THEN 'permit'
		WHEN business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
			WHERE b.tenant_id = record_call.tenant_id AND b.code = record_call.business_result COLLATE "default") THEN 'result'
		WHEN number COLLATE "default" <> ALL (contact.numbers) THEN 'number'
		WHEN NOT recall._times_in_order(started_at, ended_at, now()) THEN 'times'
		WHEN NOT recall._is_short(raw_code, agent) THEN 'text'
		END;
	IF fault IS NOT NULL THEN
		PERFORM recall._raise_call_fault(tenant_id, fault, '', contact_id, number, business_result, started_at, ended_at);
	END IF;

	DELETE FROM recall.dial d WHERE d.tenant_id = record_call.tenant_id AND d.contact_id = record_call.contact_id;
	SELECT coalesce(max(k.attempt), 0) + 1 INTO next_attempt FROM recall.call k
	WHERE k.tenant_id = record_call.tenant_id AND k.batch_id = contact.batch_id AND k.contact_id = record_call.contact_id;
	INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at,
		failure_cause, number, business_result, raw_code, agent)
	VALUES (tenant_id, next_attempt, contact.batch_id, contact_id, permit.recycle_id, started_at, ended_at,
		clock_timestamp(), failure_cause, number, business_result, raw_code, agent);
	IF permit.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(tenant_id, permit.recycle_id, 1, (failure_cause IS NULL)::int);
	END IF;
	RETURN next_attempt;
END $$;
COMMENT ON FUNCTION recall.record_call(int, bigint, recall.failure_cause, text, text, timestamptz, timestamptz, text, text) IS
'Appends a completed call and returns its attempt number. failure_cause: null = answered; business_result: one of the tenant''s codes, or null; number: one of the contact''s, null = the first; started_at <= ended_at <= now + 5 min, from 1970 on; raw_code and agent: up to 200 characters each. A ready permit of the contact is used up. Right: dial. Errors: 42501; 22023 an unknown result, a foreign number, times out of order, a text too long; 55000 the contact is out with a dialer.';

CREATE FUNCTION recall._source_calls(tenant_id int, source regclass, at timestamptz)
RETURNS TABLE (
	source_row bigint, contact_id bigint, batch_id bigint, failure_cause recall.failure_cause, business_result text,
	number text, started_at timestamptz, ended_at timestamptz, raw_code text, agent text, recycle_id bigint,
	has_permit boolean, fault text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.source_row, s.contact_id, c.batch_id, s.failure_cause, s.business_result, v.number, v.started_at, v.ended_at,
		s.raw_code, s.agent, d.recycle_id, d.contact_id IS NOT NULL,
		CASE
			WHEN c.contact_id IS NULL THEN 'contact'
			WHEN d.state <> 'ready' THEN 'permit'
			WHEN s.business_result IS NOT NULL AND b.code IS NULL THEN 'result'
			WHEN v.number <> ALL (c.numbers) THEN 'number'
			WHEN NOT recall._times_in_order(v.started_at, v.ended_at, at) THEN 'times'
			WHEN NOT recall._is_short(s.raw_code, s.agent) THEN 'text'
		END
	FROM ROWS FROM (recall._read_source(source, true)
		AS (contact_id bigint, failure_cause recall.failure_cause, business_result text, number text,
			started_at timestamptz, ended_at timestamptz, raw_code text, agent text))
		WITH ORDINALITY AS s(contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent,
			source_row)
	/* A look-up by key for each row, so that a few calls cost little, however many contacts the tenant has. */
	LEFT JOIN LATERAL (SELECT i.* FROM recall.contact i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) c ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.business_result i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.code = s.business_result OFFSET 0) b ON true
	LEFT JOIN LATERAL (SELECT i.* FROM recall.dial i
		WHERE i.tenant_id = _source_calls.tenant_id AND i.contact_id = s.contact_id OFFSET 0) d ON true
	CROSS JOIN LATERAL (SELECT coalesce(s.number, c.numbers[1]) AS number,
		coalesce(s.started_at, least(s.ended_at, at)) AS started_at, coalesce(s.ended_at, at) AS ended_at) v;
END;
COMMENT ON FUNCTION recall._source_calls(int, regclass, timestamptz) IS
'The completed calls of a bulk source beside their contacts, defaults filled in, each with what is wrong with it.';

CREATE FUNCTION recall._lock_source_batches(tenant_id int, source regclass) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batches bigint[];
BEGIN
	batches := ARRAY(
		SELECT DISTINCT c.batch_id
		FROM recall.contact c
		WHERE c.tenant_id = _lock_source_batches.tenant_id
		AND c.contact_id = ANY (ARRAY(SELECT s.contact_id FROM recall._read_source(source, false) AS s(contact_id bigint)))
		ORDER BY c.batch_id);
	FOR i IN 1 .. cardinality(batches) LOOP
		PERFORM recall._lock_batch(tenant_id, batches[i], true);
	END LOOP;
	RETURN batches;
END $$;
COMMENT ON FUNCTION recall._lock_source_batches(int, regclass) IS
'Locks each batch to which a bulk source adds calls, alone, and returns them.';

CREATE FUNCTION recall.record_calls(tenant_id int, source regclass) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	locked bigint[];
	permits bigint;
	used bigint;
	appended bigint;
	by_batch jsonb;
	read_rows bigint;
	bad record;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	locked := recall._lock_source_batches(tenant_id, source);

	WITH source_call AS MATERIALIZED (
		SELECT s.*, row_number() OVER (PARTITION BY s.batch_id, s.contact_id ORDER BY s.started_at, s.source_row) AS nth
		FROM recall._source_calls(record_calls.tenant_id, source, now()) s
	), used_permit AS (
		/* Not "= 'ready'": the index of the queue would do, and be walked for each contact. */
		DELETE FROM recall.dial d
		WHERE d.tenant_id = record_calls.tenant_id AND d.state NOT IN ('claimed', 'unknown')
		AND d.contact_id = ANY (ARRAY(SELECT s.contact_id FROM source_call s WHERE s.nth = 1 AND s.has_permit))
		RETURNING d.contact_id
	), appended_call AS (
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at,
			failure_cause, number, business_result, raw_code, agent)
		SELECT record_calls.tenant_id,
			s.nth + coalesce((SELECT max(k.attempt) FROM recall.call k
				WHERE k.tenant_id = record_calls.tenant_id AND k.batch_id = s.batch_id AND k.contact_id = s.contact_id), 0),
			s.batch_id, s.contact_id, CASE WHEN s.nth = 1 THEN s.recycle_id END, s.started_at, s.ended_at,
			clock_timestamp(), s.failure_cause, s.number, s.business_result, s.raw_code, s.agent
		FROM source_call s
		WHERE s.fault IS NULL AND s.batch_id = ANY (locked)
		ORDER BY s.batch_id, s.contact_id, s.nth
		RETURNING batch_id
	), tallied AS (
		SELECT recall._tally(record_calls.tenant_id, t.recycle_id, t.dialled, t.reached)
		FROM (SELECT s.recycle_id, count(*) AS dialled, count(*) FILTER (WHERE s.failure_cause IS NULL) AS reached
			FROM source_call s
			WHERE s.nth = 1 AND s.recycle_id IS NOT NULL
			GROUP BY s.recycle_id
			ORDER BY s.recycle_id) t
	)
	SELECT (SELECT count(*) FROM source_call), (SELECT count(*) FROM source_call s WHERE s.nth = 1 AND s.has_permit),
		(SELECT count(*) FROM used_permit), (SELECT count(*) FROM appended_call),
		(SELECT jsonb_object_agg(b.batch_id, b.calls) FROM (SELECT a.batch_id, count(*) AS calls FROM appended_call a GROUP BY a.batch_id) b)
	INTO read_rows, permits, used, appended, by_batch
	FROM (SELECT count(*) FROM tallied) t;

	IF appended < read_rows OR used < permits THEN
		SELECT * INTO bad FROM recall._source_calls(record_calls.tenant_id, source, now()) s
		WHERE s.fault IS NOT NULL
		ORDER BY s.source_row LIMIT 1;
		IF NOT FOUND THEN
			PERFORM recall._refuse('a contact or the source changed while the calls were recorded', 'Try again.');
		END IF;
		PERFORM recall._raise_call_fault(tenant_id, bad.fault, format('row %s: ', bad.source_row), bad.contact_id, bad.number,
			bad.business_result, bad.started_at, bad.ended_at);
	END IF;
	PERFORM recall._log(record_calls.tenant_id, 'batch', b.key, 'record_calls', detail => jsonb_build_object('calls', b.value))
	FROM jsonb_each(by_batch) b;
	RETURN appended;
END $$;
COMMENT ON FUNCTION recall.record_calls(int, regclass) IS
'Appends the completed calls of a table or view, all or none, and returns how many. Columns, contact_id being required: contact_id, failure_cause, business_result, number, started_at, ended_at, raw_code, agent; read with the caller''s rights. A contact''s attempts are numbered by (started_at, order in the source). Each batch concerned is locked until the end. Right: dial. Errors as of record_call(), naming the first bad row; 22023 also when the source has more rows than the setting recall.max_source_rows.';

/* The do-not-call list: numbers that are not called until some time, by the whole tenant or by one task. */

CREATE FUNCTION recall._require_scope(tenant_id int, task_id bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF task_id IS NOT NULL THEN
		PERFORM recall._task(tenant_id, task_id);
	END IF;
END $$;
COMMENT ON FUNCTION recall._require_scope(int, bigint) IS
'Raises 42501 unless the task is null, for the whole tenant, or one of the tenant''s.';

CREATE FUNCTION recall.suppress(
	tenant_id int, number text, until timestamptz DEFAULT 'infinity', reason text DEFAULT NULL, task_id bigint DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	lasting timestamptz := coalesce(suppress.until, 'infinity');
	manages boolean := coalesce(recall._has_right(suppress.tenant_id, 'manage'), false);
	old timestamptz;
BEGIN
	IF NOT manages THEN
		PERFORM recall._require(suppress.tenant_id, 'dial');
	END IF;
	PERFORM recall._require_scope(suppress.tenant_id, suppress.task_id);
	PERFORM recall._check_numbers(ARRAY[suppress.number]);
	IF lasting <= now() THEN
		PERFORM recall._invalid(format('a suppression until %s is over already', lasting),
			'Leave "until" out for one that lasts for good.');
	END IF;
	IF length(suppress.reason) > 200 THEN
		PERFORM recall._invalid('the reason of a suppression is too long', 'A reason has up to 200 characters.');
	END IF;

	old := (SELECT s.until FROM recall.suppression s
		WHERE s.tenant_id = suppress.tenant_id AND s.number = suppress.number COLLATE "default" AND s.task_id IS NOT DISTINCT FROM suppress.task_id);
	INSERT INTO recall.suppression AS s (tenant_id, number, task_id, until, reason, role, created_at)
	VALUES (suppress.tenant_id, suppress.number, suppress.task_id, lasting, suppress.reason,
		pg_get_userbyid(recall._caller()), clock_timestamp())
	ON CONFLICT (tenant_id, number, task_id) DO UPDATE
	SET until = excluded.until, reason = excluded.reason, role = excluded.role, created_at = excluded.created_at
	WHERE manages OR s.until <= excluded.until;
	IF NOT FOUND THEN
		/* It is suppressed for longer already, and only who manages may shorten that. */
		PERFORM recall._require(suppress.tenant_id, 'manage');
	END IF;
	PERFORM recall._log(suppress.tenant_id, 'suppression', suppress.number, 'suppress',
		detail => jsonb_strip_nulls(jsonb_build_object('task_id', suppress.task_id, 'from', old, 'until', lasting, 'reason', suppress.reason)));
END $$;
COMMENT ON FUNCTION recall.suppress(int, text, timestamptz, text, bigint) IS
'Puts a number on the do-not-call list, until some time (null: for good), for one task or, with a null task_id, for the whole tenant; once more replaces the time and the reason, but only the right to manage can shorten the time. A suppressed number is skipped; a contact all of whose numbers are suppressed is not recalled. number: "+" and 7 to 15 digits (ITU-T E.164); reason: up to 200 characters. Right: dial or manage. Errors: 42501; 22P02 a number; 22023 a time that is over, a reason too long.';

CREATE FUNCTION recall.unsuppress(tenant_id int, number text, task_id bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	was_suppressed boolean;
	was_erased boolean := false;
	old recall.suppression;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._require_scope(tenant_id, task_id);
	PERFORM recall._check_numbers(ARRAY[number]);

	DELETE FROM recall.suppression s
	WHERE s.tenant_id = unsuppress.tenant_id AND s.number = unsuppress.number COLLATE "default"
	AND s.task_id IS NOT DISTINCT FROM unsuppress.task_id
	RETURNING * INTO old;
	was_suppressed := FOUND;
	IF task_id IS NULL THEN
		DELETE FROM recall.erased_number e
		USING recall.erasure_key k
		WHERE k.tenant_id = unsuppress.tenant_id AND e.tenant_id = k.tenant_id
		AND e.number_hash = recall._number_hash(k.key, unsuppress.number);
		was_erased := FOUND;
	END IF;
	IF was_suppressed OR was_erased THEN
		PERFORM recall._log(tenant_id, 'suppression', number, 'unsuppress',
			detail => jsonb_strip_nulls(jsonb_build_object('task_id', task_id, 'from', old.until, 'reason', old.reason)));
	END IF;
	RETURN was_suppressed OR was_erased;
END $$;
COMMENT ON FUNCTION recall.unsuppress(int, text, bigint) IS
'Takes a number off the do-not-call list of a task or, with a null task_id, of the whole tenant, and tells whether it was on it; one list says nothing of the other. That of the tenant also holds the numbers that were erased. Right: manage. Errors: 42501; 22P02 a number.';

CREATE FUNCTION recall._suppressed_numbers(tenant_id int, task_id bigint, numbers text[], at timestamptz) RETURNS text[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT pg_catalog.array_agg(s.number)
	FROM recall.suppression s
	WHERE s.tenant_id = _suppressed_numbers.tenant_id AND s.number = ANY (numbers)
	AND (s.task_id IS NULL OR s.task_id = _suppressed_numbers.task_id)
	AND s.until > at;
END;
COMMENT ON FUNCTION recall._suppressed_numbers(int, bigint, text[], timestamptz) IS
'Those of some numbers that a task may not call at an instant; null when there are none.';
/*
 * The judgement of a batch: what a policy says about each of its contacts. Preview, recycle, explain and simulate
 * ask this one function, so that their answers agree to the row.
 */

/* Each step is a look-up by a key, whatever the planner thinks of loops or of the tenant: hence each OFFSET 0. */
CREATE FUNCTION recall._calls_to_number(tenant_id int, number text) RETURNS recall.history
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
SET gin_fuzzy_search_limit = 0 AS $$ -- which anybody may set, and which would make the index leave contacts out
#variable_conflict use_column
DECLARE
	calls recall.history;
BEGIN
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at) INTO calls
	FROM (
		SELECT i.*
		FROM (
			SELECT c.tenant_id, c.batch_id, c.contact_id FROM recall.contact c
			WHERE recall._number_keys(c.tenant_id, c.numbers) @> recall._number_keys(_calls_to_number.tenant_id, ARRAY[_calls_to_number.number])
			OFFSET 0) owner
		CROSS JOIN LATERAL (
			SELECT k.* FROM recall.call k
			WHERE k.tenant_id = _calls_to_number.tenant_id AND k.batch_id = owner.batch_id AND k.contact_id = owner.contact_id
			AND k.number = _calls_to_number.number
			OFFSET 0) i
		WHERE owner.tenant_id = _calls_to_number.tenant_id
		ORDER BY i.started_at DESC
		LIMIT 10000 -- no policy counts as many
	) k;
	RETURN calls;
END $$;
COMMENT ON FUNCTION recall._calls_to_number(int, text) IS
'The latest 10 000 calls to a number, whichever contacts of the tenant they were made to.';

CREATE FUNCTION recall._calls_to_numbers(tenant_id int, numbers text[]) RETURNS recall.history
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_calls_to_numbers';
COMMENT ON FUNCTION recall._calls_to_numbers(int, text[]) IS
'The calls to each of some numbers, as _calls_to_number() finds them. In a statement each number is looked up once.';

/* One row, so that each of its parts is read once for all contacts of a statement. */
CREATE FUNCTION recall._campaign(tenant_id int, batch_id bigint, policy recall.policy,
	OUT task_id bigint, OUT calling_hours recall.calling_hours, OUT time_zone text, OUT holidays date[], OUT suppresses boolean,
	OUT counts_per_number boolean, OUT first_contact bigint, OUT last_contact bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT t.task_id, t.calling_hours, n.time_zone, n.holidays,
		EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _campaign.tenant_id),
		coalesce(recall._has_limits(_campaign.policy, true), false),
		(SELECT min(c.contact_id) FROM recall.contact c WHERE c.tenant_id = _campaign.tenant_id AND c.batch_id = _campaign.batch_id),
		(SELECT max(c.contact_id) FROM recall.contact c WHERE c.tenant_id = _campaign.tenant_id AND c.batch_id = _campaign.batch_id)
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = _campaign.tenant_id AND b.batch_id = _campaign.batch_id;
END;
COMMENT ON FUNCTION recall._campaign(int, bigint, recall.policy) IS
'What the contacts of a batch have in common: the task and its calling hours, the tenant''s zone and holidays, whether the tenant suppresses any number, whether the policy counts other contacts'' calls to the same number, and the first and the last of the contacts.';

CREATE FUNCTION recall._judge(
	tenant_id int, batch_id bigint, policy recall.policy, at timestamptz, asked_at timestamptz DEFAULT 'infinity',
	after_contact bigint DEFAULT 0, upto_contact bigint DEFAULT 9223372036854775807)
RETURNS TABLE (
	contact_id bigint, priority int, attempts int, failure_cause recall.failure_cause, business_result text, number text,
	verdict recall.verdict, rule int, reason text, due_at timestamptz, calls bigint, made int)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
	WITH campaign AS MATERIALIZED (
		SELECT * FROM recall._campaign(_judge.tenant_id, _judge.batch_id, _judge.policy)
	), judged AS (
		SELECT c.contact_id, c.priority, k.recorded_at, k.calls, CASE WHEN d.lease_until <= at THEN 'unknown' ELSE d.state END AS state,
			coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)) AS time_zone,
			recall.judge(_judge.policy, k.history, c.numbers, coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)),
				CASE WHEN (SELECT a.suppresses FROM campaign a) THEN
					recall._suppressed_numbers(_judge.tenant_id, (SELECT a.task_id FROM campaign a), c.numbers, at) END,
				CASE WHEN (SELECT a.counts_per_number FROM campaign a) THEN
					recall._calls_to_numbers(_judge.tenant_id, c.numbers) END) AS judgement,
			recall._replay(_judge.policy, k.history, c.numbers, coalesce(c.time_zone, (SELECT a.time_zone FROM campaign a)),
				NULL,
				CASE WHEN (SELECT a.counts_per_number FROM campaign a) THEN
					recall._calls_to_numbers(_judge.tenant_id, c.numbers) END) AS made
		FROM recall.contact c
		LEFT JOIN (
			SELECT i.contact_id, max(i.recorded_at) AS recorded_at, count(*) AS calls,
				recall.history(i.attempt, i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at) AS history
			FROM recall.call i
			WHERE i.tenant_id = _judge.tenant_id AND i.batch_id = _judge.batch_id
			AND i.contact_id > after_contact AND i.contact_id <= upto_contact
			GROUP BY i.contact_id
		) k ON k.contact_id = c.contact_id
		LEFT JOIN recall.dial d
			ON d.tenant_id = _judge.tenant_id AND d.contact_id = c.contact_id
			AND d.contact_id > after_contact AND d.contact_id <= upto_contact
			AND d.contact_id >= (SELECT a.first_contact FROM campaign a) AND d.contact_id <= (SELECT a.last_contact FROM campaign a)
		WHERE c.tenant_id = _judge.tenant_id AND c.batch_id = _judge.batch_id
		AND c.contact_id > after_contact AND c.contact_id <= upto_contact
		OFFSET 0 -- so that each judgement is made once
	)
	SELECT j.contact_id, j.priority, (j.judgement).attempts, (j.judgement).failure_cause, (j.judgement).business_result,
		(j.judgement).number, v.verdict, (j.judgement).rule, v.reason, o.opens_at, coalesce(j.calls, 0), j.made
	FROM judged j
	CROSS JOIN LATERAL (
		/* Where hours that were open then never open again, there is no due time. */
		SELECT CASE WHEN (j.judgement).verdict = 'recall'
			AND ((j.judgement).due_at >= at OR recall.next_open((SELECT a.calling_hours FROM campaign a), j.time_zone, at,
				(SELECT a.holidays FROM campaign a)) IS NOT NULL)
			THEN recall.next_open((SELECT a.calling_hours FROM campaign a), j.time_zone, (j.judgement).due_at,
				(SELECT a.holidays FROM campaign a)) END AS opens_at
	) o
	CROSS JOIN LATERAL (
		SELECT
			CASE
				WHEN j.state = 'unknown' THEN 'unknown'
				WHEN j.state = 'claimed' THEN 'queued'
				WHEN (j.judgement).verdict = 'new' THEN 'new'
				WHEN j.state = 'ready' THEN 'queued'
				WHEN j.recorded_at > asked_at THEN 'done'
				WHEN (j.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'closed'
				ELSE (j.judgement).verdict
			END AS verdict,
			CASE
				WHEN j.state = 'unknown' THEN 'a call is out whose outcome is unknown'
				WHEN j.state = 'claimed' THEN 'a call is out with a dialer'
				WHEN (j.judgement).verdict = 'new' THEN (j.judgement).reason
				WHEN j.state = 'ready' THEN 'a re-dial is waiting already'
				WHEN j.recorded_at > asked_at THEN 'called since the recycle was asked for'
				WHEN (j.judgement).verdict = 'recall' AND o.opens_at IS NULL THEN 'the calling hours never open'
				ELSE (j.judgement).reason
			END AS reason
	) v;
END;
COMMENT ON FUNCTION recall._judge(int, bigint, recall.policy, timestamptz, timestamptz, bigint, bigint) IS
'What a policy says at an instant about the contacts of a batch behind one contact and up to another: the latest call, the verdict with the rule that decided and the reason, when and on which number the contact may be dialled, its calls, and how many of them the policy would have made. Calls recorded after asked_at are not known to whoever asked. For a caller whose arguments are not volatile, so that this becomes part of the caller''s statement and what is not asked for is left out; and who has set enable_nestloop off: each of the three tables is one range of an index, and no wrong estimate may lead to walking a range again and again.';
/* Recycle records: asking for a batch to be recalled, and what can be done to the request. */

CREATE FUNCTION recall._shut_gate(tenant_id int, batch_id bigint, OUT message text, OUT hint text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT
		CASE
			WHEN n.obs_url_mode <> 'http' THEN format('obs_url_mode of tenant %s is "%s", not "http"', n.tenant_id, n.obs_url_mode)
			WHEN t.task_type = 'manual' THEN format('task %s is of type "manual", which cannot be recalled', t.task_id)
			WHEN t.policy IS NULL THEN format('the recall policy of task %s is not enabled', t.task_id)
			WHEN t.state NOT IN ('executing', 'suspended') THEN format('task %s is in state "%s"', t.task_id, t.state)
			WHEN b.state NOT IN ('started', 'suspended') THEN format('batch %s is in state "%s"', b.batch_id, b.state)
		END,
		CASE
			WHEN n.obs_url_mode <> 'http' THEN
				'Recycling needs HTTP-based interconnection: recall.set_tenant(tenant_id, obs_url_mode => ''http'').'
			WHEN t.task_type = 'manual' THEN
				'Recycling supports tasks of type preview, predicted, preempted, fixed and robot.'
			WHEN t.policy IS NULL THEN 'Enable one with recall.set_policy().'
			WHEN t.state = 'draft' THEN 'Start the task with recall.start_task().'
			WHEN t.state = 'completed' THEN 'A completed task is final; its batches are not recycled.'
			WHEN b.state = 'created' THEN 'Start the batch with recall.start_batch().'
			ELSE 'A finished batch is final; add the contacts to another one.'
		END
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = _shut_gate.tenant_id AND b.batch_id = _shut_gate.batch_id;
END;
COMMENT ON FUNCTION recall._shut_gate(int, bigint) IS
'The first gate that keeps a batch from being recycled, and what to do about it; a null message: all are open.';

CREATE FUNCTION recall._lock_press(tenant_id int, batch_id bigint) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	SELECT recall._lock('press', tenant_id, batch_id, true, true);
END;
COMMENT ON FUNCTION recall._lock_press(int, bigint) IS
'Keeps others from asking for a recycle of a batch, and from finishing it, until the end of the transaction. Only a task is locked before it.';

CREATE FUNCTION recall._start_after(tenant_id int, batch_id bigint) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce((
		SELECT CASE WHEN r.emitted < r.matched THEN r.last_emitted ELSE 0 END
		FROM recall.recycle r
		WHERE r.tenant_id = _start_after.tenant_id AND r.batch_id = _start_after.batch_id AND r.state = 'completed'
		ORDER BY r.recycle_id DESC
		LIMIT 1), 0);
END;
COMMENT ON FUNCTION recall._start_after(int, bigint) IS
'The contact behind which the next recycle of a batch starts: where the latest one was capped, else 0.';

/* A clock that was set back would put calls behind a press that came after them, and nobody would recall those. */
CREATE FUNCTION recall._now_for(tenant_id int, batch_id bigint) RETURNS timestamptz
LANGUAGE sql
BEGIN ATOMIC
	SELECT greatest(pg_catalog.clock_timestamp(), (SELECT max(k.recorded_at) FROM recall.call k
		WHERE k.tenant_id = _now_for.tenant_id AND k.batch_id = _now_for.batch_id));
END;
COMMENT ON FUNCTION recall._now_for(int, bigint) IS
'The time, but not before the calls of a batch that are recorded already.';

CREATE FUNCTION recall.recycle(tenant_id int, batch_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate record;
	unfinished record;
	created bigint;
	start_after bigint;
	asked_at timestamptz;
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM recall._lock_press(tenant_id, batch_id);
	PERFORM recall._batch(tenant_id, batch_id);
	SELECT * INTO gate FROM recall._shut_gate(tenant_id, batch_id);
	IF gate.message IS NOT NULL THEN
		PERFORM recall._refuse(gate.message, gate.hint);
	END IF;
	SELECT r.recycle_id, r.state INTO unfinished FROM recall.recycle r
	WHERE r.tenant_id = recycle.tenant_id AND r.batch_id = recycle.batch_id
	AND r.state IN ('waiting', 'running', 'paused', 'failed');
	IF FOUND THEN
		PERFORM recall._refuse(
			format('batch %s has an unfinished recycle record: %s is in state "%s"', batch_id, unfinished.recycle_id, unfinished.state),
			CASE unfinished.state
				WHEN 'failed' THEN 'Retry it with recall.retry_recycle(), or cancel it with recall.cancel_recycle().'
				WHEN 'paused' THEN 'Resume it with recall.resume_recycle(), or cancel it with recall.cancel_recycle().'
				ELSE 'Wait until the processor has completed it, or cancel it with recall.cancel_recycle().'
			END);
	END IF;

	created := recall._next_id(tenant_id, 'recycle');
	start_after := recall._start_after(tenant_id, batch_id);
	asked_at := recall._now_for(tenant_id, batch_id);
	INSERT INTO recall.recycle (tenant_id, recycle_id, batch_id, policy, requested_by, requested_at, cap, start_after, last_contact)
	SELECT b.tenant_id, created, b.batch_id, t.policy, pg_get_userbyid(recall._caller()), asked_at,
		n.recycle_limit, start_after, start_after
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	WHERE b.tenant_id = recycle.tenant_id AND b.batch_id = recycle.batch_id;
	PERFORM recall._log(tenant_id, 'recycle', created::text, 'request', to_state => 'waiting',
		detail => jsonb_build_object('batch_id', batch_id));
	RETURN created;
END $$;
COMMENT ON FUNCTION recall.recycle(int, bigint) IS
'Asks for a batch to be recalled: adds a waiting recycle record with a snapshot of the task''s policy and the tenant''s limit, and returns its id. The processor turns it into re-dial rows. Right: recycle. Errors: 42501; 55000 a gate is shut: obs_url_mode, task type, no policy, task or batch not started, or a record is unfinished for the batch.';

CREATE FUNCTION recall._move_recycle(tenant_id int, recycle_id bigint, action text, new_state recall.recycle_state)
RETURNS recall.recycle
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	old recall.recycle;
	moved recall.recycle;
BEGIN
	SELECT * INTO old FROM recall.recycle r
	WHERE r.tenant_id = _move_recycle.tenant_id AND r.recycle_id = _move_recycle.recycle_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('recycle record %s of tenant %s', recycle_id, tenant_id));
	END IF;
	UPDATE recall.recycle r
	SET state = recall.transition('recycle', r.state, new_state),
		started_at = CASE WHEN new_state = 'running' THEN coalesce(r.started_at, clock_timestamp()) ELSE r.started_at END,
		finished_at = CASE WHEN new_state IN ('completed', 'cancelled') THEN clock_timestamp() END,
		advanced_at = clock_timestamp(),
		error = CASE WHEN new_state IN ('failed', 'cancelled') THEN r.error END
	WHERE r.tenant_id = _move_recycle.tenant_id AND r.recycle_id = _move_recycle.recycle_id
	RETURNING * INTO moved;
	PERFORM recall._log(tenant_id, 'recycle', recycle_id::text, action, old.state::text, new_state::text);
	RETURN moved;
END $$;
COMMENT ON FUNCTION recall._move_recycle(int, bigint, text, recall.recycle_state) IS
'Moves a recycle record to a state and notes it. Errors: 42501; 55000 an illegal move.';

CREATE FUNCTION recall._withdraw(tenant_id int, recycle_id bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
	batch bigint := (SELECT r.batch_id FROM recall.recycle r
		WHERE r.tenant_id = _withdraw.tenant_id AND r.recycle_id = _withdraw.recycle_id);
	taken_back bigint;
BEGIN
	PERFORM recall._lock_batch(tenant_id, batch, true);
	DELETE FROM recall.dial d
	USING recall.contact c
	WHERE c.tenant_id = _withdraw.tenant_id AND c.batch_id = batch
	AND d.tenant_id = _withdraw.tenant_id AND d.contact_id = c.contact_id
	AND d.recycle_id = _withdraw.recycle_id AND d.state = 'ready';
	GET DIAGNOSTICS taken_back = ROW_COUNT;
	UPDATE recall.recycle r SET withdrawn = r.withdrawn + taken_back
	WHERE r.tenant_id = _withdraw.tenant_id AND r.recycle_id = _withdraw.recycle_id;
	PERFORM recall._log(tenant_id, 'recycle', recycle_id::text, 'withdraw',
		detail => jsonb_build_object('withdrawn', taken_back));
	RETURN taken_back;
END $$;
COMMENT ON FUNCTION recall._withdraw(int, bigint) IS
'Takes back the ready permits of a recycle record, counts them in it and returns how many. The record is locked by the caller.';

CREATE FUNCTION recall.cancel_recycle(tenant_id int, recycle_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM recall._move_recycle(tenant_id, recycle_id, 'cancel', 'cancelled');
	PERFORM recall._withdraw(tenant_id, recycle_id);
END $$;
COMMENT ON FUNCTION recall.cancel_recycle(int, bigint) IS
'Cancels an unfinished recycle record and takes back its re-dial rows that no dialer has claimed. Right: recycle. Errors: 42501; 55000 the record is completed or cancelled.';

CREATE FUNCTION recall.pause_recycle(tenant_id int, recycle_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM recall._move_recycle(tenant_id, recycle_id, 'pause', 'paused');
END $$;
COMMENT ON FUNCTION recall.pause_recycle(int, bigint) IS
'Pauses a running recycle record; re-dial rows made so far stay. Right: recycle. Errors: 42501; 55000 the record is not running.';

CREATE FUNCTION recall.resume_recycle(tenant_id int, recycle_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	IF (SELECT r.state FROM recall.recycle r
		WHERE r.tenant_id = resume_recycle.tenant_id AND r.recycle_id = resume_recycle.recycle_id) = 'waiting'
	THEN
		PERFORM recall._refuse(format('recycle record %s is in state "waiting", not "paused"', recycle_id),
			'The processor takes it up by itself.');
	END IF;
	PERFORM recall._move_recycle(tenant_id, recycle_id, 'resume', 'running');
END $$;
COMMENT ON FUNCTION recall.resume_recycle(int, bigint) IS
'Lets a paused recycle record go on where it stopped, at the processor''s next run. Right: recycle. Errors: 42501; 55000 the record is not paused.';

CREATE FUNCTION recall.retry_recycle(tenant_id int, recycle_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM recall._move_recycle(tenant_id, recycle_id, 'retry', 'waiting');
END $$;
COMMENT ON FUNCTION recall.retry_recycle(int, bigint) IS
'Lets a failed recycle record go on where it failed, at the processor''s next run. Right: recycle. Errors: 42501; 55000 the record has not failed.';

CREATE FUNCTION recall.withdraw_recycle(tenant_id int, recycle_id bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'recycle');
	PERFORM FROM recall.recycle r
	WHERE r.tenant_id = withdraw_recycle.tenant_id AND r.recycle_id = withdraw_recycle.recycle_id
	FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('recycle record %s of tenant %s', recycle_id, tenant_id));
	END IF;
	RETURN recall._withdraw(tenant_id, recycle_id);
END $$;
COMMENT ON FUNCTION recall.withdraw_recycle(int, bigint) IS
'Takes back the re-dial rows of a recycle record, whatever its state, that no dialer has claimed, and returns how many; their contacts can be recycled again. Right: recycle. Errors: 42501.';

/* Ending a batch or a task ends what is asked for it: that is why these stand here. */

CREATE FUNCTION recall._finish_batch(tenant_id int, batch_id bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
	unfinished bigint;
	withdrawn bigint;
BEGIN
	/* Nobody presses while the press is locked; the records are locked before the batch, in their order. */
	PERFORM recall._lock_press(tenant_id, batch_id);
	PERFORM FROM recall.recycle r
	WHERE r.tenant_id = _finish_batch.tenant_id AND r.batch_id = _finish_batch.batch_id
	ORDER BY r.recycle_id
	FOR NO KEY UPDATE;
	SELECT r.recycle_id INTO unfinished FROM recall.recycle r
	WHERE r.tenant_id = _finish_batch.tenant_id AND r.batch_id = _finish_batch.batch_id
	AND r.state IN ('waiting', 'running', 'paused', 'failed');
	IF FOUND THEN
		PERFORM recall._move_recycle(tenant_id, unfinished, 'cancel', 'cancelled');
	END IF;
	PERFORM recall._move_batch(tenant_id, batch_id, 'finish', 'finished');

	WITH gone AS (
		DELETE FROM recall.dial d
		USING recall.contact c
		WHERE c.tenant_id = _finish_batch.tenant_id AND c.batch_id = _finish_batch.batch_id
		AND d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id AND d.state = 'ready'
		RETURNING d.recycle_id
	), counted AS (
		UPDATE recall.recycle r SET withdrawn = r.withdrawn + g.permits
		FROM (SELECT recycle_id, count(*) AS permits FROM gone WHERE recycle_id IS NOT NULL GROUP BY recycle_id) g
		WHERE r.tenant_id = _finish_batch.tenant_id AND r.recycle_id = g.recycle_id
	)
	SELECT count(*) INTO withdrawn FROM gone;
	PERFORM recall._log(tenant_id, 'batch', batch_id::text, 'withdraw', detail => jsonb_build_object('withdrawn', withdrawn));
END $$;
COMMENT ON FUNCTION recall._finish_batch(int, bigint) IS
'Finishes a batch: cancels its unfinished recycle record and deletes its ready permits.';

CREATE FUNCTION recall.finish_batch(tenant_id int, batch_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM recall._finish_batch(tenant_id, batch_id);
END $$;
COMMENT ON FUNCTION recall.finish_batch(int, bigint) IS
'Finishes a batch for good: nobody is recalled from it any more. Cancels its unfinished recycle record and deletes its permits that no dialer has claimed. Right: manage. Errors: 42501; 55000 an illegal move.';

CREATE FUNCTION recall.complete_task(tenant_id int, task_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch bigint;
BEGIN
	PERFORM recall._require(tenant_id, 'manage');
	PERFORM FROM recall.task t
	WHERE t.tenant_id = complete_task.tenant_id AND t.task_id = complete_task.task_id
	FOR NO KEY UPDATE;
	FOR batch IN
		SELECT b.batch_id FROM recall.batch b
		WHERE b.tenant_id = complete_task.tenant_id AND b.task_id = complete_task.task_id
		AND b.state IN ('started', 'suspended')
		ORDER BY b.batch_id
	LOOP
		PERFORM recall._finish_batch(tenant_id, batch);
	END LOOP;
	PERFORM recall._move_task(tenant_id, task_id, 'complete', 'completed');
END $$;
COMMENT ON FUNCTION recall.complete_task(int, bigint) IS
'Completes a task for good and finishes its started batches, as finish_batch() does. Right: manage. Errors: 42501; 55000 an illegal move.';

/* The preview: the judgement of a batch, counted. */

CREATE FUNCTION recall._outcome(failure_cause recall.failure_cause, business_result text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.concat_ws(': ', coalesce(failure_cause::text, 'answered'), business_result);
COMMENT ON FUNCTION recall._outcome(recall.failure_cause, text) IS
'How a call ended, for people: "busy", "answered: sold".';

CREATE FUNCTION recall._preview(tenant_id int, batch_id bigint, policy recall.policy, at timestamptz)
RETURNS TABLE (outcome text, verdict recall.verdict, reason text, contacts bigint, earliest timestamptz, calls bigint, made bigint,
	missed bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH cap AS (
		SELECT n.recycle_limit, recall._start_after(_preview.tenant_id, _preview.batch_id) AS start_after
		FROM recall.tenant n WHERE n.tenant_id = _preview.tenant_id
	), ranked AS (
		SELECT j.*, j.verdict = 'recall' AND row_number() OVER (
			PARTITION BY j.verdict ORDER BY j.contact_id <= (SELECT cap.start_after FROM cap), j.contact_id)
			> (SELECT cap.recycle_limit FROM cap) AS is_over_cap
		FROM recall._judge(_preview.tenant_id, _preview.batch_id, _preview.policy, at) j
	)
	SELECT CASE WHEN r.attempts IS NULL THEN 'none' ELSE recall._outcome(r.failure_cause, r.business_result) END,
		CASE WHEN r.is_over_cap THEN 'over_cap' ELSE r.verdict END,
		CASE WHEN r.is_over_cap
			THEN format('over the tenant''s limit of %s; the next recycle goes on there', (SELECT cap.recycle_limit FROM cap))
			ELSE r.reason END,
		count(*), min(r.due_at) FILTER (WHERE r.verdict = 'recall'), sum(r.calls)::bigint, sum(r.made)::bigint,
		count(*) FILTER (WHERE r.made < r.calls)
	FROM ranked r
	GROUP BY r.attempts IS NULL, r.failure_cause, r.business_result, r.is_over_cap, r.verdict, r.reason
	ORDER BY 2, 4 DESC, 1, 3;
END;
COMMENT ON FUNCTION recall._preview(int, bigint, recall.policy, timestamptz) IS
'The contacts of a batch by the outcome of their latest call, verdict and reason, with what the policy would have done with their calls.';

CREATE FUNCTION recall._policy_to_ask(tenant_id int, batch_id bigint, given recall.policy) RETURNS recall.policy
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch recall.batch := recall._batch(tenant_id, batch_id);
	asked recall.policy := coalesce(given, (recall._task(tenant_id, batch.task_id)).policy);
BEGIN
	IF asked IS NULL THEN
		PERFORM recall._refuse(format('the recall policy of the task of batch %s is not enabled', batch_id),
			'Enable one with recall.set_policy(), or give a policy.');
	END IF;
	PERFORM recall._check_policy(tenant_id, asked);
	RETURN asked;
END $$;
COMMENT ON FUNCTION recall._policy_to_ask(int, bigint, recall.policy) IS
'The policy that is given, or else that of the batch''s task. Errors: 42501 no such batch; 55000 there is none; 22023 a business result that the tenant has not.';

CREATE FUNCTION recall.preview(tenant_id int, batch_id bigint, policy recall.policy DEFAULT NULL)
RETURNS TABLE (outcome text, verdict text, reason text, contacts bigint, earliest timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_nestloop = off SET enable_hashagg = off AS $$
#variable_conflict use_column
DECLARE
	asked recall.policy;
BEGIN
	PERFORM recall._require(preview.tenant_id, 'read');
	asked := recall._policy_to_ask(preview.tenant_id, preview.batch_id, preview.policy);
	RETURN QUERY
	SELECT p.outcome, p.verdict::text, p.reason, p.contacts, p.earliest
	FROM recall._preview(preview.tenant_id, preview.batch_id, asked, now()) p;
END $$;
COMMENT ON FUNCTION recall.preview(int, bigint, recall.policy) IS
'The confirmation page: how many contacts of a batch a recycle would recall now, by the outcome of their latest call, the verdict and the reason; the counts sum to the batch. policy: null = the task''s. earliest: the first due time. Right: read. Errors: 42501; 55000 no policy is enabled or given; 22023 a business result that the tenant has not.';
/* Why is this contact not called, and when will it be? Every check, in its order, with the figures behind it. */

CREATE FUNCTION recall._local_time(instant timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN pg_catalog.isfinite(instant)
		THEN pg_catalog.to_char(instant AT TIME ZONE time_zone, 'YYYY-MM-DD HH24:MI:SS ') || time_zone
		ELSE instant::text END;
END;
COMMENT ON FUNCTION recall._local_time(timestamptz, text) IS 'An instant by the callee''s clock, for people.';

CREATE FUNCTION recall._explain_finding(
	finding recall._finding, item_text text, latest recall.call, at timestamptz, time_zone text,
	OUT check_name text, OUT passed boolean, OUT detail text)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT (finding).check_name,
		(finding).passed AND coalesce((finding).instant <= at, true),
		CASE (finding).check_name
			WHEN 'called' THEN CASE (finding).used
				WHEN 0 THEN 'not called yet'
				ELSE format('calls: %s; the latest, attempt %s on %s, ended as %s at %s', (finding).used, (latest).attempt,
					(latest).number, recall._outcome((latest).failure_cause, (latest).business_result), u.latest_end) END
			WHEN 'never' THEN CASE
				WHEN (finding).passed THEN 'no rule says never to the contact'
				ELSE format('a rule says never to attempt %s: %s', (finding).used, item_text) END
			WHEN 'platform' THEN format('latest calls in a row that failed on the side of an agent or the platform: %s; %s stop the contact',
				(finding).used, (finding).allowed)
			WHEN 'rule' THEN CASE
				WHEN (finding).passed THEN format('rule %s recalls the latest call: %s', (finding).item, item_text)
				WHEN (finding).item IS NULL THEN 'no rule recalls the latest call'
				ELSE format('rule %s says never to the latest call: %s', (finding).item, item_text) END
			WHEN 'limit' THEN format('calls used: %s of %s: %s', (finding).used, (finding).allowed, item_text)
			WHEN 'max' THEN format('calls that the rule matched: %s, at most %s: %s', (finding).used, (finding).allowed, item_text)
			WHEN 'invalid number' THEN format(CASE
				WHEN (finding).passed THEN '%s: no call failed for good' ELSE '%s: a call failed for good' END, (finding).number)
			WHEN 'number limit' THEN format('%s: calls used: %s of %s: %s', (finding).number, (finding).used, (finding).allowed, item_text)
			WHEN 'suppression' THEN CASE
				WHEN (finding).passed THEN format('%s: not suppressed', (finding).number)
				ELSE item_text END
			WHEN 'number' THEN coalesce((finding).number || ' is the number to call', 'no number is left')
			WHEN 'delay' THEN format('match %s of the rule is due from %s on: %s', (finding).used, u.instant, item_text)
			ELSE CASE
				WHEN (finding).instant IS NULL THEN format('holds nothing up: %s', item_text)
				ELSE format('a call is allowed from %s on: %s', u.instant, item_text) END
		END
	FROM (SELECT recall._local_time((finding).instant, time_zone) AS instant,
		recall._local_time((latest).ended_at, time_zone) AS latest_end) u;
END;
COMMENT ON FUNCTION recall._explain_finding(recall._finding, text, recall.call, timestamptz, text) IS
'A finding of the judge in words; item_text is the rule, limit, quiet or suppression that it is about. It has passed when nothing, or nothing any more at the instant, keeps the contact from being called.';

CREATE FUNCTION recall._explain_suppression(tenant_id int, task_id bigint, number text, at timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT _explain_suppression.number || ': ' || pg_catalog.string_agg(pg_catalog.concat(
			CASE WHEN s.task_id IS NULL THEN 'suppressed' ELSE 'suppressed by the task' END,
			CASE WHEN pg_catalog.isfinite(s.until) THEN ' until ' || recall._local_time(s.until, _explain_suppression.time_zone)
				ELSE ' for good' END,
			', ' || s.reason), '; ' ORDER BY s.task_id NULLS FIRST)
	FROM recall.suppression s
	WHERE s.tenant_id = _explain_suppression.tenant_id AND s.number = _explain_suppression.number
	AND (s.task_id IS NULL OR s.task_id = _explain_suppression.task_id) AND (s.until > at OR s.until = 'infinity');
END;
COMMENT ON FUNCTION recall._explain_suppression(int, bigint, text, timestamptz, text) IS
'Until when and why a task does not call a number, in words; null when it may.';

CREATE FUNCTION recall._explain_judgement(
	contact recall.contact, policy recall.policy, task_id bigint, counts_per_number boolean, at timestamptz, time_zone text)
RETURNS TABLE (check_name text, passed boolean, detail text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT e.check_name, e.passed, e.detail
	FROM pg_catalog.unnest(recall._findings(policy,
			(SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
				FROM recall.call k
				WHERE k.tenant_id = (contact).tenant_id AND k.batch_id = (contact).batch_id
				AND k.contact_id = (contact).contact_id),
			(contact).numbers, time_zone,
			recall._suppressed_numbers((contact).tenant_id, task_id, (contact).numbers, at),
			CASE WHEN counts_per_number THEN recall._calls_to_numbers((contact).tenant_id, (contact).numbers) END))
		WITH ORDINALITY AS f(check_name, passed, item, number, used, allowed, instant, step)
	LEFT JOIN recall.policy_rules(policy) r
		ON f.check_name IN ('never', 'rule', 'max', 'number', 'delay') AND r.rule = f.item
	LEFT JOIN recall.policy_limits(policy) l
		ON f.check_name IN ('limit', 'number limit', 'period') AND l.kind = 'limit' AND l.item = f.item
	LEFT JOIN LATERAL (
		SELECT q.text FROM recall.policy_limits(policy) q WHERE q.kind = 'quiet' ORDER BY q.item OFFSET f.item - 1 LIMIT 1
	) q ON f.check_name = 'quiet'
	LEFT JOIN LATERAL (
		SELECT k.* FROM recall.call k
		WHERE k.tenant_id = (contact).tenant_id AND k.batch_id = (contact).batch_id AND k.contact_id = (contact).contact_id
		ORDER BY k.attempt DESC LIMIT 1
	) latest ON true
	CROSS JOIN LATERAL recall._explain_finding(
		ROW(f.check_name, f.passed, f.item, f.number, f.used, f.allowed, f.instant)::recall._finding,
		coalesce(r.text, l.text, q.text, recall._explain_suppression((contact).tenant_id, task_id, f.number, at, time_zone)),
		latest, at, time_zone) e
	ORDER BY f.step;
END;
COMMENT ON FUNCTION recall._explain_judgement(recall.contact, recall.policy, bigint, boolean, timestamptz, text) IS
'The checks of the judge for a contact, in words.';

CREATE FUNCTION recall._explain_campaign(tenant_id int, batch_id bigint)
RETURNS TABLE (check_name text, passed boolean, detail text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT v.check_name, v.passed, v.detail
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	JOIN recall.tenant n ON n.tenant_id = b.tenant_id
	CROSS JOIN LATERAL (VALUES
		(1, 'interconnection', n.obs_url_mode = 'http', format('obs_url_mode of the tenant is "%s"; recycling needs "http"', n.obs_url_mode)),
		(2, 'task type', t.task_type <> 'manual', format('task %s "%s" is of type "%s"', t.task_id, t.name, t.task_type)),
		(3, 'policy', t.policy IS NOT NULL, coalesce(t.policy::text, 'recall is not enabled: the task has no policy')),
		(4, 'task', t.state = 'executing', format('task %s "%s" is %s', t.task_id, t.name, t.state)),
		(5, 'batch', b.state = 'started', format('batch %s "%s" is %s', b.batch_id, b.name, b.state)))
		AS v(step, check_name, passed, detail)
	WHERE b.tenant_id = _explain_campaign.tenant_id AND b.batch_id = _explain_campaign.batch_id
	ORDER BY v.step;
END;
COMMENT ON FUNCTION recall._explain_campaign(int, bigint) IS
'The checks that are the same for all contacts of a batch: what must be so for any of them to be recycled and called now.';

CREATE FUNCTION recall._explain_permit(permit recall.dial, time_zone text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE (permit).state
		WHEN 'ready' THEN format('a permit for attempt %s on %s waits, due from %s on', (permit).attempt, (permit).number,
			recall._local_time((permit).due_at, time_zone))
		WHEN 'claimed' THEN format('attempt %s on %s is out with a dialer', (permit).attempt, (permit).number)
		WHEN 'unknown' THEN format('the outcome of attempt %s on %s is unknown', (permit).attempt, (permit).number)
		ELSE 'no permit waits and no call is out' END;
END;
COMMENT ON FUNCTION recall._explain_permit(recall.dial, text) IS 'A contact''s permit, or that it has none, in words.';

/* What claim() asks, but for the moment of the claim itself. */
CREATE FUNCTION recall._explain_claim(permit recall.dial, contact recall.contact, time_zone text, at timestamptz, OUT passed boolean, OUT detail text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	terms recall._terms := recall._terms(permit.tenant_id, permit.task_id);
	snapshot recall.policy := (SELECT r.policy FROM recall.recycle r
		WHERE r.tenant_id = permit.tenant_id AND r.recycle_id = permit.recycle_id AND r.policy IS DISTINCT FROM terms.policy);
	admission recall._admission := recall._admission(permit.tenant_id, permit.task_id, permit.batch_id, permit.contact_id, contact.numbers,
		permit.number, time_zone, terms.policy, snapshot, at);
	opens_at timestamptz := recall.next_open(terms.calling_hours, time_zone, greatest(at, permit.due_at, admission.not_before), terms.holidays);
	is_out boolean := EXISTS (SELECT FROM recall.dial d
		WHERE d.tenant_id = permit.tenant_id AND d.number = admission.number AND d.state <> 'ready');
BEGIN
	detail := CASE
		WHEN terms.state <> 'executing' THEN format('the task is in state "%s"', terms.state)
		WHEN permit.batch_id = ANY (terms.suspended) THEN 'the batch is suspended'
		WHEN permit.recycle_id = ANY (terms.paused) THEN format('recycle record %s is paused', permit.recycle_id)
		WHEN admission.reason IS NOT NULL THEN format('it will be taken out: %s', admission.reason)
		WHEN opens_at IS NULL THEN 'it will be taken out: the calling hours never open'
		WHEN opens_at > at THEN format('on %s, not before %s', admission.number, recall._local_time(opens_at, time_zone))
		WHEN is_out THEN format('a call to %s is out', admission.number)
		ELSE format('on %s, now', admission.number) END;
	passed := terms.state = 'executing' AND permit.batch_id <> ALL (terms.suspended) AND (permit.recycle_id = ANY (terms.paused)) IS NOT TRUE
		AND coalesce(opens_at = at, false) AND admission.reason IS NULL AND NOT is_out;
END $$;
COMMENT ON FUNCTION recall._explain_claim(recall.dial, recall.contact, text, timestamptz) IS
'Whether a ready permit may be claimed at an instant, by the states, hours, limits, quiets and the do-not-call list, and what is in the way.';

CREATE FUNCTION recall.explain(tenant_id int, contact_id bigint, at timestamptz DEFAULT now())
RETURNS TABLE (step int, check_name text, passed boolean, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
	contact recall.contact;
	permit recall.dial;
	campaign record;
	asked recall.policy;
	judged record;
	time_zone text;
	opens_at timestamptz;
	instant timestamptz := coalesce(at, now());
	all_passed boolean := true;
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = explain.tenant_id AND c.contact_id = explain.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', explain.contact_id, explain.tenant_id));
	END IF;
	SELECT * INTO permit FROM recall.dial d WHERE d.tenant_id = explain.tenant_id AND d.contact_id = explain.contact_id;
	IF permit.lease_until <= instant THEN
		permit.state := 'unknown';
	END IF;
	SELECT t.policy INTO asked
	FROM recall.batch b JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	WHERE b.tenant_id = explain.tenant_id AND b.batch_id = contact.batch_id;
	SELECT * INTO campaign FROM recall._campaign(explain.tenant_id, contact.batch_id, asked);
	time_zone := coalesce(contact.time_zone, campaign.time_zone);
	opens_at := recall.next_open(campaign.calling_hours, time_zone, instant, campaign.holidays);
	SELECT * INTO judged FROM recall._judge(explain.tenant_id, contact.batch_id, asked, instant, 'infinity',
		contact.contact_id - 1, contact.contact_id);

	step := 0;
	FOR check_name, passed, detail IN
		SELECT * FROM recall._explain_campaign(explain.tenant_id, contact.batch_id)
		UNION ALL
		SELECT 'permit', permit.state IS NULL OR permit.state = 'ready' AND permit.due_at <= instant, recall._explain_permit(permit, time_zone)
		UNION ALL
		SELECT 'claim', k.passed, k.detail FROM recall._explain_claim(permit, contact, time_zone, instant) k WHERE permit.state = 'ready'
		UNION ALL
		SELECT j.* FROM recall._explain_judgement(contact, asked, campaign.task_id, campaign.counts_per_number, instant, time_zone) j
		WHERE asked IS NOT NULL
		UNION ALL
		/* Of a contact that was not called the judge has no more to say. */
		SELECT 'suppression', false, e.detail
		FROM unnest(contact.numbers) n(number)
		CROSS JOIN LATERAL recall._explain_suppression(explain.tenant_id, campaign.task_id, n.number, instant, time_zone) e(detail)
		WHERE judged.calls = 0 AND e.detail IS NOT NULL
		UNION ALL
		SELECT 'calling hours', opens_at IS NOT DISTINCT FROM instant, concat_ws(': ', coalesce(campaign.calling_hours::text, 'at any time'),
			CASE
				WHEN opens_at = instant THEN 'open'
				WHEN opens_at IS NULL THEN 'shut, and they never open again'
				ELSE format('shut; open from %s on', recall._local_time(opens_at, time_zone)) END)
	LOOP
		step := step + 1;
		/* A number that may not be called is in the way only when none is left, which is a check of its own. */
		all_passed := all_passed AND (passed OR check_name IN ('invalid number', 'number limit', 'suppression'));
		detail := recall._show_text(explain.tenant_id, detail);
		RETURN NEXT;
	END LOOP;

	step := step + 1;
	check_name := 'verdict';
	passed := CASE
		WHEN permit.state = 'ready' THEN (recall._explain_claim(permit, contact, time_zone, instant)).passed
		ELSE coalesce(all_passed AND judged.verdict = 'recall' AND judged.due_at <= instant, false) END;
	detail := CASE
		WHEN judged.verdict = 'recall' THEN format('%s: %s; %s, %s %s', judged.verdict, judged.reason, judged.number,
			CASE WHEN judged.due_at <= instant THEN 'due since' ELSE 'not before' END, recall._local_time(judged.due_at, time_zone))
		WHEN permit.state IS NOT NULL THEN format('%s: %s', coalesce(judged.verdict, 'queued'), recall._explain_permit(permit, time_zone))
		WHEN asked IS NULL THEN 'not recalled: recall is not enabled'
		ELSE format('%s: %s', judged.verdict, judged.reason) END;
	detail := recall._show_text(explain.tenant_id, detail);
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION recall.explain(int, bigint, timestamptz) IS
'Why a contact is called at an instant, or is not, and when it will be: a row for each check in its order, with the figures behind it and times by the callee''s clock. passed: it does not stand in the way of a call at that instant. The last row is the verdict that a recycle of the batch by the task''s policy would find, or the permit that waits; it has passed when the contact may be recalled and called at the instant, or the permit claimed. The row "claim" tells what stands in a waiting permit''s way. Without the right to dial or manage numbers are masked. Right: read. Errors: 42501.';
/*
 * What another policy would do, and what it would have done with the calls on record: after each call it is asked
 * whether there is another one; from where it says no, the real calls would not have been made. Times play no part:
 * a call that the policy makes later is taken to end as the real one did.
 */

CREATE FUNCTION recall._require_simulation(tenant_id int, batch_id bigint, policy recall.policy) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	IF policy IS NULL THEN
		PERFORM recall._invalid('there is no policy to simulate', 'Give one, such as ''failed; limit 5''.');
	END IF;
	PERFORM recall._batch(tenant_id, batch_id);
	PERFORM recall._check_policy(tenant_id, policy);
END $$;
COMMENT ON FUNCTION recall._require_simulation(int, bigint, recall.policy) IS
'What simulating asks for: the right, a policy, a batch. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';

CREATE FUNCTION recall.simulate(tenant_id int, batch_id bigint, policy recall.policy)
RETURNS TABLE (outcome text, verdict text, reason text, contacts bigint, earliest timestamptz, calls bigint, made bigint,
	saved bigint, missed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_nestloop = off SET enable_hashagg = off AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_simulation(simulate.tenant_id, simulate.batch_id, simulate.policy);
	RETURN QUERY
	SELECT p.outcome, p.verdict::text, p.reason, p.contacts, p.earliest, p.calls, p.made, p.calls - p.made, p.missed
	FROM recall._preview(simulate.tenant_id, simulate.batch_id, simulate.policy, now()) p;
END $$;
COMMENT ON FUNCTION recall.simulate(int, bigint, recall.policy) IS
'The preview that a policy would give, and what the policy would have done with the calls on record. calls: those of the row''s contacts; made: how many of them the policy would have made; saved: the others; missed: contacts whose latest call, the one with this outcome, would not have been made. A call that is made later than it really was is taken to end the same. Right: read. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';

CREATE FUNCTION recall.simulate_attempts(tenant_id int, batch_id bigint, policy recall.policy)
RETURNS TABLE (attempt int, outcome text, calls bigint, share numeric, made bigint, missed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_simulation(simulate_attempts.tenant_id, simulate_attempts.batch_id, simulate_attempts.policy);
	RETURN QUERY
	SELECT k.attempt, recall._outcome(k.failure_cause, k.business_result), count(*),
		round(count(*) / sum(count(*)) OVER (PARTITION BY k.attempt), 4),
		count(*) FILTER (WHERE k.attempt <= j.made), count(*) FILTER (WHERE k.attempt > j.made)
	FROM recall._judge(simulate_attempts.tenant_id, simulate_attempts.batch_id, simulate_attempts.policy, now()) j
	JOIN recall.call k ON k.contact_id = j.contact_id
	WHERE k.tenant_id = simulate_attempts.tenant_id AND k.batch_id = simulate_attempts.batch_id
	GROUP BY k.attempt, k.failure_cause, k.business_result
	ORDER BY k.attempt, count(*) DESC, 2;
END $$;
COMMENT ON FUNCTION recall.simulate_attempts(int, bigint, recall.policy) IS
'What a policy would have done with the calls on record, attempt by attempt: calls with each outcome, their share of the attempt''s calls (0 to 1), how many the policy would have made, and how many it would have missed. The successes that a lower limit costs are the missed calls of their outcome; what it saves are all missed calls. Right: read. Errors: 42501; 22023 no policy, or a business result that the tenant has not.';
/* The queue of permits: what claiming one, and giving one out of one's hands, have in common. */

CREATE FUNCTION recall._new_token() RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_new_token';
COMMENT ON FUNCTION recall._new_token() IS 'A random fencing token, from 1 on.';

CREATE FUNCTION recall._number_is_out(tenant_id int, number text) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_number_is_out';
COMMENT ON FUNCTION recall._number_is_out(int, text) IS
'Whether a call to a number is out with a dialer, or is being claimed by a transaction that has not committed yet.';

CREATE FUNCTION recall._begin_walk(index regclass, tenant_id int, task_id bigint, at timestamptz,
	OUT priority int, OUT due_at timestamptz, OUT contact_id bigint)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_begin_walk';
COMMENT ON FUNCTION recall._begin_walk(regclass, int, bigint, timestamptz) IS
'Where to begin in a queue; nulls: at its front. Only a walk that read much in vain, a short while ago, leaves such a bookmark.';

CREATE FUNCTION recall._set_out() RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_set_out';
COMMENT ON FUNCTION recall._set_out() IS 'Notes that a part of the walk begins; true.';

CREATE FUNCTION recall._pass() RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_pass';
COMMENT ON FUNCTION recall._pass() IS 'Notes that the walk has come to a permit, or that this part of it is over; true.';

CREATE FUNCTION recall._end_walk(priority int, due_at timestamptz, contact_id bigint) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'recall_end_walk';
COMMENT ON FUNCTION recall._end_walk(int, timestamptz, bigint) IS
'Ends a walk that left nothing to do up to a permit, null: none was due; leaves a bookmark there when much was read in vain.';

CREATE FUNCTION recall._rest(at_least interval) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_rest';
COMMENT ON FUNCTION recall._rest(interval) IS
'Ends a walk that is not to be made again for some time (hours, minutes and seconds), longer when it read much.';

CREATE FUNCTION recall._own_calls(tenant_id int, batch_id bigint, contact_id bigint) RETURNS recall.history
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
	FROM recall.call k
	WHERE k.tenant_id = _own_calls.tenant_id AND k.batch_id = _own_calls.batch_id AND k.contact_id = _own_calls.contact_id;
END;
COMMENT ON FUNCTION recall._own_calls(int, bigint, bigint) IS 'The completed calls of a contact.';

/*
 * What may have changed since a permit was made: other contacts' calls to its number, the do-not-call list, and the
 * policy. The contact's own calls are the same as then, but the policy of now may count them otherwise.
 */
CREATE FUNCTION recall._admission(
	tenant_id int, task_id bigint, batch_id bigint, contact_id bigint, numbers text[], number text, time_zone text,
	policy recall.policy, snapshot recall.policy, at timestamptz)
RETURNS recall._admission
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
	calls recall.history;
	suppressed text[];
	suppressed_until timestamptz;
	number_calls recall.history;
	admission recall._admission;
	earlier recall._admission;
BEGIN
	SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at) INTO calls
	FROM recall.call k
	WHERE k.tenant_id = _admission.tenant_id AND k.batch_id = _admission.batch_id AND k.contact_id = _admission.contact_id;
	SELECT array_agg(s.number), min(s.until) INTO suppressed, suppressed_until
	FROM recall.suppression s
	WHERE s.tenant_id = _admission.tenant_id AND s.number = ANY (numbers) AND s.until > at
	AND (s.task_id IS NULL OR s.task_id = _admission.task_id);
	IF recall._has_limits(policy, true) OR recall._has_limits(snapshot, true) THEN
		number_calls := recall._calls_to_numbers(tenant_id, numbers);
	END IF;
	admission := recall._admit(coalesce(policy, 'failed'), calls, numbers, time_zone, suppressed, number_calls, number);
	IF admission.reason IS NOT NULL AND suppressed_until < 'infinity' THEN
		admission := recall._admit(coalesce(policy, 'failed'), calls, numbers, time_zone, NULL, number_calls, number);
		admission.not_before := greatest(admission.not_before, suppressed_until);
		suppressed := NULL;
	END IF;
	IF admission.reason IS NULL AND snapshot IS NOT NULL THEN
		earlier := recall._admit(snapshot, calls, numbers, time_zone, suppressed, number_calls, admission.number);
		admission := (earlier.number, greatest(admission.not_before, earlier.not_before), earlier.reason);
	END IF;
	RETURN admission;
END $$;
COMMENT ON FUNCTION recall._admission(int, bigint, bigint, bigint, text[], text, text, recall.policy, recall.policy, timestamptz) IS
'Whether a contact may be called at an instant, first of all on a number, by the task''s policy and by the one that the permit was made by, if that is another; null policies limit nothing.';

CREATE FUNCTION recall._forget_permits(tenant_id int, contacts bigint[], reasons text[], recycles bigint[]) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO recall.event (tenant_id, role, kind, record_id, action, detail)
	SELECT _forget_permits.tenant_id, pg_catalog.pg_get_userbyid(recall._caller()), 'contact', p.contact_id::text, 'take_out',
		pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('reason', p.reason, 'recycle_id', p.recycle_id))
	FROM ROWS FROM (pg_catalog.unnest(contacts), pg_catalog.unnest(reasons), pg_catalog.unnest(recycles)) AS p(contact_id, reason, recycle_id);

	SELECT recall._tally(_forget_permits.tenant_id, r.recycle_id, 0, 0, r.permits)
	FROM (SELECT u.recycle_id, count(*) AS permits FROM pg_catalog.unnest(recycles) u(recycle_id)
		WHERE u.recycle_id IS NOT NULL GROUP BY u.recycle_id ORDER BY u.recycle_id) r;
END;
COMMENT ON FUNCTION recall._forget_permits(int, bigint[], text[], bigint[]) IS
'Notes why permits of contacts were taken out of the queue, and counts them in the recycle records that they came from.';
/*
 * Claiming: a dialer takes permits and may ring when the claim has committed. Those of which nothing more is to be
 * asked are taken in C. For the others, what was true when the permit was made is asked again here: what may not be
 * dialled now is put off to its next moment, gets another number of the contact, or is taken out with a reason.
 */

CREATE FUNCTION recall._check_lease(lease interval) RETURNS interval
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'recall_check_lease';
COMMENT ON FUNCTION recall._check_lease(interval) IS 'A lease in hours, minutes and seconds. Raises 22023 unless it lasts from a second to a day.';

CREATE TYPE recall._terms AS (
	state         recall.task_state,
	policy        recall.policy,
	limited       boolean,
	per_number    boolean,
	calling_hours recall.calling_hours,
	time_zone     text,
	holidays      date[],
	suppresses    boolean,
	suspended     bigint[],
	paused        bigint[]
);
COMMENT ON TYPE recall._terms IS
'What all permits of a task are asked about: the task''s state, policy and hours, whether the policy limits anything, or anything per number, the tenant''s zone and holidays, whether it suppresses any number, and the batches and recycle records whose permits wait.';

CREATE FUNCTION recall._terms(tenant_id int, task_id bigint) RETURNS recall._terms
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'recall_terms';
COMMENT ON FUNCTION recall._terms(int, bigint) IS 'The terms of a task''s permits. Errors: 42501.';

CREATE TYPE recall._due AS (
	place      tid,
	contact_id bigint,
	attempt    int,
	batch_id   bigint,
	recycle_id bigint,
	priority   int,
	due_at     timestamptz,
	number     text,
	numbers    text[],
	time_zone  text,
	snapshot   recall.policy,
	opens_at   timestamptz,
	reason     text,
	is_doubted boolean
);
COMMENT ON TYPE recall._due IS
'A permit that is due, with its contact: the number it would be dialled on, when the calling hours allow it, the recycle''s policy where it is not the task''s, and whether there is more to ask.';

/*
 * The walk goes from one priority to the next, so that permits of a high priority that are not due yet cost one step,
 * however many they are.
 */
CREATE FUNCTION recall._next_priority(tenant_id int, task_id bigint, below bigint) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT d.priority FROM recall.dial d
		WHERE d.tenant_id = _next_priority.tenant_id AND d.task_id = _next_priority.task_id AND d.state = 'ready' AND d.priority < below
		ORDER BY d.priority DESC LIMIT 1);
END $$;
COMMENT ON FUNCTION recall._next_priority(int, bigint, bigint) IS
'The highest priority below another that a task''s ready permits have; null: there is none.';

CREATE TYPE recall._place AS (priority int, due_at timestamptz, contact_id bigint);
COMMENT ON TYPE recall._place IS 'A place in a queue: its order is priority, the highest first, due time and contact.';

CREATE FUNCTION recall._lock_due(
	tenant_id int, task_id bigint, terms recall._terms, start recall._place, breadth int, at timestamptz)
RETURNS recall._due[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	walks boolean := recall._set_out();
	level int := coalesce(start.priority, recall._next_priority(_lock_due.tenant_id, _lock_due.task_id, 2147483648));
	due recall._due[] := '{}';
BEGIN
	WHILE level IS NOT NULL AND cardinality(due) < breadth LOOP
		due := due || ARRAY(
			SELECT ROW(d.place, d.contact_id, d.attempt, d.batch_id, d.recycle_id, d.priority, d.due_at, d.number, c.numbers, c.time_zone,
				s.snapshot,
				recall.next_open(terms.calling_hours, coalesce(c.time_zone, terms.time_zone), at, terms.holidays), NULL,
				terms.per_number OR s.snapshot IS NOT NULL OR terms.limited AND d.recycle_id IS NULL AND d.attempt > 1
					OR terms.suppresses AND EXISTS (SELECT FROM recall.suppression q
						WHERE q.tenant_id = _lock_due.tenant_id AND q.number = d.number AND q.until > at
						AND (q.task_id IS NULL OR q.task_id = _lock_due.task_id)))::recall._due
			FROM (
				SELECT d.ctid AS place, d.contact_id, d.attempt, d.batch_id, d.recycle_id, d.priority, d.due_at, d.number
				FROM recall.dial d
				WHERE d.tenant_id = _lock_due.tenant_id AND d.task_id = _lock_due.task_id AND d.state = 'ready'
				AND d.priority = level AND d.due_at <= at
				AND (d.due_at, d.contact_id) >= (coalesce(start.due_at, '-infinity'), coalesce(start.contact_id, 0))
				AND d.batch_id <> ALL (terms.suspended) AND (d.recycle_id IS NULL OR d.recycle_id <> ALL (terms.paused))
				ORDER BY d.due_at, d.contact_id
				LIMIT breadth - cardinality(due)
				FOR UPDATE SKIP LOCKED
			) d
			JOIN recall.contact c ON c.tenant_id = _lock_due.tenant_id AND c.contact_id = d.contact_id
			CROSS JOIN LATERAL (SELECT CASE WHEN d.recycle_id IS NOT NULL THEN (SELECT r.policy FROM recall.recycle r
				WHERE r.tenant_id = _lock_due.tenant_id AND r.recycle_id = d.recycle_id
				AND (terms.policy IS NULL OR r.policy <> terms.policy)) END AS snapshot OFFSET 0) s
			WHERE recall._pass());
		IF cardinality(due) < breadth THEN
			level := recall._next_priority(_lock_due.tenant_id, _lock_due.task_id, level);
			start.due_at := NULL;
			start.contact_id := NULL;
		END IF;
	END LOOP;
	walks := NOT recall._pass();
	RETURN due;
END $$;
COMMENT ON FUNCTION recall._lock_due(int, bigint, recall._terms, recall._place, int, timestamptz) IS
'The permits of a task that are due, from a place on, by priority, due time and contact, locked; those that others have locked, of suspended batches and of paused records are passed over.';

CREATE FUNCTION recall._ask_again(tenant_id int, task_id bigint, terms recall._terms, due recall._due[], at timestamptz) RETURNS recall._due[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	asked recall._due[];
BEGIN
	SELECT array_agg(ROW(k.place, k.contact_id, k.attempt, k.batch_id, k.recycle_id, k.priority, k.due_at, coalesce((k.admission).number, k.number),
		k.numbers, k.time_zone, k.snapshot,
		CASE WHEN (k.admission).reason IS NULL THEN recall.next_open(terms.calling_hours, coalesce(k.time_zone, terms.time_zone),
			greatest(at, (k.admission).not_before), terms.holidays) END,
		(k.admission).reason, k.is_doubted)::recall._due ORDER BY k.n)
	INTO asked
	FROM (
		SELECT d.*, CASE WHEN d.is_doubted THEN recall._admission(tenant_id, task_id, d.batch_id, d.contact_id, d.numbers, d.number,
			coalesce(d.time_zone, terms.time_zone), terms.policy, d.snapshot, at) END AS admission
		FROM unnest(due) WITH ORDINALITY AS d(place, contact_id, attempt, batch_id, recycle_id, priority, due_at, number, numbers, time_zone,
			snapshot, opens_at, reason, is_doubted, n)
		OFFSET 0
	) k;
	RETURN asked;
END $$;
COMMENT ON FUNCTION recall._ask_again(int, bigint, recall._terms, recall._due[], timestamptz) IS
'The same permits, after those of which there is more to ask were looked at by the limits and quiets of the policies and the do-not-call list.';

CREATE TYPE recall._claimed AS (
	contact_id  bigint,
	number      text,
	attempt     int,
	token       bigint,
	lease_until timestamptz,
	priority    int,
	recycle_id  bigint,
	batch_id    bigint,
	due_at      timestamptz,
	agent       text
);
COMMENT ON TYPE recall._claimed IS 'A permit in a dialer''s hands.';


/*
 * What cannot be dialled now goes out of the way: to the moment when it can; by five seconds while a call to the same
 * number is out, by five minutes while the outcome of one is unknown; or out of the queue.
 */
CREATE FUNCTION recall._put_off(tenant_id int, pending recall._due[], at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	gone record;
BEGIN
	UPDATE recall.dial d
	SET due_at = CASE
		WHEN p.opens_at > at THEN p.opens_at
		WHEN EXISTS (SELECT FROM recall.dial o
			WHERE o.tenant_id = _put_off.tenant_id AND o.number = p.number AND o.state <> 'ready' AND o.lease_until <= at) THEN at + interval '5 min'
		ELSE at + interval '5 s' END
	FROM unnest(pending) p
	WHERE d.ctid = p.place AND p.opens_at IS NOT NULL AND (p.opens_at > at OR recall._number_is_out(_put_off.tenant_id, p.number));

	WITH gone AS (
		DELETE FROM recall.dial d
		USING unnest(pending) p
		WHERE d.ctid = p.place AND p.opens_at IS NULL
		RETURNING d.contact_id, coalesce(p.reason, 'the calling hours never open') AS reason, d.recycle_id
	)
	SELECT array_agg(g.contact_id) AS contacts, array_agg(g.reason) AS reasons, array_agg(g.recycle_id) AS recycles INTO gone
	FROM gone g;
	IF gone.contacts IS NOT NULL THEN
		PERFORM recall._forget_permits(_put_off.tenant_id, gone.contacts, gone.reasons, gone.recycles);
	END IF;
END $$;
COMMENT ON FUNCTION recall._put_off(int, recall._due[], timestamptz) IS
'Puts off the permits that cannot be dialled now, and takes out those that never can.';

/*
 * Of several permits to one number the first is taken: each is looked up when it is its turn, and what was claimed
 * before it is seen. They are taken in their order.
 */
CREATE FUNCTION recall._take(tenant_id int, due recall._due[], missing int, lease interval, dialer text, at timestamptz) RETURNS recall._claimed[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	claimed recall._claimed[];
BEGIN
	WITH taken AS (
		UPDATE recall.dial d
		SET state = 'claimed', number = f.number, token = recall._new_token(), claimed_at = at, lease_until = at + lease, dialer = _take.dialer
		FROM (
			SELECT t.place, t.number FROM unnest(due) t
			WHERE t.opens_at = at AND NOT recall._number_is_out(_take.tenant_id, t.number)
			LIMIT missing
		) f
		WHERE d.ctid = f.place
		RETURNING ROW(d.contact_id, d.number, d.attempt, d.token, d.lease_until, d.priority, d.recycle_id,
			d.batch_id, d.due_at, d.agent)::recall._claimed AS claimed
	)
	SELECT array_agg(t.claimed) INTO claimed FROM taken t;
	RETURN coalesce(claimed, '{}');
END $$;
COMMENT ON FUNCTION recall._take(int, recall._due[], int, interval, text, timestamptz) IS
'Claims up to so many of some locked permits, those that may be dialled now and whose number is not out.';

/*
 * Two claims that hand out one number at the same time do not see each other's calls. Once a number is claimed,
 * though, nobody else has it: so what a policy says "per number" is looked at again, then.
 */
CREATE FUNCTION recall._hand_back(
	tenant_id int, task_id bigint, terms recall._terms, due recall._due[], contacts bigint[], at timestamptz)
RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	handed_back bigint[];
BEGIN
	IF NOT terms.per_number AND NOT EXISTS (SELECT FROM unnest(due) d WHERE recall._has_limits(d.snapshot, true)) THEN
		RETURN '{}';
	END IF;
	WITH looked AS MATERIALIZED (
		SELECT d.contact_id, d.number,
			recall._admission(_hand_back.tenant_id, _hand_back.task_id, d.batch_id, d.contact_id, c.numbers, d.number,
				coalesce(c.time_zone, terms.time_zone), terms.policy,
				(SELECT r.policy FROM recall.recycle r WHERE r.tenant_id = _hand_back.tenant_id AND r.recycle_id = d.recycle_id), at) AS admission
		FROM recall.dial d
		JOIN recall.contact c ON c.tenant_id = d.tenant_id AND c.contact_id = d.contact_id
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = ANY (contacts)
	), given_back AS (
		UPDATE recall.dial d
		SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
		FROM looked l
		WHERE d.tenant_id = _hand_back.tenant_id AND d.contact_id = l.contact_id
		AND ((l.admission).reason IS NOT NULL OR (l.admission).number <> l.number OR (l.admission).not_before > at)
		RETURNING d.contact_id
	)
	SELECT coalesce(array_agg(g.contact_id), '{}') INTO handed_back FROM given_back g;
	RETURN handed_back;
END $$;
COMMENT ON FUNCTION recall._hand_back(int, bigint, recall._terms, recall._due[], bigint[], timestamptz) IS
'Makes those of the permits that were just claimed ready again that may not be dialled after all, and returns their contacts.';

CREATE FUNCTION recall._claim_others(
	tenant_id int, task_id bigint, missing int, lease interval, dialer text, at timestamptz, start recall._place, reached recall._place)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
	terms recall._terms := recall._terms(_claim_others.tenant_id, _claim_others.task_id);
	due recall._due[];
	claimed recall._claimed[] := '{}';
	taken recall._claimed[];
	handed_back bigint[];
	last recall._place;
	breadth int := missing;
	looked_at int := 0;
	attempts_left int := 5;
	ended text;
BEGIN
	/* A claim that finds little to hand out looks at more at a time, but not at all that a tenant may have put off. */
	WHILE missing > 0 AND looked_at < 20000 AND attempts_left > 0 LOOP
		BEGIN
			due := recall._lock_due(_claim_others.tenant_id, _claim_others.task_id, terms, start, breadth, at);
			EXIT WHEN due = '{}';
			last := (due[cardinality(due)].priority, due[cardinality(due)].due_at, due[cardinality(due)].contact_id);
			due := recall._ask_again(_claim_others.tenant_id, _claim_others.task_id, terms, due, at);
			taken := recall._take(_claim_others.tenant_id, due, missing, lease, _claim_others.dialer, at);
			PERFORM recall._put_off(_claim_others.tenant_id,
				ARRAY(SELECT d FROM unnest(due) d WHERE d.contact_id NOT IN (SELECT c.contact_id FROM unnest(taken) c)), at);
			handed_back := recall._hand_back(_claim_others.tenant_id, _claim_others.task_id, terms, due,
				ARRAY(SELECT c.contact_id FROM unnest(taken) c), at);
			taken := ARRAY(SELECT c FROM unnest(taken) c WHERE c.contact_id <> ALL (handed_back));
			claimed := claimed || taken;
			missing := missing - cardinality(taken);
			EXIT WHEN cardinality(due) < breadth;
			looked_at := looked_at + breadth;
			breadth := greatest(missing, least(breadth * 4, 1000));
		EXCEPTION WHEN unique_violation OR deadlock_detected OR lock_not_available THEN
			attempts_left := attempts_left - 1; -- somebody claimed one of the numbers at the same moment
		END;
	END LOOP;
	/* Everything before the last permit that was claimed has been seen to, or all that was looked at. */
	IF claimed <> '{}' AND missing = 0 THEN
		last := (claimed[cardinality(claimed)].priority, claimed[cardinality(claimed)].due_at, claimed[cardinality(claimed)].contact_id);
	ELSIF last IS NULL THEN
		last := reached;
	END IF;
	ended := recall._end_walk(last.priority, last.due_at, last.contact_id);
	RETURN QUERY
	SELECT p.contact_id, p.number, p.attempt, p.token, p.lease_until, p.priority, c.reference, c.attributes, p.recycle_id, p.batch_id,
		p.due_at, p.agent
	FROM unnest(claimed) p
	CROSS JOIN LATERAL (SELECT i.reference, i.attributes FROM recall.contact i
		WHERE i.tenant_id = _claim_others.tenant_id AND i.contact_id = p.contact_id OFFSET 0) c;
END $$;
COMMENT ON FUNCTION recall._claim_others(int, bigint, int, interval, text, timestamptz, recall._place, recall._place) IS
'The part of a claim that asks again what may have changed since a permit was made: claims up to so many from a place on, and ends the walk, at the place that was reached before when there was nothing to look at.';

CREATE FUNCTION recall.claim(
	tenant_id int, task_id bigint, max_rows int DEFAULT 1, lease interval DEFAULT '5 min', dialer text DEFAULT NULL)
RETURNS TABLE (
	contact_id bigint, number text, attempt int, token bigint, lease_until timestamptz, priority int, reference text,
	attributes jsonb, recycle_id bigint, batch_id bigint, due_at timestamptz, agent text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS 'MODULE_PATHNAME', 'recall_claim';
COMMENT ON FUNCTION recall.claim(int, bigint, int, interval, text) IS
'Hands out permits to dial: those of a task that are due, by priority, due time and contact, up to max_rows (1 to 10 000). Ring when the transaction has committed, and report before lease_until, after a lease of 1 second to 1 day. Each permit has a token that report(), extend() and release() ask for; attempt is a forecast; agent: who promised to call back; dialer: what the caller calls itself, up to 200 characters. Calling hours, the do-not-call list, limits and quiets of the task''s policy and of the recycle''s are asked again: what may not be dialled now is put off, gets another number of the contact, or is taken out of the queue, which the audit notes. A number is out once at a time. Nothing while the task is not executing; permits of suspended batches and paused recycles wait. Right: dial. Errors: 42501; 22023 max_rows, the lease or the dialer''s name out of range; 55000 above READ COMMITTED, or in a copy of the database until recall.accept_history().';
/*
 * Reporting: the dialer shows the permit's token, the permit goes, the completed call is appended, in one
 * transaction. Where the task recalls automatically, the contact is judged at once and gets its next permit.
 */

CREATE FUNCTION recall._refuse_token(tenant_id int, contact_id bigint, row_prefix text DEFAULT '') RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM recall.contact c
		WHERE c.tenant_id = _refuse_token.tenant_id AND c.contact_id = _refuse_token.contact_id)
	THEN
		PERFORM recall._deny(format('%scontact %s of tenant %s', row_prefix, coalesce(contact_id::text, 'null'), tenant_id));
	END IF;
	PERFORM recall._refuse(format('%sthe token is not that of a permit of contact %s', row_prefix, contact_id),
		'The permit was reported, released or settled, or never had this token. What recall.claim() returned belongs together.');
END $$;
COMMENT ON FUNCTION recall._refuse_token(int, bigint, text) IS
'Refuses a token that no permit of the contact has. Errors: 42501 there is no such contact; 55000.';

/* What recalls a contact without anybody asking for it: the same judgement as a recycle's. */
CREATE FUNCTION recall._renew(tenant_id int, contacts bigint[], at timestamptz, only_automatic boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
	renewed bigint;
BEGIN
	WITH judged AS MATERIALIZED (
		SELECT c.contact_id, c.batch_id, c.priority, t.task_id, t.calling_hours, n.holidays, coalesce(c.time_zone, n.time_zone) AS time_zone,
			recall.judge(t.policy,
				(SELECT recall.history(k.attempt, k.number, k.failure_cause, k.business_result, k.started_at, k.ended_at)
					FROM recall.call k
					WHERE k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id),
				c.numbers, coalesce(c.time_zone, n.time_zone),
				CASE WHEN EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _renew.tenant_id) THEN
					recall._suppressed_numbers(_renew.tenant_id, t.task_id, c.numbers, at) END,
				CASE WHEN recall._has_limits(t.policy, true) THEN recall._calls_to_numbers(_renew.tenant_id, c.numbers) END) AS judgement
		FROM recall.contact c
		JOIN recall.batch b ON b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		JOIN recall.tenant n ON n.tenant_id = t.tenant_id
		WHERE c.tenant_id = _renew.tenant_id AND c.contact_id = ANY (contacts)
		AND (t.auto_recall OR NOT only_automatic)
		AND n.obs_url_mode = 'http' AND t.task_type <> 'manual' AND t.policy IS NOT NULL
		AND t.state IN ('executing', 'suspended') AND b.state IN ('started', 'suspended')
	)
	INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number)
	SELECT _renew.tenant_id, (j.judgement).attempts + 1, j.contact_id, j.task_id, j.batch_id, o.opens_at, j.priority, (j.judgement).number
	FROM judged j
	CROSS JOIN LATERAL recall.next_open(j.calling_hours, j.time_zone, (j.judgement).due_at, j.holidays) o(opens_at)
	WHERE (j.judgement).verdict = 'recall' AND o.opens_at IS NOT NULL
	AND ((j.judgement).due_at >= at OR recall.next_open(j.calling_hours, j.time_zone, at, j.holidays) IS NOT NULL)
	ORDER BY j.contact_id
	ON CONFLICT (tenant_id, contact_id) DO NOTHING;
	GET DIAGNOSTICS renewed = ROW_COUNT;
	RETURN renewed;
END $$;
COMMENT ON FUNCTION recall._renew(int, bigint[], timestamptz, boolean) IS
'Makes the next permit for those of some contacts that the task''s policy recalls and that have none; with only_automatic of tasks that recall automatically. Their batches are locked by the caller. Returns how many.';

CREATE FUNCTION recall._judge_permit(tenant_id int, contact_id bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial := recall._lock_permit(tenant_id, contact_id);
	contact recall.contact;
	policy recall.policy;
	time_zone text;
	judgement recall.judgement;
	admission recall._admission;
BEGIN
	IF permit.contact_id IS NULL THEN
		RETURN;
	ELSIF permit.state <> 'ready' THEN
		UPDATE recall.dial d SET is_outdated = true WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
		RETURN;
	END IF;
	SELECT * INTO contact FROM recall.contact c WHERE c.tenant_id = permit.tenant_id AND c.contact_id = permit.contact_id;
	SELECT coalesce(r.policy, t.policy), coalesce(contact.time_zone, n.time_zone) INTO policy, time_zone
	FROM recall.task t
	JOIN recall.tenant n ON n.tenant_id = t.tenant_id
	LEFT JOIN recall.recycle r ON r.tenant_id = t.tenant_id AND r.recycle_id = permit.recycle_id
	WHERE t.tenant_id = permit.tenant_id AND t.task_id = permit.task_id;
	IF permit.agent IS NOT NULL OR policy IS NULL THEN
		/* A promise needs no rule. */
		admission := recall._admission(permit.tenant_id, permit.task_id, permit.batch_id, permit.contact_id, contact.numbers, permit.number,
			time_zone, policy, NULL, at);
	ELSE
		judgement := recall.judge(policy, recall._own_calls(permit.tenant_id, permit.batch_id, permit.contact_id), contact.numbers, time_zone);
		admission := (judgement.number, judgement.due_at, CASE WHEN judgement.verdict <> 'recall' THEN judgement.reason END);
	END IF;

	IF admission.reason IS NULL THEN
		UPDATE recall.dial d SET number = admission.number, due_at = greatest(d.due_at, admission.not_before), is_outdated = false
		WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
	ELSE
		DELETE FROM recall.dial d WHERE d.tenant_id = permit.tenant_id AND d.contact_id = permit.contact_id;
		PERFORM recall._forget_permits(permit.tenant_id, ARRAY[permit.contact_id], ARRAY[admission.reason], ARRAY[permit.recycle_id]);
	END IF;
END $$;
COMMENT ON FUNCTION recall._judge_permit(int, bigint, timestamptz) IS
'Brings a contact''s permit in line with its calls, one of which was corrected: its number and due time, or takes it out of the queue; one that is out, when it is released. The contact, or the permit, is locked by the caller.';

CREATE FUNCTION recall._report_again(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text, agent text, at timestamptz, row_prefix text)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batch bigint := (SELECT c.batch_id FROM recall.contact c
		WHERE c.tenant_id = _report_again.tenant_id AND c.contact_id = _report_again.contact_id);
	assumed recall.failure_cause := (SELECT k.failure_cause FROM recall.call k
		WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
		AND k.token = _report_again.token);
	corrected recall.call;
	fault text;
BEGIN
	UPDATE recall.call k
	SET failure_cause = _report_again.failure_cause, business_result = _report_again.business_result,
		started_at = coalesce(_report_again.started_at, least(k.started_at, _report_again.ended_at)),
		ended_at = coalesce(_report_again.ended_at, greatest(k.ended_at, _report_again.started_at)),
		raw_code = _report_again.raw_code, agent = _report_again.agent, assumed = false
	WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
	AND k.token = _report_again.token AND k.assumed
	RETURNING * INTO corrected;
	IF NOT FOUND THEN
		IF EXISTS (SELECT FROM recall.call k
			WHERE k.tenant_id = _report_again.tenant_id AND k.batch_id = batch AND k.contact_id = _report_again.contact_id
			AND k.token = _report_again.token)
		THEN
			RETURN 'duplicate';
		END IF;
		PERFORM recall._refuse_token(tenant_id, contact_id, row_prefix);
	END IF;

	fault := CASE
		WHEN corrected.business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
			WHERE b.tenant_id = _report_again.tenant_id AND b.code = corrected.business_result) THEN 'result'
		WHEN NOT recall._times_in_order(corrected.started_at, corrected.ended_at, at) THEN 'times'
		END;
	IF fault IS NOT NULL THEN
		PERFORM recall._raise_call_fault(tenant_id, fault, row_prefix, contact_id, NULL, corrected.business_result,
			corrected.started_at, corrected.ended_at);
	END IF;
	IF corrected.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(tenant_id, corrected.recycle_id, 0, (corrected.failure_cause IS NULL)::int - (assumed IS NULL)::int);
	END IF;
	PERFORM recall._log(tenant_id, 'contact', contact_id::text, 'correct', detail => jsonb_strip_nulls(jsonb_build_object(
		'attempt', corrected.attempt, 'assumed', assumed, 'failure_cause', failure_cause, 'business_result', business_result)));
	PERFORM recall._judge_permit(tenant_id, contact_id, at);
	PERFORM recall._renew(tenant_id, ARRAY[contact_id], at, true);
	RETURN 'recorded';
END $$;
COMMENT ON FUNCTION recall._report_again(int, bigint, bigint, recall.failure_cause, text, timestamptz, timestamptz, text, text, timestamptz, text) IS
'A report whose permit is gone: it corrects a call whose outcome was assumed, or was made before. The contact is locked by the caller. Errors: 42501; 55000; 22023.';

/*
 * Whoever appends or corrects a contact's call has the contact: by deleting its permit, which only one can, or, where
 * it has none, by this. The permits of whatever else it has to do with are locked with it, in the documented order.
 */
CREATE FUNCTION recall._lock_contacts(tenant_id int, contacts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._lock_batch(_lock_contacts.tenant_id, b.batch_id, false)
	FROM (SELECT DISTINCT c.batch_id FROM recall.contact c
		WHERE c.tenant_id = _lock_contacts.tenant_id AND c.contact_id = ANY (contacts) ORDER BY c.batch_id) b;
	PERFORM FROM recall.contact c
	WHERE c.tenant_id = _lock_contacts.tenant_id AND c.contact_id = ANY (contacts)
	ORDER BY c.contact_id
	FOR NO KEY UPDATE;
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _lock_contacts.tenant_id AND d.contact_id = ANY (contacts)
	ORDER BY d.contact_id
	FOR UPDATE;
END $$;
COMMENT ON FUNCTION recall._lock_contacts(int, bigint[]) IS
'Locks the batches of some contacts together with others, then the contacts, then their permits.';

CREATE FUNCTION recall._lock_automatic_batches(tenant_id int, contacts bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	batches int;
BEGIN
	IF NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = _lock_automatic_batches.tenant_id AND t.auto_recall) THEN
		RETURN false;
	END IF;
	PERFORM recall._lock_batch(_lock_automatic_batches.tenant_id, b.batch_id, false)
	FROM (
		SELECT DISTINCT c.batch_id
		FROM recall.contact c
		JOIN recall.batch b ON b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		WHERE c.tenant_id = _lock_automatic_batches.tenant_id AND c.contact_id = ANY (contacts) AND t.auto_recall
		ORDER BY c.batch_id
	) b;
	GET DIAGNOSTICS batches = ROW_COUNT;
	RETURN batches > 0;
END $$;
COMMENT ON FUNCTION recall._lock_automatic_batches(int, bigint[]) IS
'Locks, together with others, the batches of some contacts whose task recalls automatically, and tells whether there are any.';

CREATE FUNCTION recall._check_reports(
	tenant_id int, contact_ids bigint[], business_results text[], started_at timestamptz[], ended_at timestamptz[], raw_codes text[],
	agents text[], at timestamptz, tells_row boolean)
RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	bad record;
BEGIN
	SELECT g.*, t.is_in_order INTO bad
	FROM ROWS FROM (unnest(contact_ids), unnest(business_results), unnest(_check_reports.started_at), unnest(_check_reports.ended_at),
		unnest(raw_codes), unnest(agents)) WITH ORDINALITY AS g(contact_id, business_result, started_at, ended_at, raw_code, agent, place)
	CROSS JOIN LATERAL (SELECT recall._times_in_order(coalesce(g.started_at, least(g.ended_at, at)),
		coalesce(g.ended_at, greatest(g.started_at, at)), at) AS is_in_order) t
	WHERE NOT t.is_in_order OR NOT recall._is_short(g.raw_code, g.agent)
	OR g.business_result IS NOT NULL AND NOT EXISTS (SELECT FROM recall.business_result b
		WHERE b.tenant_id = _check_reports.tenant_id AND b.code = g.business_result COLLATE "default")
	ORDER BY g.place
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._raise_call_fault(_check_reports.tenant_id,
			CASE WHEN NOT bad.is_in_order THEN 'times' WHEN recall._is_short(bad.raw_code, bad.agent) THEN 'result' ELSE 'text' END,
			CASE WHEN tells_row THEN format('report %s: ', bad.place) ELSE '' END, bad.contact_id, NULL, bad.business_result,
			coalesce(bad.started_at, least(bad.ended_at, at)), coalesce(bad.ended_at, greatest(bad.started_at, at)));
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_reports(int, bigint[], text[], timestamptz[], timestamptz[], text[], text[], timestamptz, boolean) IS
'Raises 22023 for the first report whose business result the tenant has not, whose times are out of order, or whose raw code or agent is too long.';

CREATE FUNCTION recall._use_permits(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], at timestamptz)
RETURNS bigint[]
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_use_permits';
COMMENT ON FUNCTION recall._use_permits(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[], timestamptz) IS
'Turns the permits whose tokens are given into completed calls, where nothing is wrong with what is reported, and returns the places of those.';

CREATE FUNCTION recall._report(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[], agents text[], tells_row boolean)
RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	is_automatic boolean := recall._lock_automatic_batches(tenant_id, contact_ids);
	used bigint[];
	outcomes text[] := array_fill('recorded'::text, ARRAY[cardinality(contact_ids)]);
BEGIN
	BEGIN
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		IF cardinality(used) < cardinality(contact_ids) THEN
			RAISE object_in_use; -- undo it: what has to do with calls that were made takes other locks first
		END IF;
	EXCEPTION WHEN object_in_use THEN
		PERFORM recall._check_reports(tenant_id, contact_ids, business_results, started_at, ended_at, raw_codes, agents, at, tells_row);
		PERFORM recall._lock_contacts(tenant_id, contact_ids);
		used := recall._use_permits(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at, ended_at, raw_codes, agents, at);
		FOR i IN 1 .. cardinality(contact_ids) LOOP
			IF i <> ALL (used) THEN
				outcomes[i] := recall._report_again(tenant_id, contact_ids[i], tokens[i], failure_causes[i], business_results[i],
					started_at[i], ended_at[i], raw_codes[i], agents[i], at, CASE WHEN tells_row THEN format('report %s: ', i) ELSE '' END);
			END IF;
		END LOOP;
	END;
	IF is_automatic THEN
		PERFORM recall._renew(tenant_id, ARRAY(SELECT contact_ids[u.place] FROM unnest(used) u(place)), at, true);
	END IF;
	RETURN outcomes;
END $$;
COMMENT ON FUNCTION recall._report(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[], boolean) IS
'Reports calls, all or none: the permits with these tokens go and the calls are appended; returns what became of each. tells_row: errors say which of them it was. Errors as of recall.report().';

CREATE FUNCTION recall.report(
	tenant_id int, contact_id bigint, token bigint, failure_cause recall.failure_cause, business_result text,
	started_at timestamptz, ended_at timestamptz, raw_code text DEFAULT NULL, agent text DEFAULT NULL)
RETURNS text
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'recall_report';
COMMENT ON FUNCTION recall.report(int, bigint, bigint, recall.failure_cause, text, timestamptz, timestamptz, text, text) IS
'Reports how a claimed call ended: appends the completed call and uses up the permit whose token it is. failure_cause: null = answered, recall.failure_cause() finds it from an outside code; business_result: one of the tenant''s codes, or null; started_at <= ended_at <= now + 5 min, null = since the claim, until now; raw_code: the outcome as the outside system wrote it; agent: who spoke; up to 200 characters each. Returns "recorded", also when the lease had run out and when it corrects a call whose outcome was assumed meanwhile; or "duplicate" when this token was reported before: then nothing changes. Where the task recalls automatically, the contact''s next permit is made. Right: dial. Errors: 42501; 22023 an unknown result, times out of order, a text too long; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall.report_many(
	tenant_id int, contact_ids bigint[], tokens bigint[], failure_causes recall.failure_cause[], business_results text[],
	started_at timestamptz[], ended_at timestamptz[], raw_codes text[] DEFAULT NULL, agents text[] DEFAULT NULL)
RETURNS TABLE (contact_id bigint, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	reports int := cardinality(contact_ids);
	dimensions text := format('[1:%s]', reports);
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	IF reports = 0 AND cardinality(tokens) = 0 THEN
		RETURN;
	ELSIF reports > 10000 THEN
		PERFORM recall._invalid(format('%s reports are too many', reports), 'Report up to 10000 calls at a time.');
	ELSIF (array_dims(contact_ids) = dimensions AND array_dims(tokens) = dimensions) IS NOT TRUE
		OR reports <> ANY (ARRAY[cardinality(failure_causes), cardinality(business_results), cardinality(started_at), cardinality(ended_at),
			cardinality(raw_codes), cardinality(agents)])
		OR dimensions <> ANY (ARRAY[array_dims(failure_causes), array_dims(business_results), array_dims(started_at), array_dims(ended_at),
			array_dims(raw_codes), array_dims(agents)])
	THEN
		PERFORM recall._invalid('the arrays of the reports differ in length', 'Each has an element for each report, counted from 1, or is null.');
	END IF;
	RETURN QUERY SELECT r.*
	FROM ROWS FROM (unnest(contact_ids), unnest(recall._report(tenant_id, contact_ids, tokens, failure_causes, business_results, started_at,
		ended_at, raw_codes, agents, true))) r;
END $$;
COMMENT ON FUNCTION recall.report_many(int, bigint[], bigint[], recall.failure_cause[], text[], timestamptz[], timestamptz[], text[], text[]) IS
'Reports up to 10 000 calls as recall.report() does, all or none, one in each place of the arrays; a null array is one of nulls. Returns a row for each, in their order, with "recorded" or "duplicate". Right: dial. Errors: as of recall.report(), naming the first bad report; 22023 also arrays of different lengths, or too many.';
/*
 * Leases: prolonging one, giving the permit back, and what becomes of those that ran out. A call cannot be taken
 * back, so a permit whose dialer went silent is of unknown outcome until somebody settles it: the dialer's late
 * report, a person, or a rule for the cause "unknown" of the task's policy.
 */

CREATE FUNCTION recall._expire_leases(tenant_id int, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	start record;
	places tid[];
	rested text;
BEGIN
	/* There is no index for it: few permits are out at a time, and a long walk is not made often. */
	start := recall._begin_walk('recall.dial_number_out', tenant_id, 0, at);
	IF start.priority IS NOT NULL THEN
		RETURN 0;
	END IF;
	places := ARRAY(
		SELECT d.ctid
		FROM recall.dial d
		WHERE d.tenant_id = _expire_leases.tenant_id AND d.state <> 'ready' AND d.state = 'claimed' AND d.lease_until <= at
		FOR UPDATE SKIP LOCKED);
	rested := recall._rest('100 ms');
	IF places <> '{}' THEN
		UPDATE recall.dial d SET state = 'unknown' WHERE d.ctid = ANY (places);
	END IF;
	RETURN cardinality(places);
END $$;
COMMENT ON FUNCTION recall._expire_leases(int, timestamptz) IS
'Makes the outcome of a tenant''s permits unknown whose lease has run out at an instant, and returns how many they were.';

CREATE FUNCTION recall.extend(tenant_id int, contact_id bigint, token bigint, lease interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	may_extend boolean := recall._require(tenant_id, 'dial');
	term interval := recall._check_lease(lease);
	extended timestamptz;
BEGIN
	UPDATE recall.dial d SET state = 'claimed', lease_until = clock_timestamp() + term
	WHERE d.tenant_id = extend.tenant_id AND d.contact_id = extend.contact_id AND d.token = extend.token
	RETURNING d.lease_until INTO extended;
	IF NOT FOUND THEN
		PERFORM recall._refuse_token(tenant_id, contact_id);
	END IF;
	RETURN extended;
END $$;
COMMENT ON FUNCTION recall.extend(int, bigint, bigint, interval) IS
'Gives a claimed permit a new lease from now on, 1 second to 1 day, and returns its end; also one whose lease has run out, as long as nobody has settled it. Right: dial. Errors: 42501; 22023 the lease; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall.release(tenant_id int, contact_id bigint, token bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	permit recall.dial;
	why_gone text;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._lock_batch(c.tenant_id, c.batch_id, false)
	FROM recall.contact c WHERE c.tenant_id = release.tenant_id AND c.contact_id = release.contact_id;
	UPDATE recall.dial d SET state = 'ready', token = NULL, claimed_at = NULL, lease_until = NULL, dialer = NULL
	WHERE d.tenant_id = release.tenant_id AND d.contact_id = release.contact_id AND d.token = release.token
	RETURNING * INTO permit;
	IF NOT FOUND THEN
		PERFORM recall._refuse_token(tenant_id, contact_id);
	END IF;

	/* What was ended while the permit was out would have taken it back, had it been there. */
	why_gone := CASE
		WHEN (recall._batch(tenant_id, permit.batch_id)).state = 'finished' THEN 'the batch is finished'
		WHEN EXISTS (SELECT FROM recall.recycle r
			WHERE r.tenant_id = release.tenant_id AND r.recycle_id = permit.recycle_id AND r.state = 'cancelled') THEN 'the recycle was cancelled'
		END;
	IF why_gone IS NOT NULL THEN
		DELETE FROM recall.dial d WHERE d.tenant_id = release.tenant_id AND d.contact_id = release.contact_id;
		PERFORM recall._forget_permits(tenant_id, ARRAY[contact_id], ARRAY[why_gone], ARRAY[permit.recycle_id]);
	ELSIF permit.is_outdated THEN
		PERFORM recall._judge_permit(tenant_id, contact_id, clock_timestamp());
	END IF;
END $$;
COMMENT ON FUNCTION recall.release(int, bigint, bigint) IS
'Gives a claimed permit back undialled: it is ready again, in its old place, or gone when its batch was finished, its recycle cancelled or an earlier call corrected meanwhile so that it is not called any more. Also one whose lease has run out, when it was certainly not dialled. Right: dial. Errors: 42501; 55000 the token is not that of a permit of the contact.';

CREATE FUNCTION recall._assume(permits recall.dial[], failure_cause recall.failure_cause, business_result text) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, recycle_id, started_at, ended_at, recorded_at, failure_cause, number,
		business_result, token, assumed)
	SELECT p.tenant_id, p.attempt, p.batch_id, p.contact_id, p.recycle_id, p.claimed_at, greatest(p.claimed_at, p.lease_until), pg_catalog.clock_timestamp(),
		_assume.failure_cause, p.number, _assume.business_result, p.token, true
	FROM pg_catalog.unnest(permits) p;

	SELECT recall._tally(r.tenant_id, r.recycle_id, r.permits, CASE WHEN _assume.failure_cause IS NULL THEN r.permits ELSE 0 END)
	FROM (SELECT p.tenant_id, p.recycle_id, count(*) AS permits FROM pg_catalog.unnest(permits) p
		WHERE p.recycle_id IS NOT NULL GROUP BY p.tenant_id, p.recycle_id ORDER BY p.tenant_id, p.recycle_id) r;
END;
COMMENT ON FUNCTION recall._assume(recall.dial[], recall.failure_cause, text) IS
'Appends the calls of permits that are gone, whose outcome nobody reported, as if they had ended so when the lease did.';

CREATE FUNCTION recall.resolve(tenant_id int, contact_id bigint, failure_cause recall.failure_cause, business_result text) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	at timestamptz := clock_timestamp();
	batch bigint;
	permit recall.dial;
BEGIN
	PERFORM recall._require(tenant_id, 'dial');
	PERFORM recall._check_reports(tenant_id, ARRAY[contact_id], ARRAY[business_result], NULL, NULL, NULL, NULL, at, false);
	SELECT c.batch_id INTO batch FROM recall.contact c WHERE c.tenant_id = resolve.tenant_id AND c.contact_id = resolve.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(contact_id::text, 'null'), tenant_id));
	END IF;
	PERFORM recall._lock_batch(tenant_id, batch, false);
	DELETE FROM recall.dial d
	WHERE d.tenant_id = resolve.tenant_id AND d.contact_id = resolve.contact_id
	AND (d.state = 'unknown' OR d.state = 'claimed' AND d.lease_until <= at)
	RETURNING * INTO permit;
	IF NOT FOUND THEN
		PERFORM recall._refuse(format('contact %s has no call of unknown outcome', contact_id),
			'Only a call whose lease has run out without a report can be settled; what is out within its lease is reported by its dialer.');
	END IF;
	PERFORM recall._assume(ARRAY[permit], failure_cause, business_result);
	PERFORM recall._renew(tenant_id, ARRAY[contact_id], at, true);
	PERFORM recall._log(tenant_id, 'contact', contact_id::text, 'resolve',
		detail => jsonb_strip_nulls(jsonb_build_object('attempt', permit.attempt, 'failure_cause', failure_cause, 'business_result', business_result)));
	RETURN permit.attempt;
END $$;
COMMENT ON FUNCTION recall.resolve(int, bigint, recall.failure_cause, text) IS
'Settles a call of unknown outcome, one whose lease ran out without a report: appends it as completed, from its claim to the end of its lease, and returns the attempt. failure_cause: null = answered; business_result: one of the tenant''s codes, or null. A report of its dialer that still comes corrects it. Where the task recalls automatically, the contact''s next permit is made. Right: dial. Errors: 42501; 22023 an unknown result; 55000 the contact has no such call.';

/* The processor's part. A rule for the cause "unknown" says that the attempt counts and the contact may be rung again. */

CREATE FUNCTION recall._may_settle(tenant_id int, batch_id bigint) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (SELECT
		FROM recall.batch b
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		JOIN recall.tenant n ON n.tenant_id = b.tenant_id
		WHERE b.tenant_id = _may_settle.tenant_id AND b.batch_id = _may_settle.batch_id
		AND recall.matches(t.policy, 'unknown', NULL)
		AND n.obs_url_mode = 'http' AND t.task_type <> 'manual' AND t.state IN ('executing', 'suspended') AND b.state IN ('started', 'suspended'));
END;
COMMENT ON FUNCTION recall._may_settle(int, bigint) IS
'Whether the policy of a batch''s task has a rule for calls of unknown outcome, and may be followed.';

/* From batch to batch, so that permits which nobody settles cost one step for a batch, however many they are. */
CREATE FUNCTION recall._unsettled_batch(INOUT tenant_id int, INOUT batch_id bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
BEGIN
	LOOP
		SELECT d.tenant_id, d.batch_id INTO tenant_id, batch_id FROM recall.dial d
		WHERE d.state = 'unknown' AND (d.tenant_id, d.batch_id) > (tenant_id, batch_id)
		ORDER BY d.tenant_id, d.batch_id
		LIMIT 1;
		EXIT WHEN NOT FOUND OR recall._may_settle(tenant_id, batch_id);
	END LOOP;
END $$;
COMMENT ON FUNCTION recall._unsettled_batch(int, bigint) IS
'The next batch behind another with calls of unknown outcome whose task''s policy has a rule for them; nulls: there is none.';

CREATE FUNCTION recall._settle_batch(tenant_id int, batch_id bigint, most int, at timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
#variable_conflict use_column
DECLARE
	permits recall.dial[];
BEGIN
	IF NOT recall._lock('batch', _settle_batch.tenant_id, _settle_batch.batch_id, false, false) THEN
		RETURN 0; -- somebody has it alone; the next run settles it
	END IF;
	WITH unsettled AS MATERIALIZED (
		SELECT d.contact_id FROM recall.dial d
		WHERE d.tenant_id = _settle_batch.tenant_id AND d.batch_id = _settle_batch.batch_id AND d.state = 'unknown'
		ORDER BY d.contact_id
		LIMIT most
		FOR UPDATE SKIP LOCKED
	), gone AS (
		DELETE FROM recall.dial d USING unsettled u
		WHERE d.tenant_id = _settle_batch.tenant_id AND d.contact_id = u.contact_id
		RETURNING d.contact_id, d AS permit
	)
	SELECT array_agg(g.permit ORDER BY g.contact_id) INTO permits FROM gone g;
	IF permits IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM recall._assume(permits, 'unknown', NULL);
	PERFORM recall._log(_settle_batch.tenant_id, 'batch', _settle_batch.batch_id::text, 'settle',
		detail => jsonb_build_object('calls', cardinality(permits)));
	PERFORM recall._renew(_settle_batch.tenant_id, ARRAY(SELECT p.contact_id FROM unnest(permits) p), at, false);
	RETURN cardinality(permits);
END $$;
COMMENT ON FUNCTION recall._settle_batch(int, bigint, int, timestamptz) IS
'Books up to so many of a batch''s calls of unknown outcome as calls of the cause "unknown" and makes the next permits of those that the policy recalls; returns how many it booked. Raises lock_not_available when somebody keeps what it needs.';

/* So many of each tenant, so that one that has many of them does not keep the others waiting. */
CREATE FUNCTION recall._expire(run bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
	at timestamptz := clock_timestamp();
	expired_permits bigint;
BEGIN
	WITH ran_out AS MATERIALIZED (
		SELECT d.place
		FROM recall.tenant n
		CROSS JOIN LATERAL (
			SELECT i.ctid AS place FROM recall.dial i
			WHERE i.tenant_id = n.tenant_id AND i.state <> 'ready' AND i.state = 'claimed' AND i.lease_until <= at
			LIMIT CASE WHEN recall._others_wait(n.tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END
			FOR UPDATE SKIP LOCKED
		) d
	), made_unknown AS (
		UPDATE recall.dial d SET state = 'unknown' FROM ran_out r WHERE d.ctid = r.place RETURNING 1
	)
	SELECT count(*) INTO expired_permits FROM made_unknown;
	UPDATE recall.tick t SET expired = t.expired + expired_permits WHERE t.tick_id = run;
	RETURN expired_permits;
END $$;
COMMENT ON FUNCTION recall._expire(bigint) IS
'A step of process(): makes the outcome of some of each tenant''s permits unknown whose lease has run out, and returns how many. Called alone it does a part of a run, and no harm.';

CREATE FUNCTION recall._settle(run bigint, INOUT tenant_id int, INOUT batch_id bigint, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
	settled bigint;
	most int;
BEGIN
	PERFORM recall._require_read_committed();
	IF NOT recall._history_is_accepted() THEN
		tenant_id := NULL; -- the report may have been lost on the way to this copy: nothing is assumed of it yet
		batch_id := NULL;
		RETURN;
	END IF;
	SELECT u.tenant_id, u.batch_id INTO tenant_id, batch_id FROM recall._unsettled_batch(tenant_id, batch_id) u;
	IF tenant_id IS NULL THEN
		RETURN;
	END IF;
	most := CASE WHEN recall._others_wait(tenant_id) THEN recall._turn_size() ELSE recall._chunk_size() END;
	BEGIN
		settled := recall._settle_batch(tenant_id, batch_id, most, clock_timestamp());
	EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
		settled := 0; -- the next run settles it
	WHEN OTHERS THEN
		settled := 0;
		RAISE WARNING 'calls of unknown outcome of batch % of tenant % could not be settled: %', batch_id, tenant_id, left(SQLERRM, 1000);
	END;
	UPDATE recall.tick t SET assumed = t.assumed + settled WHERE t.tick_id = run;
	more := settled = most;
END $$;
COMMENT ON FUNCTION recall._settle(bigint, int, bigint) IS
'A step of process(): takes the next batch behind the given one that has calls of unknown outcome and a rule for them, books some of them, and returns that batch and whether it may have more, nulls when there was none, or while claims are held. What cannot be booked is left to the next run: somebody keeps what it needs, or it fails, of which a WARNING tells. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED.';
/* Call-backs: an agent promises to ring at a time. They wait in the same queue as everything else. */

CREATE FUNCTION recall.schedule_callback(
	tenant_id int, contact_id bigint, at timestamptz, number text DEFAULT NULL, agent text DEFAULT NULL,
	priority int DEFAULT NULL)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	contact recall.contact;
	batch recall.batch;
	terms recall._terms;
	permit recall.dial;
	latest recall.call;
	admission recall._admission;
	earliest timestamptz := greatest(at, clock_timestamp());
	due timestamptz;
	promised_by text;
BEGIN
	PERFORM recall._require(schedule_callback.tenant_id, 'dial');
	SELECT * INTO contact FROM recall.contact c
	WHERE c.tenant_id = schedule_callback.tenant_id AND c.contact_id = schedule_callback.contact_id;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', coalesce(schedule_callback.contact_id::text, 'null'), schedule_callback.tenant_id));
	END IF;
	IF isfinite(at) IS NOT TRUE THEN
		PERFORM recall._invalid('a call-back needs a time', 'Give the instant that was promised; a time that is past means as soon as possible.');
	END IF;
	IF schedule_callback.number <> ALL (contact.numbers) THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'number', '', contact.contact_id, schedule_callback.number, NULL, NULL, NULL);
	END IF;
	IF length(schedule_callback.agent) > 200 THEN
		PERFORM recall._invalid('the name of an agent is too long', 'It has up to 200 characters.');
	END IF;

	PERFORM recall._lock_batch(contact.tenant_id, contact.batch_id, false);
	batch := recall._batch(contact.tenant_id, contact.batch_id);
	IF batch.state NOT IN ('started', 'suspended') THEN
		PERFORM recall._refuse(format('batch %s is in state "%s"', batch.batch_id, batch.state),
			CASE batch.state WHEN 'created' THEN 'Start the batch with recall.start_batch().' ELSE 'A finished batch is final.' END);
	END IF;
	PERFORM FROM recall.contact c WHERE c.tenant_id = contact.tenant_id AND c.contact_id = contact.contact_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM recall._deny(format('contact %s of tenant %s', contact.contact_id, contact.tenant_id)); -- it was erased meanwhile
	END IF;
	permit := recall._lock_permit(contact.tenant_id, contact.contact_id);
	IF permit.state <> 'ready' THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'permit', '', contact.contact_id, NULL, NULL, NULL, NULL);
	END IF;
	SELECT * INTO latest FROM recall.call k
	WHERE k.tenant_id = contact.tenant_id AND k.batch_id = contact.batch_id AND k.contact_id = contact.contact_id
	ORDER BY k.attempt DESC LIMIT 1;

	terms := recall._terms(contact.tenant_id, batch.task_id);
	admission := recall._admission(contact.tenant_id, batch.task_id, contact.batch_id, contact.contact_id, contact.numbers,
		coalesce(schedule_callback.number, CASE WHEN permit.agent IS NOT NULL THEN permit.number END, latest.number, permit.number, contact.numbers[1]), coalesce(contact.time_zone, terms.time_zone),
		terms.policy, NULL, earliest);
	IF admission.reason IS NOT NULL THEN
		PERFORM recall._refuse(format('contact %s may not be called again: %s', contact.contact_id, admission.reason),
			'recall.explain() tells more.');
	END IF;
	due := recall.next_open(terms.calling_hours, coalesce(contact.time_zone, terms.time_zone), greatest(earliest, admission.not_before), terms.holidays);
	IF due IS NULL THEN
		PERFORM recall._refuse(format('the calling hours of task %s never open again', batch.task_id), 'They are set with recall.set_calling_hours().');
	END IF;

	promised_by := coalesce(schedule_callback.agent, permit.agent, pg_get_userbyid(recall._caller()));
	INSERT INTO recall.dial AS d (tenant_id, attempt, contact_id, task_id, batch_id, due_at, priority, number, agent)
	VALUES (contact.tenant_id, coalesce(latest.attempt, 0) + 1, contact.contact_id, batch.task_id, contact.batch_id, due,
		coalesce(schedule_callback.priority, CASE WHEN permit.agent IS NOT NULL THEN permit.priority END, contact.priority),
		admission.number, promised_by)
	ON CONFLICT (tenant_id, contact_id) DO UPDATE
	SET due_at = excluded.due_at, number = excluded.number, agent = excluded.agent, priority = excluded.priority,
		recycle_id = NULL
	WHERE d.state = 'ready';
	IF NOT FOUND THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'permit', '', contact.contact_id, NULL, NULL, NULL, NULL);
	END IF;
	IF permit.recycle_id IS NOT NULL THEN
		PERFORM recall._tally(contact.tenant_id, permit.recycle_id, 0, 0, 1); -- a promise outlives the recycle
	END IF;
	PERFORM recall._log(contact.tenant_id, 'contact', contact.contact_id::text, 'schedule_callback',
		detail => jsonb_strip_nulls(jsonb_build_object('at', at, 'due_at', due, 'agent', promised_by)));
	RETURN due;
END $$;
COMMENT ON FUNCTION recall.schedule_callback(int, bigint, timestamptz, text, text, int) IS
'Queues a call that was promised to a contact for an instant, in the place of a permit that waits (its recycle record counts that as withdrawn), and returns when it is due: at that instant, or at the first after it at which the calling hours, limits and quiets allow it. number: one of the contact''s, null = that of the promise that is moved, or of the latest call; where it may not be called, another of the contact''s is taken; agent: who promised it, up to 200 characters, for the dialer to see; null = who promised what is moved, or the role that asks; priority: its rank in the queue, higher first, null = that of the promise that is moved, or the contact''s; without a higher one it comes behind what has been due for longer. Report the call in which it was promised first. Right: dial. Errors: 42501; 22023 no time, a number that is not the contact''s, an agent''s name too long; 55000 the contact is out with a dialer, the batch is not started, a limit is reached, every number is suppressed, the hours never open again.';
/*
 * The processor. It is level-triggered: it looks at what is unfinished and works until nothing is, so that a
 * missed, late, repeated or overlapping run costs delay and nothing else. The unit of work is a chunk of one
 * record's contacts in a transaction of its own: emitted permits, counters and position are committed together,
 * and a run that is killed is taken up where its last chunk ended.
 *
 * Tenants take turns, chunk by chunk, and each run begins behind the tenant at which the last one ended, so that one
 * that is cut short again and again still comes to everybody. While another tenant waits for its turn, chunks are a
 * tenth as large, and nobody is waited for who keeps a batch.
 */

CREATE FUNCTION recall._begin_tick() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	run bigint;
BEGIN
	INSERT INTO recall.tick (started_at, held, last_tenant)
	VALUES (clock_timestamp(), NOT recall._history_is_accepted(), (SELECT t.last_tenant FROM recall.tick t ORDER BY t.tick_id DESC LIMIT 1))
	RETURNING tick_id INTO run;
	DELETE FROM recall.tick WHERE tick_id <= run - 10000;
	RETURN run;
END $$;
COMMENT ON FUNCTION recall._begin_tick() IS
'A step of process(): notes that a run begins, and forgets the runs before the last 10 000. Called alone it leaves a run without an end, and does no other harm.';

CREATE FUNCTION recall._end_tick(run bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE recall.tick SET finished_at = greatest(started_at, pg_catalog.clock_timestamp()) WHERE tick_id = run AND finished_at IS NULL;
END;
COMMENT ON FUNCTION recall._end_tick(bigint) IS
'A step of process(): notes that a run has ended. Called alone it ends a run''s note early, and does no other harm.';

/* Runs are told apart by their number: a clock that is set back would make the next run come before the last. */
CREATE FUNCTION recall._next_record(after_tenant int, run bigint) RETURNS recall.recycle
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
	recycle recall.recycle;
	bound int;
BEGIN
	FOREACH bound IN ARRAY ARRAY[after_tenant, 0] LOOP
		SELECT * INTO recycle FROM recall.recycle r
		WHERE r.state IN ('waiting', 'running') AND r.tenant_id > bound
		AND (r.put_off_in IS NULL OR r.put_off_in < run)
		ORDER BY r.tenant_id, r.recycle_id
		LIMIT 1
		FOR NO KEY UPDATE SKIP LOCKED;
		EXIT WHEN FOUND;
	END LOOP;
	RETURN recycle;
END $$;
COMMENT ON FUNCTION recall._next_record(int, bigint) IS
'The next record to work on, locked: the oldest of the next tenant behind the given one, then from the first again, but for those that this run or a later one has put off; null when there is none that nobody else works on.';

CREATE FUNCTION recall._chunk_size() RETURNS int
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_chunk_size_setting';
COMMENT ON FUNCTION recall._chunk_size() IS 'The setting recall.chunk_size.';

CREATE FUNCTION recall._turn_size() RETURNS int
LANGUAGE sql STABLE PARALLEL SAFE
RETURN greatest(recall._chunk_size() / 10, 1);
COMMENT ON FUNCTION recall._turn_size() IS 'The size of chunks while another tenant waits for its turn.';

/* One contact more is looked for, so that the last chunk is known to be the last. */
CREATE FUNCTION recall._next_chunk(recycle recall.recycle, size int, OUT contacts bigint, OUT last_contact bigint, OUT at_end boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT count(*) FILTER (WHERE c.place <= size), coalesce(max(c.contact_id) FILTER (WHERE c.place <= size), (recycle).last_contact),
		count(*) <= size
	FROM (
		SELECT n.contact_id, row_number() OVER (ORDER BY n.contact_id) AS place
		FROM (
			SELECT i.contact_id
			FROM recall.contact i
			WHERE i.tenant_id = (recycle).tenant_id AND i.batch_id = (recycle).batch_id AND i.contact_id > (recycle).last_contact
			AND (i.contact_id <= (recycle).start_after OR NOT (recycle).wrapped)
			ORDER BY i.contact_id
			LIMIT size + 1
		) n
	) c;
END;
COMMENT ON FUNCTION recall._next_chunk(recall.recycle, int) IS
'How many contacts a record''s next chunk has, the last of them, and whether the end of the batch, or of the round, is reached with it.';

/* One plan for all chunks, made once: the three ranges are read in the order of their indexes, and merged. */
CREATE FUNCTION recall._emit(recycle recall.recycle, upto_contact bigint,
	OUT matched bigint, OUT emitted bigint, OUT last_emitted bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_nestloop = off SET enable_hashjoin = off SET enable_hashagg = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
	task bigint := (recall._batch(recycle.tenant_id, recycle.batch_id)).task_id;
	at timestamptz := clock_timestamp();
BEGIN
	WITH recalled AS MATERIALIZED (
		SELECT j.contact_id, j.priority, j.attempts, j.number, j.due_at
		FROM recall._judge(recycle.tenant_id, recycle.batch_id, recycle.policy, at, recycle.requested_at,
			recycle.last_contact, upto_contact) j
		WHERE j.verdict = 'recall'
	), permit AS (
		INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, recycle_id, due_at, priority, number)
		SELECT recycle.tenant_id, r.attempts + 1, r.contact_id, task, recycle.batch_id, recycle.recycle_id, r.due_at, r.priority,
			r.number
		FROM recalled r
		ORDER BY r.contact_id
		LIMIT recycle.cap - recycle.emitted
		RETURNING dial.contact_id
	)
	SELECT (SELECT count(*) FROM recalled), count(*), max(permit.contact_id)
	INTO matched, emitted, last_emitted
	FROM permit;
END $$;
COMMENT ON FUNCTION recall._emit(recall.recycle, bigint) IS
'Judges a record''s contacts up to one and makes the permits for those that are recalled, up to the record''s cap. The batch is locked by the caller.';

/* What an error has put off is not known to be ready for its turn. */
CREATE FUNCTION recall._others_wait(tenant_id int) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM recall.recycle r
			WHERE r.state IN ('waiting', 'running') AND r.tenant_id < _others_wait.tenant_id AND r.error IS NULL)
		OR EXISTS (SELECT FROM recall.recycle r
			WHERE r.state IN ('waiting', 'running') AND r.tenant_id > _others_wait.tenant_id AND r.error IS NULL);
END;
COMMENT ON FUNCTION recall._others_wait(int) IS 'Whether there is a record of another tenant for the processor to work on.';

/*
 * It waits for the batch in a fair queue, which lets it in as soon as those who share the batch are done, but not for a
 * transaction that somebody has left open; and hardly at all when that would keep other tenants waiting.
 */
CREATE FUNCTION recall._run_chunk(recycle recall.recycle) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
	chunk record;
	made record;
	others_wait boolean := recall._others_wait(recycle.tenant_id);
	size int := CASE WHEN others_wait THEN recall._turn_size() ELSE recall._chunk_size() END;
	must_wrap boolean;
BEGIN
	IF others_wait THEN
		PERFORM set_config('lock_timeout', '50ms', true);
	END IF;
	PERFORM recall._lock_batch(recycle.tenant_id, recycle.batch_id, true);
	SELECT * INTO chunk FROM recall._next_chunk(recycle, size);
	SELECT * INTO made FROM recall._emit(recycle, chunk.last_contact);

	must_wrap := chunk.at_end AND NOT recycle.wrapped AND recycle.start_after > 0;
	UPDATE recall.recycle r
	SET judged = r.judged + chunk.contacts,
		matched = r.matched + made.matched,
		emitted = r.emitted + made.emitted,
		last_emitted = coalesce(made.last_emitted, r.last_emitted),
		last_contact = CASE WHEN must_wrap THEN 0 ELSE chunk.last_contact END,
		wrapped = r.wrapped OR must_wrap,
		advanced_at = clock_timestamp(),
		error = NULL
	WHERE r.tenant_id = recycle.tenant_id AND r.recycle_id = recycle.recycle_id;
	IF chunk.at_end AND NOT must_wrap THEN
		PERFORM recall._move_recycle(recycle.tenant_id, recycle.recycle_id, 'complete', 'completed');
	END IF;
	RETURN made.emitted;
END $$;
COMMENT ON FUNCTION recall._run_chunk(recall.recycle) IS
'Takes a locked, running record over its next chunk, and to completed behind the last; returns the permits made. Raises lock_not_available when the batch is in use for more than 5 seconds, or 50 ms while other tenants wait.';

CREATE FUNCTION recall._advance(recycle recall.recycle) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	gate record;
BEGIN
	IF recycle.state = 'waiting' THEN
		PERFORM recall._move_recycle(recycle.tenant_id, recycle.recycle_id, 'run', 'running');
		RETURN 0;
	END IF;
	SELECT * INTO gate FROM recall._shut_gate(recycle.tenant_id, recycle.batch_id);
	IF gate.message IS NOT NULL THEN
		PERFORM recall._refuse(gate.message, gate.hint);
	END IF;
	RETURN recall._run_chunk(recycle);
END $$;
COMMENT ON FUNCTION recall._advance(recall.recycle) IS
'Takes a locked record one step on: from waiting to running, or over its next chunk; returns the permits made. Errors: 55000 a gate is shut.';

CREATE FUNCTION recall._fail_record(recycle recall.recycle, why text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF recycle.state = 'waiting' THEN
		PERFORM recall._move_recycle(recycle.tenant_id, recycle.recycle_id, 'run', 'running');
	END IF;
	UPDATE recall.recycle r SET error = left(why, 1000)
	WHERE r.tenant_id = recycle.tenant_id AND r.recycle_id = recycle.recycle_id;
	PERFORM recall._move_recycle(recycle.tenant_id, recycle.recycle_id, 'fail', 'failed');
END $$;
COMMENT ON FUNCTION recall._fail_record(recall.recycle, text) IS 'Makes a locked record failed, with the reason.';

CREATE FUNCTION recall._put_off_record(recycle recall.recycle, run bigint, why text) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	UPDATE recall.recycle r SET put_off_in = run,
		error = 'put off until the next run: ' || pg_catalog."left"(why, 1000)
	WHERE r.tenant_id = (recycle).tenant_id AND r.recycle_id = (recycle).recycle_id;
END;
COMMENT ON FUNCTION recall._put_off_record(recall.recycle, bigint, text) IS
'Leaves a locked record to the processor''s next run, and notes why.';

CREATE FUNCTION recall._step(run bigint, after_tenant int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	recycle recall.recycle;
	emitted_rows bigint := 0;
	why text;
BEGIN
	PERFORM recall._require_read_committed(); -- that would be the caller's fault, not the record's
	recycle := recall._next_record(coalesce(after_tenant, (SELECT t.last_tenant FROM recall.tick t WHERE t.tick_id = run), 0), run);
	IF recycle.tenant_id IS NULL THEN
		RETURN NULL;
	END IF;
	BEGIN
		emitted_rows := recall._advance(recycle);
	EXCEPTION
	WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
		PERFORM recall._put_off_record(recycle, run, SQLERRM);
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
		PERFORM recall._fail_record(recycle, why);
	END;
	UPDATE recall.tick t
	SET chunks = t.chunks + 1, emitted = t.emitted + emitted_rows, failed = t.failed + (why IS NOT NULL)::int,
		last_tenant = recycle.tenant_id
	WHERE t.tick_id = run;
	RETURN recycle.tenant_id;
END $$;
COMMENT ON FUNCTION recall._step(bigint, int) IS
'A step of process(): takes the oldest record of the next tenant behind the given one (null: behind the last that anything was done for) one step on and returns the tenant, null when nothing is left to do. An error makes the record failed, one that will pass (a lock that is not to be had, a deadlock) puts it off until the next run, and neither is raised. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED.';

CREATE PROCEDURE recall.process()
LANGUAGE plpgsql AS $$
DECLARE
	run bigint := recall._begin_tick();
	tenant int;
	place record;
	after_tenant int := 0;
	after_batch bigint := 0;
	expires boolean := true;
	settles boolean := true;
	settles_again boolean := false;
BEGIN
	/* The kinds of work take turns, too: a little of each at a time, so that none waits for the end of another. */
	LOOP
		IF expires THEN
			COMMIT;
			SET TRANSACTION ISOLATION LEVEL READ COMMITTED; -- a lock must be followed by a fresh look
			expires := recall._expire(run) OPERATOR(pg_catalog.>) 0; -- the search_path is the caller's
		END IF;
		IF settles THEN
			COMMIT;
			SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
			SELECT * INTO place FROM recall._settle(run, after_tenant, after_batch);
			after_tenant := coalesce(place.tenant_id, 0);
			after_batch := coalesce(place.batch_id, 0);
			settles := place.tenant_id IS NOT NULL OR settles_again OR expires;
			settles_again := place.tenant_id IS NOT NULL AND (settles_again OR place.more);
		END IF;
		COMMIT;
		SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
		tenant := recall._step(run, tenant);
		EXIT WHEN NOT expires AND NOT settles AND tenant IS NULL;
	END LOOP;
	PERFORM recall._end_tick(run);
END $$;
COMMENT ON PROCEDURE recall.process() IS
'One run of the processor: settles the permits whose lease has run out and takes every waiting or running recycle record to its end, in chunks with a COMMIT after each, tenants taking turns; notes the run in recall.tick. Any number of runs may overlap. For the scheduler: recall.grant_scheduler() gives a role what it needs, this and the internal steps _begin_tick(), _expire(), _settle(), _step() and _end_tick(). Errors: 2D000 inside a transaction block.';

/*
 * Erasing a person. A contact is a person, and whoever has the number among theirs is that person: the contact goes as
 * a whole, with its calls and its permit, and so does every other contact that has the number. What stays is that
 * something happened, and a hash of each of the person's numbers, so that none of them is rung again.
 */

CREATE FUNCTION recall._owners(tenant_id int, numbers text[]) RETURNS SETOF recall.contact
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT c.* FROM recall.contact c
	WHERE recall._number_keys(c.tenant_id, c.numbers) && recall._number_keys(_owners.tenant_id, _owners.numbers)
	AND c.tenant_id = _owners.tenant_id AND c.numbers && _owners.numbers;
END;
COMMENT ON FUNCTION recall._owners(int, text[]) IS 'The contacts of a tenant that have one of some numbers.';

/*
 * The batches are locked before the counter of contacts, as by those who add contacts. Once nobody adds any, it is seen
 * whether all batches that matter are locked; if not, the locks are undone and taken again in their order.
 */
CREATE FUNCTION recall._lock_owners(tenant_id int, number text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	batches bigint[];
	owners bigint[];
	locked bigint[];
	all_locked boolean := false;
BEGIN
	WHILE NOT all_locked LOOP
		BEGIN
			locked := ARRAY(SELECT DISTINCT o.batch_id FROM recall._owners(tenant_id, ARRAY[number]) o ORDER BY o.batch_id);
			FOR i IN 1 .. cardinality(locked) LOOP
				PERFORM recall._lock_batch(tenant_id, locked[i], true);
			END LOOP;
			PERFORM recall._next_id(tenant_id, 'contact', 0);
			SELECT array_agg(o.contact_id ORDER BY o.contact_id), array_agg(o.batch_id) INTO owners, batches
			FROM recall._owners(tenant_id, ARRAY[number]) o;
			all_locked := batches IS NULL OR batches <@ locked;
			IF NOT all_locked THEN
				RAISE object_in_use;
			END IF;
		EXCEPTION WHEN object_in_use THEN
			NULL;
		END;
	END LOOP;
	RETURN coalesce(owners, '{}');
END $$;
COMMENT ON FUNCTION recall._lock_owners(int, text) IS
'The contacts that have a number, with their batches locked alone: nobody adds one, or calls or judges these, until the end of the transaction; calls that are out may be reported.';

CREATE FUNCTION recall._erase_permits(tenant_id int, contacts bigint[], why text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	out_contact bigint;
	gone record;
BEGIN
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
	ORDER BY d.contact_id
	FOR UPDATE;
	SELECT d.contact_id INTO out_contact FROM recall.dial d
	WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
	AND d.state <> 'ready' AND d.lease_until > clock_timestamp()
	ORDER BY d.contact_id
	LIMIT 1;
	IF FOUND THEN
		PERFORM recall._refuse(format('contact %s is out with a dialer', out_contact),
			'Erase it when its call is reported or its lease has run out.');
	END IF;

	WITH gone AS (
		DELETE FROM recall.dial d
		WHERE d.tenant_id = _erase_permits.tenant_id AND d.contact_id = ANY (contacts)
		RETURNING d.contact_id, d.recycle_id, d.state = 'ready' AS was_ready
	)
	SELECT count(*) AS permits, array_agg(g.contact_id) FILTER (WHERE g.was_ready) AS contacts,
		array_agg(g.recycle_id) FILTER (WHERE g.was_ready) AS recycles,
		array_agg(g.recycle_id) FILTER (WHERE NOT g.was_ready AND g.recycle_id IS NOT NULL) AS dialled
	INTO gone FROM gone g;
	IF gone.contacts IS NOT NULL THEN
		PERFORM recall._forget_permits(_erase_permits.tenant_id, gone.contacts, array_fill(why, ARRAY[cardinality(gone.contacts)]), gone.recycles);
	END IF;
	/* Of unknown outcome: as if it were settled so, and then erased. */
	PERFORM recall._tally(_erase_permits.tenant_id, d.recycle_id, d.permits, 0)
	FROM (SELECT u.recycle_id, count(*) AS permits FROM unnest(gone.dialled) u(recycle_id) GROUP BY u.recycle_id ORDER BY u.recycle_id) d;
	RETURN gone.permits;
END $$;
COMMENT ON FUNCTION recall._erase_permits(int, bigint[], text) IS
'Removes the permits of contacts whose batches are locked alone, and returns how many; their recycle records count them, those of unknown outcome as dialled. Errors: 55000 one is out with a dialer.';

/* What the audit says of a contact or a number that is gone is that, by whom and when something was done. */
CREATE FUNCTION recall._redacted(detail jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('erased', true, 'recycle_id', detail->'recycle_id', 'task_id', detail->'task_id',
	'until', detail->'until'));
COMMENT ON FUNCTION recall._redacted(jsonb) IS 'The particulars of an event but for what is said of a person.';

CREATE FUNCTION recall._forget_numbers(tenant_id int, numbers text[], OUT suppressions bigint, OUT events bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	DELETE FROM recall.suppression s WHERE s.tenant_id = _forget_numbers.tenant_id AND s.number = ANY (numbers);
	GET DIAGNOSTICS suppressions = ROW_COUNT;
	UPDATE recall.event e
	SET record_id = 'erased', detail = recall._redacted(e.detail)
	WHERE e.tenant_id = _forget_numbers.tenant_id AND e.kind = 'suppression' AND e.record_id = ANY (numbers);
	GET DIAGNOSTICS events = ROW_COUNT;
END $$;
COMMENT ON FUNCTION recall._forget_numbers(int, text[]) IS
'Takes numbers off the do-not-call lists of a tenant and out of its audit, and returns how many rows that were.';

/*
 * Free text of others may mention a number: a reference, attributes, an outside code, a reason. What was written before
 * this looks is found, without any lock, as it reads all that the tenant has.
 */
CREATE TYPE recall._mentions AS (pattern text, contacts bigint[], batch_ids bigint[], contact_ids bigint[], attempts int[], events bigint[]);
COMMENT ON TYPE recall._mentions IS
'Contacts, calls (by batch, contact and attempt) and events that mention one of some numbers, and a pattern for these.';

CREATE FUNCTION recall._find_mentions(tenant_id int, numbers text[]) RETURNS recall._mentions
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	digits text[] := ARRAY(SELECT substr(n, 2) FROM unnest(numbers) n);
	contains text[] := ARRAY(SELECT '%' || d || '%' FROM unnest(digits) d);
	pattern text := '(?<![0-9])\+?(?:' || array_to_string(digits, '|') || ')(?![0-9])';
	found recall._mentions;
BEGIN
	found.pattern := pattern;
	found.contacts := ARRAY(
		SELECT c.contact_id FROM recall.contact c
		WHERE c.tenant_id = _find_mentions.tenant_id
		AND (c.reference LIKE ANY (contains) AND c.reference ~ pattern
			OR c.attributes IS NOT NULL AND c.attributes::text LIKE ANY (contains) AND c.attributes::text ~ pattern));
	SELECT array_agg(k.batch_id), array_agg(k.contact_id), array_agg(k.attempt) INTO found.batch_ids, found.contact_ids, found.attempts
	FROM recall.call k
	WHERE k.tenant_id = _find_mentions.tenant_id
	AND (k.raw_code LIKE ANY (contains) AND k.raw_code ~ pattern OR k.agent LIKE ANY (contains) AND k.agent ~ pattern);
	found.events := ARRAY(
		SELECT e.event_id FROM recall.event e
		WHERE e.tenant_id = _find_mentions.tenant_id
		AND e.detail IS NOT NULL AND e.detail::text LIKE ANY (contains) AND e.detail::text ~ pattern);
	RETURN found;
END $$;
COMMENT ON FUNCTION recall._find_mentions(int, text[]) IS
'Which contacts, calls and events of a tenant mention one of some numbers in what is free text, and a pattern for these numbers.';

CREATE FUNCTION recall._erase_mentions(tenant_id int, mentions recall._mentions) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	step bigint;
	erased bigint := 0;
BEGIN
	/* "0" is a string within a string, and a figure where the number stood as one. */
	UPDATE recall.contact c
	SET reference = regexp_replace(c.reference, mentions.pattern, '0', 'g'),
		attributes = regexp_replace(c.attributes::text, mentions.pattern, '0', 'g')::jsonb
	WHERE c.tenant_id = _erase_mentions.tenant_id AND c.contact_id = ANY (mentions.contacts);
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.call k
	SET raw_code = regexp_replace(k.raw_code, mentions.pattern, '0', 'g'), agent = regexp_replace(k.agent, mentions.pattern, '0', 'g')
	FROM ROWS FROM (unnest(mentions.batch_ids), unnest(mentions.contact_ids), unnest(mentions.attempts))
		AS m(batch_id, contact_id, attempt)
	WHERE k.tenant_id = _erase_mentions.tenant_id AND k.batch_id = m.batch_id AND k.contact_id = m.contact_id AND k.attempt = m.attempt;
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.suppression s SET reason = regexp_replace(s.reason, mentions.pattern, '0', 'g')
	WHERE s.tenant_id = _erase_mentions.tenant_id AND s.reason ~ mentions.pattern;
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.dial d
	SET agent = regexp_replace(d.agent, mentions.pattern, '0', 'g'), dialer = regexp_replace(d.dialer, mentions.pattern, '0', 'g')
	WHERE d.tenant_id = _erase_mentions.tenant_id AND (d.agent ~ mentions.pattern OR d.dialer ~ mentions.pattern);
	GET DIAGNOSTICS step = ROW_COUNT;
	erased := erased + step;
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	WHERE e.tenant_id = _erase_mentions.tenant_id AND e.event_id = ANY (mentions.events) AND NOT e.detail ? 'erased';
	GET DIAGNOSTICS step = ROW_COUNT;
	RETURN erased + step;
END $$;
COMMENT ON FUNCTION recall._erase_mentions(int, recall._mentions) IS
'Replaces what _find_mentions() found by "0", in the audit with all that was said there, and returns how many rows that changed.';

CREATE FUNCTION recall.erase_number(tenant_id int, number text) RETURNS TABLE (what text, erased bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_column
DECLARE
	may_erase boolean := recall._require(erase_number.tenant_id, 'manage');
	persons bigint[];
	numbers text[];
	mentions recall._mentions;
	forgotten record;
	contacts bigint;
	calls bigint;
	permits bigint;
	events bigint;
	mentioned bigint;
BEGIN
	PERFORM recall._check_numbers(ARRAY[erase_number.number]);
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		PERFORM recall._refuse(format('the transaction is at isolation level %s', upper(current_setting('transaction_isolation'))),
			'What happened while it waited for a lock would escape it: use READ COMMITTED.');
	END IF;
	SELECT array_agg(DISTINCT n.number) INTO numbers
	FROM (SELECT erase_number.number AS number
		UNION SELECT unnest(o.numbers) FROM recall._owners(erase_number.tenant_id, ARRAY[erase_number.number]) o) n;
	mentions := recall._find_mentions(erase_number.tenant_id, numbers);

	persons := recall._lock_owners(erase_number.tenant_id, erase_number.number);
	SELECT array_agg(DISTINCT n.number) INTO numbers
	FROM (SELECT erase_number.number AS number
		UNION SELECT unnest(c.numbers) FROM recall.contact c
			WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons)) n;

	/* Their events go blank before another one says that their permits were taken out. */
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	WHERE e.tenant_id = erase_number.tenant_id AND e.kind = 'contact' AND e.record_id = ANY (persons::text[]) AND e.detail IS NOT NULL;
	GET DIAGNOSTICS events = ROW_COUNT;
	permits := recall._erase_permits(erase_number.tenant_id, persons, 'the contact was erased');
	DELETE FROM recall.call k
	USING recall.contact c
	WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons)
	AND k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id;
	GET DIAGNOSTICS calls = ROW_COUNT;
	DELETE FROM recall.contact c WHERE c.tenant_id = erase_number.tenant_id AND c.contact_id = ANY (persons);
	GET DIAGNOSTICS contacts = ROW_COUNT;
	forgotten := recall._forget_numbers(erase_number.tenant_id, numbers);
	mentioned := recall._erase_mentions(erase_number.tenant_id, mentions);

	INSERT INTO recall.erasure_key (tenant_id, key) VALUES (erase_number.tenant_id, recall._new_key()) ON CONFLICT DO NOTHING;
	INSERT INTO recall.erased_number (tenant_id, number_hash, erased_at)
	SELECT k.tenant_id, recall._number_hash(k.key, n.number), clock_timestamp()
	FROM recall.erasure_key k CROSS JOIN unnest(numbers) n(number)
	WHERE k.tenant_id = erase_number.tenant_id
	ON CONFLICT DO NOTHING;
	/* Others have one of the person's other numbers: it is not called, either. */
	PERFORM recall._suppress_erased(erase_number.tenant_id, ARRAY(
		SELECT DISTINCT o.number FROM recall._owners(erase_number.tenant_id, numbers) c CROSS JOIN unnest(c.numbers) o(number)
		WHERE o.number = ANY (numbers)));

	PERFORM recall._log(erase_number.tenant_id, 'number', 'erased', 'erase', detail => jsonb_build_object('contacts', contacts, 'calls', calls,
		'permits', permits, 'suppressions', forgotten.suppressions, 'events', events + forgotten.events, 'mentions', mentioned));
	RETURN QUERY VALUES ('contacts', contacts), ('calls', calls), ('permits', permits), ('suppressions', forgotten.suppressions),
		('events', events + forgotten.events), ('mentions', mentioned);
END $$;
COMMENT ON FUNCTION recall.erase_number(int, text) IS
'Erases a person: every contact that has the number goes, with its other numbers, reference, attributes, calls and permit; the numbers go from the do-not-call lists and the audit, whose events stay without particulars; where other contacts, calls, reasons or events mention one in free text, in the form "+4930…" or without the plus, it becomes "0". What stays are keyed hashes of the numbers, by which they are put on the do-not-call list again when a contact with one of them is added; a number of the person''s that other contacts have is put there at once. Recycle records keep their counts: permits that waited count as withdrawn, those of unknown outcome as dialled. Returns how many rows of each kind were erased. Reads all that the tenant has. Right: manage. Errors: 42501; 22P02 a number; 55000 one of the contacts is out with a dialer, or the transaction is above READ COMMITTED.';
/*
 * Data that is not needed any more: a batch that is over goes with its contacts, calls and records. What counts "per
 * number" in a policy counts the calls of all batches, so calls go when nothing counts them any more, or by force.
 */

CREATE FUNCTION recall._counting_policies(tenant_id int) RETURNS SETOF recall.policy
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT t.policy FROM recall.task t
	WHERE t.tenant_id = _counting_policies.tenant_id AND t.state <> 'completed' AND t.policy IS NOT NULL
	UNION ALL
	SELECT r.policy FROM recall.recycle r
	JOIN recall.batch b ON b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id
	WHERE r.tenant_id = _counting_policies.tenant_id AND b.state <> 'finished';
END;
COMMENT ON FUNCTION recall._counting_policies(int) IS
'The policies by which a tenant may still call somebody: those of tasks that are not completed, and of the recycle records of batches that are not finished.';

/* A calendar day may be the one of yesterday in the callee's zone. */
CREATE FUNCTION recall._counted_for(tenant_id int) RETURNS interval
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT max(coalesce(l.per, CASE WHEN l.calendar_day THEN interval '2 days' ELSE interval '1000 years' END))
	FROM recall._counting_policies(_counted_for.tenant_id) p(policy)
	CROSS JOIN LATERAL recall.policy_limits(p.policy) l
	WHERE l.per_number;
END;
COMMENT ON FUNCTION recall._counted_for(int) IS
'For how long a tenant''s policies count a call per number, a thousand years for those that count all calls; null: they count none.';

/* Contacts of a batch were mostly added together, so their range holds few others. */
CREATE FUNCTION recall._permits_of(tenant_id int, batch_id bigint) RETURNS SETOF recall.dial
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT d.* FROM recall.dial d
	WHERE d.tenant_id = _permits_of.tenant_id AND d.batch_id = _permits_of.batch_id
	AND d.contact_id >= (SELECT min(c.contact_id) FROM recall.contact c
		WHERE c.tenant_id = _permits_of.tenant_id AND c.batch_id = _permits_of.batch_id)
	AND d.contact_id <= (SELECT max(c.contact_id) FROM recall.contact c
		WHERE c.tenant_id = _permits_of.tenant_id AND c.batch_id = _permits_of.batch_id);
END;
COMMENT ON FUNCTION recall._permits_of(int, bigint) IS 'The permits of a batch''s contacts.';

CREATE FUNCTION recall._purge_fault(batch recall.batch, force boolean, at timestamptz, OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
DECLARE
	task_state recall.task_state := (SELECT t.state FROM recall.task t WHERE t.tenant_id = batch.tenant_id AND t.task_id = batch.task_id);
	counted_for interval;
	latest timestamptz;
BEGIN
	IF batch.state IN ('started', 'suspended') THEN
		message := format('batch %s is in state "%s"', batch.batch_id, batch.state);
		hint := 'Finish it with recall.finish_batch().';
	ELSIF EXISTS (SELECT FROM recall._permits_of(batch.tenant_id, batch.batch_id)) THEN
		message := format('contacts of batch %s are out with a dialer, or their outcome is unknown', batch.batch_id);
		hint := 'See recall.permit; what is out is reported, and what is unknown settled with recall.resolve().';
	ELSIF force IS NOT TRUE THEN
		counted_for := recall._counted_for(batch.tenant_id);
		IF counted_for IS NOT NULL THEN
			SELECT max(k.ended_at) INTO latest FROM recall.call k WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id;
		END IF;
		IF latest + counted_for > at THEN
			message := format('calls of batch %s are counted by a limit or quiet per number, %s', batch.batch_id,
				CASE WHEN counted_for > interval '999 years' THEN 'for good' ELSE 'until ' || latest + counted_for END);
			hint := 'Purge it then, or complete the tasks whose policies count them, or give force => true: they are counted no more.';
		END IF;
	END IF;
END $$;
COMMENT ON FUNCTION recall._purge_fault(recall.batch, boolean, timestamptz) IS
'Why a batch cannot be purged, and what to do about it; a null message: it can.';

CREATE FUNCTION recall._purge(batch recall.batch, OUT contacts bigint, OUT calls bigint, OUT records bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
	erased text[];
BEGIN
	UPDATE recall.event e SET detail = recall._redacted(e.detail)
	FROM recall.contact c
	WHERE e.tenant_id = batch.tenant_id AND e.kind = 'contact' AND e.detail IS NOT NULL
	AND c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id AND c.contact_id::text = e.record_id;
	IF EXISTS (SELECT FROM recall.erasure_key k WHERE k.tenant_id = batch.tenant_id) THEN
		erased := recall._erased_numbers(batch.tenant_id, ARRAY(SELECT unnest(c.numbers) FROM recall.contact c
			WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id));
	END IF;

	DELETE FROM recall.call k WHERE k.tenant_id = batch.tenant_id AND k.batch_id = batch.batch_id;
	GET DIAGNOSTICS calls = ROW_COUNT;
	DELETE FROM recall.contact c WHERE c.tenant_id = batch.tenant_id AND c.batch_id = batch.batch_id;
	GET DIAGNOSTICS contacts = ROW_COUNT;
	DELETE FROM recall.recycle_tally y USING recall.recycle r
	WHERE r.tenant_id = batch.tenant_id AND r.batch_id = batch.batch_id AND y.tenant_id = r.tenant_id AND y.recycle_id = r.recycle_id;
	DELETE FROM recall.recycle r WHERE r.tenant_id = batch.tenant_id AND r.batch_id = batch.batch_id;
	GET DIAGNOSTICS records = ROW_COUNT;
	DELETE FROM recall.batch b WHERE b.tenant_id = batch.tenant_id AND b.batch_id = batch.batch_id;

	/* Numbers that were erased before, and are in the database no more, need only their hashes. */
	IF erased <> '{}' THEN
		PERFORM recall._forget_numbers(batch.tenant_id, ARRAY(
			SELECT n.number FROM unnest(erased) n(number)
			WHERE NOT EXISTS (SELECT FROM recall._owners(batch.tenant_id, ARRAY[n.number]))));
	END IF;
	PERFORM recall._log(batch.tenant_id, 'batch', batch.batch_id::text, 'purge',
		detail => jsonb_build_object('task_id', batch.task_id, 'contacts', contacts, 'calls', calls, 'records', records));
END $$;
COMMENT ON FUNCTION recall._purge(recall.batch) IS
'Removes a batch that is locked and has no permits, with its contacts, calls, records and their counts; the particulars of its contacts'' events too.';

CREATE FUNCTION recall._lock_over_batch(tenant_id int, batch_id bigint) RETURNS recall.batch
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$
BEGIN
	PERFORM recall._lock_press(tenant_id, batch_id);
	PERFORM FROM recall.recycle r
	WHERE r.tenant_id = _lock_over_batch.tenant_id AND r.batch_id = _lock_over_batch.batch_id
	ORDER BY r.recycle_id
	FOR UPDATE;
	PERFORM recall._lock_batch(tenant_id, batch_id, true);
	/* What is being reported is waited for: its call is one of the batch's by then. */
	PERFORM FROM recall.dial d
	WHERE d.tenant_id = _lock_over_batch.tenant_id
	AND d.contact_id = ANY (ARRAY(SELECT p.contact_id FROM recall._permits_of(_lock_over_batch.tenant_id, _lock_over_batch.batch_id) p))
	FOR UPDATE;
	RETURN recall._batch(tenant_id, batch_id);
END $$;
COMMENT ON FUNCTION recall._lock_over_batch(int, bigint) IS
'A batch, locked so that nobody adds, calls, judges, reports or recycles anything of it. Errors: 42501.';

CREATE FUNCTION recall.purge_batch(tenant_id int, batch_id bigint, force boolean DEFAULT false,
	OUT contacts bigint, OUT calls bigint, OUT records bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_variable
DECLARE
	may_purge boolean := recall._require(tenant_id, 'manage');
	batch recall.batch := recall._lock_over_batch(tenant_id, batch_id);
	fault record;
BEGIN
	SELECT * INTO fault FROM recall._purge_fault(batch, force, clock_timestamp());
	IF fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	SELECT p.contacts, p.calls, p.records INTO contacts, calls, records FROM recall._purge(batch) p;
END $$;
COMMENT ON FUNCTION recall.purge_batch(int, bigint, boolean) IS
'Removes a batch that is finished, or was never started, with its contacts, calls and recycle records, and returns how many; its events stay, those of its contacts without particulars. Not while one of its calls is out or of unknown outcome, nor, without force, while a policy of the tenant counts its calls per number: that of a task that is not completed, or of a recycle of a batch that is not finished. In one transaction; cancelled, it has done nothing. Right: manage. Errors: 42501; 55000 the batch is not finished, calls are out, or are counted.';

/* Retention: everything that is old enough, and why the rest stays. */

CREATE FUNCTION recall._over_batches(tenant_id int, older_than timestamptz)
RETURNS TABLE (batch_id bigint, name text, contacts bigint, calls bigint, records bigint, last_used timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH over AS MATERIALIZED (
		SELECT b.batch_id, b.name, e.at AS ended_at
		FROM recall.batch b
		JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
		LEFT JOIN (
			SELECT concat_ws(' ', i.kind, i.record_id) AS record, max(i.at) AS at FROM recall.event i
			WHERE i.tenant_id = _over_batches.tenant_id AND i.kind IN ('batch', 'task')
			GROUP BY i.kind, i.record_id
		) e ON e.record = CASE b.state WHEN 'finished' THEN concat_ws(' ', 'batch', b.batch_id) ELSE concat_ws(' ', 'task', b.task_id) END
		WHERE b.tenant_id = _over_batches.tenant_id AND (b.state = 'finished' OR b.state = 'created' AND t.state = 'completed')
		AND coalesce(e.at < older_than, true)
	), called AS (
		SELECT k.batch_id, count(*) AS calls, max(k.ended_at) AS last_call FROM recall.call k
		WHERE k.tenant_id = _over_batches.tenant_id AND k.batch_id IN (SELECT o.batch_id FROM over o)
		GROUP BY k.batch_id
	)
	SELECT o.batch_id, o.name,
		(SELECT count(*) FROM recall.contact c WHERE c.tenant_id = _over_batches.tenant_id AND c.batch_id = o.batch_id),
		coalesce(k.calls, 0),
		(SELECT count(*) FROM recall.recycle r WHERE r.tenant_id = _over_batches.tenant_id AND r.batch_id = o.batch_id),
		greatest(k.last_call, o.ended_at)
	FROM over o
	LEFT JOIN called k ON k.batch_id = o.batch_id
	WHERE coalesce(k.last_call < older_than, true)
	ORDER BY o.batch_id;
END;
COMMENT ON FUNCTION recall._over_batches(int, timestamptz) IS
'The batches of a tenant that were finished before an instant, or never started before their task was completed, and whose last call ended before it.';

CREATE FUNCTION recall._purge_suppressions(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	purged bigint;
BEGIN
	IF dry_run THEN
		RETURN (SELECT count(*) FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than);
	END IF;
	DELETE FROM recall.suppression s WHERE s.tenant_id = _purge_suppressions.tenant_id AND s.until < older_than;
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END $$;
COMMENT ON FUNCTION recall._purge_suppressions(int, timestamptz, boolean) IS
'Removes the suppressions that were over before an instant, or only counts them, and returns how many.';

CREATE FUNCTION recall._purge_events(tenant_id int, older_than timestamptz, dry_run boolean) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	events bigint[] := ARRAY(
		SELECT e.event_id FROM recall.event e
		WHERE e.tenant_id = _purge_events.tenant_id AND e.kind = 'suppression' AND e.record_id <> 'erased' AND e.at < older_than
		AND NOT EXISTS (SELECT FROM recall.suppression s WHERE s.tenant_id = _purge_events.tenant_id AND s.number = e.record_id
			AND (dry_run IS FALSE OR s.until >= older_than)));
BEGIN
	UPDATE recall.event e SET record_id = 'erased', detail = recall._redacted(e.detail)
	WHERE NOT dry_run AND e.tenant_id = _purge_events.tenant_id AND e.event_id = ANY (events);
	RETURN cardinality(events);
END $$;
COMMENT ON FUNCTION recall._purge_events(int, timestamptz, boolean) IS
'Takes the numbers out of the events before an instant that are about numbers which are suppressed no more, or only counts them, and returns how many.';

CREATE FUNCTION recall.purge_before(
	tenant_id int, older_than timestamptz, dry_run boolean DEFAULT true, max_batches int DEFAULT NULL)
RETURNS TABLE (kind text, batch_id bigint, batch text, contacts bigint, calls bigint, records bigint, last_used timestamptz, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
	may_purge boolean := recall._require(purge_before.tenant_id, 'manage');
	only_looks boolean := coalesce(dry_run, true);
	gone text := CASE WHEN only_looks THEN 'would be removed' ELSE 'removed' END;
	left_to_purge int := coalesce(max_batches, 2147483647);
	fault record;
BEGIN
	IF older_than <= clock_timestamp() IS NOT TRUE THEN
		PERFORM recall._invalid(format('the instant %s is not past', coalesce(older_than::text, 'null')),
			'Give the one before which data is not needed any more, such as now() - interval ''6 months''.');
	ELSIF max_batches < 1 THEN
		PERFORM recall._invalid(format('max_batches %s is out of range', max_batches), 'It is 1 or more, or null for all.');
	END IF;

	FOR kind, batch_id, batch, contacts, calls, records, last_used IN
		SELECT 'batch', o.* FROM recall._over_batches(purge_before.tenant_id, older_than) o
	LOOP
		EXIT WHEN left_to_purge = 0;
		SELECT * INTO fault FROM recall._purge_fault(
			CASE WHEN only_looks THEN recall._batch(purge_before.tenant_id, batch_id) ELSE recall._lock_over_batch(purge_before.tenant_id, batch_id) END,
			false, clock_timestamp());
		outcome := coalesce('kept: ' || fault.message, gone);
		IF fault.message IS NULL THEN
			left_to_purge := left_to_purge - 1;
			IF NOT only_looks THEN
				SELECT p.contacts, p.calls, p.records INTO contacts, calls, records
				FROM recall._purge(recall._batch(purge_before.tenant_id, batch_id)) p;
			END IF;
		END IF;
		RETURN NEXT;
	END LOOP;

	batch_id := NULL; batch := NULL; contacts := NULL; calls := NULL; last_used := NULL; outcome := gone;
	kind := 'suppression';
	records := recall._purge_suppressions(purge_before.tenant_id, older_than, only_looks);
	RETURN NEXT;
	kind := 'event';
	records := recall._purge_events(purge_before.tenant_id, older_than, only_looks);
	outcome := CASE WHEN only_looks THEN 'would be blanked' ELSE 'blanked' END;
	RETURN NEXT;
	IF NOT only_looks THEN
		PERFORM recall._log(purge_before.tenant_id, 'tenant', purge_before.tenant_id::text, 'purge', detail => jsonb_build_object('older_than', older_than));
	END IF;
END $$;
COMMENT ON FUNCTION recall.purge_before(int, timestamptz, boolean, int) IS
'Removes what has not been used since an instant, or, with dry_run, tells what would go: batches that were finished before it, or never started before their task was completed, and whose last call ended before it, as purge_batch() does; suppressions that were over by then; and the numbers in the events before it about numbers that are suppressed no more. A row for each batch, and one for each of the other kinds (records: how many rows). outcome: what was done, or why a batch is kept: its calls are out, of unknown outcome, or counted per number by a policy. What was erased stays known, and what is suppressed suppressed. max_batches: at most so many batches in this transaction, null = all; call it again until none goes. Right: manage. Errors: 42501; 22023 the instant is not past, or max_batches out of range.';
/* The schedule: a role that may call the processor and nothing else, and pg_cron, which does. */

CREATE FUNCTION recall._is_scheduler(role regrole) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
		WHERE p.oid = 'recall.process()'::regprocedure AND a.grantee = role::oid AND a.grantee <> p.proowner);
END;
COMMENT ON FUNCTION recall._is_scheduler(regrole) IS 'Whether a role was given the processor, with recall.grant_scheduler().';

CREATE FUNCTION recall._role_name(role regrole) RETURNS name
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_name name := (SELECT r.rolname FROM pg_roles r WHERE r.oid = role::oid);
BEGIN
	IF found_name IS NULL THEN
		PERFORM recall._invalid(format('role %s does not exist', coalesce(role::text, 'null')),
			'The processor is given to a role of this cluster; PUBLIC cannot have it.');
	END IF;
	RETURN found_name;
END $$;
COMMENT ON FUNCTION recall._role_name(regrole) IS 'The name of a role. Raises 22023 when there is none.';

CREATE FUNCTION recall._steps() RETURNS text
LANGUAGE sql IMMUTABLE
RETURN 'recall._begin_tick(), recall._expire(bigint), recall._settle(bigint, int, bigint), recall._step(bigint, int), recall._end_tick(bigint)';
COMMENT ON FUNCTION recall._steps() IS 'The steps that recall.process() calls with the rights of its caller.';

CREATE FUNCTION recall.grant_scheduler(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	scheduler name;
BEGIN
	PERFORM recall._require_owner();
	scheduler := recall._role_name(role);
	PERFORM recall._lock_grants();
	EXECUTE format('GRANT USAGE ON SCHEMA recall TO %I', scheduler);
	EXECUTE format('GRANT EXECUTE ON PROCEDURE recall.process() TO %I', scheduler);
	EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', recall._steps(), scheduler);
END $$;
COMMENT ON FUNCTION recall.grant_scheduler(regrole) IS
'Lets a role CALL recall.process(), with EXECUTE on it and on its steps and USAGE on the schema, and do nothing else. Right: the extension''s owner. Errors: 42501; 22023 no such role.';

CREATE FUNCTION recall.revoke_scheduler(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	scheduler name;
BEGIN
	PERFORM recall._require_owner();
	scheduler := recall._role_name(role);
	PERFORM recall._lock_grants();
	EXECUTE format('REVOKE ALL ON PROCEDURE recall.process() FROM %I', scheduler);
	EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', recall._steps(), scheduler);
	IF NOT EXISTS (SELECT FROM recall.member m WHERE m.role = revoke_scheduler.role) THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA recall FROM %I', scheduler);
	END IF;
END $$;
COMMENT ON FUNCTION recall.revoke_scheduler(regrole) IS
'Takes back what grant_scheduler() gave. A cron job of the role stays, and fails. Right: the extension''s owner. Errors: 42501; 22023 no such role.';

CREATE FUNCTION recall._cron_fault(OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	cron_database text := current_setting('cron.database_name', true);
BEGIN
	/* The name can be set in the configuration while the library is not loaded. */
	IF NOT 'pg_cron' = ANY (regexp_split_to_array(replace(current_setting('shared_preload_libraries'), '"', ''), E'\\s*,\\s*')) THEN
		cron_database := NULL;
	END IF;
	IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
		IF cron_database IS NULL THEN
			message := 'pg_cron is not loaded';
			hint := 'Add pg_cron to shared_preload_libraries and restart the server.';
		ELSIF cron_database <> current_database() THEN
			message := format('pg_cron works in database "%s", not in "%s"', cron_database, current_database());
			hint := recall._schedule_elsewhere(cron_database);
		END IF;
	ELSIF cron_database IS NULL THEN
		message := 'pg_cron is not loaded';
		hint := format('Install pg_cron, add it to shared_preload_libraries, set cron.database_name = ''%s'', restart the server and run CREATE EXTENSION pg_cron.',
			current_database());
	ELSIF cron_database <> current_database() THEN
		message := format('pg_cron works in database "%s", not in "%s"', cron_database, current_database());
		hint := recall._schedule_elsewhere(cron_database);
	ELSE
		message := format('pg_cron is not installed in database "%s"', current_database());
		hint := 'Run CREATE EXTENSION pg_cron here.';
	END IF;
END $$;
COMMENT ON FUNCTION recall._cron_fault() IS
'Why pg_cron cannot be used from this database, and what to do about it; a null message: it can.';

CREATE FUNCTION recall._schedule_elsewhere(cron_database text) RETURNS text
LANGUAGE sql STABLE
RETURN pg_catalog.format(
	'Connect to database "%s" and run: SELECT cron.schedule_in_database(%L, ''*/5 * * * *'', ''CALL recall.process()'', %L);',
	cron_database, 'recall in ' || pg_catalog.current_database(), pg_catalog.current_database());
COMMENT ON FUNCTION recall._schedule_elsewhere(text) IS 'How to schedule the processor from the database that pg_cron works in.';

CREATE FUNCTION recall._cron_job(OUT jobid bigint, OUT schedule text, OUT active boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	/* A job of somebody who may not call the processor, whatever it looks like, does not call it. */
	EXECUTE $query$
		SELECT j.jobid, j.schedule, j.active
		FROM cron.job j
		JOIN pg_catalog.pg_roles r ON r.rolname = j.username
		WHERE j.command ILIKE 'call recall.process()%' AND j.database = pg_catalog.current_database()
		AND pg_catalog.has_schema_privilege(r.oid, 'recall', 'USAGE')
		AND pg_catalog.has_function_privilege(r.oid, 'recall.process()', 'EXECUTE')
		ORDER BY j.active DESC, j.jobid LIMIT 1 $query$
	INTO jobid, schedule, active;
END $$;
COMMENT ON FUNCTION recall._cron_job() IS 'The cron job that calls the processor in this database, as a role that may; null when there is none.';

CREATE FUNCTION recall.schedule(cron text DEFAULT '*/5 * * * *', role regrole DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	fault record;
	job bigint;
	asked text := coalesce(cron, '*/5 * * * *');
BEGIN
	PERFORM recall._require_owner();
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	IF role IS NOT NULL THEN
		PERFORM recall.grant_scheduler(role);
	END IF;
	SELECT j.jobid INTO job FROM recall._cron_job() j;
	IF job IS NULL THEN
		/* What is left of a role that was dropped would go on failing. */
		EXECUTE $query$
			SELECT cron.unschedule(j.jobid) FROM cron.job j
			WHERE j.command ILIKE 'call recall.process()%' AND j.database = pg_catalog.current_database()
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = j.username) $query$;
		EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job USING 'recall', asked, 'CALL recall.process()';
	END IF;
	EXECUTE 'SELECT cron.alter_job($1, schedule => $2, username => $3, active => true)'
	USING job, asked, (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = role::oid);
	RETURN job;
END $$;
COMMENT ON FUNCTION recall.schedule(text, regrole) IS
'Lets pg_cron call recall.process(), by default every 5 minutes, and returns the job''s id; scheduling again changes the one job. cron: a crontab expression, in GMT. role: as whom it runs, which gets what grant_scheduler() gives; null: as before, at first the extension''s owner. Right: the extension''s owner. Errors: 42501; 22023 no such role; 55000 pg_cron is missing, not preloaded, or works in another database; what pg_cron says of an invalid expression.';

CREATE FUNCTION recall._unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	removed bigint;
BEGIN
	IF (SELECT f.message FROM recall._cron_fault() f) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE $query$
		SELECT count(cron.unschedule(j.jobid)) FROM cron.job j
		WHERE j.command ILIKE 'call recall.process()%' AND j.database = pg_catalog.current_database() $query$
	INTO removed;
	RETURN removed > 0;
END $$;
COMMENT ON FUNCTION recall._unschedule() IS 'Removes the cron jobs that call the processor in this database, and tells whether there were any.';

CREATE FUNCTION recall.unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_owner();
	RETURN recall._unschedule();
END $$;
COMMENT ON FUNCTION recall.unschedule() IS
'Removes the cron job that schedule() made and tells whether there was one. Recycle records stay and wait. Right: the extension''s owner. Errors: 42501.';

CREATE FUNCTION recall._unschedule_before_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_unschedule_before_drop';
COMMENT ON FUNCTION recall._unschedule_before_drop() IS
'Event trigger that removes the cron job before the extension is dropped, so that no job is left to fail.';

CREATE EVENT TRIGGER recall_unschedule ON ddl_command_start
WHEN TAG IN ('DROP EXTENSION', 'DROP OWNED') EXECUTE FUNCTION recall._unschedule_before_drop();
COMMENT ON EVENT TRIGGER recall_unschedule IS 'Removes the cron job of recall before the extension is dropped.';

/* Health: what an administrator, or a monitor, looks at. */

CREATE FUNCTION recall._scheduler_health(OUT check_name text, OUT status text, OUT detail text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	fault record;
	job record;
	last_run record;
BEGIN
	check_name := 'schedule';
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		status := 'warning';
		detail := format('%s, so nothing is known of the job here. %s', fault.message, fault.hint);
		RETURN NEXT;
		RETURN;
	END IF;
	SELECT * INTO job FROM recall._cron_job();
	IF job.jobid IS NULL THEN
		status := 'critical';
		detail := 'there is no cron job: nobody calls recall.process(). Run SELECT recall.schedule().';
	ELSIF NOT job.active THEN
		status := 'critical';
		detail := format('cron job %s is inactive. Run SELECT recall.schedule().', job.jobid);
	ELSE
		status := 'ok';
		detail := format('cron job %s runs at %s', job.jobid, job.schedule);
	END IF;
	RETURN NEXT;

	IF job.jobid IS NOT NULL THEN
		EXECUTE $query$
			SELECT d.status, d.return_message, d.start_time FROM cron.job_run_details d
			WHERE d.jobid = $1 AND d.status IN ('succeeded', 'failed')
			ORDER BY d.runid DESC LIMIT 1 $query$
		INTO last_run USING job.jobid;
		check_name := 'last run of the job';
		status := CASE WHEN last_run.status = 'failed' THEN 'critical' ELSE 'ok' END;
		detail := CASE
			WHEN last_run.status IS NULL THEN 'it has not run yet'
			WHEN last_run.status = 'failed' THEN format('it failed at %s: %s', last_run.start_time,
				CASE WHEN recall._is_owner() THEN recall._mask_numbers(last_run.return_message) ELSE 'the owner of the extension is told why' END)
			ELSE format('it succeeded at %s', last_run.start_time)
		END;
		RETURN NEXT;
	END IF;
END $$;
COMMENT ON FUNCTION recall._scheduler_health() IS 'Whether pg_cron calls the processor: the job missing, inactive, or failing.';

CREATE FUNCTION recall._age(since timestamptz, at timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN pg_catalog.date_trunc('second', pg_catalog.justify_hours(at - since))::text;
COMMENT ON FUNCTION recall._age(timestamptz, timestamptz) IS 'How long ago, for people.';

CREATE FUNCTION recall._work_health(at timestamptz, OUT check_name text, OUT status text, OUT detail text) RETURNS SETOF record
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT 'last tick',
		CASE
			WHEN max(k.finished_at) IS NULL OR max(k.finished_at) < at - interval '30 min' THEN 'critical'
			WHEN max(k.finished_at) < at - interval '10 min' THEN 'warning'
			ELSE 'ok'
		END,
		CASE
			WHEN max(k.finished_at) IS NULL THEN 'recall.process() has never finished a run'
			ELSE format('recall.process() finished %s ago', recall._age(max(k.finished_at), at))
		END
	FROM recall.tick k
	UNION ALL
	SELECT 'clock',
		CASE
			WHEN c.latest > at + interval '1 min' THEN 'critical'
			WHEN c.latest > at + interval '5 s' THEN 'warning'
			ELSE 'ok'
		END,
		CASE
			WHEN c.latest > at + interval '5 s' THEN
				format('the server''s clock is at least %s behind what it was: it has been set back. Until it is there again, what is due and the calling hours are late, leases are longer, and reports that ended in its future are refused', recall._age(at, c.latest))
			ELSE 'it is not behind what was noted last'
		END
	FROM (SELECT greatest((SELECT max(greatest(k.started_at, k.finished_at)) FROM recall.tick k),
		(SELECT max(d.claimed_at) FROM recall.dial d WHERE d.state <> 'ready')) AS latest) c
	UNION ALL
	SELECT 'overdue records', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'critical' END,
		CASE
			WHEN count(*) = 0 THEN 'no recycle record is kept waiting'
			ELSE format('%s recycle records have waited for more than 10 minutes, the oldest for %s', count(*),
				recall._age(min(coalesce(r.advanced_at, r.started_at, r.requested_at)), at))
		END
	FROM recall.recycle r
	WHERE r.state IN ('waiting', 'running')
	AND coalesce(r.advanced_at, r.started_at, r.requested_at) < at - interval '10 min'
	AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'failed records', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'no recycle record has failed'
			ELSE format('%s recycle records have failed; see recall.recycle_record, then retry or cancel them', count(*))
		END
	FROM recall.recycle r
	WHERE r.state = 'failed' AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'unknown outcomes', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'no call is of unknown outcome'
			ELSE format('%s calls are of unknown outcome, the oldest for %s: their leases ran out without a report; see recall.permit and recall.resolve()',
				count(*), recall._age(min(d.lease_until), at))
		END
	FROM recall.dial d
	WHERE d.state <> 'ready' AND d.lease_until <= at AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'calling hours', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'every task that is at work has calling hours'
			ELSE format('%s tasks that are at work may call at any time of day; see recall.set_calling_hours()', count(*))
		END
	FROM recall.task t
	WHERE t.state = 'executing' AND t.calling_hours IS NULL AND t.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()));
END;
COMMENT ON FUNCTION recall._work_health(timestamptz) IS
'Whether the processor keeps up at an instant, and what needs somebody''s attention in the tenants that the caller may read.';

CREATE FUNCTION recall._history_health(OUT check_name text, OUT status text, OUT detail text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT 'history',
		CASE WHEN recall._history_is_accepted() OR pg_catalog.pg_is_in_recovery() THEN 'ok' ELSE 'critical' END,
		CASE
			WHEN recall._history_is_accepted() THEN 'the database is the one whose calls it knows'
			WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby: it hands out nothing'
			ELSE format('claims are held: the database is a copy, and what was rung after %s is not known. Record those calls, see recall.review_history(), then run recall.accept_history()',
				coalesce(recall._known_until()::text, 'its last moment'))
		END;
END;
COMMENT ON FUNCTION recall._history_health() IS 'Whether claims are held because the database is a copy.';

CREATE FUNCTION recall.health() RETURNS TABLE (check_name text, status text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT * FROM recall._scheduler_health();
	RETURN QUERY SELECT * FROM recall._history_health();
	RETURN QUERY SELECT * FROM recall._work_health(clock_timestamp());
END $$;
COMMENT ON FUNCTION recall.health() IS
'A row for each check, with status ok, warning or critical: the cron job, its last run, whether claims are held because the database is a copy, the last tick (warning after 10 minutes, critical after 30), a clock that was set back, records kept waiting, failed records, calls of unknown outcome, tasks without calling hours. Records and tasks are those of the tenants that the caller may read.';

/*
 * Copies: a promoted standby, a restored dump or base backup, a database made from a template, an upgraded cluster.
 * Such a copy does not know what was rung after its last moment, so it hands out nothing. Whoever runs it records
 * what is known of those calls, says until when other calls may have been made, and accepts the history.
 */

CREATE FUNCTION recall.review_history(rung_until timestamptz DEFAULT NULL)
RETURNS TABLE (tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	PERFORM recall._require_owner();
	RETURN QUERY
	SELECT n.tenant_id, recall._known_until(), coalesce(d.claimed, 0), coalesce(d.unknown, 0), coalesce(d.in_doubt, 0)
	FROM recall.tenant n
	LEFT JOIN (
		SELECT i.tenant_id,
			count(*) FILTER (WHERE i.state = 'claimed' AND i.lease_until > at) AS claimed,
			count(*) FILTER (WHERE i.state <> 'ready' AND i.lease_until <= at) AS unknown,
			count(*) FILTER (WHERE i.state = 'ready' AND i.due_at <= coalesce(rung_until, at)) AS in_doubt
		FROM recall.dial i
		GROUP BY i.tenant_id
	) d ON d.tenant_id = n.tenant_id
	ORDER BY n.tenant_id;
END $$;
COMMENT ON FUNCTION recall.review_history(timestamptz) IS
'What a copy of the database cannot know, a row for each tenant: until when at least its history is whole; permits that were out with dialers at its last moment, within their lease (claimed) or beyond it (unknown); and ready permits that were due by rung_until, null = now, so that the original may have handed them out after that moment (in_doubt). Right: the extension''s owner. Errors: 42501.';

/* Of several permits for one number one may be out at a time. The others wait for it, as always. */
CREATE FUNCTION recall._doubt_permits(known_until timestamptz, rung_until timestamptz) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH ready AS MATERIALIZED (
		SELECT d.tenant_id, d.contact_id, d.number, d.priority, d.due_at
		FROM recall.dial d
		WHERE d.state = 'ready' AND d.due_at <= rung_until
		ORDER BY d.tenant_id, d.contact_id
		FOR UPDATE
	), doubted AS (
		SELECT DISTINCT ON (r.tenant_id, r.number) r.tenant_id, r.contact_id
		FROM ready r
		WHERE NOT EXISTS (SELECT FROM recall.dial o WHERE o.tenant_id = r.tenant_id AND o.number = r.number AND o.state <> 'ready')
		ORDER BY r.tenant_id, r.number, r.priority DESC, r.due_at, r.contact_id
	)
	UPDATE recall.dial d
	SET state = 'unknown', token = recall._new_token(), claimed_at = least(known_until, rung_until), lease_until = rung_until
	FROM doubted i
	WHERE d.tenant_id = i.tenant_id AND d.contact_id = i.contact_id;
END;
COMMENT ON FUNCTION recall._doubt_permits(timestamptz, timestamptz) IS
'Makes the outcome of ready permits unknown that were due by an instant, as if they had been claimed when the history ends; of those for one number the first.';

CREATE FUNCTION recall.accept_history(rung_until timestamptz DEFAULT NULL)
RETURNS TABLE (tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	reviews jsonb;
	origins jsonb;
BEGIN
	PERFORM recall._require_owner();
	IF rung_until > clock_timestamp() OR NOT isfinite(rung_until) THEN
		PERFORM recall._invalid(format('rung_until %s is not a moment that is past', quote_literal(rung_until)),
			'Give the moment by which the original had handed out its last permit, or null when every call that was made since is recorded.');
	END IF;
	LOCK TABLE recall.origin IN SHARE ROW EXCLUSIVE MODE;
	IF recall._history_is_accepted() THEN
		RETURN;
	END IF;
	SELECT jsonb_agg(r) INTO reviews FROM recall.review_history(rung_until) r;
	SELECT jsonb_agg(o) INTO origins FROM recall.origin o;
	IF rung_until IS NOT NULL THEN
		PERFORM recall._doubt_permits(recall._known_until(), rung_until);
	END IF;
	PERFORM recall._note_origin();
	RETURN QUERY SELECT r.* FROM jsonb_to_recordset(reviews)
		AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
	PERFORM recall._log(r.tenant_id, 'tenant', r.tenant_id::text, 'accept_history',
		detail => jsonb_strip_nulls(to_jsonb(r) - 'tenant_id' || jsonb_build_object('rung_until', rung_until, 'origin', origins)))
	FROM jsonb_to_recordset(reviews) AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
END $$;
COMMENT ON FUNCTION recall.accept_history(timestamptz) IS
'Lets a copy of the database hand out permits: its owner says that what was rung after its last moment is recorded. rung_until: where that is not so, the moment by which the original had handed out its last permit; ready permits that were due by then may have rung, so their outcome becomes unknown, and a report, recall.resolve() or a rule for it settles each; null: there are no such. Returns what recall.review_history() says at this moment, and notes it in the audit; no rows, and nothing done, where no claims are held. Right: the extension''s owner. Errors: 42501; 22023 a moment that is not past.';
/*
 * Verifying: what is true of the tables whatever happens, as queries for the rows in which it is not.
 *
 * Each query is named by what it breaks and says above it why that holds. A check that fails is a fault of recall, of the
 * hardware, or of somebody who wrote to the tables by hand: none comes from load, from a crash, from a clock
 * that was set, from contacts that were removed with all that is theirs, or from what a tenant does. So nothing here compares instants that were read from the clock at different
 * moments, and all of it sees one snapshot. No telephone number is printed.
 *
 * A group is a function of its own, without a tenant, so that it becomes a part of the statement that asks for one
 * tenant's rows.
 */

CREATE TYPE recall._fault AS (check_name text, tenant_id int, record text, detail text);
COMMENT ON TYPE recall._fault IS
'Something that breaks what is always true: the check, the tenant (null: of no tenant), the record that is at fault, and particulars.';

CREATE FUNCTION recall._setup_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- There are no foreign keys: the functions look, once per statement.
	SELECT 'what belongs to a tenant has one', o.tenant_id, o.record, NULL
	FROM (
		SELECT m.tenant_id, 'member ' || m.role AS record FROM recall.member m
		UNION ALL SELECT c.tenant_id, 'counter ' || c.kind FROM recall.counter c
		UNION ALL SELECT b.tenant_id, 'business result ' || recall._mask_numbers(b.code) FROM recall.business_result b
		UNION ALL SELECT t.tenant_id, 'task ' || t.task_id FROM recall.task t
		UNION ALL SELECT s.tenant_id, 'suppression of ' || s.created_at FROM recall.suppression s
		UNION ALL SELECT e.tenant_id, 'event ' || e.event_id FROM recall.event e
	) o
	WHERE NOT EXISTS (SELECT FROM recall.tenant n WHERE n.tenant_id = o.tenant_id)

	UNION ALL -- likewise
	SELECT 'a batch belongs to a task', b.tenant_id, 'batch ' || b.batch_id, 'task ' || b.task_id
	FROM recall.batch b
	WHERE NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = b.tenant_id AND t.task_id = b.task_id)

	UNION ALL -- completing a task finishes its batches, and none is started after that
	SELECT 'a completed task has no batch at work', b.tenant_id, 'batch ' || b.batch_id, format('%s, task %s', b.state, b.task_id)
	FROM recall.batch b
	JOIN recall.task t ON t.tenant_id = b.tenant_id AND t.task_id = b.task_id
	WHERE t.state = 'completed' AND b.state IN ('started', 'suspended')

	UNION ALL -- whoever has rights is somebody; DROP OWNED leaves a number behind
	SELECT 'a member is a role of this server', m.tenant_id, 'member ' || m.role, NULL
	FROM recall.member m
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = m.role)

	UNION ALL -- automatic recall makes calls without anybody asking: a limit and an "after" must hold it
	SELECT 'a task that recalls automatically has a policy for it', t.tenant_id, 'task ' || t.task_id, f.message
	FROM recall.task t
	CROSS JOIN LATERAL recall._automatic_fault(t.task_type, t.policy) f
	WHERE t.auto_recall AND t.policy IS NOT NULL AND f.message IS NOT NULL

	UNION ALL -- a code that the tenant has not never matches
	SELECT 'a policy names results that the tenant has', p.tenant_id, p.record, recall._mask_numbers(named.code)
	FROM (
		SELECT t.tenant_id, 'task ' || t.task_id AS record, t.policy FROM recall.task t
		UNION ALL SELECT r.tenant_id, 'recycle ' || r.recycle_id, r.policy FROM recall.recycle r
	) p
	CROSS JOIN LATERAL recall._policy_results(p.policy) AS named(code)
	WHERE NOT EXISTS (SELECT FROM recall.business_result b WHERE b.tenant_id = p.tenant_id AND b.code = named.code)

	UNION ALL -- without its zone nobody can be called at the right time of day
	SELECT 'a time zone is one that the server knows', z.tenant_id, z.record, recall._mask_numbers(z.time_zone)
	FROM (
		SELECT n.tenant_id, 'tenant ' || n.tenant_id AS record, n.time_zone FROM recall.tenant n
		UNION ALL SELECT c.tenant_id, 'contact ' || min(c.contact_id), c.time_zone FROM recall.contact c
			WHERE c.time_zone IS NOT NULL GROUP BY c.tenant_id, c.time_zone
	) z
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names k WHERE k.name = z.time_zone)

	UNION ALL -- what stands on the list is compared with numbers, and asked for by task
	SELECT 'a suppression is of a number, and by a task that exists', s.tenant_id, 'suppression of ' || s.created_at, 'task ' || s.task_id
	FROM recall.suppression s
	WHERE NOT recall._are_numbers(ARRAY[s.number])
	OR s.task_id IS NOT NULL AND NOT EXISTS (SELECT FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id)

	UNION ALL -- or the next one is refused
	SELECT 'the next id is a new one', u.tenant_id, u.kind, format('%s is in use, the last given out is %s', u.last_used, c.last_id)
	FROM (
		SELECT t.tenant_id, 'task' AS kind, max(t.task_id) AS last_used FROM recall.task t GROUP BY 1
		UNION ALL SELECT b.tenant_id, 'batch', max(b.batch_id) FROM recall.batch b GROUP BY 1
		UNION ALL SELECT k.tenant_id, 'contact', max(k.contact_id) FROM recall.contact k GROUP BY 1
		UNION ALL SELECT r.tenant_id, 'recycle', max(r.recycle_id) FROM recall.recycle r GROUP BY 1
	) u
	LEFT JOIN recall.counter c ON c.tenant_id = u.tenant_id AND c.kind = u.kind
	WHERE u.last_used > coalesce(c.last_id, 0)

	UNION ALL -- likewise, and a sequence does not fall back
	SELECT 'the next number of a sequence is a new one', NULL, u.kind, format('%s is in use, the sequence is at %s', u.last_used, u.last_value)
	FROM (
		SELECT 'tenant' AS kind, (SELECT max(n.tenant_id)::bigint FROM recall.tenant n) AS last_used, s.last_value FROM recall.tenant_tenant_id_seq s
		UNION ALL SELECT 'event', (SELECT max(e.event_id) FROM recall.event e), s.last_value FROM recall.event_event_id_seq s
		UNION ALL SELECT 'tick', (SELECT max(k.tick_id) FROM recall.tick k), s.last_value FROM recall.tick_tick_id_seq s
	) u
	WHERE u.last_used > u.last_value

	UNION ALL -- each run forgets those before the last 10 000
	SELECT 'runs of the processor are forgotten in time', NULL, 'tick ' || min(k.tick_id), format('%s runs', count(*))
	FROM recall.tick k
	WHERE k.tick_id <= (SELECT max(i.tick_id) FROM recall.tick i) - 10000
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION recall._setup_faults() IS
'What is wrong with tenants, members, tasks, batches, the do-not-call list, and the ids that come next.';

CREATE FUNCTION recall._contact_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- There are no foreign keys.
	SELECT 'a contact belongs to a batch', c.tenant_id, 'contact ' || c.contact_id, 'batch ' || c.batch_id
	FROM recall.contact c
	WHERE NOT EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id)

	UNION ALL -- what is dialled is one of these
	SELECT 'a contact has 1 to 10 different numbers', c.tenant_id, 'contact ' || c.contact_id, NULL
	FROM recall.contact c
	WHERE NOT recall._are_numbers(c.numbers)

	UNION ALL -- nobody is lost: a batch at work calls everybody, or the audit says why not
	SELECT 'a contact of a started batch has a call or a permit, or was taken out', c.tenant_id, 'contact ' || c.contact_id, 'batch ' || c.batch_id
	FROM recall.contact c
	JOIN recall.batch b ON b.tenant_id = c.tenant_id AND b.batch_id = c.batch_id
	WHERE b.state = 'started'
	AND NOT EXISTS (SELECT FROM recall.dial d WHERE d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id)
	AND NOT EXISTS (SELECT FROM recall.call k WHERE k.tenant_id = c.tenant_id AND k.batch_id = c.batch_id AND k.contact_id = c.contact_id)
	AND NOT EXISTS (SELECT FROM recall.event e
		WHERE e.tenant_id = c.tenant_id AND e.kind = 'contact' AND e.action = 'take_out' AND e.record_id = c.contact_id::text);
END;
COMMENT ON FUNCTION recall._contact_faults() IS 'What is wrong with contacts.';

CREATE FUNCTION recall._call_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- A history is read by the batch and the contact.
	SELECT 'a call is to a contact of its batch', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), 'batch ' || k.batch_id
	FROM recall.call k
	WHERE NOT EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = k.tenant_id AND c.batch_id = k.batch_id AND c.contact_id = k.contact_id)

	UNION ALL -- limits per number find the calls to a number through the contacts that own it
	SELECT 'a call is to a number of its contact', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), NULL
	FROM recall.call k
	JOIN recall.contact c ON c.tenant_id = k.tenant_id AND c.contact_id = k.contact_id
	WHERE k.number <> ALL (c.numbers)

	UNION ALL -- the latest call is the one with the highest attempt, and none is lost or there twice
	SELECT 'attempts are counted from 1, without a gap', k.tenant_id, 'contact ' || k.contact_id,
		format('%s calls, from attempt %s to %s', count(*), min(k.attempt), max(k.attempt))
	FROM recall.call k
	GROUP BY k.tenant_id, k.batch_id, k.contact_id
	HAVING min(k.attempt) <> 1 OR max(k.attempt) <> count(*)

	UNION ALL -- a permit becomes one call
	SELECT 'a token has one call', k.tenant_id, 'contact ' || min(k.contact_id), format('%s calls with one token', count(*))
	FROM recall.call k
	WHERE k.token IS NOT NULL
	GROUP BY k.tenant_id, k.token
	HAVING count(*) > 1

	UNION ALL -- a rule for it would never match
	SELECT 'the result of a call is one of the tenant''s', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), recall._mask_numbers(k.business_result)
	FROM recall.call k
	WHERE k.business_result IS NOT NULL
	AND NOT EXISTS (SELECT FROM recall.business_result b WHERE b.tenant_id = k.tenant_id AND b.code = k.business_result)

	UNION ALL -- delays count from the end, limits from the start
	SELECT 'a call ends when it has begun', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id),
		format('from %s to %s', k.started_at, k.ended_at)
	FROM recall.call k
	WHERE NOT (k.started_at <= k.ended_at AND isfinite(k.started_at) AND isfinite(k.ended_at) AND isfinite(k.recorded_at))

	UNION ALL -- only what was claimed can be of unknown outcome, and its dialer may still report it
	SELECT 'an assumed call has a token', k.tenant_id, format('call %s of contact %s', k.attempt, k.contact_id), NULL
	FROM recall.call k
	WHERE k.assumed AND k.token IS NULL;
END;
COMMENT ON FUNCTION recall._call_faults() IS 'What is wrong with completed calls.';

CREATE FUNCTION recall._permit_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- The primary key keeps it; a damaged index would not.
	SELECT 'a contact has one permit', d.tenant_id, 'contact ' || d.contact_id, format('%s permits', count(*))
	FROM recall.dial d
	GROUP BY d.tenant_id, d.contact_id
	HAVING count(*) > 1

	UNION ALL -- a unique index keeps it; a damaged one would not
	SELECT 'a number is out once', d.tenant_id, 'contact ' || min(d.contact_id), format('out for %s contacts', count(*))
	FROM recall.dial d
	WHERE d.state <> 'ready'
	GROUP BY d.tenant_id, d.number
	HAVING count(*) > 1

	UNION ALL -- what ends a batch, and what judges it, finds its permits by these
	SELECT 'a permit is for a contact of its batch', d.tenant_id, 'permit of contact ' || d.contact_id, 'batch ' || d.batch_id
	FROM recall.dial d
	WHERE NOT EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = d.tenant_id AND c.batch_id = d.batch_id AND c.contact_id = d.contact_id)

	UNION ALL -- or the dialers of another task would call
	SELECT 'a permit is for the task of its batch', d.tenant_id, 'permit of contact ' || d.contact_id, 'task ' || d.task_id
	FROM recall.dial d
	JOIN recall.batch b ON b.tenant_id = d.tenant_id AND b.batch_id = d.batch_id
	WHERE b.task_id <> d.task_id

	UNION ALL -- nobody else is rung
	SELECT 'a permit is to a number of its contact', d.tenant_id, 'permit of contact ' || d.contact_id, NULL
	FROM recall.dial d
	JOIN recall.contact c ON c.tenant_id = d.tenant_id AND c.contact_id = d.contact_id
	WHERE d.number <> ALL (c.numbers)

	UNION ALL -- whoever has the token has the permit, until the lease ends
	SELECT 'a permit that is out has a token and a lease, and one that waits has neither', d.tenant_id, 'permit of contact ' || d.contact_id, d.state::text
	FROM recall.dial d
	WHERE CASE d.state WHEN 'ready' THEN num_nonnulls(d.token, d.claimed_at, d.lease_until, d.dialer) > 0 OR d.is_outdated
		ELSE num_nonnulls(d.token, d.claimed_at, d.lease_until) < 3 END

	UNION ALL -- the report appends it under this number
	SELECT 'a permit is for the next attempt', d.tenant_id, 'permit of contact ' || d.contact_id, format('attempt %s, calls up to %s', d.attempt, k.attempt)
	FROM recall.dial d
	LEFT JOIN (SELECT i.tenant_id, i.batch_id, i.contact_id, max(i.attempt) AS attempt FROM recall.call i GROUP BY 1, 2, 3) k
		ON k.tenant_id = d.tenant_id AND k.batch_id = d.batch_id AND k.contact_id = d.contact_id
	WHERE d.attempt <> coalesce(k.attempt, 0) + 1

	UNION ALL -- a report uses the permit up
	SELECT 'what was reported is not out', d.tenant_id, 'permit of contact ' || d.contact_id, 'attempt ' || k.attempt
	FROM recall.dial d
	JOIN recall.call k ON k.tenant_id = d.tenant_id AND k.batch_id = d.batch_id AND k.contact_id = d.contact_id AND k.token = d.token
	WHERE d.state <> 'ready'

	UNION ALL -- starting a batch makes permits, finishing it takes back those that wait
	SELECT 'only a batch at work has permits', d.tenant_id, 'permit of contact ' || d.contact_id, format('%s, batch %s is %s', d.state, d.batch_id, b.state)
	FROM recall.dial d
	JOIN recall.batch b ON b.tenant_id = d.tenant_id AND b.batch_id = d.batch_id
	WHERE b.state = 'created' OR b.state = 'finished' AND d.state = 'ready'

	UNION ALL -- cancelling takes back what waits, and so does a release after it
	SELECT 'no permit of a cancelled record waits', d.tenant_id, 'permit of contact ' || d.contact_id, 'recycle ' || d.recycle_id
	FROM recall.dial d
	JOIN recall.recycle r ON r.tenant_id = d.tenant_id AND r.recycle_id = d.recycle_id
	WHERE r.state = 'cancelled' AND d.state = 'ready'

	UNION ALL -- what was promised outlives the record whose permit it took over
	SELECT 'a promised call is of no record', d.tenant_id, 'permit of contact ' || d.contact_id, 'recycle ' || d.recycle_id
	FROM recall.dial d
	WHERE d.agent IS NOT NULL AND d.recycle_id IS NOT NULL;
END;
COMMENT ON FUNCTION recall._permit_faults() IS 'What is wrong with the queue.';

CREATE FUNCTION recall._record_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- What became of each contact that a record re-dials: a permit, or a call.
	WITH redialled AS MATERIALIZED (
		SELECT d.tenant_id, d.recycle_id, d.batch_id, d.contact_id, d.attempt, false AS is_call, false AS is_reached
		FROM recall.dial d
		WHERE d.recycle_id IS NOT NULL
		UNION ALL
		SELECT k.tenant_id, k.recycle_id, k.batch_id, k.contact_id, k.attempt, true, k.failure_cause IS NULL
		FROM recall.call k
		WHERE k.recycle_id IS NOT NULL
	), counted AS MATERIALIZED (
		SELECT r.tenant_id, r.recycle_id, r.emitted, r.withdrawn, coalesce(t.dialled, 0) AS dialled, coalesce(t.reached, 0) AS reached,
			coalesce(t.taken_out, 0) AS taken_out, coalesce(e.queued, 0) AS queued, coalesce(e.calls, 0) AS calls,
			coalesce(e.reached, 0) AS reached_calls
		FROM recall.recycle r
		LEFT JOIN (SELECT i.tenant_id, i.recycle_id, sum(i.dialled) AS dialled, sum(i.reached) AS reached, sum(i.taken_out) AS taken_out
			FROM recall.recycle_tally i GROUP BY 1, 2) t ON t.tenant_id = r.tenant_id AND t.recycle_id = r.recycle_id
		LEFT JOIN (SELECT i.tenant_id, i.recycle_id, count(*) FILTER (WHERE NOT i.is_call) AS queued, count(*) FILTER (WHERE i.is_call) AS calls,
				count(*) FILTER (WHERE i.is_reached) AS reached
			FROM redialled i GROUP BY 1, 2) e ON e.tenant_id = r.tenant_id AND e.recycle_id = r.recycle_id
	), whole AS MATERIALIZED ( -- tenants of which no contact was ever removed; of others, calls and places of records may be gone
		SELECT n.tenant_id
		FROM recall.counter n
		WHERE n.kind = 'contact' AND n.last_id = (SELECT count(*) FROM recall.contact c WHERE c.tenant_id = n.tenant_id)
	), numbered AS ( -- contacts in the order in which a record comes to them; a record is at one of them
		SELECT c.tenant_id, c.batch_id, c.contact_id, row_number() OVER (PARTITION BY c.tenant_id, c.batch_id ORDER BY c.contact_id) AS nth
		FROM recall.contact c
	), place AS MATERIALIZED (
		SELECT r.tenant_id, r.recycle_id, p.what, p.contact_id, n.nth
		FROM recall.recycle r
		CROSS JOIN LATERAL (VALUES ('start_after', r.start_after), ('last_contact', r.last_contact), ('last_emitted', r.last_emitted)) p(what, contact_id)
		LEFT JOIN numbered n ON n.tenant_id = r.tenant_id AND n.batch_id = r.batch_id AND n.contact_id = p.contact_id
		WHERE p.contact_id <> 0
	)

	-- There are no foreign keys.
	SELECT 'a record belongs to a batch', r.tenant_id, 'recycle ' || r.recycle_id, 'batch ' || r.batch_id
	FROM recall.recycle r
	WHERE NOT EXISTS (SELECT FROM recall.batch b WHERE b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id)

	UNION ALL -- each re-dial row that was made is somewhere: none is lost, none is there twice
	SELECT 'what a record emitted was taken back, was dialled, or is in the queue', c.tenant_id, 'recycle ' || c.recycle_id,
		format('emitted %s, withdrawn %s, taken out %s, dialled %s, queued %s', c.emitted, c.withdrawn, c.taken_out, c.dialled, c.queued)
	FROM counted c
	WHERE c.emitted <> c.withdrawn + c.taken_out + c.dialled + c.queued

	UNION ALL -- a report counts in the transaction that appends the call
	SELECT 'what a record counts as dialled and reached are its calls', c.tenant_id, 'recycle ' || c.recycle_id,
		format('dialled %s, calls %s; reached %s, answered %s', c.dialled, c.calls, c.reached, c.reached_calls)
	FROM counted c
	WHERE c.dialled < c.calls OR c.reached < c.reached_calls
	OR (c.dialled, c.reached) <> (c.calls, c.reached_calls) AND c.tenant_id IN (SELECT w.tenant_id FROM whole w)

	UNION ALL -- a slot alone may be below nothing: a correction counts in another than the call did
	SELECT 'counts are of a record, and none is below nothing', t.tenant_id, 'recycle ' || t.recycle_id, format('slots %s to %s', min(t.slot), max(t.slot))
	FROM recall.recycle_tally t
	GROUP BY t.tenant_id, t.recycle_id
	HAVING NOT EXISTS (SELECT FROM recall.recycle r WHERE r.tenant_id = t.tenant_id AND r.recycle_id = t.recycle_id)
	OR least(sum(t.dialled), sum(t.reached), sum(t.taken_out)) < 0 OR min(t.slot) < 0 OR max(t.slot) > 15

	UNION ALL -- a record makes at most one re-dial row for a contact
	SELECT 'a record re-dials a contact once', e.tenant_id, 'recycle ' || e.recycle_id, format('contact %s: %s times', e.contact_id, count(*))
	FROM redialled e
	GROUP BY e.tenant_id, e.recycle_id, e.contact_id
	HAVING count(*) > 1

	UNION ALL -- a re-dial row is made by a record of the batch, for somebody who was called, when it comes to the contact
	SELECT 'what a record re-dials is of its batch, behind its start, and was called before', e.tenant_id, 'recycle ' || e.recycle_id,
		format('contact %s, attempt %s', e.contact_id, e.attempt)
	FROM redialled e
	LEFT JOIN recall.recycle r ON r.tenant_id = e.tenant_id AND r.recycle_id = e.recycle_id
	WHERE NOT (r.batch_id = e.batch_id AND r.emitted > 0 AND e.attempt > 1
		AND (e.contact_id > r.start_after AND (r.wrapped OR e.contact_id <= r.last_contact) OR r.wrapped AND e.contact_id <= r.last_contact)) IS NOT FALSE

	UNION ALL -- what matches beyond the cap is over it; short of the cap nothing is left out
	SELECT 'a record leaves out who matches only at its cap', r.tenant_id, 'recycle ' || r.recycle_id,
		format('matched %s, emitted %s, cap %s', r.matched, r.emitted, r.cap)
	FROM recall.recycle r
	WHERE r.emitted < r.matched AND r.emitted < r.cap OR (r.emitted > 0) <> (r.last_emitted IS NOT NULL)

	UNION ALL -- a chunk ends at a contact, and the next begins behind it
	SELECT 'a record stands at a contact of its batch', p.tenant_id, 'recycle ' || p.recycle_id, format('%s %s', p.what, p.contact_id)
	FROM place p
	WHERE p.nth IS NULL
	AND (p.tenant_id IN (SELECT w.tenant_id FROM whole w)
		OR EXISTS (SELECT FROM recall.contact c WHERE c.tenant_id = p.tenant_id AND c.contact_id = p.contact_id))

	UNION ALL -- everybody between is judged once; contacts may be added behind a record that wrapped, after it did
	SELECT 'a record has judged whom it has passed', r.tenant_id, 'recycle ' || r.recycle_id,
		format('judged %s, passed %s', r.judged, x.passed)
	FROM recall.recycle r
	LEFT JOIN place s ON s.tenant_id = r.tenant_id AND s.recycle_id = r.recycle_id AND s.what = 'start_after'
	LEFT JOIN place l ON l.tenant_id = r.tenant_id AND l.recycle_id = r.recycle_id AND l.what = 'last_contact'
	CROSS JOIN LATERAL (SELECT coalesce(l.nth, 0) - coalesce(s.nth, 0)
		+ CASE WHEN r.wrapped THEN (SELECT count(*) FROM recall.contact c WHERE c.tenant_id = r.tenant_id AND c.batch_id = r.batch_id) ELSE 0 END AS passed) x
	WHERE NOT r.wrapped AND r.judged < x.passed OR r.judged > x.passed AND r.tenant_id IN (SELECT w.tenant_id FROM whole w)

	UNION ALL -- one that starts in the middle comes back to where it started
	SELECT 'a completed record went all the way round', r.tenant_id, 'recycle ' || r.recycle_id,
		format('from %s to %s', r.start_after, r.last_contact)
	FROM recall.recycle r
	WHERE r.state = 'completed' AND r.start_after > 0
	AND (NOT r.wrapped OR r.last_contact <> r.start_after AND r.tenant_id IN (SELECT w.tenant_id FROM whole w))

	UNION ALL -- a unique index keeps it; a damaged one would not
	SELECT 'a batch has one unfinished record', r.tenant_id, 'batch ' || r.batch_id, format('%s records', count(*))
	FROM recall.recycle r
	WHERE r.state IN ('waiting', 'running', 'paused', 'failed')
	GROUP BY r.tenant_id, r.batch_id
	HAVING count(*) > 1

	UNION ALL -- finishing a batch ends its record, and before it is started nobody asks for one
	SELECT 'an unfinished record is of a batch at work', r.tenant_id, 'recycle ' || r.recycle_id, format('%s, batch %s is %s', r.state, r.batch_id, b.state)
	FROM recall.recycle r
	JOIN recall.batch b ON b.tenant_id = r.tenant_id AND b.batch_id = r.batch_id
	WHERE r.state IN ('waiting', 'running', 'paused', 'failed') AND b.state NOT IN ('started', 'suspended')

	UNION ALL -- a move sets them
	SELECT 'times and error of a record are those of its state', r.tenant_id, 'recycle ' || r.recycle_id, r.state::text
	FROM recall.recycle r
	WHERE (r.finished_at IS NOT NULL) <> (r.state IN ('completed', 'cancelled'))
	OR r.started_at IS NULL AND (r.state IN ('running', 'paused', 'completed', 'failed') OR r.judged > 0)
	OR r.error IS NULL AND r.state = 'failed' OR r.error IS NOT NULL AND r.state = 'completed';
END;
COMMENT ON FUNCTION recall._record_faults() IS 'What is wrong with recycle records and their counts.';

CREATE FUNCTION recall._audit_faults() RETURNS SETOF recall._fault
LANGUAGE sql STABLE
BEGIN ATOMIC
	-- Every move of a task, a batch or a record is noted with it; what is in a final state stays.
	WITH move AS MATERIALIZED (
		SELECT e.tenant_id, e.kind, e.record_id, e.event_id, e.from_state, e.to_state,
			lag(e.to_state) OVER w AS came_to, lead(e.event_id) OVER w IS NULL AS is_last
		FROM recall.event e
		WHERE e.kind IN ('task', 'batch', 'recycle') AND e.to_state IS NOT NULL
		WINDOW w AS (PARTITION BY e.tenant_id, e.kind, e.record_id ORDER BY e.event_id)
	)

	SELECT 'moves follow one another, and each is legal', m.tenant_id, m.kind || ' ' || m.record_id,
		format('came to %s, then moved from %s to %s', coalesce(m.came_to, 'nothing'), coalesce(m.from_state, 'nothing'), m.to_state)
	FROM move m
	WHERE m.from_state IS DISTINCT FROM m.came_to
	OR m.from_state IS NOT NULL AND (m.kind, m.from_state, m.to_state) NOT IN (SELECT t.machine, t.from_state, t.to_state FROM recall.state_transitions() t)

	UNION ALL -- likewise
	SELECT 'a state is where the last move led to', s.tenant_id, s.kind || ' ' || s.id, format('%s, the audit says %s', s.state, coalesce(m.to_state, 'nothing'))
	FROM (
		SELECT t.tenant_id, 'task' AS kind, t.task_id AS id, t.state::text AS state FROM recall.task t
		UNION ALL SELECT b.tenant_id, 'batch', b.batch_id, b.state::text FROM recall.batch b
		UNION ALL SELECT r.tenant_id, 'recycle', r.recycle_id, r.state::text FROM recall.recycle r
	) s
	LEFT JOIN move m ON m.tenant_id = s.tenant_id AND m.kind = s.kind AND m.record_id = s.id::text AND m.is_last
	WHERE m.to_state IS DISTINCT FROM s.state;
END;
COMMENT ON FUNCTION recall._audit_faults() IS 'What is wrong with the audit of tasks, batches and recycle records, or with their states.';

CREATE FUNCTION recall._faults(tenant_id int) RETURNS SETOF recall._fault
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
	RETURN QUERY SELECT f.* FROM recall._setup_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._contact_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._call_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._permit_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._record_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
	RETURN QUERY SELECT f.* FROM recall._audit_faults() f WHERE f.tenant_id = _faults.tenant_id OR _faults.tenant_id IS NULL;
END $$;
COMMENT ON FUNCTION recall._faults(int) IS
'All that is wrong in a tenant, or with null anywhere, in the snapshot of the caller''s statement.';

CREATE FUNCTION recall.verify() RETURNS TABLE (check_name text, tenant_id int, record text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_owner();
	RETURN QUERY SELECT * FROM recall._faults(NULL);
END $$;
COMMENT ON FUNCTION recall.verify() IS
'The rows that break what is always true of the tables; none when all is well. check_name: what should be true; tenant_id: null for what is of no tenant; record: what is at fault. It reads every table once or more, in one snapshot, and locks nothing. A row is a fault of recall, of the hardware, or of somebody who wrote to the tables by hand. Right: the extension''s owner. Errors: 42501.';

CREATE FUNCTION recall.verify(tenant_id int) RETURNS TABLE (check_name text, record text, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require(tenant_id, 'read');
	RETURN QUERY SELECT f.check_name, f.record, f.detail FROM recall._faults(tenant_id) f;
END $$;
COMMENT ON FUNCTION recall.verify(int) IS
'As verify(), for one tenant. Right: read. Errors: 42501.';
/*
 * Pooled applications: they connect as one role for all tenants, a pool, which has no right of its own. Each
 * transaction enters a tenant with a token that somebody with rights there has issued for that role. src/seal.c
 * signs and reads tokens, src/entry.c keeps what was entered.
 */

/* Pools */

CREATE FUNCTION recall._check_not_pool(role regrole) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM recall.pool p JOIN pg_roles r ON r.oid = p.role
		WHERE pg_has_role(p.role, _check_not_pool.role, 'USAGE')) THEN
		PERFORM recall._refuse(format('role %s is a pool, or a pool inherits it', role),
			'A pool has no right of its own: it enters a tenant with a token. Give the right to another role.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_not_pool(regrole) IS 'Raises 55000 when a pool would have what the role is given.';

CREATE FUNCTION recall._check_powerless(role regrole) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = role::oid) THEN
		PERFORM recall._invalid(format('role %s does not exist', role), 'A pool is a role of this cluster, not PUBLIC.');
	END IF;
	IF EXISTS (SELECT FROM recall.member m JOIN pg_roles r ON r.oid = m.role
			WHERE pg_has_role(_check_powerless.role, m.role, 'USAGE'))
		OR EXISTS (SELECT FROM pg_extension e
			WHERE e.extname = 'recall' AND pg_has_role(_check_powerless.role, e.extowner, 'USAGE')) THEN
		PERFORM recall._refuse(format('role %s has rights of its own', role),
			'A pool must see nothing until it has entered a tenant: take a role that is no member, inherits none, and is no superuser.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_powerless(regrole) IS
'Raises 22023 unless the role exists, 55000 when it has a right in any tenant.';

CREATE FUNCTION recall.admit_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	PERFORM recall._check_powerless(admit_pool.role);
	INSERT INTO recall.pool (role, admitted_by, admitted_at)
	VALUES (admit_pool.role, pg_get_userbyid(recall._caller()), clock_timestamp())
	ON CONFLICT (role) DO NOTHING;
	PERFORM recall._grant_objects(admit_pool.role);
END $$;
COMMENT ON FUNCTION recall.admit_pool(regrole) IS
'Lets a role enter tenants with tokens: it gets USAGE on the schema, EXECUTE on the public functions and SELECT on the public views, and no right in any tenant. Right: the extension''s owner. Errors: 42501; 22023 no such role; 55000 the role has rights of its own.';

CREATE FUNCTION recall.dismiss_pool(role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_owner();
	PERFORM recall._lock_grants();
	DELETE FROM recall.pool p WHERE p.role = dismiss_pool.role;
	IF NOT FOUND THEN
		PERFORM recall._invalid(format('role %s is no pool', role), 'Pools are admitted with recall.admit_pool().');
	END IF;
	PERFORM recall._revoke_objects(dismiss_pool.role);
END $$;
COMMENT ON FUNCTION recall.dismiss_pool(regrole) IS
'Takes from a pool what recall.admit_pool() gave; its tokens are void at once. Right: the extension''s owner. Errors: 42501; 22023 the role is no pool.';

/* Keys */

CREATE FUNCTION recall.rotate_token_key(grace interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_owner();
	IF (grace BETWEEN '0' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('grace %s is out of range', coalesce(grace::text, 'null')),
			'Tokens that were issued before can be good for up to an hour more.');
	END IF;
	LOCK TABLE recall.token_key IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM recall.token_key k WHERE grace = '0' OR k.valid_until <= clock_timestamp();
	UPDATE recall.token_key k SET valid_until = least(k.valid_until, clock_timestamp() + grace);
	INSERT INTO recall.token_key (key_id, secret, made_by, made_at)
	VALUES (recall._new_token(), recall._new_key(), pg_get_userbyid(recall._caller()), clock_timestamp());
END $$;
COMMENT ON FUNCTION recall.rotate_token_key(interval) IS
'Makes a new key to sign tokens with. Those that were issued before are void at once, or good for at most the grace, up to 1 hour; what has been entered stays so until its transaction or its token ends. Right: the extension''s owner. Errors: 42501; 22023 grace out of range.';

INSERT INTO recall.token_key (key_id, secret, made_by, made_at)
VALUES (recall._new_token(), recall._new_key(), current_user, pg_catalog.clock_timestamp());

/* Tokens */

CREATE FUNCTION recall._is_entered() RETURNS boolean
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_is_entered';
COMMENT ON FUNCTION recall._is_entered() IS
'Whether the caller has entered a tenant with a token in this transaction.';

CREATE FUNCTION recall._sign_token(tenant_id int, role regrole, rights recall.privilege[], until timestamptz, subject text)
RETURNS text
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'recall_sign_token';
COMMENT ON FUNCTION recall._sign_token(int, regrole, recall.privilege[], timestamptz, text) IS
'Signs a token. Works with the rights of the extension''s owner only. Errors: 42501; 55000 there is no key.';

CREATE FUNCTION recall._pool_for(role regrole) RETURNS regrole
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	pools regrole[] := ARRAY(SELECT p.role FROM recall.pool p WHERE p.role = coalesce(_pool_for.role, p.role) LIMIT 2);
BEGIN
	IF cardinality(pools) = 0 THEN
		PERFORM recall._invalid(
			CASE WHEN role IS NULL THEN 'there is no pool' ELSE format('role %s is no pool', role) END,
			'A token is for a role that recall.admit_pool() has admitted.');
	ELSIF cardinality(pools) > 1 THEN
		PERFORM recall._invalid('there are several pools', 'Name the role that may use the token.');
	END IF;
	RETURN pools[1];
END $$;
COMMENT ON FUNCTION recall._pool_for(regrole) IS
'The pool that a token is for: the one that is named, or the only one there is. Errors: 22023 it is none, or there are several.';

CREATE FUNCTION recall._check_token(valid_for interval, subject text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (valid_for BETWEEN '1 s' AND '1 h') IS NOT TRUE THEN
		PERFORM recall._invalid(format('valid_for %s is out of range', coalesce(valid_for::text, 'null')),
			'A token is valid for 1 second to 1 hour.');
	END IF;
	IF subject = '' OR length(subject) > 200 THEN
		PERFORM recall._invalid('invalid subject of a token', 'A subject has 1 to 200 characters.');
	END IF;
END $$;
COMMENT ON FUNCTION recall._check_token(interval, text) IS
'Raises 22023 unless the lifetime and the subject of a token are in range; a null subject passes.';

CREATE FUNCTION recall.issue_token(
	tenant_id int, rights recall.privilege[], valid_for interval DEFAULT '5 min', subject text DEFAULT NULL,
	role regrole DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	until timestamptz;
	pool regrole;
BEGIN
	IF recall._is_entered() THEN
		PERFORM recall._deny('issuing a token with the rights of another');
	END IF;
	pool := recall._pool_for(role);
	PERFORM recall._check_rights(pool, rights);
	PERFORM recall._require(tenant_id, r) FROM unnest(rights) r;
	PERFORM recall._check_token(valid_for, subject);

	until := clock_timestamp() + valid_for;
	PERFORM recall._log(tenant_id, 'token', pool::text, 'issue', detail => jsonb_build_object(
		'rights', recall._sorted_rights(rights), 'until', until, 'subject', subject));
	RETURN recall._sign_token(tenant_id, pool, recall._sorted_rights(rights), until, coalesce(subject, ''));
END $$;
COMMENT ON FUNCTION recall.issue_token(int, recall.privilege[], interval, text, regrole) IS
'Issues a token with which a pool can enter the tenant: role, when null the only pool there is. valid_for: 1 s to 1 hour; subject: on whose behalf, 1 to 200 characters, for the audit. Right: each of the rights that the token is to have, and EXECUTE on this function, which no member is given by itself. Errors: 42501, also in a transaction that has entered with a token; 22023 no rights, a parameter out of range, no such pool; 55000 there is no key.';

CREATE FUNCTION recall.enter(token text) RETURNS int
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'recall_enter';
COMMENT ON FUNCTION recall.enter(text) IS
'Enters the token''s tenant until the transaction ends, or the savepoint is rolled back in which this was called, and returns the tenant''s id. While it lasts the caller, as the role that it is now, has the token''s rights there and no others; once the token is over, none. A token for the same tenant takes the place of an earlier one. Changes nothing in the database, so it works on a standby too. Right: to be the pool for which the token was issued, or inherit it. Errors: 42501 a null, changed or ended token, or one for another role or database; 55000 another tenant was entered in this transaction.';
/*
 * What people look at. Each view shows the tenants in which the caller has the right "read"; whoever may neither dial
 * nor manage there sees numbers masked.
 *
 * Each but the last has an order, that of a key. The planner does not look into a security barrier for an order that somebody asks
 * for outside; it sees the one that is written inside, and a page is read from the index and no further. The tenants
 * are an array, compared with the column itself: a condition of the index, so that asking for somebody else's tenant
 * reads as little as asking for none. Names are looked up for each row that is shown; a join might begin with them.
 */

CREATE VIEW recall.task_overview WITH (security_barrier) AS
SELECT t.tenant_id, t.task_id, t.name AS task, t.task_type, t.state, t.priority, t.policy, t.calling_hours, t.auto_recall,
	(SELECT count(*) FROM recall.batch b WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS batches,
	(SELECT count(*) FROM recall.batch b JOIN recall.contact c ON c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS contacts,
	(SELECT count(*) FROM recall.batch b JOIN recall.call k ON k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id) AS calls,
	(SELECT count(*) FROM recall.batch b JOIN recall.recycle r ON r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id
		WHERE b.tenant_id = t.tenant_id AND b.task_id = t.task_id
		AND r.state IN ('waiting', 'running', 'paused', 'failed')) AS unfinished_recycles
FROM recall.task t
WHERE t.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY t.tenant_id, t.task_id;
COMMENT ON VIEW recall.task_overview IS
'A row for each task. The counts are exact and read the task''s rows, but only where they are selected. Right: read.';
COMMENT ON COLUMN recall.task_overview.tenant_id IS 'The tenant whose task it is.';
COMMENT ON COLUMN recall.task_overview.task_id IS 'The task.';
COMMENT ON COLUMN recall.task_overview.task IS 'Its name.';
COMMENT ON COLUMN recall.task_overview.task_type IS 'How it dials.';
COMMENT ON COLUMN recall.task_overview.state IS 'draft, executing, suspended or completed.';
COMMENT ON COLUMN recall.task_overview.priority IS 'Its rank, higher first.';
COMMENT ON COLUMN recall.task_overview.policy IS 'Who is recalled; null: recall is not enabled.';
COMMENT ON COLUMN recall.task_overview.calling_hours IS 'When one may call; null: at any time.';
COMMENT ON COLUMN recall.task_overview.batches IS 'Its batches.';
COMMENT ON COLUMN recall.task_overview.contacts IS 'The contacts in them.';
COMMENT ON COLUMN recall.task_overview.auto_recall IS 'Whether reported calls are judged at once.';
COMMENT ON COLUMN recall.task_overview.calls IS 'The calls made to these.';
COMMENT ON COLUMN recall.task_overview.unfinished_recycles IS 'Recycle records that wait, run, are paused or failed.';

CREATE VIEW recall.batch_overview WITH (security_barrier) AS
SELECT b.tenant_id, b.task_id, (SELECT t.name FROM recall.task t WHERE t.tenant_id = b.tenant_id AND t.task_id = b.task_id) AS task,
	b.batch_id, b.name AS batch, b.state,
	(SELECT count(*) FROM recall.contact c WHERE c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id) AS contacts,
	(SELECT count(*) FROM recall.call k WHERE k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id
		AND k.attempt = 1) AS called,
	(SELECT count(*) FROM recall.call k WHERE k.tenant_id = b.tenant_id AND k.batch_id = b.batch_id) AS calls,
	(SELECT count(*) FROM recall.contact c JOIN recall.dial d ON d.tenant_id = c.tenant_id AND d.contact_id = c.contact_id
		WHERE c.tenant_id = b.tenant_id AND c.batch_id = b.batch_id) AS queued,
	(SELECT count(*) FROM recall.recycle r WHERE r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id) AS recycles,
	(SELECT r.state FROM recall.recycle r WHERE r.tenant_id = b.tenant_id AND r.batch_id = b.batch_id
		ORDER BY r.recycle_id DESC LIMIT 1) AS last_recycle
FROM recall.batch b
WHERE b.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY b.tenant_id, b.batch_id;
COMMENT ON VIEW recall.batch_overview IS
'A row for each batch. The counts are exact and read the batch''s rows, but only where they are selected. Right: read.';
COMMENT ON COLUMN recall.batch_overview.tenant_id IS 'The tenant whose batch it is.';
COMMENT ON COLUMN recall.batch_overview.task_id IS 'The task that dials it.';
COMMENT ON COLUMN recall.batch_overview.task IS 'The task''s name.';
COMMENT ON COLUMN recall.batch_overview.batch_id IS 'The batch.';
COMMENT ON COLUMN recall.batch_overview.batch IS 'Its name.';
COMMENT ON COLUMN recall.batch_overview.state IS 'created, started, suspended or finished.';
COMMENT ON COLUMN recall.batch_overview.contacts IS 'Its contacts.';
COMMENT ON COLUMN recall.batch_overview.called IS 'Those that were called at least once.';
COMMENT ON COLUMN recall.batch_overview.calls IS 'The calls made to them.';
COMMENT ON COLUMN recall.batch_overview.queued IS 'Those that have a permit: ready, claimed, or of unknown outcome.';
COMMENT ON COLUMN recall.batch_overview.recycles IS 'Its recycle records.';
COMMENT ON COLUMN recall.batch_overview.last_recycle IS 'The state of the latest of these.';

CREATE VIEW recall.completed_call WITH (security_barrier) AS
SELECT k.tenant_id, b.task_id, k.batch_id, k.contact_id, k.attempt, recall._show_number(k.tenant_id, k.number) AS number,
	pg_catalog.concat_ws(': ', coalesce(k.failure_cause::text, 'answered'), k.business_result) AS outcome, k.failure_cause, k.business_result,
	r.name AS result_name, k.started_at, k.ended_at, k.ended_at - k.started_at AS duration, recall._show_text(k.tenant_id, k.raw_code) AS raw_code,
	recall._show_text(k.tenant_id, k.agent) AS agent, k.recycle_id, k.assumed
FROM recall.call k
JOIN recall.batch b ON b.tenant_id = k.tenant_id AND b.batch_id = k.batch_id
LEFT JOIN recall.business_result r ON r.tenant_id = k.tenant_id AND r.code = k.business_result
WHERE k.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY k.tenant_id, k.batch_id, k.contact_id, k.attempt;
COMMENT ON VIEW recall.completed_call IS 'The completed call data with readable outcomes, a row for each attempt. Right: read.';
COMMENT ON COLUMN recall.completed_call.tenant_id IS 'The tenant whose call it was.';
COMMENT ON COLUMN recall.completed_call.task_id IS 'The task that made it.';
COMMENT ON COLUMN recall.completed_call.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.completed_call.contact_id IS 'The contact that was called.';
COMMENT ON COLUMN recall.completed_call.attempt IS 'Which call to the contact it was, from 1.';
COMMENT ON COLUMN recall.completed_call.number IS 'The number that was dialled.';
COMMENT ON COLUMN recall.completed_call.outcome IS 'How it ended: the failure cause or "answered", and the business result.';
COMMENT ON COLUMN recall.completed_call.failure_cause IS 'Why it failed; null: it was answered.';
COMMENT ON COLUMN recall.completed_call.business_result IS 'The code of what the conversation ended in.';
COMMENT ON COLUMN recall.completed_call.result_name IS 'The name of that result.';
COMMENT ON COLUMN recall.completed_call.started_at IS 'When dialling began.';
COMMENT ON COLUMN recall.completed_call.ended_at IS 'When the call was over.';
COMMENT ON COLUMN recall.completed_call.duration IS 'The time between, ringing included.';
COMMENT ON COLUMN recall.completed_call.raw_code IS 'The outcome as the outside system wrote it.';
COMMENT ON COLUMN recall.completed_call.agent IS 'Who spoke.';
COMMENT ON COLUMN recall.completed_call.assumed IS 'Whether no dialer reported the outcome, but a person or a rule settled it.';
COMMENT ON COLUMN recall.completed_call.recycle_id IS 'The recycle record that it came from.';

CREATE VIEW recall.recycle_record WITH (security_barrier) AS
SELECT r.tenant_id, r.recycle_id, b.task, b.batch, r.state, r.policy, r.requested_by, r.requested_at, r.cap,
	r.matched, r.emitted, r.judged - r.matched AS excluded, r.matched - r.emitted AS over_cap, r.withdrawn + y.taken_out AS withdrawn,
	y.dialled, y.reached, r.emitted - r.withdrawn - y.taken_out - y.dialled AS pending, r.started_at, r.finished_at, recall._show_text(r.tenant_id, r.error) AS error, b.task_id, r.batch_id, r.subject
FROM recall.recycle r
LEFT JOIN LATERAL (
	SELECT i.task_id, i.name AS batch, t.name AS task
	FROM recall.batch i
	JOIN recall.task t ON t.tenant_id = i.tenant_id AND t.task_id = i.task_id
	WHERE i.tenant_id = r.tenant_id AND i.batch_id = r.batch_id
	OFFSET 0
) b ON true
CROSS JOIN LATERAL (
	SELECT coalesce(sum(i.dialled), 0)::bigint AS dialled, coalesce(sum(i.reached), 0)::bigint AS reached,
		coalesce(sum(i.taken_out), 0)::bigint AS taken_out
	FROM recall.recycle_tally i
	WHERE i.tenant_id = r.tenant_id AND i.recycle_id = r.recycle_id
) y
WHERE r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY r.tenant_id DESC, r.recycle_id DESC;
COMMENT ON VIEW recall.recycle_record IS
'The record page: who asked for which batch to be recalled, how far that went, and what became of it. matched = emitted + over_cap; emitted = withdrawn + dialled + pending. Right: read.';
COMMENT ON COLUMN recall.recycle_record.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle_record.recycle_id IS 'The record.';
COMMENT ON COLUMN recall.recycle_record.task IS 'The task''s name.';
COMMENT ON COLUMN recall.recycle_record.batch IS 'The batch''s name.';
COMMENT ON COLUMN recall.recycle_record.state IS 'waiting, running, paused, completed, cancelled or failed.';
COMMENT ON COLUMN recall.recycle_record.policy IS 'The policy as it was when the recycle was asked for.';
COMMENT ON COLUMN recall.recycle_record.requested_by IS 'The role that asked.';
COMMENT ON COLUMN recall.recycle_record.requested_at IS 'When it asked.';
COMMENT ON COLUMN recall.recycle_record.cap IS 'Most contacts that the record re-dials.';
COMMENT ON COLUMN recall.recycle_record.matched IS 'Contacts that the policy recalls.';
COMMENT ON COLUMN recall.recycle_record.emitted IS 'Re-dial rows made.';
COMMENT ON COLUMN recall.recycle_record.excluded IS 'Contacts that are not recalled: not called yet, queued already, or not meant by the policy; recall.preview() gives the reasons.';
COMMENT ON COLUMN recall.recycle_record.over_cap IS 'Contacts that matched beyond the cap; the next recycle starts there.';
COMMENT ON COLUMN recall.recycle_record.withdrawn IS 'Re-dial rows taken back, or taken out because they could not be dialled any more.';
COMMENT ON COLUMN recall.recycle_record.dialled IS 'Re-dial rows that became completed calls.';
COMMENT ON COLUMN recall.recycle_record.reached IS 'Those of them that were answered.';
COMMENT ON COLUMN recall.recycle_record.pending IS 'Re-dial rows that wait or are out with a dialer.';
COMMENT ON COLUMN recall.recycle_record.started_at IS 'When the processor took the record up.';
COMMENT ON COLUMN recall.recycle_record.finished_at IS 'When it was completed or cancelled.';
COMMENT ON COLUMN recall.recycle_record.error IS 'Why it failed.';
COMMENT ON COLUMN recall.recycle_record.task_id IS 'The task.';
COMMENT ON COLUMN recall.recycle_record.batch_id IS 'The batch.';
COMMENT ON COLUMN recall.recycle_record.subject IS 'On whose behalf the role asked, when it had entered with a token.';

CREATE VIEW recall.redial WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state, d.recycle_id
FROM recall.dial d
WHERE d.attempt > 1 AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;
COMMENT ON VIEW recall.redial IS 'The re-dial rows: permits for a second or later call. Right: read.';
COMMENT ON COLUMN recall.redial.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.redial.task_id IS 'The task whose dialers may claim it.';
COMMENT ON COLUMN recall.redial.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.redial.contact_id IS 'The contact that may be called again.';
COMMENT ON COLUMN recall.redial.number IS 'The number to dial.';
COMMENT ON COLUMN recall.redial.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.redial.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.redial.state IS 'ready, claimed, or unknown once the lease has run out.';
COMMENT ON COLUMN recall.redial.recycle_id IS 'The record that made it.';

CREATE VIEW recall.permit WITH (security_barrier) AS
SELECT d.tenant_id, d.task_id, d.batch_id, d.contact_id, recall._show_number(d.tenant_id, d.number) AS number, d.attempt, d.priority, d.due_at,
	CASE WHEN d.lease_until <= pg_catalog.clock_timestamp() THEN 'unknown' ELSE d.state END AS state,
	recall._show_text(d.tenant_id, d.agent) AS agent, d.recycle_id, recall._show_text(d.tenant_id, d.dialer) AS dialer, d.claimed_at, d.lease_until
FROM recall.dial d
WHERE d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY d.tenant_id, d.contact_id;
COMMENT ON VIEW recall.permit IS
'The queue: permits to dial that wait, are out with a dialer, or are of unknown outcome. Right: read.';
COMMENT ON COLUMN recall.permit.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.permit.task_id IS 'The task whose dialers may claim it.';
COMMENT ON COLUMN recall.permit.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.permit.contact_id IS 'The contact that may be called.';
COMMENT ON COLUMN recall.permit.number IS 'The number to dial.';
COMMENT ON COLUMN recall.permit.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.permit.priority IS 'The contact''s rank, higher first.';
COMMENT ON COLUMN recall.permit.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.permit.state IS 'ready, claimed, or unknown once the lease has run out.';
COMMENT ON COLUMN recall.permit.agent IS 'Who promised to call back.';
COMMENT ON COLUMN recall.permit.recycle_id IS 'The record that made it.';
COMMENT ON COLUMN recall.permit.dialer IS 'The dialer that took it.';
COMMENT ON COLUMN recall.permit.claimed_at IS 'When that was.';
COMMENT ON COLUMN recall.permit.lease_until IS 'Until when that dialer has it.';

CREATE VIEW recall.audit WITH (security_barrier) AS
SELECT e.tenant_id, e.at, e.role, e.session_role, e.kind,
	CASE e.kind WHEN 'suppression' THEN recall._show_number(e.tenant_id, e.record_id) ELSE e.record_id END AS record_id,
	e.action, e.from_state, e.to_state, recall._show_text(e.tenant_id, e.detail) AS detail, e.subject
FROM recall.event e
WHERE e.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
ORDER BY e.tenant_id DESC, e.at DESC;
COMMENT ON VIEW recall.audit IS 'The audit: who did what to which record. Right: read.';
COMMENT ON COLUMN recall.audit.tenant_id IS 'The tenant in which it happened.';
COMMENT ON COLUMN recall.audit.at IS 'When it happened.';
COMMENT ON COLUMN recall.audit.role IS 'The role that did it.';
COMMENT ON COLUMN recall.audit.session_role IS 'The role that had logged in.';
COMMENT ON COLUMN recall.audit.kind IS 'What it was done to.';
COMMENT ON COLUMN recall.audit.record_id IS 'Which one.';
COMMENT ON COLUMN recall.audit.action IS 'What was done.';
COMMENT ON COLUMN recall.audit.from_state IS 'The state before, when it changed.';
COMMENT ON COLUMN recall.audit.to_state IS 'The state after, when it changed.';
COMMENT ON COLUMN recall.audit.detail IS 'The particulars.';
COMMENT ON COLUMN recall.audit.subject IS 'On whose behalf the role did it, when it had entered with a token.';


/*
 * Two halves, so that who sees a number whole finds it by the index; the second is not even begun for whoever sees them
 * all so.
 */
CREATE VIEW recall.suppressed_number WITH (security_barrier) AS
SELECT s.tenant_id, s.number, s.task_id,
	(SELECT t.name FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id) AS task, s.until, s.reason, s.role, s.created_at
FROM recall.suppression s
WHERE s.tenant_id = ANY (ARRAY(SELECT n FROM recall._readable_tenants() n WHERE recall._sees_numbers(n)))
UNION ALL
SELECT s.tenant_id, recall._mask_number(s.number), s.task_id,
	(SELECT t.name FROM recall.task t WHERE t.tenant_id = s.tenant_id AND t.task_id = s.task_id), s.until, recall._mask_numbers(s.reason), s.role,
	s.created_at
FROM recall.suppression s
WHERE s.tenant_id = ANY (ARRAY(SELECT n FROM recall._readable_tenants() n WHERE NOT recall._sees_numbers(n)))
AND EXISTS (SELECT FROM recall._readable_tenants() n WHERE NOT recall._sees_numbers(n));
COMMENT ON VIEW recall.suppressed_number IS 'The do-not-call list, also what is over by now. Right: read.';
COMMENT ON COLUMN recall.suppressed_number.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.suppressed_number.number IS 'The number that is not called.';
COMMENT ON COLUMN recall.suppressed_number.task_id IS 'The task that does not call it; null: the whole tenant.';
COMMENT ON COLUMN recall.suppressed_number.task IS 'The task''s name.';
COMMENT ON COLUMN recall.suppressed_number.until IS 'Until when.';
COMMENT ON COLUMN recall.suppressed_number.reason IS 'Why.';
COMMENT ON COLUMN recall.suppressed_number.role IS 'The role that asked for it.';
COMMENT ON COLUMN recall.suppressed_number.created_at IS 'When it asked, last.';
/*
 * Rights on the objects themselves. Nothing is for everybody but the value types and the pure functions on them;
 * recall.grant_privilege() gives a tenant's roles what they need.
 */

DO $$
DECLARE
	grantee text;
BEGIN
	/* Everybody, and whoever the installing role's ALTER DEFAULT PRIVILEGES have given something by now. */
	FOR grantee IN
		SELECT 'PUBLIC'
		UNION
		SELECT acl.grantee::pg_catalog.regrole::text
		FROM (
			SELECT n.nspacl FROM pg_catalog.pg_namespace n WHERE n.nspname = 'recall'
			UNION ALL
			SELECT p.proacl FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
			UNION ALL
			SELECT c.relacl FROM pg_catalog.pg_class c WHERE c.relnamespace = 'recall'::pg_catalog.regnamespace
		) AS object (acl), pg_catalog.aclexplode(object.acl) acl
		WHERE acl.grantee NOT IN (0, acl.grantor)
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL ROUTINES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL TABLES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA recall FROM %s', grantee);
		EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA recall FROM %s', grantee);
	END LOOP;
END $$;

DO $$
DECLARE
	routine regprocedure;
BEGIN
	/* What the operators, casts and operator classes of the value types call, and what has no state behind it. */
	FOR routine IN
		SELECT p.oid
		FROM pg_catalog.pg_proc p
		WHERE p.pronamespace = 'recall'::pg_catalog.regnamespace
		AND p.proname IN ('policy', '_policy_eq', '_policy_ne', '_policy_hash', '_policy_hash_extended', 'policy_rules',
			'policy_limits', 'matches', 'history', 'judge', '_policy_to_jsonb', '_policy_from_jsonb', '_policy_selector_to_jsonb',
			'_policy_duration', '_policy_check_keys', '_check_size', '_policy_from_scalar', '_policy_from_list',
			'_policy_selector_from_jsonb', '_policy_items', '_nearest', '_calling_hours_eq', '_calling_hours_ne', '_calling_hours_hash',
			'_calling_hours_hash_extended', 'is_open', 'next_open', 'failure_causes', 'failure_cause', 'transition',
			'state_transitions')
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', routine);
	END LOOP;
END $$;

