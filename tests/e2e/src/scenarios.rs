// SPDX-License-Identifier: Apache-2.0

//! Several things tried on one network at the same time, each standing or falling alone: a network takes a while to
//! start, and most of what happens on it is waiting.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, time::Instant};

use anyhow::Result;
use futures::{
	FutureExt,
	future::{LocalBoxFuture, join_all},
};

/// Runs a scenario and says how it ended, also when it panicked.
pub async fn named<T>(name: &str, run: impl Future<Output = Result<T>>) -> Result<T, String> {
	let began = Instant::now();
	let result = match AssertUnwindSafe(run).catch_unwind().await {
		Ok(result) => result.map_err(|error| format!("{error:#}")),
		// The panic has printed its message and place.
		Err(panic) => Err(format!("panicked: {}", message(panic.as_ref()))),
	};
	let seconds = began.elapsed().as_secs();
	match &result {
		Ok(_) => println!("ok      {name} ({seconds} s)"),
		Err(error) => println!("FAILED  {name} ({seconds} s): {error}"),
	}
	result
}

/// A scenario with its name.
pub struct Scenario<'a> {
	name: &'static str,
	run: LocalBoxFuture<'a, Result<()>>,
}

impl<'a> Scenario<'a> {
	/// A scenario; [`scenarios`](crate::scenarios!) names it after its function.
	pub fn new(name: &'static str, run: impl Future<Output = Result<()>> + 'a) -> Self {
		Self { name, run: run.boxed_local() }
	}
}

/// Runs all of them at once and says of each how it ended.
///
/// # Panics
/// When one of them fails or panics, after all have ended.
pub async fn all(scenarios: Vec<Scenario<'_>>) {
	let runs = scenarios
		.into_iter()
		.map(|Scenario { name, run }| async move { named(name, run).await.err().map(|_| name) });
	let failed: Vec<_> = join_all(runs).await.into_iter().flatten().collect();
	assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

fn message(panic: &(dyn Any + Send)) -> &str {
	let text = panic.downcast_ref::<String>().map(String::as_str);
	text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Runs functions `async fn(&Network) -> Result<()>` at once on one network.
#[macro_export]
macro_rules! scenarios {
	($network:expr; $($name:ident),+ $(,)?) => {
		$crate::scenarios::all(vec![$($crate::scenarios::Scenario::new(stringify!($name), $name($network))),+]).await
	};
}
