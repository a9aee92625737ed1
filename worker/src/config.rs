// SPDX-License-Identifier: Apache-2.0

//! The settings of a worker: a TOML file, and flags that go before it. Unknown keys are errors, and every error names
//! the file, the line and what to write instead.

use std::{
	collections::BTreeSet,
	marker::PhantomData,
	net::SocketAddr,
	path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Deserializer, de};
use tessera_client::{
	blobs::Relay,
	chain::AccountId,
	keys::parse_account,
	manifest::{
		parse_hash,
		units::{parse_amount, parse_bytes},
	},
};
use tessera_primitives::{Balance, ProgramId, Region, TESS};

use crate::{adapters::AdapterSelector, policy::Policy};

/// A configuration file with every key explained; what is commented out are the values that count without it.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// The node that is asked when none is named.
const DEFAULT_URL: &str = "ws://127.0.0.1:9944";
/// Most tasks held at a time: what one order can list.
const MAX_TASKS: u32 = tessera_primitives::limits::MAX_LIST;
/// Most tasks on the GPU at a time.
const MAX_AT_ONCE: u32 = 16;

/// Everything that can be set.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
	/// The node's WebSocket address.
	pub url: String,
	/// Keys, journal, blobs, scratch files.
	pub data_dir: PathBuf,
	/// The provider's account; `None`: the one that `register` remembered.
	pub provider: Option<AccountId>,
	/// Where the machine stands.
	pub region: Option<Region>,
	/// The GPU.
	pub adapter: AdapterSelector,
	/// How blobs are served.
	pub blobs: BlobSettings,
	/// Which tasks are taken.
	pub policy: Policy,
	/// How tasks are worked on.
	pub tasks: TaskSettings,
}

/// How blobs are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobSettings {
	/// Addresses to listen on.
	pub listen: Vec<SocketAddr>,
	/// Addresses to publish instead of those.
	pub advertise: Vec<SocketAddr>,
	/// Relays.
	pub relay: Relay,
	/// Whether to use the public address book of iroh's makers.
	pub discovery: bool,
	/// For how many ticks after settlement outputs are served.
	pub keep_ticks: u32,
}

impl Default for BlobSettings {
	fn default() -> Self {
		Self {
			listen: vec![SocketAddr::from(([0, 0, 0, 0], 0))],
			advertise: Vec::new(),
			relay: Relay::Disabled,
			discovery: false,
			keep_ticks: 1200,
		}
	}
}

/// How tasks are worked on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskSettings {
	/// Tasks held at a time: taken and not yet computed.
	pub max: u32,
	/// Tasks on the GPU at a time.
	pub at_once: u32,
	/// Memory of the GPU process beside the task's buffers, bytes; `None`: unlimited.
	pub memory_overhead: Option<u64>,
}

impl Default for TaskSettings {
	fn default() -> Self {
		Self { max: 4, at_once: 1, memory_overhead: Some(2 << 30) }
	}
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
	/// The file cannot be read.
	#[error("the configuration file {} cannot be read: {source}. `tessera-worker example-config` prints one", path.display())]
	Read {
		/// The file.
		path: PathBuf,
		/// Why.
		source: std::io::Error,
	},
	/// Something in it is wrong.
	#[error("{}:{line}: {message}", path.display())]
	Content {
		/// The file.
		path: PathBuf,
		/// The line, from 1.
		line: usize,
		/// What is wrong.
		message: String,
	},
	/// A value that does not fit, from the file or a flag.
	#[error("{0}")]
	Value(String),
}

