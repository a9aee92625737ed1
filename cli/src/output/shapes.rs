// SPDX-License-Identifier: Apache-2.0

//! The shapes of `--json`. They are an interface: fields may be added, but none changes its meaning or goes away.
//!
//! Amounts are texts of whole planck, since JSON's numbers are not exact that far. Ids are texts of `0x` and 64 hex
//! digits, accounts SS58 texts with prefix 42, spans and points in time ticks, lengths bytes. What does not apply is
//! `null`.

mod market;
mod program;
mod provider;

use serde::Serialize;
use tessera_client::{
	chain::{AccountId, BlockRef, H256, JobInfo, TaskInfo, TaskState, TxOutcome},
	manifest::OutputBuffer,
};
use tessera_primitives::{
	Balance, BlobRef, EndpointInfo, Tick,
	api::TaskCounts,
	job::{EndReason, Tier},
	provider::{Features, Requirements},
};

pub use market::{BalanceShape, Market};
pub use program::Program;
pub use provider::Provider;

/// An amount: planck as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Planck(pub Balance);

impl Serialize for Planck {
	fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(&self.0)
	}
}

/// An account: SS58 text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Account(pub AccountId);

impl Serialize for Account {
	fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(&self.0)
	}
}

/// A block: `{"number", "hash"}`.
#[derive(Clone, Serialize, Debug)]
pub struct Block {
	/// Its number.
	pub number: u32,
	/// Its hash.
	pub hash: H256,
}

impl From<BlockRef> for Block {
	fn from(block: BlockRef) -> Self {
		Self { number: block.number, hash: block.hash }
	}
}

/// A transaction that is in a block.
#[derive(Clone, Serialize, Debug)]
pub struct Transaction {
	/// The block.
	pub block: Block,
	/// Whether the block is final.
	pub finalized: bool,
	/// The transaction's hash.
	pub hash: H256,
	/// What was paid for it.
	pub fee: Option<Planck>,
}

impl From<&TxOutcome> for Transaction {
	fn from(outcome: &TxOutcome) -> Self {
		Self {
			block: outcome.block.into(),
			finalized: outcome.finalized,
			hash: outcome.hash,
			fee: outcome.fee.map(Planck),
		}
	}
}

/// An iroh endpoint.
#[derive(Clone, Serialize, Debug)]
pub struct Endpoint {
	/// Ed25519 public key: 64 hex digits without `0x`, as iroh writes it.
	pub key: String,
	/// `ip:port` or relay URLs.
	pub addresses: Vec<String>,
}

impl From<&EndpointInfo> for Endpoint {
	fn from(info: &EndpointInfo) -> Self {
		Self { key: hex::encode(info.key), addresses: info.addresses_text() }
	}
}

/// What a job requires of providers.
#[derive(Clone, Serialize, Debug)]
pub struct RequirementsShape {
	/// ISO 3166 codes; empty: any.
	pub regions: Vec<String>,
	/// Class of the adapter.
	pub class: Option<&'static str>,
	/// Least memory.
	pub memory_bytes: u64,
	/// Names of features.
	pub features: Vec<&'static str>,
}

impl From<&Requirements> for RequirementsShape {
	fn from(r: &Requirements) -> Self {
		Self {
			regions: r.regions.iter().map(|region| region.as_str().to_owned()).collect(),
			class: r.class.map(|class| class.name()),
			memory_bytes: r.memory_bytes,
			features: feature_names(r.features),
		}
	}
}

/// The names of the features in a set.
pub fn feature_names(features: Features) -> Vec<&'static str> {
	Features::NAMED.iter().filter(|(_, f)| features.contains(*f)).map(|(name, _)| *name).collect()
}

