#!/bin/bash
# The processor against one bare INSERT … SELECT, in one run.
#
#   bench/recycle.sh [contacts [others]]        defaults: 2000000 20000000
#
# A batch of so many contacts, one completed call each, is recycled by CALL recall.process(), and the same
# re-dial rows are made by one statement: the same source tables, the same target with the same indexes, the
# policy written as constants, no guards, records or audit. The bare statement is written in two ways (the
# latest call by DISTINCT ON, and by a lateral index probe) and the faster of the two counts. Both sides run
# three times in turn and the medians are compared: at 5, 50 and 100 % matching, with the batch alone in the
# tables, and among the calls of ten other batches that were made at the same time (their rows lie between).
# Last: what a run with nothing to do costs with 1 000 000 finished records behind it.
#
# Uses the server of the PG* environment, and there the database recall_bench, which it drops and creates.
set -eu
export PGOPTIONS='-c client_min_messages=warning'
contacts=${1:-2000000} others=${2:-20000000} rounds=3 batches=10
database=recall_bench

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }
seconds() { # run a command on the server and print how long it took
	sql -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1 | awk '{ printf "%.2f", $1 / 1000 }'
}
median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }
smaller() { printf '%s\n%s\n' "$1" "$2" | sort -n | head -1; }

dropdb --if-exists "$database"
createdb "$database"
sql -c 'CREATE EXTENSION recall'
echo "$(sql -c 'SHOW server_version'), $contacts contacts, shared_buffers $(sql -c 'SHOW shared_buffers'), fsync $(sql -c 'SHOW fsync')"

load() { # load BATCHES: as many batches beside the one that is measured, calls in the order of time
	sql >/dev/null <<-SQL
		TRUNCATE recall.contact, recall.call, recall.dial, recall.recycle, recall.batch, recall.task, recall.tenant,
			recall.member, recall.counter, recall.business_result, recall.recycle_tally;
		ALTER SEQUENCE recall.tenant_tenant_id_seq RESTART;
		SELECT recall.create_tenant('bench', recycle_limit => 2000000);
		SELECT recall.create_task(1, 'bench', 'predicted', 'busy, no_answer');
		SELECT recall.create_batch(1, 1, 'batch ' || b) FROM generate_series(1, 1 + $1) b;
		SELECT recall.start_task(1, 1);
		SELECT recall.start_batch(1, b) FROM generate_series(1, 1 + $1) b;
		INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers)
		SELECT 1, (b - 1) * $contacts::bigint + i, b, ARRAY['+4930' || 1000000 + i]
		FROM generate_series(1, 1 + $1) b, generate_series(1, CASE WHEN b = 1 THEN $contacts ELSE $others / $batches END) i;
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
		SELECT 1, 1, b, (b - 1) * $contacts::bigint + i, t, t + interval '20 s', t + interval '20 s',
			CASE WHEN i * 7919::bigint % 100 < 5 THEN 'busy'::recall.failure_cause WHEN i * 7919::bigint % 100 < 50 THEN 'no_answer'
				ELSE 'congestion' END, '+4930' || 1000000 + i
		FROM generate_series(1, $contacts) i,
			LATERAL (SELECT now() - interval '10 h' + i * interval '10 ms' AS t) at,
			generate_series(1, 1 + $1) b
		WHERE b = 1 OR i <= $others / $batches;
		VACUUM (ANALYZE, FREEZE) recall.contact, recall.call;
	SQL
}

causes() { # causes PERCENT: the failure causes that so many of the calls ended with
	case $1 in 5) echo busy ;; 50) echo busy no_answer ;; 100) echo busy no_answer congestion ;; esac
}

processor() { # processor PERCENT
	sql -c 'TRUNCATE recall.dial, recall.recycle, recall.recycle_tally' -c 'CHECKPOINT' \
		-c "SELECT recall.set_policy(1, 1, '$(causes "$1" | tr ' ' ',')')" -c 'SELECT recall.recycle(1, 1)' >/dev/null
	seconds 'CALL recall.process()'
}

bare() { # bare PERCENT LATEST: LATEST is how the latest call of each contact is found
	sql -c 'TRUNCATE recall.dial' -c 'CHECKPOINT'
	seconds "INSERT INTO recall.dial (tenant_id, attempt, contact_id, task_id, batch_id, recycle_id, due_at, priority, number)
		SELECT 1, k.attempt + 1, c.contact_id, 1, 1, 1, k.ended_at, c.priority, k.number
		$2 AND k.failure_cause IN ($(causes "$1" | sed "s/[a-z_]*/'&'/g; s/ /, /g")) ORDER BY c.contact_id"
}
distinct_on="FROM (SELECT DISTINCT ON (contact_id) * FROM recall.call WHERE tenant_id = 1 AND batch_id = 1
		ORDER BY contact_id, attempt DESC) k
	JOIN recall.contact c ON c.tenant_id = 1 AND c.contact_id = k.contact_id
	WHERE true"
lateral="FROM recall.contact c, LATERAL (SELECT * FROM recall.call i
		WHERE i.tenant_id = 1 AND i.batch_id = 1 AND i.contact_id = c.contact_id ORDER BY attempt DESC LIMIT 1) k
	WHERE c.tenant_id = 1 AND c.batch_id = 1"

compare() { # compare LABEL PERCENT
	local processed='' by_distinct='' by_lateral='' emitted round
	for ((round = 1; round <= rounds; round++)); do
		processed+="$(processor "$2")"$'\n'
		emitted=$(sql -c 'SELECT emitted FROM recall.recycle')
		by_distinct+="$(bare "$2" "$distinct_on")"$'\n'
		by_lateral+="$(bare "$2" "$lateral")"$'\n'
		[ "$(sql -c 'SELECT count(*) FROM recall.dial')" = "$emitted" ] || { echo 'the two sides differ' >&2; exit 1; }
	done
	p=$(printf '%s' "$processed" | median)
	d=$(printf '%s' "$by_distinct" | median)
	l=$(printf '%s' "$by_lateral" | median)
	b=$(smaller "$d" "$l")
	printf '| %s | %s %% | %s | %s | %s | %s | **%s** |\n' "$1" "$2" "$emitted" "$p" "$d" "$l" \
		"$(awk "BEGIN { printf \"%.2f\", $p / $b }")"
}

echo
echo '| the batch | matching | emitted | processor, s | bare DISTINCT ON, s | bare lateral, s | ratio |'
echo '|---|---|---|---|---|---|---|'
load 0
for share in 5 50 100; do
	compare 'alone' "$share"
	alone[share]=$p
done
load "$batches"
for share in 5 50 100; do
	compare "among $others others" "$share"
	among[share]=$p
done
echo
for share in 5 50 100; do
	echo "processor at $share %: among others / alone = $(awk "BEGIN { printf \"%.2f\", ${among[share]} / ${alone[share]} }")"
done

sql <<-SQL
	TRUNCATE recall.recycle;
	INSERT INTO recall.recycle (tenant_id, recycle_id, batch_id, state, policy, requested_by, requested_at, cap, start_after, last_contact)
	SELECT 1, i, 1, 'completed', 'failed', 'bench', now(), 1, 0, 0 FROM generate_series(1, 1000000) i;
	VACUUM ANALYZE recall.recycle;
SQL
idle=$(for _ in 1 2 3 4 5; do sql -c '\timing on' -c 'CALL recall.process()' | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; done | sort -n | sed -n 3p)
echo "a run with nothing to do, 1000000 finished records behind it: $idle ms (median of 5, each in a new session)"
