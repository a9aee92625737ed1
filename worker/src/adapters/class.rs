// SPDX-License-Identifier: Apache-2.0

//! The class of an adapter: wgpu 30's limit buckets.
//!
//! wgpu applies buckets in `request_adapter`, which returns one adapter of its own choice, but not in
//! `enumerate_adapters`, and its table is not public. This is the same table; the first bucket that an adapter
//! satisfies is its class, and a test compares it with wgpu's answer. One difference is on purpose: wgpu asks for
//! `i1` before `n1`, and as every adapter of `n1` satisfies `i1`, too, never finds one; here the narrower comes
//! first. When wgpu is upgraded: compare with `wgpu-core/src/limits.rs`.

use tessera_primitives::provider::AdapterClass;
use wgpu::{AdapterInfo, DeviceType, Features, Limits};

/// What an adapter must offer to be of a class.
struct Bucket {
	class: AdapterClass,
	limits: Limits,
	features: Features,
	/// Least and largest subgroup size.
	subgroups: (u32, u32),
	/// Whether the class is one of software devices.
	cpu: bool,
}

/// The class of an adapter.
pub fn class_of(info: &AdapterInfo, limits: &Limits, features: Features) -> AdapterClass {
	let cpu = info.device_type == DeviceType::Cpu;
	let fits = |bucket: &Bucket| {
		let subgroups = !bucket.features.contains(Features::SUBGROUP)
			|| (info.subgroup_min_size >= bucket.subgroups.0 && info.subgroup_max_size <= bucket.subgroups.1);
		bucket.cpu == cpu
			&& subgroups
			&& features.contains(bucket.features)
			&& bucket.limits.check_limits(limits)
	};
	buckets().into_iter().find(fits).map_or(AdapterClass::Fallback, |bucket| bucket.class)
}

fn buckets() -> [Bucket; 9] {
	let common = Limits {
		max_bind_groups: 8,
		max_buffer_size: 1 << 30,
		max_color_attachment_bytes_per_sample: 64,
		max_compute_invocations_per_workgroup: 1024,
		max_compute_workgroup_size_x: 1024,
		max_compute_workgroup_size_y: 1024,
		max_compute_workgroup_storage_size: 32 << 10,
		max_inter_stage_shader_variables: 28,
		max_storage_textures_per_shader_stage: 8,
		max_texture_array_layers: 2048,
		max_texture_dimension_1d: 16_384,
		max_texture_dimension_2d: 16_384,
		max_vertex_attributes: 29,
		..Limits::defaults()
	};
	let graphics = Features::DEPTH_CLIP_CONTROL
		| Features::DEPTH32FLOAT_STENCIL8
		| Features::TEXTURE_COMPRESSION_BC
		| Features::TEXTURE_COMPRESSION_BC_SLICED_3D
		| Features::TIMESTAMP_QUERY
		| Features::INDIRECT_FIRST_INSTANCE
		| Features::RG11B10UFLOAT_RENDERABLE
		| Features::BGRA8UNORM_STORAGE
		| Features::FLOAT32_FILTERABLE
		| Features::FLOAT32_BLENDABLE
		| Features::DUAL_SOURCE_BLENDING
		| Features::PRIMITIVE_INDEX
		| Features::SUBGROUP
		| Features::IMMEDIATES;
	// What all hardware classes but Apple's have in common.
	let discrete = Limits {
		max_color_attachment_bytes_per_sample: 128,
		max_sampled_textures_per_shader_stage: 48,
		max_storage_buffer_binding_size: 1 << 30,
		max_storage_buffers_per_shader_stage: 16,
		max_vertex_attributes: 30,
		..common.clone()
	};
	let shared = |kib: u32| Limits { max_compute_workgroup_storage_size: kib << 10, ..discrete.clone() };
	let f16 = graphics | Features::SHADER_F16;
	let gpu = |class, limits, features, subgroups| Bucket { class, limits, features, subgroups, cpu: false };
	let software =
		|class, limits, features, subgroups| Bucket { class, limits, features, subgroups, cpu: true };
	[
		gpu(
			AdapterClass::M1,
			Limits {
				max_dynamic_uniform_buffers_per_pipeline_layout: 12,
				max_sampled_textures_per_shader_stage: 48,
				max_storage_buffer_binding_size: 1 << 30,
				max_storage_buffers_per_shader_stage: 9,
				max_vertex_attributes: 31,
				..common.clone()
			},
			f16 | Features::TEXTURE_COMPRESSION_ASTC
				| Features::TEXTURE_COMPRESSION_ASTC_SLICED_3D
				| Features::TEXTURE_COMPRESSION_ETC2
				| Features::CLIP_DISTANCES,
			(4, 64),
		),
		gpu(AdapterClass::A2, shared(64), f16, (64, 64)),
		gpu(AdapterClass::N1, shared(48), f16, (32, 32)),
		gpu(
			AdapterClass::I1,
			Limits {
				max_storage_buffer_binding_size: 1 << 29,
				max_vertex_attributes: common.max_vertex_attributes,
				..discrete.clone()
			},
			f16,
			(8, 32),
		),
		gpu(AdapterClass::A1, discrete.clone(), f16, (32, 64)),
		gpu(AdapterClass::NoF16, shared(48), graphics, (32, 64)),
		software(
			AdapterClass::Llvmpipe,
			Limits {
				max_storage_buffer_binding_size: Limits::defaults().max_storage_buffer_binding_size,
				max_vertex_attributes: 32,
				..discrete.clone()
			},
			f16 | Features::CLIP_DISTANCES,
			(8, 8),
		),
		software(
			AdapterClass::Warp,
			Limits {
				max_storage_buffer_binding_size: Limits::defaults().max_storage_buffer_binding_size,
				..discrete
			},
			f16,
			(4, 128),
		),
		gpu(AdapterClass::Default, Limits::defaults(), Features::empty(), (4, 128)),
	]
}

