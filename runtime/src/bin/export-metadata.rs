// SPDX-License-Identifier: Apache-2.0

//! Writes the runtime's metadata to the file given as only argument. `scripts/metadata.sh` keeps the client's copy
//! current with it. Constants that a chain fixes in its genesis show their production values.

fn main() -> Result<(), String> {
	let path = std::env::args().nth(1).ok_or("usage: export-metadata FILE")?;
	let metadata = sp_io::TestExternalities::default().execute_with(tessera_runtime::metadata);
	std::fs::write(&path, metadata).map_err(|e| format!("cannot write {path}: {e}"))
}
