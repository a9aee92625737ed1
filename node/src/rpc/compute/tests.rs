// SPDX-License-Identifier: Apache-2.0

use super::*;
use serde_json::{Value, json};
use sp_api::ApiRef;
use sp_blockchain::{BlockStatus, Info, Result as ClientResult};
use sp_core::H256;
use sp_keyring::Sr25519Keyring;
use sp_runtime::traits::{Block as BlockT, NumberFor};
use tessera_primitives::{
	TaskId,
	api::{
		Clock as ChainClock, JobInfo, MarketSummary, OpenTask, OpenTasksPage, ProviderInfo,
		Quote as ChainQuote, QuoteError, TaskInfo,
	},
	job::{JobRequest as ChainRequest, TaskState},
	program::ProgramManifest,
};

type Header = <Block as BlockT>::Header;

/// The best block, and one before it.
const BEST: Hash = H256::repeat_byte(0xbb);
const OLD: Hash = H256::repeat_byte(0xaa);

/// A client of a chain of two blocks whose runtime answers with what it was asked.
struct Client;

impl HeaderBackend<Block> for Client {
	fn header(&self, _: Hash) -> ClientResult<Option<Header>> {
		Ok(None)
	}

	fn info(&self) -> Info<Block> {
		Info {
			best_hash: BEST,
			best_number: 1,
			genesis_hash: OLD,
			finalized_hash: OLD,
			finalized_number: 0,
			finalized_state: None,
			number_leaves: 1,
			block_gap: None,
		}
	}

	fn status(&self, _: Hash) -> ClientResult<BlockStatus> {
		Ok(BlockStatus::Unknown)
	}

	fn number(&self, hash: Hash) -> ClientResult<Option<NumberFor<Block>>> {
		Ok([OLD, BEST].iter().position(|known| *known == hash).map(|number| number as u32))
	}

	fn hash(&self, _: NumberFor<Block>) -> ClientResult<Option<Hash>> {
		Ok(None)
	}
}

impl ProvideRuntimeApi<Block> for Client {
	type Api = Mock;

	fn runtime_api(&self) -> ApiRef<'_, Mock> {
		Mock.into()
	}
}

struct Mock;

fn task(id: JobId, index: TaskIndex) -> TaskInfo<AccountId> {
	TaskInfo {
		id: (id, index),
		attempt: 0,
		state: TaskState::Open { since: 1, price: 2 },
		price: Some(3),
		barred: vec![],
	}
}

sp_api::mock_impl_runtime_apis! {
	impl ComputeApi<Block, AccountId> for Mock {
		fn job(_id: JobId) -> Option<JobInfo<AccountId>> {
			None
		}

		#[advanced]
		fn jobs_of(
			_at: Hash,
			tenant: AccountId,
			after: Option<JobId>,
			limit: u32,
		) -> Result<Vec<JobInfo<AccountId>>, ApiError> {
			Err(ApiError::Application(format!("jobs of {tenant} after {after:?}, {limit}").into()))
		}

		fn task(id: JobId, index: TaskIndex) -> Option<TaskInfo<AccountId>> {
			(index < 5).then(|| task(id, index))
		}

		fn tasks(id: JobId, start: TaskIndex, limit: u32) -> Vec<TaskInfo<AccountId>> {
			(start..5).take(limit as usize).map(|index| task(id, index)).collect()
		}

		fn open_tasks(after: Option<TaskId>, limit: u32) -> OpenTasksPage<AccountId> {
			// The page's size shows as the price.
			let open = OpenTask {
				id: after.unwrap_or_default(),
				attempt: 0,
				price: limit.into(),
				ceiling_price: 9,
				barred: vec![],
			};
			OpenTasksPage { tasks: vec![open], next: after }
		}

		fn program(_id: ProgramId) -> Option<ProgramManifest> {
			None
		}

		fn provider(_account: AccountId) -> Option<ProviderInfo<AccountId>> {
			None
		}

		fn providers(_after: Option<AccountId>, _limit: u32) -> Vec<ProviderInfo<AccountId>> {
			vec![]
		}

		fn quote(request: ChainRequest) -> Result<ChainQuote, QuoteError> {
			if request.ceiling_price < 100 {
				return Err(QuoteError { name: b"PriceBelowFloor".to_vec() });
			}
			Ok(ChainQuote {
				floor_price: 100,
				escrow: request.ceiling_price * u128::from(request.tasks),
				deposit: 1,
				cut: 2,
				eligible_providers: 3,
				scanned: 4,
			})
		}

		fn market() -> MarketSummary {
			MarketSummary { paid: 5, ..Default::default() }
		}

		// The tick is the number of the block that was asked.
		#[advanced]
		fn clock(at: Hash) -> Result<ChainClock, ApiError> {
			let tick = if at == BEST { 1 } else { 0 };
			Ok(ChainClock { tick, heartbeat_window: 50, fetch_window: 20, challenge_ticks: 5 })
		}
	}
}

