// SPDX-License-Identifier: Apache-2.0

//! Between the runtime's types and their JSON shapes.

use super::*;
use tessera_primitives::{
	EndpointInfo, Region, TaskId, api,
	job::{self, JobRequest as ChainRequest, TaskState as ChainState},
	limits::{MAX_ADDRESS, MAX_ADDRESSES, MAX_BUFFERS, MAX_REGIONS, MAX_STAGES},
	program::{BufferDecl, ProgramManifest, StageDecl},
	provider::{self, Features},
};

/// Why a request in JSON has no counterpart on chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
	/// A list is longer than the chain stores.
	#[error("{field} has {found} entries; at most {most} are allowed")]
	TooMany {
		/// The list.
		field: &'static str,
		/// Its length.
		found: usize,
		/// The limit.
		most: u32,
	},
	/// An address is longer than the chain stores.
	#[error("source.addresses: \"{0}\" has more than {MAX_ADDRESS} bytes")]
	LongAddress(String),
	/// A region is not two letters.
	#[error(
		"requirements.regions: \"{0}\" is not an ISO 3166-1 country code of two capital letters, like \"DE\""
	)]
	Region(String),
	/// A feature that nobody knows.
	#[error("requirements.features: \"{0}\" is not a feature; known are {known}", known = feature_names())]
	Feature(String),
}

fn feature_names() -> String {
	Features::NAMED.map(|(name, _)| name).join(", ")
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8_lossy(bytes).into_owned()
}

fn names_of(features: Features) -> Vec<String> {
	Features::NAMED
		.into_iter()
		.filter(|(_, feature)| features.contains(*feature))
		.map(|(name, _)| name.into())
		.collect()
}

fn features_of(names: &[String]) -> Result<Features, InvalidRequest> {
	names.iter().try_fold(Features::default(), |all, name| {
		let known = Features::NAMED.into_iter().find(|(known, _)| known == name);
		known.map(|(_, feature)| all.union(feature)).ok_or_else(|| InvalidRequest::Feature(name.clone()))
	})
}

fn region_of(code: &String) -> Result<Region, InvalidRequest> {
	let region = code.as_bytes().try_into().map(Region).ok();
	region.filter(Region::is_assigned).ok_or_else(|| InvalidRequest::Region(code.clone()))
}

impl From<TaskId> for TaskRef {
	fn from((job, index): TaskId) -> Self {
		Self { job, index }
	}
}

impl From<TaskRef> for TaskId {
	fn from(task: TaskRef) -> Self {
		(task.job, task.index)
	}
}

impl From<EndpointInfo> for Endpoint {
	fn from(endpoint: EndpointInfo) -> Self {
		Self {
			key: H256(endpoint.key),
			addresses: endpoint.addresses.iter().map(|address| text(address)).collect(),
		}
	}
}

impl TryFrom<Endpoint> for EndpointInfo {
	type Error = InvalidRequest;

	fn try_from(endpoint: Endpoint) -> Result<Self, Self::Error> {
		let addresses = endpoint
			.addresses
			.into_iter()
			.map(|address| {
				address
					.into_bytes()
					.try_into()
					.map_err(|bytes: Vec<u8>| InvalidRequest::LongAddress(text(&bytes)))
			})
			.collect::<Result<Vec<_>, _>>()?;
		Ok(Self {
			key: endpoint.key.0,
			addresses: addresses.try_into().map_err(too_many("source.addresses", MAX_ADDRESSES))?,
		})
	}
}

/// The error for a list that became `Err` because it is too long.
fn too_many<T>(field: &'static str, most: u32) -> impl FnOnce(Vec<T>) -> InvalidRequest {
	move |list| InvalidRequest::TooMany { field, found: list.len(), most }
}

impl From<provider::Requirements> for Requirements {
	fn from(requirements: provider::Requirements) -> Self {
		Self {
			regions: requirements.regions.iter().map(|region| text(&region.0)).collect(),
			class: requirements.class,
			memory_bytes: requirements.memory_bytes,
			features: names_of(requirements.features),
		}
	}
}

