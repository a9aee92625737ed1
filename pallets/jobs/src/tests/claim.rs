// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::orders::ClaimItem;

fn try_claim(provider: AccountId, item: ClaimItem) -> Result<(), TransactionValidityError> {
	send(claim_call(claim_order(provider, vec![item]))).map(|_| ())
}

#[test]
fn claim_should_start_the_challenge_window() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		run_to(4);
		claim(P1, id, 0, 0);
		let root = H256::repeat_byte(0xcc);
		let expected =
			TaskState::Claimed { provider: P1, price: 1_000, collateral: 1_000, root, at: 4, settle_at: 9 };
		assert_eq!(task(id, 0).state, expected);
		assert_eq!(
			last_event(),
			Event::TaskClaimed { job: id, task: 0, attempt: 0, provider: P1, root, settle_at: 9 }
		);
		assert_eq!(Records::get(P1).unwrap().locked, 1_000, "collateral stays until the settlement");
	});
}

#[test]
fn claim_should_be_refused_when_another_provider_holds_the_task() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		assert_eq!(try_claim(P2, claim_item(id, 0, 0)), Err(skipped(SkipReason::OtherProvider)));
	});
}

#[test]
fn claim_should_be_refused_when_it_came_before() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		let order = claim_order(P1, vec![claim_item(id, 0, 0)]);
		send(claim_call(order.clone())).unwrap();
		assert_eq!(send(claim_call(order)), Err(skipped(SkipReason::NotAccepted)));
		let other = ClaimItem { root: H256::zero(), ..claim_item(id, 0, 0) };
		assert_eq!(try_claim(P1, other), Err(skipped(SkipReason::NotAccepted)));
	});
}

#[test]
fn claim_should_be_refused_when_nobody_holds_the_task() {
	with_program(|| {
		let id = submit(1);
		assert_eq!(try_claim(P1, claim_item(id, 0, 0)), Err(skipped(SkipReason::NotAccepted)));
		assert_eq!(try_claim(P1, claim_item(id, 1, 0)), Err(skipped(SkipReason::UnknownTask)));
		let unknown = H256::zero();
		assert_eq!(try_claim(P1, claim_item(unknown, 0, 0)), Err(skipped(SkipReason::UnknownJob)));
	});
}

#[test]
fn claim_should_be_refused_when_the_deadline_has_passed() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 0, 0);
		accept(P1, id, 1, 0);
		run_to_without_agenda(10);
		assert_ok!(try_claim(P1, claim_item(id, 0, 0)));
		run_to_without_agenda(11);
		assert_eq!(try_claim(P1, claim_item(id, 1, 0)), Err(skipped(SkipReason::DeadlinePassed)));
	});
}

#[test]
fn claim_should_be_refused_when_the_length_is_not_the_jobs() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		for output_bytes in [0, OUTPUT_BYTES - 4, OUTPUT_BYTES + 4] {
			let item = ClaimItem { output_bytes, ..claim_item(id, 0, 0) };
			assert_eq!(try_claim(P1, item), Err(skipped(SkipReason::WrongOutputLength)));
		}
		assert_ok!(try_claim(P1, claim_item(id, 0, 0)));
	});
}

#[test]
fn claim_should_be_refused_when_it_names_another_attempt() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		hand_back(P1, id, 0, 0, HandBackReason::NoInputs);
		accept(P2, id, 0, 1);
		assert_eq!(try_claim(P2, claim_item(id, 0, 0)), Err(skipped(SkipReason::WrongAttempt)));
		assert_eq!(try_claim(P1, claim_item(id, 0, 0)), Err(skipped(SkipReason::OtherProvider)));
		assert_ok!(try_claim(P2, claim_item(id, 0, 1)));
	});
}

#[test]
fn claim_should_skip_what_fails_and_take_the_rest_of_the_list() {
	with_program(|| {
		let id = submit(3);
		accept(P1, id, 0, 0);
		accept(P2, id, 1, 0);
		accept(P1, id, 2, 0);
		let items = (0..3).map(|task| claim_item(id, task, 0)).collect();
		send(claim_call(claim_order(P1, items))).unwrap();
		assert_eq!((job(id).counts.accepted, job(id).counts.claimed), (1, 2));
		let skip = Event::TaskSkipped { job: id, task: 1, reason: SkipReason::OtherProvider };
		assert!(events().contains(&skip));
	});
}

#[test]
fn claim_should_be_taken_for_a_task_of_a_cancelled_job() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 0, 0);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		claim(P1, id, 0, 0);
		run_to(5);
		assert_eq!(free(P1), FUNDS + 950);
		assert!(job(id).ended.is_some());
	});
}

#[test]
fn claim_should_fail_when_the_origin_is_not_authorized() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		let order = claim_order(P1, vec![claim_item(id, 0, 0)]);
		let signature = sign(P1, &order);
		assert_noop!(Jobs::claim(RuntimeOrigin::signed(P1), order, signature), DispatchError::BadOrigin);
	});
}
