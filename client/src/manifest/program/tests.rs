// SPDX-License-Identifier: Apache-2.0

use tempfile::TempDir;

use super::*;
use crate::manifest::{EXAMPLE_PROGRAM, EXAMPLE_WGSL};

const PROGRAM: &str = r#"
name = "digits"
[[buffers]]
name = "images"
role = "input"
[[buffers]]
name = "params"
role = "input"
kind = "uniform"
[[buffers]]
name = "hidden"
role = "scratch"
[[buffers]]
name = "logits"
role = "output"
[[stages]]
name = "first"
wgsl = "mlp.wgsl"
entry = "hidden"
bindings = [
	{ group = 0, binding = 0, buffer = "images", access = "read" },
	{ group = 0, binding = 1, buffer = "params", access = "read" },
	{ group = 0, binding = 2, buffer = "hidden", access = "read_write" },
]
[[stages]]
name = "second"
wgsl = "deeper/out.wgsl"
bindings = [
	{ group = 0, binding = 0, buffer = "hidden", access = "read" },
	{ group = 1, binding = 0, buffer = "logits", access = "read_write" },
]
[[stages]]
name = "third"
wgsl = "mlp.wgsl"
entry = "third"
bindings = [{ group = 0, binding = 0, buffer = "logits", access = "read_write" }]
"#;

fn dir() -> TempDir {
	let dir = tempfile::tempdir().unwrap();
	std::fs::create_dir(dir.path().join("deeper")).unwrap();
	std::fs::write(dir.path().join("mlp.wgsl"), "// one").unwrap();
	std::fs::write(dir.path().join("deeper/out.wgsl"), "// two").unwrap();
	dir
}

fn load(dir: &TempDir, program: &str) -> Result<ProgramSource, ManifestError> {
	let path = dir.path().join("program.toml");
	std::fs::write(&path, program).unwrap();
	ProgramSource::load(&path)
}

#[test]
fn program_should_be_packed_with_each_file_once() {
	let dir = dir();
	let program = load(&dir, PROGRAM).unwrap();
	assert_eq!(program.name, "digits");
	assert_eq!(program.package.modules, [b"// one".to_vec(), b"// two".to_vec()]);
	assert_eq!(program.modules, [dir.path().join("mlp.wgsl"), dir.path().join("deeper/out.wgsl")]);
	let manifest = &program.package.manifest;
	let roles: Vec<_> = manifest.buffers.iter().map(|b| (b.role, b.kind)).collect();
	assert_eq!(
		roles,
		[
			(BufferRole::Input, BufferKind::Storage),
			(BufferRole::Input, BufferKind::Uniform),
			(BufferRole::Scratch, BufferKind::Storage),
			(BufferRole::Output, BufferKind::Storage),
		]
	);
	let stages: Vec<_> = manifest.stages.iter().map(|s| (s.module, s.entry.to_vec())).collect();
	assert_eq!(stages, [(0, b"hidden".to_vec()), (1, b"main".to_vec()), (0, b"third".to_vec())]);
	assert_eq!(
		manifest.stages[1].bindings.to_vec(),
		[
			BindingDecl { group: 0, binding: 0, buffer: 2, access: Access::Read },
			BindingDecl { group: 1, binding: 0, buffer: 3, access: Access::ReadWrite },
		]
	);
	let (blob, bytes) = program.blob();
	assert_eq!(blob.hash, program.id());
	assert_eq!(ProgramPackage::decode_checked(&bytes).unwrap(), program.package);
}

#[test]
fn program_id_should_change_when_the_wgsl_does() {
	let dir = dir();
	let before = load(&dir, PROGRAM).unwrap().id();
	assert_eq!(load(&dir, &PROGRAM.replace("digits", "other name")).unwrap().id(), before);
	std::fs::write(dir.path().join("mlp.wgsl"), "// changed").unwrap();
	assert_ne!(load(&dir, PROGRAM).unwrap().id(), before);
}

#[test]
fn example_should_be_a_program() {
	let dir = dir();
	std::fs::write(dir.path().join("scale.wgsl"), EXAMPLE_WGSL).unwrap();
	let program = load(&dir, EXAMPLE_PROGRAM).unwrap();
	assert_eq!(program.package.manifest.output_slots().collect::<Vec<_>>(), [1]);
	let admitted = program.admit(Features::default()).unwrap();
	assert_eq!(admitted.stages[0].workgroup_size, [64, 1, 1]);
}

#[test]
fn program_should_not_be_admitted_when_its_wgsl_does_not_match() {
	let dir = dir();
	for (wgsl, expected) in [
		("this is not WGSL".to_owned(), "does not parse"),
		(EXAMPLE_WGSL.replace("fn main", "fn other"), "no compute entry point `main`"),
		(EXAMPLE_WGSL.replace("@binding(1)", "@binding(2)"), "@binding(2)"),
	] {
		std::fs::write(dir.path().join("scale.wgsl"), wgsl).unwrap();
		let program = load(&dir, EXAMPLE_PROGRAM).unwrap();
		let error = program.admit(Features::default()).unwrap_err();
		assert_eq!(error.file, dir.path().join("program.toml"));
		assert!(error.message.contains("stage `scale`") && error.message.contains(expected), "{error}");
	}
}

