#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/bench.sh
#
# Measures the figures of docs/benchmarks.md on this machine, and writes that file. Built in the dev profile, like the tests:
# dependencies and the worker are optimised in it, our own other crates little.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

OUT=docs/benchmarks.md

cd "$REPO"
scripts/setup.sh --no-tests
use_wasm_toolchain
say "Building"
cargo build --workspace --all-targets --locked

own_processes
say "Measuring"
attended "$BIN/tessera-figures" >"$OWN_FOLDER/figures"
"$BIN/declared-weights" >"$OWN_FOLDER/weights"
adapter=$(vulkaninfo --summary 2>/dev/null | sed -nE "s/^\s*deviceName\s*= (.*)/\1/p" | head -n 1)

{
	cat <<-EOF
		# Figures

		Made by \`scripts/bench.sh\`; what exactly is measured stands in
		[tessera-figures.rs](../tests/e2e/src/bin/tessera-figures.rs) and
		[declared-weights.rs](../runtime/src/bin/declared-weights.rs).

		Machine: $(nproc) cores of $(sed -nE 's/^model name\s*: (.*)/\1/p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB of memory;
		GPU: ${adapter:-none}; $(date -u +%F), $(rustc --version).

		## A local network

	EOF
	cat "$OWN_FOLDER/figures"
	cat <<-EOF

		For comparison: Golem's transfers are reported at 20 MB/s.

		## What the market's calls weigh

		Declared weights, with signature checks and extensions. The normal class of a block takes 750 ms.

	EOF
	cat "$OWN_FOLDER/weights"
} >"$OWN_FOLDER/benchmarks.md"
cp -- "$OWN_FOLDER/benchmarks.md" "$OUT"
say "Wrote $OUT: read the difference, then commit it"
