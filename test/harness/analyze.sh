#!/bin/bash
#
# analyze.sh
#		Has the analyzers that are installed look for faults in the C code: gcc's, clang's and cppcheck. Part of make lint.
#
# Each finding is a failure. What is no fault is said to be none in the code, with the reason.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$top"
status=0

# Run an analyzer on each file, as many at a time as there are processors; whatever it says is a finding.
analyze()
{
	local name=$1 found

	shift
	found=$(printf '%s\n' src/*.c | xargs -P "$(nproc)" -I{} "$@" -I"$headers" -D_GNU_SOURCE {} 2>&1) || status=1
	if [[ $found == *warning:* || $found == *error:* ]]; then
		printf '%s\n' "$found"
		status=1
	fi
	say "$name: $(printf '%s\n' "$found" | grep -c 'warning:' || true) findings"
}

if headers=$(${PG_CONFIG:-pg_config} --includedir-server 2>/dev/null) && [ -e "$headers/postgres.h" ]; then
	! command -v gcc >/dev/null || analyze 'gcc -fanalyzer' gcc -fanalyzer -O1 -c -o /dev/null
	! command -v clang >/dev/null || analyze 'clang --analyze' clang --analyze -Xclang -analyzer-output=text -o /dev/null
else
	say "no server headers: neither gcc -fanalyzer nor clang --analyze"
fi
if command -v cppcheck >/dev/null; then
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr src || status=1
	say "cppcheck: done"
fi
exit "$status"
