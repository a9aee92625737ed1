// SPDX-License-Identifier: Apache-2.0

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
	#[command(flatten)]
	flags: Flags,
}

fn flags(arguments: &[&str]) -> Flags {
	Cli::try_parse_from([&["test"], arguments].concat()).unwrap().flags
}

fn parse(text: &str) -> Result<Settings, ConfigError> {
	Settings::parse(text, Path::new("/etc/tessera/worker.toml"), &Flags::default())
}

fn error(text: &str) -> String {
	parse(text).unwrap_err().to_string()
}

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

#[test]
fn example_should_be_what_counts_without_a_file() {
	assert_eq!(parse(EXAMPLE).unwrap(), parse("").unwrap());
}

#[test]
fn example_should_explain_every_key_with_a_value_that_is_accepted() {
	// Comments that look like a key become one.
	let is_key = |line: &str| {
		let name = line.split(" = ").next().unwrap_or_default();
		line.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
	};
	let uncommented: Vec<&str> =
		EXAMPLE.lines().map(|line| line.strip_prefix("# ").filter(|l| is_key(l)).unwrap_or(line)).collect();
	let settings = parse(&uncommented.join("\n")).unwrap();
	assert_eq!(settings.data_dir, Path::new("/var/lib/tessera-worker"));
	assert_eq!(settings.provider, Some(parse_account(ALICE).unwrap()));
	assert_eq!(settings.region, Some(Region(*b"DE")));
	assert_eq!(settings.policy.max_buffer_bytes, Some(8 << 30));
	assert_eq!(settings.blobs.advertise.len(), 1);
	// The rest are the defaults.
	let expected = parse("").unwrap();
	assert_eq!(settings.tasks, expected.tasks);
	assert_eq!(settings.blobs.listen, expected.blobs.listen);
	assert_eq!(settings.blobs.keep_ticks, expected.blobs.keep_ticks);
	assert_eq!(settings.policy.price_floor, expected.policy.price_floor);
	assert_eq!(settings.policy.max_input_bytes, expected.policy.max_input_bytes);
	assert_eq!(settings.url, expected.url);
	let keys = uncommented.iter().filter(|line| is_key(line)).count();
	assert_eq!(keys, 5 + 5 + 7 + 4, "every key is in the example");
}

#[test]
fn unknown_key_should_be_named_with_its_line_and_what_is_known() {
	let text = error("url = \"ws://x\"\n\n[policy]\nprice_flor = \"1 TESS\"\n");
	assert!(text.starts_with("/etc/tessera/worker.toml:4: "), "{text}");
	assert!(text.contains("`price_flor`") && text.contains("`price_floor`"), "{text}");
	for section in ["nonsense = 1", "[blobs]\nnonsense = 1", "[tasks]\nnonsense = 1", "[nonsense]"] {
		assert!(error(section).contains("`nonsense`"), "{section}");
	}
}

#[test]
fn wrong_value_should_say_what_to_write() {
	for (text, parts) in [
		("provider = \"5Grw\"", ["`5Grw` is not an account", "SS58"]),
		("region = \"XX\"", ["`XX` is not a country", "DE"]),
		("region = \"de\"", ["`de` is not a country", "capitals"]),
		("region = 1", ["`1` is not a country", "DE"]),
		("adapter = \" \"", ["adapter", ""]),
		("[blobs]\nlisten = [\"localhost\"]", ["`localhost` is not an address", "0.0.0.0:4433"]),
		("[blobs]\nlisten = [\"0.0.0.0:1\", \"127.0.0.1:2\"]", ["several addresses", "at most one"]),
		("[blobs]\nlisten = []", ["`listen` is empty", "fetch"]),
		("[blobs]\nrelay = \"n0\"", ["`n0` is not a relay", "disabled"]),
		("[blobs]\nrelay = 5", ["relays are", "disabled"]),
		("[blobs]\nkeep_ticks = -1", ["-1", "u32"]),
		("[policy]\nprice_floor = \"5\"", ["`5` has no unit", "mTESS"]),
		("[policy]\nprice_floor = 5", ["`5` has no unit", "mTESS"]),
		("[policy]\nallow_programs = [\"0x12\"]", ["`0x12` is not an id", "64 hex digits"]),
		("[policy]\ndeny_tenants = [true]", ["an account", "true"]),
		("[policy]\nmax_input_bytes = \"4 gib\"", ["`gib` is not a unit", "GiB"]),
		("[tasks]\nmax = 0", ["`tasks.max` is 0", "1 to 100"]),
		("[tasks]\nmax = 101", ["`tasks.max` is 101", "1 to 100"]),
		("[tasks]\nat_once = 17", ["`tasks.at_once` is 17", "1 to 16"]),
		("[tasks]\nmargin_ticks = 1", ["margin_ticks", "2 ticks"]),
		("[tasks]\nmemory_overhead = \"all\"", ["`all`", "unlimited"]),
		("url = ", ["worker.toml:1", ""]),
	] {
		let shown = error(text);
		assert!(parts.iter().all(|part| shown.contains(part)), "{text}: {shown}");
	}
}

