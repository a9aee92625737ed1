// SPDX-License-Identifier: Apache-2.0

//! How processes of one data directory reach the one that has the blob store open.
//!
//! It listens on a port of this machine and writes port and a secret token to `control.json`, which only its user can
//! read. Whoever connects sends the token, then requests, one line of JSON each. The connection stays open: its end
//! says that the store can be had.

use std::{
	io::Write,
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use codec::{DecodeAll, Encode};
use serde::{Deserialize, Serialize};
use tessera_client::{blobs::BlobNode, keys::random_bytes, manifest::BlobOrigin};
use tessera_primitives::{BlobRef, EndpointInfo};
use tokio::{
	io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
	net::{TcpListener, TcpStream},
	sync::Notify,
	task::{JoinHandle, JoinSet},
	time::timeout,
};

use super::Mode;
use crate::exit::{Failure, Outcome};

/// How to reach the process: what stands in the file.
#[derive(Clone, Serialize, Deserialize)]
struct Address {
	port: u16,
	token: String,
}

/// A blob in a part of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlobFile {
	/// The blob.
	pub blob: BlobRef,
	/// The file, absolute.
	pub path: PathBuf,
	/// First byte.
	pub start: u64,
	/// The byte after the last.
	pub end: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
	Hello,
	Add { label: String, blobs: Vec<BlobFile> },
	Labels,
	Release { label: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
	/// Process, for how long it serves, SCALE of its `EndpointInfo` in hex.
	Hello {
		pid: u32,
		mode: Mode,
		endpoint: String,
	},
	Labels(Vec<String>),
	Done,
	/// Whether what was asked for is at fault, and why.
	Failed {
		input: bool,
		message: String,
	},
}

fn file(dir: &Path) -> PathBuf {
	dir.join("control.json")
}

/// Bytes of a token.
const TOKEN: usize = 64;
/// Pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long a process on the same machine may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(5);

/// Takes requests, until it is stopped.
#[derive(Debug)]
pub struct Server {
	file: PathBuf,
	token: String,
	stop: Arc<Notify>,
	/// `None` once it is stopped.
	task: Option<JoinHandle<()>>,
}

impl Server {
	/// Starts taking requests for this node.
	pub async fn start(dir: &Path, mode: Mode, node: BlobNode) -> Outcome<Self> {
		let failed = |e: &std::io::Error| Failure::io("write", &file(dir), e);
		let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| failed(&e))?;
		let port = listener.local_addr().map_err(|e| failed(&e))?.port();
		let token = hex::encode(random_bytes());
		let address = Address { port, token: token.clone() };
		// Created with mode 0600.
		let mut temporary = tempfile::NamedTempFile::new_in(dir).map_err(|e| failed(&e))?;
		let json = serde_json::to_vec(&address).map_err(|e| Failure::other(e.to_string()))?;
		temporary.write_all(&json).map_err(|e| failed(&e))?;
		temporary.persist(file(dir)).map_err(|e| failed(&e.error))?;
		let stop = Arc::new(Notify::new());
		let task = tokio::spawn(accept(listener, token.clone(), mode, node, stop.clone()));
		Ok(Self { file: file(dir), token, stop, task: Some(task) })
	}

	/// Takes no more requests. Those under way are broken off, and when this returns nothing touches the node any more:
	/// who asked learns from the closed connection that it has to look elsewhere.
	pub async fn stop(mut self) {
		self.remove_file();
		self.stop.notify_one();
		if let Some(task) = self.task.take() {
			// It ends by itself; a panic in it is no reason to keep the store open.
			let _ = task.await;
		}
	}

	fn remove_file(&self) {
		let ours = |address: Address| address.token == self.token;
		if read(&self.file).is_some_and(ours) {
			let _ = std::fs::remove_file(&self.file);
		}
	}
}

impl Drop for Server {
	fn drop(&mut self) {
		if let Some(task) = &self.task {
			task.abort();
			self.remove_file();
		}
	}
}

