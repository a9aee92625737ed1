// SPDX-License-Identifier: Apache-2.0

//! The two commands on folders as `tessera job fetch` writes them.

use std::{
	fs,
	path::Path,
	process::{Command, Output},
};

use tessera_examples::{
	digits::{self, ROW},
	picture::Picture,
};

fn write_words(file: &Path, words: impl IntoIterator<Item = u32>) {
	fs::create_dir_all(file.parent().unwrap()).unwrap();
	fs::write(file, words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
}

fn text(bytes: &[u8]) -> &str {
	std::str::from_utf8(bytes).unwrap()
}

/// What the digits job brings when every provider is honest.
fn digits_outputs() -> tempfile::TempDir {
	let folder = tempfile::tempdir().unwrap();
	for (task, images) in digits::images().chunks(50 * ROW).enumerate() {
		let answers = digits::classify(images, &digits::weights());
		let task = folder.path().join(task.to_string());
		write_words(&task.join("classes.bin"), answers.classes);
		write_words(&task.join("logits.bin"), answers.logits.into_iter().map(|logit| logit as u32));
	}
	folder
}

fn report(folder: &Path, flags: &[&str]) -> Output {
	let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-digits"));
	command.args(["report", "--outputs"]).arg(folder).args(flags).output().unwrap()
}

#[test]
fn report_should_succeed_when_the_answers_are_right() {
	let folder = digits_outputs();
	let output = report(folder.path(), &[]);
	assert_eq!(output.status.code(), Some(0), "{output:?}");
	// The README shows what the command prints.
	let readme = include_str!("../digits/README.md");
	assert!(readme.contains(text(&output.stdout)), "{}", text(&output.stdout));

	let output = report(folder.path(), &["--json"]);
	let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!((&json["right"], &json["images"]), (&587.into(), &600.into()));
	assert_eq!(json["differing_tasks"], serde_json::json!([]));
}

#[test]
fn report_should_exit_with_3_when_an_answer_is_wrong() {
	let folder = digits_outputs();
	write_words(&folder.path().join("4/classes.bin"), [0; 50]);
	let output = report(folder.path(), &[]);
	assert_eq!(output.status.code(), Some(3), "{output:?}");
	assert!(text(&output.stdout).contains("1 of 12 tasks differ from the CPU reference: 4"));
	assert_eq!(report(folder.path(), &["--json"]).status.code(), Some(3));
}

#[test]
fn report_should_exit_with_1_when_a_file_is_missing() {
	let folder = digits_outputs();
	fs::remove_file(folder.path().join("7/logits.bin")).unwrap();
	let output = report(folder.path(), &[]);
	assert_eq!(output.status.code(), Some(1));
	let error = text(&output.stderr);
	assert!(
		error.starts_with("error: cannot read ") && error.contains("7/logits.bin: fetch again"),
		"{error}"
	);
	assert_eq!(error.lines().count(), 1, "no backtrace for a mistake in the input: {error}");
}

const SMALL: [&str; 8] = ["--width", "96", "--height", "72", "--tiles", "6", "--max-iterations", "60"];

fn mandelbrot_outputs() -> tempfile::TempDir {
	let folder = tempfile::tempdir().unwrap();
	let picture = Picture::new((-0.75, 0.0), 3.0, 96, 72, 6, 60).unwrap();
	for (index, tile) in picture.tiles().iter().enumerate() {
		write_words(&folder.path().join(format!("{index}/iterations.bin")), picture.reference(tile));
	}
	folder
}

fn render(folder: &Path, flags: &[&str]) -> Output {
	let mut command = Command::new(env!("CARGO_BIN_EXE_tessera-mandelbrot"));
	command.args(["render", "--outputs"]).arg(folder).arg("--png").arg(folder.join("picture.png"));
	command.args(flags).output().unwrap()
}

#[test]
fn render_should_write_the_picture_when_all_tiles_are_there() {
	let folder = mandelbrot_outputs();
	let output = render(folder.path(), &SMALL);
	assert_eq!(output.status.code(), Some(0), "{output:?}");
	assert!(text(&output.stdout).contains("96 x 72 pixels from 6 tiles"));
	assert!(text(&output.stdout).contains("All 6 tiles agree with the CPU reference to the last bit."));
	let file = fs::File::open(folder.path().join("picture.png")).unwrap();
	let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
	assert_eq!((reader.info().width, reader.info().height), (96, 72));
}

#[test]
fn render_should_exit_with_3_when_a_count_is_wrong() {
	let folder = mandelbrot_outputs();
	write_words(&folder.path().join("2/iterations.bin"), vec![5; 96 * 12]);
	let output = render(folder.path(), &SMALL);
	assert_eq!(output.status.code(), Some(3), "{output:?}");
	assert!(text(&output.stdout).contains("1 of 6 tiles differ from the CPU reference: 2"));
}

#[test]
fn render_should_exit_with_1_when_the_picture_is_another() {
	let folder = mandelbrot_outputs();
	let output = render(folder.path(), &[]);
	assert_eq!(output.status.code(), Some(1));
	assert!(text(&output.stderr).contains("holds 6 tiles, but the picture has 12"), "{output:?}");
	assert!(!folder.path().join("picture.png").exists());
}

#[test]
fn plan_should_print_the_committed_tables_when_given_no_flags() {
	let output = Command::new(env!("CARGO_BIN_EXE_tessera-mandelbrot")).arg("plan").output().unwrap();
	assert_eq!(output.status.code(), Some(0));
	let plan: toml::Table = text(&output.stdout).parse().unwrap();
	let job: toml::Table = include_str!("../mandelbrot/job.toml").parse().unwrap();
	for part in ["job", "buffers", "stages"] {
		assert_eq!(job[part], plan[part], "{part}");
	}
}
