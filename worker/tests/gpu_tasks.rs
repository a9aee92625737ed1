// SPDX-License-Identifier: Apache-2.0

//! Tasks that run, on a real device (a software one where there is no other), each in a real child process.

mod gpu_common;

use gpu_common::*;
use tessera_primitives::{BlobRef, program::Access, provider::Features};
use tessera_worker::{
	adapters,
	exec::{BufferSpec, Source},
};

#[tokio::test]
async fn pipeline_should_keep_scratch_on_the_gpu_between_stages() {
	// sum(x^2 + offset) by way of a scratch buffer that no one reads back.
	let package = package(
		"@group(0) @binding(0) var<storage, read> source: array<u32>;
		@group(0) @binding(1) var<storage, read_write> squares: array<u32>;
		struct Offset { value: u32, a: u32, b: u32, c: u32 }
		@group(0) @binding(2) var<uniform> offset: Offset;
		@group(0) @binding(3) var<storage, read_write> total: array<u32>;
		var<workgroup> partial: array<u32, 64>;

		@compute @workgroup_size(64)
		fn square(@builtin(global_invocation_id) id: vec3<u32>) {
			squares[id.x] = source[id.x] * source[id.x] + offset.value;
		}

		@compute @workgroup_size(64)
		fn sum(@builtin(local_invocation_id) local: vec3<u32>) {
			for (var i = local.x; i < arrayLength(&squares); i += 64u) { partial[local.x] += squares[i]; }
			workgroupBarrier();
			if local.x == 0u {
				for (var i = 0u; i < 64u; i++) { total[0] += partial[i]; }
			}
		}",
		&[INPUT, SCRATCH, UNIFORM, OUTPUT],
		&[
			Stage("square", &[(0, 0, Access::Read), (1, 1, Access::ReadWrite), (2, 2, Access::Read)]),
			Stage("sum", &[(1, 1, Access::ReadWrite), (3, 3, Access::ReadWrite)]),
		],
	);
	let task = Task::new(
		package,
		vec![words(0..256), zeros(1024), words([7, 0, 0, 0]), zeros(4)],
		vec![[4, 1, 1], [1, 1, 1]],
	);
	let report = task.run(&supervisor(task.folder.path())).await.unwrap();

	let expected: u32 = (0..256).map(|x| x * x + 7).sum();
	assert_eq!(task.words(3), [expected]);
	assert_eq!(report.stages.iter().map(|s| s.stage.as_str()).collect::<Vec<_>>(), ["square", "sum"]);
	assert_eq!(report.outputs.len(), 1);
	assert_eq!(report.outputs[0].slot, 3);
	assert_eq!(report.outputs[0].blob, BlobRef::of(&expected.to_le_bytes()));
	assert!(report.stages.iter().all(|s| s.wall_us > 0) && report.total_us > 0);
	// The outputs and nothing else: no half-written file, no scratch.
	let mut files: Vec<_> = std::fs::read_dir(task.folder.path())
		.unwrap()
		.map(|f| f.unwrap().file_name().into_string().unwrap())
		.collect();
	files.sort();
	assert_eq!(files, ["3.bin"]);
}

#[tokio::test]
async fn task_should_move_buffers_in_parts_when_they_are_large() {
	// 40 MiB: more than two transfer chunks, not a multiple of one.
	let count: u32 = (40 << 20) / 4 + 3;
	let folder = tempfile::tempdir().unwrap();
	let (package_file, input) = (folder.path().join("package"), folder.path().join("input"));
	let data: Vec<u8> = (0..count).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
	std::fs::write(&input, &data).unwrap();
	let wgsl = "@group(0) @binding(0) var<storage, read> source: array<u32>;
		@group(0) @binding(1) var<storage, read_write> inverse: array<u32>;
		@compute @workgroup_size(256)
		fn invert(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
			let i = id.x + id.y * groups.x * 256u;
			if i < arrayLength(&source) { inverse[i] = ~source[i]; }
		}";
	let bindings = [(0, 0, Access::Read), (1, 1, Access::ReadWrite)];
	std::fs::write(&package_file, package(wgsl, &[INPUT, OUTPUT], &[Stage("invert", &bindings)])).unwrap();

	let bytes = data.len() as u64;
	let mut task = Task::new(
		Vec::new(),
		vec![BufferSpec { bytes, source: Source::File(input) }, zeros(bytes)],
		vec![[1024, count.div_ceil(256 * 1024), 1]],
	);
	task.request.package = Source::File(package_file);
	let report = task.run(&supervisor(folder.path())).await.unwrap();
	let expected: Vec<u8> = data.iter().map(|byte| !byte).collect();
	assert_eq!(report.outputs[0].blob, BlobRef::of(&expected));
	assert!(std::fs::read(&report.outputs[0].path).unwrap() == expected);
}

