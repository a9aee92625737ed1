// SPDX-License-Identifier: Apache-2.0

//! Looking at the market: which open tasks there are, which of them the owner's rules let pass, and why not the others.

use std::{
	collections::{BTreeMap, HashMap, HashSet},
	sync::Arc,
	time::Duration,
};

use codec::Encode;
use tessera_client::chain::{BlockNumber, ChainError, H256, JobInfo, OpenTask, ProviderInfo, View};
use tessera_primitives::{
	JobId, ProgramId, TaskId, Tick, blake3_hash, job::JobRequest, limits::MAX_PAGE, program::ProgramManifest,
	provider::Adapter,
};

use super::pace::Pace;
use crate::{
	journal::TaskKey,
	policy::{self, Candidate, Offer, Policy, Skip},
	status::{MarketStatus, SkippedTasks},
};

/// Pages of open tasks that one look takes in; the next look goes on behind them.
const PAGES: usize = 4;
/// Jobs that are remembered. Beyond that, those without open tasks are forgotten.
const MAX_JOBS: usize = 1024;
/// For how many blocks a task is left alone that the chain refused.
const LEFT_ALONE: BlockNumber = 10;

/// What is known of the market.
#[derive(Debug, Default)]
pub struct Market {
	/// Jobs; their requests never change.
	jobs: HashMap<JobId, Arc<JobInfo>>,
	programs: HashMap<ProgramId, Arc<ProgramManifest>>,
	/// How long tasks took here, by the shape of their job.
	took: HashMap<H256, Duration>,
	/// Tasks that the chain refused, and up to which block they are left alone.
	refused: HashMap<TaskKey, BlockNumber>,
	/// Where the last look ended, when there was more.
	cursor: Option<TaskId>,
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Look {
	/// Tasks that could be taken.
	pub candidates: Vec<Candidate>,
	/// For the report.
	pub status: MarketStatus,
}

/// What a look depends on besides the market.
pub struct Looker<'a> {
	/// The owner's rules.
	pub policy: &'a Policy,
	/// The provider on chain.
	pub provider: &'a ProviderInfo,
	/// The adapter as it is.
	pub adapter: Adapter,
	/// How fast the chain goes.
	pub pace: &'a Pace,
	/// Tasks that are worked on already.
	pub known: &'a HashSet<TaskKey>,
}

impl Market {
	/// Looks at the open tasks at a block.
	pub async fn look(&mut self, view: &View, looker: &Looker<'_>) -> Result<Look, ChainError> {
		let block = view.block().number;
		self.refused.retain(|_, until| *until >= block);
		let mut look = Look::default();
		look.status.block = block;
		let mut skipped: BTreeMap<Skip, u32> = BTreeMap::new();
		let mut open_jobs = HashSet::new();
		let began_at = self.cursor.take();
		let mut after = began_at;
		for _ in 0..PAGES {
			let page = view.open_tasks_page(after, MAX_PAGE).await?;
			for task in &page.tasks {
				look.status.open_tasks = look.status.open_tasks.saturating_add(1);
				open_jobs.insert(task.id.0);
				match self.judge(view, task, looker).await? {
					Ok(candidate) => look.candidates.push(candidate),
					Err(skip) => *skipped.entry(skip).or_default() += 1,
				}
			}
			after = page.next;
			if after.is_none() {
				break;
			}
		}
		self.cursor = after;
		look.status.more = after.is_some() || began_at.is_some();
		look.status.skipped =
			skipped.into_iter().map(|(reason, tasks)| SkippedTasks { reason, tasks }).collect();
		if self.jobs.len() > MAX_JOBS {
			self.jobs.retain(|id, _| open_jobs.contains(id));
			let used: HashSet<ProgramId> = self.jobs.values().map(|job| job.request.program).collect();
			self.programs.retain(|id, _| used.contains(id));
		}
		Ok(look)
	}

	async fn judge(
		&mut self,
		view: &View,
		task: &OpenTask,
		looker: &Looker<'_>,
	) -> Result<Result<Candidate, Skip>, ChainError> {
		let (job, index) = task.id;
		let key = TaskKey { job, task: index, attempt: task.attempt };
		if looker.known.contains(&key) {
			return Ok(Err(Skip::Busy));
		}
		if self.refused.contains_key(&key) {
			return Ok(Err(Skip::Refused));
		}
		let Some(job) = self.job(view, job).await? else { return Ok(Err(Skip::Unknown)) };
		let Some(manifest) = self.program(view, job.request.program).await? else {
			return Ok(Err(Skip::Unknown));
		};
		let offer = Offer { task, job: &job, manifest: &manifest };
		Ok(looker.policy.judge(offer, looker.provider, &looker.adapter).map(|()| Candidate {
			key,
			price: task.price,
			collateral: policy::collateral(job.request.tier, task.price),
			program: job.request.program,
			window: looker.pace.time_of(job.request.execution_ticks),
			estimate: self.took.get(&shape(&job.request)).copied(),
		}))
	}

