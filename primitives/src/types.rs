// SPDX-License-Identifier: Apache-2.0

//! Plain units and identifiers.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::BoundedVec;
use scale_info::TypeInfo;
#[cfg(feature = "std")]
use serde::{Deserialize, Serialize};
use sp_core::H256;

use crate::limits::{MaxAddress, MaxAddresses};

/// An amount of TESS in planck: 1 TESS = 10^12 planck.
pub type Balance = u128;

/// One TESS in planck.
pub const TESS: Balance = 1_000_000_000_000;

/// The chain's clock for every deadline: about one tick a block. It stands still while migrations run and, for a
/// bounded time, while blocks are full, so that nobody misses a deadline because he could not get into a block.
pub type Tick = u32;

/// A program: the BLAKE3 hash of its package ([`crate::program::ProgramPackage`]).
pub type ProgramId = H256;

/// A job: [`job_id`] of its tenant and the id that the tenant's client chose.
pub type JobId = H256;

/// Index of a task in its job, from 0.
pub type TaskIndex = u32;

/// A task: its job and its index there.
pub type TaskId = (JobId, TaskIndex);

/// The id of a job: known to the client before it submits, so that a retried submission never pays twice.
pub fn job_id<AccountId: Encode>(tenant: &AccountId, client_id: &H256) -> JobId {
	H256(sp_crypto_hashing::blake2_256(&(b"tessera/job", tenant, client_id).encode()))
}

/// A blob outside the chain: the BLAKE3 hash under which anyone may fetch and verify it, and its length in bytes.
#[derive(
	Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "std", derive(Serialize, Deserialize))]
pub struct BlobRef {
	/// BLAKE3 hash of the bytes.
	pub hash: H256,
	/// Length in bytes.
	pub bytes: u64,
}

impl BlobRef {
	/// The reference of these bytes.
	pub fn of(data: &[u8]) -> Self {
		// A slice's length is at most `isize::MAX`, which fits u64 on every target.
		let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
		Self { hash: blake3_hash(data), bytes }
	}
}

/// BLAKE3 of some bytes, the one hash of all blobs (design: "Buffers and blobs").
pub fn blake3_hash(data: &[u8]) -> H256 {
	H256(*blake3::hash(data).as_bytes())
}

/// Where blobs can be fetched: an iroh endpoint, and addresses for those who wish to publish them. Without
/// addresses the endpoint is found by iroh's own discovery.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct EndpointInfo {
	/// Ed25519 public key of the iroh endpoint.
	pub key: [u8; 32],
	/// `ip:port` socket addresses or relay URLs, as text.
	pub addresses: BoundedVec<BoundedVec<u8, MaxAddress>, MaxAddresses>,
}

impl EndpointInfo {
	/// The addresses as text; those that are not UTF-8 are left out.
	pub fn addresses_text(&self) -> Vec<alloc::string::String> {
		self.addresses.iter().filter_map(|a| core::str::from_utf8(a).ok().map(Into::into)).collect()
	}
}

/// A country as an ISO 3166-1 alpha-2 code in capitals, for example `DE`.
#[derive(
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Region(pub [u8; 2]);

impl Region {
	/// Whether ISO 3166-1 has assigned this code.
	pub fn is_assigned(&self) -> bool {
		ISO_3166.as_chunks::<2>().0.binary_search(&self.0).is_ok()
	}

	/// The code as text; `??` when it is not ASCII.
	pub fn as_str(&self) -> &str {
		core::str::from_utf8(&self.0).unwrap_or("??")
	}
}

/// The officially assigned ISO 3166-1 alpha-2 codes, sorted, two bytes each.
const ISO_3166: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn region_should_be_assigned_when_iso_3166_lists_it() {
		for code in [b"AD", b"DE", b"US", b"ZW"] {
			assert!(Region(*code).is_assigned());
		}
		for code in [b"XX", b"de", b"AA", b"UK", b"\0\0"] {
			assert!(!Region(*code).is_assigned());
		}
	}

	#[test]
	fn region_table_should_hold_249_sorted_codes() {
		let codes = ISO_3166.as_chunks::<2>().0;
		assert_eq!(codes.len(), 249);
		assert!(codes.windows(2).all(|w| w[0] < w[1]));
	}

	#[test]
	fn job_id_should_differ_when_tenant_or_client_id_differ() {
		let (a, b) = ([1u8; 32], [2u8; 32]);
		let id = job_id(&a, &H256::zero());
		assert_ne!(id, job_id(&b, &H256::zero()));
		assert_ne!(id, job_id(&a, &H256::repeat_byte(1)));
		assert_eq!(id, job_id(&a, &H256::zero()));
	}
}
