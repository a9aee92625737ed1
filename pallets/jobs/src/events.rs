// SPDX-License-Identifier: Apache-2.0

//! The events.

use frame_support::pallet_macros::pallet_section;

/// The events. Becomes a part of the pallet's module, where its names are resolved.
#[pallet_section]
mod events {
	/// What happened. Amounts are planck.
	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A program can be used by jobs.
		ProgramRegistered {
			/// The program.
			program: ProgramId,
			/// Who registered it and gets the deposit back.
			owner: T::AccountId,
		},
		/// A program is gone.
		ProgramRetired {
			/// The program.
			program: ProgramId,
		},
		/// A job's tasks are open.
		JobSubmitted {
			/// The job.
			job: JobId,
			/// Who pays.
			tenant: T::AccountId,
			/// Its program.
			program: ProgramId,
			/// Number of tasks.
			tasks: u32,
			/// Put in escrow.
			escrow: Balance,
			/// Last tick at which its tasks can be accepted.
			open_until: Tick,
		},
		/// A provider took a task.
		TaskAccepted {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Its attempt.
			attempt: u32,
			/// Who.
			provider: T::AccountId,
			/// What is paid for it.
			price: Balance,
			/// Last tick for its claim.
			deadline: Tick,
		},
		/// A provider committed to a result.
		TaskClaimed {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Its attempt.
			attempt: u32,
			/// Who.
			provider: T::AccountId,
			/// BLAKE3 hash of the claim list.
			root: H256,
			/// First tick at which it is settled.
			settle_at: Tick,
		},
		/// A provider gave a task back.
		TaskHandedBack {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Its attempt.
			attempt: u32,
			/// Who.
			provider: T::AccountId,
			/// Why.
			reason: HandBackReason,
			/// Burnt from the provider's collateral.
			provider_burnt: Balance,
			/// Burnt from the task's escrow.
			tenant_burnt: Balance,
		},
		/// A task was not claimed in time.
		TaskExpired {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Its attempt.
			attempt: u32,
			/// Who had it.
			provider: T::AccountId,
			/// Burnt from the provider's collateral.
			penalty: Balance,
		},
		/// A task is open again.
		TaskReopened {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// The new attempt.
			attempt: u32,
			/// Price from which it rises.
			price: Balance,
		},
		/// A task was paid.
		TaskSettled {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Who worked.
			provider: T::AccountId,
			/// What the provider got.
			paid: Balance,
			/// What the protocol got.
			cut: Balance,
			/// What the tenant got back.
			refunded: Balance,
		},
		/// A task ended unpaid. Open tasks of a closed job end with [`Event::JobClosed`].
		TaskEnded {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Why.
			reason: EndReason,
			/// What the tenant got back.
			refunded: Balance,
		},
		/// A task of a list was left as it is.
		TaskSkipped {
			/// The job.
			job: JobId,
			/// The task.
			task: TaskIndex,
			/// Why.
			reason: SkipReason,
		},
		/// A job's open tasks ended and none opens again.
		JobClosed {
			/// The job.
			job: JobId,
			/// Why.
			reason: EndReason,
			/// How many tasks ended by it.
			tasks: u32,
			/// What the tenant got back.
			refunded: Balance,
		},
		/// The last task of a job ended.
		JobEnded {
			/// The job.
			job: JobId,
			/// Tasks that were paid.
			settled: u32,
			/// Tasks that were not.
			failed: u32,
			/// Tick from which on anyone may remove its record.
			clean_at: Tick,
		},
		/// A job's record is gone.
		JobCleanedUp {
			/// The job.
			job: JobId,
			/// Who got the deposit back.
			tenant: T::AccountId,
			/// The deposit.
			deposit: Balance,
		},
	}
}
