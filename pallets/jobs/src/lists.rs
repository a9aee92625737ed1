// SPDX-License-Identifier: Apache-2.0

//! Calls on lists of tasks: each task stands or falls alone.

use alloc::collections::BTreeSet;
use frame_support::storage::with_storage_layer;
use sp_runtime::{DispatchError, DispatchResult};
use tessera_primitives::{
	TaskId,
	orders::{AcceptItem, ClaimItem, HandBackItem},
	provider::Ineligible,
};

use crate::{Config, Error, Event, LOG_TARGET, Pallet, SkipReason};

/// An item of a list that names a task.
pub(crate) trait Item {
	/// The task.
	fn id(&self) -> TaskId;
	/// The attempt for which the item counts.
	fn attempt(&self) -> u32;
}

macro_rules! impl_item {
	($($item:ty),*) => {
		$(impl Item for $item {
			fn id(&self) -> TaskId {
				(self.job, self.task)
			}
			fn attempt(&self) -> u32 {
				self.attempt
			}
		})*
	};
}
impl_item!(AcceptItem, ClaimItem, HandBackItem);

/// Whether no task is listed twice.
pub(crate) fn are_distinct<I: Item>(items: &[I]) -> bool {
	let mut seen = BTreeSet::new();
	items.iter().all(|item| seen.insert(item.id()))
}

impl<T: Config> Pallet<T> {
	/// Does `step` for each item in a storage layer of its own, and reports those that fail. Fails with the first
	/// reason when no item went through.
	pub(crate) fn for_each<I>(
		items: &[I],
		id: impl Fn(&I) -> TaskId,
		step: impl Fn(&I) -> Result<(), SkipReason>,
	) -> DispatchResult {
		let mut first = None;
		let mut any = false;
		for item in items {
			match with_storage_layer(|| step(item)) {
				Ok(()) => any = true,
				Err(reason) => {
					let (job, task) = id(item);
					Self::deposit_event(Event::TaskSkipped { job, task, reason });
					first.get_or_insert(reason);
				}
			}
		}
		if any { Ok(()) } else { Err(first.map_or(Error::<T>::EmptyList, Into::into).into()) }
	}
}

impl From<DispatchError> for SkipReason {
	fn from(error: DispatchError) -> Self {
		log::error!(target: LOG_TARGET, "a task was left as it is: {error:?}");
		Self::Bookkeeping
	}
}

impl From<Ineligible> for SkipReason {
	fn from(why: Ineligible) -> Self {
		Self::Ineligible(why)
	}
}

impl<T> From<SkipReason> for Error<T> {
	fn from(reason: SkipReason) -> Self {
		match reason {
			SkipReason::UnknownJob => Self::UnknownJob,
			SkipReason::UnknownTask => Self::UnknownTask,
			SkipReason::WrongAttempt => Self::WrongAttempt,
			SkipReason::JobClosed => Self::JobClosed,
			SkipReason::NotOpen => Self::TaskNotOpen,
			SkipReason::PriceBelowMinimum => Self::PriceBelowMinimum,
			SkipReason::Barred => Self::ProviderBarred,
			SkipReason::Ineligible(Ineligible::NotRegistered) => Self::ProviderNotRegistered,
			SkipReason::Ineligible(Ineligible::Paused) => Self::ProviderPaused,
			SkipReason::Ineligible(Ineligible::Offline) => Self::ProviderOffline,
			SkipReason::Ineligible(Ineligible::Region) => Self::RegionNotAllowed,
			SkipReason::Ineligible(Ineligible::Adapter) => Self::NoSuitableAdapter,
			SkipReason::Ineligible(Ineligible::Collateral) => Self::CollateralNotCovered,
			SkipReason::NotAccepted => Self::TaskNotAccepted,
			SkipReason::OtherProvider => Self::OtherProvider,
			SkipReason::DeadlinePassed => Self::DeadlinePassed,
			SkipReason::WrongOutputLength => Self::WrongOutputLength,
			SkipReason::FetchWindowOver => Self::FetchWindowOver,
			SkipReason::DeadlineNotPassed => Self::DeadlineNotPassed,
			SkipReason::NotClaimed => Self::TaskNotClaimed,
			SkipReason::WindowNotOver => Self::WindowNotOver,
			SkipReason::Bookkeeping => Self::Bookkeeping,
		}
	}
}
