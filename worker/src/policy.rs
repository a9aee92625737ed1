// SPDX-License-Identifier: Apache-2.0

//! Which tasks a worker takes: its owner's rules, and what its machine can do. Pure: no chain, no clock.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use tessera_client::chain::{AccountId, JobInfo, OpenTask, ProviderInfo};
use tessera_primitives::{
	Balance, ProgramId, TaskId, blake3_hash,
	job::Tier,
	program::{BufferRole, ProgramManifest},
	provider::{Adapter, Ineligible},
};

use crate::journal::TaskKey;

/// The owner's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
	/// Least price of a task, planck.
	pub price_floor: Balance,
	/// Only these programs; empty: all.
	pub allow_programs: BTreeSet<ProgramId>,
	/// Not these programs.
	pub deny_programs: BTreeSet<ProgramId>,
	/// Only these tenants; empty: all.
	pub allow_tenants: BTreeSet<AccountId>,
	/// Not these tenants.
	pub deny_tenants: BTreeSet<AccountId>,
	/// Most bytes of all buffers of a task; `None`: what the adapter has.
	pub max_buffer_bytes: Option<u64>,
	/// Most bytes of all inputs of a task.
	pub max_input_bytes: u64,
	/// Ticks before the deadline at which an unfinished task is given up.
	pub margin_ticks: u32,
}

/// A task that is to be had, with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
	/// The task.
	pub task: &'a OpenTask,
	/// Its job.
	pub job: &'a JobInfo,
	/// Its program.
	pub manifest: &'a ProgramManifest,
}

/// Why a task is not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
	/// The price is below the floor.
	PriceBelowFloor,
	/// The tenant is on the deny list.
	TenantDenied,
	/// The tenant is not on the allow list.
	TenantNotAllowed,
	/// The program is on the deny list.
	ProgramDenied,
	/// The program is not on the allow list.
	ProgramNotAllowed,
	/// The job wants another region.
	Region,
	/// The adapter as registered does not meet the job's needs.
	Adapter,
	/// The adapter as it is does not meet the job's needs.
	LocalAdapter,
	/// The buffers take more than the owner allows.
	BuffersTooLarge,
	/// The inputs take more than the owner allows.
	InputsTooLarge,
	/// There is less time from acceptance to claim than the margin needs.
	DeadlineTooShort,
	/// The provider failed this task before.
	Barred,
	/// The free bond does not cover the collateral.
	Collateral,
	/// The chain refused it a moment ago.
	Refused,
	/// The worker holds as many tasks as it may.
	Busy,
	/// The job's program or record could not be read.
	Unknown,
}

impl fmt::Display for Skip {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Self::PriceBelowFloor => "the price is below the floor (`price_floor`; prices rise with time)",
			Self::TenantDenied => "the tenant is on the deny list (`deny_tenants`)",
			Self::TenantNotAllowed => "the tenant is not on the allow list (`allow_tenants`)",
			Self::ProgramDenied => "the program is on the deny list (`deny_programs`)",
			Self::ProgramNotAllowed => "the program is not on the allow list (`allow_programs`)",
			Self::Region => "the job wants another region",
			Self::Adapter => {
				"the job needs another class of GPU, more memory or a feature that is not registered"
			}
			Self::LocalAdapter => "the GPU of this machine has less than what is registered: register again",
			Self::BuffersTooLarge => "the buffers are larger than allowed (`max_buffer_bytes`)",
			Self::InputsTooLarge => "the inputs are larger than allowed (`max_input_bytes`)",
			Self::DeadlineTooShort => "there is less time than the margin needs (`margin_ticks`)",
			Self::Barred => "this provider has failed the task before",
			Self::Collateral => {
				"the free bond does not cover the collateral: bond more, or wait for settlements"
			}
			Self::Refused => "the chain refused it a moment ago",
			Self::Busy => "the worker holds as many tasks as it may or can finish in time (`max`)",
			Self::Unknown => "the job or its program could not be read",
		})
	}
}

