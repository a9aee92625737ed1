// SPDX-License-Identifier: Apache-2.0

//! The errors.

use frame_support::pallet_macros::pallet_section;

/// The errors. Becomes a part of the pallet's module, where its names are resolved.
#[pallet_section]
mod errors {
	/// What can go wrong. Reasons of single tasks are listed again in [`SkipReason`].
	#[pallet::error]
	pub enum Error<T> {
		/// This program is registered: use it, or pack another.
		ProgramExists,
		/// No such program: register it first.
		UnknownProgram,
		/// Only the account that registered a program may retire it.
		NotProgramOwner,
		/// Jobs still use this program: wait until they are cleaned up.
		ProgramInUse,
		/// A program package has 1 byte to 1 MiB.
		PackageLength,
		/// The program has no stage.
		NoStages,
		/// The program has no output buffer.
		NoOutputs,
		/// A name in the program is empty, not UTF-8 or used twice.
		BadName,
		/// A uniform buffer that is not an input.
		UniformNotInput,
		/// A stage binds no buffer.
		NoBindings,
		/// A stage binds a buffer that is not declared.
		UnknownBuffer,
		/// A binding's group is above 3.
		BadGroup,
		/// A stage uses a binding number or a buffer twice.
		DuplicateBinding,
		/// A stage writes an input buffer.
		WritesInput,
		/// No stage writes an output buffer.
		UnwrittenOutput,
		/// No stage binds a declared buffer.
		UnusedBuffer,

		/// This tenant has a job with this client id: it was submitted before.
		JobExists,
		/// No such job: it never was, or is cleaned up.
		UnknownJob,
		/// Only the tenant may do this.
		NotTenant,
		/// A job has 1 to 10,000 tasks.
		TaskCount,
		/// The job does not give a length for every buffer of the program, or gives too many.
		BufferCount,
		/// A buffer is empty, not a whole number of 32-bit words, or larger than 2 GiB - 4.
		BufferLength,
		/// The job does not give a dispatch for every stage of the program, or gives too many.
		DispatchCount,
		/// A dispatch has an empty dimension, one above 65,535, or too many workgroups.
		DispatchSize,
		/// The job specification is empty or too long.
		SpecLength,
		/// An address of the source is empty or not UTF-8.
		SourceAddress,
		/// A required region is not an assigned ISO 3166-1 alpha-2 code.
		UnknownRegion,
		/// A required feature has no meaning.
		UnknownFeature,
		/// The ceiling price is below the opening price.
		CeilingBelowOpening,
		/// The opening price is below the floor that the quote shows.
		FeeBelowFloor,
		/// The execution time is zero or longer than allowed.
		ExecutionTicks,
		/// The lifetime is zero or longer than allowed.
		LifetimeTicks,
		/// Ceiling price times tasks is more than any balance.
		EscrowOverflow,
		/// The tenant's free balance does not cover the escrow.
		EscrowNotCovered,
		/// The free balance does not cover the storage deposit.
		DepositNotCovered,
		/// The job is closed: none of its tasks is open or will be.
		JobClosed,
		/// The job can still be accepted: it closes by itself, or its tenant cancels it.
		JobStillOpen,
		/// Some tasks of the job have not ended.
		JobNotEnded,
		/// Only the tenant may remove an ended job's record so early.
		StillRetained,

		/// The list is empty.
		EmptyList,
		/// No task of this index in the job.
		UnknownTask,
		/// The task is at another attempt: it was opened again since.
		WrongAttempt,
		/// The task is taken or has ended.
		TaskNotOpen,
		/// The price is below the least price of the order.
		PriceBelowMinimum,
		/// The provider failed this task before.
		ProviderBarred,
		/// Not a registered provider.
		ProviderNotRegistered,
		/// The provider is paused.
		ProviderPaused,
		/// The provider's heartbeats stopped.
		ProviderOffline,
		/// The provider is not in a region that the job allows.
		RegionNotAllowed,
		/// No adapter of the provider meets the job's requirements.
		NoSuitableAdapter,
		/// The provider's free bond does not cover the collateral.
		CollateralNotCovered,
		/// The task is not accepted: nobody holds it, it is claimed, or it has ended.
		TaskNotAccepted,
		/// Another provider holds the task.
		OtherProvider,
		/// The execution deadline has passed.
		DeadlinePassed,
		/// The claim's length is not that of the job's output buffers.
		WrongOutputLength,
		/// The window in which missing inputs count has passed: report a fault, or let it expire.
		FetchWindowOver,
		/// The deadline has not passed.
		DeadlineNotPassed,
		/// The task is not claimed.
		TaskNotClaimed,
		/// The challenge window is not over.
		WindowNotOver,
		/// Records and balances disagree. Nothing was changed; please report it.
		Bookkeeping,
	}
}
