// SPDX-License-Identifier: Apache-2.0

//! What is true of this pallet's state between any two extrinsics.
//!
//! - INV1: what is on hold for a provider's bond is its bond plus everything unbonding.
//! - INV2: the collateral is at most the bond.
//! - INV3: without tasks nothing is locked.
//! - INV4: worker keys and providers point at each other, one to one.
//! - INV5: every provider has a storage deposit, and nothing is on hold for who is not a provider. The first half holds
//!   by type (the ticket is part of the record); the currency cannot list holds, so the tests check the second.
//! - INV6: no unbonding chunk is empty, and no two are due at the same tick.

use alloc::collections::BTreeSet;
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::{TryRuntimeError, traits::Zero};

use crate::{Config, HoldReason, Pallet, Providers, WorkerKeys};

impl<T: Config> Pallet<T> {
	/// Checks the invariants.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		for (account, record) in Providers::<T>::iter() {
			let held = T::Currency::balance_on_hold(&HoldReason::Bond.into(), &account);
			ensure!(held == record.held(), "INV1: the hold is not bond plus unbonding");
			ensure!(record.collateral <= record.bond, "INV2: more collateral than bond");
			ensure!(
				!record.active_tasks.is_zero() || record.collateral.is_zero(),
				"INV3: collateral without a task"
			);
			if let Some(key) = record.worker_key {
				ensure!(
					WorkerKeys::<T>::get(key).as_ref() == Some(&account),
					"INV4: a provider's key does not point back at it"
				);
			}
			ensure!(
				record.unbonding.iter().all(|chunk| !chunk.amount.is_zero()),
				"INV6: an empty unbonding chunk"
			);
			let ticks: BTreeSet<_> = record.unbonding.iter().map(|chunk| chunk.at).collect();
			ensure!(ticks.len() == record.unbonding.len(), "INV6: two chunks of the same tick");
		}
		for (key, account) in WorkerKeys::<T>::iter() {
			ensure!(
				Providers::<T>::get(&account).and_then(|record| record.worker_key) == Some(key),
				"INV4: a key points at a provider that does not have it"
			);
		}
		Ok(())
	}
}