/// Flags that go before the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
	/// The configuration file [default: tessera/worker.toml in the user's configuration directory, if it exists].
	#[arg(long, value_name = "FILE", env = "TESSERA_WORKER_CONFIG")]
	pub config: Option<PathBuf>,
	/// WebSocket address of a node [default: ws://127.0.0.1:9944].
	#[arg(long, alias = "chain", value_name = "URL", env = "TESSERA_URL")]
	pub url: Option<String>,
	/// Directory of keys, journal and blobs [default: tessera-worker in the user's data directory].
	#[arg(long, value_name = "DIR")]
	pub data_dir: Option<PathBuf>,
	/// The provider's account.
	#[arg(long, value_name = "ADDRESS", value_parser = Account::from_text)]
	provider: Option<Account>,
	/// Where the machine stands, for example DE.
	#[arg(long, value_name = "COUNTRY", value_parser = Country::from_text)]
	region: Option<Country>,
	/// The GPU: any, an index, pci:…, or a part of its name [default: any].
	#[arg(long, value_name = "ADAPTER")]
	adapter: Option<AdapterSelector>,
	/// Address to serve blobs on, port 0 for a free one; may be repeated [default: 0.0.0.0:0].
	#[arg(long, value_name = "IP:PORT", value_parser = Socket::from_text)]
	listen: Vec<Socket>,
	/// Address to publish instead; may be repeated.
	#[arg(long, value_name = "IP:PORT", value_parser = Socket::from_text)]
	advertise: Vec<Socket>,
	/// Relays: disabled, public, or URLs; may be repeated [default: disabled].
	#[arg(long, value_name = "RELAY")]
	relay: Vec<String>,
	/// Use the public address book of iroh's makers.
	#[arg(long)]
	discovery: bool,
	/// Ticks after settlement for which results are served [default: 1200].
	#[arg(long, value_name = "TICKS")]
	keep_ticks: Option<u32>,
	/// Least price of a task, for example "1 mTESS" [default: 1 mTESS].
	#[arg(long, value_name = "AMOUNT", value_parser = Money::from_text)]
	price_floor: Option<Money>,
	/// Take only these programs; may be repeated.
	#[arg(long, value_name = "ID", value_parser = Id::from_text)]
	allow_program: Vec<Id>,
	/// Do not take these programs; may be repeated.
	#[arg(long, value_name = "ID", value_parser = Id::from_text)]
	deny_program: Vec<Id>,
	/// Take tasks of these tenants only; may be repeated.
	#[arg(long, value_name = "ADDRESS", value_parser = Account::from_text)]
	allow_tenant: Vec<Account>,
	/// Do not take tasks of these tenants; may be repeated.
	#[arg(long, value_name = "ADDRESS", value_parser = Account::from_text)]
	deny_tenant: Vec<Account>,
	/// Most that all buffers of a task may take, for example "8 GiB" [default: what the GPU has].
	#[arg(long, value_name = "BYTES", value_parser = Length::from_text)]
	max_buffer_bytes: Option<Length>,
	/// Most that the inputs of a task may have [default: 4 GiB].
	#[arg(long, value_name = "BYTES", value_parser = Length::from_text)]
	max_input_bytes: Option<Length>,
	/// Tasks held at a time [default: 4].
	#[arg(long, value_name = "N")]
	max_tasks: Option<u32>,
	/// Tasks on the GPU at a time [default: 1].
	#[arg(long, value_name = "N")]
	at_once: Option<u32>,
	/// Ticks before its deadline at which an unfinished task is given up [default: 6].
	#[arg(long, value_name = "TICKS")]
	margin_ticks: Option<u32>,
	/// Memory of the GPU process beside the task's buffers, or unlimited [default: 2 GiB].
	#[arg(long, value_name = "BYTES", value_parser = Overhead::from_text)]
	memory_overhead: Option<Overhead>,
}

