/*
 * The tables. Every key starts with tenant_id, and ids count from 1 in each tenant, so that no key, sequence
 * or error tells one tenant about another. Only the functions of recall write here; nobody is granted a table.
 *
 * There are no foreign keys. For the large tables (contact, call, dial) a check per row would cost more than the
 * row; for the others, a dump that several jobs restore at once does not keep the tables of an extension in order.
 * The functions check, once per statement.
 */

CREATE TABLE recall.tenant (
	tenant_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	time_zone     text NOT NULL,
	obs_url_mode  text NOT NULL CHECK (obs_url_mode <> '' AND length(obs_url_mode) <= 50),
	recycle_limit int NOT NULL CHECK (recycle_limit BETWEEN 1 AND 2000000),
	holidays      date[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE recall.tenant IS 'The companies that share the database, and their parameters.';
COMMENT ON COLUMN recall.tenant.tenant_id IS 'The tenant: the first key of every table.';
COMMENT ON COLUMN recall.tenant.name IS 'What people call the tenant.';
COMMENT ON COLUMN recall.tenant.time_zone IS 'IANA zone of contacts that have none of their own.';
COMMENT ON COLUMN recall.tenant.obs_url_mode IS 'Interconnection mode; only "http" opens the gate to recycling.';
COMMENT ON COLUMN recall.tenant.recycle_limit IS 'Most contacts that one recycle re-dials: 1 to 2 000 000.';
COMMENT ON COLUMN recall.tenant.holidays IS 'Public holidays: the days that PH means in calling hours.';

CREATE TABLE recall.member (
	tenant_id int,
	role      regrole NOT NULL,
	rights    recall.privilege[] NOT NULL CHECK (cardinality(rights) > 0),
	PRIMARY KEY (tenant_id, role)
);
CREATE INDEX member_by_role ON recall.member (role);
COMMENT ON INDEX recall.member_by_role IS 'The tenants of a role.';
COMMENT ON TABLE recall.member IS 'Which role has which rights in which tenant; roles that inherit it have them too.';
COMMENT ON COLUMN recall.member.tenant_id IS 'The tenant in which the rights hold.';
COMMENT ON COLUMN recall.member.role IS 'The role that was given the rights.';
COMMENT ON COLUMN recall.member.rights IS 'The rights: any of read, manage, recycle, dial.';

CREATE TABLE recall.pool (
	role        regrole PRIMARY KEY,
	admitted_by name NOT NULL,
	admitted_at timestamptz NOT NULL
);
COMMENT ON TABLE recall.pool IS 'Roles that applications of many tenants connect as: without a right of their own, they enter a tenant with a token.';
COMMENT ON COLUMN recall.pool.role IS 'The role.';
COMMENT ON COLUMN recall.pool.admitted_by IS 'The role that admitted it.';
COMMENT ON COLUMN recall.pool.admitted_at IS 'When that was.';

CREATE TABLE recall.token_key (
	key_id      bigint PRIMARY KEY,
	secret      bytea NOT NULL CHECK (octet_length(secret) = 32),
	made_by     name NOT NULL,
	made_at     timestamptz NOT NULL,
	valid_until timestamptz
);
COMMENT ON TABLE recall.token_key IS 'The keys that sign tenant tokens. No dump carries them, and a restored database makes a new one.';
COMMENT ON COLUMN recall.token_key.key_id IS 'The key that a token names; random.';
COMMENT ON COLUMN recall.token_key.secret IS 'The key: 32 random bytes.';
COMMENT ON COLUMN recall.token_key.made_by IS 'The role that made it.';
COMMENT ON COLUMN recall.token_key.made_at IS 'When that was.';
COMMENT ON COLUMN recall.token_key.valid_until IS 'Until when tokens of a key that was replaced are good; null: the key that signs now.';
/* Without a policy: nobody but the owner sees a row, not even members of pg_read_all_data and pg_write_all_data. */
ALTER TABLE recall.token_key ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION recall._subject() RETURNS text
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'recall_subject';
COMMENT ON FUNCTION recall._subject() IS
'On whose behalf the caller has entered a tenant: the subject of its token; null without one.';

CREATE TABLE recall.counter (
	tenant_id int,
	kind      text CHECK (kind IN ('task', 'batch', 'contact', 'recycle')),
	last_id   bigint NOT NULL,
	PRIMARY KEY (tenant_id, kind)
);
COMMENT ON TABLE recall.counter IS 'The last id given out in each tenant, for each kind of record.';
COMMENT ON COLUMN recall.counter.tenant_id IS 'The tenant that counts.';
COMMENT ON COLUMN recall.counter.kind IS 'What is counted: task, batch, contact, recycle.';
COMMENT ON COLUMN recall.counter.last_id IS 'The last id given out; the next is one more.';

CREATE TABLE recall.business_result (
	tenant_id int,
	code      text CHECK (code ~ '^[A-Za-z0-9_-]{1,50}$'),
	name      text NOT NULL,
	PRIMARY KEY (tenant_id, code)
);
COMMENT ON TABLE recall.business_result IS 'What a conversation can end in, in a tenant''s own words (disposition codes).';
COMMENT ON COLUMN recall.business_result.tenant_id IS 'The tenant whose result it is.';
COMMENT ON COLUMN recall.business_result.code IS 'The code in policies and calls: 1 to 50 letters, digits, "_" and "-"; upper and lower case differ.';
COMMENT ON COLUMN recall.business_result.name IS 'What people call the result.';

CREATE TABLE recall.task (
	tenant_id     int,
	task_id       bigint,
	name          text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	task_type     recall.task_type NOT NULL,
	state         recall.task_state NOT NULL DEFAULT 'draft',
	policy        recall.policy,
	calling_hours recall.calling_hours,
	priority      smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 0 AND 9),
	auto_recall   boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, task_id)
);
COMMENT ON TABLE recall.task IS 'Outbound call tasks (campaigns).';
COMMENT ON COLUMN recall.task.tenant_id IS 'The tenant whose task it is.';
COMMENT ON COLUMN recall.task.task_id IS 'The task, counted in its tenant.';
COMMENT ON COLUMN recall.task.name IS 'What people call the task.';
COMMENT ON COLUMN recall.task.task_type IS 'How the task dials; a manual task cannot be recalled.';
COMMENT ON COLUMN recall.task.state IS 'draft, executing, suspended or completed.';
COMMENT ON COLUMN recall.task.policy IS 'Who is recalled; null: recall is not enabled.';
COMMENT ON COLUMN recall.task.calling_hours IS 'When one may call, in the callee''s time zone; null: at any time.';
COMMENT ON COLUMN recall.task.priority IS 'Rank among the tenant''s tasks: 0 to 9, higher first. It is for whoever chooses the task to claim from: recall does not go by it.';
COMMENT ON COLUMN recall.task.auto_recall IS 'Whether a reported call is judged at once, and its contact recalled without anybody asking for it.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.task
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('task');

