// SPDX-License-Identifier: Apache-2.0

//! Runs the examples' programs on wgpu, in this process: what a tenant builds from the manifests, as a worker runs it.

use std::{fs, path::Path};

use codec::Encode;
use tessera_client::manifest::{BlobOrigin, BuiltJob, JobSource, ProgramRef, ProgramSource};
use tessera_primitives::{BlobRef, job::TaskInput, program::ProgramPackage};
use tessera_worker::{
	adapters::AdapterSelector,
	exec::{self, BufferSpec, ExecError, ExecLimits, ExecRequest, Source},
};

/// The program of an example.
pub fn program(example: &str) -> ProgramPackage {
	let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(example).join("program.toml");
	ProgramSource::load(&file).unwrap_or_else(|error| panic!("{error}")).package
}

/// The job of an example, built for its program.
pub fn job(example: &str) -> (ProgramPackage, BuiltJob) {
	let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(example).join("job.toml");
	let source = JobSource::load(&file).unwrap_or_else(|error| panic!("{error}"));
	assert_eq!(source.program(), &ProgramRef::Path(file.with_file_name("program.toml")));
	let package = program(example);
	let job = source.build(package.id(), &package.manifest).unwrap_or_else(|error| panic!("{error}"));
	(package, job)
}

/// Runs all tasks of a job. Returns the words of the output buffers of every task.
pub fn run_job(package: &ProgramPackage, job: &BuiltJob) -> Vec<Vec<Vec<u32>>> {
	let blob = |blob: &BlobRef| {
		let (_, origin) =
			job.blobs.iter().find(|(known, _)| known == blob).expect("every blob has an origin");
		match origin {
			BlobOrigin::Bytes(bytes) => bytes.clone(),
			BlobOrigin::File { path, range } => {
				fs::read(path).unwrap()[range.start as usize..range.end as usize].to_vec()
			}
		}
	};
	let task = |inputs: &[(u8, TaskInput)]| {
		let mut buffers: Vec<BufferSpec> = job
			.request
			.buffers
			.iter()
			.map(|bytes| BufferSpec { bytes: *bytes, source: Source::Zero })
			.collect();
		for (slot, shared) in &job.spec.shared {
			buffers[usize::from(*slot)].source = Source::Inline(blob(shared));
		}
		for (slot, input) in inputs {
			buffers[usize::from(*slot)].source = Source::Inline(match input {
				TaskInput::Blob(own) => blob(own),
				TaskInput::Inline(bytes) => bytes.clone(),
			});
		}
		execute(package, buffers, &job.request.dispatches).unwrap_or_else(|error| panic!("{error}"))
	};
	job.spec.tasks.iter().map(|spec| task(&spec.inputs)).collect()
}

/// A buffer of a task: the words of an input, or the length of another one in words.
pub enum Buffer<'a> {
	Words(&'a [u32]),
	Zero(usize),
}

/// Runs a task: `buffers` by slot, `dispatches` by stage. Returns the words of the output buffers.
pub fn run(
	package: &ProgramPackage,
	buffers: &[Buffer],
	dispatches: &[[u32; 3]],
) -> Result<Vec<Vec<u32>>, ExecError> {
	let spec = |buffer: &Buffer| match buffer {
		Buffer::Words(words) => BufferSpec {
			bytes: 4 * words.len() as u64,
			source: Source::Inline(words.iter().flat_map(|word| word.to_le_bytes()).collect()),
		},
		Buffer::Zero(words) => BufferSpec { bytes: 4 * *words as u64, source: Source::Zero },
	};
	execute(package, buffers.iter().map(spec).collect(), dispatches)
}

fn execute(
	package: &ProgramPackage,
	buffers: Vec<BufferSpec>,
	dispatches: &[[u32; 3]],
) -> Result<Vec<Vec<u32>>, ExecError> {
	let folder = tempfile::tempdir().unwrap();
	let request = ExecRequest {
		package: Source::Inline(package.encode()),
		buffers,
		dispatches: dispatches.to_vec(),
		features: 0,
		adapter: AdapterSelector::Any,
		limits: ExecLimits { buffer_bytes: 64 << 20, time_ms: 60_000 },
		out_dir: folder.path().into(),
	};
	let report = exec::run(&request, &mut |_| {})?;
	let words = |file: &Path| {
		let bytes = fs::read(file).unwrap();
		bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
	};
	Ok(report.outputs.iter().map(|output| words(&output.path)).collect())
}

/// Reproducible noise: xorshift32.
pub fn noise(seed: u32) -> impl Iterator<Item = u32> {
	std::iter::successors(Some(seed), |x| {
		let x = x ^ (x << 13);
		let x = x ^ (x >> 17);
		Some(x ^ (x << 5))
	})
	.skip(1)
}
