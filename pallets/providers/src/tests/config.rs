// SPDX-License-Identifier: Apache-2.0

//! The bounds of the configuration, and the pinned interface.

use codec::Encode;
use frame_support::{
	dispatch::GetDispatchInfo,
	traits::{Authorize, Hooks},
};
use sp_core::Pair;

use crate::{Call, HoldReason, WeightInfo, mock::*, weights::SubstrateWeight};

#[test]
fn integrity_test_should_pass_when_the_numbers_are_sound() {
	ExtBuilder::default().build_and_execute(<Providers as Hooks<_>>::integrity_test);
}

#[test]
#[should_panic = "MinBond is zero"]
fn integrity_test_should_panic_when_the_minimum_bond_is_zero() {
	ExtBuilder::default().build_and_execute(|| {
		MinBond::set(0);
		<Providers as Hooks<_>>::integrity_test();
	});
}

#[test]
#[should_panic = "UnbondingTicks is zero"]
fn integrity_test_should_panic_when_stake_could_leave_at_once() {
	ExtBuilder::default().build_and_execute(|| {
		UnbondingTicks::set(0);
		<Providers as Hooks<_>>::integrity_test();
	});
}

#[test]
#[should_panic = "HeartbeatWindow is zero"]
fn integrity_test_should_panic_when_there_are_no_windows() {
	ExtBuilder::default().build_and_execute(|| {
		HeartbeatWindow::set(0);
		<Providers as Hooks<_>>::integrity_test();
	});
}

#[test]
#[should_panic = "HeartbeatExpiry is within a window"]
fn integrity_test_should_panic_when_the_expiry_is_within_a_window() {
	ExtBuilder::default().build_and_execute(|| {
		HeartbeatExpiry::set(HeartbeatWindow::get());
		<Providers as Hooks<_>>::integrity_test();
	});
}

#[test]
fn call_indices_should_not_change() {
	ExtBuilder::default().build_and_execute(|| {
		let calls: [(u8, Call<Test>); 9] = [
			(0, Call::register { profile: profile() }),
			(1, Call::update_profile { profile: profile() }),
			(2, Call::set_worker_key { key: key(1).public() }),
			(3, Call::bond { amount: 1 }),
			(4, Call::unbond { amount: 1 }),
			(5, Call::withdraw_unbonded {}),
			(6, Call::pause {}),
			(7, Call::resume {}),
			(8, Call::deregister {}),
		];
		for (index, call) in calls {
			assert_eq!(call.encode()[0], index);
		}
		// The pallet's own index comes first.
		assert_eq!(heartbeat(ALICE, &worker(ALICE), genesis()).encode()[1], 9);
	});
}

#[test]
fn hold_reasons_should_keep_their_encoding() {
	assert_eq!(HoldReason::Bond.encode(), [0]);
	assert_eq!(HoldReason::Profile.encode(), [1]);
}

#[test]
fn heartbeat_should_be_charged_for_its_authorization() {
	ExtBuilder::default().build_and_execute(|| {
		let call = heartbeat(ALICE, &worker(ALICE), genesis());
		assert_eq!(call.get_dispatch_info().call_weight, <() as WeightInfo>::heartbeat());
		assert_eq!(call.weight_of_authorize(), <() as WeightInfo>::authorize_heartbeat());
	});
}

#[test]
fn weights_should_count_execution_and_storage() {
	type Weights = SubstrateWeight<Test>;
	let all = [
		Weights::register(),
		Weights::update_profile(),
		Weights::set_worker_key(),
		Weights::bond(),
		Weights::unbond(),
		Weights::withdraw_unbonded(),
		Weights::pause(),
		Weights::resume(),
		Weights::deregister(),
		Weights::heartbeat(),
		Weights::authorize_heartbeat(),
		Weights::check(),
		Weights::lock(),
		Weights::finish(),
	];
	assert!(all.iter().all(|weight| weight.ref_time() > 0 && weight.proof_size() > 0));
}
