// SPDX-License-Identifier: Apache-2.0

//! A node that is killed while a job is worked on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tessera_e2e::{
	JobFolder, Network,
	job::{JobToml, PRICE},
	network::id,
};

const TASKS: u32 = 8;
const EVERYBODY: [&str; 3] = ["//Bob", "//Charlie", "//Dave"];

async fn buy(network: &mut Network) -> Result<()> {
	let toml = JobToml { tasks: TASKS, dispatch: [1, 800, 1], ..Default::default() };
	let folder = JobFolder::write(&network.folder().join("job"), "node", toml)?;
	let before = network.books(&EVERYBODY).await?;
	let running = network.person("//Dave").start(&["job", "submit", &folder.job()])?;
	let mut job = None;
	network
		.until("some tasks are claimed and others are not", async || {
			let values = running.values()?;
			let progress = values.iter().rfind(|value| value["event"] == "progress");
			let Some(progress) = progress else { return Ok(false) };
			job = Some(id(progress, "job")?);
			let counts = &progress["counts"];
			ensure!(counts["claimed"] != TASKS, "too fast to be interrupted: {progress}");
			Ok(counts["claimed"].as_u64() > Some(0))
		})
		.await?;
	let job = job.context("it was submitted")?;

	network.node.kill()?;
	tokio::time::sleep(Duration::from_secs(2)).await;
	network.node.restart().await?;

	let said = running.end().await?.expect(0)?;
	ensure!(said.last()?["settled"] == TASKS, "{:?}", said.last()?);
	let info = network.job(job).await?;
	ensure!(info.counts.settled == TASKS && info.escrow == 0, "{info:?}");
	let after = network.books(&EVERYBODY).await?;
	after.add_up(&before)?;
	ensure!(after.burnt(&before)? == 0, "nobody was at fault");
	let earned = after.gain(&before, "//Bob") + after.gain(&before, "//Charlie");
	let price = i128::try_from(PRICE)? * i128::from(TASKS);
	ensure!(earned == price - price / 50, "every task is paid once: {earned}");
	Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn job_should_be_finished_and_paid_once_when_the_node_is_killed_and_restarted() {
	let mut network = Network::start().await.unwrap();
	let _workers = network.workers(&["//Bob", "//Charlie"], &[]).await.unwrap();
	buy(&mut network).await.unwrap();
}
