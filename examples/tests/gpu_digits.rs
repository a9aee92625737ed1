// SPDX-License-Identifier: Apache-2.0

//! `digits/mlp.wgsl` on wgpu against its twin, bit for bit.

mod common;

use common::{Buffer, job, noise, program, run, run_job};
use tessera_examples::{
	digits::{self, Answers, CLASSES, ROW, WEIGHTS, Weights},
	report::Report,
};
use tessera_worker::{admission::AdmissionError, exec::ExecError};

/// The output buffers of a task.
fn answers(outputs: Vec<Vec<u32>>) -> Answers {
	let [classes, logits] = outputs.try_into().expect("two output buffers");
	Answers { classes, logits: logits.into_iter().map(|logit| logit as i32).collect() }
}

/// Both stages on the GPU, with buffers for `count` images.
fn gpu(images: &[u32], weights: &[u32], count: usize, workgroups: u32) -> Result<Answers, ExecError> {
	let buffers = [
		Buffer::Words(images),
		Buffer::Words(weights),
		Buffer::Zero(count * ROW),
		Buffer::Zero(count),
		Buffer::Zero(count * CLASSES),
	];
	run(&program("digits"), &buffers, &[[workgroups, 1, 1]; 2]).map(answers)
}

#[test]
fn digits_should_equal_the_twin_when_the_committed_job_runs() {
	let (package, job) = job("digits");
	let names: Vec<&str> = job.outputs.iter().map(|output| &*output.name).collect();
	assert_eq!(names, ["classes", "logits"]);
	let tasks: Vec<Answers> = run_job(&package, &job).into_iter().map(answers).collect();
	assert_eq!(tasks.len(), 12);
	let report = Report::new(&tasks).unwrap();
	assert!(report.differing_tasks.is_empty(), "{report}");
	assert!(report.accuracy() >= 0.96, "{report}");
}

#[test]
fn digits_should_equal_the_twin_when_images_and_weights_are_noise() {
	for seed in 1..=4 {
		let mut words = noise(seed);
		// Bytes of any sign, sums that wrap, requantisation that clips at both ends, shifts beyond 31.
		let weights: Weights = std::array::from_fn(|_| words.next().unwrap());
		let images: Vec<u32> = words.take(33 * ROW).collect();
		assert_eq!(
			gpu(&images, &weights, 33, 33).unwrap(),
			digits::classify(&images, &weights),
			"seed {seed}"
		);
	}
}

#[test]
fn digits_should_equal_the_twin_when_images_are_extreme() {
	let weights = digits::weights();
	let mut images = [[0; ROW], [0x1010_1010; ROW], [0x7f7f_7f7f; ROW], [0x8080_8080; ROW]].concat();
	// One full pixel at a time.
	for pixel in 0..4 * ROW {
		let mut image = [0; ROW];
		image[pixel / 4] = 16 << (8 * (pixel % 4));
		images.extend(image);
	}
	let count = images.len() / ROW;
	assert_eq!(gpu(&images, &weights, count, count as u32).unwrap(), digits::classify(&images, &weights));
}

#[test]
fn digits_should_name_the_lowest_class_when_all_logits_are_equal() {
	let answers = gpu(&[0; 2 * ROW], &[0; WEIGHTS], 2, 2).unwrap();
	assert_eq!(answers, Answers { classes: vec![0; 2], logits: vec![0; 2 * CLASSES] });
}

#[test]
fn digits_should_leave_the_rest_zero_when_the_dispatch_or_a_buffer_is_short() {
	let (images, weights) = (digits::images(), digits::weights());
	let whole = digits::classify(&images[..8 * ROW], &weights);
	let expected = |count: usize, classes: usize| {
		let mut answers = Answers { classes: vec![0; classes], logits: vec![0; classes * CLASSES] };
		answers.classes[..count].copy_from_slice(&whole.classes[..count]);
		answers.logits[..count * CLASSES].copy_from_slice(&whole.logits[..count * CLASSES]);
		answers
	};
	// Three workgroups for eight images; then ten for eight; then ten for five places.
	assert_eq!(gpu(&images[..8 * ROW], &weights, 8, 3).unwrap(), expected(3, 8));
	assert_eq!(gpu(&images[..8 * ROW], &weights, 8, 10).unwrap(), expected(8, 8));
	assert_eq!(gpu(&images[..8 * ROW], &weights, 5, 10).unwrap(), expected(5, 5));

	// Logits for five images only: nothing of the others may be written, in whichever buffer.
	let buffers = [
		Buffer::Words(&images[..8 * ROW]),
		Buffer::Words(&weights),
		Buffer::Zero(8 * ROW),
		Buffer::Zero(8),
		Buffer::Zero(5 * CLASSES),
	];
	let short = answers(run(&program("digits"), &buffers, &[[8, 1, 1]; 2]).unwrap());
	assert_eq!(short.classes, expected(5, 8).classes);
	assert_eq!(short.logits, whole.logits[..5 * CLASSES]);
}

#[test]
fn digits_should_be_refused_when_weights_are_missing() {
	let error = gpu(&[0; ROW], &[0; WEIGHTS - 1], 1, 1).unwrap_err();
	assert!(
		matches!(&error, ExecError::Rejected(AdmissionError::BufferTooShort { buffer, .. }) if buffer == "weights"),
		"{error}"
	);
}
