// SPDX-License-Identifier: Apache-2.0

//! Manifests of jobs, and jobs on the command line, as far as no chain is needed.

mod common;

use common::{Place, fails, stdout};

/// Changes the example job and checks that it is refused, whatever is to be done with it, before any node is asked.
#[track_caller]
fn refused(from: &str, to: &str, texts: &[&str]) {
	let place = Place::with_examples();
	place.replace("job.toml", from, to);
	fails(place.run(["job", "quote"]), 3, texts);
	fails(place.run(["job", "submit", "--account", "//Alice"]), 3, texts);
}

#[test]
fn example_should_be_fine_but_for_the_missing_node() {
	let place = Place::with_examples();
	fails(place.run(["job", "quote"]), 5, &["no node answers", "--url"]);
}

#[test]
fn keys_should_be_refused_when_unknown_or_missing() {
	refused("[price]", "[prices]", &["job.toml:", "unknown field `prices`"]);
	refused("ramp =", "rise =", &["job.toml:", "unknown field `rise`"]);
	refused("opening = \"10 mTESS\"", "", &["missing field `opening`"]);
	refused("tasks = 4 ", "tasks = \"four\" ", &["job.toml:", "invalid type"]);
}

#[test]
fn tasks_should_be_refused_when_there_are_none_or_too_many() {
	refused("tasks = 4 ", "tasks = 0 ", &["job.toml:", "cannot have 0 tasks", "1 to 10000"]);
	refused("tasks = 4 ", "tasks = 10001 ", &["cannot have 10001 tasks"]);
}

#[test]
fn prices_should_be_refused_when_they_make_no_sense() {
	refused(
		"ceiling = \"50 mTESS\"",
		"ceiling = \"5 mTESS\"",
		&["job.toml:", "0.005 TESS", "below the opening price"],
	);
	refused("\"50 mTESS\"", "50", &["job.toml:", "0.5 TESS"]);
	refused("\"50 mTESS\"", "\"50 dollars\"", &["`dollars` is not a unit"]);
}

#[test]
fn buffers_should_be_refused_when_missing_empty_or_odd() {
	refused("[buffers.result]\nbytes = 256", "", &["`result`", "[buffers.result]"]);
	refused("bytes = 256", "bytes = 0", &["job.toml:", "`result` is empty"]);
	refused("bytes = 256", "bytes = 255", &["not a multiple of 4", "256"]);
	refused("bytes = 256", "bytes = \"3 GiB\"", &["more than"]);
	refused("[buffers.result]", "[buffers.results]", &["no buffer `results`", "`parameters` and `result`"]);
	refused("bytes = 256", "file = \"x.bin\"", &["`result` is not an input"]);
	refused("words = [[0, 3, 0, 0],", "words = [", &["words for 3 tasks, the job has 4"]);
}

#[test]
fn inputs_should_be_refused_when_their_files_are_missing_or_do_not_fit() {
	let words = "words = [[0, 3, 0, 0], [64, 3, 0, 0], [128, 3, 0, 0], [192, 3, 0, 0]]";
	refused(words, "file = \"none.bin\"", &["none.bin cannot be read", "relative to the job's manifest"]);
	let place = Place::with_examples();
	place.write("in.bin", [0; 60]);
	place.replace("job.toml", words, "split = \"in.bin\"");
	fails(place.run(["job", "quote"]), 3, &["in.bin has 60 bytes", "48 or 64"]);
	// A uniform of 4 bytes is less than the shader's variable.
	place.write("in.bin", [0; 16]);
	fails(place.run(["job", "quote"]), 3, &["`parameters`", "16"]);
}

#[test]
fn dispatches_should_be_refused_when_beyond_the_limits() {
	refused("dispatch = [1, 1, 1]", "dispatch = [0, 1, 1]", &["job.toml:", "stage `scale`", "65535"]);
	refused("dispatch = [1, 1, 1]", "dispatch = [65536, 1, 1]", &["65535"]);
	refused("dispatch = [1, 1, 1]", "dispatch = [65535, 65535, 1]", &["product"]);
	refused("[stages.scale]", "[stages.other]", &["no stage `other`"]);
}

#[test]
fn requirements_should_be_refused_when_unknown() {
	refused("# regions = [\"DE\", \"FR\"]", "regions = [\"XX\"]", &["`XX` is not a region", "ISO 3166"]);
	refused("# class = \"n1\"", "class = \"h100\"", &["`h100` is not an adapter class", "`llvmpipe`"]);
	refused(
		"# features = [\"shader-f16\"]",
		"features = [\"f16\"]",
		&["`f16` is not a feature", "`shader-f16`"],
	);
}

#[test]
fn shader_should_be_checked_before_anything_is_paid() {
	let place = Place::with_examples();
	place.replace("scale.wgsl", "fn main(", "fn main((");
	let texts = ["does not parse", "line 14", "scale.wgsl"];
	fails(place.run(["job", "quote"]), 3, &texts);
	fails(place.run(["job", "submit", "--account", "//Alice"]), 3, &texts);
}

#[test]
fn package_should_be_needed_when_the_program_is_named_by_its_id() {
	let place = Place::with_examples();
	let packed = stdout(&place.run(["program", "pack", "--out", "scale.package"]).success());
	let id = packed.lines().find_map(|line| line.strip_prefix("program")).expect("an id").trim().to_owned();
	fails(place.run(["job", "quote", "--package", "scale.package"]), 2, &["--package", "by its id"]);
	place.replace("job.toml", "path = \"program.toml\"", &format!("id = \"{id}\""));
	fails(place.run(["job", "quote"]), 3, &[&id, "is not here", "--package"]);
	// Found, so that only the node is missing.
	fails(place.run(["job", "quote", "--package", "scale.package"]), 5, &["no node answers"]);
	place.write("scale.package", b"rubbish");
	fails(
		place.run(["job", "quote", "--package", "scale.package"]),
		3,
		&["scale.package", "not a program package"],
	);
	place.replace("scale.wgsl", "factor *", "1 + factor *");
	place.run(["program", "pack", "--out", "scale.package"]).success();
	fails(
		place.run(["job", "quote", "--package", "scale.package"]),
		3,
		&["it is the package of program 0x", &id],
	);
}

#[test]
fn job_should_be_refused_when_its_id_is_none() {
	let place = Place::new();
	for (command, id) in [("show", "0x12"), ("watch", "nothex"), ("fetch", "12345")] {
		fails(place.run(["job", command, id]), 3, &[id, "first 6 or more"]);
	}
	// Whose job it is, the node knows.
	fails(place.run(["job", "show", "123456"]), 5, &["no node answers"]);
}

#[test]
fn submitting_should_need_an_account() {
	let place = Place::with_examples();
	fails(place.run(["job", "submit"]), 2, &["no account is named", "--account"]);
	assert!(!place.path("data/serve").exists(), "nothing was stored");
}
