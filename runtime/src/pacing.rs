// SPDX-License-Identifier: Apache-2.0

//! How fast a chain goes: the length of a slot and of an epoch, fixed in its genesis.
//!
//! One runtime serves chains of different pace (production 3 s and 200 slots, development shorter) without Cargo
//! features. Neither value can change after genesis: BABE derives slot numbers from the slot length, and validators
//! would disagree about every later slot. So there is no call here.

pub use pallet::*;

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use crate::constants::{EPOCH_SLOTS, SLOT_MILLIS};
	use frame_support::pallet_prelude::*;

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// Milliseconds of a slot.
	#[pallet::storage]
	pub type SlotMillis<T> = StorageValue<_, u64, ValueQuery, DefaultSlotMillis>;

	/// Slots of an epoch.
	#[pallet::storage]
	pub type EpochSlots<T> = StorageValue<_, u64, ValueQuery, DefaultEpochSlots>;

	/// A production chain's slot.
	#[pallet::type_value]
	pub fn DefaultSlotMillis() -> u64 {
		SLOT_MILLIS
	}

	/// A production chain's epoch.
	#[pallet::type_value]
	pub fn DefaultEpochSlots() -> u64 {
		EPOCH_SLOTS
	}

	/// What a chain specification says.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Milliseconds of a slot; 0 for the production value.
		pub slot_millis: u64,
		/// Slots of an epoch; 0 for the production value.
		pub epoch_slots: u64,
		#[serde(skip)]
		/// Binds the runtime.
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if self.slot_millis != 0 {
				assert!(self.slot_millis >= 200, "pacing.slotMillis: BABE needs slots of at least 200 ms");
				SlotMillis::<T>::put(self.slot_millis);
			}
			if self.epoch_slots != 0 {
				assert!(self.epoch_slots >= 4, "pacing.epochSlots: an epoch needs at least 4 slots");
				EpochSlots::<T>::put(self.epoch_slots);
			}
		}
	}

	/// Milliseconds of half a slot: what pallet-timestamp calls its minimum period.
	pub struct HalfSlot<T>(core::marker::PhantomData<T>);
	impl<T: Config> Get<u64> for HalfSlot<T> {
		fn get() -> u64 {
			SlotMillis::<T>::get() / 2
		}
	}

	/// Milliseconds of a slot.
	pub struct Slot<T>(core::marker::PhantomData<T>);
	impl<T: Config> Get<u64> for Slot<T> {
		fn get() -> u64 {
			SlotMillis::<T>::get()
		}
	}

	/// Slots of an epoch.
	pub struct Epoch<T>(core::marker::PhantomData<T>);
	impl<T: Config> Get<u64> for Epoch<T> {
		fn get() -> u64 {
			EpochSlots::<T>::get()
		}
	}
}
