// SPDX-License-Identifier: Apache-2.0

//! A runtime of System, Balances and this pallet, with real transactions for the feeless call.

use codec::Encode;
use frame_support::{
	derive_impl,
	dispatch::GetDispatchInfo,
	pallet_prelude::TransactionValidityError,
	parameter_types,
	traits::{
		ConstU128, LinearStoragePrice,
		fungible::{HoldConsideration, InspectHold},
	},
};
use frame_system::AuthorizeCall;
use sp_core::{H256, Pair, sr25519};
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{
	BuildStorage, DispatchResult,
	testing::UintAuthorityId,
	traits::{Applyable, BlakeTwo256, Checkable, Convert, Dispatchable},
	transaction_validity::{InvalidTransaction, TransactionSource, ValidTransaction},
};
use tessera_primitives::{
	Balance, EndpointInfo, Region, Tick,
	orders::{HeartbeatOrder, WorkerSignature, signing_hash},
	provider::{Adapter, AdapterClass, Features, Needs, Profile, Requirements, WorkerKey},
	traits::TickClock,
};

use crate::{self as pallet_providers, HoldReason, Provider};

pub type AccountId = u64;
pub type Extension = (AuthorizeCall<Test>,);
pub type Extrinsic =
	sp_runtime::generic::UncheckedExtrinsic<AccountId, RuntimeCall, UintAuthorityId, Extension>;
pub type Block = sp_runtime::generic::Block<sp_runtime::generic::Header<u32, BlakeTwo256>, Extrinsic>;
pub type Ticket = <Test as pallet_providers::Config>::Consideration;

/// Accounts with [`RICH`] planck each.
pub const ALICE: AccountId = 1;
pub const BOB: AccountId = 2;
pub const CAROL: AccountId = 3;
/// An account with only [`POOR`] planck.
pub const DAVE: AccountId = 4;
pub const RICH: Balance = 1_000_000;
pub const POOR: Balance = 20;
pub const EXISTENTIAL_DEPOSIT: Balance = 10;

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
	pub type Providers = pallet_providers::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
	type AccountStore = System;
}

parameter_types! {
	pub static Now: Tick = 0;
	pub static MinBond: Balance = 1_000;
	pub static UnbondingTicks: Tick = 50;
	pub static HeartbeatWindow: Tick = 10;
	pub static HeartbeatExpiry: Tick = 30;
	pub const ProfileHold: RuntimeHoldReason = RuntimeHoldReason::Providers(HoldReason::Profile);
}

pub struct MockClock;
impl TickClock for MockClock {
	fn now() -> Tick {
		Now::get()
	}
	fn set_now(tick: Tick) {
		Now::set(tick);
	}
}

pub type Price = LinearStoragePrice<ConstU128<100>, ConstU128<2>, Balance>;

impl pallet_providers::Config for Test {
	type WeightInfo = ();
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Consideration = HoldConsideration<AccountId, Balances, ProfileHold, Price>;
	type Clock = MockClock;
	type MinBond = MinBond;
	type UnbondingTicks = UnbondingTicks;
	type HeartbeatWindow = HeartbeatWindow;
	type HeartbeatExpiry = HeartbeatExpiry;
}

#[derive(Default)]
pub struct ExtBuilder {
	/// Providers to register, each with its bond; zero: none.
	providers: Vec<(AccountId, Balance)>,
}

impl ExtBuilder {
	/// With this provider, its key [`worker`], and a heartbeat at tick 100.
	pub fn provider(mut self, who: AccountId, bond: Balance) -> Self {
		self.providers.push((who, bond));
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		Now::set(100);
		MinBond::set(1_000);
		UnbondingTicks::set(50);
		HeartbeatWindow::set(10);
		HeartbeatExpiry::set(30);
		let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
		pallet_balances::GenesisConfig::<Test> {
			balances: vec![(ALICE, RICH), (BOB, RICH), (CAROL, RICH), (DAVE, POOR)],
			..Default::default()
		}
		.assimilate_storage(&mut storage)
		.unwrap();
		let mut ext = sp_io::TestExternalities::new(storage);
		// Benchmarks sign with keys of the keystore.
		ext.register_extension(KeystoreExt::new(MemoryKeystore::new()));
		ext.execute_with(|| {
			System::set_block_number(1);
			for (who, bond) in self.providers {
				Providers::register(RuntimeOrigin::signed(who), profile()).unwrap();
				Providers::set_worker_key(RuntimeOrigin::signed(who), worker(who).public()).unwrap();
				if bond > 0 {
					Providers::bond(RuntimeOrigin::signed(who), bond).unwrap();
				}
				beat(who).unwrap();
			}
			System::reset_events();
		});
		ext
	}

	/// Runs a test, then checks the invariants.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			test();
			check_invariants();
		});
	}
}

