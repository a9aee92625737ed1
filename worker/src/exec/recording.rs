// SPDX-License-Identifier: Apache-2.0

//! A task as data: the commands that run it, in order. Making a recording needs no GPU, so everything that can be
//! wrong with a request is found, and tested, without one.

use std::path::PathBuf;

use tessera_primitives::program::{BufferKind, BufferRole, ProgramPackage};

use super::request::{ExecError, ExecRequest, Source};

/// One step of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
	/// Make the buffer of a slot.
	Create {
		/// The slot.
		slot: usize,
		/// Its length.
		bytes: u64,
		/// Its address space.
		kind: BufferKind,
	},
	/// Fill an input buffer.
	Upload {
		/// The slot.
		slot: usize,
		/// Its length, which its source has, too.
		bytes: u64,
		/// What to fill it with.
		source: Source,
	},
	/// Fill an output or scratch buffer with zeros.
	Clear {
		/// The slot.
		slot: usize,
	},
	/// Run a stage.
	Dispatch {
		/// Its index.
		stage: usize,
		/// Workgroups in x, y and z.
		workgroups: [u32; 3],
	},
	/// Read an output buffer back into a file.
	Download {
		/// The slot.
		slot: usize,
		/// Its length.
		bytes: u64,
		/// The file.
		path: PathBuf,
	},
}

/// All steps of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
	/// The steps, in order.
	pub commands: Vec<Command>,
	/// Largest storage buffer, bytes.
	pub largest_storage: u64,
	/// Largest buffer, bytes.
	pub largest_buffer: u64,
}

impl Recording {
	/// Records a request for an admitted program: as many buffers and dispatches as the program has were given.
	pub fn new(package: &ProgramPackage, request: &ExecRequest) -> Result<Self, ExecError> {
		let (needed, allowed) = (request.buffer_bytes(), request.limits.buffer_bytes);
		if needed > allowed {
			return Err(ExecError::OverBudget { needed, allowed });
		}
		let decls = &package.manifest.buffers;
		let mut commands = Vec::new();
		let (mut fill, mut download) = (Vec::new(), Vec::new());
		let (mut largest_storage, mut largest_buffer) = (0, 0);
		for (slot, (decl, spec)) in decls.iter().zip(&request.buffers).enumerate() {
			let bytes = spec.bytes;
			commands.push(Command::Create { slot, bytes, kind: decl.kind });
			largest_buffer = bytes.max(largest_buffer);
			if decl.kind == BufferKind::Storage {
				largest_storage = bytes.max(largest_storage);
			}
			match (decl.role, &spec.source) {
				(BufferRole::Input, Source::Zero) => {
					return Err(bad(format!("input buffer {slot} has no source")));
				}
				(BufferRole::Input, source) => {
					check_length(slot, source, bytes)?;
					fill.push(Command::Upload { slot, bytes, source: source.clone() });
				}
				(BufferRole::Output | BufferRole::Scratch, Source::Zero) => {
					fill.push(Command::Clear { slot })
				}
				(role, _) => {
					return Err(bad(format!("{role:?} buffer {slot} starts as zeros and takes no source")));
				}
			}
			if decl.role == BufferRole::Output {
				let path = request.out_dir.join(format!("{slot}.bin"));
				download.push(Command::Download { slot, bytes, path });
			}
		}
		commands.append(&mut fill);
		let dispatches = request.dispatches.iter().enumerate();
		commands.extend(
			dispatches.map(|(stage, workgroups)| Command::Dispatch { stage, workgroups: *workgroups }),
		);
		commands.append(&mut download);
		Ok(Self { commands, largest_storage, largest_buffer })
	}
}

fn bad(reason: String) -> ExecError {
	ExecError::BadRequest { reason }
}

fn check_length(slot: usize, source: &Source, expected: u64) -> Result<(), ExecError> {
	match source {
		Source::File(path) => {
			let found = std::fs::metadata(path).map_err(|e| ExecError::io(path, &e))?.len();
			if found != expected {
				return Err(ExecError::InputLength { slot, path: path.clone(), expected, found });
			}
		}
		Source::Inline(data) if data.len() as u64 != expected => {
			return Err(bad(format!("buffer {slot} has {expected} bytes, its inline source {}", data.len())));
		}
		Source::Inline(_) | Source::Zero => {}
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::exec::probe;

	#[test]
	fn recording_should_create_fill_dispatch_and_download_in_this_order() {
		let request = probe::request(Default::default(), "/out".into(), 1000).unwrap();
		let package = crate::exec::read_package(&request.package).unwrap();
		let recording = Recording::new(&package, &request).unwrap();
		let bytes = request.buffers[0].bytes;
		assert_eq!(
			recording.commands,
			[
				Command::Create { slot: 0, bytes, kind: BufferKind::Storage },
				Command::Clear { slot: 0 },
				Command::Dispatch { stage: 0, workgroups: [16, 1, 1] },
				Command::Download { slot: 0, bytes, path: "/out/0.bin".into() },
			]
		);
		assert_eq!((recording.largest_buffer, recording.largest_storage), (bytes, bytes));
	}

	#[test]
	fn recording_should_be_refused_when_an_output_has_a_source_or_the_budget_is_short() {
		let mut request = probe::request(Default::default(), "/out".into(), 1000).unwrap();
		let package = crate::exec::read_package(&request.package).unwrap();
		request.limits.buffer_bytes -= 1;
		assert!(matches!(Recording::new(&package, &request), Err(ExecError::OverBudget { .. })));
		request.limits.buffer_bytes += 1;
		request.buffers[0].source = Source::Inline(vec![0; 4096]);
		assert!(matches!(Recording::new(&package, &request), Err(ExecError::BadRequest { .. })));
	}
}
