// SPDX-License-Identifier: Apache-2.0

//! The data directory: what lies where, and that one worker uses it at a time.
//!
//! ```text
//! lock            held by the worker that runs; its process id
//! worker.key      the key that signs orders
//! endpoint.key    the key of the iroh endpoint        (both for the owner's eyes only)
//! provider        the account that `register` registered
//! ports           the ports on which blobs are served
//! journal.redb    the journal
//! blobs/          the blob store
//! scratch/        inputs and outputs of running tasks; emptied at every start
//! status.json     the report for `status`
//! ```

use std::{
	fs::{self, File, TryLockError},
	io::{self, Read, Seek, Write},
	net::SocketAddr,
	path::{Path, PathBuf},
	thread,
	time::Duration,
};

use tessera_client::{
	blobs::{BlobConfig, BlobError, BlobNode},
	chain::AccountId,
	keys::{self, Key, KeyError},
};

use crate::config::BlobSettings;

/// How often, and how long after another, the lock is tried.
const LOCK_TRIES: u32 = 3;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How often, and how long after another, the port of the last time is tried.
const BIND_TRIES: u32 = 5;
const BIND_PAUSE: Duration = Duration::from_millis(200);

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
	/// Another worker uses it.
	#[error(
		"another worker{} uses the data directory {}: stop it, or give this one a directory of its own with --data-dir",
		.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), dir.display()
	)]
	InUse {
		/// The directory.
		dir: PathBuf,
		/// The process, if it is known.
		pid: Option<u32>,
	},
	/// It cannot be read or written.
	#[error("the data directory cannot be used: {}: {source}", path.display())]
	Io {
		/// The file or directory.
		path: PathBuf,
		/// Why.
		source: io::Error,
	},
	/// The remembered account is none.
	#[error("{} does not name an account: {source}. Remove the file, or give --provider", path.display())]
	Provider {
		/// The file.
		path: PathBuf,
		/// Why.
		source: KeyError,
	},
}

/// The paths of a data directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
	dir: PathBuf,
}

impl Home {
	/// The data directory at this place, whether it exists or not.
	pub fn at(dir: &Path) -> Self {
		Self { dir: dir.into() }
	}

	/// The directory.
	pub fn dir(&self) -> &Path {
		&self.dir
	}

	/// The journal.
	pub fn journal(&self) -> PathBuf {
		self.dir.join("journal.redb")
	}

	/// The report for `status`.
	pub fn status(&self) -> PathBuf {
		self.dir.join("status.json")
	}

	/// Inputs and outputs of running tasks.
	pub fn scratch(&self) -> PathBuf {
		self.dir.join("scratch")
	}

	/// Makes the directory, if there is none, and takes it for this process.
	pub fn lock(&self) -> Result<HomeLock, HomeError> {
		fs::create_dir_all(&self.dir).map_err(|e| self.io(&self.dir, e))?;
		let path = self.dir.join("lock");
		let file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
		let mut file = file.map_err(|e| self.io(&path, e))?;
		// Somebody who only looks (`is_in_use`) holds it for a moment.
		let mut tries = (0..LOCK_TRIES).map(|n| {
			thread::sleep(LOCK_PAUSE * n.min(1));
			file.try_lock()
		});
		let locked = tries.find(|tried| !matches!(tried, Err(TryLockError::WouldBlock)));
		match locked.unwrap_or(Err(TryLockError::WouldBlock)) {
			Ok(()) => {
				// The number is for people; the lock is the system's, and ends with the process however it ends.
				let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
				written.map_err(|e| self.io(&path, e))?;
				Ok(HomeLock { _file: file })
			}
			Err(TryLockError::WouldBlock) => Err(HomeError::InUse { dir: self.dir.clone(), pid: self.pid() }),
			Err(TryLockError::Error(e)) => Err(self.io(&path, e)),
		}
	}

	/// Whether a worker uses the directory now.
	pub fn is_in_use(&self) -> bool {
		let Ok(file) = File::open(self.dir.join("lock")) else { return false };
		// Shared: two that only look do not see each other.
		matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
	}

