#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Usage: scripts/test-scripts.sh [TEST...]
#
# Tests of the scripts of this folder: that a failure is never lost, that nothing is left running, that a
# wrong lock file is refused. Takes some seconds, builds nothing.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
SCRIPTS=$REPO/scripts

# assert WHAT COMMAND...
assert() {
	local what=$1
	shift
	"$@" || {
		printf 'assertion failed: %s\n  (%s)\n' "$what" "$*" >&2
		exit 1
	}
}

contains() {
	[[ $1 == *"$2"* ]]
}

equal() {
	[[ $1 == "$2" ]] || {
		printf -- '--- expected\n%s\n--- found\n%s\n---\n' "$2" "$1" >&2
		return 1
	}
}

fails() {
	! "$@"
}

# run_script [NAME=VALUE...]: runs the script on standard input, after lib.sh; its output in OUT, its exit
# status in STATUS. It sees WORK, a folder of its own, and SCRIPTS.
run_script() {
	write_script
	outcome env "$@" bash "$WORK/script"
}

# write_script: puts the script on standard input, after lib.sh, into WORK/script.
write_script() {
	{
		printf 'set -euo pipefail\nsource "%s/lib.sh"\n' "$SCRIPTS"
		cat
	} >"$WORK/script"
}

# outcome COMMAND...: runs it with its output in OUT, leaves its exit status in STATUS.
outcome() {
	STATUS=0
	"$@" >"$OUT" 2>&1 || STATUS=$?
}

# ---- part ----

part_should_fail_when_a_command_in_its_middle_fails() {
	run_script <<-'EOF'
		broken() { false; echo went on; }
		part broken broken
		part whole true
		show_parts
		if parts_passed; then echo all passed; fi
	EOF
	assert "the script itself goes on" equal "$STATUS" 0
	assert "the part stopped at the failure" fails grep -q "went on" "$OUT"
	assert "the parts have not passed" fails grep -q "all passed" "$OUT"
	assert "the failure is named" grep -qE 'broken .* FAILED' "$OUT"
	assert "the next part was run" grep -qE 'whole .* ok' "$OUT"
}

part_should_fail_when_the_first_command_of_a_pipe_fails() {
	run_script <<-'EOF'
		broken() { false | true; }
		part broken broken
		parts_passed || exit 7
	EOF
	assert "the parts have not passed" equal "$STATUS" 7
}

parts_passed_should_fail_when_there_was_no_part() {
	run_script <<<parts_passed
	assert "no part is not a success" equal "$STATUS" 1
}

# ---- test.sh, with stand-ins for what it calls ----

# sandbox: a copy of the scripts, with stand-ins that note how they were called in calls; a stand-in fails
# when its call matches the pattern in the file fail.
sandbox() {
	local name
	BOX=$WORK/box
	mkdir -p "$BOX/scripts" "$BOX/.ci" "$BOX/bin" "$BOX/src"
	cp -- "$SCRIPTS/lib.sh" "$SCRIPTS/test.sh" "$BOX/scripts/"
	cp -- "$REPO/.ci/run" "$BOX/.ci/"
	cp -- "$REPO/rust-toolchain.toml" "$BOX/"
	printf '/// %s\n' '```' 'assert!(true);' '```' >"$BOX/src/lib.rs"
	: >"$BOX/calls"
	: >"$BOX/fail"
	cat >"$BOX/stand-in" <<-EOF
		#!/bin/bash
		call="\${0##*/} \$*"
		echo "\$call" >>"$BOX/calls"
		[[ \$call == *clippy* ]] || echo "\${SKIP_WASM_BUILD-unset} \${CARGO_TARGET_DIR-unset} \${WASM_BUILD_WORKSPACE_HINT-unset}" >>"$BOX/environments"
		[[ -s "$BOX/fail" && \$call == *"\$(<"$BOX/fail")"* ]] && exit 1
		[[ \$call == *nextest* ]] && [[ -s "$BOX/pause" ]] && sleep "\$(<"$BOX/pause")"
		exit 0
	EOF
	chmod +x "$BOX/stand-in"
	for name in scripts/setup.sh scripts/check-lock.sh scripts/check-onchain.sh scripts/test-scripts.sh scripts/metadata.sh bin/cargo bin/shellcheck; do
		cp -- "$BOX/stand-in" "$BOX/$name"
	done
	# The wasm target is there by way of rustup.
	mkdir -p "$BOX/libraries"
	touch "$BOX/libraries/libcore-0.rlib"
	printf '#!/bin/sh\necho "%s"\n' "$BOX/libraries" >"$BOX/bin/rustc"
	chmod +x "$BOX/bin/rustc"
}

