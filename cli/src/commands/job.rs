// SPDX-License-Identifier: Apache-2.0

//! `tessera job`.

mod fetch;
mod plan;
mod quote;
mod submit;

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, Subcommand};
use futures::TryStreamExt;
use serde::Serialize;
use tessera_client::{
	chain::{
		AccountId, Chain, H256, JobInfo, JobsEvent, Level, MarketEvent, TaskInfo, TaskState, View, calls,
	},
	manifest::{EXAMPLE_JOB, OutputBuffer, parse_hash},
};
use tessera_primitives::JobId;

use super::{Done, init, transaction_text};
use crate::{
	context::Context,
	exit::{Failure, Outcome},
	fetching::Fetcher,
	output::{
		events::{reason_name, reason_text},
		shapes::{self, Transaction, job_state},
		table,
	},
	serving::{Mode, ServeArgs, Serving, announce, job_label},
	watching::{Interrupt, Watch, unknown_job},
};

/// What to do with jobs.
#[derive(Subcommand, Debug)]
pub enum JobCommand {
	/// Write an example job, commented: job.toml for the program of `tessera program init`
	Init {
		/// Where to.
		#[arg(default_value = ".", value_name = "DIR")]
		dir: PathBuf,
		/// Overwrite what is there.
		#[arg(long)]
		force: bool,
	},
	/// Check a job in full, and ask the chain what it would cost and who could take it
	Quote(quote::QuoteArgs),
	/// Submit a job, serve its inputs and watch it until its end
	Submit(Box<submit::SubmitArgs>),
	/// Watch a job until its end
	Watch {
		/// The job.
		#[command(flatten)]
		job: JobArg,
		/// Serve its inputs meanwhile.
		#[arg(long)]
		serve: bool,
		/// Fetch outputs into this directory as soon as they are claimed.
		#[arg(long, value_name = "DIR")]
		fetch: Option<PathBuf>,
		/// How blobs travel.
		#[command(flatten)]
		transfer: ServeArgs,
	},
	/// Fetch the outputs of all tasks that are claimed or settled, and check them
	Fetch(fetch::FetchArgs),
	/// End a job's open tasks and get their escrow back; tasks that are taken go on
	Cancel {
		/// The job.
		#[command(flatten)]
		job: JobArg,
	},
	/// List the jobs of an account
	List {
		/// A key's name, an address, or a development key; without it, the account that signs.
		#[arg(value_name = "ACCOUNT")]
		tenant: Option<String>,
	},
	/// Show a job and its tasks
	Show {
		/// The job.
		#[command(flatten)]
		job: JobArg,
		/// How many tasks to list at most (JSON has all of them).
		#[arg(long, value_name = "NUMBER", default_value_t = 50)]
		limit: usize,
	},
	/// Remove the record of a job that has ended, and get its deposit back
	CleanUp {
		/// The job.
		#[command(flatten)]
		job: JobArg,
	},
}

/// A job on the command line.
#[derive(Args, Clone, Debug)]
pub struct JobArg {
	/// Its id, or the first 6 digits or more of it if it is a job of the account.
	#[arg(value_name = "JOB")]
	job: String,
}

/// Runs `tessera job`.
pub async fn run(command: JobCommand, ctx: &Context) -> Outcome {
	match command {
		JobCommand::Init { dir, force } => {
			let next = "`tessera job quote` says what it would cost, `tessera job submit` submits it";
			init(ctx, &dir, &[("job.toml", EXAMPLE_JOB)], force, next)
		}
		JobCommand::Quote(args) => quote::run(&args, ctx).await,
		JobCommand::Submit(args) => submit::run(*args, ctx).await,
		JobCommand::Watch { job, serve, fetch, transfer } => watch(ctx, &job, serve, fetch, &transfer).await,
		JobCommand::Fetch(args) => fetch::run(args, ctx).await,
		JobCommand::Cancel { job } => cancel(ctx, &job).await,
		JobCommand::List { tenant } => list(ctx, tenant.as_deref()).await,
		JobCommand::Show { job, limit } => show(ctx, &job, limit).await,
		JobCommand::CleanUp { job } => clean_up(ctx, &job).await,
	}
}

