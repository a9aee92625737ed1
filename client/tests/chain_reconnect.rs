// SPDX-License-Identifier: Apache-2.0

//! What a connection survives: a node that stops, crashes, and comes back.

mod common;

use common::{account, connect, funded, key, refused, rich, soon};
use futures::{StreamExt, TryStreamExt};
use std::path::Path;
use tessera_client::{
	chain::{ChainError, Level, calls},
	testing::{DevNode, NodeOptions},
};
use tessera_primitives::TESS;

async fn start(folder: &Path, rpc_port: u16, chain: &[&str]) -> DevNode {
	let chain = chain.iter().map(ToString::to_string).collect();
	let options = NodeOptions { chain, base_path: Some(folder.into()), rpc_port, ..Default::default() };
	DevNode::start(options).await.unwrap()
}

#[tokio::test]
async fn connection_should_go_on_when_the_node_is_started_again() {
	let folder = tempfile::tempdir().unwrap();
	let node = start(folder.path(), 0, &["--dev"]).await;
	let port = node.rpc_port();
	let chain = connect(&node).await;
	let sender = funded(&chain, &rich("Alice"), "Sender/restart", 100 * TESS).await;
	let receiver = key("Receiver/restart").account();
	let call = calls::transfer(&receiver, TESS);
	let before = chain.submit(&call, &sender, Level::Final).await.unwrap();

	let mut finals = chain.follow(Level::Final).boxed();
	let first = soon("a block is final", finals.next()).await.unwrap().unwrap().block;
	assert!(node.stop().await.unwrap().success());

	// Asked while nobody answers.
	let waiting = tokio::spawn({
		let (chain, sender, call) = (chain.clone(), sender.clone(), call.clone());
		async move { chain.submit(&call, &sender, Level::Best).await }
	});
	let node = start(folder.path(), port, &["--dev"]).await;
	let during = soon("the transaction is included", waiting).await.unwrap().unwrap();
	assert!(during.block.number > before.block.number);
	let after = soon("another is final", chain.submit(&call, &sender, Level::Final)).await.unwrap();

	// The stream has gone on, without a gap.
	let mut last = first;
	while last.number < after.block.number {
		let block = soon("a block is final", finals.next()).await.expect("the stream goes on").unwrap();
		assert_eq!(block.block.number, last.number + 1);
		assert!(!block.missed);
		last = block.block;
	}
	let view = chain.view_at(after.block).await.unwrap();
	assert_eq!(view.nonce(&account(&sender)).await.unwrap(), 3);
	assert_eq!(view.balance(&receiver).await.unwrap().free, 3 * TESS);
	drop(node);
}

#[tokio::test]
async fn transactions_should_be_included_once_when_the_node_crashes_with_them() {
	let folder = tempfile::tempdir().unwrap();
	let node = start(folder.path(), 0, &["--dev"]).await;
	let port = node.rpc_port();
	let chain = connect(&node).await;
	let sender = funded(&chain, &rich("Alice"), "Sender/crash", 100 * TESS).await;
	// The account must survive the crash, which takes blocks that are not final.
	let funded_at = chain.head(Level::Best).await.unwrap().number;
	while chain.head(Level::Final).await.unwrap().number < funded_at {
		tokio::time::sleep(std::time::Duration::from_millis(200)).await;
	}
	let receiver = key("Receiver/crash").account();
	let call = calls::transfer(&receiver, TESS);
	let sent: Vec<_> = (0..5)
		.map(|_| {
			let (chain, sender, call) = (chain.clone(), sender.clone(), call.clone());
			tokio::spawn(async move { chain.submit(&call, &sender, Level::Final).await })
		})
		.collect();
	// Some of them are in the pool by now, some perhaps in a block, and none is written down.
	tokio::time::sleep(std::time::Duration::from_millis(300)).await;
	node.kill().unwrap();
	let _node = start(folder.path(), port, &["--dev"]).await;
	for outcome in sent {
		soon("it is final", outcome).await.unwrap().expect("each is included");
	}
	let view = chain.view(Level::Final).await.unwrap();
	assert_eq!(view.nonce(&account(&sender)).await.unwrap(), 5);
	assert_eq!(view.balance(&receiver).await.unwrap().free, 5 * TESS);
}

#[tokio::test]
async fn connection_should_end_when_another_chain_is_behind_the_address() {
	let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let node = start(folder.path(), 0, &["--dev"]).await;
	let port = node.rpc_port();
	let chain = connect(&node).await;
	let mut blocks = chain.follow(Level::Best).boxed();
	soon("a block comes", blocks.next()).await.unwrap().unwrap();
	assert!(node.stop().await.unwrap().success());

	let key = "01".repeat(32);
	let local = ["--chain", "local", "--alice", "--force-authoring", "--node-key", &key];
	let _node = start(other.path(), port, &local).await;
	let rest = soon("the stream ends", blocks.try_collect::<Vec<_>>()).await;
	let error = refused(rest);
	assert!(matches!(error, ChainError::OtherChain { .. }), "{error:?}");
	assert!(error.to_string().contains("another chain"), "{error}");
	// A transaction signed for the first chain is not taken by the second.
	let error = refused(chain.submit(&calls::pause(), &rich("Alice"), Level::Best).await);
	assert!(matches!(error, ChainError::OtherChain { .. }), "{error:?}");
}
