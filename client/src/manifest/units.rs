// SPDX-License-Identifier: Apache-2.0

//! Amounts of TESS and lengths in bytes as people write them: exact, never through floating point.

use serde::{Deserialize, Deserializer, de};
use tessera_primitives::types::{Balance, TESS};

/// Units of money, by name and number of decimals of a planck in them.
const MONEY: [(&str, u32); 5] = [("TESS", 12), ("mTESS", 9), ("uTESS", 6), ("µTESS", 6), ("planck", 0)];

/// Units of length, by name and bytes.
const LENGTHS: [(&str, u64); 9] = [
	("B", 1),
	("KiB", 1 << 10),
	("MiB", 1 << 20),
	("GiB", 1 << 30),
	("TiB", 1 << 40),
	("kB", 1_000),
	("MB", 1_000_000),
	("GB", 1_000_000_000),
	("TB", 1_000_000_000_000),
];

/// Why a text is no amount or length.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnitError {
	/// It does not start with a decimal number.
	#[error("`{text}` is not a number with a unit: write for example {example}")]
	NotANumber {
		/// As written.
		text: String,
		/// How it is written right.
		example: &'static str,
	},
	/// There is no unit.
	#[error("`{text}` has no unit: write for example {example}")]
	NoUnit {
		/// As written.
		text: String,
		/// How it is written right.
		example: &'static str,
	},
	/// The unit is unknown.
	#[error("`{unit}` is not a unit here: use one of {known}")]
	UnknownUnit {
		/// As written.
		unit: String,
		/// What there is.
		known: String,
	},
	/// It is not a whole number of planck or bytes.
	#[error("`{text}` is not a whole number of {smallest}")]
	TooFine {
		/// As written.
		text: String,
		/// The smallest unit.
		smallest: &'static str,
	},
	/// It does not fit.
	#[error("`{text}` is too large")]
	TooLarge {
		/// As written.
		text: String,
	},
}

/// Parses an amount like `0.5 TESS`, `20 mTESS`, `3 uTESS` or `5 planck`. Returns planck.
pub fn parse_amount(text: &str) -> Result<Balance, UnitError> {
	let example = "\"0.5 TESS\", \"20 mTESS\" or \"5 planck\"";
	let (number, unit) = split(text, example)?;
	let Some((_, decimals)) = MONEY.iter().find(|(name, _)| *name == unit) else {
		let known = "TESS, mTESS, uTESS, planck".to_owned();
		return Err(UnitError::UnknownUnit { unit: unit.to_owned(), known });
	};
	scaled(text, number, 10u128.pow(*decimals), "planck", example)
}

/// Writes an amount so that [`parse_amount`] reads the same: in planck below a millionth of a TESS, in TESS otherwise.
pub fn format_amount(planck: Balance) -> String {
	if planck != 0 && planck < TESS / 1_000_000 {
		return format!("{planck} planck");
	}
	let (whole, rest) = (planck / TESS, planck % TESS);
	if rest == 0 {
		return format!("{whole} TESS");
	}
	let fraction = format!("{rest:012}");
	format!("{whole}.{} TESS", fraction.trim_end_matches('0'))
}

/// Parses a length like `64 MiB`, `1.5 GiB`, `2000 B` or `2000`. Returns bytes.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
	let example = "\"64 MiB\" or 2000";
	if let Ok(bytes) = text.trim().parse() {
		return Ok(bytes);
	}
	let (number, unit) = split(text, example)?;
	let Some((_, factor)) = LENGTHS.iter().find(|(name, _)| *name == unit) else {
		let known = LENGTHS.map(|(name, _)| name).join(", ");
		return Err(UnitError::UnknownUnit { unit: unit.to_owned(), known });
	};
	let bytes = scaled(text, number, u128::from(*factor), "bytes", example)?;
	u64::try_from(bytes).map_err(|_| UnitError::TooLarge { text: text.to_owned() })
}

