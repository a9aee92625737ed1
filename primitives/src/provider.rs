// SPDX-License-Identifier: Apache-2.0

//! A provider's profile, its adapters, and what a job may require of them.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
#[cfg(feature = "std")]
use serde::{Deserialize, Serialize};

use crate::{
	limits::{MaxAdapters, MaxRegions},
	types::{Balance, EndpointInfo, Region, Tick},
};

/// The key with which a provider's worker signs feeless calls (sr25519). It can claim and take tasks, but move no
/// stake: the owner's account stays cold.
pub type WorkerKey = sp_core::sr25519::Public;

/// Class of an adapter: the limit buckets of wgpu 30 (`wgpu_core::limits`), named as there.
#[derive(
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "kebab-case"))]
pub enum AdapterClass {
	/// Apple.
	#[codec(index = 0)]
	M1,
	/// AMD, Vega: the older bucket of the two.
	#[codec(index = 1)]
	A2,
	/// Intel.
	#[codec(index = 2)]
	I1,
	/// NVIDIA.
	#[codec(index = 3)]
	N1,
	/// AMD, RX 6000 and newer.
	#[codec(index = 4)]
	A1,
	/// Hardware without 16-bit floats.
	#[codec(index = 5)]
	NoF16,
	/// Mesa's software device lavapipe, from the version on that meets the bucket; older ones are `Fallback`.
	#[codec(index = 6)]
	Llvmpipe,
	/// Microsoft's software device.
	#[codec(index = 7)]
	Warp,
	/// Anything with WebGPU's default limits.
	#[codec(index = 8)]
	Default,
	/// Anything less.
	#[codec(index = 9)]
	Fallback,
}

impl AdapterClass {
	/// Every class.
	pub const ALL: [Self; 10] = [
		Self::M1,
		Self::A2,
		Self::I1,
		Self::N1,
		Self::A1,
		Self::NoF16,
		Self::Llvmpipe,
		Self::Warp,
		Self::Default,
		Self::Fallback,
	];

	/// wgpu's name of the bucket.
	pub const fn name(self) -> &'static str {
		match self {
			Self::M1 => "m1",
			Self::A2 => "a2",
			Self::I1 => "i1",
			Self::N1 => "n1",
			Self::A1 => "a1",
			Self::NoF16 => "no-f16",
			Self::Llvmpipe => "llvmpipe",
			Self::Warp => "warp",
			Self::Default => "default",
			Self::Fallback => "fallback",
		}
	}

	/// The class of this name.
	pub fn from_name(name: &str) -> Option<Self> {
		Self::ALL.into_iter().find(|c| c.name() == name)
	}
}

/// Optional abilities of an adapter, one bit each.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Features(pub u64);

impl Features {
	/// 16-bit floats in shaders (`enable f16;`).
	pub const SHADER_F16: Self = Self(1);
	/// Timestamp queries.
	pub const TIMESTAMP_QUERY: Self = Self(1 << 1);
	/// Subgroup operations.
	pub const SUBGROUP: Self = Self(1 << 2);
	/// 64-bit integers in shaders.
	pub const SHADER_INT64: Self = Self(1 << 3);
	/// Every feature with its name in job manifests and profiles.
	pub const NAMED: [(&'static str, Self); 4] = [
		("shader-f16", Self::SHADER_F16),
		("timestamp-query", Self::TIMESTAMP_QUERY),
		("subgroup", Self::SUBGROUP),
		("shader-int64", Self::SHADER_INT64),
	];

	/// Whether all of `other` are here.
	pub const fn contains(self, other: Self) -> bool {
		self.0 & other.0 == other.0
	}

	/// Both sets together.
	pub const fn union(self, other: Self) -> Self {
		Self(self.0 | other.0)
	}

	/// Whether every set bit has a meaning.
	pub fn is_known(self) -> bool {
		let known = Self::NAMED.iter().fold(Self(0), |all, (_, f)| all.union(*f));
		known.contains(self)
	}
}

/// One GPU of a provider.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Adapter {
	/// Its class.
	pub class: AdapterClass,
	/// Memory for buffers, bytes.
	pub memory_bytes: u64,
	/// Largest buffer, bytes.
	pub max_buffer_bytes: u64,
	/// Largest storage binding, bytes.
	pub max_binding_bytes: u64,
	/// Optional abilities.
	pub features: Features,
}