impl TryFrom<Requirements> for provider::Requirements {
	type Error = InvalidRequest;

	fn try_from(requirements: Requirements) -> Result<Self, Self::Error> {
		let regions = requirements.regions.iter().map(region_of).collect::<Result<Vec<_>, _>>()?;
		Ok(Self {
			regions: regions.try_into().map_err(too_many("requirements.regions", MAX_REGIONS))?,
			class: requirements.class,
			memory_bytes: requirements.memory_bytes,
			features: features_of(&requirements.features)?,
		})
	}
}

impl From<ChainRequest> for JobRequest {
	fn from(request: ChainRequest) -> Self {
		Self {
			program: request.program,
			tier: request.tier,
			spec: request.spec,
			source: request.source.into(),
			tasks: request.tasks,
			buffers: request.buffers.into_inner(),
			dispatches: request.dispatches.into_inner(),
			requirements: request.requirements.into(),
			opening_price: Amount(request.opening_price),
			ceiling_price: Amount(request.ceiling_price),
			price_ramp: Amount(request.price_ramp),
			execution_ticks: request.execution_ticks,
			lifetime_ticks: request.lifetime_ticks,
		}
	}
}

impl TryFrom<JobRequest> for ChainRequest {
	type Error = InvalidRequest;

	fn try_from(request: JobRequest) -> Result<Self, Self::Error> {
		Ok(Self {
			program: request.program,
			tier: request.tier,
			spec: request.spec,
			source: request.source.try_into()?,
			tasks: request.tasks,
			buffers: request.buffers.try_into().map_err(too_many("buffers", MAX_BUFFERS))?,
			dispatches: request.dispatches.try_into().map_err(too_many("dispatches", MAX_STAGES))?,
			requirements: request.requirements.try_into()?,
			opening_price: request.opening_price.0,
			ceiling_price: request.ceiling_price.0,
			price_ramp: request.price_ramp.0,
			execution_ticks: request.execution_ticks,
			lifetime_ticks: request.lifetime_ticks,
		})
	}
}

impl From<api::JobInfo<AccountId>> for Job {
	fn from(job: api::JobInfo<AccountId>) -> Self {
		Self {
			id: job.id,
			tenant: job.tenant,
			request: job.request.into(),
			submitted_at: job.submitted_at,
			open_until: job.open_until,
			challenge_ticks: job.challenge_ticks,
			closed: job.closed,
			ended_at: job.ended_at,
			counts: job.counts,
			escrow: Amount(job.escrow),
			deposit: Amount(job.deposit),
		}
	}
}

impl From<ChainState<AccountId>> for TaskState {
	fn from(state: ChainState<AccountId>) -> Self {
		match state {
			ChainState::Open { since, price } => Self::Open { since, price: Amount(price) },
			ChainState::Accepted { provider, price, collateral, at, deadline } => Self::Accepted {
				provider,
				price: Amount(price),
				collateral: Amount(collateral),
				at,
				deadline,
			},
			ChainState::Claimed { provider, price, collateral, root, at, settle_at } => Self::Claimed {
				provider,
				price: Amount(price),
				collateral: Amount(collateral),
				root,
				at,
				settle_at,
			},
			ChainState::Ended { reason, paid } => Self::Ended { reason, paid: paid.map(Into::into) },
		}
	}
}

impl From<job::Payment<AccountId>> for Payment {
	fn from(payment: job::Payment<AccountId>) -> Self {
		Self { provider: payment.provider, price: Amount(payment.price), root: payment.root }
	}
}

impl From<api::TaskInfo<AccountId>> for Task {
	fn from(task: api::TaskInfo<AccountId>) -> Self {
		let (job, index) = task.id;
		Self {
			job,
			index,
			attempt: task.attempt,
			state: task.state.into(),
			price: task.price.map(Amount),
			barred: task.barred,
		}
	}
}

