#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building, running and testing Tessera needs. See --help.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NEXTEST_VERSION=0.9.143
# A build of everything, with its tests and the wasm runtime; what building again may add to it; the crates' sources.
TARGET_GB=15
REBUILD_GB=3
CRATES_GB=3
# Debian packages, with the compiler for the wasm target.
PACKAGES_GB=2

usage() {
	cat <<-EOF
		Usage: scripts/setup.sh [--check] [--no-tests]

		Installs what building, running and testing Tessera needs, and says what it installs and why. Does
		nothing when nothing is missing. Debian 12, Debian 13 and Ubuntu; elsewhere it names what is missing.

		  --check     name what is missing, install nothing; the exit status is 1 when something is missing
		  --no-tests  leave out what only scripts/test.sh needs
		  --help      show this

		Environment:
		  TESSERA_WASM      how to get the Rust target $WASM_TARGET: 'rustup' downloads it, 'debian' builds it
		                    with Debian's own compiler. Unset: rustup, and debian when that fails; in CI (the
		                    variable CI is set) the other way round.
		  CARGO_TARGET_DIR  where compiled files go; unset: ~/.cache/tessera-target
	EOF
}

CHECK_ONLY=false
WITH_TESTS=true

# ---- What is needed ----

MISSING_PACKAGES=()
MISSING=()

# entry NAME WHY: a line of a list.
entry() {
	printf '%-20s %s' "$1" "$2"
}

# need PACKAGE WHY CHECK...: notes that PACKAGE is missing unless the command CHECK succeeds.
need() {
	local package=$1 why=$2
	shift 2
	if ! "$@" >/dev/null 2>&1; then
		MISSING_PACKAGES+=("$package")
		MISSING+=("$(entry "$package" "$why")")
	fi
}

# any_file GLOB...: whether a file matches one of these.
any_file() {
	local glob
	for glob in "$@"; do
		if compgen -G "$glob"; then
			return 0
		fi
	done
	return 1
}

# find_missing_packages: the packages by Debian's names. What counts is what they are for, so whatever was
# installed in another way is found too.
find_missing_packages() {
	MISSING_PACKAGES=()
	MISSING=()
	need build-essential "C and C++ compiler and linker: Rust links with it, some crates compile C and C++" have cc c++ make
	need pkg-config "finds the system's libraries for crates that link them" have pkg-config
	need libssl-dev "OpenSSL, which the node's network code links" pkg-config --exists openssl
	need protobuf-compiler "protoc: the network messages are compiled from .proto files" have protoc
	need libvulkan1 "Vulkan's loader: the worker reaches the GPU through it" \
		any_file '/usr/lib/*/libvulkan.so.1' '/usr/lib*/libvulkan.so.1' '/usr/local/lib/libvulkan.so.1'
	need mesa-vulkan-drivers "lavapipe, a Vulkan device in software for machines without a GPU" \
		any_file '/usr/share/vulkan/icd.d/lvp_icd*.json' '/etc/vulkan/icd.d/lvp_icd*.json'
	need vulkan-tools "vulkaninfo: shows which GPUs a worker can use" have vulkaninfo
	need jq "the scripts read JSON with it" have jq
	need ca-certificates "cargo and rustup check servers' certificates with them" \
		any_file /etc/ssl/certs/ca-certificates.crt '/etc/pki/tls/certs/*' '/etc/ssl/cert.pem'
	if [[ $WITH_TESTS == true ]]; then
		need shellcheck "checks these scripts" have shellcheck
	fi
}

# system_has_apt: whether this is a system whose package names are known here.
system_has_apt() {
	local id version
	[[ -r /etc/os-release ]] && have apt-get || return 1
	# shellcheck source=/dev/null
	{ read -r id && read -r version; } < <(. /etc/os-release && printf '%s\n%s\n' "${ID:-}" "${VERSION_ID:-}")
	case $id:$version in
	debian:12 | debian:13 | ubuntu:*) return 0 ;;
	*) return 1 ;;
	esac
}

toolchain_ready() {
	rustup toolchain list | grep -qE "^$1(-| |\$)" || return 1
	local sysroot
	sysroot=$(cd "$REPO" && RUSTUP_AUTO_INSTALL=0 rustc --print sysroot) &&
		[[ -x $sysroot/bin/rustfmt && -x $sysroot/bin/cargo-clippy ]]
}

# ---- Room on the disk ----

declare -A ROOM_NEEDED=()
ROOM_REASONS=()

# room FOLDER GB WHY: notes that files of this size are to come into this folder.
room() {
	local folder=$1 mount
	while [[ ! -d $folder ]]; do
		folder=$(dirname -- "$folder")
	done
	mount=$(df -P -- "$folder" | awk 'NR == 2 { print $6 }')
	ROOM_NEEDED[$mount]=$((${ROOM_NEEDED[$mount]:-0} + $2))
	ROOM_REASONS+=("$2 GB in $1: $3")
}

# check_room: ends the script when a disk is too full for what is to come.
check_room() {
	local mount free short=false
	for mount in "${!ROOM_NEEDED[@]}"; do
		free=$(df -Pk -- "$mount" | awk 'NR == 2 { print int($4 / 1024 / 1024) }')
		if ((free < ROOM_NEEDED[$mount])); then
			complain "the disk at $mount has $free GB free, and ${ROOM_NEEDED[$mount]} GB are needed"
			short=true
		fi
	done
	[[ $short == false ]] || die "not enough room on the disk; what is needed:" "${ROOM_REASONS[@]}" \
		"Make room, or set CARGO_TARGET_DIR to a folder on a disk that has it."
}

# ---- Installing ----

