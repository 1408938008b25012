/*
 * The audit is appended to. Members cannot write it at all; this keeps the owner, and what works with the owner's rights,
 * from changing it by mistake: an event stays, and of what it says only the particulars about a person who was erased or
 * purged go. A superuser who means to can disable triggers, as with everything in PostgreSQL.
 */

CREATE FUNCTION recall._keep_event() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._refuse('the audit is only appended to',
		'What it says of a person goes with recall.erase_number(), recall.purge_batch() or recall.purge_before().');
	RETURN NULL;
END $$;
COMMENT ON FUNCTION recall._keep_event() IS 'Trigger of recall.event. Raises 55000.';

CREATE TRIGGER keep_event BEFORE DELETE OR TRUNCATE ON recall.event
FOR EACH STATEMENT EXECUTE FUNCTION recall._keep_event();
COMMENT ON TRIGGER keep_event ON recall.event IS 'No event is removed.';

CREATE TRIGGER keep_fact BEFORE UPDATE ON recall.event
FOR EACH ROW WHEN (
	(new.event_id, new.tenant_id, new.at, new.role, new.session_role, new.kind, new.action, new.from_state, new.to_state, new.subject)
		IS DISTINCT FROM (old.event_id, old.tenant_id, old.at, old.role, old.session_role, old.kind, old.action, old.from_state, old.to_state, old.subject)
	OR new.record_id <> old.record_id AND (old.kind <> 'suppression' OR new.record_id <> 'erased')
	OR new.detail IS DISTINCT FROM old.detail AND new.detail IS DISTINCT FROM recall._redacted(old.detail))
EXECUTE FUNCTION recall._keep_event();
COMMENT ON TRIGGER keep_fact ON recall.event IS 'An event is changed only by taking out its particulars, and the number of a suppression.';