impl Policy {
	/// Whether a task may be taken, as far as that does not depend on other tasks.
	pub fn judge(&self, offer: Offer, provider: &ProviderInfo, adapter: &Adapter) -> Result<(), Skip> {
		let (job, task) = (offer.job, offer.task);
		let program = &job.request.program;
		if self.deny_tenants.contains(&job.tenant) {
			return Err(Skip::TenantDenied);
		}
		if !self.allow_tenants.is_empty() && !self.allow_tenants.contains(&job.tenant) {
			return Err(Skip::TenantNotAllowed);
		}
		if self.deny_programs.contains(program) {
			return Err(Skip::ProgramDenied);
		}
		if !self.allow_programs.is_empty() && !self.allow_programs.contains(program) {
			return Err(Skip::ProgramNotAllowed);
		}
		let needs = job.request.needs();
		if self.max_buffer_bytes.is_some_and(|most| needs.buffers_bytes > most) {
			return Err(Skip::BuffersTooLarge);
		}
		match needs.check(&provider.profile) {
			Ok(()) => {}
			Err(Ineligible::Region) => return Err(Skip::Region),
			Err(_) => return Err(Skip::Adapter),
		}
		if !needs.fit(adapter) {
			return Err(Skip::LocalAdapter);
		}
		if input_bytes(job, offer.manifest) > self.max_input_bytes {
			return Err(Skip::InputsTooLarge);
		}
		if job.request.execution_ticks <= self.margin_ticks.saturating_mul(2) {
			return Err(Skip::DeadlineTooShort);
		}
		if task.barred.contains(&provider.account) {
			return Err(Skip::Barred);
		}
		if task.price < self.price_floor {
			return Err(Skip::PriceBelowFloor);
		}
		Ok(())
	}
}

/// Bytes of all inputs of a task.
fn input_bytes(job: &JobInfo, manifest: &ProgramManifest) -> u64 {
	let inputs =
		manifest.buffers.iter().zip(&job.request.buffers).filter(|(b, _)| b.role == BufferRole::Input);
	inputs.fold(0u64, |all, (_, bytes)| all.saturating_add(*bytes))
}

/// What is locked of the bond behind a task at this price, planck.
pub fn collateral(tier: Tier, price: Balance) -> Balance {
	match tier {
		Tier::Unverified => price,
	}
}

/// A task that [`Policy::judge`] lets pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
	/// The task and its attempt.
	pub key: TaskKey,
	/// Its price now, planck.
	pub price: Balance,
	/// What it locks of the bond, planck.
	pub collateral: Balance,
	/// Its program.
	pub program: ProgramId,
	/// From acceptance to claim, by the wall clock.
	pub window: Duration,
	/// How long it will take, when a task of its kind ran here before.
	pub estimate: Option<Duration>,
}

/// How much a worker can take on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
	/// How many more tasks it may hold.
	pub tasks: usize,
	/// Bond that is neither locked nor unbonding, planck.
	pub free_bond: Balance,
	/// How long the tasks that it holds will take, one after another.
	pub queued: Duration,
	/// Tasks on the GPU at a time.
	pub at_once: u32,
}

/// How long a task will take. When that is not known, it is three eighths of its time: so a worker takes two tasks of a
/// kind that is new to it, and more once it has seen one run.
pub fn expected(estimate: Option<Duration>, window: Duration) -> Duration {
	estimate.unwrap_or(window / 8 * 3)
}

/// Chooses from the candidates what there is room for: the best paid first, among equals those that this provider
/// ranks first, so that workers do not all reach for the same ones. A task is taken only when it will be finished in
/// three quarters of its time. Returns what was chosen, and why the others were not.
pub fn choose(
	mut candidates: Vec<Candidate>,
	provider: &AccountId,
	mut room: Room,
) -> (Vec<Candidate>, Vec<Skip>) {
	candidates.sort_by_cached_key(|c| (std::cmp::Reverse(c.price), rank(provider, &(c.key.job, c.key.task))));
	let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
	for candidate in candidates {
		let total = room.queued.saturating_add(expected(candidate.estimate, candidate.window));
		if room.tasks == 0 || total > candidate.window / 4 * 3 * room.at_once.max(1) {
			skipped.push(Skip::Busy);
		} else if candidate.collateral > room.free_bond {
			skipped.push(Skip::Collateral);
		} else {
			room.tasks -= 1;
			room.free_bond -= candidate.collateral;
			room.queued = total;
			chosen.push(candidate);
		}
	}
	(chosen, skipped)
}

/// An order of tasks that differs from provider to provider.
fn rank(provider: &AccountId, task: &TaskId) -> [u8; 32] {
	use codec::Encode;
	blake3_hash(&(provider, task).encode()).0
}

#[cfg(test)]
mod tests;
