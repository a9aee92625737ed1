// SPDX-License-Identifier: Apache-2.0

//! The examples, bought and paid for on a real network.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tessera_e2e::{
	Books, Network, Person,
	command::planck,
	network::{account, id},
	process::binary,
	scenarios,
};
use tessera_primitives::Balance;

const PROVIDERS: [&str; 2] = ["//Bob", "//Charlie"];
const EVERYBODY: [&str; 4] = ["//Bob", "//Charlie", "//Dave", "//Eve"];

/// What became of a job.
struct Bought {
	/// What the tenant paid for tasks, the protocol's cut included, planck.
	price: Balance,
	/// What the tenant paid for transactions, planck.
	fees: Balance,
	/// What each of [`PROVIDERS`] got, planck.
	paid: [Balance; 2],
	/// What the protocol got, planck.
	cut: Balance,
}

/// A file of the repository.
fn repository(path: &str) -> String {
	format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs one of the examples' commands, which must succeed. Returns what it wrote.
fn look(name: &str, arguments: &[&str]) -> Result<String> {
	let out = Command::new(binary(name)).args(arguments).output()?;
	let text = String::from_utf8(out.stdout)?;
	ensure!(
		out.status.success(),
		"{name} ended with {}: {text}{}",
		out.status,
		String::from_utf8_lossy(&out.stderr)
	);
	Ok(text)
}

/// Buys a job, fetches its outputs after its end, and cleans up.
async fn buy(tenant: &Person, manifest: &str, outputs: &Path) -> Result<Bought> {
	let said = tenant.tessera(&["job", "submit", manifest]).await?;
	let providers = [account(PROVIDERS[0])?.to_string(), account(PROVIDERS[1])?.to_string()];
	let (mut paid, mut cut) = ([0; 2], 0);
	for settled in said.happened("settled") {
		let who = providers.iter().position(|provider| settled["provider"] == **provider);
		paid[who.with_context(|| format!("somebody else was paid: {settled}"))?] += planck(&settled["paid"])?;
		cut += planck(&settled["cut"])?;
	}
	let ended = said.last()?;
	ensure!(ended["event"] == "ended" && ended["settled"] == 12 && ended["failed"] == 0, "{ended}");
	let job = format!("{:?}", id(ended, "job")?);

	let folder = outputs.to_str().context("the folder's name is text")?;
	let fetched = tenant.tessera(&["job", "fetch", &job, "--out", folder]).await?;
	ensure!(fetched.last()?["fetched"] == 12 && fetched.last()?["failed"] == 0, "{fetched:?}");
	// What is there is not fetched again.
	let again = tenant.tessera(&["job", "fetch", &job, "--out", folder]).await?;
	let present = again.values.iter().filter(|value| value["event"] == "fetched" && value["present"] == true);
	ensure!(present.count() == 12, "{again:?}");

	let cleaned = tenant.tessera(&["job", "clean-up", &job]).await?;
	ensure!(planck(&cleaned.last()?["deposit"])? > 0, "{cleaned:?}");
	let program = Path::new(manifest).with_file_name("program.toml");
	let retired = tenant.tessera(&["program", "retire", program.to_str().context("text")?]).await?;
	let fees = said.fees()? + cleaned.fees()? + retired.fees()?;
	Ok(Bought { price: planck(&ended["paid"])?, fees, paid, cut })
}

/// Balances before and after add up to the last planck, for everybody and in all.
fn check_books(before: &Books, after: &Books, tenants: &[(&str, &Bought)]) -> Result<()> {
	after.add_up(before)?;
	ensure!(after.burnt(before)? == 0, "nothing went wrong, so nothing is burnt");
	for (tenant, bought) in tenants {
		let spent = bought.price + bought.fees;
		ensure!(
			after.gain(before, tenant) == -(spent as i128),
			"{tenant} spent {spent}: {before:#?} {after:#?}"
		);
		ensure!(after.accounts[*tenant].on_hold == 0, "everything is refunded: {after:#?}");
		let shares: Balance = bought.paid.iter().sum();
		ensure!(bought.price == shares + bought.cut, "a price is the provider's share and the cut");
	}
	for (number, provider) in PROVIDERS.iter().enumerate() {
		let earned: Balance = tenants.iter().map(|(_, bought)| bought.paid[number]).sum();
		ensure!(after.gain(before, provider) == earned as i128, "{provider} earned {earned}");
	}
	let (cut, fees) = tenants.iter().fold((0, 0), |sum, (_, b)| (sum.0 + b.cut, sum.1 + b.fees));
	let others = after.gain(before, "treasury") + after.gain(before, "//Alice");
	ensure!(others == (cut + fees) as i128, "the treasury and the author of blocks got {cut} and {fees}");
	Ok(())
}

async fn digits(network: &Network) -> Result<Bought> {
	let outputs = network.new_folder("digits")?;
	let bought = buy(&network.person("//Dave"), &repository("examples/digits/job.toml"), &outputs).await?;
	ensure!(bought.paid.iter().all(|paid| *paid > 0), "both workers are paid: {:?}", bought.paid);
	let report =
		look("tessera-digits", &["report", "--json", "--outputs", outputs.to_str().context("text")?])?;
	let report: Value = serde_json::from_str(&report)?;
	let accuracy = report["accuracy"].as_f64().with_context(|| format!("no accuracy in {report}"))?;
	ensure!(accuracy >= 0.95, "{report}");
	Ok(bought)
}

async fn mandelbrot(network: &Network) -> Result<Bought> {
	let outputs = network.new_folder("mandelbrot")?;
	let bought = buy(&network.person("//Eve"), &repository("examples/mandelbrot/job.toml"), &outputs).await?;
	let (outputs, png) = (outputs.to_str().context("text")?, network.folder().join("mandelbrot.png"));
	let said = look(
		"tessera-mandelbrot",
		&["render", "--outputs", outputs, "--png", png.to_str().context("text")?],
	)?;
	ensure!(said.contains("agree with the CPU reference"), "{said}");
	let picture = std::fs::read(&png)?;
	ensure!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "a PNG of {} bytes", picture.len());
	Ok(bought)
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_should_compute_and_be_paid_to_the_last_planck_when_two_workers_share_them() {
	let network = Network::start().await.unwrap();
	let _workers = network.workers(&PROVIDERS, &[]).await.unwrap();
	let before = network.books(&EVERYBODY).await.unwrap();
	let (digits, mandelbrot) = tokio::join!(
		scenarios::named("digits_should_be_recognised_when_two_workers_share_them", digits(&network)),
		scenarios::named(
			"mandelbrot_should_become_a_picture_when_two_workers_share_it",
			mandelbrot(&network)
		),
	);
	let (digits, mandelbrot) = (digits.unwrap(), mandelbrot.unwrap());
	let after = network.books(&EVERYBODY).await.unwrap();
	check_books(&before, &after, &[("//Dave", &digits), ("//Eve", &mandelbrot)]).unwrap();
}
