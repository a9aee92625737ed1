// SPDX-License-Identifier: Apache-2.0

//! Jobs on a real chain. The provider is played by the test: so it can lie and vanish, which workers do not.

#![cfg(unix)]

mod common;

use std::{fs, path::Path};

use codec::Encode;
use common::{PATIENCE, Place, documented, fails, json};
use serde_json::{Value, json};
use tempfile::TempDir;
use tessera_client::{
	blobs::{BlobConfig, BlobNode, FetchOptions},
	chain::{AccountId, Chain, ConnectOptions, H256, JobInfo, Level, calls, job_id},
	keys::{Key, random_bytes},
	manifest::ProgramSource,
	testing::{DevNode, NodeOptions, shared_dev_node},
};
use tessera_primitives::{
	JobId, Region, TESS,
	job::{ClaimList, JobSpec, TaskInput},
	orders::{AcceptItem, ClaimItem},
	provider::{Adapter, AdapterClass, Features, Profile},
};

/// Blocks for which orders count.
const BLOCKS: u32 = 60;

async fn connect(url: &str) -> Chain {
	let options =
		ConnectOptions { connect_timeout: PATIENCE, patience: PATIENCE, ..ConnectOptions::default() };
	Chain::connect(url, options).await.expect("the node answers")
}

/// A tenant with an account and directories of its own.
struct Tenant {
	place: Place,
	key: Key,
	uri: String,
	client_id: String,
	job: JobId,
}

impl Tenant {
	async fn new(chain: &Chain, name: &str) -> Self {
		let uri = format!("//Tenant/{name}");
		let key = Key::from_uri(&uri).expect("a key");
		let alice = Key::from_uri("//Alice").expect("a key");
		let call = calls::transfer(&key.account(), 100 * TESS);
		chain.submit(&call, alice.signer(), Level::Best).await.expect("a transfer");
		let client_id = H256(random_bytes());
		let job = job_id(&key.account(), &client_id);
		let place = Place::of(chain.url().to_owned()).and_examples();
		// Every tenant has a program of its own.
		place.replace("scale.wgsl", "// Writes", &format!("// {name} writes"));
		Self { place, key, uri, client_id: format!("{client_id:?}"), job }
	}

	/// Runs the command as this tenant.
	fn run(&self, args: &[&str]) -> assert_cmd::assert::Assert {
		self.place.command().args(["--in-block", "--account", &self.uri]).args(args).assert()
	}

	fn start(&self, args: &[&str]) -> common::Running {
		self.place.start(&[&["--in-block", "--account", &self.uri], args].concat())
	}

	/// Submits without watching.
	fn submit_detached(&self) {
		let args = ["job", "submit", "--client-id", &self.client_id, "--detach", "--no-serve"];
		let said = common::stdout(&self.run(&args).success());
		assert_eq!(said.trim(), format!("{:?}", self.job));
	}

	fn total(&self) -> u128 {
		let balance = json(&self.run(&["--json", "account", "balance"]).success());
		balance["total"].as_str().and_then(|planck| planck.parse().ok()).expect("an amount")
	}
}

/// A provider that does what the test says.
struct Provider {
	chain: Chain,
	owner: AccountId,
	worker: Key,
	node: BlobNode,
	_dir: TempDir,
}

impl Provider {
	async fn new(chain: &Chain, name: &str) -> Self {
		let dir = tempfile::tempdir().expect("a directory");
		let node = BlobNode::open(BlobConfig::local(dir.path())).await.expect("a blob node");
		let owner = Key::from_uri(&format!("//Owner/{name}")).expect("a key");
		let worker = Key::from_uri(&format!("//Worker/{name}")).expect("a key");
		let bob = Key::from_uri("//Bob").expect("a key");
		let transfer = calls::transfer(&owner.account(), 100 * TESS);
		chain.submit(&transfer, bob.signer(), Level::Best).await.expect("a transfer");
		let adapter = Adapter {
			class: AdapterClass::Llvmpipe,
			memory_bytes: 1 << 30,
			max_buffer_bytes: 1 << 28,
			max_binding_bytes: 1 << 27,
			features: Features::default(),
		};
		let profile = Profile {
			region: Region(*b"DE"),
			endpoint: node.endpoint_info(),
			adapters: vec![adapter].try_into().expect("one adapter"),
		};
		let all = vec![
			calls::register_provider(profile),
			calls::set_worker_key(&worker.worker_key()),
			calls::bond(20 * TESS),
		];
		chain.submit(&calls::all(all), owner.signer(), Level::Best).await.expect("a provider");
		let provider = Self { chain: chain.clone(), owner: owner.account(), worker, node, _dir: dir };
		let view = chain.view(Level::Best).await.expect("a view");
		let beat = view.heartbeat_order(&provider.owner).await.expect("an order");
		provider.send(beat).await;
		provider
	}

