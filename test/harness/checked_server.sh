#!/bin/bash
#
# checked_server.sh
#		Builds PostgreSQL with assertions, and told to tell valgrind of its memory and to ask discard_caches.h when it is to
#		forget, into .build/checked-MAJOR.
#
# The source is Debian's package of the major that the tests run with, read by lists of our own, so that the machine's are
# left as they are. VERSION chooses one, when the archive does not hold the installed one any more. make checked and
# make valgrind use what was built.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

clean_environment
# shellcheck disable=SC2034
more_packages=(bzip2 libicu-dev libssl-dev libxml2-dev libz-dev pkg-config valgrind)
ensure_packages
target=$top/.build/checked-$major
work=$(mktemp -d "${TMPDIR:-/tmp}/recall-checked.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Ask apt with the sources of the machine's own archives.
apt_source()
{
	local command=$1

	shift
	"$command" -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$work/lists" -o APT::Sandbox::User="$(id -un)" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= "$@"
}

# Download a version of the source; false when the archive does not hold it.
download()
{
	(cd "$work" && apt_source apt-get --download-only source "postgresql-$major=$1") >"$work/download.log" 2>&1
}

versions()
{
	printf '%s\n' "${VERSION:-$(dpkg-query -W -f '${source:Version}' "postgresql-$major")}"
	apt_source apt-cache showsrc "postgresql-$major" | sed -n 's/^Version: //p'
}

# Have the server ask when to forget what it has cached; that is the one line of it that is changed.
ask_before_forgetting()
{
	local file=src/backend/utils/cache/inval.c

	cp "$top/test/harness/discard_caches.h" "${file%/*}"
	sed -i -e 's/^#include "postgres.h"$/&\n#include "discard_caches.h"/' -e 's/recursion_depth < debug_discard_caches\b/& \&\& discards_now()/' "$file"
	grep -q 'discards_now()' "$file"
}

# Whoever calls this asks for its status, so that no failure ends it by itself.
build()
{
	local part

	cd "$work/postgresql" &&
		ask_before_forgetting &&
		./configure --quiet --prefix=/usr --bindir="/usr/lib/postgresql/$major/bin" --libdir="/usr/lib/postgresql/$major/lib" \
			--datadir="/usr/share/postgresql/$major" --includedir=/usr/include/postgresql --disable-rpath --without-readline --with-icu --with-openssl --with-libxml \
			--with-system-tzdata=/usr/share/zoneinfo --enable-cassert --enable-debug --enable-tap-tests \
			CFLAGS='-O1 -g -fno-omit-frame-pointer' CPPFLAGS=-DUSE_VALGRIND &&
		make -s -j"$(nproc)" &&
		make -s -j"$(nproc)" -C contrib || return
	for part in . contrib src/test/isolation; do
		make -s -C "$part" install DESTDIR="$work/installed" || return
	done
	cp src/tools/valgrind.supp "$work/installed"
}

mkdir -p "$work/lists/partial" "${target%/*}"
apt-get indextargets --format "deb-src \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 'Origin: Debian' | sort -u >"$work/sources.list"
apt_source apt-get update >"$work/update.log" 2>&1 || die "the lists of sources could not be read: $(tail -n 3 "$work/update.log")"
version=$(versions | while read -r version; do
	if download "$version"; then
		echo "$version"
		break
	fi
done)
[ -n "$version" ] || die "the archive has no source of PostgreSQL $major: $(tail -n 3 "$work/download.log")"
say "building PostgreSQL $version, checked"
mkdir "$work/postgresql"
tar -C "$work/postgresql" --strip-components=1 -xjf "$work"/*.orig.tar.bz2
(build) >"$work/build.log" 2>&1 || {
	tail -n 40 "$work/build.log"
	die "it does not build"
}
rm -rf "$target"
mv "$work/installed" "$target"
say "built: $target"
