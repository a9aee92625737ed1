// SPDX-License-Identifier: Apache-2.0

//! Programs and requests for the tests of the GPU child.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::{path::Path, time::Duration};

use codec::Encode;
use tempfile::TempDir;
use tessera_primitives::program::{
	Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, ProgramPackage, StageDecl,
};
use tessera_worker::{
	adapters::AdapterSelector,
	exec::{BufferSpec, ExecLimits, ExecReport, ExecRequest, Source},
	supervise::{Supervisor, TaskFailure},
};

/// Long enough for a software device on a busy machine.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The adapter under test: `TESSERA_TEST_ADAPTER`, or Mesa's software device.
pub fn adapter() -> AdapterSelector {
	let text = std::env::var("TESSERA_TEST_ADAPTER").unwrap_or("llvmpipe".into());
	text.parse().expect("TESSERA_TEST_ADAPTER names an adapter")
}

/// A supervisor of the real child process.
pub fn supervisor(scratch: &Path) -> Supervisor {
	Supervisor::with_executable(env!("CARGO_BIN_EXE_tessera-worker"), scratch)
}

/// A supervisor whose children compute nothing, on wgpu's noop backend.
pub fn noop_supervisor(scratch: &Path) -> Supervisor {
	supervisor(scratch).with_variable("WGPU_BACKEND", "noop").with_variable("WGPU_NOOP_BACKEND", "1")
}

/// A stage: its entry point (and name), and (binding, slot, access) in group 0.
pub struct Stage<'a>(pub &'a str, pub &'a [(u8, u8, Access)]);

/// Packs a program of one module.
pub fn package(wgsl: &str, buffers: &[(BufferRole, BufferKind)], stages: &[Stage]) -> Vec<u8> {
	let name = |text: &str| text.as_bytes().to_vec().try_into().unwrap();
	let manifest = ProgramManifest {
		buffers: buffers
			.iter()
			.enumerate()
			.map(|(slot, (role, kind))| BufferDecl {
				name: name(&format!("b{slot}")),
				role: *role,
				kind: *kind,
			})
			.collect::<Vec<_>>()
			.try_into()
			.unwrap(),
		stages: stages
			.iter()
			.map(|Stage(entry, bindings)| StageDecl {
				name: name(entry),
				module: 0,
				entry: name(entry),
				bindings: bindings
					.iter()
					.map(|(binding, buffer, access)| BindingDecl {
						group: 0,
						binding: *binding,
						buffer: *buffer,
						access: *access,
					})
					.collect::<Vec<_>>()
					.try_into()
					.unwrap(),
			})
			.collect::<Vec<_>>()
			.try_into()
			.unwrap(),
	};
	ProgramPackage::new(manifest, vec![wgsl.as_bytes().to_vec()]).unwrap().encode()
}

/// A task with a folder of its own.
pub struct Task {
	pub folder: TempDir,
	pub request: ExecRequest,
}

impl Task {
	/// A task of a program, with what is in each buffer and the dispatch of each stage.
	pub fn new(package: Vec<u8>, buffers: Vec<BufferSpec>, dispatches: Vec<[u32; 3]>) -> Self {
		let folder = tempfile::tempdir().unwrap();
		let request = ExecRequest {
			package: Source::Inline(package),
			buffers,
			dispatches,
			features: 0,
			adapter: adapter(),
			limits: ExecLimits { buffer_bytes: 1 << 30, time_ms: u64::MAX },
			out_dir: folder.path().into(),
		};
		Self { folder, request }
	}

	/// Runs it with plenty of time.
	pub async fn run(&self, supervisor: &Supervisor) -> Result<ExecReport, TaskFailure> {
		supervisor.run_task(self.request.clone(), MINUTE).await
	}

	/// Words of an output.
	pub fn words(&self, slot: usize) -> Vec<u32> {
		words_of(&std::fs::read(self.folder.path().join(format!("{slot}.bin"))).unwrap())
	}
}

/// An input of these words.
pub fn words(words: impl IntoIterator<Item = u32>) -> BufferSpec {
	let data: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
	BufferSpec { bytes: data.len() as u64, source: Source::Inline(data) }
}

/// A buffer of zeros.
pub fn zeros(bytes: u64) -> BufferSpec {
	BufferSpec { bytes, source: Source::Zero }
}

pub fn words_of(bytes: &[u8]) -> Vec<u32> {
	bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

pub const INPUT: (BufferRole, BufferKind) = (BufferRole::Input, BufferKind::Storage);
pub const UNIFORM: (BufferRole, BufferKind) = (BufferRole::Input, BufferKind::Uniform);
pub const OUTPUT: (BufferRole, BufferKind) = (BufferRole::Output, BufferKind::Storage);
pub const SCRATCH: (BufferRole, BufferKind) = (BufferRole::Scratch, BufferKind::Storage);

/// Doubles every word of buffer 0 into buffer 1.
pub fn doubling() -> Vec<u8> {
	package(
		"@group(0) @binding(0) var<storage, read> source: array<u32>;
		@group(0) @binding(1) var<storage, read_write> doubled: array<u32>;
		@compute @workgroup_size(64)
		fn double(@builtin(global_invocation_id) id: vec3<u32>) {
			if id.x < arrayLength(&doubled) { doubled[id.x] = source[id.x] * 2u; }
		}",
		&[INPUT, OUTPUT],
		&[Stage("double", &[(0, 0, Access::Read), (1, 1, Access::ReadWrite)])],
	)
}

/// Never ends when buffer 0 holds a zero.
pub fn endless() -> Vec<u8> {
	package(
		"@group(0) @binding(0) var<storage, read> stop: array<u32>;
		@group(0) @binding(1) var<storage, read_write> count: array<u32>;
		@compute @workgroup_size(1)
		fn spin() {
			loop {
				if stop[0] == 1u { break; }
				count[0] = count[0] * 1664525u + 1u;
			}
		}",
		&[INPUT, OUTPUT],
		&[Stage("spin", &[(0, 0, Access::Read), (1, 1, Access::ReadWrite)])],
	)
}

/// A task of [`endless`]. Old versions of Mesa's software device leave a loop after 65,535 rounds: the number of
/// workgroups makes it last for days even so.
pub fn endless_task() -> Task {
	Task::new(endless(), vec![words([0]), zeros(4)], vec![[65_535, 256, 1]])
}

/// A task of [`doubling`] over the numbers up to `count`.
pub fn doubling_task(count: u32) -> Task {
	Task::new(
		doubling(),
		vec![words(0..count), zeros(u64::from(count) * 4)],
		vec![[count.div_ceil(64), 1, 1]],
	)
}
