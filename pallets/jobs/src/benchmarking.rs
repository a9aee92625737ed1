// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of every call, of the authorisation of the feeless ones, and of the hook. Each states its worst case.
//!
//! Common to all: as large a program and request as the limits allow, tasks at their last attempt with as many barred
//! providers as there can be. Lists name tasks of different jobs and tenants, because records that two tasks share are
//! read once.

#![allow(
	clippy::arithmetic_side_effects,
	clippy::unwrap_used,
	clippy::expect_used,
	clippy::indexing_slicing,
	clippy::cast_lossless,
	clippy::cast_possible_wrap,
	clippy::cast_precision_loss,
	clippy::cast_sign_loss
)]

use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	BoundedVec,
	pallet_prelude::TransactionSource,
	traits::{
		Authorize, Get,
		fungible::{Inspect, Mutate},
	},
	weights::WeightMeter,
};
use frame_system::{RawOrigin, pallet_prelude::BlockNumberFor};
use sp_core::{H256, crypto::KeyTypeId};
use sp_runtime::traits::{One, Zero};
use tessera_primitives::{
	Balance, BlobRef, EndpointInfo, JobId, ProgramId, TaskId, Tick,
	job::{HandBackReason, JobRequest, Tier},
	job_id,
	limits::{
		MAX_ADDRESS, MAX_ADDRESSES, MAX_ATTEMPTS, MAX_BINDINGS, MAX_BUFFERS, MAX_LIST, MAX_NAME,
		MAX_PACKAGE_BYTES, MAX_STAGES, MaxName,
	},
	orders::{
		AcceptItem, AcceptOrder, ClaimItem, ClaimOrder, HandBackItem, HandBackOrder, Order, WorkerSignature,
		signing_hash,
	},
	program::{Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, StageDecl},
	provider::{Requirements, WorkerKey},
	traits::{Providers, TickClock},
};

use crate::{
	AcceptOrderOf, Agenda, AgendaCursor, AgendaItem, Call, ClaimOrderOf, Clock, Config, HandBackOrderOf,
	Jobs, OpenJobs, Pallet, Programs, TaskOf, Tasks,
};

const KEY_TYPE: KeyTypeId = KeyTypeId(*b"tess");
const PROGRAM: ProgramId = H256::repeat_byte(0xaa);

/// A tick that leaves room before it.
const START: Tick = 1_000;

/// More than anything here costs, and little beside the largest balance.
const FUNDS: Balance = 1 << 90;

/// Bytes of each buffer of [`request`].
const BUFFER_BYTES: u64 = 4;

/// A name of the greatest length that starts with this number.
fn name(prefix: u8, number: u32) -> BoundedVec<u8, MaxName> {
	let mut text = vec![b'x'; MAX_NAME as usize];
	text[0] = prefix;
	text[1] = b'a' + (number / 26) as u8;
	text[2] = b'a' + (number % 26) as u8;
	text.try_into().expect("as long as the limit")
}

/// A program in which every stage binds every buffer. The last buffer is the only output, so that a claim's length is
/// found last.
fn manifest(buffers: u32, stages: u32) -> ProgramManifest {
	let buffer = |slot: u32| BufferDecl {
		name: name(b'b', slot),
		role: if slot + 1 == buffers { BufferRole::Output } else { BufferRole::Input },
		kind: BufferKind::Storage,
	};
	let binding = |slot: u32| BindingDecl {
		group: 0,
		binding: slot as u8,
		buffer: slot as u8,
		access: if slot + 1 == buffers { Access::ReadWrite } else { Access::Read },
	};
	let stage = |number: u32| StageDecl {
		name: name(b's', number),
		module: number as u8,
		entry: name(b'e', number),
		bindings: (0..buffers.min(MAX_BINDINGS))
			.map(binding)
			.collect::<Vec<_>>()
			.try_into()
			.expect("bounded"),
	};
	ProgramManifest {
		buffers: (0..buffers).map(buffer).collect::<Vec<_>>().try_into().expect("bounded"),
		stages: (0..stages).map(stage).collect::<Vec<_>>().try_into().expect("bounded"),
	}
}

