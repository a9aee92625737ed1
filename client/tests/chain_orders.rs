// SPDX-License-Identifier: Apache-2.0

//! A worker's orders on a real chain, from registration to claim.

mod common;

use common::{BUFFER_BYTES, account, chain, funded, key, profile, refused, rich, soon, submit_job};
use futures::StreamExt;
use tessera_client::{
	chain::{
		Chain, ChainError, H256, JobsEvent, Level, MarketEvent, OrderRefusal, Refusal, SkipReason, TaskState,
		Verdict, calls,
	},
	keys::Key,
};
use tessera_primitives::{
	TESS,
	job::HandBackReason,
	orders::{AcceptItem, ClaimItem, HandBackItem},
	provider::Availability,
};

/// Blocks for which the orders of these tests count.
const BLOCKS: u32 = 50;

/// Registers a provider with a bond. Returns the keys of owner and worker.
async fn provider(chain: &Chain, funder: &str, name: &str) -> (Key, Key) {
	let owner = funded(chain, &rich(funder), &format!("Owner/{name}"), 100 * TESS).await;
	let worker = key(&format!("Worker/{name}"));
	let all = vec![
		calls::register_provider(profile()),
		calls::set_worker_key(&worker.worker_key()),
		calls::bond(20 * TESS),
	];
	chain.submit(&calls::all(all), &owner, Level::Best).await.expect("a new provider");
	(owner, worker)
}

async fn beat(chain: &Chain, owner: &Key, worker: &Key) {
	let view = chain.view(Level::Best).await.unwrap();
	let order = view.heartbeat_order(&account(owner)).await.unwrap().sign(&chain.genesis(), worker);
	chain.submit_order(&order, Level::Best).await.expect("a heartbeat");
}

