// SPDX-License-Identifier: Apache-2.0

//! The calls that accounts sign, one function each. [`Chain::submit`](super::Chain::submit) sends them.

use std::sync::Arc;

use codec::{Compact, Encode};
use subxt::{
	client::OnlineClientAtBlockImpl,
	error::ExtrinsicError,
	ext::{
		scale_encode::{EncodeAsFields, Error as EncodeError},
		scale_type_resolver::{FieldIter, TypeResolver},
	},
	transactions::{StaticPayload, TransactionsClient},
	utils::MultiAddress,
};
use tessera_primitives::{
	Balance, JobId, ProgramId, TaskId,
	job::JobRequest,
	limits::{MAX_LIST, MAX_PACKAGE_BYTES, MAX_TASKS},
	program::{ProgramManifest, ProgramPackage},
	provider::{Profile, WorkerKey},
};

use super::{AccountId, ChainError, Config, H256, runtime};

pub(super) type Transactions = TransactionsClient<Config, OnlineClientAtBlockImpl<Config>>;

/// A call of the runtime, not yet signed.
#[derive(Clone)]
pub struct Call(Kind);

#[derive(Clone)]
enum Kind {
	One(Arc<dyn OneCall>),
	All(Vec<Call>),
}

trait OneCall: Send + Sync {
	fn name(&self) -> (String, String);
	/// Pallet index, call index and arguments, by the chain's metadata.
	fn encode(&self, transactions: &Transactions) -> Result<Vec<u8>, ExtrinsicError>;
}

impl<D: EncodeAsFields + Send + Sync> OneCall for StaticPayload<D> {
	fn name(&self) -> (String, String) {
		(self.pallet_name().into(), self.call_name().into())
	}

	fn encode(&self, transactions: &Transactions) -> Result<Vec<u8>, ExtrinsicError> {
		transactions.validate(self)?;
		transactions.call_data(self)
	}
}

/// Arguments that are encoded already.
pub(super) struct Encoded(Vec<u8>);

impl EncodeAsFields for Encoded {
	fn encode_as_fields_to<R: TypeResolver>(
		&self,
		_fields: &mut dyn FieldIter<'_, R::TypeId>,
		_types: &R,
		out: &mut Vec<u8>,
	) -> Result<(), EncodeError> {
		out.extend_from_slice(&self.0);
		Ok(())
	}
}

impl std::fmt::Debug for Call {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.debug_tuple("Call").field(&self.name()).finish()
	}
}

impl Call {
	pub(super) fn new(payload: StaticPayload<impl EncodeAsFields + Send + Sync + 'static>) -> Self {
		Self(Kind::One(Arc::new(payload)))
	}

	/// Its name, for example `Jobs.submit`.
	pub fn name(&self) -> String {
		match &self.0 {
			Kind::One(call) => {
				let (pallet, name) = call.name();
				format!("{pallet}.{name}")
			}
			Kind::All(calls) => {
				let names: Vec<_> = calls.iter().map(Self::name).collect();
				format!("all of {}", names.join(", "))
			}
		}
	}

	/// The call with its arguments encoded by the chain's metadata.
	pub(super) fn payload(&self, transactions: &Transactions) -> Result<StaticPayload<Encoded>, ChainError> {
		Ok(match &self.0 {
			Kind::One(call) => {
				let (pallet, name) = call.name();
				StaticPayload::new(pallet, name, Encoded(call.encode(transactions)?.split_off(2)))
			}
			// By hand: the metadata's shape of this call changes with any call of any pallet.
			Kind::All(calls) => {
				let count = u32::try_from(calls.len()).map_err(|_| ChainError::other("too many calls"))?;
				let mut arguments = Compact(count).encode();
				for call in calls {
					let payload = call.payload(transactions)?;
					arguments.extend(transactions.call_data(&payload)?);
				}
				StaticPayload::new("Utility", "batch_all", Encoded(arguments))
			}
		})
	}
}

/// All of these or none, in order, as one transaction.
pub fn all(calls: Vec<Call>) -> Call {
	Call(Kind::All(calls))
}

/// Sends `amount` planck to an account, and never the sender's last.
pub fn transfer(to: &AccountId, amount: Balance) -> Call {
	Call::new(runtime::tx().balances().transfer_keep_alive(MultiAddress::Id(*to), amount))
}

/// Registers the signer as a provider.
pub fn register_provider(profile: Profile) -> Call {
	Call::new(runtime::tx().providers().register(profile.into()))
}

/// Publishes another profile of the signer.
pub fn update_profile(profile: Profile) -> Call {
	Call::new(runtime::tx().providers().update_profile(profile.into()))
}

