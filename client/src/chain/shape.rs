// SPDX-License-Identifier: Apache-2.0

//! Whether a chain's runtime speaks as this software expects.
//!
//! What this module sends and reads was compiled from the metadata in `client/artifacts`. A newer runtime may change
//! anything else, but not the shape of what is listed here: names, indices, fields and their order, all the way down to
//! the primitives. Comparing shapes instead of versions lets this software outlive most upgrades.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use scale_info::{Field, PortableRegistry, TypeDef, Variant, form::PortableForm};
use subxt::metadata::Metadata;

use super::error::ChainError;

/// The metadata that this software was built from.
static KNOWN: LazyLock<Metadata> = LazyLock::new(|| {
	Metadata::decode_from(BYTES).expect("the macro in `runtime` has read the same file at compile time")
});

/// The same, encoded.
const BYTES: &[u8] = include_bytes!("../../artifacts/metadata.scale");

/// Pallets of which every call and event is needed.
const WHOLE_PALLETS: [&str; 2] = ["Providers", "Jobs"];
/// Calls of other pallets.
const CALLS: [(&str, &str); 1] = [("Balances", "transfer_keep_alive")];
/// Storage entries.
const STORAGE: [(&str, &str); 2] = [("System", "Account"), ("Balances", "Holds")];
/// Constants.
const CONSTANTS: [(&str, &str); 1] = [("Balances", "ExistentialDeposit")];
/// Runtime APIs of which every method is needed.
const APIS: [&str; 1] = ["ComputeApi"];

/// What differs between this metadata and the one that this software was built from, where it matters; empty when
/// nothing does. Items are like `Jobs.submit has changed`.
pub(super) fn differences(theirs: &Metadata) -> Vec<String> {
	compare(&KNOWN, theirs)
}

/// The version of the runtime that this software was built from.
pub(super) fn known_version() -> Result<u32, ChainError> {
	let version = KNOWN.pallet_by_name("System").and_then(|system| system.constant_by_name("Version"));
	let bytes = version.map(|constant| constant.value()).unwrap_or_default();
	// `RuntimeVersion`: spec name, impl name, authoring version, spec version, …
	let decoded = <(String, String, u32, u32) as codec::Decode>::decode(&mut &*bytes);
	decoded.map(|(_, _, _, spec_version)| spec_version).map_err(|error| ChainError::other(error.to_string()))
}

fn compare(ours: &Metadata, theirs: &Metadata) -> Vec<String> {
	let (mine, other) = (needed(ours), needed(theirs));
	let mut differences = Vec::new();
	for (name, shape) in &mine {
		match other.get(name) {
			Some(same) if same == shape => (),
			Some(_) => differences.push(format!("{name} has changed")),
			None => differences.push(format!("{name} is gone")),
		}
	}
	differences
}

/// Everything that is needed, by name, with its shape.
fn needed(metadata: &Metadata) -> BTreeMap<String, String> {
	let types = metadata.types();
	let mut all = BTreeMap::new();
	let pallet = |name: &str| metadata.pallet_by_name(name);

	// Indices of pallets and calls are read from the chain's metadata, so they may change.
	for name in WHOLE_PALLETS {
		let Some(pallet) = pallet(name) else { continue };
		for call in pallet.call_variants().into_iter().flatten() {
			all.insert(format!("{name}.{}", call.name), Shape::of(types, |shape| shape.fields(&call.fields)));
		}
		for event in pallet.event_variants().into_iter().flatten() {
			let shape = Shape::of(types, |shape| shape.variant(event));
			all.insert(format!("the event {name}.{}", event.name), shape);
		}
	}
	for (name, call_name) in CALLS {
		if let Some(call) = pallet(name).and_then(|p| p.call_variant_by_name(call_name)) {
			all.insert(format!("{name}.{call_name}"), Shape::of(types, |shape| shape.fields(&call.fields)));
		}
	}
	for (name, entry_name) in STORAGE {
		let entry = pallet(name).and_then(|p| p.storage()).and_then(|s| s.entry_by_name(entry_name));
		if let Some(entry) = entry {
			let shape = Shape::of(types, |shape| {
				for key in entry.keys() {
					shape.text(&format!("{:?} ", key.hasher));
					shape.ty(key.key_id);
				}
				shape.text("-> ");
				shape.ty(entry.value_ty());
			});
			all.insert(format!("the storage {name}.{entry_name}"), shape);
		}
	}
	for (name, constant_name) in CONSTANTS {
		let constant = pallet(name).and_then(|p| p.constant_by_name(constant_name));
		if let Some(constant) = constant {
			let shape = Shape::of(types, |shape| shape.ty(constant.ty()));
			all.insert(format!("the constant {name}.{constant_name}"), shape);
		}
	}
	for name in APIS {
		let methods = metadata.runtime_api_trait_by_name(name).into_iter().flat_map(|api| api.methods());
		for method in methods {
			let shape = Shape::of(types, |shape| {
				for input in method.inputs() {
					shape.ty(input.id);
				}
				shape.text("-> ");
				shape.ty(method.output_ty());
			});
			all.insert(format!("{name}.{}", method.name()), shape);
		}
	}
	all
}

