// SPDX-License-Identifier: Apache-2.0

//! Tables and short forms for people.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Row, Table, presets};
use tessera_client::{
	chain::{AccountId, H256},
	manifest::units::format_amount,
};
use tessera_primitives::{Balance, api::TaskCounts};

/// A table with these columns; names that begin with `>` are aligned to the right. Cells are never wrapped, so that ids
/// can be copied and `grep` and `cut` work.
pub fn table<const N: usize>(columns: [&str; N]) -> Table {
	let mut table = Table::new();
	let cell = |name: &str| Cell::new(name.trim_start_matches('>')).add_attribute(Attribute::Bold);
	table
		.load_style(presets::NOTHING)
		.set_header(Row::from(columns.map(cell).to_vec()))
		.set_content_arrangement(ContentArrangement::Disabled);
	for (index, name) in columns.iter().enumerate() {
		if let Some(column) = table.column_mut(index) {
			column.set_padding((0, 2));
			if name.starts_with('>') {
				column.set_cell_alignment(CellAlignment::Right);
			}
		}
	}
	table
}

/// A table as text, or this sentence when it has no row.
pub fn text_or(table: &Table, nothing: &str) -> String {
	if table.is_empty() { nothing.to_owned() } else { trimmed(&table.to_string()) }
}

/// Names and values below each other.
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
	let pairs: Vec<_> = pairs.into_iter().collect();
	let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
	let mut out = String::new();
	for (name, value) in &pairs {
		// A value of several lines goes on below itself.
		let value = value.replace('\n', &format!("\n{:width$}  ", ""));
		out.push_str(&format!("{name:width$}  {value}\n"));
	}
	trimmed(&out)
}

/// Without spaces at the ends of lines.
fn trimmed(text: &str) -> String {
	text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// An id in full: `0x` and 64 hex digits.
pub fn hex(id: &H256) -> String {
	format!("{id:?}")
}

/// The first 12 digits of an id: enough to find a job again.
pub fn short(id: &H256) -> String {
	hex(id).chars().take(14).collect()
}

/// An amount with its unit.
pub fn amount(planck: Balance) -> String {
	format_amount(planck)
}

/// An account in full.
pub fn account(account: &AccountId) -> String {
	account.to_string()
}

/// Tasks by state, those that there are: `3 open, 2 settled`.
pub fn counts(counts: &TaskCounts) -> String {
	counts_at(counts, None)
}

/// Tasks by state, with the price of the open ones: `3 open at 0.01 TESS, 2 settled`.
pub fn counts_at(counts: &TaskCounts, price: Option<Balance>) -> String {
	let at = price.map(|price| format!(" at {}", amount(price))).unwrap_or_default();
	let states = [
		(counts.open, format!("open{at}")),
		(counts.accepted, "working".into()),
		(counts.claimed, "claimed".into()),
		(counts.settled, "settled".into()),
		(counts.failed, "failed".into()),
	];
	let found: Vec<_> =
		states.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
	if found.is_empty() { "none".into() } else { found.join(", ") }
}

/// `1 task`, `3 tasks`.
pub fn plural(number: impl Into<u64>, what: &str) -> String {
	let number = number.into();
	if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn table_should_have_no_decoration_when_nobody_sees_it() {
		let mut table = table(["NAME", ">AMOUNT"]);
		assert_eq!(text_or(&table, "nothing"), "nothing");
		table.add_row(["a", "1"]).add_row(["long name", "100"]);
		let text = text_or(&table, "nothing");
		let lines: Vec<_> = text.lines().collect();
		assert_eq!(lines, ["NAME       AMOUNT", "a               1", "long name     100"]);
	}

	#[test]
	fn pairs_should_be_aligned() {
		let text = pairs([("a", "1".into()), ("long", "2\n3".into())]);
		assert_eq!(text, "a     1\nlong  2\n      3");
	}

	#[test]
	fn ids_should_be_shown_in_full_or_as_a_prefix_of_that() {
		let id = H256::repeat_byte(0xab);
		assert_eq!(hex(&id).len(), 66);
		assert!(hex(&id).starts_with(&short(&id)));
		assert_eq!(short(&id), "0xabababababab");
	}

	#[test]
	fn counts_should_name_only_what_there_is() {
		let some = TaskCounts { open: 3, accepted: 0, claimed: 1, settled: 0, failed: 2 };
		assert_eq!(counts(&some), "3 open, 1 claimed, 2 failed");
		assert_eq!(counts_at(&some, Some(5)), "3 open at 5 planck, 1 claimed, 2 failed");
		assert_eq!(counts(&TaskCounts::default()), "none");
		assert_eq!(plural(1u32, "task"), "1 task");
		assert_eq!(plural(0u32, "task"), "0 tasks");
	}
}
