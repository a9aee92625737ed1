// SPDX-License-Identifier: Apache-2.0

//! `job.toml`: what a tenant wants done, and for how much.

mod inputs;
mod tables;
#[cfg(test)]
mod tests;

use std::{
	collections::HashSet,
	ops::Range,
	path::{Path, PathBuf},
};

use codec::Encode;
use tessera_primitives::{
	job::{JobRequest, JobSpec, RequestError, SPEC_VERSION, TaskInput, TaskSpec, Tier},
	limits::{MAX_SPEC_BYTES, MAX_TASKS, MAX_WORKGROUPS, MAX_WORKGROUPS_PER_DIMENSION},
	program::{BufferRole, ProgramManifest, ProgramPackage},
	provider::Requirements,
	types::{BlobRef, EndpointInfo, ProgramId},
};
use toml::Spanned;

use super::{Document, ManifestError, names, units::format_amount};
use crate::admission::{self, AdmissionError, Admitted, Limits};
use inputs::Input;
use tables::File;

/// A job manifest that was read and checked as far as that is possible without its program.
#[derive(Clone, Debug)]
pub struct JobSource {
	doc: Document,
	file: File,
	program: ProgramRef,
	client_id: Option<ProgramId>,
	requirements: Requirements,
}

/// Which program a job runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProgramRef {
	/// A `program.toml` on disk.
	Path(PathBuf),
	/// One that is registered already.
	Id(ProgramId),
}

/// Where the contents of a blob are before it is in a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BlobOrigin {
	/// Here.
	Bytes(Vec<u8>),
	/// In a part of a file.
	File {
		/// The file.
		path: PathBuf,
		/// The part, bytes.
		range: Range<u64>,
	},
}

/// An output buffer of a job's tasks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputBuffer {
	/// Its name in the program.
	pub name: String,
	/// Its length, bytes.
	pub bytes: u64,
}

impl OutputBuffer {
	/// The output buffers of a job, in the order of the hashes in a claim.
	pub fn of(request: &JobRequest, manifest: &ProgramManifest) -> Vec<Self> {
		let buffers = manifest.buffers.iter().zip(&request.buffers);
		let outputs = buffers.filter(|(decl, _)| decl.role == BufferRole::Output);
		outputs.map(|(decl, bytes)| Self { name: text(&decl.name).to_owned(), bytes: *bytes }).collect()
	}
}

/// A job ready to be submitted, once its blobs are stored and the source is filled in.
#[derive(Clone, Debug)]
pub struct BuiltJob {
	/// The request. Its `source` has a zero key and no addresses: who serves the blobs fills it in.
	pub request: JobRequest,
	/// The inputs of every task: what the blob `request.spec` decodes to.
	pub spec: JobSpec,
	/// Every blob of the job once, the specification included, the program's package not.
	pub blobs: Vec<(BlobRef, BlobOrigin)>,
	/// What each task gives back.
	pub outputs: Vec<OutputBuffer>,
}

impl JobSource {
	/// Reads a `job.toml` and checks everything that can be checked without the program.
	pub fn load(path: &Path) -> Result<Self, ManifestError> {
		let doc = Document::read(path, "job")?;
		let file: File = doc.parse()?;
		let program = file.program(&doc)?;
		let client_id = file.client_id(&doc)?;
		let requirements = file.requirements(&doc)?;
		let tasks = &file.job.tasks;
		if *tasks.get_ref() == 0 || *tasks.get_ref() > MAX_TASKS {
			return Err(doc.error(
				tasks.span(),
				format!("a job cannot have {tasks} tasks"),
				format!("write a number from 1 to {MAX_TASKS}"),
			));
		}
		let (opening, ceiling) = (file.price.opening.get_ref().0, file.price.ceiling.get_ref().0);
		if ceiling < opening {
			let (opening, ceiling) = (format_amount(opening), format_amount(ceiling));
			return Err(doc.error(
				file.price.ceiling.span(),
				format!("the ceiling price, {ceiling}, is below the opening price, {opening}"),
				"prices rise from the opening price to the ceiling: raise the ceiling or lower the opening price",
			));
		}
		for (name, ticks) in
			[("execution", &file.deadlines.execution), ("lifetime", &file.deadlines.lifetime)]
		{
			if *ticks.get_ref() == 0 {
				return Err(doc.error(
					ticks.span(),
					format!("the {name} deadline is zero ticks"),
					"write a number of ticks, about one per block",
				));
			}
		}
		Ok(Self { doc, file, program, client_id, requirements })
	}

