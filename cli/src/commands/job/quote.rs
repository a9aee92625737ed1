// SPDX-License-Identifier: Apache-2.0

//! `tessera job quote`, and why the chain would refuse a job.

use std::path::PathBuf;

use clap::Args;
use tessera_client::chain::View;
use tessera_primitives::{Balance, TESS, api::Quote, job::JobRequest};

use super::plan::Plan;
use crate::{
	commands::program::{same, unknown},
	context::Context,
	exit::{Failure, Outcome},
	output::{
		shapes::{Planck, QuoteShape},
		table,
	},
};

/// Which job to quote.
#[derive(Args, Debug)]
pub struct QuoteArgs {
	/// The job's manifest
	#[arg(default_value = "job.toml", value_name = "JOB.toml")]
	manifest: PathBuf,
	/// The package of a program that the manifest names by its id
	#[arg(long, value_name = "FILE")]
	package: Option<PathBuf>,
}

/// Runs `tessera job quote`.
pub async fn run(args: &QuoteArgs, ctx: &Context) -> Outcome {
	let plan = Plan::load(ctx, &args.manifest, args.package.clone()).await?;
	let view = ctx.view().await?;
	let request = &plan.job.request;
	let registered = view.program(request.program).await?;
	let quote = match &registered {
		Some(manifest) => {
			same(&request.program, manifest, &plan.package.manifest)?;
			Some(quote(&view, request).await?)
		}
		None => None,
	};
	let escrow = plan.escrow().ok_or_else(|| explain("EscrowOverflow", None))?;
	let shape = QuoteShape {
		program: request.program,
		registered: registered.is_some(),
		tasks: request.tasks,
		escrow: Planck(escrow),
		deposit: quote.as_ref().map(|quote| Planck(quote.deposit)),
		floor_price: quote.as_ref().map(|quote| Planck(quote.floor_price)),
		cut: quote.as_ref().map(|quote| Planck(quote.cut)),
		eligible_providers: quote.as_ref().map(|quote| quote.eligible_providers),
		scanned: quote.as_ref().map(|quote| quote.scanned),
		outputs: plan.job.outputs.iter().map(Into::into).collect(),
		input_bytes: plan.input_bytes(),
	};
	ctx.out.result(&shape, || describe(&shape, request));
	if quote.is_none() {
		ctx.out.note(
			"the program is not registered yet, so the chain cannot say more; `tessera job submit` registers it first",
		);
	}
	if quote.is_some_and(|quote| quote.eligible_providers == 0) {
		ctx.out.warn("no provider that is there now meets the job's requirements");
	}
	Ok(())
}

/// Asks the chain what a job costs; fails with what it would refuse.
pub async fn quote(view: &View, request: &JobRequest) -> Outcome<Quote> {
	let error = match view.quote(request).await? {
		Ok(quote) => return Ok(quote),
		Err(error) => String::from_utf8_lossy(&error.name).into_owned(),
	};
	let floor = match error.as_str() {
		// With any high price the chain tells the floor.
		"FeeBelowFloor" => {
			let high = 1_000_000 * TESS;
			let dear = JobRequest { tasks: 1, opening_price: high, ceiling_price: high, ..request.clone() };
			view.quote(&dear).await?.ok().map(|quote| quote.floor_price)
		}
		"UnknownProgram" => return Err(unknown(&request.program)),
		_ => None,
	};
	Err(explain(&error, floor))
}

/// Why the chain would refuse a job, by the name of its error.
fn explain(name: &str, floor: Option<Balance>) -> Failure {
	let refused = |message: &str, help: &str| Failure::refused(format!("{message} (Jobs.{name})")).help(help);
	match name {
		"FeeBelowFloor" => {
			let least = floor.map(|floor| format!(", {}", table::amount(floor))).unwrap_or_default();
			refused(
				&format!("the opening price is below the chain's least price of a task{least}"),
				"raise `opening` in [price], or shorten `execution` in [deadlines]: the least price grows with it",
			)
		}
		"ExecutionTicks" => refused(
			"the execution deadline is longer than the chain allows",
			"lower `execution` in [deadlines], and split the work over more tasks if need be",
		),
		"LifetimeTicks" => {
			refused("the job's lifetime is longer than the chain allows", "lower `lifetime` in [deadlines]")
		}
		"EscrowOverflow" => refused(
			"the ceiling price times the tasks is more than any balance",
			"lower `ceiling` in [price]",
		),
		_ => refused(
			"the chain would refuse the job",
			"see [requirements], [buffers] and [stages] of its manifest",
		),
	}
}

fn describe(quote: &QuoteShape, request: &JobRequest) -> String {
	let price = format!(
		"{} to {} a task, rising by {} a tick",
		table::amount(request.opening_price),
		table::amount(request.ceiling_price),
		table::amount(request.price_ramp)
	);
	let mut pairs = vec![
		("program", table::hex(&quote.program)),
		("registered", if quote.registered { "yes".into() } else { "not yet".into() }),
		("tasks", quote.tasks.to_string()),
		("price", price),
		("escrow", format!("{}; what is not paid comes back", table::amount(quote.escrow.0))),
	];
	if let Some(deposit) = quote.deposit {
		pairs.push((
			"deposit",
			format!("{}, back when the job's record is removed", table::amount(deposit.0)),
		));
	}
	if let Some(floor) = quote.floor_price {
		pairs.push(("least price", format!("{} a task", table::amount(floor.0))));
	}
	if let Some(cut) = quote.cut {
		pairs.push((
			"protocol's cut",
			format!("{} of the ceiling price, the provider gets the rest", table::amount(cut.0)),
		));
	}
	if let (Some(eligible), Some(scanned)) = (quote.eligible_providers, quote.scanned) {
		pairs.push(("providers", format!("{eligible} could take it now (of at most {scanned} looked at)")));
	}
	pairs.push(("inputs", tessera_client::manifest::units::format_bytes(quote.input_bytes)));
	let outputs: Vec<_> = quote
		.outputs
		.iter()
		.map(|output| {
			format!("{} ({})", output.buffer, tessera_client::manifest::units::format_bytes(output.bytes))
		})
		.collect();
	pairs.push(("outputs", format!("{} for each task", outputs.join(", "))));
	table::pairs(pairs)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::exit::Exit;

	#[test]
	fn refusal_should_say_what_to_change() {
		let failure = explain("FeeBelowFloor", Some(2 * TESS));
		assert_eq!(failure.exit, Exit::Refused);
		assert!(
			failure.message.contains("2 TESS") && failure.message.contains("Jobs.FeeBelowFloor"),
			"{failure}"
		);
		assert!(failure.help.unwrap().contains("opening"));
		for name in ["ExecutionTicks", "LifetimeTicks", "EscrowOverflow", "SomethingNew"] {
			let failure = explain(name, None);
			assert!(failure.message.contains(name) && failure.help.is_some(), "{failure}");
		}
	}
}
