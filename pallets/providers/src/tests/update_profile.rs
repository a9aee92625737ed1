// SPDX-License-Identifier: Apache-2.0

use frame_support::{
	assert_noop, assert_ok,
	traits::fungible::{InspectHold, Mutate},
};
use sp_runtime::{
	TokenError,
	traits::{BadOrigin, Convert},
};
use tessera_primitives::Region;

use crate::{Error, Event, HoldReason, mock::*};

fn deposit_of_alice() -> u128 {
	Balances::balance_on_hold(&HoldReason::Profile.into(), &ALICE)
}

#[test]
fn update_profile_should_move_the_deposit_when_the_length_changes() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		let before = deposit_of_alice();

		assert_ok!(Providers::update_profile(signed(ALICE), long_profile()));
		assert_eq!(record(ALICE).profile, long_profile());
		assert_eq!(last_event(), Event::ProfileUpdated { provider: ALICE });
		assert!(deposit_of_alice() > before);
		assert_eq!(deposit_of_alice(), Price::convert(Providers::footprint(&long_profile())));

		assert_ok!(Providers::update_profile(signed(ALICE), profile()));
		assert_eq!(deposit_of_alice(), before);
	});
}

#[test]
fn update_profile_should_keep_all_but_the_profile() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		let before = record(ALICE);
		assert_ok!(Providers::update_profile(signed(ALICE), long_profile()));
		let mut after = record(ALICE);
		after.profile = before.profile.clone();
		after.ticket = before.ticket.clone();
		assert_eq!(after, before);
	});
}

#[test]
fn update_profile_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::update_profile(signed(ALICE), profile()), Error::<Test>::NotRegistered);
	});
}

#[test]
fn update_profile_should_fail_when_the_profile_is_wrong() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		let mut nowhere = profile();
		nowhere.region = Region(*b"XX");
		assert_noop!(Providers::update_profile(signed(ALICE), nowhere), Error::<Test>::UnknownRegion);
		let mut nothing = profile();
		nothing.adapters.clear();
		assert_noop!(Providers::update_profile(signed(ALICE), nothing), Error::<Test>::NoAdapters);
	});
}

#[test]
fn update_profile_should_fail_when_the_greater_deposit_cannot_be_paid() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		let left = EXISTENTIAL_DEPOSIT + 1;
		let rest = <Balances as frame_support::traits::fungible::Inspect<_>>::balance(&ALICE) - left;
		assert_ok!(<Balances as Mutate<_>>::transfer(
			&ALICE,
			&BOB,
			rest,
			frame_support::traits::tokens::Preservation::Preserve
		));
		assert_noop!(Providers::update_profile(signed(ALICE), long_profile()), TokenError::FundsUnavailable);
	});
}

#[test]
fn update_profile_should_fail_when_the_origin_is_not_signed() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::update_profile(RuntimeOrigin::root(), profile()), BadOrigin);
	});
}
