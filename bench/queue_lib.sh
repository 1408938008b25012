# shellcheck shell=bash
# What queue.sh and queue_rot.sh share: the bare queue, the same with a log, recall, and how they are filled and driven.
#
# Sourced, with $rows set, and $called if not half of the contacts were called before but so many. A contender NAME has fill_NAME,
# which makes the database recall_bench_NAME_full of which it gets fresh copies; script_NAME BATCH, which prints what a client of
# pgbench does, or drive_NAME BATCH CLIENTS SECONDS, which does it otherwise and prints the seconds that it took; and count_NAME,
# which prints a query for the rows that were finished, from any number on.

# shellcheck disable=SC2154
scratch=$(mktemp -d "${TMPDIR:-/tmp}/recall_bench.XXXXXX")
trap clean_up EXIT
databases=()
clean_up() {
	rm -rf "$scratch"
	[ ${#databases[@]} = 0 ] || printf 'DROP DATABASE IF EXISTS %s WITH (FORCE);\n' "${databases[@]}" | psql -X -q -d postgres
}

sql() { # sql DATABASE …
	local database=$1
	shift
	psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"
}
renew() { # renew DATABASE: an empty one, which is dropped at the end
	databases+=("$1")
	dropdb --if-exists --force "$1"
	createdb "$1"
}
fresh() { # fresh CONTENDER: a copy of what it was filled with; with $copy, a further one of that name
	databases+=("recall_bench_$1${copy:-}")
	dropdb --if-exists --force "recall_bench_$1${copy:-}"
	createdb --strategy=file_copy --template="recall_bench_$1_full" "recall_bench_$1${copy:-}"
	[[ $1 != recall* ]] || sql "recall_bench_$1${copy:-}" -c 'SELECT FROM recall.accept_history()' # a copy holds its claims
}
ratio() { awk "BEGIN { if ($2 > 0) printf \"%.2f\", $1 / $2; else printf \"-\" }"; }

# Every second contact was called before, within the last day, and is queued for a re-dial; the others for their first attempt.
# A third of them have a second number, and both kinds are due in the order of the contacts. What the others hold is copied from
# here, so that it is the same.
prepare() { # prepare DATABASE POLICY HOURS
	renew "$1"
	sql "$1" >/dev/null <<-SQL
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('bench', recycle_limit => 2000000);
		SELECT recall.create_task(1, 'bench', 'predicted', '$2', $3);
		SELECT recall.create_batch(1, 1, 'bench');
		INSERT INTO recall.contact (tenant_id, contact_id, batch_id, priority, numbers)
		SELECT 1, i, 1, i % 3, ARRAY['+4930' || 1000000 + i] || CASE WHEN i % 3 = 0 THEN ARRAY['+4940' || 1000000 + i] ELSE '{}' END
		FROM generate_series(1, $rows) i;
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
		SELECT 1, 1, 1, i, t, t + interval '20 s', t + interval '20 s', 'busy', '+4930' || 1000000 + i
		FROM generate_series(1, ${called:-$rows}, 2) i, LATERAL (SELECT now() - interval '22 h' + i * (interval '20 h' / $rows) AS t) at;
		VACUUM (ANALYZE) recall.contact, recall.call;
		SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
		SELECT recall.recycle(1, 1);
		CALL recall.process();
		UPDATE recall.dial SET due_at = now() - interval '21 h' + contact_id * (interval '20 h' / $rows) WHERE attempt = 1;
		VACUUM FULL recall.dial;
		VACUUM (ANALYZE, FREEZE);
	SQL
}

items() { # what every queue holds
	[ ! -e "$scratch/items" ] || return 0
	prepare recall_bench_recall_full failed NULL
	sql recall_bench_recall_full -c "\\copy (SELECT number, contact_id, attempt, priority, due_at FROM recall.dial ORDER BY contact_id) TO '$scratch/items'"
	sql recall_bench_recall_full -c "\\copy (SELECT contact_id, attempt, number, failure_cause, started_at, ended_at, recorded_at FROM recall.call) TO '$scratch/calls'"
}

# As thin as it can be, with room for the claimed version of a row on the page of the ready one.
fill_bare() { # fill_bare [DATABASE]
	items
	renew "${1:-recall_bench_bare_full}"
	sql "${1:-recall_bench_bare_full}" <<-SQL
		CREATE TABLE queue (
			contact_id bigint, due_at timestamptz NOT NULL, token bigint, lease_until timestamptz, attempt int NOT NULL,
			priority int NOT NULL, claimed boolean NOT NULL DEFAULT false, number text NOT NULL
		) WITH (fillfactor = 50);
		\\copy queue (number, contact_id, attempt, priority, due_at) FROM '$scratch/items'
		ALTER TABLE queue ADD PRIMARY KEY (contact_id) WITH (fillfactor = 50);
		CREATE INDEX queue_order ON queue (priority DESC, due_at) WHERE NOT claimed;
		VACUUM (ANALYZE, FREEZE);
	SQL
}

fill_bare_log() {
	fill_bare recall_bench_bare_log_full
	sql recall_bench_bare_log_full <<-SQL
		CREATE TABLE call (
			contact_id bigint, started_at timestamptz NOT NULL, ended_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL,
			attempt int, number text NOT NULL, failure_cause text, business_result text, raw_code text, agent text
		);
		\\copy call (contact_id, attempt, number, failure_cause, started_at, ended_at, recorded_at) FROM '$scratch/calls'
		ALTER TABLE call ADD PRIMARY KEY (contact_id, attempt);
		VACUUM (ANALYZE, FREEZE);
	SQL
}

fill_recall() { items; }

fill_recall_limits() {
	prepare recall_bench_recall_limits_full 'failed after 10 min; limit 6; limit 3 per 24 h; quiet 7 days after answered' "'Mo-Su 00:00-24:00'"
	sql recall_bench_recall_limits_full >/dev/null <<-SQL
		SELECT recall.suppress(1, numbers[1]) FROM recall.contact WHERE contact_id % 100 < 1;
		VACUUM (ANALYZE, FREEZE);
	SQL
}

claim_bare() { # claim_bare BATCH: the statement in two parts, around what is wanted of the rows
	cat <<-SQL
		WITH next AS MATERIALIZED (
			SELECT ctid FROM queue WHERE NOT claimed AND due_at <= now() ORDER BY priority DESC, due_at LIMIT $1 FOR UPDATE SKIP LOCKED
		), claimed AS (
			UPDATE queue q SET claimed = true, token = (random() * 9e15)::bigint, lease_until = now() + interval '5 min'
			FROM next WHERE q.ctid = next.ctid RETURNING q.contact_id, q.token, q.lease_until, q.number, q.attempt, q.priority, q.due_at
		)
	SQL
	hand_out "$1" claimed
}

hand_out() { # hand_out BATCH FROM: what is claimed, in pgbench's variables
	if [ "$1" = 1 ]; then
		echo "SELECT count(*) AS got, max(contact_id) AS id, max(token) AS token, max(lease_until) AS lease, max(number) AS number,
			max(attempt) AS attempt, max(priority) AS priority, max(due_at) AS due FROM $2 \\gset"
	else
		echo "SELECT count(*) AS got, array_agg(contact_id) AS ids, array_agg(token) AS tokens, max(lease_until) AS lease,
			array_agg(number) AS numbers, array_agg(attempt) AS attempts, array_agg(priority) AS priorities, array_agg(due_at) AS due
			FROM $2 \\gset"
	fi
	echo '\if :got'
}

# A client that finds nothing twenty times over stops, with the error that division by zero is.
stop_when_dry() {
	cat <<-'SQL'
		\set empty 0
		\else
		\set empty :empty + 1
		\set stop 1 / (20 - :empty)
		\endif
	SQL
}

script_bare() {
	claim_bare "$1"
	if [ "$1" = 1 ]; then
		echo 'DELETE FROM queue WHERE contact_id = :id AND token = :token;'
	else
		echo 'DELETE FROM queue q USING unnest(:ids::bigint[], :tokens::bigint[]) f(contact_id, token)
			WHERE q.contact_id = f.contact_id AND q.token = f.token;'
	fi
	stop_when_dry
}

script_bare_log() {
	claim_bare "$1"
	if [ "$1" = 1 ]; then
		echo "WITH done AS (DELETE FROM queue WHERE contact_id = :id AND token = :token RETURNING contact_id, attempt, number)
			INSERT INTO call (contact_id, attempt, number, failure_cause, started_at, ended_at, recorded_at)
			SELECT contact_id, attempt, number, :cause, now(), now(), clock_timestamp() FROM done;"
	else
		echo "WITH done AS (DELETE FROM queue q
				USING unnest(:ids::bigint[], :tokens::bigint[], (:causes::text[])[1 : :got], $(times)) f(contact_id, token, cause, started_at, ended_at)
				WHERE q.contact_id = f.contact_id AND q.token = f.token RETURNING q.contact_id, q.attempt, q.number, f.cause, f.started_at, f.ended_at)
			INSERT INTO call (contact_id, attempt, number, failure_cause, started_at, ended_at, recorded_at)
			SELECT contact_id, attempt, number, cause, started_at, ended_at, clock_timestamp() FROM done;"
	fi
	stop_when_dry
}

times() { echo 'array_fill(now(), ARRAY[:got::int]), array_fill(now(), ARRAY[:got::int])'; }

script_recall() {
	hand_out "$1" "recall.claim(1, 1, $1)"
	if [ "$1" = 1 ]; then
		echo 'SELECT recall.report(1, :id, :token, :cause, NULL, now(), now());'
	else
		echo "SELECT count(*) FROM recall.report_many(1, :ids, :tokens, (:causes::recall.failure_cause[])[1 : :got],
			array_fill(NULL::text, ARRAY[:got::int]), $(times));"
	fi
	stop_when_dry
}
script_recall_limits() { script_recall "$1"; }