/// Sets the key that signs the provider's orders.
pub fn set_worker_key(key: &WorkerKey) -> Call {
	Call::new(runtime::tx().providers().set_worker_key(key.0))
}

/// Adds `amount` planck to the signer's bond.
pub fn bond(amount: Balance) -> Call {
	Call::new(runtime::tx().providers().bond(amount))
}

/// Takes `amount` planck out of the signer's free bond.
pub fn unbond(amount: Balance) -> Call {
	Call::new(runtime::tx().providers().unbond(amount))
}

/// Frees the unbonded stake that is due.
pub fn withdraw_unbonded() -> Call {
	Call::new(runtime::tx().providers().withdraw_unbonded())
}

/// Takes no new tasks.
pub fn pause() -> Call {
	Call::new(runtime::tx().providers().pause())
}

/// Takes new tasks again.
pub fn resume() -> Call {
	Call::new(runtime::tx().providers().resume())
}

/// Ends the signer as a provider.
pub fn deregister() -> Call {
	Call::new(runtime::tx().providers().deregister())
}

/// Registers a program by its package, which stays off the chain.
pub fn register_program(package: &ProgramPackage) -> Call {
	// A package is at most MAX_PACKAGE_BYTES, which its constructors check.
	let bytes = u64::try_from(package.encoded_size()).unwrap_or(MAX_PACKAGE_BYTES);
	register_program_manifest(package.id(), bytes, package.manifest.clone())
}

/// Registers a program by what the chain holds of it: id, length of the package in bytes, manifest.
pub fn register_program_manifest(id: ProgramId, bytes: u64, manifest: ProgramManifest) -> Call {
	Call::new(runtime::tx().jobs().register_program(id, bytes, manifest.into()))
}

/// Removes the signer's program, which no job may use.
pub fn retire_program(id: ProgramId) -> Call {
	Call::new(runtime::tx().jobs().retire_program(id))
}

/// Submits a job. [`Chain::submit_job`](super::Chain::submit_job) does it, and says when it was done before.
pub fn submit_job(client_id: H256, request: JobRequest) -> Call {
	Call::new(runtime::tx().jobs().submit(client_id, request.into()))
}

/// Ends the open tasks of the signer's job.
pub fn cancel(job: JobId) -> Call {
	Call::new(runtime::tx().jobs().cancel(job))
}

/// Closes anybody's job whose lifetime is over.
pub fn close(job: JobId) -> Call {
	Call::new(runtime::tx().jobs().close(job))
}

/// Pays claimed tasks whose challenge window is over: 1 to 100.
pub fn settle(tasks: Vec<TaskId>) -> Result<Call, ChainError> {
	check_list("Jobs.settle", tasks.len())?;
	let tasks = runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec(tasks);
	Ok(Call::new(runtime::tx().jobs().settle(tasks)))
}

/// Takes tasks from providers that missed the deadline: 1 to 100.
pub fn expire(tasks: Vec<TaskId>) -> Result<Call, ChainError> {
	check_list("Jobs.expire", tasks.len())?;
	let tasks = runtime::runtime_types::bounded_collections::bounded_vec::BoundedVec(tasks);
	Ok(Call::new(runtime::tx().jobs().expire(tasks)))
}

/// Removes the record of an ended job, with all its tasks, and returns the deposit to its tenant.
pub fn clean_up(job: JobId) -> Call {
	Call::new(runtime::tx().jobs().clean_up(job, MAX_TASKS))
}

/// Fails when a list is empty or longer than one call may take.
pub(super) fn check_list(what: &str, found: usize) -> Result<(), ChainError> {
	if (1..=MAX_LIST as usize).contains(&found) {
		return Ok(());
	}
	Err(ChainError::ListLength { what: what.into(), found, max: MAX_LIST })
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn call_should_have_the_name_of_the_runtime() {
		assert_eq!(bond(1).name(), "Providers.bond");
		let both = all(vec![transfer(&subxt::utils::AccountId32([1; 32]), 5), pause()]);
		assert_eq!(both.name(), "all of Balances.transfer_keep_alive, Providers.pause");
	}

	#[test]
	fn list_should_be_refused_when_it_is_empty_or_too_long() {
		let task = (H256::zero(), 0);
		assert!(settle(vec![task; 100]).is_ok());
		let text = settle(vec![task; 101]).unwrap_err().to_string();
		assert!(text.contains("101") && text.contains("split"), "{text}");
		let text = expire(Vec::new()).unwrap_err().to_string();
		assert!(text.contains("Jobs.expire") && text.contains("name some"), "{text}");
	}
}
