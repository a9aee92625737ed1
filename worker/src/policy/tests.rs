// SPDX-License-Identifier: Apache-2.0

use super::*;
use tessera_client::chain::H256;
use tessera_primitives::{
	BlobRef, EndpointInfo, Region,
	job::{JobRequest, Tier},
	program::{BufferDecl, BufferKind},
	provider::{AdapterClass, Availability, Features, Profile},
};

const MIB: u64 = 1 << 20;

fn adapter() -> Adapter {
	Adapter {
		class: AdapterClass::N1,
		memory_bytes: 64 * MIB,
		max_buffer_bytes: 32 * MIB,
		max_binding_bytes: 32 * MIB,
		features: Features::SHADER_F16,
	}
}

fn provider() -> ProviderInfo {
	ProviderInfo {
		account: [1; 32].into(),
		profile: Profile {
			region: Region(*b"DE"),
			endpoint: EndpointInfo { key: [0; 32], addresses: Default::default() },
			adapters: vec![adapter()].try_into().unwrap(),
		},
		worker_key: None,
		availability: Availability::Online,
		bond: 1000,
		collateral: 0,
		unbonding: Vec::new(),
		active_tasks: 0,
		settled_tasks: 0,
		expiries: 0,
		accept_counter: 0,
		last_heartbeat: None,
	}
}

fn manifest() -> ProgramManifest {
	let buffer = |name: &str, role| BufferDecl {
		name: name.as_bytes().to_vec().try_into().unwrap(),
		role,
		kind: BufferKind::Storage,
	};
	let buffers = vec![
		buffer("a", BufferRole::Input),
		buffer("b", BufferRole::Input),
		buffer("c", BufferRole::Scratch),
		buffer("d", BufferRole::Output),
	];
	ProgramManifest { buffers: buffers.try_into().unwrap(), stages: Default::default() }
}

fn job() -> JobInfo {
	JobInfo {
		id: H256::repeat_byte(5),
		tenant: [2; 32].into(),
		request: JobRequest {
			program: H256::repeat_byte(6),
			tier: Tier::Unverified,
			spec: BlobRef::of(&[]),
			source: EndpointInfo { key: [0; 32], addresses: Default::default() },
			tasks: 10,
			buffers: vec![MIB, MIB, 2 * MIB, MIB].try_into().unwrap(),
			dispatches: Default::default(),
			requirements: Default::default(),
			opening_price: 10,
			ceiling_price: 50,
			price_ramp: 1,
			execution_ticks: 100,
			lifetime_ticks: 1000,
		},
		submitted_at: 0,
		open_until: 1000,
		challenge_ticks: 20,
		closed: None,
		ended_at: None,
		counts: Default::default(),
		escrow: 500,
		deposit: 1,
	}
}

fn task() -> OpenTask {
	OpenTask { id: (H256::repeat_byte(5), 3), attempt: 0, price: 20, ceiling_price: 50, barred: Vec::new() }
}

fn policy() -> Policy {
	Policy {
		price_floor: 20,
		allow_programs: BTreeSet::new(),
		deny_programs: BTreeSet::new(),
		allow_tenants: BTreeSet::new(),
		deny_tenants: BTreeSet::new(),
		max_buffer_bytes: None,
		max_input_bytes: 2 * MIB,
		margin_ticks: 6,
	}
}

/// Everything that a judgement depends on.
struct Case {
	policy: Policy,
	task: OpenTask,
	job: JobInfo,
	provider: ProviderInfo,
	adapter: Adapter,
}

fn judge(change: impl FnOnce(&mut Case)) -> Result<(), Skip> {
	let mut case =
		Case { policy: policy(), task: task(), job: job(), provider: provider(), adapter: adapter() };
	change(&mut case);
	let offer = Offer { task: &case.task, job: &case.job, manifest: &manifest() };
	case.policy.judge(offer, &case.provider, &case.adapter)
}

#[test]
fn task_should_pass_when_every_rule_lets_it() {
	assert_eq!(judge(|_| {}), Ok(()));
	assert_eq!(judge(|c| c.policy.allow_programs = [H256::repeat_byte(6), H256::zero()].into()), Ok(()));
	assert_eq!(judge(|c| c.policy.allow_tenants = [[2; 32].into()].into()), Ok(()));
	assert_eq!(judge(|c| c.policy.max_buffer_bytes = Some(5 * MIB)), Ok(()));
	assert_eq!(judge(|c| c.job.request.execution_ticks = 13), Ok(()));
}

