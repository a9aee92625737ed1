// SPDX-License-Identifier: Apache-2.0

//! Taking tasks.

use std::collections::HashSet;

use tessera_primitives::provider::Availability;

use super::{Conductor, Problem};
use crate::{
	daemon::market::{Looker, queued},
	journal::{Entry, Stage, TaskKey},
	policy::{Room, Skip, choose},
};

impl Conductor<'_> {
	/// Takes open tasks: once a block, in the middle of one when there was no room at its beginning.
	pub(super) async fn take_tasks(&mut self) -> Result<(), Problem> {
		let Some(seen) = &self.seen else { return Ok(()) };
		let block = seen.view.block().number;
		if self.accepting || self.looked_at == Some(block) || self.reached_at == Some(block) {
			return Ok(());
		}
		let Some(provider) = seen.provider.clone() else { return Ok(()) };
		let ready = self.may_order()
			&& provider.availability == Availability::Online
			&& provider.bond > 0
			&& !self.shop.gpu.is_suspect();
		if !ready {
			return Ok(());
		}
		self.looked_at = Some(block);
		let view = seen.view.clone();

		// An entry that is only wanted, by an order that is not followed any more, is no obstacle.
		let held: Vec<(&TaskKey, &Entry)> = self
			.journal
			.entries()
			.iter()
			.filter(|(key, entry)| {
				!matches!(entry.stage, Stage::Wanted { .. }) || self.in_orders.contains(*key)
			})
			.collect();
		let busy: Vec<_> = held.iter().filter(|(_, entry)| entry.stage.takes_place()).collect();
		let ahead = busy.iter().filter_map(|(key, entry)| {
			Some((key.job, entry.terms?.deadline.saturating_sub(entry.terms?.at)))
		});
		let places = usize::try_from(self.settings.tasks.max).unwrap_or(usize::MAX);
		let room = Room {
			tasks: places.saturating_sub(busy.len()),
			free_bond: provider.bond.saturating_sub(provider.collateral),
			queued: queued(&self.market, &self.pace, ahead),
			at_once: self.settings.tasks.at_once,
		};
		let known: HashSet<TaskKey> = held.iter().map(|(key, _)| **key).collect();
		let looker = Looker {
			policy: &self.settings.policy,
			provider: &provider,
			adapter: self.shop.gpu.description().on_chain(),
			pace: &self.pace,
			known: &known,
		};
		let mut look = self.market.look(&view, &looker).await?;
		let (chosen, skipped) = choose(std::mem::take(&mut look.candidates), &self.me, room);
		self.more_to_take = skipped.contains(&Skip::Busy);
		look.status.wanted = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
		look.status.add_skipped(skipped);
		self.reporter.status.market = Some(look.status);
		if !chosen.is_empty() {
			self.reached_at = Some(block);
			self.accept(&view, chosen).await?;
		}
		Ok(())
	}
}
