// SPDX-License-Identifier: Apache-2.0

//! Tasks that fail: each in a named way, each leaving a machine that takes the next one.

mod gpu_common;

use std::time::{Duration, Instant};

use gpu_common::*;
use tessera_primitives::program::Access;
use tessera_worker::{
	admission::AdmissionError,
	exec::{BufferSpec, ExecError, Phase, Source},
	supervise::{ProbeFailure, Supervisor, TaskFailure},
};

const OUT: &[(u8, u8, Access)] = &[(0, 0, Access::ReadWrite)];

/// A task of one stage, `main`, and one output, `data`.
fn task_of(statements: &str, globals: &str) -> Task {
	let wgsl = format!(
		"@group(0) @binding(0) var<storage, read_write> data: array<u32>;
{globals}
@compute @workgroup_size(1) fn main() {{ {statements} }}"
	);
	Task::new(package(&wgsl, &[OUTPUT], &[Stage("main", OUT)]), vec![zeros(1024)], vec![[1, 1, 1]])
}

async fn failure(task: &Task) -> TaskFailure {
	let supervisor = supervisor(task.folder.path());
	let failure = task.run(&supervisor).await.unwrap_err();
	assert_eq!(supervisor.needs_probe(), failure.taints_gpu());
	failure
}

/// Processes whose working directory is the folder: the children of this task.
#[cfg(target_os = "linux")]
fn children_in(folder: &std::path::Path) -> Vec<i32> {
	let folder = folder.canonicalize().unwrap();
	let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
		let id = entry.unwrap().file_name().to_str()?.parse().ok()?;
		(std::fs::read_link(format!("/proc/{id}/cwd")).ok()? == folder).then_some(id)
	});
	processes.collect()
}

/// The one child of a task, once it runs the stage.
#[cfg(target_os = "linux")]
async fn running_child(folder: &std::path::Path) -> i32 {
	let began = Instant::now();
	while began.elapsed() < MINUTE {
		let cpu = |id: &i32| {
			let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
			// Field 14, user time in hundredths of a second; the name in field 2 holds no space here.
			stat.split(' ').nth(13)?.parse::<u64>().ok()
		};
		if let Some(id) = children_in(folder).into_iter().find(|id| cpu(id) > Some(10)) {
			return id;
		}
		tokio::time::sleep(Duration::from_millis(20)).await;
	}
	panic!("no child is at work");
}

