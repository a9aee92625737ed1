// SPDX-License-Identifier: Apache-2.0

use super::*;
use HandBackReason::{Faulted, NoInputs};

fn try_hand_back(
	provider: AccountId,
	job: H256,
	attempt: u32,
	reason: HandBackReason,
) -> Result<(), TransactionValidityError> {
	let item = hand_back_item(job, 0, attempt, reason);
	send(hand_back_call(hand_back_order(provider, vec![item]))).map(|_| ())
}

#[test]
fn hand_back_should_burn_a_little_of_both_and_open_the_task_again() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(2);
		let issuance = Balances::total_issuance();
		hand_back(P1, id, 0, 0, NoInputs);
		assert_eq!(Balances::total_issuance(), issuance - 10);
		assert_eq!(escrow_of(ALICE), 1_990);
		let provider = Records::get(P1).unwrap();
		assert_eq!((provider.bond, provider.locked), (BOND - 10, 0));
		assert_eq!(crate::Totals::<Test>::get().burnt, 20);
		let task = task(id, 0);
		assert_eq!((task.attempt, task.escrow), (1, 1_990));
		assert_eq!(task.state, TaskState::Open { since: 2, price: 1_000 });
		assert_eq!(task.barred.to_vec(), [P1]);
		assert_eq!(crate::OpenJobs::<Test>::count(), 1);
		let events = events();
		assert!(events.contains(&Event::TaskHandedBack {
			job: id,
			task: 0,
			attempt: 0,
			provider: P1,
			reason: NoInputs,
			provider_burnt: 10,
			tenant_burnt: 10,
		}));
		assert!(events.contains(&Event::TaskReopened { job: id, task: 0, attempt: 1, price: 1_000 }));
	});
}

#[test]
fn hand_back_should_round_the_penalty_up() {
	with_program(|| {
		let id =
			submit_as(ALICE, 1, tessera_primitives::job::JobRequest { opening_price: 1_001, ..request(1) });
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, NoInputs);
		assert_eq!(escrow_of(ALICE), 1_989);
		assert_eq!(Records::get(P1).unwrap().bond, BOND - 11);
	});
}

#[test]
fn hand_back_should_lower_the_highest_price_by_what_was_burnt() {
	with_program(|| {
		let id = submit(1);
		run_to(10);
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, NoInputs);
		// Taken at the ceiling of 2000: 20 of it are gone.
		assert_eq!(Jobs::task_info(id, 0).unwrap().price, Some(1_980));
		assert_eq!(last_event(), Event::TaskReopened { job: id, task: 0, attempt: 1, price: 1_980 });
		accept(P2, id, 0, 1);
		claim(P2, id, 0, 1);
		run_to(15);
		assert_eq!(free(P2), FUNDS + 1_980 - 99);
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn hand_back_should_be_refused_for_inputs_when_the_fetch_window_is_over() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(4);
		assert_eq!(try_hand_back(P1, id, 0, NoInputs), Err(skipped(SkipReason::FetchWindowOver)));
		// A fault counts until the deadline.
		run_to(10);
		assert_ok!(try_hand_back(P1, id, 0, Faulted));
	});
}

#[test]
fn hand_back_should_be_refused_when_the_deadline_has_passed() {
	with_program(|| {
		FetchWindow::set(1_000);
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to_without_agenda(11);
		for reason in [NoInputs, Faulted] {
			assert_eq!(try_hand_back(P1, id, 0, reason), Err(skipped(SkipReason::DeadlinePassed)));
		}
	});
}

#[test]
fn hand_back_should_be_refused_when_the_task_is_not_the_providers_to_give() {
	with_program(|| {
		let id = submit(1);
		assert_eq!(try_hand_back(P1, id, 0, NoInputs), Err(skipped(SkipReason::NotAccepted)));
		accept(P1, id, 0, 0);
		assert_eq!(try_hand_back(P2, id, 0, NoInputs), Err(skipped(SkipReason::OtherProvider)));
		assert_eq!(try_hand_back(P1, id, 1, NoInputs), Err(skipped(SkipReason::WrongAttempt)));
		claim(P1, id, 0, 0);
		assert_eq!(try_hand_back(P1, id, 0, Faulted), Err(skipped(SkipReason::NotAccepted)));
	});
}

#[test]
fn hand_back_should_end_the_task_when_two_providers_report_a_fault() {
	with_program(|| {
		MaxAttempts::set(8);
		let id = submit(1);
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, Faulted);
		accept(P2, id, 0, 1);
		// A provider that merely found no inputs says nothing of the program.
		hand_back(P2, id, 0, 1, NoInputs);
		accept(P3, id, 0, 2);
		hand_back(P3, id, 0, 2, Faulted);
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::Faulted, paid: None });
		assert_eq!(task(id, 0).escrow, 0);
		assert!(events().contains(&Event::TaskEnded {
			job: id,
			task: 0,
			reason: EndReason::Faulted,
			refunded: 1_970
		}));
		assert_eq!(escrow_of(ALICE), 0);
		assert!(job(id).ended.is_some());
	});
}

#[test]
fn hand_back_should_end_the_task_when_the_attempts_are_used_up() {
	with_program(|| {
		let id = submit(1);
		for (attempt, provider) in [P1, P2, P3].into_iter().enumerate() {
			accept(provider, id, 0, attempt as u32);
			hand_back(provider, id, 0, attempt as u32, NoInputs);
		}
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::AttemptsUsedUp, paid: None });
		assert_eq!(task(id, 0).barred.to_vec(), [P1, P2, P3]);
		assert_eq!(job(id).counts.failed, 1);
	});
}

#[test]
fn hand_back_should_end_the_task_when_the_job_was_cancelled() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		hand_back(P1, id, 0, 0, NoInputs);
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::Cancelled, paid: None });
	});
}

#[test]
fn hand_back_should_end_the_task_when_the_lifetime_is_over_though_the_agenda_is_late() {
	with_program(|| {
		let id = submit(2);
		run_to(49);
		accept(P1, id, 0, 0);
		run_to_without_agenda(52);
		assert_eq!(job(id).closed, None);
		hand_back(P1, id, 0, 0, NoInputs);
		assert_eq!(task(id, 0).state, TaskState::Ended { reason: EndReason::LifetimeOver, paid: None });
		assert!(job(id).ended.is_none(), "the other task is still to be closed");
	});
}

#[test]
fn hand_back_should_fail_when_the_origin_is_not_authorized() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		let order = hand_back_order(P1, vec![hand_back_item(id, 0, 0, NoInputs)]);
		let signature = sign(P1, &order);
		assert_noop!(Jobs::hand_back(RuntimeOrigin::signed(P1), order, signature), DispatchError::BadOrigin);
	});
}
