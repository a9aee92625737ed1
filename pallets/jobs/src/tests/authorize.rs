// SPDX-License-Identifier: Apache-2.0

//! What the pool is told, apart from the reasons of single tasks.

use super::*;
use codec::Encode;
use sp_core::Pair;
use tessera_primitives::orders::signing_hash;

#[test]
fn order_should_be_refused_when_its_last_block_has_passed_or_is_too_far() {
	with_program(|| {
		let id = submit(1);
		for _ in 0..9 {
			next_block();
		}
		let block = System::block_number();
		let with = |last_block| {
			let order = Accept { last_block, ..accept_order(P1, vec![accept_item(id, 0, 0)]) };
			validate(&accept_call(order))
		};
		assert_eq!(with(block - 1), Err(refused(codes::ORDER_EXPIRED)));
		assert_eq!(with(block + 17), Err(refused(codes::ORDER_TOO_LONG)));
		assert_eq!(with(block).unwrap().longevity, 0);
		assert_eq!(with(block + 16).unwrap().longevity, 16);
	});
}

#[test]
fn order_should_be_refused_when_the_list_is_empty_or_names_a_task_twice() {
	with_program(|| {
		let id = submit(2);
		let reasons = |n: usize| {
			let items = vec![accept_item(id, 0, 0); n];
			let claims = vec![claim_item(id, 0, 0); n];
			let returned = vec![hand_back_item(id, 0, 0, HandBackReason::Faulted); n];
			[
				validate(&accept_call(accept_order(P1, items))).unwrap_err(),
				validate(&claim_call(claim_order(P1, claims))).unwrap_err(),
				validate(&hand_back_call(hand_back_order(P1, returned))).unwrap_err(),
			]
		};
		assert_eq!(reasons(0), [refused(codes::EMPTY); 3]);
		assert_eq!(reasons(2), [refused(codes::DUPLICATE); 3]);
	});
}

#[test]
fn order_should_be_refused_when_the_provider_is_unknown() {
	with_program(|| {
		let id = submit(1);
		let call = accept_call(accept_order(NOBODY, vec![accept_item(id, 0, 0)]));
		assert_eq!(validate(&call), Err(refused(codes::NO_WORKER_KEY)));
	});
}

#[test]
fn order_should_be_refused_when_the_signature_is_not_the_worker_keys() {
	with_program(|| {
		let id = submit(2);
		let order = accept_order(P1, vec![accept_item(id, 0, 0)]);
		let call = |order: &Accept, signature| {
			RuntimeCall::Jobs(crate::Call::accept { order: order.clone(), signature })
		};
		let bad = Err(InvalidTransaction::BadProof.into());
		assert_eq!(validate(&call(&order, sign(P2, &order))), bad);
		// One changed field.
		let other = Accept { tasks: vec![accept_item(id, 1, 0)].try_into().unwrap(), ..order.clone() };
		assert_eq!(validate(&call(&other, sign(P1, &order))), bad);
		// Another chain.
		let elsewhere = pair(P1).sign(&signing_hash(&H256::repeat_byte(1), &order));
		assert_eq!(validate(&call(&order, elsewhere)), bad);
		// Another kind of order.
		let claim = claim_order(P1, vec![]);
		let signature = sign(P1, &hand_back_order(P1, vec![]));
		let call = RuntimeCall::Jobs(crate::Call::claim {
			order: Claim { claims: vec![claim_item(id, 0, 0)].try_into().unwrap(), ..claim },
			signature,
		});
		assert_eq!(validate(&call), bad);
	});
}

#[test]
fn order_should_be_refused_when_the_worker_key_was_changed() {
	with_program(|| {
		let id = submit(1);
		let call = accept_call(accept_order(P1, vec![accept_item(id, 0, 0)]));
		assert_ok!(validate(&call));
		Records::mutate_extant(P1, |r| r.key = pair(P2).public());
		assert_eq!(validate(&call), Err(InvalidTransaction::BadProof.into()));
	});
}

#[test]
fn accept_order_should_be_refused_when_the_counter_is_not_next() {
	with_program(|| {
		let id = submit(1);
		let order = accept_order(P1, vec![accept_item(id, 0, 0)]);
		let with = |counter| validate(&accept_call(Accept { counter, ..order.clone() }));
		assert_ok!(with(0));
		assert_eq!(with(1), Err(refused(codes::WRONG_COUNTER)));
	});
}

fn accept_tag(job: H256, task: u32, attempt: u32) -> Vec<u8> {
	("tessera/accept", ((job, task), attempt)).encode()
}

#[test]
fn accept_order_should_provide_tags_for_its_counter_and_the_tasks_that_can_be_taken() {
	with_program(|| {
		let id = submit(3);
		accept(P2, id, 1, 0);
		let items = (0..3).map(|task| accept_item(id, task, 0)).collect();
		let valid = validate(&accept_call(accept_order(P1, items))).unwrap();
		let counter = ("tessera/accept", (P1, 0u32)).encode();
		assert_eq!(valid.provides, [counter, accept_tag(id, 0, 0), accept_tag(id, 2, 0)]);
		assert!(valid.requires.is_empty());
		assert!(valid.propagate);
	});
}