#[tokio::test]
async fn endless_shader_should_be_stopped_at_its_deadline_and_leave_a_healthy_gpu() {
	let task = endless_task();
	let supervisor = supervisor(task.folder.path());
	let deadline = Duration::from_secs(3);
	let began = Instant::now();
	let failure = supervisor.run_task(task.request.clone(), deadline).await.unwrap_err();
	let took = began.elapsed();
	assert_eq!(
		failure,
		TaskFailure::TimedOut { phase: Phase::Stage { stage: "spin".into() }, limit_ms: 3000 }
	);
	assert!(failure.blames_program());
	assert!(took >= deadline && took < deadline + Duration::from_secs(5), "took {took:?}");
	#[cfg(target_os = "linux")]
	assert_eq!(children_in(task.folder.path()), [0; 0], "the child is still there");
	assert!(!task.folder.path().join("1.bin").exists());

	assert!(supervisor.needs_probe());
	supervisor.health_probe(&adapter()).await.unwrap();
	assert!(!supervisor.needs_probe());
	let next = doubling_task(100);
	next.run(&supervisor).await.unwrap();
	assert_eq!(next.words(1)[99], 198);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stopped_child_should_be_killed_at_its_deadline_when_it_cannot_report() {
	use nix::{sys::signal, unistd::Pid};

	let task = endless_task();
	let supervisor = supervisor(task.folder.path());
	let run = supervisor.run_task(task.request.clone(), Duration::from_secs(6));
	let stop = async {
		let child = running_child(task.folder.path()).await;
		signal::kill(Pid::from_raw(child), signal::SIGSTOP).unwrap();
	};
	let (result, ()) = tokio::join!(run, stop);
	assert!(matches!(result, Err(TaskFailure::TimedOut { .. })), "{result:?}");
	assert_eq!(children_in(task.folder.path()), [0; 0], "the child is still there");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn killed_child_should_be_reported_with_its_signal() {
	use nix::{sys::signal, unistd::Pid};

	let task = endless_task();
	let supervisor = supervisor(task.folder.path());
	let run = task.run(&supervisor);
	let kill = async {
		let child = running_child(task.folder.path()).await;
		signal::kill(Pid::from_raw(child), signal::SIGKILL).unwrap();
	};
	let (result, ()) = tokio::join!(run, kill);
	let failure = result.unwrap_err();
	assert!(
		matches!(&failure, TaskFailure::Killed { signal: 9, phase: Phase::Stage { stage }, .. } if stage == "spin"),
		"{failure:?}"
	);
	assert!(supervisor.needs_probe() && !failure.blames_program());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn child_should_be_killed_when_nobody_waits_for_it_any_more() {
	let task = endless_task();
	let supervisor = supervisor(task.folder.path());
	tokio::select! {
		result = task.run(&supervisor) => panic!("{result:?}"),
		_ = running_child(task.folder.path()) => {},
	}
	let began = Instant::now();
	while !children_in(task.folder.path()).is_empty() {
		assert!(began.elapsed() < Duration::from_secs(5), "the child is still there");
		tokio::time::sleep(Duration::from_millis(20)).await;
	}
}

#[tokio::test]
async fn task_should_be_refused_when_its_buffers_exceed_what_it_may_take() {
	let mut task = doubling_task(1024);
	task.request.limits.buffer_bytes = 8191;
	let failure = failure(&task).await;
	assert_eq!(failure, TaskFailure::Gpu(ExecError::OverBudget { needed: 8192, allowed: 8191 }));
	assert!(!failure.blames_program());
}

#[tokio::test]
async fn task_should_be_refused_when_the_adapter_has_no_room_for_a_buffer() {
	// One word more than any adapter binds, within what the chain allows.
	let bytes = (1 << 31) - 4;
	let mut task = task_of("data[0] = 1u;", "");
	task.request.buffers = vec![zeros(bytes)];
	task.request.limits.buffer_bytes = bytes;
	let supervisor = supervisor(task.folder.path());
	let room = supervisor.adapters().await.unwrap();
	if room.iter().all(|a| a.max_binding_bytes < bytes) {
		let failure = task.run(&supervisor).await.unwrap_err();
		assert!(matches!(&failure, TaskFailure::Gpu(ExecError::Unsupported { .. })), "{failure:?}");
	}
}

#[tokio::test]
async fn shader_should_be_refused_when_it_asks_for_too_much_memory() {
	let error = failure(&task_of("big[data[0]] = 1u;", "var<workgroup> big: array<u32, 8192>;")).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::WorkgroupMemory { .. })), "{error:?}");
	let error = failure(&task_of("big[data[0]] = 1u;", "var<private> big: array<u32, 100000000>;")).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::PrivateMemory { .. })), "{error:?}");
}

#[tokio::test]
async fn child_should_fail_by_name_when_the_process_runs_out_of_memory() {
	// The limit counts the buffers in. Without anything for the rest of the process there is room for one of them, on
	// a device whose memory is the process's own.
	let file = tempfile::NamedTempFile::new().unwrap();
	let bytes = 128 << 20;
	file.as_file().set_len(bytes).unwrap();
	let input = BufferSpec { bytes, source: Source::File(file.path().into()) };
	let mut task = Task::new(doubling(), vec![input, zeros(bytes)], vec![[1, 1, 1]]);
	task.request.adapter = "llvmpipe".parse().unwrap();
	let supervisor =
		supervisor(task.folder.path()).with_overhead(Some(0)).with_variable("LP_NUM_THREADS", "1");
	let failure = task.run(&supervisor).await.unwrap_err();
	assert!(matches!(&failure, TaskFailure::OutOfMemory { .. }), "{failure:?}");
	assert!(supervisor.needs_probe() && failure.blames_program());
}

#[tokio::test]
async fn program_should_be_rejected_when_its_wgsl_is_wrong() {
	let error = failure(&task_of("data[0] = ;", "")).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::Parse { line: 3, .. })), "{error:?}");
	let error = failure(&task_of("", "@group(0) @binding(1) var<storage> flags: array<bool>;")).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::Invalid { .. })), "{error:?}");
	let error =
		failure(&task_of("data[0] = other[0];", "@group(1) @binding(0) var<storage> other: array<u32>;"))
			.await;
	assert!(
		matches!(error, TaskFailure::Rejected(AdmissionError::UnlistedBinding { group: 1, .. })),
		"{error:?}"
	);
	assert!(error.blames_program());

	let read_only = "@group(0) @binding(0) var<storage> data: array<u32>; @compute @workgroup_size(1)
		fn main() { var x = data[0]; x++; }";
	let package = package(read_only, &[OUTPUT], &[Stage("main", OUT)]);
	let error = failure(&Task::new(package, vec![zeros(4)], vec![[1, 1, 1]])).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::BindingMismatch { .. })), "{error:?}");
}

