// SPDX-License-Identifier: Apache-2.0

//! A task from acceptance to its root: fetch, run, store. Nothing here knows the chain but its clock, and everything
//! may be done again from the start: what was fetched is in the blob store, and programs are run afresh.
//!
//! # Whose fault it is
//!
//! A task is handed back only for what others are to blame for: inputs that cannot be fetched or are not what the job
//! says ([`HandBackReason::NoInputs`]), and programs that are refused, hang, exceed memory or crash the driver
//! ([`HandBackReason::Faulted`]), after the GPU has shown that it is healthy. For its own troubles (a full disk, a sick
//! GPU, a killed process) a worker tries again while there is time, and then lets the task expire: that costs it more
//! than handing back, but blames nobody.

mod fetch;

use std::{
	collections::HashMap,
	future::Future,
	path::PathBuf,
	sync::{Arc, Mutex},
	time::{Duration, Instant},
};

use codec::Encode;
use tessera_client::{
	blobs::{BlobNode, FileMode},
	chain::H256,
};
use tessera_primitives::{
	BlobRef, JobId, Tick,
	job::{ClaimList, HandBackReason, JobRequest},
	program::ProgramManifest,
};
use tokio::sync::{OnceCell, watch};

use super::{gpu::Gpu, pace::backstop};
use crate::{
	exec::{BufferSpec, ExecLimits, ExecReport, ExecRequest, Source},
	journal::{TaskKey, Terms},
	supervise::TaskFailure,
};
use fetch::{Inputs, Material};

/// How often a task is tried when this machine is at fault.
const TRIES: u32 = 3;
/// Pause before the next try; each one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Pause between health probes of a sick GPU.
const PROBE_PAUSE: Duration = Duration::from_secs(15);

/// A task to work on.
#[derive(Clone, Debug)]
pub struct Assignment {
	/// Which.
	pub key: TaskKey,
	/// What its job asks for.
	pub request: Arc<JobRequest>,
	/// Its program, as the chain has it.
	pub manifest: Arc<ProgramManifest>,
	/// What the chain promised.
	pub terms: Terms,
	/// Tick at which inputs that are not there yet are given up, so that the hand-back still counts.
	pub fetch_until: Tick,
	/// Tick at which an unfinished task is given up.
	pub finish_until: Tick,
	/// How long a tick takes, measured.
	pub tick_time: Duration,
}

impl Assignment {
	/// A task on these terms. `fetch_window` is the chain's, `margin` the ticks that an order needs to get into a block.
	pub fn new(
		key: TaskKey,
		request: Arc<JobRequest>,
		manifest: Arc<ProgramManifest>,
		terms: Terms,
		fetch_window: Tick,
		margin: Tick,
		tick_time: Duration,
	) -> Self {
		let finish_until = terms.deadline.saturating_sub(margin).max(terms.at.saturating_add(1));
		let window_ends = terms.at.saturating_add(fetch_window);
		// Windows can be governed to be short: half of one is always there to fetch.
		let fetch_until = window_ends.saturating_sub(margin.min(fetch_window / 2)).min(finish_until);
		Self { key, request, manifest, terms, fetch_until, finish_until, tick_time }
	}
}

/// What came of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
	/// Its outputs are in the blob store.
	Done {
		/// Their root, for the claim.
		root: H256,
		/// They themselves, by ascending slot.
		outputs: Vec<BlobRef>,
		/// How long it ran.
		took: Duration,
	},
	/// Others are to blame: it is to be handed back.
	Return {
		/// For what.
		reason: HandBackReason,
		/// In words.
		note: String,
	},
	/// This machine is to blame, or it was too late: it expires.
	GivenUp {
		/// Why.
		note: String,
	},
}

/// Says that a task's inputs are here.
pub type OnFetched = Box<dyn FnOnce() + Send>;

/// Where tasks are worked on.
#[derive(Debug)]
pub struct Workshop {
	/// Stores what is fetched and computed.
	pub blobs: BlobNode,
	/// Runs programs.
	pub gpu: Gpu,
	/// Most bytes of all buffers of a task.
	pub max_buffer_bytes: Option<u64>,
	scratch: PathBuf,
	clock: watch::Receiver<Tick>,
	/// What the tasks of a job share, by job.
	materials: Mutex<HashMap<JobId, Arc<OnceCell<Material>>>>,
}

