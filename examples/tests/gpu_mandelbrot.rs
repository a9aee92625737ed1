// SPDX-License-Identifier: Apache-2.0

//! `mandelbrot/mandelbrot.wgsl` on wgpu against its twin, bit for bit.

mod common;

use common::{Buffer, job, noise, program, run, run_job};
use tessera_examples::{
	mandelbrot::{Tile, escape},
	picture::Picture,
};

/// A tile on the GPU; `pixels` is the length of the output.
fn gpu(tile: &Tile, pixels: usize, workgroups: [u32; 2]) -> Vec<u32> {
	let buffers = [Buffer::Words(&tile.words()), Buffer::Zero(pixels)];
	let outputs = run(&program("mandelbrot"), &buffers, &[[workgroups[0], workgroups[1], 1]]).unwrap();
	let [iterations] = outputs.try_into().expect("one output buffer");
	iterations
}

/// The same on the CPU.
fn cpu(tile: &Tile, pixels: usize, workgroups: [u32; 2]) -> Vec<u32> {
	let mut iterations = vec![0; pixels];
	escape(workgroups, tile, &mut iterations);
	iterations
}

#[test]
fn mandelbrot_should_equal_the_twin_when_the_committed_job_runs() {
	let (package, job) = job("mandelbrot");
	assert_eq!(job.outputs.len(), 1);
	assert_eq!(job.outputs[0].name, "iterations");
	let picture = Picture::new((-0.75, 0.0), 3.0, 768, 576, 12, 500).unwrap();
	let tasks = run_job(&package, &job);
	assert_eq!(tasks.len(), picture.tiles().len());
	let mut inside = 0;
	for (index, (outputs, tile)) in tasks.iter().zip(picture.tiles()).enumerate() {
		assert!(outputs[0] == picture.reference(tile), "tile {index}");
		inside += outputs[0].iter().filter(|n| **n == 500).count();
	}
	let percent = 100.0 * inside as f64 / (768.0 * 576.0);
	assert!((22.43..22.45).contains(&percent), "the README says 22.44 %: {percent}");
}

#[test]
fn mandelbrot_should_equal_the_twin_when_the_picture_is_at_the_limit_of_precision() {
	// A span of 96 * 2^-28 at the edge of the set.
	let picture = Picture::new((-0.743_643_9, 0.131_825_9), 96.0 / 268_435_456.0, 96, 64, 1, 3000).unwrap();
	let tile = picture.tiles()[0];
	assert_eq!(tile.step, 1);
	let reference = picture.reference(&tile);
	assert!(reference.iter().min() < reference.iter().max(), "the tile should not be flat");
	assert_eq!(gpu(&tile, reference.len(), picture.workgroups()), reference);
}

#[test]
fn mandelbrot_should_equal_the_twin_when_tiles_are_noise() {
	let mut words = noise(7);
	let mut word = || words.next().unwrap();
	for round in 0..16 {
		// Steps of any sign and size: coordinates wrap around the whole range.
		let shift = word() % 30;
		let tile = Tile {
			left: word() as i32,
			top: word() as i32,
			step: word() as i32 >> shift,
			width: 1 + word() % 200,
			max_iterations: word() % 300,
		};
		// Not a whole number of rows, and a dispatch that may be too small or too large.
		let pixels = 1 + (word() % 5000) as usize;
		let workgroups = [1 + word() % 4, 1 + word() % 40];
		assert_eq!(gpu(&tile, pixels, workgroups), cpu(&tile, pixels, workgroups), "round {round}: {tile:?}");
	}
}

#[test]
fn mandelbrot_should_do_nothing_when_the_width_or_the_limit_is_zero() {
	let tile = Tile { left: 1 << 29, top: 0, step: 1 << 20, width: 64, max_iterations: 50 };
	assert_eq!(gpu(&tile, 64, [1, 1])[..2], [2, 1], "otherwise the points escape");
	assert_eq!(gpu(&Tile { width: 0, ..tile }, 64, [1, 1]), [0; 64]);
	assert_eq!(gpu(&Tile { max_iterations: 0, ..tile }, 64, [1, 1]), [0; 64]);
	assert_eq!(gpu(&Tile { width: u32::MAX, ..tile }, 64, [1, 1]), [0; 64], "no whole row fits");
}
