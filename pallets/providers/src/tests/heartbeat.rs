// SPDX-License-Identifier: Apache-2.0

use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use sp_core::{H256, Pair};
use sp_runtime::traits::{BadOrigin, Dispatchable};
use tessera_primitives::{
	orders::{ClaimOrder, HeartbeatOrder, signing_hash},
	provider::{Availability, Ineligible},
	traits::Providers as _,
};

use crate::{Call, Error, Event, codes, impls::HEARTBEAT_PRIORITY, mock::*};

/// What the pool and the block say about a call; they must agree, and a refused call changes nothing.
fn is_refused(call: RuntimeCall, code: u8) {
	assert_eq!(validate(call.clone()), Err(refusal(code)));
	assert_noop!(apply(call), refusal(code));
}

#[test]
fn heartbeat_should_bring_a_provider_online() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Providers::register(signed(ALICE), profile()));
		assert_ok!(Providers::set_worker_key(signed(ALICE), worker(ALICE).public()));
		assert_eq!(Providers::check(&ALICE, &needs()), Err(Ineligible::Offline));

		assert_eq!(apply(heartbeat(ALICE, &worker(ALICE), genesis())), Ok(Ok(())));
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));
		assert_eq!(record(ALICE).last_heartbeat, Some(100));
		assert_eq!(last_event(), Event::Heartbeat { provider: ALICE, window: 10 });
	});
}

#[test]
fn heartbeat_should_cost_the_owner_nothing() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		let before = Balances::free_balance(ALICE);
		Now::set(110);
		assert_ok!(beat(ALICE));
		assert_eq!(Balances::free_balance(ALICE), before);
	});
}

#[test]
fn heartbeat_should_provide_one_tag_per_provider_and_window() {
	ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).build_and_execute(|| {
		Now::set(113);
		let valid = validate(heartbeat(ALICE, &worker(ALICE), genesis())).unwrap();
		assert_eq!(valid.provides, [("tessera/heartbeat", (ALICE, 11u32)).encode()]);
		assert!(valid.requires.is_empty());
		assert!(valid.propagate);
		assert_eq!(valid.priority, HEARTBEAT_PRIORITY);
		// To the end of the window.
		assert_eq!(valid.longevity, 7);

		let again = validate(heartbeat(ALICE, &worker(ALICE), genesis())).unwrap();
		assert_eq!(again.provides, valid.provides);
		let other = validate(heartbeat(BOB, &worker(BOB), genesis())).unwrap();
		assert_ne!(other.provides, valid.provides);
		Now::set(129);
		let last = validate(heartbeat(ALICE, &worker(ALICE), genesis())).unwrap();
		assert_ne!(last.provides, valid.provides);
		assert_eq!(last.longevity, 1);
	});
}

#[test]
fn heartbeat_should_be_refused_when_one_counted_in_this_window() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		for tick in [100, 109] {
			Now::set(tick);
			is_refused(heartbeat(ALICE, &worker(ALICE), genesis()), codes::HEARTBEAT_COUNTED);
		}
		Now::set(110);
		assert_ok!(beat(ALICE));
	});
}

#[test]
fn heartbeat_should_be_refused_when_it_is_for_another_window() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(125);
		for window in [0, 11, 13, u32::MAX] {
			let call = heartbeat_of_window(ALICE, &worker(ALICE), genesis(), window);
			is_refused(call, codes::WRONG_WINDOW);
		}
	});
}

#[test]
fn heartbeat_should_be_refused_when_it_is_replayed() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(110);
		let call = heartbeat(ALICE, &worker(ALICE), genesis());
		assert_eq!(apply(call.clone()), Ok(Ok(())));
		is_refused(call.clone(), codes::HEARTBEAT_COUNTED);
		Now::set(120);
		is_refused(call, codes::WRONG_WINDOW);
	});
}