impl Settings {
	/// The settings of the file that the flags name, or of the one at the usual place, with the flags before it.
	pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
		let (path, must_exist) = match &flags.config {
			Some(path) => (Some(path.clone()), true),
			None => (dirs::config_dir().map(|dir| dir.join("tessera").join("worker.toml")), false),
		};
		let Some(path) = path else { return Self::merge(FileText::default(), Path::new("."), flags) };
		match std::fs::read_to_string(&path) {
			Ok(text) => Self::parse(&text, &path, flags),
			Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => {
				Self::merge(FileText::default(), Path::new("."), flags)
			}
			Err(source) => Err(ConfigError::Read { path, source }),
		}
	}

	/// The settings of this text, which is that of the file at `path`, with the flags before it.
	pub fn parse(text: &str, path: &Path, flags: &Flags) -> Result<Self, ConfigError> {
		let file = toml::from_str(text).map_err(|e| ConfigError::Content {
			path: path.into(),
			line: e.span().map_or(1, |span| {
				1 + text.as_bytes().iter().take(span.start).filter(|b| **b == b'\n').count()
			}),
			message: e.message().trim_end().replace('\n', ", "),
		})?;
		Self::merge(file, path.parent().unwrap_or(Path::new(".")), flags)
	}

	fn merge(file: FileText, folder: &Path, flags: &Flags) -> Result<Self, ConfigError> {
		let (blobs, policy, tasks) = (file.blobs, file.policy, file.tasks);
		let data_dir = flags.data_dir.clone().or(file.data_dir.map(|dir| folder.join(dir)));
		let data_dir = match data_dir.or_else(|| dirs::data_local_dir().map(|dir| dir.join("tessera-worker")))
		{
			Some(dir) => dir,
			None => {
				return Err(ConfigError::Value(
					"there is no home directory to keep keys and journal in: give --data-dir".into(),
				));
			}
		};
		let defaults = (BlobSettings::default(), TaskSettings::default());
		let listen = list(&flags.listen, blobs.listen).map_or(defaults.0.listen, |l| all(l, |a| a.0));
		for family in [SocketAddr::is_ipv4, SocketAddr::is_ipv6] {
			if listen.iter().filter(|address| family(address)).count() > 1 {
				return Err(ConfigError::Value(format!(
					"`listen` has several addresses of one kind ({}): give at most one of IPv4 and one of IPv6",
					listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
				)));
			}
		}
		if listen.is_empty() {
			return Err(ConfigError::Value("`listen` is empty: tenants could not fetch results".into()));
		}
		let relay = match flags.relay.as_slice() {
			[] => blobs.relay.map_or(Relay::Disabled, |relay| relay.0),
			texts => relay_of(texts).map_err(ConfigError::Value)?,
		};
		let max = flags.max_tasks.or(tasks.max).unwrap_or(defaults.1.max);
		let at_once = flags.at_once.or(tasks.at_once).unwrap_or(defaults.1.at_once);
		for (name, value, most) in [("tasks.max", max, MAX_TASKS), ("tasks.at_once", at_once, MAX_AT_ONCE)] {
			if !(1..=most).contains(&value) {
				return Err(ConfigError::Value(format!("`{name}` is {value}: it must be from 1 to {most}")));
			}
		}
		let margin_ticks = flags.margin_ticks.or(tasks.margin_ticks).unwrap_or(6);
		if margin_ticks < 2 {
			return Err(ConfigError::Value(format!(
				"`tasks.margin_ticks` is {margin_ticks}: a claim needs at least 2 ticks to get into a block"
			)));
		}
		let set = |flags: &Vec<Id>, file: Option<Vec<Id>>| -> BTreeSet<ProgramId> {
			list(flags, file).unwrap_or_default().into_iter().map(|id| id.0).collect()
		};
		let accounts = |flags: &Vec<Account>, file: Option<Vec<Account>>| -> BTreeSet<AccountId> {
			list(flags, file).unwrap_or_default().into_iter().map(|account| account.0).collect()
		};
		Ok(Self {
			url: flags.url.clone().or(file.url).unwrap_or_else(|| DEFAULT_URL.into()),
			data_dir,
			provider: flags.provider.or(file.provider).map(|account| account.0),
			region: flags.region.or(file.region).map(|country| country.0),
			adapter: flags.adapter.clone().or(file.adapter).unwrap_or_default(),
			blobs: BlobSettings {
				listen,
				advertise: list(&flags.advertise, blobs.advertise).map_or(Vec::new(), |l| all(l, |a| a.0)),
				relay,
				discovery: flags.discovery || blobs.discovery.unwrap_or(false),
				keep_ticks: flags.keep_ticks.or(blobs.keep_ticks).unwrap_or(defaults.0.keep_ticks),
			},
			policy: Policy {
				price_floor: flags.price_floor.or(policy.price_floor).map_or(TESS / 1000, |money| money.0),
				allow_programs: set(&flags.allow_program, policy.allow_programs),
				deny_programs: set(&flags.deny_program, policy.deny_programs),
				allow_tenants: accounts(&flags.allow_tenant, policy.allow_tenants),
				deny_tenants: accounts(&flags.deny_tenant, policy.deny_tenants),
				max_buffer_bytes: flags.max_buffer_bytes.or(policy.max_buffer_bytes).map(|length| length.0),
				max_input_bytes: flags
					.max_input_bytes
					.or(policy.max_input_bytes)
					.map_or(4 << 30, |length| length.0),
				margin_ticks,
			},
			tasks: TaskSettings {
				max,
				at_once,
				memory_overhead: match flags.memory_overhead.or(tasks.memory_overhead) {
					Some(overhead) => overhead.0,
					None => defaults.1.memory_overhead,
				},
			},
		})
	}
}

/// A list: the flags', when there are any, else the file's.
fn list<T: Clone>(flags: &[T], file: Option<Vec<T>>) -> Option<Vec<T>> {
	if flags.is_empty() { file } else { Some(flags.to_vec()) }
}

fn all<T, U>(list: Vec<T>, get: impl Fn(T) -> U) -> Vec<U> {
	list.into_iter().map(get).collect()
}

