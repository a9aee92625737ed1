// SPDX-License-Identifier: Apache-2.0

//! The loop: blocks, outcomes and orders in, work and orders out.

mod blocks;
mod orders;
mod taking;
mod tasks;

use std::{
	collections::{BTreeSet, HashMap, HashSet},
	sync::Arc,
	time::{Duration, Instant},
};

use futures::StreamExt;
use tessera_client::{
	chain::{
		AccountId, BlockNumber, BlockRef, Chain, ChainError, Level, MarketBlock, ProviderInfo, TxOutcome,
		View,
	},
	keys::Key,
};
use tessera_primitives::{Tick, api::Clock, provider::Adapter};
use tokio::{
	sync::{mpsc, watch},
	task::{AbortHandle, JoinSet},
	time::{MissedTickBehavior, interval, sleep},
};

use super::{
	DaemonError,
	market::Market,
	pace::Pace,
	report::{Reporter, notices},
	work::{Outcome, Workshop, label, task_of_label},
};
use crate::{
	config::Settings,
	journal::{Entry, Journal, JournalError, Stage, TaskKey},
	register::profile_adapter,
	status::State,
};
use orders::Sent;

/// How often the report is written when nothing happens, and at most when much does.
const REPORT: Duration = Duration::from_secs(1);
const REPORT_AT_MOST: Duration = Duration::from_millis(20);
/// Pause before the chain is followed again after an error.
const FOLLOW_AGAIN: Duration = Duration::from_secs(5);
/// After how long without a block that is said.
const SILENCE: Duration = Duration::from_secs(60);
/// Ticks for which tasks that came to nothing stay in the journal: longer than reorganisations.
const KEEP_UNPAID: Tick = 64;
/// Blocks that wait to be looked at.
const BACKLOG: usize = 256;

/// What was seen at the last block.
struct Seen {
	view: View,
	clock: Clock,
	provider: Option<ProviderInfo>,
}

/// The state of a running worker.
pub struct Conductor<'a> {
	settings: &'a Settings,
	me: AccountId,
	key: Key,
	chain: Chain,
	shop: Arc<Workshop>,
	/// What is registered of the GPU.
	adapter: Adapter,
	journal: Journal,
	clock: watch::Sender<Tick>,
	reporter: &'a mut Reporter,
	market: Market,
	pace: Pace,
	seen: Option<Seen>,
	last_block_at: Instant,
	/// Tasks that events say are ours and that the journal does not know.
	strangers: BTreeSet<TaskKey>,
	/// Work under way.
	work: JoinSet<(TaskKey, Outcome)>,
	working: HashMap<TaskKey, AbortHandle>,
	fetched: (mpsc::UnboundedSender<TaskKey>, mpsc::UnboundedReceiver<TaskKey>),
	/// Orders under way, and the tasks in them.
	orders: JoinSet<(Sent, Result<TxOutcome, ChainError>)>,
	in_orders: HashSet<TaskKey>,
	accepting: bool,
	beating: bool,
	/// The block at which an order for a task failed: it is tried again at a later one.
	tried: HashMap<TaskKey, BlockNumber>,
	/// Tasks whose list was refused as a whole: each gets an order of its own.
	singly: HashSet<TaskKey>,
	/// The block at which the market was looked at; `None` when another look at the same block is worth it.
	looked_at: Option<BlockNumber>,
	/// The block at which tasks were reached for: once a block.
	reached_at: Option<BlockNumber>,
	/// Whether the last look found more than there was room for.
	more_to_take: bool,
	/// The block at which the last heartbeat was sent.
	beaten_at: Option<BlockNumber>,
	/// A health probe of an idle GPU, and when the next one may be.
	probe: JoinSet<()>,
	probe_after: Instant,
	reported_at: Option<Instant>,
	/// Whether something happened since.
	unreported: bool,
}

impl<'a> Conductor<'a> {
	/// A worker with everything open. Nothing happens before [`Self::run`].
	pub fn new(
		settings: &'a Settings,
		me: AccountId,
		key: Key,
		chain: Chain,
		shop: Arc<Workshop>,
		journal: Journal,
		clock: watch::Sender<Tick>,
		reporter: &'a mut Reporter,
	) -> Self {
		Self {
			adapter: profile_adapter(shop.gpu.description(), settings.policy.max_buffer_bytes),
			settings,
			me,
			key,
			chain,
			shop,
			journal,
			clock,
			reporter,
			market: Market::default(),
			pace: Pace::default(),
			seen: None,
			last_block_at: Instant::now(),
			strangers: BTreeSet::new(),
			work: JoinSet::new(),
			working: HashMap::new(),
			fetched: mpsc::unbounded_channel(),
			orders: JoinSet::new(),
			in_orders: HashSet::new(),
			accepting: false,
			beating: false,
			tried: HashMap::new(),
			singly: HashSet::new(),
			looked_at: None,
			reached_at: None,
			more_to_take: false,
			beaten_at: None,
			probe: JoinSet::new(),
			probe_after: Instant::now(),
			reported_at: None,
			unreported: false,
		}
	}

