// SPDX-License-Identifier: Apache-2.0

//! The checks that look into WGSL, through naga.

use naga::{
	AddressSpace, GlobalVariable, Handle, Module, ShaderStage, Span, StorageAccess, TypeInner,
	front::wgsl,
	proc::Layouter,
	valid::{Capabilities, FunctionInfo, ModuleInfo, ValidationFlags, Validator},
};
use tessera_primitives::{
	program::{Access, BindingDecl, BufferDecl, BufferKind, ProgramPackage, StageDecl},
	provider::Features,
};

use super::{AdmissionError, Admitted, AdmittedStage, Limits, text};

/// A parsed and validated module.
struct Checked<'a> {
	source: &'a str,
	module: Module,
	info: ModuleInfo,
	layouts: Layouter,
}

/// Checks the modules in order, each once, then the stages.
pub(super) fn check_package(package: &ProgramPackage, limits: &Limits) -> Result<Admitted, AdmissionError> {
	let mut modules: Vec<Option<Checked>> = package.modules.iter().map(|_| None).collect();
	let mut stages = Vec::new();
	for stage in &package.manifest.stages {
		let missing = || AdmissionError::NoEntryPoint {
			stage: text(&stage.name),
			entry: text(&stage.entry),
			found: "no module".into(),
		};
		let index = usize::from(stage.module);
		let slot = modules.get_mut(index).ok_or_else(missing)?;
		let checked = match slot {
			Some(checked) => checked,
			None => {
				let source = package.modules.get(index).ok_or_else(missing)?;
				slot.insert(Checked::new(source, &text(&stage.name), limits)?)
			}
		};
		stages.push(checked.check_stage(stage, &package.manifest.buffers, limits)?);
	}
	Ok(Admitted { stages })
}

/// The language features that a program may use: nothing beyond plain WGSL but what the job requires. Experimental
/// and unchecked features (cooperative matrices, binding arrays, ray queries, 64-bit and float atomics) have no name
/// in a job and so no way in.
fn capabilities(features: Features) -> Capabilities {
	let mut all = Capabilities::empty();
	if features.contains(Features::SHADER_F16) {
		all |= Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
	}
	if features.contains(Features::SUBGROUP) {
		all |= Capabilities::SUBGROUP;
	}
	if features.contains(Features::SHADER_INT64) {
		all |= Capabilities::SHADER_INT64;
	}
	all
}

