// SPDX-License-Identifier: Apache-2.0

//! Why the chain lets a transaction or an order not in.
//!
//! The pallets answer a feeless call that they do not authorise with `InvalidTransaction::Custom(code)`: 1 to 49 are
//! pallet-providers', 50 to 99 pallet-jobs'. The codes are part of the chain's interface.

use codec::{Decode, Encode};
use subxt::transactions::{TransactionInvalid, TransactionUnknown};
use tessera_primitives::provider::Ineligible;

/// Why a transaction or an order was refused before it was in a block: it cost nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
	/// The order is refused by the pallet that it is for.
	#[error("{0}")]
	Order(#[from] OrderRefusal),
	/// The account cannot pay the fee. The text says who and what it has, if that is known.
	#[error("the account cannot pay the fee{}: send TESS to it", .0.as_ref().map(|s| format!(" ({s})")).unwrap_or_default())]
	CannotPayFee(Option<String>),
	/// The signature does not fit.
	#[error("the signature does not fit the transaction, its signer or this chain")]
	BadSignature,
	/// The transaction's number was used before.
	#[error("the account has used this transaction number before")]
	Stale,
	/// A transaction with a lower number is missing.
	#[error("a transaction of the account with a lower number is missing")]
	Future,
	/// The transaction is older than it may be.
	#[error("the transaction is too old: sign it again")]
	TooOld,
	/// It does not fit into a block.
	#[error("the transaction is larger than a block can take: split it")]
	TooLarge,
	/// The pool has another transaction in its place: of an accept order, one that another provider sent for the same
	/// task; of anything else, one's own for the same.
	#[error("the node's transaction pool has another one in its place, which has precedence")]
	Outbid,
	/// The pool is full.
	#[error("the node's transaction pool is full: try again later")]
	PoolFull,
	/// The pool refuses what the runtime would take: it is behind the chain, and keeps the very bytes out for a while.
	#[error("the node's transaction pool lags behind the chain ({0}): try again")]
	PoolBehind(String),
	/// A code that this software does not know.
	#[error("the chain gave the code {0}, which this software does not know: update it")]
	UnknownCode(u8),
	/// Anything else, in the node's words.
	#[error("{0}")]
	Other(String),
}

/// Why an order was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderRefusal {
	/// The account is not a provider.
	#[error("the account is not a provider: its owner registers it first")]
	NotRegistered,
	/// The provider has no worker key.
	#[error("the provider has no worker key: its owner sets it first")]
	NoWorkerKey,
	/// The heartbeat's window is not the current one.
	#[error("the heartbeat is for a window that is over or has not begun")]
	WrongWindow,
	/// A heartbeat counted in this window.
	#[error("a heartbeat of the provider has counted in this window already")]
	HeartbeatCounted,
	/// The worker key did not sign this order for this chain.
	#[error(
		"the signature is not that of the provider's worker key on this chain: see whether the key was changed"
	)]
	BadSignature,
	/// No task is listed.
	#[error("the order lists no task")]
	Empty,
	/// A task is listed twice.
	#[error("the order lists a task twice")]
	DuplicateTask,
	/// The order's last block has passed.
	#[error("the order's last block has passed: sign a new one")]
	Expired,
	/// The order's last block is too far ahead.
	#[error("the order's last block lies too far ahead: choose an earlier one")]
	TooFarAhead,
	/// The accept order's counter is not the provider's.
	#[error("the order's counter is not the provider's: it was included before, or another one was")]
	WrongCounter,
	/// No task of the list can go through; this is why the first one cannot.
	#[error("{0}")]
	Task(SkipReason),
}

/// Why a task of a list was left as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, thiserror::Error)]
pub enum SkipReason {
	/// No such job.
	#[codec(index = 0)]
	#[error("there is no such job (any more)")]
	UnknownJob,
	/// No task of this index.
	#[codec(index = 1)]
	#[error("the job has no such task")]
	UnknownTask,
	/// The task is at another attempt.
	#[codec(index = 2)]
	#[error("the task was opened again since: it is at another attempt")]
	WrongAttempt,
	/// The job is closed or its lifetime is over.
	#[codec(index = 3)]
	#[error("the job is closed")]
	JobClosed,
	/// The task is taken or has ended.
	#[codec(index = 4)]
	#[error("the task is taken or has ended")]
	NotOpen,
	/// The price is below the least price of the order.
	#[codec(index = 5)]
	#[error("the task's price is below the least price of the order")]
	PriceBelowMinimum,
	/// The provider failed this task before.
	#[codec(index = 6)]
	#[error("the provider has failed this task before")]
	Barred,
	/// The provider may not take it.
	#[codec(index = 7)]
	#[error("the provider may not take the task: {}", ineligible(.0))]
	Ineligible(Ineligible),
	/// The task is not accepted.
	#[codec(index = 8)]
	#[error("nobody works on the task: it is open, claimed or has ended")]
	NotAccepted,
	/// Another provider holds it.
	#[codec(index = 9)]
	#[error("another provider holds the task")]
	OtherProvider,
	/// The execution deadline has passed.
	#[codec(index = 10)]
	#[error("the task's deadline has passed")]
	DeadlinePassed,
	/// The claim's length is not the job's.
	#[codec(index = 11)]
	#[error("the claim's length is not that of the job's output buffers")]
	WrongOutputLength,
	/// Missing inputs do not count any more.
	#[codec(index = 12)]
	#[error("the time in which missing inputs count has passed")]
	FetchWindowOver,
	/// The deadline has not passed.
	#[codec(index = 13)]
	#[error("the task's deadline has not passed")]
	DeadlineNotPassed,
	/// The task is not claimed.
	#[codec(index = 14)]
	#[error("the task is not claimed")]
	NotClaimed,
	/// The challenge window is not over.
	#[codec(index = 15)]
	#[error("the task's challenge window is not over")]
	WindowNotOver,
	/// Records and balances disagree.
	#[codec(index = 16)]
	#[error("the chain's records and balances disagree: please report it")]
	Bookkeeping,
}

