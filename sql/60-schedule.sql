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
	PERFORM recall._log(0, 'scheduler', scheduler, 'grant', CASE WHEN recall._is_scheduler(role) THEN 'granted' END, 'granted');
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
	job bigint;
BEGIN
	PERFORM recall._require_owner();
	scheduler := recall._role_name(role);
	PERFORM recall._lock_grants();
	PERFORM recall._log(0, 'scheduler', scheduler, 'revoke', CASE WHEN recall._is_scheduler(role) THEN 'granted' END, 'revoked');
	EXECUTE format('REVOKE ALL ON PROCEDURE recall.process() FROM %I', scheduler);
	EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', recall._steps(), scheduler);
	IF NOT EXISTS (SELECT FROM recall.member m WHERE m.role = revoke_scheduler.role)
		AND NOT EXISTS (SELECT FROM recall.pool p WHERE p.role = revoke_scheduler.role) THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA recall FROM %I', scheduler);
	END IF;
	FOR job IN SELECT j.jobid FROM recall._cron_jobs() j WHERE j.role = scheduler AND j.fault IS NOT NULL LOOP
		RAISE WARNING 'cron job % runs as role "%", which may not call recall.process() any more', job, scheduler
		USING HINT = 'Run SELECT recall.schedule(NULL) to let the owner of the extension run it, or name another role there.';
	END LOOP;
END $$;
COMMENT ON FUNCTION recall.revoke_scheduler(regrole) IS
'Takes back what grant_scheduler() gave. A cron job of the role stays, and fails: of that a WARNING tells. Right: the extension''s owner. Errors: 42501; 22023 no such role.';

CREATE FUNCTION recall._cron_fault(OUT message text, OUT hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	/* Not current_setting(), which fails where an owner that is no superuser any more may not see them. */
	libraries text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'shared_preload_libraries');
	cron_database text := (SELECT s.setting FROM pg_settings s WHERE s.name = 'cron.database_name');
BEGIN
	IF libraries IS NULL THEN
		message := 'the extension''s owner may not see whether pg_cron is loaded';
		hint := format('Run GRANT pg_read_all_settings TO %I.', current_user);
		RETURN;
	END IF;
	/* The name can be set in the configuration while the library is not loaded. */
	IF NOT 'pg_cron' = ANY (regexp_split_to_array(replace(libraries, '"', ''), E'\\s*,\\s*')) THEN
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
	'Connect to database "%s" and run: SELECT cron.schedule_in_database(%L, ''*/5 * * * *'', ''CALL recall.process()'', %L); a fifth argument is the role to run as, after recall.grant_scheduler() here.',
	cron_database, 'recall in ' || pg_catalog.current_database(), pg_catalog.current_database());
COMMENT ON FUNCTION recall._schedule_elsewhere(text) IS 'How to schedule the processor from the database that pg_cron works in.';

