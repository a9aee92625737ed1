// SPDX-License-Identifier: Apache-2.0

//! `compute_*`: the market in one call each. A thin layer over the runtime API
//! [`ComputeApi`](tessera_primitives::api::ComputeApi), which stays the truth: what is read here can also be read
//! with `state_call`, and with proofs.
//!
//! | method | parameters | result |
//! | --- | --- | --- |
//! | `compute_job` | `id` | [`Job`] or `null` |
//! | `compute_jobs` | `tenant, after?, limit?` | list of [`Job`] |
//! | `compute_task` | `job, index` | [`Task`] or `null` |
//! | `compute_tasks` | `job, start?, limit?` | list of [`Task`] |
//! | `compute_openTasks` | `after?, limit?` | [`OpenTasks`] |
//! | `compute_program` | `id` | [`Program`] or `null` |
//! | `compute_provider` | `account` | [`Provider`] or `null` |
//! | `compute_providers` | `after?, limit?` | list of [`Provider`] |
//! | `compute_quote` | `request` | [`Quote`] |
//! | `compute_market` | | [`Market`] |
//! | `compute_clock` | | [`Clock`] |
//!
//! Every method takes the hash of a block, `at`, as a last optional parameter; without it, it reads the best block.
//! `limit` is 1 to 256, and 256 when left out. Lists are ordered by storage key: `after` is the last item of the page
//! before (for `compute_openTasks` its `next`), `start` the first index. `null` stands for a parameter left out.
//!
//! Units and spellings are told in [`json`](super::json); the shapes in JSON:
//!
//! ```json
//! // a job; "closed" is null or one of settled, cancelled, lifetime_over, attempts_used_up, faulted
//! { "id": "0x…", "tenant": "5Grw…", "submittedAt": 7, "openUntil": 1007, "challengeTicks": 5,
//!   "closed": null, "endedAt": null, "escrow": "600000000000", "deposit": "1000000000",
//!   "counts": { "open": 10, "accepted": 1, "claimed": 1, "settled": 0, "failed": 0 },
//!   "request": {
//!     "program": "0x…", "tier": "unverified", "tasks": 12,
//!     "spec": { "hash": "0x…", "bytes": 900 }, "source": { "key": "0x…", "addresses": ["127.0.0.1:4433"] },
//!     "buffers": [4096, 65536, 2000], "dispatches": [[4, 1, 1]],
//!     "requirements": { "regions": ["DE"], "class": "n1", "memoryBytes": 67108864, "features": ["shader-f16"] },
//!     "openingPrice": "10000000000", "ceilingPrice": "50000000000", "priceRamp": "1000000000",
//!     "executionTicks": 100, "lifetimeTicks": 1000 } }
//!
//! // a task; "price" is what it could be accepted for now, null unless it is open
//! { "job": "0x…", "index": 3, "attempt": 0, "price": null, "barred": [], "state": … }
//! // with one of these states
//! { "type": "open", "since": 7, "price": "10000000000" }
//! { "type": "accepted", "provider": "5FHn…", "price": "…", "collateral": "…", "at": 9, "deadline": 109 }
//! { "type": "claimed", "provider": "5FHn…", "price": "…", "collateral": "…", "root": "0x…", "at": 20, "settleAt": 25 }
//! { "type": "ended", "reason": "settled", "paid": { "provider": "5FHn…", "price": "…", "root": "0x…" } }
//!
//! // a page of open tasks
//! { "tasks": [{ "job": "0x…", "index": 4, "attempt": 0, "price": "12000000000", "ceilingPrice": "50000000000",
//!     "barred": [] }],
//!   "next": { "job": "0x…", "index": 4 } }
//!
//! // a program; role: input, output, scratch; kind: storage, uniform; access: read, read_write
//! { "buffers": [{ "name": "images", "role": "input", "kind": "storage" }],
//!   "stages": [{ "name": "hidden", "module": 0, "entry": "main",
//!     "bindings": [{ "group": 0, "binding": 0, "buffer": 0, "access": "read" }] }] }
//!
//! // a provider; availability: online, offline, paused
//! { "account": "5FHn…", "region": "DE", "endpoint": { "key": "0x…", "addresses": [] },
//!   "adapters": [{ "class": "llvmpipe", "memoryBytes": 1073741824, "maxBufferBytes": 268435456,
//!     "maxBindingBytes": 134217728, "features": [] }],
//!   "workerKey": "0x…", "availability": "online", "bond": "100000000000000", "collateral": "0",
//!   "unbonding": [{ "amount": "1000000000000", "at": 900 }], "activeTasks": 0, "settledTasks": 12, "expiries": 0,
//!   "acceptCounter": 13, "lastHeartbeat": 340 }
//!
//! // a quote, for a request like that of a job; spec, source, tier, requirements and priceRamp may be left out
//! { "floorPrice": "1000000", "escrow": "600000000000", "deposit": "1000000000", "cut": "2500000000",
//!   "eligibleProviders": 2, "scanned": 2 }
//!
//! // the market, and the clock
//! { "programs": 2, "jobs": 3, "openJobs": 1, "providers": 2, "settledTasks": 24, "paid": "…", "cut": "…", "burnt": "0" }
//! { "tick": 341, "heartbeatWindow": 50, "fetchWindow": 20, "challengeTicks": 5 }
//! ```
//!
//! Errors: see [`Error`].

