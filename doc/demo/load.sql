-- load.sql
--		Gives recall what a loader has laid out, all or nothing: new_contact and the new_call of these.
--
--		new_contact	reference, numbers, attributes; add_contacts() takes it as it is
--		new_call	reference, place, failure_cause, business_result, started_at, ended_at, raw_code
--
-- record_calls() wants to know each call's contact by its id, which is found here by the reference: it has to
-- be different for each contact. place is the order of calls that started in the same instant. :tenant and
-- :batch say where to. Run it as a role that may read recall.contact: the extension's owner. The planner is told of
-- the new rows at once, as it should be after every bulk load, rather than when autovacuum comes by.

\set ON_ERROR_STOP on
BEGIN;

SELECT coalesce(max(contact_id), 0) AS last_contact FROM recall.contact WHERE tenant_id = :tenant \gset
SELECT recall.add_contacts(:tenant, :batch, 'pg_temp.new_contact') AS contacts_added \gset
ANALYZE recall.contact, recall.dial;

CREATE TEMPORARY TABLE completed ON COMMIT DROP AS
SELECT c.contact_id, k.failure_cause, k.business_result, k.started_at, k.ended_at, k.raw_code
FROM new_call k
JOIN recall.contact c ON c.tenant_id = :tenant AND c.contact_id > :last_contact AND c.reference = k.reference
ORDER BY k.started_at, k.place;
SELECT recall.record_calls(:tenant, 'pg_temp.completed') AS calls_recorded \gset
ANALYZE recall.call, recall.dial;

COMMIT;
\echo :contacts_added contacts added, :calls_recorded completed calls recorded

-- What the loader has set for itself is as it was before.
\if :{?stop_before}
	\set ON_ERROR_STOP :stop_before
	\set QUIET :quiet_before
\endif
