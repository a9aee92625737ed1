// SPDX-License-Identifier: Apache-2.0

//! Getting bytes into a block, and knowing that they are there.
//!
//! A node's messages about a transaction are hints: a pool may drop it silently, a subscription ends with the
//! connection, and "invalid" does not mean that no block holds it. So the blocks themselves are searched, and while the
//! transaction is in none, the runtime is asked at each new head whether it still would take it. The same bytes are sent
//! again whenever they may be gone from the pool; no chain includes them twice.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use subxt::{
	rpcs::{Error as RpcError, UserError},
	transactions::ValidationResult,
};
use tokio::{
	sync::Mutex,
	time::{sleep, timeout},
};

use super::{
	BlockNumber, BlockRef, Chain, ChainError, H256, Level, OrderRefusal, Refusal,
	error::seconds,
	follow::{Heads, Step},
};

/// After how many blocks without it a transaction is looked after again.
const LOOK_AGAIN: u32 = 4;
/// How far blocks before the sending are searched after a deep reorganisation.
const DEEP: BlockNumber = 16;
/// How many blocks after its last possible one a transaction is given up, when finality is as far behind as that.
const GRACE: BlockNumber = 32;
/// How many blocks' contents are remembered.
const BODIES: usize = 32;

/// How often something is sent anew while the pool is behind, and by how much longer each pause is: 9 s in all.
const MAX_VARIANTS: u64 = 12;
const POOL_PAUSE: Duration = Duration::from_millis(120);

/// Error codes of the node's `author_*` methods (`sc-rpc-api`).
mod code {
	pub const INVALID: i32 = 1010;
	pub const UNKNOWN_VALIDITY: i32 = 1011;
	pub const BANNED: i32 = 1012;
	pub const ALREADY_IMPORTED: i32 = 1013;
	pub const LOW_PRIORITY: i32 = 1014;
	pub const DROPPED: i32 = 1016;
	pub const FUTURE: i32 = 1021;
}

/// Something that was or will be sent.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
	/// The call, for texts.
	pub what: String,
	/// The transaction, with its length.
	pub bytes: Vec<u8>,
	/// BLAKE2-256 of the bytes.
	pub hash: H256,
	/// The best block before it was sent: no block up to here holds it.
	pub after: BlockRef,
	/// Last block that can hold it.
	pub last_block: BlockNumber,
	/// Whether every head without it matters: others may have been faster.
	pub urgent: bool,
}

/// Where something was included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Included {
	/// The block.
	pub block: BlockRef,
	/// Which of its transactions.
	pub index: u32,
	/// Whether the block is final.
	pub finalized: bool,
}

/// The hashes of the transactions in recent blocks.
#[derive(Default)]
pub(super) struct Bodies(Mutex<VecDeque<(H256, Arc<[H256]>)>>);

impl Chain {
	/// Gives to the node's pool what `make` makes: other bytes of the same meaning for every try.
	///
	/// A pool learns of a new block some time after those who subscribe to blocks. Until then it refuses what depends on
	/// that block, and keeps the bytes that it refused out for half an hour, so each try needs bytes of its own.
	pub(super) async fn send_variants<F>(&self, make: impl Fn(u64) -> F) -> Result<Parcel, ChainError>
	where
		F: Future<Output = Result<Parcel, ChainError>>,
	{
		let mut variant = 0;
		loop {
			let parcel = make(variant).await?;
			match self.send(&parcel).await {
				Ok(()) => return Ok(parcel),
				Err(ChainError::Refused { refusal: Refusal::PoolBehind(text), .. })
					if variant < MAX_VARIANTS =>
				{
					tracing::debug!(what = parcel.what, text, "the pool is behind");
					variant += 1;
					sleep(POOL_PAUSE * variant as u32).await;
				}
				Err(error) => return Err(error),
			}
		}
	}

	/// Gives a transaction to the node's pool. That it is there already counts as done.
	async fn send(&self, parcel: &Parcel) -> Result<(), ChainError> {
		let bytes = Arc::new(parcel.bytes.clone());
		let sent = self.rpc(|rpc| {
			let bytes = bytes.clone();
			async move {
				match rpc.author_submit_extrinsic(&bytes).await {
					Ok(_) => Ok(None),
					Err(RpcError::User(refused)) => Ok(Some(refused)),
					Err(error) => Err(error),
				}
			}
		});
		let Some(refused) = sent.await? else { return Ok(()) };
		let UserError { code, .. } = refused;
		let refusal = match code {
			code::ALREADY_IMPORTED => return Ok(()),
			code::LOW_PRIORITY => Refusal::Outbid,
			code::DROPPED => Refusal::PoolFull,
			code::FUTURE => Refusal::Future,
			// The runtime says the reason in a form that need not be parsed, and is never behind.
			code::INVALID | code::UNKNOWN_VALIDITY | code::BANNED => {
				let reason = self.validate(parcel, self.head(Level::Best).await?).await?;
				reason.unwrap_or_else(|| Refusal::PoolBehind(text_of(&refused)))
			}
			_ => Refusal::Other(text_of(&refused)),
		};
		Err(self.refused(parcel, refusal).await)
	}

	/// The error of a refusal. A signature that does not fit usually means that another chain was started behind the same
	/// address.
	async fn refused(&self, parcel: &Parcel, refusal: Refusal) -> ChainError {
		if matches!(refusal, Refusal::BadSignature | Refusal::Order(OrderRefusal::BadSignature))
			&& let Err(error) = self.check_genesis().await
		{
			return error;
		}
		ChainError::Refused { what: parcel.what.clone(), refusal }
	}

