#!/bin/bash
# A batch larger than the tenant's limit, pressed until nobody is left; then the same with every re-dial failing again.
#
#   bench/presses.sh [contacts [limit]]        defaults: 2000000 500000
#
# Every contact was called once and was busy. First nobody is dialled in between: press after press takes the
# next ones, and the last has nobody over the cap. Then all permits are dialled between the presses and fail
# again, so that everybody matches at each: the presses go round, and nobody has a second turn before everybody
# had a first. The seconds are those of CALL recall.process() and of the redials by recall.record_calls(). It
# ends with status 1 when anybody was taken twice, left out, or had more than one turn too many.
#
# Uses the server of the PG* environment, and there the database recall_bench, which it drops and creates.
set -eu
contacts=${1:-2000000} limit=${2:-500000}
presses=$(((contacts + limit - 1) / limit))
database=recall_bench

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" "$@"; }
seconds() { # run a command on the server and print how long it took
	sql -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -1 | awk '{ printf "%.2f", $1 / 1000 }'
}

load() {
	dropdb --if-exists "$database"
	createdb "$database"
	sql >/dev/null <<-SQL
		CREATE EXTENSION recall;
		SELECT recall.create_tenant('bench', recycle_limit => $limit);
		SELECT recall.create_task(1, 'bench', 'predicted', 'busy');
		SELECT recall.create_batch(1, 1, 'batch');
		SELECT recall.start_task(1, 1), recall.start_batch(1, 1);
		INSERT INTO recall.contact (tenant_id, contact_id, batch_id, numbers)
		SELECT 1, i, 1, ARRAY['+4930' || 1000000 + i] FROM generate_series(1, $contacts) i;
		INSERT INTO recall.call (tenant_id, attempt, batch_id, contact_id, started_at, ended_at, recorded_at, failure_cause, number)
		SELECT 1, 1, 1, i, now() - interval '1 h', now() - interval '59 min', now() - interval '59 min', 'busy', '+4930' || 1000000 + i
		FROM generate_series(1, $contacts) i;
		CREATE TABLE taken (contact_id bigint);
		CREATE TABLE ended (contact_id bigint, failure_cause recall.failure_cause);
		VACUUM (ANALYZE, FREEZE) recall.contact, recall.call;
	SQL
}

press() { # press: press, process, and print the record and the seconds
	local took
	sql -c 'SELECT recall.recycle(1, 1)' >/dev/null
	took=$(seconds 'CALL recall.process()')
	sql -F ' | ' -c "SELECT recycle_id, matched, emitted, over_cap, $took FROM recall.recycle_record ORDER BY recycle_id DESC LIMIT 1"
	sql -c 'INSERT INTO taken SELECT d.contact_id FROM recall.dial d WHERE d.recycle_id = (SELECT max(recycle_id) FROM recall.recycle)'
}

redial() { # every permit becomes a call that fails; print the seconds
	sql -c 'TRUNCATE ended' -c "INSERT INTO ended SELECT contact_id, 'busy' FROM recall.dial ORDER BY contact_id"
	seconds "SELECT recall.record_calls(1, 'ended')"
}

fewest_and_most() { # how often the contacts were taken
	sql -F ' ' -c "SELECT min(turns), max(turns) FROM (SELECT count(t.contact_id) AS turns
		FROM recall.contact c LEFT JOIN taken t USING (contact_id) GROUP BY c.contact_id) x"
}

require() { # require TEXT GOT WANTED
	[ "$2" = "$3" ] || { echo "$1: $2, not $3" >&2; exit 1; }
}

load
echo "$(sql -c 'SHOW server_version'), $contacts contacts, limit $limit, shared_buffers $(sql -c 'SHOW shared_buffers'), fsync $(sql -c 'SHOW fsync')"
echo
echo '| press | matched | emitted | over the cap | process(), s |'
echo '|---|---|---|---|---|'
for ((i = 1; i <= presses; i++)); do
	echo "| $(press) |"
done
require 'turns, nobody dialled' "$(fewest_and_most)" '1 1'
require 'over the cap at the end' "$(sql -c 'SELECT over_cap FROM recall.recycle_record ORDER BY recycle_id DESC LIMIT 1')" 0

load
echo
echo '| press | matched | emitted | over the cap | process(), s | redials that fail, s |'
echo '|---|---|---|---|---|---|'
for ((i = 1; i <= 2 * presses; i++)); do
	record=$(press)
	echo "| $record | $(redial) |"
	turns=$((i * limit))
	require "turns after press $i" "$(fewest_and_most)" "$((turns / contacts)) $(((turns + contacts - 1) / contacts))"
done
