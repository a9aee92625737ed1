// SPDX-License-Identifier: Apache-2.0

//! Transactions that accounts sign and pay for.

use subxt::{
	config::SubstrateExtrinsicParamsBuilder, transactions::SubmittableTransaction, utils::MultiSignature,
};
use tessera_primitives::{Balance, JobId, job::JobRequest};
use tokio::time::timeout;

use crate::{keys::Key, manifest::units::format_amount};

use super::{
	AccountId, BlockRef, Call, Chain, ChainError, Config, H256, Level, MarketEvent, Refusal, calls,
	error::seconds, follow::Heads, inclusion::Parcel, nonce::InFlight,
};

/// For how many blocks a transaction is valid.
const MORTALITY: u32 = 64;
/// How far behind the best block a transaction's validity may begin, when finality is further behind.
const MAX_LAG: u32 = MORTALITY / 2;
/// How often a transaction is numbered again when the pool or another program has its number.
const MAX_NUMBERINGS: u32 = 5;

/// Somebody who signs transactions: an sr25519 key of an account.
pub trait AccountSigner: Send + Sync {
	/// The account.
	fn account(&self) -> AccountId;
	/// The sr25519 signature of these bytes, in Substrate's signing context `substrate`.
	fn sign(&self, payload: &[u8]) -> [u8; 64];
}

impl AccountSigner for subxt_signer::sr25519::Keypair {
	fn account(&self) -> AccountId {
		subxt::utils::AccountId32(self.public_key().0)
	}

	fn sign(&self, payload: &[u8]) -> [u8; 64] {
		Self::sign(self, payload).0
	}
}

impl AccountSigner for Key {
	fn account(&self) -> AccountId {
		self.account()
	}

	fn sign(&self, payload: &[u8]) -> [u8; 64] {
		AccountSigner::sign(self.signer(), payload)
	}
}

/// What came of a transaction or an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxOutcome {
	/// The block that holds it.
	pub block: BlockRef,
	/// Which of the block's transactions it is.
	pub index: u32,
	/// Its hash.
	pub hash: H256,
	/// Whether the block is final.
	pub finalized: bool,
	/// What was paid for it, planck; `None` when it was free.
	pub fee: Option<Balance>,
	/// What it did in the market.
	pub events: Vec<MarketEvent>,
}

impl Chain {
	/// Signs a call, sends it, and waits until a block of this level holds it.
	///
	/// The account's transactions are numbered here: any number of calls may be submitted at once, from this and from
	/// clones of this connection. A transaction counts for 64 blocks; after that it is void and the error says so.
	///
	/// Fails with [`ChainError::Failed`] when the call itself fails in its block, which costs the fee, and with
	/// [`ChainError::Refused`] when the chain does not take it, which costs nothing.
	pub async fn submit(
		&self,
		call: &Call,
		signer: &dyn AccountSigner,
		level: Level,
	) -> Result<TxOutcome, ChainError> {
		let account = signer.account();
		for _ in 0..MAX_NUMBERINGS {
			let (parcel, number, in_flight) = self.send_numbered(call, signer).await?;
			match self.await_inclusion(&parcel, level).await {
				Ok(included) => {
					in_flight.included();
					return match self.outcome(&parcel, included).await {
						Err(error) => Err(self.with_balance(error, &account).await),
						ok => ok,
					};
				}
				// Another program's transaction has the number. Signing again before that is final could do it twice.
				Err(ChainError::Refused { refusal: Refusal::Stale, .. }) => {
					drop(in_flight);
					self.await_used(&account, number, &parcel).await?;
				}
				Err(error) => return Err(self.with_balance(error, &account).await),
			}
		}
		Err(ChainError::Crowded { what: call.name(), account })
	}

	/// Submits a job and says its id. The same client id never pays twice: when the tenant has a job with it, this fails
	/// with [`ChainError::JobExists`].
	pub async fn submit_job(
		&self,
		tenant: &dyn AccountSigner,
		client_id: H256,
		request: JobRequest,
		level: Level,
	) -> Result<(JobId, TxOutcome), ChainError> {
		let job = super::job_id(&tenant.account(), &client_id);
		let exists = || async {
			let known = self.view(Level::Best).await?.job(job).await?;
			let error = known.map(|known| ChainError::JobExists { job, same: known.request == request });
			Ok::<_, ChainError>(error)
		};
		// Asked first, so that a retry costs no fee.
		if let Some(error) = exists().await? {
			return Err(error);
		}
		let call = calls::submit_job(client_id, request.clone());
		match self.submit(&call, tenant, level).await {
			Err(error) if error.failure_name() == Some("Jobs.JobExists") => {
				Err(exists().await?.unwrap_or(error))
			}
			other => Ok((job, other?)),
		}
	}

	/// What a call would cost this account in fees, planck. Nothing is sent.
	pub async fn estimate_fee(&self, call: &Call, signer: &dyn AccountSigner) -> Result<Balance, ChainError> {
		let number = self.next_number(&signer.account()).await?;
		let (transaction, _) = self.sign(call, signer, number).await?;
		self.ask(transaction.partial_fee_estimate()).await
	}

	/// The number of the account's next transaction, those in the node's pool counted.
	async fn next_number(&self, account: &AccountId) -> Result<u64, ChainError> {
		let account = *account;
		self.rpc(|rpc| async move { rpc.system_account_next_index(&account).await }).await
	}

