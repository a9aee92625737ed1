// SPDX-License-Identifier: Apache-2.0

use super::*;
use serde_json::{Value, from_value, json, to_value};
use sp_core::sr25519;
use sp_keyring::Sr25519Keyring;
use tessera_primitives::{
	EndpointInfo, Region, api,
	job::{self, JobRequest as ChainRequest, TaskState as ChainState},
	program::{BindingDecl, BufferDecl, ProgramManifest, StageDecl},
	provider::{self, Features},
};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

fn alice() -> AccountId {
	Sr25519Keyring::Alice.to_account_id()
}

fn bob() -> AccountId {
	Sr25519Keyring::Bob.to_account_id()
}

fn hex(byte: u8) -> String {
	format!("0x{}", hex::encode([byte; 32]))
}

fn chain_request() -> ChainRequest {
	ChainRequest {
		program: H256::repeat_byte(1),
		tier: Tier::Unverified,
		spec: BlobRef { hash: H256::repeat_byte(2), bytes: 900 },
		source: EndpointInfo {
			key: [3; 32],
			addresses: vec![b"127.0.0.1:4433".to_vec().try_into().unwrap()].try_into().unwrap(),
		},
		tasks: 12,
		buffers: vec![4096, 2_147_483_644].try_into().unwrap(),
		dispatches: vec![[4, 1, 1]].try_into().unwrap(),
		requirements: provider::Requirements {
			regions: vec![Region(*b"DE"), Region(*b"FR")].try_into().unwrap(),
			class: Some(AdapterClass::NoF16),
			memory_bytes: 67_108_864,
			features: Features::SHADER_F16.union(Features::SUBGROUP),
		},
		opening_price: 10_000_000_000,
		ceiling_price: u128::MAX,
		price_ramp: 0,
		execution_ticks: 100,
		lifetime_ticks: 1000,
	}
}

fn json_request() -> Value {
	json!({
		"program": hex(1),
		"tier": "unverified",
		"spec": { "hash": hex(2), "bytes": 900 },
		"source": { "key": hex(3), "addresses": ["127.0.0.1:4433"] },
		"tasks": 12,
		"buffers": [4096, 2147483644],
		"dispatches": [[4, 1, 1]],
		"requirements": {
			"regions": ["DE", "FR"],
			"class": "no-f16",
			"memoryBytes": 67108864,
			"features": ["shader-f16", "subgroup"]
		},
		"openingPrice": "10000000000",
		"ceilingPrice": "340282366920938463463374607431768211455",
		"priceRamp": "0",
		"executionTicks": 100,
		"lifetimeTicks": 1000
	})
}

/// A request as a dApp may write it when it asks for a quote.
fn short_request() -> Value {
	json!({
		"program": hex(1),
		"tasks": 1,
		"buffers": [4],
		"dispatches": [[1, 1, 1]],
		"openingPrice": "1",
		"ceilingPrice": "2",
		"executionTicks": 10,
		"lifetimeTicks": 20
	})
}

#[test]
fn request_should_come_back_unchanged_when_it_goes_through_json() {
	let shape = JobRequest::from(chain_request());
	assert_eq!(to_value(&shape).unwrap(), json_request());
	assert_eq!(from_value::<JobRequest>(json_request()).unwrap(), shape);
	assert_eq!(ChainRequest::try_from(shape), Ok(chain_request()));
}

#[test]
fn request_should_get_defaults_when_optional_fields_are_left_out() {
	let request = ChainRequest::try_from(from_value::<JobRequest>(short_request()).unwrap()).unwrap();
	assert_eq!(request.tier, Tier::Unverified);
	assert_eq!(request.spec.bytes, 1);
	assert_eq!(request.source, EndpointInfo { key: [0; 32], addresses: Default::default() });
	assert_eq!(request.requirements, provider::Requirements::default());
	assert_eq!(request.price_ramp, 0);
}

