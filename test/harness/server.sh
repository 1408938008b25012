#!/bin/bash
#
# server.sh MAJOR DATABASE
#		Makes a private copy of PostgreSQL, installs recall into it and starts it with a database for pg_cron.
#
# Runs in a workspace (see workspace.sh) as its owner, in the copy of the checkout. PostgreSQL finds its
# folders relative to its programs, so that a copy is a server of its own: the system's is never written to.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=instrument.sh
. "$(dirname "${BASH_SOURCE[0]}")/instrument.sh"

major=$1 database=$2
work=$HOME

# Copy the extensions with which the tests run from the system's server.
copy_extensions()
{
	cp -a "/usr/share/postgresql/$major/extension"/{pgtap,pg_cron}* "$work/server/usr/share/postgresql/$major/extension"
	cp -a "/usr/lib/postgresql/$major/lib/pg_cron.so" "$work/server/usr/lib/postgresql/$major/lib"
}

copy_server()
{
	local folder root=

	[ ! -d "$work/checked" ] || root=$work/checked
	for folder in "lib/postgresql/$major" "share/postgresql/$major"; do
		mkdir -p "$work/server/usr/${folder%/*}"
		cp -a "$root/usr/$folder" "$work/server/usr/$folder"
	done
	[ -z "$root" ] || copy_extensions
	ln -s "$root/usr/include" "$work/server/usr/include"
	ln -s "server/usr/lib/postgresql/$major/bin" "$work/bin"
}

# Build everything and install it, with warnings as errors unless instrumented; show the output only when that fails.
build()
{
	local flags

	mapfile -t flags < <(build_flags)
	make -B -j2 "${flags[@]}" install >"$work/build.log" 2>&1 || {
		tail -n 100 "$work/build.log"
		die "recall does not build"
	}
}

# Create the cluster. What it holds is thrown away, so nothing is synced to disk.
create_cluster()
{
	initdb --pgdata="$work/cluster" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
		--no-sync >"$work/cluster.log"
	cat >>"$work/cluster/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		fsync = off
		timezone = 'UTC'
		log_timezone = 'UTC'
		shared_preload_libraries = 'pg_cron'
		cron.database_name = '$database'
		cron.host = '$PGHOST'
	END
	instrument_settings >>"$work/cluster/postgresql.conf"
}

start_server()
{
	pg_ctl start --silent --pgdata="$work/cluster" --log="$work/cluster.log" || {
		tail -n 40 "$work/cluster.log"
		die "the server does not start"
	}
	createdb "$database"
}

copy_server
instrument_server
instrument_environment
say "building"
build
create_cluster
start_server
