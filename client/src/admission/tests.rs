// SPDX-License-Identifier: Apache-2.0

use tessera_primitives::program::{
	Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, ProgramPackage, StageDecl,
};
use tessera_primitives::provider::Features;

use super::*;

const DOUBLE: &str = "
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> target_words: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	if id.x < arrayLength(&target_words) {
		target_words[id.x] = source[id.x] * 2u;
	}
}";

fn buffer(name: &str, role: BufferRole) -> BufferDecl {
	BufferDecl { name: name.as_bytes().to_vec().try_into().unwrap(), role, kind: BufferKind::Storage }
}

fn binding(binding: u8, access: Access) -> BindingDecl {
	BindingDecl { group: 0, binding, buffer: binding, access }
}

fn stage(bindings: Vec<BindingDecl>) -> StageDecl {
	StageDecl {
		name: b"double".to_vec().try_into().unwrap(),
		module: 0,
		entry: b"main".to_vec().try_into().unwrap(),
		bindings: bindings.try_into().unwrap(),
	}
}

/// A program of one stage with an input and an output buffer; not checked by `ProgramPackage::new`, so that tests
/// reach what only admission refuses.
fn package(wgsl: &str) -> ProgramPackage {
	ProgramPackage {
		version: 1,
		manifest: ProgramManifest {
			buffers: vec![buffer("source", BufferRole::Input), buffer("target", BufferRole::Output)]
				.try_into()
				.unwrap(),
			stages: vec![stage(vec![binding(0, Access::Read), binding(1, Access::ReadWrite)])]
				.try_into()
				.unwrap(),
		},
		modules: vec![wgsl.as_bytes().to_vec()],
	}
}

/// The same program with other contents of `main`.
fn body(globals: &str, statements: &str) -> ProgramPackage {
	package(&format!(
		"{globals}
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> target_words: array<u32>;
@compute @workgroup_size(1)
fn main() {{ target_words[0] = source[0]; {statements} }}"
	))
}

fn refusal(package: &ProgramPackage) -> AdmissionError {
	check(package, &Limits::default()).unwrap_err()
}

#[test]
fn admission_should_describe_the_stages_when_a_program_is_sound() {
	let admitted = check(&package(DOUBLE), &Limits::default()).unwrap();
	assert_eq!(
		admitted.stages,
		[AdmittedStage { workgroup_size: [64, 1, 1], workgroup_bytes: 0, least_bytes: vec![4, 4] }]
	);
}

#[test]
fn admission_should_name_the_line_when_wgsl_does_not_parse() {
	let error = refusal(&package(&DOUBLE.replace("* 2u;", "* ;")));
	assert!(matches!(&error, AdmissionError::Parse { stage, line: 7, .. } if stage == "double"), "{error}");
	assert!(error.to_string().contains("line 7"), "{error}");
}

#[test]
fn admission_should_name_the_line_when_wgsl_does_not_validate() {
	let error = refusal(&body("\n@group(0) @binding(2) var<storage> flags: array<bool>;", ""));
	assert!(matches!(error, AdmissionError::Invalid { line: 2, .. }), "{error}");
	assert!(error.to_string().contains("flags"), "{error}");
}

#[test]
fn admission_should_survive_when_source_is_nested_beyond_reason() {
	let deep = format!("let x = {}1u{};", "(".repeat(60_000), ")".repeat(60_000));
	let error = refusal(&body("", &deep));
	assert!(matches!(error, AdmissionError::Parse { .. }), "{error}");
}

#[test]
fn admission_should_refuse_a_module_when_it_is_too_long() {
	let error = refusal(&package(&format!("{DOUBLE}{}", " ".repeat(256 << 10))));
	assert!(matches!(error, AdmissionError::SourceTooLong { limit: 262_144, .. }), "{error}");
}

