// SPDX-License-Identifier: Apache-2.0

//! The `tessera` command, as a person or a script runs it.

use std::{
	path::{Path, PathBuf},
	process::Command,
	sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tessera_primitives::Balance;

use crate::{
	PATIENCE,
	process::{Process, binary},
};

/// Somebody with an account and a data directory who uses the `tessera` command.
pub struct Person {
	account: String,
	url: String,
	data: PathBuf,
	logs: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ending {
	/// Its exit code; -1 when a signal ended it.
	pub code: i32,
	/// The values it wrote.
	pub values: Vec<Value>,
	/// What it wrote on standard error: one line of JSON when it failed.
	pub stderr: String,
}

/// An amount in JSON: planck as text.
pub fn planck(value: &Value) -> Result<Balance> {
	let text = value.as_str().with_context(|| format!("{value} is no amount"))?;
	text.parse().with_context(|| format!("{text} is no amount"))
}

impl Ending {
	/// Fails unless it ended with this code.
	pub fn expect(self, code: i32) -> Result<Self> {
		ensure!(self.code == code, "it ended with {} instead of {code}: {}", self.code, self.stderr);
		Ok(self)
	}

	/// The last value.
	pub fn last(&self) -> Result<&Value> {
		self.values.last().context("it wrote no JSON")
	}

	/// What was paid for the transactions that it names, planck.
	pub fn fees(&self) -> Result<Balance> {
		let fees = self.values.iter().filter_map(|value| value["transaction"].get("fee")).map(planck);
		fees.sum()
	}

	/// The events of this kind that happened to tasks.
	pub fn happened(&self, what: &str) -> Vec<&Value> {
		self.values.iter().filter(|value| value["event"] == "task" && value["what"] == what).collect()
	}

	/// What it says went wrong, of a command that failed.
	pub fn error(&self) -> Result<String> {
		ensure!(self.code != 0, "it succeeded");
		let line = self.stderr.lines().find(|line| line.starts_with("{\"error\""));
		let error: Value = serde_json::from_str(line.context("it wrote no error as JSON")?)?;
		ensure!(error["error"]["exit"] == self.code, "the error names another exit code: {error}");
		Ok(error["error"]["message"].as_str().context("an error has a message")?.to_owned())
	}
}

impl Person {
	/// Somebody who signs with this secret URI and keeps everything in a directory of their own.
	pub fn new(account: &str, url: &str, data: &Path, logs: &Path) -> Self {
		Self { account: account.into(), url: url.into(), data: data.into(), logs: logs.into() }
	}

	/// The secret URI.
	pub fn account(&self) -> &str {
		&self.account
	}

	/// Starts `tessera ARGUMENTS...`; its results are JSON.
	pub fn start(&self, arguments: &[&str]) -> Result<Running> {
		static NUMBER: AtomicU32 = AtomicU32::new(0);
		let mut command = Command::new(binary("tessera"));
		command.args(["--json", "--in-block", "--url", &self.url, "--account", &self.account]);
		command.arg("--data-dir").arg(&self.data).args(arguments).env("TESSERA_LISTEN", "127.0.0.1:0");
		let name = format!("tessera-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
		let (out, log) = (self.logs.join(format!("{name}.out")), self.logs.join(format!("{name}.log")));
		std::fs::write(&log, format!("tessera {} (as {})\n", arguments.join(" "), self.account))?;
		let process = Process::start(command, &log, Some(&out)).context("tessera does not start")?;
		Ok(Running { what: arguments.join(" "), process, out })
	}

	/// Runs `tessera ARGUMENTS...` to its end.
	pub async fn run(&self, arguments: &[&str]) -> Result<Ending> {
		self.start(arguments)?.end().await
	}

	/// Runs `tessera ARGUMENTS...`, which must succeed.
	pub async fn tessera(&self, arguments: &[&str]) -> Result<Ending> {
		let ending = self.run(arguments).await?.expect(0);
		ending.with_context(|| format!("tessera {} (as {})", arguments.join(" "), self.account))
	}
}

/// A `tessera` command that may not have ended yet.
pub struct Running {
	what: String,
	/// The process.
	pub process: Process,
	out: PathBuf,
}

impl Running {
	/// The values that it has written so far.
	pub fn values(&self) -> Result<Vec<Value>> {
		let text = std::fs::read_to_string(&self.out)?;
		// The last line may not be whole yet.
		let whole = text.rfind('\n').map_or("", |end| &text[..end]);
		whole
			.lines()
			.map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
			.collect()
	}

	/// Waits for its end.
	pub async fn end(mut self) -> Result<Ending> {
		let Some(status) = self.process.wait(PATIENCE).await else {
			bail!("tessera {} has not ended after {PATIENCE:?}:\n{}", self.what, self.process.log());
		};
		let values = self.values()?;
		Ok(Ending { code: status.code().unwrap_or(-1), values, stderr: self.process.log() })
	}
}
