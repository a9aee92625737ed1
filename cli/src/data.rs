// SPDX-License-Identifier: Apache-2.0

//! The data directory: what is kept between runs.
//!
//! ```text
//! keys/<name>            one key each, as `tessera account new` writes them
//! jobs/<id>.json         what was submitted from here ([`JobRecord`])
//! programs/<id>.package  packages of programs that were registered from here
//! serve/                 the blob store with its endpoint's key, and how to reach the process that has it open
//! fetch/<job>/           outputs on their way
//! ```

use std::{
	fs,
	io::{self, Write},
	path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tessera_client::chain::H256;
use tessera_primitives::{JobId, ProgramId};

use crate::exit::{Failure, Outcome};

/// Name of the key that is used when none is named.
pub const DEFAULT_KEY: &str = "default";

/// The data directory.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

/// A job that was submitted from here, or nearly: the record is written first, so that a submission that was
/// interrupted can be repeated without paying twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobRecord {
	/// The job.
	pub job: JobId,
	/// The id that its client chose.
	pub client_id: H256,
	/// The tenant's account.
	pub tenant: String,
	/// First block of the chain.
	pub genesis: H256,
	/// Its manifest.
	pub manifest: PathBuf,
	/// Whether a final block was seen to have it.
	pub submitted: bool,
}

impl DataDir {
	/// This directory, or the user's.
	pub fn new(given: Option<PathBuf>) -> Outcome<Self> {
		match given.or_else(|| dirs::data_dir().map(|dir| dir.join("tessera"))) {
			Some(dir) => Ok(Self(dir)),
			None => Err(Failure::usage("this system names no directory for a user's data")
				.help("name one with --data-dir or TESSERA_DATA_DIR")),
		}
	}

	/// The directory.
	pub fn path(&self) -> &Path {
		&self.0
	}

	/// The file of a key with this name; fails when it is no name.
	pub fn key_file(&self, name: &str) -> Outcome<PathBuf> {
		let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
		if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
			return Err(Failure::input(format!("`{name}` cannot be the name of a key"))
				.help("names have 1 to 64 letters, digits, `-` and `_`"));
		}
		Ok(self.0.join("keys").join(name))
	}

	/// The names of all keys, in order.
	pub fn key_names(&self) -> Outcome<Vec<String>> {
		let names = list(&self.0.join("keys"))?;
		Ok(names.into_iter().filter(|name| self.key_file(name).is_ok()).collect())
	}

	/// Directory of the blob store.
	pub fn serve_dir(&self) -> PathBuf {
		self.0.join("serve")
	}

	/// Directory of a job's outputs on their way.
	pub fn fetch_dir(&self, job: &JobId) -> PathBuf {
		self.0.join("fetch").join(hex::encode(job))
	}

	/// File of a program's package.
	pub fn package_file(&self, program: &ProgramId) -> PathBuf {
		self.0.join("programs").join(format!("{}.package", hex::encode(program)))
	}

	/// Keeps a program's package.
	pub fn save_package(&self, program: &ProgramId, package: &[u8]) -> Outcome {
		write(&self.package_file(program), package)
	}

	/// Keeps what is known of a job.
	pub fn save_job(&self, record: &JobRecord) -> Outcome {
		let json = serde_json::to_vec_pretty(record).map_err(|e| Failure::other(e.to_string()))?;
		write(&self.job_file(&record.job), &json)
	}

	/// What is known of a job; `None` when it was not submitted from here.
	pub fn job(&self, job: &JobId) -> Outcome<Option<JobRecord>> {
		let path = self.job_file(job);
		match fs::read(&path) {
			Ok(json) => Ok(Some(parse(&path, &json)?)),
			Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
			Err(e) => Err(Failure::io("read", &path, &e)),
		}
	}

	/// Everything that was submitted from here.
	pub fn jobs(&self) -> Outcome<Vec<JobRecord>> {
		let dir = self.0.join("jobs");
		let mut records = Vec::new();
		for name in list(&dir)? {
			let path = dir.join(&name);
			if path.extension().is_some_and(|ext| ext == "json") {
				let json = fs::read(&path).map_err(|e| Failure::io("read", &path, &e))?;
				records.push(parse(&path, &json)?);
			}
		}
		Ok(records)
	}

	/// Forgets a job.
	pub fn remove_job(&self, job: &JobId) -> Outcome {
		let path = self.job_file(job);
		match fs::remove_file(&path) {
			Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Failure::io("remove", &path, &e)),
			_ => Ok(()),
		}
	}

	fn job_file(&self, job: &JobId) -> PathBuf {
		self.0.join("jobs").join(format!("{}.json", hex::encode(job)))
	}
}

