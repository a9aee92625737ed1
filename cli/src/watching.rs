// SPDX-License-Identifier: Apache-2.0

//! A job until its end: its progress, its outputs, and its inputs kept served.

use std::{
	collections::{BTreeMap, BTreeSet},
	future::pending,
	pin::Pin,
};

use futures::{Stream, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use tessera_client::chain::{
	AccountId, BlockRef, Chain, ChainError, JobInfo, JobsEvent, Level, MarketBlock, MarketEvent, TaskInfo,
	TaskState, View,
};
use tessera_primitives::{Balance, JobId, TaskIndex, Tick, api::TaskCounts, job::EndReason};

use crate::{
	context::Context,
	exit::{Exit, Failure, Outcome},
	fetching::{Claim, Fetched, Fetcher, failed},
	output::{
		events::{Ended, Event, Share, reason_name, reason_text},
		shapes::{Account, Planck},
		table,
	},
	serving::{Serving, announce, job_label},
};

/// Watches a job.
pub struct Watch<'a> {
	ctx: &'a Context,
	chain: Chain,
	job: JobId,
	serving: Option<Serving>,
	fetcher: Option<Fetcher>,
	bar: ProgressBar,
	/// The job as last seen.
	info: Option<JobInfo>,
	/// Whether the events are not the whole story: the tasks are to be read.
	stale: bool,
	/// Whether some events were never seen.
	blind: bool,
	/// What was said last.
	said: Option<TaskCounts>,
	providers: BTreeSet<AccountId>,
	/// Tasks whose outputs could not be had so far.
	failures: BTreeMap<TaskIndex, Failure>,
}

/// What the loop woke up for.
enum Wake {
	Block(Option<Result<MarketBlock, ChainError>>),
	/// The process that served the inputs has ended.
	Lost,
	Fetched(Result<Fetched, (TaskIndex, Failure)>),
}

/// The job at one block.
struct Seen {
	job: Option<JobInfo>,
	tick: Tick,
	/// All tasks, when the events are not the whole story.
	tasks: Vec<TaskInfo>,
}

impl<'a> Watch<'a> {
	/// Prepares to watch a job; what is given keeps its inputs served and fetches its outputs.
	pub fn new(
		ctx: &'a Context,
		chain: Chain,
		job: JobId,
		serving: Option<Serving>,
		fetcher: Option<Fetcher>,
	) -> Self {
		Self {
			ctx,
			chain,
			job,
			serving,
			fetcher,
			bar: ProgressBar::hidden(),
			info: None,
			stale: true,
			blind: false,
			said: None,
			providers: BTreeSet::new(),
			failures: BTreeMap::new(),
		}
	}

	/// Watches until the job has ended, or somebody interrupts.
	///
	/// Fails with [`Exit::Unsettled`] when not all tasks were done.
	pub async fn run(mut self, interrupt: &mut Interrupt) -> Outcome {
		let ended = tokio::select! {
			result = self.until_end() => Some(result),
			() = interrupt.wait() => None,
		};
		self.bar.finish_and_clear();
		let result = match ended {
			Some(Ok(ended)) => self.ended(&ended).await,
			Some(Err(failure)) => Err(failure),
			None => Err(self.interrupted()),
		};
		let complete =
			self.failures.is_empty() && !matches!(&result, Err(failure) if failure.exit != Exit::Unsettled);
		tokio::select! {
			() = self.close(complete) => (),
			// Somebody is in a hurry.
			() = interrupt.wait() => (),
		}
		result
	}

	async fn ended(&mut self, ended: &Ended) -> Outcome {
		if self.ctx.out.is_json() {
			self.ctx.out.event(&Event::Ended(ended.clone()), String::new);
		} else {
			self.ctx.out.line(&summary(ended));
		}
		if let Some(serving) = &mut self.serving {
			// Nobody needs the inputs any more.
			serving.release(&job_label(&self.job)).await?;
		}
		match failed(self.failures.clone().into_iter().collect()) {
			Some(failure) => Err(failure),
			None => unsettled(ended).map_or(Ok(()), Err),
		}
	}

