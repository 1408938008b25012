#!/bin/bash
#
# run_tests.sh DATABASE
#		Runs the four kinds of tests against the private server and notes each test's outcome.
#
# Runs in a workspace (see workspace.sh) as its owner, in the copy of the checkout, after server.sh.
#
#	regress		test/sql/*.sql, expected output; in a database of its own
#	isolation	test/specs/*.spec, interleaved sessions; likewise
#	pgtap		test/pgtap/*.sql, in DATABASE, which has recall and pgtap; pg_cron can be created in it
#	tap			test/t/*.pl, each with clusters of its own
#
# The first three take turns, the last runs beside them. All run, whatever fails. Outcomes go to the
# file "outcomes" of the workspace: passed, failed or skipped; the kind; the name. ONLY names the kinds to run, TESTS
# the tests without their ending, PROVE_TESTS the files of tap.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=instrument.sh
. "$(dirname "${BASH_SOURCE[0]}")/instrument.sh"

database=$1
work=$HOME
outcomes=$work/outcomes

# List the files of a kind's tests that were asked for, given all of them.
wanted()
{
	local kind=$1 file name

	shift
	[[ " ${ONLY:-regress isolation pgtap tap} " == *" $kind "* ]] || return 0
	for file; do
		name=$(basename "${file%.*}")
		if [ -e "$file" ] && [[ " ${TESTS:-$name} " == *" $name "* ]]; then
			echo "$file"
		fi
	done
}

# Note the outcome of a test: the outcome, the kind, the name.
note()
{
	printf '%s\t%s\t%s\n' "$@" >>"$outcomes"
}

# Note as failed what a runner left open: a file without an outcome, or a status that no failure explains.
settle()
{
	local kind=$1 status=$2 file

	shift 2
	for file; do
		grep -q $'\t'"$kind"$'\t'"$file\(:\|\$\)" "$outcomes" || note failed "$kind" "$file: did not run"
	done
	[ "$status" -eq 0 ] || grep -q "^failed"$'\t'"$kind"$'\t' "$outcomes" ||
		note failed "$kind" "ended with status $status"
}

# Read what pg_regress says of each file, in the words of 15 and in those of 16 and later.
pg_regress_outcomes()
{
	awk -v kind="$1" -v prefix="$2/" -v suffix=".$3" -v OFS='\t' '
		function note(outcome, name) { print outcome, kind, prefix name suffix }
		/^test .* \.\.\. / { note(/ \.\.\. ok / ? "passed" : "failed", $2) }
		/^ok +[0-9]+ +[-+] / { note("passed", $4) }
		/^not ok +[0-9]+ +[-+] / { note("failed", $5) }'
}

# Run a kind's files through PGXS and pg_regress, which takes their names from a variable of the Makefile.
run_pg_regress()
{
	local kind=$1 variable=$2 names status=0

	shift 2
	[ $# -gt 0 ] || return 0
	say "$kind: $# files"
	mapfile -t names < <(basename -a "${@%.*}")
	make -s installcheck TAP_TESTS= REGRESS= ISOLATION= "$variable=${names[*]}" 2>&1 |
		tee "$work/$kind.log" || status=$?
	pg_regress_outcomes "$kind" "${1%/*}" "${1##*.}" <"$work/$kind.log" >>"$outcomes"
	settle "$kind" "$status" "$@"
	if [ -s regression.diffs ]; then
		print_head regression.diffs 300
		mv regression.diffs "$work/$kind.diffs"
	fi
}

run_pgtap()
{
	local status=0

	[ $# -gt 0 ] || return 0
	say "pgtap: $# files"
	{
		PGOPTIONS='' psql -qX -v ON_ERROR_STOP=1 -d "$database" -c 'CREATE EXTENSION recall' -c 'CREATE EXTENSION pgtap' &&
			TALLY_RUNNER=pgtap pg_prove --harness Tally --norc --nocolor --nocount --dbname "$database" "$@"
	} || status=$?
	settle pgtap "$status" "$@"
}

# Show the ends of the logs of those TAP tests that failed.
show_tap_logs()
{
	local name log

	sed -n $'s/^failed\ttap\t\\([^:]*\\)\\.pl: .*/\\1/p' "$outcomes" | sort -u | while read -r name; do
		# Its place depends on the major.
		find . -name "regress_log_$(basename "$name")" | while read -r log; do
			say "the end of $log"
			tail -n 60 "$log"
		done
	done
}

run_tap()
{
	local status=0

	[ $# -gt 0 ] || return 0
	say "tap: $# files"
	TALLY_RUNNER=tap make -s installcheck REGRESS= ISOLATION= PROVE_TESTS="$*" \
		PROVE_FLAGS='-I test/t -j2 --harness Tally --norc --nocolor --nocount' || status=$?
	settle tap "$status" "$@"
	[ "$status" -eq 0 ] || show_tap_logs
}

touch "$outcomes" "$work/tap.log"
instrument_environment
export TALLY=$outcomes PERL5LIB=$top/test/harness

# A fault that was planted need not wait until a test comes along; the session may die of it.
[ -z "${PLANT:-}" ] ||
	psql -qX -d postgres -c 'CREATE EXTENSION recall' -c 'SELECT recall._chunk_size()' -c 'DROP EXTENSION recall' || true

mapfile -t regress < <(wanted regress test/sql/*.sql)
mapfile -t isolation < <(wanted isolation test/specs/*.spec)
mapfile -t pgtap < <(wanted pgtap test/pgtap/*.sql)
# shellcheck disable=SC2086
mapfile -t tap < <(wanted tap ${PROVE_TESTS:-test/t/*.pl})

run_tap "${tap[@]}" >"$work/tap.log" 2>&1 &
tap_job=$!
run_pg_regress regress REGRESS "${regress[@]}"
run_pg_regress isolation ISOLATION "${isolation[@]}"
run_pgtap "${pgtap[@]}"
tail -n +1 -s 0.2 -f --pid="$tap_job" "$work/tap.log"
wait "$tap_job"
