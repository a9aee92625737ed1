// SPDX-License-Identifier: Apache-2.0

//! Any sequence of calls, with the market locking and finishing beside it: the invariants hold after every step, and
//! no token appears or is lost.

use frame_support::traits::fungible::Inspect;
use proptest::prelude::*;
use sp_core::Pair;
use tessera_primitives::{
	Balance,
	traits::{Outcome, Providers as _},
};

use crate::{Call, Providers as Records, mock::*};

/// One step. Providers are Alice, Bob and Carol.
#[derive(Clone, Debug)]
enum Step {
	Register(AccountId),
	UpdateProfile(AccountId, bool),
	SetWorkerKey(AccountId, u8),
	Bond(AccountId, Balance),
	Unbond(AccountId, Balance),
	UnbondAll(AccountId),
	Withdraw(AccountId),
	Pause(AccountId),
	Resume(AccountId),
	Deregister(AccountId),
	Heartbeat(AccountId, u8),
	CountAccept(AccountId),
	Lock(AccountId, Balance),
	Finish(usize, Balance, Outcome),
	Wait(u32),
	SetMinBond(Balance),
	SetUnbondingTicks(u32),
}

fn step() -> impl Strategy<Value = Step> {
	let who = || ALICE..=CAROL;
	let outcome = || prop_oneof![Just(Outcome::Settled), Just(Outcome::Expired), Just(Outcome::HandedBack)];
	prop_oneof![
		2 => who().prop_map(Step::Register),
		1 => (who(), any::<bool>()).prop_map(|(who, long)| Step::UpdateProfile(who, long)),
		2 => (who(), 1..6u8).prop_map(|(who, key)| Step::SetWorkerKey(who, key)),
		4 => (who(), 0..3_000u128).prop_map(|(who, amount)| Step::Bond(who, amount)),
		1 => (who(), RICH - 5_000..RICH).prop_map(|(who, amount)| Step::Bond(who, amount)),
		4 => (who(), 0..2_000u128).prop_map(|(who, amount)| Step::Unbond(who, amount)),
		1 => who().prop_map(Step::UnbondAll),
		3 => who().prop_map(Step::Withdraw),
		1 => who().prop_map(Step::Pause),
		1 => who().prop_map(Step::Resume),
		2 => who().prop_map(Step::Deregister),
		2 => (who(), 1..6u8).prop_map(|(who, key)| Step::Heartbeat(who, key)),
		1 => who().prop_map(Step::CountAccept),
		5 => (who(), 0..1_500u128).prop_map(|(who, amount)| Step::Lock(who, amount)),
		5 => (any::<usize>(), 0..2_000u128, outcome()).prop_map(|(n, penalty, o)| Step::Finish(n, penalty, o)),
		4 => (1..40u32).prop_map(Step::Wait),
		1 => (1..2_000u128).prop_map(Step::SetMinBond),
		1 => (1..60u32).prop_map(Step::SetUnbondingTicks),
	]
}

/// What the market knows beside the pallet.
#[derive(Default)]
struct Model {
	/// Tasks at work: provider and collateral.
	tasks: Vec<(AccountId, Balance)>,
	/// Burnt of each provider.
	burnt: [Balance; 4],
	/// Steps that did something.
	effective: usize,
}

impl Model {
	fn run(&mut self, step: Step) {
		let outcome = match step {
			Step::Register(who) => dispatch(who, Call::register { profile: profile() }),
			Step::UpdateProfile(who, long) => {
				let profile = if long { long_profile() } else { profile() };
				dispatch(who, Call::update_profile { profile })
			}
			Step::SetWorkerKey(who, seed) => dispatch(who, Call::set_worker_key { key: key(seed).public() }),
			Step::Bond(who, amount) => dispatch(who, Call::bond { amount }),
			Step::Unbond(who, amount) => dispatch(who, Call::unbond { amount }),
			Step::UnbondAll(who) => dispatch(who, Call::unbond { amount: Providers::free_collateral(&who) }),
			Step::Withdraw(who) => dispatch(who, Call::withdraw_unbonded {}),
			Step::Pause(who) => dispatch(who, Call::pause {}),
			Step::Resume(who) => dispatch(who, Call::resume {}),
			Step::Deregister(who) => dispatch(who, Call::deregister {}),
			Step::Heartbeat(who, seed) => {
				let right = Providers::worker_key(&who) == Some(key(seed).public());
				let sent = apply(heartbeat(who, &key(seed), genesis()));
				assert!(right || sent.is_err(), "a heartbeat of a wrong key counted");
				sent.unwrap_or_else(|_| Err("refused".into()))
			}
			Step::CountAccept(who) => {
				Providers::count_accept(&who);
				Ok(())
			}
			Step::Lock(who, collateral) => {
				let locked = Providers::lock(&who, collateral);
				if locked.is_ok() {
					self.tasks.push((who, collateral));
				}
				locked.map_err(|_| "not locked".into())
			}
			Step::Finish(_, _, _) if self.tasks.is_empty() => Err("no task".into()),
			Step::Finish(n, penalty, outcome) => {
				let (who, collateral) = self.tasks.swap_remove(n % self.tasks.len());
				let burnt = Providers::finish(&who, collateral, penalty, outcome);
				assert_eq!(burnt, penalty.min(collateral), "all of the penalty is burnt");
				self.burnt[usize::try_from(who).unwrap()] += burnt;
				Ok(())
			}
			Step::Wait(ticks) => {
				Now::mutate(|now| *now += ticks);
				Ok(())
			}
			Step::SetMinBond(amount) => {
				MinBond::set(amount);
				Ok(())
			}
			Step::SetUnbondingTicks(ticks) => {
				UnbondingTicks::set(ticks);
				Ok(())
			}
		};
		self.effective += usize::from(outcome.is_ok());
	}

