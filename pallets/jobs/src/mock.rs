// SPDX-License-Identifier: Apache-2.0

//! A runtime of this pallet and balances, with providers that are a map.

use codec::{Decode, Encode};
use frame_support::{
	Blake2_128Concat, derive_impl, parameter_types,
	traits::{
		ConstU128, Hooks, LinearStoragePrice, OnUnbalanced,
		fungible::{Balanced as _, HoldConsideration},
	},
	weights::{Weight, WeightMeter},
};
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{
	BuildStorage, Perbill, Permill,
	traits::{Dispatchable, IdentityLookup},
	transaction_validity::{TransactionSource, TransactionValidityError, ValidTransaction},
};
use tessera_primitives::{
	Balance, EndpointInfo, JobId, Region, TaskIndex, Tick,
	job::{HandBackReason, JobRequest, TaskState, Tier},
	limits,
	orders::{
		AcceptItem, AcceptOrder, ClaimItem, ClaimOrder, HandBackItem, HandBackOrder, Order, WorkerSignature,
		signing_hash,
	},
	program::{Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, StageDecl},
	provider::{Adapter, AdapterClass, Features, Ineligible, Needs, Profile, WorkerKey},
	traits::{Outcome, Providers},
};

use crate::{self as pallet_jobs, CreditOf, HoldReason, JobOf, TaskOf};

pub type AccountId = u64;

pub const ALICE: AccountId = 1;
pub const BOB: AccountId = 2;
pub const CAROL: AccountId = 3;
/// Providers with a bond of [`BOND`].
pub const PROVIDERS: [AccountId; 5] = [11, 12, 13, 14, 15];
pub const P1: AccountId = 11;
pub const P2: AccountId = 12;
pub const P3: AccountId = 13;
pub const TREASURY: AccountId = 99;
pub const NOBODY: AccountId = 77;

pub const ED: Balance = 10;
pub const FUNDS: Balance = 1_000_000_000;
pub const BOND: Balance = 1_000_000;
pub const PROGRAM: H256 = H256::repeat_byte(0xaa);

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Test>;
	#[runtime::pallet_index(1)]
	pub type Balances = pallet_balances::Pallet<Test>;
	#[runtime::pallet_index(2)]
	pub type Jobs = pallet_jobs::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type AccountStore = System;
	type ExistentialDeposit = ConstU128<ED>;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxFreezes = frame_support::traits::VariantCountOf<RuntimeFreezeReason>;
}

parameter_types! {
	pub static ProtocolCut: Permill = Permill::from_percent(5);
	pub static FeeFloorBase: Balance = 20;
	pub static FeeFloorPerTick: Balance = 1;
	pub static ExpiryPenalty: Permill = Permill::from_percent(20);
	pub static HandBackPenalty: Permill = Permill::from_percent(1);
	pub static FetchWindow: u32 = 3;
	pub static ChallengeTicks: u32 = 5;
	pub static MaxAttempts: u32 = 3;
	pub static RetentionTicks: u32 = 20;
	pub static MaxStalledBlocks: u32 = 4;
	pub static FullBlock: Perbill = Perbill::from_percent(90);
	pub static HookShare: Perbill = Perbill::from_percent(25);
	pub static AcceptSeed: [u8; 32] = [7; 32];
	/// What is left of a block for hooks.
	pub static PollLimit: Weight = Weight::MAX;
	pub const MaxExecutionTicks: u32 = 1_000;
	pub const MaxLifetimeTicks: u32 = 10_000;
	pub const MaxOrderBlocks: u32 = 16;
	pub const JobDepositReason: RuntimeHoldReason = RuntimeHoldReason::Jobs(HoldReason::JobDeposit);
	pub const ProgramDepositReason: RuntimeHoldReason = RuntimeHoldReason::Jobs(HoldReason::ProgramDeposit);
}

pub type DepositPrice = LinearStoragePrice<ConstU128<100>, ConstU128<2>, Balance>;

