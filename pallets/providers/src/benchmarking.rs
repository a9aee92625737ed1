// SPDX-License-Identifier: Apache-2.0

//! Benchmarks: every call, the authorization of heartbeats, and what the market calls. Each states its worst case.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::expect_used)]

use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	pallet_prelude::TransactionSource,
	traits::{
		Authorize, Consideration, Get,
		fungible::{Inspect, Mutate, MutateHold},
	},
};
use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
use sp_core::crypto::KeyTypeId;
use sp_runtime::traits::Zero;
use tessera_primitives::{
	Balance, EndpointInfo, Region, Tick,
	limits::{MAX_ADAPTERS, MAX_ADDRESS, MAX_ADDRESSES, MAX_REGIONS, MAX_UNBONDING, MaxAddress},
	orders::{HeartbeatOrder, WorkerSignature, signing_hash},
	provider::{Adapter, AdapterClass, Features, Needs, Profile, Requirements, WorkerKey},
	traits::{Outcome, Providers as _, TickClock},
};

use crate::{Call, Config, HoldReason, Pallet, Provider, Providers, WorkerKeys};

const KEY_TYPE: KeyTypeId = KeyTypeId(*b"tess");

/// A tick that leaves room before it.
const START: Tick = 1_000_000;

/// As large a profile as the limits allow, whose last adapter alone has every feature.
fn max_profile() -> Profile {
	let adapter = |last: bool| Adapter {
		class: AdapterClass::N1,
		memory_bytes: 1 << 40,
		max_buffer_bytes: 1 << 32,
		max_binding_bytes: 1 << 32,
		features: if last { max_features() } else { Features::default() },
	};
	let adapters: Vec<_> = (1..=MAX_ADAPTERS).map(|n| adapter(n == MAX_ADAPTERS)).collect();
	let address: Vec<u8> = (0..MAX_ADDRESS).map(|_| b'a').collect();
	let address: BoundedVec<u8, MaxAddress> = address.try_into().expect("as long as the limit");
	let addresses = vec![address; usize::try_from(MAX_ADDRESSES).expect("small")];
	Profile {
		region: Region(*b"ZW"),
		endpoint: EndpointInfo {
			key: [1; 32],
			addresses: addresses.try_into().expect("as many as the limit"),
		},
		adapters: adapters.try_into().expect("as many as the limit"),
	}
}

fn max_features() -> Features {
	Features::NAMED.iter().fold(Features::default(), |all, (_, feature)| all.union(*feature))
}

/// Needs that only the last region and the last adapter of [`max_profile`] meet.
fn max_needs() -> Needs {
	let mut regions = vec![Region(*b"DE"); usize::try_from(MAX_REGIONS).expect("small")];
	if let Some(last) = regions.last_mut() {
		*last = Region(*b"ZW");
	}
	Needs {
		requirements: Requirements {
			regions: regions.try_into().expect("as many as the limit"),
			class: Some(AdapterClass::N1),
			memory_bytes: 1 << 30,
			features: max_features(),
		},
		buffers_bytes: 1 << 31,
		largest_buffer_bytes: 1 << 31,
	}
}

/// Ten times the minimum bond.
fn plenty<T: Config>() -> Balance {
	T::MinBond::get() * 10
}

/// Mints what a bond, the deposit and the existential deposit take.
fn fund<T: Config>(who: &T::AccountId, bond: Balance) {
	let balance = bond + T::Currency::minimum_balance() * 10;
	T::Currency::mint_into(who, balance).expect("the benchmark's issuance is small");
	T::Consideration::ensure_successful(who, Pallet::<T>::footprint(&max_profile()));
}

/// Registers an online provider with the largest profile, this worker key and this bond.
pub(crate) fn online_provider<T: Config>(provider: &T::AccountId, key: WorkerKey, bond: Balance) {
	fund::<T>(provider, bond);
	let profile = max_profile();
	let ticket = T::Consideration::new(provider, Pallet::<T>::footprint(&profile)).expect("funded");
	T::Currency::hold(&HoldReason::Bond.into(), provider, bond).expect("funded");
	let mut record = Provider::new(profile, ticket);
	record.worker_key = Some(key);
	record.bond = bond;
	record.last_heartbeat = Some(T::Clock::now());
	Providers::<T>::insert(provider, record);
	WorkerKeys::<T>::insert(key, provider);
}

/// A provider with plenty of bond, online since [`START`].
fn provider<T: Config>() -> (T::AccountId, WorkerKey) {
	T::Clock::set_now(START);
	let key = sp_io::crypto::sr25519_generate(KEY_TYPE, None);
	let who = whitelisted_caller();
	online_provider::<T>(&who, key, plenty::<T>());
	(who, key)
}

/// As many unbonding chunks as the limit allows, at ticks of their own.
fn fill_unbonding<T: Config>(who: &T::AccountId) {
	Providers::<T>::mutate(who, |record| {
		let record = record.as_mut().expect("registered");
		for n in 0..MAX_UNBONDING {
			record.bond -= 1;
			record.schedule_unbonding(1, START + n);
		}
	});
}

/// The current heartbeat order, one window after the last one that counted.
fn signed_heartbeat<T: Config>() -> (HeartbeatOrder<T::AccountId>, WorkerSignature) {
	let (who, key) = provider::<T>();
	let now = START + Pallet::<T>::window_length();
	T::Clock::set_now(now);
	let order = HeartbeatOrder { provider: who, window: now / Pallet::<T>::window_length() };
	let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
	let signature = sp_io::crypto::sr25519_sign(KEY_TYPE, &key, &signing_hash(&genesis, &order))
		.expect("the key was generated here");
	(order, signature)
}

