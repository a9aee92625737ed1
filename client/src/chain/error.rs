// SPDX-License-Identifier: Apache-2.0

//! What can go wrong with the chain, and what to do about it.

use std::{cmp::Ordering, time::Duration};

use subxt::error as subxt_error;
use tessera_primitives::JobId;

use super::{AccountId, BlockNumber, H256, Refusal};

/// What went wrong. The text says what happened, to which thing, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
	/// Not an address of a node.
	#[error(
		"`{url}` is not a node's address ({reason}): give a WebSocket address such as ws://127.0.0.1:9944"
	)]
	BadUrl {
		/// What was given.
		url: String,
		/// What is wrong with it.
		reason: String,
	},
	/// The first connection failed.
	#[error(
		"no node answers at {url} ({reason}; tried for {seconds} s): start one there, or give the address of one that runs"
	)]
	Unreachable {
		/// The node's address.
		url: String,
		/// For how long it was tried.
		seconds: u64,
		/// What the last try said.
		reason: String,
	},
	/// The node, answering before, is silent.
	#[error("the node at {url} has not answered for {seconds} s: see whether it still runs, then try again")]
	NoAnswer {
		/// The node's address.
		url: String,
		/// For how long.
		seconds: u64,
	},
	/// The node serves another kind of chain.
	#[error(
		"the node at {url} serves the chain `{found}`, which is not Tessera: give the address of a Tessera node"
	)]
	NotTessera {
		/// The node's address.
		url: String,
		/// Its runtime's name.
		found: String,
	},
	/// The node was replaced by one of another chain while connected.
	#[error(
		"the node at {url} now serves another chain (genesis {found}, before {expected}): connect again if that is intended"
	)]
	OtherChain {
		/// The node's address.
		url: String,
		/// Genesis hash when connected.
		expected: H256,
		/// Genesis hash now.
		found: H256,
	},
	/// The chain's runtime differs where this software needs it.
	#[error(
		"the chain runs version {theirs} of its runtime, which this software, made for version {ours}, cannot talk to \
		({}): {}", .differences.join(", "),
		match .theirs.cmp(.ours) {
			Ordering::Greater => "update this software",
			Ordering::Less => "use an older release, or a chain that is up to date",
			Ordering::Equal => "build the chain and this software from the same source",
		}
	)]
	IncompatibleRuntime {
		/// Version that this software was made for.
		ours: u32,
		/// Version of the chain.
		theirs: u32,
		/// What differs.
		differences: Vec<String>,
	},
	/// A block that the node does not know, or whose state it has removed.
	#[error("the node has no state of block {block}: ask about a recent block, or ask an archive node")]
	UnknownBlock {
		/// The block.
		block: String,
	},
	/// The chain did not let a transaction or order in.
	#[error("{what} was refused: {refusal}")]
	Refused {
		/// The call.
		what: String,
		/// Why.
		refusal: Refusal,
	},
	/// A transaction is in a block, and failed there. Its fee is paid.
	#[error("{what} failed: {failure}")]
	Failed {
		/// The call.
		what: String,
		/// Why.
		failure: Failure,
	},
	/// A job with this client id exists: nothing was paid again.
	#[error(
		"the tenant has submitted a job with this client id before: it is job {job:?}{}; nothing was paid again",
		if *.same { "" } else { ", and asks for something else: choose another client id" }
	)]
	JobExists {
		/// The job.
		job: JobId,
		/// Whether it asks for the same.
		same: bool,
	},
	/// A transaction was not included while it was valid, and never will be.
	#[error("{what} was not included up to block {last_block} and is void now: send it again")]
	Expired {
		/// The call.
		what: String,
		/// Last block that could include it.
		last_block: BlockNumber,
	},
	/// No block included a transaction or made it final in time; it may still happen.
	#[error(
		"{what} is sent, but the chain has made no block for {seconds} s: see whether its validators run; it can still \
		be included up to block {last_block}"
	)]
	Stalled {
		/// The call.
		what: String,
		/// For how long.
		seconds: u64,
		/// Last block that can include it.
		last_block: BlockNumber,
	},
	/// A transaction is in a block that does not become final.
	#[error(
		"{what} is in block {block}, but no block has become final for {seconds} s: see whether the chain's validators \
		run; it stays there unless the chain is reorganised"
	)]
	NotFinal {
		/// The call.
		what: String,
		/// The block.
		block: BlockNumber,
		/// For how long.
		seconds: u64,
	},
	/// Transactions of other programs kept taking the account's next number.
	#[error(
		"{what} could not get its place among the transactions of {account}: another program sends transactions from \
		the same account; stop it or try again"
	)]
	Crowded {
		/// The call.
		what: String,
		/// The account.
		account: AccountId,
	},
	/// A list with too many entries for one call, or none.
	#[error("{what} takes 1 to {max} tasks at once, not {found}: {}", if *.found == 0 { "name some" } else { "split them" })]
	ListLength {
		/// The call.
		what: String,
		/// What was given.
		found: usize,
		/// What is allowed.
		max: u32,
	},
	/// The provider of an order is not registered.
	#[error("{provider} is not a provider on this chain: register it first")]
	UnknownProvider {
		/// The account.
		provider: AccountId,
	},
	/// The connection was lost during something that is not repeated by itself.
	#[error("the connection to the node was lost and comes back by itself: try again")]
	Disconnected,
	/// Something unforeseen in the node's answer.
	#[error("the node's answer is of no use: {0}")]
	Other(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a transaction failed in its block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
	/// Name, for example `Jobs.EscrowNotCovered` or `Token.FundsUnavailable`.
	pub name: String,
	/// What it means, as the runtime documents it.
	pub docs: String,
	/// What else is known, for example the account's balance.
	pub hint: Option<String>,
}

