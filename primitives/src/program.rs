// SPDX-License-Identifier: Apache-2.0

//! A program: a pipeline of compute stages over declared buffers.
//!
//! The chain holds the [`ProgramManifest`] and the hash of the package; the WGSL itself stays in the package, a
//! blob. Before a task's first stage scratch and output buffers are zero; buffers keep their contents between
//! stages; output buffers are what a claim commits to.

use alloc::{collections::BTreeSet, vec, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
#[cfg(feature = "std")]
use serde::{Deserialize, Serialize};

use crate::{
	limits::{MAX_PACKAGE_BYTES, MaxBindings, MaxBuffers, MaxName, MaxStages},
	types::{ProgramId, blake3_hash},
};

/// Version of [`ProgramPackage`] that this crate writes.
pub const PACKAGE_VERSION: u8 = 1;

/// What a buffer is for.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum BufferRole {
	/// Filled from a blob (or inline bytes) of the job; no stage may write it.
	#[codec(index = 0)]
	Input,
	/// Zero at the start, committed to by the claim.
	#[codec(index = 1)]
	Output,
	/// Zero at the start, dropped at the end.
	#[codec(index = 2)]
	Scratch,
}

/// The WGSL address space of a buffer.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum BufferKind {
	/// `var<storage>`.
	#[default]
	#[codec(index = 0)]
	Storage,
	/// `var<uniform>`: inputs only.
	#[codec(index = 1)]
	Uniform,
}

/// How a stage uses a buffer.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Access {
	/// `read`, and the only access to a uniform.
	#[codec(index = 0)]
	Read,
	/// `read_write`.
	#[codec(index = 1)]
	ReadWrite,
}

/// A buffer of a program; its index in [`ProgramManifest::buffers`] is its slot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct BufferDecl {
	/// Name, UTF-8, unique in the program.
	pub name: BoundedVec<u8, MaxName>,
	/// What it is for.
	pub role: BufferRole,
	/// Its address space.
	pub kind: BufferKind,
}

/// A binding of a stage to a buffer.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BindingDecl {
	/// `@group` in WGSL: 0 to 3.
	pub group: u8,
	/// `@binding` in WGSL.
	pub binding: u8,
	/// Slot of the buffer.
	pub buffer: u8,
	/// Access of this stage.
	pub access: Access,
}

/// One dispatch of one kernel.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StageDecl {
	/// Name, UTF-8, unique in the program.
	pub name: BoundedVec<u8, MaxName>,
	/// Index of the WGSL module in [`ProgramPackage::modules`].
	pub module: u8,
	/// Name of the compute entry point, UTF-8.
	pub entry: BoundedVec<u8, MaxName>,
	/// What it reads and writes.
	pub bindings: BoundedVec<BindingDecl, MaxBindings>,
}

/// What the chain knows of a program.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ProgramManifest {
	/// The program's buffers; the index is the slot.
	pub buffers: BoundedVec<BufferDecl, MaxBuffers>,
	/// The stages, in the order in which they run.
	pub stages: BoundedVec<StageDecl, MaxStages>,
}

/// Why a manifest is refused. The numbers are indices into the manifest's lists.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ManifestError {
	/// There is no stage.
	NoStages,
	/// There is no output buffer: nothing to pay for.
	NoOutputs,
	/// A name is empty, not UTF-8, or used twice.
	BadName,
	/// A uniform buffer that is not an input.
	UniformNotInput {
		/// The buffer's slot.
		buffer: u8,
	},
	/// A stage without bindings.
	NoBindings {
		/// The stage.
		stage: u8,
	},
	/// A binding names a buffer that does not exist.
	UnknownBuffer {
		/// The stage.
		stage: u8,
		/// The slot that it names.
		buffer: u8,
	},
	/// A group above 3.
	BadGroup {
		/// The stage.
		stage: u8,
		/// The group.
		group: u8,
	},
	/// Two bindings of a stage have the same group and number, or the same buffer.
	DuplicateBinding {
		/// The stage.
		stage: u8,
		/// The later binding's number.
		binding: u8,
	},
	/// A stage writes an input buffer.
	WritesInput {
		/// The stage.
		stage: u8,
		/// The slot.
		buffer: u8,
	},
	/// No stage writes this output buffer.
	UnwrittenOutput {
		/// The slot.
		buffer: u8,
	},
	/// No stage uses this buffer.
	UnusedBuffer {
		/// The slot.
		buffer: u8,
	},
}

