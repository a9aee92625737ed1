// SPDX-License-Identifier: Apache-2.0

//! Registering a provider: what its profile is, what of it the chain does not know yet, and one transaction that makes
//! up the difference.

use std::fmt;

use tessera_client::{
	chain::{AccountSigner, Call, Chain, ChainError, Level, ProviderInfo, TxOutcome, calls},
	manifest::units::{format_amount, format_bytes},
};
use tessera_primitives::{
	Balance, EndpointInfo, Region,
	limits::MAX_ADAPTERS,
	provider::{Adapter, Profile, ProfileError, WorkerKey},
};

use crate::adapters::AdapterDescription;

/// What is published of a GPU when tasks may use `max_buffer_bytes` of it at most: so nobody counts on more.
pub fn profile_adapter(description: &AdapterDescription, max_buffer_bytes: Option<u64>) -> Adapter {
	let mut adapter = description.on_chain();
	if let Some(most) = max_buffer_bytes {
		// Buffers are whole words.
		let most = most - most % 4;
		adapter.memory_bytes = adapter.memory_bytes.min(most);
		adapter.max_buffer_bytes = adapter.max_buffer_bytes.min(most);
		adapter.max_binding_bytes = adapter.max_binding_bytes.min(most);
	}
	adapter
}

/// Why there is no profile to publish.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegisterError {
	/// Nobody said where the machine stands.
	#[error("where does the machine stand? Give its country with --region, for example --region DE")]
	NoRegion,
	/// The profile would not be accepted.
	#[error("the profile would be refused: {}", explain(.0))]
	Profile(ProfileError),
}

fn explain(error: &ProfileError) -> &'static str {
	match error {
		ProfileError::UnknownRegion => {
			"the region is not an ISO 3166-1 country code in capitals: give --region DE, say"
		}
		ProfileError::NoAdapters => "there is no GPU in it",
		ProfileError::BadAdapter => "the GPU has no memory for buffers: see `max_buffer_bytes`",
		ProfileError::BadAddress => "an address of the blob endpoint is empty or no text",
	}
}

/// How a provider should stand on chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
	/// What it publishes.
	pub profile: Profile,
	/// The key of its worker.
	pub key: WorkerKey,
	/// At least this bond, planck; `None`: whatever there is.
	pub bond: Option<Balance>,
}

impl Wanted {
	/// A provider with these GPUs and this endpoint. Without a region it stays where the chain says it stands.
	pub fn new(
		current: Option<&ProviderInfo>,
		region: Option<Region>,
		adapters: Vec<Adapter>,
		endpoint: EndpointInfo,
		key: WorkerKey,
		bond: Option<Balance>,
	) -> Result<Self, RegisterError> {
		let region =
			region.or(current.map(|provider| provider.profile.region)).ok_or(RegisterError::NoRegion)?;
		let mut adapters = adapters;
		adapters.truncate(usize::try_from(MAX_ADAPTERS).unwrap_or(usize::MAX));
		let adapters = adapters.try_into().unwrap_or_default();
		let profile = Profile { region, endpoint, adapters };
		profile.validate().map_err(RegisterError::Profile)?;
		Ok(Self { profile, key, bond })
	}
}

/// One thing to change on chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
	/// The account becomes a provider.
	Register(Profile),
	/// It publishes another profile.
	Update {
		/// The new one.
		profile: Profile,
		/// What is different in it.
		differs: Vec<&'static str>,
	},
	/// It sets the worker's key.
	SetKey(WorkerKey),
	/// It adds to its bond.
	Bond {
		/// How much, planck.
		amount: Balance,
		/// The bond then, planck.
		total: Balance,
	},
}

impl Step {
	/// The call that does it.
	pub fn call(&self) -> Call {
		match self {
			Self::Register(profile) => calls::register_provider(profile.clone()),
			Self::Update { profile, .. } => calls::update_profile(profile.clone()),
			Self::SetKey(key) => calls::set_worker_key(key),
			Self::Bond { amount, .. } => calls::bond(*amount),
		}
	}
}