#[cfg(test)]
mod tests;

use super::json::{
	Clock, InvalidRequest, Job, JobRequest, Market, OpenTasks, Program, Provider, Quote, Task, TaskRef,
};
use jsonrpsee::{
	RpcModule,
	core::RegisterMethodError,
	types::{ErrorObjectOwned, Params, ParamsSequence, error::INVALID_PARAMS_CODE},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::sync::Arc;
use tessera_primitives::{JobId, ProgramId, TaskIndex, api::ComputeApi, limits::MAX_PAGE};
use tessera_runtime::{AccountId, Hash, opaque::Block};

/// Why a call has no result. The number is the JSON-RPC error's code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
	/// -32602: a parameter is missing or has the wrong form.
	#[error("parameter `{name}` must be {form}: {problem}")]
	Parameter {
		/// The parameter.
		name: &'static str,
		/// What is expected.
		form: &'static str,
		/// What is wrong.
		problem: String,
	},
	/// -32602: there are more parameters than the method has.
	#[error("there are too many parameters: the hash of a block, `at`, is the last")]
	TooManyParameters,
	/// 21001: the node does not know the block.
	#[error(
		"block {0:?} is unknown to this node: leave `at` out to read the best block, or wait until the node has synced"
	)]
	UnknownBlock(Hash),
	/// 21002: the runtime did not answer.
	#[error(
		"the runtime of block {at:?} did not answer `{call}`: {error}. \
		For old blocks ask a node that keeps all states (--state-pruning archive)"
	)]
	Runtime {
		/// Method of the runtime API.
		call: &'static str,
		/// Where.
		at: Hash,
		/// What went wrong.
		error: ApiError,
	},
	/// 21003: a page of this size is not to be had.
	#[error(
		"limit {0} is out of range: ask for 1 to {MAX_PAGE} items, and for the next page with `after` or `start`"
	)]
	Limit(u32),
	/// 21004: the request cannot be put to the chain.
	#[error("the request is not valid: {0}")]
	Request(#[from] InvalidRequest),
	/// 21005: the chain would refuse the job. The error's data is the name of the pallet's error.
	#[error(
		"the chain would refuse this job: {0} (the chain's metadata describes this error of pallet Jobs)"
	)]
	Refused(String),
	/// 21006: the node's database did not answer.
	#[error("the node's database did not answer: {0}")]
	Database(#[from] sp_blockchain::Error),
}

impl Error {
	fn code(&self) -> i32 {
		match self {
			Self::Parameter { .. } | Self::TooManyParameters => INVALID_PARAMS_CODE,
			Self::UnknownBlock(_) => 21001,
			Self::Runtime { .. } => 21002,
			Self::Limit(_) => 21003,
			Self::Request(_) => 21004,
			Self::Refused(_) => 21005,
			Self::Database(_) => 21006,
		}
	}
}

