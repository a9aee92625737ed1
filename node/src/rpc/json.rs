// SPDX-License-Identifier: Apache-2.0

//! The JSON shapes of `compute_*`. They belong to the RPC interface: the runtime's types may change with an
//! upgrade, these only by adding fields.
//!
//! Keys are camelCase. An amount is a string of decimal digits, in planck, because it does not fit JavaScript's
//! numbers. Hashes and keys are hexadecimal with `0x`, accounts SS58, times ticks, lengths bytes.

mod convert;
#[cfg(test)]
mod tests;

pub use convert::InvalidRequest;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sp_core::H256;
use tessera_primitives::{
	Balance, BlobRef, JobId, ProgramId, TaskIndex, Tick,
	api::TaskCounts,
	job::{EndReason, Tier},
	program::{Access, BufferKind, BufferRole},
	provider::{AdapterClass, Availability},
};
use tessera_runtime::AccountId;

/// An amount in planck: `"1000000000000"` is 1 TESS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(pub Balance);

impl Serialize for Amount {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(&self.0)
	}
}

impl<'de> Deserialize<'de> for Amount {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let text = String::deserialize(deserializer)?;
		// `parse` alone would take "+1".
		if !text.bytes().all(|byte| byte.is_ascii_digit()) {
			return Err(D::Error::custom(wrong_amount(&text)));
		}
		text.parse().map(Self).map_err(|_| D::Error::custom(wrong_amount(&text)))
	}
}

fn wrong_amount(text: &str) -> String {
	format!("\"{text}\" is not an amount: write planck as a string of digits, \"1000000000000\" for 1 TESS")
}

/// A task's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRef {
	/// Its job.
	pub job: JobId,
	/// Its index there.
	pub index: TaskIndex,
}

/// Where blobs are served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
	/// Key of the iroh endpoint.
	pub key: H256,
	/// Its published addresses.
	#[serde(default)]
	pub addresses: Vec<String>,
}

/// What a job requires of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Requirements {
	/// One of these countries; empty: any.
	pub regions: Vec<String>,
	/// This class of adapter; `null`: any.
	pub class: Option<AdapterClass>,
	/// Least adapter memory.
	pub memory_bytes: u64,
	/// These features, by name.
	pub features: Vec<String>,
}

/// What a tenant asks for, and what a quote is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobRequest {
	/// The program.
	pub program: ProgramId,
	/// Who checks.
	#[serde(default)]
	pub tier: Tier,
	/// The blob with the tasks' inputs. A quote does not need it.
	#[serde(default = "some_blob")]
	pub spec: BlobRef,
	/// Where it is served. A quote does not need it.
	#[serde(default)]
	pub source: Endpoint,
	/// Number of tasks.
	pub tasks: u32,
	/// Length of every buffer, by slot.
	pub buffers: Vec<u64>,
	/// Workgroups in x, y and z of every stage.
	pub dispatches: Vec<[u32; 3]>,
	/// What providers must offer.
	#[serde(default)]
	pub requirements: Requirements,
	/// Price of a task at submission.
	pub opening_price: Amount,
	/// Highest price of a task.
	pub ceiling_price: Amount,
	/// What the price rises by per tick.
	#[serde(default)]
	pub price_ramp: Amount,
	/// Ticks from acceptance to claim.
	pub execution_ticks: u32,
	/// Ticks from submission until open tasks are open no more.
	pub lifetime_ticks: u32,
}

/// The smallest blob there is: no price depends on it, and an empty one is refused.
fn some_blob() -> BlobRef {
	BlobRef { hash: H256::zero(), bytes: 1 }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
	/// Its id.
	pub id: JobId,
	/// Who pays.
	pub tenant: AccountId,
	/// What was asked for.
	pub request: JobRequest,
	/// When it was submitted.
	pub submitted_at: Tick,
	/// The last tick at which its open tasks can be accepted.
	pub open_until: Tick,
	/// Ticks from claim to settlement.
	pub challenge_ticks: u32,
	/// Why its open tasks are open no more; `null` while they are.
	pub closed: Option<EndReason>,
	/// When the last task ended; `null` before.
	pub ended_at: Option<Tick>,
	/// How many tasks are in which state.
	pub counts: TaskCounts,
	/// What is still in escrow.
	pub escrow: Amount,
	/// The storage deposit.
	pub deposit: Amount,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
	/// Its job.
	pub job: JobId,
	/// Its index there.
	pub index: TaskIndex,
	/// How often it was opened again.
	pub attempt: u32,
	/// Where it stands.
	pub state: TaskState,
	/// The price at which it could be accepted now; `null` when it is not open.
	pub price: Option<Amount>,
	/// Providers that cannot take it again.
	pub barred: Vec<AccountId>,
}

