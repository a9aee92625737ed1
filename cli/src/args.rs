// SPDX-License-Identifier: Apache-2.0

//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use tessera_client::{chain::Level, manifest::units::parse_amount};
use tessera_primitives::Balance;

use crate::{
	commands::{
		account::AccountCommand, job::JobCommand, market::MarketArgs, program::ProgramCommand,
		provider::ProviderCommand,
	},
	exit,
	serving::ServeArgs,
};

/// Buy and sell GPU work on a Tessera chain.
#[derive(Parser, Debug)]
#[command(name = "tessera", version, after_help = exit::HELP, arg_required_else_help = true, max_term_width = 110)]
pub struct Cli {
	/// What every command takes.
	#[command(flatten)]
	pub global: Global,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
	/// WebSocket address of a node
	#[arg(
		long,
		global = true,
		env = "TESSERA_URL",
		value_name = "URL",
		default_value = "ws://127.0.0.1:9944"
	)]
	pub url: String,
	/// Who signs and pays: the name of a key in the data directory, a key file, or a secret URI such as //Alice.
	/// Without it, the key `default` if there is one
	#[arg(long, global = true, env = "TESSERA_ACCOUNT", hide_env_values = true, value_name = "ACCOUNT")]
	pub account: Option<String>,
	/// Directory of keys, the blob store and the list of jobs [default: the user's data directory]
	#[arg(long, global = true, env = "TESSERA_DATA_DIR", value_name = "DIR")]
	pub data_dir: Option<PathBuf>,
	/// Write results as JSON, one value a line
	#[arg(long, global = true)]
	pub json: bool,
	/// Write nothing but results, warnings and errors
	#[arg(long, short, global = true)]
	pub quiet: bool,
	/// Count only final blocks: nothing takes them back. This is the default
	#[arg(long, global = true, overrides_with = "in_block")]
	pub finalized: bool,
	/// Count best blocks too: some seconds faster, but a reorganisation may take them back
	#[arg(long, global = true, overrides_with = "finalized")]
	pub in_block: bool,
	/// Seconds to wait for the node's first answer
	#[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
	pub connect_timeout: Duration,
}

impl Global {
	/// Which blocks count.
	pub fn level(&self) -> Level {
		if self.in_block { Level::Best } else { Level::Final }
	}
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
	/// Programs: write, check, pack, register
	#[command(subcommand)]
	Program(ProgramCommand),
	/// Jobs: quote, submit, watch, fetch the outputs
	#[command(subcommand)]
	Job(JobCommand),
	/// Serve the inputs of this machine's jobs until interrupted, so that `job submit --detach` can be used
	Serve(ServeArgs),
	/// Providers: look them up, register, bond
	#[command(subcommand)]
	Provider(ProviderCommand),
	/// The market in numbers, and what can be accepted now
	Market(MarketArgs),
	/// Accounts: make keys, look at balances, send tokens
	#[command(subcommand)]
	Account(AccountCommand),
	/// Write shell completions to stdout
	///
	/// For example `tessera completions bash > ~/.local/share/bash-completion/completions/tessera`.
	Completions {
		/// The shell.
		shell: Shell,
	},
}

/// An amount on the command line: `0.5TESS`, `"20 mTESS"`, `5planck`.
pub fn amount(text: &str) -> Result<Balance, String> {
	parse_amount(text).map_err(|e| e.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
	match text.parse::<u32>() {
		Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
		_ => Err("write a whole number of seconds, at least 1".into()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn command_line_should_be_consistent() {
		Cli::command().debug_assert();
	}

	/// clap takes arguments of the same name for the same one, and would lose the global one.
	#[test]
	fn global_options_should_work_with_every_command() {
		fn leaves(command: &clap::Command, path: &[String], out: &mut Vec<Vec<String>>) {
			let mut path = path.to_vec();
			path.push(command.get_name().to_owned());
			if command.get_subcommands().next().is_none() {
				out.push(path.clone());
			}
			command.get_subcommands().for_each(|sub| leaves(sub, &path, out));
		}
		let mut command = Cli::command();
		let globals: Vec<String> = command
			.get_arguments()
			.filter(|arg| arg.is_global_set())
			.map(|arg| arg.get_id().to_string())
			.collect();
		assert!(globals.len() >= 8, "{globals:?}");
		command.build();
		let mut all = Vec::new();
		leaves(&command, &[], &mut all);
		for path in all.iter().filter(|path| !path.contains(&"help".to_owned())) {
			let leaf = path[1..].iter().fold(&command, |at, name| at.find_subcommand(name).unwrap());
			for global in &globals {
				let arg = leaf.get_arguments().find(|arg| arg.get_id() == global.as_str());
				assert!(arg.is_some_and(|arg| arg.get_long().is_some()), "--{global} of {path:?}");
			}
		}
	}

	#[test]
	fn level_should_be_final_unless_the_last_flag_says_otherwise() {
		let level = |flags: &[&str]| {
			let line = ["tessera", "market"].iter().chain(flags);
			Cli::try_parse_from(line).unwrap().global.level()
		};
		assert_eq!(level(&[]), Level::Final);
		assert_eq!(level(&["--in-block"]), Level::Best);
		assert_eq!(level(&["--in-block", "--finalized"]), Level::Final);
		assert_eq!(level(&["--finalized", "--in-block"]), Level::Best);
	}

	#[test]
	fn seconds_should_be_at_least_one() {
		assert_eq!(seconds("3"), Ok(Duration::from_secs(3)));
		assert!(seconds("0").is_err() && seconds("-1").is_err() && seconds("x").is_err());
	}
}
