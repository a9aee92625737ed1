// SPDX-License-Identifier: Apache-2.0

//! What the market calls through [`tessera_primitives::traits::Providers`].

use frame_support::{assert_ok, assert_storage_noop, traits::fungible::Inspect};
use sp_core::Pair;
use tessera_primitives::{
	Region,
	provider::{AdapterClass, Ineligible},
	traits::{Outcome, Providers as _},
};

use crate::{Event, Providers as Records, WeightInfo, mock::*};

#[test]
fn worker_key_should_be_the_current_one() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_eq!(Providers::worker_key(&ALICE), Some(worker(ALICE).public()));
		assert_ok!(Providers::set_worker_key(signed(ALICE), key(77).public()));
		assert_eq!(Providers::worker_key(&ALICE), Some(key(77).public()));
		assert_eq!(Providers::worker_key(&BOB), None);
	});
}

#[test]
fn accept_counter_should_grow_by_one_when_an_order_is_counted() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_eq!(Providers::accept_counter(&ALICE), 0);
		Providers::count_accept(&ALICE);
		Providers::count_accept(&ALICE);
		assert_eq!(Providers::accept_counter(&ALICE), 2);

		assert_storage_noop!(Providers::count_accept(&BOB));
		assert_eq!(Providers::accept_counter(&BOB), 0);
	});
}

#[test]
fn check_should_name_the_first_reason_when_a_provider_is_not_eligible() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		assert_eq!(Providers::check(&BOB, &needs()), Err(Ineligible::NotRegistered));
		assert_eq!(Providers::check(&ALICE, &needs()), Ok(()));

		let mut elsewhere = needs();
		elsewhere.requirements.regions = vec![Region(*b"FR")].try_into().unwrap();
		assert_eq!(Providers::check(&ALICE, &elsewhere), Err(Ineligible::Region));
		let mut other_class = needs();
		other_class.requirements.class = Some(AdapterClass::N1);
		assert_eq!(Providers::check(&ALICE, &other_class), Err(Ineligible::Adapter));
		let mut too_large = needs();
		too_large.largest_buffer_bytes = adapter().max_binding_bytes + 4;
		assert_eq!(Providers::check(&ALICE, &too_large), Err(Ineligible::Adapter));

		Now::set(131);
		assert_eq!(Providers::check(&ALICE, &elsewhere), Err(Ineligible::Offline));
		assert_ok!(Providers::pause(signed(ALICE)));
		assert_eq!(Providers::check(&ALICE, &elsewhere), Err(Ineligible::Paused));
	});
}

#[test]
fn lock_should_lock_free_bond_only() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_eq!(Providers::free_collateral(&ALICE), 1_000);
		assert_eq!(Providers::lock(&ALICE, 600), Ok(()));
		assert_eq!(Providers::free_collateral(&ALICE), 400);
		assert_eq!(record(ALICE).active_tasks, 1);

		assert_storage_noop!(assert_eq!(Providers::lock(&ALICE, 401), Err(Ineligible::Collateral)));
		assert_eq!(Providers::lock(&ALICE, 400), Ok(()));
		assert_eq!((record(ALICE).active_tasks, record(ALICE).collateral), (2, 1_000));
		assert_storage_noop!(assert_eq!(Providers::lock(&ALICE, u128::MAX), Err(Ineligible::Collateral)));
	});
}

#[test]
fn lock_should_not_touch_what_is_unbonding() {
	ExtBuilder::default().provider(ALICE, 2_000).build_and_execute(|| {
		assert_ok!(Providers::unbond(signed(ALICE), 1_000));
		assert_eq!(Providers::free_collateral(&ALICE), 1_000);
		assert_eq!(Providers::lock(&ALICE, 1_001), Err(Ineligible::Collateral));
	});
}

#[test]
fn lock_should_fail_when_there_is_no_bond_or_no_provider() {
	ExtBuilder::default().provider(ALICE, 0).build_and_execute(|| {
		for collateral in [0, 1] {
			assert_storage_noop!(assert_eq!(
				Providers::lock(&ALICE, collateral),
				Err(Ineligible::Collateral)
			));
			assert_storage_noop!(assert_eq!(
				Providers::lock(&BOB, collateral),
				Err(Ineligible::NotRegistered)
			));
		}
		assert_eq!(Providers::free_collateral(&ALICE), 0);
		assert_eq!(Providers::free_collateral(&BOB), 0);
	});
}

#[test]
fn finish_should_free_collateral_and_count_when_the_task_is_settled() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 600));
		assert_eq!(Providers::finish(&ALICE, 600, 0, Outcome::Settled), 0);
		let record = record(ALICE);
		assert_eq!((record.collateral, record.active_tasks, record.bond), (0, 0, 1_000));
		assert_eq!((record.settled_tasks, record.expiries), (1, 0));
		assert!(frame_system::Pallet::<Test>::events().is_empty());
	});
}

#[test]
fn finish_should_burn_the_penalty_and_lower_the_issuance() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		let (issuance, free) = (Balances::total_issuance(), Balances::balance(&ALICE));
		assert_ok!(Providers::lock(&ALICE, 600));
		assert_eq!(Providers::finish(&ALICE, 600, 150, Outcome::Expired), 150);
		assert_eq!(record(ALICE).bond, 850);
		assert_eq!(record(ALICE).collateral, 0);
		assert_eq!(held(ALICE), 850);
		assert_eq!(Balances::total_issuance(), issuance - 150);
		assert_eq!(Balances::balance(&ALICE), free);
		assert_eq!(last_event(), Event::Penalised { provider: ALICE, amount: 150, bond: 850 });
	});
}

