#!/bin/bash
#
# mutate.sh
#		Changes the C code in small ways and sees whether the tests notice, on private servers: make mutate.
#
# SAMPLE is the number of mutants, SEED chooses them, JOBS is how many are tried at a time, FILES names the files of src without
# their ending, SECONDS_LIMIT ends the run sooner, PATIENCE is how many seconds the tests of
# one mutant may take, TESTS names the tests to use, and LINE="file:number …" tries the mutants of lines.
# test/mutate/mutate.py says what a mutant is. The status is not 0 when fewer than nine in ten are killed.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

# Make the databases of which each test gets a copy, and stop the server, of which each job gets one.
make_template()
{
	local database

	for database in recall pgtap; do
		as_owner createdb "template_$database"
		as_owner psql -qX -d "template_$database" -c 'CREATE EXTENSION recall'
	done
	as_owner psql -qX -d template_pgtap -c 'CREATE EXTENSION pgtap'
	as_owner pg_ctl stop --silent --mode=fast --pgdata="$work/cluster"
}

clean_environment
# shellcheck disable=SC2034
more_packages=(python3)
ensure_packages
make_workspace mutate
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
# A mutant may ask for all memory there is.
ulimit -v 8000000
as_owner test/harness/server.sh "$major" mutate_pgtap
make_template
as_owner mkdir "$work/mutants"
as_owner /usr/bin/python3 test/mutate/mutate.py --cluster "$work/cluster" --folder "$work/mutants" --sample "${SAMPLE:-250}" --seed "${SEED:-1}" \
	--jobs "${JOBS:-2}" --seconds "${SECONDS_LIMIT:-14400}" --patience "${PATIENCE:-60}" \
	${FILES:+--files "$FILES"} ${TESTS:+--tests "$TESTS"} ${LINE:+--only "$LINE"}