/// Where a task stands: `{"type": "open", ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TaskState {
	/// Anyone eligible may accept it.
	Open {
		/// When the price began to rise.
		since: Tick,
		/// The price then.
		price: Amount,
	},
	/// A provider works on it.
	Accepted {
		/// Who.
		provider: AccountId,
		/// For how much.
		price: Amount,
		/// What is locked behind it.
		collateral: Amount,
		/// Since when.
		at: Tick,
		/// The last tick for the claim.
		deadline: Tick,
	},
	/// A provider committed to its result.
	Claimed {
		/// Who.
		provider: AccountId,
		/// For how much.
		price: Amount,
		/// What is locked behind it.
		collateral: Amount,
		/// Root of the claim.
		root: H256,
		/// Since when.
		at: Tick,
		/// When it is settled.
		settle_at: Tick,
	},
	/// It is over.
	Ended {
		/// Why.
		reason: EndReason,
		/// Who was paid; `null`: nobody.
		paid: Option<Payment>,
	},
}

/// What was paid for a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
	/// To whom.
	pub provider: AccountId,
	/// How much, the protocol's cut included.
	pub price: Amount,
	/// Root of the claim.
	pub root: H256,
}

/// A task that can be accepted now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTask {
	/// Its job.
	pub job: JobId,
	/// Its index there.
	pub index: TaskIndex,
	/// How often it was opened again.
	pub attempt: u32,
	/// The price now.
	pub price: Amount,
	/// The highest price.
	pub ceiling_price: Amount,
	/// Providers that cannot take it again.
	pub barred: Vec<AccountId>,
}

/// A page of open tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTasks {
	/// The tasks.
	pub tasks: Vec<OpenTask>,
	/// What to give as `after` for the next page; `null` at the end.
	pub next: Option<TaskRef>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
	/// Its buffers; the position is the slot.
	pub buffers: Vec<Buffer>,
	/// Its stages, in the order in which they run.
	pub stages: Vec<Stage>,
}

/// A buffer of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
	/// Its name.
	pub name: String,
	/// What it is for.
	pub role: BufferRole,
	/// Its WGSL address space.
	pub kind: BufferKind,
}

/// A stage of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
	/// Its name.
	pub name: String,
	/// Its WGSL module in the package.
	pub module: u8,
	/// The entry point.
	pub entry: String,
	/// What it reads and writes.
	pub bindings: Vec<Binding>,
}

/// A binding of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
	/// `@group`.
	pub group: u8,
	/// `@binding`.
	pub binding: u8,
	/// Slot of the buffer.
	pub buffer: u8,
	/// How it is used.
	pub access: Access,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
	/// The owner's account.
	pub account: AccountId,
	/// Where its machines stand.
	pub region: String,
	/// Where its blobs are served.
	pub endpoint: Endpoint,
	/// Its GPUs.
	pub adapters: Vec<Adapter>,
	/// The sr25519 key that signs its orders; `null` before it was set.
	pub worker_key: Option<H256>,
	/// Whether it takes work.
	pub availability: Availability,
	/// Its bond, collateral included.
	pub bond: Amount,
	/// The locked part of the bond.
	pub collateral: Amount,
	/// What is on its way out of the bond.
	pub unbonding: Vec<Unbonding>,
	/// Tasks that it holds now.
	pub active_tasks: u32,
	/// Tasks that it was paid for, ever.
	pub settled_tasks: u64,
	/// Deadlines missed in a row.
	pub expiries: u32,
	/// Number of its next accept order.
	pub accept_counter: u32,
	/// Its last heartbeat; `null` before the first.
	pub last_heartbeat: Option<Tick>,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
	/// Its class.
	pub class: AdapterClass,
	/// Memory for buffers.
	pub memory_bytes: u64,
	/// The largest buffer.
	pub max_buffer_bytes: u64,
	/// The largest storage binding.
	pub max_binding_bytes: u64,
	/// Its features, by name.
	pub features: Vec<String>,
}

/// A part of a bond on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbonding {
	/// How much.
	pub amount: Amount,
	/// From when on it can be withdrawn.
	pub at: Tick,
}

/// What a job would cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
	/// The least ceiling price.
	pub floor_price: Amount,
	/// What would be put in escrow.
	pub escrow: Amount,
	/// The storage deposit.
	pub deposit: Amount,
	/// The protocol's cut of one task at the ceiling price.
	pub cut: Amount,
	/// Providers that could take it now, among `scanned`.
	pub eligible_providers: u32,
	/// How many providers were looked at, at most.
	pub scanned: u32,
}

/// The market in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Market {
	/// Registered programs.
	pub programs: u32,
	/// Jobs on chain.
	pub jobs: u32,
	/// Jobs with open tasks.
	pub open_jobs: u32,
	/// Registered providers.
	pub providers: u32,
	/// Tasks settled, ever.
	pub settled_tasks: u64,
	/// Paid to providers, ever.
	pub paid: Amount,
	/// Taken as the protocol's cut, ever.
	pub cut: Amount,
	/// Burnt, ever.
	pub burnt: Amount,
}

/// The chain's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clock {
	/// The tick now.
	pub tick: Tick,
	/// Ticks of a heartbeat window.
	pub heartbeat_window: u32,
	/// Ticks after acceptance in which a task without inputs can be handed back.
	pub fetch_window: u32,
	/// Ticks from claim to settlement of jobs submitted now.
	pub challenge_ticks: u32,
}
