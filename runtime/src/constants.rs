// SPDX-License-Identifier: Apache-2.0

//! Units of money, time and weight.

use frame_support::weights::{Weight, constants::WEIGHT_REF_TIME_PER_MILLIS};
use sp_runtime::Perbill;
use tessera_primitives::Balance;

pub use tessera_primitives::TESS;

/// A thousandth of a TESS.
pub const MILLI: Balance = TESS / 1_000;
/// A millionth of a TESS.
pub const MICRO: Balance = TESS / 1_000_000;

/// An account with less than this is removed.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLI;

/// Storage deposit: what an item costs before its length counts.
pub const DEPOSIT_PER_ITEM: Balance = 20 * MILLI;
/// Storage deposit per byte.
pub const DEPOSIT_PER_BYTE: Balance = 100 * MICRO;

/// The deposit for some items and bytes in a map.
pub const fn deposit(items: u32, bytes: u32) -> Balance {
	items as Balance * DEPOSIT_PER_ITEM + bytes as Balance * DEPOSIT_PER_BYTE
}

/// Milliseconds of a slot of a production chain. Fixed in a chain's genesis ([`crate::pacing`]).
pub const SLOT_MILLIS: u64 = 3_000;
/// Slots of an epoch (and session) of a production chain.
pub const EPOCH_SLOTS: u64 = 200;

/// Ticks of an hour of a production chain that makes every block.
pub const HOUR: u32 = 3_600_000 / SLOT_MILLIS as u32;
/// Ticks of a day.
pub const DAY: u32 = 24 * HOUR;

/// Computing time of a block: a third of a slot of 3 s, so that a block is made, sent and checked within it.
pub const MAXIMUM_BLOCK_WEIGHT: Weight = Weight::from_parts(1_000 * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
/// Bytes of a block.
pub const MAXIMUM_BLOCK_LENGTH: u32 = 4 * 1024 * 1024;
/// Bytes of a block's header.
pub const MAXIMUM_HEADER_LENGTH: u32 = 100 * 1024;
/// Share of a block that normal calls may fill; the rest is for operational ones.
pub const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);
/// Share of a block that `on_initialize` is assumed to take.
pub const AVERAGE_ON_INITIALIZE_RATIO: Perbill = Perbill::from_percent(5);
