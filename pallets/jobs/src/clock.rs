// SPDX-License-Identifier: Apache-2.0

//! The clock: one tick a block, except while migrations run (`on_poll` is not called then) and, for a bounded time,
//! while blocks are full. So filling blocks cannot make others miss a deadline for longer than anybody can afford to
//! fill them, nor for longer than [`Config::MaxStalledBlocks`].

use frame_support::{dispatch::DispatchClass, traits::Get, weights::Weight};
use sp_runtime::Perbill;
use tessera_primitives::{Tick, traits::TickClock};

use crate::{Clock, Config, Pallet};

impl<T: Config> TickClock for Pallet<T> {
	fn now() -> Tick {
		Clock::<T>::get().tick
	}

	#[cfg(any(feature = "std", feature = "runtime-benchmarks"))]
	fn set_now(tick: Tick) {
		Clock::<T>::mutate(|clock| clock.tick = tick)
	}
}

impl<T: Config> Pallet<T> {
	/// Starts a block: counts a tick, unless the last block was full and there is patience left. Returns the tick.
	pub(crate) fn advance_clock() -> Tick {
		Clock::<T>::mutate(|clock| {
			if clock.full && clock.stalled < T::MaxStalledBlocks::get() {
				clock.stalled = clock.stalled.saturating_add(1);
			} else {
				if !clock.full {
					clock.stalled = clock.stalled.saturating_sub(1);
				}
				clock.tick = clock.tick.saturating_add(1);
			}
			clock.tick
		})
	}

	/// Ends a block: remembers whether it was full.
	pub(crate) fn note_fullness() {
		let full = Self::is_full();
		Clock::<T>::mutate(|clock| clock.full = full)
	}

	/// Whether an ordinary transaction could hardly have got into this block: its class or the whole block is used
	/// up, by weight or by length.
	fn is_full() -> bool {
		let share = T::FullBlock::get();
		let limits = T::BlockWeights::get();
		let used = frame_system::Pallet::<T>::block_weight();
		let of_class = limits.get(DispatchClass::Normal).max_total.unwrap_or(limits.max_block);
		let lengths = T::BlockLength::get();
		let longest = share.mul_floor(*lengths.max.get(DispatchClass::Normal));
		reaches(used.get(DispatchClass::Normal), share, of_class)
			|| reaches(&used.total(), share, limits.max_block)
			|| frame_system::Pallet::<T>::block_size() >= longest
	}
}

/// Whether either dimension of `used` reaches this share of its limit.
fn reaches(used: &Weight, share: Perbill, limit: Weight) -> bool {
	used.ref_time() >= share.mul_floor(limit.ref_time())
		|| used.proof_size() >= share.mul_floor(limit.proof_size())
}
