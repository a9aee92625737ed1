// SPDX-License-Identifier: Apache-2.0

//! Tessera's Rust SDK: what tenants, providers' workers and dApps need to use the market.
//!
//! - [`admission`]: whether a program may run at all, before any GPU sees it.
//! - [`blobs`]: stores, serves and fetches programs, inputs and outputs.
//! - [`chain`]: reading the chain, transactions, workers' orders, events.
//! - [`keys`]: accounts' and workers' keys.
//! - [`manifest`]: `program.toml` and `job.toml`.
//! - [`outputs`]: a task's outputs, checked against its claim.

pub mod admission;
pub mod blobs;
pub mod chain;
pub mod keys;
pub mod manifest;
pub mod outputs;
#[doc(hidden)]
pub mod testing;

mod files;
