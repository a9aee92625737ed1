// SPDX-License-Identifier: Apache-2.0

//! Providers.

use serde::Serialize;
use tessera_client::chain::{H256, ProviderInfo};
use tessera_primitives::{
	Tick,
	provider::{Adapter, Availability, Profile},
};

use super::{Account, Endpoint, Planck, feature_names};

/// An adapter of a provider.
#[derive(Clone, Serialize, Debug)]
pub struct AdapterShape {
	/// Its class.
	pub class: &'static str,
	/// Memory for buffers.
	pub memory_bytes: u64,
	/// Largest buffer.
	pub max_buffer_bytes: u64,
	/// Largest storage binding.
	pub max_binding_bytes: u64,
	/// Names of features.
	pub features: Vec<&'static str>,
}

impl From<&Adapter> for AdapterShape {
	fn from(adapter: &Adapter) -> Self {
		Self {
			class: adapter.class.name(),
			memory_bytes: adapter.memory_bytes,
			max_buffer_bytes: adapter.max_buffer_bytes,
			max_binding_bytes: adapter.max_binding_bytes,
			features: feature_names(adapter.features),
		}
	}
}

/// A provider's profile.
#[derive(Clone, Serialize, Debug)]
pub struct ProfileShape {
	/// ISO 3166 code.
	pub region: String,
	/// Where its blobs are.
	pub endpoint: Endpoint,
	/// Its GPUs.
	pub adapters: Vec<AdapterShape>,
}

impl From<&Profile> for ProfileShape {
	fn from(profile: &Profile) -> Self {
		Self {
			region: profile.region.as_str().to_owned(),
			endpoint: (&profile.endpoint).into(),
			adapters: profile.adapters.iter().map(Into::into).collect(),
		}
	}
}

/// A provider.
#[derive(Clone, Serialize, Debug)]
pub struct Provider {
	/// Its owner's account.
	pub account: Account,
	/// Whether it takes work: `online`, `offline` or `paused`.
	pub availability: Availability,
	/// Its profile.
	pub profile: ProfileShape,
	/// The key that signs its orders, `0x` and 64 hex digits.
	pub worker_key: Option<H256>,
	/// Bond, collateral included.
	pub bond: Planck,
	/// The part of the bond that is locked behind tasks.
	pub collateral: Planck,
	/// Stake on its way out.
	pub unbonding: Vec<Unbonding>,
	/// Tasks that it holds.
	pub active_tasks: u32,
	/// Tasks that it was paid for, ever.
	pub settled_tasks: u64,
	/// Tasks in a row that it did not claim in time.
	pub expiries: u32,
	/// Tick of the last heartbeat.
	pub last_heartbeat: Option<Tick>,
}

/// Stake on its way out of a bond.
#[derive(Clone, Serialize, Debug)]
pub struct Unbonding {
	/// How much.
	pub amount: Planck,
	/// First tick at which it can be withdrawn.
	pub at: Tick,
}

impl From<&ProviderInfo> for Provider {
	fn from(info: &ProviderInfo) -> Self {
		Self {
			account: Account(info.account),
			availability: info.availability,
			profile: (&info.profile).into(),
			worker_key: info.worker_key.map(|key| H256(key.0)),
			bond: Planck(info.bond),
			collateral: Planck(info.collateral),
			unbonding: info
				.unbonding
				.iter()
				.map(|(amount, at)| Unbonding { amount: Planck(*amount), at: *at })
				.collect(),
			active_tasks: info.active_tasks,
			settled_tasks: info.settled_tasks,
			expiries: info.expiries,
			last_heartbeat: info.last_heartbeat,
		}
	}
}
