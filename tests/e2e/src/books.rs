// SPDX-License-Identifier: Apache-2.0

//! Who has what: everything at one block, so that it can be added up.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use tessera_client::chain::{AccountBalance, BlockRef};
use tessera_primitives::{Balance, api::MarketSummary};

/// All accounts that take part, and all tokens, at one block. Amounts are planck.
#[derive(Debug)]
pub struct Books {
	/// The block.
	pub block: BlockRef,
	/// What everybody has, by name.
	pub accounts: BTreeMap<String, AccountBalance>,
	/// All tokens that exist.
	pub issuance: Balance,
	/// The market's own sums.
	pub market: MarketSummary,
}

impl Books {
	/// What an account has in all.
	///
	/// # Panics
	/// When nobody has this name.
	pub fn total(&self, name: &str) -> Balance {
		self.accounts[name].total()
	}

	/// What all accounts have in all.
	pub fn sum(&self) -> Balance {
		self.accounts.values().map(AccountBalance::total).sum()
	}

	/// What an account gained since; negative when it lost.
	pub fn gain(&self, since: &Self, name: &str) -> i128 {
		// Balances of a test are far below 2^127.
		self.total(name) as i128 - since.total(name) as i128
	}

	/// What was burnt since: what the market says, which must be what is missing.
	pub fn burnt(&self, since: &Self) -> Result<Balance> {
		let burnt = self.market.burnt - since.market.burnt;
		ensure!(
			since.issuance - self.issuance == burnt,
			"the market says that {burnt} planck were burnt, but issuance went from {} to {}",
			since.issuance,
			self.issuance
		);
		Ok(burnt)
	}

	/// Fails unless every planck that the accounts had is with one of them, or was burnt.
	pub fn add_up(&self, since: &Self) -> Result<()> {
		let burnt = self.burnt(since)?;
		let (before, after) = (since.sum(), self.sum());
		ensure!(
			before == after + burnt,
			"before {before}, after {after} and {burnt} burnt: {} planck do not add up\n{since:#?}\n{self:#?}",
			before as i128 - after as i128 - burnt as i128
		);
		Ok(())
	}
}
