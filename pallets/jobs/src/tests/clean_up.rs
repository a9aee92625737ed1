// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::WeightInfo;
use frame_support::dispatch::PostDispatchInfo;

fn clean_up(who: AccountId, id: H256, max: u32) -> sp_runtime::DispatchResultWithInfo<PostDispatchInfo> {
	Jobs::clean_up(RuntimeOrigin::signed(who), id, max)
}

/// A cancelled job of Alice's with records of `taken` of its tasks, ended at tick 11.
fn ended(taken: u32) -> H256 {
	let id = submit(taken + 1);
	for index in 0..taken {
		accept(P1, id, index, 0);
	}
	Jobs::cancel(RuntimeOrigin::signed(ALICE), id).unwrap();
	run_to(11);
	id
}

#[test]
fn clean_up_should_remove_everything_and_return_the_deposit() {
	with_program(|| {
		let before = free(ALICE);
		let id = ended(3);
		let deposit = deposit_of(ALICE);
		let post = clean_up(ALICE, id, 10).unwrap();
		assert_eq!(post.actual_weight, Some(<() as WeightInfo>::clean_up(3)));
		assert_eq!(free(ALICE), before);
		assert_eq!(last_event(), Event::JobCleanedUp { job: id, tenant: ALICE, deposit });
		assert_eq!(crate::Jobs::<Test>::count(), 0);
		assert_eq!(crate::Tasks::<Test>::iter().count(), 0);
		assert_eq!(crate::JobsOf::<Test>::iter().count(), 0);
		assert_eq!(crate::Agenda::<Test>::iter().count(), 0);
		assert_eq!(crate::ProgramJobs::<Test>::iter().count(), 0);
		assert_noop!(clean_up(ALICE, id, 10), Error::<Test>::UnknownJob);
	});
}

#[test]
fn clean_up_should_go_on_where_it_stopped() {
	with_program(|| {
		let id = ended(5);
		assert_ok!(clean_up(ALICE, id, 0));
		assert_eq!(job(id).cleaned, 0);
		assert_ok!(clean_up(ALICE, id, 2));
		assert_eq!(job(id).cleaned, 2);
		check_invariants();
		// What is gone is not taken for open.
		let known: Vec<_> = (0..6).filter(|index| Jobs::task_info(id, *index).is_some()).collect();
		assert_eq!(known.len(), 3);
		assert_ok!(clean_up(ALICE, id, 3));
		assert_eq!(Jobs::job_info(id), None);
	});
}

#[test]
fn clean_up_should_fail_while_a_task_has_not_ended() {
	with_program(|| {
		let id = submit(2);
		assert_noop!(clean_up(ALICE, id, 10), Error::<Test>::JobNotEnded);
		accept(P1, id, 0, 0);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		assert_noop!(clean_up(ALICE, id, 10), Error::<Test>::JobNotEnded);
		claim(P1, id, 0, 0);
		assert_noop!(clean_up(ALICE, id, 10), Error::<Test>::JobNotEnded);
	});
}

#[test]
fn clean_up_should_be_the_tenants_until_the_retention_is_over() {
	with_program(|| {
		let id = ended(1);
		let before = free(ALICE);
		run_to_without_agenda(30);
		assert_noop!(clean_up(BOB, id, 10), Error::<Test>::StillRetained);
		run_to_without_agenda(31);
		let deposit = deposit_of(ALICE);
		assert_ok!(clean_up(BOB, id, 10));
		assert_eq!(free(ALICE), before + deposit, "the deposit is the tenant's, whoever calls");
		assert_noop!(Jobs::clean_up(RuntimeOrigin::none(), id, 10), DispatchError::BadOrigin);
	});
}

#[test]
fn clean_up_should_be_done_by_the_agenda_after_the_retention() {
	with_program(|| {
		let id = ended(1);
		run_to(30);
		assert!(Jobs::job_info(id).is_some());
		next_block();
		assert_eq!(Jobs::job_info(id), None);
		assert_eq!(deposit_of(ALICE), 0);
	});
}

#[test]
fn clean_up_by_the_agenda_should_take_several_ticks_for_a_large_job() {
	with_program(|| {
		let id = submit(250);
		for start in [0, 100, 200] {
			let items = (start..250.min(start + 100)).map(|task| accept_item(id, task, 0)).collect();
			send(accept_call(accept_order(P1, items))).unwrap();
		}
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		run_to_without_agenda(11);
		// Others fall due at the tick of the clean-up as well.
		for start in [0u32, 100, 200] {
			let tasks: Vec<_> = (start..250.min(start + 100)).map(|task| (id, task)).collect();
			assert_ok!(Jobs::expire(RuntimeOrigin::signed(BOB), tasks.try_into().unwrap()));
		}
		run_to(31);
		assert_eq!(job(id).cleaned, 100);
		next_block();
		assert_eq!(job(id).cleaned, 200);
		check_invariants();
		next_block();
		assert_eq!(Jobs::job_info(id), None);
	});
}

#[test]
fn clean_up_should_free_the_client_id() {
	with_program(|| {
		let id = ended(1);
		assert_ok!(clean_up(ALICE, id, 10));
		assert_eq!(submit(2), id);
	});
}
