// SPDX-License-Identifier: Apache-2.0

use tempfile::TempDir;
use tessera_primitives::{
	provider::{AdapterClass, Features},
	types::{Region, TESS},
};

use super::*;
use crate::manifest::{EXAMPLE_JOB, EXAMPLE_PROGRAM, EXAMPLE_WGSL, ProgramSource};

/// A program with every kind of buffer, and a job for it with every kind of input.
const PROGRAM: &str = r#"
name = "test"
[[buffers]]
name = "weights"
role = "input"
[[buffers]]
name = "images"
role = "input"
[[buffers]]
name = "tile"
role = "input"
[[buffers]]
name = "params"
role = "input"
[[buffers]]
name = "hidden"
role = "scratch"
[[buffers]]
name = "logits"
role = "output"
[[stages]]
name = "all"
wgsl = "all.wgsl"
bindings = [
	{ group = 0, binding = 0, buffer = "weights", access = "read" },
	{ group = 0, binding = 1, buffer = "images", access = "read" },
	{ group = 0, binding = 2, buffer = "tile", access = "read" },
	{ group = 0, binding = 3, buffer = "params", access = "read" },
	{ group = 0, binding = 4, buffer = "hidden", access = "read_write" },
	{ group = 0, binding = 5, buffer = "logits", access = "read_write" },
]
"#;

const JOB: &str = r#"
[program]
path = "program.toml"
[job]
tasks = 3
client_id = "0x0101010101010101010101010101010101010101010101010101010101010101"
[price]
opening = "10 mTESS"
ceiling = "0.5 TESS"
ramp = "1 mTESS"
[deadlines]
execution = 100
lifetime = 1000
[requirements]
regions = ["DE", "FR"]
class = "n1"
memory = "64 MiB"
features = ["shader-f16", "subgroup"]
[buffers.weights]
file = "weights.bin"
[buffers.images]
split = "images.bin"
[buffers.tile]
files = ["a.bin", "b.bin", "a.bin"]
[buffers.params]
words = [[0, 1], [2, 3], [4, 0xffffffff]]
[buffers.hidden]
bytes = "4 KiB"
[buffers.logits]
bytes = 2000
[stages.all]
dispatch = [4, 1, 1]
"#;

struct Case {
	dir: TempDir,
}

impl Case {
	fn new() -> Self {
		let dir = tempfile::tempdir().unwrap();
		let write = |name: &str, data: &[u8]| std::fs::write(dir.path().join(name), data).unwrap();
		write("program.toml", PROGRAM.as_bytes());
		write("all.wgsl", b"// not looked at here");
		write("weights.bin", &[7; 40]);
		write("images.bin", &(0u8..36).collect::<Vec<_>>());
		write("a.bin", &[1; 8]);
		write("b.bin", &[2; 8]);
		Self { dir }
	}

	fn load(&self, job: &str) -> Result<JobSource, ManifestError> {
		let path = self.dir.path().join("job.toml");
		std::fs::write(&path, job).unwrap();
		JobSource::load(&path)
	}

	fn build(&self, job: &str) -> Result<BuiltJob, ManifestError> {
		let program = ProgramSource::load(&self.dir.path().join("program.toml")).unwrap();
		self.load(job)?.build(program.id(), &program.package.manifest)
	}

	/// The mistake in the job, after replacing something in it.
	fn mistake(&self, from: &str, to: &str) -> ManifestError {
		assert!(JOB.contains(from), "{from}");
		let job = JOB.replacen(from, to, 1);
		let error = self.build(&job).expect_err(to);
		assert_eq!(error.file.file_name().unwrap(), "job.toml");
		error
	}
}

/// Line of a text in the job, from 1.
fn line_of(job: &str, text: &str) -> usize {
	job[..job.find(text).unwrap()].matches('\n').count() + 1
}

