// SPDX-License-Identifier: Apache-2.0

//! Transactions on a real chain: what they do, what they cost, and how they fail.

mod common;

use common::{
	BUFFER_BYTES, MILLI, account, chain, connect, funded, key, program, refused, request, rich, spendable,
	submit_job,
};
use futures::{TryStreamExt, future::join_all};
use std::collections::BTreeSet;
use tessera_client::chain::{
	AccountId, Chain, ChainError, H256, HoldKind, JobInfo, JobsEvent, Level, MarketEvent, Refusal, TaskInfo,
	TaskState, calls,
};
use tessera_primitives::TESS;

#[tokio::test]
async fn job_should_be_found_when_it_was_submitted() {
	let chain = chain().await;
	let tenant = funded(&chain, &rich("Alice"), "Tenant/found", 100 * TESS).await;
	let (job, outcome) = submit_job(&chain, &tenant, "found", 3).await;

	let submitted = outcome.events.iter().find_map(|event| match event {
		MarketEvent::Jobs(JobsEvent::JobSubmitted { job, tasks, escrow, .. }) => {
			Some((*job, *tasks, *escrow))
		}
		_ => None,
	});
	assert_eq!(submitted, Some((job, 3, 150 * MILLI)), "{outcome:?}");
	assert!(outcome.fee.is_some_and(|fee| 0 < fee && fee < TESS), "{outcome:?}");

	let view = chain.view_at(outcome.block).await.unwrap();
	let info = view.job(job).await.unwrap().expect("the job is there");
	assert_eq!((info.id, info.tenant, info.counts.open), (job, account(&tenant), 3));
	assert_eq!(info.request, request(program("found").id(), 3));
	assert_eq!(view.program(info.request.program).await.unwrap(), Some(program("found").manifest));
	let jobs: Vec<JobInfo> = view.jobs_of(account(&tenant)).try_collect().await.unwrap();
	assert_eq!(jobs, std::slice::from_ref(&info));
	let tasks: Vec<TaskInfo> = view.tasks(job).try_collect().await.unwrap();
	assert_eq!(tasks.iter().map(|task| task.id).collect::<Vec<_>>(), [(job, 0), (job, 1), (job, 2)]);
	assert!(tasks.iter().all(|task| matches!(task.state, TaskState::Open { .. })));
	let open: Vec<_> = view.open_tasks().try_collect::<Vec<_>>().await.unwrap();
	assert_eq!(open.iter().filter(|task| task.id.0 == job).count(), 3);

	let balance = view.balance(&account(&tenant)).await.unwrap();
	assert_eq!(balance.held(&HoldKind::Escrow), 150 * MILLI);
	assert_eq!(balance.held(&HoldKind::JobDeposit), info.deposit);
	assert!(balance.held(&HoldKind::ProgramDeposit) > 0);
	assert_eq!(balance.holds.iter().map(|hold| hold.amount).sum::<u128>(), balance.on_hold);

	// The quote says the same, and what the worker will have to claim is known.
	let quote = view.quote(&info.request).await.unwrap().expect("the job is valid");
	assert_eq!((quote.escrow, quote.deposit), (150 * MILLI, info.deposit));
	assert_eq!(info.request.output_bytes(&program("found").manifest), BUFFER_BYTES);

	let cancelled = chain.submit(&calls::cancel(job), &tenant, Level::Final).await.unwrap();
	assert!(cancelled.finalized);
	assert!(chain.head(Level::Final).await.unwrap().number >= cancelled.block.number);
	let closed = chain.wait_for_job(job, Level::Final, |job| job.is_some_and(|job| job.closed.is_some()));
	assert_eq!(closed.await.unwrap().expect("it is not cleaned up").escrow, 0);
	chain.submit(&calls::clean_up(job), &tenant, Level::Best).await.unwrap();
	assert_eq!(chain.view(Level::Best).await.unwrap().job(job).await.unwrap(), None);
}

#[tokio::test]
async fn transactions_should_all_be_included_once_when_sent_at_once() {
	const COUNT: u32 = 20;
	let chain = chain().await;
	let sender = funded(&chain, &rich("Bob"), "Sender/at-once", 100 * TESS).await;
	let receiver: AccountId = key("Receiver/at-once").account();
	let send = |index: u32| {
		let (chain, sender) = (chain.clone(), sender.clone());
		// Different amounts, so that each can be told from the others.
		let call = calls::transfer(&receiver, TESS + u128::from(index));
		tokio::spawn(async move { chain.submit(&call, &sender, Level::Best).await })
	};
	let outcomes = join_all((0..COUNT).map(send)).await;
	let outcomes: Vec<_> =
		outcomes.into_iter().map(|outcome| outcome.unwrap().expect("each is included")).collect();

	let hashes: BTreeSet<_> = outcomes.iter().map(|outcome| outcome.hash).collect();
	let places: BTreeSet<_> = outcomes.iter().map(|outcome| (outcome.block, outcome.index)).collect();
	assert_eq!((hashes.len(), places.len()), (COUNT as usize, COUNT as usize));
	let view = chain.view(Level::Best).await.unwrap();
	assert_eq!(view.nonce(&account(&sender)).await.unwrap(), u64::from(COUNT));
	let expected = u128::from(COUNT) * TESS + (0..u128::from(COUNT)).sum::<u128>();
	assert_eq!(view.balance(&receiver).await.unwrap().free, expected);
}