/// The treasury; what it cannot take is burnt.
pub struct ToTreasury;
impl OnUnbalanced<CreditOf<Test>> for ToTreasury {
	fn on_nonzero_unbalanced(credit: CreditOf<Test>) {
		let _ = Balances::resolve(&TREASURY, credit);
	}
}

impl pallet_jobs::Config for Test {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type JobConsideration = HoldConsideration<AccountId, Balances, JobDepositReason, DepositPrice>;
	type ProgramConsideration = HoldConsideration<AccountId, Balances, ProgramDepositReason, DepositPrice>;
	type JobDeposit = DepositPrice;
	type Providers = MapProviders;
	type OnCut = ToTreasury;
	type AcceptSeed = AcceptSeed;
	type ProtocolCut = ProtocolCut;
	type FeeFloorBase = FeeFloorBase;
	type FeeFloorPerTick = FeeFloorPerTick;
	type ExpiryPenalty = ExpiryPenalty;
	type HandBackPenalty = HandBackPenalty;
	type FetchWindow = FetchWindow;
	type ChallengeTicks = ChallengeTicks;
	type MaxAttempts = MaxAttempts;
	type MaxExecutionTicks = MaxExecutionTicks;
	type MaxLifetimeTicks = MaxLifetimeTicks;
	type RetentionTicks = RetentionTicks;
	type MaxOrderBlocks = MaxOrderBlocks;
	type FullBlock = FullBlock;
	type MaxStalledBlocks = MaxStalledBlocks;
	type HookShare = HookShare;
	type WeightInfo = ();
}

/// A provider of [`MapProviders`].
#[derive(Clone, Encode, Decode)]
pub struct Record {
	pub key: WorkerKey,
	pub profile: Profile,
	pub availability: Option<Ineligible>,
	pub bond: Balance,
	pub locked: Balance,
	pub counter: u32,
	pub expiries: u32,
	/// Burnt of the bond, ever.
	pub burnt: Balance,
}

#[frame_support::storage_alias]
pub type Records = StorageMap<MapProviders, Blake2_128Concat, AccountId, Record>;

/// Providers in a map, so that changes are rolled back with everything else. Bonds are mere numbers: they are not part
/// of the issuance.
pub struct MapProviders;

