// SPDX-License-Identifier: Apache-2.0

//! A tiny program with a known answer: whether a GPU still computes after it was reset or its process was killed.
//!
//! Integers only, so that the answer is the same on every device: each of 1,024 invocations scrambles its index in a
//! loop, and each workgroup adds what its neighbours found, through workgroup memory and a barrier.

use std::path::PathBuf;

use tessera_primitives::{
	BlobRef,
	program::{
		Access, BindingDecl, BufferDecl, BufferKind, BufferRole, PackageError, ProgramManifest,
		ProgramPackage, StageDecl,
	},
};

use super::request::{BufferSpec, ExecLimits, ExecRequest, Source};
use crate::adapters::AdapterSelector;

const WORKGROUPS: u32 = 16;
const WORKGROUP_SIZE: u32 = 64;
const ROUNDS: u32 = 100;

const WGSL: &str = "
@group(0) @binding(0) var<storage, read_write> answer: array<u32>;
var<workgroup> shared_words: array<u32, 64>;

@compute @workgroup_size(64)
fn probe(@builtin(global_invocation_id) global: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
	var x = global.x + 1u;
	for (var i = 0u; i < 100u; i++) {
		x = x * 1664525u + 1013904223u;
		x = x ^ (x >> 15u);
	}
	shared_words[local.x] = x;
	workgroupBarrier();
	answer[global.x] = x + shared_words[63u - local.x];
}
";

/// The probe for an adapter. Its only output is buffer 0.
pub fn request(
	adapter: AdapterSelector,
	out_dir: PathBuf,
	time_ms: u64,
) -> Result<ExecRequest, PackageError> {
	let bytes = u64::from(WORKGROUPS * WORKGROUP_SIZE * 4);
	Ok(ExecRequest {
		package: Source::Inline(codec::Encode::encode(&package()?)),
		buffers: vec![BufferSpec { bytes, source: Source::Zero }],
		dispatches: vec![[WORKGROUPS, 1, 1]],
		features: 0,
		adapter,
		limits: ExecLimits { buffer_bytes: bytes, time_ms },
		out_dir,
	})
}

fn package() -> Result<ProgramPackage, PackageError> {
	let name = |text: &str| text.as_bytes().to_vec().try_into().unwrap_or_default();
	let binding = BindingDecl { group: 0, binding: 0, buffer: 0, access: Access::ReadWrite };
	let buffer = BufferDecl { name: name("answer"), role: BufferRole::Output, kind: BufferKind::Storage };
	let stage = StageDecl {
		name: name("probe"),
		module: 0,
		entry: name("probe"),
		bindings: vec![binding].try_into().unwrap_or_default(),
	};
	let manifest = ProgramManifest {
		buffers: vec![buffer].try_into().unwrap_or_default(),
		stages: vec![stage].try_into().unwrap_or_default(),
	};
	ProgramPackage::new(manifest, vec![WGSL.as_bytes().to_vec()])
}

/// The right answer, computed here and now.
pub fn answer() -> BlobRef {
	let scramble = |index: u32| {
		(0..ROUNDS).fold(index + 1, |x, _| {
			let x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
			x ^ (x >> 15)
		})
	};
	let word = |index: u32| {
		let (group, local) = (index / WORKGROUP_SIZE * WORKGROUP_SIZE, index % WORKGROUP_SIZE);
		scramble(index).wrapping_add(scramble(group + WORKGROUP_SIZE - 1 - local))
	};
	let bytes: Vec<u8> = (0..WORKGROUPS * WORKGROUP_SIZE).flat_map(|i| word(i).to_le_bytes()).collect();
	BlobRef::of(&bytes)
}
