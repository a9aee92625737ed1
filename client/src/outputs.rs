// SPDX-License-Identifier: Apache-2.0

//! A task's outputs: checked against what its provider committed to on chain, and laid out as files.
//!
//! On chain stands the claim's root, the hash of a [`ClaimList`]; that lists the hashes of the output buffers, whose
//! lengths are the job's. So from the root alone everything is verified, whoever delivers it.

use std::path::{Path, PathBuf};

use codec::{DecodeAll, Encode};
use subxt::utils::H256;
use tessera_primitives::{
	job::ClaimList,
	types::{BlobRef, EndpointInfo, TaskIndex},
};

use crate::{
	blobs::{BlobError, BlobNode, FetchError, FetchOptions},
	manifest::OutputBuffer,
};

/// Why outputs are not what the claim says.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
	/// The list does not hash to the claim's root.
	#[error(
		"the list of outputs does not match the claim: its hash is {found:?}, the claim's root is {root:?}"
	)]
	Root {
		/// On chain.
		root: H256,
		/// Of the list.
		found: H256,
	},
	/// The list matches the root, but is not one of this job's: the provider committed to something else.
	#[error(
		"the claim {root:?} does not list the job's {expected} output buffers: {reason}. The provider claimed something that is no result of this job"
	)]
	List {
		/// On chain.
		root: H256,
		/// Number of output buffers.
		expected: usize,
		/// What it is.
		reason: String,
	},
	/// An output has another length or hash.
	#[error("output `{name}` of task {task} is not what was claimed: {reason}")]
	Output {
		/// The task.
		task: TaskIndex,
		/// The buffer.
		name: String,
		/// What differs.
		reason: String,
	},
	/// It could not be fetched.
	#[error("output `{name}` of task {task}: {source}")]
	Fetch {
		/// The task.
		task: TaskIndex,
		/// The buffer, or the claim's list itself.
		name: String,
		/// Why.
		source: FetchError,
	},
	/// It could not be written.
	#[error(transparent)]
	Store(#[from] BlobError),
}

impl OutputError {
	/// Whether the provider is at fault: it does not deliver what it claimed.
	pub fn is_providers_fault(&self) -> bool {
		match self {
			Self::Root { .. } | Self::List { .. } | Self::Output { .. } => true,
			Self::Fetch { source, .. } => source.is_sources_fault(),
			Self::Store(_) => false,
		}
	}
}

/// The blob that a claim's root names, for a job with this many output buffers: its length follows from their number.
pub fn claim_list_blob(root: H256, outputs: usize) -> BlobRef {
	let list = ClaimList { outputs: vec![H256::zero(); outputs] };
	BlobRef { hash: root, bytes: list.encoded_size() as u64 }
}

/// The output blobs of a task: checks the list's bytes against the root, and its form against the job.
pub fn output_blobs(root: H256, list: &[u8], outputs: &[OutputBuffer]) -> Result<Vec<BlobRef>, OutputError> {
	let found = BlobRef::of(list).hash;
	if found != root {
		return Err(OutputError::Root { root, found });
	}
	let wrong = |reason: String| OutputError::List { root, expected: outputs.len(), reason };
	let decoded = ClaimList::decode_all(&mut &*list).map_err(|e| wrong(e.to_string()))?;
	if decoded.outputs.len() != outputs.len() {
		return Err(wrong(format!("it lists {}", decoded.outputs.len())));
	}
	let hashes = decoded.outputs.into_iter().zip(outputs);
	Ok(hashes.map(|(hash, output)| BlobRef { hash, bytes: output.bytes }).collect())
}

/// Checks the bytes of one output.
pub fn check_output(
	task: TaskIndex,
	output: &OutputBuffer,
	blob: &BlobRef,
	data: &[u8],
) -> Result<(), OutputError> {
	let wrong = |reason: String| OutputError::Output { task, name: output.name.clone(), reason };
	let found = BlobRef::of(data);
	if found.bytes != blob.bytes {
		return Err(wrong(format!("it has {} bytes, the job says {}", found.bytes, blob.bytes)));
	}
	if found.hash != blob.hash {
		return Err(wrong(format!("its hash is {:?}, the claim says {:?}", found.hash, blob.hash)));
	}
	Ok(())
}

