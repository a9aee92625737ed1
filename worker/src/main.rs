// SPDX-License-Identifier: Apache-2.0

//! The daemon of providers: takes tasks, runs them on local GPUs, claims the results.

fn main() -> std::process::ExitCode {
	tessera_worker::cli::main()
}
