// SPDX-License-Identifier: Apache-2.0

//! The hook: counts the tick and works off what falls due, within its share of the block. What does not fit waits for
//! the next block; anybody may do it by a call in the meantime.

use frame_support::{
	storage::with_storage_layer,
	traits::Get,
	weights::{Weight, WeightMeter},
};
use tessera_primitives::{JobId, Tick, job::TaskState};

use crate::{
	Agenda, AgendaCursor, AgendaItem, Config, Jobs, LOG_TARGET, Pallet, SkipReason, Tasks, WeightInfo,
};

/// Task records that the agenda removes of one job at one tick. The rest waits for the next tick, so that a large job's
/// clean-up does not hold up the settlements behind it.
pub(crate) const CLEAN_UP_CHUNK: u32 = 100;

impl<T: Config> Pallet<T> {
	/// The whole of `on_poll`.
	pub(crate) fn poll(meter: &mut WeightMeter) {
		if meter.try_consume(T::WeightInfo::on_poll()).is_err() {
			// The block is taken up by inherents alone: as good as full, ticks stand still.
			return;
		}
		let now = Self::advance_clock();
		let limit = meter.remaining().min(Self::hook_limit());
		let mut own = WeightMeter::with_limit(limit);
		Self::work_off(now, &mut own);
		meter.consume(own.consumed());
	}

	/// Weight that the agenda may use in a block.
	pub(crate) fn hook_limit() -> Weight {
		let share = T::HookShare::get();
		let max = T::BlockWeights::get().max_block;
		Weight::from_parts(share.mul_floor(max.ref_time()), share.mul_floor(max.proof_size()))
	}

	/// Weight without which the agenda could not make progress.
	#[cfg(feature = "std")]
	pub(crate) fn least_hook_weight() -> Weight {
		[AgendaItem::Task(0), AgendaItem::Close, AgendaItem::CleanUp]
			.iter()
			.map(Self::weight_of)
			.fold(Weight::zero(), |most, weight| most.max(weight))
			.saturating_add(T::WeightInfo::agenda_next())
	}

	fn weight_of(item: &AgendaItem) -> Weight {
		match item {
			AgendaItem::Task(_) => T::WeightInfo::settle(1).max(T::WeightInfo::expire(1)),
			AgendaItem::Close => T::WeightInfo::close(),
			AgendaItem::CleanUp => T::WeightInfo::clean_up(CLEAN_UP_CHUNK),
		}
	}

	/// Works off the agenda up to `now`, as far as the weight goes.
	pub(crate) fn work_off(now: Tick, meter: &mut WeightMeter) {
		let start = AgendaCursor::<T>::get();
		let mut cursor = start;
		'ticks: while cursor <= now {
			// Items are removed while the iterator stands at them, and none is added at a tick that has begun: it
			// goes on to the next key all the same, without looking at the removed ones again.
			let mut items = Agenda::<T>::iter_key_prefix(cursor);
			loop {
				if meter.try_consume(T::WeightInfo::agenda_next()).is_err() {
					break 'ticks;
				}
				let Some((job, item)) = items.next() else { break };
				if meter.try_consume(Self::weight_of(&item)).is_err() {
					break 'ticks;
				}
				Agenda::<T>::remove(cursor, (job, item));
				// A failure leaves the task or job as it is, for a call to deal with, and is none of the others'
				// business.
				if let Err(reason) = with_storage_layer(|| Self::perform(job, item, now)) {
					log::error!(target: LOG_TARGET, "agenda: {item:?} of job {job:?} failed: {reason:?}");
				}
			}
			cursor = cursor.saturating_add(1);
		}
		if cursor != start {
			AgendaCursor::<T>::put(cursor);
		}
	}

	fn perform(job: JobId, item: AgendaItem, now: Tick) -> Result<(), SkipReason> {
		match item {
			AgendaItem::Task(index) => match Tasks::<T>::get(job, index).map(|task| task.state) {
				Some(TaskState::Claimed { .. }) => Self::settle_task(job, index, now),
				_ => Self::expire_task(job, index, now),
			},
			AgendaItem::Close => Self::close_overdue(job, now).map_err(Into::into),
			AgendaItem::CleanUp => {
				let mut record = Jobs::<T>::get(job).ok_or(SkipReason::UnknownJob)?;
				let (_, done) = Self::remove_records(job, &mut record, CLEAN_UP_CHUNK)?;
				if !done {
					Self::put_off_clean_up(job, &mut record, now.saturating_add(1));
					Jobs::<T>::insert(job, record);
				}
				Ok(())
			}
		}
	}
}