#[test]
fn lengths_should_be_numbers_or_texts() {
	let settings = parse("[policy]\nmax_input_bytes = 2000\nmax_buffer_bytes = \"1.5 GiB\"").unwrap();
	assert_eq!((settings.policy.max_input_bytes, settings.policy.max_buffer_bytes), (2000, Some(3 << 29)));
	assert_eq!(parse("[tasks]\nmemory_overhead = \"unlimited\"").unwrap().tasks.memory_overhead, None);
}

#[test]
fn flags_should_go_before_the_file() {
	let id = format!("0x{}", "11".repeat(32));
	let file = format!(
		"url = \"ws://file:1\"\ndata_dir = \"data\"\nregion = \"DE\"\n[blobs]\nlisten = [\"0.0.0.0:1\"]\nkeep_ticks = 5\n\
		 [policy]\nprice_floor = \"5 TESS\"\nallow_programs = [\"{id}\"]\n[tasks]\nmax = 9\n"
	);
	let given = [
		"--url=ws://flag:2",
		"--data-dir=/flag",
		"--region=FR",
		"--provider",
		ALICE,
		"--listen=127.0.0.1:0",
		"--keep-ticks=6",
		"--price-floor=7 planck",
		"--deny-tenant",
		ALICE,
		"--max-tasks=2",
		"--relay=https://a.example",
		"--relay=https://b.example",
		"--memory-overhead=unlimited",
	];
	let path = Path::new("/etc/worker.toml");
	let settings = Settings::parse(&file, path, &flags(&given)).unwrap();
	assert_eq!(settings.url, "ws://flag:2");
	assert_eq!(settings.data_dir, Path::new("/flag"));
	assert_eq!(settings.region, Some(Region(*b"FR")));
	assert_eq!(settings.blobs.listen, ["127.0.0.1:0".parse().unwrap()]);
	assert_eq!(settings.blobs.keep_ticks, 6);
	assert_eq!(
		settings.blobs.relay,
		Relay::Custom(vec!["https://a.example".into(), "https://b.example".into()])
	);
	assert_eq!(settings.policy.price_floor, 7);
	assert_eq!(settings.policy.allow_programs.len(), 1, "what no flag says is the file's");
	assert_eq!(settings.policy.deny_tenants.len(), 1);
	assert_eq!((settings.tasks.max, settings.tasks.memory_overhead), (2, None));

	let settings = Settings::parse(&file, path, &Flags::default()).unwrap();
	assert_eq!(settings.data_dir, Path::new("/etc/data"), "relative to the file");
	assert_eq!((settings.tasks.max, settings.policy.price_floor), (9, 5 * TESS));
}

#[test]
fn wrong_flag_should_be_refused_when_the_command_line_is_read() {
	for wrong in
		["--region=XX", "--provider=5Grw", "--listen=localhost", "--price-floor=1", "--allow-program=0x"]
	{
		assert!(Cli::try_parse_from(["test", wrong]).is_err(), "{wrong}");
	}
}

#[test]
fn missing_file_should_be_an_error_only_when_it_was_named() {
	let dir = tempfile::tempdir().unwrap();
	let named = Flags { config: Some(dir.path().join("none.toml")), ..Default::default() };
	let text = Settings::load(&named).unwrap_err().to_string();
	assert!(text.contains("none.toml") && text.contains("example-config"), "{text}");
}
