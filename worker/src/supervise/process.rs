// SPDX-License-Identifier: Apache-2.0

//! One child process, from start to end.

use std::{
	ffi::OsString,
	path::PathBuf,
	process::{ExitStatus, Stdio},
	time::Duration,
};

use tokio::{
	io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
	process::{Child, ChildStdin, ChildStdout, Command},
	sync::oneshot::Sender,
	time::{sleep, timeout},
};

use super::TaskFailure;
use crate::exec::{
	Phase,
	child::{Message, Order},
};

/// How much longer than its deadline a child may take to report that it is over.
const REPORT_GRACE: Duration = Duration::from_millis(300);
/// How long a child may take to end after its last message, and after SIGKILL.
const EXIT_GRACE: Duration = Duration::from_secs(5);
/// What a child may say in all, bytes.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;
/// How much of standard error is kept, bytes.
const STDERR_TAIL_BYTES: usize = 4 << 10;

/// What to start and what to tell it.
pub(super) struct Plan {
	pub executable: PathBuf,
	pub environment: Vec<(OsString, OsString)>,
	pub folder: PathBuf,
	pub order: Order,
	pub deadline: Duration,
}

/// How a conversation with a child ends.
enum End {
	/// With its last message.
	Message(Message),
	/// With the end of its output.
	Silence,
	/// With something that is no message.
	Garbage(String),
	/// The time is over.
	Deadline,
	/// Nobody waits for the result any more.
	Abandoned,
}

/// Runs a child to its end on this thread and sends the result, unless nobody waits for it.
pub(super) fn look_after(plan: Plan, mut sender: Sender<Result<Message, TaskFailure>>) {
	let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
	let result = match runtime {
		Ok(runtime) => runtime.block_on(converse(&plan, &mut sender)),
		Err(e) => Err(TaskFailure::Spawn { executable: plan.executable, reason: e.to_string() }),
	};
	// An error means that nobody waits.
	let _ = sender.send(result);
}

async fn converse(
	plan: &Plan,
	sender: &mut Sender<Result<Message, TaskFailure>>,
) -> Result<Message, TaskFailure> {
	let spawn = |reason: String| TaskFailure::Spawn { executable: plan.executable.clone(), reason };
	let mut order = serde_json::to_vec(&plan.order).map_err(|e| spawn(e.to_string()))?;
	order.push(b'\n');
	let mut child = command(plan).spawn().map_err(|e| spawn(e.to_string()))?;
	let (Some(mut stdin), Some(stdout), Some(stderr)) =
		(child.stdin.take(), child.stdout.take(), child.stderr.take())
	else {
		return Err(spawn("no pipes".into()));
	};
	let stderr = tokio::spawn(keep_tail(stderr));

	let mut phase = Phase::Start;
	let end = tokio::select! {
		end = listen(&mut stdin, &order, stdout, &mut phase) => end,
		() = sleep(plan.deadline.saturating_add(REPORT_GRACE)) => End::Deadline,
		() = sender.closed() => End::Abandoned,
	};
	if !matches!(end, End::Message(_) | End::Silence) {
		kill(&mut child);
	}
	let status = reap(&mut child).await;
	// Not before the child has ended: it takes a closed standard input for the supervisor's death.
	drop(stdin);
	let stderr = timeout(EXIT_GRACE, stderr).await.map_or(String::new(), Result::unwrap_or_default);
	match end {
		End::Message(message) => Ok(message),
		End::Deadline | End::Abandoned => {
			let limit_ms = u64::try_from(plan.deadline.as_millis()).unwrap_or(u64::MAX);
			Err(TaskFailure::TimedOut { phase, limit_ms })
		}
		End::Garbage(detail) => Err(TaskFailure::Protocol { detail, stderr }),
		End::Silence => Err(classify(status, phase, stderr)),
	}
}

fn command(plan: &Plan) -> Command {
	let mut command = Command::new(&plan.executable);
	command
		.arg("exec")
		.current_dir(&plan.folder)
		.env_clear()
		// Drivers write caches and look for settings in the home folder; implicit layers are code that somebody else
		// put on the machine.
		.env("HOME", &plan.folder)
		.env("TMPDIR", &plan.folder)
		.env("MESA_SHADER_CACHE_DISABLE", "true")
		.env("__GL_SHADER_DISK_CACHE", "0")
		.env("VK_LOADER_LAYERS_DISABLE", "~implicit~")
		.envs(plan.environment.iter().map(|(name, value)| (name, value)))
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::piped())
		.kill_on_drop(true);
	#[cfg(unix)]
	command.process_group(0);
	command
}