CREATE FUNCTION recall._cron_jobs(OUT jobid bigint, OUT schedule text, OUT active boolean, OUT role text, OUT fault text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF (SELECT f.message FROM recall._cron_fault() f) IS NOT NULL THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE $query$
		SELECT j.jobid, j.schedule, j.active, j.username::text, f.fault
		FROM cron.job j
		JOIN pg_catalog.pg_proc p ON p.oid = 'recall.process()'::pg_catalog.regprocedure
		LEFT JOIN pg_catalog.pg_roles r ON r.rolname = j.username
		CROSS JOIN LATERAL (SELECT CASE
			WHEN r.oid IS NULL THEN 'does not exist'
			WHEN NOT pg_catalog.has_schema_privilege(r.oid, 'recall', 'USAGE')
				OR NOT pg_catalog.has_function_privilege(r.oid, 'recall.process()', 'EXECUTE') THEN 'may not call recall.process()'
			WHEN NOT recall._is_scheduler(r.oid) AND NOT pg_catalog.pg_has_role(r.oid, p.proowner, 'USAGE')
				THEN 'was not given recall.process() itself'
		END) f(fault)
		WHERE j.command ILIKE 'call recall.process()%' AND j.database = pg_catalog.current_database()
		ORDER BY f.fault IS NOT NULL, j.active DESC, j.jobid $query$;
END $$;
COMMENT ON FUNCTION recall._cron_jobs() IS
'The cron jobs that look as if they called the processor in this database; the first is the one that counts. fault: what keeps the job''s role from calling it, or the owner from having chosen it; null: nothing. None where pg_cron cannot be used.';

CREATE FUNCTION recall._job_settings(job bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	settings jsonb;
BEGIN
	EXECUTE $query$
		SELECT pg_catalog.jsonb_build_object('schedule', j.schedule, 'role', j.username, 'active', j.active)
		FROM cron.job j WHERE j.jobid = $1 $query$
	INTO settings USING job;
	RETURN settings;
END $$;
COMMENT ON FUNCTION recall._job_settings(bigint) IS 'When and as whom a cron job runs, for the audit; null: there is none.';

CREATE FUNCTION recall.schedule(cron text DEFAULT '*/5 * * * *', role regrole DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	fault record;
	job record;
	old jsonb;
BEGIN
	PERFORM recall._require_owner();
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		PERFORM recall._refuse(fault.message, fault.hint);
	END IF;
	IF role IS NOT NULL THEN
		PERFORM recall.grant_scheduler(role);
	END IF;
	SELECT * INTO job FROM recall._cron_jobs() LIMIT 1;
	old := recall._job_settings(job.jobid);
	/* What is left of a role that may not call the processor, or was dropped, would go on failing. */
	EXECUTE 'SELECT cron.unschedule(j.jobid) FROM recall._cron_jobs() j WHERE j.fault IS NOT NULL';
	cron := coalesce(cron, job.schedule, '*/5 * * * *');
	BEGIN
		IF job.jobid IS NULL OR job.fault IS NOT NULL THEN
			EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO job.jobid USING 'recall', cron, 'CALL recall.process()';
		END IF;
		/* The command, too: whoever made the job may have added to it what another role should not run. */
		EXECUTE 'SELECT cron.alter_job($1, schedule => $2, command => $3, username => $4, active => true)'
		USING job.jobid, cron, 'CALL recall.process()', (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = role::oid);
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM recall._invalid(SQLERRM, 'Give a crontab expression of five fields, in GMT, such as */5 * * * *.');
	END;
	PERFORM recall._log(0, 'job', job.jobid::text, 'schedule', detail => jsonb_build_object('from', old, 'to', recall._job_settings(job.jobid)));
	RETURN job.jobid;
END $$;
COMMENT ON FUNCTION recall.schedule(text, regrole) IS
'Lets pg_cron call recall.process(), by default every 5 minutes, and returns the job''s id; scheduling again changes the one job, and replaces those of roles that may not call recall.process(), or only by inheriting it from a role that was given it. cron: a crontab expression, in GMT; null: as before, at first every 5 minutes; left out: every 5 minutes, whatever it was before. role: as whom it runs, which gets what grant_scheduler() gives; null: as before, but the extension''s owner at first and where that role may not any more. Right: the extension''s owner. Errors: 42501; 22023 no such role, or an expression that pg_cron does not take; 55000 pg_cron is missing, not preloaded, or works in another database.';

CREATE FUNCTION recall._unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM recall._cron_jobs()) THEN
		RETURN false;
	END IF;
	EXECUTE 'SELECT cron.unschedule(j.jobid) FROM recall._cron_jobs() j';
	RETURN true;
END $$;
COMMENT ON FUNCTION recall._unschedule() IS 'Removes the cron jobs that call the processor in this database, and tells whether there were any.';

CREATE FUNCTION recall.unschedule() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	had_job boolean;
BEGIN
	PERFORM recall._require_owner();
	had_job := recall._unschedule();
	IF had_job THEN
		PERFORM recall._log(0, 'job', 'all', 'unschedule');
	END IF;
	RETURN had_job;
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