#[test]
fn mistake_should_be_named_with_its_line_and_what_to_write() {
	let dir = dir();
	let long = "x".repeat(65);
	let long_role = format!("name = \"{long}\"\nrole = \"input\"");
	let many: String = (0..17).map(|i| format!("[[buffers]]\nname = \"b{i}\"\nrole = \"input\"\n")).collect();
	let cases: &[(&str, &str, Option<usize>, &[&str])] = &[
		("name = \"digits\"", "name = \" \"", Some(2), &["program's name is empty"]),
		("name = \"digits\"", "", None, &["missing field `name`"]),
		(
			"name = \"digits\"",
			"name = \"digits\"\nversion = 1",
			Some(3),
			&["unknown field `version`", "`stages`"],
		),
		("role = \"input\"", "role = \"inptu\"", Some(5), &["`inptu`", "`input`, `output`, `scratch`"]),
		("name = \"images\"", "name = \"\"", Some(4), &["buffer's name is empty"]),
		("name = \"images\"\nrole = \"input\"", &long_role, Some(4), &["65 bytes", "64"]),
		("name = \"params\"", "name = \"images\"", Some(7), &["two buffers `images`"]),
		(
			"role = \"scratch\"",
			"role = \"scratch\"\nkind = \"uniform\"",
			Some(11),
			&["`hidden` is a uniform", "role"],
		),
		("name = \"second\"", "name = \"first\"", Some(26), &["two stages `first`"]),
		(
			"wgsl = \"mlp.wgsl\"",
			"wgsl = \"none.wgsl\"",
			Some(18),
			&["none.wgsl", "cannot be read", "relative"],
		),
		("entry = \"hidden\"", "entry = \"\"", Some(19), &["entry point is empty"]),
		("buffer = \"images\"", "buffer = \"imges\"", Some(21), &["binds `imges`", "`images`, `params`"]),
		(
			"buffer = \"images\", access = \"read\"",
			"buffer = \"images\", access = \"write\"",
			Some(21),
			&["`write`", "`read_write`"],
		),
		(
			"buffer = \"images\", access = \"read\"",
			"buffer = \"images\", access = \"read_write\"",
			Some(21),
			&["`first` has read_write access to input `images`", "read only"],
		),
		(
			"binding = 1, buffer = \"params\"",
			"binding = 0, buffer = \"params\"",
			Some(22),
			&["binding 0", "twice"],
		),
		("group = 1", "group = 4", Some(30), &["`second` uses group 4", "0 to 3"]),
		("group = 1", "group = 256", Some(30), &["256"]),
		(
			"{ group = 0, binding = 0, buffer = \"images\", access = \"read\" },",
			"",
			Some(4),
			&["no stage binds buffer `images`"],
		),
		(
			"bindings = [{ group = 0, binding = 0, buffer = \"logits\", access = \"read_write\" }]",
			"bindings = []",
			Some(33),
			&["`third` binds no buffer"],
		),
		("role = \"output\"", "role = \"scratch\"", None, &["no output buffer", "role = \"output\""]),
		("name = \"digits\"", &format!("name = \"digits\"\n{many}"), None, &["more than 16 buffers"]),
	];
	for (from, to, line, expected) in cases {
		assert!(PROGRAM.contains(from), "{from}");
		let error = load(&dir, &PROGRAM.replacen(from, to, 1)).expect_err(to);
		let shown = error.to_string();
		for word in *expected {
			assert!(shown.contains(word), "{to}: `{word}` is not in: {shown}");
		}
		if line.is_some() {
			assert_eq!(error.line, *line, "{shown}");
		}
	}
}

#[test]
fn output_should_be_refused_when_no_stage_writes_it() {
	let dir = dir();
	let text = PROGRAM
		.replace("buffer = \"logits\", access = \"read_write\"", "buffer = \"logits\", access = \"read\"");
	let error = load(&dir, &text).unwrap_err();
	assert!(error.message.contains("no stage writes output `logits`"), "{error}");
	assert_eq!(error.line, Some(14));
}

#[test]
fn program_should_be_refused_when_it_has_no_stage() {
	let dir = dir();
	let text = &PROGRAM[..PROGRAM.find("[[stages]]").unwrap()];
	let error = load(&dir, text).unwrap_err();
	assert!(error.to_string().contains("[[stages]]"), "{error}");
}

#[test]
fn program_should_be_refused_when_its_wgsl_is_too_long_or_not_text() {
	let dir = dir();
	std::fs::write(dir.path().join("mlp.wgsl"), "/".repeat(1 << 20)).unwrap();
	let error = load(&dir, PROGRAM).unwrap_err();
	assert!(error.message.contains("more than the 1048576 allowed"), "{error}");
	std::fs::write(dir.path().join("mlp.wgsl"), [0xff, 0xfe]).unwrap();
	let error = load(&dir, PROGRAM).unwrap_err();
	assert!(error.message.contains("mlp.wgsl cannot be read"), "{error}");
}

#[test]
fn manifest_should_say_how_to_get_one_when_there_is_none() {
	let error = ProgramSource::load(Path::new("/nonexistent/program.toml")).unwrap_err();
	assert!(error.to_string().contains("tessera program init"), "{error}");
}
