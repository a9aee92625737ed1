// SPDX-License-Identifier: Apache-2.0

//! Commands in documents: blocks fenced as `sh` are run as they stand, in order, in one shell.

use anyhow::{Result, bail, ensure};

/// A fenced block of commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
	/// Line of its first command, from 1.
	pub line: usize,
	/// The commands.
	pub text: String,
}

/// The blocks of a Markdown document that are fenced as `sh`.
///
/// Every fence must name its language, so that no command is left out by an oversight: `text` and `toml` are for what is
/// not to be run.
pub fn blocks(markdown: &str) -> Result<Vec<Block>> {
	let mut blocks = Vec::new();
	let mut open: Option<(&str, Block)> = None;
	for (number, line) in (1..).zip(markdown.lines()) {
		let fence = line.trim_start().strip_prefix("```");
		match (&mut open, fence) {
			(None, None) => (),
			(None, Some(language)) => {
				let language = language.trim();
				ensure!(!language.is_empty(), "line {number}: the fence names no language");
				ensure!(
					!matches!(language, "bash" | "shell" | "console"),
					"line {number}: write `sh` for commands that are run, `text` for others"
				);
				open = Some((language, Block { line: number + 1, text: String::new() }));
			}
			(Some(_), Some("")) => {
				let closed = open.take();
				blocks.extend(closed.filter(|(language, _)| *language == "sh").map(|(_, block)| block));
			}
			(Some((_, block)), Some(_)) => {
				bail!("line {number}: the fence of line {} is open", block.line - 1)
			}
			(Some((_, block)), None) => {
				block.text.push_str(line);
				block.text.push('\n');
			}
		}
	}
	if let Some((_, block)) = open {
		bail!("line {}: this fence is never closed", block.line - 1);
	}
	Ok(blocks)
}

/// One bash script of all blocks, which says what it does and stops at the first command that fails.
pub fn script(name: &str, blocks: &[Block]) -> String {
	let mut script = String::from("set -euo pipefail\n");
	for Block { line, text } in blocks {
		script.push_str(&format!(
			"printf '\\n### {name}:{line}\\n'\nset -x\n{text}{{ set +x; }} 2>/dev/null\n"
		));
	}
	script.push_str("printf '\\n### done\\n'\n");
	script
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn blocks_should_be_those_fenced_as_sh_when_there_are_others() {
		let text = "# A\n```sh\na\nb\n```\n\n```toml\nx = 1\n```\n1. item\n   ```sh\n   c\n   ```\n";
		let found = blocks(text).unwrap();
		let block = |line, text: &str| Block { line, text: text.into() };
		assert_eq!(found, [block(3, "a\nb\n"), block(12, "   c\n")]);
		let script = script("doc.md", &found);
		assert!(script.contains("doc.md:3") && script.contains("\nset -x\na\nb\n"), "{script}");
	}

	#[test]
	fn blocks_should_be_refused_when_a_fence_is_nameless_open_or_of_another_shell() {
		for (text, line) in
			[("```\na\n```", 1), ("\n```sh\na", 2), ("```bash\na\n```", 1), ("```sh\n```text\n", 2)]
		{
			let error = blocks(text).unwrap_err().to_string();
			assert!(error.starts_with(&format!("line {line}:")), "{error}");
		}
	}
}
