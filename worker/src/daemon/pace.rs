// SPDX-License-Identifier: Apache-2.0

//! How fast the chain goes. Deadlines count in ticks; what runs outside the chain counts in time.

use std::{
	collections::VecDeque,
	time::{Duration, Instant},
};

use tessera_client::chain::BlockNumber;
use tessera_primitives::Tick;

/// How many blocks are looked back at.
const WINDOW: usize = 32;
/// Time between blocks before any was measured: that of a production chain.
const ASSUMED: Duration = Duration::from_secs(3);
/// Bounds of a credible time between blocks. A node that catches up shows blocks faster than the chain makes them.
const CREDIBLE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// The measured time between blocks.
#[derive(Debug, Default)]
pub struct Pace {
	seen: VecDeque<(BlockNumber, Instant)>,
}

impl Pace {
	/// A new best block was seen.
	pub fn saw(&mut self, block: BlockNumber, at: Instant) {
		match self.seen.back() {
			// Several at once: the node or this worker was away. What came before says nothing about this moment.
			Some((last, _)) if block > last.saturating_add(3) => self.seen.clear(),
			// The chain went back; the time goes on counting from the first block.
			Some((last, _)) if block <= *last => return,
			_ => {}
		}
		self.seen.push_back((block, at));
		if self.seen.len() > WINDOW {
			self.seen.pop_front();
		}
	}

	/// The mean time between the last blocks; `None` before two were seen.
	pub fn measured(&self) -> Option<Duration> {
		let ((first, began), (last, ended)) = (self.seen.front()?, self.seen.back()?);
		let blocks = last.checked_sub(*first).filter(|blocks| *blocks > 0)?;
		Some((ended.saturating_duration_since(*began) / blocks).clamp(CREDIBLE.0, CREDIBLE.1))
	}

	/// How long this many ticks take. Ticks are blocks at most, so it may take longer.
	pub fn time_of(&self, ticks: Tick) -> Duration {
		self.measured().unwrap_or(ASSUMED).saturating_mul(ticks)
	}
}

/// How long a GPU process may live, whatever the chain's clock says: twice the time that is left by the measured pace,
/// and half a minute. The chain's clock ends it sooner (it is the law, and stands still with the chain); this is for a
/// chain that makes no blocks.
pub fn backstop(left: Duration) -> Duration {
	left.saturating_mul(2).saturating_add(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn pace_should_be_the_mean_of_the_last_blocks() {
		let (mut pace, start) = (Pace::default(), Instant::now());
		assert_eq!(pace.time_of(10), ASSUMED * 10);
		for n in 0..100 {
			// The first half is slow.
			let at = if n < 50 { n * 6 } else { 300 + (n - 50) * 2 };
			pace.saw(n, start + Duration::from_secs(at.into()));
		}
		assert_eq!(pace.measured(), Some(Duration::from_secs(2)));
		assert_eq!(pace.time_of(10), Duration::from_secs(20));
	}

	#[test]
	fn pace_should_begin_anew_when_blocks_come_in_bulk() {
		let (mut pace, start) = (Pace::default(), Instant::now());
		let at = |seconds: u64| start + Duration::from_secs(seconds);
		pace.saw(1, at(0));
		pace.saw(2, at(6));
		pace.saw(500, at(7));
		assert_eq!(pace.measured(), None);
		pace.saw(501, at(10));
		assert_eq!(pace.measured(), Some(Duration::from_secs(3)));
	}

	#[test]
	fn pace_should_not_be_confused_by_a_reorganisation() {
		let (mut pace, start) = (Pace::default(), Instant::now());
		let at = |seconds: u64| start + Duration::from_secs(seconds);
		for (block, seconds) in [(10, 0), (11, 3), (10, 4), (11, 5), (12, 6)] {
			pace.saw(block, at(seconds));
		}
		assert_eq!(pace.measured(), Some(Duration::from_secs(3)));
	}

	#[test]
	fn pace_should_be_credible() {
		let (mut pace, start) = (Pace::default(), Instant::now());
		pace.saw(1, start);
		pace.saw(2, start);
		assert_eq!(pace.measured(), Some(CREDIBLE.0));
		pace.saw(3, start + Duration::from_secs(100_000));
		assert_eq!(pace.measured(), Some(CREDIBLE.1));
	}
}