	async fn close(&mut self, complete: bool) {
		if let Some(fetcher) = self.fetcher.take() {
			fetcher.close(complete).await;
		}
		if let Some(serving) = self.serving.take() {
			serving.close().await;
		}
	}

	async fn until_end(&mut self) -> Outcome<Ended> {
		let view = self.chain.view(self.ctx.level()).await?;
		let mut blocks = Box::pin(self.chain.follow_after(self.ctx.level(), Some(view.block())));
		let seen = self.read(&view).await?;
		let mut ended = self.look(seen, view.block(), &[]).await?;
		while !ended {
			match self.wake(&mut blocks).await {
				Wake::Block(Some(Ok(block))) => ended = self.block(block).await?,
				Wake::Block(Some(Err(error))) => return Err(error.into()),
				// It ends after an error only.
				Wake::Block(None) => {
					return Err(Failure::new(Exit::Network, "the node tells of no more blocks"));
				}
				Wake::Lost => self.take_over().await?,
				Wake::Fetched(fetched) => self.fetched(fetched),
			}
		}
		self.finish().await
	}

	async fn wake(
		&mut self,
		blocks: &mut Pin<Box<impl Stream<Item = Result<MarketBlock, ChainError>>>>,
	) -> Wake {
		let lost = async {
			match &mut self.serving {
				Some(serving) => serving.lost().await,
				None => pending().await,
			}
		};
		tokio::select! {
			block = blocks.next() => Wake::Block(block),
			() = lost => Wake::Lost,
			fetched = next_fetched(&mut self.fetcher) => Wake::Fetched(fetched),
		}
	}

	/// Looks at the job in a block. Says whether it has ended.
	async fn block(&mut self, block: MarketBlock) -> Outcome<bool> {
		self.blind |= block.missed;
		self.stale |= self.blind || !block.retracted.is_empty();
		let seen = async { self.read(&self.chain.view_at(block.block).await?).await };
		match seen.await {
			Ok(seen) => self.look(seen, block.block, &block.events).await,
			// Gone by a reorganisation, or too slow: the next block will do, but this one's events are lost.
			Err(error) if error.is_temporary() || matches!(error, ChainError::UnknownBlock { .. }) => {
				(self.stale, self.blind) = (true, true);
				Ok(false)
			}
			Err(error) => Err(error.into()),
		}
	}

	async fn read(&self, view: &View) -> Result<Seen, ChainError> {
		let job = view.job(self.job).await?;
		let tick = view.clock().await?.tick;
		let touched = job.as_ref().is_some_and(|job| job.counts.open < job.request.tasks);
		let tasks =
			if touched && self.stale { view.tasks(self.job).try_collect().await? } else { Vec::new() };
		Ok(Seen { job, tick, tasks })
	}

	async fn look(&mut self, seen: Seen, block: BlockRef, events: &[MarketEvent]) -> Outcome<bool> {
		let Some(job) = seen.job else { return self.absent(events).await };
		(self.stale, self.blind) = (false, false);
		for event in events {
			match event {
				MarketEvent::Jobs(of_jobs) if event.job() == Some(self.job) => self.happened(of_jobs, block),
				_ => (),
			}
		}
		for task in &seen.tasks {
			if let TaskState::Accepted { provider, .. } = &task.state {
				self.providers.insert(*provider);
			}
			self.claimed(Claim::of(task));
		}
		let price = (job.counts.open > 0).then(|| price_at(&job, seen.tick));
		self.say(&job, block, price);
		let ended = job.ended_at.is_some();
		self.info = Some(job);
		Ok(ended)
	}

	/// The chain knows no such job (any more, or not yet).
	async fn absent(&self, events: &[MarketEvent]) -> Outcome<bool> {
		let cleaned = |event: &MarketEvent| matches!(event, MarketEvent::Jobs(JobsEvent::JobCleanedUp { job, .. }) if *job == self.job);
		let cleaned_up = self.blind || events.iter().any(cleaned);
		match &self.info {
			// Not final yet, or taken back by a reorganisation that will include it again.
			_ if self.chain.view(Level::Best).await?.job(self.job).await?.is_some() => Ok(false),
			Some(_) if self.ctx.level() == Level::Best && !cleaned_up => Ok(false),
			Some(_) => Err(Failure::other(format!(
				"job {} has ended, and its record was removed",
				table::hex(&self.job)
			))
			.help("what its tasks came to cannot be read from the chain any more")),
			None => Err(unknown_job(&self.job)),
		}
	}

