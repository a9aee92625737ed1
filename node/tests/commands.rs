// SPDX-License-Identifier: Apache-2.0

//! Commands that work on files, and what is said when something is wrong.

mod common;

use assert_cmd::{Command, assert::Assert};
use common::{NODE, Node, PATIENCE};
use serde_json::{Value, json};
use std::path::Path;

fn run(arguments: &[&str]) -> Assert {
	Command::new(NODE).args(arguments).timeout(PATIENCE).assert()
}

fn stdout(arguments: &[&str]) -> String {
	String::from_utf8(run(arguments).success().get_output().stdout.clone()).unwrap()
}

/// What a command that must fail says. It may not be a panic.
fn failure(arguments: &[&str]) -> String {
	let said = String::from_utf8(run(arguments).failure().get_output().stderr.clone()).unwrap();
	assert!(!said.contains("panicked"), "{said}");
	said
}

fn json_of(text: &str) -> Value {
	serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

#[test]
fn export_chain_spec_should_write_the_chains_that_the_node_knows() {
	for (chain, id, chain_type) in
		[("dev", "tessera_dev", "Development"), ("local", "tessera_local", "Local")]
	{
		let spec = json_of(&stdout(&["export-chain-spec", "--chain", chain]));
		assert_eq!((&spec["id"], &spec["chainType"]), (&json!(id), &json!(chain_type)));
		assert_eq!(spec["protocolId"], "tessera");
		assert_eq!(
			spec["properties"],
			json!({ "tokenSymbol": "TESS", "tokenDecimals": 12, "ss58Format": 42 })
		);
		assert!(spec["genesis"]["runtimeGenesis"]["code"].as_str().is_some_and(|code| code.len() > 1000));
	}
}

#[test]
fn chain_specification_file_should_give_the_same_genesis_as_the_chain_that_it_came_from() {
	let folder = tempfile::tempdir().unwrap();
	let plain = folder.path().join("local.json");
	let plain = plain.to_str().unwrap();
	let said = stdout(&["export-chain-spec", "--chain", "local", "--output", plain]);
	assert!(said.contains(plain), "{said}");

	let raw = json_of(&stdout(&["export-chain-spec", "--chain", "local", "--raw"]));
	assert!(raw["genesis"]["raw"]["top"].as_object().is_some_and(|top| top.len() > 10));
	let from_file = json_of(&stdout(&["export-chain-spec", "--chain", plain, "--raw"]));
	assert_eq!(from_file["genesis"], raw["genesis"]);
}

#[test]
fn node_should_say_what_is_wrong_when_the_chain_is_unknown() {
	let said = failure(&["--chain", "nowhere", "--tmp"]);
	assert!(said.contains("nowhere") && said.contains("dev, local"), "{said}");
	let said = failure(&["export-chain-spec", "--chain", "nowhere"]);
	assert!(said.contains("nowhere") && said.contains("dev, local"), "{said}");
}

#[test]
fn node_should_say_what_to_choose_when_no_chain_is_given() {
	let said = failure(&["--tmp"]);
	assert!(said.contains("--dev") && said.contains("--chain local"), "{said}");
}

#[test]
fn node_should_name_the_file_when_it_holds_no_chain_specification() {
	let folder = tempfile::tempdir().unwrap();
	let file = folder.path().join("spec.json");
	std::fs::write(&file, "{}").unwrap();
	let file = file.to_str().unwrap();
	let said = failure(&["--chain", file, "--tmp"]);
	assert!(said.contains(file) && said.contains("export-chain-spec"), "{said}");
}

#[test]
fn sealing_should_be_refused_when_the_chain_has_consensus() {
	for mode in ["manual", "instant"] {
		let said = failure(&["--chain", "local", "--tmp", "--sealing", mode]);
		assert!(said.contains(&format!("--sealing {mode}")) && said.contains("--dev"), "{said}");
	}
}

#[test]
fn sealing_should_be_refused_when_the_node_is_no_author() {
	let said = failure(&["--chain", "dev", "--tmp", "--sealing", "manual"]);
	assert!(said.contains("author") && said.contains("--alice"), "{said}");
}

#[test]
fn node_key_should_be_made_without_a_chain() {
	let key = stdout(&["key", "generate-node-key"]);
	assert_eq!(key.trim().len(), 64, "{key}");
	assert!(key.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
}

/// Number of the best block in the database.
fn best_on_disk(folder: &Path) -> u64 {
	let info = json_of(&stdout(&["chain-info", "--dev", "--base-path", folder.to_str().unwrap()]));
	info["best_number"].as_u64().unwrap_or_else(|| panic!("no best block: {info}"))
}

#[tokio::test]
async fn chain_on_disk_should_be_exported_imported_checked_reverted_and_purged() {
	let first = tempfile::tempdir().unwrap();
	let second = tempfile::tempdir().unwrap();
	let folder = first.path().to_str().unwrap();
	let node = Node::start(&["--dev", "--base-path", folder]).await;
	node.until("three blocks are final", async |node| node.finalized().await >= 3).await;
	let hash = node.hash_of(2).await.unwrap();
	assert!(node.stop().await.success());
	let best = best_on_disk(first.path());
	assert!(best >= 3, "{best}");

	run(&["check-block", "--dev", "--base-path", folder, &hash]).success();
	let state = json_of(&stdout(&["export-state", "--dev", "--base-path", folder, &hash]));
	assert!(state["genesis"]["raw"]["top"].as_object().is_some_and(|top| top.len() > 10));

	let blocks = first.path().join("blocks");
	let blocks = blocks.to_str().unwrap();
	run(&["export-blocks", "--dev", "--base-path", folder, "--to", "3", "--binary", blocks]).success();
	let other = second.path().to_str().unwrap();
	run(&["import-blocks", "--dev", "--base-path", other, "--binary", blocks]).success();
	assert_eq!(best_on_disk(second.path()), 3);

	run(&["revert", "--dev", "--base-path", folder, "1"]).success();
	let left = best_on_disk(first.path());
	assert!(left == best || left + 1 == best, "reverted from {best} to {left}");

	let database = first.path().join("chains/tessera_dev/paritydb");
	assert!(database.is_dir());
	let said = stdout(&["purge-chain", "--dev", "--base-path", folder, "-y"]);
	assert!(said.contains("removed"), "{said}");
	assert!(!database.exists());
	assert!(first.path().join("chains/tessera_dev/keystore").is_dir(), "keys outlive the chain");
}
