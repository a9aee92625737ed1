// SPDX-License-Identifier: Apache-2.0

//! Every way in and out of escrow. Amounts are planck.
//!
//! Holds are moved with force, so that a freeze on the tenant's account cannot block a provider's payment. An amount
//! that its receiver's account cannot take, because it would lie below the existential deposit, goes where the
//! protocol's cut goes: one party's account never keeps the other's money in escrow.

use frame_support::{
	ensure,
	storage::with_storage_layer,
	traits::{
		Imbalance, OnUnbalanced,
		fungible::hold::{Balanced as _, Mutate as _},
		tokens::{Fortitude, Precision, Restriction},
	},
};
use sp_runtime::{DispatchError, DispatchResult};
use tessera_primitives::Balance;

use crate::{Config, Error, HoldReason, LOG_TARGET, Pallet};

impl<T: Config> Pallet<T> {
	/// Puts an amount of the tenant's free balance in escrow.
	pub(crate) fn hold_escrow(tenant: &T::AccountId, amount: Balance) -> DispatchResult {
		T::Currency::hold(&HoldReason::Escrow.into(), tenant, amount)
			.map_err(|_| Error::<T>::EscrowNotCovered.into())
	}

	/// Pays out of escrow. Returns what the receiver got: all of it, or nothing.
	pub(crate) fn pay(
		tenant: &T::AccountId,
		to: &T::AccountId,
		amount: Balance,
	) -> Result<Balance, DispatchError> {
		if amount == 0 {
			return Ok(0);
		}
		let transfer = || {
			T::Currency::transfer_on_hold(
				&HoldReason::Escrow.into(),
				tenant,
				to,
				amount,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)
		};
		Self::or_cut(tenant, amount, with_storage_layer(transfer))
	}

	/// Returns escrow to its tenant. Returns what the tenant got: all of it, or nothing.
	pub(crate) fn refund(tenant: &T::AccountId, amount: Balance) -> Result<Balance, DispatchError> {
		if amount == 0 {
			return Ok(0);
		}
		let release = || T::Currency::release(&HoldReason::Escrow.into(), tenant, amount, Precision::Exact);
		Self::or_cut(tenant, amount, with_storage_layer(release))
	}

	/// Gives escrow to whom the protocol's cut belongs.
	pub(crate) fn cut(tenant: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let (credit, missing) = T::Currency::slash(&HoldReason::Escrow.into(), tenant, amount);
		ensure!(missing == 0 && credit.peek() == amount, Error::<T>::Bookkeeping);
		T::OnCut::on_unbalanced(credit);
		Ok(())
	}

	/// Burns escrow.
	pub(crate) fn burn(tenant: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let reason = HoldReason::Escrow.into();
		T::Currency::burn_held(&reason, tenant, amount, Precision::Exact, Fortitude::Force)?;
		Ok(())
	}

	fn or_cut(
		tenant: &T::AccountId,
		amount: Balance,
		moved: Result<Balance, DispatchError>,
	) -> Result<Balance, DispatchError> {
		match moved {
			Ok(moved) => {
				ensure!(moved == amount, Error::<T>::Bookkeeping);
				Ok(amount)
			}
			Err(error) => {
				log::warn!(target: LOG_TARGET, "{amount} planck could not be paid out ({error:?})");
				Self::cut(tenant, amount)?;
				Ok(0)
			}
		}
	}
}