#[test]
fn job_should_hold_what_the_manifest_says() {
	let case = Case::new();
	let source = case.load(JOB).unwrap();
	assert_eq!(source.program(), &ProgramRef::Path(case.dir.path().join("program.toml")));
	assert_eq!(source.client_id(), Some([1; 32].into()));
	assert_eq!(source.tasks(), 3);
	let job = case.build(JOB).unwrap();
	let request = &job.request;
	assert_eq!(request.tasks, 3);
	assert_eq!(request.buffers.to_vec(), [40, 12, 8, 8, 4096, 2000]);
	assert_eq!(request.dispatches.to_vec(), [[4, 1, 1]]);
	assert_eq!(request.opening_price, TESS / 100);
	assert_eq!(request.ceiling_price, TESS / 2);
	assert_eq!(request.price_ramp, TESS / 1000);
	assert_eq!((request.execution_ticks, request.lifetime_ticks), (100, 1000));
	let needs = &request.requirements;
	assert_eq!(needs.regions.to_vec(), [Region(*b"DE"), Region(*b"FR")]);
	assert_eq!(needs.class, Some(AdapterClass::N1));
	assert_eq!(needs.memory_bytes, 64 << 20);
	assert_eq!(needs.features, Features::SHADER_F16.union(Features::SUBGROUP));
	assert_eq!(job.outputs, [OutputBuffer { name: "logits".into(), bytes: 2000 }]);
}

#[test]
fn inputs_should_be_shared_split_listed_and_inline() {
	let case = Case::new();
	let job = case.build(JOB).unwrap();
	assert_eq!(job.spec.shared, [(0, BlobRef::of(&[7; 40]))]);
	let images: Vec<u8> = (0u8..36).collect();
	for (task, expected) in images.chunks(12).enumerate() {
		let tile = if task == 1 { [2; 8] } else { [1; 8] };
		let words = [[0, 1u32], [2, 3], [4, u32::MAX]][task];
		let words = words.iter().flat_map(|w| w.to_le_bytes()).collect();
		assert_eq!(
			job.spec.tasks[task].inputs,
			[
				(1, TaskInput::Blob(BlobRef::of(expected))),
				(2, TaskInput::Blob(BlobRef::of(&tile))),
				(3, TaskInput::Inline(words)),
			]
		);
	}
	// Every blob once, with contents that match.
	let mut seen = HashSet::new();
	for (blob, origin) in &job.blobs {
		assert!(seen.insert(blob.hash.0));
		let data = match origin {
			BlobOrigin::Bytes(data) => data.clone(),
			BlobOrigin::File { path, range } => {
				std::fs::read(path).unwrap()[range.start as usize..range.end as usize].to_vec()
			}
		};
		assert_eq!(BlobRef::of(&data), *blob);
	}
	assert_eq!(job.blobs.len(), 1 + 3 + 2 + 1);
	let program = ProgramSource::load(&case.dir.path().join("program.toml")).unwrap();
	let encoded = job.spec.encode();
	assert_eq!(job.request.spec, BlobRef::of(&encoded));
	let decoded = JobSpec::decode_checked(&encoded, &job.request, &program.package.manifest).unwrap();
	assert_eq!(decoded, job.spec);
}

#[test]
fn job_should_need_no_optional_tables() {
	let case = Case::new();
	let short = JOB
		.replace("[requirements]\nregions = [\"DE\", \"FR\"]\nclass = \"n1\"\nmemory = \"64 MiB\"\n", "")
		.replace("features = [\"shader-f16\", \"subgroup\"]\n", "")
		.replace("ramp = \"1 mTESS\"\n", "")
		.replace("client_id = \"0x0101010101010101010101010101010101010101010101010101010101010101\"\n", "");
	let source = case.load(&short).unwrap();
	assert_eq!(source.client_id(), None);
	let request = case.build(&short).unwrap().request;
	assert_eq!(request.requirements, Default::default());
	assert_eq!(request.price_ramp, 0);
}

#[test]
fn program_should_be_taken_by_id_when_the_manifest_gives_one() {
	let case = Case::new();
	let id = "ab".repeat(32);
	let job = JOB.replace("path = \"program.toml\"", &format!("id = \"0x{id}\""));
	assert_eq!(case.load(&job).unwrap().program(), &ProgramRef::Id([0xab; 32].into()));
}