	/// Why the runtime would not take it on top of this block; `None` when it would.
	async fn validate(&self, parcel: &Parcel, head: BlockRef) -> Result<Option<Refusal>, ChainError> {
		let view = self.view_at(head).await?;
		let tx = view.at().tx().from_bytes(parcel.bytes.clone());
		Ok(match self.ask(tx.validate()).await? {
			ValidationResult::Valid(_) => None,
			ValidationResult::Invalid(reason) => Some(reason.into()),
			ValidationResult::Unknown(reason) => Some(reason.into()),
		})
	}

	/// Waits until a block of this level holds it. See the module's documentation.
	pub(super) async fn await_inclusion(
		&self,
		parcel: &Parcel,
		level: Level,
	) -> Result<Included, ChainError> {
		let patience = self.options().patience;
		let mut heads = Heads::after(self.clone(), Level::Best, Some(parcel.after));
		let mut found: Option<Included> = None;
		let mut without = 0u32;
		loop {
			let Ok(step) = timeout(patience, heads.next()).await else {
				// Tells a silent node from a chain that stands still.
				self.head(Level::Best).await?;
				let (what, seconds) = (parcel.what.clone(), seconds(patience));
				return Err(match found {
					Some(Included { block, .. }) => {
						ChainError::NotFinal { what, block: block.number, seconds }
					}
					None => ChainError::Stalled { what, seconds, last_block: parcel.last_block },
				});
			};
			let step = step?;
			let head = match step.blocks.last() {
				Some(head) => *head,
				None => self.head(Level::Best).await?,
			};
			found = self.search(parcel, &step, head, found).await?;
			if let Some(included) = found {
				if level == Level::Best {
					return Ok(included);
				}
				if self.is_final(included.block).await? {
					return Ok(Included { finalized: true, ..included });
				}
			} else if head.number >= parcel.last_block {
				let final_head = self.head(Level::Final).await?;
				if final_head.number >= parcel.last_block || head.number - parcel.last_block >= GRACE {
					let Parcel { what, last_block, .. } = parcel.clone();
					return Err(ChainError::Expired { what, last_block });
				}
			} else {
				without += 1;
				if parcel.urgent || step.reconnected || without.is_multiple_of(LOOK_AGAIN) {
					self.look_after(parcel, head).await?;
				}
			}
		}
	}

	/// Where it is after this step.
	async fn search(
		&self,
		parcel: &Parcel,
		step: &Step,
		head: BlockRef,
		found: Option<Included>,
	) -> Result<Option<Included>, ChainError> {
		if let Some(included) = found {
			let gone = if step.missed {
				self.hash_of(included.block.number).await? != Some(included.block.hash)
			} else {
				step.retracted.contains(&included.block)
			};
			if !gone {
				return Ok(found);
			}
		}
		if step.missed {
			let first = parcel.after.number.saturating_sub(DEEP);
			for number in first..=head.number.min(parcel.last_block) {
				let Some(hash) = self.hash_of(number).await? else { break };
				if let Some(included) = self.find_in(BlockRef { number, hash }, parcel.hash).await? {
					return Ok(Some(included));
				}
			}
			return Ok(None);
		}
		for block in &step.blocks {
			if let Some(included) = self.find_in(*block, parcel.hash).await? {
				return Ok(Some(included));
			}
		}
		Ok(None)
	}

	async fn find_in(&self, block: BlockRef, transaction: H256) -> Result<Option<Included>, ChainError> {
		let mut bodies = self.bodies().0.lock().await;
		let known = bodies.iter().find(|(hash, _)| *hash == block.hash).map(|(_, body)| body.clone());
		let body = match known {
			Some(body) => body,
			None => {
				let details =
					self.rpc(|rpc| async move { rpc.chain_get_block(Some(block.hash)).await }).await?;
				let details =
					details.ok_or_else(|| ChainError::UnknownBlock { block: format!("{:?}", block.hash) })?;
				let hash = |bytes: &[u8]| H256(sp_crypto_hashing::blake2_256(bytes));
				let body: Arc<[H256]> = details.block.extrinsics.iter().map(|bytes| hash(&bytes.0)).collect();
				bodies.push_back((block.hash, body.clone()));
				if bodies.len() > BODIES {
					bodies.pop_front();
				}
				body
			}
		};
		let index = body.iter().zip(0..).find(|(hash, _)| **hash == transaction).map(|(_, index)| index);
		Ok(index.map(|index| Included { block, index, finalized: false }))
	}

	/// Whether this block is on the final chain.
	pub(super) async fn is_final(&self, block: BlockRef) -> Result<bool, ChainError> {
		let head = self.head(Level::Final).await?;
		Ok(head.number >= block.number && self.hash_of(block.number).await? == Some(block.hash))
	}

	/// Fails when the runtime would not take it on top of this block, in and below which it is not; sends it again
	/// otherwise.
	async fn look_after(&self, parcel: &Parcel, head: BlockRef) -> Result<(), ChainError> {
		if let Some(refusal) = self.validate(parcel, head).await? {
			return Err(self.refused(parcel, refusal).await);
		}
		match self.send(parcel).await {
			Err(ChainError::Refused { refusal, .. }) => {
				// The runtime would take it: the pool will, or another node's has it.
				tracing::debug!(what = parcel.what, %refusal, "not in the pool");
				Ok(())
			}
			other => other,
		}
	}
}

fn text_of(error: &UserError) -> String {
	match &error.data {
		Some(data) => format!("{}: {}", error.message, data.get().trim_matches('"')),
		None => error.message.clone(),
	}
}