/// The file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FileText {
	url: Option<String>,
	data_dir: Option<PathBuf>,
	provider: Option<Account>,
	region: Option<Country>,
	adapter: Option<AdapterSelector>,
	#[serde(default)]
	blobs: BlobsText,
	#[serde(default)]
	policy: PolicyText,
	#[serde(default)]
	tasks: TasksText,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BlobsText {
	listen: Option<Vec<Socket>>,
	advertise: Option<Vec<Socket>>,
	relay: Option<RelayText>,
	discovery: Option<bool>,
	keep_ticks: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PolicyText {
	price_floor: Option<Money>,
	allow_programs: Option<Vec<Id>>,
	deny_programs: Option<Vec<Id>>,
	allow_tenants: Option<Vec<Account>>,
	deny_tenants: Option<Vec<Account>>,
	max_buffer_bytes: Option<Length>,
	max_input_bytes: Option<Length>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TasksText {
	max: Option<u32>,
	at_once: Option<u32>,
	margin_ticks: Option<u32>,
	memory_overhead: Option<Overhead>,
}

/// A value that is written as text.
trait FromText: Sized {
	/// What is expected, for errors.
	const EXPECTED: &'static str;
	fn from_text(text: &str) -> Result<Self, String>;
}

macro_rules! text_value {
	($(#[$doc:meta])* $name:ident($value:ty), $expected:literal, $parse:expr) => {
		$(#[$doc])*
		#[derive(Clone, Copy, Debug)]
		struct $name($value);

		impl FromText for $name {
			const EXPECTED: &'static str = $expected;
			fn from_text(text: &str) -> Result<Self, String> {
				let parse: fn(&str) -> Result<$value, String> = $parse;
				parse(text).map(Self)
			}
		}

		impl<'de> Deserialize<'de> for $name {
			fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
				deserializer.deserialize_any(TextVisitor(PhantomData))
			}
		}
	};
}

text_value!(
	/// An account.
	Account(AccountId), "an account: its SS58 address in quotes", |text| {
		parse_account(text).map_err(|e| e.to_string())
	}
);
text_value!(
	/// A country.
	Country(Region), "a country: an ISO 3166 code in quotes, for example \"DE\"", |text| {
		let region = text.as_bytes().try_into().map(Region).ok().filter(Region::is_assigned);
		region.ok_or_else(|| {
			format!("`{text}` is not a country: write an ISO 3166-1 alpha-2 code in capitals, for example DE")
		})
	}
);
text_value!(
	/// A socket address.
	Socket(SocketAddr), "an address in quotes, for example \"0.0.0.0:4433\"", |text| {
		text.parse().map_err(|_| {
			format!("`{text}` is not an address to listen on: write IP and port, for example 0.0.0.0:4433 or [::]:4433")
		})
	}
);
text_value!(
	/// An amount of TESS, planck.
	Money(Balance), "an amount in quotes with its unit, for example \"1 mTESS\"", |text| {
		parse_amount(text).map_err(|e| e.to_string())
	}
);
text_value!(
	/// A length, bytes.
	Length(u64), "a length: a number of bytes, or a text with a unit like \"64 MiB\"", |text| {
		parse_bytes(text).map_err(|e| e.to_string())
	}
);
text_value!(
	/// A length, or no limit.
	Overhead(Option<u64>), "a length like \"2 GiB\", or \"unlimited\"", |text| {
		if text == "unlimited" { return Ok(None) }
		parse_bytes(text).map(Some).map_err(|e| format!("{e}, or \"unlimited\""))
	}
);
text_value!(
	/// A program.
	Id(ProgramId), "a program's id in quotes: 64 hex digits", parse_hash
);

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> de::Visitor<'_> for TextVisitor<T> {
	type Value = T;

	fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str(T::EXPECTED)
	}

	fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
		T::from_text(text).map_err(E::custom)
	}

	fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
		// A bare number is a length, and nothing else: the parser of each kind says so.
		self.visit_str(&number.to_string())
	}
}

/// Relays as written.
struct RelayText(Relay);

impl<'de> Deserialize<'de> for RelayText {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		#[derive(Deserialize)]
		#[serde(untagged, expecting = "relays are \"disabled\", \"public\", or a list of https:// URLs")]
		enum Raw {
			One(String),
			Several(Vec<String>),
		}
		let texts = match Raw::deserialize(deserializer)? {
			Raw::One(text) => vec![text],
			Raw::Several(texts) => texts,
		};
		relay_of(&texts).map(Self).map_err(de::Error::custom)
	}
}

fn relay_of(texts: &[String]) -> Result<Relay, String> {
	match texts {
		[] => Ok(Relay::Disabled),
		[one] if one == "disabled" => Ok(Relay::Disabled),
		[one] if one == "public" => Ok(Relay::N0),
		urls => match urls.iter().find(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
			Some(wrong) => {
				Err(format!("`{wrong}` is not a relay: write disabled, public, or https:// URLs of relays"))
			}
			None => Ok(Relay::Custom(urls.to_vec())),
		},
	}
}

#[cfg(test)]
mod tests;
