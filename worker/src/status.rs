// SPDX-License-Identifier: Apache-2.0

//! What a worker says about itself: the file `status.json` in its data directory, written by `run` and read by
//! `status`. It is a report, never a source of truth. Planck are texts of digits: they exceed what JSON's readers can
//! count with.

use std::{
	collections::BTreeMap,
	io::{self, Write},
	path::Path,
	time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tessera_client::chain::BlockNumber;
use tessera_primitives::{Balance, Tick};

use crate::{adapters::AdapterDescription, journal::Totals, policy::Skip};

/// Tasks that a report lists.
pub const MAX_LISTED: usize = 100;

/// What a worker is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
	/// It opens its GPU, store and journal.
	#[default]
	Starting,
	/// It waits for a node.
	Connecting,
	/// It follows the chain.
	Running,
	/// It was told to stop and did.
	Stopped,
	/// It stopped because of an error.
	Failed,
}

/// A worker's report.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
	/// Version of the software.
	pub version: String,
	/// Process.
	pub pid: u32,
	/// What it does.
	pub state: State,
	/// Unix time of its start, seconds.
	pub started_at: u64,
	/// Unix time of this report, seconds.
	pub written_at: u64,
	/// Why it cannot go on, or could not a moment ago; `None` when all is well.
	pub error: Option<String>,
	/// The provider's account.
	pub provider: String,
	/// The key that signs its orders, hexadecimal.
	pub worker_key: String,
	/// The chain.
	pub chain: ChainStatus,
	/// Where its blobs are served, once it serves them.
	pub endpoint: Option<EndpointStatus>,
	/// Its GPU, once it is known.
	pub adapter: Option<AdapterDescription>,
	/// Number of tasks in the journal by stage.
	pub stages: BTreeMap<String, u32>,
	/// Tasks of the journal: those that are worked on first, then the latest, not more than [`MAX_LISTED`].
	pub tasks: Vec<TaskStatus>,
	/// What came of all tasks.
	pub totals: Totals,
	/// The last look at the market.
	pub market: Option<MarketStatus>,
	/// What keeps it from working, and what to do about it.
	pub notices: Vec<String>,
}

/// What a worker knows of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChainStatus {
	/// The node.
	pub url: String,
	/// Hash of the first block, hexadecimal.
	pub genesis: Option<String>,
	/// Number of the last block seen.
	pub block: Option<BlockNumber>,
	/// Unix time at which it was seen, seconds.
	pub seen_at: Option<u64>,
	/// The chain's clock.
	pub tick: Option<Tick>,
	/// Measured time between blocks, milliseconds.
	pub block_ms: Option<u64>,
}

/// An iroh endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndpointStatus {
	/// Its public key, hexadecimal.
	pub key: String,
	/// Its published addresses.
	pub addresses: Vec<String>,
}

/// A task of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskStatus {
	/// Its job, hexadecimal.
	pub job: String,
	/// Its index in the job.
	pub task: u32,
	/// Its attempt.
	pub attempt: u32,
	/// How far it is.
	pub stage: String,
	/// Tick since which it is there.
	pub since: Tick,
	/// What is paid for it, planck.
	#[serde(with = "planck_option")]
	pub price: Option<Balance>,
	/// Last tick for the claim.
	pub deadline: Option<Tick>,
	/// What went wrong; empty when nothing did.
	pub note: String,
}

/// What was found in the market.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MarketStatus {
	/// At which block.
	pub block: BlockNumber,
	/// Open tasks that were looked at.
	pub open_tasks: u32,
	/// How many of them were reached for.
	pub wanted: u32,
	/// Whether there were more than one look takes in.
	pub more: bool,
	/// Why the others were not.
	pub skipped: Vec<SkippedTasks>,
}

/// Tasks not taken for one reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SkippedTasks {
	/// The reason.
	pub reason: Skip,
	/// How many tasks.
	pub tasks: u32,
}

impl MarketStatus {
	/// Adds tasks that were passed over, one for each reason given.
	pub fn add_skipped(&mut self, reasons: impl IntoIterator<Item = Skip>) {
		for reason in reasons {
			match self.skipped.iter_mut().find(|skipped| skipped.reason == reason) {
				Some(skipped) => skipped.tasks = skipped.tasks.saturating_add(1),
				None => self.skipped.push(SkippedTasks { reason, tasks: 1 }),
			}
		}
		self.skipped.sort_by_key(|skipped| std::cmp::Reverse(skipped.tasks));
	}
}

impl Status {
	/// Writes it so that readers see the old or the new one, never a part. Not synced: it is worth nothing after a crash
	/// of the machine.
	pub fn write(&self, path: &Path) -> io::Result<()> {
		let temporary = path.with_extension("json.partial");
		let mut file = std::fs::File::create(&temporary)?;
		serde_json::to_writer_pretty(&file, self)?;
		file.write_all(b"\n")?;
		std::fs::rename(&temporary, path)
	}

	/// The last report; `None` when there is none, or one of another version that cannot be read.
	pub fn read(path: &Path) -> Option<Self> {
		serde_json::from_slice(&std::fs::read(path).ok()?).ok()
	}
}

/// Unix time, seconds.
pub fn unix_now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Planck as text.
pub mod planck {
	use serde::{Deserialize, Deserializer, Serializer, de::Error};
	use tessera_primitives::Balance;

	/// Writes digits.
	pub fn serialize<S: Serializer>(amount: &Balance, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(amount)
	}

	/// Reads digits.
	pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Balance, D::Error> {
		String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
	}
}

/// Planck as text, or nothing.
mod planck_option {
	use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
	use tessera_primitives::Balance;

	pub fn serialize<S: Serializer>(amount: &Option<Balance>, serializer: S) -> Result<S::Ok, S::Error> {
		amount.map(|amount| amount.to_string()).serialize(serializer)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Balance>, D::Error> {
		let text: Option<String> = Option::deserialize(deserializer)?;
		text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn status_should_survive_being_written_and_read() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("status.json");
		assert_eq!(Status::read(&path), None);
		let task = TaskStatus {
			job: "0x01".into(),
			task: 3,
			attempt: 1,
			stage: "running".into(),
			since: 7,
			price: Some(Balance::MAX),
			deadline: Some(100),
			note: String::new(),
		};
		let status = Status {
			version: "1.2.3".into(),
			state: State::Running,
			tasks: vec![task.clone(), TaskStatus { price: None, deadline: None, ..task }],
			totals: Totals { settled: 2, earned: Balance::MAX, ..Default::default() },
			market: Some(MarketStatus {
				skipped: vec![SkippedTasks { reason: Skip::PriceBelowFloor, tasks: 12 }],
				..Default::default()
			}),
			..Default::default()
		};
		status.write(&path).unwrap();
		assert_eq!(Status::read(&path).unwrap(), status);
		// Nothing but the report is left, and a half-written one is none.
		assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
		std::fs::write(&path, "{\"version\":").unwrap();
		assert_eq!(Status::read(&path), None);
	}

	#[test]
	fn amounts_should_be_texts_so_that_no_reader_rounds_them() {
		let totals = Totals { earned: Balance::MAX, ..Default::default() };
		let json = serde_json::to_value(totals).unwrap();
		assert_eq!(json["earned"], "340282366920938463463374607431768211455");
	}
}