	async fn send(&self, order: tessera_client::chain::Order) {
		let signed = order.sign(&self.chain.genesis(), &self.worker);
		self.chain.submit_order(&signed, Level::Best).await.expect("the order is taken");
	}

	/// Waits until the job is on chain, and takes these tasks.
	async fn accept(&self, job: JobId, tasks: impl IntoIterator<Item = u32>) -> JobInfo {
		let info =
			self.chain.wait_for_job(job, Level::Best, |job| job.is_some()).await.expect("the node answers");
		let items =
			tasks.into_iter().map(|task| AcceptItem { job, task, attempt: 0, min_price: 0 }).collect();
		let view = self.chain.view(Level::Best).await.expect("a view");
		self.send(view.accept_order(&self.owner, items, BLOCKS).await.expect("an order")).await;
		info.expect("it was waited for")
	}

	async fn claim(&self, job: JobId, task: u32, root: H256) {
		let view = self.chain.view(Level::Best).await.expect("a view");
		let claims = vec![ClaimItem { job, task, attempt: 0, root, output_bytes: 256 }];
		self.send(view.claim_order(&self.owner, claims, BLOCKS).expect("an order")).await;
	}

	/// Stores an output with its list, and claims it.
	async fn deliver(&self, job: JobId, task: u32, output: Vec<u8>) {
		let output = self.node.add_bytes("out", output).await.expect("it is stored");
		let list = ClaimList { outputs: vec![output.hash] };
		self.node.add_bytes("out", list.encode()).await.expect("it is stored");
		self.claim(job, task, list.root()).await;
	}

	/// What the example program makes of a task's inputs, which come from the tenant.
	async fn work(&self, info: &JobInfo, program: &Path) -> Vec<Vec<u8>> {
		let sources = [info.request.source.clone()];
		let program = ProgramSource::load(program).expect("a program");
		let (package, _) = program.blob();
		assert_eq!(package.hash, info.request.program);
		for blob in [&package, &info.request.spec] {
			self.node
				.fetch("in", blob, &sources, FetchOptions::default())
				.await
				.expect("the tenant serves it");
		}
		let spec = self.node.get(&info.request.spec).await.expect("it is here");
		let spec = JobSpec::decode_checked(&spec, &info.request, &program.package.manifest)
			.expect("a specification");
		let words = |bytes: &[u8]| -> Vec<u32> {
			bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect()
		};
		let run = |task| {
			let inputs = spec.inputs_of(task).expect("a task");
			let [(0, TaskInput::Inline(parameters))] = inputs.as_slice() else { panic!("{inputs:?}") };
			let parameters = words(parameters);
			let (start, factor) = (parameters[0], parameters[1]);
			(0..64u32).flat_map(|i| (factor * (start + i)).to_le_bytes()).collect()
		};
		(0..info.request.tasks).map(run).collect()
	}
}