#[test]
fn accept_order_should_not_hold_tags_beyond_its_bond() {
	with_program(|| {
		let id = submit(100);
		Records::mutate_extant(P1, |r| r.bond = 2_999);
		let items = (0..100).map(|task| accept_item(id, task, 0)).collect();
		let valid = validate(&accept_call(accept_order(P1, items))).unwrap();
		assert_eq!(valid.provides.len(), 1 + 2);
	});
}

#[test]
fn accept_orders_should_compete_by_the_tag_of_the_task() {
	with_program(|| {
		let id = submit(1);
		let provides = |provider| {
			validate(&accept_call(accept_order(provider, vec![accept_item(id, 0, 0)]))).unwrap().provides
		};
		let (first, second) = (provides(P1), provides(P2));
		assert!(first.contains(&accept_tag(id, 0, 0)) && second.contains(&accept_tag(id, 0, 0)));
		assert_ne!(first[0], second[0]);
	});
}

#[test]
fn accept_orders_should_rank_by_seed_provider_and_task() {
	with_program(|| {
		let id = submit(20);
		let rank = |provider, tasks: Vec<u32>| {
			let items = tasks.into_iter().map(|task| accept_item(id, task, 0)).collect();
			validate(&accept_call(accept_order(provider, items))).unwrap().priority
		};
		let single = rank(P1, vec![0]);
		assert_eq!(single, rank(P1, vec![0]));
		assert_ne!(single, rank(P2, vec![0]));
		assert_ne!(single, rank(P1, vec![1]));
		// A list ranks as its lowest task, in whatever order.
		let lowest = (0..20).map(|task| rank(P1, vec![task])).min().unwrap();
		assert_eq!(rank(P1, (0..20).collect()), lowest);
		assert_eq!(rank(P1, (0..20).rev().collect()), lowest);
		assert!(lowest < 1 << 63, "below claims");
		AcceptSeed::set([8; 32]);
		assert_ne!(single, rank(P1, vec![0]), "the next epoch decides anew");
	});
}

#[test]
fn claims_and_hand_backs_should_rank_first_and_provide_a_tag_per_attempt() {
	with_program(|| {
		let id = submit(2);
		accept(P1, id, 0, 0);
		let claims = vec![claim_item(id, 1, 0), claim_item(id, 0, 0)];
		let valid = validate(&claim_call(claim_order(P1, claims))).unwrap();
		assert_eq!(valid.provides, [("tessera/claim", ((id, 0u32), 0u32)).encode()]);
		assert_eq!(valid.priority, u64::MAX);
		let items = vec![hand_back_item(id, 0, 0, HandBackReason::Faulted)];
		let valid = validate(&hand_back_call(hand_back_order(P1, items))).unwrap();
		assert_eq!(valid.provides, [("tessera/hand-back", ((id, 0u32), 0u32)).encode()]);
		assert_eq!(valid.longevity, 5);
	});
}

#[test]
fn order_should_be_refused_with_the_first_reason_when_no_task_can_go_through() {
	with_program(|| {
		let id = submit(1);
		accept(P1, id, 0, 0);
		let items = vec![accept_item(id, 0, 0), accept_item(id, 5, 0)];
		let call = accept_call(accept_order(P2, items));
		assert_eq!(validate(&call), Err(refused(64)), "taken");
		let call = claim_call(claim_order(P2, vec![claim_item(id, 0, 0)]));
		assert_eq!(validate(&call), Err(refused(69)), "another provider's");
	});
}

#[test]
fn codes_should_be_distinct_and_within_the_range_of_this_pallet() {
	use SkipReason::*;
	let reasons = [
		UnknownJob,
		UnknownTask,
		WrongAttempt,
		JobClosed,
		NotOpen,
		PriceBelowMinimum,
		Barred,
		NotAccepted,
		OtherProvider,
		DeadlinePassed,
		WrongOutputLength,
		FetchWindowOver,
		DeadlineNotPassed,
		NotClaimed,
		WindowNotOver,
		Bookkeeping,
		Ineligible(super::Ineligible::NotRegistered),
		Ineligible(super::Ineligible::Paused),
		Ineligible(super::Ineligible::Offline),
		Ineligible(super::Ineligible::Region),
		Ineligible(super::Ineligible::Adapter),
		Ineligible(super::Ineligible::Collateral),
	];
	let own = [
		codes::EMPTY,
		codes::DUPLICATE,
		codes::ORDER_EXPIRED,
		codes::ORDER_TOO_LONG,
		codes::NO_WORKER_KEY,
		codes::WRONG_COUNTER,
	];
	let all: std::collections::BTreeSet<u8> = reasons.iter().map(|reason| reason.code()).chain(own).collect();
	assert_eq!(all.len(), reasons.len() + own.len());
	assert!(all.iter().all(|code| (50..=99).contains(code)));
	// The stored index of a reason is what its code says.
	for reason in reasons {
		let encoded = reason.encode();
		let expected = match reason {
			Ineligible(_) => codes::INELIGIBLE + encoded[1],
			_ => codes::SKIPPED + encoded[0],
		};
		assert_eq!(reason.code(), expected, "{reason:?}");
	}
}

#[test]
fn errors_should_name_the_same_as_the_reasons() {
	let name = |reason: SkipReason| Error::<Test>::from(reason).as_str();
	assert_eq!(name(SkipReason::NotOpen), "TaskNotOpen");
	assert_eq!(name(SkipReason::Ineligible(Ineligible::Collateral)), "CollateralNotCovered");
	assert_eq!(name(SkipReason::WindowNotOver), "WindowNotOver");
}