/// Serves all connections until it is told to stop.
async fn accept(listener: TcpListener, token: String, mode: Mode, node: BlobNode, stop: Arc<Notify>) {
	let mut connections = JoinSet::new();
	loop {
		let stream = tokio::select! {
			() = stop.notified() => break,
			accepted = listener.accept() => accepted,
		};
		match stream {
			Ok((stream, _)) => {
				connections.spawn(serve(stream, token.clone(), mode, node.clone()));
			}
			// Too many open files, say: that passes.
			Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
		}
		while connections.try_join_next().is_some() {}
	}
	connections.shutdown().await;
}

fn read(path: &Path) -> Option<Address> {
	serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, token: String, mode: Mode, node: BlobNode) {
	let (reader, mut writer) = stream.into_split();
	let mut reader = BufReader::new(reader);
	let mut given = [0u8; TOKEN + 1];
	match timeout(GREETING, reader.read_exact(&mut given)).await {
		Ok(Ok(_)) if blake3::hash(&given[..TOKEN]) == blake3::hash(token.as_bytes()) => (),
		_ => return,
	}
	let mut lines = reader.lines();
	while let Ok(Some(line)) = lines.next_line().await {
		let reply = match serde_json::from_str(&line) {
			Ok(request) => answer(request, mode, &node).await,
			Err(e) => Reply::Failed {
				input: false,
				message: format!("unknown request: {e}; is it another version of tessera?"),
			},
		};
		let Ok(mut json) = serde_json::to_vec(&reply) else { return };
		json.push(b'\n');
		if writer.write_all(&json).await.is_err() {
			return;
		}
	}
}

async fn answer(request: Request, mode: Mode, node: &BlobNode) -> Reply {
	let run = async {
		Ok::<_, Failure>(match request {
			Request::Hello => Reply::Hello {
				pid: std::process::id(),
				mode,
				endpoint: hex::encode(node.endpoint_info().encode()),
			},
			Request::Add { label, blobs } => {
				for BlobFile { blob, path, start, end } in blobs {
					let origin = BlobOrigin::File { path, range: start..end };
					node.add_origin(&label, &blob, &origin).await?;
				}
				Reply::Done
			}
			Request::Labels => Reply::Labels(node.labels().await?),
			Request::Release { label } => {
				node.release(&label).await?;
				Reply::Done
			}
		})
	};
	run.await.unwrap_or_else(|failure| Reply::Failed {
		input: failure.exit == crate::exit::Exit::Input,
		message: failure.message,
	})
}

/// A connection to the process that has the store open.
#[derive(Debug)]
pub struct Client {
	reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
	writer: tokio::net::tcp::OwnedWriteHalf,
	pid: u32,
	mode: Mode,
	endpoint: EndpointInfo,
}

/// Why a request failed.
#[derive(Debug)]
pub enum ClientError {
	/// The other process has ended.
	Lost,
	/// It could not do it.
	Refused(Failure),
}

impl Client {
	/// Connects to the process that has this directory's store open; `None` when there is none.
	pub async fn connect(dir: &Path) -> Option<Self> {
		timeout(GREETING, async {
			let address = read(&file(dir))?;
			let stream = TcpStream::connect(("127.0.0.1", address.port)).await.ok()?;
			let (reader, mut writer) = stream.into_split();
			writer.write_all(format!("{}\n", address.token).as_bytes()).await.ok()?;
			let mut reader = BufReader::new(reader);
			match request(&mut reader, &mut writer, &Request::Hello).await.ok()? {
				Reply::Hello { pid, mode, endpoint } => {
					let endpoint =
						EndpointInfo::decode_all(&mut hex::decode(endpoint).ok()?.as_slice()).ok()?;
					Some(Self { reader, writer, pid, mode, endpoint })
				}
				_ => None,
			}
		})
		.await
		.ok()
		.flatten()
	}

	/// Its process.
	pub fn pid(&self) -> u32 {
		self.pid
	}