/// A request for the largest program. Requirements are left empty: which ones a benchmark's provider meets is not known
/// here, and they are compared in no time beside the reading of its record.
fn request<T: Config>(tasks: u32) -> JobRequest {
	let address: Vec<u8> = vec![b'a'; MAX_ADDRESS as usize];
	let addresses = vec![address.try_into().expect("as long as the limit"); MAX_ADDRESSES as usize];
	let execution_ticks = T::MaxExecutionTicks::get().min(10);
	let locked_ticks = Balance::from(execution_ticks + T::ChallengeTicks::get().max(1));
	let floor = T::FeeFloorBase::get() + T::FeeFloorPerTick::get() * locked_ticks;
	// Enough for every part of it to be more than the existential deposit.
	let opening_price = floor.max(T::Currency::minimum_balance() * 1_000);
	JobRequest {
		program: PROGRAM,
		tier: Tier::Unverified,
		spec: BlobRef { hash: H256::repeat_byte(0xbb), bytes: 1 },
		source: EndpointInfo { key: [1; 32], addresses: addresses.try_into().expect("as many as the limit") },
		tasks,
		buffers: vec![BUFFER_BYTES; MAX_BUFFERS as usize].try_into().expect("bounded"),
		dispatches: vec![[1; 3]; MAX_STAGES as usize].try_into().expect("bounded"),
		requirements: Requirements::default(),
		opening_price,
		ceiling_price: opening_price * 2,
		price_ramp: 1,
		execution_ticks,
		lifetime_ticks: T::MaxLifetimeTicks::get().min(100),
	}
}

/// An account like no other in the benchmark, without money.
fn account_id<T: Config>(name: &'static str, number: u32) -> T::AccountId {
	account(name, number, 0)
}

