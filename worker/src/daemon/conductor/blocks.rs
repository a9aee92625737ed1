// SPDX-License-Identifier: Apache-2.0

//! Blocks: what happened in them, and what the chain says of this worker's tasks.

use std::{
	collections::{BTreeMap, BTreeSet, HashMap},
	time::Instant,
};

use tessera_client::{
	chain::{BlockRef, ChainError, JobsEvent, MarketBlock, MarketEvent, ProvidersEvent, View},
	manifest::units::format_amount,
};
use tessera_primitives::{JobId, TaskId, limits::MAX_PAGE};

use super::{Conductor, Problem, Seen};
use crate::{
	daemon::{
		DaemonError,
		reconcile::{Change, Now, OnChain, reconcile},
	},
	journal::{Entry, Stage, TaskKey},
};

impl Conductor<'_> {
	/// New blocks, the oldest first.
	pub(super) async fn saw(&mut self, batch: Vec<MarketBlock>) -> Result<(), DaemonError> {
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
	pub(super) async fn look_at(&mut self, block: BlockRef, uncertain: bool) -> Result<(), Problem> {
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
