// SPDX-License-Identifier: Apache-2.0

//! Settlement, expiry, and what follows a failed attempt.

use frame_support::{ensure, traits::Get};
use sp_runtime::DispatchResult;
use tessera_primitives::{
	JobId, TaskId, TaskIndex, Tick,
	job::{EndReason, Payment, TaskState},
	traits::{Outcome, Providers, TickClock},
};

use crate::{
	Agenda, AgendaItem, Config, Event, JobOf, Jobs, OpenJobs, Pallet, SkipReason, TaskOf, Tasks, Totals,
	accept::{Held, expires_at},
	types::{expiry_penalty, share_of},
};

/// An attempt that failed.
pub(crate) struct Failed<'a, AccountId> {
	/// Who failed.
	pub provider: &'a AccountId,
	/// What it held.
	pub held: Held,
	/// Whether enough providers reported by now that the program itself fails.
	pub faulted: bool,
}

impl<T: Config> Pallet<T> {
	pub(crate) fn do_settle(tasks: &[TaskId]) -> DispatchResult {
		let now = Self::now();
		Self::for_each(tasks, |id| *id, |(job, task)| Self::settle_task(*job, *task, now))
	}

	/// Pays a claimed task whose challenge window is over.
	pub(crate) fn settle_task(id: JobId, index: TaskIndex, now: Tick) -> Result<(), SkipReason> {
		let mut job = Jobs::<T>::get(id).ok_or(SkipReason::UnknownJob)?;
		let mut task = Self::task_of(id, &job, index).ok_or(SkipReason::UnknownTask)?;
		let TaskState::Claimed { provider, price, collateral, root, settle_at, .. } = task.state.clone()
		else {
			return Err(SkipReason::NotClaimed);
		};
		ensure!(now >= settle_at, SkipReason::WindowNotOver);

		let cut = share_of(T::ProtocolCut::get(), price);
		let due = price.checked_sub(cut).ok_or(SkipReason::Bookkeeping)?;
		let rest = task.escrow.checked_sub(price).ok_or(SkipReason::Bookkeeping)?;
		Self::cut(&job.tenant, cut)?;
		let paid = Self::pay(&job.tenant, &provider, due)?;
		let refunded = Self::refund(&job.tenant, rest)?;
		T::Providers::finish(&provider, collateral, 0, Outcome::Settled);
		Totals::<T>::mutate(|totals| {
			totals.settled_tasks = totals.settled_tasks.saturating_add(1);
			totals.paid = totals.paid.saturating_add(paid);
			totals.cut = totals.cut.saturating_add(cut);
		});

		Self::release_busy(&mut job, &mut task)?;
		job.counts.claimed = job.counts.claimed.checked_sub(1).ok_or(SkipReason::Bookkeeping)?;
		job.counts.settled = job.counts.settled.saturating_add(1);
		Agenda::<T>::remove(settle_at, (id, AgendaItem::Task(index)));
		Self::deposit_event(Event::TaskSettled {
			job: id,
			task: index,
			provider: provider.clone(),
			paid,
			cut,
			refunded,
		});
		let payment = Payment { provider, price, root };
		task.state = TaskState::Ended { reason: EndReason::Settled, paid: Some(payment) };
		Tasks::<T>::insert(id, index, task);
		Self::end_if_done(id, &mut job, now);
		Jobs::<T>::insert(id, job);
		Ok(())
	}

	pub(crate) fn do_expire(tasks: &[TaskId]) -> DispatchResult {
		let now = Self::now();
		Self::for_each(tasks, |id| *id, |(job, task)| Self::expire_task(*job, *task, now))
	}

	/// Takes a task from a provider that missed its deadline.
	pub(crate) fn expire_task(id: JobId, index: TaskIndex, now: Tick) -> Result<(), SkipReason> {
		let job = Jobs::<T>::get(id).ok_or(SkipReason::UnknownJob)?;
		let task = Self::task_of(id, &job, index).ok_or(SkipReason::UnknownTask)?;
		let TaskState::Accepted { provider, price, collateral, at, deadline } = task.state.clone() else {
			return Err(SkipReason::NotAccepted);
		};
		ensure!(now > deadline, SkipReason::DeadlineNotPassed);
		let penalty = expiry_penalty(T::ExpiryPenalty::get(), price, T::Providers::expiries(&provider));
		let penalty = T::Providers::finish(&provider, collateral, penalty, Outcome::Expired);
		Totals::<T>::mutate(|totals| totals.burnt = totals.burnt.saturating_add(penalty));
		Self::deposit_event(Event::TaskExpired {
			job: id,
			task: index,
			attempt: task.attempt,
			provider: provider.clone(),
			penalty,
		});
		let held = Held { price, collateral, at, deadline };
		Self::after_failure((id, index), job, task, Failed { provider: &provider, held, faulted: false }, now)
	}

	/// Opens an accepted task again for another provider, or ends it. Its collateral is dealt with before.
	pub(crate) fn after_failure(
		(id, index): TaskId,
		mut job: JobOf<T>,
		mut task: TaskOf<T>,
		failed: Failed<'_, T::AccountId>,
		now: Tick,
	) -> Result<(), SkipReason> {
		let Failed { provider, held, faulted } = failed;
		Agenda::<T>::remove(expires_at(held.deadline), (id, AgendaItem::Task(index)));
		job.counts.accepted = job.counts.accepted.checked_sub(1).ok_or(SkipReason::Bookkeeping)?;
		// There are no more attempts than places: see `max_attempts`.
		task.barred.try_push(provider.clone()).map_err(|_| SkipReason::Bookkeeping)?;
		let next = task.attempt.saturating_add(1);
		let end = if faulted {
			Some(EndReason::Faulted)
		} else if next >= Self::max_attempts() {
			Some(EndReason::AttemptsUsedUp)
		} else if let Some(reason) = job.closed {
			Some(reason)
		} else if now > job.open_until {
			Some(EndReason::LifetimeOver)
		} else {
			None
		};

		if let Some(reason) = end {
			let refunded = Self::refund(&job.tenant, task.escrow)?;
			Self::release_busy(&mut job, &mut task)?;
			job.counts.failed = job.counts.failed.saturating_add(1);
			task.state = TaskState::Ended { reason, paid: None };
			Self::deposit_event(Event::TaskEnded { job: id, task: index, reason, refunded });
		} else {
			task.attempt = next;
			// The price goes on from where it was when the task was taken.
			task.state = TaskState::Open { since: now, price: held.price };
			job.escrow_busy = job.escrow_busy.checked_sub(task.escrow).ok_or(SkipReason::Bookkeeping)?;
			if job.counts.open == 0 {
				OpenJobs::<T>::insert(id, ());
			}
			job.counts.open = job.counts.open.saturating_add(1);
			let price = held.price.min(task.escrow);
			Self::deposit_event(Event::TaskReopened { job: id, task: index, attempt: next, price });
		}
		Tasks::<T>::insert(id, index, task);
		Self::end_if_done(id, &mut job, now);
		Jobs::<T>::insert(id, job);
		Ok(())
	}

	/// Strikes an accepted or claimed task's escrow, which was paid out, from the books.
	fn release_busy(job: &mut JobOf<T>, task: &mut TaskOf<T>) -> Result<(), SkipReason> {
		job.escrow = job.escrow.checked_sub(task.escrow).ok_or(SkipReason::Bookkeeping)?;
		job.escrow_busy = job.escrow_busy.checked_sub(task.escrow).ok_or(SkipReason::Bookkeeping)?;
		task.escrow = 0;
		Ok(())
	}
}
