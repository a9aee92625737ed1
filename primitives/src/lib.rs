// SPDX-License-Identifier: Apache-2.0

//! What Tessera's crates share: types that are stored on chain or travel between chain, worker and client, the
//! traits through which the pallets meet, and the runtime API.
//!
//! - [`types`]: plain units (planck, ticks, identifiers).
//! - [`program`]: a program, its manifest and its package.
//! - [`job`]: jobs and tasks, their states and reason codes, and the off-chain blobs of a job.
//! - [`provider`]: a provider's profile, adapters and requirements on them.
//! - [`orders`]: the signed orders of feeless calls, and what exactly a worker key signs.
//! - [`traits`]: the seams between pallets.
//! - [`api`]: the runtime API that nodes, clients and dApps read.
//! - [`limits`]: every bound of stored data.
//!
//! The crate is `no_std`: it knows no FRAME pallet, no wgpu, no subxt and no iroh.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
	clippy::arithmetic_side_effects,
	clippy::unwrap_used,
	clippy::expect_used,
	clippy::indexing_slicing,
	clippy::cast_lossless,
	clippy::cast_possible_wrap,
	clippy::cast_precision_loss,
	clippy::cast_sign_loss
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

extern crate alloc;

pub mod api;
pub mod job;
pub mod limits;
pub mod orders;
pub mod program;
pub mod provider;
pub mod traits;
pub mod types;

pub use types::*;
