// SPDX-License-Identifier: Apache-2.0

//! The twin of `mandelbrot/mandelbrot.wgsl`: escape times in fixed point.
//!
//! Numbers are i32 with [`FRACTION_BITS`] fraction bits: from -8 up to 8 in steps of 2^-28.

/// Bits behind the binary point.
pub const FRACTION_BITS: u32 = 28;
const TWO: i32 = 2 << FRACTION_BITS;
const FOUR: u32 = 4 << FRACTION_BITS;

/// The uniform `tile`: which part of the plane a task computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
	/// Real part of the centre of the first pixel, fixed point.
	pub left: i32,
	/// Imaginary part of the centre of the first pixel, fixed point. Rows go downwards.
	pub top: i32,
	/// Distance of neighbouring pixels, fixed point.
	pub step: i32,
	/// Pixels per row. How many rows there are follows from the length of the output.
	pub width: u32,
	/// Rounds after which a point counts as inside.
	pub max_iterations: u32,
}

impl Tile {
	/// The words of the buffer `tile`.
	pub fn words(&self) -> [u32; 5] {
		[self.left as u32, self.top as u32, self.step as u32, self.width, self.max_iterations]
	}
}

/// Twin of `mul`: the product, rounded towards zero.
fn mul(a: i32, b: i32) -> i32 {
	// Division, unlike a shift, rounds a negative product towards zero.
	(i64::from(a) * i64::from(b) / (1 << FRACTION_BITS)) as i32
}

/// Twin of `escape_time`: how many steps of z -> z * z + c, from z = 0, keep |z| <= 2; `max_iterations` if all do.
pub fn escape_time(c_re: i32, c_im: i32, max_iterations: u32) -> u32 {
	let (mut re, mut im) = (0i32, 0i32);
	for n in 0..max_iterations {
		if !(-TWO..=TWO).contains(&re) || !(-TWO..=TWO).contains(&im) {
			return n;
		}
		let (re_squared, im_squared) = (mul(re, re), mul(im, im));
		if re_squared as u32 + im_squared as u32 > FOUR {
			return n;
		}
		// No overflow: see mandelbrot.wgsl. Plain operators, so that a debug build would tell.
		im = 2 * mul(re, im) + c_im;
		re = re_squared - im_squared + c_re;
	}
	max_iterations
}

/// Twin of the entry point `escape`. `workgroups` is the dispatch; a workgroup does 64 pixels of one row.
pub fn escape(workgroups: [u32; 2], tile: &Tile, iterations: &mut [u32]) {
	let columns = tile.width.min(workgroups[0].saturating_mul(64));
	// Rows that the buffer holds only in part are not computed.
	for (y, row) in (0..workgroups[1]).zip(iterations.chunks_exact_mut((tile.width as usize).max(1))) {
		for (x, count) in (0..columns).zip(row) {
			let c_re = tile.left.wrapping_add((x as i32).wrapping_mul(tile.step));
			let c_im = tile.top.wrapping_sub((y as i32).wrapping_mul(tile.step));
			*count = escape_time(c_re, c_im, tile.max_iterations);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn fixed(value: f64) -> i32 {
		(value * f64::from(1 << FRACTION_BITS)).round() as i32
	}

	#[test]
	fn mul_should_round_towards_zero_when_signs_differ() {
		assert_eq!(mul(fixed(1.5), fixed(-1.25)), fixed(-1.875));
		assert_eq!(mul(-1, 1), 0);
		assert_eq!(mul(-3, 1 << 27), -1);
		assert_eq!(mul(3, 1 << 27), 1);
		assert_eq!(mul(-TWO, -TWO), fixed(4.0));
	}

	#[test]
	fn escape_time_should_be_the_limit_when_the_point_is_inside() {
		// The fixed point 0, the cycles of length 2 and 3, the tip -2, and a point deep in the cardioid.
		for (re, im) in [(0.0, 0.0), (-1.0, 0.0), (-0.1226, 0.7449), (-2.0, 0.0), (0.2, 0.2)] {
			assert_eq!(escape_time(fixed(re), fixed(im), 10_000), 10_000, "{re} {im}");
		}
	}

	#[test]
	fn escape_time_should_be_counted_by_hand_when_the_point_is_outside() {
		// c = 1: 0, 1, 2, 5. c = 2: 0, 2, 6. c = 3: 0, 3. c = 0.5: 0, .5, .75, 1.0625, 1.6289, 3.15.
		// c = i + 1: 0, 1+i, 1+3i. c = -2.01 escapes at once.
		for (re, im, n) in
			[(1.0, 0.0, 3), (2.0, 0.0, 2), (3.0, 0.0, 1), (0.5, 0.0, 5), (1.0, 1.0, 2), (-2.01, 0.0, 1)]
		{
			assert_eq!(escape_time(fixed(re), fixed(im), 100), n, "{re} {im}");
		}
		assert_eq!(escape_time(i32::MIN, i32::MAX, 100), 1);
		assert_eq!(escape_time(fixed(1.0), 0, 0), 0);
	}

	#[test]
	fn escape_time_should_agree_with_floating_point_when_the_point_escapes_early() {
		let float = |c_re: f64, c_im: f64| {
			let (mut re, mut im) = (0.0, 0.0);
			for n in 0..20 {
				if re * re + im * im > 4.0 {
					return n;
				}
				(re, im) = (re * re - im * im + c_re, 2.0 * re * im + c_im);
			}
			20
		};
		let mut escaped = 0;
		for y in -20..=20 {
			for x in -45..=15 {
				let (re, im) = (f64::from(x) / 20.03, f64::from(y) / 17.07);
				let n = float(re, im);
				assert_eq!(escape_time(fixed(re), fixed(im), 20), n, "{re} {im}");
				escaped += u32::from(n < 20);
			}
		}
		assert!((1000..2400).contains(&escaped), "the grid should hold both kinds of points: {escaped}");
	}

	#[test]
	fn escape_time_should_be_symmetric_when_the_point_is_conjugated() {
		for (re, im) in [(-0.7435, 0.1314), (-0.75, 0.02), (0.2501, 0.0003), (-1.25066, 0.02012)] {
			let (re, im) = (fixed(re), fixed(im));
			assert_eq!(escape_time(re, im, 5000), escape_time(re, -im, 5000));
		}
	}

	#[test]
	fn escape_should_leave_the_rest_alone_when_the_dispatch_is_too_small() {
		let tile = Tile { left: fixed(3.0), top: 0, step: 1 << 20, width: 100, max_iterations: 9 };
		let mut iterations = [77; 250];
		escape([1, 5], &tile, &mut iterations);
		for y in 0..2 {
			assert_eq!(iterations[y * 100..][..64], [1; 64]);
			assert_eq!(iterations[y * 100 + 64..][..36], [77; 36]);
		}
		assert_eq!(iterations[200..], [77; 50], "half a row stays");
		escape([2, 2], &Tile { width: 0, ..tile }, &mut iterations);
		assert_eq!(iterations[200..], [77; 50], "a width of zero does nothing");
	}
}
