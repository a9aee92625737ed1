// SPDX-License-Identifier: Apache-2.0

//! Without a node.

mod common;

use common::{Place, fails, stderr};
use serde_json::Value;

const ID: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

#[test]
fn commands_should_end_with_5_when_no_node_answers() {
	let place = Place::with_examples();
	let all: [&[&str]; 14] = [
		&["market"],
		&["account", "balance", "//Alice"],
		&["account", "transfer", "//Bob", "1TESS", "--account", "//Alice"],
		&["provider", "list"],
		&["provider", "show", "//Alice"],
		&["provider", "bond", "1TESS", "--account", "//Alice"],
		&["provider", "unbond", "all", "--account", "//Alice"],
		&["program", "register", "--account", "//Alice"],
		&["program", "show", ID],
		&["job", "submit", "--account", "//Alice"],
		&["job", "list", "//Alice"],
		&["job", "watch", ID],
		&["job", "fetch", ID],
		&["job", "cancel", ID, "--account", "//Alice"],
	];
	for args in all {
		let assert = place.command().args(["--connect-timeout", "1"]).args(args).assert();
		fails(assert, 5, &["no node answers at ws://127.0.0.1:", "start one", "--url"]);
	}
}

#[test]
fn address_should_be_refused_when_it_is_no_websocket() {
	let place = Place::new();
	fails(place.run(["--url", "http://127.0.0.1:9944", "market"]), 2, &["`http://127.0.0.1:9944`", "ws://"]);
}

#[test]
fn failure_should_be_one_object_with_json() {
	let place = Place::with_examples();
	let failure = |assert: assert_cmd::assert::Assert| -> Value {
		assert!(assert.get_output().stdout.is_empty());
		let text = stderr(&assert);
		assert_eq!(text.lines().count(), 1, "{text}");
		serde_json::from_str(&text).expect("JSON")
	};
	let error = failure(place.run(["--json", "market"]));
	assert_eq!(error["error"]["exit"], 5);
	assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("no node answers")));
	assert!(error["error"]["help"].is_string());
	place.replace("job.toml", "tasks = 4 ", "tasks = 0 ");
	let error = failure(place.run(["job", "quote", "--json"]));
	assert_eq!(error["error"]["exit"], 3);
}
