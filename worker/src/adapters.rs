// SPDX-License-Identifier: Apache-2.0

//! GPUs: finding them, describing them, choosing one.
//!
//! Only Vulkan, Metal and DX12 are asked: over GL the same card would appear twice and compute other results. The
//! list is in a stable order, real GPUs first, whatever order the drivers report. Listing loads GPU drivers into the
//! process: the daemon lets a child do it ([`crate::supervise::Supervisor::adapters`]).

mod class;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tessera_primitives::{
	limits::MAX_BUFFER_BYTES,
	provider::{Adapter, AdapterClass, Features},
};
use wgpu::{Backends, DeviceType};

pub use class::class_of;

/// The environment variable that chooses an adapter by a part of its name, as in wgpu's own examples and tests.
pub const ADAPTER_NAME_ENV: &str = "WGPU_ADAPTER_NAME";

/// A GPU of this machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdapterDescription {
	/// Place in the list of all adapters.
	pub index: usize,
	/// The driver's name for it.
	pub name: String,
	/// `vulkan`, `metal`, `dx12` or `noop`.
	pub backend: String,
	/// PCI vendor, or the backend's own number.
	pub vendor: u32,
	/// PCI device, or the backend's own number.
	pub device: u32,
	/// What kind of device it is.
	pub kind: AdapterKind,
	/// Driver.
	pub driver: String,
	/// Version of the driver, as it describes itself.
	pub driver_info: String,
	/// `0000:01:00.0`, where there is one; empty otherwise.
	pub pci_bus_id: String,
	/// Class for the chain.
	pub class: AdapterClass,
	/// Memory that buffers can be in, bytes. An estimate: the largest device-local heap as far as the backend tells,
	/// the largest buffer otherwise.
	pub memory_bytes: u64,
	/// Largest buffer, bytes.
	pub max_buffer_bytes: u64,
	/// Largest storage binding, bytes.
	pub max_binding_bytes: u64,
	/// Optional abilities, as in [`Features`].
	pub features: u64,
}

/// What kind of device an adapter is; the order is the order of preference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
	/// A GPU with memory of its own.
	Discrete,
	/// A GPU that shares the processor's memory.
	Integrated,
	/// A GPU passed through to a virtual machine.
	Virtual,
	/// Not known.
	Other,
	/// Software.
	Cpu,
}

impl AdapterDescription {
	/// What is published about it on chain.
	pub fn on_chain(&self) -> Adapter {
		Adapter {
			class: self.class,
			memory_bytes: self.memory_bytes,
			max_buffer_bytes: self.max_buffer_bytes,
			max_binding_bytes: self.max_binding_bytes,
			features: Features(self.features),
		}
	}
}

impl fmt::Display for AdapterDescription {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}: {} ({}, {}", self.index, self.name, self.backend, self.class.name())?;
		if !self.pci_bus_id.is_empty() {
			write!(f, ", pci:{}", self.pci_bus_id)?;
		}
		write!(f, ")")
	}
}

/// Which adapter to use. As text: `any`, an index (`0`), `pci:0000:01:00.0`, or a part of the name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AdapterSelector {
	/// The one that [`ADAPTER_NAME_ENV`] names; without it the first of the list.
	#[default]
	Any,
	/// The one at this place of the list.
	Index(usize),
	/// The one in this slot: survives other cards being added.
	Pci(String),
	/// The first whose name contains this, whatever the case.
	Name(String),
}

impl FromStr for AdapterSelector {
	type Err = String;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let text = text.trim();
		if text.is_empty() {
			return Err(
				"an adapter is chosen by `any`, an index, `pci:0000:01:00.0` or a part of its name".into()
			);
		}
		Ok(if text == "any" {
			Self::Any
		} else if let Ok(index) = text.parse() {
			Self::Index(index)
		} else if let Some(id) = text.strip_prefix("pci:") {
			Self::Pci(id.to_ascii_lowercase())
		} else {
			Self::Name(text.to_string())
		})
	}
}

impl TryFrom<String> for AdapterSelector {
	type Error = String;

	fn try_from(text: String) -> Result<Self, Self::Error> {
		text.parse()
	}
}

impl From<AdapterSelector> for String {
	fn from(selector: AdapterSelector) -> Self {
		selector.to_string()
	}
}

impl fmt::Display for AdapterSelector {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Any => write!(f, "any"),
			Self::Index(index) => write!(f, "{index}"),
			Self::Pci(id) => write!(f, "pci:{id}"),
			Self::Name(name) => write!(f, "{name}"),
		}
	}
}

/// No adapter is what the selector asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error(
	"no GPU adapter matches `{wanted}`; found: {}. Without a GPU driver, Mesa's software device will do: install \
	 mesa-vulkan-drivers",
	if found.is_empty() { "none".to_string() } else { found.join("; ") }
)]
pub struct NoAdapter {
	/// What was asked for.
	pub wanted: String,
	/// The adapters that are there, described.
	pub found: Vec<String>,
}