fn funded<T: Config>(name: &'static str, number: u32) -> T::AccountId
where
	T::Currency: Mutate<T::AccountId>,
{
	let who = account_id::<T>(name, number);
	T::Currency::mint_into(&who, FUNDS).expect("the benchmark's issuance is small");
	who
}

/// Sets the clock and registers the largest program.
fn prepare<T: Config>()
where
	T::Currency: Mutate<T::AccountId>,
{
	Pallet::<T>::set_now(START);
	AgendaCursor::<T>::put(START);
	let owner = funded::<T>("owner", 0);
	let manifest = manifest(MAX_BUFFERS, MAX_STAGES);
	Pallet::<T>::do_register_program(owner, PROGRAM, 1_000, manifest).expect("the largest valid program");
}

/// A job of a tenant of its own.
fn job<T: Config>(number: u32, tasks: u32) -> (T::AccountId, JobId)
where
	T::Currency: Mutate<T::AccountId>,
{
	let tenant = funded::<T>("tenant", number);
	let client_id = H256::repeat_byte(1);
	Pallet::<T>::do_submit(tenant.clone(), client_id, request::<T>(tasks)).expect("a valid request");
	let id = job_id(&tenant, &client_id);
	(tenant, id)
}

/// Gives a task a record: open, at its last attempt, failed by as many providers as can be.
fn age<T: Config>((id, index): TaskId) {
	let job = Jobs::<T>::get(id).expect("the job is there");
	let mut task = TaskOf::<T>::fresh(&job.request, job.submitted_at);
	task.attempt = MAX_ATTEMPTS - 1;
	for number in 0..task.attempt {
		task.barred.try_push(account_id::<T>("barred", number)).expect("one less than the limit");
	}
	Tasks::<T>::insert(id, index, task);
}

/// `n` jobs of one aged task each.
fn aged<T: Config>(n: u32) -> Vec<TaskId>
where
	T::Currency: Mutate<T::AccountId>,
{
	let one = |number| {
		let (_, id) = job::<T>(number, 1);
		age::<T>((id, 0));
		(id, 0)
	};
	(0..n).map(one).collect()
}

/// A provider that can take every task of a list.
fn provider<T: Config>(number: u32) -> (T::AccountId, WorkerKey)
where
	T::Currency: Mutate<T::AccountId>,
{
	let who = funded::<T>("provider", number);
	let key = sp_io::crypto::sr25519_generate(KEY_TYPE, None);
	let bond = request::<T>(1).ceiling_price * Balance::from(MAX_LIST);
	T::Providers::benchmark_provider(&who, key, bond);
	(who, key)
}

fn last_block<T: Config>() -> BlockNumberFor<T> {
	frame_system::Pallet::<T>::block_number() + T::MaxOrderBlocks::get().min(One::one())
}

fn sign<T: Config>(key: &WorkerKey, order: &impl Order) -> WorkerSignature {
	let genesis = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
	sp_io::crypto::sr25519_sign(KEY_TYPE, key, &signing_hash(&genesis, order))
		.expect("the key was generated here")
}

fn accept_order<T: Config>(provider: &T::AccountId, tasks: &[TaskId]) -> AcceptOrderOf<T> {
	let item =
		|(job, task): &TaskId| AcceptItem { job: *job, task: *task, attempt: MAX_ATTEMPTS - 1, min_price: 0 };
	AcceptOrder {
		provider: provider.clone(),
		counter: T::Providers::accept_counter(provider),
		last_block: last_block::<T>(),
		tasks: tasks.iter().map(item).collect::<Vec<_>>().try_into().expect("bounded"),
	}
}

fn claim_order<T: Config>(provider: &T::AccountId, tasks: &[TaskId]) -> ClaimOrderOf<T> {
	let item = |(job, task): &TaskId| ClaimItem {
		job: *job,
		task: *task,
		attempt: MAX_ATTEMPTS - 1,
		root: H256::repeat_byte(0xcc),
		output_bytes: BUFFER_BYTES,
	};
	ClaimOrder {
		provider: provider.clone(),
		last_block: last_block::<T>(),
		claims: tasks.iter().map(item).collect::<Vec<_>>().try_into().expect("bounded"),
	}
}

fn hand_back_order<T: Config>(provider: &T::AccountId, tasks: &[TaskId]) -> HandBackOrderOf<T> {
	let item = |(job, task): &TaskId| HandBackItem {
		job: *job,
		task: *task,
		attempt: MAX_ATTEMPTS - 1,
		reason: HandBackReason::NoInputs,
	};
	HandBackOrder {
		provider: provider.clone(),
		last_block: last_block::<T>(),
		tasks: tasks.iter().map(item).collect::<Vec<_>>().try_into().expect("bounded"),
	}
}

/// `n` tasks, each the only one of its job, all accepted by one provider.
fn accepted<T: Config>(n: u32) -> (T::AccountId, WorkerKey, Vec<TaskId>)
where
	T::Currency: Mutate<T::AccountId>,
{
	let tasks = aged::<T>(n);
	let (who, key) = provider::<T>(0);
	Pallet::<T>::do_accept(&accept_order::<T>(&who, &tasks)).expect("eligible");
	(who, key, tasks)
}

/// `n` tasks, each the only one of its job, each accepted by a provider of its own, and claimed if so wished.
fn held_by_many<T: Config>(n: u32, claim: bool) -> Vec<TaskId>
where
	T::Currency: Mutate<T::AccountId>,
{
	let tasks = aged::<T>(n);
	for (task, number) in tasks.iter().zip(0..) {
		let (who, _) = provider::<T>(number);
		Pallet::<T>::do_accept(&accept_order::<T>(&who, &[*task])).expect("eligible");
		if claim {
			Pallet::<T>::do_claim(&claim_order::<T>(&who, &[*task])).expect("accepted");
		}
	}
	tasks
}

/// Puts the clock where everything has fallen due, the lifetime of jobs excepted.
fn pass<T: Config>(ticks: Tick) {
	Pallet::<T>::set_now(START + ticks);
}

fn ended<T: Config>(tasks: &[TaskId]) -> bool {
	tasks.iter().all(|(id, _)| Jobs::<T>::get(id).is_some_and(|job| job.ended.is_some() && job.escrow == 0))
}

#[benchmarks(where T::Currency: Mutate<T::AccountId>)]
mod benches {
	use super::*;

	// Every stage binds every buffer.
	#[benchmark]
	fn register_program(b: Linear<1, MAX_BUFFERS>, s: Linear<1, MAX_STAGES>) {
		let owner = funded::<T>("owner", 0);
		let manifest = manifest(b, s);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), PROGRAM, MAX_PACKAGE_BYTES, manifest);

		assert!(Programs::<T>::contains_key(PROGRAM));
	}

	// The largest program.
	#[benchmark]
	fn retire_program() {
		prepare::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(account_id::<T>("owner", 0)), PROGRAM);

		assert!(!Programs::<T>::contains_key(PROGRAM));
	}

	// The largest program and request; the number of tasks does not matter.
	#[benchmark]
	fn submit() {
		prepare::<T>();
		let tenant = funded::<T>("tenant", 0);

		#[extrinsic_call]
		_(RawOrigin::Signed(tenant), H256::repeat_byte(1), request::<T>(1));

		assert_eq!(Jobs::<T>::count(), 1);
	}

	// Each task is the last open one of its job.
	#[benchmark]
	fn accept(n: Linear<1, MAX_LIST>) {
		prepare::<T>();
		let tasks = aged::<T>(n);
		let (who, key) = provider::<T>(0);
		let order = accept_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);

		#[extrinsic_call]
		_(RawOrigin::Authorized, order, signature);

		assert_eq!(OpenJobs::<T>::count(), 0);
	}

	#[benchmark]
	fn authorize_accept(n: Linear<1, MAX_LIST>) -> Result<(), BenchmarkError> {
		prepare::<T>();
		let tasks = aged::<T>(n);
		let (who, key) = provider::<T>(0);
		let order = accept_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);
		let call = Call::<T>::accept { order, signature };
		let valid;

		#[block]
		{
			valid = call.authorize(TransactionSource::External);
		}

		let (valid, _) = valid.expect("a feeless call").expect("valid");
		assert_eq!(valid.provides.len(), n as usize + 1);
		Ok(())
	}

	#[benchmark]
	fn claim(n: Linear<1, MAX_LIST>) {
		prepare::<T>();
		let (who, key, tasks) = accepted::<T>(n);
		let order = claim_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);

		#[extrinsic_call]
		_(RawOrigin::Authorized, order, signature);

		assert!(tasks.iter().all(|(id, _)| Jobs::<T>::get(id).is_some_and(|job| job.counts.claimed == 1)));
	}

	#[benchmark]
	fn authorize_claim(n: Linear<1, MAX_LIST>) -> Result<(), BenchmarkError> {
		prepare::<T>();
		let (who, key, tasks) = accepted::<T>(n);
		let order = claim_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);
		let call = Call::<T>::claim { order, signature };
		let valid;

		#[block]
		{
			valid = call.authorize(TransactionSource::External);
		}

		let (valid, _) = valid.expect("a feeless call").expect("valid");
		assert_eq!(valid.provides.len(), n as usize);
		Ok(())
	}

	// The last attempt of the last task of a job: both sides burn, the tenant gets the rest back, the job ends.
	#[benchmark]
	fn hand_back(n: Linear<1, MAX_LIST>) {
		prepare::<T>();
		let (who, key, tasks) = accepted::<T>(n);
		let order = hand_back_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);

		#[extrinsic_call]
		_(RawOrigin::Authorized, order, signature);

		assert!(ended::<T>(&tasks));
	}

	#[benchmark]
	fn authorize_hand_back(n: Linear<1, MAX_LIST>) -> Result<(), BenchmarkError> {
		prepare::<T>();
		let (who, key, tasks) = accepted::<T>(n);
		let order = hand_back_order::<T>(&who, &tasks);
		let signature = sign::<T>(&key, &order);
		let call = Call::<T>::hand_back { order, signature };
		let valid;

		#[block]
		{
			valid = call.authorize(TransactionSource::External);
		}

		let (valid, _) = valid.expect("a feeless call").expect("valid");
		assert_eq!(valid.provides.len(), n as usize);
		Ok(())
	}

	// Each by another provider for another tenant, who gets something back; each is the last of its job.
	#[benchmark]
	fn settle(n: Linear<1, MAX_LIST>) {
		prepare::<T>();
		let tasks = held_by_many::<T>(n, true);
		pass::<T>(T::ChallengeTicks::get().max(1));
		let list: BoundedVec<_, _> = tasks.clone().try_into().expect("bounded");

		#[extrinsic_call]
		_(RawOrigin::Signed(account_id::<T>("anyone", 0)), list);

		assert!(ended::<T>(&tasks));
	}

	// As `settle`, at the last attempt, so that the job ends.
	#[benchmark]
	fn expire(n: Linear<1, MAX_LIST>) {
		prepare::<T>();
		let tasks = held_by_many::<T>(n, false);
		pass::<T>(request::<T>(1).execution_ticks + 1);
		let list: BoundedVec<_, _> = tasks.clone().try_into().expect("bounded");

		#[extrinsic_call]
		_(RawOrigin::Signed(account_id::<T>("anyone", 0)), list);

		assert!(ended::<T>(&tasks));
	}

	// No task is taken: the job ends at once.
	#[benchmark]
	fn cancel() {
		prepare::<T>();
		let (tenant, id) = job::<T>(0, 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(tenant), id);

		assert!(ended::<T>(&[(id, 0)]));
	}

	// No task is taken: the job ends at once.
	#[benchmark]
	fn close() {
		prepare::<T>();
		let (_, id) = job::<T>(0, 1);
		pass::<T>(request::<T>(1).lifetime_ticks + 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(account_id::<T>("anyone", 0)), id);

		assert!(ended::<T>(&[(id, 0)]));
	}

	// The last records of a job, and the job, the only one of its program.
	#[benchmark]
	fn clean_up(n: Linear<0, 1_000>) {
		prepare::<T>();
		let (tenant, id) = job::<T>(0, n.max(1));
		Pallet::<T>::do_cancel(&tenant, id).expect("open");
		for index in 0..n {
			age::<T>((id, index));
		}

		#[extrinsic_call]
		_(RawOrigin::Signed(tenant), id, n);

		assert_eq!(Jobs::<T>::count(), 0);
		assert_eq!(Tasks::<T>::iter_key_prefix(id).count(), 0);
	}

	// The clock and an agenda with nothing in it.
	#[benchmark]
	fn on_poll() {
		Pallet::<T>::set_now(START);
		AgendaCursor::<T>::put(START + 1);
		let mut meter = WeightMeter::new();

		#[block]
		{
			Pallet::<T>::poll(&mut meter);
		}

		assert_eq!(AgendaCursor::<T>::get(), START + 2);
	}

	// Finding an item and striking it out.
	#[benchmark]
	fn agenda_next() {
		for number in 0..MAX_LIST {
			let id = H256::from_low_u64_be(number.into());
			Agenda::<T>::insert(START, (id, AgendaItem::Task(0)), ());
		}
		let found;

		#[block]
		{
			found = Agenda::<T>::iter_key_prefix(START).next();
			if let Some(item) = found {
				Agenda::<T>::remove(START, item);
			}
		}

		assert!(found.is_some());
		assert_eq!(Agenda::<T>::iter_key_prefix(START).count(), MAX_LIST as usize - 1);
	}

	#[benchmark]
	fn on_finalize() {
		Clock::<T>::mutate(|clock| clock.full = true);

		#[block]
		{
			Pallet::<T>::note_fullness();
		}

		assert!(!Clock::<T>::get().full);
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
