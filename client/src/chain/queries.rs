// SPDX-License-Identifier: Apache-2.0

//! Reading the chain.

use std::future::Future;

use futures::{Stream, stream};
use subxt::{
	OnlineClientAtBlock, client::OnlineClientAtBlockImpl, ext::scale_decode::IntoVisitor, runtime_apis,
	utils::Static,
};
use tessera_primitives::{
	Balance, JobId, ProgramId, TaskId, TaskIndex,
	api::{Clock, MarketSummary, Quote, QuoteError},
	job::JobRequest,
	limits::MAX_PAGE,
	program::ProgramManifest,
};

use super::{
	AccountBalance, AccountId, BlockRef, Chain, ChainError, Config, Hold, JobInfo, OpenTask, OpenTasksPage,
	ProviderInfo, TaskInfo, runtime,
};

/// What subxt calls a client at a block.
pub(super) type AtImpl = OnlineClientAtBlockImpl<Config>;
pub(super) type At = OnlineClientAtBlock<Config>;

/// The chain at one block: whatever is read through it belongs together. Made by [`Chain::view`].
///
/// A node keeps the state of some hundred blocks, so a view is of use for some minutes.
#[derive(Clone)]
pub struct View {
	chain: Chain,
	at: At,
	block: BlockRef,
}

impl std::fmt::Debug for View {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.debug_struct("View").field("chain", &self.chain).field("block", &self.block).finish()
	}
}

impl View {
	pub(super) fn new(chain: Chain, at: At, block: BlockRef) -> Self {
		Self { chain, at, block }
	}

	/// The block.
	pub fn block(&self) -> BlockRef {
		self.block
	}

	/// The connection through which it is read.
	pub fn chain(&self) -> &Chain {
		&self.chain
	}

	/// Version of the runtime at this block.
	pub fn spec_version(&self) -> u32 {
		self.at.spec_version()
	}

	pub(super) fn at(&self) -> &At {
		&self.at
	}

	/// A job; `None` when there is no such job (any more).
	pub async fn job(&self, id: JobId) -> Result<Option<JobInfo>, ChainError> {
		Ok(self.call(api().job(id)).await?.map(own))
	}

	/// A page of the jobs of a tenant, after this one: at most `limit` and 256.
	pub async fn jobs_of_page(
		&self,
		tenant: &AccountId,
		after: Option<JobId>,
		limit: u32,
	) -> Result<Vec<JobInfo>, ChainError> {
		Ok(all(self.call(api().jobs_of(*tenant, after, limit)).await?))
	}

	/// All jobs of a tenant that are not cleaned up.
	pub fn jobs_of(&self, tenant: AccountId) -> impl Stream<Item = Result<JobInfo, ChainError>> + Send + '_ {
		pages(move |after| async move {
			let page = self.jobs_of_page(&tenant, after, MAX_PAGE).await?;
			let next = page.last().map(|job| job.id);
			Ok((page, next))
		})
	}

	/// A task; `None` when there is no such task.
	pub async fn task(&self, id: JobId, index: TaskIndex) -> Result<Option<TaskInfo>, ChainError> {
		Ok(self.call(api().task(id, index)).await?.map(own))
	}

	/// A page of the tasks of a job, from this index on: at most `limit` and 256.
	pub async fn tasks_page(
		&self,
		id: JobId,
		start: TaskIndex,
		limit: u32,
	) -> Result<Vec<TaskInfo>, ChainError> {
		Ok(all(self.call(api().tasks(id, start, limit)).await?))
	}

	/// All tasks of a job by index.
	pub fn tasks(&self, id: JobId) -> impl Stream<Item = Result<TaskInfo, ChainError>> + Send + '_ {
		pages(move |start: Option<TaskIndex>| async move {
			let page = self.tasks_page(id, start.unwrap_or(0), MAX_PAGE).await?;
			let next = page.last().map(|task| task.id.1 + 1);
			Ok((page, next))
		})
	}

	/// A page of the tasks that can be accepted now, after this one: at most `limit` and 256.
	pub async fn open_tasks_page(
		&self,
		after: Option<TaskId>,
		limit: u32,
	) -> Result<OpenTasksPage, ChainError> {
		Ok(own(self.call(api().open_tasks(after, limit)).await?))
	}

	/// All tasks that can be accepted now.
	pub fn open_tasks(&self) -> impl Stream<Item = Result<OpenTask, ChainError>> + Send + '_ {
		pages(move |after| async move {
			let page = self.open_tasks_page(after, MAX_PAGE).await?;
			Ok((page.tasks, page.next))
		})
	}

	/// A program's manifest; `None` when it is not registered.
	pub async fn program(&self, id: ProgramId) -> Result<Option<ProgramManifest>, ChainError> {
		Ok(self.call(api().program(id)).await?.map(own))
	}

	/// A provider; `None` when the account is none.
	pub async fn provider(&self, account: &AccountId) -> Result<Option<ProviderInfo>, ChainError> {
		Ok(self.call(api().provider(*account)).await?.map(own))
	}

	/// A page of the providers, after this one: at most `limit` and 256.
	pub async fn providers_page(
		&self,
		after: Option<AccountId>,
		limit: u32,
	) -> Result<Vec<ProviderInfo>, ChainError> {
		Ok(all(self.call(api().providers(after, limit)).await?))
	}

	/// All providers.
	pub fn providers(&self) -> impl Stream<Item = Result<ProviderInfo, ChainError>> + Send + '_ {
		pages(move |after| async move {
			let page = self.providers_page(after, MAX_PAGE).await?;
			let next = page.last().map(|provider| provider.account);
			Ok((page, next))
		})
	}

	/// What a job would cost and who could take it; the inner error names what `Jobs.submit` would fail with.
	pub async fn quote(&self, request: &JobRequest) -> Result<Result<Quote, QuoteError>, ChainError> {
		let quote = self.call(api().quote(request.clone().into())).await?;
		Ok(quote.map(own).map_err(own))
	}

	/// The market in a few numbers.
	pub async fn market(&self) -> Result<MarketSummary, ChainError> {
		Ok(own(self.call(api().market()).await?))
	}

	/// The chain's clock.
	pub async fn clock(&self) -> Result<Clock, ChainError> {
		Ok(own(self.call(api().clock()).await?))
	}

	/// What an account has. An account that does not exist has nothing.
	pub async fn balance(&self, account: &AccountId) -> Result<AccountBalance, ChainError> {
		let (data, holds) = (runtime::storage().system().account(), runtime::storage().balances().holds());
		let storage = self.at.storage();
		let data = self.chain.ask(storage.fetch(data, (*account,))).await?.decode()?.data;
		let holds = match self.chain.ask(storage.try_fetch(holds, (*account,))).await? {
			Some(holds) => holds.decode()?.0,
			None => Vec::new(),
		};
		let holds =
			holds.into_iter().map(|hold| Hold { kind: hold.id.into(), amount: hold.amount }).collect();
		Ok(AccountBalance { free: data.free, on_hold: data.reserved, frozen: data.frozen, holds })
	}

	/// How many transactions of an account this block and those before it hold.
	pub async fn nonce(&self, account: &AccountId) -> Result<u64, ChainError> {
		self.chain.ask(self.at.tx().account_nonce(account)).await
	}

	/// What an account must have to exist, planck.
	pub fn existential_deposit(&self) -> Result<Balance, ChainError> {
		Ok(self.at.constants().entry(runtime::constants().balances().existential_deposit())?)
	}

	async fn call<P: runtime_apis::Payload>(&self, payload: P) -> Result<P::ReturnType, ChainError>
	where
		P::ReturnType: IntoVisitor,
	{
		self.chain.ask(self.at.runtime_apis().call(payload)).await
	}
}