	/// The numbered invariants, and that the pallet agrees with the model.
	fn check(&self) {
		check_invariants();
		assert_eq!(
			Balances::total_issuance(),
			3 * RICH + POOR - self.burnt.iter().sum::<Balance>(),
			"the issuance is the initial one less what was burnt"
		);
		for who in ALICE..=CAROL {
			let lost = self.burnt[usize::try_from(who).unwrap()];
			assert_eq!(Balances::total_balance(&who), RICH - lost, "{who} lost its penalties, nothing else");
			let tasks = self.tasks.iter().filter(|(provider, _)| *provider == who);
			let (count, locked) = tasks.fold((0, 0), |(n, sum), (_, c)| (n + 1, sum + c));
			match Records::<Test>::get(who) {
				Some(record) => {
					assert_eq!((record.active_tasks, record.collateral), (count, locked), "tasks of {who}");
				}
				None => assert_eq!(count, 0, "{who} left with tasks"),
			}
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(200))]

	#[test]
	fn invariants_should_hold_after_every_step(steps in prop::collection::vec(step(), 1..80)) {
		let builder = ExtBuilder::default().provider(ALICE, 3_000).provider(BOB, 1_000);
		builder.build().execute_with(|| {
			let mut model = Model::default();
			for step in steps {
				model.run(step);
				model.check();
			}
		});
	}

	#[test]
	fn stake_should_come_back_whole_when_every_provider_leaves(steps in prop::collection::vec(step(), 1..60)) {
		let builder = ExtBuilder::default().provider(ALICE, 3_000).provider(BOB, 1_000);
		builder.build().execute_with(|| {
			let mut model = Model::default();
			for step in steps {
				model.run(step);
			}
			while !model.tasks.is_empty() {
				model.run(Step::Finish(0, 0, Outcome::Settled));
			}
			// Whatever happened, every provider can leave, and gets all but its penalties.
			for who in ALICE..=CAROL {
				if !Records::<Test>::contains_key(who) {
					continue;
				}
				if record(who).bond > 0 {
					let amount = record(who).bond;
					prop_assert_eq!(dispatch(who, Call::unbond { amount }), Ok(()));
				}
				Now::mutate(|now| *now += 1_000);
				if !record(who).unbonding.is_empty() {
					prop_assert_eq!(dispatch(who, Call::withdraw_unbonded {}), Ok(()));
				}
				prop_assert_eq!(dispatch(who, Call::deregister {}), Ok(()));
			}
			model.check();
			for who in ALICE..=CAROL {
				let lost = model.burnt[usize::try_from(who).unwrap()];
				prop_assert_eq!(Balances::balance(&who), RICH - lost);
			}
			Ok(())
		})?;
	}
}

/// The property tests would prove little if nearly every step failed.
#[test]
fn steps_should_mostly_take_effect() {
	use proptest::{strategy::ValueTree, test_runner::TestRunner};

	let mut runner = TestRunner::deterministic();
	let steps: Vec<_> = (0..400).map(|_| step().new_tree(&mut runner).unwrap().current()).collect();
	let builder = ExtBuilder::default().provider(ALICE, 3_000).provider(BOB, 1_000);
	builder.build().execute_with(|| {
		let mut model = Model::default();
		for step in steps {
			model.run(step);
		}
		assert!(model.effective > 130, "only {} of 400 steps took effect", model.effective);
		assert!(model.burnt.iter().any(|burnt| *burnt > 0));
		model.check();
	});
}