#[test]
fn examples_should_be_a_job_that_can_be_submitted() {
	let dir = tempfile::tempdir().unwrap();
	let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
	write("program.toml", EXAMPLE_PROGRAM);
	write("scale.wgsl", EXAMPLE_WGSL);
	write("job.toml", EXAMPLE_JOB);
	let program = ProgramSource::load(&dir.path().join("program.toml")).unwrap();
	let source = JobSource::load(&dir.path().join("job.toml")).unwrap();
	let job = source.build(program.id(), &program.package.manifest).unwrap();
	assert_eq!(job.request.validate(&program.package.manifest), Ok(()));
	assert_eq!(job.request.tasks, 4);
	source.admit(&job, &program.package).unwrap();
	// What is commented out is right as well.
	let all: String = EXAMPLE_JOB
		.lines()
		.map(|line| match line.strip_prefix("# ") {
			Some(rest) if ["regions", "class", "memory", "features"].iter().any(|k| rest.starts_with(k)) => {
				rest
			}
			_ => line,
		})
		.collect::<Vec<_>>()
		.join("\n");
	write("job.toml", &all);
	let request = JobSource::load(&dir.path().join("job.toml"))
		.unwrap()
		.build(program.id(), &program.package.manifest)
		.unwrap()
		.request;
	assert_eq!(request.requirements.regions.len(), 2);
	assert_eq!(request.requirements.class, Some(AdapterClass::N1));
	assert_eq!(request.requirements.features, Features::SHADER_F16);
	assert_eq!(request.requirements.memory_bytes, 64 << 20);
}

#[test]
fn job_should_not_be_admitted_when_no_worker_would_run_it() {
	let dir = tempfile::tempdir().unwrap();
	let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
	write("program.toml", EXAMPLE_PROGRAM);
	write("scale.wgsl", EXAMPLE_WGSL);
	let admit = |job: &str| {
		write("job.toml", job);
		let program = ProgramSource::load(&dir.path().join("program.toml")).unwrap();
		let source = JobSource::load(&dir.path().join("job.toml")).unwrap();
		let built = source.build(program.id(), &program.package.manifest).unwrap();
		source.admit(&built, &program.package)
	};
	admit(EXAMPLE_JOB).unwrap();
	// The shader's uniform has four words.
	let short = EXAMPLE_JOB
		.replace("[[0, 3, 0, 0], [64, 3, 0, 0], [128, 3, 0, 0], [192, 3, 0, 0]]", "[[0], [1], [2], [3]]");
	let error = admit(&short).unwrap_err();
	assert!(error.message.contains("parameters") && error.message.contains("16"), "{error}");
	write("scale.wgsl", &EXAMPLE_WGSL.replace("parameters.factor *", "parameters.factors *"));
	let error = admit(EXAMPLE_JOB).unwrap_err();
	assert!(error.message.contains("stage `scale`") && error.message.contains("line"), "{error}");
}

