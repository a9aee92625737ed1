// SPDX-License-Identifier: Apache-2.0

//! Static admission: what a program must satisfy before any GPU driver sees a byte of it.
//!
//! wgpu validates shaders too, but it checks them against what a *device* can do and reports what went wrong in its
//! own terms. Admission checks a program against what *Tessera* allows, with a small explicit set of language
//! features, and names the stage, the binding and the line. The worker runs it in the GPU child before it opens a
//! device; tenants run the very same function on their own machine before they pay for anything.
//!
//! [`check`] needs the package only. [`Admitted::check_job`] then checks a job's buffer lengths and dispatches
//! against what [`check`] learned about the shaders.

mod error;
mod module;

use std::{
	any::Any,
	panic::{self, AssertUnwindSafe},
	thread,
};

use tessera_primitives::{
	limits::{MAX_BUFFER_BYTES, MAX_WORKGROUPS, MAX_WORKGROUPS_PER_DIMENSION},
	program::{BufferKind, ProgramManifest, ProgramPackage},
	provider::Features,
};

pub use error::AdmissionError;

/// Stack of the thread that parses. naga recurses on nested source up to a depth limit of its own, which needs more
/// than the default stack of a thread in an unoptimised build.
pub const PARSER_STACK_BYTES: usize = 64 << 20;

/// What a program may use. The default is what every adapter of the network offers: WebGPU's default limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
	/// Optional abilities that the job requires of its provider; a program may use these and no others.
	pub features: Features,
	/// Bytes of one WGSL module.
	pub source_bytes: usize,
	/// Invocations of a workgroup in x, y and z.
	pub workgroup_size: [u32; 3],
	/// Invocations of a workgroup.
	pub invocations: u32,
	/// `var<workgroup>` bytes that one entry point may use.
	pub workgroup_bytes: u32,
	/// `var<private>` and function variables that one entry point may use, and the size of any one value, in bytes.
	pub private_bytes: u32,
	/// Storage buffers of one stage.
	pub storage_buffers: usize,
	/// Uniform buffers of one stage.
	pub uniform_buffers: usize,
	/// Bytes of a uniform buffer.
	pub uniform_bytes: u64,
}

impl Default for Limits {
	fn default() -> Self {
		Self {
			features: Features(0),
			source_bytes: 256 << 10,
			workgroup_size: [256, 256, 64],
			invocations: 256,
			workgroup_bytes: 16 << 10,
			private_bytes: 64 << 10,
			storage_buffers: 8,
			uniform_buffers: 12,
			uniform_bytes: 64 << 10,
		}
	}
}

impl Limits {
	/// The network's limits for a job that requires these abilities of its provider.
	pub fn with_features(features: Features) -> Self {
		Self { features, ..Self::default() }
	}
}

/// What the shaders of an admitted program look like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
	/// One entry a stage, in order.
	pub stages: Vec<AdmittedStage>,
}

/// What admission learned about the entry point of a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmittedStage {
	/// `@workgroup_size`.
	pub workgroup_size: [u32; 3],
	/// `var<workgroup>` bytes that it uses.
	pub workgroup_bytes: u32,
	/// Least length in bytes of the buffer behind each binding, in the manifest's order: the size of the variable's
	/// type, with one element where it ends in an array without a length.
	pub least_bytes: Vec<u64>,
}

/// Checks every module and stage of a program, on a thread with a large stack.
pub fn check(package: &ProgramPackage, limits: &Limits) -> Result<Admitted, AdmissionError> {
	thread::scope(|scope| {
		let thread = thread::Builder::new().name("admission".into()).stack_size(PARSER_STACK_BYTES);
		match thread.spawn_scoped(scope, || check_here(package, limits)) {
			Ok(thread) => thread.join().unwrap_or_else(|panic| Err(compiler_panic(&*panic))),
			Err(e) => Err(AdmissionError::NoThread { reason: e.to_string() }),
		}
	})
}

/// As [`check`], on this thread, which must have a stack of [`PARSER_STACK_BYTES`]. A stack overflow ends the process:
/// of others' programs workers call this in the GPU child only. A panic in naga is an [`AdmissionError::Compiler`].
pub fn check_here(package: &ProgramPackage, limits: &Limits) -> Result<Admitted, AdmissionError> {
	// Nothing of what the closure touches is looked at after a panic.
	panic::catch_unwind(AssertUnwindSafe(|| module::check_package(package, limits)))
		.unwrap_or_else(|panic| Err(compiler_panic(&*panic)))
}

fn compiler_panic(panic: &(dyn Any + Send)) -> AdmissionError {
	let text = panic.downcast_ref::<&str>().copied();
	let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
	AdmissionError::Compiler { message: text.unwrap_or("panic without a message").into() }
}

impl Admitted {
	/// Checks a job of this program: `buffers` holds the length in bytes of every buffer by slot, `dispatches` the
	/// workgroups of every stage.
	pub fn check_job(
		&self,
		manifest: &ProgramManifest,
		buffers: &[u64],
		dispatches: &[[u32; 3]],
		limits: &Limits,
	) -> Result<(), AdmissionError> {
		if buffers.len() != manifest.buffers.len() {
			return Err(AdmissionError::BufferCount {
				found: buffers.len(),
				expected: manifest.buffers.len(),
			});
		}
		if dispatches.len() != manifest.stages.len() {
			return Err(AdmissionError::DispatchCount {
				found: dispatches.len(),
				expected: manifest.stages.len(),
			});
		}
		for (decl, bytes) in manifest.buffers.iter().zip(buffers) {
			let most = match decl.kind {
				BufferKind::Storage => MAX_BUFFER_BYTES,
				BufferKind::Uniform => limits.uniform_bytes,
			};
			if *bytes == 0 || *bytes % 4 != 0 || *bytes > most {
				return Err(AdmissionError::BufferLength {
					buffer: text(&decl.name),
					bytes: *bytes,
					limit: most,
				});
			}
		}
		for ((stage, shape), dispatch) in manifest.stages.iter().zip(&self.stages).zip(dispatches) {
			let all = dispatch.iter().fold(1u64, |all, n| all.saturating_mul(u64::from(*n)));
			if all == 0 || all > MAX_WORKGROUPS || dispatch.iter().any(|n| *n > MAX_WORKGROUPS_PER_DIMENSION)
			{
				return Err(AdmissionError::Dispatch { stage: text(&stage.name), workgroups: *dispatch });
			}
			for (binding, least) in stage.bindings.iter().zip(&shape.least_bytes) {
				let slot = usize::from(binding.buffer);
				let (Some(bytes), Some(decl)) = (buffers.get(slot), manifest.buffers.get(slot)) else {
					continue;
				};
				if bytes < least {
					return Err(AdmissionError::BufferTooShort {
						stage: text(&stage.name),
						group: binding.group,
						binding: binding.binding,
						buffer: text(&decl.name),
						bytes: *bytes,
						least: *least,
					});
				}
			}
		}
		Ok(())
	}
}

/// A name of the manifest as text. Names are UTF-8: the package was checked when it was decoded.
fn text(name: &[u8]) -> String {
	String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests;
