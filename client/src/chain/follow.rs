// SPDX-License-Identifier: Apache-2.0

//! The newest blocks, one after another, whatever happens to the connection.
//!
//! A node's subscriptions may skip blocks, go back, and end. [`Heads`] makes a chain of them again: it walks back from
//! each new head to the last block that it has shown, subscribes anew after a lost connection, and says plainly what
//! was taken back and when something is missing.

use std::{collections::VecDeque, time::Duration};

use codec::Encode;
use subxt::{config::substrate::SubstrateHeader, rpcs::client::RpcSubscription};
use tokio::time::sleep;

use super::{BlockNumber, Chain, ChainError, H256, connect::Header, error::is_disconnect};

/// How sure a block is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
	/// The node takes it for the newest; a reorganisation may remove it.
	Best,
	/// Nothing removes it.
	Final,
}

/// A block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub struct BlockRef {
	/// Its number.
	pub number: BlockNumber,
	/// Its hash.
	pub hash: H256,
}

/// How many blocks are walked back at most. Nodes keep the state of some more than that.
const MAX_WALK: usize = 128;
/// How many blocks are remembered, to find out what a reorganisation has removed.
const MAX_SEEN: usize = 512;
/// Pause before another subscription.
const SUBSCRIBE_AGAIN: Duration = Duration::from_millis(200);

/// What changed with a new head.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Step {
	/// New blocks, the oldest first: each is the child of the one before.
	pub blocks: Vec<BlockRef>,
	/// Blocks shown before that are not on this chain any more, the oldest first.
	pub retracted: Vec<BlockRef>,
	/// Blocks between the last one shown and these were not found.
	pub missed: bool,
	/// The connection was lost since the last step.
	pub reconnected: bool,
}

/// The blocks of one level from some point on.
pub(super) struct Heads {
	chain: Chain,
	level: Level,
	subscription: Option<RpcSubscription<SubstrateHeader<H256>>>,
	/// What was shown, the oldest first.
	seen: VecDeque<BlockRef>,
	reconnected: bool,
}

impl Heads {
	/// The blocks after this one; with `None`, from the present head on.
	pub(super) fn after(chain: Chain, level: Level, last: Option<BlockRef>) -> Self {
		Self { chain, level, subscription: None, seen: last.into_iter().collect(), reconnected: false }
	}

	/// Waits for a new head. A lost connection is waited for as long as it takes; what is an error here will not mend
	/// itself. Nothing is lost when the future is dropped before it is done.
	pub(super) async fn next(&mut self) -> Result<Step, ChainError> {
		loop {
			let Some(subscription) = &mut self.subscription else {
				self.subscribe().await?;
				continue;
			};
			let head = match subscription.next().await {
				Some(Ok(header)) => {
					let hash = H256(sp_crypto_hashing::blake2_256(&header.encode()));
					Header::new(header, hash)?
				}
				Some(Err(error)) if !is_disconnect(&error) => {
					self.subscription = None;
					return Err(error.into());
				}
				Some(Err(_)) | None => {
					tracing::warn!(url = self.chain.url(), "the connection to the node is lost");
					self.subscription = None;
					self.reconnected = true;
					sleep(SUBSCRIBE_AGAIN).await;
					continue;
				}
			};
			match self.step(head).await {
				Ok(Some(step)) => return Ok(step),
				Ok(None) => (),
				// The next head leads here again.
				Err(error) if error.is_temporary() => tracing::warn!(%error, "a block was not read"),
				Err(error) => return Err(error),
			}
		}
	}

	async fn subscribe(&mut self) -> Result<(), ChainError> {
		let rpc = self.chain.raw_rpc();
		let subscription = match self.level {
			Level::Best => rpc.chain_subscribe_new_heads().await,
			Level::Final => rpc.chain_subscribe_finalized_heads().await,
		};
		match subscription {
			Ok(subscription) => {
				if self.reconnected {
					self.chain.check_genesis().await?;
					tracing::info!(url = self.chain.url(), "the connection to the node is back");
				}
				self.subscription = Some(subscription);
				Ok(())
			}
			Err(error) if is_disconnect(&error) => {
				self.reconnected = true;
				sleep(SUBSCRIBE_AGAIN).await;
				Ok(())
			}
			Err(error) => Err(error.into()),
		}
	}

	/// What a new head changes; `None` when nothing.
	async fn step(&mut self, head: Header) -> Result<Option<Step>, ChainError> {
		let mut path = vec![head];
		let mut missed = false;
		// Where the new blocks go on from: how many of those seen stay.
		let keep = loop {
			let oldest = path[path.len() - 1];
			if let Some(at) = self.seen.iter().rposition(|seen| seen.hash == oldest.hash) {
				path.pop();
				break at + 1;
			}
			let Some(first) = self.seen.front() else { break 0 };
			if oldest.number <= first.number || path.len() >= MAX_WALK {
				missed = true;
				break 0;
			}
			path.push(self.chain.header(oldest.parent).await?);
		};
		let retracted: Vec<BlockRef> = self.seen.drain(keep..).collect();
		let blocks: Vec<BlockRef> =
			path.iter().rev().map(|header| BlockRef { number: header.number, hash: header.hash }).collect();
		self.seen.extend(&blocks);
		let surplus = self.seen.len().saturating_sub(MAX_SEEN);
		self.seen.drain(..surplus);
		if blocks.is_empty() && retracted.is_empty() {
			return Ok(None);
		}
		// When nothing ties the two ends together, nothing is known of the old blocks either: finality decides.
		let retracted = if missed { Vec::new() } else { retracted };
		let reconnected = std::mem::take(&mut self.reconnected);
		Ok(Some(Step { blocks, retracted, missed, reconnected }))
	}
}
