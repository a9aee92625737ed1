// SPDX-License-Identifier: Apache-2.0

//! What the runtime's metadata says, as Rust.
//!
//! Types of `tessera-primitives` stand for themselves ([`subxt::utils::Static`]); a test of [`super::shape`] checks
//! that their shapes are those of the metadata. `scripts/metadata.sh` keeps the file current.

#[subxt::subxt(
	runtime_metadata_path = "artifacts/metadata.scale",
	derive_for_all_types = "Clone, PartialEq, Eq",
	substitute_type(
		path = "tessera_primitives::api::JobInfo<A>",
		with = "::subxt::utils::Static<::tessera_primitives::api::JobInfo<A>>"
	),
	substitute_type(
		path = "tessera_primitives::api::TaskInfo<A>",
		with = "::subxt::utils::Static<::tessera_primitives::api::TaskInfo<A>>"
	),
	substitute_type(
		path = "tessera_primitives::api::OpenTasksPage<A>",
		with = "::subxt::utils::Static<::tessera_primitives::api::OpenTasksPage<A>>"
	),
	substitute_type(
		path = "tessera_primitives::api::ProviderInfo<A>",
		with = "::subxt::utils::Static<::tessera_primitives::api::ProviderInfo<A>>"
	),
	substitute_type(
		path = "tessera_primitives::api::Quote",
		with = "::subxt::utils::Static<::tessera_primitives::api::Quote>"
	),
	substitute_type(
		path = "tessera_primitives::api::QuoteError",
		with = "::subxt::utils::Static<::tessera_primitives::api::QuoteError>"
	),
	substitute_type(
		path = "tessera_primitives::api::MarketSummary",
		with = "::subxt::utils::Static<::tessera_primitives::api::MarketSummary>"
	),
	substitute_type(
		path = "tessera_primitives::api::Clock",
		with = "::subxt::utils::Static<::tessera_primitives::api::Clock>"
	),
	substitute_type(
		path = "tessera_primitives::job::JobRequest",
		with = "::subxt::utils::Static<::tessera_primitives::job::JobRequest>"
	),
	substitute_type(
		path = "tessera_primitives::job::EndReason",
		with = "::subxt::utils::Static<::tessera_primitives::job::EndReason>"
	),
	substitute_type(
		path = "tessera_primitives::job::HandBackReason",
		with = "::subxt::utils::Static<::tessera_primitives::job::HandBackReason>"
	),
	substitute_type(
		path = "tessera_primitives::program::ProgramManifest",
		with = "::subxt::utils::Static<::tessera_primitives::program::ProgramManifest>"
	),
	substitute_type(
		path = "tessera_primitives::provider::Profile",
		with = "::subxt::utils::Static<::tessera_primitives::provider::Profile>"
	),
	substitute_type(
		path = "tessera_primitives::orders::HeartbeatOrder<A>",
		with = "::subxt::utils::Static<::tessera_primitives::orders::HeartbeatOrder<A>>"
	),
	substitute_type(
		path = "tessera_primitives::orders::AcceptOrder<A, B>",
		with = "::subxt::utils::Static<::tessera_primitives::orders::AcceptOrder<A, B>>"
	),
	substitute_type(
		path = "tessera_primitives::orders::ClaimOrder<A, B>",
		with = "::subxt::utils::Static<::tessera_primitives::orders::ClaimOrder<A, B>>"
	),
	substitute_type(
		path = "tessera_primitives::orders::HandBackOrder<A, B>",
		with = "::subxt::utils::Static<::tessera_primitives::orders::HandBackOrder<A, B>>"
	),
	substitute_type(
		path = "pallet_jobs::types::SkipReason",
		with = "::subxt::utils::Static<crate::chain::SkipReason>"
	)
)]
mod generated {}

pub use generated::*;
