//! QEMU: the machine's own, else Debian's, unpacked below the target directory.
//!
//! It is not installed: qemu-system-x86 and the qemu-utils of another release exclude each other, and
//! nobody's packages are removed for a test.

use std::path::{Path, PathBuf};

use super::archive::{create, files, has_suffix, remove, rename, store};
use crate::error::Error;
use crate::process::{Program, find};
use crate::project::Project;

const PROGRAM: &str = "qemu-system-x86_64";

/// Debian's package of it.
const PACKAGE: &str = "qemu-system-x86";

/// An emulator that is here.
#[derive(Clone, Debug)]
pub(super) struct Emulator {
    /// Where Debian's packages were unpacked; `None`: it is installed.
    unpacked: Option<PathBuf>,
}

impl Emulator {
    /// The one that is installed, else the one that was unpacked, else downloads and unpacks it.
    pub(super) fn find(project: &Project) -> Result<Self, Error> {
        if find(PROGRAM).is_some() {
            return Ok(Self { unpacked: None });
        }
        let root = store(project).join("qemu");
        if !root.exists() {
            unpack(&store(project).join("qemu-unpack"), &root)?;
        }
        Ok(Self { unpacked: Some(root) })
    }

    /// A command line without arguments, ended after a number of seconds.
    pub(super) fn program(&self, limit: &str) -> Program {
        let timeout = Program::new("timeout").args(["--kill-after=10", limit]);
        let Some(root) = &self.unpacked else { return timeout.arg(PROGRAM) };
        let share = root.join("usr/share");
        timeout
            .env("LD_LIBRARY_PATH", libraries(root))
            .arg(root.join("usr/bin").join(PROGRAM))
            .arg("-L")
            .arg(share.join("qemu"))
            .arg("-L")
            .arg(share.join("seabios"))
    }
}

/// Directories in which packages put shared libraries.
fn libraries(root: &Path) -> String {
    let directories = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib"];
    directories.map(|directory| root.join(directory).display().to_string()).join(":")
}

/// Downloads the package with those it needs that are not installed, and unpacks them into `root`.
fn unpack(scratch: &Path, root: &Path) -> Result<(), Error> {
    remove(scratch)?;
    let archives = scratch.join("archives");
    create(&archives.join("partial"))?;
    let tree = scratch.join("tree");
    create(&tree)?;
    eprintln!("xtask downloads {PACKAGE} and what it needs, and unpacks it below {}", root.display());
    let download = Program::new("apt-get")
        .args(["-qq", "--download-only", "--no-install-recommends", "-y"])
        .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="])
        .arg("-o")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(["install", PACKAGE])
        .env("LC_ALL", "C");
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
    remove(scratch)
}