/// Writes a file whole or not at all, with its directory.
pub fn write(path: &Path, contents: &[u8]) -> Outcome {
	let dir = match path.parent() {
		Some(dir) if !dir.as_os_str().is_empty() => dir,
		_ => Path::new("."),
	};
	let run = || {
		fs::create_dir_all(dir)?;
		let mut builder = tempfile::Builder::new();
		builder.prefix(".part-");
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			// As for any new file: the umask takes its part.
			builder.permissions(fs::Permissions::from_mode(0o666));
		}
		let mut file = builder.tempfile_in(dir)?;
		file.write_all(contents)?;
		file.as_file().sync_all()?;
		file.persist(path)?;
		Ok::<_, io::Error>(())
	};
	run().map_err(|e| Failure::io("write", path, &e))
}

/// The names in a directory, in order; none when it does not exist.
fn list(dir: &Path) -> Outcome<Vec<String>> {
	let failed = |e: &io::Error| Failure::io("read", dir, e);
	let entries = match fs::read_dir(dir) {
		Ok(entries) => entries,
		Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
		Err(e) => return Err(failed(&e)),
	};
	let mut names = Vec::new();
	for entry in entries {
		names.extend(entry.map_err(|e| failed(&e))?.file_name().into_string().ok());
	}
	names.sort();
	Ok(names)
}

fn parse(path: &Path, json: &[u8]) -> Outcome<JobRecord> {
	serde_json::from_slice(json).map_err(|e| {
		Failure::other(format!("{} is damaged: {e}", path.display()))
			.help("remove it: it is only a note about a job, which the chain knows as well")
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn record(byte: u8) -> JobRecord {
		JobRecord {
			job: H256::repeat_byte(byte),
			client_id: H256::repeat_byte(1),
			tenant: "5Grw".into(),
			genesis: H256::zero(),
			manifest: "job.toml".into(),
			submitted: false,
		}
	}

	#[test]
	fn jobs_should_be_remembered_until_they_are_removed() {
		let dir = tempfile::tempdir().unwrap();
		let data = DataDir::new(Some(dir.path().join("deep/data"))).unwrap();
		assert_eq!(data.jobs().unwrap(), []);
		data.save_job(&record(2)).unwrap();
		data.save_job(&record(1)).unwrap();
		let submitted = JobRecord { submitted: true, ..record(2) };
		data.save_job(&submitted).unwrap();
		assert_eq!(data.jobs().unwrap(), [record(1), submitted.clone()]);
		assert_eq!(data.job(&submitted.job).unwrap(), Some(submitted));
		data.remove_job(&H256::repeat_byte(2)).unwrap();
		data.remove_job(&H256::repeat_byte(2)).unwrap();
		assert_eq!(data.jobs().unwrap(), [record(1)]);
		assert_eq!(data.job(&H256::repeat_byte(2)).unwrap(), None);
	}

	#[test]
	fn damaged_record_should_be_named() {
		let dir = tempfile::tempdir().unwrap();
		let data = DataDir::new(Some(dir.path().into())).unwrap();
		data.save_job(&record(3)).unwrap();
		fs::write(data.job_file(&H256::repeat_byte(3)), "{").unwrap();
		let failure = data.jobs().unwrap_err();
		assert!(failure.message.contains("0303") && failure.help.is_some(), "{failure}");
	}

	#[test]
	fn key_name_should_be_refused_when_it_could_leave_the_directory() {
		let data = DataDir::new(Some("d".into())).unwrap();
		assert_eq!(data.key_file("my-key_2").unwrap(), Path::new("d/keys/my-key_2"));
		for wrong in ["", "..", "a/b", "a b", "größe", &"x".repeat(65)] {
			assert_eq!(data.key_file(wrong).unwrap_err().exit, crate::exit::Exit::Input, "{wrong}");
		}
	}
}