#[test]
fn heartbeat_should_be_refused_when_the_signature_is_wrong() {
	ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).build_and_execute(|| {
		Now::set(110);
		is_refused(heartbeat(ALICE, &worker(BOB), genesis()), codes::BAD_SIGNATURE);

		let order = HeartbeatOrder { provider: ALICE, window: 11 };
		let unsigned = Call::heartbeat { order: order.clone(), signature: [0; 64].into() };
		is_refused(unsigned.into(), codes::BAD_SIGNATURE);

		// Bob's order with Alice put in.
		let bobs = HeartbeatOrder { provider: BOB, window: 11 };
		let signature = worker(BOB).sign(&signing_hash(&genesis(), &bobs));
		is_refused(Call::heartbeat { order: order.clone(), signature }.into(), codes::BAD_SIGNATURE);

		// Signed as another kind of order.
		let claim = ClaimOrder { provider: ALICE, last_block: 11u32, claims: Default::default() };
		let signature = worker(ALICE).sign(&signing_hash(&genesis(), &claim));
		is_refused(Call::heartbeat { order, signature }.into(), codes::BAD_SIGNATURE);
	});
}

#[test]
fn heartbeat_should_be_refused_when_it_was_signed_for_another_chain() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(110);
		assert_ne!(genesis(), H256::repeat_byte(1));
		is_refused(heartbeat(ALICE, &worker(ALICE), H256::repeat_byte(1)), codes::BAD_SIGNATURE);
	});
}

#[test]
fn heartbeat_should_be_refused_when_the_key_was_rotated() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(110);
		let in_flight = heartbeat(ALICE, &worker(ALICE), genesis());
		assert!(validate(in_flight.clone()).is_ok());
		assert_ok!(Providers::set_worker_key(signed(ALICE), key(77).public()));
		is_refused(in_flight, codes::BAD_SIGNATURE);
		assert_eq!(apply(heartbeat(ALICE, &key(77), genesis())), Ok(Ok(())));
	});
}

#[test]
fn heartbeat_should_be_refused_when_there_is_no_provider_or_no_key() {
	ExtBuilder::default().build_and_execute(|| {
		is_refused(heartbeat(ALICE, &worker(ALICE), genesis()), codes::NOT_REGISTERED);
		assert_ok!(Providers::register(signed(ALICE), profile()));
		is_refused(heartbeat(ALICE, &worker(ALICE), genesis()), codes::NO_WORKER_KEY);
	});
}

#[test]
fn heartbeat_should_let_a_provider_go_offline_when_it_expires() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		Now::set(130);
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));
		assert_eq!(Providers::provider_info(ALICE).unwrap().availability, Availability::Online);
		Now::set(131);
		assert_eq!(Providers::check(&ALICE, &needs()), Err(Ineligible::Offline));
		assert_eq!(Providers::provider_info(ALICE).unwrap().availability, Availability::Offline);
		assert_ok!(beat(ALICE));
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));
	});
}

#[test]
fn heartbeat_should_go_on_counting_when_governance_changes_the_windows() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(119);
		assert_ok!(beat(ALICE));
		// Window numbers fall from 11 to 4, and rise to 60.
		HeartbeatWindow::set(25);
		is_refused(heartbeat(ALICE, &worker(ALICE), genesis()), codes::HEARTBEAT_COUNTED);
		Now::set(125);
		assert_ok!(beat(ALICE));
		HeartbeatWindow::set(2);
		Now::set(126);
		assert_ok!(beat(ALICE));
		HeartbeatWindow::set(0);
		Now::set(127);
		let call = heartbeat_of_window(ALICE, &worker(ALICE), genesis(), 127);
		assert_eq!(apply(call), Ok(Ok(())));
	});
}

#[test]
fn heartbeat_should_fail_when_the_origin_was_not_authorized() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		Now::set(110);
		let call = heartbeat(ALICE, &worker(ALICE), genesis());
		for origin in [RuntimeOrigin::signed(ALICE), RuntimeOrigin::none(), RuntimeOrigin::root()] {
			let error = call.clone().dispatch(origin).unwrap_err().error;
			assert_eq!(error, BadOrigin.into());
		}
		assert_eq!(record(ALICE).last_heartbeat, Some(100));
	});
}

#[test]
fn heartbeat_should_fail_when_the_provider_is_gone_at_dispatch() {
	ExtBuilder::default().build_and_execute(|| {
		let order = HeartbeatOrder { provider: ALICE, window: 10 };
		let origin = frame_system::RawOrigin::Authorized;
		assert_noop!(
			Providers::heartbeat(origin.into(), order, [0; 64].into()),
			Error::<Test>::NotRegistered
		);
	});
}
