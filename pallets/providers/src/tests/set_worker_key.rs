// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok};
use sp_core::Pair;
use sp_runtime::traits::BadOrigin;

use crate::{Error, Event, WorkerKeys, mock::*};

#[test]
fn set_worker_key_should_bind_the_key_to_the_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Providers::register(signed(ALICE), profile()));
		let new = key(77).public();
		assert_ok!(Providers::set_worker_key(signed(ALICE), new));
		assert_eq!(record(ALICE).worker_key, Some(new));
		assert_eq!(WorkerKeys::<Test>::get(new), Some(ALICE));
		assert_eq!(last_event(), Event::WorkerKeySet { provider: ALICE, key: new });
	});
}

#[test]
fn set_worker_key_should_free_the_old_key_when_it_is_rotated() {
	ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).build_and_execute(|| {
		let (old, new) = (worker(ALICE).public(), key(77).public());
		assert_ok!(Providers::set_worker_key(signed(ALICE), new));
		assert_eq!(record(ALICE).worker_key, Some(new));
		assert_eq!(WorkerKeys::<Test>::get(old), None);

		assert_ok!(Providers::set_worker_key(signed(BOB), old));
		assert_eq!(WorkerKeys::<Test>::get(old), Some(BOB));
	});
}

#[test]
fn set_worker_key_should_change_nothing_else() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		let before = record(ALICE);
		assert_ok!(Providers::set_worker_key(signed(ALICE), key(77).public()));
		let mut after = record(ALICE);
		after.worker_key = before.worker_key;
		assert_eq!(after, before);
	});
}

#[test]
fn set_worker_key_should_fail_when_the_key_serves_a_provider() {
	ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).build_and_execute(|| {
		for owner in [ALICE, BOB] {
			let taken = worker(owner).public();
			assert_noop!(Providers::set_worker_key(signed(BOB), taken), Error::<Test>::KeyInUse);
		}
	});
}

#[test]
fn set_worker_key_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		let new = key(77).public();
		assert_noop!(Providers::set_worker_key(signed(ALICE), new), Error::<Test>::NotRegistered);
		assert_noop!(Providers::set_worker_key(RuntimeOrigin::none(), new), BadOrigin);
	});
}
