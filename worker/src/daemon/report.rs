// SPDX-License-Identifier: Apache-2.0

//! The worker's report, and what keeps it from working.

use std::path::PathBuf;

use tessera_client::{
	chain::{AccountId, BlockNumber, ProviderInfo},
	manifest::units::format_amount,
};
use tessera_primitives::{
	EndpointInfo, Tick,
	provider::{Adapter, Availability, WorkerKey},
};

use super::{home::Home, pace::Pace};
use crate::{
	adapters::AdapterDescription,
	journal::{Journal, Stage},
	status::{ChainStatus, EndpointStatus, MAX_LISTED, State, Status, TaskStatus, unix_now},
};

/// Keeps the report and writes it.
#[derive(Debug)]
pub struct Reporter {
	/// The report.
	pub status: Status,
	path: PathBuf,
	/// Whether the last write failed: that is said once.
	failing: bool,
}

impl Reporter {
	/// A worker that starts.
	pub fn new(home: &Home, url: &str, provider: &AccountId, key: &WorkerKey) -> Self {
		let status = Status {
			version: env!("CARGO_PKG_VERSION").into(),
			pid: std::process::id(),
			state: State::Starting,
			started_at: unix_now(),
			provider: provider.to_string(),
			worker_key: format!("0x{}", hex::encode(key.0)),
			chain: ChainStatus { url: url.into(), ..Default::default() },
			..Default::default()
		};
		Self { status, path: home.status(), failing: false }
	}

	/// GPU and blob store are open.
	pub fn has_opened(&mut self, adapter: &AdapterDescription, endpoint: &EndpointInfo) {
		self.status.adapter = Some(adapter.clone());
		self.status.endpoint =
			Some(EndpointStatus { key: hex::encode(endpoint.key), addresses: endpoint.addresses_text() });
	}

	/// A block was seen.
	pub fn has_seen(&mut self, block: BlockNumber, tick: Tick, pace: &Pace) {
		let chain = &mut self.status.chain;
		chain.block = Some(block);
		chain.tick = Some(tick);
		chain.seen_at = Some(unix_now());
		chain.block_ms = pace.measured().and_then(|time| u64::try_from(time.as_millis()).ok());
	}

	/// What the journal holds now.
	pub fn shows(&mut self, journal: &Journal) {
		self.status.totals = journal.totals();
		self.status.stages.clear();
		for entry in journal.entries().values() {
			*self.status.stages.entry(entry.stage.name().into()).or_default() += 1;
		}
		let mut entries: Vec<_> = journal.entries().iter().collect();
		entries.sort_by_key(|(_, entry)| {
			let waits = matches!(entry.stage, Stage::Claimed { .. });
			(entry.stage.is_over(), waits, std::cmp::Reverse(entry.since))
		});
		let tasks = entries.into_iter().take(MAX_LISTED).map(|(key, entry)| TaskStatus {
			job: format!("{:?}", key.job),
			task: key.task,
			attempt: key.attempt,
			stage: entry.stage.name().into(),
			since: entry.since,
			price: entry.terms.map(|terms| terms.price),
			deadline: entry.terms.map(|terms| terms.deadline),
			note: entry.note.clone(),
		});
		self.status.tasks = tasks.collect();
	}

	/// Writes the report. That it cannot be written stops nothing.
	pub fn write(&mut self) {
		self.status.written_at = unix_now();
		let written = self.status.write(&self.path);
		if let (Err(e), false) = (&written, self.failing) {
			tracing::warn!("the report {} cannot be written: {e}", self.path.display());
		}
		self.failing = written.is_err();
	}
}

