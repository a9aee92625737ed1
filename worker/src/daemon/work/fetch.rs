// SPDX-License-Identifier: Apache-2.0

//! Getting a task's program and inputs from its job's source, and laying them out as files.
//!
//! Everything is verified: blobs by their hashes while they arrive, then the package against the chain's manifest and
//! the specification against the job.

use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};

use tessera_client::blobs::{BlobError, FetchError, FetchOptions, SourceError};
use tessera_primitives::{
	BlobRef,
	job::{HandBackReason, JobSpec, TaskInput},
	limits::MAX_PACKAGE_BYTES,
	program::ProgramPackage,
};
use tokio::sync::OnceCell;

use super::{Assignment, Outcome, Workshop, label};
use crate::exec::Source;

/// How long one try at one blob may take; the next try goes on where it stopped.
const BLOB_TIMEOUT: Duration = Duration::from_secs(600);
/// Pauses between tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// What a run needs.
#[derive(Debug)]
pub(super) struct Inputs {
	/// The package's file.
	pub package: PathBuf,
	/// What is in each buffer at the start, by slot.
	pub buffers: Vec<Source>,
}

/// What all tasks of a job share.
#[derive(Debug)]
pub(super) struct Material {
	package: BlobRef,
	package_file: PathBuf,
	spec: JobSpec,
	/// Files of the shared inputs, by slot.
	shared: BTreeMap<u8, PathBuf>,
}

/// Why inputs are not here.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Missing {
	/// The source does not give them. It may, later.
	Source(String),
	/// They are here, and not what the job says. They never will be.
	Wrong(String),
	/// This machine has a problem.
	Local(String),
}

impl Missing {
	fn local(what: &str, e: impl std::fmt::Display) -> Self {
		Self::Local(format!("{what}: {e}"))
	}
}

impl From<FetchError> for Missing {
	fn from(error: FetchError) -> Self {
		if error.is_sources_fault() {
			Self::Source(error.to_string())
		} else {
			Self::Local(error.to_string())
		}
	}
}

impl From<BlobError> for Missing {
	fn from(error: BlobError) -> Self {
		Self::Local(error.to_string())
	}
}

impl Workshop {
	/// Fetches a task's program and inputs, trying again while there is time.
	pub(super) async fn fetch(&self, task: &Assignment, folder: &Path) -> Result<Inputs, Outcome> {
		let in_window = self.tick() < task.fetch_until;
		let last = Mutex::new(None);
		let limits =
			if in_window { vec![task.fetch_until, task.finish_until] } else { vec![task.finish_until] };
		for limit in limits {
			if let Some(result) = self.before(limit, self.keep_fetching(task, folder, &last)).await {
				return result.map_err(|note| match self.tick() < task.fetch_until {
					true => Outcome::Return { reason: HandBackReason::NoInputs, note },
					false => Outcome::GivenUp { note },
				});
			}
			match last.lock().unwrap_or_else(PoisonError::into_inner).clone() {
				// Our own trouble is no reason to hand it back: the rest of the time is there to mend it.
				Some(Missing::Local(_)) if limit < task.finish_until => {}
				Some(Missing::Source(note)) if in_window => {
					return Err(Outcome::Return { reason: HandBackReason::NoInputs, note });
				}
				None if in_window => {
					let note = "the inputs did not arrive within the time for fetching them".into();
					return Err(Outcome::Return { reason: HandBackReason::NoInputs, note });
				}
				Some(Missing::Local(note) | Missing::Source(note) | Missing::Wrong(note)) => {
					return Err(Outcome::GivenUp { note });
				}
				None => {
					return Err(Outcome::GivenUp {
						note: "its time was over before the inputs arrived".into(),
					});
				}
			}
		}
		Err(Outcome::GivenUp { note: "its time was over before the inputs arrived".into() })
	}

	/// Tries until the inputs are here, or are found to be wrong.
	async fn keep_fetching(
		&self,
		task: &Assignment,
		folder: &Path,
		last: &Mutex<Option<Missing>>,
	) -> Result<Inputs, String> {
		let mut pause = PAUSES.0;
		loop {
			let missing = match self.fetch_once(task, folder).await {
				Ok(inputs) => return Ok(inputs),
				Err(Missing::Wrong(note)) => return Err(note),
				Err(missing) => missing,
			};
			let (Missing::Source(note) | Missing::Local(note) | Missing::Wrong(note)) = &missing;
			tracing::warn!("{}: {note}; it is tried again in {pause:?}", task.key);
			*last.lock().unwrap_or_else(PoisonError::into_inner) = Some(missing);
			tokio::time::sleep(pause).await;
			pause = (pause * 2).min(PAUSES.1);
		}
	}

