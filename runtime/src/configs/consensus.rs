// SPDX-License-Identifier: Apache-2.0

//! BABE and GRANDPA over a fixed set of validators; equivocations are proven and recorded.

use crate::{
	AccountId, Babe, Balances, Historical, Offences, Runtime, RuntimeEvent, SessionKeys, ValidatorSet,
	constants::*, pacing, validator_set, weights,
};
use frame_support::{
	parameter_types,
	traits::{ConstU32, ConstU64, KeyOwnerProofSystem},
};
use pallet_session::historical as session_historical;
use sp_core::crypto::KeyTypeId;
use sp_runtime::traits::ConvertInto;

parameter_types! {
	/// Blocks for which an equivocation can be reported.
	pub const ReportLongevity: u64 = 28 * DAY as u64;
	/// Held from whoever registers session keys.
	pub const SessionKeyDeposit: crate::Balance = deposit(2, 128);
}

impl pallet_babe::Config for Runtime {
	type EpochDuration = pacing::Epoch<Runtime>;
	type ExpectedBlockTime = pacing::Slot<Runtime>;
	// Session decides when an epoch ends.
	type EpochChangeTrigger = pallet_babe::ExternalTrigger;
	type DisabledValidators = crate::Session;
	type WeightInfo = ();
	type MaxAuthorities = validator_set::MaxValidators;
	type MaxNominators = ConstU32<0>;
	type KeyOwnerProof =
		<Historical as KeyOwnerProofSystem<(KeyTypeId, sp_consensus_babe::AuthorityId)>>::Proof;
	type EquivocationReportSystem =
		pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_grandpa::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = ();
	type MaxAuthorities = validator_set::MaxValidators;
	type MaxNominators = ConstU32<0>;
	// Sessions for which an equivocation can be proven: 28 days of production sessions (10 minutes each).
	type MaxSetIdSessionEntries = ConstU64<{ 28 * 24 * 6 }>;
	type KeyOwnerProof =
		<Historical as KeyOwnerProofSystem<(KeyTypeId, sp_consensus_grandpa::AuthorityId)>>::Proof;
	type EquivocationReportSystem =
		pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_authorship::Config for Runtime {
	type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
	type EventHandler = ();
}

impl pallet_offences::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type IdentificationTuple = session_historical::IdentificationTuple<Self>;
	// Recorded with proof; slashed once validators have stake.
	type OnOffenceHandler = ();
}

impl session_historical::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type FullIdentification = ();
	type FullIdentificationOf = validator_set::UnitIdentification;
}

impl pallet_session::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type ValidatorId = AccountId;
	type ValidatorIdOf = ConvertInto;
	type ShouldEndSession = Babe;
	type NextSessionRotation = Babe;
	type SessionManager = session_historical::NoteHistoricalRoot<Self, ValidatorSet>;
	type SessionHandler = <SessionKeys as sp_runtime::traits::OpaqueKeys>::KeyTypeIdProviders;
	type Keys = SessionKeys;
	type DisablingStrategy = pallet_session::disabling::UpToLimitWithReEnablingDisablingStrategy;
	type WeightInfo = weights::pallet_session::WeightInfo<Runtime>;
	type Currency = Balances;
	type KeyDeposit = SessionKeyDeposit;
}

impl validator_set::Config for Runtime {}