	/// The process that uses the directory, or used it last.
	fn pid(&self) -> Option<u32> {
		let mut text = String::new();
		let mut file = File::open(self.dir.join("lock")).ok()?;
		file.rewind().ok()?;
		file.read_to_string(&mut text).ok()?;
		text.trim().parse().ok()
	}

	/// The key that signs orders; made at the first use, readable by its owner alone.
	pub fn worker_key(&self) -> Result<Key, KeyError> {
		Key::open_or_create(&self.dir.join("worker.key"))
	}

	/// The account that `register` registered.
	pub fn provider(&self) -> Result<Option<AccountId>, HomeError> {
		let path = self.dir.join("provider");
		match fs::read_to_string(&path) {
			Ok(text) => match keys::parse_account(&text) {
				Ok(account) => Ok(Some(account)),
				Err(source) => Err(HomeError::Provider { path, source }),
			},
			Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
			Err(e) => Err(self.io(&path, e)),
		}
	}

	/// Remembers the account that `register` registered.
	pub fn set_provider(&self, account: &AccountId) -> Result<(), HomeError> {
		self.write("provider", &format!("{account}\n"))
	}

	/// An empty scratch directory: what is in it is made again from the blob store.
	pub fn empty_scratch(&self) -> Result<PathBuf, HomeError> {
		let path = self.scratch();
		match fs::remove_dir_all(&path) {
			Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(self.io(&path, e)),
			_ => {}
		}
		fs::create_dir_all(&path).map_err(|e| self.io(&path, e))?;
		Ok(path)
	}

	/// Opens the blob store and its endpoint. A port of 0 becomes the one of the time before, so that the addresses that
	/// are registered on chain stay right; another one if that is taken.
	pub async fn open_blobs(&self, settings: &BlobSettings) -> Result<BlobNode, BlobError> {
		let config = |listen: Vec<SocketAddr>| BlobConfig {
			listen,
			relay: settings.relay.clone(),
			discovery: settings.discovery,
			advertise: settings.advertise.clone(),
			..BlobConfig::local(&self.dir)
		};
		let remembered = with_ports(&settings.listen, &self.ports());
		let mut tries = BIND_TRIES;
		let node = loop {
			tries -= 1;
			match BlobNode::open(config(remembered.clone())).await {
				// The process of the last time may be about to let go of it.
				Err(BlobError::Bind { .. }) if remembered != settings.listen && tries > 0 => {
					tokio::time::sleep(BIND_PAUSE).await;
				}
				Err(BlobError::Bind { reason, .. }) if remembered != settings.listen => {
					tracing::warn!(
						"the port of the last time is taken ({reason}): another one is used; run `tessera-worker \
						 register` again if its address is on chain"
					);
					break BlobNode::open(config(settings.listen.clone())).await?;
				}
				other => break other?,
			}
		};
		let bound: Vec<SocketAddr> =
			node.endpoint_info().addresses_text().iter().filter_map(|text| text.parse().ok()).collect();
		// Advertised addresses may have other ports.
		if settings.advertise.is_empty() && bound != self.ports() {
			let lines: String = bound.iter().map(|address| format!("{address}\n")).collect();
			if let Err(e) = self.write("ports", &lines) {
				tracing::warn!("the ports are not remembered: {e}");
			}
		}
		Ok(node)
	}

	/// The addresses of the last time.
	fn ports(&self) -> Vec<SocketAddr> {
		let text = fs::read_to_string(self.dir.join("ports")).unwrap_or_default();
		text.lines().filter_map(|line| line.parse().ok()).collect()
	}

	fn write(&self, name: &str, text: &str) -> Result<(), HomeError> {
		let path = self.dir.join(name);
		let temporary = self.dir.join(format!("{name}.partial"));
		fs::write(&temporary, text)
			.and_then(|()| fs::rename(&temporary, &path))
			.map_err(|e| self.io(&path, e))
	}

	fn io(&self, path: &Path, source: io::Error) -> HomeError {
		HomeError::Io { path: path.into(), source }
	}
}

/// The right to use a data directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct HomeLock {
	_file: File,
}

