// SPDX-License-Identifier: Apache-2.0

//! What `job submit`, `job watch` and `job fetch` say while they run, one line of JSON each with `--json`. `event`
//! names the kind; the shapes are as stable as those of [`super::shapes`].

use std::collections::BTreeMap;

use serde::Serialize;
use tessera_client::chain::{BlockRef, H256, JobsEvent};
use tessera_primitives::{JobId, TaskIndex, api::TaskCounts, job::EndReason};

use super::shapes::{Account, Block, Planck, Transaction};
use crate::fetching::Fetched;

/// What happens to a job.
#[derive(Clone, Serialize, Debug)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
	/// A job is about to be submitted. Repeating the command with this client id never pays twice.
	Prepared {
		/// The id that the job will have.
		job: JobId,
		/// The id that the client chose.
		client_id: H256,
		/// Who pays.
		tenant: Account,
		/// Its program.
		program: H256,
		/// Number of tasks.
		tasks: u32,
		/// Put in escrow.
		escrow: Planck,
		/// Storage deposit.
		deposit: Planck,
	},
	/// The job's program was registered.
	ProgramRegistered {
		/// The program.
		program: H256,
		/// The transaction.
		transaction: Transaction,
	},
	/// The job is on chain.
	Submitted {
		/// The job.
		job: JobId,
		/// The transaction.
		transaction: Transaction,
	},
	/// The job was on chain already: nothing was paid again.
	Attached {
		/// The job.
		job: JobId,
	},
	/// How far the job is: whenever that changes.
	Progress {
		/// The job.
		job: JobId,
		/// The block.
		block: Block,
		/// Tasks by state.
		counts: TaskCounts,
		/// Price of a task that nobody has taken yet; `null` when none is open.
		price: Option<Planck>,
		/// Providers that have taken tasks, so far.
		providers: usize,
	},
	/// Something happened to a task.
	Task {
		/// The job.
		job: JobId,
		/// The task.
		task: TaskIndex,
		/// The block.
		block: Block,
		/// What.
		#[serde(flatten)]
		what: TaskEvent,
	},
	/// A task's outputs are there and checked.
	Fetched {
		/// The job.
		job: JobId,
		/// The outputs.
		#[serde(flatten)]
		outputs: Fetched,
	},
	/// A task's outputs could not be had.
	FetchFailed {
		/// The job.
		job: JobId,
		/// The task.
		task: TaskIndex,
		/// Why.
		message: String,
	},
	/// The job ended.
	Ended(Ended),
}

/// The end of a job.
#[derive(Clone, Serialize, Debug)]
pub struct Ended {
	/// The job.
	pub job: JobId,
	/// Number of tasks.
	pub tasks: u32,
	/// Those that were paid.
	pub settled: u32,
	/// Those that were not.
	pub failed: u32,
	/// Why those were not, by reason.
	pub reasons: BTreeMap<&'static str, u32>,
	/// What the tenant paid for tasks, the protocol's cut included.
	pub paid: Planck,
	/// Who was paid.
	pub providers: Vec<Share>,
}

/// A provider's part in a job.
#[derive(Clone, Serialize, Debug)]
pub struct Share {
	/// Who.
	pub provider: Account,
	/// Tasks that were settled.
	pub tasks: u32,
	/// What was paid for them, the protocol's cut included.
	pub paid: Planck,
}

/// What happened to a task.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum TaskEvent {
	/// A provider took it.
	Accepted {
		/// Who.
		provider: String,
		/// For how much, planck.
		price: String,
		/// Last tick for its claim.
		deadline: u32,
	},
	/// The provider committed to a result.
	Claimed {
		/// Who.
		provider: String,
		/// BLAKE3 hash of the claim list.
		root: H256,
		/// First tick at which it is settled.
		settle_at: u32,
	},
	/// The provider gave it back.
	HandedBack {
		/// Who.
		provider: String,
		/// Burnt from the tenant's escrow, planck.
		tenant_burnt: String,
	},
	/// It was not claimed in time.
	Expired {
		/// Who had it.
		provider: String,
	},
	/// It is open again.
	Reopened {
		/// Its new attempt.
		attempt: u32,
	},
	/// It was paid.
	Settled {
		/// Who worked.
		provider: String,
		/// What the provider got, planck.
		paid: String,
		/// What the protocol got, planck.
		cut: String,
		/// What the tenant got back, planck.
		refunded: String,
	},
	/// It ended unpaid.
	Ended {
		/// Why.
		reason: EndReason,
		/// What the tenant got back, planck.
		refunded: String,
	},
}

