// SPDX-License-Identifier: Apache-2.0

//! `tessera program`.

use std::{
	fs,
	path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use codec::Encode;
use serde::Serialize;
use tessera_client::{
	chain::{Chain, ChainError, H256, Level, TxOutcome, calls},
	keys::Key,
	manifest::{EXAMPLE_PROGRAM, EXAMPLE_WGSL, ProgramSource, parse_hash},
};
use tessera_primitives::{
	ProgramId,
	program::{ProgramManifest, ProgramPackage},
	provider::Features,
};

use super::{init, send, transaction_text};
use crate::{
	context::Context,
	data,
	exit::{Failure, Outcome},
	output::{
		shapes::{self, Transaction},
		table,
	},
};

/// What to do with a program.
#[derive(Subcommand, Debug)]
pub enum ProgramCommand {
	/// Write an example program, commented: program.toml and its shader
	Init {
		/// Where to.
		#[arg(default_value = ".", value_name = "DIR")]
		dir: PathBuf,
		/// Overwrite what is there.
		#[arg(long)]
		force: bool,
	},
	/// Pack a program into one file; the hash of the file is the program's id
	Pack {
		/// The program's manifest.
		#[arg(default_value = "program.toml", value_name = "PROGRAM")]
		program: PathBuf,
		/// The file to write; without it, only the id is printed.
		#[arg(long, short, value_name = "FILE")]
		out: Option<PathBuf>,
	},
	/// Check a program as workers do before they run it: manifest, WGSL, and that both agree
	Check {
		/// The program's manifest.
		#[arg(default_value = "program.toml", value_name = "PROGRAM")]
		program: PathBuf,
		/// What the shaders may use.
		#[command(flatten)]
		features: FeatureArgs,
	},
	/// Register a program, so that jobs can use it; a deposit is kept until it is retired
	Register {
		/// The program's manifest.
		#[arg(default_value = "program.toml", value_name = "PROGRAM")]
		program: PathBuf,
		/// What the shaders may use.
		#[command(flatten)]
		features: FeatureArgs,
	},
	/// Show a registered program
	Show {
		/// Its id, or its manifest.
		#[arg(default_value = "program.toml", value_name = "ID|PROGRAM")]
		program: String,
	},
	/// Remove a program that no job uses any more, and get the deposit back
	Retire {
		/// Its id, or its manifest.
		#[arg(default_value = "program.toml", value_name = "ID|PROGRAM")]
		program: String,
	},
}

/// What shaders may use beyond what every adapter has.
#[derive(Args, Clone, Debug)]
pub struct FeatureArgs {
	/// Abilities that its jobs will require: shader-f16, timestamp-query, subgroup, shader-int64
	#[arg(long, value_name = "FEATURE", value_delimiter = ',')]
	pub features: Vec<String>,
}

impl FeatureArgs {
	fn set(&self) -> Outcome<Features> {
		parse_features(&self.features)
	}
}

/// The set of features with these names.
pub fn parse_features(names: &[String]) -> Outcome<Features> {
	let mut set = Features(0);
	for name in names {
		let Some((_, feature)) = Features::NAMED.iter().find(|(known, _)| known == name) else {
			let known = Features::NAMED.map(|(name, _)| name).join(", ");
			return Err(Failure::usage(format!("`{name}` is not a feature"))
				.help(format!("the features are {known}")));
		};
		set = set.union(*feature);
	}
	Ok(set)
}

/// Reads, packs and checks a program, whose shaders may use these features.
fn load(path: &Path, features: Features) -> Outcome<(ProgramSource, shapes::Program)> {
	let source = ProgramSource::load(path)?;
	let admitted = source.admit(features).map_err(|e| Failure::from(e).help(wgsl_files(&source)))?;
	let mut shape = shapes::Program::new(source.id(), &source.package.manifest);
	shape.name = Some(source.name.clone());
	shape.package_bytes = u64::try_from(source.package.encoded_size()).ok();
	for (stage, admitted) in shape.stages.iter_mut().zip(&admitted.stages) {
		stage.workgroup_size = Some(admitted.workgroup_size);
	}
	Ok((source, shape))
}

/// The files to look into for a mistake in the WGSL.
pub fn wgsl_files(source: &ProgramSource) -> String {
	let files: Vec<_> = source.modules.iter().map(|path| path.display().to_string()).collect();
	format!("the WGSL is in {}", files.join(", "))
}

/// Reads the package of this program.
pub fn read_package(path: &Path, id: &ProgramId) -> Outcome<ProgramPackage> {
	let input = |message: String| Failure::input(format!("{}: {message}", path.display()));
	let bytes = fs::read(path).map_err(|e| input(format!("the package cannot be read: {e}")))?;
	let package = ProgramPackage::decode_checked(&bytes).map_err(|e| input(e.to_string()))?;
	if package.id() != *id {
		let found = table::hex(&package.id());
		return Err(input(format!("it is the package of program {found}, not of {}", table::hex(id))));
	}
	Ok(package)
}

/// What `program pack` says.
#[derive(Serialize)]
struct Packed {
	program: ProgramId,
	name: String,
	package_bytes: u64,
	file: Option<PathBuf>,
}

/// What `program register` says.
#[derive(Serialize)]
struct Registered {
	program: ProgramId,
	/// `null` when it was registered before.
	transaction: Option<Transaction>,
}

/// Runs `tessera program`.
pub async fn run(command: ProgramCommand, ctx: &Context) -> Outcome {
	match command {
		ProgramCommand::Init { dir, force } => {
			let files = [("program.toml", EXAMPLE_PROGRAM), ("scale.wgsl", EXAMPLE_WGSL)];
			let next = "`tessera program check` checks it; `tessera job init` writes a job for it";
			init(ctx, &dir, &files, force, next)
		}
		ProgramCommand::Pack { program, out } => pack(ctx, &program, out),
		ProgramCommand::Check { program, features } => {
			let (_, shape) = load(&program, features.set()?)?;
			ctx.out.result(&shape, || format!("{}\n\nadmissible", describe(&shape)));
			Ok(())
		}
		ProgramCommand::Register { program, features } => {
			let (source, _) = load(&program, features.set()?)?;
			let signer = ctx.signer()?;
			let chain = ctx.connect().await?;
			let outcome = register(ctx, &chain, &signer, &source.package, ctx.level()).await?;
			let shape =
				Registered { program: source.id(), transaction: outcome.as_ref().map(Transaction::from) };
			ctx.out.result(&shape, || {
				let id = table::hex(&shape.program);
				match &outcome {
					Some(outcome) => format!("program {id} is registered\n{}", transaction_text(outcome)),
					None => format!("program {id} was registered before; nothing was paid"),
				}
			});
			Ok(())
		}
		ProgramCommand::Show { program } => {
			let id = find(&program)?;
			let manifest = ctx.view().await?.program(id).await?.ok_or_else(|| unknown(&id))?;
			let mut shape = shapes::Program::new(id, &manifest);
			// Beyond the chain's record, what was registered from here is known.
			if let Ok(bytes) = fs::read(ctx.data.package_file(&id)) {
				shape.package_bytes = u64::try_from(bytes.len()).ok();
			}
			ctx.out.result(&shape, || describe(&shape));
			Ok(())
		}
		ProgramCommand::Retire { program } => {
			let id = find(&program)?;
			let done = format!("program {} is retired; its deposit is free", table::hex(&id));
			send(ctx, calls::retire_program(id), &done).await.map(drop)
		}
	}
}

fn pack(ctx: &Context, program: &Path, out: Option<PathBuf>) -> Outcome {
	let source = ProgramSource::load(program)?;
	let (blob, bytes) = source.blob();
	if let Some(out) = &out {
		data::write(out, &bytes)?;
	}
	let shape = Packed { program: blob.hash, name: source.name, package_bytes: blob.bytes, file: out };
	ctx.out.result(&shape, || {
		let file = shape.file.iter().map(|file| ("file", file.display().to_string()));
		let pairs = [
			("program", table::hex(&shape.program)),
			("name", shape.name.clone()),
			("package", format!("{} bytes", shape.package_bytes)),
		];
		table::pairs(pairs.into_iter().chain(file))
	});
	Ok(())
}

/// The program of an id or a manifest.
fn find(text: &str) -> Outcome<ProgramId> {
	let path = Path::new(text);
	if path.extension().is_some() || path.exists() {
		return Ok(ProgramSource::load(path)?.id());
	}
	parse_hash(text).map_err(|e| {
		Failure::input(e).help(
			"give the program's id, or the path of its program.toml; `tessera program pack` prints the id",
		)
	})
}

/// There is no such program.
pub fn unknown(id: &H256) -> Failure {
	Failure::input(format!("the chain knows no program {}", table::hex(id)))
		.help("`tessera program register` registers it")
}

/// Registers a program unless it is registered; `None` when it was. Keeps its package.
pub async fn register(
	ctx: &Context,
	chain: &Chain,
	signer: &Key,
	package: &ProgramPackage,
	level: Level,
) -> Outcome<Option<TxOutcome>> {
	let id = package.id();
	ctx.data.save_package(&id, &package.encode())?;
	let known = || async { chain.view(Level::Best).await?.program(id).await };
	if let Some(manifest) = known().await? {
		return same(&id, &manifest, &package.manifest).map(|()| None);
	}
	let spinner = ctx.out.spinner("registering the program");
	let outcome = chain.submit(&calls::register_program(package), signer.signer(), level).await;
	spinner.finish_and_clear();
	match outcome {
		// Somebody was faster.
		Err(ChainError::Failed { failure, .. }) if failure.name == "Jobs.ProgramExists" => {
			let manifest = known().await?.ok_or_else(|| unknown(&id))?;
			same(&id, &manifest, &package.manifest).map(|()| None)
		}
		other => Ok(Some(other?)),
	}
}

/// Fails when somebody registered a wrong manifest under a program's id: the chain cannot check that the id is the
/// package's hash.
pub fn same(id: &H256, registered: &ProgramManifest, ours: &ProgramManifest) -> Outcome {
	if registered == ours {
		return Ok(());
	}
	Err(Failure::refused(format!(
		"program {} is registered with another manifest than its package has, so no worker would run it",
		table::hex(id)
	))
	.help("change something in the program, a comment in its WGSL is enough: it gets another id then"))
}

/// A program for people.
fn describe(program: &shapes::Program) -> String {
	let name = program.name.iter().map(|name| ("name", name.clone()));
	let bytes = program.package_bytes.iter().map(|bytes| ("package", format!("{bytes} bytes")));
	let mut text =
		table::pairs([("program", table::hex(&program.program))].into_iter().chain(name).chain(bytes));
	let mut buffers = table::table(["BUFFER", "ROLE", "KIND"]);
	for buffer in &program.buffers {
		buffers.add_row([buffer.name.clone(), word(&buffer.role), word(&buffer.kind)]);
	}
	let mut stages = table::table(["STAGE", "ENTRY", "WORKGROUP", "READS", "WRITES"]);
	for stage in &program.stages {
		let bound = |access: &str| {
			let of = stage.bindings.iter().filter(|b| word(&b.access) == access);
			of.map(|b| b.buffer.as_str()).collect::<Vec<_>>().join(", ")
		};
		let size = stage.workgroup_size.map(|[x, y, z]| format!("{x} x {y} x {z}")).unwrap_or_default();
		stages.add_row([stage.name.clone(), stage.entry.clone(), size, bound("read"), bound("read_write")]);
	}
	text.push_str(&format!("\n\n{}\n\n{}", table::text_or(&buffers, ""), table::text_or(&stages, "")));
	text
}

/// A plain enum as it is named in manifests and JSON.
fn word<T: Serialize>(value: &T) -> String {
	match serde_json::to_value(value) {
		Ok(serde_json::Value::String(word)) => word,
		_ => String::new(),
	}
}