/// The pallet's own invariants, and those that need the concrete currency.
pub fn check_invariants() {
	Providers::do_try_state().unwrap();
	for (who, _) in pallet_balances::Holds::<Test>::iter() {
		assert!(pallet_providers::Providers::<Test>::contains_key(who), "INV5: a hold of {who}, no provider");
	}
	for (who, record) in pallet_providers::Providers::<Test>::iter() {
		assert_eq!(
			Balances::balance_on_hold(&HoldReason::Profile.into(), &who),
			Price::convert(Providers::footprint(&record.profile)),
			"INV5: the deposit of {who}"
		);
	}
}

/// A provider's record.
pub fn record(who: AccountId) -> Provider<Ticket> {
	pallet_providers::Providers::<Test>::get(who).unwrap()
}

/// What is on hold for a bond.
pub fn held(who: AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::Bond.into(), &who)
}

pub fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

/// The first worker key of an account.
pub fn worker(who: AccountId) -> sr25519::Pair {
	key(u8::try_from(who).unwrap())
}

/// Any key.
pub fn key(seed: u8) -> sr25519::Pair {
	sr25519::Pair::from_seed(&[seed; 32])
}

pub fn adapter() -> Adapter {
	Adapter {
		class: AdapterClass::Llvmpipe,
		memory_bytes: 1 << 30,
		max_buffer_bytes: 1 << 28,
		max_binding_bytes: 1 << 27,
		features: Features::default(),
	}
}

pub fn profile() -> Profile {
	Profile {
		region: Region(*b"DE"),
		endpoint: EndpointInfo { key: [9; 32], addresses: Default::default() },
		adapters: vec![adapter()].try_into().unwrap(),
	}
}

/// A profile that is longer than [`profile`].
pub fn long_profile() -> Profile {
	let address: Vec<u8> = b"192.0.2.1:4433".to_vec();
	Profile {
		region: Region(*b"FR"),
		endpoint: EndpointInfo {
			key: [8; 32],
			addresses: vec![address.try_into().unwrap()].try_into().unwrap(),
		},
		adapters: vec![adapter(); 3].try_into().unwrap(),
	}
}

/// Needs that [`profile`] meets.
pub fn needs() -> Needs {
	Needs { requirements: Requirements::default(), buffers_bytes: 1 << 20, largest_buffer_bytes: 1 << 20 }
}

pub fn genesis() -> H256 {
	System::block_hash(0)
}

/// A heartbeat for the current window, signed by `pair` for the chain of `genesis`.
pub fn heartbeat(who: AccountId, pair: &sr25519::Pair, genesis: H256) -> RuntimeCall {
	heartbeat_of_window(who, pair, genesis, Now::get() / HeartbeatWindow::get())
}

pub fn heartbeat_of_window(who: AccountId, pair: &sr25519::Pair, genesis: H256, window: u32) -> RuntimeCall {
	let order = HeartbeatOrder { provider: who, window };
	let signature: WorkerSignature = pair.sign(&signing_hash(&genesis, &order));
	pallet_providers::Call::heartbeat { order, signature }.into()
}

/// Sends a correct heartbeat.
pub fn beat(who: AccountId) -> Result<(), TransactionValidityError> {
	let current: WorkerKey = record(who).worker_key.unwrap();
	assert_eq!(current, worker(who).public(), "the helper signs with the first key");
	apply(heartbeat(who, &worker(who), genesis()))?.unwrap();
	Ok(())
}

fn transaction(call: RuntimeCall) -> Extrinsic {
	Extrinsic::new_transaction(call, (AuthorizeCall::new(),))
}

/// Puts a call into a block as a general transaction, as nodes do.
pub fn apply(call: RuntimeCall) -> Result<DispatchResult, TransactionValidityError> {
	let tx = transaction(call);
	let (info, len) = (tx.get_dispatch_info(), tx.encoded_size());
	let checked = Checkable::check(tx, &frame_system::ChainContext::<Test>::default())?;
	let outcome = checked.apply::<Test>(&info, len)?;
	Ok(outcome.map(|_| ()).map_err(|error| error.error))
}

/// What the pool says about a call that comes as a general transaction.
pub fn validate(call: RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
	let tx = transaction(call);
	let (info, len) = (tx.get_dispatch_info(), tx.encoded_size());
	let checked = Checkable::check(tx, &frame_system::ChainContext::<Test>::default())?;
	checked.validate::<Test>(TransactionSource::External, &info, len)
}

/// Dispatches a signed call as a block does: all or nothing.
pub fn dispatch(who: AccountId, call: pallet_providers::Call<Test>) -> DispatchResult {
	RuntimeCall::from(call).dispatch(signed(who)).map(|_| ()).map_err(|error| error.error)
}

/// The refusal with one of the codes of [`crate::codes`].
pub fn refusal(code: u8) -> TransactionValidityError {
	InvalidTransaction::Custom(code).into()
}

/// The last event of this pallet.
pub fn last_event() -> pallet_providers::Event<Test> {
	let ours = |record: frame_system::EventRecord<RuntimeEvent, H256>| match record.event {
		RuntimeEvent::Providers(event) => Some(event),
		_ => None,
	};
	System::events().into_iter().rev().find_map(ours).unwrap()
}
