#!/bin/bash
#
# findings.sh
#		What an instrumented run has found, as outcomes beside those of the tests.
#
# Runs in a workspace (see workspace.sh) as its owner, in the copy of the checkout, after run_tests.sh. One outcome is the
# search itself: passed when nothing was found. Coverage is a table, and no outcome.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=instrument.sh
. "$(dirname "${BASH_SOURCE[0]}")/instrument.sh"

outcomes=$HOME/outcomes

# Print the reports of valgrind in whose stack the library is; they are told apart by lines without text.
valgrind_reports()
{
	sed 's/^==[0-9]*== \?//' "$@" | awk -v RS= '/\/tree\/src\/|recall\.so/ { print $0 "\n" }'
}

# Print a report of a sanitizer, or of a failed assertion, for each of those that were written.
print_findings()
{
	local files

	case $instrument in
		sanitize)
			mapfile -t files < <(find "$findings" -type f -size +0)
			[ "${#files[@]}" -eq 0 ] || cat "${files[@]}"
			;;
		valgrind)
			mapfile -t files < <(find "$findings" -type f -size +0)
			[ "${#files[@]}" -eq 0 ] || valgrind_reports "${files[@]}"
			;;
	esac
	# The logs of all servers: those of TAP lie in the copy of the checkout. UndefinedBehaviorSanitizer writes there, and has the
	# process exit, which a server process otherwise does with FATAL only.
	find "$HOME/cluster.log" tree -name '*.log' -exec grep -hE \
		': runtime error: |AddressSanitizer|TRAP: |server process .* (terminated by signal (6|11)|exited with exit code)|write past chunk end' {} + || true
}

cd "$HOME"
pg_ctl stop --silent --mode=fast --pgdata=cluster || true
if [ "$instrument" = coverage ]; then
	perl tree/test/harness/coverage.pl ${MISSING:+--missing} tree/src
	exit
fi
print_findings >found
if [ -s found ]; then
	print_head found 400
	printf 'failed\t%s\tfound something\n' "$instrument" >>"$outcomes"
else
	printf 'passed\t%s\tfound nothing\n' "$instrument" >>"$outcomes"
fi