impl core::fmt::Display for ManifestError {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		match self {
			Self::NoStages => write!(f, "the program has no stage: add a [[stages]] table"),
			Self::NoOutputs => {
				write!(f, "the program has no output buffer: give one buffer the role \"output\"")
			}
			Self::BadName => {
				write!(f, "a buffer, stage or entry point has an empty, non-UTF-8 or repeated name")
			}
			Self::UniformNotInput { buffer } => {
				write!(f, "buffer {buffer} is a uniform but not an input: uniforms are inputs")
			}
			Self::NoBindings { stage } => write!(f, "stage {stage} binds no buffer"),
			Self::UnknownBuffer { stage, buffer } => {
				write!(f, "stage {stage} binds buffer {buffer}, which the program does not declare")
			}
			Self::BadGroup { stage, group } => {
				write!(f, "stage {stage} uses @group({group}): groups go from 0 to 3")
			}
			Self::DuplicateBinding { stage, binding } => {
				write!(f, "stage {stage} declares @binding({binding}) or its buffer twice")
			}
			Self::WritesInput { stage, buffer } => {
				write!(
					f,
					"stage {stage} has read_write access to input buffer {buffer}: inputs are read only"
				)
			}
			Self::UnwrittenOutput { buffer } => {
				write!(f, "no stage has read_write access to output buffer {buffer}")
			}
			Self::UnusedBuffer { buffer } => write!(f, "no stage binds buffer {buffer}: remove it"),
		}
	}
}

/// A position in a bounded list as u8. The lists hold at most 16 items ([`crate::limits`]).
fn small(index: usize) -> u8 {
	u8::try_from(index).unwrap_or(u8::MAX)
}

impl ProgramManifest {
	/// Checks everything that can be checked without the WGSL. Linear in the number of bindings.
	pub fn validate(&self) -> Result<(), ManifestError> {
		if self.stages.is_empty() {
			return Err(ManifestError::NoStages);
		}
		if !self.buffers.iter().any(|b| b.role == BufferRole::Output) {
			return Err(ManifestError::NoOutputs);
		}
		let mut names = BTreeSet::new();
		for (slot, buffer) in self.buffers.iter().enumerate() {
			if !is_name(&buffer.name) || !names.insert(&buffer.name) {
				return Err(ManifestError::BadName);
			}
			if buffer.kind == BufferKind::Uniform && buffer.role != BufferRole::Input {
				return Err(ManifestError::UniformNotInput { buffer: small(slot) });
			}
		}
		let mut used = vec![false; self.buffers.len()];
		let mut written = vec![false; self.buffers.len()];
		let mut stage_names = BTreeSet::new();
		for (index, stage) in self.stages.iter().enumerate() {
			let stage_index = small(index);
			if !is_name(&stage.name) || !is_name(&stage.entry) || !stage_names.insert(&stage.name) {
				return Err(ManifestError::BadName);
			}
			if stage.bindings.is_empty() {
				return Err(ManifestError::NoBindings { stage: stage_index });
			}
			let mut places = BTreeSet::new();
			let mut slots = BTreeSet::new();
			for b in &stage.bindings {
				let slot = usize::from(b.buffer);
				let (Some(buffer), Some(used), Some(written)) =
					(self.buffers.get(slot), used.get_mut(slot), written.get_mut(slot))
				else {
					return Err(ManifestError::UnknownBuffer { stage: stage_index, buffer: b.buffer });
				};
				if b.group > 3 {
					return Err(ManifestError::BadGroup { stage: stage_index, group: b.group });
				}
				if !places.insert((b.group, b.binding)) || !slots.insert(b.buffer) {
					return Err(ManifestError::DuplicateBinding { stage: stage_index, binding: b.binding });
				}
				if b.access == Access::ReadWrite && buffer.role == BufferRole::Input {
					return Err(ManifestError::WritesInput { stage: stage_index, buffer: b.buffer });
				}
				*used = true;
				*written |= b.access == Access::ReadWrite;
			}
		}
		for (slot, buffer) in self.buffers.iter().enumerate() {
			if !used.get(slot).copied().unwrap_or(false) {
				return Err(ManifestError::UnusedBuffer { buffer: small(slot) });
			}
			if buffer.role == BufferRole::Output && !written.get(slot).copied().unwrap_or(false) {
				return Err(ManifestError::UnwrittenOutput { buffer: small(slot) });
			}
		}
		Ok(())
	}

