// SPDX-License-Identifier: Apache-2.0

//! Jobs that cannot be done, and mistakes that people make: each has a defined end, and no planck is lost.

use anyhow::{Result, ensure};
use serde_json::Value;
use tessera_e2e::{
	Ending, JobFolder, Network, Person,
	job::{ENDLESS, ENDLESS_DISPATCH, GREEDY, JobToml, PRICE},
	network::id,
	scenarios,
};
use tessera_primitives::{Balance, JobId, api::TaskCounts, job::EndReason};

const PROVIDERS: [&str; 2] = ["//Bob", "//Charlie"];
const EVERYBODY: [&str; 8] =
	["//Bob", "//Charlie", "//Dave", "//Eve", "//Ferdie", "//Bob//stash", "//Dave//stash", "//Eve//stash"];

/// What tenant and provider lose each when a task of this price is handed back: a hundredth, rounded up.
fn handed_back(price: Balance) -> Balance {
	price.div_ceil(100)
}

/// What a tenant loses when two providers hand a task back: the second price is at most what is left in escrow.
fn handed_back_twice() -> Balance {
	let first = handed_back(PRICE);
	first + handed_back(PRICE - first)
}

fn folder(network: &Network, name: &str, job: JobToml) -> Result<JobFolder> {
	JobFolder::write(&network.folder().join("jobs").join(name), name, job)
}

/// Submits a job whose inputs nobody serves, and returns its id and what was paid for transactions, planck.
async fn submit_unserved(tenant: &Person, folder: &JobFolder) -> Result<(JobId, Balance)> {
	let said = tenant.tessera(&["job", "submit", &folder.job(), "--detach", "--no-serve"]).await?;
	Ok((id(said.last()?, "job")?, said.fees()?))
}

/// Waits until a job of one task has ended for this reason, removes its record, and checks that its tenant has lost what
/// was expected, and nothing is on hold any more. `fees` are those paid before.
async fn check_end(
	network: &Network,
	tenant: &Person,
	before: i128,
	job: JobId,
	(reason, burnt, fees): (EndReason, Balance, Balance),
	folder: &JobFolder,
) -> Result<()> {
	let info = network.until_job(job, "has ended", |job| job.ended_at.is_some()).await?;
	ensure!(info.counts == TaskCounts { failed: 1, ..Default::default() }, "{info:?}");
	ensure!(info.escrow == 0, "{info:?}");
	let text = format!("{job:?}");
	let shown = tenant.tessera(&["job", "show", &text]).await?;
	let task = &shown.last()?["task_list"][0];
	ensure!(task["state"] == "ended" && task["reason"] == serde_json::to_value(reason)?, "{task}");
	let cleaned = tenant.tessera(&["job", "clean-up", &text]).await?;
	let retired = tenant.tessera(&["program", "retire", &folder.program()]).await?;
	let spent = burnt + fees + cleaned.fees()? + retired.fees()?;
	let (total, on_hold) = balance(network, tenant).await?;
	ensure!(total == before - spent as i128, "spent {} instead of {burnt} and fees", before - total);
	ensure!(on_hold == 0, "{on_hold} planck are still on hold");
	Ok(())
}

/// What somebody has in all, and on hold, planck.
async fn balance(network: &Network, person: &Person) -> Result<(i128, Balance)> {
	let books = network.books(&[person.account()]).await?;
	let balance = &books.accounts[person.account()];
	Ok((i128::try_from(balance.total())?, balance.on_hold))
}

/// The tenant submits a job and never serves its inputs. Both providers hand it back, and it ends with its lifetime.
async fn missing_inputs_should_end_with_the_jobs_lifetime_when_nobody_serves_them(
	network: &Network,
) -> Result<()> {
	let folder = folder(network, "missing", JobToml { execution: 16, lifetime: 60, ..Default::default() })?;
	let tenant = network.person("//Dave");
	let (before, _) = balance(network, &tenant).await?;
	let (job, fees) = submit_unserved(&tenant, &folder).await?;
	let watched = tenant.run(&["job", "watch", &format!("{job:?}")]).await?.expect(6)?;
	let back = watched.happened("handed_back");
	ensure!(back.len() == PROVIDERS.len(), "every provider hands it back once: {back:?}");
	ensure!(watched.last()?["reasons"]["lifetime_over"] == 1, "{:?}", watched.last()?);
	let expected = (EndReason::LifetimeOver, handed_back_twice(), fees);
	check_end(network, &tenant, before, job, expected, &folder).await
}

