// SPDX-License-Identifier: Apache-2.0

// An int8 multi-layer perceptron, 64 pixels -> 64 hidden neurons -> 10 classes. Both stages run one workgroup per
// image. Integer arithmetic only: every device gives the same bytes. train.py proves that no image with pixels from
// 0 to 16 can overflow an i32 here.

requires packed_4x8_integer_dot_product;

// An image is 16 words, each with four pixels, the first in the lowest byte. So are a neuron's weights and the
// activations of an image's 64 hidden neurons.
const ROW: u32 = 16u;
const NEURONS: u32 = 64u;
const CLASSES: u32 = 10u;

// Where the parts of the weights begin, in words.
const HIDDEN: u32 = 0u;
const HIDDEN_BIAS: u32 = HIDDEN + NEURONS * ROW;
const OUTPUT: u32 = HIDDEN_BIAS + NEURONS;
const OUTPUT_BIAS: u32 = OUTPUT + CLASSES * ROW;
const MULTIPLIER: u32 = OUTPUT_BIAS + CLASSES;
const SHIFT: u32 = MULTIPLIER + 1u;
const WEIGHTS: u32 = SHIFT + 1u;

@group(0) @binding(0) var<storage, read> images: array<u32>;
// The length is part of the type, so that a job with too few weights is refused instead of computing with others.
@group(0) @binding(1) var<storage, read> weights: array<u32, WEIGHTS>;
@group(0) @binding(2) var<storage, read_write> activations: array<u32>;
@group(0) @binding(3) var<storage, read> hidden_activations: array<u32>;
@group(0) @binding(4) var<storage, read_write> classes: array<u32>;
@group(0) @binding(5) var<storage, read_write> logits: array<i32>;

var<workgroup> scores: array<i32, CLASSES>;

// The activation of one hidden neuron: ReLU, then from sums back to 0..127 by a fixed-point factor.
fn activation(image: u32, neuron: u32) -> u32 {
	var sum = bitcast<i32>(weights[HIDDEN_BIAS + neuron]);
	for (var i = 0u; i < ROW; i++) {
		sum += dot4I8Packed(images[image * ROW + i], weights[HIDDEN + neuron * ROW + i]);
	}
	let multiplier = bitcast<i32>(weights[MULTIPLIER]);
	let shift = weights[SHIFT] & 31u;
	let half = (1i << shift) >> 1u;
	return u32(clamp((max(sum, 0) * multiplier + half) >> shift, 0, 127));
}

// One invocation makes one word: the activations of four neurons.
@compute @workgroup_size(16)
fn hidden(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
	let image = workgroup.x;
	if image >= min(arrayLength(&images), arrayLength(&activations)) / ROW {
		return;
	}
	var word = 0u;
	for (var i = 0u; i < 4u; i++) {
		word |= activation(image, local.x * 4u + i) << (8u * i);
	}
	activations[image * ROW + local.x] = word;
}

// One invocation makes one logit; the first then looks for the largest. Of equal ones the lowest class wins.
@compute @workgroup_size(10)
fn output(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
	let image = workgroup.x;
	let count = min(arrayLength(&hidden_activations) / ROW, min(arrayLength(&classes), arrayLength(&logits) / CLASSES));
	if image >= count {
		return;
	}
	var sum = bitcast<i32>(weights[OUTPUT_BIAS + local.x]);
	for (var i = 0u; i < ROW; i++) {
		sum += dot4I8Packed(hidden_activations[image * ROW + i], weights[OUTPUT + local.x * ROW + i]);
	}
	logits[image * CLASSES + local.x] = sum;
	scores[local.x] = sum;
	workgroupBarrier();
	if local.x == 0u {
		var best = 0u;
		for (var c = 1u; c < CLASSES; c++) {
			if scores[c] > scores[best] {
				best = c;
			}
		}
		classes[image] = best;
	}
}
