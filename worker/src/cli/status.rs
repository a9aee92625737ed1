// SPDX-License-Identifier: Apache-2.0

//! `tessera-worker status`.

use std::{fmt::Write, time::Duration};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::{Value, json};
use tessera_client::{
	chain::{AccountId, Chain, ConnectOptions, Level, ProviderInfo},
	keys::parse_account,
	manifest::units::{format_amount, format_bytes},
};
use tessera_primitives::{Balance, provider::Availability};

use super::Failure;
use crate::{
	config::{Flags, Settings},
	daemon::home::Home,
	status::{State, Status, unix_now},
};

/// How long the chain may take to answer: the worker's own report is there without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says what the worker does, what it earned, and why it is idle.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
	/// Write it as JSON.
	#[arg(long)]
	json: bool,
	#[command(flatten)]
	flags: Flags,
}

/// The provider as the chain has it.
struct OnChain {
	provider: Option<ProviderInfo>,
	/// What its owner can spend, planck.
	spendable: Balance,
}

pub(super) async fn status(args: StatusArgs) -> Result<(), Failure> {
	let settings = Settings::load(&args.flags)?;
	let home = Home::at(&settings.data_dir);
	let status = Status::read(&home.status());
	let running = home.is_in_use();
	let reported = status.as_ref().and_then(|status| parse_account(&status.provider).ok());
	let account = match settings.provider.or(reported) {
		Some(account) => Some(account),
		None => home.provider()?,
	};
	let Some(account) = account else {
		return Err(Failure::Input(format!(
			"no provider is known in {}: run `tessera-worker register --owner …`, or give --provider or --data-dir",
			home.dir().display()
		)));
	};
	let on_chain = match tokio::time::timeout(PATIENCE * 2, ask(&settings.url, &account)).await {
		Ok(answer) => answer,
		Err(_) => Err(format!("the node at {} does not answer", settings.url)),
	};
	if args.json {
		println!("{}", as_json(running, status.as_ref(), &account, &on_chain));
	} else {
		print!("{}", as_text(running, status.as_ref(), &account, &on_chain));
	}
	Ok(())
}

async fn ask(url: &str, account: &AccountId) -> Result<OnChain, String> {
	let options = ConnectOptions { connect_timeout: PATIENCE, patience: PATIENCE, ..Default::default() };
	let ask = async {
		let view = Chain::connect(url, options).await?.view(Level::Best).await?;
		let provider = view.provider(account).await?;
		let spendable = view.balance(account).await?.spendable(view.existential_deposit()?);
		Ok(OnChain { provider, spendable })
	};
	ask.await.map_err(|error: tessera_client::chain::ChainError| error.to_string())
}

fn as_json(
	running: bool,
	status: Option<&Status>,
	account: &AccountId,
	on_chain: &Result<OnChain, String>,
) -> Value {
	let (provider, error) = match on_chain {
		Ok(OnChain { provider: Some(p), spendable }) => (
			json!({
				"region": p.profile.region.as_str(),
				"availability": p.availability,
				"worker_key": p.worker_key.map(|key| format!("0x{}", hex::encode(key.0))),
				"bond": p.bond.to_string(),
				"collateral": p.collateral.to_string(),
				"unbonding": p.unbonding.iter().map(|(amount, at)| json!({ "amount": amount.to_string(), "at": at })).collect::<Vec<_>>(),
				"active_tasks": p.active_tasks,
				"settled_tasks": p.settled_tasks,
				"expiries": p.expiries,
				"last_heartbeat": p.last_heartbeat,
				"spendable": spendable.to_string(),
			}),
			None,
		),
		Ok(OnChain { provider: None, .. }) => (Value::Null, None),
		Err(error) => (Value::Null, Some(error)),
	};
	let skipped = status.and_then(|status| status.market.as_ref()).map(|market| {
		let texts = market
			.skipped
			.iter()
			.map(|s| json!({ "reason": s.reason, "text": s.reason.to_string(), "tasks": s.tasks }));
		texts.collect::<Vec<_>>()
	});
	json!({
		"provider": account.to_string(),
		"running": running,
		"on_chain": provider,
		"chain_error": error,
		"idle_because": skipped,
		"worker": status,
	})
}

fn as_text(
	running: bool,
	status: Option<&Status>,
	account: &AccountId,
	on_chain: &Result<OnChain, String>,
) -> String {
	let mut text = String::new();
	// Writing to a string cannot fail.
	let _ = describe(&mut text, running, status, account, on_chain);
	text
}

