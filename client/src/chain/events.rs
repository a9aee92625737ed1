// SPDX-License-Identifier: Apache-2.0

//! What happens in the market.

use futures::{Stream, stream};
use subxt::{
	error::EventsError,
	events::{Event, Phase},
};
use tessera_primitives::{Balance, JobId};

use super::{
	AccountId, BlockRef, Chain, ChainError, Config, Failure, JobInfo, JobsEvent, Level, ProvidersEvent,
	TxOutcome, View,
	follow::{Heads, Step},
	inclusion::{Included, Parcel},
	runtime::{self, runtime_types},
};

/// Something that happened in the market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarketEvent {
	/// To a program, job or task.
	Jobs(JobsEvent),
	/// To a provider.
	Providers(ProvidersEvent),
}

/// A block with what happened in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarketBlock {
	/// The block.
	pub block: BlockRef,
	/// Whether it is final.
	pub finalized: bool,
	/// Blocks that came before in the stream and were taken back by a reorganisation: what happened in them has not.
	pub retracted: Vec<BlockRef>,
	/// Something is missing before this block or in it. What the events before said is no more the whole story: read the
	/// state.
	pub missed: bool,
	/// What happened, in order.
	pub events: Vec<MarketEvent>,
}

impl MarketEvent {
	/// The job that it is about.
	pub fn job(&self) -> Option<JobId> {
		use JobsEvent as E;
		match self {
			Self::Providers(_) => None,
			Self::Jobs(event) => match event {
				E::ProgramRegistered { .. } | E::ProgramRetired { .. } => None,
				E::JobSubmitted { job, .. }
				| E::TaskAccepted { job, .. }
				| E::TaskClaimed { job, .. }
				| E::TaskHandedBack { job, .. }
				| E::TaskExpired { job, .. }
				| E::TaskReopened { job, .. }
				| E::TaskSettled { job, .. }
				| E::TaskEnded { job, .. }
				| E::TaskSkipped { job, .. }
				| E::JobClosed { job, .. }
				| E::JobEnded { job, .. }
				| E::JobCleanedUp { job, .. } => Some(*job),
			},
		}
	}

	/// The provider that it is about.
	pub fn provider(&self) -> Option<AccountId> {
		use ProvidersEvent as P;
		match self {
			Self::Jobs(
				JobsEvent::TaskAccepted { provider, .. }
				| JobsEvent::TaskClaimed { provider, .. }
				| JobsEvent::TaskHandedBack { provider, .. }
				| JobsEvent::TaskExpired { provider, .. }
				| JobsEvent::TaskSettled { provider, .. },
			) => Some(*provider),
			Self::Jobs(_) => None,
			Self::Providers(
				P::Registered { provider }
				| P::ProfileUpdated { provider }
				| P::WorkerKeySet { provider, .. }
				| P::Bonded { provider, .. }
				| P::Unbonding { provider, .. }
				| P::Withdrawn { provider, .. }
				| P::Paused { provider }
				| P::Resumed { provider }
				| P::Deregistered { provider }
				| P::Heartbeat { provider, .. }
				| P::Penalised { provider, .. },
			) => Some(*provider),
		}
	}

	/// The event, when it is the market's.
	fn read(event: &Event<'_, Config>) -> Result<Option<Self>, EventsError> {
		if !matches!(event.pallet_name(), "Jobs" | "Providers") {
			return Ok(None);
		}
		Ok(match event.decode_as::<runtime::Event>()? {
			runtime::Event::Jobs(event) => Some(Self::Jobs(event)),
			runtime::Event::Providers(event) => Some(Self::Providers(event)),
			_ => None,
		})
	}
}

impl View {
	/// What happened in the market in this block.
	pub async fn events(&self) -> Result<Vec<MarketEvent>, ChainError> {
		let events = self.chain().ask(self.at().events().fetch()).await?;
		let mut found = Vec::new();
		for event in events.iter() {
			found.extend(MarketEvent::read(&event?)?);
		}
		Ok(found)
	}
}

impl Chain {
	/// What happens in the market, block by block, from the present one on.
	///
	/// Lost connections are mended, skipped blocks filled in and reorganisations said. What could not be had is marked
	/// ([`MarketBlock::missed`]). The stream ends after an error that does not mend itself, and never otherwise. Best blocks
	/// come as soon as they are there, and not again when they become final: who needs both follows both.
	pub fn follow(&self, level: Level) -> impl Stream<Item = Result<MarketBlock, ChainError>> + Send + use<> {
		self.follow_after(level, None)
	}

	/// Like [`Self::follow`], from the block after `last` on: for those who were away. More than 128 blocks later the
	/// first one is marked as [`MarketBlock::missed`].
	pub fn follow_after(
		&self,
		level: Level,
		last: Option<BlockRef>,
	) -> impl Stream<Item = Result<MarketBlock, ChainError>> + Send + use<> {
		let state = Some(Following {
			chain: self.clone(),
			level,
			heads: Heads::after(self.clone(), level, last),
			step: Step::default(),
		});
		stream::unfold(state, |state| async {
			let mut following = state?;
			match following.next().await {
				Ok(block) => Some((Ok(block), Some(following))),
				Err(error) => Some((Err(error), None)),
			}
		})
	}