#[tokio::test]
async fn buffers_should_be_zero_before_the_first_stage_whatever_ran_before() {
	let bindings = [(0, 0, Access::ReadWrite), (1, 1, Access::ReadWrite)];
	let dirty = package(
		"@group(0) @binding(0) var<storage, read_write> scratch: array<u32>;
		@group(0) @binding(1) var<storage, read_write> output: array<u32>;
		@compute @workgroup_size(64)
		fn fill(@builtin(global_invocation_id) id: vec3<u32>) {
			scratch[id.x] = 0xdeadbeefu;
			output[id.x] = 0xdeadbeefu;
		}",
		&[SCRATCH, OUTPUT],
		&[Stage("fill", &bindings)],
	);
	let look = package(
		"@group(0) @binding(0) var<storage, read_write> scratch: array<u32>;
		@group(0) @binding(1) var<storage, read_write> output: array<u32>;
		var<workgroup> shared_words: array<u32, 64>;
		@compute @workgroup_size(64)
		fn look(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
			output[id.x] = scratch[id.x] | output[id.x] | shared_words[local.x];
		}",
		&[SCRATCH, OUTPUT],
		&[Stage("look", &bindings)],
	);
	let bytes = 4 * 64 * 1024;
	let buffers = vec![zeros(bytes), zeros(bytes)];
	let dirty = Task::new(dirty, buffers.clone(), vec![[1024, 1, 1]]);
	let supervisor = supervisor(dirty.folder.path());
	dirty.run(&supervisor).await.unwrap();
	assert!(dirty.words(1).iter().all(|word| *word == 0xdead_beef));
	let look = Task::new(look, buffers, vec![[1024, 1, 1]]);
	look.run(&supervisor).await.unwrap();
	assert!(look.words(1).iter().all(|word| *word == 0));
}

#[tokio::test]
async fn stray_indices_should_not_reach_other_buffers() {
	// Every invocation reads and writes far outside of `target_words`.
	let package = package(
		"@group(0) @binding(0) var<storage, read> before: array<u32>;
		@group(0) @binding(1) var<storage, read_write> target_words: array<u32>;
		@group(0) @binding(2) var<storage, read_write> after: array<u32>;
		@group(0) @binding(3) var<storage, read> strides: array<u32>;
		@compute @workgroup_size(64)
		fn stray(@builtin(global_invocation_id) id: vec3<u32>) {
			let index = (id.x + 1u) * strides[0];
			target_words[index] = target_words[index - 0x80000000u] + 0xffffffffu;
			if id.x == 0u { after[0] = before[0]; }
		}",
		&[INPUT, SCRATCH, OUTPUT, INPUT],
		&[Stage(
			"stray",
			&[
				(0, 0, Access::Read),
				(1, 1, Access::ReadWrite),
				(2, 2, Access::ReadWrite),
				(3, 3, Access::Read),
			],
		)],
	);
	for stride in [1, 4096, 0x0100_0001, 0x7fff_ffff] {
		let task = Task::new(
			package.clone(),
			vec![words((0..1024).map(|_| 7)), zeros(64), zeros(4096), words([stride])],
			vec![[64, 1, 1]],
		);
		task.run(&supervisor(task.folder.path())).await.unwrap();
		let after = task.words(2);
		assert_eq!(after[0], 7, "stride {stride}: the input was overwritten");
		assert!(after[1..].iter().all(|word| *word == 0), "stride {stride}: the output was overwritten");
	}
}

#[tokio::test]
async fn features_should_be_usable_when_the_job_requires_them() {
	let package = package(
		"enable f16;
		@group(0) @binding(0) var<storage, read> source: array<u32>;
		@group(0) @binding(1) var<storage, read_write> halves: array<u32>;
		@compute @workgroup_size(1)
		fn half(@builtin(global_invocation_id) id: vec3<u32>) {
			halves[id.x] = u32(f16(source[id.x]) * 0.5h);
		}",
		&[INPUT, OUTPUT],
		&[Stage("half", &[(0, 0, Access::Read), (1, 1, Access::ReadWrite)])],
	);
	let mut task = Task::new(package, vec![words([10, 20, 30]), zeros(12)], vec![[3, 1, 1]]);
	task.request.features = Features::SHADER_F16.0;
	task.run(&supervisor(task.folder.path())).await.unwrap();
	assert_eq!(task.words(1), [5, 10, 15]);
}

#[tokio::test]
async fn child_should_describe_the_adapters_as_wgpu_does() {
	let folder = tempfile::tempdir().unwrap();
	let listed = supervisor(folder.path()).adapters().await.unwrap();
	let selected = adapters::select(&adapters::instance(), &adapter()).unwrap();
	let description = &listed[selected.description.index];
	assert_eq!(description, &selected.description);
	let limits = selected.adapter.limits();
	assert_eq!(description.max_binding_bytes, limits.max_storage_buffer_binding_size);
	assert!(description.max_buffer_bytes >= description.max_binding_bytes);
	assert!(description.memory_bytes >= description.max_buffer_bytes);
	assert!(listed.iter().enumerate().all(|(index, a)| a.index == index));
	assert!(listed.is_sorted_by_key(|a| a.kind), "real GPUs come first");
}

#[test]
fn class_should_be_the_bucket_that_wgpu_applies() {
	// wgpu-core applies its buckets to all adapters when asked; wgpu itself never asks.
	let core = wgpu::wgc::instance::Instance::new("buckets", adapters::instance_descriptor(), None);
	let bucketed = core.enumerate_adapters(wgpu::Backends::all(), true);
	let ours = adapters::enumerate(&adapters::instance());
	assert!(!ours.is_empty());
	for found in ours.into_iter().map(|found| found.description) {
		let same =
			|info: &wgpu::AdapterInfo| info.name == found.name && info.device_pci_bus_id == found.pci_bus_id;
		let info = bucketed.iter().map(|adapter| adapter.get_info()).find(same).expect("wgpu lists the same");
		let bucket = info.limit_bucket.expect("buckets are applied").name;
		// wgpu's order hides n1 behind i1.
		let class = found.class.name();
		assert!(
			class == bucket || (class == "n1" && bucket == "i1"),
			"{}: {class}, not {bucket}",
			found.name
		);
	}
}
