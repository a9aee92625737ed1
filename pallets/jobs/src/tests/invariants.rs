// SPDX-License-Identifier: Apache-2.0

//! Random sequences of everything that can happen, all invariants after each step, and at the end the sum of all money.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tessera_primitives::{JobId, TaskId, TaskIndex, job::JobRequest, orders::*};

const TENANTS: [AccountId; 3] = [ALICE, BOB, P3];

/// Names a job and some of its tasks; indices are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
struct Which {
	job: usize,
	first: u32,
	count: u32,
	/// Whether to send the right attempt and provider, or one that may be wrong.
	right: bool,
}

#[derive(Clone, Debug)]
enum Op {
	Submit {
		tenant: usize,
		tasks: u32,
		opening: u128,
		rise: u128,
		ramp: u128,
		execution: u32,
		lifetime: u32,
	},
	Accept {
		provider: usize,
		which: Which,
		min_price: u128,
	},
	Claim {
		provider: usize,
		which: Which,
		short: bool,
	},
	HandBack {
		provider: usize,
		which: Which,
		faulted: bool,
	},
	Settle {
		which: Which,
	},
	Expire {
		which: Which,
	},
	Cancel {
		tenant: usize,
		job: usize,
	},
	Close {
		job: usize,
	},
	CleanUp {
		who: usize,
		job: usize,
		max: u32,
	},
	Retire,
	/// So many blocks, full or not, with enough weight for the agenda, a little, or none.
	Blocks {
		count: u32,
		full: bool,
		room: u8,
	},
	Availability {
		provider: usize,
		paused: bool,
	},
}

#[derive(Clone, Copy, Debug)]
struct Policy {
	cut: u32,
	expiry: u32,
	hand_back: u32,
	attempts: u32,
	challenge: u32,
	retention: u32,
	bond: u128,
}

fn which() -> impl Strategy<Value = Which> {
	(0..8usize, 0..6u32, 1..5u32, prop::bool::weighted(0.85)).prop_map(|(job, first, count, right)| Which {
		job,
		first,
		count,
		right,
	})
}

fn op() -> impl Strategy<Value = Op> {
	let provider = 0..PROVIDERS.len();
	prop_oneof![
		3 => (0..3usize, 1..6u32, 30..3_000u128, 0..2_000u128, 0..300u128, 1..8u32, 1..30u32).prop_map(
			|(tenant, tasks, opening, rise, ramp, execution, lifetime)| Op::Submit {
				tenant, tasks, opening, rise, ramp, execution, lifetime
			}
		),
		8 => (provider.clone(), which(), prop_oneof![3 => Just(0u128), 1 => 0..4_000u128])
			.prop_map(|(provider, which, min_price)| Op::Accept { provider, which, min_price }),
		6 => (provider.clone(), which(), prop::bool::weighted(0.1))
			.prop_map(|(provider, which, short)| Op::Claim { provider, which, short }),
		4 => (provider.clone(), which(), prop::bool::weighted(0.7))
			.prop_map(|(provider, which, faulted)| Op::HandBack { provider, which, faulted }),
		2 => which().prop_map(|which| Op::Settle { which }),
		2 => which().prop_map(|which| Op::Expire { which }),
		1 => (0..3usize, 0..8usize).prop_map(|(tenant, job)| Op::Cancel { tenant, job }),
		1 => (0..8usize).prop_map(|job| Op::Close { job }),
		1 => (0..3usize, 0..8usize, 0..4u32).prop_map(|(who, job, max)| Op::CleanUp { who, job, max }),
		1 => Just(Op::Retire),
		8 => (1..6u32, prop::bool::weighted(0.2), 0..4u8)
			.prop_map(|(count, full, room)| Op::Blocks { count, full, room }),
		1 => (provider, any::<bool>()).prop_map(|(provider, paused)| Op::Availability { provider, paused }),
	]
}

