/* Health: what an administrator, or a monitor, looks at. */

CREATE FUNCTION recall._scheduler_health(at timestamptz, OUT check_name text, OUT status text, OUT detail text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	is_told_why boolean := recall._is_owner(); -- asked before any table is read: it loads the library, which guards the plans
	fault record;
	job record;
	last_run record;
BEGIN
	check_name := 'schedule';
	SELECT * INTO fault FROM recall._cron_fault();
	IF fault.message IS NOT NULL THEN
		/* Something else may call the processor, and is known by what it does. */
		IF EXISTS (SELECT FROM recall.tick k WHERE k.finished_at > at - interval '10 min') THEN
			status := 'ok';
			detail := format('%s; recall.process() is called all the same', fault.message);
		ELSE
			status := 'warning';
			detail := format('%s, so nothing is known of the job here. %s', fault.message, fault.hint);
		END IF;
		RETURN NEXT;
		RETURN;
	END IF;
	SELECT * INTO job FROM recall._cron_jobs() LIMIT 1;
	IF job.jobid IS NULL THEN
		status := 'critical';
		detail := 'there is no cron job: nobody calls recall.process(). Run SELECT recall.schedule().';
	ELSIF job.fault IS NOT NULL THEN
		status := 'critical';
		detail := format('cron job %s runs as role "%s", which %s. Run SELECT recall.schedule(NULL) to let the owner of the extension run it, or name another role there.',
			job.jobid, job.role, job.fault);
	ELSIF NOT job.active THEN
		status := 'critical';
		detail := format('cron job %s is inactive. Run SELECT recall.schedule(NULL).', job.jobid);
	ELSE
		status := 'ok';
		detail := format('cron job %s runs at %s as role "%s"', job.jobid, job.schedule, job.role);
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
			WHEN last_run.status = 'failed' THEN format('it failed%s: %s%s', ' at ' || last_run.start_time,
				CASE WHEN is_told_why THEN recall._mask_numbers(last_run.return_message) ELSE 'the owner of the extension is told why' END,
				CASE WHEN last_run.start_time IS NULL THEN '. It never began: does pg_hba.conf let the job''s role in? See "How the job logs in" in doc/operations.md' END)
			ELSE format('it succeeded at %s', last_run.start_time)
		END;
		RETURN NEXT;
	END IF;
END $$;
COMMENT ON FUNCTION recall._scheduler_health(timestamptz) IS 'Whether pg_cron, or something else, calls the processor at an instant: the job missing, of a role that may not, inactive, or failing.';

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
		(SELECT max(d.claimed_at) FROM recall.dial d
			WHERE d.state <> 'ready' AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants())))) AS latest) c
	UNION ALL
	SELECT 'overdue records', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'critical' END,
		CASE
			WHEN count(*) = 0 THEN 'no recycle record is kept waiting'
			ELSE format('recycle records that have waited for more than 10 minutes: %s, the oldest for %s', count(*),
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
			ELSE format('recycle records that have failed: %s; see recall.recycle_record, then retry or cancel them', count(*))
		END
	FROM recall.recycle r
	WHERE r.state = 'failed' AND r.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'unknown outcomes', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'no call is of unknown outcome'
			ELSE format('calls of unknown outcome: %s, the oldest for %s; their leases ran out without a report: see recall.permit and recall.resolve()',
				count(*), recall._age(min(d.lease_until), at))
		END
	FROM recall.dial d
	WHERE d.state <> 'ready' AND d.lease_until <= at AND d.tenant_id = ANY (ARRAY(SELECT recall._readable_tenants()))
	UNION ALL
	SELECT 'calling hours', CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
		CASE
			WHEN count(*) = 0 THEN 'every task that is at work has calling hours'
			ELSE format('tasks at work that may call at any time of day: %s; see recall.set_calling_hours()', count(*))
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
	RETURN QUERY SELECT * FROM recall._scheduler_health(clock_timestamp());
	RETURN QUERY SELECT * FROM recall._history_health();
	RETURN QUERY SELECT * FROM recall._work_health(clock_timestamp());
END $$;
COMMENT ON FUNCTION recall.health() IS
'A row for each check, with status ok, warning or critical: the cron job, its last run, whether claims are held because the database is a copy, the last tick (warning after 10 minutes, critical after 30), a clock that was set back, records kept waiting, failed records, calls of unknown outcome, tasks without calling hours. Records and tasks are those of the tenants that the caller may read.';