CREATE TABLE recall.batch (
	tenant_id int,
	batch_id  bigint,
	task_id   bigint NOT NULL,
	name      text NOT NULL CHECK (name <> '' AND length(name) <= 200),
	state     recall.batch_state NOT NULL DEFAULT 'created',
	PRIMARY KEY (tenant_id, batch_id)
);
CREATE INDEX batch_by_task ON recall.batch (tenant_id, task_id);
COMMENT ON TABLE recall.batch IS 'Batches of contacts within a task.';
COMMENT ON COLUMN recall.batch.tenant_id IS 'The tenant whose batch it is.';
COMMENT ON COLUMN recall.batch.batch_id IS 'The batch, counted in its tenant.';
COMMENT ON COLUMN recall.batch.task_id IS 'The task that dials the batch.';
COMMENT ON COLUMN recall.batch.name IS 'What people call the batch.';
COMMENT ON COLUMN recall.batch.state IS 'created, started, suspended or finished.';
CREATE INDEX batch_suspended ON recall.batch (tenant_id, task_id, batch_id) WHERE state = 'suspended';
COMMENT ON INDEX recall.batch_by_task IS 'The batches of a task.';
COMMENT ON INDEX recall.batch_suspended IS 'Those that dialers pass over.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.batch
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('batch');

