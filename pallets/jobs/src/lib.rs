// SPDX-License-Identifier: Apache-2.0

//! # The market of GPU work
//!
//! Tenants register programs and submit jobs: arrays of tasks of one program, their price in escrow. Providers take
//! tasks, commit to results and are paid after the challenge window. No matching engine: the price of an open task
//! rises until somebody takes it.
//!
//! ```text
//! submit -> Open --accept--> Accepted --claim--> Claimed --settle (after the window)--> Settled
//!            ^                  |
//!            +-- hand_back, expire (another provider, at a later attempt)
//! ends: Settled, Cancelled, LifetimeOver, AttemptsUsedUp, Faulted
//! ```
//!
//! - **Money.** The ceiling price of every task is held from the tenant's account when the job is submitted, and leaves
//!   that hold exactly once: to the provider, as the protocol's cut, burnt as a penalty, or back to the tenant. The
//!   collateral behind a task is part of a provider's bond and is moved by [`Config::Providers`] alone.
//! - **Time** is counted in ticks, about one a block ([`Pallet`] implements [`TickClock`]). Ticks stand still while
//!   migrations run and, for at most [`Config::MaxStalledBlocks`], while blocks are full.
//! - **Submitting is O(1)**: an open task that nobody took yet has no record of its own.
//! - **Lists.** `accept`, `claim`, `hand_back`, `settle` and `expire` take lists, and each task of a list stands or falls
//!   alone: one that fails is reported by [`Event::TaskSkipped`] and changes nothing. A call none of whose tasks goes
//!   through fails with the reason of the first; a feeless one is refused by the pool already.
//! - **Feeless calls** are authorised: see `authorize.rs` for what is checked in which order, and [`codes`] for what a
//!   refusal means.
//! - **The agenda** holds what falls due by tick. `on_poll` works it off within its share of the block. Everything it
//!   does can also be called by anyone: nothing waits for a late hook.
//! - **Storage** of a job is paid by one deposit, returned when its record is cleaned up.
//!
//! ## Invariants
//!
//! Checked by `try_state`; INV4 and INV9 need the other side and are checked in the tests.
//!
//! - INV1: what an account has on hold as [`HoldReason::Escrow`] is the sum of the escrow of its jobs.
//! - INV2: a job's escrow is the sum of the escrow of its open, accepted and claimed tasks; `escrow_busy` is the part of
//!   the latter two. A taken task's price is at most its escrow.
//! - INV3: a job's counts are those of its tasks' states, and sum to its number of tasks; each task is in one state, and
//!   an ended one stays ended.
//! - INV4: the collateral of all tasks that a provider holds is what is locked of its bond.
//! - INV5: a job is marked as ended exactly when no task is open, accepted or claimed; then it holds no escrow.
//! - INV6: the indices are exact: open jobs, jobs by tenant, jobs by program.
//! - INV7: the agenda is exact: one entry for every accepted or claimed task, at the tick at which it falls due; one for
//!   every job: its closing, or its clean-up once it has ended. Nothing lies before the cursor.
//! - INV8: attempts are below [`limits::MAX_ATTEMPTS`]; a provider is barred from a task once at most, one per failed
//!   attempt.
//! - INV9: issuance changes by what is burnt, and by nothing else; [`Totals`] says how much that was.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
	clippy::arithmetic_side_effects,
	clippy::unwrap_used,
	clippy::expect_used,
	clippy::indexing_slicing,
	clippy::cast_lossless,
	clippy::cast_possible_wrap,
	clippy::cast_precision_loss,
	clippy::cast_sign_loss
)]
#![cfg_attr(
	test,
	allow(
		clippy::arithmetic_side_effects,
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::cast_lossless,
		clippy::cast_possible_wrap,
		clippy::cast_precision_loss,
		clippy::cast_sign_loss
	)
)]

extern crate alloc;

