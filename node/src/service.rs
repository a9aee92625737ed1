// SPDX-License-Identifier: Apache-2.0

//! The parts of a node and how they hang together: client and database, transaction pool, BABE and GRANDPA,
//! network, RPC, offchain workers.

use crate::{
	cli::Sealing,
	dev_seal::{self, SealParams},
	inherents::BlockClock,
	rpc,
};
use futures::FutureExt;
use sc_basic_authorship::ProposerFactory;
use sc_client_api::{Backend, BlockBackend};
use sc_consensus::{DefaultImportQueue, LongestChain};
use sc_consensus_babe::{
	BabeBlockImport, BabeLink, BabeParams, BabeWorkerHandle, ImportQueueParams, SlotProportion,
};
use sc_consensus_grandpa::{
	FinalityProofProvider, GrandpaBlockImport, GrandpaParams, GrandpaPruningFilter, LinkHalf,
	SharedVoterState, VotingRulesBuilder,
};
use sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use sc_executor::WasmExecutor;
use sc_network::{NetworkBackend, config::FullNetworkConfiguration};
use sc_offchain::{OffchainWorkerOptions, OffchainWorkers};
use sc_service::{
	BuildNetworkParams, Configuration, PartialComponents, SpawnTasksParams, TFullBackend, TFullClient,
	TaskManager, WarpSyncConfig, error::Error as ServiceError,
};
use sc_sysinfo::{HwBench, Metric, Requirement, Requirements, Throughput};
use sc_telemetry::{Telemetry, TelemetryHandle, TelemetryWorker};
use sc_transaction_pool::TransactionPoolHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use std::{path::Path, sync::Arc, thread::available_parallelism, time::Duration};
use tessera_runtime::{Hash, RuntimeApi, opaque::Block};

/// The client: the runtime in wasmtime over the database.
pub type FullClient = TFullClient<Block, RuntimeApi, WasmExecutor<sp_io::SubstrateHostFunctions>>;
/// The database.
pub type FullBackend = TFullBackend<Block>;
/// The rule for the best chain among those that GRANDPA allows.
pub type FullSelectChain = LongestChain<FullBackend, Block>;
/// The transaction pool.
pub type FullPool = TransactionPoolHandle<Block, FullClient>;
/// How a block gets into the database: BABE's checks, then GRANDPA's, then the client.
pub type FullBlockImport = BabeBlockImport<
	Block,
	FullClient,
	GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>,
	BlockClock,
	FullSelectChain,
>;
/// What [`new_partial`] makes.
pub type Partial = PartialComponents<
	FullClient,
	FullBackend,
	FullSelectChain,
	DefaultImportQueue<Block>,
	FullPool,
	Consensus,
>;

/// Justifications are made and kept at least every so many blocks.
const JUSTIFICATION_PERIOD: u32 = 512;
/// How long GRANDPA expects a vote to take to all voters: an order of magnitude below a slot.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);
/// Telemetry messages that may wait for the connection.
const TELEMETRY_BUFFER: usize = 16;

/// What the command line adds to the standard configuration.
#[derive(Clone, Copy, Debug)]
pub struct Options {
	/// Make blocks without consensus.
	pub sealing: Option<Sealing>,
	/// Measure the machine before the start.
	pub hardware_benchmarks: bool,
}

/// The consensus side of [`Partial`].
pub struct Consensus {
	/// Imports blocks.
	pub block_import: FullBlockImport,
	/// BABE's epochs and configuration.
	pub babe_link: BabeLink<Block>,
	/// Answers questions about epochs.
	pub babe_worker: BabeWorkerHandle<Block>,
	/// GRANDPA's authority set and justifications.
	pub grandpa_link: LinkHalf<Block, FullClient, FullSelectChain>,
	/// The connection to telemetry, where there is one.
	pub telemetry: Option<Telemetry>,
}

