// SPDX-License-Identifier: Apache-2.0

//! Orders: heartbeats, accepting, claiming, handing back; and what the chain answers.
//!
//! An order that fails in any way is not repeated as it is. Its tasks keep their stage, and at the next block the stage
//! calls for a new order, with a new last block: one that was included after all is then seen in the state before.

use std::collections::HashSet;

use tessera_client::chain::{
	BlockNumber, ChainError, JobsEvent, Level, MarketEvent, Order, OrderRefusal, Refusal, SkipReason,
	TxOutcome, Verdict, View,
};
use tessera_primitives::{
	job::HandBackReason,
	limits::MAX_LIST,
	orders::{AcceptItem, ClaimItem, HandBackItem},
	provider::Ineligible,
};

use tokio::task::JoinError;

use super::{Conductor, Problem};
use crate::{
	daemon::DaemonError,
	journal::{Entry, Stage, TaskKey},
	policy::Candidate,
};

/// For how many blocks an order to accept counts: prices and competitors change.
const ACCEPT_BLOCKS: BlockNumber = 4;
/// For how many blocks other orders count.
const ORDER_BLOCKS: BlockNumber = 32;
/// Orders under way at which no more claims or hand-backs are sent: what becomes ready meanwhile goes into the next
/// list.
const MAX_UNDER_WAY: usize = 4;

/// An order under way.
#[derive(Debug)]
pub(super) struct Sent {
	kind: Kind,
	tasks: Vec<TaskKey>,
	/// The block at whose state it was made.
	block: BlockNumber,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
	Heartbeat,
	Accept,
	Claim,
	HandBack,
}

impl Kind {
	fn name(self) -> &'static str {
		match self {
			Self::Heartbeat => "the heartbeat",
			Self::Accept => "the order to accept",
			Self::Claim => "the claim",
			Self::HandBack => "the hand-back",
		}
	}

	/// Whether a task at this stage is to be in an order of this kind.
	fn is_due(self, stage: &Stage) -> bool {
		match self {
			Self::Claim => matches!(stage, Stage::Computed | Stage::ClaimSent { .. }),
			Self::HandBack => matches!(stage, Stage::Returning { .. }),
			Self::Heartbeat | Self::Accept => false,
		}
	}
}

