#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the Rust target wasm32v1-none usable without rustup's server, on Debian and its relatives.
#
# Debian packages a recent compiler together with the source of its standard library (rustc-web, cargo-web,
# rust-web-src: what Firefox is built by). The compiler knows the target, only the libraries and the linker's
# name are missing. This script builds core, alloc and compiler_builtins from Debian's source, puts them where
# that compiler looks for them, and makes it known to rustup as the toolchain `debian`.
# scripts/setup.sh calls it; running it again does nothing, or what an upgraded compiler made necessary.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

LLD=/usr/lib/llvm-19/bin/lld
SOURCE=/usr/lib/rustlib/src/rust/library

# install_packages: gets what is missing of Debian's compiler.
install_packages() {
	local packages=() package candidate
	debian_compiler || packages+=(rustc-web cargo-web)
	[[ -e $SOURCE/Cargo.toml ]] || packages+=(rust-web-src)
	[[ -x $LLD ]] || debian_wasm_linker_usable || packages+=(lld-19)
	((${#packages[@]} > 0)) || return 0
	have apt-get apt-cache || die "this system has no apt-get, and ${packages[*]} are Debian's packages" \
		"Install the target with rustup: rustup target add $WASM_TARGET"

	say "Installing Debian's Rust compiler with its library's source, and LLVM's linker (1 GB): ${packages[*]}"
	as_root apt-get -o DPkg::Lock::Timeout=300 update ||
		complain "apt-get update had errors, going on with the package lists that are there"
	for package in "${packages[@]}"; do
		candidate=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
		[[ -n $candidate && $candidate != '(none)' ]] ||
			die "no source in /etc/apt has the package $package" \
				"Debian 12 and 13 have it; elsewhere install the target with rustup: rustup target add $WASM_TARGET"
	done
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		install -y --no-install-recommends "${packages[@]}"
	debian_compiler || die "/usr/bin/rustc is not Debian's compiler although rustc-web is installed" \
		"The package rustup puts its own stand-in there: apt-get remove rustup, and install rustup from https://rustup.rs."
}

# debian_wasm_linker_usable: whether the linker is there in a way that needs no lld of ours.
debian_wasm_linker_usable() {
	debian_compiler && debian_wasm_linker
}

# build_libraries: compiles the target's libraries in a temporary folder and puts them in place.
build_libraries() {
	local work=$1 offline=() found name
	say "Building Rust's core libraries for $WASM_TARGET with $(/usr/bin/rustc --version) (less than a minute)"
	mkdir -p "$work/src"
	printf '#![no_std]\n' >"$work/src/lib.rs"
	printf '[package]\nname = "libraries"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n' >"$work/Cargo.toml"
	# The source package carries what the library depends on: nothing has to be downloaded.
	if [[ -d $SOURCE/vendor ]]; then
		offline=(--offline --config 'source.crates-io.replace-with="vendored"'
			--config "source.vendored.directory=\"$SOURCE/vendor\"")
	fi
	# Without embedded bitcode the runtime's link-time optimisation fails: "Can't find section .llvmbc".
	# A clean environment keeps rustup, other flags and the shared target folder out of this.
	(
		cd "$work"
		env -i PATH=/usr/bin:/bin HOME="$work" CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" \
			RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C embed-bitcode=yes" \
			/usr/bin/cargo build --release --target "$WASM_TARGET" -Z build-std=core,alloc "${offline[@]}"
	)

	mkdir "$work/libraries"
	for name in core alloc compiler_builtins; do
		found=("$work/target/$WASM_TARGET/release/deps/lib$name"-*.rlib)
		[[ ${#found[@]} == 1 && -e ${found[0]} ]] || die "expected one lib$name, found: ${found[*]}"
		cp -- "${found[0]}" "$work/libraries/"
	done
	chmod 755 "$work/libraries"
	chmod 644 "$work/libraries"/*

	# Another version's libraries beside these would be ambiguous, so the folder is replaced as a whole.
	as_root mkdir -p "${DEBIAN_WASM_LIBRARIES%/*}"
	as_root rm -rf "$DEBIAN_WASM_LIBRARIES" "$DEBIAN_WASM_LIBRARIES.new"
	as_root cp -r -- "$work/libraries" "$DEBIAN_WASM_LIBRARIES.new"
	as_root chown -R root:root "$DEBIAN_WASM_LIBRARIES.new"
	as_root mv -T -- "$DEBIAN_WASM_LIBRARIES.new" "$DEBIAN_WASM_LIBRARIES"
}

# link_linker: puts LLVM's lld where the compiler looks for the linker of this target.
link_linker() {
	local path
	path=$(debian_linker_path)
	say "Linking $LLD as $path"
	as_root mkdir -p "${path%/*}"
	as_root ln -sfT "$LLD" "$path"
}

# prove WORK: compiles and links a little module with link-time optimisation, as the runtime is.
prove() {
	cat >"$1/module.rs" <<-'MODULE'
		#![no_std]
		extern crate alloc;
		use alloc::alloc::{GlobalAlloc, Layout};

		struct Empty;
		unsafe impl GlobalAlloc for Empty {
			unsafe fn alloc(&self, _: Layout) -> *mut u8 { core::ptr::null_mut() }
			unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
		}
		#[global_allocator]
		static ALLOCATOR: Empty = Empty;

		#[panic_handler]
		fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }

		#[no_mangle]
		pub extern "C" fn answer(x: u64, y: u64) -> usize {
			alloc::vec![(x as u128 * y as u128 / 7) as u8; 8].len()
		}
	MODULE
	/usr/bin/rustc --edition 2021 --target "$WASM_TARGET" --crate-type cdylib -C opt-level=3 -C lto=fat -C panic=abort \
		-A warnings -o "$1/module.wasm" "$1/module.rs" ||
		die "$(/usr/bin/rustc --version) cannot build a module for $WASM_TARGET with the libraries just built" \
			"Its message is above. rustup is the other way: rustup target add $WASM_TARGET"
	[[ $(od -An -tx1 -N4 "$1/module.wasm") == ' 00 61 73 6d' ]] ||
		die "what $(/usr/bin/rustc --version) built for $WASM_TARGET is no wasm module"
}

main() {
	local work changed=false
	have rustup || die "rustup is not installed" "Install it from https://rustup.rs and run this again."
	install_packages

	work=$(mktemp -d "${TMPDIR:-/tmp}/tessera-wasm.XXXXXX")
	# shellcheck disable=SC2064 # the folder as it is now
	trap "rm -rf -- '$work'" EXIT
	if ! debian_wasm_libraries; then
		build_libraries "$work"
		changed=true
	fi
	if ! debian_wasm_linker; then
		link_linker
		changed=true
	fi
	if [[ $changed == true ]]; then
		prove "$work"
		# The note comes last: without it, libraries that do not work would count as ready.
		/usr/bin/rustc -vV >"$work/built-by"
		as_root install -m 644 -o root -g root -- "$work/built-by" "$DEBIAN_WASM_STAMP"
	fi
	if ! debian_toolchain_linked; then
		say "Making Debian's compiler known to rustup as the toolchain 'debian'"
		rustup toolchain link debian /usr
	fi
	wasm_ready_debian || die "$WASM_TARGET is still not usable with Debian's compiler" \
		"Look at $DEBIAN_WASM_LIBRARIES and $(debian_linker_path)."
}

main "$@"