/// What a provider publishes about itself.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Profile {
	/// Where the machines stand.
	pub region: Region,
	/// Where its blobs can be fetched.
	pub endpoint: EndpointInfo,
	/// Its GPUs; at least one.
	pub adapters: BoundedVec<Adapter, MaxAdapters>,
}

/// Why a profile is refused.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ProfileError {
	/// The region is not an assigned ISO 3166-1 alpha-2 code.
	UnknownRegion,
	/// There is no adapter.
	NoAdapters,
	/// An adapter without memory, with a binding larger than a buffer, a buffer larger than its memory, or with unknown features.
	BadAdapter,
	/// An address is empty or not UTF-8.
	BadAddress,
}

impl Profile {
	/// Checks everything about a profile that needs no chain state.
	pub fn validate(&self) -> Result<(), ProfileError> {
		if !self.region.is_assigned() {
			return Err(ProfileError::UnknownRegion);
		}
		if self.adapters.is_empty() {
			return Err(ProfileError::NoAdapters);
		}
		let bad = |a: &Adapter| {
			a.max_binding_bytes == 0
				|| a.max_binding_bytes > a.max_buffer_bytes
				|| a.max_buffer_bytes > a.memory_bytes
				|| !a.features.is_known()
		};
		if self.adapters.iter().any(bad) {
			return Err(ProfileError::BadAdapter);
		}
		if !self.endpoint.is_well_formed() {
			return Err(ProfileError::BadAddress);
		}
		Ok(())
	}
}

impl EndpointInfo {
	/// Whether every address is non-empty UTF-8.
	pub fn is_well_formed(&self) -> bool {
		self.addresses.iter().all(|a| !a.is_empty() && core::str::from_utf8(a).is_ok())
	}
}

/// What a job requires of a provider. Empty means: anything.
#[derive(
	Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Requirements {
	/// One of these regions; empty: any.
	pub regions: BoundedVec<Region, MaxRegions>,
	/// This class of adapter.
	pub class: Option<AdapterClass>,
	/// At least this much adapter memory, bytes.
	pub memory_bytes: u64,
	/// These optional abilities.
	pub features: Features,
}

/// What a task needs of a provider: the job's requirements and what follows from its buffers.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct Needs {
	/// As the tenant stated them.
	pub requirements: Requirements,
	/// All buffers of a task together, bytes.
	pub buffers_bytes: u64,
	/// The largest of them, bytes.
	pub largest_buffer_bytes: u64,
}

impl Needs {
	/// Whether this adapter can run the task.
	pub fn fit(&self, adapter: &Adapter) -> bool {
		let r = &self.requirements;
		r.class.is_none_or(|class| class == adapter.class)
			&& adapter.memory_bytes >= r.memory_bytes.max(self.buffers_bytes)
			&& adapter.max_buffer_bytes >= self.largest_buffer_bytes
			&& adapter.max_binding_bytes >= self.largest_buffer_bytes
			&& adapter.features.contains(r.features)
	}

	/// The first requirement that this profile does not meet.
	pub fn check(&self, profile: &Profile) -> Result<(), Ineligible> {
		let regions = &self.requirements.regions;
		if !regions.is_empty() && !regions.contains(&profile.region) {
			return Err(Ineligible::Region);
		}
		if !profile.adapters.iter().any(|a| self.fit(a)) {
			return Err(Ineligible::Adapter);
		}
		Ok(())
	}
}

