// SPDX-License-Identifier: Apache-2.0

//! The weights that the runtime charges, one module a pallet.
//!
//! `scripts/weights.sh` replaces a module by what it measures with this runtime. Those that it has not measured yet
//! stand for the pallet's own reference weights with this chain's database weights.

/// Weights of frame_system.
pub mod frame_system {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::frame_system::weights::SubstrateWeight<T>;
}
/// Weights of frame_system_extensions.
pub mod frame_system_extensions {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::frame_system::SubstrateExtensionsWeight<T>;
}
/// Weights of pallet_timestamp.
pub mod pallet_timestamp {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_timestamp::weights::SubstrateWeight<T>;
}
/// Weights of pallet_parameters.
pub mod pallet_parameters {
	use frame_support::{traits::Get, weights::Weight};

	/// The pallet keeps its reference weights private: twice its measured time, and the two database accesses.
	pub struct WeightInfo<T>(core::marker::PhantomData<T>);
	impl<T: frame_system::Config> ::pallet_parameters::WeightInfo for WeightInfo<T> {
		fn set_parameter() -> Weight {
			Weight::from_parts(20_000_000, 4_000).saturating_add(T::DbWeight::get().reads_writes(1, 1))
		}
	}
}
/// Weights of pallet_session.
pub mod pallet_session {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_session::weights::SubstrateWeight<T>;
}
/// Weights of pallet_balances.
pub mod pallet_balances {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_balances::weights::SubstrateWeight<T>;
}
/// Weights of pallet_transaction_payment.
pub mod pallet_transaction_payment {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_transaction_payment::weights::SubstrateWeight<T>;
}
/// Weights of pallet_utility.
pub mod pallet_utility {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_utility::weights::SubstrateWeight<T>;
}
/// Weights of pallet_multisig.
pub mod pallet_multisig {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_multisig::weights::SubstrateWeight<T>;
}
/// Weights of pallet_proxy.
pub mod pallet_proxy {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_proxy::weights::SubstrateWeight<T>;
}
/// Weights of pallet_preimage.
pub mod pallet_preimage {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_preimage::weights::SubstrateWeight<T>;
}
/// Weights of pallet_scheduler.
pub mod pallet_scheduler {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_scheduler::weights::SubstrateWeight<T>;
}
/// Weights of pallet_sudo.
pub mod pallet_sudo {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_sudo::weights::SubstrateWeight<T>;
}
/// Weights of pallet_providers.
pub mod pallet_providers {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_providers::weights::SubstrateWeight<T>;
}
/// Weights of pallet_jobs.
pub mod pallet_jobs {
	/// See the pallet's `WeightInfo`.
	pub type WeightInfo<T> = ::pallet_jobs::weights::SubstrateWeight<T>;
}