	fn happened(&mut self, event: &JobsEvent, block: BlockRef) {
		match event {
			JobsEvent::TaskAccepted { provider, .. } => {
				self.providers.insert(*provider);
			}
			JobsEvent::TaskClaimed { task, provider, root, .. } => {
				self.claimed(Some(Claim { task: *task, provider: *provider, root: *root }));
			}
			_ => (),
		}
		if self.ctx.out.is_json()
			&& let Some(event) = Event::of(event, block)
		{
			self.ctx.out.event(&event, String::new);
		}
	}

	fn claimed(&mut self, claim: Option<Claim>) {
		if let Some(claim) = claim {
			self.providers.insert(claim.provider);
			if let Some(fetcher) = &mut self.fetcher {
				fetcher.start(claim);
			}
		}
	}

	fn fetched(&mut self, fetched: Result<Fetched, (TaskIndex, Failure)>) {
		match fetched {
			Ok(outputs) => {
				self.failures.remove(&outputs.task);
				say_fetched(self.ctx, self.job, outputs);
			}
			Err((task, failure)) => {
				say_fetch_failed(self.ctx, self.job, task, &failure);
				self.failures.insert(task, failure);
			}
		}
	}

	fn say(&mut self, job: &JobInfo, block: BlockRef, price: Option<Balance>) {
		let counts = job.counts;
		if self.said.is_none() {
			let what = format!("job {}", table::short(&self.job));
			self.bar = self.ctx.out.bar(job.request.tasks.into(), &what);
		}
		self.bar.set_position(counts.settled.saturating_add(counts.failed).into());
		let who = table::plural(self.providers.len() as u64, "provider");
		let text = format!("{}, {who}", table::counts_at(&counts, price));
		self.bar.set_message(text.clone());
		if self.said == Some(counts) {
			return;
		}
		self.said = Some(counts);
		let event = Event::Progress {
			job: self.job,
			block: block.into(),
			counts,
			price: price.map(Planck),
			providers: self.providers.len(),
		};
		if self.ctx.out.is_json() || !self.ctx.out.shows_bars() {
			self.ctx.out.event(&event, || format!("block {}: {text}", block.number));
		}
	}

	async fn take_over(&mut self) -> Outcome {
		if let Some(serving) = &mut self.serving {
			serving.reopen().await?;
			announce(&self.ctx.out, serving);
		}
		Ok(())
	}

	/// After the job's end: what is left to be fetched, and who got what.
	async fn finish(&mut self) -> Outcome<Ended> {
		let view = self.chain.view(self.ctx.level()).await?;
		let tasks: Vec<TaskInfo> = view.tasks(self.job).try_collect().await?;
		if let Some(fetcher) = &mut self.fetcher {
			// Whoever could not be reached before gets another chance.
			for task in self.failures.keys() {
				fetcher.forget(*task);
			}
			tasks.iter().filter_map(Claim::of).for_each(|claim| fetcher.start(claim));
			self.bar.set_message("fetching outputs");
		}
		while let Some(fetcher) = &mut self.fetcher {
			match fetcher.next().await {
				Some(fetched) => self.fetched(fetched),
				None => break,
			}
		}
		Ok(tally(self.job, &tasks))
	}

	fn interrupted(&self) -> Failure {
		let id = table::hex(&self.job);
		let busy = self.info.as_ref().is_none_or(|job| job.counts.open > 0 || job.counts.accepted > 0);
		let failure = Failure::new(Exit::Interrupted, format!("interrupted; job {id} goes on by itself"));
		let alone = self.serving.as_ref().is_some_and(|serving| serving.other().is_none());
		let help = match (&self.info, busy && alone) {
			(Some(job), _) if job.ended_at.is_some() => {
				format!("`tessera job fetch {id}` fetches its outputs")
			}
			(_, true) => format!(
				"its inputs are not served any more, and tasks without inputs are handed back at your cost: `tessera job watch {id} --serve` goes on, `tessera job cancel {id}` ends it"
			),
			(_, false) => format!("`tessera job watch {id}` goes on watching"),
		};
		failure.help(help)
	}
}

