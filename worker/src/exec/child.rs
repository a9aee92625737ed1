// SPDX-License-Identifier: Apache-2.0

//! The child process: `tessera-worker exec`.
//!
//! It reads one order, a line of JSON, from standard input and writes [`Message`]s, a line of JSON each, to standard
//! output; the last one is the result. Standard input stays open as long as the supervisor lives: when it closes, the
//! child ends at once, whatever it is doing. Drivers that print go to standard error.

use std::{
	fs::File,
	io::{self, BufRead, Read, Write},
	thread,
};

use serde::{Deserialize, Serialize};
use tessera_client::admission::PARSER_STACK_BYTES;

use super::{
	limits::ProcessLimits,
	request::{ExecError, ExecReport, ExecRequest, Phase},
};
use crate::adapters::{self, AdapterDescription};

/// Longest order, bytes: inline inputs are a few KiB each.
const MAX_ORDER_BYTES: u64 = 4 << 20;

/// Exit status when the order makes no sense.
const EXIT_USAGE: i32 = 2;
/// Exit status when the supervisor went away.
const EXIT_ORPHANED: i32 = 3;

/// What the supervisor sends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
	/// Limits of the process.
	pub limits: ProcessLimits,
	/// What to do.
	pub work: Work,
}

/// What to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
	/// List the adapters.
	Adapters,
	/// Run a task.
	Run(Box<ExecRequest>),
}

/// What the child sends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
	/// It begins a phase.
	Phase(Phase),
	/// The adapters; the last message.
	Adapters(Vec<AdapterDescription>),
	/// The task ran; the last message.
	Ran(ExecReport),
	/// The task did not run; the last message.
	Failed(ExecError),
}

/// Does what the order on standard input says and ends the process. To be called first thing in the process.
pub fn main() -> ! {
	close_inherited();
	let mut output = match take_stdout() {
		Ok(output) => output,
		Err(e) => give_up(&format!("standard output cannot be taken over: {e}")),
	};
	let mut line = String::new();
	let order = match io::stdin().lock().take(MAX_ORDER_BYTES).read_line(&mut line) {
		Ok(_) => serde_json::from_str::<Order>(&line),
		Err(e) => give_up(&format!("no order on standard input: {e}")),
	};
	let order = match order {
		Ok(order) => order,
		Err(e) => give_up(&format!(
			"the order on standard input is not one: {e}; `exec` is started by `tessera-worker run`, not by hand"
		)),
	};
	if let Err(e) = order.limits.apply() {
		give_up(&format!("the process cannot limit itself: {e}"));
	}
	if let Err(e) = thread::Builder::new().name("lifeline".into()).spawn(watch_supervisor) {
		give_up(&format!("no thread to watch the supervisor: {e}"));
	}

	let mut last = Phase::Start;
	let result = thread::scope(|scope| {
		let (output, last) = (&mut output, &mut last);
		let work = move || match order.work {
			Work::Adapters => {
				let all = adapters::enumerate(&adapters::instance());
				Message::Adapters(all.into_iter().map(|a| a.description).collect())
			}
			Work::Run(request) => {
				let mut progress = |phase: &Phase| {
					*last = phase.clone();
					send(output, &Message::Phase(phase.clone()));
				};
				super::run(&request, &mut progress).map_or_else(Message::Failed, Message::Ran)
			}
		};
		let spawned = thread::Builder::new()
			.name("gpu".into())
			.stack_size(PARSER_STACK_BYTES)
			.spawn_scoped(scope, work);
		spawned.map(|thread| thread.join())
	});
	let message = match result {
		Ok(Ok(message)) => message,
		Ok(Err(panic)) => {
			let text = panic.downcast_ref::<&str>().copied();
			let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
			let detail = format!("panic: {}", text.unwrap_or("without a message"));
			Message::Failed(ExecError::Internal { phase: last, detail })
		}
		Err(e) => give_up(&format!("no thread to work on: {e}")),
	};
	send(&mut output, &message);
	exit(0)
}

/// Closes every file but the three standard ones. The supervisor opens its files so that children do not inherit
/// them; this is for files that the supervisor has itself inherited from whoever started it.
fn close_inherited() {
	#[cfg(unix)]
	{
		let Ok(open) = std::fs::read_dir("/dev/fd") else { return };
		let open: Vec<i32> = open
			.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
			.filter(|fd| *fd > 2)
			.collect();
		for fd in open {
			// Fails for the descriptor of the listing itself, which is closed already.
			let _ = nix::unistd::close(fd);
		}
	}
}

/// Standard output for messages alone: whatever else in this process prints to it goes to standard error.
fn take_stdout() -> io::Result<File> {
	#[cfg(unix)]
	{
		let output = nix::unistd::dup(io::stdout())?;
		nix::unistd::dup2_stdout(io::stderr())?;
		Ok(File::from(output))
	}
	#[cfg(windows)]
	{
		use std::os::windows::io::AsHandle;
		Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
	}
}

fn send(output: &mut File, message: &Message) {
	let sent = serde_json::to_vec(message).map_err(io::Error::from).and_then(|mut line| {
		line.push(b'\n');
		output.write_all(&line)
	});
	if let Err(e) = sent {
		give_up(&format!("the supervisor does not listen: {e}"));
	}
}

/// Returns never: ends the process when standard input closes.
fn watch_supervisor() {
	let mut ignored = [0; 64];
	while matches!(io::stdin().read(&mut ignored), Ok(n) if n > 0) {}
	exit(EXIT_ORPHANED)
}

fn give_up(reason: &str) -> ! {
	// Standard error may be closed; there is nowhere else to say it.
	let _ = writeln!(io::stderr(), "tessera-worker exec: {reason}");
	exit(EXIT_USAGE)
}

/// Ends the process at once. Exit handlers of GPU drivers join their threads, and so would wait for a kernel that
/// never ends; there is nothing to clean up that the system does not.
fn exit(status: i32) -> ! {
	#[cfg(unix)]
	// SAFETY: `_exit` takes any status, has no preconditions and does not return. Messages are written unbuffered.
	unsafe {
		nix::libc::_exit(status)
	}
	#[cfg(not(unix))]
	std::process::exit(status)
}
