// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::{TaskId, job::Payment};

fn settle(tasks: Vec<TaskId>) -> sp_runtime::DispatchResult {
	Jobs::settle(RuntimeOrigin::signed(NOBODY), tasks.try_into().unwrap())
}

/// A task accepted at 1,300 and claimed at tick 4, due at 9.
fn claimed() -> H256 {
	let id = submit(1);
	run_to(3);
	accept(P1, id, 0, 0);
	run_to(4);
	claim(P1, id, 0, 0);
	id
}

#[test]
fn settle_should_split_the_escrow_exactly() {
	with_program(|| {
		let id = claimed();
		let deposit = deposit_of(ALICE);
		run_to_without_agenda(9);
		assert_ok!(settle(vec![(id, 0)]));
		// 5 % of 1,300 are 65.
		assert_eq!(free(P1), FUNDS + 1_235);
		assert_eq!(free(TREASURY), FUNDS + 65);
		assert_eq!(free(ALICE), FUNDS - deposit - 1_300);
		assert_eq!(escrow_of(ALICE), 0);
		let provider = Records::get(P1).unwrap();
		assert_eq!((provider.bond, provider.locked), (BOND, 0));
		let paid = Payment { provider: P1, price: 1_300, root: H256::repeat_byte(0xcc) };
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::Settled, paid: Some(paid) });
		let settled =
			Event::TaskSettled { job: id, task: 0, provider: P1, paid: 1_235, cut: 65, refunded: 700 };
		assert!(events().contains(&settled));
		assert_eq!(last_event(), Event::JobEnded { job: id, settled: 1, failed: 0, clean_at: 29 });
		let totals = crate::Totals::<Test>::get();
		assert_eq!((totals.settled_tasks, totals.paid, totals.cut, totals.burnt), (1, 1_235, 65, 0));
	});
}

#[test]
fn settle_should_round_the_cut_up() {
	with_program(|| {
		let id =
			submit_as(ALICE, 1, tessera_primitives::job::JobRequest { opening_price: 1_001, ..request(1) });
		accept(P1, id, 0, 0);
		claim(P1, id, 0, 0);
		run_to(5);
		assert_eq!(free(TREASURY), FUNDS + 51);
		assert_eq!(free(P1), FUNDS + 950);
	});
}

#[test]
fn settle_should_fail_before_the_window_is_over() {
	with_program(|| {
		let id = claimed();
		run_to_without_agenda(8);
		assert_noop!(settle(vec![(id, 0)]), Error::<Test>::WindowNotOver);
	});
}

#[test]
fn settle_should_keep_to_the_window_at_submission_when_the_policy_changes() {
	with_program(|| {
		let id = submit(1);
		ChallengeTicks::set(1);
		accept(P1, id, 0, 0);
		claim(P1, id, 0, 0);
		assert_noop!(settle(vec![(id, 0)]), Error::<Test>::WindowNotOver);
		assert!(matches!(task(id, 0).state, TaskState::Claimed { settle_at: 5, .. }));
	});
}

#[test]
fn settle_should_fail_when_there_is_nothing_to_settle() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 1, 0);
		assert_noop!(settle(vec![]), Error::<Test>::EmptyList);
		assert_noop!(settle(vec![(H256::zero(), 0)]), Error::<Test>::UnknownJob);
		assert_noop!(settle(vec![(id, 2)]), Error::<Test>::UnknownTask);
		assert_noop!(settle(vec![(id, 0)]), Error::<Test>::TaskNotClaimed);
		assert_noop!(settle(vec![(id, 1)]), Error::<Test>::TaskNotClaimed);
	});
}

#[test]
fn settle_should_pay_once_when_a_task_is_listed_twice_or_settled_again() {
	with_program(|| {
		let id = claimed();
		run_to_without_agenda(9);
		assert_ok!(settle(vec![(id, 0), (id, 0)]));
		assert_eq!(free(P1), FUNDS + 1_235);
		let skip = Event::TaskSkipped { job: id, task: 0, reason: SkipReason::NotClaimed };
		assert!(events().contains(&skip));
		assert_noop!(settle(vec![(id, 0)]), Error::<Test>::TaskNotClaimed);
		run_to(20);
		assert_eq!(free(P1), FUNDS + 1_235);
	});
}

#[test]
fn settle_should_pay_what_can_be_paid_of_a_list() {
	with_program(|| {
		let id = submit(3);
		for task in 0..2 {
			accept(P1, id, task, 0);
		}
		claim(P1, id, 1, 0);
		run_to_without_agenda(5);
		assert_ok!(settle(vec![(id, 0), (id, 1), (id, 2)]));
		assert_eq!((job(id).counts.settled, job(id).counts.accepted, job(id).counts.open), (1, 1, 1));
	});
}

#[test]
fn settle_should_set_back_the_expiries_in_a_row() {
	with_program(|| {
		Records::mutate_extant(P1, |r| r.expiries = 2);
		claimed();
		run_to(9);
		assert_eq!(Records::get(P1).unwrap().expiries, 0);
	});
}

#[test]
fn settle_should_pay_though_the_tenants_funds_are_frozen() {
	with_program(|| {
		use frame_support::traits::{LockableCurrency, WithdrawReasons};
		let id = claimed();
		Balances::set_lock(*b"vesting ", &ALICE, FUNDS * 2, WithdrawReasons::all());
		run_to_without_agenda(9);
		assert_ok!(settle(vec![(id, 0)]));
		assert_eq!(free(P1), FUNDS + 1_235);
	});
}

#[test]
fn settle_should_fail_when_not_signed() {
	with_program(|| {
		let id = claimed();
		run_to_without_agenda(9);
		assert_noop!(
			Jobs::settle(RuntimeOrigin::none(), vec![(id, 0)].try_into().unwrap()),
			DispatchError::BadOrigin
		);
	});
}