/// A job.
#[derive(Clone, Serialize, Debug)]
pub struct Job {
	/// Its id.
	pub job: H256,
	/// Who pays.
	pub tenant: Account,
	/// `open`, `working` (nothing open any more), or `ended`.
	pub state: &'static str,
	/// Its program.
	pub program: H256,
	/// Who checks: `unverified`.
	pub tier: Tier,
	/// Number of tasks.
	pub tasks: u32,
	/// Tasks by state: `open`, `accepted`, `claimed`, `settled`, `failed`.
	pub counts: TaskCounts,
	/// Price of a task at submission.
	pub opening_price: Planck,
	/// Highest price of a task.
	pub ceiling_price: Planck,
	/// Rise per tick.
	pub price_ramp: Planck,
	/// Ticks from acceptance to claim.
	pub execution_ticks: u32,
	/// Ticks from submission to the last acceptance.
	pub lifetime_ticks: u32,
	/// Ticks from claim to settlement.
	pub challenge_ticks: u32,
	/// Tick of submission.
	pub submitted_at: Tick,
	/// Last tick at which tasks can be accepted.
	pub open_until: Tick,
	/// Why no task is open any more.
	pub closed: Option<EndReason>,
	/// Tick at which the last task ended.
	pub ended_at: Option<Tick>,
	/// Still in escrow.
	pub escrow: Planck,
	/// Storage deposit.
	pub deposit: Planck,
	/// What providers must offer.
	pub requirements: RequirementsShape,
	/// Length of every buffer, by slot.
	pub buffers: Vec<u64>,
	/// Workgroups of every stage.
	pub dispatches: Vec<[u32; 3]>,
	/// The blob that lists all inputs.
	pub spec: BlobRef,
	/// Where the program and the inputs are served.
	pub source: Endpoint,
}

/// A job's state in a word.
pub fn job_state(job: &JobInfo) -> &'static str {
	match (job.ended_at, job.closed) {
		(Some(_), _) => "ended",
		(None, None) if job.counts.open > 0 => "open",
		(None, _) => "working",
	}
}

impl From<&JobInfo> for Job {
	fn from(job: &JobInfo) -> Self {
		let request = &job.request;
		Self {
			job: job.id,
			tenant: Account(job.tenant),
			state: job_state(job),
			program: request.program,
			tier: request.tier,
			tasks: request.tasks,
			counts: job.counts,
			opening_price: Planck(request.opening_price),
			ceiling_price: Planck(request.ceiling_price),
			price_ramp: Planck(request.price_ramp),
			execution_ticks: request.execution_ticks,
			lifetime_ticks: request.lifetime_ticks,
			challenge_ticks: job.challenge_ticks,
			submitted_at: job.submitted_at,
			open_until: job.open_until,
			closed: job.closed,
			ended_at: job.ended_at,
			escrow: Planck(job.escrow),
			deposit: Planck(job.deposit),
			requirements: (&request.requirements).into(),
			buffers: request.buffers.to_vec(),
			dispatches: request.dispatches.to_vec(),
			spec: request.spec,
			source: (&request.source).into(),
		}
	}
}

/// A task.
#[derive(Clone, Serialize, Debug)]
pub struct Task {
	/// Its index.
	pub task: u32,
	/// `open`, `accepted`, `claimed` or `ended`.
	pub state: &'static str,
	/// Why it ended: `settled`, `cancelled`, `lifetime_over`, `attempts_used_up` or `faulted`.
	pub reason: Option<EndReason>,
	/// How often it was opened again.
	pub attempt: u32,
	/// What it costs: now when open, agreed when taken, paid when settled.
	pub price: Option<Planck>,
	/// Who has it, or was paid for it.
	pub provider: Option<Account>,
	/// Locked part of the provider's bond.
	pub collateral: Option<Planck>,
	/// Last tick for the claim.
	pub deadline: Option<Tick>,
	/// First tick at which it is settled.
	pub settle_at: Option<Tick>,
	/// The claim's root.
	pub root: Option<H256>,
	/// Providers that failed it.
	pub barred: Vec<Account>,
}