#[benchmarks]
mod benches {
	use super::*;

	// The largest profile.
	#[benchmark]
	fn register() {
		let who: T::AccountId = whitelisted_caller();
		fund::<T>(&who, 0);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), max_profile());

		assert!(Providers::<T>::contains_key(&who));
	}

	// From the smallest profile to the largest: the deposit grows.
	#[benchmark]
	fn update_profile() {
		let who: T::AccountId = whitelisted_caller();
		fund::<T>(&who, 0);
		let mut small = max_profile();
		small.endpoint.addresses.clear();
		small.adapters.truncate(1);
		Pallet::<T>::register(RawOrigin::Signed(who.clone()).into(), small).expect("funded");

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), max_profile());

		assert_eq!(Providers::<T>::get(&who).expect("registered").profile, max_profile());
	}

	// Rotation: the old key is removed.
	#[benchmark]
	fn set_worker_key() {
		let (who, old) = provider::<T>();
		let key = WorkerKey::from_raw([7; 32]);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), key);

		assert_eq!(WorkerKeys::<T>::get(key), Some(who));
		assert!(!WorkerKeys::<T>::contains_key(old));
	}

	// A record with a full unbonding list.
	#[benchmark]
	fn bond() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		let before = Providers::<T>::get(&who).expect("registered").bond;
		let amount = T::MinBond::get();
		fund::<T>(&who, amount);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), amount);

		assert_eq!(Providers::<T>::get(&who).expect("registered").bond, before + amount);
	}

	// The unbonding list is full: the latest chunk is searched for and takes the amount in.
	#[benchmark]
	fn unbond() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		let before = Providers::<T>::get(&who).expect("registered").bond;
		T::Clock::set_now(START + MAX_UNBONDING);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), 1);

		assert_eq!(Providers::<T>::get(&who).expect("registered").bond, before - 1);
	}

	// Every chunk of a full list is due.
	#[benchmark]
	fn withdraw_unbonded() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		T::Clock::set_now(START + MAX_UNBONDING);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(Providers::<T>::get(&who).expect("registered").unbonding.is_empty());
	}

	// A record of the greatest length.
	#[benchmark]
	fn pause() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(Providers::<T>::get(&who).expect("registered").paused);
	}

	// A record of the greatest length.
	#[benchmark]
	fn resume() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		Pallet::<T>::pause(RawOrigin::Signed(who.clone()).into()).expect("not paused");

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(!Providers::<T>::get(&who).expect("registered").paused);
	}

	// With a worker key, and the largest profile.
	#[benchmark]
	fn deregister() {
		T::Clock::set_now(START);
		let who: T::AccountId = whitelisted_caller();
		let key = WorkerKey::from_raw([7; 32]);
		online_provider::<T>(&who, key, 0);

		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()));

		assert!(!Providers::<T>::contains_key(&who));
		assert!(!WorkerKeys::<T>::contains_key(key));
	}

	// A record of the greatest length.
	#[benchmark]
	fn heartbeat() {
		let (order, signature) = signed_heartbeat::<T>();
		let who = order.provider.clone();
		fill_unbonding::<T>(&who);

		#[extrinsic_call]
		_(RawOrigin::Authorized, order, signature);

		assert_eq!(Providers::<T>::get(&who).expect("registered").last_heartbeat, Some(T::Clock::now()));
	}

	// A valid order: everything is checked, the signature too. A record of the greatest length.
	#[benchmark]
	fn authorize_heartbeat() {
		let (order, signature) = signed_heartbeat::<T>();
		fill_unbonding::<T>(&order.provider);
		let call = Call::<T>::heartbeat { order, signature };
		let outcome;

		#[block]
		{
			outcome = call.authorize(TransactionSource::External);
		}

		assert!(matches!(outcome, Some(Ok(_))));
	}

	// Only the last region and the last adapter fit; with the three queries that the market makes beside it.
	#[benchmark]
	fn check() {
		let (who, key) = provider::<T>();
		fill_unbonding::<T>(&who);
		let needs = max_needs();
		let outcome;

		#[block]
		{
			outcome = (
				Pallet::<T>::check(&who, &needs),
				Pallet::<T>::worker_key(&who),
				Pallet::<T>::accept_counter(&who),
				Pallet::<T>::free_collateral(&who),
			);
		}

		assert_eq!(outcome, (Ok(()), Some(key), 0, plenty::<T>() - Balance::from(MAX_UNBONDING)));
	}

	// A record of the greatest length.
	#[benchmark]
	fn lock() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		let collateral = T::MinBond::get();

		#[block]
		{
			Pallet::<T>::lock(&who, collateral).expect("bonded");
		}

		assert_eq!(Providers::<T>::get(&who).expect("registered").collateral, collateral);
	}

	// With a penalty: the hold and the issuance change. A record of the greatest length.
	#[benchmark]
	fn finish() {
		let (who, _) = provider::<T>();
		fill_unbonding::<T>(&who);
		let collateral = T::MinBond::get();
		Pallet::<T>::lock(&who, collateral).expect("bonded");
		let outcome;

		#[block]
		{
			let burnt = Pallet::<T>::finish(&who, collateral, collateral, Outcome::Expired);
			outcome = (burnt, Pallet::<T>::expiries(&who));
		}

		assert_eq!(outcome, (collateral, 1));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::ExtBuilder::default().build(), crate::mock::Test);
}
