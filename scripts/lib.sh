# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of this folder share: messages, the environment that cargo runs in, the ways to the wasm
# target, parts with their times, and processes that end with the script. To be sourced: it sets variables and
# defines functions, and changes nothing else.

if ((BASH_VERSINFO[0] < 4)); then
	echo "error: these scripts need bash 4 or newer, this is $BASH_VERSION" >&2
	exit 1
fi

REPO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
WASM_TARGET=wasm32v1-none

# ---- Messages ----

# say TEXT...: tells what happens now.
say() {
	printf '==> %s\n' "$*"
}

# complain WHAT [NEXT...]: an error and, line by line, what to do about it.
complain() {
	printf 'error: %s\n' "$1" >&2
	shift
	(($# == 0)) || printf '       %s\n' "$@" >&2
}

# die WHAT [NEXT...]: complains and ends the script.
die() {
	complain "$@"
	exit 1
}

# have COMMAND...: whether all these commands exist.
have() {
	local name
	for name in "$@"; do
		command -v "$name" >/dev/null 2>&1 || return 1
	done
}

# ---- Users ----

# as_root COMMAND...: runs it as root, through sudo where this is somebody else.
as_root() {
	if ((EUID == 0)); then
		"$@"
	elif have sudo; then
		sudo -- "$@"
	else
		complain "root is needed for: $*" "Run that as root, or install sudo; then run this again."
		return 1
	fi
}

# leave_sudo SCRIPT [ARGUMENT...]: a script started through sudo goes on as the user who did that, because
# Rust is theirs; it goes back through sudo for the few things that need root.
leave_sudo() {
	((EUID == 0)) && [[ -n ${SUDO_USER:-} && ${SUDO_USER:-} != root ]] || return 0
	local home name keep=()
	home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
	[[ -x $home/.cargo/bin/rustup ]] || return 0
	for name in CI TESSERA_WASM CARGO_TARGET_DIR; do
		[[ -z ${!name:-} ]] || keep+=("$name=${!name}")
	done
	exec sudo -H -u "$SUDO_USER" -- env "${keep[@]}" "$@"
}

# ---- The environment that cargo runs in ----
# cargo builds again what was built under other flags, so every part of every script sees the same ones:
# nothing but this section sets a variable that a compiler or a build script looks at.
# (OPENSSL_NO_VENDOR is in .cargo/config.toml, where a plain cargo finds it too.)

# rustup's cargo goes before a distribution's, which has other versions and cannot read rust-toolchain.toml.
cargo_bin=${CARGO_HOME:-${HOME:?}/.cargo}/bin
if [[ -x $cargo_bin/rustup && $(command -v cargo || true) != "$cargo_bin/cargo" ]]; then
	PATH=$cargo_bin:$PATH
fi
unset cargo_bin

# Outside the checkout, so that several checkouts share the compiled dependencies.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/tessera-target}
# shellcheck disable=SC2034 # for the scripts that source this
BIN=$CARGO_TARGET_DIR/debug

# From there the runtime's build script does not find Cargo.lock by itself, and would take the newest versions
# of everything instead of the locked ones.
export WASM_BUILD_WORKSPACE_HINT=$REPO

# In CI nobody edits and builds again: incremental data would only cost time and disk.
if [[ -n ${CI:-} ]]; then
	export CARGO_INCREMENTAL=0
fi

# toolchain_channel: the Rust version that rust-toolchain.toml asks for.
toolchain_channel() {
	sed -nE 's/^channel *= *"([^"]+)".*/\1/p' "$REPO/rust-toolchain.toml"
}

# ---- The wasm target ----
# The runtime is compiled for wasm32v1-none, whose standard library comes in one of two ways:
#   rustup  `rustup target add` for the pinned toolchain;
#   debian  Debian's own newer compiler, which carries the library's source (scripts/wasm-debian.sh).

# WASM_WAYS: the ways that may be taken, in the order of preference. TESSERA_WASM allows one only.
case ${TESSERA_WASM:-} in
rustup | debian) WASM_WAYS=("$TESSERA_WASM") ;;
'') if [[ -n ${CI:-} ]]; then WASM_WAYS=(debian rustup); else WASM_WAYS=(rustup debian); fi ;;
*) die "TESSERA_WASM is '$TESSERA_WASM'" "Set it to rustup or debian, or leave it unset to let the scripts choose." ;;
esac

# wasm_ready WAY: whether the target can be used in this way.
wasm_ready() {
	case $1 in
	rustup) wasm_ready_rustup ;;
	debian) wasm_ready_debian ;;
	esac
}

wasm_ready_rustup() {
	local libraries
	libraries=$(cd "$REPO" && RUSTUP_AUTO_INSTALL=0 rustc --print target-libdir --target "$WASM_TARGET" 2>/dev/null) &&
		compgen -G "$libraries/libcore-*.rlib" >/dev/null
}