/// Why a provider may not take a task.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Ineligible {
	/// Not a provider.
	NotRegistered,
	/// The owner paused it.
	Paused,
	/// No heartbeat within the expiry.
	Offline,
	/// Not in a region that the job allows.
	Region,
	/// No adapter of the class, memory, buffer size or features needed.
	Adapter,
	/// Not enough free bond for the collateral.
	Collateral,
}

/// Whether a provider takes work.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Availability {
	/// Heartbeats arrive.
	Online,
	/// No heartbeat within the expiry.
	Offline,
	/// Paused by its owner.
	Paused,
}

/// A part of a bond on its way out.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct UnbondingChunk {
	/// Amount, planck.
	pub amount: Balance,
	/// First tick at which it can be withdrawn.
	pub at: Tick,
}

#[cfg(test)]
mod tests {
	use super::*;

	fn adapter() -> Adapter {
		Adapter {
			class: AdapterClass::N1,
			memory_bytes: 1000,
			max_buffer_bytes: 500,
			max_binding_bytes: 400,
			features: Features::SHADER_F16,
		}
	}

	fn profile() -> Profile {
		Profile {
			region: Region(*b"DE"),
			endpoint: EndpointInfo { key: [0; 32], addresses: Default::default() },
			adapters: alloc::vec![adapter()].try_into().unwrap(),
		}
	}

	fn needs() -> Needs {
		Needs { requirements: Requirements::default(), buffers_bytes: 1000, largest_buffer_bytes: 400 }
	}

	#[test]
	fn profile_should_be_refused_when_any_part_is_wrong() {
		assert_eq!(profile().validate(), Ok(()));
		let with = |f: fn(&mut Profile)| {
			let mut p = profile();
			f(&mut p);
			p.validate()
		};
		assert_eq!(with(|p| p.region = Region(*b"XX")), Err(ProfileError::UnknownRegion));
		assert_eq!(with(|p| p.adapters.clear()), Err(ProfileError::NoAdapters));
		assert_eq!(with(|p| p.adapters[0].max_binding_bytes = 0), Err(ProfileError::BadAdapter));
		assert_eq!(with(|p| p.adapters[0].max_binding_bytes = 501), Err(ProfileError::BadAdapter));
		assert_eq!(with(|p| p.adapters[0].memory_bytes = 499), Err(ProfileError::BadAdapter));
		assert_eq!(with(|p| p.adapters[0].features = Features(1 << 63)), Err(ProfileError::BadAdapter));
		assert_eq!(
			with(|p| p.endpoint.addresses = alloc::vec![Default::default()].try_into().unwrap()),
			Err(ProfileError::BadAddress)
		);
	}

	#[test]
	fn needs_should_name_the_first_unmet_requirement() {
		assert_eq!(needs().check(&profile()), Ok(()));
		let with = |f: fn(&mut Needs)| {
			let mut n = needs();
			f(&mut n);
			n.check(&profile())
		};
		assert_eq!(
			with(|n| n.requirements.regions = alloc::vec![Region(*b"FR")].try_into().unwrap()),
			Err(Ineligible::Region)
		);
		assert_eq!(with(|n| n.requirements.class = Some(AdapterClass::A1)), Err(Ineligible::Adapter));
		assert_eq!(with(|n| n.requirements.memory_bytes = 1001), Err(Ineligible::Adapter));
		assert_eq!(with(|n| n.buffers_bytes = 1001), Err(Ineligible::Adapter));
		assert_eq!(with(|n| n.largest_buffer_bytes = 401), Err(Ineligible::Adapter));
		assert_eq!(with(|n| n.requirements.features = Features::SUBGROUP), Err(Ineligible::Adapter));
	}

	#[test]
	fn adapter_class_should_round_trip_through_its_name() {
		for class in AdapterClass::ALL {
			assert_eq!(AdapterClass::from_name(class.name()), Some(class));
		}
		assert_eq!(AdapterClass::from_name("h100"), None);
	}
}