fn describe(
	out: &mut String,
	running: bool,
	status: Option<&Status>,
	account: &AccountId,
	on_chain: &Result<OnChain, String>,
) -> std::fmt::Result {
	writeln!(out, "provider   {account}")?;
	match (running, status) {
		(true, Some(status)) => {
			let up = span(unix_now().saturating_sub(status.started_at));
			let what = match status.state {
				State::Starting => "is starting",
				State::Connecting => "is waiting for its node",
				State::Running | State::Stopped | State::Failed => "runs",
			};
			writeln!(out, "worker     {what}, process {}, version {}, for {up}", status.pid, status.version)?;
		}
		(true, None) => writeln!(out, "worker     is starting")?,
		(false, Some(status)) => {
			let ago = span(unix_now().saturating_sub(status.written_at));
			let how = match status.state {
				State::Stopped => "stopped",
				State::Failed => "failed",
				State::Starting | State::Connecting | State::Running => "was killed or crashed",
			};
			writeln!(out, "worker     does not run: it {how} {ago} ago")?;
		}
		(false, None) => writeln!(out, "worker     does not run: start it with `tessera-worker run`")?,
	}
	if let Some(error) = status.and_then(|status| status.error.as_ref()) {
		writeln!(out, "           {error}")?;
	}
	match on_chain {
		Ok(OnChain { provider: Some(p), spendable }) => {
			let availability = match p.availability {
				Availability::Online => "online",
				Availability::Offline => "offline",
				Availability::Paused => "paused by its owner",
			};
			writeln!(out, "on chain   {availability}, region {}", p.profile.region.as_str())?;
			writeln!(
				out,
				"bond       {}, of it {} locked behind tasks",
				format_amount(p.bond),
				format_amount(p.collateral)
			)?;
			for (amount, at) in &p.unbonding {
				writeln!(out, "           {} unbonding until tick {at}", format_amount(*amount))?;
			}
			writeln!(out, "owner      can spend {}", format_amount(*spendable))?;
			writeln!(
				out,
				"record     {} tasks settled, {} held, {} expiries in a row",
				p.settled_tasks, p.active_tasks, p.expiries
			)?;
		}
		Ok(OnChain { provider: None, .. }) => {
			writeln!(out, "on chain   not a provider: run `tessera-worker register`")?;
		}
		Err(error) => writeln!(out, "on chain   unknown: {error}")?,
	}
	let Some(status) = status else { return Ok(()) };
	if let Some(gpu) = &status.adapter {
		writeln!(
			out,
			"GPU        {} ({}, class {}, {} for buffers)",
			gpu.name,
			gpu.backend,
			gpu.class.name(),
			format_bytes(gpu.memory_bytes)
		)?;
	}
	if let Some(endpoint) = &status.endpoint {
		writeln!(
			out,
			"endpoint   {} at {}",
			&endpoint.key.get(..10).unwrap_or_default(),
			endpoint.addresses.join(", ")
		)?;
	}
	if let (Some(block), Some(tick)) = (status.chain.block, status.chain.tick) {
		let ago = status.chain.seen_at.map_or(0, |at| unix_now().saturating_sub(at));
		writeln!(out, "chain      block {block}, tick {tick}, seen {} ago", span(ago))?;
	}
	let totals = &status.totals;
	let unseen = match totals.unseen {
		0 => String::new(),
		unseen => {
			format!(", and {} before the protocol's cut while the worker was away", format_amount(unseen))
		}
	};
	writeln!(
		out,
		"earned     {} for {} tasks{unseen}; {} handed back, {} lost",
		format_amount(totals.earned),
		totals.settled,
		totals.handed_back,
		totals.lost
	)?;
	for notice in &status.notices {
		writeln!(out, "NOTE       {notice}")?;
	}
	tasks(out, status)?;
	idle(out, status)
}

/// Tasks that fit one screen.
const SHOWN: usize = 12;

fn tasks(out: &mut String, status: &Status) -> std::fmt::Result {
	if status.tasks.is_empty() {
		return Ok(());
	}
	let counts: Vec<String> = status.stages.iter().map(|(stage, count)| format!("{count} {stage}")).collect();
	writeln!(out, "tasks      {}", counts.join(", "))?;
	let mut table = Table::new();
	table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header([
		"job",
		"task",
		"stage",
		"since tick",
		"price",
		"deadline",
		"note",
	]);
	for task in status.tasks.iter().take(SHOWN) {
		let optional = |number: Option<u32>| number.map_or(String::new(), |n| n.to_string());
		table.add_row([
			task.job.get(..10).unwrap_or_default().to_owned(),
			task.task.to_string(),
			task.stage.clone(),
			task.since.to_string(),
			task.price.map_or(String::new(), format_amount),
			optional(task.deadline),
			task.note.clone(),
		]);
	}
	writeln!(out, "\n{}", table.trim_fmt())
}

fn idle(out: &mut String, status: &Status) -> std::fmt::Result {
	let Some(market) = &status.market else {
		return writeln!(out, "\nThe worker has not looked at the market yet.");
	};
	let more = if market.more { ", and there were more" } else { "" };
	writeln!(
		out,
		"\nAt block {} the market had {} open tasks{more}; {} were reached for.",
		market.block, market.open_tasks, market.wanted
	)?;
	for skipped in &market.skipped {
		writeln!(out, "  {:>6}  {}", skipped.tasks, skipped.reason)?;
	}
	Ok(())
}

