// SPDX-License-Identifier: Apache-2.0

//! Workers that are killed in the middle of a task.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tessera_client::chain::{AccountId, TaskState};
use tessera_e2e::{
	JobFolder, Network, Running, Worker,
	command::planck,
	job::{JobToml, PRICE},
	network::{account, id},
	process,
	scenarios::{self, Scenario},
};
use tessera_primitives::{Balance, JobId};

/// Workgroups that take seconds on a software device.
const SECONDS: [u32; 3] = [1, 6000, 1];
/// What the protocol takes of a price.
const CUT: Balance = PRICE / 50;
/// What a first task in a row that is late costs its provider.
const LATE: Balance = PRICE / 10;

/// Starts buying a job, and waits until the chain has it.
async fn submit(network: &Network, tenant: &str, folder: &JobFolder) -> Result<(Running, JobId)> {
	let running = network.person(tenant).start(&["job", "submit", &folder.job()])?;
	let mut job = None;
	network
		.until(&format!("the job of {tenant} is submitted"), async || {
			let values = running.values()?;
			let submitted = values.iter().find(|value| value["event"] == "submitted");
			job = submitted.map(|value| id(value, "job")).transpose()?;
			Ok(job.is_some())
		})
		.await?;
	Ok((running, job.context("it was submitted")?))
}

/// Who holds a task of the job now.
async fn holder(network: &Network, job: JobId) -> Result<Option<AccountId>> {
	let tasks = network.tasks(job).await?;
	Ok(tasks.iter().find_map(|task| match &task.state {
		TaskState::Accepted { provider, .. } => Some(*provider),
		_ => None,
	}))
}

/// Waits until the worker computes a task of the job, kills it with what it has started, and makes sure that it was in
/// the middle of the task: the GPU process ran, the worker said so, and the chain has no claim.
async fn kill_mid_task(network: &Network, worker: &mut Worker, job: JobId) -> Result<()> {
	let provider = account(worker.owner())?;
	let mut gpu = None;
	network
		.until(&format!("{}'s worker computes", worker.owner()), async || {
			let status = worker.status().await?;
			let tasks =
				status["worker"]["tasks"].as_array().with_context(|| format!("no tasks in {status}"))?;
			let runs =
				tasks.iter().any(|task| task["job"] == format!("{job:?}") && task["stage"] == "running");
			gpu = worker.gpu_process();
			Ok(runs && gpu.is_some())
		})
		.await?;
	worker.kill();
	let gpu = gpu.context("it computes")?;
	network.until("the GPU process has gone with its worker", async || Ok(!process::exists(gpu))).await?;
	ensure!(
		holder(network, job).await? == Some(provider),
		"the task was finished before the worker was killed"
	);
	Ok(())
}

async fn restarted(network: &Network, worker: &mut Worker) -> Result<()> {
	let toml = JobToml { tasks: 2, dispatch: SECONDS, ..Default::default() };
	let folder = JobFolder::write(&network.folder().join("restarted"), "restarted", toml)?;
	let before = network.books(&["//Dave", "//Bob"]).await?;
	let (running, job) = submit(network, "//Dave", &folder).await?;
	kill_mid_task(network, worker, job).await?;
	// Some blocks without it.
	tokio::time::sleep(Duration::from_secs(3)).await;
	worker.start()?;

	let said = running.end().await?.expect(0)?;
	ensure!(said.last()?["settled"] == 2, "{:?}", said.last()?);
	for task in network.tasks(job).await? {
		ensure!(task.attempt == 0 && task.barred.is_empty(), "it was never given up: {task:?}");
	}
	for (what, number) in
		[("accepted", 2), ("claimed", 2), ("settled", 2), ("expired", 0), ("handed_back", 0)]
	{
		let found = said.happened(what);
		ensure!(found.len() == number, "{what} {} times instead of {number}: {found:?}", found.len());
	}
	let after = network.books(&["//Dave", "//Bob"]).await?;
	let earned = after.gain(&before, "//Bob");
	ensure!(earned == (2 * (PRICE - CUT)) as i128, "two tasks are paid once each: {earned}");
	Ok(())
}

async fn gone(network: &Network, workers: &mut [Worker]) -> Result<()> {
	let toml = JobToml { dispatch: SECONDS, execution: 20, lifetime: 300, ..Default::default() };
	let folder = JobFolder::write(&network.folder().join("gone"), "gone", toml)?;
	let people = ["//Ferdie", "//Charlie", "//Eve"];
	let before = network.books(&people).await?;
	let (running, job) = submit(network, "//Ferdie", &folder).await?;
	network.until("somebody takes the task", async || Ok(holder(network, job).await?.is_some())).await?;
	let first = holder(network, job).await?.context("somebody has it")?;
	let is_first = |worker: &&mut Worker| account(worker.owner()).is_ok_and(|account| account == first);
	let killed = workers.iter_mut().find(is_first).context("one of the workers has it")?;
	kill_mid_task(network, killed, job).await?;
	let killed = killed.owner().to_owned();
	let other =
		workers.iter().map(Worker::owner).find(|owner| *owner != killed).context("there is another")?;

	let said = running.end().await?.expect(0)?;
	let expired = said.happened("expired");
	ensure!(expired.len() == 1 && expired[0]["provider"] == first.to_string(), "{expired:?}");
	let settled = said.happened("settled");
	ensure!(settled.len() == 1 && settled[0]["provider"] == account(other)?.to_string(), "{settled:?}");
	ensure!(planck(&settled[0]["paid"])? == PRICE - CUT, "{settled:?}");
	let tasks = network.tasks(job).await?;
	ensure!(tasks[0].attempt == 1 && tasks[0].barred == [first], "{tasks:?}");

	let after = network.books(&people).await?;
	ensure!(after.gain(&before, &killed) == -(LATE as i128), "being late costs a tenth of the price");
	ensure!(after.gain(&before, other) == (PRICE - CUT) as i128, "the other one is paid");
	let spent = PRICE + said.fees()?;
	let deposits = after.accounts["//Ferdie"].total() as i128 - before.accounts["//Ferdie"].total() as i128;
	ensure!(deposits == -(spent as i128), "the tenant pays the price once, and fees");
	Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_should_be_done_and_paid_once_when_workers_are_killed_in_the_middle() {
	let network = Network::start().await.unwrap();
	let (dave, ferdie) = (account("//Dave").unwrap().to_string(), account("//Ferdie").unwrap().to_string());
	let (dave, ferdie) = (["--allow-tenant", &dave], ["--allow-tenant", &ferdie]);
	let (one, two) =
		tokio::join!(network.workers(&["//Bob"], &dave), network.workers(&["//Charlie", "//Eve"], &ferdie),);
	let (mut one, mut two) = (one.unwrap(), two.unwrap());
	let everybody = ["//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie"];
	let before = network.books(&everybody).await.unwrap();
	scenarios::all(vec![
		Scenario::new(
			"task_should_be_claimed_exactly_once_when_its_worker_is_killed_and_restarted",
			restarted(&network, &mut one[0]),
		),
		Scenario::new(
			"task_should_go_to_another_provider_when_its_worker_never_comes_back",
			gone(&network, &mut two),
		),
	])
	.await;
	let after = network.books(&everybody).await.unwrap();
	after.add_up(&before).unwrap();
	assert_eq!(after.burnt(&before).unwrap(), LATE);
}
