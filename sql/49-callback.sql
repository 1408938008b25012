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
	IF schedule_callback.number COLLATE "default" <> ALL (contact.numbers) THEN
		PERFORM recall._raise_call_fault(contact.tenant_id, 'number', '', contact.contact_id, schedule_callback.number, NULL, NULL, NULL);
	END IF;
	IF recall._is_longer(schedule_callback.agent, 200) THEN
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
'Queues a call that was promised to a contact for an instant, in the place of a permit that waits (its recycle record counts that as withdrawn), and returns when it is due: at that instant, or at the first after it at which the calling hours, limits, quiets and suppressions for a time allow it. number: one of the contact''s, null = that of the promise that is moved, or of the latest call; where it may not be called, another of the contact''s is taken; agent: who promised it, up to 200 characters, for the dialer to see; null = who promised what is moved, or the role that asks; priority: its rank in the queue, higher first, null = that of the promise that is moved, or the contact''s; without a higher one it comes behind what has been due for longer. Report the call in which it was promised first. Right: dial. Errors: 42501; 22023 no time, a number that is not the contact''s, an agent''s name too long; 55000 the contact is out with a dialer, the batch is not started, a limit is reached, every number is suppressed, the hours never open again.';
