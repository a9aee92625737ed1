// SPDX-License-Identifier: Apache-2.0

//! Files that appear whole or not at all, and files that only their owner may read.

use std::{
	io::{self, Write},
	path::Path,
};

use tempfile::NamedTempFile;

/// The directory in which a file lies; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
	match path.parent() {
		Some(dir) if !dir.as_os_str().is_empty() => dir,
		_ => Path::new("."),
	}
}

/// Creates a file that only its owner may read (mode 0600), with its directory if need be. It is complete on disk
/// before it has its name. Fails with [`io::ErrorKind::AlreadyExists`] when there is such a file.
pub(crate) fn create_private(path: &Path, contents: &[u8]) -> io::Result<()> {
	let dir = parent(path);
	std::fs::create_dir_all(dir)?;
	// tempfile creates with mode 0600, and linking to the final name fails when it is taken.
	let mut file = NamedTempFile::new_in(dir)?;
	file.write_all(contents)?;
	file.as_file().sync_all()?;
	file.persist_noclobber(path)?;
	sync_dir(dir)
}

/// Reads a file that only its owner may read. Fails with [`io::ErrorKind::PermissionDenied`] when others may.
pub(crate) fn read_private(path: &Path) -> io::Result<String> {
	#[cfg(unix)]
	{
		use std::os::unix::fs::PermissionsExt;
		let mode = std::fs::metadata(path)?.permissions().mode();
		if mode & 0o077 != 0 {
			return Err(io::Error::new(
				io::ErrorKind::PermissionDenied,
				format!(
					"other users may read or write it (mode {:03o}): run `chmod 600 {}`",
					mode & 0o777,
					path.display()
				),
			));
		}
	}
	std::fs::read_to_string(path)
}

/// A temporary file beside `path`, to be given that name by [`publish`] once it is complete. It gets the permissions
/// that the process gives to new files.
pub(crate) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
	let dir = parent(path);
	std::fs::create_dir_all(dir)?;
	let mut builder = tempfile::Builder::new();
	builder.prefix(".part-");
	#[cfg(unix)]
	{
		use std::os::unix::fs::PermissionsExt;
		builder.permissions(std::fs::Permissions::from_mode(0o666));
	}
	builder.tempfile_in(dir)
}

/// Gives a complete temporary file its final name, replacing what was there. It is on disk when this returns.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> io::Result<()> {
	file.as_file().sync_all()?;
	file.persist(path)?;
	sync_dir(parent(path))
}

/// Makes a new name in a directory survive a power failure. Only Unix can open a directory for that.
fn sync_dir(dir: &Path) -> io::Result<()> {
	#[cfg(unix)]
	std::fs::File::open(dir)?.sync_all()?;
	#[cfg(not(unix))]
	let _ = dir;
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn private_file_should_be_read_back_and_not_be_replaced() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("deep/er/key");
		create_private(&path, b"secret").unwrap();
		assert_eq!(read_private(&path).unwrap(), "secret");
		let again = create_private(&path, b"other").unwrap_err();
		assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
		assert_eq!(read_private(&path).unwrap(), "secret");
		let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
		assert_eq!(left.len(), 1, "no temporary file is left behind");
	}

	#[cfg(unix)]
	#[test]
	fn private_file_should_be_refused_when_others_may_read_it() {
		use std::os::unix::fs::PermissionsExt;
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		create_private(&path, b"secret").unwrap();
		assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
		std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
		let error = read_private(&path).unwrap_err();
		assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
		assert!(error.to_string().contains("chmod 600"), "{error}");
	}

	#[test]
	fn published_file_should_replace_what_was_there() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("out.bin");
		std::fs::write(&path, b"old").unwrap();
		let mut file = temporary_beside(&path).unwrap();
		file.write_all(b"new").unwrap();
		assert_eq!(std::fs::read(&path).unwrap(), b"old");
		publish(file, &path).unwrap();
		assert_eq!(std::fs::read(&path).unwrap(), b"new");
	}
}
