// SPDX-License-Identifier: Apache-2.0

//! One file per call. Every test ends in a check of all invariants.

mod accept;
mod agenda;
mod authorize;
mod cancel;
mod claim;
mod clean_up;
mod clock;
mod close;
mod escrow;
mod expire;
mod hand_back;
mod invariants;
mod queries;
mod register_program;
mod retire_program;
mod settle;
mod submit;

pub use crate::{Error, Event, SkipReason, codes, mock::*};
pub use frame_support::{assert_noop, assert_ok, weights::Weight};
pub use sp_core::H256;
pub use sp_runtime::{
	DispatchError, Permill,
	transaction_validity::{InvalidTransaction, TransactionValidityError},
};
pub use tessera_primitives::{
	Balance,
	job::{EndReason, HandBackReason, TaskState},
	provider::Ineligible,
};

/// A refusal by the pool with one of our codes.
pub fn refused(code: u8) -> TransactionValidityError {
	InvalidTransaction::Custom(code).into()
}

/// A refusal because no task of the list can go through.
pub fn skipped(reason: SkipReason) -> TransactionValidityError {
	refused(reason.code())
}
