// SPDX-License-Identifier: Apache-2.0

//! Processes that never outlive the test: each in a group of its own, killed when it is dropped, and by the kernel
//! when the test itself is killed.

use std::{
	fs::{self, File},
	io,
	os::unix::process::CommandExt,
	path::{Path, PathBuf},
	process::{Child, Command, ExitStatus, Stdio},
	sync::{LazyLock, Mutex, mpsc},
	thread,
	time::{Duration, Instant},
};

use nix::{
	sys::{
		prctl,
		signal::{Signal, kill, killpg},
	},
	unistd::Pid,
};

const PAUSE: Duration = Duration::from_millis(20);

/// The folder in which cargo puts the binaries of the workspace: the test binary's own is `deps` in it.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
	let test = std::env::current_exe().expect("the test knows its own path");
	let folder = test.parent().and_then(Path::parent).expect("the test lies in target/<profile>/deps");
	folder.to_path_buf()
});

/// The path of a binary of this workspace.
///
/// # Panics
/// When it was not built: cargo builds the binaries of other packages only when they are asked for.
pub fn binary(name: &str) -> PathBuf {
	let path = BINARIES.join(name);
	assert!(path.is_file(), "{} does not exist: run `cargo build --workspace` first", path.display());
	path
}

/// The folder with the binaries of this workspace.
pub fn binaries() -> &'static Path {
	&BINARIES
}

/// A running process with everything that it prints in a file.
pub struct Process {
	child: Child,
	log: PathBuf,
	/// Its exit status, once it was waited for.
	ended: Option<ExitStatus>,
}

impl Process {
	/// Starts a process. What it prints on standard error is added to `log`; standard output goes there too, unless
	/// it has a file of its own.
	pub fn start(mut command: Command, log: &Path, stdout: Option<&Path>) -> io::Result<Self> {
		let file = File::options().create(true).append(true).open(log)?;
		let out = match stdout {
			Some(path) => File::create(path)?,
			None => file.try_clone()?,
		};
		command.stdin(Stdio::null()).stdout(out).stderr(file).process_group(0);
		// SAFETY: between fork and exec only a system call is made, which is what a child of a process with threads may
		// do.
		unsafe {
			command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?));
		}
		Ok(Self { child: spawn(command)?, log: log.to_path_buf(), ended: None })
	}

	/// Its id.
	pub fn id(&self) -> u32 {
		self.child.id()
	}

	/// Its exit status; `None` while it runs.
	pub fn status(&mut self) -> Option<ExitStatus> {
		if self.ended.is_none() {
			self.ended = self.child.try_wait().expect("a child can be waited for");
		}
		self.ended
	}

	/// Waits for its end; `None` when the time is up.
	pub async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
		let deadline = Instant::now() + patience;
		loop {
			if let Some(status) = self.status() {
				return Some(status);
			}
			if Instant::now() >= deadline {
				return None;
			}
			tokio::time::sleep(PAUSE).await;
		}
	}

	/// Sends a signal to the process alone, as a person or a service manager would.
	pub fn signal(&mut self, signal: Signal) {
		if self.status().is_none() {
			kill(self.pid(), signal).expect("a running child takes signals");
		}
	}

	/// kill -9, and waits until it is gone.
	pub fn kill(&mut self) {
		if self.status().is_none() {
			// The id is its own until it has been waited for. The group may be gone although the process is not: then it is
			// about to end anyway.
			let _ = killpg(self.pid(), Signal::SIGKILL);
			self.ended = Some(self.child.wait().expect("a child can be waited for"));
		}
	}

	/// What it has printed so far.
	pub fn log(&self) -> String {
		fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
	}

	/// Processes that it started and that still run.
	pub fn children(&self) -> Vec<u32> {
		children_of(self.id())
	}

	fn pid(&self) -> Pid {
		Pid::from_raw(self.child.id().try_into().expect("a process id is positive"))
	}
}

impl Drop for Process {
	fn drop(&mut self) {
		self.kill();
	}
}

/// Whether there is a process with this id that is not merely waiting to be buried.
pub fn exists(id: u32) -> bool {
	stat(id).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The command line of a process, words apart by spaces; empty when there is none.
pub fn command_line(id: u32) -> String {
	let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
	String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn children_of(parent: u32) -> Vec<u32> {
	let entries = fs::read_dir("/proc").expect("there is /proc");
	let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
	ids.filter(|id| stat(*id).is_some_and(|(state, of)| of == parent && state != 'Z' && state != 'X'))
		.collect()
}

/// State and parent of a process.
fn stat(id: u32) -> Option<(char, u32)> {
	let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
	// id (name) state parent ...; a name may hold spaces and brackets.
	let mut fields = line.rsplit_once(')')?.1.split_whitespace();
	Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Starts a child from a thread that lives as long as the test: the kernel's signal comes when the thread that
/// started the child ends, and those of a runtime come and go.
fn spawn(command: Command) -> io::Result<Child> {
	type Order = (Command, mpsc::Sender<io::Result<Child>>);
	static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
		let (sender, orders) = mpsc::channel::<Order>();
		let serve = move || {
			for (mut command, answer) in orders {
				// The one who asked waits for the answer.
				let _ = answer.send(command.spawn());
			}
		};
		thread::Builder::new().name("spawner".into()).spawn(serve).expect("a thread can be started");
		Mutex::new(sender)
	});
	let (answer, child) = mpsc::channel();
	let spawner = SPAWNER.lock().unwrap_or_else(|broken| broken.into_inner()).clone();
	spawner.send((command, answer)).expect("the spawner lives as long as the test");
	child.recv().expect("the spawner answers")
}
