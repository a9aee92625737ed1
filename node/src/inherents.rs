// SPDX-License-Identifier: Apache-2.0

//! Where the time in a block comes from.

use crate::service::FullClient;
use jsonrpsee::core::async_trait;
use sc_consensus_manual_seal::consensus::timestamp::SlotTimestampProvider;
use sp_consensus_babe::{SlotDuration, inherents::InherentDataProvider as BabeInherent};
use sp_inherents::CreateInherentDataProviders;
use sp_timestamp::InherentDataProvider as TimestampInherent;
use std::{error::Error, sync::Arc};
use tessera_runtime::opaque::Block;

/// The clock by which blocks are made and by which the time in imported blocks is judged.
#[derive(Clone)]
pub enum BlockClock {
	/// The machine's clock.
	System {
		/// Length of a slot.
		slot_duration: SlotDuration,
	},
	/// One slot after the best block, however fast blocks are made. Sealed blocks run ahead of the machine's clock,
	/// by which they would be refused as coming from the future.
	AfterBest(Arc<FullClient>),
}

#[async_trait]
impl CreateInherentDataProviders<Block, ()> for BlockClock {
	type InherentDataProviders = (BabeInherent, TimestampInherent);

	async fn create_inherent_data_providers(
		&self,
		_parent: <Block as sp_runtime::traits::Block>::Hash,
		(): (),
	) -> Result<Self::InherentDataProviders, Box<dyn Error + Send + Sync>> {
		Ok(match self {
			Self::System { slot_duration } => {
				let timestamp = TimestampInherent::from_system_time();
				(BabeInherent::from_timestamp_and_slot_duration(*timestamp, *slot_duration), timestamp)
			}
			Self::AfterBest(client) => {
				let clock = SlotTimestampProvider::new_babe(client.clone())?;
				(BabeInherent::new(clock.slot()), TimestampInherent::new(clock.timestamp()))
			}
		})
	}
}
