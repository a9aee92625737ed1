// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::{Region, TaskId, job::JobRequest, orders::AcceptItem, provider::AdapterClass};

fn try_accept(provider: AccountId, item: AcceptItem) -> Result<(), TransactionValidityError> {
	send(accept_call(accept_order(provider, vec![item]))).map(|_| ())
}

#[test]
fn accept_should_fix_the_price_and_lock_it_as_collateral() {
	with_program(|| {
		let id = submit(2);
		run_to(3);
		accept(P1, id, 1, 0);
		let expected =
			TaskState::Accepted { provider: P1, price: 1_300, collateral: 1_300, at: 3, deadline: 13 };
		assert_eq!(task(id, 1).state, expected);
		assert_eq!(Records::get(P1).unwrap().locked, 1_300);
		assert_eq!((job(id).escrow, job(id).escrow_busy), (4_000, 2_000));
		assert_eq!((job(id).counts.open, job(id).counts.accepted), (1, 1));
		assert_eq!(
			last_event(),
			Event::TaskAccepted { job: id, task: 1, attempt: 0, provider: P1, price: 1_300, deadline: 13 }
		);
		// The price of the other goes on.
		run_to(13);
		accept(P2, id, 0, 0);
		assert!(matches!(task(id, 0).state, TaskState::Accepted { price: 2_000, .. }));
		assert_eq!(crate::OpenJobs::<Test>::count(), 0);
	});
}

#[test]
fn accept_should_count_once_per_order() {
	with_program(|| {
		let id = submit(3);
		let items = (0..3).map(|task| accept_item(id, task, 0)).collect();
		send(accept_call(accept_order(P1, items))).unwrap();
		assert_eq!(Records::get(P1).unwrap().counter, 1);
		assert_eq!(job(id).counts.accepted, 3);
	});
}

#[test]
fn accept_should_be_refused_when_job_task_or_attempt_are_not_there() {
	with_program(|| {
		let id = submit(1);
		let unknown = H256::repeat_byte(9);
		assert_eq!(try_accept(P1, accept_item(unknown, 0, 0)), Err(skipped(SkipReason::UnknownJob)));
		assert_eq!(try_accept(P1, accept_item(id, 1, 0)), Err(skipped(SkipReason::UnknownTask)));
		assert_eq!(try_accept(P1, accept_item(id, 0, 1)), Err(skipped(SkipReason::WrongAttempt)));
	});
}

#[test]
fn accept_should_be_refused_when_the_task_is_taken() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		assert_eq!(try_accept(P2, accept_item(id, 0, 0)), Err(skipped(SkipReason::NotOpen)));
		assert_eq!(try_accept(P1, accept_item(id, 0, 0)), Err(skipped(SkipReason::NotOpen)));
		claim(P1, id, 0, 0);
		assert_eq!(try_accept(P2, accept_item(id, 0, 0)), Err(skipped(SkipReason::NotOpen)));
		run_to(5);
		assert_eq!(job(id).counts.settled, 1);
		assert_eq!(try_accept(P2, accept_item(id, 0, 0)), Err(skipped(SkipReason::NotOpen)));
	});
}

#[test]
fn accept_should_be_refused_when_the_price_is_below_the_least_price() {
	with_program(|| {
		let id = submit(1);
		let item = AcceptItem { min_price: 1_101, ..accept_item(id, 0, 0) };
		run_to(1);
		assert_eq!(try_accept(P1, item), Err(skipped(SkipReason::PriceBelowMinimum)));
		run_to(2);
		assert_ok!(try_accept(P1, item));
	});
}

#[test]
fn accept_should_be_refused_when_the_job_is_closed_or_its_lifetime_over() {
	with_program(|| {
		let id = submit(1);
		run_to_without_agenda(50);
		assert_ok!(validate(&accept_call(accept_order(P1, vec![accept_item(id, 0, 0)]))));
		run_to_without_agenda(51);
		// The agenda is late, the job not closed: its lifetime is over all the same.
		assert_eq!(job(id).closed, None);
		assert_eq!(try_accept(P1, accept_item(id, 0, 0)), Err(skipped(SkipReason::JobClosed)));
		next_block();
		assert_eq!(job(id).closed, Some(EndReason::LifetimeOver));
		assert_eq!(try_accept(P1, accept_item(id, 0, 0)), Err(skipped(SkipReason::JobClosed)));
	});
}

#[test]
fn accept_should_be_refused_with_the_reason_when_the_provider_is_not_eligible() {
	with_program(|| {
		let mut needs = request(1);
		needs.requirements.class = Some(AdapterClass::M1);
		let apple = submit_as(ALICE, 1, needs);
		let mut needs = request(1);
		needs.requirements.regions = vec![Region(*b"FR")].try_into().unwrap();
		let french = submit_as(ALICE, 2, needs);
		let any = submit_as(ALICE, 3, request(1));
		let reason = |provider, id| try_accept(provider, accept_item(id, 0, 0)).unwrap_err();
		let ineligible = |why| skipped(SkipReason::Ineligible(why));
		assert_eq!(reason(P1, apple), ineligible(Ineligible::Adapter));
		assert_eq!(reason(P1, french), ineligible(Ineligible::Region));
		Records::mutate_extant(P1, |r| r.availability = Some(Ineligible::Offline));
		assert_eq!(reason(P1, any), ineligible(Ineligible::Offline));
		Records::mutate_extant(P1, |r| r.availability = Some(Ineligible::Paused));
		assert_eq!(reason(P1, any), ineligible(Ineligible::Paused));
		Records::mutate_extant(P2, |r| r.bond = 999);
		assert_eq!(reason(P2, any), ineligible(Ineligible::Collateral));
		Records::mutate_extant(P2, |r| r.bond = 1_000);
		accept(P2, any, 0, 0);
	});
}

