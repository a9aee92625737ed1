// SPDX-License-Identifier: Apache-2.0

//! Batches, multisignatures and proxies.

use crate::{
	Balance, Balances, OriginCaller, Runtime, RuntimeCall, RuntimeEvent, System, constants::*, weights,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	parameter_types,
	traits::{ConstU32, InstanceFilter},
};
use scale_info::TypeInfo;
use sp_runtime::traits::BlakeTwo256;

parameter_types! {
	/// Held for a pending multisignature: one item of 88 bytes.
	pub const MultisigDepositBase: Balance = deposit(1, 88);
	/// Held in addition per signatory: 32 bytes.
	pub const MultisigDepositFactor: Balance = deposit(0, 32);
	/// Held for having proxies: one item of 8 bytes.
	pub const ProxyDepositBase: Balance = deposit(1, 8);
	/// Held per proxy: 33 bytes.
	pub const ProxyDepositFactor: Balance = deposit(0, 33);
	/// Held for having announcements: one item of 8 bytes.
	pub const AnnouncementDepositBase: Balance = deposit(1, 8);
	/// Held per announcement: 66 bytes.
	pub const AnnouncementDepositFactor: Balance = deposit(0, 66);
}

impl pallet_utility::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type PalletsOrigin = OriginCaller;
	type WeightInfo = weights::pallet_utility::WeightInfo<Runtime>;
}

impl pallet_multisig::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type DepositBase = MultisigDepositBase;
	type DepositFactor = MultisigDepositFactor;
	type MaxSignatories = ConstU32<100>;
	type WeightInfo = weights::pallet_multisig::WeightInfo<Runtime>;
	type BlockNumberProvider = System;
}

/// What a proxy may do for its account. Indices are stored: append only.
#[derive(
	Copy,
	Clone,
	Eq,
	PartialEq,
	Ord,
	PartialOrd,
	Encode,
	Decode,
	DecodeWithMemTracking,
	Debug,
	MaxEncodedLen,
	TypeInfo,
	Default,
)]
pub enum ProxyType {
	/// Everything.
	#[default]
	#[codec(index = 0)]
	Any,
	/// Everything that moves no funds out of the account's hands.
	#[codec(index = 1)]
	NonTransfer,
	/// Run a provider: profile, worker key, pause and resume; never its bond.
	#[codec(index = 2)]
	ProviderOperator,
	/// Submit, cancel and clean up jobs, register and retire programs.
	#[codec(index = 3)]
	Tenant,
	/// Reject announced proxy calls.
	#[codec(index = 4)]
	CancelProxy,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
	fn filter(&self, call: &RuntimeCall) -> bool {
		use pallet_jobs::Call as Jobs;
		use pallet_providers::Call as Providers;
		match self {
			Self::Any => true,
			// Calls are listed one by one, so that a new call is not allowed by accident. Utility's batches check each
			// of their calls against this filter again.
			Self::NonTransfer => {
				matches!(
					call,
					RuntimeCall::System(frame_system::Call::remark { .. })
						| RuntimeCall::Session(_)
						| RuntimeCall::Utility(
							pallet_utility::Call::batch { .. }
								| pallet_utility::Call::batch_all { .. }
								| pallet_utility::Call::force_batch { .. }
						) | RuntimeCall::Multisig(_)
						| RuntimeCall::Proxy(_)
				) || Self::ProviderOperator.filter(call)
			}
			Self::ProviderOperator => matches!(
				call,
				RuntimeCall::Providers(
					Providers::update_profile { .. }
						| Providers::set_worker_key { .. }
						| Providers::pause { .. }
						| Providers::resume { .. }
				)
			),
			Self::Tenant => matches!(
				call,
				RuntimeCall::Jobs(
					Jobs::register_program { .. }
						| Jobs::retire_program { .. }
						| Jobs::submit { .. }
						| Jobs::cancel { .. }
						| Jobs::clean_up { .. }
				)
			),
			Self::CancelProxy => {
				matches!(call, RuntimeCall::Proxy(pallet_proxy::Call::reject_announcement { .. }))
			}
		}
	}

	fn is_superset(&self, other: &Self) -> bool {
		match (self, other) {
			(x, y) if x == y => true,
			(Self::Any, _) => true,
			(_, Self::Any) => false,
			(Self::NonTransfer, Self::ProviderOperator | Self::CancelProxy) => true,
			_ => false,
		}
	}
}

impl pallet_proxy::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type ProxyType = ProxyType;
	type ProxyDepositBase = ProxyDepositBase;
	type ProxyDepositFactor = ProxyDepositFactor;
	type MaxProxies = ConstU32<32>;
	type WeightInfo = weights::pallet_proxy::WeightInfo<Runtime>;
	type MaxPending = ConstU32<32>;
	type CallHasher = BlakeTwo256;
	type AnnouncementDepositBase = AnnouncementDepositBase;
	type AnnouncementDepositFactor = AnnouncementDepositFactor;
	type BlockNumberProvider = System;
}
