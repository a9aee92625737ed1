// SPDX-License-Identifier: Apache-2.0

//! What governance needs under it: preimages and a scheduler, and sudo for development chains.

use crate::{
	AccountId, Balance, Balances, OriginCaller, Preimage, Runtime, RuntimeBlockWeights, RuntimeCall,
	RuntimeEvent, RuntimeHoldReason, RuntimeOrigin, System, constants::*, weights,
};
use frame_support::{
	parameter_types,
	traits::{ConstU32, EqualPrivilegeOnly, LinearStoragePrice, fungible::HoldConsideration},
	weights::Weight,
};
use frame_system::EnsureRoot;
use sp_runtime::Perbill;

parameter_types! {
	/// Share of a block that scheduled calls may use.
	pub MaximumSchedulerWeight: Weight = Perbill::from_percent(60) * RuntimeBlockWeights::get().max_block;
	/// Held for a preimage.
	pub const PreimageHoldReason: RuntimeHoldReason =
		RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
	/// Price of storage, first term.
	pub const StorageBase: Balance = DEPOSIT_PER_ITEM;
	/// Price of storage, per byte.
	pub const StorageByte: Balance = DEPOSIT_PER_BYTE;
}

/// The price of stored bytes, for every deposit that is a consideration.
pub type StoragePrice = LinearStoragePrice<StorageBase, StorageByte, Balance>;

impl pallet_preimage::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = weights::pallet_preimage::WeightInfo<Runtime>;
	type Currency = Balances;
	type ManagerOrigin = EnsureRoot<AccountId>;
	type Consideration = HoldConsideration<AccountId, Balances, PreimageHoldReason, StoragePrice>;
}

impl pallet_scheduler::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeOrigin = RuntimeOrigin;
	type PalletsOrigin = OriginCaller;
	type RuntimeCall = RuntimeCall;
	type MaximumWeight = MaximumSchedulerWeight;
	type ScheduleOrigin = EnsureRoot<AccountId>;
	type OriginPrivilegeCmp = EqualPrivilegeOnly;
	type MaxScheduledPerBlock = ConstU32<50>;
	type WeightInfo = weights::pallet_scheduler::WeightInfo<Runtime>;
	type Preimages = Preimage;
	type BlockNumberProvider = System;
}

impl pallet_sudo::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type WeightInfo = weights::pallet_sudo::WeightInfo<Runtime>;
}
