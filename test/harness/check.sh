#!/bin/bash
#
# check.sh
#		Runs all tests on a private server and counts them: make check.
#
# The last line is "N passed, N failed", with ", N skipped" when something was; the status is not 0 when
# a test failed or none ran. A run that breaks off, or is interrupted, counts as a failure. Servers and the temporary
# folder are gone at the end, unless KEEP=1: then the folder stays. Tests find data in $RECALL_DATA, when
# the folder ../shared/data is there or another is given in RECALL_DATA; without any they skip what needs it.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
exec 2>&1
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

work=
job=

# Run a command as the folder's owner, in a process group of its own that an interruption can end as a whole.
run()
{
	set -m
	as_owner "$@" </dev/null &
	job=$!
	set +m
	wait "$job"
	job=
}

# Print the names of the tests with an outcome.
list()
{
	awk -F'\t' -v outcome="$1" '$1 == outcome { print outcome ": " $2 " " $3 }' "$outcomes"
}

count()
{
	list "$1" | wc -l
}

# Clean up and count, however the run ended.
finish()
{
	local status=$1 outcomes=/dev/null passed failed skipped

	trap '' HUP INT PIPE TERM
	set +e
	if [ -n "$job" ]; then
		kill -TERM -- "-$job" 2>/dev/null
		wait "$job"
	fi
	[ ! -e "$work/outcomes" ] || outcomes=$work/outcomes
	list skipped
	list failed
	passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
	if [ -n "$work" ]; then
		if [ "${KEEP:-}" = 1 ]; then
			stop_servers
			say "kept: $work"
		else
			remove_workspace
		fi
	fi

	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		say "broke off with status $status"
		failed=1
	fi
	[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || say "no test ran"
	if [ "$skipped" -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || exit 1
	exit 0
}

# Refuse names that no test has, before minutes are spent on building. TESTS=none runs none.
check_names()
{
	local name

	for name in ${TESTS:-}; do
		[ "$name" = none ] || compgen -G "$top/test/*/$name.*" >/dev/null || die "there is no test $name"
	done
	for name in ${PROVE_TESTS:-}; do
		compgen -G "$top/$name" >/dev/null || die "there is no file $name"
	done
}

# Set RECALL_DATA to a copy that the tests can read, if there is any data.
provide_data()
{
	local folder=${RECALL_DATA:-$top/../shared/data}

	export RECALL_DATA=
	if [ -d "$folder" ]; then
		copy_data "$folder" .
		RECALL_DATA=$work/data
	else
		say "no test data: tests that need it are skipped (RECALL_DATA)"
	fi
}

# Copy the server that checks itself, if one was built, into the workspace; only valgrind does without.
provide_checked_server()
{
	local folder=$top/.build/checked-$major

	if [ -d "$folder" ]; then
		as_owner mkdir "$work/checked"
		tar -C "$folder" -c --mode=u+rwX . | as_owner tar -x -C "$work/checked"
	elif [ "$INSTRUMENT" = checked ]; then
		die "there is no server that checks itself: make checked-server builds one"
	else
		say "with the packaged server valgrind does not see palloc(): make checked-server builds one that tells it"
	fi
}

trap 'finish $?' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

clean_environment
check_names
# The example dialer runs on the first two, and is tested behind the third; random histories and hostile sessions run on the
# fourth, the latter with what the last makes up.
# shellcheck disable=SC2034
more_packages=(sip-tester python3-psycopg pgbouncer python3-psycopg2 sqlsmith)
[ "${INSTRUMENT:-}" != valgrind ] || more_packages+=(valgrind)
ensure_packages
make_workspace check
copy_checkout
provide_data
[[ ${INSTRUMENT:-} != @(checked|valgrind) ]] || provide_checked_server
run test/harness/server.sh "$major" recall_pgtap
run test/harness/run_tests.sh recall_pgtap
[ -z "${INSTRUMENT:-}" ] || run test/harness/findings.sh
