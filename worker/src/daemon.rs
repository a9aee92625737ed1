// SPDX-License-Identifier: Apache-2.0

//! The daemon: takes tasks, works on them, claims the results, serves them.
//!
//! ```text
//!             blocks                      orders
//!   chain ──────────────> conductor ────────────────────> chain
//!                           │ ^
//!               assignments │ │ outcomes
//!                           v │
//!                         workshop ──> GPU children, blob store
//! ```
//!
//! [`conductor`] is one loop over one state, the [journal](crate::journal). It acts on *stages*, not on messages: at every
//! new best block each entry is brought in line with the chain ([`reconcile`]), and then everything that the stages call
//! for and that is not under way is begun: work, claims, hand-backs, new tasks. A message that is lost, an order that
//! never gets into a block, a block that is taken back or a worker that is killed needs no code of its own: the next
//! look puts it right.
//!
//! - [`conductor`]: the loop.
//! - [`gpu`], [`work`]: a task from acceptance to its root; these know the chain's clock and nothing else of it.
//! - [`home`]: the data directory.
//! - [`market`]: open tasks.
//! - [`pace`]: ticks and time.
//! - [`reconcile`]: journal and chain.

pub mod conductor;
pub mod gpu;
pub mod home;
pub mod market;
pub mod pace;
pub mod reconcile;
mod report;
pub mod work;

use std::{future::Future, sync::Arc, time::Duration};

use tessera_client::{
	blobs::{BlobError, BlobNode},
	chain::{AccountId, Chain, ChainError, ConnectOptions},
	keys::KeyError,
};
use tokio::{sync::watch, task::LocalSet, time::timeout};

use crate::{
	config::Settings,
	journal::{Journal, JournalError},
	status::State,
};
use conductor::Conductor;
use gpu::{Gpu, GpuError};
use home::{Home, HomeError};
use report::Reporter;
use work::Workshop;

/// Pauses between tries to reach a node: the first, and the longest.
const CONNECT_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long closing the blob store may take.
const CLOSING: Duration = Duration::from_secs(10);

/// Why a worker stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
	/// The data directory.
	#[error(transparent)]
	Home(#[from] HomeError),
	/// The worker's key.
	#[error(transparent)]
	Key(#[from] KeyError),
	/// The GPU.
	#[error(transparent)]
	Gpu(#[from] GpuError),
	/// The blob store.
	#[error(transparent)]
	Blobs(#[from] BlobError),
	/// The journal.
	#[error(transparent)]
	Journal(#[from] JournalError),
	/// The chain is not the right one.
	#[error(transparent)]
	Chain(ChainError),
	/// Nobody said whose worker this is.
	#[error(
		"whose worker is this? Run `tessera-worker register --owner …` in the same data directory first, or give the \
		 provider's account with --provider"
	)]
	NoProvider,
}

/// Runs a worker until `stop` is ready, or something goes wrong that waiting does not mend. Returns when the GPU
/// processes are ended and the stores are closed; what was begun goes on at the next start.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), DaemonError> {
	let home = Home::at(&settings.data_dir);
	let _lock = home.lock()?;
	let key = home.worker_key()?;
	let me = settings.provider.map_or_else(|| home.provider(), |account| Ok(Some(account)))?;
	let me = me.ok_or(DaemonError::NoProvider)?;
	let mut reporter = Reporter::new(&home, &settings.url, &me, &key.worker_key());
	reporter.write();

	let mut store = None;
	let local = LocalSet::new();
	let work = local.run_until(go(&settings, &home, me, key, &mut reporter, &mut store));
	let result = tokio::select! {
		result = work => result,
		() = stop => Ok(()),
	};
	// All work and orders were dropped with the future, and with them the GPU processes.
	if let Some(blobs) = store
		&& timeout(CLOSING, blobs.shutdown()).await.is_err()
	{
		tracing::warn!("the blob store did not close within {CLOSING:?}; it is repaired at the next start");
	}
	reporter.status.state = if result.is_ok() { State::Stopped } else { State::Failed };
	reporter.status.error = result.as_ref().err().map(ToString::to_string);
	reporter.write();
	result
}

async fn go(
	settings: &Settings,
	home: &Home,
	me: AccountId,
	key: tessera_client::keys::Key,
	reporter: &mut Reporter,
	store: &mut Option<BlobNode>,
) -> Result<(), DaemonError> {
	let scratch = home.empty_scratch()?;
	let tasks = &settings.tasks;
	let gpu =
		Gpu::open(settings.adapter.clone(), scratch.clone(), tasks.memory_overhead, tasks.at_once).await?;
	tracing::info!("using GPU {}", gpu.description());
	let blobs = home.open_blobs(&settings.blobs).await?;
	*store = Some(blobs.clone());
	reporter.has_opened(gpu.description(), &blobs.endpoint_info());
	reporter.write();

	let chain = connect(&settings.url, reporter).await?;
	reporter.status.chain.genesis = Some(format!("{:?}", chain.genesis()));
	let journal = Journal::open(&home.journal(), chain.genesis(), me)?;
	tracing::info!(
		provider = %me,
		worker_key = %key.account(),
		tasks = journal.entries().len(),
		"following the chain at {}",
		chain.url()
	);
	let (clock, ticks) = watch::channel(0);
	let shop = Workshop::new(blobs, gpu, scratch, ticks, settings.policy.max_buffer_bytes);
	let mut conductor = Conductor::new(settings, me, key, chain, Arc::new(shop), journal, clock, reporter);
	conductor.run().await
}

/// Connects to the node, for as long as it takes.
async fn connect(url: &str, reporter: &mut Reporter) -> Result<Chain, DaemonError> {
	reporter.status.state = State::Connecting;
	let mut pause = CONNECT_PAUSES.0;
	loop {
		match Chain::connect(url, ConnectOptions::default()).await {
			Ok(chain) => return Ok(chain),
			Err(error @ (ChainError::BadUrl { .. } | ChainError::NotTessera { .. })) => {
				return Err(DaemonError::Chain(error));
			}
			Err(error) => {
				tracing::warn!("{error}; the worker tries again in {pause:?}");
				reporter.status.error = Some(error.to_string());
				reporter.write();
				tokio::time::sleep(pause).await;
				pause = (pause * 2).min(CONNECT_PAUSES.1);
			}
		}
	}
}
