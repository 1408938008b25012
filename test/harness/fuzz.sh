#!/bin/bash
#
# fuzz.sh
#		Fuzzes what reads texts and bytes, one target of test/fuzz after the other: make fuzz.
#
# RUNS is the number of inputs for each target, TARGETS names those to run, SEED makes a run that can be repeated. The
# status is not 0 when there is a finding, or a target does not run. The input that shows a finding is kept in .build/fuzz;
# INPUT, the name of such a file, has its target try that one only. No server is started.
#
# A timeout of which that finds nothing was no endless loop: libFuzzer looks at the clock of the wall, which goes on while
# the process, or the machine, is stopped.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

runs=${RUNS:-10000000}
kept=$top/.build/fuzz

# Build the targets.
build()
{
	as_owner make -s -j2 -C test/fuzz BUILD="$work/fuzz" PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" \
		>"$work/build.log" 2>&1 || {
		tail -n 100 "$work/build.log"
		die "the fuzz targets do not build"
	}
}

# Run a target and show what it says at the end if it fails, with its options.
run()
{
	local target=$1 log=$work/$1.log

	as_owner test/fuzz/run.sh "$work/fuzz" "$@" >"$log" 2>&1 </dev/null || {
		tail -n 60 "$log"
		return 1
	}
}

# Keep the inputs that showed a finding of a target, and say how to try them again.
keep_inputs()
{
	local input

	for input in "$work/fuzz/$1".{crash,leak,oom,timeout}-*; do
		if [ -e "$input" ]; then
			mkdir -p "$kept"
			cp "$input" "$kept"
			say "kept; to try it again: make fuzz INPUT=.build/fuzz/${input##*/}"
		fi
	done
}

# Fuzz a target, and say with which seed.
fuzz()
{
	local target=$1 status=0

	say "$target: fuzzing"
	run "$target" -runs="$runs" ${SEED:+-seed="$SEED"} || status=1
	sed -n "s/^INFO: Seed: /$target: seed /p" "$work/$target.log" | tail -n 1
	if [ "$status" -eq 0 ]; then
		sed -n "s/^Done \(.*\)/$target: \1, no finding/p" "$work/$target.log"
	else
		echo "$target: FINDING, or it does not run"
		keep_inputs "$target"
	fi
	return "$status"
}

# Try one input.
try()
{
	local name=${INPUT##*/}

	copy_data "$(dirname "$INPUT")" "$name"
	run "${name%%.*}" "$work/data/$name" || return
	echo "$INPUT: no finding"
}

[[ $runs =~ ^[1-9][0-9]*$ ]] || die "RUNS must be a number, not \"$runs\""
[ -z "${INPUT:-}" ] || [ -f "$INPUT" ] || die "INPUT: there is no file \"$INPUT\""
clean_environment
# shellcheck disable=SC2034
more_packages=(clang libclang-rt-dev)
ensure_packages
make_workspace fuzz
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
say "building"
build

status=0
if [ -n "${INPUT:-}" ]; then
	try || status=1
else
	for target in ${TARGETS:-$(make -s -C "$top/test/fuzz" targets)}; do
		fuzz "$target" || status=1
	done
fi
exit "$status"
