// SPDX-License-Identifier: Apache-2.0

//! The command line itself.

mod common;

use common::{Place, fails, stderr, stdout};

#[test]
fn help_should_document_every_command_and_exit_code() {
	let place = Place::new();
	let help = stdout(&place.run(["--help"]).success());
	for command in ["program", "job", "serve", "provider", "market", "account", "completions"] {
		assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
	}
	for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 "] {
		assert!(help.contains(&format!("\n  {code}")), "{code}: {help}");
	}
	assert!(help.contains("TESSERA_URL") && help.contains("ws://127.0.0.1:9944"), "{help}");
}

#[test]
fn subcommands_should_be_those_that_are_documented() {
	let place = Place::new();
	let all: [(&str, &[&str]); 4] = [
		("program", &["init", "pack", "check", "register", "show", "retire"]),
		("job", &["init", "quote", "submit", "watch", "fetch", "cancel", "list", "show", "clean-up"]),
		(
			"provider",
			&[
				"list",
				"show",
				"register",
				"update",
				"set-worker-key",
				"bond",
				"unbond",
				"withdraw",
				"pause",
				"resume",
				"deregister",
			],
		),
		("account", &["new", "show", "balance", "transfer", "list"]),
	];
	for (command, subcommands) in all {
		let help = stdout(&place.run([command, "--help"]).success());
		for subcommand in subcommands {
			assert!(help.contains(&format!("\n  {subcommand} ")), "{command} {subcommand}: {help}");
			let own = stdout(&place.run([command, subcommand, "--help"]).success());
			assert!(own.contains("Usage: tessera"), "{own}");
		}
	}
}

#[test]
fn version_should_be_that_of_the_package() {
	let place = Place::new();
	let version = stdout(&place.run(["--version"]).success());
	assert_eq!(version.trim(), format!("tessera {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_should_be_written_for_every_shell() {
	let place = Place::new();
	for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
		let script = stdout(&place.run(["completions", shell]).success());
		assert!(script.contains("set-worker-key"), "{shell}");
	}
	fails(place.run(["completions", "tcsh"]), 2, &["tcsh", "bash"]);
}

#[test]
fn unknown_words_should_be_usage_errors() {
	let place = Place::new();
	fails(place.run(["jobs"]), 2, &["unrecognized subcommand 'jobs'"]);
	fails(place.run(["job", "submit", "--gently"]), 2, &["--gently"]);
	fails(place.run(["provider", "bond"]), 2, &["<AMOUNT>"]);
	fails(place.run(["market", "--connect-timeout", "0"]), 2, &["whole number of seconds"]);
	fails(place.run(["job", "submit", "--client-id", "12"]), 2, &["`12` is not an id", "64 hex digits"]);
	fails(place.run(["job", "fetch", "0x123456", "--tasks", "5-3"]), 2, &["0,3-5"]);
	fails(place.run(["job", "submit", "--detach", "--fetch", "out"]), 2, &["--fetch"]);
	fails(place.run(["serve", "--listen", "localhost"]), 2, &["localhost"]);
}

#[test]
fn command_without_arguments_should_show_help() {
	let place = Place::new();
	let assert = place.command().assert().code(2);
	assert!(stderr(&assert).contains("Usage: tessera"));
}

#[test]
fn amounts_should_be_refused_with_what_to_write_instead() {
	let place = Place::new();
	let all = [
		("5", "has no unit"),
		("5 tess", "TESS, mTESS, uTESS, planck"),
		("-1TESS", "unexpected argument"),
		("0.5planck", "not a whole number of planck"),
		("much", "0.5 TESS"),
		("999999999999999999999999999999TESS", "too large"),
	];
	for (amount, text) in all {
		fails(place.run(["provider", "bond", amount]), 2, &[text]);
		fails(place.run(["account", "transfer", "//Bob", amount]), 2, &[text]);
	}
	fails(place.run(["provider", "unbond", "5"]), 2, &["has no unit"]);
	fails(place.run(["account", "transfer", "//Bob", "0TESS"]), 2, &["zero"]);
}