/// What a refusal means to a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
	/// Somebody else has the task, or it is gone: look for another one.
	Taken,
	/// The provider may not, now or ever: see what it lacks.
	NotEligible,
	/// The time for it has passed.
	TooLate,
	/// The same has counted already: go on as if it had been accepted, after a look at the state.
	AlreadyCounted,
	/// Another order has precedence in the pool: a competitor's for the same task or, of anything but accept orders, one's
	/// own for the same. The next block tells.
	Outbid,
	/// The order is wrong in itself: sending it again is of no use.
	Wrong,
}

/// First code of a [`SkipReason`]: this plus its index.
const SKIPPED: u8 = 60;
/// First code of an [`Ineligible`]: this plus its index.
const INELIGIBLE: u8 = 80;

fn ineligible(why: &Ineligible) -> &'static str {
	match why {
		Ineligible::NotRegistered => "it is not registered",
		Ineligible::Paused => "its owner paused it",
		Ineligible::Offline => "its heartbeats stopped",
		Ineligible::Region => "it is not in a region that the job allows",
		Ineligible::Adapter => "none of its adapters meets the job's requirements",
		Ineligible::Collateral => "its free bond does not cover the collateral",
	}
}

impl OrderRefusal {
	/// What this code of `InvalidTransaction::Custom` means; `None` for codes that this software does not know.
	pub fn from_code(code: u8) -> Option<Self> {
		Some(match code {
			1 => Self::NotRegistered,
			2 | 54 => Self::NoWorkerKey,
			3 => Self::WrongWindow,
			4 => Self::HeartbeatCounted,
			5 => Self::BadSignature,
			50 => Self::Empty,
			51 => Self::DuplicateTask,
			52 => Self::Expired,
			53 => Self::TooFarAhead,
			55 => Self::WrongCounter,
			// `Ineligible` has codes of its own, so its index is never among these.
			SKIPPED..INELIGIBLE if code != SKIPPED + 7 => {
				Self::Task(SkipReason::decode(&mut [code - SKIPPED].as_slice()).ok()?)
			}
			INELIGIBLE..100 => {
				let why = Ineligible::decode(&mut [code - INELIGIBLE].as_slice()).ok()?;
				Self::Task(SkipReason::Ineligible(why))
			}
			_ => return None,
		})
	}

	/// What it means to a worker.
	pub fn verdict(self) -> Verdict {
		match self {
			Self::NotRegistered | Self::NoWorkerKey => Verdict::NotEligible,
			Self::WrongWindow | Self::Expired => Verdict::TooLate,
			Self::HeartbeatCounted | Self::WrongCounter => Verdict::AlreadyCounted,
			Self::BadSignature | Self::Empty | Self::DuplicateTask | Self::TooFarAhead => Verdict::Wrong,
			Self::Task(reason) => reason.verdict(),
		}
	}
}

impl SkipReason {
	/// What it means to a worker.
	pub fn verdict(self) -> Verdict {
		match self {
			Self::UnknownJob | Self::WrongAttempt | Self::JobClosed | Self::NotOpen | Self::OtherProvider => {
				Verdict::Taken
			}
			Self::PriceBelowMinimum | Self::Barred | Self::Ineligible(_) => Verdict::NotEligible,
			Self::DeadlinePassed | Self::FetchWindowOver => Verdict::TooLate,
			Self::NotAccepted => Verdict::AlreadyCounted,
			Self::UnknownTask
			| Self::WrongOutputLength
			| Self::DeadlineNotPassed
			| Self::NotClaimed
			| Self::WindowNotOver
			| Self::Bookkeeping => Verdict::Wrong,
		}
	}
}

impl Refusal {
	/// The order's reason, if it is one.
	pub fn order(&self) -> Option<OrderRefusal> {
		match self {
			Self::Order(reason) => Some(*reason),
			_ => None,
		}
	}

