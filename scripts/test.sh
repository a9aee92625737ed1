#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs every check and every test. CI calls this and nothing else. See --help.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# In this order: what finds mistakes soonest comes first, the tests come last. Everything that compiles does
# so for the whole workspace, in one profile and with one environment: another selection unifies features
# differently, another environment runs build scripts again, and either compiles crates twice. Two parts differ,
# and neither disturbs the rest:
#   lint        cargo keeps clippy's build scripts apart from the build's, so leaving the wasm runtime out with
#               SKIP_WASM_BUILD costs the build nothing;
#   benchmarks  needs a feature that the other crates must not have, and so compiles the pallets' dependencies
#               again, beside the others.
PARTS=(setup format lock scripts lint build metadata benchmarks doc test)

usage() {
	cat <<-EOF
		Usage: scripts/test.sh [--quick] [PART...]

		Installs what is missing, builds everything and runs every check and test. Prints what each part took
		and how it ended, and fails when one part fails. With names of parts it runs these parts only, and the
		parts that they cannot do without.

		  setup       scripts/setup.sh
		  format      cargo fmt
		  lock        Cargo.lock holds crates of one polkadot-sdk release only
		  scripts     shellcheck, and the tests of these scripts
		  lint        clippy; every warning is an error
		  build       the workspace with all its targets, and the wasm runtime
		  metadata    client/artifacts/metadata.scale is the runtime's
		  benchmarks  the pallets' tests and benchmarks with the feature runtime-benchmarks
		  doc         the examples in doc comments
		  test        unit, integration and end-to-end tests

		  --quick     leave out benchmarks, and the end-to-end tests of test
		  --help      show this
	EOF
}

QUICK=false
WANTED=()

# ---- The parts ----

do_setup() {
	scripts/setup.sh
}

do_format() {
	cargo fmt --all --check
}

do_lock() {
	scripts/check-lock.sh
}

do_scripts() {
	shellcheck --external-sources scripts/*.sh .ci/run
	scripts/test-scripts.sh
}

do_lint() {
	scripts/check-onchain.sh
	SKIP_WASM_BUILD=1 cargo clippy --workspace --all-targets --locked -- -D warnings
}

do_build() {
	use_wasm_toolchain
	cargo build --workspace --all-targets --locked
}

do_metadata() {
	scripts/metadata.sh --check
}

do_benchmarks() {
	cargo nextest run "${PROFILE[@]}" --locked -p pallet-jobs -p pallet-providers --features runtime-benchmarks
}

do_doc() {
	# rustdoc takes long to find out that there is nothing to run.
	local status=0
	grep -rqE --include='*.rs' '^\s*//[/!]\s*```' . || status=$?
	if ((status == 1)); then
		say "No doc comment holds an example"
		return 0
	fi
	((status == 0)) || die "could not look for examples in doc comments"
	use_wasm_toolchain
	cargo test --workspace --locked --doc
}

do_test() {
	local selection=()
	if [[ $QUICK == true ]]; then
		selection=(--filterset 'not package(tessera-e2e)')
	fi
	use_wasm_toolchain
	cargo nextest run "${PROFILE[@]}" --workspace --locked "${selection[@]}"
}

# ---- Running them ----

# wanted PART: whether this part is to run.
wanted() {
	[[ " ${WANTED[*]} " == *" $1 "* ]]
}

finish() {
	local status=$?
	trap - EXIT
	echo
	say "Parts"
	show_parts
	if ((status == 0)) && parts_passed && ((${#PART_NAMES[@]} == ${#WANTED[@]})); then
		say "All parts passed in $(minutes "$SECONDS")"
		exit 0
	fi
	if ((${#PART_NAMES[@]} < ${#WANTED[@]})); then
		complain "ended before all parts were run"
	fi
	complain "not everything passed ($(minutes "$SECONDS"))"
	((status != 0)) || status=1
	exit "$status"
}

main() {
	local argument name blocked=
	for argument in "$@"; do
		case $argument in
		--quick) QUICK=true ;;
		--help | -h)
			usage
			return 0
			;;
		*)
			[[ " ${PARTS[*]} " == *" $argument "* ]] ||
				die "there is no part named $argument" "scripts/test.sh --help lists the parts."
			WANTED+=("$argument")
			;;
		esac
	done
	leave_sudo "$REPO/scripts/test.sh" "$@"
	cd "$REPO"

	if ((${#WANTED[@]} == 0)); then
		WANTED=("${PARTS[@]}")
		[[ $QUICK == false ]] || mapfile -t WANTED < <(printf '%s\n' "${PARTS[@]}" | grep -vx benchmarks)
	else
		# What the parts need is installed first; tests run binaries of other packages, which only a build makes.
		WANTED+=(setup)
		if wanted test; then
			WANTED+=(build)
		fi
		mapfile -t WANTED < <(for name in "${PARTS[@]}"; do if wanted "$name"; then echo "$name"; fi; done)
	fi

	PROFILE=()
	[[ -z ${CI:-} ]] || PROFILE=(--profile ci)
	# With it there would be a node without a runtime.
	if [[ -n ${SKIP_WASM_BUILD+set} ]]; then
		say "Ignoring SKIP_WASM_BUILD: the tests need the wasm runtime"
		unset SKIP_WASM_BUILD
	fi

	trap finish EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	say "Compiled files go to $CARGO_TARGET_DIR"
	for name in "${WANTED[@]}"; do
		if [[ -n $blocked ]]; then
			skip_part "$name" "$blocked failed"
			continue
		fi
		part "$name" "do_$name"
		# Nothing after these can work without them.
		if [[ $name == setup || $name == build ]] && [[ ${PART_RESULTS[-1]} != ok ]]; then
			blocked=$name
		fi
	done
}

main "$@"
