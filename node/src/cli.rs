// SPDX-License-Identifier: Apache-2.0

//! The command line.

use clap::{Parser, Subcommand, ValueEnum};
use sc_cli::{
	ChainInfoCmd, CheckBlockCmd, ExportBlocksCmd, ExportChainSpecCmd, ExportStateCmd, ImportBlocksCmd,
	KeySubcommand, PurgeChainCmd, RevertCmd, RunCmd,
};

/// `tessera-node [OPTIONS]` runs a node, `tessera-node <COMMAND>` works on its files.
#[derive(Debug, Parser)]
pub struct Cli {
	/// Work on the node's files instead of running it.
	#[command(subcommand)]
	pub subcommand: Option<Command>,

	/// Options of every Substrate node.
	#[command(flatten)]
	pub run: RunCmd,

	/// Make blocks without consensus. For tests: works with --dev only.
	#[arg(long, value_name = "MODE", value_enum)]
	pub sealing: Option<Sealing>,

	/// Measure CPU, memory and disk before the node starts (takes some seconds), log the scores and send them to
	/// telemetry where it is on.
	#[arg(long)]
	pub hardware_benchmarks: bool,
}

/// When a block is made with `--sealing`. Every such block is final at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sealing {
	/// When `engine_createBlock` asks for one.
	Manual,
	/// When a transaction reaches the pool, and when `engine_createBlock` asks for one.
	Instant,
}

/// What can be done with a node that does not run.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Make, inspect and insert keys.
	#[command(subcommand, mut_subcommand("generate-node-key", saved_where_the_chain_is))]
	Key(KeySubcommand),

	/// Write a chain specification as JSON.
	ExportChainSpec(ExportChainSpecCmd),

	/// Check a block that is in the database by importing it again.
	CheckBlock(CheckBlockCmd),

	/// Write blocks to a file.
	ExportBlocks(ExportBlocksCmd),

	/// Write the state of a block as a raw chain specification.
	ExportState(ExportStateCmd),

	/// Import blocks from a file.
	ImportBlocks(ImportBlocksCmd),

	/// Remove the chain from the disk. Keys stay.
	PurgeChain(PurgeChainCmd),

	/// Take back blocks that are not final.
	Revert(RevertCmd),

	/// Show where the chain in the database stands.
	ChainInfo(ChainInfoCmd),
}

/// A node key goes into a chain's folder or, without a base path, belongs to no chain. There is no default chain.
fn saved_where_the_chain_is(generate_node_key: clap::Command) -> clap::Command {
	generate_node_key
		.mut_arg("base_path", |arg| arg.requires("chain"))
		.mut_arg("default_base_path", |arg| arg.requires("chain"))
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn command_line_should_be_consistent() {
		Cli::command().debug_assert();
	}

	#[test]
	fn sealing_should_be_none_when_it_is_not_asked_for() {
		assert_eq!(Cli::parse_from(["tessera-node", "--dev"]).sealing, None);
		assert_eq!(
			Cli::parse_from(["tessera-node", "--dev", "--sealing", "manual"]).sealing,
			Some(Sealing::Manual)
		);
		assert_eq!(
			Cli::parse_from(["tessera-node", "--dev", "--sealing", "instant"]).sealing,
			Some(Sealing::Instant)
		);
	}

	#[test]
	fn sealing_should_be_refused_when_the_mode_is_unknown() {
		let error = Cli::try_parse_from(["tessera-node", "--dev", "--sealing", "sometimes"]).unwrap_err();
		let text = error.to_string();
		assert!(text.contains("sometimes") && text.contains("manual") && text.contains("instant"), "{text}");
	}

	#[test]
	fn node_key_should_need_a_chain_when_it_is_saved_in_a_base_path() {
		let parse = |arguments: &[&str]| {
			Cli::try_parse_from([&["tessera-node", "key", "generate-node-key"], arguments].concat())
		};
		for arguments in [&["--base-path", "data"][..], &["--default-base-path"]] {
			let error = parse(arguments).unwrap_err().to_string();
			assert!(error.contains("--chain"), "{error}");
			assert!(parse(&[arguments, &["--chain", "local"]].concat()).is_ok());
		}
		assert!(parse(&[]).is_ok());
		assert!(parse(&["--file", "key"]).is_ok());
	}
}
