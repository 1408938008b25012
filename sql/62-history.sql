/*
 * Copies: a promoted standby, a restored dump or base backup, a database made from a template, an upgraded cluster.
 * Such a copy does not know what was rung after its last moment, so it hands out nothing. Whoever runs it records
 * what is known of those calls, says until when other calls may have been made, and accepts the history.
 */

CREATE FUNCTION recall.review_history(rung_until timestamptz DEFAULT NULL)
RETURNS TABLE (tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	PERFORM recall._require_owner();
	RETURN QUERY
	SELECT n.tenant_id, recall._known_until(), coalesce(d.claimed, 0), coalesce(d.unknown, 0), coalesce(d.in_doubt, 0)
	FROM recall.tenant n
	LEFT JOIN (
		SELECT i.tenant_id,
			count(*) FILTER (WHERE i.state = 'claimed' AND i.lease_until > at) AS claimed,
			count(*) FILTER (WHERE i.state <> 'ready' AND i.lease_until <= at) AS unknown,
			count(*) FILTER (WHERE i.state = 'ready' AND i.due_at <= coalesce(rung_until, at)) AS in_doubt
		FROM recall.dial i
		GROUP BY i.tenant_id
	) d ON d.tenant_id = n.tenant_id
	ORDER BY n.tenant_id;
END $$;
COMMENT ON FUNCTION recall.review_history(timestamptz) IS
'What a copy of the database cannot know, a row for each tenant: until when at least its history is whole; permits that were out with dialers at its last moment, within their lease (claimed) or beyond it (unknown); and ready permits that were due by rung_until, null = now, so that the original may have handed them out after that moment (in_doubt). Right: the extension''s owner. Errors: 42501.';

/* Of several permits for one number one may be out at a time. The others wait for it, as always. */
CREATE FUNCTION recall._doubt_permits(known_until timestamptz, rung_until timestamptz) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	WITH ready AS MATERIALIZED (
		SELECT d.tenant_id, d.contact_id, d.number, d.priority, d.due_at
		FROM recall.dial d
		WHERE d.state = 'ready' AND d.due_at <= rung_until
		ORDER BY d.tenant_id, d.contact_id
		FOR UPDATE
	), doubted AS (
		SELECT DISTINCT ON (r.tenant_id, r.number) r.tenant_id, r.contact_id
		FROM ready r
		WHERE NOT EXISTS (SELECT FROM recall.dial o WHERE o.tenant_id = r.tenant_id AND o.number COLLATE "C" = r.number AND o.state <> 'ready')
		ORDER BY r.tenant_id, r.number, r.priority DESC, r.due_at, r.contact_id
	)
	UPDATE recall.dial d
	SET state = 'unknown', token = recall._new_token(), claimed_at = least(known_until, rung_until), lease_until = rung_until
	FROM doubted i
	WHERE d.tenant_id = i.tenant_id AND d.contact_id = i.contact_id;
END;
COMMENT ON FUNCTION recall._doubt_permits(timestamptz, timestamptz) IS
'Makes the outcome of ready permits unknown that were due by an instant, as if they had been claimed when the history ends; of those for one number the first.';

CREATE FUNCTION recall.accept_history(rung_until timestamptz DEFAULT NULL)
RETURNS TABLE (tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	reviews jsonb;
	origins jsonb;
BEGIN
	PERFORM recall._require_owner();
	IF rung_until > clock_timestamp() OR NOT isfinite(rung_until) THEN
		PERFORM recall._invalid(format('rung_until %s is not a moment that is past', quote_literal(rung_until)),
			'Give the moment by which the original had handed out its last permit, or null when every call that was made since is recorded.');
	END IF;
	LOCK TABLE recall.origin IN SHARE ROW EXCLUSIVE MODE;
	IF recall._history_is_accepted() THEN
		RETURN;
	END IF;
	SELECT jsonb_agg(r) INTO reviews FROM recall.review_history(rung_until) r;
	SELECT jsonb_agg(o) INTO origins FROM recall.origin o;
	IF rung_until IS NOT NULL THEN
		PERFORM recall._doubt_permits(recall._known_until(), rung_until);
	END IF;
	PERFORM recall._note_origin();
	PERFORM recall._log(0, 'history', 'all', 'accept', detail => jsonb_build_object('rung_until', rung_until, 'origin', origins));
	RETURN QUERY SELECT r.* FROM jsonb_to_recordset(reviews)
		AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
	PERFORM recall._log(r.tenant_id, 'tenant', r.tenant_id::text, 'accept_history',
		detail => jsonb_strip_nulls(to_jsonb(r) - 'tenant_id' || jsonb_build_object('rung_until', rung_until, 'origin', origins)))
	FROM jsonb_to_recordset(reviews) AS r(tenant_id int, known_until timestamptz, claimed bigint, unknown bigint, in_doubt bigint);
END $$;
COMMENT ON FUNCTION recall.accept_history(timestamptz) IS
'Lets a copy of the database hand out permits: its owner says that what was rung after its last moment is recorded. rung_until: where that is not so, the moment by which the original had handed out its last permit; ready permits that were due by then may have rung, so their outcome becomes unknown, and a report, recall.resolve() or a rule for it settles each; null: there are no such. Returns what recall.review_history() says at this moment, and notes it in the audit; no rows, and nothing done, where no claims are held. Right: the extension''s owner. Errors: 42501; 22023 a moment that is not past.';
