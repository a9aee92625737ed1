// SPDX-License-Identifier: Apache-2.0

use super::*;

fn genesis() -> H256 {
	H256::repeat_byte(1)
}

fn provider() -> AccountId {
	[2; 32].into()
}

fn key(task: u32) -> TaskKey {
	TaskKey { job: H256::repeat_byte(3), task, attempt: 1 }
}

fn entry(stage: Stage) -> Entry {
	Entry {
		stage,
		program: H256::repeat_byte(4),
		terms: Some(Terms { price: 100, at: 5, deadline: 105 }),
		root: Some(H256::repeat_byte(9)),
		outputs: vec![BlobRef::of(&[1, 2, 3, 4])],
		since: 7,
		note: "a note".into(),
	}
}

fn stages() -> Vec<Stage> {
	vec![
		Stage::Wanted { last_block: 10 },
		Stage::Accepted,
		Stage::Fetched,
		Stage::Computed,
		Stage::ClaimSent { last_block: 11 },
		Stage::Claimed { settle_at: 12 },
		Stage::Returning { reason: HandBackReason::NoInputs },
		Stage::GivenUp,
		Stage::Settled { paid: Some(98) },
		Stage::HandedBack { reason: HandBackReason::Faulted },
		Stage::Lost,
	]
}

struct File {
	_dir: tempfile::TempDir,
	path: PathBuf,
}

impl File {
	fn new() -> Self {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("journal.redb");
		Self { _dir: dir, path }
	}

	fn open(&self) -> Journal {
		Journal::open(&self.path, genesis(), provider()).unwrap()
	}
}

#[test]
fn entries_should_be_there_again_when_the_journal_is_opened_again() {
	let file = File::new();
	let mut journal = file.open();
	assert!(journal.entries().is_empty());
	let entries: Vec<_> = stages().into_iter().zip(0..).map(|(stage, n)| (key(n), entry(stage))).collect();
	journal.put(entries.clone()).unwrap();
	drop(journal);
	assert_eq!(file.open().entries(), &entries.into_iter().collect());
}

/// A worker that is killed never closes its files.
#[test]
fn entries_should_survive_when_the_process_ends_without_closing() {
	let file = File::new();
	let mut journal = file.open();
	journal.put(vec![(key(0), entry(Stage::Computed))]).unwrap();
	// What a crash leaves is a copy of the file as it is now: the journal is open, and its last commit synced.
	let crashed = file.path.with_extension("crashed");
	std::fs::copy(&file.path, &crashed).unwrap();
	journal.put(vec![(key(0), entry(Stage::Lost))]).unwrap();
	let after = Journal::open(&crashed, genesis(), provider()).unwrap();
	assert_eq!(after.get(&key(0)), Some(&entry(Stage::Computed)));
	std::mem::forget(journal);
}

#[test]
fn journal_should_be_as_before_when_the_crash_came_in_the_middle_of_a_write() {
	let file = File::new();
	let mut journal = file.open();
	journal.put(vec![(key(0), entry(Stage::Accepted))]).unwrap();
	// A transaction that was begun, written to and never committed.
	let write = journal.db.begin_write().unwrap();
	write.open_table(TASKS).unwrap().insert(key(1).encode().as_slice(), [0xff; 300].as_slice()).unwrap();
	let crashed = file.path.with_extension("crashed");
	std::fs::copy(&file.path, &crashed).unwrap();
	drop(write);
	let after = Journal::open(&crashed, genesis(), provider()).unwrap();
	assert_eq!(after.entries().len(), 1);
	assert_eq!(after.get(&key(0)), Some(&entry(Stage::Accepted)));
}

#[test]
fn put_should_be_idempotent_and_the_last_one_count() {
	let file = File::new();
	let mut journal = file.open();
	for stage in [Stage::Accepted, Stage::Fetched, Stage::Fetched, Stage::Computed] {
		journal.put(vec![(key(0), entry(stage))]).unwrap();
	}
	journal.put(Vec::new()).unwrap();
	assert_eq!(journal.entries().len(), 1);
	drop(journal);
	assert_eq!(file.open().get(&key(0)), Some(&entry(Stage::Computed)));
}