#[tokio::test]
async fn task_should_go_from_open_to_claimed_by_a_workers_orders() {
	let chain = chain().await;
	let (owner, worker) = provider(&chain, "Alice", "life").await;
	let view = chain.view(Level::Best).await.unwrap();
	let info = view.provider(&account(&owner)).await.unwrap().expect("it is registered");
	assert_eq!((info.availability, info.bond), (Availability::Offline, 20 * TESS));
	beat(&chain, &owner, &worker).await;
	let tenant = funded(&chain, &rich("Alice"), "Tenant/life", 100 * TESS).await;
	let (job, _) = submit_job(&chain, &tenant, "life", 2).await;

	let mut finals = chain.follow(Level::Final).boxed();
	let view = chain.view(Level::Best).await.unwrap();
	let info = view.provider(&account(&owner)).await.unwrap().expect("it is registered");
	assert_eq!(info.availability, Availability::Online);
	let price = view.task(job, 0).await.unwrap().and_then(|task| task.price).expect("it is open");
	let item = |task, min_price| AcceptItem { job, task, attempt: 0, min_price };

	// Two of the three can go through: the third task does not exist.
	let tasks = vec![item(0, price), item(1, 0), item(2, 0)];
	let accept =
		view.accept_order(&account(&owner), tasks, BLOCKS).await.unwrap().sign(&chain.genesis(), &worker);
	let outcome = chain.submit_order(&accept, Level::Best).await.unwrap();
	assert_eq!(outcome.fee, None, "orders are free");
	let taken: Vec<u32> = outcome
		.events
		.iter()
		.filter_map(|event| match event {
			MarketEvent::Jobs(JobsEvent::TaskAccepted { task, provider, price: paid, .. }) => {
				assert_eq!(*provider, account(&owner));
				assert!(*paid >= price);
				Some(*task)
			}
			_ => None,
		})
		.collect();
	assert_eq!(taken, [0, 1]);
	let skipped = outcome.events.iter().find_map(|event| match event {
		MarketEvent::Jobs(JobsEvent::TaskSkipped { task, reason, .. }) => Some((*task, reason.0)),
		_ => None,
	});
	assert_eq!(skipped, Some((2, SkipReason::UnknownTask)));

	// Replayed as the same bytes, and signed anew.
	for order in [accept.clone(), accept.order.clone().sign(&chain.genesis(), &worker)] {
		let error = refused(chain.submit_order(&order, Level::Best).await);
		let refusal = error.refusal().expect("it is refused");
		assert_eq!(refusal.order(), Some(OrderRefusal::WrongCounter), "{error:?}");
		assert_eq!(refusal.verdict(), Some(Verdict::AlreadyCounted));
	}

	// A new order for a task that is taken.
	let view = chain.view(Level::Best).await.unwrap();
	let late = view.accept_order(&account(&owner), vec![item(0, 0)], BLOCKS).await.unwrap();
	let error = refused(chain.submit_order(&late.sign(&chain.genesis(), &worker), Level::Best).await);
	let refusal = error.refusal().expect("it is refused");
	assert_eq!(refusal.order(), Some(OrderRefusal::Task(SkipReason::NotOpen)), "{error:?}");
	assert_eq!(refusal.verdict(), Some(Verdict::Taken));

	// A claim of the wrong length, then the right one, twice.
	let root = H256::repeat_byte(5);
	let claim = |output_bytes| {
		let claims = vec![ClaimItem { job, task: 0, attempt: 0, root, output_bytes }];
		view.claim_order(&account(&owner), claims, BLOCKS).unwrap().sign(&chain.genesis(), &worker)
	};
	let error = refused(chain.submit_order(&claim(4), Level::Best).await);
	assert_eq!(
		error.refusal().and_then(Refusal::order),
		Some(OrderRefusal::Task(SkipReason::WrongOutputLength)),
		"{error:?}"
	);
	let claimed = chain.submit_order(&claim(BUFFER_BYTES), Level::Best).await.unwrap();
	let is_claim =
		|event: &MarketEvent| matches!(event, MarketEvent::Jobs(JobsEvent::TaskClaimed { task: 0, .. }));
	assert!(claimed.events.iter().any(is_claim), "{claimed:?}");
	let error = refused(chain.submit_order(&claim(BUFFER_BYTES), Level::Best).await);
	assert_eq!(
		error.refusal().and_then(Refusal::order),
		Some(OrderRefusal::Task(SkipReason::NotAccepted)),
		"{error:?}"
	);
	let task = chain.view(Level::Best).await.unwrap().task(job, 0).await.unwrap().expect("it is there");
	assert!(matches!(task.state, TaskState::Claimed { root: found, .. } if found == root), "{task:?}");

	// The other task is handed back, and is open for others.
	let tasks = vec![HandBackItem { job, task: 1, attempt: 0, reason: HandBackReason::NoInputs }];
	let order =
		view.hand_back_order(&account(&owner), tasks, BLOCKS).unwrap().sign(&chain.genesis(), &worker);
	chain.submit_order(&order, Level::Best).await.unwrap();
	let task = chain.view(Level::Best).await.unwrap().task(job, 1).await.unwrap().expect("it is there");
	assert_eq!((task.attempt, task.barred.as_slice()), (1, &[account(&owner)][..]));

	// All of that becomes final, in this order.
	let mut seen = Vec::new();
	while !seen.iter().any(is_hand_back) {
		let block =
			soon("the events become final", finals.next()).await.expect("the stream goes on").unwrap();
		assert!(block.finalized && !block.missed);
		seen.extend(block.events.into_iter().filter(|event| event.job() == Some(job)));
	}
	let position = |wanted: fn(&MarketEvent) -> bool| seen.iter().position(wanted).expect("it happened");
	let accepted = position(|event| matches!(event, MarketEvent::Jobs(JobsEvent::TaskAccepted { .. })));
	let claimed = position(|event| matches!(event, MarketEvent::Jobs(JobsEvent::TaskClaimed { .. })));
	assert!(accepted < claimed && claimed < position(is_hand_back));
}

fn is_hand_back(event: &MarketEvent) -> bool {
	matches!(event, MarketEvent::Jobs(JobsEvent::TaskHandedBack { .. }))
}

