#!/bin/bash
#
# canary.sh
#		A long hostile session on a private server: make canary.
#
# CALLS is the number of calls and queries of our own, SMITH that of sqlsmith's statements, for each of ROLES; SEED makes a run
# that can be repeated. The status is not 0 when there is a finding. test/canary/canary.py says what is tried, and what a finding is.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

calls=${CALLS:-50000} smith=${SMITH:-50000} seed=${SEED:-$RANDOM} roles=${ROLES:-acme_all owner}

[[ "$calls $smith $seed" =~ ^[0-9]+\ [0-9]+\ [0-9]+$ ]] || die "CALLS, SMITH and SEED must be numbers"
[[ "$roles" =~ ^[a-z_]+(\ [a-z_]+)*$ ]] || die "ROLES must be names of roles"
clean_environment
# shellcheck disable=SC2034
more_packages=(python3-psycopg2 sqlsmith)
ensure_packages
make_workspace canary
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
as_owner test/harness/server.sh "$major" recall_canary
count=$(wc -w <<<"$roles")
say "$calls calls and $smith statements of sqlsmith as each of: $roles; seed $seed"

status=0
as_owner /usr/bin/python3 test/canary/canary.py --roles "${roles// /,}" --calls "$((calls * count))" --smith "$((smith * count))" --seed "$seed" \
	"dbname=recall_canary" || status=$?
if grep -E 'PANIC|was terminated by signal|TRAP:' "$work/cluster.log"; then
	status=1
fi
exit "$status"
