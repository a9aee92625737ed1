// SPDX-License-Identifier: Apache-2.0

//! # Providers
//!
//! Who sells GPU work, on which machines, and with what at stake.
//!
//! The pallet keeps one record per provider: what it offers, the key its worker signs with, its bond, and whether it
//! takes work now. It knows nothing of jobs: the market locks and frees collateral, and burns penalties, through
//! [`tessera_primitives::traits::Providers`].
//!
//! ## Terms
//!
//! - **Owner**: the account that registered the provider and holds its stake. It signs the calls of this pallet and
//!   can stay cold.
//! - **Worker key**: an sr25519 key of the machine that does the work. It signs orders (heartbeats here; accepting,
//!   claiming and handing back tasks in the market), which cost no fee, and can move no stake. One key serves one
//!   provider.
//! - **Bond**: the owner's tokens on hold behind the provider's promises. **Collateral** is the part of the bond that
//!   is locked behind tasks; the rest is **free**.
//! - **Unbonding**: stake that was taken out of the bond and waits. It is still on hold and backs nothing new.
//! - **Window**: the clock cut into equal pieces of [`Config::HeartbeatWindow`] ticks. At most one heartbeat counts
//!   in each.
//!
//! ## Life of a provider
//!
//! 1. [`register`](Call::register) publishes a profile: region, iroh endpoint and adapters. The storage deposit is
//!    taken.
//! 2. [`set_worker_key`](Call::set_worker_key) names the key of the machine. Setting another one later makes the old
//!    key worthless at once, with every order that it signed and that is not in a block yet.
//! 3. [`bond`](Call::bond) puts stake behind it. Without a bond a provider gets no task.
//! 4. [`heartbeat`](Call::heartbeat) orders from the worker say that it is there. A provider is offline before its
//!    first heartbeat, and again when none came for [`Config::HeartbeatExpiry`] ticks. Nothing has to run on chain
//!    for that: being online is read off the last heartbeat.
//! 5. Tasks come and go through the market. [`pause`](Call::pause) lets no new ones in; those taken go on.
//! 6. [`unbond`](Call::unbond) takes out free bond, [`withdraw_unbonded`](Call::withdraw_unbonded) frees it when its
//!    time has come, and [`deregister`](Call::deregister) ends the provider, returns the deposit and frees the key. It
//!    needs a provider without tasks and without stake.
//!
//! ## Money
//!
//! Bonds are holds with [`HoldReason::Bond`], deposits holds with [`HoldReason::Profile`] (by way of
//! [`Config::Consideration`]). For every provider, what is on hold for its bond is its bond plus everything unbonding.
//! Stake that unbonds stays under the same hold until it is withdrawn, so that whoever convicts a provider for what it
//! backed with this stake can still reach it. Penalties are burnt from collateral and lower the total issuance; a
//! penalty never exceeds the collateral of the task it is for.
//!
//! The bond must reach [`Config::MinBond`] when it is put down or raised, and must be at least that or nothing when
//! part of it is taken out. A penalty, or a higher minimum, may leave a bond below the minimum: it goes on backing
//! tasks as far as it reaches.
//!
//! ## Invariants
//!
//! They are numbered in `try_state.rs`, checked by `try-runtime`, after every unit test and after every step of the
//! property tests.

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

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
pub mod codes;
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::Provider;
pub use weights::WeightInfo;

pub(crate) const LOG_TARGET: &str = "runtime::providers";