impl From<Error> for ErrorObjectOwned {
	fn from(error: Error) -> Self {
		let data = match &error {
			Error::Refused(name) => Some(name.clone()),
			_ => None,
		};
		Self::owned(error.code(), error.to_string(), data)
	}
}

/// The methods over a client.
pub struct Compute<C> {
	client: Arc<C>,
}

impl<C> Compute<C> {
	/// Reads through this client.
	pub fn new(client: Arc<C>) -> Self {
		Self { client }
	}
}

impl<C> Compute<C>
where
	C: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
	C::Api: ComputeApi<Block, AccountId>,
{
	/// The methods with their JSON parameters. All of them run the runtime, so none runs on the server's own threads.
	pub fn into_rpc(self) -> Result<RpcModule<Self>, RegisterMethodError> {
		let mut module = RpcModule::new(self);
		module.register_blocking_method("compute_job", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.job(p.one("id", HASH)?, p.block()?))
		})?;
		module.register_blocking_method("compute_jobs", |params, compute, _| {
			Reader::new(&params).answer(|p| {
				compute.jobs(p.one("tenant", ACCOUNT)?, p.optional("after", HASH)?, p.limit()?, p.block()?)
			})
		})?;
		module.register_blocking_method("compute_task", |params, compute, _| {
			Reader::new(&params)
				.answer(|p| compute.task(p.one("job", HASH)?, p.one("index", NUMBER)?, p.block()?))
		})?;
		module.register_blocking_method("compute_tasks", |params, compute, _| {
			Reader::new(&params).answer(|p| {
				compute.tasks(p.one("job", HASH)?, p.optional("start", NUMBER)?, p.limit()?, p.block()?)
			})
		})?;
		module.register_blocking_method("compute_openTasks", |params, compute, _| {
			Reader::new(&params)
				.answer(|p| compute.open_tasks(p.optional("after", TASK)?, p.limit()?, p.block()?))
		})?;
		module.register_blocking_method("compute_program", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.program(p.one("id", HASH)?, p.block()?))
		})?;
		module.register_blocking_method("compute_provider", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.provider(p.one("account", ACCOUNT)?, p.block()?))
		})?;
		module.register_blocking_method("compute_providers", |params, compute, _| {
			Reader::new(&params)
				.answer(|p| compute.providers(p.optional("after", ACCOUNT)?, p.limit()?, p.block()?))
		})?;
		module.register_blocking_method("compute_quote", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.quote(p.one("request", "a job request")?, p.block()?))
		})?;
		module.register_blocking_method("compute_market", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.market(p.block()?))
		})?;
		module.register_blocking_method("compute_clock", |params, compute, _| {
			Reader::new(&params).answer(|p| compute.clock(p.block()?))
		})?;
		Ok(module)
	}

	fn job(&self, id: JobId, at: Option<Hash>) -> Result<Option<Job>, Error> {
		Ok(self.ask(at, "job", |api, at| api.job(at, id))?.map(Into::into))
	}

	fn jobs(
		&self,
		tenant: AccountId,
		after: Option<JobId>,
		limit: u32,
		at: Option<Hash>,
	) -> Result<Vec<Job>, Error> {
		self.ask(at, "jobs_of", |api, at| api.jobs_of(at, tenant, after, limit)).map(all)
	}

	fn task(&self, job: JobId, index: TaskIndex, at: Option<Hash>) -> Result<Option<Task>, Error> {
		Ok(self.ask(at, "task", |api, at| api.task(at, job, index))?.map(Into::into))
	}

	fn tasks(
		&self,
		job: JobId,
		start: Option<TaskIndex>,
		limit: u32,
		at: Option<Hash>,
	) -> Result<Vec<Task>, Error> {
		self.ask(at, "tasks", |api, at| api.tasks(at, job, start.unwrap_or(0), limit)).map(all)
	}

	fn open_tasks(&self, after: Option<TaskRef>, limit: u32, at: Option<Hash>) -> Result<OpenTasks, Error> {
		self.ask(at, "open_tasks", |api, at| api.open_tasks(at, after.map(Into::into), limit)).map(Into::into)
	}

	fn program(&self, id: ProgramId, at: Option<Hash>) -> Result<Option<Program>, Error> {
		Ok(self.ask(at, "program", |api, at| api.program(at, id))?.map(Into::into))
	}

	fn provider(&self, account: AccountId, at: Option<Hash>) -> Result<Option<Provider>, Error> {
		Ok(self.ask(at, "provider", |api, at| api.provider(at, account))?.map(Into::into))
	}

	fn providers(
		&self,
		after: Option<AccountId>,
		limit: u32,
		at: Option<Hash>,
	) -> Result<Vec<Provider>, Error> {
		self.ask(at, "providers", |api, at| api.providers(at, after, limit)).map(all)
	}

	fn quote(&self, request: JobRequest, at: Option<Hash>) -> Result<Quote, Error> {
		let request = request.try_into()?;
		self.ask(at, "quote", |api, at| api.quote(at, request))?
			.map(Into::into)
			.map_err(|refusal| Error::Refused(String::from_utf8_lossy(&refusal.name).into_owned()))
	}

	fn market(&self, at: Option<Hash>) -> Result<Market, Error> {
		self.ask(at, "market", |api, at| api.market(at)).map(Into::into)
	}

	fn clock(&self, at: Option<Hash>) -> Result<Clock, Error> {
		self.ask(at, "clock", |api, at| api.clock(at)).map(Into::into)
	}

	/// Asks the runtime of block `at`, or of the best block.
	fn ask<T>(
		&self,
		at: Option<Hash>,
		call: &'static str,
		ask: impl FnOnce(&C::Api, Hash) -> Result<T, ApiError>,
	) -> Result<T, Error> {
		let at = match at {
			None => self.client.info().best_hash,
			Some(hash) if self.client.number(hash)?.is_some() => hash,
			Some(hash) => return Err(Error::UnknownBlock(hash)),
		};
		ask(&self.client.runtime_api(), at).map_err(|error| Error::Runtime { call, at, error })
	}
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
	items.into_iter().map(Into::into).collect()
}

