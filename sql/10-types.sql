/* The enumerations. Their labels are a contract; new ones are only ever added. */

CREATE TYPE recall.task_type AS ENUM ('preview', 'predicted', 'preempted', 'fixed', 'robot', 'manual');
COMMENT ON TYPE recall.task_type IS
'How a task dials: preview, predicted (predictive), preempted (progressive), fixed (power), robot, or manual, which cannot be recalled. recall treats all others alike.';

CREATE TYPE recall.task_state AS ENUM ('draft', 'executing', 'suspended', 'completed');
COMMENT ON TYPE recall.task_state IS
'State of an outbound call task; moves are listed by recall.state_transitions(), machine "task".';

CREATE TYPE recall.batch_state AS ENUM ('created', 'started', 'suspended', 'finished');
COMMENT ON TYPE recall.batch_state IS
'State of a batch of contacts; moves are listed by recall.state_transitions(), machine "batch".';

CREATE TYPE recall.recycle_state AS ENUM ('waiting', 'running', 'paused', 'completed', 'cancelled', 'failed');
COMMENT ON TYPE recall.recycle_state IS
'State of a recycle record; moves are listed by recall.state_transitions(), machine "recycle".';

CREATE TYPE recall.dial_state AS ENUM ('ready', 'claimed', 'unknown');
COMMENT ON TYPE recall.dial_state IS
'State of a permit to dial: ready to be claimed, claimed by a dialer, or of unknown outcome since its lease ran out.';

CREATE TYPE recall.verdict AS ENUM (
	'recall', 'over_cap', 'queued', 'unknown', 'done', 'stopped', 'exhausted', 'suppressed', 'closed', 'new');
COMMENT ON TYPE recall.verdict IS
'What becomes of a contact: recall; over_cap, more match than one recycle may take; queued, a permit is there; unknown, a call of unknown outcome is out; done, no rule recalls its outcome; stopped, a rule says never or the platform fails; exhausted, a maximum, a limit or the numbers are used up; suppressed; closed, the calling hours never open; new, not called yet.';

CREATE TYPE recall.privilege AS ENUM ('read', 'manage', 'recycle', 'dial');
COMMENT ON TYPE recall.privilege IS
'A right in one tenant: read its records, manage its set-up, recycle its batches, dial its contacts.';

CREATE TYPE recall.failure_cause AS ENUM (
	'busy', 'no_answer', 'no_response', 'absent', 'powered_off', 'number_suspended', 'rejected', 'blocked',
	'unallocated', 'bad_format', 'number_changed', 'special_tone', 'no_route', 'out_of_order', 'congestion',
	'network_down', 'temporary_failure', 'no_resource', 'timeout', 'interworking', 'incompatible', 'unspecified',
	'carrier_limit', 'barred', 'fax', 'machine', 'dead_air', 'abandoned_by_callee', 'abandoned_by_dialer',
	'cancelled', 'agent_failure', 'platform_failure', 'unknown');
COMMENT ON TYPE recall.failure_cause IS
'Why an outbound call failed, in catalogue order; NULL means that it was answered. Described by recall.failure_causes().';

