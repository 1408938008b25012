#!/bin/bash
#
# mutate.sh
#		Changes the C code in small ways and sees whether the tests notice, on a private server: make mutate.
#
# SAMPLE is the number of mutants, SEED chooses them, FILES names the files of src without their ending, SECONDS_LIMIT ends
# the run sooner, and TESTS names the tests to use. test/mutate/mutate.py says what a mutant is. The status is not 0 when fewer
# than nine in ten are killed.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

clean_environment
# shellcheck disable=SC2034
more_packages=(python3 binutils)
ensure_packages
make_workspace mutate
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
# A mutant may ask for all memory there is.
ulimit -v 8000000
as_owner test/harness/server.sh "$major" recall_mutate
as_owner /usr/bin/python3 test/mutate/mutate.py --sample "${SAMPLE:-300}" --seed "${SEED:-1}" --seconds "${SECONDS_LIMIT:-14400}" \
	${FILES:+--files "$FILES"} ${TESTS:+--tests "$TESTS"} ${LINE:+--only "$LINE"}