/// The lines of JSON of one kind.
fn events(lines: &[String], kind: &str) -> Vec<Value> {
	let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
	all.filter(|event| event["event"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn job_should_be_paid_once_and_its_outputs_be_fetched() {
	let node = shared_dev_node().await;
	let chain = connect(&node.url()).await;
	let provider = Provider::new(&chain, "life").await;
	let tenant = Tenant::new(&chain, "life").await;
	let submit = ["--json", "job", "submit", "--client-id", &tenant.client_id, "--fetch", "out"];
	let running = tenant.start(&submit);
	let info = provider.accept(tenant.job, 0..4).await;
	let outputs = provider.work(&info, &tenant.place.path("program.toml")).await;
	for (task, output) in (0u32..).zip(&outputs) {
		provider.deliver(tenant.job, task, output.clone()).await;
	}
	let (code, lines, err) = running.end();
	assert_eq!(code, Some(0), "{err}");
	for line in &lines {
		documented(&serde_json::from_str(line).expect("JSON"));
	}
	for (kind, number) in
		[("prepared", 1), ("program_registered", 1), ("submitted", 1), ("fetched", 4), ("ended", 1)]
	{
		assert_eq!(events(&lines, kind).len(), number, "{kind}: {lines:#?}");
	}
	let ended = &events(&lines, "ended")[0];
	assert_eq!((&ended["settled"], &ended["failed"]), (&json!(4), &json!(0)));
	assert_eq!(ended["providers"][0]["provider"], json!(provider.owner.to_string()));
	assert_eq!(ended["providers"][0]["paid"], ended["paid"]);
	let whats: Vec<_> = events(&lines, "task").iter().map(|event| event["what"].clone()).collect();
	for what in ["accepted", "claimed", "settled"] {
		assert_eq!(whats.iter().filter(|found| *found == what).count(), 4, "{what}: {whats:?}");
	}
	for (task, output) in outputs.iter().enumerate() {
		let file = tenant.place.path(&format!("out/{task}/result.bin"));
		assert_eq!(&fs::read(file).expect("an output"), output);
	}

	// What is there and right is not fetched again; what was changed is.
	tenant.place.write("out/2/result.bin", b"something else");
	let short = &tenant.client_id; // Not the job's id: it has none of its digits.
	assert!(!format!("{:?}", tenant.job).contains(&short[2..10]));
	let prefix = &format!("{:?}", tenant.job)[..10];
	let fetched = tenant.run(&["--json", "job", "fetch", prefix, "--out", "out"]).success();
	let lines: Vec<String> = common::stdout(&fetched).lines().map(str::to_owned).collect();
	let mut present: Vec<_> = events(&lines, "fetched")
		.iter()
		.map(|event| (event["task"].clone(), event["present"].clone()))
		.collect();
	present.sort_by_key(|(task, _)| task.as_u64());
	let expected = [(0, true), (1, true), (2, false), (3, true)];
	assert_eq!(present, expected.map(|(task, present)| (json!(task), json!(present))));
	assert_eq!(fs::read(tenant.place.path("out/2/result.bin")).expect("an output"), outputs[2]);

	for line in &lines {
		documented(&serde_json::from_str(line).expect("JSON"));
	}
	let provider = provider.owner.to_string();
	let reads: [&[&str]; 7] = [
		&["market"],
		&["job", "list"],
		&["job", "show", prefix],
		&["job", "quote"],
		&["provider", "list"],
		&["provider", "show", &provider],
		&["program", "show"],
	];
	for args in reads {
		documented(&json(&tenant.run(&[&["--json"], args].concat()).success()));
	}

	// Submitting again pays nothing.
	let before = tenant.total();
	let again = tenant.run(&submit).success();
	let lines: Vec<String> = common::stdout(&again).lines().map(str::to_owned).collect();
	assert_eq!(events(&lines, "attached").len(), 1);
	assert_eq!(events(&lines, "ended")[0], *ended);
	assert_eq!(tenant.total(), before);
	// With another job under the same id it is refused.
	tenant.place.replace("job.toml", "ceiling = \"50 mTESS\"", "ceiling = \"60 mTESS\"");
	fails(tenant.run(&["job", "submit", "--client-id", &tenant.client_id]), 4, &["choose another client id"]);
	assert_eq!(tenant.total(), before);

	tenant.run(&["job", "clean-up", prefix]).success();
	fails(tenant.run(&["job", "show", &format!("{:?}", tenant.job)]), 3, &["the chain knows no job"]);
	let balance = json(&tenant.run(&["--json", "account", "balance"]).success());
	documented(&balance);
	assert_eq!(balance["holds"].as_array().map(Vec::len), Some(1), "the program's deposit: {balance}");
	tenant.run(&["program", "retire"]).success();
	let balance = json(&tenant.run(&["--json", "account", "balance"]).success());
	assert_eq!(balance["holds"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_should_tell_lies_from_silence() {
	let node = shared_dev_node().await;
	let chain = connect(&node.url()).await;
	let provider = Provider::new(&chain, "lies").await;
	let tenant = Tenant::new(&chain, "lies").await;
	tenant.submit_detached();
	provider.accept(tenant.job, 0..3).await;
	// One good result, one whose output has another length, and one that is nowhere.
	provider.deliver(tenant.job, 0, vec![7; 256]).await;
	provider.deliver(tenant.job, 1, vec![7; 255]).await;
	provider.claim(tenant.job, 2, H256::repeat_byte(3)).await;
	let id = format!("{:?}", tenant.job);
	let fetch = |tasks: &str| tenant.run(&["job", "fetch", &id, "--out", "out", "--tasks", tasks]);
	fetch("0").success();
	assert_eq!(fs::read(tenant.place.path("out/0/result.bin")).expect("an output"), [7; 256]);
	let lie = fetch("1").code(7);
	assert!(common::stderr(&lie).contains("output `result` of task 1"), "{lie}");
	let silence = fetch("2").code(5);
	let err = common::stderr(&silence);
	assert!(err.contains("`claim list` of task 2") && err.contains("does not have the blob"), "{err}");
	assert!(!tenant.place.path("out/1/result.bin").exists() && !tenant.place.path("out/2").exists());
	// The worst of several decides; what is good is there all the same.
	let all = fetch("0-3").code(7);
	assert!(common::stdout(&all).contains("there before"), "{all}");
	fails(fetch("4"), 3, &["has no task 4", "0 to 3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_command_should_say_how_to_go_on() {
	let node = shared_dev_node().await;
	let chain = connect(&node.url()).await;
	let tenant = Tenant::new(&chain, "interrupted").await;
	let submit = ["job", "submit", "--client-id", &tenant.client_id];
	let running = tenant.start(&submit);
	running.err_line("4 open");
	running.signal("INT");
	let (code, out, err) = running.end();
	let id = format!("{:?}", tenant.job);
	assert_eq!((code, out), (Some(130), Vec::new()), "{err}");
	assert!(
		err.contains("goes on by itself") && err.contains(&format!("tessera job watch {id} --serve")),
		"{err}"
	);

	// Nobody serves the inputs for long, so that --detach is refused; with `tessera serve` it is not.
	let detach = [&submit[..], &["--detach"]].concat();
	fails(tenant.run(&detach), 2, &["--detach", "tessera serve", "--no-serve"]);
	let serve = tenant.start(&["--json", "serve"]);
	let serving: Value = serde_json::from_str(&serve.out_line("serving")).expect("JSON");
	assert_eq!(serving["labels"], json!([format!("job/{}", &id[2..])]));
	assert_eq!(common::stdout(&tenant.run(&detach).success()).trim(), id);
	let info = chain.view(Level::Best).await.expect("a view").job(tenant.job).await.expect("an answer");
	let source = info.expect("the job").request.source;
	assert_eq!(serving["endpoint"]["addresses"][0], json!(source.addresses_text()[0]));

	// A watcher takes over when that process ends, and ends with the job.
	let watch = tenant.start(&["job", "watch", &id, "--serve"]);
	watch.err_line("4 open");
	serve.signal("TERM");
	assert_eq!(serve.end().0, Some(0));
	watch.err_line("serving blobs as");
	let node = BlobNode::open(BlobConfig::local(tenant.place.path("elsewhere"))).await.expect("a blob node");
	let spec = chain.view(Level::Best).await.expect("a view").job(tenant.job).await.expect("an answer");
	let spec = spec.expect("the job").request.spec;
	node.fetch("x", &spec, &[source], FetchOptions::default()).await.expect("the watcher serves it");
	let cancelled = common::stdout(&tenant.run(&["job", "cancel", &id]).success());
	assert!(cancelled.contains("4 open tasks ended"), "{cancelled}");
	let (code, out, err) = watch.end();
	assert_eq!(code, Some(6), "{err}");
	assert!(
		err.contains("4 of 4 tasks were not done") && out.join("\n").contains("0 of 4 tasks settled"),
		"{err}"
	);
	node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_should_survive_a_restart_of_the_node() {
	let dir = tempfile::tempdir().expect("a directory");
	let options = NodeOptions { base_path: Some(dir.path().into()), ..NodeOptions::default() };
	let node = DevNode::start(options.clone()).await.expect("a node");
	let options = NodeOptions { rpc_port: node.rpc_port(), ..options };
	let chain = connect(&node.url()).await;
	let tenant = Tenant::new(&chain, "restart").await;
	let running = tenant.start(&["job", "submit", "--client-id", &tenant.client_id]);
	running.err_line("4 open");
	// Whether the command says that the connection is lost depends on what it was waiting for: a call that is under
	// way is repeated without a word.
	node.stop().await.expect("it stops");
	let _node = DevNode::start(options).await.expect("it starts again");
	let id = format!("{:?}", tenant.job);
	tenant.run(&["job", "cancel", &id]).success();
	let (code, _, err) = running.end();
	assert_eq!(code, Some(6), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn job_should_be_refused_before_anything_is_paid_when_the_chain_would_refuse_it() {
	let node = shared_dev_node().await;
	let chain = connect(&node.url()).await;
	let tenant = Tenant::new(&chain, "refused").await;
	tenant.run(&["program", "register"]).success();
	let before = tenant.total();
	let refused = |from: &str, to: &str, texts: &[&str]| {
		tenant.place.replace("job.toml", from, to);
		fails(tenant.run(&["job", "submit"]), 4, texts);
		tenant.place.replace("job.toml", to, from);
	};
	refused(
		"opening = \"10 mTESS\"",
		"opening = \"1 planck\"",
		&["below the chain's least price", "0.00112 TESS", "Jobs.FeeBelowFloor", "raise `opening`"],
	);
	refused("execution = 100 ", "execution = 4000000000 ", &["Jobs.ExecutionTicks", "lower `execution`"]);
	refused("lifetime = 1000 ", "lifetime = 4000000000 ", &["Jobs.LifetimeTicks", "lower `lifetime`"]);
	refused(
		"ceiling = \"50 mTESS\"",
		"ceiling = \"50 TESS\"",
		&["can spend", "200 TESS in escrow", "lower `ceiling`"],
	);
	assert_eq!(tenant.total(), before);
	fails(
		tenant.run(&["provider", "bond", "1TESS"]),
		4,
		&["not a provider", "Providers.NotRegistered", "tessera provider register"],
	);
	fails(
		tenant.run(&["account", "transfer", "//Bob", "1000TESS"]),
		4,
		&["Token.", &tenant.key.account().to_string()],
	);
}