# boxed COMMAND...: runs it in the sandbox's environment.
boxed() {
	outcome env -u CI -u SUDO_USER -u CARGO_TARGET_DIR HOME="$BOX" CARGO_HOME="$BOX/none" TESSERA_WASM=rustup \
		PATH="$BOX/bin:/usr/bin:/bin" "$@"
}

test_script_should_run_all_parts_in_order_when_nothing_fails() {
	sandbox
	boxed env SKIP_WASM_BUILD=1 "$BOX/scripts/test.sh"
	assert "it succeeds" equal "$STATUS" 0
	assert "the calls are these" equal "$(<"$BOX/calls")" "setup.sh 
cargo fmt --all --check
check-lock.sh 
shellcheck --external-sources scripts/check-lock.sh scripts/check-onchain.sh scripts/lib.sh scripts/metadata.sh scripts/setup.sh scripts/test-scripts.sh scripts/test.sh .ci/run
test-scripts.sh 
check-onchain.sh 
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo build --workspace --all-targets --locked
metadata.sh --check
cargo nextest run --locked -p pallet-jobs -p pallet-providers --features runtime-benchmarks
cargo test --workspace --locked --doc
cargo nextest run --workspace --locked"
	assert "all but clippy have one environment" equal "$(sort -u "$BOX/environments")" "unset $BOX/.cache/tessera-target $BOX"
	assert "it says so last" contains "$(tail -n 1 "$OUT")" "All parts passed"
}

test_script_should_fail_and_go_on_when_a_part_fails() {
	sandbox
	echo "cargo clippy" >"$BOX/fail"
	boxed "$BOX/scripts/test.sh"
	assert "it fails" equal "$STATUS" 1
	assert "the tests were run" grep -q "cargo nextest run --workspace" "$BOX/calls"
	assert "the part is named" grep -qE '^  lint .* FAILED$' "$OUT"
	assert "the others passed" equal "$(grep -cE '^  [a-z]+ .* ok$' "$OUT")" 9
	assert "it does not claim success" fails grep -q "All parts passed" "$OUT"
}

test_script_should_fail_when_any_single_call_fails() {
	local call
	for call in setup.sh "cargo fmt" check-lock.sh check-onchain.sh "shellcheck " test-scripts.sh "cargo build" metadata.sh "cargo clippy" \
		"runtime-benchmarks" "--doc" "run --workspace"; do
		sandbox
		echo "$call" >"$BOX/fail"
		boxed "$BOX/scripts/test.sh"
		assert "it fails when '$call' does" equal "$STATUS" 1
	done
}

test_script_should_run_nothing_more_when_the_build_fails() {
	sandbox
	echo "cargo build" >"$BOX/fail"
	boxed "$BOX/scripts/test.sh"
	assert "it fails" equal "$STATUS" 1
	assert "no test was run" fails grep -q nextest "$BOX/calls"
	assert "it says why" grep -qE '^  test .* not run: build failed$' "$OUT"
}

test_script_should_leave_out_the_long_parts_when_quick() {
	sandbox
	boxed "$BOX/scripts/test.sh" --quick
	assert "it succeeds" equal "$STATUS" 0
	assert "without benchmarks" fails grep -q runtime-benchmarks "$BOX/calls"
	assert "without end-to-end tests" grep -qx "cargo nextest run --workspace --locked --filterset not package(tessera-e2e)" "$BOX/calls"
}

test_script_should_run_what_is_needed_when_given_a_part() {
	sandbox
	boxed "$BOX/scripts/test.sh" test
	assert "it succeeds" equal "$STATUS" 0
	assert "the calls are these" equal "$(<"$BOX/calls")" "setup.sh 
cargo build --workspace --all-targets --locked
cargo nextest run --workspace --locked"
}

test_script_should_refuse_when_given_an_unknown_part() {
	sandbox
	boxed "$BOX/scripts/test.sh" tests
	assert "it fails" equal "$STATUS" 1
	assert "it names the part" grep -q "no part named tests" "$OUT"
	assert "it ran nothing" equal "$(<"$BOX/calls")" ""
}

test_script_should_fail_when_it_is_terminated() {
	sandbox
	echo 3 >"$BOX/pause"
	boxed timeout --signal=INT 1 "$BOX/scripts/test.sh" test
	assert "it fails" fails equal "$STATUS" 0
	assert "it says so" grep -q "not everything passed" "$OUT"
	assert "it does not claim success" fails grep -q "All parts passed" "$OUT"
}

