// SPDX-License-Identifier: Apache-2.0

//! Taking tasks.

use frame_support::{ensure, traits::Get};
use sp_runtime::DispatchResult;
use tessera_primitives::{
	Balance, JobId, TaskIndex, Tick,
	job::{TaskState, Tier},
	orders::AcceptItem,
	provider::Ineligible,
	traits::{Providers, TickClock},
};

use crate::{
	AcceptOrderOf, Agenda, AgendaItem, Config, Event, JobOf, Jobs, OpenJobs, Pallet, SkipReason, TaskOf,
	Tasks, lists::Item,
};

/// A task that a provider may take.
pub(crate) struct Takeable<T: Config> {
	pub job: JobOf<T>,
	pub task: TaskOf<T>,
	/// Its price now, planck.
	pub price: Balance,
	/// What is locked of the provider's bond, planck.
	pub collateral: Balance,
}

impl<T: Config> Pallet<T> {
	pub(crate) fn do_accept(order: &AcceptOrderOf<T>) -> DispatchResult {
		let now = Self::now();
		T::Providers::count_accept(&order.provider);
		Self::for_each(&order.tasks, Item::id, |item| Self::accept_task(&order.provider, item, now))
	}

	/// Everything that taking a task can fail on. `free` is the provider's bond that is not locked, planck.
	pub(crate) fn check_accept(
		provider: &T::AccountId,
		item: &AcceptItem,
		free: Balance,
		now: Tick,
	) -> Result<Takeable<T>, SkipReason> {
		let job = Jobs::<T>::get(item.job).ok_or(SkipReason::UnknownJob)?;
		let task = Self::task_of(item.job, &job, item.task).ok_or(SkipReason::UnknownTask)?;
		ensure!(job.is_open(now), SkipReason::JobClosed);
		let price = task.price_at(&job.request, now).ok_or(SkipReason::NotOpen)?;
		ensure!(task.attempt == item.attempt, SkipReason::WrongAttempt);
		ensure!(price >= item.min_price, SkipReason::PriceBelowMinimum);
		ensure!(!task.barred.contains(provider), SkipReason::Barred);
		T::Providers::check(provider, &job.request.needs())?;
		let collateral = match job.request.tier {
			// Only lateness can cost a provider anything.
			Tier::Unverified => price,
		};
		ensure!(collateral <= free, SkipReason::Ineligible(Ineligible::Collateral));
		Ok(Takeable { job, task, price, collateral })
	}

	fn accept_task(provider: &T::AccountId, item: &AcceptItem, now: Tick) -> Result<(), SkipReason> {
		let free = T::Providers::free_collateral(provider);
		let Takeable { mut job, mut task, price, collateral } =
			Self::check_accept(provider, item, free, now)?;
		T::Providers::lock(provider, collateral)?;

		let deadline = now.saturating_add(job.request.execution_ticks);
		task.state = TaskState::Accepted { provider: provider.clone(), price, collateral, at: now, deadline };
		job.escrow_busy = job.escrow_busy.checked_add(task.escrow).ok_or(SkipReason::Bookkeeping)?;
		job.counts.open = job.counts.open.checked_sub(1).ok_or(SkipReason::Bookkeeping)?;
		job.counts.accepted = job.counts.accepted.saturating_add(1);
		if job.counts.open == 0 {
			OpenJobs::<T>::remove(item.job);
		}
		Agenda::<T>::insert(expires_at(deadline), (item.job, AgendaItem::Task(item.task)), ());
		Self::deposit_event(Event::TaskAccepted {
			job: item.job,
			task: item.task,
			attempt: task.attempt,
			provider: provider.clone(),
			price,
			deadline,
		});
		Tasks::<T>::insert(item.job, item.task, task);
		Jobs::<T>::insert(item.job, job);
		Ok(())
	}

	/// A task of a job, from its record or as the job says; `None` when the job has no such task.
	pub(crate) fn task_of(id: JobId, job: &JobOf<T>, index: TaskIndex) -> Option<TaskOf<T>> {
		if index >= job.request.tasks {
			return None;
		}
		match Tasks::<T>::get(id, index) {
			Some(task) => Some(task),
			// A missing record of a job under clean-up says nothing.
			None if job.cleaned > 0 => None,
			None => Some(TaskOf::<T>::fresh(&job.request, job.submitted_at)),
		}
	}

	/// A provider's task that it has not claimed, for an order that names an attempt.
	pub(crate) fn accepted_task(
		provider: &T::AccountId,
		item: &impl Item,
	) -> Result<(JobOf<T>, TaskOf<T>, Held), SkipReason> {
		let (id, index) = item.id();
		let job = Jobs::<T>::get(id).ok_or(SkipReason::UnknownJob)?;
		let task = Self::task_of(id, &job, index).ok_or(SkipReason::UnknownTask)?;
		let TaskState::Accepted { provider: holder, price, collateral, at, deadline } = &task.state else {
			return Err(SkipReason::NotAccepted);
		};
		ensure!(holder == provider, SkipReason::OtherProvider);
		ensure!(task.attempt == item.attempt(), SkipReason::WrongAttempt);
		let held = Held { price: *price, collateral: *collateral, at: *at, deadline: *deadline };
		Ok((job, task, held))
	}

	/// How many providers may try a task.
	pub(crate) fn max_attempts() -> u32 {
		T::MaxAttempts::get().clamp(1, tessera_primitives::limits::MAX_ATTEMPTS)
	}
}

/// What is known of an accepted task besides its provider. Amounts are planck.
#[derive(Clone, Copy)]
pub(crate) struct Held {
	pub price: Balance,
	pub collateral: Balance,
	/// Tick of acceptance.
	pub at: Tick,
	/// Last tick for the claim.
	pub deadline: Tick,
}

/// First tick at which a task with this deadline has expired.
pub(crate) fn expires_at(deadline: Tick) -> Tick {
	deadline.saturating_add(1)
}
