// SPDX-License-Identifier: Apache-2.0

//! Blocks without consensus, for tests: they are made when a test says so and are final at once, so a test waits
//! for nothing. The blocks are such as BABE's runtime side accepts; no other node would.
//!
//! `engine_createBlock(createEmpty, finalize, parent)` should be called with `true, true, null`: with `createEmpty`
//! false the engine takes a block with a single transaction for empty, because it compares the number of extrinsics
//! with the number of kinds of inherent data, of which BABE's has no extrinsic.

use crate::{
	cli::Sealing,
	inherents::BlockClock,
	service::{FullBlockImport, FullClient, FullPool, FullSelectChain},
};
use futures::{
	StreamExt,
	channel::mpsc::{Receiver, Sender, channel},
	future::ready,
	stream::{BoxStream, select},
};
use sc_basic_authorship::ProposerFactory;
use sc_consensus_babe::BabeLink;
use sc_consensus_manual_seal::{
	EngineCommand, ManualSealParams, consensus::babe::BabeConsensusDataProvider, run_manual_seal,
};
use sc_service::{ChainType, Configuration, SpawnEssentialTaskHandle, error::Error as ServiceError};
use sc_transaction_pool_api::TransactionPool;
use sp_keystore::KeystorePtr;
use std::sync::Arc;
use tessera_runtime::{Hash, opaque::Block};

/// Commands that may wait for the engine. `engine_createBlock` waits for its place beyond that.
const COMMANDS: usize = 1000;

/// An order to make or to finalize a block.
pub type Command = EngineCommand<Hash>;

/// The two ends of the queue of orders: for RPC and for [`start`].
pub fn commands() -> (Sender<Command>, Receiver<Command>) {
	channel(COMMANDS)
}

/// Refuses sealing where it would make a chain that nobody else can follow, or where there is no author.
pub fn check(mode: Sealing, config: &Configuration) -> Result<(), String> {
	let flag = match mode {
		Sealing::Manual => "--sealing manual",
		Sealing::Instant => "--sealing instant",
	};
	if config.chain_spec.chain_type() != ChainType::Development {
		return Err(format!(
			"{flag} makes blocks without consensus, which the chain \"{}\" does not allow: \
			use --dev, or leave {flag} out",
			config.chain_spec.name()
		));
	}
	if !config.role.is_authority() {
		return Err(format!("{flag} needs an author of blocks and this node has none: add --dev or --alice"));
	}
	Ok(())
}

/// What the engine needs of the node.
pub struct SealParams {
	/// When blocks are made.
	pub mode: Sealing,
	/// Orders from RPC.
	pub commands: Receiver<Command>,
	/// Where the engine runs.
	pub spawner: SpawnEssentialTaskHandle,
	/// Builds the blocks.
	pub proposer: ProposerFactory<FullPool, FullClient>,
	/// Imports them.
	pub block_import: FullBlockImport,
	/// BABE's epochs.
	pub babe_link: BabeLink<Block>,
	/// The client.
	pub client: Arc<FullClient>,
	/// The transaction pool.
	pub pool: Arc<FullPool>,
	/// Finds the parent of a new block.
	pub select_chain: FullSelectChain,
	/// Holds the author's key.
	pub keystore: KeystorePtr,
}

/// Starts making blocks. Fails where the runtime does not tell BABE's configuration.
pub fn start(params: SealParams) -> Result<(), ServiceError> {
	let SealParams {
		mode,
		commands,
		spawner,
		proposer,
		block_import,
		babe_link,
		client,
		pool,
		select_chain,
		keystore,
	} = params;

	let digests = BabeConsensusDataProvider::new(
		client.clone(),
		keystore,
		babe_link.epoch_changes().clone(),
		babe_link.config().authorities.clone(),
	)
	.map_err(|error| ServiceError::Other(format!("sealing cannot use BABE's configuration: {error}")))?;

	let commands_stream: BoxStream<'static, Command> = match mode {
		Sealing::Manual => commands.boxed(),
		Sealing::Instant => {
			let waiting = pool.clone();
			let on_transaction = pool
				.import_notification_stream()
				// One block takes all that is waiting: what is left of the notifications is stale by then.
				.filter(move |_| ready(waiting.status().ready > 0))
				.map(|_| EngineCommand::SealNewBlock {
					// With false a block with one transaction would be taken for empty: see above.
					create_empty: true,
					finalize: true,
					parent_hash: None,
					sender: None,
				});
			select(commands, on_transaction).boxed()
		}
	};

	let engine = run_manual_seal(ManualSealParams {
		block_import,
		env: proposer,
		client: client.clone(),
		pool,
		commands_stream,
		select_chain,
		consensus_data_provider: Some(Box::new(digests)),
		create_inherent_data_providers: BlockClock::AfterBest(client),
	});
	spawner.spawn_blocking("sealing", Some("block-authoring"), engine);
	Ok(())
}
