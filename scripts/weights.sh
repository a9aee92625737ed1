#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/weights.sh [PALLET...]
#
# Measures what calls cost with this runtime, on this machine, and writes runtime/src/weights/<pallet>.rs. Without
# arguments every pallet that the runtime benchmarks. Never run in CI: a weight is a figure of one machine, reviewed and
# committed.
#
# The tool (frame-omni-bencher) and a runtime with benchmarks are built into folders of their own, because a runtime with
# another feature set would replace the one that the node carries. The first run takes an hour on two cores.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

BENCHER_VERSION=0.28.0
TOOLS=${TESSERA_TOOLS:-${HOME:?}/.cache/tessera-tools}
OUT=runtime/src/weights

cd "$REPO"
scripts/setup.sh --no-tests
use_wasm_toolchain

if ! "$TOOLS/bin/frame-omni-bencher" --version 2>/dev/null | grep -qF "$BENCHER_VERSION"; then
	say "Installing frame-omni-bencher $BENCHER_VERSION into $TOOLS (once)"
	CARGO_TARGET_DIR=$TOOLS/target cargo install frame-omni-bencher --version "$BENCHER_VERSION" --locked --root "$TOOLS"
fi

say "Building the runtime with benchmarks"
export CARGO_TARGET_DIR=$TOOLS/runtime-target
cargo build --locked --package tessera-runtime --features runtime-benchmarks
wasm=$CARGO_TARGET_DIR/debug/wbuild/tessera-runtime/tessera_runtime.wasm
[[ -s $wasm ]] || die "the build left no runtime at $wasm"

bench() {
	"$TOOLS/bin/frame-omni-bencher" v1 benchmark pallet --runtime "$wasm" --genesis-builder runtime "$@"
}

pallets=("$@")
if ((${#pallets[@]} == 0)); then
	mapfile -t pallets < <(bench --list=pallets --no-csv-header | grep -vx frame_benchmarking)
	((${#pallets[@]} > 0)) || die "the runtime lists no benchmarks"
fi

for pallet in "${pallets[@]}"; do
	say "Measuring $pallet"
	bench --pallet "$pallet" --extrinsic '*' --steps "${STEPS:-50}" --repeat "${REPEAT:-20}" \
		--min-duration "${MIN_DURATION:-1}" --heap-pages 4096 \
		--header scripts/weights-header.txt --output "$OUT/$pallet.rs"
done
cargo fmt --package tessera-runtime
say "Wrote ${#pallets[@]} files to $OUT: read the difference, then commit it"
