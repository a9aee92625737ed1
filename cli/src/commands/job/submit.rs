// SPDX-License-Identifier: Apache-2.0

//! `tessera job submit`.

use std::path::PathBuf;

use clap::Args;
use tessera_client::{
	chain::{self, Chain, ChainError, H256, Level},
	keys::{Key, random_bytes},
	manifest::parse_hash,
};
use tessera_primitives::{Balance, JobId, job::JobRequest};

use super::{fetcher, plan::Plan, quote::quote};
use crate::{
	commands::program::register,
	context::Context,
	data::JobRecord,
	exit::{Exit, Failure, Outcome},
	output::{
		events::Event,
		shapes::{Account, Planck},
		table,
	},
	serving::{Mode, ServeArgs, Serving, announce, job_label},
	watching::{Interrupt, Watch},
};

/// Which job to submit, and what to do afterwards.
#[derive(Args, Debug)]
pub struct SubmitArgs {
	/// The job's manifest
	#[arg(default_value = "job.toml", value_name = "JOB.toml")]
	manifest: PathBuf,
	/// The id that makes submitting safe to repeat: the same one never pays twice. 64 hex digits; before the manifest's
	#[arg(long, value_name = "ID", value_parser = parse_hash)]
	client_id: Option<H256>,
	/// The package of a program that the manifest names by its id
	#[arg(long, value_name = "FILE")]
	package: Option<PathBuf>,
	/// Fetch outputs into this directory as soon as they are claimed
	#[arg(long, value_name = "DIR")]
	fetch: Option<PathBuf>,
	/// Do not watch: end once the job is submitted. `tessera serve` has to run in the same data directory
	#[arg(long, conflicts_with = "fetch")]
	detach: bool,
	/// Do not serve the inputs after submitting: somebody else does
	#[arg(long)]
	no_serve: bool,
	/// How blobs travel.
	#[command(flatten)]
	transfer: ServeArgs,
}

/// A job on its way to the chain.
struct Submission<'a> {
	ctx: &'a Context,
	args: &'a SubmitArgs,
	chain: &'a Chain,
	signer: &'a Key,
	plan: &'a Plan,
	client_id: H256,
	job: JobId,
}

/// Runs `tessera job submit`.
pub async fn run(args: SubmitArgs, ctx: &Context) -> Outcome {
	let signer = ctx.signer()?;
	let plan = Plan::load(ctx, &args.manifest, args.package.clone()).await?;
	let client_id = args.client_id.or(plan.source.client_id()).unwrap_or_else(|| H256(random_bytes()));
	let job = chain::job_id(&signer.account(), &client_id);
	let chain = ctx.connect().await?;
	// From here on an interrupted command has something to say.
	let mut interrupt = Interrupt::new()?;
	let submission =
		Submission { ctx, args: &args, chain: &chain, signer: &signer, plan: &plan, client_id, job };
	let again =
		format!("run the same command with --client-id {client_id:?}: it goes on, and never pays twice");
	let serving = tokio::select! {
		serving = submission.run() => match serving {
			// Whether it was included is not known.
			Err(failure) if failure.exit == Exit::Network && failure.help.is_none() => Err(failure.help(again)),
			other => other,
		},
		() = interrupt.wait() => {
			Err(Failure::new(Exit::Interrupted, "interrupted while the job was being submitted").help(again))
		},
	}?;
	if args.detach {
		if let Some(serving) = serving {
			serving.close().await;
		}
		if !ctx.out.is_json() {
			ctx.out.line(&table::hex(&job));
		}
		return Ok(());
	}
	let serving = match serving {
		Some(serving) if args.no_serve => {
			serving.close().await;
			None
		}
		other => other,
	};
	let fetcher = match args.fetch.clone() {
		Some(dir) => Some(fetcher(ctx, &chain, job, plan.job.outputs.clone(), dir, &args.transfer).await?),
		None => None,
	};
	Watch::new(ctx, chain, job, serving, fetcher).run(&mut interrupt).await
}

