// SPDX-License-Identifier: Apache-2.0

//! The examples' manifests hold what the code and the data say.

use std::{fs, path::Path};

use tessera_examples::digits::{CLASSES, LABELS, ROW};
use toml::{Table, Value};

fn manifest(name: &str) -> Table {
	let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
	fs::read_to_string(&file).unwrap().parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn digits_job_should_fit_the_unseen_images_when_cut_into_tasks() {
	let job = manifest("digits/job.toml");
	let tasks = job["job"]["tasks"].as_integer().unwrap() as usize;
	assert_eq!(LABELS.len() % tasks, 0, "no padding");
	let images = LABELS.len() / tasks;
	let bytes = |buffer: &str| job["buffers"][buffer]["bytes"].as_integer().unwrap() as usize;
	assert_eq!(bytes("activations"), images * ROW * 4);
	assert_eq!(bytes("classes"), images * 4);
	assert_eq!(bytes("logits"), images * CLASSES * 4);
	let dispatch = Value::from(vec![Value::from(images as i64), 1.into(), 1.into()]);
	assert_eq!(job["stages"]["hidden"]["dispatch"], dispatch);
	assert_eq!(job["stages"]["output"]["dispatch"], dispatch);
}