impl Providers<AccountId> for MapProviders {
	fn worker_key(provider: &AccountId) -> Option<WorkerKey> {
		Records::get(provider).map(|r| r.key)
	}
	fn accept_counter(provider: &AccountId) -> u32 {
		Records::get(provider).map_or(0, |r| r.counter)
	}
	fn count_accept(provider: &AccountId) {
		Records::mutate_extant(provider, |r| r.counter += 1)
	}
	fn check(provider: &AccountId, needs: &Needs) -> Result<(), Ineligible> {
		let record = Records::get(provider).ok_or(Ineligible::NotRegistered)?;
		record.availability.map_or(Ok(()), Err)?;
		needs.check(&record.profile)
	}
	fn free_collateral(provider: &AccountId) -> Balance {
		Records::get(provider).map_or(0, |r| r.bond - r.locked)
	}
	fn lock(provider: &AccountId, collateral: Balance) -> Result<(), Ineligible> {
		let mut record = Records::get(provider).ok_or(Ineligible::NotRegistered)?;
		if record.bond - record.locked < collateral {
			return Err(Ineligible::Collateral);
		}
		record.locked += collateral;
		Records::insert(provider, record);
		Ok(())
	}
	fn finish(provider: &AccountId, collateral: Balance, penalty: Balance, outcome: Outcome) -> Balance {
		assert!(penalty <= collateral, "a penalty beyond the collateral");
		let mut record = Records::get(provider).expect("a provider with tasks stays");
		record.locked = record.locked.checked_sub(collateral).expect("collateral was locked");
		record.bond -= penalty;
		record.burnt += penalty;
		match outcome {
			Outcome::Settled => record.expiries = 0,
			Outcome::Expired => record.expiries += 1,
			Outcome::HandedBack => {}
		}
		Records::insert(provider, record);
		penalty
	}
	fn expiries(provider: &AccountId) -> u32 {
		Records::get(provider).map_or(0, |r| r.expiries)
	}
	fn count_eligible(needs: &Needs, scan: u32) -> u32 {
		Records::iter_keys().take(scan as usize).filter(|p| Self::check(p, needs).is_ok()).count() as u32
	}
	fn weight_of_check() -> Weight {
		Weight::zero()
	}
	fn weight_of_lock() -> Weight {
		Weight::zero()
	}
	fn weight_of_finish() -> Weight {
		Weight::zero()
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_provider(provider: &AccountId, key: WorkerKey, bond: Balance) {
		Records::insert(provider, Record { key, bond, ..record(*provider) });
	}
}

/// A provider in Germany with one NVIDIA GPU of 1 GiB.
pub fn record(provider: AccountId) -> Record {
	let adapter = Adapter {
		class: AdapterClass::N1,
		memory_bytes: 1 << 30,
		max_buffer_bytes: 1 << 28,
		max_binding_bytes: 1 << 27,
		features: Features::SHADER_F16,
	};
	Record {
		key: pair(provider).public(),
		profile: Profile {
			region: Region(*b"DE"),
			endpoint: EndpointInfo { key: [1; 32], addresses: Default::default() },
			adapters: vec![adapter].try_into().unwrap(),
		},
		availability: None,
		bond: BOND,
		locked: 0,
		counter: 0,
		expiries: 0,
		burnt: 0,
	}
}

pub fn pair(provider: AccountId) -> sr25519::Pair {
	sr25519::Pair::from_seed(&H256::from_low_u64_be(provider).0)
}

pub fn sign<O: Order>(provider: AccountId, order: &O) -> WorkerSignature {
	pair(provider).sign(&signing_hash(&System::block_hash(0), order))
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
	let funded = [ALICE, BOB, CAROL, TREASURY].into_iter().chain(PROVIDERS);
	pallet_balances::GenesisConfig::<Test> {
		balances: funded.map(|who| (who, FUNDS)).collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	let mut ext = sp_io::TestExternalities::new(storage);
	#[cfg(feature = "runtime-benchmarks")]
	ext.register_extension(sp_keystore::KeystoreExt::new(sp_keystore::testing::MemoryKeystore::new()));
	ext.execute_with(|| {
		System::set_block_number(1);
		for provider in PROVIDERS {
			Records::insert(provider, record(provider));
		}
	});
	ext
}

/// Runs a test, and the invariants after it.
pub fn build_and_execute(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		test();
		check_invariants();
	});
}

/// As [`build_and_execute`], with [`PROGRAM`] registered by Carol.
pub fn with_program(test: impl FnOnce()) {
	build_and_execute(|| {
		Jobs::register_program(RuntimeOrigin::signed(CAROL), PROGRAM, 1_000, manifest()).unwrap();
		test();
	});
}

/// INV1 to INV9.
pub fn check_invariants() {
	Jobs::do_try_state().unwrap();
	for (provider, record) in Records::iter() {
		let locked = locked_by_tasks(provider);
		assert_eq!(record.locked, locked, "INV4: collateral of {provider}");
		assert!(record.locked <= record.bond, "INV4: collateral beyond the bond of {provider}");
	}
	let burnt_of_bonds: Balance = Records::iter_values().map(|r| r.burnt).sum();
	let burnt = pallet_jobs::Totals::<Test>::get().burnt;
	let everyone = FUNDS * 9;
	assert_eq!(Balances::total_issuance() + burnt - burnt_of_bonds, everyone, "INV9");
	let sum: Balance =
		frame_system::Account::<Test>::iter_values().map(|a| a.data.free + a.data.reserved).sum();
	assert_eq!(sum, Balances::total_issuance(), "INV9: the sum of all accounts");
}

