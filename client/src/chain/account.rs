// SPDX-License-Identifier: Apache-2.0

//! What an account has.

use tessera_primitives::Balance;

use super::runtime::runtime_types;

/// An account's tokens, planck.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct AccountBalance {
	/// Not on hold: what can be spent, and what must stay ([`Self::spendable`]).
	pub free: Balance,
	/// On hold for promises and deposits, the sum of `holds`.
	pub on_hold: Balance,
	/// Frozen: cannot be sent, but may be on hold at the same time.
	pub frozen: Balance,
	/// What is on hold, and why.
	pub holds: Vec<Hold>,
}

/// Tokens on hold for one reason.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Hold {
	/// Why.
	pub kind: HoldKind,
	/// How much, planck.
	pub amount: Balance,
}

/// Why tokens are on hold.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldKind {
	/// What a tenant's jobs may still cost.
	Escrow,
	/// Deposit for the storage of jobs.
	JobDeposit,
	/// Deposit for the storage of programs.
	ProgramDeposit,
	/// A provider's bond, with what of it is unbonding.
	Bond,
	/// Deposit for the storage of a provider's profile.
	ProfileDeposit,
	/// Another reason, as the runtime names it.
	Other(String),
}

impl AccountBalance {
	/// What can be sent away or put on hold while the account lives on, planck.
	pub fn spendable(&self, existential_deposit: Balance) -> Balance {
		let stays = self.frozen.saturating_sub(self.on_hold).max(existential_deposit);
		self.free.saturating_sub(stays)
	}

	/// Everything, planck.
	pub fn total(&self) -> Balance {
		self.free.saturating_add(self.on_hold)
	}

	/// What is on hold for this reason, planck.
	pub fn held(&self, kind: &HoldKind) -> Balance {
		self.holds.iter().filter(|hold| hold.kind == *kind).map(|hold| hold.amount).sum()
	}
}

impl From<runtime_types::tessera_runtime::RuntimeHoldReason> for HoldKind {
	fn from(reason: runtime_types::tessera_runtime::RuntimeHoldReason) -> Self {
		use runtime_types::{
			pallet_jobs::pallet::HoldReason as Jobs, pallet_providers::pallet::HoldReason as Providers,
			tessera_runtime::RuntimeHoldReason as Reason,
		};
		match reason {
			Reason::Jobs(Jobs::Escrow) => Self::Escrow,
			Reason::Jobs(Jobs::JobDeposit) => Self::JobDeposit,
			Reason::Jobs(Jobs::ProgramDeposit) => Self::ProgramDeposit,
			Reason::Providers(Providers::Bond) => Self::Bond,
			Reason::Providers(Providers::Profile) => Self::ProfileDeposit,
			other => Self::Other(format!("{other:?}")),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn spendable_should_leave_what_must_stay() {
		let balance = |free, on_hold, frozen| AccountBalance { free, on_hold, frozen, holds: Vec::new() };
		assert_eq!(balance(100, 0, 0).spendable(10), 90);
		assert_eq!(balance(5, 0, 0).spendable(10), 0);
		assert_eq!(balance(100, 0, 60).spendable(10), 40);
		assert_eq!(balance(100, 55, 60).spendable(10), 90, "what is frozen may be on hold");
		assert_eq!(balance(100, 40, 60).spendable(10), 80);
	}

	#[test]
	fn held_should_sum_one_reason() {
		let hold = |kind, amount| Hold { kind, amount };
		let balance = AccountBalance {
			free: 1,
			on_hold: 60,
			frozen: 0,
			holds: vec![hold(HoldKind::Bond, 10), hold(HoldKind::Escrow, 50)],
		};
		assert_eq!(balance.held(&HoldKind::Escrow), 50);
		assert_eq!(balance.held(&HoldKind::JobDeposit), 0);
		assert_eq!(balance.total(), 61);
	}
}