impl Event {
	/// An event of the chain as one of a task; `None` when it is about no task, or changed nothing.
	pub fn of(event: &JobsEvent, block: BlockRef) -> Option<Self> {
		use JobsEvent as E;
		let (job, task, what) = match event {
			E::TaskAccepted { job, task, provider, price, deadline, .. } => {
				let (provider, price) = (provider.to_string(), price.to_string());
				(job, task, TaskEvent::Accepted { provider, price, deadline: *deadline })
			}
			E::TaskClaimed { job, task, provider, root, settle_at, .. } => {
				let provider = provider.to_string();
				(job, task, TaskEvent::Claimed { provider, root: *root, settle_at: *settle_at })
			}
			E::TaskHandedBack { job, task, provider, tenant_burnt, .. } => {
				let (provider, tenant_burnt) = (provider.to_string(), tenant_burnt.to_string());
				(job, task, TaskEvent::HandedBack { provider, tenant_burnt })
			}
			E::TaskExpired { job, task, provider, .. } => {
				(job, task, TaskEvent::Expired { provider: provider.to_string() })
			}
			E::TaskReopened { job, task, attempt, .. } => {
				(job, task, TaskEvent::Reopened { attempt: *attempt })
			}
			E::TaskSettled { job, task, provider, paid, cut, refunded } => {
				let what = TaskEvent::Settled {
					provider: provider.to_string(),
					paid: paid.to_string(),
					cut: cut.to_string(),
					refunded: refunded.to_string(),
				};
				(job, task, what)
			}
			E::TaskEnded { job, task, reason, refunded } => {
				(job, task, TaskEvent::Ended { reason: reason.0, refunded: refunded.to_string() })
			}
			_ => return None,
		};
		Some(Self::Task { job: *job, task: *task, block: block.into(), what })
	}
}

/// Why a task was not done, as the JSON names it.
pub fn reason_name(reason: EndReason) -> &'static str {
	match reason {
		EndReason::Settled => "settled",
		EndReason::Cancelled => "cancelled",
		EndReason::LifetimeOver => "lifetime_over",
		EndReason::AttemptsUsedUp => "attempts_used_up",
		EndReason::Faulted => "faulted",
	}
}

/// Why a task was not done, in words.
pub fn reason_text(reason: &str) -> &'static str {
	match reason {
		"cancelled" => "cancelled by the tenant",
		"lifetime_over" => "not done within the job's lifetime: raise the ceiling price or the lifetime",
		"attempts_used_up" => {
			"failed by as many providers as may try: see whether the inputs are served and the execution deadline is long enough"
		}
		"faulted" => "the program itself fails: two providers reported it",
		_ => "settled",
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::{json, to_value};

	#[test]
	fn task_event_should_be_one_flat_object() {
		let provider = tessera_client::keys::parse_account("//Bob").unwrap();
		let job = H256::repeat_byte(1);
		let accepted = JobsEvent::TaskAccepted { job, task: 3, attempt: 0, provider, price: 5, deadline: 9 };
		let block = BlockRef { number: 7, hash: H256::repeat_byte(2) };
		let value = to_value(Event::of(&accepted, block).unwrap()).unwrap();
		assert_eq!(value["event"], json!("task"));
		assert_eq!(value["what"], json!("accepted"));
		assert_eq!((&value["task"], &value["price"]), (&json!(3), &json!("5")));
		assert_eq!(value["block"]["number"], json!(7));
		assert_eq!(value["provider"], json!(provider.to_string()));
	}

	#[test]
	fn event_of_a_job_alone_should_be_none_of_a_task() {
		let job = H256::repeat_byte(1);
		let ended = JobsEvent::JobEnded { job, settled: 1, failed: 0, clean_at: 2 };
		assert!(Event::of(&ended, BlockRef { number: 1, hash: H256::zero() }).is_none());
	}

	#[test]
	fn reasons_should_be_named_as_in_json() {
		let all = [
			EndReason::Settled,
			EndReason::Cancelled,
			EndReason::LifetimeOver,
			EndReason::AttemptsUsedUp,
			EndReason::Faulted,
		];
		for reason in all {
			assert_eq!(to_value(reason).unwrap(), json!(reason_name(reason)));
			assert_eq!(reason_text(reason_name(reason)) == "settled", reason == EndReason::Settled);
		}
	}
}
