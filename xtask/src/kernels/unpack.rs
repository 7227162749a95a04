//! Debian's packages, unpacked below the target directory. Nothing is installed: a package may exclude others, and
//! nobody's packages are removed for a test.

use std::path::Path;

use super::archive::{create, files, has_suffix, remove, rename};
use crate::error::Error;
use crate::process::Program;

/// Downloads a package with what it needs and is not installed here, and unpacks it into `root`, unless that is
/// there.
pub(super) fn unpack(root: &Path, package: &str) -> Result<(), Error> {
    if root.exists() {
        return Ok(());
    }
    let archives = root.with_extension("archives");
    remove(&archives)?;
    create(&archives.join("partial"))?;
    eprintln!("xtask downloads {package} and what it needs, and unpacks it below {}", root.display());
    let download = Program::new("apt-get")
        .args(["-qq", "--download-only", "--no-install-recommends", "-y"])
        .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="])
        .arg("-o")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(["install", package])
        .env("LC_ALL", "C");
    if download.output().is_err() {
        // Old lists name releases that the archive has dropped.
        Program::new("apt-get").args(["-qq", "update"]).with_root()?.run()?;
        download.output()?;
    }
    extract(&archives, root)
}

/// Unpacks all packages of a directory, which goes, into `root`.
pub(super) fn extract(archives: &Path, root: &Path) -> Result<(), Error> {
    let tree = root.with_extension("unpack");
    remove(&tree)?;
    create(&tree)?;
    for package in files(archives)?.into_iter().filter(|path| has_suffix(path, ".deb")) {
        Program::new("dpkg-deb").arg("-x").arg(package).arg(&tree).output()?;
    }
    // Whole or not at all, whenever this is interrupted.
    rename(&tree, root)?;
    remove(archives)
}
