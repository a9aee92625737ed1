// SPDX-License-Identifier: Apache-2.0

//! A picture of the Mandelbrot set: how it is cut into tasks, and how their outputs become pixels.

use std::{fmt::Write, path::Path};

use anyhow::{Result, ensure};

use crate::{
	mandelbrot::{self, FRACTION_BITS, Tile},
	outputs,
};

/// Workgroups that a dispatch may have in each direction.
const MAX_WORKGROUPS: u32 = 65_535;
/// Pixels that a workgroup does.
const WORKGROUP: u32 = 64;

/// A picture, cut into horizontal tiles of equal height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
	/// The tiles, from top to bottom.
	tiles: Vec<Tile>,
	/// Pixels per row.
	width: u32,
	/// Rows of a tile.
	rows: u32,
}

impl Picture {
	/// A picture of `width` by `height` pixels around a point; `span` is its width in the plane.
	///
	/// # Errors
	/// When a number is zero, the height is not a multiple of the number of tiles, a tile is too large for a
	/// dispatch, the pixels lie closer than fixed point can tell, or the picture leaves the range of -8 to 8.
	pub fn new(
		centre: (f64, f64),
		span: f64,
		width: u32,
		height: u32,
		tiles: u32,
		max_iterations: u32,
	) -> Result<Self> {
		ensure!(width > 0 && height > 0, "a picture of {width} x {height} has no pixels");
		ensure!(max_iterations > 0, "max-iterations is 0: every point would count as inside");
		ensure!(
			tiles > 0 && height.is_multiple_of(tiles),
			"{height} rows cannot be cut into {tiles} equal tiles: choose a number of tiles that divides the height"
		);
		let rows = height / tiles;
		ensure!(
			rows <= MAX_WORKGROUPS && width.div_ceil(WORKGROUP) <= MAX_WORKGROUPS,
			"a tile of {width} x {rows} pixels needs more than {MAX_WORKGROUPS} workgroups in one direction: \
			 use more tiles or a smaller picture"
		);
		ensure!(
			centre.0.abs() < 8.0 && centre.1.abs() < 8.0,
			"the centre {} {} is not in the range of -8 to 8",
			centre.0,
			centre.1
		);
		let one = f64::from(1u32 << FRACTION_BITS);
		let step = (span / f64::from(width) * one).round();
		ensure!(
			step >= 1.0 && step < one,
			"{width} pixels over a span of {span} are {} apart: fixed point can tell 2^-{FRACTION_BITS} and up to 1",
			span / f64::from(width)
		);
		// Pixels are looked at in their centres, so the outer ones are half a pixel inside.
		let step = step as i64;
		let left = (centre.0 * one).round() as i64 - step * i64::from(width - 1) / 2;
		let top = (centre.1 * one).round() as i64 + step * i64::from(height - 1) / 2;
		let corners = [left, left + step * i64::from(width - 1), top, top - step * i64::from(height - 1)];
		ensure!(
			corners.into_iter().all(|edge| i32::try_from(edge).is_ok()),
			"the picture around {} {} with a span of {span} leaves the range of -8 to 8",
			centre.0,
			centre.1
		);
		let tile = |index: u32| Tile {
			left: left as i32,
			top: (top - step * i64::from(index * rows)) as i32,
			step: step as i32,
			width,
			max_iterations,
		};
		Ok(Self { tiles: (0..tiles).map(tile).collect(), width, rows })
	}

	/// The tiles, from top to bottom: one task each.
	pub fn tiles(&self) -> &[Tile] {
		&self.tiles
	}

	/// Pixels per row, and rows.
	pub fn size(&self) -> (u32, u32) {
		(self.width, self.rows * self.tiles.len() as u32)
	}

	fn pixels_per_tile(&self) -> usize {
		self.width as usize * self.rows as usize
	}

	/// The dispatch of a task.
	pub fn workgroups(&self) -> [u32; 2] {
		[self.width.div_ceil(WORKGROUP), self.rows]
	}