/// An adapter and its description.
pub struct FoundAdapter {
	/// For opening a device.
	pub adapter: wgpu::Adapter,
	/// For people and the chain.
	pub description: AdapterDescription,
}

/// How wgpu is set up: with all checks on, and no debugging layers whatever the build.
///
/// `WGPU_BACKEND` narrows the backends. The `noop` backend, which computes nothing, is there for tests: it needs
/// `WGPU_BACKEND=noop` and `WGPU_NOOP_BACKEND=1`.
pub fn instance_descriptor() -> wgpu::InstanceDescriptor {
	wgpu::InstanceDescriptor {
		backends: (Backends::VULKAN | Backends::METAL | Backends::DX12).with_env(),
		flags: wgpu::InstanceFlags::VALIDATION_INDIRECT_CALL | wgpu::InstanceFlags::DISCARD_HAL_LABELS,
		memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
			for_resource_creation: Some(95),
			for_device_loss: None,
		},
		backend_options: wgpu::BackendOptions {
			noop: wgpu::NoopBackendOptions::from_env_or_default(),
			..Default::default()
		},
		..wgpu::InstanceDescriptor::new_without_display_handle()
	}
}

/// wgpu, set up by [`instance_descriptor`].
pub fn instance() -> wgpu::Instance {
	wgpu::Instance::new(instance_descriptor())
}

/// Every adapter, in stable order.
pub fn enumerate(instance: &wgpu::Instance) -> Vec<FoundAdapter> {
	let adapters = pollster::block_on(instance.enumerate_adapters(Backends::all()));
	let mut all: Vec<_> = adapters
		.into_iter()
		.map(|adapter| FoundAdapter { description: describe(&adapter), adapter })
		.collect();
	all.sort_by(|a, b| {
		let key = |d: &AdapterDescription| {
			(d.kind, d.pci_bus_id.clone(), d.name.clone(), d.backend.clone(), d.vendor, d.device)
		};
		key(&a.description).cmp(&key(&b.description))
	});
	for (index, found) in all.iter_mut().enumerate() {
		found.description.index = index;
	}
	all
}

/// The adapter that the selector asks for.
pub fn select(instance: &wgpu::Instance, selector: &AdapterSelector) -> Result<FoundAdapter, NoAdapter> {
	let mut all = enumerate(instance);
	let descriptions: Vec<_> = all.iter().map(|a| &a.description).collect();
	let by_env = std::env::var(ADAPTER_NAME_ENV).ok().filter(|name| !name.is_empty());
	match choose(&descriptions, selector, by_env.as_deref()) {
		Ok(index) => Ok(all.swap_remove(index)),
		Err(no_adapter) => Err(no_adapter),
	}
}

/// Index of the adapter that the selector asks for.
fn choose(
	all: &[&AdapterDescription],
	selector: &AdapterSelector,
	by_env: Option<&str>,
) -> Result<usize, NoAdapter> {
	let named = |name: &str| {
		let name = name.to_lowercase();
		all.iter().position(|a| a.name.to_lowercase().contains(&name))
	};
	let found = match (selector, by_env) {
		(AdapterSelector::Any, None) => (!all.is_empty()).then_some(0),
		(AdapterSelector::Any, Some(name)) => named(name),
		(AdapterSelector::Index(index), _) => Some(*index).filter(|index| *index < all.len()),
		(AdapterSelector::Pci(id), _) => all.iter().position(|a| a.pci_bus_id.eq_ignore_ascii_case(id)),
		(AdapterSelector::Name(name), _) => named(name),
	};
	found.ok_or_else(|| NoAdapter {
		wanted: match (selector, by_env) {
			(AdapterSelector::Any, Some(name)) => format!("{ADAPTER_NAME_ENV}={name}"),
			_ => selector.to_string(),
		},
		found: all.iter().map(ToString::to_string).collect(),
	})
}

fn describe(adapter: &wgpu::Adapter) -> AdapterDescription {
	let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
	// A buffer must fit what the chain can express, and a binding must fit a buffer.
	let max_buffer_bytes = limits.max_buffer_size.min(MAX_BUFFER_BYTES);
	let max_binding_bytes = limits.max_storage_buffer_binding_size.min(max_buffer_bytes);
	let memory_bytes = memory_of(adapter).unwrap_or(0).max(max_buffer_bytes);
	AdapterDescription {
		index: 0,
		class: class_of(&info, &limits, features),
		name: info.name,
		backend: info.backend.to_str().into(),
		vendor: info.vendor,
		device: info.device,
		kind: match info.device_type {
			DeviceType::DiscreteGpu => AdapterKind::Discrete,
			DeviceType::IntegratedGpu => AdapterKind::Integrated,
			DeviceType::VirtualGpu => AdapterKind::Virtual,
			DeviceType::Other => AdapterKind::Other,
			DeviceType::Cpu => AdapterKind::Cpu,
		},
		driver: info.driver,
		driver_info: info.driver_info,
		pci_bus_id: info.device_pci_bus_id,
		memory_bytes,
		max_buffer_bytes,
		max_binding_bytes,
		features: FEATURES
			.iter()
			.filter(|(_, wgpu)| features.contains(*wgpu))
			.fold(Features(0), |all, (ours, _)| all.union(*ours))
			.0,
	}
}