#[test]
fn task_should_be_skipped_for_the_rule_that_it_breaks() {
	let expect = |change: fn(&mut Case), skip| assert_eq!(judge(change), Err(skip));
	expect(|c| c.task.price = 19, Skip::PriceBelowFloor);
	expect(|c| c.policy.deny_tenants = [[2; 32].into()].into(), Skip::TenantDenied);
	expect(|c| c.policy.allow_tenants = [[3; 32].into()].into(), Skip::TenantNotAllowed);
	expect(|c| c.policy.deny_programs = [H256::repeat_byte(6)].into(), Skip::ProgramDenied);
	expect(|c| c.policy.allow_programs = [H256::zero()].into(), Skip::ProgramNotAllowed);
	expect(|c| c.job.request.requirements.regions = vec![Region(*b"FR")].try_into().unwrap(), Skip::Region);
	expect(|c| c.job.request.requirements.class = Some(AdapterClass::A1), Skip::Adapter);
	expect(|c| c.job.request.requirements.features = Features::SUBGROUP, Skip::Adapter);
	expect(|c| c.provider.profile.adapters[0].memory_bytes = MIB, Skip::Adapter);
	expect(|c| c.adapter.memory_bytes = MIB, Skip::LocalAdapter);
	expect(|c| c.policy.max_buffer_bytes = Some(5 * MIB - 4), Skip::BuffersTooLarge);
	expect(|c| c.policy.max_input_bytes = 2 * MIB - 4, Skip::InputsTooLarge);
	expect(|c| c.job.request.execution_ticks = 12, Skip::DeadlineTooShort);
	expect(|c| c.task.barred = vec![[1; 32].into()], Skip::Barred);
}

#[test]
fn deny_lists_should_go_before_allow_lists() {
	let both = judge(|c| {
		c.policy.allow_tenants = [[2; 32].into()].into();
		c.policy.deny_tenants = [[2; 32].into()].into();
	});
	assert_eq!(both, Err(Skip::TenantDenied));
	let both = judge(|c| {
		c.policy.allow_programs = [H256::repeat_byte(6)].into();
		c.policy.deny_programs = [H256::repeat_byte(6)].into();
	});
	assert_eq!(both, Err(Skip::ProgramDenied));
}

#[test]
fn task_of_others_failures_should_pass() {
	assert_eq!(judge(|c| c.task.barred = vec![[9; 32].into()]), Ok(()));
}

fn candidate(task: u32, price: Balance, estimate: Option<u64>) -> Candidate {
	Candidate {
		key: TaskKey { job: H256::repeat_byte(5), task, attempt: 0 },
		price,
		collateral: price,
		program: H256::repeat_byte(6),
		window: Duration::from_secs(100),
		estimate: estimate.map(Duration::from_secs),
	}
}

fn room() -> Room {
	Room { tasks: 4, free_bond: 1000, queued: Duration::ZERO, at_once: 1 }
}

fn chosen(candidates: Vec<Candidate>, room: Room) -> (Vec<u32>, Vec<Skip>) {
	let (chosen, skipped) = choose(candidates, &[1; 32].into(), room);
	(chosen.iter().map(|c| c.key.task).collect(), skipped)
}

#[test]
fn best_paid_tasks_should_be_chosen_first() {
	let candidates = vec![candidate(0, 5, Some(1)), candidate(1, 9, Some(1)), candidate(2, 7, Some(1))];
	assert_eq!(chosen(candidates, room()).0, [1, 2, 0]);
}

#[test]
fn no_more_should_be_chosen_than_there_are_places_and_bond() {
	let many = || (0..6).map(|n| candidate(n, 100, Some(1))).collect::<Vec<_>>();
	let (tasks, skipped) = chosen(many(), room());
	assert_eq!((tasks.len(), skipped), (4, vec![Skip::Busy; 2]));
	let (tasks, skipped) = chosen(many(), Room { free_bond: 250, ..room() });
	assert_eq!((tasks.len(), skipped), (2, vec![Skip::Collateral; 4]));
	let (tasks, _) = chosen(many(), Room { tasks: 0, ..room() });
	assert!(tasks.is_empty());
}

#[test]
fn tasks_of_a_new_kind_should_be_taken_two_at_a_time() {
	let new = || (0..6).map(|n| candidate(n, 100, None)).collect::<Vec<_>>();
	assert_eq!(chosen(new(), room()).0.len(), 2);
	assert_eq!(chosen(new(), Room { at_once: 2, ..room() }).0.len(), 4);
	let busy = Room { queued: Duration::from_secs(38), ..room() };
	assert_eq!(chosen(new(), busy), (vec![], vec![Skip::Busy; 6]));
}

#[test]
fn task_should_be_taken_only_when_three_quarters_of_its_time_are_enough() {
	let take = |seconds, queued| {
		let room = Room { queued: Duration::from_secs(queued), ..room() };
		!chosen(vec![candidate(0, 1, Some(seconds))], room).0.is_empty()
	};
	assert!(take(75, 0) && take(10, 65));
	assert!(!take(76, 0) && !take(10, 66));
}

#[test]
fn providers_should_reach_for_different_tasks_when_all_pay_the_same() {
	let first = |account: u8| {
		let candidates = (0..12).map(|n| candidate(n, 100, Some(1))).collect();
		let (chosen, _) = choose(candidates, &[account; 32].into(), room());
		chosen.iter().map(|c| c.key.task).collect::<Vec<_>>()
	};
	assert_eq!(first(1), first(1), "the same every time");
	assert_ne!(first(1), first(2));
}
