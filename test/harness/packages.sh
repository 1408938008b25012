# shellcheck shell=bash
#
# packages.sh
#		Chooses the server's major and installs the Debian packages that are missing.
#
# Sourced after common.sh. Without anything missing, apt is not called and no rights are needed. The major is
# PG_MAJOR if given, else the newest installed one with which the tests can run, else the newest offered.

OLDEST_MAJOR=15

# What a goal takes besides; its script says so.
more_packages=()

# List the packages that building and testing with a major take.
packages_of()
{
	echo gcc libc6-dev make perl libipc-run-perl libtap-parser-sourcehandler-pgtap-perl \
		"postgresql-$1" "postgresql-server-dev-$1" "postgresql-$1-cron" "postgresql-$1-pgtap" "${more_packages[@]}"
}

# List those that are not installed.
missing_packages()
{
	local package

	for package in $(packages_of "$1"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

# Tell whether apt knows every package of a major.
is_offered()
{
	local package

	for package in $(packages_of "$1"); do
		apt-cache show "$package" >/dev/null 2>&1 || return 1
	done
}

# Pass on the supported majors from lines that name one, the newest first.
supported_majors()
{
	sort -rnu | awk -v oldest="$OLDEST_MAJOR" '$1 >= oldest'
}

installed_majors()
{
	{ find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null || true; } | cut -d/ -f5 | supported_majors
}

offered_majors()
{
	apt-cache pkgnames postgresql- | sed -n 's/^postgresql-\([0-9]*\)-cron$/\1/p' | supported_majors
}

# Print the first major, of those on the input, for which a test holds.
first_major_that()
{
	local major

	while read -r major; do
		if "$@" "$major"; then
			echo "$major"
			return
		fi
	done
}

has_all_packages()
{
	[ -z "$(missing_packages "$1")" ]
}

# Run a command with the rights to install packages.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Give up, naming what somebody else has to install, when there are no such rights.
# shellcheck disable=SC2046
need_root()
{
	as_root true 2>/dev/null ||
		die "neither root nor sudo, and these packages are missing:" $(missing_packages "$1")
}

# Refresh apt's lists; while another apt holds their lock, wait, which apt-get does for dpkg's lock only.
refresh_package_lists()
{
	local attempt output

	for attempt in {1..60}; do
		if output=$(as_root apt-get -q update 2>&1); then
			return
		fi
		[[ $output == *"Could not get lock"* ]] || break
		[ "$attempt" -gt 1 ] || say "waiting for another apt"
		sleep 5
	done
	printf '%s\n' "$output" >&2
	echo "the package lists could not be refreshed; going on with those that are here" >&2
}

# Install packages. Debian would make a cluster with the first server, and starts pgbouncer: nobody asked for either.
install_packages()
{
	local no_cluster=/etc/postgresql-common/createcluster.d/recall-check.conf
	local apt='DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0'

	say "installing $*"
	as_root sh -c "
		mkdir -p ${no_cluster%/*} && echo 'create_main_cluster = false' >$no_cluster || exit
		$apt install --no-install-recommends $* </dev/null
		status=\$?
		rm -f $no_cluster
		case ' $* ' in *' pgbouncer '*) systemctl --quiet disable --now pgbouncer 2>/dev/null ;; esac
		exit \$status" || die "the packages could not be installed: $*"
}

# Set the major, with everything installed that it takes.
ensure_packages()
{
	[[ ${PG_MAJOR:-$OLDEST_MAJOR} =~ ^(1[5-9]|[2-9][0-9])$ ]] ||
		die "PG_MAJOR must be a number from $OLDEST_MAJOR on, not \"$PG_MAJOR\""
	command -v dpkg-query >/dev/null || die "only Debian and its kin are supported; elsewhere use make installcheck"

	major=${PG_MAJOR:-$(installed_majors | first_major_that has_all_packages)}
	if [ -z "$major" ] || ! has_all_packages "$major"; then
		need_root "${major:-$({ installed_majors; offered_majors; echo "$OLDEST_MAJOR"; } | head -n 1)}"
		refresh_package_lists
		major=${PG_MAJOR:-$({ installed_majors; offered_majors; } | first_major_that is_offered)}
		[ -n "$major" ] || die "no PostgreSQL from $OLDEST_MAJOR on is offered together with pg_cron and pgTAP"
		# shellcheck disable=SC2046
		install_packages $(missing_packages "$major")
	fi
	say "PostgreSQL $major"
}
