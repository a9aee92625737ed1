// SPDX-License-Identifier: Apache-2.0

//! Corners of paying out of escrow that no call reaches with ordinary accounts.

use super::*;
use frame_support::traits::fungible::Mutate;

/// A claimed task at a price of 35 whose provider's account is as given, due at tick 5.
fn claimed_by(provider: AccountId, price: Balance) -> H256 {
	let id = submit_as(
		ALICE,
		1,
		tessera_primitives::job::JobRequest { opening_price: price, ceiling_price: price, ..request(1) },
	);
	accept(provider, id, 0, 0);
	claim(provider, id, 0, 0);
	id
}

#[test]
fn pay_should_create_the_providers_account_when_it_is_gone_and_the_amount_suffices() {
	with_program(|| {
		Records::insert(NOBODY, record(NOBODY));
		claimed_by(NOBODY, 1_000);
		run_to(5);
		assert_eq!(free(NOBODY), 950);
	});
}

#[test]
fn pay_should_go_to_the_treasury_when_the_providers_account_cannot_take_it() {
	with_program(|| {
		FeeFloorBase::set(0);
		FeeFloorPerTick::set(0);
		Records::insert(NOBODY, record(NOBODY));
		let id = claimed_by(NOBODY, ED);
		run_to(5);
		// Nobody's account cannot hold less than the existential deposit; Alice must not wait for it.
		assert_eq!(free(NOBODY), 0);
		assert_eq!(free(TREASURY), FUNDS + ED);
		assert_eq!(escrow_of(ALICE), 0);
		let settled = Event::TaskSettled { job: id, task: 0, provider: NOBODY, paid: 0, cut: 1, refunded: 0 };
		assert!(events().contains(&settled));
	});
}

#[test]
fn cut_should_be_burnt_when_the_treasury_cannot_take_it() {
	with_program(|| {
		let issuance = Balances::total_issuance();
		Balances::burn_from(
			&TREASURY,
			FUNDS,
			frame_support::traits::tokens::Preservation::Expendable,
			frame_support::traits::tokens::Precision::Exact,
			frame_support::traits::tokens::Fortitude::Force,
		)
		.unwrap();
		claimed_by(P1, 100);
		run_to(5);
		assert_eq!(free(P1), FUNDS + 95);
		assert_eq!(free(TREASURY), 0);
		assert_eq!(Balances::total_issuance(), issuance - FUNDS - 5);
		// Back to what the invariants expect.
		Balances::mint_into(&TREASURY, FUNDS + 5).unwrap();
	});
}

#[test]
fn share_should_be_rounded_up_and_never_exceed_the_amount() {
	use crate::types::{expiry_penalty, share_of};
	let percent = Permill::from_percent;
	assert_eq!(share_of(percent(5), 0), 0);
	assert_eq!(share_of(percent(5), 1), 1);
	assert_eq!(share_of(percent(5), 100), 5);
	assert_eq!(share_of(percent(5), 101), 6);
	assert_eq!(share_of(percent(0), u128::MAX), 0);
	assert_eq!(share_of(percent(100), u128::MAX), u128::MAX);
	assert_eq!(expiry_penalty(percent(20), 101, 0), 21);
	assert_eq!(expiry_penalty(percent(20), 101, 1), 42);
	assert_eq!(expiry_penalty(percent(20), 101, 9), 101);
	assert_eq!(expiry_penalty(percent(20), u128::MAX, u32::MAX), u128::MAX);
}
