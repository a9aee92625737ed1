// SPDX-License-Identifier: Apache-2.0

//! Manifests of jobs of the tests' own: one stage, one input, one output.

use std::{
	fs,
	path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tessera_client::{
	blobs::{BlobConfig, BlobNode},
	chain::{Chain, H256, Level, calls},
	keys::Key,
	manifest::{JobSource, ProgramSource},
};
use tessera_primitives::{Balance, JobId};

/// Price of a task of these jobs at any time, planck.
pub const PRICE: Balance = 10_000_000_000;

/// Adds numbers up, for a time that the dispatch decides. The rounds stay below what old versions of Mesa's software
/// device leave a loop after.
pub const SLOW: &str = "
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) own: u32) {
	var sum = source[0] + own;
	for (var round = 0u; round < 60000u; round++) {
		sum = sum * 1664525u + 1013904223u;
	}
	result[own] = sum;
}
";

/// Never ends while its input is zero. The workgroups of [`ENDLESS_DISPATCH`] make it last for days even where a
/// software device leaves a loop after so many rounds.
pub const ENDLESS: &str = "
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(1)
fn main() {
	loop {
		if source[0] == 1u { break; }
		result[0] = result[0] * 1664525u + 1u;
	}
}
";

/// See [`ENDLESS`].
pub const ENDLESS_DISPATCH: [u32; 3] = [65_535, 256, 1];

/// Asks for more workgroup memory than any adapter has to have.
pub const GREEDY: &str = "
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
var<workgroup> shared_words: array<u32, 1000000>;

@compute @workgroup_size(1)
fn main() {
	shared_words[source[0]] = 1u;
	result[0] = shared_words[0];
}
";

/// What a job of a test is.
#[derive(Clone, Copy, Debug)]
pub struct JobToml<'a> {
	/// The shader; its entry point is `main`, its buffers are at bindings 0 and 1 of group 0.
	pub wgsl: &'a str,
	/// Number of tasks; the input of each is its index.
	pub tasks: u32,
	/// Length of the output, bytes.
	pub output_bytes: u64,
	/// Workgroups.
	pub dispatch: [u32; 3],
	/// Ticks from acceptance to claim.
	pub execution: u32,
	/// Ticks from submission to the last acceptance.
	pub lifetime: u32,
}

impl Default for JobToml<'_> {
	fn default() -> Self {
		Self { wgsl: SLOW, tasks: 1, output_bytes: 256, dispatch: [1, 1, 1], execution: 100, lifetime: 1000 }
	}
}

/// A folder with a job's manifest and its program.
pub struct JobFolder {
	folder: PathBuf,
}

impl JobFolder {
	/// Writes the manifests of a job. The name makes the program another one than those of other tests.
	pub fn write(folder: &Path, name: &str, job: JobToml) -> Result<Self> {
		fs::create_dir_all(folder)?;
		let JobToml { wgsl, tasks, output_bytes, dispatch, execution, lifetime } = job;
		fs::write(folder.join("main.wgsl"), format!("// {name}\n{wgsl}"))?;
		fs::write(
			folder.join("program.toml"),
			format!(
				"name = \"{name}\"

[[buffers]]
name = \"source\"
role = \"input\"

[[buffers]]
name = \"result\"
role = \"output\"

[[stages]]
name = \"main\"
wgsl = \"main.wgsl\"
bindings = [
	{{ group = 0, binding = 0, buffer = \"source\", access = \"read\" }},
	{{ group = 0, binding = 1, buffer = \"result\", access = \"read_write\" }},
]
"
			),
		)?;
		let words: Vec<String> = (0..tasks).map(|task| format!("[{task}]")).collect();
		fs::write(
			folder.join("job.toml"),
			format!(
				"[program]
path = \"program.toml\"

[job]
tasks = {tasks}

[price]
opening = \"{PRICE} planck\"
ceiling = \"{PRICE} planck\"

[deadlines]
execution = {execution}
lifetime = {lifetime}

[buffers.source]
words = [{}]

[buffers.result]
bytes = {output_bytes}

[stages.main]
dispatch = {dispatch:?}
",
				words.join(", ")
			),
		)?;
		Ok(Self { folder: folder.into() })
	}

	/// The path of the job's manifest, as an argument.
	pub fn job(&self) -> String {
		self.folder.join("job.toml").display().to_string()
	}

	/// The path of the program's manifest, as an argument.
	pub fn program(&self) -> String {
		self.folder.join("program.toml").display().to_string()
	}

	/// Submits the job through the SDK, which does not look at the shader as the command does. Returns the job, what
	/// serves its inputs, and the fees that were paid, planck.
	pub async fn submit_unchecked(&self, chain: &Chain, account: &str) -> Result<(JobId, BlobNode, Balance)> {
		let tenant = Key::from_uri(account)?;
		let program = ProgramSource::load(&self.folder.join("program.toml")).map_err(anyhow::Error::new)?;
		let source = JobSource::load(&self.folder.join("job.toml")).map_err(anyhow::Error::new)?;
		let job = source.build(program.id(), &program.package.manifest).map_err(anyhow::Error::new)?;
		let blobs = BlobNode::open(BlobConfig::local(self.folder.join("served"))).await?;
		blobs.add_bytes("job", program.blob().1).await?;
		for (blob, origin) in &job.blobs {
			blobs.add_origin("job", blob, origin).await?;
		}
		let registration = calls::register_program(&program.package);
		let registered = chain.submit(&registration, tenant.signer(), Level::Best).await?;
		let mut request = job.request.clone();
		request.source = blobs.endpoint_info();
		let client_id = H256::repeat_byte(7);
		let (id, submitted) = chain.submit_job(tenant.signer(), client_id, request, Level::Best).await?;
		let fee = |fee: Option<Balance>| fee.context("a transaction has a fee");
		Ok((id, blobs, fee(registered.fee)? + fee(submitted.fee)?))
	}
}