/// What keeps a worker from taking tasks or others from fetching its results, and what to do about it.
pub fn notices(
	provider: Option<&ProviderInfo>,
	me: &AccountId,
	key: &WorkerKey,
	adapter: &Adapter,
	endpoint: &EndpointInfo,
) -> Vec<String> {
	let Some(provider) = provider else {
		return vec![format!("{me} is not a provider on this chain: run `tessera-worker register`")];
	};
	let mut notices = Vec::new();
	match provider.worker_key {
		None => notices.push("the provider has no worker key: run `tessera-worker register`".to_owned()),
		Some(other) if other != *key => notices.push(
			"the provider has set the key of another worker: run `tessera-worker register` to set this one's"
				.to_owned(),
		),
		Some(_) => {}
	}
	if provider.bond == 0 {
		notices.push("the provider has no bond: run `tessera-worker register --bond …`".to_owned());
	} else if provider.bond <= provider.collateral {
		notices.push(format!(
			"the whole bond, {}, is locked behind tasks: bond more, or wait for settlements",
			format_amount(provider.bond)
		));
	}
	match provider.availability {
		Availability::Online => {}
		Availability::Offline => {
			notices.push("the chain has not had a heartbeat of this worker yet".to_owned())
		}
		Availability::Paused => {
			notices.push(
				"the provider is paused by its owner: `tessera provider resume` takes tasks again".to_owned(),
			);
		}
	}
	let published = &provider.profile;
	if published.endpoint.key != endpoint.key {
		notices.push(
			"the profile names another endpoint, where nobody finds this worker's results: run `tessera-worker register`"
				.to_owned(),
		);
	} else if published.endpoint.addresses != endpoint.addresses {
		notices.push(format!(
			"the profile publishes the addresses {}, but results are served on {}: run `tessera-worker register`",
			list(&published.endpoint.addresses_text()),
			list(&endpoint.addresses_text())
		));
	}
	if !published.adapters.contains(adapter) {
		notices.push("the GPU is not what the profile says: run `tessera-worker register`".to_owned());
	}
	notices
}

fn list(texts: &[String]) -> String {
	if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_primitives::{
		Region, TESS,
		provider::{AdapterClass, Features, Profile},
	};

	fn adapter() -> Adapter {
		Adapter {
			class: AdapterClass::N1,
			memory_bytes: 100,
			max_buffer_bytes: 100,
			max_binding_bytes: 100,
			features: Features(0),
		}
	}

	fn endpoint(key: u8, port: &str) -> EndpointInfo {
		let addresses = vec![port.as_bytes().to_vec().try_into().unwrap()];
		EndpointInfo { key: [key; 32], addresses: addresses.try_into().unwrap() }
	}

	fn provider() -> ProviderInfo {
		ProviderInfo {
			account: [1; 32].into(),
			profile: Profile {
				region: Region(*b"DE"),
				endpoint: endpoint(1, "1.2.3.4:5"),
				adapters: vec![adapter()].try_into().unwrap(),
			},
			worker_key: Some(WorkerKey::from([2; 32])),
			availability: Availability::Online,
			bond: 10 * TESS,
			collateral: TESS,
			unbonding: Vec::new(),
			active_tasks: 0,
			settled_tasks: 0,
			expiries: 0,
			accept_counter: 0,
			last_heartbeat: None,
		}
	}

	fn of(provider: Option<&ProviderInfo>) -> Vec<String> {
		notices(provider, &[1; 32].into(), &WorkerKey::from([2; 32]), &adapter(), &endpoint(1, "1.2.3.4:5"))
	}

	#[test]
	fn notices_should_be_none_when_all_is_well() {
		assert_eq!(of(Some(&provider())), Vec::<String>::new());
	}

	#[test]
	fn notices_should_say_what_is_wrong_and_what_to_do() {
		assert!(of(None)[0].contains("register"));
		let with = |change: fn(&mut ProviderInfo)| {
			let mut provider = provider();
			change(&mut provider);
			let notices = of(Some(&provider));
			assert_eq!(notices.len(), 1, "{notices:?}");
			notices[0].clone()
		};
		for (change, part) in [
			((|p| p.worker_key = None) as fn(&mut ProviderInfo), "no worker key"),
			(|p| p.worker_key = Some(WorkerKey::from([3; 32])), "another worker"),
			(|p| (p.bond, p.collateral) = (0, 0), "--bond"),
			(|p| p.collateral = p.bond, "10 TESS, is locked"),
			(|p| p.availability = Availability::Offline, "heartbeat"),
			(|p| p.availability = Availability::Paused, "tessera provider resume"),
			(|p| p.profile.endpoint = endpoint(9, "1.2.3.4:5"), "another endpoint"),
			(
				|p| p.profile.endpoint = endpoint(1, "1.2.3.4:6"),
				"1.2.3.4:6, but results are served on 1.2.3.4:5",
			),
			(|p| p.profile.adapters[0].memory_bytes = 200, "the GPU is not what the profile says"),
		] {
			let notice = with(change);
			assert!(notice.contains(part), "{notice}");
		}
	}
}
