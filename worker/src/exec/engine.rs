// SPDX-License-Identifier: Apache-2.0

//! Runs a recording on wgpu. No other module of the child talks to wgpu, except for listing adapters.
//!
//! One device, one queue, one thread that submits. Every step is a submission of its own and is waited for, so that a
//! time-out can name the step that hangs. Nothing that wgpu reports is lost: validation, memory and internal errors
//! are caught in scopes around every step, and what arrives outside of them (a lost device) is kept and looked at
//! after each.

use std::{
	fs::File,
	io::{Read, Write},
	path::Path,
	sync::{Arc, Mutex, PoisonError, mpsc},
	time::{Duration, Instant},
};

use tessera_primitives::{
	BlobRef,
	program::{Access, BufferKind, ProgramPackage, StageDecl},
	provider::Features,
};
use wgpu::{BufferUsages, ErrorFilter, PollError, PollType, ShaderStages};

use super::{
	micros,
	recording::{Command, Recording},
	request::{AdapterSummary, ExecError, ExecReport, OutputReport, Phase, Source, StageReport},
	write_whole,
};
use crate::adapters::{FoundAdapter, wgpu_features};

/// Bytes per transfer: bounds what staging buffers take beside the task's own buffers.
const CHUNK_BYTES: u64 = 16 << 20;

/// When the task began and when it must be over.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
	began: Instant,
	limit_ms: u64,
}

impl Clock {
	/// Starts now.
	pub fn start(limit_ms: u64) -> Self {
		Self { began: Instant::now(), limit_ms }
	}

	/// Microseconds since the start.
	pub fn elapsed_us(&self) -> u64 {
		micros(self.began)
	}

	/// Fails when the time is over.
	pub fn check(&self, phase: &Phase) -> Result<Duration, ExecError> {
		let limit = Duration::from_millis(self.limit_ms);
		let left = limit.checked_sub(self.began.elapsed());
		left.filter(|left| !left.is_zero())
			.ok_or_else(|| ExecError::TimedOut { phase: phase.clone(), limit_ms: self.limit_ms })
	}
}

/// What the device reported outside of error scopes.
#[derive(Default)]
struct Reported {
	lost: Option<String>,
	uncaptured: Option<String>,
}

/// An open device.
pub struct Engine {
	device: wgpu::Device,
	queue: wgpu::Queue,
	adapter: AdapterSummary,
	clock: Clock,
	reported: Arc<Mutex<Reported>>,
}

/// A compiled stage.
struct Stage {
	name: String,
	pipeline: wgpu::ComputePipeline,
	/// Bind group layouts by group; `None` where the stage has no binding in a group.
	layouts: Vec<Option<wgpu::BindGroupLayout>>,
}

