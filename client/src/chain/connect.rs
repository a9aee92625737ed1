// SPDX-License-Identifier: Apache-2.0

//! The connection to a node.

use std::{
	collections::BTreeMap,
	future::Future,
	sync::{Arc, Mutex},
	time::Duration,
};

use subxt::{
	OnlineClient,
	backend::LegacyBackend,
	config::RpcConfigFor,
	rpcs::{
		RpcClient,
		client::reconnecting_rpc_client::{ExponentialBackoff, RpcClient as ReconnectingClient, RpcError},
		methods::legacy::LegacyRpcMethods,
	},
};
use tokio::time::{sleep, timeout};

use super::{
	BlockNumber, BlockRef, ChainError, Config, H256, Level, View,
	error::{is_disconnect, seconds},
	inclusion::Bodies,
	nonce::Nonces,
	shape,
};

/// Name of Tessera's runtime.
const SPEC_NAME: &str = "tessera";
/// First pause before a connection is tried again; each next one is twice as long.
const FIRST_PAUSE_MILLIS: u64 = 100;
/// How long the try may take that only finds out why there is no connection.
const LAST_TRY: Duration = Duration::from_secs(1);
/// Pause before a question is asked again that a lost connection has swallowed.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How patient a connection is.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
	/// How long the first connection may take. 10 s by default.
	pub connect_timeout: Duration,
	/// How long a question may stay unanswered, reconnecting included, and how long the chain may make no block while
	/// somebody waits for one. 60 s by default.
	pub patience: Duration,
	/// Longest pause between two tries to connect again. 5 s by default.
	pub max_pause: Duration,
}

impl Default for ConnectOptions {
	fn default() -> Self {
		Self {
			connect_timeout: Duration::from_secs(10),
			patience: Duration::from_secs(60),
			max_pause: Duration::from_secs(5),
		}
	}
}

/// The node's own RPC methods.
pub(super) type Rpc = LegacyRpcMethods<RpcConfigFor<Config>>;

/// A connection to a node of a Tessera chain. Clones share it, and the numbering of transactions.
#[derive(Clone)]
pub struct Chain {
	inner: Arc<Inner>,
}

struct Inner {
	url: String,
	options: ConnectOptions,
	client: OnlineClient<Config>,
	rpc: Rpc,
	genesis: H256,
	/// What differs in every version of the runtime that was met: nothing, mostly.
	versions: Mutex<BTreeMap<u32, Vec<String>>>,
	nonces: Nonces,
	bodies: Bodies,
}

impl std::fmt::Debug for Chain {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.debug_struct("Chain").field("url", &self.inner.url).field("genesis", &self.inner.genesis).finish()
	}
}

impl Chain {
	/// Connects to the node at this WebSocket address.
	///
	/// Fails when no node answers within [`ConnectOptions::connect_timeout`], when the chain is not Tessera, and when
	/// its runtime differs where this software needs it. Later losses of the connection are mended.
	pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ChainError> {
		check_url(url)?;
		let client = open(url, &options).await?;
		Self::over(RpcClient::new(client), url, options).await
	}

	/// The chain behind an open connection.
	async fn over(client: RpcClient, url: &str, options: ConnectOptions) -> Result<Self, ChainError> {
		let rpc = Rpc::new(client.clone());
		let backend: LegacyBackend<Config> = LegacyBackend::builder().build(client);
		let first = async {
			let version = rpc.state_get_runtime_version(None).await?;
			let name = version.other.get("specName").and_then(|name| name.as_str()).unwrap_or("?");
			if name != SPEC_NAME {
				return Err(ChainError::NotTessera { url: url.into(), found: name.into() });
			}
			Ok(OnlineClient::<Config>::from_backend(Arc::new(backend)).await?)
		};
		let no_answer = || ChainError::NoAnswer { url: url.into(), seconds: seconds(options.patience) };
		let client = timeout(options.patience, first).await.map_err(|_| no_answer())??;
		let genesis = client.genesis_hash();
		let inner = Inner {
			url: url.into(),
			options,
			client,
			rpc,
			genesis,
			versions: Mutex::default(),
			nonces: Nonces::default(),
			bodies: Bodies::default(),
		};
		let chain = Self { inner: Arc::new(inner) };
		chain.view(Level::Best).await?;
		Ok(chain)
	}

	/// The node's address.
	pub fn url(&self) -> &str {
		&self.inner.url
	}

	/// Hash of the chain's first block: what orders are bound to.
	pub fn genesis(&self) -> H256 {
		self.inner.genesis
	}

