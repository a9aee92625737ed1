// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok};
use sp_runtime::traits::BadOrigin;
use tessera_primitives::{
	limits::MAX_UNBONDING,
	provider::UnbondingChunk,
	traits::{Outcome, Providers as _},
};

use crate::{Error, Event, mock::*};

#[test]
fn unbond_should_move_stake_out_of_the_bond_and_keep_it_on_hold() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 500));
		let record = record(ALICE);
		assert_eq!(record.bond, 4_500);
		assert_eq!(record.unbonding.to_vec(), [UnbondingChunk { amount: 500, at: 150 }]);
		assert_eq!(held(ALICE), 5_000);
		assert_eq!(last_event(), Event::Unbonding { provider: ALICE, amount: 500, at: 150 });
	});
}

#[test]
fn unbond_should_merge_chunks_when_they_fall_on_the_same_tick() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 500));
		assert_ok!(Providers::unbond(signed(ALICE), 300));
		assert_eq!(record(ALICE).unbonding.to_vec(), [UnbondingChunk { amount: 800, at: 150 }]);
	});
}

#[test]
fn unbond_should_merge_into_the_latest_chunk_when_the_list_is_full() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		for _ in 0..MAX_UNBONDING {
			Now::mutate(|now| *now += 1);
			assert_ok!(Providers::unbond(signed(ALICE), 10));
		}
		let latest = Now::get() + 50;
		assert_eq!(record(ALICE).unbonding.len(), 16);

		Now::mutate(|now| *now += 7);
		assert_ok!(Providers::unbond(signed(ALICE), 1));
		let unbonding = record(ALICE).unbonding;
		assert_eq!(unbonding.len(), 16);
		assert_eq!(unbonding.last(), Some(&UnbondingChunk { amount: 11, at: latest + 7 }));
		assert_eq!(unbonding.first(), Some(&UnbondingChunk { amount: 10, at: 151 }));
		assert_eq!(last_event(), Event::Unbonding { provider: ALICE, amount: 1, at: latest + 7 });

		// A shorter delay never makes stake leave earlier than what it was merged with.
		UnbondingTicks::set(20);
		assert_ok!(Providers::unbond(signed(ALICE), 1));
		assert_eq!(record(ALICE).unbonding.last(), Some(&UnbondingChunk { amount: 12, at: latest + 7 }));
		assert_eq!(last_event(), Event::Unbonding { provider: ALICE, amount: 1, at: latest + 7 });
	});
}

#[test]
fn unbond_should_take_the_whole_bond_when_nothing_is_locked() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 5_000));
		assert_eq!(record(ALICE).bond, 0);
	});
}

#[test]
fn unbond_should_fail_when_the_rest_would_be_below_the_minimum() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_noop!(Providers::unbond(signed(ALICE), 4_001), Error::<Test>::RemainderBelowMinimum);
		assert_noop!(Providers::unbond(signed(ALICE), 4_999), Error::<Test>::RemainderBelowMinimum);
		assert_ok!(Providers::unbond(signed(ALICE), 4_000));
	});
}

#[test]
fn unbond_should_fail_when_the_amount_is_more_than_the_free_bond() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_noop!(Providers::unbond(signed(ALICE), 5_001), Error::<Test>::NotEnoughFreeBond);
		assert_ok!(Providers::lock(&ALICE, 4_000));
		assert_noop!(Providers::unbond(signed(ALICE), 1_001), Error::<Test>::NotEnoughFreeBond);
		assert_ok!(Providers::unbond(signed(ALICE), 1_000));
		assert_noop!(Providers::unbond(signed(ALICE), 1), Error::<Test>::NotEnoughFreeBond);

		assert_eq!(Providers::finish(&ALICE, 4_000, 0, Outcome::Settled), 0);
		assert_ok!(Providers::unbond(signed(ALICE), 4_000));
	});
}

#[test]
fn unbond_should_fail_when_the_amount_is_zero() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_noop!(Providers::unbond(signed(ALICE), 0), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn unbond_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::unbond(signed(ALICE), 1), Error::<Test>::NotRegistered);
		assert_noop!(Providers::unbond(RuntimeOrigin::none(), 1), BadOrigin);
	});
}
