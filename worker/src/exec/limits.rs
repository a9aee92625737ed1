// SPDX-License-Identifier: Apache-2.0

//! The limits that the child puts on itself before it reads a byte of a tenant's.

use serde::{Deserialize, Serialize};

/// Limits of the child process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessLimits {
	/// Writable private memory (`RLIMIT_DATA`), bytes; `None`: no limit. Address space as such is not limited: GPU
	/// drivers reserve far more than they use.
	pub memory_bytes: Option<u64>,
	/// Processor time (`RLIMIT_CPU`), seconds, over all threads: the last resort when a supervisor is gone.
	pub cpu_seconds: u64,
	/// Open files (`RLIMIT_NOFILE`).
	pub open_files: u64,
}

impl ProcessLimits {
	/// Applies the limits to this process; it cannot raise them again. Also: no core files (they would hold the
	/// tenant's data), no new privileges, and death when the thread that started it dies.
	#[cfg(unix)]
	pub fn apply(&self) -> std::io::Result<()> {
		use nix::sys::resource::{Resource, setrlimit};

		#[cfg(target_os = "linux")]
		{
			use nix::sys::{prctl, signal::Signal};
			prctl::set_pdeathsig(Signal::SIGKILL)?;
			prctl::set_no_new_privs()?;
		}
		setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
		setrlimit(Resource::RLIMIT_CPU, self.cpu_seconds, self.cpu_seconds)?;
		setrlimit(Resource::RLIMIT_NOFILE, self.open_files, self.open_files)?;
		if let Some(bytes) = self.memory_bytes {
			setrlimit(Resource::RLIMIT_DATA, bytes, bytes)?;
		}
		Ok(())
	}

	/// Windows has no such limits; the supervisor's deadline is all there is.
	#[cfg(not(unix))]
	pub fn apply(&self) -> std::io::Result<()> {
		Ok(())
	}
}
