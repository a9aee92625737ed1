// SPDX-License-Identifier: Apache-2.0

//! A provider's record, and the arithmetic on it that needs no chain state.

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use tessera_primitives::{
	Balance, Tick,
	limits::MaxUnbonding,
	provider::{Availability, Profile, UnbondingChunk, WorkerKey},
};

/// All that the chain knows of a provider.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct Provider<Ticket> {
	/// What it offers.
	pub profile: Profile,
	/// The storage deposit.
	pub ticket: Ticket,
	/// The key that signs its orders; `None` before it was set.
	pub worker_key: Option<WorkerKey>,
	/// Active bond, the collateral included, planck.
	pub bond: Balance,
	/// The part of the bond that is locked behind tasks, planck.
	pub collateral: Balance,
	/// Stake on its way out, on hold like the bond.
	pub unbonding: BoundedVec<UnbondingChunk, MaxUnbonding>,
	/// Tasks that it holds now.
	pub active_tasks: u32,
	/// Tasks that it was paid for, ever.
	pub settled_tasks: u64,
	/// Tasks that it let expire since the last one it was paid for.
	pub expiries: u32,
	/// Accept orders of this provider that have been included.
	pub accept_counter: u32,
	/// Tick of the last heartbeat.
	pub last_heartbeat: Option<Tick>,
	/// Whether the owner paused it.
	pub paused: bool,
}

impl<Ticket> Provider<Ticket> {
	/// A provider as it is registered: no key, no bond, offline.
	pub fn new(profile: Profile, ticket: Ticket) -> Self {
		Self {
			profile,
			ticket,
			worker_key: None,
			bond: 0,
			collateral: 0,
			unbonding: BoundedVec::new(),
			active_tasks: 0,
			settled_tasks: 0,
			expiries: 0,
			accept_counter: 0,
			last_heartbeat: None,
			paused: false,
		}
	}

	/// Bond that is not locked, planck.
	pub fn free(&self) -> Balance {
		self.bond.saturating_sub(self.collateral)
	}

	/// Everything that is on hold for the bond, planck.
	pub fn held(&self) -> Balance {
		self.unbonding.iter().fold(self.bond, |all, chunk| all.saturating_add(chunk.amount))
	}

	/// Whether it takes work at tick `now`, when a heartbeat counts for `expiry` ticks.
	pub fn availability(&self, now: Tick, expiry: Tick) -> Availability {
		if self.paused {
			return Availability::Paused;
		}
		match self.last_heartbeat {
			Some(at) if now <= at.saturating_add(expiry) => Availability::Online,
			_ => Availability::Offline,
		}
	}

	/// Adds `amount` planck to what is unbonding, due at tick `at`. Returns the tick at which it is really due: later
	/// when the list is full and another chunk takes it in, never earlier.
	pub fn schedule_unbonding(&mut self, amount: Balance, at: Tick) -> Tick {
		if let Some(chunk) = self.unbonding.iter_mut().find(|chunk| chunk.at == at) {
			chunk.amount = chunk.amount.saturating_add(amount);
			return at;
		}
		let Err(chunk) = self.unbonding.try_push(UnbondingChunk { amount, at }) else {
			return at;
		};
		let Some(latest) = self.unbonding.iter_mut().max_by_key(|chunk| chunk.at) else {
			return at;
		};
		latest.amount = latest.amount.saturating_add(chunk.amount);
		latest.at = latest.at.max(chunk.at);
		latest.at
	}

	/// Removes the chunks that are due at tick `now` and returns their sum, planck.
	pub fn take_due(&mut self, now: Tick) -> Balance {
		let due = self.unbonding.iter().filter(|chunk| chunk.at <= now);
		let sum = due.fold(0, |all: Balance, chunk| all.saturating_add(chunk.amount));
		self.unbonding.retain(|chunk| chunk.at > now);
		sum
	}
}
