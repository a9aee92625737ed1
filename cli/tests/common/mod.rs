// SPDX-License-Identifier: Apache-2.0

//! The command in a directory of its own.

// Every test file is a crate that uses a part of this.
#![allow(dead_code)]

use std::{
	fs,
	io::{BufRead, BufReader, Read},
	net::TcpListener,
	path::PathBuf,
	process::{Child, Stdio},
	sync::{Arc, Condvar, Mutex},
	thread,
	time::{Duration, Instant},
};

use assert_cmd::{Command, assert::Assert};
use serde_json::Value;
use tempfile::TempDir;

/// Alice's address.
pub const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

/// A directory with a data directory in it, and a node's address at which nobody answers.
pub struct Place {
	dir: TempDir,
	url: String,
}

impl Place {
	/// An empty one.
	pub fn new() -> Self {
		// A port that was free a moment ago, and on which nobody listens.
		let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
		let url = format!("ws://{}", listener.local_addr().expect("an address"));
		Self { dir: tempfile::tempdir().expect("a directory"), url }
	}

	/// An empty one that knows this node.
	pub fn of(url: String) -> Self {
		Self { url, ..Self::new() }
	}

	/// One with the example program and job.
	pub fn with_examples() -> Self {
		Self::new().and_examples()
	}

	/// With the example program and job.
	pub fn and_examples(self) -> Self {
		let place = self;
		place.run(["program", "init"]).success();
		place.run(["job", "init"]).success();
		place
	}

	/// The command with nothing of this machine's settings.
	pub fn command(&self) -> Command {
		let mut command = assert_cmd::cargo::cargo_bin_cmd!("tessera");
		for (name, _) in std::env::vars_os() {
			if name.to_string_lossy().starts_with("TESSERA_") || name == "RUST_LOG" {
				command.env_remove(name);
			}
		}
		command
			.current_dir(self.dir.path())
			.env("TESSERA_DATA_DIR", self.path("data"))
			.env("TESSERA_URL", &self.url)
			.env("TESSERA_LISTEN", "127.0.0.1:0");
		command
	}

	/// Runs the command with these arguments. It does not wait long for a node.
	pub fn run<const N: usize>(&self, args: [&str; N]) -> Assert {
		self.command().args(["--connect-timeout", "1"]).args(args).assert()
	}

	/// Starts the command with these arguments, as a child that is ended with the test.
	pub fn start(&self, args: &[&str]) -> Running {
		let command = self.command();
		let mut plain = std::process::Command::new(command.get_program());
		plain.args(args).current_dir(self.dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
		for (name, value) in command.get_envs() {
			match value {
				Some(value) => plain.env(name, value),
				None => plain.env_remove(name),
			};
		}
		let mut child = plain.spawn().expect("the command starts");
		let out = lines(child.stdout.take().expect("it is piped"));
		let err = lines(child.stderr.take().expect("it is piped"));
		Running { child, out, err }
	}

	/// A path in the directory.
	pub fn path(&self, name: &str) -> PathBuf {
		self.dir.path().join(name)
	}

	/// Writes a file.
	pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
		fs::write(self.path(name), contents).expect("a writable directory");
	}

	/// Replaces a text in a file, which must be there.
	pub fn replace(&self, name: &str, from: &str, to: &str) {
		let text = fs::read_to_string(self.path(name)).expect("a file");
		assert!(text.contains(from), "{name} has no {from:?}");
		self.write(name, text.replacen(from, to, 1));
	}
}

