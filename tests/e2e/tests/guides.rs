// SPDX-License-Identifier: Apache-2.0

//! The commands in the guides and in the examples' descriptions are run as they stand.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use tessera_e2e::{
	Network, PATIENCE,
	guide::{blocks, script},
	process::{Process, binaries},
	scenarios,
};

fn repository() -> &'static Path {
	Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// In which folder the commands of a document run.
#[derive(PartialEq, Eq)]
enum Place {
	/// An empty one.
	Empty,
	/// One that looks like the root of the repository, as far as examples go.
	Root,
}

/// Runs the commands of a document in a shell with the variables that the documents name.
async fn run(network: &Network, document: &str, place: Place, account: Option<&str>) -> Result<()> {
	let text = fs::read_to_string(repository().join(document)).with_context(|| document.to_owned())?;
	let blocks = blocks(&text).with_context(|| document.to_owned())?;
	ensure!(!blocks.is_empty(), "{document} has no commands");
	let name = document.replace('/', "-");
	let home = network.new_folder(&format!("documents/{name}"))?;
	let file = home.join("script");
	fs::write(&file, script(document, &blocks))?;
	let here = home.join("here");
	fs::create_dir(&here)?;
	if place == Place::Root {
		std::os::unix::fs::symlink(repository().join("examples").canonicalize()?, here.join("examples"))?;
	}

	let path = std::env::join_paths(
		[binaries().to_path_buf()]
			.into_iter()
			.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
	)?;
	let mut command = Command::new("bash");
	command.arg(&file).current_dir(&here).env("PATH", path).env("HOME", &home);
	for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "TESSERA_ACCOUNT", "TESSERA_WORKER_CONFIG"] {
		command.env_remove(variable);
	}
	command.env("TESSERA_URL", network.node.url()).env("TESSERA_DATA_DIR", home.join("data"));
	command.env("TESSERA_LISTEN", "127.0.0.1:0").env("LISTEN", "127.0.0.1");
	if let Some(account) = account {
		command.env("TESSERA_ACCOUNT", account);
	}
	for variable in ["RPC", "P2P", "FOLLOWER_RPC", "FOLLOWER_P2P"] {
		command.env(variable, free_port()?.to_string());
	}
	let log = network.logs().join(format!("{name}.log"));
	let mut shell = Process::start(command, &log, None)?;
	let status =
		shell.wait(PATIENCE).await.with_context(|| format!("{document} does not end:\n{}", shell.log()))?;
	ensure!(status.success(), "{document} ended with {status}:\n{}", shell.log());
	ensure!(shell.log().ends_with("### done\n"), "{document} ended early:\n{}", shell.log());
	Ok(())
}

/// A port of 127.0.0.1 that is free now, below those that outgoing connections take.
fn free_port() -> Result<u16> {
	use std::{
		net::TcpListener,
		sync::atomic::{AtomicU16, Ordering},
	};
	static NEXT: AtomicU16 = AtomicU16::new(20_000);
	loop {
		let port = NEXT.fetch_add(7, Ordering::Relaxed);
		ensure!(port < 32_000, "there is no free port between 20000 and 32000");
		if TcpListener::bind(("127.0.0.1", port)).is_ok() {
			return Ok(port);
		}
	}
}

async fn guide_for_tenants_should_work_as_it_stands_when_there_are_workers(network: &Network) -> Result<()> {
	run(network, "docs/guide-tenants.md", Place::Empty, None).await
}

/// The guide's worker asks for more than the other documents' jobs pay: it ends before they do, and with it what it would
/// have to serve.
async fn guide_for_providers_should_work_as_it_stands_when_there_is_a_network(
	network: &Network,
) -> Result<()> {
	run(network, "docs/guide-providers.md", Place::Empty, None).await
}

async fn guide_for_validators_should_work_as_it_stands_when_it_starts_a_network(
	network: &Network,
) -> Result<()> {
	run(network, "docs/guide-validators.md", Place::Empty, None).await
}

async fn digits_readme_should_work_as_it_stands_when_there_are_workers(network: &Network) -> Result<()> {
	run(network, "examples/digits/README.md", Place::Root, Some("//Dave")).await
}

async fn mandelbrot_readme_should_work_as_it_stands_when_there_are_workers(network: &Network) -> Result<()> {
	run(network, "examples/mandelbrot/README.md", Place::Root, Some("//Eve")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_in_documents_should_work_when_they_are_run_as_they_stand() {
	let network = Network::start().await.unwrap();
	let _workers = network.workers(&["//Bob", "//Charlie"], &[]).await.unwrap();
	scenarios!(
		&network;
		digits_readme_should_work_as_it_stands_when_there_are_workers,
		guide_for_providers_should_work_as_it_stands_when_there_is_a_network,
		guide_for_tenants_should_work_as_it_stands_when_there_are_workers,
		guide_for_validators_should_work_as_it_stands_when_it_starts_a_network,
		mandelbrot_readme_should_work_as_it_stands_when_there_are_workers,
	);
}
