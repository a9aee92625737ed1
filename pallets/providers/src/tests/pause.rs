// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok};
use sp_runtime::traits::BadOrigin;
use tessera_primitives::{
	provider::Ineligible,
	traits::{Outcome, Providers as _},
};

use crate::{Error, Event, mock::*};

#[test]
fn pause_should_keep_new_tasks_out() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));
		assert_ok!(Providers::pause(signed(ALICE)));
		assert!(record(ALICE).paused);
		assert_eq!(last_event(), Event::Paused { provider: ALICE });
		assert_eq!(Providers::check(&ALICE, &needs()), Err(Ineligible::Paused));
	});
}

#[test]
fn pause_should_let_taken_tasks_finish_and_heartbeats_count() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 100));
		assert_ok!(Providers::pause(signed(ALICE)));
		Now::set(110);
		assert_ok!(beat(ALICE));
		assert_eq!(Providers::finish(&ALICE, 100, 0, Outcome::Settled), 0);
		assert_eq!(record(ALICE).settled_tasks, 1);
		assert_eq!(record(ALICE).last_heartbeat, Some(110));
	});
}

#[test]
fn pause_should_fail_when_the_provider_is_paused() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_ok!(Providers::pause(signed(ALICE)));
		assert_noop!(Providers::pause(signed(ALICE)), Error::<Test>::AlreadyPaused);
	});
}

#[test]
fn pause_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::pause(signed(ALICE)), Error::<Test>::NotRegistered);
		assert_noop!(Providers::pause(RuntimeOrigin::none()), BadOrigin);
	});
}
