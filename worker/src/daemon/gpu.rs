// SPDX-License-Identifier: Apache-2.0

//! The worker's GPU: which one it is, whose turn it is, and whether it is healthy.

use std::{path::PathBuf, time::Duration};

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::{
	adapters::{AdapterDescription, AdapterSelector, NoAdapter},
	exec::{ExecReport, ExecRequest},
	supervise::{ProbeFailure, Supervisor, TaskFailure},
};

/// Why there is no GPU to work with.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
	/// The children cannot be started at all.
	#[error("the worker cannot find its own program file, which GPU processes are started from: {0}")]
	Executable(std::io::Error),
	/// The adapters could not be listed.
	#[error("the GPUs of this machine could not be listed: {0}")]
	List(TaskFailure),
	/// None matches.
	#[error(transparent)]
	NoAdapter(NoAdapter),
	/// The one that matches does not compute right.
	#[error("{adapter} does not work: {failure}")]
	Unhealthy {
		/// The adapter.
		adapter: String,
		/// How it showed.
		failure: ProbeFailure,
	},
}

/// One GPU, shared by the tasks of a worker.
#[derive(Debug)]
pub struct Gpu {
	supervisor: Supervisor,
	selector: AdapterSelector,
	description: AdapterDescription,
	turns: Semaphore,
	/// One probe at a time.
	probe: Mutex<()>,
}

impl Gpu {
	/// The adapter that the selector asks for, if it computes right. `scratch` is an existing folder, `overhead` the
	/// memory of a GPU process beside its buffers, `at_once` the number of tasks that it may run at a time.
	pub async fn open(
		selector: AdapterSelector,
		scratch: PathBuf,
		overhead: Option<u64>,
		at_once: u32,
	) -> Result<Self, GpuError> {
		let supervisor = Supervisor::new(scratch).map_err(GpuError::Executable)?;
		Self::with_supervisor(supervisor.with_overhead(overhead), selector, at_once).await
	}

	/// As [`Self::open`], with a supervisor of one's own.
	pub async fn with_supervisor(
		supervisor: Supervisor,
		selector: AdapterSelector,
		at_once: u32,
	) -> Result<Self, GpuError> {
		let all = supervisor.adapters().await.map_err(GpuError::List)?;
		let found = || all.iter().map(ToString::to_string).collect();
		let none = || NoAdapter { wanted: selector.to_string(), found: found() };
		// The probe says which adapter the selector means: choosing is the child's business.
		let report = match supervisor.health_probe(&selector).await {
			Ok(report) => report,
			Err(ProbeFailure::Task(TaskFailure::Gpu(crate::exec::ExecError::NoAdapter(none)))) => {
				return Err(GpuError::NoAdapter(none));
			}
			Err(failure) => {
				return Err(GpuError::Unhealthy { adapter: format!("GPU `{selector}`"), failure });
			}
		};
		let chosen = &report.adapter;
		let is_it = |a: &&AdapterDescription| {
			(&a.name, &a.backend, &a.pci_bus_id) == (&chosen.name, &chosen.backend, &chosen.pci_bus_id)
		};
		let description = all.iter().find(is_it).ok_or_else(|| GpuError::NoAdapter(none()))?.clone();
		let turns = Semaphore::new(usize::try_from(at_once.max(1)).unwrap_or(1));
		Ok(Self { supervisor, selector, description, turns, probe: Mutex::default() })
	}

	/// What it is.
	pub fn description(&self) -> &AdapterDescription {
		&self.description
	}

	/// Its place in a request.
	pub fn selector(&self) -> &AdapterSelector {
		&self.selector
	}

	/// Waits for a turn: tasks get theirs in the order in which they asked.
	pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
		// Nobody closes the semaphore.
		self.turns.acquire().await.ok()
	}

	/// Runs a task in a child. Dropping the future kills the child.
	pub async fn run(&self, request: ExecRequest, limit: Duration) -> Result<ExecReport, TaskFailure> {
		self.supervisor.run_task(request, limit).await
	}

	/// Whether it has to show that it is healthy before the next task.
	pub fn is_suspect(&self) -> bool {
		self.supervisor.needs_probe()
	}

	/// Asks it to compute something whose answer is known.
	pub async fn probe(&self) -> Result<(), ProbeFailure> {
		let _alone = self.probe.lock().await;
		self.supervisor.health_probe(&self.selector).await.map(|_| ())
	}
}
