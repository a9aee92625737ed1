// SPDX-License-Identifier: Apache-2.0

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tempfile::TempDir;
use tessera_primitives::types::BlobRef;

use super::*;
use crate::manifest::BlobOrigin;

const MIB: usize = 1 << 20;

/// Bytes that no compression or zero page makes cheap, the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
	let mut out = vec![0u8; len];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
	out
}

struct TestNode {
	node: BlobNode,
	_dir: TempDir,
}

impl std::ops::Deref for TestNode {
	type Target = BlobNode;
	fn deref(&self) -> &BlobNode {
		&self.node
	}
}

async fn node() -> TestNode {
	let dir = tempfile::tempdir().unwrap();
	let node = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
	TestNode { node, _dir: dir }
}

fn quick<'a>() -> FetchOptions<'a> {
	FetchOptions {
		timeout: Duration::from_secs(60),
		connect_timeout: Duration::from_secs(2),
		stall_timeout: Duration::from_secs(3),
		progress: None,
	}
}

fn source(key: [u8; 32], addresses: &[&str]) -> EndpointInfo {
	let addresses: Vec<_> = addresses.iter().map(|a| a.as_bytes().to_vec().try_into().unwrap()).collect();
	EndpointInfo { key, addresses: addresses.try_into().unwrap() }
}