count_bare() { echo 'SELECT -count(*) FROM queue'; }
count_bare_log() { count_bare; }
count_recall() { echo 'SELECT count(*) FROM recall.call'; }
count_recall_limits() { count_recall; }

causes() { # causes BATCH: how the calls of a batch ended, as an array: a quarter are answered
	local list='' i
	for ((i = 0; i < $1; i++)); do
		case $((i % 4)) in 0) list+=',busy' ;; 1) list+=',no_answer' ;; 2) list+=',NULL' ;; 3) list+=',no_response' ;; esac
	done
	echo "{${list#,}}"
}

drive() { # drive CONTENDER BATCH CLIENTS SECONDS|OPTIONS: the seconds that it took; instead of the seconds, pgbench's options
	local contender=$1 batch=$2 count=$3 output status=0
	local options=(-T "$4")

	if [ "$(type -t "drive_$contender")" = function ]; then
		"drive_$contender" "$batch" "$count" "$4"
		return
	fi
	[[ $4 != -* ]] || read -ra options <<<"$4"
	"script_$contender" "$batch" >"$scratch/$contender.script"
	output=$(pgbench -n -M prepared -c "$count" -j "$((count < 2 ? count : 2))" "${options[@]}" -D empty=0 -D cause=busy \
		-D "causes=$(causes "$batch")" -f "$scratch/$contender.script" "recall_bench_$contender${copy:-}" 2>&1) || status=$?
	if [ "$status" != 0 ] && ! grep -q 'division by zero' <<<"$output"; then
		echo "$output" >&2
		exit 1
	fi
	awk '/^number of transactions actually processed/ { n = $6 } /^tps = / { t = $3 }
		END { sub("/.*", "", n); if (t > 0) printf "%f", n / t; else print 0 }' <<<"$output"
}

