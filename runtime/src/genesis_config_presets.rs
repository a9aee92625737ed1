// SPDX-License-Identifier: Apache-2.0

//! The chains that this runtime knows how to start: `development` (one validator) and `local_testnet` (two). Both have
//! well-known keys and sudo; no other preset exists, and a test proves that sudo has a key in none but these.

use crate::{
	AccountId, BABE_GENESIS_EPOCH_CONFIG, BabeConfig, Balance, BalancesConfig, PacingConfig,
	RuntimeGenesisConfig, SessionConfig, SessionKeys, SudoConfig, ValidatorSetConfig,
	configs::money::TreasuryAccount, constants::*,
};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use sp_genesis_builder::PresetId;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// What every well-known account is endowed with.
const ENDOWMENT: Balance = 1_000_000 * TESS;

/// How fast a preset's chain goes.
struct Pace {
	slot_millis: u64,
	epoch_slots: u64,
}

fn genesis(
	validators: Vec<(Sr25519Keyring, Ed25519Keyring)>,
	endowed: Vec<AccountId>,
	sudo: AccountId,
	pace: Pace,
) -> serde_json::Value {
	let account = |v: &(Sr25519Keyring, Ed25519Keyring)| v.0.to_account_id();
	let balances = endowed
		.into_iter()
		.map(|who| (who, ENDOWMENT))
		.chain([(TreasuryAccount::get(), EXISTENTIAL_DEPOSIT)])
		.collect::<Vec<_>>();
	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig { balances },
		pacing: PacingConfig { slot_millis: pace.slot_millis, epoch_slots: pace.epoch_slots },
		babe: BabeConfig { epoch_config: BABE_GENESIS_EPOCH_CONFIG },
		validator_set: ValidatorSetConfig { validators: validators.iter().map(account).collect::<Vec<_>>() },
		session: SessionConfig {
			keys: validators
				.iter()
				.map(|v| {
					let keys = SessionKeys { babe: v.0.public().into(), grandpa: v.1.public().into() };
					(account(v), account(v), keys)
				})
				.collect::<Vec<_>>(),
		},
		sudo: SudoConfig { key: Some(sudo) },
	})
}

fn well_known() -> Vec<AccountId> {
	Sr25519Keyring::well_known().map(|k| k.to_account_id()).collect()
}

/// One validator, slots of a second: the shortest that two busy cores bear stably beside a worker on a software GPU.
fn development() -> serde_json::Value {
	genesis(
		vec![(Sr25519Keyring::Alice, Ed25519Keyring::Alice)],
		well_known(),
		Sr25519Keyring::Alice.to_account_id(),
		Pace { slot_millis: 1_000, epoch_slots: 60 },
	)
}

/// Two validators at a production chain's pace, with shorter epochs.
fn local_testnet() -> serde_json::Value {
	genesis(
		vec![(Sr25519Keyring::Alice, Ed25519Keyring::Alice), (Sr25519Keyring::Bob, Ed25519Keyring::Bob)],
		well_known(),
		Sr25519Keyring::Alice.to_account_id(),
		Pace { slot_millis: SLOT_MILLIS, epoch_slots: 40 },
	)
}

/// The preset of this name as JSON.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let patch = match id.as_ref() {
		sp_genesis_builder::DEV_RUNTIME_PRESET => development(),
		sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET => local_testnet(),
		_ => return None,
	};
	Some(serde_json::to_string(&patch).expect("a JSON value always serialises").into_bytes())
}

/// Names of all presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![
		PresetId::from(sp_genesis_builder::DEV_RUNTIME_PRESET),
		PresetId::from(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET),
	]
}
