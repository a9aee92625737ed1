// SPDX-License-Identifier: Apache-2.0

//! The files that `tessera job fetch JOB --out DIR` writes: `DIR/<task>/<buffer>.bin`.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

/// One output buffer of every task, in the order of the tasks, as little-endian words.
///
/// # Errors
/// When the folder is missing or holds no tasks, a task between the first and the last is missing, or a file is
/// missing, unreadable or not made of whole words.
pub fn read(folder: &Path, buffer: &str) -> Result<Vec<Vec<u32>>> {
	let tasks = count_tasks(folder)?;
	(0..tasks).map(|task| read_words(&folder.join(task.to_string()).join(format!("{buffer}.bin")))).collect()
}

fn count_tasks(folder: &Path) -> Result<u32> {
	let entries = fs::read_dir(folder).with_context(|| {
		format!("cannot read {}: give the folder of `tessera job fetch`", folder.display())
	})?;
	let mut tasks: Vec<u32> = Vec::new();
	for entry in entries {
		let name = entry.with_context(|| format!("cannot read {}", folder.display()))?.file_name();
		tasks.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
	}
	tasks.sort_unstable();
	ensure!(!tasks.is_empty(), "{} holds no tasks: give the folder of `tessera job fetch`", folder.display());
	for (expected, found) in (0..).zip(&tasks) {
		ensure!(
			expected == *found,
			"{} has task {found} but not task {expected}: fetch again",
			folder.display()
		);
	}
	Ok(tasks.len() as u32)
}

fn read_words(file: &Path) -> Result<Vec<u32>> {
	let bytes = fs::read(file).with_context(|| format!("cannot read {}: fetch again", file.display()))?;
	let (words, rest) = bytes.as_chunks();
	if !rest.is_empty() {
		bail!("{} has {} bytes, not a multiple of 4: fetch again", file.display(), bytes.len());
	}
	Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
	use super::*;

	fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
		let folder = tempfile::tempdir().unwrap();
		for (name, bytes) in files {
			let file = folder.path().join(name);
			fs::create_dir_all(file.parent().unwrap()).unwrap();
			fs::write(file, bytes).unwrap();
		}
		folder
	}

	fn error(files: &[(&str, &[u8])]) -> String {
		format!("{:#}", read(folder(files).path(), "a").unwrap_err())
	}

	#[test]
	fn read_should_follow_the_order_of_tasks_when_there_are_more_than_ten() {
		let names: Vec<String> = (0..12).map(|task| format!("{task}/a.bin")).collect();
		let bytes: Vec<[u8; 4]> = (0u32..12).map(u32::to_le_bytes).collect();
		let mut files: Vec<(&str, &[u8])> = names.iter().zip(&bytes).map(|(n, b)| (&**n, &b[..])).collect();
		files.push(("job.json", b"{}"));
		let tasks = read(folder(&files).path(), "a").unwrap();
		assert_eq!(tasks, (0..12).map(|task| vec![task]).collect::<Vec<_>>());
	}

	#[test]
	fn read_should_name_the_fault_when_something_is_missing_or_cut() {
		assert!(error(&[("notes.txt", b"")]).contains("holds no tasks"));
		assert!(error(&[("0/a.bin", b"1234"), ("2/a.bin", b"1234")]).contains("task 2 but not task 1"));
		assert!(error(&[("0/b.bin", b"1234")]).contains("0/a.bin: fetch again"));
		assert!(error(&[("0/a.bin", b"12345")]).contains("5 bytes, not a multiple of 4"));
		let missing = read(Path::new("/nonexistent/outputs"), "a").unwrap_err();
		assert!(format!("{missing:#}").contains("cannot read /nonexistent/outputs"));
	}
}