impl std::fmt::Display for Failure {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		if self.docs.is_empty() {
			write!(f, "{}", self.name)?;
		} else {
			write!(f, "{} ({})", self.docs.trim_end_matches('.'), self.name)?;
		}
		match &self.hint {
			Some(hint) => write!(f, "; {hint}"),
			None => Ok(()),
		}
	}
}

impl ChainError {
	/// An error with its text alone.
	pub(super) fn other(text: impl Into<String>) -> Self {
		Self::Other(text.into().into())
	}

	/// Why the chain refused it, if it did.
	pub fn refusal(&self) -> Option<&Refusal> {
		match self {
			Self::Refused { refusal, .. } => Some(refusal),
			_ => None,
		}
	}

	/// The name of the runtime's error, for example `Jobs.UnknownProgram`, if a call failed in a block.
	pub fn failure_name(&self) -> Option<&str> {
		match self {
			Self::Failed { failure, .. } => Some(&failure.name),
			_ => None,
		}
	}

	/// Whether only the connection is to blame: the same question may be answered a little later.
	pub fn is_temporary(&self) -> bool {
		matches!(self, Self::NoAnswer { .. } | Self::Disconnected)
	}
}

/// Whole seconds, at least 1, for error texts.
pub(super) fn seconds(duration: Duration) -> u64 {
	duration.as_secs().max(1)
}

/// Whether a question should be asked again, because the connection was lost meanwhile.
pub(super) fn is_disconnect(error: &subxt::rpcs::Error) -> bool {
	error.is_disconnected_will_reconnect()
}

/// Whether the node's words mean that it has no state of a block: they are all that it gives.
fn is_unknown_block(text: &str) -> bool {
	text.contains("UnknownBlock") || text.contains("State already discarded")
}

impl From<subxt::Error> for ChainError {
	fn from(error: subxt::Error) -> Self {
		use subxt_error::{
			ConstantError, ExtrinsicError, OnlineClientAtBlockError, RuntimeApiError, StorageError,
		};
		if error.is_disconnected_will_reconnect() {
			return Self::Disconnected;
		}
		match &error {
			subxt::Error::OnlineClientAtBlockError(OnlineClientAtBlockError::BlockHeaderNotFound {
				block_hash,
			}) => Self::UnknownBlock { block: block_hash.to_string() },
			subxt::Error::OnlineClientAtBlockError(OnlineClientAtBlockError::BlockNotFound {
				block_number,
			}) => Self::UnknownBlock { block: block_number.to_string() },
			subxt::Error::OnlineClientAtBlockError(OnlineClientAtBlockError::CannotGetSpecVersion {
				block_hash,
				reason,
			}) if is_unknown_block(&reason.to_string()) => Self::UnknownBlock { block: block_hash.to_string() },
			// The gate (`shape`) finds what differs before anything is asked, so this is a mistake in its list.
			subxt::Error::RuntimeApiError(RuntimeApiError::IncompatibleCodegen)
			| subxt::Error::ExtrinsicError(ExtrinsicError::IncompatibleCodegen)
			| subxt::Error::StorageError(StorageError::IncompatibleCodegen)
			| subxt::Error::ConstantError(ConstantError::IncompatibleCodegen) => {
				Self::other(format!("{error}: update this software"))
			}
			_ => Self::Other(Box::new(error)),
		}
	}
}

impl From<subxt::rpcs::Error> for ChainError {
	fn from(error: subxt::rpcs::Error) -> Self {
		if is_disconnect(&error) { Self::Disconnected } else { Self::Other(Box::new(error)) }
	}
}

macro_rules! from_subxt {
	($($error:ident),* $(,)?) => {
		$(impl From<subxt_error::$error> for ChainError {
			fn from(error: subxt_error::$error) -> Self {
				subxt::Error::from(error).into()
			}
		})*
	};
}

from_subxt! {
	OnlineClientError, OnlineClientAtBlockError, RuntimeApiError, StorageError, StorageValueError, ConstantError,
	EventsError, ExtrinsicError, BackendError,
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn incompatible_runtime_should_say_who_must_update() {
		let text = |theirs| {
			let differences = vec!["Jobs.submit has changed".into(), "Jobs.close is gone".into()];
			ChainError::IncompatibleRuntime { ours: 100, theirs, differences }.to_string()
		};
		assert!(text(101).ends_with("(Jobs.submit has changed, Jobs.close is gone): update this software"));
		assert!(text(99).contains("older release"), "{}", text(99));
		assert!(text(100).contains("the same source"), "{}", text(100));
	}

	#[test]
	fn failure_should_show_docs_name_and_hint() {
		let mut failure = Failure {
			name: "Jobs.EscrowNotCovered".into(),
			docs: "The free balance does not cover it.".into(),
			hint: None,
		};
		assert_eq!(failure.to_string(), "The free balance does not cover it (Jobs.EscrowNotCovered)");
		failure.hint = Some("5Grw has 1 TESS".into());
		assert!(failure.to_string().ends_with("; 5Grw has 1 TESS"));
		failure.docs.clear();
		assert_eq!(failure.to_string(), "Jobs.EscrowNotCovered; 5Grw has 1 TESS");
	}

	#[test]
	fn job_exists_should_advise_another_client_id_only_when_the_request_differs() {
		let text = |same| ChainError::JobExists { job: H256::repeat_byte(7), same }.to_string();
		assert!(text(true).contains("0x0707") && !text(true).contains("another client id"), "{}", text(true));
		assert!(text(false).contains("another client id"));
	}
}