async fn next_fetched(fetcher: &mut Option<Fetcher>) -> Result<Fetched, (TaskIndex, Failure)> {
	let next = match fetcher {
		Some(fetcher) => fetcher.next().await,
		None => None,
	};
	match next {
		Some(fetched) => fetched,
		None => pending().await,
	}
}

/// Says that a task's outputs are there.
pub fn say_fetched(ctx: &Context, job: JobId, outputs: Fetched) {
	let task = outputs.task;
	let bytes = tessera_client::manifest::units::format_bytes(outputs.bytes);
	let present = outputs.present;
	ctx.out.event(&Event::Fetched { job, outputs }, || match present {
		true => format!("task {task}: outputs ({bytes}) are there already, checked"),
		false => format!("task {task}: outputs ({bytes}) fetched, checked"),
	});
}

/// Says that a task's outputs could not be had.
pub fn say_fetch_failed(ctx: &Context, job: JobId, task: TaskIndex, failure: &Failure) {
	let message = failure.message.clone();
	if ctx.out.is_json() {
		ctx.out.event(&Event::FetchFailed { job, task, message }, String::new);
	} else {
		ctx.out.warn(message);
	}
}

/// There is no such job.
pub fn unknown_job(job: &JobId) -> Failure {
	Failure::input(format!("the chain knows no job {}", table::hex(job))).help(
		"it was never submitted, or its record was removed after its end: `tessera job list` shows those there are",
	)
}

/// The price at this tick of a task that nobody has taken yet.
fn price_at(job: &JobInfo, tick: u32) -> Balance {
	let request = &job.request;
	let ticks = Balance::from(tick.saturating_sub(job.submitted_at));
	let risen = request.opening_price.saturating_add(request.price_ramp.saturating_mul(ticks));
	risen.min(request.ceiling_price)
}

/// What became of a job's tasks.
fn tally(job: JobId, tasks: &[TaskInfo]) -> Ended {
	let mut shares: BTreeMap<AccountId, (u32, Balance)> = BTreeMap::new();
	let mut reasons = BTreeMap::new();
	let mut settled = 0u32;
	for task in tasks {
		match &task.state {
			TaskState::Ended { reason: EndReason::Settled, paid } => {
				settled = settled.saturating_add(1);
				if let Some(paid) = paid {
					let (number, sum) = shares.entry(paid.provider).or_default();
					*number = number.saturating_add(1);
					*sum = sum.saturating_add(paid.price);
				}
			}
			TaskState::Ended { reason, .. } => *reasons.entry(reason_name(*reason)).or_default() += 1,
			_ => (),
		}
	}
	let total = shares.values().fold(0 as Balance, |all, (_, sum)| all.saturating_add(*sum));
	let share = |(provider, (tasks, paid)): (&AccountId, &(u32, Balance))| Share {
		provider: Account(*provider),
		tasks: *tasks,
		paid: Planck(*paid),
	};
	Ended {
		job,
		tasks: u32::try_from(tasks.len()).unwrap_or(u32::MAX),
		settled,
		failed: reasons.values().sum(),
		reasons,
		paid: Planck(total),
		providers: shares.iter().map(share).collect(),
	}
}

/// The end of a job, for people.
fn summary(ended: &Ended) -> String {
	let tasks = table::plural(ended.tasks, "task");
	let mut text = format!("job {} ended: {} of {tasks} settled", table::short(&ended.job), ended.settled);
	for (reason, number) in &ended.reasons {
		text.push_str(&format!("\n  {number} failed: {}", reason_text(reason)));
	}
	if !ended.providers.is_empty() {
		let mut table = table::table(["PROVIDER", ">TASKS", ">PAID"]);
		for share in &ended.providers {
			let Share { provider, tasks, paid } = share;
			table.add_row([table::account(&provider.0), tasks.to_string(), table::amount(paid.0)]);
		}
		table.add_row(["all".into(), ended.settled.to_string(), table::amount(ended.paid.0)]);
		text.push_str(&format!("\n{}", table::text_or(&table, "")));
	}
	text
}

