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
	PERFORM recall._require_read_committed();
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
		PERFORM recall._deny(format('recycle record %s of tenant %s', coalesce(recycle_id::text, 'null'), tenant_id));
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
		PERFORM recall._deny(format('recycle record %s of tenant %s', coalesce(recycle_id::text, 'null'), tenant_id));
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
'Completes a task for good and finishes its started and suspended batches, as finish_batch() does. Right: manage. Errors: 42501; 55000 an illegal move.';

