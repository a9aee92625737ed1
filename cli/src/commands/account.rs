// SPDX-License-Identifier: Apache-2.0

//! `tessera account`.

use std::{fs, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;
use tessera_client::{
	chain::{AccountId, HoldKind, calls},
	keys::Key,
};
use tessera_primitives::Balance;

use super::send;
use crate::{
	args::amount,
	context::Context,
	data::DEFAULT_KEY,
	exit::{Failure, Outcome},
	output::{
		shapes::{Account, BalanceShape},
		table,
	},
};

/// What to do with accounts.
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
	/// Make a key and keep it in the data directory, readable by its user alone
	New {
		/// Its name: letters, digits, - and _.
		#[arg(default_value = DEFAULT_KEY, value_name = "NAME")]
		name: String,
	},
	/// Show an account's address and public key
	Show {
		/// A key's name, an address, or a development key; without it, the account that signs.
		#[arg(value_name = "ACCOUNT")]
		who: Option<String>,
	},
	/// Show what an account has: free, and on hold by reason
	Balance {
		/// A key's name, an address, or a development key; without it, the account that signs.
		#[arg(value_name = "ACCOUNT")]
		who: Option<String>,
	},
	/// Send tokens to another account, but never the sender's last
	Transfer {
		/// To whom: a key's name, an address, or a development key.
		#[arg(value_name = "ACCOUNT")]
		to: String,
		/// How much, with its unit: 0.5TESS, "20 mTESS", 5planck.
		#[arg(value_parser = amount, value_name = "AMOUNT")]
		amount: Balance,
	},
	/// List the keys of the data directory
	List,
}

/// An account on this machine.
#[derive(Serialize)]
struct Known {
	/// The key's name; `null` for accounts that have no key here.
	name: Option<String>,
	account: Account,
	/// `0x` and 64 hex digits.
	public_key: String,
}

/// A key that was just made.
#[derive(Serialize)]
struct Made {
	#[serde(flatten)]
	known: Known,
	file: PathBuf,
	/// The 12 words from which the key can be made again.
	phrase: String,
}

/// The keys of the data directory.
#[derive(Serialize)]
struct Keys {
	accounts: Vec<Known>,
	/// Keys that cannot be read, and why.
	unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Unreadable {
	name: String,
	reason: String,
}

impl Known {
	fn new(name: Option<String>, account: AccountId) -> Self {
		Self { name, account: Account(account), public_key: format!("0x{}", hex::encode(account.0)) }
	}
}

/// Runs `tessera account`.
pub async fn run(command: AccountCommand, ctx: &Context) -> Outcome {
	match command {
		AccountCommand::New { name } => new(ctx, &name),
		AccountCommand::Show { who } => {
			let known = Known::new(None, ctx.account(who.as_deref())?);
			ctx.out.result(&known, || {
				table::pairs([
					("account", table::account(&known.account.0)),
					("public key", known.public_key.clone()),
				])
			});
			Ok(())
		}
		AccountCommand::Balance { who } => {
			let account = ctx.account(who.as_deref())?;
			let view = ctx.view().await?;
			let balance = view.balance(&account).await?;
			let shape = BalanceShape::new(account, &balance, view.existential_deposit()?);
			ctx.out.result(&shape, || describe(&shape));
			Ok(())
		}
		AccountCommand::Transfer { to, amount } => {
			if amount == 0 {
				return Err(Failure::usage("nothing would be sent: the amount is zero"));
			}
			let to = ctx.account(Some(&to))?;
			let done = format!("sent {} to {to}", table::amount(amount));
			send(ctx, calls::transfer(&to, amount), &done).await.map(drop)
		}
		AccountCommand::List => list(ctx),
	}
}

fn new(ctx: &Context, name: &str) -> Outcome {
	let file = ctx.data.key_file(name)?;
	let (key, _) = Key::create(&file)?;
	// The file holds the phrase and nothing else.
	let phrase = fs::read_to_string(&file).map_err(|e| Failure::io("read", &file, &e))?.trim().to_owned();
	let made = Made { known: Known::new(Some(name.to_owned()), key.account()), file, phrase };
	ctx.out.result(&made, || {
		table::pairs([
			("account", table::account(&made.known.account.0)),
			("key", format!("{name}, in {}", made.file.display())),
			("phrase", made.phrase.clone()),
		])
	});
	ctx.out.note("write the phrase down and keep it secret: whoever has it has the account, and without it a lost file is lost");
	Ok(())
}

fn list(ctx: &Context) -> Outcome {
	let mut keys = Keys { accounts: Vec::new(), unreadable: Vec::new() };
	for name in ctx.data.key_names()? {
		match Key::from_file(&ctx.data.key_file(&name)?) {
			Ok(key) => keys.accounts.push(Known::new(Some(name), key.account())),
			Err(error) => keys.unreadable.push(Unreadable { name, reason: error.to_string() }),
		}
	}
	ctx.out.result(&keys, || {
		let mut table = table::table(["NAME", "ACCOUNT"]);
		for known in &keys.accounts {
			table.add_row([known.name.clone().unwrap_or_default(), table::account(&known.account.0)]);
		}
		table::text_or(&table, "there are no keys: `tessera account new` makes one")
	});
	if !ctx.out.is_json() {
		for Unreadable { reason, .. } in &keys.unreadable {
			ctx.out.warn(reason);
		}
	}
	Ok(())
}

fn describe(balance: &BalanceShape) -> String {
	let mut text = table::pairs([
		("account", table::account(&balance.account.0)),
		(
			"free",
			format!(
				"{} ({} can be spent)",
				table::amount(balance.free.0),
				table::amount(balance.spendable.0)
			),
		),
		("on hold", table::amount(balance.on_hold.0)),
		("total", table::amount(balance.total.0)),
	]);
	let mut holds = table::table(["ON HOLD FOR", ">AMOUNT"]);
	for hold in &balance.holds {
		holds.add_row([reason(&hold.reason), table::amount(hold.amount.0)]);
	}
	if !holds.is_empty() {
		text.push_str(&format!("\n\n{}", table::text_or(&holds, "")));
	}
	if balance.frozen.0 > 0 {
		text.push_str(&format!("\n{} of it is frozen and cannot be sent", table::amount(balance.frozen.0)));
	}
	text
}

/// Why tokens are on hold, for people.
fn reason(kind: &HoldKind) -> String {
	match kind {
		HoldKind::Escrow => "escrow of jobs".into(),
		HoldKind::JobDeposit => "deposit for jobs".into(),
		HoldKind::ProgramDeposit => "deposit for programs".into(),
		HoldKind::Bond => "bond as a provider".into(),
		HoldKind::ProfileDeposit => "deposit for the provider's profile".into(),
		HoldKind::Other(name) => name.clone(),
		other => format!("{other:?}"),
	}
}
