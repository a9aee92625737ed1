// SPDX-License-Identifier: Apache-2.0

//! The worker of providers: takes tasks, runs them on local GPUs, claims the results.
//!
//! - [`adapters`]: the GPUs of this machine.
//! - [`admission`]: what a program must satisfy before a GPU sees it.
//! - [`cli`]: the command line.
//! - [`config`]: the settings.
//! - [`daemon`]: follows the chain, takes tasks, claims results, serves them.
//! - [`exec`]: the GPU child, one process a task.
//! - [`journal`]: what was begun, across crashes.
//! - [`policy`]: which tasks are taken.
//! - [`mod@register`]: the provider on chain.
//! - [`status`]: the worker's report about itself.
//! - [`supervise`]: the other side of the GPU child: starts it, watches it, kills it.

pub mod adapters;
pub mod admission;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod exec;
pub mod journal;
pub mod policy;
pub mod register;
pub mod status;
pub mod supervise;
