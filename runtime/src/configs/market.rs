// SPDX-License-Identifier: Apache-2.0

//! Providers and jobs, wired together through the traits of `tessera-primitives`.

use crate::{
	AccountId, Balances, Jobs, Providers, Runtime, RuntimeHoldReason,
	configs::{governance::StoragePrice, money::TreasuryAccount},
	params, weights,
};
use frame_support::{
	parameter_types,
	traits::{Get, fungible::HoldConsideration, tokens::imbalance::ResolveTo},
};
use sp_runtime::Perbill;

parameter_types! {
	/// Deposit for a provider's profile.
	pub const ProfileHoldReason: RuntimeHoldReason =
		RuntimeHoldReason::Providers(pallet_providers::HoldReason::Profile);
	/// Deposit for a program's record.
	pub const ProgramHoldReason: RuntimeHoldReason = RuntimeHoldReason::Jobs(pallet_jobs::HoldReason::ProgramDeposit);
	/// Deposit for a job's records.
	pub const JobHoldReason: RuntimeHoldReason = RuntimeHoldReason::Jobs(pallet_jobs::HoldReason::JobDeposit);
	/// Blocks ahead to which an order may count.
	pub const MaxOrderBlocks: u32 = 256;
	/// Share of a block that due tasks may take in the hook; anybody may settle the rest by a call.
	pub const HookShare: Perbill = Perbill::from_percent(15);
}

/// Ticks after the last heartbeat at which a provider counts as offline: never less than two windows, whatever
/// governance set, so that a provider that sends one heartbeat a window is always online.
pub struct HeartbeatExpiry;
impl Get<u32> for HeartbeatExpiry {
	fn get() -> u32 {
		let two_windows = params::providers::HeartbeatWindow::get().saturating_mul(2);
		params::providers::HeartbeatExpiry::get().max(two_windows)
	}
}

impl pallet_providers::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Consideration = HoldConsideration<AccountId, Balances, ProfileHoldReason, StoragePrice>;
	type Clock = Jobs;
	type MinBond = params::providers::MinBond;
	type UnbondingTicks = params::providers::UnbondingTicks;
	type HeartbeatWindow = params::providers::HeartbeatWindow;
	type HeartbeatExpiry = HeartbeatExpiry;
	type WeightInfo = weights::pallet_providers::WeightInfo<Runtime>;
}

/// The randomness of BABE's current epoch: unknown before the epoch, so that nobody can choose a task or account that
/// comes first.
pub struct EpochSeed;
impl Get<[u8; 32]> for EpochSeed {
	fn get() -> [u8; 32] {
		pallet_babe::Randomness::<Runtime>::get()
	}
}

impl pallet_jobs::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type ProgramConsideration = HoldConsideration<AccountId, Balances, ProgramHoldReason, StoragePrice>;
	type JobConsideration = HoldConsideration<AccountId, Balances, JobHoldReason, StoragePrice>;
	type JobDeposit = StoragePrice;
	type Providers = Providers;
	type OnCut = ResolveTo<TreasuryAccount, Balances>;
	type AcceptSeed = EpochSeed;
	type ProtocolCut = params::jobs::ProtocolCut;
	type FeeFloorBase = params::jobs::FeeFloorBase;
	type FeeFloorPerTick = params::jobs::FeeFloorPerTick;
	type ExpiryPenalty = params::jobs::ExpiryPenalty;
	type HandBackPenalty = params::jobs::HandBackPenalty;
	type FetchWindow = params::jobs::FetchWindow;
	type ChallengeTicks = params::jobs::ChallengeTicks;
	type MaxAttempts = params::jobs::MaxAttempts;
	type MaxExecutionTicks = params::jobs::MaxExecutionTicks;
	type MaxLifetimeTicks = params::jobs::MaxLifetimeTicks;
	type RetentionTicks = params::jobs::RetentionTicks;
	type FullBlock = params::jobs::FullBlock;
	type MaxStalledBlocks = params::jobs::MaxStalledBlocks;
	type MaxOrderBlocks = MaxOrderBlocks;
	type HookShare = HookShare;
	type WeightInfo = weights::pallet_jobs::WeightInfo<Runtime>;
}