CREATE TABLE recall.contact (
	tenant_id  int,
	contact_id bigint,
	batch_id   bigint NOT NULL,
	priority   int NOT NULL DEFAULT 0,
	numbers    text[] NOT NULL,
	time_zone  text,
	reference  text,
	attributes jsonb,
	PRIMARY KEY (tenant_id, contact_id)
);
CREATE UNIQUE INDEX contact_by_batch ON recall.contact (tenant_id, batch_id, contact_id);
CREATE FUNCTION recall._number_keys(tenant_id int, numbers text[]) RETURNS bigint[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'recall_number_keys';
COMMENT ON FUNCTION recall._number_keys(int, text[]) IS
'What contacts are found by when one knows a number: a key for each, in which the tenant is mixed.';
/* Without a list of pending entries, which every look-up would read: a number is looked up far more often than added. */
CREATE INDEX contact_by_number ON recall.contact USING gin (recall._number_keys(tenant_id, numbers)) WITH (fastupdate = off);
COMMENT ON INDEX recall.contact_by_number IS 'The contacts that own a number.';
COMMENT ON TABLE recall.contact IS 'Outbound call data: the people to call. Dialling never updates a row.';
COMMENT ON COLUMN recall.contact.tenant_id IS 'The tenant whose contact it is.';
COMMENT ON COLUMN recall.contact.contact_id IS 'The contact, counted in its tenant.';
COMMENT ON COLUMN recall.contact.batch_id IS 'The batch that the contact belongs to.';
COMMENT ON COLUMN recall.contact.priority IS 'Rank in the queue, higher first.';
COMMENT ON COLUMN recall.contact.numbers IS '1 to 10 numbers in the order in which to try them, each "+" and 7 to 15 digits (ITU-T E.164).';
COMMENT ON COLUMN recall.contact.time_zone IS 'IANA zone of the callee; null: the tenant''s.';
COMMENT ON COLUMN recall.contact.reference IS 'The customer''s reference in other systems.';
COMMENT ON COLUMN recall.contact.attributes IS 'Whatever else the dialer or agent needs.';
COMMENT ON INDEX recall.contact_by_batch IS 'A batch in the order of its contacts.';

CREATE TABLE recall.call (
	tenant_id       int,
	attempt         int,
	batch_id        bigint,
	contact_id      bigint,
	recycle_id      bigint,
	started_at      timestamptz NOT NULL,
	ended_at        timestamptz NOT NULL,
	recorded_at     timestamptz NOT NULL,
	failure_cause   recall.failure_cause,
	number          text NOT NULL,
	business_result text,
	raw_code        text,
	agent           text,
	token           bigint,
	assumed         boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, batch_id, contact_id, attempt)
);
COMMENT ON TABLE recall.call IS 'Completed call data, a row for each attempt. Rows are appended and stay; only what was assumed is corrected.';
COMMENT ON COLUMN recall.call.tenant_id IS 'The tenant whose call it was.';
COMMENT ON COLUMN recall.call.attempt IS 'Which call to the contact it was, from 1; the latest is the highest.';
COMMENT ON COLUMN recall.call.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.call.contact_id IS 'The contact that was called.';
COMMENT ON COLUMN recall.call.recycle_id IS 'The recycle record that the call came from; null: not from a recycle.';
COMMENT ON COLUMN recall.call.started_at IS 'When dialling began.';
COMMENT ON COLUMN recall.call.ended_at IS 'When the call was over; a re-dial is due from here on.';
COMMENT ON COLUMN recall.call.recorded_at IS 'When the row was appended; a recycle judges what was appended before it was asked for.';
COMMENT ON COLUMN recall.call.failure_cause IS 'Why the call failed; null: it was answered.';
COMMENT ON COLUMN recall.call.number IS 'The number that was dialled: one of the contact''s.';
COMMENT ON COLUMN recall.call.business_result IS 'What the conversation ended in: one of the tenant''s codes.';
COMMENT ON COLUMN recall.call.raw_code IS 'The outcome as the outside system wrote it.';
COMMENT ON COLUMN recall.call.agent IS 'Who spoke.';
COMMENT ON COLUMN recall.call.token IS 'The token of the permit that was dialled; null: recorded without one.';
COMMENT ON COLUMN recall.call.assumed IS 'Whether no dialer reported the outcome: the lease had run out, and a rule or a person settled it. A report still corrects it.';

