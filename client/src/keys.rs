// SPDX-License-Identifier: Apache-2.0

//! Keys: sr25519 key pairs of accounts and workers, from a phrase, a development URI or a key file.
//!
//! A key file holds one line: a phrase of 12 or 24 words or anything else that [`Key::from_uri`] reads. Only its owner
//! may read it.

use std::{
	fmt, io,
	path::{Path, PathBuf},
	str::FromStr,
};

use subxt::utils::{AccountId32, H256};
use subxt_signer::{ExposeSecret, SecretString, SecretUri, bip39::Mnemonic, sr25519::Keypair};
use tessera_primitives::{
	orders::{Order, WorkerSignature, signing_hash},
	provider::WorkerKey,
};

use crate::files;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
	/// What was given is no phrase, seed or URI. It is not repeated here, as it may be nearly a secret.
	#[error(
		"{what} is not a key: {reason}. Give a phrase of 12 or 24 words, a 0x seed of 64 hex digits, a development key like //Alice, or the path of a key file"
	)]
	Invalid {
		/// Where it came from.
		what: String,
		/// What is wrong with it.
		reason: String,
	},
	/// There is no such file.
	#[error("there is no key file {}: `tessera account new` makes one", .0.display())]
	NoFile(PathBuf),
	/// There is a file already, and keys are never overwritten.
	#[error("{} exists already, and a key is never overwritten: choose another path, or move it away", .0.display())]
	Exists(PathBuf),
	/// The file cannot be read or written.
	#[error("the key file {} cannot be used: {source}", path.display())]
	File {
		/// The file.
		path: PathBuf,
		/// Why.
		source: io::Error,
	},
	/// It is no account.
	#[error(
		"`{text}` is not an account: {reason}. Write its SS58 address, 0x and 64 hex digits, or a development key like //Alice"
	)]
	Account {
		/// As written.
		text: String,
		/// What is wrong with it.
		reason: String,
	},
}

/// An sr25519 key pair: of an account, which signs transactions, or of a worker, which signs orders.
#[derive(Clone)]
pub struct Key {
	pair: Keypair,
}

impl fmt::Debug for Key {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "Key({})", self.account())
	}
}

impl Key {
	/// The key that a user names: a URI when it starts with `//` or `0x` or has several words, else the path of a key
	/// file.
	pub fn load(name: &str) -> Result<Self, KeyError> {
		let name = name.trim();
		let is_path = name.starts_with('.') || (name.starts_with('/') && !name.starts_with("//"));
		if !is_path
			&& (name.starts_with("//") || name.starts_with("0x") || name.contains(char::is_whitespace))
		{
			Self::from_uri(name)
		} else {
			Self::from_file(Path::new(name))
		}
	}

	/// The key of a secret URI, as Substrate's tools know it: a phrase or a `0x` seed with derivation junctions
	/// (`//hard/soft`) and a password (`///password`); without a phrase the well-known development one, so `//Alice`.
	pub fn from_uri(uri: &str) -> Result<Self, KeyError> {
		Self::parse("this", uri)
	}

	/// The key in a file.
	pub fn from_file(path: &Path) -> Result<Self, KeyError> {
		let text = files::read_private(path).map_err(|source| match source.kind() {
			io::ErrorKind::NotFound => KeyError::NoFile(path.to_owned()),
			_ => KeyError::File { path: path.to_owned(), source },
		})?;
		Self::parse(&path.display().to_string(), SecretString::from(text).expose_secret())
	}

	/// Makes a new key and writes it to a file that only its owner may read. Returns the phrase of 12 words too, to be
	/// written down. Fails when there is such a file.
	pub fn create(path: &Path) -> Result<(Self, SecretString), KeyError> {
		let phrase = Mnemonic::generate(12)
			.map_err(|e| KeyError::Invalid { what: "a new phrase".into(), reason: e.to_string() })?;
		let phrase = SecretString::from(phrase.to_string());
		let key = Self::from_uri(phrase.expose_secret())?;
		let line = SecretString::from(format!("{}\n", phrase.expose_secret()));
		files::create_private(path, line.expose_secret().as_bytes()).map_err(|source| {
			match source.kind() {
				io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
				_ => KeyError::File { path: path.to_owned(), source },
			}
		})?;
		Ok((key, phrase))
	}

