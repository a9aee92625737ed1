// SPDX-License-Identifier: Apache-2.0

//! Validity of feeless calls. The pool runs this for nothing, so it goes from cheap to dear:
//!
//! 1. the order alone: its last block, an empty list, a task listed twice;
//! 2. one or two reads: the provider's worker key, the counter;
//! 3. the signature, which costs less than looking at two tasks: without a worker key nobody makes a node look at a
//!    hundred;
//! 4. every task, with everything the call can fail on. Unless one can go through now, the transaction is refused.
//!
//! Each task that can go through provides a tag, so that two transactions in a pool never promise the same; tasks that
//! cannot go through provide none, so that nobody keeps others from tasks that he could not take himself. As no more
//! tasks can go through than the bond covers, and an accept order also provides a tag for its counter, a small bond
//! holds few tags.
//!
//! Competing accept orders are ranked by a hash of the provider, the task and the epoch's randomness, so being early
//! holds nothing. A list ranks as its lowest task: neither its order nor its choice of tasks can raise it above what
//! each task alone would have. Claims rank above all accept orders: obligations come first.

use alloc::vec::Vec;
use codec::Encode;
use frame_support::{pallet_prelude::*, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::H256;
use sp_runtime::{
	SaturatedConversion, Saturating,
	traits::Zero,
	transaction_validity::{TransactionPriority, TransactionValidityWithRefund},
};
use tessera_primitives::{
	TaskId,
	orders::{Order, WorkerSignature, signing_hash},
	traits::{Providers, TickClock, verify_worker_signature},
};

use crate::{
	AcceptOrderOf, ClaimOrderOf, Config, HandBackOrderOf, Pallet, SkipReason, codes,
	lists::{Item, are_distinct},
};

fn refused(code: u8) -> TransactionValidityError {
	InvalidTransaction::Custom(code).into()
}

/// What the tasks of a list come to: those that can go through, or why the first cannot.
struct Judged {
	good: Vec<(TaskId, u32)>,
	first_reason: Option<SkipReason>,
}

impl Judged {
	fn of<I: Item>(items: &[I], mut check: impl FnMut(&I) -> Result<(), SkipReason>) -> Self {
		let mut judged = Self { good: Vec::new(), first_reason: None };
		for item in items {
			match check(item) {
				Ok(()) => judged.good.push((item.id(), item.attempt())),
				Err(reason) => {
					judged.first_reason.get_or_insert(reason);
				}
			}
		}
		judged
	}

	fn good(self) -> Result<Vec<(TaskId, u32)>, TransactionValidityError> {
		match self.first_reason {
			Some(reason) if self.good.is_empty() => Err(refused(reason.code())),
			_ => Ok(self.good),
		}
	}
}

impl<T: Config> Pallet<T> {
	pub(crate) fn authorize_accept(
		_: TransactionSource,
		order: &AcceptOrderOf<T>,
		signature: &WorkerSignature,
	) -> TransactionValidityWithRefund {
		let longevity = Self::check_order(order.last_block, &order.tasks)?;
		let provider = &order.provider;
		if T::Providers::accept_counter(provider) != order.counter {
			return Err(refused(codes::WRONG_COUNTER));
		}
		Self::check_signature(provider, order, signature)?;

		let now = Self::now();
		let mut free = T::Providers::free_collateral(provider);
		let good = Judged::of(&order.tasks, |item| {
			let takeable = Self::check_accept(provider, item, free, now)?;
			free = free.saturating_sub(takeable.collateral);
			Ok(())
		})
		.good()?;
		let seed = T::AcceptSeed::get();
		let rank = good.iter().map(|(id, _)| Self::rank(provider, id, &seed)).min().unwrap_or(0);
		let mut valid = ValidTransaction::with_tag_prefix("tessera/accept")
			// The upper half is left to claims.
			.priority(rank >> 1)
			.longevity(longevity)
			.propagate(true)
			.and_provides((provider, order.counter));
		for task in good {
			valid = valid.and_provides(task);
		}
		Ok((valid.build()?, Weight::zero()))
	}

	pub(crate) fn authorize_claim(
		_: TransactionSource,
		order: &ClaimOrderOf<T>,
		signature: &WorkerSignature,
	) -> TransactionValidityWithRefund {
		let longevity = Self::check_order(order.last_block, &order.claims)?;
		let provider = &order.provider;
		Self::check_signature(provider, order, signature)?;
		let now = Self::now();
		let check = |item: &_| Self::check_claim(provider, item, now).map(|_| ());
		let good = Judged::of(&order.claims, check).good()?;
		Self::obligation("tessera/claim", longevity, good)
	}

	pub(crate) fn authorize_hand_back(
		_: TransactionSource,
		order: &HandBackOrderOf<T>,
		signature: &WorkerSignature,
	) -> TransactionValidityWithRefund {
		let longevity = Self::check_order(order.last_block, &order.tasks)?;
		let provider = &order.provider;
		Self::check_signature(provider, order, signature)?;
		let now = Self::now();
		let check = |item: &_| Self::check_hand_back(provider, item, now).map(|_| ());
		let good = Judged::of(&order.tasks, check).good()?;
		Self::obligation("tessera/hand-back", longevity, good)
	}

	/// Checks what needs no state of ours. Returns for how many blocks the order counts.
	fn check_order<I: Item>(
		last_block: BlockNumberFor<T>,
		items: &[I],
	) -> Result<u64, TransactionValidityError> {
		let now = frame_system::Pallet::<T>::block_number();
		if last_block < now {
			return Err(refused(codes::ORDER_EXPIRED));
		}
		let left = last_block.saturating_sub(now);
		if left > T::MaxOrderBlocks::get() {
			return Err(refused(codes::ORDER_TOO_LONG));
		}
		if items.is_empty() {
			return Err(refused(codes::EMPTY));
		}
		if !are_distinct(items) {
			return Err(refused(codes::DUPLICATE));
		}
		Ok(left.saturated_into())
	}

	fn check_signature<O: Order>(
		provider: &T::AccountId,
		order: &O,
		signature: &WorkerSignature,
	) -> Result<(), TransactionValidityError> {
		let key = T::Providers::worker_key(provider).ok_or(refused(codes::NO_WORKER_KEY))?;
		if verify_worker_signature(signature, &signing_hash(&Self::genesis(), order), &key) {
			Ok(())
		} else {
			Err(InvalidTransaction::BadProof.into())
		}
	}

	fn genesis() -> H256 {
		frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero())
	}

	fn rank(provider: &T::AccountId, task: &TaskId, seed: &[u8; 32]) -> TransactionPriority {
		let hash = sp_io::hashing::blake2_256(&(seed, provider, task).encode());
		let [a, b, c, d, e, f, g, h, ..] = hash;
		TransactionPriority::from_le_bytes([a, b, c, d, e, f, g, h])
	}

	/// A transaction that keeps a promise. Nobody else can send it: it competes with nothing but itself.
	fn obligation(
		prefix: &'static str,
		longevity: u64,
		good: Vec<(TaskId, u32)>,
	) -> TransactionValidityWithRefund {
		let mut valid = ValidTransaction::with_tag_prefix(prefix)
			.priority(TransactionPriority::MAX)
			.longevity(longevity)
			.propagate(true);
		for task in good {
			valid = valid.and_provides(task);
		}
		Ok((valid.build()?, Weight::zero()))
	}
}
