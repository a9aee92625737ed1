// SPDX-License-Identifier: Apache-2.0

//! Fetching the outputs of tasks: from their providers, checked against their claims, into files.
//!
//! ```text
//! DIR/<task>/<buffer>.bin   an output buffer
//! DIR/<task>/claim.json     the claim that it was checked against ([`ClaimFile`])
//! ```
//!
//! What is there and matches the claim on chain is not fetched again.

use std::{
	collections::HashSet,
	fs::{self, File},
	io::Read,
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

use serde::{Deserialize, Serialize};
use tessera_client::{
	blobs::{BlobNode, FetchOptions},
	chain::{AccountId, Chain, H256, Level, TaskInfo, TaskState},
	manifest::OutputBuffer,
	outputs::{claim_list_blob, fetch_outputs, output_blobs, output_path},
};
use tessera_primitives::{BlobRef, JobId, TaskIndex};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
	data,
	exit::{Exit, Failure, Outcome},
	output::shapes::Account,
	serving::{ServeArgs, job_label},
};

/// How many tasks are fetched at a time.
const AT_A_TIME: usize = 4;
/// Pauses before a provider that cannot be reached is asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// A task whose outputs can be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
	/// The task.
	pub task: TaskIndex,
	/// Who has its outputs.
	pub provider: AccountId,
	/// What they are checked against.
	pub root: H256,
}

impl Claim {
	/// The claim of a task that was claimed or settled.
	pub fn of(task: &TaskInfo) -> Option<Self> {
		let (provider, root) = match &task.state {
			TaskState::Claimed { provider, root, .. } => (*provider, *root),
			TaskState::Ended { paid: Some(paid), .. } => (paid.provider, paid.root),
			_ => return None,
		};
		Some(Self { task: task.id.1, provider, root })
	}
}

/// Outputs that are there and checked.
#[derive(Clone, Serialize, Debug)]
pub struct Fetched {
	/// The task.
	pub task: TaskIndex,
	/// Who had them.
	pub provider: Account,
	/// The claim's root.
	pub root: H256,
	/// Bytes of all outputs.
	pub bytes: u64,
	/// Whether they were there before.
	pub present: bool,
	/// The files, in the order of the claim.
	pub files: Vec<PathBuf>,
}

/// `claim.json`: what the files beside it were checked against. The list hashes to the root, which is on chain, and
/// names the hashes of the files.
#[derive(Clone, Serialize, Deserialize, Debug)]
struct ClaimFile {
	job: JobId,
	task: TaskIndex,
	provider: String,
	root: H256,
	/// SCALE of the `ClaimList`, in hex.
	list: String,
	outputs: Vec<FileEntry>,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
struct FileEntry {
	buffer: String,
	file: String,
	blob: BlobRef,
}

/// Fetches the outputs of one job.
#[derive(Debug)]
pub struct Fetcher {
	inner: Arc<Inner>,
	work_dir: PathBuf,
	running: JoinSet<Result<Fetched, (TaskIndex, Failure)>>,
	started: HashSet<(TaskIndex, H256)>,
}

#[derive(Debug)]
struct Inner {
	chain: Chain,
	node: BlobNode,
	job: JobId,
	outputs: Vec<OutputBuffer>,
	dir: PathBuf,
	turns: Semaphore,
}

impl Fetcher {
	/// Prepares to fetch into `dir`. `work_dir` keeps what is on its way, also across interruptions.
	pub async fn open(
		chain: Chain,
		job: JobId,
		outputs: Vec<OutputBuffer>,
		dir: PathBuf,
		work_dir: PathBuf,
		args: &ServeArgs,
	) -> Outcome<Self> {
		fs::create_dir_all(&dir).map_err(|e| Failure::io("create", &dir, &e))?;
		let node = BlobNode::open(args.fetching(work_dir.clone())).await?;
		let turns = Semaphore::new(AT_A_TIME);
		let inner = Inner { chain, node, job, outputs, dir, turns };
		Ok(Self { inner: Arc::new(inner), work_dir, running: JoinSet::new(), started: HashSet::new() })
	}

