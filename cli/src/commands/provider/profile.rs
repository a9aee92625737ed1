// SPDX-License-Identifier: Apache-2.0

//! A provider's profile, from a file and from flags.
//!
//! ```toml
//! region = "DE"                        # ISO 3166
//! [endpoint]
//! key = "64 hex digits"                # of the worker's iroh endpoint
//! addresses = ["203.0.113.7:7000"]     # ip:port or relay URLs; none when discovery finds it
//! [[adapters]]
//! class = "n1"
//! memory = "8 GiB"
//! max_buffer = "2 GiB"
//! max_binding = "2 GiB"
//! features = ["shader-f16"]
//! ```

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use tessera_client::manifest::units::parse_bytes;
use tessera_primitives::{
	EndpointInfo, Region,
	limits::{MAX_ADAPTERS, MAX_ADDRESS, MAX_ADDRESSES},
	provider::{Adapter, AdapterClass, Profile, ProfileError},
};

use crate::{
	commands::program::parse_features,
	exit::{Failure, Outcome},
};

/// A profile on the command line.
#[derive(Args, Clone, Default, Debug)]
pub struct ProfileArgs {
	/// File with the profile, TOML: region, [endpoint] with key and addresses, [[adapters]] with class, memory,
	/// max_buffer, max_binding and features. Flags replace parts of it
	#[arg(long, value_name = "FILE")]
	pub profile: Option<PathBuf>,
	/// Country of the machines: ISO 3166 code of two letters
	#[arg(long, value_name = "CODE")]
	pub region: Option<String>,
	/// Public key of the worker's iroh endpoint: 64 hex digits
	#[arg(long, value_name = "KEY")]
	pub endpoint_key: Option<String>,
	/// Address of that endpoint, ip:port or a relay's URL; may be repeated
	#[arg(long = "address", value_name = "ADDRESS")]
	pub addresses: Vec<String>,
	/// A GPU; may be repeated: class=n1,memory=8GiB,max-buffer=2GiB,max-binding=2GiB,features=shader-f16+subgroup
	#[arg(long = "adapter", value_name = "ADAPTER")]
	pub adapters: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
	region: Option<String>,
	endpoint: Option<EndpointTable>,
	#[serde(default)]
	adapters: Vec<AdapterTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointTable {
	key: String,
	#[serde(default)]
	addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdapterTable {
	class: String,
	memory: Length,
	max_buffer: Length,
	max_binding: Length,
	#[serde(default)]
	features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a length: a number of bytes, or a text with a unit like \"64 MiB\"")]
enum Length {
	Bytes(u64),
	Text(String),
}

impl Length {
	fn bytes(&self) -> Outcome<u64> {
		match self {
			Self::Bytes(bytes) => Ok(*bytes),
			Self::Text(text) => parse_bytes(text).map_err(|e| Failure::input(e.to_string())),
		}
	}
}

impl ProfileArgs {
	/// Whether nothing of an older profile is needed.
	pub fn is_whole(&self) -> bool {
		let by_flags = self.region.is_some() && self.endpoint_key.is_some() && !self.adapters.is_empty();
		self.profile.is_some() || by_flags
	}

