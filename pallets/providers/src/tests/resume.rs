// SPDX-License-Identifier: Apache-2.0

use frame_support::{assert_noop, assert_ok};
use sp_runtime::traits::BadOrigin;
use tessera_primitives::{provider::Ineligible, traits::Providers as _};

use crate::{Error, Event, mock::*};

#[test]
fn resume_should_let_new_tasks_in() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::pause(signed(ALICE)));
		assert_ok!(Providers::resume(signed(ALICE)));
		assert!(!record(ALICE).paused);
		assert_eq!(last_event(), Event::Resumed { provider: ALICE });
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));
	});
}

#[test]
fn resume_should_not_bring_a_provider_online_without_heartbeats() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::pause(signed(ALICE)));
		Now::set(131);
		assert_ok!(Providers::resume(signed(ALICE)));
		assert_eq!(Providers::check(&ALICE, &needs()), Err(Ineligible::Offline));
	});
}

#[test]
fn resume_should_fail_when_the_provider_is_not_paused() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_noop!(Providers::resume(signed(ALICE)), Error::<Test>::NotPaused);
	});
}

#[test]
fn resume_should_fail_when_the_caller_is_not_a_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::resume(signed(ALICE)), Error::<Test>::NotRegistered);
		assert_noop!(Providers::resume(RuntimeOrigin::root()), BadOrigin);
	});
}
