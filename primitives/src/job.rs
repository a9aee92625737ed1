// SPDX-License-Identifier: Apache-2.0

//! Jobs and tasks: what a tenant submits, the states a task goes through, and the blobs beside the chain.
//!
//! ```text
//! Open -> Accepted -> Claimed -> ended: Settled
//! back to Open: expired or handed back, while the job is open and attempts are left
//! ends: Settled, Cancelled, LifetimeOver, AttemptsUsedUp, Faulted
//! ```

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
#[cfg(feature = "std")]
use serde::{Deserialize, Serialize};
use sp_core::H256;

use crate::{
	limits::{
		MAX_BUFFER_BYTES, MAX_INLINE_BYTES, MAX_SPEC_BYTES, MAX_TASKS, MAX_WORKGROUPS,
		MAX_WORKGROUPS_PER_DIMENSION, MaxBuffers, MaxStages,
	},
	program::{BufferRole, ProgramManifest},
	provider::{Needs, Requirements},
	types::{Balance, BlobRef, EndpointInfo, ProgramId, TaskIndex, Tick, blake3_hash},
};

/// Who checks a job's results.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum Tier {
	/// Nobody: any WGSL that wgpu accepts, no consequence of a wrong result.
	#[default]
	#[codec(index = 0)]
	Unverified,
}

/// What a tenant asks for. All tasks have the same buffers and dispatches; their inputs differ.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct JobRequest {
	/// The program, registered before.
	pub program: ProgramId,
	/// Who checks.
	pub tier: Tier,
	/// The [`JobSpec`] blob: every task's inputs under one root.
	pub spec: BlobRef,
	/// Where the program package, the specification and the inputs are served.
	pub source: EndpointInfo,
	/// Number of tasks.
	pub tasks: u32,
	/// Length in bytes of every buffer of the program, by slot: multiples of 4.
	pub buffers: BoundedVec<u64, MaxBuffers>,
	/// Workgroups in x, y and z of every stage.
	pub dispatches: BoundedVec<[u32; 3], MaxStages>,
	/// What providers must offer.
	pub requirements: Requirements,
	/// Price of a task at submission, planck.
	pub opening_price: Balance,
	/// Highest price of a task, planck; this is what is put in escrow.
	pub ceiling_price: Balance,
	/// By how much the price of an open task rises per tick, planck.
	pub price_ramp: Balance,
	/// Ticks from acceptance to claim.
	pub execution_ticks: u32,
	/// Ticks from submission after which open tasks are open no more.
	pub lifetime_ticks: u32,
}

/// Why a request does not fit its program or the limits. Money and time are checked by the pallet, which knows the
/// policy.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum RequestError {
	/// Zero tasks, or more than [`MAX_TASKS`].
	TaskCount,
	/// Not as many buffer lengths as the program has buffers.
	BufferCount,
	/// A buffer is empty, not a whole number of words, or too large.
	BufferLength,
	/// Not as many dispatches as the program has stages.
	DispatchCount,
	/// A dispatch is empty or beyond the limits.
	DispatchSize,
	/// The specification blob is empty or too long.
	SpecLength,
	/// An address of the source is empty or not UTF-8.
	SourceAddress,
	/// The ceiling is below the opening price.
	CeilingBelowOpening,
}

impl JobRequest {
	/// Checks the request against the program's manifest and the limits.
	pub fn validate(&self, manifest: &ProgramManifest) -> Result<(), RequestError> {
		if self.tasks == 0 || self.tasks > MAX_TASKS {
			return Err(RequestError::TaskCount);
		}
		if self.buffers.len() != manifest.buffers.len() {
			return Err(RequestError::BufferCount);
		}
		if self.buffers.iter().any(|b| *b == 0 || b.checked_rem(4) != Some(0) || *b > MAX_BUFFER_BYTES) {
			return Err(RequestError::BufferLength);
		}
		if self.dispatches.len() != manifest.stages.len() {
			return Err(RequestError::DispatchCount);
		}
		let too_big = |d: &[u32; 3]| {
			d.iter().any(|n| *n == 0 || *n > MAX_WORKGROUPS_PER_DIMENSION)
				|| d.iter().fold(1u64, |all, n| all.saturating_mul(u64::from(*n))) > MAX_WORKGROUPS
		};
		if self.dispatches.iter().any(too_big) {
			return Err(RequestError::DispatchSize);
		}
		if self.spec.bytes == 0 || self.spec.bytes > MAX_SPEC_BYTES {
			return Err(RequestError::SpecLength);
		}
		if !self.source.is_well_formed() {
			return Err(RequestError::SourceAddress);
		}
		if self.ceiling_price < self.opening_price {
			return Err(RequestError::CeilingBelowOpening);
		}
		Ok(())
	}

