// SPDX-License-Identifier: Apache-2.0

//! How the command ends: exit codes, and failures that say what happened, to which thing, and what to do next.

use std::{fmt, process::ExitCode};

use tessera_client::{
	admission::AdmissionError,
	blobs::{BlobError, FetchError, SourceError},
	chain::ChainError,
	keys::KeyError,
	manifest::ManifestError,
	outputs::OutputError,
};

/// Why the command did not succeed, as a number for scripts. [`HELP`] tells them to people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
	/// Anything else: a file cannot be written, a port is taken.
	Other = 1,
	/// The command line is wrong. clap uses the same number.
	Usage = 2,
	/// A manifest, shader, profile, key, account or id is wrong.
	Input = 3,
	/// The chain refused it.
	Refused = 4,
	/// A node, provider or tenant cannot be reached.
	Network = 5,
	/// The job ended, but not all of its tasks were done.
	Unsettled = 6,
	/// Outputs are not what the provider committed to.
	Unverified = 7,
	/// A signal ended it.
	Interrupted = 130,
}

/// The end of `tessera --help`.
pub const HELP: &str = "\
Exit codes:
  0    it is done
  1    another failure: a file cannot be written, a port is taken
  2    the command line is wrong
  3    bad input: a manifest, shader, profile, key, account or id
  4    the chain refused it
  5    the node, or whoever has a blob, cannot be reached
  6    the job ended without all of its tasks settled
  7    outputs are not what the provider committed to
  130  interrupted

With --json everything on stdout is JSON, one value a line; amounts are texts of whole planck (1 TESS = 10^12
planck). A failure is one line on stderr: {\"error\":{\"exit\":3,\"message\":\"…\",\"help\":\"…\"}}.";

/// A failure of the command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
	/// With which code it ends.
	pub exit: Exit,
	/// What happened, to which thing.
	pub message: String,
	/// What to do next; `None` when the message says it.
	pub help: Option<String>,
}

/// What a part of the command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
	/// A failure of this kind.
	pub fn new(exit: Exit, message: impl Into<String>) -> Self {
		Self { exit, message: message.into(), help: None }
	}

	/// [`Exit::Other`].
	pub fn other(message: impl Into<String>) -> Self {
		Self::new(Exit::Other, message)
	}

	/// [`Exit::Usage`].
	pub fn usage(message: impl Into<String>) -> Self {
		Self::new(Exit::Usage, message)
	}

	/// [`Exit::Input`].
	pub fn input(message: impl Into<String>) -> Self {
		Self::new(Exit::Input, message)
	}

	/// [`Exit::Refused`].
	pub fn refused(message: impl Into<String>) -> Self {
		Self::new(Exit::Refused, message)
	}

	/// Reading or writing a file failed.
	pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
		Self::other(format!("cannot {action} {}: {error}", path.display()))
	}

	/// Says what to do next.
	pub fn help(mut self, help: impl Into<String>) -> Self {
		self.help = Some(help.into());
		self
	}

	/// Puts what was being done before the message.
	pub fn during(mut self, what: impl fmt::Display) -> Self {
		self.message = format!("{what}: {}", self.message);
		self
	}
}

impl fmt::Display for Failure {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "error: {}", self.message)?;
		match &self.help {
			Some(help) => write!(f, "\n  help: {help}"),
			None => Ok(()),
		}
	}
}

impl From<Exit> for ExitCode {
	fn from(exit: Exit) -> Self {
		Self::from(exit as u8)
	}
}

impl From<ChainError> for Failure {
	fn from(error: ChainError) -> Self {
		use ChainError as E;
		let exit = match &error {
			E::BadUrl { .. } => Exit::Usage,
			E::Unreachable { .. }
			| E::NoAnswer { .. }
			| E::NotTessera { .. }
			| E::OtherChain { .. }
			| E::IncompatibleRuntime { .. }
			| E::Expired { .. }
			| E::Stalled { .. }
			| E::NotFinal { .. }
			| E::Disconnected => Exit::Network,
			E::Refused { .. } | E::Failed { .. } | E::JobExists { .. } | E::UnknownProvider { .. } => {
				Exit::Refused
			}
			E::ListLength { .. } => Exit::Input,
			_ => Exit::Other,
		};
		let help = match &error {
			E::Unreachable { .. } => Some("--url or TESSERA_URL names another node"),
			E::Failed { failure, .. } => next_step(&failure.name),
			_ => None,
		};
		Self { exit, message: error.to_string(), help: help.map(Into::into) }
	}
}

/// What to do after a call failed with this error of the runtime; `None` when its text says it.
fn next_step(name: &str) -> Option<&'static str> {
	Some(match name {
		"Providers.AlreadyRegistered" => "`tessera provider update` changes the profile",
		"Providers.NotRegistered" => {
			"`tessera-worker register` or `tessera provider register` registers it; --account names another account"
		}
		"Providers.KeyInUse" => {
			"`tessera account new` makes a fresh key; `tessera provider show` shows the present one"
		}
		"Providers.NotEnoughFreeBond" | "Providers.NothingToWithdraw" => {
			"`tessera provider show` shows what is bonded, locked and unbonding until when"
		}
		"Providers.HasTasks" => "`tessera provider pause`, and try again when its tasks are over",
		"Providers.HasBond" => {
			"`tessera provider unbond all`, and `tessera provider withdraw` when it is due"
		}
		"Jobs.ProgramInUse" => "`tessera job clean-up` removes jobs that have ended",
		"Jobs.NotProgramOwner" | "Jobs.NotTenant" => "--account names the account that made it",
		"Jobs.JobNotEnded" => {
			"`tessera job cancel` ends its open tasks; those that are taken end by themselves"
		}
		"Jobs.EscrowNotCovered" | "Jobs.DepositNotCovered" | "Token.FundsUnavailable" => {
			"`tessera account balance` shows what there is; send TESS to the account"
		}
		_ => return None,
	})
}

