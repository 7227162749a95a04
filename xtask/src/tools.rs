//! Programs from crates.io that tasks use, built below the target directory.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::project::Project;

/// Builds a program of a crate. Without optimization: it runs for seconds, and builds for minutes.
pub(crate) fn install(project: &Project, name: &str, version: &str, root: &Path) -> Result<(), Error> {
    let scratch = root.join("build");
    project
        .cargo()
        .args(["install", name, "--version", version, "--locked", "--quiet", "--debug", "--root"])
        .arg(root)
        .env("CARGO_TARGET_DIR", &scratch)
        .run()?;
    fs::remove_dir_all(&scratch).map_err(|source| Error::File { operation: "remove", path: scratch, source })
}

/// PATH with the directory of a program in front, so that cargo finds it as a subcommand.
pub(crate) fn path_with(program: &Path) -> OsString {
    let mut path = program.parent().unwrap_or(Path::new("/")).as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}