CREATE TABLE recall.recycle (
	tenant_id    int,
	recycle_id   bigint,
	batch_id     bigint NOT NULL,
	state        recall.recycle_state NOT NULL DEFAULT 'waiting',
	policy       recall.policy NOT NULL,
	requested_by name NOT NULL,
	requested_at timestamptz NOT NULL,
	cap          int NOT NULL,
	start_after  bigint NOT NULL,
	last_contact bigint NOT NULL,
	wrapped      boolean NOT NULL DEFAULT false,
	judged       bigint NOT NULL DEFAULT 0,
	matched      bigint NOT NULL DEFAULT 0,
	emitted      bigint NOT NULL DEFAULT 0,
	last_emitted bigint,
	withdrawn    bigint NOT NULL DEFAULT 0,
	started_at   timestamptz,
	advanced_at  timestamptz,
	put_off_in   bigint,
	finished_at  timestamptz,
	error        text,
	subject      text DEFAULT recall._subject(),
	PRIMARY KEY (tenant_id, recycle_id),
	CHECK (emitted <= cap AND emitted <= matched AND matched <= judged AND withdrawn <= emitted)
);
CREATE UNIQUE INDEX recycle_unfinished ON recall.recycle (tenant_id, batch_id)
WHERE state IN ('waiting', 'running', 'paused', 'failed');
CREATE INDEX recycle_runnable ON recall.recycle (tenant_id, recycle_id) WHERE state IN ('waiting', 'running');
CREATE INDEX recycle_by_batch ON recall.recycle (tenant_id, batch_id, recycle_id);
COMMENT ON TABLE recall.recycle IS 'Recycle records: who asked for which batch to be recalled, by which policy, and how far that went.';
COMMENT ON COLUMN recall.recycle.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle.recycle_id IS 'The record, counted in its tenant.';
COMMENT ON COLUMN recall.recycle.batch_id IS 'The batch that is recycled.';
COMMENT ON COLUMN recall.recycle.state IS 'waiting, running, paused, completed, cancelled or failed.';
COMMENT ON COLUMN recall.recycle.policy IS 'The task''s policy when the recycle was asked for; later edits of the task change nothing here.';
COMMENT ON COLUMN recall.recycle.requested_by IS 'The role that asked.';
COMMENT ON COLUMN recall.recycle.requested_at IS 'When it asked; calls appended before are judged.';
COMMENT ON COLUMN recall.recycle.cap IS 'The tenant''s limit at that time: most contacts that the record re-dials.';
COMMENT ON COLUMN recall.recycle.start_after IS 'The record starts behind this contact, goes to the end of the batch and wraps once.';
COMMENT ON COLUMN recall.recycle.last_contact IS 'The last contact that was judged.';
COMMENT ON COLUMN recall.recycle.wrapped IS 'Whether the end of the batch was passed.';
COMMENT ON COLUMN recall.recycle.judged IS 'Contacts judged so far.';
COMMENT ON COLUMN recall.recycle.matched IS 'Contacts that the policy recalls.';
COMMENT ON COLUMN recall.recycle.emitted IS 'Re-dial rows made; what matched beyond is over the cap.';
COMMENT ON COLUMN recall.recycle.last_emitted IS 'The contact of the last re-dial row: where the next record starts when this one was capped.';
COMMENT ON COLUMN recall.recycle.withdrawn IS 'Re-dial rows taken back before they were dialled.';
COMMENT ON COLUMN recall.recycle.started_at IS 'When the processor took the record up.';
COMMENT ON COLUMN recall.recycle.advanced_at IS 'When it last changed its state, or the processor last worked on it.';
COMMENT ON COLUMN recall.recycle.put_off_in IS 'The run of the processor that could not go on with it for the time being; the next one does.';
COMMENT ON COLUMN recall.recycle.finished_at IS 'When it was completed or cancelled.';
COMMENT ON COLUMN recall.recycle.error IS 'Why it failed, or was put off.';
COMMENT ON COLUMN recall.recycle.subject IS 'On whose behalf the role asked: the subject of its tenant token.';
COMMENT ON INDEX recall.recycle_unfinished IS 'At most one unfinished record for a batch.';
COMMENT ON INDEX recall.recycle_runnable IS 'What the processor has to do; finished records cost it nothing.';
COMMENT ON INDEX recall.recycle_by_batch IS 'The records of a batch, latest last.';
CREATE TRIGGER check_transition BEFORE UPDATE ON recall.recycle
FOR EACH ROW EXECUTE FUNCTION recall._check_transition('recycle');