#[test]
fn finish_should_burn_at_most_the_collateral_of_the_task() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 600));
		assert_ok!(Providers::lock(&ALICE, 100));
		assert_eq!(Providers::finish(&ALICE, 100, 700, Outcome::Expired), 100);
		assert_eq!((record(ALICE).bond, record(ALICE).collateral), (900, 600));
	});
}

#[test]
fn finish_should_burn_the_whole_bond_when_all_of_it_was_at_stake() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		assert_ok!(Providers::lock(&ALICE, 1_000));
		assert_eq!(Providers::finish(&ALICE, 1_000, 1_000, Outcome::Expired), 1_000);
		assert_eq!((record(ALICE).bond, held(ALICE)), (0, 0));
		assert_ok!(Providers::deregister(signed(ALICE)));
		assert_eq!(Balances::balance(&ALICE), RICH - 1_000);
	});
}

#[test]
fn finish_should_count_expiries_in_a_row_until_a_task_is_settled() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		let finish = |outcome| {
			assert_ok!(Providers::lock(&ALICE, 10));
			Providers::finish(&ALICE, 10, 0, outcome);
			(Providers::expiries(&ALICE), record(ALICE).settled_tasks)
		};
		assert_eq!(finish(Outcome::Expired), (1, 0));
		assert_eq!(finish(Outcome::Expired), (2, 0));
		assert_eq!(finish(Outcome::HandedBack), (2, 0));
		assert_eq!(finish(Outcome::Settled), (0, 1));
		assert_eq!(finish(Outcome::HandedBack), (0, 1));
		assert_eq!(finish(Outcome::Expired), (1, 1));
		assert_eq!(Providers::expiries(&BOB), 0);
	});
}

#[test]
fn finish_should_change_nothing_when_there_is_no_provider() {
	ExtBuilder::default().build_and_execute(|| {
		assert_storage_noop!(assert_eq!(Providers::finish(&ALICE, 100, 100, Outcome::Expired), 0));
	});
}

#[test]
fn finish_should_neither_panic_nor_burn_free_bond_when_the_caller_is_wrong() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		// Nothing was locked.
		assert_eq!(Providers::finish(&ALICE, 500, 500, Outcome::Expired), 0);
		assert_eq!((record(ALICE).bond, record(ALICE).active_tasks), (1_000, 0));

		// More is freed than the task had.
		assert_ok!(Providers::lock(&ALICE, 300));
		assert_eq!(Providers::finish(&ALICE, 500, 500, Outcome::Expired), 300);
		assert_eq!((record(ALICE).bond, record(ALICE).collateral), (700, 0));

		// Less is freed than the last task had: nothing may stay locked without a task.
		assert_ok!(Providers::lock(&ALICE, 300));
		assert_eq!(Providers::finish(&ALICE, 100, 500, Outcome::Expired), 100);
		assert_eq!((record(ALICE).bond, record(ALICE).collateral), (600, 0));
		assert_eq!(Providers::finish(&ALICE, u128::MAX, u128::MAX, Outcome::Settled), 0);
	});
}

#[test]
fn finish_should_saturate_when_the_record_is_at_its_limits() {
	ExtBuilder::default().provider(ALICE, 1_000).build_and_execute(|| {
		Records::<Test>::mutate(ALICE, |record| {
			let record = record.as_mut().unwrap();
			record.settled_tasks = u64::MAX;
			record.expiries = u32::MAX;
			record.accept_counter = u32::MAX;
		});
		Providers::count_accept(&ALICE);
		assert_eq!(Providers::finish(&ALICE, 0, 0, Outcome::Expired), 0);
		assert_eq!(Providers::expiries(&ALICE), u32::MAX);
		assert_eq!(Providers::finish(&ALICE, 0, 0, Outcome::Settled), 0);
		assert_eq!(record(ALICE).settled_tasks, u64::MAX);
		assert_eq!(record(ALICE).accept_counter, u32::MAX);
	});
}

#[test]
fn count_eligible_should_count_who_could_take_a_task_now() {
	let builder = ExtBuilder::default().provider(ALICE, 1_000).provider(BOB, 1_000).provider(CAROL, 0);
	builder.build_and_execute(|| {
		// Carol has no bond.
		assert_eq!(Providers::count_eligible(&needs(), 10), 2);
		assert!(Providers::count_eligible(&needs(), 1) <= 1);
		assert_eq!(Providers::count_eligible(&needs(), 0), 0);

		assert_ok!(Providers::pause(signed(ALICE)));
		assert_eq!(Providers::count_eligible(&needs(), 10), 1);
		let mut elsewhere = needs();
		elsewhere.requirements.regions = vec![Region(*b"FR")].try_into().unwrap();
		assert_eq!(Providers::count_eligible(&elsewhere, 10), 0);
		assert_ok!(Providers::update_profile(signed(BOB), long_profile()));
		assert_eq!(Providers::count_eligible(&elsewhere, 10), 1);
		Now::set(131);
		assert_eq!(Providers::count_eligible(&elsewhere, 10), 0);
	});
}

#[test]
fn weights_of_the_market_should_be_those_of_the_benchmarks() {
	assert_eq!(Providers::weight_of_check(), <() as WeightInfo>::check());
	assert_eq!(Providers::weight_of_lock(), <() as WeightInfo>::lock());
	assert_eq!(Providers::weight_of_finish(), <() as WeightInfo>::finish());
}
