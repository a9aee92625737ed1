// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_primitives::{
	Region,
	job::JobRequest,
	limits::{MAX_BUFFER_BYTES, MAX_SPEC_BYTES, MAX_TASKS},
	provider::Features,
};

fn with(change: impl Fn(&mut JobRequest)) -> sp_runtime::DispatchResult {
	let mut request = request(3);
	change(&mut request);
	Jobs::submit(RuntimeOrigin::signed(ALICE), H256::zero(), request)
}

#[test]
fn submit_should_hold_the_ceiling_of_all_tasks_and_a_deposit() {
	with_program(|| {
		run_to(4);
		let id = submit(3);
		assert_eq!(escrow_of(ALICE), 6_000);
		let deposit = 100 + 2 * u128::from(Jobs::job_footprint(&request(3)).size);
		assert_eq!(deposit_of(ALICE), deposit);
		assert_eq!(free(ALICE), FUNDS - 6_000 - deposit);
		let job = job(id);
		assert_eq!((job.escrow, job.escrow_busy, job.deposit), (6_000, 0, deposit));
		assert_eq!((job.submitted_at, job.open_until, job.challenge_ticks), (4, 54, 5));
		assert_eq!((job.counts.open, job.output_bytes), (3, OUTPUT_BYTES));
		assert_eq!(crate::Tasks::<Test>::iter().count(), 0, "open tasks have no records");
		assert_eq!(
			last_event(),
			Event::JobSubmitted {
				job: id,
				tenant: ALICE,
				program: PROGRAM,
				tasks: 3,
				escrow: 6_000,
				open_until: 54
			}
		);
	});
}

#[test]
fn submit_should_fail_when_the_client_id_was_used_by_the_same_tenant() {
	with_program(|| {
		submit_as(ALICE, 1, request(1));
		let client_id = H256::from_low_u64_be(1);
		assert_noop!(
			Jobs::submit(RuntimeOrigin::signed(ALICE), client_id, request(2)),
			Error::<Test>::JobExists
		);
		// Another tenant's ids are another matter.
		submit_as(BOB, 1, request(1));
	});
}

#[test]
fn submit_should_fail_when_the_program_is_unknown() {
	with_program(|| {
		assert_noop!(with(|r| r.program = H256::zero()), Error::<Test>::UnknownProgram);
	});
}

#[test]
fn submit_should_fail_when_not_signed() {
	with_program(|| {
		assert_noop!(Jobs::submit(RuntimeOrigin::none(), H256::zero(), request(1)), DispatchError::BadOrigin);
	});
}

#[test]
fn submit_should_name_what_does_not_fit_the_program() {
	with_program(|| {
		assert_noop!(with(|r| r.tasks = 0), Error::<Test>::TaskCount);
		assert_noop!(with(|r| r.tasks = MAX_TASKS + 1), Error::<Test>::TaskCount);
		assert_noop!(with(|r| r.buffers.truncate(2)), Error::<Test>::BufferCount);
		assert_noop!(with(|r| r.buffers.try_push(4).unwrap()), Error::<Test>::BufferCount);
		assert_noop!(with(|r| r.buffers[0] = 0), Error::<Test>::BufferLength);
		assert_noop!(with(|r| r.buffers[1] = 6), Error::<Test>::BufferLength);
		assert_noop!(with(|r| r.buffers[2] = MAX_BUFFER_BYTES + 4), Error::<Test>::BufferLength);
		assert_noop!(with(|r| r.dispatches.clear()), Error::<Test>::DispatchCount);
		assert_noop!(with(|r| r.dispatches[0] = [1, 0, 1]), Error::<Test>::DispatchSize);
		assert_noop!(with(|r| r.dispatches[0] = [65_536, 1, 1]), Error::<Test>::DispatchSize);
		assert_noop!(with(|r| r.dispatches[0] = [65_535, 65_535, 1]), Error::<Test>::DispatchSize);
		assert_noop!(with(|r| r.spec.bytes = 0), Error::<Test>::SpecLength);
		assert_noop!(with(|r| r.spec.bytes = MAX_SPEC_BYTES + 1), Error::<Test>::SpecLength);
		assert_noop!(
			with(|r| r.source.addresses.try_push(Default::default()).unwrap()),
			Error::<Test>::SourceAddress
		);
	});
}

