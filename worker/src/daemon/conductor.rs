// SPDX-License-Identifier: Apache-2.0

//! The loop: blocks, outcomes and orders in, work and orders out.

mod orders;
mod tasks;

use std::{
	collections::{BTreeMap, BTreeSet, HashMap, HashSet},
	sync::Arc,
	time::{Duration, Instant},
};

use futures::StreamExt;
use tessera_client::{
	chain::{
		AccountId, BlockNumber, BlockRef, Chain, ChainError, JobsEvent, Level, MarketBlock, MarketEvent,
		ProviderInfo, ProvidersEvent, TxOutcome, View,
	},
	keys::Key,
	manifest::units::format_amount,
};
use tessera_primitives::{
	JobId, TaskId, Tick,
	api::Clock,
	limits::MAX_PAGE,
	provider::{Adapter, Availability},
};
use tokio::{
	sync::{mpsc, watch},
	task::{AbortHandle, JoinSet},
	time::{MissedTickBehavior, interval, sleep},
};

use super::{
	DaemonError,
	market::{Looker, Market, queued},
	pace::Pace,
	reconcile::{Change, Now, OnChain, reconcile},
	report::{Reporter, notices},
	work::{Outcome, Workshop, label, task_of_label},
};
use crate::{
	config::Settings,
	journal::{Entry, Journal, JournalError, Stage, TaskKey},
	policy::{Room, choose},
	register::profile_adapter,
	status::State,
};
use orders::Sent;