impl JobArg {
	/// Connects to the node, and says the job's id: it is given in full, or is the beginning of one job's of the
	/// account, on chain or submitted from here.
	async fn find(&self, ctx: &Context) -> Outcome<(Chain, JobId)> {
		let parsed = parse(&self.job)?;
		let chain = ctx.connect().await?;
		let prefix = match parsed {
			Parsed::Id(id) => return Ok((chain, id)),
			Parsed::Prefix(prefix) => prefix,
		};
		let records = ctx.data.jobs()?;
		let here = records.iter().filter(|record| record.genesis == chain.genesis()).map(|record| record.job);
		let mut known: BTreeSet<JobId> = here.collect();
		let account = ctx.account(None);
		if let Ok(account) = account {
			let view = chain.view(Level::Best).await?;
			let jobs: Vec<JobInfo> = view.jobs_of(account).try_collect().await?;
			known.extend(jobs.iter().map(|job| job.id));
		}
		let of = match account {
			Ok(account) => format!("{account} has no job"),
			Err(_) => "no job was submitted from here".to_owned(),
		};
		Ok((chain, select(&prefix, &known, &of)?))
	}
}

/// A job id as it is written.
#[derive(PartialEq, Eq, Debug)]
enum Parsed {
	Id(JobId),
	/// Lower-case hex digits.
	Prefix(String),
}

fn parse(text: &str) -> Outcome<Parsed> {
	let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
	if digits.len() == 64 {
		return parse_hash(&digits).map(Parsed::Id).map_err(Failure::input);
	}
	if !(6..64).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
		return Err(Failure::input(format!("`{text}` is not a job's id")).help(
			"ids have 64 hex digits, of which the first 6 or more are enough; `tessera job list` shows them",
		));
	}
	Ok(Parsed::Prefix(digits))
}

/// The one id that begins like this.
fn select(prefix: &str, known: &BTreeSet<JobId>, nobody: &str) -> Outcome<JobId> {
	let found: Vec<_> = known.iter().filter(|id| hex::encode(id).starts_with(prefix)).collect();
	match found.as_slice() {
		[id] => Ok(**id),
		[] => Err(Failure::input(format!("{nobody} that begins with 0x{prefix}"))
			.help("`tessera job list` shows them; --account names another tenant; 64 digits name any job")),
		several => {
			let list: Vec<_> = several.iter().map(|id| table::hex(id)).collect();
			Err(Failure::input(format!("{} jobs begin with 0x{prefix}: {}", several.len(), list.join(", ")))
				.help("give more digits"))
		}
	}
}

/// The job at this block, or why not.
async fn read_job(view: &View, job: &JobId) -> Outcome<JobInfo> {
	view.job(*job).await?.ok_or_else(|| unknown_job(job))
}

/// What each task of a job gives back.
async fn outputs_of(view: &View, info: &JobInfo) -> Outcome<Vec<OutputBuffer>> {
	// A program stays while jobs use it.
	let program = info.request.program;
	let manifest = view.program(program).await?;
	let manifest = manifest.ok_or_else(|| super::program::unknown(&program))?;
	Ok(OutputBuffer::of(&info.request, &manifest))
}

/// A fetcher for a job's outputs.
async fn fetcher(
	ctx: &Context,
	chain: &Chain,
	job: JobId,
	outputs: Vec<OutputBuffer>,
	dir: PathBuf,
	transfer: &ServeArgs,
) -> Outcome<Fetcher> {
	Fetcher::open(chain.clone(), job, outputs, dir, ctx.data.fetch_dir(&job), transfer).await
}

