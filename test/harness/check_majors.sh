#!/bin/bash
#
# check_majors.sh
#		Runs make check with each of several majors of PostgreSQL: make check-majors.
#
# A major is tested in a chroot of the Debian suite that it comes with, together with the older ones, for pg_upgrade. They
# are made from the archive that this machine's apt uses, stay in .build/majors, so that the next run is quick, and are made
# anew when REFRESH=1. MAJORS chooses; what narrows make check, narrows here. Without MAJORS, one whose chroot cannot be made
# is left out, which is said; the status is not 0 when a test failed, or one that was asked for cannot be had.
#
# It takes root, for chroot and mount. Mounts and processes are in namespaces of their own, and gone when the run is.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

KNOWN_MAJORS='15 17 18'
chroots=$top/.build/majors
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Print the suite with which a major comes.
suite_of()
{
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) die "MAJORS: no suite is known to have PostgreSQL $1, only $KNOWN_MAJORS" ;;
	esac
}

older_majors()
{
	local major

	for major in $KNOWN_MAJORS; do
		[ "$major" -ge "$1" ] || echo "$major"
	done
}

# Print where this machine's apt gets Debian from.
archive()
{
	apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1
}

# Give up, naming all that is missing.
check_needs()
{
	local missing=()

	[ "$(id -u)" -eq 0 ] || missing+=('to be root')
	command -v unshare >/dev/null || missing+=('unshare, of util-linux')
	command -v apt-get >/dev/null || missing+=('apt')
	[ -n "$(archive)" ] || missing+=('an archive of Debian among the sources of apt')
	[ -e "$keyring" ] || missing+=('the package debian-archive-keyring')
	[ "${#missing[@]}" -eq 0 ] || die "check-majors needs$(printf ' %s;' "${missing[@]}")"
	command -v mmdebstrap >/dev/null || {
		refresh_package_lists
		install_packages mmdebstrap
	}
}

# Print a line of sources.list for each suite.
sources()
{
	printf "deb [signed-by=$keyring] $(archive) %s main\n" "$@"
}

# Run a command in a chroot, with nothing of the environment but what is named. It is made the root of a mount namespace, since the
# kernel gives no user namespaces, with which tests fill a disk, to who was put into another root. The shell stays, as the first
# process of its namespace, to bury servers whose starters have ended.
in_chroot()
{
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child bash -ec '
		mount --bind "$0" "$0"
		mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		mount -t tmpfs tmpfs "$0/run"
		mkdir "$0/run/lock"
		cd "$0"
		pivot_root . .
		umount -l .
		cd /
		/usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"' "$@"
}

# Install an older major, of which pg_upgrade starts. Its headers are only unpacked: they would bring an older compiler along.
# shellcheck disable=SC2016
add_older_major()
{
	in_chroot "$1" sh -ec '
		apt-get -q update
		apt-get -q -y install --no-install-recommends "postgresql-$1"
		cd /var/cache/apt
		apt-get -q download "postgresql-server-dev-$1"
		dpkg-deb -x "postgresql-server-dev-$1"_*.deb /
		rm "postgresql-server-dev-$1"_*.deb' sh "$2"
}

# Make the chroot of a major. A half of one is no chroot: it gets its name when it is complete.
make_chroot()
{
	local major=$1 made=$chroots/$1.new older suite suites=()

	suite=$(suite_of "$major")
	for older in $(older_majors "$major"); do
		suites+=("$(suite_of "$older")")
	done
	rm -rf "$made" "${chroots:?}/$major"
	mkdir -p "$made.parts"
	sources "$suite" "${suites[@]}" >"$made.parts/sources.list"
	# Older suites are for what is asked for from there only.
	[ "${#suites[@]}" -eq 0 ] || printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n\n' "${suites[@]}" >"$made.parts/preferences"
	echo 'create_main_cluster = false' >"$made.parts/cluster.conf"
	# shellcheck disable=SC2016
	mmdebstrap --mode=root --variant=apt --keyring="$keyring" --include=ca-certificates,make,mount \
		--aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Apt::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
		--setup-hook='mkdir -p "$1/usr/share/keyrings" "$1/etc/apt/preferences.d" "$1/etc/postgresql-common/createcluster.d"' \
		--setup-hook="cp $keyring \"\$1/usr/share/keyrings/\"" \
		--setup-hook="cp '$made.parts/cluster.conf' \"\$1/etc/postgresql-common/createcluster.d/check.conf\"" \
		--setup-hook="[ ! -e '$made.parts/preferences' ] || cp '$made.parts/preferences' \"\$1/etc/apt/preferences.d/older\"" \
		--skip=cleanup/reproducible "$suite" "$made" "$made.parts/sources.list" &&
		for older in $(older_majors "$major"); do
			add_older_major "$made" "$older" || return
		done &&
		mv "$made" "$chroots/$major" && rm -r "$made.parts"
}

# See that there is a chroot of a major; say what went wrong when there is none.
provide_chroot()
{
	local major=$1

	[ "${REFRESH:-}" = 1 ] || [ ! -d "$chroots/$major" ] || return 0
	say "PostgreSQL $major: making a chroot of $(suite_of "$major")"
	make_chroot "$major" >"$chroots/$major.log" 2>&1 || {
		tail -n 15 "$chroots/$major.log"
		say "PostgreSQL $major: no chroot can be made; see $chroots/$major.log"
		return 1
	}
}

# Put the checkout and the test data where they are looked for, and let apt find its archive.
copy_checkout()
{
	local home=$chroots/$1/root data=${RECALL_DATA:-$top/../shared/data}

	rm -rf "$home/checkout" "$home/data"
	mkdir "$home/checkout"
	tar -C "$top" -c --mode=u+rwX --exclude=./.git --exclude=./.build --exclude=./tmp_check --exclude=./results \
		--exclude='*.o' --exclude='*.bc' --exclude='*.so' . | tar -x -C "$home/checkout"
	[ ! -d "$data" ] || cp -r "$data" "$home/data"
	cp /etc/resolv.conf "$chroots/$1/etc"
}

# Run the tests with a major, and print what they print.
check()
{
	local name environment=()

	for name in ONLY TESTS PROVE_TESTS KEEP SEED; do
		[ -z "${!name:-}" ] || environment+=("$name=${!name}")
	done
	in_chroot "$chroots/$1" "${environment[@]}" PG_MAJOR="$1" RECALL_DATA=/root/data make --no-print-directory -C /root/checkout check </dev/null
}

asked=${MAJORS:-}
for major in ${MAJORS:=$KNOWN_MAJORS}; do
	suite_of "$major" >/dev/null
done
clean_environment
check_needs
mkdir -p "$chroots"
status=0
summary=()
for major in $MAJORS; do
	if ! provide_chroot "$major"; then
		summary+=("PostgreSQL $major: not tested, it cannot be had here")
		[ -z "$asked" ] || status=1
		continue
	fi
	say "PostgreSQL $major, in a chroot of $(suite_of "$major")"
	copy_checkout "$major"
	check "$major" 2>&1 | tee "$chroots/$major.log" || status=1
	summary+=("PostgreSQL $(in_chroot "$chroots/$major" "/usr/lib/postgresql/$major/bin/postgres" --version | cut -d' ' -f3): $(grep -E '^[0-9]+ passed, ' "$chroots/$major.log" | tail -n 1)")
done
printf '%s\n' "${summary[@]}"
exit "$status"
