// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok, traits::fungible::Inspect};
use sp_runtime::{TokenError, traits::BadOrigin};
use tessera_primitives::traits::{Outcome, Providers as _};

use crate::{Error, Event, mock::*};

#[test]
fn bond_should_hold_the_amount() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		let before = Balances::balance(&ALICE);
		assert_ok!(Providers::bond(signed(ALICE), 1_000));
		assert_eq!(record(ALICE).bond, 1_000);
		assert_eq!(held(ALICE), 1_000);
		assert_eq!(Balances::balance(&ALICE), before - 1_000);
		assert_eq!(last_event(), Event::Bonded { provider: ALICE, amount: 1_000, bond: 1_000 });
	});
}

#[test]
fn bond_should_add_up_when_it_is_raised() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::bond(signed(ALICE), 1));
		assert_eq!(record(ALICE).bond, 1_001);
		assert_eq!(last_event(), Event::Bonded { provider: ALICE, amount: 1, bond: 1_001 });
	});
}

#[test]
fn bond_should_not_count_what_is_unbonding() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 1_000));
		assert_noop!(Providers::bond(signed(ALICE), 1), Error::<Test>::BondBelowMinimum);
		assert_ok!(Providers::bond(signed(ALICE), 1_000));
		assert_eq!(held(ALICE), 2_000);
	});
}

#[test]
fn bond_should_fail_when_the_minimum_is_not_reached() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_noop!(Providers::bond(signed(ALICE), 999), Error::<Test>::BondBelowMinimum);
	});
}

#[test]
fn bond_should_reach_the_minimum_again_when_a_penalty_took_part_of_it() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 100));
		assert_eq!(Providers::finish(&ALICE, 100, 100, Outcome::Expired), 100);
		assert_noop!(Providers::bond(signed(ALICE), 99), Error::<Test>::BondBelowMinimum);
		assert_ok!(Providers::bond(signed(ALICE), 100));
	});
}

#[test]
fn bond_should_fail_when_the_amount_is_zero() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_noop!(Providers::bond(signed(ALICE), 0), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn bond_should_fail_when_the_balance_is_too_small() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_noop!(Providers::bond(signed(ALICE), RICH), TokenError::FundsUnavailable);
		// The existential deposit stays.
		let free = Balances::balance(&ALICE);
		assert_noop!(Providers::bond(signed(ALICE), free), TokenError::FundsUnavailable);
		assert_ok!(Providers::bond(signed(ALICE), free - EXISTENTIAL_DEPOSIT));
	});
}

#[test]
fn bond_should_fail_when_the_sum_overflows() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_noop!(Providers::bond(signed(ALICE), u128::MAX), sp_runtime::ArithmeticError::Overflow);
	});
}

#[test]
fn bond_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::bond(signed(ALICE), 1_000), Error::<Test>::NotRegistered);
		assert_noop!(Providers::bond(RuntimeOrigin::root(), 1_000), BadOrigin);
	});
}
