// SPDX-License-Identifier: Apache-2.0

//! What goes into the GPU child and what comes out.

use std::{
	fmt,
	path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tessera_client::admission::AdmissionError;
use tessera_primitives::{BlobRef, provider::AdapterClass};

use crate::adapters::{AdapterDescription, AdapterSelector, NoAdapter};

/// One task to run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecRequest {
	/// The program package.
	pub package: Source,
	/// One entry a buffer of the program, by slot.
	pub buffers: Vec<BufferSpec>,
	/// Workgroups in x, y and z of every stage.
	pub dispatches: Vec<[u32; 3]>,
	/// Optional abilities that the job requires ([`tessera_primitives::provider::Features`]): the only ones that the
	/// program may use.
	pub features: u64,
	/// Where to run.
	pub adapter: AdapterSelector,
	/// What it may take.
	pub limits: ExecLimits,
	/// Folder for the outputs, which must exist; output buffers become `<slot>.bin` there.
	pub out_dir: PathBuf,
}

impl ExecRequest {
	/// Bytes of all buffers.
	pub fn buffer_bytes(&self) -> u64 {
		self.buffers.iter().fold(0u64, |all, b| all.saturating_add(b.bytes))
	}
}

/// A buffer: how long, and what is in it at the start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BufferSpec {
	/// Length in bytes.
	pub bytes: u64,
	/// Contents: a file or inline bytes for inputs, zero for outputs and scratch.
	pub source: Source,
}

/// Where bytes come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
	/// A file, all of it.
	File(PathBuf),
	/// The bytes themselves, hexadecimal in JSON.
	#[serde(with = "hex_bytes")]
	Inline(Vec<u8>),
	/// Zeros.
	Zero,
}

/// What a task may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecLimits {
	/// All buffers together, bytes.
	pub buffer_bytes: u64,
	/// From the child's start to its report, milliseconds.
	pub time_ms: u64,
}

/// What the child is doing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
	/// The process starts.
	Start,
	/// Reads and checks the program.
	Admission,
	/// Opens the adapter.
	Device,
	/// The driver compiles a stage.
	Compile {
		/// Its name.
		stage: String,
	},
	/// Fills a buffer.
	Upload {
		/// Its slot.
		slot: usize,
	},
	/// Runs a stage.
	Stage {
		/// Its name.
		stage: String,
	},
	/// Reads an output back.
	Download {
		/// Its slot.
		slot: usize,
	},
}

impl fmt::Display for Phase {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Start => write!(f, "starting the GPU process"),
			Self::Admission => write!(f, "checking the program"),
			Self::Device => write!(f, "opening the GPU"),
			Self::Compile { stage } => write!(f, "compiling stage `{stage}`"),
			Self::Upload { slot } => write!(f, "filling buffer {slot}"),
			Self::Stage { stage } => write!(f, "running stage `{stage}`"),
			Self::Download { slot } => write!(f, "reading buffer {slot} back"),
		}
	}
}

/// A task that ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExecReport {
	/// Where it ran.
	pub adapter: AdapterSummary,
	/// The stages, in order.
	pub stages: Vec<StageReport>,
	/// The output buffers, by slot: what a claim commits to.
	pub outputs: Vec<OutputReport>,
	/// Opening the device, microseconds.
	pub device_us: u64,
	/// Compiling, microseconds.
	pub compile_us: u64,
	/// Filling the inputs, microseconds.
	pub upload_us: u64,
	/// Reading the outputs back, microseconds.
	pub download_us: u64,
	/// Everything from the first look at the request, microseconds.
	pub total_us: u64,
}

/// The adapter of a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdapterSummary {
	/// The driver's name for it.
	pub name: String,
	/// Backend.
	pub backend: String,
	/// Driver and its version.
	pub driver: String,
	/// Its class.
	pub class: AdapterClass,
	/// PCI bus id, where there is one.
	pub pci_bus_id: String,
}