#[test]
fn admission_should_refuse_bindings_when_manifest_and_wgsl_disagree() {
	let mut unlisted = package(DOUBLE);
	unlisted.manifest.stages[0] = stage(vec![binding(1, Access::ReadWrite)]);
	let error = refusal(&unlisted);
	assert!(
		matches!(&error, AdmissionError::UnlistedBinding { binding: 0, variable, line: 2, .. } if variable == "source"),
		"{error}"
	);

	let unused = package(&DOUBLE.replace("source[id.x]", "id.x"));
	let error = refusal(&unused);
	assert!(
		matches!(&error, AdmissionError::UnusedBinding { binding: 0, buffer, .. } if buffer == "source"),
		"{error}"
	);

	let error = refusal(&package(&DOUBLE.replace("<storage, read> source", "<storage, read_write> source")));
	assert_eq!(
		error.to_string(),
		"stage `double`: @group(0) @binding(0) is var<storage, read_write> in the WGSL (`source`, line 2), but buffer \
		 `source` is bound as var<storage, read>"
	);

	let mut uniform = package(DOUBLE);
	uniform.manifest.buffers[0].kind = BufferKind::Uniform;
	let error = refusal(&uniform);
	assert!(
		matches!(&error, AdmissionError::BindingMismatch { expected, .. } if expected == "var<uniform>"),
		"{error}"
	);

	let texture = DOUBLE.replace("var<storage, read> source: array<u32>", "var source: texture_2d<u32>");
	let error = refusal(&package(&texture.replace("source[id.x]", "textureLoad(source, id.xy, 0).x")));
	assert!(
		matches!(&error, AdmissionError::BindingMismatch { found, .. } if found == "a texture or sampler"),
		"{error}"
	);
}

#[test]
fn admission_should_refuse_an_entry_point_when_it_is_missing_or_not_compute() {
	let error = refusal(&package(&DOUBLE.replace("fn main", "fn other")));
	assert!(matches!(&error, AdmissionError::NoEntryPoint { found, .. } if found == "`other`"), "{error}");
	let fragment = "@fragment fn main() {}";
	assert!(matches!(refusal(&package(fragment)), AdmissionError::NotCompute { .. }));
}

#[test]
fn admission_should_refuse_a_workgroup_when_it_is_beyond_the_limits() {
	for (size, fits) in
		[("256", true), ("257", false), ("16, 16", true), ("16, 17", false), ("1, 1, 65", false)]
	{
		let wgsl = DOUBLE.replace("@workgroup_size(64)", &format!("@workgroup_size({size})"));
		match check(&package(&wgsl), &Limits::default()) {
			Ok(_) => assert!(fits, "{size} was admitted"),
			Err(error) => {
				assert!(!fits, "{size} was refused: {error}");
				assert!(matches!(error, AdmissionError::WorkgroupSize { .. }), "{error}");
			}
		}
	}
}

#[test]
fn admission_should_refuse_memory_when_it_is_beyond_the_limits() {
	let shared = "var<workgroup> tile: array<u32, 4097>;";
	let error = refusal(&body(shared, "tile[0] = 1u;"));
	assert!(matches!(error, AdmissionError::WorkgroupMemory { bytes: 16_400, limit: 16_384, .. }), "{error}");
	// What is declared but not used costs nothing.
	check(&body(shared, ""), &Limits::default()).unwrap();

	for (globals, statements) in [
		("var<private> big: array<u32, 100000>;", "big[source[0]] = 1u;"),
		("", "var big = array<u32, 100000>(); big[source[0]] = 1u;"),
		("fn f() { var big = array<u32, 100000>(); big[source[0]] = 1u; }", "f();"),
		("", "let big = array<u32, 100000>(); target_words[0] = big[source[0]];"),
		("const BIG = array<u32, 100000>();", "target_words[0] = BIG[source[0]];"),
	] {
		let error = refusal(&body(globals, statements));
		assert!(
			matches!(error, AdmissionError::PrivateMemory { bytes: 400_000, .. }),
			"{globals}{statements}: {error}"
		);
	}
}

#[test]
fn admission_should_refuse_language_features_unless_the_job_requires_them() {
	let half = body("enable f16;", "let x = f16(source[0]); target_words[0] = u32(x);");
	assert!(matches!(refusal(&half), AdmissionError::Parse { line: 1, .. }));
	check(&half, &Limits::with_features(Features::SHADER_F16)).unwrap();

	let subgroup = body("", "target_words[0] = subgroupAdd(source[0]);");
	refusal(&subgroup);
	check(&subgroup, &Limits::with_features(Features::SUBGROUP)).unwrap();

	let wide = body("", "target_words[0] = u32(u64(source[0]) >> 1u);");
	refusal(&wide);
	check(&wide, &Limits::with_features(Features::SHADER_INT64)).unwrap();
}

