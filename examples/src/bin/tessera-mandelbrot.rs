// SPDX-License-Identifier: Apache-2.0

//! `tessera-mandelbrot`: plans the job of a picture, and makes the picture from its outputs.

use std::{fs::File, io::BufWriter, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tessera_examples::picture::{self, Picture};

/// Pictures of the Mandelbrot set, computed in tiles by a job.
#[derive(Parser)]
#[command(version)]
struct Cli {
	#[command(subcommand)]
	command: Command,
}

#[derive(Subcommand)]
enum Command {
	/// Print the tables of job.toml that depend on the picture.
	Plan {
		#[command(flatten)]
		picture: PictureArgs,
	},
	/// Make a PNG from the outputs of a job, and compare every count with the CPU.
	///
	/// Exits with 3 if a count differs from what the CPU gets. The picture is written nevertheless.
	Render {
		/// The folder of `tessera job fetch JOB --out DIR`.
		#[arg(long, value_name = "DIR")]
		outputs: PathBuf,
		/// The picture to write.
		#[arg(long, value_name = "FILE")]
		png: PathBuf,
		#[command(flatten)]
		picture: PictureArgs,
	},
}

/// The defaults are the picture of examples/mandelbrot/job.toml.
#[derive(Args)]
struct PictureArgs {
	/// Real part of the centre.
	#[arg(long, default_value_t = -0.75, allow_negative_numbers = true)]
	centre_re: f64,
	/// Imaginary part of the centre.
	#[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
	centre_im: f64,
	/// Width of the picture in the plane.
	#[arg(long, default_value_t = 3.0)]
	span: f64,
	/// Pixels per row.
	#[arg(long, default_value_t = 768)]
	width: u32,
	/// Rows.
	#[arg(long, default_value_t = 576)]
	height: u32,
	/// Tiles, one task each.
	#[arg(long, default_value_t = 12)]
	tiles: u32,
	/// Rounds after which a point counts as inside.
	#[arg(long, default_value_t = 500)]
	max_iterations: u32,
}

impl PictureArgs {
	fn picture(&self) -> Result<Picture> {
		let centre = (self.centre_re, self.centre_im);
		Picture::new(centre, self.span, self.width, self.height, self.tiles, self.max_iterations)
	}
}

fn main() -> ExitCode {
	run().unwrap_or_else(|error| {
		eprintln!("error: {error:#}");
		ExitCode::FAILURE
	})
}

fn run() -> Result<ExitCode> {
	match Cli::parse().command {
		Command::Plan { picture } => {
			print!("{}", picture.picture()?.job_tables());
			Ok(ExitCode::SUCCESS)
		}
		Command::Render { outputs, png, picture: args } => {
			let picture = args.picture()?;
			let tiles = picture.read(&outputs)?;
			let file = File::create(&png).with_context(|| format!("cannot create {}", png.display()))?;
			let counts = tiles.iter().flatten().copied();
			picture::write_png(BufWriter::new(file), picture.size(), counts, args.max_iterations)
				.with_context(|| format!("cannot write {}", png.display()))?;
			let (width, height) = picture.size();
			println!("{}: {width} x {height} pixels from {} tiles", png.display(), tiles.len());

			let differing: Vec<String> = picture
				.tiles()
				.iter()
				.zip(&tiles)
				.enumerate()
				.filter(|(_, (tile, counts))| picture.reference(tile) != **counts)
				.map(|(index, _)| index.to_string())
				.collect();
			if differing.is_empty() {
				println!("All {} tiles agree with the CPU reference to the last bit.", tiles.len());
				return Ok(ExitCode::SUCCESS);
			}
			println!(
				"{} of {} tiles differ from the CPU reference: {}",
				differing.len(),
				tiles.len(),
				differing.join(", ")
			);
			Ok(ExitCode::from(3))
		}
	}
}
