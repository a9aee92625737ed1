#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/metadata.sh [--check]
#
# Writes the runtime's metadata to client/artifacts/metadata.scale, from which tessera-client gets its types.
# To be run, and its result committed, when a call, an event, an error, a storage item, a runtime API or a
# type in them changes. With --check it changes nothing and fails when the file is not current.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

FILE=client/artifacts/metadata.scale

CHECK=false
case "$#:${1:-}" in
0:) ;;
1:--check) CHECK=true ;;
*) die "unknown arguments: $*" "Usage: scripts/metadata.sh [--check]" ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/tessera-metadata.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

cd "$REPO"
use_wasm_toolchain
# The whole workspace is selected, so that features are those of every other build and nothing is compiled
# twice; of it only this binary is built, because the client may not compile before its metadata is current.
cargo build --quiet --workspace --locked --bin export-metadata
"$BIN/export-metadata" "$work/metadata.scale"

# SCALE metadata begins with these four bytes; anything else is not what was asked for.
[[ $(head -c 4 "$work/metadata.scale") == meta ]] || die "export-metadata wrote no runtime metadata"

if cmp -s -- "$work/metadata.scale" "$FILE"; then
	say "$FILE is current"
elif [[ $CHECK == true ]]; then
	if [[ -e $FILE ]]; then
		die "$FILE is not the metadata of this runtime ($(wc -c <"$FILE") bytes, the runtime's has $(wc -c <"$work/metadata.scale"))" \
			"Run scripts/metadata.sh and commit the file."
	fi
	die "$FILE does not exist" "Run scripts/metadata.sh and commit the file."
else
	mkdir -p "${FILE%/*}"
	cp -- "$work/metadata.scale" "$FILE"
	say "Wrote $FILE ($(wc -c <"$FILE") bytes): commit it"
fi