fn locked_by_tasks(provider: AccountId) -> Balance {
	pallet_jobs::Tasks::<Test>::iter_values()
		.filter_map(|task| match task.state {
			TaskState::Accepted { provider: p, collateral, .. }
			| TaskState::Claimed { provider: p, collateral, .. }
				if p == provider =>
			{
				Some(collateral)
			}
			_ => None,
		})
		.sum()
}

/// Ends this block, used up by this much, and starts the next.
pub fn next_block_after(weight: Weight, length: u32) {
	let number = System::block_number();
	System::set_block_consumed_resources(weight, length as usize);
	Jobs::on_finalize(number);
	System::initialize(&(number + 1), &H256::repeat_byte(number as u8), &Default::default());
	Jobs::on_initialize(number + 1);
	let mut meter = WeightMeter::with_limit(PollLimit::get());
	Jobs::on_poll(number + 1, &mut meter);
	assert!(meter.consumed().all_lte(PollLimit::get()));
}

pub fn next_block() {
	next_block_after(Weight::zero(), 0)
}

/// Runs empty blocks up to this tick.
pub fn run_to(tick: Tick) {
	while now() < tick {
		next_block();
	}
}

/// Runs empty blocks up to this tick, the agenda standing still.
pub fn run_to_without_agenda(tick: Tick) {
	PollLimit::set(<() as pallet_jobs::WeightInfo>::on_poll());
	run_to(tick);
	PollLimit::set(Weight::MAX);
}

pub fn now() -> Tick {
	pallet_jobs::Clock::<Test>::get().tick
}

fn name(text: &str) -> frame_support::BoundedVec<u8, limits::MaxName> {
	text.as_bytes().to_vec().try_into().unwrap()
}

/// One stage that reads an input of slot 0 and writes outputs of slots 1 and 2.
pub fn manifest() -> ProgramManifest {
	let buffer = |text: &str, role| BufferDecl { name: name(text), role, kind: BufferKind::Storage };
	let bind = |slot: u8, access| BindingDecl { group: 0, binding: slot, buffer: slot, access };
	ProgramManifest {
		buffers: vec![
			buffer("in", BufferRole::Input),
			buffer("out", BufferRole::Output),
			buffer("log", BufferRole::Output),
		]
		.try_into()
		.unwrap(),
		stages: vec![StageDecl {
			name: name("main"),
			module: 0,
			entry: name("main"),
			bindings: vec![bind(0, Access::Read), bind(1, Access::ReadWrite), bind(2, Access::ReadWrite)]
				.try_into()
				.unwrap(),
		}]
		.try_into()
		.unwrap(),
	}
}

/// Bytes of the outputs of [`request`].
pub const OUTPUT_BYTES: u64 = 96;

/// Opening price 1000, ceiling 2000, 100 a tick; 10 ticks to work, open for 50.
pub fn request(tasks: u32) -> JobRequest {
	JobRequest {
		program: PROGRAM,
		tier: Tier::Unverified,
		spec: tessera_primitives::BlobRef { hash: H256::repeat_byte(0xbb), bytes: 100 },
		source: EndpointInfo { key: [2; 32], addresses: Default::default() },
		tasks,
		buffers: vec![128, 64, 32].try_into().unwrap(),
		dispatches: vec![[1, 1, 1]].try_into().unwrap(),
		requirements: Default::default(),
		opening_price: 1_000,
		ceiling_price: 2_000,
		price_ramp: 100,
		execution_ticks: 10,
		lifetime_ticks: 50,
	}
}

/// Submits a job of Alice's and returns its id.
pub fn submit(tasks: u32) -> JobId {
	submit_as(ALICE, tasks as u64, request(tasks))
}

pub fn submit_as(tenant: AccountId, client_id: u64, request: JobRequest) -> JobId {
	let client_id = H256::from_low_u64_be(client_id);
	Jobs::submit(RuntimeOrigin::signed(tenant), client_id, request).unwrap();
	tessera_primitives::job_id(&tenant, &client_id)
}

pub fn job(id: JobId) -> JobOf<Test> {
	pallet_jobs::Jobs::<Test>::get(id).unwrap()
}