#[tokio::test]
async fn heartbeat_should_count_once_in_a_window() {
	let chain = chain().await;
	let (owner, worker) = provider(&chain, "Bob", "beat").await;
	let view = chain.view(Level::Best).await.unwrap();
	let order = view.heartbeat_order(&account(&owner)).await.unwrap();

	// Somebody else's key.
	let error = refused(chain.submit_order(&order.clone().sign(&chain.genesis(), &owner), Level::Best).await);
	assert_eq!(error.refusal().and_then(Refusal::order), Some(OrderRefusal::BadSignature), "{error:?}");
	// For another chain.
	let error = refused(chain.submit_order(&order.clone().sign(&H256::zero(), &worker), Level::Best).await);
	assert_eq!(error.refusal().and_then(Refusal::order), Some(OrderRefusal::BadSignature), "{error:?}");

	beat(&chain, &owner, &worker).await;
	let info = chain.view(Level::Best).await.unwrap().provider(&account(&owner)).await.unwrap().unwrap();
	assert!(info.last_heartbeat.is_some());
	let again = chain.view(Level::Best).await.unwrap().heartbeat_order(&account(&owner)).await.unwrap();
	match chain.submit_order(&again.clone().sign(&chain.genesis(), &worker), Level::Best).await {
		Err(error) => {
			let refusal = error.refusal().expect("it is refused");
			assert_eq!(refusal.order(), Some(OrderRefusal::HeartbeatCounted), "{error:?}");
			assert_eq!(refusal.verdict(), Some(Verdict::AlreadyCounted));
		}
		// A window has begun in between.
		Ok(_) => assert_ne!(again, order),
	}
}

#[tokio::test]
async fn order_should_be_refused_when_the_provider_lacks_something() {
	let chain = chain().await;
	let tenant = funded(&chain, &rich("Charlie"), "Tenant/lacks", 100 * TESS).await;
	let (job, _) = submit_job(&chain, &tenant, "lacks", 1).await;
	let item = AcceptItem { job, task: 0, attempt: 0, min_price: 0 };
	let stranger = key("Owner/stranger");

	let view = chain.view(Level::Best).await.unwrap();
	let error = refused(view.accept_order(&account(&stranger), vec![item], BLOCKS).await);
	assert!(matches!(error, ChainError::UnknownProvider { .. }), "{error:?}");
	let order = view.heartbeat_order(&account(&stranger)).await.unwrap().sign(&chain.genesis(), &stranger);
	let error = refused(chain.submit_order(&order, Level::Best).await);
	assert_eq!(error.refusal().and_then(Refusal::order), Some(OrderRefusal::NotRegistered), "{error:?}");
	assert!(error.to_string().contains("registers it first"), "{error}");

	// Registered, and never heard of.
	let (owner, worker) = provider(&chain, "Charlie", "lacks").await;
	let view = chain.view(Level::Best).await.unwrap();
	let accept = async |blocks| {
		let order = view.accept_order(&account(&owner), vec![item], blocks).await.unwrap();
		refused(chain.submit_order(&order.sign(&chain.genesis(), &worker), Level::Best).await)
	};
	let error = accept(BLOCKS).await;
	let refusal = error.refusal().expect("it is refused");
	assert_eq!(refusal.verdict(), Some(Verdict::NotEligible), "{error:?}");
	assert!(error.to_string().contains("heartbeats"), "{error}");
	let error = accept(10_000).await;
	assert_eq!(error.refusal().and_then(Refusal::order), Some(OrderRefusal::TooFarAhead), "{error:?}");
	let error = refused(view.accept_order(&account(&owner), vec![item; 101], BLOCKS).await);
	assert!(error.to_string().contains("101"), "{error}");

	// Somebody else signs.
	beat(&chain, &owner, &worker).await;
	let view = chain.view(Level::Best).await.unwrap();
	let order = view.accept_order(&account(&owner), vec![item], BLOCKS).await.unwrap();
	let error =
		refused(chain.submit_order(&order.clone().sign(&chain.genesis(), &stranger), Level::Best).await);
	assert_eq!(error.refusal(), Some(&Refusal::BadSignature), "{error:?}");
	// A task twice.
	let order = view.accept_order(&account(&owner), vec![item, item], BLOCKS).await.unwrap();
	let error = refused(chain.submit_order(&order.sign(&chain.genesis(), &worker), Level::Best).await);
	assert_eq!(error.refusal().and_then(Refusal::order), Some(OrderRefusal::DuplicateTask), "{error:?}");
}
