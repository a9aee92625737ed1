// SPDX-License-Identifier: Apache-2.0

//! Orders: the signed bodies of feeless calls.
//!
//! A feeless call carries an order and an sr25519 signature of the provider's worker key over [`signing_hash`]. The
//! hash binds the kind of order and the genesis block; orders bind the provider, the tasks and their attempts, and the
//! last block at which they count. So no signature works on another chain, for another call, or after a task was
//! opened again.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
use sp_core::H256;

use crate::{
	job::HandBackReason,
	limits::MaxList,
	types::{Balance, JobId, TaskIndex},
};

/// Signature of a worker key.
pub type WorkerSignature = sp_core::sr25519::Signature;

/// An order that a worker key signs.
pub trait Order: Encode {
	/// Domain of the signature, unique per kind of order.
	const CONTEXT: &'static [u8];
}

/// What a worker key signs: BLAKE2-256 of the order's context, the genesis hash and the encoded order.
pub fn signing_hash<O: Order>(genesis: &H256, order: &O) -> [u8; 32] {
	sp_crypto_hashing::blake2_256(&(O::CONTEXT, genesis, order).encode())
}

/// Says that a provider is there. At most one counts per window.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct HeartbeatOrder<AccountId> {
	/// Who.
	pub provider: AccountId,
	/// The current window: the current tick divided by the window's length in ticks.
	pub window: u32,
}

/// Takes tasks, each at a least price. Each task of the list stands or falls alone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct AcceptOrder<AccountId, BlockNumber> {
	/// Who.
	pub provider: AccountId,
	/// How many accept orders of this provider have been included before.
	pub counter: u32,
	/// Last block at which this order counts.
	pub last_block: BlockNumber,
	/// What is taken; no task twice.
	pub tasks: BoundedVec<AcceptItem, MaxList>,
}

/// One task to take.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AcceptItem {
	/// The job.
	pub job: JobId,
	/// The task.
	pub task: TaskIndex,
	/// Its attempt: how often it was opened again.
	pub attempt: u32,
	/// Least price, planck: below it the item fails.
	pub min_price: Balance,
}

/// Commits to the results of tasks. Each task of the list stands or falls alone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ClaimOrder<AccountId, BlockNumber> {
	/// Who.
	pub provider: AccountId,
	/// Last block at which this order counts.
	pub last_block: BlockNumber,
	/// The claims; no task twice.
	pub claims: BoundedVec<ClaimItem, MaxList>,
}

/// One task's claim.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ClaimItem {
	/// The job.
	pub job: JobId,
	/// The task.
	pub task: TaskIndex,
	/// Its attempt.
	pub attempt: u32,
	/// BLAKE3 hash of the task's [`crate::job::ClaimList`].
	pub root: H256,
	/// Bytes of all output buffers together: must be what the job says.
	pub output_bytes: u64,
}

/// Gives tasks back. Each task of the list stands or falls alone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct HandBackOrder<AccountId, BlockNumber> {
	/// Who.
	pub provider: AccountId,
	/// Last block at which this order counts.
	pub last_block: BlockNumber,
	/// The tasks; no task twice.
	pub tasks: BoundedVec<HandBackItem, MaxList>,
}

/// One task to hand back.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct HandBackItem {
	/// The job.
	pub job: JobId,
	/// The task.
	pub task: TaskIndex,
	/// Its attempt.
	pub attempt: u32,
	/// Why.
	pub reason: HandBackReason,
}

impl<A: Encode> Order for HeartbeatOrder<A> {
	const CONTEXT: &'static [u8] = b"tessera/heartbeat/1";
}
impl<A: Encode, B: Encode> Order for AcceptOrder<A, B> {
	const CONTEXT: &'static [u8] = b"tessera/accept/1";
}
impl<A: Encode, B: Encode> Order for ClaimOrder<A, B> {
	const CONTEXT: &'static [u8] = b"tessera/claim/1";
}
impl<A: Encode, B: Encode> Order for HandBackOrder<A, B> {
	const CONTEXT: &'static [u8] = b"tessera/hand-back/1";
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn signing_hash_should_differ_when_genesis_context_or_order_differ() {
		let order = ClaimOrder { provider: 1u64, last_block: 2u32, claims: Default::default() };
		let same_bytes = HandBackOrder { provider: 1u64, last_block: 2u32, tasks: Default::default() };
		let (g1, g2) = (H256::repeat_byte(1), H256::repeat_byte(2));
		assert_eq!(order.encode(), same_bytes.encode());
		assert_ne!(signing_hash(&g1, &order), signing_hash(&g1, &same_bytes));
		assert_ne!(signing_hash(&g1, &order), signing_hash(&g2, &order));
		let later = ClaimOrder { last_block: 3, ..order.clone() };
		assert_ne!(signing_hash(&g1, &order), signing_hash(&g1, &later));
	}
}