	/// The newest block of this level.
	pub async fn head(&self, level: Level) -> Result<BlockRef, ChainError> {
		let hash = match level {
			Level::Best => self
				.rpc(|rpc| async move { rpc.chain_get_block_hash(None).await })
				.await?
				.ok_or_else(|| ChainError::other("it has no best block"))?,
			Level::Final => self.rpc(|rpc| async move { rpc.chain_get_finalized_head().await }).await?,
		};
		let header = self.header(hash).await?;
		Ok(BlockRef { number: header.number, hash })
	}

	/// The chain at its newest block of this level.
	pub async fn view(&self, level: Level) -> Result<View, ChainError> {
		let head = self.head(level).await?;
		self.view_at(head).await
	}

	/// The chain at the block with this hash. The node must know its state: unless it is an archive, that is some
	/// hundred blocks.
	pub async fn view_at_hash(&self, hash: H256) -> Result<View, ChainError> {
		let header = self.header(hash).await?;
		self.view_at(BlockRef { number: header.number, hash }).await
	}

	/// The chain at this block.
	pub async fn view_at(&self, block: BlockRef) -> Result<View, ChainError> {
		let at = self
			.ask(self.inner.client.at_block_hash_and_number(
				subxt::backend::BlockRef::from_hash(block.hash),
				block.number.into(),
			))
			.await?;
		let version = at.spec_version();
		let differences = {
			let mut versions = self.inner.versions.lock().unwrap_or_else(|broken| broken.into_inner());
			versions.entry(version).or_insert_with(|| shape::differences(at.metadata_ref())).clone()
		};
		if !differences.is_empty() {
			let ours = shape::known_version()?;
			return Err(ChainError::IncompatibleRuntime { ours, theirs: version, differences });
		}
		Ok(View::new(self.clone(), at, block))
	}

	/// Fails when the node behind the address serves another chain than at the beginning.
	pub(super) async fn check_genesis(&self) -> Result<(), ChainError> {
		let found = self.rpc(|rpc| async move { rpc.genesis_hash().await }).await?;
		if found == self.inner.genesis {
			return Ok(());
		}
		Err(ChainError::OtherChain { url: self.inner.url.clone(), expected: self.inner.genesis, found })
	}

	pub(super) fn options(&self) -> &ConnectOptions {
		&self.inner.options
	}

	pub(super) fn nonces(&self) -> &Nonces {
		&self.inner.nonces
	}

	pub(super) fn bodies(&self) -> &Bodies {
		&self.inner.bodies
	}

	pub(super) fn raw_rpc(&self) -> &Rpc {
		&self.inner.rpc
	}

	/// The hash of the block with this number on the best chain.
	pub(super) async fn hash_of(&self, number: BlockNumber) -> Result<Option<H256>, ChainError> {
		self.rpc(|rpc| async move { rpc.chain_get_block_hash(Some(number.into())).await }).await
	}

	/// The header of a block.
	pub(super) async fn header(&self, hash: H256) -> Result<Header, ChainError> {
		let header = self.rpc(|rpc| async move { rpc.chain_get_header(Some(hash)).await }).await?;
		let header = header.ok_or_else(|| ChainError::UnknownBlock { block: format!("{hash:?}") })?;
		Header::new(header, hash)
	}

	/// Asks the node, again after a lost connection.
	pub(super) async fn rpc<T, F>(&self, question: impl Fn(Rpc) -> F) -> Result<T, ChainError>
	where
		F: Future<Output = Result<T, subxt::rpcs::Error>>,
	{
		self.ask(async {
			loop {
				match question(self.inner.rpc.clone()).await {
					Err(error) if is_disconnect(&error) => sleep(ASK_AGAIN).await,
					other => return other,
				}
			}
		})
		.await
	}

	/// Waits for an answer as long as [`ConnectOptions::patience`] allows.
	pub(super) async fn ask<T, E: Into<ChainError>>(
		&self,
		answer: impl Future<Output = Result<T, E>>,
	) -> Result<T, ChainError> {
		match timeout(self.inner.options.patience, answer).await {
			Ok(answer) => answer.map_err(Into::into),
			Err(_) => Err(self.no_answer()),
		}
	}

	pub(super) fn no_answer(&self) -> ChainError {
		ChainError::NoAnswer { url: self.inner.url.clone(), seconds: seconds(self.inner.options.patience) }
	}
}

/// What is needed of a block's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
	/// Its number.
	pub number: BlockNumber,
	/// Its hash.
	pub hash: H256,
	/// The block before.
	pub parent: H256,
}

impl Header {
	pub(super) fn new(
		header: subxt::config::substrate::SubstrateHeader<H256>,
		hash: H256,
	) -> Result<Self, ChainError> {
		let number =
			header.number.try_into().map_err(|_| ChainError::other("a block number beyond 32 bits"))?;
		Ok(Self { number, hash, parent: header.parent_hash })
	}
}

