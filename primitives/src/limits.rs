// SPDX-License-Identifier: Apache-2.0

//! Every bound of stored data, in one place. Lowering one that is already in state makes state undecodable: never
//! do it without a migration.

use frame_support::traits::ConstU32;

/// Buffers of one program.
pub const MAX_BUFFERS: u32 = 16;
/// Stages of one program.
pub const MAX_STAGES: u32 = 16;
/// Bindings of one stage.
pub const MAX_BINDINGS: u32 = 16;
/// Bytes of a name (buffer, stage entry point).
pub const MAX_NAME: u32 = 64;
/// Bytes of a program package: manifest and WGSL sources.
pub const MAX_PACKAGE_BYTES: u64 = 1 << 20;
/// Bytes of one buffer: wgpu's largest storage binding, rounded down to a word.
pub const MAX_BUFFER_BYTES: u64 = (1 << 31) - 4;
/// Bytes of one blob of a job's specification.
pub const MAX_SPEC_BYTES: u64 = 16 << 20;
/// Bytes of an inline task input.
pub const MAX_INLINE_BYTES: u32 = 4096;
/// Workgroups in one dimension of a dispatch: WebGPU's default limit.
pub const MAX_WORKGROUPS_PER_DIMENSION: u32 = 65_535;
/// Workgroups of a whole dispatch.
pub const MAX_WORKGROUPS: u64 = 1 << 24;
/// Tasks of one job.
pub const MAX_TASKS: u32 = 10_000;
/// Tasks in one list of a call (accept, claim, hand back, settle, expire).
pub const MAX_LIST: u32 = 100;
/// Attempts of one task, and so providers that are barred from it after failing.
pub const MAX_ATTEMPTS: u32 = 8;
/// Adapters (GPUs) of one provider.
pub const MAX_ADAPTERS: u32 = 16;
/// Regions that a job may name.
pub const MAX_REGIONS: u32 = 8;
/// Addresses that a provider or tenant may give for its endpoint.
pub const MAX_ADDRESSES: u32 = 4;
/// Bytes of one such address (`host:port` or a relay's URL).
pub const MAX_ADDRESS: u32 = 128;
/// Unbonding chunks of one provider.
pub const MAX_UNBONDING: u32 = 16;
/// Items in one page of a query.
pub const MAX_PAGE: u32 = 256;

/// [`MAX_BUFFERS`] as a type.
pub type MaxBuffers = ConstU32<MAX_BUFFERS>;
/// [`MAX_STAGES`] as a type.
pub type MaxStages = ConstU32<MAX_STAGES>;
/// [`MAX_BINDINGS`] as a type.
pub type MaxBindings = ConstU32<MAX_BINDINGS>;
/// [`MAX_NAME`] as a type.
pub type MaxName = ConstU32<MAX_NAME>;
/// [`MAX_LIST`] as a type.
pub type MaxList = ConstU32<MAX_LIST>;
/// [`MAX_ATTEMPTS`] as a type.
pub type MaxAttempts = ConstU32<MAX_ATTEMPTS>;
/// [`MAX_ADAPTERS`] as a type.
pub type MaxAdapters = ConstU32<MAX_ADAPTERS>;
/// [`MAX_REGIONS`] as a type.
pub type MaxRegions = ConstU32<MAX_REGIONS>;
/// [`MAX_ADDRESSES`] as a type.
pub type MaxAddresses = ConstU32<MAX_ADDRESSES>;
/// [`MAX_ADDRESS`] as a type.
pub type MaxAddress = ConstU32<MAX_ADDRESS>;
/// [`MAX_UNBONDING`] as a type.
pub type MaxUnbonding = ConstU32<MAX_UNBONDING>;