impl<'a> Checked<'a> {
	fn new(source: &'a [u8], stage: &str, limits: &Limits) -> Result<Self, AdmissionError> {
		let stage = || stage.to_string();
		if source.len() > limits.source_bytes {
			return Err(AdmissionError::SourceTooLong {
				stage: stage(),
				bytes: source.len(),
				limit: limits.source_bytes,
			});
		}
		let source = str::from_utf8(source).map_err(|e| AdmissionError::Parse {
			stage: stage(),
			line: 0,
			column: 0,
			message: e.to_string(),
		})?;
		let capabilities = capabilities(limits.features);
		let options = wgsl::Options { parse_doc_comments: false, capabilities };
		let module = wgsl::Frontend::new_with_options(options).parse(source).map_err(|e| {
			let (line, column) =
				e.location(source).map(|at| (at.line_number, at.line_position)).unwrap_or_default();
			AdmissionError::Parse { stage: stage(), line, column, message: parse_message(&e) }
		})?;
		let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module).map_err(|e| {
			let (line, column) =
				e.location(source).map(|at| (at.line_number, at.line_position)).unwrap_or_default();
			AdmissionError::Invalid { stage: stage(), line, column, message: with_causes(e.as_inner()) }
		})?;
		if let Some((handle, item)) = module.overrides.iter().next() {
			return Err(AdmissionError::Override {
				stage: stage(),
				name: item.name.clone().unwrap_or_default(),
				line: line_of(source, module.overrides.get_span(handle)),
			});
		}
		let mut layouts = Layouter::default();
		layouts.update(module.to_ctx()).map_err(|e| AdmissionError::Invalid {
			stage: stage(),
			line: 0,
			column: 0,
			message: e.to_string(),
		})?;
		Ok(Self { source, module, info, layouts })
	}

	fn check_stage(
		&self,
		stage: &StageDecl,
		buffers: &[BufferDecl],
		limits: &Limits,
	) -> Result<AdmittedStage, AdmissionError> {
		let (name, entry) = (text(&stage.name), text(&stage.entry));
		let points = &self.module.entry_points;
		let Some((index, point)) = points.iter().enumerate().find(|(_, p)| p.name == entry) else {
			let mut found: Vec<_> = points.iter().map(|p| format!("`{}`", p.name)).collect();
			found.sort();
			let found = if found.is_empty() { "none".into() } else { found.join(", ") };
			return Err(AdmissionError::NoEntryPoint { stage: name, entry, found });
		};
		if point.stage != ShaderStage::Compute {
			return Err(AdmissionError::NotCompute { stage: name, entry });
		}
		let size = point.workgroup_size;
		let invocations = size.iter().fold(1u64, |all, n| all.saturating_mul(u64::from(*n)));
		if invocations == 0
			|| invocations > u64::from(limits.invocations)
			|| size.iter().zip(&limits.workgroup_size).any(|(n, most)| n > most)
		{
			return Err(AdmissionError::WorkgroupSize {
				stage: name,
				entry,
				size,
				limit: limits.workgroup_size,
				invocations: limits.invocations,
			});
		}
		let uses = self.info.get_entry_point(index);
		let workgroup_bytes = self.check_memory(stage, index, uses, limits)?;
		let least_bytes = self.check_bindings(stage, buffers, uses)?;
		for (kind, label, limit) in [
			(BufferKind::Storage, "storage", limits.storage_buffers),
			(BufferKind::Uniform, "uniform", limits.uniform_buffers),
		] {
			let found = stage.bindings.iter().filter(|b| kind_of(buffers, b) == Some(kind)).count();
			if found > limit {
				return Err(AdmissionError::TooManyBuffers { stage: name, kind: label.into(), found, limit });
			}
		}
		Ok(AdmittedStage { workgroup_size: size, workgroup_bytes, least_bytes })
	}

	/// Bytes of workgroup memory that the entry point uses, when they and its private memory are within the limits.
	fn check_memory(
		&self,
		stage: &StageDecl,
		entry: usize,
		uses: &FunctionInfo,
		limits: &Limits,
	) -> Result<u32, AdmissionError> {
		let used = |space: AddressSpace| {
			let of_space = self.module.global_variables.iter().filter(move |(_, v)| v.space == space);
			of_space.filter(|(handle, _)| !uses[*handle].is_empty())
		};
		// As WebGPU counts: every variable rounded up to 16 bytes.
		let workgroup: u64 = used(AddressSpace::WorkGroup)
			.map(|(_, v)| u64::from(self.layouts[v.ty].size).next_multiple_of(16))
			.sum();
		if workgroup > u64::from(limits.workgroup_bytes) {
			return Err(AdmissionError::WorkgroupMemory {
				stage: text(&stage.name),
				entry: text(&stage.entry),
				bytes: workgroup,
				limit: limits.workgroup_bytes,
			});
		}
		// Drivers inline every function into the entry point, so the variables of all functions are counted. This is
		// an upper bound where the module holds functions of other entry points.
		let private: u64 = used(AddressSpace::Private).map(|(_, v)| u64::from(self.layouts[v.ty].size)).sum();
		let Some(point) = self.module.entry_points.get(entry) else { return Ok(0) };
		let functions = self.module.functions.iter().map(|(_, f)| f).chain([&point.function]);
		let locals = functions.flat_map(|f| f.local_variables.iter());
		let bytes = private + locals.map(|(_, v)| u64::from(self.layouts[v.ty].size)).sum::<u64>();
		let refuse = |bytes, line| AdmissionError::PrivateMemory {
			stage: text(&stage.name),
			entry: text(&stage.entry),
			bytes,
			limit: limits.private_bytes,
			line,
		};
		if bytes > u64::from(limits.private_bytes) {
			return Err(refuse(bytes, 0));
		}
		match self.largest_value(entry) {
			Some((bytes, span)) if bytes > limits.private_bytes => {
				Err(refuse(u64::from(bytes), line_of(self.source, span)))
			}
			_ => Ok(u32::try_from(workgroup).unwrap_or(u32::MAX)),
		}
	}

	/// The largest value that an expression of the entry point or any function yields: `let` and constants need no
	/// variable, but registers or memory all the same. Pointers into buffers count as pointers.
	fn largest_value(&self, entry: usize) -> Option<(u32, Span)> {
		let context = self.module.to_ctx();
		let size = |inner: &TypeInner| inner.try_size(context).unwrap_or(u32::MAX);
		let of_function = |function: &naga::Function, info: &FunctionInfo| {
			let sizes = function.expressions.iter().map(|(handle, _)| {
				(size(info[handle].ty.inner_with(&self.module.types)), function.expressions.get_span(handle))
			});
			sizes.max_by_key(|(bytes, _)| *bytes)
		};
		let functions = self.module.functions.iter().filter_map(|(h, f)| of_function(f, &self.info[h]));
		let point = self.module.entry_points.get(entry);
		let point = point.and_then(|p| of_function(&p.function, self.info.get_entry_point(entry)));
		let constants = self.module.global_expressions.iter().map(|(handle, _)| {
			let span = self.module.global_expressions.get_span(handle);
			(size(self.info[handle].inner_with(&self.module.types)), span)
		});
		functions.chain(point).chain(constants).max_by_key(|(bytes, _)| *bytes)
	}

	/// Least bytes of every binding in the manifest's order, when WGSL and manifest agree on all of them.
	fn check_bindings(
		&self,
		stage: &StageDecl,
		buffers: &[BufferDecl],
		uses: &FunctionInfo,
	) -> Result<Vec<u64>, AdmissionError> {
		let declared = |group: u32, binding: u32| {
			stage.bindings.iter().position(|b| u32::from(b.group) == group && u32::from(b.binding) == binding)
		};
		let mut least: Vec<Option<u64>> = vec![None; stage.bindings.len()];
		for (handle, variable) in self.module.global_variables.iter() {
			let Some(place) = variable.binding.filter(|_| !uses[handle].is_empty()) else { continue };
			let Some(index) = declared(place.group, place.binding) else {
				return Err(AdmissionError::UnlistedBinding {
					stage: text(&stage.name),
					entry: text(&stage.entry),
					group: place.group,
					binding: place.binding,
					variable: variable.name.clone().unwrap_or_default(),
					line: self.line_of_variable(handle),
				});
			};
			let (Some(binding), Some(slot)) = (stage.bindings.get(index), least.get_mut(index)) else {
				continue;
			};
			let found = describe(variable);
			let expected = match (kind_of(buffers, binding), binding.access) {
				(Some(BufferKind::Uniform), _) => "var<uniform>",
				(_, Access::Read) => "var<storage, read>",
				(_, Access::ReadWrite) => "var<storage, read_write>",
			};
			if found != expected {
				return Err(AdmissionError::BindingMismatch {
					stage: text(&stage.name),
					group: place.group,
					binding: place.binding,
					variable: variable.name.clone().unwrap_or_default(),
					line: self.line_of_variable(handle),
					buffer: buffer_name(buffers, binding),
					found: found.into(),
					expected: expected.into(),
				});
			}
			let inner = &self.module.types[variable.ty].inner;
			*slot = Some(u64::from(inner.try_size(self.module.to_ctx()).unwrap_or(u32::MAX)));
		}
		stage
			.bindings
			.iter()
			.zip(least)
			.map(|(binding, least)| {
				least.ok_or_else(|| AdmissionError::UnusedBinding {
					stage: text(&stage.name),
					entry: text(&stage.entry),
					group: binding.group,
					binding: binding.binding,
					buffer: buffer_name(buffers, binding),
				})
			})
			.collect()
	}

	fn line_of_variable(&self, handle: Handle<GlobalVariable>) -> u32 {
		line_of(self.source, self.module.global_variables.get_span(handle))
	}
}

