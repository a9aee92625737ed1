// SPDX-License-Identifier: Apache-2.0

use frame_support::{
	assert_noop, assert_ok,
	traits::fungible::{Inspect, InspectHold},
};
use sp_runtime::{
	TokenError,
	traits::{BadOrigin, Convert},
};
use tessera_primitives::{
	Balance, Region,
	provider::{Features, Profile},
};

use crate::{Error, Event, HoldReason, Providers as Records, mock::*};

#[test]
fn register_should_store_an_offline_provider_and_take_the_deposit() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Providers::register(signed(ALICE), profile()));

		let record = record(ALICE);
		assert_eq!(record.profile, profile());
		assert_eq!((record.bond, record.collateral, record.active_tasks), (0, 0, 0));
		assert_eq!((record.worker_key, record.last_heartbeat, record.paused), (None, None, false));
		assert_eq!(Records::<Test>::count(), 1);
		assert_eq!(last_event(), Event::Registered { provider: ALICE });

		let deposit = Price::convert(Providers::footprint(&profile()));
		assert!(deposit > 0);
		assert_eq!(Balances::balance_on_hold(&HoldReason::Profile.into(), &ALICE), deposit);
		assert_eq!(Balances::balance(&ALICE), RICH - deposit);
	});
}

#[test]
fn register_should_fail_when_the_caller_is_a_provider_already() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_noop!(Providers::register(signed(ALICE), profile()), Error::<Test>::AlreadyRegistered);
	});
}

fn fails_with(error: Error<Test>, change: fn(&mut Profile)) {
	ExtBuilder::default().build_and_execute(|| {
		let mut profile = profile();
		change(&mut profile);
		assert_noop!(Providers::register(signed(ALICE), profile), error);
	});
}

#[test]
fn register_should_fail_when_the_region_is_unknown() {
	fails_with(Error::UnknownRegion, |p| p.region = Region(*b"XX"));
	fails_with(Error::UnknownRegion, |p| p.region = Region(*b"de"));
}

#[test]
fn register_should_fail_when_there_is_no_adapter() {
	fails_with(Error::NoAdapters, |p| p.adapters.clear());
}

#[test]
fn register_should_fail_when_an_adapter_is_impossible() {
	fails_with(Error::BadAdapter, |p| p.adapters[0].max_binding_bytes = 0);
	fails_with(Error::BadAdapter, |p| p.adapters[0].max_binding_bytes = p.adapters[0].max_buffer_bytes + 1);
	fails_with(Error::BadAdapter, |p| p.adapters[0].max_buffer_bytes = p.adapters[0].memory_bytes + 1);
	fails_with(Error::BadAdapter, |p| p.adapters[0].features = Features(1 << 40));
}

#[test]
fn register_should_fail_when_an_address_is_empty_or_not_text() {
	fails_with(Error::BadAddress, |p| p.endpoint.addresses = vec![Default::default()].try_into().unwrap());
	fails_with(Error::BadAddress, |p| {
		p.endpoint.addresses = vec![vec![0xff, 0xfe].try_into().unwrap()].try_into().unwrap()
	});
}

#[test]
fn register_should_fail_when_the_deposit_cannot_be_paid() {
	ExtBuilder::default().build_and_execute(|| {
		let deposit: Balance = Price::convert(Providers::footprint(&profile()));
		assert!(deposit > POOR);
		assert_noop!(Providers::register(signed(DAVE), profile()), TokenError::FundsUnavailable);
	});
}

#[test]
fn register_should_fail_when_the_origin_is_not_signed() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(Providers::register(RuntimeOrigin::root(), profile()), BadOrigin);
		assert_noop!(Providers::register(RuntimeOrigin::none(), profile()), BadOrigin);
	});
}
