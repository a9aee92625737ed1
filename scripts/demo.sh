#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what is missing, builds, starts a local network with two workers, buys real GPU work on it and shows who was
# paid what. Leaves nothing running, also after Ctrl-C. See --help.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
	cat <<-EOF
		Usage: scripts/demo.sh [--quick] [--picture FILE.png]

		  --quick     the digits only, without the Mandelbrot picture
		  --picture   where to write the picture (default: mandelbrot.png in the current directory)
		  --help      show this
	EOF
}

# Who takes part. The development chain endows these well-known accounts; none of their keys is a secret.
TENANT=//Dave
PROVIDERS=(Bob Charlie)
# Everybody whose balance the demo can change: the validator's account and the treasury share the fees.
ACCOUNTS=(//Dave //Bob //Charlie //Alice 5EYCAe5ijiYfyeZ2JJCGq56LmPyNRAKzpG4QkoQkkQNB5e6Z)
NAMES=("tenant" "provider Bob" "provider Charlie" "validator" "treasury")

QUICK=false
PICTURE=$PWD/mandelbrot.png
ARGUMENTS=("$@")
while (($# > 0)); do
	case $1 in
	--quick) QUICK=true ;;
	--picture)
		PICTURE=$(realpath -m -- "${2:?--picture needs a file name}")
		shift
		;;
	--help | -h)
		usage
		exit 0
		;;
	*) die "unknown argument: $1" "scripts/demo.sh --help lists them." ;;
	esac
	shift
done
leave_sudo "$REPO/scripts/demo.sh" "${ARGUMENTS[@]}"

tessera() {
	"$BIN/tessera" --url "$URL" --account "$TENANT" --data-dir "$OWN_FOLDER/tenant" "$@"
}

# totals: what each of ACCOUNTS has in all, in planck, as an array. Final blocks count: nobody pays a fee meanwhile.
totals() {
	local account
	TOTALS=()
	for account in "${ACCOUNTS[@]}"; do
		TOTALS+=("$(tessera --json account balance "$account" | jq -er .total)")
	done
}

# tess PLANCK: the amount as a person reads it. bash counts in 64 bits, balances here stay far below.
tess() {
	local sign='' planck=$1
	if ((planck < 0)); then
		sign=-
		planck=$((-planck))
	fi
	printf '%s%d.%012d' "$sign" $((planck / 10 ** 12)) $((planck % 10 ** 12))
}

# show_books: what everybody had before, has after, and the difference; fails when the sums differ.
show_books() {
	local index before=0 after=0
	printf '\n  %-18s %24s %24s %22s\n' account 'before, TESS' 'after, TESS' 'difference'
	for index in "${!NAMES[@]}"; do
		printf '  %-18s %24s %24s %22s\n' "${NAMES[index]}" "$(tess "${BEFORE[index]}")" "$(tess "${AFTER[index]}")" \
			"$(tess $((AFTER[index] - BEFORE[index])))"
		before=$((before + BEFORE[index]))
		after=$((after + AFTER[index]))
	done
	printf '  %-18s %24s %24s %22s\n\n' sum "$(tess $before)" "$(tess $after)" "$(tess $((after - before)))"
	((before == after)) || die "the balances do not add up"
	say "Nothing was lost and nothing was made: the sums are equal to the last unit"
}

start_worker() {
	local name=$1 folder=$OWN_FOLDER/worker-$1
	local -a common=(--url "$URL" --data-dir "$folder" --region DE --listen 127.0.0.1:0)
	"$BIN/tessera-worker" register "${common[@]}" --owner "//$name" --bond "100 TESS"
	start "worker-$name" "$BIN/tessera-worker" run "${common[@]}"
}

# online COUNT: whether so many providers are online.
online() {
	local count
	count=$(tessera --json provider list | jq '[.providers[] | select(.availability == "online")] | length')
	[[ $count == "$1" ]]
}

say "Installing what is missing"
cd "$REPO"
scripts/setup.sh --no-tests
own_processes
say "Building (the first time this takes a while)"
use_wasm_toolchain
attended cargo build --workspace --locked

say "Starting a development chain with one validator"
PORT=$(free_port)
URL=ws://127.0.0.1:$PORT
start node "$BIN/tessera-node" --dev --base-path "$OWN_FOLDER/node" --no-telemetry --no-mdns --no-prometheus \
	--rpc-port "$PORT" --listen-addr /ip4/127.0.0.1/tcp/0
wait_for_port node "$STARTED" "$PORT" 60
totals
BEFORE=("${TOTALS[@]}")

say "Starting two workers, each with an account, a bond and a data folder of its own"
for name in "${PROVIDERS[@]}"; do
	start_worker "$name"
done
wait_until 60 online 2 || {
	for name in "${PROVIDERS[@]}"; do show_log "worker-$name"; done
	die "the workers did not come online within a minute"
}
tessera provider list

say "Buying the classification of 600 handwritten digits that the network has never seen"
export TESSERA_LISTEN=127.0.0.1:0
attended "$BIN/tessera" --url "$URL" --account "$TENANT" --data-dir "$OWN_FOLDER/tenant" \
	job submit examples/digits/job.toml --fetch "$OWN_FOLDER/digits"
"$BIN/tessera-digits" report --outputs "$OWN_FOLDER/digits"

if [[ $QUICK == false ]]; then
	say "Buying a picture of the Mandelbrot set"
	attended "$BIN/tessera" --url "$URL" --account "$TENANT" --data-dir "$OWN_FOLDER/tenant" \
		job submit examples/mandelbrot/job.toml --fetch "$OWN_FOLDER/mandelbrot"
	"$BIN/tessera-mandelbrot" render --outputs "$OWN_FOLDER/mandelbrot" --png "$PICTURE"
	say "The picture is $PICTURE"
fi

say "Who has what now"
totals
AFTER=("${TOTALS[@]}")
show_books
say "Ending the network: nothing keeps running"
