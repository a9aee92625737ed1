// SPDX-License-Identifier: Apache-2.0

//! The numbers of an account's transactions.
//!
//! A chain takes an account's transactions in the order of their numbers (nonces), without gaps. Here a number is given
//! out and its transaction sent in one turn per account, so that the pool gets them in order, and a number that the pool
//! refused is not used up. The count is asked of the node whenever nothing of ours is under way, and after anything went
//! wrong: so other programs may use the account in between, and a node may start anew.

use std::{
	collections::BTreeMap,
	future::Future,
	sync::{
		Arc, Mutex,
		atomic::{AtomicBool, AtomicUsize, Ordering},
	},
};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use super::AccountId;

/// The numbering of every account that this program sends from.
#[derive(Default)]
pub(super) struct Nonces(Mutex<BTreeMap<AccountId, Account>>);

#[derive(Clone, Default)]
struct Account {
	/// The next number, when it is known.
	next: Arc<Turns<Option<u64>>>,
	under_way: Arc<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
	transactions: AtomicUsize,
	/// Something went wrong with one of them.
	in_doubt: AtomicBool,
}

impl Nonces {
	/// Waits for the account's turn.
	pub(super) async fn turn(&self, account: &AccountId) -> Turn {
		let account = {
			let mut accounts = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
			accounts.entry(*account).or_default().clone()
		};
		let next = account.next.lock_owned().await;
		Turn { next, under_way: account.under_way }
	}
}

/// The right to send a transaction of an account; others wait meanwhile.
pub(super) struct Turn {
	next: OwnedMutexGuard<Option<u64>>,
	under_way: Arc<UnderWay>,
}

impl Turn {
	/// The number to use. `ask` asks the node for it, its pool included.
	pub(super) async fn number<E>(&mut self, ask: impl Future<Output = Result<u64, E>>) -> Result<u64, E> {
		let in_doubt = self.under_way.in_doubt.swap(false, Ordering::SeqCst);
		if in_doubt || self.under_way.transactions.load(Ordering::SeqCst) == 0 {
			*self.next = None;
		}
		match *self.next {
			Some(number) => Ok(number),
			None => Ok(*self.next.insert(ask.await?)),
		}
	}

	/// The node says that the number was wrong.
	pub(super) fn forget(&mut self) {
		*self.next = None;
	}

	/// The transaction with this number is in the pool. Ends the turn.
	pub(super) fn sent(mut self, number: u64) -> InFlight {
		*self.next = Some(number + 1);
		self.under_way.transactions.fetch_add(1, Ordering::SeqCst);
		InFlight { under_way: self.under_way.clone(), included: false }
	}
}

/// A transaction under way, until it is dropped.
pub(super) struct InFlight {
	under_way: Arc<UnderWay>,
	included: bool,
}

impl InFlight {
	/// It is in a block.
	pub(super) fn included(mut self) {
		self.included = true;
	}
}

impl Drop for InFlight {
	fn drop(&mut self) {
		if !self.included {
			self.under_way.in_doubt.store(true, Ordering::SeqCst);
		}
		self.under_way.transactions.fetch_sub(1, Ordering::SeqCst);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::convert::Infallible;

	const WHO: AccountId = subxt::utils::AccountId32([7; 32]);

	async fn send(nonces: &Nonces, node: u64) -> (u64, InFlight) {
		let mut turn = nonces.turn(&WHO).await;
		let number = turn.number(async { Ok::<_, Infallible>(node) }).await.unwrap();
		(number, turn.sent(number))
	}

	#[tokio::test]
	async fn numbers_should_count_up_while_transactions_are_under_way() {
		let nonces = Nonces::default();
		// The node's answer lags behind; nobody looks at it.
		let (first, a) = send(&nonces, 5).await;
		let (second, b) = send(&nonces, 5).await;
		assert_eq!((first, second), (5, 6));
		a.included();
		assert_eq!(send(&nonces, 5).await.0, 7);
		b.included();
	}

	#[tokio::test]
	async fn number_should_come_from_the_node_when_nothing_is_under_way() {
		let nonces = Nonces::default();
		let (_, a) = send(&nonces, 5).await;
		a.included();
		assert_eq!(send(&nonces, 9).await.0, 9, "another program has sent three");
	}

	#[tokio::test]
	async fn number_should_come_from_the_node_when_one_was_lost() {
		let nonces = Nonces::default();
		let (_, a) = send(&nonces, 5).await;
		let (_, b) = send(&nonces, 5).await;
		drop(b);
		assert_eq!(send(&nonces, 6).await.0, 6, "number 6 was not used up");
		a.included();
	}

	#[tokio::test]
	async fn number_should_not_be_used_up_when_nothing_was_sent() {
		let nonces = Nonces::default();
		let (_, a) = send(&nonces, 5).await;
		let mut turn = nonces.turn(&WHO).await;
		assert_eq!(turn.number(async { Ok::<_, Infallible>(0) }).await, Ok(6));
		drop(turn);
		assert_eq!(send(&nonces, 0).await.0, 6);
		let mut turn = nonces.turn(&WHO).await;
		turn.forget();
		assert_eq!(turn.number(async { Ok::<_, Infallible>(8) }).await, Ok(8));
		a.included();
	}

	#[tokio::test]
	async fn accounts_should_be_numbered_apart() {
		let nonces = Nonces::default();
		let (_, _a) = send(&nonces, 5).await;
		let mut turn = nonces.turn(&subxt::utils::AccountId32([8; 32])).await;
		assert_eq!(turn.number(async { Ok::<_, Infallible>(0) }).await, Ok(0));
	}
}
