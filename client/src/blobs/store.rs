// SPDX-License-Identifier: Apache-2.0

//! The store's side of a node: adding, reading, keeping and releasing blobs.

use std::{
	collections::BTreeSet,
	io::{self, Read, Seek, SeekFrom},
	ops::Range,
	path::Path,
};

use futures::StreamExt;
use iroh_blobs::{
	BlobFormat, Hash, HashAndFormat,
	api::blobs::{AddPathOptions, BlobStatus, EncodedItem, ImportMode},
	protocol::ChunkRanges,
};
use tessera_primitives::types::BlobRef;
use tokio::io::AsyncWriteExt;

use super::{BlobError, BlobNode};
use crate::{files, manifest::BlobOrigin};

/// How a file becomes a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileMode {
	/// The store makes its own copy (shared on file systems that can).
	Copy,
	/// The store reads the file where it is. It must not change: a changed one is never served or returned as the
	/// blob, but the blob is lost. Small files are copied all the same.
	Reference,
}

/// Bytes of a part of a file that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// The longest label, bytes.
const MAX_LABEL: usize = 200;

impl BlobNode {
	/// Stores some bytes under a label.
	pub async fn add_bytes(&self, label: &str, data: Vec<u8>) -> Result<BlobRef, BlobError> {
		let blob = BlobRef::of(&data);
		let tag = tag(label, &blob.hash.0)?;
		self.inner.store.blobs().add_bytes(data).with_named_tag(tag).await.map_err(BlobError::store)?;
		Ok(blob)
	}

	/// Stores a file under a label.
	pub async fn add_file(&self, label: &str, path: &Path, mode: FileMode) -> Result<BlobRef, BlobError> {
		check_label(label)?;
		let failed = |e| BlobError::io("read", path, e);
		let absolute = std::path::absolute(path).map_err(failed)?;
		let meta = tokio::fs::metadata(&absolute).await.map_err(failed)?;
		if !meta.is_file() {
			return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
		}
		let options = AddPathOptions {
			path: absolute,
			format: BlobFormat::Raw,
			mode: match mode {
				FileMode::Copy => ImportMode::Copy,
				FileMode::Reference => ImportMode::TryReference,
			},
		};
		let added = self.inner.store.blobs().add_path_with_opts(options).temp_tag().await;
		let added = added.map_err(BlobError::store)?;
		self.finish_add(label, added.hash()).await
	}

	/// Stores a part of a file, a range of bytes, under a label.
	pub async fn add_range(&self, label: &str, path: &Path, range: Range<u64>) -> Result<BlobRef, BlobError> {
		check_label(label)?;
		let (tx, mut rx) = tokio::sync::mpsc::channel(4);
		let file = path.to_owned();
		// Blocking reads on a thread of their own; a reader that is dropped ends it.
		tokio::task::spawn_blocking(move || {
			let send = |item: io::Result<Vec<u8>>| tx.blocking_send(item.map(Into::into)).is_ok();
			if let Err(e) = read_range(&file, range, |chunk| send(Ok(chunk))) {
				send(Err(e));
			}
		});
		let stream = futures::stream::poll_fn(move |cx| rx.poll_recv(cx));
		let added = self.inner.store.blobs().add_stream(stream).await.temp_tag().await;
		let added = added.map_err(|e| BlobError::io("read", path, io::Error::other(format!("{e:#}"))))?;
		self.finish_add(label, added.hash()).await
	}

	/// Stores a blob of a job from where its contents are, under a label. Fails with [`BlobError::Changed`] when they
	/// are no longer what they were when the job was built.
	pub async fn add_origin(
		&self,
		label: &str,
		blob: &BlobRef,
		origin: &BlobOrigin,
	) -> Result<(), BlobError> {
		match origin {
			BlobOrigin::Bytes(data) => {
				self.add_bytes(label, data.clone()).await?;
			}
			BlobOrigin::File { path, range } => {
				let added = self.add_range(label, path, range.clone()).await?;
				if added != *blob {
					self.inner
						.store
						.tags()
						.delete(tag(label, &added.hash.0)?)
						.await
						.map_err(BlobError::store)?;
					return Err(BlobError::Changed { path: path.clone() });
				}
			}
		}
		Ok(())
	}

	/// Whether the whole blob is here, with this length.
	pub async fn has(&self, blob: &BlobRef) -> Result<bool, BlobError> {
		match self.complete(blob).await {
			Ok(()) => Ok(true),
			Err(BlobError::NotFound(_) | BlobError::Length { .. }) => Ok(false),
			Err(e) => Err(e),
		}
	}

	/// How many bytes of the blob are here and verified.
	pub async fn present(&self, blob: &BlobRef) -> Result<u64, BlobError> {
		let content = HashAndFormat::raw(hash(blob));
		let local = self.inner.store.remote().local(content).await.map_err(BlobError::store)?;
		Ok(local.local_bytes())
	}

	/// The bytes of a blob. They are verified again while they are read.
	pub async fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, BlobError> {
		self.complete(blob).await?;
		let bytes = self.inner.store.blobs().get_bytes(hash(blob)).await;
		Ok(bytes.map_err(|e| BlobError::Damaged { blob: *blob, reason: format!("{e:#}") })?.into())
	}