	/// What a task needs of a provider.
	pub fn needs(&self) -> Needs {
		Needs {
			requirements: self.requirements.clone(),
			buffers_bytes: self.buffers.iter().fold(0u64, |all, b| all.saturating_add(*b)),
			largest_buffer_bytes: self.buffers.iter().copied().max().unwrap_or(0),
		}
	}

	/// Bytes of all output buffers of a task: what a claim must state.
	pub fn output_bytes(&self, manifest: &ProgramManifest) -> u64 {
		let outputs =
			self.buffers.iter().zip(&manifest.buffers).filter(|(_, b)| b.role == BufferRole::Output);
		outputs.fold(0u64, |all, (bytes, _)| all.saturating_add(*bytes))
	}
}

/// Why a task ended.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum EndReason {
	/// The provider was paid.
	#[codec(index = 0)]
	Settled,
	/// The tenant cancelled it.
	#[codec(index = 1)]
	Cancelled,
	/// The job's lifetime ended before a provider finished it.
	#[codec(index = 2)]
	LifetimeOver,
	/// As many providers as the rules allow failed it.
	#[codec(index = 3)]
	AttemptsUsedUp,
	/// Two providers reported that the program itself fails.
	#[codec(index = 4)]
	Faulted,
}

/// Why a provider hands a task back.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize), serde(rename_all = "snake_case"))]
pub enum HandBackReason {
	/// The program or inputs could not be fetched, or are not what the job says. Only within the fetch window.
	#[codec(index = 0)]
	NoInputs,
	/// The program does not run: it is refused, hangs, or exceeds memory. Until the execution deadline.
	#[codec(index = 1)]
	Faulted,
}

/// State of a task.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum TaskState<AccountId> {
	/// Anyone eligible may accept it.
	#[codec(index = 0)]
	Open {
		/// Tick since which the price rises.
		since: Tick,
		/// Price at that tick, planck.
		price: Balance,
	},
	/// A provider works on it.
	#[codec(index = 1)]
	Accepted {
		/// Who.
		provider: AccountId,
		/// What is paid for it, planck.
		price: Balance,
		/// Locked part of the provider's bond, planck.
		collateral: Balance,
		/// Tick of acceptance.
		at: Tick,
		/// Last tick at which a claim counts.
		deadline: Tick,
	},
	/// The provider committed to a result.
	#[codec(index = 2)]
	Claimed {
		/// Who.
		provider: AccountId,
		/// What is paid for it, planck.
		price: Balance,
		/// Locked part of the provider's bond, planck.
		collateral: Balance,
		/// BLAKE3 hash of the [`ClaimList`].
		root: H256,
		/// Tick of the claim.
		at: Tick,
		/// First tick at which it is settled.
		settle_at: Tick,
	},
	/// It is over.
	#[codec(index = 3)]
	Ended {
		/// Why.
		reason: EndReason,
		/// Who was paid; `None` when nobody was.
		paid: Option<Payment<AccountId>>,
	},
}

/// What a provider got for a task.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Payment<AccountId> {
	/// Who.
	pub provider: AccountId,
	/// What the tenant paid, the protocol's cut included, planck.
	pub price: Balance,
	/// The claim's root, under which the outputs are found.
	pub root: H256,
}

/// Version of [`JobSpec`] that this crate writes.
pub const SPEC_VERSION: u8 = 1;

/// The off-chain part of a job, one blob: the inputs of every task.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct JobSpec {
	/// [`SPEC_VERSION`].
	pub version: u8,
	/// Inputs that all tasks share: slot and blob.
	pub shared: Vec<(u8, BlobRef)>,
	/// The tasks' own inputs, one entry a task.
	pub tasks: Vec<TaskSpec>,
}

/// One task's own inputs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct TaskSpec {
	/// Slot and contents.
	pub inputs: Vec<(u8, TaskInput)>,
}

/// Contents of an input buffer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub enum TaskInput {
	/// A blob to fetch.
	#[codec(index = 0)]
	Blob(BlobRef),
	/// A few bytes, here.
	#[codec(index = 1)]
	Inline(Vec<u8>),
}

impl TaskInput {
	/// Length in bytes.
	pub fn bytes(&self) -> u64 {
		match self {
			Self::Blob(blob) => blob.bytes,
			Self::Inline(data) => u64::try_from(data.len()).unwrap_or(u64::MAX),
		}
	}
}