	/// Slots of the output buffers, ascending: the order of the hashes in a claim.
	pub fn output_slots(&self) -> impl Iterator<Item = usize> + '_ {
		self.buffers.iter().enumerate().filter(|(_, b)| b.role == BufferRole::Output).map(|(i, _)| i)
	}

	/// Slot of the buffer with this name.
	pub fn slot(&self, name: &str) -> Option<usize> {
		self.buffers.iter().position(|b| b.name.as_slice() == name.as_bytes())
	}
}

fn is_name(bytes: &[u8]) -> bool {
	!bytes.is_empty() && core::str::from_utf8(bytes).is_ok()
}

/// A program as a blob: what its [`ProgramId`] is the hash of, and what workers fetch.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct ProgramPackage {
	/// [`PACKAGE_VERSION`].
	pub version: u8,
	/// The same manifest as on chain.
	pub manifest: ProgramManifest,
	/// WGSL sources, UTF-8.
	pub modules: Vec<Vec<u8>>,
}

/// Why a package is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PackageError {
	/// Longer than [`MAX_PACKAGE_BYTES`].
	TooLong {
		/// Its length in bytes.
		bytes: u64,
	},
	/// Not a SCALE-encoded package, or bytes are left over.
	Undecodable,
	/// A version that this software does not know.
	UnknownVersion {
		/// The version found.
		version: u8,
	},
	/// The manifest is not valid.
	Manifest(ManifestError),
	/// A stage names a module that the package does not hold, or a module is unused or not UTF-8.
	BadModule {
		/// Index of the module.
		module: u8,
	},
}

impl core::fmt::Display for PackageError {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		match self {
			Self::TooLong { bytes } => {
				write!(f, "the program package has {bytes} bytes; at most {MAX_PACKAGE_BYTES} are allowed")
			}
			Self::Undecodable => {
				write!(f, "the bytes are not a program package: pack it again with `tessera program pack`")
			}
			Self::UnknownVersion { version } => write!(
				f,
				"package version {version} is unknown; this software knows version {PACKAGE_VERSION}: update it or pack the program again"
			),
			Self::Manifest(e) => write!(f, "{e}"),
			Self::BadModule { module } => {
				write!(f, "WGSL module {module} is missing, unused or not UTF-8")
			}
		}
	}
}

#[cfg(feature = "std")]
impl std::error::Error for PackageError {}
#[cfg(feature = "std")]
impl std::error::Error for ManifestError {}

impl ProgramPackage {
	/// Packs and checks a program.
	pub fn new(manifest: ProgramManifest, modules: Vec<Vec<u8>>) -> Result<Self, PackageError> {
		let package = Self { version: PACKAGE_VERSION, manifest, modules };
		package.validate()?;
		Ok(package)
	}

	/// Decodes and checks a package fetched from somebody else.
	pub fn decode_checked(bytes: &[u8]) -> Result<Self, PackageError> {
		check_length(bytes)?;
		let mut input = bytes;
		let package = Self::decode(&mut input).map_err(|_| PackageError::Undecodable)?;
		if !input.is_empty() {
			return Err(PackageError::Undecodable);
		}
		package.validate()?;
		Ok(package)
	}

	/// The program's id.
	pub fn id(&self) -> ProgramId {
		blake3_hash(&self.encode())
	}

	fn validate(&self) -> Result<(), PackageError> {
		if self.version != PACKAGE_VERSION {
			return Err(PackageError::UnknownVersion { version: self.version });
		}
		check_length(&self.encode())?;
		self.manifest.validate().map_err(PackageError::Manifest)?;
		let used: BTreeSet<usize> = self.manifest.stages.iter().map(|s| usize::from(s.module)).collect();
		if let Some(missing) = used.iter().find(|m| **m >= self.modules.len()) {
			return Err(PackageError::BadModule { module: small(*missing) });
		}
		for (index, module) in self.modules.iter().enumerate() {
			if !used.contains(&index) || core::str::from_utf8(module).is_err() {
				return Err(PackageError::BadModule { module: small(index) });
			}
		}
		Ok(())
	}
}

fn check_length(bytes: &[u8]) -> Result<(), PackageError> {
	let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
	if length > MAX_PACKAGE_BYTES { Err(PackageError::TooLong { bytes: length }) } else { Ok(()) }
}