	/// Writes a blob to a file, replacing what was there. The file has its name only once it is complete, verified
	/// and on disk. Directories are created.
	pub async fn export(&self, blob: &BlobRef, path: &Path) -> Result<(), BlobError> {
		self.complete(blob).await?;
		let failed = |e| BlobError::io("write", path, e);
		let part = files::temporary_beside(path).map_err(failed)?;
		let file = tokio::fs::File::from_std(part.reopen().map_err(failed)?);
		let mut out = tokio::io::BufWriter::with_capacity(READ_BYTES, file);
		let items = self.inner.store.blobs().export_bao(hash(blob), ChunkRanges::all()).stream();
		let mut items = std::pin::pin!(items);
		while let Some(item) = items.next().await {
			match item {
				EncodedItem::Leaf(leaf) => out.write_all(&leaf.data).await.map_err(failed)?,
				EncodedItem::Error(e) => {
					return Err(BlobError::Damaged { blob: *blob, reason: e.to_string() });
				}
				EncodedItem::Size(_) | EncodedItem::Parent(_) | EncodedItem::Done => {}
			}
		}
		out.flush().await.map_err(failed)?;
		let target = path.to_owned();
		tokio::task::spawn_blocking(move || files::publish(part, &target))
			.await
			.map_err(BlobError::store)?
			.map_err(failed)
	}

	/// Keeps a blob under one more label.
	pub async fn keep(&self, label: &str, blob: &BlobRef) -> Result<(), BlobError> {
		let tag = tag(label, &blob.hash.0)?;
		self.complete(blob).await?;
		self.set_tag(tag, hash(blob)).await
	}

	/// Lets go of everything under a label. Blobs that no other label holds are deleted at the next collection.
	/// Returns how many blobs the label held.
	pub async fn release(&self, label: &str) -> Result<u64, BlobError> {
		check_label(label)?;
		let prefix = [label.as_bytes(), &[0]].concat();
		self.inner.store.tags().delete_prefix(prefix).await.map_err(BlobError::store)
	}

	/// All labels that hold something, in order.
	pub async fn labels(&self) -> Result<Vec<String>, BlobError> {
		let mut labels = BTreeSet::new();
		let tags = self.inner.store.tags().list().await.map_err(BlobError::store)?;
		let mut tags = std::pin::pin!(tags);
		while let Some(info) = tags.next().await {
			let info = info.map_err(BlobError::store)?;
			if let Some((label, _)) = split_tag(info.name.0.as_ref()) {
				labels.insert(label.to_owned());
			}
		}
		Ok(labels.into_iter().collect())
	}

	/// Fails unless the whole blob is here, with this length.
	pub(super) async fn complete(&self, blob: &BlobRef) -> Result<(), BlobError> {
		match self.status(hash(blob)).await? {
			BlobStatus::Complete { size } if size == blob.bytes => Ok(()),
			BlobStatus::Complete { size } => Err(BlobError::Length { blob: *blob, found: size }),
			BlobStatus::Partial { .. } | BlobStatus::NotFound => Err(BlobError::NotFound(*blob)),
		}
	}

	pub(super) async fn set_tag(&self, tag: Vec<u8>, hash: Hash) -> Result<(), BlobError> {
		self.inner.store.tags().set(tag, HashAndFormat::raw(hash)).await.map_err(BlobError::store)
	}

	async fn status(&self, hash: Hash) -> Result<BlobStatus, BlobError> {
		self.inner.store.blobs().status(hash).await.map_err(BlobError::store)
	}

	/// Puts a just added blob under its label. The caller still holds the temporary tag.
	async fn finish_add(&self, label: &str, hash: Hash) -> Result<BlobRef, BlobError> {
		self.set_tag(tag(label, hash.as_bytes())?, hash).await?;
		let blob = BlobRef { hash: (*hash.as_bytes()).into(), bytes: 0 };
		match self.status(hash).await? {
			BlobStatus::Complete { size } => Ok(BlobRef { bytes: size, ..blob }),
			BlobStatus::Partial { .. } | BlobStatus::NotFound => Err(BlobError::NotFound(blob)),
		}
	}
}

/// iroh's name of a blob.
pub(super) fn hash(blob: &BlobRef) -> Hash {
	Hash::from_bytes(blob.hash.0)
}

/// The store's name for "this label holds this blob": the label, a zero byte, the hash.
pub(super) fn tag(label: &str, hash: &[u8; 32]) -> Result<Vec<u8>, BlobError> {
	check_label(label)?;
	Ok([label.as_bytes(), &[0], hash].concat())
}

fn check_label(label: &str) -> Result<(), BlobError> {
	if label.is_empty() || label.len() > MAX_LABEL || label.contains('\0') {
		return Err(BlobError::Label(label.escape_debug().to_string()));
	}
	Ok(())
}

/// Label and hash of a tag of ours.
fn split_tag(tag: &[u8]) -> Option<(&str, &[u8])> {
	let at = tag.iter().position(|b| *b == 0)?;
	let (label, hash) = tag.split_at(at);
	Some((std::str::from_utf8(label).ok()?, hash.get(1..)?))
}

/// Reads a range of a file in pieces, until `take` wants no more. Fails when the file is too short.
fn read_range(path: &Path, range: Range<u64>, mut take: impl FnMut(Vec<u8>) -> bool) -> io::Result<()> {
	let mut file = std::fs::File::open(path)?;
	file.seek(SeekFrom::Start(range.start))?;
	let mut left = range.end.saturating_sub(range.start);
	while left > 0 {
		let mut chunk = Vec::with_capacity(READ_BYTES);
		let want = left.min(READ_BYTES as u64);
		let got = file.by_ref().take(want).read_to_end(&mut chunk)? as u64;
		if got < want {
			return Err(io::Error::new(
				io::ErrorKind::UnexpectedEof,
				format!("it has fewer than {} bytes", range.end),
			));
		}
		left -= got;
		if !take(chunk) {
			break;
		}
	}
	Ok(())
}
