#!/bin/bash
#
# analyze.sh
#		Has the analyzers that are installed look for faults in the C code: gcc's, clang's and cppcheck. Part of make lint.
#
# Each finding is a failure, but for those in the list of false alarms, which have their reasons there.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$top"
status=0

# Where clang does not follow a call because the function is large, it takes what the call fills in to be never written:
#	the month of a date, which parse_month() sets to 1 to 12 when it gives true; the minutes, which parse_time() sets then;
#	the signature at the end of a token, every byte of which read_bytes() has written, the length being checked before.
false_alarms='src/calling_hours_parse\.c:[0-9:]+ warning: .*core\.uninitialized\.UndefReturn
src/calling_hours_parse\.c:[0-9:]+ warning: .*operand of .>=?. is a garbage value.*UndefinedBinaryOperatorResult
src/seal\.c:[0-9:]+ warning: .*operand of .\^. is a garbage value.*UndefinedBinaryOperatorResult'

# Run an analyzer on each file, as many at a time as there are processors; whatever it says is a finding.
analyze()
{
	local name=$1 said found

	shift
	said=$(printf '%s\n' src/*.c | xargs -P "$(nproc)" -I{} "$@" -I"$headers" -D_GNU_SOURCE {} 2>&1) || status=1
	found=$(grep -E ' (warning|error): ' <<<"$said" | grep -vE "$false_alarms") || true
	if [ -n "$found" ]; then
		printf '%s\n' "$said"
		status=1
	fi
	say "$name: $(grep -c . <<<"$found" || true) findings"
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
