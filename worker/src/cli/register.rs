// SPDX-License-Identifier: Apache-2.0

//! `tessera-worker register`.

use clap::Args;
use tessera_client::{
	chain::Level,
	keys::Key,
	manifest::units::{format_amount, parse_amount},
};
use tessera_primitives::{Balance, EndpointInfo, provider::Availability};

use super::{Failure, connect};
use crate::{
	adapters::AdapterDescription,
	config::{Flags, Settings},
	daemon::{
		DaemonError,
		gpu::Gpu,
		home::{Home, HomeError},
	},
	register::{Step, Wanted, carry_out, plan, profile_adapter},
	status::{EndpointStatus, Status},
};

/// Registers the provider on chain, or brings its registration up to date: profile, worker key and bond, in one
/// transaction that the owner signs and pays for. What is as it should be is left alone.
#[derive(Args, Debug)]
pub(super) struct RegisterArgs {
	/// The owner's key: a key file, or a secret URI such as //Alice. It is needed for this only; the worker has a key of
	/// its own.
	#[arg(long, value_name = "KEY", env = "TESSERA_OWNER", hide_env_values = true)]
	owner: String,
	/// Raise the bond to this, for example "100 TESS". More is never taken back.
	#[arg(long, value_name = "AMOUNT", value_parser = |text: &str| parse_amount(text).map_err(|e| e.to_string()))]
	bond: Option<Balance>,
	/// Do not wait until the block is final.
	#[arg(long)]
	in_block: bool,
	/// Write the result as JSON.
	#[arg(long)]
	json: bool,
	#[command(flatten)]
	flags: Flags,
}

pub(super) async fn register(args: RegisterArgs) -> Result<(), Failure> {
	let settings = Settings::load(&args.flags)?;
	let owner = Key::load(&args.owner)?;
	let account = owner.account();
	if let Some(other) = settings.provider.filter(|other| *other != account) {
		return Err(Failure::Input(format!(
			"the settings say that the provider is {other}, but the owner's key is that of {account}: correct one of them"
		)));
	}
	let chain = connect(&settings.url).await?;
	let home = Home::at(&settings.data_dir);
	let (adapter, endpoint) = machine(&home, &settings).await?;
	let key = home.worker_key()?.worker_key();

	let level = if args.in_block { Level::Best } else { Level::Final };
	let view = chain.view(Level::Best).await?;
	let current = view.provider(&account).await?;
	let adapters = vec![profile_adapter(&adapter, settings.policy.max_buffer_bytes)];
	let wanted = Wanted::new(current.as_ref(), settings.region, adapters, endpoint, key, args.bond)?;
	let steps = plan(current.as_ref(), &wanted);
	let outcome = carry_out(&chain, &owner, &steps, level).await?;
	home.set_provider(&account)?;

	let bond = steps.iter().find_map(|step| match step {
		Step::Bond { total, .. } => Some(*total),
		_ => None,
	});
	let bond = bond.or(current.as_ref().map(|provider| provider.bond)).unwrap_or(0);
	if args.json {
		let result = serde_json::json!({
			"provider": account.to_string(),
			"worker_key": format!("0x{}", hex::encode(key.0)),
			"adapter": adapter,
			"did": steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
			"bond": bond.to_string(),
			"block": outcome.as_ref().map(|outcome| outcome.block.number),
			"final": outcome.as_ref().map(|outcome| outcome.finalized),
			"fee": outcome.as_ref().and_then(|outcome| outcome.fee).map(|fee| fee.to_string()),
		});
		println!("{result}");
		return Ok(());
	}
	println!("provider {account}");
	for step in &steps {
		println!("  {step}");
	}
	match outcome {
		None => println!("  nothing to do: all is as it should be"),
		Some(outcome) => {
			let fee =
				outcome.fee.map_or(String::new(), |fee| format!(", for a fee of {}", format_amount(fee)));
			println!("  in block {}{fee}", outcome.block.number);
		}
	}
	if bond == 0 {
		println!(
			"  it has no bond yet: without one it gets no tasks. Give --bond, for example --bond \"100 TESS\""
		);
	}
	if current.is_some_and(|provider| provider.availability == Availability::Paused) {
		println!("  it is paused: `tessera provider resume` takes tasks again");
	}
	Ok(())
}

/// This machine's GPU and endpoint: from the worker that runs, or opened for a moment.
async fn machine(home: &Home, settings: &Settings) -> Result<(AdapterDescription, EndpointInfo), Failure> {
	let in_use = match home.lock() {
		Ok(_lock) => {
			let (tasks, scratch) = (&settings.tasks, home.empty_scratch()?);
			let gpu =
				Gpu::open(settings.adapter.clone(), scratch, tasks.memory_overhead, tasks.at_once).await?;
			let blobs = home.open_blobs(&settings.blobs).await.map_err(DaemonError::Blobs)?;
			let endpoint = blobs.endpoint_info();
			blobs.shutdown().await;
			return Ok((gpu.description().clone(), endpoint));
		}
		Err(in_use @ HomeError::InUse { .. }) => in_use,
		Err(error) => return Err(error.into()),
	};
	// The worker that runs says what it has.
	let status = Status::read(&home.status());
	match status.map(|status| (status.adapter, status.endpoint.and_then(|endpoint| endpoint_of(&endpoint)))) {
		Some((Some(adapter), Some(endpoint))) => Ok((adapter, endpoint)),
		_ => Err(in_use.into()),
	}
}

fn endpoint_of(status: &EndpointStatus) -> Option<EndpointInfo> {
	let mut key = [0u8; 32];
	hex::decode_to_slice(&status.key, &mut key).ok()?;
	let addresses: Option<Vec<_>> =
		status.addresses.iter().map(|text| text.as_bytes().to_vec().try_into().ok()).collect();
	Some(EndpointInfo { key, addresses: addresses?.try_into().ok()? })
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn endpoint_should_be_read_from_the_report_of_a_running_worker() {
		let status = EndpointStatus { key: "07".repeat(32), addresses: vec!["1.2.3.4:5".into()] };
		let endpoint = endpoint_of(&status).unwrap();
		assert_eq!((endpoint.key, endpoint.addresses_text()), ([7; 32], vec!["1.2.3.4:5".to_owned()]));
		assert_eq!(endpoint_of(&EndpointStatus { key: "07".into(), ..status }), None);
	}
}
