// SPDX-License-Identifier: Apache-2.0

//! `tessera job fetch`.

use std::{ops::RangeInclusive, path::PathBuf};

use clap::Args;
use futures::TryStreamExt;
use serde::Serialize;
use tessera_client::{
	chain::{JobInfo, Level, TaskInfo, TaskState},
	manifest::units::format_bytes,
};
use tessera_primitives::{JobId, TaskIndex};

use super::{JobArg, fetcher, outputs_of, read_job};
use crate::{
	context::Context,
	exit::{Exit, Failure, Outcome},
	fetching::{Claim, Fetched, Fetcher, failed},
	output::{events::Event, table},
	serving::ServeArgs,
	watching::{Interrupt, say_fetch_failed},
};

/// Which outputs to fetch, and where to.
#[derive(Args, Debug)]
pub struct FetchArgs {
	/// The job.
	#[command(flatten)]
	job: JobArg,
	/// Directory for DIR/<task>/<buffer>.bin; what is there and right is not fetched again
	#[arg(long, short, value_name = "DIR", default_value = "outputs")]
	out: PathBuf,
	/// Only these tasks: 0,3-5
	#[arg(long, value_name = "TASKS", value_delimiter = ',', value_parser = range)]
	tasks: Vec<RangeInclusive<TaskIndex>>,
	/// How blobs travel.
	#[command(flatten)]
	transfer: ServeArgs,
}

/// The last line with `--json`.
#[derive(Serialize)]
struct FetchEnded {
	event: &'static str,
	job: JobId,
	/// The directory.
	out: PathBuf,
	/// Tasks whose outputs are there and checked.
	fetched: usize,
	/// Tasks whose outputs could not be had.
	failed: usize,
	/// Tasks that may still be claimed.
	waiting: usize,
	/// Tasks that ended without a result.
	without: usize,
}

/// Runs `tessera job fetch`.
pub async fn run(args: FetchArgs, ctx: &Context) -> Outcome {
	let (chain, job) = args.job.find(ctx).await?;
	let view = chain.view(Level::Best).await?;
	let info = read_job(&view, &job).await?;
	if let Some(task) = args.tasks.iter().map(|range| *range.end()).find(|task| *task >= info.request.tasks) {
		let last = info.request.tasks.saturating_sub(1);
		return Err(Failure::input(format!("job {} has no task {task}", table::short(&job)))
			.help(format!("its tasks are 0 to {last}")));
	}
	let wanted =
		|task: &TaskInfo| args.tasks.is_empty() || args.tasks.iter().any(|range| range.contains(&task.id.1));
	// Claims count where the user says; nothing was taken back from a final block.
	let tasks: Vec<TaskInfo> = chain.view(ctx.level()).await?.tasks(job).try_collect().await?;
	let tasks: Vec<TaskInfo> = tasks.into_iter().filter(wanted).collect();
	let outputs = outputs_of(&view, &info).await?;
	let mut fetcher = fetcher(ctx, &chain, job, outputs, args.out.clone(), &args.transfer).await?;
	tasks.iter().filter_map(Claim::of).for_each(|claim| fetcher.start(claim));
	let mut interrupt = Interrupt::new()?;
	let result = tokio::select! {
		all = fetch_all(ctx, job, &mut fetcher, tasks.iter().filter_map(Claim::of).count()) => Some(all),
		() = interrupt.wait() => None,
	};
	let complete = result.as_ref().is_some_and(|(_, failures)| failures.is_empty());
	tokio::select! {
		() = fetcher.close(complete) => (),
		() = interrupt.wait() => (),
	}
	let Some((fetched, failures)) = result else {
		return Err(Failure::new(Exit::Interrupted, "interrupted")
			.help("the same command goes on where this one stopped"));
	};
	report(ctx, &args, &info, &tasks, fetched, failures)
}

async fn fetch_all(
	ctx: &Context,
	job: JobId,
	fetcher: &mut Fetcher,
	number: usize,
) -> (Vec<Fetched>, Vec<(TaskIndex, Failure)>) {
	let bar = ctx.out.bar(number as u64, "fetching outputs");
	let (mut fetched, mut failures) = (Vec::new(), Vec::new());
	while let Some(done) = fetcher.next().await {
		bar.inc(1);
		match done {
			Ok(outputs) => {
				if ctx.out.is_json() {
					ctx.out.event(&Event::Fetched { job, outputs: outputs.clone() }, String::new);
				}
				fetched.push(outputs);
			}
			Err((task, failure)) => {
				say_fetch_failed(ctx, job, task, &failure);
				failures.push((task, failure));
			}
		}
	}
	bar.finish_and_clear();
	(fetched, failures)
}

fn report(
	ctx: &Context,
	args: &FetchArgs,
	info: &JobInfo,
	tasks: &[TaskInfo],
	mut fetched: Vec<Fetched>,
	failures: Vec<(TaskIndex, Failure)>,
) -> Outcome {
	let without = |task: &&TaskInfo| matches!(task.state, TaskState::Ended { paid: None, .. });
	let without = tasks.iter().filter(without).count();
	let claimed = tasks.iter().filter(|task| Claim::of(task).is_some()).count();
	let ended = FetchEnded {
		event: "fetch_ended",
		job: info.id,
		out: args.out.clone(),
		fetched: fetched.len(),
		failed: failures.len(),
		waiting: tasks.len().saturating_sub(claimed).saturating_sub(without),
		without,
	};
	fetched.sort_by_key(|outputs| outputs.task);
	ctx.out.result(&ended, || {
		let mut table = table::table([">TASK", "PROVIDER", ">BYTES", "OUTPUTS", ""]);
		for outputs in &fetched {
			let files: Vec<_> = outputs.files.iter().map(|file| file.display().to_string()).collect();
			table.add_row([
				outputs.task.to_string(),
				table::account(&outputs.provider.0),
				format_bytes(outputs.bytes),
				files.join(", "),
				if outputs.present { "there before".into() } else { String::new() },
			]);
		}
		table::text_or(&table, "no outputs were fetched")
	});
	if ended.waiting > 0 {
		ctx.out.note(format!(
			"{} not claimed yet: fetch again later, or `tessera job watch --fetch`",
			are(ended.waiting)
		));
	}
	if let Some(failure) = failed(failures) {
		return Err(failure);
	}
	if info.ended_at.is_some() && without > 0 {
		return Err(Failure::new(
			Exit::Unsettled,
			format!("{} without outputs: the job ended without them", are(without)),
		)
		.help("`tessera job show` says why; submit them again as another job"));
	}
	Ok(())
}

fn are(tasks: usize) -> String {
	let verb = if tasks == 1 { "is" } else { "are" };
	format!("{} {verb}", table::plural(tasks as u64, "task"))
}

/// A task, or several: `3`, `3-5`.
fn range(text: &str) -> Result<RangeInclusive<TaskIndex>, String> {
	let (first, last) = text.split_once('-').unwrap_or((text, text));
	match (first.trim().parse(), last.trim().parse()) {
		(Ok(first), Ok(last)) if first <= last => Ok(first..=last),
		_ => Err("write task numbers and ranges: 0,3-5".into()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn tasks_should_be_numbers_and_ranges() {
		assert_eq!(range("3"), Ok(3..=3));
		assert_eq!(range("3-5"), Ok(3..=5));
		for wrong in ["", "a", "5-3", "-1", "1-", "1-2-3"] {
			assert!(range(wrong).is_err(), "{wrong}");
		}
	}
}