fn only_reason(error: &FetchError) -> &SourceError {
	match error {
		FetchError::Failed { failures, .. } if failures.len() == 1 => &failures[0].reason,
		other => panic!("one source should have failed: {other}"),
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_should_reach_another_node_when_it_is_fetched() {
	let (a, b) = (node().await, node().await);
	for len in [4, 1024, 16 * 1024, 100_000, 3 * MIB + 4] {
		let data = noise(len as u64, len);
		let blob = a.add_bytes("job", data.clone()).await.unwrap();
		assert_eq!(blob, BlobRef::of(&data));
		assert!(!b.has(&blob).await.unwrap());
		b.fetch("task", &blob, &[a.endpoint_info()], quick()).await.unwrap();
		assert!(b.has(&blob).await.unwrap());
		assert_eq!(b.get(&blob).await.unwrap(), data);
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_info_should_hold_the_loopback_address_when_it_listens_there() {
	let a = node().await;
	let info = a.endpoint_info();
	let texts = info.addresses_text();
	assert_eq!(texts.len(), 1, "{texts:?}");
	let address: SocketAddr = texts[0].parse().unwrap();
	assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
	assert!(info.is_well_formed());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoint_info_should_hold_the_advertised_addresses_when_there_are_any() {
	let dir = tempfile::tempdir().unwrap();
	let mut config = BlobConfig::local(dir.path());
	config.advertise = vec!["[2001:db8::1]:9000".parse().unwrap(), "192.0.2.7:9000".parse().unwrap()];
	let a = BlobNode::open(config).await.unwrap();
	assert_eq!(a.endpoint_info().addresses_text(), ["192.0.2.7:9000", "[2001:db8::1]:9000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_blob_should_arrive_whole_and_report_progress() {
	let (a, b) = (node().await, node().await);
	let data = noise(1, 64 * MIB);
	let blob = a.add_bytes("job", data.clone()).await.unwrap();
	let last = AtomicU64::new(0);
	let fell = AtomicBool::new(false);
	let progress = |bytes: u64| {
		if last.swap(bytes, Ordering::Relaxed) > bytes {
			fell.store(true, Ordering::Relaxed);
		}
	};
	let options = FetchOptions { progress: Some(&progress), ..quick() };
	b.fetch("task", &blob, &[a.endpoint_info()], options).await.unwrap();
	assert_eq!(last.load(Ordering::Relaxed), blob.bytes);
	assert!(!fell.load(Ordering::Relaxed), "progress went back");
	let out = tempfile::tempdir().unwrap();
	let path = out.path().join("0/result.bin");
	b.export(&blob, &path).await.unwrap();
	assert!(std::fs::read(&path).unwrap() == data);
	let left = std::fs::read_dir(out.path().join("0")).unwrap().count();
	assert_eq!(left, 1, "no part file is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_name_the_source_when_it_does_not_have_the_blob() {
	let (a, b) = (node().await, node().await);
	let blob = BlobRef::of(b"nobody has this");
	let error = b.fetch("task", &blob, &[a.endpoint_info()], quick()).await.unwrap_err();
	assert_eq!(only_reason(&error), &SourceError::NotFound);
	assert!(error.is_sources_fault());
	assert!(error.to_string().contains(&hex::encode(&a.endpoint_info().key[..5])), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_fail_when_no_source_is_known() {
	let b = node().await;
	let blob = BlobRef::of(b"nobody has this");
	let error = b.fetch("task", &blob, &[], quick()).await.unwrap_err();
	assert!(matches!(error, FetchError::NoSources(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_go_on_to_the_next_source_when_one_fails() {
	let (a, b) = (node().await, node().await);
	let blob = a.add_bytes("job", noise(2, 50_000)).await.unwrap();
	// A port at which nobody listens, a key that is none, and a source without the blob.
	let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
	let stranger = *SecretKey::generate().public().as_bytes();
	let other = node().await;
	let sources = [
		source(stranger, &[&free]),
		source(stranger, &["not an address"]),
		b.endpoint_info(),
		other.endpoint_info(),
		a.endpoint_info(),
	];
	b.fetch("task", &blob, &sources, quick()).await.unwrap();

	let missing = BlobRef::of(b"nobody has this");
	let error = b.fetch("task", &missing, &sources, quick()).await.unwrap_err();
	let FetchError::Failed { failures, .. } = &error else { panic!("{error}") };
	assert!(matches!(failures[0].reason, SourceError::Unreachable(_)), "{error}");
	assert!(matches!(failures[1].reason, SourceError::BadAddress(_)), "{error}");
	assert_eq!(failures[2].reason, SourceError::Ourselves);
	assert_eq!(failures[3].reason, SourceError::NotFound);
	assert_eq!(failures[4].reason, SourceError::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_fail_when_another_key_answers_at_the_address() {
	let (a, b) = (node().await, node().await);
	let blob = a.add_bytes("job", noise(3, 1000)).await.unwrap();
	let mut wrong = a.endpoint_info();
	wrong.key = *SecretKey::generate().public().as_bytes();
	let error = b.fetch("task", &blob, &[wrong], quick()).await.unwrap_err();
	assert!(matches!(only_reason(&error), SourceError::Unreachable(_)), "{error}");
	assert!(!b.has(&blob).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_store_nothing_when_the_length_is_not_the_promised_one() {
	let (a, b) = (node().await, node().await);
	let blob = a.add_bytes("job", noise(4, 3 * MIB)).await.unwrap();
	for promised in [4, blob.bytes - 4, blob.bytes + 4] {
		let lie = BlobRef { bytes: promised, ..blob };
		let error = b.fetch("task", &lie, &[a.endpoint_info()], quick()).await.unwrap_err();
		assert_eq!(only_reason(&error), &SourceError::Length { promised, found: blob.bytes });
		assert!(error.is_sources_fault());
		assert_eq!(b.present(&lie).await.unwrap(), 0);
	}
	// The true blob can still be had, and then the lie is known without asking anybody.
	b.fetch("task", &blob, &[a.endpoint_info()], quick()).await.unwrap();
	let lie = BlobRef { bytes: 4, ..blob };
	assert!(!b.has(&lie).await.unwrap());
	let error = b.fetch("task", &lie, &[a.endpoint_info()], quick()).await.unwrap_err();
	assert!(matches!(&error, FetchError::Local(BlobError::Length { found, .. }) if *found == blob.bytes));
	assert!(error.is_sources_fault());
	assert!(matches!(b.get(&lie).await.unwrap_err(), BlobError::Length { .. }));
}

/// A peer that answers every request with this header and this body, over and over.
async fn liar(size: u64, body: Vec<u8>, times: usize) -> (Endpoint, EndpointInfo) {
	let endpoint = Endpoint::builder(presets::Minimal)
		.relay_mode(RelayMode::Disabled)
		.clear_ip_transports()
		.bind_addr(SocketAddr::from(([127, 0, 0, 1], 0)))
		.unwrap()
		.alpns(vec![iroh_blobs::ALPN.to_vec()])
		.bind()
		.await
		.unwrap();
	let address = endpoint.bound_sockets()[0].to_string();
	let info = source(*endpoint.id().as_bytes(), &[&address]);
	let serving = endpoint.clone();
	tokio::spawn(async move {
		while let Some(incoming) = serving.accept().await {
			let Ok(connection) = incoming.await else { continue };
			let body = body.clone();
			tokio::spawn(async move {
				while let Ok((mut send, mut recv)) = connection.accept_bi().await {
					let _ = recv.read_to_end(MIB).await;
					let mut ok = send.write_all(&size.to_le_bytes()).await.is_ok();
					for _ in 0..times {
						ok = ok && send.write_all(&body).await.is_ok();
					}
					let _ = send.finish();
				}
			});
		}
	});
	(endpoint, info)
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_store_nothing_when_the_source_sends_something_else() {
	let b = node().await;
	let blob = BlobRef::of(&noise(5, 100_000));
	let (_peer, info) = liar(blob.bytes, noise(6, 100_000), 100).await;
	let error = b.fetch("task", &blob, &[info], quick()).await.unwrap_err();
	assert_eq!(only_reason(&error), &SourceError::Corrupt);
	assert_eq!(b.present(&blob).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_give_up_when_the_source_sends_nothing_more() {
	let b = node().await;
	let blob = BlobRef::of(&noise(7, 100_000));
	// The header alone, and a stream that ends there: the source has no part of the blob.
	let (_peer, info) = liar(blob.bytes, Vec::new(), 0).await;
	let error = b.fetch("task", &blob, &[info], quick()).await.unwrap_err();
	assert_eq!(only_reason(&error), &SourceError::NotFound);

	// A peer that accepts the connection and never answers.
	let silent = Endpoint::builder(presets::Minimal)
		.relay_mode(RelayMode::Disabled)
		.clear_ip_transports()
		.bind_addr(SocketAddr::from(([127, 0, 0, 1], 0)))
		.unwrap()
		.alpns(vec![iroh_blobs::ALPN.to_vec()])
		.bind()
		.await
		.unwrap();
	let info = source(*silent.id().as_bytes(), &[&silent.bound_sockets()[0].to_string()]);
	let held = tokio::spawn(async move {
		let connection = silent.accept().await.unwrap().await.unwrap();
		let stream = connection.accept_bi().await;
		tokio::time::sleep(Duration::from_secs(60)).await;
		drop((stream, connection));
	});
	let options = FetchOptions { stall_timeout: Duration::from_millis(300), ..quick() };
	let error = b.fetch("task", &blob, std::slice::from_ref(&info), options).await.unwrap_err();
	assert_eq!(only_reason(&error), &SourceError::Stalled(Duration::from_millis(300)));
	held.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_time_out_and_say_how_far_it_came() {
	let b = node().await;
	let blob = BlobRef::of(&noise(8, 100_000));
	let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
	let stranger = *SecretKey::generate().public().as_bytes();
	let info = source(stranger, &[&silent.local_addr().unwrap().to_string()]);
	let options = FetchOptions { timeout: Duration::from_millis(300), ..quick() };
	let error = b.fetch("task", &blob, &[info], options).await.unwrap_err();
	assert!(matches!(error, FetchError::TimedOut { present: 0, .. }), "{error}");
	assert!(error.is_sources_fault());
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_should_go_on_where_it_stopped_when_the_node_was_restarted() {
	let a = node().await;
	let data = noise(9, 48 * MIB);
	let blob = a.add_bytes("job", data.clone()).await.unwrap();
	let dir = tempfile::tempdir().unwrap();
	let config = BlobConfig { gc_interval: Duration::from_millis(50), ..BlobConfig::local(dir.path()) };

	let b = BlobNode::open(config.clone()).await.unwrap();
	let enough = tokio::sync::Notify::new();
	let progress = |bytes: u64| {
		if bytes > blob.bytes / 4 {
			enough.notify_one();
		}
	};
	let options = FetchOptions { progress: Some(&progress), ..quick() };
	let sources = [a.endpoint_info()];
	tokio::select! {
		done = b.fetch("task", &blob, &sources, options) => panic!("it was to be interrupted: {done:?}"),
		() = enough.notified() => {},
	}
	b.shutdown().await;
	drop(b);

	let b = BlobNode::open(config).await.unwrap();
	// The label protects what is here, also from collections that run meanwhile.
	tokio::time::sleep(Duration::from_millis(300)).await;
	let present = b.present(&blob).await.unwrap();
	assert!(present > blob.bytes / 8 && present < blob.bytes, "{present} of {} bytes", blob.bytes);
	assert!(!b.has(&blob).await.unwrap());
	assert!(matches!(b.get(&blob).await.unwrap_err(), BlobError::NotFound(_)));
	let first = AtomicU64::new(u64::MAX);
	let progress = |bytes: u64| {
		let _ = first.compare_exchange(u64::MAX, bytes, Ordering::Relaxed, Ordering::Relaxed);
	};
	let options = FetchOptions { progress: Some(&progress), ..quick() };
	b.fetch("task", &blob, &[a.endpoint_info()], options).await.unwrap();
	assert_eq!(first.load(Ordering::Relaxed), present);
	assert!(b.get(&blob).await.unwrap() == data);
}

#[tokio::test(flavor = "multi_thread")]
async fn fetches_should_share_one_transfer_when_they_want_the_same_blob() {
	let (a, b) = (node().await, node().await);
	let blob = a.add_bytes("job", noise(10, 8 * MIB)).await.unwrap();
	let transfers = AtomicU64::new(0);
	// A transfer reports what is present when it starts; one that only waited reports the whole length alone.
	let progress = |bytes: u64| {
		if bytes == 0 {
			transfers.fetch_add(1, Ordering::Relaxed);
		}
	};
	let sources = [a.endpoint_info()];
	let fetches = (0..8).map(|i| {
		let (b, blob, sources, progress) = (&b, &blob, &sources, &progress);
		async move {
			let options = FetchOptions { progress: Some(progress), ..quick() };
			b.fetch(&format!("task {i}"), blob, sources, options).await
		}
	});
	for result in futures::future::join_all(fetches).await {
		result.unwrap();
	}
	assert_eq!(transfers.load(Ordering::Relaxed), 1);
	assert_eq!(b.labels().await.unwrap().len(), 8);
}

/// Waits until the blob is collected; panics when it is not.
async fn collected(node: &BlobNode, blob: &BlobRef) {
	for _ in 0..200 {
		if !node.has(blob).await.unwrap() {
			return;
		}
		tokio::time::sleep(Duration::from_millis(50)).await;
	}
	panic!("the blob was not collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_should_be_collected_when_its_last_label_is_released() {
	let dir = tempfile::tempdir().unwrap();
	let config = BlobConfig { gc_interval: Duration::from_millis(100), ..BlobConfig::local(dir.path()) };
	let a = BlobNode::open(config).await.unwrap();
	let one = a.add_bytes("job 1", noise(11, 100_000)).await.unwrap();
	let two = a.add_bytes("job 1", noise(12, 1000)).await.unwrap();
	let kept = a.add_bytes("job 10", noise(13, 100_000)).await.unwrap();
	a.keep("job 2", &one).await.unwrap();
	assert_eq!(a.labels().await.unwrap(), ["job 1", "job 10", "job 2"]);

	// "job 1" is not a prefix that takes "job 10" along.
	assert_eq!(a.release("job 1").await.unwrap(), 2);
	collected(&a, &two).await;
	assert!(a.has(&one).await.unwrap(), "job 2 holds it");
	assert_eq!(a.release("job 2").await.unwrap(), 1);
	collected(&a, &one).await;
	assert_eq!(a.get(&kept).await.unwrap(), noise(13, 100_000));
	assert_eq!(a.release("job 2").await.unwrap(), 0);
	assert!(matches!(a.keep("job 3", &one).await.unwrap_err(), BlobError::NotFound(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn label_should_be_refused_when_it_is_empty_long_or_has_a_zero_byte() {
	let a = node().await;
	for label in ["", "a\0b", &"x".repeat(201)] {
		let error = a.add_bytes(label, vec![1, 2, 3, 4]).await.unwrap_err();
		assert!(matches!(error, BlobError::Label(_)), "{error}");
		assert!(matches!(a.release(label).await.unwrap_err(), BlobError::Label(_)));
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn file_should_become_a_blob_by_copy_reference_or_part() {
	let (a, b) = (node().await, node().await);
	let files = tempfile::tempdir().unwrap();
	let path = files.path().join("in.bin");
	let data = noise(14, 3 * MIB);
	std::fs::write(&path, &data).unwrap();
	let whole = BlobRef::of(&data);
	assert_eq!(a.add_file("copy", &path, FileMode::Copy).await.unwrap(), whole);
	assert_eq!(b.add_file("reference", &path, FileMode::Reference).await.unwrap(), whole);
	assert_eq!(b.get(&whole).await.unwrap(), data);
	let range = 1000..2 * MIB as u64 + 4;
	let part = a.add_range("part", &path, range.clone()).await.unwrap();
	assert_eq!(part, BlobRef::of(&data[1000..2 * MIB + 4]));
	b.fetch("part", &part, &[a.endpoint_info()], quick()).await.unwrap();

	let error = a.add_range("part", &path, 0..3 * MIB as u64 + 4).await.unwrap_err();
	assert!(error.to_string().contains("fewer than"), "{error}");
	let error = a.add_file("copy", &files.path().join("none"), FileMode::Copy).await.unwrap_err();
	assert!(matches!(&error, BlobError::Io { action: "read", .. }), "{error}");
	let error = a.add_file("copy", files.path(), FileMode::Copy).await.unwrap_err();
	assert!(error.to_string().contains("not a file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn referenced_file_should_not_be_passed_off_as_the_blob_when_it_was_changed() {
	let (a, b) = (node().await, node().await);
	let files = tempfile::tempdir().unwrap();
	let path = files.path().join("in.bin");
	std::fs::write(&path, noise(15, MIB)).unwrap();
	let blob = a.add_file("reference", &path, FileMode::Reference).await.unwrap();
	std::fs::write(&path, noise(16, MIB)).unwrap();
	assert!(matches!(a.get(&blob).await.unwrap_err(), BlobError::Damaged { .. }));
	let out = files.path().join("out.bin");
	assert!(matches!(a.export(&blob, &out).await.unwrap_err(), BlobError::Damaged { .. }));
	assert!(!out.exists());
	let error = b.fetch("task", &blob, &[a.endpoint_info()], quick()).await.unwrap_err();
	assert!(matches!(error, FetchError::Failed { .. }), "{error}");
	assert!(!b.has(&blob).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn origin_should_be_refused_when_the_file_has_changed() {
	let a = node().await;
	let files = tempfile::tempdir().unwrap();
	let path = files.path().join("in.bin");
	let data = noise(17, 40_000);
	std::fs::write(&path, &data).unwrap();
	let blob = BlobRef::of(&data[400..20_400]);
	let origin = BlobOrigin::File { path: path.clone(), range: 400..20_400 };
	a.add_origin("job", &blob, &origin).await.unwrap();
	assert_eq!(a.get(&blob).await.unwrap(), data[400..20_400]);
	std::fs::write(&path, noise(18, 40_000)).unwrap();
	let error = a.add_origin("job", &blob, &origin).await.unwrap_err();
	assert!(matches!(error, BlobError::Changed { .. }), "{error}");
	let inline = BlobRef::of(b"spec");
	a.add_origin("job", &inline, &BlobOrigin::Bytes(b"spec".to_vec())).await.unwrap();
	assert!(a.has(&inline).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn node_should_keep_its_key_and_blobs_when_it_is_opened_again() {
	let dir = tempfile::tempdir().unwrap();
	let a = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
	let key = a.endpoint_info().key;
	let blob = a.add_bytes("job", noise(19, 100_000)).await.unwrap();
	a.shutdown().await;
	assert!(a.add_bytes("job", vec![0; 4]).await.is_err(), "it is closed");
	let a = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
	assert_eq!(a.endpoint_info().key, key);
	assert_eq!(a.get(&blob).await.unwrap(), noise(19, 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_should_fail_when_the_directory_is_in_use_or_the_address_is_taken() {
	let dir = tempfile::tempdir().unwrap();
	let a = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap();
	let error = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap_err();
	assert!(matches!(error, BlobError::Open { .. }), "{error}");
	assert!(error.to_string().contains("another process"), "{error}");

	let taken: SocketAddr = a.endpoint_info().addresses_text()[0].parse().unwrap();
	let other = tempfile::tempdir().unwrap();
	let mut config = BlobConfig::local(other.path());
	config.listen = vec![taken];
	let error = BlobNode::open(config.clone()).await.unwrap_err();
	assert!(matches!(error, BlobError::Bind { .. }), "{error}");
	assert!(error.to_string().contains(&taken.to_string()), "{error}");
	// The failure let go of the store.
	config.listen = BlobConfig::local("").listen;
	BlobNode::open(config.clone()).await.unwrap().shutdown().await;
	config.relay = Relay::Custom(vec!["not a url".into()]);
	let error = BlobNode::open(config).await.unwrap_err();
	assert!(matches!(error, BlobError::Relay { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn opening_should_fail_when_the_key_file_is_not_private_or_damaged() {
	use std::os::unix::fs::PermissionsExt;
	let dir = tempfile::tempdir().unwrap();
	BlobNode::open(BlobConfig::local(dir.path())).await.unwrap().shutdown().await;
	let key = dir.path().join("endpoint.key");
	std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
	let error = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap_err();
	assert!(matches!(error, BlobError::Key { .. }), "{error}");
	assert!(error.to_string().contains("chmod 600"), "{error}");
	std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
	std::fs::write(&key, "rubbish").unwrap();
	let error = BlobNode::open(BlobConfig::local(dir.path())).await.unwrap_err();
	assert!(error.to_string().contains("64 hex digits"), "{error}");
}
