// SPDX-License-Identifier: Apache-2.0

//! What every command needs.

use std::path::Path;

use tessera_client::{
	chain::{AccountId, Call, Chain, ConnectOptions, Level, TxOutcome, View},
	keys::{Key, parse_account},
};

use crate::{
	args::Global,
	data::{DEFAULT_KEY, DataDir},
	exit::{Failure, Outcome},
	output::Output,
};

/// What every command needs: where it writes, what it keeps, who signs, and which chain.
#[derive(Clone, Debug)]
pub struct Context {
	/// Where it writes.
	pub out: Output,
	/// What it keeps.
	pub data: DataDir,
	global: Global,
}

impl Context {
	/// From the command line.
	pub fn new(global: Global, out: Output) -> Outcome<Self> {
		let data = DataDir::new(global.data_dir.clone())?;
		Ok(Self { out, data, global })
	}

	/// Which blocks count.
	pub fn level(&self) -> Level {
		self.global.level()
	}

	/// Connects to the node.
	pub async fn connect(&self) -> Outcome<Chain> {
		let options =
			ConnectOptions { connect_timeout: self.global.connect_timeout, ..ConnectOptions::default() };
		let spinner = self.out.spinner(&format!("connecting to {}", self.global.url));
		let chain = Chain::connect(&self.global.url, options).await;
		spinner.finish_and_clear();
		Ok(chain?)
	}

	/// Connects to the node and reads the chain where [`Self::level`] says.
	pub async fn view(&self) -> Outcome<View> {
		let chain = self.connect().await?;
		Ok(chain.view(self.level()).await?)
	}

	/// The key that signs.
	pub fn signer(&self) -> Outcome<Key> {
		match &self.global.account {
			Some(name) => self.key(name).map_err(|failure| failure.during("--account")),
			None => {
				let path = self.data.key_file(DEFAULT_KEY)?;
				if !path.exists() {
					return Err(Failure::usage("this command signs a transaction, and no account is named")
						.help(
							"name one with --account or TESSERA_ACCOUNT, or make the key `default` with `tessera account new`",
						));
				}
				Ok(Key::from_file(&path)?)
			}
		}
	}

	/// The key that a user names: a secret URI, a key file, or a key of the data directory.
	pub fn key(&self, name: &str) -> Outcome<Key> {
		let name = name.trim();
		let uri = name.starts_with("//") || name.starts_with("0x") || name.contains(char::is_whitespace);
		if uri {
			return Ok(Key::from_uri(name)?);
		}
		if name.contains(['/', '\\', '.']) {
			return Ok(Key::from_file(Path::new(name))?);
		}
		let path = self.data.key_file(name)?;
		if path.exists() {
			return Ok(Key::from_file(&path)?);
		}
		if Path::new(name).is_file() {
			return Ok(Key::from_file(Path::new(name))?);
		}
		if parse_account(name).is_ok() {
			return Err(Failure::input(format!("{name} is an account's address, which cannot sign"))
				.help("name its key: a key of the data directory, a key file or a secret URI"));
		}
		let known = self.data.key_names()?;
		let keys = if known.is_empty() { "none".into() } else { known.join(", ") };
		Err(Failure::input(format!("there is no key `{name}` in {}", self.data.path().display())).help(
			format!(
				"keys there: {keys}; `tessera account new {name}` makes it, //Alice is a development key"
			),
		))
	}

	/// The account that a user names: a key of the data directory, an SS58 address, 0x and 64 hex digits, or a
	/// development key. Without a name: the one that signs.
	pub fn account(&self, named: Option<&str>) -> Outcome<AccountId> {
		let Some(name) = named else {
			if let Some(own) = &self.global.account
				&& !own.starts_with("//")
				&& !own.starts_with("0x")
				&& let Ok(account) = parse_account(own)
			{
				// To look at an account its address is enough.
				return Ok(account);
			}
			return Ok(self.signer()?.account());
		};
		let key_file = self.data.key_file(name).ok().filter(|path| path.exists());
		match key_file {
			Some(path) => Ok(Key::from_file(&path)?.account()),
			None => Ok(parse_account(name)?),
		}
	}

	/// Signs a call, sends it, and waits for a block as [`Self::level`] says.
	pub async fn submit(&self, chain: &Chain, call: &Call, signer: &Key) -> Outcome<TxOutcome> {
		let what = match self.level() {
			Level::Best => "in a block",
			Level::Final => "final",
		};
		let spinner = self.out.spinner(&format!("waiting until {} is {what}", call.name()));
		let outcome = chain.submit(call, signer.signer(), self.level()).await;
		spinner.finish_and_clear();
		Ok(outcome?)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{args::Cli, exit::Exit};
	use clap::Parser;

	const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

	fn context(dir: &Path, account: Option<&str>) -> Context {
		let mut line = vec!["tessera", "--data-dir", dir.to_str().unwrap()];
		line.extend(account.iter().flat_map(|account| ["--account", account]));
		line.push("market");
		let global = Cli::try_parse_from(line).unwrap().global;
		Context::new(global, Output::new(false, true)).unwrap()
	}

	#[test]
	fn signer_should_be_found_by_name_file_and_uri() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("keys/mine");
		let (key, _) = Key::create(&path).unwrap();
		let account = key.account();
		let signer = |name: &str| context(dir.path(), Some(name)).signer().map(|key| key.account());
		assert_eq!(signer("mine"), Ok(account));
		assert_eq!(signer(path.to_str().unwrap()), Ok(account));
		assert_eq!(signer("//Alice").unwrap().to_string(), ALICE);
		let failure = signer("yours").unwrap_err();
		assert_eq!(failure.exit, Exit::Input);
		assert!(failure.help.unwrap().contains("mine"));
		let failure = signer(ALICE).unwrap_err();
		assert!(failure.message.contains("cannot sign"), "{failure}");
	}

	#[test]
	fn signer_should_be_the_default_key_when_none_is_named() {
		let dir = tempfile::tempdir().unwrap();
		let failure = context(dir.path(), None).signer().unwrap_err();
		assert_eq!(failure.exit, Exit::Usage);
		let (key, _) = Key::create(&dir.path().join("keys/default")).unwrap();
		assert_eq!(context(dir.path(), None).signer().unwrap().account(), key.account());
	}

	#[test]
	fn account_should_need_no_key_to_be_looked_at() {
		let dir = tempfile::tempdir().unwrap();
		let context = context(dir.path(), Some(ALICE));
		assert_eq!(context.account(None).unwrap().to_string(), ALICE);
		assert_eq!(context.account(Some("//Alice")).unwrap().to_string(), ALICE);
		let (key, _) = Key::create(&dir.path().join("keys/mine")).unwrap();
		assert_eq!(context.account(Some("mine")).unwrap(), key.account());
		assert_eq!(context.account(Some("nobody")).unwrap_err().exit, Exit::Input);
	}
}
