// SPDX-License-Identifier: Apache-2.0

//! Fetching a blob from the endpoints that are said to have it.

use std::{
	io,
	num::NonZeroU64,
	sync::{Arc, Mutex as StdMutex, Weak},
	time::Duration,
};

use iroh::endpoint::{Connection, ReadError};
use iroh_blobs::{
	HashAndFormat,
	get::fsm::{self, AtBlobHeaderNextError, BlobContentNext, ConnectedNext, DecodeError, RequestCounters},
	protocol::ERR_INTERNAL,
};
use tessera_primitives::types::{BlobRef, EndpointInfo};
use tokio::sync::Mutex;

use super::{
	BlobError, BlobNode, FetchError, SourceError, SourceFailure, lock,
	store::{hash, tag},
};

/// How long a fetch may take, and who wants to know how far it is.
#[derive(Clone, Copy)]
pub struct FetchOptions<'a> {
	/// For everything: all sources together.
	pub timeout: Duration,
	/// To reach one source.
	pub connect_timeout: Duration,
	/// Without a byte from a source before the next one is tried.
	pub stall_timeout: Duration,
	/// Called with the bytes that are here: first with what was here before, last with the blob's length.
	pub progress: Option<&'a (dyn Fn(u64) + Send + Sync)>,
}

impl Default for FetchOptions<'_> {
	fn default() -> Self {
		Self {
			timeout: Duration::from_secs(3600),
			connect_timeout: Duration::from_secs(10),
			stall_timeout: Duration::from_secs(20),
			progress: None,
		}
	}
}

impl std::fmt::Debug for FetchOptions<'_> {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.debug_struct("FetchOptions")
			.field("timeout", &self.timeout)
			.field("connect_timeout", &self.connect_timeout)
			.field("stall_timeout", &self.stall_timeout)
			.finish_non_exhaustive()
	}
}

impl FetchOptions<'_> {
	fn report(&self, bytes: u64) {
		if let Some(progress) = self.progress {
			progress(bytes);
		}
	}
}

/// Why one source did not do: its fault, or ours.
enum TransferError {
	Source(SourceError),
	Local(BlobError),
}

impl From<SourceError> for TransferError {
	fn from(e: SourceError) -> Self {
		Self::Source(e)
	}
}

impl BlobNode {
	/// Gets a blob and keeps it under a label: at once when it is here, otherwise from the sources, in order, each
	/// going on where the one before stopped.
	///
	/// Every 16 KiB is verified against the hash before it is stored, and a source that says another length than
	/// `blob.bytes` is left at once. Fetches of the same blob at the same time share one transfer. After a failure
	/// what did arrive stays under the label, also across restarts, so that a later fetch goes on from there;
	/// [`BlobNode::release`] lets go of it.
	pub async fn fetch(
		&self,
		label: &str,
		blob: &BlobRef,
		sources: &[EndpointInfo],
		options: FetchOptions<'_>,
	) -> Result<(), FetchError> {
		let failures = StdMutex::new(Vec::new());
		let fetch = self.fetch_untimed(label, blob, sources, &options, &failures);
		if let Ok(result) = tokio::time::timeout(options.timeout, fetch).await {
			return result;
		}
		let present = self.present(blob).await?;
		let failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
		Err(FetchError::TimedOut { blob: *blob, after: options.timeout, present, failures })
	}

	async fn fetch_untimed(
		&self,
		label: &str,
		blob: &BlobRef,
		sources: &[EndpointInfo],
		options: &FetchOptions<'_>,
		failures: &StdMutex<Vec<SourceFailure>>,
	) -> Result<(), FetchError> {
		let tag = tag(label, &blob.hash.0)?;
		let turn = self.turn(blob);
		let _turn = turn.lock().await;
		// Both tags protect the partial blob: the named one across restarts, the other one from a release meanwhile.
		let content = HashAndFormat::raw(hash(blob));
		let _protect = self.inner.store.tags().temp_tag(content).await.map_err(BlobError::store)?;
		match self.complete(blob).await {
			Ok(()) => {
				self.set_tag(tag, content.hash).await?;
				options.report(blob.bytes);
				return Ok(());
			}
			Err(BlobError::NotFound(_)) => {}
			Err(e) => return Err(e.into()),
		}
		if sources.is_empty() {
			return Err(FetchError::NoSources(*blob));
		}
		self.set_tag(tag.clone(), content.hash).await?;
		for source in sources {
			match self.fetch_from(blob, source, options).await {
				Ok(()) => {
					self.complete(blob).await?;
					self.set_tag(tag, content.hash).await?;
					options.report(blob.bytes);
					return Ok(());
				}
				Err(TransferError::Local(e)) => return Err(e.into()),
				Err(TransferError::Source(reason)) => {
					let failure =
						SourceFailure { key: source.key, addresses: source.addresses_text(), reason };
					tracing::debug!(hash = ?blob.hash, "{failure}");
					lock(failures).push(failure);
				}
			}
		}
		Err(FetchError::Failed { blob: *blob, failures: std::mem::take(&mut *lock(failures)) })
	}