#[test]
fn accept_should_need_memory_for_all_buffers() {
	with_program(|| {
		let half = 1u64 << 29;
		let too_much = JobRequest { buffers: vec![half, half, 4].try_into().unwrap(), ..request(1) };
		let id = submit_as(ALICE, 1, too_much);
		assert_eq!(
			try_accept(P1, accept_item(id, 0, 0)),
			Err(skipped(SkipReason::Ineligible(Ineligible::Adapter)))
		);
	});
}

#[test]
fn accept_should_be_refused_when_the_provider_failed_the_task_before() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, HandBackReason::NoInputs);
		assert_eq!(try_accept(P1, accept_item(id, 0, 1)), Err(skipped(SkipReason::Barred)));
		accept(P2, id, 0, 1);
	});
}

#[test]
fn accept_should_be_refused_when_the_same_order_comes_again() {
	with_program(|| {
		let id = submit(1);
		let order = accept_order(P1, vec![accept_item(id, 0, 0)]);
		send(accept_call(order.clone())).unwrap();
		assert_eq!(send(accept_call(order.clone())), Err(refused(codes::WRONG_COUNTER)));
		// Not after the task was opened again either, nor with the right counter.
		hand_back(P1, id, 0, 0, HandBackReason::NoInputs);
		assert_eq!(send(accept_call(order.clone())), Err(refused(codes::WRONG_COUNTER)));
		let recounted = Accept { counter: 1, ..order };
		assert_eq!(send(accept_call(recounted)), Err(skipped(SkipReason::WrongAttempt)));
	});
}

#[test]
fn accept_should_be_refused_for_an_old_attempt_when_another_provider_replays() {
	with_program(|| {
		let id = submit(1);
		// Signed by P2 while the first attempt was open, sent after it failed.
		let late = accept_call(accept_order(P2, vec![accept_item(id, 0, 0)]));
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, HandBackReason::NoInputs);
		assert_eq!(send(late), Err(skipped(SkipReason::WrongAttempt)));
	});
}

#[test]
fn accept_should_skip_what_fails_and_take_the_rest_of_the_list() {
	with_program(|| {
		let id = submit(4);
		accept(P2, id, 1, 0);
		let unknown: TaskId = (id, 9);
		let items = vec![
			accept_item(id, 1, 0),
			accept_item(id, 0, 0),
			accept_item(unknown.0, unknown.1, 0),
			AcceptItem { min_price: 5_000, ..accept_item(id, 2, 0) },
			accept_item(id, 3, 0),
		];
		let before = events().len();
		send(accept_call(accept_order(P1, items))).unwrap();
		let skipped: Vec<_> = events()[before..]
			.iter()
			.filter_map(|event| match event {
				Event::TaskSkipped { task, reason, .. } => Some((*task, *reason)),
				_ => None,
			})
			.collect();
		let expected =
			[(1, SkipReason::NotOpen), (9, SkipReason::UnknownTask), (2, SkipReason::PriceBelowMinimum)];
		assert_eq!(skipped, expected);
		assert_eq!((job(id).counts.open, job(id).counts.accepted), (1, 3));
		assert_eq!(Records::get(P1).unwrap().locked, 2_000);
	});
}

#[test]
fn accept_should_take_as_many_tasks_of_a_list_as_the_bond_covers() {
	with_program(|| {
		let id = submit(3);
		Records::mutate_extant(P1, |r| r.bond = 2_500);
		let items = (0..3).map(|task| accept_item(id, task, 0)).collect();
		send(accept_call(accept_order(P1, items))).unwrap();
		assert_eq!(job(id).counts.accepted, 2);
		let reason = SkipReason::Ineligible(Ineligible::Collateral);
		assert_eq!(last_event(), Event::TaskSkipped { job: id, task: 2, reason });
		assert_eq!(Records::get(P1).unwrap().locked, 2_000);
	});
}

#[test]
fn accept_should_fail_when_the_origin_is_not_authorized() {
	with_program(|| {
		let id = submit(1);
		let order = accept_order(P1, vec![accept_item(id, 0, 0)]);
		let signature = sign(P1, &order);
		for origin in [RuntimeOrigin::signed(P1), RuntimeOrigin::none(), RuntimeOrigin::root()] {
			assert_noop!(Jobs::accept(origin, order.clone(), signature), DispatchError::BadOrigin);
		}
	});
}

#[test]
fn accept_should_let_a_tenant_work_for_himself() {
	with_program(|| {
		let id = submit_as(P1, 1, request(1));
		accept(P1, id, 0, 0);
		claim(P1, id, 0, 0);
		run_to(5);
		assert_eq!(escrow_of(P1), 0);
		// Nothing but the cut is gone.
		assert_eq!(free(P1) + deposit_of(P1), FUNDS - 50);
	});
}

#[test]
fn price_should_rise_while_open_stand_still_while_taken_and_go_on_when_opened_again() {
	with_program(|| {
		let id = submit(1);
		let price = || Jobs::task_info(id, 0).unwrap().price;
		assert_eq!(price(), Some(1_000));
		run_to(4);
		assert_eq!(price(), Some(1_400));
		accept(P1, id, 0, 0);
		assert_eq!(price(), None);
		run_to(14);
		assert!(matches!(task(id, 0).state, TaskState::Accepted { .. }));
		next_block();
		// Expired at tick 15.
		assert_eq!(price(), Some(1_400));
		run_to(17);
		assert_eq!(price(), Some(1_600));
		run_to(40);
		assert_eq!(price(), Some(2_000));
	});
}