	/// The key in a file, which is made when there is none: for workers.
	pub fn open_or_create(path: &Path) -> Result<Self, KeyError> {
		match Self::from_file(path) {
			Err(KeyError::NoFile(_)) => match Self::create(path) {
				Ok((key, _)) => Ok(key),
				// Another process was faster.
				Err(KeyError::Exists(_)) => Self::from_file(path),
				Err(e) => Err(e),
			},
			result => result,
		}
	}

	fn parse(what: &str, uri: &str) -> Result<Self, KeyError> {
		let invalid = |reason: String| KeyError::Invalid { what: what.to_owned(), reason };
		let uri = SecretUri::from_str(uri.trim()).map_err(|e| invalid(e.to_string()))?;
		let pair = Keypair::from_uri(&uri).map_err(|e| invalid(e.to_string()))?;
		Ok(Self { pair })
	}

	/// The account of this key. Its `Display` is the SS58 address with the generic prefix 42.
	pub fn account(&self) -> AccountId32 {
		self.pair.public_key().to_account_id()
	}

	/// The public key, as a provider registers it for its worker.
	pub fn worker_key(&self) -> WorkerKey {
		WorkerKey::from(self.pair.public_key().0)
	}

	/// Signs 32 bytes: a hash of [`signing_hash`].
	pub fn sign_hash(&self, hash: &[u8; 32]) -> WorkerSignature {
		WorkerSignature::from(self.pair.sign(hash).0)
	}

	/// Signs an order for the chain with this genesis block.
	pub fn sign_order<O: Order>(&self, genesis: &H256, order: &O) -> WorkerSignature {
		self.sign_hash(&signing_hash(genesis, order))
	}

	/// What subxt signs transactions with.
	pub fn signer(&self) -> &Keypair {
		&self.pair
	}
}

/// An account as a user names it: an SS58 address of any prefix, 0x and 64 hex digits, or a development key.
pub fn parse_account(text: &str) -> Result<AccountId32, KeyError> {
	let text = text.trim();
	// Several words may be a phrase, given by mistake: a secret is not repeated.
	let shown = if text.contains(char::is_whitespace) { "…" } else { text };
	let wrong = |reason: String| KeyError::Account { text: shown.to_owned(), reason };
	if text.starts_with("//") {
		return Key::from_uri(text).map(|key| key.account()).map_err(|e| wrong(e.to_string()));
	}
	if let Some(digits) = text.strip_prefix("0x") {
		let mut bytes = [0u8; 32];
		hex::decode_to_slice(digits, &mut bytes).map_err(|e| wrong(e.to_string()))?;
		return Ok(AccountId32(bytes));
	}
	AccountId32::from_str(text).map_err(|e| wrong(e.to_string()))
}

/// 32 random bytes from the operating system's generator: a job's client id, say.
pub fn random_bytes() -> [u8; 32] {
	// 24 words are 32 bytes of entropy. The phrase generator is the one source of randomness in our dependencies that
	// has a public interface; it cannot fail with 24 words.
	let mut bytes = [0u8; 32];
	if let Ok(phrase) = Mnemonic::generate(24) {
		let (entropy, len) = phrase.to_entropy_array();
		debug_assert_eq!(len, 32);
		bytes.copy_from_slice(&entropy[..32]);
	}
	assert_ne!(bytes, [0; 32], "the operating system gives no randomness");
	bytes
}

#[cfg(test)]
mod tests {
	use tessera_primitives::{
		orders::{ClaimOrder, HandBackOrder},
		traits::verify_worker_signature,
	};

	use super::*;

	const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

	#[test]
	fn key_should_be_the_well_known_one_when_the_uri_is_a_development_one() {
		assert_eq!(Key::from_uri("//Alice").unwrap().account().to_string(), ALICE);
		assert_eq!(Key::load("//Alice").unwrap().account().to_string(), ALICE);
		assert_eq!(Key::load(&format!("{PHRASE}//Alice")).unwrap().account().to_string(), ALICE);
		let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
		assert_eq!(Key::load(seed).unwrap().account().to_string(), ALICE);
		assert_ne!(Key::load("//Bob").unwrap().account().to_string(), ALICE);
	}

