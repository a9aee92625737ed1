// SPDX-License-Identifier: Apache-2.0

use super::*;

fn close(id: H256) -> sp_runtime::DispatchResult {
	Jobs::close(RuntimeOrigin::signed(NOBODY), id)
}

#[test]
fn close_should_end_open_tasks_when_the_lifetime_is_over() {
	with_program(|| {
		let id = submit(3);
		run_to_without_agenda(50);
		assert_noop!(close(id), Error::<Test>::JobStillOpen);
		run_to_without_agenda(51);
		assert_ok!(close(id));
		let closed = Event::JobClosed { job: id, reason: EndReason::LifetimeOver, tasks: 3, refunded: 6_000 };
		assert!(events().contains(&closed));
		assert_eq!(escrow_of(ALICE), 0);
		assert_noop!(close(id), Error::<Test>::JobClosed);
		// The agenda finds nothing left to close.
		next_block();
		assert_eq!(job(id).closed, Some(EndReason::LifetimeOver));
	});
}

#[test]
fn close_should_be_done_by_the_agenda() {
	with_program(|| {
		let id = submit(3);
		run_to(50);
		assert_eq!(job(id).closed, None);
		next_block();
		assert_eq!(job(id).closed, Some(EndReason::LifetimeOver));
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn close_should_leave_taken_tasks_to_their_providers() {
	with_program(|| {
		let id = submit(2);
		run_to(50);
		accept(P1, id, 0, 0);
		run_to(55);
		assert_eq!(escrow_of(ALICE), 2_000);
		claim(P1, id, 0, 0);
		run_to(60);
		assert_eq!(free(P1), FUNDS + 1_900);
		assert_eq!((job(id).counts.settled, job(id).counts.failed), (1, 1));
	});
}

#[test]
fn close_should_fail_when_the_job_is_unknown_or_ended() {
	with_program(|| {
		assert_noop!(close(H256::zero()), Error::<Test>::UnknownJob);
		let id = submit(1);
		accept(P1, id, 0, 0);
		claim(P1, id, 0, 0);
		run_to(5);
		RetentionTicks::set(1_000);
		run_to_without_agenda(60);
		assert_noop!(close(id), Error::<Test>::JobClosed);
		assert_noop!(Jobs::close(RuntimeOrigin::none(), id), DispatchError::BadOrigin);
	});
}

#[test]
fn cancel_should_say_that_the_lifetime_is_over_when_it_is() {
	with_program(|| {
		let id = submit(1);
		run_to_without_agenda(51);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		assert_eq!(job(id).closed, Some(EndReason::LifetimeOver));
	});
}
