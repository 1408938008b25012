#!/bin/bash
#
# soak.sh
#		Runs many random histories of dialing on a private server: make soak.
#
# HISTORIES is their number, SEED the first one's seed, CLIENTS how many clients there are. What is known of a history in
# which something was wrong is kept in .build/soak; HISTORIES=1 SEED=… tries it again. The status is not 0 when there was one.
# test/history/histories.py says what a history is.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

histories=${HISTORIES:-100000} seed=${SEED:-$RANDOM} clients=${CLIENTS:-8}
kept=$top/.build/soak

[[ "$histories $seed $clients" =~ ^[1-9][0-9]*\ [0-9]+\ [1-9][0-9]*$ ]] || die "HISTORIES, SEED and CLIENTS must be numbers"
clean_environment
# shellcheck disable=SC2034
more_packages=(python3-psycopg2)
ensure_packages
make_workspace soak
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
as_owner test/harness/server.sh "$major" recall_soak
as_owner psql -qX -d recall_soak -c 'CREATE EXTENSION recall'
say "$histories histories from seed $seed on"

status=0
as_owner /usr/bin/python3 test/history/histories.py --histories "$histories" --seed "$seed" --clients "$clients" \
	--folder "$work/data" --progress "dbname=recall_soak" || status=$?
if [ -n "$(ls "$work/data")" ]; then
	mkdir -p "$kept"
	cp "$work/data"/*.txt "$kept"
	say "kept: $kept"
fi
exit "$status"
