// Writes factor * (start + i) to every word of the result.

struct Parameters {
	start: u32,
	factor: u32,
	// A uniform's length is a multiple of 16 bytes.
	unused: vec2<u32>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	if id.x < arrayLength(&result) {
		result[id.x] = parameters.factor * (parameters.start + id.x);
	}
}