impl Conductor<'_> {
	/// Says that this worker is there, once a window.
	pub(super) async fn beat(&mut self) -> Result<(), Problem> {
		let Some(seen) = &self.seen else { return Ok(()) };
		let block = seen.view.block().number;
		let Some(provider) = &seen.provider else { return Ok(()) };
		let window = |tick: u32| tick / seen.clock.heartbeat_window.max(1);
		let due = provider.last_heartbeat.is_none_or(|last| window(last) < window(seen.clock.tick));
		if !due || !self.may_order() || self.beating || self.beaten_at == Some(block) {
			return Ok(());
		}
		let order = seen.view.heartbeat_order(&self.me).await?;
		self.beating = true;
		self.beaten_at = Some(block);
		self.send(Kind::Heartbeat, Vec::new(), block, order);
		Ok(())
	}

	/// Reaches for tasks. They are in the journal before the order leaves.
	pub(super) async fn accept(&mut self, view: &View, chosen: Vec<Candidate>) -> Result<(), Problem> {
		let items = chosen.iter().map(|candidate| AcceptItem {
			job: candidate.key.job,
			task: candidate.key.task,
			attempt: candidate.key.attempt,
			min_price: self.settings.policy.price_floor,
		});
		let order = view.accept_order(&self.me, items.collect(), ACCEPT_BLOCKS).await?;
		let last_block = order.last_block().unwrap_or(view.block().number);
		let tick = self.tick();
		let wanted = |c: &Candidate| (c.key, Entry::wanted(c.program, last_block, tick));
		self.journal.put(chosen.iter().map(wanted).collect())?;
		let keys: Vec<TaskKey> = chosen.iter().map(|candidate| candidate.key).collect();
		tracing::debug!("reaching for {} tasks", keys.len());
		self.accepting = true;
		self.send(Kind::Accept, keys, view.block().number, order);
		Ok(())
	}

	/// Claims what is computed and hands back what is to be handed back, each in as few orders as possible.
	pub(super) fn send_due_orders(&mut self) -> Result<(), Problem> {
		if !self.may_order() {
			return Ok(());
		}
		for kind in [Kind::Claim, Kind::HandBack] {
			loop {
				let Some(seen) = &self.seen else { return Ok(()) };
				let view = seen.view.clone();
				let block = view.block().number;
				let ready = self.journal.entries().iter().filter(|(key, entry)| {
					let free = !self.in_orders.contains(*key) && self.tried.get(*key) != Some(&block);
					free && kind.is_due(&entry.stage)
				});
				let mut ready: Vec<(TaskKey, Entry)> =
					ready.map(|(key, entry)| (*key, entry.clone())).collect();
				// Tasks whose list was refused go one by one.
				ready.sort_by_key(|(key, _)| !self.singly.contains(key));
				match ready.first() {
					Some((key, _)) if self.singly.contains(key) => ready.truncate(1),
					_ => ready.truncate(usize::try_from(MAX_LIST).unwrap_or(usize::MAX)),
				}
				if ready.is_empty() || self.orders.len() >= MAX_UNDER_WAY {
					break;
				}
				match kind {
					Kind::Claim => self.claim(&view, ready)?,
					_ => self.hand_back(&view, ready)?,
				}
			}
		}
		Ok(())
	}

	fn claim(&mut self, view: &View, ready: Vec<(TaskKey, Entry)>) -> Result<(), Problem> {
		let items = ready.iter().map(|(key, entry)| ClaimItem {
			job: key.job,
			task: key.task,
			attempt: key.attempt,
			// A computed task has a root.
			root: entry.root.unwrap_or_default(),
			output_bytes: entry.outputs.iter().fold(0u64, |all, blob| all.saturating_add(blob.bytes)),
		});
		let order = view.claim_order(&self.me, items.collect(), ORDER_BLOCKS)?;
		let last_block = order.last_block().unwrap_or(view.block().number);
		let tick = self.tick();
		let keys: Vec<TaskKey> = ready.iter().map(|(key, _)| *key).collect();
		// Before it leaves: a claim on chain is then known to be this worker's.
		let sent = ready.into_iter().map(|(key, entry)| {
			let since = if entry.stage == Stage::Computed { tick } else { entry.since };
			(key, Entry { stage: Stage::ClaimSent { last_block }, since, ..entry })
		});
		self.journal.put(sent.collect())?;
		tracing::debug!("claiming {} tasks", keys.len());
		self.send(Kind::Claim, keys, view.block().number, order);
		Ok(())
	}

	fn hand_back(&mut self, view: &View, ready: Vec<(TaskKey, Entry)>) -> Result<(), Problem> {
		let items = ready.iter().map(|(key, entry)| HandBackItem {
			job: key.job,
			task: key.task,
			attempt: key.attempt,
			reason: match entry.stage {
				Stage::Returning { reason } => reason,
				_ => HandBackReason::Faulted,
			},
		});
		let order = view.hand_back_order(&self.me, items.collect(), ORDER_BLOCKS)?;
		let keys = ready.iter().map(|(key, _)| *key).collect();
		self.send(Kind::HandBack, keys, view.block().number, order);
		Ok(())
	}

	fn send(&mut self, kind: Kind, tasks: Vec<TaskKey>, block: BlockNumber, order: Order) {
		let signed = order.sign(&self.chain.genesis(), &self.key);
		self.in_orders.extend(&tasks);
		let chain = self.chain.clone();
		// On the thread of the loop: it waits for the chain, and does nothing besides.
		self.orders.spawn_local(async move {
			let result = chain.submit_order(&signed, Level::Best).await;
			(Sent { kind, tasks, block }, result)
		});
	}

	/// What came of an order.
	pub(super) fn answered(
		&mut self,
		sent: Sent,
		result: Result<TxOutcome, ChainError>,
	) -> Result<(), DaemonError> {
		for key in &sent.tasks {
			self.in_orders.remove(key);
			self.tried.insert(*key, sent.block);
		}
		match sent.kind {
			Kind::Heartbeat => self.beating = false,
			Kind::Accept => self.accepting = false,
			Kind::Claim | Kind::HandBack => {}
		}
		match result {
			Ok(outcome) => self.included(&sent, &outcome),
			Err(ChainError::Refused { refusal, .. }) => self.refused(&sent, &refusal),
			Err(ChainError::Expired { .. }) if sent.kind == Kind::Accept => self.forget(&sent.tasks),
			Err(error) => {
				tracing::warn!("{}: {error}; the worker goes on at the next block", sent.kind.name());
				Ok(())
			}
		}
	}

	/// An order's future failed, and nobody knows which: all are free to be made again, which the chain bears.
	pub(super) fn lost_track(&mut self, error: &JoinError) {
		tracing::error!("following an order failed: {error}; please report it. All orders are made again");
		self.in_orders.clear();
		(self.accepting, self.beating) = (false, false);
	}

	/// A block holds the order. Which of its tasks went through shows in the block's state; this is about the others.
	fn included(&mut self, sent: &Sent, outcome: &TxOutcome) -> Result<(), DaemonError> {
		let mut skipped = HashSet::new();
		for event in &outcome.events {
			if let MarketEvent::Jobs(JobsEvent::TaskSkipped { job, task, reason }) = event {
				let found = sent.tasks.iter().find(|key| (key.job, key.task) == (*job, *task));
				if let Some(key) = found {
					skipped.insert(*key);
					self.skipped(sent, *key, reason.0)?;
				}
			}
		}
		for key in sent.tasks.iter().filter(|key| !skipped.contains(*key)) {
			self.singly.remove(key);
		}
		Ok(())
	}

	fn refused(&mut self, sent: &Sent, refusal: &Refusal) -> Result<(), DaemonError> {
		let name = sent.kind.name();
		if let Some(OrderRefusal::Task(reason)) = refusal.order() {
			// It is the first task's reason; the others' may be better.
			if sent.tasks.len() > 1 && sent.kind != Kind::Accept {
				self.singly.extend(&sent.tasks);
				return Ok(());
			}
			for key in &sent.tasks {
				self.skipped(sent, *key, reason)?;
			}
			return Ok(());
		}
		match refusal.verdict() {
			Some(Verdict::Taken | Verdict::Outbid | Verdict::AlreadyCounted | Verdict::TooLate) => {
				tracing::debug!("{name}: {refusal}");
			}
			Some(Verdict::NotEligible | Verdict::Wrong) => {
				tracing::error!("{name}: {refusal}. `tessera-worker status` says more");
			}
			None => tracing::warn!("{name}: {refusal}; the worker tries again at the next block"),
		}
		match sent.kind {
			Kind::Accept => self.forget(&sent.tasks),
			Kind::Heartbeat | Kind::Claim | Kind::HandBack => Ok(()),
		}
	}

	/// One task of an order did not go through.
	fn skipped(&mut self, sent: &Sent, key: TaskKey, reason: SkipReason) -> Result<(), DaemonError> {
		match sent.kind {
			Kind::Heartbeat => Ok(()),
			Kind::Accept => {
				// Bond that is locked behind other tasks is free again soon.
				let passes = reason == SkipReason::Ineligible(Ineligible::Collateral);
				if passes || reason.verdict() == Verdict::Taken {
					tracing::debug!("{key}: not taken: {reason}");
				} else {
					tracing::info!("{key}: not taken: {reason}");
					self.market.leave_alone([key], sent.block);
				}
				self.forget(&[key])
			}
			Kind::Claim if reason.verdict() == Verdict::Wrong => {
				self.give_up(key, format!("the chain refuses the claim: {reason}"))
			}
			Kind::HandBack if reason == SkipReason::FetchWindowOver => {
				self.give_up(key, "the time for handing it back was over".to_owned())
			}
			Kind::Claim | Kind::HandBack => {
				// The state at the next block says what became of it.
				tracing::debug!("{key}: {}: {reason}", sent.kind.name());
				Ok(())
			}
		}
	}

	fn give_up(&mut self, key: TaskKey, why: String) -> Result<(), DaemonError> {
		let Some(entry) = self.journal.get(&key) else { return Ok(()) };
		let note = if entry.note.is_empty() { why } else { format!("{}; {why}", entry.note) };
		tracing::error!("{key}: {note}; it is given up and expires");
		let entry = Entry { stage: Stage::GivenUp, note, since: self.tick(), ..entry.clone() };
		Ok(self.journal.put(vec![(key, entry)])?)
	}

	/// Removes tasks that were reached for and are not ours. Should the order get into a block after all (the chain
	/// changed its mind), the block's events bring them back.
	fn forget(&mut self, keys: &[TaskKey]) -> Result<(), DaemonError> {
		let wanted = |key: &&TaskKey| {
			self.journal.get(key).is_some_and(|entry| matches!(entry.stage, Stage::Wanted { .. }))
		};
		let gone: Vec<TaskKey> = keys.iter().filter(wanted).copied().collect();
		for key in &gone {
			self.tried.remove(key);
		}
		Ok(self.journal.remove(&gone)?)
	}
}
