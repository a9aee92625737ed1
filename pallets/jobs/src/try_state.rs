// SPDX-License-Identifier: Apache-2.0

//! The invariants that this pallet can check by itself, numbered as in the crate's documentation.

use alloc::{
	collections::{BTreeMap, BTreeSet},
	string::String,
	vec::Vec,
};
use frame_support::{ensure, traits::fungible::hold::Inspect as _};
use sp_runtime::TryRuntimeError;
use tessera_primitives::{
	Balance, JobId, TaskIndex, Tick, api::TaskCounts, job::TaskState, limits::MAX_ATTEMPTS,
};

use crate::{
	Agenda, AgendaCursor, AgendaItem, Config, HoldReason, JobOf, Jobs, JobsOf, OpenJobs, Pallet, ProgramJobs,
	Programs, TaskOf, Tasks, accept::expires_at,
};

type Entries = BTreeSet<(Tick, JobId, AgendaItem)>;

/// Names the job or account in the error: the fixed texts of `TryRuntimeError` alone would not help.
fn broken(what: &'static str, which: impl core::fmt::Debug) -> TryRuntimeError {
	let which: String = alloc::format!("{which:?}");
	log::error!(target: crate::LOG_TARGET, "{what}: {which}");
	what.into()
}

impl<T: Config> Pallet<T> {
	/// Checks INV1 to INV3 and INV5 to INV8.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut escrow: BTreeMap<T::AccountId, Balance> = BTreeMap::new();
		let mut program_jobs: BTreeMap<_, u32> = BTreeMap::new();
		let mut agenda = Entries::new();
		let mut jobs = 0usize;
		for (id, job) in Jobs::<T>::iter() {
			let held = escrow.entry(job.tenant.clone()).or_default();
			*held = held.saturating_add(job.escrow);
			let users = program_jobs.entry(job.request.program).or_default();
			*users = users.saturating_add(1);
			jobs = jobs.saturating_add(1);
			ensure!(JobsOf::<T>::contains_key(&job.tenant, id), broken("INV6: not under its tenant", id));
			let open = job.closed.is_none() && job.counts.open > 0;
			ensure!(OpenJobs::<T>::contains_key(id) == open, broken("INV6: open jobs", id));
			Self::check_job(id, &job, &mut agenda)?;
		}
		for (tenant, held) in escrow {
			let actual = T::Currency::balance_on_hold(&HoldReason::Escrow.into(), &tenant);
			ensure!(actual == held, broken("INV1: escrow on hold", (tenant, actual, held)));
		}
		ensure!(JobsOf::<T>::iter().count() == jobs, "INV6: an entry by tenant without a job");
		ensure!(
			OpenJobs::<T>::iter_keys().all(Jobs::<T>::contains_key),
			"INV6: an open job that is not there"
		);
		ensure!(program_jobs.keys().all(Programs::<T>::contains_key), "INV6: a job without its program");
		ensure!(program_jobs == ProgramJobs::<T>::iter().collect(), "INV6: jobs by program");
		ensure!(
			Tasks::<T>::iter_keys().all(|(id, _)| Jobs::<T>::contains_key(id)),
			"INV3: a task without its job"
		);

