// SPDX-License-Identifier: Apache-2.0

//! A provider's worker, set up and run as a person would.

use std::{
	path::{Path, PathBuf},
	process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
	PATIENCE, adapter,
	process::{self, Process, binary},
};

/// What a provider bonds.
pub const BOND: &str = "100 TESS";

/// A provider's worker with its data folder.
pub struct Worker {
	owner: String,
	flags: Vec<String>,
	folder: PathBuf,
	log: PathBuf,
	process: Option<Process>,
}

impl Worker {
	/// Registers this machine as a provider's and bonds.
	pub async fn register(owner: &str, url: &str, folder: &Path, log: &Path, flags: &[&str]) -> Result<Self> {
		let data = folder.to_str().context("the folder's name is text")?;
		let common = ["--url", url, "--data-dir", data, "--listen", "127.0.0.1:0", "--adapter", &adapter()];
		let flags = common.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
		let worker =
			Self { owner: owner.into(), flags, folder: folder.into(), log: log.into(), process: None };
		let mut command = worker.command("register");
		command.args(["--region", "DE", "--owner", owner, "--bond", BOND, "--in-block"]);
		worker.run_to_end(command).await.context("tessera-worker register")?;
		Ok(worker)
	}

	/// The owner's secret URI.
	pub fn owner(&self) -> &str {
		&self.owner
	}

	/// Its data folder.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	/// Starts it, or starts it again.
	pub fn start(&mut self) -> Result<()> {
		self.process =
			Some(Process::start(self.command("run"), &self.log, None).context("the worker does not start")?);
		Ok(())
	}

	/// Whether it runs.
	pub fn is_running(&mut self) -> bool {
		self.process.as_mut().is_some_and(|process| process.status().is_none())
	}

	/// kill -9.
	pub fn kill(&mut self) {
		if let Some(mut process) = self.process.take() {
			process.kill();
		}
	}

	/// The process that runs a task on the GPU now.
	pub fn gpu_process(&self) -> Option<u32> {
		self.process.as_ref()?.children().into_iter().find(|id| process::command_line(*id).contains(" exec"))
	}

	/// What `tessera-worker status --json` says.
	pub async fn status(&self) -> Result<Value> {
		let mut command = self.command("status");
		command.arg("--json");
		let out = self.run_to_end(command).await.context("tessera-worker status")?;
		serde_json::from_str(&out).with_context(|| format!("not JSON: {out}"))
	}

	/// What it has printed so far.
	pub fn log(&self) -> String {
		std::fs::read_to_string(&self.log).unwrap_or_default()
	}

	fn command(&self, what: &str) -> Command {
		let mut command = Command::new(binary("tessera-worker"));
		command.arg(what).args(&self.flags);
		command.env("RUST_LOG", "info,tessera_worker=debug,tessera_client=debug");
		command
	}

	/// Runs a command to its end, which must be a good one. Returns what it wrote on standard output.
	async fn run_to_end(&self, command: Command) -> Result<String> {
		std::fs::create_dir_all(&self.folder)?;
		let out = self.folder.with_extension("out");
		let mut process = Process::start(command, &self.log, Some(&out))?;
		let status = process.wait(PATIENCE).await.context("it does not end")?;
		ensure!(status.success(), "it ended with {status}:\n{}", self.log());
		Ok(std::fs::read_to_string(out)?)
	}
}