/// Writes a length in the largest binary unit in which it is short: `64 MiB`, `1.5 GiB`, `2000 B`. Lengths that need
/// more than one decimal are rounded down, so this is for people only.
pub fn format_bytes(bytes: u64) -> String {
	let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
	match units.iter().find(|(_, factor)| bytes >= *factor) {
		None => format!("{bytes} B"),
		Some((name, factor)) => {
			let tenths = u128::from(bytes) * 10 / u128::from(*factor);
			match tenths % 10 {
				0 => format!("{} {name}", tenths / 10),
				tenth => format!("{}.{tenth} {name}", tenths / 10),
			}
		}
	}
}

/// Number and unit of a text.
fn split<'a>(text: &'a str, example: &'static str) -> Result<(&'a str, &'a str), UnitError> {
	let text = text.trim();
	let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
	let (number, unit) = text.split_at(end);
	if !number.starts_with(|c: char| c.is_ascii_digit()) {
		return Err(UnitError::NotANumber { text: text.to_owned(), example });
	}
	match unit.trim_start() {
		"" => Err(UnitError::NoUnit { text: text.to_owned(), example }),
		unit => Ok((number, unit)),
	}
}

/// A decimal number times a factor, when that is a whole number.
fn scaled(
	text: &str,
	number: &str,
	factor: u128,
	smallest: &'static str,
	example: &'static str,
) -> Result<u128, UnitError> {
	let too_large = || UnitError::TooLarge { text: text.to_owned() };
	let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
	let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
	if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
		return Err(UnitError::NotANumber { text: text.to_owned(), example });
	}
	let whole: u128 = whole.parse().map_err(|_| too_large())?;
	let mut total = whole.checked_mul(factor).ok_or_else(too_large)?;
	let fraction = fraction.trim_end_matches('0');
	if !fraction.is_empty() {
		let too_fine = || UnitError::TooFine { text: text.to_owned(), smallest };
		// Nobody writes more digits that still make a whole number, and with fewer nothing overflows below.
		if fraction.len() > 25 {
			return Err(too_fine());
		}
		let part: u128 = fraction.parse().map_err(|_| too_fine())?;
		let part = part.checked_mul(factor).ok_or_else(too_large)?;
		let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
		if part % scale != 0 {
			return Err(too_fine());
		}
		total = total.checked_add(part / scale).ok_or_else(too_large)?;
	}
	Ok(total)
}

/// An amount in a manifest: a text with a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Amount(pub(crate) Balance);

impl<'de> Deserialize<'de> for Amount {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		deserializer.deserialize_any(AmountVisitor)
	}
}

struct AmountVisitor;

impl de::Visitor<'_> for AmountVisitor {
	type Value = Amount;

	fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str(
			"an amount in quotes with its unit, for example \"0.5 TESS\", \"20 mTESS\" or \"5 planck\"",
		)
	}

	fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
		parse_amount(text).map(Amount).map_err(E::custom)
	}
}

/// A length in a manifest: a text with a unit, or a number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bytes(pub(crate) u64);

impl<'de> Deserialize<'de> for Bytes {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		deserializer.deserialize_any(BytesVisitor)
	}
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
	type Value = Bytes;

	fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str("a length: a number of bytes, or a text with a unit like \"64 MiB\"")
	}

	fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
		parse_bytes(text).map(Bytes).map_err(E::custom)
	}

	fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Bytes, E> {
		u64::try_from(bytes).map(Bytes).map_err(|_| E::custom("a length cannot be negative"))
	}

	fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Bytes, E> {
		Ok(Bytes(bytes))
	}
}

#[cfg(test)]
mod tests {
	use proptest::prelude::*;

	use super::*;

	#[test]
	fn amount_should_be_exact_when_it_has_a_unit() {
		for (text, planck) in [
			("0.5 TESS", 500_000_000_000),
			("1 TESS", TESS),
			("1TESS", TESS),
			(" 20 mTESS ", 20_000_000_000),
			("0.001 mTESS", 1_000_000),
			("3 uTESS", 3_000_000),
			("3 µTESS", 3_000_000),
			("5 planck", 5),
			("0 TESS", 0),
			("0.000000000001 TESS", 1),
			("0.10000000000000000000000000000000 TESS", 100_000_000_000),
			("5.000 planck", 5),
			("340282366920938463463374607431768211455 planck", u128::MAX),
			("340282366920938463463374607.431768211455 TESS", u128::MAX),
		] {
			assert_eq!(parse_amount(text), Ok(planck), "{text}");
		}
	}