/// A tenant who sees that need not wait for the lifetime.
async fn missing_inputs_should_be_refunded_when_the_tenant_cancels(network: &Network) -> Result<()> {
	let folder =
		folder(network, "cancelled", JobToml { execution: 16, lifetime: 1000, ..Default::default() })?;
	let tenant = network.person("//Eve//stash");
	let (before, _) = balance(network, &tenant).await?;
	let (job, fees) = submit_unserved(&tenant, &folder).await?;
	network
		.until("both providers have handed the task back", async || {
			Ok(network.tasks(job).await?[0].barred.len() == PROVIDERS.len())
		})
		.await?;
	let cancelled = tenant.tessera(&["job", "cancel", &format!("{job:?}")]).await?;
	let expected = (EndReason::Cancelled, handed_back_twice(), fees + cancelled.fees()?);
	check_end(network, &tenant, before, job, expected, &folder).await
}

/// A shader that never ends is killed by both workers, and the second report ends the task.
async fn endless_shader_should_end_as_faulted_when_two_providers_report_it(network: &Network) -> Result<()> {
	let toml = JobToml {
		wgsl: ENDLESS,
		dispatch: ENDLESS_DISPATCH,
		execution: 24,
		lifetime: 1000,
		..Default::default()
	};
	let folder = folder(network, "endless", toml)?;
	let tenant = network.person("//Eve");
	let (before, _) = balance(network, &tenant).await?;
	let said = tenant.run(&["job", "submit", &folder.job()]).await?.expect(6)?;
	let job = id(said.last()?, "job")?;
	ensure!(said.last()?["reasons"]["faulted"] == 1, "{:?}", said.last()?);
	let expected = (EndReason::Faulted, handed_back_twice(), said.fees()?);
	check_end(network, &tenant, before, job, expected, &folder).await
}

/// A shader that asks for too much memory is refused by the command and, when it comes to the chain in another way, by
/// every worker, before a GPU sees it.
async fn greedy_shader_should_be_refused_by_command_and_workers_when_it_asks_for_too_much_memory(
	network: &Network,
) -> Result<()> {
	let folder = folder(network, "greedy", JobToml { wgsl: GREEDY, ..Default::default() })?;
	let tenant = network.person("//Ferdie");
	let (before, _) = balance(network, &tenant).await?;
	let refused = tenant.run(&["job", "submit", &folder.job()]).await?.expect(3)?;
	ensure!(refused.error()?.contains("workgroup"), "{refused:?}");
	ensure!(balance(network, &tenant).await? == (before, 0), "nothing was paid for a refusal");

	let (job, served, fees) = folder.submit_unchecked(&network.chain, tenant.account()).await?;
	let expected = (EndReason::Faulted, handed_back_twice(), fees);
	let checked = check_end(network, &tenant, before, job, expected, &folder).await;
	served.shutdown().await;
	checked
}