#[test]
fn request_should_be_refused_when_a_field_is_unknown() {
	let mut request = short_request();
	request["ceilingprice"] = "2".into();
	let error = from_value::<JobRequest>(request).unwrap_err().to_string();
	assert!(error.contains("ceilingprice"), "{error}");
}

#[test]
fn request_should_be_refused_when_a_field_is_missing() {
	let mut request = short_request();
	request.as_object_mut().unwrap().remove("ceilingPrice");
	let error = from_value::<JobRequest>(request).unwrap_err().to_string();
	assert!(error.contains("ceilingPrice"), "{error}");
}

#[test]
fn request_should_name_the_part_that_the_chain_cannot_hold() {
	let refused = |key: &str, value: Value| {
		let mut request = short_request();
		request[key] = value;
		ChainRequest::try_from(from_value::<JobRequest>(request).unwrap()).unwrap_err()
	};
	let too_many = |field, found, most| InvalidRequest::TooMany { field, found, most };

	assert_eq!(refused("buffers", json!(vec![4; 17])), too_many("buffers", 17, 16));
	assert_eq!(refused("dispatches", json!(vec![[1, 1, 1]; 17])), too_many("dispatches", 17, 16));
	assert_eq!(
		refused("requirements", json!({ "regions": vec!["DE"; 9] })),
		too_many("requirements.regions", 9, 8)
	);
	for region in ["", "D", "DEU", "de", "XX", "ß"] {
		assert_eq!(
			refused("requirements", json!({ "regions": [region] })),
			InvalidRequest::Region(region.into())
		);
	}
	let error = refused("requirements", json!({ "features": ["teleport"] }));
	assert_eq!(error, InvalidRequest::Feature("teleport".into()));
	assert!(error.to_string().contains("shader-f16"), "{error}");
	assert_eq!(
		refused("source", json!({ "key": hex(1), "addresses": vec!["a"; 5] })),
		too_many("source.addresses", 5, 4)
	);
	let long = "a".repeat(129);
	assert_eq!(
		refused("source", json!({ "key": hex(1), "addresses": [long] })),
		InvalidRequest::LongAddress(long)
	);
}

#[test]
fn amount_should_be_refused_when_it_is_no_string_of_digits() {
	assert_eq!(from_value::<Amount>(json!("0")).unwrap(), Amount(0));
	assert_eq!(from_value::<Amount>(json!(u128::MAX.to_string())).unwrap(), Amount(u128::MAX));
	for wrong in ["", "-1", "+1", "1.5", "1 TESS", "0x10", "340282366920938463463374607431768211456"] {
		let error = from_value::<Amount>(json!(wrong)).unwrap_err().to_string();
		assert!(error.contains("planck"), "{error}");
	}
	assert!(from_value::<Amount>(json!(5)).is_err());
}

#[test]
fn job_should_have_the_documented_shape() {
	let job = api::JobInfo {
		id: H256::repeat_byte(9),
		tenant: alice(),
		request: chain_request(),
		submitted_at: 7,
		open_until: 1007,
		challenge_ticks: 5,
		closed: Some(EndReason::LifetimeOver),
		ended_at: None,
		counts: TaskCounts { open: 1, accepted: 2, claimed: 3, settled: 4, failed: 5 },
		escrow: 600_000_000_000,
		deposit: 1,
	};
	let expected = json!({
		"id": hex(9),
		"tenant": ALICE,
		"request": json_request(),
		"submittedAt": 7,
		"openUntil": 1007,
		"challengeTicks": 5,
		"closed": "lifetime_over",
		"endedAt": null,
		"counts": { "open": 1, "accepted": 2, "claimed": 3, "settled": 4, "failed": 5 },
		"escrow": "600000000000",
		"deposit": "1"
	});
	assert_eq!(to_value(Job::from(job)).unwrap(), expected);
}

