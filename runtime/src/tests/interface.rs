// SPDX-License-Identifier: Apache-2.0

//! What clients, wallets and stored calls rely on.

use crate::{AllPalletsWithSystem, RuntimeBlockLength, RuntimeBlockWeights, TxExtension, constants::*};
use frame_support::{dispatch::DispatchClass, traits::PalletsInfoAccess};
use sp_runtime::traits::TransactionExtension;

#[test]
fn pallets_should_keep_their_indices_and_names() {
	let found: Vec<_> = AllPalletsWithSystem::infos().into_iter().map(|p| (p.index, p.name)).collect();
	let mut sorted = found.clone();
	sorted.sort();
	assert_eq!(
		sorted,
		[
			(0, "System"),
			(1, "Timestamp"),
			(2, "Parameters"),
			(3, "Pacing"),
			(10, "Balances"),
			(11, "TransactionPayment"),
			(20, "Babe"),
			(21, "ValidatorSet"),
			(22, "Authorship"),
			(23, "Offences"),
			(24, "Historical"),
			(25, "Session"),
			(26, "Grandpa"),
			(30, "Utility"),
			(31, "Multisig"),
			(32, "Proxy"),
			(40, "Preimage"),
			(41, "Scheduler"),
			(49, "Sudo"),
			(50, "Providers"),
			(51, "Jobs"),
		]
	);
}

#[test]
fn transaction_extensions_should_keep_their_order() {
	let names: Vec<_> = <TxExtension as TransactionExtension<crate::RuntimeCall>>::metadata()
		.into_iter()
		.map(|m| m.identifier)
		.collect();
	assert_eq!(
		names,
		[
			"AuthorizeCall",
			"CheckNonZeroSender",
			"CheckSpecVersion",
			"CheckTxVersion",
			"CheckGenesis",
			"CheckMortality",
			"CheckNonce",
			"CheckWeight",
			"ChargeTransactionPayment",
			"CheckMetadataHash",
			"WeightReclaim",
		]
	);
}

#[test]
fn block_limits_should_leave_room_for_operational_calls() {
	let weights = RuntimeBlockWeights::get();
	let normal = weights.get(DispatchClass::Normal).max_total.unwrap();
	assert_eq!(weights.max_block, MAXIMUM_BLOCK_WEIGHT);
	assert_eq!(normal, NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
	let length = RuntimeBlockLength::get();
	assert!(*length.max.get(DispatchClass::Normal) < *length.max.get(DispatchClass::Operational));
	// A block is computed within a third of a production slot.
	assert!(weights.max_block.ref_time() / 1_000_000_000 <= SLOT_MILLIS / 3);
}
