// SPDX-License-Identifier: Apache-2.0

//! Tests of the composition: what no pallet can test alone.

mod genesis;
mod interface;
mod market;

use crate::{Jobs, RuntimeOrigin, System};
use frame_support::{traits::Hooks, weights::WeightMeter};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::BuildStorage;

/// State of the `development` preset, at block 1.
pub fn development() -> TestExternalities {
	let patch = crate::genesis_config_presets::get_preset(&"development".into()).expect("the preset exists");
	ext_of(&patch)
}

/// State that a preset (a JSON patch over the default genesis) builds, at block 1.
pub fn ext_of(patch: &[u8]) -> TestExternalities {
	let mut config: serde_json::Value =
		serde_json::to_value(crate::RuntimeGenesisConfig::default()).expect("the genesis config serialises");
	merge(&mut config, serde_json::from_slice(patch).expect("presets are JSON"));
	let genesis: crate::RuntimeGenesisConfig =
		serde_json::from_value(config).expect("a patched config is a config");
	let mut ext = TestExternalities::new(genesis.build_storage().expect("genesis builds"));
	ext.execute_with(|| System::set_block_number(1));
	ext
}

fn merge(into: &mut serde_json::Value, patch: serde_json::Value) {
	match (into, patch) {
		(serde_json::Value::Object(into), serde_json::Value::Object(patch)) => {
			for (key, value) in patch {
				merge(into.entry(key).or_insert(serde_json::Value::Null), value);
			}
		}
		(into, patch) => *into = patch,
	}
}

/// Runs the market's hooks for this many blocks.
pub fn advance(blocks: u32) {
	for _ in 0..blocks {
		Jobs::on_finalize(System::block_number());
		System::set_block_number(System::block_number() + 1);
		let mut meter = WeightMeter::with_limit(crate::constants::MAXIMUM_BLOCK_WEIGHT);
		Jobs::on_poll(System::block_number(), &mut meter);
	}
}

pub fn signed(who: Sr25519Keyring) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.to_account_id())
}