#[test]
fn mistake_should_be_named_with_its_line_when_it_has_one() {
	let case = Case::new();
	// What is written wrong, and words that the message or help must hold.
	let cases: &[(&str, &str, &[&str])] = &[
		("tasks = 3", "tasks = 0", &["0 tasks", "1 to 10000"]),
		("tasks = 3", "tasks = 10001", &["10001 tasks", "1 to 10000"]),
		("tasks = 3", "tasks = -1", &["-1", "u32"]),
		("tasks = 3", "tasks = 3\ntask = 3", &["unknown field `task`", "`tasks`"]),
		("tasks = 3", "tasks = three", &["tasks = three"]),
		("\"0x0101", "\"0x01010", &["not an id", "64 hex digits"]),
		("path = \"program.toml\"", "path = \"program.toml\"\nid = \"0x00\"", &["one of `path` and `id`"]),
		("path = \"program.toml\"", "", &["one of `path` and `id`"]),
		("path = \"program.toml\"", "id = \"0x12\"", &["`0x12` is not an id"]),
		("opening = \"10 mTESS\"", "opening = \"10 mtess\"", &["`mtess` is not a unit", "planck"]),
		("opening = \"10 mTESS\"", "opening = \"10\"", &["has no unit", "mTESS"]),
		("opening = \"10 mTESS\"", "opening = 10", &["amount in quotes with its unit"]),
		("opening = \"10 mTESS\"", "opening = 0.5", &["amount in quotes with its unit"]),
		("opening = \"10 mTESS\"", "opening = \"0.5 planck\"", &["not a whole number of planck"]),
		(
			"ceiling = \"0.5 TESS\"",
			"ceiling = \"9 mTESS\"",
			&["0.009 TESS", "below the opening", "0.01 TESS"],
		),
		("execution = 100", "execution = 0", &["execution deadline is zero"]),
		("lifetime = 1000", "lifetime = 0", &["lifetime deadline is zero"]),
		("lifetime = 1000", "lifetime = \"1000\"", &["expected u32"]),
		("\"DE\"", "\"XX\"", &["`XX` is not a region", "ISO 3166"]),
		("\"DE\"", "\"de\"", &["`de` is not a region"]),
		("\"DE\"", "\"Germany\"", &["`Germany` is not a region"]),
		("\"DE\"", "\"FR\"", &["`FR` is there twice"]),
		(
			"\"DE\", \"FR\"",
			"\"DE\", \"FR\", \"IT\", \"ES\", \"PL\", \"US\", \"CA\", \"JP\", \"KR\"",
			&["more than 8 regions"],
		),
		("class = \"n1\"", "class = \"h100\"", &["`h100` is not an adapter class", "`n1`", "`llvmpipe`"]),
		("memory = \"64 MiB\"", "memory = \"64 MB/s\"", &["not a unit", "MiB"]),
		("memory = \"64 MiB\"", "memory = -1", &["negative"]),
		("\"subgroup\"", "\"f16\"", &["`f16` is not a feature", "`shader-f16`"]),
		(
			"file = \"weights.bin\"",
			"file = \"none.bin\"",
			&["`weights`", "none.bin", "cannot be read", "relative"],
		),
		("file = \"weights.bin\"", "file = \".\"", &["`weights`", "not a file"]),
		("file = \"weights.bin\"", "", &["input `weights` has no contents", "`split`"]),
		(
			"file = \"weights.bin\"",
			"file = \"weights.bin\"\nsplit = \"images.bin\"",
			&["several contents", "`file` and `split`"],
		),
		("file = \"weights.bin\"", "bytes = 40", &["`weights` is an input", "`bytes`"]),
		("file = \"weights.bin\"", "fil = \"weights.bin\"", &["unknown field `fil`", "`file`"]),
		("split = \"images.bin\"", "split = \"a.bin\"", &["8 bytes", "3 tasks cannot share", "12"]),
		(
			"split = \"images.bin\"",
			"split = \"weights.bin\"",
			&["40 bytes", "3 tasks cannot share", "36 or 48"],
		),
		("\"a.bin\", \"b.bin\", \"a.bin\"", "\"a.bin\", \"b.bin\"", &["lists 2 files for 3 tasks"]),
		("\"a.bin\", \"b.bin\", \"a.bin\"", "\"a.bin\", \"b.bin\", \"images.bin\"", &["36 bytes", "has 8"]),
		("\"a.bin\", \"b.bin\", \"a.bin\"", "\"a.bin\", \"b.bin\", \"c.bin\"", &["c.bin", "cannot be read"]),
		("[[0, 1], [2, 3], ", "[[0, 1], ", &["words for 2 tasks, the job has 3"]),
		("[[0, 1], ", "[[0], ", &["2 words for task 1, 1 for task 0"]),
		("[[0, 1], ", "[[0, -1], ", &["-1", "u32"]),
		("[[0, 1], ", "[[0, 4294967296], ", &["4294967296", "u32"]),
		("[[0, 1], [2, 3], [4, 0xffffffff]]", "[[], [], []]", &["`params` is empty"]),
		("bytes = \"4 KiB\"", "", &["`hidden` has no length", "bytes ="]),
		("bytes = \"4 KiB\"", "file = \"a.bin\"", &["`hidden` is not an input", "`file`"]),
		("bytes = \"4 KiB\"", "bytes = 0", &["`hidden` is empty"]),
		("bytes = \"4 KiB\"", "bytes = 4097", &["4097 bytes, not a multiple of 4", "4100"]),
		("bytes = \"4 KiB\"", "bytes = \"2 GiB\"", &["2147483648 bytes, more than"]),
		("[buffers.logits]", "[buffers.logit]", &["no buffer `logit`", "`weights`", "`logits`"]),
		("[stages.all]", "[stages.al]", &["no stage `al`", "`all`"]),
		("dispatch = [4, 1, 1]", "dispatch = [4, 0, 1]", &["`all`", "[4, 0, 1]", "1 to 65535"]),
		("dispatch = [4, 1, 1]", "dispatch = [65536, 1, 1]", &["`all`", "[65536, 1, 1]"]),
		("dispatch = [4, 1, 1]", "dispatch = [65535, 65535, 1]", &["`all`", "product"]),
		("dispatch = [4, 1, 1]", "dispatch = [4, 1]", &["length 2", "3"]),
		("[price]", "[prices]", &["unknown field `prices`", "`price`"]),
	];
	for (from, to, expected) in cases {
		let error = case.mistake(from, to);
		let shown = error.to_string();
		for word in *expected {
			assert!(shown.contains(word), "{to}: `{word}` is not in: {shown}");
		}
		assert!(error.line.is_some(), "{to}: {shown}");
	}
}