impl From<ManifestError> for Failure {
	fn from(error: ManifestError) -> Self {
		let place = match error.line {
			Some(line) => format!("{}:{line}", error.file.display()),
			None => error.file.display().to_string(),
		};
		let failure = Self::input(format!("{place}: {}", error.message));
		if error.help.is_empty() { failure } else { failure.help(error.help) }
	}
}

impl From<AdmissionError> for Failure {
	fn from(error: AdmissionError) -> Self {
		Self::input(error.to_string())
	}
}

impl From<KeyError> for Failure {
	fn from(error: KeyError) -> Self {
		Self::input(error.to_string())
	}
}

impl From<BlobError> for Failure {
	fn from(error: BlobError) -> Self {
		let exit = match &error {
			BlobError::Relay { .. } => Exit::Usage,
			BlobError::Changed { .. } => Exit::Input,
			_ => Exit::Other,
		};
		Self::new(exit, error.to_string())
	}
}

impl From<OutputError> for Failure {
	fn from(error: OutputError) -> Self {
		let lies = |failures: &[tessera_client::blobs::SourceFailure]| {
			let lie = |e: &SourceError| matches!(e, SourceError::Corrupt | SourceError::Length { .. });
			failures.iter().any(|failure| lie(&failure.reason))
		};
		let exit = match &error {
			OutputError::Root { .. } | OutputError::List { .. } | OutputError::Output { .. } => {
				Exit::Unverified
			}
			OutputError::Fetch { source: FetchError::Failed { failures, .. }, .. } if lies(failures) => {
				Exit::Unverified
			}
			OutputError::Fetch { source: FetchError::Local(BlobError::Length { .. }), .. } => {
				Exit::Unverified
			}
			OutputError::Fetch { source: FetchError::Local(_), .. } | OutputError::Store(_) => Exit::Other,
			OutputError::Fetch { .. } => Exit::Network,
		};
		Self::new(exit, error.to_string())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_client::{
		blobs::SourceFailure,
		chain::{H256, Refusal},
	};
	use tessera_primitives::BlobRef;

	#[test]
	fn failure_should_say_what_to_do_next_on_a_line_of_its_own() {
		let failure = Failure::input("the thing is wrong").help("write another").during("reading it");
		assert_eq!(failure.to_string(), "error: reading it: the thing is wrong\n  help: write another");
	}

	#[test]
	fn chain_errors_should_tell_refusals_from_an_unreachable_node() {
		let refused = ChainError::Refused { what: "Jobs.submit".into(), refusal: Refusal::TooLarge };
		assert_eq!(Failure::from(refused).exit, Exit::Refused);
		let away = ChainError::Unreachable { url: "ws://x".into(), seconds: 1, reason: "refused".into() };
		let failure = Failure::from(away);
		assert_eq!(failure.exit, Exit::Network);
		assert!(failure.help.is_some_and(|help| help.contains("--url")));
		let url = ChainError::BadUrl { url: "x".into(), reason: "y".into() };
		assert_eq!(Failure::from(url).exit, Exit::Usage);
	}

	#[test]
	fn failed_call_should_name_the_command_that_helps() {
		let failed = |name: &str| {
			let failure =
				tessera_client::chain::Failure { name: name.into(), docs: "It failed.".into(), hint: None };
			Failure::from(ChainError::Failed { what: "Providers.deregister".into(), failure })
		};
		let failure = failed("Providers.HasBond");
		assert_eq!(failure.exit, Exit::Refused);
		assert!(failure.help.is_some_and(|help| help.contains("tessera provider unbond all")));
		assert_eq!(failed("Providers.AlreadyPaused").help, None);
	}

	#[test]
	fn output_errors_should_tell_lies_from_an_unreachable_provider() {
		let fetch = |reason| {
			let failures = vec![SourceFailure { key: [0; 32], addresses: Vec::new(), reason }];
			let source = FetchError::Failed { blob: BlobRef::of(b"x"), failures };
			Failure::from(OutputError::Fetch { task: 3, name: "out".into(), source }).exit
		};
		assert_eq!(fetch(SourceError::Corrupt), Exit::Unverified);
		assert_eq!(fetch(SourceError::Length { promised: 8, found: 4 }), Exit::Unverified);
		assert_eq!(fetch(SourceError::NotFound), Exit::Network);
		assert_eq!(fetch(SourceError::Unreachable("no".into())), Exit::Network);
		let root = OutputError::Root { root: H256::zero(), found: H256::repeat_byte(1) };
		assert_eq!(Failure::from(root).exit, Exit::Unverified);
	}

	#[test]
	fn help_should_list_every_exit_code() {
		let all = [
			Exit::Other,
			Exit::Usage,
			Exit::Input,
			Exit::Refused,
			Exit::Network,
			Exit::Unsettled,
			Exit::Unverified,
			Exit::Interrupted,
		];
		for exit in all {
			let listed = HELP.lines().any(|line| line.trim_start().starts_with(&format!("{} ", exit as u8)));
			assert!(listed, "{exit:?}");
		}
	}
}
