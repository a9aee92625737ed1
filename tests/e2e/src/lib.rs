// SPDX-License-Identifier: Apache-2.0

//! What the end-to-end tests are made of: a network of real processes, and people who use it as people do, through
//! the commands.
//!
//! - [`Network`]: a node with one validator, workers, and a folder for everything, which goes with it.
//! - [`Person`]: somebody with an account who runs `tessera`.
//! - [`Worker`]: a provider's `tessera-worker`.
//! - [`Books`]: who has what at one block, so that it can be added up.
//! - [`JobFolder`]: manifests for jobs of the tests' own.
//! - [`scenarios`](mod@scenarios): several things tried at once on one network.
//! - [`guide`]: commands in documents.
//!
//! Nothing outlives a test: see [`process`]. When a test fails, what every process said is printed.

pub mod books;
pub mod command;
pub mod guide;
pub mod job;
pub mod network;
pub mod node;
pub mod process;
pub mod scenarios;
pub mod worker;

use std::time::Duration;

pub use books::Books;
pub use command::{Ending, Person, Running};
pub use job::JobFolder;
pub use network::{Network, adapter};
pub use node::{Node, treasury};
pub use worker::Worker;

/// How long anything may take. Nothing is asserted about time: on a busy machine it is merely slow.
pub const PATIENCE: Duration = Duration::from_secs(240);
