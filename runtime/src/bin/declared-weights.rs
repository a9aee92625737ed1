// SPDX-License-Identifier: Apache-2.0

//! Prints what the market's calls weigh and what that allows per block, as a Markdown table. `scripts/bench.sh` puts it
//! into docs/benchmarks.md.
//!
//! A transaction weighs its call, its extensions (for a feeless call they include `authorize` with the signature check)
//! and the base weight of a transaction. A block's normal class takes [`max_normal_weight`].

use codec::Encode;
use frame_support::{
	dispatch::{DispatchClass, GetDispatchInfo},
	traits::Get,
};
use sp_core::{H256, sr25519};
use sp_runtime::traits::TransactionExtension;
use tessera_primitives::{
	BlobRef, EndpointInfo,
	job::{HandBackReason, JobRequest},
	orders::{AcceptItem, AcceptOrder, ClaimItem, ClaimOrder, HandBackItem, HandBackOrder},
};
use tessera_runtime::{
	AccountId, RuntimeBlockWeights, RuntimeCall,
	configs::system::{extension, max_normal_weight},
};

fn main() {
	sp_io::TestExternalities::default().execute_with(|| {
		println!("| call | tasks | weight, µs | weight a task, µs | calls a block | tasks a block | bytes |");
		println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
		print("submit (job of 1,000 tasks)", 1_000, submit());
		for count in [1, 100] {
			print("accept", count, accept(count));
			print("claim", count, claim(count));
			print("hand_back", count, hand_back(count));
			print("settle", count, settle(count));
		}
	});
}

fn print(name: &str, tasks: u32, call: RuntimeCall) {
	let extension = extension(sp_runtime::generic::Era::Immortal, 0, 0);
	let base = RuntimeBlockWeights::get().get(DispatchClass::Normal).base_extrinsic;
	let weight = call.get_dispatch_info().call_weight + extension.weight(&call) + base;
	let micros = weight.ref_time() as f64 / 1e6;
	let calls = max_normal_weight().ref_time() / weight.ref_time();
	let bytes = (call.encoded_size() + extension.encoded_size()) as u64;
	println!(
		"| {name} | {tasks} | {micros:.0} | {:.1} | {calls} | {} | {bytes} |",
		micros / f64::from(tasks),
		calls * u64::from(tasks),
	);
}

fn list<T, S: Get<u32>>(count: u32, item: impl Fn(u32) -> T) -> frame_support::BoundedVec<T, S> {
	(0..count).map(item).collect::<Vec<_>>().try_into().ok().expect("at most a list's limit")
}

fn provider() -> AccountId {
	AccountId::new([1; 32])
}

fn signature() -> sr25519::Signature {
	sr25519::Signature::from_raw([0; 64])
}

fn submit() -> RuntimeCall {
	let request = JobRequest {
		program: H256::zero(),
		tier: Default::default(),
		spec: BlobRef { hash: H256::zero(), bytes: 1 },
		source: EndpointInfo { key: [0; 32], addresses: Default::default() },
		tasks: 1_000,
		buffers: list(4, |_| 4),
		dispatches: list(2, |_| [1; 3]),
		requirements: Default::default(),
		opening_price: 1,
		ceiling_price: 1,
		price_ramp: 0,
		execution_ticks: 1,
		lifetime_ticks: 1,
	};
	pallet_jobs::Call::submit { client_id: H256::zero(), request }.into()
}

fn accept(count: u32) -> RuntimeCall {
	let tasks = list(count, |task| AcceptItem { job: H256::zero(), task, attempt: 0, min_price: 1 });
	let order = AcceptOrder { provider: provider(), counter: 0, last_block: 1, tasks };
	pallet_jobs::Call::accept { order, signature: signature() }.into()
}

fn claim(count: u32) -> RuntimeCall {
	let claims = list(count, |task| ClaimItem {
		job: H256::zero(),
		task,
		attempt: 0,
		root: H256::zero(),
		output_bytes: 4,
	});
	let order = ClaimOrder { provider: provider(), last_block: 1, claims };
	pallet_jobs::Call::claim { order, signature: signature() }.into()
}

fn hand_back(count: u32) -> RuntimeCall {
	let reason = HandBackReason::NoInputs;
	let tasks = list(count, |task| HandBackItem { job: H256::zero(), task, attempt: 0, reason });
	let order = HandBackOrder { provider: provider(), last_block: 1, tasks };
	pallet_jobs::Call::hand_back { order, signature: signature() }.into()
}

fn settle(count: u32) -> RuntimeCall {
	pallet_jobs::Call::settle { tasks: list(count, |task| (H256::zero(), task)) }.into()
}