	/// Starts fetching the outputs of a claim, unless that was started before.
	pub fn start(&mut self, claim: Claim) {
		if self.started.insert((claim.task, claim.root)) {
			let inner = self.inner.clone();
			self.running
				.spawn(async move { inner.fetch(claim).await.map_err(|failure| (claim.task, failure)) });
		}
	}

	/// The next task that is done with, with its outputs or the reason why they could not be had; `None` when nothing
	/// is under way. Nothing is lost when this is dropped before.
	pub async fn next(&mut self) -> Option<Result<Fetched, (TaskIndex, Failure)>> {
		let done = self.running.join_next().await?;
		Some(done.unwrap_or_else(|error| {
			Err((TaskIndex::MAX, Failure::other(format!("fetching failed: {error}"))))
		}))
	}

	/// Lets a failed task be started again.
	pub fn forget(&mut self, task: TaskIndex) {
		self.started.retain(|(started, _)| *started != task);
	}

	/// Ends. `complete` says that nothing is left to be fetched later.
	pub async fn close(mut self, complete: bool) {
		self.running.shutdown().await;
		self.inner.node.shutdown().await;
		if complete {
			// It is only a cache.
			let _ = fs::remove_dir_all(&self.work_dir);
		}
	}
}

impl Inner {
	async fn fetch(&self, claim: Claim) -> Outcome<Fetched> {
		let _turn = self.turns.acquire().await.map_err(|e| Failure::other(e.to_string()))?;
		if let Some(fetched) = self.present(&claim).await? {
			return Ok(fetched);
		}
		let mut pauses = PAUSES.iter();
		loop {
			match self.fetch_once(&claim).await {
				Err(failure) if failure.exit == Exit::Network => match pauses.next() {
					Some(pause) => tokio::time::sleep(*pause).await,
					None => return Err(failure.help(
						"the provider keeps outputs until they are settled and a while after: try `tessera job fetch` again soon",
					)),
				},
				other => return other,
			}
		}
	}

	async fn fetch_once(&self, claim: &Claim) -> Outcome<Fetched> {
		let Claim { task, provider, root } = *claim;
		// Its newest addresses, wherever it is now.
		let profile = self.chain.view(Level::Best).await?.provider(&provider).await?;
		let Some(profile) = profile else {
			return Err(Failure::new(
				Exit::Network,
				format!(
					"the outputs of task {task} are gone: its provider {provider} is not registered any more"
				),
			));
		};
		let label = job_label(&self.job);
		let options = FetchOptions::default();
		let sources = [profile.profile.endpoint];
		let files =
			fetch_outputs(&self.node, &label, task, root, &self.outputs, &sources, options, &self.dir)
				.await?;
		let list = self.node.get(&claim_list_blob(root, self.outputs.len())).await?;
		let blobs = output_blobs(root, &list, &self.outputs)?;
		let entry = |((output, blob), file): ((&OutputBuffer, &BlobRef), &PathBuf)| FileEntry {
			buffer: output.name.clone(),
			file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
			blob: *blob,
		};
		let note = ClaimFile {
			job: self.job,
			task,
			provider: provider.to_string(),
			root,
			list: hex::encode(&list),
			outputs: self.outputs.iter().zip(&blobs).zip(&files).map(entry).collect(),
		};
		let json = serde_json::to_vec_pretty(&note).map_err(|e| Failure::other(e.to_string()))?;
		data::write(&self.claim_file(task), &json)?;
		let bytes = blobs.iter().map(|blob| blob.bytes).sum();
		Ok(Fetched { task, provider: Account(provider), root, bytes, present: false, files })
	}

