// SPDX-License-Identifier: Apache-2.0

//! The runtime API through which nodes, clients and dApps read the market. The node's `compute_*` RPC methods are a
//! thin layer over it.

use alloc::vec::Vec;
use codec::{Codec, Decode, Encode};
use scale_info::TypeInfo;

use crate::{
	job::{EndReason, JobRequest, TaskState},
	provider::{Availability, Profile, WorkerKey},
	types::{Balance, JobId, TaskId, TaskIndex, Tick},
};

/// A job as the chain sees it now.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct JobInfo<AccountId> {
	/// Its id.
	pub id: JobId,
	/// Who pays.
	pub tenant: AccountId,
	/// What was asked for.
	pub request: JobRequest,
	/// Tick of submission.
	pub submitted_at: Tick,
	/// Last tick at which its open tasks can be accepted.
	pub open_until: Tick,
	/// Ticks from claim to settlement.
	pub challenge_ticks: u32,
	/// Set once its open tasks are open no more: why.
	pub closed: Option<EndReason>,
	/// Tick at which the last task ended.
	pub ended_at: Option<Tick>,
	/// How many tasks are in which state.
	pub counts: TaskCounts,
	/// What is still in escrow, planck.
	pub escrow: Balance,
	/// Storage deposit, returned when the job is cleaned up, planck.
	pub deposit: Balance,
}

/// Tasks of a job by state; the sum is the number of tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, codec::MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskCounts {
	/// Open.
	pub open: u32,
	/// Accepted.
	pub accepted: u32,
	/// Claimed.
	pub claimed: u32,
	/// Settled.
	pub settled: u32,
	/// Ended unpaid.
	pub failed: u32,
}

/// A task as the chain sees it now.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct TaskInfo<AccountId> {
	/// Its job and index.
	pub id: TaskId,
	/// How often it was opened again.
	pub attempt: u32,
	/// Its state. An open task of a closed job shows as ended.
	pub state: TaskState<AccountId>,
	/// Price at which it could be accepted now, planck; `None` when it is not open.
	pub price: Option<Balance>,
	/// Providers that failed it and cannot take it again.
	pub barred: Vec<AccountId>,
}

/// An open task with what a worker's policy needs to know.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct OpenTask<AccountId> {
	/// Its job and index.
	pub id: TaskId,
	/// How often it was opened again.
	pub attempt: u32,
	/// Price now, planck.
	pub price: Balance,
	/// Highest price it may reach, planck.
	pub ceiling_price: Balance,
	/// Providers that cannot take it again.
	pub barred: Vec<AccountId>,
}

/// A page of open tasks, grouped by job.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct OpenTasksPage<AccountId> {
	/// The tasks, ordered by storage key of the job, then index.
	pub tasks: Vec<OpenTask<AccountId>>,
	/// Where to go on; `None` at the end.
	pub next: Option<TaskId>,
}

/// A provider as the chain sees it now.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct ProviderInfo<AccountId> {
	/// The owner's account.
	pub account: AccountId,
	/// Its profile.
	pub profile: Profile,
	/// The key that signs its orders; `None` before it was set.
	pub worker_key: Option<WorkerKey>,
	/// Whether it takes work.
	pub availability: Availability,
	/// Active bond, collateral included, planck.
	pub bond: Balance,
	/// The part of the bond that is locked behind tasks, planck.
	pub collateral: Balance,
	/// Unbonding chunks: planck and tick.
	pub unbonding: Vec<(Balance, Tick)>,
	/// Tasks it holds now.
	pub active_tasks: u32,
	/// Tasks it was paid for, ever.
	pub settled_tasks: u64,
	/// Expiries in a row.
	pub expiries: u32,
	/// Accept orders included, the counter of the next.
	pub accept_counter: u32,
	/// Tick of the last heartbeat.
	pub last_heartbeat: Option<Tick>,
}

/// What a job would cost.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct Quote {
	/// Least ceiling price that is accepted, planck.
	pub floor_price: Balance,
	/// Put in escrow: ceiling times tasks, planck.
	pub escrow: Balance,
	/// Storage deposit, planck.
	pub deposit: Balance,
	/// The protocol's cut of the ceiling price of one task, planck.
	pub cut: Balance,
	/// Providers that would be eligible now, of at most `scanned`.
	pub eligible_providers: u32,
	/// How many providers were looked at, at most.
	pub scanned: u32,
}

/// The market in a few numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, TypeInfo)]
pub struct MarketSummary {
	/// Registered programs.
	pub programs: u32,
	/// Jobs whose record is on chain.
	pub jobs: u32,
	/// Jobs with open tasks.
	pub open_jobs: u32,
	/// Registered providers.
	pub providers: u32,
	/// Tasks settled, ever.
	pub settled_tasks: u64,
	/// Paid to providers, ever, planck.
	pub paid: Balance,
	/// Taken as the protocol's cut, ever, planck.
	pub cut: Balance,
	/// Burnt as penalties, ever, planck.
	pub burnt: Balance,
}

/// The clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct Clock {
	/// The current tick.
	pub tick: Tick,
	/// Ticks of a heartbeat window.
	pub heartbeat_window: u32,
	/// Ticks after acceptance during which `NoInputs` counts.
	pub fetch_window: u32,
	/// Ticks from claim to settlement of jobs submitted now.
	pub challenge_ticks: u32,
}

/// Why there is no quote: the name and text of the error with which `submit` would fail.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct QuoteError {
	/// Name of the pallet's error.
	pub name: Vec<u8>,
}

sp_api::decl_runtime_apis! {
	/// Reads of the market. Lists are paginated: at most [`crate::limits::MAX_PAGE`] items, `after` is the last item of
	/// the page before.
	pub trait ComputeApi<AccountId> where AccountId: Codec {
		/// A job; `None` when there is no such job (any more).
		fn job(id: JobId) -> Option<JobInfo<AccountId>>;
		/// The jobs of a tenant, ordered by storage key.
		fn jobs_of(tenant: AccountId, after: Option<JobId>, limit: u32) -> Vec<JobInfo<AccountId>>;
		/// A task; `None` when there is no such task.
		fn task(id: JobId, index: TaskIndex) -> Option<TaskInfo<AccountId>>;
		/// Tasks of a job, from index `start` on.
		fn tasks(id: JobId, start: TaskIndex, limit: u32) -> Vec<TaskInfo<AccountId>>;
		/// Tasks that can be accepted now.
		fn open_tasks(after: Option<TaskId>, limit: u32) -> OpenTasksPage<AccountId>;
		/// A program's manifest.
		fn program(id: crate::types::ProgramId) -> Option<crate::program::ProgramManifest>;
		/// A provider.
		fn provider(account: AccountId) -> Option<ProviderInfo<AccountId>>;
		/// Providers, ordered by storage key.
		fn providers(after: Option<AccountId>, limit: u32) -> Vec<ProviderInfo<AccountId>>;
		/// What a job would cost, and how many providers could take it.
		fn quote(request: JobRequest) -> Result<Quote, QuoteError>;
		/// The market in a few numbers.
		fn market() -> MarketSummary;
		/// The clock.
		fn clock() -> Clock;
	}
}