#[tokio::test]
async fn task_should_be_rejected_when_a_dispatch_or_length_is_beyond_the_limits() {
	let with = |change: fn(&mut Task)| {
		let mut task = doubling_task(64);
		change(&mut task);
		task
	};
	let error = failure(&with(|t| t.request.dispatches = vec![[65_536, 1, 1]])).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::Dispatch { .. })), "{error:?}");
	let error = failure(&with(|t| t.request.dispatches = vec![[0, 1, 1]])).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::Dispatch { .. })), "{error:?}");
	let error = failure(&with(|t| t.request.buffers[1] = zeros(0))).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::BufferLength { .. })), "{error:?}");
	let error = failure(&with(|t| t.request.buffers.truncate(1))).await;
	assert!(matches!(error, TaskFailure::Rejected(AdmissionError::BufferCount { .. })), "{error:?}");
}

#[tokio::test]
async fn task_should_be_refused_when_its_inputs_are_not_what_the_request_says() {
	let with = |change: fn(&mut Task)| {
		let mut task = doubling_task(64);
		change(&mut task);
		task
	};
	let error = failure(&with(|t| t.request.buffers[0] = zeros(256))).await;
	assert!(matches!(error, TaskFailure::Request(ExecError::BadRequest { .. })), "{error:?}");
	let error = failure(&with(|t| t.request.buffers[1] = words(0..64))).await;
	assert!(matches!(error, TaskFailure::Request(ExecError::BadRequest { .. })), "{error:?}");
	let error = failure(&with(|t| t.request.buffers[0].source = Source::File("/nowhere".into()))).await;
	assert!(matches!(error, TaskFailure::Request(ExecError::Io { .. })), "{error:?}");
	let error = failure(&with(|t| {
		let path = t.folder.path().join("short");
		std::fs::write(&path, [0; 252]).unwrap();
		t.request.buffers[0].source = Source::File(path);
	}))
	.await;
	assert!(
		matches!(
			error,
			TaskFailure::Request(ExecError::InputLength { slot: 0, expected: 256, found: 252, .. })
		),
		"{error:?}"
	);
	let error = failure(&with(|t| t.request.package = Source::Inline(vec![1, 2, 3]))).await;
	assert!(matches!(error, TaskFailure::Request(ExecError::BadPackage { .. })), "{error:?}");
	assert!(!error.blames_program() && !error.taints_gpu());
}

#[tokio::test]
async fn task_should_name_the_adapters_when_none_is_what_it_asks_for() {
	let mut task = doubling_task(64);
	task.request.adapter = "Voodoo 2".parse().unwrap();
	let error = failure(&task).await;
	assert!(matches!(error, TaskFailure::Gpu(ExecError::NoAdapter(_))), "{error:?}");
	assert!(error.to_string().contains("no GPU adapter matches `Voodoo 2`"), "{error}");
}

/// A script in place of the child.
#[cfg(unix)]
fn script(folder: &std::path::Path, lines: &str) -> Supervisor {
	use std::os::unix::fs::PermissionsExt;

	let path = folder.join("child.sh");
	std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
	std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
	Supervisor::with_executable(path, folder)
}

