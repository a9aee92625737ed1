// SPDX-License-Identifier: Apache-2.0

//! The journal: what this worker has begun, so that it goes on after any end, `kill -9` and power failures included.
//!
//! There is one entry per task and attempt. The chain is the truth about who holds a task; the journal is the truth
//! about what this worker did for it. [`reconcile`](crate::daemon::reconcile) brings the two together at every block,
//! so every step may be done again:
//!
//! ```text
//! Wanted -> Accepted -> Fetched -> Computed -> ClaimSent -> Claimed -> Settled
//!    |          |           |          (the root is known)
//!    |          +-----------+--> Returning -> HandedBack
//!    |          +-----------+--> GivenUp -> Lost
//!    +-> forgotten: somebody else was faster
//! ```
//!
//! # What is on disk when
//!
//! Every commit is synced to disk before [`Journal::put`] returns, and each step waits for the commit before it:
//!
//! 1. `Wanted` before the order to accept leaves: an accepted task is always in the journal.
//! 2. The outputs and their list are in the blob store before `Computed`. (The blob store syncs later; should a power
//!    failure take the blobs, the start finds that out and computes again.)
//! 3. `Computed`, with the root, before the claim is signed, and `ClaimSent` before it leaves. The chain takes one claim
//!    of an attempt; a computation that is repeated and comes to another root is noticed.
//! 4. Blobs are let go before the entry is removed: what is left over has an entry.
//!
//! The journal belongs to one provider on one chain, and refuses others.

use std::{
	collections::BTreeMap,
	fmt,
	path::{Path, PathBuf},
};

use codec::{Decode, DecodeAll, Encode};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use tessera_client::chain::{AccountId, BlockNumber, BlockRef, H256};
use tessera_primitives::{Balance, BlobRef, JobId, ProgramId, TaskIndex, Tick, job::HandBackReason};

const TASKS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("tasks");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Version of the entries' encoding.
const FORMAT: u8 = 1;

/// A task at one attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct TaskKey {
	/// Its job.
	pub job: JobId,
	/// Its index in the job.
	pub task: TaskIndex,
	/// How often it was opened again before.
	pub attempt: u32,
}

impl fmt::Display for TaskKey {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		// `{}` of a hash is short: 0x1234…abcd.
		write!(f, "task {} of job {}", self.task, self.job)?;
		if self.attempt > 0 {
			write!(f, " (attempt {})", self.attempt)?;
		}
		Ok(())
	}
}

/// What the chain promised when the task was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Terms {
	/// What is paid for it, planck.
	pub price: Balance,
	/// Tick of acceptance.
	pub at: Tick,
	/// Last tick at which a claim counts.
	pub deadline: Tick,
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Stage {
	/// An order to accept it may be on its way.
	#[codec(index = 0)]
	Wanted {
		/// Last block at which the order counts.
		last_block: BlockNumber,
	},
	/// It is ours: its inputs are to be fetched.
	#[codec(index = 1)]
	Accepted,
	/// Its inputs are in the blob store: it is to be run.
	#[codec(index = 2)]
	Fetched,
	/// Its outputs are in the blob store: it is to be claimed.
	#[codec(index = 3)]
	Computed,
	/// A claim is on its way.
	#[codec(index = 4)]
	ClaimSent {
		/// Last block at which the claim counts.
		last_block: BlockNumber,
	},
	/// The chain has the claim: its outputs are served.
	#[codec(index = 5)]
	Claimed {
		/// First tick at which it is settled.
		settle_at: Tick,
	},
	/// It is to be handed back.
	#[codec(index = 6)]
	Returning {
		/// Why.
		reason: HandBackReason,
	},
	/// This worker cannot do it, through no fault of others: it expires.
	#[codec(index = 7)]
	GivenUp,
	/// It was paid: its outputs are served for a while.
	#[codec(index = 8)]
	Settled {
		/// What the provider got, planck; `None` when the event was missed.
		paid: Option<Balance>,
	},
	/// It was handed back.
	#[codec(index = 9)]
	HandedBack {
		/// Why.
		reason: HandBackReason,
	},
	/// It is no longer ours, unpaid.
	#[codec(index = 10)]
	Lost,
}

impl Stage {
	/// Whether the task is over for this worker.
	pub fn is_over(&self) -> bool {
		matches!(self, Self::Settled { .. } | Self::HandedBack { .. } | Self::Lost)
	}

	/// Whether it takes one of the places for tasks that wait for inputs or GPU.
	pub fn takes_place(&self) -> bool {
		matches!(self, Self::Wanted { .. } | Self::Accepted | Self::Fetched)
	}

