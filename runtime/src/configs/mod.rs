// SPDX-License-Identifier: Apache-2.0

//! Every pallet's configuration, by theme.

pub mod accounts;
pub mod consensus;
pub mod governance;
pub mod market;
pub mod money;
pub mod system;
