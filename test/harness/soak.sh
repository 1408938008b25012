#!/bin/bash
#
# soak.sh
#		Runs many random histories of dialing on a private server, or disturbs dialing many times: make soak.
#
# HISTORIES is the number of histories, KILLS that of disturbances; with KILLS alone there are no histories. SEED is the first
# one's seed, CLIENTS how many clients there are. What is known of something wrong is kept in .build/soak; HISTORIES=1 SEED=… tries a
# history again. The status is not 0 when something was wrong. test/history/histories.py says what a history is, test/soak/kills.py
# what disturbs.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

kills=${KILLS:-0}
[ "$kills" = 0 ] && histories=${HISTORIES:-100000} || histories=${HISTORIES:-0}
seed=${SEED:-$RANDOM}
kept=$top/.build/soak

[[ "$histories $kills $seed ${CLIENTS:-8}" =~ ^[0-9]+\ [0-9]+\ [0-9]+\ [1-9][0-9]*$ ]] || die "HISTORIES, KILLS, SEED and CLIENTS must be numbers"
clean_environment
# shellcheck disable=SC2034
more_packages=(python3-psycopg2)
ensure_packages
# Keep what there is to know of what was wrong.
keep()
{
	[ -n "$(find "$work/data" -maxdepth 1 -type f)" ] || return 0
	mkdir -p "$kept"
	find "$work/data" -maxdepth 1 -type f -exec cp {} "$kept" \;
	say "kept: $kept"
}

# Clean up, however the run ended.
finish()
{
	trap '' INT TERM
	keep
	remove_workspace
}

make_workspace soak
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
as_owner test/harness/server.sh "$major" recall_soak
as_owner psql -qX -d recall_soak -c 'CREATE EXTENSION recall'

status=0
if [ "$histories" -gt 0 ]; then
	say "$histories histories from seed $seed on"
	as_owner /usr/bin/python3 test/history/histories.py --histories "$histories" --seed "$seed" --clients "${CLIENTS:-8}" \
		--folder "$work/data" --progress "dbname=recall_soak" || status=$?
fi
if [ "$kills" -gt 0 ]; then
	say "$kills disturbances from seed $seed on"
	as_owner /usr/bin/python3 -u test/soak/kills.py --kills "$kills" --seed "$seed" --clients "${CLIENTS:-6}" \
		--folder "$work/data" --progress || status=$?
fi
[ "$status" -eq 0 ]
