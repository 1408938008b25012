# shellcheck shell=bash
#
# workspace.sh
#		A temporary folder for everything: a copy of the checkout, a private server, its clusters.
#
# Sourced after common.sh. The checkout is only read, here, so that nothing of root's ever mixes with
# what the server's user builds. The folder belongs to that user: postgres for root, whom the server refuses, and
# oneself for everybody else. What happens inside the folder happens as its owner.
#
#	tree	the copy of the checkout		server	the copy of PostgreSQL, bin a link to its programs
#	data	test data, if there is any		socket	the server's socket
#	cluster, cluster.log					tmp		TMPDIR

# Make the folder, for a purpose.
make_workspace()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/recall-$1.XXXXXX")
	mkdir "$work/tree" "$work/data" "$work/socket" "$work/tmp"
	[ "$(id -u)" -ne 0 ] || chown -R postgres:postgres "$work"
}

# Run a command in the copy of the checkout, as the folder's owner, with the private server.
as_owner()
(
	local prefix=()

	if [ "$(id -u)" -eq 0 ]; then
		prefix=(setpriv --reuid="$(stat -c %u "$work")" --regid="$(stat -c %g "$work")" --clear-groups)
	fi
	cd "$work/tree" || exit
	exec "${prefix[@]}" env HOME="$work" TMPDIR="$work/tmp" PATH="$work/bin:$PATH" \
		PGHOST="$work/socket" PGUSER=postgres "$@"
)

# Copy the checkout, without what was built in it.
# shellcheck disable=SC2154
copy_checkout()
{
	local status=0

	tar -C "$top" -c --mode=u+rwX --exclude=./.git --exclude=./.build --exclude=./tmp_check --exclude=./results \
		--exclude='*.o' --exclude='*.bc' --exclude='*.so' . | as_owner tar -x || status=$?
	# One means that a file changed while it was read: somebody is working.
	[ "$status" -le 1 ] || return "$status"
}

# Copy a file or a folder's files to where the server can read them.
copy_data()
{
	local folder=$1

	shift
	tar -C "$folder" -c --mode=u+rwX -- "$@" | as_owner tar -x -C "$work/data"
}

# Stop every server whose cluster is in the folder, those that a killed test left behind too.
stop_servers()
{
	local lock cluster

	find "$work" -name postmaster.pid | while read -r lock; do
		cluster=${lock%/*}
		# A server works in its cluster's folder; after a crash the number may be another process's.
		if [ "/proc/$(head -n 1 "$lock")/cwd" -ef "$cluster" ]; then
			as_owner pg_ctl stop --silent --mode=immediate --pgdata="$cluster" || true
		fi
	done
}

remove_workspace()
{
	stop_servers
	rm -rf "$work"
}