pub fn task(id: JobId, index: TaskIndex) -> TaskOf<Test> {
	Jobs::task_of(id, &job(id), index).unwrap()
}

pub type Accept = AcceptOrder<AccountId, u32>;
pub type Claim = ClaimOrder<AccountId, u32>;
pub type HandBack = HandBackOrder<AccountId, u32>;

pub fn accept_item(job: JobId, task: TaskIndex, attempt: u32) -> AcceptItem {
	AcceptItem { job, task, attempt, min_price: 0 }
}

pub fn claim_item(job: JobId, task: TaskIndex, attempt: u32) -> ClaimItem {
	ClaimItem { job, task, attempt, root: H256::repeat_byte(0xcc), output_bytes: OUTPUT_BYTES }
}

pub fn hand_back_item(job: JobId, task: TaskIndex, attempt: u32, reason: HandBackReason) -> HandBackItem {
	HandBackItem { job, task, attempt, reason }
}

pub fn accept_order(provider: AccountId, tasks: Vec<AcceptItem>) -> Accept {
	AcceptOrder {
		provider,
		counter: MapProviders::accept_counter(&provider),
		last_block: System::block_number() + 5,
		tasks: tasks.try_into().unwrap(),
	}
}

pub fn claim_order(provider: AccountId, claims: Vec<ClaimItem>) -> Claim {
	ClaimOrder { provider, last_block: System::block_number() + 5, claims: claims.try_into().unwrap() }
}

pub fn hand_back_order(provider: AccountId, tasks: Vec<HandBackItem>) -> HandBack {
	HandBackOrder { provider, last_block: System::block_number() + 5, tasks: tasks.try_into().unwrap() }
}

pub fn accept_call(order: Accept) -> RuntimeCall {
	let signature = sign(order.provider, &order);
	RuntimeCall::Jobs(pallet_jobs::Call::accept { order, signature })
}

pub fn claim_call(order: Claim) -> RuntimeCall {
	let signature = sign(order.provider, &order);
	RuntimeCall::Jobs(pallet_jobs::Call::claim { order, signature })
}

pub fn hand_back_call(order: HandBack) -> RuntimeCall {
	let signature = sign(order.provider, &order);
	RuntimeCall::Jobs(pallet_jobs::Call::hand_back { order, signature })
}

/// What the pool says.
pub fn validate(call: &RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
	use frame_support::traits::Authorize;
	call.authorize(TransactionSource::External).expect("a feeless call").map(|(valid, _)| valid)
}

/// Sends a feeless call as a block does: what is valid must succeed.
pub fn send(call: RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
	let valid = validate(&call)?;
	call.dispatch(frame_system::RawOrigin::Authorized.into()).expect("what was authorised succeeds");
	Ok(valid)
}

pub fn accept(provider: AccountId, job: JobId, task: TaskIndex, attempt: u32) {
	send(accept_call(accept_order(provider, vec![accept_item(job, task, attempt)]))).unwrap();
}

pub fn claim(provider: AccountId, job: JobId, task: TaskIndex, attempt: u32) {
	send(claim_call(claim_order(provider, vec![claim_item(job, task, attempt)]))).unwrap();
}

pub fn hand_back(provider: AccountId, job: JobId, task: TaskIndex, attempt: u32, reason: HandBackReason) {
	send(hand_back_call(hand_back_order(provider, vec![hand_back_item(job, task, attempt, reason)])))
		.unwrap();
}

pub fn free(who: AccountId) -> Balance {
	Balances::free_balance(who)
}

pub fn escrow_of(who: AccountId) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&HoldReason::Escrow.into(), &who)
}

pub fn deposit_of(who: AccountId) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&HoldReason::JobDeposit.into(), &who)
}

/// This pallet's events so far.
pub fn events() -> Vec<crate::Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Jobs(event) => Some(event),
			_ => None,
		})
		.collect()
}

pub fn last_event() -> crate::Event<Test> {
	events().pop().expect("an event")
}
