//! Packages of this machine's Debian, unpacked below the target directory. Nothing is installed: a package may
//! exclude others, and nobody's packages are removed for a test.

use std::fs;
use std::path::Path;

use super::archive::{create, files, has_suffix, remove, rename};
use crate::error::Error;
use crate::process::Program;

/// What is unpacked besides the package itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// What it needs and is not installed here.
    Missing,
    /// All that it needs.
    All,
}

/// Downloads a package with what it needs and unpacks it into `root`, unless that is there.
pub(super) fn unpack(root: &Path, package: &str, needs: Needs) -> Result<(), Error> {
    if root.exists() {
        return Ok(());
    }
    let scratch = root.with_extension("unpack");
    remove(&scratch)?;
    let archives = scratch.join("archives");
    create(&archives.join("partial"))?;
    let tree = scratch.join("tree");
    create(&tree)?;
    eprintln!("xtask downloads {package} and what it needs, and unpacks it below {}", root.display());
    let mut download = Program::new("apt-get")
        .args(["-qq", "--download-only", "--no-install-recommends", "-y"])
        .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="])
        .arg("-o")
        .arg(format!("Dir::Cache::archives={}", archives.display()));
    if needs == Needs::All {
        // As if nothing were installed.
        let status = scratch.join("status");
        fs::write(&status, "").map_err(|source| Error::File {
            operation: "write",
            path: status.clone(),
            source,
        })?;
        download = download.arg("-o").arg(format!("Dir::State::status={}", status.display()));
    }
    let download = download.args(["install", package]).env("LC_ALL", "C");
    if download.output().is_err() {
        // Old lists name releases that the archive has dropped.
        Program::new("apt-get").args(["-qq", "update"]).with_root()?.run()?;
        download.output()?;
    }
    for package in files(&archives)?.into_iter().filter(|path| has_suffix(path, ".deb")) {
        Program::new("dpkg-deb").arg("-x").arg(package).arg(&tree).output()?;
    }
    // Whole or not at all, whenever this is interrupted.
    rename(&tree, root)?;
    remove(&scratch)
}