ci_should_use_the_profile_ci_when_it_calls_the_tests() {
	sandbox
	boxed "$BOX/.ci/run"
	assert "it succeeds" equal "$STATUS" 0
	assert "nextest has the profile" grep -qx "cargo nextest run --profile ci --workspace --locked" "$BOX/calls"
}

# ---- metadata.sh, with stand-ins for cargo and the program that exports ----

# metadata_sandbox EXPORTED [COMMITTED]: a sandbox whose runtime has one metadata and whose repository another.
metadata_sandbox() {
	sandbox
	cp -- "$SCRIPTS/metadata.sh" "$BOX/scripts/"
	mkdir -p "$BOX/.cache/tessera-target/debug" "$BOX/client/artifacts"
	# shellcheck disable=SC2016 # $1 is for the stand-in
	printf '#!/bin/sh\nprintf %%s "%s" >"$1"\n' "$1" >"$BOX/.cache/tessera-target/debug/export-metadata"
	chmod +x "$BOX/.cache/tessera-target/debug/export-metadata"
	COMMITTED=$BOX/client/artifacts/metadata.scale
	if (($# == 2)); then
		printf %s "$2" >"$COMMITTED"
	fi
}

metadata_check_should_succeed_when_the_file_is_current() {
	metadata_sandbox meta-1 meta-1
	boxed "$BOX/scripts/metadata.sh" --check
	assert "it succeeds" equal "$STATUS" 0
}

metadata_check_should_fail_when_the_file_is_old() {
	metadata_sandbox meta-22 meta-1
	boxed "$BOX/scripts/metadata.sh" --check
	assert "it fails" equal "$STATUS" 1
	assert "it says what to do" grep -q "Run scripts/metadata.sh" "$OUT"
	assert "the file is as it was" equal "$(<"$COMMITTED")" meta-1
}

metadata_check_should_fail_when_there_is_no_file() {
	metadata_sandbox meta-1
	boxed "$BOX/scripts/metadata.sh" --check
	assert "it fails" equal "$STATUS" 1
	assert "there is none yet" fails test -e "$COMMITTED"
}

metadata_check_should_fail_when_the_build_fails() {
	metadata_sandbox meta-1 meta-1
	echo "cargo build" >"$BOX/fail"
	boxed "$BOX/scripts/metadata.sh" --check
	assert "it fails" fails equal "$STATUS" 0
}

metadata_should_write_the_file_when_it_is_old() {
	metadata_sandbox meta-22 meta-1
	boxed "$BOX/scripts/metadata.sh"
	assert "it succeeds" equal "$STATUS" 0
	assert "the file is the runtime's" equal "$(<"$COMMITTED")" meta-22
}

metadata_should_fail_when_something_else_is_exported() {
	metadata_sandbox oops meta-1
	boxed "$BOX/scripts/metadata.sh"
	assert "it fails" equal "$STATUS" 1
	assert "the file is as it was" equal "$(<"$COMMITTED")" meta-1
}

# ---- check-lock.sh ----

lock_check_should_accept_when_the_lock_file_is_ours() {
	outcome "$SCRIPTS/check-lock.sh"
	assert "it succeeds" equal "$STATUS" 0
}

# lock_with NAME VERSION: our lock file with one more crate from the registry.
lock_with() {
	cp -- "$REPO/Cargo.lock" "$WORK/Cargo.lock"
	printf '\n[[package]]\nname = "%s"\nversion = "%s"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\n' \
		"$1" "$2" >>"$WORK/Cargo.lock"
}

lock_check_should_refuse_when_sp_runtime_is_there_twice() {
	lock_with sp-runtime 48.0.0
	outcome "$SCRIPTS/check-lock.sh" "$WORK/Cargo.lock"
	assert "it fails" equal "$STATUS" 1
	assert "it counts" grep -q "sp-runtime appears 2 times" "$OUT"
	assert "it names the other" grep -q "sp-runtime 48.0.0 is of another polkadot-sdk release" "$OUT"
}

lock_check_should_refuse_when_sp_runtime_is_missing() {
	grep -v '^name = "sp-runtime"$' "$REPO/Cargo.lock" >"$WORK/Cargo.lock"
	outcome "$SCRIPTS/check-lock.sh" "$WORK/Cargo.lock"
	assert "it fails" equal "$STATUS" 1
}

lock_check_should_refuse_when_a_crate_is_of_another_line() {
	lock_with sc-cli 0.64.0
	outcome "$SCRIPTS/check-lock.sh" "$WORK/Cargo.lock"
	assert "it fails" equal "$STATUS" 1
	assert "it names the crate" grep -q "sc-cli 0.64.0 is of another" "$OUT"
}

lock_check_should_refuse_when_a_crate_is_not_of_the_release() {
	lock_with sp-finality-grandpa 0.10.0
	outcome "$SCRIPTS/check-lock.sh" "$WORK/Cargo.lock"
	assert "it fails" equal "$STATUS" 1
	assert "it names the crate" grep -q "sp-finality-grandpa 0.10.0 is named like" "$OUT"
}

lock_check_should_fail_when_there_is_no_lock_file() {
	outcome "$SCRIPTS/check-lock.sh" "$WORK/nothing"
	assert "it fails" equal "$STATUS" 1
	assert "it names the file" grep -q "$WORK/nothing" "$OUT"
}

# ---- Processes ----

# process_script: a script that starts two families of processes and then does what is on standard input. A
# family is a process with a child, and another child in a process group of its own. Their ids come to PIDS.
process_script() {
	write_script < <(
		cat <<-'EOF'
			family='sleep 300 & a=$!; set -m; sleep 301 & echo $$ $a $! >>"$PIDS"; wait'
			families() { (($(wc -l <"$PIDS") == 2)); }
			own_processes
			echo "$OWN_FOLDER" >"$WORK/folder"
			start one bash -c "$family"
			first=$STARTED
			start two bash -c "$family"
			wait_until 10 families
		EOF
		cat
	)
}

# alive: whether a process noted in PIDS still lives.
alive() {
	local id state
	for id in $(<"$PIDS"); do
		state=$(sed 's/.*) //; s/ .*//' "/proc/$id/stat" 2>/dev/null) || continue
		[[ $state == [ZX] ]] || return 0
	done
	return 1
}

# left_nothing COUNT: whether this many processes were noted, and they and the folder are gone.
left_nothing() {
	[[ $(wc -w <"$PIDS") == "$1" ]] && ! alive && [[ ! -e $(<"$WORK/folder") ]]
}

processes_should_end_when_the_script_ends() {
	process_script <<-'EOF'
		running "$first"
		running "$STARTED"
		echo both run
	EOF
	outcome bash "$WORK/script"
	assert "it succeeds" equal "$STATUS" 0
	assert "they ran" grep -q "both run" "$OUT"
	assert "nothing is left" left_nothing 6
}

processes_should_end_when_the_script_fails() {
	process_script <<<'(exit 5)'
	outcome bash "$WORK/script"
	assert "the status is kept" equal "$STATUS" 5
	assert "nothing is left" left_nothing 6
}

# interrupted SIGNAL STATUS: a script in an attended command gets the signal.
interrupted() {
	local id status=0
	process_script <<-'EOF'
		touch "$WORK/ready"
		attended sleep 302
		echo went on
	EOF
	# In the background of a script a process is born deaf to Ctrl-C; in a terminal it is not.
	env --default-signal=INT bash "$WORK/script" >"$OUT" 2>&1 &
	id=$!
	assert "the script starts" wait_until 10 test -e "$WORK/ready"
	sleep 0.3
	kill -s "$1" "$id"
	wait "$id" || status=$?
	assert "the status tells the signal" equal "$status" "$2"
	assert "it did not go on" fails grep -q "went on" "$OUT"
	assert "nothing is left" left_nothing 6
}

processes_should_end_when_the_script_is_interrupted() {
	interrupted INT 130
}

processes_should_end_when_the_script_is_terminated() {
	interrupted TERM 143
}

processes_should_end_when_the_terminal_is_closed() {
	interrupted HUP 129
}

processes_should_end_when_they_ignore_the_termination() {
	run_script OWN_PATIENCE=1 <<-'EOF'
		own_processes
		echo "$OWN_FOLDER" >"$WORK/folder"
		start deaf bash -c 'trap "" TERM INT HUP; echo $$ >"$PIDS"; while true; do sleep 1; done'
		wait_until 10 test -s "$PIDS"
	EOF
	assert "it succeeds" equal "$STATUS" 0
	assert "the script saw it end" fails grep -q "do not end" "$OUT"
	assert "nothing is left" left_nothing 1
}

processes_should_end_when_they_are_stopped() {
	local start=$SECONDS
	run_script OWN_PATIENCE=5 <<-'EOF'
		own_processes
		echo "$OWN_FOLDER" >"$WORK/folder"
		start asleep bash -c 'echo $$ >"$PIDS"; exec sleep 300'
		wait_until 10 test -s "$PIDS"
		kill -STOP "$STARTED"
	EOF
	assert "it succeeds" equal "$STATUS" 0
	assert "it did not have to be killed" test $((SECONDS - start)) -lt 4
	assert "nothing is left" left_nothing 1
}

processes_should_end_when_the_script_is_killed() {
	local id
	write_script <<-'EOF'
		own_processes
		echo "$OWN_FOLDER" >"$WORK/folder"
		start one bash -c 'echo $$ >"$PIDS"; exec sleep 300'
		while true; do sleep 0.1; done
	EOF
	bash "$WORK/script" >"$OUT" 2>&1 &
	id=$!
	assert "the script starts" wait_until 10 test -s "$PIDS"
	kill -KILL "$id"
	wait "$id" 2>/dev/null || true
	assert "its process ends" wait_until 5 fails alive
	rm -rf -- "$(<"$WORK/folder")"
}

stop_should_end_one_process_when_there_are_several() {
	process_script <<-'EOF'
		stop "$first"
		if running "$first"; then exit 5; fi
		running "$STARTED" || exit 6
	EOF
	outcome bash "$WORK/script"
	assert "one ended and the other did not" equal "$STATUS" 0
	assert "nothing is left" left_nothing 6
}

attended_should_keep_the_status_when_the_command_fails() {
	run_script <<-'EOF'
		own_processes
		attended bash -c 'exit 9'
	EOF
	assert "the status is the command's" equal "$STATUS" 9
}

attended_should_pass_standard_input_when_there_is_some() {
	run_script <<-'EOF'
		own_processes
		attended cat <<<"from outside"
	EOF
	assert "the command reads it" grep -q "from outside" "$OUT"
}

wait_for_port_should_return_when_the_process_listens() {
	have perl || die "the command perl is missing; this test listens with it"
	run_script <<-'EOF'
		own_processes
		port=$(free_port)
		listen='sleep 1; my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]) or die; $s->accept while 1'
		start server perl -MIO::Socket::INET -e "$listen" "$port"
		wait_for_port server "$STARTED" "$port" 10
		port_open "$port"
		echo listens
	EOF
	assert "it succeeds" equal "$STATUS" 0
	assert "it listens" grep -q listens "$OUT"
}

wait_for_port_should_fail_when_the_process_has_ended() {
	run_script <<-'EOF'
		own_processes
		start server bash -c 'echo no such chain; exit 1'
		wait_for_port server "$STARTED" "$(free_port)" 10
		echo went on
	EOF
	assert "it fails" equal "$STATUS" 1
	assert "it says why" grep -q "server has ended before it listened" "$OUT"
	assert "it shows the log" grep -q "no such chain" "$OUT"
}

wait_for_port_should_fail_when_the_time_is_up() {
	run_script <<-'EOF'
		own_processes
		start server sleep 300
		wait_for_port server "$STARTED" "$(free_port)" 1
	EOF
	assert "it fails" equal "$STATUS" 1
	assert "it says why" grep -q "does not listen on port" "$OUT"
}

# ---- setup.sh ----

setup_should_refuse_when_the_way_to_the_wasm_target_is_unknown() {
	outcome env TESSERA_WASM=nix "$SCRIPTS/setup.sh" --check
	assert "it fails" equal "$STATUS" 1
	assert "it names the value" grep -q "TESSERA_WASM is 'nix'" "$OUT"
}

setup_should_refuse_when_an_argument_is_unknown() {
	outcome "$SCRIPTS/setup.sh" --chekc
	assert "it fails" equal "$STATUS" 1
	assert "it names the argument" grep -q "unknown argument: --chekc" "$OUT"
}

# ---- Running them ----

main() {
	local tests=() name status failed=0
	export SCRIPTS WORK OUT PIDS
	if (($# > 0)); then
		tests=("$@")
	else
		mapfile -t tests < <(compgen -A function | grep -E '_should_.*_when_')
	fi
	for name in "${tests[@]}"; do
		WORK=$(mktemp -d "${TMPDIR:-/tmp}/tessera-scripts.XXXXXX")
		OUT=$WORK/out
		PIDS=$WORK/pids
		: >"$OUT"
		: >"$PIDS"
		# A subshell by itself, neither after `if` nor before `||`, stops at the first command that fails.
		set +e
		(
			set -e
			"$name"
		) >"$WORK/log" 2>&1
		status=$?
		set -e
		if ((status == 0)); then
			printf 'ok      %s\n' "$name"
		else
			printf 'FAILED  %s\n' "$name"
			tail -n 30 "$WORK/log" "$OUT" | sed 's/^/  | /'
			failed=$((failed + 1))
		fi
		rm -rf -- "$WORK"
	done
	((${#tests[@]} > 0)) || die "found no tests"
	((failed == 0)) || die "$failed of ${#tests[@]} tests of the scripts failed"
	say "${#tests[@]} tests of the scripts passed"
}

main "$@"
