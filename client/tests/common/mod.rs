// SPDX-License-Identifier: Apache-2.0

//! What the tests against a real node share.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use std::{ops::Deref, sync::Arc, time::Duration};

use tessera_client::{
	chain::{AccountId, AccountSigner, Chain, ChainError, ConnectOptions, H256, Level, TxOutcome, calls},
	keys::Key,
	testing::{DevNode, shared_dev_node},
};
use tessera_primitives::{
	Balance, BlobRef, EndpointInfo, JobId, ProgramId, Region, TESS,
	job::{JobRequest, Tier},
	program::{
		Access, BindingDecl, BufferDecl, BufferKind, BufferRole, ProgramManifest, ProgramPackage, StageDecl,
	},
	provider::{Adapter, AdapterClass, Features, Profile, Requirements},
};

/// Nothing takes longer. Nothing is asserted about time: on a busy machine it is merely slow.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A thousandth of a TESS.
pub const MILLI: Balance = TESS / 1000;

/// A connection to the node that the tests of a process share, which runs at least as long.
pub struct Shared {
	chain: Chain,
	pub node: Arc<DevNode>,
}

impl Deref for Shared {
	type Target = Chain;

	fn deref(&self) -> &Chain {
		&self.chain
	}
}

/// A connection to the node that the tests of a process share.
pub async fn chain() -> Shared {
	let node = shared_dev_node().await;
	Shared { chain: connect(&node).await, node }
}

/// A connection to this node.
pub async fn connect(node: &DevNode) -> Chain {
	let options = ConnectOptions {
		connect_timeout: PATIENCE,
		patience: PATIENCE,
		max_pause: Duration::from_millis(500),
	};
	match Chain::connect(&node.url(), options).await {
		Ok(chain) => chain,
		Err(error) => panic!("{error}\n{}", node.log()),
	}
}

/// A well-known key with tokens on development chains.
pub fn rich(name: &str) -> Key {
	key(name)
}

/// The key of a development name.
pub fn key(name: &str) -> Key {
	Key::from_uri(&format!("//{name}")).expect("a development key")
}

/// A new account with this much, in planck, sent by a rich one.
pub async fn funded(chain: &Chain, from: &Key, name: &str, amount: Balance) -> Key {
	let key = key(name);
	chain
		.submit(&calls::transfer(&key.account(), amount), from, Level::Best)
		.await
		.expect("Alice and Bob are rich");
	key
}

/// What an account can spend, in planck.
pub async fn spendable(chain: &Chain, account: &AccountId) -> Balance {
	let view = chain.view(Level::Best).await.unwrap();
	view.balance(account).await.unwrap().spendable(view.existential_deposit().unwrap())
}

/// A program that doubles words. Its id depends on `salt`.
pub fn program(salt: &str) -> ProgramPackage {
	let name = |text: &str| text.as_bytes().to_vec().try_into().expect("a short name");
	let buffer = |text, role| BufferDecl { name: name(text), role, kind: BufferKind::Storage };
	let binding = |buffer, access| BindingDecl { group: 0, binding: buffer, buffer, access };
	let manifest = ProgramManifest {
		buffers: vec![buffer("words", BufferRole::Input), buffer("doubled", BufferRole::Output)]
			.try_into()
			.expect("two buffers"),
		stages: vec![StageDecl {
			name: name("double"),
			module: 0,
			entry: name("main"),
			bindings: vec![binding(0, Access::Read), binding(1, Access::ReadWrite)]
				.try_into()
				.expect("two bindings"),
		}]
		.try_into()
		.expect("one stage"),
	};
	let wgsl = format!(
		"// {salt}
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> doubled: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
	doubled[id.x] = 2u * words[id.x];
}}
"
	);
	ProgramPackage::new(manifest, vec![wgsl.into_bytes()]).expect("the program is valid")
}

/// Where nobody serves anything: no worker runs in these tests.
pub fn endpoint() -> EndpointInfo {
	EndpointInfo { key: [7; 32], addresses: Default::default() }
}

/// Bytes of each buffer of a task.
pub const BUFFER_BYTES: u64 = 256;

/// A job of so many tasks of a program, 50 mTESS each at most.
pub fn request(program: ProgramId, tasks: u32) -> JobRequest {
	JobRequest {
		program,
		tier: Tier::Unverified,
		spec: BlobRef { hash: H256::repeat_byte(9), bytes: 100 },
		source: endpoint(),
		tasks,
		buffers: vec![BUFFER_BYTES, BUFFER_BYTES].try_into().expect("two buffers"),
		dispatches: vec![[1, 1, 1]].try_into().expect("one stage"),
		requirements: Requirements::default(),
		opening_price: 20 * MILLI,
		ceiling_price: 50 * MILLI,
		price_ramp: MILLI,
		execution_ticks: 100,
		lifetime_ticks: 1000,
	}
}

/// A provider's profile with one adapter that can run [`request`].
pub fn profile() -> Profile {
	let adapter = Adapter {
		class: AdapterClass::Llvmpipe,
		memory_bytes: 1 << 30,
		max_buffer_bytes: 1 << 28,
		max_binding_bytes: 1 << 27,
		features: Features::default(),
	};
	Profile {
		region: Region(*b"DE"),
		endpoint: endpoint(),
		adapters: vec![adapter].try_into().expect("one adapter"),
	}
}

/// Registers a program for this account and submits a job of it.
pub async fn submit_job(chain: &Chain, tenant: &Key, salt: &str, tasks: u32) -> (JobId, TxOutcome) {
	let package = program(salt);
	chain.submit(&calls::register_program(&package), tenant, Level::Best).await.expect("a new program");
	let client_id = tessera_primitives::types::blake3_hash(salt.as_bytes());
	chain.submit_job(tenant, client_id, request(package.id(), tasks), Level::Best).await.expect("a new job")
}

/// The error, which must be there.
pub fn refused<T: std::fmt::Debug>(result: Result<T, ChainError>) -> ChainError {
	result.expect_err("the chain must refuse it")
}

/// Fails when something takes too long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
	match tokio::time::timeout(PATIENCE, future).await {
		Ok(value) => value,
		Err(_) => panic!("it never happened that {what}"),
	}
}

/// The account of a key.
pub fn account(key: &Key) -> AccountId {
	AccountSigner::account(key)
}