// The storage macro expands to `expect`; scripts/check-onchain.sh looks at what is written here.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::{
			Consideration, Footprint,
			fungible::{Inspect, Mutate, MutateHold},
			tokens::Precision,
		},
	};
	use frame_system::pallet_prelude::*;
	use sp_core::H256;
	use sp_runtime::{ArithmeticError, traits::Zero};
	use tessera_primitives::{
		Balance, Tick,
		api::ProviderInfo,
		orders::{HeartbeatOrder, WorkerSignature},
		provider::{Profile, ProfileError, WorkerKey},
		traits::TickClock,
	};

	/// Version of the stored data's layout.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// Configuration. The policy numbers may be governed: they are read at every use, so a change takes effect at
	/// once, and none of them is stored in a record (except the tick at which a chunk of stake is free).
	#[pallet::config]
	pub trait Config: frame_system::Config<Hash = H256> {
		/// Weights of the calls and of what the market calls.
		type WeightInfo: WeightInfo;

		/// The token. `Mutate` serves the benchmarks, which mint what they bond.
		type Currency: Inspect<Self::AccountId, Balance = Balance>
			+ Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;

		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;

		/// Takes the storage deposit of a provider's record, by its bytes.
		type Consideration: Consideration<Self::AccountId, Footprint>;

		/// The clock of deadlines.
		type Clock: TickClock;

		/// Least bond, planck.
		type MinBond: Get<Balance>;

		/// Ticks from unbonding to withdrawal.
		type UnbondingTicks: Get<Tick>;

		/// Length of a heartbeat window, ticks; zero counts as one.
		type HeartbeatWindow: Get<Tick>;

		/// Ticks after the last heartbeat during which a provider is online. More than a window; two windows or more
		/// let a worker beat at any time within each.
		type HeartbeatExpiry: Get<Tick>;
	}

	/// The pallet.
	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// Why tokens of an owner are on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The bond of a provider, with what of it is unbonding.
		#[codec(index = 0)]
		Bond,
		/// The storage deposit of a provider's record.
		#[codec(index = 1)]
		Profile,
	}

	/// The providers, by owner.
	#[pallet::storage]
	pub type Providers<T: Config> =
		CountedStorageMap<_, Blake2_128Concat, T::AccountId, Provider<T::Consideration>, OptionQuery>;

	/// The provider that a worker key serves.
	#[pallet::storage]
	pub type WorkerKeys<T: Config> = StorageMap<_, Blake2_128Concat, WorkerKey, T::AccountId, OptionQuery>;

	/// What happened. Collateral that is locked and freed shows in the events of the market.
	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A provider was registered.
		Registered {
			/// Its owner.
			provider: T::AccountId,
		},
		/// A provider published another profile.
		ProfileUpdated {
			/// Its owner.
			provider: T::AccountId,
		},
		/// A provider set its worker key; the one before counts no more.
		WorkerKeySet {
			/// Its owner.
			provider: T::AccountId,
			/// The new key.
			key: WorkerKey,
		},
		/// A provider raised its bond.
		Bonded {
			/// Its owner.
			provider: T::AccountId,
			/// By how much, planck.
			amount: Balance,
			/// The bond now, planck.
			bond: Balance,
		},
		/// A provider took stake out of its bond.
		Unbonding {
			/// Its owner.
			provider: T::AccountId,
			/// How much, planck.
			amount: Balance,
			/// First tick at which it can be withdrawn.
			at: Tick,
		},
		/// Stake left the hold.
		Withdrawn {
			/// Its owner.
			provider: T::AccountId,
			/// How much, planck.
			amount: Balance,
		},
		/// A provider takes no new tasks.
		Paused {
			/// Its owner.
			provider: T::AccountId,
		},
		/// A provider takes new tasks again.
		Resumed {
			/// Its owner.
			provider: T::AccountId,
		},
		/// A provider is gone; its deposit is returned.
		Deregistered {
			/// Its owner.
			provider: T::AccountId,
		},
		/// A worker said that it is there.
		Heartbeat {
			/// The provider's owner.
			provider: T::AccountId,
			/// The window for which it counts.
			window: u32,
		},
		/// A part of a bond was burnt.
		Penalised {
			/// The provider's owner.
			provider: T::AccountId,
			/// How much, planck.
			amount: Balance,
			/// The bond now, planck.
			bond: Balance,
		},
	}

	/// Why a call failed, and what to do about it.
	#[pallet::error]
	pub enum Error<T> {
		/// The account is a provider already: change the profile with `update_profile`.
		AlreadyRegistered,
		/// The account is not a provider: `register` first.
		NotRegistered,
		/// The region is not an assigned ISO 3166-1 alpha-2 code in capitals.
		UnknownRegion,
		/// The profile lists no adapter: give at least one.
		NoAdapters,
		/// An adapter has no memory, bindings larger than its buffers, buffers larger than its memory, or features
		/// that this chain does not know.
		BadAdapter,
		/// An address of the endpoint is empty or not UTF-8.
		BadAddress,
		/// The worker key serves a provider already, perhaps this one: use a fresh key.
		KeyInUse,
		/// The amount is zero.
		ZeroAmount,
		/// The bond would be below the minimum: bond more at once.
		BondBelowMinimum,
		/// More than the free bond: part of it is locked behind tasks, or the bond is smaller.
		NotEnoughFreeBond,
		/// What would stay is neither nothing nor at least the minimum bond: unbond less, or all.
		RemainderBelowMinimum,
		/// No unbonding stake is due: wait for the tick that `unbond` named.
		NothingToWithdraw,
		/// The provider is paused already.
		AlreadyPaused,
		/// The provider is not paused.
		NotPaused,
		/// The provider still has tasks: pause it, and wait until they are over.
		HasTasks,
		/// The provider still has stake: `unbond` all of it and `withdraw_unbonded` when it is due.
		HasBond,
	}

	impl<T> From<ProfileError> for Error<T> {
		fn from(error: ProfileError) -> Self {
			match error {
				ProfileError::UnknownRegion => Self::UnknownRegion,
				ProfileError::NoAdapters => Self::NoAdapters,
				ProfileError::BadAdapter => Self::BadAdapter,
				ProfileError::BadAddress => Self::BadAddress,
			}
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(!T::MinBond::get().is_zero(), "MinBond is zero: providers would have nothing to lose");
			assert!(!T::UnbondingTicks::get().is_zero(), "UnbondingTicks is zero: stake could leave at once");
			assert!(!T::HeartbeatWindow::get().is_zero(), "HeartbeatWindow is zero: there are no windows");
			assert!(
				T::HeartbeatExpiry::get() > T::HeartbeatWindow::get(),
				"HeartbeatExpiry is within a window: a provider would go offline between two heartbeats"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call(weight(<T as Config>::WeightInfo))]
	impl<T: Config> Pallet<T> {
		/// Registers the caller as a provider and takes the storage deposit.
		///
		/// The provider gets no task before it has a worker key, a bond and a heartbeat.
		#[pallet::call_index(0)]
		pub fn register(origin: OriginFor<T>, profile: Profile) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			ensure!(!Providers::<T>::contains_key(&provider), Error::<T>::AlreadyRegistered);
			profile.validate().map_err(Error::<T>::from)?;
			let ticket = T::Consideration::new(&provider, Self::footprint(&profile))?;
			Providers::<T>::insert(&provider, Provider::new(profile, ticket));
			Self::deposit_event(Event::Registered { provider });
			Ok(())
		}

		/// Publishes another profile; the storage deposit follows its length.
		///
		/// Tasks that the provider holds are not touched; eligibility for new ones follows the new profile.
		#[pallet::call_index(1)]
		pub fn update_profile(origin: OriginFor<T>, profile: Profile) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			Self::mutate(&provider, |record| {
				profile.validate().map_err(Error::<T>::from)?;
				record.ticket = record.ticket.clone().update(&provider, Self::footprint(&profile))?;
				record.profile = profile;
				Ok(())
			})?;
			Self::deposit_event(Event::ProfileUpdated { provider });
			Ok(())
		}

		/// Sets the key that signs the provider's orders, in place of the one before.
		///
		/// Orders that the old key signed and that are not in a block yet fail from now on. The tasks stay: the new key
		/// claims them.
		#[pallet::call_index(2)]
		pub fn set_worker_key(origin: OriginFor<T>, key: WorkerKey) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			Self::mutate(&provider, |record| {
				ensure!(!WorkerKeys::<T>::contains_key(key), Error::<T>::KeyInUse);
				if let Some(old) = record.worker_key.replace(key) {
					WorkerKeys::<T>::remove(old);
				}
				WorkerKeys::<T>::insert(key, &provider);
				Ok(())
			})?;
			Self::deposit_event(Event::WorkerKeySet { provider, key });
			Ok(())
		}

		/// Adds `amount` planck of the owner's free balance to the bond.
		///
		/// Stake that is unbonding is not taken back: it does not count. Fails with the token's own error when the
		/// balance is too small.
		#[pallet::call_index(3)]
		pub fn bond(origin: OriginFor<T>, #[pallet::compact] amount: Balance) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			let bond = Self::mutate(&provider, |record| {
				ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
				let bond = record.bond.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
				ensure!(bond >= T::MinBond::get(), Error::<T>::BondBelowMinimum);
				T::Currency::hold(&HoldReason::Bond.into(), &provider, amount)?;
				record.bond = bond;
				Ok(bond)
			})?;
			Self::deposit_event(Event::Bonded { provider, amount, bond });
			Ok(())
		}

		/// Takes `amount` planck out of the free bond. It can be withdrawn after [`Config::UnbondingTicks`].
		///
		/// At most [`tessera_primitives::limits::MAX_UNBONDING`] chunks wait apart; beyond that, the latest chunk takes
		/// the amount in and waits as long as it.
		#[pallet::call_index(4)]
		pub fn unbond(origin: OriginFor<T>, #[pallet::compact] amount: Balance) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			let at = Self::mutate(&provider, |record| {
				ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
				ensure!(amount <= record.free(), Error::<T>::NotEnoughFreeBond);
				let rest = record.bond.checked_sub(amount).ok_or(ArithmeticError::Underflow)?;
				ensure!(rest.is_zero() || rest >= T::MinBond::get(), Error::<T>::RemainderBelowMinimum);
				record.bond = rest;
				let at = T::Clock::now().saturating_add(T::UnbondingTicks::get());
				Ok(record.schedule_unbonding(amount, at))
			})?;
			Self::deposit_event(Event::Unbonding { provider, amount, at });
			Ok(())
		}

		/// Frees all unbonding stake that is due.
		#[pallet::call_index(5)]
		pub fn withdraw_unbonded(origin: OriginFor<T>) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			let amount = Self::mutate(&provider, |record| {
				let due = record.take_due(T::Clock::now());
				ensure!(!due.is_zero(), Error::<T>::NothingToWithdraw);
				T::Currency::release(&HoldReason::Bond.into(), &provider, due, Precision::Exact)
			})?;
			Self::deposit_event(Event::Withdrawn { provider, amount });
			Ok(())
		}

		/// Takes no new tasks until [`resume`](Self::resume). Tasks that are taken go on, heartbeats still count.
		#[pallet::call_index(6)]
		pub fn pause(origin: OriginFor<T>) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			Self::mutate(&provider, |record| {
				ensure!(!record.paused, Error::<T>::AlreadyPaused);
				record.paused = true;
				Ok(())
			})?;
			Self::deposit_event(Event::Paused { provider });
			Ok(())
		}

		/// Takes new tasks again.
		#[pallet::call_index(7)]
		pub fn resume(origin: OriginFor<T>) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			Self::mutate(&provider, |record| {
				ensure!(record.paused, Error::<T>::NotPaused);
				record.paused = false;
				Ok(())
			})?;
			Self::deposit_event(Event::Resumed { provider });
			Ok(())
		}

		/// Ends the provider: its record and key are removed, the storage deposit is returned.
		///
		/// Only without tasks, bond and unbonding stake.
		#[pallet::call_index(8)]
		pub fn deregister(origin: OriginFor<T>) -> DispatchResult {
			let provider = ensure_signed(origin)?;
			let record = Providers::<T>::get(&provider).ok_or(Error::<T>::NotRegistered)?;
			ensure!(record.active_tasks.is_zero(), Error::<T>::HasTasks);
			ensure!(record.bond.is_zero() && record.unbonding.is_empty(), Error::<T>::HasBond);
			record.ticket.drop(&provider)?;
			if let Some(key) = record.worker_key {
				WorkerKeys::<T>::remove(key);
			}
			Providers::<T>::remove(&provider);
			Self::deposit_event(Event::Deregistered { provider });
			Ok(())
		}

		/// Says that a provider's worker is there. Costs no fee: the order is signed by the worker key, and at most one
		/// counts per provider and window.
		///
		/// Comes as a general transaction that [`frame_system::AuthorizeCall`] lets in. [`codes`] lists why one is
		/// refused.
		#[pallet::call_index(9)]
		#[pallet::authorize(Self::authorize_heartbeat)]
		pub fn heartbeat(
			origin: OriginFor<T>,
			order: HeartbeatOrder<T::AccountId>,
			signature: WorkerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			// Verified by the authorization, in this block.
			let _ = signature;
			let HeartbeatOrder { provider, window } = order;
			Self::mutate(&provider, |record| {
				record.last_heartbeat = Some(T::Clock::now());
				Ok(())
			})?;
			Self::deposit_event(Event::Heartbeat { provider, window });
			Ok(())
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// A provider as it stands now; `None` when the account is not a provider.
		pub fn provider_info(account: T::AccountId) -> Option<ProviderInfo<T::AccountId>> {
			Providers::<T>::get(&account).map(|record| Self::info(account, record))
		}

		/// Providers ordered by storage key, from the one after `after` on: at most `limit` and
		/// [`tessera_primitives::limits::MAX_PAGE`].
		pub fn provider_infos(after: Option<T::AccountId>, limit: u32) -> Vec<ProviderInfo<T::AccountId>> {
			Self::page(after, limit)
		}

		/// The provider that a worker key serves.
		pub fn provider_of_key(key: WorkerKey) -> Option<T::AccountId> {
			WorkerKeys::<T>::get(key)
		}
	}
}