fn policy() -> impl Strategy<Value = Policy> {
	(0..200_000u32, 0..1_000_000u32, 0..300_000u32, 1..5u32, 1..6u32, 1..15u32, 1_000..20_000u128).prop_map(
		|(cut, expiry, hand_back, attempts, challenge, retention, bond)| Policy {
			cut,
			expiry,
			hand_back,
			attempts,
			challenge,
			retention,
			bond,
		},
	)
}

/// What the test remembers besides the chain.
#[derive(Default)]
struct Model {
	jobs: Vec<JobId>,
	next_id: u64,
	ended: BTreeMap<TaskId, TaskState<AccountId>>,
	tick: u32,
}

impl Model {
	fn job(&self, index: usize) -> Option<JobId> {
		(!self.jobs.is_empty()).then(|| self.jobs[index % self.jobs.len()])
	}

	/// The tasks that an op names, each with the attempt to state and the provider that holds it.
	fn tasks(&self, which: Which) -> Vec<(TaskId, u32, Option<AccountId>)> {
		let Some(id) = self.job(which.job) else { return vec![] };
		let Some(job) = crate::Jobs::<Test>::get(id) else { return vec![((id, which.first), 0, None)] };
		// Also one beyond the last.
		let beyond = if which.right { job.request.tasks } else { job.request.tasks + 1 };
		(0..which.count.min(beyond))
			.map(|n| (which.first + n) % beyond)
			.map(|index: TaskIndex| {
				let task = Jobs::task_of(id, &job, index);
				let attempt = task.as_ref().map_or(0, |t| t.attempt) + u32::from(!which.right);
				let holder = match task.map(|t| t.state) {
					Some(TaskState::Accepted { provider, .. } | TaskState::Claimed { provider, .. }) => {
						Some(provider)
					}
					_ => None,
				};
				((id, index), attempt, holder)
			})
			.collect()
	}

	/// The holder of the first task when the op is to be right, or any provider.
	fn provider(&self, which: Which, index: usize) -> AccountId {
		let holder = self.tasks(which).first().and_then(|(.., holder)| *holder);
		holder.filter(|_| which.right).unwrap_or(PROVIDERS[index])
	}

