// SPDX-License-Identifier: Apache-2.0

//! The end of jobs: cancelling, closing, ending, clean-up.

use alloc::vec::Vec;
use frame_support::{
	ensure,
	traits::{Consideration, Get},
};
use sp_runtime::{DispatchError, DispatchResult};
use tessera_primitives::{JobId, TaskIndex, Tick, job::EndReason, traits::TickClock};

use crate::{
	Agenda, AgendaItem, Config, Ended, Error, Event, JobOf, Jobs, JobsOf, OpenJobs, Pallet, ProgramJobs,
	Tasks,
};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_cancel(tenant: &T::AccountId, id: JobId) -> DispatchResult {
		let job = Jobs::<T>::get(id).ok_or(Error::<T>::UnknownJob)?;
		ensure!(job.tenant == *tenant, Error::<T>::NotTenant);
		let now = Self::now();
		let reason = if now > job.open_until { EndReason::LifetimeOver } else { EndReason::Cancelled };
		Self::close_job(id, job, reason, now)
	}

	pub(crate) fn do_close(id: JobId) -> DispatchResult {
		Self::close_overdue(id, Self::now())
	}

	/// Closes a job whose lifetime is over.
	pub(crate) fn close_overdue(id: JobId, now: Tick) -> DispatchResult {
		let job = Jobs::<T>::get(id).ok_or(Error::<T>::UnknownJob)?;
		ensure!(now > job.open_until, Error::<T>::JobStillOpen);
		Self::close_job(id, job, EndReason::LifetimeOver, now)
	}

	/// Ends all open tasks at once. What a task that was opened again says of itself does not matter any more.
	fn close_job(id: JobId, mut job: JobOf<T>, reason: EndReason, now: Tick) -> DispatchResult {
		ensure!(job.closed.is_none() && job.ended.is_none(), Error::<T>::JobClosed);
		let open_part = job.escrow.checked_sub(job.escrow_busy).ok_or(Error::<T>::Bookkeeping)?;
		let refunded = Self::refund(&job.tenant, open_part)?;
		job.escrow = job.escrow_busy;
		let tasks = job.counts.open;
		job.counts.failed = job.counts.failed.saturating_add(tasks);
		job.counts.open = 0;
		job.closed = Some(reason);
		OpenJobs::<T>::remove(id);
		Agenda::<T>::remove(job.close_at(), (id, AgendaItem::Close));
		Self::deposit_event(Event::JobClosed { job: id, reason, tasks, refunded });
		Self::end_if_done(id, &mut job, now);
		Jobs::<T>::insert(id, job);
		Ok(())
	}

	/// Marks a job as ended when no task is open, accepted or claimed. The caller stores it.
	pub(crate) fn end_if_done(id: JobId, job: &mut JobOf<T>, now: Tick) {
		if job.counts.open > 0 || job.busy() > 0 || job.ended.is_some() {
			return;
		}
		if job.closed.is_none() {
			Agenda::<T>::remove(job.close_at(), (id, AgendaItem::Close));
		}
		let clean_at = now.saturating_add(T::RetentionTicks::get().max(1));
		job.ended = Some(Ended { at: now, clean_at });
		Agenda::<T>::insert(clean_at, (id, AgendaItem::CleanUp), ());
		let (settled, failed) = (job.counts.settled, job.counts.failed);
		Self::deposit_event(Event::JobEnded { job: id, settled, failed, clean_at });
	}

	/// Returns how many task records were removed.
	pub(crate) fn do_clean_up(who: &T::AccountId, id: JobId, max: u32) -> Result<u32, DispatchError> {
		let mut job = Jobs::<T>::get(id).ok_or(Error::<T>::UnknownJob)?;
		let ended = job.ended.ok_or(Error::<T>::JobNotEnded)?;
		ensure!(job.tenant == *who || Self::now() >= ended.clean_at, Error::<T>::StillRetained);
		let (removed, done) = Self::remove_records(id, &mut job, max)?;
		if !done {
			Jobs::<T>::insert(id, job);
		}
		Ok(removed)
	}

	/// Removes up to `max` task records of an ended job, and then the job itself. Returns how many, and whether that
	/// was all; if not, the caller stores the job.
	pub(crate) fn remove_records(
		id: JobId,
		job: &mut JobOf<T>,
		max: u32,
	) -> Result<(u32, bool), DispatchError> {
		let ended = job.ended.ok_or(Error::<T>::JobNotEnded)?;
		let limit = usize::try_from(max).unwrap_or(usize::MAX);
		// One more than is removed tells whether that is all.
		let found: Vec<TaskIndex> = Tasks::<T>::iter_key_prefix(id).take(limit.saturating_add(1)).collect();
		let done = found.len() <= limit;
		let mut removed = 0u32;
		for index in found.into_iter().take(limit) {
			Tasks::<T>::remove(id, index);
			removed = removed.saturating_add(1);
		}
		if !done {
			job.cleaned = job.cleaned.saturating_add(removed);
			return Ok((removed, false));
		}
		ProgramJobs::<T>::mutate_exists(job.request.program, |jobs| {
			*jobs = jobs.and_then(|jobs| jobs.checked_sub(1)).filter(|jobs| *jobs > 0)
		});
		Agenda::<T>::remove(ended.clean_at, (id, AgendaItem::CleanUp));
		JobsOf::<T>::remove(&job.tenant, id);
		Jobs::<T>::remove(id);
		job.ticket.clone().drop(&job.tenant)?;
		Self::deposit_event(Event::JobCleanedUp {
			job: id,
			tenant: job.tenant.clone(),
			deposit: job.deposit,
		});
		Ok((removed, true))
	}

	/// Has the agenda go on with a clean-up at a later tick. The caller stores the job.
	pub(crate) fn put_off_clean_up(id: JobId, job: &mut JobOf<T>, at: Tick) {
		if let Some(ended) = job.ended.as_mut() {
			ended.clean_at = at;
			Agenda::<T>::insert(at, (id, AgendaItem::CleanUp), ());
		}
	}
}