	/// A job, from memory when it was asked for before; `None` when there is none.
	pub async fn job(&mut self, view: &View, id: JobId) -> Result<Option<Arc<JobInfo>>, ChainError> {
		if let Some(known) = self.jobs.get(&id) {
			return Ok(Some(known.clone()));
		}
		let Some(job) = view.job(id).await? else { return Ok(None) };
		let job = Arc::new(job);
		self.jobs.insert(id, job.clone());
		Ok(Some(job))
	}

	/// A program, likewise.
	pub async fn program(
		&mut self,
		view: &View,
		id: ProgramId,
	) -> Result<Option<Arc<ProgramManifest>>, ChainError> {
		if let Some(known) = self.programs.get(&id) {
			return Ok(Some(known.clone()));
		}
		let Some(manifest) = view.program(id).await? else { return Ok(None) };
		let manifest = Arc::new(manifest);
		self.programs.insert(id, manifest.clone());
		Ok(Some(manifest))
	}

	/// Notes how long a task of a job took.
	pub fn took(&mut self, job: &JobId, time: Duration) {
		let Some(job) = self.jobs.get(job) else { return };
		if self.took.len() >= MAX_JOBS {
			self.took.clear();
		}
		self.took.insert(shape(&job.request), time);
	}

	/// How long a task of a job takes, if one of its like ran here.
	pub fn estimate(&self, job: &JobId) -> Option<Duration> {
		self.took.get(&shape(&self.jobs.get(job)?.request)).copied()
	}

	/// Leaves tasks alone for a while that the chain refused.
	pub fn leave_alone(&mut self, tasks: impl IntoIterator<Item = TaskKey>, block: BlockNumber) {
		let until = block.saturating_add(LEFT_ALONE);
		self.refused.extend(tasks.into_iter().map(|key| (key, until)));
	}
}

/// How long the tasks that are held will take, one after another. `held` are job and ticks from acceptance to claim of
/// each.
pub fn queued(market: &Market, pace: &Pace, held: impl Iterator<Item = (JobId, Tick)>) -> Duration {
	held.fold(Duration::ZERO, |all, (job, ticks)| {
		all.saturating_add(policy::expected(market.estimate(&job), pace.time_of(ticks)))
	})
}

/// What tells how long a task takes: jobs of the same program over the same buffers with the same dispatches are alike.
fn shape(request: &JobRequest) -> H256 {
	blake3_hash(&(request.program, &request.buffers, &request.dispatches).encode())
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_primitives::{BlobRef, EndpointInfo};

	fn job(id: u8, dispatch: u32) -> Arc<JobInfo> {
		let request = JobRequest {
			program: H256::repeat_byte(1),
			tier: Default::default(),
			// Other inputs make no other job, as far as time goes.
			spec: BlobRef::of(&[id]),
			source: EndpointInfo { key: [id; 32], addresses: Default::default() },
			tasks: 1,
			buffers: vec![4].try_into().unwrap(),
			dispatches: vec![[dispatch, 1, 1]].try_into().unwrap(),
			requirements: Default::default(),
			opening_price: 1,
			ceiling_price: 1,
			price_ramp: 0,
			execution_ticks: 80,
			lifetime_ticks: 1,
		};
		Arc::new(JobInfo {
			id: H256::repeat_byte(id),
			tenant: [0; 32].into(),
			request,
			submitted_at: 0,
			open_until: 1,
			challenge_ticks: 1,
			closed: None,
			ended_at: None,
			counts: Default::default(),
			escrow: 0,
			deposit: 0,
		})
	}

	fn market() -> Market {
		let jobs = [job(1, 5), job(2, 5), job(3, 6)];
		Market { jobs: jobs.into_iter().map(|job| (job.id, job)).collect(), ..Default::default() }
	}

	#[test]
	fn estimate_should_hold_for_jobs_of_the_same_kind() {
		let mut market = market();
		let estimate = |market: &Market, id| market.estimate(&H256::repeat_byte(id));
		market.took(&H256::repeat_byte(1), Duration::from_secs(9));
		assert_eq!(estimate(&market, 1), Some(Duration::from_secs(9)));
		assert_eq!(estimate(&market, 2), Some(Duration::from_secs(9)));
		assert_eq!(estimate(&market, 3), None, "another dispatch");
		assert_eq!(estimate(&market, 4), None, "an unknown job");
	}

	#[test]
	fn queue_should_be_as_long_as_its_tasks_take_or_may_take() {
		let mut market = market();
		market.took(&H256::repeat_byte(1), Duration::from_secs(9));
		// 80 ticks of 3 s; three eighths of that when nothing is known.
		let held = [(H256::repeat_byte(2), 80), (H256::repeat_byte(3), 80)];
		assert_eq!(queued(&market, &Pace::default(), held.into_iter()), Duration::from_secs(9 + 90));
	}
}
