// SPDX-License-Identifier: Apache-2.0

//! The market, and what accounts have.

use serde::Serialize;
use tessera_client::chain::{AccountBalance, AccountId, BlockRef, H256, HoldKind, OpenTask};
use tessera_primitives::{
	Balance, Tick,
	api::{Clock, MarketSummary},
};

use super::{Account, Block, Planck};

/// An open task of the market.
#[derive(Clone, Serialize, Debug)]
pub struct OpenTaskShape {
	/// Its job.
	pub job: H256,
	/// Its index.
	pub task: u32,
	/// How often it was opened again.
	pub attempt: u32,
	/// Price now.
	pub price: Planck,
	/// Highest price.
	pub ceiling_price: Planck,
	/// Providers that failed it.
	pub barred: Vec<Account>,
}

impl From<&OpenTask> for OpenTaskShape {
	fn from(task: &OpenTask) -> Self {
		Self {
			job: task.id.0,
			task: task.id.1,
			attempt: task.attempt,
			price: Planck(task.price),
			ceiling_price: Planck(task.ceiling_price),
			barred: task.barred.iter().copied().map(Account).collect(),
		}
	}
}

/// The market.
#[derive(Clone, Serialize, Debug)]
pub struct Market {
	/// The block at which it was read.
	pub block: Block,
	/// Version of the runtime.
	pub spec_version: u32,
	/// The clock.
	pub clock: ClockShape,
	/// Registered programs.
	pub programs: u32,
	/// Jobs on chain.
	pub jobs: u32,
	/// Jobs with open tasks.
	pub open_jobs: u32,
	/// Registered providers.
	pub providers: u32,
	/// Tasks settled, ever.
	pub settled_tasks: u64,
	/// Paid to providers, ever.
	pub paid: Planck,
	/// Taken as the protocol's cut, ever.
	pub cut: Planck,
	/// Burnt as penalties, ever.
	pub burnt: Planck,
	/// Some tasks that can be accepted now.
	pub open_tasks: Vec<OpenTaskShape>,
	/// Whether there are more open tasks.
	pub more_open_tasks: bool,
}

/// The chain's clock.
#[derive(Clone, Serialize, Debug)]
pub struct ClockShape {
	/// The current tick.
	pub tick: Tick,
	/// Ticks of a heartbeat window.
	pub heartbeat_window: u32,
	/// Ticks after acceptance in which inputs can be reported missing.
	pub fetch_window: u32,
	/// Ticks from claim to settlement of jobs submitted now.
	pub challenge_ticks: u32,
}

impl Market {
	/// Puts it together.
	pub fn new(block: BlockRef, spec_version: u32, summary: &MarketSummary, clock: &Clock) -> Self {
		Self {
			block: block.into(),
			spec_version,
			clock: ClockShape {
				tick: clock.tick,
				heartbeat_window: clock.heartbeat_window,
				fetch_window: clock.fetch_window,
				challenge_ticks: clock.challenge_ticks,
			},
			programs: summary.programs,
			jobs: summary.jobs,
			open_jobs: summary.open_jobs,
			providers: summary.providers,
			settled_tasks: summary.settled_tasks,
			paid: Planck(summary.paid),
			cut: Planck(summary.cut),
			burnt: Planck(summary.burnt),
			open_tasks: Vec::new(),
			more_open_tasks: false,
		}
	}
}

/// What an account has.
#[derive(Clone, Serialize, Debug)]
pub struct BalanceShape {
	/// The account.
	pub account: Account,
	/// Everything: free and on hold.
	pub total: Planck,
	/// Not on hold.
	pub free: Planck,
	/// What of it can be sent or put on hold.
	pub spendable: Planck,
	/// On hold, the sum of `holds`.
	pub on_hold: Planck,
	/// Frozen: cannot be sent, may be on hold.
	pub frozen: Planck,
	/// By reason.
	pub holds: Vec<HoldShape>,
}

/// Tokens on hold for one reason.
#[derive(Clone, Serialize, Debug)]
pub struct HoldShape {
	/// `escrow`, `job_deposit`, `program_deposit`, `bond`, `profile_deposit`, or `{"other": name}`.
	pub reason: HoldKind,
	/// How much.
	pub amount: Planck,
}

impl BalanceShape {
	/// Puts it together; `existential_deposit` is what an account must keep.
	pub fn new(account: AccountId, balance: &AccountBalance, existential_deposit: Balance) -> Self {
		let holds = balance.holds.iter();
		Self {
			account: Account(account),
			total: Planck(balance.total()),
			free: Planck(balance.free),
			spendable: Planck(balance.spendable(existential_deposit)),
			on_hold: Planck(balance.on_hold),
			frozen: Planck(balance.frozen),
			holds: holds
				.map(|hold| HoldShape { reason: hold.kind.clone(), amount: Planck(hold.amount) })
				.collect(),
		}
	}
}
