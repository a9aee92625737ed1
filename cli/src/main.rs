// SPDX-License-Identifier: Apache-2.0

//! `tessera`: the command of tenants, providers and token holders.
//!
//! - [`args`]: the command line. Each subcommand's part lies with what it does, in [`commands`].
//! - [`context`]: what every command needs: the output, the data directory, keys, the chain.
//! - [`output`]: text, tables, JSON and progress bars; `output::shapes` documents the JSON.
//! - [`exit`]: exit codes and failures.
//! - [`data`]: what is kept between runs.
//! - [`serving`]: the local store, served by one process at a time and shared by all.
//! - [`fetching`]: outputs of tasks.
//! - [`watching`]: a job until its end.

mod args;
mod commands;
mod context;
mod data;
mod exit;
mod fetching;
mod output;
mod serving;
mod watching;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use context::Context;
use output::Output;

fn main() -> ExitCode {
	let cli = Cli::parse();
	let output = Output::new(cli.global.json, cli.global.quiet);
	let result = Context::new(cli.global, output.clone()).and_then(|context| {
		start_log(&output);
		let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
		let runtime = runtime.map_err(|e| exit::Failure::other(format!("no threads can be started: {e}")))?;
		let result = runtime.block_on(commands::run(cli.command, &context));
		// Whatever still runs in the background must not keep the command from ending.
		runtime.shutdown_background();
		result
	});
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(failure) => {
			output.failure(&failure);
			failure.exit.into()
		}
	}
}

/// Warnings of the client go to stderr; `RUST_LOG` asks for more.
fn start_log(output: &Output) {
	let filter = tracing_subscriber::EnvFilter::try_from_default_env()
		.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error,tessera_client=warn"));
	let log = output.log();
	let format = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).without_time();
	// A second start is impossible, and a missing log no reason to fail.
	if output.is_json() {
		// Nothing but JSON on stderr, unless somebody asks for it.
		if std::env::var_os("RUST_LOG").is_some() {
			let _ = format.with_ansi(false).with_writer(move || log.clone()).try_init();
		}
	} else {
		let _ = format.with_writer(move || log.clone()).try_init();
	}
}