/// A job whose buffers are larger than any GPU's memory is taken by nobody, and refunded to the last planck.
async fn job_should_be_refunded_when_no_provider_has_the_memory(network: &Network) -> Result<()> {
	let gigabytes =
		JobToml { output_bytes: (1 << 31) - 4, execution: 100, lifetime: 15, ..Default::default() };
	let folder = folder(network, "gigabytes", gigabytes)?;
	// The output is what an adapter can bind at most; the program may ask for more than it has.
	let manifest = std::fs::read_to_string(folder.job())?;
	std::fs::write(folder.job(), format!("{manifest}\n[requirements]\nmemory = \"1024 TiB\"\n"))?;
	let tenant = network.person("//Bob//stash");
	let (before, _) = balance(network, &tenant).await?;
	let said = tenant.run(&["job", "submit", &folder.job()]).await?.expect(6)?;
	ensure!(said.stderr.contains("no provider"), "the tenant is warned: {}", said.stderr);
	ensure!(said.last()?["reasons"]["lifetime_over"] == 1, "{:?}", said.last()?);
	let job = id(said.last()?, "job")?;
	let quote = tenant.tessera(&["job", "quote", &folder.job()]).await?;
	ensure!(quote.last()?["eligible_providers"] == 0, "{:?}", quote.last()?);
	let expected = (EndReason::LifetimeOver, 0, said.fees()?);
	check_end(network, &tenant, before, job, expected, &folder).await
}

/// The same client id pays once, however often and at the same time the job is submitted.
async fn job_should_be_paid_once_when_it_is_submitted_twice_with_one_client_id(
	network: &Network,
) -> Result<()> {
	let folder = folder(network, "twice", JobToml::default())?;
	let tenant = network.person("//Dave//stash");
	let (before, _) = balance(network, &tenant).await?;
	let client_id = "42".repeat(32);
	let arguments = ["job", "submit", &folder.job(), "--client-id", &client_id];
	let first = tenant.start(&arguments)?;
	network
		.until("the job is submitted", async || {
			Ok(first.values()?.iter().any(|value| value["event"] == "submitted"))
		})
		.await?;
	let (first, second) = tokio::join!(first.end(), tenant.run(&arguments));
	let third = tenant.tessera(&arguments).await?;
	let (first, second) = (first?.expect(0)?, second?.expect(0)?);
	let attached = |said: &Ending| said.values.iter().any(|value| value["event"] == "attached");
	ensure!(!attached(&first) && attached(&second) && attached(&third), "{second:?} {third:?}");
	let jobs: Vec<&Value> =
		[&first, &second, &third].iter().filter_map(|said| Some(&said.last().ok()?["job"])).collect();
	ensure!(jobs.len() == 3 && jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");
	ensure!(second.fees()? == 0 && third.fees()? == 0, "nothing is paid again");

	// Another job with the same id is none.
	let manifest = std::fs::read_to_string(folder.job())?.replace("lifetime = 1000", "lifetime = 999");
	std::fs::write(folder.job(), manifest)?;
	let other = tenant.run(&arguments).await?.expect(4)?;
	ensure!(other.error()?.contains("client id"), "{other:?}");

	let (total, _) = balance(network, &tenant).await?;
	let spent = PRICE + first.fees()?;
	ensure!(total == before - spent as i128, "spent {} instead of {spent}", before - total);
	Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_job_should_have_its_defined_end_when_two_workers_meet_it() {
	let network = Network::start().await.unwrap();
	let mut workers = network.workers(&PROVIDERS, &[]).await.unwrap();
	let before = network.books(&EVERYBODY).await.unwrap();
	scenarios!(
		&network;
		endless_shader_should_end_as_faulted_when_two_providers_report_it,
		greedy_shader_should_be_refused_by_command_and_workers_when_it_asks_for_too_much_memory,
		job_should_be_paid_once_when_it_is_submitted_twice_with_one_client_id,
		job_should_be_refunded_when_no_provider_has_the_memory,
		missing_inputs_should_be_refunded_when_the_tenant_cancels,
		missing_inputs_should_end_with_the_jobs_lifetime_when_nobody_serves_them,
	);
	let after = network.books(&EVERYBODY).await.unwrap();
	after.add_up(&before).unwrap();
	// Four tasks were handed back by both providers, at the cost of tenants and providers.
	let providers: Balance = 4 * (handed_back(PRICE) + handed_back(PRICE - handed_back(PRICE)));
	assert_eq!(after.burnt(&before).unwrap(), 4 * handed_back_twice() + providers);
	assert!(workers.iter_mut().all(|worker| worker.is_running()), "no job harms a worker");
}
