// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::TaskId;

fn expire(tasks: Vec<TaskId>) -> sp_runtime::DispatchResult {
	Jobs::expire(RuntimeOrigin::signed(NOBODY), tasks.try_into().unwrap())
}

#[test]
fn expire_should_burn_a_share_of_the_price_and_open_the_task_for_another() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to_without_agenda(11);
		assert_ok!(expire(vec![(id, 0)]));
		let provider = Records::get(P1).unwrap();
		assert_eq!((provider.bond, provider.locked, provider.expiries), (BOND - 200, 0, 1));
		assert_eq!(crate::Totals::<Test>::get().burnt, 200);
		assert_eq!(escrow_of(ALICE), 2_000, "the tenant loses nothing");
		assert_eq!(task(id, 0).state, TaskState::Open { since: 11, price: 1_000 });
		let expired = Event::TaskExpired { job: id, task: 0, attempt: 0, provider: P1, penalty: 200 };
		assert!(events().contains(&expired));
		assert_eq!(last_event(), Event::TaskReopened { job: id, task: 0, attempt: 1, price: 1_000 });
		accept(P2, id, 0, 1);
	});
}

#[test]
fn expire_should_cost_more_when_it_happens_again_up_to_the_whole_price() {
	with_program(|| {
		let id = submit(7);
		for task in 0..7 {
			accept(P1, id, task, 0);
		}
		run_to(11);
		// 20 %, 40 %, ... of 1,000, and then no more than all of it.
		let penalties: Vec<_> = events()
			.iter()
			.filter_map(|event| match event {
				Event::TaskExpired { penalty, .. } => Some(*penalty),
				_ => None,
			})
			.collect();
		assert_eq!(penalties, [200, 400, 600, 800, 1_000, 1_000, 1_000]);
		assert_eq!(Records::get(P1).unwrap().bond, BOND - 5_000);
	});
}

#[test]
fn expire_should_fail_before_the_deadline_has_passed() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to_without_agenda(10);
		assert_noop!(expire(vec![(id, 0)]), Error::<Test>::DeadlineNotPassed);
	});
}

#[test]
fn expire_should_fail_when_there_is_nothing_to_expire() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 1, 0);
		claim(P1, id, 1, 0);
		run_to_without_agenda(11);
		assert_noop!(expire(vec![]), Error::<Test>::EmptyList);
		assert_noop!(expire(vec![(H256::zero(), 0)]), Error::<Test>::UnknownJob);
		assert_noop!(expire(vec![(id, 2)]), Error::<Test>::UnknownTask);
		assert_noop!(expire(vec![(id, 0)]), Error::<Test>::TaskNotAccepted);
		assert_noop!(expire(vec![(id, 1)]), Error::<Test>::TaskNotAccepted);
	});
}

#[test]
fn expire_should_end_the_task_when_the_attempts_are_used_up() {
	with_program(|| {
		MaxAttempts::set(1);
		let id = submit(1);
		accept(P1, id, 0, 0);
		let before = free(ALICE);
		run_to(11);
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::AttemptsUsedUp, paid: None });
		assert_eq!(free(ALICE), before + 2_000);
		assert!(job(id).ended.is_some());
	});
}

#[test]
fn expire_should_end_the_task_when_fewer_attempts_are_allowed_than_before() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(11);
		accept(P2, id, 0, 1);
		MaxAttempts::set(1);
		run_to(22);
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::AttemptsUsedUp, paid: None });
	});
}

#[test]
fn expire_should_end_the_task_when_the_job_was_cancelled_or_its_lifetime_is_over() {
	with_program(|| {
		let cancelled = submit(1);
		let over = submit(2);
		accept(P1, cancelled, 0, 0);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), cancelled));
		run_to(11);
		let ended = |reason| TaskState::Ended { reason, paid: None };
		assert_eq!(task(cancelled, 0).state, ended(EndReason::Cancelled));
		run_to(50);
		accept(P2, over, 0, 0);
		run_to(61);
		assert_eq!(task(over, 0).state, ended(EndReason::LifetimeOver));
		assert_eq!(job(over).closed, Some(EndReason::LifetimeOver));
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn expire_should_wait_while_the_clock_stands_still() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(10);
		let full = Weight::MAX;
		for _ in 0..4 {
			next_block_after(full, 0);
			assert_eq!(now(), 10);
		}
		claim(P1, id, 0, 0);
		assert_eq!(job(id).counts.claimed, 1);
	});
}

#[test]
fn expire_should_fail_when_not_signed() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to_without_agenda(11);
		assert_noop!(
			Jobs::expire(RuntimeOrigin::none(), vec![(id, 0)].try_into().unwrap()),
			DispatchError::BadOrigin
		);
	});
}
