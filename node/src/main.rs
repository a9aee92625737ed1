// SPDX-License-Identifier: Apache-2.0

//! `tessera-node`: validator and full node of the Tessera chain.
//!
//! - [`cli`]: what can be typed, [`command`]: what it does;
//! - [`chain_spec`]: the chains that the node knows;
//! - [`service`]: the parts of a node and how they hang together;
//! - [`inherents`]: where the time in a block comes from;
//! - [`dev_seal`]: blocks without consensus, for tests;
//! - [`rpc`]: what the node adds to the JSON-RPC methods of `sc-service`.

mod chain_spec;
mod cli;
mod command;
mod dev_seal;
mod inherents;
mod rpc;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
	match command::run() {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("Error: {error}");
			ExitCode::FAILURE
		}
	}
}
