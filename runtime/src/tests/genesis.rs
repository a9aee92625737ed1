// SPDX-License-Identifier: Apache-2.0

//! Genesis presets.

use super::{development, ext_of};
use crate::{Balances, Runtime, constants::*, genesis_config_presets as presets, pacing, validator_set};
use frame_support::traits::Get;

const DEVELOPMENT_PRESETS: [&str; 2] = ["development", "local_testnet"];

#[test]
fn sudo_should_have_a_key_in_development_presets_only() {
	for id in presets::preset_names() {
		let is_development = DEVELOPMENT_PRESETS.contains(&id.as_ref());
		ext_of(&presets::get_preset(&id).unwrap()).execute_with(|| {
			assert_eq!(pallet_sudo::Key::<Runtime>::get().is_some(), is_development, "{id:?}");
		});
	}
	ext_of(b"{}").execute_with(|| assert_eq!(pallet_sudo::Key::<Runtime>::get(), None));
}

#[test]
fn preset_should_be_unknown_when_it_is_not_listed() {
	assert!(presets::get_preset(&"production".into()).is_none());
}

#[test]
fn presets_should_start_their_validators_and_pace() {
	for (id, validators, slot, epoch) in [("development", 1, 1_000, 60), ("local_testnet", 2, 3_000, 40)] {
		ext_of(&presets::get_preset(&id.into()).unwrap()).execute_with(|| {
			assert_eq!(validator_set::Validators::<Runtime>::get().len(), validators);
			assert_eq!(pallet_session::Validators::<Runtime>::get().len(), validators);
			assert_eq!(pallet_session::QueuedKeys::<Runtime>::get().len(), validators);
			assert_eq!(crate::Babe::authorities().len(), validators);
			assert_eq!(crate::Grandpa::grandpa_authorities().len(), validators);
			assert_eq!(crate::Babe::slot_duration(), slot);
			assert_eq!(pacing::Epoch::<Runtime>::get(), epoch);
		});
	}
}

#[test]
fn genesis_should_have_a_production_pace_when_nothing_is_said() {
	ext_of(b"{}").execute_with(|| {
		assert_eq!(crate::Babe::slot_duration(), SLOT_MILLIS);
		assert_eq!(pacing::Epoch::<Runtime>::get(), EPOCH_SLOTS);
	});
}

#[test]
#[should_panic(expected = "pacing.slotMillis")]
fn genesis_should_be_refused_when_slots_are_too_short() {
	ext_of(br#"{ "pacing": { "slotMillis": 50 } }"#);
}

#[test]
fn treasury_should_exist_from_genesis() {
	development().execute_with(|| {
		let treasury = crate::configs::money::TreasuryAccount::get();
		assert_eq!(Balances::free_balance(treasury), EXISTENTIAL_DEPOSIT);
	});
}