fn module() -> RpcModule<Compute<Client>> {
	Compute::new(Arc::new(Client)).into_rpc().unwrap()
}

/// The result, or the error object, of a call as it goes over the wire.
async fn call(method: &str, params: Value) -> Result<Value, Value> {
	let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
	let (answer, _) = module().raw_json_request(&request, 1).await.unwrap();
	let mut answer: Value = serde_json::from_str(&answer).unwrap();
	match answer.get_mut("error") {
		Some(error) => Err(error.take()),
		None => Ok(answer["result"].take()),
	}
}

fn hex(byte: u8) -> String {
	format!("0x{}", hex::encode([byte; 32]))
}

fn alice() -> String {
	Sr25519Keyring::Alice.to_account_id().to_string()
}

fn request(ceiling: &str) -> Value {
	json!({
		"program": hex(1), "tasks": 12, "buffers": [4], "dispatches": [[1, 1, 1]],
		"openingPrice": "1", "ceilingPrice": ceiling, "executionTicks": 10, "lifetimeTicks": 20
	})
}

#[test]
fn module_should_hold_exactly_the_documented_methods() {
	let module = module();
	let mut methods: Vec<_> = module.method_names().collect();
	methods.sort_unstable();
	let documented = [
		"compute_clock",
		"compute_job",
		"compute_jobs",
		"compute_market",
		"compute_openTasks",
		"compute_program",
		"compute_provider",
		"compute_providers",
		"compute_quote",
		"compute_task",
		"compute_tasks",
	];
	assert_eq!(methods, documented);
}

#[tokio::test]
async fn compute_should_read_the_best_block_when_no_block_is_given() {
	assert_eq!(call("compute_clock", json!([])).await.unwrap()["tick"], 1);
	assert_eq!(call("compute_clock", json!([null])).await.unwrap()["tick"], 1);
	assert_eq!(call("compute_clock", json!([OLD])).await.unwrap()["tick"], 0);
	assert_eq!(call("compute_clock", json!([BEST])).await.unwrap()["tick"], 1);
}

#[tokio::test]
async fn compute_should_name_the_block_when_it_is_unknown() {
	let error = call("compute_market", json!([hex(7)])).await.unwrap_err();
	assert_eq!(error["code"], 21001);
	assert!(error["message"].as_str().unwrap().contains(&hex(7)), "{error}");
}

#[tokio::test]
async fn compute_should_tell_what_failed_when_the_runtime_does_not_answer() {
	let error = call("compute_jobs", json!([alice(), hex(3), 7])).await.unwrap_err();
	assert_eq!(error["code"], 21002);
	let message = error["message"].as_str().unwrap();
	assert!(message.contains("jobs_of") && message.contains(&format!("{BEST:?}")), "{message}");
	assert!(message.contains(&format!("jobs of {} after Some({}), 7", alice(), hex(3))), "{message}");
}

#[tokio::test]
async fn things_should_be_null_when_they_do_not_exist() {
	assert_eq!(call("compute_job", json!([hex(1)])).await, Ok(Value::Null));
	assert_eq!(call("compute_task", json!([hex(1), 5])).await, Ok(Value::Null));
	assert_eq!(call("compute_program", json!([hex(1)])).await, Ok(Value::Null));
	assert_eq!(call("compute_provider", json!([alice()])).await, Ok(Value::Null));
	assert_eq!(call("compute_providers", json!([])).await, Ok(json!([])));
}

#[tokio::test]
async fn task_should_be_the_one_asked_for() {
	let task = call("compute_task", json!([hex(1), 4])).await.unwrap();
	assert_eq!((&task["job"], &task["index"]), (&json!(hex(1)), &json!(4)));
	assert_eq!(task["state"], json!({ "type": "open", "since": 1, "price": "2" }));
}

