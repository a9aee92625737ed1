// SPDX-License-Identifier: Apache-2.0

//! The parent's side of the GPU child: starts it, feeds it, watches it, kills it.
//!
//! Every call is one process, in a process group of its own, with an environment of a few named variables and the
//! task's folder as working directory. It inherits three pipes and nothing else (Rust opens every file close-on-exec),
//! so no key and no connection of the daemon is within its reach. Past its deadline the group gets SIGKILL, which is
//! the only thing that ends a hung kernel.
//!
//! A thread of its own looks after each process: the kernel kills the child when the *thread* that started it ends
//! (`PR_SET_PDEATHSIG`), which must not be a thread of somebody's pool.

mod failure;
mod process;

use std::{
	ffi::OsString,
	path::{Path, PathBuf, absolute},
	sync::atomic::{AtomicBool, AtomicU64, Ordering},
	thread,
	time::Duration,
};

use tokio::sync::oneshot;

pub use failure::{ProbeFailure, TaskFailure};

use crate::{
	adapters::{AdapterDescription, AdapterSelector},
	exec::{
		ExecReport, ExecRequest, Source,
		child::{Message, Order, Work},
		limits::ProcessLimits,
		probe,
	},
};
use process::Plan;

/// How long listing adapters and the health probe may take.
const SERVICE_DEADLINE: Duration = Duration::from_secs(30);

/// What a GPU process needs beside the task's buffers: drivers, compilers, their threads' stacks, transfer buffers.
const OVERHEAD_BYTES: u64 = 2 << 30;

/// Open files of the child: drivers keep a few per GPU and thread.
const OPEN_FILES: u64 = 1024;

/// Variables that reach the child: what Vulkan's loader and drivers need to be found, and the choice of an adapter.
const PASSED_VARIABLES: &[&str] = &[
	"LD_LIBRARY_PATH",
	"VK_DRIVER_FILES",
	"VK_ADD_DRIVER_FILES",
	"VK_ICD_FILENAMES",
	"VK_LOADER_DRIVERS_SELECT",
	"VK_LOADER_DRIVERS_DISABLE",
	"XDG_DATA_DIRS",
	"LP_NUM_THREADS",
	"WGPU_ADAPTER_NAME",
	"WGPU_BACKEND",
	"SystemRoot",
];

/// Runs tasks in child processes.
#[derive(Debug)]
pub struct Supervisor {
	executable: PathBuf,
	environment: Vec<(OsString, OsString)>,
	scratch: PathBuf,
	overhead_bytes: Option<u64>,
	probes: AtomicU64,
	suspect: AtomicBool,
}

impl Supervisor {
	/// A supervisor whose children are this very executable's `exec` subcommand. `scratch` is an existing folder for
	/// the health probe's files.
	pub fn new(scratch: impl Into<PathBuf>) -> std::io::Result<Self> {
		Ok(Self::with_executable(std::env::current_exe()?, scratch))
	}

	/// A supervisor whose children are `executable exec`.
	pub fn with_executable(executable: impl Into<PathBuf>, scratch: impl Into<PathBuf>) -> Self {
		let passed = PASSED_VARIABLES.iter();
		Self {
			executable: executable.into(),
			environment: passed
				.filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
				.collect(),
			scratch: scratch.into(),
			overhead_bytes: Some(OVERHEAD_BYTES),
			probes: AtomicU64::new(0),
			suspect: AtomicBool::new(false),
		}
	}

