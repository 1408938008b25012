#!/bin/bash
#
# run.sh BUILD TARGET [OPTION...]
#		Runs a fuzz target that was built in the folder BUILD, from its seeds, with options for libFuzzer.
#
# A finding gives a status other than 0, and its input is left in the folder as TARGET.crash-…, .leak-… or the like. The
# words of a language, if there is one, are in LANGUAGE.dict, for the targets LANGUAGE_….
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1 target=$2
shift 2

seeds=$build/$target.seeds
rm -rf "$seeds"
mkdir "$seeds"
"$here/seeds.sh" "$target" "$seeds"

options=("-artifact_prefix=$build/$target." -timeout=20)

# Those that are too long to be mutated at a useful speed are run once; libFuzzer does not leave such a one when it fails.
longest=4096
find "$seeds" -type f -size +"${longest}c" | sort | while read -r seed; do
	"$build/$target" "${options[@]}" "$seed" 2>&1 || {
		cp "$seed" "$build/$target.crash-seed-${seed##*/}"
		exit 1
	}
done

options+=("-max_len=$longest")
dictionary=$here/${target%_*}.dict
[ ! -e "$dictionary" ] || options+=("-dict=$dictionary")
# Given as files rather than as a folder, the others do not have what is found on the way added.
find "$seeds" -type f -size -"$((longest + 1))c" | sort | paste -sd, >"$seeds.list"
[ ! -s "$seeds.list" ] || options+=("-seed_inputs=@$seeds.list")
exec "$build/$target" "${options[@]}" "$@" 2>&1
