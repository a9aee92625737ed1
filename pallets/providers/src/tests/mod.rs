// SPDX-License-Identifier: Apache-2.0

//! One file per call, one for what the market calls, one for the queries, and the property test. Every test ends with
//! a check of the invariants.

mod bond;
mod config;
mod deregister;
mod heartbeat;
mod invariants;
mod market;
mod pause;
mod queries;
mod register;
mod resume;
mod set_worker_key;
mod try_state;
mod unbond;
mod update_profile;
mod withdraw_unbonded;
