// SPDX-License-Identifier: Apache-2.0

//! The GPU child: runs one task on one adapter and ends.
//!
//! A hung kernel cannot be stopped inside the process that submitted it, a driver may crash, and a tenant's shader is
//! hostile until shown otherwise. So every task runs in a process of its own that holds no key, no network
//! connection and no chain state ([`crate::supervise`] is the other side).
//!
//! ```text
//! ExecRequest ── admission ──> Recording (data: create, upload, clear, dispatch, download)
//!                                  └──> Engine (the only code that talks to wgpu) ──> files + ExecReport
//! ```
//!
//! Out-of-range accesses stay inside their buffer, but what they yield differs between drivers. Mesa's software device
//! gives an invocation 65,535 rounds over all its loops and then leaves them without a word.
//!
//! - [`request`]: what goes in and what comes out, as JSON.
//! - [`recording`]: a task as a list of commands; made and tested without a GPU.
//! - [`engine`]: runs a recording on wgpu.
//! - [`child`]: the process: reads the request, limits itself, reports.
//! - [`limits`]: the limits that the process puts on itself.
//! - [`probe`]: a tiny program with a known answer, to see whether a GPU is healthy.

pub mod child;
pub mod engine;
pub mod limits;
pub mod probe;
pub mod recording;
pub mod request;

use std::{fs, mem::ManuallyDrop, path::Path, time::Instant};

use tessera_client::admission::{self, Limits};
use tessera_primitives::{limits::MAX_PACKAGE_BYTES, program::ProgramPackage, provider::Features};

pub use request::{
	AdapterSummary, BufferSpec, ExecError, ExecLimits, ExecReport, ExecRequest, OutputReport, Phase, Source,
	StageReport,
};

use crate::adapters;
use engine::{Clock, Engine};
use recording::Recording;

/// Runs a task in this process: admission, then the whole recording.
///
/// `progress` hears of every phase before it begins. A time-out is checked while waiting for the GPU; whatever hangs
/// elsewhere (a driver's compiler, say) is the supervisor's to kill.
///
/// To be called on a thread with a stack of [`admission::PARSER_STACK_BYTES`], in a process of its own.
///
/// On an error the device is leaked, because the GPU may still be running and dropping a device waits for it without
/// end: end the process soon.
pub fn run(request: &ExecRequest, progress: &mut dyn FnMut(&Phase)) -> Result<ExecReport, ExecError> {
	let clock = Clock::start(request.limits.time_ms);
	progress(&Phase::Admission);
	let package = read_package(&request.package)?;
	let limits = Limits::with_features(Features(request.features));
	let admitted = admission::check_here(&package, &limits)?;
	let lengths: Vec<u64> = request.buffers.iter().map(|b| b.bytes).collect();
	admitted.check_job(&package.manifest, &lengths, &request.dispatches, &limits)?;
	let recording = Recording::new(&package, request)?;
	clock.check(&Phase::Admission)?;

	progress(&Phase::Device);
	let began = Instant::now();
	let adapter = adapters::select(&adapters::instance(), &request.adapter)?;
	let engine = Engine::open(adapter, &recording, Features(request.features), clock)?;
	let device_us = micros(began);
	clock.check(&Phase::Device)?;

	let engine = ManuallyDrop::new(engine);
	let mut report = engine.run(&package, &recording, progress)?;
	drop(ManuallyDrop::into_inner(engine));
	report.device_us = device_us;
	report.total_us = clock.elapsed_us();
	Ok(report)
}

/// Microseconds since `began`.
fn micros(began: Instant) -> u64 {
	u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn read_package(source: &Source) -> Result<ProgramPackage, ExecError> {
	let bytes = match source {
		Source::Inline(bytes) => bytes.clone(),
		Source::File(path) => {
			let length = fs::metadata(path).map_err(|e| ExecError::io(path, &e))?.len();
			if length > MAX_PACKAGE_BYTES {
				return Err(ExecError::BadRequest {
					reason: format!(
						"the package {} has {length} bytes; at most {MAX_PACKAGE_BYTES} are allowed",
						path.display()
					),
				});
			}
			fs::read(path).map_err(|e| ExecError::io(path, &e))?
		}
		Source::Zero => return Err(ExecError::BadRequest { reason: "the request names no package".into() }),
	};
	ProgramPackage::decode_checked(&bytes).map_err(|e| ExecError::BadPackage { reason: e.to_string() })
}

/// Writes `contents` so that the file is either absent or whole, also across a crash: temporary file, fsync, rename,
/// fsync of the folder. `contents` gets the file and does the writing.
pub(crate) fn write_whole<T>(
	path: &Path,
	contents: impl FnOnce(&mut fs::File) -> Result<T, ExecError>,
) -> Result<T, ExecError> {
	let temporary = path.with_extension("partial");
	let io = |e: std::io::Error| ExecError::io(path, &e);
	let mut file = fs::File::create(&temporary).map_err(io)?;
	let value = contents(&mut file)?;
	file.sync_all().map_err(io)?;
	fs::rename(&temporary, path).map_err(io)?;
	if let Some(folder) = path.parent() {
		fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
	}
	Ok(value)
}