fn check_url(url: &str) -> Result<(), ChainError> {
	let bad = |reason: &str| Err(ChainError::BadUrl { url: url.into(), reason: reason.into() });
	let Some((scheme, rest)) = url.split_once("://") else {
		return bad("it does not begin with ws:// or wss://");
	};
	if !matches!(scheme, "ws" | "wss") {
		return bad("it does not begin with ws:// or wss://");
	}
	if rest.is_empty() || rest.starts_with(['/', ':']) {
		return bad("the host is missing");
	}
	Ok(())
}

/// Opens a connection that mends itself. The client's policy is endless and counts for the first connection too, so
/// that one is limited here; a last try without any policy says why it failed.
async fn open(url: &str, options: &ConnectOptions) -> Result<ReconnectingClient, ChainError> {
	let builder = || {
		ReconnectingClient::builder()
			.connection_timeout(options.connect_timeout)
			.request_timeout(options.patience)
	};
	// The pauses are powers of two, times the factor.
	let pauses =
		ExponentialBackoff::from_millis(2).factor(FIRST_PAUSE_MILLIS / 2).max_delay(options.max_pause);
	let failed = |error: RpcError| ChainError::Unreachable {
		url: url.into(),
		seconds: seconds(options.connect_timeout),
		reason: error.to_string(),
	};
	match timeout(options.connect_timeout, builder().retry_policy(pauses).build(url)).await {
		Ok(built) => built.map_err(failed),
		Err(_) => {
			let last = builder().connection_timeout(LAST_TRY).retry_policy(std::iter::empty());
			Err(failed(last.build(url).await.err().unwrap_or(RpcError::RequestTimeout)))
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use subxt::rpcs::{
		Error as RpcClientError,
		client::{RawRpcFuture, RawRpcSubscription, RawValue, RpcClientT},
	};

	#[test]
	fn url_should_be_refused_when_it_is_no_websocket_address() {
		for good in ["ws://127.0.0.1:9944", "wss://node.example", "ws://[::1]:9944/path"] {
			assert!(check_url(good).is_ok(), "{good}");
		}
		for bad in ["127.0.0.1:9944", "http://127.0.0.1:9944", "ws://", "ws://:9944", ""] {
			let text = check_url(bad).unwrap_err().to_string();
			assert!(text.contains(&format!("`{bad}`")) && text.contains("ws://127.0.0.1:9944"), "{text}");
		}
	}

	/// A node of another chain.
	struct Elsewhere;

	impl RpcClientT for Elsewhere {
		fn request_raw<'a>(
			&'a self,
			method: &'a str,
			_: Option<Box<RawValue>>,
		) -> RawRpcFuture<'a, Box<RawValue>> {
			assert_eq!(method, "state_getRuntimeVersion", "nothing else is asked of a foreign chain");
			let version = r#"{ "specName": "westend", "specVersion": 1, "transactionVersion": 1 }"#;
			Box::pin(
				async move { RawValue::from_string(version.into()).map_err(RpcClientError::Deserialization) },
			)
		}

		fn subscribe_raw<'a>(
			&'a self,
			sub: &'a str,
			_: Option<Box<RawValue>>,
			_: &'a str,
		) -> RawRpcFuture<'a, RawRpcSubscription> {
			panic!("{sub} is not asked for");
		}
	}

	#[tokio::test]
	async fn connect_should_refuse_a_chain_that_is_not_tessera() {
		let client = RpcClient::new(Elsewhere);
		let error = Chain::over(client, "ws://other", ConnectOptions::default()).await.unwrap_err();
		assert!(matches!(error, ChainError::NotTessera { .. }), "{error:?}");
		let text = error.to_string();
		assert!(text.contains("ws://other") && text.contains("westend"), "{text}");
	}

	#[tokio::test]
	async fn connect_should_say_what_to_do_when_no_node_is_there() {
		// A port that was free a moment ago, and on which nobody listens.
		let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
		let url = format!("ws://127.0.0.1:{port}");
		let options = ConnectOptions { connect_timeout: Duration::from_millis(300), ..Default::default() };
		let error = Chain::connect(&url, options).await.unwrap_err();
		assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
		let text = error.to_string();
		assert!(text.contains(&url) && text.contains("start one") && text.contains("refused"), "{text}");
	}

	#[tokio::test]
	async fn connect_should_fail_when_something_else_listens() {
		let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
		let url = format!("ws://{}", listener.local_addr().unwrap());
		// Accepts, and never says a word.
		let options = ConnectOptions { connect_timeout: Duration::from_millis(300), ..Default::default() };
		let error = Chain::connect(&url, options).await.unwrap_err();
		assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
	}
}
