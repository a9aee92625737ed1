// SPDX-License-Identifier: Apache-2.0

//! What the command says: results on stdout, as text or JSON, and everything else on stderr.

pub mod events;
pub mod shapes;
pub mod table;

use std::{
	fmt::Display,
	io::{self, IsTerminal, Write},
	time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::exit::Failure;

/// Where the command writes.
#[derive(Clone, Debug)]
pub struct Output {
	json: bool,
	quiet: bool,
	/// All progress bars: what is written in between must not tear them.
	bars: MultiProgress,
}

impl Output {
	/// Writes JSON when asked to, and no remarks when quiet.
	pub fn new(json: bool, quiet: bool) -> Self {
		let hidden = json || quiet || !io::stderr().is_terminal();
		let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
		Self { json, quiet, bars: MultiProgress::with_draw_target(target) }
	}

	/// Whether results are JSON.
	pub fn is_json(&self) -> bool {
		self.json
	}

	/// Writes a result: one line of JSON, or the text.
	pub fn result<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
		if self.json { self.line(&json(value)) } else { self.line(&text()) }
	}

	/// Writes an event of something long: one line of JSON on stdout, or a remark.
	pub fn event<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
		if self.json {
			self.line(&json(value));
		} else {
			self.note(text());
		}
	}

	/// Writes a remark, for people only.
	pub fn note(&self, text: impl Display) {
		if !self.json && !self.quiet {
			self.remark(&text);
		}
	}

	/// Writes what should not be overlooked.
	pub fn warn(&self, text: impl Display) {
		if self.json {
			self.remark(&json(&serde_json::json!({ "warning": text.to_string() })));
		} else {
			self.remark(&format!("warning: {text}"));
		}
	}

	/// Writes why the command failed.
	pub fn failure(&self, failure: &Failure) {
		if self.json {
			let error = serde_json::json!({
				"error": { "exit": failure.exit as u8, "message": failure.message, "help": failure.help }
			});
			self.remark(&json(&error));
		} else {
			self.remark(failure);
		}
	}

	/// A progress bar over this many things; it shows nothing where nobody would see it. `message` follows the bar.
	pub fn bar(&self, length: u64, what: &str) -> ProgressBar {
		let style = ProgressStyle::with_template(
			"{prefix:.bold} [{bar:24.cyan/blue}] {pos}/{len} {msg} {elapsed:.dim}",
		);
		let bar = ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
		self.add(bar, what)
	}

	/// A spinner for something that takes an unknown time.
	pub fn spinner(&self, what: &str) -> ProgressBar {
		let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim}");
		let bar =
			ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
		self.add(bar, what)
	}

	/// Whether progress bars are seen by anybody.
	pub fn shows_bars(&self) -> bool {
		!self.bars.is_hidden()
	}

	/// Where a log may write without tearing progress bars.
	pub fn log(&self) -> Log {
		Log(self.bars.clone())
	}

	/// Writes to stdout. A reader that has read enough is no failure.
	pub fn line(&self, text: &str) {
		let written = self.bars.suspend(|| {
			let mut out = io::stdout().lock();
			writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush())
		});
		match written {
			Ok(()) => (),
			Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
			Err(error) => self.remark(&format!("error: stdout cannot be written: {error}")),
		}
	}

	fn add(&self, bar: ProgressBar, what: &str) -> ProgressBar {
		let bar = self.bars.add(bar.with_prefix(what.to_owned()));
		if !self.bars.is_hidden() {
			bar.enable_steady_tick(Duration::from_millis(200));
		}
		bar
	}

	fn remark(&self, text: &impl Display) {
		self.bars.suspend(|| {
			// Nothing can be done when even stderr is closed.
			let _ = writeln!(io::stderr().lock(), "{text}");
		});
	}
}

/// A value as one line of JSON.
fn json<T: Serialize>(value: &T) -> String {
	// All values are plain structures with text keys, which serde_json can always write.
	serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}

/// Stderr, between the progress bars.
#[derive(Clone, Debug)]
pub struct Log(MultiProgress);

impl Write for Log {
	fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
		self.0.suspend(|| io::stderr().lock().write(bytes))
	}

	fn flush(&mut self) -> io::Result<()> {
		io::stderr().lock().flush()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn json_should_be_one_line_whatever_the_value() {
		let text = json(&serde_json::json!({ "a": "two\nlines", "b": [1, 2] }));
		assert_eq!(text, r#"{"a":"two\nlines","b":[1,2]}"#);
	}

	#[test]
	fn bars_should_be_hidden_with_json_and_quiet() {
		assert!(!Output::new(true, false).shows_bars());
		assert!(!Output::new(false, true).shows_bars());
		assert!(Output::new(true, false).bar(3, "x").is_hidden());
	}
}