/// What was written to stdout.
pub fn stdout(assert: &Assert) -> String {
	String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

/// What was written to stderr.
pub fn stderr(assert: &Assert) -> String {
	String::from_utf8(assert.get_output().stderr.clone()).expect("text")
}

/// The one line of JSON on stdout.
pub fn json(assert: &Assert) -> Value {
	let text = stdout(assert);
	assert_eq!(text.lines().count(), 1, "{text}");
	serde_json::from_str(&text).expect("JSON")
}

/// Checks that README.md names every field of this JSON.
#[track_caller]
pub fn documented(value: &Value) {
	const README: &str = include_str!("../../README.md");
	match value {
		Value::Object(fields) => {
			for (name, value) in fields {
				let known =
					[format!("\"{name}\""), format!("`{name}`")].iter().any(|text| README.contains(text));
				assert!(known, "README.md does not name the field {name:?}");
				documented(value);
			}
		}
		Value::Array(items) => items.iter().for_each(documented),
		_ => (),
	}
}

/// Checks that the command failed like this, with all of these texts on stderr and nothing on stdout.
#[track_caller]
pub fn fails(assert: Assert, code: i32, texts: &[&str]) {
	let (out, err) = (stdout(&assert), stderr(&assert));
	assert_eq!(assert.get_output().status.code(), Some(code), "{err}");
	assert_eq!(out, "");
	for text in texts {
		assert!(err.contains(text), "{text:?} is not in:\n{err}");
	}
}

/// Nothing takes longer. On a busy machine it is merely slow.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Lines that a child has written so far, and whether it has closed the pipe.
type Lines = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

fn lines(pipe: impl Read + Send + 'static) -> Lines {
	let lines = Lines::default();
	let shared = lines.clone();
	thread::spawn(move || {
		for line in BufReader::new(pipe).lines().map_while(Result::ok) {
			shared.0.lock().expect("no panic").0.push(line);
			shared.1.notify_all();
		}
		shared.0.lock().expect("no panic").1 = true;
		shared.1.notify_all();
	});
	lines
}

/// A command that runs beside the test.
pub struct Running {
	child: Child,
	out: Lines,
	err: Lines,
}

impl Running {
	/// Waits for a line on stdout that contains this text.
	#[track_caller]
	pub fn out_line(&self, text: &str) -> String {
		self.line(&self.out, text)
	}

	/// Waits for a line on stderr that contains this text.
	#[track_caller]
	pub fn err_line(&self, text: &str) -> String {
		self.line(&self.err, text)
	}

	#[track_caller]
	fn line(&self, lines: &Lines, text: &str) -> String {
		let deadline = Instant::now() + PATIENCE;
		let mut state = lines.0.lock().expect("no panic");
		loop {
			if let Some(line) = state.0.iter().find(|line| line.contains(text)) {
				return line.clone();
			}
			let left = deadline.saturating_duration_since(Instant::now());
			assert!(!state.1 && !left.is_zero(), "no line with {text:?} in {:#?}", state.0);
			state = lines.1.wait_timeout(state, left).expect("no panic").0;
		}
	}

	/// Sends a signal: `INT`, `TERM`, `KILL`.
	pub fn signal(&self, name: &str) {
		let sent = std::process::Command::new("kill")
			.args([&format!("-{name}"), &self.child.id().to_string()])
			.status();
		assert!(sent.expect("kill runs").success());
	}

	/// Waits for its end: exit code, stdout and stderr.
	#[track_caller]
	pub fn end(mut self) -> (Option<i32>, Vec<String>, String) {
		let deadline = Instant::now() + PATIENCE;
		let status = loop {
			if let Some(status) = self.child.try_wait().expect("a child") {
				break status;
			}
			assert!(
				Instant::now() < deadline,
				"it does not end: {:#?}",
				self.err.0.lock().expect("no panic").0
			);
			thread::sleep(Duration::from_millis(50));
		};
		let all = |lines: &Lines| {
			let mut state = lines.0.lock().expect("no panic");
			while !state.1 {
				state = lines.1.wait(state).expect("no panic");
			}
			state.0.clone()
		};
		(status.code(), all(&self.out), all(&self.err).join("\n"))
	}
}

impl Drop for Running {
	fn drop(&mut self) {
		// It has ended already, unless the test failed.
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}
