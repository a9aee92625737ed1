// SPDX-License-Identifier: Apache-2.0

//! The chain: reading it, paying for things on it, working on it, and watching it.
//!
//! This is the only module that knows subxt. What it offers is plain: types of `tessera-primitives`, streams, and
//! errors that say what happened and what to do.
//!
//! - [`Chain`] is a connection that mends itself. It refuses chains that are not Tessera, and runtimes whose shapes
//!   differ from those that this software was built with ([`ChainError::IncompatibleRuntime`]).
//! - [`View`] is the chain at one block: everything read through it belongs together.
//! - [`calls`] builds transactions, [`Chain::submit`] signs, numbers, sends and follows them.
//! - [`Order`] is what a worker asks for without a fee; [`Chain::submit_order`] sends it.
//! - [`Chain::follow`] is the stream of what happens in the market, [`Chain::wait_for_job`] waits for something.
//!
//! # Best and final
//!
//! A block is *best* when the node takes it for the head of the chain, and *final* when no reorganisation can remove
//! it any more ([`Level`]). Workers act on best blocks, since time is money; whoever tells a person that something is
//! settled asks for final ones.
//!
//! # Lost connections
//!
//! A lost connection is mended in the background, for as long as it takes. Questions wait for it for at most
//! [`ConnectOptions::patience`]. Transactions and orders that were under way are sent again as the same bytes, which is
//! harmless however often it happens, and are looked for in the blocks themselves: nothing depends on one message of the
//! node having arrived.
//!
//! # A buyer
//!
//! ```no_run
//! use tessera_client::chain::{Chain, ConnectOptions, Level};
//! # use tessera_client::chain::{AccountSigner, ChainError, H256};
//! # use tessera_primitives::job::JobRequest;
//! # async fn example(tenant: &dyn AccountSigner, client_id: H256, request: JobRequest) -> Result<(), ChainError> {
//! let chain = Chain::connect("ws://127.0.0.1:9944", ConnectOptions::default()).await?;
//! let (job, outcome) = chain.submit_job(tenant, client_id, request, Level::Final).await?;
//! println!("job {job} is in block {}", outcome.block.number);
//! let ended = chain.wait_for_job(job, Level::Final, |job| job.is_none_or(|job| job.ended_at.is_some())).await?;
//! # Ok(())
//! # }
//! ```

mod account;
pub mod calls;
mod connect;
mod error;
mod events;
mod follow;
mod inclusion;
mod nonce;
mod orders;
mod queries;
mod refusal;
// Generated from the metadata: names and documentation are the runtime's.
#[allow(missing_docs, clippy::all, rustdoc::all)]
mod runtime;
mod shape;
mod tx;

pub use account::{AccountBalance, Hold, HoldKind};
pub use calls::Call;
pub use connect::{Chain, ConnectOptions};
pub use error::{ChainError, Failure};
pub use events::{MarketBlock, MarketEvent};
pub use follow::{BlockRef, Level};
pub use orders::{Order, OrderSigner, SignedOrder};
pub use queries::View;
pub use refusal::{OrderRefusal, Refusal, SkipReason, Verdict};
pub use runtime::{jobs::Event as JobsEvent, providers::Event as ProvidersEvent};
pub use subxt::utils::H256;
pub use tx::{AccountSigner, TxOutcome};

use tessera_primitives::{api, job, orders as signed, types};

/// An account, as SS58 text with prefix 42 or as 32 bytes.
pub type AccountId = subxt::utils::AccountId32;
/// Number of a block.
pub type BlockNumber = u32;
/// [`api::JobInfo`] of this chain.
pub type JobInfo = api::JobInfo<AccountId>;
/// [`api::TaskInfo`] of this chain.
pub type TaskInfo = api::TaskInfo<AccountId>;
/// [`api::OpenTask`] of this chain.
pub type OpenTask = api::OpenTask<AccountId>;
/// [`api::OpenTasksPage`] of this chain.
pub type OpenTasksPage = api::OpenTasksPage<AccountId>;
/// [`api::ProviderInfo`] of this chain.
pub type ProviderInfo = api::ProviderInfo<AccountId>;
/// [`job::TaskState`] of this chain.
pub type TaskState = job::TaskState<AccountId>;
/// [`tessera_primitives::orders::HeartbeatOrder`] of this chain.
pub type HeartbeatOrder = signed::HeartbeatOrder<AccountId>;
/// [`tessera_primitives::orders::AcceptOrder`] of this chain.
pub type AcceptOrder = signed::AcceptOrder<AccountId, BlockNumber>;
/// [`tessera_primitives::orders::ClaimOrder`] of this chain.
pub type ClaimOrder = signed::ClaimOrder<AccountId, BlockNumber>;
/// [`tessera_primitives::orders::HandBackOrder`] of this chain.
pub type HandBackOrder = signed::HandBackOrder<AccountId, BlockNumber>;

/// The id that a job of this tenant will have, known before it is submitted.
pub fn job_id(tenant: &AccountId, client_id: &H256) -> types::JobId {
	types::job_id(tenant, client_id)
}

/// What subxt must know of the chain: everything is as usual for Substrate.
type Config = subxt::SubstrateConfig;