async fn watch(
	ctx: &Context,
	job: &JobArg,
	serve: bool,
	fetch: Option<PathBuf>,
	transfer: &ServeArgs,
) -> Outcome {
	let (chain, job) = job.find(ctx).await?;
	// It may be too young to be final.
	let view = chain.view(Level::Best).await?;
	let info = read_job(&view, &job).await?;
	let active = info.ended_at.is_none();
	let serving = match serve && active {
		true => Some(serve_again(ctx, &job, &info, transfer).await?),
		false => None,
	};
	if !serve
		&& active
		&& info.counts.open > 0
		&& ctx.data.job(&job)?.is_some()
		&& !Serving::is_served(&ctx.data).await
	{
		ctx.out.warn("nothing on this machine serves the job's inputs: add --serve, or run `tessera serve`");
	}
	let fetcher = match fetch {
		Some(dir) => Some(fetcher(ctx, &chain, job, outputs_of(&view, &info).await?, dir, transfer).await?),
		None => None,
	};
	let mut interrupt = Interrupt::new()?;
	Watch::new(ctx, chain, job, serving, fetcher).run(&mut interrupt).await
}

/// Serves the inputs of a job that was submitted before.
async fn serve_again(ctx: &Context, job: &JobId, info: &JobInfo, transfer: &ServeArgs) -> Outcome<Serving> {
	let mut serving = Serving::open(&ctx.data, transfer, Mode::Job).await?;
	announce(&ctx.out, &serving);
	let endpoint = serving.endpoint();
	let problem = if endpoint.key != info.request.source.key {
		Some("providers look for the job's inputs at another endpoint than this data directory's: serve them from where the job was submitted".to_owned())
	} else if !serving.labels().await?.contains(&job_label(job)) {
		Some("the job's inputs are not in the store any more: `tessera job submit` with the same client id adds them again and pays nothing".to_owned())
	} else if !transfer.discovery && endpoint.addresses != info.request.source.addresses {
		let named = info.request.source.addresses_text().join(", ");
		Some(format!(
			"providers look for the job's inputs at {named}, which is not where they are served now: see --listen and --advertise"
		))
	} else {
		None
	};
	if let Some(problem) = problem {
		ctx.out.warn(problem);
	}
	Ok(serving)
}

async fn cancel(ctx: &Context, job: &JobArg) -> Outcome {
	let signer = ctx.signer()?;
	let (chain, job) = job.find(ctx).await?;
	let call = calls::cancel(job);
	let outcome = ctx.submit(&chain, &call, &signer).await?;
	let closed = outcome.events.iter().find_map(|event| match event {
		MarketEvent::Jobs(JobsEvent::JobClosed { tasks, refunded, .. }) => Some((*tasks, *refunded)),
		_ => None,
	});
	ctx.out.result(&Done { call: call.name(), transaction: Transaction::from(&outcome) }, || {
		let what = closed.map(|(tasks, refunded)| {
			format!(": {} ended, {} back", table::plural(tasks, "open task"), table::amount(refunded))
		});
		let id = table::short(&job);
		format!("job {id} is cancelled{}\n{}", what.unwrap_or_default(), transaction_text(&outcome))
	});
	let left = chain.view(ctx.level()).await?.job(job).await?;
	if let Some(left) = left.filter(|left| left.ended_at.is_none()) {
		let busy = left.counts.accepted.saturating_add(left.counts.claimed);
		ctx.out.note(format!("{} with providers go on and will be paid", table::plural(busy, "task")));
	}
	Ok(())
}

#[derive(Serialize)]
struct Jobs {
	tenant: shapes::Account,
	jobs: Vec<shapes::Job>,
}

