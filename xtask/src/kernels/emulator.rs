//! QEMU: the machine's own, else Debian's, unpacked below the target directory. It is not installed:
//! qemu-system-x86 and the qemu-utils of another release exclude each other.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::{Kernel, store};
use super::report::Run;
use super::unpack::unpack;
use crate::error::Error;
use crate::process::{Program, find};
use crate::project::Project;

const PROGRAM: &str = "qemu-system-x86_64";

/// Debian's package of it.
const PACKAGE: &str = "qemu-system-x86";

/// Seconds that a machine may take: an emulated one is many times slower, and hosts are busy.
const LIMIT: &str = "2400";

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
        unpack(&root, PACKAGE)?;
        Ok(Self { unpacked: Some(root) })
    }

    /// Boots a kernel with a root directory, an archive of `cpio`, and reads what its console says. It also goes
    /// to a file of this name.
    pub(super) fn boot(
        &self,
        kernel: &Kernel,
        root: &[u8],
        name: &str,
        project: &Project,
    ) -> Result<Run, Error> {
        let store = store(project);
        let archive = store.join("root.cpio");
        let console = store.join(format!("{name}.log"));
        fs::write(&archive, root).map_err(|source| Error::File {
            operation: "write",
            path: archive.clone(),
            source,
        })?;
        eprintln!("xtask boots {}; its console goes to {}", kernel.release, console.display());
        let machine = self
            .program(LIMIT)
            .args(["-M", "pc", "-accel", "tcg", "-cpu", "max"])
            .args(["-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config", "-no-reboot"])
            // It can sleep.
            .args(["-display", "none", "-global", "PIIX4_PM.disable_s3=0"])
            .args(["-append", "console=ttyS0 quiet panic=-1 rdinit=/init", "-kernel"])
            .arg(kernel.image())
            .arg("-initrd")
            .arg(&archive)
            .arg("-serial")
            .arg(format!("file:{}", console.display()));
        // How it ended stands on the console: a machine that was killed lacks the last line.
        let ended = machine.output();
        let text =
            fs::read(&console).map_err(|source| Error::File { operation: "read", path: console, source })?;
        let run = Run::parse(&String::from_utf8_lossy(&text));
        match ended {
            Err(error @ Error::Start { .. }) => Err(error),
            _ => Ok(run),
        }
    }

    /// A command line without arguments, ended after a number of seconds.
    fn program(&self, limit: &str) -> Program {
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
