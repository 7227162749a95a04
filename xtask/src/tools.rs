//! Programs from crates.io that tasks use, built below the target directory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::is_executable;
use crate::project::Project;

/// The program of a crate, built the first time. Without optimization: it runs for seconds, and builds for minutes.
pub(crate) fn subcommand(project: &Project, name: &str, version: &str) -> Result<PathBuf, Error> {
    let root = project.tools().join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if is_executable(&program) {
        return Ok(program);
    }
    eprintln!("xtask builds {name} {version} into {}", root.display());
    let scratch = root.join("build");
    project
        .cargo()
        .args(["install", name, "--version", version, "--locked", "--quiet", "--debug", "--root"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", &scratch)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .run()?;
    fs::remove_dir_all(&scratch).map_err(|source| Error::File {
        operation: "remove",
        path: scratch,
        source,
    })?;
    Ok(program)
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