/// The features that a job may name, in wgpu's words.
const FEATURES: [(Features, wgpu::Features); 4] = [
	(Features::SHADER_F16, wgpu::Features::SHADER_F16),
	(Features::TIMESTAMP_QUERY, wgpu::Features::TIMESTAMP_QUERY),
	(Features::SUBGROUP, wgpu::Features::SUBGROUP),
	(Features::SHADER_INT64, wgpu::Features::SHADER_INT64),
];

/// The device features that a job's required features stand for.
pub fn wgpu_features(features: Features) -> wgpu::Features {
	FEATURES
		.iter()
		.filter(|(ours, _)| features.contains(*ours))
		.fold(wgpu::Features::empty(), |all, (_, wgpu)| all | *wgpu)
}

/// Bytes of the largest device-local heap of a Vulkan adapter.
#[cfg(not(target_vendor = "apple"))]
fn memory_of(adapter: &wgpu::Adapter) -> Option<u64> {
	const DEVICE_LOCAL: u32 = 1;
	// SAFETY: the handles stay with wgpu and are used only while the guard lives; nothing is destroyed.
	let hal = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
	// SAFETY: the physical device comes from this very instance, and the call only reads its properties.
	let memory = unsafe {
		hal.shared_instance().raw_instance().get_physical_device_memory_properties(hal.raw_physical_device())
	};
	let heaps = memory.memory_heaps_as_slice().iter();
	heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

/// Metal shares the machine's memory and has its own idea of how much; the largest buffer stands in for it.
#[cfg(target_vendor = "apple")]
fn memory_of(_adapter: &wgpu::Adapter) -> Option<u64> {
	None
}

#[cfg(test)]
mod tests {
	use super::*;

	fn adapter(index: usize, name: &str, pci: &str) -> AdapterDescription {
		AdapterDescription {
			index,
			name: name.into(),
			backend: "vulkan".into(),
			vendor: 0,
			device: 0,
			kind: AdapterKind::Discrete,
			driver: String::new(),
			driver_info: String::new(),
			pci_bus_id: pci.into(),
			class: AdapterClass::N1,
			memory_bytes: 1 << 30,
			max_buffer_bytes: 1 << 30,
			max_binding_bytes: 1 << 30,
			features: 0,
		}
	}

	#[test]
	fn selector_should_round_trip_as_text() {
		for (text, selector) in [
			("any", AdapterSelector::Any),
			("3", AdapterSelector::Index(3)),
			("pci:0000:01:00.0", AdapterSelector::Pci("0000:01:00.0".into())),
			("RTX 4090", AdapterSelector::Name("RTX 4090".into())),
		] {
			assert_eq!(text.parse::<AdapterSelector>().unwrap(), selector);
			assert_eq!(selector.to_string(), text);
		}
		assert!(" ".parse::<AdapterSelector>().is_err());
	}

	#[test]
	fn selector_should_find_one_adapter_or_say_what_is_there() {
		let (a, b) = (adapter(0, "Radeon RX", "0000:01:00.0"), adapter(1, "GeForce RTX", "0000:02:00.0"));
		let all = [&a, &b];
		let pick = |text: &str, env| choose(&all, &text.parse().unwrap(), env);
		assert_eq!(pick("any", None), Ok(0));
		assert_eq!(pick("any", Some("geforce")), Ok(1));
		assert_eq!(pick("0", Some("geforce")), Ok(0));
		assert_eq!(pick("1", None), Ok(1));
		assert_eq!(pick("rtx", None), Ok(1));
		assert_eq!(pick("pci:0000:02:00.0", None), Ok(1));
		for (text, env, wanted) in
			[("2", None, "2"), ("arc", None, "arc"), ("any", Some("arc"), "WGPU_ADAPTER_NAME=arc")]
		{
			let error = pick(text, env).unwrap_err();
			assert_eq!(error.wanted, wanted);
			assert!(error.to_string().contains("GeForce RTX (vulkan, n1, pci:0000:02:00.0)"), "{error}");
		}
		assert!(choose(&[], &AdapterSelector::Any, None).unwrap_err().to_string().contains("found: none"));
	}
}