/// How often the report is written when nothing happens, and at most when much does.
const REPORT: Duration = Duration::from_secs(1);
const REPORT_AT_MOST: Duration = Duration::from_millis(200);
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
	/// The block at which the market was looked at, and the window of the last heartbeat.
	looked_at: Option<BlockNumber>,
	beaten_at: Option<BlockNumber>,
	/// A health probe of an idle GPU, and when the next one may be.
	probe: JoinSet<()>,
	probe_after: Instant,
	reported_at: Option<Instant>,
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
			beaten_at: None,
			probe: JoinSet::new(),
			probe_after: Instant::now(),
			reported_at: None,
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
				Some(sent) = self.orders.join_next(), if !self.orders.is_empty() => {
					if let Ok((sent, result)) = sent {
						self.answered(sent, result)?;
					}
				},
				Some(key) = self.fetched.1.recv() => self.has_fetched(key)?,
				Some(_) = self.probe.join_next(), if !self.probe.is_empty() => {},
				_ = timer.tick() => {},
			}
			self.act().await?;
			self.report();
		}
	}

	/// New blocks, the oldest first.
	async fn saw(&mut self, batch: Vec<MarketBlock>) -> Result<(), DaemonError> {
		let Some(newest) = batch.last().map(|block| block.block) else { return Ok(()) };
		let uncertain = batch.iter().any(|block| block.missed || !block.retracted.is_empty());
		for block in &batch {
			self.saw_events(block)?;
		}
		self.last_block_at = Instant::now();
		self.pace.saw(newest.number, self.last_block_at);
		match self.look_at(newest, uncertain).await {
			Ok(()) => {
				self.journal.set_block(newest)?;
				self.reporter.status.error = None;
				Ok(())
			}
			Err(Problem::Chain(error)) => {
				// The next block leads here again.
				tracing::warn!("block {} was not looked at: {error}", newest.number);
				self.reporter.status.error = Some(error.to_string());
				Ok(())
			}
			Err(Problem::Daemon(error)) => Err(error),
		}
	}

	fn saw_events(&mut self, block: &MarketBlock) -> Result<(), DaemonError> {
		for event in &block.events {
			if event.provider() != Some(self.me) {
				continue;
			}
			match event {
				MarketEvent::Jobs(JobsEvent::TaskAccepted { job, task, attempt, .. }) => {
					let key = TaskKey { job: *job, task: *task, attempt: *attempt };
					if self.journal.get(&key).is_none() {
						self.strangers.insert(key);
					}
				}
				MarketEvent::Jobs(JobsEvent::TaskSettled { job, task, paid, .. }) => {
					let id = (*job, *task);
					// The event does not say the attempt: it was our last.
					let ours = self.journal.entries().iter().rev().find(|(key, _)| (key.job, key.task) == id);
					if let Some((key, entry)) = ours {
						tracing::info!("{key}: settled, the provider got {}", format_amount(*paid));
						let stage = Stage::Settled { paid: Some(*paid) };
						let since = if entry.stage.is_over() { entry.since } else { self.tick() };
						let entry = Entry { stage, since, ..entry.clone() };
						self.journal.put(vec![(*key, entry)])?;
					}
				}
				MarketEvent::Providers(ProvidersEvent::Penalised { amount, bond, .. }) => {
					tracing::warn!(
						"{} of the bond were burnt as a penalty; {} are left",
						format_amount(*amount),
						format_amount(*bond)
					);
				}
				_ => {}
			}
		}
		Ok(())
	}

	/// Reads the chain at a block and brings the journal in line with it.
	async fn look_at(&mut self, block: BlockRef, uncertain: bool) -> Result<(), Problem> {
		let view = self.chain.view_at(block).await?;
		let clock = view.clock().await?;
		let provider = view.provider(&self.me).await?;
		self.clock.send_replace(clock.tick);
		self.reporter.has_seen(block.number, clock.tick, &self.pace);

		let due = |entry: &Entry| match entry.stage {
			// A claimed task is looked at when it is due, or when the chain has changed its mind.
			Stage::Claimed { settle_at } => uncertain || clock.tick >= settle_at,
			_ => uncertain || !entry.stage.is_over(),
		};
		let mut keys: BTreeSet<TaskKey> =
			self.journal.entries().iter().filter(|(_, entry)| due(entry)).map(|(key, _)| *key).collect();
		keys.append(&mut self.strangers.clone());
		let states = self.states(&view, &keys).await?;

		let mut changes = Vec::new();
		let mut forgotten = Vec::new();
		for (key, chain) in states {
			let order_under_way = self.in_orders.contains(&key);
			let now = Now { block: block.number, tick: clock.tick, order_under_way };
			let Some(entry) = self.journal.get(&key) else {
				if let OnChain::Ours(terms) = chain
					&& let Some(job) = self.market.job(&view, key.job).await?
				{
					tracing::info!("{key}: it is ours, but not in the journal; taken up");
					changes.push((key, Entry::accepted(job.request.program, terms, clock.tick)));
				}
				continue;
			};
			let (change, alarm) = reconcile(entry, &chain, now);
			if let Some(alarm) = alarm {
				tracing::error!("{key}: {alarm}");
			}
			match change {
				Change::Keep => {}
				Change::To(next) => {
					tell(&key, entry, &next);
					changes.push((key, next));
				}
				Change::Forget => forgotten.push(key),
			}
		}
		let jobs: BTreeSet<JobId> =
			changes.iter().filter(|(_, entry)| entry.stage.is_over()).map(|(key, _)| key.job).collect();
		self.journal.put(changes)?;
		self.journal.remove(&forgotten)?;
		jobs.iter().for_each(|job| self.forget_job_if_done(job));
		self.strangers.clear();
		self.seen = Some(Seen { view, clock, provider });
		Ok(())
	}

	/// What the chain says of these tasks.
	async fn states(
		&self,
		view: &View,
		keys: &BTreeSet<TaskKey>,
	) -> Result<Vec<(TaskKey, OnChain)>, ChainError> {
		let mut by_job: BTreeMap<_, Vec<TaskKey>> = BTreeMap::new();
		for key in keys {
			by_job.entry(key.job).or_default().push(*key);
		}
		let mut states = Vec::new();
		for (job, keys) in by_job {
			let first = keys.iter().map(|key| key.task).min().unwrap_or(0);
			let span =
				keys.iter().map(|key| key.task).max().unwrap_or(0).saturating_sub(first).saturating_add(1);
			// One question for many neighbours, or one for each.
			let page = if keys.len() > 4 && span <= MAX_PAGE {
				let page = view.tasks_page(job, first, span).await?;
				Some(page.into_iter().map(|task| (task.id, task)).collect::<HashMap<TaskId, _>>())
			} else {
				None
			};
			for key in keys {
				let task = match &page {
					Some(page) => page.get(&(key.job, key.task)).cloned(),
					None => view.task(key.job, key.task).await?,
				};
				states.push((key, OnChain::of(task.as_ref(), &self.me, key.attempt)));
			}
		}
		Ok(states)
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

	/// Takes open tasks, once a block.
	async fn take_tasks(&mut self) -> Result<(), Problem> {
		let Some(seen) = &self.seen else { return Ok(()) };
		let block = seen.view.block().number;
		if self.accepting || self.looked_at == Some(block) {
			return Ok(());
		}
		let Some(provider) = seen.provider.clone() else { return Ok(()) };
		let ready = provider.worker_key == Some(self.key.worker_key())
			&& provider.availability == Availability::Online
			&& provider.bond > 0
			&& !self.shop.gpu.is_suspect();
		if !ready {
			return Ok(());
		}
		self.looked_at = Some(block);
		let view = seen.view.clone();

		// An entry that is only wanted, by an order that is not followed any more, is no obstacle.
		let held: Vec<(&TaskKey, &Entry)> = self
			.journal
			.entries()
			.iter()
			.filter(|(key, entry)| {
				!matches!(entry.stage, Stage::Wanted { .. }) || self.in_orders.contains(*key)
			})
			.collect();
		let busy: Vec<&Entry> =
			held.iter().filter(|(_, entry)| entry.stage.is_held()).map(|(_, e)| *e).collect();
		let ahead = busy.iter().filter(|entry| matches!(entry.stage, Stage::Accepted | Stage::Fetched));
		let ahead = ahead.filter_map(|e| Some((e.program, e.terms?.deadline.saturating_sub(e.terms?.at))));
		let places = usize::try_from(self.settings.tasks.max).unwrap_or(usize::MAX);
		let room = Room {
			tasks: places.saturating_sub(busy.len()),
			free_bond: provider.bond.saturating_sub(provider.collateral),
			queued: queued(&self.market, &self.pace, ahead),
			at_once: self.settings.tasks.at_once,
		};
		let known: HashSet<TaskKey> = held.iter().map(|(key, _)| **key).collect();
		let looker = Looker {
			policy: &self.settings.policy,
			provider: &provider,
			adapter: self.shop.gpu.description().on_chain(),
			pace: &self.pace,
			known: &known,
		};
		let mut look = self.market.look(&view, &looker).await?;
		let (chosen, skipped) = choose(std::mem::take(&mut look.candidates), &self.me, room);
		look.status.wanted = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
		look.status.add_skipped(skipped);
		self.reporter.status.market = Some(look.status);
		if !chosen.is_empty() {
			self.accept(&view, chosen).await?;
		}
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
		if self.reported_at.is_some_and(|at| at.elapsed() < REPORT_AT_MOST) {
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

/// Says what became of a task.
fn tell(key: &TaskKey, before: &Entry, after: &Entry) {
	if before.stage.name() == after.stage.name() {
		return;
	}
	match &after.stage {
		Stage::Accepted => {
			let price = after.terms.map_or(String::new(), |terms| {
				format!(" for {}, to be claimed by tick {}", format_amount(terms.price), terms.deadline)
			});
			tracing::info!("{key}: accepted{price}");
		}
		Stage::Claimed { settle_at } => tracing::info!("{key}: claimed, to be settled at tick {settle_at}"),
		Stage::Settled { .. } => tracing::info!("{key}: settled"),
		Stage::HandedBack { .. } => tracing::info!("{key}: handed back ({})", after.note),
		Stage::Lost => tracing::warn!("{key}: lost: {}", after.note),
		other => tracing::info!("{key}: {}", other.name()),
	}
}
