// SPDX-License-Identifier: Apache-2.0

//! Programs and the submission of jobs.

use codec::{Encode, MaxEncodedLen};
use frame_support::{
	ensure,
	traits::{Consideration, Footprint, Get},
};
use sp_core::H256;
use sp_runtime::{DispatchResult, traits::Convert};
use tessera_primitives::{
	Balance, ProgramId,
	api::TaskCounts,
	job::{JobRequest, RequestError},
	job_id,
	limits::MAX_PACKAGE_BYTES,
	program::{ManifestError, ProgramManifest},
	traits::TickClock,
};

use crate::{
	Agenda, AgendaItem, Config, Error, Event, Job, JobOf, Jobs, JobsOf, OpenJobs, Pallet, Program,
	ProgramJobs, ProgramOf, Programs, TaskOf,
};

/// Bytes of storage keys and trie overhead that one entry of a map is counted with.
const KEY_BYTES: usize = 80;

/// What a request means in money and bytes. Amounts are planck.
pub(crate) struct Terms {
	/// Least opening price.
	pub floor: Balance,
	/// Ceiling price times tasks.
	pub escrow: Balance,
	/// Storage deposit.
	pub deposit: Balance,
	/// What the deposit is for.
	pub footprint: Footprint,
	/// Ticks from claim to settlement.
	pub challenge_ticks: u32,
	/// Bytes of all output buffers of a task.
	pub output_bytes: u64,
}

impl<T: Config> Pallet<T> {
	pub(crate) fn do_register_program(
		owner: T::AccountId,
		id: ProgramId,
		bytes: u64,
		manifest: ProgramManifest,
	) -> DispatchResult {
		ensure!(bytes > 0 && bytes <= MAX_PACKAGE_BYTES, Error::<T>::PackageLength);
		ensure!(!Programs::<T>::contains_key(id), Error::<T>::ProgramExists);
		manifest.validate().map_err(Error::<T>::from)?;
		let ticket = T::ProgramConsideration::new(&owner, Self::program_footprint(&manifest))
			.map_err(|_| Error::<T>::DepositNotCovered)?;
		Programs::<T>::insert(id, Program { owner: owner.clone(), bytes, manifest, ticket });
		Self::deposit_event(Event::ProgramRegistered { program: id, owner });
		Ok(())
	}

	pub(crate) fn do_retire_program(owner: &T::AccountId, id: ProgramId) -> DispatchResult {
		let program = Programs::<T>::get(id).ok_or(Error::<T>::UnknownProgram)?;
		ensure!(program.owner == *owner, Error::<T>::NotProgramOwner);
		ensure!(!ProgramJobs::<T>::contains_key(id), Error::<T>::ProgramInUse);
		program.ticket.drop(owner)?;
		Programs::<T>::remove(id);
		Self::deposit_event(Event::ProgramRetired { program: id });
		Ok(())
	}

	pub(crate) fn do_submit(tenant: T::AccountId, client_id: H256, request: JobRequest) -> DispatchResult {
		let id = job_id(&tenant, &client_id);
		ensure!(!Jobs::<T>::contains_key(id), Error::<T>::JobExists);
		let program = Programs::<T>::get(request.program).ok_or(Error::<T>::UnknownProgram)?;
		let terms = Self::terms(&request, &program)?;
		Self::hold_escrow(&tenant, terms.escrow)?;
		let ticket =
			T::JobConsideration::new(&tenant, terms.footprint).map_err(|_| Error::<T>::DepositNotCovered)?;

		let now = Self::now();
		let open_until = now.saturating_add(request.lifetime_ticks);
		let (program_id, tasks) = (request.program, request.tasks);
		let job = Job {
			tenant: tenant.clone(),
			output_bytes: terms.output_bytes,
			submitted_at: now,
			open_until,
			challenge_ticks: terms.challenge_ticks,
			counts: TaskCounts { open: tasks, ..Default::default() },
			escrow: terms.escrow,
			escrow_busy: 0,
			closed: None,
			ended: None,
			cleaned: 0,
			deposit: terms.deposit,
			ticket,
			request,
		};
		ProgramJobs::<T>::mutate(program_id, |jobs| *jobs = jobs.saturating_add(1));
		Agenda::<T>::insert(job.close_at(), (id, AgendaItem::Close), ());
		Jobs::<T>::insert(id, job);
		OpenJobs::<T>::insert(id, ());
		JobsOf::<T>::insert(&tenant, id, ());
		Self::deposit_event(Event::JobSubmitted {
			job: id,
			tenant,
			program: program_id,
			tasks,
			escrow: terms.escrow,
			open_until,
		});
		Ok(())
	}