	/// The tables of a job manifest that depend on the picture.
	pub fn job_tables(&self) -> String {
		let mut words = String::new();
		for tile in &self.tiles {
			let [left, top, step, width, max_iterations] = tile.words();
			writeln!(words, "\t[0x{left:08x}, 0x{top:08x}, 0x{step:08x}, {width}, {max_iterations}],")
				.expect("writing to a String does not fail");
		}
		let [columns, rows] = self.workgroups();
		format!(
			"[job]\ntasks = {}\n\n[buffers.tile]\nwords = [\n{words}]\n\n[buffers.iterations]\nbytes = {}\n\n\
			 [stages.escape]\ndispatch = [{columns}, {rows}, 1]\n",
			self.tiles.len(),
			4 * self.pixels_per_tile()
		)
	}

	/// Reads the fetched outputs: the counts of every tile.
	///
	/// # Errors
	/// When a file is missing or has the wrong length, or there are more or fewer tiles than the picture has.
	pub fn read(&self, folder: &Path) -> Result<Vec<Vec<u32>>> {
		let tiles = outputs::read(folder, "iterations")?;
		ensure!(
			tiles.len() == self.tiles.len(),
			"{} holds {} tiles, but the picture has {}: fetch the outputs of all tasks, \
			 and describe the picture as the job did",
			folder.display(),
			tiles.len(),
			self.tiles.len()
		);
		for (index, tile) in tiles.iter().enumerate() {
			ensure!(
				tile.len() == self.pixels_per_tile(),
				"tile {index} has {} counts, but {} x {} pixels: describe the picture as the job did",
				tile.len(),
				self.width,
				self.rows
			);
		}
		Ok(tiles)
	}

	/// What a tile has to be, by the CPU.
	pub fn reference(&self, tile: &Tile) -> Vec<u32> {
		let mut iterations = vec![0; self.pixels_per_tile()];
		mandelbrot::escape(self.workgroups(), tile, &mut iterations);
		iterations
	}
}

/// Colours of a gradient that is run through again and again; the last leads back to the first.
const GRADIENT: [[f64; 3]; 6] = [
	[4.0, 8.0, 54.0],
	[24.0, 82.0, 177.0],
	[134.0, 200.0, 236.0],
	[245.0, 245.0, 220.0],
	[250.0, 170.0, 40.0],
	[110.0, 20.0, 30.0],
];

/// The colour of an escape time. Points that never escape are black.
///
/// The gradient is stretched with the logarithm: far from the set counts change slowly, near to it they explode.
pub fn colour(iterations: u32, max_iterations: u32) -> [u8; 3] {
	if iterations >= max_iterations {
		return [0; 3];
	}
	let position = (1.2 * f64::from(iterations).ln_1p() - 0.8).max(0.0);
	let from = position as usize % GRADIENT.len();
	let to = (from + 1) % GRADIENT.len();
	let share = position.fract();
	std::array::from_fn(|i| (GRADIENT[from][i] * (1.0 - share) + GRADIENT[to][i] * share).round() as u8)
}

/// Writes counts, row by row, as an RGB picture.
///
/// # Errors
/// When the file cannot be written.
///
/// # Panics
/// When there are not `width * height` counts.
pub fn write_png(
	out: impl std::io::Write,
	(width, height): (u32, u32),
	iterations: impl Iterator<Item = u32>,
	max_iterations: u32,
) -> Result<()> {
	let pixels: Vec<u8> = iterations.flat_map(|n| colour(n, max_iterations)).collect();
	assert_eq!(pixels.len(), 3 * width as usize * height as usize, "one count per pixel");
	let mut encoder = png::Encoder::new(out, width, height);
	encoder.set_color(png::ColorType::Rgb);
	encoder.set_depth(png::BitDepth::Eight);
	let mut writer = encoder.write_header()?;
	writer.write_image_data(&pixels)?;
	writer.finish()?;
	Ok(())
}

#[cfg(test)]
mod tests {
	use std::fs;

	use super::*;

	fn small() -> Picture {
		Picture::new((-0.75, 0.0), 3.0, 96, 72, 6, 60).unwrap()
	}

	#[test]
	fn picture_should_be_symmetric_when_centred_on_the_real_axis() {
		let picture = small();
		let counts: Vec<u32> = picture.tiles().iter().flat_map(|tile| picture.reference(tile)).collect();
		let rows: Vec<&[u32]> = counts.chunks(96).collect();
		assert_eq!(rows.len(), 72);
		for row in 0..36 {
			assert_eq!(rows[row], rows[71 - row], "row {row}");
		}
		// The set's area is about 1.5066 of 3 * 2.25; 60 rounds see a little more.
		let inside = counts.iter().filter(|n| **n == 60).count() as f64 / counts.len() as f64;
		assert!((0.21..0.26).contains(&inside), "{inside}");
	}