	/// For how long it serves.
	pub fn mode(&self) -> Mode {
		self.mode
	}

	/// Where it serves.
	pub fn endpoint(&self) -> &EndpointInfo {
		&self.endpoint
	}

	/// Puts blobs under a label.
	pub async fn add(&mut self, label: &str, blobs: Vec<BlobFile>) -> Result<(), ClientError> {
		self.ask(&Request::Add { label: label.into(), blobs }).await.map(drop)
	}

	/// All labels.
	pub async fn labels(&mut self) -> Result<Vec<String>, ClientError> {
		match self.ask(&Request::Labels).await? {
			Reply::Labels(labels) => Ok(labels),
			_ => Err(ClientError::Lost),
		}
	}

	/// Lets go of a label.
	pub async fn release(&mut self, label: &str) -> Result<(), ClientError> {
		self.ask(&Request::Release { label: label.into() }).await.map(drop)
	}

	/// Ends when the other process does. It says nothing unasked.
	pub async fn closed(&mut self) {
		let _ = self.reader.fill_buf().await;
	}

	async fn ask(&mut self, question: &Request) -> Result<Reply, ClientError> {
		match request(&mut self.reader, &mut self.writer, question).await {
			Ok(Reply::Failed { input, message }) => {
				let failure = if input { Failure::input(message) } else { Failure::other(message) };
				Err(ClientError::Refused(failure))
			}
			Ok(reply) => Ok(reply),
			Err(_) => Err(ClientError::Lost),
		}
	}
}

async fn request(
	reader: &mut BufReader<tokio::net::tcp::OwnedReadHalf>,
	writer: &mut tokio::net::tcp::OwnedWriteHalf,
	question: &Request,
) -> std::io::Result<Reply> {
	let mut json = serde_json::to_vec(question)?;
	json.push(b'\n');
	writer.write_all(&json).await?;
	let mut line = String::new();
	if reader.read_line(&mut line).await? == 0 {
		return Err(std::io::ErrorKind::UnexpectedEof.into());
	}
	Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_client::blobs::BlobConfig;

	#[tokio::test(flavor = "multi_thread")]
	async fn connection_should_be_refused_without_the_token() {
		let dir = tempfile::tempdir().unwrap();
		let node = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
		let server = Server::start(dir.path(), Mode::Serve, node.clone()).await.unwrap();
		assert!(Client::connect(dir.path()).await.is_some());

		let address = read(&file(dir.path())).unwrap();
		let mut stream = TcpStream::connect(("127.0.0.1", address.port)).await.unwrap();
		stream.write_all(format!("{}\n{{\"labels\":null}}\n", "0".repeat(TOKEN)).as_bytes()).await.unwrap();
		let mut answer = Vec::new();
		// It hangs up; a reset, because it did not read on, is as good as an end.
		let _ = stream.read_to_end(&mut answer).await;
		assert!(answer.is_empty());

		server.stop().await;
		assert!(!file(dir.path()).exists());
		assert!(Client::connect(dir.path()).await.is_none());
		node.shutdown().await;
	}

	#[cfg(unix)]
	#[tokio::test(flavor = "multi_thread")]
	async fn token_should_be_readable_by_its_user_alone() {
		use std::os::unix::fs::PermissionsExt;
		let dir = tempfile::tempdir().unwrap();
		let node = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
		let _server = Server::start(dir.path(), Mode::Job, node.clone()).await.unwrap();
		let mode = std::fs::metadata(file(dir.path())).unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o600);
		node.shutdown().await;
	}

	#[tokio::test]
	async fn stale_file_should_count_as_no_process() {
		let dir = tempfile::tempdir().unwrap();
		assert!(Client::connect(dir.path()).await.is_none());
		let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
		let json = serde_json::to_vec(&Address { port, token: "0".repeat(TOKEN) }).unwrap();
		std::fs::write(file(dir.path()), json).unwrap();
		assert!(Client::connect(dir.path()).await.is_none());
	}
}