/// Writes down types so that equal texts mean equal bytes.
struct Shape<'a> {
	types: &'a PortableRegistry,
	/// The types on the way down to the present one: a type inside itself is written as its depth.
	path: Vec<u32>,
	out: String,
}

impl<'a> Shape<'a> {
	fn of(types: &'a PortableRegistry, write: impl FnOnce(&mut Self)) -> String {
		let mut shape = Self { types, path: Vec::new(), out: String::new() };
		write(&mut shape);
		shape.out
	}

	fn text(&mut self, text: &str) {
		self.out.push_str(text);
	}

	fn variant(&mut self, variant: &Variant<PortableForm>) {
		let _ = write!(self.out, "{}={}", variant.index, variant.name);
		self.fields(&variant.fields);
	}

	fn fields(&mut self, fields: &[Field<PortableForm>]) {
		self.text("{");
		for field in fields {
			// Names count: the generated code finds fields by them.
			if let Some(name) = &field.name {
				self.text(name);
				self.text(":");
			}
			self.ty(field.ty.id);
		}
		self.text("}");
	}

	fn ty(&mut self, id: u32) {
		if let Some(depth) = self.path.iter().position(|outer| *outer == id) {
			let _ = write!(self.out, "^{depth} ");
			return;
		}
		let Some(ty) = self.types.resolve(id) else {
			let _ = write!(self.out, "? ");
			return;
		};
		self.path.push(id);
		match &ty.type_def {
			TypeDef::Composite(composite) => self.fields(&composite.fields),
			TypeDef::Variant(variants) => {
				self.text("<");
				let mut sorted: Vec<_> = variants.variants.iter().collect();
				sorted.sort_by_key(|variant| variant.index);
				for variant in sorted {
					self.variant(variant);
				}
				self.text(">");
			}
			TypeDef::Sequence(list) => {
				self.text("[]");
				self.ty(list.type_param.id);
			}
			TypeDef::Array(array) => {
				let _ = write!(self.out, "[{}]", array.len);
				self.ty(array.type_param.id);
			}
			TypeDef::Tuple(tuple) => {
				self.text("(");
				for field in &tuple.fields {
					self.ty(field.id);
				}
				self.text(")");
			}
			TypeDef::Primitive(primitive) => {
				let _ = write!(self.out, "{primitive:?} ");
			}
			TypeDef::Compact(compact) => {
				self.text("compact ");
				self.ty(compact.type_param.id);
			}
			TypeDef::BitSequence(bits) => {
				self.text("bits ");
				self.ty(bits.bit_store_type.id);
				self.ty(bits.bit_order_type.id);
			}
		}
		self.path.pop();
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::{
		AcceptOrder, AccountId, BlockNumber, ClaimOrder, HandBackOrder, HeartbeatOrder, JobInfo,
		OpenTasksPage, ProviderInfo, SkipReason, TaskInfo,
	};
	use scale_info::{MetaType, Registry, TypeInfo};
	use tessera_primitives::{
		api::{Clock, MarketSummary, Quote, QuoteError},
		job::{EndReason, HandBackReason, JobRequest},
		program::ProgramManifest,
		provider::Profile,
	};

	/// The shape of a type of this software.
	fn shape_of<T: TypeInfo + 'static>() -> String {
		let mut registry = Registry::new();
		let id = registry.register_type(&MetaType::new::<T>()).id;
		Shape::of(&registry.into(), |shape| shape.ty(id))
	}

	/// The shape of the type with this path in the metadata.
	fn shape_in_metadata(path: &str) -> String {
		let types = KNOWN.types();
		let mut found = types.types.iter().filter(|t| t.ty.path.segments.join("::") == path);
		let id = found.next().unwrap_or_else(|| panic!("{path} is not in the metadata")).id;
		assert!(found.next().is_none(), "{path} is there twice");
		Shape::of(types, |shape| shape.ty(id))
	}

	macro_rules! assert_same_shape {
		($($type:ty: $path:literal;)*) => {
			$(assert_eq!(shape_of::<$type>(), shape_in_metadata($path), $path);)*
		};
	}