impl From<&AdapterDescription> for AdapterSummary {
	fn from(of: &AdapterDescription) -> Self {
		Self {
			name: of.name.clone(),
			backend: of.backend.clone(),
			driver: format!("{} {}", of.driver, of.driver_info).trim().into(),
			class: of.class,
			pci_bus_id: of.pci_bus_id.clone(),
		}
	}
}

/// A stage that ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StageReport {
	/// Its name.
	pub stage: String,
	/// From submission to completion, microseconds.
	pub wall_us: u64,
}

/// An output buffer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputReport {
	/// Its slot.
	pub slot: usize,
	/// BLAKE3 hash and length.
	pub blob: BlobRef,
	/// The file.
	pub path: PathBuf,
}

/// Why a task did not run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ExecError {
	/// The request contradicts itself or the program.
	#[error("the request is not sound: {reason}")]
	BadRequest {
		/// What is wrong.
		reason: String,
	},
	/// The package cannot be used.
	#[error("the program package is refused: {reason}")]
	BadPackage {
		/// Why.
		reason: String,
	},
	/// The program or the job's numbers are refused before the GPU sees them.
	#[error(transparent)]
	Rejected(#[from] AdmissionError),
	/// No such adapter.
	#[error(transparent)]
	NoAdapter(#[from] NoAdapter),
	/// The adapter lacks something that the job needs.
	#[error("adapter {adapter} lacks {what}")]
	Unsupported {
		/// The adapter.
		adapter: String,
		/// What it lacks.
		what: String,
	},
	/// The buffers exceed what the task may take.
	#[error("the task's buffers need {needed} bytes; this worker gives a task at most {allowed}")]
	OverBudget {
		/// All buffers, bytes.
		needed: u64,
		/// What is allowed, bytes.
		allowed: u64,
	},
	/// The adapter has not got the memory.
	#[error("out of memory while {phase}: {detail}")]
	OutOfMemory {
		/// When.
		phase: Phase,
		/// The driver's words.
		detail: String,
	},
	/// wgpu refuses what admission let pass.
	#[error("the GPU interface refuses the task while {phase}: {detail}")]
	Invalid {
		/// When.
		phase: Phase,
		/// wgpu's words.
		detail: String,
	},
	/// The device was lost: the driver reset it, or it was unplugged.
	#[error("the GPU was lost while {phase}: {detail}")]
	DeviceLost {
		/// When.
		phase: Phase,
		/// The driver's words.
		detail: String,
	},
	/// The driver or wgpu failed.
	#[error("the GPU driver failed while {phase}: {detail}")]
	Internal {
		/// When.
		phase: Phase,
		/// What it said.
		detail: String,
	},
	/// The time is over and the GPU still works.
	#[error("not finished after {limit_ms} ms, while {phase}")]
	TimedOut {
		/// What it was doing.
		phase: Phase,
		/// The limit, milliseconds.
		limit_ms: u64,
	},
	/// An input file is not as long as its buffer.
	#[error("input {} has {found} bytes; buffer {slot} has {expected}", path.display())]
	InputLength {
		/// Slot of the buffer.
		slot: usize,
		/// The file.
		path: PathBuf,
		/// Length of the buffer, bytes.
		expected: u64,
		/// Length of the file, bytes.
		found: u64,
	},
	/// A file cannot be read or written.
	#[error("{}: {reason}", path.display())]
	Io {
		/// The file.
		path: PathBuf,
		/// Why.
		reason: String,
	},
}

impl ExecError {
	/// An error of the file system.
	pub fn io(path: &Path, error: &std::io::Error) -> Self {
		Self::Io { path: path.into(), reason: error.to_string() }
	}
}

/// Bytes as hexadecimal text.
mod hex_bytes {
	use serde::{Deserialize, Deserializer, Serializer, de::Error};

	pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
		serializer.serialize_str(&hex::encode(bytes))
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
		hex::decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
	}
}