impl fmt::Display for Step {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Register(profile) => {
				write!(f, "registered a provider in {}", profile.region.as_str())?;
				for adapter in &profile.adapters {
					let memory = format_bytes(adapter.memory_bytes);
					write!(f, " with a GPU of class {} and {memory} for buffers", adapter.class.name())?;
				}
				Ok(())
			}
			Self::Update { differs, .. } => {
				write!(f, "published another profile: {} changed", differs.join(", "))
			}
			Self::SetKey(key) => write!(f, "set the worker key 0x{}", hex::encode(key.0)),
			Self::Bond { amount, total } => {
				write!(f, "bonded {}: the bond is {} now", format_amount(*amount), format_amount(*total))
			}
		}
	}
}

/// What is to be changed, in order; nothing when all is as wanted.
pub fn plan(current: Option<&ProviderInfo>, wanted: &Wanted) -> Vec<Step> {
	let mut steps = Vec::new();
	match current {
		None => steps.push(Step::Register(wanted.profile.clone())),
		Some(provider) if provider.profile != wanted.profile => {
			let (old, new) = (&provider.profile, &wanted.profile);
			let differs = [
				(old.region != new.region, "region"),
				(old.adapters != new.adapters, "GPUs"),
				(old.endpoint.key != new.endpoint.key, "endpoint"),
				(old.endpoint.addresses != new.endpoint.addresses, "addresses"),
			];
			let differs = differs.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name).collect();
			steps.push(Step::Update { profile: new.clone(), differs });
		}
		Some(_) => {}
	}
	if current.and_then(|provider| provider.worker_key) != Some(wanted.key) {
		steps.push(Step::SetKey(wanted.key));
	}
	let bond = current.map_or(0, |provider| provider.bond);
	if let Some(total) = wanted.bond
		&& let Some(amount) = total.checked_sub(bond).filter(|amount| *amount > 0)
	{
		steps.push(Step::Bond { amount, total });
	}
	steps
}

