// SPDX-License-Identifier: Apache-2.0

//! `program.toml`: a program's source on disk.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use codec::Encode;
use serde::Deserialize;
use tessera_primitives::{
	limits::{MAX_BINDINGS, MAX_BUFFERS, MAX_NAME, MAX_PACKAGE_BYTES, MAX_STAGES},
	program::{
		Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ManifestError as Refusal, PackageError,
		ProgramManifest, ProgramPackage, StageDecl,
	},
	provider::Features,
	types::{BlobRef, ProgramId},
};
use toml::Spanned;

use super::{Document, ManifestError, names};
use crate::admission::{self, Admitted, Limits};

/// A program read from disk and packed.
#[derive(Clone, Debug)]
pub struct ProgramSource {
	/// Its `program.toml`.
	pub path: PathBuf,
	/// Its name: for people only.
	pub name: String,
	/// The package: manifest and WGSL, checked.
	pub package: ProgramPackage,
	/// The WGSL files, in the order of the package's modules.
	pub modules: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
	name: Spanned<String>,
	#[serde(default)]
	buffers: Vec<Spanned<Buffer>>,
	#[serde(default)]
	stages: Vec<Spanned<Stage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Buffer {
	name: Spanned<String>,
	role: BufferRole,
	#[serde(default)]
	kind: BufferKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
	name: Spanned<String>,
	wgsl: Spanned<PathBuf>,
	#[serde(default)]
	entry: Option<Spanned<String>>,
	bindings: Vec<Spanned<Binding>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Binding {
	group: u8,
	binding: u8,
	buffer: Spanned<String>,
	access: Access,
}

impl ProgramSource {
	/// Reads a `program.toml` and the WGSL files that it names, and packs them.
	///
	/// The manifest is checked in full; whether the WGSL is admissible and matches it, [`Self::admit`] says.
	pub fn load(path: &Path) -> Result<Self, ManifestError> {
		let doc = Document::read(path, "program")?;
		let file: File = doc.parse()?;
		if file.name.get_ref().trim().is_empty() {
			return Err(doc.error(
				file.name.span(),
				"the program's name is empty",
				"give it one, for people to read",
			));
		}
		let (manifest, modules) = manifest(&doc, &file)?;
		manifest.validate().map_err(|e| locate(&doc, &file, e))?;

		let read = |path: &PathBuf| {
			let full = doc.resolve(path);
			std::fs::read_to_string(&full).map_err(|e| {
				// The first stage that names it; there is one, that is where the list comes from.
				let stage = file.stages.iter().find(|s| s.get_ref().wgsl.get_ref() == path);
				let span = stage.map(|s| s.get_ref().wgsl.span()).unwrap_or_default();
				doc.error(
					span,
					format!("the WGSL file {} cannot be read: {e}", full.display()),
					"`wgsl` is relative to the program's manifest",
				)
			})
		};
		let sources = modules.iter().map(read).collect::<Result<Vec<_>, _>>()?;
		let sources = sources.into_iter().map(String::into_bytes).collect();
		let package = ProgramPackage::new(manifest, sources).map_err(|e| match e {
			PackageError::TooLong { bytes } => doc.missing(
				format!("the packed program has {bytes} bytes, more than the {MAX_PACKAGE_BYTES} allowed"),
				"shorten the WGSL: data belongs into input buffers",
			),
			PackageError::Manifest(e) => locate(&doc, &file, e),
			e => doc.missing(e.to_string(), ""),
		})?;
		let modules = modules.iter().map(|path| doc.resolve(path)).collect();
		Ok(Self { path: path.to_owned(), name: file.name.get_ref().clone(), package, modules })
	}

	/// Checks the WGSL as every worker does before it runs it: see [`admission::check`]. `features` are those that the
	/// program's jobs will require.
	pub fn admit(&self, features: Features) -> Result<Admitted, ManifestError> {
		admission::check(&self.package, &Limits::with_features(features)).map_err(|e| ManifestError {
			file: self.path.clone(),
			line: None,
			message: e.to_string(),
			help: String::new(),
		})
	}

	/// The program's id.
	pub fn id(&self) -> ProgramId {
		self.package.id()
	}

	/// The package as a blob: its reference and its bytes.
	pub fn blob(&self) -> (BlobRef, Vec<u8>) {
		let bytes = self.package.encode();
		(BlobRef::of(&bytes), bytes)
	}
}

/// The manifest as the chain knows it, and the WGSL files in the order of their first use.
fn manifest(doc: &Document, file: &File) -> Result<(ProgramManifest, Vec<PathBuf>), ManifestError> {
	let mut manifest = ProgramManifest { buffers: Default::default(), stages: Default::default() };
	for buffer in &file.buffers {
		let table = buffer.get_ref();
		let name = name(doc, &table.name, "a buffer's name")?;
		if manifest.buffers.iter().any(|b| b.name == name) {
			return Err(doc.error(
				table.name.span(),
				format!("there are two buffers `{}`", table.name),
				"give every buffer a name of its own",
			));
		}
		let decl = BufferDecl { name, role: table.role, kind: table.kind };
		manifest.buffers.try_push(decl).map_err(|_| {
			doc.error(buffer.span(), format!("there are more than {MAX_BUFFERS} buffers"), "join some")
		})?;
	}
	let mut modules: Vec<PathBuf> = Vec::new();
	for stage in &file.stages {
		let table = stage.get_ref();
		let stage_name = name(doc, &table.name, "a stage's name")?;
		if manifest.stages.iter().any(|s| s.name == stage_name) {
			return Err(doc.error(
				table.name.span(),
				format!("there are two stages `{}`", table.name),
				"give every stage a name of its own",
			));
		}
		let wgsl = table.wgsl.get_ref();
		let module = modules.iter().position(|m| m == wgsl).unwrap_or_else(|| {
			modules.push(wgsl.clone());
			modules.len() - 1
		});
		let entry = match &table.entry {
			Some(entry) => name(doc, entry, "an entry point")?,
			None => b"main".to_vec().try_into().map_err(|_| doc.missing("`main` is too long a name", ""))?,
		};
		let mut bindings = Vec::new();
		for binding in &table.bindings {
			let b = binding.get_ref();
			let Some(slot) = manifest.slot(b.buffer.get_ref()) else {
				let known = file.buffers.iter().map(|b| b.get_ref().name.get_ref().as_str());
				return Err(doc.error(
					b.buffer.span(),
					format!(
						"stage `{}` binds `{}`, which is not a buffer of the program",
						table.name, b.buffer
					),
					format!("the buffers are {}", names(known)),
				));
			};
			bindings.push(BindingDecl {
				group: b.group,
				binding: b.binding,
				// At most MAX_BUFFERS, which is far below 256.
				buffer: u8::try_from(slot).unwrap_or(u8::MAX),
				access: b.access,
			});
		}
		let bindings = bindings.try_into().map_err(|_| {
			doc.error(
				stage.span(),
				format!("stage `{}` has more than {MAX_BINDINGS} bindings", table.name),
				"",
			)
		})?;
		let decl = StageDecl {
			name: stage_name,
			// At most one module a stage, so far below 256.
			module: u8::try_from(module).unwrap_or(u8::MAX),
			entry,
			bindings,
		};
		manifest.stages.try_push(decl).map_err(|_| {
			doc.error(stage.span(), format!("there are more than {MAX_STAGES} stages"), "join some")
		})?;
	}
	Ok((manifest, modules))
}

/// A bounded name out of a text.
fn name<B: TryFrom<Vec<u8>>>(doc: &Document, text: &Spanned<String>, what: &str) -> Result<B, ManifestError> {
	let bytes = text.get_ref().as_bytes().to_vec();
	if bytes.is_empty() {
		return Err(doc.error(text.span(), format!("{what} is empty"), ""));
	}
	let len = bytes.len();
	bytes.try_into().map_err(|_| {
		doc.error(
			text.span(),
			format!("{what} has {len} bytes, more than the {MAX_NAME} allowed"),
			"shorten it",
		)
	})
}

/// A refusal of the manifest, with the names and the line of what it is about.
fn locate(doc: &Document, file: &File, refusal: Refusal) -> ManifestError {
	let buffer = |slot: u8| file.buffers.get(usize::from(slot));
	let stage = |index: u8| file.stages.get(usize::from(index));
	let buffer_name = |slot: u8| buffer(slot).map(|b| b.get_ref().name.get_ref().as_str()).unwrap_or("?");
	let stage_name = |index: u8| stage(index).map(|s| s.get_ref().name.get_ref().as_str()).unwrap_or("?");
	let buffer_at = |slot: u8| buffer(slot).map(|b| b.get_ref().name.span()).unwrap_or_default();
	let stage_at = |index: u8| stage(index).map(|s| s.get_ref().name.span()).unwrap_or_default();
	let binding_at = |index: u8, test: &dyn Fn(&Binding) -> bool| {
		let found = stage(index).and_then(|s| s.get_ref().bindings.iter().rev().find(|b| test(b.get_ref())));
		found.map_or_else(|| stage_at(index), Spanned::span)
	};
	match refusal {
		Refusal::NoStages => doc.missing("the program has no stage", "add a [[stages]] table"),
		Refusal::NoOutputs => {
			doc.missing("the program has no output buffer", "give one buffer `role = \"output\"`")
		}
		Refusal::UniformNotInput { buffer } => doc.error(
			buffer_at(buffer),
			format!("buffer `{}` is a uniform but not an input", buffer_name(buffer)),
			"uniforms are inputs: write `role = \"input\"`, or leave `kind` out",
		),
		Refusal::NoBindings { stage } => doc.error(
			stage_at(stage),
			format!("stage `{}` binds no buffer", stage_name(stage)),
			"give it `bindings`",
		),
		Refusal::BadGroup { stage, group } => doc.error(
			binding_at(stage, &|b| b.group == group),
			format!("stage `{}` uses group {group}", stage_name(stage)),
			"groups go from 0 to 3",
		),
		Refusal::DuplicateBinding { stage, binding } => doc.error(
			binding_at(stage, &|b| b.binding == binding),
			format!("stage `{}` declares binding {binding}, or its buffer, twice", stage_name(stage)),
			"a place and a buffer occur once in a stage",
		),
		Refusal::WritesInput { stage, buffer } => doc.error(
			binding_at(stage, &|b| b.buffer.get_ref() == buffer_name(buffer)),
			format!("stage `{}` has read_write access to input `{}`", stage_name(stage), buffer_name(buffer)),
			"inputs are read only: write `access = \"read\"` here and `var<storage, read>` in the shader",
		),
		Refusal::UnwrittenOutput { buffer } => doc.error(
			buffer_at(buffer),
			format!("no stage writes output `{}`", buffer_name(buffer)),
			"bind it with `access = \"read_write\"` in the stage that fills it",
		),
		Refusal::UnusedBuffer { buffer } => doc.error(
			buffer_at(buffer),
			format!("no stage binds buffer `{}`", buffer_name(buffer)),
			"bind it, or remove it",
		),
		// Found, with its place, while the tables were read.
		Refusal::BadName | Refusal::UnknownBuffer { .. } => doc.missing(refusal.to_string(), ""),
	}
}
