// SPDX-License-Identifier: Apache-2.0

//! `tessera serve`, which needs no node.

#![cfg(unix)]

mod common;

use common::{Place, Running, fails};
use serde_json::Value;

/// Starts serving. Returns what it says.
fn serve(place: &Place) -> (Running, Value) {
	let running = place.start(&["--json", "serve"]);
	let line = running.out_line("serving");
	(running, serde_json::from_str(&line).expect("JSON"))
}

#[test]
fn serve_should_keep_key_and_port_and_end_cleanly_when_interrupted() {
	let place = Place::new();
	let (running, first) = serve(&place);
	assert_eq!(first["event"], "serving");
	assert!(
		first["endpoint"]["addresses"][0].as_str().is_some_and(|address| address.starts_with("127.0.0.1:"))
	);
	fails(place.run(["serve"]), 1, &["serves", "already"]);
	running.signal("INT");
	assert_eq!(running.end().0, Some(0));
	assert!(!place.path("data/serve/control.json").exists());
	let (running, second) = serve(&place);
	assert_eq!(second["endpoint"], first["endpoint"]);
	running.signal("TERM");
	assert_eq!(running.end().0, Some(0));
}

#[test]
fn serve_should_start_again_when_it_was_killed() {
	let place = Place::new();
	let (running, first) = serve(&place);
	running.signal("KILL");
	assert_eq!(running.end().0, None);
	let (running, second) = serve(&place);
	assert_eq!(second["endpoint"], first["endpoint"]);
	running.signal("INT");
	assert_eq!(running.end().0, Some(0));
}
