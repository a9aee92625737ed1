// SPDX-License-Identifier: Apache-2.0

//! What each command does.

use crate::{
	chain_spec,
	cli::{Cli, Command},
	dev_seal,
	service::{self, FullBackend, FullClient, Partial},
};
use sc_cli::{ChainSpec, KeySubcommand, SubstrateCli};
use sc_network::{Litep2pNetworkBackend, NetworkWorker, config::NetworkBackendType};
use sc_service::error::Error as ServiceError;
use std::sync::Arc;
use tessera_runtime::{Hash, opaque::Block};

impl SubstrateCli for Cli {
	fn impl_name() -> String {
		"Tessera Node".into()
	}

	fn impl_version() -> String {
		env!("SUBSTRATE_CLI_IMPL_VERSION").into()
	}

	fn description() -> String {
		env!("CARGO_PKG_DESCRIPTION").into()
	}

	fn author() -> String {
		env!("CARGO_PKG_AUTHORS").into()
	}

	fn support_url() -> String {
		"docs/ in the node's repository".into()
	}

	fn copyright_start_year() -> i32 {
		2026
	}

	fn load_spec(&self, id: &str) -> Result<Box<dyn ChainSpec>, String> {
		chain_spec::load(id).map(|spec| Box::new(spec) as Box<dyn ChainSpec>)
	}
}

/// Runs the command in the process's arguments until it is done or, for a node, until a signal comes.
pub fn run() -> sc_cli::Result<()> {
	let cli = Cli::from_args();
	match &cli.subcommand {
		// A node key belongs to no chain as long as it is not written to a chain's folder.
		Some(Command::Key(KeySubcommand::GenerateNodeKey(cmd))) if cmd.chain.is_none() => cmd.common.run(),
		Some(Command::Key(cmd)) => cmd.run(&cli),
		Some(Command::ExportChainSpec(cmd)) => cmd.run(cli.load_spec(&cmd.chain)?),
		Some(Command::CheckBlock(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, import_queue, .. } = service::new_partial(&config, None)?;
			Ok((cmd.run(client, import_queue), task_manager))
		}),
		Some(Command::ExportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, .. } = service::new_partial(&config, None)?;
			Ok((cmd.run(client, config.database), task_manager))
		}),
		Some(Command::ExportState(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, .. } = service::new_partial(&config, None)?;
			Ok((cmd.run(client, config.chain_spec), task_manager))
		}),
		Some(Command::ImportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, import_queue, .. } = service::new_partial(&config, None)?;
			Ok((cmd.run(client, import_queue), task_manager))
		}),
		Some(Command::PurgeChain(cmd)) => cli.create_runner(cmd)?.sync_run(|config| cmd.run(config.database)),
		Some(Command::Revert(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, backend, .. } = service::new_partial(&config, None)?;
			let revert_consensus = Box::new(|client: Arc<FullClient>, backend: Arc<FullBackend>, blocks| {
				sc_consensus_babe::revert(client.clone(), backend, blocks)?;
				sc_consensus_grandpa::revert(client, blocks)?;
				Ok(())
			});
			Ok((cmd.run(client, backend, Some(revert_consensus)), task_manager))
		}),
		Some(Command::ChainInfo(cmd)) => cli.create_runner(cmd)?.sync_run(|config| cmd.run::<Block>(&config)),
		None => run_node(&cli),
	}
}

fn run_node(cli: &Cli) -> sc_cli::Result<()> {
	let runner = cli.create_runner(&cli.run)?;
	if let Some(mode) = cli.sealing {
		dev_seal::check(mode, runner.config())?;
	}
	let options = service::Options { sealing: cli.sealing, hardware_benchmarks: cli.hardware_benchmarks };
	runner.run_node_until_exit(|config| async move {
		match config.network.network_backend {
			NetworkBackendType::Litep2p => service::start::<Litep2pNetworkBackend>(config, options),
			NetworkBackendType::Libp2p => service::start::<NetworkWorker<Block, Hash>>(config, options),
		}
		.map_err(|error: ServiceError| sc_cli::Error::from(error))
	})
}