/// Opens the database and sets up everything that needs no network: enough for the commands that work on files.
pub fn new_partial(config: &Configuration, sealing: Option<Sealing>) -> Result<Partial, ServiceError> {
	let telemetry = config
		.telemetry_endpoints
		.clone()
		.filter(|endpoints| !endpoints.is_empty())
		.map(|endpoints| {
			let worker = TelemetryWorker::new(TELEMETRY_BUFFER)?;
			let telemetry = worker.handle().new_telemetry(endpoints);
			Ok::<_, sc_telemetry::Error>((worker, telemetry))
		})
		.transpose()?;

	let (client, backend, keystore_container, task_manager) =
		sc_service::new_full_parts::<Block, RuntimeApi, _>(
			config,
			telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
			sc_service::new_wasm_executor(&config.executor),
			// Blocks with justifications outlive block pruning: warp sync's proofs are made of them.
			vec![Arc::new(GrandpaPruningFilter)],
		)?;
	let client = Arc::new(client);
	let telemetry = telemetry.map(|(worker, telemetry)| {
		task_manager.spawn_handle().spawn("telemetry", None, worker.run());
		telemetry
	});

	let select_chain = LongestChain::new(backend.clone());
	let transaction_pool = Arc::new(
		sc_transaction_pool::Builder::new(
			task_manager.spawn_essential_handle(),
			client.clone(),
			config.role.is_authority().into(),
		)
		.with_options(config.transaction_pool.clone())
		.with_prometheus(config.prometheus_registry())
		.build(),
	);

	let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
		client.clone(),
		JUSTIFICATION_PERIOD,
		&client,
		select_chain.clone(),
		handle(&telemetry),
	)?;

	let babe_config = sc_consensus_babe::configuration(&*client)?;
	let slot_duration = babe_config.slot_duration();
	let clock = match sealing {
		None => BlockClock::System { slot_duration },
		Some(_) => BlockClock::AfterBest(client.clone()),
	};
	let (block_import, babe_link) = sc_consensus_babe::block_import(
		babe_config,
		grandpa_import.clone(),
		client.clone(),
		clock,
		select_chain.clone(),
		OffchainTransactionPoolFactory::new(transaction_pool.clone()),
	)?;
	let (import_queue, babe_worker) = sc_consensus_babe::import_queue(ImportQueueParams {
		link: babe_link.clone(),
		block_import: block_import.clone(),
		justification_import: Some(Box::new(grandpa_import)),
		client: client.clone(),
		slot_duration,
		spawner: &task_manager.spawn_essential_handle(),
		registry: config.prometheus_registry(),
		telemetry: handle(&telemetry),
	})?;

	Ok(PartialComponents {
		client,
		backend,
		task_manager,
		keystore_container,
		select_chain,
		import_queue,
		transaction_pool,
		other: Consensus { block_import, babe_link, babe_worker, grandpa_link, telemetry },
	})
}

