// SPDX-License-Identifier: Apache-2.0

//! Programs.

use serde::Serialize;
use tessera_client::chain::H256;
use tessera_primitives::program::{Access, BufferKind, BufferRole, ProgramManifest};

/// A program.
#[derive(Clone, Serialize, Debug)]
pub struct Program {
	/// Its id.
	pub program: H256,
	/// Its name; `null` when only the chain's record is known, which has none.
	pub name: Option<String>,
	/// Length of its package; `null` when only the chain's record is known.
	pub package_bytes: Option<u64>,
	/// Its buffers, by slot.
	pub buffers: Vec<Buffer>,
	/// Its stages, in order.
	pub stages: Vec<Stage>,
}

/// A buffer of a program.
#[derive(Clone, Serialize, Debug)]
pub struct Buffer {
	/// Its name.
	pub name: String,
	/// `input`, `output` or `scratch`.
	pub role: BufferRole,
	/// `storage` or `uniform`.
	pub kind: BufferKind,
}

/// A stage of a program.
#[derive(Clone, Serialize, Debug)]
pub struct Stage {
	/// Its name.
	pub name: String,
	/// Its compute entry point.
	pub entry: String,
	/// Workgroup size in x, y and z, when the shader is known.
	pub workgroup_size: Option<[u32; 3]>,
	/// What it reads and writes.
	pub bindings: Vec<Binding>,
}

/// A binding of a stage.
#[derive(Clone, Serialize, Debug)]
pub struct Binding {
	/// `@group`.
	pub group: u8,
	/// `@binding`.
	pub binding: u8,
	/// Name of the buffer.
	pub buffer: String,
	/// `read` or `read_write`.
	pub access: Access,
}

impl Program {
	/// What a manifest says of a program.
	pub fn new(program: H256, manifest: &ProgramManifest) -> Self {
		let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
		let buffer_name = |slot: u8| manifest.buffers.get(usize::from(slot)).map(|b| text(&b.name));
		let buffers = manifest.buffers.iter();
		Self {
			program,
			name: None,
			package_bytes: None,
			buffers: buffers.map(|b| Buffer { name: text(&b.name), role: b.role, kind: b.kind }).collect(),
			stages: manifest
				.stages
				.iter()
				.map(|stage| Stage {
					name: text(&stage.name),
					entry: text(&stage.entry),
					workgroup_size: None,
					bindings: stage
						.bindings
						.iter()
						.map(|b| Binding {
							group: b.group,
							binding: b.binding,
							buffer: buffer_name(b.buffer).unwrap_or_default(),
							access: b.access,
						})
						.collect(),
				})
				.collect(),
		}
	}
}