fn api() -> runtime::runtime_apis::compute_api::ComputeApi {
	runtime::runtime_apis().compute_api()
}

fn own<T>(wrapped: Static<T>) -> T {
	wrapped.0
}

fn all<T>(wrapped: Vec<Static<T>>) -> Vec<T> {
	wrapped.into_iter().map(own).collect()
}

/// The items of all pages. `page` takes where the page before ended, and says where this one does; an empty page or
/// none to follow is the end.
fn pages<T, K, F>(page: impl Fn(Option<K>) -> F + Send) -> impl Stream<Item = Result<T, ChainError>> + Send
where
	T: Send,
	K: Send,
	F: Future<Output = Result<(Vec<T>, Option<K>), ChainError>> + Send,
{
	struct State<T, K, P> {
		page: P,
		items: std::vec::IntoIter<T>,
		/// `None` after the last page.
		next: Option<Option<K>>,
	}
	let state = State { page, items: Vec::new().into_iter(), next: Some(None) };
	stream::try_unfold(state, |mut state| async move {
		loop {
			if let Some(item) = state.items.next() {
				return Ok(Some((item, state)));
			}
			let Some(after) = state.next.take() else { return Ok(None) };
			let (items, next) = (state.page)(after).await?;
			if !items.is_empty() {
				state.next = next.map(Some);
			}
			state.items = items.into_iter();
		}
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use futures::TryStreamExt;

	#[tokio::test]
	async fn pages_should_yield_everything_once_and_stop() {
		let served = |after: Option<u32>| async move {
			let start = after.map_or(0, |last| last + 1);
			let page: Vec<u32> = (start..7.min(start + 3)).collect();
			let next = page.last().copied();
			Ok((page, next))
		};
		let all: Vec<u32> = pages(served).try_collect().await.unwrap();
		assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
	}

	#[tokio::test]
	async fn pages_should_end_when_a_page_says_so() {
		let served = |after: Option<u32>| async move {
			assert_eq!(after, None, "there is no second page");
			Ok((vec![1, 2], None::<u32>))
		};
		let all: Vec<u32> = pages(served).try_collect().await.unwrap();
		assert_eq!(all, [1, 2]);
	}

	#[tokio::test]
	async fn pages_should_end_with_the_error_when_one_fails() {
		let served = |after: Option<u32>| async move {
			match after {
				None => Ok((vec![1], Some(1))),
				Some(_) => Err(ChainError::Disconnected),
			}
		};
		let all: Result<Vec<u32>, _> = pages(served).try_collect().await;
		assert!(matches!(all, Err(ChainError::Disconnected)));
	}
}
