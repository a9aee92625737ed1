// SPDX-License-Identifier: Apache-2.0

//! What a program must satisfy before wgpu sees it: the client's own check, so that tenants get the same verdict on
//! their machine as from every worker.

pub use tessera_client::admission::*;
