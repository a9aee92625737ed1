// SPDX-License-Identifier: Apache-2.0

//! Real nodes for tests: the built `tessera-node` as a child process on free ports of 127.0.0.1.

use std::{
	env,
	ffi::OsString,
	io::{BufRead, BufReader},
	path::PathBuf,
	process::{Child, Command, ExitStatus, Stdio},
	sync::{Arc, Mutex, Weak, mpsc},
	thread,
	time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::sync::Mutex as Shared;

/// Variable with the path of the node to use.
pub const NODE_VARIABLE: &str = "TESSERA_NODE_BIN";
/// How long a node may take to answer or to stop. A busy machine is merely slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a node has to clean up when it is dropped.
const DROP_PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// What the node logs before the addresses at which it answers.
const SERVING: &str = "Running JSON-RPC server: addr=";

/// How to start a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
	/// Which chain and role.
	pub chain: Vec<String>,
	/// Folder of its data, for nodes that are started again; otherwise one that goes with it.
	pub base_path: Option<PathBuf>,
	/// Port of its RPC, for nodes that are started again; 0 for a free one.
	pub rpc_port: u16,
	/// More arguments.
	pub arguments: Vec<String>,
}

impl Default for NodeOptions {
	/// A development chain of one validator.
	fn default() -> Self {
		Self { chain: vec!["--dev".into()], base_path: None, rpc_port: 0, arguments: Vec::new() }
	}
}

/// A running node. It ends when this is dropped, and with the process that started it.
#[derive(Debug)]
pub struct DevNode {
	child: Child,
	log: Arc<Mutex<Vec<String>>>,
	rpc_port: u16,
	/// Removed after the node has ended.
	folder: Option<TempDir>,
}

/// Starts a node of a new development chain and waits until it answers.
pub async fn spawn_dev_node() -> Result<DevNode> {
	DevNode::start(NodeOptions::default()).await
}

/// The node that the tests of a process share. It ends when none of them holds it any more.
pub async fn shared_dev_node() -> Arc<DevNode> {
	static NODE: Shared<Weak<DevNode>> = Shared::const_new(Weak::new());
	let mut shared = NODE.lock().await;
	match shared.upgrade() {
		Some(node) => node,
		None => {
			let node = Arc::new(spawn_dev_node().await.expect("a node starts"));
			*shared = Arc::downgrade(&node);
			node
		}
	}
}

/// The node's binary: what [`NODE_VARIABLE`] says, or the one that was built beside this program.
pub fn node_binary() -> Result<PathBuf> {
	if let Some(path) = env::var_os(NODE_VARIABLE) {
		return Ok(path.into());
	}
	let this = env::current_exe()?;
	// target/<profile>/<program> or target/<profile>/deps/<test>.
	let found =
		this.ancestors().skip(1).take(2).map(|folder| folder.join("tessera-node")).find(|p| p.is_file());
	found.with_context(|| {
		format!(
			"there is no tessera-node beside {}: build it (cargo build -p tessera-node) or name one in {NODE_VARIABLE}",
			this.display()
		)
	})
}

impl DevNode {
	/// Starts a node and waits until it answers.
	pub async fn start(options: NodeOptions) -> Result<Self> {
		let mut arguments: Vec<OsString> = options.chain.iter().map(Into::into).collect();
		// Not `--tmp`: the node leaves its folder behind.
		let (path, folder) = match options.base_path {
			Some(path) => (path, None),
			None => {
				let folder = tempfile::tempdir()?;
				(folder.path().to_owned(), Some(folder))
			}
		};
		arguments.extend(["--base-path".into(), path.into()]);
		arguments.extend(["--rpc-port".into(), options.rpc_port.to_string().into()]);
		let quiet =
			["--listen-addr", "/ip4/127.0.0.1/tcp/0", "--no-prometheus", "--no-mdns", "--no-telemetry"];
		arguments.extend(quiet.map(Into::into));
		arguments.push("--disable-log-color".into());
		arguments.extend(options.arguments.into_iter().map(Into::into));

		let log = Arc::default();
		let child = spawn_kept(node_binary()?, arguments, Arc::clone(&log))?;
		let mut node = Self { child, log, rpc_port: 0, folder };
		let deadline = Instant::now() + PATIENCE;
		loop {
			if let Some(port) = node.log_lines().iter().find_map(|line| serving_port(line)) {
				node.rpc_port = port;
				return Ok(node);
			}
			if let Some(status) = node.child.try_wait()? {
				bail!("the node ended with {status}:\n{}", node.log());
			}
			if Instant::now() > deadline {
				bail!("the node does not answer:\n{}", node.log());
			}
			tokio::time::sleep(PAUSE).await;
		}
	}

	/// Its address for [`Chain::connect`](crate::chain::Chain::connect).
	pub fn url(&self) -> String {
		format!("ws://127.0.0.1:{}", self.rpc_port)
	}

