// SPDX-License-Identifier: Apache-2.0

//! The command line, as far as it goes without a node.

mod gpu_common;

use std::{
	path::Path,
	process::{Child, Command, Stdio},
	time::{Duration, Instant},
};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;
use tessera_worker::{config::EXAMPLE, daemon::home::Home};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/// The worker with this data directory, without the user's own settings.
fn worker(command: &str, data: &Path) -> Command {
	let mut worker = Command::cargo_bin("tessera-worker").unwrap();
	worker.arg(command).arg("--data-dir").arg(data);
	for name in ["TESSERA_WORKER_CONFIG", "TESSERA_URL", "TESSERA_OWNER", "RUST_LOG"] {
		worker.env_remove(name);
	}
	worker.env("XDG_CONFIG_HOME", data);
	worker
}

/// Exit code, standard output and standard error.
fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
	let output = command.output().unwrap();
	let text = |bytes| String::from_utf8(bytes).unwrap();
	(output.status.code(), text(output.stdout), text(output.stderr))
}

/// An address where nobody listens.
fn nobody() -> String {
	let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
	format!("ws://127.0.0.1:{port}")
}

/// A running worker, killed at the end of the test.
struct Running(Child);

impl Drop for Running {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

fn status(data: &Path) -> Value {
	let (code, stdout, stderr) =
		outcome(worker("status", data).args(["--json", "--provider", ALICE, "--url", &nobody()]));
	assert_eq!(code, Some(0), "{stderr}");
	serde_json::from_str(&stdout).unwrap()
}

#[test]
fn example_config_should_be_printed() {
	let (code, stdout, _) = outcome(Command::cargo_bin("tessera-worker").unwrap().arg("example-config"));
	assert_eq!((code, stdout.as_str()), (Some(0), EXAMPLE));
}

#[test]
fn run_should_refuse_a_configuration_with_a_mistake() {
	let data = tempfile::tempdir().unwrap();
	let config = data.path().join("my.toml");
	std::fs::write(&config, "[policy]\nprice_flor = \"1 TESS\"\n").unwrap();
	let (code, _, stderr) = outcome(worker("run", data.path()).arg("--config").arg(&config));
	assert_eq!(code, Some(3));
	assert!(stderr.contains("my.toml:2: ") && stderr.contains("price_flor"), "{stderr}");
	assert_eq!(outcome(worker("run", data.path()).arg("--price-floor=1")).0, Some(2));
}

#[test]
fn run_should_ask_for_the_provider_when_none_is_known() {
	let data = tempfile::tempdir().unwrap();
	let (code, _, stderr) = outcome(&mut worker("run", data.path()));
	assert_eq!(code, Some(3));
	assert!(stderr.contains("tessera-worker register") && stderr.contains("--provider"), "{stderr}");
}

#[test]
fn run_should_fail_when_another_worker_uses_the_data_directory() {
	let data = tempfile::tempdir().unwrap();
	let _lock = Home::at(data.path()).lock().unwrap();
	let (code, _, stderr) = outcome(worker("run", data.path()).args(["--provider", ALICE]));
	assert_eq!(code, Some(1));
	let process = format!("process {}", std::process::id());
	assert!(stderr.contains(&process) && stderr.contains("--data-dir"), "{stderr}");
}

#[test]
fn run_should_say_which_gpus_there_are_when_none_matches() {
	let data = tempfile::tempdir().unwrap();
	let (code, _, stderr) =
		outcome(worker("run", data.path()).args(["--provider", ALICE, "--adapter", "no such card"]));
	assert_eq!(code, Some(1));
	assert!(stderr.contains("no GPU adapter matches `no such card`; found: 0: "), "{stderr}");
	let report = status(data.path());
	assert_eq!(report["running"], false);
	assert_eq!(report["worker"]["state"], "failed");
	assert!(report["worker"]["error"].as_str().unwrap().contains("no such card"));
}

#[test]
fn run_should_wait_for_a_node_and_stop_when_it_is_told_to() {
	let data = tempfile::tempdir().unwrap();
	let mut run = worker("run", data.path());
	run.args(["--provider", ALICE, "--listen", "127.0.0.1:0", "--url", &nobody()]);
	run.args(["--adapter", &gpu_common::adapter().to_string()]);
	let mut running = Running(run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

	let began = Instant::now();
	let report = loop {
		let report = status(data.path());
		// The first try takes ten seconds; then the reason is in the report.
		if report["worker"]["error"].is_string() {
			break report;
		}
		assert!(began.elapsed() < Duration::from_secs(90), "{report}");
		assert!(running.0.try_wait().unwrap().is_none(), "the worker has ended");
		std::thread::sleep(Duration::from_millis(300));
	};
	assert_eq!(report["running"], true);
	assert_eq!(report["worker"]["state"], "connecting");
	assert!(report["worker"]["error"].as_str().unwrap().contains("no node answers at ws://127.0.0.1:"));
	assert_eq!(report["worker"]["provider"], ALICE);
	assert_eq!(report["worker"]["endpoint"]["addresses"].as_array().unwrap().len(), 1);
	assert!(report["worker"]["adapter"]["name"].is_string());

	// Nobody else can use the directory meanwhile.
	let (code, _, stderr) = outcome(worker("run", data.path()).args(["--provider", ALICE]));
	assert_eq!(code, Some(1), "{stderr}");

	let process = nix::unistd::Pid::from_raw(i32::try_from(running.0.id()).unwrap());
	nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
	let ended = running.0.wait().unwrap();
	assert_eq!(ended.code(), Some(0));
	let report = status(data.path());
	assert_eq!((&report["running"], &report["worker"]["state"]), (&false.into(), &"stopped".into()));
}

#[test]
fn status_should_say_what_to_do_when_there_is_no_worker() {
	let data = tempfile::tempdir().unwrap();
	let (code, _, stderr) = outcome(&mut worker("status", data.path()));
	assert_eq!(code, Some(3));
	assert!(stderr.contains("tessera-worker register"), "{stderr}");
	let (code, stdout, _) =
		outcome(worker("status", data.path()).args(["--provider", ALICE, "--url", &nobody()]));
	assert_eq!(code, Some(0));
	assert!(
		stdout.contains("start it with `tessera-worker run`") && stdout.contains("no node answers"),
		"{stdout}"
	);
}

#[test]
fn register_should_fail_before_it_does_anything_when_key_or_node_are_wrong() {
	let data = tempfile::tempdir().unwrap();
	let register = |arguments: &[&str]| outcome(worker("register", &data.path().join("new")).args(arguments));
	let (code, _, stderr) = register(&["--owner", "/no/such/key"]);
	assert_eq!(code, Some(3));
	assert!(stderr.contains("/no/such/key"), "{stderr}");
	let (code, _, stderr) = register(&["--owner", "//Alice", "--provider", "//Bob"]);
	assert_eq!(code, Some(3));
	assert!(stderr.contains(ALICE), "{stderr}");
	let (code, _, stderr) = register(&["--owner", "//Alice", "--url", &nobody()]);
	assert_eq!(code, Some(5));
	assert!(stderr.contains("no node answers"), "{stderr}");
	assert!(!data.path().join("new").exists(), "nothing was written");
}
