// SPDX-License-Identifier: Apache-2.0

//! What the calls share, the authorization of heartbeats, the queries, and the market's view of providers.

use alloc::vec::Vec;
use codec::{Encode, MaxEncodedLen};
use frame_support::{
	pallet_prelude::*,
	traits::{
		Footprint,
		fungible::MutateHold,
		tokens::{Fortitude, Precision},
	},
	weights::Weight,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;
use tessera_primitives::{
	Balance, Tick,
	api::ProviderInfo,
	limits::MAX_PAGE,
	orders::{HeartbeatOrder, WorkerSignature, signing_hash},
	provider::{Availability, Ineligible, Needs, Profile, WorkerKey},
	traits::{self, Outcome, TickClock, verify_worker_signature},
};

use crate::{Config, Error, Event, HoldReason, LOG_TARGET, Pallet, Provider, Providers, WeightInfo, codes};

/// Priority of heartbeats in the pool: before all that pays a fee and all that races for tasks, after claims, which are
/// obligations. One is let in per provider and window, and a provider whose heartbeat is late loses its market.
pub(crate) const HEARTBEAT_PRIORITY: TransactionPriority = TransactionPriority::MAX / 2;

impl<T: Config> Pallet<T> {
	/// Changes a provider's record, or leaves it as it was when `change` fails.
	pub(crate) fn mutate<R>(
		provider: &T::AccountId,
		change: impl FnOnce(&mut Provider<T::Consideration>) -> Result<R, DispatchError>,
	) -> Result<R, DispatchError> {
		Providers::<T>::try_mutate(provider, |record| {
			change(record.as_mut().ok_or(Error::<T>::NotRegistered)?)
		})
	}

	/// What a provider with this profile takes of the state: the profile at its length, all else at its greatest
	/// length, so that only publishing another profile changes the deposit.
	pub fn footprint(profile: &Profile) -> Footprint {
		let record = Provider::<T::Consideration>::max_encoded_len();
		let key_entry = WorkerKey::max_encoded_len().saturating_add(T::AccountId::max_encoded_len());
		let bytes = record
			.saturating_sub(Profile::max_encoded_len())
			.saturating_add(profile.encoded_size())
			.saturating_add(key_entry);
		Footprint::from_parts(1, bytes)
	}

	/// Length of a heartbeat window, ticks; never zero.
	pub fn window_length() -> Tick {
		T::HeartbeatWindow::get().max(1)
	}

	/// The window in which a tick lies, when windows are `length` ticks long.
	fn window_of(tick: Tick, length: Tick) -> u32 {
		tick.checked_div(length).unwrap_or(0)
	}

	/// Whether a heartbeat may enter the pool and the block. The cheap checks come first, the signature last.
	///
	/// The window of the last heartbeat is worked out from its tick, not stored: so it keeps its meaning when governance
	/// changes the length of windows.
	pub(crate) fn authorize_heartbeat(
		_source: TransactionSource,
		order: &HeartbeatOrder<T::AccountId>,
		signature: &WorkerSignature,
	) -> TransactionValidityWithRefund {
		let refuse = |code| Err(InvalidTransaction::Custom(code).into());
		let (now, length) = (T::Clock::now(), Self::window_length());
		let window = Self::window_of(now, length);
		if order.window != window {
			return refuse(codes::WRONG_WINDOW);
		}
		let Some(record) = Providers::<T>::get(&order.provider) else {
			return refuse(codes::NOT_REGISTERED);
		};
		let Some(key) = record.worker_key else {
			return refuse(codes::NO_WORKER_KEY);
		};
		if record.last_heartbeat.is_some_and(|tick| Self::window_of(tick, length) >= window) {
			return refuse(codes::HEARTBEAT_COUNTED);
		}
		let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
		if !verify_worker_signature(signature, &signing_hash(&genesis, order), &key) {
			return refuse(codes::BAD_SIGNATURE);
		}
		let ticks_left = window.saturating_add(1).saturating_mul(length).saturating_sub(now).max(1);
		let valid = ValidTransaction::with_tag_prefix("tessera/heartbeat")
			.and_provides((&order.provider, order.window))
			.priority(HEARTBEAT_PRIORITY)
			.longevity(ticks_left.into())
			.propagate(true)
			.build()?;
		Ok((valid, Weight::zero()))
	}

	/// A provider's record as the runtime API shows it.
	pub(crate) fn info(
		account: T::AccountId,
		record: Provider<T::Consideration>,
	) -> ProviderInfo<T::AccountId> {
		ProviderInfo {
			account,
			availability: Self::availability(&record),
			profile: record.profile,
			worker_key: record.worker_key,
			bond: record.bond,
			collateral: record.collateral,
			unbonding: record.unbonding.iter().map(|chunk| (chunk.amount, chunk.at)).collect(),
			active_tasks: record.active_tasks,
			settled_tasks: record.settled_tasks,
			expiries: record.expiries,
			accept_counter: record.accept_counter,
			last_heartbeat: record.last_heartbeat,
		}
	}

	/// A page of providers, ordered by storage key.
	pub(crate) fn page(after: Option<T::AccountId>, limit: u32) -> Vec<ProviderInfo<T::AccountId>> {
		let all = match after {
			Some(account) => Providers::<T>::iter_from(Providers::<T>::hashed_key_for(account)),
			None => Providers::<T>::iter(),
		};
		let limit = usize::try_from(limit.min(MAX_PAGE)).unwrap_or(usize::MAX);
		all.take(limit).map(|(account, record)| Self::info(account, record)).collect()
	}

	fn availability(record: &Provider<T::Consideration>) -> Availability {
		record.availability(T::Clock::now(), T::HeartbeatExpiry::get())
	}

	fn check_record(record: &Provider<T::Consideration>, needs: &Needs) -> Result<(), Ineligible> {
		match Self::availability(record) {
			Availability::Online => needs.check(&record.profile),
			Availability::Offline => Err(Ineligible::Offline),
			Availability::Paused => Err(Ineligible::Paused),
		}
	}

	/// Burns up to `amount` planck of what a provider has on hold. Returns what was burnt.
	fn burn(provider: &T::AccountId, amount: Balance) -> Balance {
		if amount.is_zero() {
			return 0;
		}
		let reason = HoldReason::Bond.into();
		let burnt =
			T::Currency::burn_held(&reason, provider, amount, Precision::BestEffort, Fortitude::Force);
		burnt.unwrap_or_else(|error| {
			log::error!(target: LOG_TARGET, "cannot burn {amount} planck of the bond of {provider:?}: {error:?}");
			0
		})
	}
}

impl<T: Config> traits::Providers<T::AccountId> for Pallet<T> {
	fn worker_key(provider: &T::AccountId) -> Option<WorkerKey> {
		Providers::<T>::get(provider)?.worker_key
	}

	fn accept_counter(provider: &T::AccountId) -> u32 {
		Providers::<T>::get(provider).map_or(0, |record| record.accept_counter)
	}

	fn count_accept(provider: &T::AccountId) {
		Providers::<T>::mutate(provider, |record| {
			if let Some(record) = record {
				record.accept_counter = record.accept_counter.saturating_add(1);
			}
		});
	}

	fn check(provider: &T::AccountId, needs: &Needs) -> Result<(), Ineligible> {
		let record = Providers::<T>::get(provider).ok_or(Ineligible::NotRegistered)?;
		Self::check_record(&record, needs)
	}

	fn free_collateral(provider: &T::AccountId) -> Balance {
		Providers::<T>::get(provider).map_or(0, |record| record.free())
	}

	fn lock(provider: &T::AccountId, collateral: Balance) -> Result<(), Ineligible> {
		Providers::<T>::try_mutate(provider, |record| {
			let record = record.as_mut().ok_or(Ineligible::NotRegistered)?;
			// A provider with nothing to lose gets nothing, not even a task that asks for no collateral.
			if record.bond.is_zero() || record.free() < collateral {
				return Err(Ineligible::Collateral);
			}
			record.collateral = record.collateral.saturating_add(collateral);
			record.active_tasks = record.active_tasks.saturating_add(1);
			Ok(())
		})
	}

	fn finish(provider: &T::AccountId, collateral: Balance, penalty: Balance, outcome: Outcome) -> Balance {
		// A mistake of the caller must not stop the settlement of a whole list, nor strand stake: it is logged, and what
		// is there is freed.
		let burnt = Providers::<T>::mutate(provider, |record| {
			let record = record.as_mut()?;
			if record.active_tasks.is_zero() || record.collateral < collateral {
				log::error!(
					target: LOG_TARGET,
					"{provider:?} finishes a task with collateral {collateral}, but has {} tasks with {} planck locked",
					record.active_tasks,
					record.collateral,
				);
			}
			let unlocked = collateral.min(record.collateral);
			record.collateral = record.collateral.saturating_sub(unlocked);
			record.active_tasks = record.active_tasks.saturating_sub(1);
			if record.active_tasks.is_zero() && !record.collateral.is_zero() {
				log::error!(
					target: LOG_TARGET,
					"{provider:?} has no task, but {} planck locked; they are freed",
					record.collateral,
				);
				record.collateral = 0;
			}
			let burnt = Self::burn(provider, penalty.min(unlocked));
			record.bond = record.bond.saturating_sub(burnt);
			match outcome {
				Outcome::Settled => {
					record.settled_tasks = record.settled_tasks.saturating_add(1);
					record.expiries = 0;
				}
				Outcome::Expired => record.expiries = record.expiries.saturating_add(1),
				Outcome::HandedBack => {}
			}
			Some((burnt, record.bond))
		});
		let Some((amount, bond)) = burnt else {
			log::error!(target: LOG_TARGET, "{provider:?} finishes a task, but is not a provider");
			return 0;
		};
		if !amount.is_zero() {
			Self::deposit_event(Event::Penalised { provider: provider.clone(), amount, bond });
		}
		amount
	}

	fn expiries(provider: &T::AccountId) -> u32 {
		Providers::<T>::get(provider).map_or(0, |record| record.expiries)
	}

	fn count_eligible(needs: &Needs, scan: u32) -> u32 {
		let scan = usize::try_from(scan).unwrap_or(usize::MAX);
		let eligible = |record: &Provider<T::Consideration>| {
			!record.free().is_zero() && Self::check_record(record, needs).is_ok()
		};
		let count = Providers::<T>::iter_values().take(scan).filter(eligible).count();
		u32::try_from(count).unwrap_or(u32::MAX)
	}

	fn weight_of_check() -> Weight {
		T::WeightInfo::check()
	}

	fn weight_of_lock() -> Weight {
		T::WeightInfo::lock()
	}

	fn weight_of_finish() -> Weight {
		T::WeightInfo::finish()
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_provider(provider: &T::AccountId, key: WorkerKey, bond: Balance) {
		crate::benchmarking::online_provider::<T>(provider, key, bond);
	}
}