/// Why a specification does not fit its job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpecError {
	/// Not a SCALE-encoded specification, or bytes are left over.
	Undecodable,
	/// A version that this software does not know.
	UnknownVersion(u8),
	/// Not as many tasks as the job has.
	TaskCount {
		/// Tasks in the specification.
		found: usize,
	},
	/// An input is missing, given twice, or names a buffer that is not an input.
	Inputs {
		/// The task.
		task: TaskIndex,
		/// The slot.
		slot: u8,
	},
	/// An input's length is not the job's length of that buffer, or an inline input is too long.
	Length {
		/// The task.
		task: TaskIndex,
		/// The slot.
		slot: u8,
		/// Its length in bytes.
		bytes: u64,
	},
}

impl core::fmt::Display for SpecError {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		match self {
			Self::Undecodable => write!(f, "the blob is not a job specification"),
			Self::UnknownVersion(v) => {
				write!(f, "job specification version {v} is unknown; this software knows {SPEC_VERSION}")
			}
			Self::TaskCount { found } => {
				write!(f, "the job specification lists {found} tasks, the job has another number")
			}
			Self::Inputs { task, slot } => {
				write!(f, "task {task}: buffer {slot} is missing, given twice or not an input")
			}
			Self::Length { task, slot, bytes } => write!(
				f,
				"task {task}: the input of buffer {slot} has {bytes} bytes, which is not the buffer's length (or, inline, more than {MAX_INLINE_BYTES})"
			),
		}
	}
}

#[cfg(feature = "std")]
impl std::error::Error for SpecError {}

impl JobSpec {
	/// Decodes a specification fetched from somebody else and checks it against the job and its program.
	pub fn decode_checked(
		bytes: &[u8],
		request: &JobRequest,
		manifest: &ProgramManifest,
	) -> Result<Self, SpecError> {
		let mut input = bytes;
		let spec = Self::decode(&mut input).map_err(|_| SpecError::Undecodable)?;
		if !input.is_empty() {
			return Err(SpecError::Undecodable);
		}
		spec.validate(request, manifest)?;
		Ok(spec)
	}

	/// Checks that every input buffer of every task has exactly one source of the job's length.
	pub fn validate(&self, request: &JobRequest, manifest: &ProgramManifest) -> Result<(), SpecError> {
		if self.version != SPEC_VERSION {
			return Err(SpecError::UnknownVersion(self.version));
		}
		if u32::try_from(self.tasks.len()) != Ok(request.tasks) {
			return Err(SpecError::TaskCount { found: self.tasks.len() });
		}
		for (task, index) in self.tasks.iter().zip(0u32..) {
			let mut missing: Vec<bool> =
				manifest.buffers.iter().map(|b| b.role == BufferRole::Input).collect();
			let shared = self.shared.iter().map(|(slot, blob)| (*slot, TaskInput::Blob(*blob)));
			for (slot, input) in shared.chain(task.inputs.iter().cloned()) {
				let place = usize::from(slot);
				match missing.get_mut(place) {
					Some(open) if *open => *open = false,
					_ => return Err(SpecError::Inputs { task: index, slot }),
				}
				let bytes = input.bytes();
				let inline_too_long =
					matches!(input, TaskInput::Inline(_)) && bytes > u64::from(MAX_INLINE_BYTES);
				if request.buffers.get(place) != Some(&bytes) || inline_too_long {
					return Err(SpecError::Length { task: index, slot, bytes });
				}
			}
			if let Some(slot) = missing.iter().position(|m| *m) {
				return Err(SpecError::Inputs { task: index, slot: u8::try_from(slot).unwrap_or(u8::MAX) });
			}
		}
		Ok(())
	}

	/// All inputs of one task by slot, the shared ones included.
	pub fn inputs_of(&self, task: TaskIndex) -> Option<Vec<(u8, TaskInput)>> {
		let own = self.tasks.get(usize::try_from(task).ok()?)?;
		let shared = self.shared.iter().map(|(slot, blob)| (*slot, TaskInput::Blob(*blob)));
		Some(shared.chain(own.inputs.iter().cloned()).collect())
	}
}

/// What a claim's root is the hash of: one blob that the provider serves beside the outputs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct ClaimList {
	/// BLAKE3 hash of every output buffer, by ascending slot. Lengths are the job's.
	pub outputs: Vec<H256>,
}

impl ClaimList {
	/// The claim's root.
	pub fn root(&self) -> H256 {
		blake3_hash(&self.encode())
	}
}
