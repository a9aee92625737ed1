// SPDX-License-Identifier: Apache-2.0

//! Serving the inputs of jobs from this machine.
//!
//! The blob store admits one process at a time. Whoever opens it first serves it, and lets other processes of the same
//! data directory add their blobs through [`control`]; when it ends, one of them takes over. So `tessera serve` and any
//! number of `tessera job submit` work side by side, all under one endpoint: the addresses in the jobs stay right, since
//! the port is remembered as well.

mod control;

use std::{
	collections::BTreeMap,
	fs, io,
	net::{IpAddr, SocketAddr, UdpSocket},
	path::{Path, PathBuf},
	time::Duration,
};

use clap::Args;
use serde::{Deserialize, Serialize};
use tessera_client::{
	blobs::{BlobConfig, BlobError, BlobNode, Relay},
	manifest::BlobOrigin,
};
use tessera_primitives::{BlobRef, EndpointInfo, JobId};

use crate::{
	data::{self, DataDir},
	exit::{Failure, Outcome},
	output::Output,
};
use control::{BlobFile, Client, ClientError, Server};

/// How blobs travel.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Blob transfer options")]
pub struct ServeArgs {
	/// Where to listen for transfers; port 0 is any free one, and the same again next time
	#[arg(
		long,
		env = "TESSERA_LISTEN",
		value_name = "IP:PORT",
		value_delimiter = ',',
		default_value = "0.0.0.0:0"
	)]
	pub listen: Vec<SocketAddr>,
	/// Addresses under which others reach this machine, when they are not those it listens on: a forwarded port
	#[arg(long, env = "TESSERA_ADVERTISE", value_name = "IP:PORT", value_delimiter = ',')]
	pub advertise: Vec<SocketAddr>,
	/// Relays for machines that cannot reach each other: `off`, `n0` for the public ones of iroh's makers, or URLs
	#[arg(long, env = "TESSERA_RELAY", value_name = "RELAY", value_delimiter = ',', default_value = "off")]
	pub relay: Vec<String>,
	/// Publish this machine's addresses in, and look others up with, the DNS service of iroh's makers
	#[arg(long, env = "TESSERA_DISCOVERY")]
	pub discovery: bool,
}

impl ServeArgs {
	fn relay(&self) -> Relay {
		match self.relay.as_slice() {
			[] => Relay::Disabled,
			[one] if one == "off" => Relay::Disabled,
			[one] if one == "n0" => Relay::N0,
			urls => Relay::Custom(urls.to_vec()),
		}
	}

	/// For a node that only fetches: on any port of the same interfaces.
	pub fn fetching(&self, dir: PathBuf) -> BlobConfig {
		BlobConfig {
			listen: self.listen.iter().map(|addr| SocketAddr::new(addr.ip(), 0)).collect(),
			relay: self.relay(),
			discovery: self.discovery,
			..BlobConfig::local(dir)
		}
	}

	fn serving(&self, dir: &Path) -> Outcome<BlobConfig> {
		Ok(BlobConfig {
			listen: remembered_ports(dir, &self.listen)?,
			advertise: self.advertise.clone(),
			..self.fetching(dir.to_owned())
		})
	}
}

/// For how long a process serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
	/// Until it is interrupted.
	Serve,
	/// Until a job ends.
	Job,
}

/// The served store, in this process or another one.
#[derive(Debug)]
pub struct Serving {
	dir: PathBuf,
	args: ServeArgs,
	mode: Mode,
	state: State,
}

#[derive(Debug)]
enum State {
	Own { node: BlobNode, server: Server },
	Other(Client),
}

/// How long it may take until a store that another process is just opening or closing can be had.
const PATIENCE: Duration = Duration::from_secs(10);

impl Serving {
	/// Opens the store of the data directory and serves it, or joins the process that does.
	pub async fn open(data: &DataDir, args: &ServeArgs, mode: Mode) -> Outcome<Self> {
		let dir = data.serve_dir();
		let state = State::open(&dir, args, mode).await?;
		Ok(Self { dir, args: args.clone(), mode, state })
	}

