// SPDX-License-Identifier: Apache-2.0

//! Where the contents of a job's input buffers come from.

use std::{
	fs::File,
	io::{self, Read, Seek, SeekFrom},
	ops::Range,
	path::{Path, PathBuf},
};

use tessera_primitives::{
	limits::{MAX_BUFFER_BYTES, MAX_INLINE_BYTES},
	types::BlobRef,
};
use toml::Spanned;

use super::{BlobOrigin, tables::Buffer};
use crate::manifest::{Document, ManifestError, names};

/// An input buffer's contents.
pub(super) struct Input {
	/// Length for every task, bytes.
	pub(super) bytes: u64,
	/// Blobs: one for all tasks when `same`, else one a task.
	pub(super) origins: Vec<(BlobRef, BlobOrigin)>,
	/// Or a few bytes a task, little-endian words.
	pub(super) words: Vec<Vec<u8>>,
	/// Whether all tasks have the same contents.
	pub(super) same: bool,
}

/// Length of an output or scratch buffer, bytes.
pub(super) fn length(doc: &Document, name: &str, table: &Spanned<Buffer>) -> Result<u64, ManifestError> {
	match (&table.get_ref().bytes, sources(table.get_ref()).as_slice()) {
		(Some(bytes), []) => {
			check_length(doc, name, bytes.get_ref().0, bytes.span())?;
			Ok(bytes.get_ref().0)
		}
		(None, []) => Err(doc.error(
			table.span(),
			format!("buffer `{name}` has no length"),
			"write `bytes = 1024` or `bytes = \"64 MiB\"`",
		)),
		(_, [first, ..]) => Err(doc.error(
			table.span(),
			format!("buffer `{name}` is not an input, so it cannot have `{first}`"),
			"it is zero when a task starts: give its length, `bytes`, alone",
		)),
	}
}

/// Contents of an input buffer. Reads and hashes the files.
pub(super) fn read(
	doc: &Document,
	name: &str,
	table: &Spanned<Buffer>,
	tasks: u32,
) -> Result<Input, ManifestError> {
	let buffer = table.get_ref();
	if let Some(bytes) = &buffer.bytes {
		return Err(doc.error(
			bytes.span(),
			format!("buffer `{name}` is an input, so it cannot have `bytes`"),
			"its length is that of its contents: `file`, `split`, `files` or `words`",
		));
	}
	match sources(buffer).as_slice() {
		[] => {
			return Err(doc.error(
				table.span(),
				format!("input `{name}` has no contents"),
				"give it one of `file`, `split`, `files` and `words`",
			));
		}
		[_] => {}
		several => {
			return Err(doc.error(
				table.span(),
				format!("input `{name}` has several contents: {}", names(several.iter().copied())),
				"choose one",
			));
		}
	}
	if let Some(path) = &buffer.file {
		shared(doc, name, path)
	} else if let Some(path) = &buffer.split {
		split(doc, name, path, tasks)
	} else if let Some(paths) = &buffer.files {
		files(doc, name, paths, tasks)
	} else if let Some(rows) = &buffer.words {
		words(doc, name, rows, tasks)
	} else {
		Err(doc.error(table.span(), format!("input `{name}` has no contents"), ""))
	}
}

/// The keys of a table that give contents.
fn sources(buffer: &Buffer) -> Vec<&'static str> {
	let given = [
		("file", buffer.file.is_some()),
		("split", buffer.split.is_some()),
		("files", buffer.files.is_some()),
		("words", buffer.words.is_some()),
	];
	given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
}

fn shared(doc: &Document, name: &str, path: &Spanned<PathBuf>) -> Result<Input, ManifestError> {
	let (full, bytes) = stat(doc, name, path)?;
	check_length(doc, name, bytes, path.span())?;
	let blob = hash(doc, name, path, &full, 0..bytes)?;
	let origin = BlobOrigin::File { path: full, range: 0..bytes };
	Ok(Input { bytes, origins: vec![(blob, origin)], words: Vec::new(), same: true })
}

fn split(doc: &Document, name: &str, path: &Spanned<PathBuf>, tasks: u32) -> Result<Input, ManifestError> {
	let (full, total) = stat(doc, name, path)?;
	let step = u64::from(tasks).saturating_mul(4);
	if total == 0 || total % step != 0 {
		let below = total / step * step;
		let fitting = match below {
			0 => format!("{step}"),
			below => format!("{below} or {}", below.saturating_add(step)),
		};
		return Err(doc.error(
			path.span(),
			format!(
				"input `{name}`: {} has {total} bytes, which {tasks} tasks cannot share equally in whole 4-byte words",
				full.display()
			),
			format!("it would have to have {fitting} bytes; or change `tasks`"),
		));
	}
	let bytes = total / u64::from(tasks);
	check_length(doc, name, bytes, path.span())?;
	let mut origins = Vec::new();
	for task in 0..u64::from(tasks) {
		let start = task.saturating_mul(bytes);
		let range = start..start.saturating_add(bytes);
		let blob = hash(doc, name, path, &full, range.clone())?;
		origins.push((blob, BlobOrigin::File { path: full.clone(), range }));
	}
	Ok(Input { bytes, origins, words: Vec::new(), same: false })
}

