// SPDX-License-Identifier: Apache-2.0

//! `tessera market`.

use clap::Args;
use tessera_primitives::limits::MAX_PAGE;

use crate::{
	context::Context,
	exit::Outcome,
	output::{shapes::Market, table},
};

/// What to show of the market.
#[derive(Args, Debug)]
pub struct MarketArgs {
	/// How many open tasks to list at most; 0 for none
	#[arg(long, value_name = "NUMBER", default_value_t = 20)]
	limit: u32,
}

/// Runs `tessera market`.
pub async fn run(args: &MarketArgs, ctx: &Context) -> Outcome {
	let view = ctx.view().await?;
	let (summary, clock) = (view.market().await?, view.clock().await?);
	let mut market = Market::new(view.block(), view.spec_version(), &summary, &clock);
	let mut after = None;
	loop {
		let left = args.limit.saturating_sub(u32::try_from(market.open_tasks.len()).unwrap_or(u32::MAX));
		if left == 0 {
			break;
		}
		// One more than wanted tells whether there are more.
		let page = view.open_tasks_page(after, left.saturating_add(1).min(MAX_PAGE)).await?;
		market.open_tasks.extend(page.tasks.iter().map(Into::into));
		if market.open_tasks.len() > args.limit as usize {
			market.open_tasks.truncate(args.limit as usize);
			market.more_open_tasks = true;
			break;
		}
		after = page.next;
		if after.is_none() {
			break;
		}
	}
	ctx.out.result(&market, || describe(&market));
	Ok(())
}

fn describe(market: &Market) -> String {
	let clock = &market.clock;
	let mut text = table::pairs([
		("block", market.block.number.to_string()),
		("runtime", market.spec_version.to_string()),
		("tick", clock.tick.to_string()),
		("programs", market.programs.to_string()),
		("jobs", format!("{}, {} with open tasks", market.jobs, market.open_jobs)),
		("providers", market.providers.to_string()),
		("settled tasks", market.settled_tasks.to_string()),
		("paid to providers", table::amount(market.paid.0)),
		("protocol's cut", table::amount(market.cut.0)),
		("burnt", table::amount(market.burnt.0)),
		(
			"spans in ticks",
			format!(
				"heartbeat window {}, fetch window {}, claim to settlement {}",
				clock.heartbeat_window, clock.fetch_window, clock.challenge_ticks
			),
		),
	]);
	if !market.open_tasks.is_empty() {
		let mut tasks = table::table(["JOB", ">TASK", ">PRICE", ">CEILING"]);
		for task in &market.open_tasks {
			tasks.add_row([
				table::short(&task.job),
				task.task.to_string(),
				table::amount(task.price.0),
				table::amount(task.ceiling_price.0),
			]);
		}
		text.push_str(&format!("\n\n{}", table::text_or(&tasks, "")));
		if market.more_open_tasks {
			text.push_str("\nand more: --limit lists them");
		}
	}
	text
}
