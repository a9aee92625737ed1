// SPDX-License-Identifier: Apache-2.0

//! What the subcommands do.

pub mod account;
pub mod job;
pub mod market;
pub mod program;
pub mod provider;
pub mod serve;

use std::{
	fs,
	io::{self, Write},
	path::{Path, PathBuf},
};

use clap::CommandFactory;
use serde::Serialize;
use tessera_client::chain::{Call, TxOutcome};

use crate::{
	args::{Cli, Command},
	context::Context,
	exit::{Failure, Outcome},
	output::{shapes::Transaction, table},
};

/// Does what the command line says.
pub async fn run(command: Command, ctx: &Context) -> Outcome {
	match command {
		Command::Program(command) => program::run(command, ctx).await,
		Command::Job(command) => job::run(command, ctx).await,
		Command::Serve(args) => serve::run(&args, ctx).await,
		Command::Provider(command) => provider::run(command, ctx).await,
		Command::Market(args) => market::run(&args, ctx).await,
		Command::Account(command) => account::run(command, ctx).await,
		Command::Completions { shell } => {
			let mut script = Vec::new();
			clap_complete::generate(shell, &mut Cli::command(), "tessera", &mut script);
			ctx.out.line(&String::from_utf8_lossy(&script));
			Ok(())
		}
	}
}

/// A transaction that is all that a command did.
#[derive(Serialize)]
struct Done {
	/// The call, for example `Providers.bond`.
	call: String,
	transaction: Transaction,
}

/// Signs and sends one call, and says that it is done.
async fn send(ctx: &Context, call: Call, done: &str) -> Outcome<TxOutcome> {
	let signer = ctx.signer()?;
	let chain = ctx.connect().await?;
	let outcome = ctx.submit(&chain, &call, &signer).await?;
	let shape = Done { call: call.name(), transaction: (&outcome).into() };
	ctx.out.result(&shape, || format!("{done}\n{}", transaction_text(&outcome)));
	Ok(outcome)
}

/// Where a transaction is, and what it cost.
fn transaction_text(outcome: &TxOutcome) -> String {
	let sure = if outcome.finalized { "final" } else { "not final yet" };
	let fee = outcome.fee.map(|fee| format!(", fee {}", table::amount(fee))).unwrap_or_default();
	format!("block {} ({sure}){fee}", outcome.block.number)
}

/// Files that an `init` writes.
#[derive(Serialize)]
struct Written {
	files: Vec<PathBuf>,
}

/// Writes example files into a directory. Without `force` none of them may be there.
fn init(ctx: &Context, dir: &Path, files: &[(&str, &str)], force: bool, next: &str) -> Outcome {
	let paths: Vec<PathBuf> = files.iter().map(|(name, _)| dir.join(name)).collect();
	if !force && let Some(path) = paths.iter().find(|path| path.exists()) {
		return Err(Failure::input(format!("{} exists already; nothing was written", path.display()))
			.help("choose another directory, or overwrite it with --force"));
	}
	fs::create_dir_all(dir).map_err(|e| Failure::io("create", dir, &e))?;
	for (path, (_, contents)) in paths.iter().zip(files) {
		let options = || {
			let mut options = fs::OpenOptions::new();
			// Also when it came into being just now.
			if force {
				options.write(true).create(true).truncate(true)
			} else {
				options.write(true).create_new(true)
			};
			options.open(path)?.write_all(contents.as_bytes())
		};
		options().map_err(|e: io::Error| Failure::io("write", path, &e))?;
	}
	let list = paths.iter().map(|path| format!("wrote {}", path.display())).collect::<Vec<_>>().join("\n");
	ctx.out.result(&Written { files: paths }, || format!("{list}\n{next}"));
	Ok(())
}
