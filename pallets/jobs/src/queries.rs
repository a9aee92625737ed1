// SPDX-License-Identifier: Apache-2.0

//! Reads for the runtime API and the view functions. Lists are bounded by [`MAX_PAGE`] whatever is asked for.

use alloc::vec::Vec;
use frame_support::traits::Get;
use tessera_primitives::{
	JobId, ProgramId, TaskId, TaskIndex, api,
	job::{JobRequest, TaskState},
	limits::MAX_PAGE,
	program::ProgramManifest,
	traits::{Providers, TickClock},
};

use crate::{
	Clock, Config, Error, JobOf, Jobs, JobsOf, OpenJobs, Pallet, Programs, TaskOf, Totals, types::share_of,
};

/// Tasks that one query for open tasks looks at, open or not.
const MAX_SCAN: u32 = 1_024;

impl<T: Config> Pallet<T> {
	/// A job; `None` when there is no such job (any more).
	pub fn job_info(id: JobId) -> Option<api::JobInfo<T::AccountId>> {
		let job = Jobs::<T>::get(id)?;
		Some(api::JobInfo {
			id,
			tenant: job.tenant,
			request: job.request,
			submitted_at: job.submitted_at,
			open_until: job.open_until,
			challenge_ticks: job.challenge_ticks,
			closed: job.closed,
			ended_at: job.ended.map(|ended| ended.at),
			counts: job.counts,
			escrow: job.escrow,
			deposit: job.deposit,
		})
	}

	/// The jobs of a tenant after `after`, ordered by id.
	pub fn jobs_of(
		tenant: &T::AccountId,
		after: Option<JobId>,
		limit: u32,
	) -> Vec<api::JobInfo<T::AccountId>> {
		let ids = match after {
			Some(id) => JobsOf::<T>::iter_key_prefix_from(tenant, JobsOf::<T>::hashed_key_for(tenant, id)),
			None => JobsOf::<T>::iter_key_prefix(tenant),
		};
		ids.take(page(limit)).filter_map(Self::job_info).collect()
	}

	/// A task; `None` when there is no such task, or its record is removed already.
	pub fn task_info(id: JobId, index: TaskIndex) -> Option<api::TaskInfo<T::AccountId>> {
		let job = Jobs::<T>::get(id)?;
		Self::info_of(id, &job, index)
	}

	/// Tasks of a job, from index `start` on.
	pub fn tasks_page(id: JobId, start: TaskIndex, limit: u32) -> Vec<api::TaskInfo<T::AccountId>> {
		let Some(job) = Jobs::<T>::get(id) else { return Vec::new() };
		(start..job.request.tasks).take(page(limit)).filter_map(|i| Self::info_of(id, &job, i)).collect()
	}

	/// Tasks that can be accepted now, after `after`. Looks at a bounded number of tasks, so a page may hold less than
	/// `limit`, or nothing, and yet name where to go on.
	pub fn open_tasks_page(after: Option<TaskId>, limit: u32) -> api::OpenTasksPage<T::AccountId> {
		let now = Self::now();
		let limit = page(limit);
		let mut tasks = Vec::new();
		let mut last = None;
		let mut budget = MAX_SCAN;

		// The rest of the job at which the page before stopped, then the jobs behind it.
		let first = after.map(|(id, index)| (id, index.saturating_add(1)));
		let jobs = match after {
			Some((id, _)) => OpenJobs::<T>::iter_from(OpenJobs::<T>::hashed_key_for(id)),
			None => OpenJobs::<T>::iter(),
		};
		let starts = first.into_iter().chain(jobs.map(|(id, ())| (id, 0)));
		for (id, start) in starts {
			let Some(job) = Jobs::<T>::get(id).filter(|job| job.is_open(now)) else {
				// A job without open tasks costs a look as well.
				let Some(left) = budget.checked_sub(1) else {
					return api::OpenTasksPage { tasks, next: last };
				};
				budget = left;
				last = Some((id, TaskIndex::MAX));
				continue;
			};
			for index in start..job.request.tasks {
				let Some(left) = budget.checked_sub(1).filter(|_| tasks.len() < limit) else {
					return api::OpenTasksPage { tasks, next: last };
				};
				budget = left;
				last = Some((id, index));
				let Some(task) = Self::task_of(id, &job, index) else { continue };
				if let Some(price) = task.price_at(&job.request, now) {
					tasks.push(api::OpenTask {
						id: (id, index),
						attempt: task.attempt,
						price,
						ceiling_price: job.request.ceiling_price.min(task.escrow),
						barred: task.barred.into_inner(),
					});
				}
			}
		}
		api::OpenTasksPage { tasks, next: None }
	}

	/// A program's manifest.
	pub fn program(id: ProgramId) -> Option<ProgramManifest> {
		Programs::<T>::get(id).map(|program| program.manifest)
	}

	/// What a job would cost and how many providers could take it; or the error with which `submit` would fail,
	/// whoever the tenant. Its funds are not looked at.
	pub fn quote(request: &JobRequest) -> Result<api::Quote, api::QuoteError> {
		let quote = || -> Result<api::Quote, Error<T>> {
			let program = Programs::<T>::get(request.program).ok_or(Error::<T>::UnknownProgram)?;
			let terms = Self::terms(request, &program)?;
			Ok(api::Quote {
				floor_price: terms.floor,
				escrow: terms.escrow,
				deposit: terms.deposit,
				cut: share_of(T::ProtocolCut::get(), request.ceiling_price),
				eligible_providers: T::Providers::count_eligible(&request.needs(), MAX_PAGE),
				scanned: MAX_PAGE,
			})
		};
		quote().map_err(|error| api::QuoteError { name: error.as_str().as_bytes().to_vec() })
	}

	/// The market in a few numbers; `providers` is what this pallet does not know.
	pub fn market_summary(providers: u32) -> api::MarketSummary {
		let totals = Totals::<T>::get();
		api::MarketSummary {
			programs: Programs::<T>::count(),
			jobs: Jobs::<T>::count(),
			open_jobs: OpenJobs::<T>::count(),
			providers,
			settled_tasks: totals.settled_tasks,
			paid: totals.paid,
			cut: totals.cut,
			burnt: totals.burnt,
		}
	}

	/// The clock; `heartbeat_window` is what this pallet does not know, ticks.
	pub fn clock(heartbeat_window: u32) -> api::Clock {
		api::Clock {
			tick: Clock::<T>::get().tick,
			heartbeat_window,
			fetch_window: T::FetchWindow::get(),
			challenge_ticks: T::ChallengeTicks::get().max(1),
		}
	}

	fn info_of(id: JobId, job: &JobOf<T>, index: TaskIndex) -> Option<api::TaskInfo<T::AccountId>> {
		let task: TaskOf<T> = Self::task_of(id, job, index)?;
		let now = Self::now();
		let price = task.price_at(&job.request, now).filter(|_| job.is_open(now));
		let state = match (task.state, job.closed) {
			(TaskState::Open { .. }, Some(reason)) => TaskState::Ended { reason, paid: None },
			(state, _) => state,
		};
		Some(api::TaskInfo {
			id: (id, index),
			attempt: task.attempt,
			state,
			price,
			barred: task.barred.into_inner(),
		})
	}
}

/// A page's length, within [`MAX_PAGE`].
fn page(limit: u32) -> usize {
	usize::try_from(limit.min(MAX_PAGE)).unwrap_or(usize::MAX)
}
