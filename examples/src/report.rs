// SPDX-License-Identifier: Apache-2.0

//! What the providers' answers are worth: accuracy, confusion matrix, and whether they are the right bytes.

use std::{fmt, path::Path};

use anyhow::{Result, ensure};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use crate::{
	digits::{self, Answers, CLASSES, LABELS, ROW},
	outputs,
};

/// The answers to the unseen images, held against the truth and against the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
	/// Images classified.
	pub images: usize,
	/// Images whose class is the true digit.
	pub right: usize,
	/// Images per true digit (row) and class (column).
	pub confusion: [[u32; CLASSES]; CLASSES],
	/// Tasks delivered.
	pub tasks: usize,
	/// Tasks whose classes or logits differ from those of the same network on the CPU.
	pub differing_tasks: Vec<usize>,
}

impl Report {
	/// Reads the fetched outputs of every task. The tasks may have any size: together they are the unseen images.
	///
	/// # Errors
	/// When a file is missing or has the wrong length, a class is not a digit, or the images are not all there.
	pub fn read(folder: &Path) -> Result<Self> {
		let classes = outputs::read(folder, "classes")?;
		let logits = outputs::read(folder, "logits")?;
		let tasks = classes.into_iter().zip(logits).map(|(classes, logits)| Answers {
			classes,
			logits: logits.into_iter().map(|logit| logit as i32).collect(),
		});
		Self::new(&tasks.collect::<Vec<_>>())
	}

	/// Judges the answers of every task, in order.
	///
	/// # Errors
	/// As [`Report::read`], but for the files.
	pub fn new(tasks: &[Answers]) -> Result<Self> {
		let (images, weights) = (digits::images(), digits::weights());
		let mut report = Self {
			images: 0,
			right: 0,
			confusion: Default::default(),
			tasks: tasks.len(),
			differing_tasks: Vec::new(),
		};
		for (task, answers) in tasks.iter().enumerate() {
			let count = answers.classes.len();
			ensure!(
				answers.logits.len() == count * CLASSES,
				"task {task} has {count} classes but {} logits: there should be {CLASSES} for each class",
				answers.logits.len()
			);
			let first = report.images;
			report.images += count;
			ensure!(
				report.images <= LABELS.len(),
				"up to task {task} there are {} answers, but only {} unseen images: these outputs belong to another job",
				report.images,
				LABELS.len()
			);
			for (class, label) in answers.classes.iter().zip(&LABELS[first..]) {
				ensure!((*class as usize) < CLASSES, "task {task} has class {class}: digits go from 0 to 9");
				report.confusion[usize::from(*label)][*class as usize] += 1;
				report.right += usize::from(*class == u32::from(*label));
			}
			if *answers != digits::classify(&images[first * ROW..][..count * ROW], &weights) {
				report.differing_tasks.push(task);
			}
		}
		ensure!(
			report.images == LABELS.len(),
			"{} tasks hold {} answers to {} unseen images: fetch the outputs of all tasks",
			report.tasks,
			report.images,
			LABELS.len()
		);
		Ok(report)
	}

	/// Share of right answers, 0 to 1.
	pub fn accuracy(&self) -> f64 {
		self.right as f64 / self.images as f64
	}

	/// The report as JSON: the fields of this type and `accuracy`.
	pub fn json(&self) -> serde_json::Value {
		let mut value = serde_json::json!(self);
		value["accuracy"] = self.accuracy().into();
		value
	}
}

impl fmt::Display for Report {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		writeln!(
			f,
			"{} of {} unseen digits are right: accuracy {:.2} %",
			self.right,
			self.images,
			100.0 * self.accuracy()
		)?;
		let mut table = Table::new();
		table.load_style(UTF8_FULL_CONDENSED);
		let header = (0..CLASSES).map(|class| right_aligned(class.to_string()));
		table.set_header(std::iter::once(Cell::new("true \\ class")).chain(header));
		for (label, row) in self.confusion.iter().enumerate() {
			// Zeros stay blank: what is left besides the diagonal are the errors.
			let counts =
				row.iter().map(|n| right_aligned(if *n == 0 { String::new() } else { n.to_string() }));
			table.add_row(std::iter::once(right_aligned(label.to_string())).chain(counts));
		}
		writeln!(f, "{table}")?;
		match &self.differing_tasks[..] {
			[] => write!(f, "All {} tasks agree with the CPU reference to the last bit.", self.tasks),
			tasks => write!(
				f,
				"{} of {} tasks differ from the CPU reference: {}",
				tasks.len(),
				self.tasks,
				tasks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
			),
		}
	}
}