/// The failure of a job that ended without all of its tasks settled.
pub fn unsettled(ended: &Ended) -> Option<Failure> {
	if ended.failed == 0 {
		return None;
	}
	let reasons: Vec<_> =
		ended.reasons.iter().map(|(reason, number)| format!("{number} {}", reason_text(reason))).collect();
	let tasks = table::plural(ended.tasks, "task");
	Some(
		Failure::new(
			Exit::Unsettled,
			format!("{} of {tasks} were not done: {}", ended.failed, reasons.join("; ")),
		)
		.help("what they would have cost went back to the tenant; submit them again as another job"),
	)
}

/// The signals that end a command: Ctrl-C, and SIGTERM where there is one. None is missed while nobody waits.
pub struct Interrupt {
	#[cfg(unix)]
	interrupt: tokio::signal::unix::Signal,
	#[cfg(unix)]
	terminate: tokio::signal::unix::Signal,
	#[cfg(windows)]
	interrupt: tokio::signal::windows::CtrlC,
}

impl Interrupt {
	/// From now on these signals are waited for, instead of ending the process at once.
	pub fn new() -> Outcome<Self> {
		let failed = |e: std::io::Error| Failure::other(format!("signals cannot be waited for: {e}"));
		#[cfg(unix)]
		{
			use tokio::signal::unix::{SignalKind, signal};
			let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
			Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(failed)? })
		}
		#[cfg(windows)]
		Ok(Self { interrupt: tokio::signal::windows::ctrl_c().map_err(failed)? })
	}

	/// Waits for one of them.
	pub async fn wait(&mut self) {
		#[cfg(unix)]
		tokio::select! {
			_ = self.interrupt.recv() => (),
			_ = self.terminate.recv() => (),
		}
		#[cfg(windows)]
		self.interrupt.recv().await;
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_client::{chain::H256, keys::parse_account};
	use tessera_primitives::job::Payment;

	fn task(index: u32, reason: EndReason, paid: Option<(&str, Balance)>) -> TaskInfo {
		let paid = paid.map(|(name, price)| Payment {
			provider: parse_account(name).unwrap(),
			price,
			root: H256::zero(),
		});
		let state = TaskState::Ended { reason, paid };
		TaskInfo { id: (H256::zero(), index), attempt: 0, state, price: None, barred: Vec::new() }
	}

	#[test]
	fn tally_should_add_up_what_every_provider_got() {
		let tasks = [
			task(0, EndReason::Settled, Some(("//Bob", 5))),
			task(1, EndReason::Settled, Some(("//Charlie", 7))),
			task(2, EndReason::Settled, Some(("//Bob", 6))),
			task(3, EndReason::LifetimeOver, None),
			task(4, EndReason::Faulted, None),
			task(5, EndReason::LifetimeOver, None),
		];
		let ended = tally(H256::zero(), &tasks);
		assert_eq!((ended.tasks, ended.settled, ended.failed), (6, 3, 3));
		assert_eq!(ended.paid, Planck(18));
		let bob = parse_account("//Bob").unwrap();
		let share = ended.providers.iter().find(|share| share.provider.0 == bob).unwrap();
		assert_eq!((share.tasks, share.paid), (2, Planck(11)));
		assert_eq!(ended.reasons, BTreeMap::from([("faulted", 1), ("lifetime_over", 2)]));
		let failure = unsettled(&ended).unwrap();
		assert_eq!(failure.exit, Exit::Unsettled);
		assert!(failure.message.starts_with("3 of 6 tasks were not done"), "{failure}");
		let text = summary(&ended);
		assert!(text.contains("3 of 6 tasks settled") && text.contains("18 planck"), "{text}");
	}

	#[test]
	fn job_should_be_fine_when_all_tasks_were_settled() {
		let ended = tally(H256::zero(), &[task(0, EndReason::Settled, Some(("//Bob", 5)))]);
		assert_eq!(unsettled(&ended), None);
	}
}