	/// `Static` trusts this: it encodes and decodes without looking at the metadata.
	#[test]
	fn types_of_the_primitives_should_have_the_shape_that_the_metadata_says() {
		assert_same_shape! {
			JobInfo: "tessera_primitives::api::JobInfo";
			TaskInfo: "tessera_primitives::api::TaskInfo";
			OpenTasksPage: "tessera_primitives::api::OpenTasksPage";
			ProviderInfo: "tessera_primitives::api::ProviderInfo";
			Quote: "tessera_primitives::api::Quote";
			QuoteError: "tessera_primitives::api::QuoteError";
			MarketSummary: "tessera_primitives::api::MarketSummary";
			Clock: "tessera_primitives::api::Clock";
			JobRequest: "tessera_primitives::job::JobRequest";
			EndReason: "tessera_primitives::job::EndReason";
			HandBackReason: "tessera_primitives::job::HandBackReason";
			ProgramManifest: "tessera_primitives::program::ProgramManifest";
			Profile: "tessera_primitives::provider::Profile";
			HeartbeatOrder: "tessera_primitives::orders::HeartbeatOrder";
			AcceptOrder: "tessera_primitives::orders::AcceptOrder";
			ClaimOrder: "tessera_primitives::orders::ClaimOrder";
			HandBackOrder: "tessera_primitives::orders::HandBackOrder";
		}
	}

	/// [`SkipReason`] is the pallet's, told again: this software does not depend on pallets.
	#[test]
	fn skip_reasons_should_have_the_names_and_indices_of_the_pallet() {
		let types = KNOWN.types();
		let path = "pallet_jobs::types::SkipReason";
		let ty = types.types.iter().find(|t| t.ty.path.segments.join("::") == path).expect(path);
		let TypeDef::Variant(variants) = &ty.ty.type_def else { panic!("{path} is no enum") };
		for variant in &variants.variants {
			let mut bytes = vec![variant.index];
			// `Ineligible` has a field, whose first value is 0.
			bytes.extend(variant.fields.iter().map(|_| 0));
			let ours = <SkipReason as codec::Decode>::decode(&mut &*bytes).expect("a known index");
			let name = format!("{ours:?}");
			assert_eq!(name.split('(').next(), Some(variant.name.as_str()));
		}
		assert_eq!(variants.variants.len(), 17);
	}

	#[test]
	fn everything_needed_should_be_in_the_known_metadata() {
		let all = needed(&KNOWN);
		for name in [
			"Jobs.submit",
			"Jobs.accept",
			"Providers.heartbeat",
			"Balances.transfer_keep_alive",
			"the event Jobs.TaskSettled",
			"the event Providers.Heartbeat",
			"the storage System.Account",
			"the storage Balances.Holds",
			"the constant Balances.ExistentialDeposit",
			"ComputeApi.job",
			"ComputeApi.clock",
		] {
			assert!(all.contains_key(name), "{name}");
		}
		assert_eq!(all.keys().filter(|name| name.starts_with("ComputeApi.")).count(), 11);
		assert_eq!(differences(&KNOWN), Vec::<String>::new());
	}

	#[test]
	fn comparison_should_name_what_is_gone_and_what_has_changed() {
		let mut theirs = Metadata::decode_from(BYTES).expect("it is readable");
		let pallet = theirs.pallet_by_name("Jobs").expect("there is a market");
		let (calls, events) = (pallet.call_ty_id().expect("calls"), pallet.event_ty_id().expect("events"));
		fn edit(
			metadata: &mut Metadata,
			id: u32,
			name: &str,
			change: impl FnOnce(&mut Variant<PortableForm>),
		) {
			let ty = &mut metadata.types_mut().types[id as usize].ty;
			let TypeDef::Variant(variants) = &mut ty.type_def else { panic!("no enum") };
			change(variants.variants.iter_mut().find(|v| v.name == name).expect(name));
		}
		edit(&mut theirs, calls, "submit", |call| call.fields.swap(0, 1));
		edit(&mut theirs, events, "TaskSettled", |event| event.index = 200);
		assert_eq!(
			differences(&theirs),
			["Jobs.submit has changed", "the event Jobs.TaskSettled has changed"]
		);
		edit(&mut theirs, calls, "submit", |call| call.name = "send".into());
		assert_eq!(differences(&theirs)[0], "Jobs.submit is gone");
	}

	#[test]
	fn known_version_should_be_that_of_the_metadata() {
		assert!(known_version().expect("the metadata holds it") >= 100);
	}

	#[test]
	fn shape_should_end_when_a_type_holds_itself() {
		#[derive(TypeInfo)]
		#[allow(dead_code)]
		struct List(Option<Box<List>>, u8);
		assert_eq!(shape_of::<List>(), "{<0=None{}1=Some{^0 }>U8 }");
	}

	#[test]
	fn block_number_should_be_what_orders_use() {
		assert_eq!(shape_of::<BlockNumber>(), "U32 ");
		assert_eq!(shape_of::<AccountId>(), "{[32]U8 }");
	}
}
