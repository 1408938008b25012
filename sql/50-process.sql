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

CREATE FUNCTION recall._require_no_block() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'recall_require_no_block';
COMMENT ON FUNCTION recall._require_no_block() IS 'Raises 2D000 inside a transaction block, where the processor could not commit.';

CREATE FUNCTION recall._note_run() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	run bigint;
BEGIN
	INSERT INTO recall.tick (started_at, held, last_tenant)
	VALUES (clock_timestamp(), NOT recall._history_is_accepted(), (SELECT t.last_tenant FROM recall.tick t ORDER BY t.tick_id DESC LIMIT 1))
	RETURNING tick_id INTO run;
	DELETE FROM recall.tick WHERE tick_id <= run - 10000;
	RETURN run;
END $$;
COMMENT ON FUNCTION recall._note_run() IS 'Notes that a run begins, and forgets the runs before the last 10 000.';

CREATE FUNCTION recall._begin_tick() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM recall._require_no_block();
	RETURN recall._note_run();
END $$;
COMMENT ON FUNCTION recall._begin_tick() IS
'A step of process(): notes that a run begins, and forgets the runs before the last 10 000. Called alone it leaves a run without an end, and does no other harm. Errors: 2D000 inside a transaction block.';

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
	UPDATE recall.recycle r SET put_off_in = least(run, (SELECT max(t.tick_id) FROM recall.tick t)),
		error = 'put off until the next run: ' || pg_catalog."left"(why, 1000)
	WHERE r.tenant_id = (recycle).tenant_id AND r.recycle_id = (recycle).recycle_id;
END;
COMMENT ON FUNCTION recall._put_off_record(recall.recycle, bigint, text) IS
'Leaves a locked record to the run of the processor behind the given one, or behind the last when there is no such run yet, and notes why.';

CREATE FUNCTION recall._step(run bigint, after_tenant int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	recycle recall.recycle;
	emitted_rows bigint := 0;
	why text;
BEGIN
	PERFORM recall._require_no_source();
	PERFORM recall._require_read_committed(); -- that would be the caller's fault, not the record's
	recycle := recall._next_record(coalesce(after_tenant, (SELECT t.last_tenant FROM recall.tick t WHERE t.tick_id = run), 0), run);
	IF recycle.tenant_id IS NULL THEN
		RETURN NULL;
	END IF;
	BEGIN
		emitted_rows := recall._advance(recycle);
	EXCEPTION
	/* What the server lacks for a moment, and what the caller's session may not, is no fault of the record's. */
	WHEN lock_not_available OR transaction_rollback OR insufficient_resources OR system_error OR insufficient_privilege THEN
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
'A step of process(): takes the oldest record of the next tenant behind the given one (null: behind the last that anything was done for) one step on and returns the tenant, null when nothing is left to do. An error makes the record failed; one that will pass or is not the record''s (a lock that is not to be had, a deadlock, too little memory or disk, a session that may not) puts it off until the next run; neither is raised. Called alone it does a part of a run, and no harm. Errors: 55000 above READ COMMITTED, or while a bulk source is read.';

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