	async fn fetch_once(&self, task: &Assignment, folder: &Path) -> Result<Inputs, Missing> {
		let cell = {
			let mut materials = self.materials.lock().unwrap_or_else(PoisonError::into_inner);
			Arc::clone(materials.entry(task.key.job).or_insert_with(|| Arc::new(OnceCell::new())))
		};
		let material = cell.get_or_try_init(|| self.fetch_material(task)).await?;
		// Another task may have fetched it: this one keeps it, too, until it is settled.
		let label = label(&task.key);
		for blob in [&material.package, &task.request.spec] {
			self.get(task, &label, blob).await?;
		}

		let mut buffers = vec![Source::Zero; task.manifest.buffers.len()];
		let inputs = material.spec.inputs_of(task.key.task);
		let inputs =
			inputs.ok_or_else(|| Missing::Wrong("the job's specification does not list the task".into()))?;
		for (slot, input) in inputs {
			let source = match (input, material.shared.get(&slot)) {
				(TaskInput::Inline(bytes), _) => Source::Inline(bytes),
				(TaskInput::Blob(blob), Some(file)) => {
					self.get(task, &label, &blob).await?;
					Source::File(file.clone())
				}
				(TaskInput::Blob(blob), None) => {
					self.get(task, &label, &blob).await?;
					let file = folder.join(format!("{slot}.in"));
					self.blobs.export(&blob, &file).await?;
					Source::File(file)
				}
			};
			if let Some(buffer) = buffers.get_mut(usize::from(slot)) {
				*buffer = source;
			}
		}
		Ok(Inputs { package: material.package_file.clone(), buffers })
	}

	/// Fetches what the tasks of a job share, once.
	async fn fetch_material(&self, task: &Assignment) -> Result<Material, Missing> {
		let (label, folder) = (label(&task.key), self.job_folder(&task.key.job));
		std::fs::create_dir_all(&folder).map_err(|e| Missing::local("the scratch folder", e))?;

		let package_blob = self.package_blob(task, &label).await?;
		self.get(task, &label, &package_blob).await?;
		let package = ProgramPackage::decode_checked(&self.blobs.get(&package_blob).await?)
			.map_err(|e| Missing::Wrong(format!("the program's package: {e}")))?;
		if package.manifest != *task.manifest {
			return Err(Missing::Wrong("the program's package has another manifest than the chain".into()));
		}
		let package_file = folder.join("package");
		self.blobs.export(&package_blob, &package_file).await?;

		self.get(task, &label, &task.request.spec).await?;
		let bytes = self.blobs.get(&task.request.spec).await?;
		let spec = JobSpec::decode_checked(&bytes, &task.request, &task.manifest)
			.map_err(|e| Missing::Wrong(e.to_string()))?;
		drop(bytes);

		let mut shared = BTreeMap::new();
		for (slot, blob) in &spec.shared {
			self.get(task, &label, blob).await?;
			let file = folder.join(format!("{slot}.in"));
			self.blobs.export(blob, &file).await?;
			shared.insert(*slot, file);
		}
		Ok(Material { package: package_blob, package_file, spec, shared })
	}

	/// The package as a blob. The chain's query says its hash alone; its length is that of the blob that is here, or what
	/// the source says, within the limit for packages. The hash is what counts: a wrong length ends in a failed fetch.
	async fn package_blob(&self, task: &Assignment, label: &str) -> Result<BlobRef, Missing> {
		let unknown = BlobRef { hash: task.request.program, bytes: 0 };
		let found = match self.get_raw(task, label, &unknown).await {
			// No package is empty.
			Ok(()) => 0,
			Err(FetchError::Local(BlobError::Length { found, .. })) => found,
			Err(FetchError::Failed { blob, failures }) => {
				let said = failures.iter().find_map(|failure| match failure.reason {
					SourceError::Length { found, .. } => Some(found),
					_ => None,
				});
				said.ok_or(FetchError::Failed { blob, failures })?
			}
			Err(other) => return Err(other.into()),
		};
		if found == 0 || found > MAX_PACKAGE_BYTES {
			return Err(Missing::Wrong(format!(
				"the program's package has {found} bytes: at most {MAX_PACKAGE_BYTES} are allowed"
			)));
		}
		Ok(BlobRef { bytes: found, ..unknown })
	}

	/// Gets a blob from the job's source and keeps it for the task.
	async fn get(&self, task: &Assignment, label: &str, blob: &BlobRef) -> Result<(), Missing> {
		Ok(self.get_raw(task, label, blob).await?)
	}

	async fn get_raw(&self, task: &Assignment, label: &str, blob: &BlobRef) -> Result<(), FetchError> {
		let options = FetchOptions { timeout: BLOB_TIMEOUT, ..Default::default() };
		self.blobs.fetch(label, blob, std::slice::from_ref(&task.request.source), options).await
	}
}