	/// Sets a variable of the child's environment.
	pub fn with_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
		self.environment.push((name.into(), value.into()));
		self
	}

	/// Sets how many bytes of memory a child may take beside its task's buffers; `None`: no limit, for drivers that
	/// count memory in ways of their own.
	pub fn with_overhead(mut self, bytes: Option<u64>) -> Self {
		self.overhead_bytes = bytes;
		self
	}

	/// Whether something happened after which the GPU has to show that it is healthy ([`Self::health_probe`]) before
	/// the next task is accepted.
	pub fn needs_probe(&self) -> bool {
		self.suspect.load(Ordering::Acquire)
	}

	/// The adapters of this machine, listed by a child: drivers are not loaded into this process.
	pub async fn adapters(&self) -> Result<Vec<AdapterDescription>, TaskFailure> {
		match self.converse(Work::Adapters, 0, SERVICE_DEADLINE, &self.scratch).await? {
			Message::Adapters(all) => Ok(all),
			Message::Failed(error) => Err(error.into()),
			other => Err(TaskFailure::Protocol {
				detail: format!("unexpected message {other:?}"),
				stderr: String::new(),
			}),
		}
	}

	/// Runs a task. It has until `deadline` (and the request's own limit, if that is shorter); a child that is still
	/// there shortly after is killed. Dropping the future kills it, too.
	///
	/// The folder of the outputs is the child's working directory and home: give every task a folder of its own.
	pub async fn run_task(
		&self,
		request: ExecRequest,
		deadline: Duration,
	) -> Result<ExecReport, TaskFailure> {
		let result = self.run(request, deadline).await;
		if matches!(&result, Err(failure) if failure.taints_gpu()) {
			self.suspect.store(true, Ordering::Release);
		}
		result
	}

	/// Runs a tiny program with a known answer on an adapter, and takes the suspicion off it when the answer is right.
	pub async fn health_probe(&self, adapter: &AdapterSelector) -> Result<ExecReport, ProbeFailure> {
		let number = self.probes.fetch_add(1, Ordering::Relaxed);
		let folder = self.scratch.join(format!("probe-{}-{number}", std::process::id()));
		let io = |e: std::io::Error| ProbeFailure::Scratch { path: folder.clone(), reason: e.to_string() };
		std::fs::create_dir_all(&folder).map_err(io)?;
		let time_ms = u64::try_from(SERVICE_DEADLINE.as_millis()).unwrap_or(u64::MAX);
		let result = match probe::request(adapter.clone(), folder.clone(), time_ms) {
			Ok(request) => self.run(request, SERVICE_DEADLINE).await.map_err(ProbeFailure::Task),
			Err(e) => Err(ProbeFailure::Scratch { path: folder.clone(), reason: e.to_string() }),
		};
		std::fs::remove_dir_all(&folder).map_err(io)?;
		let report = result?;
		let right = [probe::answer()];
		if !report.outputs.iter().map(|o| &o.blob).eq(&right) {
			self.suspect.store(true, Ordering::Release);
			return Err(ProbeFailure::WrongAnswer { adapter: report.adapter.name });
		}
		self.suspect.store(false, Ordering::Release);
		Ok(report)
	}

	async fn run(&self, mut request: ExecRequest, deadline: Duration) -> Result<ExecReport, TaskFailure> {
		make_absolute(&mut request)?;
		request.limits.time_ms =
			request.limits.time_ms.min(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
		let (buffers, folder) = (request.buffer_bytes(), request.out_dir.clone());
		match self.converse(Work::Run(Box::new(request)), buffers, deadline, &folder).await? {
			Message::Ran(report) => Ok(report),
			Message::Failed(error) => Err(error.into()),
			other => Err(TaskFailure::Protocol {
				detail: format!("unexpected message {other:?}"),
				stderr: String::new(),
			}),
		}
	}

	/// Gives a child its order and returns its last message.
	async fn converse(
		&self,
		work: Work,
		buffer_bytes: u64,
		deadline: Duration,
		folder: &Path,
	) -> Result<Message, TaskFailure> {
		// Software devices compute on every core; the limit is for the case that nobody is left to kill the child.
		let cores = thread::available_parallelism().map_or(1, |n| n.get() as u64);
		let limits = ProcessLimits {
			memory_bytes: self.overhead_bytes.map(|bytes| bytes.saturating_add(buffer_bytes)),
			cpu_seconds: deadline.as_secs().saturating_add(60).saturating_mul(cores),
			open_files: OPEN_FILES,
		};
		let plan = Plan {
			executable: self.executable.clone(),
			environment: self.environment.clone(),
			folder: folder.to_path_buf(),
			order: Order { limits, work },
			deadline,
		};
		let (sender, receiver) = oneshot::channel();
		thread::Builder::new()
			.name("gpu-child".into())
			.spawn(move || process::look_after(plan, sender))
			.map_err(|e| TaskFailure::Spawn { executable: self.executable.clone(), reason: e.to_string() })?;
		receiver.await.unwrap_or_else(|_| {
			Err(TaskFailure::Protocol {
				detail: "the supervising thread panicked".into(),
				stderr: String::new(),
			})
		})
	}
}

/// Paths as the child must see them, whose working directory is another.
fn make_absolute(request: &mut ExecRequest) -> Result<(), TaskFailure> {
	let sources = request.buffers.iter_mut().map(|b| &mut b.source).chain([&mut request.package]);
	let files = sources.filter_map(|source| match source {
		Source::File(path) => Some(path),
		Source::Inline(_) | Source::Zero => None,
	});
	for path in files.chain([&mut request.out_dir]) {
		*path = absolute(&*path).map_err(|e| TaskFailure::Request(crate::exec::ExecError::io(path, &e)))?;
	}
	Ok(())
}
