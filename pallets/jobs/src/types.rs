// SPDX-License-Identifier: Apache-2.0

//! Stored types, reasons, and the arithmetic of prices.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_runtime::Permill;
use tessera_primitives::{
	Balance, TaskIndex, Tick,
	api::TaskCounts,
	job::{EndReason, JobRequest, TaskState},
	limits,
	program::ProgramManifest,
	provider::Ineligible,
};

/// A registered program.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Program<AccountId, Ticket> {
	/// Who registered it.
	pub owner: AccountId,
	/// Length of its package in bytes.
	pub bytes: u64,
	/// Its buffers and stages.
	pub manifest: ProgramManifest,
	/// The storage deposit.
	pub ticket: Ticket,
}

/// A job. Amounts are planck.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Job<AccountId, Ticket> {
	/// Who pays.
	pub tenant: AccountId,
	/// What was asked for.
	pub request: JobRequest,
	/// Bytes of all output buffers of a task: what a claim must state.
	pub output_bytes: u64,
	/// Tick of submission.
	pub submitted_at: Tick,
	/// Last tick at which its tasks can be accepted.
	pub open_until: Tick,
	/// Ticks from claim to settlement.
	pub challenge_ticks: u32,
	/// Tasks by state.
	pub counts: TaskCounts,
	/// All that is held for it.
	pub escrow: Balance,
	/// The part of `escrow` that belongs to accepted and claimed tasks.
	pub escrow_busy: Balance,
	/// Why its open tasks ended and none opens again, once that is so.
	pub closed: Option<EndReason>,
	/// Set when the last task ended.
	pub ended: Option<Ended>,
	/// Task records that a clean-up under way has removed.
	pub cleaned: u32,
	/// The storage deposit, as an amount.
	pub deposit: Balance,
	/// The storage deposit.
	pub ticket: Ticket,
}

/// The end of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Ended {
	/// Tick at which the last task ended.
	pub at: Tick,
	/// Tick from which on anyone may remove the record; where the agenda has the clean-up.
	pub clean_at: Tick,
}

/// A task that somebody took at least once.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Task<AccountId> {
	/// How often it was opened again.
	pub attempt: u32,
	/// What it may still cost: the ceiling price less what was burnt. Zero once it ended.
	pub escrow: Balance,
	/// Its state; `Open` in a closed job means that it ended with the job's closing.
	pub state: TaskState<AccountId>,
	/// Providers that failed it.
	pub barred: BoundedVec<AccountId, limits::MaxAttempts>,
	/// How many of them reported that the program itself fails.
	pub faults: u8,
}

impl<AccountId> Task<AccountId> {
	/// A task that nobody took yet.
	pub fn fresh(request: &JobRequest, submitted_at: Tick) -> Self {
		Self {
			attempt: 0,
			escrow: request.ceiling_price,
			state: TaskState::Open { since: submitted_at, price: request.opening_price },
			barred: BoundedVec::new(),
			faults: 0,
		}
	}

	/// Price at this tick; `None` when it is not open. It rises from the price at which it was opened, and never
	/// beyond what is in escrow for it.
	pub fn price_at(&self, request: &JobRequest, now: Tick) -> Option<Balance> {
		let TaskState::Open { since, price } = self.state else { return None };
		let ticks = Balance::from(now.saturating_sub(since));
		let risen = price.saturating_add(request.price_ramp.saturating_mul(ticks));
		Some(risen.min(request.ceiling_price).min(self.escrow))
	}
}

impl<AccountId, Ticket> Job<AccountId, Ticket> {
	/// Whether its open tasks can be accepted at this tick, also when a late agenda has not closed it yet.
	pub fn is_open(&self, now: Tick) -> bool {
		self.closed.is_none() && now <= self.open_until
	}

	/// Tick at which the agenda closes it.
	pub fn close_at(&self) -> Tick {
		self.open_until.saturating_add(1)
	}

	/// Tasks that are neither open nor ended.
	pub fn busy(&self) -> u32 {
		self.counts.accepted.saturating_add(self.counts.claimed)
	}
}

/// This share of an amount, rounded up; never more than the amount.
pub fn share_of(share: Permill, amount: Balance) -> Balance {
	share.mul_ceil(amount).min(amount)
}

/// Penalty for a task not claimed in time: the share of the price, times one more than the expiries in a row before;
/// never more than the price.
pub fn expiry_penalty(share: Permill, price: Balance, expiries: u32) -> Balance {
	let times = Balance::from(expiries).saturating_add(1);
	share_of(share, price).saturating_mul(times).min(price)
}

/// What falls due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub enum AgendaItem {
	/// A task's deadline or settlement.
	#[codec(index = 0)]
	Task(TaskIndex),
	/// The end of a job's lifetime.
	#[codec(index = 1)]
	Close,
	/// The end of a job's retention.
	#[codec(index = 2)]
	CleanUp,
}

