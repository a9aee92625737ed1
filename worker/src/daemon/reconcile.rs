// SPDX-License-Identifier: Apache-2.0

//! What the chain says of a task, and what follows for its entry in the journal. Pure: see the table of its tests.
//!
//! The chain decides who holds a task, the journal only what was done for it. So whatever happened meanwhile (this
//! worker was killed, a block was taken back, another worker uses the same key), one look at a best block puts an entry
//! right. Nothing is started or sent here: the daemon acts on the stages.

use tessera_client::chain::{AccountId, BlockNumber, H256, TaskInfo, TaskState};
use tessera_primitives::{Balance, Tick};

use crate::journal::{Entry, Stage, Terms};

/// How many blocks after its last one an order that no block seems to hold is forgotten: reorganisations are shorter.
const ORDER_GRACE: BlockNumber = 32;

/// A task on chain, as its worker sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnChain {
	/// There is no such task (any more).
	Gone,
	/// It is open at our attempt: nobody holds it.
	Open,
	/// It is ours.
	Ours(Terms),
	/// It is ours and claimed.
	Claimed {
		/// Root of the claim.
		root: H256,
		/// First tick at which it is settled.
		settle_at: Tick,
		/// What is paid for it, planck.
		price: Balance,
	},
	/// It was paid to us.
	Paid {
		/// What was paid for it, the protocol's cut included, planck.
		price: Balance,
	},
	/// Somebody else holds it, it has gone to another attempt, or it ended without us.
	NotOurs,
}

impl OnChain {
	/// What a task is for the provider `me` that works on it at `attempt`.
	pub fn of(task: Option<&TaskInfo>, me: &AccountId, attempt: u32) -> Self {
		let Some(task) = task else { return Self::Gone };
		match &task.state {
			// The last attempt's number stays when a task ends.
			TaskState::Ended { paid: Some(paid), .. } if paid.provider == *me && task.attempt == attempt => {
				Self::Paid { price: paid.price }
			}
			TaskState::Ended { .. } => Self::NotOurs,
			_ if task.attempt != attempt => Self::NotOurs,
			TaskState::Open { .. } => Self::Open,
			TaskState::Accepted { provider, price, at, deadline, .. } if provider == me => {
				Self::Ours(Terms { price: *price, at: *at, deadline: *deadline })
			}
			TaskState::Claimed { provider, price, root, settle_at, .. } if provider == me => {
				Self::Claimed { root: *root, settle_at: *settle_at, price: *price }
			}
			TaskState::Accepted { .. } | TaskState::Claimed { .. } => Self::NotOurs,
		}
	}
}

/// What becomes of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
	/// Nothing.
	Keep,
	/// It is as this says now.
	To(Entry),
	/// It never came to anything: it is removed.
	Forget,
}

/// What should not happen, and a person should know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Alarm {
	/// Somebody claimed the task with our key.
	#[error(
		"the chain has a claim of this provider with root {claimed:?} that this worker did not make: does another worker \
		 use the same key or a copy of this data directory? Stop one of them"
	)]
	StrangeClaim {
		/// The root on chain.
		claimed: H256,
	},
}

/// When this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
	/// Number of the block that was looked at.
	pub block: BlockNumber,
	/// Its tick.
	pub tick: Tick,
	/// Whether an order to accept the task is being followed at this moment: then it is not forgotten.
	pub order_under_way: bool,
}

