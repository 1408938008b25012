#!/bin/bash
# Claim and finish: the rows a second of a dialer's queue, against its peers, in one run.
#
#   bench/queue.sh [rows [seconds]]        defaults: 500000 5
#
# Batches of 1, 10, 100 and 1000 rows, by 1, 2, 4 and 8 clients. Every contender holds the same rows (contact, number,
# attempt, priority, due time) and hands them to the client; what is claimed is finished in a transaction of its own, as
# with a dialer the call lies between the two. The contenders run in turns of so many seconds, three in each cell, of which the
# median is printed, and each begins each turn with a fresh copy of a database with so many rows, vacuumed and analysed. One
# whose rows do not last for the turn stops there, and the time is taken until then.
#
#   bare             a hand-written queue: one thin table, one partial index in the order of the queue; claimed by one
#                    statement with SKIP LOCKED that sets a token and a lease, finished by DELETE with key and token
#   bare+log         the same, and the call goes into a log with one index, as it must where the history is kept
#   recall           recall.claim() and recall.report() or recall.report_many(); no calling hours, policy 'failed'
#   recall, limits   the same with calling hours, limits and a quiet time in the policy, and 1 % of the numbers suppressed
#   PgQ              next_batch(), get_batch_events(), finish_batch(): hands out ticks, not rows, in the order of insertion. No
#                    priority, due time, token or lease, and nothing is removed until tables are rotated. One consumer to a
#                    queue, so that each client has its own queue with its share of the rows; ticks of a batch each were made
#                    beforehand, and no batch of PgQ is handed to two. At most 20000 batches are put in
#   graphile-worker  run() with a task that does nothing, as many jobs at once as clients; batches are a local queue of that
#                    size, and completions that are gathered up without delay. Priority and due time; locked to a worker for
#                    four hours, no fencing token; a finished job is deleted
#   pg-boss          fetch() and complete(). Priority and due time; a time until a job expires, no fencing token; a finished
#                    job is kept until maintenance archives it. It sorts all jobs that are due in each fetch, so that it depends
#                    on the rows more than others
#
# The first four and PgQ are driven by pgbench -M prepared. The last two are libraries for Node.js and are driven by their own
# functions from as many processes as there are clients, at most one for each processor: their figures hold the cost of
# Node.js, too. They are installed by npm into a temporary folder, or found in the node_modules of the folder PEERS. What is
# not there is said to be "not installed" and left out. CONTENDERS, BATCHES and CLIENTS (lists) narrow what is run.
#
# Uses the server of the PG* environment, and there databases whose names begin with recall_bench, which it drops and
# creates. For PgQ its extension has to be installed there (on Debian: postgresql-15-pgq3).
# shellcheck source-path=SCRIPTDIR
set -eu
shopt -s inherit_errexit
export PGOPTIONS='-c client_min_messages=warning'
rows=${1:-500000} seconds=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=queue_lib.sh
. "$here/queue_lib.sh"
turns=3
read -ra batches <<<"${BATCHES:-1 10 100 1000}"
read -ra clients <<<"${CLIENTS:-1 2 4 8}"
read -ra wanted <<<"${CONTENDERS:-bare bare_log recall recall_limits pgq graphile_worker pg_boss}"

install_peers() { # the libraries for Node.js, unless they are there already
	export NODE_PATH=${PEERS:-$scratch}/node_modules
	[ -z "${PEERS:-}" ] || return 0
	command -v npm >/dev/null || return 0
	npm install --silent --no-audit --no-fund --prefix "$scratch" graphile-worker@0.17.3 pg-boss@10 >/dev/null 2>&1 || true
}

fill_pgq() { # fill_pgq BATCH CLIENTS: a queue for each client, ticks of a batch each
	local batch=$1 count=$2 share

	share=$((rows / count / batch))
	[ "$share" -le $((20000 / count)) ] || share=$((20000 / count))
	renew recall_bench_pgq_full
	sql recall_bench_pgq_full >/dev/null <<-SQL
		CREATE EXTENSION pgq;
		SELECT pgq.create_queue('q' || i), pgq.register_consumer('q' || i, 'dialer'), pgq.set_queue_config('q' || i, 'ticker_max_count', '1')
		FROM generate_series(0, $count - 1) i;
		CREATE TEMP TABLE item (number text, contact_id bigint, attempt int, priority int, due_at timestamptz);
		\\copy item FROM '$scratch/items'
		CREATE TEMP TABLE numbered AS SELECT row_number() OVER () - 1 AS place, * FROM item;
		CREATE INDEX ON numbered (place);
		SET synchronous_commit = off;
		CREATE PROCEDURE fill() LANGUAGE plpgsql AS \$\$
		BEGIN
			FOR i IN 0 .. $count - 1 LOOP
				FOR batch IN 0 .. $share - 1 LOOP
					EXECUTE format('INSERT INTO %s (ev_id, ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)
						SELECT nextval(%L), now(), ''call'', contact_id, number, attempt, priority, due_at FROM numbered
						WHERE place >= \$1 AND place < \$1 + $batch', pgq.current_event_table('q' || i),
						(SELECT queue_event_seq FROM pgq.queue WHERE queue_name = 'q' || i))
					USING (i * $share + batch) * $batch::bigint;
					COMMIT;
					PERFORM pgq.ticker('q' || i);
					COMMIT;
				END LOOP;
			END LOOP;
		END \$\$;
		CALL fill();
		VACUUM (ANALYZE, FREEZE);
	SQL
}

