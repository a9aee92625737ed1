// SPDX-License-Identifier: Apache-2.0

//! Each invariant is really checked: a state that breaks it is found.

use frame_support::{
	assert_ok,
	traits::{fungible::MutateHold, tokens::Precision},
};
use sp_core::Pair;
use sp_runtime::TryRuntimeError;
use tessera_primitives::{provider::UnbondingChunk, traits::Providers as _};

use crate::{HoldReason, Provider, Providers as Records, WorkerKeys, mock::*};

/// Breaks the state of a sound provider and checks that this invariant notices.
fn breaks(message: &'static str, damage: fn(&mut Provider<Ticket>)) {
	ExtBuilder::default().provider(ALICE, 5_000).build().execute_with(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 1_000));
		assert_ok!(Providers::lock(&ALICE, 100));
		assert_ok!(Providers::do_try_state());
		Records::<Test>::mutate(ALICE, |record| damage(record.as_mut().unwrap()));
		assert_eq!(Providers::do_try_state(), Err(TryRuntimeError::Other(message)));
	});
}

#[test]
fn try_state_should_fail_when_the_hold_is_not_the_stake() {
	breaks("INV1: the hold is not bond plus unbonding", |record| record.bond += 1);
	breaks("INV1: the hold is not bond plus unbonding", |record| record.unbonding.clear());
	ExtBuilder::default().provider(ALICE, 5_000).build().execute_with(|| {
		assert_ok!(Balances::release(&HoldReason::Bond.into(), &ALICE, 1, Precision::Exact));
		assert!(Providers::do_try_state().is_err());
	});
}

#[test]
fn try_state_should_fail_when_collateral_exceeds_the_bond() {
	breaks("INV2: more collateral than bond", |record| record.collateral = record.bond + 1);
}

#[test]
fn try_state_should_fail_when_collateral_is_locked_without_a_task() {
	breaks("INV3: collateral without a task", |record| record.active_tasks = 0);
}

#[test]
fn try_state_should_fail_when_keys_and_providers_disagree() {
	breaks("INV4: a provider's key does not point back at it", |record| {
		record.worker_key = Some(key(77).public())
	});
	breaks("INV4: a key points at a provider that does not have it", |record| record.worker_key = None);
	ExtBuilder::default().build().execute_with(|| {
		WorkerKeys::<Test>::insert(key(77).public(), BOB);
		assert!(Providers::do_try_state().is_err());
	});
}

#[test]
fn try_state_should_fail_when_unbonding_chunks_are_empty_or_of_one_tick() {
	breaks("INV6: an empty unbonding chunk", |record| {
		record.unbonding.try_push(UnbondingChunk { amount: 0, at: 7 }).unwrap()
	});
	breaks("INV6: two chunks of the same tick", |record| {
		record.unbonding =
			vec![UnbondingChunk { amount: 400, at: 150 }, UnbondingChunk { amount: 600, at: 150 }]
				.try_into()
				.unwrap();
	});
}
