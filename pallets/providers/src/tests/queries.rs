// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;

use frame_support::{assert_ok, traits::fungible::Mutate};
use sp_core::Pair;
use tessera_primitives::{
	api::ProviderInfo,
	limits::MAX_PAGE,
	provider::Availability,
	traits::{Outcome, Providers as _},
};

use crate::mock::*;

#[test]
fn provider_info_should_show_the_record() {
	ExtBuilder::default().provider(ALICE, 5_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 300));
		assert_ok!(Providers::lock(&ALICE, 200));
		assert_eq!(Providers::finish(&ALICE, 200, 0, Outcome::Expired), 0);
		Providers::count_accept(&ALICE);
		assert_ok!(Providers::unbond(signed(ALICE), 1_000));
		let expected = ProviderInfo {
			account: ALICE,
			profile: profile(),
			worker_key: Some(worker(ALICE).public()),
			availability: Availability::Online,
			bond: 4_000,
			collateral: 300,
			unbonding: vec![(1_000, 150)],
			active_tasks: 1,
			settled_tasks: 0,
			expiries: 1,
			accept_counter: 1,
			last_heartbeat: Some(100),
		};
		assert_eq!(Providers::provider_info(ALICE), Some(expected));
		assert_eq!(Providers::provider_info(BOB), None);
	});
}

#[test]
fn provider_info_should_say_paused_when_it_is_paused() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_ok!(Providers::pause(signed(ALICE)));
		assert_eq!(Providers::provider_info(ALICE).unwrap().availability, Availability::Paused);
	});
}

#[test]
fn provider_of_key_should_find_the_provider() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_eq!(Providers::provider_of_key(worker(ALICE).public()), Some(ALICE));
		assert_eq!(Providers::provider_of_key(worker(BOB).public()), None);
	});
}

#[test]
fn provider_infos_should_show_every_provider_once_when_paged() {
	ExtBuilder::default().build_and_execute(|| {
		let total = u64::from(MAX_PAGE) + 3;
		for who in 1_000..1_000 + total {
			assert_ok!(Balances::mint_into(&who, RICH));
			assert_ok!(Providers::register(signed(who), profile()));
		}
		assert_eq!(Providers::provider_infos(None, u32::MAX).len(), 256);
		assert!(Providers::provider_infos(None, 0).is_empty());

		let (mut seen, mut after) = (BTreeSet::new(), None);
		loop {
			let page = Providers::provider_infos(after, 100);
			assert!(page.len() <= 100);
			let Some(last) = page.last() else { break };
			after = Some(last.account);
			assert!(page.iter().all(|info| seen.insert(info.account)), "an account shown twice");
		}
		assert_eq!(seen, (1_000..1_000 + total).collect());
	});
}

#[test]
fn provider_infos_should_go_on_when_the_last_of_the_page_is_gone() {
	let builder = ExtBuilder::default().provider(ALICE, 0).provider(BOB, 0).provider(CAROL, 0);
	builder.build_and_execute(|| {
		let all: Vec<_> = Providers::provider_infos(None, 10).into_iter().map(|info| info.account).collect();
		assert_ok!(Providers::deregister(signed(all[0])));
		let rest: Vec<_> =
			Providers::provider_infos(Some(all[0]), 10).into_iter().map(|info| info.account).collect();
		assert_eq!(rest, all[1..]);
	});
}
