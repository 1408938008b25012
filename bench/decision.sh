#!/bin/bash
# The decision against plain SQL over the same rows, in one run.
#
#   bench/decision.sh [contacts]        default: 2000000
#
# So many contacts with 1, 3 and 10 calls each are judged under a policy with delays, maxima and limits, in one
# statement: the calls grouped by recall.history(), joined to the contacts, and judged. Beside it the same statement
# without a judgement and with a count in the place of history(): count(ended_at), which reads the same rows, and
# count(*), for which the index is enough when all pages are marked visible, as they seldom are where calls are being
# recorded. Then recall._judge() as the processor and the preview call it, with the permits and calling hours around it; and, a call of
# the function for each row of a scan, matches() and next_open() against the same scan without.
#
# Both sides run three times in turn, and the medians of the server's own CPU time are compared, which other programs on
# the machine disturb less than the clock on the wall. Uses the server of the PG* environment, and there the database
# recall_bench, which it drops and creates; its superuser, since only a superuser may log the CPU time.
set -eu
contacts=${1:-2000000} rounds=3
database=recall_bench
policy='busy after 10 min, 1 h max 3 next number; no_answer after 4 h max 4; result sold never; limit 6; limit 3 per 24 h; quiet 7 days after answered'
hours='Mo-Fr 09:00-20:00; Sa 10:00-14:00; Dec 25 off; PH off'

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }
cpu() { # the CPU seconds of a query on the server, of which nothing is sent
	PGOPTIONS='-c client_min_messages=log -c log_min_messages=panic -c log_executor_stats=on -c max_parallel_workers_per_gather=0 -c jit=off -c enable_nestloop=off -c enable_hashagg=off -c enable_hashjoin=off' \
		sql -o /dev/null -c "$1" 2>&1 | sed -n 's/^!.*	\([0-9.]*\) s user, \([0-9.]*\) s system.*/\1 \2/p' | awk '{ s += $1 + $2 } END { printf "%.2f\n", s }'
}
median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }

dropdb --if-exists "$database"
createdb "$database"
sql -c 'CREATE EXTENSION recall'
echo "$(sql -c 'SHOW server_version'), $contacts contacts, shared_buffers $(sql -c 'SHOW shared_buffers')"

load() { # load CALLS
	sql >/dev/null <<-SQL
		TRUNCATE recall.contact, recall.call, recall.dial, recall.batch, recall.task, recall.tenant, recall.counter, recall.business_result;
		ALTER SEQUENCE recall.tenant_tenant_id_seq RESTART;
		SELECT recall.create_tenant('bench', 'Europe/Berlin', recycle_limit => 2000000);
		SELECT recall.create_business_result(1, 'sold', 'sold');
		SELECT recall.create_task(1, 'bench', 'predicted', '$policy', '$hours');
		SELECT recall.create_batch(1, 1, 'bench');
		SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
		DROP INDEX IF EXISTS recall.contact_by_number;
		INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers)
		SELECT 1, i, 1, ARRAY['+4930' || 1000000 + i] FROM generate_series(1, $contacts) i;
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, business_result, number)
		SELECT 1, a, 1, i, t, t + interval '20 s', t + interval '20 s',
			(ARRAY['busy', 'no_answer', 'congestion', NULL])[1 + (i * 7919::bigint + a) % 4]::recall.failure_cause,
			CASE WHEN (i * 7919::bigint + a) % 40 = 3 THEN 'sold' END, '+4930' || 1000000 + i
		FROM generate_series(1, $contacts) i, generate_series(1, $1) a,
			LATERAL (SELECT timestamptz '2026-01-05 08:00+00' + a * interval '5 h' + i * interval '1 ms' AS t) at;
		VACUUM (ANALYZE, FREEZE) recall.contact, recall.call;
	SQL
}

grouped() { # grouped CALLS JUDGEMENT: the calls grouped as the first says, what the second says of them
	echo "SELECT count(j) FROM (SELECT $2 AS j FROM recall.contact c LEFT JOIN (
			SELECT i.contact_id, $1 AS calls FROM recall.call i WHERE i.tenant_id = 1 AND i.batch_id = 1 GROUP BY i.contact_id
		) k ON k.contact_id = c.contact_id WHERE c.tenant_id = 1 AND c.batch_id = 1 OFFSET 0) x"
}
history='recall.history(i.attempt, i.number, i.failure_cause, i.business_result, i.started_at, i.ended_at)'

echo
echo '| calls each | count(*), s | count(ended_at), s | judged, s | ratio to count(*) | to count(ended_at) | with permits and hours, s |'
echo '|---|---|---|---|---|---|---|'
for calls in 1 3 10; do
	load "$calls"
	counted='' read='' judged='' whole=''
	for ((round = 1; round <= rounds; round++)); do
		counted+="$(cpu "$(grouped 'count(*)' 'k.calls')")"$'\n'
		read+="$(cpu "$(grouped 'count(i.ended_at)' 'k.calls')")"$'\n'
		judged+="$(cpu "$(grouped "$history" "recall.judge('$policy', k.calls, c.numbers, 'Europe/Berlin')")")"$'\n'
		whole+="$(cpu "SELECT count(due_at) FROM recall._judge(1, 1, '$policy', '2026-02-01') WHERE verdict = 'recall'")"$'\n'
	done
	c=$(printf '%s' "$counted" | median) r=$(printf '%s' "$read" | median) j=$(printf '%s' "$judged" | median) w=$(printf '%s' "$whole" | median)
	echo "| $calls | $c | $r | $j | $(ratio "$j" "$c") | **$(ratio "$j" "$r")** | $w |"
done

echo
bare='' matched='' opened='' filtered=''
for ((round = 1; round <= rounds; round++)); do
	bare+="$(cpu 'SELECT count(*) FILTER (WHERE business_result IS NULL) FROM recall.call')"$'\n'
	matched+="$(cpu "SELECT count(*) FILTER (WHERE recall.matches('$policy', failure_cause, business_result)) FROM recall.call")"$'\n'
	filtered+="$(cpu 'SELECT count(ended_at) FROM recall.call')"$'\n'
	opened+="$(cpu "SELECT count(recall.next_open('$hours', 'Europe/Berlin', ended_at)) FROM recall.call")"$'\n'
done
b=$(printf '%s' "$bare" | median) m=$(printf '%s' "$matched" | median) f=$(printf '%s' "$filtered" | median) o=$(printf '%s' "$opened" | median)
rows=$(sql -c 'SELECT count(*) FROM recall.call')
echo "matches() over $rows calls: $m s against $b s of the scan alone, ratio $(ratio "$m" "$b")"
echo "next_open() for $rows calls: $o s against $f s of the scan alone, $(awk "BEGIN { printf \"%.0f\", ($o - $f) / $rows * 1e9 }") ns each"