/// Does the steps, all or none, in one transaction that the owner signs and pays for.
pub async fn carry_out(
	chain: &Chain,
	owner: &dyn AccountSigner,
	steps: &[Step],
	level: Level,
) -> Result<Option<TxOutcome>, ChainError> {
	let mut calls: Vec<Call> = steps.iter().map(Step::call).collect();
	let call = match calls.len() {
		0 => return Ok(None),
		1 => calls.remove(0),
		_ => calls::all(calls),
	};
	chain.submit(&call, owner, level).await.map(Some)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::adapters::AdapterKind;
	use tessera_primitives::{
		TESS,
		provider::{AdapterClass, Availability, Features},
	};

	fn description() -> AdapterDescription {
		AdapterDescription {
			index: 0,
			name: "Fake GPU".into(),
			backend: "vulkan".into(),
			vendor: 1,
			device: 2,
			kind: AdapterKind::Discrete,
			driver: "fake".into(),
			driver_info: "1".into(),
			pci_bus_id: "0000:01:00.0".into(),
			class: AdapterClass::N1,
			memory_bytes: 8 << 30,
			max_buffer_bytes: (2 << 30) - 4,
			max_binding_bytes: 1 << 30,
			features: Features::SHADER_F16.0,
		}
	}

	fn endpoint(port: &str) -> EndpointInfo {
		let addresses = vec![port.as_bytes().to_vec().try_into().unwrap()];
		EndpointInfo { key: [3; 32], addresses: addresses.try_into().unwrap() }
	}

	fn key(byte: u8) -> WorkerKey {
		WorkerKey::from([byte; 32])
	}

	fn wanted(current: Option<&ProviderInfo>, region: Option<&[u8; 2]>, bond: Option<Balance>) -> Wanted {
		let adapters = vec![profile_adapter(&description(), None)];
		Wanted::new(current, region.map(|r| Region(*r)), adapters, endpoint("1.2.3.4:5"), key(1), bond)
			.unwrap()
	}

	fn provider(wanted: &Wanted) -> ProviderInfo {
		ProviderInfo {
			account: [1; 32].into(),
			profile: wanted.profile.clone(),
			worker_key: Some(wanted.key),
			availability: Availability::Online,
			bond: 10 * TESS,
			collateral: 0,
			unbonding: Vec::new(),
			active_tasks: 0,
			settled_tasks: 0,
			expiries: 0,
			accept_counter: 0,
			last_heartbeat: None,
		}
	}

	#[test]
	fn profile_should_say_what_the_gpu_has_or_what_the_owner_allows() {
		let adapter = profile_adapter(&description(), None);
		assert_eq!(adapter, description().on_chain());
		assert_eq!((adapter.memory_bytes, adapter.features), (8 << 30, Features::SHADER_F16));
		let capped = profile_adapter(&description(), Some((1 << 20) + 3));
		assert_eq!(
			(capped.memory_bytes, capped.max_buffer_bytes, capped.max_binding_bytes),
			(1 << 20, 1 << 20, 1 << 20)
		);
		let roomy = profile_adapter(&description(), Some(4 << 30));
		assert_eq!((roomy.memory_bytes, roomy.max_buffer_bytes), (4 << 30, (2 << 30) - 4));
		for adapter in [adapter, capped, roomy] {
			let profile = Wanted::new(None, Some(Region(*b"DE")), vec![adapter], endpoint("a"), key(1), None);
			assert!(profile.is_ok(), "{profile:?}");
		}
	}

	#[test]
	fn profile_should_be_refused_with_what_to_do_when_something_is_missing() {
		let adapter = profile_adapter(&description(), None);
		let new = |region: Option<&[u8; 2]>, adapters, address| {
			let region = region.map(|r| Region(*r));
			Wanted::new(None, region, adapters, endpoint(address), key(1), None).unwrap_err().to_string()
		};
		assert!(new(None, vec![adapter], "a").contains("--region DE"));
		assert!(new(Some(b"XX"), vec![adapter], "a").contains("--region"));
		assert!(new(Some(b"DE"), vec![], "a").contains("no GPU"));
		assert!(
			new(Some(b"DE"), vec![profile_adapter(&description(), Some(3))], "a")
				.contains("max_buffer_bytes")
		);
		assert!(new(Some(b"DE"), vec![adapter], "").contains("address"));
	}

	#[test]
	fn region_should_stay_when_none_is_given() {
		let before = provider(&wanted(None, Some(b"FR"), None));
		assert_eq!(wanted(Some(&before), None, None).profile.region, Region(*b"FR"));
		assert_eq!(wanted(Some(&before), Some(b"DE"), None).profile.region, Region(*b"DE"));
	}

	#[test]
	fn plan_should_register_everything_when_the_account_is_new() {
		let wanted = wanted(None, Some(b"DE"), Some(100 * TESS));
		let steps = plan(None, &wanted);
		assert_eq!(
			steps,
			[
				Step::Register(wanted.profile.clone()),
				Step::SetKey(key(1)),
				Step::Bond { amount: 100 * TESS, total: 100 * TESS },
			]
		);
		let texts: Vec<String> = steps.iter().map(ToString::to_string).collect();
		assert_eq!(texts[0], "registered a provider in DE with a GPU of class n1 and 8 GiB for buffers");
		assert!(texts[1].starts_with("set the worker key 0x0101"));
		assert_eq!(texts[2], "bonded 100 TESS: the bond is 100 TESS now");
	}

	#[test]
	fn plan_should_be_empty_when_all_is_as_wanted() {
		for bond in [None, Some(0), Some(5 * TESS), Some(10 * TESS)] {
			let wanted = wanted(None, Some(b"DE"), bond);
			assert_eq!(plan(Some(&provider(&wanted)), &wanted), []);
		}
	}

	#[test]
	fn plan_should_change_only_what_differs() {
		let wanted = wanted(None, Some(b"DE"), Some(12 * TESS));
		let with = |change: fn(&mut ProviderInfo)| {
			let mut provider = provider(&wanted);
			change(&mut provider);
			plan(Some(&provider), &Wanted { bond: None, ..wanted.clone() })
		};
		assert_eq!(
			plan(Some(&provider(&wanted)), &wanted),
			[Step::Bond { amount: 2 * TESS, total: 12 * TESS }]
		);
		assert_eq!(with(|p| p.worker_key = None), [Step::SetKey(key(1))]);
		assert_eq!(with(|p| p.worker_key = Some(key(2))), [Step::SetKey(key(1))]);
		let differs = |change: fn(&mut ProviderInfo)| match with(change).as_slice() {
			[Step::Update { differs, .. }] => differs.clone(),
			other => panic!("{other:?}"),
		};
		assert_eq!(differs(|p| p.profile.region = Region(*b"FR")), ["region"]);
		assert_eq!(differs(|p| p.profile.endpoint = endpoint("1.2.3.4:6")), ["addresses"]);
		assert_eq!(differs(|p| p.profile.endpoint.key = [9; 32]), ["endpoint"]);
		assert_eq!(differs(|p| p.profile.adapters[0].memory_bytes = 1), ["GPUs"]);
	}
}
