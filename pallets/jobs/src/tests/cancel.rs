// SPDX-License-Identifier: Apache-2.0

use super::*;

fn cancel(who: AccountId, id: H256) -> sp_runtime::DispatchResult {
	Jobs::cancel(RuntimeOrigin::signed(who), id)
}

#[test]
fn cancel_should_refund_everything_when_no_task_is_taken() {
	with_program(|| {
		let before = free(ALICE);
		let id = submit(10);
		let deposit = deposit_of(ALICE);
		assert_ok!(cancel(ALICE, id));
		assert_eq!(free(ALICE), before - deposit);
		assert_eq!(escrow_of(ALICE), 0);
		let closed = Event::JobClosed { job: id, reason: EndReason::Cancelled, tasks: 10, refunded: 20_000 };
		assert!(events().contains(&closed));
		assert_eq!(last_event(), Event::JobEnded { job: id, settled: 0, failed: 10, clean_at: 20 });
		let info = Jobs::task_info(id, 7).unwrap();
		assert_eq!(info.state, TaskState::Ended { reason: EndReason::Cancelled, paid: None });
		assert_eq!(info.price, None);
	});
}

#[test]
fn cancel_should_refund_exactly_what_taken_tasks_do_not_need() {
	with_program(|| {
		let id = submit(4);
		accept(P1, id, 0, 0);
		accept(P1, id, 1, 0);
		claim(P1, id, 1, 0);
		// Opened again with a little less in escrow.
		accept(P2, id, 2, 0);
		hand_back(P2, id, 2, 0, HandBackReason::NoInputs);
		assert_eq!(escrow_of(ALICE), 7_990);
		assert_ok!(cancel(ALICE, id));
		assert_eq!(escrow_of(ALICE), 4_000);
		let closed = Event::JobClosed { job: id, reason: EndReason::Cancelled, tasks: 2, refunded: 3_990 };
		assert_eq!(last_event(), closed);
		let ended = TaskState::Ended { reason: EndReason::Cancelled, paid: None };
		assert_eq!(Jobs::task_info(id, 2).unwrap().state, ended);
		assert_eq!(Jobs::task_info(id, 3).unwrap().state, ended);
		// The taken ones run on; the one that expires does not open again.
		run_to(5);
		assert_eq!(job(id).counts.settled, 1);
		run_to(11);
		assert_eq!(Jobs::task_info(id, 0).unwrap().state, ended);
		assert_eq!((job(id).counts.settled, job(id).counts.failed), (1, 3));
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn cancel_should_fail_when_the_caller_is_not_the_tenant() {
	with_program(|| {
		let id = submit(1);
		assert_noop!(cancel(BOB, id), Error::<Test>::NotTenant);
		assert_noop!(Jobs::cancel(RuntimeOrigin::none(), id), DispatchError::BadOrigin);
	});
}

#[test]
fn cancel_should_fail_when_the_job_is_unknown_closed_or_ended() {
	with_program(|| {
		assert_noop!(cancel(ALICE, H256::zero()), Error::<Test>::UnknownJob);
		let id = submit(2);
		accept(P1, id, 0, 0);
		assert_ok!(cancel(ALICE, id));
		assert_noop!(cancel(ALICE, id), Error::<Test>::JobClosed);

		let paid = submit(1);
		accept(P1, paid, 0, 0);
		claim(P1, paid, 0, 0);
		run_to(5);
		assert_noop!(cancel(ALICE, paid), Error::<Test>::JobClosed);
	});
}

#[test]
fn cancel_should_keep_tasks_from_opening_again_when_none_is_open() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		assert_ok!(cancel(ALICE, id));
		let closed = Event::JobClosed { job: id, reason: EndReason::Cancelled, tasks: 0, refunded: 0 };
		assert_eq!(last_event(), closed);
		assert!(job(id).ended.is_none());
		run_to(11);
		assert!(job(id).ended.is_some());
	});
}
