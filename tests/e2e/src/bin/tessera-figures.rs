// SPDX-License-Identifier: Apache-2.0

//! Measures a local network of real processes and prints a Markdown table. `scripts/bench.sh` puts it into
//! docs/benchmarks.md.

use std::{fs, io::Write, path::Path, time::Instant};

use anyhow::{Context, Result};
use tessera_client::blobs::{BlobConfig, BlobNode, FetchOptions, FileMode};
use tessera_e2e::{JobFolder, Network, adapter, job::JobToml, process::binary};
use tessera_primitives::job::TaskState;
use tessera_worker::supervise::Supervisor;

/// Jobs submitted one after another.
const JOBS: usize = 8;
/// Runs of the GPU process.
const RUNS: usize = 20;
/// MiB of the blob that is moved.
const BLOB_MIB: usize = 512;
/// Transfers of it, each to a new store.
const TRANSFERS: usize = 3;

/// A trivial kernel: one word in, one word out.
const TRIVIAL: &str = "
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(1)
fn main() {
	result[0] = source[0] + 1u;
}
";

#[tokio::main]
async fn main() -> Result<()> {
	println!("| figure | goal | minimum | median | maximum |");
	println!("| --- | ---: | ---: | ---: | ---: |");
	let folder = tempfile::tempdir()?;
	row("job submitted to claimed, blocks", "at most 3", latencies().await?);
	row(
		"worker's overhead per task beside the GPU's work, ms",
		"at most 50",
		overheads(folder.path()).await?,
	);
	row("blob transfer on loopback, MiB/s", "at least 200", transfers(folder.path()).await?);
	Ok(())
}

fn row(name: &str, goal: &str, mut values: Vec<f64>) {
	values.sort_by(f64::total_cmp);
	let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
	println!("| {name} | {goal} | {least:.0} | {median:.0} | {most:.0} |");
}

/// Blocks from the one that includes a job to the one that includes its claim: one task of a trivial kernel, opening
/// price at the ceiling, one worker, an idle network of slots of a second. (On an idle network a tick is a block.)
async fn latencies() -> Result<Vec<f64>> {
	let network = Network::start().await?;
	let _worker = network.workers(&["//Bob"], &[]).await?;
	let mut blocks = Vec::new();
	for number in 0..JOBS {
		let toml =
			JobToml { wgsl: TRIVIAL, tasks: 1, output_bytes: 4, dispatch: [1; 3], ..Default::default() };
		let name = format!("trivial-{number}");
		let job = JobFolder::write(&network.folder().join(&name), &name, toml)?;
		let (id, serving, _) = job.submit_unchecked(&network.chain, "//Dave").await?;
		network.until_job(id, "its task is claimed", |job| job.counts.claimed == 1).await?;
		let submitted = network.job(id).await?.submitted_at;
		let task = network.tasks(id).await?.pop().context("the job has a task")?;
		let TaskState::Claimed { at, .. } = task.state else { anyhow::bail!("settled too soon: {task:?}") };
		blocks.push(f64::from(at - submitted));
		serving.shutdown().await;
	}
	Ok(blocks)
}

/// Milliseconds that a task takes in the worker beside the GPU's work: starting the child and its limits, opening the
/// device, admission, compiling, reading back, hashing and handing over; without the dispatch itself.
async fn overheads(folder: &Path) -> Result<Vec<f64>> {
	let scratch = folder.join("scratch");
	fs::create_dir_all(&scratch)?;
	let supervisor = Supervisor::with_executable(binary("tessera-worker"), scratch);
	let selector = adapter().parse().map_err(anyhow::Error::msg)?;
	let mut values = Vec::new();
	for _ in 0..RUNS {
		let began = Instant::now();
		let report = supervisor.health_probe(&selector).await.map_err(|e| anyhow::anyhow!("{e:?}"))?;
		let gpu: u64 = report.stages.iter().map(|stage| stage.wall_us).sum();
		values.push(began.elapsed().as_secs_f64() * 1e3 - gpu as f64 / 1e3);
	}
	Ok(values)
}

/// MiB per second from one node's store on disk to another's, verified.
async fn transfers(folder: &Path) -> Result<Vec<f64>> {
	let path = folder.join("blob");
	let mut file = fs::File::create(&path)?;
	for block in 0..BLOB_MIB as u32 {
		let word = block.wrapping_mul(2_654_435_761).to_le_bytes();
		file.write_all(&word.repeat((1 << 20) / word.len()))?;
	}
	drop(file);
	let from = BlobNode::open(BlobConfig::local(folder.join("from"))).await?;
	let blob = from.add_file("figures", &path, FileMode::Reference).await?;
	let mut values = Vec::new();
	for number in 0..TRANSFERS {
		let to = BlobNode::open(BlobConfig::local(folder.join(format!("to-{number}")))).await?;
		let began = Instant::now();
		to.fetch("figures", &blob, &[from.endpoint_info()], FetchOptions::default()).await?;
		values.push(BLOB_MIB as f64 / began.elapsed().as_secs_f64());
		to.shutdown().await;
	}
	from.shutdown().await;
	Ok(values)
}
