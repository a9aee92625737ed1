// SPDX-License-Identifier: Apache-2.0

//! Work: starting it, stopping it, and what comes of it.

use std::sync::Arc;

use tessera_primitives::JobId;
use tokio::task::JoinError;

use super::{Conductor, Problem};
use crate::{
	daemon::{
		DaemonError,
		work::{Assignment, OnFetched, Outcome},
	},
	journal::{Entry, Stage, TaskKey},
};

impl Conductor<'_> {
	/// Begins the work on tasks that are ours, and ends it on those that are not any more.
	pub(super) async fn start_and_stop_work(&mut self) -> Result<(), Problem> {
		let wanted = |stage: &Stage| matches!(stage, Stage::Accepted | Stage::Fetched);
		let journal = &self.journal;
		self.working.retain(|key, work| {
			let goes_on = journal.get(key).is_some_and(|entry| wanted(&entry.stage));
			if !goes_on {
				work.abort();
			}
			goes_on
		});
		let new = self.journal.entries().iter();
		let new = new.filter(|(key, entry)| wanted(&entry.stage) && !self.working.contains_key(*key));
		let new: Vec<(TaskKey, Entry)> = new.map(|(key, entry)| (*key, entry.clone())).collect();
		for (key, entry) in new {
			self.start(key, entry).await?;
		}
		Ok(())
	}

	async fn start(&mut self, key: TaskKey, entry: Entry) -> Result<(), Problem> {
		let (Some(seen), Some(terms)) = (&self.seen, entry.terms) else { return Ok(()) };
		let (view, fetch_window) = (seen.view.clone(), seen.clock.fetch_window);
		// Both are there as long as the task is; if not, the next block says what became of it.
		let Some(job) = self.market.job(&view, key.job).await? else { return Ok(()) };
		let Some(manifest) = self.market.program(&view, entry.program).await? else { return Ok(()) };
		let margin = self.settings.policy.margin_ticks;
		let request = Arc::new(job.request.clone());
		let tick_time = self.pace.time_of(1);
		let assignment = Assignment::new(key, request, manifest, terms, fetch_window, margin, tick_time);
		let (shop, fetched) = (self.shop.clone(), self.fetched.0.clone());
		let on_fetched: OnFetched = Box::new(move || {
			// Nobody listens when the worker ends.
			let _ = fetched.send(key);
		});
		let work = self.work.spawn(async move { (key, shop.work(&assignment, on_fetched).await) });
		self.working.insert(key, work);
		Ok(())
	}

	/// A task's inputs are here.
	pub(super) fn has_fetched(&mut self, key: TaskKey) -> Result<(), DaemonError> {
		match self.journal.get(&key) {
			Some(entry) if entry.stage == Stage::Accepted => {
				tracing::debug!("{key}: its inputs are here");
				let entry = Entry { stage: Stage::Fetched, since: self.tick(), ..entry.clone() };
				Ok(self.journal.put(vec![(key, entry)])?)
			}
			_ => Ok(()),
		}
	}

	/// Work has ended.
	pub(super) fn finished(
		&mut self,
		done: Result<(TaskKey, Outcome), JoinError>,
	) -> Result<(), DaemonError> {
		let (key, outcome) = match done {
			Ok(done) => done,
			Err(error) if error.is_panic() => {
				let found = self.working.iter().find(|(_, work)| work.id() == error.id());
				let Some(key) = found.map(|(key, _)| *key) else { return Ok(()) };
				(key, Outcome::GivenUp { note: format!("the worker failed: {error}; please report it") })
			}
			// Ended by us.
			Err(_) => return Ok(()),
		};
		self.working.remove(&key);
		let Some(entry) = self.journal.get(&key) else { return Ok(()) };
		if !matches!(entry.stage, Stage::Accepted | Stage::Fetched) {
			return Ok(());
		}
		let mut entry = Entry { since: self.tick(), ..entry.clone() };
		match outcome {
			Outcome::Done { root, outputs, took } => {
				if let Some(before) = entry.root.filter(|before| *before != root) {
					tracing::error!(
						"{key}: computed again, its root is {root:?}, but before it was {before:?}: the program gives \
						 different results on this GPU, or the GPU makes mistakes. The new result is claimed, unless the \
						 chain has the old claim"
					);
					entry.note = format!("computed twice with different roots, {before:?} at first");
				}
				tracing::info!("{key}: computed in {took:.2?}");
				self.market.took(&key.job, took);
				(entry.stage, entry.root, entry.outputs) = (Stage::Computed, Some(root), outputs);
			}
			Outcome::Return { reason, note } => {
				tracing::warn!("{key}: {note}; it is handed back");
				(entry.stage, entry.note) = (Stage::Returning { reason }, note);
			}
			Outcome::GivenUp { note } => {
				tracing::error!("{key}: {note}; it is given up and expires");
				(entry.stage, entry.note) = (Stage::GivenUp, note);
			}
		}
		self.journal.put(vec![(key, entry)])?;
		if self.more_to_take {
			self.looked_at = None;
		}
		Ok(())
	}

	/// Lets go of the scratch files that a job's tasks share, once none of its tasks is unsettled.
	pub(super) fn forget_job_if_done(&self, job: &JobId) {
		let unsettled =
			self.journal.entries().iter().any(|(key, entry)| key.job == *job && !entry.stage.is_over());
		if !unsettled {
			self.shop.forget_job(job);
		}
	}
}