	async fn send_numbered(
		&self,
		call: &Call,
		signer: &dyn AccountSigner,
	) -> Result<(Parcel, u64, InFlight), ChainError> {
		let account = signer.account();
		let mut turn = self.nonces().turn(&account).await;
		for _ in 0..MAX_NUMBERINGS {
			let number = turn.number(self.next_number(&account)).await?;
			// Every signature is another one.
			let sent =
				self.send_variants(|_| async move { Ok(self.sign(call, signer, number).await?.1) }).await;
			match sent {
				Ok(parcel) => return Ok((parcel, number, turn.sent(number))),
				Err(ChainError::Refused { refusal, .. })
					if matches!(refusal, Refusal::Stale | Refusal::Future | Refusal::Outbid) =>
				{
					tracing::debug!(%account, number, %refusal, "numbering again");
					turn.forget();
				}
				Err(error) => {
					turn.forget();
					return Err(self.with_balance(error, &account).await);
				}
			}
		}
		Err(ChainError::Crowded { what: call.name(), account })
	}

	/// Signs a call, valid for 64 blocks from a final block on: a reorganisation does not make it void.
	async fn sign(
		&self,
		call: &Call,
		signer: &dyn AccountSigner,
		number: u64,
	) -> Result<(SubmittableTransaction<Config, super::queries::AtImpl>, Parcel), ChainError> {
		let view = self.view(Level::Best).await?;
		let after = view.block();
		let mut birth = self.head(Level::Final).await?;
		let youngest = after.number.saturating_sub(MAX_LAG);
		if birth.number < youngest {
			let hash = self.hash_of(youngest).await?;
			let hash = hash.ok_or_else(|| ChainError::UnknownBlock { block: youngest.to_string() })?;
			birth = BlockRef { number: youngest, hash };
		}
		let params = SubstrateExtrinsicParamsBuilder::<Config>::new()
			.nonce(number)
			.mortal_from_unchecked(MORTALITY.into(), birth.number.into(), birth.hash)
			.build();
		let transactions = view.at().tx();
		let payload = call.payload(&transactions)?;
		let mut signable = transactions.create_signable_offline(&payload, params)?;
		let signature = MultiSignature::Sr25519(signer.sign(&signable.signer_payload()?));
		let transaction = signable.sign_with_account_and_signature(&signer.account(), &signature)?;
		let parcel = Parcel {
			what: call.name(),
			bytes: transaction.encoded().to_vec(),
			hash: transaction.hash(),
			after,
			last_block: birth.number.saturating_add(MORTALITY - 1),
			urgent: false,
		};
		Ok((transaction, parcel))
	}

	/// Waits until it is final that the account has used this number.
	async fn await_used(&self, account: &AccountId, number: u64, parcel: &Parcel) -> Result<(), ChainError> {
		let mut heads = Heads::after(self.clone(), Level::Final, None);
		let patience = self.options().patience;
		loop {
			let view = self.view(Level::Final).await?;
			if view.nonce(account).await? > number {
				return Ok(());
			}
			let Ok(step) = timeout(patience, heads.next()).await else {
				let (what, seconds) = (parcel.what.clone(), seconds(patience));
				return Err(ChainError::Stalled { what, seconds, last_block: parcel.last_block });
			};
			step?;
		}
	}

	/// Adds what the account has to an error that is about money.
	async fn with_balance(&self, error: ChainError, account: &AccountId) -> ChainError {
		let about_money = match &error {
			ChainError::Refused { refusal, .. } => matches!(refusal, Refusal::CannotPayFee(None)),
			ChainError::Failed { failure, .. } => {
				failure.name.starts_with("Token.") || failure.name.ends_with("NotCovered")
			}
			_ => false,
		};
		if !about_money {
			return error;
		}
		let known = async {
			let view = self.view(Level::Best).await?;
			let balance = view.balance(account).await?;
			Ok::<_, ChainError>((balance.spendable(view.existential_deposit()?), balance.on_hold))
		};
		let Ok((free, on_hold)) = known.await else { return error };
		let hint = format!(
			"{account} can spend {}, with {} on hold besides",
			format_amount(free),
			format_amount(on_hold)
		);
		match error {
			ChainError::Refused { what, .. } => {
				ChainError::Refused { what, refusal: Refusal::CannotPayFee(Some(hint)) }
			}
			ChainError::Failed { what, failure } => {
				ChainError::Failed { what, failure: super::Failure { hint: Some(hint), ..failure } }
			}
			other => other,
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::{ConnectOptions, SignedOrder};

	fn sent<T: Send>(_: T) {}

	/// Workers spawn these as tasks. That it compiles is the test.
	#[allow(dead_code)]
	fn futures_should_be_send(chain: &Chain, call: &Call, key: &Key, order: &SignedOrder, job: &JobRequest) {
		sent(Chain::connect("", ConnectOptions::default()));
		sent(chain.submit(call, key, Level::Best));
		sent(chain.submit_job(key, H256::zero(), job.clone(), Level::Best));
		sent(chain.estimate_fee(call, key));
		sent(chain.submit_order(order, Level::Best));
		sent(chain.send_order(order));
		sent(chain.wait_for_job(H256::zero(), Level::Final, |_| true));
		sent(chain.follow(Level::Best));
		sent(async move {
			let view = chain.view(Level::Best).await?;
			view.quote(job).await?.ok();
			view.balance(&key.account()).await
		});
	}
}