	/// Port of its RPC.
	pub fn rpc_port(&self) -> u16 {
		self.rpc_port
	}

	/// All that it has logged.
	pub fn log(&self) -> String {
		self.log_lines().join("\n")
	}

	/// Asks it to stop, as a service manager does, and waits until it has.
	pub async fn stop(mut self) -> Result<ExitStatus> {
		self.terminate();
		let deadline = Instant::now() + PATIENCE;
		loop {
			if let Some(status) = self.child.try_wait()? {
				return Ok(status);
			}
			if Instant::now() > deadline {
				bail!("the node does not stop:\n{}", self.log());
			}
			tokio::time::sleep(PAUSE).await;
		}
	}

	/// Kills it at once, as a power cut does.
	pub fn kill(mut self) -> Result<()> {
		self.child.kill()?;
		self.child.wait()?;
		Ok(())
	}

	fn log_lines(&self) -> Vec<String> {
		self.log.lock().unwrap_or_else(|broken| broken.into_inner()).clone()
	}

	fn terminate(&mut self) {
		#[cfg(unix)]
		if let Ok(pid) = i32::try_from(self.child.id()) {
			use nix::{sys::signal, unistd::Pid};
			// Fails when it has ended already, which is what is wanted.
			let _ = signal::kill(Pid::from_raw(pid), signal::Signal::SIGTERM);
		}
		#[cfg(not(unix))]
		let _ = self.child.kill();
	}
}

impl Drop for DevNode {
	fn drop(&mut self) {
		if matches!(self.child.try_wait(), Ok(Some(_))) {
			return;
		}
		// Data that is thrown away needs no orderly end.
		if self.folder.is_none() {
			self.terminate();
			let deadline = Instant::now() + DROP_PATIENCE;
			while Instant::now() < deadline {
				if !matches!(self.child.try_wait(), Ok(None)) {
					return;
				}
				thread::sleep(PAUSE);
			}
		}
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

/// Starts a program that ends with this process, and collects what it logs.
///
/// Linux ends a child with the *thread* that started it. A test's thread ends with the test, so the child is started by
/// one that lives as long as the child logs.
fn spawn_kept(program: PathBuf, arguments: Vec<OsString>, log: Arc<Mutex<Vec<String>>>) -> Result<Child> {
	let (send, receive) = mpsc::channel();
	let shown = program.display().to_string();
	thread::spawn(move || {
		let mut command = Command::new(program);
		command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
		end_with_parent(&mut command);
		let mut child = match command.spawn() {
			Ok(child) => child,
			Err(error) => return drop(send.send(Err(error))),
		};
		let stderr = child.stderr.take();
		if send.send(Ok(child)).is_err() {
			return;
		}
		let Some(stderr) = stderr else { return };
		for line in BufReader::new(stderr).lines().map_while(Result::ok) {
			log.lock().unwrap_or_else(|broken| broken.into_inner()).push(line);
		}
	});
	receive.recv()?.with_context(|| format!("{shown} does not start"))
}

#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut Command) {
	use std::os::unix::process::CommandExt;
	let prepare = || {
		nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM)?;
		Ok(())
	};
	// SAFETY: between fork and exec the closure makes one system call and touches no memory of the parent.
	unsafe { command.pre_exec(prepare) };
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent(_: &mut Command) {}

/// The port in the node's line about its RPC.
fn serving_port(line: &str) -> Option<u16> {
	let (_, addresses) = line.split_once(SERVING)?;
	addresses.split(',').next()?.trim().rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn port_should_be_read_from_the_log() {
		let line = "2026-01-01 00:00:00 Running JSON-RPC server: addr=127.0.0.1:41234,[::1]:41234";
		assert_eq!(serving_port(line), Some(41234));
		assert_eq!(serving_port("Running JSON-RPC server: addr=127.0.0.1:9944"), Some(9944));
		assert_eq!(serving_port("something else"), None);
	}

	#[tokio::test]
	async fn child_should_outlive_the_thread_that_asked_for_it() {
		let log = Arc::new(Mutex::new(Vec::new()));
		let asked = {
			let log = log.clone();
			let script = ["-c", "echo ready >&2; exec sleep 60"].map(OsString::from).to_vec();
			thread::spawn(move || spawn_kept("sh".into(), script, log))
		};
		let mut child = asked.join().unwrap().unwrap();
		while log.lock().unwrap().is_empty() {
			tokio::time::sleep(PAUSE).await;
		}
		tokio::time::sleep(PAUSE).await;
		assert_eq!(child.try_wait().unwrap(), None, "it still runs");
		child.kill().unwrap();
		child.wait().unwrap();
	}

	#[test]
	fn program_should_be_named_when_it_does_not_start() {
		let error = spawn_kept("/no/such/node".into(), Vec::new(), Arc::default()).unwrap_err();
		assert!(format!("{error:#}").contains("/no/such/node"), "{error:#}");
	}
}
