// SPDX-License-Identifier: Apache-2.0

//! What a worker asks the chain for: heartbeats, accepting, claiming and handing back tasks. It costs no fee: the
//! worker key signs the order, and the chain takes it when it would succeed.
//!
//! A signed order is plain data: a worker may keep it, and send it again after a crash as often as it likes. The chain
//! includes it once at most.

use codec::{Decode, Encode};
use subxt::{
	config::{
		ClientState, SubstrateConfig, SubstrateExtrinsicParams, SubstrateExtrinsicParamsBuilder,
		TransactionExtensions,
	},
	ext::frame_decode::extrinsics::{best_v5_general_transaction_extension_version, encode_v5_general},
	transactions::Payload,
};
use tessera_primitives::{
	orders::{AcceptItem, ClaimItem, HandBackItem, Order as Signable, WorkerSignature, signing_hash},
	provider::WorkerKey,
};

use crate::keys::Key;

use super::{
	AcceptOrder, AccountId, BlockNumber, BlockRef, Call, Chain, ChainError, ClaimOrder, H256, HandBackOrder,
	HeartbeatOrder, Level, TxOutcome, View, calls, inclusion::Parcel, runtime,
};

/// For how many blocks a heartbeat is followed: it has no last block of its own, the window limits it.
const HEARTBEAT_BLOCKS: BlockNumber = 64;

/// Somebody who signs orders: the key of a worker.
pub trait OrderSigner: Send + Sync {
	/// The public key, as the provider has set it.
	fn worker_key(&self) -> WorkerKey;
	/// The sr25519 signature of these 32 bytes, in Substrate's signing context `substrate`.
	fn sign_order(&self, hash: &[u8; 32]) -> WorkerSignature;
}

impl OrderSigner for Key {
	fn worker_key(&self) -> WorkerKey {
		self.worker_key()
	}

	fn sign_order(&self, hash: &[u8; 32]) -> WorkerSignature {
		self.sign_hash(hash)
	}
}

/// What a worker asks for. [`View`] makes one that fits the chain's state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Order {
	/// I am there.
	#[codec(index = 0)]
	Heartbeat(HeartbeatOrder),
	/// I take these tasks.
	#[codec(index = 1)]
	Accept(AcceptOrder),
	/// These are my results.
	#[codec(index = 2)]
	Claim(ClaimOrder),
	/// I cannot do these.
	#[codec(index = 3)]
	HandBack(HandBackOrder),
}

/// An order with the signature of a worker key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedOrder {
	/// The order.
	pub order: Order,
	/// The signature, for one chain.
	pub signature: WorkerSignature,
}

impl Order {
	/// Who asks.
	pub fn provider(&self) -> AccountId {
		match self {
			Self::Heartbeat(order) => order.provider,
			Self::Accept(order) => order.provider,
			Self::Claim(order) => order.provider,
			Self::HandBack(order) => order.provider,
		}
	}

	/// Last block at which it counts; `None` for heartbeats, which count for one window.
	pub fn last_block(&self) -> Option<BlockNumber> {
		match self {
			Self::Heartbeat(_) => None,
			Self::Accept(order) => Some(order.last_block),
			Self::Claim(order) => Some(order.last_block),
			Self::HandBack(order) => Some(order.last_block),
		}
	}

	/// What a worker key signs for the chain with this genesis hash.
	pub fn signing_hash(&self, genesis: &H256) -> [u8; 32] {
		fn hash<O: Signable>(genesis: &H256, order: &O) -> [u8; 32] {
			signing_hash(genesis, order)
		}
		match self {
			Self::Heartbeat(order) => hash(genesis, order),
			Self::Accept(order) => hash(genesis, order),
			Self::Claim(order) => hash(genesis, order),
			Self::HandBack(order) => hash(genesis, order),
		}
	}

	/// Signs it for the chain with this genesis hash ([`Chain::genesis`]).
	pub fn sign(self, genesis: &H256, signer: &dyn OrderSigner) -> SignedOrder {
		let signature = signer.sign_order(&self.signing_hash(genesis));
		SignedOrder { order: self, signature }
	}
}

impl SignedOrder {
	fn call(&self) -> Call {
		let signature = self.signature.0;
		match self.order.clone() {
			Order::Heartbeat(order) => {
				Call::new(runtime::tx().providers().heartbeat(order.into(), signature))
			}
			Order::Accept(order) => Call::new(runtime::tx().jobs().accept(order.into(), signature)),
			Order::Claim(order) => Call::new(runtime::tx().jobs().claim(order.into(), signature)),
			Order::HandBack(order) => Call::new(runtime::tx().jobs().hand_back(order.into(), signature)),
		}
	}
}

impl View {
	/// A heartbeat for the window at this block.
	pub async fn heartbeat_order(&self, provider: &AccountId) -> Result<Order, ChainError> {
		let clock = self.clock().await?;
		let window = clock.tick / clock.heartbeat_window.max(1);
		Ok(Order::Heartbeat(HeartbeatOrder { provider: *provider, window }))
	}

	/// An order to take tasks, 1 to 100, that counts for `blocks` blocks after this one, 256 at most.
	///
	/// It carries the provider's counter of accept orders at this block, so the next one is made after it was included or
	/// is void.
	pub async fn accept_order(
		&self,
		provider: &AccountId,
		tasks: Vec<AcceptItem>,
		blocks: BlockNumber,
	) -> Result<Order, ChainError> {
		let found = tasks.len();
		let known = self.provider(provider).await?;
		let known = known.ok_or(ChainError::UnknownProvider { provider: *provider })?;
		Ok(Order::Accept(AcceptOrder {
			provider: *provider,
			counter: known.accept_counter,
			last_block: self.last_block(blocks),
			tasks: list("Jobs.accept", found, tasks.try_into().ok())?,
		}))
	}

