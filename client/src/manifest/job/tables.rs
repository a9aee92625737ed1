// SPDX-License-Identifier: Apache-2.0

//! The tables of `job.toml`, and the checks of those that stand for themselves.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use tessera_primitives::{
	limits::MAX_REGIONS,
	provider::{AdapterClass, Features, Requirements},
	types::{ProgramId, Region},
};
use toml::Spanned;

use super::ProgramRef;
use crate::manifest::{
	Document, ManifestError, names, parse_hash,
	units::{Amount, Bytes},
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
	program: Spanned<Program>,
	pub(super) job: Job,
	pub(super) price: Price,
	pub(super) deadlines: Deadlines,
	#[serde(default)]
	requirements: RequirementsTable,
	#[serde(default)]
	pub(super) buffers: BTreeMap<Spanned<String>, Spanned<Buffer>>,
	#[serde(default)]
	pub(super) stages: BTreeMap<Spanned<String>, Stage>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
	path: Option<PathBuf>,
	id: Option<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
	pub(super) tasks: Spanned<u32>,
	client_id: Option<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
	pub(super) opening: Spanned<Amount>,
	pub(super) ceiling: Spanned<Amount>,
	#[serde(default)]
	pub(super) ramp: Amount,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deadlines {
	pub(super) execution: Spanned<u32>,
	pub(super) lifetime: Spanned<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementsTable {
	#[serde(default)]
	regions: Vec<Spanned<String>>,
	class: Option<Spanned<String>>,
	#[serde(default)]
	memory: Bytes,
	#[serde(default)]
	features: Vec<Spanned<String>>,
}

/// One buffer; which keys it may have follows from its role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Buffer {
	pub(super) file: Option<Spanned<PathBuf>>,
	pub(super) split: Option<Spanned<PathBuf>>,
	pub(super) files: Option<Spanned<Vec<Spanned<PathBuf>>>>,
	pub(super) words: Option<Spanned<Vec<Spanned<Vec<u32>>>>>,
	pub(super) bytes: Option<Spanned<Bytes>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
	pub(super) dispatch: Spanned<[u32; 3]>,
}

impl File {
	pub(super) fn program(&self, doc: &Document) -> Result<ProgramRef, ManifestError> {
		let table = self.program.get_ref();
		match (&table.path, &table.id) {
			(Some(path), None) => Ok(ProgramRef::Path(doc.resolve(path))),
			(None, Some(id)) => parse_hash(id.get_ref())
				.map(ProgramRef::Id)
				.map_err(|e| doc.error(id.span(), e, "`tessera program pack` prints a program's id")),
			_ => Err(doc.error(
				self.program.span(),
				"[program] has to have one of `path` and `id`",
				"`path` names a program.toml, `id` a program that is registered already",
			)),
		}
	}

	pub(super) fn client_id(&self, doc: &Document) -> Result<Option<ProgramId>, ManifestError> {
		let Some(id) = &self.job.client_id else { return Ok(None) };
		let help = "leave `client_id` out for a random one";
		parse_hash(id.get_ref()).map(Some).map_err(|e| doc.error(id.span(), e, help))
	}

	pub(super) fn requirements(&self, doc: &Document) -> Result<Requirements, ManifestError> {
		let table = &self.requirements;
		let mut out = Requirements { memory_bytes: table.memory.0, ..Default::default() };
		for code in &table.regions {
			let region = <[u8; 2]>::try_from(code.get_ref().as_bytes()).map(Region);
			let Some(region) = region.ok().filter(Region::is_assigned) else {
				return Err(doc.error(
					code.span(),
					format!("`{code}` is not a region"),
					"regions are ISO 3166-1 codes of two capital letters: \"DE\", \"FR\", \"GB\", \"US\"",
				));
			};
			if out.regions.contains(&region) {
				return Err(doc.error(code.span(), format!("region `{code}` is there twice"), "remove one"));
			}
			out.regions.try_push(region).map_err(|_| {
				doc.error(
					code.span(),
					format!("there are more than {MAX_REGIONS} regions"),
					"leave `regions` out to allow all",
				)
			})?;
		}
		if let Some(class) = &table.class {
			let Some(found) = AdapterClass::from_name(class.get_ref()) else {
				return Err(doc.error(
					class.span(),
					format!("`{class}` is not an adapter class"),
					format!("the classes are {}", names(AdapterClass::ALL.map(AdapterClass::name))),
				));
			};
			out.class = Some(found);
		}
		for name in &table.features {
			let Some((_, feature)) = Features::NAMED.iter().find(|(n, _)| n == name.get_ref()) else {
				return Err(doc.error(
					name.span(),
					format!("`{name}` is not a feature"),
					format!("the features are {}", names(Features::NAMED.map(|(n, _)| n))),
				));
			};
			out.features = out.features.union(*feature);
		}
		Ok(out)
	}
}
