// SPDX-License-Identifier: Apache-2.0

// Escape times of the Mandelbrot set in fixed point: i32 with 28 fraction bits, so numbers from -8 up to 8 in steps
// of 2^-28. Integer arithmetic only: every device gives the same bytes. One workgroup does 64 pixels of one row.

const FRACTION_BITS: u32 = 28u;
const TWO: i32 = 2i << FRACTION_BITS;
const FOUR: u32 = 4u << FRACTION_BITS;

struct Tile {
	// Centre of the tile's first pixel, top left.
	left: i32,
	top: i32,
	// Distance of neighbouring pixels.
	step: i32,
	// Pixels per row. The number of rows follows from the length of the output.
	width: u32,
	max_iterations: u32,
}

@group(0) @binding(0) var<uniform> tile: Tile;
@group(0) @binding(1) var<storage, read_write> iterations: array<u32>;

// The 64-bit product of two words, low word first, from products of 16-bit halves.
fn mul_wide(a: u32, b: u32) -> vec2<u32> {
	let low = (a & 0xffffu) * (b & 0xffffu);
	// Neither sum overflows: 0xffff * 0xffff + 0xffff = 0xffff0000.
	let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
	let middle = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
	let high = (a >> 16u) * (b >> 16u) + (cross >> 16u) + (middle >> 16u);
	return vec2<u32>((middle << 16u) | (low & 0xffffu), high);
}

// The product of two fixed-point numbers, rounded towards zero. Rounding the magnitude keeps (-a) * b = -(a * b), and
// with it the picture's symmetry.
fn mul(a: i32, b: i32) -> i32 {
	let product = mul_wide(u32(abs(a)), u32(abs(b)));
	let magnitude = i32((product.y << (32u - FRACTION_BITS)) | (product.x >> FRACTION_BITS));
	return select(magnitude, -magnitude, (a ^ b) < 0);
}

// How many steps of z -> z * z + c, from z = 0, keep |z| <= 2; max_iterations if all of them do.
fn escape_time(c_re: i32, c_im: i32) -> u32 {
	var re = 0i;
	var im = 0i;
	for (var n = 0u; n < tile.max_iterations; n++) {
		// First each part, so that the squares fit; then no sum below leaves the range either: the parts of z * z
		// are at most 4, those of c at most 2 (or z = c has escaped in the second round).
		if re < -TWO || re > TWO || im < -TWO || im > TWO {
			return n;
		}
		let re_squared = mul(re, re);
		let im_squared = mul(im, im);
		// Up to 8, which only an unsigned word holds.
		if u32(re_squared) + u32(im_squared) > FOUR {
			return n;
		}
		im = 2 * mul(re, im) + c_im;
		re = re_squared - im_squared + c_re;
	}
	return tile.max_iterations;
}

@compute @workgroup_size(64)
fn escape(@builtin(global_invocation_id) pixel: vec3<u32>) {
	// The first test also keeps a width of zero away from the division.
	if pixel.x >= tile.width || pixel.y >= arrayLength(&iterations) / tile.width {
		return;
	}
	let c_re = tile.left + i32(pixel.x) * tile.step;
	let c_im = tile.top - i32(pixel.y) * tile.step;
	iterations[pixel.y * tile.width + pixel.x] = escape_time(c_re, c_im);
}