	/// One word for people.
	pub fn name(&self) -> &'static str {
		match self {
			Self::Wanted { .. } => "wanted",
			Self::Accepted => "fetching",
			Self::Fetched => "running",
			Self::Computed => "computed",
			Self::ClaimSent { .. } => "claiming",
			Self::Claimed { .. } => "claimed",
			Self::Returning { .. } => "handing back",
			Self::GivenUp => "given up",
			Self::Settled { .. } => "settled",
			Self::HandedBack { .. } => "handed back",
			Self::Lost => "lost",
		}
	}
}

/// What is known of a task.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Entry {
	/// How far it is.
	pub stage: Stage,
	/// Its program.
	pub program: ProgramId,
	/// What the chain promised, once it has.
	pub terms: Option<Terms>,
	/// The root of the outputs, once they were computed. It stays when the outputs are lost and computed again.
	pub root: Option<H256>,
	/// The outputs, by ascending slot, once they were computed.
	pub outputs: Vec<BlobRef>,
	/// Tick at which the stage began.
	pub since: Tick,
	/// What went wrong, for people; empty when nothing did.
	pub note: String,
}

impl Entry {
	/// A task that is to be accepted.
	pub fn wanted(program: ProgramId, last_block: BlockNumber, since: Tick) -> Self {
		Self {
			stage: Stage::Wanted { last_block },
			program,
			terms: None,
			root: None,
			outputs: Vec::new(),
			since,
			note: String::new(),
		}
	}

	/// A task that the chain says is ours.
	pub fn accepted(program: ProgramId, terms: Terms, since: Tick) -> Self {
		Self { stage: Stage::Accepted, terms: Some(terms), ..Self::wanted(program, 0, since) }
	}
}

/// What came of all tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, Serialize, Deserialize)]
pub struct Totals {
	/// Paid tasks.
	pub settled: u64,
	/// What the provider got for them, planck.
	#[serde(with = "crate::status::planck")]
	pub earned: Balance,
	/// Prices of paid tasks of which the worker did not see what the provider got, planck: the protocol's cut is not
	/// taken off.
	#[serde(with = "crate::status::planck")]
	pub unseen: Balance,
	/// Tasks handed back.
	pub handed_back: u64,
	/// Tasks that were not finished in time.
	pub lost: u64,
}

impl Totals {
	/// Adds what came of one task.
	fn add(&mut self, entry: &Entry) {
		match entry.stage {
			Stage::Settled { paid } => {
				self.settled = self.settled.saturating_add(1);
				match (paid, entry.terms) {
					(Some(paid), _) => self.earned = self.earned.saturating_add(paid),
					(None, Some(terms)) => self.unseen = self.unseen.saturating_add(terms.price),
					(None, None) => {}
				}
			}
			Stage::HandedBack { .. } => self.handed_back = self.handed_back.saturating_add(1),
			Stage::Lost => self.lost = self.lost.saturating_add(1),
			_ => {}
		}
	}
}

/// Why the journal cannot be used. All of these end the worker: without a journal it must not take tasks.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
	/// It cannot be opened, read or written.
	#[error("the journal {}: {reason}. The worker stops, and goes on from there once this is mended", path.display())]
	Store {
		/// The file.
		path: PathBuf,
		/// Why.
		reason: String,
	},
	/// It belongs to another chain or provider.
	#[error(
		"the journal {} belongs to provider {provider} on the chain with genesis {genesis:?}, not to {wanted_provider} on \
		 {wanted_genesis:?}: choose another --data-dir, or remove the file if that chain is gone", path.display()
	)]
	Foreign {
		/// The file.
		path: PathBuf,
		/// Whose it is.
		provider: AccountId,
		/// Of which chain.
		genesis: H256,
		/// Who asks.
		wanted_provider: AccountId,
		/// For which chain.
		wanted_genesis: H256,
	},
	/// Another version of this software wrote it.
	#[error("the journal {} has format {found}; this software knows {FORMAT}: use the version that wrote it", path.display())]
	Format {
		/// The file.
		path: PathBuf,
		/// What it says.
		found: u8,
	},
}

/// The journal of a provider on a chain.
#[derive(Debug)]
pub struct Journal {
	path: PathBuf,
	db: Database,
	/// What is on disk.
	entries: BTreeMap<TaskKey, Entry>,
	/// Of entries that were removed.
	archived: Totals,
	block: Option<BlockRef>,
}