	/// The profile: the file's or the old one, with the flags' parts in place of its own.
	pub fn build(&self, old: Option<Profile>) -> Outcome<Profile> {
		let base = match &self.profile {
			Some(path) => parts(read(path)?).map_err(|failure| failure.during(path.display()))?,
			None => old.map(Parts::from).unwrap_or_default(),
		};
		let region = self.region.as_deref().map(region).transpose()?.or(base.region);
		let key = self.endpoint_key.as_deref().map(endpoint_key).transpose()?.or(base.key);
		let addresses = if self.addresses.is_empty() { base.addresses } else { self.addresses.clone() };
		let adapters = match self.adapters.as_slice() {
			[] => base.adapters,
			texts => texts.iter().map(|text| adapter(text)).collect::<Outcome<_>>()?,
		};
		let missing = |what: &str, flag: &str| {
			Failure::usage(format!("the profile has no {what}"))
				.help(format!("give it with {flag}, or a file with --profile"))
		};
		let profile = Profile {
			region: region.ok_or_else(|| missing("region", "--region"))?,
			endpoint: EndpointInfo {
				key: key.ok_or_else(|| missing("endpoint key", "--endpoint-key"))?,
				addresses: bounded_addresses(addresses)?,
			},
			adapters: match adapters.len() {
				0 => return Err(missing("adapter", "--adapter")),
				_ => adapters.try_into().map_err(|_| {
					Failure::input(format!("the profile has more than {MAX_ADAPTERS} adapters"))
				})?,
			},
		};
		profile.validate().map_err(refused)?;
		Ok(profile)
	}
}

/// Parts of a profile.
#[derive(Default)]
struct Parts {
	region: Option<Region>,
	key: Option<[u8; 32]>,
	addresses: Vec<String>,
	adapters: Vec<Adapter>,
}

impl From<Profile> for Parts {
	fn from(profile: Profile) -> Self {
		Self {
			region: Some(profile.region),
			key: Some(profile.endpoint.key),
			addresses: profile.endpoint.addresses_text(),
			adapters: profile.adapters.into_inner(),
		}
	}
}

fn read(path: &Path) -> Outcome<File> {
	let text = std::fs::read_to_string(path)
		.map_err(|e| Failure::input(format!("the profile {} cannot be read: {e}", path.display())))?;
	toml::from_str(&text).map_err(|e| {
		let line = e.span().map(|span| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1);
		let place = line.map(|line| format!(":{line}")).unwrap_or_default();
		let message = e.message().trim_end().replace('\n', ", ");
		Failure::input(format!("{}{place}: {message}", path.display()))
	})
}

fn parts(file: File) -> Outcome<Parts> {
	let (key, addresses) = match file.endpoint {
		Some(table) => (Some(endpoint_key(&table.key)?), table.addresses),
		None => (None, Vec::new()),
	};
	let adapter = |table: &AdapterTable| {
		Ok(Adapter {
			class: class(&table.class)?,
			memory_bytes: table.memory.bytes()?,
			max_buffer_bytes: table.max_buffer.bytes()?,
			max_binding_bytes: table.max_binding.bytes()?,
			features: input(parse_features(&table.features))?,
		})
	};
	Ok(Parts {
		region: file.region.as_deref().map(region).transpose()?,
		key,
		addresses,
		adapters: file.adapters.iter().map(adapter).collect::<Outcome<_>>()?,
	})
}

/// What a file says wrong is bad input, what a flag says wrong is bad usage.
fn input<T>(outcome: Outcome<T>) -> Outcome<T> {
	outcome.map_err(|failure| Failure { exit: crate::exit::Exit::Input, ..failure })
}

fn region(code: &str) -> Outcome<Region> {
	let region = <[u8; 2]>::try_from(code.as_bytes()).map(Region).ok().filter(Region::is_assigned);
	region.ok_or_else(|| {
		Failure::input(format!("`{code}` is not a region"))
			.help("regions are ISO 3166-1 codes of two capital letters: DE, FR, GB, US")
	})
}

fn endpoint_key(text: &str) -> Outcome<[u8; 32]> {
	let mut key = [0; 32];
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut key).map_err(|_| {
		Failure::input(format!("`{text}` is not the key of an endpoint"))
			.help("a key has 64 hex digits; `tessera-worker status` shows the worker's")
	})?;
	Ok(key)
}

fn class(name: &str) -> Outcome<AdapterClass> {
	AdapterClass::from_name(name).ok_or_else(|| {
		let known = AdapterClass::ALL.map(AdapterClass::name).join(", ");
		Failure::input(format!("`{name}` is not an adapter class")).help(format!("the classes are {known}"))
	})
}

/// An adapter as `key=value,…`.
fn adapter(text: &str) -> Outcome<Adapter> {
	let example = "write for example class=n1,memory=8GiB,max-buffer=2GiB,max-binding=2GiB,features=shader-f16+subgroup";
	let wrong = |message: String| Failure::usage(format!("--adapter {text}: {message}")).help(example);
	let (mut kind, mut memory, mut buffer, mut binding, mut features) = (None, None, None, None, Vec::new());
	for part in text.split(',') {
		let Some((key, value)) = part.split_once('=') else {
			return Err(wrong(format!("`{part}` is not key=value")));
		};
		let length = || parse_bytes(value).map_err(|e| wrong(e.to_string()));
		match key.trim() {
			"class" => kind = Some(class(value).map_err(|failure| wrong(failure.message))?),
			"memory" => memory = Some(length()?),
			"max-buffer" => buffer = Some(length()?),
			"max-binding" => binding = Some(length()?),
			"features" => features = value.split('+').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
			other => return Err(wrong(format!("`{other}` is unknown"))),
		}
	}
	let missing = |key: &str| wrong(format!("{key} is missing"));
	let features = parse_features(&features).map_err(|failure| wrong(failure.message))?;
	Ok(Adapter {
		class: kind.ok_or_else(|| missing("class"))?,
		memory_bytes: memory.ok_or_else(|| missing("memory"))?,
		max_buffer_bytes: buffer.ok_or_else(|| missing("max-buffer"))?,
		max_binding_bytes: binding.ok_or_else(|| missing("max-binding"))?,
		features,
	})
}

fn bounded_addresses<A: TryFrom<Vec<u8>>, B: TryFrom<Vec<A>>>(texts: Vec<String>) -> Outcome<B> {
	let mut addresses = Vec::new();
	for text in texts {
		let address = text.clone().into_bytes().try_into();
		addresses.push(address.map_err(|_| {
			Failure::input(format!("the address `{text}` has more than {MAX_ADDRESS} bytes"))
		})?);
	}
	addresses
		.try_into()
		.map_err(|_| Failure::input(format!("the profile has more than {MAX_ADDRESSES} addresses")))
}