/// Starts a node: a validator where the role and the keys make it one, a full node otherwise. The node runs until
/// the task manager is dropped or an essential task ends.
pub fn start<N: NetworkBackend<Block, Hash>>(
	config: Configuration,
	options: Options,
) -> Result<TaskManager, ServiceError> {
	let hardware = options.hardware_benchmarks.then(|| measure_hardware(config.database.path())).flatten();
	let PartialComponents {
		client,
		backend,
		mut task_manager,
		keystore_container,
		select_chain,
		import_queue,
		transaction_pool,
		other: Consensus { block_import, babe_link, babe_worker, grandpa_link, mut telemetry },
	} = new_partial(&config, options.sealing)?;
	let keystore = keystore_container.keystore();

	let genesis = client
		.block_hash(0)?
		.ok_or_else(|| ServiceError::Other("the database holds no genesis block: purge the chain".into()))?;
	let registry = config.prometheus_registry().cloned();
	let metrics = N::register_notification_metrics(registry.as_ref());
	let mut net_config = FullNetworkConfiguration::<Block, Hash, N>::new(&config.network, registry.clone());
	let grandpa_protocol = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
	let (grandpa_notifications, grandpa_service) = sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
		grandpa_protocol.clone(),
		metrics.clone(),
		net_config.peer_store_handle(),
	);
	net_config.add_notification_protocol(grandpa_notifications);
	let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
		backend.clone(),
		grandpa_link.shared_authority_set().clone(),
		Vec::new(),
	));

	let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
		sc_service::build_network(BuildNetworkParams {
			config: &config,
			net_config,
			client: client.clone(),
			transaction_pool: transaction_pool.clone(),
			spawn_handle: task_manager.spawn_handle(),
			spawn_essential_handle: task_manager.spawn_essential_handle(),
			import_queue,
			block_announce_validator_builder: None,
			warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
			block_relay: None,
			metrics,
			gap_sync_body_policy: None,
		})?;

	if config.offchain_worker.enabled {
		let workers = OffchainWorkers::new(OffchainWorkerOptions {
			runtime_api_provider: client.clone(),
			keystore: Some(keystore.clone()),
			offchain_db: backend.offchain_storage(),
			transaction_pool: Some(OffchainTransactionPoolFactory::new(transaction_pool.clone())),
			network_provider: Arc::new(network.clone()),
			is_validator: config.role.is_authority(),
			// The runtime has no use for it, and no upgrade should be able to make validators call out.
			enable_http_requests: false,
			custom_extensions: |_| vec![],
		})?;
		task_manager.spawn_handle().spawn(
			"offchain-workers-runner",
			"offchain-worker",
			workers.run(client.clone(), task_manager.spawn_handle()).boxed(),
		);
	}

	let role = config.role;
	let name = config.network.node_name.clone();
	let force_authoring = config.force_authoring;
	let enable_grandpa = !config.disable_grandpa && options.sealing.is_none();
	let voter_state = SharedVoterState::empty();
	let (seal_sender, seal_commands) = options.sealing.map(|_| dev_seal::commands()).unzip();

	let rpc_deps = rpc::FullDeps {
		client: client.clone(),
		pool: transaction_pool.clone(),
		select_chain: select_chain.clone(),
		keystore: keystore.clone(),
		babe_worker,
		voter_state: voter_state.clone(),
		authority_set: grandpa_link.shared_authority_set().clone(),
		justifications: grandpa_link.justification_stream(),
		finality_proofs: FinalityProofProvider::new_for_service(
			backend.clone(),
			Some(grandpa_link.shared_authority_set().clone()),
		),
		sealing: seal_sender,
	};
	let _rpc_handlers = sc_service::spawn_tasks(SpawnTasksParams {
		config,
		client: client.clone(),
		backend,
		task_manager: &mut task_manager,
		keystore: keystore.clone(),
		transaction_pool: transaction_pool.clone(),
		rpc_builder: Box::new(move |executor| rpc::create_full(&rpc_deps, executor)),
		network: network.clone(),
		system_rpc_tx,
		tx_handler_controller,
		sync_service: sync_service.clone(),
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;

	if let (Some(hardware), Some(telemetry)) = (hardware, handle(&telemetry)) {
		task_manager.spawn_handle().spawn(
			"telemetry_hwbench",
			None,
			sc_sysinfo::initialize_hwbench_telemetry(telemetry, hardware),
		);
	}

	if role.is_authority() {
		let proposer = ProposerFactory::new(
			task_manager.spawn_handle(),
			client.clone(),
			transaction_pool.clone(),
			registry.as_ref(),
			handle(&telemetry),
		);
		if let (Some(mode), Some(commands)) = (options.sealing, seal_commands) {
			dev_seal::start(SealParams {
				mode,
				commands,
				spawner: task_manager.spawn_essential_handle(),
				proposer,
				block_import,
				babe_link,
				client: client.clone(),
				pool: transaction_pool.clone(),
				select_chain,
				keystore: keystore.clone(),
			})?;
		} else {
			let slot_duration = babe_link.config().slot_duration();
			let babe = sc_consensus_babe::start_babe(BabeParams {
				keystore: keystore.clone(),
				client: client.clone(),
				select_chain,
				env: proposer,
				block_import,
				sync_oracle: sync_service.clone(),
				justification_sync_link: sync_service.clone(),
				create_inherent_data_providers: BlockClock::System { slot_duration },
				force_authoring,
				backoff_authoring_blocks: Some(BackoffAuthoringOnFinalizedHeadLagging::default()),
				babe_link,
				// The other half of the slot is for the block's way to the other validators and their import.
				block_proposal_slot_portion: SlotProportion::new(0.5),
				max_block_proposal_slot_portion: None,
				telemetry: handle(&telemetry),
			})?;
			task_manager.spawn_essential_handle().spawn_blocking(
				"babe-proposer",
				Some("block-authoring"),
				babe,
			);
		}
	}

	if enable_grandpa {
		// Full nodes run the voter too, without a key: it follows the votes and asks for what it missed.
		let voter = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
			config: sc_consensus_grandpa::Config {
				gossip_duration: GOSSIP_DURATION,
				justification_generation_period: JUSTIFICATION_PERIOD,
				observer_enabled: false,
				local_role: role,
				name: Some(name),
				keystore: role.is_authority().then_some(keystore),
				telemetry: handle(&telemetry),
				protocol_name: grandpa_protocol,
			},
			link: grandpa_link,
			network,
			sync: sync_service,
			notification_service: grandpa_service,
			voting_rule: VotingRulesBuilder::default().build(),
			prometheus_registry: registry,
			shared_voter_state: voter_state,
			telemetry: handle(&telemetry),
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
		})?;
		task_manager.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
	}

	Ok(task_manager)
}

fn handle(telemetry: &Option<Telemetry>) -> Option<TelemetryHandle> {
	telemetry.as_ref().map(Telemetry::handle)
}

/// Scores of this machine, logged. `None` where there is no database on disk to measure.
fn measure_hardware(database: Option<&Path>) -> Option<HwBench> {
	let database = database?;
	if let Err(error) = std::fs::create_dir_all(database) {
		log::warn!("The hardware is not measured: cannot create {}: {error}", database.display());
		return None;
	}
	// The chain sets no minimum; the entry makes the measurement use all cores.
	let all_cores = Requirements(vec![Requirement {
		metric: Metric::Blake2256Parallel {
			num_cores: available_parallelism().map_or(1, |cores| cores.get()),
		},
		minimum: Throughput::from_mibs(0.0),
		validator_only: false,
	}]);
	let scores = sc_sysinfo::gather_hwbench(Some(database), &all_cores);
	sc_sysinfo::print_hwbench(&scores);
	Some(scores)
}