	#[test]
	fn amount_should_be_refused_with_what_to_write_instead() {
		let error = |text: &str| parse_amount(text).unwrap_err();
		for text in
			["", "TESS", "-1 TESS", "+1 TESS", ".5 TESS", "1. TESS", "1.2.3 TESS", "1e3 TESS x", "1,5 TESS"]
		{
			let e = error(text);
			assert!(matches!(e, UnitError::NotANumber { .. } | UnitError::UnknownUnit { .. }), "{text}: {e}");
			assert!(e.to_string().contains("TESS"), "{e}");
		}
		assert!(matches!(error("5"), UnitError::NoUnit { .. }));
		assert!(matches!(error("5 tess"), UnitError::UnknownUnit { .. }));
		assert!(matches!(error("5 MiB"), UnitError::UnknownUnit { .. }));
		assert!(matches!(error("0.5 planck"), UnitError::TooFine { .. }));
		assert!(matches!(error("0.0000000000001 TESS"), UnitError::TooFine { .. }));
		assert!(matches!(error(&format!("0.{}1 TESS", "0".repeat(60))), UnitError::TooFine { .. }));
		assert!(matches!(
			error("340282366920938463463374607431768211456 planck"),
			UnitError::TooLarge { .. }
		));
		assert!(matches!(error("340282366920938463463374608 TESS"), UnitError::TooLarge { .. }));
		assert!(matches!(error(&format!("{} TESS", "9".repeat(60))), UnitError::TooLarge { .. }));
	}

	#[test]
	fn amount_should_be_written_short() {
		assert_eq!(format_amount(0), "0 TESS");
		assert_eq!(format_amount(5), "5 planck");
		assert_eq!(format_amount(999_999), "999999 planck");
		assert_eq!(format_amount(1_000_000), "0.000001 TESS");
		assert_eq!(format_amount(TESS / 2), "0.5 TESS");
		assert_eq!(format_amount(3 * TESS), "3 TESS");
		assert_eq!(format_amount(TESS + 1), "1.000000000001 TESS");
	}

	#[test]
	fn length_should_be_exact_when_it_has_a_unit_or_none() {
		for (text, bytes) in [
			("2000", 2000),
			("2000 B", 2000),
			("64 MiB", 64 << 20),
			("1.5 GiB", 3 << 29),
			("1.5GiB", 3 << 29),
			("2 kB", 2000),
			("0.0009765625 KiB", 1),
			("18446744073709551615", u64::MAX),
		] {
			assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
		}
		assert!(matches!(parse_bytes("0.3 KiB").unwrap_err(), UnitError::TooFine { .. }));
		assert!(matches!(parse_bytes("64 mib").unwrap_err(), UnitError::UnknownUnit { .. }));
		assert!(matches!(parse_bytes("16777216 TiB").unwrap_err(), UnitError::TooLarge { .. }));
		assert!(matches!(parse_bytes("18446744073709551616").unwrap_err(), UnitError::NoUnit { .. }));
		assert!(matches!(parse_bytes("-4").unwrap_err(), UnitError::NotANumber { .. }));
	}

	#[test]
	fn length_should_be_written_for_people() {
		assert_eq!(format_bytes(0), "0 B");
		assert_eq!(format_bytes(1023), "1023 B");
		assert_eq!(format_bytes(1024), "1 KiB");
		assert_eq!(format_bytes(3 << 29), "1.5 GiB");
		assert_eq!(format_bytes(u64::MAX), "16777215.9 TiB");
	}

	proptest! {
		#[test]
		fn amount_should_survive_being_written_and_read(planck: u128) {
			prop_assert_eq!(parse_amount(&format_amount(planck)), Ok(planck));
		}

		#[test]
		fn amount_should_never_panic(text in "[0-9.]{0,40} ?[a-zA-Zµ]{0,6}") {
			let _ = parse_amount(&text);
			let _ = parse_bytes(&text);
		}
	}
}
