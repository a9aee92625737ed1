// SPDX-License-Identifier: Apache-2.0

//! `tessera provider`.

pub mod profile;

use clap::Subcommand;
use futures::TryStreamExt;
use serde::Serialize;
use tessera_client::{
	chain::{MarketEvent, ProviderInfo, ProvidersEvent, calls},
	manifest::units::format_bytes,
};
use tessera_primitives::{
	Balance,
	provider::{Availability, WorkerKey},
};

use super::send;
use crate::{
	args::amount,
	context::Context,
	exit::{Failure, Outcome},
	output::{
		shapes::{Provider, feature_names},
		table,
	},
};
use profile::ProfileArgs;

/// What to do with providers.
#[derive(Subcommand, Debug)]
pub enum ProviderCommand {
	/// List all providers
	List {
		/// Only those that take work now.
		#[arg(long)]
		online: bool,
	},
	/// Show a provider
	Show {
		/// A key's name, an address, or a development key; without it, the account that signs.
		#[arg(value_name = "ACCOUNT")]
		who: Option<String>,
	},
	/// Register the account as a provider. `tessera-worker register` does it with the machine's own GPUs
	Register {
		/// The profile.
		#[command(flatten)]
		profile: ProfileArgs,
		/// Public key of the worker, set at once: an address, 0x and 64 hex digits, or a key's name.
		#[arg(long, value_name = "KEY")]
		worker_key: Option<String>,
		/// Bond that is put down at once.
		#[arg(long, value_parser = amount, value_name = "AMOUNT")]
		bond: Option<Balance>,
	},
	/// Publish another profile: a whole one, or with the parts that are given replaced
	Update {
		/// The profile.
		#[command(flatten)]
		profile: ProfileArgs,
	},
	/// Set the key that signs the worker's orders; the one before counts no more
	SetWorkerKey {
		/// The public key: an address, 0x and 64 hex digits, or a key's name.
		#[arg(value_name = "KEY")]
		key: String,
	},
	/// Add to the bond
	Bond {
		/// How much, with its unit.
		#[arg(value_parser = amount, value_name = "AMOUNT")]
		amount: Balance,
	},
	/// Take a part of the bond out; it can be withdrawn some time later
	Unbond {
		/// How much, with its unit, or `all`.
		#[arg(value_parser = part, value_name = "AMOUNT|all")]
		amount: Part,
	},
	/// Withdraw what was unbonded and is due
	Withdraw,
	/// Take no new tasks; those that are taken go on
	Pause,
	/// Take new tasks again
	Resume,
	/// End the provider and get the deposit back: only without tasks, bond and unbonding stake
	Deregister,
}

/// A part of a bond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
	/// So much, planck.
	Amount(Balance),
	/// Everything.
	All,
}

fn part(text: &str) -> Result<Part, String> {
	if text == "all" { Ok(Part::All) } else { amount(text).map(Part::Amount) }
}

/// Runs `tessera provider`.
pub async fn run(command: ProviderCommand, ctx: &Context) -> Outcome {
	match command {
		ProviderCommand::List { online } => list(ctx, online).await,
		ProviderCommand::Show { who } => {
			let account = ctx.account(who.as_deref())?;
			let info = ctx.view().await?.provider(&account).await?;
			let info = info.ok_or_else(|| {
				Failure::input(format!("{account} is not a provider"))
					.help("`tessera provider list` lists those there are")
			})?;
			ctx.out.result(&Provider::from(&info), || describe(&info));
			Ok(())
		}
		ProviderCommand::Register { profile, worker_key, bond } => {
			let profile = profile.build(None)?;
			let key = worker_key.map(|key| public_key(ctx, &key)).transpose()?;
			let mut all = vec![calls::register_provider(profile)];
			all.extend(key.as_ref().map(calls::set_worker_key));
			all.extend(bond.map(calls::bond));
			let missing = [
				key.is_none().then_some("`tessera provider set-worker-key`"),
				bond.is_none().then_some("`tessera provider bond`"),
			];
			let missing: Vec<_> = missing.into_iter().flatten().collect();
			let done = match missing.as_slice() {
				[] => "registered as a provider; its worker can start".to_owned(),
				missing => format!("registered as a provider; next: {}", missing.join(" and ")),
			};
			let call = if all.len() == 1 { all.remove(0) } else { calls::all(all) };
			send(ctx, call, &done).await.map(drop)
		}
		ProviderCommand::Update { profile } => {
			let account = ctx.signer()?.account();
			// Only what is given changes; a whole profile needs no look at the old one.
			let old = match profile.is_whole() {
				true => None,
				false => ctx.view().await?.provider(&account).await?.map(|info| info.profile),
			};
			let call = calls::update_profile(profile.build(old)?);
			send(ctx, call, "the profile is published").await.map(drop)
		}
		ProviderCommand::SetWorkerKey { key } => {
			let key = public_key(ctx, &key)?;
			send(ctx, calls::set_worker_key(&key), "the worker key is set").await.map(drop)
		}
		ProviderCommand::Bond { amount } => {
			let done = format!("bonded {}", table::amount(amount));
			send(ctx, calls::bond(amount), &done).await.map(drop)
		}
		ProviderCommand::Unbond { amount } => unbond(ctx, amount).await,
		ProviderCommand::Withdraw => {
			let outcome = send(ctx, calls::withdraw_unbonded(), "withdrawn").await?;
			for event in outcome.events {
				if let MarketEvent::Providers(ProvidersEvent::Withdrawn { amount, .. }) = event {
					ctx.out.note(format!("{} are free again", table::amount(amount)));
				}
			}
			Ok(())
		}
		ProviderCommand::Pause => send(ctx, calls::pause(), "paused: no new tasks are taken").await.map(drop),
		ProviderCommand::Resume => send(ctx, calls::resume(), "new tasks are taken again").await.map(drop),
		ProviderCommand::Deregister => {
			send(ctx, calls::deregister(), "deregistered; the deposit is free").await.map(drop)
		}
	}
}