mod accept;
mod agenda;
mod authorize;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod claim;
mod clock;
mod close;
mod errors;
mod escrow;
mod events;
mod lists;
#[cfg(test)]
mod mock;
mod queries;
mod settle;
mod submit;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "try-runtime", test))]
mod try_state;
pub mod types;
pub mod weights;

use frame_support::pallet_macros::import_section;

pub use pallet::*;
pub use types::{codes, *};
pub use weights::WeightInfo;

/// Log target of this pallet.
pub const LOG_TARGET: &str = "runtime::jobs";

#[import_section(errors::errors)]
#[import_section(events::events)]
// The storage macro expands to `expect`; scripts/check-onchain.sh looks at what is written here.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::{Task, *};
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint, OnUnbalanced, fungible},
		weights::WeightMeter,
	};
	use frame_system::{ensure_authorized, pallet_prelude::*};
	use sp_core::H256;
	use sp_runtime::{Perbill, Permill, traits::Convert};
	use tessera_primitives::{
		Balance, JobId, ProgramId, TaskId, TaskIndex, Tick, api,
		job::{EndReason, HandBackReason, JobRequest},
		limits,
		orders::{AcceptOrder, ClaimOrder, HandBackOrder, WorkerSignature},
		program::ProgramManifest,
		traits::Providers,
	};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// The market of GPU work.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime has to say. Amounts are planck, spans are ticks where not said otherwise.
	#[pallet::config]
	pub trait Config: frame_system::Config<Hash = H256> {
		/// The native token.
		type Currency: fungible::Inspect<Self::AccountId, Balance = Balance>
			+ fungible::hold::Mutate<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ fungible::hold::Balanced<Self::AccountId>;
		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;
		/// Deposit for the storage of a job, from [`Pallet::job_footprint`].
		type JobConsideration: Consideration<Self::AccountId, Footprint>;
		/// Deposit for the storage of a program, from [`Pallet::program_footprint`].
		type ProgramConsideration: Consideration<Self::AccountId, Footprint>;
		/// What [`Config::JobConsideration`] takes for a footprint: shown in quotes and kept in the job.
		type JobDeposit: Convert<Footprint, Balance>;
		/// Providers, their eligibility and their bonds.
		type Providers: Providers<Self::AccountId>;
		/// Gets the protocol's cut: the treasury. What it drops is burnt.
		type OnCut: OnUnbalanced<CreditOf<Self>>;
		/// Orders competing accept orders: randomness of the epoch.
		type AcceptSeed: Get<[u8; 32]>;

		/// Share of a settled price that goes to [`Config::OnCut`], rounded up.
		type ProtocolCut: Get<Permill>;
		/// Fixed part of the least price of a task.
		type FeeFloorBase: Get<Balance>;
		/// Least price of a task per tick for which it can lock a provider's bond.
		type FeeFloorPerTick: Get<Balance>;
		/// Share of the price that a provider loses for a task not claimed in time: once for the first, twice for the
		/// second in a row, and so on up to the whole price.
		type ExpiryPenalty: Get<Permill>;
		/// Share of the price that tenant and provider lose each when a task is handed back.
		type HandBackPenalty: Get<Permill>;
		/// For how long after acceptance a task can be handed back for want of its inputs.
		type FetchWindow: Get<u32>;
		/// From claim to settlement, at least 1: jobs keep what counted when they were submitted.
		type ChallengeTicks: Get<u32>;
		/// How many providers may try a task; from 1 to [`limits::MAX_ATTEMPTS`].
		type MaxAttempts: Get<u32>;
		/// Longest execution time that a job may ask for.
		type MaxExecutionTicks: Get<u32>;
		/// Longest lifetime that a job may ask for.
		type MaxLifetimeTicks: Get<u32>;
		/// For how long an ended job stays readable before anyone may remove it; at least 1.
		type RetentionTicks: Get<u32>;
		/// How far ahead of the current block an order's last block may lie, blocks.
		type MaxOrderBlocks: Get<BlockNumberFor<Self>>;
		/// From which share of its limits on a block counts as full.
		type FullBlock: Get<Perbill>;
		/// For how many full blocks ticks stand still; every block that is not full gives one back. Blocks.
		type MaxStalledBlocks: Get<u32>;
		/// Share of a block's weight that the agenda may use.
		type HookShare: Get<Perbill>;
		/// Weights, measured in the runtime with its own [`Config::Providers`] and so including its work.
		type WeightInfo: WeightInfo;
	}

	/// A credit of the native token.
	pub type CreditOf<T> = fungible::Credit<<T as frame_system::Config>::AccountId, <T as Config>::Currency>;
	/// The stored form of a program.
	pub type ProgramOf<T> =
		Program<<T as frame_system::Config>::AccountId, <T as Config>::ProgramConsideration>;
	/// The stored form of a job.
	pub type JobOf<T> = Job<<T as frame_system::Config>::AccountId, <T as Config>::JobConsideration>;
	/// The stored form of a task.
	pub type TaskOf<T> = Task<<T as frame_system::Config>::AccountId>;
	/// An accept order of this runtime.
	pub type AcceptOrderOf<T> = AcceptOrder<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;
	/// A claim order of this runtime.
	pub type ClaimOrderOf<T> = ClaimOrder<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;
	/// A hand-back order of this runtime.
	pub type HandBackOrderOf<T> = HandBackOrder<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// What a tenant's jobs may still cost.
		#[codec(index = 0)]
		Escrow,
		/// Deposit for the storage of a job.
		#[codec(index = 1)]
		JobDeposit,
		/// Deposit for the storage of a program.
		#[codec(index = 2)]
		ProgramDeposit,
	}

	/// Registered programs. The key comes from a user and cannot be checked to be a hash.
	#[pallet::storage]
	pub type Programs<T: Config> = CountedStorageMap<_, Blake2_128Concat, ProgramId, ProgramOf<T>>;

	/// How many jobs on chain use a program, ended ones included. Apart from the program, so that submitting a job does
	/// not rewrite its manifest.
	#[pallet::storage]
	pub type ProgramJobs<T: Config> = StorageMap<_, Blake2_128Concat, ProgramId, u32, ValueQuery>;

	/// Jobs that are not cleaned up yet. The key is a hash that the chain computes.
	#[pallet::storage]
	pub type Jobs<T: Config> = CountedStorageMap<_, Identity, JobId, JobOf<T>>;

	/// Tasks that somebody took at least once. The others are open, as the job says.
	#[pallet::storage]
	pub type Tasks<T: Config> = StorageDoubleMap<_, Identity, JobId, Twox64Concat, TaskIndex, TaskOf<T>>;

	/// Jobs with open tasks that are not closed.
	#[pallet::storage]
	pub type OpenJobs<T: Config> = CountedStorageMap<_, Identity, JobId, ()>;

	/// Jobs by tenant.
	#[pallet::storage]
	pub type JobsOf<T: Config> = StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, JobId, ()>;

	/// What falls due at which tick.
	#[pallet::storage]
	pub type Agenda<T: Config> = StorageDoubleMap<_, Twox64Concat, Tick, Identity, (JobId, AgendaItem), ()>;

	/// First tick whose part of the agenda is not worked off.
	#[pallet::storage]
	pub type AgendaCursor<T: Config> = StorageValue<_, Tick, ValueQuery>;

	/// The clock.
	#[pallet::storage]
	pub type Clock<T: Config> = StorageValue<_, ClockState, ValueQuery>;

	/// Sums over all time.
	#[pallet::storage]
	pub type Totals<T: Config> = StorageValue<_, MarketTotals, ValueQuery>;

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_: BlockNumberFor<T>) -> Weight {
			T::WeightInfo::on_finalize()
		}

		fn on_poll(_: BlockNumberFor<T>, meter: &mut WeightMeter) {
			Self::poll(meter)
		}

		fn on_finalize(_: BlockNumberFor<T>) {
			Self::note_fullness()
		}

		#[cfg(feature = "std")]
		fn integrity_test() {
			let attempts = T::MaxAttempts::get();
			assert!(
				(1..=limits::MAX_ATTEMPTS).contains(&attempts),
				"MaxAttempts is {attempts}: it must be 1 to {}",
				limits::MAX_ATTEMPTS
			);
			assert!(T::ChallengeTicks::get() > 0, "ChallengeTicks must be at least 1");
			assert!(T::RetentionTicks::get() > 0, "RetentionTicks must be at least 1");
			assert!(
				!T::HookShare::get().is_zero(),
				"HookShare is zero: the agenda would never be worked off"
			);
			let share = Self::hook_limit();
			let least = Self::least_hook_weight();
			assert!(
				least.all_lte(share),
				"HookShare gives the agenda {share:?}, but its largest item needs {least:?}"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call(weight(<T as Config>::WeightInfo))]
	impl<T: Config> Pallet<T> {
		/// Registers a program for use by anyone's jobs, against a deposit.
		///
		/// - `id`: BLAKE3 hash of the program's package. The chain cannot check it: workers do.
		/// - `bytes`: length of the package.
		/// - `manifest`: the package's manifest.
		///
		/// Emits `ProgramRegistered`.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register_program(
			manifest.buffers.len().try_into().unwrap_or(u32::MAX),
			manifest.stages.len().try_into().unwrap_or(u32::MAX),
		))]
		pub fn register_program(
			origin: OriginFor<T>,
			id: ProgramId,
			bytes: u64,
			manifest: ProgramManifest,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_register_program(owner, id, bytes, manifest)
		}

		/// Removes a program that no job uses, and returns the deposit to its owner, who alone may call this.
		///
		/// Emits `ProgramRetired`.
		#[pallet::call_index(1)]
		pub fn retire_program(origin: OriginFor<T>, id: ProgramId) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_retire_program(&owner, id)
		}

		/// Submits a job: holds ceiling price times tasks and the storage deposit, and opens every task.
		///
		/// - `client_id`: chosen by the client. The job's id follows from it and the tenant, so a submission that is sent
		///   twice is paid once, as long as the job is not cleaned up.
		///
		/// Emits `JobSubmitted`.
		#[pallet::call_index(2)]
		pub fn submit(origin: OriginFor<T>, client_id: H256, request: JobRequest) -> DispatchResult {
			let tenant = ensure_signed(origin)?;
			Self::do_submit(tenant, client_id, request)
		}

		/// Takes tasks at their current price. Feeless, for a transaction signed by the provider's worker key.
		///
		/// Emits `TaskAccepted` or `TaskSkipped` for every task.
		#[pallet::call_index(3)]
		#[pallet::weight((T::WeightInfo::accept(len(&order.tasks)), Pays::No))]
		#[pallet::authorize(Self::authorize_accept)]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_accept(len(&order.tasks)))]
		pub fn accept(
			origin: OriginFor<T>,
			order: AcceptOrderOf<T>,
			signature: WorkerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			// Part of the payload for `authorize`, which has checked it in the same block.
			let _ = signature;
			Self::do_accept(&order)
		}

		/// Commits to the results of tasks. Feeless, for a transaction signed by the provider's worker key.
		///
		/// Emits `TaskClaimed` or `TaskSkipped` for every task.
		#[pallet::call_index(4)]
		#[pallet::weight((T::WeightInfo::claim(len(&order.claims)), Pays::No))]
		#[pallet::authorize(Self::authorize_claim)]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_claim(len(&order.claims)))]
		pub fn claim(
			origin: OriginFor<T>,
			order: ClaimOrderOf<T>,
			signature: WorkerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			let _ = signature;
			Self::do_claim(&order)
		}

		/// Gives tasks back, at a small loss for provider and tenant. Feeless, for a transaction signed by the
		/// provider's worker key. The provider cannot take these tasks again.
		///
		/// Emits `TaskHandedBack` and `TaskReopened` or `TaskEnded`, or `TaskSkipped`, for every task.
		#[pallet::call_index(5)]
		#[pallet::weight((T::WeightInfo::hand_back(len(&order.tasks)), Pays::No))]
		#[pallet::authorize(Self::authorize_hand_back)]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_hand_back(len(&order.tasks)))]
		pub fn hand_back(
			origin: OriginFor<T>,
			order: HandBackOrderOf<T>,
			signature: WorkerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			let _ = signature;
			Self::do_hand_back(&order)
		}

		/// Pays claimed tasks whose challenge window is over. Anyone may call it; the agenda does so by itself.
		///
		/// Emits `TaskSettled` or `TaskSkipped` for every task.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::settle(len(tasks)))]
		pub fn settle(origin: OriginFor<T>, tasks: BoundedVec<TaskId, limits::MaxList>) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_settle(&tasks)
		}

		/// Takes tasks from providers that missed the deadline. Anyone may call it; the agenda does so by itself.
		///
		/// Emits `TaskExpired` and `TaskReopened` or `TaskEnded`, or `TaskSkipped`, for every task.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::expire(len(tasks)))]
		pub fn expire(origin: OriginFor<T>, tasks: BoundedVec<TaskId, limits::MaxList>) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_expire(&tasks)
		}

		/// Ends the open tasks of the tenant's job at once and returns their escrow. Tasks that providers work on run
		/// on, and are paid when they succeed; none opens again.
		///
		/// Emits `JobClosed`.
		#[pallet::call_index(8)]
		pub fn cancel(origin: OriginFor<T>, job: JobId) -> DispatchResult {
			let tenant = ensure_signed(origin)?;
			Self::do_cancel(&tenant, job)
		}

		/// Closes a job whose lifetime is over, like `cancel`. Anyone may call it; the agenda does so by itself.
		///
		/// Emits `JobClosed`.
		#[pallet::call_index(9)]
		pub fn close(origin: OriginFor<T>, job: JobId) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_close(job)
		}

		/// Removes the record of an ended job and returns the deposit to its tenant. The tenant may call it at once,
		/// anyone after the retention time; then the agenda does so by itself.
		///
		/// - `max`: how many task records to remove at most. Call again until `JobCleanedUp` is emitted.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::clean_up((*max).min(limits::MAX_TASKS)))]
		pub fn clean_up(origin: OriginFor<T>, job: JobId, max: u32) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let removed = Self::do_clean_up(&who, job, max.min(limits::MAX_TASKS))?;
			Ok(Some(T::WeightInfo::clean_up(removed)).into())
		}
	}

	/// Length of a list as a weight component.
	fn len<A, S: Get<u32>>(list: &BoundedVec<A, S>) -> u32 {
		list.len().try_into().unwrap_or(u32::MAX)
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// A job; `None` when there is no such job (any more).
		pub fn job(id: JobId) -> Option<api::JobInfo<T::AccountId>> {
			Self::job_info(id)
		}

		/// A task; `None` when there is no such task.
		pub fn task(id: JobId, index: TaskIndex) -> Option<api::TaskInfo<T::AccountId>> {
			Self::task_info(id, index)
		}

		/// The jobs of a tenant after `after`, ordered by id; at most 256.
		pub fn jobs_of_tenant(
			tenant: T::AccountId,
			after: Option<JobId>,
			limit: u32,
		) -> Vec<api::JobInfo<T::AccountId>> {
			Self::jobs_of(&tenant, after, limit)
		}

		/// Tasks that can be accepted now, after `after`; at most 256.
		pub fn open_tasks(after: Option<TaskId>, limit: u32) -> api::OpenTasksPage<T::AccountId> {
			Self::open_tasks_page(after, limit)
		}

		/// The market in a few numbers; without the number of providers, which this pallet does not know.
		pub fn market() -> api::MarketSummary {
			Self::market_summary(0)
		}

		/// The current tick.
		pub fn tick() -> Tick {
			Clock::<T>::get().tick
		}
	}
}