	#[test]
	fn picture_should_be_the_same_when_cut_into_one_tile() {
		let whole = Picture::new((-0.75, 0.0), 3.0, 96, 72, 1, 60).unwrap();
		let cut = small();
		let counts: Vec<u32> = cut.tiles().iter().flat_map(|tile| cut.reference(tile)).collect();
		assert_eq!(whole.reference(&whole.tiles()[0]), counts);
	}

	#[test]
	fn picture_should_be_refused_when_it_cannot_be_computed() {
		let error = |centre, span, width, height, tiles, max| {
			Picture::new(centre, span, width, height, tiles, max).unwrap_err().to_string()
		};
		assert!(error((0.0, 0.0), 3.0, 0, 10, 1, 9).contains("no pixels"));
		assert!(error((0.0, 0.0), 3.0, 10, 10, 1, 0).contains("max-iterations"));
		assert!(error((0.0, 0.0), 3.0, 10, 10, 0, 9).contains("0 equal tiles"));
		assert!(error((0.0, 0.0), 3.0, 10, 10, 3, 9).contains("3 equal tiles"));
		assert!(error((0.0, 0.0), 3.0, 10, 70_000, 1, 9).contains("more tiles"));
		assert!(error((0.0, 0.0), 1e-9, 10, 10, 1, 9).contains("apart"));
		assert!(error((0.0, 0.0), -3.0, 10, 10, 1, 9).contains("apart"));
		assert!(error((0.0, 0.0), f64::NAN, 10, 10, 1, 9).contains("apart"));
		assert!(error((0.0, 0.0), 17.0, 100, 100, 1, 9).contains("range of -8 to 8"));
		assert!(error((f64::INFINITY, 0.0), 3.0, 10, 10, 1, 9).contains("centre inf 0 is not in the range"));
		assert!(error((0.0, f64::NAN), 3.0, 10, 10, 1, 9).contains("centre 0 NaN is not in the range"));
		assert!(error((-7.9, 0.0), 3.0, 10, 10, 1, 9).contains("range of -8 to 8"));
	}

	#[test]
	fn read_should_name_the_tile_when_its_length_is_wrong() {
		let picture = small();
		let folder = tempfile::tempdir().unwrap();
		let write = |tile: usize, bytes: usize| {
			fs::create_dir_all(folder.path().join(tile.to_string())).unwrap();
			fs::write(folder.path().join(format!("{tile}/iterations.bin")), vec![1; bytes]).unwrap();
		};
		let error = || picture.read(folder.path()).unwrap_err().to_string();
		(0..5).for_each(|tile| write(tile, 96 * 12 * 4));
		assert!(error().contains("holds 5 tiles, but the picture has 6"));
		write(5, 96 * 11 * 4);
		assert!(error().contains("tile 5 has 1056 counts, but 96 x 12 pixels"));
		write(5, 96 * 12 * 4);
		assert_eq!(picture.read(folder.path()).unwrap(), vec![vec![0x0101_0101; 96 * 12]; 6]);
	}

	#[test]
	fn colour_should_change_smoothly_when_counts_follow_each_other() {
		assert_eq!(colour(500, 500), [0; 3]);
		assert_ne!(colour(499, 500), [0; 3]);
		for n in 20..499 {
			let (a, b) = (colour(n, 500), colour(n + 1, 500));
			assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 12), "{n}: {a:?} {b:?}");
		}
	}

	#[test]
	fn png_should_hold_the_pixels_when_read_back() {
		let mut file = Vec::new();
		let counts = [0, 5, 9, 10, 3, 7];
		write_png(&mut file, (3, 2), counts.into_iter(), 10).unwrap();
		let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
		let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
		let info = reader.next_frame(&mut pixels).unwrap();
		assert_eq!((info.width, info.height, info.color_type), (3, 2, png::ColorType::Rgb));
		assert_eq!(pixels, counts.map(|n| colour(n, 10)).concat());
	}
}
