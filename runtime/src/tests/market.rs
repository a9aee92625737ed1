// SPDX-License-Identifier: Apache-2.0

//! The market with both pallets, the real balances and the real transaction checks.

use super::{advance, development, signed};
use crate::{
	AccountId, Balance, Balances, Jobs, Providers, Runtime, RuntimeCall, RuntimeEvent, RuntimeHoldReason,
	RuntimeOrigin, System, Utility, configs::money::TreasuryAccount, constants::*, params,
};
use frame_support::{
	assert_noop, assert_ok,
	pallet_prelude::TransactionSource,
	traits::{
		Authorize, Get,
		fungible::{Inspect, InspectHold},
	},
};
use sp_core::{H256, Pair, sr25519};
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};
use sp_runtime::{
	DispatchError,
	traits::Dispatchable,
	transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use tessera_primitives::{
	BlobRef, EndpointInfo, Region,
	job::{EndReason, JobRequest, TaskState},
	job_id,
	orders::{
		AcceptItem, AcceptOrder, ClaimItem, ClaimOrder, HeartbeatOrder, Order, WorkerSignature, signing_hash,
	},
	program::{Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, StageDecl},
	provider::{Adapter, AdapterClass, Features, Profile, Requirements},
};

const PROGRAM: H256 = H256::repeat_byte(7);
const CLIENT_ID: H256 = H256::repeat_byte(9);
const TASKS: u32 = 3;

fn worker() -> sr25519::Pair {
	sr25519::Pair::from_string("//Worker", None).unwrap()
}

fn endpoint() -> EndpointInfo {
	EndpointInfo { key: [1; 32], addresses: Default::default() }
}

fn sign<O: Order>(order: &O) -> WorkerSignature {
	worker().sign(&signing_hash(&System::block_hash(0), order))
}

/// What the pool and a block do with a feeless call: authorise it, then dispatch it with the origin that gives.
fn send(call: RuntimeCall) -> Result<(), TransactionValidityError> {
	call.authorize(TransactionSource::External).expect("the call is feeless")?;
	let origin: RuntimeOrigin = frame_system::Origin::<Runtime>::Authorized.into();
	assert_ok!(call.dispatch(origin));
	Ok(())
}

fn manifest() -> ProgramManifest {
	let name = |n: &[u8]| n.to_vec().try_into().unwrap();
	let output = BufferDecl { name: name(b"out"), role: BufferRole::Output, kind: BufferKind::Storage };
	let stage = StageDecl {
		name: name(b"main"),
		module: 0,
		entry: name(b"main"),
		bindings: vec![BindingDecl { group: 0, binding: 0, buffer: 0, access: Access::ReadWrite }]
			.try_into()
			.unwrap(),
	};
	ProgramManifest { buffers: vec![output].try_into().unwrap(), stages: vec![stage].try_into().unwrap() }
}

fn request() -> JobRequest {
	JobRequest {
		program: PROGRAM,
		tier: Default::default(),
		spec: BlobRef { hash: H256::repeat_byte(3), bytes: 100 },
		source: endpoint(),
		tasks: TASKS,
		buffers: vec![256].try_into().unwrap(),
		dispatches: vec![[1, 1, 1]].try_into().unwrap(),
		requirements: Requirements::default(),
		opening_price: TESS,
		ceiling_price: 2 * TESS,
		price_ramp: MILLI,
		execution_ticks: 50,
		lifetime_ticks: 500,
	}
}

fn set_up_provider() {
	let adapter = Adapter {
		class: AdapterClass::Llvmpipe,
		memory_bytes: 1 << 30,
		max_buffer_bytes: 1 << 28,
		max_binding_bytes: 1 << 27,
		features: Features::default(),
	};
	let profile =
		Profile { region: Region(*b"DE"), endpoint: endpoint(), adapters: vec![adapter].try_into().unwrap() };
	assert_ok!(Providers::register(signed(Bob), profile));
	assert_ok!(Providers::bond(signed(Bob), 100 * TESS));
	assert_ok!(Providers::set_worker_key(signed(Bob), worker().public()));
	let window = Jobs::tick() / Providers::window_length();
	let order = HeartbeatOrder { provider: Bob.to_account_id(), window };
	let signature = sign(&order);
	assert_ok!(send(RuntimeCall::Providers(pallet_providers::Call::heartbeat { order, signature })));
}

fn submit() -> H256 {
	assert_ok!(Jobs::register_program(signed(Alice), PROGRAM, 1_000, manifest()));
	assert_ok!(Jobs::submit(signed(Alice), CLIENT_ID, request()));
	job_id(&Alice.to_account_id(), &CLIENT_ID)
}

fn accept_call(job: H256, tasks: &[u32], counter: u32) -> RuntimeCall {
	let items: Vec<_> =
		tasks.iter().map(|task| AcceptItem { job, task: *task, attempt: 0, min_price: TESS }).collect();
	let order = AcceptOrder {
		provider: Bob.to_account_id(),
		counter,
		last_block: System::block_number() + 10,
		tasks: items.try_into().unwrap(),
	};
	let signature = sign(&order);
	RuntimeCall::Jobs(pallet_jobs::Call::accept { order, signature })
}

fn claim_call(job: H256, tasks: &[u32]) -> RuntimeCall {
	let claims: Vec<_> = tasks
		.iter()
		.map(|task| ClaimItem { job, task: *task, attempt: 0, root: H256::repeat_byte(5), output_bytes: 256 })
		.collect();
	let order = ClaimOrder {
		provider: Bob.to_account_id(),
		last_block: System::block_number() + 10,
		claims: claims.try_into().unwrap(),
	};
	let signature = sign(&order);
	RuntimeCall::Jobs(pallet_jobs::Call::claim { order, signature })
}

fn held(reason: RuntimeHoldReason, who: AccountId) -> Balance {
	Balances::balance_on_hold(&reason, &who)
}

#[test]
fn job_should_pay_provider_and_treasury_to_the_last_unit_when_all_goes_well() {
	development().execute_with(|| {
		let issuance = Balances::total_issuance();
		let treasury_before = Balances::total_balance(&TreasuryAccount::get());
		let alice_before = Balances::total_balance(&Alice.to_account_id());
		let bob_before = Balances::total_balance(&Bob.to_account_id());
		set_up_provider();
		let job = submit();
		let escrow = RuntimeHoldReason::Jobs(pallet_jobs::HoldReason::Escrow);
		assert_eq!(held(escrow, Alice.to_account_id()), Balance::from(TASKS) * 2 * TESS);

		assert_ok!(send(accept_call(job, &[0, 1, 2], 0)));
		assert_ok!(send(claim_call(job, &[0, 1, 2])));
		advance(params::jobs::ChallengeTicks::get() + 2);

		let info = Jobs::job_info(job).unwrap();
		assert_eq!((info.counts.settled, info.escrow), (TASKS, 0));
		assert_eq!(held(escrow, Alice.to_account_id()), 0);
		let price = Balance::from(TASKS) * TESS;
		let cut = price / 50;
		assert_eq!(Balances::total_balance(&Alice.to_account_id()), alice_before - price);
		assert_eq!(Balances::total_balance(&Bob.to_account_id()), bob_before + price - cut);
		assert_eq!(Balances::total_balance(&TreasuryAccount::get()), treasury_before + cut);
		assert_eq!(Balances::total_issuance(), issuance);

		assert_ok!(Jobs::clean_up(signed(Alice), job, TASKS));
		assert_ok!(Jobs::retire_program(signed(Alice), PROGRAM));
		assert_eq!(Balances::total_balance_on_hold(&Alice.to_account_id()), 0);
		assert_ok!(Providers::unbond(signed(Bob), 100 * TESS));
		advance(params::providers::UnbondingTicks::get() + 1);
		assert_ok!(Providers::withdraw_unbonded(signed(Bob)));
		assert_ok!(Providers::deregister(signed(Bob)));
		assert_eq!(Balances::total_balance_on_hold(&Bob.to_account_id()), 0);
	});
}

#[test]
fn provider_should_lose_part_of_its_bond_when_it_vanishes() {
	development().execute_with(|| {
		let issuance = Balances::total_issuance();
		set_up_provider();
		let job = submit();
		assert_ok!(send(accept_call(job, &[0], 0)));
		assert_noop!(
			Providers::unbond(signed(Bob), 100 * TESS),
			pallet_providers::Error::<Runtime>::NotEnoughFreeBond
		);
		advance(60);
		let penalty = params::jobs::ExpiryPenalty::get() * TESS;
		let bond = RuntimeHoldReason::Providers(pallet_providers::HoldReason::Bond);
		assert_eq!(held(bond, Bob.to_account_id()), 100 * TESS - penalty);
		assert_eq!(Balances::total_issuance(), issuance - penalty);
		let task = Jobs::task_info(job, 0).unwrap();
		assert!(matches!(task.state, TaskState::Open { .. }));
		assert_eq!((task.attempt, task.barred), (1, vec![Bob.to_account_id()]));
	});
}

#[test]
fn accept_should_be_refused_when_it_is_replayed() {
	development().execute_with(|| {
		set_up_provider();
		let job = submit();
		let call = accept_call(job, &[0], 0);
		assert_ok!(send(call.clone()));
		let refused = call.authorize(TransactionSource::External).unwrap();
		assert!(matches!(
			refused,
			Err(TransactionValidityError::Invalid(InvalidTransaction::Custom(50..=99)))
		));
	});
}

#[test]
fn feeless_calls_should_be_refused_when_they_are_wrapped() {
	development().execute_with(|| {
		set_up_provider();
		let job = submit();
		let call = accept_call(job, &[0], 0);
		assert_noop!(call.clone().dispatch(signed(Charlie)), DispatchError::BadOrigin);
		assert_ok!(Utility::batch(signed(Charlie), vec![call]));
		System::assert_has_event(RuntimeEvent::Utility(pallet_utility::Event::BatchInterrupted {
			index: 0,
			error: DispatchError::BadOrigin,
		}));
		assert!(matches!(Jobs::task_info(job, 0).unwrap().state, TaskState::Open { .. }));
	});
}

#[test]
fn cancel_should_return_the_whole_escrow_when_nothing_is_taken() {
	development().execute_with(|| {
		let before = Balances::total_balance(&Alice.to_account_id());
		let job = submit();
		assert_ok!(Jobs::cancel(signed(Alice), job));
		let escrow = RuntimeHoldReason::Jobs(pallet_jobs::HoldReason::Escrow);
		assert_eq!(held(escrow, Alice.to_account_id()), 0);
		assert_eq!(Balances::total_balance(&Alice.to_account_id()), before);
		let task = Jobs::task_info(job, 2).unwrap();
		assert_eq!(task.state, TaskState::Ended { reason: EndReason::Cancelled, paid: None });
	});
}