	fn apply(&mut self, op: &Op) {
		let signed = RuntimeOrigin::signed;
		// Whether an op succeeds is not the point here: the invariants hold either way.
		match *op {
			Op::Submit { tenant, tasks, opening, rise, ramp, execution, lifetime } => {
				self.next_id += 1;
				let request = JobRequest {
					opening_price: opening,
					ceiling_price: opening + rise,
					price_ramp: ramp,
					execution_ticks: execution,
					lifetime_ticks: lifetime,
					..request(tasks)
				};
				let client_id = H256::from_low_u64_be(self.next_id);
				let tenant = TENANTS[tenant];
				if Jobs::submit(signed(tenant), client_id, request).is_ok() {
					self.jobs.push(tessera_primitives::job_id(&tenant, &client_id));
				}
			}
			Op::Accept { provider, which, min_price } => {
				let items = self
					.tasks(which)
					.into_iter()
					.map(|((job, task), attempt, _)| AcceptItem { job, task, attempt, min_price })
					.collect();
				let _ = send(accept_call(accept_order(PROVIDERS[provider], items)));
			}
			Op::Claim { provider, which, short } => {
				let provider = self.provider(which, provider);
				let items = self
					.tasks(which)
					.into_iter()
					.map(|((job, task), attempt, _)| ClaimItem {
						output_bytes: OUTPUT_BYTES - u64::from(short),
						..claim_item(job, task, attempt)
					})
					.collect();
				let _ = send(claim_call(claim_order(provider, items)));
			}
			Op::HandBack { provider, which, faulted } => {
				let provider = self.provider(which, provider);
				let reason = if faulted { HandBackReason::Faulted } else { HandBackReason::NoInputs };
				let items = self
					.tasks(which)
					.into_iter()
					.map(|((job, task), attempt, _)| hand_back_item(job, task, attempt, reason))
					.collect();
				let _ = send(hand_back_call(hand_back_order(provider, items)));
			}
			Op::Settle { which } => {
				let ids: Vec<_> = self.tasks(which).into_iter().map(|(id, ..)| id).collect();
				let _ = Jobs::settle(signed(NOBODY), ids.try_into().unwrap());
			}
			Op::Expire { which } => {
				let ids: Vec<_> = self.tasks(which).into_iter().map(|(id, ..)| id).collect();
				let _ = Jobs::expire(signed(NOBODY), ids.try_into().unwrap());
			}
			Op::Cancel { tenant, job } => {
				if let Some(id) = self.job(job) {
					let _ = Jobs::cancel(signed(TENANTS[tenant]), id);
				}
			}
			Op::Close { job } => {
				if let Some(id) = self.job(job) {
					let _ = Jobs::close(signed(NOBODY), id);
				}
			}
			Op::CleanUp { who, job, max } => {
				if let Some(id) = self.job(job) {
					let _ = Jobs::clean_up(signed(TENANTS[who]), id, max);
				}
			}
			Op::Retire => {
				if Jobs::retire_program(signed(CAROL), PROGRAM).is_ok() {
					Jobs::register_program(signed(CAROL), PROGRAM, 1_000, manifest()).unwrap();
				}
			}
			Op::Blocks { count, full, room } => {
				let poll = <() as crate::WeightInfo>::on_poll();
				PollLimit::set(match room {
					0 => poll,
					1 => poll.saturating_add(Jobs::least_hook_weight().saturating_mul(2)),
					_ => Weight::MAX,
				});
				for _ in 0..count {
					next_block_after(if full { Weight::MAX } else { Weight::zero() }, 0);
				}
				PollLimit::set(Weight::MAX);
			}
			Op::Availability { provider, paused } => {
				let why = paused.then_some(Ineligible::Paused);
				Records::mutate_extant(PROVIDERS[provider], |r| r.availability = why);
			}
		}
	}

	fn check(&mut self) {
		check_invariants();
		assert!(now() >= self.tick, "time never goes back");
		self.tick = now();
		// A job that is gone is done; its id is never used again here.
		self.jobs.retain(|id| crate::Jobs::<Test>::contains_key(id));
		let jobs = self.jobs.clone();
		self.ended.retain(|(id, _), _| jobs.contains(id));
		for id in &self.jobs {
			let job = job(*id);
			assert!(job.closed.is_none() || job.closed != Some(EndReason::Settled));
			for index in 0..job.request.tasks {
				let Some(info) = Jobs::task_info(*id, index) else {
					assert!(job.cleaned > 0, "a task vanished");
					continue;
				};
				let before = self.ended.get(&(*id, index));
				match (&info.state, before) {
					(TaskState::Ended { reason, paid }, None) => {
						assert_eq!(paid.is_some(), *reason == EndReason::Settled);
						self.ended.insert((*id, index), info.state.clone());
					}
					(state, Some(before)) => assert_eq!(state, before, "what ended stays ended"),
					_ => {}
				}
				let most = job.request.ceiling_price;
				assert!(info.price.is_none_or(|price| price <= most), "a price above the ceiling");
			}
		}
	}
}