	/// Whether a process has the store of the data directory open and serves it.
	pub async fn is_served(data: &DataDir) -> bool {
		Client::connect(&data.serve_dir()).await.is_some()
	}

	/// Where the blobs can be fetched: what a job names as its source.
	pub fn endpoint(&self) -> EndpointInfo {
		match &self.state {
			State::Own { node, .. } => node.endpoint_info(),
			State::Other(client) => client.endpoint().clone(),
		}
	}

	/// The other process that serves, and for how long it does; `None` when it is this one.
	pub fn other(&self) -> Option<(u32, Mode)> {
		match &self.state {
			State::Own { .. } => None,
			State::Other(client) => Some((client.pid(), client.mode())),
		}
	}

	/// Puts blobs under a label. `progress` is called with how many are done.
	pub async fn add(
		&mut self,
		label: &str,
		blobs: &[(BlobRef, BlobOrigin)],
		progress: impl Fn(u64),
	) -> Outcome {
		loop {
			let client = match &mut self.state {
				State::Own { node, .. } => {
					for (done, (blob, origin)) in (1u64..).zip(blobs) {
						node.add_origin(label, blob, origin).await?;
						progress(done);
					}
					return Ok(());
				}
				State::Other(client) => client,
			};
			let spool = Spool::new(&self.dir, blobs)?;
			match client.add(label, spool.files).await {
				Ok(()) => {
					progress(blobs.len() as u64);
					return Ok(());
				}
				Err(error) => self.again(error).await?,
			}
		}
	}

	/// Everything that is kept, by label.
	pub async fn labels(&mut self) -> Outcome<Vec<String>> {
		loop {
			match &mut self.state {
				State::Own { node, .. } => return Ok(node.labels().await?),
				State::Other(client) => match client.labels().await {
					Ok(labels) => return Ok(labels),
					Err(error) => self.again(error).await?,
				},
			}
		}
	}

	/// Lets go of everything under a label.
	pub async fn release(&mut self, label: &str) -> Outcome {
		loop {
			match &mut self.state {
				State::Own { node, .. } => {
					node.release(label).await?;
					return Ok(());
				}
				State::Other(client) => match client.release(label).await {
					Ok(()) => return Ok(()),
					Err(error) => self.again(error).await?,
				},
			}
		}
	}

	/// Ends when the other process that served does; never when it is this one. Nothing is lost when it is dropped
	/// before.
	pub async fn lost(&mut self) {
		match &mut self.state {
			State::Own { .. } => std::future::pending().await,
			State::Other(client) => client.closed().await,
		}
	}

	/// Takes over from the other process after [`Self::lost`], or joins the one that was faster.
	pub async fn reopen(&mut self) -> Outcome {
		self.state = State::open(&self.dir, &self.args, self.mode).await?;
		Ok(())
	}

	/// Stops serving. Everything stays in the store.
	pub async fn close(self) {
		if let State::Own { node, server } = self.state {
			// First: whoever asked for something goes on by itself, as soon as the store can be had.
			server.stop().await;
			node.shutdown().await;
		}
	}

	/// Goes on after the other process ended in the middle of something.
	async fn again(&mut self, error: ClientError) -> Outcome {
		match error {
			ClientError::Lost => self.reopen().await,
			ClientError::Refused(failure) => Err(failure),
		}
	}
}

impl State {
	async fn open(dir: &Path, args: &ServeArgs, mode: Mode) -> Outcome<Self> {
		fs::create_dir_all(dir).map_err(|e| Failure::io("create", dir, &e))?;
		let config = args.serving(dir)?;
		let start = tokio::time::Instant::now();
		loop {
			if let Some(client) = Client::connect(dir).await {
				return Ok(Self::Other(client));
			}
			match BlobNode::open(config.clone()).await {
				Ok(node) => {
					let server = Server::start(dir, mode, node.clone()).await?;
					return Ok(Self::Own { node, server });
				}
				// Another process is just opening or closing it.
				Err(BlobError::Open { .. }) if start.elapsed() < PATIENCE => {
					tokio::time::sleep(Duration::from_millis(200)).await;
				}
				Err(error @ BlobError::Bind { .. }) => {
					let ports = ports_file(dir);
					return Err(Failure::from(error).help(format!(
						"jobs that were submitted from here name this port; free it, or, if none of them is open, remove {} to choose another one",
						ports.display()
					)));
				}
				Err(error) => return Err(error.into()),
			}
		}
	}
}