CREATE TABLE recall.recycle_tally (
	tenant_id  int,
	recycle_id bigint,
	slot       smallint,
	dialled    bigint NOT NULL,
	reached    bigint NOT NULL,
	taken_out  bigint NOT NULL,
	PRIMARY KEY (tenant_id, recycle_id, slot)
);
COMMENT ON TABLE recall.recycle_tally IS
'What became of a record''s re-dial rows, counted by each session on its own so that none waits for another.';
COMMENT ON COLUMN recall.recycle_tally.tenant_id IS 'The tenant whose record it is.';
COMMENT ON COLUMN recall.recycle_tally.recycle_id IS 'The recycle record.';
COMMENT ON COLUMN recall.recycle_tally.slot IS 'Which partial count it is: each session that is at work has one of its own.';
COMMENT ON COLUMN recall.recycle_tally.dialled IS 'Re-dial rows that became completed calls.';
COMMENT ON COLUMN recall.recycle_tally.reached IS 'Those of them that were answered.';
COMMENT ON COLUMN recall.recycle_tally.taken_out IS 'Re-dial rows that could not be dialled any more, for instance because the number is suppressed.';

CREATE TABLE recall.dial (
	tenant_id   int,
	attempt     int NOT NULL,
	contact_id  bigint,
	task_id     bigint NOT NULL,
	batch_id    bigint NOT NULL,
	due_at      timestamptz NOT NULL,
	priority    int NOT NULL,
	state       recall.dial_state NOT NULL DEFAULT 'ready',
	number      text NOT NULL,
	recycle_id  bigint,
	agent       text,
	token       bigint,
	claimed_at  timestamptz,
	lease_until timestamptz,
	dialer      text,
	is_outdated boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant_id, contact_id) WITH (fillfactor = 50)
) WITH (fillfactor = 40); -- here and in the key: room for the claimed version, which is larger, of each permit beside the ready one
CREATE INDEX dial_queue ON recall.dial (tenant_id, task_id, priority DESC, due_at, contact_id) WHERE state = 'ready';
CREATE INDEX dial_unknown ON recall.dial (tenant_id, batch_id, contact_id) WHERE state = 'unknown';
CREATE UNIQUE INDEX dial_number_out ON recall.dial (tenant_id, number COLLATE "C") WHERE state <> 'ready'; -- digits have the same order in each language, and are compared faster in none
COMMENT ON TABLE recall.dial IS 'The queue of permits to dial: at most one for a contact.';
COMMENT ON COLUMN recall.dial.tenant_id IS 'The tenant whose permit it is.';
COMMENT ON COLUMN recall.dial.attempt IS 'Which call to the contact it will be.';
COMMENT ON COLUMN recall.dial.contact_id IS 'The contact that may be called.';
COMMENT ON COLUMN recall.dial.task_id IS 'The task whose dialers may claim the permit.';
COMMENT ON COLUMN recall.dial.batch_id IS 'The batch of the contact.';
COMMENT ON COLUMN recall.dial.due_at IS 'Not to be dialled before.';
COMMENT ON COLUMN recall.dial.priority IS 'The contact''s rank, higher first.';
COMMENT ON COLUMN recall.dial.state IS 'ready, claimed or unknown.';
COMMENT ON COLUMN recall.dial.number IS 'The number to dial.';
COMMENT ON COLUMN recall.dial.recycle_id IS 'The record that made the permit; null: not from a recycle.';
COMMENT ON COLUMN recall.dial.agent IS 'Who promised this call; null: nobody.';
COMMENT ON COLUMN recall.dial.token IS 'What the dialer that has it shows when it reports.';
COMMENT ON COLUMN recall.dial.claimed_at IS 'When a dialer took it.';
COMMENT ON COLUMN recall.dial.lease_until IS 'Until when the dialer has it; from then on its outcome is unknown.';
COMMENT ON COLUMN recall.dial.dialer IS 'What the dialer calls itself.';
COMMENT ON COLUMN recall.dial.is_outdated IS 'Whether an earlier call was corrected while the permit is out: it is judged again if it comes back.';
COMMENT ON INDEX recall.dial_queue IS 'What is due next for a task.';
COMMENT ON INDEX recall.dial_unknown IS 'What is to be settled; nothing that is dialled and reported in time is ever in it.';
COMMENT ON INDEX recall.dial_number_out IS 'At most one permit for a number is out with a dialer.';

