// SPDX-License-Identifier: Apache-2.0

//! Blobs: a store on disk, and transfers between endpoints over iroh.
//!
//! A [`BlobNode`] stores blobs under their BLAKE3 hash, serves every complete or partial one to anybody who asks for
//! the hash, and fetches others from the endpoints that the chain names. What it fetches is verified while it
//! arrives, in groups of 16 KiB, and never exceeds the promised length.
//!
//! Blobs are kept under labels (a job, a task, a claim). A blob without a label is deleted at the next collection, so
//! whoever adds or fetches a blob says under which label, and releases the label when nobody needs its blobs any more.
//!
//! This module is the only one that knows iroh.

mod error;
mod fetch;
mod store;
#[cfg(test)]
mod tests;

use std::{
	collections::HashMap,
	net::SocketAddr,
	path::{Path, PathBuf},
	sync::{Arc, Weak},
	time::Duration,
};

use iroh::{
	Endpoint, EndpointAddr, EndpointId, RelayMode, RelayUrl, SecretKey, TransportAddr,
	endpoint::{Connection, PortmapperConfig, presets},
	protocol::Router,
};
use iroh_blobs::{
	BlobsProtocol,
	store::{
		GcConfig,
		fs::{FsStore, options::Options},
	},
};
use tessera_primitives::{
	limits::{MAX_ADDRESS, MAX_ADDRESSES},
	types::EndpointInfo,
};
use tokio::sync::Mutex;

pub use error::{BlobError, FetchError, SourceError, SourceFailure};
pub use fetch::FetchOptions;
pub use store::FileMode;

use crate::files;

/// How a node reaches endpoints that are not on its own network.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Relay {
	/// Not at all: only by the socket addresses that endpoints publish. Enough on one machine or one network.
	#[default]
	Disabled,
	/// Through the public relays that iroh's makers run.
	N0,
	/// Through these relays: `https://` URLs.
	Custom(Vec<String>),
}

/// How to open a [`BlobNode`].
#[derive(Clone, Debug)]
pub struct BlobConfig {
	/// Directory of the endpoint's secret key and the store. One process at a time.
	pub dir: PathBuf,
	/// Addresses to listen on: at most one of each family; port 0 is any free one.
	pub listen: Vec<SocketAddr>,
	/// Relays.
	pub relay: Relay,
	/// Whether to publish our addresses to, and look others up in, the public DNS service of iroh's makers.
	pub discovery: bool,
	/// Addresses under which others reach us, when they are not those that we listen on: a forwarded port, say.
	pub advertise: Vec<SocketAddr>,
	/// How often blobs without a label are deleted.
	pub gc_interval: Duration,
}

impl BlobConfig {
	/// A node that only processes on this machine can reach.
	pub fn local(dir: impl Into<PathBuf>) -> Self {
		Self {
			dir: dir.into(),
			listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
			relay: Relay::Disabled,
			discovery: false,
			advertise: Vec::new(),
			gc_interval: Duration::from_secs(300),
		}
	}

	/// A node that listens on all interfaces.
	pub fn public(dir: impl Into<PathBuf>) -> Self {
		Self { listen: vec![SocketAddr::from(([0, 0, 0, 0], 0))], ..Self::local(dir) }
	}
}

/// How long a connection is kept after its last transfer, for the next blob from the same endpoint.
const LINGER: Duration = Duration::from_secs(15);

/// How long opening waits for the first own address, when it listens on an unspecified one.
const ADDRESS_WAIT: Duration = Duration::from_secs(2);

/// A blob store with its endpoint. Cheap to clone: clones are the same node.
#[derive(Clone, Debug)]
pub struct BlobNode {
	inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
	dir: PathBuf,
	store: FsStore,
	endpoint: Endpoint,
	router: Router,
	advertise: Vec<SocketAddr>,
	/// One lock per blob that is being fetched, so that it is transferred once.
	fetching: std::sync::Mutex<HashMap<[u8; 32], Weak<Mutex<()>>>>,
	/// Open connections, kept by those who use them and for [`LINGER`] after.
	connections: std::sync::Mutex<HashMap<EndpointId, Weak<Connection>>>,
}