/// Gives the order and listens until the last message.
async fn listen(stdin: &mut ChildStdin, order: &[u8], stdout: ChildStdout, phase: &mut Phase) -> End {
	// A child that ends without reading its order shows in its output and status.
	let _ = stdin.write_all(order).await;
	let _ = stdin.flush().await;
	let mut stdout = BufReader::new(stdout.take(MAX_OUTPUT_BYTES));
	let mut line = Vec::new();
	loop {
		line.clear();
		match stdout.read_until(b'\n', &mut line).await {
			Ok(0) => return End::Silence,
			Ok(_) => {}
			Err(e) => return End::Garbage(e.to_string()),
		}
		match serde_json::from_slice(&line) {
			Ok(Message::Phase(next)) => *phase = next,
			Ok(message) => return End::Message(message),
			Err(e) => {
				let start: String = String::from_utf8_lossy(&line).trim_end().chars().take(100).collect();
				return End::Garbage(format!("`{start}` ({e})"));
			}
		}
	}
}

/// Waits for the end of a child; one that does not end is killed. `None` when even that does not help (a driver may
/// keep a process in the kernel).
async fn reap(child: &mut Child) -> Option<ExitStatus> {
	if let Ok(status) = timeout(EXIT_GRACE, child.wait()).await {
		return status.ok();
	}
	kill(child);
	timeout(EXIT_GRACE, child.wait()).await.ok()?.ok()
}

/// Kills a child and whatever it started.
fn kill(child: &mut Child) {
	#[cfg(unix)]
	if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
		// The child has not been waited for, so the id is still its own. It may have ended by itself.
		let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
	}
	// The same for systems without process groups; an error means that it has ended.
	let _ = child.start_kill();
}

/// Reads to the end and keeps the last bytes as text.
async fn keep_tail(mut stream: impl AsyncRead + Unpin) -> String {
	let (mut tail, mut chunk) = (Vec::new(), [0; 4096]);
	while let Ok(read @ 1..) = stream.read(&mut chunk).await {
		tail.extend(chunk.iter().take(read));
		let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
		tail.drain(..excess);
	}
	String::from_utf8_lossy(&tail).into_owned()
}

/// What became of a child that ended without a result.
fn classify(status: Option<ExitStatus>, phase: Phase, stderr: String) -> TaskFailure {
	// How Rust's and LLVM's allocators take their leave.
	let starved =
		stderr.lines().find(|line| line.contains("memory allocation of") || line.contains("out of memory"));
	if let Some(line) = starved {
		return TaskFailure::OutOfMemory { phase, detail: line.trim().into() };
	}
	#[cfg(unix)]
	if let Some(signal) = status.and_then(|s| std::os::unix::process::ExitStatusExt::signal(&s)) {
		return TaskFailure::Killed { signal, phase, stderr };
	}
	TaskFailure::Crashed { status: status.and_then(|s| s.code()).unwrap_or(-1), phase, stderr }
}

#[cfg(all(test, unix))]
mod tests {
	use super::*;
	use std::os::unix::process::ExitStatusExt;

	#[test]
	fn child_should_be_classified_by_status_and_last_words() {
		let of = |raw, stderr: &str| classify(Some(ExitStatus::from_raw(raw)), Phase::Device, stderr.into());
		assert!(matches!(of(9, ""), TaskFailure::Killed { signal: 9, .. }));
		assert!(matches!(of(6, "memory allocation of 8 bytes failed"), TaskFailure::OutOfMemory { .. }));
		assert!(matches!(of(2 << 8, "no order"), TaskFailure::Crashed { status: 2, .. }));
		assert!(matches!(
			classify(None, Phase::Device, String::new()),
			TaskFailure::Crashed { status: -1, .. }
		));
	}

	#[test]
	fn stderr_should_be_cut_to_its_end_when_it_is_long() {
		let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
		let text = format!("{}end", "x".repeat(100_000));
		let tail = runtime.block_on(keep_tail(text.as_bytes()));
		assert_eq!(tail.len(), STDERR_TAIL_BYTES);
		assert!(tail.ends_with("xend"));
	}
}
