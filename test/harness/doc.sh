#!/bin/bash
#
# doc.sh
#		Writes the pages that are made from the catalog anew, with a private server: make doc.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
# shellcheck source=workspace.sh
. "$(dirname "${BASH_SOURCE[0]}")/workspace.sh"

database=recall_doc

clean_environment
ensure_packages
make_workspace doc
trap remove_workspace EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
copy_checkout
as_owner test/harness/server.sh "$major" "$database"
as_owner psql -qX -v ON_ERROR_STOP=1 -d "$database" -c 'CREATE EXTENSION recall'
PATH="$work/bin:$PATH" PGHOST="$work/socket" PGUSER=postgres PGDATABASE="$database" "$top/doc/make/make.sh"
say "doc/reference.md and doc/states.md are written"