/// A variable's address space, as WGSL writes it.
fn describe(variable: &GlobalVariable) -> &'static str {
	match variable.space {
		AddressSpace::Uniform => "var<uniform>",
		AddressSpace::Storage { access } if access.contains(StorageAccess::LOAD | StorageAccess::STORE) => {
			"var<storage, read_write>"
		}
		AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "var<storage, write>",
		AddressSpace::Storage { .. } => "var<storage, read>",
		AddressSpace::Handle => "a texture or sampler",
		_ => "not a buffer",
	}
}

fn kind_of(buffers: &[BufferDecl], binding: &BindingDecl) -> Option<BufferKind> {
	buffers.get(usize::from(binding.buffer)).map(|b| b.kind)
}

fn buffer_name(buffers: &[BufferDecl], binding: &BindingDecl) -> String {
	buffers.get(usize::from(binding.buffer)).map(|b| text(&b.name)).unwrap_or_default()
}

/// Line of a span, from 1; 0 when the compiler lost track of it.
fn line_of(source: &str, span: Span) -> u32 {
	if span.is_defined() { span.location(source).line_number } else { 0 }
}

fn parse_message(error: &wgsl::ParseError) -> String {
	let mut message = error.message().to_string();
	for (_, label) in error.labels().filter(|(_, label)| !label.is_empty()) {
		message.push_str("; ");
		message.push_str(label);
	}
	for note in error.notes() {
		message.push_str("; ");
		message.push_str(note);
	}
	message
}

fn with_causes(error: &dyn std::error::Error) -> String {
	let mut message = error.to_string();
	let mut source = error.source();
	while let Some(cause) = source {
		message.push_str(": ");
		message.push_str(&cause.to_string());
		source = cause.source();
	}
	message
}