#[test]
fn task_should_have_the_documented_shape() {
	let task = api::TaskInfo {
		id: (H256::repeat_byte(9), 3),
		attempt: 1,
		state: ChainState::Open { since: 7, price: 10 },
		price: Some(12),
		barred: vec![bob()],
	};
	let expected = json!({
		"job": hex(9),
		"index": 3,
		"attempt": 1,
		"state": { "type": "open", "since": 7, "price": "10" },
		"price": "12",
		"barred": [BOB]
	});
	assert_eq!(to_value(Task::from(task)).unwrap(), expected);
}

#[test]
fn task_state_should_have_the_documented_shape_in_every_state() {
	let shape = |state: ChainState<AccountId>| {
		let shape = TaskState::from(state);
		let value = to_value(&shape).unwrap();
		assert_eq!(from_value::<TaskState>(value.clone()).unwrap(), shape);
		value
	};
	assert_eq!(
		shape(ChainState::Accepted { provider: bob(), price: 11, collateral: 22, at: 9, deadline: 109 }),
		json!({ "type": "accepted", "provider": BOB, "price": "11", "collateral": "22", "at": 9, "deadline": 109 })
	);
	let root = H256::repeat_byte(4);
	assert_eq!(
		shape(ChainState::Claimed {
			provider: bob(),
			price: 11,
			collateral: 22,
			root,
			at: 20,
			settle_at: 25
		}),
		json!({
			"type": "claimed", "provider": BOB, "price": "11", "collateral": "22", "root": hex(4), "at": 20,
			"settleAt": 25
		})
	);
	let paid = Some(job::Payment { provider: bob(), price: 11, root });
	assert_eq!(
		shape(ChainState::Ended { reason: EndReason::Settled, paid }),
		json!({
			"type": "ended", "reason": "settled", "paid": { "provider": BOB, "price": "11", "root": hex(4) }
		})
	);
	let reasons = [
		(EndReason::Cancelled, "cancelled"),
		(EndReason::LifetimeOver, "lifetime_over"),
		(EndReason::AttemptsUsedUp, "attempts_used_up"),
		(EndReason::Faulted, "faulted"),
	];
	for (reason, name) in reasons {
		assert_eq!(
			shape(ChainState::Ended { reason, paid: None }),
			json!({ "type": "ended", "reason": name, "paid": null })
		);
	}
}

#[test]
fn open_tasks_should_have_the_documented_shape() {
	let page = api::OpenTasksPage {
		tasks: vec![api::OpenTask {
			id: (H256::repeat_byte(9), 4),
			attempt: 0,
			price: 12,
			ceiling_price: 50,
			barred: vec![],
		}],
		next: Some((H256::repeat_byte(9), 4)),
	};
	let expected = json!({
		"tasks": [{ "job": hex(9), "index": 4, "attempt": 0, "price": "12", "ceilingPrice": "50", "barred": [] }],
		"next": { "job": hex(9), "index": 4 }
	});
	assert_eq!(to_value(OpenTasks::from(page)).unwrap(), expected);
	let last = api::OpenTasksPage { tasks: vec![], next: None };
	assert_eq!(to_value(OpenTasks::from(last)).unwrap(), json!({ "tasks": [], "next": null }));
}