	/// Waits until a job is as wanted, at blocks of this level: reads it at every new one, so that no event can be missed.
	/// Returns it as it was then; `None` when there is no such job (any more).
	///
	/// Waits as long as it takes, also for a lost connection: whoever has less patience adds a timeout.
	pub async fn wait_for_job(
		&self,
		id: JobId,
		level: Level,
		mut wanted: impl FnMut(Option<&JobInfo>) -> bool,
	) -> Result<Option<JobInfo>, ChainError> {
		let mut heads = Heads::after(self.clone(), level, None);
		loop {
			let step = heads.next().await?;
			let Some(head) = step.blocks.last() else { continue };
			let job = async { self.view_at(*head).await?.job(id).await };
			match job.await {
				Ok(job) if wanted(job.as_ref()) => return Ok(job),
				Ok(_) => (),
				Err(error) if error.is_temporary() => tracing::warn!(%error, "a job was not read"),
				// Gone by a reorganisation, or too slow: the next head will do.
				Err(ChainError::UnknownBlock { .. }) => (),
				Err(error) => return Err(error),
			}
		}
	}

	/// What an included transaction did; an error when it failed.
	pub(super) async fn outcome(&self, parcel: &Parcel, included: Included) -> Result<TxOutcome, ChainError> {
		let view = self.view_at(included.block).await?;
		let all = self.ask(view.at().events().fetch()).await?;
		let mut fee = None;
		let mut events = Vec::new();
		for event in all.iter() {
			let event = event?;
			if event.phase() != Phase::ApplyExtrinsic(included.index) {
				continue;
			}
			match (event.pallet_name(), event.event_name()) {
				("System", "ExtrinsicFailed") => {
					let failure = failure(&view, &event)?;
					return Err(ChainError::Failed { what: parcel.what.clone(), failure });
				}
				("TransactionPayment", "TransactionFeePaid") => fee = paid(&event),
				_ => events.extend(MarketEvent::read(&event)?),
			}
		}
		let Included { block, index, finalized } = included;
		Ok(TxOutcome { block, index, hash: parcel.hash, finalized, fee, events })
	}
}

struct Following {
	chain: Chain,
	level: Level,
	heads: Heads,
	/// What is still to be shown.
	step: Step,
}

impl Following {
	async fn next(&mut self) -> Result<MarketBlock, ChainError> {
		while self.step.blocks.is_empty() {
			let before = std::mem::take(&mut self.step);
			self.step = self.heads.next().await?;
			// The head went back without a new block: that is said with the next one.
			self.step.retracted.splice(0..0, before.retracted);
			self.step.missed |= before.missed;
		}
		let block = self.step.blocks[0];
		let events = loop {
			let events = async { self.chain.view_at(block).await?.events().await };
			match events.await {
				Ok(events) => break Some(events),
				Err(error) if error.is_temporary() => tracing::warn!(%error, "a block was not read"),
				// Its state is gone, or it is.
				Err(ChainError::UnknownBlock { .. }) => break None,
				Err(error) => return Err(error),
			}
		};
		self.step.blocks.remove(0);
		Ok(MarketBlock {
			block,
			finalized: self.level == Level::Final,
			retracted: std::mem::take(&mut self.step.retracted),
			missed: std::mem::take(&mut self.step.missed) || events.is_none(),
			events: events.unwrap_or_default(),
		})
	}
}

/// The fee in a `TransactionFeePaid` event; `None` when its shape is another one: nobody depends on it.
fn paid(event: &Event<'_, Config>) -> Option<Balance> {
	let paid = event.decode_fields_as::<runtime::transaction_payment::events::TransactionFeePaid>()?.ok()?;
	Some(paid.actual_fee.saturating_add(paid.tip))
}

/// The error in an `ExtrinsicFailed` event.
fn failure(view: &View, event: &Event<'_, Config>) -> Result<Failure, ChainError> {
	use runtime_types::sp_runtime::DispatchError;
	let failed = event.decode_fields_unchecked_as::<runtime::system::events::ExtrinsicFailed>()?;
	let named = |name: String, docs: &str| Failure { name, docs: docs.into(), hint: None };
	Ok(match failed.dispatch_error {
		DispatchError::Module(error) => {
			let pallet = view.at().metadata_ref().pallet_by_error_index(error.index);
			let variant = pallet.as_ref().and_then(|pallet| pallet.error_variant_by_index(error.error[0]));
			match (pallet, variant) {
				(Some(pallet), Some(variant)) => {
					named(format!("{}.{}", pallet.name(), variant.name), &variant.docs.join(" "))
				}
				_ => named(format!("error {} of pallet {}", error.error[0], error.index), ""),
			}
		}
		DispatchError::Token(error) => named(format!("Token.{error:?}"), token(&error)),
		DispatchError::Arithmetic(error) => {
			named(format!("Arithmetic.{error:?}"), "A number is beyond what the chain can hold.")
		}
		DispatchError::BadOrigin => named("BadOrigin".into(), "This account may not do that."),
		other => named(format!("{other:?}"), ""),
	})
}

fn token(error: &runtime_types::sp_runtime::TokenError) -> &'static str {
	use runtime_types::sp_runtime::TokenError as E;
	match error {
		E::FundsUnavailable => "The free balance does not cover it.",
		E::OnlyProvider | E::NotExpendable => {
			"It would leave the account with less than it must have to exist."
		}
		E::BelowMinimum | E::CannotCreate | E::CannotCreateHold => {
			"The receiving account would have less than it must have to exist."
		}
		E::Frozen => "The tokens are frozen.",
		E::Blocked => "The receiving account takes no tokens.",
		E::UnknownAsset | E::Unsupported => "The chain has no such token.",
	}
}