	/// Works until something goes wrong that waiting does not mend. May be dropped at any await. To be polled within a
	/// [`tokio::task::LocalSet`].
	pub async fn run(&mut self) -> Result<(), DaemonError> {
		self.take_stock().await?;
		loop {
			let mut blocks = self.follow().await;
			self.reporter.status.state = State::Running;
			let error = self.attend(&mut blocks).await?;
			if let ChainError::OtherChain { .. } = error {
				return Err(DaemonError::Chain(error));
			}
			tracing::error!(
				"the chain cannot be followed: {error}; the worker tries again in {FOLLOW_AGAIN:?}"
			);
			self.reporter.status.error = Some(error.to_string());
			self.reporter.status.state = State::Connecting;
			self.reporter.write();
			sleep(FOLLOW_AGAIN).await;
		}
	}

	/// Compares the journal with what is on disk: what a crash has left.
	async fn take_stock(&mut self) -> Result<(), DaemonError> {
		let mut changed = Vec::new();
		for (key, entry) in self.journal.entries() {
			let mut again = entry.clone();
			match entry.stage {
				// What was in the way may have been removed with the restart.
				Stage::GivenUp => again.stage = Stage::Accepted,
				Stage::Fetched => again.stage = Stage::Accepted,
				Stage::Computed | Stage::ClaimSent { .. } | Stage::Claimed { .. } | Stage::Settled { .. } => {
					if self.has_outputs(entry).await? {
						continue;
					}
					if matches!(entry.stage, Stage::Computed | Stage::ClaimSent { .. }) {
						tracing::warn!(
							"{key}: its outputs did not survive the last stop; it is computed again"
						);
						again.stage = Stage::Accepted;
					} else {
						tracing::error!(
							"{key}: its outputs are no longer in the blob store: they cannot be served"
						);
						again.note = "its outputs are lost".into();
					}
				}
				_ => continue,
			}
			changed.push((*key, again));
		}
		self.journal.put(changed)?;
		for stray in self.shop.blobs.labels().await? {
			if task_of_label(&stray).is_some_and(|key| self.journal.get(&key).is_none()) {
				self.shop.blobs.release(&stray).await?;
			}
		}
		Ok(())
	}

	async fn has_outputs(&self, entry: &Entry) -> Result<bool, DaemonError> {
		let Some(root) = entry.root else { return Ok(true) };
		let list = tessera_client::outputs::claim_list_blob(root, entry.outputs.len());
		for blob in entry.outputs.iter().chain([&list]) {
			if !self.shop.blobs.has(blob).await? {
				return Ok(false);
			}
		}
		Ok(true)
	}

	/// The chain's blocks from where the journal ends.
	async fn follow(&mut self) -> mpsc::Receiver<Result<MarketBlock, ChainError>> {
		let last = match self.journal.block() {
			Some(block) => Some(block),
			// A journal that is new, of a provider that is not: its recent tasks are looked for.
			None => {
				let provider = async { self.chain.view(Level::Best).await?.provider(&self.me).await };
				match provider.await {
					Ok(Some(provider)) if provider.active_tasks > 0 => {
						Some(BlockRef { number: 0, hash: self.chain.genesis() })
					}
					Ok(_) | Err(_) => None,
				}
			}
		};
		let (sender, receiver) = mpsc::channel(BACKLOG);
		let stream = self.chain.follow_after(Level::Best, last);
		tokio::spawn(async move {
			let mut stream = std::pin::pin!(stream);
			while let Some(block) = stream.next().await {
				// Nobody listens any more.
				if sender.send(block).await.is_err() {
					break;
				}
			}
		});
		receiver
	}

	/// Looks after everything, until the chain's blocks end with an error.
	async fn attend(
		&mut self,
		blocks: &mut mpsc::Receiver<Result<MarketBlock, ChainError>>,
	) -> Result<ChainError, DaemonError> {
		let mut timer = interval(REPORT);
		timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
		loop {
			tokio::select! {
				block = blocks.recv() => {
					let mut batch = Vec::new();
					let mut next = block;
					loop {
						match next {
							Some(Ok(block)) => batch.push(block),
							Some(Err(error)) => return Ok(error),
							None => return Ok(ChainError::Disconnected),
						}
						match blocks.try_recv() {
							Ok(more) => next = Some(more),
							Err(_) => break,
						}
					}
					self.saw(batch).await?;
				},
				Some(done) = self.work.join_next(), if !self.work.is_empty() => self.finished(done)?,
				Some(sent) = self.orders.join_next(), if !self.orders.is_empty() => match sent {
					Ok((sent, result)) => self.answered(sent, result)?,
					Err(error) => self.lost_track(&error),
				},
				Some(key) = self.fetched.1.recv() => self.has_fetched(key)?,
				Some(_) = self.probe.join_next(), if !self.probe.is_empty() => {},
				_ = timer.tick() => {},
				() = sleep(REPORT_AT_MOST), if self.unreported => {},
			}
			self.act().await?;
			self.report();
		}
	}