	#[test]
	fn key_should_be_refused_without_repeating_it_when_it_is_wrong() {
		let swapped = PHRASE.replace("bottom", "walk");
		for wrong in [swapped.as_str(), "one two three", "0x1234", &format!("{PHRASE} more")] {
			let error = Key::load(wrong).unwrap_err();
			assert!(matches!(error, KeyError::Invalid { .. }), "{error}");
			assert!(!error.to_string().contains(wrong), "{error}");
			assert!(error.to_string().contains("//Alice"), "{error}");
		}
	}

	#[test]
	fn key_file_should_give_the_same_key_again() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("keys/account");
		let (key, phrase) = Key::create(&path).unwrap();
		assert_eq!(phrase.expose_secret().split(' ').count(), 12);
		assert_eq!(Key::from_file(&path).unwrap().account(), key.account());
		assert_eq!(Key::load(path.to_str().unwrap()).unwrap().account(), key.account());
		assert_eq!(Key::from_uri(phrase.expose_secret()).unwrap().account(), key.account());
		assert!(matches!(Key::create(&path).unwrap_err(), KeyError::Exists(_)));
		assert_eq!(Key::open_or_create(&path).unwrap().account(), key.account());
		let other = Key::open_or_create(&dir.path().join("other")).unwrap();
		assert_ne!(other.account(), key.account());
	}

	#[test]
	fn key_file_should_be_refused_when_it_is_missing_damaged_or_readable_by_others() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		let error = Key::load(path.to_str().unwrap()).unwrap_err();
		assert!(error.to_string().contains("tessera account new"), "{error}");
		files::create_private(&path, b"this is not a phrase").unwrap();
		assert!(matches!(Key::from_file(&path).unwrap_err(), KeyError::Invalid { .. }));
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
			let error = Key::from_file(&path).unwrap_err();
			assert!(error.to_string().contains("chmod 600"), "{error}");
		}
	}

	#[test]
	fn account_should_be_read_from_every_form() {
		let alice = Key::from_uri("//Alice").unwrap().account();
		for text in [ALICE, "//Alice", &format!("0x{}", hex::encode(alice.0)), " //Alice "] {
			assert_eq!(parse_account(text).unwrap(), alice);
		}
		// Polkadot's prefix, 0.
		assert_eq!(parse_account("15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5").unwrap(), alice);
		let typo = ALICE.replace('Q', "R");
		for wrong in ["", "0x12", "Alice", typo.as_str(), "//Alice////x///"] {
			match parse_account(wrong) {
				Err(KeyError::Account { .. }) => {}
				// A password is part of a URI, however odd.
				Ok(account) => assert!(wrong.starts_with("//") && account != alice),
				Err(e) => panic!("{e}"),
			}
		}
		let error = parse_account(PHRASE).unwrap_err();
		assert!(!error.to_string().contains("bottom"), "{error}");
	}

	#[test]
	fn signature_should_be_what_the_chain_verifies() {
		let worker = Key::from_uri("//Worker").unwrap();
		let genesis = H256::repeat_byte(3);
		let order =
			ClaimOrder { provider: AccountId32([1; 32]), last_block: 9u32, claims: Default::default() };
		let signature = worker.sign_order(&genesis, &order);
		let hash = signing_hash(&genesis, &order);
		assert!(verify_worker_signature(&signature, &hash, &worker.worker_key()));
		let other = Key::from_uri("//Other").unwrap();
		assert!(!verify_worker_signature(&signature, &hash, &other.worker_key()));
		let elsewhere = signing_hash(&H256::repeat_byte(4), &order);
		assert!(!verify_worker_signature(&signature, &elsewhere, &worker.worker_key()));
		let hand_back =
			HandBackOrder { provider: AccountId32([1; 32]), last_block: 9u32, tasks: Default::default() };
		assert!(!verify_worker_signature(
			&signature,
			&signing_hash(&genesis, &hand_back),
			&worker.worker_key()
		));
	}

	#[test]
	fn random_bytes_should_never_repeat() {
		assert_ne!(random_bytes(), random_bytes());
	}

	#[test]
	fn debug_should_not_show_the_secret() {
		assert_eq!(format!("{:?}", Key::from_uri("//Alice").unwrap()), format!("Key({ALICE})"));
	}
}
