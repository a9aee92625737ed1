// SPDX-License-Identifier: Apache-2.0

//! A job as its manifest has it, checked as far as that is possible without the chain.

use std::path::{Path, PathBuf};

use codec::Encode;
use tessera_client::manifest::{BlobOrigin, BuiltJob, JobSource, ProgramRef, ProgramSource};
use tessera_primitives::{Balance, BlobRef, ProgramId, job::JobRequest, program::ProgramPackage};

use crate::{
	commands::program::{read_package, wgsl_files},
	context::Context,
	exit::{Failure, Outcome},
};

/// A job that could be submitted, but for its source.
pub struct Plan {
	/// Its manifest's path, absolute.
	pub manifest: PathBuf,
	/// What its manifest says.
	pub source: JobSource,
	/// Its program.
	pub package: ProgramPackage,
	/// The job.
	pub job: BuiltJob,
}

impl Plan {
	/// Reads a job's manifest, its program and all its inputs, and checks everything that needs no chain. `package` is
	/// the package of a program that the manifest names by its id.
	pub async fn load(ctx: &Context, manifest: &Path, package: Option<PathBuf>) -> Outcome<Self> {
		let source = JobSource::load(manifest)?;
		let (package, help) = match source.program() {
			ProgramRef::Path(path) => {
				if package.is_some() {
					return Err(Failure::usage("--package is for jobs that name their program by its id")
						.help(format!("{} names it by its path", manifest.display())));
				}
				let program = ProgramSource::load(path)?;
				let help = wgsl_files(&program);
				(program.package, Some(help))
			}
			ProgramRef::Id(id) => (read_package(&find_package(ctx, id, package)?, id)?, None),
		};
		let spinner = ctx.out.spinner("reading the job's inputs");
		let built = tokio::task::spawn_blocking(move || {
			let job = source.build(package.id(), &package.manifest)?;
			// What is wrong with the WGSL is not in the manifest: its files are named as well.
			source.admit(&job, &package).map_err(|e| match help {
				Some(help) => Failure::from(e).help(help),
				None => Failure::from(e),
			})?;
			Ok::<_, Failure>((source, package, job))
		});
		let built = built.await.map_err(|e| Failure::other(format!("reading the inputs failed: {e}")));
		spinner.finish_and_clear();
		let (source, package, job) = built??;
		let manifest = std::path::absolute(manifest).map_err(|e| Failure::io("find", manifest, &e))?;
		Ok(Self { manifest, source, package, job })
	}

	/// What goes into escrow, planck; `None` beyond any balance.
	pub fn escrow(&self) -> Option<Balance> {
		let request = &self.job.request;
		request.ceiling_price.checked_mul(request.tasks.into())
	}

	/// All blobs that are to be served: package, specification, inputs.
	pub fn blobs(&self) -> Vec<(BlobRef, BlobOrigin)> {
		let package = self.package.encode();
		let package = (BlobRef::of(&package), BlobOrigin::Bytes(package));
		let mut blobs = vec![package];
		blobs.extend(self.job.blobs.iter().cloned());
		blobs
	}

	/// Bytes of all inputs that are served, the specification included.
	pub fn input_bytes(&self) -> u64 {
		self.job.blobs.iter().fold(0, |all, (blob, _)| all.saturating_add(blob.bytes))
	}

	/// Whether a job on chain asks for the same, wherever its inputs are served.
	pub fn is(&self, known: &JobRequest) -> bool {
		let ours = JobRequest { source: known.source.clone(), ..self.job.request.clone() };
		ours == *known
	}
}

/// The file with the package of a program that is named by its id.
fn find_package(ctx: &Context, id: &ProgramId, given: Option<PathBuf>) -> Outcome<PathBuf> {
	let kept = ctx.data.package_file(id);
	match given {
		Some(path) => Ok(path),
		None if kept.exists() => Ok(kept),
		None => Err(Failure::input(format!("the package of program {id:?} is not here, and providers fetch it from the tenant"))
			.help("name its file with --package (`tessera program pack --out` writes it), or the program by its path in [program]")),
	}
}