/// State of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct ClockState {
	/// The current tick.
	pub tick: Tick,
	/// How many blocks ticks stood still, less the blocks since that were not full.
	pub stalled: u32,
	/// Whether the last block was full.
	pub full: bool,
}

/// Sums over all time. Amounts are planck.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct MarketTotals {
	/// Tasks settled.
	pub settled_tasks: u64,
	/// Paid to providers.
	pub paid: Balance,
	/// Taken as the protocol's cut.
	pub cut: Balance,
	/// Burnt as penalties, of providers and tenants.
	pub burnt: Balance,
}

/// Why a task of a list was left as it is. The error of the same meaning is what a call fails with when all its tasks
/// were.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum SkipReason {
	/// No such job.
	#[codec(index = 0)]
	UnknownJob,
	/// No task of this index.
	#[codec(index = 1)]
	UnknownTask,
	/// The task is at another attempt.
	#[codec(index = 2)]
	WrongAttempt,
	/// The job is closed or its lifetime is over.
	#[codec(index = 3)]
	JobClosed,
	/// The task is taken or has ended.
	#[codec(index = 4)]
	NotOpen,
	/// The price is below the least price of the order.
	#[codec(index = 5)]
	PriceBelowMinimum,
	/// The provider failed this task before.
	#[codec(index = 6)]
	Barred,
	/// The provider may not take it.
	#[codec(index = 7)]
	Ineligible(Ineligible),
	/// The task is not accepted.
	#[codec(index = 8)]
	NotAccepted,
	/// Another provider holds it.
	#[codec(index = 9)]
	OtherProvider,
	/// The execution deadline has passed.
	#[codec(index = 10)]
	DeadlinePassed,
	/// The claim's length is not the job's.
	#[codec(index = 11)]
	WrongOutputLength,
	/// Missing inputs do not count any more.
	#[codec(index = 12)]
	FetchWindowOver,
	/// The deadline has not passed.
	#[codec(index = 13)]
	DeadlineNotPassed,
	/// The task is not claimed.
	#[codec(index = 14)]
	NotClaimed,
	/// The challenge window is not over.
	#[codec(index = 15)]
	WindowNotOver,
	/// Records and balances disagree: a mistake in the runtime.
	#[codec(index = 16)]
	Bookkeeping,
}

/// `InvalidTransaction::Custom` codes of feeless calls: 50 to 99 belong to this pallet. A wrong signature is
/// `InvalidTransaction::BadProof`.
pub mod codes {
	/// The list is empty.
	pub const EMPTY: u8 = 50;
	/// A task is listed twice.
	pub const DUPLICATE: u8 = 51;
	/// The order's last block has passed.
	pub const ORDER_EXPIRED: u8 = 52;
	/// The order's last block lies too far ahead.
	pub const ORDER_TOO_LONG: u8 = 53;
	/// Not a provider with a worker key.
	pub const NO_WORKER_KEY: u8 = 54;
	/// The order's counter is not the provider's: the order was included before, or one before it was not.
	pub const WRONG_COUNTER: u8 = 55;
	/// First code of a [`super::SkipReason`]: when no task of the list can go through, this plus the index of the
	/// first one's reason.
	pub const SKIPPED: u8 = 60;
	/// First code of an [`tessera_primitives::provider::Ineligible`], likewise.
	pub const INELIGIBLE: u8 = 80;
}

impl SkipReason {
	/// Its `InvalidTransaction::Custom` code.
	pub const fn code(self) -> u8 {
		let index: u8 = match self {
			Self::UnknownJob => 0,
			Self::UnknownTask => 1,
			Self::WrongAttempt => 2,
			Self::JobClosed => 3,
			Self::NotOpen => 4,
			Self::PriceBelowMinimum => 5,
			Self::Barred => 6,
			Self::NotAccepted => 8,
			Self::OtherProvider => 9,
			Self::DeadlinePassed => 10,
			Self::WrongOutputLength => 11,
			Self::FetchWindowOver => 12,
			Self::DeadlineNotPassed => 13,
			Self::NotClaimed => 14,
			Self::WindowNotOver => 15,
			Self::Bookkeeping => 16,
			Self::Ineligible(why) => {
				let index: u8 = match why {
					Ineligible::NotRegistered => 0,
					Ineligible::Paused => 1,
					Ineligible::Offline => 2,
					Ineligible::Region => 3,
					Ineligible::Adapter => 4,
					Ineligible::Collateral => 5,
				};
				return codes::INELIGIBLE.saturating_add(index);
			}
		};
		codes::SKIPPED.saturating_add(index)
	}
}
