#!/bin/bash
#
# fairness.sh [CONTACTS [ROUNDS]]
#		What one tenant does to the times of another, on a server of yours (PGHOST, PGPORT and PGUSER; a superuser).
#
# Tenant B presses a small recycle (2000 contacts, one call each) and a run of the processor makes it ready; and it
# claims ten permits and reports each. Both are timed while the server is quiet, and beside tenant A, which has CONTACTS
# contacts with one call each and, in turn,
#	recycles them, by a processor of its own			(recycle)
#	recycles them, in the same run as B's record			(same run)
#	the same two by the largest policy that there can be		(policy, policy, same run)
#	claims and reports with four clients				(storm)
#	wants to, by a role whose CONNECTION LIMIT admits LIMIT		(limited storm)
# LIMIT is the number of this machine's processors unless set. What the sharing of processors alone does shows beside as many
# busy loops in the database (1 loop, 4 loops). Each round takes all of them in turn; the table has medians, and ratios to
# the quiet times. BESIDE narrows what is run: "storm limited_storm".
set -euo pipefail

contacts=${1:-500000}
rounds=${2:-5}
limit=${LIMIT:-$(nproc)}
database=recall_fairness
folder=$(mktemp -d)
others=()

sql() { psql -XAtq -v ON_ERROR_STOP=1 -d "$database" "$@"; }

stop_others()
{
	local other

	for other in "${others[@]}"; do
		kill "$other" 2>/dev/null || true
	done
	wait
	others=()
	sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'" >/dev/null
}

finish()
{
	stop_others || true
	psql -XAtq -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "DROP ROLE IF EXISTS ${database}_a" || true
	rm -rf "$folder"
}
trap finish EXIT

prepare()
{
	PGOPTIONS='-c client_min_messages=warning' psql -XAtq -d postgres -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database" \
		-c "DROP ROLE IF EXISTS ${database}_a" -c "CREATE ROLE ${database}_a LOGIN CONNECTION LIMIT $limit"
	sql -v contacts="$contacts" -v role="${database}_a" >/dev/null <<'END'
		SET client_min_messages = warning;
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('A', recycle_limit => 2000000), recall.create_tenant('B');
		SELECT recall.grant_privilege(1, :'role', '{dial}');
		SELECT recall.create_business_result(1, 'r' || i, 'Result') FROM generate_series(1, 900) i;
		SELECT recall.create_task(t, 'Task', 'predicted', 'busy; no_answer after 1 h') FROM generate_series(1, 2) t;
		-- 64 rules as full as they may be, of which the last one matches, and 16 limits and quiets.
		CREATE TABLE largest AS SELECT array_to_string(
			ARRAY(SELECT format('result %s after %s max 9999', (SELECT string_agg(format('r%s', (r * 10 + i) % 900 + 1), ', ') FROM generate_series(1, 10) i),
				(SELECT string_agg(format('%s min', i), ', ') FROM generate_series(1, 16) i)) FROM generate_series(1, 62) r) ||
			ARRAY['busy after 1 s, 2 s max 9999', 'no_answer after 1 h'] ||
			ARRAY(SELECT format('limit 9999 per %s h', i) FROM generate_series(1, 16) i) ||
			ARRAY(SELECT format('quiet %s s after busy', i) FROM generate_series(1, 16) i), '; ')::recall.policy AS policy;
		SELECT recall.start_task(t, 1), recall.create_batch(t, 1, 'Batch') FROM generate_series(1, 2) t;
		SELECT recall.create_batch(1, 1, 'Queue');
		CREATE TABLE people AS SELECT ARRAY['+49' || 100000000 + i] AS numbers FROM generate_series(1, :contacts) i;
		CREATE TABLE few AS SELECT * FROM people LIMIT 2000;
		CREATE TABLE called AS SELECT i AS contact_id, 'busy'::recall.failure_cause AS failure_cause,
			now() - interval '2 h' AS started_at, now() - interval '2 h' AS ended_at FROM generate_series(1, :contacts) i;
		CREATE TABLE called_few AS SELECT * FROM called LIMIT 2000;
		SELECT recall.add_contacts(1, 1, 'people'), recall.start_batch(1, 1), recall.record_calls(1, 'called');
		SELECT recall.add_contacts(2, 1, 'few'), recall.start_batch(2, 1), recall.record_calls(2, 'called_few');
		VACUUM ANALYZE;
END
	# What B does in its turn, as one session would.
	cat >"$folder/claims.sql" <<'END'
		SELECT count(recall.report(2, c.contact_id, c.token, 'busy', NULL, now() - interval '2 h', now() - interval '2 h'))
		FROM recall.claim(2, 1, 10) c;
END
	cat >"$folder/storm.sql" <<'END'
		SELECT count(recall.report(1, c.contact_id, c.token, 'busy', NULL, now() - interval '2 h', now() - interval '2 h'))
		FROM recall.claim(1, 1, 10) c;
END
	cat >"$folder/loop.sql" <<'END'
		DO $$ BEGIN PERFORM count(*) FROM generate_series(1, 300000) i; END $$;
END
}