	/// Begins whatever the stages call for.
	async fn act(&mut self) -> Result<(), DaemonError> {
		if self.seen.is_none() {
			return Ok(());
		}
		let result = async {
			self.start_and_stop_work().await?;
			self.send_due_orders()?;
			self.beat().await?;
			self.take_tasks().await?;
			Ok::<_, Problem>(())
		};
		match result.await {
			Ok(()) => {}
			Err(Problem::Chain(error)) => {
				tracing::warn!("{error}; the worker tries again at the next block");
				self.reporter.status.error = Some(error.to_string());
			}
			Err(Problem::Daemon(error)) => return Err(error),
		}
		self.prune().await?;
		self.look_after_gpu();
		Ok(())
	}

	/// Lets go of tasks that are over for long enough.
	async fn prune(&mut self) -> Result<(), DaemonError> {
		let (tick, keep) = (self.tick(), self.settings.blobs.keep_ticks);
		let old = |entry: &Entry| match entry.stage {
			Stage::Settled { .. } => tick >= entry.since.saturating_add(keep.max(KEEP_UNPAID)),
			Stage::HandedBack { .. } | Stage::Lost => tick >= entry.since.saturating_add(KEEP_UNPAID),
			_ => false,
		};
		let old: Vec<TaskKey> =
			self.journal.entries().iter().filter(|(_, entry)| old(entry)).map(|(key, _)| *key).collect();
		let mut released = Vec::new();
		for key in old {
			// Before the entry: what is left over by a crash has an entry.
			match self.shop.blobs.release(&label(&key)).await {
				Ok(_) => released.push(key),
				Err(error) => tracing::warn!("{key}: its blobs are not released yet: {error}"),
			}
			self.tried.remove(&key);
			self.singly.remove(&key);
		}
		Ok(self.journal.remove(&released)?)
	}

	/// Whether the chain takes orders with this worker's key.
	fn may_order(&self) -> bool {
		let provider = self.seen.as_ref().and_then(|seen| seen.provider.as_ref());
		provider.is_some_and(|provider| provider.worker_key == Some(self.key.worker_key()))
	}

	/// Lets a GPU that something happened to, and that nothing runs on, show that it is healthy.
	fn look_after_gpu(&mut self) {
		let idle = self.working.is_empty() && self.probe.is_empty();
		if !self.shop.gpu.is_suspect() || !idle || Instant::now() < self.probe_after {
			return;
		}
		self.probe_after = Instant::now() + SILENCE;
		let shop = self.shop.clone();
		self.probe.spawn(async move {
			match shop.gpu.probe().await {
				Ok(()) => tracing::info!("the GPU is healthy again: tasks are taken"),
				Err(sick) => {
					tracing::error!("no tasks are taken: {sick}; the GPU is tried again in {SILENCE:?}")
				}
			}
		});
	}

	fn tick(&self) -> Tick {
		self.seen.as_ref().map_or(0, |seen| seen.clock.tick)
	}

	/// Writes the report.
	fn report(&mut self) {
		self.unreported = self.reported_at.is_some_and(|at| at.elapsed() < REPORT_AT_MOST);
		if self.unreported {
			return;
		}
		self.reported_at = Some(Instant::now());
		self.reporter.shows(&self.journal);
		let mut all = Vec::new();
		if let Some(seen) = &self.seen {
			let endpoint = self.shop.blobs.endpoint_info();
			let key = self.key.worker_key();
			all = notices(seen.provider.as_ref(), &self.me, &key, &self.adapter, &endpoint);
		}
		if self.shop.gpu.is_suspect() {
			all.push(
				"the GPU failed a task and has to show that it is healthy before the next one".to_owned(),
			);
		}
		let silent = self.last_block_at.elapsed();
		if silent > SILENCE {
			let seconds = silent.as_secs();
			all.push(format!("no new block for {seconds} s: see whether the node and its validators run"));
		}
		// Said when it begins; the report shows it for as long as it lasts.
		let words = |notice: &str| notice.split(char::is_numeric).next().unwrap_or_default().to_owned();
		let before: HashSet<String> = self.reporter.status.notices.iter().map(|n| words(n)).collect();
		for notice in all.iter().filter(|notice| !before.contains(&words(notice))) {
			tracing::warn!("{notice}");
		}
		self.reporter.status.notices = all;
		self.reporter.write();
	}
}

/// What is wrong: with the chain, which the next block may mend, or for good.
enum Problem {
	Chain(ChainError),
	Daemon(DaemonError),
}

impl From<ChainError> for Problem {
	fn from(error: ChainError) -> Self {
		Self::Chain(error)
	}
}

impl From<JournalError> for Problem {
	fn from(error: JournalError) -> Self {
		Self::Daemon(error.into())
	}
}