impl From<api::OpenTask<AccountId>> for OpenTask {
	fn from(task: api::OpenTask<AccountId>) -> Self {
		let (job, index) = task.id;
		Self {
			job,
			index,
			attempt: task.attempt,
			price: Amount(task.price),
			ceiling_price: Amount(task.ceiling_price),
			barred: task.barred,
		}
	}
}

impl From<api::OpenTasksPage<AccountId>> for OpenTasks {
	fn from(page: api::OpenTasksPage<AccountId>) -> Self {
		Self { tasks: page.tasks.into_iter().map(Into::into).collect(), next: page.next.map(Into::into) }
	}
}

impl From<ProgramManifest> for Program {
	fn from(manifest: ProgramManifest) -> Self {
		Self {
			buffers: manifest.buffers.into_iter().map(Into::into).collect(),
			stages: manifest.stages.into_iter().map(Into::into).collect(),
		}
	}
}

impl From<BufferDecl> for Buffer {
	fn from(buffer: BufferDecl) -> Self {
		Self { name: text(&buffer.name), role: buffer.role, kind: buffer.kind }
	}
}

impl From<StageDecl> for Stage {
	fn from(stage: StageDecl) -> Self {
		Self {
			name: text(&stage.name),
			module: stage.module,
			entry: text(&stage.entry),
			bindings: stage
				.bindings
				.into_iter()
				.map(|b| Binding { group: b.group, binding: b.binding, buffer: b.buffer, access: b.access })
				.collect(),
		}
	}
}

impl From<provider::Adapter> for Adapter {
	fn from(adapter: provider::Adapter) -> Self {
		Self {
			class: adapter.class,
			memory_bytes: adapter.memory_bytes,
			max_buffer_bytes: adapter.max_buffer_bytes,
			max_binding_bytes: adapter.max_binding_bytes,
			features: names_of(adapter.features),
		}
	}
}

impl From<api::ProviderInfo<AccountId>> for Provider {
	fn from(info: api::ProviderInfo<AccountId>) -> Self {
		Self {
			account: info.account,
			region: text(&info.profile.region.0),
			endpoint: info.profile.endpoint.into(),
			adapters: info.profile.adapters.into_iter().map(Into::into).collect(),
			worker_key: info.worker_key.map(|key| H256(key.0)),
			availability: info.availability,
			bond: Amount(info.bond),
			collateral: Amount(info.collateral),
			unbonding: info
				.unbonding
				.into_iter()
				.map(|(amount, at)| Unbonding { amount: Amount(amount), at })
				.collect(),
			active_tasks: info.active_tasks,
			settled_tasks: info.settled_tasks,
			expiries: info.expiries,
			accept_counter: info.accept_counter,
			last_heartbeat: info.last_heartbeat,
		}
	}
}

impl From<api::Quote> for Quote {
	fn from(quote: api::Quote) -> Self {
		Self {
			floor_price: Amount(quote.floor_price),
			escrow: Amount(quote.escrow),
			deposit: Amount(quote.deposit),
			cut: Amount(quote.cut),
			eligible_providers: quote.eligible_providers,
			scanned: quote.scanned,
		}
	}
}

impl From<api::MarketSummary> for Market {
	fn from(market: api::MarketSummary) -> Self {
		Self {
			programs: market.programs,
			jobs: market.jobs,
			open_jobs: market.open_jobs,
			providers: market.providers,
			settled_tasks: market.settled_tasks,
			paid: Amount(market.paid),
			cut: Amount(market.cut),
			burnt: Amount(market.burnt),
		}
	}
}

impl From<api::Clock> for Clock {
	fn from(clock: api::Clock) -> Self {
		Self {
			tick: clock.tick,
			heartbeat_window: clock.heartbeat_window,
			fetch_window: clock.fetch_window,
			challenge_ticks: clock.challenge_ticks,
		}
	}
}
