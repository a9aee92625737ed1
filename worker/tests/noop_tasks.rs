// SPDX-License-Identifier: Apache-2.0

//! The supervisor's scheduling on wgpu's noop backend, which does everything but compute: fast, and on every machine.

mod gpu_common;

use std::time::{Duration, Instant};

use gpu_common::*;
use tessera_worker::exec::{ExecError, Source};
use tessera_worker::supervise::TaskFailure;

fn noop(mut task: Task) -> Task {
	task.request.adapter = "any".parse().unwrap();
	task
}

#[tokio::test]
async fn task_should_report_zeros_when_the_backend_computes_nothing() {
	let task = noop(doubling_task(1000));
	let report = task.run(&noop_supervisor(task.folder.path())).await.unwrap();
	assert_eq!(report.adapter.backend, "noop");
	assert_eq!(task.words(1), [0; 1000]);
	assert_eq!(report.outputs[0].blob.bytes, 4000);
}

#[tokio::test]
async fn noop_backend_should_not_be_found_unless_it_is_asked_for() {
	let folder = tempfile::tempdir().unwrap();
	let listed = supervisor(folder.path()).adapters().await.unwrap();
	assert!(listed.iter().all(|a| a.backend != "noop"), "{listed:?}");
	let half_asked = supervisor(folder.path()).with_variable("WGPU_BACKEND", "noop");
	assert_eq!(half_asked.adapters().await.unwrap(), []);
	let asked = noop_supervisor(folder.path()).adapters().await.unwrap();
	assert_eq!(asked.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_should_run_side_by_side_when_they_are_started_together() {
	let folder = tempfile::tempdir().unwrap();
	let supervisor = noop_supervisor(folder.path());
	let tasks: Vec<_> = (1..=8).map(|n| noop(doubling_task(n * 100))).collect();
	let runs = tasks.iter().map(|task| task.run(&supervisor));
	for (task, result) in tasks.iter().zip(futures::future::join_all(runs).await) {
		assert_eq!(result.unwrap().outputs[0].blob.bytes, task.request.buffers[1].bytes);
	}
}

#[tokio::test]
async fn task_should_time_out_when_its_deadline_is_shorter_than_a_start() {
	let task = noop(doubling_task(64));
	let failure =
		noop_supervisor(task.folder.path()).run_task(task.request.clone(), Duration::ZERO).await.unwrap_err();
	assert!(matches!(failure, TaskFailure::TimedOut { limit_ms: 0, .. }), "{failure:?}");
}

#[tokio::test]
async fn output_should_be_whole_or_absent_when_the_folder_cannot_be_written() {
	let mut task = noop(doubling_task(64));
	let gone = task.folder.path().join("gone");
	std::fs::create_dir(&gone).unwrap();
	// A folder in the output's place: the temporary file cannot take its name.
	std::fs::create_dir(gone.join("1.bin")).unwrap();
	task.request.out_dir = gone.clone();
	let failure = task.run(&noop_supervisor(task.folder.path())).await.unwrap_err();
	assert!(
		matches!(&failure, TaskFailure::Request(ExecError::Io { path, .. }) if path.ends_with("1.bin")),
		"{failure:?}"
	);
}

#[tokio::test]
async fn relative_paths_should_mean_the_parents_folder() {
	let mut task = noop(doubling_task(64));
	let here = std::env::current_dir().unwrap();
	let input = tempfile::Builder::new().prefix("noop-input-").tempfile_in(&here).unwrap();
	std::fs::write(input.path(), [1; 256]).unwrap();
	let name = input.path().file_name().unwrap();
	task.request.buffers[0].source = Source::File(name.into());
	task.run(&noop_supervisor(task.folder.path())).await.unwrap();
}

#[tokio::test]
async fn starting_a_child_should_cost_little() {
	let task = noop(doubling_task(64));
	let supervisor = noop_supervisor(task.folder.path());
	let mut fastest = Duration::MAX;
	for _ in 0..5 {
		let began = Instant::now();
		task.run(&supervisor).await.unwrap();
		fastest = fastest.min(began.elapsed());
	}
	// The target of a whole task's overhead is 50 ms; this leaves room for a busy machine.
	assert!(fastest < Duration::from_millis(250), "{fastest:?}");
}