#[test]
fn admission_should_refuse_unchecked_language_features_whatever_the_job_requires() {
	let all = Features::NAMED.iter().fold(Features(0), |all, (_, f)| all.union(*f));
	let limits = Limits::with_features(all);
	for (globals, statements) in [
		("enable wgpu_cooperative_matrix;", ""),
		("enable wgpu_ray_query;", ""),
		("enable wgpu_binding_array;", ""),
		("", "let x = f64(source[0]); target_words[0] = u32(x);"),
		("struct S { f: atomic<f32> }\nvar<workgroup> s: S;", "atomicAdd(&s.f, 1.0f);"),
	] {
		let error = check(&body(globals, statements), &limits).unwrap_err();
		assert!(
			matches!(error, AdmissionError::Parse { .. } | AdmissionError::Invalid { .. }),
			"{globals}{statements}: {error}"
		);
	}
}

#[test]
fn admission_should_refuse_overrides() {
	let error = refusal(&body("override factor: u32 = 2u;", "target_words[0] = factor;"));
	assert!(matches!(&error, AdmissionError::Override { name, line: 1, .. } if name == "factor"), "{error}");
}

#[test]
fn admission_should_refuse_a_stage_when_it_binds_too_many_buffers() {
	let count = 9u8;
	let mut wgsl = String::new();
	let mut sum = String::from("0u");
	for i in 1..count {
		wgsl += &format!("@group(0) @binding({i}) var<storage, read> in_{i}: array<u32>;\n");
		sum += &format!(" + in_{i}[0]");
	}
	wgsl += "@group(0) @binding(0) var<storage, read_write> sum: array<u32>;\n";
	wgsl += &format!("@compute @workgroup_size(1) fn main() {{ sum[0] = {sum}; }}");
	let mut package = package(&wgsl);
	let mut buffers = vec![buffer("sum", BufferRole::Output)];
	buffers.extend((1..count).map(|i| buffer(&format!("in_{i}"), BufferRole::Input)));
	package.manifest.buffers = buffers.try_into().unwrap();
	let mut bindings = vec![binding(0, Access::ReadWrite)];
	bindings.extend((1..count).map(|i| binding(i, Access::Read)));
	package.manifest.stages[0] = stage(bindings);
	let error = refusal(&package);
	assert!(matches!(error, AdmissionError::TooManyBuffers { found: 9, limit: 8, .. }), "{error}");
}

#[test]
fn job_should_be_refused_when_lengths_or_dispatches_are_beyond_the_limits() {
	let limits = Limits::default();
	let wgsl = DOUBLE.replace("source: array<u32>", "source: array<u32, 4>");
	let package = package(&wgsl);
	let admitted = check(&package, &limits).unwrap();
	let job = |buffers: &[u64], dispatch: [u32; 3]| {
		admitted.check_job(&package.manifest, buffers, &[dispatch], &limits)
	};
	job(&[16, 4], [1, 1, 1]).unwrap();
	job(&[MAX_BUFFER_BYTES, MAX_BUFFER_BYTES], [65_535, 256, 1]).unwrap();

	for bad in [0, 2, 17, MAX_BUFFER_BYTES + 4] {
		let error = job(&[16, bad], [1, 1, 1]).unwrap_err();
		assert!(
			matches!(&error, AdmissionError::BufferLength { buffer, .. } if buffer == "target"),
			"{error}"
		);
	}
	let error = job(&[12, 4], [1, 1, 1]).unwrap_err();
	assert!(matches!(error, AdmissionError::BufferTooShort { bytes: 12, least: 16, .. }), "{error}");
	for bad in [[0, 1, 1], [65_536, 1, 1], [65_535, 257, 1]] {
		let error = job(&[16, 4], bad).unwrap_err();
		assert!(matches!(error, AdmissionError::Dispatch { .. }), "{error}");
	}
	assert!(matches!(job(&[16], [1, 1, 1]).unwrap_err(), AdmissionError::BufferCount { .. }));
	let none = admitted.check_job(&package.manifest, &[16, 4], &[], &limits);
	assert!(matches!(none.unwrap_err(), AdmissionError::DispatchCount { .. }));
}

#[test]
fn admission_error_should_survive_the_way_from_child_to_parent() {
	let error = refusal(&package("fn"));
	let json = serde_json::to_string(&error).unwrap();
	assert_eq!(serde_json::from_str::<AdmissionError>(&json).unwrap(), error);
}