CREATE TABLE recall.suppression (
	tenant_id  int,
	number     text,
	task_id    bigint,
	until      timestamptz NOT NULL,
	reason     text,
	role       name NOT NULL,
	created_at timestamptz NOT NULL,
	UNIQUE NULLS NOT DISTINCT (tenant_id, number, task_id)
);
CREATE INDEX suppression_by_time ON recall.suppression (tenant_id, created_at);
COMMENT ON INDEX recall.suppression_by_time IS 'A tenant''s do-not-call list, latest last.';
COMMENT ON INDEX recall.suppression_tenant_id_number_task_id_key IS 'A number stands once for the tenant, and once for each task.';
COMMENT ON TABLE recall.suppression IS 'The do-not-call list: numbers that are not called, by the whole tenant or by one task.';
COMMENT ON COLUMN recall.suppression.tenant_id IS 'The tenant that does not call.';
COMMENT ON COLUMN recall.suppression.number IS 'The number that is not called.';
COMMENT ON COLUMN recall.suppression.task_id IS 'The task that does not call it; null: the whole tenant.';
COMMENT ON COLUMN recall.suppression.until IS 'Until when.';
COMMENT ON COLUMN recall.suppression.reason IS 'Why.';
COMMENT ON COLUMN recall.suppression.role IS 'The role that asked for it.';
COMMENT ON COLUMN recall.suppression.created_at IS 'When it asked, last.';

