// SPDX-License-Identifier: Apache-2.0

//! Why the chain refuses an order before it is in a block: the codes of
//! [`InvalidTransaction::Custom`](sp_runtime::transaction_validity::InvalidTransaction::Custom). Providers have 1 to
//! 49, jobs 50 to 99.

/// The account is not a provider: the owner registers it first.
pub const NOT_REGISTERED: u8 = 1;
/// The provider has no worker key: the owner sets it first.
pub const NO_WORKER_KEY: u8 = 2;
/// The order is for a window that is over or has not begun: sign one for the current window.
pub const WRONG_WINDOW: u8 = 3;
/// A heartbeat of this provider counted in this window already: wait for the next window.
pub const HEARTBEAT_COUNTED: u8 = 4;
/// The signature is not the worker key's over this order on this chain: the key was rotated, or the order was signed
/// for another chain or changed on the way.
pub const BAD_SIGNATURE: u8 = 5;
