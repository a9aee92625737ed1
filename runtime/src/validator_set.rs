// SPDX-License-Identifier: Apache-2.0

//! The validators, fixed in genesis: the seam at which validators' staking takes over.
//!
//! Nothing else in the runtime knows where validators come from. Session asks here for every session's set; offences
//! are recorded against it with historical proofs, so that equivocations of today can be slashed once there is stake.

use alloc::vec::Vec;
use frame_support::traits::Get;
use pallet_session::historical;
use sp_runtime::traits::Convert;
use sp_staking::SessionIndex;

pub use pallet::*;

/// The most validators that a chain can have.
pub const MAX_VALIDATORS: u32 = 100;

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
	use super::MAX_VALIDATORS;
	use alloc::{collections::BTreeSet, vec::Vec};
	use frame_support::pallet_prelude::*;

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// The validators' accounts.
	#[pallet::storage]
	pub type Validators<T: Config> =
		StorageValue<_, BoundedVec<T::AccountId, ConstU32<MAX_VALIDATORS>>, ValueQuery>;

	/// What a chain specification says.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// The validators' accounts; each needs session keys in `session.keys`.
		pub validators: Vec<T::AccountId>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			let distinct: BTreeSet<_> = self.validators.iter().collect();
			assert_eq!(
				distinct.len(),
				self.validators.len(),
				"validatorSet.validators: an account stands there twice"
			);
			let validators = self
				.validators
				.clone()
				.try_into()
				.expect("validatorSet.validators: more than a chain can have");
			Validators::<T>::put::<BoundedVec<_, _>>(validators);
		}
	}
}

impl<T: Config> Pallet<T> {
	fn all() -> Option<Vec<T::AccountId>> {
		let validators = Validators::<T>::get().into_inner();
		(!validators.is_empty()).then_some(validators)
	}
}

impl<T: Config> pallet_session::SessionManager<T::AccountId> for Pallet<T> {
	fn new_session(_: SessionIndex) -> Option<Vec<T::AccountId>> {
		Self::all()
	}
	fn start_session(_: SessionIndex) {}
	fn end_session(_: SessionIndex) {}
}

impl<T: Config> historical::SessionManager<T::AccountId, ()> for Pallet<T> {
	fn new_session(_: SessionIndex) -> Option<Vec<(T::AccountId, ())>> {
		Self::all().map(|all| all.into_iter().map(|v| (v, ())).collect())
	}
	fn start_session(_: SessionIndex) {}
	fn end_session(_: SessionIndex) {}
}

/// A validator is identified by its account alone.
pub struct UnitIdentification;
impl<AccountId> Convert<AccountId, Option<()>> for UnitIdentification {
	fn convert(_: AccountId) -> Option<()> {
		Some(())
	}
}

/// [`MAX_VALIDATORS`] as a type.
pub struct MaxValidators;
impl Get<u32> for MaxValidators {
	fn get() -> u32 {
		MAX_VALIDATORS
	}
}