#[test]
fn submit_should_fail_when_a_requirement_can_never_be_met() {
	with_program(|| {
		assert_noop!(
			with(|r| r.requirements.regions.try_push(Region(*b"XX")).unwrap()),
			Error::<Test>::UnknownRegion
		);
		assert_noop!(with(|r| r.requirements.features = Features(1 << 40)), Error::<Test>::UnknownFeature);
	});
}

#[test]
fn submit_should_fail_when_the_ceiling_is_below_the_opening_price() {
	with_program(|| {
		assert_noop!(with(|r| r.ceiling_price = 999), Error::<Test>::CeilingBelowOpening);
		assert_ok!(with(|r| r.ceiling_price = 1_000));
	});
}

#[test]
fn submit_should_fail_when_the_opening_price_is_below_the_floor() {
	with_program(|| {
		// 20, and 1 for each of the 15 ticks for which collateral can be locked.
		assert_noop!(with(|r| r.opening_price = 34), Error::<Test>::FeeBelowFloor);
		assert_noop!(with(|r| (r.opening_price, r.execution_ticks) = (35, 11)), Error::<Test>::FeeBelowFloor);
		assert_ok!(with(|r| r.opening_price = 35));
	});
}

#[test]
fn submit_should_fail_when_a_time_is_zero_or_too_long() {
	with_program(|| {
		assert_noop!(with(|r| r.execution_ticks = 0), Error::<Test>::ExecutionTicks);
		assert_noop!(with(|r| r.execution_ticks = 1_001), Error::<Test>::ExecutionTicks);
		assert_noop!(with(|r| r.lifetime_ticks = 0), Error::<Test>::LifetimeTicks);
		assert_noop!(with(|r| r.lifetime_ticks = 10_001), Error::<Test>::LifetimeTicks);
	});
}

#[test]
fn submit_should_fail_when_the_balance_does_not_cover_escrow_or_deposit() {
	with_program(|| {
		assert_noop!(with(|r| r.ceiling_price = FUNDS), Error::<Test>::EscrowNotCovered);
		assert_noop!(with(|r| r.ceiling_price = u128::MAX), Error::<Test>::EscrowOverflow);
		// The escrow alone fits, and is not kept when the deposit does not.
		assert_noop!(with(|r| r.ceiling_price = (FUNDS - ED) / 3), Error::<Test>::DepositNotCovered);
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn submit_should_take_as_long_a_job_as_the_limits_allow() {
	with_program(|| {
		let id =
			submit_as(ALICE, 0, JobRequest { opening_price: 35, ceiling_price: 40, ..request(MAX_TASKS) });
		assert_eq!(escrow_of(ALICE), 400_000);
		assert_ok!(Jobs::cancel(RuntimeOrigin::signed(ALICE), id));
		assert_eq!(escrow_of(ALICE), 0);
	});
}

#[test]
fn job_footprint_should_cover_every_record_that_a_job_can_have() {
	with_program(|| {
		use codec::Encode;
		MaxAttempts::set(8);
		let id = submit(2);
		let promised = Jobs::job_footprint(&request(2)).size;
		for attempt in 0..2 {
			let provider = PROVIDERS[attempt as usize];
			for index in 0..2 {
				accept(provider, id, index, attempt);
				hand_back(provider, id, index, attempt, HandBackReason::NoInputs);
			}
		}
		for index in 0..2 {
			accept(P3, id, index, 2);
		}
		let jobs = job(id).encoded_size();
		let tasks: usize = crate::Tasks::<Test>::iter_prefix_values(id).map(|t| t.encoded_size()).sum();
		let keys = [
			crate::Jobs::<Test>::hashed_key_for(id).len(),
			crate::JobsOf::<Test>::hashed_key_for(ALICE, id).len(),
			2 * crate::Tasks::<Test>::hashed_key_for(id, 0).len(),
			crate::Agenda::<Test>::iter_keys()
				.map(|(at, item)| crate::Agenda::<Test>::hashed_key_for(at, item).len())
				.sum(),
		];
		let stored = jobs + tasks + keys.iter().sum::<usize>();
		assert!(stored as u64 <= promised, "{stored} bytes stored, {promised} paid");
	});
}