/// Where the output of a task goes: `DIR/<task>/<buffer>.bin`. A buffer's name can be any text; what is not a letter,
/// digit, `-`, `_` or an inner dot is written as `%` and two hex digits, so that no name leaves the directory.
pub fn output_path(dir: &Path, task: TaskIndex, name: &str) -> PathBuf {
	let mut file = String::new();
	for (at, byte) in name.bytes().enumerate() {
		match byte {
			b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(char::from(byte)),
			b'.' if at > 0 => file.push('.'),
			_ => file.push_str(&format!("%{byte:02X}")),
		}
	}
	dir.join(task.to_string()).join(format!("{file}.bin"))
}

/// Fetches the outputs of a task from those who have them, checks them and writes them to
/// [`output_path`]s. Returns the paths, in the order of `outputs`. The blobs are kept under the label.
///
/// `options.timeout` counts for each blob.
pub async fn fetch_outputs(
	node: &BlobNode,
	label: &str,
	task: TaskIndex,
	root: H256,
	outputs: &[OutputBuffer],
	sources: &[EndpointInfo],
	options: FetchOptions<'_>,
	dir: &Path,
) -> Result<Vec<PathBuf>, OutputError> {
	let list = claim_list_blob(root, outputs.len());
	let fetch_error = |name: &str, source| OutputError::Fetch { task, name: name.to_owned(), source };
	// Progress is about the outputs: the list is a few bytes.
	let quiet = FetchOptions { progress: None, ..options };
	node.fetch(label, &list, sources, quiet).await.map_err(|e| fetch_error("claim list", e))?;
	let blobs = output_blobs(root, &node.get(&list).await?, outputs)?;
	let mut paths = Vec::new();
	for (blob, output) in blobs.iter().zip(outputs) {
		node.fetch(label, blob, sources, options).await.map_err(|e| fetch_error(&output.name, e))?;
		let path = output_path(dir, task, &output.name);
		// The store verifies hash and length while it writes.
		node.export(blob, &path).await?;
		paths.push(path);
	}
	Ok(paths)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::blobs::BlobConfig;

	fn buffers() -> Vec<OutputBuffer> {
		vec![
			OutputBuffer { name: "logits".into(), bytes: 8 },
			OutputBuffer { name: "../../etc/passwd".into(), bytes: 4 },
		]
	}

	fn claim(outputs: &[&[u8]]) -> (H256, Vec<u8>) {
		let list = ClaimList { outputs: outputs.iter().map(|o| BlobRef::of(o).hash).collect() };
		(list.root(), list.encode())
	}

	#[test]
	fn output_blobs_should_have_the_jobs_lengths_when_the_list_matches_the_root() {
		let (root, list) = claim(&[&[1; 8], &[2; 4]]);
		assert_eq!(claim_list_blob(root, 2), BlobRef::of(&list));
		let blobs = output_blobs(root, &list, &buffers()).unwrap();
		assert_eq!(blobs, [BlobRef::of(&[1; 8]), BlobRef::of(&[2; 4])]);
		assert!(check_output(0, &buffers()[0], &blobs[0], &[1; 8]).is_ok());
	}

	#[test]
	fn claim_list_blob_should_know_the_length_for_every_number_of_outputs() {
		for n in 0..=16 {
			let list = ClaimList { outputs: vec![H256::repeat_byte(9); n] };
			assert_eq!(claim_list_blob(list.root(), n), BlobRef::of(&list.encode()));
		}
	}

	#[test]
	fn list_should_be_refused_when_it_is_not_the_claimed_one() {
		let (root, list) = claim(&[&[1; 8], &[2; 4]]);
		let (other, _) = claim(&[&[1; 8], &[3; 4]]);
		assert!(matches!(output_blobs(other, &list, &buffers()).unwrap_err(), OutputError::Root { .. }));
		let mut longer = list.clone();
		longer.push(0);
		assert!(matches!(output_blobs(root, &longer, &buffers()).unwrap_err(), OutputError::Root { .. }));
	}

	#[test]
	fn claim_should_be_refused_when_its_list_is_not_one_of_the_job() {
		let refused = |root, list: &[u8]| {
			let error = output_blobs(root, list, &buffers()).unwrap_err();
			assert!(matches!(error, OutputError::List { .. }), "{error}");
			assert!(error.is_providers_fault());
		};
		let (root, list) = claim(&[&[1; 8]]);
		refused(root, &list);
		let rubbish = [0xff; 5];
		refused(BlobRef::of(&rubbish).hash, &rubbish);
		let (_, mut trailing) = claim(&[&[1; 8], &[2; 4]]);
		trailing.push(0);
		refused(BlobRef::of(&trailing).hash, &trailing);
	}

	#[test]
	fn output_should_be_refused_when_its_length_or_hash_differs() {
		let output = &buffers()[0];
		let blob = BlobRef::of(&[1; 8]);
		for (data, reason) in [(&[1u8; 4][..], "4 bytes"), (&[2; 8], "hash")] {
			let error = check_output(7, output, &blob, data).unwrap_err();
			let shown = error.to_string();
			assert!(shown.contains("`logits` of task 7") && shown.contains(reason), "{shown}");
			assert!(error.is_providers_fault());
		}
	}

	#[test]
	fn output_path_should_stay_in_its_directory_whatever_the_name() {
		let dir = Path::new("out");
		assert_eq!(output_path(dir, 3, "logits"), Path::new("out/3/logits.bin"));
		assert_eq!(output_path(dir, 3, "a.b-c_D9"), Path::new("out/3/a.b-c_D9.bin"));
		assert_eq!(output_path(dir, 0, "../x"), Path::new("out/0/%2E.%2Fx.bin"));
		assert_eq!(output_path(dir, 0, ".hidden"), Path::new("out/0/%2Ehidden.bin"));
		assert_eq!(output_path(dir, 0, "a%2Fb"), Path::new("out/0/a%252Fb.bin"));
		assert_eq!(output_path(dir, 0, "größe"), Path::new("out/0/gr%C3%B6%C3%9Fe.bin"));
		for name in ["../../etc/passwd", "/etc/passwd", "..", ".", "a\\b", "C:x", "a\0b"] {
			let path = output_path(dir, 1, name);
			assert_eq!(path.parent(), Some(Path::new("out/1")), "{name}");
			assert_eq!(path.components().count(), 3, "{name}");
		}
	}

	#[tokio::test(flavor = "multi_thread")]
	async fn outputs_should_be_fetched_checked_and_written() {
		let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
		let provider = BlobNode::open(BlobConfig::local(dirs[0].path())).await.unwrap();
		let tenant = BlobNode::open(BlobConfig::local(dirs[1].path())).await.unwrap();
		let data: [&[u8]; 2] = [&[1; 8], &[2; 4]];
		let (root, list) = claim(&data);
		provider.add_bytes("task", list).await.unwrap();
		for output in data {
			provider.add_bytes("task", output.to_vec()).await.unwrap();
		}
		let sources = [provider.endpoint_info()];
		let options = FetchOptions::default();
		let out = dirs[2].path();
		let paths = fetch_outputs(&tenant, "job", 5, root, &buffers(), &sources, options, out).await.unwrap();
		assert_eq!(paths, [output_path(out, 5, "logits"), output_path(out, 5, "../../etc/passwd")]);
		for (path, data) in paths.iter().zip(data) {
			assert_eq!(std::fs::read(path).unwrap(), data);
		}

		// An output that the provider does not have, and one whose length is not the job's.
		let (root, list) = claim(&[&[1; 8], &[3; 4]]);
		provider.add_bytes("task", list).await.unwrap();
		let error =
			fetch_outputs(&tenant, "job", 6, root, &buffers(), &sources, options, out).await.unwrap_err();
		assert!(matches!(&error, OutputError::Fetch { task: 6, name, .. } if name == "../../etc/passwd"));
		assert!(error.is_providers_fault());
		let (root, list) = claim(&[&[2; 4], &[2; 4]]);
		provider.add_bytes("task", list).await.unwrap();
		let error =
			fetch_outputs(&tenant, "job", 7, root, &buffers(), &sources, options, out).await.unwrap_err();
		assert!(matches!(&error, OutputError::Fetch { name, .. } if name == "logits"), "{error}");
		assert!(error.is_providers_fault());
	}
}