async fn list(ctx: &Context, tenant: Option<&str>) -> Outcome {
	let tenant: AccountId = ctx.account(tenant)?;
	let view = ctx.view().await?;
	let mut infos: Vec<JobInfo> = view.jobs_of(tenant).try_collect().await?;
	infos.sort_by_key(|job| (job.submitted_at, job.id));
	let shape = Jobs { tenant: shapes::Account(tenant), jobs: infos.iter().map(Into::into).collect() };
	ctx.out.result(&shape, || {
		let mut table =
			table::table(["JOB", "STATE", "PROGRAM", "TASKS", ">CEILING", ">ESCROW", ">SUBMITTED"]);
		for job in &infos {
			table.add_row([
				table::short(&job.id),
				job_state(job).to_owned(),
				table::short(&job.request.program),
				table::counts(&job.counts),
				table::amount(job.request.ceiling_price),
				table::amount(job.escrow),
				format!("tick {}", job.submitted_at),
			]);
		}
		table::text_or(&table, &format!("{tenant} has no jobs"))
	});
	Ok(())
}

/// A job with all its tasks.
#[derive(Serialize)]
struct Full {
	#[serde(flatten)]
	job: shapes::Job,
	/// The outputs of each task.
	outputs: Vec<shapes::OutputShape>,
	/// The tasks, by index.
	task_list: Vec<shapes::Task>,
}

async fn show(ctx: &Context, job: &JobArg, limit: usize) -> Outcome {
	let (chain, id) = job.find(ctx).await?;
	let view = chain.view(ctx.level()).await?;
	let info = read_job(&view, &id).await?;
	let tasks: Vec<TaskInfo> = view.tasks(id).try_collect().await?;
	let outputs = outputs_of(&view, &info).await?;
	let shape = Full {
		job: (&info).into(),
		outputs: outputs.iter().map(Into::into).collect(),
		task_list: tasks.iter().map(Into::into).collect(),
	};
	ctx.out.result(&shape, || {
		let mut text = describe(&info, &outputs);
		text.push_str(&format!("\n\n{}", task_table(&tasks, limit)));
		text
	});
	Ok(())
}

fn describe(info: &JobInfo, outputs: &[OutputBuffer]) -> String {
	let request = &info.request;
	let state = match (info.ended_at, info.closed) {
		(Some(tick), _) => format!("ended at tick {tick}"),
		(None, Some(reason)) => format!("closed: {}", reason_text(reason_name(reason))),
		(None, None) => job_state(info).to_owned(),
	};
	let outputs: Vec<_> = outputs
		.iter()
		.map(|output| {
			format!("{} ({})", output.name, tessera_client::manifest::units::format_bytes(output.bytes))
		})
		.collect();
	table::pairs([
		("job", table::hex(&info.id)),
		("tenant", table::account(&info.tenant)),
		("state", state),
		("program", table::hex(&request.program)),
		("checked by", "nobody: results of this tier are unverified".into()),
		("tasks", table::counts(&info.counts)),
		(
			"price",
			format!(
				"{} to {}, rising by {} a tick",
				table::amount(request.opening_price),
				table::amount(request.ceiling_price),
				table::amount(request.price_ramp)
			),
		),
		("escrow", table::amount(info.escrow)),
		("deposit", table::amount(info.deposit)),
		("submitted", format!("tick {}, open until tick {}", info.submitted_at, info.open_until)),
		(
			"deadlines",
			format!(
				"{} ticks to claim, {} more to settlement",
				request.execution_ticks, info.challenge_ticks
			),
		),
		(
			"inputs at",
			format!("{} {}", hex::encode(request.source.key), request.source.addresses_text().join(", ")),
		),
		("outputs", outputs.join(", ")),
	])
}

