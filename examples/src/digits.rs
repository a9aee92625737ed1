// SPDX-License-Identifier: Apache-2.0

//! The digits network on the CPU: the twins of `digits/mlp.wgsl`, and the data that the example ships.
//!
//! `digits/train.py` describes the files and made them.

/// Words of an image, of a neuron's weights and of an image's activations: four bytes each, the lowest first.
pub const ROW: usize = 16;
/// Hidden neurons.
pub const NEURONS: usize = 64;
/// Digits.
pub const CLASSES: usize = 10;

const HIDDEN: usize = 0;
const HIDDEN_BIAS: usize = HIDDEN + NEURONS * ROW;
const OUTPUT: usize = HIDDEN_BIAS + NEURONS;
const OUTPUT_BIAS: usize = OUTPUT + CLASSES * ROW;
const MULTIPLIER: usize = OUTPUT_BIAS + CLASSES;
const SHIFT: usize = MULTIPLIER + 1;
/// Words of the weights.
pub const WEIGHTS: usize = SHIFT + 1;

/// The buffer `weights`.
pub type Weights = [u32; WEIGHTS];

static WEIGHTS_BIN: &[u8; 4 * WEIGHTS] = include_bytes!("../digits/weights.bin");
static IMAGES_BIN: &[u8; 64 * LABELS.len()] = include_bytes!("../digits/images.bin");
/// The true digits of the unseen images, in the order of the tasks.
pub static LABELS: &[u8; 600] = include_bytes!("../digits/labels.bin");

/// The committed weights.
pub fn weights() -> Weights {
	let mut words = [0; WEIGHTS];
	for (word, bytes) in words.iter_mut().zip(WEIGHTS_BIN.as_chunks().0) {
		*word = u32::from_le_bytes(*bytes);
	}
	words
}

/// The unseen images, [`ROW`] words each, in the order of the tasks.
pub fn images() -> Vec<u32> {
	IMAGES_BIN.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

/// Twin of `dot4I8Packed`.
fn dot4_i8_packed(a: u32, b: u32) -> i32 {
	a.to_le_bytes()
		.into_iter()
		.zip(b.to_le_bytes())
		.map(|(a, b)| i32::from(a as i8) * i32::from(b as i8))
		.sum()
}

fn dot(row: &[u32], weights: &[u32], bias: u32) -> i32 {
	row.iter().zip(weights).fold(bias as i32, |sum, (a, b)| sum.wrapping_add(dot4_i8_packed(*a, *b)))
}

/// Twin of the entry point `hidden`: ReLU and requantisation of the first layer.
///
/// `images` and `activations` hold [`ROW`] words per image; workgroups beyond either do nothing.
pub fn hidden(workgroups: u32, images: &[u32], weights: &Weights, activations: &mut [u32]) {
	let multiplier = weights[MULTIPLIER] as i32;
	let shift = weights[SHIFT] & 31;
	let half = 1i32.wrapping_shl(shift) >> 1;
	let rows = images.as_chunks::<ROW>().0.iter().zip(activations.as_chunks_mut::<ROW>().0);
	for (image, activations) in rows.take(workgroups as usize) {
		for (word, activation) in activations.iter_mut().enumerate() {
			*activation = u32::from_le_bytes(std::array::from_fn(|byte| {
				let neuron = 4 * word + byte;
				let row = &weights[HIDDEN + neuron * ROW..][..ROW];
				let sum = dot(image, row, weights[HIDDEN_BIAS + neuron]).max(0);
				(sum.wrapping_mul(multiplier).wrapping_add(half) >> shift).clamp(0, 127) as u8
			}));
		}
	}
}

/// Twin of the entry point `output`: the logits and the class of each image.
///
/// `activations` holds [`ROW`] words per image, `classes` one, `logits` [`CLASSES`]; workgroups beyond any of them do
/// nothing. Of equal logits the lowest class wins.
pub fn output(
	workgroups: u32,
	weights: &Weights,
	activations: &[u32],
	classes: &mut [u32],
	logits: &mut [i32],
) {
	let rows = activations.as_chunks::<ROW>().0.iter().zip(classes).zip(logits.as_chunks_mut::<CLASSES>().0);
	for ((activations, class), logits) in rows.take(workgroups as usize) {
		let mut best = 0;
		for c in 0..CLASSES {
			logits[c] = dot(activations, &weights[OUTPUT + c * ROW..][..ROW], weights[OUTPUT_BIAS + c]);
			if logits[c] > logits[best] {
				best = c;
			}
		}
		*class = best as u32;
	}
}

/// The output buffers of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
	/// One digit per image.
	pub classes: Vec<u32>,
	/// [`CLASSES`] per image.
	pub logits: Vec<i32>,
}

/// Runs both stages with one workgroup per image. `images` holds [`ROW`] words per image.
pub fn classify(images: &[u32], weights: &Weights) -> Answers {
	let count = images.len() / ROW;
	let mut activations = vec![0; count * ROW];
	let mut answers = Answers { classes: vec![0; count], logits: vec![0; count * CLASSES] };
	hidden(count as u32, images, weights, &mut activations);
	output(count as u32, weights, &activations, &mut answers.classes, &mut answers.logits);
	answers
}

