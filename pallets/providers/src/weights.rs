// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_providers`.
//!
//! ESTIMATES, NOT MEASUREMENTS. `scripts/weights.sh` replaces this file with figures from the benchmarks. Until then
//! each weight is a deliberately high guess of the execution time, with the storage accesses counted by hand from the
//! worst case of the code. Do not quote them.

#![allow(missing_docs)]

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{
		RuntimeDbWeight, Weight,
		constants::{RocksDbWeight, WEIGHT_REF_TIME_PER_MICROS},
	},
};

/// Weight functions needed for `pallet_providers`.
pub trait WeightInfo {
	fn register() -> Weight;
	fn update_profile() -> Weight;
	fn set_worker_key() -> Weight;
	fn bond() -> Weight;
	fn unbond() -> Weight;
	fn withdraw_unbonded() -> Weight;
	fn pause() -> Weight;
	fn resume() -> Weight;
	fn deregister() -> Weight;
	fn heartbeat() -> Weight;
	fn authorize_heartbeat() -> Weight;
	fn check() -> Weight;
	fn lock() -> Weight;
	fn finish() -> Weight;
}

/// Proof size counted per read, bytes: more than the longest item read.
const BYTES_PER_READ: u64 = 6_000;

fn estimate(db: RuntimeDbWeight, micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(
		micros.saturating_mul(WEIGHT_REF_TIME_PER_MICROS),
		reads.saturating_mul(BYTES_PER_READ),
	)
	.saturating_add(db.reads_writes(reads, writes))
}

/// Implements the trait with microseconds, reads and writes of each function.
macro_rules! estimates {
	($db:expr; $($name:ident: $micros:literal, $reads:literal, $writes:literal;)*) => {
		$(fn $name() -> Weight {
			estimate($db, $micros, $reads, $writes)
		})*
	};
}

macro_rules! all_estimates {
	($db:expr) => {
		estimates! { $db;
			register: 150, 4, 4;
			update_profile: 150, 3, 3;
			set_worker_key: 80, 2, 3;
			bond: 120, 4, 3;
			unbond: 80, 4, 1;
			withdraw_unbonded: 120, 4, 3;
			pause: 50, 1, 1;
			resume: 50, 1, 1;
			deregister: 150, 4, 5;
			heartbeat: 60, 2, 1;
			authorize_heartbeat: 250, 4, 0;
			check: 60, 3, 0;
			lock: 60, 1, 1;
			finish: 150, 4, 4;
		}
	};
}

/// Weights for a runtime's database.
pub struct SubstrateWeight<T>(PhantomData<T>);
impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	all_estimates!(T::DbWeight::get());
}

/// Weights for tests.
impl WeightInfo for () {
	all_estimates!(RocksDbWeight::get());
}