fn task_table(tasks: &[TaskInfo], limit: usize) -> String {
	let mut table = table::table([">TASK", "STATE", ">PRICE", "PROVIDER", ">ATTEMPT", "DUE"]);
	for task in tasks.iter().take(limit) {
		let shape = shapes::Task::from(task);
		let state = shape.reason.map_or(shape.state, reason_name);
		let due = match &task.state {
			TaskState::Accepted { deadline, .. } => format!("claim by tick {deadline}"),
			TaskState::Claimed { settle_at, .. } => format!("settled at tick {settle_at}"),
			TaskState::Open { .. } | TaskState::Ended { .. } => String::new(),
		};
		table.add_row([
			shape.task.to_string(),
			state.to_owned(),
			shape.price.map(|price| table::amount(price.0)).unwrap_or_default(),
			shape.provider.map(|provider| table::account(&provider.0)).unwrap_or_default(),
			shape.attempt.to_string(),
			due,
		]);
	}
	let mut text = table::text_or(&table, "no tasks are listed");
	let more = tasks.len().saturating_sub(limit);
	if more > 0 {
		text.push_str(&format!("\nand {}: --limit lists them", table::plural(more as u64, "more task")));
	}
	text
}

/// What `job clean-up` did.
#[derive(Serialize)]
struct CleanedUp {
	job: H256,
	/// The last transaction; `null` when the record was gone before.
	transaction: Option<Transaction>,
	/// What the tenant got back.
	deposit: shapes::Planck,
}

async fn clean_up(ctx: &Context, job: &JobArg) -> Outcome {
	let signer = ctx.signer()?;
	let (chain, id) = job.find(ctx).await?;
	let mut cleaned = CleanedUp { job: id, transaction: None, deposit: shapes::Planck(0) };
	let mut place = None;
	// A large job takes several calls.
	while chain.view(Level::Best).await?.job(id).await?.is_some() {
		let outcome = ctx.submit(&chain, &calls::clean_up(id), &signer).await?;
		for event in &outcome.events {
			if let MarketEvent::Jobs(JobsEvent::JobCleanedUp { deposit, .. }) = event {
				cleaned.deposit = shapes::Planck(*deposit);
			}
		}
		cleaned.transaction = Some((&outcome).into());
		place = Some(transaction_text(&outcome));
	}
	// `tessera serve` lets go of the inputs of jobs without a record.
	ctx.data.remove_job(&id)?;
	let _ = std::fs::remove_dir_all(ctx.data.fetch_dir(&id));
	ctx.out.result(&cleaned, || {
		let short = table::short(&id);
		match place {
			Some(place) => {
				format!(
					"the record of job {short} is removed; the deposit, {}, is back\n{place}",
					table::amount(cleaned.deposit.0)
				)
			}
			None => format!("the chain has no record of job {short}; what was kept here is removed"),
		}
	});
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::exit::Exit;

	#[test]
	fn job_should_be_named_by_its_id_or_at_least_6_digits() {
		let id = H256::repeat_byte(0xab);
		assert_eq!(parse(&table::hex(&id)), Ok(Parsed::Id(id)));
		assert_eq!(parse("ABABAB"), Ok(Parsed::Prefix("ababab".into())));
		assert_eq!(parse("0xababab1"), Ok(Parsed::Prefix("ababab1".into())));
		for wrong in ["", "0x", "ababa", "0xababa", "ghghgh", &"a".repeat(65)] {
			let failure = parse(wrong).unwrap_err();
			assert_eq!(failure.exit, Exit::Input, "{wrong}");
			assert!(failure.help.is_some_and(|help| help.contains("job list")));
		}
	}

	#[test]
	fn prefix_should_select_a_job_only_when_it_is_unique() {
		let mut near = [0xab; 32];
		near[5] = 0;
		let known = BTreeSet::from([H256([0xab; 32]), H256(near), H256::repeat_byte(1)]);
		assert_eq!(select("010101", &known, "nobody"), Ok(H256::repeat_byte(1)));
		assert_eq!(select("ababababab00", &known, "nobody"), Ok(H256(near)));
		let failure = select("ababab", &known, "nobody").unwrap_err();
		assert!(
			failure.message.contains("2 jobs") && failure.message.contains(&table::hex(&H256(near))),
			"{failure}"
		);
		let failure = select("020202", &known, "5Grw has no job").unwrap_err();
		assert!(failure.message.starts_with("5Grw has no job that begins with 0x020202"), "{failure}");
	}
}