#[test]
fn program_should_have_the_documented_shape() {
	let name = |text: &str| text.as_bytes().to_vec().try_into().unwrap();
	let manifest = ProgramManifest {
		buffers: vec![
			BufferDecl { name: name("images"), role: BufferRole::Input, kind: BufferKind::Uniform },
			BufferDecl { name: name("hidden"), role: BufferRole::Scratch, kind: BufferKind::Storage },
			BufferDecl { name: name("logits"), role: BufferRole::Output, kind: BufferKind::Storage },
		]
		.try_into()
		.unwrap(),
		stages: vec![StageDecl {
			name: name("only"),
			module: 0,
			entry: name("main"),
			bindings: vec![
				BindingDecl { group: 0, binding: 1, buffer: 0, access: Access::Read },
				BindingDecl { group: 3, binding: 2, buffer: 2, access: Access::ReadWrite },
			]
			.try_into()
			.unwrap(),
		}]
		.try_into()
		.unwrap(),
	};
	let expected = json!({
		"buffers": [
			{ "name": "images", "role": "input", "kind": "uniform" },
			{ "name": "hidden", "role": "scratch", "kind": "storage" },
			{ "name": "logits", "role": "output", "kind": "storage" }
		],
		"stages": [{
			"name": "only",
			"module": 0,
			"entry": "main",
			"bindings": [
				{ "group": 0, "binding": 1, "buffer": 0, "access": "read" },
				{ "group": 3, "binding": 2, "buffer": 2, "access": "read_write" }
			]
		}]
	});
	assert_eq!(to_value(Program::from(manifest)).unwrap(), expected);
}

#[test]
fn provider_should_have_the_documented_shape() {
	let info = api::ProviderInfo {
		account: bob(),
		profile: provider::Profile {
			region: Region(*b"DE"),
			endpoint: EndpointInfo { key: [3; 32], addresses: Default::default() },
			adapters: vec![provider::Adapter {
				class: AdapterClass::Llvmpipe,
				memory_bytes: 1 << 30,
				max_buffer_bytes: 1 << 28,
				max_binding_bytes: 1 << 27,
				features: Features::TIMESTAMP_QUERY.union(Features::SHADER_INT64),
			}]
			.try_into()
			.unwrap(),
		},
		worker_key: Some(sr25519::Public::from_raw([5; 32])),
		availability: Availability::Online,
		bond: 100,
		collateral: 22,
		unbonding: vec![(1, 900)],
		active_tasks: 2,
		settled_tasks: 12,
		expiries: 1,
		accept_counter: 15,
		last_heartbeat: Some(340),
	};
	let expected = json!({
		"account": BOB,
		"region": "DE",
		"endpoint": { "key": hex(3), "addresses": [] },
		"adapters": [{
			"class": "llvmpipe",
			"memoryBytes": 1073741824,
			"maxBufferBytes": 268435456,
			"maxBindingBytes": 134217728,
			"features": ["timestamp-query", "shader-int64"]
		}],
		"workerKey": hex(5),
		"availability": "online",
		"bond": "100",
		"collateral": "22",
		"unbonding": [{ "amount": "1", "at": 900 }],
		"activeTasks": 2,
		"settledTasks": 12,
		"expiries": 1,
		"acceptCounter": 15,
		"lastHeartbeat": 340
	});
	assert_eq!(to_value(Provider::from(info)).unwrap(), expected);
}

#[test]
fn quote_market_and_clock_should_have_the_documented_shape() {
	let quote =
		api::Quote { floor_price: 1, escrow: 2, deposit: 3, cut: 4, eligible_providers: 5, scanned: 6 };
	assert_eq!(
		to_value(Quote::from(quote)).unwrap(),
		json!({
			"floorPrice": "1", "escrow": "2", "deposit": "3", "cut": "4", "eligibleProviders": 5, "scanned": 6
		})
	);
	let market = api::MarketSummary {
		programs: 1,
		jobs: 2,
		open_jobs: 3,
		providers: 4,
		settled_tasks: 5,
		paid: 6,
		cut: 7,
		burnt: 8,
	};
	assert_eq!(
		to_value(Market::from(market)).unwrap(),
		json!({
			"programs": 1, "jobs": 2, "openJobs": 3, "providers": 4, "settledTasks": 5, "paid": "6", "cut": "7",
			"burnt": "8"
		})
	);
	let clock = api::Clock { tick: 1, heartbeat_window: 2, fetch_window: 3, challenge_ticks: 4 };
	assert_eq!(
		to_value(Clock::from(clock)).unwrap(),
		json!({ "tick": 1, "heartbeatWindow": 2, "fetchWindow": 3, "challengeTicks": 4 })
	);
}
