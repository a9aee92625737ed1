// SPDX-License-Identifier: Apache-2.0

//! `tessera-digits`: looks at the outputs of `examples/digits/job.toml`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use tessera_examples::report::Report;

/// What the digits job brought.
#[derive(Parser)]
#[command(version)]
struct Cli {
	#[command(subcommand)]
	command: Command,
}

#[derive(Subcommand)]
enum Command {
	/// Print the accuracy on the unseen images and the confusion matrix, and compare every answer with the CPU.
	///
	/// Exits with 3 if an answer differs from what the same network gives on the CPU.
	Report {
		/// The folder of `tessera job fetch JOB --out DIR`.
		#[arg(long, value_name = "DIR")]
		outputs: PathBuf,
		/// Print JSON.
		#[arg(long)]
		json: bool,
	},
}

fn main() -> ExitCode {
	run().unwrap_or_else(|error| {
		eprintln!("error: {error:#}");
		ExitCode::FAILURE
	})
}

fn run() -> Result<ExitCode> {
	let Command::Report { outputs, json } = Cli::parse().command;
	let report = Report::read(&outputs)?;
	if json {
		println!("{}", report.json());
	} else {
		println!("{report}");
	}
	Ok(if report.differing_tasks.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
