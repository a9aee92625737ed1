#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/check-lock.sh [LOCK_FILE]
#
# Checks that Cargo.lock holds crates of one polkadot-sdk release only: sp-runtime once, every crate of the
# SDK of the line that scripts/sdk-versions.txt lists. A crate of another line compiles beside them at best,
# and then its types are others, or a host function is defined twice.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

LOCK=${1:-$REPO/Cargo.lock}
[[ -r $LOCK ]] || die "cannot read the lock file $LOCK"

if awk -v lock="$LOCK" '
	# The part of a version that must agree: 49 of 49.0.1, 0.57 of 0.57.2.
	function line(version,   parts) {
		split(version, parts, ".")
		return parts[1] == "0" ? parts[1] "." parts[2] : parts[1]
	}
	function refuse(text) {
		print "error: " text
		refused++
	}
	function check() {
		if (name == "sp-runtime")
			runtimes++
		if (name in listed) {
			known++
			if (line(version) != line(listed[name]))
				refuse(name " " version " is of another polkadot-sdk release: this one has " listed[name] \
					". See what brings it: cargo tree --workspace -i " name "@" version)
		# Ours have no source. These two are named like the SDK and have releases of their own.
		} else if (source != "" && name ~ /^(sc|sp|frame|pallet|substrate|cumulus|polkadot|staging|xcm|snowbridge)-/ &&
			name != "frame-metadata" && name != "frame-decode") {
			refuse(name " " version " is named like a crate of polkadot-sdk and is not in this release. " \
				"See what brings it: cargo tree --workspace -i " name "@" version)
		}
		name = version = source = ""
	}
	FNR == NR {
		if ($0 !~ /^#/ && NF == 2)
			listed[$1] = $2
		next
	}
	/^\[\[package\]\]/ { if (name != "") check() }
	/^(name|version|source) = / {
		value = $3
		gsub(/"/, "", value)
		if ($1 == "name") name = value
		if ($1 == "version" && name != "") version = value
		if ($1 == "source") source = value
	}
	END {
		if (name != "") check()
		if (runtimes != 1)
			refuse("sp-runtime appears " runtimes + 0 " times in " lock ", it must appear once")
		if (refused)
			exit 1
		print known " crates of polkadot-sdk, all of one release; sp-runtime appears once"
	}
' "$REPO/scripts/sdk-versions.txt" "$LOCK"; then
	exit 0
fi
die "the lock file $LOCK mixes polkadot-sdk releases" \
	"Take versions from scripts/sdk-versions.txt: cargo add prefers higher numbers of an older release."
