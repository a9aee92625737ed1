// SPDX-License-Identifier: Apache-2.0

//! What can become of a task that does not run.

use std::{fmt, path::PathBuf};

use crate::exec::{ExecError, Phase};
use tessera_client::admission::AdmissionError;

/// Why a task has no result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TaskFailure {
	/// It was not finished at its deadline, and was killed if it did not end by itself.
	#[error("not finished after {limit_ms} ms, while {phase}")]
	TimedOut {
		/// What it was doing.
		phase: Phase,
		/// The deadline, milliseconds.
		limit_ms: u64,
	},
	/// The child was ended by a signal that the supervisor did not send.
	#[error("the GPU process was killed by {} while {phase}{}", signal_name(*.signal), tail(.stderr))]
	Killed {
		/// The signal.
		signal: i32,
		/// What it was doing.
		phase: Phase,
		/// The end of what it printed.
		stderr: String,
	},
	/// The GPU has not got the memory, or the child exceeded its limit.
	#[error("out of memory while {phase}: {detail}")]
	OutOfMemory {
		/// What it was doing.
		phase: Phase,
		/// What the driver or the allocator said.
		detail: String,
	},
	/// The program or the job's numbers are refused; no GPU saw them.
	#[error(transparent)]
	Rejected(AdmissionError),
	/// The request itself is not sound, or its files are not what it says.
	#[error(transparent)]
	Request(ExecError),
	/// The GPU or its driver refuses or fails.
	#[error(transparent)]
	Gpu(ExecError),
	/// The child ended by itself without a result.
	#[error("the GPU process ended with status {status} while {phase}{}", tail(.stderr))]
	Crashed {
		/// Its exit status.
		status: i32,
		/// What it was doing.
		phase: Phase,
		/// The end of what it printed.
		stderr: String,
	},
	/// The child says something that is no message.
	#[error("the GPU process does not speak the supervisor's language: {detail}{}", tail(.stderr))]
	Protocol {
		/// What it said.
		detail: String,
		/// The end of what it printed.
		stderr: String,
	},
	/// The child could not be started.
	#[error("{} cannot be started: {reason}", executable.display())]
	Spawn {
		/// The executable.
		executable: PathBuf,
		/// Why.
		reason: String,
	},
}

impl TaskFailure {
	/// Whether the GPU may be in a bad state: it has to pass the health probe before the next task.
	pub fn taints_gpu(&self) -> bool {
		match self {
			Self::TimedOut { .. } | Self::Killed { .. } | Self::OutOfMemory { .. } | Self::Crashed { .. } => {
				true
			}
			Self::Gpu(error) => matches!(error, ExecError::DeviceLost { .. } | ExecError::Internal { .. }),
			Self::Rejected(_) | Self::Request(_) | Self::Protocol { .. } | Self::Spawn { .. } => false,
		}
	}

	/// Whether the program is to blame, once the GPU has passed the health probe: it is refused, hangs, exceeds memory
	/// or crashes the driver. What a person or the system did to the child (SIGKILL, SIGTERM) blames nobody.
	pub fn blames_program(&self) -> bool {
		match self {
			Self::TimedOut { .. } | Self::OutOfMemory { .. } => true,
			Self::Rejected(error) => !matches!(error, AdmissionError::NoThread { .. }),
			Self::Gpu(error) => matches!(
				error,
				ExecError::Invalid { .. } | ExecError::DeviceLost { .. } | ExecError::Internal { .. }
			),
			Self::Killed { signal, .. } => is_fault(*signal),
			Self::Request(_) | Self::Crashed { .. } | Self::Protocol { .. } | Self::Spawn { .. } => false,
		}
	}
}

impl From<ExecError> for TaskFailure {
	fn from(error: ExecError) -> Self {
		match error {
			ExecError::TimedOut { phase, limit_ms } => Self::TimedOut { phase, limit_ms },
			ExecError::OutOfMemory { phase, detail } => Self::OutOfMemory { phase, detail },
			ExecError::Rejected(error) => Self::Rejected(error),
			ExecError::BadRequest { .. }
			| ExecError::BadPackage { .. }
			| ExecError::InputLength { .. }
			| ExecError::Io { .. } => Self::Request(error),
			ExecError::NoAdapter(_)
			| ExecError::Unsupported { .. }
			| ExecError::OverBudget { .. }
			| ExecError::Invalid { .. }
			| ExecError::DeviceLost { .. }
			| ExecError::Internal { .. } => Self::Gpu(error),
		}
	}
}

/// Why a GPU is not known to be healthy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeFailure {
	/// The probe did not run.
	#[error("the health probe failed: {0}")]
	Task(TaskFailure),
	/// The probe ran and the answer is wrong.
	#[error("adapter {adapter} computes wrong results: restart the machine, then test or replace the GPU")]
	WrongAnswer {
		/// The adapter.
		adapter: String,
	},
	/// The probe's folder cannot be made or removed.
	#[error("the health probe cannot use {}: {reason}", path.display())]
	Scratch {
		/// The folder.
		path: PathBuf,
		/// Why.
		reason: String,
	},
}

#[cfg(unix)]
fn signal_name(signal: i32) -> String {
	nix::sys::signal::Signal::try_from(signal).map_or(format!("signal {signal}"), |s| s.as_str().into())
}

#[cfg(not(unix))]
fn signal_name(signal: i32) -> String {
	format!("signal {signal}")
}

/// Whether a signal is what a process does to itself by an error.
#[cfg(unix)]
fn is_fault(signal: i32) -> bool {
	use nix::sys::signal::Signal::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGXCPU};
	[SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, SIGXCPU].map(|s| s as i32).contains(&signal)
}

#[cfg(not(unix))]
fn is_fault(_signal: i32) -> bool {
	false
}

fn tail(stderr: &str) -> impl fmt::Display {
	let stderr = stderr.trim();
	if stderr.is_empty() { String::new() } else { format!("; its last words: {stderr}") }
}

#[cfg(test)]
mod tests {
	use super::*;

	fn killed(signal: i32) -> TaskFailure {
		TaskFailure::Killed { signal, phase: Phase::Device, stderr: "boom\n".into() }
	}

	#[test]
	#[cfg(unix)]
	fn failure_should_blame_the_program_only_when_the_child_faulted_by_itself() {
		assert!(killed(11).blames_program() && killed(6).blames_program());
		assert!(!killed(9).blames_program() && !killed(15).blames_program());
		assert!(killed(9).taints_gpu());
		assert_eq!(
			killed(11).to_string(),
			"the GPU process was killed by SIGSEGV while opening the GPU; its last words: boom"
		);
	}

	#[test]
	fn failure_should_keep_its_kind_when_it_comes_from_the_child() {
		let rejected = AdmissionError::BufferCount { found: 1, expected: 2 };
		let failure = TaskFailure::from(ExecError::Rejected(rejected.clone()));
		assert_eq!(failure, TaskFailure::Rejected(rejected));
		assert!(failure.blames_program() && !failure.taints_gpu());
		let failure = TaskFailure::from(ExecError::OverBudget { needed: 2, allowed: 1 });
		assert!(!failure.blames_program() && !failure.taints_gpu());
		let lost = ExecError::DeviceLost { phase: Phase::Device, detail: "reset".into() };
		assert!(TaskFailure::from(lost).taints_gpu());
	}
}