# Where Debian's compiler looks for the target, and the note of the compiler that the libraries were built by.
DEBIAN_WASM_LIBRARIES=/usr/lib/rustlib/$WASM_TARGET/lib
DEBIAN_WASM_STAMP=$DEBIAN_WASM_LIBRARIES/built-by

wasm_ready_debian() {
	debian_compiler && debian_wasm_libraries && debian_wasm_linker && debian_toolchain_linked
}

# debian_compiler: whether /usr/bin/rustc is a compiler, not rustup's stand-in of the same name.
debian_compiler() {
	[[ -x /usr/bin/rustc && -x /usr/bin/cargo && $(readlink -f /usr/bin/rustc) != */rustup ]]
}

# debian_wasm_libraries: whether the libraries are those of the compiler as it is now. A compiler refuses
# the libraries of any other version, so an upgrade makes them useless.
debian_wasm_libraries() {
	local name first
	for name in core alloc compiler_builtins; do
		first=$(compgen -G "$DEBIAN_WASM_LIBRARIES/lib$name-*.rlib") || return 1
	done
	if [[ -e $DEBIAN_WASM_STAMP ]]; then
		[[ $(<"$DEBIAN_WASM_STAMP") == "$(/usr/bin/rustc -vV)" ]]
	else
		# Without our note they are good only when a package brought them.
		dpkg-query -S "${first%%$'\n'*}" >/dev/null 2>&1
	fi
}

# debian_linker_path: where Debian's compiler looks for the linker of this target.
debian_linker_path() {
	local host
	host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
	echo "/usr/lib/rustlib/$host/bin/rust-lld"
}

debian_wasm_linker() {
	[[ -x $(debian_linker_path) ]]
}

debian_toolchain_linked() {
	[[ $(readlink -f "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/debian") == /usr ]]
}

# wasm_way: the way that is ready; fails when none is.
wasm_way() {
	local way
	for way in "${WASM_WAYS[@]}"; do
		if wasm_ready "$way"; then
			echo "$way"
			return 0
		fi
	done
	return 1
}

# use_wasm_toolchain: points the runtime's build at the way that is ready.
use_wasm_toolchain() {
	local way
	way=$(wasm_way) || die "the Rust target $WASM_TARGET is missing" "Run scripts/setup.sh, which installs it."
	case $way in
	rustup) unset WASM_BUILD_TOOLCHAIN ;;
	debian) export WASM_BUILD_TOOLCHAIN=debian ;;
	esac
}

# ---- Parts with their times ----

PART_NAMES=()
PART_SECONDS=()
PART_RESULTS=()

# minutes SECONDS
minutes() {
	printf '%d.%d min' $(($1 / 60)) $(($1 % 60 / 6))
}

# part NAME COMMAND...: runs one part of a script in a subshell, and notes how long it took and how it ended.
# It never fails itself: look at PART_RESULTS or call parts_passed. Call it as a plain command, not after
# `if` or before `&&`: there bash would not stop the part at the first command that fails.
part() {
	local name=$1 start=$SECONDS status flags=$-
	shift
	say "$name"
	set +e
	(
		set -e
		"$@"
	)
	status=$?
	[[ $flags != *e* ]] || set -e
	PART_NAMES+=("$name")
	PART_SECONDS+=($((SECONDS - start)))
	if ((status == 0)); then
		PART_RESULTS+=(ok)
	else
		PART_RESULTS+=(FAILED)
		complain "part '$name' failed with status $status after $(minutes $((SECONDS - start)))"
	fi
}

# skip_part NAME WHY: notes that a part was not run.
skip_part() {
	PART_NAMES+=("$1")
	PART_SECONDS+=(0)
	PART_RESULTS+=("not run: $2")
}