# Take back what has been made ready.
withdraw() { sql -c "SELECT count(recall.withdraw_recycle($1, recycle_id)) FROM recall.recycle_record WHERE tenant_id = $1 AND state = 'completed' AND emitted > withdrawn" >/dev/null; }

# Let A ask for a recycle of all its contacts.
press_a()
{
	sql -c "SELECT recall.cancel_recycle(1, recycle_id) FROM recall.recycle_record WHERE tenant_id = 1 AND state IN ('waiting', 'running', 'failed')" >/dev/null
	withdraw 1
	sql -c "SELECT recall.recycle(1, 1)" >/dev/null
}

# Milliseconds from B's press till its permits are ready, which a run of the processor makes them.
time_press()
{
	local record began

	withdraw 2
	record=$(sql -c "SELECT recall.recycle(2, 1)")
	began=$(sql -c "SELECT extract(epoch FROM clock_timestamp())")
	sql -c "CALL recall.process()" >/dev/null 2>&1 &
	others+=($!)
	sql -c "DO \$\$ BEGIN
		WHILE (SELECT state FROM recall.recycle WHERE tenant_id = 2 AND recycle_id = $record) <> 'completed' LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
	END \$\$"
	sql -c "SELECT round((extract(epoch FROM finished_at) - $began) * 1000, 1) FROM recall.recycle_record WHERE tenant_id = 2 AND recycle_id = $record"
}

# Milliseconds for ten permits, claimed and reported; the median of two seconds.
time_claims()
{
	local record

	withdraw 2
	record=$(sql -c "SELECT recall.recycle(2, 1)")
	until [ "$(sql -c "SELECT state FROM recall.recycle WHERE tenant_id = 2 AND recycle_id = $record")" = completed ]; do
		sql -c "SELECT recall._step(NULL, 1)" >/dev/null
	done
	rm -f "$folder"/log.*
	(cd "$folder" && pgbench -n -M prepared -f claims.sql -t 100 -l --log-prefix=log "$database" >/dev/null 2>&1)
	sort -n -k3 -t' ' "$folder"/log.* | awk '{ v[NR] = $3 } END { printf "%.1f\n", v[int((NR + 1) / 2)] / 1000 }'
}

# Keep the server busy with so many clients.
keep_busy() # clients script [options of pgbench]
{
	pgbench -n -c "$1" -j 1 -T 600 -f "$folder/$2.sql" "${@:3}" "$database" >/dev/null 2>&1 &
	others+=($!)
}

# Begin what keeps the server busy.
begin()
{
	case $1 in
	recycle | policy)
		sql -c "CALL recall.process()" >/dev/null 2>&1 &
		others+=($!)
		;;
	storm) keep_busy 4 storm -M prepared ;;
	limited_storm) for _ in 1 2 3 4; do keep_busy 1 storm -M prepared -U "${database}_a"; done ;;
	[0-9]*) keep_busy "${1%%_*}" loop ;;
	esac
	sleep 0.7
}

set_policy() { sql -c "SET client_min_messages = warning; SELECT recall.set_policy(1, 1, $1)" >/dev/null; }

measure()
{
	local what=$1

	others=()
	case $what in
	quiet) ;;
	recycle | same_run) press_a ;;
	policy | policy_same_run) set_policy "(SELECT policy FROM largest)"; press_a ;;
	*storm) press_a; sql -c "CALL recall.process()" ;;
	esac
	case $what in
	quiet | *same_run) ;;
	*) begin "$what" ;;
	esac
	time_press >>"$folder/$what.press"
	case $what in
	*same_run) ;;
	*) time_claims >>"$folder/$what.claims" ;;
	esac
	stop_others
	case $what in
	policy*) set_policy "'busy; no_answer after 1 h'" ;;
	esac
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

report()
{
	local what kind quiet value

	echo "| beside | B's press to ready, ms | ratio | ten claimed and reported, ms | ratio |"
	echo "|---|---|---|---|---|"
	for what in "${whats[@]}"; do
		printf '| %s ' "$what"
		for kind in press claims; do
			if [ -e "$folder/$what.$kind" ]; then
				quiet=$(median "$folder/quiet.$kind") value=$(median "$folder/$what.$kind")
				awk -v v="$value" -v q="$quiet" 'BEGIN { printf "| %s | %.2f ", v, v / q }'
			else
				printf '| | '
			fi
		done
		echo '|'
	done
}

read -ra whats <<<"quiet ${BESIDE:-1_loop recycle same_run policy policy_same_run 4_loops storm limited_storm}"
prepare
uptime
for ((round = 1; round <= rounds; round++)); do
	for what in "${whats[@]}"; do
		measure "$what"
	done
done
uptime
report
