// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{AgendaCursor, AgendaItem, WeightInfo};
use sp_runtime::Perbill;

fn task_weight() -> Weight {
	<() as WeightInfo>::settle(1).max(<() as WeightInfo>::expire(1))
}

fn next_weight() -> Weight {
	<() as WeightInfo>::agenda_next()
}

/// A job of claimed tasks that all fall due at tick 5.
fn claimed(tasks: u32) -> H256 {
	let id = submit(tasks);
	let all = || 0..tasks;
	send(accept_call(accept_order(P1, all().map(|task| accept_item(id, task, 0)).collect()))).unwrap();
	send(claim_call(claim_order(P1, all().map(|task| claim_item(id, task, 0)).collect()))).unwrap();
	id
}

#[test]
fn agenda_should_settle_what_falls_due() {
	with_program(|| {
		let id = claimed(3);
		run_to(4);
		assert_eq!(job(id).counts.claimed, 3);
		run_to(5);
		assert_eq!(job(id).counts.settled, 3);
		assert_eq!(AgendaCursor::<Test>::get(), 6);
	});
}

#[test]
fn agenda_should_expire_what_was_not_claimed() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(10);
		assert_eq!(job(id).counts.accepted, 1);
		run_to(11);
		assert_eq!(job(id).counts.open, 1);
	});
}

#[test]
fn agenda_should_go_on_in_the_next_block_when_the_weight_is_used_up() {
	with_program(|| {
		let id = claimed(5);
		run_to(4);
		// Room for the tick, the rest of the last one, and two tasks.
		let room = <() as WeightInfo>::on_poll()
			.saturating_add(next_weight().saturating_mul(4))
			.saturating_add(task_weight().saturating_mul(2));
		PollLimit::set(room);
		for expected in [2, 4, 5] {
			next_block();
			assert_eq!(job(id).counts.settled, expected);
			check_invariants();
		}
	});
}

#[test]
fn agenda_should_do_nothing_when_not_one_item_fits_and_calls_should_work_all_the_same() {
	with_program(|| {
		let id = claimed(2);
		run_to(4);
		let room = <() as WeightInfo>::on_poll()
			.saturating_add(next_weight())
			.saturating_add(task_weight())
			.saturating_sub(Weight::from_parts(1, 0));
		PollLimit::set(room);
		next_block();
		next_block();
		assert_eq!(job(id).counts.claimed, 2);
		assert_eq!(AgendaCursor::<Test>::get(), 5);
		assert_ok!(Jobs::settle(RuntimeOrigin::signed(BOB), vec![(id, 0)].try_into().unwrap()));
		assert_eq!(job(id).counts.settled, 1);
		PollLimit::set(Weight::MAX);
		next_block();
		assert_eq!(job(id).counts.settled, 2);
	});
}

#[test]
fn agenda_should_keep_within_its_share_of_the_block() {
	with_program(|| {
		let id = claimed(100);
		run_to(4);
		let max = <<Test as frame_system::Config>::BlockWeights as sp_core::Get<
			frame_system::limits::BlockWeights,
		>>::get()
		.max_block;
		// Ten tasks' worth.
		let share = Perbill::from_rational(task_weight().ref_time() * 10, max.ref_time());
		HookShare::set(share);
		next_block();
		let settled = job(id).counts.settled;
		assert!((1..=10).contains(&settled), "{settled} settled");
		check_invariants();
		let mut blocks = 1;
		while job(id).counts.settled < 100 {
			next_block();
			blocks += 1;
		}
		assert!(blocks >= 10);
	});
}

#[test]
fn agenda_should_leave_other_items_alone_when_one_fails() {
	with_program(|| {
		let id = claimed(3);
		// A mistake elsewhere: the middle task's job record says less escrow than the task.
		crate::Tasks::<Test>::mutate(id, 1, |task| task.as_mut().unwrap().escrow = u128::MAX);
		run_to(5);
		assert_eq!((job(id).counts.settled, job(id).counts.claimed), (2, 1));
		assert!(matches!(task(id, 1).state, TaskState::Claimed { .. }));
		assert_eq!(escrow_of(ALICE), 2_000, "nothing of the failed settlement remains");
		// Put right, anyone can settle it.
		crate::Tasks::<Test>::mutate(id, 1, |task| task.as_mut().unwrap().escrow = 2_000);
		assert_ok!(Jobs::settle(RuntimeOrigin::signed(BOB), vec![(id, 1)].try_into().unwrap()));
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn agenda_should_forget_what_was_done_by_a_call() {
	with_program(|| {
		let id = claimed(1);
		run_to_without_agenda(5);
		assert!(crate::Agenda::<Test>::contains_key(5, (id, AgendaItem::Task(0))));
		assert_ok!(Jobs::settle(RuntimeOrigin::signed(BOB), vec![(id, 0)].try_into().unwrap()));
		assert!(!crate::Agenda::<Test>::contains_key(5, (id, AgendaItem::Task(0))));
	});
}

#[test]
fn agenda_should_catch_up_over_many_ticks() {
	with_program(|| {
		let id = claimed(2);
		let other = submit(1);
		accept(P2, other, 0, 0);
		run_to_without_agenda(51);
		assert_eq!(AgendaCursor::<Test>::get(), 0);
		next_block();
		assert_eq!(AgendaCursor::<Test>::get(), 53);
		assert_eq!(job(id).counts.settled, 2);
		// Expired at its deadline, and noticed when the job's lifetime was over.
		assert_eq!(task(other, 0).state, TaskState::Ended { reason: EndReason::LifetimeOver, paid: None });
		assert!(job(other).ended.is_some());
	});
}

#[test]
fn hook_limit_should_hold_the_largest_item() {
	build_and_execute(|| {
		assert!(Jobs::least_hook_weight().all_lte(Jobs::hook_limit()));
	});
}