/// Blobs as files, for the other process to read.
struct Spool {
	files: Vec<BlobFile>,
	/// Those that were not in files; removed when dropped.
	_temporary: Vec<tempfile::NamedTempFile>,
}

impl Spool {
	fn new(dir: &Path, blobs: &[(BlobRef, BlobOrigin)]) -> Outcome<Self> {
		let failed = |path: &Path, e: &io::Error| Failure::io("write", path, e);
		let mut files = Vec::new();
		let mut temporary = Vec::new();
		for (blob, origin) in blobs {
			let (path, range) = match origin {
				BlobOrigin::File { path, range } => (path.clone(), range.clone()),
				BlobOrigin::Bytes(bytes) => {
					let file = tempfile::Builder::new().prefix(".spool-").tempfile_in(dir);
					let file = file.map_err(|e| failed(dir, &e))?;
					fs::write(file.path(), bytes).map_err(|e| failed(file.path(), &e))?;
					let path = file.path().to_owned();
					temporary.push(file);
					(path, 0..blob.bytes)
				}
			};
			let path = std::path::absolute(&path).map_err(|e| failed(&path, &e))?;
			files.push(BlobFile { blob: *blob, path, start: range.start, end: range.end });
		}
		Ok(Self { files, _temporary: temporary })
	}
}

/// The label under which a job's blobs are kept.
pub fn job_label(job: &JobId) -> String {
	format!("job/{}", hex::encode(job))
}

/// The job of a label.
pub fn label_job(label: &str) -> Option<JobId> {
	tessera_client::manifest::parse_hash(label.strip_prefix("job/")?).ok()
}

fn ports_file(dir: &Path) -> PathBuf {
	dir.join("ports.json")
}

/// The addresses, with a port instead of 0: the one that was chosen before, or a free one, which is remembered.
fn remembered_ports(dir: &Path, listen: &[SocketAddr]) -> Outcome<Vec<SocketAddr>> {
	let path = ports_file(dir);
	// A file that cannot be read is as good as none: only the port changes.
	let known: Option<BTreeMap<IpAddr, u16>> =
		fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
	let mut ports = known.unwrap_or_default();
	let before = ports.clone();
	let mut addresses = Vec::new();
	for address in listen {
		let port = match (address.port(), ports.get(&address.ip())) {
			(0, Some(port)) => *port,
			(0, None) => {
				let free = UdpSocket::bind(address).and_then(|socket| socket.local_addr());
				let port = free
					.map_err(|e| {
						Failure::usage(format!("cannot listen on {}: {e}", address.ip()))
							.help("give an address of this machine")
					})?
					.port();
				ports.insert(address.ip(), port);
				port
			}
			(port, _) => port,
		};
		addresses.push(SocketAddr::new(address.ip(), port));
	}
	if ports != before {
		let json = serde_json::to_vec(&ports).map_err(|e| Failure::other(e.to_string()))?;
		data::write(&path, &json)?;
	}
	Ok(addresses)
}