#[test]
fn totals_should_be_the_same_before_and_after_entries_are_removed() {
	let file = File::new();
	let mut journal = file.open();
	let over = [
		Stage::Settled { paid: Some(98) },
		Stage::Settled { paid: Some(1) },
		Stage::Settled { paid: None },
		Stage::HandedBack { reason: HandBackReason::NoInputs },
		Stage::Lost,
		Stage::Computed,
	];
	journal.put(over.into_iter().zip(0..).map(|(stage, n)| (key(n), entry(stage))).collect()).unwrap();
	let expected = Totals { settled: 3, earned: 99, unseen: 100, handed_back: 1, lost: 1 };
	assert_eq!(journal.totals(), expected);
	journal.remove(&[key(0), key(2), key(4)]).unwrap();
	assert_eq!(journal.totals(), expected);
	// Removing what is not there changes nothing.
	journal.remove(&[key(0), key(77)]).unwrap();
	drop(journal);
	let mut journal = file.open();
	assert_eq!((journal.totals(), journal.entries().len()), (expected, 3));
	let all: Vec<TaskKey> = journal.entries().keys().copied().collect();
	journal.remove(&all).unwrap();
	assert_eq!((journal.totals(), journal.entries().len()), (expected, 0));
}

#[test]
fn block_should_be_remembered() {
	let file = File::new();
	let mut journal = file.open();
	assert_eq!(journal.block(), None);
	let block = BlockRef { number: 7, hash: H256::repeat_byte(7) };
	journal.set_block(block).unwrap();
	assert_eq!(journal.block(), Some(block));
	drop(journal);
	assert_eq!(file.open().block(), Some(block));
}

#[test]
fn journal_should_be_refused_when_it_belongs_to_another_chain_or_provider() {
	let file = File::new();
	drop(file.open());
	for (chain, owner) in [(H256::zero(), provider()), (genesis(), [8; 32].into())] {
		let error = Journal::open(&file.path, chain, owner).unwrap_err();
		assert!(matches!(error, JournalError::Foreign { .. }));
		let text = error.to_string();
		assert!(text.contains(&provider().to_string()) && text.contains("--data-dir"), "{text}");
	}
	// The refusal changes nothing.
	drop(file.open());
}

#[test]
fn journal_should_be_refused_when_it_is_damaged_or_of_another_version() {
	let file = File::new();
	std::fs::write(&file.path, b"this is not a journal").unwrap();
	let text = Journal::open(&file.path, genesis(), provider()).unwrap_err().to_string();
	assert!(text.contains("journal.redb") && text.contains("stops"), "{text}");

	let file = File::new();
	let journal = file.open();
	let owner = (FORMAT + 1, genesis(), provider()).encode();
	journal
		.write(Durability::Immediate, |store, write| {
			let mut meta = store.check(write.open_table(META))?;
			store.check(meta.insert("owner", owner.as_slice()))?;
			Ok(())
		})
		.unwrap();
	drop(journal);
	let error = Journal::open(&file.path, genesis(), provider()).unwrap_err();
	assert!(matches!(error, JournalError::Format { found, .. } if found == FORMAT + 1), "{error}");
}

#[test]
fn journal_should_be_refused_when_another_process_has_it_open() {
	let file = File::new();
	let _open = file.open();
	let error = Journal::open(&file.path, genesis(), provider()).unwrap_err();
	assert!(matches!(error, JournalError::Store { .. }), "{error}");
}

#[test]
fn stage_should_take_a_place_only_while_it_is_worked_on() {
	let places: Vec<bool> = stages().iter().map(Stage::takes_place).collect();
	assert_eq!(places, [true, true, true, false, false, false, false, false, false, false, false]);
	let over: Vec<bool> = stages().iter().map(Stage::is_over).collect();
	assert_eq!(over, [false, false, false, false, false, false, false, false, true, true, true]);
}

#[test]
fn task_should_be_named_so_that_people_find_it() {
	assert_eq!(key(5).to_string(), "task 5 of job 0x0303…0303 (attempt 1)");
}
