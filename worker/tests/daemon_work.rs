// SPDX-License-Identifier: Apache-2.0

//! A task from acceptance to its root, without a chain: real blobs over iroh, a real child, a real device (a software
//! one where there is no other), and a clock that the test turns.

mod gpu_common;

use std::{
	path::PathBuf,
	sync::{
		Arc,
		atomic::{AtomicBool, Ordering},
	},
	time::Duration,
};

use codec::Encode;
use gpu_common::{INPUT, OUTPUT, Stage, adapter, doubling, endless, package, supervisor, words_of};
use tempfile::TempDir;
use tessera_client::{
	blobs::{BlobConfig, BlobNode, FetchOptions},
	chain::H256,
	manifest::OutputBuffer,
	outputs::{fetch_outputs, output_path},
};
use tessera_primitives::{
	BlobRef, Tick,
	job::{ClaimList, HandBackReason, JobRequest, JobSpec, SPEC_VERSION, TaskInput, TaskSpec},
	program::{Access, ProgramManifest, ProgramPackage},
};
use tessera_worker::{
	daemon::{
		gpu::Gpu,
		work::{Assignment, OnFetched, Outcome, Workshop, label},
	},
	journal::{TaskKey, Terms},
};
use tokio::sync::watch;

/// Terms of every task here: accepted at tick 100, to be claimed by tick 200.
const TERMS: Terms = Terms { price: 1, at: 100, deadline: 200 };
/// Inputs count as missing until tick 150.
const FETCH_WINDOW: Tick = 50;
/// Ticks that orders need.
const MARGIN: Tick = 6;

fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
	words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A tenant that serves a job, and a provider that works on it.
struct Market {
	dir: TempDir,
	tenant: BlobNode,
	shop: Workshop,
	clock: watch::Sender<Tick>,
	manifest: Arc<ProgramManifest>,
	request: Arc<JobRequest>,
}

impl Market {
	/// A job of `package` with these tasks. Nothing is served yet but the package and the specification.
	async fn new(
		package: &[u8],
		buffers: &[u64],
		dispatch: [u32; 3],
		tasks: Vec<Vec<(u8, TaskInput)>>,
	) -> Self {
		let dir = tempfile::tempdir().unwrap();
		let tenant = BlobNode::open(BlobConfig::local(dir.path().join("tenant"))).await.unwrap();
		let blobs = BlobNode::open(BlobConfig::local(dir.path().join("provider"))).await.unwrap();
		let scratch = dir.path().join("scratch");
		std::fs::create_dir(&scratch).unwrap();
		let gpu = Gpu::with_supervisor(supervisor(&scratch), adapter(), 1).await.unwrap();
		let (clock, ticks) = watch::channel(TERMS.at);
		let shop = Workshop::new(blobs, gpu, scratch, ticks, None);

		let manifest = ProgramPackage::decode_checked(package).unwrap().manifest;
		let count = u32::try_from(tasks.len()).unwrap();
		let tasks = tasks.into_iter().map(|inputs| TaskSpec { inputs }).collect();
		let spec = JobSpec { version: SPEC_VERSION, shared: Vec::new(), tasks };
		let program = tenant.add_bytes("job", package.to_vec()).await.unwrap();
		let spec = tenant.add_bytes("job", spec.encode()).await.unwrap();
		let request = JobRequest {
			program: program.hash,
			tier: Default::default(),
			spec,
			source: tenant.endpoint_info(),
			tasks: count,
			buffers: buffers.to_vec().try_into().unwrap(),
			dispatches: vec![dispatch; manifest.stages.len()].try_into().unwrap(),
			requirements: Default::default(),
			opening_price: 1,
			ceiling_price: 1,
			price_ramp: 0,
			execution_ticks: 100,
			lifetime_ticks: 1000,
		};
		Self { dir, tenant, shop, clock, manifest: Arc::new(manifest), request: Arc::new(request) }
	}

	fn task(&self, task: u32) -> Assignment {
		let key = TaskKey { job: H256::repeat_byte(7), task, attempt: 0 };
		let (request, manifest) = (self.request.clone(), self.manifest.clone());
		Assignment::new(key, request, manifest, TERMS, FETCH_WINDOW, MARGIN, Duration::from_secs(3))
	}

	/// Works on a task while the clock stands still.
	async fn work(&self, task: u32) -> Outcome {
		self.shop.work(&self.task(task), Box::new(|| {})).await
	}

