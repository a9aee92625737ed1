// SPDX-License-Identifier: Apache-2.0

//! Reading a real chain on which nothing has happened yet.

mod common;

use common::{MILLI, chain, key, program, request, rich};
use futures::{StreamExt, TryStreamExt};
use tessera_client::chain::{
	AccountBalance, ChainError, H256, JobInfo, Level, OpenTask, ProviderInfo, TaskInfo, calls,
};
use tessera_primitives::{TESS, api::MarketSummary};

#[tokio::test]
async fn queries_should_find_nothing_when_the_market_is_empty() {
	let chain = chain().await;
	let view = chain.view(Level::Best).await.unwrap();
	let (nobody, nothing) = (key("Nobody").account(), H256::repeat_byte(1));

	assert_eq!(view.job(nothing).await.unwrap(), None);
	assert_eq!(view.task(nothing, 0).await.unwrap(), None);
	assert_eq!(view.program(nothing).await.unwrap(), None);
	assert_eq!(view.provider(&nobody).await.unwrap(), None);
	assert_eq!(view.market().await.unwrap(), MarketSummary::default());
	let jobs: Vec<JobInfo> = view.jobs_of(nobody).try_collect().await.unwrap();
	let tasks: Vec<TaskInfo> = view.tasks(nothing).try_collect().await.unwrap();
	let open: Vec<OpenTask> = view.open_tasks().try_collect().await.unwrap();
	let providers: Vec<ProviderInfo> = view.providers().try_collect().await.unwrap();
	assert!(jobs.is_empty() && tasks.is_empty() && open.is_empty() && providers.is_empty());
	assert_eq!(view.balance(&nobody).await.unwrap(), AccountBalance::default());
	assert_eq!(view.nonce(&nobody).await.unwrap(), 0);
}

#[tokio::test]
async fn clock_and_deposit_should_be_those_of_the_development_chain() {
	let chain = chain().await;
	let view = chain.view(Level::Best).await.unwrap();
	let clock = view.clock().await.unwrap();
	assert!(clock.heartbeat_window > 0 && clock.fetch_window > 0 && clock.challenge_ticks > 0, "{clock:?}");
	assert!(clock.tick <= view.block().number);
	assert_eq!(view.existential_deposit().unwrap(), MILLI);
	assert!(view.spec_version() >= 100);
	let alice = view.balance(&rich("Alice").account()).await.unwrap();
	assert_eq!((alice.free, alice.on_hold, alice.frozen), (1_000_000 * TESS, 0, 0));
	assert!(alice.holds.is_empty());
}

#[tokio::test]
async fn quote_should_name_the_error_when_the_program_is_unknown() {
	let chain = chain().await;
	let view = chain.view(Level::Best).await.unwrap();
	let quote = view.quote(&request(program("unknown").id(), 3)).await.unwrap();
	assert_eq!(String::from_utf8(quote.unwrap_err().name).unwrap(), "UnknownProgram");
}

#[tokio::test]
async fn view_should_stay_at_its_block_while_the_chain_goes_on() {
	let chain = chain().await;
	let view = chain.view(Level::Best).await.unwrap();
	let before = view.clock().await.unwrap();
	let mut blocks = chain.follow(Level::Best).boxed();
	let mut last = view.block();
	while last.number < view.block().number + 2 {
		last = blocks.next().await.expect("the stream goes on").unwrap().block;
	}
	assert_eq!(view.clock().await.unwrap(), before);
	let again = chain.view_at_hash(view.block().hash).await.unwrap();
	assert_eq!((again.block(), again.clock().await.unwrap()), (view.block(), before));
	assert!(chain.view_at(last).await.unwrap().clock().await.unwrap().tick > before.tick);
}

#[tokio::test]
async fn blocks_should_be_each_others_children_at_both_levels() {
	let chain = chain().await;
	for level in [Level::Best, Level::Final] {
		let blocks: Vec<_> = chain.follow(level).take(4).try_collect().await.unwrap();
		for pair in blocks.windows(2) {
			assert_eq!(pair[1].block.number, pair[0].block.number + 1, "{level:?}: {blocks:?}");
			assert!(!pair[1].missed && pair[1].retracted.is_empty());
		}
		assert!(blocks.iter().all(|block| block.finalized == (level == Level::Final)));
	}
	// Who was away goes on where it was.
	let from = chain.view(Level::Final).await.unwrap().block();
	let mut after = chain.follow_after(Level::Final, Some(from)).boxed();
	assert_eq!(after.next().await.expect("there is more").unwrap().block.number, from.number + 1);
}

#[tokio::test]
async fn view_should_be_refused_when_the_block_is_unknown() {
	let chain = chain().await;
	let error = chain.view_at_hash(H256::repeat_byte(3)).await.unwrap_err();
	assert!(matches!(error, ChainError::UnknownBlock { .. }), "{error:?}");
	assert!(error.to_string().contains(&"03".repeat(32)), "{error}");
}

#[tokio::test]
async fn fee_should_be_estimated_without_sending_anything() {
	let chain = chain().await;
	// Nobody else sends from this account.
	let dave = rich("Dave");
	let small = calls::transfer(&key("Nobody").account(), TESS);
	let large = calls::register_program(&program(&"x".repeat(100)));
	let (small, large) =
		(chain.estimate_fee(&small, &dave).await.unwrap(), chain.estimate_fee(&large, &dave).await.unwrap());
	assert!(0 < small && small < TESS, "{small}");
	assert!(small < large && large < TESS, "{large}");
	let view = chain.view(Level::Best).await.unwrap();
	assert_eq!(view.nonce(&dave.account()).await.unwrap(), 0);
}
