// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_jobs`.
//!
//! THESE ARE ESTIMATES, not measurements: reads and writes were counted by hand for the worst case and computing time
//! is a generous guess. They serve tests and the first run of the benchmarks; a runtime uses the measured weights that
//! `scripts/weights.sh` writes.

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{RuntimeDbWeight, Weight, constants::RocksDbWeight},
};

/// Weights of the calls, of their authorisation, and of the parts of the hook.
pub trait WeightInfo {
	/// A program of `b` buffers and `s` stages, each with as many bindings as the limits allow.
	fn register_program(b: u32, s: u32) -> Weight;
	/// Retiring a program.
	fn retire_program() -> Weight;
	/// Submitting a job, of whatever number of tasks.
	fn submit() -> Weight;
	/// Taking `n` tasks, each of another job.
	fn accept(n: u32) -> Weight;
	/// Claiming `n` tasks, each of another job.
	fn claim(n: u32) -> Weight;
	/// Handing `n` tasks back, each of another job.
	fn hand_back(n: u32) -> Weight;
	/// Settling `n` tasks, each of another job and tenant, and its last.
	fn settle(n: u32) -> Weight;
	/// Expiring `n` tasks, each of another job and its last.
	fn expire(n: u32) -> Weight;
	/// Cancelling a job.
	fn cancel() -> Weight;
	/// Closing a job.
	fn close() -> Weight;
	/// Removing `n` task records and the job.
	fn clean_up(n: u32) -> Weight;
	/// Validity of an accept order for `n` tasks.
	fn authorize_accept(n: u32) -> Weight;
	/// Validity of a claim order for `n` tasks.
	fn authorize_claim(n: u32) -> Weight;
	/// Validity of a hand-back order for `n` tasks.
	fn authorize_hand_back(n: u32) -> Weight;
	/// The clock at the start of a block, and the agenda's cursor.
	fn on_poll() -> Weight;
	/// Looking for the next item of the agenda.
	fn agenda_next() -> Weight;
	/// The clock at the end of a block.
	fn on_finalize() -> Weight;
}

/// Computing time, microseconds.
fn base(micros: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), 0)
}

/// Computing time of each of `n`, microseconds.
fn each(micros: u64, n: u32) -> Weight {
	base(micros).saturating_mul(n.into())
}

/// Reads and writes of storage, some once and some for each of `n`.
fn db<D: Get<RuntimeDbWeight>>(reads: u64, writes: u64, n: u32, reads_each: u64, writes_each: u64) -> Weight {
	let n = u64::from(n);
	let reads = reads.saturating_add(reads_each.saturating_mul(n));
	let writes = writes.saturating_add(writes_each.saturating_mul(n));
	// About the largest entry of this pallet for each read.
	D::get().reads_writes(reads, writes).saturating_add(Weight::from_parts(0, reads.saturating_mul(4_096)))
}

/// The estimates, with a runtime's cost of storage.
pub struct SubstrateWeight<T>(PhantomData<T>);

macro_rules! estimates {
	([$($generics:tt)*] $name:ty, $db:ty) => {
		impl<$($generics)*> WeightInfo for $name {
			fn register_program(b: u32, s: u32) -> Weight {
				base(60).saturating_add(each(2, b)).saturating_add(each(6, s)).saturating_add(db::<$db>(4, 4, 0, 0, 0))
			}
			fn retire_program() -> Weight {
				base(50).saturating_add(db::<$db>(4, 4, 0, 0, 0))
			}
			fn submit() -> Weight {
				base(150).saturating_add(db::<$db>(9, 10, 0, 0, 0))
			}
			fn accept(n: u32) -> Weight {
				// Each: job, task, provider and its bond, open jobs, agenda.
				base(20).saturating_add(each(70, n)).saturating_add(db::<$db>(4, 2, n, 8, 6))
			}
			fn claim(n: u32) -> Weight {
				// Each: job, task, agenda.
				base(20).saturating_add(each(40, n)).saturating_add(db::<$db>(2, 0, n, 2, 4))
			}
			fn hand_back(n: u32) -> Weight {
				// Each: job, task, tenant's account, issuance, provider and its bond, agenda, open jobs.
				base(20).saturating_add(each(150, n)).saturating_add(db::<$db>(4, 2, n, 10, 12))
			}
			fn settle(n: u32) -> Weight {
				// Each: job, task, accounts of tenant, provider and treasury, provider's record, agenda.
				base(20).saturating_add(each(200, n)).saturating_add(db::<$db>(4, 2, n, 12, 13))
			}
			fn expire(n: u32) -> Weight {
				// Each: job, task, accounts of tenant and provider, issuance, provider's record, agenda.
				base(20).saturating_add(each(150, n)).saturating_add(db::<$db>(4, 2, n, 10, 13))
			}
			fn cancel() -> Weight {
				base(100).saturating_add(db::<$db>(6, 8, 0, 0, 0))
			}
			fn close() -> Weight {
				base(100).saturating_add(db::<$db>(6, 8, 0, 0, 0))
			}
			fn clean_up(n: u32) -> Weight {
				base(120).saturating_add(each(5, n)).saturating_add(db::<$db>(9, 9, n, 1, 1))
			}
			fn authorize_accept(n: u32) -> Weight {
				base(120).saturating_add(each(30, n)).saturating_add(db::<$db>(6, 0, n, 4, 0))
			}
			fn authorize_claim(n: u32) -> Weight {
				base(120).saturating_add(each(15, n)).saturating_add(db::<$db>(4, 0, n, 2, 0))
			}
			fn authorize_hand_back(n: u32) -> Weight {
				base(120).saturating_add(each(15, n)).saturating_add(db::<$db>(4, 0, n, 2, 0))
			}
			fn on_poll() -> Weight {
				base(10).saturating_add(db::<$db>(2, 2, 0, 0, 0))
			}
			fn agenda_next() -> Weight {
				base(5).saturating_add(db::<$db>(1, 1, 0, 0, 0))
			}
			fn on_finalize() -> Weight {
				base(10).saturating_add(db::<$db>(3, 1, 0, 0, 0))
			}
		}
	};
}

estimates!([T: frame_system::Config] SubstrateWeight<T>, T::DbWeight);
estimates!([](), RocksDbWeight);