impl Submission<'_> {
	/// Brings the job to the chain unless it is there. Returns what serves its inputs; `None` when nobody needs them
	/// from here.
	async fn run(&self) -> Outcome<Option<Serving>> {
		if self.args.detach && !self.args.no_serve && !self.is_served_for_long().await? {
			return Err(Failure::usage("--detach would leave nobody to serve the job's inputs")
				.help("start `tessera serve` with the same data directory first, or say with --no-serve that somebody else serves them"));
		}
		let known = self.chain.view(Level::Best).await?.job(self.job).await?;
		if let Some(known) = known {
			return self.attach(&known.request, known.ended_at.is_some()).await;
		}
		let tenant = self.signer.account();
		let escrow = self.check_funds(None).await?;
		// Written first: `tessera serve` keeps the inputs of jobs that have a record and are not on chain yet.
		let record = self.record();
		self.ctx.data.save_job(&record)?;
		let mut serving = Serving::open(&self.ctx.data, &self.args.transfer, Mode::Job).await?;
		announce(&self.ctx.out, &serving);
		self.add_blobs(&mut serving).await?;
		let mut request = self.plan.job.request.clone();
		request.source = serving.endpoint();

		let registered = register(self.ctx, self.chain, self.signer, &self.plan.package, Level::Best).await?;
		if let Some(outcome) = registered {
			let program = request.program;
			self.ctx.out.event(&Event::ProgramRegistered { program, transaction: (&outcome).into() }, || {
				format!("program {} is registered", table::short(&program))
			});
		}
		// Asked first, so that what cannot go well costs no fee.
		let quote = quote(&self.chain.view(Level::Best).await?, &request).await?;
		self.check_funds(Some(quote.deposit)).await?;
		if quote.eligible_providers == 0 {
			self.ctx.out.warn("no provider that is there now meets the job's requirements");
		}
		let prepared = Event::Prepared {
			job: self.job,
			client_id: self.client_id,
			tenant: Account(tenant),
			program: request.program,
			tasks: request.tasks,
			escrow: Planck(escrow),
			deposit: Planck(quote.deposit),
		};
		self.ctx.out.event(&prepared, || {
			format!(
				"job {}\nclient id {:?} (submitting again with it never pays twice)\n{} in escrow for {}, deposit {}",
				table::hex(&self.job),
				self.client_id,
				table::amount(escrow),
				table::plural(request.tasks, "task"),
				table::amount(quote.deposit)
			)
		});
		self.send(request, record).await?;
		Ok(Some(serving))
	}

	async fn send(&self, request: JobRequest, record: JobRecord) -> Outcome {
		let spinner = self.ctx.out.spinner("submitting the job");
		let level = self.ctx.level();
		let submitted = self.chain.submit_job(self.signer.signer(), self.client_id, request, level).await;
		spinner.finish_and_clear();
		match submitted {
			Ok((job, outcome)) => {
				self.ctx.data.save_job(&JobRecord { submitted: outcome.finalized, ..record })?;
				self.ctx.out.event(&Event::Submitted { job, transaction: (&outcome).into() }, || {
					let sure = if outcome.finalized { "final" } else { "not final yet" };
					format!("submitted in block {} ({sure})", outcome.block.number)
				});
				Ok(())
			}
			// Another process of the same tenant was faster.
			Err(error @ ChainError::JobExists { .. }) => {
				let known = self.chain.view(Level::Best).await?.job(self.job).await?;
				match known {
					Some(known) if self.plan.is(&known.request) => {
						self.say_attached();
						Ok(())
					}
					_ => Err(error.into()),
				}
			}
			Err(error) => Err(error.into()),
		}
	}

	/// The job is on chain already.
	async fn attach(&self, known: &JobRequest, ended: bool) -> Outcome<Option<Serving>> {
		if !self.plan.is(known) {
			return Err(ChainError::JobExists { job: self.job, same: false }.into());
		}
		self.say_attached();
		if self.ctx.data.job(&self.job)?.is_none() {
			self.ctx.data.save_job(&self.record())?;
		}
		if ended {
			return Ok(None);
		}
		let mut serving = Serving::open(&self.ctx.data, &self.args.transfer, Mode::Job).await?;
		if serving.endpoint().key != known.source.key {
			self.ctx.out.warn(
				"providers look for the job's inputs at another endpoint than this data directory's: they are served from where the job was submitted, not from here",
			);
			serving.close().await;
			return Ok(None);
		}
		announce(&self.ctx.out, &serving);
		if serving.endpoint() != known.source && !self.args.transfer.discovery {
			let named = known.source.addresses_text().join(", ");
			self.ctx.out.warn(format!("providers look for the job's inputs at {named}, which is not where they are served now: see --listen and --advertise"));
		}
		self.add_blobs(&mut serving).await?;
		Ok(Some(serving))
	}

	fn say_attached(&self) {
		self.ctx.out.event(&Event::Attached { job: self.job }, || {
			format!("job {} was submitted before; nothing is paid again", table::hex(&self.job))
		});
	}

	fn record(&self) -> JobRecord {
		JobRecord {
			job: self.job,
			client_id: self.client_id,
			tenant: self.signer.account().to_string(),
			genesis: self.chain.genesis(),
			manifest: self.plan.manifest.clone(),
			submitted: false,
		}
	}

	async fn is_served_for_long(&self) -> Outcome<bool> {
		if !Serving::is_served(&self.ctx.data).await {
			return Ok(false);
		}
		let serving = Serving::open(&self.ctx.data, &self.args.transfer, Mode::Job).await?;
		let lasting = matches!(serving.other(), Some((_, Mode::Serve)));
		serving.close().await;
		Ok(lasting)
	}

	async fn add_blobs(&self, serving: &mut Serving) -> Outcome {
		let blobs = self.plan.blobs();
		let bar = self.ctx.out.bar(blobs.len() as u64, "storing the job's blobs");
		let added = serving.add(&job_label(&self.job), &blobs, |done| bar.set_position(done)).await;
		bar.finish_and_clear();
		added
	}

	/// Fails when the tenant cannot pay. Returns what goes into escrow.
	async fn check_funds(&self, deposit: Option<Balance>) -> Outcome<Balance> {
		let tenant = self.signer.account();
		let view = self.chain.view(Level::Best).await?;
		let spendable = view.balance(&tenant).await?.spendable(view.existential_deposit()?);
		let escrow = self.plan.escrow();
		let need = escrow.and_then(|escrow| escrow.checked_add(deposit.unwrap_or(0)));
		match (escrow, need) {
			(Some(escrow), Some(need)) if spendable >= need => Ok(escrow),
			_ => {
				let amount =
					|planck: Option<Balance>| planck.map_or("more than there is".into(), table::amount);
				let besides = deposit.map(|deposit| format!(" and {} as deposit", table::amount(deposit)));
				Err(Failure::refused(format!(
					"{tenant} can spend {}, but the job needs {} in escrow{}",
					table::amount(spendable),
					amount(escrow),
					besides.unwrap_or_default()
				))
				.help("send TESS to the account, or lower `ceiling` or `tasks` in the manifest"))
			}
		}
	}
}