impl BlobNode {
	/// Opens or creates the store, binds the endpoint and starts serving.
	///
	/// Fails when another process has the store open, an address is taken, or the key file is not private.
	pub async fn open(config: BlobConfig) -> Result<Self, BlobError> {
		let dir = std::path::absolute(&config.dir)
			.map_err(|e| BlobError::io("find the blob directory", &config.dir, e))?;
		let secret = load_or_create_secret(&dir.join("endpoint.key"))?;

		let root = dir.join("blobs");
		std::fs::create_dir_all(&root).map_err(|e| BlobError::io("create the blob directory", &root, e))?;
		let mut options = Options::new(&root);
		options.gc = Some(GcConfig { interval: config.gc_interval, add_protected: None });
		let store = FsStore::load_with_opts(root.join("blobs.db"), options)
			.await
			.map_err(|e| BlobError::Open { dir: root, reason: format!("{e:#}") })?;

		let endpoint = match bind(&config, secret).await {
			Ok(endpoint) => endpoint,
			Err(error) => {
				// Without this the database stays locked for a moment after the failure.
				if let Err(e) = store.shutdown().await {
					tracing::warn!("blob store did not close cleanly: {e}");
				}
				return Err(error);
			}
		};
		let router = Router::builder(endpoint.clone())
			.accept(iroh_blobs::ALPN, BlobsProtocol::new(&store, None))
			.spawn();
		let node = Self {
			inner: Arc::new(Inner {
				dir,
				store,
				endpoint,
				router,
				advertise: config.advertise,
				fetching: Default::default(),
				connections: Default::default(),
			}),
		};
		node.wait_for_address().await;
		tracing::info!(
			endpoint = %node.inner.endpoint.id(),
			addresses = ?node.endpoint_info().addresses_text(),
			dir = %node.inner.dir.display(),
			"blob node is open"
		);
		Ok(node)
	}

	/// Directory of the node.
	pub fn dir(&self) -> &Path {
		&self.inner.dir
	}

	/// Our key, and the addresses under which others reach us: what goes on chain. At most four: relays first, then
	/// the advertised ones or, without those, the ones we listen on.
	pub fn endpoint_info(&self) -> EndpointInfo {
		let addr = self.inner.endpoint.addr();
		let relays = addr.relay_urls().map(ToString::to_string);
		let mut direct: Vec<SocketAddr> = if self.inner.advertise.is_empty() {
			addr.ip_addrs().copied().collect()
		} else {
			self.inner.advertise.clone()
		};
		// IPv4 first: more networks route it.
		direct.sort_by_key(|a| a.is_ipv6());
		let max = usize::try_from(MAX_ADDRESSES).unwrap_or(usize::MAX);
		let max_bytes = usize::try_from(MAX_ADDRESS).unwrap_or(usize::MAX);
		let mut info =
			EndpointInfo { key: *self.inner.endpoint.id().as_bytes(), addresses: Default::default() };
		for text in relays.chain(direct.iter().map(ToString::to_string)).take(max) {
			if text.len() > max_bytes {
				tracing::warn!("address {text} is too long to be published (at most {max_bytes} bytes)");
				continue;
			}
			// Cannot fail: both bounds were just checked.
			if let Ok(text) = text.into_bytes().try_into() {
				let _ = info.addresses.try_push(text);
			}
		}
		info
	}

	/// Stops serving, closes all connections and the store. Everything stored survives; all clones of the node stop
	/// working.
	pub async fn shutdown(&self) {
		// Closes the endpoint, and the store through the protocol handler.
		if let Err(e) = self.inner.router.shutdown().await {
			tracing::warn!("blob node did not shut down cleanly: {e}");
		}
	}

	/// Waits until we know an address of our own, as far as there can be one.
	async fn wait_for_address(&self) {
		let known = async {
			while self.inner.endpoint.addr().is_empty() {
				tokio::time::sleep(Duration::from_millis(20)).await;
			}
		};
		if tokio::time::timeout(ADDRESS_WAIT, known).await.is_err() {
			tracing::warn!(
				"this blob node knows no address of its own: others reach it only through a relay or discovery"
			);
		}
	}