fn right_aligned(text: String) -> Cell {
	Cell::new(text).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
	use std::fs;

	use super::*;

	/// The answers of the CPU, as so many tasks.
	fn tasks(count: usize) -> Vec<Answers> {
		let (images, weights) = (digits::images(), digits::weights());
		images.chunks(images.len() / count).map(|share| digits::classify(share, &weights)).collect()
	}

	#[test]
	fn report_should_be_the_same_when_the_images_are_split_otherwise() {
		let twelve = Report::new(&tasks(12)).unwrap();
		let four = Report::new(&tasks(4)).unwrap();
		assert_eq!((twelve.tasks, four.tasks), (12, 4));
		assert_eq!(Report { tasks: 12, ..four }, twelve);
		assert!(twelve.differing_tasks.is_empty());
		assert!(twelve.accuracy() >= 0.96);
	}

	#[test]
	fn report_should_count_by_true_digit_when_classes_are_wrong() {
		let mut tasks = tasks(12);
		for answers in &mut tasks {
			answers.classes.fill(7);
		}
		let report = Report::new(&tasks).unwrap();
		for (digit, row) in report.confusion.iter().enumerate() {
			let expected = LABELS.iter().filter(|label| usize::from(**label) == digit).count() as u32;
			assert_eq!(row.iter().sum::<u32>(), expected);
			assert_eq!(row[7], expected);
		}
		assert_eq!(report.right as u32, report.confusion[7][7]);
		assert_eq!(report.differing_tasks, (0..12).collect::<Vec<_>>());
		assert!(report.to_string().contains("12 of 12 tasks differ from the CPU reference: 0, 1, 2"));
	}

	#[test]
	fn report_should_name_the_task_when_one_logit_differs() {
		let mut tasks = tasks(12);
		tasks[5].logits[3] ^= 1;
		let report = Report::new(&tasks).unwrap();
		assert_eq!(report.differing_tasks, [5]);
		assert_eq!(report.json()["differing_tasks"], serde_json::json!([5]));
	}

	#[test]
	fn report_should_be_refused_when_answers_are_missing_surplus_or_malformed() {
		let error = |change: fn(&mut Vec<Answers>)| {
			let mut tasks = tasks(12);
			change(&mut tasks);
			Report::new(&tasks).unwrap_err().to_string()
		};
		assert!(error(|t| t.truncate(11)).contains("11 tasks hold 550 answers to 600 unseen images"));
		assert!(error(|t| t.push(t[0].clone())).contains("up to task 12 there are 650 answers"));
		assert!(error(|t| t[2].classes[0] = 10).contains("task 2 has class 10"));
		assert!(error(|t| t[3].logits.truncate(499)).contains("task 3 has 50 classes but 499 logits"));
	}

	#[test]
	fn report_should_read_the_fetched_files_when_they_are_complete() {
		let folder = tempfile::tempdir().unwrap();
		let tasks = tasks(12);
		for (task, answers) in tasks.iter().enumerate() {
			let task = folder.path().join(task.to_string());
			fs::create_dir(&task).unwrap();
			let bytes = |words: Vec<u32>| words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
			fs::write(task.join("classes.bin"), bytes(answers.classes.clone())).unwrap();
			fs::write(task.join("logits.bin"), bytes(answers.logits.iter().map(|l| *l as u32).collect()))
				.unwrap();
		}
		assert_eq!(Report::read(folder.path()).unwrap(), Report::new(&tasks).unwrap());
	}

	#[test]
	fn report_should_show_the_matrix_when_printed() {
		let text = Report::new(&tasks(12)).unwrap().to_string();
		assert!(text.starts_with("587 of 600 unseen digits are right: accuracy 97.83 %\n"), "{text}");
		assert!(text.ends_with("All 12 tasks agree with the CPU reference to the last bit."), "{text}");
		assert_eq!(text.lines().filter(|line| line.starts_with('│')).count(), 11, "{text}");
	}
}