/// The label of all blobs of a task: package, inputs, outputs.
pub fn label(key: &TaskKey) -> String {
	format!("task/{:?}/{}/{}", key.job, key.task, key.attempt)
}

/// The task that a label belongs to; `None` for labels that are not ours.
pub fn task_of_label(label: &str) -> Option<TaskKey> {
	let mut parts = label.strip_prefix("task/")?.split('/');
	let (job, task, attempt) = (parts.next()?, parts.next()?, parts.next()?);
	let job = tessera_client::manifest::parse_hash(job).ok()?;
	let key = TaskKey { job, task: task.parse().ok()?, attempt: attempt.parse().ok()? };
	parts.next().is_none().then_some(key)
}

/// A folder that goes when the work on its task ends, however it ends.
struct Folder(PathBuf);

impl Drop for Folder {
	fn drop(&mut self) {
		// What cannot be removed now (a child that is being killed still writes) goes at the next start.
		let _ = std::fs::remove_dir_all(&self.0);
	}
}

/// Why one try at running a task failed.
enum Setback {
	/// The program did not run.
	Task(TaskFailure),
	/// This machine has a problem.
	Local(String),
}

impl Workshop {
	/// A workshop with an empty scratch folder. The clock shows the chain's current tick.
	pub fn new(
		blobs: BlobNode,
		gpu: Gpu,
		scratch: PathBuf,
		clock: watch::Receiver<Tick>,
		max_buffer_bytes: Option<u64>,
	) -> Self {
		Self { blobs, gpu, max_buffer_bytes, scratch, clock, materials: Mutex::default() }
	}

	/// Works on a task to the end. Dropping the future stops the work and kills the GPU process.
	pub async fn work(&self, task: &Assignment, fetched: OnFetched) -> Outcome {
		let folder =
			Folder(self.scratch.join(format!("{:?}-{}-{}", task.key.job, task.key.task, task.key.attempt)));
		let inputs = match self.fetch(task, &folder.0).await {
			Ok(inputs) => inputs,
			Err(outcome) => return outcome,
		};
		fetched();
		self.compute(task, &inputs, &folder.0).await
	}

	/// Lets go of what the tasks of a job share, when none of them is worked on any more.
	pub fn forget_job(&self, job: &JobId) {
		let known = self.materials.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(job);
		if known.is_some() {
			drop(Folder(self.job_folder(job)));
		}
	}

	fn job_folder(&self, job: &JobId) -> PathBuf {
		self.scratch.join(format!("{job:?}"))
	}

	/// The chain's clock.
	fn tick(&self) -> Tick {
		*self.clock.borrow()
	}

	/// The answer, or `None` when the chain's clock reaches this tick before.
	async fn before<T>(&self, tick: Tick, answer: impl Future<Output = T>) -> Option<T> {
		let mut clock = self.clock.clone();
		let over = async move {
			// The clock ends with the daemon, which drops this future, too.
			if clock.wait_for(|now| *now >= tick).await.is_err() {
				std::future::pending::<()>().await;
			}
		};
		tokio::select! {
			answer = answer => Some(answer),
			() = over => None,
		}
	}

