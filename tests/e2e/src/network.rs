// SPDX-License-Identifier: Apache-2.0

//! A network of real processes in a folder of its own.

use std::{
	collections::BTreeMap,
	fs,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{TryStreamExt, future::try_join_all};
use serde_json::Value;
use tempfile::TempDir;
use tessera_client::{
	chain::{AccountId, Chain, H256, JobInfo, Level, TaskInfo},
	keys::parse_account,
	manifest::parse_hash,
};
use tessera_primitives::JobId;

use crate::{Books, Node, PATIENCE, Person, Worker, treasury};

const PAUSE: Duration = Duration::from_millis(300);
/// How much of each log is shown when a test fails, bytes.
const SHOWN: usize = 16 << 10;

/// The adapter that workers use: `TESSERA_TEST_ADAPTER`, or Mesa's software device.
pub fn adapter() -> String {
	std::env::var("TESSERA_TEST_ADAPTER").unwrap_or("llvmpipe".into())
}

/// A node with one validator, whatever was started beside it, and a connection to look at the chain.
pub struct Network {
	/// The node.
	pub node: Node,
	/// A connection that mends itself.
	pub chain: Chain,
	folder: TempDir,
}

impl Network {
	/// Starts a node with a new chain.
	pub async fn start() -> Result<Self> {
		let folder = tempfile::Builder::new().prefix("tessera-e2e-").tempdir()?;
		fs::create_dir(folder.path().join("logs"))?;
		let node = Node::start(&folder.path().join("node")).await?;
		let chain = node.connect().await?;
		Ok(Self { node, chain, folder })
	}

	/// Workers of these owners: registered, bonded, running, online.
	pub async fn workers(&self, owners: &[&str], flags: &[&str]) -> Result<Vec<Worker>> {
		try_join_all(owners.iter().map(|owner| self.worker(owner, flags))).await
	}

	/// The folder of everything.
	pub fn folder(&self) -> &Path {
		self.folder.path()
	}

	/// The folder of the logs.
	pub fn logs(&self) -> PathBuf {
		self.folder.path().join("logs")
	}

	/// A new folder in the network's.
	pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
		let path = self.folder.path().join(name);
		fs::create_dir_all(&path)?;
		Ok(path)
	}

	/// Somebody with this development account, for example `//Dave`.
	pub fn person(&self, account: &str) -> Person {
		let data = self.folder.path().join("people").join(file_name(account));
		Person::new(account, &self.node.url(), &data, &self.logs())
	}

	/// Registers and starts a worker, and waits until its provider is online.
	pub async fn worker(&self, owner: &str, flags: &[&str]) -> Result<Worker> {
		let folder = self.folder.path().join("workers").join(file_name(owner));
		let log = self.logs().join(format!("worker-{}.log", file_name(owner)));
		let mut worker = Worker::register(owner, &self.node.url(), &folder, &log, flags).await?;
		worker.start()?;
		let account = account(owner)?;
		self.until(&format!("{owner}'s worker is online"), async || {
			ensure!(worker.is_running(), "{owner}'s worker has ended");
			let provider = self.chain.view(Level::Best).await?.provider(&account).await?;
			let online = tessera_primitives::provider::Availability::Online;
			Ok(provider.is_some_and(|p| p.availability == online && p.last_heartbeat.is_some()))
		})
		.await?;
		Ok(worker)
	}

	/// Waits until it is so.
	pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
		let deadline = Instant::now() + PATIENCE;
		while !is_so().await.with_context(|| format!("waiting until {what}"))? {
			ensure!(Instant::now() < deadline, "it never happened that {what}");
			tokio::time::sleep(PAUSE).await;
		}
		Ok(())
	}

	/// A job as it is now.
	pub async fn job(&self, id: JobId) -> Result<JobInfo> {
		let job = self.chain.view(Level::Best).await?.job(id).await?;
		job.with_context(|| format!("there is no job {id:?}"))
	}

	/// The tasks of a job as they are now.
	pub async fn tasks(&self, id: JobId) -> Result<Vec<TaskInfo>> {
		Ok(self.chain.view(Level::Best).await?.tasks(id).try_collect().await?)
	}

	/// Waits until the job is so.
	pub async fn until_job(
		&self,
		id: JobId,
		what: &str,
		is_so: impl Fn(&JobInfo) -> bool,
	) -> Result<JobInfo> {
		let mut found = None;
		self.until(&format!("job {id:?} {what}"), async || {
			let job = self.job(id).await?;
			let yes = is_so(&job);
			found = Some(job);
			Ok(yes)
		})
		.await?;
		found.context("it was looked at")
	}

	/// Prints the end of what every process said.
	pub fn show_logs(&self) {
		let mut logs = vec![("node".into(), self.node.log())];
		let entries = fs::read_dir(self.logs()).into_iter().flatten().filter_map(Result::ok);
		let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).unwrap_or_default());
		let text = |(name, bytes): (String, Vec<u8>)| (name, String::from_utf8_lossy(&bytes).into_owned());
		logs.extend(entries.map(|entry| text(read(entry.path()))));
		logs.sort();
		for (name, log) in logs {
			let start = log.len().saturating_sub(SHOWN);
			let start = (start..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or_default();
			eprintln!("--- {name} ---\n{}", &log[start..]);
		}
	}

	/// Who has what now: these accounts, the treasury, and `//Alice`, who makes the blocks and gets her share of fees.
	pub async fn books(&self, people: &[&str]) -> Result<Books> {
		let view = self.chain.view(Level::Best).await?;
		let mut accounts = BTreeMap::new();
		for name in people.iter().chain([&"//Alice"]) {
			accounts.insert((*name).to_owned(), view.balance(&account(name)?).await?);
		}
		accounts.insert("treasury".into(), view.balance(&treasury()).await?);
		let block = view.block();
		let issuance = self.node.total_issuance(block.hash).await?;
		Ok(Books { block, accounts, issuance, market: view.market().await? })
	}
}

impl Drop for Network {
	fn drop(&mut self) {
		if std::thread::panicking() {
			self.show_logs();
		}
	}
}

/// The account of a development name.
pub fn account(name: &str) -> Result<AccountId> {
	Ok(parse_account(name)?)
}

/// The id in a field of a value.
pub fn id(value: &Value, field: &str) -> Result<H256> {
	let text = value[field].as_str().with_context(|| format!("there is no `{field}` in {value}"))?;
	parse_hash(text).map_err(anyhow::Error::msg)
}

/// `//Alice//stash` as a name for files.
fn file_name(account: &str) -> String {
	account.trim_matches('/').replace("//", "-").to_lowercase()
}