fn files(
	doc: &Document,
	name: &str,
	paths: &Spanned<Vec<Spanned<PathBuf>>>,
	tasks: u32,
) -> Result<Input, ManifestError> {
	let list = paths.get_ref();
	let count = list.len();
	if u32::try_from(count) != Ok(tasks) {
		return Err(doc.error(
			paths.span(),
			format!("input `{name}` lists {count} files for {tasks} tasks"),
			"list one file for each task; `file` gives all tasks the same",
		));
	}
	let mut origins: Vec<(BlobRef, BlobOrigin)> = Vec::new();
	let mut first: Option<(u64, PathBuf)> = None;
	for path in list {
		let (full, bytes) = stat(doc, name, path)?;
		match &first {
			Some((length, other)) if *length != bytes => {
				return Err(doc.error(
					path.span(),
					format!(
						"input `{name}`: {} has {bytes} bytes, {} has {length}",
						full.display(),
						other.display()
					),
					"a buffer has the same length for all tasks",
				));
			}
			Some(_) => {}
			None => {
				check_length(doc, name, bytes, path.span())?;
				first = Some((bytes, full.clone()));
			}
		}
		let blob = hash(doc, name, path, &full, 0..bytes)?;
		origins.push((blob, BlobOrigin::File { path: full, range: 0..bytes }));
	}
	// There is at least one task.
	let bytes = first.map_or(0, |(bytes, _)| bytes);
	Ok(Input { bytes, origins, words: Vec::new(), same: false })
}

fn words(
	doc: &Document,
	name: &str,
	rows: &Spanned<Vec<Spanned<Vec<u32>>>>,
	tasks: u32,
) -> Result<Input, ManifestError> {
	let list = rows.get_ref();
	let count = list.len();
	if u32::try_from(count) != Ok(tasks) {
		return Err(doc.error(
			rows.span(),
			format!("input `{name}` lists words for {count} tasks, the job has {tasks}"),
			"write one list for each task: [[0, 1], [2, 3]] for two",
		));
	}
	let length = list.first().map_or(0, |row| row.get_ref().len());
	let max = MAX_INLINE_BYTES / 4;
	let mut words = Vec::new();
	for (row, task) in list.iter().zip(0u32..) {
		let here = row.get_ref().len();
		if here != length {
			return Err(doc.error(
				row.span(),
				format!("input `{name}` has {here} words for task {task}, {length} for task 0"),
				"a buffer has the same length for all tasks",
			));
		}
		if u32::try_from(here).map_or(true, |n| n > max) {
			return Err(doc.error(
				row.span(),
				format!("input `{name}` has {here} words a task, more than the {max} allowed"),
				"put them into a file and use `split` or `files`",
			));
		}
		words.push(row.get_ref().iter().flat_map(|w| w.to_le_bytes()).collect());
	}
	let bytes = (length as u64).saturating_mul(4);
	check_length(doc, name, bytes, rows.span())?;
	Ok(Input { bytes, origins: Vec::new(), words, same: false })
}

/// Fails when a buffer cannot have this length.
fn check_length(doc: &Document, name: &str, bytes: u64, at: Range<usize>) -> Result<(), ManifestError> {
	if bytes == 0 {
		return Err(doc.error(at, format!("buffer `{name}` is empty"), "a buffer has at least 4 bytes"));
	}
	if !bytes.is_multiple_of(4) {
		return Err(doc.error(
			at,
			format!("buffer `{name}` has {bytes} bytes, not a multiple of 4"),
			format!("buffers are 32-bit words: pad it to {} bytes", bytes.div_ceil(4).saturating_mul(4)),
		));
	}
	if bytes > MAX_BUFFER_BYTES {
		return Err(doc.error(
			at,
			format!("buffer `{name}` has {bytes} bytes, more than the {MAX_BUFFER_BYTES} allowed"),
			"split the work over more tasks or more buffers",
		));
	}
	Ok(())
}

/// Full path and length of a file.
fn stat(doc: &Document, name: &str, path: &Spanned<PathBuf>) -> Result<(PathBuf, u64), ManifestError> {
	let full = doc.resolve(path.get_ref());
	let meta = std::fs::metadata(&full).and_then(|meta| {
		let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a file");
		meta.is_file().then_some(meta).ok_or_else(not_a_file)
	});
	let meta = meta.map_err(|e| unreadable(doc, name, path, &full, &e))?;
	Ok((full, meta.len()))
}

fn hash(
	doc: &Document,
	name: &str,
	path: &Spanned<PathBuf>,
	full: &Path,
	range: Range<u64>,
) -> Result<BlobRef, ManifestError> {
	let run = || {
		let bytes = range.end.saturating_sub(range.start);
		let mut file = File::open(full)?;
		file.seek(SeekFrom::Start(range.start))?;
		let mut hasher = blake3::Hasher::new();
		hasher.update_reader(file.take(bytes))?;
		if hasher.count() != bytes {
			return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile"));
		}
		Ok(BlobRef { hash: (*hasher.finalize().as_bytes()).into(), bytes })
	};
	run().map_err(|e| unreadable(doc, name, path, full, &e))
}

fn unreadable(
	doc: &Document,
	name: &str,
	path: &Spanned<PathBuf>,
	full: &Path,
	e: &io::Error,
) -> ManifestError {
	doc.error(
		path.span(),
		format!("input `{name}`: {} cannot be read: {e}", full.display()),
		"paths are relative to the job's manifest",
	)
}