fn refused(error: ProfileError) -> Failure {
	let text = match error {
		ProfileError::UnknownRegion => "the profile's region is not an ISO 3166-1 code",
		ProfileError::NoAdapters => "the profile has no adapter",
		ProfileError::BadAdapter => {
			"an adapter has no memory, bindings larger than its buffers, or buffers larger than its memory"
		}
		ProfileError::BadAddress => "an address of the endpoint is empty",
	};
	Failure::input(text)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::exit::Exit;
	use tessera_primitives::provider::Features;

	const GPU: &str = "class=n1,memory=8GiB,max-buffer=2GiB,max-binding=1GiB,features=shader-f16+subgroup";
	const FILE: &str = r#"
region = "DE"
[endpoint]
key = "0101010101010101010101010101010101010101010101010101010101010101"
addresses = ["203.0.113.7:7000"]
[[adapters]]
class = "llvmpipe"
memory = "1 GiB"
max_buffer = 1024
max_binding = "1 KiB"
"#;

	fn flags() -> ProfileArgs {
		ProfileArgs {
			region: Some("FR".into()),
			endpoint_key: Some("02".repeat(32)),
			adapters: vec![GPU.into()],
			..ProfileArgs::default()
		}
	}

	fn with_file(text: &str) -> Outcome<Profile> {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("profile.toml");
		std::fs::write(&path, text).unwrap();
		ProfileArgs { profile: Some(path), ..ProfileArgs::default() }.build(None)
	}

	#[test]
	fn profile_should_come_from_flags() {
		let profile = flags().build(None).unwrap();
		assert_eq!(profile.region, Region(*b"FR"));
		assert_eq!(profile.endpoint.key, [2; 32]);
		let expected = Adapter {
			class: AdapterClass::N1,
			memory_bytes: 8 << 30,
			max_buffer_bytes: 2 << 30,
			max_binding_bytes: 1 << 30,
			features: Features::SHADER_F16.union(Features::SUBGROUP),
		};
		assert_eq!(profile.adapters.to_vec(), [expected]);
		assert!(flags().is_whole() && !ProfileArgs::default().is_whole());
	}

	#[test]
	fn profile_should_come_from_a_file_with_parts_replaced_by_flags() {
		let profile = with_file(FILE).unwrap();
		assert_eq!(profile.endpoint.addresses_text(), ["203.0.113.7:7000"]);
		assert_eq!(profile.adapters[0].max_binding_bytes, 1024);
		let region = ProfileArgs { region: Some("FR".into()), ..ProfileArgs::default() };
		let moved = region.build(Some(profile.clone())).unwrap();
		assert_eq!(moved, Profile { region: Region(*b"FR"), ..profile });
	}

	#[test]
	fn profile_should_be_refused_with_the_part_that_is_missing_or_wrong() {
		let failure = ProfileArgs::default().build(None).unwrap_err();
		assert_eq!(failure.exit, Exit::Usage);
		assert!(failure.help.unwrap().contains("--region"));
		let refused = |change: &dyn Fn(&mut ProfileArgs)| {
			let mut args = flags();
			change(&mut args);
			args.build(None).unwrap_err().to_string()
		};
		assert!(refused(&|args| args.region = Some("XX".into())).contains("`XX`"));
		assert!(refused(&|args| args.endpoint_key = Some("12".into())).contains("`12`"));
		assert!(refused(&|args| args.adapters = vec!["class=n1".into()]).contains("memory is missing"));
		assert!(refused(&|args| args.adapters = vec![GPU.replace("n1", "h100")]).contains("h100"));
		assert!(
			refused(&|args| args.adapters = vec![GPU.replace("=1GiB", "=3GiB")]).contains("bindings larger")
		);
		assert!(refused(&|args| args.adapters = vec![GPU.into(); 17]).contains("16"));
		assert!(refused(&|args| args.addresses = vec!["a".repeat(129)]).contains("128"));
		assert!(refused(&|args| args.addresses = vec!["a".into(); 5]).contains("more than 4"));
	}

	#[test]
	fn file_should_be_refused_with_its_line() {
		let failure = with_file(&FILE.replace("max_buffer = 1024", "max_buffers = 1024")).unwrap_err();
		assert_eq!(failure.exit, Exit::Input);
		assert!(
			failure.message.contains("profile.toml:9") && failure.message.contains("max_buffers"),
			"{failure}"
		);
		let failure = with_file(&FILE.replace("1024", "true")).unwrap_err();
		assert!(failure.message.contains("64 MiB"), "{failure}");
		let failure = with_file(&FILE.replace("\"1 KiB\"", "\"1 kib\"")).unwrap_err();
		assert!(failure.message.contains("kib"), "{failure}");
	}
}