/// Brings an entry in line with the chain.
pub fn reconcile(entry: &Entry, chain: &OnChain, now: Now) -> (Change, Option<Alarm>) {
	let to = |stage: Stage| {
		let since = if entry.stage == stage { entry.since } else { now.tick };
		Entry { stage, since, ..entry.clone() }
	};
	let lost = |note: &str| {
		let note = if entry.note.is_empty() { note.to_owned() } else { entry.note.clone() };
		Entry { note, ..to(Stage::Lost) }
	};
	let mut alarm = None;
	let next = match chain {
		OnChain::Ours(terms) => {
			let stage = match &entry.stage {
				// The order went through. What was lost or over is ours again after a reorganisation.
				Stage::Wanted { .. } => Stage::Accepted,
				Stage::Lost | Stage::Settled { .. } | Stage::Claimed { .. } => match entry.root {
					Some(_) => Stage::Computed,
					None => Stage::Accepted,
				},
				Stage::HandedBack { reason } => Stage::Returning { reason: *reason },
				// No block up to here holds the claim: it is void and is made again.
				Stage::ClaimSent { last_block } if now.block > *last_block => Stage::Computed,
				same => same.clone(),
			};
			Entry { terms: Some(*terms), ..to(stage) }
		}
		OnChain::Claimed { root, settle_at, price } => {
			if entry.root.is_some_and(|ours| ours != *root) || entry.root.is_none() {
				alarm = Some(Alarm::StrangeClaim { claimed: *root });
			}
			let terms = entry.terms.unwrap_or(Terms { price: *price, at: now.tick, deadline: now.tick });
			Entry { terms: Some(terms), ..to(Stage::Claimed { settle_at: *settle_at }) }
		}
		OnChain::Paid { price } => match entry.stage {
			Stage::Settled { .. } => return (Change::Keep, None),
			_ => {
				let terms = entry.terms.unwrap_or(Terms { price: *price, at: now.tick, deadline: now.tick });
				Entry { terms: Some(terms), ..to(Stage::Settled { paid: None }) }
			}
		},
		OnChain::Open | OnChain::NotOurs | OnChain::Gone => match &entry.stage {
			Stage::Wanted { last_block } => {
				let void = now.block > last_block.saturating_add(ORDER_GRACE);
				return match now.order_under_way || !void {
					true => (Change::Keep, None),
					false => (Change::Forget, None),
				};
			}
			Stage::Settled { .. } | Stage::HandedBack { .. } | Stage::Lost => return (Change::Keep, None),
			// After the deadline it has expired, whatever was sent.
			Stage::Returning { reason } if entry.terms.is_none_or(|terms| now.tick <= terms.deadline) => {
				to(Stage::HandedBack { reason: *reason })
			}
			// A job's record is removed only after its last task has ended, and a claimed task ends by being paid.
			Stage::Claimed { .. } if *chain == OnChain::Gone => to(Stage::Settled { paid: None }),
			Stage::Claimed { .. } => lost("the claim was taken back by a reorganisation of the chain"),
			_ if entry.terms.is_some_and(|terms| now.tick > terms.deadline) => {
				lost("it was not finished before its deadline")
			}
			_ => lost("the chain no longer gives it to this provider"),
		},
	};
	// The alarm is raised once, when it shows.
	match next == *entry {
		true => (Change::Keep, None),
		false => (Change::To(next), alarm),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use tessera_primitives::job::{EndReason, HandBackReason, Payment};

	const TERMS: Terms = Terms { price: 10, at: 100, deadline: 200 };
	const ROOT: H256 = H256([7; 32]);
	const NOW: Now = Now { block: 500, tick: 150, order_under_way: false };
	const LATE: Now = Now { tick: 201, ..NOW };
	const NO_INPUTS: HandBackReason = HandBackReason::NoInputs;

	fn me() -> AccountId {
		[1; 32].into()
	}

	fn other() -> AccountId {
		[2; 32].into()
	}

	fn entry(stage: Stage) -> Entry {
		let accepted = !matches!(stage, Stage::Wanted { .. });
		let computed = matches!(
			stage,
			Stage::Computed | Stage::ClaimSent { .. } | Stage::Claimed { .. } | Stage::Settled { .. }
		);
		Entry {
			stage,
			program: H256::zero(),
			terms: accepted.then_some(TERMS),
			root: computed.then_some(ROOT),
			outputs: Vec::new(),
			since: 90,
			note: String::new(),
		}
	}

	/// The stage that follows; `None` when the entry is forgotten. The entry itself when nothing changes.
	fn next(stage: Stage, chain: OnChain, now: Now) -> Option<Stage> {
		let entry = entry(stage);
		match reconcile(&entry, &chain, now).0 {
			Change::Keep => Some(entry.stage),
			Change::To(next) => {
				assert_ne!(next, entry, "a change changes something");
				Some(next.stage)
			}
			Change::Forget => None,
		}
	}

	fn every_stage() -> Vec<Stage> {
		vec![
			Stage::Wanted { last_block: 600 },
			Stage::Accepted,
			Stage::Fetched,
			Stage::Computed,
			Stage::ClaimSent { last_block: 600 },
			Stage::Claimed { settle_at: 180 },
			Stage::Returning { reason: NO_INPUTS },
			Stage::GivenUp,
			Stage::Settled { paid: Some(9) },
			Stage::HandedBack { reason: NO_INPUTS },
			Stage::Lost,
		]
	}

	#[test]
	fn entry_should_go_on_when_the_chain_says_that_the_task_is_ours() {
		let expected = vec![
			// The order went through, perhaps while this worker was down.
			Stage::Accepted,
			Stage::Accepted,
			Stage::Fetched,
			Stage::Computed,
			Stage::ClaimSent { last_block: 600 },
			// A reorganisation took the claim, the payment, the hand-back or the loss back.
			Stage::Computed,
			Stage::Returning { reason: NO_INPUTS },
			Stage::GivenUp,
			Stage::Computed,
			Stage::Returning { reason: NO_INPUTS },
			Stage::Accepted,
		];
		for (stage, expected) in every_stage().into_iter().zip(expected) {
			assert_eq!(next(stage.clone(), OnChain::Ours(TERMS), NOW), Some(expected), "{stage:?}");
		}
	}

	#[test]
	fn claim_should_be_made_again_when_its_last_block_has_passed() {
		let sent = Stage::ClaimSent { last_block: 499 };
		assert_eq!(next(sent, OnChain::Ours(TERMS), NOW), Some(Stage::Computed));
		let sent = Stage::ClaimSent { last_block: 500 };
		assert_eq!(next(sent.clone(), OnChain::Ours(TERMS), NOW), Some(sent));
	}

	#[test]
	fn entry_should_be_claimed_whatever_the_journal_thought_when_the_chain_has_the_claim() {
		let chain = OnChain::Claimed { root: ROOT, settle_at: 180, price: 10 };
		for stage in every_stage() {
			let claimed = Some(Stage::Claimed { settle_at: 180 });
			assert_eq!(next(stage.clone(), chain.clone(), NOW), claimed, "{stage:?}");
		}
	}

	#[test]
	fn claim_of_somebody_else_with_our_key_should_raise_the_alarm_once() {
		let strange = H256::repeat_byte(8);
		let alarm = Some(Alarm::StrangeClaim { claimed: strange });
		let chain = OnChain::Claimed { root: strange, settle_at: 180, price: 10 };
		for stage in [Stage::Accepted, Stage::Computed, Stage::ClaimSent { last_block: 600 }] {
			let (change, raised) = reconcile(&entry(stage), &chain, NOW);
			assert_eq!(raised, alarm);
			let Change::To(next) = change else { panic!("it is claimed now") };
			assert_eq!(reconcile(&next, &chain, NOW), (Change::Keep, None));
		}
		let own = OnChain::Claimed { root: ROOT, settle_at: 180, price: 10 };
		assert_eq!(reconcile(&entry(Stage::Computed), &own, NOW).1, None);
	}

	#[test]
	fn entry_should_be_settled_when_the_chain_has_paid() {
		for stage in every_stage() {
			let paid = match stage {
				// What the event said stays known.
				Stage::Settled { paid } => paid,
				_ => None,
			};
			let settled = Some(Stage::Settled { paid });
			assert_eq!(next(stage.clone(), OnChain::Paid { price: 10 }, NOW), settled, "{stage:?}");
		}
	}

	#[test]
	fn entry_should_be_let_go_when_the_task_is_not_ours() {
		for chain in [OnChain::NotOurs, OnChain::Open, OnChain::Gone] {
			let expected = vec![
				Stage::Wanted { last_block: 600 },
				Stage::Lost,
				Stage::Lost,
				Stage::Lost,
				Stage::Lost,
				if chain == OnChain::Gone { Stage::Settled { paid: None } } else { Stage::Lost },
				Stage::HandedBack { reason: NO_INPUTS },
				Stage::Lost,
				Stage::Settled { paid: Some(9) },
				Stage::HandedBack { reason: NO_INPUTS },
				Stage::Lost,
			];
			for (stage, expected) in every_stage().into_iter().zip(expected) {
				assert_eq!(next(stage.clone(), chain.clone(), NOW), Some(expected), "{stage:?} {chain:?}");
			}
		}
	}

	#[test]
	fn task_should_count_as_expired_when_it_goes_after_its_deadline() {
		let returning = Stage::Returning { reason: NO_INPUTS };
		assert_eq!(next(returning, OnChain::NotOurs, LATE), Some(Stage::Lost));
		let note = |now| match reconcile(&entry(Stage::Fetched), &OnChain::NotOurs, now).0 {
			Change::To(entry) => entry.note,
			other => panic!("{other:?}"),
		};
		assert!(note(LATE).contains("deadline"));
		assert!(note(NOW).contains("no longer"));
	}

	#[test]
	fn loss_should_keep_its_first_reason() {
		let given_up = Entry { note: "the GPU was lost".into(), ..entry(Stage::GivenUp) };
		let (Change::To(lost), None) = reconcile(&given_up, &OnChain::NotOurs, LATE) else {
			panic!("it is lost")
		};
		assert_eq!(lost.note, "the GPU was lost");
	}

	#[test]
	fn wanted_task_should_be_forgotten_only_when_its_order_cannot_count_any_more() {
		let wanted = |last_block| Stage::Wanted { last_block };
		for (last_block, kept) in
			[(600, true), (500, true), (500 - ORDER_GRACE, true), (499 - ORDER_GRACE, false)]
		{
			let stage = next(wanted(last_block), OnChain::Open, NOW);
			assert_eq!(stage.is_some(), kept, "{last_block}");
		}
		let followed = Now { order_under_way: true, ..NOW };
		assert_eq!(next(wanted(1), OnChain::NotOurs, followed), Some(wanted(1)));
	}

	#[test]
	fn terms_should_be_those_of_the_chain() {
		let later = Terms { deadline: 300, ..TERMS };
		let (Change::To(next), None) = reconcile(&entry(Stage::Fetched), &OnChain::Ours(later), NOW) else {
			panic!("the terms have changed")
		};
		assert_eq!((next.stage, next.terms, next.since), (Stage::Fetched, Some(later), 90));
	}

	fn task(attempt: u32, state: TaskState) -> TaskInfo {
		TaskInfo { id: (H256::zero(), 0), attempt, state, price: None, barred: Vec::new() }
	}

	#[test]
	fn task_should_be_ours_only_with_our_account_and_attempt() {
		let accepted =
			|provider| TaskState::Accepted { provider, price: 10, collateral: 10, at: 100, deadline: 200 };
		let claimed = |provider| TaskState::Claimed {
			provider,
			price: 10,
			collateral: 10,
			root: ROOT,
			at: 150,
			settle_at: 180,
		};
		let ended = |provider| TaskState::Ended {
			reason: EndReason::Settled,
			paid: Some(Payment { provider, price: 10, root: ROOT }),
		};
		let of = |attempt, state| OnChain::of(Some(&task(attempt, state)), &me(), 3);
		assert_eq!(of(3, accepted(me())), OnChain::Ours(TERMS));
		assert_eq!(of(3, claimed(me())), OnChain::Claimed { root: ROOT, settle_at: 180, price: 10 });
		assert_eq!(of(3, ended(me())), OnChain::Paid { price: 10 });
		assert_eq!(of(3, TaskState::Open { since: 1, price: 1 }), OnChain::Open);
		for state in [accepted(other()), claimed(other()), ended(other())] {
			assert_eq!(of(3, state), OnChain::NotOurs);
		}
		let unpaid = TaskState::Ended { reason: EndReason::Cancelled, paid: None };
		assert_eq!(of(3, unpaid), OnChain::NotOurs);
		for state in [accepted(me()), claimed(me()), ended(me()), TaskState::Open { since: 1, price: 1 }] {
			assert_eq!(of(4, state), OnChain::NotOurs);
		}
		assert_eq!(OnChain::of(None, &me(), 3), OnChain::Gone);
	}
}
