// SPDX-License-Identifier: Apache-2.0

//! What can go wrong with blobs.

use std::{fmt, io, net::SocketAddr, path::PathBuf, time::Duration};

use tessera_primitives::types::BlobRef;

/// A failure on this machine.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
	/// The store cannot be opened.
	#[error("the blob store {} cannot be opened: {reason}. If another process uses it, stop that one or choose another data directory", dir.display())]
	Open {
		/// The store's directory.
		dir: PathBuf,
		/// Why.
		reason: String,
	},
	/// The endpoint's key file cannot be used.
	#[error("the endpoint's key file {} cannot be used: {reason}", path.display())]
	Key {
		/// The file.
		path: PathBuf,
		/// Why.
		reason: String,
	},
	/// A relay's URL is wrong.
	#[error("`{url}` is not the URL of a relay: {reason}. Write for example `https://relay.example.org`")]
	Relay {
		/// As configured.
		url: String,
		/// Why.
		reason: String,
	},
	/// The endpoint cannot listen.
	#[error(
		"cannot listen for blob transfers on {}: {reason}. Choose another address or port",
		addresses(listen)
	)]
	Bind {
		/// Where it should have listened.
		listen: Vec<SocketAddr>,
		/// Why.
		reason: String,
	},
	/// A label that cannot be used.
	#[error("`{0}` cannot be a label: it must have 1 to 200 bytes and no zero byte")]
	Label(String),
	/// The blob is not here, or only in part.
	#[error("blob {} is not in the store", show(.0))]
	NotFound(BlobRef),
	/// The blob with this hash has another length.
	#[error("the blob with hash {:?} has {found} bytes, not {}", blob.hash, blob.bytes)]
	Length {
		/// What was asked for.
		blob: BlobRef,
		/// The length of what is here, bytes.
		found: u64,
	},
	/// What is stored does not match its hash: a file added by reference was changed, or the disk is damaged.
	#[error("the stored blob {} is damaged: {reason}", show(blob))]
	Damaged {
		/// Which.
		blob: BlobRef,
		/// How it showed.
		reason: String,
	},
	/// A file is not what it was when it was hashed.
	#[error("{} was changed while it was being read: try again once it is complete", path.display())]
	Changed {
		/// The file.
		path: PathBuf,
	},
	/// Reading or writing a file failed.
	#[error("cannot {action} {}: {source}", path.display())]
	Io {
		/// What was tried.
		action: &'static str,
		/// On which file.
		path: PathBuf,
		/// Why.
		source: io::Error,
	},
	/// The store failed: the disk is full, or the node was shut down.
	#[error("the blob store failed: {0}")]
	Store(String),
}

impl BlobError {
	pub(super) fn io(action: &'static str, path: &std::path::Path, source: io::Error) -> Self {
		Self::Io { action, path: path.to_owned(), source }
	}

	pub(super) fn store(e: impl fmt::Display) -> Self {
		Self::Store(format!("{e:#}"))
	}
}

/// Why a blob could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
	/// Nobody is known to have it.
	#[error("blob {} is not here, and no source is known for it", show(.0))]
	NoSources(BlobRef),
	/// Every source failed.
	#[error("blob {} could not be fetched: {}", show(blob), list(failures))]
	Failed {
		/// Which blob.
		blob: BlobRef,
		/// What happened with each source, in the order in which they were tried.
		failures: Vec<SourceFailure>,
	},
	/// It took too long.
	#[error(
		"blob {} was not fetched within {after:?}: {present} of its bytes are here{}",
		show(blob),
		and_list(failures)
	)]
	TimedOut {
		/// Which blob.
		blob: BlobRef,
		/// The time that was given.
		after: Duration,
		/// Bytes that did arrive. They are kept: a later fetch goes on from there.
		present: u64,
		/// What happened with the sources that failed before.
		failures: Vec<SourceFailure>,
	},
	/// The failure is ours, not the sources'.
	#[error(transparent)]
	Local(#[from] BlobError),
}

impl FetchError {
	/// Whether the sources are at fault, not this machine: the blob is not to be had as promised.
	pub fn is_sources_fault(&self) -> bool {
		match self {
			Self::NoSources(_) | Self::Failed { .. } | Self::TimedOut { .. } => true,
			// The hash is right, so whoever promised the length was wrong.
			Self::Local(e) => matches!(e, BlobError::Length { .. }),
		}
	}
}

/// What happened with one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFailure {
	/// The endpoint's key.
	pub key: [u8; 32],
	/// Its published addresses.
	pub addresses: Vec<String>,
	/// What happened.
	pub reason: SourceError,
}

impl fmt::Display for SourceFailure {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "endpoint {}", hex::encode(&self.key[..5]))?;
		if !self.addresses.is_empty() {
			write!(f, " ({})", self.addresses.join(", "))?;
		}
		write!(f, ": {}", self.reason)
	}
}

/// Why a source did not give us a blob.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceError {
	/// Its key is no key.
	#[error("its key is not an Ed25519 public key")]
	BadKey,
	/// None of its addresses can be used.
	#[error("none of its addresses ({}) is an `ip:port` or a relay's URL", .0.join(", "))]
	BadAddress(Vec<String>),
	/// It is this node.
	#[error("it is this node itself, which does not have the blob")]
	Ourselves,
	/// It does not answer under its key and addresses.
	#[error("it cannot be reached: {0}")]
	Unreachable(String),
	/// It has no such blob, or only a part of it.
	#[error("it does not have the blob, or not all of it")]
	NotFound,
	/// Its blob has another length than promised.
	#[error("its blob has {found} bytes, {promised} were promised")]
	Length {
		/// What we were promised, bytes.
		promised: u64,
		/// What it says, bytes.
		found: u64,
	},
	/// It sent something else.
	#[error("what it sent does not match the hash")]
	Corrupt,
	/// The transfer ended too early.
	#[error("the transfer broke off: {0}")]
	Interrupted(String),
	/// Nothing came for this long.
	#[error("it sent nothing for {0:?}")]
	Stalled(Duration),
}

fn show(blob: &BlobRef) -> String {
	format!("{:?} ({} bytes)", blob.hash, blob.bytes)
}

fn addresses(list: &[SocketAddr]) -> String {
	list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(failures: &[SourceFailure]) -> String {
	failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn and_list(failures: &[SourceFailure]) -> String {
	if failures.is_empty() { String::new() } else { format!("; {}", list(failures)) }
}
