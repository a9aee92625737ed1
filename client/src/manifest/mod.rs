// SPDX-License-Identifier: Apache-2.0

//! Manifests: `program.toml` and `job.toml`, what tenants write.
//!
//! - [`program`]: a program's buffers and stages, packed with their WGSL into a
//!   [`ProgramPackage`](tessera_primitives::program::ProgramPackage).
//! - [`job`]: a job's prices, deadlines and inputs, built into a
//!   [`JobRequest`](tessera_primitives::job::JobRequest) and its blobs.
//! - [`units`]: amounts and lengths with units.
//!
//! A mistake is reported with its file and line, what is wrong, and what to write instead.

pub mod job;
pub mod program;
pub mod units;

use std::{
	fmt,
	ops::Range,
	path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use tessera_primitives::types::ProgramId;

pub use job::{BlobOrigin, BuiltJob, JobSource, OutputBuffer, ProgramRef};
pub use program::ProgramSource;

/// An example `program.toml` with every key explained; it belongs to [`EXAMPLE_WGSL`].
pub const EXAMPLE_PROGRAM: &str = include_str!("example/program.toml");
/// The shader of [`EXAMPLE_PROGRAM`], to be written beside it as `scale.wgsl`.
pub const EXAMPLE_WGSL: &str = include_str!("example/scale.wgsl");
/// An example `job.toml` for [`EXAMPLE_PROGRAM`] with every key explained.
pub const EXAMPLE_JOB: &str = include_str!("example/job.toml");

/// A mistake in a manifest, or in a file that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
	/// The manifest.
	pub file: PathBuf,
	/// Line, from 1; `None` when something is missing altogether.
	pub line: Option<usize>,
	/// What is wrong, with which thing.
	pub message: String,
	/// What to do about it; empty when the message says it.
	pub help: String,
}

impl fmt::Display for ManifestError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}", self.file.display())?;
		if let Some(line) = self.line {
			write!(f, ":{line}")?;
		}
		write!(f, ": {}", self.message)?;
		if !self.help.is_empty() {
			write!(f, "\n  help: {}", self.help)?;
		}
		Ok(())
	}
}

impl std::error::Error for ManifestError {}

/// A manifest's text, for errors that know their line.
#[derive(Clone, Debug)]
struct Document {
	path: PathBuf,
	text: String,
}

impl Document {
	fn read(path: &Path, kind: &str) -> Result<Self, ManifestError> {
		match std::fs::read_to_string(path) {
			Ok(text) => Ok(Self { path: path.to_owned(), text }),
			Err(e) => Err(ManifestError {
				file: path.to_owned(),
				line: None,
				message: format!("the {kind} manifest cannot be read: {e}"),
				help: format!("`tessera {kind} init` writes an example"),
			}),
		}
	}

	fn parse<T: DeserializeOwned>(&self) -> Result<T, ManifestError> {
		toml::from_str(&self.text).map_err(|e| {
			let line = e.span().map(|span| self.line(span.start));
			// TOML's own messages speak of its grammar: the line itself says more.
			let text = line.and_then(|n| self.text.lines().nth(n - 1)).map(str::trim).unwrap_or_default();
			let help = if text.is_empty() { String::new() } else { format!("the line is `{text}`") };
			let message = e.message().trim_end().replace('\n', ", ");
			ManifestError { file: self.path.clone(), line, message, help }
		})
	}

	/// The mistake at this place of the text.
	fn error(&self, at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> ManifestError {
		let line = Some(self.line(at.start));
		ManifestError { file: self.path.clone(), line, message: message.into(), help: help.into() }
	}

	/// A mistake that has no place: something is missing.
	fn missing(&self, message: impl Into<String>, help: impl Into<String>) -> ManifestError {
		ManifestError { file: self.path.clone(), line: None, message: message.into(), help: help.into() }
	}

	/// A path of the manifest, relative to the manifest's directory.
	fn resolve(&self, path: &Path) -> PathBuf {
		crate::files::parent(&self.path).join(path)
	}

	/// Line of a position in the text, from 1.
	fn line(&self, position: usize) -> usize {
		let before = self.text.as_bytes().iter().take(position);
		before.filter(|b| **b == b'\n').count() + 1
	}
}

/// A list of names for an error: `a`, `b` and `c`.
fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
	let quoted: Vec<String> = names.into_iter().map(|n| format!("`{n}`")).collect();
	match quoted.split_last() {
		None => "none".into(),
		Some((last, [])) => last.clone(),
		Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
	}
}

/// Parses 32 bytes in hex, with or without `0x`: a program, job or client id.
pub fn parse_hash(text: &str) -> Result<ProgramId, String> {
	let digits = text.strip_prefix("0x").unwrap_or(text);
	let mut bytes = [0u8; 32];
	hex::decode_to_slice(digits, &mut bytes)
		.map_err(|_| format!("`{text}` is not an id: ids are 64 hex digits, with or without `0x`"))?;
	Ok(bytes.into())
}