	/// Runs the program until there are outputs, somebody is to blame, or the time is over.
	async fn compute(&self, task: &Assignment, inputs: &Inputs, folder: &std::path::Path) -> Outcome {
		let mut pause = FIRST_PAUSE;
		let mut last = String::from("the time was over before the GPU was free");
		for left in (0..TRIES).rev() {
			let Some(turn) = self.before(task.finish_until, self.healthy_turn(task)).await else { break };
			let began = self.tick();
			let tried = self.before(task.finish_until, self.run_once(task, inputs, folder)).await;
			// The GPU process is dead now; the next task can have its turn after the verdict.
			let setback = match tried {
				Some(Ok(done)) => return done,
				Some(Err(setback)) => setback,
				None => Setback::Task(TaskFailure::TimedOut {
					phase: crate::exec::Phase::Stage { stage: "its last".into() },
					limit_ms: 0,
				}),
			};
			let failure = match setback {
				Setback::Local(note) => {
					last = note;
					None
				}
				Setback::Task(failure) => {
					last = match &failure {
						TaskFailure::TimedOut { limit_ms: 0, .. } => {
							format!(
								"not finished {} ticks before its deadline",
								task.terms.deadline - task.finish_until
							)
						}
						other => other.to_string(),
					};
					Some(failure)
				}
			};
			if let Some(failure) = failure
				&& blames_program(&failure, task, began, self.tick())
			{
				match self.before(task.terms.deadline, self.gpu.probe()).await {
					Some(Ok(())) => return Outcome::Return { reason: HandBackReason::Faulted, note: last },
					Some(Err(sick)) => last = format!("{last}; and then the GPU was found sick: {sick}"),
					None => last = format!("{last}; and then the GPU did not answer"),
				}
			}
			drop(turn);
			if left > 0 && self.tick() < task.finish_until {
				tracing::warn!(
					"{}: {last}; this machine is at fault, so it is tried again in {pause:?}",
					task.key
				);
				if self.before(task.finish_until, tokio::time::sleep(pause)).await.is_none() {
					break;
				}
				pause *= 2;
			}
		}
		Outcome::GivenUp { note: last }
	}

	/// Waits for a turn on the GPU, and for its health.
	async fn healthy_turn(&self, task: &Assignment) -> Option<tokio::sync::SemaphorePermit<'_>> {
		let turn = self.gpu.turn().await;
		while self.gpu.is_suspect() {
			match self.gpu.probe().await {
				Ok(()) => break,
				Err(sick) => {
					tracing::error!("{} waits: {sick}; the GPU is tried again in {PROBE_PAUSE:?}", task.key);
					tokio::time::sleep(PROBE_PAUSE).await;
				}
			}
		}
		turn
	}

	/// Runs the program once and stores its outputs.
	async fn run_once(
		&self,
		task: &Assignment,
		inputs: &Inputs,
		folder: &std::path::Path,
	) -> Result<Outcome, Setback> {
		let out_dir = folder.join("out");
		let local = |what: &str, e: &dyn std::fmt::Display| Setback::Local(format!("{what}: {e}"));
		// What a try before left.
		match std::fs::remove_dir_all(&out_dir) {
			Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
				return Err(local("the scratch folder", &e));
			}
			_ => {}
		}
		std::fs::create_dir_all(&out_dir).map_err(|e| local("the scratch folder", &e))?;

		let lengths = task.request.buffers.iter().zip(&inputs.buffers);
		let buffers: Vec<_> =
			lengths.map(|(bytes, source)| BufferSpec { bytes: *bytes, source: source.clone() }).collect();
		let all = buffers.iter().fold(0u64, |all, buffer| all.saturating_add(buffer.bytes));
		let request = ExecRequest {
			package: Source::File(inputs.package.clone()),
			buffers,
			dispatches: task.request.dispatches.to_vec(),
			features: task.request.requirements.features.0,
			adapter: self.gpu.selector().clone(),
			limits: ExecLimits { buffer_bytes: self.max_buffer_bytes.unwrap_or(all), time_ms: u64::MAX },
			out_dir,
		};
		let left = task.finish_until.saturating_sub(self.tick());
		let limit = backstop(task.tick_time.saturating_mul(left));
		let began = Instant::now();
		let report = self.gpu.run(request, limit).await.map_err(Setback::Task)?;
		let took = began.elapsed();
		tracing::debug!(
			"{}: ran on {} in {took:?} (device {} us, compiling {} us)",
			task.key,
			report.adapter.name,
			report.device_us,
			report.compile_us
		);
		let (root, outputs) = self.store(task, &report).await.map_err(Setback::Local)?;
		Ok(Outcome::Done { root, outputs, took })
	}

	/// Puts the outputs and their list into the blob store. Returns the root, and the outputs.
	async fn store(&self, task: &Assignment, report: &ExecReport) -> Result<(H256, Vec<BlobRef>), String> {
		let label = label(&task.key);
		let slots: Vec<usize> = task.manifest.output_slots().collect();
		if !report.outputs.iter().map(|o| o.slot).eq(slots.iter().copied()) {
			return Err("the GPU process reports other outputs than the program has".into());
		}
		let mut outputs = Vec::new();
		for output in &report.outputs {
			let expected = BlobRef {
				bytes: task.request.buffers.get(output.slot).copied().unwrap_or_default(),
				..output.blob
			};
			let stored =
				self.blobs.add_file(&label, &output.path, FileMode::Copy).await.map_err(|e| e.to_string())?;
			if stored != expected {
				return Err(format!(
					"output {} is not on disk as it was computed ({stored:?}, not {expected:?}): is the disk damaged?",
					output.slot
				));
			}
			outputs.push(stored);
		}
		let list = ClaimList { outputs: outputs.iter().map(|blob| blob.hash).collect() };
		self.blobs.add_bytes(&label, list.encode()).await.map_err(|e| e.to_string())?;
		Ok((list.root(), outputs))
	}
}