fn run(policy: Policy, ops: Vec<Op>) {
	new_test_ext().execute_with(|| {
		ProtocolCut::set(Permill::from_parts(policy.cut));
		ExpiryPenalty::set(Permill::from_parts(policy.expiry));
		HandBackPenalty::set(Permill::from_parts(policy.hand_back));
		MaxAttempts::set(policy.attempts);
		ChallengeTicks::set(policy.challenge);
		RetentionTicks::set(policy.retention);
		Jobs::register_program(RuntimeOrigin::signed(CAROL), PROGRAM, 1_000, manifest()).unwrap();
		for provider in PROVIDERS {
			Records::mutate_extant(provider, |r| r.bond = policy.bond);
		}
		let mut model = Model::default();
		for op in &ops {
			model.apply(op);
			model.check();
			System::reset_events();
		}

		// Left alone, everything ends, is paid or returned, and is removed.
		for _ in 0..100 {
			next_block();
		}
		model.check();
		assert_eq!(crate::Jobs::<Test>::count(), 0);
		assert_eq!(crate::Tasks::<Test>::iter().count(), 0);
		assert_eq!(crate::Agenda::<Test>::iter().count(), 0);
		assert_eq!(crate::OpenJobs::<Test>::count(), 0);
		Jobs::retire_program(RuntimeOrigin::signed(CAROL), PROGRAM).unwrap();
		let totals = crate::Totals::<Test>::get();
		let burnt_of_bonds: Balance = Records::iter_values().map(|r| r.burnt).sum();
		let burnt_of_escrow = totals.burnt - burnt_of_bonds;
		assert_eq!(free(TREASURY), FUNDS + totals.cut);
		assert_eq!(free(CAROL), FUNDS);
		let providers: Balance = [P1, P2, 14, 15].into_iter().map(|p| free(p) - FUNDS).sum();
		let tenants: Balance = [ALICE, BOB].into_iter().map(|t| FUNDS - free(t)).sum();
		// P3 buys and works.
		assert_eq!(FUNDS + providers + totals.cut + burnt_of_escrow + free(P3), 2 * FUNDS + tenants);
		for who in [ALICE, BOB, CAROL, TREASURY].into_iter().chain(PROVIDERS) {
			use frame_support::traits::fungible::InspectHold;
			assert_eq!(Balances::total_balance_on_hold(&who), 0);
		}
		for record in Records::iter_values() {
			assert_eq!((record.locked, record.bond), (0, policy.bond - record.burnt));
		}
	});
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

	#[test]
	fn invariants_should_hold_after_any_sequence_of_operations(
		policy in policy(),
		ops in prop::collection::vec(op(), 1..120),
	) {
		run(policy, ops)
	}
}

/// The random test is worth nothing if its operations all fail.
#[test]
fn random_operations_should_reach_every_event_and_every_end() {
	use proptest::{strategy::ValueTree, test_runner::TestRunner};
	let mut runner = TestRunner::deterministic();
	let mut seen = std::collections::BTreeSet::new();
	let mut ends = std::collections::BTreeSet::new();
	for _ in 0..40 {
		let ops = prop::collection::vec(op(), 100..120).new_tree(&mut runner).unwrap().current();
		new_test_ext().execute_with(|| {
			MaxAttempts::set(3);
			RetentionTicks::set(5);
			Jobs::register_program(RuntimeOrigin::signed(CAROL), PROGRAM, 1_000, manifest()).unwrap();
			let mut model = Model::default();
			for op in &ops {
				model.apply(op);
				model.check();
			}
			for event in events() {
				let text = format!("{event:?}");
				seen.insert(text.split([' ', '{']).next().unwrap().to_string());
				match event {
					Event::TaskEnded { reason, .. } | Event::JobClosed { reason, .. } => {
						ends.insert(format!("{reason:?}"));
					}
					_ => {}
				}
			}
		});
	}
	let expected = [
		"JobCleanedUp",
		"JobClosed",
		"JobEnded",
		"JobSubmitted",
		"ProgramRegistered",
		"ProgramRetired",
		"TaskAccepted",
		"TaskClaimed",
		"TaskEnded",
		"TaskExpired",
		"TaskHandedBack",
		"TaskReopened",
		"TaskSettled",
		"TaskSkipped",
	];
	for event in expected {
		assert!(seen.iter().any(|name| name.ends_with(event)), "{event} never happened: {seen:?}");
	}
	assert_eq!(
		ends.into_iter().collect::<Vec<_>>(),
		["AttemptsUsedUp", "Cancelled", "Faulted", "LifetimeOver"]
	);
}