#[cfg(test)]
mod tests {
	use super::*;

	fn training_report() -> serde_json::Value {
		serde_json::from_str(include_str!("../digits/training.json")).expect("training.json is JSON")
	}

	#[test]
	fn twin_should_reach_the_stated_accuracy_when_given_the_unseen_images() {
		let answers = classify(&images(), &weights());
		let right =
			answers.classes.iter().zip(LABELS).filter(|(class, label)| **class == u32::from(**label)).count();
		let stated = &training_report()["quantised"]["unseen"];
		assert_eq!((right as u64, 600), (stated["right"].as_u64().unwrap(), stated["of"].as_u64().unwrap()));
		assert!(right >= 576, "{right} of 600 are below 96 %");
	}

	#[test]
	fn split_should_keep_the_unseen_images_apart_when_training() {
		let split: serde_json::Value = serde_json::from_str(include_str!("../digits/split.json")).unwrap();
		let rows = |part: &str| -> Vec<u64> {
			split[part].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect()
		};
		let (unseen, training) = (rows("unseen"), rows("training"));
		assert_eq!(unseen.len(), LABELS.len());
		let all: std::collections::BTreeSet<u64> = unseen.into_iter().chain(training).collect();
		assert!(all.into_iter().eq(0..1797));
	}

	#[test]
	fn data_should_be_in_range_when_shipped() {
		assert!(LABELS.iter().all(|label| *label < 10));
		assert!(IMAGES_BIN.iter().all(|pixel| *pixel <= 16));
		assert!((1..32).contains(&weights()[SHIFT]));
	}

	#[test]
	fn dot_should_sign_extend_when_bytes_are_negative() {
		assert_eq!(dot4_i8_packed(0x80ff_7f01, 0x7f01_7f80), -128 * 127 - 1 + 127 * 127 - 128);
	}

	/// All weights zero but what the caller sets.
	fn blank() -> Weights {
		[0; WEIGHTS]
	}

	#[test]
	fn hidden_should_clip_both_ways_when_sums_leave_the_range() {
		let mut weights = blank();
		weights[MULTIPLIER] = 3;
		weights[SHIFT] = 1;
		weights[HIDDEN_BIAS] = -5i32 as u32;
		weights[HIDDEN_BIAS + 1] = 5; // 15 / 2, rounded half up
		weights[HIDDEN_BIAS + 2] = 84; // 126
		weights[HIDDEN_BIAS + 3] = 1000;
		let mut activations = [0; ROW];
		hidden(1, &[0; ROW], &weights, &mut activations);
		assert_eq!(activations[0].to_le_bytes(), [0, 8, 126, 127]);
		assert_eq!(activations[1..], [0; ROW - 1]);
	}

	#[test]
	fn hidden_should_read_pixels_from_the_lowest_byte_when_weights_are_packed() {
		let mut weights = blank();
		weights[MULTIPLIER] = 2;
		weights[SHIFT] = 1;
		// Neuron 4 looks at pixel 5 only: word 1, second byte.
		weights[HIDDEN + 4 * ROW + 1] = 7 << 8;
		let mut image = [0; ROW];
		image[1] = u32::from_le_bytes([1, 2, 3, 4]);
		let mut activations = [0; ROW];
		hidden(1, &image, &weights, &mut activations);
		assert_eq!(activations[1], 14);
	}

	#[test]
	fn output_should_name_the_lowest_class_when_logits_are_equal() {
		let mut weights = blank();
		weights[OUTPUT_BIAS..][..CLASSES]
			.copy_from_slice(&[-3i32, 4, 9, 9, 0, 9, 1, 2, 3, -9].map(|b| b as u32));
		let (mut classes, mut logits) = ([0], [0; CLASSES]);
		output(1, &weights, &[0; ROW], &mut classes, &mut logits);
		assert_eq!(classes, [2]);
		assert_eq!(logits, [-3, 4, 9, 9, 0, 9, 1, 2, 3, -9]);
	}

	#[test]
	fn stages_should_leave_the_rest_alone_when_there_are_fewer_workgroups_than_images() {
		let (images, weights) = (images(), weights());
		let whole = classify(&images[..3 * ROW], &weights);
		let mut activations = [0; 3 * ROW];
		hidden(2, &images, &weights, &mut activations);
		assert_eq!(activations[2 * ROW..], [0; ROW]);
		let (mut classes, mut logits) = ([99; 3], [99; 3 * CLASSES]);
		output(2, &weights, &activations, &mut classes, &mut logits);
		assert_eq!(classes[..2], whole.classes[..2]);
		assert_eq!((classes[2], &logits[2 * CLASSES..]), (99, &[99; CLASSES][..]));
		// And more workgroups than images are no harm.
		output(100, &weights, &activations, &mut classes, &mut logits);
	}
}