/// Whether the program is to blame for a failure. A program that runs out of time is, only if it had at least half of
/// the time that the job gives it: a worker that began late has no cause for complaint.
fn blames_program(failure: &TaskFailure, task: &Assignment, began: Tick, ended: Tick) -> bool {
	let whole = task.terms.deadline.saturating_sub(task.terms.at);
	let had_its_time = ended.saturating_sub(began).saturating_mul(2) >= whole.saturating_sub(whole % 2);
	match failure {
		TaskFailure::TimedOut { .. } => had_its_time,
		other => other.blames_program(),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::exec::Phase;

	fn key() -> TaskKey {
		TaskKey { job: H256::repeat_byte(0xab), task: 12, attempt: 3 }
	}

	fn assignment(at: Tick, deadline: Tick, fetch_window: Tick, margin: Tick) -> Assignment {
		let request = JobRequest {
			program: H256::zero(),
			tier: Default::default(),
			spec: BlobRef::of(&[]),
			source: tessera_primitives::EndpointInfo { key: [0; 32], addresses: Default::default() },
			tasks: 1,
			buffers: Default::default(),
			dispatches: Default::default(),
			requirements: Default::default(),
			opening_price: 0,
			ceiling_price: 0,
			price_ramp: 0,
			execution_ticks: deadline - at,
			lifetime_ticks: 1,
		};
		let manifest = ProgramManifest { buffers: Default::default(), stages: Default::default() };
		let terms = Terms { price: 1, at, deadline };
		let tick = Duration::from_secs(3);
		Assignment::new(key(), Arc::new(request), Arc::new(manifest), terms, fetch_window, margin, tick)
	}

	#[test]
	fn limits_should_leave_time_for_the_order() {
		for (at, deadline, window, margin, fetch_until, finish_until) in [
			(100, 200, 50, 6, 144, 194),
			(100, 200, 100, 6, 194, 194),
			(100, 200, 500, 6, 194, 194),
			// A window that is hardly longer than the margin.
			(100, 200, 5, 6, 103, 194),
			(100, 200, 1, 6, 101, 194),
			// A deadline within the margin: one tick is left to try.
			(100, 105, 50, 6, 101, 101),
		] {
			let task = assignment(at, deadline, window, margin);
			assert_eq!(
				(task.fetch_until, task.finish_until),
				(fetch_until, finish_until),
				"{at} {deadline} {window}"
			);
		}
	}

	#[test]
	fn program_should_be_blamed_for_time_only_when_it_had_half_of_it() {
		let task = assignment(100, 200, 50, 6);
		let late = TaskFailure::TimedOut { phase: Phase::Device, limit_ms: 1 };
		assert!(blames_program(&late, &task, 101, 194));
		assert!(blames_program(&late, &task, 144, 194));
		assert!(!blames_program(&late, &task, 145, 194));
		let fault = TaskFailure::Killed { signal: 11, phase: Phase::Device, stderr: String::new() };
		assert!(blames_program(&fault, &task, 193, 194));
		let killed = TaskFailure::Killed { signal: 9, phase: Phase::Device, stderr: String::new() };
		assert!(!blames_program(&killed, &task, 101, 194));
	}

	#[test]
	fn label_should_name_its_task() {
		assert_eq!(task_of_label(&label(&key())), Some(key()));
		assert!(label(&TaskKey { task: u32::MAX, attempt: u32::MAX, ..key() }).len() <= 200);
		for other in ["", "task/", "task/0x12/1/2", "job/1", &format!("{}/5", label(&key()))] {
			assert_eq!(task_of_label(other), None, "{other}");
		}
	}
}