take_turn() { # take_turn CONTENDER BATCH CLIENTS SECONDS|OPTIONS: its rows a second
	local before after took

	before=$(sql "recall_bench_$1${copy:-}" -c "$("count_$1")")
	took=$(drive "$@")
	after=$(sql "recall_bench_$1${copy:-}" -c "$("count_$1")")
	awk "BEGIN { if ($took > 0) printf \"%.0f\", ($after - $before) / $took; else print 0 }"
}

declare -A title=([bare]='bare' [bare_log]='bare+log' [recall]='recall' [recall_limits]='recall, limits' [pgq]='PgQ'
	[graphile_worker]='graphile-worker' [pg_boss]='pg-boss')

node_has() { command -v node >/dev/null && node -e "require.resolve('$1')" 2>/dev/null; }

missing() { # missing CONTENDER: whether it cannot be run here
	case $1 in
	recall*) [ "$(sql recall_bench -c "SELECT count(*) > 0 FROM pg_proc WHERE pronamespace = 'recall'::regnamespace AND proname = 'claim'")" = f ] ;;
	pgq) [ "$(sql recall_bench -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'pgq'")" = 0 ] ;;
	graphile_worker) ! node_has graphile-worker ;;
	pg_boss) ! node_has pg-boss ;;
	*) false ;;
	esac
}

choose_contenders() { # those of the wanted that are there; says which are not
	local contender absent=''

	contenders=()
	for contender in "${wanted[@]}"; do
		if missing "$contender"; then absent+="${absent:+, }${title[$contender]}"; else contenders+=("$contender"); fi
	done
	[ -z "$absent" ] || echo "not installed: $absent"
}