impl Journal {
	/// Opens the journal, or begins one. After a crash it is repaired by itself.
	pub fn open(path: &Path, genesis: H256, provider: AccountId) -> Result<Self, JournalError> {
		let store = Store(path);
		let db = store.check(Database::create(path))?;
		let begin = store.check(db.begin_write())?;
		{
			let mut meta = store.check(begin.open_table(META))?;
			let known: Option<(u8, H256, AccountId)> = {
				let value = store.check(meta.get("owner"))?;
				value.map(|value| store.decode(value.value())).transpose()?
			};
			match known {
				None => {
					let owner = (FORMAT, genesis, provider).encode();
					store.check(meta.insert("owner", owner.as_slice()))?;
				}
				Some((format, ..)) if format != FORMAT => {
					return Err(JournalError::Format { path: path.into(), found: format });
				}
				Some((_, found, owner)) if (found, owner) != (genesis, provider) => {
					return Err(JournalError::Foreign {
						path: path.into(),
						provider: owner,
						genesis: found,
						wanted_provider: provider,
						wanted_genesis: genesis,
					});
				}
				Some(_) => {}
			}
			store.check(begin.open_table(TASKS))?;
		}
		store.check(begin.commit())?;

		let read = store.check(db.begin_read())?;
		let meta = store.check(read.open_table(META))?;
		let archived =
			store.check(meta.get("totals"))?.map(|value| store.decode(value.value())).transpose()?;
		let block: Option<(BlockNumber, H256)> =
			store.check(meta.get("block"))?.map(|value| store.decode(value.value())).transpose()?;
		let tasks = store.check(read.open_table(TASKS))?;
		let mut entries = BTreeMap::new();
		for row in store.check(tasks.iter())? {
			let (key, value) = store.check(row)?;
			entries.insert(store.decode(key.value())?, store.decode(value.value())?);
		}
		drop((meta, tasks));
		store.check(read.close())?;
		Ok(Self {
			path: path.into(),
			db,
			entries,
			archived: archived.unwrap_or_default(),
			block: block.map(|(number, hash)| BlockRef { number, hash }),
		})
	}

	/// All entries.
	pub fn entries(&self) -> &BTreeMap<TaskKey, Entry> {
		&self.entries
	}

	/// One entry.
	pub fn get(&self, key: &TaskKey) -> Option<&Entry> {
		self.entries.get(key)
	}

	/// Writes entries, all or none. They are on disk when this returns.
	pub fn put(&mut self, entries: Vec<(TaskKey, Entry)>) -> Result<(), JournalError> {
		if entries.is_empty() {
			return Ok(());
		}
		self.write(Durability::Immediate, |store, write| {
			let mut tasks = store.check(write.open_table(TASKS))?;
			for (key, entry) in &entries {
				store.check(tasks.insert(key.encode().as_slice(), entry.encode().as_slice()))?;
			}
			Ok(())
		})?;
		self.entries.extend(entries);
		Ok(())
	}

	/// Removes entries, all or none; what came of them stays in the totals.
	pub fn remove(&mut self, keys: &[TaskKey]) -> Result<(), JournalError> {
		if keys.is_empty() {
			return Ok(());
		}
		let mut archived = self.archived;
		for entry in keys.iter().filter_map(|key| self.entries.get(key)) {
			archived.add(entry);
		}
		self.write(Durability::Immediate, |store, write| {
			let mut tasks = store.check(write.open_table(TASKS))?;
			for key in keys {
				store.check(tasks.remove(key.encode().as_slice()))?;
			}
			let mut meta = store.check(write.open_table(META))?;
			store.check(meta.insert("totals", archived.encode().as_slice()))?;
			Ok(())
		})?;
		self.archived = archived;
		self.entries.retain(|key, _| !keys.contains(key));
		Ok(())
	}

	/// What came of all tasks, those that are still in the journal included.
	pub fn totals(&self) -> Totals {
		let mut totals = self.archived;
		self.entries.values().for_each(|entry| totals.add(entry));
		totals
	}

	/// The last block whose events this worker has seen.
	pub fn block(&self) -> Option<BlockRef> {
		self.block
	}

	/// Notes the last block whose events this worker has seen. Not synced: after a crash some blocks are seen again,
	/// which changes nothing.
	pub fn set_block(&mut self, block: BlockRef) -> Result<(), JournalError> {
		self.write(Durability::None, |store, write| {
			let mut meta = store.check(write.open_table(META))?;
			store.check(meta.insert("block", (block.number, block.hash).encode().as_slice()))?;
			Ok(())
		})?;
		self.block = Some(block);
		Ok(())
	}

	fn write(
		&self,
		durability: Durability,
		change: impl FnOnce(&Store, &redb::WriteTransaction) -> Result<(), JournalError>,
	) -> Result<(), JournalError> {
		let store = Store(&self.path);
		let mut write = store.check(self.db.begin_write())?;
		store.check(write.set_durability(durability))?;
		change(&store, &write)?;
		store.check(write.commit())
	}
}

/// Errors with the name of the file.
struct Store<'a>(&'a Path);

impl Store<'_> {
	fn check<T, E: fmt::Display>(&self, result: Result<T, E>) -> Result<T, JournalError> {
		result.map_err(|e| JournalError::Store { path: self.0.into(), reason: e.to_string() })
	}

	fn decode<T: Decode>(&self, bytes: &[u8]) -> Result<T, JournalError> {
		self.check(T::decode_all(&mut &*bytes))
	}
}

#[cfg(test)]
mod tests;