#[test]
fn mistake_should_point_at_the_very_line() {
	let case = Case::new();
	for (from, to) in [
		("tasks = 3", "tasks = 0"),
		("ceiling = \"0.5 TESS\"", "ceiling = \"9 mTESS\""),
		("ceiling = \"0.5 TESS\"", "ceiling = \"9 tess\""),
		("class = \"n1\"", "class = \"h100\""),
		("file = \"weights.bin\"", "file = \"none.bin\""),
		("bytes = 2000", "bytes = 2001"),
		("dispatch = [4, 1, 1]", "dispatch = [0, 1, 1]"),
		("class = \"n1\"", "klass = \"n1\""),
	] {
		let error = case.mistake(from, to);
		assert_eq!(error.line, Some(line_of(JOB, from)), "{error}");
	}
}

#[test]
fn mistake_should_say_what_to_add_when_something_is_missing() {
	let case = Case::new();
	for (table, expected) in [
		(
			"[buffers.weights]\nfile = \"weights.bin\"\n",
			&["input buffer `weights`", "[buffers.weights]", "`file`"][..],
		),
		(
			"[buffers.hidden]\nbytes = \"4 KiB\"\n",
			&["scratch buffer `hidden`", "[buffers.hidden]", "`bytes`"],
		),
		("[buffers.logits]\nbytes = 2000\n", &["output buffer `logits`", "[buffers.logits]"]),
		("[stages.all]\ndispatch = [4, 1, 1]\n", &["stage `all`", "[stages.all]", "dispatch ="]),
		("[deadlines]\nexecution = 100\nlifetime = 1000\n", &["missing field `deadlines`"]),
		("execution = 100\n", &["missing field `execution`"]),
	] {
		let shown = case.mistake(table, "").to_string();
		for word in expected {
			assert!(shown.contains(word), "`{word}` is not in: {shown}");
		}
	}
}

#[test]
fn manifest_should_say_how_to_get_one_when_there_is_none() {
	let error = JobSource::load(Path::new("/nonexistent/job.toml")).unwrap_err();
	assert!(error.to_string().contains("tessera job init"), "{error}");
}

#[test]
fn inline_words_should_be_refused_when_they_are_too_many() {
	let case = Case::new();
	let row = |n: usize| format!("[{}]", vec!["0"; n].join(","));
	let words = |n: usize| format!("words = [{0}, {0}, {0}]", row(n));
	let old = "words = [[0, 1], [2, 3], [4, 0xffffffff]]";
	case.build(&JOB.replace(old, &words(1024))).unwrap();
	let error = case.mistake(old, &words(1025));
	assert!(error.message.contains("1025 words"), "{error}");

	// Many tasks with many words make too long a specification.
	let tasks = 5000;
	let files = vec!["\"a.bin\""; tasks].join(",");
	std::fs::write(case.dir.path().join("big.bin"), vec![0; tasks * 4]).unwrap();
	let job = JOB
		.replace("tasks = 3", &format!("tasks = {tasks}"))
		.replace("\"images.bin\"", "\"big.bin\"")
		.replace("\"a.bin\", \"b.bin\", \"a.bin\"", &files)
		.replace(old, &format!("words = [{}]", vec![row(1000); tasks].join(",")));
	let error = case.build(&job).unwrap_err();
	assert!(error.message.contains("16777216"), "{error}");
	assert!(error.help.contains("split"), "{error}");
}