	/// Works on a task while the clock is put to each of these ticks, a while after another.
	async fn work_until(&self, task: u32, ticks: &[Tick]) -> Outcome {
		let assignment = self.task(task);
		let turn = async {
			for tick in ticks {
				tokio::time::sleep(Duration::from_millis(1500)).await;
				self.clock.send_replace(*tick);
			}
			std::future::pending().await
		};
		tokio::select! {
			outcome = self.shop.work(&assignment, Box::new(|| {})) => outcome,
			() = turn => unreachable!(),
		}
	}

	fn folders(&self) -> Vec<PathBuf> {
		let all = std::fs::read_dir(self.dir.path().join("scratch")).unwrap();
		all.map(|entry| entry.unwrap().path()).collect()
	}
}

/// Two tasks of the doubling program, one with a blob and one with its input inline.
async fn doubling_market() -> Market {
	let blob = bytes(0..64);
	let tasks =
		vec![vec![(0, TaskInput::Blob(BlobRef::of(&blob)))], vec![(0, TaskInput::Inline(bytes(100..164)))]];
	let market = Market::new(&doubling(), &[256, 256], [1, 1, 1], tasks).await;
	market.tenant.add_bytes("job", blob).await.unwrap();
	market
}

fn root_of(output: &[u8]) -> H256 {
	ClaimList { outputs: vec![BlobRef::of(output).hash] }.root()
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_fetched_run_and_served() {
	let market = doubling_market().await;
	let fetched = Arc::new(AtomicBool::new(false));
	let on_fetched: OnFetched = {
		let fetched = fetched.clone();
		Box::new(move || fetched.store(true, Ordering::SeqCst))
	};
	let expected = [bytes((0..64).map(|x| x * 2)), bytes((100..164).map(|x| x * 2))];
	let first = market.shop.work(&market.task(0), on_fetched).await;
	assert!(fetched.load(Ordering::SeqCst));
	let Outcome::Done { root, outputs, took } = first else { panic!("{first:?}") };
	assert_eq!(root, root_of(&expected[0]));
	assert_eq!(outputs, [BlobRef::of(&expected[0])]);
	assert!(took > Duration::ZERO);

	// Its inputs and outputs are served, and fetched from nothing but the claim's root.
	let (dir, buffers) = (market.dir.path().join("out"), OutputBuffer::of(&market.request, &market.manifest));
	let sources = [market.shop.blobs.endpoint_info()];
	let options = FetchOptions::default();
	fetch_outputs(&market.tenant, "out", 0, root, &buffers, &sources, options, &dir).await.unwrap();
	let served = std::fs::read(output_path(&dir, 0, &buffers[0].name)).unwrap();
	assert_eq!(words_of(&served), words_of(&expected[0]));
	assert_eq!(market.shop.blobs.labels().await.unwrap(), [label(&market.task(0).key)]);
	assert!(market.shop.blobs.has(&market.request.spec).await.unwrap());

	let second = market.work(1).await;
	assert!(matches!(&second, Outcome::Done { root, .. } if *root == root_of(&expected[1])), "{second:?}");
	// Nothing is left of the tasks; what the job's tasks share stays until it is let go.
	assert_eq!(market.folders().len(), 1);
	market.shop.forget_job(&H256::repeat_byte(7));
	assert_eq!(market.folders().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_come_to_the_same_root_when_it_is_done_again_without_the_tenant() {
	let market = doubling_market().await;
	let first = market.work(0).await;
	// After a crash all of it is done again; what was fetched is here.
	market.tenant.shutdown().await;
	market.shop.forget_job(&H256::repeat_byte(7));
	let again = market.work(0).await;
	let root = |outcome| match outcome {
		Outcome::Done { root, .. } => root,
		other => panic!("{other:?}"),
	};
	assert_eq!(root(first), root(again));
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_handed_back_when_an_input_is_not_to_be_had() {
	let missing = BlobRef::of(&[9; 256]);
	let tasks = vec![vec![(0, TaskInput::Blob(missing))]];
	let market = Market::new(&doubling(), &[256, 256], [1, 1, 1], tasks).await;
	// Not before the window is nearly over: the tenant may be slow.
	let outcome = market.work_until(0, &[143, 144]).await;
	let Outcome::Return { reason: HandBackReason::NoInputs, note } = outcome else { panic!("{outcome:?}") };
	assert!(
		note.contains(&format!("{:?}", missing.hash)) && note.contains("does not have the blob"),
		"{note}"
	);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_should_be_fetched_when_it_comes_late() {
	let late = bytes(0..64);
	let tasks = vec![vec![(0, TaskInput::Blob(BlobRef::of(&late)))]];
	let market = Market::new(&doubling(), &[256, 256], [1, 1, 1], tasks).await;
	let come = async {
		tokio::time::sleep(Duration::from_secs(2)).await;
		market.tenant.add_bytes("job", late.clone()).await.unwrap();
	};
	let (outcome, ()) = tokio::join!(market.work(0), come);
	assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_handed_back_at_once_when_the_inputs_are_not_what_the_job_says() {
	let input = |words| vec![(0, TaskInput::Inline(bytes(0..words)))];
	let assert_wrong = |outcome, part: &str| match outcome {
		Outcome::Return { reason: HandBackReason::NoInputs, note } => assert!(note.contains(part), "{note}"),
		other => panic!("{other:?}"),
	};

	// A specification of another number of tasks.
	let mut market = Market::new(&doubling(), &[256, 256], [1, 1, 1], vec![input(64)]).await;
	Arc::make_mut(&mut market.request).tasks = 2;
	assert_wrong(market.work(0).await, "lists 1 tasks");

	// An input of another length than the buffer.
	let market = Market::new(&doubling(), &[256, 256], [1, 1, 1], vec![input(63)]).await;
	assert_wrong(market.work(0).await, "252 bytes");

	// A package with another manifest than the chain has.
	let mut market = Market::new(&doubling(), &[256, 256], [1, 1, 1], vec![input(64)]).await;
	market.manifest = Arc::new(ProgramPackage::decode_checked(&endless()).unwrap().manifest);
	assert_wrong(market.work(0).await, "another manifest");

	// A program that is no package.
	let mut market = Market::new(&doubling(), &[256, 256], [1, 1, 1], vec![input(64)]).await;
	let rubbish = market.tenant.add_bytes("job", vec![7; 100]).await.unwrap();
	Arc::make_mut(&mut market.request).program = rubbish.hash;
	assert_wrong(market.work(0).await, "not a program package");
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_given_up_when_this_machine_cannot_store_its_inputs() {
	let market = doubling_market().await;
	// Where the scratch folder was, there is a file: nothing can be written.
	let scratch = market.dir.path().join("scratch");
	std::fs::remove_dir_all(&scratch).unwrap();
	std::fs::write(&scratch, []).unwrap();
	// The end of the window for fetching passes: this is not the tenant's fault.
	let outcome = market.work_until(0, &[150, 194]).await;
	assert!(matches!(&outcome, Outcome::GivenUp { note } if note.contains("scratch")), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_handed_back_as_faulted_when_its_program_is_refused() {
	let broken = package(
		"@group(0) @binding(0) var<storage, read> a: array<u32>;
		@group(0) @binding(1) var<storage, read_write> b: array<u32>;
		@compute @workgroup_size(1) fn main() { b[0] = a[0] + 1.5; }",
		&[INPUT, OUTPUT],
		&[Stage("main", &[(0, 0, Access::Read), (1, 1, Access::ReadWrite)])],
	);
	let tasks = vec![vec![(0, TaskInput::Inline(bytes([1])))]];
	let market = Market::new(&broken, &[4, 4], [1, 1, 1], tasks).await;
	let outcome = market.work(0).await;
	assert!(matches!(outcome, Outcome::Return { reason: HandBackReason::Faulted, .. }), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn task_should_be_handed_back_as_faulted_when_its_program_hangs() {
	let tasks = vec![vec![(0, TaskInput::Inline(bytes([0])))]];
	let market = Market::new(&endless(), &[4, 4], [65_535, 256, 1], tasks).await;
	// The clock reaches the end of its time; the child is killed, the GPU shows that it is healthy.
	let outcome = market.work_until(0, &[120, 194]).await;
	let Outcome::Return { reason: HandBackReason::Faulted, note } = outcome else { panic!("{outcome:?}") };
	assert!(note.contains("6 ticks before its deadline"), "{note}");
	// And it is free for others.
	let free = tokio::time::timeout(Duration::from_secs(5), market.shop.gpu.turn()).await;
	assert!(free.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn program_should_not_be_blamed_when_this_worker_began_late() {
	let tasks = vec![vec![(0, TaskInput::Inline(bytes([0])))]];
	let market = Market::new(&endless(), &[4, 4], [65_535, 256, 1], tasks).await;
	market.clock.send_replace(170);
	let outcome = market.work_until(0, &[194]).await;
	assert!(matches!(&outcome, Outcome::GivenUp { note } if note.contains("deadline")), "{outcome:?}");
}
