// SPDX-License-Identifier: Apache-2.0

//! Writing, packing and checking programs.

mod common;

use std::fs;

use common::{Place, documented, fails, json, stdout};
use serde_json::json;

#[test]
fn example_should_be_admissible() {
	let place = Place::with_examples();
	let text = stdout(&place.run(["program", "check"]).success());
	assert!(text.contains("admissible") && text.contains("64 x 1 x 1"), "{text}");
	let shape = json(&place.run(["--json", "program", "check", "program.toml"]).success());
	documented(&shape);
	assert_eq!(shape["name"], json!("scale"));
	assert_eq!(shape["buffers"][0], json!({ "name": "parameters", "role": "input", "kind": "uniform" }));
	assert_eq!(shape["stages"][0]["workgroup_size"], json!([64, 1, 1]));
	assert_eq!(
		shape["stages"][0]["bindings"][1],
		json!({ "group": 0, "binding": 1, "buffer": "result", "access": "read_write" })
	);
}

#[test]
fn init_should_overwrite_nothing_unless_forced() {
	let place = Place::new();
	place.write("scale.wgsl", "mine");
	fails(place.run(["program", "init"]), 3, &["scale.wgsl exists already", "--force"]);
	assert!(!place.path("program.toml").exists(), "nothing was written");
	place.run(["program", "init", "--force"]).success();
	assert_ne!(fs::read(place.path("scale.wgsl")).expect("a file"), b"mine");
	let written = json(&place.run(["--json", "program", "init", "deep/er"]).success());
	assert_eq!(written["files"], json!(["deep/er/program.toml", "deep/er/scale.wgsl"]));
}

#[test]
fn pack_should_give_the_same_bytes_and_id_every_time() {
	let place = Place::with_examples();
	let pack = |out: &str| json(&place.run(["--json", "program", "pack", "--out", out]).success());
	let (first, second) = (pack("a.package"), pack("deep/b.package"));
	documented(&first);
	assert_eq!(first["program"], second["program"]);
	let (a, b) = (fs::read(place.path("a.package")), fs::read(place.path("deep/b.package")));
	let a = a.expect("a package");
	assert_eq!(a, b.expect("a package"));
	assert_eq!(first["package_bytes"], json!(a.len()));
	assert_eq!(first["program"], json!(format!("0x{}", blake3::hash(&a).to_hex())));
	// The name is not in it, the shader is.
	place.replace("program.toml", "name = \"scale\"", "name = \"other\"");
	assert_eq!(pack("a.package")["program"], first["program"]);
	place.replace("scale.wgsl", "factor *", "1 + factor *");
	assert_ne!(pack("a.package")["program"], first["program"]);
}

#[test]
fn manifest_should_be_refused_with_its_place() {
	let refused = |from: &str, to: &str, texts: &[&str]| {
		let place = Place::with_examples();
		place.replace("program.toml", from, to);
		for command in ["check", "pack"] {
			fails(place.run(["program", command]), 3, texts);
		}
	};
	refused(
		"name = \"scale\"\n",
		"name = \"scale\"\nauthor = \"me\"\n",
		&["program.toml:5", "unknown field `author`"],
	);
	refused("role = \"output\"", "role = \"result\"", &["program.toml:", "`result`", "scratch"]);
	refused("role = \"output\"", "role = \"scratch\"", &["no output buffer"]);
	refused(
		"buffer = \"result\", access = \"read_write\"",
		"buffer = \"results\", access = \"read_write\"",
		&["`results`", "`parameters` and `result`"],
	);
	refused("access = \"read_write\" }", "access = \"read\" }", &["no stage writes output `result`"]);
	refused("scale.wgsl", "other.wgsl", &["other.wgsl cannot be read"]);
	let place = Place::new();
	fails(place.run(["program", "check"]), 3, &["program.toml", "cannot be read", "tessera program init"]);
}

#[test]
fn shader_should_be_refused_as_workers_would() {
	let refused = |from: &str, to: &str, texts: &[&str]| {
		let place = Place::with_examples();
		place.replace("scale.wgsl", from, to);
		fails(place.run(["program", "check"]), 3, texts);
		// Nothing is paid for what no worker runs: it is refused before the node is asked.
		fails(place.run(["program", "register", "--account", "//Alice"]), 3, texts);
	};
	refused("fn main(", "fn main((", &["stage `scale` does not parse", "line 14", "scale.wgsl"]);
	refused("parameters.factor *", "1.5 *", &["stage `scale` is not valid"]);
	refused("fn main(", "fn other(", &["no compute entry point `main`", "other"]);
	refused("@binding(1) var<storage, read_write>", "@binding(1) var<storage, read>", &["scale.wgsl"]);
	refused("@binding(1)", "@binding(2)", &["@binding(2)", "does not bind"]);
	refused("@workgroup_size(64)", "@workgroup_size(512)", &["512", "256"]);
}

#[test]
fn feature_should_be_allowed_only_when_it_is_asked_for() {
	let place = Place::with_examples();
	let shader = fs::read_to_string(place.path("scale.wgsl")).expect("a file");
	place.write(
		"scale.wgsl",
		format!("enable f16;\n{shader}").replace("parameters.factor *", "u32(f16(2.0)) *"),
	);
	fails(place.run(["program", "check"]), 3, &["scale"]);
	place.run(["program", "check", "--features", "shader-f16"]).success();
	fails(place.run(["program", "check", "--features", "f16"]), 2, &["`f16` is not a feature", "shader-f16"]);
}

#[test]
fn program_should_be_named_by_its_id_or_manifest() {
	let place = Place::new();
	fails(place.run(["program", "show", "0x12"]), 3, &["`0x12`", "64 hex digits", "program.toml"]);
	fails(place.run(["program", "show", "none.toml"]), 3, &["none.toml", "cannot be read"]);
}