	/// The outputs, if all of them are there and match the claim.
	async fn present(&self, claim: &Claim) -> Outcome<Option<Fetched>> {
		let (claim, path) = (*claim, self.claim_file(claim.task));
		let (dir, outputs) = (self.dir.clone(), self.outputs.clone());
		let look = move || {
			let note: ClaimFile = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
			// The note itself is not trusted: the list must hash to the root on chain.
			let blobs = output_blobs(claim.root, &hex::decode(note.list).ok()?, &outputs).ok()?;
			let mut files = Vec::new();
			for (blob, output) in blobs.iter().zip(&outputs) {
				let path = output_path(&dir, claim.task, &output.name);
				if !matches(&path, blob) {
					return None;
				}
				files.push(path);
			}
			let bytes = blobs.iter().map(|blob| blob.bytes).sum();
			let Claim { task, provider, root } = claim;
			Some(Fetched { task, provider: Account(provider), root, bytes, present: true, files })
		};
		tokio::task::spawn_blocking(look).await.map_err(|e| Failure::other(format!("reading failed: {e}")))
	}

	fn claim_file(&self, task: TaskIndex) -> PathBuf {
		self.dir.join(task.to_string()).join("claim.json")
	}
}

/// Whether a file holds this blob.
fn matches(path: &Path, blob: &BlobRef) -> bool {
	let hash = || {
		let file = File::open(path)?;
		let mut hasher = blake3::Hasher::new();
		// One byte more than there should be tells a longer file.
		hasher.update_reader(file.take(blob.bytes.saturating_add(1)))?;
		Ok::<_, std::io::Error>((hasher.count(), *hasher.finalize().as_bytes()))
	};
	hash().is_ok_and(|found| found == (blob.bytes, blob.hash.0))
}

/// What to say when some tasks' outputs could not be had: the worst of them decides the exit code.
pub fn failed(failures: Vec<(TaskIndex, Failure)>) -> Option<Failure> {
	let rank = |failure: &Failure| match failure.exit {
		Exit::Unverified => 2,
		Exit::Network => 1,
		_ => 0,
	};
	let number = failures.len();
	let (_, worst) = failures.into_iter().max_by_key(|(_, failure)| rank(failure))?;
	Some(match number {
		1 => worst,
		_ => worst.during(format!("the outputs of {number} tasks could not be had, for example")),
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_primitives::job::{EndReason, Payment};

	fn info(state: TaskState) -> TaskInfo {
		TaskInfo { id: (H256::zero(), 4), attempt: 0, state, price: None, barred: Vec::new() }
	}

	#[test]
	fn claim_should_be_found_when_the_task_is_claimed_or_settled() {
		let provider = tessera_client::keys::parse_account("//Bob").unwrap();
		let root = H256::repeat_byte(9);
		let expected = Some(Claim { task: 4, provider, root });
		let claimed = TaskState::Claimed { provider, price: 1, collateral: 1, root, at: 1, settle_at: 2 };
		assert_eq!(Claim::of(&info(claimed)), expected);
		let paid = Some(Payment { provider, price: 1, root });
		assert_eq!(Claim::of(&info(TaskState::Ended { reason: EndReason::Settled, paid })), expected);
		assert_eq!(Claim::of(&info(TaskState::Ended { reason: EndReason::Cancelled, paid: None })), None);
		assert_eq!(Claim::of(&info(TaskState::Open { since: 1, price: 1 })), None);
	}

	#[test]
	fn file_should_match_only_when_length_and_hash_do() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("out.bin");
		let blob = BlobRef::of(&[1, 2, 3, 4]);
		assert!(!matches(&path, &blob));
		for (bytes, expected) in [
			(&[1, 2, 3, 4][..], true),
			(&[1, 2, 3], false),
			(&[1, 2, 3, 4, 5], false),
			(&[4, 3, 2, 1], false),
		] {
			fs::write(&path, bytes).unwrap();
			assert_eq!(matches(&path, &blob), expected, "{bytes:?}");
		}
	}

	#[test]
	fn failures_should_end_with_the_worst_of_them() {
		assert_eq!(failed(Vec::new()), None);
		let network = (1, Failure::new(Exit::Network, "away"));
		assert_eq!(failed(vec![network.clone()]).unwrap().message, "away");
		let lie = (2, Failure::new(Exit::Unverified, "a lie"));
		let all = failed(vec![network.clone(), lie, network]).unwrap();
		assert_eq!(all.exit, Exit::Unverified);
		assert!(all.message.contains("3 tasks") && all.message.contains("a lie"), "{all}");
	}
}
