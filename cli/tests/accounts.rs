// SPDX-License-Identifier: Apache-2.0

//! Keys and accounts.

mod common;

use std::fs;

use common::{ALICE, Place, documented, fails, json, stderr, stdout};
use serde_json::json;

#[test]
fn new_key_should_be_listed_shown_and_used() {
	let place = Place::new();
	let assert = place.run(["account", "new", "tenant"]).success();
	assert!(stderr(&assert).contains("write the phrase down"));
	let made = stdout(&assert);
	let phrase = made.lines().find_map(|line| line.strip_prefix("phrase")).expect("a phrase").trim();
	assert_eq!(phrase.split(' ').count(), 12);

	let list = json(&place.run(["--json", "account", "list"]).success());
	assert_eq!(list["accounts"][0]["name"], json!("tenant"));
	let account = list["accounts"][0]["account"].as_str().expect("an account").to_owned();
	assert!(made.contains(&account));
	let shown = |args: [&str; 4]| json(&place.run(args).success())["account"].clone();
	assert_eq!(shown(["--json", "account", "show", "tenant"]), json!(account));
	// The phrase is the key.
	let same = place.command().args(["--json", "account", "show", "--account", phrase]).assert().success();
	assert_eq!(json(&same)["account"], json!(account));
}

#[test]
fn default_key_should_be_made_and_used_when_none_is_named() {
	let place = Place::new();
	fails(
		place.run(["account", "show"]),
		2,
		&["no account is named", "TESSERA_ACCOUNT", "tessera account new"],
	);
	assert_eq!(
		stdout(&place.run(["account", "list"]).success()).trim(),
		"there are no keys: `tessera account new` makes one"
	);
	let made = json(&place.run(["--json", "account", "new"]).success());
	documented(&made);
	documented(&json(&place.run(["--json", "account", "list"]).success()));
	assert_eq!(made["name"], json!("default"));
	assert_eq!(json(&place.run(["--json", "account", "show"]).success())["account"], made["account"]);
}

#[test]
fn key_should_never_be_overwritten() {
	let place = Place::new();
	place.run(["account", "new", "a"]).success();
	let before = fs::read(place.path("data/keys/a")).expect("a key");
	fails(place.run(["account", "new", "a"]), 3, &["exists already", "never overwritten"]);
	assert_eq!(fs::read(place.path("data/keys/a")).expect("a key"), before);
	fails(place.run(["account", "new", "../a"]), 3, &["`../a` cannot be the name of a key"]);
}

#[cfg(unix)]
#[test]
fn key_should_be_readable_by_its_user_alone() {
	use std::os::unix::fs::PermissionsExt;
	let place = Place::new();
	place.run(["account", "new", "a"]).success();
	let path = place.path("data/keys/a");
	assert_eq!(fs::metadata(&path).expect("a key").permissions().mode() & 0o777, 0o600);
	fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("our own file");
	fails(place.run(["account", "show", "--account", "a"]), 3, &["other users", "chmod 600"]);
	let list = json(&place.run(["--json", "account", "list"]).success());
	assert_eq!(list["unreadable"][0]["name"], json!("a"));
}

#[test]
fn development_keys_and_addresses_should_be_shown() {
	let place = Place::new();
	for name in ["//Alice", ALICE] {
		let shown = json(&place.run(["--json", "account", "show", name]).success());
		assert_eq!(shown["account"], json!(ALICE));
		assert_eq!(
			shown["public_key"],
			json!("0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d")
		);
	}
}

#[test]
fn account_should_be_refused_when_it_is_none() {
	let place = Place::new();
	place.run(["account", "new", "mine"]).success();
	let typo = ALICE.replace('Q', "R");
	for wrong in ["nobody", "0x12", typo.as_str()] {
		fails(place.run(["account", "balance", wrong]), 3, &[wrong, "SS58"]);
	}
	// Who signs needs a key.
	fails(
		place.run(["provider", "pause", "--account", "nobody"]),
		3,
		&["no key `nobody`", "mine", "tessera account new nobody"],
	);
	fails(place.run(["provider", "pause", "--account", ALICE]), 3, &["cannot sign"]);
	fails(place.run(["provider", "pause", "--account", "keys/none"]), 3, &["no key file keys/none"]);
	// What is nearly a secret is not repeated.
	let assert = place.run(["provider", "pause", "--account", "bottom drive obey lake"]);
	assert!(!stderr(&assert).contains("obey"));
	fails(assert, 3, &["is not a key", "12 or 24 words"]);
	fails(place.run(["provider", "pause"]), 2, &["no account is named"]);
}