/// Gives addresses without a port the one that an address of the same family had before.
fn with_ports(listen: &[SocketAddr], before: &[SocketAddr]) -> Vec<SocketAddr> {
	let same = |a: &SocketAddr| before.iter().find(|b| b.is_ipv4() == a.is_ipv4()).map(SocketAddr::port);
	let with_port = |a: &SocketAddr| match (a.port(), same(a)) {
		(0, Some(port)) => SocketAddr::new(a.ip(), port),
		_ => *a,
	};
	listen.iter().map(with_port).collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	fn home() -> (tempfile::TempDir, Home) {
		let dir = tempfile::tempdir().unwrap();
		let home = Home::at(&dir.path().join("data"));
		(dir, home)
	}

	#[test]
	fn directory_should_be_refused_when_another_worker_uses_it() {
		let (_dir, home) = home();
		assert!(!home.is_in_use());
		let lock = home.lock().unwrap();
		assert!(home.is_in_use());
		let error = home.lock().unwrap_err();
		assert!(matches!(error, HomeError::InUse { pid: Some(pid), .. } if pid == std::process::id()));
		let text = error.to_string();
		assert!(text.contains("another worker") && text.contains("--data-dir"), "{text}");
		drop(lock);
		assert!(!home.is_in_use());
		home.lock().unwrap();
	}

	#[test]
	fn worker_key_should_be_made_once_and_be_private() {
		let (_dir, home) = home();
		let key = home.worker_key().unwrap().worker_key();
		assert_eq!(home.worker_key().unwrap().worker_key(), key);
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			let mode = fs::metadata(home.dir().join("worker.key")).unwrap().permissions().mode();
			assert_eq!(mode & 0o777, 0o600);
		}
	}

	#[test]
	fn provider_should_be_remembered() {
		let (_dir, home) = home();
		assert_eq!(home.provider().unwrap(), None);
		let _lock = home.lock().unwrap();
		let account = [7; 32].into();
		home.set_provider(&account).unwrap();
		assert_eq!(home.provider().unwrap(), Some(account));
		fs::write(home.dir().join("provider"), "nobody").unwrap();
		let text = home.provider().unwrap_err().to_string();
		assert!(text.contains("provider") && text.contains("--provider"), "{text}");
	}

	#[test]
	fn scratch_should_be_empty_at_every_start() {
		let (_dir, home) = home();
		let scratch = home.empty_scratch().unwrap();
		fs::create_dir(scratch.join("task")).unwrap();
		fs::write(scratch.join("task/0.bin"), [0]).unwrap();
		assert_eq!(fs::read_dir(home.empty_scratch().unwrap()).unwrap().count(), 0);
	}

	#[test]
	fn port_should_stay_when_any_is_wanted() {
		let parse = |list: &[&str]| -> Vec<SocketAddr> { list.iter().map(|a| a.parse().unwrap()).collect() };
		let before = parse(&["192.0.2.1:5000", "[2001:db8::1]:6000"]);
		let listen = parse(&["0.0.0.0:0", "[::]:0"]);
		assert_eq!(with_ports(&listen, &before), parse(&["0.0.0.0:5000", "[::]:6000"]));
		assert_eq!(with_ports(&listen, &before[..1]), parse(&["0.0.0.0:5000", "[::]:0"]));
		let fixed = parse(&["127.0.0.1:7000"]);
		assert_eq!(with_ports(&fixed, &before), fixed);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn endpoint_should_keep_its_key_and_port_when_it_is_opened_again() {
		let (_dir, home) = home();
		let settings = BlobSettings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
		let node = home.open_blobs(&settings).await.unwrap();
		let first = node.endpoint_info();
		let close = async |node: BlobNode| node.shutdown().await;
		close(node).await;
		let node = home.open_blobs(&settings).await.unwrap();
		assert_eq!(node.endpoint_info(), first);
		close(node).await;

		// Somebody else has the port now.
		let address: SocketAddr = first.addresses_text()[0].parse().unwrap();
		let _taken = loop {
			// The endpoint closes its socket a moment later.
			match std::net::UdpSocket::bind(address) {
				Ok(socket) => break socket,
				Err(_) => tokio::time::sleep(BIND_PAUSE).await,
			}
		};
		let node = home.open_blobs(&settings).await.unwrap();
		assert_eq!(node.endpoint_info().key, first.key);
		assert_ne!(node.endpoint_info().addresses, first.addresses);
		close(node).await;
	}
}
