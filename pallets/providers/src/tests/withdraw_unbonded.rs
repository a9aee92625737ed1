// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok, traits::fungible::Inspect};
use sp_runtime::traits::BadOrigin;
use tessera_primitives::traits::{Outcome, Providers as _};

use crate::{Error, Event, mock::*};

#[test]
fn withdraw_unbonded_should_free_stake_when_its_tick_has_come() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		let before = Balances::balance(&ALICE);
		assert_ok!(Providers::unbond(signed(ALICE), 500));
		Now::set(149);
		assert_noop!(Providers::withdraw_unbonded(signed(ALICE)), Error::<Test>::NothingToWithdraw);
		Now::set(150);
		assert_ok!(Providers::withdraw_unbonded(signed(ALICE)));
		assert_eq!(Balances::balance(&ALICE), before + 500);
		assert_eq!(held(ALICE), 4_500);
		assert!(record(ALICE).unbonding.is_empty());
		assert_eq!(last_event(), Event::Withdrawn { provider: ALICE, amount: 500 });
		assert_noop!(Providers::withdraw_unbonded(signed(ALICE)), Error::<Test>::NothingToWithdraw);
	});
}

#[test]
fn withdraw_unbonded_should_free_only_what_is_due() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		for (tick, amount) in [(100, 1), (110, 20), (120, 300)] {
			Now::set(tick);
			assert_ok!(Providers::unbond(signed(ALICE), amount));
		}
		Now::set(165);
		assert_ok!(Providers::withdraw_unbonded(signed(ALICE)));
		assert_eq!(last_event(), Event::Withdrawn { provider: ALICE, amount: 21 });
		assert_eq!(held(ALICE), 4_979);
		assert_eq!(record(ALICE).unbonding.len(), 1);
	});
}

#[test]
fn withdraw_unbonded_should_leave_no_less_when_a_penalty_was_burnt_meanwhile() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 2_000));
		assert_ok!(Providers::unbond(signed(ALICE), 500));
		assert_eq!(Providers::finish(&ALICE, 2_000, 700, Outcome::Expired), 700);
		Now::set(150);
		assert_ok!(Providers::withdraw_unbonded(signed(ALICE)));
		assert_eq!(held(ALICE), 3_800);
		assert_eq!(record(ALICE).bond, 3_800);
	});
}

#[test]
fn withdraw_unbonded_should_fail_when_nothing_was_unbonded() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_noop!(Providers::withdraw_unbonded(signed(ALICE)), Error::<Test>::NothingToWithdraw);
	});
}

#[test]
fn withdraw_unbonded_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::withdraw_unbonded(signed(ALICE)), Error::<Test>::NotRegistered);
		assert_noop!(Providers::withdraw_unbonded(RuntimeOrigin::root()), BadOrigin);
	});
}
