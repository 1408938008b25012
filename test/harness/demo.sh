#!/bin/bash
#
# demo.sh start|psql|stop
#		A private server with recall and a story told on it: make demo, make psql, make stop.
#
# The server stays after the story, in a folder whose name is kept in .build/demo; a new start replaces it.
# DATA=file.csv gives the story a file, which it reads as a copy.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

state=$top/.build/demo
database=recall_demo

# Set the folder of the running demonstration; fail when there is none.
find_demo()
{
	[ -s "$state" ] || return 1
	work=$(<"$state")
	[[ $work == */recall-demo.?????? ]] && [ -d "$work/cluster" ]
}

stop()
{
	if find_demo; then
		remove_workspace
		say "stopped"
	fi
	rm -f "$state"
}

# Make the server, with the extensions in its database, and remember it; leave nothing when that fails.
create()
{
	{ mkdir -p "${state%/*}" && : >"$state"; } 2>/dev/null ||
		die "the folder of the running server cannot be noted in ${state%/*}"
	ensure_packages
	make_workspace demo
	trap remove_workspace EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	copy_checkout
	as_owner test/harness/server.sh "$major" "$database"
	as_owner psql -qX -v ON_ERROR_STOP=1 -d "$database" \
		-c 'CREATE EXTENSION pg_cron' -c 'CREATE EXTENSION recall'
	echo "$work" >"$state"
	trap - EXIT INT TERM
}

tell_story()
{
	local data=

	if [ -n "${DATA:-}" ]; then
		copy_data "$(dirname "$DATA")" "$(basename "$DATA")"
		data=$work/data/$(basename "$DATA")
	fi
	as_owner PGDATABASE="$database" DATA="$data" bash doc/demo/story.sh
}

start()
{
	[ -z "${DATA:-}" ] || [ -f "$DATA" ] || die "DATA: there is no file \"$DATA\""
	stop
	create
	tell_story || {
		say "the story broke off; its server is still there: make psql, make stop"
		exit 1
	}
	say "the server stays: make psql opens it, make stop removes it"
}

open_psql()
{
	find_demo || die "no demonstration is running: make demo starts one"
	as_owner psql -d "$database"
}

clean_environment
case ${1:-} in
	start) start ;;
	psql) open_psql ;;
	stop) stop ;;
	*) die "usage: demo.sh start|psql|stop" ;;
esac
