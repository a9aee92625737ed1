// SPDX-License-Identifier: Apache-2.0

//! What the node adds to the JSON-RPC methods of `sc-service` (author, chain, state, system, rpc-spec-v2):
//!
//! - `system_accountNextIndex`, `system_dryRun`, `payment_*`: what wallets expect;
//! - `babe_*`, `grandpa_*`: what operators and bridges expect;
//! - `compute_*`: the market in one call each ([`compute`]);
//! - `engine_*`: only with `--sealing`.

pub mod compute;
pub mod json;

use crate::{
	dev_seal,
	service::{FullBackend, FullClient, FullPool, FullSelectChain},
};
use compute::Compute;
use futures::channel::mpsc::Sender;
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_babe_rpc::{Babe, BabeApiServer};
use sc_consensus_grandpa::{
	FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_consensus_manual_seal::rpc::{ManualSeal, ManualSealApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sc_service::error::Error as ServiceError;
use sp_keystore::KeystorePtr;
use sp_runtime::traits::NumberFor;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};
use tessera_runtime::{Hash, opaque::Block};

/// What the methods need of the node.
pub struct FullDeps {
	/// The client.
	pub client: Arc<FullClient>,
	/// The transaction pool.
	pub pool: Arc<FullPool>,
	/// Finds the best block.
	pub select_chain: FullSelectChain,
	/// The node's keys.
	pub keystore: KeystorePtr,
	/// Knows BABE's epochs.
	pub babe_worker: BabeWorkerHandle<Block>,
	/// Where GRANDPA's current round stands.
	pub voter_state: SharedVoterState,
	/// Who votes in GRANDPA.
	pub authority_set: SharedAuthoritySet<Hash, NumberFor<Block>>,
	/// GRANDPA's justifications as they are made.
	pub justifications: GrandpaJustificationStream<Block>,
	/// Proves that a block is final.
	pub finality_proofs: Arc<FinalityProofProvider<FullBackend, Block>>,
	/// Orders blocks, where the node makes them on order.
	pub sealing: Option<Sender<dev_seal::Command>>,
}

/// The methods of this node. `executor` runs subscriptions.
pub fn create_full(
	deps: &FullDeps,
	executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, ServiceError> {
	merge(deps, executor).map_err(|error| ServiceError::Application(Box::new(error)))
}

fn merge(deps: &FullDeps, executor: SubscriptionTaskExecutor) -> Result<RpcModule<()>, RegisterMethodError> {
	let mut module = RpcModule::new(());
	module.merge(System::new(deps.client.clone(), deps.pool.clone()).into_rpc())?;
	module.merge(TransactionPayment::new(deps.client.clone()).into_rpc())?;
	module.merge(Compute::new(deps.client.clone()).into_rpc()?)?;
	module.merge(
		Babe::new(
			deps.client.clone(),
			deps.babe_worker.clone(),
			deps.keystore.clone(),
			deps.select_chain.clone(),
		)
		.into_rpc(),
	)?;
	module.merge(
		Grandpa::new(
			executor,
			deps.authority_set.clone(),
			deps.voter_state.clone(),
			deps.justifications.clone(),
			deps.finality_proofs.clone(),
		)
		.into_rpc(),
	)?;
	if let Some(sealing) = &deps.sealing {
		module.merge(ManualSeal::new(sealing.clone()).into_rpc())?;
	}
	Ok(module)
}
