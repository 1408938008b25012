/* Setting up tenants, tasks, batches and business results. */

CREATE FUNCTION recall._check_name(kind text, name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF coalesce(name, '') = '' OR recall._is_longer(name, 200) THEN
		PERFORM recall._invalid(format('invalid name of a %s: %L', kind, recall._mask_numbers(left(name, 200))), 'A name has 1 to 200 characters.');
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
	IF obs_url_mode = '' OR recall._is_longer(obs_url_mode, 50) THEN
		PERFORM recall._invalid(format('invalid obs_url_mode %L', recall._mask_numbers(left(obs_url_mode, 50))),
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
	IF cardinality(holidays) > 10000 OR array_ndims(holidays) > 1 OR array_position(holidays, NULL) IS NOT NULL
		OR '{infinity,-infinity}' && holidays THEN
		PERFORM recall._invalid('invalid list of holidays', 'Give up to 10000 dates, none of them null or infinite.');
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
'Replaces the tenant''s public holidays, the days that PH means in calling hours; null: none. Right: manage. Errors: 42501; 22023 more than 10 000 dates, or a null or an infinite one among them.';

/* Business results */

CREATE FUNCTION recall.create_business_result(tenant_id int, code text, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM recall._require(create_business_result.tenant_id, 'manage');
	PERFORM recall._check_name('business result', create_business_result.name);
	IF recall._is_longer(create_business_result.code, 50)
		OR create_business_result.code COLLATE "default" !~ '^[A-Za-z0-9_-]{1,50}$' IS NOT FALSE THEN
		PERFORM recall._invalid(format('invalid code of a business result: %L', recall._mask_numbers(left(create_business_result.code, 100))),
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
		PERFORM recall._invalid(format('business result "%s" exists already', recall._mask_numbers(create_business_result.code)),
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
		PERFORM recall._invalid(format('business result "%s" of the policy does not exist in tenant %s', recall._mask_numbers(unknown_code), tenant_id),
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
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
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
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
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
'Creates an outbound call task in state draft and returns its id. A null policy: recall is not enabled; null calling_hours: calls at any time; auto_recall: as with set_auto_recall(); priority: 0 to 9, higher first, for whoever chooses the task to claim from. Right: manage. Errors: 42501; 22023 a parameter out of range, a business result that the tenant has not, or a policy without a limit or an "after" where auto_recall is asked for.';

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
		PERFORM recall._deny(format('task %s of tenant %s', coalesce(task_id::text, 'null'), tenant_id));
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
		PERFORM recall._deny(format('batch %s of tenant %s', coalesce(batch_id::text, 'null'), tenant_id));
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
		PERFORM recall._deny(format('batch %s of tenant %s', coalesce(batch_id::text, 'null'), tenant_id));
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