	/// What it means to a worker; `None` when it says nothing about the order.
	pub fn verdict(&self) -> Option<Verdict> {
		match self {
			Self::Order(reason) => Some(reason.verdict()),
			Self::Outbid => Some(Verdict::Outbid),
			Self::BadSignature => Some(Verdict::Wrong),
			_ => None,
		}
	}
}

impl From<TransactionInvalid> for Refusal {
	fn from(reason: TransactionInvalid) -> Self {
		match reason {
			TransactionInvalid::Custom(code) => match OrderRefusal::from_code(code) {
				Some(reason) => Self::Order(reason),
				None => Self::UnknownCode(code),
			},
			TransactionInvalid::Payment => Self::CannotPayFee(None),
			TransactionInvalid::BadProof => Self::BadSignature,
			TransactionInvalid::Stale => Self::Stale,
			TransactionInvalid::Future => Self::Future,
			TransactionInvalid::AncientBirthBlock => Self::TooOld,
			TransactionInvalid::ExhaustsResources => Self::TooLarge,
			other => Self::Other(format!("the transaction is invalid ({other:?})")),
		}
	}
}

impl From<TransactionUnknown> for Refusal {
	fn from(reason: TransactionUnknown) -> Self {
		Self::Other(format!("the node cannot tell whether the transaction is valid ({reason:?})"))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// The constants of a source file: `pub const NAME: u8 = 1;`.
	fn constants(source: &str) -> Vec<(&str, u8)> {
		source
			.lines()
			.filter_map(|line| {
				let (name, rest) = line.trim().strip_prefix("pub const ")?.split_once(": u8 = ")?;
				Some((name, rest.trim_end_matches(';').parse().ok()?))
			})
			.collect()
	}

	#[test]
	fn codes_should_be_those_of_pallet_providers() {
		let codes = constants(include_str!("../../../pallets/providers/src/codes.rs"));
		assert_eq!(codes.len(), 5, "{codes:?}");
		for (name, code) in codes {
			let expected = match name {
				"NOT_REGISTERED" => OrderRefusal::NotRegistered,
				"NO_WORKER_KEY" => OrderRefusal::NoWorkerKey,
				"WRONG_WINDOW" => OrderRefusal::WrongWindow,
				"HEARTBEAT_COUNTED" => OrderRefusal::HeartbeatCounted,
				"BAD_SIGNATURE" => OrderRefusal::BadSignature,
				other => panic!("{other} is new: give it a name here"),
			};
			assert_eq!(OrderRefusal::from_code(code), Some(expected), "{name}");
		}
	}

	#[test]
	fn codes_should_be_those_of_pallet_jobs() {
		let codes = constants(include_str!("../../../pallets/jobs/src/types.rs"));
		assert_eq!(codes.len(), 8, "{codes:?}");
		for (name, code) in codes {
			let expected = match name {
				"EMPTY" => OrderRefusal::Empty,
				"DUPLICATE" => OrderRefusal::DuplicateTask,
				"ORDER_EXPIRED" => OrderRefusal::Expired,
				"ORDER_TOO_LONG" => OrderRefusal::TooFarAhead,
				"NO_WORKER_KEY" => OrderRefusal::NoWorkerKey,
				"WRONG_COUNTER" => OrderRefusal::WrongCounter,
				"SKIPPED" => OrderRefusal::Task(SkipReason::UnknownJob),
				"INELIGIBLE" => OrderRefusal::Task(SkipReason::Ineligible(Ineligible::NotRegistered)),
				other => panic!("{other} is new: give it a name here"),
			};
			assert_eq!(OrderRefusal::from_code(code), Some(expected), "{name}");
		}
	}

	#[test]
	fn skip_reasons_should_have_the_code_of_their_index() {
		assert_eq!(OrderRefusal::from_code(64), Some(OrderRefusal::Task(SkipReason::NotOpen)));
		assert_eq!(OrderRefusal::from_code(76), Some(OrderRefusal::Task(SkipReason::Bookkeeping)));
		let collateral = SkipReason::Ineligible(Ineligible::Collateral);
		assert_eq!(OrderRefusal::from_code(85), Some(OrderRefusal::Task(collateral)));
		for unknown in [0, 6, 49, 56, 67, 77, 86, 100, 255] {
			assert_eq!(OrderRefusal::from_code(unknown), None, "{unknown}");
		}
	}

	#[test]
	fn refusal_should_tell_a_worker_what_to_do() {
		let verdict = |code| Refusal::from(TransactionInvalid::Custom(code)).verdict();
		assert_eq!(verdict(64), Some(Verdict::Taken));
		assert_eq!(verdict(85), Some(Verdict::NotEligible));
		assert_eq!(verdict(52), Some(Verdict::TooLate));
		assert_eq!(verdict(4), Some(Verdict::AlreadyCounted));
		assert_eq!(verdict(51), Some(Verdict::Wrong));
		assert_eq!(verdict(200), None);
		assert_eq!(Refusal::Outbid.verdict(), Some(Verdict::Outbid));
		assert_eq!(Refusal::from(TransactionInvalid::Stale).verdict(), None);
	}
}
