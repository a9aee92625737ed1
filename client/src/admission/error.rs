// SPDX-License-Identifier: Apache-2.0

//! Why a program or a job of it is refused.

use serde::{Deserialize, Serialize};
use tessera_primitives::limits::{MAX_WORKGROUPS, MAX_WORKGROUPS_PER_DIMENSION};

/// Why a program or a job of it is refused before a GPU sees it. Lines and columns count from 1 in the WGSL module;
/// 0 where the position is not known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionError {
	/// A module is longer than allowed.
	#[error(
		"the WGSL of stage `{stage}` has {bytes} bytes; at most {limit} are allowed: split it into stages"
	)]
	SourceTooLong {
		/// A stage that uses the module.
		stage: String,
		/// Its length.
		bytes: usize,
		/// What is allowed.
		limit: usize,
	},
	/// A module is not WGSL.
	#[error("the WGSL of stage `{stage}` does not parse, line {line}, column {column}: {message}")]
	Parse {
		/// A stage that uses the module.
		stage: String,
		/// Where.
		line: u32,
		/// Where.
		column: u32,
		/// naga's message.
		message: String,
	},
	/// A module is WGSL, but not valid, or uses a language feature that the job does not ask for.
	#[error("the WGSL of stage `{stage}` is not valid, line {line}, column {column}: {message}")]
	Invalid {
		/// A stage that uses the module.
		stage: String,
		/// Where.
		line: u32,
		/// Where.
		column: u32,
		/// naga's message, with its causes.
		message: String,
	},
	/// A module declares pipeline-overridable constants.
	#[error(
		"the WGSL of stage `{stage}` declares `override {name}` in line {line}: a program has no way to set \
		 overrides; use `const`"
	)]
	Override {
		/// A stage that uses the module.
		stage: String,
		/// The override.
		name: String,
		/// Where.
		line: u32,
	},
	/// The stage's entry point is not in its module.
	#[error("stage `{stage}`: its WGSL has no compute entry point `{entry}`; it has: {found}")]
	NoEntryPoint {
		/// The stage.
		stage: String,
		/// What the manifest names.
		entry: String,
		/// The entry points that are there, separated by commas.
		found: String,
	},
	/// The stage's entry point is a vertex or fragment shader.
	#[error("stage `{stage}`: entry point `{entry}` is not a compute shader: mark it `@compute`")]
	NotCompute {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
	},
	/// The entry point uses a binding that the manifest does not list.
	#[error(
		"stage `{stage}`: entry point `{entry}` uses `{variable}` at @group({group}) @binding({binding}), line \
		 {line}, which the stage does not bind: add it to the stage's `bindings`"
	)]
	UnlistedBinding {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
		/// `@group`.
		group: u32,
		/// `@binding`.
		binding: u32,
		/// The variable.
		variable: String,
		/// Where it is declared.
		line: u32,
	},
	/// The manifest lists a binding that the entry point does not use.
	#[error(
		"stage `{stage}` binds buffer `{buffer}` to @group({group}) @binding({binding}), which entry point \
		 `{entry}` does not use: remove it from the stage's `bindings`"
	)]
	UnusedBinding {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
		/// `@group`.
		group: u8,
		/// `@binding`.
		binding: u8,
		/// The buffer.
		buffer: String,
	},
	/// Manifest and WGSL disagree about what a binding is.
	#[error(
		"stage `{stage}`: @group({group}) @binding({binding}) is {found} in the WGSL (`{variable}`, line {line}), \
		 but buffer `{buffer}` is bound as {expected}"
	)]
	BindingMismatch {
		/// The stage.
		stage: String,
		/// `@group`.
		group: u32,
		/// `@binding`.
		binding: u32,
		/// The variable.
		variable: String,
		/// Where it is declared.
		line: u32,
		/// The buffer of the manifest.
		buffer: String,
		/// What the WGSL declares.
		found: String,
		/// What the manifest declares.
		expected: String,
	},
	/// More buffers of one kind than a stage may bind.
	#[error(
		"stage `{stage}` binds {found} {kind} buffers; at most {limit} are allowed: merge buffers or add a stage"
	)]
	TooManyBuffers {
		/// The stage.
		stage: String,
		/// `storage` or `uniform`.
		kind: String,
		/// How many.
		found: usize,
		/// What is allowed.
		limit: usize,
	},
	/// The workgroup is too large.
	#[error(
		"stage `{stage}`: entry point `{entry}` has a workgroup of {}x{}x{}; at most {}x{}x{} and {invocations} \
		 invocations are allowed",
		size[0], size[1], size[2], limit[0], limit[1], limit[2]
	)]
	WorkgroupSize {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
		/// `@workgroup_size`.
		size: [u32; 3],
		/// What is allowed in each dimension.
		limit: [u32; 3],
		/// Invocations allowed.
		invocations: u32,
	},
	/// Too much `var<workgroup>`.
	#[error(
		"stage `{stage}`: entry point `{entry}` uses {bytes} bytes of workgroup memory; at most {limit} are allowed"
	)]
	WorkgroupMemory {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
		/// What it uses.
		bytes: u64,
		/// What is allowed.
		limit: u32,
	},
	/// Too many private and function variables, or a value of that size.
	#[error(
		"stage `{stage}`: entry point `{entry}` needs {bytes} bytes of private memory per invocation{}; at most \
		 {limit} are allowed: keep large arrays in a scratch buffer",
		if *line > 0 { format!(" (line {line})") } else { String::new() }
	)]
	PrivateMemory {
		/// The stage.
		stage: String,
		/// The entry point.
		entry: String,
		/// What it needs.
		bytes: u64,
		/// What is allowed.
		limit: u32,
		/// Where, when it is one value.
		line: u32,
	},
	/// A job gives the wrong number of buffer lengths.
	#[error("the job gives {found} buffer lengths; the program has {expected} buffers")]
	BufferCount {
		/// What the job gives.
		found: usize,
		/// What the program has.
		expected: usize,
	},
	/// A buffer is empty, not whole words, or too long.
	#[error("buffer `{buffer}` has {bytes} bytes: it must be a multiple of 4 from 4 to {limit}")]
	BufferLength {
		/// The buffer.
		buffer: String,
		/// Its length.
		bytes: u64,
		/// What is allowed.
		limit: u64,
	},
	/// A buffer is shorter than the variable it is bound to.
	#[error(
		"stage `{stage}`: buffer `{buffer}` has {bytes} bytes; the variable at @group({group}) @binding({binding}) \
		 needs at least {least}"
	)]
	BufferTooShort {
		/// The stage.
		stage: String,
		/// `@group`.
		group: u8,
		/// `@binding`.
		binding: u8,
		/// The buffer.
		buffer: String,
		/// Its length.
		bytes: u64,
		/// What it must have.
		least: u64,
	},
	/// A job gives the wrong number of dispatches.
	#[error("the job gives {found} dispatches; the program has {expected} stages")]
	DispatchCount {
		/// What the job gives.
		found: usize,
		/// What the program has.
		expected: usize,
	},
	/// A dispatch is empty or too large.
	#[error(
		"stage `{stage}`: a dispatch of {}x{}x{} workgroups is not allowed: from 1 to \
		 {MAX_WORKGROUPS_PER_DIMENSION} in each dimension and {MAX_WORKGROUPS} in all",
		workgroups[0], workgroups[1], workgroups[2]
	)]
	Dispatch {
		/// The stage.
		stage: String,
		/// Its workgroups.
		workgroups: [u32; 3],
	},
	/// The WGSL compiler itself failed.
	#[error(
		"the WGSL compiler failed on this program: {message}; simplify the shader and report this as a bug"
	)]
	Compiler {
		/// What it said.
		message: String,
	},
	/// The check could not be run: nothing is said about the program.
	#[error("the program was not checked: no thread to compile on: {reason}")]
	NoThread {
		/// Why.
		reason: String,
	},
}
