//! What runs in the virtual machine: the first process, the tests, the programs that they start.
//!
//! The programs are the host's, each with the shared libraries that it names; so the tests of the
//! kernel side run there as they were built for here.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::{Kernel, MODULES};
use super::cpio::Archive;
use crate::error::Error;
use crate::process::{Program, find};

/// Programs that the tests start.
const PROGRAMS: [&str; 4] = ["ip", "tc", "ethtool", "ping"];

/// Applets of busybox that the first process and the tests use. `ip` and `tc` are not among them.
const APPLETS: [&str; 11] =
    ["cat", "cut", "date", "insmod", "mkdir", "mount", "poweroff", "seq", "sysctl", "true", "uname"];

/// Begins the line with the exit code of the tests. Without it the tests did not come to their end.
pub(crate) const END: &str = "weir-guest-end";

/// The first process. A kernel that panics, or a machine that hangs, never prints the last line.
const INIT: &str = r#"#!/bin/sh
export PATH=/bin WEIR_TEST_DEADLINE=300
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir /run/netns
mount -t bpf bpf /sys/fs/bpf
for module in MODULES; do
  if [ -e /modules/$module.ko ]; then insmod /modules/$module.ko; fi
done
/tests --test-threads 1 --show-output ARGUMENTS
code=$?
if [ -e /agent-tests ]; then /agent-tests --test-threads 1 --show-output --ignored guest:: || code=$?; fi
echo "END $code"
poweroff -f
"#;

/// What cargo has built.
#[derive(Debug)]
pub(crate) struct Built {
    /// Tests of the kernel side.
    pub(crate) kernel: PathBuf,
    /// Tests of the agent; some set the clock, which a machine of its own is for.
    pub(crate) agent: PathBuf,
    /// The agent, which they start by this path.
    pub(crate) weir: PathBuf,
}

/// The parts that all kernels share, made once; modules are added for each.
pub(crate) struct Guest {
    programs: Vec<(String, Vec<u8>)>,
    init: String,
}

impl Guest {
    /// Collects the tests, to be run with arguments of the test harness, and what they need; those of the
    /// agent only if they are wanted.
    pub(crate) fn new(built: &Built, arguments: &[&str], agent: bool) -> Result<Self, Error> {
        let mut guest = Self { programs: Vec::new(), init: init(arguments) };
        guest.program(&built.kernel, "/tests")?;
        if agent {
            guest.stripped(&built.agent, "/agent-tests")?;
            guest.stripped(&built.weir, &built.weir.to_string_lossy())?;
        }
        guest.program(&here("busybox")?, "/bin/busybox")?;
        guest.program(Path::new("/bin/sh"), "/bin/sh")?;
        for name in PROGRAMS {
            guest.program(&here(name)?, &format!("/bin/{name}"))?;
        }
        Ok(guest)
    }

    /// The root directory for one kernel.
    pub(crate) fn root(&self, kernel: &Kernel) -> Result<Vec<u8>, Error> {
        let mut root = Archive::default();
        for directory in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
            root.directory(directory);
        }
        root.file("/init", self.init.as_bytes());
        for (path, content) in &self.programs {
            root.file(path, content);
        }
        for applet in APPLETS {
            root.link(&format!("/bin/{applet}"), "busybox");
        }
        for module in MODULES {
            let path = kernel.module(module);
            if path.exists() {
                root.file(&format!("/modules/{module}.ko"), &read(&path)?);
            }
        }
        Ok(root.finish())
    }

    /// Without what debuggers need: it would have to fit into the machine's memory.
    fn stripped(&mut self, from: &Path, to: &str) -> Result<(), Error> {
        let small = from.with_extension("stripped");
        Program::new("strip").arg("-o").arg(&small).arg(from).output()?;
        self.program(&small, to)?;
        fs::remove_file(&small).map_err(|source| Error::File { operation: "remove", path: small, source })
    }

    fn program(&mut self, from: &Path, to: &str) -> Result<(), Error> {
        self.programs.push((to.to_owned(), read(from)?));
        // A static program has none, and ldd says no.
        let libraries = Program::new("ldd").arg(from).probe().unwrap_or_default();
        for library in paths(&libraries) {
            self.programs.push((library.to_owned(), read(Path::new(library))?));
        }
        Ok(())
    }
}

fn init(arguments: &[&str]) -> String {
    INIT.replace("MODULES", &MODULES.join(" ")).replace("ARGUMENTS", &arguments.join(" ")).replace("END", END)
}

fn here(name: &'static str) -> Result<PathBuf, Error> {
    find(name)
        .ok_or_else(|| Error::Start { program: name.into(), source: std::io::ErrorKind::NotFound.into() })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { operation: "read", path: path.into(), source })
}

/// The libraries in what ldd prints.
fn paths(ldd: &str) -> impl Iterator<Item = &str> {
    ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_libraries_and_the_loader() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert!(paths(ldd).eq(expected));
    }

    #[test]
    fn the_first_process_says_how_the_tests_ended() {
        let script = init(&["features::"]);
        assert!(script.contains("--show-output features::\ncode=$?\n"), "{script}");
        assert!(script.contains("\necho \"weir-guest-end $code\"\n"), "{script}");
        assert!(script.contains("for module in veth "), "{script}");
    }
}