	/// Checks a request and says what it means. Whether the tenant can afford it is not looked at.
	pub(crate) fn terms(request: &JobRequest, program: &ProgramOf<T>) -> Result<Terms, Error<T>> {
		request.validate(&program.manifest).map_err(Error::<T>::from)?;
		let needs = &request.requirements;
		ensure!(needs.regions.iter().all(|r| r.is_assigned()), Error::<T>::UnknownRegion);
		ensure!(needs.features.is_known(), Error::<T>::UnknownFeature);
		let within = |ticks: u32, max: u32| ticks > 0 && ticks <= max;
		ensure!(within(request.execution_ticks, T::MaxExecutionTicks::get()), Error::<T>::ExecutionTicks);
		ensure!(within(request.lifetime_ticks, T::MaxLifetimeTicks::get()), Error::<T>::LifetimeTicks);

		// At least one tick: what falls due is always in the future.
		let challenge_ticks = T::ChallengeTicks::get().max(1);
		let locked_ticks = request.execution_ticks.saturating_add(challenge_ticks);
		let floor = T::FeeFloorPerTick::get()
			.saturating_mul(locked_ticks.into())
			.saturating_add(T::FeeFloorBase::get());
		ensure!(request.opening_price >= floor, Error::<T>::FeeBelowFloor);
		let escrow =
			request.ceiling_price.checked_mul(request.tasks.into()).ok_or(Error::<T>::EscrowOverflow)?;
		let footprint = Self::job_footprint(request);
		Ok(Terms {
			floor,
			escrow,
			deposit: T::JobDeposit::convert(footprint),
			footprint,
			challenge_ticks,
			output_bytes: request.output_bytes(&program.manifest),
		})
	}

	/// All that a job of this request may ever store: its record, its places in the indices, the record and the place
	/// in the agenda of every task. One item of so many bytes.
	pub fn job_footprint(request: &JobRequest) -> Footprint {
		let tasks = usize::try_from(request.tasks).unwrap_or(usize::MAX);
		let index_bytes = KEY_BYTES.saturating_mul(3);
		let task_bytes = TaskOf::<T>::max_encoded_len()
			.saturating_add(AgendaItem::max_encoded_len())
			.saturating_add(KEY_BYTES.saturating_mul(2));
		let record_bytes = JobOf::<T>::max_encoded_len()
			.saturating_sub(JobRequest::max_encoded_len())
			.saturating_add(request.encoded_size())
			.saturating_add(KEY_BYTES);
		let bytes = task_bytes.saturating_mul(tasks).saturating_add(record_bytes).saturating_add(index_bytes);
		Footprint::from_parts(1, bytes)
	}

	/// What a program with this manifest stores. One item of so many bytes.
	pub fn program_footprint(manifest: &ProgramManifest) -> Footprint {
		let bytes = ProgramOf::<T>::max_encoded_len()
			.saturating_sub(ProgramManifest::max_encoded_len())
			.saturating_add(manifest.encoded_size())
			.saturating_add(KEY_BYTES);
		Footprint::from_parts(1, bytes)
	}
}

impl<T> From<ManifestError> for Error<T> {
	fn from(error: ManifestError) -> Self {
		match error {
			ManifestError::NoStages => Self::NoStages,
			ManifestError::NoOutputs => Self::NoOutputs,
			ManifestError::BadName => Self::BadName,
			ManifestError::UniformNotInput { .. } => Self::UniformNotInput,
			ManifestError::NoBindings { .. } => Self::NoBindings,
			ManifestError::UnknownBuffer { .. } => Self::UnknownBuffer,
			ManifestError::BadGroup { .. } => Self::BadGroup,
			ManifestError::DuplicateBinding { .. } => Self::DuplicateBinding,
			ManifestError::WritesInput { .. } => Self::WritesInput,
			ManifestError::UnwrittenOutput { .. } => Self::UnwrittenOutput,
			ManifestError::UnusedBuffer { .. } => Self::UnusedBuffer,
		}
	}
}

impl<T> From<RequestError> for Error<T> {
	fn from(error: RequestError) -> Self {
		match error {
			RequestError::TaskCount => Self::TaskCount,
			RequestError::BufferCount => Self::BufferCount,
			RequestError::BufferLength => Self::BufferLength,
			RequestError::DispatchCount => Self::DispatchCount,
			RequestError::DispatchSize => Self::DispatchSize,
			RequestError::SpecLength => Self::SpecLength,
			RequestError::SourceAddress => Self::SourceAddress,
			RequestError::CeilingBelowOpening => Self::CeilingBelowOpening,
		}
	}
}