/// A span of time for people.
fn span(seconds: u64) -> String {
	match seconds {
		0..=119 => format!("{seconds} s"),
		120..=7199 => format!("{} min", seconds / 60),
		7200..=172_799 => format!("{} h", seconds / 3600),
		_ => format!("{} days", seconds / 86_400),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{
		journal::Totals,
		policy::Skip,
		status::{ChainStatus, MarketStatus, TaskStatus},
	};
	use tessera_primitives::{EndpointInfo, Region, TESS, provider::Profile};

	fn on_chain() -> OnChain {
		let provider = ProviderInfo {
			account: [1; 32].into(),
			profile: Profile {
				region: Region(*b"DE"),
				endpoint: EndpointInfo { key: [0; 32], addresses: Default::default() },
				adapters: Default::default(),
			},
			worker_key: None,
			availability: Availability::Online,
			bond: 100 * TESS,
			collateral: TESS / 2,
			unbonding: vec![(TESS, 900)],
			active_tasks: 1,
			settled_tasks: 41,
			expiries: 0,
			accept_counter: 0,
			last_heartbeat: Some(5),
		};
		OnChain { provider: Some(provider), spendable: 7 * TESS }
	}

	fn status() -> Status {
		let mut market = MarketStatus { block: 60, open_tasks: 14, wanted: 1, ..Default::default() };
		market.add_skipped([Skip::Region; 1]);
		market.add_skipped([Skip::PriceBelowFloor; 12]);
		Status {
			version: "1.0".into(),
			pid: 77,
			state: State::Running,
			started_at: unix_now() - 300,
			chain: ChainStatus {
				block: Some(61),
				tick: Some(58),
				seen_at: Some(unix_now()),
				..Default::default()
			},
			tasks: vec![TaskStatus {
				job: format!("0x{}", "ab".repeat(32)),
				task: 3,
				attempt: 0,
				stage: "running".into(),
				since: 55,
				price: Some(TESS / 100),
				deadline: Some(155),
				note: String::new(),
			}],
			stages: [("running".to_owned(), 1), ("settled".to_owned(), 40)].into(),
			totals: Totals { settled: 41, earned: 2 * TESS, unseen: TESS, handed_back: 1, lost: 2 },
			market: Some(market),
			notices: vec!["the provider has no worker key".into()],
			..Default::default()
		}
	}

	#[test]
	fn status_should_fit_one_screen_and_say_why_the_worker_is_idle() {
		let text = as_text(true, Some(&status()), &[1; 32].into(), &Ok(on_chain()));
		for part in [
			"runs, process 77, version 1.0, for 5 min",
			"online, region DE",
			"100 TESS, of it 0.5 TESS locked",
			"1 TESS unbonding until tick 900",
			"41 tasks settled",
			"block 61, tick 58",
			"2 TESS for 41 tasks, and 1 TESS before the protocol's cut",
			"NOTE       the provider has no worker key",
			"tasks      1 running, 40 settled",
			"0xabababab",
			"running",
			"0.01 TESS",
			"14 open tasks; 1 were reached for",
			"    12  the price is below the floor",
			"     1  the job wants another region",
		] {
			assert!(text.contains(part), "`{part}` is missing in:\n{text}");
		}
		assert!(text.lines().count() < 25, "{text}");
		let (price, region) = (text.find("below the floor"), text.find("another region"));
		assert!(price < region, "the most frequent reason comes first");
	}

	#[test]
	fn status_should_say_so_when_worker_or_chain_are_not_there() {
		let account = [1; 32].into();
		let gone = Err("the node at ws://x does not answer".to_owned());
		let text = as_text(false, None, &account, &gone);
		assert!(
			text.contains("tessera-worker run") && text.contains("unknown: the node at ws://x"),
			"{text}"
		);
		let text = as_text(false, Some(&status()), &account, &gone);
		assert!(text.contains("was killed or crashed"), "{text}");
		let stopped = Status { state: State::Stopped, ..status() };
		assert!(as_text(false, Some(&stopped), &account, &gone).contains("it stopped"));
		let unregistered = Ok(OnChain { provider: None, spendable: 0 });
		assert!(as_text(false, None, &account, &unregistered).contains("tessera-worker register"));
	}

	#[test]
	fn json_should_hold_the_same_with_amounts_as_texts() {
		let value = as_json(true, Some(&status()), &[1; 32].into(), &Ok(on_chain()));
		assert_eq!(value["running"], true);
		assert_eq!(value["on_chain"]["bond"], (100 * TESS).to_string());
		assert_eq!(value["on_chain"]["availability"], "online");
		assert_eq!(value["worker"]["totals"]["earned"], (2 * TESS).to_string());
		assert_eq!(value["worker"]["tasks"][0]["stage"], "running");
		assert_eq!(value["idle_because"][0]["reason"], "price_below_floor");
		assert_eq!(value["idle_because"][0]["tasks"], 12);
	}
}
