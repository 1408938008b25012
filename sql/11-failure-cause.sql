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

/* Its own rights read the table, so that nobody else needs any on it. What is longer than any code is not looked at. */
CREATE FUNCTION recall.failure_cause(system text, code text) RETURNS recall.failure_cause
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked_system CONSTANT text := CASE WHEN octet_length(failure_cause.system) <= 10000 THEN lower(btrim(failure_cause.system)) END;
	asked_code CONSTANT text := CASE WHEN octet_length(failure_cause.code) <= 10000 THEN btrim(failure_cause.code) END;
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
		RAISE EXCEPTION 'system "%" has no codes of failure causes', recall._mask_numbers(left(failure_cause.system, 50))
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Known systems: %s.', (SELECT string_agg(DISTINCT c.system, ', ') FROM recall.cause_code c));
	END IF;
	RETURN 'unspecified'::recall.failure_cause;
END
$$;
COMMENT ON FUNCTION recall.failure_cause(text, text) IS
'The failure cause that an outside code stands for: system sip, q850, asterisk, freeswitch, vicidial, huawei, twilio, connect, or one that was added to recall.cause_code. NULL for a code that means answered; unspecified for a code that is not known, or null. 22023 for a system that is not known.';