/// Forms of parameters, for errors.
const HASH: &str = "a hash, 0x and 64 hexadecimal digits";
const ACCOUNT: &str = "an SS58 address";
const NUMBER: &str = "a whole number";
const TASK: &str = "a task, {\"job\": hash, \"index\": number}";

/// Reads the parameters of a call, in order.
struct Reader<'a>(ParamsSequence<'a>);

impl<'a> Reader<'a> {
	fn new(params: &'a Params<'_>) -> Self {
		Self(params.sequence())
	}

	/// The answer to the call, its error as it goes over the wire.
	fn answer<T>(
		mut self,
		method: impl FnOnce(&mut Self) -> Result<T, Error>,
	) -> Result<T, ErrorObjectOwned> {
		method(&mut self).map_err(Into::into)
	}

	fn one<T: DeserializeOwned>(&mut self, name: &'static str, form: &'static str) -> Result<T, Error> {
		self.0.next().map_err(wrong(name, form))
	}

	fn optional<T: DeserializeOwned>(
		&mut self,
		name: &'static str,
		form: &'static str,
	) -> Result<Option<T>, Error> {
		self.0.optional_next().map_err(wrong(name, form))
	}

	/// The size of a page.
	fn limit(&mut self) -> Result<u32, Error> {
		match self.optional("limit", NUMBER)? {
			None => Ok(MAX_PAGE),
			Some(limit @ 1..=MAX_PAGE) => Ok(limit),
			Some(limit) => Err(Error::Limit(limit)),
		}
	}

	/// The block to read, and the end of the parameters.
	fn block(&mut self) -> Result<Option<Hash>, Error> {
		let at = self.optional("at", HASH)?;
		match self.0.next::<IgnoredAny>() {
			Ok(_) => Err(Error::TooManyParameters),
			Err(_) => Ok(at),
		}
	}
}

fn wrong(name: &'static str, form: &'static str) -> impl FnOnce(ErrorObjectOwned) -> Error {
	move |error| {
		// jsonrpsee's message is "Invalid params" for all; what is wrong stands in its data, as JSON.
		let data = error.data().and_then(|data| serde_json::from_str(data.get()).ok());
		Error::Parameter { name, form, problem: data.unwrap_or_else(|| error.message().into()) }
	}
}