#[tokio::test]
async fn transactions_should_all_be_included_once_when_two_programs_share_an_account() {
	// Each connection counts for itself, as two processes would.
	let one = chain().await;
	let other = connect(&one.node).await;
	let sender = funded(&one, &rich("Charlie"), "Sender/shared", 100 * TESS).await;
	let receiver = key("Receiver/shared").account();
	let call = calls::transfer(&receiver, TESS);
	let send = |chain: &Chain| {
		let (chain, sender, call) = (chain.clone(), sender.clone(), call.clone());
		tokio::spawn(async move { chain.submit(&call, &sender, Level::Best).await })
	};
	let sent = [&one, &other, &one, &other, &one, &other].map(send);
	for outcome in join_all(sent).await {
		outcome.unwrap().expect("each is included");
	}
	let view = one.view(Level::Best).await.unwrap();
	assert_eq!(view.nonce(&account(&sender)).await.unwrap(), 6);
	assert_eq!(view.balance(&receiver).await.unwrap().free, 6 * TESS);
}

#[tokio::test]
async fn job_should_not_be_paid_twice_when_it_is_submitted_again() {
	let chain = chain().await;
	let tenant = funded(&chain, &rich("Alice"), "Tenant/twice", 100 * TESS).await;
	let (job, _) = submit_job(&chain, &tenant, "twice", 2).await;
	let before = spendable(&chain, &account(&tenant)).await;

	let client_id = tessera_primitives::types::blake3_hash(b"twice");
	let again = chain.submit_job(&tenant, client_id, request(program("twice").id(), 2), Level::Best).await;
	let error = refused(again);
	assert!(matches!(error, ChainError::JobExists { job: found, same: true } if found == job), "{error:?}");
	assert!(error.to_string().contains(&format!("{job:?}")), "{error}");
	assert_eq!(spendable(&chain, &account(&tenant)).await, before, "it cost nothing, not even a fee");

	let other = request(program("twice").id(), 1);
	let error = refused(chain.submit_job(&tenant, client_id, other.clone(), Level::Best).await);
	assert!(matches!(error, ChainError::JobExists { same: false, .. }), "{error:?}");
	assert!(error.to_string().contains("another client id"), "{error}");

	// The chain itself refuses it too.
	let error = refused(chain.submit(&calls::submit_job(client_id, other), &tenant, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Jobs.JobExists"), "{error:?}");
	let view = chain.view(Level::Best).await.unwrap();
	assert_eq!(view.balance(&account(&tenant)).await.unwrap().held(&HoldKind::Escrow), 100 * MILLI);
}

#[tokio::test]
async fn error_should_say_what_the_account_has_when_it_cannot_pay() {
	let chain = chain().await;
	// Not even a fee.
	let poor = key("Poor/nothing");
	let call = calls::transfer(&rich("Alice").account(), TESS);
	let error = refused(chain.submit(&call, &poor, Level::Best).await);
	assert!(
		matches!(&error, ChainError::Refused { refusal: Refusal::CannotPayFee(Some(_)), .. }),
		"{error:?}"
	);
	let text = error.to_string();
	assert!(text.contains(&poor.account().to_string()) && text.contains("send TESS"), "{text}");

	// The fee, but not the escrow.
	let poor = funded(&chain, &rich("Bob"), "Poor/escrow", 3 * TESS).await;
	let package = program("poor");
	chain.submit(&calls::register_program(&package), &poor, Level::Best).await.unwrap();
	let large = request(package.id(), 1000);
	let error = refused(chain.submit_job(&poor, H256::zero(), large, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Jobs.EscrowNotCovered"), "{error:?}");
	let text = error.to_string();
	assert!(text.contains("free balance") && text.contains("can spend") && text.contains("TESS"), "{text}");

	// The fee, but not the amount.
	let error = refused(
		chain.submit(&calls::transfer(&rich("Alice").account(), 10 * TESS), &poor, Level::Best).await,
	);
	assert!(error.failure_name().is_some_and(|name| name.starts_with("Token.")), "{error:?}");
	assert!(error.to_string().contains("can spend"), "{error}");
}

#[tokio::test]
async fn failed_call_should_be_explained_by_the_runtime_when_it_is_wrong() {
	let chain = chain().await;
	let tenant = funded(&chain, &rich("Charlie"), "Tenant/wrong", 10 * TESS).await;
	let unknown = request(program("never registered").id(), 1);
	let error = refused(chain.submit_job(&tenant, H256::zero(), unknown, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Jobs.UnknownProgram"));
	assert!(error.to_string().contains("register it first"), "{error}");

	let error = refused(chain.submit(&calls::bond(TESS), &tenant, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Providers.NotRegistered"));
	// The next one has its number right.
	let error = refused(chain.submit(&calls::pause(), &tenant, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Providers.NotRegistered"));
	assert_eq!(chain.view(Level::Best).await.unwrap().nonce(&account(&tenant)).await.unwrap(), 3);
}

#[tokio::test]
async fn batch_should_do_all_or_nothing() {
	let chain = chain().await;
	let sender = funded(&chain, &rich("Bob"), "Sender/batch", 10 * TESS).await;
	let receiver = key("Receiver/batch").account();
	let good = vec![calls::transfer(&receiver, TESS), calls::register_program(&program("batch"))];
	let outcome = chain.submit(&calls::all(good), &sender, Level::Best).await.unwrap();
	let registered =
		|event: &MarketEvent| matches!(event, MarketEvent::Jobs(JobsEvent::ProgramRegistered { .. }));
	assert!(outcome.events.iter().any(registered), "{outcome:?}");
	assert_eq!(spendable(&chain, &receiver).await, TESS - MILLI);

	let bad = vec![calls::transfer(&receiver, TESS), calls::pause()];
	let error = refused(chain.submit(&calls::all(bad), &sender, Level::Best).await);
	assert_eq!(error.failure_name(), Some("Providers.NotRegistered"), "{error:?}");
	assert_eq!(spendable(&chain, &receiver).await, TESS - MILLI, "nothing was sent");
}
