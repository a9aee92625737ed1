// SPDX-License-Identifier: Apache-2.0

//! The seams between pallets. A pallet of ours never depends on another: they meet here, wired in the runtime. Every
//! trait whose calls cost something says what, so that the caller can charge it.

use frame_support::weights::Weight;

use crate::{
	orders::WorkerSignature,
	provider::{Ineligible, Needs, WorkerKey},
	types::{Balance, Tick},
};

/// The chain's clock.
pub trait TickClock {
	/// The current tick. One storage read.
	fn now() -> Tick;
	/// Puts the clock forward, for tests of other pallets and their benchmarks.
	#[cfg(any(feature = "std", feature = "runtime-benchmarks"))]
	fn set_now(tick: Tick);
}

/// How a provider's work on a task ended; what its record depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
	/// Paid.
	Settled,
	/// Not claimed in time.
	Expired,
	/// Handed back.
	HandedBack,
}

/// The market's view of providers.
pub trait Providers<AccountId> {
	/// The key that signs this provider's orders.
	fn worker_key(provider: &AccountId) -> Option<WorkerKey>;

	/// How many accept orders of this provider have been included.
	fn accept_counter(provider: &AccountId) -> u32;

	/// Counts an accept order.
	fn count_accept(provider: &AccountId);

	/// Whether the provider is there and meets these needs; its bond is not looked at.
	fn check(provider: &AccountId, needs: &Needs) -> Result<(), Ineligible>;

	/// Bond that is neither locked as collateral nor unbonding, planck.
	fn free_collateral(provider: &AccountId) -> Balance;

	/// Locks collateral behind one more task. Fails with [`Ineligible::Collateral`] when the free bond is less.
	fn lock(provider: &AccountId, collateral: Balance) -> Result<(), Ineligible>;

	/// Ends the work on one task: unlocks its collateral and burns `penalty` (at most the collateral) of it. Returns
	/// what was burnt, planck.
	fn finish(provider: &AccountId, collateral: Balance, penalty: Balance, outcome: Outcome) -> Balance;

	/// How often in a row the provider let a task expire; a settled task sets it back.
	fn expiries(provider: &AccountId) -> u32;

	/// How many providers meet these needs now, looking at `scan` at most: for quotes, not for dispatchables.
	fn count_eligible(needs: &Needs, scan: u32) -> u32;

	/// Weight of [`Self::check`] with [`Self::worker_key`], [`Self::accept_counter`] and [`Self::free_collateral`].
	fn weight_of_check() -> Weight;
	/// Weight of [`Self::lock`] or [`Self::count_accept`].
	fn weight_of_lock() -> Weight;
	/// Weight of [`Self::finish`] with [`Self::expiries`].
	fn weight_of_finish() -> Weight;

	/// Registers an online provider with as large a profile as the limits allow, this worker key and this bond.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_provider(provider: &AccountId, key: WorkerKey, bond: Balance);
}

/// Whether a worker key signed this hash.
pub fn verify_worker_signature(signature: &WorkerSignature, hash: &[u8; 32], key: &WorkerKey) -> bool {
	use sp_runtime::traits::Verify;
	signature.verify(&hash[..], key)
}