	/// The program that the job runs.
	pub fn program(&self) -> &ProgramRef {
		&self.program
	}

	/// The id that the manifest gives the job; a client chooses a random one otherwise.
	pub fn client_id(&self) -> Option<ProgramId> {
		self.client_id
	}

	/// Number of tasks.
	pub fn tasks(&self) -> u32 {
		*self.file.job.tasks.get_ref()
	}

	/// Builds the job for its program: reads and hashes all inputs. Takes as long as reading them does.
	pub fn build(&self, program: ProgramId, manifest: &ProgramManifest) -> Result<BuiltJob, ManifestError> {
		self.check_names(manifest)?;
		let mut lengths = Vec::new();
		let mut shared = Vec::new();
		// At most MAX_TASKS, which fits every usize.
		let mut tasks = vec![TaskSpec { inputs: Vec::new() }; self.tasks() as usize];
		let mut blobs = Blobs::default();
		for (slot, decl) in (0u8..).zip(&manifest.buffers) {
			let name = text(&decl.name);
			let table = self.buffer(name, decl.role)?;
			if decl.role == BufferRole::Input {
				let Input { bytes, origins, words, same } =
					inputs::read(&self.doc, name, table, self.tasks())?;
				lengths.push(bytes);
				let mut refs = Vec::new();
				for (blob, origin) in origins {
					refs.push(blob);
					blobs.add(blob, origin);
				}
				if same {
					shared.extend(refs.into_iter().map(|blob| (slot, blob)));
				} else {
					let own =
						refs.into_iter().map(TaskInput::Blob).chain(words.into_iter().map(TaskInput::Inline));
					for (task, input) in tasks.iter_mut().zip(own) {
						task.inputs.push((slot, input));
					}
				}
			} else {
				lengths.push(inputs::length(&self.doc, name, table)?);
			}
		}
		let spec = JobSpec { version: SPEC_VERSION, shared, tasks };
		let encoded = spec.encode();
		let spec_blob = BlobRef::of(&encoded);
		blobs.add(spec_blob, BlobOrigin::Bytes(encoded));

		let mut dispatches = Vec::new();
		for decl in &manifest.stages {
			dispatches.push(self.dispatch(text(&decl.name))?);
		}
		let price = &self.file.price;
		let bound = |what: &str| self.doc.missing(format!("the program has too many {what}"), "");
		let request = JobRequest {
			program,
			tier: Tier::Unverified,
			spec: spec_blob,
			source: EndpointInfo { key: [0; 32], addresses: Default::default() },
			tasks: self.tasks(),
			buffers: lengths.try_into().map_err(|_| bound("buffers"))?,
			dispatches: dispatches.try_into().map_err(|_| bound("stages"))?,
			requirements: self.requirements.clone(),
			opening_price: price.opening.get_ref().0,
			ceiling_price: price.ceiling.get_ref().0,
			price_ramp: price.ramp.0,
			execution_ticks: *self.file.deadlines.execution.get_ref(),
			lifetime_ticks: *self.file.deadlines.lifetime.get_ref(),
		};
		request.validate(manifest).map_err(|e| self.refused(e, &request))?;
		spec.validate(&request, manifest).map_err(|e| self.doc.missing(e.to_string(), ""))?;
		let outputs = OutputBuffer::of(&request, manifest);
		Ok(BuiltJob { request, spec, blobs: blobs.list, outputs })
	}

	/// Checks the built job and the WGSL of its program as every worker does before it runs them: see
	/// [`admission::check`] and [`Admitted::check_job`]. So what no worker would run is refused before it costs anything.
	pub fn admit(&self, job: &BuiltJob, package: &ProgramPackage) -> Result<Admitted, ManifestError> {
		let refused = |e: AdmissionError| self.doc.missing(e.to_string(), "");
		let limits = Limits::with_features(job.request.requirements.features);
		let admitted = admission::check(package, &limits).map_err(refused)?;
		admitted
			.check_job(&package.manifest, &job.request.buffers, &job.request.dispatches, &limits)
			.map_err(refused)?;
		Ok(admitted)
	}

