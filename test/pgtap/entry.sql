-- Pooled applications: tokens, what entering with one gives and to whom, and how it ends inside a transaction. What ends
-- with the transaction is in test/t/081_pooling.pl.
BEGIN;
\ir helpers.psql
SELECT no_plan();

CREATE FUNCTION t.furnish(name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	SELECT * INTO c FROM t.campaign(3);
	UPDATE recall.tenant SET name = furnish.name WHERE tenant_id = c.tenant;
	PERFORM t.call_all(c.tenant, 1, 2, 'busy');
	PERFORM recall.recycle(c.tenant, c.batch);
	PERFORM t.tick();
	PERFORM recall.suppress(c.tenant, t.number(9));
	RETURN c.tenant;
END $$;
SELECT t.furnish('Acme') AS acme \gset
SELECT t.furnish('Bell') AS bell \gset

CREATE ROLE t_pool;
CREATE ROLE t_login IN ROLE t_pool;
CREATE ROLE t_member;
CREATE ROLE t_issuer;
CREATE ROLE t_nobody;
SELECT recall.grant_privilege(:bell, 't_member', '{read,manage,recycle,dial}');
SELECT recall.grant_privilege(:acme, 't_issuer', '{read,dial}');

/* Pools */

SELECT t.refused(format('SELECT recall.issue_token(%s, ''{read}'')', :acme), '22023', 'there is no pool',
	'A token is for a role that recall.admit_pool() has admitted.', 'no pool yet');

CREATE FUNCTION t.granted(who name) RETURNS text LANGUAGE sql
BEGIN ATOMIC
	WITH object AS (
		SELECT kind, CASE kind WHEN 'TABLE' THEN has_table_privilege(who, identity, 'SELECT') ELSE has_function_privilege(who, identity, 'EXECUTE') END AS granted
		FROM recall._member_objects()
		WHERE CASE kind WHEN 'TABLE' THEN true ELSE NOT has_function_privilege('public', identity, 'EXECUTE') END)
	SELECT format('schema %s, functions %s of %s, views %s of %s, issue_token %s', has_schema_privilege(who, 'recall', 'USAGE'),
		count(*) FILTER (WHERE kind <> 'TABLE' AND granted), count(*) FILTER (WHERE kind <> 'TABLE'),
		count(*) FILTER (WHERE kind = 'TABLE' AND granted), count(*) FILTER (WHERE kind = 'TABLE'),
		has_function_privilege(who, 'recall.issue_token(int, recall.privilege[], interval, text, regrole)', 'EXECUTE'))
	FROM object;
END;
SELECT matches(t.granted('t_pool'), '^schema f, functions 0 of \d+, views 0 of \d+, issue_token f$', 'before: nothing');
SELECT recall.admit_pool('t_pool');
SELECT matches(t.granted('t_pool'), '^schema t, functions (\d+) of \1, views (\d+) of \2, issue_token f$', 'admitted: what a member has');
SELECT lives_ok('SELECT recall.admit_pool(''t_pool'')', 'admitting it again is no matter');
SELECT recall.revoke_privilege(:acme, 't_pool', '{read}');
SELECT matches(t.granted('t_pool'), '^schema t, functions (\d+) of \1, views (\d+) of \2, issue_token f$', 'revoking a right that it has not takes nothing of that');
SELECT is(t.granted('t_issuer'), t.granted('t_pool'), 'no member may issue tokens by itself');
GRANT EXECUTE ON FUNCTION recall.issue_token TO t_issuer;

CREATE ROLE t_heir IN ROLE t_member;
CREATE ROLE t_super SUPERUSER;
SELECT t.refused(format('SELECT recall.admit_pool(%L)', r.role), '55000', format('role %s has rights of its own', r.role),
	'A pool must see nothing until it has entered a tenant: take a role that is no member, inherits none, and is no superuser.', format('admit_pool(): %s', r.role))
FROM (VALUES ('t_member'), ('t_heir'), ('t_super')) AS r(role);
SELECT t.refused(format('SELECT recall.admit_pool(%L)', r.role), '22023', format('role %s does not exist', r.role::regrole),
	'A pool is a role of this cluster, not PUBLIC.', format('admit_pool(): %s', r.role))
FROM (VALUES ('0'), ('4000000000')) AS r(role);
CREATE ROLE t_parent;
GRANT t_parent TO t_pool;
SELECT t.refused(format('SELECT recall.grant_privilege(%s, %L, ''{read}'')', :acme, r.role), '55000', format('role %s is a pool, or a pool inherits it', r.role),
	'A pool has no right of its own: it enters a tenant with a token. Give the right to another role.', format('grant_privilege(): %s', r.role))
FROM (VALUES ('t_pool'), ('t_parent')) AS r(role);
SELECT t.refused('SELECT recall.dismiss_pool(''t_member'')', '22023', 'role t_member is no pool', 'Pools are admitted with recall.admit_pool().', 'dismiss_pool(): no pool');

/* What a token gives */

-- Enter as a role with a token, run a statement and give its answer; everything is undone.
CREATE FUNCTION t.inside(token text, statement text, as_role name DEFAULT 't_pool') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', as_role);
	PERFORM recall.enter(token);
	answer := coalesce(t.outcome(statement), 'null');
	RAISE SQLSTATE 'TTTTT';
EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	RETURN answer;
WHEN OTHERS THEN
	RETURN format('enter(): %s: %s', SQLSTATE, SQLERRM);
END $$;
CREATE TABLE t.view AS SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = 'recall'::regnamespace AND c.relkind = 'v';
CREATE FUNCTION t.tenants_of(view text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN format('SELECT coalesce(string_agg(DISTINCT tenant_id::text, '' '' ORDER BY tenant_id::text), ''none'') FROM recall.%I', view);
CREATE FUNCTION t.tenants_seen(view text DEFAULT 'task_overview') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
BEGIN
	EXECUTE t.tenants_of(view) INTO seen;
	RETURN seen;
END $$;

SELECT recall.issue_token(:acme, '{read}', subject => 'agnes') AS read \gset
SELECT recall.issue_token(:acme, '{dial,recycle,manage}', '1 h') AS work \gset
SELECT recall.issue_token(:acme, '{read,manage,recycle,dial}', '1 s'::interval * 3600, 'bert') AS all \gset
SELECT recall.issue_token(:bell, '{read,manage,recycle,dial}', '1 h') AS bell_all \gset
SELECT matches(:'read'::text, '^recall1\.[0-9a-f]+$', 'a token is a version and hexadecimal digits');

SELECT is(t.outcome(t.tenants_of(v.name), 't_pool'), 'none', format('not entered, a pool sees nothing of %s', v.name)) FROM t.view v;
SELECT is(t.inside(:'read', t.tenants_of(v.name)), :acme::text, format('entered, it sees one tenant of %s', v.name)) FROM t.view v;
SELECT is(t.inside(:'work', t.tenants_of(v.name)), 'none', format('without the right "read" it sees nothing of %s', v.name)) FROM t.view v;
SELECT is(t.inside(:'read', t.tenants_of('task_overview'), 't_login'), :acme::text, 'who inherits the pool may use its tokens');
SELECT is(t.inside(:'read', format('SELECT recall.enter(%L)', :'read')), :acme::text, 'enter() returns the tenant');

-- One function for each right, with each token.
CREATE TABLE t.action (required recall.privilege, statement text);
INSERT INTO t.action VALUES
	('read', 'SELECT count(*) FROM recall.preview($, 1)'),
	('manage', $$SELECT recall.add_contact($, 1, '{+49301234567}')$$),
	('recycle', 'SELECT recall.pause_recycle($, 77)'),
	('dial', 'SELECT count(*) FROM recall.claim($, 1)');
SELECT is(
	t.inside(recall.issue_token(:acme, ARRAY[r]), replace(a.statement, '$', :acme::text)) !~ format('^42501: permission denied for tenant %s, right "%s"', :acme, a.required),
	a.required = r, format('a token for %s %s %s', r, CASE WHEN a.required = r THEN 'allows' ELSE 'does not allow' END, a.statement))
FROM t.action a, unnest(enum_range(NULL::recall.privilege)) r;
SELECT matches(t.inside(:'all', replace(a.statement, '$', x.tenant::text)),
	format('^42501: permission denied for tenant %s, right "%s"\nHINT: It does not exist, or your role has no such right there', x.tenant, a.required),
	format('%s tenant: %s', x.what, a.statement))
FROM t.action a, (VALUES (:bell, 'another'), (2147483647, 'no')) AS x(tenant, what);
SELECT matches(t.outcome(replace(a.statement, '$', :acme::text), 't_pool'), format('^42501: permission denied for tenant %s, right "%s"', :acme, a.required),
	format('not entered: %s', a.statement)) FROM t.action a;

-- The dialer's loop.
CREATE FUNCTION t.dial_all(tenant int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	claimed record;
	said text[];
BEGIN
	FOR claimed IN SELECT * FROM recall.claim(tenant, 1, 10) LOOP
		said := said || recall.report(tenant, claimed.contact_id, claimed.token, 'busy', NULL, now(), now());
	END LOOP;
	RETURN said::text;
END $$;
SELECT is(t.inside(:'all', format('SELECT t.dial_all(%s)', :acme)), '{recorded,recorded,recorded}', 'claims and reports');
CREATE TABLE t.some_people AS SELECT '{+49301234567}'::text[] AS numbers;
GRANT SELECT ON t.some_people TO t_pool;
SELECT is(t.inside(:'all', format('SELECT recall.add_contacts(%s, 1, ''t.some_people'')', :acme)), '1', 'a bulk source is read with the rights of the pool''s role');
REVOKE SELECT ON t.some_people FROM t_pool;
SELECT matches(t.inside(:'all', format('SELECT recall.add_contacts(%s, 1, ''t.some_people'')', :acme)), '^42501: permission denied for table some_people', 'and with no others');

/* The audit */

SELECT is(t.inside(:'all', format('SELECT recall.set_holidays(%s, NULL); SELECT concat_ws('' '', role, session_role, subject) FROM recall.audit WHERE action = ''set_holidays''', :acme)),
	format('t_pool %s bert', session_user), 'the audit names the role and the subject');
SELECT is(t.inside(:'all', format('SELECT recall.withdraw_recycle(%1$s, 1); SELECT recall.recycle(%1$s, 1); SELECT concat_ws('' '', requested_by, subject) FROM recall.recycle_record WHERE state = ''waiting''', :acme)),
	't_pool bert', 'and so does a record');
SELECT is((SELECT count(*) FROM recall.event WHERE subject IS NOT NULL), 0::bigint, 'nobody who has not entered acts for a subject');
SELECT is((SELECT concat_ws(' ', role, kind, record_id, action, detail - 'until') FROM recall.audit WHERE tenant_id = :acme AND kind = 'token' ORDER BY at LIMIT 1),
	format('%s token t_pool issue {"rights": ["read"], "subject": "agnes"}', current_user), 'issuing is in the audit');
SELECT is((SELECT (detail ->> 'until')::timestamptz - at BETWEEN '4 min 50 s' AND '5 min' FROM recall.audit WHERE tenant_id = :acme AND kind = 'token' ORDER BY at LIMIT 1),
	true, 'with its end, by default after five minutes');

/* Issuing */

CREATE FUNCTION t.issue(tenant int, rights text, as_role name) RETURNS text LANGUAGE sql
RETURN regexp_replace(t.outcome(format('SELECT recall.issue_token(%s, %L)', tenant, rights), as_role), '\n.*|^(recall1\.).*', '\1');
SELECT is(t.issue(:acme, r.rights, 't_issuer'), 'recall1.', format('who has read and dial and may issue, issues %s', r.rights)) FROM (VALUES ('{read}'), ('{dial}'), ('{read,dial}')) AS r(rights);
SELECT is(t.issue(x.tenant, x.rights, 't_issuer'), format('42501: permission denied for tenant %s, right "%s"', x.tenant, x.lacks), format('never more than it has: %s in %s', x.rights, x.tenant))
FROM (VALUES (:acme, '{manage}', 'manage'), (:acme, '{read,recycle}', 'recycle'), (:bell, '{read}', 'read'), (2147483647, '{read}', 'read')) AS x(tenant, rights, lacks);
SELECT is(t.issue(:acme, '{read}', r.role), '42501: permission denied for function issue_token', format('%s may not issue', r.role)) FROM (VALUES ('t_pool'), ('t_member')) AS r(role);
GRANT EXECUTE ON FUNCTION recall.issue_token TO t_pool;
SELECT is(t.issue(:acme, '{read}', 't_pool'), format('42501: permission denied for tenant %s, right "read"', :acme), 'a pool has no right to give on');
SELECT is(t.inside(:'read', format('SELECT recall.issue_token(%s, ''{read}'')', :acme)), '42501: permission denied for issuing a token with the rights of another' || E'\n'
	'HINT: It does not exist, or your role has no such right there; rights are given with recall.grant_privilege().', 'and what it has entered with it cannot prolong');
SELECT is(t.inside(:'read', format('SELECT recall.issue_token(%s, ''{read}'')', :acme), 't_issuer'), 'enter(): 42501: permission denied for the token', 'an issuer is no pool');
REVOKE EXECUTE ON FUNCTION recall.issue_token FROM t_pool;

SELECT t.refused(format('SELECT recall.issue_token(%s, %s)', :acme, x.arguments), '22023', x.message, x.hint, format('issue_token(): %s', x.arguments))
FROM (VALUES
	($$'{}'$$, 'no rights are named', 'Name some of: read, manage, recycle, dial.'),
	('NULL', 'no rights are named', 'Name some of: read, manage, recycle, dial.'),
	($$'{read,NULL}'$$, 'no rights are named', 'Name some of: read, manage, recycle, dial.'),
	($$'{{read},{dial}}'$$, 'no rights are named', 'Name some of: read, manage, recycle, dial.'),
	($$'{read}', '0.9 s'$$, 'valid_for 00:00:00.9 is out of range', 'A token is valid for 1 second to 1 hour.'),
	($$'{read}', '-1 min'$$, 'valid_for -00:01:00 is out of range', 'A token is valid for 1 second to 1 hour.'),
	($$'{read}', '1 h 1 s'$$, 'valid_for 01:00:01 is out of range', 'A token is valid for 1 second to 1 hour.'),
	($$'{read}', NULL$$, 'valid_for null is out of range', 'A token is valid for 1 second to 1 hour.'),
	($$'{read}', subject => ''$$, 'invalid subject of a token', 'A subject has 1 to 200 characters.'),
	($$'{read}', subject => repeat('x', 201)$$, 'invalid subject of a token', 'A subject has 1 to 200 characters.'),
	($$'{read}', role => 't_member'$$, 'role t_member is no pool', 'A token is for a role that recall.admit_pool() has admitted.'),
	($$'{read}', role => '0'$$, 'role - is no pool', 'A token is for a role that recall.admit_pool() has admitted.')) AS x(arguments, message, hint);
SELECT is(t.inside(recall.issue_token(:acme, '{read}', subject => repeat('ü', 200)), 'SELECT recall._subject() = repeat(''ü'', 200)', current_user), 'true', 'a subject of 200 characters of several bytes');
SELECT is(t.inside(recall.issue_token(:acme, '{dial,read,dial,read,dial,read,dial,read,dial,read,dial,read,dial,read,dial,read,dial}'), t.tenants_of('redial')), :acme::text, 'a right that is named often counts once');

/* Two pools: a token is for one of them. */

CREATE ROLE t_pool2;
SELECT recall.admit_pool('t_pool2');
SELECT t.refused(format('SELECT recall.issue_token(%s, ''{read}'')', :acme), '22023', 'there are several pools', 'Name the role that may use the token.', 'issue_token(): for which pool?');
SELECT recall.issue_token(:acme, '{read}', '1 h', role => 't_pool2') AS second \gset
SELECT is(t.inside(:'second', t.tenants_of('task_overview'), 't_pool2'), :acme::text, 'a token for the second pool');
CREATE TABLE t.refusal AS SELECT E'42501: permission denied for the token\n'
	'HINT: It may have been changed on its way, have ended, or be meant for another role or database; get a new one.' AS text;
GRANT SELECT ON t.refusal TO PUBLIC;
SELECT is(t.outcome(format('SELECT recall.enter(%L)', x.token), x.role), (SELECT text FROM t.refusal), format('%s with a token for %s', x.role, x.owner))
FROM (VALUES ('t_pool', :'second', 't_pool2'), ('t_pool2', :'read', 't_pool'), ('t_member', :'read', 't_pool'), ('t_issuer', :'read', 't_pool')) AS x(role, token, owner);
SELECT is(t.outcome(format('SELECT recall.enter(%L)', :'read'), 't_nobody'), '42501: permission denied for schema recall', 'a stranger with a token');
SELECT recall.dismiss_pool('t_pool2');
SELECT matches(t.granted('t_pool2'), '^schema f, functions 0 of \d+, views 0 of \d+, issue_token f$', 'a pool that is dismissed has nothing');
SELECT recall._grant_objects('t_pool2');
SELECT is(t.outcome(format('SELECT recall.enter(%L)', :'second'), 't_pool2'), (SELECT text FROM t.refusal), 'and its tokens are void, even if it may call functions');

/* Forged tokens: the format written down a second time, with the HMAC in SQL. */

CREATE FUNCTION t.xor(bytes bytea, mask int) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		bytes := set_byte(bytes, i, get_byte(bytes, i) # mask);
	END LOOP;
	RETURN bytes;
END $$;
CREATE FUNCTION t.hmac(secret bytea, message bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(t.xor(secret || decode(repeat('00', 32), 'hex'), 92) || sha256(t.xor(secret || decode(repeat('00', 32), 'hex'), 54) || message));
SELECT is(t.hmac(decode(repeat('0b', 20) || repeat('00', 12), 'hex'), 'Hi There'), '\xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', 'RFC 4231, test case 1');
CREATE FUNCTION t.forge(tenant int, role regrole, until timestamptz, rights recall.privilege[], subject text DEFAULT '',
	key_id bigint DEFAULT NULL, secret bytea DEFAULT NULL, version text DEFAULT 'recall1.', database oid DEFAULT NULL) RETURNS text LANGUAGE sql
BEGIN ATOMIC
	SELECT version || encode(said || t.hmac(coalesce(forge.secret, k.secret), convert_to(version, 'UTF8')
		|| oidsend(coalesce(database, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))) || said), 'hex')
	FROM recall.token_key k, LATERAL (SELECT int8send(coalesce(forge.key_id, k.key_id)) || int4send(tenant) || oidsend(role) || timestamptz_send(until)
		|| set_byte('\x00', 0, cardinality(rights))
		|| (SELECT string_agg(oidsend(e.oid), '' ORDER BY i) FROM unnest(rights) WITH ORDINALITY r(label, i)
			JOIN pg_enum e ON e.enumtypid = 'recall.privilege'::regtype AND e.enumlabel = r.label::text)
		|| convert_to(subject, getdatabaseencoding()) AS said) s
	WHERE k.valid_until IS NULL;
END;
SELECT is(t.forge(:acme, 't_pool', (SELECT (detail ->> 'until')::timestamptz FROM recall.audit WHERE tenant_id = :acme AND kind = 'token' ORDER BY at LIMIT 1), '{read}', 'agnes'),
	:'read', 'a token says what it should, and is signed with HMAC-SHA-256');
SELECT recall.issue_token(:acme, '{read}', '1 h', 'agnes') AS read \gset
SELECT is(t.inside(t.forge(:acme, 't_pool', now() + '1 h', '{read}'), t.tenants_of('task_overview')), :acme::text, 'who has the key makes tokens');

SELECT is(t.inside(recall._sign_token(:acme, 't_pool', x.rights, now() + interval '1 h', x.subject), 'SELECT recall._subject()', current_user), x.answer, x.what) FROM (VALUES
	('{}'::recall.privilege[], '', 'null', 'the shortest token that can be signed is read'), ('{read}', 'x', 'x', 'a subject of one character'),
	(array_fill('read'::recall.privilege, '{16}'), repeat('ü', 400), repeat('ü', 400), 'and the longest one')) AS x(rights, subject, answer, what);
SELECT is(t.outcome(format('SELECT recall._sign_token(%s, ''t_pool'', %L, now(), %L)', :acme, x.rights, x.subject)), x.answer, x.what) FROM (VALUES
	(array_fill('read'::recall.privilege, '{17}'), '', E'22023: a token cannot name these rights\nHINT: It names up to 16, none of them null.', 'more rights cannot be signed'),
	('{read,NULL}', '', E'22023: a token cannot name these rights\nHINT: It names up to 16, none of them null.', 'nor a null among them'),
	('{read}', repeat('x', 801), E'22023: the subject of a token is too long\nHINT: It has up to 200 characters.', 'nor a longer subject')) AS x(rights, subject, answer, what);
SELECT is(t.inside(t.forge(:acme, 't_pool', now() + '1 h', '{read}', repeat('x', x.length)), 'SELECT length(recall._subject())', current_user), x.answer, 'a signed subject of ' || x.length)
FROM (VALUES (800, '800'), (801, 'enter(): XX000: a token has a subject of 801 bytes')) AS x(length, answer);

-- What was read of a token that is good is nothing for one that is not.
SELECT is(t.outcome(format('SELECT string_agg(recall.enter(x)::text, '' '') FROM unnest(ARRAY[%L, %L, %L]) x', x.first, x.first, x.second), 't_pool'),
	E'42501: permission denied for the token\nHINT: It may have been changed on its way, have ended, or be meant for another role or database; get a new one.', 'a token, and then ' || x.what)
FROM (VALUES (:'read', 'recall1.' || repeat('z', length(:'read') - 8), 'what is no token'), (:'read', left(:'read', -2), 'a piece of it'), (:'read', 'recall1.', 'next to nothing'),
	(:'read', t.forge(:acme, 't_pool', now() + '1 h', '{read}', key_id => 1), 'one with another key'),
	(:'read', t.forge(:acme, 't_pool', now() + '1 h', '{read}', secret => sha256('guess')), 'one that was forged')) AS x(first, second, what);

CREATE TABLE t.bad (what text, token text);
GRANT SELECT ON t.bad TO PUBLIC;
INSERT INTO t.bad VALUES
	('null', NULL), ('empty', ''), ('the version', 'recall1.'), ('a space before', ' ' || :'read'), ('a space behind', :'read' || ' '), ('two tokens', :'read' || :'read'),
	('a line', :'read' || E'\n'), ('in capitals', 'recall1.' || upper(substr(:'read', 9))),
	('another key', t.forge(:acme, 't_pool', now() + '1 h', '{read}', secret => sha256('guess'))),
	('a zero key', t.forge(:acme, 't_pool', now() + '1 h', '{read}', secret => decode(repeat('00', 32), 'hex'))),
	('a key that does not exist', t.forge(:acme, 't_pool', now() + '1 h', '{read}', key_id => 1)),
	('key 0', t.forge(:acme, 't_pool', now() + '1 h', '{read}', key_id => 0)),
	('another version', t.forge(:acme, 't_pool', now() + '1 h', '{read}', version => 'recall2.')),
	('no version', t.forge(:acme, 't_pool', now() + '1 h', '{read}', version => '')),
	('another database', t.forge(:acme, 't_pool', now() + '1 h', '{read}', database => 1)),
	('ended', t.forge(:acme, 't_pool', clock_timestamp(), '{read}')),
	('ended long ago', t.forge(:acme, 't_pool', '-infinity', '{read}')),
	('no such tenant', t.forge(2147483647, 't_pool', now() + '1 h', '{read}')),
	('a member''s', t.forge(:bell, 't_member', now() + '1 h', '{read}'));
-- Each character changed in several ways, each piece of the beginning and the end, each cross of two tokens.
INSERT INTO t.bad SELECT format('character %s is "%s"', i, c), overlay(:'read' placing c from i) FROM generate_series(1, length(:'read')) i,
	unnest('{0,1,8,a,f,A,F,g,R,.," ",é}'::text[]) c WHERE substr(:'read', i, 1) <> c;
INSERT INTO t.bad SELECT format('%s characters', i), left(:'read', i) FROM generate_series(1, length(:'read') - 1) i;
INSERT INTO t.bad SELECT format('without %s characters', i), right(:'read', -i) FROM generate_series(1, length(:'read') - 1) i;
INSERT INTO t.bad SELECT format('without character %s', i), overlay(:'read' placing '' from i for 1) FROM generate_series(1, length(:'read')) i;
INSERT INTO t.bad SELECT format('with more behind %s', i), overlay(:'read' placing x from i for 0) FROM generate_series(1, length(:'read') + 1) i, unnest('{0,00,ff,00000001}'::text[]) x
WHERE overlay(:'read' placing x from i for 0) <> :'read';
INSERT INTO t.bad SELECT format('%s, cut at %s', x.what, i), left(x.a, i) || substr(x.b, i + 1)
FROM (VALUES ('another tenant', :'read', t.forge(:bell, 't_pool', now() + '1 h', '{read}', 'agnes')),
	('another tenant, the other way', t.forge(:bell, 't_pool', now() + '1 h', '{read}', 'agnes'), :'read'),
	('other rights', :'read', t.forge(:acme, 't_pool', now() + '1 h', '{dial}', 'agnes')),
	('longer, more rights', :'read', :'bell_all')) AS x(what, a, b), generate_series(9, length(x.a)) i
WHERE left(x.a, i) || substr(x.b, i + 1) NOT IN (x.a, x.b);
INSERT INTO t.bad SELECT format('digits of the tenant''s place: %s', n), overlay(:'read' placing encode(int4send(n), 'hex') from 25) FROM generate_series(0, 20) n WHERE n <> :acme;
SELECT setseed(0.5);
INSERT INTO t.bad SELECT 'random', (SELECT string_agg(chr(CASE WHEN random() < 0.9 THEN 32 + (random() * 94)::int ELSE 161 + (random() * 10000)::int END), '')
	FROM generate_series(1, 1 + (n % 400))) FROM generate_series(1, 5000) n;
INSERT INTO t.bad SELECT 'random digits', 'recall1.' || (SELECT string_agg(to_hex((random() * 15)::int), '') FROM generate_series(1, 100 + n % 2500)) FROM generate_series(1, 3000) n;
INSERT INTO t.bad SELECT 'several characters changed', m.text FROM generate_series(1, 5000) n,
	LATERAL (SELECT string_agg(CASE WHEN random() < 0.02 THEN to_hex((random() * 15)::int) ELSE c END, '' ORDER BY i) AS text FROM regexp_split_to_table(:'read', '') WITH ORDINALITY x(c, i) WHERE n > 0) m
WHERE m.text <> :'read';
INSERT INTO t.bad VALUES ('long', repeat('0', 10000000)), ('long, of our version', 'recall1.' || repeat('0', 10000000));

CREATE FUNCTION t.answers() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s: %s', CASE WHEN answer = (SELECT text FROM t.refusal) THEN 'refused' ELSE 'not so: ' || min(what) || ' ' || answer END, CASE WHEN count(*) > 15000 THEN 'many' ELSE count(*)::text END)
	FROM (SELECT b.what, t.outcome(format('SELECT recall.enter(%L)', b.token), 't_pool') AS answer FROM t.bad b OFFSET 0) a GROUP BY answer$$;
SELECT is(ARRAY(SELECT t.answers()), '{refused: many}', 'all of them, a great many, get the same answer');
SELECT is(t.outcome(t.tenants_of('task_overview'), 't_pool'), 'none', 'and nothing was entered');
SELECT is(t.outcome(format('SELECT recall.enter(%L)', t.forge(:acme, r.role::regrole, now() + '1 h', '{read}')), r.role), (SELECT text FROM t.refusal), format('even a signed token is nothing for %s, who is no pool', r.role))
FROM (VALUES ('t_member'), ('t_super')) AS r(role);

/* A token that ends in the transaction takes the rights with it. */

SAVEPOINT before;
DO $$
DECLARE
	lasts interval;
	token text;
	until timestamptz;
	seen text;
BEGIN
	CREATE TABLE t.outlived (seen text, later text, asked text);
	GRANT ALL ON t.outlived TO PUBLIC;
	-- A machine that is slow gets more time.
	FOREACH lasts IN ARRAY '{0.5 s,4 s,30 s}'::interval[] LOOP
		BEGIN
			until := clock_timestamp() + lasts;
			token := t.forge((SELECT min(tenant_id) FROM recall.tenant WHERE name = 'Acme'), 't_pool', until, '{read,dial}');
			SET LOCAL ROLE t_pool;
			PERFORM recall.enter(token);
			seen := t.tenants_seen();
			EXIT WHEN seen <> 'none';
			RAISE insufficient_privilege;
		EXCEPTION WHEN insufficient_privilege THEN
		END;
	END LOOP;
	PERFORM pg_sleep(greatest(extract(epoch FROM until - clock_timestamp()), 0) + 0.01);
	INSERT INTO t.outlived VALUES (seen, t.tenants_seen(), NULL);
	UPDATE t.outlived SET asked = t.outcome(format('SELECT count(*) FROM recall.claim(%s, 1)', outlived.seen));
	RESET ROLE;
END $$;
SELECT results_eq('SELECT * FROM t.outlived', format($$VALUES ('%s', 'none', E'42501: permission denied for tenant %s, right "dial"\nHINT: The token with which this transaction has entered is over; enter with a new one.')$$, :acme, :acme),
	'a token that ends takes the rights with it, and the error says so');
ROLLBACK TO before;

/* Savepoints, blocks, functions */

SAVEPOINT outer_level;
SET LOCAL ROLE t_pool;
SELECT t.tenants_seen() AS before, recall.enter(:'read') AS entered, t.tenants_seen() AS same_statement \gset
SELECT t.tenants_seen() AS after \gset
SAVEPOINT inner_level;
SELECT recall.enter(:'work') FROM generate_series(1, 3);
SELECT t.tenants_seen() AS inner \gset
SELECT t.outcome(format('SELECT recall.add_contact(%s, 1, ''{+49301234567}'')', :acme)) AS inner_work \gset
ROLLBACK TO inner_level;
SELECT t.tenants_seen() AS back \gset
SELECT t.outcome(format('SELECT recall.add_contact(%s, 1, ''{+49301234567}'')', :acme)) AS back_work \gset
SAVEPOINT released;
SELECT recall.enter(:'work');
RELEASE released;
SELECT t.tenants_seen() AS released \gset
SELECT t.outcome(format('SELECT recall.enter(%L)', :'bell_all')) AS other \gset
SELECT t.outcome(format('SELECT recall.enter(%L)', :'read' || '0')) AS bad \gset
SELECT t.outcome(format('SELECT recall.add_contact(%s, 1, ''{+49301234567}'')', :acme)) AS released_work \gset
ROLLBACK TO outer_level;
SET LOCAL ROLE t_pool;
SELECT t.tenants_seen() AS outside \gset
SELECT t.outcome(format('SELECT recall.enter(%L)', :'bell_all')) AS now_other, t.outcome(format('SELECT recall.enter(%L)', :'read')) AS again \gset
ROLLBACK TO outer_level;
SELECT is(:'before'::text, 'none', 'nothing before');
SELECT is(:'after'::text, :acme::text, 'entered');
SELECT is(:'inner'::text, 'none', 'a second token for the tenant takes the place of the first, it does not add to it');
SELECT matches(:'inner_work'::text, '^\d+$', 'and gives what it says');
SELECT is(:'back'::text, :acme::text, 'when its savepoint is rolled back, the first is back');
SELECT matches(:'back_work'::text, '^42501: ', 'with what it says, and no more');
SELECT is(:'released'::text, 'none', 'when its savepoint is released, it stays');
SELECT is(:'other'::text, E'55000: another tenant was entered in this transaction\nHINT: End the transaction first: it works for one tenant.', 'a transaction enters one tenant');
SELECT is(:'bad'::text, (SELECT text FROM t.refusal), 'a bad token after a good one is refused');
SELECT matches(:'released_work'::text, '^\d+$', 'and leaves the good one');
SELECT is(:'outside'::text, 'none', 'all is undone with the outermost savepoint');
SELECT is(:'now_other'::text, :'other'::text, 'but the transaction stays the tenant''s, and enters no other');
SELECT is(:'again'::text, :acme::text, 'it may enter the same one again');

-- Many levels: entries are kept for those levels in which they were made.
CREATE FUNCTION t.deep(levels int, tokens text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text := t.tenants_seen();
	below text;
BEGIN
	IF levels = 0 THEN
		RETURN seen;
	END IF;
	BEGIN
		PERFORM recall.enter(tokens[1 + levels % 2]);
		below := t.deep(levels - 1, tokens);
		RAISE SQLSTATE 'TTTTT';
	EXCEPTION WHEN SQLSTATE 'TTTTT' THEN
	END;
	RETURN below || CASE WHEN t.tenants_seen() = seen THEN '' ELSE ' but not as before' END;
END $$;
SELECT is(t.inside(:'read', format('SELECT t.deep(40, ARRAY[%L, %L])', :'work', :'read')), :acme::text, 'forty levels deep, and out again');
SELECT is(t.inside(:'read', format('SELECT t.deep(41, ARRAY[%L, %L])', :'read', :'work')), 'none', 'forty-one');

CREATE FUNCTION t.begin_request(token text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM recall.enter(token);
END $$;
ALTER FUNCTION t.begin_request OWNER TO t_member;
GRANT CREATE ON SCHEMA t TO t_member, t_pool;
SAVEPOINT before;
SET LOCAL ROLE t_pool;
SELECT t.begin_request(:'read');
SELECT t.tenants_seen() AS by_definer \gset
DO $$ BEGIN PERFORM recall.enter('no'); EXCEPTION WHEN insufficient_privilege THEN END $$;
SELECT t.tenants_seen() AS after_failure \gset
ROLLBACK TO before;
SELECT is(:'by_definer'::text, :acme::text, 'a definer function enters for the caller, not for its owner');
SELECT is(:'after_failure'::text, :acme::text, 'a refusal that was caught changes nothing');

/* The caller is the role that it is now. */

GRANT t_pool TO t_issuer;
SAVEPOINT before;
SET LOCAL ROLE t_pool;
SELECT recall.enter(:'read');
SET LOCAL ROLE t_member;
SELECT t.tenants_seen() AS as_member \gset
SET LOCAL ROLE t_nobody;
SELECT t.outcome('SELECT count(*) FROM recall.task_overview') AS as_nobody \gset
SET LOCAL ROLE t_login;
SELECT t.tenants_seen() AS as_login \gset
SELECT t.outcome(format('SELECT recall.enter(%L)', :'bell_all')) AS other_as_login \gset
SET LOCAL ROLE t_pool;
SELECT t.tenants_seen() AS as_pool \gset
ROLLBACK TO before;
SELECT is(:'as_member'::text, :bell::text, 'after SET ROLE, the other role has its own rights and not the token''s');
SELECT matches(:'as_nobody'::text, '^42501: ', 'a stranger has none');
SELECT is(:'as_login'::text, 'none', 'nor has a role that could have entered and has not');
SELECT matches(:'other_as_login'::text, '^55000: another tenant', 'in the transaction, no role enters another tenant');
SELECT is(:'as_pool'::text, :acme::text, 'the role that entered has what it had');
CREATE FUNCTION t.seen_by_definer() RETURNS text LANGUAGE sql SECURITY DEFINER RETURN t.tenants_seen();
ALTER FUNCTION t.seen_by_definer OWNER TO t_member;
SELECT is(t.inside(:'read', 'SELECT t.seen_by_definer()'), :acme::text, 'inside somebody''s definer function it is still the pool that asks');
CREATE FUNCTION t.seen_by_pool() RETURNS text LANGUAGE sql SECURITY DEFINER RETURN t.tenants_seen();
ALTER FUNCTION t.seen_by_pool OWNER TO t_pool;
SAVEPOINT before;
SET LOCAL ROLE t_pool;
SELECT recall.enter(:'read');
SET LOCAL ROLE t_member;
SELECT t.seen_by_pool() AS as_member \gset
ROLLBACK TO before;
SELECT is(:'as_member'::text, :bell::text, 'and inside the pool''s, another role has not what the pool entered');

-- A token narrows: rights that a caller has otherwise do not count beside it.
GRANT t_member TO t_login;
SELECT is(t.outcome(t.tenants_of('task_overview'), 't_login'), :bell::text, 'rights of its own, not entered');
SELECT is(t.inside(:'read', t.tenants_of('task_overview'), 't_login'), :acme::text, 'entered, the token''s alone');
SELECT is(t.inside(:'read', t.tenants_of('task_overview'), 't_super'), :acme::text, 'also for a superuser');
SELECT matches(t.inside(:'read', 'SELECT recall.create_tenant(''x'')', 't_super'), '^42501: ', 'who does not act as the owner then');

/* Keys */

SELECT is((SELECT count(*) FROM recall.token_key), 1::bigint, 'there is a key from the beginning');
CREATE ROLE t_all_data IN ROLE pg_read_all_data, pg_write_all_data;
SET LOCAL ROLE t_all_data;
SELECT (SELECT count(*) FROM recall.token_key) AS keys, t.outcome('INSERT INTO recall.token_key VALUES (1, sha256(''x''), ''x'', now())') AS planted \gset
SELECT (SELECT count(*) > 0 FROM recall.tenant) AS other_tables \gset
RESET ROLE;
SELECT is(:'other_tables'::text || :keys, 't0', 'who may read all data reads every table, and no key');
SELECT matches(:'planted'::text, '^42501: ', 'who may write all data plants none');
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA recall TO t_member;
SELECT matches(t.outcome(format('SELECT recall._sign_token(%s, ''t_pool'', ''{read}'', ''infinity'', '''')', :acme), 't_member'), '^42501: permission denied for signing a token', 'who may execute everything signs nothing');
SELECT matches(t.outcome('SELECT recall.rotate_token_key()', r.role), '^42501: permission denied for what only the owner', format('%s changes no key', r.role)) FROM (VALUES ('t_member'), ('t_pool')) AS r(role);
SELECT t.refused(format('SELECT recall.rotate_token_key(%s)', x.grace), '22023', format('grace %s is out of range', x.shown),
	'Tokens that were issued before can be good for up to an hour more.', format('rotate_token_key(%s)', x.grace))
FROM (VALUES ('NULL', 'null'), ($$'-1 s'$$, '-00:00:01'), ($$'61 min'$$, '01:01:00')) AS x(grace, shown);

SELECT recall.rotate_token_key('10 min');
SELECT recall.issue_token(:acme, '{read}', '1 h') AS newer \gset
SELECT is(t.inside(k.token, t.tenants_of('task_overview')), :acme::text, format('in the grace, a token of the %s key is good', k.key)) FROM (VALUES ('old', :'read'), ('new', :'newer')) AS k(key, token);
SELECT isnt(substr(:'read', 9, 16), substr(:'newer', 9, 16), 'which are two');
SAVEPOINT before;
UPDATE recall.token_key SET valid_until = clock_timestamp() WHERE valid_until IS NOT NULL;
SELECT is(t.inside(k.token, t.tenants_of('task_overview')), k.seen, format('behind the grace, the %s key', k.key)) FROM (VALUES ('old', :'read', 'enter(): 42501: permission denied for the token'), ('new', :'newer', :acme::text)) AS k(key, token, seen);
SELECT recall.rotate_token_key('10 min');
SELECT is((SELECT count(*) FROM recall.token_key), 2::bigint, 'keys that are of no use any more are gone');
ROLLBACK TO before;
SELECT recall.rotate_token_key();
SELECT is(t.outcome(format('SELECT recall.enter(%L)', k.token), 't_pool'), (SELECT text FROM t.refusal), format('without a grace, the %s token is void', k.key)) FROM (VALUES ('first', :'read'), ('second', :'newer')) AS k(key, token);
SELECT is((SELECT count(*) FROM recall.token_key), 1::bigint, 'there is one key');
SELECT recall.issue_token(:acme, '{read,manage}', '1 h') AS read \gset
SELECT is(t.inside(:'read', t.tenants_of('task_overview')), :acme::text, 'which is good');
SAVEPOINT before;
DELETE FROM recall.token_key;
SELECT t.refused(format('SELECT recall.issue_token(%s, ''{read}'')', :acme), '55000', 'there is no key to sign tokens with', 'Make one with recall.rotate_token_key().', 'issue_token(): no key');
SELECT is(t.outcome(format('SELECT recall.enter(%L)', :'read'), 't_pool'), (SELECT text FROM t.refusal), 'without a key no token is good');
ROLLBACK TO before;

/* What somebody hides in a table does not act for whoever touches the table. */

CREATE TABLE t.trap AS SELECT 1 AS x;
ALTER TABLE t.trap OWNER TO t_pool;
CREATE FUNCTION t.enter_by_index(x int, token text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN recall.enter(token); END';
SELECT is(t.outcome(format('CREATE INDEX ON t.trap (t.enter_by_index(x, %L))', :'read')), (SELECT text FROM t.refusal), 'an index of somebody''s table does not enter for a superuser who builds it');

/* Parallel queries: the leader answers, a worker never does. */

CREATE TABLE t.many AS SELECT i FROM generate_series(1, 10000) i;
GRANT SELECT ON t.many TO PUBLIC;
CREATE FUNCTION t.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	whole text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		whole := whole || line || E'\n';
	END LOOP;
	RETURN whole;
END $$;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL min_parallel_index_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
SET LOCAL jit = off;
SELECT t.furnish('Others ' || i) FROM generate_series(1, 3) i;
-- A big table beside the view would make the plan parallel; the estimates of other tenants' rows must not be felt.
CREATE FUNCTION t.parallel_query() RETURNS text LANGUAGE sql IMMUTABLE
RETURN 'SELECT string_agg(DISTINCT c.tenant_id::text, '' '') FROM recall.completed_call c, t.many m WHERE m.i % 7 <> c.contact_id';
SELECT matches(t.plan('SELECT count(*) FROM t.many a, t.many b WHERE a.i % 7 <> b.i'), 'Workers Planned', 'a query goes parallel here');
SELECT doesnt_match(t.plan(t.parallel_query()), 'Workers Planned', 'one on a view does not');
SELECT matches(t.inside(:'read', format('SELECT t.plan(%L)', t.parallel_query())), '^42501: permission denied to explain', 'nor is its plan shown');
SELECT is(t.inside(:'read', t.parallel_query()), :acme::text, 'and sees the tenant that was entered');
SELECT is(t.outcome(t.parallel_query(), 't_pool'), NULL, 'not entered, nothing');

CREATE FUNCTION t.wrongly_safe(i int) RETURNS text LANGUAGE plpgsql PARALLEL SAFE STABLE AS $$
BEGIN
	RETURN (SELECT string_agg(tenant_id::text, ' ') FROM recall.task_overview);
END $$;
-- A busy server may have no worker to spare.
CREATE FUNCTION t.ask_worker() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	FOR i IN 1 .. 100 LOOP
		answer := t.outcome('SELECT min(t.wrongly_safe(i)) FROM t.many WHERE i < 5');
		EXIT WHEN answer ~ '^\d{5}: ';
		PERFORM pg_sleep(0.1);
	END LOOP;
	RETURN answer;
END $$;
SELECT is(t.inside(:'read', 'SELECT t.ask_worker()'), E'55000: a parallel worker cannot tell who has which rights\nHINT: A function that uses recall must not be PARALLEL SAFE.',
	'a function that is wrongly marked is refused in a worker');

SELECT throws_ok($$SELECT recall._require(1, NULL)$$, '42501', NULL, 'no right is no right');

SELECT * FROM finish();
ROLLBACK;