/// Says where blobs are served, to people.
pub fn announce(out: &Output, serving: &Serving) {
	let endpoint = serving.endpoint();
	let addresses = endpoint.addresses_text();
	let addresses = if addresses.is_empty() { "no address".into() } else { addresses.join(", ") };
	match serving.other() {
		None => out.note(format!("serving blobs as {} at {addresses}", hex::encode(endpoint.key))),
		Some((pid, _)) => {
			out.note(format!("process {pid} serves the blobs of this data directory at {addresses}"))
		}
	}
	if endpoint.addresses.is_empty() && !serving.args.discovery {
		out.warn(
			"no address of this machine is known, so providers cannot fetch inputs: see --advertise and --relay",
		);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_client::{blobs::FetchOptions, chain::H256};

	fn local() -> ServeArgs {
		ServeArgs {
			listen: vec!["127.0.0.1:0".parse().unwrap()],
			advertise: Vec::new(),
			relay: vec!["off".into()],
			discovery: false,
		}
	}

	fn data(dir: &tempfile::TempDir) -> DataDir {
		DataDir::new(Some(dir.path().into())).unwrap()
	}

	fn bytes(byte: u8) -> (BlobRef, BlobOrigin) {
		let bytes = vec![byte; 100];
		(BlobRef::of(&bytes), BlobOrigin::Bytes(bytes))
	}

	#[test]
	fn label_should_name_its_job() {
		let job = H256::repeat_byte(5);
		assert_eq!(label_job(&job_label(&job)), Some(job));
		assert_eq!(label_job("job/12"), None);
		assert_eq!(label_job("other"), None);
	}

	#[test]
	fn port_should_stay_the_same_when_it_was_chosen_once() {
		let dir = tempfile::tempdir().unwrap();
		let any: Vec<SocketAddr> = vec!["127.0.0.1:0".parse().unwrap()];
		let first = remembered_ports(dir.path(), &any).unwrap();
		assert_ne!(first[0].port(), 0);
		assert_eq!(remembered_ports(dir.path(), &any).unwrap(), first);
		let own: Vec<SocketAddr> = vec!["127.0.0.1:7777".parse().unwrap()];
		assert_eq!(remembered_ports(dir.path(), &own).unwrap(), own);
		fs::write(ports_file(dir.path()), "rubbish").unwrap();
		assert_ne!(remembered_ports(dir.path(), &any).unwrap()[0].port(), 0);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn second_process_should_add_blobs_through_the_first_and_take_over_when_it_ends() {
		let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
		let data = data(&dir);
		assert!(!Serving::is_served(&data).await);
		let first = Serving::open(&data, &local(), Mode::Serve).await.unwrap();
		assert_eq!(first.other(), None);
		assert!(Serving::is_served(&data).await);
		let mut second = Serving::open(&data, &local(), Mode::Job).await.unwrap();
		assert_eq!(second.other(), Some((std::process::id(), Mode::Serve)));
		assert_eq!(second.endpoint(), first.endpoint());

		// A file, a part of it, and bytes.
		let file = elsewhere.path().join("input.bin");
		fs::write(&file, [[1; 100], [2; 100]].concat()).unwrap();
		let part = |range| (BlobRef::of(&[2; 100]), BlobOrigin::File { path: file.clone(), range });
		let blobs = [part(100..200), bytes(3)];
		second.add("job/a", &blobs, |_| ()).await.unwrap();
		assert_eq!(second.labels().await.unwrap(), ["job/a"]);
		// What is not what it should be is refused, with the reason.
		let failure = second.add("job/b", &[part(0..100)], |_| ()).await.unwrap_err();
		assert!(failure.message.contains("input.bin"), "{failure}");

		let fetch = async |source: EndpointInfo| {
			let into = tempfile::tempdir().unwrap();
			let node = BlobNode::open(local().fetching(into.path().into())).await.unwrap();
			for (blob, _) in &blobs {
				node.fetch("x", blob, std::slice::from_ref(&source), FetchOptions::default()).await.unwrap();
			}
			node.shutdown().await;
		};
		fetch(first.endpoint()).await;
		let endpoint = first.endpoint();
		let ((), ()) = tokio::join!(first.close(), second.lost());
		second.reopen().await.unwrap();
		assert_eq!(second.other(), None);
		assert_eq!(second.endpoint(), endpoint, "key and port stay the same");
		fetch(second.endpoint()).await;
		second.release("job/a").await.unwrap();
		assert!(second.labels().await.unwrap().is_empty());
		second.close().await;
		assert!(!Serving::is_served(&data).await);
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn adding_should_go_on_in_this_process_when_the_other_has_ended() {
		let dir = tempfile::tempdir().unwrap();
		let data = data(&dir);
		let first = Serving::open(&data, &local(), Mode::Job).await.unwrap();
		let mut second = Serving::open(&data, &local(), Mode::Job).await.unwrap();
		first.close().await;
		second.add("job/a", &[bytes(1)], |_| ()).await.unwrap();
		assert_eq!(second.other(), None);
		assert_eq!(second.labels().await.unwrap(), ["job/a"]);
		second.close().await;
	}
}
