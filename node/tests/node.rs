// SPDX-License-Identifier: Apache-2.0

//! Running nodes: consensus, RPC, sealing.

mod common;

use codec::Encode;
use common::Node;
use serde_json::{Value, json};
use sp_core::H256;
use sp_keyring::Sr25519Keyring;
use sp_runtime::generic::Era;
use tessera_runtime::{RuntimeCall, SignedPayload, UncheckedExtrinsic, VERSION};

#[tokio::test]
async fn dev_node_should_finalize_blocks_and_answer_when_it_runs() {
	let mut node = Node::start(&["--dev", "--tmp"]).await;
	node.until("a block is final", async |node| node.finalized().await >= 1).await;

	let methods: Value = node.call("rpc_methods", &[]).await;
	let methods: Vec<&str> =
		methods["methods"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
	for method in [
		"author_submitExtrinsic",
		"author_rotateKeysWithOwner",
		"babe_epochAuthorship",
		"chainHead_v1_follow",
		"chain_getBlock",
		"compute_openTasks",
		"grandpa_roundState",
		"payment_queryInfo",
		"state_call",
		"system_accountNextIndex",
		"transaction_v1_broadcast",
	] {
		assert!(methods.contains(&method), "{method} is missing: {methods:?}");
	}
	assert!(!methods.iter().any(|method| method.starts_with("engine_")), "{methods:?}");

	let properties: Value = node.call("system_properties", &[]).await;
	assert_eq!(properties, json!({ "tokenSymbol": "TESS", "tokenDecimals": 12, "ss58Format": 42 }));
	let round: Value = node.call("grandpa_roundState", &[]).await;
	assert_eq!(round["best"]["totalWeight"], 1, "{round}");
	let slots: Value = node.call("babe_epochAuthorship", &[]).await;
	assert_eq!(slots.as_object().map(|keys| keys.len()), Some(1), "Alice alone is an author: {slots}");

	let market: Value = node.call("compute_market", &[]).await;
	assert_eq!((&market["jobs"], &market["paid"]), (&json!(0), &json!("0")));
	let open: Value = node.call("compute_openTasks", &[Value::Null, 10.into()]).await;
	assert_eq!(open, json!({ "tasks": [], "next": null }));
	let genesis = node.hash_of(0).await;
	let clock: Value = node.call("compute_clock", &[json!(genesis)]).await;
	assert_eq!(clock["tick"], 0, "{clock}");

	let metrics = node.metrics().await;
	assert!(metrics.contains("substrate_block_height"), "{metrics}");

	assert!(node.stop().await.success());
}

#[tokio::test]
async fn two_validators_should_finalize_the_same_block_when_they_are_connected() {
	let alice = Node::start(&["--chain", "local", "--alice", "--tmp", "--node-key", &"01".repeat(32)]).await;
	let addresses: Vec<String> = alice.call("system_localListenAddresses", &[]).await;
	let address = addresses.iter().find(|address| address.contains("127.0.0.1")).expect("Alice listens");
	let bob = Node::start(&[
		"--chain",
		"local",
		"--bob",
		"--tmp",
		"--node-key",
		&"02".repeat(32),
		"--bootnodes",
		address,
		"--rpc-methods",
		"safe",
	])
	.await;

	for node in [&alice, &bob] {
		node.until("two blocks are final", async |node| node.finalized().await >= 2).await;
	}
	assert!(alice.hash_of(2).await.is_some());
	assert_eq!(alice.hash_of(2).await, bob.hash_of(2).await);

	// Bob's operator allows safe methods only.
	let denied = bob.try_call::<Value>("babe_epochAuthorship", &[]).await.unwrap_err().to_string();
	assert!(denied.contains("unsafe"), "{denied}");
}

#[tokio::test]
async fn manually_sealed_chain_should_grow_only_when_it_is_told_to() {
	let node = Node::start(&["--dev", "--tmp", "--sealing", "manual"]).await;
	assert_eq!(node.best().await, 0);

	// Enough to change epochs, and to run farther ahead of the machine's clock than a validator would believe.
	const BLOCKS: u64 = 130;
	for number in 1..=BLOCKS {
		let block: Value = node.call("engine_createBlock", &[true.into(), true.into(), Value::Null]).await;
		assert_eq!(node.hash_of(number).await.as_deref(), block["hash"].as_str());
	}
	assert_eq!((node.best().await, node.finalized().await), (BLOCKS, BLOCKS));
	let clock: Value = node.call("compute_clock", &[]).await;
	assert!(clock["tick"].as_u64() > Some(0), "{clock}");

	let empty = node.try_call::<Value>("engine_createBlock", &[false.into(), true.into(), Value::Null]).await;
	assert!(empty.is_err(), "there is no transaction to make a block of: {empty:?}");
	assert_eq!(node.best().await, BLOCKS);
}

/// A transaction of Alice that changes nothing, as bytes in hexadecimal.
fn remark(genesis: H256, nonce: u32) -> String {
	let call = RuntimeCall::System(frame_system::Call::remark { remark: b"sealed".to_vec() });
	let extension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(nonce),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::from(0),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	let implicit =
		((), (), VERSION.spec_version, VERSION.transaction_version, genesis, genesis, (), (), (), None, ());
	let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
	let signature = payload.using_encoded(|bytes| Sr25519Keyring::Alice.sign(bytes));
	let signer = Sr25519Keyring::Alice.to_account_id();
	let transaction = UncheckedExtrinsic::new_signed(call, signer.into(), signature.into(), extension);
	format!("0x{}", hex::encode(transaction.encode()))
}

#[tokio::test]
async fn instantly_sealed_chain_should_finalize_a_transaction_when_it_arrives() {
	let node = Node::start(&["--dev", "--tmp", "--sealing", "instant"]).await;
	let genesis: H256 = node.hash_of(0).await.unwrap().parse().unwrap();

	for nonce in 0..3u32 {
		let sent = remark(genesis, nonce);
		let _: H256 = node.call("author_submitExtrinsic", &[sent.clone().into()]).await;
		node.until("the transaction is in a final block", async |node| {
			let head: Value = node.call("chain_getFinalizedHead", &[]).await;
			let mut block: Value = node.call("chain_getBlock", &[head]).await;
			block["block"]["extrinsics"].take().as_array().unwrap().contains(&json!(sent))
		})
		.await;
	}

	// Blocks can be ordered too, which is how a test lets time pass.
	let before = node.best().await;
	let _: Value = node.call("engine_createBlock", &[true.into(), true.into(), Value::Null]).await;
	assert_eq!(node.finalized().await, before + 1);
}