		let cursor = AgendaCursor::<T>::get();
		let found: Entries = Agenda::<T>::iter_keys().map(|(at, (id, item))| (at, id, item)).collect();
		ensure!(found.iter().all(|(at, ..)| *at >= cursor), "INV7: an entry before the cursor");
		if let Some(missing) = agenda.difference(&found).next() {
			return Err(broken("INV7: an entry is missing", missing));
		}
		if let Some(stale) = found.difference(&agenda).next() {
			return Err(broken("INV7: an entry is stale", stale));
		}
		Ok(())
	}

	/// Checks a job with its tasks, and adds what it must have in the agenda.
	fn check_job(id: JobId, job: &JobOf<T>, agenda: &mut Entries) -> Result<(), TryRuntimeError> {
		let records: Vec<(TaskIndex, TaskOf<T>)> = Tasks::<T>::iter_prefix(id).collect();
		let mut found = TaskCounts::default();
		let (mut open_escrow, mut busy_escrow) = (0u128, 0u128);
		for (index, task) in &records {
			ensure!(*index < job.request.tasks, broken("INV3: a task beyond the job's", (id, index)));
			Self::check_task(id, *index, job, task)?;
			let (count, escrow) = match &task.state {
				// Ended with the job.
				TaskState::Open { .. } if job.closed.is_some() => (&mut found.failed, None),
				TaskState::Open { .. } => (&mut found.open, Some(&mut open_escrow)),
				TaskState::Accepted { deadline, .. } => {
					agenda.insert((expires_at(*deadline), id, AgendaItem::Task(*index)));
					(&mut found.accepted, Some(&mut busy_escrow))
				}
				TaskState::Claimed { settle_at, .. } => {
					agenda.insert((*settle_at, id, AgendaItem::Task(*index)));
					(&mut found.claimed, Some(&mut busy_escrow))
				}
				TaskState::Ended { paid: Some(_), .. } => (&mut found.settled, None),
				TaskState::Ended { paid: None, .. } => (&mut found.failed, None),
			};
			*count = count.saturating_add(1);
			if let Some(sum) = escrow {
				*sum = sum.saturating_add(task.escrow);
			}
		}
		let known = u32::try_from(records.len()).unwrap_or(u32::MAX);
		let fresh = job.request.tasks.saturating_sub(known).saturating_sub(job.cleaned);
		if job.closed.is_some() {
			found.failed = found.failed.saturating_add(fresh);
		} else {
			found.open = found.open.saturating_add(fresh);
			open_escrow = open_escrow.saturating_add(job.request.ceiling_price.saturating_mul(fresh.into()));
		}
		let counts = job.counts;
		let sum = [counts.open, counts.accepted, counts.claimed, counts.settled, counts.failed]
			.iter()
			.fold(0u32, |all, n| all.saturating_add(*n));
		ensure!(sum == job.request.tasks, broken("INV3: counts do not sum up", id));
		ensure!(job.cleaned > 0 || found == counts, broken("INV3: counts", (id, found, counts)));
		ensure!(job.escrow_busy == busy_escrow, broken("INV2: busy escrow", id));
		ensure!(
			job.escrow == busy_escrow.saturating_add(open_escrow),
			broken("INV2: escrow", (id, job.escrow, busy_escrow, open_escrow))
		);

		let done = counts.open == 0 && job.busy() == 0;
		ensure!(job.ended.is_some() == done, broken("INV5: ended", id));
		ensure!(job.closed.is_none() || counts.open == 0, broken("INV5: closed with open tasks", id));
		ensure!(job.cleaned == 0 || done, broken("INV5: cleaned before its end", id));
		if let Some(ended) = job.ended {
			ensure!(job.escrow == 0, broken("INV5: an ended job has escrow", id));
			agenda.insert((ended.clean_at, id, AgendaItem::CleanUp));
		} else if job.closed.is_none() {
			agenda.insert((job.close_at(), id, AgendaItem::Close));
		}
		Ok(())
	}

	fn check_task(
		id: JobId,
		index: TaskIndex,
		job: &JobOf<T>,
		task: &TaskOf<T>,
	) -> Result<(), TryRuntimeError> {
		let which = (id, index);
		ensure!(task.attempt < MAX_ATTEMPTS, broken("INV8: attempts", which));
		let distinct: BTreeSet<_> = task.barred.iter().collect();
		ensure!(distinct.len() == task.barred.len(), broken("INV8: barred twice", which));
		let failures = u32::try_from(task.barred.len()).unwrap_or(u32::MAX);
		let expected = match &task.state {
			TaskState::Ended { paid: None, .. } => task.attempt.saturating_add(1),
			_ => task.attempt,
		};
		ensure!(failures == expected, broken("INV8: barred providers and attempts", which));
		match &task.state {
			TaskState::Open { .. } => {}
			TaskState::Accepted { provider, price, collateral, .. }
			| TaskState::Claimed { provider, price, collateral, .. } => {
				ensure!(*price <= task.escrow, broken("INV2: a price beyond the escrow", which));
				ensure!(*collateral <= *price, broken("INV2: an unverified task's collateral", which));
				ensure!(!task.barred.contains(provider), broken("INV8: held by a barred provider", which));
			}
			TaskState::Ended { .. } => ensure!(task.escrow == 0, broken("INV2: ended with escrow", which)),
		}
		ensure!(task.escrow <= job.request.ceiling_price, broken("INV2: escrow above the ceiling", which));
		Ok(())
	}
}