#[tokio::test]
async fn tasks_should_come_from_the_start_and_no_more_than_the_limit() {
	let indices = |tasks: Value| -> Vec<u64> {
		tasks.as_array().unwrap().iter().map(|task| task["index"].as_u64().unwrap()).collect()
	};
	assert_eq!(indices(call("compute_tasks", json!([hex(1)])).await.unwrap()), [0, 1, 2, 3, 4]);
	assert_eq!(indices(call("compute_tasks", json!([hex(1), 3])).await.unwrap()), [3, 4]);
	assert_eq!(indices(call("compute_tasks", json!([hex(1), 1, 2])).await.unwrap()), [1, 2]);
	assert_eq!(indices(call("compute_tasks", json!([hex(1), null, 2, OLD])).await.unwrap()), [0, 1]);
}

#[tokio::test]
async fn limit_should_be_bounded() {
	let size = |page: Value| page["tasks"][0]["price"].clone();
	assert_eq!(size(call("compute_openTasks", json!([])).await.unwrap()), "256");
	assert_eq!(size(call("compute_openTasks", json!([null, 1])).await.unwrap()), "1");
	assert_eq!(size(call("compute_openTasks", json!([null, 256])).await.unwrap()), "256");
	for (method, mut params) in [
		("compute_openTasks", vec![Value::Null]),
		("compute_jobs", vec![json!(alice()), Value::Null]),
		("compute_tasks", vec![json!(hex(1)), Value::Null]),
		("compute_providers", vec![Value::Null]),
	] {
		for limit in [0, 257, u32::MAX] {
			params.push(limit.into());
			let error = call(method, json!(params)).await.unwrap_err();
			assert_eq!(error["code"], 21003, "{method} {limit}");
			assert!(error["message"].as_str().unwrap().contains("1 to 256"), "{error}");
			params.pop();
		}
	}
}

#[tokio::test]
async fn open_tasks_should_go_on_after_the_given_task() {
	let after = json!({ "job": hex(1), "index": 7 });
	let page = call("compute_openTasks", json!([after, 2])).await.unwrap();
	assert_eq!(page["next"], after);
	assert_eq!((&page["tasks"][0]["job"], &page["tasks"][0]["index"]), (&json!(hex(1)), &json!(7)));
}

#[tokio::test]
async fn quote_should_reach_the_runtime_with_the_request() {
	let quote = call("compute_quote", json!([request("100")])).await.unwrap();
	assert_eq!(quote["escrow"], "1200");
	assert_eq!(quote["eligibleProviders"], 3);
}

#[tokio::test]
async fn quote_should_name_the_error_when_the_chain_would_refuse_the_job() {
	let error = call("compute_quote", json!([request("99")])).await.unwrap_err();
	assert_eq!(error["code"], 21005);
	assert_eq!(error["data"], "PriceBelowFloor");
	assert!(error["message"].as_str().unwrap().contains("PriceBelowFloor"), "{error}");
}

#[tokio::test]
async fn quote_should_name_the_field_when_the_request_is_not_valid() {
	let mut wrong = request("100");
	wrong["requirements"] = json!({ "regions": ["Germany"] });
	let error = call("compute_quote", json!([wrong])).await.unwrap_err();
	assert_eq!(error["code"], 21004);
	assert!(error["message"].as_str().unwrap().contains("Germany"), "{error}");
}

#[tokio::test]
async fn parameters_should_be_refused_with_a_reason_when_they_have_the_wrong_form() {
	for (method, params, reasons) in [
		("compute_provider", json!(["5Nonsense"]), ["`account`", "an SS58 address"]),
		("compute_providers", json!([7]), ["`after`", "an SS58 address"]),
		("compute_job", json!(["0x12"]), ["`id`", "64 hexadecimal digits"]),
		("compute_job", json!([]), ["`id`", "64 hexadecimal digits"]),
		("compute_task", json!([hex(1), -1]), ["`index`", "a whole number"]),
		("compute_tasks", json!([hex(1), 0, "many"]), ["`limit`", "a whole number"]),
		("compute_market", json!(["best"]), ["`at`", "64 hexadecimal digits"]),
		("compute_quote", json!([{ "program": hex(1) }]), ["`request`", "`tasks`"]),
		("compute_openTasks", json!([{ "job": hex(1) }]), ["`after`", "`index`"]),
		("compute_clock", json!([OLD, 1]), ["too many", "`at`"]),
	] {
		let error = call(method, params).await.unwrap_err();
		assert_eq!(error["code"], -32602, "{method}: {error}");
		let message = error["message"].as_str().unwrap();
		assert!(reasons.iter().all(|reason| message.contains(reason)), "{method}: {error}");
	}
}

#[tokio::test]
async fn market_should_be_shown() {
	assert_eq!(call("compute_market", json!([])).await.unwrap()["paid"], "5");
}
