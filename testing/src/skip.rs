//! A test that cannot run here says so, by name: the suite fails on a name that it does not know.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

/// Names the file to which skips are appended, a line each; the suite reads it.
pub const VARIABLE: &str = "WEIR_TEST_SKIPS";

/// Says that something is not tested here, under a name by which the suite may allow it, and why.
pub fn skip(name: &str, why: &str) {
    println!("SKIPPED {name}: {why}");
    if let Some(path) = std::env::var_os(VARIABLE) {
        append(Path::new(&path), name, why).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// One write, so that lines of tests that run at the same time stay whole.
fn append(path: &Path, name: &str, why: &str) -> io::Result<()> {
    let line = format!("{name}\t{why}\n");
    File::options().append(true).create(true).open(path)?.write_all(line.as_bytes())
}
