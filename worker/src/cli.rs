// SPDX-License-Identifier: Apache-2.0

//! The command line of `tessera-worker`.

mod register;
mod status;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tessera_client::{
	chain::{Chain, ChainError, ConnectOptions},
	keys::KeyError,
};
use tracing_subscriber::EnvFilter;

use crate::{
	config::{ConfigError, EXAMPLE, Flags, Settings},
	daemon::{self, DaemonError, gpu::GpuError, home::HomeError},
	exec,
	register::RegisterError,
};

/// What is logged when `RUST_LOG` does not say: our own news, and others' warnings. iroh's are about peers that come
/// and go.
const LOG: &str = "warn,iroh=error,iroh_blobs=error,noq=error,tessera_worker=info,tessera_client=info";

/// Sells GPU work on a Tessera chain: takes tasks, runs them on this machine, claims the results.
#[derive(Parser, Debug)]
#[command(name = "tessera-worker", version, after_help = EXIT_CODES, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
	#[command(subcommand)]
	command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
	/// Works until it is told to stop (Ctrl-C or SIGTERM)
	Run {
		#[command(flatten)]
		flags: Flags,
	},
	/// Registers the provider on chain, or brings its registration up to date
	Register(register::RegisterArgs),
	/// Says what the worker does, what it earned, and why it is idle
	Status(status::StatusArgs),
	/// Prints a configuration file with every key explained
	ExampleConfig,
	/// Runs one task; started by the daemon for each
	#[command(hide = true)]
	Exec,
}

/// The end of `tessera-worker --help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  it is done; after a signal, too
  1  another failure: the data directory, the GPU, a port
  2  the command line is wrong
  3  bad input: configuration, key, account, profile
  4  the chain refused it
  5  the node cannot be reached

RUST_LOG chooses what is logged, for example RUST_LOG=tessera_worker=debug.";

/// A failure of the command.
#[derive(Debug, thiserror::Error)]
enum Failure {
	#[error(transparent)]
	Config(#[from] ConfigError),
	#[error(transparent)]
	Daemon(#[from] DaemonError),
	#[error(transparent)]
	Key(#[from] KeyError),
	#[error(transparent)]
	Chain(#[from] ChainError),
	#[error(transparent)]
	Register(#[from] RegisterError),
	#[error("{0}")]
	Input(String),
	#[error("{0}")]
	Other(String),
}

impl From<HomeError> for Failure {
	fn from(error: HomeError) -> Self {
		Self::Daemon(error.into())
	}
}

impl From<GpuError> for Failure {
	fn from(error: GpuError) -> Self {
		Self::Daemon(error.into())
	}
}

impl Failure {
	/// The number for scripts; the same as those of `tessera`.
	fn exit_code(&self) -> u8 {
		match self {
			Self::Config(_) | Self::Key(_) | Self::Register(_) | Self::Input(_) => 3,
			Self::Daemon(DaemonError::NoProvider | DaemonError::Key(_)) => 3,
			Self::Daemon(DaemonError::Chain(error)) | Self::Chain(error) => match error {
				ChainError::BadUrl { .. } => 3,
				ChainError::Refused { .. } | ChainError::Failed { .. } | ChainError::Expired { .. } => 4,
				_ => 5,
			},
			Self::Daemon(_) | Self::Other(_) => 1,
		}
	}
}

/// Does what the command line says. To be called first thing in the process: the GPU child must be alone in it.
pub fn main() -> ExitCode {
	let cli = Cli::parse();
	if let Command::Exec = cli.command {
		exec::child::main();
	}
	let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
		Ok(runtime) => runtime,
		Err(e) => return fail(&Failure::Other(format!("the worker cannot start its threads: {e}"))),
	};
	let result = runtime.block_on(carry_out(cli.command));
	// What still runs in the background (a connection that is being closed) does not keep the process.
	runtime.shutdown_timeout(Duration::from_secs(1));
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(failure) => fail(&failure),
	}
}

fn fail(failure: &Failure) -> ExitCode {
	eprintln!("error: {failure}");
	ExitCode::from(failure.exit_code())
}

async fn carry_out(command: Command) -> Result<(), Failure> {
	match command {
		Command::Run { flags } => {
			log(LOG);
			let settings = Settings::load(&flags)?;
			daemon::run(settings, stop_signal()).await?;
			tracing::info!("stopped");
			Ok(())
		}
		Command::Register(args) => {
			log("error");
			register::register(args).await
		}
		Command::Status(args) => {
			log("error");
			status::status(args).await
		}
		Command::ExampleConfig => {
			print!("{EXAMPLE}");
			Ok(())
		}
		// Done before there was a runtime.
		Command::Exec => Ok(()),
	}
}

fn log(default: &str) {
	let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
	let log =
		tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
	// Colours are for terminals.
	log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
}

/// Waits until somebody tells the process to stop.
async fn stop_signal() {
	#[cfg(unix)]
	{
		use tokio::signal::unix::{SignalKind, signal};
		let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
		match (interrupt, terminate) {
			(Ok(mut interrupt), Ok(mut terminate)) => {
				let name = tokio::select! {
					_ = interrupt.recv() => "SIGINT",
					_ = terminate.recv() => "SIGTERM",
				};
				tracing::info!("{name}: stopping; tasks that are not finished go on at the next start");
			}
			(Err(e), _) | (_, Err(e)) => {
				tracing::warn!("signals cannot be handled ({e}): only kill -9 stops this worker");
				std::future::pending::<()>().await;
			}
		}
	}
	#[cfg(not(unix))]
	{
		match tokio::signal::ctrl_c().await {
			Ok(()) => tracing::info!("stopping; tasks that are not finished go on at the next start"),
			Err(e) => {
				tracing::warn!("Ctrl-C cannot be handled: {e}");
				std::future::pending::<()>().await;
			}
		}
	}
}

/// Connects to the node for one question, and does not wait long.
async fn connect(url: &str) -> Result<Chain, ChainError> {
	let options = ConnectOptions {
		connect_timeout: Duration::from_secs(10),
		patience: Duration::from_secs(60),
		..Default::default()
	};
	Chain::connect(url, options).await
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn command_line_should_be_sound() {
		Cli::command().debug_assert();
	}

	#[test]
	fn help_should_name_every_command_but_the_hidden_one() {
		let help = Cli::command().render_help().to_string();
		for command in ["run", "register", "status", "example-config"] {
			assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
		}
		assert!(!help.contains("  exec"), "{help}");
	}
}