impl Engine {
	/// Opens the adapter with the features that the job names and the limits that the recording needs, no more.
	pub fn open(
		found: FoundAdapter,
		recording: &Recording,
		features: Features,
		clock: Clock,
	) -> Result<Self, ExecError> {
		let FoundAdapter { adapter, description } = found;
		let unsupported = |what: String| ExecError::Unsupported { adapter: description.name.clone(), what };
		let missing = wgpu_features(features) - adapter.features();
		if !missing.is_empty() {
			return Err(unsupported(format!("features that the job requires: {missing:?}")));
		}
		let limits = adapter.limits();
		if recording.largest_buffer > limits.max_buffer_size {
			return Err(unsupported(format!(
				"room for a buffer of {} bytes: its largest has {}",
				recording.largest_buffer, limits.max_buffer_size
			)));
		}
		if recording.largest_storage > limits.max_storage_buffer_binding_size {
			return Err(unsupported(format!(
				"room for a storage binding of {} bytes: its largest has {}",
				recording.largest_storage, limits.max_storage_buffer_binding_size
			)));
		}
		let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
			label: None,
			required_features: wgpu_features(features),
			required_limits: wgpu::Limits {
				max_buffer_size: recording.largest_buffer.max(CHUNK_BYTES),
				max_storage_buffer_binding_size: recording.largest_storage.max(4),
				..wgpu::Limits::defaults()
			},
			experimental_features: wgpu::ExperimentalFeatures::disabled(),
			memory_hints: wgpu::MemoryHints::MemoryUsage,
			trace: wgpu::Trace::Off,
		}))
		.map_err(|e| match e.to_string() {
			detail if detail.to_lowercase().contains("memory") => {
				ExecError::OutOfMemory { phase: Phase::Device, detail }
			}
			detail => unsupported(format!("what every task needs: {detail}")),
		})?;

		let reported = Arc::new(Mutex::new(Reported::default()));
		let shared = reported.clone();
		device.set_device_lost_callback(move |reason, message| {
			let mut reported = shared.lock().unwrap_or_else(PoisonError::into_inner);
			reported.lost.get_or_insert(format!("{reason:?} {message}").trim().into());
		});
		let shared = reported.clone();
		device.on_uncaptured_error(Arc::new(move |error| {
			let mut reported = shared.lock().unwrap_or_else(PoisonError::into_inner);
			reported.uncaptured.get_or_insert(error.to_string());
		}));
		Ok(Self { device, queue, adapter: (&description).into(), clock, reported })
	}

	/// Compiles the program and runs the recording.
	pub fn run(
		&self,
		package: &ProgramPackage,
		recording: &Recording,
		progress: &mut dyn FnMut(&Phase),
	) -> Result<ExecReport, ExecError> {
		let began = Instant::now();
		let stages = self.compile(package, progress)?;
		let mut report = ExecReport {
			adapter: self.adapter.clone(),
			stages: Vec::new(),
			outputs: Vec::new(),
			device_us: 0,
			compile_us: micros(began),
			upload_us: 0,
			download_us: 0,
			total_us: 0,
		};
		let mut buffers: Vec<wgpu::Buffer> = Vec::new();
		for command in &recording.commands {
			let began = Instant::now();
			match command {
				Command::Create { slot, bytes, kind } => {
					buffers.push(self.create(*slot, *bytes, *kind)?);
					report.upload_us += micros(began);
				}
				Command::Upload { slot, bytes, source } => {
					let phase = Phase::Upload { slot: *slot };
					progress(&phase);
					self.upload(&phase, buffer(&buffers, *slot)?, *bytes, source)?;
					report.upload_us += micros(began);
				}
				Command::Clear { slot } => {
					let phase = Phase::Upload { slot: *slot };
					let target = buffer(&buffers, *slot)?;
					self.submit(&phase, |encoder| encoder.clear_buffer(target, 0, None))?;
					report.upload_us += micros(began);
				}
				Command::Dispatch { stage, workgroups } => {
					let (Some(compiled), Some(decl)) =
						(stages.get(*stage), package.manifest.stages.get(*stage))
					else {
						return Err(unsound("a dispatch of a stage that does not exist"));
					};
					let phase = Phase::Stage { stage: compiled.name.clone() };
					progress(&phase);
					self.dispatch(&phase, compiled, decl, &buffers, *workgroups)?;
					report.stages.push(StageReport { stage: compiled.name.clone(), wall_us: micros(began) });
				}
				Command::Download { slot, bytes, path } => {
					let phase = Phase::Download { slot: *slot };
					progress(&phase);
					let blob = self.download(&phase, buffer(&buffers, *slot)?, *bytes, path)?;
					report.outputs.push(OutputReport { slot: *slot, blob, path: path.clone() });
					report.download_us += micros(began);
				}
			}
		}
		Ok(report)
	}

	/// Compiles every module once and every stage.
	fn compile(
		&self,
		package: &ProgramPackage,
		progress: &mut dyn FnMut(&Phase),
	) -> Result<Vec<Stage>, ExecError> {
		let mut modules: Vec<Option<wgpu::ShaderModule>> = package.modules.iter().map(|_| None).collect();
		let mut stages = Vec::new();
		for decl in &package.manifest.stages {
			let name = text(&decl.name);
			let phase = Phase::Compile { stage: name.clone() };
			progress(&phase);
			let index = usize::from(decl.module);
			let (Some(source), Some(slot)) = (package.modules.get(index), modules.get_mut(index)) else {
				return Err(unsound("a stage of a module that does not exist"));
			};
			let module = match slot {
				Some(module) => module,
				None => slot.insert(self.scoped(&phase, || {
					self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
						label: None,
						source: wgpu::ShaderSource::Wgsl(text(source).into()),
					})
				})?),
			};
			let layouts = self.scoped(&phase, || self.layouts(package, decl))?;
			let pipeline = self.scoped(&phase, || {
				let references: Vec<_> = layouts.iter().map(Option::as_ref).collect();
				let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
					label: None,
					bind_group_layouts: &references,
					immediate_size: 0,
				});
				self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
					label: None,
					layout: Some(&layout),
					module,
					entry_point: Some(&text(&decl.entry)),
					compilation_options: wgpu::PipelineCompilationOptions::default(),
					cache: None,
				})
			})?;
			self.clock.check(&phase)?;
			stages.push(Stage { name, pipeline, layouts });
		}
		Ok(stages)
	}

	fn layouts(&self, package: &ProgramPackage, decl: &StageDecl) -> Vec<Option<wgpu::BindGroupLayout>> {
		let groups = decl.bindings.iter().map(|b| b.group).max().map_or(0, |last| last + 1);
		let of_group = |group: u8| {
			let entries: Vec<_> = decl
				.bindings
				.iter()
				.filter(|b| b.group == group)
				.map(|b| wgpu::BindGroupLayoutEntry {
					binding: u32::from(b.binding),
					visibility: ShaderStages::COMPUTE,
					ty: wgpu::BindingType::Buffer {
						ty: match package.manifest.buffers.get(usize::from(b.buffer)).map(|b| b.kind) {
							Some(BufferKind::Uniform) => wgpu::BufferBindingType::Uniform,
							_ => wgpu::BufferBindingType::Storage { read_only: b.access == Access::Read },
						},
						has_dynamic_offset: false,
						min_binding_size: None,
					},
					count: None,
				})
				.collect();
			let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
			(!entries.is_empty()).then(|| self.device.create_bind_group_layout(&descriptor))
		};
		(0..groups).map(of_group).collect()
	}

	fn create(&self, slot: usize, bytes: u64, kind: BufferKind) -> Result<wgpu::Buffer, ExecError> {
		let usage = match kind {
			BufferKind::Storage => BufferUsages::STORAGE | BufferUsages::COPY_SRC,
			BufferKind::Uniform => BufferUsages::UNIFORM,
		};
		self.scoped(&Phase::Upload { slot }, || {
			self.device.create_buffer(&wgpu::BufferDescriptor {
				label: None,
				size: bytes,
				usage: usage | BufferUsages::COPY_DST,
				mapped_at_creation: false,
			})
		})
	}

	fn upload(
		&self,
		phase: &Phase,
		target: &wgpu::Buffer,
		bytes: u64,
		source: &Source,
	) -> Result<(), ExecError> {
		let mut reader: Box<dyn Read> = match source {
			Source::File(path) => Box::new(File::open(path).map_err(|e| ExecError::io(path, &e))?),
			Source::Inline(data) => Box::new(data.as_slice()),
			Source::Zero => return Err(unsound("an upload without a source")),
		};
		let mut chunk = Vec::new();
		let mut offset = 0;
		while offset < bytes {
			let length = CHUNK_BYTES.min(bytes - offset);
			chunk.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
			reader.read_exact(&mut chunk).map_err(|e| match source {
				Source::File(path) => ExecError::io(path, &e),
				_ => unsound("inline bytes shorter than their buffer"),
			})?;
			self.scoped(phase, || self.queue.write_buffer(target, offset, &chunk))?;
			self.submit(phase, |_| ())?;
			offset += length;
		}
		Ok(())
	}

	fn dispatch(
		&self,
		phase: &Phase,
		stage: &Stage,
		decl: &StageDecl,
		buffers: &[wgpu::Buffer],
		workgroups: [u32; 3],
	) -> Result<(), ExecError> {
		let mut groups = Vec::new();
		for (group, layout) in (0u8..).zip(&stage.layouts) {
			let Some(layout) = layout else { continue };
			let mut entries = Vec::new();
			for b in decl.bindings.iter().filter(|b| b.group == group) {
				let resource = buffer(buffers, usize::from(b.buffer))?.as_entire_binding();
				entries.push(wgpu::BindGroupEntry { binding: u32::from(b.binding), resource });
			}
			let descriptor = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
			groups.push((group, self.scoped(phase, || self.device.create_bind_group(&descriptor))?));
		}
		self.submit(phase, |encoder| {
			let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
			pass.set_pipeline(&stage.pipeline);
			for (group, bind_group) in &groups {
				pass.set_bind_group(u32::from(*group), bind_group, &[]);
			}
			let [x, y, z] = workgroups;
			pass.dispatch_workgroups(x, y, z);
		})
	}

	fn download(
		&self,
		phase: &Phase,
		source: &wgpu::Buffer,
		bytes: u64,
		path: &Path,
	) -> Result<BlobRef, ExecError> {
		let staging = self.scoped(phase, || {
			self.device.create_buffer(&wgpu::BufferDescriptor {
				label: None,
				size: CHUNK_BYTES.min(bytes),
				usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
				mapped_at_creation: false,
			})
		})?;
		let mut hasher = blake3::Hasher::new();
		write_whole(path, |file| {
			let mut offset = 0;
			while offset < bytes {
				let length = CHUNK_BYTES.min(bytes - offset);
				self.submit(phase, |encoder| {
					encoder.copy_buffer_to_buffer(source, offset, &staging, 0, length);
				})?;
				self.mapped(phase, &staging, length, |data| {
					hasher.update(data);
					file.write_all(data).map_err(|e| ExecError::io(path, &e))
				})?;
				offset += length;
			}
			Ok(())
		})?;
		Ok(BlobRef { hash: hasher.finalize().as_bytes().into(), bytes })
	}

	/// Maps the first `length` bytes of a staging buffer and hands them to `read`.
	fn mapped(
		&self,
		phase: &Phase,
		staging: &wgpu::Buffer,
		length: u64,
		read: impl FnOnce(&[u8]) -> Result<(), ExecError>,
	) -> Result<(), ExecError> {
		let (sender, receiver) = mpsc::channel();
		self.scoped(phase, || {
			staging.map_async(wgpu::MapMode::Read, 0..length, move |result| {
				// The receiver is gone only when this function has already failed.
				let _ = sender.send(result);
			});
		})?;
		self.wait(phase, None)?;
		let internal = |detail: String| ExecError::Internal { phase: phase.clone(), detail };
		match receiver.try_recv() {
			Ok(Ok(())) => {}
			Ok(Err(error)) => return Err(internal(error.to_string())),
			Err(_) => return Err(internal("a staging buffer was not mapped".into())),
		}
		{
			let view = staging.get_mapped_range(0..length).map_err(|e| internal(e.to_string()))?;
			read(&view)?;
		}
		staging.unmap();
		Ok(())
	}

	/// Records commands, submits them and waits until they are done.
	fn submit(&self, phase: &Phase, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<(), ExecError> {
		let submission = self.scoped(phase, || {
			let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
			record(&mut encoder);
			self.queue.submit([encoder.finish()])
		})?;
		self.wait(phase, Some(submission))
	}

	/// Waits for a submission, or for all, as long as there is time.
	fn wait(&self, phase: &Phase, submission: Option<wgpu::SubmissionIndex>) -> Result<(), ExecError> {
		let left = self.clock.check(phase)?;
		match self.device.poll(PollType::Wait { submission_index: submission, timeout: Some(left) }) {
			Ok(_) => self.check_reported(phase),
			Err(PollError::Timeout) => {
				Err(ExecError::TimedOut { phase: phase.clone(), limit_ms: self.clock.limit_ms })
			}
			Err(error) => Err(ExecError::Internal { phase: phase.clone(), detail: error.to_string() }),
		}
	}

	/// Does something with wgpu and turns whatever it reports into an error.
	fn scoped<T>(&self, phase: &Phase, work: impl FnOnce() -> T) -> Result<T, ExecError> {
		let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
		let internal = self.device.push_error_scope(ErrorFilter::Internal);
		let validation = self.device.push_error_scope(ErrorFilter::Validation);
		let value = work();
		// Scopes are a stack: the last pushed is the first popped.
		let validation = pollster::block_on(validation.pop());
		let internal = pollster::block_on(internal.pop());
		let memory = pollster::block_on(memory.pop());
		self.check_reported(phase)?;
		match memory.or(internal).or(validation) {
			None => Ok(value),
			Some(wgpu::Error::OutOfMemory { source }) => {
				Err(ExecError::OutOfMemory { phase: phase.clone(), detail: source.to_string() })
			}
			Some(wgpu::Error::Validation { description, .. }) => {
				Err(ExecError::Invalid { phase: phase.clone(), detail: description })
			}
			Some(wgpu::Error::Internal { description, .. }) => {
				Err(ExecError::Internal { phase: phase.clone(), detail: description })
			}
		}
	}

	fn check_reported(&self, phase: &Phase) -> Result<(), ExecError> {
		let reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
		if let Some(detail) = reported.lost.clone() {
			// wgpu gives a device up when the driver runs out of memory in the middle of something.
			let memory = detail.to_lowercase().contains("out of memory");
			let phase = phase.clone();
			return Err(if memory {
				ExecError::OutOfMemory { phase, detail }
			} else {
				ExecError::DeviceLost { phase, detail }
			});
		}
		if let Some(detail) = &reported.uncaptured {
			return Err(ExecError::Internal { phase: phase.clone(), detail: detail.clone() });
		}
		Ok(())
	}
}

fn buffer(buffers: &[wgpu::Buffer], slot: usize) -> Result<&wgpu::Buffer, ExecError> {
	buffers.get(slot).ok_or_else(|| unsound("a command of a buffer that does not exist"))
}

fn unsound(reason: &str) -> ExecError {
	ExecError::BadRequest { reason: reason.into() }
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8_lossy(bytes).into_owned()
}
