// SPDX-License-Identifier: Apache-2.0

//! A real node of a development chain: one validator, slots of a second.

use std::{
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jsonrpsee::{
	core::client::ClientT,
	http_client::{HttpClient, HttpClientBuilder},
	rpc_params,
};
use tessera_client::{
	chain::{AccountId, Chain, ConnectOptions, H256, Level},
	testing::{DevNode, NodeOptions},
};
use tessera_primitives::Balance;

use crate::PATIENCE;

const PAUSE: Duration = Duration::from_millis(200);

/// Storage key of the total issuance: the hashed names of its pallet and of itself.
const TOTAL_ISSUANCE: &str = "0xc2261276cc9d1f8598ea4b6a74b15c2f57c875e4cff74148e4628f264b974c80";

/// A node with a database that outlives it.
pub struct Node {
	folder: PathBuf,
	/// `None` between two starts.
	node: Option<DevNode>,
	port: u16,
	/// What it logged before it was killed.
	before: String,
	rpc: HttpClient,
}

impl Node {
	/// Starts a node and waits until its chain grows.
	pub async fn start(folder: &Path) -> Result<Self> {
		let node = run(folder, 0).await?;
		let port = node.rpc_port();
		let url = format!("http://127.0.0.1:{port}");
		let rpc = HttpClientBuilder::default().request_timeout(PATIENCE).build(url)?;
		let node = Self { folder: folder.into(), node: Some(node), port, before: String::new(), rpc };
		node.grows().await?;
		Ok(node)
	}

	/// Its address for clients.
	pub fn url(&self) -> String {
		format!("ws://127.0.0.1:{}", self.port)
	}

	/// All that it has logged.
	pub fn log(&self) -> String {
		let now = self.node.as_ref().map(DevNode::log).unwrap_or_default();
		format!("{}{now}\n", self.before)
	}

	/// kill -9.
	pub fn kill(&mut self) -> Result<()> {
		self.before = format!("{}--- killed ---\n", self.log());
		self.node.take().map_or(Ok(()), DevNode::kill)
	}

	/// Starts it again after it was killed: same database, same address.
	pub async fn restart(&mut self) -> Result<()> {
		ensure!(self.node.is_none(), "the node runs");
		self.node = Some(run(&self.folder, self.port).await?);
		self.grows().await
	}

	/// A connection of its own.
	pub async fn connect(&self) -> Result<Chain> {
		Ok(Chain::connect(&self.url(), ConnectOptions::default()).await?)
	}

	/// All tokens that exist at this block, planck.
	pub async fn total_issuance(&self, block: H256) -> Result<Balance> {
		let value: String = self.rpc.request("state_getStorage", rpc_params![TOTAL_ISSUANCE, block]).await?;
		let mut bytes = [0; 16];
		let hex = value.strip_prefix("0x").context("storage is hexadecimal")?;
		for (at, byte) in bytes.iter_mut().enumerate() {
			*byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2).context("a balance has 16 bytes")?, 16)?;
		}
		Ok(Balance::from_le_bytes(bytes))
	}

	/// Waits until there is a block that this node made.
	async fn grows(&self) -> Result<()> {
		let chain = self.connect().await?;
		let first = chain.head(Level::Best).await?.number;
		let deadline = Instant::now() + PATIENCE;
		while chain.head(Level::Best).await?.number == first {
			ensure!(Instant::now() < deadline, "the node makes no blocks:\n{}", self.log());
			tokio::time::sleep(PAUSE).await;
		}
		Ok(())
	}
}

async fn run(folder: &Path, rpc_port: u16) -> Result<DevNode> {
	DevNode::start(NodeOptions { base_path: Some(folder.into()), rpc_port, ..Default::default() }).await
}

/// The account of the treasury, to which the protocol's cut and most of the fees go: derived from the pallet id
/// `py/trsry`.
pub fn treasury() -> AccountId {
	let mut bytes = [0; 32];
	bytes[..12].copy_from_slice(b"modlpy/trsry");
	AccountId::from(bytes)
}
