// SPDX-License-Identifier: Apache-2.0

//! Claims, and giving tasks back.

use frame_support::{ensure, traits::Get};
use sp_runtime::DispatchResult;
use tessera_primitives::{
	Tick,
	job::{HandBackReason, TaskState},
	orders::{ClaimItem, HandBackItem},
	traits::{Outcome, Providers, TickClock},
};

use crate::{
	Agenda, AgendaItem, ClaimOrderOf, Config, Event, HandBackOrderOf, JobOf, Jobs, Pallet, SkipReason,
	TaskOf, Tasks, Totals,
	accept::{Held, expires_at},
	lists::Item,
	settle::Failed,
	types::share_of,
};

/// Reports of faults, each by another provider, after which a program counts as faulty.
const FAULTS: u8 = 2;

impl<T: Config> Pallet<T> {
	pub(crate) fn do_claim(order: &ClaimOrderOf<T>) -> DispatchResult {
		let now = Self::now();
		Self::for_each(&order.claims, Item::id, |item| Self::claim_task(&order.provider, item, now))
	}

	/// Everything that a claim can fail on.
	pub(crate) fn check_claim(
		provider: &T::AccountId,
		item: &ClaimItem,
		now: Tick,
	) -> Result<(JobOf<T>, TaskOf<T>, Held), SkipReason> {
		let (job, task, held) = Self::accepted_task(provider, item)?;
		ensure!(now <= held.deadline, SkipReason::DeadlinePassed);
		ensure!(item.output_bytes == job.output_bytes, SkipReason::WrongOutputLength);
		Ok((job, task, held))
	}

	fn claim_task(provider: &T::AccountId, item: &ClaimItem, now: Tick) -> Result<(), SkipReason> {
		let (mut job, mut task, held) = Self::check_claim(provider, item, now)?;
		let settle_at = now.saturating_add(job.challenge_ticks);
		task.state = TaskState::Claimed {
			provider: provider.clone(),
			price: held.price,
			collateral: held.collateral,
			root: item.root,
			at: now,
			settle_at,
		};
		job.counts.accepted = job.counts.accepted.checked_sub(1).ok_or(SkipReason::Bookkeeping)?;
		job.counts.claimed = job.counts.claimed.saturating_add(1);
		let entry = (item.job, AgendaItem::Task(item.task));
		Agenda::<T>::remove(expires_at(held.deadline), entry);
		Agenda::<T>::insert(settle_at, entry, ());
		Self::deposit_event(Event::TaskClaimed {
			job: item.job,
			task: item.task,
			attempt: task.attempt,
			provider: provider.clone(),
			root: item.root,
			settle_at,
		});
		Tasks::<T>::insert(item.job, item.task, task);
		Jobs::<T>::insert(item.job, job);
		Ok(())
	}

	pub(crate) fn do_hand_back(order: &HandBackOrderOf<T>) -> DispatchResult {
		let now = Self::now();
		Self::for_each(&order.tasks, Item::id, |item| Self::hand_back_task(&order.provider, item, now))
	}

	/// Everything that handing a task back can fail on.
	pub(crate) fn check_hand_back(
		provider: &T::AccountId,
		item: &HandBackItem,
		now: Tick,
	) -> Result<(JobOf<T>, TaskOf<T>, Held), SkipReason> {
		let (job, task, held) = Self::accepted_task(provider, item)?;
		ensure!(now <= held.deadline, SkipReason::DeadlinePassed);
		match item.reason {
			HandBackReason::NoInputs => {
				let last = held.at.saturating_add(T::FetchWindow::get());
				ensure!(now <= last, SkipReason::FetchWindowOver);
			}
			HandBackReason::Faulted => (),
		}
		Ok((job, task, held))
	}

	fn hand_back_task(provider: &T::AccountId, item: &HandBackItem, now: Tick) -> Result<(), SkipReason> {
		let (mut job, mut task, held) = Self::check_hand_back(provider, item, now)?;
		// Both lose the same, so that neither gains by leading the other on.
		let share = share_of(T::HandBackPenalty::get(), held.price);
		let tenant_burnt = share.min(task.escrow);
		Self::burn(&job.tenant, tenant_burnt)?;
		task.escrow = task.escrow.saturating_sub(tenant_burnt);
		job.escrow = job.escrow.checked_sub(tenant_burnt).ok_or(SkipReason::Bookkeeping)?;
		job.escrow_busy = job.escrow_busy.checked_sub(tenant_burnt).ok_or(SkipReason::Bookkeeping)?;
		let provider_burnt = T::Providers::finish(provider, held.collateral, share, Outcome::HandedBack);
		Totals::<T>::mutate(|totals| {
			totals.burnt = totals.burnt.saturating_add(tenant_burnt).saturating_add(provider_burnt)
		});
		Self::deposit_event(Event::TaskHandedBack {
			job: item.job,
			task: item.task,
			attempt: task.attempt,
			provider: provider.clone(),
			reason: item.reason,
			provider_burnt,
			tenant_burnt,
		});
		if item.reason == HandBackReason::Faulted {
			task.faults = task.faults.saturating_add(1);
		}
		let faulted = task.faults >= FAULTS;
		Self::after_failure(item.id(), job, task, Failed { provider, held, faulted }, now)
	}
}