	/// A connection to one source, shared with other transfers from it.
	async fn connection(
		&self,
		source: &EndpointInfo,
		timeout: Duration,
	) -> Result<Arc<Connection>, SourceError> {
		let addr = endpoint_addr(source)?;
		let id = addr.id;
		if id == self.inner.endpoint.id() {
			return Err(SourceError::Ourselves);
		}
		let open = {
			let mut connections = lock(&self.inner.connections);
			connections.retain(|_, c| c.strong_count() > 0);
			connections.get(&id).and_then(Weak::upgrade).filter(|c| c.close_reason().is_none())
		};
		if let Some(connection) = open {
			return Ok(connection);
		}
		let connect = self.inner.endpoint.connect(addr, iroh_blobs::ALPN);
		let connection = match tokio::time::timeout(timeout, connect).await {
			Ok(Ok(connection)) => Arc::new(connection),
			Ok(Err(e)) => return Err(SourceError::Unreachable(format!("{e:#}"))),
			Err(_) => return Err(SourceError::Unreachable(format!("no answer within {timeout:?}"))),
		};
		lock(&self.inner.connections).insert(id, Arc::downgrade(&connection));
		Ok(connection)
	}

	/// Keeps a connection open for a while after a transfer.
	fn linger(connection: Arc<Connection>) {
		tokio::spawn(async move {
			tokio::time::sleep(LINGER).await;
			drop(connection);
		});
	}
}

/// Locks a mutex whose protected data is a plain map: a panic elsewhere cannot have left it half changed.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
	mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn bind(config: &BlobConfig, secret: SecretKey) -> Result<Endpoint, BlobError> {
	let relay = match &config.relay {
		Relay::Disabled => RelayMode::Disabled,
		Relay::N0 => RelayMode::Default,
		Relay::Custom(urls) => {
			let parse = |url: &String| {
				url.parse::<RelayUrl>()
					.map_err(|e| BlobError::Relay { url: url.clone(), reason: e.to_string() })
			};
			RelayMode::custom(urls.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
		}
	};
	let mut builder =
		if config.discovery { Endpoint::builder(presets::N0) } else { Endpoint::builder(presets::Minimal) };
	builder = builder.relay_mode(relay).secret_key(secret).clear_ip_transports();
	// Asking routers for a port mapping makes sense, and noise, only where others can reach us.
	if config.listen.iter().all(|a| a.ip().is_loopback()) {
		builder = builder.portmapper_config(PortmapperConfig::Disabled);
	}
	for addr in &config.advertise {
		builder = builder.external_addr(*addr);
	}
	let failed = |reason: String| BlobError::Bind { listen: config.listen.clone(), reason };
	for addr in &config.listen {
		builder = builder.bind_addr(*addr).map_err(|e| failed(format!("{e:#}")))?;
	}
	builder.bind().await.map_err(|e| failed(format!("{e:#}")))
}

/// Where iroh should dial a source.
fn endpoint_addr(source: &EndpointInfo) -> Result<EndpointAddr, SourceError> {
	let id = EndpointId::from_bytes(&source.key).map_err(|_| SourceError::BadKey)?;
	let mut addr = EndpointAddr::new(id);
	let texts = source.addresses_text();
	for text in &texts {
		if let Ok(socket) = text.parse::<SocketAddr>() {
			addr.addrs.insert(TransportAddr::Ip(socket));
		} else if let Ok(url) = text.parse::<RelayUrl>() {
			addr.addrs.insert(TransportAddr::Relay(url));
		}
	}
	// No address at all may still be found by discovery; nothing but rubbish will not.
	if addr.is_empty() && !source.addresses.is_empty() {
		return Err(SourceError::BadAddress(texts));
	}
	Ok(addr)
}

/// The endpoint's secret key: 64 hex digits in a file that only its owner may read.
fn load_or_create_secret(path: &Path) -> Result<SecretKey, BlobError> {
	use std::io::ErrorKind;
	let failed = |reason: String| BlobError::Key { path: path.to_owned(), reason };
	match files::read_private(path) {
		Ok(text) => parse_secret(&text).ok_or_else(|| failed("it is not 64 hex digits".into())),
		Err(e) if e.kind() == ErrorKind::NotFound => {
			let secret = SecretKey::generate();
			let text = format!("{}\n", hex::encode(secret.to_bytes()));
			match files::create_private(path, text.as_bytes()) {
				Ok(()) => Ok(secret),
				// Another process was faster; the store decides which of us goes on.
				Err(e) if e.kind() == ErrorKind::AlreadyExists => files::read_private(path)
					.ok()
					.and_then(|text| parse_secret(&text))
					.ok_or_else(|| failed("it is not 64 hex digits".into())),
				Err(e) => Err(failed(e.to_string())),
			}
		}
		Err(e) => Err(failed(e.to_string())),
	}
}

fn parse_secret(text: &str) -> Option<SecretKey> {
	let mut bytes = [0u8; 32];
	hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
	Some(SecretKey::from_bytes(&bytes))
}
