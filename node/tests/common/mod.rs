// SPDX-License-Identifier: Apache-2.0

//! A real node as a child process, on free ports of 127.0.0.1.

// Every test binary compiles this module and uses a part of it.
#![allow(dead_code)]

use jsonrpsee::{
	core::{
		DeserializeOwned,
		client::{ClientT, Error as RpcError},
	},
	http_client::{HttpClient, HttpClientBuilder},
	rpc_params,
};
use nix::{
	sys::signal::{Signal, kill},
	unistd::Pid,
};
use serde_json::Value;
use std::{
	io::{BufRead, BufReader, Read, Write},
	net::TcpStream,
	process::{Child, Command, ExitStatus, Stdio},
	sync::{Arc, Mutex},
	thread,
	time::{Duration, Instant},
};

/// The binary under test.
pub const NODE: &str = env!("CARGO_BIN_EXE_tessera-node");

/// How long anything may take. Nothing is asserted about time: on a busy machine it is merely slow.
pub const PATIENCE: Duration = Duration::from_secs(240);

const PAUSE: Duration = Duration::from_millis(200);

/// A running node. Dropping it kills it.
pub struct Node {
	child: Child,
	log: Arc<Mutex<Vec<String>>>,
	rpc: HttpClient,
}

impl Node {
	/// Starts a node with these arguments and waits until its RPC answers.
	pub async fn start(arguments: &[&str]) -> Self {
		let mut child = Command::new(NODE)
			.args(arguments)
			.args(["--rpc-port", "0", "--prometheus-port", "0", "--listen-addr", "/ip4/127.0.0.1/tcp/0"])
			.args(["--no-mdns", "--no-telemetry", "--disable-log-color"])
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(Stdio::piped())
			.spawn()
			.expect("the node's binary starts");
		let log = Arc::new(Mutex::new(Vec::new()));
		let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
		thread::spawn({
			let log = log.clone();
			move || stderr.lines().map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line))
		});
		let rpc = HttpClientBuilder::default().build("http://127.0.0.1:1").expect("the URL is valid");
		let mut node = Self { child, log, rpc };
		let address = node.logged("Running JSON-RPC server: addr=").await;
		node.rpc = HttpClientBuilder::default()
			.request_timeout(PATIENCE)
			.build(format!("http://{address}"))
			.expect("the logged address is valid");
		node
	}

	/// The first address (`127.0.0.1:port`) that the node logs after this text.
	async fn logged(&mut self, text: &str) -> String {
		let deadline = Instant::now() + PATIENCE;
		loop {
			let found = self.log.lock().unwrap().iter().find_map(|line| {
				let (_, address) = line.split_once(text)?;
				Some(address.split(',').next().unwrap_or(address).trim().to_string())
			});
			if let Some(address) = found {
				return address;
			}
			if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
				panic!("the node ended with {status}:\n{}", self.log());
			}
			assert!(Instant::now() < deadline, "the node never logged \"{text}\":\n{}", self.log());
			tokio::time::sleep(PAUSE).await;
		}
	}

	/// All that the node has logged.
	pub fn log(&self) -> String {
		self.log.lock().unwrap().join("\n")
	}

	/// Calls an RPC method.
	pub async fn try_call<T: DeserializeOwned>(&self, method: &str, params: &[Value]) -> Result<T, RpcError> {
		let mut list = rpc_params![];
		for param in params {
			list.insert(param).expect("JSON can be put into parameters");
		}
		self.rpc.request(method, list).await
	}

	/// Calls an RPC method that must succeed.
	pub async fn call<T: DeserializeOwned>(&self, method: &str, params: &[Value]) -> T {
		match self.try_call(method, params).await {
			Ok(result) => result,
			Err(error) => panic!("{method} failed: {error}\n{}", self.log()),
		}
	}

	/// Number of the best block.
	pub async fn best(&self) -> u64 {
		self.number(&Value::Null).await
	}

	/// Number of the last final block.
	pub async fn finalized(&self) -> u64 {
		let hash: Value = self.call("chain_getFinalizedHead", &[]).await;
		self.number(&hash).await
	}

	/// Hash of the block with this number on the best chain.
	pub async fn hash_of(&self, number: u64) -> Option<String> {
		self.call("chain_getBlockHash", &[number.into()]).await
	}

	async fn number(&self, hash: &Value) -> u64 {
		let header: Value = self.call("chain_getHeader", std::slice::from_ref(hash)).await;
		let number = header["number"].as_str().expect("a header has a number").trim_start_matches("0x");
		u64::from_str_radix(number, 16).expect("a block number is hexadecimal")
	}

	/// Waits until the condition holds.
	pub async fn until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
		let deadline = Instant::now() + PATIENCE;
		while !condition(self).await {
			assert!(Instant::now() < deadline, "it never happened that {what}:\n{}", self.log());
			tokio::time::sleep(PAUSE).await;
		}
	}

	/// What the node's Prometheus endpoint shows.
	pub async fn metrics(&mut self) -> String {
		let address = self.logged("Prometheus exporter started at ").await;
		let mut stream = TcpStream::connect(address).expect("the metrics endpoint accepts");
		stream
			.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
			.expect("the metrics endpoint reads");
		let mut answer = String::new();
		stream.read_to_string(&mut answer).expect("the metrics endpoint answers");
		answer
	}

	/// Asks the node to stop, as a service manager does, and waits until it has.
	pub async fn stop(mut self) -> ExitStatus {
		let pid = Pid::from_raw(self.child.id().try_into().expect("a process id is positive"));
		kill(pid, Signal::SIGTERM).expect("the node takes signals");
		let deadline = Instant::now() + PATIENCE;
		loop {
			if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
				return status;
			}
			assert!(Instant::now() < deadline, "the node did not stop:\n{}", self.log());
			tokio::time::sleep(PAUSE).await;
		}
	}
}

impl Drop for Node {
	fn drop(&mut self) {
		// Fails where the process has ended already, which is what is wanted.
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}