CREATE TABLE recall.event (
	event_id     bigint GENERATED ALWAYS AS IDENTITY,
	tenant_id    int,
	at           timestamptz NOT NULL DEFAULT clock_timestamp(),
	role         name NOT NULL,
	session_role name NOT NULL DEFAULT session_user,
	kind         text NOT NULL,
	record_id    text NOT NULL,
	action       text NOT NULL,
	from_state   text,
	to_state     text,
	detail       jsonb,
	subject      text DEFAULT recall._subject(),
	PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX event_by_time ON recall.event (tenant_id, at);
COMMENT ON INDEX recall.event_by_time IS 'A tenant''s events, latest last.';
CREATE INDEX event_by_kind ON recall.event (tenant_id, kind, at);
COMMENT ON INDEX recall.event_by_kind IS 'The events of one kind of record, latest last.';
COMMENT ON TABLE recall.event IS 'The audit: who did what to which record. Rows are appended and stay.';
COMMENT ON COLUMN recall.event.event_id IS 'The order of events.';
COMMENT ON COLUMN recall.event.tenant_id IS 'The tenant in which it happened; 0: in none, as pools, keys and schedulers are nobody''s.';
COMMENT ON COLUMN recall.event.at IS 'When it happened.';
COMMENT ON COLUMN recall.event.role IS 'The role that did it.';
COMMENT ON COLUMN recall.event.session_role IS 'The role that had logged in.';
COMMENT ON COLUMN recall.event.kind IS 'What it was done to: tenant, member, token, business_result, suppression, task, batch, recycle, contact, number; of no tenant: pool, token_key, scheduler, job, history.';
COMMENT ON COLUMN recall.event.record_id IS 'Which one.';
COMMENT ON COLUMN recall.event.action IS 'What was done.';
COMMENT ON COLUMN recall.event.from_state IS 'The state before, when it changed.';
COMMENT ON COLUMN recall.event.to_state IS 'The state after, when it changed.';
COMMENT ON COLUMN recall.event.detail IS 'The particulars.';
COMMENT ON COLUMN recall.event.subject IS 'On whose behalf the role did it: the subject of its tenant token.';

CREATE TABLE recall.tick (
	tick_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	started_at  timestamptz NOT NULL,
	finished_at timestamptz,
	chunks      bigint NOT NULL DEFAULT 0,
	emitted     bigint NOT NULL DEFAULT 0,
	failed      bigint NOT NULL DEFAULT 0,
	expired     bigint NOT NULL DEFAULT 0,
	assumed     bigint NOT NULL DEFAULT 0,
	held        boolean NOT NULL DEFAULT false,
	last_tenant int
);
COMMENT ON TABLE recall.tick IS 'The latest runs of the processor; those older than the last 10 000 are dropped.';
COMMENT ON COLUMN recall.tick.tick_id IS 'The order of runs.';
COMMENT ON COLUMN recall.tick.started_at IS 'When the run began.';
COMMENT ON COLUMN recall.tick.finished_at IS 'When it ended; null: it runs still, or was killed.';
COMMENT ON COLUMN recall.tick.chunks IS 'Chunks of contacts that it judged.';
COMMENT ON COLUMN recall.tick.emitted IS 'Re-dial rows that it made.';
COMMENT ON COLUMN recall.tick.failed IS 'Records that failed in it.';
COMMENT ON COLUMN recall.tick.expired IS 'Permits whose lease it found run out: their outcome became unknown.';
COMMENT ON COLUMN recall.tick.assumed IS 'Permits of unknown outcome that a rule let it settle.';
COMMENT ON COLUMN recall.tick.held IS 'Whether claims were held when it began, because the database was a copy.';
COMMENT ON COLUMN recall.tick.last_tenant IS 'The tenant whose record was worked on last, by it or by the runs before: work goes on behind it.';

/* Rows that a dump must carry, and the sequences that must not start over after a restore. Not the keys of tokens. */
SELECT pg_catalog.pg_extension_config_dump('recall.tenant', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tenant_tenant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('recall.member', '');
SELECT pg_catalog.pg_extension_config_dump('recall.pool', '');
SELECT pg_catalog.pg_extension_config_dump('recall.counter', '');
SELECT pg_catalog.pg_extension_config_dump('recall.business_result', '');
SELECT pg_catalog.pg_extension_config_dump('recall.task', '');
SELECT pg_catalog.pg_extension_config_dump('recall.batch', '');
SELECT pg_catalog.pg_extension_config_dump('recall.contact', '');
SELECT pg_catalog.pg_extension_config_dump('recall.call', '');
SELECT pg_catalog.pg_extension_config_dump('recall.recycle', '');
SELECT pg_catalog.pg_extension_config_dump('recall.recycle_tally', '');
SELECT pg_catalog.pg_extension_config_dump('recall.dial', '');
SELECT pg_catalog.pg_extension_config_dump('recall.suppression', '');
SELECT pg_catalog.pg_extension_config_dump('recall.event', '');
SELECT pg_catalog.pg_extension_config_dump('recall.event_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tick', '');
SELECT pg_catalog.pg_extension_config_dump('recall.tick_tick_id_seq', '');

