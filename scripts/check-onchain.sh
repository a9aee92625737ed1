#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/check-onchain.sh
#
# Refuses in what runs on chain what clippy cannot: `as` casts between numbers, which truncate without a word, and
# `expect` and `unwrap` in the pallets' front files. clippy's lints for them also look at what the SCALE derives and
# FRAME's storage macros expand to, so the source text is looked at instead. Tests and benchmarks may do both.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

# refuse PATTERN WHAT FILE...: no line of code of these files or folders may match.
refuse() {
	local pattern=$1 what=$2 found
	shift 2
	found=$(grep -rnE --include='*.rs' "$pattern" "$@" |
		grep -vE '/(tests/|tests\.rs|mock\.rs|benchmarking\.rs)|^[^:]+:[0-9]+:\s*//' || true)
	[[ -n $found ]] || return 0
	printf '%s\nerror: %s\n' "$found" "$what" >&2
	exit 1
}

refuse '\bas +(u|i|f)(8|16|32|64|128|size)\b' "numeric \`as\` casts: use From, TryFrom or the Saturating traits" \
	primitives/src pallets/*/src
refuse '\.(expect|unwrap)\(' "expect and unwrap panic: return an error" pallets/*/src/lib.rs