#[cfg(test)]
mod tests {
	use super::*;
	use wgpu::Backend;

	fn info(device_type: DeviceType, min: u32, max: u32) -> AdapterInfo {
		AdapterInfo {
			subgroup_min_size: min,
			subgroup_max_size: max,
			..AdapterInfo::new(device_type, Backend::Noop)
		}
	}

	#[test]
	fn class_should_be_told_by_subgroups_memory_and_features() {
		let most = Limits::unlimited();
		// Apple's texture formats are what no other class has.
		let apple = Features::TEXTURE_COMPRESSION_ASTC;
		let all = Features::all() - apple;
		let class =
			|device, min, max, limits: &Limits, features| class_of(&info(device, min, max), limits, features);
		let gpu = DeviceType::DiscreteGpu;
		assert_eq!(class(gpu, 32, 32, &most, Features::all()), AdapterClass::M1);
		assert_eq!(class(gpu, 64, 64, &most, all), AdapterClass::A2);
		assert_eq!(class(gpu, 8, 32, &most, all), AdapterClass::I1);
		assert_eq!(class(gpu, 32, 64, &most, all), AdapterClass::A1);
		assert_eq!(class(gpu, 32, 32, &most, all), AdapterClass::N1);
		assert_eq!(class(gpu, 32, 64, &most, all - Features::SHADER_F16), AdapterClass::NoF16);
		assert_eq!(class(gpu, 32, 32, &Limits::defaults(), all), AdapterClass::Default);
		assert_eq!(class(DeviceType::Cpu, 8, 8, &most, all), AdapterClass::Llvmpipe);
		assert_eq!(class(DeviceType::Cpu, 4, 4, &most, all), AdapterClass::Warp);
		assert_eq!(
			class(DeviceType::Cpu, 8, 8, &Limits::defaults(), Features::empty()),
			AdapterClass::Fallback
		);
	}
}