# parts_passed: whether there were parts, and each of them ended well.
parts_passed() {
	local result
	((${#PART_RESULTS[@]} > 0)) || return 1
	for result in "${PART_RESULTS[@]}"; do
		[[ $result == ok ]] || return 1
	done
}

# show_parts: a line for each part, with its time and result.
show_parts() {
	local index
	for index in "${!PART_NAMES[@]}"; do
		printf '  %-12s %9s  %s\n' "${PART_NAMES[index]}" "$(minutes "${PART_SECONDS[index]}")" "${PART_RESULTS[index]}"
	done
}

# ---- Processes that end with the script ----
# own_processes sets this up; start puts each process into a session of its own, so that it and whatever it
# started can be found and ended when the script ends, for whatever reason: done, failed, Ctrl-C, terminal
# closed, terminated. Started processes are also told by the kernel when the script is killed outright.

OWN_FOLDER=
OWN_SESSIONS=()
OWN_FOREGROUND=
# How long processes get to end by themselves before they are killed.
OWN_PATIENCE=${OWN_PATIENCE:-15}

# own_processes: makes a temporary folder, OWN_FOLDER, and sees to it that nothing outlives the script.
own_processes() {
	have setsid || die "the command setsid is missing" "Install the package util-linux."
	OWN_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/tessera.XXXXXX")
	trap end_processes EXIT
	# bash runs EXIT's trap on its way out of these.
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# start NAME COMMAND...: starts a process in the background, its output in OWN_FOLDER/NAME.log. Its id is
# left in STARTED.
start() {
	local name=$1 tether=()
	shift
	[[ -n $OWN_FOLDER ]] || die "start $name: own_processes was not called"
	# The one case that a trap does not see is kill -9 of the script.
	if have setpriv; then
		tether=(setpriv --pdeathsig KILL --)
	fi
	setsid -- "${tether[@]}" "$@" </dev/null >"$OWN_FOLDER/$name.log" 2>&1 &
	STARTED=$!
	OWN_SESSIONS+=("$STARTED")
}

# attended COMMAND...: runs a command in the foreground in such a way that Ctrl-C or a termination ends it and
# the script at once. (bash runs no trap before a plain command has ended.)
attended() {
	local status=0
	"$@" <&0 &
	OWN_FOREGROUND=$!
	wait "$OWN_FOREGROUND" || status=$?
	OWN_FOREGROUND=
	return "$status"
}

# session_members SESSION: ids of the processes of a session that are not dead yet.
session_members() {
	local file line state session
	for file in /proc/[0-9]*/stat; do
		{ read -r line <"$file"; } 2>/dev/null || continue
		# id (name) state parent group session ...; a name may hold spaces and brackets.
		read -r state _ _ session _ <<<"${line##*) }"
		if [[ $session == "$1" && $state != [ZX] ]]; then
			file=${file#/proc/}
			echo "${file%/stat}"
		fi
	done
}

# own_members: ids of everything that start brought into being and that still lives.
own_members() {
	local session
	for session in "${OWN_SESSIONS[@]}"; do
		session_members "$session"
	done
}

# signal_own SIGNAL: sends it to all of them; some may end meanwhile.
signal_own() {
	local members
	mapfile -t members < <(own_members)
	((${#members[@]} == 0)) || kill -s "$1" -- "${members[@]}" 2>/dev/null || true
}

# stop SESSION: ends one process that start started, and all that it started.
stop() {
	local sessions=("${OWN_SESSIONS[@]}") session
	OWN_SESSIONS=("$1")
	stop_all
	OWN_SESSIONS=()
	for session in "${sessions[@]}"; do
		[[ $session == "$1" ]] || OWN_SESSIONS+=("$session")
	done
}

# stop_all: asks all processes to end, waits, kills those that did not.
stop_all() {
	signal_own TERM
	# A stopped process would sleep through its termination.
	signal_own CONT
	if ! wait_until "$OWN_PATIENCE" none_left; then
		signal_own KILL
		wait_until "$OWN_PATIENCE" none_left ||
			complain "these processes do not end, not even when killed: $(own_members | xargs)"
	fi
	OWN_SESSIONS=()
}

# none_left: whether everything that start brought into being has ended.
none_left() {
	[[ -z $(own_members) ]]
}

# end_processes: what the EXIT trap does. Keeps the exit status.
end_processes() {
	local status=$?
	# A second Ctrl-C must not leave half of them running.
	trap '' HUP INT TERM
	trap - EXIT
	if [[ -n $OWN_FOREGROUND ]]; then
		kill -TERM "$OWN_FOREGROUND" 2>/dev/null || true
		wait "$OWN_FOREGROUND" 2>/dev/null || true
	fi
	stop_all
	[[ -z $OWN_FOLDER ]] || rm -rf -- "$OWN_FOLDER"
	exit "$status"
}

# running ID: whether a process started here still runs.
running() {
	[[ -n $(session_members "$1") ]]
}

# show_log NAME [LINES]: the end of what a process wrote.
show_log() {
	printf -- '--- the last lines of %s ---\n' "$1" >&2
	tail -n "${2:-20}" -- "$OWN_FOLDER/$1.log" >&2 || true
	printf -- '---\n' >&2
}

# wait_until SECONDS COMMAND...: tries a command until it succeeds; fails when the time is up.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.2
	done
}

# port_open PORT: whether something listens on this port of 127.0.0.1.
port_open() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_port: a port of 127.0.0.1 that nothing listens on, outside the range that outgoing connections use.
free_port() {
	local port
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 12000))
		if ! port_open "$port"; then
			echo "$port"
			return 0
		fi
	done
	die "found no free port between 20000 and 32000"
}

# wait_for_port NAME ID PORT SECONDS: waits until a started process listens; ends the script, with the last
# lines of its log, when it has ended instead or the time is up.
wait_for_port() {
	local name=$1 id=$2 port=$3 deadline=$((SECONDS + $4))
	until port_open "$port"; do
		if ! running "$id"; then
			show_log "$name"
			die "$name has ended before it listened on port $port; its last lines are above"
		fi
		if ((SECONDS >= deadline)); then
			show_log "$name"
			die "$name does not listen on port $port after $4 s; its last lines are above"
		fi
		sleep 0.2
	done
}