async fn unbond(ctx: &Context, part: Part) -> Outcome {
	let amount = match part {
		Part::Amount(amount) => amount,
		Part::All => {
			let account = ctx.signer()?.account();
			let info = ctx.view().await?.provider(&account).await?;
			let info = info.ok_or_else(|| Failure::input(format!("{account} is not a provider")))?;
			if info.collateral > 0 {
				return Err(Failure::refused(format!(
					"{} of the bond is locked behind {}",
					table::amount(info.collateral),
					table::plural(info.active_tasks, "task")
				))
				.help("`tessera provider pause`, and try again when they are over"));
			}
			info.bond
		}
	};
	let done = format!("unbonding {}", table::amount(amount));
	let outcome = send(ctx, calls::unbond(amount), &done).await?;
	for event in outcome.events {
		if let MarketEvent::Providers(ProvidersEvent::Unbonding { at, .. }) = event {
			ctx.out.note(format!(
				"`tessera provider withdraw` frees it from tick {at} on; `tessera market` shows the tick"
			));
		}
	}
	Ok(())
}

/// A worker's public key as a user names it.
fn public_key(ctx: &Context, text: &str) -> Outcome<WorkerKey> {
	let account = ctx.account(Some(text)).map_err(|failure| failure.during("the worker key"))?;
	Ok(WorkerKey::from(account.0))
}

#[derive(Serialize)]
struct Providers {
	providers: Vec<Provider>,
}

async fn list(ctx: &Context, online: bool) -> Outcome {
	let view = ctx.view().await?;
	let mut infos: Vec<ProviderInfo> = view.providers().try_collect().await?;
	infos.retain(|info| !online || info.availability == Availability::Online);
	let shape = Providers { providers: infos.iter().map(Provider::from).collect() };
	ctx.out.result(&shape, || {
		let mut table = table::table(["ACCOUNT", "REGION", "STATE", "GPUS", ">BOND", ">TASKS", ">SETTLED"]);
		for info in &infos {
			let gpus: Vec<_> = info.profile.adapters.iter().map(|adapter| adapter.class.name()).collect();
			table.add_row([
				table::account(&info.account),
				info.profile.region.as_str().to_owned(),
				state(info).to_owned(),
				gpus.join(", "),
				table::amount(info.bond),
				info.active_tasks.to_string(),
				info.settled_tasks.to_string(),
			]);
		}
		table::text_or(&table, "there are no such providers")
	});
	Ok(())
}

fn state(info: &ProviderInfo) -> &'static str {
	match info.availability {
		Availability::Online => "online",
		Availability::Offline => "offline",
		Availability::Paused => "paused",
	}
}

fn describe(info: &ProviderInfo) -> String {
	let addresses = info.profile.endpoint.addresses_text();
	let worker_key = info.worker_key.map(|key| format!("0x{}", hex::encode(key.0)));
	let heartbeat = info.last_heartbeat.map(|tick| format!("tick {tick}"));
	let mut text = table::pairs([
		("provider", table::account(&info.account)),
		("state", state(info).to_owned()),
		("last heartbeat", heartbeat.unwrap_or_else(|| "none".into())),
		("region", info.profile.region.as_str().to_owned()),
		("endpoint", hex::encode(info.profile.endpoint.key)),
		("addresses", if addresses.is_empty() { "none".into() } else { addresses.join(", ") }),
		("worker key", worker_key.unwrap_or_else(|| "none: it cannot take tasks".into())),
		("bond", format!("{}, {} of it locked", table::amount(info.bond), table::amount(info.collateral))),
		("tasks", format!("{} now, {} settled ever", info.active_tasks, info.settled_tasks)),
		("late in a row", info.expiries.to_string()),
	]);
	for (amount, at) in &info.unbonding {
		text.push_str(&format!("\nunbonding {} until tick {at}", table::amount(*amount)));
	}
	let mut adapters = table::table(["GPU", ">MEMORY", ">BUFFER", ">BINDING", "FEATURES"]);
	for adapter in &info.profile.adapters {
		adapters.add_row([
			adapter.class.name().to_owned(),
			format_bytes(adapter.memory_bytes),
			format_bytes(adapter.max_buffer_bytes),
			format_bytes(adapter.max_binding_bytes),
			feature_names(adapter.features).join(", "),
		]);
	}
	text.push_str(&format!("\n\n{}", table::text_or(&adapters, "")));
	text
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn part_should_be_an_amount_or_all() {
		assert_eq!(part("all"), Ok(Part::All));
		assert_eq!(part("5planck"), Ok(Part::Amount(5)));
		assert!(part("some").is_err());
	}
}