install_packages() {
	((EUID == 0)) || have sudo || die "root is needed to install packages, and sudo is missing" \
		"As root: apt-get install -y --no-install-recommends ${MISSING_PACKAGES[*]}" "Then run this again."
	say "Installing packages with apt-get:"
	printf '      %s\n' "${MISSING[@]}"
	as_root apt-get -o DPkg::Lock::Timeout=300 update ||
		complain "apt-get update had errors, going on with the package lists that are there"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		install -y --no-install-recommends "${MISSING_PACKAGES[@]}" ||
		die "apt-get could not install: ${MISSING_PACKAGES[*]}" "Its message is above."
	find_missing_packages
	((${#MISSING[@]} == 0)) || die "these packages are installed, and what they are for is still not found:" "${MISSING[@]}"
}

install_toolchain() {
	say "Installing Rust $1 with rustup: the version that rust-toolchain.toml pins, with rustfmt and clippy"
	rustup toolchain install "$1" --profile minimal --component rustfmt --component clippy ||
		die "rustup could not install Rust $1" "Its message is above."
	toolchain_ready "$1" || die "Rust $1 is installed, but not what cargo uses in $REPO" \
		"Look at: rustup show (an override or the variable RUSTUP_TOOLCHAIN goes before rust-toolchain.toml)"
}

# install_wasm_target CHANNEL: takes the ways in their order until one works.
install_wasm_target() {
	local way
	for way in "${WASM_WAYS[@]}"; do
		say "Getting the Rust target $WASM_TARGET, which the chain's runtime is compiled for (the way: $way)"
		case $way in
		rustup) rustup target add "$WASM_TARGET" --toolchain "$1" ;;
		debian) "$REPO/scripts/wasm-debian.sh" ;;
		esac && wasm_ready "$way" && return 0
		complain "the way '$way' to the target $WASM_TARGET does not work here; its message is above"
	done
	die "the Rust target $WASM_TARGET could not be installed" \
		"With access to static.rust-lang.org: rustup target add $WASM_TARGET --toolchain $1" \
		"On Debian 12 or 13 without it: TESSERA_WASM=debian scripts/setup.sh"
}

install_nextest() {
	say "Installing cargo-nextest $NEXTEST_VERSION, which runs the tests (compiles for some minutes)"
	# Not into the shared target folder: there its dependencies would stay for good.
	(cd "$REPO" && env -u CARGO_TARGET_DIR cargo install cargo-nextest --version "$NEXTEST_VERSION" --locked) ||
		die "cargo could not install cargo-nextest" "Its message is above. Other ways: https://nexte.st/docs/installation"
	have cargo-nextest || die "cargo-nextest is installed, but not on PATH" "Add cargo's folder for programs: ${CARGO_HOME:-$HOME/.cargo}/bin"
}

# ---- All of it ----

main() {
	local argument channel way need_toolchain=false need_wasm=false need_nextest=false
	for argument in "$@"; do
		case $argument in
		--check) CHECK_ONLY=true ;;
		--no-tests) WITH_TESTS=false ;;
		--help | -h)
			usage
			return 0
			;;
		*) die "unknown argument: $argument" "scripts/setup.sh --help lists them." ;;
		esac
	done
	leave_sudo "$REPO/scripts/setup.sh" "$@"

	channel=$(toolchain_channel)
	[[ -n $channel ]] || die "rust-toolchain.toml names no channel"
	find_missing_packages
	local missing=("${MISSING[@]}")
	if ! have rustup; then
		missing+=("$(entry rustup "installs Rust: https://rustup.rs")")
	else
		if ! toolchain_ready "$channel"; then
			need_toolchain=true
			missing+=("$(entry "Rust $channel" "the pinned toolchain, with rustfmt and clippy: rustup toolchain install $channel")")
		fi
		if ! way=$(wasm_way); then
			need_wasm=true
			missing+=("$(entry "$WASM_TARGET" "the Rust target of the chain's runtime: rustup target add $WASM_TARGET --toolchain $channel")")
		fi
	fi
	if [[ $WITH_TESTS == true ]] && ! have cargo-nextest; then
		need_nextest=true
		missing+=("$(entry cargo-nextest "runs the tests: cargo install cargo-nextest --version $NEXTEST_VERSION --locked")")
	fi

	if ((${#missing[@]} > 0)); then
		if [[ $CHECK_ONLY == true ]]; then
			die "missing, by Debian's names:" "${missing[@]}" "scripts/setup.sh installs it."
		fi
		if ((${#MISSING[@]} > 0)) && ! system_has_apt; then
			die "this is not Debian 12, Debian 13 or Ubuntu: install what is missing (by Debian's names), then run this again" \
				"${missing[@]}"
		fi
		have rustup || die "rustup is not installed" \
			"It is the installer of Rust. Install it as https://rustup.rs says, then run this again."
	fi

	if [[ -d $CARGO_TARGET_DIR/debug/deps ]]; then
		room "$CARGO_TARGET_DIR" "$REBUILD_GB" "compiled files, besides those that are there"
	else
		room "$CARGO_TARGET_DIR" "$TARGET_GB" "compiled files"
		room "${CARGO_HOME:-$HOME/.cargo}" "$CRATES_GB" "sources of the crates that are used"
	fi
	if ((${#MISSING[@]} > 0)) || [[ $need_wasm == true ]]; then
		room /usr "$PACKAGES_GB" "packages"
	fi
	check_room

	if ((${#missing[@]} == 0)); then
		say "Everything that is needed is installed (Rust $channel, $WASM_TARGET by way of $way)"
		return 0
	fi
	((${#MISSING[@]} == 0)) || install_packages
	[[ $need_toolchain == false ]] || install_toolchain "$channel"
	[[ $need_wasm == false ]] || install_wasm_target "$channel"
	[[ $need_nextest == false ]] || install_nextest
	say "Everything that is needed is installed now"
}

main "$@"
