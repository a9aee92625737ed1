// SPDX-License-Identifier: Apache-2.0

//! The chains that the node knows, by id: `dev` and `local`, whose genesis is a preset of the runtime that is built
//! into the node, and any other chain as a file.

use sc_chain_spec::{ChainSpecExtension, ChainType, Properties};
use sc_client_api::{BadBlocks, ForkBlocks};
use serde::{Deserialize, Serialize};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use std::path::Path;
use tessera_runtime::{WASM_BINARY, opaque::Block};

/// First part of the names of all network protocols, so that nodes of other chains are told apart at once.
const PROTOCOL_ID: &str = "tessera";

/// What a chain specification may hold beyond the standard fields. Neither is part of genesis, so operators can add
/// them to a running chain's file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ChainSpecExtension)]
#[serde(rename_all = "camelCase")]
pub struct Extensions {
	/// Block numbers with the only hash that is accepted there.
	pub fork_blocks: ForkBlocks<Block>,
	/// Hashes of blocks that are never imported.
	pub bad_blocks: BadBlocks<Block>,
}

/// A chain specification of this node.
pub type ChainSpec = sc_service::GenericChainSpec<Extensions>;

/// The chain with this id, or in the file with this path. The error says what is wrong and what to type instead.
pub fn load(id: &str) -> Result<ChainSpec, String> {
	match id {
		"" => Err("no chain is chosen: add --dev for a chain of one validator on this machine, \
			--chain local for a test network, or --chain PATH for the network whose chain specification is in that file"
			.into()),
		"dev" => preset(
			"Tessera Development",
			"tessera_dev",
			ChainType::Development,
			DEV_RUNTIME_PRESET,
		),
		"local" => preset(
			"Tessera Local Testnet",
			"tessera_local",
			ChainType::Local,
			LOCAL_TESTNET_RUNTIME_PRESET,
		),
		path => file(Path::new(path)),
	}
}

fn preset(name: &str, id: &str, chain_type: ChainType, preset: &str) -> Result<ChainSpec, String> {
	let wasm = WASM_BINARY.ok_or(
		"this node was built without its runtime (SKIP_WASM_BUILD was set) and knows no chain of its own: \
		build it without that variable, or give a raw chain specification with --chain PATH",
	)?;
	Ok(ChainSpec::builder(wasm, Extensions::default())
		.with_name(name)
		.with_id(id)
		.with_chain_type(chain_type)
		.with_protocol_id(PROTOCOL_ID)
		.with_properties(properties())
		.with_genesis_config_preset_name(preset)
		.build())
}

fn file(path: &Path) -> Result<ChainSpec, String> {
	let shown = path.display();
	if !path.is_file() {
		return Err(format!(
			"--chain {shown}: this is neither a chain that the node knows (dev, local) nor a file"
		));
	}
	ChainSpec::from_json_file(path.into()).map_err(|error| {
		format!(
			"{shown} is not a chain specification ({error}): \
			take the file that the network's operators publish, or write one with `tessera-node export-chain-spec`"
		)
	})
}

/// What wallets need to show amounts and addresses. They must agree with the runtime's constants; a test of the
/// runtime says so.
fn properties() -> Properties {
	let mut properties = Properties::new();
	properties.insert("tokenSymbol".into(), "TESS".into());
	properties.insert("tokenDecimals".into(), 12.into());
	properties.insert("ss58Format".into(), 42.into());
	properties
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::io::Write;

	fn error(id: &str) -> String {
		load(id).err().expect("the chain must be refused")
	}

	#[test]
	fn load_should_say_what_to_choose_when_no_chain_is_given() {
		let text = error("");
		assert!(
			text.contains("--dev") && text.contains("--chain local") && text.contains("--chain PATH"),
			"{text}"
		);
	}

	#[test]
	fn load_should_name_the_known_chains_when_the_file_is_missing() {
		let text = error("/no/such/chain.json");
		assert!(text.contains("/no/such/chain.json") && text.contains("dev, local"), "{text}");
	}

	#[test]
	fn load_should_name_the_file_when_it_holds_no_chain_specification() {
		let mut file = tempfile::NamedTempFile::new().unwrap();
		file.write_all(b"{ \"name\": \"half of a sp").unwrap();
		let path = file.path().to_str().unwrap();
		let text = error(path);
		assert!(text.contains(path) && text.contains("export-chain-spec"), "{text}");
	}

	#[test]
	fn load_should_refuse_when_the_path_is_a_folder() {
		let text = error("/");
		assert!(text.contains("nor a file"), "{text}");
	}

	#[test]
	fn extensions_should_be_optional_when_a_file_is_read() {
		let extensions: Extensions = serde_json::from_str("{}").unwrap();
		assert!(extensions.fork_blocks.is_none() && extensions.bad_blocks.is_none());
		let hash = format!("0x{}", "11".repeat(32));
		let extensions: Extensions =
			serde_json::from_str(&format!(r#"{{ "badBlocks": ["{hash}"], "forkBlocks": [[7, "{hash}"]] }}"#))
				.unwrap();
		assert_eq!(extensions.bad_blocks.map(|blocks| blocks.len()), Some(1));
		assert_eq!(extensions.fork_blocks.map(|blocks| blocks.len()), Some(1));
	}
}