	/// An order to claim tasks, 1 to 100, that counts for `blocks` blocks after this one, 256 at most.
	pub fn claim_order(
		&self,
		provider: &AccountId,
		claims: Vec<ClaimItem>,
		blocks: BlockNumber,
	) -> Result<Order, ChainError> {
		let found = claims.len();
		Ok(Order::Claim(ClaimOrder {
			provider: *provider,
			last_block: self.last_block(blocks),
			claims: list("Jobs.claim", found, claims.try_into().ok())?,
		}))
	}

	/// An order to give tasks back, 1 to 100, that counts for `blocks` blocks after this one, 256 at most.
	pub fn hand_back_order(
		&self,
		provider: &AccountId,
		tasks: Vec<HandBackItem>,
		blocks: BlockNumber,
	) -> Result<Order, ChainError> {
		let found = tasks.len();
		Ok(Order::HandBack(HandBackOrder {
			provider: *provider,
			last_block: self.last_block(blocks),
			tasks: list("Jobs.hand_back", found, tasks.try_into().ok())?,
		}))
	}

	fn last_block(&self, blocks: BlockNumber) -> BlockNumber {
		self.block().number.saturating_add(blocks)
	}
}

fn list<T>(what: &str, found: usize, list: Option<T>) -> Result<T, ChainError> {
	calls::check_list(what, found)?;
	list.ok_or_else(|| ChainError::other(format!("{what}: a list of {found} does not fit")))
}

impl Chain {
	/// Sends an order, and waits until a block of this level holds it.
	///
	/// In the block each task of the order stands or falls alone: look at the outcome's events. When no task can go
	/// through, the chain refuses the order ([`ChainError::Refused`]), now or at any block until one holds it;
	/// [`Refusal::verdict`](super::Refusal::verdict) says what that means. Sending the same again is harmless: when a
	/// block held it already, that is refused too.
	pub async fn submit_order(&self, order: &SignedOrder, level: Level) -> Result<TxOutcome, ChainError> {
		let parcel = self.send_variants(|variant| self.wrap(order, variant)).await?;
		let included = self.await_inclusion(&parcel, level).await?;
		self.outcome(&parcel, included).await
	}

	/// Sends an order and does not wait: it may never get into a block. Returns the transaction's hash.
	pub async fn send_order(&self, order: &SignedOrder) -> Result<H256, ChainError> {
		let parcel = self.send_variants(|variant| self.wrap(order, variant)).await?;
		Ok(parcel.hash)
	}

	/// The order as a general transaction: nobody signs it as a whole, the chain authorises the call by what is in it.
	/// Immortal and without tip, since nobody would have signed those; its number counts for nothing, so that it can tell
	/// variants apart.
	async fn wrap(&self, order: &SignedOrder, variant: u64) -> Result<Parcel, ChainError> {
		let view = self.view(Level::Best).await?;
		let after: BlockRef = view.block();
		let call = order.call();
		let at = view.at();
		let metadata = at.metadata_ref();
		let payload = call.payload(&at.tx())?;
		let state = ClientState::<SubstrateConfig> {
			genesis_hash: self.genesis(),
			spec_version: at.spec_version(),
			transaction_version: at.transaction_version(),
			metadata: at.metadata(),
		};
		let params = SubstrateExtrinsicParamsBuilder::new().immortal().nonce(variant).build();
		let extensions = <SubstrateExtrinsicParams<SubstrateConfig> as TransactionExtensions<
			SubstrateConfig,
		>>::new(&state, params)
		.map_err(subxt::error::ExtrinsicError::from)?;
		let version = best_v5_general_transaction_extension_version(&extensions, metadata, metadata.types())
			.map_err(subxt::error::ExtrinsicError::from)?;
		let bytes = encode_v5_general(
			payload.pallet_name(),
			payload.call_name(),
			Payload::call_data(&payload),
			version,
			&extensions,
			metadata,
			metadata.types(),
		)
		.map_err(subxt::error::ExtrinsicError::from)?;
		let heartbeat = after.number.saturating_add(HEARTBEAT_BLOCKS);
		Ok(Parcel {
			what: call.name(),
			hash: H256(sp_crypto_hashing::blake2_256(&bytes)),
			bytes,
			after,
			last_block: order.order.last_block().unwrap_or(heartbeat),
			urgent: true,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_primitives::traits::verify_worker_signature;

	fn claim() -> Order {
		Order::Claim(ClaimOrder {
			provider: subxt::utils::AccountId32([1; 32]),
			last_block: 7,
			claims: Default::default(),
		})
	}

	#[test]
	fn signature_should_be_what_the_chain_verifies() {
		let key = Key::from_uri("//Worker").unwrap();
		let genesis = H256::repeat_byte(9);
		let signed = claim().sign(&genesis, &key);
		let Order::Claim(order) = &signed.order else { panic!("still a claim") };
		let hash = signing_hash(&genesis, order);
		assert!(verify_worker_signature(&signed.signature, &hash, &OrderSigner::worker_key(&key)));
		assert_ne!(signed.order.signing_hash(&H256::zero()), hash);
	}

	#[test]
	fn signed_order_should_survive_a_journal() {
		let signed = claim().sign(&H256::zero(), &Key::from_uri("//Worker").unwrap());
		assert_eq!(SignedOrder::decode(&mut &*signed.encode()).unwrap(), signed);
		assert_eq!(signed.order.last_block(), Some(7));
	}
}
