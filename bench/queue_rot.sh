#!/bin/bash
# What a held snapshot and the dead rows behind it leave of a queue's throughput.
#
#   bench/queue_rot.sh [minutes [dead rows [seconds [rate]]]]        defaults: 10 5000000 60 1000
#
# The hand-written queue and recall, as in bench/queue.sh, each against itself: batches of 10, 2 clients, the rows a second of
# claim and finish, in turns of so many seconds with new sessions. Beside each turn stands one on a fresh copy of the database,
# vacuumed and with nobody looking, so that what else the machine does falls on both. The turns are long since a session of
# recall that finds many dead entries in front of the queue walks over them once and then again after a while, in proportion:
# a short turn would be the first walk and little else.
#
#   dead rows       another session has read the queue in a REPEATABLE READ transaction and stays there, so that no row that dies
#                   can be removed; then so many died: half as many rows were claimed and finished, 10000 at once, each of which
#                   leaves the version that was ready and the one that was claimed
#   steady work     the same, after so many minutes of work at a rate of rows a second that a dialer may have, both at once
#
# All rows are first attempts. "Kept" is the share of the fresh throughput beside it, "at work" are the rows a second that were done
# of the rate, and last come the dead rows that the server's statistics count in the queue at the end.
# CONTENDERS (a list of those of bench/queue.sh that have one queue) narrows or widens what is run.
#
# Uses the server of the PG* environment, and there databases whose names begin with recall_bench, which it drops and creates.
# shellcheck source-path=SCRIPTDIR
set -eu
shopt -s inherit_errexit
export PGOPTIONS='-c client_min_messages=warning'
minutes=${1:-10} dead=${2:-5000000} seconds=${3:-60} rate=${4:-1000}
# What dies, what the steady work takes, and what two turns may take at 25000 rows a second.
rows=$((dead / 2 + minutes * 60 * rate + 2 * seconds * 25000)) called=0
# shellcheck source=queue_lib.sh
. "$(dirname "$0")/queue_lib.sh"
batch=10 clients=2
read -ra wanted <<<"${CONTENDERS:-bare recall}"
declare -A queue=([bare]=queue [recall]=recall.dial [recall_limits]=recall.dial [bare_log]=queue) rotten=() steady=()

measure() { # measure ARRAY: of each contender a turn, one on a fresh copy, and the share
	declare -n result=$1
	local contender held new

	for contender in "${contenders[@]}"; do
		held=$(take_turn "$contender" "$batch" "$clients" "$seconds")
		copy=_fresh fresh "$contender"
		new=$(copy=_fresh take_turn "$contender" "$batch" "$clients" "$seconds")
		# shellcheck disable=SC2004,SC2034
		result[$contender]="$held | $new | **$(ratio "$held" "$new")**"
	done
}

hold() { # hold CONTENDER: a session that has read the queue and stays in its transaction until the end
	mkfifo "$scratch/$1"
	sql "recall_bench_$1" <"$scratch/$1" >"$scratch/$1.read" &
	exec {pipe}>"$scratch/$1"
	echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ${queue[$1]};" >&"$pipe"
	until [ -s "$scratch/$1.read" ]; do sleep 0.1; done
}

kill_rows() { # kill_rows CONTENDER: by claiming and finishing, with large batches
	drive "$1" 10000 1 "-t $((dead / 20000))" >/dev/null
}

work() { # work: all contenders at once, at the rate; the rows a second that they kept up with
	local contender workers=()

	for contender in "${contenders[@]}"; do
		take_turn "$contender" "$batch" "$clients" "-T $((minutes * 60)) -R $((rate / batch))" >"$scratch/$contender.rate" &
		workers+=($!)
	done
	for contender in "${workers[@]}"; do wait "$contender"; done
}

renew recall_bench
sql recall_bench -c 'CREATE EXTENSION recall'
echo "$(sql recall_bench -c 'SHOW server_version'), $(nproc) processors, $rows rows, $minutes min, $dead dead rows, shared_buffers $(sql recall_bench -c 'SHOW shared_buffers'), fsync $(sql recall_bench -c 'SHOW fsync')"
choose_contenders
for contender in "${contenders[@]}"; do
	"fill_$contender"
	fresh "$contender"
	hold "$contender"
	kill_rows "$contender"
done
measure rotten
work
measure steady

echo
echo '| | dead rows, rows/s | fresh | kept | at work | steady work, rows/s | fresh | kept | dead rows at the end |'
echo '|---|---|---|---|---|---|---|---|---|'
for contender in "${contenders[@]}"; do
	echo "| ${title[$contender]} | ${rotten[$contender]} | $(<"$scratch/$contender.rate") | ${steady[$contender]} | $(sql "recall_bench_$contender" -c "SELECT pg_stat_get_dead_tuples('${queue[$contender]}'::regclass)") |"
done
