// SPDX-License-Identifier: Apache-2.0

//! `tessera serve`.

use std::time::Duration;

use serde::Serialize;
use tessera_client::chain::{Chain, Level};

use crate::{
	context::Context,
	exit::{Failure, Outcome},
	output::{shapes::Endpoint, table},
	serving::{Mode, ServeArgs, Serving, announce, job_label, label_job},
	watching::Interrupt,
};

/// How often the chain is asked which jobs have ended.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// What is said with `--json` once blobs are served.
#[derive(Serialize)]
struct Serves {
	event: &'static str,
	endpoint: Endpoint,
	/// Labels whose blobs are served: jobs.
	labels: Vec<String>,
}

/// Runs `tessera serve`: until interrupted.
pub async fn run(args: &ServeArgs, ctx: &Context) -> Outcome {
	let mut interrupt = Interrupt::new()?;
	let mut serving = Serving::open(&ctx.data, args, Mode::Serve).await?;
	let result = tokio::select! {
		result = serve(ctx, &mut serving) => result,
		() = interrupt.wait() => Ok(()),
	};
	tokio::select! {
		() = serving.close() => (),
		() = interrupt.wait() => (),
	}
	result
}

async fn serve(ctx: &Context, serving: &mut Serving) -> Outcome {
	loop {
		if let Some((pid, Mode::Serve)) = serving.other() {
			return Err(Failure::other(format!(
				"process {pid} serves {} already",
				ctx.data.path().display()
			))
			.help("nothing more is needed, or choose another --data-dir"));
		}
		announce(&ctx.out, serving);
		let shape = Serves {
			event: "serving",
			endpoint: (&serving.endpoint()).into(),
			labels: serving.labels().await?,
		};
		if ctx.out.is_json() {
			ctx.out.event(&shape, String::new);
		} else {
			ctx.out.note(format!(
				"the inputs of {}; Ctrl-C ends it",
				table::plural(shape.labels.len() as u64, "job")
			));
		}
		let mut tidy = Tidy::default();
		loop {
			let lost = tokio::select! {
				() = serving.lost() => true,
				() = tokio::time::sleep(TIDY_EVERY) => false,
			};
			if lost {
				break;
			}
			tidy.run(ctx, serving).await?;
		}
		serving.reopen().await?;
	}
}

/// Lets go of the inputs of jobs that have ended. It needs a node, serving does not.
#[derive(Default)]
struct Tidy {
	chain: Option<Chain>,
	silent: bool,
}

impl Tidy {
	async fn run(&mut self, ctx: &Context, serving: &mut Serving) -> Outcome {
		let labels = serving.labels().await?;
		if labels.is_empty() {
			return Ok(());
		}
		let chain = match &self.chain {
			Some(chain) => chain,
			None => match ctx.connect().await {
				Ok(chain) => self.chain.insert(chain),
				Err(failure) => {
					if !std::mem::replace(&mut self.silent, true) {
						ctx.out.warn(format!("inputs of ended jobs are kept meanwhile: {}", failure.message));
					}
					return Ok(());
				}
			},
		};
		let genesis = chain.genesis();
		let Ok(view) = chain.view(Level::Final).await else { return Ok(()) };
		for job in labels.iter().filter_map(|label| label_job(label)) {
			let Ok(info) = view.job(job).await else { return Ok(()) };
			let over = match info {
				Some(info) => info.ended_at.is_some(),
				// Cleaned up, unless it was not submitted yet, or elsewhere: every job has a record before its inputs
				// are here.
				None => {
					ctx.data.job(&job)?.is_none_or(|record| record.submitted && record.genesis == genesis)
				}
			};
			if over {
				serving.release(&job_label(&job)).await?;
				ctx.out.note(format!(
					"job {} has ended: its inputs are not served any more",
					table::short(&job)
				));
			}
		}
		Ok(())
	}
}
