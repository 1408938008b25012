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