fill_graphile_worker() {
	renew recall_bench_graphile_worker_full
	PGDATABASE=recall_bench_graphile_worker_full node "$here/queue_peers.js" graphile-worker prepare
	sql recall_bench_graphile_worker_full >/dev/null <<-SQL
		CREATE TEMP TABLE item (number text, contact_id bigint, attempt int, priority int, due_at timestamptz);
		\\copy item FROM '$scratch/items'
		SELECT count(*) FROM (SELECT graphile_worker.add_jobs(array_agg(ROW('call', json_build_object('contact_id', contact_id,
			'number', number, 'attempt', attempt), NULL, due_at, NULL, NULL, -priority, NULL)::graphile_worker.job_spec))
			FROM item GROUP BY contact_id / 10000) x;
		VACUUM (ANALYZE, FREEZE);
	SQL
}

fill_pg_boss() {
	renew recall_bench_pg_boss_full
	PGDATABASE=recall_bench_pg_boss_full node "$here/queue_peers.js" pg-boss prepare <"$scratch/items"
	sql recall_bench_pg_boss_full -c 'VACUUM (ANALYZE, FREEZE)'
}

script_pgq() {
	cat <<-'SQL'
		SELECT coalesce(max(batch), 0) AS got, array_agg(ev_data) AS ids, array_agg(ev_extra1) AS numbers, array_agg(ev_extra2) AS attempts,
			array_agg(ev_extra3) AS priorities, array_agg(ev_extra4) AS due
			FROM pgq.next_batch('q' || :client_id::text, 'dialer') batch, LATERAL pgq.get_batch_events(batch) WHERE batch IS NOT NULL \gset
		\if :got
		SELECT pgq.finish_batch(:got);
	SQL
	stop_when_dry
}

count_pgq() {
	echo "SELECT sum(tick_event_seq) FROM pgq.subscription JOIN pgq.tick ON tick_queue = sub_queue AND tick_id = sub_last_tick"
}
count_graphile_worker() { echo 'SELECT -count(*) FROM graphile_worker._private_jobs'; }
count_pg_boss() { echo "SELECT count(*) FROM pgboss.job WHERE name = 'call' AND state = 'completed'"; }

# The seconds that a turn took, by the libraries' own functions.
drive_graphile_worker() { PGDATABASE=recall_bench_graphile_worker node "$here/queue_peers.js" graphile-worker run "$1" "$2" "$3"; }
drive_pg_boss() { PGDATABASE=recall_bench_pg_boss node "$here/queue_peers.js" pg-boss run "$1" "$2" "$3"; }

cell() { # cell BATCH CLIENTS: the table's line
	local batch=$1 count=$2 contender turn line
	declare -A speeds=() median=()

	[[ " ${contenders[*]} " != *' pgq '* ]] || fill_pgq "$batch" "$count"
	for ((turn = 0; turn < turns; turn++)); do
		for contender in "${contenders[@]}"; do
			fresh "$contender"
			speeds[$contender]+="$(take_turn "$contender" "$batch" "$count" "$seconds")"$'\n'
		done
	done
	line="| $batch | $count"
	for contender in "${contenders[@]}"; do
		median[$contender]=$(printf '%s' "${speeds[$contender]}" | sort -n | sed -n "$(((turns + 1) / 2))p")
		line+=" | ${median[$contender]}"
		[ "$contender" = bare ] || [ -z "${median[bare]:-}" ] || line+=" ($(ratio "${median[$contender]}" "${median[bare]}"))"
	done
	echo "$line |"
}

renew recall_bench
sql recall_bench -c 'CREATE EXTENSION recall'
echo "$(sql recall_bench -c 'SHOW server_version'), $(nproc) processors, $rows rows, turns of $seconds s, shared_buffers $(sql recall_bench -c 'SHOW shared_buffers'), fsync $(sql recall_bench -c 'SHOW fsync'), synchronous_commit $(sql recall_bench -c 'SHOW synchronous_commit')"
case " ${wanted[*]} " in *' graphile_worker '* | *' pg_boss '*) install_peers ;; esac
choose_contenders
items
for contender in "${contenders[@]}"; do
	[ "$contender" = pgq ] || "fill_$contender"
done

echo
head='| batch | clients' rule='|---|---'
for contender in "${contenders[@]}"; do
	head+=" | ${title[$contender]}" rule+='|---'
done
echo "$head |"
echo "$rule|"
for batch in "${batches[@]}"; do
	for count in "${clients[@]}"; do
		cell "$batch" "$count"
	done
done
echo
echo 'Rows a second, and in brackets the ratio to bare.'
