# shellcheck shell=bash
#
# common.sh
#		What the harness's scripts share: where the checkout is, how to speak, a clean environment.
#
# Sourced. Connection settings, and what an outer make hands down, would reach the private server and the
# build through the environment; they are dropped here, once.

# shellcheck disable=SC2034
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Say what happens now.
say()
{
	printf '== %s\n' "$*"
}

# Give up, saying why.
die()
{
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Print the beginning of a file that may be long.
print_head()
{
	local file=$1 limit=$2 lines

	lines=$(wc -l <"$file")
	head -n "$limit" "$file"
	[ "$lines" -le "$limit" ] || echo "... $((lines - limit)) more lines in $file"
}

# Forget the caller's connection settings and the outer make's flags.
clean_environment()
{
	local name

	for name in "${!PG@}"; do
		[ "$name" = PG_MAJOR ] || unset "$name"
	done
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
	# PostgreSQL's own test library drops the first; clusters of its tests take their encoding from the second.
	export LC_ALL=C.UTF-8 LANG=C.UTF-8
}