impl From<&TaskInfo> for Task {
	fn from(task: &TaskInfo) -> Self {
		let mut shape = Self {
			task: task.id.1,
			state: "open",
			reason: None,
			attempt: task.attempt,
			price: task.price.map(Planck),
			provider: None,
			collateral: None,
			deadline: None,
			settle_at: None,
			root: None,
			barred: task.barred.iter().copied().map(Account).collect(),
		};
		match &task.state {
			TaskState::Open { .. } => (),
			TaskState::Accepted { provider, price, collateral, deadline, .. } => {
				shape.state = "accepted";
				shape.provider = Some(Account(*provider));
				shape.price = Some(Planck(*price));
				shape.collateral = Some(Planck(*collateral));
				shape.deadline = Some(*deadline);
			}
			TaskState::Claimed { provider, price, collateral, root, settle_at, .. } => {
				shape.state = "claimed";
				shape.provider = Some(Account(*provider));
				shape.price = Some(Planck(*price));
				shape.collateral = Some(Planck(*collateral));
				shape.settle_at = Some(*settle_at);
				shape.root = Some(*root);
			}
			TaskState::Ended { reason, paid } => {
				shape.state = "ended";
				shape.reason = Some(*reason);
				if let Some(paid) = paid {
					shape.provider = Some(Account(paid.provider));
					shape.price = Some(Planck(paid.price));
					shape.root = Some(paid.root);
				}
			}
		}
		shape
	}
}

/// What a job would cost.
#[derive(Clone, Serialize, Debug)]
pub struct QuoteShape {
	/// The program.
	pub program: H256,
	/// Whether the chain knows it. When not, what only the chain can say is `null`.
	pub registered: bool,
	/// Number of tasks.
	pub tasks: u32,
	/// Put in escrow: ceiling price times tasks.
	pub escrow: Planck,
	/// Storage deposit, returned after the job's end.
	pub deposit: Option<Planck>,
	/// Least opening price.
	pub floor_price: Option<Planck>,
	/// The protocol's part of the ceiling price of one task; providers get the rest.
	pub cut: Option<Planck>,
	/// Providers that could take it now, of at most `scanned`.
	pub eligible_providers: Option<u32>,
	/// How many providers were looked at, at most.
	pub scanned: Option<u32>,
	/// What each task gives back.
	pub outputs: Vec<OutputShape>,
	/// Bytes of all inputs that are served.
	pub input_bytes: u64,
}

/// An output buffer of a job's tasks.
#[derive(Clone, Serialize, Debug)]
pub struct OutputShape {
	/// Its name.
	pub buffer: String,
	/// Its length.
	pub bytes: u64,
}

impl From<&OutputBuffer> for OutputShape {
	fn from(output: &OutputBuffer) -> Self {
		Self { buffer: output.name.clone(), bytes: output.bytes }
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::{json, to_value};
	use tessera_primitives::job::Payment;

	#[test]
	fn amounts_should_be_texts_of_planck() {
		assert_eq!(to_value(Planck(u128::MAX)).unwrap(), json!("340282366920938463463374607431768211455"));
		let account = Account(tessera_client::keys::parse_account("//Alice").unwrap());
		assert_eq!(to_value(account).unwrap(), json!("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"));
	}

	#[test]
	fn task_should_show_what_was_paid_when_it_is_settled() {
		let provider = tessera_client::keys::parse_account("//Bob").unwrap();
		let root = H256::repeat_byte(7);
		let paid = Some(Payment { provider, price: 5, root });
		let state = TaskState::Ended { reason: EndReason::Settled, paid };
		let info = TaskInfo { id: (H256::zero(), 3), attempt: 1, state, price: None, barred: Vec::new() };
		let shape = to_value(Task::from(&info)).unwrap();
		assert_eq!(shape["task"], json!(3));
		assert_eq!((&shape["state"], &shape["reason"]), (&json!("ended"), &json!("settled")));
		assert_eq!(shape["price"], json!("5"));
		assert_eq!(shape["root"], json!(format!("{root:?}")));
		assert_eq!(shape["deadline"], json!(null));
	}

	#[test]
	fn features_should_have_their_names() {
		let both = Features::SHADER_F16.union(Features::SUBGROUP);
		assert_eq!(feature_names(both), ["shader-f16", "subgroup"]);
		assert!(feature_names(Features(0)).is_empty());
	}
}