	/// The lock that whoever fetches this blob holds.
	fn turn(&self, blob: &BlobRef) -> Arc<Mutex<()>> {
		let mut fetching = lock(&self.inner.fetching);
		fetching.retain(|_, turn| turn.strong_count() > 0);
		if let Some(turn) = fetching.get(&blob.hash.0).and_then(Weak::upgrade) {
			return turn;
		}
		let turn = Arc::new(Mutex::new(()));
		fetching.insert(blob.hash.0, Arc::downgrade(&turn));
		turn
	}

	async fn fetch_from(
		&self,
		blob: &BlobRef,
		source: &EndpointInfo,
		options: &FetchOptions<'_>,
	) -> Result<(), TransferError> {
		let connection = self.connection(source, options.connect_timeout).await?;
		let result = self.transfer(&connection, blob, options).await;
		match &result {
			Ok(()) | Err(TransferError::Source(SourceError::NotFound | SourceError::Length { .. })) => {
				Self::linger(connection);
			}
			// After anything else the next fetch shall start with a new connection.
			Err(_) => lock(&self.inner.connections).retain(|_, c| c.as_ptr() != Arc::as_ptr(&connection)),
		}
		result
	}

	async fn transfer(
		&self,
		connection: &Connection,
		blob: &BlobRef,
		options: &FetchOptions<'_>,
	) -> Result<(), TransferError> {
		let stall = options.stall_timeout;
		let broke = |e: &dyn std::fmt::Display| SourceError::Interrupted(e.to_string());
		let content = HashAndFormat::raw(hash(blob));
		let local = self
			.inner
			.store
			.remote()
			.local(content)
			.await
			.map_err(|e| TransferError::Local(BlobError::store(e)))?;
		let present = local.local_bytes();
		options.report(present);

		let start = async {
			let connected = fsm::start(connection.clone(), local.missing(), RequestCounters::default())
				.next()
				.await
				.map_err(|e| broke(&e))?;
			match connected.next().await.map_err(|e| broke(&e))? {
				ConnectedNext::StartRoot(root) => root.next().next().await.map_err(header_error),
				// The request is for one blob of which something is missing.
				ConnectedNext::StartChild(_) | ConnectedNext::Closing(_) => {
					Err(SourceError::Interrupted("the request was empty".into()))
				}
			}
		};
		let (mut from, found) = limit(stall, start).await??;
		// Up to here nothing was stored. The decoder accepts no byte beyond this length.
		let size = match NonZeroU64::new(found) {
			Some(size) if found == blob.bytes => size,
			_ => return Err(SourceError::Length { promised: blob.bytes, found }.into()),
		};

		let import = self.inner.store.blobs().import_bao(content.hash, size, 64).await;
		let import = import.map_err(|e| TransferError::Local(BlobError::store(e)))?;
		let read = async move {
			let mut reported = present;
			loop {
				match limit(stall, from.next()).await? {
					BlobContentNext::More((next, item)) => {
						from = next;
						let item = item.map_err(decode_error)?;
						let here = present.saturating_add(from.stats().payload_bytes_read);
						if here > reported {
							reported = here;
							options.report(here);
						}
						if import.tx.send(item).await.is_err() {
							// The store gave up and says why below.
							return Ok(());
						}
					}
					BlobContentNext::Done(_) => return Ok::<(), SourceError>(()),
				}
			}
		};
		// `read` owns the sender: the import ends when it does, with whatever came.
		let (read, stored) = tokio::join!(read, import.rx);
		stored
			.map_err(BlobError::store)
			.and_then(|r| r.map_err(BlobError::store))
			.map_err(TransferError::Local)?;
		Ok(read?)
	}
}

async fn limit<F: Future>(stall: Duration, future: F) -> Result<F::Output, SourceError> {
	tokio::time::timeout(stall, future).await.map_err(|_| SourceError::Stalled(stall))
}

fn header_error(e: AtBlobHeaderNextError) -> SourceError {
	match e {
		AtBlobHeaderNextError::NotFound { .. } => SourceError::NotFound,
		AtBlobHeaderNextError::Read { source, .. } => read_error(&source),
	}
}

fn decode_error(e: DecodeError) -> SourceError {
	match e {
		DecodeError::ChunkNotFound { .. }
		| DecodeError::ParentNotFound { .. }
		| DecodeError::LeafNotFound { .. } => SourceError::NotFound,
		DecodeError::ParentHashMismatch { .. } | DecodeError::LeafHashMismatch { .. } => SourceError::Corrupt,
		DecodeError::Read { source, .. } => read_error(&source),
		e => SourceError::Interrupted(e.to_string()),
	}
}

/// iroh-blobs resets the stream with an "internal error" when it does not have what was asked for.
fn read_error(e: &io::Error) -> SourceError {
	match e.get_ref().and_then(|e| e.downcast_ref::<ReadError>()) {
		Some(ReadError::Reset(code)) if *code == ERR_INTERNAL => SourceError::NotFound,
		_ => SourceError::Interrupted(e.to_string()),
	}
}
