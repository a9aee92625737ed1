// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok, traits::fungible::Inspect};
use sp_core::Pair;
use sp_runtime::traits::BadOrigin;
use tessera_primitives::traits::{Outcome, Providers as _};

use crate::{Error, Event, Providers as Records, WorkerKeys, mock::*};

#[test]
fn deregister_should_return_the_deposit_and_free_the_key() {
	ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).build_and_execute(|| {
		assert_ok!(Providers::deregister(signed(ALICE)));
		assert!(!Records::<Test>::contains_key(ALICE));
		assert_eq!(Records::<Test>::count(), 1);
		assert_eq!(WorkerKeys::<Test>::get(worker(ALICE).public()), None);
		assert_eq!(Balances::balance(&ALICE), RICH);
		assert_eq!(last_event(), Event::Deregistered { provider: ALICE });
		assert_ok!(Providers::set_worker_key(signed(BOB), worker(ALICE).public()));
	});
}

#[test]
fn deregister_should_work_when_there_is_no_key() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Providers::register(signed(ALICE), profile()));
		assert_ok!(Providers::deregister(signed(ALICE)));
		assert_eq!(Balances::balance(&ALICE), RICH);
	});
}

#[test]
fn deregister_should_allow_to_register_again() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_ok!(Providers::deregister(signed(ALICE)));
		assert_ok!(Providers::register(signed(ALICE), profile()));
		assert_eq!(record(ALICE).last_heartbeat, None);
	});
}

#[test]
fn deregister_should_fail_when_the_provider_has_tasks() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 0));
		assert_ok!(Providers::unbond(signed(ALICE), 5_000));
		Now::set(150);
		assert_ok!(Providers::withdraw_unbonded(signed(ALICE)));
		assert_noop!(Providers::deregister(signed(ALICE)), Error::<Test>::HasTasks);

		assert_eq!(Providers::finish(&ALICE, 0, 0, Outcome::HandedBack), 0);
		assert_ok!(Providers::deregister(signed(ALICE)));
	});
}

#[test]
fn deregister_should_fail_when_stake_is_left() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_noop!(Providers::deregister(signed(ALICE)), Error::<Test>::HasBond);
		assert_ok!(Providers::unbond(signed(ALICE), 5_000));
		assert_noop!(Providers::deregister(signed(ALICE)), Error::<Test>::HasBond);
		Now::set(150);
		// Due, but not withdrawn.
		assert_noop!(Providers::deregister(signed(ALICE)), Error::<Test>::HasBond);
		assert_ok!(Providers::withdraw_unbonded(signed(ALICE)));
		assert_ok!(Providers::deregister(signed(ALICE)));
		assert_eq!(Balances::balance(&ALICE), RICH);
	});
}

#[test]
fn deregister_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::deregister(signed(ALICE)), Error::<Test>::NotRegistered);
		assert_noop!(Providers::deregister(RuntimeOrigin::root()), BadOrigin);
	});
}