#[cfg(unix)]
#[tokio::test]
async fn child_should_be_distrusted_when_its_output_is_garbage() {
	let task = doubling_task(64);
	for garbage in ["echo 'Segmentation fault'", "echo '{\"ran\": {}}'", "head -c 10000000 /dev/zero"] {
		let error = task.run(&script(task.folder.path(), &format!("{garbage}; sleep 60"))).await.unwrap_err();
		assert!(matches!(error, TaskFailure::Protocol { .. }), "{garbage}: {error:?}");
	}
	let error = task.run(&script(task.folder.path(), "echo some words >&2; exit 7")).await.unwrap_err();
	assert_eq!(error, TaskFailure::Crashed { status: 7, phase: Phase::Start, stderr: "some words\n".into() });
	let error = task.run(&Supervisor::with_executable("/nowhere", task.folder.path())).await.unwrap_err();
	assert!(matches!(error, TaskFailure::Spawn { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn child_should_inherit_no_secret_of_the_environment() {
	assert!(std::env::var("PATH").is_ok(), "there is something that must not be passed on");
	let task = doubling_task(64);
	let error = task.run(&script(task.folder.path(), "/usr/bin/env >&2; exit 1")).await.unwrap_err();
	let TaskFailure::Crashed { stderr, .. } = error else { panic!("{error:?}") };
	let allowed =
		["HOME", "TMPDIR", "MESA_", "__GL_", "VK_", "WGPU_", "LP_", "XDG_DATA_DIRS", "LD_LIBRARY_PATH"];
	// The shell adds its own.
	let shell = ["PWD", "OLDPWD", "SHLVL", "_="];
	assert!(stderr.lines().any(|line| line == format!("HOME={}", task.folder.path().display())), "{stderr}");
	for line in stderr.lines() {
		assert!(allowed.iter().chain(&shell).any(|name| line.starts_with(name)), "{line}");
	}
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn child_should_close_files_that_it_inherits() {
	// `dup` makes a descriptor that every child inherits, as careless parents of the daemon do.
	let secret = tempfile::NamedTempFile::new().unwrap();
	let _leaked = nix::unistd::dup(secret.as_file()).unwrap();
	let task = endless_task();
	let supervisor = supervisor(task.folder.path());
	let inspect = async {
		let child = running_child(task.folder.path()).await;
		let files = std::fs::read_dir(format!("/proc/{child}/fd")).unwrap();
		files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok()).collect::<Vec<_>>()
	};
	let open = tokio::select! {
		result = task.run(&supervisor) => panic!("{result:?}"),
		open = inspect => open,
	};
	assert!(open.len() > 3, "the child's files can be seen: {open:?}");
	assert!(!open.iter().any(|path| path == secret.path()), "{open:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn child_should_limit_itself_before_it_works() {
	let task = endless_task();
	let supervisor = supervisor(task.folder.path()).with_overhead(Some(1 << 30));
	let inspect = async {
		let child = running_child(task.folder.path()).await;
		let limits = std::fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
		let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
		let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
		(child, limits, status, stat)
	};
	let (child, limits, status, stat) = tokio::select! {
		result = task.run(&supervisor) => panic!("{result:?}"),
		found = inspect => found,
	};
	let limit = |name: &str| {
		let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
		line[name.len()..].split_whitespace().take(2).map(String::from).collect::<Vec<_>>()
	};
	let data = ((1 << 30) + 8).to_string();
	assert_eq!(limit("Max data size"), [data.clone(), data]);
	assert_eq!(limit("Max core file size"), ["0", "0"]);
	assert_eq!(limit("Max open files"), ["1024", "1024"]);
	assert_ne!(limit("Max cpu time")[1], "unlimited");
	assert!(status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"])), "{status}");
	// Field 5: the process group is the child's own.
	assert_eq!(stat.split(' ').nth(4).unwrap(), child.to_string());
}

#[cfg(unix)]
#[tokio::test]
async fn child_should_end_when_its_supervisor_is_gone() {
	use std::process::{Command, Stdio};

	// A supervisor that gives an order and dies: its end of the pipe closes.
	let task = endless_task();
	let order = tessera_worker::exec::child::Order {
		limits: tessera_worker::exec::limits::ProcessLimits {
			memory_bytes: None,
			cpu_seconds: 600,
			open_files: 1024,
		},
		work: tessera_worker::exec::child::Work::Run(Box::new(task.request.clone())),
	};
	let mut child = Command::new(env!("CARGO_BIN_EXE_tessera-worker"))
		.arg("exec")
		.stdin(Stdio::piped())
		.stdout(Stdio::null())
		.stderr(Stdio::null())
		.spawn()
		.unwrap();
	let mut stdin = child.stdin.take().unwrap();
	serde_json::to_writer(&mut stdin, &order).unwrap();
	std::io::Write::write_all(&mut stdin, b"\n").unwrap();
	std::thread::sleep(Duration::from_secs(1));
	assert!(child.try_wait().unwrap().is_none(), "the child works");
	drop(stdin);
	let began = Instant::now();
	let status = loop {
		if let Some(status) = child.try_wait().unwrap() {
			break status;
		}
		assert!(began.elapsed() < Duration::from_secs(5), "the child is still there");
		std::thread::sleep(Duration::from_millis(10));
	};
	assert_eq!(status.code(), Some(3));
}

#[cfg(unix)]
#[tokio::test]
async fn gpu_should_not_pass_the_probe_when_its_answer_is_wrong() {
	// The noop backend computes nothing, so its answer is zeros.
	let folder = tempfile::tempdir().unwrap();
	let supervisor = noop_supervisor(folder.path());
	let any = "any".parse().unwrap();
	let error = supervisor.health_probe(&any).await.unwrap_err();
	assert!(matches!(error, ProbeFailure::WrongAnswer { .. }), "{error:?}");
	assert!(supervisor.needs_probe());
	assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the probe leaves nothing behind");
}
