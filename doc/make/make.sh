#!/bin/bash
#
# make.sh [FOLDER]
#		Writes reference.md and states.md, made from the catalog of a database that has recall.
#
# The PG* environment says which database; the role must be a superuser there, nothing is changed. FOLDER is where the
# pages go: by default the folder doc.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/..}
export PGCLIENTENCODING=UTF8

for page in reference states; do
	text=$(psql --quiet --no-psqlrc --no-align --tuples-only --set=ON_ERROR_STOP=1 --file="$here/$page.sql")
	printf '%s\n' "$text" >"$folder/$page.md"
done