	/// Fails when the manifest speaks of a buffer or stage that the program does not have.
	fn check_names(&self, manifest: &ProgramManifest) -> Result<(), ManifestError> {
		let unknown = |key: &Spanned<String>, what: &str, known: Vec<&str>| {
			self.doc.error(
				key.span(),
				format!("the program has no {what} `{key}`"),
				format!("its {what}s are {}", names(known)),
			)
		};
		for key in self.file.buffers.keys() {
			if manifest.slot(key.get_ref()).is_none() {
				let known = manifest.buffers.iter().map(|b| text(&b.name)).collect();
				return Err(unknown(key, "buffer", known));
			}
		}
		for key in self.file.stages.keys() {
			if !manifest.stages.iter().any(|s| s.name.as_slice() == key.get_ref().as_bytes()) {
				let known = manifest.stages.iter().map(|s| text(&s.name)).collect();
				return Err(unknown(key, "stage", known));
			}
		}
		Ok(())
	}

	/// The table of a buffer.
	fn buffer(&self, name: &str, role: BufferRole) -> Result<&Spanned<tables::Buffer>, ManifestError> {
		let found = self.file.buffers.iter().find(|(key, _)| key.get_ref() == name);
		found.map(|(_, table)| table).ok_or_else(|| {
			let (what, help) = match role {
				BufferRole::Input => ("input", "with `file`, `split`, `files` or `words`"),
				BufferRole::Output => ("output", "with its length, `bytes`"),
				BufferRole::Scratch => ("scratch", "with its length, `bytes`"),
			};
			self.doc.missing(
				format!("there is nothing about the program's {what} buffer `{name}`"),
				format!("add a table [buffers.{name}] {help}"),
			)
		})
	}

	fn dispatch(&self, name: &str) -> Result<[u32; 3], ManifestError> {
		let Some((_, stage)) = self.file.stages.iter().find(|(key, _)| key.get_ref() == name) else {
			return Err(self.doc.missing(
				format!("there is nothing about the program's stage `{name}`"),
				format!("add a table [stages.{name}] with its workgroups: `dispatch = [1, 1, 1]`"),
			));
		};
		let dispatch = *stage.dispatch.get_ref();
		let all = dispatch.iter().fold(1u64, |all, n| all.saturating_mul(u64::from(*n)));
		if dispatch.iter().any(|n| *n == 0 || *n > MAX_WORKGROUPS_PER_DIMENSION) || all > MAX_WORKGROUPS {
			return Err(self.doc.error(
				stage.dispatch.span(),
				format!("stage `{name}` cannot have a dispatch of {dispatch:?} workgroups"),
				format!(
					"each number is 1 to {MAX_WORKGROUPS_PER_DIMENSION}, and their product at most {MAX_WORKGROUPS}"
				),
			));
		}
		Ok(dispatch)
	}

	/// A refusal of the finished request. All but one are found, with their place, while it is built.
	fn refused(&self, error: RequestError, request: &JobRequest) -> ManifestError {
		match error {
			RequestError::SpecLength => self.doc.missing(
				format!(
					"the list of all tasks' inputs has {} bytes, more than the {MAX_SPEC_BYTES} allowed",
					request.spec.bytes
				),
				"put `words` into a file and use `split`, or submit several jobs",
			),
			e => self.doc.missing(format!("the job does not fit its program: {e:?}"), ""),
		}
	}
}

/// The blobs of a job, each once.
#[derive(Default)]
struct Blobs {
	list: Vec<(BlobRef, BlobOrigin)>,
	seen: HashSet<[u8; 32]>,
}

impl Blobs {
	fn add(&mut self, blob: BlobRef, origin: BlobOrigin) {
		if self.seen.insert(blob.hash.0) {
			self.list.push((blob, origin));
		}
	}
}

/// A name of a checked manifest as text.
fn text(name: &[u8]) -> &str {
	std::str::from_utf8(name).unwrap_or("?")
}
